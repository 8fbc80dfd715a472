/// Conversations as JSON: docs/chat.md describes the form.
#include "engine/conversation.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORM = 1 };

/// Numbers of settings, by their names in the JSON and in struct weft_sampling.
static const struct number {
    const char *name;
    size_t offset;
    bool whole;
} numbers[] = {
    {"temp", offsetof(struct weft_sampling, temp), false},
    {"top_k", offsetof(struct weft_sampling, top_k), true},
    {"top_p", offsetof(struct weft_sampling, top_p), false},
    {"min_p", offsetof(struct weft_sampling, min_p), false},
    {"repetition", offsetof(struct weft_sampling, repetition), false},
    {"frequency", offsetof(struct weft_sampling, frequency), false},
    {"presence", offsetof(struct weft_sampling, presence), false},
};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

static void write_settings(const struct weft_chat_params *p, struct weft_str *out) {
    struct weft_json j;
    char seed[32];
    weft_json_begin(&j, out, 0);
    j.digits = 9; // which give a float back
    weft_json_object(&j, NULL);
    for (size_t i = 0; i < NUMBERS; i++) {
        const char *at = (const char *)&p->sampling + numbers[i].offset;
        float real;
        uint32_t whole;
        memcpy(&real, at, sizeof real);
        memcpy(&whole, at, sizeof whole);
        if (numbers[i].whole) weft_json_u64(&j, numbers[i].name, whole);
        else weft_json_real(&j, numbers[i].name, (double)real);
    }
    snprintf(seed, sizeof seed, "%" PRIu64, p->sampling.seed); // a text, as many readers keep 53 bits of a number
    weft_json_str(&j, "seed", seed);
    weft_json_u64(&j, "max_tokens", p->max_tokens);
    weft_json_array(&j, "stop");
    for (size_t i = 0; i < p->n_stop_texts; i++) weft_json_str(&j, NULL, p->stop_texts[i]);
    weft_json_end(&j);
    weft_json_end(&j);
}

weft_status weft_conversation_save(const weft_chat *c, struct weft_str *out) {
    const struct weft_chat_params *p = &c->setup.params;
    weft_str_addf(out, "{\"weft_chat\": %d,\n\"replies\": %" PRIu64 ",\n\"settings\": ", FORM, c->replies);
    write_settings(p, out);
    if (p->tools) weft_str_add(out, ",\n\"tools\": "), weft_str_add(out, p->tools);
    if (p->variables) weft_str_add(out, ",\n\"variables\": "), weft_str_add(out, p->variables);
    weft_str_add(out, ",\n\"messages\": [");
    for (size_t i = 0; i < c->history.n; i++) {
        weft_str_add(out, i ? ",\n" : "\n");
        weft_str_add(out, c->history.items[i].json);
    }
    weft_str_add(out, "\n]}\n");
    return out->failed ? weft_fail(WEFT_ERR_NOMEM, "out of memory for a conversation") : WEFT_OK;
}

// ---- loading -------------------------------------------------------------------------------------------------------

struct loading {
    struct weft_arena arena;
    struct weft_chat_params params;
    struct weft_history history;
    uint64_t replies;
    const char *stops[WEFT_STOP_TEXTS];
    struct weft_str tools, variables;
};

static weft_status wrong(const char *what) {
    return weft_fail(WEFT_ERR_FORMAT, "the conversation's '%s' is not what it should be", what);
}

static bool whole_number(const struct weft_json_value *v, uint64_t most, uint64_t *out) {
    if (v->type == WEFT_JSON_STRING) { // decimal
        errno = 0;
        *out = strtoull(v->s.text, NULL, 10);
        return v->s.len && strspn(v->s.text, "0123456789") == v->s.len && !errno && *out <= most;
    }
    if (v->type != WEFT_JSON_INT || v->i < 0) return false;
    *out = (uint64_t)v->i;
    return *out <= most;
}

static weft_status read_number(const struct weft_json_value *settings, const struct number *n,
                               struct weft_sampling *out) {
    const struct weft_json_value *v = weft_json_find(settings, n->name);
    uint64_t whole;
    if (!v) return WEFT_OK;
    if (n->whole) {
        if (!whole_number(v, UINT32_MAX, &whole)) return wrong(n->name);
        uint32_t narrow = (uint32_t)whole;
        memcpy((char *)out + n->offset, &narrow, sizeof narrow);
        return WEFT_OK;
    }
    if (v->type != WEFT_JSON_INT && v->type != WEFT_JSON_REAL) return wrong(n->name);
    double wide = v->type == WEFT_JSON_INT ? (double)v->i : v->r;
    if (!(wide >= -1e30 && wide <= 1e30)) return wrong(n->name);
    float real = (float)wide;
    memcpy((char *)out + n->offset, &real, sizeof real);
    return WEFT_OK;
}

