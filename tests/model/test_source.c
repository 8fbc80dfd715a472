/// Sources in memory: what is put in comes out, through the getters of every type; what they refuse; and a model from
/// memory that is the same as from its file.
#include "core/alloc.h"
#include "core/error.h"
#include "model/gguf.h"
#include "model/host.h"
#include "engine/lm.h"
#include "model/source_build.h"
#include "support/tiny_gemma3.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

static void refused(weft_status status, weft_status want, const char *says) {
    if (status != want || !strstr(weft_error_message(), says)) fail_msg("%d, %s", (int)status, weft_error_message());
}

static struct weft_source *filled(void) {
    struct weft_source *s;
    const struct weft_source_str words[] = {{"one", 3}, {"", 0}, {"a\0b", 3}};
    must(weft_source_create("memory of a test", &s));
    must(weft_source_put_u32(s, "u32", 4000000000u));
    must(weft_source_put_i64(s, "i64", INT64_MIN));
    must(weft_source_put_f32(s, "f32", -0.1f));
    must(weft_source_put_f64(s, "f64", 0.1));
    must(weft_source_put_bool(s, "yes", true));
    must(weft_source_put_string(s, "text", "a\0b", 3));
    must(weft_source_put_strings(s, "words", words, 3));
    must(weft_source_put_f32s(s, "floats", (float[]){1, -INFINITY}, 2));
    must(weft_source_put_i32s(s, "numbers", (int32_t[]){INT32_MIN, 7}, 2));
    must(weft_source_put_bools(s, "flags", (bool[]){true, false, true}, 3));
    must(weft_source_put_i32s(s, "none", NULL, 0));
    return s;
}

static void test_values_come_back(void **state) {
    (void)state;
    struct weft_source *s = filled();
    uint32_t u;
    int64_t i;
    double x;
    bool b;
    struct weft_source_str text, *words;
    float *floats;
    int32_t *numbers;
    size_t n;
    assert_string_equal(weft_source_path(s), "memory of a test");
    assert_string_equal(weft_source_format(s), "memory");
    assert_int_equal(weft_source_key_count(s), 11);
    must(weft_source_get_u32(s, "u32", &u));
    assert_true(u == 4000000000u);
    must(weft_source_get_i64(s, "i64", &i));
    assert_true(i == INT64_MIN);
    must(weft_source_get_f64(s, "f32", &x));
    assert_true(x == (double)-0.1f);
    must(weft_source_get_f64(s, "f64", &x));
    assert_true(x == 0.1);
    must(weft_source_get_bool(s, "yes", &b));
    assert_true(b);
    must(weft_source_get_string(s, "text", &text));
    assert_true(text.len == 3 && !memcmp(text.data, "a\0b", 3));
    must(weft_source_get_strings(s, "words", &words, &n));
    assert_true(n == 3 && words[0].len == 3 && words[1].len == 0 && !memcmp(words[2].data, "a\0b", 3));
    must(weft_source_get_f32s(s, "floats", &floats, &n));
    assert_true(n == 2 && floats[0] == 1 && floats[1] == -INFINITY);
    must(weft_source_get_i32s(s, "numbers", &numbers, &n));
    assert_true(n == 2 && numbers[0] == INT32_MIN && numbers[1] == 7);
    weft_free(numbers);
    must(weft_source_get_i32s(s, "flags", &numbers, &n));
    assert_true(n == 3 && numbers[0] == 1 && numbers[1] == 0 && numbers[2] == 1);
    weft_free(numbers);
    must(weft_source_get_i32s(s, "none", &numbers, &n));
    assert_true(n == 0 && numbers);
    weft_free(numbers);
    weft_free(floats);
    weft_free(words);
    weft_source_close(s);
}

