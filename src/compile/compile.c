/// The pipeline. For the graph: verify, decompose, verify. For each schedule: fuse, lower. Then, for all: shards,
/// memory, bind, write WGSL, check. Where steps do not fit the device's bindings, the schedule is lowered again with
/// smaller groups in just these places.
#include "compile/compile.h"
#include "compile/alias.h"
#include "compile/bind.h"
#include "compile/cut.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/map.h"
#include "ops/contract.h"
#include "kernels/map/region.h"
#include "ops/unpack.h"
#include "plan/memory.h"
#include "plan/update.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static weft_status out_of_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory while compiling the graph"); }

void weft_plan_destroy(struct weft_plan *plan)
{
    if (!plan) return;
    weft_graph_destroy(plan->graph);
    weft_arena_free(&plan->arena);
    weft_map_free(&plan->texts);
    weft_str_free(&plan->report);
    weft_free(plan);
}

// ---- states, inputs, outputs ---------------------------------------------------------------------------------------

static uint64_t max_count(const struct weft_graph *g, const struct weft_type *t, uint32_t first)
{
    uint64_t n = 1;
    for (uint32_t i = first; i < t->rank; i++) {
        int64_t lo, hi;
        weft_dim_bounds(g->dims, t->dims[i], &lo, &hi);
        n = weft_bytes_times(n, hi > 0 ? (uint64_t)hi : 0);
    }
    return n;
}

static weft_status plan_states(struct weft_plan *p, const struct weft_compile_params *params)
{
    struct weft_graph *g = p->graph;
    p->states = weft_arena_alloc(&p->arena, (g->n_states + 1) * sizeof *p->states);
    if (!p->states) return out_of_memory();
    p->n_vars = 1; // word 0 is the activity, which every session has
    for (size_t i = 0; i < g->n_states; i++) {
        const struct weft_value_info *info = &g->values[g->states[i]];
        struct weft_plan_state *s = &p->states[p->n_states++];
        *s = (struct weft_plan_state){.value = g->states[i], .name = info->name, .kind = info->state_kind,
                                      .policy = info->policy};
        if (s->kind == WEFT_STATE_VAR) {
            s->var_slot = info->is_activity ? WEFT_VAR_ACTIVE : p->n_vars++;
            if (p->n_vars > 64) return weft_fail(WEFT_ERR_LIMIT, "the graph has more than 63 variables");
            continue;
        }
        s->rows = info->type.rank ? max_count(g, &(struct weft_type){.rank = 1, .dims = {info->type.dims[0]}}, 0) : 1;
        s->row_bytes =
            weft_bytes_times(max_count(g, &info->type, info->type.rank ? 1 : 0), weft_accessor_width(info->type.dtype));
        s->bytes = weft_align256(weft_bytes_times(s->rows, s->row_bytes));
        if (s->bytes == 0) s->bytes = 256;
        WEFT_TRY(weft_state_choose(p, params, (uint32_t)i));
        if (s->kind == WEFT_STATE_PAGED) { // its pool has as many pages as there is room for
            s->bytes = weft_bytes_times(s->rows, s->row_bytes);
            continue;
        }
        if (s->bytes > p->caps.max_buffer)
            return weft_fail(WEFT_ERR_LIMIT,
                             "state '%s' needs %" PRIu64 " bytes, a buffer of this device has at most %" PRIu64
                             "; choose a smaller context",
                             s->name, s->bytes, p->caps.max_buffer);
    }
    return WEFT_OK;
}

static weft_status plan_bind(struct weft_plan *p, const struct weft_compile_params *params)
{
    if (!params || !params->bind) return WEFT_OK;
    WEFT_TRY(weft_graph_sizes_check(p->graph, params->bind));
    memcpy(p->bind, params->bind, weft_dims_symbol_count(p->graph->dims) * sizeof *p->bind);
    p->bound = true;
    return WEFT_OK;
}

