/// weft/model_file.h, on what opens models.
#include "weft/model_file.h"
#include "api/impl.h"
#include "core/alloc.h"
#include "core/error.h"
#include "engine/embed.h"
#include "model/encoder.h"
#include "model/gguf.h"
#include "model/keys.h"
#include "model/lm_graph.h"
#include "model/pooling.h"
#include <stdio.h>

struct weft_model_file {
    struct weft_source *source;
    const char *arch;    ///< by which its keys are known; NULL: by none
    int64_t split_at[8]; ///< of the last graph
};

// ---- life ----------------------------------------------------------------------------------------------------------

/// By which architecture the file's keys are known; NULL: by none.
static const char *architecture(const struct weft_source *g) {
    struct weft_source_str arch;
    char name[64];
    if (weft_source_get_string(g, "general.architecture", &arch) != WEFT_OK || arch.len >= sizeof name) return NULL;
    snprintf(name, sizeof name, "%.*s", (int)arch.len, arch.data);
    return weft_model_keys_arch(g, name);
}

weft_status weft_model_file_open(const char *path, weft_model_file **out) {
    if (out) *out = NULL;
    if (!path || !out) return weft_api_null("weft_model_file_open", path ? "out" : "path");
    weft_model_file *f = weft_calloc(1, sizeof *f);
    if (!f) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a model file");
    weft_status status = weft_source_open(path, &f->source);
    if (status != WEFT_OK) {
        weft_free(f);
        return status;
    }
    f->arch = architecture(f->source);
    *out = f;
    return WEFT_OK;
}

void weft_model_file_close(weft_model_file **file) {
    if (!file || !*file) return;
    weft_source_close((*file)->source);
    weft_free(*file);
    *file = NULL;
}

// ---- what is in it -------------------------------------------------------------------------------------------------

weft_status weft_model_file_info(const weft_model_file *file, struct weft_model_file_info *out) {
    if (!file || !out) return weft_api_null("weft_model_file_info", file ? "out" : "file");
    *out = (struct weft_model_file_info){.version = weft_source_version(file->source),
                                         .parts = weft_source_part_count(file->source),
                                         .bytes = weft_source_bytes(file->source),
                                         .keys = weft_source_key_count(file->source),
                                         .tensors = weft_source_tensor_count(file->source)};
    snprintf(out->format, sizeof out->format, "%s", weft_source_format(file->source));
    return WEFT_OK;
}

static weft_status check_index(const char *what, size_t index, size_t count) {
    if (index < count) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "%s %zu of a model file that has %zu", what, index, count);
}

static void take_value(const struct weft_source *g, enum weft_source_type type, struct weft_model_file_key *out) {
    struct weft_source_str string;
    out->kind = WEFT_KEY_OTHER;
    if (type == WEFT_SOURCE_ARRAY) return;
    if (type == WEFT_SOURCE_BOOL && weft_source_get_bool(g, out->name, &out->flag) == WEFT_OK) {
        out->kind = WEFT_KEY_BOOL;
    } else if (type == WEFT_SOURCE_STRING && weft_source_get_string(g, out->name, &string) == WEFT_OK) {
        out->kind = WEFT_KEY_STRING;
        out->string = string.data;
        out->length = string.len;
    } else if (weft_source_get_i64(g, out->name, &out->integer) == WEFT_OK) {
        out->kind = WEFT_KEY_INTEGER;
    } else if (weft_source_get_f64(g, out->name, &out->real) == WEFT_OK) {
        out->kind = WEFT_KEY_REAL;
    }
}

weft_status weft_model_file_key(const weft_model_file *file, size_t index, struct weft_model_file_key *out) {
    enum weft_source_type type, element;
    uint64_t count;
    if (!file || !out) return weft_api_null("weft_model_file_key", file ? "out" : "file");
    WEFT_TRY(check_index("key", index, weft_source_key_count(file->source)));
    *out = (struct weft_model_file_key){.name = weft_source_key_at(file->source, index)};
    WEFT_TRY(weft_source_get_type(file->source, out->name, &type, &element, &count));
    out->type = weft_source_type_name(type);
    out->unknown = weft_model_key_unknown(file->arch, out->name);
    take_value(file->source, type, out);
    return WEFT_OK;
}

