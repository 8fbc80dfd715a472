// Weights in groups of 4-bit numbers: both orders of halves, tied heads, odd K, tails of groups, N that is no multiple
// of 4. Included by cases.h.

// A product of an integer below 8 and an f32 scale is rounded once; sums of K of them (6e-8 sqrt(K) a step).
#define Q4_SUM .rel = 1e-5, .abs = 1e-5
#define Q4_BYTES "w = int 0..255; v = int 0..255; u = int 0..255"

static const struct op_case q4_cases[] = {
    {.name = "embedding_q4gsw in both orders",
     .runs = "T=1 | T=0 | T=9 | T=33",
     .rel = 1.2e-7,
     .data = Q4_BYTES "; ids = 0 -1 5 99 -99 2147483647 -2147483648 3 -6; j = int 0..6",
     .graph = "symbol T 0 64\ninput ids i32 [T]\ninput j u32 [2, T]\nweight w u8 [7, 32]\nweight s f32 [7, 2]\n"
              "weight v u8 [7, 5]\nweight t f32 [7, 3]\nweight u u8 [5, 18]\nweight r f32 [5, 2]\n"
              "%0 = embedding_q4gsw %w %s %ids {group=32}\n%1 = embedding_q4gsw %w %s %ids {group=32, linear_order=1}\n"
              "%2 = embedding_q4gsw %v %t %j {group=4}\n%3 = embedding_q4gsw %v %t %j {group=4, linear_order=1}\n"
              "%4 = embedding_q4gsw %u %r %ids {group=24}\noutput %0 high\noutput %1 low\noutput %2 high10\n"
              "output %3 low10\noutput %4 tail\n"},
    {.name = "embedding_q4gsw by a variable",
     .runs = "id=0 | id=5 | id=4294967295",
     .rel = 1.2e-7,
     .data = Q4_BYTES,
     .graph = "var id u32 0 4294967295\nweight w u8 [6, 16]\nweight s f32 [6, 1]\n"
              "%0 = embedding_q4gsw %w %s %id {group=32}\n%1 = embedding_q4gsw %w %s %id {group=32, linear_order=1}\n"
              "output %0 y\noutput %1 z\n"},
    {.name = "linear_q4gsw of few rows",
     .runs = "T=1 | T=0 | T=3 | T=8",
     Q4_SUM,
     .data = Q4_BYTES,
     .graph = "symbol T 0 8\ninput x f32 [T, 64]\nweight w u8 [12, 32]\nweight s f32 [2, 12]\nweight b f32 [12]\n"
              "input z f16 [T, 37]\nweight v u8 [7, 19]\nweight t f32 [3, 8]\nweight c f32 [8]\n"
              "input o f32 [1, 1]\nweight u u8 [1, 1]\nweight r f32 [1, 4]\ninput h f32 [T, 70]\nweight k u8 [6, 35]\n"
              "weight l f32 [12, 8]\n%n = neg %x\n"
              "%0 = linear_q4gsw %n %w %s %b {group=32}\n%1 = linear_q4gsw %z %v %t %c {group=16}\n"
              "%2 = linear_q4gsw %o %u %r {group=32}\n%3 = linear_q4gsw %h %k %l {group=6}\n%4 = add %n %x\n"
              "output %0 y\noutput %1 odd\noutput %2 one\noutput %3 tails\noutput %4 zero\n"},
    {.name = "linear_q4gsw of many rows",
     .runs = "T=1 | T=0 | T=33 | T=64 | T=9",
     Q4_SUM,
     .data = Q4_BYTES,
     .graph = "symbol T 0 64\ninput x f32 [T, 2, 64]\nweight w u8 [36, 32]\nweight s f32 [2, 36]\n"
              "input z f16 [T, 37]\nweight v u8 [7, 19]\nweight t f32 [3, 8]\nweight c f32 [7]\n"
              "input h f32 [T, 70]\nweight k u8 [6, 35]\nweight l f32 [12, 8]\n"
              "%0 = linear_q4gsw %x %w %s {group=32}\n%1 = linear_q4gsw %z %v %t %c {group=16}\n"
              "%3 = linear_q4gsw %h %k %l {group=6}\noutput %0 y\noutput %1 odd\noutput %3 tails\n"},
    {.name = "a head tied to its embedding",
     .runs = "T=1 | T=9 | T=0 | T=20",
     .split = "T",
     Q4_SUM,
     .data = Q4_BYTES "; ids = int 0..29",
     .graph = "symbol T 0 20\ninput ids u32 [T]\nweight w u8 [30, 32]\nweight s f32 [30, 2]\nweight st f32 [2, 32]\n"
              "%0 = embedding_q4gsw %w %s %ids {group=32, linear_order=1}\n%1 = linear_q4gsw %0 %w %st {group=32}\n"
              "output %0 rows\noutput %1 logits\n"},
};