static weft_status plan_ios(struct weft_plan *p)
{
    struct weft_graph *g = p->graph;
    p->ios = weft_arena_alloc(&p->arena, (g->n_values + 1) * sizeof *p->ios);
    if (!p->ios) return out_of_memory();
    for (uint32_t v = 0; v < g->n_values; v++) {
        const struct weft_value_info *info = &g->values[v];
        if (info->kind == WEFT_VALUE_INPUT)
            p->ios[p->n_ios++] = (struct weft_plan_io){.name = info->name, .value = v, .dtype = info->type.dtype};
        else if (info->is_output && info->state == UINT32_MAX)
            p->ios[p->n_ios++] = (struct weft_plan_io){.name = info->output_name ? info->output_name : info->name,
                                                       .value = v,
                                                       .dtype = info->type.dtype,
                                                       .is_output = true};
        else continue;
        uint64_t bytes = weft_plan_io_live_bytes(p, p->n_ios - 1, NULL);
        if (bytes > p->caps.max_buffer)
            return weft_fail(WEFT_ERR_LIMIT,
                             "%s '%s' may take %" PRIu64 " bytes, a buffer of this device has at most %" PRIu64
                             "; lower the bounds of its symbols",
                             info->kind == WEFT_VALUE_INPUT ? "input" : "output", p->ios[p->n_ios - 1].name, bytes,
                             p->caps.max_buffer);
    }
    return WEFT_OK;
}

// ---- schedules -----------------------------------------------------------------------------------------------------

static weft_status plan_schedules(struct weft_plan *p, const struct weft_compile_params *params)
{
    const struct weft_dims *dims = p->graph->dims;
    uint32_t n = weft_dims_symbol_count(dims);
    int symbol = params && params->split_symbol ? weft_dims_symbol_find(dims, params->split_symbol) : -1;
    uint32_t pieces = symbol >= 0 ? params->n_splits + 1 : 1;
    p->schedules = weft_arena_alloc(&p->arena, pieces * sizeof *p->schedules);
    if (!p->schedules) return out_of_memory();
    int64_t lo = 0, hi = 0, from;
    if (symbol >= 0) weft_dims_symbol_bounds(dims, (uint32_t)symbol, &lo, &hi);
    from = lo;
    for (uint32_t k = 0; k < pieces; k++) {
        int64_t to = k + 1 < pieces ? params->split_at[k] : hi;
        if (to > hi) to = hi;
        if (symbol >= 0 && to < from) continue;
        if (symbol >= 0 && p->bound && (p->bind[symbol] < from || p->bind[symbol] > to)) {
            from = to + 1;
            continue;
        }
        struct weft_schedule *sc = &p->schedules[p->n_schedules++];
        for (uint32_t i = 0; i < n; i++) weft_dims_symbol_bounds(dims, i, &sc->lo[i], &sc->hi[i]);
        if (symbol >= 0) {
            sc->lo[symbol] = from;
            sc->hi[symbol] = to;
            from = to + 1;
        }
        sc->name = symbol < 0 ? "all"
                              : weft_arena_printf(&p->arena, "%s=%" PRId64 "..%" PRId64, params->split_symbol,
                                                  sc->lo[symbol], sc->hi[symbol]);
        if (!sc->name) return out_of_memory();
    }
    return WEFT_OK;
}

/// Offset of a view in its own elements, from that of what it views in that one's.
static weft_dim view_offset(struct weft_lower *l, const struct weft_node *n, weft_dim offset)
{
    struct weft_dims *dims = l->graph->dims;
    const struct weft_type *from = &weft_lv(l, n->in[0])->type, *to = &weft_lv(l, n->out[0])->type;
    uint32_t wide = weft_accessor_width(from->dtype), narrow = weft_accessor_width(to->dtype);
    int64_t rest = 0;
    if (offset == WEFT_DIM_BAD) offset = weft_dim_const(dims, 0);
    if (n->op->view == WEFT_VIEW_ROWS)
        offset = weft_dim_add(
            dims, offset,
            weft_dim_mul(dims, n->attrs[n->op->view_start].d, weft_lower_product(l, from, 1, from->rank)));
    if (wide > narrow) offset = weft_dim_mul(dims, offset, weft_dim_const(dims, wide / narrow));
    if (wide < narrow) {
        if (!weft_dim_is_const(dims, weft_dim_mod(dims, offset, narrow / wide), &rest) || rest)
            weft_lower_fail(l, WEFT_ERR_UNSUPPORTED,
                            "what it views starts inside a word of %s for some sizes; start it at an even element",
                            weft_dtype_name(to->dtype));
        offset = weft_dim_floordiv(dims, offset, narrow / wide);
    }
    if (offset == WEFT_DIM_BAD) weft_lower_fail(l, WEFT_ERR_NOMEM, "out of memory while compiling the graph");
    return offset == 0 ? WEFT_DIM_BAD : offset; // handle 0 is the constant 0
}

