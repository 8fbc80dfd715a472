// Movement: concat, transpose, split, select, slices of any axis, padding, and rotation by tables. Included by cases.h.
//
// Copies are exact: no tolerance but where values go through f16. Views can't be outputs as they stand: neg makes them.

static const struct op_case move_cases[] = {
    {.name = "concat of every type",
     .runs = "T=3 S=2 | T=1 S=0 | T=0 S=1 | T=0 S=0 | T=9 S=7",
     .data = "b = int 0..1",
     .graph = "symbol T 0 9\nsymbol S 0 7\ninput x f32 [T, 5]\ninput y f32 [S, 5]\ninput h f16 [T, 3]\n"
              "input g f16 [S, 3]\ninput i i32 [T]\ninput u u32 [2, T, 3]\ninput v u32 [2, S, 3]\ninput b bool [T, 2]\n"
              "input c i8 [T, 2]\nconst %k f32 [1, 5] 1 2 3 4 5\n"
              "%0 = concat %x %y %x\n%1 = concat %h %g\n%2 = concat %i %i {axis=-1}\n%3 = concat %u %v {axis=1}\n"
              "%4 = concat %b %b {axis=1}\n%5 = concat %c\n%6 = concat %k %x %k\n%n = neg %x\n%7 = concat %n %y %n\n"
              "output %0 f32\noutput %1 f16\noutput %2 i32\noutput %3 u32\noutput %4 bool\noutput %5 i8\n"
              "output %6 const\noutput %7 made\noutput %n n\n"},
    {.name = "concat along the last axis, odd halves",
     .runs = "T=3 S=2 | T=1 S=0 | T=0 S=1 | T=4 S=7 | T=9 S=5",
     .graph = "symbol T 0 9\nsymbol S 0 7\ninput x f16 [T, 3]\ninput y f16 [T, S]\ninput z f16 [T, 1]\n"
              "input w f32 [S, 8]\ninput v f32 [T, 8]\ninput a f16 [S, 4]\n"
              "%0 = concat %x %y %z {axis=-1}\n%1 = concat %w %v %w {axis=0}\n%2 = concat %w %w {axis=-1}\n"
              "%3 = concat %a %a {axis=1}\noutput %0 halves\noutput %1 wide\noutput %2 across\noutput %3 wide16\n"},
    {.name = "concat of more than a device binds",
     .runs = "T=3 S=2 | T=1 S=0 | T=0 S=1 | T=5 S=3",
     .graph = "symbol T 0 5\nsymbol S 0 3\ninput a f16 [T]\ninput b f16 [S]\ninput c f16 [T]\ninput d f16 [1]\n"
              "input e f16 [S]\ninput f f16 [T]\ninput g f16 [S]\ninput h f16 [3]\ninput i f16 [T]\ninput j f16 [S]\n"
              "input k f32 [2, T]\ninput l f32 [2, S]\n"
              "%0 = concat %a %b %c %d %e %f %g %h %i %j %a %b %c %d %e %f\n"
              "%1 = concat %k %l %k %l %k %l %k %l %k {axis=1}\noutput %0 halves\noutput %1 words\n"},
    {.name = "concat of one element, of halves of a view",
     .runs = "T=1 S=0 | T=4 S=3 | T=0 S=1",
     .graph = "symbol T 0 4\nsymbol S 0 3\ninput x f32 [1]\ninput h f16 [9]\n%0 = concat %x\n"
              "%a = slice %h {start=S, len=T}\n%b = slice %h {start=S+1, len=T+1}\n%1 = concat %a %b %a\n"
              "output %0 one\noutput %1 halves\n"},
    {.name = "transpose",
     .runs = "T=3 S=2 | T=1 S=1 | T=0 S=1 | T=9 S=7 | T=2 S=0",
     .graph = "symbol T 0 9\nsymbol S 0 7\ninput x f32 [T, S]\ninput h f16 [T, 3, S]\ninput w f32 [T, S, 8]\n"
              "input i i32 [2, T, 3, S]\ninput s f32 []\ninput g f16 [T, S, 4]\n"
              "%0 = transpose %x\n%1 = transpose %h {perm=[2, 0, 1]}\n%2 = transpose %w {perm=[1, 0, 2]}\n"
              "%3 = transpose %i {perm=[3, 0, 2, 1]}\n%4 = transpose %s\n%5 = transpose %x {perm=[0, 1]}\n"
              "%6 = transpose %g {perm=[1, 0, -1]}\n%n = neg %x\n%7 = transpose %n\n%8 = neg %n\n"
              "output %0 swap\noutput %1 halves\noutput %2 wide\noutput %3 four\noutput %4 scalar\noutput %5 same\n"
              "output %6 wide16\noutput %7 made\noutput %8 back\n"},
    {.name = "70,000 workgroups of a transpose",
     .runs = "T=560000 | T=524288 | T=1",
     .graph = "symbol T 0 560000\ninput x u32 [T, 2]\n%0 = transpose %x\noutput %0 y\n"},
    {.name = "slices of any axis",
     .runs = "T=3 S=2 | T=1 S=1 | T=9 S=0 | T=2 S=7 | T=0 S=1",
     .graph = "symbol T 0 9\nsymbol S 0 7\ninput x f32 [T, S+2, 3]\ninput h f16 [T, 5]\ninput w f32 [T, 12]\n"
              "input o f32 [1, S+2, 4]\ninput e i32 [1]\n"
              "%0 = slice %x {start=-1, len=1, axis=1}\n%1 = slice %x {start=S, len=2, axis=1}\n"
              "%2 = slice %h {start=1, len=3, axis=-1}\n%3 = slice %w {start=4, len=8, axis=1}\n"
              "%4 = slice %x {start=1, len=S, axis=1}\n%5 = slice_copy %w {start=-5, len=5, axis=1}\n"
              "%6 = slice %o {start=-2, len=2, axis=1}\n%7 = neg %6\n%8 = slice_copy %e {start=0, len=1}\n"
              "%n = neg %x\n%9 = slice_copy %n {start=0, len=T}\n%10 = slice %n {start=0, len=1, axis=2}\n"
              "%i = slice %e {start=-1, len=1}\n%j = neg %i\n"
              "output %0 last\noutput %1 two\noutput %2 halves\noutput %3 wide\noutput %4 inner\noutput %5 five\n"
              "output %7 view\noutput %8 one\noutput %9 copy\noutput %10 column\noutput %j single\n"},
    {.name = "the last rows",
     .runs = "T=3 S=2 | T=1 S=1 | T=9 S=0 | T=9 S=7",
     .graph = "symbol T 1 9\nsymbol S 0 7\nrelate S-T <= 0\ninput x f32 [T, 3]\ninput h f16 [T, 3]\n"
              "%a = slice %x {start=T-S, len=S}\n%0 = neg %a\n%b = slice %h {start=-1, len=1}\n%1 = neg %b\n"
              "%c = select %x {index=-1}\n%2 = neg %c\n%3 = select %x {index=-3, axis=1}\n%d = select %h {index=T-1}\n"
              "%4 = neg %d\noutput %0 rows\noutput %1 half\noutput %2 last\noutput %3 column\noutput %4 last16\n"},
    {.name = "select",
     .runs = "T=3 | T=1 | T=0 | T=9",
     .graph = "symbol T 0 9\ninput x f32 [T, 4, 2]\ninput e u32 [1]\ninput f f16 [2, T+1]\n"
              "%n = neg %x\n%0 = select %n {index=2, axis=1}\n%1 = select %n {index=-1, axis=-1}\n"
              "%a = select %e {index=0}\n%2 = reshape %a {shape=[1]}\n%3 = concat %2 %e\n"
              "%4 = select %f {index=T, axis=1}\n"
              "output %0 heads\noutput %1 last\noutput %3 one\noutput %4 symbol\noutput %n n\n"},
    {.name = "split",
     .runs = "T=3 S=2 | T=1 S=1 | T=0 S=0 | T=9 S=7 | T=2 S=0",
     .graph = "symbol T 0 9\nsymbol S 0 7\ninput x f32 [T, S+6]\ninput h f16 [T+S+1, 5]\ninput e f32 [1]\n"
              "%0 %1 %2 = split %x {sizes=[S, 4, 2], axis=1}\n%3 %4 %5 = split %h {sizes=[T, S, 1]}\n"
              "%a = neg %3\n%b = neg %4\n%c = neg %5\n%n = neg %x\n%6 %7 = split %n {sizes=[S+6, 0], axis=-1}\n"
              "%8 = split %e {sizes=[1]}\n%d = neg %8\n%9 = add %n %6\n"
              "output %0 q\noutput %1 k\noutput %2 v\noutput %a na\noutput %b nb\noutput %c c\noutput %6 all\n"
              "output %7 none\noutput %d one\noutput %9 sum\n"},
    {.name = "pad",
     .runs = "T=3 S=2 | T=1 S=1 | T=0 S=0 | T=9 S=7 | T=0 S=3",
     .graph = "symbol T 0 9\nsymbol S 0 7\ninput x f32 [T, 3]\ninput h f16 [T, 3]\ninput i i32 [T]\ninput e f32 [1]\n"
              "input s f32 []\n"
              "%0 = pad %x {before=[S, 1], after=[1, S], value=-2.5}\n"
              "%1 = pad %h {before=[0, S], after=[1, 0], value=3}\n"
              "%2 = pad %i {before=[S], after=[2], value=-7}\n%3 = pad %e {before=[0], after=[0]}\n%n = neg %x\n"
              "%4 = pad %n {before=[0, 0], after=[S, 0]}\n%5 = pad %s {before=[], after=[]}\n"
              "output %0 f32\noutput %1 f16\noutput %2 i32\noutput %3 one\noutput %4 rows\noutput %n n\n"
              "output %5 scalar\n"},

    // products of numbers below 1
    {.name = "rope by tables",
     .runs = "T=3 S=2 | T=1 S=0 | T=0 S=1 | T=9 S=7 | T=16 S=0",
     .abs = 1e-6,
     .rel = 5e-4, // halves
     .graph = "symbol T 0 16\nsymbol S 0 16\nrelate T+S <= 16\ninput q f32 [T, 4, 8]\ninput k f32 [T, 1, 8]\n"
              "input p f16 [T, 2, 6]\ninput j f16 [T, 1, 10]\ninput c f32 [16, 4]\ninput s f32 [16, 4]\n"
              "weight wc f32 [16, 3]\nweight ws f16 [20, 3]\n"
              "%0 %1 = rope_table %q %k %c %s {start=S}\n%2 %3 = rope_table %p %j %wc %ws {start=S, pairing=normal}\n"
              "%n = neg %k\n%4 %5 = rope_table %n %n %c %s {pairing=normal}\n%6 %7 = rope_table %p %j %wc %ws\n"
              "output %0 yq\noutput %1 yk\noutput %2 yp\noutput %3 yj\noutput %4 n\noutput %5 m\noutput %6 neox6\n"
              "output %7 neox10\n"},
};
