/// s' = x: writes a whole state, dense or ring, with a value of its type. What a model computes anew in each run, or a
/// graph that gives the present as an output (weft_graph_pair_state), becomes a state so. Where in[0] is no state the
/// output is a copy of x.
///
/// Elements are moved as they are, bit by bit (16-bit ones that do not start and end at words: value by value).
#include "ops/state_write.h"
#include "core/alloc.h"
#include "core/error.h"
#include "ops/shape.h"
#include "plan/update.h"

#include <stdio.h>
#include <string.h>

#define STATE_WRITE_PARAMS(F) F(u32, count)
WEFT_PARAMS(state_write_params, STATE_WRITE_PARAMS)

struct state_write_cfg {
    weft_dim count; ///< elements, or WEFT_DIM_BAD
    uint32_t words; ///< then: words
    uint32_t unit, threads;
    bool halves; ///< two elements are moved as a word
};

static weft_status state_write_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                     const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    (void)attrs;
    bool same = in[0].dtype == in[1].dtype && in[0].rank == in[1].rank;
    for (uint32_t i = 0; same && i < in[0].rank; i++) same = in[0].dims[i] == in[1].dims[i];
    if (!same)
        return weft_fail(WEFT_ERR_INVALID, "state_write: the state is %s, the value %s; they must have equal types",
                         weft_ops_type_text(g, &in[0]), weft_ops_type_text(g, &in[1]));
    out[0] = in[0];
    return WEFT_OK;
}

static weft_status state_write_eval(const struct weft_eval *e) {
    double *owned;
    const double *x = weft_ops_dense(&e->in[1], &owned);
    if (!x) return weft_fail(WEFT_ERR_NOMEM, "state_write: out of memory");
    memmove(e->out[0].data, x, (size_t)weft_host_count(&e->in[1]) * sizeof *x);
    weft_free(owned);
    return WEFT_OK;
}

static void state_write_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct state_write_cfg *cfg = u->step->cfg;
    uint64_t count = cfg->count == WEFT_DIM_BAD ? cfg->words : (uint64_t)weft_live(u, cfg->count);
    if (cfg->halves) count /= 2;
    struct state_write_params p = {.count = (uint32_t)count};
    memcpy(words, &p, sizeof p);
    uint64_t per_group = (uint64_t)cfg->unit * cfg->threads;
    weft_grid_fold((count + per_group - 1) / per_group, u->caps->max_groups, grid);
}

static const struct weft_kernel state_write_kernel = {"state_write", "ops/state_write.wgsl", state_write_params_fields,
                                                      state_write_update};

static uint32_t threads_for(const struct weft_lower *l) { return weft_tile_of(l->profile, WEFT_TILE_COPY, 0)->threads; }

/// The operands move words: their elements, and what a checked accessor counts, become u32.
static void as_words(struct weft_lower *l, struct weft_step *s, uint64_t bytes) {
    for (uint32_t i = 0; l->status == WEFT_OK && i < s->n_operands; i++) {
        struct weft_operand *o = &s->operands[i];
        if (o->flags & WEFT_OPERAND_VARS) continue;
        o->dtype = WEFT_U32;
        o->live = WEFT_DIM_BAD;
        o->used = bytes;
    }
}

/// A state may be larger than a binding: the step can be cut anywhere.
static void finish(struct weft_lower *l, struct weft_step *s, uint32_t x, uint32_t to,
                   const struct state_write_cfg *cfg) {
    weft_emit_int(l, s, "UNIT", cfg->unit);
    weft_emit_workgroup(s, cfg->threads, 0);
    weft_emit_items(s, cfg->threads);
    weft_emit_reach(s, x, 1, cfg->unit);
    weft_emit_reach(s, to, 1, cfg->unit);
}

