/// Rotary position embedding: y = x with pairs of channels turned by an angle that grows with the position.
///
/// x[T, H, D], pos (u32, a scalar): row t stands at position pos + t; of several sequences pos is u32 [T], a position
/// for each row. With n = n_rot channels rotating (0: all of D) and i = 0 .. n/2 - 1:
///   angle = (pos + t) * freq_scale * base^(-2 i / n) / factors[i]
///   (a, b) -> magnitude (a cos - b sin, a sin + b cos)
/// a and b are channels i and i + n/2 ("neox") or 2i and 2i + 1 ("normal"); channels from n on are copied. factors is
/// an optional f32 constant [n/2] of numbers other than 0, all 1 where it is left out: what stretches a model's context
/// pair by pair is made from it and from magnitude.
///
/// It has no kernel of its own: the region compiler folds it into what makes or takes its operand. The angle reaches
/// the device as a phase of 32 bits, exact under wrap-around (weft_rope_table, plan/scalar/sincos_turns.wgsl).
///
/// Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021.
#include "ops/rope.h"
#include "core/alloc.h"
#include "core/error.h"
#include "ops/sequence.h"
#include "ops/shape.h"
#include "plan/expr.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { X, POS, FACTORS, INPUTS };
enum { BASE, N_ROT, PAIRING, FREQ_SCALE, MAGNITUDE };
enum { NEOX, NORMAL };

static weft_status rope_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                              const struct weft_attr *attrs, struct weft_type *out) {
    int64_t d, pairs;
    if ((in[0].dtype != WEFT_F32 && in[0].dtype != WEFT_F16) || in[0].rank != 3)
        return weft_fail(WEFT_ERR_INVALID, "rope: x is %s; it takes f32 or f16 [tokens, heads, head size]",
                         weft_ops_type_text(g, &in[0]));
    if (in[1].rank) WEFT_TRY(weft_sequence_check_tokens(g, "rope", "pos", &in[1], in[0].dims[0]));
    if (in[1].dtype != WEFT_U32)
        return weft_fail(WEFT_ERR_INVALID, "rope: pos is %s; it takes a u32 variable", weft_ops_type_text(g, &in[1]));
    if (!weft_dim_is_const(g->dims, in[0].dims[2], &d))
        return weft_fail(WEFT_ERR_INVALID, "rope: the head size of x, %s, must be a constant",
                         weft_ops_type_text(g, &in[0]));
    int64_t n = attrs[N_ROT].i ? attrs[N_ROT].i : d;
    if (n % 2 || n > d)
        return weft_fail(WEFT_ERR_INVALID,
                         "rope: %lld rotated channels of %lld: the number must be even and at most the head size",
                         (long long)n, (long long)d);
    if (n_in > FACTORS && (in[FACTORS].dtype != WEFT_F32 || in[FACTORS].rank != 1 ||
                           !weft_dim_is_const(g->dims, in[FACTORS].dims[0], &pairs) || pairs != n / 2))
        return weft_fail(WEFT_ERR_INVALID, "rope: factors are %s; it takes f32 [%lld], one for each pair of channels",
                         weft_ops_type_text(g, &in[FACTORS]), (long long)(n / 2));
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
    const double *factors = e->n_in > FACTORS ? e->in[FACTORS].data : NULL;
    bool each = e->in[1].rank != 0;
    double magnitude = e->attrs[MAGNITUDE].f, *y = e->out[0].data;
    memcpy(y, x, (size_t)(tokens * heads * d) * sizeof *y);
    for (int64_t row = 0; row < tokens * heads; row++) {
        for (int64_t i = 0; i < n / 2; i++) {
            double freq = e->attrs[FREQ_SCALE].f * pow(e->attrs[BASE].f, -2.0 * (double)i / (double)n);
            double at = each ? e->in[1].data[row / heads] : e->in[1].data[0] + (double)(row / heads);
            double angle = at * (factors ? freq / factors[i] : freq);
            int64_t first = row * d + (neox ? i : 2 * i), second = row * d + (neox ? i + n / 2 : 2 * i + 1);
            y[first] = magnitude * (x[first] * cos(angle) - x[second] * sin(angle));
            y[second] = magnitude * (x[first] * sin(angle) + x[second] * cos(angle));
        }
    }
    weft_free(owned);
    return WEFT_OK;
}

