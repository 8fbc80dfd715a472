/// A conversation with a tiny model on a device, by the public calls: replies are those of a conversation that starts
/// from empty caches with the same messages, whatever was edited, taken back or stopped in between.
#include "core/alloc.h"
#include "support/graph_run.h"
#include "support/tiny_gemma3.h"
#include "weft/weft.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { CTX = 512, TOKENS = 10 };

static char path[] = "/tmp/weft-chat-XXXXXX";
static weft_gpu *gpu;
static weft_model *model, *fresh;
static int stop_after;

static bool stop(void *user, const char *text, size_t length) {
    (void)user, (void)text, (void)length;
    return stop_after == 0 || --stop_after > 0;
}

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

static weft_chat *begin(weft_model *m, float temp) {
    weft_chat *chat;
    struct weft_chat_params params = {
        .sampling = {.temp = temp, .seed = 5}, .max_tokens = TOKENS, .chat_template = "gemma", .text = stop};
    must(weft_chat_create(m, &params, &chat));
    return chat;
}

/// The last reply must be what a new conversation with the other model object says to the messages before it, with
/// which the caches of this one were never filled. Returns how many tokens were there.
static uint32_t check(weft_chat *chat, const struct weft_generate_stats *stats) {
    weft_chat *other = begin(fresh, 0);
    struct weft_generate_stats from_start;
    struct weft_chat_message m, reply;
    size_t n = weft_chat_count(chat);
    must(weft_chat_say(other, "!", 1, NULL)); // other words than ever follow, in the caches of `fresh`
    must(weft_chat_cut(other, 0));
    for (size_t i = 0; i + 1 < n; i++) {
        must(weft_chat_message(chat, i, &m));
        must(weft_chat_add(other, m.role, m.text, m.length));
    }
    must(weft_chat_reply(other, &from_start));
    must(weft_chat_message(chat, n - 1, &m));
    must(weft_chat_message(other, n - 1, &reply));
    assert_string_equal(m.text, reply.text);
    assert_int_equal(stats->prompt_tokens, from_start.prompt_tokens);
    weft_chat_destroy(&other);
    return stats->cached_tokens;
}

static void test_conversation(void **state) {
    (void)state;
    weft_chat *chat = begin(model, 0);
    struct weft_generate_stats s;
    must(weft_chat_system(chat, "Be brief.", 9));
    must(weft_chat_say(chat, "Hello there", 11, &s));
    check(chat, &s);
    uint32_t first = s.prompt_tokens;
    must(weft_chat_say(chat, "And then?", 9, &s));
    assert_true(check(chat, &s) >= first);
    must(weft_chat_regenerate(chat, &s));
    assert_int_equal(check(chat, &s), s.prompt_tokens - 1);
    must(weft_chat_edit(chat, 3, "And when?", 9));
    must(weft_chat_reply(chat, &s));
    assert_true(check(chat, &s) >= first);
    must(weft_chat_edit(chat, 1, "Hello here", 10));
    must(weft_chat_reply(chat, &s));
    uint32_t kept = check(chat, &s);
    assert_true(kept < first); // 0, as rings are past it and the marks stand behind
    must(weft_chat_system(chat, NULL, 0));
    must(weft_chat_regenerate(chat, &s));
    check(chat, &s);
    // A reply that was stopped is a message like others.
    stop_after = 2;
    must(weft_chat_say(chat, "More", 4, &s));
    assert_int_equal(s.reason, WEFT_STOP_CALLER);
    stop_after = 0;
    must(weft_chat_say(chat, "Again", 5, &s));
    assert_true(check(chat, &s) > first / 2);
    // Another conversation in between, with the same caches.
    weft_chat *second = begin(model, 0);
    must(weft_chat_say(second, "Something else", 14, NULL));
    must(weft_chat_say(chat, "x", 1, &s));
    check(chat, &s);
    weft_chat_destroy(&second);
    weft_chat_destroy(&chat);
}

/// Sampled conversations can be repeated from what was saved, and other replies are others.
static void test_sampled(void **state) {
    (void)state;
    weft_chat *chat = begin(model, 1.5f), *again;
    char json[8192];
    size_t length;
    struct weft_chat_message one, two;
    must(weft_chat_say(chat, "Hello", 5, NULL));
    must(weft_chat_save(chat, json, sizeof json, &length));
    must(weft_chat_regenerate(chat, NULL));
    again = begin(fresh, 0);
    must(weft_chat_load(again, json, length));
    must(weft_chat_message(chat, 1, &one));
    must(weft_chat_message(again, 1, &two));
    assert_string_not_equal(one.text, two.text); // before and after regenerating
    must(weft_chat_regenerate(again, NULL));
    must(weft_chat_message(again, 1, &two));
    assert_string_equal(one.text, two.text);
    weft_chat_destroy(&again);
    weft_chat_destroy(&chat);
}

static void test_greedy_model(void **state) {
    (void)state;
    weft_model *greedy;
    weft_chat *chat;
    must(weft_model_open(gpu, path, &(struct weft_model_params){.greedy = true, .lazy = true}, &greedy));
    assert_int_equal(
        weft_chat_create(greedy, &(struct weft_chat_params){.chat_template = "gemma", .sampling = {.temp = 1}}, &chat),
        WEFT_ERR_INVALID);
    assert_non_null(strstr(weft_error_message(), "greedy"));
    assert_int_equal(weft_chat_create(greedy, NULL, &chat), WEFT_ERR_NOT_FOUND);
    assert_non_null(strstr(weft_error_message(), "--chat-template"));
    weft_model_close(&greedy);
}

static int setup(void **state) {
    (void)state;
    int fd = mkstemp(path);
    const struct weft_tiny_gemma3 tiny = {.seed = 3, .ctx = CTX, .n_layer = 3};
    if (fd < 0 || close(fd) || !weft_tiny_gemma3_write(&tiny, path)) return -1;
    gpu = weft_test_gpu();
    if (!gpu) return -1;
    must(weft_model_open(gpu, path, &(struct weft_model_params){.chunk = 16, .runs = 4}, &model));
    must(weft_model_open(gpu, path, &(struct weft_model_params){.chunk = 16, .runs = 4}, &fresh));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weft_model_close(&model);
    weft_model_close(&fresh);
    unlink(path);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conversation),
        cmocka_unit_test(test_sampled),
        cmocka_unit_test(test_greedy_model),
    };
    return cmocka_run_group_tests_name("chat", tests, setup, teardown);
}
