/// What config.json says about attention in several members at once: heads, rotary positions, windows, scales.
#include "core/alloc.h"
#include "core/error.h"
#include "model/hf_impl.h"
#include "model/source_build.h"

#include <math.h>
#include <string.h>

/// Most layers and elements of a head that are worth an array.
enum { MOST_LAYERS = 1 << 16, MOST_HEAD = 1 << 16 };

struct attention {
    struct weft_hf *hf;
    uint32_t layers, width, heads, head_dim, rope_dim, ctx;
    const struct weft_json_value *rope; ///< of global layers; NULL: default
    double base, base_local;
};

static weft_status put_text(struct weft_hf *hf, const char *name, const char *text) {
    const char *key = weft_hf_key_name(hf, name);
    return key ? weft_source_put_string(hf->source, key, text, strlen(text))
               : weft_fail(WEFT_ERR_NOMEM, "out of memory for the keys of a model");
}

static weft_status put_vector(struct weft_hf *hf, const char *name, const float *x, uint64_t n) {
    uint64_t dims[] = {n};
    float *kept = weft_arena_dup(&hf->source->arena, x, n * sizeof *x);
    if (!kept) return weft_fail(WEFT_ERR_NOMEM, "out of memory for tensor '%s'", name);
    return weft_source_add_tensor(hf->source, name, 0, dims, 1, kept, n * sizeof *x);
}

/// Heads, as GGUF has them in either case.
static weft_status put_heads(struct attention *a) {
    const struct weft_json_value *c = &a->hf->config;
    bool said = weft_hf_member(c, "head_dim") || weft_hf_fallback(a->hf, "head_dim") > 0;
    uint32_t fallback = (uint32_t)weft_hf_fallback(a->hf, "head_dim");
    WEFT_TRY(weft_hf_count(c, "num_hidden_layers", 0, &a->layers));
    WEFT_TRY(weft_hf_count(c, "hidden_size", 0, &a->width));
    WEFT_TRY(
        weft_hf_count(c, "num_attention_heads", (uint32_t)weft_hf_fallback(a->hf, "num_attention_heads"), &a->heads));
    WEFT_TRY(weft_hf_count(c, "max_position_embeddings", (uint32_t)weft_hf_fallback(a->hf, "max_position_embeddings"),
                           &a->ctx));
    if (!fallback && a->heads) fallback = a->width / a->heads;
    WEFT_TRY(weft_hf_count(c, "head_dim", fallback, &a->head_dim));
    if (!said) return WEFT_OK;
    WEFT_TRY(weft_hf_put_count(a->hf, "attention.key_length", a->head_dim));
    return weft_hf_put_count(a->hf, "attention.value_length", a->head_dim);
}

// ---- rotary positions ----------------------------------------------------------------------------------------------

/// A number of the rope's object, or else of the config.
static weft_status rope_number(const struct attention *a, const char *name, double fallback, double *out) {
    WEFT_TRY(weft_hf_number(&a->hf->config, name, fallback, out));
    return weft_hf_number(a->rope, name, *out, out);
}

static weft_status put_bases(struct attention *a) {
    const struct weft_json_value *c = &a->hf->config, *p = weft_hf_member(c, "rope_parameters");
    const struct weft_json_value *local = weft_hf_member(p, "sliding_attention");
    double base, local_base = weft_hf_fallback(a->hf, "rope_local_base_freq");
    a->rope = weft_hf_member(p, "full_attention");
    if (!a->rope) a->rope = p ? p : weft_hf_member(c, "rope_scaling");
    if (a->rope && a->rope->type != WEFT_JSON_MAP)
        return weft_fail(WEFT_ERR_FORMAT, "the parameters of rotary positions are no object");
    WEFT_TRY(rope_number(a, "rope_theta", weft_hf_fallback(a->hf, "rope_theta"), &base));
    WEFT_TRY(weft_hf_number(c, "rope_local_base_freq", local_base, &local_base));
    WEFT_TRY(weft_hf_number(local, "rope_theta", local_base, &a->base_local));
    a->base = base > 0 ? base : 10000;
    if (base > 0) WEFT_TRY(weft_hf_put_number(a->hf, "rope.freq_base", base));
    return a->base_local > 0 ? weft_hf_put_number(a->hf, "rope.freq_base_swa", a->base_local) : WEFT_OK;
}

static weft_status put_rope_dim(struct attention *a) {
    double part;
    WEFT_TRY(rope_number(a, "partial_rotary_factor", 1, &part));
    if (!(part > 0 && part <= 1)) return weft_fail(WEFT_ERR_FORMAT, "'partial_rotary_factor' is %g, not 0 to 1", part);
    a->rope_dim = (uint32_t)(a->head_dim * part);
    if (a->rope_dim > MOST_HEAD) return weft_fail(WEFT_ERR_FORMAT, "a head has %u elements", a->head_dim);
    return part < 1 ? weft_hf_put_count(a->hf, "rope.dimension_count", a->rope_dim) : WEFT_OK;
}

