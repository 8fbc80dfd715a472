/// Small whole graphs: fusion of every kind against the host reference, with and without fusion, at several live sizes.
#include "support/graph_run.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

static const char add_graph[] =
    "symbol T 0 64\ninput x f32 [T, 40]\ninput y f32 [T, 40]\n%0 = add %x %y\noutput %0 z\n";
static const char norm_graph[] = "symbol T 0 64\ninput x f32 [T, 40]\ninput r f32 [T, 40]\nweight w f32 [40]\n%0 = "
                                 "rms_norm %x %w {eps=1e-6}\n%1 = add %0 %r\n"
                                 "%2 = rms_norm %1 %w {eps=1e-6}\noutput %1 sum\noutput %2 z\n";
static const char matmul_graph[] =
    "symbol T 0 64\ninput x f32 [T, 64]\nweight w q8_0 [96, 64]\n%0 = matmul %x %w\noutput %0 z\n";
static const char block_graph[] = "symbol T 0 64\ninput x f32 [T, 64]\nweight n f32 [64]\nweight g q5_0 [96, "
                                  "64]\nweight u q4_0 [96, 64]\nweight d f16 [64, 96]\n"
                                  "%0 = rms_norm %x %n {eps=1e-6}\n%1 = matmul %0 %g\n%2 = matmul %0 %u\n%3 = "
                                  "gelu_tanh %1\n%4 = mul %3 %2\n%5 = matmul %4 %d\n%6 = add %5 %x\noutput %6 z\n";

static void run_all(const char *name, const char *graph, double tolerance) {
    weft_gpu *gpu = weft_test_gpu();
    assert_non_null(gpu);
    static const int64_t sizes[] = {64, 1, 16, 0, 7};
    int bad = 0;
    for (int fuse = 0; fuse < 3; fuse++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            char label[64];
            snprintf(label, sizeof label, "%s, no_fuse %d, T %d", name, fuse, (int)sizes[i]);
            struct weft_case c = {.name = label,
                                  .graph = graph,
                                  .symbols = {sizes[i]},
                                  .tolerance = tolerance,
                                  .no_fuse = fuse,
                                  .split = "T",
                                  .seed = 7};
            bad += weft_case_run(gpu, &c, NULL);
        }
    }
    assert_int_equal(bad, 0);
}

static void adds(void **state) { (void)state, run_all("add", add_graph, 1e-7); }
static void norms(void **state) { (void)state, run_all("norm chain", norm_graph, 2e-6); }
static void matmuls(void **state) { (void)state, run_all("matmul", matmul_graph, 1e-5); }
// Sums of 96 terms near 10 cancel to values near 0.1: rounding alone gives 2e-5.
static void blocks(void **state) { (void)state, run_all("feed-forward block", block_graph, 5e-5); }

/// Negative control: a wrong expectation must be noticed.
static void comparison_notices(void **state) {
    (void)state;
    weft_gpu *gpu = weft_test_gpu();
    assert_non_null(gpu);
    struct weft_case c = {.name = "negative control (a difference is expected)",
                          .graph = matmul_graph,
                          .symbols = {3},
                          .tolerance = 1e-12,
                          .seed = 3};
    assert_int_equal(weft_case_run(gpu, &c, NULL), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(adds), cmocka_unit_test(norms), cmocka_unit_test(matmuls),
                                       cmocka_unit_test(blocks), cmocka_unit_test(comparison_notices)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
