/// Which types of tensors files may have: each is read as the element type of its name, with blocks of the same size,
/// or refused by a sentence that lists those that are.
#include "core/error.h"
#include "model/config.h"
#include "model/gguf.h"

#include <string.h>
#include <strings.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { NUMBERS = 64 }; // more than there are

static void test_types_of_files(void **state) {
    (void)state;
    uint32_t read = 0, refused = 0;
    bool known[WEFT_DTYPE_COUNT] = {false};
    for (uint32_t i = 0; i < NUMBERS; i++) {
        const struct weft_ggml_type_info *info = weft_ggml_type_info(i);
        weft_dtype dtype;
        if (!info) continue;
        if (weft_model_dtype(&(struct weft_source_tensor){.name = "t", .type = i}, &dtype) == WEFT_OK) {
            const struct weft_dtype_info *is = weft_dtype_info(dtype);
            assert_int_equal(strcasecmp(is->name, info->name), 0);
            assert_int_equal(is->block, info->block);
            assert_int_equal(is->block_bytes, info->bytes);
            assert_false(known[dtype]);
            known[dtype] = true;
            read++;
        } else refused++;
    }
    for (int i = 0; i < WEFT_DTYPE_COUNT; i++) assert_int_equal(known[i], weft_dtype_info((weft_dtype)i)->is_float);
    assert_true(read >= 16 && refused > 10);
}

static void test_numbers(void **state) {
    (void)state;
    static const struct {
        uint32_t number;
        weft_dtype dtype;
    } rows[] = {{3, WEFT_Q4_1},  {7, WEFT_Q5_1},    {10, WEFT_Q2_K},   {11, WEFT_Q3_K},
                {13, WEFT_Q5_K}, {20, WEFT_IQ4_NL}, {23, WEFT_IQ4_XS}, {WEFT_GGML_MXFP4, WEFT_MXFP4}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        weft_dtype dtype;
        assert_int_equal(weft_model_dtype(&(struct weft_source_tensor){.type = rows[i].number}, &dtype), WEFT_OK);
        assert_int_equal(dtype, rows[i].dtype);
    }
}

static void test_refusal(void **state) {
    (void)state;
    static const struct {
        uint32_t type;
        const char *part;
    } cases[] = {{17, "tensor odd is IQ2_XS; Weft reads f32, f16, bf16, q4_0,"},
                 {26, "tensor odd is I32; "}, // an element type, but none of weights
                 {999, "tensor odd is of an unknown type; "}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weft_dtype dtype;
        struct weft_source_tensor t = {.name = "odd", .type = cases[i].type};
        assert_int_equal(weft_model_dtype(&t, &dtype), WEFT_ERR_UNSUPPORTED);
        if (!strstr(weft_error_message(), cases[i].part)) fail_msg("%s", weft_error_message());
        assert_non_null(strstr(weft_error_message(), " and q3_k: convert the file to one of these"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_of_files),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_refusal),
    };
    return cmocka_run_group_tests_name("model/types", tests, NULL, NULL);
}