// ---- as a scalar program -------------------------------------------------------------------------------------------

enum { MOST_PAIRS = 1024 };

void weft_rope_table(const struct weft_node *node, const float *factors, uint32_t *out, uint32_t n_pairs) {
    long double base = node->attrs[BASE].f, scale = node->attrs[FREQ_SCALE].f, turn = 2 * acosl(-1.0L);
    for (uint32_t i = 0; i < n_pairs; i++) {
        long double turns = scale * powl(base, -(long double)i / n_pairs) / turn;
        if (factors) turns /= factors[i];
        turns -= floorl(turns);
        out[i] = (uint32_t)(uint64_t)(turns * 4294967296.0L + 0.5L); // a whole turn wraps to 0
    }
}

static double turns(double phase) { return phase * (6.28318530717958647692 / 4294967296.0); }
static double sine(double x, double y, double z) { return (void)y, (void)z, sin(turns(x)); }
static double cosine(double x, double y, double z) { return (void)y, (void)z, cos(turns(x)); }
static double product(double x, double y, double z) { return (void)z, x * y; }
static double negative(double x, double y, double z) { return (void)y, (void)z, -x; }
static double fused(double x, double y, double z) { return x * y + z; }

static const struct weft_scalar fn_sincos = {
    .name = "sincos", .wgsl = "sincos_turns($0)", .host = sine, .second = cosine};
static const struct weft_scalar fn_product = {.name = "product", .wgsl = "$0 * $1", .host = product};
static const struct weft_scalar fn_negative = {.name = "negative", .wgsl = "-$0", .host = negative};
static const struct weft_scalar fn_fused = {.name = "fused", .wgsl = "$0 * $1 + $2", .host = fused};

/// The pair of column c: its number, its other column, and whether c is the second of the two (a truth value).
struct pair {
    uint32_t number, mate, second;
};

static struct pair pair_of(struct weft_expr *e, uint32_t c, uint32_t n, bool neox) {
    uint32_t one = weft_x_u32(e, 1), half = weft_x_u32(e, n / 2), wide = weft_x_u32(e, n);
    uint32_t first =
        neox ? weft_x_less(e, weft_x_mod(e, c, wide), half) : weft_x_less(e, weft_x_mod(e, c, weft_x_u32(e, 2)), one);
    uint32_t step = neox ? half : one;
    struct pair p = {.mate = weft_x_select(e, first, weft_x_add(e, c, step), weft_x_sub(e, c, step))};
    p.number = neox ? weft_x_mod(e, c, half) : weft_x_div(e, weft_x_mod(e, c, wide), weft_x_u32(e, 2));
    p.second = weft_x_select(e, first, weft_x_f32(e, 0), weft_x_f32(e, 1));
    return p;
}

/// The node's factors; NULL where it has none. Fails where they are no constant: the table is made before any weight is
/// read.
static const float *factors_of(struct weft_lower *l, const struct weft_node *n, uint32_t pairs) {
    if (n->n_in <= FACTORS) return NULL;
    const struct weft_value_info *info = weft_lv(l, n->in[FACTORS]);
    const float *factors = info->kind == WEFT_VALUE_CONST ? info->data : NULL;
    if (!factors) weft_lower_fail(l, WEFT_ERR_UNSUPPORTED, "rope takes its factors as a constant of the graph");
    for (uint32_t i = 0; factors && i < pairs; i++) {
        if (isfinite(factors[i]) && factors[i] != 0) continue;
        weft_lower_fail(l, WEFT_ERR_INVALID, "factor %u of rope is %g; it takes finite numbers other than 0", i,
                        (double)factors[i]);
        return NULL;
    }
    return factors;
}

static uint32_t scaled(struct weft_expr *e, uint32_t y, double magnitude) {
    if (magnitude == 1) return y;
    return weft_x_call2(e, &fn_product, WEFT_X_F32, y, weft_x_f32(e, magnitude));
}

