/// Conversations with a language model: messages in, replies out.
///
/// A conversation keeps messages (role and text) and renders them by the model's chat template for each reply. What the
/// caches still hold of the text, from the reply before, is not computed again: a next turn costs its own tokens, and
/// another reply to the same message, or an edit of a message, goes back to where the texts begin to differ
/// (weft_generate_stats.cached_tokens says how far that is). The template alone writes control tokens; whatever a user,
/// a role or the model spells is text.
///
///     weft_chat_create(model, &(struct weft_chat_params){.text = print}, &chat);
///     weft_chat_system(chat, "Be brief.", 9);
///     weft_chat_say(chat, question, strlen(question), NULL);   // prints the reply as it comes
///     weft_chat_regenerate(chat, NULL);                        // another one
///     weft_chat_edit(chat, 1, better, strlen(better));         // forgets what came after message 1
///     weft_chat_reply(chat, NULL);
///
/// docs/chat.md is the guide. A call that fails leaves the conversation as it was.
#ifndef WEFT_CHAT_H
#define WEFT_CHAT_H
#include "weft/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Thread-safety: one thread at a time uses a conversation, and its model. Several conversations may take turns with a
/// model; the caches hold the one that replied last.
typedef struct weft_chat weft_chat;

/// How a conversation goes. Zero is the default of each field. Texts end with NUL and are copied.
struct weft_chat_params {
    size_t struct_size;            ///< WEFT_SIZED, or 0 (weft/version.h)
    struct weft_sampling sampling; ///< each reply draws with `seed` plus the number of replies before it
    uint32_t max_tokens;           ///< of a reply; 0: until the context is full
    /// NULL: the model's own template. Else a variant that the model has (`tool_use`), a known name (`chatml`, `gemma`,
    /// `llama2`, `llama3`, `mistral`, `phi3`, `zephyr`) or a file, in this order.
    const char *chat_template;
    const char *tools;             ///< a JSON list, as the template wants it; NULL: none
    const char *variables;         ///< a JSON map of variables of the template, such as {"enable_thinking": false}
    const char *const *stop_texts; ///< texts that end a reply and are no part of it, beside the model's stop tokens. At
    size_t n_stop_texts;           ///< most 16, none empty, UTF-8
    /// Called from the calling thread with a reply as it comes: whole UTF-8 characters (bytes that are none pass as
    /// they are), not ended by NUL. Returns false to end the reply. It must not use the conversation. May be NULL.
    bool (*text)(void *user, const char *text, size_t length);
    void *user;
    const struct weft_cancel *cancel; ///< ends a reply soon; may be NULL
};

/// A message. The memory is the conversation's, until its messages change.
struct weft_chat_message {
    const char *role; ///< "system", "user", "assistant", or what weft_chat_add was given
    const char *text; ///< UTF-8, with a NUL behind it; "" where the content of a loaded message is no text
    size_t length;
    uint64_t reserved[2]; ///< zero
};

/// Begins a conversation without messages. The model must outlive it. `params` may be NULL. On failure *out is NULL.
/// Errors: NOT_FOUND (the model has no template and `params` name none; no template of that name), FORMAT or
/// UNSUPPORTED (the template; names line and column), INVALID (params), IO, NOMEM.
WEFT_API weft_status weft_chat_create(weft_model *model, const struct weft_chat_params *params, weft_chat **out);
/// Frees a conversation and sets *chat to NULL. NULL, or a pointer to NULL, is fine.
WEFT_API void weft_chat_destroy(weft_chat **chat);
/// Replaces all that weft_chat_create was given. Errors: those of weft_chat_create.
WEFT_API weft_status weft_chat_configure(weft_chat *chat, const struct weft_chat_params *params);
/// The settings as they are, after weft_chat_load too. The memory is the conversation's, until they change.
WEFT_API const struct weft_chat_params *weft_chat_settings(const weft_chat *chat);

// ---- messages ------------------------------------------------------------------------------------------------------
// Texts are `length` bytes. Bytes that are no UTF-8 become U+FFFD. Errors of all: NOMEM.

/// Sets the system prompt, which is the first message; one of no bytes (`text` may be NULL) is taken out. Not every
/// template takes one.
WEFT_API weft_status weft_chat_system(weft_chat *chat, const char *text, size_t length);
/// Appends a message of any role without a reply: examples, results of tools. Errors: INVALID (an empty role).
WEFT_API weft_status weft_chat_add(weft_chat *chat, const char *role, const char *text, size_t length);
/// Replaces the text of message `index` (from 0) and forgets all messages after it. Errors: INVALID (no such message).
WEFT_API weft_status weft_chat_edit(weft_chat *chat, size_t index, const char *text, size_t length);
/// Keeps the first `count` messages. Errors: INVALID (there are fewer).
WEFT_API weft_status weft_chat_cut(weft_chat *chat, size_t count);
WEFT_API size_t weft_chat_count(const weft_chat *chat);
/// Errors: INVALID (no such message).
WEFT_API weft_status weft_chat_message(const weft_chat *chat, size_t index, struct weft_chat_message *out);

// ---- replies -------------------------------------------------------------------------------------------------------
// A reply becomes a message of role "assistant". One that the callback or `cancel` ended is kept as far as it came, or
// left out if it has no text. `stats` may be NULL. Errors of all: LIMIT (messages and reply do not fit the context;
// says how many tokens there are), INVALID (the template refuses the messages; a sampling parameter; a reply where
// there should be a message, or the reverse), those of weft_model_generate.

/// Appends a message of role "user" and replies to it.
WEFT_API weft_status weft_chat_say(weft_chat *chat, const char *text, size_t length, struct weft_generate_stats *stats);
/// Replies to the messages that there are, of which the last is no reply.
WEFT_API weft_status weft_chat_reply(weft_chat *chat, struct weft_generate_stats *stats);
/// Replaces the last message, a reply, by another one, and keeps it if nothing comes; if the last message is none, as
/// weft_chat_reply. At temperature 0 the reply is the same again.
WEFT_API weft_status weft_chat_regenerate(weft_chat *chat, struct weft_generate_stats *stats);
/// How many tokens the messages take, with what stands in front of a reply. Errors: INVALID (the template refuses
/// them).
WEFT_API weft_status weft_chat_tokens(const weft_chat *chat, size_t *count);

// ---- keeping -------------------------------------------------------------------------------------------------------

/// Writes messages and settings (sampling, max_tokens, stop texts, tools, variables) as JSON, which docs/chat.md
/// describes: at most `capacity` bytes with the closing NUL; *length becomes the length without it. `json` may be NULL
/// if `capacity` is 0. Errors: LIMIT (it does not fit; *length is set), NOMEM.
WEFT_API weft_status weft_chat_save(const weft_chat *chat, char *json, size_t capacity, size_t *length);
/// Puts messages and settings in place of those that there are. A JSON list of messages, as other programs have it,
/// leaves the settings alone. Template, callbacks and `cancel` stay. Errors: FORMAT (no JSON, or not of this form; says
/// where), INVALID (settings), NOMEM.
WEFT_API weft_status weft_chat_load(weft_chat *chat, const char *json, size_t length);

#ifdef __cplusplus
}
#endif
#endif
