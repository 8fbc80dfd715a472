/// Weights of every type that is repacked arrive whole, whoever repacks them: sizes of several pieces, rows whose
/// planes do not begin on whole words, one thread and four. The reference is the file's own decoding.
#include "core/alloc.h"
#include "gpu/gpu_test.h"
#include "ir/dtype.h"
#include "api_device.h"
#include <stdatomic.h>

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

/// A file that is read by ranges.
struct ranges {
    const uint8_t *file;
    uint64_t bytes;
    uint64_t fail_at; // of the calls, counted from 1; 0: none
    atomic_uint_least64_t read, most, calls;
};

static weft_status number_of_bytes(void *user, const char *name, const void **data, uint64_t *bytes) {
    (void)name;
    *data = NULL;
    *bytes = ((const struct ranges *)user)->bytes;
    return WEFT_OK;
}

static weft_status read_range(void *user, const char *name, uint64_t offset, uint64_t bytes, void *into) {
    struct ranges *r = user;
    (void)name;
    if (bytes == 0 || offset > r->bytes || bytes > r->bytes - offset) return WEFT_ERR_INTERNAL;
    if (atomic_fetch_add(&r->calls, 1) + 1 == r->fail_at) return WEFT_ERR_IO;
    memcpy(into, r->file + offset, bytes);
    atomic_fetch_add(&r->read, bytes);
    for (uint64_t most = atomic_load(&r->most);
         bytes > most && !atomic_compare_exchange_weak(&r->most, &most, bytes);) {}
    return WEFT_OK;
}

static weft_graph *graph_of(size_t which) {
    char text[200];
    weft_graph *g;
    snprintf(text, sizeof text, "input x f32 [1, %u]\nweight w %s [%u, %u]\n%%0 = matmul %%x %%w\noutput %%0 y\n",
             cases[which].k, cases[which].type, cases[which].n, cases[which].k);
    api_must(weft_graph_parse_text(text, strlen(text), &g));
    return g;
}

enum { BY_RANGES = 8 }; // beside a number of threads

static void run(size_t which, const uint8_t *file, uint64_t bytes, const float *x, int how, float *y) {
    const struct weft_weight w = {"w", file, bytes};
    struct weft_program_compile_params params = {.weights = &w, .n_weights = 1};
    struct ranges ranges = {.file = file, .bytes = bytes};
    if (how & BY_RANGES)
        params =
            (struct weft_program_compile_params){WEFT_SIZED(weft_program_compile_params), .weight = number_of_bytes,
                                                 .weight_read = read_range, .weight_user = &ranges};
    weft_graph *g = graph_of(which);
    weft_program *p;
    weft_session *s;
    weft_gpu_set_threads(device, how & ~BY_RANGES);
    api_must(weft_program_compile(device, &g, &params, &p));
    if (how & BY_RANGES) {
        assert_int_equal(ranges.read, bytes); // each byte once
        assert_in_range(ranges.most, 1, 512 << 10);
        assert_true(ranges.calls >= bytes >> 19);
    }
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

/// Bytes of the weight, to be freed, and a row to multiply it with.
static uint8_t *make_operands(size_t which, uint32_t from, uint64_t *bytes, float *x) {
    seed = from;
    uint8_t *file = make_file(which, bytes);
    for (uint32_t k = 0; k < cases[which].k; k++) x[k] = (float)(draw() % 15) - 7;
    return file;
}

static void every_type_by_one_thread_and_by_four(void **state) {
    (void)state;
    static float x[MOST_K], y[2][MOST_N];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bytes;
        uint8_t *file = make_operands(i, 77 + (uint32_t)i, &bytes, x);
        run(i, file, bytes, x, 1, y[0]);
        run(i, file, bytes, x, 4, y[1]);
        assert_memory_equal(y[0], y[1], cases[i].n * sizeof **y);
        uint32_t wrong = wrong_row(i, file, x, y[1]);
        if (wrong < cases[i].n) fail_msg("%s: row %u is another", cases[i].type, wrong);
        weft_free(file);
    }
}

/// Read by ranges, weights are the same to the bit as given whole; in runs of rows, and as they are.
static void ranges_are_the_whole(void **state) {
    (void)state;
    static float x[MOST_K], y[2][MOST_N];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bytes;
        uint8_t *file = make_operands(i, 77 + (uint32_t)i, &bytes, x);
        run(i, file, bytes, x, 4, y[0]);
        for (int threads = 1; threads <= 4; threads += 3) {
            memset(y[1], 0, sizeof y[1]);
            run(i, file, bytes, x, BY_RANGES + threads, y[1]);
            assert_memory_equal(y[0], y[1], cases[i].n * sizeof **y);
        }
        weft_free(file);
    }
}

/// A read that fails ends compiling with an error that says of what; nothing is left of it, and the next goes well.
static void a_read_that_fails(void **state) {
    (void)state;
    static float x[MOST_K], y[2][MOST_N];
    struct weft_gpu_counters before, after;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bytes;
        uint8_t *file = make_file(i, &bytes);
        for (uint32_t k = 0; k < cases[i].k; k++) x[k] = 1;
        run(i, file, bytes, x, 4, y[0]);
        for (uint64_t fail_at = 1; fail_at <= 3; fail_at++) { // of four ranges and more
            struct ranges ranges = {.file = file, .bytes = bytes, .fail_at = fail_at};
            struct weft_program_compile_params params = {WEFT_SIZED(weft_program_compile_params),
                                                         .weight = number_of_bytes, .weight_read = read_range,
                                                         .weight_user = &ranges};
            weft_program *p;
            weft_graph *g = graph_of(i);
            weft_gpu_counters(device, &before);
            int64_t live = weft_alloc_stats().live;
            api_fails(weft_program_compile(device, &g, &params, &p), WEFT_ERR_IO, "weight 'w': bytes ");
            assert_non_null(strstr(weft_error_message(), " could not be read"));
            assert_null(p);
            weft_gpu_wait_idle(device);
            weft_gpu_counters(device, &after);
            assert_int_equal(after.bytes_for[WEFT_BUF_FOR_WEIGHTS], before.bytes_for[WEFT_BUF_FOR_WEIGHTS]);
            assert_true(weft_alloc_stats().live < live); // the graph went
        }
        run(i, file, bytes, x, BY_RANGES + 4, y[1]);
        assert_memory_equal(y[0], y[1], cases[i].n * sizeof **y);
        weft_free(file);
    }
}

/// The control: a row that lies elsewhere is another row.
static void rows_that_changed_places_are_noticed(void **state) {
    (void)state;
    static float x[MOST_K], y[MOST_N];
    uint64_t bytes;
    uint8_t *file = make_operands(3, 5, &bytes, x);
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
        cmocka_unit_test(ranges_are_the_whole),
        cmocka_unit_test(a_read_that_fails),
        cmocka_unit_test(rows_that_changed_places_are_noticed),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
