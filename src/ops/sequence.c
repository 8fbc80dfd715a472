#include "ops/sequence.h"

#include "core/error.h"
#include "ops/shape.h"

weft_status weft_sequence_check_vars(struct weft_graph *g, const char *op, const char *name, const struct weft_type *t,
                                     const struct weft_type *like) {
    int64_t slots = 0;
    bool fits = t->dtype == WEFT_U32 && t->rank == 1 && weft_dim_is_const(g->dims, t->dims[0], &slots) && slots > 0 &&
                slots <= WEFT_MAX_SEQUENCES;
    if (fits && weft_type_same(t, like)) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "%s: %s is %s; it takes u32 variables, one for each of 1 to %d slots%s%s", op,
                     name, weft_ops_type_text(g, t), WEFT_MAX_SEQUENCES, fits ? ", as many as " : "",
                     fits ? weft_ops_type_text(g, like) : "");
}

weft_status weft_sequence_check_tokens(struct weft_graph *g, const char *op, const char *name,
                                       const struct weft_type *t, weft_dim tokens) {
    struct weft_type want = {.dtype = WEFT_U32, .rank = 1, .dims = {tokens}};
    if (weft_type_same(t, &want)) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "%s: %s is %s; it takes one for each token, %s", op, name,
                     weft_ops_type_text(g, t), weft_ops_type_text(g, &want));
}

weft_status weft_sequence_need_var(struct weft_lower *l, const struct weft_node *node, uint32_t i, const char *name) {
    const struct weft_value_info *info = weft_lv(l, node->in[i]);
    if (info->state != UINT32_MAX && l->plan->states[info->state].kind == WEFT_STATE_VAR) return WEFT_OK;
    return weft_lower_fail(l, WEFT_ERR_UNSUPPORTED,
                           "%s: %s must be a variable of the graph, so that it lies on the device", node->op->name,
                           name);
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

int64_t weft_sequence_position(const struct weft_host *pos, int64_t slot) {
    double x = pos->data[slot];
    return x > (double)WEFT_MOST_POSITION ? (int64_t)WEFT_MOST_POSITION : x > 0 ? (int64_t)x : 0;
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
