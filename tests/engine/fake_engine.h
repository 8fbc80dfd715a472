/// An engine that says what it is told, and a vocabulary of bytes, for tests of conversations. Include it in front of
/// everything else: it brings cmocka with it.
#ifndef WEFT_TESTS_FAKE_ENGINE_H
#define WEFT_TESTS_FAKE_ENGINE_H
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "engine/conversation.h"
#include "engine/held.h"
#include "engine/stream.h"
#include "weft/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/vocabulary_file.h"

#define TEMPLATE                                                                                                       \
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'bad' %}{{ raise_exception('no such role') }}{% endif %}"   \
    "<|im_start|>{{ m.role }}:{{ m.content }}{{ m.more }}<|im_end|>{% endfor %}"                                       \
    "{% if tools %}T{{ tools | length }}{% endif %}{{ mood }}<|im_start|>assistant:"

enum { BYTES = 3, START = 259, END, SPACE, TOKENS, CTX = 400 };

static struct weft_source *file;
static struct weft_tokenizer *tokenizer;

/// A vocabulary of bytes and control tokens: each byte of a text is a token.
static void open_vocabulary(const char *const *keys) {
    static char texts[256][8];
    const char *tokens[TOKENS] = {"<unk>", "<s>", "</s>"};
    char types[TOKENS + 1] = "233";
    static const float scores[TOKENS];
    for (int b = 0; b < 256; b++) {
        snprintf(texts[b], sizeof texts[b], "<0x%02X>", (unsigned)b);
        tokens[BYTES + b] = texts[b];
        types[BYTES + b] = '6';
    }
    tokens[START] = "<|im_start|>";
    tokens[END] = "<|im_end|>";
    tokens[SPACE] = "\u2581";
    types[START] = types[END] = '3';
    types[SPACE] = '1';
    vf_begin("llama", tokens, TOKENS);
    vf_types(types);
    vf_scores(scores, TOKENS);
    vf_id("bos", 1);
    vf_id("eos", END);
    vf_flag("add_bos_token", true);
    vf_flag("add_space_prefix", false);
    for (; keys && keys[0]; keys += 2) gw_text(&vf_writer, keys[0], keys[1]);
    gw_end(&vf_writer, 32, 0);
    if (weft_gguf_open_memory(vf_writer.data, vf_writer.len, "v.gguf", &file) != WEFT_OK ||
        weft_tokenizer_create(file, &tokenizer) != WEFT_OK)
        fail_msg("%s", weft_error_message());
}

static inline void close_vocabulary(void) {
    weft_tokenizer_destroy(tokenizer);
    weft_source_close(file);
}

static int setup(void **state) {
    (void)state;
    open_vocabulary((const char *const[]){"tokenizer.chat_template", TEMPLATE, NULL});
    return 0;
}

static int teardown(void **state) {
    (void)state;
    close_vocabulary();
    return 0;
}

// ---- an engine that says what it is told ---------------------------------------------------------------------------

struct fake {
    const char *says[8]; // in turn; NULL: nothing comes, as if it were cancelled
    size_t next;
    weft_status status; // what generation returns
    uint32_t calls;
    uint64_t seed;
    struct weft_sampling sampling;
    uint32_t max_tokens, cached; // tokens that the call before had already
    struct weft_str prompt;      // of the last call, with control tokens
    struct weft_held held;
};

static weft_status fake_generate(void *user, const int32_t *ids, size_t n,
                                 const struct weft_model_generate_params *params, struct weft_generate_stats *stats) {
    struct fake *f = user;
    f->calls++;
    f->seed = params->sampling.seed;
    f->sampling = params->sampling;
    f->max_tokens = params->max_tokens;
    f->cached = weft_held_common(&f->held, ids, (uint32_t)n);
    assert_true(params->reuse);
    assert_int_equal(weft_held_reserve(&f->held, CTX), WEFT_OK);
    memcpy(f->held.ids.data, ids, n * sizeof *ids);
    f->held.ids.count = n;
    weft_str_cut(&f->prompt, 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(weft_tokenizer_decode(tokenizer, ids[i], true, &f->prompt), WEFT_OK);
    *stats = (struct weft_generate_stats){
        .prompt_tokens = (uint32_t)n, .cached_tokens = f->cached, .reason = WEFT_STOP_TOKEN};
    struct weft_stream stream;
    WEFT_TRY(weft_stream_begin(&stream, tokenizer, params));
    const char *text = f->says[f->next++];
    for (const char *c = text ? text : ""; *c; c++) {
        int32_t id = BYTES + (unsigned char)*c;
        f->held.ids.data[f->held.ids.count++] = id;
        stats->new_tokens++;
        if (weft_stream_push(&stream, id)) continue;
        stats->reason = WEFT_STOP_CALLER;
        break;
    }
    if (!text || weft_cancel_is_set(params->cancel)) stats->reason = WEFT_STOP_CALLER;
    weft_status status = weft_stream_end(&stream);
    stats->reason = weft_stream_reason(&stream, stats->reason);
    weft_stream_free(&stream);
    return f->status == WEFT_OK ? status : weft_fail(f->status, "the device is gone");
}

static inline weft_chat *begin(struct fake *f, const struct weft_chat_params *params) {
    weft_chat *chat;
    const struct weft_conversation_model m = {file, tokenizer, CTX, true, fake_generate, f};
    if (weft_conversation_create(&m, params, &chat) != WEFT_OK) fail_msg("%s", weft_error_message());
    return chat;
}

static inline void end(weft_chat *chat, struct fake *f) {
    weft_chat_destroy(&chat);
    assert_null(chat);
    weft_chat_destroy(&chat);
    weft_held_free(&f->held);
    weft_str_free(&f->prompt);
}

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

static inline void fails(weft_status got, weft_status want, const char *part) {
    assert_int_equal(got, want);
    if (!strstr(weft_error_message(), part)) fail_msg("'%s' is not in: %s", part, weft_error_message());
}

/// All messages as "role=text|role=text".
static inline void expect(const weft_chat *chat, const char *want) {
    struct weft_str got = {0};
    for (size_t i = 0; i < weft_chat_count(chat); i++) {
        struct weft_chat_message m;
        must(weft_chat_message(chat, i, &m));
        assert_int_equal(strlen(m.text), m.length);
        weft_str_addf(&got, "%s%s=%s", i ? "|" : "", m.role, m.text);
    }
    assert_string_equal(weft_str_get(&got), want);
    weft_str_free(&got);
}

static inline void say(weft_chat *chat, const char *text) { must(weft_chat_say(chat, text, strlen(text), NULL)); }
#endif
