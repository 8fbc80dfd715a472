// States and variables, which live from run to run.
#include "core/alloc.h"
#include "core/error.h"
#include "ir/graph_impl.h"
#include <inttypes.h>
#include <string.h>

static weft_status no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory while building a graph"); }

static weft_status add_state(struct weft_graph *g, const char *name, struct weft_value_info info, weft_value *out) {
    *out = WEFT_NO_VALUE;
    void *items = g->states;
    if (!weft_grow(&items, &g->cap_states, g->n_states + 1, sizeof *g->states)) return no_memory();
    g->states = items;
    info.kind = WEFT_VALUE_STATE;
    info.policy = WEFT_STATE_IN_PLACE;
    info.state = (uint32_t)g->n_states;
    WEFT_TRY(weft_graph_leaf(g, name ? name : "", info, out));
    g->states[g->n_states++] = *out;
    return WEFT_OK;
}

weft_status weft_graph_state(struct weft_graph *g, const char *name, struct weft_type type, enum weft_state_kind kind,
                             weft_value *out) {
    *out = WEFT_NO_VALUE;
    if ((kind == WEFT_STATE_RING || kind == WEFT_STATE_PAGED) && type.rank == 0)
        return weft_fail(WEFT_ERR_INVALID, "state '%s': a ring or paged state needs an axis 0, its capacity",
                         name ? name : "?");
    if (kind == WEFT_STATE_VAR)
        return weft_fail(WEFT_ERR_INVALID, "state '%s': variables are made by weft_graph_var", name ? name : "?");
    if (weft_dtype_info(type.dtype) && weft_dtype_info(type.dtype)->quantised)
        return weft_fail(WEFT_ERR_INVALID, "state '%s': a state can't have the quantised type %s", name ? name : "?",
                         weft_dtype_name(type.dtype));
    return add_state(g, name, (struct weft_value_info){.type = type, .state_kind = kind}, out);
}

weft_status weft_graph_state_by_slot(struct weft_graph *g, weft_value v) {
    if (!g || v >= g->n_values || g->values[v].kind != WEFT_VALUE_STATE || g->values[v].state_kind == WEFT_STATE_VAR)
        return weft_fail(WEFT_ERR_INVALID, "only a state has slots, and this value is none");
    struct weft_value_info *info = &g->values[v];
    int64_t slots = 0;
    uint32_t rank = info->state_kind == WEFT_STATE_DENSE ? 1 : 2;
    if (info->type.rank < rank || !weft_dim_is_const(g->dims, info->type.dims[0], &slots) || slots < 1 ||
        slots > WEFT_MAX_SEQUENCES)
        return weft_fail(WEFT_ERR_INVALID,
                         "state '%s' can't be kept by slot: that takes an axis 0 of 1 to %d slots%s behind it",
                         info->name, WEFT_MAX_SEQUENCES, rank == 2 ? ", and the capacity of each" : "; none is needed");
    info->by_slot = true;
    return WEFT_OK;
}

static weft_status add_variable(struct weft_graph *g, const char *name, struct weft_type type, int64_t lo, int64_t hi,
                                weft_value *out) {
    weft_dtype dtype = type.dtype;
    *out = WEFT_NO_VALUE;
    if (dtype != WEFT_U32 && dtype != WEFT_I32 && dtype != WEFT_F32)
        return weft_fail(WEFT_ERR_INVALID, "variable '%s' must be u32, i32 or f32, not %s", name ? name : "?",
                         weft_dtype_name(dtype));
    int64_t least = dtype == WEFT_U32 ? 0 : INT32_MIN, most = dtype == WEFT_U32 ? UINT32_MAX : INT32_MAX;
    if (lo > hi || (dtype != WEFT_F32 && (lo < least || hi > most)))
        return weft_fail(WEFT_ERR_INVALID, "variable '%s': bounds %" PRId64 " to %" PRId64 " are not a range of %s",
                         name ? name : "?", lo, hi, weft_dtype_name(dtype));
    struct weft_value_info info = {.type = type, .state_kind = WEFT_STATE_VAR, .var_lo = lo, .var_hi = hi};
    return add_state(g, name, info, out);
}

weft_status weft_graph_var(struct weft_graph *g, const char *name, weft_dtype dtype, int64_t lo, int64_t hi,
                           weft_value *out) {
    return add_variable(g, name, (struct weft_type){.dtype = dtype}, lo, hi, out);
}

weft_status weft_graph_vars(struct weft_graph *g, const char *name, weft_dtype dtype, uint32_t count, int64_t lo,
                            int64_t hi, weft_value *out) {
    *out = WEFT_NO_VALUE;
    if (count < 1 || count > WEFT_MAX_SEQUENCES)
        return weft_fail(WEFT_ERR_INVALID, "variable '%s': %u of one name; 1 to %d can be", name ? name : "?", count,
                         WEFT_MAX_SEQUENCES);
    weft_dim n = weft_dim_const(g->dims, count);
    if (n == WEFT_DIM_BAD) return no_memory();
    return add_variable(g, name, (struct weft_type){.dtype = dtype, .rank = 1, .dims = {n}}, lo, hi, out);
}

weft_status weft_graph_activity(struct weft_graph *g, weft_value v) {
    if (!g || v >= g->n_values || g->values[v].kind != WEFT_VALUE_STATE || g->values[v].state_kind != WEFT_STATE_VAR)
        return weft_fail(WEFT_ERR_INVALID, "a session's activity must be a variable of the graph");
    struct weft_value_info *info = &g->values[v];
    if (info->type.dtype != WEFT_U32 || info->type.rank != 0 || info->var_lo != 0 || info->var_hi != 1)
        return weft_fail(WEFT_ERR_INVALID,
                         "variable '%s' can't be the session's activity: it must be one u32 within 0 and 1",
                         info->name);
    for (size_t i = 0; i < g->n_states; i++)
        if (g->values[g->states[i]].is_activity && g->states[i] != v)
            return weft_fail(WEFT_ERR_INVALID, "variable '%s' can't be the session's activity: '%s' is already",
                             info->name, g->values[g->states[i]].name);
    info->is_activity = true;
    return WEFT_OK;
}