static weft_status lower_views(struct weft_lower *l, const struct weft_group *group)
{
    for (uint32_t i = 0; i < group->n_nodes; i++) {
        const struct weft_node *n = &l->graph->nodes[group->nodes[i]];
        weft_value in = n->in[0], out = n->out[0];
        const struct weft_value_info *src = weft_lv(l, in);
        if (src->kind == WEFT_VALUE_WEIGHT || src->kind == WEFT_VALUE_CONST)
            return weft_fail(WEFT_ERR_UNSUPPORTED, "node '%s' views a weight; give the weight that shape instead",
                             n->name ? n->name : n->op->name);
        if (weft_lower_deferred(l, in)) continue; // has no memory
        weft_lower_place(l, in);
        if (l->status != WEFT_OK) return l->status;
        struct weft_place place = {l->places[in].tensor, view_offset(l, n, l->places[in].elem_offset)};
        if (l->status != WEFT_OK) return l->status;
        if (weft_lv(l, out)->is_output && l->output_view[weft_graph_base(l->graph, out)] != out)
            WEFT_TRY(weft_alias_copy_output(l, out, place));
        else l->places[out] = place;
    }
    return WEFT_OK;
}

/// A write of a range that ends no kernel is a move, unless its value has no memory: constants and variables.
static bool is_move(const struct weft_lower *l, const struct weft_group *group)
{
    const struct weft_node *n = &l->graph->nodes[group->nodes[0]];
    if (group->n_nodes != 1 || !weft_op_range(n->op)) return false;
    const struct weft_value_info *x = weft_lv(l, n->in[1]);
    return x->kind != WEFT_VALUE_CONST && x->kind != WEFT_VALUE_WEIGHT &&
           (x->state == UINT32_MAX || x->state_kind != WEFT_STATE_VAR);
}

static weft_status check_ranges(const struct weft_lower *l, const struct weft_group *group)
{
    for (uint32_t i = 0; i < group->n_nodes; i++) {
        const struct weft_node *n = &l->graph->nodes[group->nodes[i]];
        if (!weft_op_range(n->op)) continue;
        const struct weft_value_info *s = weft_lv(l, n->in[0]);
        if (s->state != UINT32_MAX && s->state_kind != WEFT_STATE_DENSE)
            return weft_fail(WEFT_ERR_UNSUPPORTED, "'%s' is a %s; ranges are written to dense states", s->name,
                             s->state_kind == WEFT_STATE_VAR ? "variable" : "state that maps its rows");
    }
    return WEFT_OK;
}

static void reverse(struct weft_step *steps, uint32_t from, uint32_t to)
{
    for (; from + 1 < to; from++, to--) {
        struct weft_step swap = steps[from];
        steps[from] = steps[to - 1];
        steps[to - 1] = swap;
    }
}

/// Unpacks the weights that the group whose steps begin at `first` reads element by element, in front of it.
static weft_status lower_unpack(struct weft_lower *l, uint32_t first)
{
    uint32_t end = l->n_steps;
    for (uint32_t i = 0; i < l->n_unpack && l->status == WEFT_OK; i++) {
        weft_unpack_lower(l, l->unpack[i]);
        const struct weft_value_info *info = weft_lv(l, l->unpack[i]);
        char line[256]; // the same for all schedules
        snprintf(line, sizeof line, "weight '%.160s' is unpacked once a run: an operator reads it element by element\n",
                 info->name ? info->name : "constant");
        if (!strstr(weft_str_get(&l->plan->report), line)) weft_str_add(&l->plan->report, line);
    }
    l->n_unpack = 0;
    if (l->status != WEFT_OK || end == l->n_steps) return l->status;
    reverse(l->steps, first, end); // steps first .. end and end .. n_steps change places
    reverse(l->steps, end, l->n_steps);
    reverse(l->steps, first, l->n_steps);
    return WEFT_OK;
}

