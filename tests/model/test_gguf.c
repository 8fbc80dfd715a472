/// The GGUF reader: values, tensors and split files read back, and the real model's header where it is there.
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "model/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gguf_rich.h"
#include "real_model.h"

static struct gguf_writer rich;

static weft_status open_bytes(const uint8_t *data, size_t len, struct weft_source **out) {
    return weft_gguf_open_memory(data, len, "t.gguf", out);
}

static void check_scalars(const struct weft_source *g) {
    static const struct {
        const char *key;
        int64_t want;
    } integers[] = {{"v.u8", 200},     {"v.i8", -5},          {"v.u16", 60000},    {"v.i16", -300},
                    {"v.i32", -70000}, {"v.u32", 4000000000}, {"v.i64", INT64_MIN}};
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        int64_t v = 0;
        uint32_t u = 0;
        bool fits = integers[i].want >= 0;
        assert_int_equal(weft_source_get_i64(g, integers[i].key, &v), WEFT_OK);
        assert_true(v == integers[i].want);
        assert_int_equal(weft_source_get_u32(g, integers[i].key, &u), fits ? WEFT_OK : WEFT_ERR_FORMAT);
        if (fits) assert_int_equal(u, integers[i].want);
    }
    int64_t v;
    double d = 0;
    bool b = false;
    assert_int_equal(weft_source_get_i64(g, "v.u64", &v), WEFT_ERR_FORMAT);
    check_message("9223372036854775808");
    assert_int_equal(weft_source_get_f64(g, "v.f32", &d), WEFT_OK);
    assert_true(d == (double)1e-6f);
    assert_int_equal(weft_source_get_f64(g, "v.f64", &d), WEFT_OK);
    assert_true(d == 0.1);
    assert_int_equal(weft_source_get_bool(g, "v.bool", &b), WEFT_OK);
    assert_true(b);
    struct weft_source_str s;
    assert_int_equal(weft_source_get_string(g, "v.string", &s), WEFT_OK);
    assert_int_equal(s.len, 15);
    assert_memory_equal(s.data, "warp \"and\"\nweft", 15);
}

static void check_arrays(const struct weft_source *g) {
    struct weft_source_str *strings;
    int32_t *numbers;
    float *floats;
    size_t n = 0;
    assert_int_equal(weft_source_get_strings(g, "a.strings", &strings, &n), WEFT_OK);
    assert_int_equal(n, 3);
    assert_memory_equal(strings[0].data, "one", 3);
    assert_int_equal(strings[1].len, 0);
    assert_int_equal(strings[2].len, 5);
    assert_memory_equal(strings[2].data, "th\0ee", 5);
    weft_free(strings);
    assert_int_equal(weft_source_get_i32s(g, "a.i16", &numbers, &n), WEFT_OK);
    assert_int_equal(n, 3);
    assert_memory_equal(numbers, ((int32_t[]){-1, 0, 1}), 12);
    weft_free(numbers);
    assert_int_equal(weft_source_get_i32s(g, "a.bool", &numbers, &n), WEFT_OK);
    assert_memory_equal(numbers, ((int32_t[]){1, 0}), 8);
    weft_free(numbers);
    assert_int_equal(weft_source_get_f32s(g, "a.f32", &floats, &n), WEFT_OK);
    assert_int_equal(n, 0);
    assert_non_null(floats);
    weft_free(floats);
    assert_int_equal(weft_source_get_i32s(g, "a.u64", &numbers, &n), WEFT_ERR_FORMAT);
    assert_null(numbers);
    check_message("a.u64");
}

static void check_tensors(const struct weft_source *g) {
    static const uint64_t sizes[] = {80, 14, 576, 102, 8, 0, 88}, offsets[] = {0, 128, 192, 768, 896, 960, 960};
    assert_int_equal(weft_source_tensor_count(g), 7);
    size_t data = (rich.header + 63) / 64 * 64;
    for (size_t i = 0; i < 7; i++) {
        const struct weft_source_tensor *t = weft_source_tensor_at(g, i);
        assert_int_equal(t->size, sizes[i]);
        assert_int_equal(t->offset, data + offsets[i]);
        assert_ptr_equal(t->data, rich.data + t->offset);
        assert_ptr_equal(weft_source_find(g, t->name), t);
    }
    const struct weft_source_tensor *q = weft_source_find(g, "blk.0.q");
    assert_int_equal(q->type, WEFT_GGML_Q4_K);
    assert_int_equal(q->n_dims, 3);
    assert_memory_equal(q->dims, ((uint64_t[]){256, 2, 2, 1}), 32);
    assert_null(weft_source_find(g, "blk.0.v"));
}

