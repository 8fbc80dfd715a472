/// weft/model.h: language models as users see them, on weft_lm_*.
#include "core/alloc.h"
#include "core/error.h"
#include "core/params.h"
#include "core/visible.h"
#include "api/impl.h"
#include "model/lm.h"
#include "model/lm_stop.h"
#include "ops/sample.h"
#include <string.h>

struct weft_model {
    weft_lm *lm;
    bool greedy;
};

// ---- life ----------------------------------------------------------------------------------------------------------

weft_status weft_model_open(weft_device *device, const char *path, const struct weft_model_params *params,
                            weft_model **out) {
    struct weft_model_params p;
    if (out) *out = NULL;
    if (!device || !path || !out) return weft_api_null("weft_model_open", !device ? "device" : !path ? "path" : "out");
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_model_params, progress_user, params, &p));
    struct weft_lm_params lm = {
        .ctx = p.ctx,
        .chunk = p.chunk,
        .cache_f16 = p.cache_f16,
        .sampling = !p.greedy,
        .runs = p.runs,
        .lazy = p.lazy,
        .memory_limit = p.memory_limit,
        .progress = p.progress,
        .progress_user = p.progress_user,
    };
    weft_model *m = weft_calloc(1, sizeof *m);
    if (!m) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a model");
    m->greedy = p.greedy;
    weft_status status = weft_lm_open(device, path, &lm, &m->lm);
    if (status == WEFT_OK) *out = m;
    else weft_free(m);
    return status;
}

void weft_model_close(weft_model **model) {
    if (!model || !*model) return;
    weft_lm_close(&(*model)->lm);
    weft_free(*model);
    *model = NULL;
}

static void copy_text(const struct weft_source *file, const char *key, char *out, size_t size) {
    struct weft_source_str s = {0};
    *out = 0; // a file without the key, or with one of another type, has an empty text
    if (weft_source_get_string(file, key, &s) == WEFT_OK) weft_visible(WEFT_VISIBLE_LINE, s.data, s.len, out, size);
}

weft_status weft_model_info(const weft_model *model, struct weft_model_info *out) {
    if (!model || !out) return weft_api_null("weft_model_info", model ? "out" : "model");
    const struct weft_tokenizer *t = weft_lm_tokenizer(model->lm);
    *out = (struct weft_model_info){
        .vocab = (uint32_t)weft_tokenizer_size(t),
        .ctx = weft_lm_ctx(model->lm),
        .bos = weft_tokenizer_bos(t),
        .eos = weft_tokenizer_eos(t),
        .memory = weft_program_memory(weft_lm_program(model->lm)),
        .file_bytes = weft_source_bytes(weft_lm_source(model->lm)),
    };
    copy_text(weft_lm_source(model->lm), "general.architecture", out->architecture, sizeof out->architecture);
    copy_text(weft_lm_source(model->lm), "general.name", out->name, sizeof out->name);
    return WEFT_OK;
}

weft_program *weft_model_program(const weft_model *model) { return model ? weft_lm_program(model->lm) : NULL; }

struct weft_sampling weft_sampling_defaults(void) {
    struct weft_sample_settings d = weft_sample_defaults();
    return (struct weft_sampling){.temp = d.temperature, .top_k = d.top_k, .top_p = d.top_p, .min_p = d.min_p};
}

// ---- text and ids --------------------------------------------------------------------------------------------------

const weft_tokenizer *weft_model_tokenizer(const weft_model *model) {
    return model ? weft_lm_tokenizer(model->lm) : NULL;
}

weft_status weft_model_tokenize(const weft_model *model, const char *text, size_t length, unsigned flags, int32_t *ids,
                                size_t capacity, size_t *count) {
    if (!model) return weft_api_null("weft_model_tokenize", "model");
    return weft_tokenizer_to_ids(weft_lm_tokenizer(model->lm), text, length, flags, ids, capacity, count);
}

weft_status weft_model_detokenize(const weft_model *model, const int32_t *ids, size_t count, char *text,
                                  size_t capacity, size_t *length) {
    if (!model) return weft_api_null("weft_model_detokenize", "model");
    return weft_tokenizer_to_text(weft_lm_tokenizer(model->lm), ids, count, false, text, capacity, length);
}

// ---- generation ----------------------------------------------------------------------------------------------------

/// From ids to the caller's callbacks: whole characters, held back while they may begin a stop text.
struct stream {
    const struct weft_model_generate_params *params;
    struct weft_decoder decoder;
    struct weft_stopper stopper;
    struct weft_str pending;
    weft_status status;
    bool go_on;
};

static void show(struct stream *s) {
    if (s->status == WEFT_OK && s->pending.failed) s->status = weft_fail(WEFT_ERR_NOMEM, "out of memory for the text");
    if (s->status == WEFT_OK && s->pending.len && s->params->text)
        s->go_on = s->params->text(s->params->user, s->pending.data, s->pending.len) && s->go_on;
    s->pending.len = 0;
}

static void push(struct stream *s, const struct weft_str *bytes) {
    if (s->status == WEFT_OK) s->status = weft_stopper_push(&s->stopper, weft_str_get(bytes), bytes->len, &s->pending);
}

static bool on_token(void *user, int32_t id) {
    struct stream *s = user;
    struct weft_str bytes = {0};
    if (s->params->token && !s->params->token(s->params->user, id)) s->go_on = false;
    s->status = weft_decoder_push(&s->decoder, id, &bytes);
    push(s, &bytes);
    weft_str_free(&bytes);
    show(s);
    return s->status == WEFT_OK && s->go_on && !s->stopper.stopped;
}