weft_status weft_pass_lower(struct weft_lower *l)
{
    for (uint32_t k = 0; k < l->n_groups; k++) {
        const struct weft_group *group = &l->groups[k];
        const struct weft_node *n = &l->graph->nodes[group->nodes[0]];
        uint32_t first = l->n_steps;
        weft_status status = check_ranges(l, group);
        l->group = k;
        if (status == WEFT_OK) switch (group->kind) {
        case WEFT_GROUP_VIEW: status = lower_views(l, group); break;
        case WEFT_GROUP_REGION: status = is_move(l, group) ? n->op->lower(l, k) : weft_region_lower(l, k); break;
        case WEFT_GROUP_CONTRACT: status = weft_contract_lower(l, k); break;
        default:
            status = n->op->lower ? n->op->lower(l, k)
                                  : weft_fail(WEFT_ERR_UNSUPPORTED, "operator '%s' has no kernel", n->op->name);
        }
        if (status == WEFT_OK) status = l->status;
        if (status == WEFT_OK && l->n_unpack) status = lower_unpack(l, first);
        if (status == WEFT_OK) status = weft_alias_steps(l, first);
        if (status != WEFT_OK)
            return weft_fail_in(status, "node '%s' (%s)", n->name ? n->name : "unnamed", n->op->name);
    }
    return weft_pass_states(l);
}

/// One way to lower a schedule: how much fusion, and where less.
struct attempt {
    struct weft_plan *plan;
    struct weft_schedule *sc;
    int level, blind;
    uint8_t *node_budget; ///< by node: weft_lower.node_budget
    const struct weft_group *groups;
    uint32_t n, n_tightened; ///< attempts so far; groups that have to be smaller
    size_t mark;             ///< where the report of this attempt begins
    bool told;               ///< that the schedule is fused less
    char why[256];           ///< the first group has to be smaller
};

/// Lists the nodes that read each value. Counts stand two places on, so that placing leaves each list's start at its
/// value.
static weft_status index_uses(struct weft_lower *l)
{
    const struct weft_graph *g = l->graph;
    size_t total = 0;
    for (size_t n = 0; n < g->n_nodes; n++) total += g->nodes[n].n_in;
    l->use_start = weft_calloc(g->n_values + 3, sizeof *l->use_start);
    l->uses = weft_alloc((total + 1) * sizeof *l->uses);
    if (!l->use_start || !l->uses) return out_of_memory();
    for (uint32_t n = 0; n < g->n_nodes; n++)
        for (uint32_t i = 0; i < g->nodes[n].n_in && !g->nodes[n].dead; i++) l->use_start[g->nodes[n].in[i] + 2]++;
    for (size_t v = 2; v < g->n_values + 2; v++) l->use_start[v] += l->use_start[v - 1];
    for (uint32_t n = 0; n < g->n_nodes; n++)
        for (uint32_t i = 0; i < g->nodes[n].n_in && !g->nodes[n].dead; i++)
            l->uses[l->use_start[g->nodes[n].in[i] + 1]++] = n;
    return WEFT_OK;
}

static bool tighten_group(struct attempt *a, const struct weft_group *g, bool now);

