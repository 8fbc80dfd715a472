// Reductions along any axes, of floats, integers and truth values, in each of their schedules. Included by cases.h.
//
// Tolerances are those of cases_reduce.h; integers, products of ones and twos and truth values are exact.

static const struct op_case axes_cases[] = {
    {.name = "axes: columns",
     .runs = "A=0 B=5 | A=1 B=1 | A=5 B=0 | A=13 B=33 | A=64 B=70 | A=3 B=300 | A=400 B=3",
     .levels = true,
     .rel = 4e-6,
     .abs = 4e-6,
     .graph = "symbol A 0 400\nsymbol B 0 300\ninput x f32 [A, B]\n%s = neg %x\n%0 = sum %s {axes=[0]}\n"
              "%1 = mean %s {axes=[0]}\n%2 = amax %s {axes=[-2]}\n%3 = amin %s {axes=[0]}\n%4 = sub %s %1\n"
              "output %s s\noutput %0 sum\noutput %1 mean\noutput %2 amax\noutput %3 amin\noutput %4 centred\n"},
    {.name = "axes: first and third of four",
     .runs = "A=2 B=3 C=4 D=5 | A=0 B=3 C=4 D=5 | A=2 B=0 C=1 D=2 | A=3 B=7 C=11 D=1 | A=5 B=2 C=9 D=40",
     .levels = true,
     .rel = 4e-6,
     .abs = 4e-6,
     .graph = "symbol A 0 5\nsymbol B 0 7\nsymbol C 0 11\nsymbol D 0 40\ninput x f32 [A, B, C, D]\n"
              "input y f32 [1, B, 1, D]\n%0 = sum %x {axes=[0, 2]}\n%1 = add %0 %y\n%2 = mul %x %1\n"
              "%3 = amax %2 {axes=[2, 0]}\n%4 = sum %x {axes=[-1, 1]}\n%5 = mean %x {axes=[1, 2], keep=0}\n"
              "%6 = amin %x {axes=[0, 1, 2, 3]}\n%7 = sum %x {axes=[3, 0], keep=0}\n%8 = add %7 %7\n"
              "output %1 sum\noutput %2 mul\noutput %3 max\noutput %4 inner\noutput %5 middle\noutput %6 all\n"
              "output %8 outer\n"},
    {.name = "axes: of one element, of a vector, of the most axes",
     .runs = "A=3 | A=0 | A=1 | A=70",
     .rel = 4e-6,
     .abs = 4e-6,
     .graph = "symbol A 0 70\ninput x f32 [A, 1]\ninput o f16 [1, 1]\ninput i i8 [1, 3]\ninput v f32 [A]\n"
              "input m f32 [2, 1, 3, 1, 2, A, 1, 2]\n%0 = sum %x {axes=[1]}\n%1 = mean %o {axes=[0, 1], keep=0}\n"
              "%2 = sum %i {axes=[0]}\n%3 = prod %v {axes=[0], keep=0}\n%4 = sum %v {keep=0}\n"
              "%5 = sum %m {axes=[0, 1, 4, 6]}\n%6 = mean %m {axes=[2, 5, 7], keep=0}\n%7 = sub %m %5\n"
              "output %0 none\noutput %1 one\noutput %2 wide\noutput %3 prod\noutput %4 vector\noutput %5 odd\n"
              "output %6 even\noutput %7 centred\n"},
    {.name = "axes: sums and products of integers wrap",
     .runs = "A=2 B=3 | A=0 B=4 | A=4 B=0 | A=33 B=70 | A=300 B=5",
     .levels = true,
     .data = "x = int -2147483648..2147483647; y = int 0..4294967295; z = int -128..127; w = int 0..255",
     .graph = "symbol A 0 300\nsymbol B 0 70\ninput x i32 [A, B]\ninput y u32 [A, B]\ninput z i8 [A, B]\n"
              "input w u8 [A, B]\n%0 = sum %x\n%1 = sum %y {axes=[0]}\n%2 = prod %x {axes=[0]}\n%3 = prod %y\n"
              "%4 = sum %z {axes=[0, 1]}\n%5 = sum %w {axes=[0]}\n%6 = prod %z\n%7 = prod %w {axes=[0], keep=0}\n"
              "%8 = add %x %0\noutput %0 a\noutput %1 b\noutput %2 c\noutput %3 d\noutput %4 e\noutput %5 f\n"
              "output %6 g\noutput %7 h\noutput %8 i\n"},
    {.name = "axes: extremes of integers, of nothing too",
     .runs = "A=2 B=3 | A=0 B=4 | A=4 B=0 | A=33 B=70 | A=300 B=5",
     .levels = true,
     .data = "x = int -2147483648..2147483647; y = int 0..4294967295; z = int -128..127; w = int 0..255",
     .graph = "symbol A 0 300\nsymbol B 0 70\ninput x i32 [A, B]\ninput y u32 [A, B]\ninput z i8 [A, B]\n"
              "input w u8 [A, B]\n%0 = amax %x\n%1 = amax %y {axes=[0]}\n%2 = amin %x {axes=[0]}\n%3 = amin %y\n"
              "%4 = amax %z {axes=[0, 1]}\n%5 = amin %w {axes=[0]}\n%6 = amin %z\n%7 = amax %w\n%8 = max %x %2\n"
              "output %0 a\noutput %1 b\noutput %2 c\noutput %3 d\noutput %4 e\noutput %5 f\noutput %6 g\n"
              "output %7 h\noutput %8 i\n"},
    {.name = "axes: any and all",
     .runs = "A=2 B=3 | A=0 B=4 | A=4 B=0 | A=1 B=1 | A=33 B=70 | A=300 B=5",
     .levels = true,
     .data = "x = int 0..30; y = int 0..40",
     .graph = "symbol A 0 300\nsymbol B 0 70\ninput x i32 [A, B]\ninput y i32 [A, B]\nconst %t i32 [] 29\n"
              "%a = gt %x %t\n%b = le %y %t\n%0 = any %a\n%1 = any %a {axes=[0]}\n%2 = all %b\n"
              "%3 = all %b {axes=[0], keep=0}\n%4 = any %b {axes=[0, 1]}\n%5 = all %a {axes=[1, 0]}\n"
              "%6 = where %1 %x %y\noutput %0 a\noutput %1 b\noutput %2 c\noutput %3 d\noutput %4 e\noutput %5 f\n"
              "output %6 g\n"},
    {.name = "axes: products of floats",
     .runs = "A=2 B=3 | A=0 B=4 | A=4 B=0 | A=33 B=70 | A=300 B=5",
     .data = "x = 1 2 0.5 -1 1 1 -2 0.5 1 -1 1",
     .graph = "symbol A 0 300\nsymbol B 0 70\ninput x f32 [A, B]\n%s = neg %x\n%0 = prod %s\n"
              "%1 = prod %s {axes=[0]}\n%2 = prod %s {axes=[0, 1], keep=0}\noutput %0 last\noutput %1 first\noutput %2 "
              "all\n"},
    {.name = "axes: NaN and infinities",
     .runs = "A=5 B=4 | A=1 B=4",
     .levels = true,
     .rel = ROUND,
     .data = "x = 1 nan 3 -inf  2 2 inf -inf  0 1 -inf -inf  -1 2 3 -inf  4 -3 3 -inf",
     .graph = "symbol A 0 70\nsymbol B 0 70\ninput x f32 [A, B]\n%0 = sum %x {axes=[0]}\n"
              "%1 = mean %x {axes=[0]}\n%2 = amax %x {axes=[0]}\n%3 = amin %x {axes=[0]}\n%4 = prod %x {axes=[0]}\n"
              "%5 = prod %x\n%6 = softmax %x {axis=0}\noutput %0 sum\noutput %1 mean\noutput %2 max\n"
              "output %3 min\noutput %4 prod\noutput %5 row\noutput %6 softmax\n"},
    // f16 results: a rounding each
    {.name = "axes: halves, views, weights and states",
     .runs = "T=1 S=0 | T=9 S=3 | T=0 S=9 | T=8 S=1",
     .levels = true,
     .rel = 2 * HALF,
     .abs = 4 * HALF,
     .graph = "symbol T 0 9\nsymbol S 0 9\ninput x f16 [20, 7]\ninput y f32 [60]\nweight w f16 [5, 9]\n"
              "weight h bf16 [3, 4]\nstate s dense f32 [6, 5]\n%a = slice %x {start=S, len=T}\n"
              "%0 = sum %a {axes=[0]}\n%1 = sub %a %0\n%b = slice %y {start=S, len=40}\n"
              "%c = reshape %b {shape=[5, 4, 2]}\n%2 = mean %c {axes=[1]}\n%3 = amax %w {axes=[0]}\n"
              "%4 = sum %b {axes=[0]}\n%5 = sum %s {axes=[0]}\n%6 = amin %w {axes=[0, 1], keep=0}\n"
              "%7 = mean %h {axes=[0]}\noutput %0 sum\noutput %1 sub\noutput %2 view\noutput %3 weight\n"
              "output %4 b\noutput %5 state\noutput %6 least\noutput %7 bf\n"},
    // exponentials of the difference
    {.name = "axes: softmax of any",
     .runs = "A=2 M=3 N=5 | A=0 M=3 N=5 | A=2 M=0 N=5 | A=1 M=1 N=1 | A=4 M=40 N=70",
     .levels = true,
     .data = "x = -10..10",
     .rel = 1e-5,
     .abs = 1e-7,
     .graph = "symbol A 0 4\nsymbol M 0 40\nsymbol N 0 70\ninput x f32 [A, M, N]\n%0 = softmax %x {axis=0}\n"
              "%1 = softmax %x {axis=-2}\n%2 = neg %1\n%3 = softmax %2 {axis=2}\noutput %0 first\n"
              "output %2 middle\noutput %3 last\n"},
    // two levels, whose axes are of different kinds, and values of rows beside
    {.name = "axes: levels of column reductions",
     .runs = "A=3 B=5 | A=0 B=5 | A=1 B=1 | A=70 B=33 | A=200 B=3",
     .levels = true,
     .rel = 2e-5,
     .abs = 2e-5,
     .graph = "symbol A 0 200\nsymbol B 0 40\ninput x f32 [A, B]\ninput g f32 [1, B]\ninput r f32 [A, 1]\n"
              "%m = mean %x {axes=[0]}\n%d = sub %x %m\n%q = square %d\n%v = mean %q {axes=[0]}\n%e = add %v %g\n"
              "%n = mul %d %e\n%f = add %n %r\n%t = amax %f {axes=[0]}\n%l = sum %f\n%o = add %f %l\n"
              "output %v var\noutput %f all\noutput %t top\noutput %o out\n"},
    {.name = "axes: many short rows, and columns of them",
     .runs = "T=70000 | T=65535 | T=1 | T=0",
     .rel = 4e-6,
     .abs = 1e-6,
     .graph = "symbol T 0 70000\ninput x f32 [T, 3]\ninput y f32 [2, 3, T]\n%0 = softmax %x\n%1 = sum %x\n"
              "%2 = mean %y {axes=[1]}\n%3 = sub %y %2\noutput %0 softmax\noutput %1 sum\noutput %2 mean\n"
              "output %3 sub\n"},
};

