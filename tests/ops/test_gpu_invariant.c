/// Batch invariance of operators (WEFT_NUMBERS_INVARIANT): what a row gives is the same to the bit alone, among few and
/// among many, in all schedules, by the kernels of CPU drivers and of GPUs; and what a token of one sequence gives is
/// the same alone and in a run with tokens of others. Without the mode, the same comparisons must find differences.
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "ops/ops.h"
#include "support/graph_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ROWS = 70, MOST_IO = 16 };

static weft_gpu *gpu;

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

struct rows_case {
    const char *name, *graph;
    bool dear; ///< not on SwiftShader, where compiling takes long
    bool once; ///< in pieces of one row only
};

// ---- a graph whose inputs and outputs are rows of T ----------------------------------------------------------------

static double random_number(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return (double)(*seed >> 8) / 8388608.0 - 1;
}

struct rig {
    struct weft_graph *g; ///< a second one, to look at
    weft_program *p;
    weft_session *s;
    void *weights[MOST_IO];
    uint32_t n_weights;
};

static uint64_t elements(const struct weft_graph *g, const struct weft_type *t, uint32_t from) {
    uint64_t n = 1;
    for (uint32_t a = from; a < t->rank; a++) {
        int64_t lo, hi;
        weft_dim_bounds(g->dims, t->dims[a], &lo, &hi);
        n *= (uint64_t)hi;
    }
    return n;
}

/// Values of no particular magnitude, so that sums round: a few are large.
static double value(uint32_t *seed) {
    double x = random_number(seed);
    return x * (fabs(x) > 0.9 ? 7 : 1);
}

static weft_status weight(void *user, const char *name, const void **data, uint64_t *bytes) {
    struct rig *r = user;
    for (uint32_t v = 0; v < r->g->n_values; v++) {
        const struct weft_value_info *info = &r->g->values[v];
        if (info->kind != WEFT_VALUE_WEIGHT || strcmp(info->name, name) != 0) continue;
        uint64_t n = elements(r->g, &info->type, 0);
        uint32_t seed = v * 77 + 5;
        double *x = weft_alloc(n * sizeof *x);
        *bytes = weft_dtype_bytes(info->type.dtype, n);
        void *encoded = r->weights[r->n_weights++] = weft_calloc(*bytes + 16, 1);
        assert_true(x && encoded && r->n_weights < MOST_IO);
        for (uint64_t i = 0; i < n; i++) x[i] = random_number(&seed);
        weft_dtype_encode(info->type.dtype, x, (int64_t)n, encoded);
        weft_free(x);
        *data = encoded;
        return WEFT_OK;
    }
    return weft_fail(WEFT_ERR_NOT_FOUND, "no weight %s", name);
}

static void open_rig(struct rig *r, const char *graph, enum weft_numbers numbers, bool cpu) {
    struct weft_graph *consumed;
    *r = (struct rig){0};
    must(weft_graph_parse(weft_ops(), graph, strlen(graph), &r->g));
    must(weft_graph_parse(weft_ops(), graph, strlen(graph), &consumed));
    struct weft_program_params params = {
        .compile = {.split_symbol = "T", .split_at = {1, 8}, .n_splits = cpu ? 1 : 2, .numbers = numbers},
        .source = {.get = weight, .user = r}};
    must(weft_program_create(gpu, consumed, &params, &r->p));
    must(weft_session_create(r->p, NULL, &r->s));
}

static void close_rig(struct rig *r) {
    weft_session_destroy(&r->s);
    weft_program_destroy(&r->p);
    weft_graph_destroy(r->g);
    for (uint32_t i = 0; i < r->n_weights; i++) weft_free(r->weights[i]);
}

/// Words of rows first .. first + n of input `v`: floats, or small integers.
static void write_rows(struct rig *r, uint32_t v, uint32_t first, uint32_t n) {
    const struct weft_value_info *info = &r->g->values[v];
    uint64_t width = elements(r->g, &info->type, 1);
    uint32_t *words = weft_alloc((n * width + 1) * sizeof *words);
    assert_non_null(words);
    for (uint32_t row = 0; row < n; row++) {
        uint32_t seed = (first + row) * 7919u + v + 3;
        for (uint64_t i = 0; i < width; i++) {
            float x = (float)value(&seed);
            if (info->type.dtype == WEFT_F32) memcpy(&words[row * width + i], &x, 4);
            else words[row * width + i] = (uint32_t)(fabsf(x) * 1000) % 5;
        }
    }
    must(weft_session_write(r->s, info->name, 0, words, n * width * 4));
    weft_free(words);
}

