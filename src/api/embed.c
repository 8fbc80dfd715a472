/// weft/embed.h: encoders as users see them. A weft_embedder is that of engine/embed.h.
#include "weft/embed.h"
#include "api/impl.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "engine/embed.h"
#include "gpu/gpu.h"

weft_status weft_embedder_open(weft_device *device, const char *path, const struct weft_embedder_params *params,
                               weft_embedder **out) {
    struct weft_embedder_params p;
    if (out) *out = NULL;
    if (!device || !path || !out)
        return weft_api_null("weft_embedder_open", !device ? "device" : !path ? "path" : "out");
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_embedder_params, cancel, params, &p));
    return weft_embed_open(device, path, &p, out);
}

void weft_embedder_close(weft_embedder **embedder) {
    if (!embedder) return;
    weft_embed_close(*embedder);
    *embedder = NULL;
}

weft_status weft_embedder_info(const weft_embedder *embedder, struct weft_embedder_info *out) {
    if (!embedder || !out) return weft_api_null("weft_embedder_info", embedder ? "out" : "embedder");
    weft_embed_info(embedder, out);
    out->memory = weft_program_memory(weft_embed_program(embedder));
    return WEFT_OK;
}

const weft_tokenizer *weft_embedder_tokenizer(const weft_embedder *embedder) {
    return embedder ? weft_embed_tokenizer(embedder) : NULL;
}

weft_program *weft_embedder_program(const weft_embedder *embedder) {
    return embedder ? weft_embed_program(embedder) : NULL;
}

// ---- texts ---------------------------------------------------------------------------------------------------------

static weft_status encode(const weft_embedder *e, const struct weft_text *texts, size_t n, unsigned flags,
                          struct weft_ids *ids, size_t *counts) {
    for (size_t i = 0; i < n; i++) {
        size_t before = ids->count;
        if (!texts[i].data && texts[i].length)
            return weft_fail(WEFT_ERR_INVALID, "weft_embedder_run: the data of text %zu of %zu must not be NULL", i + 1,
                             n);
        WEFT_TRY(
            weft_api_encode(weft_embed_tokenizer(e), texts[i].data ? texts[i].data : "", texts[i].length, flags, ids));
        counts[i] = ids->count - before;
    }
    return WEFT_OK;
}

static weft_status run_texts(weft_embedder *e, const struct weft_text *texts, size_t n,
                             const struct weft_embed_params *p, float *vectors, struct weft_embed_stats *stats) {
    struct weft_ids ids = {0};
    size_t *counts = weft_calloc(n ? n : 1, sizeof *counts);
    weft_status status = counts ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory for %zu texts", n);
    if (status == WEFT_OK) status = encode(e, texts, n, p->tokenize, &ids, counts);
    if (status == WEFT_OK) status = weft_embed_run(e, ids.data, counts, n, p, vectors, stats);
    weft_ids_free(&ids);
    weft_free(counts);
    return status;
}

weft_status weft_embedder_run(weft_embedder *embedder, const struct weft_text *texts, size_t count,
                              const struct weft_embed_params *params, float *vectors, struct weft_embed_stats *stats) {
    struct weft_embed_params p;
    struct weft_embed_stats own = {0};
    double start = weft_now();
    if (stats) *stats = own;
    if (!embedder || (count && (!texts || !vectors)))
        return weft_api_null("weft_embedder_run", !embedder ? "embedder" : !texts ? "texts" : "vectors");
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_embed_params, cancel, params, &p));
    weft_status status = run_texts(embedder, texts, count, &p, vectors, &own);
    own.seconds = weft_now() - start;
    if (stats) *stats = own;
    return status;
}

weft_status weft_embedder_run_ids(weft_embedder *embedder, const int32_t *ids, const size_t *counts, size_t count,
                                  const struct weft_embed_params *params, float *vectors,
                                  struct weft_embed_stats *stats) {
    struct weft_embed_params p;
    struct weft_embed_stats own = {0};
    double start = weft_now();
    if (stats) *stats = own;
    if (!embedder || (count && (!ids || !counts || !vectors)))
        return weft_api_null("weft_embedder_run_ids", !embedder ? "embedder"
                                                      : !ids    ? "ids"
                                                      : !counts ? "counts"
                                                                : "vectors");
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_embed_params, cancel, params, &p));
    weft_status status = weft_embed_run(embedder, ids, counts, count, &p, vectors, &own);
    own.seconds = weft_now() - start;
    if (stats) *stats = own;
    return status;
}
