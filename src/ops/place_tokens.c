/// Which sequence each token of a run belongs to, and where it stands in it.
///
/// pos, count (u32 variables of S slots), optionally active (likewise): the tokens of slot 0 come first, count[0] of
/// them, then those of slot 1 and so on. Gives position[T] and slot[T], u32, T being attribute `tokens`: the n-th token
/// of slot s stands at pos[s] + n. Tokens behind the last slot's, and those of a slot whose activity is 0, have slot S,
/// which is nobody's: operators that take `slot` leave no trace of them.
///
/// Counts that add up to more than T are cut there; sessions refuse such a run where the host alone writes them.
#include "core/error.h"
#include "ops/sequence.h"
#include "ops/shape.h"
#include "plan/lower.h"

#include <string.h>

enum { POS, COUNT, ACTIVE };
enum { POSITION, SLOT };

#define PLACE_TOKENS_PARAMS(F) F(u32, tokens)
WEFT_PARAMS(place_tokens_params, PLACE_TOKENS_PARAMS)

struct place_tokens_cfg {
    weft_dim tokens;
    uint32_t threads;
};

static weft_status place_tokens_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                      const struct weft_attr *attrs, struct weft_type *out) {
    WEFT_TRY(weft_sequence_check_vars(g, "place_tokens", in, n_in));
    for (int i = POSITION; i <= SLOT; i++)
        out[i] = (struct weft_type){.dtype = WEFT_U32, .rank = 1, .dims = {attrs[0].d}};
    return WEFT_OK;
}

static weft_status place_tokens_eval(const struct weft_eval *e) {
    int64_t tokens = e->out[POSITION].shape[0], slots = e->in[POS].shape[0], first;
    for (int64_t t = 0; t < tokens; t++) e->out[SLOT].data[t] = (double)slots;
    for (int64_t s = 0; s < slots; s++) {
        bool idle = e->n_in > ACTIVE && e->in[ACTIVE].data[s] == 0;
        int64_t n = weft_sequence_tokens(&e->in[COUNT], s, tokens, &first);
        for (int64_t i = 0; i < n; i++) {
            e->out[POSITION].data[first + i] = (double)(weft_ops_position(&e->in[POS], s) + i);
            e->out[SLOT].data[first + i] = (double)(idle ? slots : s);
        }
    }
    return WEFT_OK;
}

static uint32_t place_tokens_limits(const struct weft_graph *g, const struct weft_node *n, struct weft_op_limit *out) {
    (void)g;
    *out = (struct weft_op_limit){.kind = WEFT_LIMIT_SUM, .at = COUNT, .most = n->attrs[0].d};
    return 1;
}

static void place_tokens_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct place_tokens_cfg *cfg = u->step->cfg;
    int64_t tokens = weft_live(u, cfg->tokens);
    struct place_tokens_params p = {.tokens = tokens > 0 ? (uint32_t)tokens : 0};
    memcpy(words, &p, sizeof p);
    weft_grid_fold(((uint64_t)p.tokens + cfg->threads - 1) / cfg->threads, u->caps->max_groups, grid);
}

static const struct weft_kernel place_tokens_kernel = {"place_tokens", "ops/place_tokens.wgsl",
                                                       place_tokens_params_fields, place_tokens_update};

static weft_status place_tokens_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *node = &l->graph->nodes[l->groups[group].nodes[0]];
    WEFT_TRY(weft_sequence_need_vars(l, node, POS));
    struct place_tokens_cfg cfg = {.tokens = node->attrs[0].d,
                                   .threads = weft_tile_of(l->profile, WEFT_TILE_COPY, 0)->threads};
    struct weft_step *s = weft_emit(l, &place_tokens_kernel, weft_node_label(node), &cfg, sizeof cfg);
    for (int i = POSITION; i <= SLOT; i++) weft_lower_place(l, node->out[i]);
    uint32_t position = weft_emit_value(l, s, "position", WEFT_WRITE, node->out[POSITION], 0);
    uint32_t slot = weft_emit_value(l, s, "slot", WEFT_WRITE, node->out[SLOT], 0);
    weft_emit_vars(l, s, WEFT_READ);
    weft_emit_int(l, s, "SLOTS", weft_lower_const(l, weft_lv(l, node->in[POS])->type.dims[0]));
    weft_emit_int(l, s, "POS", weft_lower_var_slot(l, node->in[POS]));
    weft_emit_int(l, s, "COUNT", weft_lower_var_slot(l, node->in[COUNT]));
    weft_emit_int(l, s, "ACTIVE", node->n_in > ACTIVE ? (int64_t)weft_lower_var_slot(l, node->in[ACTIVE]) : -1);
    weft_emit_int(l, s, "MOST_POS", WEFT_MOST_POSITION);
    weft_emit_workgroup(s, cfg.threads, 0);
    weft_emit_items(s, cfg.threads);
    weft_emit_reach(s, position, 1, 1);
    weft_emit_reach(s, slot, 1, 1);
    return l->status;
}

const struct weft_op weft_op_place_tokens = {
    .name = "place_tokens",
    .doc = "pos, count[, active] -> position, slot: which sequence each token of a run belongs to, and where it "
           "stands there",
    .n_in_min = 2,
    .n_in_max = 3,
    .n_out = 2,
    .traits = WEFT_OP_PLACES,
    .attrs = {{.name = "tokens", .type = WEFT_ATTR_DIM, .required = true}},
    .limits = place_tokens_limits,
    .infer = place_tokens_infer,
    .eval = place_tokens_eval,
    .lower = place_tokens_lower,
};
