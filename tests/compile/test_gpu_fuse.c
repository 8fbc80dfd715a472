/// Fusion must not change what is computed: shapes of graphs that a fuser gets wrong easily, and random ones, against
/// the host reference at every level of fusion.
#include "plan_fixture.h"
#include "support/graph_run.h"

#include <stdlib.h>

static int run(const char *name, const char *graph, const int64_t *sizes, size_t n_sizes, double tolerance) {
    weft_gpu *gpu = weft_test_gpu();
    assert_non_null(gpu);
    int bad = 0;
    for (int fuse = 0; fuse < 3; fuse++) {
        for (size_t i = 0; i < n_sizes; i++) {
            char label[96];
            snprintf(label, sizeof label, "%s, no_fuse %d, T %d", name, fuse, (int)sizes[i]);
            struct weft_case c = {.name = label,
                                  .graph = graph,
                                  .symbols = {sizes[i]},
                                  .tolerance = tolerance,
                                  .no_fuse = fuse,
                                  .seed = 9};
            bad += weft_case_run(gpu, &c, NULL);
        }
    }
    return bad;
}

static const int64_t few[] = {4, 1, 0}, many[] = {40, 9, 1};

/// Part of the epilogue does not depend on the contraction, is live behind the group, and is wider than the
/// contraction's rows.
static void independent_part_of_an_epilogue(void **state) {
    (void)state;
    static const char rest[] = "input x f32 [T, 64]\ninput y f32 [T, 96]\nweight w q8_0 [96, 64]\n%0 = tanh %y\n%1 = "
                               "matmul %x %w\n%2 = add %0 %1\noutput %0 a\noutput %2 z\n";
    char text[512];
    snprintf(text, sizeof text, "symbol T 0 4\n%s", rest);
    assert_int_equal(run("side epilogue, few rows", text, few, 3, 1e-5), 0);
    snprintf(text, sizeof text, "symbol T 0 40\n%s", rest);
    assert_int_equal(run("side epilogue, many rows", text, many, 3, 1e-5), 0);
}

/// Writes of ranges and rows to what is no state: copies with something written over them.
static void functions_of_ranges(void **state) {
    (void)state;
    static const char text[] = "symbol T 0 4\ninput x f32 [T, 64]\ninput m f32 [8, 32]\nweight w f32 [32, 64]\n"
                               "var p u32 0 8\n%0 = matmul %x %w\n%1 = assign %m %0 {start=37}\n%2 = tanh %m\n"
                               "%3 = assign %2 %0\n%4 = add %1 %3\n%5 = cache_append %4 %0 %p\noutput %5 y\n";
    assert_int_equal(run("functions of ranges", text, few, 3, 1e-5), 0);
}

/// Part of the prologue does not lead to the contraction and is read elsewhere, by way of a reduction.
static void side_branch_of_a_prologue(void **state) {
    (void)state;
    static const char text[] = "symbol T 0 4\ninput x f32 [T, 64]\nweight w q8_0 [64, 64]\n%0 = softmax %x\n%1 = "
                               "square %0\n%2 = amax %0\n%3 = sub %0 %2\n%4 = matmul %1 %w\n"
                               "%5 = silu %4\noutput %3 a\noutput %2 b\noutput %5 z\n";
    assert_int_equal(run("side prologue", text, few, 3, 1e-5), 0);
}

static void reductions_of_narrow_rows(void **state) {
    (void)state;
    static const char a[] =
        "symbol T 0 40\ninput s f32 [T, 1]\ninput x f32 [T, 64]\n%0 = sum %s\n%1 = mul %x %0\noutput %1 z\n";
    static const char b[] = "symbol T 0 40\ninput s f32 [T, 1]\ninput x f32 [T, 64]\n%0 = sum %x\n%1 = mul %s %0\n%2 = "
                            "sum %1\noutput %2 z\n";
    assert_int_equal(run("sum of one column, then wide", a, many, 3, 1e-5), 0);
    assert_int_equal(run("wide, then sum of one column", b, many, 3, 1e-5), 0);
}

static void random_graphs(void **state) {
    (void)state;
    uint32_t seed = 4711;
    // SwiftShader takes about a second for each kernel of q8_0 and q4_0: a few graphs there.
    int bad = 0, rounds = weft_test_thin() ? 4 : 12;
    for (int round = 0; round < rounds; round++) {
        struct weft_str text = {0};
        uint32_t n = 3 + fixture_random(&seed) % 12;
        fixture_random_graph(&text, &seed, round % 2 ? 4 : 40, n, 5, 9);
        for (uint32_t i = n - 1; i + 3 > n; i--) weft_str_addf(&text, "output %%%u z%u\n", i, i);
        int now = run("random", weft_str_get(&text), round % 2 ? few : many, 1, 2e-4);
        if (now) print_message("%s", weft_str_get(&text));
        bad += now;
        weft_str_free(&text);
    }
    assert_int_equal(bad, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(independent_part_of_an_epilogue),
        cmocka_unit_test(functions_of_ranges),
        cmocka_unit_test(side_branch_of_a_prologue),
        cmocka_unit_test(reductions_of_narrow_rows),
        cmocka_unit_test(random_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
