// Index maps: slices with a step, flip, expand, tile, repeat, roll; what kernels read through them. Included by
// cases.h.
//
// Elements are copied and sums are of whole numbers, so that all is exact but means.

static const struct op_case map_cases[] = {
    {.name = "slices with a step",
     .runs = "T=3 S=2 | T=1 S=1 | T=9 S=0 | T=2 S=7 | T=0 S=1 | T=8 S=5",
     .graph =
         "symbol T 0 9\nsymbol S 0 7\ninput x f32 [T, 2*S+3, 3]\ninput h f16 [T, 5]\ninput i i32 [3*S+1]\n"
         "input b bool [T, 4]\ninput c i8 [7]\ninput e u32 [1]\n"
         "%0 = slice %x {start=0, len=S+2, axis=1, step=2}\n%1 = slice %x {start=-1, len=S+1, axis=1, step=-2}\n"
         "%2 = slice %h {start=4, len=3, axis=-1, step=-2}\n%3 = slice %i {start=0, len=S, step=3}\n"
         "%4 = slice %i {start=-1, len=3*S+1, step=-1}\n%5 = slice %b {start=1, len=2, axis=1, step=2}\n"
         "%6 = slice %c {start=6, len=3, step=-3}\n%7 = slice %e {start=0, len=1, step=-5}\n"
         "%8 = slice_copy %h {start=0, len=2, axis=1, step=3}\n%9 = slice %x {start=-1, len=T, step=-1}\n"
         "output %0 even\noutput %1 back\noutput %2 halves\noutput %3 thirds\noutput %4 reversed\noutput %5 bools\n"
         "output %6 bytes\noutput %7 one\noutput %8 copy\noutput %9 rows\n"},
    {.name = "flip",
     .runs = "T=3 S=2 | T=1 S=1 | T=0 S=2 | T=9 S=7 | T=4 S=0",
     .data = "b = int 0..1; x = int -99..99",
     .graph =
         "symbol T 0 9\nsymbol S 0 7\ninput x f32 [T, S, 3]\ninput h f16 [T, 3]\ninput b bool [T]\ninput e u32 [1]\n"
         "input s i32 []\ninput w f32 [T, 8]\n"
         "%0 = flip %x\n%1 = flip %x {axes=[1]}\n%2 = flip %h {axes=[-1]}\n%3 = flip %b\n%4 = flip %e\n"
         "%5 = flip %s\n%n = neg %x\n%6 = flip %n {axes=[0, -1]}\n%7 = add %6 %n\n%8 = flip %w {axes=[0]}\n"
         "output %0 all\noutput %1 middle\noutput %2 halves\noutput %3 bools\noutput %4 one\noutput %5 scalar\n"
         "output %7 sum\noutput %8 rows\n"},
    {.name = "expand",
     .runs = "T=3 S=2 | T=1 S=1 | T=0 S=2 | T=9 S=7 | T=4 S=0",
     .data = "b = int 0..1; x = int -99..99; y = int -99..99",
     .rel = 2.4e-7,
     .abs = 1.5e-5,
     .graph = "symbol T 0 9\nsymbol S 0 7\ninput x f32 [T, 1]\ninput h f16 [1, 3]\ninput b bool [1]\ninput s i32 []\n"
              "input c i8 [3]\ninput y f32 [T, S]\ninput e u32 [1]\n"
              "%0 = expand %x {shape=[T, S]}\n%1 = expand %h {shape=[T, 3]}\n%2 = expand %b {shape=[S, T]}\n"
              "%3 = expand %s {shape=[T, 2]}\n%4 = expand %c {shape=[S, -1]}\n%5 = expand %e {shape=[1, 1]}\n"
              "%n = neg %x\n%6 = expand %n {shape=[T, S]}\n%7 = mul %6 %y\n%8 = expand %y {shape=[2, -1, -1]}\n"
              "%m = mean %y\n%9 = expand %m {shape=[T, S]}\n%10 = sub %y %9\n%o = neg %m\n"
              "output %0 columns\noutput %1 halves\noutput %2 bools\noutput %3 scalar\noutput %4 bytes\noutput %5 one\n"
              "output %7 scaled\noutput %8 twice\noutput %10 centred\noutput %6 made\n"
              "output %o mean\n"},
    {.name = "tile and repeat",
     .runs = "T=3 S=2 | T=1 S=1 | T=0 S=2 | T=5 S=3 | T=4 S=0",
     .data = "b = int 0..1; x = int -99..99",
     .graph = "symbol T 0 5\nsymbol S 0 3\ninput x f32 [T, 3]\ninput h f16 [T, 3]\ninput b bool [T]\ninput e u32 [1]\n"
              "input i i32 [2, S]\n"
              "%0 = tile %x {repeats=[2, S]}\n%1 = tile %h {repeats=[S, 1]}\n%2 = tile %b {repeats=[3]}\n"
              "%3 = tile %e {repeats=[1]}\n%4 = repeat %x {times=S}\n%5 = repeat %h {times=3, axis=-1}\n"
              "%6 = repeat %i {times=2, axis=1}\n%7 = repeat %e {times=1}\n%n = neg %x\n"
              "%8 = repeat %n {times=2, axis=1}\n%9 = tile %n {repeats=[1, 2]}\n%10 = sub %8 %9\n"
              "output %0 tiles\noutput %1 halves\noutput %2 bools\noutput %3 one\noutput %4 rows\noutput %5 odd\n"
              "output %6 inner\noutput %7 single\noutput %10 both\noutput %n n\n"},
    {.name = "roll",
     .runs = "T=3 S=2 | T=1 S=1 | T=0 S=2 | T=9 S=7 | T=4 S=0",
     .data = "b = int 0..1; x = int -99..99",
     .graph =
         "symbol T 0 9\nsymbol S 0 7\ninput x f32 [T, S, 3]\ninput h f16 [T, 3]\ninput b bool [T]\ninput e u32 [1]\n"
         "%0 = roll %x {shift=1}\n%1 = roll %x {shift=-2, axis=1}\n%2 = roll %h {shift=5, axis=-1}\n"
         "%3 = roll %b {shift=-11}\n%4 = roll %e {shift=2147483647}\n%n = neg %x\n%5 = roll %n {shift=4, axis=1}\n"
         "%6 = add %5 %n\noutput %0 up\noutput %1 down\noutput %2 halves\noutput %3 bools\noutput %4 one\n"
         "output %6 sum\n"},
    {.name = "maps of weights, states, constants, variables and views",
     .runs = "T=3 pos=2 | T=1 pos=1 | T=0 pos=3",
     .data = "s = int -99..99",
     .graph = "symbol T 0 4\ninput x f32 [T, 6]\nweight w f16 [4, 6]\nweight v f32 [6]\nstate s dense f32 [4, 6]\n"
              "const %c i32 [3, 1] 1 -2 3\nvar pos u32 0 9\n"
              "%0 = flip %w\n%1 = slice %w {start=3, len=2, axis=0, step=-2}\n%2 = expand %v {shape=[T, 6]}\n"
              "%3 = roll %s {shift=1}\n%b = slice %s {start=5, len=3, axis=1, step=-2}\n%4 = neg %b\n%5 = expand %c "
              "{shape=[3, T]}\n"
              "%6 = expand %pos {shape=[T]}\n%r = reshape %x {shape=[T, 2, 3]}\n%7 = flip %r {axes=[1]}\n"
              "%8 = tile %c {repeats=[1, 2]}\n%a = slice %s {start=1, len=2}\n%9 = repeat %a {times=2}\n"
              "%n = add %9 %s\n%z = state_write %s %n\n"
              "output %0 weight\noutput %1 rows\noutput %2 vector\noutput %3 state\noutput %4 columns\n"
              "output %5 const\noutput %6 var\noutput %7 view\noutput %8 tiles\noutput %9 state_rows\n"},
    {.name = "a chain of maps",
     .runs = "T=3 | T=1 | T=0 | T=8",
     .graph = "symbol T 0 8\ninput x f32 [T, 6]\ninput h f16 [T, 6]\n"
              "%0 = slice %x {start=1, len=3, axis=1, step=2}\n%1 = flip %0 {axes=[0]}\n%2 = transpose %1\n"
              "%3 = expand %2 {shape=[2, 3, T]}\n%4 = roll %3 {shift=1, axis=1}\n%5 = tanh %4\n"
              "%6 = flip %h\n%7 = repeat %6 {times=2, axis=1}\n%8 = slice %7 {start=11, len=5, axis=1, step=-2}\n"
              "output %5 y\noutput %8 halves\n",
     .rel = 2e-5,
     .abs = 1e-7},
    {.name = "moved and broadcast",
     .runs = "T=3 | T=1 | T=0 | T=8",
     .data = "x = int -9..9; y = int -9..9",
     .graph = "symbol T 0 8\ninput x f32 [1, T]\ninput y f32 [T, 1]\n%0 = neg %x\n%1 = transpose %0\n%2 = add %0 %1\n"
              "%3 = abs %y\n%4 = reshape %3 {shape=[1, T]}\n%5 = flip %4\n%6 = add %5 %3\n%7 = concat %3 %y {axis=1}\n"
              "%8 = sub %7 %3\noutput %2 sums\noutput %6 flipped\noutput %8 joined\n"},
};
