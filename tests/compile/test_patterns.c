/// How many steps the patterns of tests/ops/cases_patterns.h take. A count that grows is a loss, one that shrinks comes
/// here with its reason.
#include "../ops/cases.h"
#include "plan_fixture.h"

static const struct {
    const char *name;
    uint32_t steps;
    const char *why;
} expected[] = {
    {"channel shuffle", 1, "the move asks for relu elsewhere, and tanh for the move, through both shapes"},
    {"pixel shuffle", 1, "likewise, with a bias of another shape"},
    {"window partition", 2, "a norm is computed at its row: what turns it is a step behind"},
    {"window reverse", 1, "two rolls, two shapes and a transpose are one index, where the sum is"},
    {"rotated halves", 1, "slices, a sign and a concat are an index and a choice"},
    {"rotated pairs", 1, "slices with a step, and a concat of values that are computed where it asks"},
    {"heads apart", 1, "the transpose asks for the sum elsewhere, through the shape"},
    {"heads together", 2, "softmax is computed at its row: the transpose and the scale are a step behind"},
    {"norm of heads", 1, "tanh of a token is that of its heads, and the cache takes their rows"},
    {"patches", 2, "products read their operand from memory, so the transpose is a step"},
    {"product, heads, bias and residual", 1, "what stands behind a product is its epilogue in any shape"},
    {"product and a range", 1, "likewise, and the state takes its elements in order"},
    {"shift of one", 1, "a slice of an input is memory, and the pad a choice"},
    {"sum of a transpose", 1, "the sum asks for columns where rows are"},
    {"gate and up of one tensor", 1, "both halves are read where they lie"},
    {"group norm and silu", 1, "the element of a channel is that of its group by number"},
    {"upsampled and added", 1, "each repeat is a division of a coordinate"},
    {"sums without their axis", 1, "a row is that of the same number, with and without its axis"},
    {"shapes of one value", 1, "elements of one number are the same in all shapes, and bits are bits"},
};

static uint32_t steps_of(const char *graph) {
    struct weft_plan *p = fixture_plan(graph, NULL, NULL);
    uint32_t n = p->schedules[0].n_steps;
    weft_plan_destroy(p);
    return n;
}

static void patterns_take_few_steps(void **state) {
    (void)state;
    int bad = 0;
    size_t n = sizeof pattern_cases / sizeof *pattern_cases, known = sizeof expected / sizeof *expected;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < known && strcmp(expected[k].name, pattern_cases[i].name) != 0) k++;
        if (k == known) fail_msg("'%s' has no number of steps here", pattern_cases[i].name);
        uint32_t steps = steps_of(pattern_cases[i].graph);
        if (steps == expected[k].steps) continue;
        print_message("%s: %u steps instead of %u (%s)\n", expected[k].name, steps, expected[k].steps, expected[k].why);
        bad++;
    }
    assert_int_equal(bad, 0);
    assert_int_equal(n, known);
}

/// What must not become one step: each would ask for a row beside the one at hand, or wait for itself.
static void some_stay_apart(void **state) {
    (void)state;
    // Rows of two widths.
    assert_int_equal(steps_of("symbol T 1 9\ninput x f32 [T, 64]\n%0 = softmax %x\n%1 = reshape %0 {shape=[T, 4, 16]}\n"
                              "%2 = softmax %1\noutput %2 y\n"),
                     2);
    // One element a row, spread over another axis.
    assert_int_equal(steps_of("input x f32 [8, 8]\n%0 = sum %x\n%1 = reshape %0 {shape=[1, 8]}\n%2 = mul %x %1\n"
                              "output %2 y\n"),
                     2);
    // What a move reads, and its reader too, broadcast.
    assert_int_equal(steps_of("input x f32 [1, 64]\n%0 = tanh %x\n%1 = transpose %0\n%2 = add %0 %1\noutput %2 y\n"),
                     2);
    // A product between a value and its other shape.
    assert_int_equal(steps_of("symbol T 9 9\ninput x f32 [T, 64]\nweight w f32 [64, 64]\n%0 = tanh %x\n"
                              "%1 = matmul %0 %w\n%2 = reshape %1 {shape=[T, 4, 16]}\n%3 = softmax %2\n"
                              "%4 = reshape %0 {shape=[T, 4, 16]}\n%5 = add %3 %4\noutput %5 y\n"),
                     3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_take_few_steps),
        cmocka_unit_test(some_stay_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