/// The sentences name the source, the key, what was expected and what is there.
static void test_getters_refuse(void **state) {
    (void)state;
    struct weft_source *s = filled();
    uint32_t u;
    double x;
    bool b;
    int32_t *numbers;
    size_t n;
    refused(weft_source_get_u32(s, "nothing", &u), WEFT_ERR_NOT_FOUND, "memory of a test: key 'nothing' is missing");
    refused(weft_source_get_u32(s, "i64", &u), WEFT_ERR_FORMAT, "memory of a test: key 'i64' is -9223372036854775808");
    refused(weft_source_get_u32(s, "f32", &u), WEFT_ERR_FORMAT, "'f32' should be an integer, but is of type f32");
    refused(weft_source_get_f64(s, "u32", &x), WEFT_ERR_FORMAT, "'u32' should be a float");
    refused(weft_source_get_bool(s, "text", &b), WEFT_ERR_FORMAT, "should be a bool, but is of type string");
    refused(weft_source_get_i32s(s, "floats", &numbers, &n), WEFT_ERR_FORMAT, "but is of type array of f32");
    refused(weft_source_put_u32(s, "u32", 1), WEFT_ERR_INVALID, "key 'u32' is there twice");
    refused(weft_source_put_u32(s, "", 1), WEFT_ERR_INVALID, "a key is empty");
    weft_source_close(s);
}

static void test_tensors(void **state) {
    (void)state;
    static const _Alignas(8) uint8_t bytes[73] = {1, 2, 3, 4, 5};
    struct weft_source *s;
    struct weft_source_room room = {0};
    const uint8_t *all;
    uint8_t part[8];
    const uint64_t dims[] = {2, 3, 3}, huge[] = {1ull << 40, 1ull << 40}, rows[] = {33, 1};
    must(weft_source_create("t", &s));
    must(weft_source_add_tensor(s, "aligned", WEFT_GGML_F32, dims, 3, bytes, 72));
    must(weft_source_add_tensor(s, "odd", WEFT_GGML_F32, dims, 3, bytes + 1, 72));
    must(weft_source_add_tensor(s, "scalar", WEFT_GGML_I8, NULL, 0, bytes, 1));
    must(weft_source_add_tensor(s, "empty", WEFT_GGML_F32, (uint64_t[]){0, 7}, 2, bytes + 3, 0));
    refused(weft_source_add_tensor(s, "odd", WEFT_GGML_F32, dims, 3, bytes, 72), WEFT_ERR_FORMAT,
            "'odd' is there twice");
    refused(weft_source_add_tensor(s, "", WEFT_GGML_F32, dims, 3, bytes, 72), WEFT_ERR_FORMAT, "no name");
    refused(weft_source_add_tensor(s, "x", 5, dims, 3, bytes, 72), WEFT_ERR_FORMAT, "unknown type 5");
    refused(weft_source_add_tensor(s, "x", WEFT_GGML_F32, dims, 3, bytes, 71), WEFT_ERR_FORMAT, "71 bytes and has 72");
    refused(weft_source_add_tensor(s, "x", WEFT_GGML_F32, huge, 2, bytes, 72), WEFT_ERR_FORMAT, "overflow");
    refused(weft_source_add_tensor(s, "x", WEFT_GGML_Q8_0, rows, 2, bytes, 72), WEFT_ERR_FORMAT, "block of 32");
    refused(weft_source_add_tensor(s, "x", WEFT_GGML_F32, dims, 5, bytes, 72), WEFT_ERR_INVALID, "more than 4");
    assert_int_equal(weft_source_tensor_count(s), 4);
    const struct weft_source_tensor *t = weft_source_find(s, "odd");
    assert_ptr_equal(weft_source_find(s, "aligned")->data, bytes);
    assert_null(t->data);
    assert_true(t->dims[3] == 1 && t->dims[2] == 3 && t->n_dims == 3);
    must(weft_source_bytes_of(s, t, &room, &all));
    assert_ptr_equal(all, room.data);
    assert_memory_equal(all, bytes + 1, 72);
    must(weft_source_read(s, t, 2, 8, part));
    assert_memory_equal(part, bytes + 3, 8);
    refused(weft_source_read(s, t, 65, 8, part), WEFT_ERR_INVALID, "tensor odd, which has 72");
    must(weft_source_read(s, weft_source_find(s, "empty"), 0, 0, part));
    weft_free(room.data);
    weft_source_close(s);
}

