/// Text made safe to print: what is written out, and that nothing is cut in two.
#include "core/alloc.h"
#include "core/error.h"
#include "core/log.h"
#include "core/utf8.h"
#include "core/visible.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/// No control character but line breaks and tabs where they may be, and all of it UTF-8: the checker of these tests.
static bool safe(const char *text, bool lines) {
    size_t n = strlen(text);
    for (size_t i = 0, size; i < n; i += size) {
        uint32_t code;
        size = weft_utf8_next(text + i, n - i, &code);
        if (!size || (weft_is_control(code) && !(lines && (code == '\n' || code == '\t')))) return false;
    }
    return true;
}

static void what_is_written_out(void **state) {
    (void)state;
    static const struct {
        enum weft_visible mode;
        const char *text, *want;
    } cases[] = {
        {WEFT_VISIBLE_LINE, "a \xc3\xa9 \xe4\xb8\x96 \xf0\x9f\x98\x80", "a \xc3\xa9 \xe4\xb8\x96 \xf0\x9f\x98\x80"},
        {WEFT_VISIBLE_LINE, "\x1b[31mred", "\\x1b[31mred"},
        {WEFT_VISIBLE_LINE, "\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"},
        {WEFT_VISIBLE_LINE, "a\nb\r\nc\td", "a b  c d"},
        {WEFT_VISIBLE_LINE, "\x08\x7f\x01", "\\x08\\x7f\\x01"},
        {WEFT_VISIBLE_LINE,
         "\xc2\x9b"
         "31m\xc2\x85",
         "\\u009b31m\\u0085"},
        {WEFT_VISIBLE_LINE, "\xc2\xa0", "\xc2\xa0"},
        {WEFT_VISIBLE_LINE,
         "\xe2\x80\xae"
         "cod\xe2\x81\xa6\xe2\x80\xa8",
         "\\u202ecod\\u2066\\u2028"},
        {WEFT_VISIBLE_LINE,
         "\xff\x9b"
         "31m \xc3",
         "\\xff\\x9b31m \\xc3"},
        {WEFT_VISIBLE_LINE, "\xed\xa0\x80", "\\xed\\xa0\\x80"},
        {WEFT_VISIBLE_LINE, "back\\slash", "back\\slash"},
        {WEFT_VISIBLE_TEXT, "a\nb\r\nc\td\re\x1b", "a\nb\r\nc\td\\x0de\\x1b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[128], again[128];
        struct weft_str s = {0};
        weft_visible(cases[i].mode, cases[i].text, strlen(cases[i].text), out, sizeof out);
        assert_string_equal(out, cases[i].want);
        weft_visible(cases[i].mode, out, strlen(out), again, sizeof again); // safe text stays as it is
        assert_string_equal(again, out);
        weft_str_add_visible(&s, cases[i].mode, cases[i].text, strlen(cases[i].text));
        assert_string_equal(weft_str_get(&s), cases[i].want);
        weft_str_free(&s);
    }
    assert_false(safe("a\x1b", true)); // the checker finds what it is for
    assert_false(safe("\xc2\x9b", true) || safe("\x9b", true) || safe("\n", false));
}

static void escapes_can_be_read_back(void **state) {
    (void)state;
    struct weft_str s = {0};
    weft_str_add_escaped(&s, "q\"\\ \xc3\xa9\xc2\x9b\x1b\xff\0z", 12);
    assert_string_equal(weft_str_get(&s), "q\\\"\\\\ \xc3\xa9\\xc2\\x9b\\x1b\\xff\\x00z");
    weft_str_cut(&s, 0);
    weft_str_add_utf8(&s, "k\xff\xc3\xa9\xe2\x82z\x1b", 8);
    assert_string_equal(weft_str_get(&s), "k\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbdz\x1b");
    weft_str_free(&s);
}

/// At every room from 8 bytes: safe, within the room, "..." only where something is left out, nothing halved.
static void cuts(void **state) {
    (void)state;
    static const char text[] = "a\x1b\xc3\xa9\xc2\x9b\xe4\xb8\x96\xff\xf0\x9f\x98\x80 end";
    char whole[96], out[96];
    size_t length = weft_visible(WEFT_VISIBLE_LINE, text, sizeof text - 1, whole, sizeof whole);
    for (size_t room = 8; room <= length + 4; room++) {
        memset(out, '#', sizeof out);
        size_t n = weft_visible(WEFT_VISIBLE_LINE, text, sizeof text - 1, out, room);
        assert_int_equal(n, strlen(out));
        assert_true(n < room && safe(out, false));
        if (room > length) {
            assert_string_equal(out, whole);
        } else {
            assert_string_equal(out + n - 3, "...");
            assert_memory_equal(out, whole, n - 3);
            assert_true(n - 3 == 0 || out[n - 4] != '\\');
        }
    }
}

static char last[8192];

static void keep(void *user, enum weft_log_level level, const char *message) {
    (void)user, (void)level;
    assert_true(strlen(message) < sizeof last);
    strcpy(last, message);
}

/// Random bytes through the three ways that texts leave the library.
static void sentences_and_logs_are_safe(void **state) {
    (void)state;
    uint32_t x = 3;
    weft_log_set(keep, NULL, WEFT_LOG_WARN);
    for (int i = 0; i < 3000; i++) {
        char text[1500];
        size_t n = (x = x * 1664525 + 1013904223) >> 24;
        if (i % 10 == 0) n = sizeof text - 1;
        for (size_t k = 0; k < n; k++) {
            do text[k] = (char)((x = x * 1664525 + 1013904223) >> 24);
            while (!text[k]);
        }
        text[n] = 0;
        weft_fail(WEFT_ERR_FORMAT, "%s: key '%s'", text, text);
        assert_true(safe(weft_error_message(), false) && strlen(weft_error_message()) < 2048);
        weft_fail_in(WEFT_ERR_FORMAT, "%s", text);
        assert_true(safe(weft_error_message(), false) && strlen(weft_error_message()) < 2048);
        weft_log(WEFT_LOG_WARN, "%s, %s", text, text);
        assert_true(safe(last, false));
    }
    weft_log_set(NULL, NULL, WEFT_LOG_ERROR);
    weft_fail(WEFT_ERR_IO, "again: \x1b%s", "\xc2\x90");
    weft_fail_in(WEFT_ERR_IO, "front\x07");
    assert_string_equal(weft_error_message(), "front\\x07: again: \\x1b\\u0090"); // written out once
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_out),
        cmocka_unit_test(escapes_can_be_read_back),
        cmocka_unit_test(cuts),
        cmocka_unit_test(sentences_and_logs_are_safe),
    };
    unsetenv("WEFT_LOG");
    return cmocka_run_group_tests_name("core/visible", tests, NULL, NULL);
}
