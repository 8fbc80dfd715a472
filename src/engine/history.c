#include "engine/history.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/json.h"
#include "core/visible.h"

#include <string.h>

static weft_status no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory for a message"); }

void weft_message_free(struct weft_message *m) {
    weft_free(m->role);
    weft_free(m->text);
    weft_free(m->json);
    *m = (struct weft_message){0};
}

void weft_history_cut(struct weft_history *h, size_t n) {
    while (h->n > n) weft_message_free(&h->items[--h->n]);
}

void weft_history_free(struct weft_history *h) {
    weft_history_cut(h, 0);
    weft_free(h->items);
    *h = (struct weft_history){0};
}

bool weft_history_is(const struct weft_history *h, size_t at, const char *role) {
    return at < h->n && !strcmp(h->items[at].role, role);
}

void weft_history_put(struct weft_history *h, size_t at, struct weft_message message) {
    memmove(h->items + at + 1, h->items + at, (h->n - at) * sizeof *h->items);
    h->items[at] = message;
    h->n++;
}

struct weft_message weft_history_take(struct weft_history *h, size_t at) {
    struct weft_message m = h->items[at];
    memmove(h->items + at, h->items + at + 1, (--h->n - at) * sizeof *h->items);
    return m;
}

/// A copy with a NUL behind it; NULL: out of memory.
static char *copy(const char *text, size_t length, size_t *out) {
    struct weft_str s = {0};
    weft_str_add_utf8(&s, text, length);
    *out = s.len;
    return weft_str_take(&s);
}

/// Enters a message whose three texts are made; frees them on failure.
static weft_status enter(struct weft_history *h, size_t at, struct weft_message *m) {
    if (m->role && m->text && m->json && weft_grow((void **)&h->items, &h->cap, h->n + 1, sizeof *h->items)) {
        weft_history_put(h, at, *m);
        return WEFT_OK;
    }
    weft_message_free(m);
    return no_memory();
}

weft_status weft_history_insert(struct weft_history *h, size_t at, const char *role, const char *text, size_t length) {
    struct weft_str json = {0};
    struct weft_json j;
    struct weft_message m = {0};
    size_t ignored;
    weft_json_begin(&j, &json, 0);
    weft_json_object(&j, NULL);
    weft_json_str(&j, "role", role);
    weft_json_strn(&j, "content", length ? text : "", length);
    weft_json_end(&j);
    m.role = copy(role, strlen(role), &ignored);
    m.text = copy(length ? text : "", length, &m.length);
    m.json = weft_str_take(&json);
    return enter(h, at, &m);
}

// ---- what was read -------------------------------------------------------------------------------------------------

weft_status weft_history_read(struct weft_history *h, const struct weft_json_value *message, size_t number) {
    const struct weft_json_value *role = weft_json_find(message, "role"), *text = weft_json_find(message, "content");
    struct weft_message m = {0};
    struct weft_str json = {0};
    struct weft_json j;
    size_t ignored;
    if (!role || role->type != WEFT_JSON_STRING || !role->s.len || strlen(role->s.text) != role->s.len)
        return weft_fail(WEFT_ERR_FORMAT, "message %zu is no map with a 'role' that is a text", number);
    uint64_t failures = weft_alloc_failures();
    weft_json_begin(&j, &json, 0);
    weft_json_copy(&j, NULL, message);
    if (json.failed) {
        weft_str_free(&json);
        return weft_blame_memory(
            failures, weft_fail(WEFT_ERR_FORMAT, "message %zu is nested more than %d deep, or has a name with a NUL",
                                number, WEFT_JSON_DEPTH));
    }
    bool has_text = text && text->type == WEFT_JSON_STRING;
    m.role = copy(role->s.text, role->s.len, &ignored);
    m.text = has_text ? copy(text->s.text, text->s.len, &m.length) : copy("", 0, &m.length);
    m.json = weft_str_take(&json);
    return enter(h, h->n, &m);
}

void weft_history_write(const struct weft_history *h, struct weft_str *out) {
    weft_str_add(out, "[");
    for (size_t i = 0; i < h->n; i++) {
        if (i) weft_str_add(out, ",");
        weft_str_add(out, h->items[i].json);
    }
    weft_str_add(out, "]");
}
