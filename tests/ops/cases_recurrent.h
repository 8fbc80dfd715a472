// Operators with a recurrent state, and what they are decomposed into. Included by cases.h. The products of rules,
// gates and heads are in test_gpu_recurrent.c.
//
// A state is a sum over tokens of numbers below 1, each rounded; the products of decays are exp of sums of up to a
// chunk of logarithms (6e-8 of the sum); the delta rule subtracts what is near.
#define RECUR .rel = 5e-6, .abs = 5e-6
#define DECAYS "decay = -1.5..0; beta = 0..1; k = -0.4..0.4"

// 45 numbers in front of one that no number stands for.
#define LATE                                                                                                           \
    "0.5 -0.25 1 0.75 -1 0.125 -0.5 0.375 0.25 -0.75 0.625 -0.375 0.9 -0.1 0.3 "                                       \
    "-0.7 0.2 0.6 -0.4 0.8 -0.3 0.1 0.7 -0.9 0.45 -0.55 0.65 -0.15 0.35 0.85 "                                         \
    "-0.05 0.95 -0.6 0.4 -0.2 0.55 0.15 -0.85 0.05 -0.35 0.75 0.33 -0.66 0.99 -0.11 "
#define LATE_DECAY                                                                                                     \
    "-0.5 -0.25 -1 -0.75 -1 -0.125 -0.5 -0.375 -0.25 -0.75 -0.625 -0.375 -0.9 -0.1 -0.3 "                              \
    "-0.7 -0.2 -0.6 -0.4 -0.8 -0.3 -0.1 -0.7 -0.9 -0.45 -0.55 -0.65 -0.15 -0.35 -0.85 "                                \
    "-0.05 -0.95 -0.6 -0.4 -0.2 -0.55 -0.15 -0.85 -0.05 -0.35 -0.75 -0.33 -0.66 -0.99 -0.11 "
#define LATE_GRAPH                                                                                                     \
    "symbol T 0 48\nstate s dense f32 [1, 2, 2, 2]\ninput q f32 [T, 4]\ninput k f32 [T, 4]\ninput v f32 [T, 4]\n"      \
    "input decay f32 [T, 4]\ninput beta f32 [T, 2]\n"                                                                  \
    "%n %y = linear_attention %s %q %k %v %decay %beta {q_heads=2, kv_heads=2, chunk=16}\noutput %y y\n"

