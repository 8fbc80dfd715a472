/// A causal convolution over time of each channel by itself, with the columns that the next run needs kept in a state.
///
///   next, y = causal_conv(state, x, weight [, bias] [, count [, active]]; activation, dilation, layout)
///
/// With N = (K - 1) dilation and s = the state, then x, along time:
///   y[c, t] = act(bias[c] + sum_{j < K} weight[c, j] s[c, t + j dilation])      act(u) = u, or u sigmoid(u) (silu)
///   next = the last N columns of s: raw inputs. A run of fewer than N columns keeps older ones; one of none keeps all.
///
/// Shapes, by layout; the axis B may be left out of both. L may be symbolic, all else is constant:
///   first   x [B, C, L], state f32 [B, C, N], y f32 [B, C, L]
///   last    x [B, L, C], state f32 [B, N, C], y f32 [B, L, C]
/// weight is [C, 1, K] or [C, K], bias [C]. x, weight and bias are floats of any kind, K is 2 or more. Sums are f32.
///
/// Of several sequences: count, a u32 variable of S slots, and optionally active, likewise, stand behind the others.
/// The state is [S, C, N] or [S, N, C], kept by slot, x [C, T] or [T, C], and of the T columns the first count[0] are
/// slot 0's, the next count[1] slot 1's, and so on (ops/sequence.h). A slot without columns, or whose activity is 0,
/// keeps its state bit for bit; y of columns that are an idle slot's or nobody's is 0. Sums are those of one sequence.
///
/// A thread makes some columns of one channel. In runs of few columns it makes all of them and then the channel's
/// state, so that nobody else reads what it overwrites; in longer ones a second step writes the state.
#include "core/alloc.h"
#include "core/error.h"
#include "ops/sequence.h"
#include "ops/shape.h"
#include "plan/lower.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STATE, X, WEIGHT, BIAS };
enum { ACTIVATION, DILATION, LAYOUT };
enum {
    FEW_COLUMNS = 16,  // runs of at most so many take one step
    BLOCK = 8,         // columns a thread makes in longer ones
    MOST_KEPT = 16384, // columns of a state: a thread moves them one by one, and drivers end long loops
};

/// Element (b, c, t) of a tensor of n columns: (b C + c) n + t, or (b n + t) C + c.
struct conv_shape {
    int64_t batch, channels, taps, dilation, keep; ///< batch: slots, where there are several sequences
    bool last, silu;
};

static int64_t conv_at(const struct conv_shape *s, int64_t b, int64_t c, int64_t t, int64_t n) {
    return s->last ? (b * n + t) * s->channels + c : (b * s->channels + c) * n + t;
}

// ---- what it means -------------------------------------------------------------------------------------------------

/// `n_in` is the number of operands in front of count.
static weft_status check_weight(struct weft_graph *g, const struct weft_type *in, uint32_t n_in, int64_t channels,
                                int64_t *taps) {
    const struct weft_type *w = &in[WEIGHT];
    int64_t c, one = 1;
    bool ok = weft_ops_is_float(w->dtype) && (w->rank == 2 || w->rank == 3) &&
              weft_dim_is_const(g->dims, w->dims[0], &c) && c == channels &&
              weft_dim_is_const(g->dims, w->dims[w->rank - 1], taps) &&
              (w->rank == 2 || (weft_dim_is_const(g->dims, w->dims[1], &one) && one == 1));
    if (!ok)
        return weft_fail(WEFT_ERR_INVALID, "weight is %s; it takes floats [%lld, 1, K] or [%lld, K]",
                         weft_ops_type_text(g, w), (long long)channels, (long long)channels);
    if (*taps < 2 || *taps > 256)
        return weft_fail(WEFT_ERR_INVALID, "a kernel of %lld taps; it takes 2 to 256 (one tap is a product)",
                         (long long)*taps);
    if (n_in <= BIAS) return WEFT_OK;
    const struct weft_type *b = &in[BIAS];
    if (b->rank == 1 && weft_ops_is_float(b->dtype) && weft_dim_is_const(g->dims, b->dims[0], &c) && c == channels)
        return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "bias is %s; it takes floats [%lld]", weft_ops_type_text(g, b),
                     (long long)channels);
}

