// Running totals. Included by cases.h.
//
// A total of n terms of random sign stays near sqrt(n), and each of the about n / 1000 + 20 roundings on the way to it
// errs by 6e-8 of that: 1e-6 for 1,000 terms, 2e-5 for 20,000, and seldom a tenth of it.
//
// A CPU driver takes chunks of 256 elements, all others of 2,048: lines of up to one chunk, of up to eight and of more
// have a regime of their own.

static const struct op_case scan_cases[] = {
    {.name = "running totals",
     .runs = "T=0 N=5 | T=5 N=0 | T=1 N=1 | T=13 N=33 | T=3 N=1000 | T=64 N=70 | T=2 N=257",
     .levels = true,
     .abs = 4e-6,
     .rel = 2e-6,
     .graph = "symbol T 0 64\nsymbol N 0 1000\ninput x f32 [T, N]\n%s = neg %x\n%0 = cumsum %s\n"
              "%1 = cumsum %s {exclusive=1}\n%2 = cumsum %s {reverse=1}\n%3 = cumsum %s {exclusive=1, reverse=1}\n"
              "output %s s\noutput %0 y\noutput %1 before\noutput %2 behind\noutput %3 rest\n"},
    {.name = "running totals along any axis",
     .runs = "A=2 M=3 N=5 | A=0 M=3 N=5 | A=2 M=0 N=5 | A=2 M=3 N=0 | "
             "A=1 M=1 N=1 | A=4 M=40 N=70 | A=3 M=33 N=31",
     .data = "x = int -9..9",
     .graph = "symbol A 0 4\nsymbol M 0 40\nsymbol N 0 70\ninput x i32 [A, M, N]\n%0 = cumsum %x {axis=0}\n"
              "%1 = cumsum %x {axis=1, reverse=1}\n%2 = cumsum %x {axis=-1, exclusive=1}\n"
              "%3 = cumsum %0 {axis=-2, exclusive=1, reverse=1}\noutput %0 first\noutput %1 middle\noutput %2 last\n"
              "output %3 both\n"},
    {.name = "whole numbers wrap",
     .runs = "T=2 N=64 | T=1 N=1",
     .data = "x = " ODD_INTS "; u = " ODD_WORDS,
     .graph = "symbol T 0 2\nsymbol N 0 64\ninput x i32 [T, N]\ninput u u32 [T, N]\n%0 = cumsum %x\n"
              "%1 = cumsum %u {reverse=1, exclusive=1}\noutput %0 i32\noutput %1 u32\n"},
    // more than eight chunks of any device
    {.name = "a long row of whole numbers",
     .runs = "N=20001 | N=0 | N=1 | N=2048 | N=2049 | N=16384 | N=16385",
     .data = "x = int -2000000000..2000000000",
     .graph = "symbol N 0 20001\ninput x i32 [N]\ninput u u32 [1, N]\n%0 = cumsum %x\n%1 = cumsum %u {exclusive=1}\n"
              "%2 = cumsum %x {reverse=1}\n%3 = cumsum %u {reverse=1, exclusive=1}\n"
              "output %0 y\noutput %1 before\noutput %2 behind\noutput %3 rest\n"},
    {.name = "long rows of floats",
     .runs = "T=3 | T=0 | T=1",
     .abs = 2e-4,
     .rel = 2e-6,
     .graph = "symbol T 0 3\ninput x f32 [T, 20000]\ninput z f32 [T, 20003]\n%0 = cumsum %x\n"
              "%1 = cumsum %z {exclusive=1}\n%2 = cumsum %x {reverse=1, exclusive=1}\noutput %0 wide\noutput %1 odd\n"
              "output %2 rest\n"},
    {.name = "long lines of elements far apart",
     .runs = "N=6000 M=3 | N=0 M=3 | N=6000 M=0 | N=513 M=40 | N=1 M=1",
     .data = "x = int -9..9",
     .graph = "symbol N 0 6000\nsymbol M 0 40\nrelate N*M <= 24000\ninput x i32 [N, M]\ninput z i32 [2, N, 3]\n"
              "input w i32 [N, 64]\n%0 = cumsum %x {axis=0}\n%1 = cumsum %z {axis=1, reverse=1}\n"
              "%2 = cumsum %w {axis=0, exclusive=1}\noutput %0 down\noutput %1 up\noutput %2 before\n"},
    {.name = "many rows of several chunks",
     .runs = "T=200 N=700 | T=130 N=513 | T=3 N=20000",
     .data = "x = int -9..9",
     .graph = "symbol T 0 200\nsymbol N 0 20000\nrelate T*N <= 140000\ninput x i32 [T, N]\n%0 = cumsum %x\n"
              "output %0 y\n"},
    {.name = "a million whole numbers",
     .runs = "N=1000003 | N=999936",
     .data = "x = int -2000000000..2000000000",
     .graph = "symbol N 0 1000003\ninput x i32 [N]\n%0 = cumsum %x\noutput %0 y\n"},
    {.name = "70,000 workgroups of running totals",
     .runs = "T=2240000 | T=2097121 | T=1",
     .data = "x = int 0..9",
     .graph = "symbol T 0 2240000\ninput x u32 [T, 1]\n%0 = cumsum %x\noutput %0 y\n"},
    // NaN and infinities count from where they stand; a NaN in one row leaves the next alone
    {.name = "running totals of NaN and infinities",
     .runs = "T=5 N=8",
     .abs = 1e-5,
     .levels = true,
     .data = "x = 1 2 nan 3 4 5 6 7  1 inf 2 3 -inf 4 5 6  -inf 1 2 3 4 5 6 7  1 2 3 4 5 6 7 8  0 -0 3e38 -3e38 2e38 "
             "-1e38 1 nan",
     .graph = "symbol T 0 5\nsymbol N 0 8\ninput x f32 [T, N]\n%0 = cumsum %x\n%1 = cumsum %x {exclusive=1}\n"
              "%2 = cumsum %x {reverse=1}\n%3 = cumsum %x {axis=0}\noutput %0 y\noutput %1 before\n"
              "output %2 behind\noutput %3 down\n"},
    // one rounding to f16 at the end; sums of 300 stay below 64
    {.name = "running totals of halves",
     .runs = "T=1 N=1 | T=0 N=3 | T=3 N=5 | T=13 N=33 | T=2 N=300",
     .levels = true,
     .rel = HALF,
     .abs = 6.2e-5,
     .graph = "symbol T 0 13\nsymbol N 0 300\ninput x f16 [T, N]\ninput y bf16 [N, T]\n%0 = cumsum %x\n"
              "%1 = cumsum %x {axis=0, reverse=1}\n%2 = cumsum %y {exclusive=1}\n%3 = abs %0\noutput %1 down\n"
              "output %2 f32\noutput %3 size\n"},
    {.name = "running totals of views, weights and constants",
     .runs = "T=1 S=0 | T=9 S=3 | T=0 S=9 | T=8 S=1",
     .rel = HALF,
     .abs = 6.2e-5,
     .levels = true,
     .graph = "symbol T 0 9\nsymbol S 0 9\ninput x f32 [20, 6]\ninput h f16 [20, 3]\ninput z f32 [40]\n"
              "weight w f32 [3, 40]\nweight v f16 [5]\nconst %k i32 [2, 3] 4 -5 6 7 -8 9\nstate m dense f32 [4, 3]\n"
              "%a = slice %x {start=S, len=T}\n%b = reshape %a {shape=[T, 2, 3]}\n%0 = cumsum %b {axis=1}\n"
              "%c = slice %h {start=S, len=T}\n%1 = cumsum %c\n%d = slice %z {start=S+1, len=30}\n"
              "%e = reshape %d {shape=[5, 6]}\n%2 = cumsum %e {reverse=1}\n%3 = cumsum %w {axis=0}\n%4 = cumsum %v\n"
              "%5 = cumsum %k {axis=0, exclusive=1}\n%6 = cumsum %m\n%7 = state_write %m %6\n%8 = cumsum %2\n"
              "output %0 b\noutput %1 c\noutput %2 e\noutput %3 w\noutput %4 v\noutput %5 k\noutput %8 again\n"},
};
