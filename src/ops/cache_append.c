/// Writes rows of a run to a state that lives across runs, such as a cache of keys or values.
///
/// state[capacity, row...] (f32 or f16), x[T, row...] (f32 or f16), pos (u32, a scalar): position pos + t takes row
/// x[t], for t = 0 .. T-1. Where a position lies is the state's affair: a ring keeps position p in row p mod capacity,
/// so that new rows replace the oldest; a dense or paged state keeps it in row p, and there is none behind its last: a
/// session refuses a run that would go beyond, and where the device alone knows the position such rows are dropped. The
/// output is the state after the write: the same memory. Where the first operand is no state the output is a copy of it
/// with the rows written over it, position p in row p mod capacity.
///
/// With a fourth operand the rows are those of several sequences: state[S, capacity, row...] is kept by slot,
/// position[T] and slot[T] are u32, and row x[t] goes to position[t] of slot[t]; a slot of S or more is nobody's, and
/// its rows are dropped. They come from place_tokens, so that a session knows what a run writes.
///
/// A run may not bring more rows than the ring has, else two of them would meet in one row; infer refuses it. In f16
/// rows have an even number of elements, so that a word belongs to one row.
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/copy/move.h"
#include "ops/sequence.h"
#include "ops/shape.h"
#include "plan/lower.h"

#include <stdio.h>
#include <string.h>

enum { STATE, X, POS, SLOT };

#define CACHE_APPEND_PARAMS(F) F(u32, count) F(u32, capacity)
WEFT_PARAMS(cache_append_params, CACHE_APPEND_PARAMS)

struct cache_append_cfg {
    weft_dim tokens, capacity;
    uint32_t row_items, threads;
};

static weft_status check_places(struct weft_graph *g, const struct weft_type *in, uint32_t n_in) {
    if (n_in > SLOT) {
        WEFT_TRY(weft_sequence_check_tokens(g, "cache_append", "position", &in[POS], in[X].dims[0]));
        return weft_sequence_check_tokens(g, "cache_append", "slot", &in[SLOT], in[X].dims[0]);
    }
    if (in[POS].dtype == WEFT_U32 && in[POS].rank == 0) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "cache_append: pos is %s; it takes a u32 variable",
                     weft_ops_type_text(g, &in[POS]));
}

static weft_status cache_append_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                      const struct weft_attr *attrs, struct weft_type *out) {
    (void)attrs;
    const char *state = weft_ops_type_text(g, &in[0]), *x = weft_ops_type_text(g, &in[1]);
    if (in[0].dtype != WEFT_F32 && in[0].dtype != WEFT_F16)
        return weft_fail(WEFT_ERR_INVALID, "cache_append: the state is %s; it keeps f32 or f16", state);
    if (in[1].dtype != WEFT_F32 && in[1].dtype != WEFT_F16)
        return weft_fail(WEFT_ERR_INVALID, "cache_append: x is %s; it takes f32 or f16", x);
    uint32_t axis = n_in > SLOT; // of the rows
    bool same = in[0].rank == in[1].rank + axis && in[1].rank >= 1;
    int64_t row = 1, n, lo, capacity, tokens, slots;
    for (uint32_t i = 1; same && i < in[1].rank; i++) {
        same = in[0].dims[i + axis] == in[1].dims[i] && weft_dim_is_const(g->dims, in[1].dims[i], &n);
        row *= same ? n : 1;
    }
    if (!same || (axis && !weft_dim_is_const(g->dims, in[0].dims[0], &slots)))
        return weft_fail(WEFT_ERR_INVALID, "cache_append: state %s and x %s must have equal, constant rows%s", state, x,
                         axis ? ", and the state a constant number of slots in front" : "");
    WEFT_TRY(check_places(g, in, n_in));
    if (in[0].dtype == WEFT_F16 && row % 2)
        return weft_fail(WEFT_ERR_INVALID,
                         "cache_append: state %s: rows of an f16 state need an even number of elements; keep it in f32",
                         state);
    weft_dim_bounds(g->dims, in[0].dims[axis], &capacity, &n);
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
    bool by_slot = e->n_in > SLOT;
    int64_t capacity = e->in[0].shape[by_slot], tokens = e->in[1].shape[0], slots = by_slot ? e->in[0].shape[0] : 1;
    int64_t row = tokens ? weft_host_count(&e->in[1]) / tokens : 0;
    for (int64_t t = 0; t < tokens; t++) {
        int64_t slot = by_slot ? (int64_t)e->in[SLOT].data[t] : 0;
        int64_t at = by_slot ? weft_ops_position(&e->in[POS], t) : weft_ops_position(&e->in[POS], 0) + t;
        if (slot >= slots || (e->in[0].ends && at >= capacity)) continue;
        memcpy(e->out[0].data + (slot * capacity + at % capacity) * row, x + t * row, (size_t)row * sizeof *x);
    }
    weft_free(owned);
    return WEFT_OK;
}

