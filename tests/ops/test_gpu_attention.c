/// gather, rope, cache_append and attention on the device against the host reference: every weight type, both schedules
/// of attention (split and not), head sizes around the vec4, grouped heads, windows, rings that wrap, f16 states.
#include "support/graph_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int run_case(const char *name, const char *graph, int64_t t, int64_t positions, double tolerance) {
    char label[96];
    snprintf(label, sizeof label, "%s, T %d, positions below %d", name, (int)t, (int)positions);
    struct weft_case c = {.name = label,
                          .graph = graph,
                          .symbols = {t},
                          .tolerance = tolerance,
                          .int_below = positions,
                          .split = strstr(graph, "symbol T") ? "T" : NULL,
                          .seed = (uint32_t)(7 + t)};
    return weft_case_run(weft_test_gpu(), &c, NULL);
}

// ---- gather --------------------------------------------------------------------------------------------------------

static void gathers(void **state) {
    (void)state;
    int bad = 0;
    for (int i = 0; i < WEFT_DTYPE_COUNT; i++) {
        const struct weft_dtype_info *type = weft_dtype_info((weft_dtype)i);
        char graph[256];
        int k = type->block == 256 ? 512 : type->block == 32 ? 96 : 70;
        if (!type->is_float) continue;
        snprintf(
            graph, sizeof graph,
            "symbol T 0 64\nweight w %s [37, %d]\ninput ids %s [T]\n%%1 = gather %%w %%ids {scale=3}\noutput %%1 y\n",
            type->name, k, i % 2 ? "i32" : "u32");
        static const int64_t sizes[] = {1, 0, 29};
        for (int n = 0; n < 3; n++) bad += run_case(type->name, graph, sizes[n], 44, 1e-6);
    }
    bad +=
        run_case("variable id", "weight w q8_0 [9, 64]\nvar id u32 0 8\n%1 = gather %w %id\noutput %1 y\n", 0, 9, 1e-6);
    assert_int_equal(bad, 0);
}

// ---- rope ----------------------------------------------------------------------------------------------------------

static void ropes(void **state) {
    (void)state;
    static const char *const attributes[] = {"{base=1000000}", "{pairing=normal, freq_scale=0.125}", "{n_rot=16}",
                                             "{n_rot=10, pairing=normal}"};
    int bad = 0;
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        char graph[256];
        snprintf(graph, sizeof graph,
                 "symbol T 0 64\ninput x f32 [T, 3, 24]\nvar pos u32 0 32767\n%%1 = rope %%x %%pos %s\noutput %%1 y\n",
                 attributes[i]);
        // steps are off by at most 2^-33 turns a position: 2.4e-5 at position 32767
        for (int64_t t = 1; t < 40; t += 19) bad += run_case(attributes[i], graph, t, t == 1 ? 32767 : 300, 3e-5);
    }
    assert_int_equal(bad, 0);
}

// ---- cache_append --------------------------------------------------------------------------------------------------

static void appends(void **state) {
    (void)state;
    int bad = 0;
    static const char *const types[] = {"f32 [12, 2, 4]", "f32 [12, 7]", "f16 [12, 2, 4]", "f16 [12, 6]"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char graph[256];
        snprintf(
            graph, sizeof graph,
            "symbol T 0 12\nstate s ring %s\nvar pos u32 0 99\ninput x f32 [T%s\n%%1 = cache_append %%s %%x %%pos\n"
            "output %%1 y\n",
            types[i], strchr(types[i], ','));
        for (int64_t t = 0; t <= 12; t += 4) bad += run_case(types[i], graph, t, 60, i < 2 ? 0 : 1e-3);
    }
    assert_int_equal(bad, 0);
}

// ---- attention -----------------------------------------------------------------------------------------------------

/// A whole cache: rows are appended, then read.
static int attention_case(const char *type, int capacity, int heads, int kv_heads, int d, int dv,
                          const char *attributes, int64_t t, int64_t positions) {
    char graph[700], name[160];
    snprintf(
        graph, sizeof graph,
        "symbol T 0 64\nstate k ring %s [%d, %d, %d]\nstate v ring %s [%d, %d, %d]\nvar pos u32 0 %d\n"
        "input q f32 [T, %d, %d]\ninput nk f32 [T, %d, %d]\ninput nv f32 [T, %d, %d]\n"
        "%%1 = cache_append %%k %%nk %%pos\n%%2 = cache_append %%v %%nv %%pos\n%%3 = attention %%q %%1 %%2 %%pos %s\n"
        "output %%3 y\n",
        type, capacity, kv_heads, d, type, capacity, kv_heads, dv, (int)positions - 1, heads, d, kv_heads, d, kv_heads,
        dv, attributes);
    snprintf(name, sizeof name, "attention %s cap %d heads %d/%d size %d/%d %s", type, capacity, heads, kv_heads, d, dv,
             attributes);
    return run_case(name, graph, t, positions, strcmp(type, "f16") == 0 ? 2e-3 : 1e-5);
}

