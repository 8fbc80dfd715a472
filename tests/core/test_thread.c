/// parallel_for: every item once, errors with their sentence, any mix of counts and threads.
#include "core/error.h"
#include "core/file.h"
#include "core/thread.h"

#include <stdatomic.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct items {
    atomic_int seen[1000];
    size_t bad;
};

static weft_status visit(void *user, size_t i) {
    struct items *items = user;
    atomic_fetch_add(&items->seen[i], 1);
    return i == items->bad ? weft_fail(WEFT_ERR_LIMIT, "item %zu is too large", i) : WEFT_OK;
}

static void test_every_item_once(void **state) {
    (void)state;
    static const size_t counts[] = {0, 1, 2, 3, 100, 1000};
    static const int threads[] = {-1, 0, 1, 2, 7, 5000};
    for (size_t c = 0; c < 6; c++) {
        for (size_t t = 0; t < 6; t++) {
            static struct items items;
            memset(&items, 0, sizeof items);
            items.bad = SIZE_MAX;
            assert_int_equal(weft_parallel_for(counts[c], threads[t], visit, &items), WEFT_OK);
            for (size_t i = 0; i < 1000; i++) assert_int_equal(items.seen[i], i < counts[c]);
        }
    }
}

static void test_errors(void **state) {
    (void)state;
    for (int threads = 1; threads < 9; threads++) {
        static struct items items;
        memset(&items, 0, sizeof items);
        items.bad = 500;
        weft_error_clear();
        assert_int_equal(weft_parallel_for(1000, threads, visit, &items), WEFT_ERR_LIMIT);
        assert_string_equal(weft_error_message(), "item 500 is too large");
        for (size_t i = 0; i <= 500; i++) assert_int_equal(items.seen[i], 1); // all before it were begun
    }
}

static weft_status all_fail(void *user, size_t i) {
    atomic_fetch_add((atomic_int *)user, 1);
    return weft_fail(i % 2 ? WEFT_ERR_IO : WEFT_ERR_FORMAT, "%s", i % 2 ? "odd" : "even");
}

static void test_status_fits_sentence(void **state) {
    (void)state;
    for (int round = 0; round < 50; round++) {
        atomic_int calls = 0;
        weft_status status = weft_parallel_for(100, 4, all_fail, &calls);
        assert_string_equal(weft_error_message(), status == WEFT_ERR_IO ? "odd" : "even");
        assert_in_range(calls, 1, 4);
    }
}

static void test_misc(void **state) {
    (void)state;
    assert_true(weft_cpu_count() >= 1);
    double start = weft_now();
    weft_sleep(0.01);
    assert_true(weft_now() - start >= 0.009);
    weft_sleep(-1);
    weft_sleep(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_item_once),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_status_fits_sentence),
        cmocka_unit_test(test_misc),
    };
    return cmocka_run_group_tests_name("core/thread", tests, NULL, NULL);
}
