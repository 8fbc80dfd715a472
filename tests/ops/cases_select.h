// The largest of each row. Included by cases.h.
//
// A CPU driver takes runs of 256 elements, all others of 1,024, and merges sixteen runs a step: rows of one run, of up
// to sixteen and of more have steps of their own. Results are elements of the operand: exact.

#define TIES "0 -0 3 3 3 -1 -1 2.5 2.5 -0 0 3"
#define NO_NUMBERS "1 nan -inf inf -nan inf 0 -inf 2 nan -3 -0"

static const struct op_case select_cases[] = {
    {.name = "the largest few of short rows",
     .runs = "T=1 | T=0 | T=7 | T=40 | T=300",
     .data = "y = int -3..3; z = int 0..9",
     .levels = true,
     .graph = "symbol T 0 300\ninput x f32 [T, 8]\ninput y i32 [T, 5]\ninput z u32 [T, 130]\n%s = neg %x\n"
              "%0 %1 = topk %s {k=2}\n%2 %3 = topk %y {k=5}\n%4 %5 = topk %z {k=9}\n%6 = add %0 %0\noutput %s s\n"
              "output %6 twice\noutput %1 i\noutput %2 all\noutput %3 ia\noutput %4 words\noutput %5 iw\n"},
    {.name = "one of one, none of any, all of some",
     .runs = "T=1 | T=0 | T=3",
     .graph = "symbol T 0 3\ninput x f32 [T, 1]\ninput y f32 [T, 0]\ninput z f32 [9]\n%0 %1 = topk %x {k=1}\n"
              "%2 %3 = topk %y {k=0}\n%4 %5 = topk %x {k=0}\n%6 %7 = topk %z {k=9}\noutput %0 a\noutput %1 ia\n"
              "output %2 b\noutput %3 ib\noutput %4 c\noutput %5 ic\noutput %6 d\noutput %7 id\n"},
    {.name = "equal elements, and what is no number",
     .runs = "T=1 N=12 | T=3 N=40 | T=2 N=128 | T=5 N=7",
     .data = "x = " TIES "; y = " NO_NUMBERS "; z = " NO_NUMBERS,
     .graph = "symbol T 0 5\nsymbol N 7 128\ninput x f32 [T, N]\ninput y f32 [T, N]\ninput z f16 [T, N]\n"
              "%0 %1 = topk %x {k=7}\n%2 %3 = topk %y {k=7}\n%4 %5 = topk %z {k=7}\noutput %0 a\noutput %1 ia\n"
              "output %2 b\noutput %3 ib\noutput %4 c\noutput %5 ic\n"},
    {.name = "the largest of halves and of bytes",
     .runs = "T=1 | T=0 | T=5 | T=64",
     .data = "p = int -9..9; q = int -128..127; r = int 0..255; s = -4..4",
     .graph =
         "symbol T 0 64\ninput p f16 [T, 33]\ninput q i8 [T, 20]\ninput r u8 [T, 7]\ninput s bf16 [T, 6]\n"
         "%0 %1 = topk %p {k=5}\n%2 %3 = topk %q {k=3}\n%4 %5 = topk %r {k=7}\n%6 %7 = topk %s {k=1}\noutput %0 a\n"
         "output %1 ia\noutput %2 b\noutput %3 ib\noutput %4 c\noutput %5 ic\noutput %6 d\noutput %7 id\n"},
    {.name = "the largest of odd integers",
     .runs = "T=2 N=64 | T=1 N=9",
     .data = "x = " ODD_INTS "; u = " ODD_WORDS,
     .graph = "symbol T 0 2\nsymbol N 9 64\ninput x i32 [T, N]\ninput u u32 [T, N]\n%0 %1 = topk %x {k=9}\n"
              "%2 %3 = topk %u {k=9}\noutput %0 a\noutput %1 ia\noutput %2 b\noutput %3 ib\n"},
    {.name = "the largest of views",
     .runs = "S=0 | S=3",
     .graph =
         "symbol S 0 3\ninput x f32 [20, 9]\nweight w f16 [12, 5]\n%a = slice %x {start=S, len=10}\n"
         "%0 %1 = topk %a {k=4}\n%b = slice %w {start=S, len=7}\n%2 %3 = topk %b {k=5}\n%c = transpose %x\n"
         "%4 %5 = topk %c {k=6}\noutput %0 a\noutput %1 ia\noutput %2 b\noutput %3 ib\noutput %4 c\noutput %5 ic\n"},
    // one to sixteen runs of a CPU driver, and more
    {.name = "the largest of rows of several runs",
     .runs = "T=3 N=4096 | T=0 N=4096 | T=2 N=257 | T=1 N=256 | T=2 N=1025 | T=3 N=10",
     .data = "y = int -5..5",
     .graph = "symbol T 0 3\nsymbol N 10 4096\ninput x f32 [T, N]\ninput y i32 [T, N]\n%0 %1 = topk %x {k=10}\n"
              "%2 %3 = topk %y {k=10}\noutput %0 a\noutput %1 ia\noutput %2 b\noutput %3 ib\n"},
    {.name = "the largest of a vocabulary",
     .runs = "T=1 | T=2",
     .data = "x = -9..9",
     .graph = "symbol T 1 2\ninput x f32 [T, 70001]\n%0 %1 = topk %x {k=40}\noutput %0 a\noutput %1 ia\n"},
    {.name = "whole rows in order",
     .runs = "T=2 | T=1",
     .data = "x = int -300..300; h = " NO_NUMBERS,
     .graph = "symbol T 1 2\ninput x i32 [T, 5000]\ninput h f16 [T, 700]\n%0 %1 = topk %x {k=5000}\n"
              "%2 %3 = topk %h {k=700}\noutput %0 a\noutput %1 ia\noutput %2 b\noutput %3 ib\n"},
    {.name = "70,000 rows in order",
     .runs = "T=70000",
     .graph = "symbol T 0 70000\ninput x f32 [T, 40]\n%0 %1 = topk %x {k=2}\noutput %0 a\noutput %1 ia\n"},
};
#undef TIES
#undef NO_NUMBERS
