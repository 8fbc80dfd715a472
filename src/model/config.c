#include "model/config.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/str.h"
#include "model/gguf.h"
#include "model/keys.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

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

/// The same, 0 included; an absent key gives the fallback.
static double number_or(struct reader *r, const char *name, double fallback) {
    return weft_source_has(r->file, key(r, name)) ? number(r, name, 0) : fallback;
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

/// sliding_window_pattern is a period, whose last layer is global, or a flag a layer.
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
    uint32_t period = count(r, name, c->family->local_period, UINT32_MAX);
    for (uint32_t i = 0; r->status == WEFT_OK && i < c->n_layer; i++) c->local[i] = i % period != period - 1;
}

static bool is(struct weft_source_str s, const char *text) {
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

/// False where there is nothing to stretch.
static bool read_stretch_kind(struct reader *r, enum weft_stretch_kind *out) {
    static const char *const names[] = {"linear", "llama3", "yarn", "longrope"};
    struct weft_source_str type = {"linear", 6};
    if (r->status != WEFT_OK) return false;
    if (weft_source_has(r->file, key(r, "rope.scaling.type")))
        r->status = weft_source_get_string(r->file, r->key, &type);
    if (r->status != WEFT_OK || is(type, "none")) return false;
    for (uint32_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is(type, names[i])) return *out = (enum weft_stretch_kind)i, true;
    r->status =
        weft_fail(WEFT_ERR_UNSUPPORTED, "%s: key %s is \"%.*s\"; Weft knows none, linear, llama3, yarn and longrope",
                  weft_source_path(r->file), r->key, (int)(type.len < 40 ? type.len : 40), type.data);
    return false;
}

/// Where a file of lists does not say it, the magnitude follows from how far they stretch.
static double lists_magnitude(const struct weft_model_config *c) {
    double factor = c->stretch.factor > 1 ? c->stretch.factor : (double)c->ctx_train / c->stretch.original;
    return factor > 1 && c->stretch.original > 1 ? sqrt(1 + log(factor) / log(c->stretch.original)) : 1;
}

static void read_stretch(struct reader *r, struct weft_model_config *c) {
    struct weft_model_stretch *s = &c->stretch;
    s->factor = s->magnitude = 1;
    bool any = read_stretch_kind(r, &s->kind), yarn = s->kind == WEFT_STRETCH_YARN;
    s->original = count(r, "rope.scaling.original_context_length", c->ctx_train, 1u << 30);
    bool lists = ((c->family->may | c->family->must) & WEFT_PART_ROPE_LISTS) != 0;
    if (r->status == WEFT_OK && any && s->kind == WEFT_STRETCH_LISTS && !lists)
        r->status = weft_fail(WEFT_ERR_UNSUPPORTED, "%s: key %s.rope.scaling.type is longrope, which no file of %s has",
                              weft_source_path(r->file), c->arch, c->family->models);
    if (lists && weft_source_find(r->file, "rope_factors_long.weight")) // files name no kind
        any = true, s->kind = WEFT_STRETCH_LISTS;
    if (r->status != WEFT_OK || !any) return;
    double factor = either(r, "rope.scaling.factor", "rope.scale_linear", 0);
    if (factor > 0) s->factor = factor;
    s->magnitude = number(r, "rope.scaling.attn_factor", s->kind == WEFT_STRETCH_LISTS ? lists_magnitude(c) : 1) *
                   number(r, "rope.scaling.yarn_attn_factor", 1);
    s->low = yarn ? either(r, "rope.scaling.yarn_beta_slow", "rope.scaling.beta_slow", 1)
                  : number(r, "rope.scaling.low_freq_factor", 1);
    s->high = yarn ? either(r, "rope.scaling.yarn_beta_fast", "rope.scaling.beta_fast", 32)
                   : number(r, "rope.scaling.high_freq_factor", 4);
    s->extrapolate = number_or(r, "rope.scaling.extrapolation_factor", 1);
    s->extrapolate = number_or(r, "rope.scaling.yarn_ext_factor", s->extrapolate);
    if (r->status == WEFT_OK && s->high <= s->low)
        r->status = weft_fail(WEFT_ERR_FORMAT, "%s: rotation is stretched between %g and %g; the first must be smaller",
                              weft_source_path(r->file), s->low, s->high);
    if (r->status == WEFT_OK && yarn && s->extrapolate > 1)
        r->status = weft_fail(WEFT_ERR_FORMAT, "%s: key %s is %g; it must be 0 to 1", weft_source_path(r->file), r->key,
                              s->extrapolate);
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

/// Keys "expert_*". Where a file says nothing of an expert's width, it has its share of the whole, or all of it in
/// families that are plain without experts.
static void read_experts(struct reader *r, struct weft_model_config *c) {
    const struct weft_family *f = c->family;
    bool must = f->experts == WEFT_EXPERTS_MUST;
    if (f->experts == WEFT_EXPERTS_NONE) return;
    c->experts.count = count(r, "expert_count", must ? -1 : 0, 1u << 16);
    if (c->experts.count == 0) return;
    c->experts.used = count(r, "expert_used_count", -1, 1u << 16);
    if (r->status == WEFT_OK && c->experts.used > c->experts.count)
        r->status = weft_fail(WEFT_ERR_FORMAT, "%s: key %s is %u, but there are %u experts", weft_source_path(r->file),
                              r->key, c->experts.used, c->experts.count);
    if (r->status != WEFT_OK) return;
    uint32_t part = must && c->n_ff >= c->experts.used ? c->n_ff / c->experts.used : c->n_ff;
    c->experts.width = count(r, "expert_feed_forward_length", part, 1u << 24);
    if (f->shared_expert) c->experts.shared = count(r, "expert_shared_feed_forward_length", c->n_ff, 1u << 24);
    c->experts.sum_to_1 = f->experts_sum_to_1;
    if (r->status == WEFT_OK && weft_source_has(r->file, key(r, "expert_weights_norm")))
        r->status = weft_source_get_bool(r->file, r->key, &c->experts.sum_to_1);
    c->experts.scale = number_or(r, "expert_weights_scale", 1);
    if (c->experts.scale == 0) c->experts.scale = 1; // as files say it
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

/// Key of the eps of norms, which each kind has under another name.
static const char *eps_key(const struct weft_family *family) {
    return family->norm == WEFT_NORM_LAYER ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon";
}

static double default_scale(const struct weft_model_config *c) {
    return 1 / sqrt(c->n_layer == c->family->wide_layers ? (double)c->n_embd / c->n_head : c->head_dim);
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
    if (c->family->rope != WEFT_ROPE_NONE && (c->rope_dim > c->head_dim || c->rope_dim % 2))
        return weft_fail(WEFT_ERR_FORMAT, "%s: %u of %u elements a head are rotated; it must be an even part", path,
                         c->rope_dim, c->head_dim);
    return WEFT_OK;
}

weft_status weft_model_config_read(const struct weft_source *file, struct weft_model_config *out) {
    struct weft_model_config *c = out;
    *c = (struct weft_model_config){0};
    WEFT_TRY(read_arch(file, c->arch, sizeof c->arch));
    WEFT_TRY(weft_family_find(file, c->arch, strlen(c->arch), &c->family));
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
    c->eps = number(&r, eps_key(c->family), NAN);
    c->window = count(&r, "attention.sliding_window", 0, 1u << 30);
    if (!weft_source_has(file, key(&r, "attention.sliding_window"))) c->window = c->family->window;
    read_pattern(&r, c);
    c->rope_dim = count(&r, "rope.dimension_count", c->head_dim, 1u << 16);
    c->rope_base = either(&r, "rope.freq_base", "rope.global.freq_base", 10000);
    c->rope_base_local = either(&r, "rope.freq_base_swa", "rope.local.freq_base", 10000);
    read_stretch(&r, c);
    read_recurrent(&r, c);
    read_experts(&r, c);
    c->attn_softcap = number_or(&r, "attn_logit_softcapping", c->family->attn_softcap);
    c->softcap = number_or(&r, "final_logit_softcapping", c->family->softcap);
    c->attn_scale = number(&r, "attention.scale", 0);
    read_local_shape(&r, c, value_dim);
    WEFT_TRY(r.status);
    WEFT_TRY(check_heads(file, c, value_dim));
    c->scale_given = c->attn_scale > 0;
    if (!c->scale_given) c->attn_scale = default_scale(c);
    return read_vocabulary(file, c);
}

/// An element type that has the name of a type of GGUF, in any case; WEFT_DTYPE_COUNT if no float or block type has.
static weft_dtype dtype_named(const char *name) {
    for (int i = 0; i < WEFT_DTYPE_COUNT; i++)
        if (weft_dtype_info((weft_dtype)i)->is_float && strcasecmp(weft_dtype_name((weft_dtype)i), name) == 0)
            return (weft_dtype)i;
    return WEFT_DTYPE_COUNT;
}

/// "f32, f16, ... and q3_k"
static void add_readable(struct weft_str *out) {
    int left = 0;
    for (int i = 0; i < WEFT_DTYPE_COUNT; i++) left += weft_dtype_info((weft_dtype)i)->is_float;
    for (int i = 0; i < WEFT_DTYPE_COUNT; i++) {
        if (!weft_dtype_info((weft_dtype)i)->is_float) continue;
        left--;
        weft_str_addf(out, "%s%s", weft_dtype_name((weft_dtype)i), left > 1 ? ", " : left == 1 ? " and " : "");
    }
}

weft_status weft_model_dtype(const struct weft_source_tensor *tensor, weft_dtype *out) {
    const struct weft_ggml_type_info *info = weft_ggml_type_info(tensor->type);
    *out = info ? dtype_named(info->name) : WEFT_DTYPE_COUNT;
    if (*out != WEFT_DTYPE_COUNT) return WEFT_OK;
    struct weft_str types = {0};
    add_readable(&types);
    weft_status status =
        weft_fail(WEFT_ERR_UNSUPPORTED, "tensor %s is %s; Weft reads %s: convert the file to one of these",
                  tensor->name, info ? info->name : "of an unknown type", weft_str_get(&types));
    weft_str_free(&types);
    return status;
}
