/// The host reference against C over the table of special values. Without a driver; test_gpu_special.c asks devices.
#include "special_cases.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_floats(void **state) {
    (void)state;
    assert_int_equal(special_unary_floats(NULL, 0), 0);
    assert_int_equal(special_binary_floats(NULL, 0), 0);
    assert_int_equal(special_constants(NULL), 0);
    assert_int_equal(special_casts(NULL), 0);
    assert_int_equal(special_halves(NULL), 0);
}

static void test_integers(void **state) {
    (void)state;
    static const char *const types[] = {"i32", "u32", "i8", "u8"};
    for (size_t i = 0; i < 4; i++) assert_int_equal(special_integers(NULL, types[i]), 0);
}

static void test_rows(void **state) {
    (void)state;
    assert_int_equal(special_rows(NULL, 1, 0), 0);
    assert_int_equal(special_rows(NULL, 70, 0), 0);
    assert_int_equal(special_choices(NULL, 1), 0);
    assert_int_equal(special_choices(NULL, 19), 0);
}

static bool has_row(const char *op) {
    for (int k = 0; k < SPECIAL_UNARY; k++)
        if (strcmp(special_unary[k].op, op) == 0) return true;
    for (int k = 0; k < SPECIAL_BINARY; k++)
        if (strcmp(special_binary[k].op, op) == 0) return true;
    for (int k = 0; k < ROW_OPS; k++)
        if (strcmp(special_row_ops[k], op) == 0) return true;
    if (strcmp(op, "any") == 0 || strcmp(op, "all") == 0) return true; // of truth values, none of which is special
    return strcmp(op, "cast") == 0 || strcmp(op, "where") == 0;        // special_casts
}

static void test_all_operators_have_rows(void **state) {
    (void)state;
    for (const struct weft_op *const *op = weft_ops()->ops; *op; op++) {
        bool counts = ((*op)->traits & WEFT_OP_ELEMENTWISE) || (*op)->reduce;
        if (weft_op_keeps_bits(*op)) continue; // test_gpu_move_bits.c
        if (counts && !has_row((*op)->name))
            fail_msg("operator '%s' has no row in the table of special values (special.h)", (*op)->name);
    }
    assert_false(has_row("attention"));
}

/// The comparison notices another class, another sign, and a number out of its tolerance.
static void test_comparison_notices(void **state) {
    (void)state;
    const struct special_row *recip = &special_unary[4], *max = &special_binary[4];
    assert_string_equal(recip->op, "recip");
    assert_string_equal(max->op, "max");
    assert_true(special_right(recip, 0, 0, INFINITY) && special_right(recip, 4, 0, 0.25));
    assert_true(special_right(recip, NAN, 0, NAN) && special_right(recip, INFINITY, 0, 0));
    assert_false(special_right(recip, 0, 0, -INFINITY) || special_right(recip, -0.0, 0, INFINITY));
    assert_false(special_right(recip, 0, 0, FLT_MAX) || special_right(recip, NAN, 0, 1));
    assert_false(special_right(recip, 4, 0, NAN) || special_right(recip, 4, 0, 0.25000051));
    assert_false(special_right(recip, -INFINITY, 0, 0.0) || special_right(recip, 1, 0, INFINITY));
    // a subnormal may count as zero: 1 / 5e-39 is 2e38 or infinite, and nothing else
    assert_true(special_right(recip, 5e-39f, 0, INFINITY) && special_right(recip, 5e-39f, 0, (float)(1 / 5e-39f)));
    assert_false(special_right(recip, 5e-39f, 0, 0) || special_right(recip, 5e-39f, 0, -INFINITY));
    assert_true(special_right(max, -0.0, 0, -0.0)); // either zero
    assert_false(special_right(max, NAN, 0, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_floats), cmocka_unit_test(test_integers),
                                       cmocka_unit_test(test_rows), cmocka_unit_test(test_all_operators_have_rows),
                                       cmocka_unit_test(test_comparison_notices)};
    return cmocka_run_group_tests_name("special values, host", tests, NULL, NULL);
}
