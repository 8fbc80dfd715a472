// Matrix products: odd sizes, and what fuses with them. Block types are in cases_types.h. Included by cases.h.
//
// Sums of K products of uniform numbers in f32: each step errs by 6e-8 of its partial sum, and partial sums of K
// uniform products stay near sqrt(K) / 3; with K = 256 in 64 steps a lane that is 64 * 6e-8 * 5 = 2e-5 at worst, a
// tenth of it as roundings go.
#define DOT .abs = 4e-6, .rel = 4e-6
#define ROWS_ALL "T=1 | T=0 | T=2 | T=3 | T=4 | T=5 | T=6 | T=7 | T=8 | T=9 | T=33"

static const struct op_case contract_cases[] = {
    {.name = "matmul of plain types",
     .runs = ROWS_ALL,
     .split = "T",
     DOT,
     .graph = "symbol T 0 64\ninput x f32 [T, 256]\nweight a f32 [1, 256]\nweight b f16 [5, 256]\n"
              "weight c f32 [131, 256]\nweight d bf16 [64, 256]\n"
              "%0 = matmul %x %a\n%1 = matmul %x %b\n%2 = matmul %x %c\n%3 = matmul %x %d\noutput %0 f32\n"
              "output %1 f16\noutput %2 wide\noutput %3 bf16\n"},
    {.name = "matmul of rows that fill no block",
     .runs = ROWS_ALL,
     .split = "T",
     DOT,
     .graph = "symbol T 0 64\ninput x f32 [T, 37]\nweight a f32 [66, 37]\nweight b f16 [3, 37]\nweight c bf16 [5, 37]\n"
              "%0 = matmul %x %a\n%1 = matmul %x %b\n%2 = matmul %x %c\noutput %0 f32\noutput %1 f16\n"
              "output %2 bf16\n"},
    {.name = "whole numbers multiply exactly",
     .runs = "T=1 | T=5 | T=33",
     .split = "T",
     .data = "x = int -8..8; w = "
             "int -8..8",
     .graph = "symbol T 0 64\ninput x f32 [T, 100]\nweight w f16 [33, 100]\n%0 = matmul %x %w\noutput %0 y\n"},
    {.name = "matmul of plain values",
     .runs = "T=1 N=1 | T=0 N=3 | T=3 N=0 | T=9 N=65 | T=40 N=7",
     .split = "T",
     .levels = true,
     DOT,
     .graph = "symbol T 0 64\nsymbol N 0 70\ninput x f32 [2, T, 33]\ninput w f16 [N, 33]\ninput v f32 [N, 40]\n"
              "input y f16 [T, 40]\ninput u f32 [33]\n"
              "%0 = matmul %x %w\n%1 = matmul %y %v\n%2 = matmul %u %w\noutput %0 a\noutput %1 b\noutput %2 c\n"},
    {.name = "matmul of one number, of one value twice",
     .runs = "T=1 | T=0 | T=2 | T=33",
     .split = "T",
     DOT,
     .graph = "symbol T 0 40\ninput x f32 [1, 1]\nweight w f32 [1, 1]\ninput y f32 [T, 32]\n%0 = matmul %x %w\n"
              "%s = neg %y\n%1 = matmul %s %s\noutput %0 one\noutput %1 square\noutput %s s\n"},
    {.name = "matmul over no columns, to no columns",
     .runs = "T=1 | T=0 | T=9",
     .split = "T",
     .graph = "symbol T 0 9\ninput x f32 [T, 0]\nweight w f32 [5, 0]\ninput v f32 [3, 0]\ninput y f32 [T, 4]\n"
              "weight n f32 [0, 4]\n"
              "%0 = matmul %x %w\n%1 = matmul %x %v\n%2 = matmul %y %n\n%3 = neg %2\noutput %0 a\noutput %1 b\n"
              "output %3 c\n"},
    // Rows longer than a workgroup's memory: partial sums near 30, 225 steps: 225 * 6e-8 * 30 = 4e-4 at worst, a tenth
    // in practice.
    {.name = "few rows too long to be staged",
     .runs = "T=1 | T=2",
     .split = "T",
     .abs = 3e-5,
     .rel = 1e-6,
     .graph = "symbol T 0 8\ninput x f32 [T, 7200]\nweight w q8_0 [3, 7200]\nweight n f32 [7200]\n%a = mul %x %n\n"
              "%0 = matmul %a %w\n%1 = neg %0\noutput %1 y\n"},
    // Longer than a workgroup's memory on every device, with a last chunk and a last block that are not full, for each
    // kind of load. Sums as above, of 375 and 1,250 blocks.
    {.name = "few rows staged in chunks",
     .runs = "T=1 | T=3",
     .split = "T",
     .abs = 1e-4,
     .rel = 1e-6,
     .graph = "symbol T 0 3\ninput x f32 [T, 12000]\ninput h f16 [T, 12001]\ninput z f32 [T, 40000]\n"
              "weight w q8_0 [37, 12000]\nweight a f16 [6, 12001]\nweight b q5_0 [3, 40000]\n"
              "%0 = matmul %x %w\n%1 = matmul %h %a\n%2 = matmul %z %b\n%3 = silu %0\n"
              "output %1 f16\noutput %2 q5_0\noutput %3 epilogue\n"},
    {.name = "65,600 columns",
     .runs = "T=1 | T=3",
     .split = "T",
     DOT,
     .graph = "symbol T 0 8\ninput x f32 [T, 32]\nweight w q4_0 [65600, 32]\n%0 = matmul %x %w\noutput %0 y\n"},
    {.name = "views in front of matmul",
     .runs = "T=1 S=0 | T=9 S=3 | T=0 S=9 | T=8 S=1",
     .split = "T",
     DOT,
     .graph = "symbol T 0 9\nsymbol S 0 9\ninput x f32 [20, 6]\ninput y f32 [20, 8]\ninput z f16 [41]\n"
              "weight w f32 [5, 6]\nweight v q8_0 [9, 32]\nweight u f16 [3, 8]\n"
              "%a = slice %x {start=S, len=T}\n%0 = matmul %a %w\n%b = slice %y {start=S, len=8}\n"
              "%c = reshape %b {shape=[2, 32]}\n%1 = matmul %c %v\n"
              "%d = slice %z {start=S, len=32}\n%e = reshape %d {shape=[1, 32]}\n%2 = matmul %c %e\n"
              "%f = slice %y {start=S+1, len=T}\n%3 = matmul %f %u\n"
              "output %0 a\noutput %1 b\noutput %2 c\noutput %3 d\n"},
    // the norm's error through 40 products
    {.name = "norm, matmul, residual",
     .runs = "T=1 | T=0 | T=5 | T=9 | T=33",
     .split = "T",
     .levels = true,
     .abs = 2e-5,
     .rel = 1e-5,
     .graph = "symbol T 0 64\ninput x f32 [T, 40]\ninput r f32 [T, 33]\nweight n f32 [40]\nweight w f16 [33, 40]\n"
              "weight v f32 [33]\n"
              "%0 = rms_norm %x %n {eps=1e-6}\n%1 = matmul %0 %w\n%2 = mul %1 %v\n%3 = add %2 %r\noutput %0 norm\n"
              "output %3 sum\n"},
    // two products of the above
    {.name = "gate and up",
     .runs = "T=1 | T=0 | T=5 | T=8",
     .levels = true,
     .abs = 4e-5,
     .rel = 2e-5,
     .graph = "symbol T 0 8\ninput x f32 [T, 64]\nweight n f32 [64]\nweight g q5_0 [96, 64]\nweight u q4_0 [96, 64]\n"
              "weight d f16 [64, 96]\n"
              "%0 = rms_norm %x %n {eps=1e-6}\n%1 = matmul %0 %g\n%2 = matmul %0 %u\n%3 = gelu_tanh %1\n"
              "%4 = mul %3 %2\n%5 = matmul %4 %d\n%6 = rms_norm %5 %n {eps=1e-6}\n"
              "%7 = add %6 %x\noutput %2 up\noutput %7 out\n"},
    {.name = "three matmuls of one norm, of different widths",
     .runs = "T=1 | T=0 | T=5 | T=9 | T=33",
     .split = "T",
     .abs = 2e-5,
     .rel = 1e-5,
     .graph = "symbol T 0 64\ninput x f32 [T, 256]\nweight n f32 [256]\nweight q q6_k [128, 256]\n"
              "weight k q4_k [32, 256]\nweight v q8_0 [33, 256]\nweight b f32 [128]\n"
              "%0 = layer_norm %x %n %n {eps=0.01}\n%1 = matmul %0 %q\n%2 = matmul %0 %k\n%3 = matmul %0 %v\n"
              "%4 = add %1 %b\n%5 = silu %3\noutput %4 q\noutput %2 k\noutput %5 v\n"},
    {.name = "five matmuls of one value, one of them twice",
     .runs = "T=1 | T=7 | T=8",
     DOT,
     .graph = "symbol T 0 8\ninput x f32 [T, 32]\nweight a q8_0 [5, 32]\nweight b q8_0 [40, 32]\n"
              "weight c q8_0 [32, 32]\nweight d q8_0 [1, 32]\n"
              "%0 = matmul %x %a\n%1 = matmul %x %b\n%2 = matmul %x %c\n%3 = matmul %x %d\n%4 = matmul %x %a\n"
              "%5 = matmul %2 %c\n"
              "output %0 a\noutput %1 b\noutput %2 c\noutput %3 d\noutput %4 again\noutput %5 chain\n"},
    {.name = "an epilogue with row values, broadcasts and itself as an output",
     .runs = "T=1 | T=0 | T=6 | T=33",
     .split = "T",
     .levels = true,
     .abs = 1e-5,
     .rel = 1e-5,
     .graph = "symbol T 0 64\ninput x f32 [2, T, 32]\ninput r f32 [T, 1]\ninput a f32 [2, 1, 1]\n"
              "input v f32 [2, 1, 34]\nweight w q8_0 [34, 32]\n"
              "%0 = matmul %x %w\n%1 = neg %r\n%2 = mul %0 %1\n%3 = add %2 %a\n%4 = sub %3 %v\n%5 = mul %4 %0\n"
              "%6 = mean %5\n%7 = sub %5 %6\noutput %0 acc\noutput %4 mid\noutput %7 out\n"},
    {.name = "two levels of reductions in front of a matmul",
     .runs = "T=1 | T=3 | T=7",
     .levels = true,
     .abs = 3e-5,
     .rel = 2e-5,
     .graph = "symbol T 0 8\ninput x f32 [T, 36]\nweight n f32 [36]\nweight w f32 [9, 36]\n"
              "%0 = layer_norm %x %n {eps=0.01}\n%1 = softmax %0\n%2 = rms_norm %1 %n\n%3 = matmul %2 %w\n"
              "%4 = tanh %3\noutput %1 softmax\noutput %4 out\n"},
    // ---- any form ----
    {.name = "products by batch, broadcast on both sides",
     .runs = "T=1 N=1 | T=0 N=3 | T=3 N=0 | T=9 N=65 | T=40 N=7",
     DOT,
     .graph = "symbol T 0 64\nsymbol N 0 70\ninput x f32 [3, 1, T, 37]\ninput w f32 [2, N, 37]\n"
              "input h f16 [3, 2, T, N]\ninput v f16 [1, 5, N]\nweight q q8_0 [3, 5, 32]\ninput z f32 [T, 32]\n"
              "%0 = matmul %x %w\n%1 = matmul %h %v\n%2 = matmul %z %q\n"
              "output %0 both\noutput %1 right\noutput %2 weight\n"},
    {.name = "epilogues of products in any form",
     .runs = "T=1 K=1 | T=0 K=5 | T=9 K=0 | T=65 K=37",
     .levels = true,
     DOT,
     .graph = "symbol T 0 70\nsymbol K 0 40\ninput a f32 [2, 3, T, K]\ninput b f16 [3, K, 10]\ninput c f32 [10]\n"
              "input r f32 [2, 3, T, 10]\ninput t f32 [3, T, 1]\ninput x f32 [T, K]\ninput w f32 [9, K]\n"
              "input y f32 [T, 9]\ninput v f32 [K]\n"
              "%0 = matmul %a %b {transpose_b=0}\n%1 = add %0 %c\n%2 = silu %1\n%3 = add %2 %r\n%4 = mul %3 %t\n"
              "%5 = matmul %x %w\n%6 = relu %5\n%7 = add %6 %y\n%8 = matmul %x %v\n%9 = neg %8\n"
              "%10 = matmul %v %v\n%11 = abs %10\n"
              "output %3 mid\noutput %4 batch\noutput %7 rows\noutput %9 columns\noutput %11 dot\n"},
    {.name = "products as halves, integers and ranges of a state",
     .runs = "T=1 K=1 | T=3 K=0 | T=33 K=9",
     .levels = true,
     .data = "a = int -3..3; b = int -3..3; u = int -9..9; v = int -2000000000..2000000000; p = int -3..3; "
             "q = int -3..3; s = int -9..9",
     .graph = "symbol T 0 40\nsymbol K 0 10\ninput a f32 [2, T, K]\ninput b f32 [2, K, 7]\ninput u i32 [T, K]\n"
              "input v i32 [5, K]\ninput c i32 [5]\ninput p f32 [4, K]\ninput q f32 [6, K]\nstate s dense f32 [9, 6]\n"
              "%0 = matmul %a %b {transpose_b=0}\n%1 = cast %0 {to=f16}\n%2 = matmul %u %v\n%3 = add %2 %c\n"
              "%4 = slice %s {start=2, len=4}\n%5 = matmul %p %q\n%6 = add %4 %5\n%7 = assign %s %6 {start=12}\n"
              "output %1 halves\noutput %3 whole\n"},
    // One side has few rows, in all batches together or each of them; words are read alone or by fours.
    {.name = "few rows by values in any form",
     .runs = "T=1 N=1 S=1 | T=0 N=3 S=0 | T=3 N=0 S=4 | T=8 N=65 S=3 | T=2 N=7 S=8",
     DOT,
     .graph = "symbol T 0 8\nsymbol N 0 70\nsymbol S 0 8\ninput x f32 [3, T, 36]\ninput w f16 [N, 36]\n"
              "input v f32 [36, N]\ninput y f16 [T, 37]\ninput u bf16 [37, N]\ninput l f32 [400]\n"
              "input k f32 [5, N, 36]\ninput q f32 [5, T, 36]\ninput z f32 [5, N, 12]\ninput a f32 [N, 36]\n"
              "input b f32 [2, 36]\n"
              "%0 = matmul %x %w\n%1 = matmul %x %v {transpose_b=0}\n%2 = matmul %y %u {transpose_b=0}\n"
              "%r = slice %l {start=S, len=360}\n%s = reshape %r {shape=[10, 36]}\n%3 = matmul %x %s\n"
              "%4 = matmul %q %k\n%5 = matmul %4 %z {transpose_b=0}\n%6 = matmul %a %b\n%7 = silu %6\n"
              "%8 = matmul %v %b {transpose_a=1}\n"
              "output %0 folded\noutput %1 across\noutput %2 odd\noutput %3 view\noutput %4 scores\n"
              "output %5 values\noutput %7 swapped\noutput %8 left\n"},
    // Neither moves nor elementwise nodes in front of a product store anything where it is small.
    {.name = "sides that are computed where they are read",
     .runs = "T=1 K=1 S=0 | T=0 K=5 S=2 | T=9 K=0 S=1 | T=40 K=7 S=3",
     .levels = true,
     .abs = 8e-6,
     .rel = 8e-6,
     .graph = "symbol T 0 40\nsymbol K 0 8\nsymbol S 0 3\ninput a f32 [T, 3, K]\ninput b f32 [K, 3, 5]\n"
              "input x f32 [T, 12]\ninput y f16 [6, 12]\ninput z f32 [T, 8]\ninput p f32 [2, K]\ninput q f32 [9, K]\n"
              "input r f32 [T, 1]\ninput i i32 [K, T]\ninput j i32 [T, K]\ninput l f32 [24, T]\n"
              "weight w q8_0 [9, 32]\n"
              "%0 = transpose %a {perm=[1, 0, 2]}\n%1 = transpose %b {perm=[1, 0, 2]}\n"
              "%2 = matmul %0 %1 {transpose_b=0}\n%3 = silu %2\n"
              "%4 = mul %x %r\n%5 = concat %4 %z {axis=1}\n%6 = pad %y {before=[0, S], after=[1, 8-S], value=0.5}\n"
              "%7 = cast %6 {to=f32}\n%8 = tanh %7\n%9 = matmul %5 %8\n"
              "%10 = concat %p %q\n%11 = exp %q\n%12 = matmul %10 %11\n%13 = transpose %i\n%14 = add %13 %j\n"
              "%15 = matmul %14 %14\n%16 = transpose %l\n%17 = pad %16 {before=[0, 0], after=[0, 8]}\n"
              "%18 = matmul %17 %w\n%19 = neg %18\n"
              "output %3 batch\noutput %9 joined\noutput %12 small\noutput %15 square\noutput %19 packed\n"},
    // What stands in a row or column reaches its own outputs, and what is padded reaches none.
    {.name = "NaN and infinities in products of any form",
     .runs = "T=1 K=5 | T=9 K=7 | T=3 K=4099",
     .abs = 2e-4,
     .rel = 2e-6,
     .data = "x = 1 0.5 -1 nan 2 1 -2 3 0.25 1 1 -1 2; y = 2 inf 1 -1 3 1 0.5; z = 1 0 -inf 2 1 3 1 1 0.5 2 1",
     .graph = "symbol T 0 9\nsymbol K 0 4099\ninput x f32 [2, T, 3]\ninput y f32 [5, 3]\ninput z f32 [3, K]\n"
              "input a f32 [K, 2]\n"
              "%0 = matmul %x %y\n%1 = relu %0\n%2 = matmul %y %z {transpose_b=0}\n%3 = matmul %z %a {transpose_b=0}\n"
              "%4 = neg %3\n%5 = transpose %y\n%6 = abs %5\n%7 = matmul %6 %6\n"
              "output %1 rows\noutput %2 wide\noutput %4 long\noutput %7 computed\n"},
    {.name = "sides that are computed, of many rows by a packed weight",
     .runs = "T=100 | T=1 | T=0 | T=65",
     .levels = true,
     DOT,
     .graph = "symbol T 0 100\ninput x f32 [36, T]\ninput y f16 [T, 28]\nweight w q8_0 [9, 64]\nweight v f32 [5, 37]\n"
              "input z f32 [37, 2, T]\ninput b f32 [9]\n"
              "%0 = transpose %x\n%1 = cast %y {to=f32}\n%2 = concat %0 %1 {axis=1}\n%3 = relu %2\n%4 = matmul %3 %w\n"
              "%5 = add %4 %b\n%6 = transpose %z {perm=[1, 2, 0]}\n%7 = neg %6\n%8 = matmul %7 %v\n"
              "output %5 wide\noutput %8 odd\n"},
    // Partial sums near 67: 600 steps a lane, 600 * 6e-8 * 67 = 2e-3 at worst, a tenth in practice.
    {.name = "long sums of few outputs, in pieces",
     .runs = "T=1 K=1 | T=3 K=0 | T=2 K=40000 | T=1 K=34817 | T=0 K=5",
     .abs = 4e-4,
     .rel = 2e-6,
     .data = "i = int -2000000000..2000000000",
     .graph = "symbol T 0 3\nsymbol K 0 40000\ninput x f32 [T, K]\ninput w f32 [2, K]\ninput v f16 [K, 5]\n"
              "input c f32 [2]\ninput u f32 [K]\ninput i i32 [K]\ninput b f32 [2, T, K]\nstate s dense f16 [7]\n"
              "%0 = matmul %x %w\n%1 = add %0 %c\n%2 = matmul %x %v {transpose_b=0}\n%3 = matmul %u %u\n%4 = neg %3\n"
              "%5 = matmul %i %i\n%6 = matmul %b %b\n%7 = matmul %w %x\n%8 = matmul %w %u\n%9 = cast %8 {to=f16}\n"
              "%10 = assign %s %9 {start=3}\n"
              "output %1 rows\noutput %2 across\noutput %4 dot\noutput %5 whole\noutput %6 batch\noutput %7 swapped\n"},
    {.name = "products of transposed sides",
     .runs = "T=1 N=1 K=1 | T=0 N=3 K=4 | T=3 N=0 K=2 | T=9 N=65 K=0 | T=33 N=7 K=35",
     DOT,
     .graph = "symbol T 0 64\nsymbol N 0 70\nsymbol K 0 40\ninput a f32 [K, T]\ninput b f32 [K, N]\n"
              "input c f16 [N, K]\ninput d f32 [2, T, K]\ninput e bf16 [2, K, N]\n"
              "%0 = matmul %a %b {transpose_a=1, transpose_b=0}\n%1 = matmul %a %c {transpose_a=1}\n"
              "%2 = matmul %d %e {transpose_b=0}\n%3 = matmul %d %b {transpose_b=0}\n"
              "output %0 both\noutput %1 left\noutput %2 batch\noutput %3 rows\n"},
    {.name = "weights of transposed products",
     .runs = "T=1 | T=0 | T=9 | T=33",
     DOT,
     .graph = "symbol T 0 40\ninput x f32 [T, 33]\ninput y f32 [32, T]\nweight a f16 [33, 32]\n"
              "weight b q4_0 [33, 64]\nweight c q8_0 [5, 32]\n"
              "%0 = matmul %x %a {transpose_b=0}\n%1 = matmul %x %b {transpose_b=0}\n"
              "%2 = matmul %y %c {transpose_a=1}\noutput %0 f16\noutput %1 q4_0\noutput %2 q8_0\n"},
    {.name = "products by vectors and of vectors",
     .runs = "T=1 K=1 | T=0 K=5 | T=9 K=0 | T=65 K=37",
     DOT,
     .graph = "symbol T 0 70\nsymbol K 0 40\ninput x f32 [2, T, K]\ninput v f32 [K]\ninput u f32 [K]\n"
              "input m f32 [K, T]\n"
              "%0 = matmul %x %v\n%1 = matmul %v %u\n%2 = matmul %v %x\n%3 = matmul %v %m {transpose_b=0}\n"
              "%4 = matmul %m %v {transpose_a=1}\n%5 = neg %1\n"
              "output %0 columns\noutput %1 dot\noutput %2 rows\noutput %3 left\noutput %4 right\noutput %5 minus\n"},
    {.name = "whole numbers of 32 bits, with sums that wrap",
     .runs = "T=1 | T=0 | T=17",
     .data = "x = int "
             "-2000000..2000000; w = int -2000000..2000000; u = int 0..3000000; v = int 0..3000000",
     .graph = "symbol T 0 40\ninput x i32 [T, 35]\ninput w i32 [66, 35]\ninput u u32 [2, T, 3]\n"
              "input v u32 [2, 3, 5]\n"
              "%0 = matmul %x %w\n%1 = matmul %u %v {transpose_b=0}\noutput %0 signed\noutput %1 unsigned\n"},
    {.name = "products of views by batch",
     .runs = "T=1 S=0 | T=9 S=3 | T=0 S=9 | T=8 S=1",
     DOT,
     .graph = "symbol T 0 9\nsymbol S 0 9\ninput x f32 [20, 6]\ninput y f32 [20, 2, 6]\n"
              "%a = slice %x {start=S, len=T}\n%b = slice %y {start=S+1, len=T}\n%c = reshape %b {shape=[T, 2, 6]}\n"
              "%0 = matmul %a %c\n%1 = matmul %a %a {transpose_a=1, transpose_b=0}\n%2 = neg %0\n"
              "output %0 views\noutput %1 square\noutput %2 minus\n"},
};
