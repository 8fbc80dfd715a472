#include "model/config.h"

#include "core/alloc.h"
#include "core/error.h"
#include "model/gguf.h"
#include "model/keys.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/// Reads keys "<arch>.<name>"; the first failure stays.
struct reader {
    const struct weft_source *file;
    const char *arch;
    char key[96];
    weft_status status;
};

static const char *key(struct reader *r, const char *name) {
    snprintf(r->key, sizeof r->key, "%s.%s", r->arch, name);
    return r->key;
}

/// A count from 1 (0 if `fallback` is given and says so) to `most`. fallback < 0: required.
static uint32_t count(struct reader *r, const char *name, int64_t fallback, uint32_t most) {
    uint32_t x = 0;
    if (r->status != WEFT_OK) return 0;
    r->status = fallback < 0 ? weft_source_get_u32(r->file, key(r, name), &x)
                             : weft_source_u32_or(r->file, key(r, name), (uint32_t)fallback, &x);
    bool zero_is_fine = fallback == 0;
    if (r->status == WEFT_OK && (x > most || (x == 0 && !zero_is_fine)))
        r->status = weft_fail(WEFT_ERR_FORMAT, "%s: key %s is %u; it must be %d to %u", weft_source_path(r->file),
                              r->key, x, zero_is_fine ? 0 : 1, most);
    return x;
}

/// A finite number of at least 0, above 0 unless that is the fallback. NAN as fallback: required.
static double number(struct reader *r, const char *name, double fallback) {
    double x = 0;
    if (r->status != WEFT_OK) return 1;
    r->status = isnan(fallback) ? weft_source_get_f64(r->file, key(r, name), &x)
                                : weft_source_f64_or(r->file, key(r, name), fallback, &x);
    if (r->status == WEFT_OK && !(isfinite(x) && (x > 0 || (x == 0 && fallback == 0))))
        r->status = weft_fail(WEFT_ERR_FORMAT, "%s: key %s is %g; it must be a positive number",
                              weft_source_path(r->file), r->key, x);
    return x;
}

/// A number that files write under one of two names. Where both are there, they must agree.
static double either(struct reader *r, const char *name, const char *other, double fallback) {
    if (!weft_source_has(r->file, key(r, other))) return number(r, name, fallback);
    double x = number(r, other, fallback), y = number(r, name, x);
    if (r->status == WEFT_OK && x != y)
        r->status = weft_fail(WEFT_ERR_FORMAT, "%s: key %s.%s is %g and %s.%s is %g; they are two names of one number",
                              weft_source_path(r->file), r->arch, name, y, r->arch, other, x);
    return x;
}

static weft_status read_arch(const struct weft_source *file, char *out, size_t size) {
    struct weft_source_str arch;
    WEFT_TRY(weft_source_get_string(file, "general.architecture", &arch));
    if (arch.len == 0 || arch.len >= size || memchr(arch.data, 0, arch.len))
        return weft_fail(WEFT_ERR_FORMAT, "%s: general.architecture is no name", weft_source_path(file));
    memcpy(out, arch.data, arch.len);
    out[arch.len] = 0;
    return WEFT_OK;
}

/// sliding_window_pattern is a period, whose last layer is global, or a flag a layer. 6 is what Gemma 3 files leave
/// out.
static void read_pattern(struct reader *r, struct weft_model_config *c) {
    enum weft_source_type type = WEFT_SOURCE_U32, element;
    uint64_t n;
    const char *name = "attention.sliding_window_pattern";
    if (r->status != WEFT_OK || c->window == 0) return;
    if (weft_source_has(r->file, key(r, name))) r->status = weft_source_get_type(r->file, r->key, &type, &element, &n);
    if (r->status == WEFT_OK && type == WEFT_SOURCE_ARRAY) {
        int32_t *flags = NULL;
        size_t n_flags = 0;
        r->status = weft_source_get_i32s(r->file, r->key, &flags, &n_flags);
        if (r->status == WEFT_OK && n_flags != c->n_layer)
            r->status = weft_fail(WEFT_ERR_FORMAT, "%s: key %s has %zu flags for %u layers", weft_source_path(r->file),
                                  r->key, n_flags, c->n_layer);
        for (uint32_t i = 0; r->status == WEFT_OK && i < c->n_layer; i++) c->local[i] = flags[i] != 0;
        weft_free(flags);
        return;
    }
    uint32_t period = count(r, name, 6, UINT32_MAX);
    for (uint32_t i = 0; r->status == WEFT_OK && i < c->n_layer; i++) c->local[i] = i % period != period - 1;
}

