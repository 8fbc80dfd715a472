/// The messages of a conversation. Each is kept as a JSON object, since loaded ones may have members beside role and
/// text (calls of tools), which templates read.
#ifndef WEFT_ENGINE_HISTORY_H
#define WEFT_ENGINE_HISTORY_H
#include "core/json_read.h"
#include "core/str.h"

struct weft_message {
    char *role, *text, *json; ///< owned; `text` is "" where the content is no string
    size_t length;            ///< of `text`, which may hold NUL
};

struct weft_history {
    struct weft_message *items;
    size_t n, cap;
};

void weft_history_free(struct weft_history *h);
void weft_history_cut(struct weft_history *h, size_t n); ///< keeps the first n
/// Puts a message in front of number `at`, which may be n. Bytes that are no UTF-8 become U+FFFD. Errors: NOMEM.
weft_status weft_history_insert(struct weft_history *h, size_t at, const char *role, const char *text, size_t length);
/// Appends a message that was read. Errors: FORMAT (no map with a role that is a text; `number` is for the message).
weft_status weft_history_read(struct weft_history *h, const struct weft_json_value *message, size_t number);
/// Takes message `at` out; it is the caller's (weft_message_free).
struct weft_message weft_history_take(struct weft_history *h, size_t at);
/// Puts back what was taken: needs no memory as long as there are no more messages than before.
void weft_history_put(struct weft_history *h, size_t at, struct weft_message message);
void weft_message_free(struct weft_message *m);
bool weft_history_is(const struct weft_history *h, size_t at, const char *role); ///< false beyond the end
/// Appends all of them as a JSON list.
void weft_history_write(const struct weft_history *h, struct weft_str *out);
#endif