/// Rows first .. first + n of all outputs, in one run, behind each other at `out`; returns the words of a row.
static uint64_t run_rows(struct rig *r, uint32_t first, uint32_t n, uint32_t *out, uint32_t rows) {
    uint64_t at = 0;
    must(weft_session_resize(r->s, (const int64_t[WEFT_MAX_SYMBOLS]){n}));
    for (uint32_t v = 0; v < r->g->n_values; v++)
        if (r->g->values[v].kind == WEFT_VALUE_INPUT) write_rows(r, v, first, n);
    must(weft_session_run(r->s, 1, NULL));
    for (uint32_t v = 0; v < r->g->n_values; v++) {
        const struct weft_value_info *info = &r->g->values[v];
        if (!info->is_output) continue;
        uint64_t width = elements(r->g, &info->type, 1);
        if (out) must(weft_session_read(r->s, info->output_name, 0, out + at * rows + first * width, n * width * 4));
        at += width;
    }
    return at;
}

/// How many words of the outputs differ between runs of ROWS rows and runs of fewer.
static uint64_t differing(const struct rows_case *c, enum weft_numbers numbers, bool cpu) {
    static const uint32_t pieces[] = {1, 2, 3, 7, 8, 9, 33};
    struct rig r;
    uint64_t bad = 0;
    open_rig(&r, c->graph, numbers, cpu);
    uint64_t width = run_rows(&r, 0, ROWS, NULL, ROWS);
    uint32_t *all = weft_alloc(width * ROWS * 4), *some = weft_alloc(width * ROWS * 4);
    assert_true(all && some);
    run_rows(&r, 0, ROWS, all, ROWS);
    for (size_t k = 0; k < (c->once ? 1 : sizeof pieces / sizeof *pieces); k++) {
        for (uint32_t at = 0, n; at < ROWS; at += n) {
            n = ROWS - at < pieces[k] ? ROWS - at : pieces[k];
            run_rows(&r, at, n, some, ROWS);
        }
        for (uint64_t i = 0; i < width * ROWS; i++) bad += all[i] != some[i];
    }
    weft_free(all);
    weft_free(some);
    close_rig(&r);
    return bad;
}

// ---- rows ----------------------------------------------------------------------------------------------------------

#define X(K) "symbol T 1 70\ninput x f32 [T, " #K "]\n"