static bool is(struct weft_source_str s, const char *text) {
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static void read_scaling(struct reader *r, struct weft_model_config *c) {
    struct weft_source_str type = {"linear", 6};
    c->rope_factor = 1;
    if (r->status != WEFT_OK) return;
    if (weft_source_has(r->file, key(r, "rope.scaling.type")))
        r->status = weft_source_get_string(r->file, r->key, &type);
    if (r->status != WEFT_OK || is(type, "none")) return;
    if (!is(type, "linear")) {
        r->status =
            weft_fail(WEFT_ERR_UNSUPPORTED, "%s: key %s is \"%.*s\"; Weft scales rotary positions linearly only",
                      weft_source_path(r->file), r->key, (int)(type.len < 40 ? type.len : 40), type.data);
        return;
    }
    double factor = either(r, "rope.scaling.factor", "rope.scale_linear", 0);
    if (factor > 0) c->rope_factor = factor;
}

/// Keys "ssm.*" and the layers that are recurrent: all but each interval-th.
static void read_recurrent(struct reader *r, struct weft_model_config *c) {
    if (r->status != WEFT_OK || !weft_source_has(r->file, key(r, "ssm.state_size"))) return;
    c->ssm.key_dim = count(r, "ssm.state_size", -1, 1u << 16);
    c->ssm.n_key = count(r, "ssm.group_count", -1, 1u << 16);
    c->ssm.n_value = count(r, "ssm.time_step_rank", -1, 1u << 16);
    c->ssm.taps = count(r, "ssm.conv_kernel", -1, 64);
    uint32_t inner = count(r, "ssm.inner_size", -1, 1u << 24), interval = count(r, "full_attention_interval", 4, 1024);
    if (r->status != WEFT_OK) return;
    c->ssm.value_dim = inner / c->ssm.n_value;
    if (inner % c->ssm.n_value || c->ssm.n_value % c->ssm.n_key || c->ssm.taps < 2)
        r->status = weft_fail(WEFT_ERR_FORMAT,
                              "%s: recurrent layers of %u elements, %u value heads, %u key heads and %u taps do not "
                              "fit each other",
                              weft_source_path(r->file), inner, c->ssm.n_value, c->ssm.n_key, c->ssm.taps);
    for (uint32_t i = 0; i < c->n_layer; i++) c->recurrent[i] = (i + 1) % interval != 0;
}

/// Heads of local layers, which must be as those of the others.
static void read_local_shape(struct reader *r, const struct weft_model_config *c, uint32_t value_dim) {
    const struct {
        const char *name;
        uint32_t global;
    } rows[] = {{"attention.key_length_swa", c->head_dim},
                {"attention.value_length_swa", value_dim},
                {"rope.dimension_count_swa", c->rope_dim}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (r->status != WEFT_OK || !weft_source_has(r->file, key(r, rows[i].name))) continue;
        uint32_t x = count(r, rows[i].name, -1, 1u << 16);
        if (r->status == WEFT_OK && x != rows[i].global)
            r->status = weft_fail(WEFT_ERR_UNSUPPORTED,
                                  "%s: key %s is %u; Weft has local layers with heads as the others, which makes it %u",
                                  weft_source_path(r->file), r->key, x, rows[i].global);
    }
}

static weft_status read_vocabulary(const struct weft_source *file, struct weft_model_config *c) {
    const struct weft_source_tensor *table = weft_source_find(file, "token_embd.weight");
    if (!table) return weft_fail(WEFT_ERR_NOT_FOUND, "%s: tensor token_embd.weight is missing", weft_source_path(file));
    if (table->n_dims != 2 || table->dims[0] != c->n_embd || table->dims[1] == 0 || table->dims[1] > INT32_MAX)
        return weft_fail(WEFT_ERR_FORMAT, "%s: tensor token_embd.weight is not a matrix of rows of %u",
                         weft_source_path(file), c->n_embd);
    c->n_vocab = (uint32_t)table->dims[1];
    enum weft_source_type type, element;
    uint64_t tokens = 0;
    const char *name = "tokenizer.ggml.tokens";
    if (!weft_source_has(file, name)) return WEFT_OK;
    WEFT_TRY(weft_source_get_type(file, name, &type, &element, &tokens));
    if (tokens != c->n_vocab)
        return weft_fail(WEFT_ERR_FORMAT, "%s: token_embd.weight has %u rows for %llu tokens", weft_source_path(file),
                         c->n_vocab, (unsigned long long)tokens);
    return WEFT_OK;
}

static weft_status check_heads(const struct weft_source *file, const struct weft_model_config *c, uint32_t value_dim) {
    const char *path = weft_source_path(file);
    if (c->head_dim == 0) return weft_fail(WEFT_ERR_FORMAT, "%s: heads of no elements", path);
    if (c->n_head % c->n_head_kv)
        return weft_fail(WEFT_ERR_FORMAT, "%s: %u heads do not divide among %u key heads", path, c->n_head,
                         c->n_head_kv);
    if (value_dim != c->head_dim)
        return weft_fail(WEFT_ERR_UNSUPPORTED, "%s: keys of %u and values of %u elements a head; Weft has them equal",
                         path, c->head_dim, value_dim);
    if (c->rope_dim > c->head_dim || c->rope_dim % 2)
        return weft_fail(WEFT_ERR_FORMAT, "%s: %u of %u elements a head are rotated; it must be an even part", path,
                         c->rope_dim, c->head_dim);
    return WEFT_OK;
}

weft_status weft_model_config_read(const struct weft_source *file, struct weft_model_config *out) {
    struct weft_model_config *c = out;
    *c = (struct weft_model_config){0};
    WEFT_TRY(read_arch(file, c->arch, sizeof c->arch));
    WEFT_TRY(weft_model_keys_check(file, c->arch));
    struct reader r = {.file = file, .arch = c->arch};
    c->ctx_train = count(&r, "context_length", -1, 1u << 30);
    c->n_embd = count(&r, "embedding_length", -1, 1u << 20);
    c->n_layer = count(&r, "block_count", -1, WEFT_MODEL_MAX_LAYERS);
    c->n_ff = count(&r, "feed_forward_length", -1, 1u << 24);
    c->n_head = count(&r, "attention.head_count", -1, 1u << 16);
    c->n_head_kv = count(&r, "attention.head_count_kv", c->n_head, 1u << 16);
    WEFT_TRY(r.status);
    c->head_dim = count(&r, "attention.key_length", c->n_embd / c->n_head, 1u << 16);
    uint32_t value_dim = count(&r, "attention.value_length", c->head_dim, 1u << 16);
    c->eps = number(&r, "attention.layer_norm_rms_epsilon", NAN);
    c->window = count(&r, "attention.sliding_window", 0, 1u << 30);
    read_pattern(&r, c);
    c->rope_dim = count(&r, "rope.dimension_count", c->head_dim, 1u << 16);
    c->rope_base = either(&r, "rope.freq_base", "rope.global.freq_base", 10000);
    c->rope_base_local = either(&r, "rope.freq_base_swa", "rope.local.freq_base", 10000);
    read_scaling(&r, c);
    read_recurrent(&r, c);
    c->attn_softcap = number(&r, "attn_logit_softcapping", 0);
    c->softcap = number(&r, "final_logit_softcapping", 0);
    c->attn_scale = number(&r, "attention.scale", 0);
    read_local_shape(&r, c, value_dim);
    WEFT_TRY(r.status);
    WEFT_TRY(check_heads(file, c, value_dim));
    c->scale_given = c->attn_scale > 0;
    if (!c->scale_given) c->attn_scale = 1 / sqrt(c->head_dim);
    return read_vocabulary(file, c);
}

weft_status weft_model_dtype(const struct weft_source_tensor *tensor, weft_dtype *out) {
    static const struct {
        uint32_t type;
        weft_dtype dtype;
    } known[] = {
        {WEFT_GGML_F32, WEFT_F32},   {WEFT_GGML_F16, WEFT_F16},   {WEFT_GGML_BF16, WEFT_BF16},
        {WEFT_GGML_Q4_0, WEFT_Q4_0}, {WEFT_GGML_Q5_0, WEFT_Q5_0}, {WEFT_GGML_Q8_0, WEFT_Q8_0},
        {WEFT_GGML_Q4_K, WEFT_Q4_K}, {WEFT_GGML_Q6_K, WEFT_Q6_K},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].type == tensor->type) return *out = known[i].dtype, WEFT_OK;
    const struct weft_ggml_type_info *info = weft_ggml_type_info(tensor->type);
    return weft_fail(
        WEFT_ERR_UNSUPPORTED,
        "tensor %s is %s; Weft reads F32, F16, BF16, Q4_0, Q5_0, Q8_0, Q4_K and Q6_K: convert the file to one of these",
        tensor->name, info ? info->name : "of an unknown type");
}
