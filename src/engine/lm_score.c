/// Perplexity and logits by teacher forcing.
#include "engine/lm_impl.h"

#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"

#include <math.h>
#include <string.h>

// ---- perplexity ----------------------------------------------------------------------------------------------------

static weft_status prepare_score(weft_lm *lm, uint32_t n_ctx) {
    struct weft_lm_build b = {
        .ctx = n_ctx, .chunk = lm->params.chunk, .cache_f16 = lm->params.cache_f16, .head = WEFT_LM_NLL};
    if (lm->score.program && lm->score.build.ctx == n_ctx) return WEFT_OK;
    WEFT_TRY(weft_lm_build_defaults(&lm->config, weft_gpu_caps(lm->gpu), &b));
    weft_lm_engine_destroy(&lm->score);
    return weft_lm_engine_create(lm, &b, 1, &lm->score);
}

/// Sums what the tokens from first + 1 to the last of `ids` cost, each predicted from those before it.
static weft_status score_chunk(struct weft_lm_engine *e, const int32_t *ids, uint32_t n, uint32_t first, double *sum) {
    enum { MOST = 64 };
    float nll[MOST];
    WEFT_TRY(weft_lm_engine_reset(e));
    for (uint32_t p = 0, t; p < n - 1; p += t) {
        t = n - 1 - p < e->build.chunk ? n - 1 - p : e->build.chunk;
        uint32_t end = p + t, rows = end > first ? (end - first < t ? end - first : t) : 0;
        WEFT_TRY(weft_cancel_check());
        WEFT_TRY(weft_session_write_state(e->session, e->at.targets, 0, ids + p + 1, (uint64_t)t * sizeof *ids));
        WEFT_TRY(weft_lm_engine_feed(e, ids + p, t, rows, NULL));
        if (!rows) continue;
        WEFT_TRY(weft_session_read_io(e->session, e->at.output, 0, nll, (uint64_t)rows * sizeof *nll));
        for (uint32_t i = 0; i < rows; i++) *sum += (double)nll[i];
    }
    return WEFT_OK;
}

static weft_status perplexity(weft_lm *lm, const int32_t *ids, uint32_t n, uint32_t n_ctx, uint32_t max_chunks,
                              void (*each)(void *user, uint32_t chunk, uint32_t chunks, double figure), void *user,
                              double *figure) {
    int32_t bos = weft_tokenizer_bos(lm->tokenizer);
    if (n_ctx < 4) return weft_fail(WEFT_ERR_INVALID, "a context of %u is too short for perplexity; at least 4", n_ctx);
    if (n / 2 < n_ctx)
        return weft_fail(
            WEFT_ERR_INVALID,
            "the text has %u tokens; with a context of %u at least %llu are needed: take a longer text or a "
            "smaller --ctx",
            n, n_ctx, 2ull * n_ctx);
    WEFT_TRY(weft_lm_check_ids(lm, ids, n));
    WEFT_TRY(prepare_score(lm, n_ctx));
    int32_t *chunk = weft_alloc((size_t)n_ctx * sizeof *chunk);
    if (!chunk) return weft_fail(WEFT_ERR_NOMEM, "out of memory for %u tokens", n_ctx);
    uint32_t chunks = n / n_ctx, first = n_ctx / 2;
    if (max_chunks && max_chunks < chunks) chunks = max_chunks;
    weft_status status = WEFT_OK;
    double sum = 0;
    for (uint32_t i = 0; status == WEFT_OK && i < chunks; i++) {
        memcpy(chunk, ids + (size_t)i * n_ctx, (size_t)n_ctx * sizeof *chunk);
        if (bos >= 0) chunk[0] = bos;
        status = score_chunk(&lm->score, chunk, n_ctx, first, &sum);
        *figure = exp(sum / ((double)(i + 1) * (n_ctx - 1 - first)));
        if (status == WEFT_OK && each) each(user, i + 1, chunks, *figure);
    }
    weft_free(chunk);
    return status;
}

weft_status weft_lm_perplexity(weft_lm *lm, const int32_t *ids, uint32_t n, uint32_t n_ctx, uint32_t max_chunks,
                               void (*each)(void *user, uint32_t chunk, uint32_t chunks, double figure), void *user,
                               double *figure) {
    struct weft_cancel_scope scope;
    weft_cancel_begin(&scope, lm->params.cancel);
    weft_status status = perplexity(lm, ids, n, n_ctx, max_chunks, each, user, figure);
    weft_cancel_end(&scope);
    return status;
}

// ---- logits --------------------------------------------------------------------------------------------------------

static weft_status prepare_logits(weft_lm *lm, uint32_t chunk) {
    struct weft_lm_build b = {
        .ctx = lm->build.ctx, .chunk = chunk, .cache_f16 = lm->params.cache_f16, .head = WEFT_LM_LOGITS};
    if (b.chunk > b.ctx) b.chunk = b.ctx;
    if (lm->logits.program && lm->logits.build.chunk == b.chunk) return WEFT_OK;
    weft_lm_engine_destroy(&lm->logits);
    return weft_lm_engine_create(lm, &b, 1, &lm->logits);
}

static weft_status all_logits(weft_lm *lm, const int32_t *ids, uint32_t n, uint32_t chunk, float *logits) {
    if (!n || !chunk) return weft_fail(WEFT_ERR_INVALID, "%u tokens in chunks of %u: both must be positive", n, chunk);
    if (n > lm->build.ctx) return weft_fail(WEFT_ERR_LIMIT, "%u tokens do not fit the context of %u", n, lm->build.ctx);
    WEFT_TRY(weft_lm_check_ids(lm, ids, n));
    WEFT_TRY(prepare_logits(lm, chunk));
    struct weft_lm_engine *e = &lm->logits;
    WEFT_TRY(weft_lm_engine_reset(e));
    for (uint32_t p = 0, t; p < n; p += t) {
        t = n - p < e->build.chunk ? n - p : e->build.chunk;
        WEFT_TRY(weft_cancel_check());
        WEFT_TRY(weft_lm_engine_feed(e, ids + p, t, t, NULL));
        size_t at = (size_t)p * lm->config.n_vocab, count = (size_t)t * lm->config.n_vocab;
        WEFT_TRY(weft_session_read_io(e->session, e->at.output, 0, logits + at, count * sizeof *logits));
    }
    return WEFT_OK;
}

weft_status weft_lm_logits(weft_lm *lm, const int32_t *ids, uint32_t n, uint32_t chunk, float *logits) {
    struct weft_cancel_scope scope;
    weft_cancel_begin(&scope, lm->params.cancel);
    weft_status status = all_logits(lm, ids, n, chunk, logits);
    weft_cancel_end(&scope);
    return status;
}
