/// Appending, taking, and out of memory that sticks.
#include "core/alloc.h"
#include "core/str.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_append(void **state) {
    (void)state;
    struct weft_str s = {0};
    assert_string_equal(weft_str_get(&s), "");
    weft_str_add(&s, "a");
    weft_str_addn(&s, "bcdef", 2);
    weft_str_addf(&s, "-%d-%s", 42, "x");
    assert_string_equal(weft_str_get(&s), "abc-42-x");
    assert_int_equal(s.len, 8);
    weft_str_addn(&s, "\0z", 2);
    assert_int_equal(s.len, 10);
    assert_memory_equal(s.data, "abc-42-x\0z\0", 11);
    weft_str_free(&s);
    assert_null(s.data);
    for (int i = 0; i < 10000; i++) weft_str_addf(&s, "%04d", i);
    assert_int_equal(s.len, 40000);
    assert_memory_equal(s.data + 4 * 1234, "12341235", 8);
    char *text = weft_str_take(&s);
    assert_int_equal(strlen(text), 40000);
    assert_null(s.data);
    weft_free(text);
    text = weft_str_take(&s); // an empty one gives ""
    assert_string_equal(text, "");
    weft_free(text);
}

static void test_cut(void **state) {
    (void)state;
    struct weft_str s = {0};
    weft_str_cut(&s, 0);
    weft_str_add(&s, "one two");
    weft_str_cut(&s, 8);
    assert_string_equal(weft_str_get(&s), "one two");
    weft_str_cut(&s, 4);
    weft_str_add(&s, "three");
    assert_string_equal(weft_str_get(&s), "one three");
    weft_str_free(&s);
}

static void test_sticky(void **state) {
    (void)state;
    int64_t live = weft_alloc_stats().live;
    struct weft_str s = {0};
    weft_str_add(&s, "head");
    weft_alloc_fail_at(1, 0);
    weft_str_addf(&s, "%100s", "x");
    weft_alloc_fail_at(0, 0);
    assert_true(s.failed);
    weft_str_add(&s, "y"); // no hole in the text
    assert_string_equal(weft_str_get(&s), "head");
    assert_null(weft_str_take(&s));
    assert_int_equal(weft_alloc_stats().live, live);
    assert_false(s.failed);
    weft_str_add(&s, "again");
    assert_string_equal(weft_str_get(&s), "again");
    weft_str_free(&s);
    weft_str_addn(&s, "x", SIZE_MAX - 1);
    assert_true(s.failed);
    weft_str_free(&s);
    assert_int_equal(weft_alloc_stats().live, live);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_append), cmocka_unit_test(test_cut),
                                       cmocka_unit_test(test_sticky)};
    return cmocka_run_group_tests_name("core/str", tests, NULL, NULL);
}
