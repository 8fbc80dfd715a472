/// What a caller of generation gets: ids and texts in order, and nothing after it wanted no more.
#include "fake_engine.h"

struct taken {
    char log[256];
    int32_t no_more_ids; ///< the id at which the caller ends it; 0: none
    const char *no_more; ///< the text at which it does
    struct weft_stream *muted;
};

static bool take_id(void *user, int32_t id) {
    struct taken *t = user;
    size_t at = strlen(t->log);
    snprintf(t->log + at, sizeof t->log - at, "%d.", id - BYTES);
    return id != t->no_more_ids;
}

static bool take_text(void *user, const char *text, size_t length) {
    struct taken *t = user;
    size_t at = strlen(t->log);
    snprintf(t->log + at, sizeof t->log - at, "%.*s|", (int)length, text);
    if (t->muted) weft_stream_mute(t->muted);
    return !t->no_more || strncmp(text, t->no_more, length);
}

/// Pushes the bytes of `says` as ids, as generation does.
static void run(struct weft_stream *s, const char *says) {
    while (*says && weft_stream_push(s, BYTES + (unsigned char)*says)) says++;
    must(weft_stream_end(s));
}

static void orders_and_ends(void **state) {
    (void)state;
    static const struct {
        const char *says, *stop, *no_more;
        char no_more_id;
        const char *log;
        enum weft_stop_reason reason;
    } cases[] = {
        {"ab", NULL, NULL, 0, "97.a|98.b|", WEFT_STOP_TOKEN},
        {"ab", "bc", NULL, 0, "97.a|98.b|", WEFT_STOP_TOKEN}, // held back until the end
        {"abcd", "bc", NULL, 0, "97.a|98.99.", WEFT_STOP_TEXT},
        {"abc", NULL, NULL, 'b', "97.a|98.b|", WEFT_STOP_TOKEN},     // the last id's text comes
        {"abc", "bx", NULL, 'b', "97.a|98.b|", WEFT_STOP_TOKEN},     // also where it was held back
        {"a\xC3", NULL, NULL, 0, "97.a|195.\xC3|", WEFT_STOP_TOKEN}, // half a character
        {"abc", NULL, "a", 0, "97.a|", WEFT_STOP_TOKEN},
        {"xabc", "abcd", "x", 0, "120.x|", WEFT_STOP_TOKEN},
        {"bab", "ax", "b", 0, "98.b|", WEFT_STOP_TOKEN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct taken t = {.no_more = cases[i].no_more};
        struct weft_stream s;
        if (cases[i].no_more_id) t.no_more_ids = BYTES + cases[i].no_more_id;
        const struct weft_model_generate_params params = {.token = take_id,
                                                          .text = take_text,
                                                          .user = &t,
                                                          .stop_texts = &cases[i].stop,
                                                          .n_stop_texts = !!cases[i].stop};
        must(weft_stream_begin(&s, tokenizer, &params));
        run(&s, cases[i].says);
        assert_string_equal(t.log, cases[i].log);
        assert_int_equal(weft_stream_reason(&s, WEFT_STOP_TOKEN), cases[i].reason);
        weft_stream_free(&s);
    }
}

/// A caller who says false gets no more, although a "y" is held back, nor does one who mutes the stream.
static void nothing_after_no(void **state) {
    (void)state;
    static const char *const stop[] = {"yzz"};
    for (int mute = 0; mute < 2; mute++) {
        struct taken t = {0};
        struct weft_stream s;
        const struct weft_model_generate_params params = {
            .token = take_id, .text = take_text, .user = &t, .stop_texts = stop, .n_stop_texts = 1};
        must(weft_stream_begin(&s, tokenizer, &params));
        if (mute) t.muted = &s;
        else t.no_more = "y";
        run(&s, "yyx");
        assert_string_equal(t.log, "121.121.y|");
        weft_stream_free(&s);
    }
}

/// Stop texts are copied, and count where nobody takes the text.
static void stops_are_copied(void **state) {
    (void)state;
    char stop[] = "bc";
    struct taken t = {0};
    struct weft_stream s;
    const struct weft_model_generate_params params = {
        .token = take_id, .user = &t, .stop_texts = &(const char *){stop}, .n_stop_texts = 1};
    must(weft_stream_begin(&s, tokenizer, &params));
    strcpy(stop, "aa");
    run(&s, "aabcd");
    assert_string_equal(t.log, "97.97.98.99.");
    assert_int_equal(weft_stream_reason(&s, WEFT_STOP_LENGTH), WEFT_STOP_TEXT);
    weft_stream_free(&s);
}

static void out_of_memory(void **state) {
    (void)state;
    static const char *const stop[] = {"bc"};
    const struct weft_model_generate_params params = {.text = take_text, .stop_texts = stop, .n_stop_texts = 1};
    bool begun = false, whole = false;
    for (uint64_t at = 1; !whole; at++) {
        struct taken t = {0};
        struct weft_model_generate_params p = params;
        struct weft_stream s;
        p.user = &t;
        weft_alloc_fail_at(at, 0);
        weft_status status = weft_stream_begin(&s, tokenizer, &p);
        if (status == WEFT_OK) {
            begun = true;
            for (const char *c = "xby"; *c && weft_stream_push(&s, BYTES + (unsigned char)*c); c++) {}
            status = weft_stream_end(&s);
            weft_stream_free(&s);
        }
        weft_alloc_fail_at(0, 0);
        whole = status == WEFT_OK;
        if (whole) assert_string_equal(t.log, "x|by|");
        else assert_int_equal(status, WEFT_ERR_NOMEM);
        assert_true(whole || at < 50);
        if (at == 1) assert_false(begun);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_and_ends),
        cmocka_unit_test(nothing_after_no),
        cmocka_unit_test(stops_are_copied),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests_name("engine/stream", tests, setup, teardown);
}
