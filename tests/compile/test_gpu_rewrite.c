/// Graphs in which the passes that rewrite have something to do, on the device against the host reference: as they are
/// written and as they are rewritten.
#include "support/graph_run.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define X "symbol T 0 70\ninput x f32 [T, 24]\n"

static const struct {
    const char *name, *graph;
    double tolerance;
} graphs[] = {
    {"constants",
     X "const %c f32 [] 0x40400000\nconst %d f32 [3] hex:0000803f0000004000004040\n%0 = square %c\n"
       "%1 = softmax %d\n%2 = amax %1\n%3 = mul %x %0\n%4 = add %3 %2\noutput %4 y\n",
     1e-5},
    {"constants of words",
     "input x i32 [9]\nconst %c i32 [] 0x7fffffff\nconst %d i32 [] 0x00000003\n%0 = mul %c %d\n"
     "%1 = add %x %0\noutput %1 y\n",
     0},
    {"constants that are outputs",
     "const %c f32 [2, 3] hex:0000803f000000400000404000008040000080bf00000000\n"
     "%0 = transpose %c\n%1 = neg %0\n%2 = reshape %c {shape=[6]}\noutput %0 t\n"
     "output %1 n\noutput %2 r\n",
     0},
    {"laws",
     X "const %c f32 [] 0x3f800000\nconst %z f32 [] 0x80000000\n%0 = neg %x\n%1 = neg %0\n%2 = floor %1\n"
       "%3 = floor %2\n%4 = mul %3 %c\n%5 = add %z %4\n%6 = cast %5 {to=f32}\noutput %6 y\n",
     0},
    {"transposes",
     "input x f32 [3, 5, 4]\n%0 = transpose %x {perm=[1, 2, 0]}\n%1 = transpose %0 {perm=[1, 2, 0]}\n"
     "%2 = transpose %1 {perm=[1, 2, 0]}\n%3 = abs %2\noutput %3 y\noutput %1 z\n",
     0},
    {"equal nodes",
     X "%0 = softmax %x\n%1 = softmax %x\n%2 = tanh %0\n%3 = tanh %1\n%4 = mul %2 %3\noutput %4 y\n"
       "output %1 p\n",
     1e-5},
    {"versions",
     "input x f32 [6, 4]\nstate s dense f32 [6, 4]\n%0 = exp %s\n%1 = exp %s\n%2 = transpose %s\n"
     "%3 = state_write %s %x\n%4 = exp %3\n%5 = sub %0 %4\n%6 = mul %5 %1\n%7 = transpose %2\n"
     "output %6 y\noutput %7 past\n",
     1e-5},
    {"dead nodes",
     X "state s dense f32 [3]\nweight w f32 [3]\n%0 = exp %x\n%1 = amin %0\n%2 = state_write %s %w\n"
       "%3 = tanh %x\noutput %3 y\n",
     1e-5},
};

static void rewritten_and_as_written(void **state) {
    (void)state;
    weft_gpu *gpu = weft_test_gpu();
    if (!gpu) fail_msg("no device");
    int bad = 0;
    for (size_t i = 0; i < sizeof graphs / sizeof *graphs; i++)
        for (int written = 0; written < 2; written++)
            for (int fuse = 0; fuse < 2; fuse++) {
                struct weft_case c = {.name = graphs[i].name,
                                      .graph = graphs[i].graph,
                                      .symbols = {37},
                                      .tolerance = graphs[i].tolerance,
                                      .scale = 3,
                                      .no_fuse = fuse,
                                      .as_written = written,
                                      .seed = 5};
                bad += weft_case_run(gpu, &c, NULL);
            }
    assert_int_equal(bad, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rewritten_and_as_written)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
