// Weights and constants of all types and shapes under operators that read elements, views of them, and leaves that are
// outputs. Included by cases.h.
static const struct op_case weight_cases[] = {
    {.name = "packed weights read element by element",
     .runs = "T=3 | T=0 | T=5",
     .levels = true,
     .rel = 2e-6,
     .abs = 2e-6,
     .graph = "symbol T 0 5\ninput x f32 [T, 5, 40]\ninput z f32 [5, 33]\nweight a f32 [5, 40]\nweight h f16 [5, 1]\n"
              "weight b bf16 [5, 33]\nweight n f32 [40]\nconst %c f32 [5, 1] 1 2 3 4 5\n"
              "%0 = mul %x %a\n%1 = add %0 %h\n%2 = rms_norm %1 %n {eps=1e-6}\n%3 = sum %b\n%4 = add %z %3\n"
              "%5 = softmax %a\n%6 = sub %4 %b\n%7 = mul %c %h\noutput %2 norm\noutput %5 softmax\noutput %6 sums\n"
              "output %7 scaled\n"},
    {.name = "a packed weight as left and right operand",
     .runs = " ",
     .rel = 1e-5,
     .abs = 1e-5,
     .graph = "weight a f32 [6, 36]\nweight b f16 [9, 36]\ninput x f32 [2, 36]\n%0 = matmul %a %b\n%1 = matmul %x %b\n"
              "%2 = amax %b\n%3 = concat %x %a\n%4 = transpose %b\noutput %0 y\noutput %1 z\noutput %2 top\n"
              "output %3 rows\noutput %4 turned\n"},
    {.name = "elements of quantised weights",
     .runs = "T=3",
     .rel = 1e-6,
     .abs = 1e-6,
     .graph = "symbol T 0 3\ninput x f32 [T, 256]\nweight a q8_0 [7, 256]\nweight b q4_k [2, 256]\n"
              "weight c q6_k [1, 256]\nweight d q4_0 [3, 32]\n"
              "%0 = cast %a {to=f32}\n%1 = cast %b {to=f32}\n%2 = cast %c {to=f32}\n%3 = mul %x %2\n"
              "%4 = cast %d {to=f32}\n%5 = square %4\noutput %0 q8\noutput %1 q4k\noutput %3 q6k\n"
              "output %5 q4\n"},
    // rounding to f16 is up to the driver: SwiftShader's cuts
    {.name = "elements of quantised weights as f16",
     .runs = "T=3",
     .rel = 1e-3,
     .abs = 1e-6,
     .graph = "symbol T 0 3\ninput x f16 [T, 256]\nweight b q4_k [2, 256]\n%0 = cast %b {to=f16}\n%1 = neg %x\n"
              "output %0 q4k\noutput %1 y\n"},
    {.name = "views of weights and constants",
     .runs = " ",
     .rel = 1e-6,
     .abs = 1e-6,
     .graph = "weight a f32 [4, 3, 5]\nweight h f16 [3, 7]\nweight b bf16 [2, 9]\nconst %c f16 [6] 1 -2 3 -4 5 -6\n"
              "const %i i32 [2, 3] 4 -5 6 7 -8 9\ninput x f32 [6]\n"
              "%0 = reshape %a {shape=[2, 30]}\n%1 = neg %0\n%2 = slice %h {start=1, len=2}\n%3 = neg %2\n"
              "%4 = select %b {index=1}\n%5 = neg %4\n%6 %7 = split %h {sizes=[3, 4], axis=1}\n%8 = abs %7\n"
              "%9 = slice %c {start=1, len=5}\n%10 = neg %9\n%11 = transpose %i\n%12 = bitcast %c {dtype=u32}\n"
              "%13 = reshape %i {shape=[6]}\n%14 = cast %13 {to=f32}\n%15 = add %x %14\n"
              "%16 = slice %a {start=-1, len=1}\n%17 = reshape %16 {shape=[3, 5]}\n%18 = sum %17\n"
              "output %1 y1\noutput %3 y3\noutput %5 y5\noutput %6 y6\noutput %8 y8\noutput %10 y10\n"
              "output %11 y11\noutput %12 y12\noutput %15 y15\noutput %18 y18\n"},
    {.name = "whole numbers as weights of several axes",
     .runs = " ",
     .data = "b = int 0..1",
     .graph = "weight i i32 [3, 5]\nweight u u32 [2, 2, 3]\nweight s i8 [3, 5]\nweight t u8 [5]\nweight b bool [3, 5]\n"
              "input x i32 [3, 5]\nstate k dense i32 [4, 5]\n"
              "%0 = add %x %i\n%1 = where %b %x %i\n%2 = mul %u %u\n%3 = neg %s\n%4 = concat %i %x {axis=0}\n"
              "%5 = max %t %t\n%6 = assign %k %i {start=3}\noutput %0 sum\noutput %1 chosen\noutput %2 squares\n"
              "output %3 bytes\noutput %4 rows\noutput %5 small\noutput %6 kept\n"},
    {.name = "states written from matrices",
     .runs = "pos=0 | pos=2",
     .abs = 1e-6,
     .graph = "var pos u32 0 2\nweight w f32 [3, 8]\nweight h f16 [3, 6]\nstate a dense f32 [3, 8]\n"
              "state b dense f16 [40]\nstate c dense f16 [5, 6]\nstate d dense f32 [24]\n"
              "%0 = state_write %a %w\n%1 = assign %b %h {start=7}\n%2 = cache_append %c %h %pos\n"
              "%3 = reshape %w {shape=[24]}\n%4 = state_write %d %3\n"},
    {.name = "scores and quanta of weights",
     .runs = "t=1 | t=4",
     .rel = 1e-6,
     .abs = 2e-5,
     .graph = "weight w f32 [2, 5]\nweight h f16 [3, 8]\ninput t u32 [2]\n%0 = nll %w %t\n"
              "%1 %2 = quantize %h {block=4}\n"
              "%3 = argmax %w\noutput %0 nll\noutput %1 q\noutput %2 scale\noutput %3 best\n"},
    {.name = "weights without elements",
     .runs = " ",
     .rel = 1e-6,
     .abs = 1e-6,
     .graph = "weight w f32 [2, 0]\nweight h f16 [0, 3]\nweight q q8_0 [0, 32]\nconst %c i32 [0, 2] hex:\n"
              "input x f32 [2, 3]\ninput z f32 [2, 32]\n%0 = concat %x %w {axis=1}\n%1 = neg %h\n%2 = matmul %z %q\n"
              "%3 = transpose %c\n%4 = reshape %w {shape=[0, 7]}\n%5 = neg %x\noutput %0 y\noutput %1 none\n"
              "output %2 no_columns\noutput %3 no_rows\noutput %4 seen\noutput %5 beside\n"},
    {.name = "products with runs of a packed weight",
     .runs = "T=1 | T=0 | T=9",
     .rel = 1e-5,
     .abs = 2e-5,
     .graph = "symbol T 0 9\ninput x f32 [T, 64]\nweight q q8_0 [12, 64]\nweight f f16 [2, 3, 64]\n"
              "const %i u32 [3] 5 0 2\n%a %b = split %q {sizes=[5, 7]}\n%0 = matmul %x %a\n%1 = matmul %x %b\n"
              "%2 = reshape %f {shape=[6, 64]}\n%3 = matmul %x %2\n%4 = slice %2 {start=2, len=3}\n%5 = matmul %x %4\n"
              "%6 = gather %b %i\n%7 = matmul %x %q\noutput %0 first\noutput %1 second\noutput %3 flat\noutput %5 run\n"
              "output %6 rows\noutput %7 all\n"},
    {.name = "outputs that are leaves",
     .runs = "n=3 | n=0",
     .abs = 1e-6,
     .graph = "symbol T 0 4\nvar n u32 0 9\ninput x f32 [5]\ninput h f16 [3]\nweight w f32 [2, 3]\nweight g bf16 [3]\n"
              "const %c i32 [2] 5 -6\nstate s dense f16 [7]\nstate k dense f32 [5]\n%0 = assign %s %h {start=3}\n"
              "%1 = reshape %w {shape=[6]}\n%2 = slice %0 {start=3, len=3}\n%3 = state_write %k %x\n"
              "output %x a\noutput %w b\noutput %g c\noutput %c d\noutput %0 e\noutput %n f\noutput %1 g2\n"
              "output %2 i\n"
              "output %3 k\noutput %h h2\noutput %h h3\n"},
    {.name = "a value of two names",
     .runs = "T=2 | T=0",
     .abs = 1e-6,
     .graph = "symbol T 0 2\ninput x f16 [T, 3]\n%0 = neg %x\n%1 = square %0\noutput %0 a\noutput %0 b\n"
              "output %1 c\noutput %1 d\noutput %1 e\n"},
    {.name = "gather of live widths and of none",
     .runs = "K=7 | K=0 | K=4 | K=40",
     .abs = 1e-6,
     .data = "i = int -9..9",
     .graph = "symbol K 0 40\ninput t f32 [6, K]\ninput h f16 [3, 2*K]\ninput e f32 [4, 0]\ninput i i32 [5]\n"
              "var v u32 0 9\n"
              "%0 = gather %t %i\n%1 = gather %h %i {scale=2}\n%2 = gather %e %i\n%3 = gather %t %v\noutput %0 y\n"
              "output %1 z\noutput %2 none\noutput %3 row\n"},
    {.name = "products over a live axis",
     .runs = "K=5 T=2 | K=0 | K=32 | K=33 T=9 | K=70 | K=64 T=0",
     .rel = 1e-5,
     .abs = 2e-5,
     .levels = true,
     .graph = "symbol K 0 70\nsymbol T 0 9\ninput x f32 [T, K]\ninput h f16 [T, K]\ninput w f32 [7, K]\n"
              "input v f32 [3, K]\n"
              "input b f32 [7]\n%0 = matmul %x %w\n%1 = add %0 %b\n%2 = matmul %h %v\n%3 = silu %x\n%4 = matmul %3 %w\n"
              "output %1 y\noutput %2 z\noutput %4 u\n"},
    {.name = "halves as words where an axis has one size",
     .runs = " ",
     .abs = 1e-6,
     .graph = "symbol T 5 5\ninput x f16 [3, 4*T-2]\n%0 = bitcast %x {dtype=u32}\n%1 = bitcast %x {dtype=i32}\n"
              "output %0 y\noutput %1 z\n"},
    {.name = "a weight turned by position",
     .runs = "pos=5",
     .abs = 1e-5,
     .graph = "var pos u32 0 99\nweight a f32 [3, 2, 8]\n%0 = rope %a %pos\n%1 = argmax %0\noutput %0 y\n"
              "output %1 i\n"},
};
