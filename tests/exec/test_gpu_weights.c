/// Weights of every type that is repacked arrive whole, whoever repacks them: sizes of several pieces, rows whose
/// planes do not begin on whole words, one thread and four. The reference is the file's own decoding.
#include "core/alloc.h"
#include "gpu/gpu_test.h"
#include "ir/dtype.h"
#include "api_device.h"

enum { MOST_K = 512, MOST_N = 4001 };

static const struct {
    const char *type;
    weft_dtype dtype;
    uint32_t n, k;
} cases[] = {
    {"f32", WEFT_F32, 2003, 288},   {"f16", WEFT_F16, 4001, 288},   {"bf16", WEFT_BF16, 4001, 289},
    {"q4_0", WEFT_Q4_0, 4001, 288}, {"q5_0", WEFT_Q5_0, 4001, 288}, {"q8_0", WEFT_Q8_0, 4001, 288},
    {"q4_k", WEFT_Q4_K, 4001, 512}, {"q6_k", WEFT_Q6_K, 3001, 512},
};

static uint32_t seed;

static uint32_t draw(void) {
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

static uint8_t *make_file(size_t which, uint64_t *bytes) {
    uint64_t n = (uint64_t)cases[which].n * cases[which].k;
    double *values = weft_alloc(n * sizeof *values);
    *bytes = weft_dtype_bytes(cases[which].dtype, n);
    uint8_t *file = weft_alloc(*bytes);
    assert_true(values && file);
    for (uint64_t i = 0; i < n; i++) values[i] = (double)(draw() % 4001) / 2000 - 1;
    weft_dtype_encode(cases[which].dtype, values, (int64_t)n, file);
    weft_free(values);
    return file;
}

static void run(size_t which, const uint8_t *file, uint64_t bytes, const float *x, int threads, float *y) {
    char text[200];
    snprintf(text, sizeof text, "input x f32 [1, %u]\nweight w %s [%u, %u]\n%%0 = matmul %%x %%w\noutput %%0 y\n",
             cases[which].k, cases[which].type, cases[which].n, cases[which].k);
    const struct weft_weight w = {"w", file, bytes};
    struct weft_program_compile_params params = {.weights = &w, .n_weights = 1};
    weft_graph *g;
    weft_program *p;
    weft_session *s;
    weft_gpu_set_threads(device, threads);
    api_must(weft_graph_parse_text(text, strlen(text), &g));
    api_must(weft_program_compile(device, &g, &params, &p));
    api_must(weft_session_create(p, NULL, &s));
    api_must(weft_session_write(s, "x", 0, x, cases[which].k * sizeof *x));
    api_must(weft_session_run(s, 1, NULL));
    api_must(weft_session_read(s, "y", 0, y, cases[which].n * sizeof *y));
    weft_session_destroy(&s);
    weft_program_destroy(&p);
}

/// The first row whose product is not what the file says; n if there is none.
static uint32_t wrong_row(size_t which, const uint8_t *file, const float *x, const float *y) {
    float row[MOST_K];
    uint32_t k = cases[which].k;
    for (uint32_t r = 0; r < cases[which].n; r++) {
        double sum = 0, size = 0;
        const uint8_t *from = file + weft_dtype_bytes(cases[which].dtype, (uint64_t)r * k);
        weft_dtype_decode_f32(cases[which].dtype, from, (int64_t)k, row);
        for (uint32_t i = 0; i < k; i++) {
            sum += (double)x[i] * row[i];
            size += fabs((double)x[i] * row[i]);
        }
        if (!(fabs(y[r] - sum) <= 1e-5 * size)) return r;
    }
    return cases[which].n;
}

static void every_type_by_one_thread_and_by_four(void **state) {
    (void)state;
    static float x[MOST_K], y[2][MOST_N];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bytes;
        seed = 77 + (uint32_t)i;
        uint8_t *file = make_file(i, &bytes);
        for (uint32_t k = 0; k < cases[i].k; k++) x[k] = (float)(draw() % 15) - 7;
        run(i, file, bytes, x, 1, y[0]);
        run(i, file, bytes, x, 4, y[1]);
        assert_memory_equal(y[0], y[1], cases[i].n * sizeof **y);
        uint32_t wrong = wrong_row(i, file, x, y[1]);
        if (wrong < cases[i].n) fail_msg("%s: row %u is another", cases[i].type, wrong);
        weft_free(file);
    }
}

/// The control: a row that lies elsewhere is another row.
static void rows_that_changed_places_are_noticed(void **state) {
    (void)state;
    static float x[MOST_K], y[MOST_N];
    uint64_t bytes;
    seed = 5;
    uint8_t *file = make_file(3, &bytes);
    for (uint32_t k = 0; k < cases[3].k; k++) x[k] = (float)(draw() % 15) - 7;
    run(3, file, bytes, x, 4, y);
    float other = y[1234];
    y[1234] = y[1235];
    y[1235] = other;
    assert_int_equal(wrong_row(3, file, x, y), 1234);
    weft_free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_by_one_thread_and_by_four),
        cmocka_unit_test(rows_that_changed_places_are_noticed),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
