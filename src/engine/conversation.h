/// A conversation: messages, what they become in tokens, and replies (weft/chat.h has the contracts).
///
/// It knows nothing of programs and sessions. Whoever generates keeps what is held of earlier tokens (engine/held.h),
/// so a conversation hands over all tokens each time, whatever was edited.
#ifndef WEFT_ENGINE_CONVERSATION_H
#define WEFT_ENGINE_CONVERSATION_H
#include "engine/history.h"
#include "engine/lm.h"
#include "engine/stop.h"
#include "model/chat_template.h"
#include "weft/chat.h"

/// What a conversation is with.
struct weft_conversation_model {
    const struct weft_source *file; ///< of template and tokens
    const struct weft_tokenizer *tokenizer;
    uint32_t ctx; ///< tokens of all messages and the reply
    bool samples; ///< temperatures above 0 are possible
    /// weft_lm_generate, or what stands in for it.
    weft_status (*generate)(void *user, const int32_t *ids, size_t n, const struct weft_model_generate_params *params,
                            struct weft_generate_stats *stats);
    void *user;
};

/// What the caller set, all of it copied.
struct weft_chat_setup {
    struct weft_chat_params params;
    struct weft_arena arena; ///< of the texts and trees
    struct weft_json_value tools, variables, tokens;
    struct weft_template *template;
};

struct weft_chat {
    struct weft_conversation_model model;
    struct weft_chat_setup setup;
    struct weft_history history;
    uint64_t replies; ///< so far, which moves the seed on
};

weft_status weft_conversation_create(const struct weft_conversation_model *model, const struct weft_chat_params *params,
                                     weft_chat **out);
void weft_conversation_destroy(weft_chat *c);
weft_status weft_conversation_configure(weft_chat *c, const struct weft_chat_params *params);

weft_status weft_conversation_system(weft_chat *c, const char *text, size_t length);
weft_status weft_conversation_edit(weft_chat *c, size_t index, const char *text, size_t length);
weft_status weft_conversation_say(weft_chat *c, const char *text, size_t length, struct weft_generate_stats *stats);
weft_status weft_conversation_reply(weft_chat *c, struct weft_generate_stats *stats);
weft_status weft_conversation_regenerate(weft_chat *c, struct weft_generate_stats *stats);
/// Appends the tokens that a reply follows.
weft_status weft_conversation_tokens(const weft_chat *c, struct weft_ids *out);

/// What weft_chat_save and _load say (conversation_json.c).
weft_status weft_conversation_save(const weft_chat *c, struct weft_str *out);
weft_status weft_conversation_load(weft_chat *c, const char *json, size_t length);
#endif
