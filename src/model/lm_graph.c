#include "model/lm_graph.h"

#include "core/alloc.h"
#include "core/error.h"

weft_status weft_lm_check_family(const struct weft_source *file) {
    struct weft_source_str name;
    const struct weft_family *family;
    WEFT_TRY(weft_source_get_string(file, "general.architecture", &name));
    WEFT_TRY(weft_family_find(file, name.data, name.len, &family));
    if (!family->encoder) return WEFT_OK;
    return weft_fail(
        WEFT_ERR_UNSUPPORTED,
        "%s: a model of the architecture '%s' makes embeddings and generates no text; use `weft embed`, or "
        "weft/embed.h",
        weft_source_path(file), family->architecture);
}

/// Scoring holds `chunk` rows of logits, which are long.
static uint32_t score_rows(const struct weft_model_config *config) {
    uint64_t rows = WEFT_LM_SCORE_BYTES / ((uint64_t)config->n_vocab * sizeof(float));
    return rows < 1 ? 1 : rows > 64 ? 64 : (uint32_t)rows;
}

weft_status weft_lm_build_defaults(const struct weft_model_config *config, const struct weft_gpu_caps *caps,
                                   struct weft_lm_build *b) {
    if (!b->ctx) b->ctx = config->ctx_train < WEFT_LM_CTX ? config->ctx_train : WEFT_LM_CTX;
    if (b->ctx > config->ctx_train)
        return weft_fail(WEFT_ERR_LIMIT,
                         "a context of %u is beyond the %u tokens that this model was made for; choose a smaller --ctx",
                         b->ctx, config->ctx_train);
    if (!b->chunk) b->chunk = caps->kind == WEFT_GPU_CPU ? 64 : 512;
    if (b->head == WEFT_LM_NLL && b->chunk > score_rows(config)) b->chunk = score_rows(config);
    if (b->chunk < b->slots) b->chunk = b->slots; // a run has room for a token of each sequence
    if (b->chunk > b->ctx) b->chunk = b->ctx;
    if (b->chunk < b->slots)
        return weft_fail(WEFT_ERR_LIMIT,
                         "%u sequences at once in a context of %u tokens, which has to hold a token of each; choose a "
                         "larger --ctx or fewer of them",
                         b->slots, b->ctx);
    return WEFT_OK;
}

weft_status weft_lm_build_graph(const struct weft_source *file, const struct weft_model_config *config,
                                const struct weft_lm_build *b, struct weft_decoder_handles *handles,
                                struct weft_graph **out) {
    struct weft_decoder_params params = {.ctx = b->ctx,
                                         .chunk = b->chunk,
                                         .cache_f16 = b->cache_f16,
                                         .slots = b->slots,
                                         .rows = b->rows,
                                         .head = b->head,
                                         .sampling = b->sampling,
                                         .handles = handles};
    uint64_t failures = weft_alloc_failures();
    return weft_blame_memory(failures, weft_decoder_build(file, config, &params, out));
}

struct weft_compile_params weft_lm_compile_params(const struct weft_gpu_caps *caps, uint32_t chunk) {
    struct weft_compile_params p = {.split_symbol = "T"};
    if (chunk > 1) p.split_at[p.n_splits++] = 1;
    if (caps->kind == WEFT_GPU_CPU) return p;
    // Products of some rows are cut for the most that a schedule has, and more than 256 are computed in other tiles.
    static const uint32_t rows[] = {8, 16, 64, 256};
    for (size_t i = 0; i < sizeof rows / sizeof *rows && rows[i] < chunk; i++) p.split_at[p.n_splits++] = rows[i];
    return p;
}
