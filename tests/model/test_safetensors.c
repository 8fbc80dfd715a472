/// The container of safetensors: what it holds, every fault that a header can have, and damaged copies of a whole file.
#include "core/alloc.h"
#include "core/error.h"
#include "model/gguf.h"
#include "model/safetensors.h"
#include "support/st_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static weft_status parse(const uint8_t *data, size_t size, struct weft_safetensors *list) {
    *list = (struct weft_safetensors){0};
    weft_error_clear();
    weft_status status = weft_safetensors_parse(list, 0, data, size);
    if (status != WEFT_OK) weft_safetensors_free(list);
    return status;
}

static const uint8_t numbers[64] = {1, 2, 3, 4};

/// A header of any bytes and 64 bytes of data.
static weft_status parse_header(const char *header, struct weft_safetensors *list) {
    size_t size;
    uint8_t *file = st_file(header, strlen(header), numbers, sizeof numbers, &size);
    weft_status status = parse(file, size, list);
    weft_free(file);
    return status;
}

static void test_reads_back(void **state) {
    (void)state;
    struct st_writer w = {0};
    struct weft_safetensors list;
    size_t size;
    st_tensor(&w, "matrix", "F32", "2,3", numbers, 24);
    st_tensor(&w, "scalar", "BF16", "", numbers, 2);
    st_tensor(&w, "empty", "I64", "4,0", numbers, 0);
    st_tensor(&w, "deep", "U8", "2,1,3,1,2", numbers, 12);
    uint8_t *file = st_finish(&w, &size);
    if (parse(file, size, &list) != WEFT_OK) fail_msg("%s", weft_error_message());
    assert_int_equal(list.n, 4);
    const struct weft_source_tensor *t = list.tensors;
    assert_string_equal(t[0].name, "matrix");
    assert_int_equal(t[0].type, WEFT_GGML_F32);
    assert_int_equal(t[0].n_dims, 2);
    assert_memory_equal(t[0].dims, ((uint64_t[]){3, 2, 1, 1}), 32);
    assert_int_equal(t[0].size, 24);
    assert_ptr_equal(t[0].data, file + t[0].offset);
    assert_memory_equal(t[0].data, numbers, 24);
    assert_int_equal(t[1].n_dims, 0);
    assert_int_equal(t[1].size, 2);
    assert_int_equal(t[2].size, 0);
    assert_int_equal(t[3].n_dims, 4); // the two slowest axes joined
    assert_memory_equal(t[3].dims, ((uint64_t[]){2, 1, 3, 2}), 32);
    weft_safetensors_free(&list);
    weft_free(file);
}

static void test_dtypes(void **state) {
    (void)state;
    static const struct {
        const char *name;
        size_t bytes; // of 12 elements
    } rows[] = {{"F32", 48}, {"F16", 24}, {"BF16", 24}, {"I8", 12},      {"U8", 12},      {"I16", 24}, {"U16", 24},
                {"I32", 48}, {"U32", 48}, {"BOOL", 12}, {"F8_E4M3", 12}, {"F8_E5M2", 12}, {"F4", 6},   {"F6_E2M3", 9}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weft_safetensors list;
        char header[160];
        snprintf(header, sizeof header, "{\"x\":{\"dtype\":\"%s\",\"shape\":[12],\"data_offsets\":[0,%zu]}}",
                 rows[i].name, rows[i].bytes);
        if (parse_header(header, &list) != WEFT_OK) fail_msg("%s: %s", rows[i].name, weft_error_message());
        assert_string_equal(weft_ggml_type_info(list.tensors[0].type)->name, rows[i].name);
        weft_safetensors_free(&list);
    }
}

#define ONE(DTYPE, SHAPE, PLACE) "{\"x\":{\"dtype\":" DTYPE ",\"shape\":" SHAPE ",\"data_offsets\":" PLACE "}}"

