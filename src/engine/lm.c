/// Opening a language model, and the engines (program and session) behind its uses.
#include "engine/lm_impl.h"
#include "engine/pace.h"
#include "engine/room.h"

#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"
#include "model/keys.h"

#include <string.h>

// ---- memory --------------------------------------------------------------------------------------------------------

/// A context that the bindings of a pool do not show would end early.
static weft_status check_pages(const struct weft_lm_build *b, const struct weft_plan *plan) {
    for (uint32_t i = 0; i < plan->n_page_groups; i++) {
        const struct weft_plan_pages *g = &plan->page_groups[i];
        uint64_t most = (uint64_t)g->n_banks * g->bank_pages;
        if (g->n >= most) // and the page that is nobody's
            return weft_fail(WEFT_ERR_LIMIT,
                             "caches of this device hold a context of at most %llu and %u is asked for; "
                             "choose a smaller --ctx",
                             (unsigned long long)((most - 1) << g->shift), b->ctx);
    }
    return WEFT_OK;
}

struct request {
    const weft_lm *lm;
    const struct weft_lm_build *build;
};

/// Whether there is room for what an engine adds, before anything is allocated; weights that another engine has are not
/// in its plan. Where no limit is known, there is nothing to compare.
static weft_status check_memory(void *user, const struct weft_plan *plan) {
    const struct request *request = user;
    WEFT_TRY(check_pages(request->build, plan));
    struct weft_memory_use use = weft_plan_memory(plan);
    // Slots take pages as their texts grow, and give them up to each other: one text has to fit.
    if (request->build->slots) use.pages /= request->build->slots;
    struct weft_room room = weft_room_for(request->lm->gpu, request->lm->params.memory_limit, &use);
    if (weft_room_suffices(&room)) return WEFT_OK;
    const double mb = 1e-6;
    return weft_fail(WEFT_ERR_LIMIT,
                     "a context of %u needs %.0f MB on the device (weights %.0f, caches %.0f, working memory %.0f) and "
                     "there are %.0f MB; "
                     "choose a smaller --ctx",
                     request->build->ctx, (double)room.asked * mb, (double)use.weights * mb,
                     (double)(use.states + use.pages) * mb,
                     (double)(room.asked - use.weights - use.states - use.pages) * mb, (double)room.limit * mb);
}

// ---- engines -------------------------------------------------------------------------------------------------------

static weft_status weight(void *user, const char *name, const void **data, uint64_t *bytes) {
    const weft_lm *lm = user;
    const uint8_t *all = NULL;
    WEFT_TRY(weft_source_data_named(lm->file, name, &all, bytes));
    *data = all;
    return WEFT_OK;
}

static weft_status read_weight(void *user, const char *name, uint64_t offset, uint64_t bytes, void *into) {
    return weft_source_read_named(((const weft_lm *)user)->file, name, offset, bytes, into);
}

static weft_program *any_program(const weft_lm *lm) {
    if (lm->generate.program) return lm->generate.program;
    if (lm->score.program) return lm->score.program;
    if (lm->logits.program) return lm->logits.program;
    if (lm->beams.program) return lm->beams.program;
    const struct weft_lm_engine *e = lm->batches;
    while (e && !e->program) e = e->next; // one that is being made has none
    return e ? e->program : NULL;
}

weft_status weft_lm_engine_create(weft_lm *lm, const struct weft_lm_build *build, uint32_t max_runs,
                                  struct weft_lm_engine *e) {
    struct weft_graph *graph;
    struct request request = {lm, build};
    struct weft_program_params params = {
        .compile = weft_lm_compile_params(weft_gpu_caps(lm->gpu), build->chunk),
        .source = {.get = weight, .read = read_weight, .user = lm, .stays = true}, // the source stays open
        .share_weights = any_program(lm),
        .progress = lm->params.progress,
        .progress_user = lm->params.progress_user,
        .accept = check_memory,
        .accept_user = &request,
    };
    params.compile.numbers = lm->params.numbers;
    struct weft_session_params session = {.max_runs = max_runs};
    *e = (struct weft_lm_engine){.build = *build, .next = e->next};
    WEFT_TRY(weft_cancel_check());
    WEFT_TRY(weft_lm_build_graph(lm->file, &lm->config, build, &e->at, &graph));
    weft_status status = weft_program_create(lm->gpu, graph, &params, &e->program);
    if (status == WEFT_OK) status = weft_session_create(e->program, &session, &e->session);
    if (status != WEFT_OK) {
        weft_lm_engine_destroy(e);
        return status;
    }
    return WEFT_OK;
}

void weft_lm_engine_destroy(struct weft_lm_engine *e) {
    weft_held_free(&e->held);
    weft_session_destroy(&e->session);
    weft_program_destroy(&e->program);
}

weft_status weft_lm_engine_reset(struct weft_lm_engine *e) {
    e->pos = 0;
    return weft_session_rewind(e->session, 0);
}

weft_status weft_lm_engine_size(struct weft_lm_engine *e, uint32_t t, uint32_t r, uint64_t end) {
    enum { STEP = 256 };
    int64_t symbols[WEFT_MAX_SYMBOLS] = {0};
    uint64_t bound = (end + STEP - 1) / STEP * STEP;
    if (end > e->build.ctx)
        return weft_fail(WEFT_ERR_LIMIT, "position %llu is beyond the context of %u", (unsigned long long)end,
                         e->build.ctx);
    if (bound > e->build.ctx) bound = e->build.ctx;
    symbols[e->at.t] = t;
    symbols[e->at.r] = r;
    symbols[e->at.p] = (int64_t)bound;
    return weft_session_resize(e->session, symbols);
}