/// What was held back at the end.
static void flush(struct stream *s) {
    struct weft_str bytes = {0};
    if (s->status == WEFT_OK) s->status = weft_decoder_flush(&s->decoder, &bytes);
    push(s, &bytes);
    if (s->status == WEFT_OK) s->status = weft_stopper_flush(&s->stopper, &s->pending);
    weft_str_free(&bytes);
    show(s);
}

static weft_status take_stop_texts(const struct weft_model_generate_params *p, struct weft_stopper *out) {
    if (p->n_stop_texts > WEFT_STOP_TEXTS)
        return weft_fail(WEFT_ERR_INVALID, "%zu stop texts; at most %d", p->n_stop_texts, WEFT_STOP_TEXTS);
    for (size_t i = 0; i < p->n_stop_texts; i++) {
        if (!p->stop_texts || !p->stop_texts[i] || !*p->stop_texts[i])
            return weft_fail(WEFT_ERR_INVALID, "stop text %zu is empty", i);
        out->texts[out->n++] = p->stop_texts[i];
    }
    return WEFT_OK;
}

static weft_status check_generate(const weft_model *m, const struct weft_model_generate_params *p) {
    if (m->greedy && p->sampling.temp > 0)
        return weft_fail(WEFT_ERR_INVALID, "the model was opened as greedy; open it without for a temperature above 0");
    if (p->n_stop_ids && !p->stop_ids) return weft_api_null("weft_model_generate", "stop_ids");
    return WEFT_OK;
}

weft_status weft_model_generate_ids(weft_model *model, const int32_t *ids, size_t count,
                                    const struct weft_model_generate_params *params,
                                    struct weft_generate_stats *stats) {
    struct weft_model_generate_params p;
    struct weft_generate_stats own = {0};
    if (stats) *stats = own;
    if (!model || (count && !ids)) return weft_api_null("weft_model_generate", model ? "ids" : "model");
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_model_generate_params, cancel, params, &p));
    if (count > UINT32_MAX) return weft_fail(WEFT_ERR_LIMIT, "the prompt has %zu tokens", count);
    struct stream s = {.params = &p, .decoder = {.tokenizer = weft_lm_tokenizer(model->lm)}, .go_on = true};
    struct weft_generate_params lm = {
        .sampling = p.sampling,
        .max_tokens = p.max_tokens,
        .stop_ids = p.stop_ids,
        .n_stop_ids = p.n_stop_ids,
        .ignore_stops = p.ignore_stops,
        .token = on_token,
        .user = &s,
        .cancel = p.cancel,
    };
    WEFT_TRY(check_generate(model, &p));
    WEFT_TRY(take_stop_texts(&p, &s.stopper));
    weft_status status = weft_lm_generate(model->lm, ids, (uint32_t)count, &lm, &own);
    if (status == WEFT_OK) flush(&s);
    if (status == WEFT_OK) status = s.status;
    if (s.stopper.stopped) own.reason = WEFT_STOP_TEXT;
    if (stats) *stats = own;
    weft_stopper_free(&s.stopper);
    weft_str_free(&s.pending);
    return status;
}

weft_status weft_model_generate(weft_model *model, const char *prompt, size_t length,
                                const struct weft_model_generate_params *params, struct weft_generate_stats *stats) {
    struct weft_ids ids = {0};
    if (!model || (length && !prompt)) return weft_api_null("weft_model_generate", model ? "prompt" : "model");
    struct weft_model_generate_params p;
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_model_generate_params, cancel, params, &p));
    weft_status status = weft_api_encode(weft_lm_tokenizer(model->lm), prompt ? prompt : "", length, p.tokenize, &ids);
    if (status == WEFT_OK) status = weft_model_generate_ids(model, ids.data, ids.count, &p, stats);
    weft_ids_free(&ids);
    return status;
}

// ---- scoring -------------------------------------------------------------------------------------------------------

weft_status weft_model_perplexity(weft_model *model, const char *text, size_t length, uint32_t ctx, uint32_t chunks,
                                  void (*each)(void *user, uint32_t chunk, uint32_t chunks, double figure), void *user,
                                  double *figure) {
    struct weft_ids ids = {0};
    if (!model || (length && !text) || !figure)
        return weft_api_null("weft_model_perplexity", !model ? "model" : !figure ? "figure" : "text");
    *figure = 0;
    weft_status status = weft_api_encode(weft_lm_tokenizer(model->lm), text ? text : "", length, 0, &ids);
    if (status == WEFT_OK && ids.count > UINT32_MAX)
        status = weft_fail(WEFT_ERR_LIMIT, "the text has %zu tokens", ids.count);
    if (status == WEFT_OK)
        status =
            weft_lm_perplexity(model->lm, ids.data, (uint32_t)ids.count, ctx ? ctx : 512, chunks, each, user, figure);
    weft_ids_free(&ids);
    return status;
}

weft_status weft_model_logits(weft_model *model, const int32_t *ids, size_t count, float *logits) {
    const uint32_t chunk = 64;
    if (!model || !ids || !logits)
        return weft_api_null("weft_model_logits", !model ? "model" : !ids ? "ids" : "logits");
    if (count > weft_lm_ctx(model->lm))
        return weft_fail(WEFT_ERR_LIMIT, "%zu tokens do not fit the context of %u", count, weft_lm_ctx(model->lm));
    return weft_lm_logits(model->lm, ids, (uint32_t)count, chunk, logits);
}
