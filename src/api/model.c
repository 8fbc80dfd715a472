/// weft/model.h: language models as users see them. A weft_model is the weft_lm of engine/lm.h.
#include "core/error.h"
#include "core/params.h"
#include "core/visible.h"
#include "api/impl.h"
#include "engine/lm.h"
#include "ops/sample.h"
#include <string.h>

// ---- life ----------------------------------------------------------------------------------------------------------

weft_status weft_model_open(weft_device *device, const char *path, const struct weft_model_params *params,
                            weft_model **out) {
    struct weft_model_params p;
    if (out) *out = NULL;
    if (!device || !path || !out) return weft_api_null("weft_model_open", !device ? "device" : !path ? "path" : "out");
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_model_params, progress_user, params, &p));
    if (!weft_numbers_name(p.numbers))
        return weft_fail(WEFT_ERR_INVALID, "numbers %d is none of enum weft_numbers", (int)p.numbers);
    return weft_lm_open(device, path, &p, out);
}

void weft_model_close(weft_model **model) {
    if (model) weft_lm_close(model);
}

weft_status weft_model_prepare(weft_model *model) {
    return model ? weft_lm_prepare_generate(model) : weft_api_null("weft_model_prepare", "model");
}

static void copy_text(const struct weft_source *file, const char *key, char *out, size_t size) {
    struct weft_source_str s = {0};
    *out = 0; // a file without the key, or with one of another type, has an empty text
    if (weft_source_get_string(file, key, &s) == WEFT_OK) weft_visible(WEFT_VISIBLE_LINE, s.data, s.len, out, size);
}

weft_status weft_model_info(const weft_model *model, struct weft_model_info *out) {
    if (!model || !out) return weft_api_null("weft_model_info", model ? "out" : "model");
    const struct weft_tokenizer *t = weft_lm_tokenizer(model);
    *out = (struct weft_model_info){
        .vocab = (uint32_t)weft_tokenizer_size(t),
        .ctx = weft_lm_ctx(model),
        .bos = weft_tokenizer_bos(t),
        .eos = weft_tokenizer_eos(t),
        .memory = weft_program_memory(weft_lm_program(model)),
        .file_bytes = weft_source_bytes(weft_lm_source(model)),
    };
    copy_text(weft_lm_source(model), "general.architecture", out->architecture, sizeof out->architecture);
    copy_text(weft_lm_source(model), "general.name", out->name, sizeof out->name);
    return WEFT_OK;
}

weft_program *weft_model_program(const weft_model *model) { return model ? weft_lm_program(model) : NULL; }

struct weft_sampling weft_sampling_defaults(void) {
    struct weft_sample_settings d = weft_sample_defaults();
    return (struct weft_sampling){.temp = d.temperature, .top_k = d.top_k, .top_p = d.top_p, .min_p = d.min_p};
}

// ---- text and ids --------------------------------------------------------------------------------------------------

const weft_tokenizer *weft_model_tokenizer(const weft_model *model) { return model ? weft_lm_tokenizer(model) : NULL; }

weft_status weft_model_tokenize(const weft_model *model, const char *text, size_t length, unsigned flags, int32_t *ids,
                                size_t capacity, size_t *count) {
    if (!model) return weft_api_null("weft_model_tokenize", "model");
    return weft_tokenizer_to_ids(weft_lm_tokenizer(model), text, length, flags, ids, capacity, count);
}

weft_status weft_model_detokenize(const weft_model *model, const int32_t *ids, size_t count, char *text,
                                  size_t capacity, size_t *length) {
    if (!model) return weft_api_null("weft_model_detokenize", "model");
    return weft_tokenizer_to_text(weft_lm_tokenizer(model), ids, count, false, text, capacity, length);
}

// ---- generation ----------------------------------------------------------------------------------------------------

weft_status weft_model_generate_ids(weft_model *model, const int32_t *ids, size_t count,
                                    const struct weft_model_generate_params *params,
                                    struct weft_generate_stats *stats) {
    struct weft_model_generate_params p;
    if (stats) *stats = (struct weft_generate_stats){0};
    if (!model || (count && !ids)) return weft_api_null("weft_model_generate_ids", model ? "ids" : "model");
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_model_generate_params, cancel, params, &p));
    return weft_lm_generate(model, ids, count, &p, stats);
}

weft_status weft_model_generate(weft_model *model, const char *prompt, size_t length,
                                const struct weft_model_generate_params *params, struct weft_generate_stats *stats) {
    struct weft_model_generate_params p;
    struct weft_ids ids = {0};
    if (stats) *stats = (struct weft_generate_stats){0};
    if (!model || (length && !prompt)) return weft_api_null("weft_model_generate", model ? "prompt" : "model");
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_model_generate_params, cancel, params, &p));
    weft_status status = weft_api_encode(weft_lm_tokenizer(model), prompt ? prompt : "", length, p.tokenize, &ids);
    if (status == WEFT_OK) status = weft_lm_generate(model, ids.data, ids.count, &p, stats);
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
    weft_status status = weft_api_encode(weft_lm_tokenizer(model), text ? text : "", length, 0, &ids);
    if (status == WEFT_OK && ids.count > UINT32_MAX)
        status = weft_fail(WEFT_ERR_LIMIT, "the text has %zu tokens", ids.count);
    if (status == WEFT_OK)
        status = weft_lm_perplexity(model, ids.data, (uint32_t)ids.count, ctx ? ctx : 512, chunks, each, user, figure);
    weft_ids_free(&ids);
    return status;
}

weft_status weft_model_logits(weft_model *model, const int32_t *ids, size_t count, float *logits) {
    const uint32_t chunk = 64;
    if (!model || !ids || !logits)
        return weft_api_null("weft_model_logits", !model ? "model" : !ids ? "ids" : "logits");
    if (count > weft_lm_ctx(model))
        return weft_fail(WEFT_ERR_LIMIT, "%zu tokens do not fit the context of %u", count, weft_lm_ctx(model));
    return weft_lm_logits(model, ids, (uint32_t)count, chunk, logits);
}
