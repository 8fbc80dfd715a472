#include "model/stretch.h"

#include "core/alloc.h"
#include "core/error.h"
#include "model/gguf.h"

#include <math.h>
#include <string.h>

static const char *const tensors[] = {"rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight"};

bool weft_stretch_reads(const struct weft_model_build *m, const char *name) {
    const struct weft_family *f = m->config->family;
    if (!strcmp(name, tensors[0])) return ((f->must | f->may) & WEFT_PART_ROPE_FREQS) != 0;
    return m->config->stretch.kind == WEFT_STRETCH_LISTS && (!strcmp(name, tensors[1]) || !strcmp(name, tensors[2]));
}

/// Multiplies the factors by the elements of a tensor of n numbers.
static weft_status multiply(const struct weft_model_build *m, const char *name, float *factors, uint32_t n) {
    const struct weft_source_tensor *t = weft_source_find(m->file, name);
    if (!t)
        return weft_fail(WEFT_ERR_NOT_FOUND, "tensor %s is missing; the model's key rope.scaling.type needs it", name);
    if (t->type != WEFT_GGML_F32)
        return weft_fail(WEFT_ERR_UNSUPPORTED, "tensor %s is %s; Weft takes it as F32", name,
                         weft_ggml_type_info(t->type)->name);
    if (t->n_dims != 1 || t->dims[0] != n)
        return weft_fail(WEFT_ERR_FORMAT, "tensor %s has %llu elements; the model turns %u pairs of channels", name,
                         (unsigned long long)(t->size / sizeof(float)), n);
    for (uint32_t i = 0; i < n; i++) {
        float x;
        WEFT_TRY(weft_source_read(m->file, t, i * sizeof x, sizeof x, &x));
        if (!(isfinite(x) && x > 0))
            return weft_fail(WEFT_ERR_FORMAT, "element %u of tensor %s is %g; it must be a positive number", i, name,
                             (double)x);
        factors[i] *= x;
    }
    return WEFT_OK;
}

/// Between a pair that keeps its frequency (share 1) and one that is divided by the whole factor (0).
static double between(double share, double factor) { return 1 / (share + (1 - share) / factor); }

static double llama3(const struct weft_model_stretch *s, double positions) {
    double share = (s->original / positions - s->low) / (s->high - s->low);
    if (positions < s->original / s->high) share = 1;
    else if (positions > s->original / s->low) share = 0;
    return between(share, s->factor);
}

/// The pair that makes so many turns in the original context, as a real number.
static double pair_of(const struct weft_model_config *c, double turns) {
    double positions = c->stretch.original / (turns * 2 * acos(-1));
    return c->rope_dim * log(positions) / (2 * log(c->rope_base));
}

static double yarn(const struct weft_model_config *c, uint32_t i) {
    double first = fmax(floor(pair_of(c, c->stretch.high)), 0), last = ceil(pair_of(c, c->stretch.low));
    last = fmin(last, c->rope_dim - 1);
    double ramp = (i - first) / fmax(last - first, 0.001);
    return between((1 - fmin(fmax(ramp, 0), 1)) * c->stretch.extrapolate, c->stretch.factor);
}

/// Fills factors, which are 1; sets *any if some are not.
static weft_status fill(const struct weft_model_build *m, float *factors, uint32_t n, bool *any) {
    const struct weft_model_config *c = m->config;
    const struct weft_model_stretch *s = &c->stretch;
    for (uint32_t i = 0; i < n; i++) {
        double positions = 2 * acos(-1) * pow(c->rope_base, (double)i / n);
        if (s->kind == WEFT_STRETCH_LLAMA3) factors[i] = (float)llama3(s, positions);
        if (s->kind == WEFT_STRETCH_YARN) factors[i] = (float)yarn(c, i);
    }
    *any = s->kind != WEFT_STRETCH_LINEAR;
    if (s->kind == WEFT_STRETCH_LISTS) WEFT_TRY(multiply(m, tensors[m->ctx > s->original ? 2 : 1], factors, n));
    if (!weft_block_has(m, WEFT_PART_ROPE_FREQS, tensors[0])) return WEFT_OK;
    *any = true;
    return multiply(m, tensors[0], factors, n);
}

void weft_stretch_make(struct weft_model_build *m) {
    const struct weft_model_stretch *s = &m->config->stretch;
    uint32_t n = m->config->rope_dim / 2;
    bool any = false;
    m->turn = (struct weft_block_turn){.freq_scale = 1, .magnitude = s->magnitude, .factors = WEFT_NO_VALUE};
    if (m->config->family->rope == WEFT_ROPE_NONE || m->b.status != WEFT_OK) return;
    if (s->kind == WEFT_STRETCH_LINEAR) m->turn.freq_scale = 1 / s->factor;
    if (s->kind == WEFT_STRETCH_YARN && s->extrapolate > 0 && s->factor > 1)
        m->turn.magnitude *= 1 + 0.1 * log(s->factor);
    float *factors = weft_alloc(((size_t)n + 1) * sizeof *factors);
    if (!factors) {
        m->b.status = weft_fail(WEFT_ERR_NOMEM, "no memory for the model's graph");
        return;
    }
    for (uint32_t i = 0; i < n; i++) factors[i] = 1;
    m->b.status = fill(m, factors, n, &any);
    struct weft_type type = {.dtype = WEFT_F32, .rank = 1, .dims = {weft_dim_const(m->b.g->dims, n)}};
    if (m->b.status == WEFT_OK && any)
        m->b.status = weft_graph_const(m->b.g, type, factors, (uint64_t)n * sizeof *factors, &m->turn.factors);
    weft_free(factors);
}
