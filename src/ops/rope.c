/// Rotary position embedding: y = x with pairs of channels turned by an angle that grows with the position.
///
/// x[T, H, D], pos (u32, a scalar): row t stands at position pos + t. With n = n_rot channels rotating (0: all of D)
/// and i = 0 .. n/2 - 1:
///   angle = (pos + t) * freq_scale * base^(-2 i / n)
///   (a, b) -> (a cos - b sin, a sin + b cos)
/// a and b are channels i and i + n/2 ("neox") or 2i and 2i + 1 ("normal"); channels from n on are copied.
///
/// It has no kernel of its own: the region compiler folds it into what makes or takes its operand. The angle reaches
/// the device as a phase of 32 bits, exact under wrap-around (weft_rope_table, plan/sincos.wgsl).
///
/// Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021.
#include "ops/rope.h"
#include "core/alloc.h"
#include "core/error.h"
#include "ops/shape.h"

#include <math.h>
#include <string.h>

enum { BASE, N_ROT, PAIRING, FREQ_SCALE };
enum { NEOX, NORMAL };

static weft_status rope_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                              const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    int64_t d;
    if ((in[0].dtype != WEFT_F32 && in[0].dtype != WEFT_F16) || in[0].rank != 3)
        return weft_fail(WEFT_ERR_INVALID, "rope: x is %s; it takes f32 or f16 [tokens, heads, head size]",
                         weft_ops_type_text(g, &in[0]));
    if (in[1].dtype != WEFT_U32 || in[1].rank != 0)
        return weft_fail(WEFT_ERR_INVALID, "rope: pos is %s; it takes a u32 variable", weft_ops_type_text(g, &in[1]));
    if (!weft_dim_is_const(g->dims, in[0].dims[2], &d))
        return weft_fail(WEFT_ERR_INVALID, "rope: the head size of x, %s, must be a constant",
                         weft_ops_type_text(g, &in[0]));
    int64_t n = attrs[N_ROT].i ? attrs[N_ROT].i : d;
    if (n % 2 || n > d)
        return weft_fail(WEFT_ERR_INVALID,
                         "rope: %lld rotated channels of %lld: the number must be even and at most the head size",
                         (long long)n, (long long)d);
    out[0] = in[0];
    return WEFT_OK;
}

static weft_status rope_eval(const struct weft_eval *e) {
    double *owned;
    const double *x = weft_ops_dense(&e->in[0], &owned);
    if (!x) return weft_fail(WEFT_ERR_NOMEM, "rope: out of memory");
    int64_t tokens = e->in[0].shape[0], heads = e->in[0].shape[1], d = e->in[0].shape[2];
    int64_t n = e->attrs[N_ROT].i ? e->attrs[N_ROT].i : d;
    bool neox = e->attrs[PAIRING].i == NEOX;
    double pos = e->in[1].data[0], *y = e->out[0].data;
    memcpy(y, x, (size_t)(tokens * heads * d) * sizeof *y);
    for (int64_t row = 0; row < tokens * heads; row++) {
        for (int64_t i = 0; i < n / 2; i++) {
            double freq = e->attrs[FREQ_SCALE].f * pow(e->attrs[BASE].f, -2.0 * (double)i / (double)n);
            double angle = (pos + (double)(row / heads)) * freq;
            int64_t first = row * d + (neox ? i : 2 * i), second = row * d + (neox ? i + n / 2 : 2 * i + 1);
            y[first] = x[first] * cos(angle) - x[second] * sin(angle);
            y[second] = x[first] * sin(angle) + x[second] * cos(angle);
        }
    }
    weft_free(owned);
    return WEFT_OK;
}

void weft_rope_table(const struct weft_node *node, uint32_t *out, uint32_t n_pairs) {
    long double base = node->attrs[BASE].f, scale = node->attrs[FREQ_SCALE].f, turn = 2 * acosl(-1.0L);
    for (uint32_t i = 0; i < n_pairs; i++) {
        long double turns = scale * powl(base, -(long double)i / n_pairs) / turn;
        turns -= floorl(turns);
        out[i] = (uint32_t)(uint64_t)(turns * 4294967296.0L + 0.5L); // a whole turn wraps to 0
    }
}

const struct weft_op weft_op_rope = {
    .name = "rope",
    .n_in_min = 2,
    .n_in_max = 2,
    .n_out = 1,
    .traits = WEFT_OP_ROWMAP,
    .attrs = {{.name = "base", .type = WEFT_ATTR_FLOAT, .dflt = 10000, .lo = 1, .hi = 1e12},
              {.name = "n_rot", .type = WEFT_ATTR_INT, .lo = 0, .hi = 1 << 20},
              {.name = "pairing", .type = WEFT_ATTR_ENUM, .choices = "neox|normal"},
              {.name = "freq_scale", .type = WEFT_ATTR_FLOAT, .dflt = 1, .lo = -1e6, .hi = 1e6}},
    .infer = rope_infer,
    .eval = rope_eval,
};
