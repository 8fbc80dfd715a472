/// Writes rows of a run to a state that lives across runs, such as a cache of keys or values.
///
/// state[capacity, row...] (f32 or f16), x[T, row...] (f32 or f16), pos (u32, a scalar): position pos + t takes row
/// x[t], for t = 0 .. T-1. Where a position lies is the state's affair: a ring keeps position p in row p mod capacity,
/// so that new rows replace the oldest; a dense or paged state keeps it in row p, and there is none behind its last: a
/// session refuses a run that would go beyond, and where the device alone knows the position such rows are dropped. The
/// output is the state after the write: the same memory. Where the first operand is no state the output is a copy of it
/// with the rows written over it, position p in row p mod capacity.
///
/// A run may not bring more rows than the ring has, else two of them would meet in one row; infer refuses it. In f16
/// rows have an even number of elements, so that a word belongs to one row.
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/copy/move.h"
#include "ops/shape.h"
#include "plan/lower.h"

#include <stdio.h>
#include <string.h>

#define CACHE_APPEND_PARAMS(F) F(u32, count) F(u32, capacity)
WEFT_PARAMS(cache_append_params, CACHE_APPEND_PARAMS)

struct cache_append_cfg {
    weft_dim tokens, capacity;
    uint32_t row_items, threads;
};

static weft_status cache_append_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                      const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    (void)attrs;
    const char *state = weft_ops_type_text(g, &in[0]), *x = weft_ops_type_text(g, &in[1]);
    if (in[0].dtype != WEFT_F32 && in[0].dtype != WEFT_F16)
        return weft_fail(WEFT_ERR_INVALID, "cache_append: the state is %s; it keeps f32 or f16", state);
    if (in[1].dtype != WEFT_F32 && in[1].dtype != WEFT_F16)
        return weft_fail(WEFT_ERR_INVALID, "cache_append: x is %s; it takes f32 or f16", x);
    if (in[2].dtype != WEFT_U32 || in[2].rank != 0)
        return weft_fail(WEFT_ERR_INVALID, "cache_append: pos is %s; it takes a u32 variable",
                         weft_ops_type_text(g, &in[2]));
    bool same = in[0].rank == in[1].rank && in[0].rank >= 1;
    int64_t row = 1, n, lo, capacity, tokens;
    for (uint32_t i = 1; same && i < in[0].rank; i++) {
        same = in[0].dims[i] == in[1].dims[i] && weft_dim_is_const(g->dims, in[0].dims[i], &n);
        row *= same ? n : 1;
    }
    if (!same)
        return weft_fail(WEFT_ERR_INVALID, "cache_append: state %s and x %s must have equal, constant rows", state, x);
    if (in[0].dtype == WEFT_F16 && row % 2)
        return weft_fail(WEFT_ERR_INVALID,
                         "cache_append: state %s: rows of an f16 state need an even number of elements; keep it in f32",
                         state);
    weft_dim_bounds(g->dims, in[0].dims[0], &capacity, &n);
    weft_dim_bounds(g->dims, in[1].dims[0], &lo, &tokens);
    if (tokens > capacity)
        return weft_fail(
            WEFT_ERR_INVALID,
            "cache_append: x %s may bring %lld rows, the state %s holds %lld; make it larger or the run shorter", x,
            (long long)tokens, state, (long long)capacity);
    out[0] = in[0];
    return WEFT_OK;
}

static weft_status cache_append_eval(const struct weft_eval *e) {
    double *owned;
    const double *x = weft_ops_dense(&e->in[1], &owned);
    if (!x) return weft_fail(WEFT_ERR_NOMEM, "cache_append: out of memory");
    int64_t capacity = e->in[0].shape[0], tokens = e->in[1].shape[0], pos = weft_ops_position(&e->in[2]);
    int64_t row = tokens ? weft_host_count(&e->in[1]) / tokens : 0;
    for (int64_t t = 0; t < tokens && !(e->in[0].ends && pos + t >= capacity); t++)
        memcpy(e->out[0].data + (pos + t) % capacity * row, x + t * row, (size_t)row * sizeof *x);
    weft_free(owned);
    return WEFT_OK;
}

static uint32_t cache_append_limits(const struct weft_graph *g, const struct weft_node *n, struct weft_op_limit *out) {
    weft_dim rows = g->values[n->in[1]].type.dims[0];
    *out = (struct weft_op_limit){.kind = WEFT_LIMIT_WRITE, .at = 2, .of = 0, .span = rows};
    return 1;
}