weft_status weft_model_file_value(const weft_model_file *file, size_t index, size_t width, char *text, size_t capacity,
                                  size_t *length) {
    struct weft_str s = {0};
    if (!file) return weft_api_null("weft_model_file_value", "file");
    WEFT_TRY(check_index("key", index, weft_source_key_count(file->source)));
    weft_source_print_value(file->source, index, width, &s);
    return weft_api_text(&s, text, capacity, length);
}

weft_status weft_model_file_tensor(const weft_model_file *file, size_t index, struct weft_model_file_tensor *out) {
    if (!file || !out) return weft_api_null("weft_model_file_tensor", file ? "out" : "file");
    WEFT_TRY(check_index("tensor", index, weft_source_tensor_count(file->source)));
    const struct weft_source_tensor *t = weft_source_tensor_at(file->source, index);
    *out = (struct weft_model_file_tensor){.name = t->name,
                                           .type = weft_ggml_type_info(t->type)->name,
                                           .rank = t->n_dims,
                                           .part = t->part,
                                           .bytes = t->size,
                                           .offset = t->offset};
    for (int i = 0; i < 4; i++) out->shape[i] = t->dims[i];
    return WEFT_OK;
}

// ---- what it stands for --------------------------------------------------------------------------------------------

/// Of an encoder: `ctx` are tokens of a text, and what only generates has no say.
static weft_status build_encoder(const weft_model_file *file, const struct weft_model_config *config,
                                 const struct weft_gpu_caps *caps, uint32_t ctx, weft_graph **out) {
    struct weft_pooling_config pooling;
    struct weft_encoder_params params;
    struct weft_embedder_params asked = {.max_tokens = ctx};
    WEFT_TRY(weft_pooling_read(file->source, config, &pooling));
    WEFT_TRY(weft_embed_sizes(config, caps, pooling.max_tokens, &asked, &params));
    return weft_encoder_build(file->source, config, &params, NULL, out);
}

static weft_status build(const weft_model_file *file, const struct weft_gpu_caps *caps, struct weft_lm_build *b,
                         bool *encoder, weft_graph **out) {
    struct weft_model_config config;
    WEFT_TRY(weft_model_config_read(file->source, &config));
    *encoder = config.family->encoder;
    if (*encoder) return build_encoder(file, &config, caps, b->ctx, out);
    WEFT_TRY(weft_lm_build_defaults(&config, caps, b));
    return weft_lm_build_graph(file->source, &config, b, NULL, out);
}

weft_status weft_model_file_graph(weft_model_file *file, const weft_device *device,
                                  const struct weft_model_graph_params *params, weft_graph **out,
                                  struct weft_program_compile_params *compile) {
    static const enum weft_lm_head heads[] = {
        [WEFT_HEAD_GENERATE] = WEFT_LM_GENERATE, [WEFT_HEAD_LOGITS] = WEFT_LM_LOGITS, [WEFT_HEAD_NLL] = WEFT_LM_NLL};
    struct weft_model_graph_params p;
    if (out) *out = NULL;
    if (!file || !device || !out)
        return weft_api_null("weft_model_file_graph", !file ? "file" : !device ? "device" : "out");
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_model_graph_params, sampling, params, &p));
    if ((unsigned)p.head > WEFT_HEAD_NLL)
        return weft_fail(WEFT_ERR_INVALID, "head %d is none of enum weft_model_head", (int)p.head);
    struct weft_lm_build b = {
        .head = heads[p.head], .ctx = p.ctx, .chunk = p.chunk, .cache_f16 = p.cache_f16, .sampling = p.sampling};
    bool encoder;
    WEFT_TRY(build(file, weft_gpu_caps(device), &b, &encoder, out));
    if (!compile) return WEFT_OK;
    if (encoder) return *compile = (struct weft_program_compile_params){0}, WEFT_OK;
    struct weft_compile_params internal = weft_lm_compile_params(weft_gpu_caps(device), b.chunk);
    *compile = (struct weft_program_compile_params){
        .split_symbol = internal.split_symbol, .split_at = file->split_at, .n_splits = internal.n_splits};
    for (uint32_t i = 0; i < internal.n_splits; i++) file->split_at[i] = internal.split_at[i];
    return WEFT_OK;
}