static void test_reads_back(void **state) {
    (void)state;
    int64_t live = weft_alloc_stats().live;
    for (uint32_t version = 2; version <= 3; version++) {
        struct weft_source *g;
        write_rich(&rich, version);
        assert_int_equal(open_bytes(rich.data, rich.len, &g), WEFT_OK);
        assert_string_equal(weft_source_format(g), "GGUF");
        assert_int_equal(weft_source_version(g), version);
        assert_int_equal(weft_source_key_count(g), rich.n_keys);
        assert_string_equal(weft_source_key_at(g, 0), "general.architecture");
        assert_int_equal(weft_source_bytes(g), rich.len);
        assert_int_equal(weft_source_part_count(g), 1);
        check_scalars(g);
        check_arrays(g);
        check_tensors(g);
        weft_source_close(g);
    }
    assert_int_equal(weft_alloc_stats().live, live);
}

static void test_prints(void **state) {
    (void)state;
    struct weft_source *g;
    static const struct {
        const char *key, *text;
    } want[] = {
        {"v.i8", "-5"},
        {"v.u64", "9223372036854775808"},
        {"v.bool", "true"},
        {"v.f64", "0.1"},
        {"v.string", "\"warp \\\"an\"..."},
        {"a.strings", "string[3] {\"one\", \"\", \"th\\x00e\"...}"},
        {"a.f32", "f32[0] {}"},
    };
    write_rich(&rich, 3);
    assert_int_equal(open_bytes(rich.data, rich.len, &g), WEFT_OK);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct weft_str out = {0};
        for (size_t k = 0; k < weft_source_key_count(g); k++) {
            if (strcmp(weft_source_key_at(g, k), want[i].key) == 0) weft_source_print_value(g, k, 8, &out);
        }
        assert_string_equal(weft_str_get(&out), want[i].text);
        weft_str_free(&out);
    }
    weft_source_close(g);
}

/// Every getter on every key: it works, or the sentence names the key, what was expected and what was found.
static void test_wrong_types(void **state) {
    (void)state;
    struct weft_source *g;
    write_rich(&rich, 3);
    assert_int_equal(open_bytes(rich.data, rich.len, &g), WEFT_OK);
    static const char *const keys[] = {"v.u8",  "v.f32", "v.bool",    "v.string", "v.f64",
                                       "a.i16", "a.f32", "a.strings", "absent"};
    static const char *const expected[] = {
        "an integer", "an integer",          "a float",         "a bool",
        "a string",   "an array of strings", "an array of f32", "an array of integers"};
    static const char *const works[] = {"v.u8",     "v.u8",      "v.f32v.f64", "v.bool",
                                        "v.string", "a.strings", "a.f32",      "a.i16"};
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        for (int getter = 0; getter < 8; getter++) {
            uint32_t u;
            int64_t i;
            double d;
            bool b;
            size_t n;
            struct weft_source_str s;
            void *p = NULL;
            weft_error_clear();
            weft_status status = getter == 0   ? weft_source_get_u32(g, keys[k], &u)
                                 : getter == 1 ? weft_source_get_i64(g, keys[k], &i)
                                 : getter == 2 ? weft_source_get_f64(g, keys[k], &d)
                                 : getter == 3 ? weft_source_get_bool(g, keys[k], &b)
                                 : getter == 4 ? weft_source_get_string(g, keys[k], &s)
                                 : getter == 5 ? weft_source_get_strings(g, keys[k], (struct weft_source_str **)&p, &n)
                                 : getter == 6 ? weft_source_get_f32s(g, keys[k], (float **)&p, &n)
                                               : weft_source_get_i32s(g, keys[k], (int32_t **)&p, &n);
            weft_free(p);
            if (strcmp(keys[k], "absent") == 0) {
                assert_int_equal(status, WEFT_ERR_NOT_FOUND);
                check_message("'absent' is missing");
            } else if (strstr(works[getter], keys[k])) {
                assert_int_equal(status, WEFT_OK);
            } else {
                enum weft_source_type element;
                assert_int_equal(weft_source_get_type(g, keys[k], NULL, &element, NULL), WEFT_OK);
                assert_int_equal(status, WEFT_ERR_FORMAT);
                check_message(keys[k]);
                check_message(expected[getter]);
                check_message(weft_source_type_name(element));
            }
        }
    }
    uint32_t u = 0;
    double d = 0;
    bool b = false;
    assert_int_equal(weft_source_u32_or(g, "absent", 7, &u), WEFT_OK);
    assert_int_equal(u, 7);
    assert_int_equal(weft_source_u32_or(g, "v.u8", 7, &u), WEFT_OK);
    assert_int_equal(u, 200);
    assert_int_equal(weft_source_u32_or(g, "v.string", 7, &u), WEFT_ERR_FORMAT);
    assert_int_equal(weft_source_f64_or(g, "absent", 2.5, &d), WEFT_OK);
    assert_true(d == 2.5);
    assert_int_equal(weft_source_f64_or(g, "v.u8", 2.5, &d), WEFT_ERR_FORMAT);
    assert_int_equal(weft_source_bool_or(g, "absent", true, &b), WEFT_OK);
    assert_true(b);
    assert_int_equal(weft_source_bool_or(g, "v.u8", true, &b), WEFT_ERR_FORMAT);
    weft_source_close(g);
}