static weft_status read_settings(struct loading *l, const struct weft_json_value *settings) {
    const struct weft_json_value *seed = weft_json_find(settings, "seed"), *stop = weft_json_find(settings, "stop");
    const struct weft_json_value *most = weft_json_find(settings, "max_tokens");
    uint64_t n = l->params.max_tokens;
    if (settings->type != WEFT_JSON_MAP) return wrong("settings");
    for (size_t i = 0; i < NUMBERS; i++) WEFT_TRY(read_number(settings, &numbers[i], &l->params.sampling));
    if (seed && !whole_number(seed, UINT64_MAX, &l->params.sampling.seed)) return wrong("seed");
    if (most && !whole_number(most, UINT32_MAX, &n)) return wrong("max_tokens");
    l->params.max_tokens = (uint32_t)n;
    if (!stop) return WEFT_OK;
    if (stop->type != WEFT_JSON_LIST || stop->n > WEFT_STOP_TEXTS) return wrong("stop");
    for (size_t i = 0; i < stop->n; i++) {
        if (stop->items[i].type != WEFT_JSON_STRING || strlen(stop->items[i].s.text) != stop->items[i].s.len)
            return wrong("stop");
        l->stops[i] = stop->items[i].s.text;
    }
    l->params.stop_texts = l->stops;
    l->params.n_stop_texts = stop->n;
    return WEFT_OK;
}

/// A tree as the text that settings keep.
static weft_status read_tree(const struct weft_json_value *root, const char *key, struct weft_str *text,
                             const char **out) {
    const struct weft_json_value *v = weft_json_find(root, key);
    struct weft_json j;
    if (v) {
        uint64_t failures = weft_alloc_failures();
        weft_json_begin(&j, text, 0);
        weft_json_copy(&j, NULL, v);
        if (text->failed) return weft_blame_memory(failures, wrong(key));
    }
    *out = v ? text->data : NULL;
    return WEFT_OK;
}

static weft_status read_all(struct loading *l, const char *json, size_t length) {
    struct weft_json_value root;
    WEFT_TRY(weft_json_read(json, length, "conversation", &l->arena, &root));
    const struct weft_json_value *messages = root.type == WEFT_JSON_LIST ? &root : weft_json_find(&root, "messages");
    const struct weft_json_value *form = weft_json_find(&root, "weft_chat"), *v;
    if (form && (form->type != WEFT_JSON_INT || form->i != FORM))
        return weft_fail(WEFT_ERR_FORMAT, "the conversation is of another version of Weft; this one reads version %d",
                         FORM);
    if (!messages || messages->type != WEFT_JSON_LIST)
        return weft_fail(WEFT_ERR_FORMAT, "the conversation has no list 'messages', and is none");
    for (size_t i = 0; i < messages->n; i++) WEFT_TRY(weft_history_read(&l->history, &messages->items[i], i));
    if (!form) return WEFT_OK; // another program's: messages alone
    if ((v = weft_json_find(&root, "replies")) && !whole_number(v, UINT64_MAX, &l->replies)) return wrong("replies");
    if ((v = weft_json_find(&root, "settings"))) WEFT_TRY(read_settings(l, v));
    WEFT_TRY(read_tree(&root, "tools", &l->tools, &l->params.tools));
    return read_tree(&root, "variables", &l->variables, &l->params.variables);
}

weft_status weft_conversation_load(weft_chat *c, const char *json, size_t length) {
    struct loading l = {.params = c->setup.params, .replies = c->replies};
    weft_status status = read_all(&l, json, length);
    if (status == WEFT_OK) status = weft_conversation_configure(c, &l.params);
    if (status == WEFT_OK) {
        struct weft_history old = c->history;
        c->history = l.history;
        l.history = old;
        c->replies = l.replies;
    }
    weft_history_free(&l.history);
    weft_str_free(&l.tools);
    weft_str_free(&l.variables);
    weft_arena_free(&l.arena);
    return status;
}
