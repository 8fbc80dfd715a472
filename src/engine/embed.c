/// Opening an encoder.
#include "engine/embed_impl.h"
#include "engine/room.h"

#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"
#include "core/visible.h"
#include "model/keys.h"

#include <string.h>

// ---- sizes ---------------------------------------------------------------------------------------------------------

/// Most bytes that the scores of a run's attention take by default: WebGPU's smallest limit of a binding.
#define SCORE_BYTES ((uint64_t)128 << 20)

/// On a GPU several texts of the greatest length, as far as scores stay small; a CPU driver gains nothing by it.
static uint32_t default_tokens(const struct weft_model_config *config, const struct weft_gpu_caps *caps, uint32_t ctx) {
    enum { GPU_TOKENS = 4096 };
    uint64_t fit = SCORE_BYTES / ((uint64_t)config->n_head * ctx * sizeof(float));
    if (caps->kind == WEFT_GPU_CPU || fit < ctx) return ctx;
    if (fit > GPU_TOKENS) fit = GPU_TOKENS;
    return fit > ctx ? (uint32_t)fit : ctx;
}

weft_status weft_embed_sizes(const struct weft_model_config *config, const struct weft_gpu_caps *caps,
                             uint32_t model_tokens, const struct weft_embedder_params *params,
                             struct weft_encoder_params *out) {
    uint32_t ctx = params->max_tokens, tokens = params->batch_tokens, batch = params->batch;
    if (!ctx) ctx = model_tokens < WEFT_EMBED_TOKENS ? model_tokens : WEFT_EMBED_TOKENS;
    if (ctx > config->ctx_train)
        return weft_fail(WEFT_ERR_INVALID, "texts of up to %u tokens are asked for; the model has positions for %u",
                         ctx, config->ctx_train);
    if (!tokens) tokens = default_tokens(config, caps, ctx);
    if (tokens < ctx || tokens > 1u << 24)
        return weft_fail(WEFT_ERR_INVALID, "runs of %u tokens; they hold a text of %u at least, and 16777216 at most",
                         tokens, ctx);
    if (!batch) batch = caps->kind == WEFT_GPU_CPU ? 32 : 256;
    if (batch > WEFT_EMBED_BATCH)
        return weft_fail(WEFT_ERR_INVALID, "runs of %u texts; at most %d", batch, WEFT_EMBED_BATCH);
    *out = (struct weft_encoder_params){.ctx = ctx, .batch = batch < tokens ? batch : tokens, .tokens = tokens};
    return WEFT_OK;
}

// ---- the program ---------------------------------------------------------------------------------------------------

static weft_status weight(void *user, const char *name, const void **data, uint64_t *bytes) {
    const weft_embedder *e = user;
    const uint8_t *all = NULL;
    WEFT_TRY(weft_source_data_named(e->file, name, &all, bytes));
    *data = all;
    return WEFT_OK;
}

static weft_status read_weight(void *user, const char *name, uint64_t offset, uint64_t bytes, void *into) {
    return weft_source_read_named(((const weft_embedder *)user)->file, name, offset, bytes, into);
}

/// Whether there is room, before anything is allocated. Where no limit is known, there is nothing to compare.
static weft_status check_memory(void *user, const struct weft_plan *plan) {
    const weft_embedder *e = user;
    struct weft_memory_use use = weft_plan_memory(plan);
    struct weft_room room = weft_room_for(e->gpu, e->params.memory_limit, &use);
    if (weft_room_suffices(&room)) return WEFT_OK;
    const double mb = 1e-6;
    return weft_fail(WEFT_ERR_LIMIT,
                     "texts of up to %u tokens, %u a run, need %.0f MB on the device (weights %.0f, working memory "
                     "%.0f) and there are %.0f MB; choose fewer tokens (--max-tokens)",
                     e->build.ctx, e->build.tokens, (double)room.asked * mb, (double)use.weights * mb,
                     (double)(room.asked - use.weights) * mb, (double)room.limit * mb);
}

static weft_status make_program(weft_embedder *e) {
    struct weft_graph *graph;
    struct weft_program_params params = {
        .source = {.get = weight, .read = read_weight, .user = e, .stays = true}, // the source stays open
        .progress = e->params.progress,
        .progress_user = e->params.progress_user,
        .accept = check_memory,
        .accept_user = e,
    };
    uint64_t failures = weft_alloc_failures();
    weft_status status = weft_encoder_build(e->file, &e->config, &e->build, &e->at, &graph);
    WEFT_TRY(weft_blame_memory(failures, status));
    WEFT_TRY(weft_program_create(e->gpu, graph, &params, &e->program));
    return weft_session_create(e->program, &(struct weft_session_params){.max_runs = 1}, &e->session);
}