static char dir[256];

static int make_dir(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/weft-gguf-XXXXXX", base && *base ? base : "/tmp");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state) {
    (void)state;
    char path[400];
    for (int i = 1; i <= 3; i++) {
        snprintf(path, sizeof path, "%s/m-%05d-of-00003.gguf", dir, i);
        remove(path);
    }
    snprintf(path, sizeof path, "%s/other.gguf", dir);
    remove(path);
    return rmdir(dir);
}

/// Writes part `no` of 3 (from 0) to the place of part `place`, with two tensors named by `tag`.
static void write_part(int place, uint64_t no, uint64_t count, char tag, uint64_t promised) {
    char path[400], name[8];
    struct gguf_writer *w = &rich;
    gw_begin(w, 3);
    gw_integer(w, "split.no", WEFT_SOURCE_U16, no);
    gw_integer(w, "split.count", WEFT_SOURCE_U16, count);
    gw_integer(w, "split.tensors.count", WEFT_SOURCE_I32, promised);
    if (place == 0) gw_text(w, "general.architecture", "gemma3");
    for (uint64_t i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%c.%d", tag, (int)i);
        gw_tensor(w, name, WEFT_GGML_F32, 1, (uint64_t[]){3}, 32 * i);
    }
    gw_end(w, 32, 44);
    snprintf(path, sizeof path, "%s/m-%05d-of-00003.gguf", dir, place + 1);
    assert_int_equal(weft_file_write(path, w->data, w->len), WEFT_OK);
}

static void try_split(weft_status status, const char *part) {
    char path[400];
    struct weft_source *g;
    int64_t live = weft_alloc_stats().live;
    snprintf(path, sizeof path, "%s/m-00001-of-00003.gguf", dir);
    assert_int_equal(weft_gguf_open(path, &g), status);
    check_message(part);
    weft_source_close(g);
    assert_int_equal(weft_alloc_stats().live, live);
}

static void test_split(void **state) {
    (void)state;
    char path[400], other[400];
    struct weft_source *g;
    for (int i = 0; i < 3; i++) write_part(i, (uint64_t)i, 3, (char)('a' + i), 6);
    snprintf(path, sizeof path, "%s/m-00001-of-00003.gguf", dir);
    snprintf(other, sizeof other, "%s/other.gguf", dir);
    assert_int_equal(weft_gguf_open(path, &g), WEFT_OK);
    assert_int_equal(weft_source_part_count(g), 3);
    assert_int_equal(weft_source_tensor_count(g), 6);
    assert_int_equal(weft_source_key_count(g), 4);
    const struct weft_source_tensor *t = weft_source_find(g, "c.1");
    assert_int_equal(t->part, 2);
    assert_int_equal(t->size, 12);
    assert_int_equal(t->data[0], (uint8_t)(32 * 7 + 1));
    use_all(g);
    weft_source_close(g);

    write_part(1, 1, 3, 'a', 6); // names of part 0
    try_split(WEFT_ERR_FORMAT, "'a.0' is there twice");
    write_part(1, 2, 3, 'b', 6); // says that it is another
    try_split(WEFT_ERR_FORMAT, "should be part 2 of 3");
    write_part(1, 1, 4, 'b', 6);
    try_split(WEFT_ERR_FORMAT, "should be part 2 of 3");
    write_part(1, 1, 3, 'b', 6);
    write_part(0, 0, 3, 'a', 7);
    try_split(WEFT_ERR_FORMAT, "split.tensors.count is 7");
    write_part(0, 3, 3, 'a', 6);
    try_split(WEFT_ERR_FORMAT, "split.no");
    write_part(0, 1, 3, 'a', 6);
    try_split(WEFT_ERR_FORMAT, "part 2 of 3: open the first");
    write_part(0, 0, 65535, 'a', 6);
    try_split(WEFT_ERR_FORMAT, "65535 parts");
    write_part(0, 0, 3, 'a', 6);
    assert_int_equal(open_bytes(rich.data, rich.len, &g), WEFT_ERR_UNSUPPORTED); // its siblings are out of reach
    assert_int_equal(weft_file_write(other, rich.data, rich.len), WEFT_OK);
    assert_int_equal(weft_gguf_open(other, &g), WEFT_ERR_FORMAT);
    check_message("-00001-of-00003.gguf");
    write_rich(&rich, 3);
    snprintf(other, sizeof other, "%s/m-00003-of-00003.gguf", dir);
    assert_int_equal(weft_file_write(other, rich.data, rich.len), WEFT_OK);
    try_split(WEFT_ERR_FORMAT, "no split.no");
    remove(other);
    try_split(WEFT_ERR_NOT_FOUND, "m-00003-of-00003.gguf");
}

