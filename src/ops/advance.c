/// pos' = pos + by, a u32 variable and a host dim: how a run moves the position on after its tokens are in the caches.
///
/// Of several sequences: pos and count (u32 variables of S slots), optionally active (likewise), pos[s] + count[s] +
/// by; a slot whose activity is 0 stays where it is.
///
/// Predicated by `active`, like every store that outlives a run. The variable stays within its bounds: what would leave
/// them ends at the bound. A session refuses such a run; the sampler clears `active` before it comes to that.
#include "core/error.h"
#include "ops/sequence.h"
#include "ops/shape.h"
#include "plan/lower.h"

#include <string.h>

#define ADVANCE_PARAMS(F) F(i32, by)
WEFT_PARAMS(advance_params, ADVANCE_PARAMS)

struct advance_cfg {
    weft_dim by;
};

static weft_status advance_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                 const struct weft_attr *attrs, struct weft_type *out) {
    (void)attrs;
    if (n_in > 1) WEFT_TRY(weft_sequence_check_vars(g, "advance", in, n_in));
    else if (in[0].dtype != WEFT_U32 || in[0].rank != 0)
        return weft_fail(WEFT_ERR_INVALID, "advance: pos is %s; it must be a u32 variable",
                         weft_ops_type_text(g, &in[0]));
    out[0] = in[0];
    return WEFT_OK;
}

static double within(const struct weft_host *var, double x) {
    return x < (double)var->lo ? (double)var->lo : x > (double)var->hi ? (double)var->hi : x;
}

static weft_status advance_eval(const struct weft_eval *e) {
    double *at = e->out[0].data, by = (double)weft_dim_eval(e->dims, e->attrs[0].d, e->symbols);
    int64_t slots = e->n_in > 1 ? e->in[0].shape[0] : 1;
    for (int64_t s = 0; s < slots; s++) {
        if (e->n_in > 2 && e->in[2].data[s] == 0) continue;
        double more = e->n_in > 1 ? e->in[1].data[s] : 0;
        at[s] = within(&e->in[0], within(&e->in[0], at[s]) + by + more);
    }
    return WEFT_OK;
}

static uint32_t advance_limits(const struct weft_graph *g, const struct weft_node *n, struct weft_op_limit *out) {
    (void)g;
    *out = (struct weft_op_limit){.kind = WEFT_LIMIT_BOUND, .span = n->attrs[0].d, .count = n->n_in > 1 ? 2 : 0};
    return 1;
}

static void advance_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct advance_cfg *cfg = u->step->cfg;
    int64_t by = weft_dim_eval(u->dims, cfg->by, u->symbols); // may be below 0, as no size may
    struct advance_params p = {.by = by > INT32_MAX ? INT32_MAX : by < -INT32_MAX ? -INT32_MAX : (int32_t)by};
    memcpy(words, &p, sizeof p);
    grid[0] = grid[1] = grid[2] = 1;
}

static const struct weft_kernel advance_kernel = {"advance", "ops/advance.wgsl", advance_params_fields, advance_update};

static weft_status advance_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *node = &l->graph->nodes[l->groups[group].nodes[0]];
    const struct weft_value_info *info = weft_lv(l, node->in[0]);
    if (info->state == UINT32_MAX || l->plan->states[info->state].kind != WEFT_STATE_VAR)
        return weft_lower_fail(l, WEFT_ERR_INVALID, "advance: pos must be a variable of the graph");
    WEFT_TRY(weft_sequence_need_vars(l, node, 0));
    int64_t slots = node->n_in > 1 ? weft_lower_const(l, weft_lv(l, node->in[0])->type.dims[0]) : 0;
    struct advance_cfg cfg = {.by = node->attrs[0].d};
    struct weft_step *s = weft_emit(l, &advance_kernel, weft_node_label(node), &cfg, sizeof cfg);
    weft_emit_vars(l, s, WEFT_READ_WRITE);
    weft_emit_int(l, s, "SLOTS", slots);
    weft_emit_int(l, s, "COUNT", slots ? (int64_t)weft_lower_var_slot(l, node->in[1]) : -1);
    weft_emit_int(l, s, "ACTIVE", node->n_in > 2 ? (int64_t)weft_lower_var_slot(l, node->in[2]) : -1);
    weft_emit_int(l, s, "VAR", weft_lower_var_slot(l, node->in[0]));
    weft_emit_int(l, s, "LO", info->var_lo);
    weft_emit_int(l, s, "HI", info->var_hi);
    weft_emit_workgroup(s, slots ? WEFT_MAX_SEQUENCES : 1, 0);
    s->only_advances = weft_lower_var_slot(l, node->in[0]) != WEFT_VAR_ACTIVE; // which it may clear
    return l->status;
}

const struct weft_op weft_op_advance = {
    .name = "advance",
    .doc = "var[, count, active] -> next: a variable moved on by a host dim, and by slot by a count of tokens",
    .n_in_min = 1,
    .n_in_max = 3,
    .n_out = 1,
    .states = {{WEFT_TOUCH_ADVANCE, .operand = 0, .value = 1, .attr = 0, .gate = 2}},
    .attrs = {{.name = "by", .type = WEFT_ATTR_DIM}},
    .limits = advance_limits,
    .infer = advance_infer,
    .eval = advance_eval,
    .lower = advance_lower,
};
