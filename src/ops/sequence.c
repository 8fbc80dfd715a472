#include "ops/sequence.h"

#include "core/error.h"
#include "ops/shape.h"

static const char *const names[] = {"pos", "count", "active"};

weft_status weft_sequence_check_vars(struct weft_graph *g, const char *op, const struct weft_type *in, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        int64_t slots = 0;
        bool fits = in[i].dtype == WEFT_U32 && in[i].rank == 1 && weft_dim_is_const(g->dims, in[i].dims[0], &slots) &&
                    slots > 0 && slots <= WEFT_MAX_SEQUENCES;
        if (fits && weft_type_same(&in[i], &in[0])) continue;
        return weft_fail(WEFT_ERR_INVALID, "%s: %s is %s; it takes u32 variables, one for each of 1 to %d slots%s%s",
                         op, names[i], weft_ops_type_text(g, &in[i]), WEFT_MAX_SEQUENCES, fits ? ", as many as " : "",
                         fits ? weft_ops_type_text(g, &in[0]) : "");
    }
    return WEFT_OK;
}

weft_status weft_sequence_check_tokens(struct weft_graph *g, const char *op, const char *name,
                                       const struct weft_type *t, weft_dim tokens) {
    struct weft_type want = {.dtype = WEFT_U32, .rank = 1, .dims = {tokens}};
    if (weft_type_same(t, &want)) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "%s: %s is %s; it takes one for each token, %s", op, name,
                     weft_ops_type_text(g, t), weft_ops_type_text(g, &want));
}

weft_status weft_sequence_need_vars(struct weft_lower *l, const struct weft_node *node, uint32_t pos) {
    for (uint32_t i = pos; i < node->n_in; i++) {
        const struct weft_value_info *info = weft_lv(l, node->in[i]);
        if (info->state != UINT32_MAX && l->plan->states[info->state].kind == WEFT_STATE_VAR) continue;
        return weft_lower_fail(l, WEFT_ERR_UNSUPPORTED,
                               "%s: %s must be a variable of the graph, so that it lies on the device", node->op->name,
                               names[i - pos]);
    }
    return WEFT_OK;
}

weft_status weft_sequence_check_state(struct weft_lower *l, const struct weft_node *node, uint32_t i, bool by_slot) {
    const struct weft_value_info *info = weft_lv(l, node->in[i]);
    if (info->state == UINT32_MAX || info->by_slot == by_slot) return WEFT_OK;
    if (by_slot && info->state_kind == WEFT_STATE_DENSE) return WEFT_OK;
    return weft_lower_fail(l, WEFT_ERR_INVALID,
                           by_slot ? "%s: state '%s' has no slots; declare it by slot (weft_graph_state_by_slot)"
                                   : "%s: state '%s' is kept by slot, so it takes the slots of the tokens",
                           node->op->name, info->name);
}

int64_t weft_sequence_tokens(const struct weft_host *count, int64_t slot, int64_t tokens, int64_t *first) {
    int64_t n = 0;
    *first = 0;
    for (int64_t s = 0; s <= slot; s++) {
        *first += n;
        n = (int64_t)count->data[s];
        if (n > tokens - *first) n = tokens - *first;
    }
    return n;
}