weft_status weft_state_copy_lower(struct weft_lower *l, const char *label, weft_value from, weft_value to) {
    const struct weft_type *t = &weft_lv(l, to)->type;
    struct state_write_cfg cfg = {.count = weft_lower_product(l, t, 0, t->rank), .unit = 1, .threads = threads_for(l)};
    weft_lower_place(l, to);
    weft_lower_place(l, from);
    if (l->status != WEFT_OK) return l->status;
    bool offset = l->places[from].elem_offset != WEFT_DIM_BAD;
    int64_t n = weft_lower_const(l, cfg.count);
    uint32_t width = weft_accessor_width(t->dtype);
    cfg.halves = width == 2 && n >= 0 && n % 2 == 0 && !offset;
    int64_t items = cfg.halves ? n / 2 : n;
    bool wide = (width == 4 || cfg.halves) && items >= 0 && items % 4 == 0 && !offset;
    cfg.unit = wide ? 4 : width == 2 && !cfg.halves ? 2 : 1;
    struct weft_step *s = weft_emit(l, &state_write_kernel, label, &cfg, sizeof cfg);
    uint8_t flags = (uint8_t)(WEFT_OPERAND_INPLACE | (wide ? WEFT_OPERAND_WIDE : 0));
    uint32_t x = weft_emit_value(l, s, "x", WEFT_READ, from, flags);
    uint32_t y = weft_emit_value(l, s, "s", WEFT_WRITE, to, flags);
    if (cfg.halves) as_words(l, s, (uint64_t)n * 2);
    finish(l, s, x, y, &cfg);
    return l->status;
}

static weft_status state_write_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *node = &l->graph->nodes[l->groups[group].nodes[0]];
    for (int i = 0; i < 2; i++) {
        const struct weft_value_info *info = weft_lv(l, node->in[i]);
        if (info->state != UINT32_MAX && info->state_kind == WEFT_STATE_VAR)
            return weft_lower_fail(l, WEFT_ERR_UNSUPPORTED,
                                   "state_write: '%s' is a variable; it moves tensors, variables have advance",
                                   info->name);
    }
    char label[128];
    snprintf(label, sizeof label, "state_write%s%s", weft_node_called(node) ? " " : "",
             weft_node_called(node) ? weft_node_called(node) : "");
    return weft_state_copy_lower(l, label, node->in[1], node->out[0]);
}

weft_status weft_state_commit_lower(struct weft_lower *l, uint32_t state) {
    const struct weft_plan_state *p = &l->plan->states[state];
    uint32_t past = weft_lower_state_tensor(l, state, false), present = weft_lower_state_tensor(l, state, true);
    if (l->status != WEFT_OK) return l->status;
    struct state_write_cfg cfg = {
        .count = WEFT_DIM_BAD, .words = (uint32_t)(p->bytes / 4), .unit = 4, .threads = threads_for(l)};
    char label[128];
    snprintf(label, sizeof label, "commit %s", p->name);
    struct weft_step *s = weft_emit(l, &state_write_kernel, label, &cfg, sizeof cfg);
    uint32_t x = weft_emit_scratch(l, s, "x", WEFT_READ, present, WEFT_OPERAND_WIDE);
    uint32_t y = weft_emit_scratch(l, s, "s", WEFT_WRITE, past, WEFT_OPERAND_WIDE);
    as_words(l, s, p->bytes);
    finish(l, s, x, y, &cfg);
    s->writes_state = true;
    s->copy = (struct weft_step_copy){.kind = WEFT_COPY_COMMIT,
                                      .bytes = p->bytes,
                                      .why = "the state is double-buffered: its present becomes its past"};
    return l->status;
}

const struct weft_op weft_op_state_write = {
    .name = "state_write",
    .doc = "state, x -> next: x replaces the whole state",
    .n_in_min = 2,
    .n_in_max = 2,
    .n_out = 1,
    .states = {{WEFT_TOUCH_WHOLE, .operand = 0}},
    .infer = state_write_infer,
    .eval = state_write_eval,
    .lower = state_write_lower,
};