static weft_status lower_schedule(struct attempt *a)
{
    struct weft_plan *p = a->plan;
    struct weft_schedule *sc = a->sc;
    struct weft_lower l = {.plan = p, .graph = p->graph, .caps = &p->caps, .node_budget = a->node_budget,
                           .blind = a->blind != 0};
    size_t n_values = p->graph->n_values;
    memcpy(l.lo, sc->lo, sizeof l.lo);
    memcpy(l.hi, sc->hi, sizeof l.hi);
    l.node_group = weft_calloc(p->graph->n_nodes + 1, sizeof *l.node_group);
    l.places = weft_alloc((n_values + 1) * sizeof *l.places);
    weft_status status = l.node_group && l.places ? index_uses(&l) : out_of_memory();
    if (status == WEFT_OK) status = weft_alias_outputs(&l);
    l.copy_why = weft_arena_alloc(&p->arena, (p->graph->n_nodes + 1) * sizeof *l.copy_why);
    if (status == WEFT_OK && !l.copy_why) status = out_of_memory();
    for (size_t i = 0; status == WEFT_OK && i < n_values; i++)
        l.places[i] = (struct weft_place){WEFT_NO_TENSOR, WEFT_DIM_BAD};
    if (status == WEFT_OK) status = weft_pass_fuse(&l, a->level);
    if (status == WEFT_OK) status = weft_pass_lower(&l);
    if (status == WEFT_OK) {
        sc->steps = weft_arena_dup(&p->arena, l.steps, l.n_steps * sizeof *l.steps);
        sc->tensors = weft_arena_dup(&p->arena, l.tensors, l.n_tensors * sizeof *l.tensors);
        sc->n_steps = l.n_steps;
        sc->n_tensors = l.n_tensors;
        if (!sc->steps || !sc->tensors) status = out_of_memory();
        sc->copied_bytes = 0;
        for (uint32_t i = 0; i < l.n_steps; i++) sc->copied_bytes += l.steps[i].copied_bytes;
    }
    a->groups = l.groups;
    if (l.crowded) tighten_group(a, &l.groups[l.group], true);
    weft_free(l.use_start);
    weft_free(l.uses);
    weft_free(l.node_group);
    weft_free(l.places);
    weft_free(l.steps);
    weft_free(l.tensors);
    return status;
}

/// Lets the nodes of a group count on one binding fewer than it has now, from the next attempt on.
static bool tighten_group(struct attempt *a, const struct weft_group *g, bool now)
{
    if (g->n_nodes < 2 || g->n_bindings < 2) return false;
    uint32_t budget = g->n_bindings - 1 < 255 ? g->n_bindings - 1 : 255;
    if (a->n_tightened++ == 0) snprintf(a->why, sizeof a->why, "%s", weft_error_message());
    for (uint32_t i = 0; i < g->n_nodes && now; i++) a->node_budget[g->nodes[i]] = (uint8_t)budget;
    return true;
}

/// A step that does not fit. A second attempt knows the shards of its weights; from then on its group may count on one
/// binding fewer each time. False if it is a single node.
static bool tighten(void *user, const struct weft_step *s)
{
    struct attempt *a = user;
    return tighten_group(a, &a->groups[s->group], a->n > 0);
}

static weft_status finish_schedule(struct attempt *a)
{
    struct weft_plan *p = a->plan;
    struct weft_schedule *sc = a->sc;
    WEFT_TRY(weft_pass_memory(p, sc));
    WEFT_TRY(weft_cut_schedule(p, sc, tighten, a));
    for (uint32_t i = 0; p->checked && i < sc->n_steps; i++) {
        sc->steps[i].number = (uint32_t)(sc - p->schedules) << 16 | i;
        if (!sc->steps[i].checked)
            weft_str_addf(&p->report,
                          "schedule %s: step '%s' is left unchecked: it has %u bindings and %u parameter words\n",
                          sc->name, sc->steps[i].label, sc->steps[i].n_slots - 1, sc->steps[i].n_words);
    }
    for (uint32_t i = 0; i < sc->n_steps; i++) WEFT_TRY(weft_bind_wgsl(p, sc, &sc->steps[i]));
    return a->blind == 2 ? WEFT_OK : weft_plan_check(p, sc);
}

#define MAX_ATTEMPTS 24

/// Lowers with smaller and smaller groups where steps do not fit; should that not end, with less fusion everywhere.
static weft_status plan_schedule(struct weft_plan *p, struct weft_schedule *sc,
                                 const struct weft_compile_params *params) {
    struct attempt a = {.plan = p,
                        .sc = sc,
                        .blind = params ? params->blind : 0,
                        .level = params && params->no_fuse == 1   ? 0
                                 : params && params->no_fuse == 2 ? 1
                                                                  : 2};
    a.node_budget = weft_calloc(p->graph->n_nodes + 1, 1);
    if (!a.node_budget) return out_of_memory();
    weft_status status;
    for (;; a.n++) {
        a.n_tightened = 0;
        a.mark = p->report.len;
        status = lower_schedule(&a);
        if (status == WEFT_OK) status = weft_pass_shards(p, params ? params->weights_of : NULL);
        if (status == WEFT_OK) status = finish_schedule(&a);
        if (status != WEFT_ERR_LIMIT || a.level == 0) break;
        if (!a.n_tightened) break; // fusion is not the cause
        weft_str_cut(&p->report, a.mark);
        if (!a.told) weft_str_addf(&p->report, "schedule %s: fused less: %s\n", sc->name, a.why);
        a.told = true;
        if (a.n < MAX_ATTEMPTS) continue;
        weft_str_addf(&p->report, "schedule %s: fusion level %d does not fit this device: %s\n", sc->name, a.level,
                      weft_error_message());
        a.level--;
        a.n = 0;
    }
    weft_free(a.node_budget);
    return status;
}