weft_status weft_lm_engine_resize(struct weft_lm_engine *e, uint32_t t, uint32_t r, uint32_t runs) {
    return weft_lm_engine_size(e, t, r, (uint64_t)e->pos + (uint64_t)t * runs);
}

weft_status weft_lm_engine_feed(struct weft_lm_engine *e, const int32_t *ids, uint32_t t, uint32_t r,
                                uint64_t *serial) {
    WEFT_TRY(weft_lm_engine_resize(e, t, r, 1));
    WEFT_TRY(weft_session_write_state(e->session, e->at.tokens, 0, ids, (uint64_t)t * sizeof *ids));
    WEFT_TRY(weft_session_run(e->session, 1, serial));
    e->pos += t;
    return WEFT_OK;
}

weft_status weft_lm_check_ids(const weft_lm *lm, const int32_t *ids, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= lm->config.n_vocab)
            return weft_fail(WEFT_ERR_INVALID, "token %u has id %d, outside the vocabulary of %u", i, ids[i],
                             lm->config.n_vocab);
    return WEFT_OK;
}

// ---- the model -----------------------------------------------------------------------------------------------------

weft_status weft_lm_prepare_generate(weft_lm *lm) {
    struct weft_cancel_scope scope;
    if (lm->generate.program) return WEFT_OK;
    weft_cancel_begin(&scope, lm->params.cancel);
    weft_status status = weft_lm_engine_create(lm, &lm->build, lm->max_runs, &lm->generate);
    weft_cancel_end(&scope);
    return status;
}

static weft_status read_file(weft_lm *lm) {
    WEFT_TRY(weft_lm_check_family(lm->file));
    WEFT_TRY(weft_model_config_read(lm->file, &lm->config));
    weft_model_keys_report(lm->file, lm->config.arch);
    WEFT_TRY(weft_tokenizer_create(lm->file, &lm->tokenizer));
    if ((uint32_t)weft_tokenizer_size(lm->tokenizer) != lm->config.n_vocab)
        return weft_fail(WEFT_ERR_FORMAT, "%s: the tokenizer has %d tokens and token_embd.weight %u rows",
                         weft_source_path(lm->file), weft_tokenizer_size(lm->tokenizer), lm->config.n_vocab);
    return WEFT_OK;
}

/// Steps of opening that progress is told of.
enum { STEP_FILE = 1, STEP_TOKENIZER, STEPS = STEP_TOKENIZER };

static void report(const struct weft_model_params *p, int step) {
    if (p && p->progress) p->progress(p->progress_user, WEFT_PROGRESS_OPEN, (uint64_t)step, STEPS);
}

weft_status weft_lm_open(weft_gpu *gpu, const char *path, const struct weft_model_params *params, weft_lm **out) {
    struct weft_source *source;
    struct weft_cancel_scope scope;
    *out = NULL;
    weft_cancel_begin(&scope, params ? params->cancel : NULL);
    weft_status status = weft_source_open(path, &source);
    if (status == WEFT_OK) status = weft_lm_open_source(gpu, source, params, out);
    weft_cancel_end(&scope);
    return status;
}

static weft_status open_model(weft_lm *lm) {
    const struct weft_gpu_caps *caps = weft_gpu_caps(lm->gpu);
    WEFT_TRY(weft_pace_most(lm->params.runs, caps->kind, &lm->max_runs));
    report(&lm->params, STEP_FILE);
    WEFT_TRY(weft_cancel_check());
    WEFT_TRY(read_file(lm));
    report(&lm->params, STEP_TOKENIZER);
    lm->build = (struct weft_lm_build){.ctx = lm->params.ctx,
                                       .chunk = lm->params.chunk,
                                       .cache_f16 = lm->params.cache_f16,
                                       .head = WEFT_LM_GENERATE,
                                       .sampling = !lm->params.greedy};
    WEFT_TRY(weft_lm_build_defaults(&lm->config, caps, &lm->build));
    return lm->params.lazy ? WEFT_OK : weft_lm_prepare_generate(lm);
}

weft_status weft_lm_open_source(weft_gpu *gpu, struct weft_source *source, const struct weft_model_params *params,
                                weft_lm **out) {
    weft_lm *lm = weft_calloc(1, sizeof *lm);
    *out = NULL;
    if (!lm) {
        weft_source_close(source);
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for a model");
    }
    lm->gpu = gpu;
    lm->file = source;
    if (params) lm->params = *params;
    struct weft_cancel_scope scope;
    weft_cancel_begin(&scope, lm->params.cancel);
    weft_status status = open_model(lm);
    weft_cancel_end(&scope);
    if (status == WEFT_OK) *out = lm;
    else weft_lm_close(&lm);
    return status;
}

void weft_lm_close(weft_lm **handle) {
    weft_lm *lm = *handle;
    if (!lm) return;
    weft_program_forget_source(any_program(lm), lm); // others may share the weights and live on
    weft_lm_engine_destroy(&lm->beams);
    weft_lm_engine_destroy(&lm->logits);
    weft_lm_engine_destroy(&lm->score);
    weft_lm_engine_destroy(&lm->generate);
    weft_tokenizer_destroy(lm->tokenizer);
    weft_source_close(lm->file);
    weft_free(lm);
    *handle = NULL;
}

const struct weft_source *weft_lm_source(const weft_lm *lm) { return lm->file; }
const struct weft_tokenizer *weft_lm_tokenizer(const weft_lm *lm) { return lm->tokenizer; }
weft_program *weft_lm_program(const weft_lm *lm) { return lm->generate.program; }
uint32_t weft_lm_ctx(const weft_lm *lm) { return lm->build.ctx; }
bool weft_lm_samples(const weft_lm *lm) { return !lm->params.greedy; }
