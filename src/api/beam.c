/// weft/beam.h: searches as users see them. Texts are made here from the ids that engine/beam.h gives.
#include "weft/beam.h"
#include "api/impl.h"
#include "core/alloc.h"
#include "core/error.h"
#include "engine/beam.h"
#include "engine/stream.h"

struct weft_beams {
    struct weft_lm_hypotheses found;
    struct weft_str *texts; ///< [found.n]
};

static bool append(void *user, const char *text, size_t length) {
    struct weft_str *s = user;
    weft_str_addn(s, text, length);
    return !s->failed;
}

/// What generation would have passed on of these ids.
static weft_status decode(const struct weft_tokenizer *tokenizer, const struct weft_ids *ids, struct weft_str *out) {
    struct weft_stream stream;
    const struct weft_model_generate_params to = {.text = append, .user = out};
    WEFT_TRY(weft_stream_begin(&stream, tokenizer, &to));
    bool more = true;
    for (size_t i = 0; i < ids->count && more; i++) more = weft_stream_push(&stream, ids->data[i]);
    weft_status status = weft_stream_end(&stream);
    weft_stream_free(&stream);
    return status == WEFT_OK && out->failed ? weft_fail(WEFT_ERR_NOMEM, "out of memory for a text") : status;
}

static weft_status fill(weft_model *model, const int32_t *ids, uint32_t n, const struct weft_beam_params *p,
                        weft_beams *b) {
    WEFT_TRY(weft_lm_beams(model, ids, n, p, &b->found));
    b->texts = weft_calloc(b->found.n, sizeof *b->texts);
    if (!b->texts) return weft_fail(WEFT_ERR_NOMEM, "out of memory for %u texts", b->found.n);
    for (uint32_t i = 0; i < b->found.n; i++)
        WEFT_TRY(decode(weft_lm_tokenizer(model), &b->found.all[i].ids, &b->texts[i]));
    return WEFT_OK;
}

static weft_status find(weft_model *model, const int32_t *ids, size_t count, const struct weft_beam_params *p,
                        weft_beams **out) {
    if (p->n_stop_ids && !p->stop_ids) return weft_api_null("weft_model_beams", "stop_ids");
    if (count > UINT32_MAX) return weft_fail(WEFT_ERR_LIMIT, "the prompt has %zu tokens", count);
    weft_beams *b = weft_calloc(1, sizeof *b);
    if (!b) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a search");
    weft_status status = fill(model, ids, (uint32_t)count, p, b);
    if (status == WEFT_OK) *out = b;
    else weft_beams_destroy(&b);
    return status;
}

weft_status weft_model_beams_ids(weft_model *model, const int32_t *ids, size_t count,
                                 const struct weft_beam_params *params, weft_beams **out) {
    struct weft_beam_params p;
    if (out) *out = NULL;
    if (!model || !out || (count && !ids))
        return weft_api_null("weft_model_beams_ids", !model ? "model" : !out ? "out" : "ids");
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_beam_params, cancel, params, &p));
    return find(model, ids, count, &p, out);
}

weft_status weft_model_beams(weft_model *model, const char *prompt, size_t length,
                             const struct weft_beam_params *params, weft_beams **out) {
    struct weft_beam_params p;
    struct weft_ids ids = {0};
    if (out) *out = NULL;
    if (!model || !out || (length && !prompt))
        return weft_api_null("weft_model_beams", !model ? "model" : !out ? "out" : "prompt");
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_beam_params, cancel, params, &p));
    weft_status status = weft_api_encode(weft_lm_tokenizer(model), prompt ? prompt : "", length, p.tokenize, &ids);
    if (status == WEFT_OK) status = find(model, ids.data, ids.count, &p, out);
    weft_ids_free(&ids);
    return status;
}

size_t weft_beams_count(const weft_beams *beams) { return beams ? beams->found.n : 0; }

weft_status weft_beams_result(const weft_beams *beams, size_t index, struct weft_beam_result *out) {
    if (!beams || !out) return weft_api_null("weft_beams_result", beams ? "out" : "beams");
    if (index >= beams->found.n)
        return weft_fail(WEFT_ERR_INVALID, "there is no result %zu; the search found %u", index, beams->found.n);
    const struct weft_lm_hypothesis *h = &beams->found.all[index];
    *out = (struct weft_beam_result){
        .ids = h->ids.data,
        .count = h->ids.count,
        .text = weft_str_get(&beams->texts[index]),
        .length = beams->texts[index].len,
        .log_probability = h->log_probability,
        .score = h->score,
        .reason = h->reason,
    };
    return WEFT_OK;
}

weft_status weft_beams_stats(const weft_beams *beams, struct weft_beam_stats *out) {
    if (!beams || !out) return weft_api_null("weft_beams_stats", beams ? "out" : "beams");
    *out = beams->found.stats;
    return WEFT_OK;
}

void weft_beams_destroy(weft_beams **beams) {
    if (!beams || !*beams) return;
    weft_beams *b = *beams;
    for (uint32_t i = 0; b->texts && i < b->found.n; i++) weft_str_free(&b->texts[i]);
    weft_free(b->texts);
    weft_lm_hypotheses_free(&b->found);
    weft_free(b);
    *beams = NULL;
}
