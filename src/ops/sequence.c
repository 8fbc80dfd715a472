#include "ops/sequence.h"

#include "core/error.h"
#include "ops/shape.h"

enum { POS, COUNT };
static const char *const names[] = {"pos", "count", "active"};

/// `name` is the number of the first one's name.
static weft_status check_vars(struct weft_graph *g, const char *op, const struct weft_type *in, uint32_t n,
                              uint32_t name) {
    for (uint32_t i = 0; i < n; i++) {
        int64_t slots = 0;
        bool fits = in[i].dtype == WEFT_U32 && in[i].rank == 1 && weft_dim_is_const(g->dims, in[i].dims[0], &slots) &&
                    slots > 0 && slots <= WEFT_MAX_SEQUENCES;
        if (fits && weft_type_same(&in[i], &in[0])) continue;
        return weft_fail(WEFT_ERR_INVALID, "%s: %s is %s; it takes u32 variables, one for each of 1 to %d slots%s%s",
                         op, names[name + i], weft_ops_type_text(g, &in[i]), WEFT_MAX_SEQUENCES,
                         fits ? ", as many as " : "", fits ? weft_ops_type_text(g, &in[0]) : "");
    }
    return WEFT_OK;
}

weft_status weft_sequence_check_vars(struct weft_graph *g, const char *op, const struct weft_type *in, uint32_t n) {
    return check_vars(g, op, in, n, POS);
}

weft_status weft_sequence_check_tokens(struct weft_graph *g, const char *op, const char *name,
                                       const struct weft_type *t, weft_dim tokens) {
    struct weft_type want = {.dtype = WEFT_U32, .rank = 1, .dims = {tokens}};
    if (weft_type_same(t, &want)) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "%s: %s is %s; it takes one for each token, %s", op, name,
                     weft_ops_type_text(g, t), weft_ops_type_text(g, &want));
}

/// Operands from number `from` on, the first of which has name number `name`.
static weft_status need_vars(struct weft_lower *l, const struct weft_node *node, uint32_t from, uint32_t name) {
    for (uint32_t i = from; i < node->n_in; i++) {
        const struct weft_value_info *info = weft_lv(l, node->in[i]);
        if (info->state != UINT32_MAX && l->plan->states[info->state].kind == WEFT_STATE_VAR) continue;
        return weft_lower_fail(l, WEFT_ERR_UNSUPPORTED,
                               "%s: %s must be a variable of the graph, so that it lies on the device", node->op->name,
                               names[name + i - from]);
    }
    return WEFT_OK;
}

weft_status weft_sequence_need_vars(struct weft_lower *l, const struct weft_node *node, uint32_t pos) {
    return need_vars(l, node, pos, POS);
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

// ---- count and active behind other operands ------------------------------------------------------------------------

enum { MOST_TAIL = 2 };

uint32_t weft_sequence_tail(const struct weft_type *in, uint32_t n_in) {
    uint32_t n = 0;
    while (n < MOST_TAIL && n < n_in && in[n_in - 1 - n].dtype == WEFT_U32) n++;
    return n;
}

uint32_t weft_sequence_tail_of(const struct weft_graph *g, const struct weft_node *node) {
    uint32_t n = 0;
    while (n < MOST_TAIL && n < node->n_in && g->values[node->in[node->n_in - 1 - n]].type.dtype == WEFT_U32) n++;
    return n;
}

uint32_t weft_sequence_tail_host(const struct weft_eval *e) {
    uint32_t n = 0;
    while (n < MOST_TAIL && n < e->n_in && e->in[e->n_in - 1 - n].dtype == WEFT_U32) n++;
    return n;
}

weft_status weft_sequence_check_tail(struct weft_graph *g, const char *op, const struct weft_type *state,
                                     const struct weft_type *in, uint32_t n) {
    WEFT_TRY(check_vars(g, op, in, n, COUNT));
    if (n == 0 || (state->rank > 0 && state->dims[0] == in[0].dims[0])) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "%s: the state is %s; it takes as many slots in front as count %s has", op,
                     weft_ops_type_text(g, state), weft_ops_type_text(g, &in[0]));
}

uint32_t weft_sequence_tail_limits(const struct weft_graph *g, const struct weft_node *n, weft_dim most,
                                   struct weft_op_limit *out) {
    uint32_t tail = weft_sequence_tail_of(g, n);
    *out = (struct weft_op_limit){.kind = WEFT_LIMIT_SUM, .at = (uint8_t)(n->n_in - tail), .most = most};
    return tail > 0;
}

weft_status weft_sequence_check_tail_lower(struct weft_lower *l, const struct weft_node *node) {
    uint32_t tail = weft_sequence_tail_of(l->graph, node);
    WEFT_TRY(need_vars(l, node, node->n_in - tail, COUNT));
    return weft_sequence_check_state(l, node, 0, tail > 0);
}

void weft_sequence_emit_tail(struct weft_lower *l, struct weft_step *s, const struct weft_node *node, int64_t slots) {
    uint32_t tail = weft_sequence_tail_of(l->graph, node);
    const weft_value *in = node->in + node->n_in - tail;
    weft_emit_int(l, s, "SLOTS", tail ? slots : 0);
    weft_emit_int(l, s, "COUNT", tail ? (int64_t)weft_lower_var_slot(l, in[0]) : -1);
    weft_emit_int(l, s, "ACTIVE", tail > 1 ? (int64_t)weft_lower_var_slot(l, in[1]) : -1);
    if (tail) weft_emit_vars(l, s, WEFT_READ);
}

int64_t weft_sequence_tail_tokens(const struct weft_eval *e, uint32_t n, int64_t slot, int64_t tokens, int64_t *first) {
    *first = slot * tokens;
    if (n == 0) return tokens;
    int64_t found = weft_sequence_tokens(&e->in[e->n_in - n], slot, tokens, first);
    return n > 1 && e->in[e->n_in - 1].data[slot] == 0 ? 0 : found;
}

bool weft_sequence_in_place(const struct weft_lower *l, const struct weft_node *node) {
    uint32_t state = weft_lv(l, node->out[0])->state;
    return state != UINT32_MAX && weft_state_buffers(&l->plan->states[state]) == 1;
}