// ---- life ----------------------------------------------------------------------------------------------------------

static weft_status read_file(weft_embedder *e) {
    WEFT_TRY(weft_model_config_read(e->file, &e->config));
    WEFT_TRY(weft_pooling_read(e->file, &e->config, &e->pooling));
    weft_model_keys_report(e->file, e->config.arch);
    WEFT_TRY(weft_tokenizer_create(e->file, &e->tokenizer));
    if ((uint32_t)weft_tokenizer_size(e->tokenizer) != e->config.n_vocab)
        return weft_fail(WEFT_ERR_FORMAT, "%s: the tokenizer has %d tokens and token_embd.weight %u rows",
                         weft_source_path(e->file), weft_tokenizer_size(e->tokenizer), e->config.n_vocab);
    return WEFT_OK;
}

static weft_status check_room(const weft_embedder *e) {
    size_t front, behind;
    weft_tokenizer_around(e->tokenizer, &front, &behind);
    if (e->build.ctx > front + behind) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "texts of up to %u tokens have no room beside the %zu that stand around each",
                     e->build.ctx, front + behind);
}

static weft_status open_embedder(weft_embedder *e) {
    const struct weft_gpu_caps *caps = weft_gpu_caps(e->gpu);
    WEFT_TRY(read_file(e));
    WEFT_TRY(weft_embed_sizes(&e->config, caps, e->pooling.max_tokens, &e->params, &e->build));
    WEFT_TRY(check_room(e));
    return make_program(e);
}

weft_status weft_embed_open(weft_gpu *gpu, const char *path, const struct weft_embedder_params *params,
                            weft_embedder **out) {
    struct weft_source *source;
    *out = NULL;
    WEFT_TRY(weft_source_open(path, &source));
    return weft_embed_open_source(gpu, source, params, out);
}

weft_status weft_embed_open_source(weft_gpu *gpu, struct weft_source *source, const struct weft_embedder_params *params,
                                   weft_embedder **out) {
    weft_embedder *e = weft_calloc(1, sizeof *e);
    *out = NULL;
    if (!e) {
        weft_source_close(source);
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for an encoder");
    }
    e->gpu = gpu;
    e->file = source;
    e->params = *params;
    struct weft_cancel_scope scope;
    weft_cancel_begin(&scope, params->cancel);
    weft_status status = open_embedder(e);
    weft_cancel_end(&scope);
    if (status == WEFT_OK) *out = e;
    else weft_embed_close(e);
    return status;
}

void weft_embed_close(weft_embedder *e) {
    if (!e) return;
    if (e->program) weft_program_forget_source(e->program, e); // others may share the weights and live on
    weft_session_destroy(&e->session);
    weft_program_destroy(&e->program);
    weft_tokenizer_destroy(e->tokenizer);
    weft_source_close(e->file);
    weft_free(e);
}

// ---- looking at it -------------------------------------------------------------------------------------------------

void weft_embed_info(const weft_embedder *e, struct weft_embedder_info *out) {
    struct weft_source_str name = {0};
    *out = (struct weft_embedder_info){.size = e->config.n_embd,
                                       .max_tokens = e->build.ctx,
                                       .model_tokens = e->config.ctx_train,
                                       .pooling = e->pooling.pooling,
                                       .normalize = e->pooling.normalize,
                                       .file_bytes = weft_source_bytes(e->file)};
    weft_visible(WEFT_VISIBLE_LINE, e->config.arch, strlen(e->config.arch), out->architecture,
                 sizeof out->architecture);
    if (weft_source_get_string(e->file, "general.name", &name) == WEFT_OK)
        weft_visible(WEFT_VISIBLE_LINE, name.data, name.len, out->name, sizeof out->name);
}

const struct weft_source *weft_embed_source(const weft_embedder *e) { return e->file; }
const struct weft_tokenizer *weft_embed_tokenizer(const weft_embedder *e) { return e->tokenizer; }
weft_program *weft_embed_program(const weft_embedder *e) { return e->program; }
