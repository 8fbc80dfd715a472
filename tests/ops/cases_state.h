/// Operators that write states whole, and those of rows as functions: past in, present out.
#ifndef WEFT_TEST_OPS_CASES_STATE_H
#define WEFT_TEST_OPS_CASES_STATE_H

static const struct op_case state_cases[] = {
    // all is moved, so f16 comes back as it went in
    {.name = "state_write",
     .runs = "T=3 | T=0 | T=1",
     .levels = true,
     .graph = "symbol T 0 3\ninput x f32 [5, 3]\ninput y f32 [4, 8]\ninput h f16 [3]\ninput g f16 [4, 6]\n"
              "input u u32 []\ninput e f32 [0, 4]\ninput p f32 [T, 3]\ninput q f32 [T, 3]\n"
              "state a dense f32 [5, 3]\nstate b ring f32 [4, 8]\nstate c dense f16 [3]\nstate d dense f16 [4, 6]\n"
              "state s dense u32 []\nstate z dense f32 [0, 4]\n"
              "%n = neg %x\n%0 = state_write %a %n\n%1 = state_write %b %y\n%2 = state_write %c %h\n"
              "%3 = state_write %d %g\n%4 = state_write %s %u\n%5 = state_write %z %e\n%6 = abs %0\n"
              "%7 = state_write %p %q\n%8 = max %7 %p\noutput %n neg\noutput %6 abs\noutput %7 q2\noutput %8 max\n"},
    {.name = "state_write of itself and of views",
     .runs = "S=0 | S=3",
     .graph = "symbol S 0 3\ninput x f16 [13, 3]\ninput y f32 [9, 4]\nstate a dense f32 [3, 2]\n"
              "state b dense f16 [10, 3]\nstate c dense f32 [6, 4]\n"
              "%r = reshape %a {shape=[2, 3]}\n%t = reshape %r {shape=[3, 2]}\n%0 = state_write %a %t\n"
              "%v = slice %x {start=S, len=10}\n%1 = state_write %b %v\n%w = slice %y {start=S, len=6}\n"
              "%2 = state_write %c %w\n"},
    {.name = "cache_append as a function",
     .runs = "T=1 pos=0 | T=0 pos=3 | T=5 pos=4 | T=3 pos=14",
     .levels = true,
     .abs = 5e-4,
     .graph = "symbol T 0 5\nvar pos u32 0 100\ninput x f32 [T, 2, 6]\ninput past f32 [7, 2, 6]\n"
              "input half f16 [6, 3, 2]\ninput z f16 [T, 3, 2]\n%n = neg %x\n%0 = cache_append %past %n %pos\n"
              "%1 = cache_append %half %z %pos\n%2 = cache_append %0 %x %pos\n%3 = add %past %0\n"
              "output %0 present\noutput %1 half2\noutput %2 again\noutput %3 both\n"},
};
#endif
