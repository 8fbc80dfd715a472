/// weft/batch.h: batches as users see them. Arguments are checked here; what they do is in engine/batch.h.
#include "api/impl.h"
#include "core/error.h"
#include "engine/batch.h"

// ---- life ----------------------------------------------------------------------------------------------------------

weft_status weft_batch_create(weft_model *model, const struct weft_batch_params *params, weft_batch **out) {
    struct weft_batch_params p;
    if (out) *out = NULL;
    if (!model || !out) return weft_api_null("weft_batch_create", model ? "out" : "model");
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_batch_params, runs, params, &p));
    return weft_lm_batch_create(model, &p, out);
}

void weft_batch_destroy(weft_batch **batch) {
    if (batch) weft_lm_batch_destroy(batch);
}

// ---- texts ---------------------------------------------------------------------------------------------------------

weft_status weft_batch_add_ids(weft_batch *batch, const int32_t *ids, size_t count,
                               const struct weft_model_generate_params *params, uint64_t *id) {
    struct weft_model_generate_params p;
    if (id) *id = 0;
    if (!batch || (count && !ids)) return weft_api_null("weft_batch_add_ids", batch ? "ids" : "batch");
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_model_generate_params, cancel, params, &p));
    return weft_lm_batch_add(batch, ids, count, &p, id);
}

weft_status weft_batch_add(weft_batch *batch, const char *prompt, size_t length,
                           const struct weft_model_generate_params *params, uint64_t *id) {
    struct weft_model_generate_params p;
    struct weft_ids ids = {0};
    if (id) *id = 0;
    if (!batch || (length && !prompt)) return weft_api_null("weft_batch_add", batch ? "prompt" : "batch");
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_model_generate_params, cancel, params, &p));
    const struct weft_tokenizer *tokenizer = weft_lm_tokenizer(weft_lm_batch_model(batch));
    weft_status status = weft_api_encode(tokenizer, prompt ? prompt : "", length, p.tokenize, &ids);
    if (status == WEFT_OK) status = weft_lm_batch_add(batch, ids.data, ids.count, &p, id);
    weft_ids_free(&ids);
    return status;
}

weft_status weft_batch_stop(weft_batch *batch, uint64_t id) {
    return batch ? weft_lm_batch_stop(batch, id) : weft_api_null("weft_batch_stop", "batch");
}

// ---- steps ---------------------------------------------------------------------------------------------------------

weft_status weft_batch_step(weft_batch *batch, bool wait, size_t *left) {
    if (left) *left = 0;
    return batch ? weft_lm_batch_step(batch, wait, left) : weft_api_null("weft_batch_step", "batch");
}

bool weft_batch_next(weft_batch *batch, struct weft_batch_result *out) {
    return batch && out && weft_lm_batch_next(batch, out);
}

weft_status weft_batch_counters(const weft_batch *batch, struct weft_batch_counters *out) {
    if (!batch || !out) return weft_api_null("weft_batch_counters", batch ? "out" : "batch");
    *out = weft_lm_batch_counts(batch);
    return WEFT_OK;
}

weft_program *weft_batch_program(const weft_batch *batch) { return batch ? weft_lm_batch_program(batch) : NULL; }
