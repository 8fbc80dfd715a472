// Products by experts. Included by cases.h, behind cases_contract.h, whose DOT says what sums may err by.
//
// Few rows, and as many as there are experts, are computed each for itself, more in tiles of 8 to 32 rows of an expert.

static const struct op_case expert_cases[] = {
    {.name = "experts of types in blocks of 32",
     .runs = "T=1 | T=0 | T=2 | T=5 | T=8 | T=9 | T=33 | T=64",
     .split = "T",
     .data = "i = int 0..4",
     DOT,
     .graph =
         "symbol T 0 64\ninput x f32 [T, 64]\ninput z f32 [T, 3, 64]\ninput i i32 [T, 3]\nweight a f32 [5, 6, 64]\n"
         "weight b q4_0 [5, 70, 64]\nweight c q5_0 [5, 33, 64]\nweight d q8_0 [5, 66, 64]\n"
         "%0 = matmul_experts %x %a %i\n%1 = matmul_experts %z %b %i\n%2 = matmul_experts %x %c %i\n"
         "%3 = matmul_experts %z %d %i\noutput %0 f32\noutput %1 q4_0\noutput %2 q5_0\noutput %3 q8_0\n"},
    {.name = "experts of halves and types in blocks of 256",
     .runs = "T=1 | T=3 | T=40",
     .split = "T",
     .data = "i = int 0..6",
     DOT,
     .graph = "symbol T 0 64\ninput x f16 [T, 256]\ninput i u32 [T, 2]\nweight a f16 [7, 5, 256]\n"
              "weight b q4_k [7, 66, 256]\nweight c q6_k [7, 31, 256]\nweight d bf16 [7, 64, 256]\n"
              "%0 = matmul_experts %x %a %i\n%1 = matmul_experts %x %b %i\n%2 = matmul_experts %x %c %i\n"
              "%3 = matmul_experts %x %d %i\noutput %0 f16\noutput %1 q4_k\noutput %2 q6_k\noutput %3 bf16\n"},
    {.name = "experts of rows that fill no block",
     .runs = "T=1 | T=4 | T=13 | T=40",
     .split = "T",
     .data = "i = int 0..2",
     DOT,
     .graph =
         "symbol T 0 40\ninput x f32 [T, 1, 37]\ninput z f16 [T, 2, 37]\ninput i i32 [T, 2]\n"
         "weight a f32 [3, 66, 37]\nweight b f16 [3, 3, 37]\nweight c bf16 [3, 5, 37]\n"
         "%0 = matmul_experts %x %a %i\n%1 = matmul_experts %z %b %i\n%2 = matmul_experts %z %c %i\noutput %0 f32\n"
         "output %1 f16\noutput %2 bf16\n"},
    {.name = "experts that are no weights, of live sizes",
     .runs = "T=1 J=1 E=1 N=1 K=1 | T=0 J=2 E=3 N=5 K=8 | T=9 J=2 E=3 N=5 K=33 | T=3 J=0 E=2 N=3 K=4 | T=3 J=2 E=2 N=0 "
             "K=4 | "
             "T=3 J=2 E=2 N=4 K=0 | T=20 J=5 E=4 N=65 K=7",
     .split = "T",
     .data = "i = int -1..4",
     DOT,
     .graph =
         "symbol T 0 20\nsymbol J 0 5\nsymbol E 1 4\nsymbol N 0 65\nsymbol K 0 40\ninput x f32 [T, K]\n"
         "input z f16 [T, J, K]\ninput i i32 [T, J]\ninput w f32 [E, N, K]\ninput v f16 [E, N, K]\n%s = neg %w\n"
         "%0 = matmul_experts %x %s %i\n%1 = matmul_experts %z %v %i\noutput %s s\noutput %0 y\noutput %1 halves\n"},
    {.name = "one number by one expert, none by any",
     .runs = "T=1 | T=0 | T=40",
     .split = "T",
     .data = "i = 0",
     DOT,
     .graph =
         "symbol T 0 40\ninput x f32 [T, 1]\ninput i i32 [T, 1]\nweight w f32 [1, 1, 1]\ninput e f32 [T, 0]\n"
         "weight n f32 [2, 3, 0]\nweight m f32 [2, 0, 1]\n%0 = matmul_experts %x %w %i\n%1 = matmul_experts %e %n %i\n"
         "%2 = matmul_experts %x %m %i\n%3 = neg %2\noutput %0 one\noutput %1 zeros\noutput %3 none\n"},
    {.name = "a constant zero behind experts",
     .runs = "T=1 | T=40",
     .split = "T",
     .data = "i = int 0..4",
     DOT,
     .graph = "symbol T 1 40\ninput x f32 [T, 1, 33]\ninput i i32 [T, 2]\nweight w f32 [5, 7, 33]\nconst %c f32 [] 0\n"
              "%0 = matmul_experts %x %w %i\n%1 = max %0 %c\noutput %1 y\n"},
    {.name = "whole numbers by experts are exact",
     .runs = "T=1 | T=7 | T=100",
     .split = "T",
     .data = "x = int -8..8; w = int -8..8; i = int -300..300",
     .graph = "symbol T 0 100\ninput x f32 [T, 4, 100]\ninput i i32 [T, 4]\nweight w f16 [40, 17, 100]\n"
              "%0 = matmul_experts %x %w %i\noutput %0 y\n"},
    {.name = "an expert that all choose, and one that nobody does",
     .runs = "T=1 | T=40",
     .split = "T",
     .data = "x = int -8..8; w = int -8..8; i = 5; j = 0 7",
     .graph = "symbol T 0 40\ninput x f32 [T, 64]\ninput i i32 [T, 2]\ninput j u32 [T, 2]\nweight w f32 [8, 33, 64]\n"
              "%0 = matmul_experts %x %w %i\n%1 = matmul_experts %x %w %j\noutput %0 y\noutput %1 ends\n"},
    // two products, an exponential
    {.name = "gate, up and down by experts",
     .runs = "T=1 | T=0 | T=6 | T=9 | T=50",
     .split = "T",
     .levels = true,
     .data = "r = -4..4",
     .abs = 4e-5,
     .rel = 2e-5,
     .graph = "symbol T 0 64\ninput x f32 [T, 64]\ninput r f32 [T, 6]\nweight n f32 [64]\nweight g q5_0 [6, 96, 64]\n"
              "weight u q4_0 [6, 96, 64]\nweight d f16 [6, 64, 96]\n"
              "%h = rms_norm %x %n {eps=1e-6}\n%p = softmax %r\n%v %i = topk %p {k=2}\n%0 = matmul_experts %h %g %i\n"
              "%1 = matmul_experts %h %u %i\n%2 = silu %0\n%3 = mul %2 %1\n%4 = matmul_experts %3 %d %i\n"
              "%w = reshape %v {shape=[T, 2, 1]}\n%5 = mul %4 %w\n%6 = sum %5 {axes=[1], keep=0}\n%7 = add %6 %x\n"
              "output %7 out\noutput %i chosen\n"},
    {.name = "two products of one row by other experts",
     .runs = "T=1 | T=8 | T=33",
     .split = "T",
     .data = "i = int 0..3; j = int 0..3",
     DOT,
     .graph = "symbol T 0 33\ninput x f32 [T, 32]\ninput i i32 [T, 2]\ninput j i32 [T, 2]\nweight w q8_0 [4, 9, 32]\n"
              "weight v q4_0 [4, 70, 32]\n%0 = matmul_experts %x %w %i\n%1 = matmul_experts %x %v %j\n"
              "%2 = matmul_experts %x %w %j\noutput %0 a\noutput %1 b\noutput %2 c\n"},
    {.name = "experts of views, to halves",
     .runs = "T=1 S=0 | T=3 S=2 | T=40 S=0",
     .split = "T",
     .data = "i = int 0..3",
     .abs = 2e-3,
     .rel = 1e-3,
     .graph = "symbol T 1 40\nsymbol S 0 2\ninput x f32 [42, 64]\ninput i i32 [42, 3]\nweight w q8_0 [160, 64]\n"
              "weight q u8 [12, 32]\nweight s f32 [12, 2]\n"
              "%a = slice %x {start=S, len=T}\n%j = slice %i {start=S, len=T}\n%b = reshape %w {shape=[4, 40, 64]}\n"
              "%0 = matmul_experts %a %b %j\n%1 = cast %0 {to=f16}\n"
              "%d = dequant_q4gsw %q %s {group=32, linear_order=1}\n%e = reshape %d {shape=[4, 3, 64]}\n"
              "%2 = matmul_experts %a %e %j\noutput %1 y\noutput %2 pair\n"},
    {.name = "experts of rows too long to be staged",
     .runs = "T=1 | T=2",
     .split = "T",
     .data = "i = int 0..1",
     .abs = 1e-4,
     .rel = 1e-6,
     .graph = "symbol T 0 8\ninput x f32 [T, 12000]\ninput i i32 [T, 2]\nweight w q8_0 [2, 5, 12000]\n"
              "%0 = matmul_experts %x %w %i\noutput %0 y\n"},
    {.name = "NaN and infinities stay with their expert",
     .runs = "T=1 | T=20",
     .split = "T",
     .data = "x = int -3..3; w = 1 1 1 1 1 1 1 1 nan 1 1 1 1 1 1 inf; i = 0 1 0",
     .graph = "symbol T 0 20\ninput x f32 [T, 4]\ninput i i32 [T, 3]\nweight w f32 [2, 2, 4]\n"
              "%0 = matmul_experts %x %w %i\noutput %0 y\n"},
};
