/// Conversations on the null device when the device is lost or memory runs out at any call: an error, the messages as
/// they were, and after recovery the conversation goes on, from the start of its text.
#include "core/alloc.h"
#include "gpu/gpu_test.h"
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

static char path[] = "/tmp/weft-chat-XXXXXX";
static weft_device *device;
static weft_model *model;
static weft_chat *chat;

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

static weft_status say(const char *text) { return weft_chat_say(chat, text, strlen(text), NULL); }

static void check_messages(size_t n, uint64_t at) {
    if (weft_chat_count(chat) != n) fail_msg("call %d: %zu messages", (int)at, weft_chat_count(chat));
}

static void test_loss(void **state) {
    (void)state;
    struct weft_generate_stats stats;
    uint64_t losses = 0;
    for (uint64_t n = 1;; n++) {
        must(weft_chat_cut(chat, 0));
        must(say("one"));
        weft_gpu_inject(device, WEFT_GPU_LOSS, WEFT_GPU_AT_ANY, n);
        weft_status status = say("two");
        bool hit = weft_gpu_injected(device) >= n;
        weft_gpu_inject(device, WEFT_GPU_LOSS, 0, 0);
        if (!hit) {
            must(status);
            break;
        }
        assert_int_equal(status, WEFT_ERR_LOST);
        check_messages(2, n);
        losses++;
        must(weft_device_recover(device, NULL));
        must(weft_chat_say(chat, "two", 3, &stats));
        assert_int_equal(stats.cached_tokens, 0);
        check_messages(4, n);
    }
    assert_true(losses >= 10);
    // Lost between two turns: nothing says so but the states that are gone.
    weft_gpu_lose(device);
    must(weft_device_recover(device, NULL));
    must(weft_chat_regenerate(chat, &stats));
    assert_int_equal(stats.cached_tokens, 0);
    must(weft_chat_regenerate(chat, &stats));
    assert_int_equal(stats.cached_tokens, stats.prompt_tokens - 1);
}

static void test_memory(void **state) {
    (void)state;
    for (uint64_t n = 1;; n++) {
        must(weft_chat_cut(chat, 0));
        must(say("one"));
        weft_alloc_fail_at(n, 0);
        weft_status status = say("two");
        weft_alloc_fail_at(0, 0);
        check_messages(status == WEFT_OK ? 4 : 2, n);
        must(say("three"));
        if (status == WEFT_OK && n > 200) break; // a mark that finds no memory is no error
        if (status != WEFT_OK) assert_int_equal(status, WEFT_ERR_NOMEM);
        assert_true(n < 5000);
    }
}

static int setup(void **state) {
    (void)state;
    int fd = mkstemp(path);
    const struct weft_tiny_gemma3 tiny = {.seed = 3, .ctx = 256, .n_layer = 2, .period = 2};
    const struct weft_chat_params params = {.max_tokens = 3, .chat_template = "chatml"};
    if (fd < 0 || close(fd) || !weft_tiny_gemma3_write(&tiny, path)) return -1;
    setenv("WEFT_WEBGPU", "null", 1);
    if (weft_device_open(NULL, &device) != WEFT_OK) return -1;
    if (weft_model_open(device, path, &(struct weft_model_params){.chunk = 16, .runs = 2}, &model) != WEFT_OK)
        return -1;
    return weft_chat_create(model, &params, &chat) == WEFT_OK ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    weft_chat_destroy(&chat);
    weft_model_close(&model);
    weft_device_close(&device);
    unlink(path);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests_name("chat faults", tests, setup, teardown);
}