static uint32_t cache_append_limits(const struct weft_graph *g, const struct weft_node *n, struct weft_op_limit *out) {
    weft_dim rows = g->values[n->in[1]].type.dims[0];
    *out = (struct weft_op_limit){.kind = WEFT_LIMIT_WRITE, .at = POS, .of = STATE, .span = rows};
    if (n->n_in > SLOT) { // counted where the positions are
        out->span = weft_dim_const(g->dims, 0);
        out->count = POS + 1;
    }
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
    uint32_t slots = node->n_in > SLOT ? (uint32_t)weft_lower_const(l, state->dims[0]) : 0, axis = slots != 0;
    int64_t row = weft_lower_const(l, weft_lower_product(l, state, axis + 1, state->rank));
    if (row < 0)
        return weft_lower_fail(l, WEFT_ERR_UNSUPPORTED, "cache_append: rows of state '%s' must be constant",
                               weft_lv(l, node->in[0])->name ? weft_lv(l, node->in[0])->name : "?");
    int64_t last = state->rank > axis + 1 ? weft_lower_const(l, state->dims[state->rank - 1]) : 1;
    uint32_t unit = row % 4 == 0 ? 4 : state->dtype == WEFT_F16 ? 2 : 1; // elements a thread stores
    bool functional = weft_lv(l, node->in[0])->state == UINT32_MAX;
    bool ends = !functional && weft_lv(l, node->in[0])->state_kind != WEFT_STATE_RING;
    struct cache_append_cfg cfg = {.tokens = x->dims[0],
                                   .capacity = state->dims[axis],
                                   .row_items = (uint32_t)row / unit,
                                   .threads = weft_tile_of(l->profile, WEFT_TILE_COPY, 0)->threads};
    char label[128];
    snprintf(label, sizeof label, "cache_append%s%s", weft_node_called(node) ? " " : "",
             weft_node_called(node) ? weft_node_called(node) : "");
    if (!slots) WEFT_TRY(weft_sequence_need_vars(l, node, POS));
    WEFT_TRY(weft_sequence_check_state(l, node, 0, slots != 0));
    if (functional) WEFT_TRY(weft_move_value(l, label, node->in[0], node->out[0]));
    struct weft_step *s = weft_emit(l, &cache_append_kernel, label, &cfg, sizeof cfg);
    bool wide = unit == 4 && last % 4 == 0;
    uint8_t x_flags = wide && weft_lower_wide(l, node->in[1]) ? WEFT_OPERAND_WIDE : 0;
    uint32_t x_operand = weft_emit_value(l, s, "x", WEFT_READ, node->in[1], x_flags);
    weft_emit_value(l, s, "s", WEFT_WRITE, node->out[0], wide ? WEFT_OPERAND_WIDE : 0);
    uint32_t position = WEFT_NO_OPERAND, slot = WEFT_NO_OPERAND;
    if (slots) {
        position = weft_emit_value(l, s, "position", WEFT_READ, node->in[POS], 0);
        slot = weft_emit_value(l, s, "slot", WEFT_READ, node->in[SLOT], 0);
    }
    weft_emit_vars(l, s, WEFT_READ);
    weft_emit_int(l, s, "UNIT", unit);
    weft_emit_int(l, s, "ITEMS", cfg.row_items ? cfg.row_items : 1); // Tint refuses to divide by a constant 0
    weft_emit_int(l, s, "FUNCTIONAL", functional);
    weft_emit_int(l, s, "ENDS", ends);
    weft_emit_int(l, s, "MOST_POS", WEFT_MOST_POSITION);
    weft_emit_int(l, s, "POS", slots ? 0 : weft_lower_var_slot(l, node->in[POS]));
    weft_emit_int(l, s, "SLOTS", slots);
    weft_emit_int(l, s, "BY_SLOT", weft_lv(l, node->in[STATE])->by_slot);
    weft_emit_workgroup(s, cfg.threads, 0);
    weft_emit_items(s, cfg.threads);
    weft_emit_reach(s, x_operand, 1, unit);
    if (slots) weft_emit_reach(s, position, cfg.row_items, 1);
    if (slots) weft_emit_reach(s, slot, cfg.row_items, 1);
    return l->status;
}

const struct weft_op weft_op_cache_append = {
    .name = "cache_append",
    .doc = "state, x, pos[, slot] -> next: the rows of x stand at positions pos, pos + 1 and so on of the state; of "
           "several sequences, each at its own position and slot",
    .n_in_min = 3,
    .n_in_max = 4,
    .n_out = 1,
    .states = {{WEFT_TOUCH_ROWS, .operand = STATE, .value = X, .at = POS, .slot = SLOT}},
    .limits = cache_append_limits,
    .infer = cache_append_infer,
    .eval = cache_append_eval,
    .lower = cache_append_lower,
};
