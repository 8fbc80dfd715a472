/// core/cancel.h: scopes, what is whole, and threads that work for another.
#include "core/cancel.h"
#include "core/error.h"
#include "core/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>

static struct weft_cancel one, two;

static int clear(void **state) {
    (void)state;
    weft_cancel_clear(&one);
    weft_cancel_clear(&two);
    return 0;
}

static void test_flag(void **state) {
    (void)state;
    static const struct weft_cancel unset;
    assert_false(weft_cancel_is_set(&unset));
    assert_false(weft_cancel_is_set(NULL));
    weft_cancel_set(NULL);
    weft_cancel_clear(NULL);
    weft_cancel_set(&one);
    assert_true(weft_cancel_is_set(&one) && !weft_cancel_is_set(&two));
    weft_cancel_clear(&one);
    assert_false(weft_cancel_is_set(&one));
}

/// Whoever's is set, of those around; what is whole is not cancelled from outside, but from inside.
static void test_scopes(void **state) {
    (void)state;
    struct weft_cancel_scope outer, none, whole, inner;
    weft_cancel_set(&one);
    assert_int_equal(weft_cancel_check(), WEFT_OK); // nobody looks at it
    weft_cancel_begin(&outer, &one);
    weft_error_clear();
    assert_int_equal(weft_cancel_check(), WEFT_ERR_CANCELLED);
    assert_string_equal(weft_error_message(), "cancelled by the caller");
    weft_cancel_begin(&none, NULL);
    assert_int_equal(weft_cancel_check(), WEFT_ERR_CANCELLED);
    weft_cancel_begin_whole(&whole);
    assert_int_equal(weft_cancel_check(), WEFT_OK);
    weft_cancel_begin(&inner, &two);
    assert_int_equal(weft_cancel_check(), WEFT_OK);
    weft_cancel_set(&two);
    assert_int_equal(weft_cancel_check(), WEFT_ERR_CANCELLED);
    weft_cancel_end(&inner);
    assert_int_equal(weft_cancel_check(), WEFT_OK);
    weft_cancel_end(&whole);
    assert_int_equal(weft_cancel_check(), WEFT_ERR_CANCELLED);
    weft_cancel_end(&none);
    weft_cancel_clear(&one);
    assert_int_equal(weft_cancel_check(), WEFT_OK); // `two` is nobody's any more
    weft_cancel_end(&outer);
    assert_null(weft_cancel_scopes());
}

static void test_every_1024th(void **state) {
    (void)state;
    struct weft_cancel_scope scope;
    weft_cancel_begin(&scope, &one);
    weft_cancel_set(&one);
    int seen = 0;
    for (uint64_t i = 0; i < 4096; i++) seen += weft_cancel_check_at(i) != WEFT_OK;
    assert_int_equal(seen, 4);
    assert_int_equal(weft_cancel_check_at(0), WEFT_ERR_CANCELLED); // the first, so that short loops look too
    weft_cancel_end(&scope);
}

static weft_status look(void *user, size_t i) {
    (void)user;
    if (i == 3) weft_cancel_set(&one);
    return i > 200 ? weft_cancel_check() : WEFT_OK;
}

/// Threads of a parallel loop are cancelled with their caller, and are rid of its scopes behind it.
static void test_threads(void **state) {
    (void)state;
    struct weft_cancel_scope scope;
    assert_int_equal(weft_parallel_for(1000, 4, look, NULL), WEFT_OK);
    weft_cancel_clear(&one);
    weft_cancel_begin(&scope, &one);
    assert_int_equal(weft_parallel_for(1000, 4, look, NULL), WEFT_ERR_CANCELLED);
    assert_string_equal(weft_error_message(), "cancelled by the caller");
    assert_ptr_equal(weft_cancel_scopes(), &scope);
    weft_cancel_end(&scope);
}

static void on_signal(int number) {
    (void)number;
    weft_cancel_set(&two);
}

static void test_signals(void **state) {
    (void)state;
    void (*before)(int) = signal(SIGUSR1, on_signal);
    assert_int_equal(raise(SIGUSR1), 0);
    signal(SIGUSR1, before);
    assert_true(weft_cancel_is_set(&two));
}

/// The hook of other tests: whatever the n-th check is of, it and all later ones are cancelled.
static void test_hook(void **state) {
    (void)state;
    struct weft_cancel_scope scope, whole;
    weft_cancel_at(3);
    for (int i = 0; i < 5; i++) assert_int_equal(weft_cancel_check(), WEFT_OK); // without a scope: not counted
    weft_cancel_begin(&scope, NULL);
    for (int i = 1; i <= 5; i++) assert_int_equal(weft_cancel_check(), i < 3 ? WEFT_OK : WEFT_ERR_CANCELLED);
    weft_cancel_begin_whole(&whole);
    assert_int_equal(weft_cancel_check(), WEFT_OK);
    weft_cancel_end(&whole);
    weft_cancel_at(0);
    assert_int_equal(weft_cancel_check(), WEFT_OK);
    weft_cancel_end(&scope);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_flag, clear),         cmocka_unit_test_setup(test_scopes, clear),
        cmocka_unit_test_setup(test_every_1024th, clear), cmocka_unit_test_setup(test_threads, clear),
        cmocka_unit_test_setup(test_signals, clear),      cmocka_unit_test_setup(test_hook, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
