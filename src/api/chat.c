/// weft/chat.h: conversations as users see them. Arguments are checked here; what they do is in engine/conversation.h.
#include "api/impl.h"
#include "core/error.h"
#include "engine/conversation.h"

static weft_status generate(void *user, const int32_t *ids, size_t n, const struct weft_model_generate_params *params,
                            struct weft_generate_stats *stats) {
    return weft_lm_generate(user, ids, n, params, stats);
}

weft_status weft_chat_create(weft_model *model, const struct weft_chat_params *params, weft_chat **out) {
    if (out) *out = NULL;
    if (!model || !out) return weft_api_null("weft_chat_create", model ? "out" : "model");
    struct weft_chat_params p;
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_chat_params, cancel, params, &p));
    const struct weft_conversation_model m = {
        .file = weft_lm_source(model),
        .tokenizer = weft_lm_tokenizer(model),
        .ctx = weft_lm_ctx(model),
        .samples = weft_lm_samples(model),
        .generate = generate,
        .user = model,
    };
    return weft_conversation_create(&m, &p, out);
}

void weft_chat_destroy(weft_chat **chat) {
    if (!chat || !*chat) return;
    weft_conversation_destroy(*chat);
    *chat = NULL;
}

weft_status weft_chat_configure(weft_chat *chat, const struct weft_chat_params *params) {
    struct weft_chat_params p;
    if (!chat) return weft_api_null("weft_chat_configure", "chat");
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_chat_params, cancel, params, &p));
    return weft_conversation_configure(chat, &p);
}

const struct weft_chat_params *weft_chat_settings(const weft_chat *chat) { return chat ? &chat->setup.params : NULL; }

// ---- messages ------------------------------------------------------------------------------------------------------

static weft_status check_text(const char *call, const weft_chat *chat, const char *text, size_t length) {
    if (chat && (text || !length)) return WEFT_OK;
    return weft_api_null(call, chat ? "text" : "chat");
}

weft_status weft_chat_system(weft_chat *chat, const char *text, size_t length) {
    WEFT_TRY(check_text("weft_chat_system", chat, text, length));
    return weft_conversation_system(chat, text, length);
}

weft_status weft_chat_add(weft_chat *chat, const char *role, const char *text, size_t length) {
    WEFT_TRY(check_text("weft_chat_add", chat, text, length));
    if (!role) return weft_api_null("weft_chat_add", "role");
    if (!*role) return weft_fail(WEFT_ERR_INVALID, "a message without a role; templates know system, user, assistant");
    return weft_history_insert(&chat->history, chat->history.n, role, text, length);
}

weft_status weft_chat_edit(weft_chat *chat, size_t index, const char *text, size_t length) {
    WEFT_TRY(check_text("weft_chat_edit", chat, text, length));
    return weft_conversation_edit(chat, index, text, length);
}

weft_status weft_chat_cut(weft_chat *chat, size_t count) {
    if (!chat) return weft_api_null("weft_chat_cut", "chat");
    if (count > chat->history.n)
        return weft_fail(WEFT_ERR_INVALID, "%zu messages to keep; the conversation has %zu", count, chat->history.n);
    weft_history_cut(&chat->history, count);
    return WEFT_OK;
}

size_t weft_chat_count(const weft_chat *chat) { return chat ? chat->history.n : 0; }

weft_status weft_chat_message(const weft_chat *chat, size_t index, struct weft_chat_message *out) {
    if (!chat || !out) return weft_api_null("weft_chat_message", chat ? "out" : "chat");
    *out = (struct weft_chat_message){0};
    if (index >= chat->history.n)
        return weft_fail(WEFT_ERR_INVALID, "there is no message %zu; the conversation has %zu", index, chat->history.n);
    const struct weft_message *m = &chat->history.items[index];
    *out = (struct weft_chat_message){.role = m->role, .text = m->text, .length = m->length};
    return WEFT_OK;
}

// ---- replies -------------------------------------------------------------------------------------------------------

weft_status weft_chat_say(weft_chat *chat, const char *text, size_t length, struct weft_generate_stats *stats) {
    if (stats) *stats = (struct weft_generate_stats){0};
    WEFT_TRY(check_text("weft_chat_say", chat, text, length));
    return weft_conversation_say(chat, text, length, stats);
}

weft_status weft_chat_reply(weft_chat *chat, struct weft_generate_stats *stats) {
    return chat ? weft_conversation_reply(chat, stats) : weft_api_null("weft_chat_reply", "chat");
}

weft_status weft_chat_regenerate(weft_chat *chat, struct weft_generate_stats *stats) {
    return chat ? weft_conversation_regenerate(chat, stats) : weft_api_null("weft_chat_regenerate", "chat");
}

weft_status weft_chat_tokens(const weft_chat *chat, size_t *count) {
    struct weft_ids ids = {0};
    if (!chat || !count) return weft_api_null("weft_chat_tokens", chat ? "count" : "chat");
    weft_status status = weft_conversation_tokens(chat, &ids);
    *count = ids.count;
    weft_ids_free(&ids);
    return status;
}

// ---- keeping -------------------------------------------------------------------------------------------------------

weft_status weft_chat_save(const weft_chat *chat, char *json, size_t capacity, size_t *length) {
    struct weft_str text = {0};
    if (!chat) return weft_api_null("weft_chat_save", "chat");
    weft_status status = weft_conversation_save(chat, &text);
    if (status == WEFT_OK) return weft_api_text(&text, json, capacity, length);
    weft_str_free(&text);
    return status;
}

weft_status weft_chat_load(weft_chat *chat, const char *json, size_t length) {
    if (!chat || !json) return weft_api_null("weft_chat_load", chat ? "json" : "chat");
    return weft_conversation_load(chat, json, length);
}