static void cache_append_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct cache_append_cfg *cfg = u->step->cfg;
    uint64_t items = (uint64_t)weft_live(u, cfg->tokens) * cfg->row_items;
    struct cache_append_params p = {.count = (uint32_t)items, .capacity = (uint32_t)weft_live(u, cfg->capacity)};
    memcpy(words, &p, sizeof p);
    weft_grid_fold((items + cfg->threads - 1) / cfg->threads, u->caps->max_groups, grid);
}

static const struct weft_kernel cache_append_kernel = {"cache_append", "ops/cache_append.wgsl",
                                                       cache_append_params_fields, cache_append_update};

static weft_status cache_append_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *node = &l->graph->nodes[l->groups[group].nodes[0]];
    const struct weft_type *state = &weft_lv(l, node->in[0])->type, *x = &weft_lv(l, node->in[1])->type;
    int64_t row = weft_lower_const(l, weft_lower_product(l, state, 1, state->rank));
    if (row < 0)
        return weft_lower_fail(l, WEFT_ERR_UNSUPPORTED, "cache_append: rows of state '%s' must be constant",
                               weft_lv(l, node->in[0])->name ? weft_lv(l, node->in[0])->name : "?");
    int64_t last = state->rank > 1 ? weft_lower_const(l, state->dims[state->rank - 1]) : 1;
    uint32_t unit = row % 4 == 0 ? 4 : state->dtype == WEFT_F16 ? 2 : 1; // elements a thread stores
    bool functional = weft_lv(l, node->in[0])->state == UINT32_MAX;
    bool ends = !functional && weft_lv(l, node->in[0])->state_kind != WEFT_STATE_RING;
    struct cache_append_cfg cfg = {.tokens = x->dims[0],
                                   .capacity = state->dims[0],
                                   .row_items = (uint32_t)row / unit,
                                   .threads = weft_tile_of(l->profile, WEFT_TILE_COPY, 0)->threads};
    char label[128];
    snprintf(label, sizeof label, "cache_append%s%s", weft_node_called(node) ? " " : "",
             weft_node_called(node) ? weft_node_called(node) : "");
    const struct weft_value_info *pos = weft_lv(l, node->in[2]);
    if (pos->state == UINT32_MAX || pos->state_kind != WEFT_STATE_VAR)
        return weft_lower_fail(l, WEFT_ERR_UNSUPPORTED, "cache_append: pos must be a variable of the graph");
    if (functional) WEFT_TRY(weft_move_value(l, label, node->in[0], node->out[0]));
    struct weft_step *s = weft_emit(l, &cache_append_kernel, label, &cfg, sizeof cfg);
    bool wide = unit == 4 && last % 4 == 0;
    uint8_t x_flags = wide && weft_lower_wide(l, node->in[1]) ? WEFT_OPERAND_WIDE : 0;
    uint32_t x_operand = weft_emit_value(l, s, "x", WEFT_READ, node->in[1], x_flags);
    weft_emit_value(l, s, "s", WEFT_WRITE, node->out[0], wide ? WEFT_OPERAND_WIDE : 0);
    weft_emit_vars(l, s, WEFT_READ);
    weft_emit_int(l, s, "UNIT", unit);
    weft_emit_int(l, s, "ITEMS", cfg.row_items ? cfg.row_items : 1); // Tint refuses to divide by a constant 0
    weft_emit_int(l, s, "FUNCTIONAL", functional);
    weft_emit_int(l, s, "ENDS", ends);
    weft_emit_int(l, s, "MOST_POS", WEFT_MOST_POSITION);
    weft_emit_int(l, s, "POS", weft_lower_var_slot(l, node->in[2]));
    weft_emit_workgroup(s, cfg.threads, 0);
    weft_emit_items(s, cfg.threads);
    weft_emit_reach(s, x_operand, 1, unit);
    return l->status;
}

const struct weft_op weft_op_cache_append = {
    .name = "cache_append",
    .doc = "state, x, pos -> next: the rows of x stand at positions pos, pos + 1 and so on of the state",
    .n_in_min = 3,
    .n_in_max = 3,
    .n_out = 1,
    .states = {{WEFT_TOUCH_ROWS, .operand = 0, .value = 1, .at = 2}},
    .limits = cache_append_limits,
    .infer = cache_append_infer,
    .eval = cache_append_eval,
    .lower = cache_append_lower,
};
