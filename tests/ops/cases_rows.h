// Products of 2 to 64 rows by packed weights, which GPUs compute in slices and pieces of k. Included by cases.h, behind
// cases_contract.h, whose DOT says what sums may err by.
#define SOME_ROWS                                                                                                      \
    "T=2 | T=0 | T=3 | T=4 | T=5 | T=6 | T=7 | T=8 | T=9 | T=10 | T=11 | T=12 | T=13 | T=14 | T=15 | T=16 | T=17 | "   \
    "T=33 | T=64 | T=65 | T=100 | T=1"

static const struct op_case rows_cases[] = {
    {.name = "2 to 64 rows, widths around a tile",
     .runs = SOME_ROWS,
     .split = "T",
     .abs = 1e-5,
     .rel = 4e-6,
     .graph = "symbol T 0 100\ninput x f32 [T, 288]\nweight a q4_0 [63, 288]\nweight b q8_0 [64, 288]\n"
              "weight c q5_1 [65, 288]\nweight d f16 [1, 288]\n"
              "%0 = matmul %x %a\n%1 = matmul %x %b\n%2 = matmul %x %c\n%3 = matmul %x %d\noutput %0 a\noutput %1 b\n"
              "output %2 c\noutput %3 d\n"},
    {.name = "2 to 4 rows, columns that end within a block",
     .runs = "T=2 | T=4 | T=3 | T=1",
     .split = "T",
     DOT,
     .graph = "symbol T 0 4\ninput x f32 [T, 37]\ninput h f16 [T, 100]\nweight a f16 [66, 37]\nweight b bf16 [3, 37]\n"
              "weight c f16 [130, 100]\n"
              "%0 = matmul %x %a\n%1 = matmul %x %b\n%2 = matmul %h %c\noutput %0 a\noutput %1 b\noutput %2 c\n"},
    // 101 and 126 blocks in pieces of 16 or more, the last of which is short; sums of 4,000 products.
    {.name = "some rows summed in pieces of k",
     .runs = "T=2 | T=9 | T=16 | T=17 | T=0 | T=64",
     .split = "T",
     .abs = 4e-5,
     .rel = 4e-6,
     .graph = "symbol T 0 64\ninput x f32 [T, 3232]\ninput z f32 [T, 4001]\nweight a q4_0 [37, 3232]\n"
              "weight b f16 [5, 4001]\n%0 = matmul %x %a\n%1 = matmul %z %b\n%2 = silu %1\noutput %0 a\noutput %2 b\n"},
    {.name = "some rows of three products, in pieces",
     .runs = "T=2 | T=15 | T=16",
     .split = "T",
     .abs = 4e-5,
     .rel = 4e-6,
     .graph = "symbol T 0 16\ninput x f32 [T, 2048]\nweight n f32 [2048]\nweight q q4_0 [70, 2048]\n"
              "weight k q6_k [33, 2048]\nweight v q8_0 [2, 2048]\n"
              "%a = mul %x %n\n%0 = matmul %a %q\n%1 = matmul %a %k\n%2 = matmul %a %v\n"
              "output %0 q\noutput %1 k\noutput %2 v\n"},
    // A half errs by 2^-11 of itself, which another f32 may round the other way.
    {.name = "some rows in pieces, whose rows share words of halves",
     .runs = "T=2 | T=3 | T=8",
     .abs = 4e-5,
     .rel = 1e-3,
     .graph = "symbol T 0 8\ninput x f32 [T, 2080]\nweight w q4_0 [5, 2080]\n%0 = matmul %x %w\n%1 = silu %0\n"
              "%2 = cast %1 {to=f16}\noutput %2 y\n"},
    // Two products of sums of 3,200, and the errors of what is multiplied.
    {.name = "some rows, two and three products combined in pieces",
     .runs = "T=2 | T=8 | T=9 | T=16 | T=33",
     .split = "T",
     .levels = true,
     .abs = 4e-3,
     .rel = 1e-5,
     .graph = "symbol T 0 40\ninput x f32 [T, 3200]\ninput r f32 [T, 70]\nweight g q4_0 [70, 3200]\n"
              "weight u q5_0 [70, 3200]\nweight o q8_0 [70, 3200]\ninput y f32 [T, 64]\nweight p q4_0 [96, 64]\n"
              "weight s q4_1 [96, 64]\n"
              "%0 = matmul %x %g\n%1 = matmul %x %u\n%2 = gelu_tanh %0\n%3 = mul %2 %1\n%4 = add %3 %r\n"
              "%5 = matmul %x %o\n%6 = add %5 %4\n%7 = matmul %y %p\n%8 = matmul %y %s\n%9 = silu %7\n%10 = mul %9 %8\n"
              "output %4 two\noutput %6 three\noutput %10 pair\n"},
    {.name = "a row that is NaN or infinite is alone so",
     .runs = "T=2 | T=7 | T=16 | T=20",
     .data = "x = 1 2 0.5 nan 1 2 3 4 inf 1 2 3 4 5 6 7 8 1 2",
     .abs = 1e-3,
     .rel = 1e-5,
     .graph = "symbol T 0 20\ninput x f32 [T, 1]\nweight w q4_0 [40, 2048]\ninput b f32 [1, 2048]\n"
              "%m = mul %x %b\n%0 = matmul %m %w\noutput %0 y\n"},
    {.name = "some rows with batch axes and a residual in place",
     .runs = "T=1 | T=3 | T=8",
     .split = "T",
     .levels = true,
     DOT,
     .graph = "symbol T 0 8\ninput x f32 [2, T, 64]\ninput r f32 [2, T, 34]\nweight w q8_0 [34, 64]\n"
              "%0 = matmul %x %w\n%1 = add %r %0\n%2 = neg %r\n%3 = add %1 %2\noutput %1 sum\noutput %3 again\n"},
};