static weft_status conv_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                              const struct weft_attr *attrs, struct weft_type *out) {
    const struct weft_type *x = &in[X], *state = &in[STATE];
    bool last = attrs[LAYOUT].i == 1;
    int64_t batch = 1, channels, taps, n;
    uint32_t tail = weft_sequence_tail(in, n_in), axis = tail > 0; // of the state: its slots
    if (!weft_ops_is_float(x->dtype) || (x->rank != 2 && (x->rank != 3 || tail)))
        return weft_fail(WEFT_ERR_INVALID,
                         tail ? "x is %s; the columns of several sequences are floats [%s]"
                              : "x is %s; it takes floats [B, %s] or [%s]",
                         weft_ops_type_text(g, x), last ? "L, C" : "C, L", last ? "L, C" : "C, L");
    if (n_in - tail < BIAS || n_in - tail > BIAS + 1)
        return weft_fail(WEFT_ERR_INVALID,
                         "it takes state, x, weight and perhaps bias in front of count; %u were given", n_in - tail);
    WEFT_TRY(weft_sequence_check_tail(g, "causal_conv", state, in + n_in - tail, tail));
    uint32_t c_axis = x->rank - (last ? 1 : 2), t_axis = x->rank - (last ? 2 : 1);
    if ((x->rank == 3 && !weft_dim_is_const(g->dims, x->dims[0], &batch)) ||
        !weft_dim_is_const(g->dims, x->dims[c_axis], &channels) || channels < 1)
        return weft_fail(WEFT_ERR_INVALID,
                         "x is %s; B and C must be constants, since the state has a place for each of their channels",
                         weft_ops_type_text(g, x));
    WEFT_TRY(check_weight(g, in, n_in - tail, channels, &taps));
    if ((taps - 1) * attrs[DILATION].i > MOST_KEPT)
        return weft_fail(WEFT_ERR_LIMIT, "%lld taps at a dilation of %lld keep %lld columns; %d is the most",
                         (long long)taps, (long long)attrs[DILATION].i, (long long)((taps - 1) * attrs[DILATION].i),
                         MOST_KEPT);
    bool same = state->dtype == WEFT_F32 && state->rank == x->rank + axis &&
                state->dims[c_axis + axis] == x->dims[c_axis] && (x->rank == 2 || state->dims[0] == x->dims[0]) &&
                weft_dim_is_const(g->dims, state->dims[t_axis + axis], &n) && n == (taps - 1) * attrs[DILATION].i;
    if (!same)
        return weft_fail(WEFT_ERR_INVALID,
                         "the state is %s; for x %s it takes f32 of the same axes with %lld columns%s",
                         weft_ops_type_text(g, state), weft_ops_type_text(g, x),
                         (long long)((taps - 1) * attrs[DILATION].i), axis ? " for each slot" : "");
    out[0] = *state;
    out[1] = *x;
    out[1].dtype = WEFT_F32;
    return WEFT_OK;
}

/// Where a sequence's columns are in x: `count` from column `first` on, of `len` of batch `b`.
struct conv_run {
    int64_t b, first, count, len;
};

/// One channel: `old` holds its kept columns while the state is written.
static void eval_channel(const struct weft_eval *e, const struct conv_shape *s, const double *const in[4], double *old,
                         int64_t b, int64_t c, const struct conv_run *r) {
    for (int64_t j = 0; j < s->keep; j++) old[j] = in[STATE][conv_at(s, b, c, j, s->keep)];
    for (int64_t t = 0; t < r->count; t++) {
        double sum = in[BIAS] ? in[BIAS][c] : 0;
        for (int64_t j = 0; j < s->taps; j++) {
            int64_t from = t + j * s->dilation;
            double value = from < s->keep ? old[from] : in[X][conv_at(s, r->b, c, r->first + from - s->keep, r->len)];
            sum += in[WEIGHT][c * s->taps + j] * value;
        }
        e->out[1].data[conv_at(s, r->b, c, r->first + t, r->len)] = s->silu ? sum / (1 + exp(-sum)) : sum;
    }
    for (int64_t j = 0; j < s->keep; j++) {
        int64_t from = r->count + j;
        e->out[0].data[conv_at(s, b, c, j, s->keep)] =
            from < s->keep ? old[from] : in[X][conv_at(s, r->b, c, r->first + from - s->keep, r->len)];
    }
}