static void test_faults(void **state) {
    (void)state;
    static const struct {
        const char *header, *says;
        weft_status status;
    } rows[] = {
        {"", "line 1", WEFT_ERR_FORMAT},
        {"[]", "no object", WEFT_ERR_FORMAT},
        {"{\"x\":1}", "tensor 'x' is no object", WEFT_ERR_FORMAT},
        {"{\"x\":{}}", "tensor 'x' has no dtype", WEFT_ERR_FORMAT},
        {ONE("7", "[1]", "[0,4]"), "tensor 'x' has no dtype", WEFT_ERR_FORMAT},
        {ONE("\"F31\"", "[1]", "[0,4]"), "tensor 'x' has the dtype 'F31'", WEFT_ERR_UNSUPPORTED},
        {ONE("\"F32\"", "1", "[0,4]"), "has no shape", WEFT_ERR_FORMAT},
        {ONE("\"F32\"", "[-1]", "[0,4]"), "no count", WEFT_ERR_FORMAT},
        {ONE("\"F32\"", "[1.5]", "[0,4]"), "no count", WEFT_ERR_FORMAT},
        {ONE("\"F32\"", "[99999999999999999999]", "[0,4]"), "no count", WEFT_ERR_FORMAT},
        {ONE("\"F32\"", "[4294967296,4294967296]", "[0,4]"), "overflow", WEFT_ERR_FORMAT},
        {ONE("\"F32\"", "[4294967296,4294967296,0]", "[0,0]"), "overflows", WEFT_ERR_FORMAT},
        {ONE("\"F32\"", "[2,2,4294967296,4294967296,2,2]", "[0,4]"), "overflow", WEFT_ERR_FORMAT},
        {ONE("\"F32\"", "[4611686018427387904]", "[0,4]"), "overflow", WEFT_ERR_FORMAT},
        {ONE("\"F4\"", "[3]", "[0,1]"), "no multiple of F4's block", WEFT_ERR_FORMAT},
        {ONE("\"F32\"", "[1]", "[0]"), "no start and end", WEFT_ERR_FORMAT},
        {ONE("\"F32\"", "[1]", "[-4,0]"), "no start and end", WEFT_ERR_FORMAT},
        {ONE("\"F32\"", "[1]", "[8,4]"), "no start and end", WEFT_ERR_FORMAT},
        {ONE("\"F32\"", "[1]", "[61,65]"), "ends at 65, but the file has 64 bytes", WEFT_ERR_FORMAT},
        {ONE("\"F32\"", "[1]", "[0,9223372036854775807]"), "is the download complete", WEFT_ERR_FORMAT},
        {ONE("\"F32\"", "[1]", "[0,8]"), "has 8 bytes in the file and 4 by its shape", WEFT_ERR_FORMAT},
        {"{\"x\":{\"dtype\":\"U8\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,1]}}", "no object of dtype",
         WEFT_ERR_FORMAT},
        {"{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"x\":{\"dtype\":\"U8\",\"shape\":[1],"
         "\"data_offsets\":[1,2]}}",
         "a name twice", WEFT_ERR_FORMAT},
        {"{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"y\":{\"dtype\":\"U8\",\"shape\":[4],"
         "\"data_offsets\":[3,7]}}",
         "tensors 'x' and 'y' overlap", WEFT_ERR_FORMAT},
        {"{\"\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "not 1 to 1024", WEFT_ERR_FORMAT},
        {"{\"a\\u0007\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "control characters",
         WEFT_ERR_FORMAT},
        {"{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "control characters",
         WEFT_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weft_safetensors list;
        weft_status status = parse_header(rows[i].header, &list);
        if (status != rows[i].status || !strstr(weft_error_message(), rows[i].says))
            fail_msg("row %zu: %d, %s", i, (int)status, weft_error_message());
    }
    struct weft_safetensors list; // the control: what the rows are variations of is fine
    assert_int_equal(parse_header(ONE("\"F32\"", "[1]", "[60,64]"), &list), WEFT_OK);
    weft_safetensors_free(&list);
}

static void test_lengths_of_headers(void **state) {
    (void)state;
    static const uint64_t lengths[] = {1, 9, 64, 1ull << 26, 100ull << 20, (100ull << 20) + 1, 1ull << 63, UINT64_MAX};
    uint8_t file[16] = {2, 0, 0, 0, 0, 0, 0, 0, '{', '}', ' ', ' '};
    struct weft_safetensors list;
    assert_int_equal(parse(file, sizeof file, &list), WEFT_OK);
    assert_int_equal(list.n, 0);
    weft_safetensors_free(&list);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (int b = 0; b < 8; b++) file[b] = (uint8_t)(lengths[i] >> (8 * b));
        assert_int_equal(parse(file, sizeof file, &list), WEFT_ERR_FORMAT);
    }
    for (size_t size = 0; size < 8; size++) assert_int_equal(parse(file, size, &list), WEFT_ERR_FORMAT);
}

static void test_two_files_make_one_list(void **state) {
    (void)state;
    static const char *const names[] = {"a", "b", "a"};
    struct weft_safetensors list = {0};
    uint8_t *files[3];
    for (uint32_t i = 0; i < 3; i++) {
        struct st_writer w = {0};
        size_t size;
        st_tensor(&w, names[i], "U8", "64", numbers, 64);
        files[i] = st_finish(&w, &size);
        weft_status status = weft_safetensors_parse(&list, i, files[i], size);
        assert_int_equal(status, i < 2 ? WEFT_OK : WEFT_ERR_FORMAT);
    }
    assert_non_null(strstr(weft_error_message(), "tensor 'a' is in two files"));
    assert_int_equal(list.tensors[1].part, 1);
    weft_safetensors_free(&list);
    for (int i = 0; i < 3; i++) weft_free(files[i]);
}

// ---- damage --------------------------------------------------------------------------------------------------------

static int opened, refused;
static volatile uint64_t sink;

/// A copy that ends where its memory ends, so that the sanitizer sees a read beyond it.
static void try_bytes(const uint8_t *data, size_t size) {
    int64_t live = weft_alloc_stats().live;
    struct weft_safetensors list;
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    weft_status status = parse(copy, size, &list);
    assert_true(status == WEFT_OK || status == WEFT_ERR_FORMAT || status == WEFT_ERR_UNSUPPORTED);
    *(status == WEFT_OK ? &opened : &refused) += 1;
    for (size_t i = 0; status == WEFT_OK && i < list.n; i++)
        for (uint64_t k = 0; k < list.tensors[i].size; k++) sink += list.tensors[i].data[k];
    if (status == WEFT_OK) weft_safetensors_free(&list);
    else assert_true(*weft_error_message());
    free(copy);
    assert_int_equal(weft_alloc_stats().live, live);
}

/// Every byte of length and header replaced by bytes that mean something in JSON, every end, and data that is cut.
static void test_damaged_files(void **state) {
    (void)state;
    static const char bytes[] = {0, 1, '"', '{', '}', '[', ']', ',', ':', '9', '-', 'e', ' ', (char)0xFF};
    struct st_writer w = {0};
    size_t size;
    clock_t start = clock();
    opened = refused = 0;
    st_tensor(&w, "model.embed_tokens.weight", "F32", "3,2", numbers, 24);
    st_tensor(&w, "b", "BF16", "3", numbers, 6);
    st_tensor(&w, "c", "U8", "7", numbers, 7);
    uint8_t *file = st_finish(&w, &size);
    size_t header = 8 + file[0] + 256u * file[1];
    for (size_t i = 0; i < header; i++)
        for (size_t k = 0; k < sizeof bytes; k++) {
            uint8_t was = file[i];
            file[i] = (uint8_t)bytes[k];
            try_bytes(file, size);
            file[i] = was;
        }
    for (size_t i = 0; i <= size; i++) try_bytes(file, i);
    assert_true(opened > 100 && refused > 1000);
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 20);
    weft_free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_back),
        cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_lengths_of_headers),
        cmocka_unit_test(test_two_files_make_one_list),
        cmocka_unit_test(test_damaged_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