static void test_files(void **state) {
    (void)state;
    struct weft_source *g;
    char path[400];
    assert_int_equal(weft_gguf_open("/no/such/file.gguf", &g), WEFT_ERR_NOT_FOUND);
    assert_null(g);
    assert_int_equal(weft_gguf_open(dir, &g), WEFT_ERR_IO);
    snprintf(path, sizeof path, "%s/other.gguf", dir);
    assert_int_equal(weft_file_write(path, "", 0), WEFT_OK);
    assert_int_equal(weft_gguf_open(path, &g), WEFT_ERR_FORMAT);
    check_message("other.gguf: not a GGUF file");
    weft_source_close(NULL);
}

static void test_types(void **state) {
    (void)state;
    static const struct {
        uint32_t type;
        const char *name;
        uint32_t block, bytes;
    } want[] = {{0, "F32", 1, 4},       {8, "Q8_0", 32, 34}, {6, "Q5_0", 32, 22}, {12, "Q4_K", 256, 144},
                {14, "Q6_K", 256, 210}, {30, "BF16", 1, 2},  {2, "Q4_0", 32, 18}, {41, "Q1_0", 128, 18}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const struct weft_ggml_type_info *info = weft_ggml_type_info(want[i].type);
        assert_string_equal(info->name, want[i].name);
        assert_int_equal(info->block, want[i].block);
        assert_int_equal(info->bytes, want[i].bytes);
    }
    static const uint32_t unknown[] = {4, 5, 31, 33, 36, 38, 42, 1000, UINT32_MAX}; // removed ones and beyond
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) assert_null(weft_ggml_type_info(unknown[i]));
}

static void test_real_model(void **state) {
    (void)state;
    char *path = real_model();
    if (!path) skip();
    struct weft_source *g;
    assert_int_equal(weft_gguf_open(path, &g), WEFT_OK);
    weft_free(path);
    uint64_t bytes = 0, weights = 0;
    for (size_t i = 0; i < weft_source_tensor_count(g); i++) {
        const struct weft_source_tensor *t = weft_source_tensor_at(g, i);
        bytes += t->size;
        weights += t->dims[0] * t->dims[1];
    }
    assert_int_equal(weft_source_tensor_count(g), 236);
    assert_int_equal(weft_source_key_count(g), 33);
    assert_int_equal(weft_source_bytes(g), 253113024);
    assert_int_equal(weft_source_tensor_at(g, 0)->offset, 6525120);
    assert_int_equal(bytes, 246587904);
    assert_int_equal(weights, 268098176);
    const struct weft_source_tensor *embd = weft_source_find(g, "token_embd.weight");
    assert_int_equal(embd->type, WEFT_GGML_Q8_0);
    assert_int_equal(embd->size, 178257920);
    uint32_t length;
    assert_int_equal(weft_source_get_u32(g, "gemma3.context_length", &length), WEFT_OK);
    assert_int_equal(length, 32768);
    weft_source_close(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_back), cmocka_unit_test(test_prints), cmocka_unit_test(test_wrong_types),
        cmocka_unit_test(test_split),      cmocka_unit_test(test_files),  cmocka_unit_test(test_types),
        cmocka_unit_test(test_real_model),
    };
    return cmocka_run_group_tests_name("model/gguf", tests, make_dir, remove_dir);
}