static const struct rows_case row_cases[] = {
    {.name = "packed products",
     .graph = X(
         256) "weight a f32 [40, 256]\nweight b q4_0 [40, 256]\nweight c q4_k [33, 256]\nweight d q6_k [40, 256]\n"
              "weight e q8_0 [7, 256]\nweight f f16 [5, 256]\n%0 = matmul %x %a\n%1 = matmul %x %b\n%2 = matmul %x %c\n"
              "%3 = matmul %x %d\n%4 = matmul %x %e\n%5 = matmul %x %f\noutput %0 a\noutput %1 b\noutput %2 c\n"
              "output %3 d\noutput %4 e\noutput %5 f\n",
     .dear = true},
    {.name = "packed products of other types",
     .graph =
         X(256) "weight a q4_1 [20, 256]\nweight b q2_k [20, 256]\nweight c q3_k [20, 256]\nweight d q5_k [20, 256]\n"
                "weight e iq4_xs [20, 256]\nweight f mxfp4 [20, 256]\nweight h bf16 [20, 256]\n%0 = matmul %x %a\n"
                "%1 = matmul %x %b\n%2 = matmul %x %c\n%3 = matmul %x %d\n%4 = matmul %x %e\n%5 = matmul %x %f\n"
                "%6 = matmul %x %h\noutput %0 a\noutput %1 b\noutput %2 c\noutput %3 d\noutput %4 e\noutput %5 f\n"
                "output %6 h\n",
     .dear = true},
    {.name = "rows that fill no block",
     .graph = X(37) "weight a f32 [70, 37]\nweight b f16 [9, 37]\n%0 = matmul %x %a\n"
                    "%1 = matmul %x %b\noutput %0 a\noutput %1 b\n",
     .dear = true},
    {.name = "sixteen lanes",
     .graph = X(736) "weight a q8_0 [20, 736]\n%0 = matmul %x %a\noutput %0 a\n",
     .dear = true},
    {.name = "long rows in chunks",
     .graph = X(6176) "weight a q4_0 [20, 6176]\n%0 = matmul %x %a\noutput %0 a\n",
     .dear = true},
    // Tiles are some, so that a workgroup of some rows has several turns, and others have the rest.
    {.name = "packed product of many columns",
     .once = true,
     .dear = true,
     .graph = X(896) "weight a q4_0 [6000, 896]\n%0 = matmul %x %a\noutput %0 a\n"},
    {.name = "a head",
     .graph = X(64) "weight a q4_0 [65600, 64]\n%0 = matmul %x %a\noutput %0 a\n",
     .dear = true,
     .once = true},
    {.name = "norm, gate and up, down",
     .graph =
         X(256) "weight n f32 [256]\nweight g q8_0 [192, 256]\nweight u q8_0 [192, 256]\nweight d q4_0 [256, 192]\n"
                "%0 = rms_norm %x %n {eps=1e-6}\n%1 = matmul %0 %g\n%2 = matmul %0 %u\n%3 = silu %1\n%4 = mul %3 %2\n"
                "%5 = matmul %4 %d\n%6 = rms_norm %5 %n\n%7 = add %6 %x\n%8 = layer_norm %7 %n %n\n%9 = matmul %8 %g\n"
                "%10 = gelu_tanh %9\noutput %7 h\noutput %10 y\n"},
    {.name = "plain products",
     .graph =
         X(2100) "input z f32 [T, 3, 20]\nweight w f32 [2100, 24]\nweight v f32 [70, 2100]\nweight b f32 [3, 20, 30]\n"
                 "%v2 = neg %v\n%0 = matmul %x %v2\n%1 = silu %x\n%2 = matmul %1 %w {transpose_b=0}\n"
                 "%c = exp %b\n%y = transpose %z {perm=[1, 0, 2]}\n%d = matmul %y %c {transpose_b=0}\n"
                 "%e = transpose %d {perm=[1, 0, 2]}\noutput %0 a\noutput %2 b\noutput %e c\n",
     .dear = true},
    {.name = "experts",
     .graph = X(96) "input i i32 [T, 2]\nweight r f32 [5, 96]\nweight g q8_0 [5, 64, 96]\nweight u q8_0 [5, 64, 96]\n"
                    "weight d q4_0 [5, 96, 64]\nweight p f32 [5, 33, 96]\n%p2 = neg %p\n%1 = matmul_experts %x %g %i\n"
                    "%2 = matmul_experts %x %u %i\n%3 = silu %1\n%4 = mul %3 %2\n%5 = matmul_experts %4 %d %i\n"
                    "%6 = sum %5 {axes=[1]}\n%7 = matmul_experts %x %p2 %i\n%8 = matmul %x %r\n%9 = softmax %8\n"
                    "%10 %11 = topk %9 {k=2}\noutput %6 y\noutput %7 z\noutput %10 p\n",
     .dear = true},
    {.name = "reductions",
     .graph =
         X(100) "input s f32 [T, 9]\ninput l f32 [T, 3000]\n%0 = softmax %x\n%1 = softmax %s\n%2 = log_softmax %l\n"
                "%3 = log_softmax %s\n%4 = mean %l\n%5 = prod %s\noutput %0 a\noutput %1 b\noutput %2 c\noutput %3 d\n"
                "output %4 e\noutput %5 f\n"},
    {.name = "reductions of long rows",
     .graph = X(40000) "%0 = square %x\n%1 = mean %0\n%2 = softmax %x\n%3 = amax %2\n"
                       "%4 = sum %x\noutput %1 a\noutput %3 b\noutput %4 c\n",
     .dear = true},
    {.name = "reductions of columns",
     .graph = "symbol T 1 70\ninput x f32 [T, 50, 6]\ninput z f32 [T, 200, 3]\ninput o f32 [T, 90, 1]\n"
              "%0 = sum %x {axes=[1]}\n%1 = softmax %z {axis=1}\n%2 = sum %o {axes=[1]}\n%3 = mean %z {axes=[1, 2]}\n"
              "output %0 a\noutput %1 b\noutput %2 c\noutput %3 d\n"},
    {.name = "scans",
     .graph = X(3000) "input z f32 [T, 40, 6]\ninput l f32 [T, 20000]\n%0 = cumsum %x\n%1 = cumsum %z {axis=1}\n"
                      "%2 = cumsum %l\noutput %0 a\noutput %1 b\noutput %2 c\n",
     .dear = true},
    {.name = "functions",
     .graph = X(40) "input y f32 [T, 40]\nweight w f32 [40]\n%0 = mul %x %y\n%1 = add %0 %w\n%2 = gelu %1\n"
                    "%3 = mul %2 %x\n%4 = sub %3 %0\n%5 = softplus %4\n%6 = div %5 %y\n%7 = add %6 %x\n"
                    "%8 = tanh %7\noutput %4 a\noutput %8 b\n"},
    {.name = "costs of tokens", .graph = X(1000) "input i i32 [T]\n%0 = nll %x %i\noutput %0 y\n"},
};
#undef X
enum { ROW_CASES = sizeof row_cases / sizeof *row_cases };