static const struct op_case recurrent_cases[] = {
    {.name = "softplus",
     .runs = SIZES_2D,
     .data = "x = -12..12",
     .rel = 2e-5,
     .abs = 1e-9,
     .graph = UNARY_HEAD "%s = neg %x\n%0 = softplus %s\n%1 = add %0 %s\noutput %0 softplus\noutput %1 sum\n"},
    {.name = "softplus of huge and tiny floats",
     .runs = "T=2 N=7",
     .data = "x = 1e30 -1e30 90 -90 0 -0 1000 -1000 50 "
             "-50 1e-30 88 -16 -0.001",
     .rel = 2e-5,
     .abs = 2e-36,
     .graph = UNARY_HEAD "%s = neg %x\n%0 = softplus %s\noutput %0 softplus\n"},
    {.name = "linear attention, one number",
     .runs = "T=1 | T=0 | T=3",
     RECUR,
     .graph = "symbol T 0 3\nstate s dense f32 [1, 1, 1]\ninput q f32 [T, 1]\n"
              "%n %y = linear_attention %s %q %q %q {rule=linear, q_heads=1, kv_heads=1}\noutput %y y\n"},
    {.name = "recurrences of no sequences",
     .runs = "T=1 | T=40",
     .split = "T",
     RECUR,
     .graph = "symbol T 0 40\nstate s dense f32 [0, 2, 4, 4]\nstate c dense f32 [0, 8, 3]\ninput q f32 [0, T, 8]\n"
              "input g f32 [0, T, 2]\ninput x f32 [0, 8, T]\nweight w f32 [8, 4]\n"
              "%n %y = linear_attention %s %q %q %q %g %g {q_heads=2, kv_heads=2}\n%m %z = causal_conv %c %x %w\n"
              "output %y y\noutput %z z\n"},
    {.name = "linear attention in steps and chunks",
     .runs = "T=1 | T=0 | T=7 | T=8 | T=33 | T=48",
     .split = "T",
     .data = DECAYS,
     RECUR,
     .graph = "symbol T 0 48\nstate s dense f32 [1, 2, 8, 12]\ninput q f32 [T, 32]\ninput k f32 [T, 16]\n"
              "input v f32 [T, 24]\ninput decay f32 [T, 2]\ninput beta f32 [T, 2]\n"
              "%n %y = linear_attention %s %q %k %v %decay %beta {q_heads=4, kv_heads=2, chunk=16}\noutput %y y\n"},
    {.name = "linear attention of odd sizes and views",
     .runs = "T=1 S=0 | T=0 S=1 | T=9 S=3 | T=40 S=2",
     .split = "T",
     .data = DECAYS,
     RECUR,
     .graph = "symbol T 0 40\nsymbol S 0 3\nstate s dense f32 [2, 5, 7]\ninput x f32 [50, 14]\ninput k f32 [50, 14]\n"
              "input v f16 [50, 10]\ninput decay f32 [50, 14]\ninput beta f16 [50, 1]\n"
              "%a = slice %x {start=S, len=T}\n%b = slice %k {start=S+1, len=T}\n%c = slice %v {start=S, len=T}\n"
              "%d = slice %decay {start=S+2, len=T}\n%e = slice %beta {start=S, len=T}\n"
              "%n %y = linear_attention %s %a %b %c %d %e {q_heads=2, kv_heads=2, layout=value}\noutput %y y\n"},
    // A NaN of a token behind eleven others, which must not know of it: by token and in one chunk.
    {.name = "linear attention, a late NaN among values",
     .runs = "T=12 | T=1 | T=20",
     .split = "T",
     .data = DECAYS "; v = " LATE "nan",
     RECUR,
     .graph = LATE_GRAPH},
    {.name = "linear attention, a late NaN among keys",
     .runs = "T=12 | T=20",
     .split = "T",
     .data = "decay = -1.5..0; beta = 0..0.5; k = " LATE "nan",
     RECUR,
     .graph = LATE_GRAPH},
    {.name = "linear attention, a late NaN among queries",
     .runs = "T=12 | T=20",
     .split = "T",
     .data = DECAYS "; q = " LATE "nan",
     RECUR,
     .graph = LATE_GRAPH},
    {.name = "linear attention, a late NaN among decays",
     .runs = "T=12 | T=20",
     .split = "T",
     .data = "beta = 0..1; k = -0.4..0.4; decay = " LATE_DECAY "nan",
     RECUR,
     .graph = LATE_GRAPH},
    {.name = "linear attention, a late NaN among strengths",
     .runs = "T=12 | T=20",
     .split = "T",
     .data = "decay = -1.5..0; k = -0.4..0.4; beta = 0.5 0.25 1 0.75 0.5 0.25 1 0.75 0.5 0.25 1 0.75 0.5 0.25 1 0.75 "
             "0.5 0.25 1 0.75 0.5 0.25 nan 1 0.75 0.5 0.25 1 0.75 0.5 0.25 1 0.75 0.5 0.25 1 0.75 0.5 0.25",
     RECUR,
     .graph = LATE_GRAPH},
    {.name = "gated delta net",
     .runs = "T=1 | T=0 | T=7 | T=48",
     .split = "T",
     .data = "A_log = -2..1; k = -1..1",
     .levels = true,
     RECUR,
     .graph = "symbol T 0 48\nstate s dense f32 [1, 4, 12, 8]\ninput q f32 [T, 16]\ninput k f32 [T, 16]\n"
              "input v f32 [T, 48]\ninput a f32 [T, 4]\ninput b f32 [T, 4]\nweight A_log f32 [4]\nweight dt f32 [4]\n"
              "%v2 = neg %v\n"
              "%n %y = gated_delta_net %s %q %k %v2 %a %b %A_log %dt {gate_activation=qwen, beta_activation=sigmoid, "
              "qk_l2_norm=1, q_heads=2, kv_heads=4, chunk=16}\n%z = mul %y %v2\noutput %z z\n"},
    {.name = "gated delta net, one number, one operand for all",
     .runs = "T=1 | T=2",
     .data = "x = -1..0",
     RECUR,
     .graph = "symbol T 0 3\nstate s dense f32 [1, 1, 1, 1]\ninput x f32 [T, 1]\n"
              "%n %y = gated_delta_net %s %x %x %x %x %x {q_heads=1, kv_heads=1, layout=key}\noutput %y y\n"},
    {.name = "causal convolution, channels last",
     .runs = "T=1 | T=0 | T=2 | T=3 | T=4 | T=40 | T=37",
     .split = "T",
     .rel = 1e-6,
     .abs = 1e-6,
     .graph = "symbol T 0 40\nstate s dense f32 [3, 6]\ninput x f32 [T, 6]\nweight w f32 [6, 1, 4]\nweight b f32 [6]\n"
              "%v = neg %x\n%n %y = causal_conv %s %v %w %b {layout=last, activation=silu}\n%z = add %y %v\n"
              "output %z z\n"},
    {.name = "causal convolution of one number",
     .runs = "T=1 | T=2",
     .rel = 1e-6,
     .abs = 1e-6,
     .graph = "symbol T 0 3\nstate s dense f32 [1, 1]\ninput x f32 [1, T]\nweight w f16 [1, 2]\n"
              "%n %y = causal_conv %s %x %w\noutput %y y\n"},
};