static weft_status number_pipelines(struct weft_plan *p)
{
    struct weft_map seen = {0};
    weft_status status = WEFT_OK;
    for (uint32_t k = 0; k < p->n_schedules; k++) {
        for (uint32_t i = 0; i < p->schedules[k].n_steps; i++) {
            struct weft_step *s = &p->schedules[k].steps[i];
            uint64_t number; // equal texts are one string (weft_bind_wgsl)
            if (!weft_map_get(&seen, &s->wgsl, sizeof s->wgsl, &number)) {
                number = p->n_pipelines++;
                if (!weft_map_set(&seen, &s->wgsl, sizeof s->wgsl, number)) status = out_of_memory();
            }
            s->pipeline = (uint32_t)number;
        }
    }
    weft_map_free(&seen);
    return status;
}

static weft_status compile(struct weft_plan *p, const struct weft_compile_params *params)
{
    WEFT_TRY(weft_graph_verify(p->graph));
    WEFT_TRY(weft_pass_pairs(p, params));
    WEFT_TRY(weft_pass_decompose(p->graph));
    WEFT_TRY(weft_graph_verify(p->graph));
    WEFT_TRY(plan_states(p, params));
    WEFT_TRY(weft_pass_positions(p));
    WEFT_TRY(weft_pass_pages(p, params ? params->page_rows : 0));
    WEFT_TRY(plan_bind(p, params));
    WEFT_TRY(plan_ios(p));
    WEFT_TRY(plan_schedules(p, params));
    for (uint32_t k = p->n_schedules; k-- > 0;) { // the largest first: the others' heaps lie in its heaps
        struct weft_schedule *sc = &p->schedules[k];
        weft_status status = plan_schedule(p, sc, params);
        if (status != WEFT_OK) return weft_fail_in(status, "schedule %s", sc->name);
        for (uint32_t h = 0; h < WEFT_HEAPS; h++)
            if (sc->heap_bytes[h] > p->heap_bytes[h]) p->heap_bytes[h] = sc->heap_bytes[h];
        for (uint32_t i = 0; i < sc->n_steps; i++)
            if (sc->steps[i].is_copy)
                weft_str_addf(&p->report, "schedule %s: step %u '%s' copies %" PRIu64 " bytes: %s\n", sc->name, i,
                              sc->steps[i].label, sc->steps[i].copied_bytes, sc->steps[i].copy_why);
        weft_str_addf(&p->report, "schedule %s: %u steps, %" PRIu64 " bytes copied\n", sc->name,
                      sc->n_steps, sc->copied_bytes);
    }
    p->may_stop = weft_plan_may_stop(p);
    return number_pipelines(p);
}

weft_status weft_compile(struct weft_graph *graph, const struct weft_gpu_caps *caps,
                         const struct weft_compile_params *params, struct weft_plan **out) {
    *out = NULL;
    struct weft_plan *p = weft_calloc(1, sizeof *p);
    if (!p) {
        weft_graph_destroy(graph);
        return out_of_memory();
    }
    p->graph = graph;
    p->caps = *caps;
    p->checked = params && params->checked;
    // Kernels are written by many small appends; one that found no memory anywhere spoils the plan.
    uint64_t failures = weft_alloc_failures();
    weft_status status = compile(p, params);
    weft_map_free(&p->texts);
    if (status != WEFT_ERR_NOMEM && weft_alloc_failures() != failures) status = out_of_memory();
    if (status != WEFT_OK) {
        weft_plan_destroy(p);
        return status;
    }
    *out = p;
    return WEFT_OK;
}