static bool wanted(const struct rows_case *c) {
    const char *only = getenv("WEFT_TEST_CASE");
    return only ? strstr(c->name, only) != NULL : !(c->dear && weft_test_thin());
}

static void all_rows(bool cpu) {
    uint32_t failed = 0;
    for (size_t i = 0; i < ROW_CASES; i++) {
        if (!wanted(&row_cases[i])) continue;
        double start = weft_now();
        uint64_t bad = differing(&row_cases[i], WEFT_NUMBERS_INVARIANT, cpu);
        if (getenv("WEFT_TEST_TIMES")) print_message("%5.1f s: %s\n", weft_now() - start, row_cases[i].name);
        if (bad) print_message("%s: %llu words differ\n", row_cases[i].name, (unsigned long long)bad);
        failed += bad != 0;
    }
    assert_int_equal(failed, 0);
}

static void a_row_gives_what_it_gives_alone(void **state) {
    (void)state;
    all_rows(weft_gpu_caps(gpu)->kind == WEFT_GPU_CPU);
}

static void also_by_kernels_of_gpus(void **state) {
    (void)state;
    if (weft_gpu_caps(gpu)->kind != WEFT_GPU_CPU) skip();
    enum weft_gpu_kind was = weft_test_as(WEFT_GPU_DISCRETE);
    all_rows(false);
    weft_test_as(was);
}

/// Without the mode, orders follow from rows.
static void without_the_mode_some_differ(void **state) {
    (void)state;
    enum weft_gpu_kind was = weft_test_as(WEFT_GPU_DISCRETE);
    uint32_t differ = 0, asked = 0;
    for (size_t i = 0; i < ROW_CASES; i++) {
        bool control = strcmp(row_cases[i].name, "packed products") == 0 ||
                       strcmp(row_cases[i].name, "norm, gate and up, down") == 0;
        if (!control || (row_cases[i].dear && weft_test_thin())) continue;
        differ += differing(&row_cases[i], WEFT_NUMBERS_F32, false) > 0;
        asked++;
    }
    weft_test_as(was);
    assert_true(asked > 0);
    assert_int_equal(differ, asked);
}

static int setup(void **state) {
    (void)state;
    gpu = weft_test_gpu();
    return gpu ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_gives_what_it_gives_alone),
        cmocka_unit_test(also_by_kernels_of_gpus),
        cmocka_unit_test(without_the_mode_some_differ),
    };
    return cmocka_run_group_tests_name("ops/batch invariance on a device", tests, setup, NULL);
}
