// Norms of groups of channels and logarithms of softmax. Included by cases.h.

static const struct op_case norm_cases[] = {
    // two exponentials' worth of a sum, a logarithm near 0 (2^-21) and a difference
    {.name = "log_softmax",
     .runs = "T=1 N=1 | T=0 N=5 | T=5 N=0 | T=13 N=33 | T=3 N=1000 | T=64 N=70",
     .levels = true,
     .data = "x = -10..10",
     .rel = 2e-6,
     .abs = 4e-6,
     .graph = "symbol T 0 64\nsymbol N 0 1000\ninput x f32 [2, T, N]\n%s = neg %x\n%0 = log_softmax %s\n"
              "%1 = log_softmax %0\noutput %s s\noutput %0 once\noutput %1 twice\n"},
    {.name = "log_softmax of any axis",
     .runs = "A=2 M=3 N=5 | A=0 M=3 N=5 | A=2 M=0 N=5 | A=1 M=1 N=1 | A=4 M=40 N=70",
     .data = "x = -10..10",
     .rel = 2e-6,
     .abs = 4e-6,
     .graph = "symbol A 0 4\nsymbol M 0 40\nsymbol N 0 70\ninput x f32 [A, M, N]\n%0 = log_softmax %x {axis=0}\n"
              "%1 = log_softmax %x {axis=-2}\n%2 = neg %1\noutput %0 first\noutput %2 middle\n"},
    // a probability below e^-88 still has its logarithm; rows with NaN, with nothing but -inf
    {.name = "log_softmax of huge values, infinities and NaN",
     .runs = "T=5 N=5",
     .rel = 2e-6,
     .abs = 4e-6,
     .data = "x = 0 -1e5 -2e6 -3e30 -1e38  3e38 1e38 -3e37 0 1  -inf 1 2 -inf 3  1 2 nan 3 4  "
             "-inf -inf -inf -inf -inf",
     .graph = "symbol T 0 6\nsymbol N 1 9\ninput x f32 [T, N]\n%0 = log_softmax %x\noutput %0 y\n"},
    {.name = "log_softmax of halves, views and weights",
     .runs = "T=1 S=0 | T=9 S=3 | T=0 S=9 | T=8 S=1",
     .levels = true,
     .rel = 2 * HALF,
     .abs = 6.2e-5,
     .data = "x = -30..30",
     .graph = "symbol T 0 9\nsymbol S 0 9\ninput x f16 [20, 7]\ninput y f32 [40]\nweight w bf16 [3, 33]\n"
              "%a = slice %x {start=S, len=T}\n%0 = log_softmax %a\n%1 = log_softmax %a {axis=0}\n"
              "%b = slice %y {start=S, len=30}\n%c = reshape %b {shape=[5, 3, 2]}\n%2 = log_softmax %c\n"
              "%3 = log_softmax %w\noutput %0 last\noutput %1 first\noutput %2 view\noutput %3 w\n"},

    // two means, rsqrt 2 ulp, three products
    {.name = "group_norm",
     .runs = "B=1 S=1 | B=0 S=5 | B=2 S=0 | B=3 S=33 | B=4 S=120",
     .levels = true,
     .rel = 4e-6,
     .abs = 4e-6,
     .graph = "symbol B 0 4\nsymbol S 0 120\ninput x f32 [B, 6, S]\ninput w f32 [6]\ninput b f32 [6]\n%s = neg %x\n"
              "%0 = group_norm %s %w %b {groups=3, eps=0.01}\n%1 = group_norm %s %w {groups=1, eps=0.5}\n"
              "%2 = group_norm %s {groups=2, eps=1e-2}\n%3 = silu %0\noutput %s s\noutput %1 one\noutput %2 plain\n"
              "output %3 silu\n"},
    {.name = "group_norm of planes",
     .runs = "B=1 H=1 W=1 | B=2 H=3 W=5 | B=1 H=17 W=20 | B=2 H=0 W=4",
     .rel = 8e-6,
     .abs = 8e-6,
     .graph = "symbol B 0 2\nsymbol H 0 20\nsymbol W 0 20\ninput x f32 [B, 8, H, W]\nweight w f32 [8]\n"
              "weight b f16 [8]\n%0 = group_norm %x %w %b {groups=4, eps=1e-2}\n%1 = silu %0\noutput %1 y\n"},
    {.name = "group_norm of one element, of no axes behind the channels, of a channel a group",
     .runs = "B=1 | B=3 | B=0",
     .rel = 4e-6,
     .abs = 4e-6,
     .graph = "symbol B 0 3\ninput o f32 [1, 1]\ninput x f32 [B, 12]\ninput w f32 [12]\ninput z f32 [B, 3, 5]\n"
              "input v f32 [3]\ninput e f32 [B, 0, 2]\n%0 = group_norm %o {groups=1}\n"
              "%1 = group_norm %x %w %w {groups=4, eps=0.1}\n%2 = group_norm %z %v %v {groups=3, eps=0.1}\n"
              "%3 = group_norm %e {groups=2}\noutput %0 one\noutput %1 flat\noutput %2 each\noutput %3 none\n"},
    {.name = "group_norm of symbolic channels",
     .runs = "C=1 S=3 | C=0 S=3 | C=5 S=7",
     .rel = 8e-6,
     .abs = 8e-6,
     .graph = "symbol C 0 5\nsymbol S 0 7\ninput x f32 [2, 6*C, S]\ninput w f32 [6*C]\n"
              "%0 = group_norm %x %w {groups=3, eps=0.1}\noutput %0 y\n"},
    // squares of such halves are no halves; halves of the result are rounded once
    {.name = "group_norm of large halves and of views",
     .runs = "T=1 S=0 | T=9 S=3 | T=0 S=9 | T=8 S=1",
     .levels = true,
     .data = "x = -900..900; y = 400..401",
     .rel = HALF,
     .abs = 4e-4,
     .graph = "symbol T 0 9\nsymbol S 0 9\ninput x f16 [20, 4, 7]\ninput y f32 [600]\ninput w f16 [4]\n"
              "%a = slice %x {start=S, len=T}\n%0 = group_norm %a %w {groups=2, eps=0.5}\n%1 = relu %0\n"
              "%b = slice %y {start=3*S, len=20*T}\n%c = reshape %b {shape=[T, 4, 5]}\n"
              "%2 = group_norm %c {groups=1, eps=0.25}\noutput %1 half\noutput %2 view\n"},
    {.name = "group_norm with a NaN and an infinity",
     .runs = "B=2 S=3",
     .rel = 4e-6,
     .abs = 4e-6,
     .data = "x = 1 2 3 4 5 6 7 nan 8 9 1 2 3 4 5 6 7 8 1 inf 2 3 4 5",
     .graph = "symbol B 0 2\nsymbol S 0 3\ninput x f32 [B, 4, S]\n%0 = group_norm %x {groups=2, eps=0.1}\n"
              "output %0 y\n"},
};