/// x[c] cos - x[mate] sin, or + in the second half of a pair. The angle is (pos + t) * step in turns as 32-bit fixed
/// point, exact by wrap-around.
static uint32_t rope_expr(struct weft_expr *e, const struct weft_node *n, uint32_t out, const struct weft_at *at) {
    struct weft_lower *l = e->step->l;
    const struct weft_type *t = &weft_lv(l, n->in[0])->type;
    int64_t width = weft_lower_const(l, t->dims[2]);
    uint32_t rot = (uint32_t)(n->attrs[N_ROT].i ? n->attrs[N_ROT].i : width), steps[MOST_PAIRS];
    (void)out;
    if (rot > 2 * MOST_PAIRS) {
        weft_lower_fail(l, WEFT_ERR_UNSUPPORTED, "rope rotates %u channels of a head; %d are the most", rot,
                        2 * MOST_PAIRS);
        return 0;
    }
    if (rot == 0) return weft_x_value(e, n->in[0], at);
    uint32_t c = weft_x_coord(e, at, 3, 2), token = weft_x_coord(e, at, 3, 0);
    struct pair p = pair_of(e, c, rot, n->attrs[PAIRING].i == NEOX);
    uint32_t inside = rot == (uint32_t)width ? WEFT_X_NONE : weft_x_less(e, c, weft_x_u32(e, rot));
    if (inside != WEFT_X_NONE) p.mate = weft_x_select(e, inside, p.mate, c); // the others have none: themselves
    struct weft_at there = *at;
    if (at->explicit_) there.c[at->rank - 1] = p.mate;
    else there.col = weft_x_add(e, weft_x_sub(e, at->col, c), p.mate); // the last axis runs along the column
    uint32_t a = weft_x_value(e, n->in[0], at), b = weft_x_value(e, n->in[0], &there);
    char name[64];
    const float *factors = factors_of(l, n, rot / 2);
    weft_rope_table(n, factors, steps, rot / 2);
    snprintf(name, sizeof name, "rope.%g.%u.%g%s", n->attrs[BASE].f, rot, n->attrs[FREQ_SCALE].f,
             factors ? ".factors" : "");
    uint32_t table = weft_x_table(e, name, steps, (uint64_t)rot / 2 * 4);
    uint32_t step = weft_x_load(e, table, WEFT_X_U32, p.number, WEFT_X_NONE);
    uint32_t place = weft_lv(l, n->in[1])->type.rank ? weft_x_value_at(e, n->in[1], &token, WEFT_X_NONE, at)
                                                     : weft_x_add(e, weft_x_value(e, n->in[1], at), token);
    uint32_t phase = weft_x_mul(e, place, step);
    uint32_t both = weft_x_call1(e, &fn_sincos, WEFT_X_PAIR, phase);
    e->step->uses_sincos = true;
    uint32_t signed_b = weft_x_select(e, p.second, b, weft_x_call1(e, &fn_negative, WEFT_X_F32, b));
    uint32_t turned = weft_x_call2(e, &fn_product, WEFT_X_F32, signed_b, weft_x_part(e, both, 0));
    uint32_t y = weft_x_call3(e, &fn_fused, WEFT_X_F32, a, weft_x_part(e, both, 1), turned);
    y = scaled(e, y, n->attrs[MAGNITUDE].f);
    return inside == WEFT_X_NONE ? y : weft_x_select(e, inside, y, a);
}

const struct weft_op weft_op_rope = {
    .name = "rope",
    .doc = "x, pos[, factors] -> y: pairs of channels turned by an angle that grows with the position",
    .n_in_min = POS + 1,
    .n_in_max = INPUTS,
    .n_out = 1,
    .traits = WEFT_OP_ROWMAP,
    .attrs = {{.name = "base", .type = WEFT_ATTR_FLOAT, .dflt = 10000, .lo = 1, .hi = 1e12},
              {.name = "n_rot", .type = WEFT_ATTR_INT, .lo = 0, .hi = 1 << 20},
              {.name = "pairing", .type = WEFT_ATTR_ENUM, .choices = "neox|normal"},
              {.name = "freq_scale", .type = WEFT_ATTR_FLOAT, .dflt = 1, .lo = -1e6, .hi = 1e6},
              {.name = "magnitude", .type = WEFT_ATTR_FLOAT, .dflt = 1, .lo = -1e6, .hi = 1e6}},
    .infer = rope_infer,
    .eval = rope_eval,
    .expr = rope_expr,
};