// In chunks, which join in order: few rows that are long. Uniform terms sum to about sqrt(n) / 2.
static const struct op_case chunk_cases[] = {
    {.name = "chunks: one long row",
     .runs = "N=300000 | N=299999 | N=1 | N=0 | N=16385 | N=65536",
     .rel = 4e-6,
     .abs = 4e-5,
     .graph = "symbol N 0 300000\ninput x f32 [N]\n%s = square %x\n%0 = sum %s\n%1 = mean %x\n%2 = amax %x\n"
              "%3 = amin %x\n%4 = sum %x {keep=0}\noutput %0 squares\noutput %1 mean\noutput %2 max\n"
              "output %3 min\noutput %4 sum\n"},
    {.name = "chunks: whole numbers of all types",
     .runs = "N=200000 | N=199999 | N=3 | N=0",
     .data = "x = int -2147483648..2147483647; y = int 0..4294967295; z = int -128..127",
     .graph = "symbol N 0 200000\ninput x i32 [2, N]\ninput y u32 [N]\ninput z i8 [N]\n%0 = sum %x\n"
              "%1 = amin %x\n%2 = amax %y\n%3 = prod %y\n%4 = sum %z\n%5 = amin %z {keep=0}\n%t = eq %x %1\n"
              "%6 = any %t\n%7 = all %t\noutput %0 a\noutput %1 b\noutput %2 c\noutput %3 d\noutput %4 e\n"
              "output %5 f\noutput %6 g\noutput %7 h\n"},
    // what stands behind is computed by further steps
    {.name = "chunks: softmax and a norm of a long row",
     .runs = "N=200000 | N=131073 | N=1 | N=0",
     .levels = true,
     .data = "x = -10..10",
     .rel = 1e-5,
     .abs = 1e-5,
     .graph = "symbol N 0 200000\ninput x f32 [2, N]\ninput w f32 [N]\n%0 = softmax %x\n%1 = layer_norm %x %w\n"
              "%2 = amax %0\n%3 = add %2 %2\noutput %0 softmax\noutput %1 norm\noutput %3 top\n"},
    {.name = "chunks: halves and views of a long row",
     .runs = "N=150000 S=1 | N=100001 S=7 | N=2 S=0",
     .levels = true,
     .rel = 2 * HALF,
     .abs = 4 * HALF,
     .graph = "symbol N 0 150000\nsymbol S 0 7\ninput x f16 [N + 8]\n%a = slice %x {start=S, len=N}\n"
              "%0 = amax %a\n%1 = sub %a %0\n%2 = mean %a\noutput %0 top\noutput %1 y\noutput %2 mean\n"},
    // what is written is read by all of the row before
    {.name = "chunks: values of rows stored to a state",
     .runs = "N=200000 | N=199999 | N=3 | N=0",
     .levels = true,
     .rel = 1e-5,
     .abs = 1e-5,
     .graph = "symbol N 0 200000\ninput x f32 [2, N]\nstate s dense f32 [2, 1]\nstate q dense f32 [2, 200000]\n"
              "%m = mean %x\n%n = add %m %s\n"
              "%e = sub %x %n\n%y = mul %e %s\n%w = assign %s %n {start=0}\n%k = amax %x\n%z = sub %x %k\n%v = assign "
              "%q %z {start=0}\n"
              "output %y y\noutput %w state\noutput %v all\n"},
    {.name = "chunks: sums of long columns",
     .runs = "N=9000 M=5 | N=8999 M=33 | N=1 M=1 | N=0 M=4 | N=9000 M=0",
     .levels = true,
     .rel = 1e-5,
     .abs = 4e-5,
     .graph = "symbol N 0 9000\nsymbol M 0 33\ninput x f32 [N, M]\n%0 = sum %x {axes=[0]}\n%1 = mean %x {axes=[0]}\n"
              "%2 = sub %x %1\n%3 = square %2\n%4 = mean %3 {axes=[0]}\n%5 = amax %x {axes=[0, 1]}\n"
              "output %0 sum\noutput %2 centred\noutput %4 var\noutput %5 top\n"},
    // f32 holds no sum of ones beyond 16,777,216 when one is added to another; in chunks the mean errs by a few
    // roundings
    {.name = "chunks: thirty million",
     .runs = "N=30000000",
     .data = "x = 1 0.5 1.5 0.25",
     .rel = 1e-6,
     .abs = 1e-12,
     .graph = "symbol N 0 30000000\ninput x f32 [N]\n%0 = mean %x\n%1 = sum %x\noutput %0 mean\n"
              "output %1 sum\n"},
    {.name = "chunks: softmax of ten million",
     .runs = "N=10000000",
     .data = "x = -5..5",
     .rel = 1e-5,
     .graph = "symbol N 0 10000000\ninput x f32 [N]\n%0 = softmax %x\noutput %0 y\n"},
    {.name = "chunks: NaN and infinities far apart",
     .runs = "N=140000",
     .data = "x = 1 2 3 4 5 6 7; y = 1 2 -inf 4; z = 1 2 3 nan 5",
     .graph = "symbol N 0 140000\ninput x f32 [N]\ninput y f32 [N]\ninput z f32 [N]\n%0 = amax %x\n%1 = amin %y\n"
              "%2 = amax %z\n%3 = sum %y\n%4 = sum %z\n%5 = amin %z\noutput %0 a\noutput %1 b\noutput %2 c\n"
              "output %3 d\noutput %4 e\noutput %5 f\n"},
};