/// Copies every key and tensor of an open file: the host model of the copy gives the same numbers.
static void test_a_model_from_memory(void **state) {
    (void)state;
    struct weft_source *file, *s;
    size_t size;
    double x[3][300], y[3][300];
    static const char *const counts[] = {"context_length",
                                         "embedding_length",
                                         "block_count",
                                         "feed_forward_length",
                                         "attention.head_count",
                                         "attention.head_count_kv",
                                         "attention.key_length",
                                         "attention.value_length",
                                         "attention.sliding_window",
                                         "attention.sliding_window_pattern"};
    void *data = weft_tiny_gemma3_make(&(struct weft_tiny_gemma3){.seed = 3}, &size);
    must(weft_gguf_open_memory(data, size, "tiny", &file));
    must(weft_source_create("copy", &s));
    must(weft_source_put_string(s, "general.architecture", "gemma3", 6));
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        char key[64];
        uint32_t n;
        snprintf(key, sizeof key, "gemma3.%s", counts[i]);
        must(weft_source_get_u32(file, key, &n));
        must(weft_source_put_u32(s, key, n));
    }
    must(weft_source_put_f32(s, "gemma3.attention.layer_norm_rms_epsilon", 1e-6f));
    must(weft_source_put_f32(s, "gemma3.rope.freq_base", 1e6f));
    for (size_t i = 0; i < weft_source_tensor_count(file); i++) {
        const struct weft_source_tensor *t = weft_source_tensor_at(file, i);
        must(weft_source_add_tensor(s, t->name, t->type, t->dims, t->n_dims, t->data, t->size));
    }
    for (int i = 0; i < 2; i++) {
        struct weft_host_lm *lm;
        must(weft_host_lm_create(i ? s : file, &(struct weft_host_lm_params){.chunk = 3}, &lm));
        must(weft_host_lm_feed(lm, (int32_t[]){2, 261, 262}, 3, 3, i ? y[0] : x[0]));
        weft_host_lm_destroy(lm);
    }
    assert_memory_equal(x, y, sizeof x);
    weft_source_close(s);
    weft_source_close(file);
    weft_free(data);
}

/// A model of the caller's memory on a device that computes nothing. The source is closed in any case.
static void test_a_source_on_a_device(void **state) {
    (void)state;
    struct weft_source *s;
    weft_gpu *gpu;
    weft_lm *lm;
    size_t size;
    int64_t live = weft_alloc_stats().live;
    void *data = weft_tiny_gemma3_make(&(struct weft_tiny_gemma3){.seed = 3, .n_layer = 2}, &size);
    must(weft_gpu_open(&(struct weft_gpu_params){.implementation = "null"}, &gpu));
    must(weft_gguf_open_memory(data, size, "tiny", &s));
    must(weft_lm_open_source(gpu, s, &(struct weft_model_params){.ctx = 16, .greedy = true}, &lm));
    assert_int_equal(weft_lm_ctx(lm), 16);
    weft_lm_close(&lm);
    must(weft_source_create("empty", &s));
    refused(weft_lm_open_source(gpu, s, NULL, &lm), WEFT_ERR_NOT_FOUND, "empty: key 'general.architecture'");
    assert_null(lm);
    weft_gpu_close(&gpu);
    weft_free(data);
    assert_int_equal(weft_alloc_stats().live, live);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_come_back),
        cmocka_unit_test(test_getters_refuse),
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_a_model_from_memory),
        cmocka_unit_test(test_a_source_on_a_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
