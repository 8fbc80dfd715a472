#include "model/pooling.h"

#include "core/error.h"
#include "core/visible.h"

#include <stdio.h>

static weft_status read_kind(const struct weft_source *file, const char *arch, struct weft_pooling_config *out) {
    enum { RANK = 4 };
    char key[96];
    uint32_t kind;
    struct weft_source_str unknown = {0};
    snprintf(key, sizeof key, "%s.pooling_type", arch);
    WEFT_TRY(weft_source_u32_or(file, key, WEFT_POOLING_MODEL, &kind));
    if (kind == RANK)
        return weft_fail(WEFT_ERR_UNSUPPORTED, "%s: key %s is %u; the model ranks texts, which Weft does not compute",
                         weft_source_path(file), key, kind);
    if (kind > WEFT_POOLING_LAST)
        return weft_fail(WEFT_ERR_FORMAT, "%s: key %s is %u; it must be 0 to %d", weft_source_path(file), key, kind,
                         RANK);
    out->pooling = (enum weft_pooling)kind;
    snprintf(key, sizeof key, "%s.embedding.pooling", arch);
    if (!weft_source_has(file, key)) return WEFT_OK;
    WEFT_TRY(weft_source_get_string(file, key, &unknown));
    weft_visible(WEFT_VISIBLE_LINE, unknown.data, unknown.len, out->unknown, sizeof out->unknown);
    return WEFT_OK;
}

weft_status weft_pooling_read(const struct weft_source *file, const struct weft_model_config *config,
                              struct weft_pooling_config *out) {
    char key[96];
    *out = (struct weft_pooling_config){0};
    WEFT_TRY(read_kind(file, config->arch, out));
    snprintf(key, sizeof key, "%s.embedding.normalize", config->arch);
    WEFT_TRY(weft_source_bool_or(file, key, true, &out->normalize));
    snprintf(key, sizeof key, "%s.embedding.max_tokens", config->arch);
    WEFT_TRY(weft_source_u32_or(file, key, config->ctx_train, &out->max_tokens));
    if (out->max_tokens == 0)
        return weft_fail(WEFT_ERR_FORMAT, "%s: key %s is 0, so that no text would have a token", weft_source_path(file),
                         key);
    if (out->max_tokens > config->ctx_train) out->max_tokens = config->ctx_train;
    return WEFT_OK;
}

void weft_pooling_weights(enum weft_pooling pooling, uint32_t n, float *weights) {
    for (uint32_t i = 0; i < n; i++)
        weights[i] = pooling == WEFT_POOLING_MEAN  ? 1.0f / (float)n
                     : pooling == WEFT_POOLING_CLS ? (i == 0 ? 1.0f : 0.0f)
                                                   : (i + 1 == n ? 1.0f : 0.0f);
}