static weft_status put_linear(struct attention *a) {
    double factor;
    WEFT_TRY(rope_number(a, "factor", 1, &factor));
    WEFT_TRY(put_text(a->hf, "rope.scaling.type", "linear"));
    return weft_hf_put_number(a->hf, "rope.scaling.factor", factor);
}

static weft_status put_original(struct attention *a, double *original) {
    WEFT_TRY(rope_number(a, "original_max_position_embeddings", a->ctx, original));
    if (!(*original >= 1 && *original <= 1 << 30))
        return weft_fail(WEFT_ERR_FORMAT, "'original_max_position_embeddings' is %g", *original);
    return weft_hf_put_count(a->hf, "rope.scaling.original_context_length", (uint32_t)*original);
}

static weft_status put_yarn(struct attention *a) {
    static const struct {
        const char *from, *to;
    } rows[] = {{"beta_fast", "rope.scaling.yarn_beta_fast"}, {"beta_slow", "rope.scaling.yarn_beta_slow"}};
    double x, factor, usual;
    WEFT_TRY(rope_number(a, "factor", 1, &factor));
    WEFT_TRY(put_text(a->hf, "rope.scaling.type", "yarn"));
    WEFT_TRY(weft_hf_put_number(a->hf, "rope.scaling.factor", factor));
    usual = factor > 1 ? 1 + 0.1 * log(factor) : 1; // the key multiplies it, attention_factor takes its place
    WEFT_TRY(rope_number(a, "attention_factor", usual, &x));
    if (x != usual) WEFT_TRY(weft_hf_put_number(a->hf, "rope.scaling.attn_factor", x / usual));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!weft_hf_member(a->rope, rows[i].from)) continue;
        WEFT_TRY(rope_number(a, rows[i].from, 0, &x));
        WEFT_TRY(weft_hf_put_number(a->hf, rows[i].to, x));
    }
    return put_original(a, &x);
}

/// Frequencies of long waves are divided by a factor, of short ones by none, with a ramp between.
static weft_status put_llama3(struct attention *a) {
    double factor, low, high, original;
    uint32_t n = a->rope_dim / 2;
    WEFT_TRY(rope_number(a, "factor", 8, &factor));
    WEFT_TRY(rope_number(a, "low_freq_factor", 1, &low));
    WEFT_TRY(rope_number(a, "high_freq_factor", 4, &high));
    WEFT_TRY(rope_number(a, "original_max_position_embeddings", 8192, &original));
    if (!(factor > 0 && low > 0 && high > low && original > 0))
        return weft_fail(WEFT_ERR_FORMAT, "the factors of the rope_type 'llama3' do not fit each other");
    float *x = weft_alloc(n * sizeof *x + 1);
    if (!x) return weft_fail(WEFT_ERR_NOMEM, "out of memory for the factors of rotary positions");
    for (uint32_t i = 0; i < n; i++) {
        double wave = 2 * 3.14159265358979323846 * pow(a->base, 2.0 * i / a->rope_dim);
        double ramp = (original / wave - low) / (high - low);
        double divisor = wave < original / high ? 1 : wave > original / low ? factor : 1 / ((1 - ramp) / factor + ramp);
        x[i] = (float)divisor;
    }
    weft_status status = put_vector(a->hf, "rope_freqs.weight", x, n);
    weft_free(x);
    return status;
}

static weft_status put_factors(struct attention *a, const char *from, const char *name) {
    const struct weft_json_value *list = weft_hf_member(a->rope, from);
    if (!list || list->type != WEFT_JSON_LIST || list->n != a->rope_dim / 2)
        return weft_fail(WEFT_ERR_FORMAT, "'%s' is no list of %u factors", from, a->rope_dim / 2);
    float *x = weft_alloc(list->n * sizeof *x + 1);
    weft_status status = x ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory for tensor '%s'", name);
    for (size_t i = 0; status == WEFT_OK && i < list->n; i++) {
        const struct weft_json_value *v = &list->items[i];
        double one = v->type == WEFT_JSON_INT ? (double)v->i : v->type == WEFT_JSON_REAL ? v->r : 0;
        if (!(one > 0)) status = weft_fail(WEFT_ERR_FORMAT, "element %zu of '%s' is no positive number", i, from);
        x[i] = (float)one;
    }
    if (status == WEFT_OK) status = put_vector(a->hf, name, x, list->n);
    weft_free(x);
    return status;
}

static weft_status put_longrope(struct attention *a) {
    double original;
    WEFT_TRY(put_original(a, &original));
    double scale = a->ctx / original, factor = scale > 1 ? sqrt(1 + log(scale) / log(original)) : 1;
    WEFT_TRY(rope_number(a, "attention_factor", factor, &factor));
    WEFT_TRY(weft_hf_put_number(a->hf, "rope.scaling.attn_factor", factor));
    WEFT_TRY(put_factors(a, "long_factor", "rope_factors_long.weight"));
    return put_factors(a, "short_factor", "rope_factors_short.weight");
}

