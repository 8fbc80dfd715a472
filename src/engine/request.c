#include "engine/request.h"

#include "core/error.h"
#include "engine/lm_impl.h"

static weft_status collect_stops(const weft_lm *lm, const struct weft_model_generate_params *params,
                                 struct weft_lm_request *r) {
    size_t n = 0;
    const int32_t *own = weft_tokenizer_stop_ids(lm->tokenizer, &n);
    if (params->ignore_stops) n = 0;
    if (params->n_stop_ids && !params->stop_ids)
        return weft_fail(WEFT_ERR_INVALID, "%u stop tokens of the caller, and stop_ids is NULL", params->n_stop_ids);
    if (n + params->n_stop_ids > WEFT_LM_STOPS - 1)
        return weft_fail(WEFT_ERR_LIMIT, "%zu stop tokens of the model and %u of the caller; at most %d together", n,
                         params->n_stop_ids, WEFT_LM_STOPS - 1);
    WEFT_TRY(weft_lm_check_ids(lm, params->stop_ids, params->n_stop_ids));
    for (size_t i = 0; i < n; i++) r->stops[++r->stops[0]] = (uint32_t)own[i];
    for (uint32_t i = 0; i < params->n_stop_ids; i++) r->stops[++r->stops[0]] = (uint32_t)params->stop_ids[i];
    return WEFT_OK;
}

/// Zero of a setting is "off" here, while the sampler has its own ways to say so.
static struct weft_sample_settings settings(const struct weft_sampling *s) {
    return (struct weft_sample_settings){
        .temperature = s->temp,
        .top_k = s->top_k,
        .top_p = s->top_p == 0 ? 1 : s->top_p,
        .min_p = s->min_p,
        .repetition = s->repetition == 0 ? 1 : s->repetition,
        .frequency = s->frequency,
        .presence = s->presence,
        .seed = s->seed,
    };
}

weft_status weft_lm_check_sampling(const struct weft_sampling *sampling) {
    struct weft_sample_settings set = settings(sampling);
    uint32_t words[WEFT_SAMPLE_WORDS];
    return weft_sample_pack(&set, words);
}

weft_status weft_lm_request_make(const weft_lm *lm, uint32_t ctx, const int32_t *ids, size_t n,
                                 const struct weft_model_generate_params *params, struct weft_lm_request *out) {
    struct weft_sample_settings set = settings(&params->sampling);
    *out = (struct weft_lm_request){0};
    if (n == 0) return weft_fail(WEFT_ERR_INVALID, "an empty prompt: at least one token is needed, such as BOS");
    if (n > ctx)
        return weft_fail(WEFT_ERR_LIMIT, "the prompt has %zu tokens and the context %u; shorten it or raise --ctx", n,
                         ctx);
    WEFT_TRY(weft_lm_check_ids(lm, ids, (uint32_t)n));
    WEFT_TRY(weft_sample_pack(&set, out->words));
    if ((out->words[WEFT_SAMPLE_FLAGS] & WEFT_SAMPLE_DRAW) && !lm->build.sampling)
        return weft_fail(WEFT_ERR_INVALID, "the model was opened as greedy; open it without for a temperature above 0");
    out->penalised = set.repetition != 1 || set.frequency != 0 || set.presence != 0;
    out->limit = ctx - (uint32_t)n;
    if (params->max_tokens && params->max_tokens < out->limit) out->limit = params->max_tokens;
    return collect_stops(lm, params, out);
}

bool weft_lm_request_stops(const struct weft_lm_request *r, int32_t id) {
    for (uint32_t i = 1; i <= r->stops[0]; i++)
        if (r->stops[i] == (uint32_t)id) return true;
    return false;
}
