#include "engine/conversation.h"

#include "core/alloc.h"
#include "core/error.h"
#include "engine/stream.h"

#include <string.h>

static weft_status no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory for a conversation"); }

// ---- settings ------------------------------------------------------------------------------------------------------

static void free_setup(struct weft_chat_setup *s) {
    weft_template_free(s->template);
    weft_arena_free(&s->arena);
    *s = (struct weft_chat_setup){0};
}

static weft_status copy_text(struct weft_arena *arena, const char **text) {
    if (*text && !(*text = weft_arena_strdup(arena, *text))) return no_memory();
    return WEFT_OK;
}

static weft_status copy_stops(struct weft_arena *arena, struct weft_chat_params *p) {
    WEFT_TRY(weft_stream_check_stops(p->stop_texts, p->n_stop_texts));
    const char **texts = weft_arena_alloc(arena, (p->n_stop_texts + 1) * sizeof *texts);
    if (!texts) return no_memory();
    for (size_t i = 0; i < p->n_stop_texts; i++) {
        texts[i] = p->stop_texts[i];
        WEFT_TRY(copy_text(arena, &texts[i]));
    }
    p->stop_texts = texts;
    return WEFT_OK;
}

static weft_status read_tree(struct weft_arena *arena, const char *text, const char *what, enum weft_json_type type,
                             struct weft_json_value *out) {
    if (!text) return WEFT_OK;
    WEFT_TRY(weft_json_read(text, strlen(text), what, arena, out));
    if (out->type == type) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "the %s of a conversation are no JSON %s", what,
                     type == WEFT_JSON_LIST ? "list" : "map");
}

static weft_status make_setup(const struct weft_conversation_model *m, const struct weft_chat_params *params,
                              struct weft_chat_setup *s) {
    static const struct weft_chat_params none;
    s->params = params ? *params : none;
    if (s->params.sampling.temp > 0 && !m->samples)
        return weft_fail(WEFT_ERR_INVALID, "the model was opened as greedy; open it without for a temperature above 0");
    WEFT_TRY(weft_lm_check_sampling(&s->params.sampling));
    WEFT_TRY(copy_stops(&s->arena, &s->params));
    WEFT_TRY(copy_text(&s->arena, &s->params.chat_template));
    WEFT_TRY(copy_text(&s->arena, &s->params.tools));
    WEFT_TRY(copy_text(&s->arena, &s->params.variables));
    WEFT_TRY(read_tree(&s->arena, s->params.tools, "tools", WEFT_JSON_LIST, &s->tools));
    WEFT_TRY(read_tree(&s->arena, s->params.variables, "variables", WEFT_JSON_MAP, &s->variables));
    WEFT_TRY(weft_chat_template_tokens(m->file, m->tokenizer, &s->arena, &s->tokens));
    return weft_chat_template_load(m->file, s->params.chat_template, &s->template);
}

weft_status weft_conversation_configure(weft_chat *c, const struct weft_chat_params *params) {
    struct weft_chat_setup next = {0};
    weft_status status = make_setup(&c->model, params, &next);
    if (status == WEFT_OK) {
        struct weft_chat_setup old = c->setup; // `params` may be in it
        c->setup = next;
        next = old;
    }
    free_setup(&next);
    return status;
}

weft_status weft_conversation_create(const struct weft_conversation_model *model, const struct weft_chat_params *params,
                                     weft_chat **out) {
    *out = NULL;
    weft_chat *c = weft_calloc(1, sizeof *c);
    if (!c) return no_memory();
    c->model = *model;
    weft_status status = weft_conversation_configure(c, params);
    if (status == WEFT_OK) *out = c;
    else weft_conversation_destroy(c);
    return status;
}

void weft_conversation_destroy(weft_chat *c) {
    free_setup(&c->setup);
    weft_history_free(&c->history);
    weft_free(c);
}

// ---- messages ------------------------------------------------------------------------------------------------------

weft_status weft_conversation_system(weft_chat *c, const char *text, size_t length) {
    bool there = weft_history_is(&c->history, 0, "system");
    if (length) WEFT_TRY(weft_history_insert(&c->history, 0, "system", text, length));
    if (!there) return WEFT_OK;
    struct weft_message old = weft_history_take(&c->history, length ? 1 : 0);
    weft_message_free(&old);
    return WEFT_OK;
}

weft_status weft_conversation_edit(weft_chat *c, size_t index, const char *text, size_t length) {
    struct weft_history *h = &c->history;
    if (index >= h->n)
        return weft_fail(WEFT_ERR_INVALID, "there is no message %zu to edit; the conversation has %zu", index, h->n);
    WEFT_TRY(weft_history_insert(h, index, h->items[index].role, text, length));
    weft_history_cut(h, index + 1);
    return WEFT_OK;
}

// ---- tokens --------------------------------------------------------------------------------------------------------