static int attend_all(void) {
    int bad = 0;
    static const int64_t sizes[] = {1, 5, 40, 0};
    bool as_gpu = weft_test_short() && weft_gpu_caps(weft_test_gpu())->kind != WEFT_GPU_CPU;
    for (int i = 0; i < 4; i++) {
        int64_t t = sizes[i];
        if (as_gpu && i % 2) continue;
        bad += attention_case("f32", 300, 4, 1, 64, 64, "", t, 230);
        bad += attention_case("f16", 300, 8, 2, 128, 128, "", t, 230);
        bad += attention_case("f32", 300, 6, 3, 7, 5, "{softcap=2, scale=1.5}", t, 230);
        bad += attention_case("f32", 160, 4, 2, 20, 12, "{window=90}", t, 1000);
        bad += attention_case("f16", 100, 4, 4, 80, 80, "{window=9}", t, 60);
        bad += attention_case("f32", 64, 2, 2, 4, 4, "", t, 500); // the ring forgets
    }
    bad += attention_case("f32", 200, 2, 1, 512, 512, "", 2, 130);
    bad += attention_case("f16", 640, 4, 1, 256, 256, "{window=512}", 1, 640);
    bad += attention_case("f16", 640, 4, 1, 256, 256, "{window=512}", 64, 640);
    return bad;
}

static void attends(void **state) {
    (void)state;
    assert_int_equal(attend_all(), 0);
}

/// A CPU driver gets small workgroups; what a GPU would get must be right as well. SwiftShader takes long to compile
/// it, so there the configurations of wgpu-native must do.
static void attends_as_on_a_gpu(void **state) {
    (void)state;
    if (weft_test_thin()) skip();
    enum weft_gpu_kind was = weft_test_as(WEFT_GPU_DISCRETE);
    int bad = attend_all();
    weft_test_as(was);
    assert_int_equal(bad, 0);
}

/// The edge of the window alone: the key that leaves it carries nearly all the weight if it is seen.
static void the_window_counts_the_query_itself(void **state) {
    (void)state;
    int bad = 0;
    for (int window = 63; window <= 65; window++) {
        char attributes[64];
        snprintf(attributes, sizeof attributes, "{window=%d, scale=40}", window);
        bad += attention_case("f32", 192, 2, 1, 16, 16, attributes, 1, 190);
        bad += attention_case("f32", 192, 2, 1, 16, 16, attributes, 33, 150);
    }
    assert_int_equal(bad, 0);
}

static const char windowed[] = "state k ring f32 [8, 1, 4]\nstate v ring f32 [8, 1, 4]\nvar pos u32 0 99\n"
                               "input q f32 [4, 1, 4]\n%1 = attention %q %k %v %pos {window=6}\noutput %1 y\n";

/// Negative controls: a ring too small for its window is refused, a difference is noticed.
static void faults_are_noticed(void **state) {
    (void)state;
    assert_int_equal(run_case("ring too small (a refusal is expected)", windowed, 0, 99, 1), 1);
    const char *graph = "weight w q8_0 [9, 64]\ninput ids u32 [2]\n%1 = gather %w %ids {scale=1.1}\noutput %1 y\n";
    assert_int_equal(run_case("negative control (a difference is expected)", graph, 0, 9, 1e-12), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gathers),
        cmocka_unit_test(ropes),
        cmocka_unit_test(appends),
        cmocka_unit_test(attends),
        cmocka_unit_test(attends_as_on_a_gpu),
        cmocka_unit_test(the_window_counts_the_query_itself),
        cmocka_unit_test(faults_are_noticed),
    };
    if (!weft_test_gpu()) return 1;
    cmocka_set_test_filter(getenv("WEFT_TEST_CASE")); // NULL: all
    return cmocka_run_group_tests(tests, NULL, NULL);
}