static weft_status put_scaling(struct attention *a) {
    static const struct {
        const char *name;
        weft_status (*put)(struct attention *a);
    } kinds[] = {{"linear", put_linear}, {"llama3", put_llama3}, {"yarn", put_yarn}, {"longrope", put_longrope},
                 {"su", put_longrope},   {"default", NULL},      {"mrope", NULL}};
    const struct weft_json_value *type = weft_hf_member(a->rope, "rope_type");
    if (!type) type = weft_hf_member(a->rope, "type");
    if (!type) return WEFT_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (weft_json_is(type, kinds[i].name)) return kinds[i].put ? kinds[i].put(a) : WEFT_OK;
    return weft_fail(WEFT_ERR_UNSUPPORTED, "the rope_type '%.40s' is none that Weft knows",
                     type->type == WEFT_JSON_STRING ? type->s.text : "");
}

// ---- windows -------------------------------------------------------------------------------------------------------

/// Layer i sees the window only. Without a list the family's period says it, else the number of layers below which all
/// is seen, else all layers are alike.
static weft_status is_local(const struct attention *a, uint32_t i, bool *out) {
    const struct weft_json_value *c = &a->hf->config, *list = weft_hf_member(c, "layer_types");
    uint32_t period = (uint32_t)weft_hf_fallback(a->hf, "sliding_window_pattern"), first;
    *out = true;
    if (list) {
        if (list->type != WEFT_JSON_LIST || list->n != a->layers)
            return weft_fail(WEFT_ERR_FORMAT, "'layer_types' is no list of %u layers", a->layers);
        *out = weft_json_is(&list->items[i], "sliding_attention");
        if (*out || weft_json_is(&list->items[i], "full_attention") ||
            weft_json_is(&list->items[i], "linear_attention"))
            return WEFT_OK;
        return weft_fail(WEFT_ERR_UNSUPPORTED, "element %u of 'layer_types' is none that Weft knows", i);
    }
    WEFT_TRY(weft_hf_count(c, "_sliding_window_pattern", period, &period));
    WEFT_TRY(weft_hf_count(c, "sliding_window_pattern", period, &period));
    WEFT_TRY(weft_hf_count(c, "max_window_layers", 0, &first));
    *out = period ? (i + 1) % period != 0 : i >= first;
    return WEFT_OK;
}

static weft_status put_window(struct attention *a) {
    const struct weft_json_value *use = weft_hf_member(&a->hf->config, "use_sliding_window");
    uint32_t window;
    bool any = false;
    WEFT_TRY(
        weft_hf_count(&a->hf->config, "sliding_window", (uint32_t)weft_hf_fallback(a->hf, "sliding_window"), &window));
    const struct weft_json_value *said = weft_json_find(&a->hf->config, "sliding_window");
    if (said && said->type == WEFT_JSON_NULL) window = 0; // null says that there is none
    if (use && use->type == WEFT_JSON_BOOL && !use->b) window = 0;
    bool differs = window < a->ctx || a->base_local > 0; // what a local layer computes, from what a global one does
    if (window == 0 || !differs || a->layers == 0) return WEFT_OK;
    if (a->layers > MOST_LAYERS) return weft_fail(WEFT_ERR_FORMAT, "%u layers are absurd", a->layers);
    bool *local = weft_calloc(a->layers, sizeof *local);
    if (!local) return weft_fail(WEFT_ERR_NOMEM, "out of memory for %u layers", a->layers);
    weft_status status = WEFT_OK;
    for (uint32_t i = 0; status == WEFT_OK && i < a->layers; i++) {
        status = is_local(a, i, &local[i]);
        any = any || local[i];
    }
    const char *key = weft_hf_key_name(a->hf, "attention.sliding_window_pattern");
    if (status == WEFT_OK && any) status = weft_hf_put_count(a->hf, "attention.sliding_window", window);
    if (status == WEFT_OK && any)
        status = key ? weft_source_put_bools(a->hf->source, key, local, a->layers)
                     : weft_fail(WEFT_ERR_NOMEM, "out of memory for keys");
    weft_free(local);
    return status;
}

/// The scale is the head's where GGUF files have none. It is f64, so that a family that knows it has the same number.
static weft_status put_scale(struct attention *a) {
    double x;
    WEFT_TRY(
        weft_hf_number(&a->hf->config, "query_pre_attn_scalar", weft_hf_fallback(a->hf, "query_pre_attn_scalar"), &x));
    if (x < 0) return weft_fail(WEFT_ERR_FORMAT, "'query_pre_attn_scalar' is %g", x);
    const char *key = weft_hf_key_name(a->hf, "attention.scale");
    if (!key) return weft_fail(WEFT_ERR_NOMEM, "out of memory for keys");
    return x > 0 && x != a->head_dim ? weft_source_put_f64(a->hf->source, key, 1 / sqrt(x)) : WEFT_OK;
}

weft_status weft_hf_attention(struct weft_hf *hf) {
    struct attention a = {.hf = hf};
    WEFT_TRY(put_heads(&a));
    WEFT_TRY(put_bases(&a));
    WEFT_TRY(put_rope_dim(&a));
    WEFT_TRY(put_scaling(&a));
    WEFT_TRY(put_window(&a));
    return put_scale(&a);
}