static weft_status conv_eval(const struct weft_eval *e) {
    double *owned[4] = {0};
    const double *in[4] = {0};
    const struct weft_host *x = &e->in[X], *w = &e->in[WEIGHT];
    bool last = e->attrs[LAYOUT].i == 1, ok = true;
    uint32_t tail = weft_sequence_tail_host(e);
    struct conv_shape s = {.batch = tail           ? e->in[STATE].shape[0]
                                    : x->rank == 3 ? x->shape[0]
                                                   : 1,
                           .channels = x->shape[x->rank - (last ? 1 : 2)],
                           .taps = w->shape[w->rank - 1],
                           .dilation = e->attrs[DILATION].i,
                           .last = last,
                           .silu = e->attrs[ACTIVATION].i == 1};
    s.keep = (s.taps - 1) * s.dilation;
    for (uint32_t i = 0; i < e->n_in - tail; i++) ok &= (in[i] = weft_ops_dense(&e->in[i], &owned[i])) != NULL;
    double *old = weft_alloc((size_t)s.keep * sizeof *old);
    ok &= old != NULL;
    for (int64_t i = 0; ok && i < s.batch * s.channels; i++) {
        int64_t b = i / s.channels, ignored;
        struct conv_run r = {.b = tail ? 0 : b, .len = x->shape[x->rank - (last ? 2 : 1)]};
        r.count = weft_sequence_tail_tokens(e, tail, b, r.len, tail ? &r.first : &ignored);
        eval_channel(e, &s, in, old, b, i % s.channels, &r);
    }
    for (uint32_t i = 0; i < e->n_in - tail; i++) weft_free(owned[i]);
    weft_free(old);
    return ok ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "causal_conv: out of memory");
}

// ---- how it is computed --------------------------------------------------------------------------------------------

#define CONV_PARAMS(F) F(u32, items) F(u32, blocks) F(u32, block) F(u32, tokens)
WEFT_PARAMS(conv_params, CONV_PARAMS)

struct conv_cfg {
    struct conv_shape s;
    weft_dim len;
    uint32_t threads, slots; ///< 0: one sequence, or a batch
    bool makes_y, makes_state;
    bool in_place; ///< past and next are one memory, so that what stays as it is need not be written
};

/// Threads of a channel, of several sequences: one a slot and one for the columns that are nobody's, or one a block of
/// columns, where each sequence begins one.
static uint32_t slot_threads(const struct conv_cfg *cfg, uint32_t len) {
    if (cfg->makes_state) return cfg->slots + cfg->makes_y;
    return len / BLOCK + (len < cfg->slots + 1 ? len : cfg->slots + 1);
}

static void conv_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct conv_cfg *cfg = u->step->cfg;
    struct conv_params p = {.tokens = (uint32_t)weft_live(u, cfg->len), .blocks = 1};
    p.block = cfg->makes_state ? p.tokens : BLOCK; // whoever writes the state is alone with its channel
    if (!cfg->makes_state) p.blocks = (p.tokens + BLOCK - 1) / BLOCK;
    if (cfg->slots) p.blocks = slot_threads(cfg, p.tokens);
    p.items = (uint32_t)(cfg->slots ? cfg->s.channels : cfg->s.batch * cfg->s.channels) * p.blocks;
    memcpy(words, &p, sizeof p);
    weft_grid_fold((p.items + cfg->threads - 1) / cfg->threads, u->caps->max_groups, grid);
}

static const struct weft_kernel conv_kernel = {"causal_conv", "ops/causal_conv.wgsl", conv_params_fields, conv_update};

