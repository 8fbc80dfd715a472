/// weft/batch.h: batches as users see them. Text of each sequence is made here from the ids that engine/batch.h gives.
#include "api/impl.h"
#include "core/alloc.h"
#include "core/error.h"
#include "engine/batch.h"
#include "engine/stream.h"
#include "weft/batch.h"

struct text {
    struct text *next;
    uint64_t id;
    struct weft_stream stream;
    bool (*token)(void *user, int32_t id);
    void *user;
    weft_status status;
    char *stops[WEFT_STOP_TEXTS]; ///< copies
};

struct weft_batch {
    weft_lm_batch *lm;
    weft_model *model;
    struct text *texts;
};

// ---- life ----------------------------------------------------------------------------------------------------------

/// What was held back of a text, since a stop text might have begun with it.
static void on_end(void *user) {
    struct text *t = user;
    if (t->status == WEFT_OK) t->status = weft_stream_flush(&t->stream);
}

weft_status weft_batch_create(weft_model *model, const struct weft_batch_params *params, weft_batch **out) {
    struct weft_batch_params p;
    if (out) *out = NULL;
    if (!model || !out) return weft_api_null("weft_batch_create", model ? "out" : "model");
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_batch_params, runs, params, &p));
    const struct weft_lm_batch_params lm = {
        .slots = p.slots, .ctx = p.ctx, .chunk = p.chunk, .runs = p.runs, .ended = on_end};
    weft_batch *b = weft_calloc(1, sizeof *b);
    if (!b) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a batch");
    b->model = model;
    weft_status status = weft_lm_batch_create(model, &lm, &b->lm);
    if (status == WEFT_OK) *out = b;
    else weft_free(b);
    return status;
}

static void text_free(struct text *t) {
    for (int i = 0; i < WEFT_STOP_TEXTS; i++) weft_free(t->stops[i]);
    weft_stream_free(&t->stream);
    weft_free(t);
}

void weft_batch_destroy(weft_batch **batch) {
    if (!batch || !*batch) return;
    weft_batch *b = *batch;
    weft_lm_batch_destroy(&b->lm);
    for (struct text *t = b->texts, *next; t; t = next) {
        next = t->next;
        text_free(t);
    }
    weft_free(b);
    *batch = NULL;
}

// ---- texts ---------------------------------------------------------------------------------------------------------

static bool on_token(void *user, int32_t id) {
    struct text *t = user;
    bool go_on = !t->token || t->token(t->user, id);
    t->status = weft_stream_push(&t->stream, id);
    return t->status == WEFT_OK && go_on && !weft_stream_done(&t->stream);
}

static weft_status copy_stops(struct text *t, const struct weft_model_generate_params *p) {
    size_t n = p->n_stop_texts < WEFT_STOP_TEXTS ? p->n_stop_texts : WEFT_STOP_TEXTS;
    WEFT_TRY(weft_stream_stops(&t->stream, p->stop_texts, p->n_stop_texts)); // as they are, to be checked
    for (size_t i = 0; i < n; i++) {
        t->stream.stopper.texts[i] = t->stops[i] = weft_strdup(p->stop_texts[i]);
        if (!t->stops[i]) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a stop text");
    }
    return WEFT_OK;
}

static weft_status add(weft_batch *b, const int32_t *ids, size_t count, const struct weft_model_generate_params *p,
                       uint64_t *id) {
    if (count > UINT32_MAX) return weft_fail(WEFT_ERR_LIMIT, "the prompt has %zu tokens", count);
    if (p->n_stop_ids && !p->stop_ids) return weft_api_null("weft_batch_add", "stop_ids");
    struct text *t = weft_calloc(1, sizeof *t);
    if (!t) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a text");
    t->stream =
        (struct weft_stream){.decoder = {.tokenizer = weft_lm_tokenizer(b->model)}, .text = p->text, .user = p->user};
    t->token = p->token;
    t->user = p->user;
    const struct weft_generate_params lm = weft_api_generate_params(p, on_token, t);
    weft_status status = copy_stops(t, p);
    if (status == WEFT_OK) status = weft_lm_batch_add(b->lm, ids, (uint32_t)count, &lm, &t->id);
    if (status != WEFT_OK) {
        text_free(t);
        return status;
    }
    t->next = b->texts;
    b->texts = t;
    if (id) *id = t->id;
    return WEFT_OK;
}

weft_status weft_batch_add_ids(weft_batch *batch, const int32_t *ids, size_t count,
                               const struct weft_model_generate_params *params, uint64_t *id) {
    struct weft_model_generate_params p;
    if (id) *id = 0;
    if (!batch || (count && !ids)) return weft_api_null("weft_batch_add_ids", batch ? "ids" : "batch");
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_model_generate_params, cancel, params, &p));
    return add(batch, ids, count, &p, id);
}

weft_status weft_batch_add(weft_batch *batch, const char *prompt, size_t length,
                           const struct weft_model_generate_params *params, uint64_t *id) {
    struct weft_model_generate_params p;
    struct weft_ids ids = {0};
    if (id) *id = 0;
    if (!batch || (length && !prompt)) return weft_api_null("weft_batch_add", batch ? "prompt" : "batch");
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_model_generate_params, cancel, params, &p));
    const struct weft_tokenizer *tokenizer = weft_lm_tokenizer(batch->model);
    weft_status status = weft_api_encode(tokenizer, prompt ? prompt : "", length, p.tokenize, &ids);
    if (status == WEFT_OK) status = add(batch, ids.data, ids.count, &p, id);
    weft_ids_free(&ids);
    return status;
}

weft_status weft_batch_stop(weft_batch *batch, uint64_t id) {
    if (!batch) return weft_api_null("weft_batch_stop", "batch");
    for (struct text *t = batch->texts; t; t = t->next)
        if (t->id == id) t->stream.text = NULL; // it gets no more
    return weft_lm_batch_stop(batch->lm, id);
}

// ---- steps ---------------------------------------------------------------------------------------------------------

weft_status weft_batch_step(weft_batch *batch, bool wait, size_t *left) {
    if (left) *left = 0;
    return batch ? weft_lm_batch_step(batch->lm, wait, left) : weft_api_null("weft_batch_step", "batch");
}

static struct text *take_text(weft_batch *b, uint64_t id) {
    struct text **link = &b->texts;
    while (*link && (*link)->id != id) link = &(*link)->next;
    struct text *t = *link;
    if (t) *link = t->next;
    return t;
}

bool weft_batch_next(weft_batch *batch, struct weft_batch_result *out) {
    struct weft_lm_batch_end end;
    if (!batch || !out || !weft_lm_batch_next(batch->lm, &end)) return false;
    *out = (struct weft_batch_result){.id = end.id, .status = end.status, .stats = end.stats};
    struct text *t = take_text(batch, end.id);
    if (!t) return true;
    if (out->status == WEFT_OK) out->status = t->status;
    if (t->stream.stopper.stopped) out->stats.reason = WEFT_STOP_TEXT;
    text_free(t);
    return true;
}

weft_status weft_batch_counters(const weft_batch *batch, struct weft_batch_counters *out) {
    if (!batch || !out) return weft_api_null("weft_batch_counters", batch ? "out" : "batch");
    struct weft_lm_batch_counts c = weft_lm_batch_counts(batch->lm);
    *out = (struct weft_batch_counters){
        .runs = c.runs, .tokens = c.tokens, .reused_tokens = c.reused, .evicted = c.evicted};
    return WEFT_OK;
}

weft_program *weft_batch_program(const weft_batch *batch) { return batch ? weft_lm_batch_program(batch->lm) : NULL; }
