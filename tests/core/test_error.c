/// The sentence per thread, its prefix and its bound.
#include "core/error.h"

#include <pthread.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_sentence(void **state) {
    (void)state;
    weft_error_clear();
    assert_string_equal(weft_error_message(), "");
    assert_int_equal(weft_fail(WEFT_ERR_FORMAT, "%s: tensor '%s'", "a.gguf", "w"), WEFT_ERR_FORMAT);
    assert_string_equal(weft_error_message(), "a.gguf: tensor 'w'");
    assert_int_equal(weft_fail_in(WEFT_ERR_IO, "load %d", 3), WEFT_ERR_IO);
    assert_string_equal(weft_error_message(), "load 3: a.gguf: tensor 'w'");
    assert_int_equal(weft_fail_in(WEFT_OK, "never"), WEFT_OK);
    assert_string_equal(weft_error_message(), "load 3: a.gguf: tensor 'w'");
    // Arguments may be the sentence itself.
    weft_fail(WEFT_ERR_IO, "again: %s", weft_error_message());
    assert_string_equal(weft_error_message(), "again: load 3: a.gguf: tensor 'w'");
    weft_error_clear();
    assert_string_equal(weft_error_message(), "");
}

static void test_cut(void **state) {
    (void)state;
    char text[8001];
    for (int i = 0; i < 8000; i += 2) memcpy(text + i, "\xC3\xA9", 2);
    text[8000] = 0;
    for (int shift = 0; shift < 2; shift++) {
        weft_fail(WEFT_ERR_IO, "%s%s", shift ? "x" : "", text);
        const char *m = weft_error_message();
        size_t n = strlen(m);
        assert_true(n > 2000 && n < 2048);
        assert_string_equal(m + n - 3, "...");
        assert_int_equal((unsigned char)m[n - 4], 0xA9); // the last character is whole
        weft_fail_in(WEFT_ERR_IO, "front");
        assert_memory_equal(weft_error_message(), "front: ", 7);
        assert_true(strlen(weft_error_message()) < 2048);
    }
}

static void *other_thread(void *user) {
    int *ok = user;
    *ok = strcmp(weft_error_message(), "") == 0;
    weft_fail(WEFT_ERR_LOST, "theirs");
    *ok = *ok && strcmp(weft_error_message(), "theirs") == 0;
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    weft_fail(WEFT_ERR_IO, "mine");
    pthread_t t;
    int ok = 0;
    assert_int_equal(pthread_create(&t, NULL, other_thread, &ok), 0);
    pthread_join(t, NULL);
    assert_true(ok);
    assert_string_equal(weft_error_message(), "mine");
}

static weft_status try_it(weft_status status) {
    WEFT_TRY(status);
    return WEFT_ERR_INTERNAL;
}

static void test_names_and_try(void **state) {
    (void)state;
    for (int s = WEFT_OK; s <= WEFT_ERR_INTERNAL; s++) {
        assert_memory_equal(weft_status_name((weft_status)s), "WEFT_", 5);
        assert_null(strchr(weft_status_name((weft_status)s), '?'));
        for (int t = WEFT_OK; t < s; t++)
            assert_string_not_equal(weft_status_name((weft_status)s), weft_status_name((weft_status)t));
    }
    assert_string_equal(weft_status_name((weft_status)999), "WEFT_ERR_?");
    assert_int_equal(try_it(WEFT_ERR_STALE), WEFT_ERR_STALE);
    assert_int_equal(try_it(WEFT_OK), WEFT_ERR_INTERNAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentence),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_names_and_try),
    };
    return cmocka_run_group_tests_name("core/error", tests, NULL, NULL);
}