static void emit_conv(struct weft_lower *l, const struct weft_node *node, const struct conv_cfg *cfg) {
    char label[128];
    snprintf(label, sizeof label, "causal_conv%s%s%s", cfg->makes_y ? "" : "_state", weft_node_called(node) ? " " : "",
             weft_node_called(node) ? weft_node_called(node) : "");
    struct weft_step *s = weft_emit(l, &conv_kernel, label, cfg, sizeof *cfg);
    weft_emit_value(l, s, "past", WEFT_READ, node->in[STATE], WEFT_OPERAND_INPLACE);
    if (cfg->makes_state) weft_emit_value(l, s, "s", WEFT_WRITE, node->out[0], WEFT_OPERAND_INPLACE);
    weft_emit_value(l, s, "x", WEFT_READ, node->in[X], 0);
    if (cfg->makes_y) weft_emit_value(l, s, "w", WEFT_READ, node->in[WEIGHT], 0);
    bool bias = node->n_in - weft_sequence_tail_of(l->graph, node) > BIAS;
    if (cfg->makes_y && bias) weft_emit_value(l, s, "bias", WEFT_READ, node->in[BIAS], 0);
    if (cfg->makes_y) weft_emit_value(l, s, "y", WEFT_WRITE, node->out[1], 0);
    const struct {
        const char *name;
        int64_t x;
    } values[] = {
        {"C", cfg->s.channels}, {"K", cfg->s.taps},          {"DILATION", cfg->s.dilation},
        {"KEEP", cfg->s.keep},  {"LAST", cfg->s.last},       {"SILU", cfg->s.silu},
        {"BIAS", bias},         {"MAKES_Y", cfg->makes_y},   {"MAKES_STATE", cfg->makes_state},
        {"BLOCK", BLOCK},       {"IN_PLACE", cfg->in_place},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) weft_emit_int(l, s, values[i].name, values[i].x);
    weft_sequence_emit_tail(l, s, node, cfg->slots);
    weft_emit_workgroup(s, cfg->threads, 0);
}

static weft_status conv_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *node = &l->graph->nodes[l->groups[group].nodes[0]];
    const struct weft_type *x = &weft_lv(l, node->in[X])->type, *w = &weft_lv(l, node->in[WEIGHT])->type;
    bool last = node->attrs[LAYOUT].i == 1;
    struct conv_cfg cfg = {.len = x->dims[x->rank - (last ? 2 : 1)],
                           .threads = weft_tile_of(l->profile, WEFT_TILE_ELEMENTS, 0)->threads,
                           .s = {.batch = x->rank == 3 ? weft_lower_const(l, x->dims[0]) : 1,
                                 .channels = weft_lower_const(l, x->dims[x->rank - (last ? 1 : 2)]),
                                 .taps = weft_lower_const(l, w->dims[w->rank - 1]),
                                 .dilation = node->attrs[DILATION].i,
                                 .last = last,
                                 .silu = node->attrs[ACTIVATION].i == 1}};
    cfg.s.keep = (cfg.s.taps - 1) * cfg.s.dilation;
    WEFT_TRY(weft_sequence_check_tail_lower(l, node));
    if (weft_sequence_tail_of(l->graph, node))
        cfg.slots = (uint32_t)weft_lower_const(l, weft_lv(l, node->in[STATE])->type.dims[0]);
    cfg.in_place = weft_sequence_in_place(l, node);
    // Slots that all have one column make few of them, too.
    bool few = weft_lower_max(l, cfg.len) <= (cfg.slots > FEW_COLUMNS ? cfg.slots : FEW_COLUMNS);
    cfg.makes_y = true;
    cfg.makes_state = few;
    emit_conv(l, node, &cfg);
    if (few) return l->status;
    cfg.makes_y = false;
    cfg.makes_state = true;
    emit_conv(l, node, &cfg);
    return l->status;
}

static uint32_t conv_limits(const struct weft_graph *g, const struct weft_node *n, struct weft_op_limit *out) {
    const struct weft_type *x = &g->values[n->in[X]].type;
    return weft_sequence_tail_limits(g, n, x->dims[x->rank - (n->attrs[LAYOUT].i == 1 ? 2 : 1)], out);
}

const struct weft_op weft_op_causal_conv = {
    .name = "causal_conv",
    .doc = "state, x, w[, b][, count[, active]] -> next, y: a convolution over time, a channel by itself, with columns "
           "kept in a state; of several sequences, each its own",
    .n_in_min = 3,
    .n_in_max = 6,
    .n_out = 2,
    .states = {{WEFT_TOUCH_WHOLE, .operand = 0}},
    .attrs = {{.name = "activation", .type = WEFT_ATTR_ENUM, .choices = "none|silu"},
              {.name = "dilation", .type = WEFT_ATTR_INT, .dflt = 1, .lo = 1, .hi = 1 << 12},
              {.name = "layout", .type = WEFT_ATTR_ENUM, .choices = "first|last"}},
    .limits = conv_limits,
    .infer = conv_infer,
    .eval = conv_eval,
    .lower = conv_lower,
};