static weft_status render(const weft_chat *c, const struct weft_json_value *messages, struct weft_ids *out) {
    const struct weft_chat_setup *s = &c->setup;
    const struct weft_template_options options = {
        .tools = s->params.tools ? &s->tools : NULL,
        .variables = s->params.variables ? &s->variables : NULL,
        .tokens = &s->tokens,
        .add_generation_prompt = true,
    };
    struct weft_str text = {0};
    struct weft_template_runs runs = {0};
    weft_status status = weft_template_render(s->template, messages, &options, &text, &runs);
    if (status == WEFT_OK)
        status = weft_tokenizer_encode_runs(c->model.tokenizer, weft_str_get(&text), text.len, runs.items, runs.n,
                                            WEFT_ENCODE_ADD_BOS, out);
    weft_template_runs_free(&runs);
    weft_str_free(&text);
    return status;
}

weft_status weft_conversation_tokens(const weft_chat *c, struct weft_ids *out) {
    struct weft_arena arena = {0};
    struct weft_json_value messages;
    struct weft_str json = {0};
    weft_history_write(&c->history, &json);
    weft_status status = json.failed ? no_memory() : WEFT_OK;
    if (status == WEFT_OK) status = weft_json_read(json.data, json.len, "messages", &arena, &messages);
    if (status == WEFT_OK) status = render(c, &messages, out);
    weft_str_free(&json);
    weft_arena_free(&arena);
    return status;
}

// ---- replies -------------------------------------------------------------------------------------------------------

struct reply {
    const struct weft_chat_params *params;
    struct weft_str text;
};

static bool on_text(void *user, const char *text, size_t length) {
    struct reply *r = user;
    weft_str_addn(&r->text, text, length);
    return !r->text.failed && (!r->params->text || r->params->text(r->params->user, text, length));
}

static weft_status check_room(const weft_chat *c, const struct weft_ids *ids) {
    if (ids->count < c->model.ctx) return WEFT_OK;
    return weft_fail(WEFT_ERR_LIMIT,
                     "the conversation has %zu tokens and the context %u, which leaves no room for a reply; take out "
                     "earlier messages, or open the model with a larger context (--ctx)",
                     ids->count, c->model.ctx);
}

static weft_status generate(weft_chat *c, const struct weft_ids *ids, struct reply *r,
                            struct weft_generate_stats *stats) {
    struct weft_model_generate_params params = {
        .sampling = r->params->sampling,
        .max_tokens = r->params->max_tokens,
        .stop_texts = r->params->stop_texts,
        .n_stop_texts = r->params->n_stop_texts,
        .reuse = true,
        .text = on_text,
        .user = r,
        .cancel = r->params->cancel,
    };
    params.sampling.seed += c->replies;
    WEFT_TRY(check_room(c, ids));
    WEFT_TRY(c->model.generate(c->model.user, ids->data, ids->count, &params, stats));
    return r->text.failed ? no_memory() : WEFT_OK;
}

/// Appends a reply to the messages that there are.
static weft_status reply(weft_chat *c, struct weft_generate_stats *stats) {
    struct weft_generate_stats own = {0};
    struct weft_ids ids = {0};
    struct reply r = {.params = &c->setup.params};
    weft_status status = weft_conversation_tokens(c, &ids);
    if (status == WEFT_OK) status = generate(c, &ids, &r, &own);
    bool kept = r.text.len || own.reason != WEFT_STOP_CALLER;
    if (status == WEFT_OK && kept)
        status = weft_history_insert(&c->history, c->history.n, "assistant", weft_str_get(&r.text), r.text.len);
    if (status == WEFT_OK) c->replies++;
    if (stats) *stats = own;
    weft_str_free(&r.text);
    weft_ids_free(&ids);
    return status;
}

static bool ends_with_reply(const weft_chat *c) {
    return c->history.n && weft_history_is(&c->history, c->history.n - 1, "assistant");
}

weft_status weft_conversation_reply(weft_chat *c, struct weft_generate_stats *stats) {
    if (stats) *stats = (struct weft_generate_stats){0};
    if (ends_with_reply(c))
        return weft_fail(WEFT_ERR_INVALID, "the last message is a reply; add a message, or regenerate the reply");
    return reply(c, stats);
}

weft_status weft_conversation_say(weft_chat *c, const char *text, size_t length, struct weft_generate_stats *stats) {
    size_t before = c->history.n;
    if (stats) *stats = (struct weft_generate_stats){0};
    WEFT_TRY(weft_history_insert(&c->history, before, "user", text, length));
    weft_status status = reply(c, stats);
    if (status != WEFT_OK) weft_history_cut(&c->history, before);
    return status;
}

weft_status weft_conversation_regenerate(weft_chat *c, struct weft_generate_stats *stats) {
    if (!ends_with_reply(c)) return weft_conversation_reply(c, stats);
    struct weft_message old = weft_history_take(&c->history, c->history.n - 1);
    weft_status status = reply(c, stats);
    if (status == WEFT_OK && ends_with_reply(c)) weft_message_free(&old);
    else weft_history_put(&c->history, c->history.n, old); // its place is still there
    return status;
}
