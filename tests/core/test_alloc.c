/// Counting, fault injection and growth.
#include "core/alloc.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_counts(void **state) {
    (void)state;
    struct weft_alloc_stats before = weft_alloc_stats();
    void *a = weft_alloc(0), *b = weft_calloc(3, 5), *c = weft_realloc(NULL, 7);
    char *d = weft_strdup("thread"), *e = weft_strndup("weft", 2), *f = weft_strndup("ab", 100);
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    for (int i = 0; i < 15; i++) assert_int_equal(((char *)b)[i], 0);
    assert_string_equal(d, "thread");
    assert_string_equal(e, "we");
    assert_string_equal(f, "ab");
    c = weft_realloc(c, 1000);
    struct weft_alloc_stats during = weft_alloc_stats();
    assert_int_equal(during.calls - before.calls, 7);
    assert_int_equal(during.live - before.live, 6);
    void *all[] = {a, b, c, d, e, f, NULL};
    for (int i = 0; i < 7; i++) weft_free(all[i]);
    assert_int_equal(weft_alloc_stats().live, before.live);
    assert_null(weft_strdup(NULL));
    volatile size_t huge = SIZE_MAX / 2;
    assert_null(weft_calloc(huge, 3));
    assert_null(weft_alloc(huge + huge / 2));
    assert_int_equal(weft_alloc_stats().live, before.live);
}

static void test_fail_at(void **state) {
    (void)state;
    int64_t live = weft_alloc_stats().live;
    for (int sticky = 0; sticky < 2; sticky++) {
        weft_alloc_fail_at(3, sticky);
        void *p[5];
        for (int i = 0; i < 5; i++) {
            p[i] = weft_alloc(8);
            int fails = i == 2 || (sticky && i > 2);
            assert_int_equal(p[i] == NULL, fails);
        }
        weft_alloc_fail_at(0, 0);
        for (int i = 0; i < 5; i++) weft_free(p[i]);
        void *q = weft_alloc(8);
        assert_non_null(q);
        weft_free(q);
    }
    char *text = weft_strdup("kept");
    weft_alloc_fail_at(1, 0);
    assert_null(weft_realloc(text, 1 << 20));
    assert_string_equal(text, "kept");
    weft_free(text);
    weft_alloc_fail_at(1, 0);
    assert_null(weft_strdup("x"));
    weft_alloc_fail_at(1, 0);
    assert_null(weft_calloc(1, 1));
    weft_alloc_fail_at(0, 0);
    assert_int_equal(weft_alloc_stats().live, live);
}

static void test_grow(void **state) {
    (void)state;
    uint32_t *items = NULL;
    size_t cap = 0;
    uint64_t calls = weft_alloc_stats().calls;
    for (uint32_t i = 0; i < 100000; i++) {
        assert_true(weft_grow((void **)&items, &cap, i + 1, sizeof *items));
        items[i] = i;
    }
    assert_true(weft_alloc_stats().calls - calls < 40); // geometric
    for (uint32_t i = 0; i < 100000; i++) assert_int_equal(items[i], i);
    size_t old = cap;
    uint32_t *same = items;
    uint64_t failures = weft_alloc_failures();
    weft_alloc_fail_at(1, 0);
    assert_false(weft_grow((void **)&items, &cap, old + 1, sizeof *items));
    weft_alloc_fail_at(0, 0);
    assert_false(weft_grow((void **)&items, &cap, SIZE_MAX / 2, sizeof *items));
    assert_int_equal(weft_alloc_failures() - failures, 2);
    assert_ptr_equal(items, same);
    assert_int_equal(cap, old);
    assert_int_equal(items[99999], 99999);
    weft_free(items);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_fail_at),
        cmocka_unit_test(test_grow),
    };
    return cmocka_run_group_tests_name("core/alloc", tests, NULL, NULL);
}
