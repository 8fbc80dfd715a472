/// Levels, the sink and the environment's say.
#include "core/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char last[4096];
static int calls;

static void sink(void *user, enum weft_log_level level, const char *message) {
    assert_ptr_equal(user, last);
    snprintf(last, sizeof last, "%d %s", (int)level, message);
    calls++;
}

static void test_levels(void **state) {
    (void)state;
    unsetenv("WEFT_LOG");
    weft_log(WEFT_LOG_ERROR, "into nothing");
    weft_log_set(sink, last, WEFT_LOG_WARN);
    weft_log(WEFT_LOG_WARN, "w %d", 7);
    assert_string_equal(last, "1 w 7");
    weft_log(WEFT_LOG_INFO, "hidden");
    assert_int_equal(calls, 1);
    char big[5000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    weft_log(WEFT_LOG_ERROR, "%s", big);
    assert_int_equal(calls, 2);
    weft_log_set(NULL, NULL, WEFT_LOG_DEBUG);
    weft_log(WEFT_LOG_ERROR, "off");
    assert_int_equal(calls, 2);
}

static void test_environment(void **state) {
    (void)state;
    calls = 0;
    setenv("WEFT_LOG", "debug", 1);
    weft_log_set(sink, last, WEFT_LOG_ERROR);
    weft_log(WEFT_LOG_DEBUG, "d");
    assert_int_equal(calls, 1);
    setenv("WEFT_LOG", "error", 1);
    weft_log_set(sink, last, WEFT_LOG_DEBUG);
    weft_log(WEFT_LOG_WARN, "w");
    assert_int_equal(calls, 1);
    setenv("WEFT_LOG", "nonsense", 1);
    weft_log_set(sink, last, WEFT_LOG_WARN);
    weft_log(WEFT_LOG_WARN, "w");
    assert_int_equal(calls, 2);
    unsetenv("WEFT_LOG");
    weft_log_set(NULL, NULL, WEFT_LOG_ERROR);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_levels), cmocka_unit_test(test_environment)};
    return cmocka_run_group_tests_name("core/log", tests, NULL, NULL);
}
