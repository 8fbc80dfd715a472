/// Stop texts over a stream: whatever the pieces, the text shown is what stands before the first stop text.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka wants those above first
#include <cmocka.h>

#include "engine/stop.h"

/// The plain definition: cut the whole text at the earliest start of a stop text that is complete at the earliest
/// moment.
static size_t reference(const char *text, const char *const *stops, size_t n_stops, bool *stopped) {
    size_t length = strlen(text);
    *stopped = false;
    for (size_t end = 1; end <= length; end++)
        for (size_t start = 0; start < end; start++)
            for (size_t s = 0; s < n_stops; s++)
                if (strlen(stops[s]) == end - start && !memcmp(text + start, stops[s], end - start)) {
                    *stopped = true;
                    return start;
                }
    return length;
}

static void check(const char *text, const char *const *stops, size_t n_stops) {
    bool stopped;
    size_t want = reference(text, stops, n_stops, &stopped), length = strlen(text);
    struct weft_stopper s = {.n = n_stops};
    struct weft_str out = {0};
    for (size_t i = 0; i < n_stops; i++) s.texts[i] = stops[i];
    for (size_t at = 0; at < length; at++) {
        assert_int_equal(weft_stopper_push(&s, text + at, 1, &out), WEFT_OK);
        assert_true(out.len <= want); // never shows what is taken back
    }
    assert_int_equal(s.stopped, stopped);
    assert_int_equal(weft_stopper_flush(&s, &out), WEFT_OK);
    assert_int_equal(out.len, want);
    assert_memory_equal(weft_str_get(&out), text, want);
    weft_str_free(&out);
    weft_stopper_free(&s);
}

/// All texts over two letters, all pairs of short stop texts.
static void test_exhaustive(void **state) {
    (void)state;
    static const char *const stops[] = {"a", "ab", "aab", "ba", "bb", "abab", "bbb"};
    enum { N = sizeof stops / sizeof *stops, LENGTH = 8 };
    for (unsigned bits = 0; bits < 1u << LENGTH; bits++) {
        char text[LENGTH + 1] = "";
        for (int i = 0; i < LENGTH; i++) text[i] = bits >> i & 1 ? 'b' : 'a';
        check(text, NULL, 0);
        for (size_t i = 0; i < N; i++)
            for (size_t j = 0; j < N; j++) check(text, (const char *const[]){stops[i], stops[j]}, 2);
    }
}

/// Pieces longer than a stop text; what comes after the stop is dropped; text is shown as early as it can be.
static void test_pieces(void **state) {
    (void)state;
    struct weft_stopper s = {.texts = {"\nUser:"}, .n = 1};
    struct weft_str out = {0};
    assert_int_equal(weft_stopper_push(&s, "Hello\nU", 7, &out), WEFT_OK);
    assert_string_equal(weft_str_get(&out), "Hello");
    assert_int_equal(weft_stopper_push(&s, "s", 1, &out), WEFT_OK);
    assert_string_equal(weft_str_get(&out), "Hello");
    assert_int_equal(weft_stopper_push(&s, "ual\nUser: more", 14, &out), WEFT_OK);
    assert_string_equal(weft_str_get(&out), "Hello\nUsual");
    assert_true(s.stopped);
    assert_int_equal(weft_stopper_push(&s, "more", 4, &out), WEFT_OK);
    assert_int_equal(weft_stopper_flush(&s, &out), WEFT_OK);
    assert_string_equal(weft_str_get(&out), "Hello\nUsual");
    weft_str_free(&out);
    weft_stopper_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exhaustive), cmocka_unit_test(test_pieces)};
    return cmocka_run_group_tests_name("stop", tests, NULL, NULL);
}
