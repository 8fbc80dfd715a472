#include "app/bench_batch.h"
#include "app/quantile.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"

#include <math.h>
#include <string.h>

struct watch {
    uint32_t texts, started; ///< that have a token
    uint64_t tokens;
    double all; ///< clock when the last one had its first
    uint64_t then;
};

struct text {
    struct watch *watch;
    bool started;
};

static bool on_token(void *user, int32_t id) {
    struct text *t = user;
    struct watch *w = t->watch;
    (void)id;
    w->tokens++;
    if (t->started) return true;
    t->started = true;
    if (++w->started == w->texts) {
        w->all = weft_now();
        w->then = w->tokens;
    }
    return true;
}

static weft_status add_all(const struct weft_bench_batch *b, weft_batch *batch, const int32_t *ids, uint32_t vocab,
                           uint32_t repeat, struct text *texts) {
    int32_t *own = weft_alloc(b->prompt * sizeof *own);
    if (!own) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a prompt of %u tokens", b->prompt);
    memcpy(own, ids, b->prompt * sizeof *own);
    weft_status status = WEFT_OK;
    for (uint32_t i = 0; i < b->texts && status == WEFT_OK; i++) {
        const struct weft_model_generate_params params = {
            .max_tokens = b->tokens, .ignore_stops = true, .token = on_token, .user = &texts[i]};
        if (b->prompt > 1) own[1] = (int32_t)((repeat * b->texts + i) % vocab);
        status = weft_batch_add_ids(batch, own, b->prompt, &params, NULL);
    }
    weft_free(own);
    return status;
}

static weft_status once(weft_batch *batch, const int32_t *ids, uint32_t vocab, const struct weft_cancel *cancel,
                        uint32_t repeat, struct weft_bench_batch *b) {
    struct watch w = {.texts = b->texts};
    struct text *texts = weft_calloc(b->texts, sizeof *texts);
    struct weft_batch_result result;
    size_t left = 1;
    if (!texts) return weft_fail(WEFT_ERR_NOMEM, "out of memory for %u texts", b->texts);
    for (uint32_t i = 0; i < b->texts; i++) texts[i].watch = &w;
    double start = weft_now();
    weft_status status = add_all(b, batch, ids, vocab, repeat, texts);
    while (status == WEFT_OK && left && !weft_cancel_is_set(cancel)) status = weft_batch_step(batch, true, &left);
    double end = weft_now();
    while (weft_batch_next(batch, &result))
        if (status == WEFT_OK) status = result.status;
    weft_free(texts);
    if (status == WEFT_OK && weft_cancel_is_set(cancel)) return weft_fail(WEFT_ERR_CANCELLED, "interrupted");
    if (status == WEFT_OK && w.started < w.texts)
        return weft_fail(WEFT_ERR_LIMIT, "prompts of %u tokens leave the context no room for a new one", b->prompt);
    b->prefill = (double)b->texts * b->prompt / (w.all - start);
    b->decode = w.tokens > w.then ? (double)(w.tokens - w.then) / (end - w.all) : NAN;
    return status;
}

/// A few tokens that nobody measures: drivers compile pipelines when these run for the first time.
static weft_status warm_up(weft_batch *batch, const int32_t *ids, uint32_t vocab, const struct weft_cancel *cancel,
                           const struct weft_bench_batch *b) {
    struct weft_bench_batch few = *b;
    if (few.tokens > 4) few.tokens = 4;
    return once(batch, ids, vocab, cancel, b->repeats, &few);
}

weft_status weft_bench_batch(weft_model *model, weft_batch *batch, const int32_t *ids, const struct weft_cancel *cancel,
                             struct weft_bench_batch *b) {
    struct weft_model_info info;
    double *speeds = weft_calloc(2 * (size_t)b->repeats, sizeof *speeds);
    if (!speeds) return weft_fail(WEFT_ERR_NOMEM, "out of memory for the results");
    weft_status status = weft_model_info(model, &info);
    if (status == WEFT_OK) status = warm_up(batch, ids, info.vocab, cancel, b);
    for (uint32_t i = 0; i < b->repeats && status == WEFT_OK; i++) {
        status = once(batch, ids, info.vocab, cancel, i, b);
        speeds[i] = b->prefill;
        speeds[b->repeats + i] = b->decode;
    }
    b->prefill = weft_quantile(speeds, b->repeats, 0.5);
    b->decode = weft_quantile(speeds + b->repeats, b->repeats, 0.5);
    weft_free(speeds);
    return status;
}
