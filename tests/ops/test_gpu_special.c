/// The device against C over the table of special values (special.h), fused and not.
#include "special_cases.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_unary(void **state) {
    (void)state;
    assert_non_null(weft_test_gpu());
    assert_int_equal(special_unary_floats(weft_test_gpu(), 0), 0);
}

static void test_binary(void **state) {
    (void)state;
    assert_int_equal(special_binary_floats(weft_test_gpu(), 0), 0);
    assert_int_equal(special_constants(weft_test_gpu()), 0);
}

static void test_casts(void **state) {
    (void)state;
    assert_int_equal(special_casts(weft_test_gpu()), 0);
    assert_int_equal(special_halves(weft_test_gpu()), 0);
}

static void test_integers(void **state) {
    (void)state;
    static const char *const types[] = {"i32", "u32", "i8", "u8"};
    for (size_t i = 0; i < 4; i++) assert_int_equal(special_integers(weft_test_gpu(), types[i]), 0);
}

/// Widths below, at and above a workgroup; once with every operator a step of its own.
static void test_rows(void **state) {
    (void)state;
    assert_int_equal(special_rows(weft_test_gpu(), 1, 0), 0);
    assert_int_equal(special_rows(weft_test_gpu(), 70, 0), 0);
    assert_int_equal(special_rows(weft_test_gpu(), 700, 1), 0);
    assert_int_equal(special_choices(weft_test_gpu(), 19), 0);
    assert_int_equal(special_choices(weft_test_gpu(), 64), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_unary), cmocka_unit_test(test_binary),
                                       cmocka_unit_test(test_casts), cmocka_unit_test(test_integers),
                                       cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests_name("special values on a device", tests, NULL, NULL);
}
