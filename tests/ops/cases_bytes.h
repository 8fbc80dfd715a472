// Types whose elements share words by four: i8, u8 and bool, at sizes that are no multiple of four, at offsets that
// begin inside a word, in every role. Included by cases.h.

#define BYTES_SIZES "T=1 S=0 | T=0 S=3 | T=5 S=1 | T=8 S=2 | T=7 S=3"

static const struct op_case byte_cases[] = {
    {.name = "elements of 8 bits side by side",
     .runs = "T=1 S=1 | T=0 S=3 | T=5 S=1 | T=8 S=4 | T=3 S=5",
     .levels = true,
     .data = "a = int -128..127; b = int 0..255; c = int -128..127; w = int 0..255; m = int 0..1; v = int -128..127",
     .graph = "symbol T 0 9\nsymbol S 0 9\ninput a i8 [T, S]\ninput b u8 [T, S]\ninput c i8 [S]\nweight w u8 [3, 7]\n"
              "input m bool [T, S]\nweight v i8 [5]\ninput x f32 [T, S]\ninput k u8 [3, 7]\n"
              "%0 = add %a %c\n%1 = mul %b %b\n%2 = where %m %a %0\n%3 = lt %0 %a\n%4 = add %w %k\n%5 = neg %v\n"
              "%6 = cast %x {to=i8}\n%7 = cast %m {to=f32}\n%8 = where %3 %7 %x\noutput %0 add\noutput %1 mul\n"
              "output %2 where\noutput %3 less\noutput %4 weight\noutput %5 vector\noutput %6 cast\noutput %8 truth\n"},
    {.name = "8 bits a row, and of columns that rows share",
     .runs = "T=1 S=1 | T=0 S=3 | T=5 S=0 | T=8 S=4 | T=3 S=5 | T=9 S=33",
     .levels = true,
     .rel = 1e-5,
     .data = "x = -99..99; b = int 0..255",
     .graph = "symbol T 0 9\nsymbol S 0 40\ninput x f32 [T, S]\ninput b u8 [T, S]\ninput r u8 [T, 1]\n"
              "%m = amax %x\n%n = sub %x %m\n%0 = cast %n {to=i8}\n%1 = cast %m {to=i8}\n%2 = lt %x %m\n"
              "%3 = add %b %r\n%4 = neg %r\n%5 = mul %3 %4\noutput %0 all\noutput %1 one\noutput %2 less\n"
              "output %4 row\noutput %5 both\n"},
    {.name = "8 bits that move",
     .runs = BYTES_SIZES,
     .levels = true,
     .data = "a = int -128..127; b = int 0..255",
     .graph = "symbol T 0 9\nsymbol S 0 3\ninput a i8 [T, 3]\ninput b u8 [5, T]\ninput m bool [T, 7]\nweight w u8 "
              "[T*0+5, 3]\n"
              "%0 = transpose %a\n%1 = concat %b %b {axis=0}\n%2 = concat %m %m {axis=1}\n"
              "%3 = pad %a {before=[1, 0], after=[0, 2], value=-3}\n%4 = slice_copy %m {start=S, len=3, axis=1}\n"
              "%5 = transpose %w\n%6 = slice %b {start=1, len=3}\n%7 = concat %6 %b {axis=0}\n%8 = neg %7\n"
              "output %0 t\noutput %1 c\noutput %2 d\noutput %3 p\noutput %4 s\noutput %5 w2\noutput %8 n\n"},
    {.name = "8 bits in ranges of a state",
     .runs = BYTES_SIZES,
     .levels = true,
     .data = "a = int -128..127; b = int 0..255; c = int -128..127; p = int -128..127; q = int 0..255",
     .graph = "symbol T 0 9\nsymbol S 0 3\ninput a i8 [T, 3]\ninput b u8 [T]\ninput c i8 [7]\ninput m bool [T]\n"
              "state p dense i8 [101]\nstate q dense u8 [30]\nstate o dense bool [4, 5]\nstate r dense i8 [3]\n"
              "input e i8 [1]\n%0 = neg %a\n%1 = assign %p %0 {start=S}\n%2 = assign %1 %c {start=94-3*T}\n"
              "%3 = add %b %b\n%4 = assign %q %3 {start=S+1}\n%5 = assign %4 %b {start=30-T}\n"
              "%6 = assign %o %m {start=S+2}\n%7 = assign %r %e {start=1}\noutput %0 n\noutput %3 s\n"},
    {.name = "views of 8 bits that begin inside a word",
     .runs = BYTES_SIZES,
     .levels = true,
     .data = "a = int -128..127; p = int 0..255; w = int 0..255",
     .graph = "symbol T 0 9\nsymbol S 0 3\ninput a i8 [40]\nstate p dense u8 [40]\nweight w u8 [40]\n"
              "%0 = slice %a {start=S, len=T}\n%1 = neg %0\n%2 = slice %p {start=S+1, len=12}\n"
              "%3 = reshape %2 {shape=[3, 4]}\n%4 = add %3 %3\n%5 = slice %w {start=3, len=12}\n%6 = reshape %5 "
              "{shape=[3, 4]}\n%7 = add %4 %6\n%8 = slice %p {start=S, len=T}\n%9 = assign %p %8 {start=30}\n"
              "%10 = slice %9 {start=29, len=7}\noutput %1 n\noutput %7 s\noutput %0 v\noutput %10 z\n"},
    {.name = "8 bits in place",
     .runs = BYTES_SIZES,
     .levels = true,
     .data = "p = int -128..127; q = int 0..255",
     .graph = "symbol T 0 9\nsymbol S 0 3\nstate p dense i8 [40]\nstate q dense u8 [40]\n"
              "%0 = slice %p {start=S, len=T}\n%1 = neg %0\n%2 = assign %p %1 {start=S}\n"
              "%3 = slice %q {start=S, len=T}\n%4 = add %3 %3\n%5 = assign %q %4 {start=S+2}\n"},
    {.name = "whole states of 8 bits",
     .runs = "T=0 | T=1",
     .data = "a = int -128..127; p = int -128..127; q = int 0..255; b = int 0..255",
     .graph = "symbol T 0 1\ninput a i8 [3, 5]\nstate p dense i8 [3, 5]\ninput b u8 [8]\nstate q dense u8 [8]\n"
              "input m bool [T+2, 3]\nstate r dense bool [T+2, 3]\ninput l u8 [40]\nstate s dense u8 [9]\n"
              "%v = slice %l {start=T+1, len=9}\n%0 = state_write %p %a\n%1 = state_write %q %b\n"
              "%2 = state_write %r %m\n%3 = state_write %s %v\n"},
    {.name = "words of rows, in other shapes",
     .runs = "T=1 | T=0 | T=5 | T=9",
     .levels = true,
     .rel = HALF,
     .abs = 6.2e-5,
     .data = "x = -99..99; y = -9..9; b = int -128..127",
     .graph =
         "symbol T 0 9\ninput x f32 [T, 8]\ninput y f32 [T, 2, 6]\ninput h f16 [T, 4]\ninput b i8 [T, 8]\n"
         "input z f32 [T, 6]\n%m = amax %x\n%n = sub %x %m\n%a = cast %n {to=i8}\n%0 = reshape %a {shape=[T, 2, 4]}\n"
         "%r = reshape %n {shape=[T*8]}\n%1 = cast %r {to=f16}\n%q = reshape %b {shape=[T, 2, 4]}\n"
         "%2 = add %q %0\n%s = sum %y {axes=[1, 2]}\n%d = sub %y %s\n%3 = cast %d {to=bf16}\n%4 = lt %y %s\n"
         "%e = sum %h\n%v = reshape %h {shape=[T*2, 2]}\n%w = add %v %v\n%5 = reshape %w {shape=[T, 2, 2]}\n"
         "%f = reshape %4 {shape=[T, 12]}\n%6 = where %f %f %f\noutput %0 i8\noutput %1 f16\noutput %2 sum\n"
         "output %3 bf16\noutput %4 less\noutput %5 pairs\noutput %e one\noutput %6 again\n"
         "%g = amax %z\n%7 = lt %z %g\noutput %7 odd\n"},
    {.name = "8 bits of columns, chunks and products",
     .runs = "T=1 N=1 | T=0 N=0 | T=5 N=99 | T=9 N=70001",
     .levels = true,
     .rel = HALF,
     .abs = 0.1,
     .data = "x = -3..3; y = int -9..9; a = int -3..3; w = int -3..3",
     .graph = "symbol T 0 9\nsymbol N 0 70001\ninput x f32 [T, 8]\ninput y f32 [N]\ninput a f32 [T, 12]\n"
              "weight w f32 [8, 12]\n%s = sum %x {axes=[0]}\n%0 = lt %x %s\n%1 = cast %s {to=i8}\n"
              "%m = amax %y\n%d = sub %y %m\n%2 = cast %d {to=i8}\n%3 = lt %y %m\n%g = matmul %a %w\n"
              "%4 = cast %g {to=i8}\n%5 = gt %g %x\noutput %0 less\noutput %1 sums\noutput %2 long\n"
              "output %3 below\noutput %4 product\noutput %5 truth\n"},
    {.name = "what stands behind a range that ends inside a word",
     .runs = "T=1 | T=0 | T=5 | T=7",
     .levels = true,
     .rel = HALF,
     .abs = 6.2e-5,
     .data = "x = int -99..99; k = int -128..127; l = int 0..1; i = int -128..127",
     .graph = "symbol T 0 7\ninput x f32 [T]\ninput y f32 [T, 3]\ninput i i8 [T]\nstate h dense f16 [32]\n"
              "state g dense bf16 [32]\nstate k dense i8 [32]\nstate l dense bool [32]\n%0 = assign %h %x\n"
              "%m = amax %y\n%n = sub %y %m\n%a = cast %n {to=bf16}\n%1 = assign %g %a {start=4}\n"
              "%c = lt %y %m\n%2 = assign %l %c {start=8}\n%s = sum %x\n%d = lt %x %s\n%3 = assign %2 %d\n"
              "%4 = assign %k %i\n%5 = assign %4 %i {start=12}\n"},
    {.name = "many short rows of narrow results",
     .runs = "T=1 | T=0 | T=1023",
     .data = "x = -99..99",
     .rel = HALF,
     .abs = 6.2e-5,
     .graph = "symbol T 0 20000\ninput x f32 [T, 4]\n%m = amax %x\n%n = sub %x %m\n%0 = cast %n {to=i8}\n"
              "%1 = lt %x %m\n%2 = cast %n {to=f16}\noutput %0 i8\noutput %1 less\noutput %2 f16\n"},
};
