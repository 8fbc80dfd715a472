// Writes of ranges of a state, views of other types, blocks of bytes. Included by cases.h. tests/compile/test_alias.c
// goes through the ways in which operands may share memory.

static const struct op_case aliased_cases[] = {
    {.name = "assign to words",
     .runs = "T=1 S=0 | T=0 S=3 | T=9 S=2 | T=8 S=1",
     .levels = true,
     .data = "i = int -9..9; u = int 0..4294967295",
     .graph =
         "symbol T 0 9\nsymbol S 0 3\ninput x f32 [T, 5]\ninput i i32 [T]\ninput u u32 [2, T]\ninput one f32 [1]\n"
         "state m dense f32 [100]\nstate n dense i32 [4, 5]\nstate k dense u32 [T+20, 3]\nstate o dense f32 [2, 1]\n"
         "%a = neg %x\n%0 = assign %m %a {start=7*S}\n%b = abs %a\n%1 = assign %0 %b {start=95-5*T}\n"
         "%2 = assign %n %i {start=S+1}\n%3 = assign %k %u {start=T+3}\n%4 = assign %o %one {start=1}\n"
         "output %b b\n"},
    {.name = "assign to halves",
     .runs = "T=1 S=0 | T=0 S=3 | T=9 S=2 | T=8 S=1 | T=1 S=3",
     .levels = true,
     .rel = HALF,
     .graph =
         "symbol T 0 9\nsymbol S 0 3\ninput x f32 [T, 3]\ninput h f16 [20, 3]\ninput b bf16 [7]\ninput one f32 [1]\n"
         "state m dense f16 [101]\nstate n dense f16 [65]\nstate o dense bf16 [30]\nstate p dense f16 [3]\n"
         "%a = neg %x\n%0 = assign %m %a {start=5*S}\n%v = slice %h {start=S, len=T}\n"
         "%1 = assign %0 %v {start=101-3*T}\n%w = square %v\n%2 = assign %n %w {start=S+1}\n"
         "%3 = assign %2 %x {start=64-3*T}\n%4 = assign %o %b {start=3*S}\n%5 = assign %4 %x {start=T-T+3}\n"
         "%6 = assign %p %one {start=1}\noutput %a a\n"},
    {.name = "halves that have their own memory and go to a range inside a word",
     .runs = "T=7 S=3 | T=8 S=0 | T=9 S=1 | T=1 S=1 | T=0 S=2",
     .levels = true,
     .rel = HALF,
     .graph = "symbol T 0 9\nsymbol S 0 3\ninput x f16 [T]\nstate m dense f16 [20]\nstate n dense bf16 [30]\n"
              "%h = neg %x\n%0 = assign %m %h {start=S}\noutput %h h\n%c = cast %h {to=bf16}\n"
              "%1 = assign %n %c {start=S+1}\n"
              "input y f16 [T]\nstate o dense f16 [20]\n%g = neg %y\n%2 = assign %o %g {start=S}\n%k = abs %g\noutput "
              "%k k\n"},
    {.name = "assign of what has no memory of its own",
     .runs = "n=3 | n=4294967295",
     .graph = "var n u32 0 4294967295\nstate m dense f32 [9]\nstate h dense f16 [3]\nstate k dense u32 [2]\nconst %c "
              "f32 [3] 1 2 3\n"
              "const %d f32 [] 0.5\n%0 = assign %m %c {start=2}\n%1 = assign %h %c\n%2 = assign %0 %d {start=8}\n"
              "%3 = assign %1 %d {start=1}\n%4 = assign %k %n {start=1}\n"},
    {.name = "bitcast",
     .runs = "T=1 S=0 | T=0 S=3 | T=9 S=2",
     .graph = "symbol T 0 9\nsymbol S 0 3\ninput x f32 [20, 4]\ninput h f16 [20, 6]\ninput one f32 [1]\n"
              "%n = neg %x\n%v = slice %n {start=S, len=T}\n%u = bitcast %v {dtype=u32}\n%i = bitcast %u {dtype=i32}\n"
              "%f = bitcast %i {dtype=f32}\n%0 = abs %f\n%1 = max %u %u\n%w = slice %h {start=S, len=T}\n"
              "%g = bitcast %w {dtype=f32}\n%2 = bitcast %g {dtype=f16}\n%3 = cast %2 {to=f32}\n"
              "%o = bitcast %one {dtype=i32}\n%p = abs %o\noutput %0 abs\noutput %1 u\noutput %2 half\noutput %3 f\n"
              "output %n n\noutput %p single\n"},
    {.name = "outputs that are views",
     .runs = "T=1 S=0 | T=0 S=3 | T=9 S=2",
     .levels = true,
     .graph = "symbol T 0 9\nsymbol S 0 3\ninput x f32 [20, 6]\ninput h f16 [41]\nstate m dense f32 [30]\n"
              "%n = neg %x\n%0 = reshape %n {shape=[40, 3]}\n%1 = slice %n {start=S, len=T}\n"
              "%2 = reshape %n {shape=[120]}\n%3 = slice %x {start=S, len=T}\n%4 = slice %h {start=2*S+1, len=T}\n"
              "%a = slice %n {start=0, len=2}\n%5 = assign %m %a {start=3}\n%6 = slice %5 {start=S, len=9}\n"
              "output %0 whole\noutput %1 part\noutput %2 again\noutput %3 input\noutput %4 odd\noutput %6 state\n"},
    {.name = "rows of a cache that come from itself",
     .runs = "T=1 S=0 pos=0 | T=0 S=3 pos=9 | T=4 S=2 pos=13 | T=3 S=1 pos=2",
     .levels = true,
     .rel = HALF,
     .graph = "symbol T 0 4\nsymbol S 0 3\nvar pos u32 0 99\nstate c ring f32 [16, 6]\nstate h ring f16 [16, 4]\n"
              "%a = slice %c {start=S, len=T}\n%y = neg %a\n%0 = cache_append %c %a %pos\n"
              "%b = slice %h {start=S, len=T}\n%1 = cache_append %h %b %pos\noutput %y y\n"},
    {.name = "attention over views that overlap",
     .runs = "T=1 pos=0 | T=4 pos=3 | T=5 pos=7",
     .abs = 1e-5,
     .graph = "symbol T 0 5\nvar pos u32 0 7\ninput q f32 [T, 2, 8]\nstate m dense f32 [400]\nstate h dense f16 [400]\n"
              "%a = slice %m {start=1, len=96}\n%k = reshape %a {shape=[12, 1, 8]}\n"
              "%b = slice %m {start=4, len=96}\n%v = reshape %b {shape=[12, 1, 8]}\n%0 = attention %q %k %v %pos\n"
              "%c = slice %h {start=3, len=96}\n%l = reshape %c {shape=[12, 1, 8]}\n"
              "%d = slice %h {start=10, len=96}\n%w = reshape %d {shape=[12, 1, 8]}\n%1 = attention %q %l %w %pos\n"
              "output %0 words\noutput %1 halves\n"},
    {.name = "writes in front of products and behind them",
     .runs = "S=64 | S=0 | S=1 | S=200",
     .levels = true,
     .abs = 2e-5,
     .data = "w = -0.25..0.25; g = -0.25..0.25",
     .graph = "symbol S 0 200\nweight w f32 [64, 64]\nweight g q8_0 [64, 64]\nstate m dense f32 [300]\n"
              "state k dense f32 [300]\nstate h dense f16 [299]\n%a = slice %m {start=0, len=64}\n"
              "%x = reshape %a {shape=[1, 64]}\n%y = tanh %x\n%0 = assign %m %y {start=S}\n%p = matmul %y %w\n"
              "%q = matmul %y %g\n%t = silu %p\n%u = mul %t %q\n%b = reshape %u {shape=[64]}\n"
              "%1 = assign %k %b {start=S+3}\n%2 = assign %h %u {start=S+2}\n%c = slice %1 {start=S, len=70}\n"
              "%d = neg %c\noutput %d d\noutput %p p\n"},
    // whole numbers with 127 among them keep their values
    {.name = "quantize",
     .runs = "T=1 | T=0 | T=9",
     .rel = ROUND,
     .data = "x = 127 0 -3 5 -127 9 77 -50 1 2 3 -4; one = -3; z = 0; h = 127 3 -9 64 -65 0",
     .graph =
         "symbol T 0 9\ninput x f32 [T, 2, 12]\ninput one f32 [1]\ninput z f32 [T, 32]\ninput h f16 [6]\n"
         "%q %s = quantize %x {block=12}\n%a %b = quantize %one {block=1}\n%c %d = quantize %z\n"
         "%f = neg %x\n%g %e = quantize %f {block=3}\n%k %l = quantize %h {block=3}\noutput %q q\noutput %s s\n"
         "output %a a\noutput %b b\noutput %c c\noutput %d d\noutput %f f\noutput %e e\noutput %l l\noutput %k k\n"},
    {.name = "quantize near the end of f32",
     .runs = "T=2",
     .rel = ROUND,
     .data = "x = 3e38 -1e38 5e37 0 -3e38 2.9e36 1e18 -2.5e38",
     .graph = "symbol T 0 2\ninput x f32 [T, 8]\n%q %s = quantize %x {block=8}\noutput %q q\noutput %s s\n"},
};
