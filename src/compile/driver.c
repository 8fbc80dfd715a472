/// The compiler: all passes in order, by name, and what holds before and behind each. Nothing that changes a graph or a
/// plan stands outside this list.
///
/// Passes over the plan come first. Then, for each schedule, those that lower it and those over its steps. A schedule
/// of which a group is too large for the device goes through these again with that group smaller, and with less
/// fusion everywhere should that not end.
#include "compile/passes.h"
#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static weft_status out_of_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory while compiling the graph"); }

static weft_status verify(struct weft_compiling *c) { return weft_graph_verify(c->plan->graph); }
static weft_status leaves(struct weft_compiling *c) { return weft_pass_leaves(c->plan->graph); }
static weft_status decompose(struct weft_compiling *c) { return weft_pass_decompose(c->plan->graph); }
static weft_status rewrite(struct weft_compiling *c, weft_status (*pass)(struct weft_graph *g)) {
    return c->params->as_written ? WEFT_OK : pass(c->plan->graph);
}
static weft_status fold(struct weft_compiling *c) { return rewrite(c, weft_pass_fold); }
static weft_status simplify(struct weft_compiling *c) { return rewrite(c, weft_pass_simplify); }
static weft_status common(struct weft_compiling *c) { return rewrite(c, weft_pass_common); }
static weft_status dead(struct weft_compiling *c) { return rewrite(c, weft_pass_dead); }
static weft_status ranges(struct weft_compiling *c) { return weft_pass_ranges(c->plan->graph); }
static weft_status fuse(struct weft_compiling *c) { return weft_pass_fuse(&c->lower, c->level); }
static weft_status shards(struct weft_compiling *c) { return weft_pass_shards(c->plan, c->params->weights_of); }
static weft_status place(struct weft_compiling *c) { return weft_pass_place(c->plan, c->schedule); }
static weft_status check(struct weft_compiling *c) {
    return c->params->skip_alias_check == 2 ? WEFT_OK : weft_plan_check(c->plan, c->schedule);
}
static weft_status heaps(struct weft_compiling *c) {
    for (uint32_t h = 0; h < WEFT_HEAPS; h++)
        if (c->schedule->heap_bytes[h] > c->plan->heap_bytes[h]) c->plan->heap_bytes[h] = c->schedule->heap_bytes[h];
    return WEFT_OK;
}

/// What holds before a pass is what those above it leave.
// clang-format off
static const struct weft_pass {
    struct weft_pass_info info;
    weft_status (*run)(struct weft_compiling *c);
} passes[] = {
    {{"verify", WEFT_PASS_PLAN, "A graph as its builder left it is one that keeps the rules of ir/graph.h."}, verify},
    {{"pairs", WEFT_PASS_PLAN, "Pairs of past and present are states, or are listed as separate in the plan."},
     weft_pass_pairs},
    {{"leaves", WEFT_PASS_PLAN, "No output is a leaf or a version of a state: a view stands between, which is copied."},
     leaves},
    {{"decompose", WEFT_PASS_PLAN, "No node is left whose operator is only built from others."}, decompose},
    {{"fold", WEFT_PASS_PLAN, "What follows from constants alone is a constant, unless it is large."}, fold},
    {{"simplify", WEFT_PASS_PLAN, "No node is left that computes nothing by the laws of its operator."}, simplify},
    {{"common", WEFT_PASS_PLAN, "No two nodes compute the same, unless both are outputs."}, common},
    {{"ranges", WEFT_PASS_PLAN, "No reshape stands between a value and the range of a state to which it is written."},
     ranges},
    {{"dead", WEFT_PASS_PLAN, "Each node reaches an output or a write of a state or variable."}, dead},
    {{"verify-again", WEFT_PASS_PLAN, "The passes above broke no rule; from here on the graph does not change."},
     verify},
    {{"states", WEFT_PASS_PLAN, "Each state has its bytes and its policy, each variable its word."}, weft_pass_states},
    {{"positions", WEFT_PASS_PLAN, "It is known which variables are positions, which states get rows at them, and how "
                                   "far back readers look."}, weft_pass_positions},
    {{"variables", WEFT_PASS_PLAN, "It is known what the values of variables must keep to, for sessions to refuse a "
                                   "run."}, weft_pass_variables},
    {{"pages", WEFT_PASS_PLAN, "Each paged state has a page size, a table and banks; no operator reads one but by "
                               "rows."}, weft_pass_pages},
    {{"size", WEFT_PASS_PLAN, "A plan for one size has it, and it keeps the graph's relations and guards."},
     weft_pass_size},
    {{"io", WEFT_PASS_PLAN, "Inputs and outputs are listed, and a buffer holds each."}, weft_pass_io},
    {{"schedules", WEFT_PASS_PLAN, "The range of sizes is cut; what follows is done for each schedule, the largest "
                                   "first."}, weft_pass_schedules},
    {{"outputs", WEFT_PASS_LOWER, "It is known which outputs give their memory to the value that they are views of."},
     weft_pass_outputs},
    {{"fuse", WEFT_PASS_LOWER, "Every live node stands in one group; groups stand in an order that runs."}, fuse},
    {{"lower", WEFT_PASS_LOWER, "Every group has its steps: kernels, operands by name, tensors without a place."},
     weft_pass_lower},
    {{"alias", WEFT_PASS_LOWER, "No step reads a range that it writes, but disjoint from it or in place; the rest is "
                                "copied in front."}, weft_pass_alias},
    {{"commit", WEFT_PASS_LOWER, "Writers of states of two buffers have the past at hand; double-buffered states have "
                                 "their copies at the end."}, weft_pass_commit},
    {{"shards", WEFT_PASS_STEPS, "Every part of a weight has a shard and an offset."}, shards},
    {{"place", WEFT_PASS_STEPS, "Every transient has a lifetime, a heap and an offset; no two that live together "
                                "overlap."}, place},
    {{"limits", WEFT_PASS_STEPS, "Grid, workgroup and workgroup memory of each step are within the device's limits."},
     weft_pass_limits},
    {{"split", WEFT_PASS_STEPS, "Steps with operands above a binding are split, each part over a run of workgroups, "
                                "where that helps."}, weft_pass_split},
    {{"bind", WEFT_PASS_STEPS, "Every operand of every step has its binding or bindings."}, weft_pass_bind},
    {{"write", WEFT_PASS_STEPS, "Every step has its complete WGSL."}, weft_pass_write},
    {{"check", WEFT_PASS_STEPS, "Every step is one that WebGPU accepts, validated without the binder's code."}, check},
    {{"heaps", WEFT_PASS_STEPS, "The program's heaps hold this schedule's."}, heaps},
    {{"number", WEFT_PASS_END, "Steps of equal WGSL have one pipeline."}, weft_pass_number},
    {{"forms", WEFT_PASS_END, "The report names weights that lie on the device in several forms."}, weft_pass_forms},
};
// clang-format on
enum { N_PASSES = sizeof passes / sizeof passes[0] };

const struct weft_pass_info *weft_pass_list(size_t index) { return index < N_PASSES ? &passes[index].info : NULL; }

/// Runs the passes of a scope, up to the first that answers that something is too large.
static weft_status run(struct weft_compiling *c, enum weft_pass_scope scope) {
    for (size_t i = 0; i < N_PASSES && c->fit == WEFT_FITS; i++) {
        if (passes[i].info.scope != scope) continue;
        WEFT_TRY(weft_cancel_check());
        WEFT_TRY(passes[i].run(c));
        if (c->params->show && strcmp(c->params->show, passes[i].info.name) == 0)
            weft_pass_show(c, scope, c->params->show_to);
    }
    return WEFT_OK;
}

// ---- one schedule --------------------------------------------------------------------------------------------------

static weft_status attempt(struct weft_compiling *c) {
    c->fit = WEFT_FITS;
    c->n_smaller = 0;
    weft_status status = weft_lower_begin(c);
    if (status == WEFT_OK) status = run(c, WEFT_PASS_LOWER);
    if (status == WEFT_OK && c->fit == WEFT_FITS) status = weft_lower_keep(c);
    if (status == WEFT_OK) status = run(c, WEFT_PASS_STEPS);
    weft_lower_end(c);
    return status;
}

#define MAX_ATTEMPTS 24

/// Lowers with smaller and smaller groups where steps do not fit; should that not end, with less fusion everywhere.
static weft_status compile_schedule(struct weft_compiling *c) {
    struct weft_str *report = &c->plan->report;
    bool reported = false; // that the schedule is fused less
    memset(c->node_budget, 0, c->plan->graph->n_nodes);
    c->level = 2 - (c->params->no_fuse == 2) - 2 * (c->params->no_fuse == 1);
    for (c->attempt = 0;; c->attempt++) {
        size_t mark = report->len, shown = c->params->show ? c->params->show_to->len : 0;
        WEFT_TRY(attempt(c));
        if (c->fit == WEFT_FITS) return WEFT_OK;
        weft_str_cut(report, mark);
        if (c->params->show) weft_str_cut(c->params->show_to, shown);
        if (!reported) weft_str_addf(report, "schedule %s: fused less: %s\n", c->schedule->name, c->why);
        reported = true;
        if (c->attempt < MAX_ATTEMPTS) continue;
        weft_str_addf(report, "schedule %s: fusion level %d does not fit this device: %s\n", c->schedule->name,
                      c->level, weft_error_message());
        c->level--;
        c->attempt = 0;
    }
}

static void report_copies(struct weft_plan *p, const struct weft_schedule *sc) {
    for (uint32_t i = 0; i < sc->n_steps; i++)
        if (sc->steps[i].copy.kind)
            weft_str_addf(&p->report, "schedule %s: step %u '%s' copies %" PRIu64 " bytes: %s\n", sc->name, i,
                          sc->steps[i].label, sc->steps[i].copy.bytes, sc->steps[i].copy.why);
    weft_str_addf(&p->report, "schedule %s: %u steps, %" PRIu64 " bytes copied\n", sc->name, sc->n_steps,
                  sc->copied_bytes);
}

// ---- all of it -----------------------------------------------------------------------------------------------------

static void report(const struct weft_compiling *c, uint32_t schedules) {
    if (c->params->progress) c->params->progress(c->params->progress_user, 1 + schedules, 1 + c->plan->n_schedules);
}

static weft_status compile(struct weft_compiling *c) {
    struct weft_plan *p = c->plan;
    if (!p->graph->ops->families)
        return weft_fail(WEFT_ERR_INVALID, "the graph's operators come without kernels, so it can't be compiled");
    WEFT_TRY(run(c, WEFT_PASS_PLAN));
    report(c, 0);
    c->node_budget = weft_calloc(p->graph->n_nodes + 1, 1);
    if (!c->node_budget) return out_of_memory();
    for (uint32_t k = p->n_schedules; k-- > 0;) { // the largest first: the others' heaps lie in its heaps
        c->schedule = &p->schedules[k];
        weft_status status = compile_schedule(c);
        if (status != WEFT_OK) return weft_fail_in(status, "schedule %s", c->schedule->name);
        report_copies(p, c->schedule);
        report(c, p->n_schedules - k);
    }
    return run(c, WEFT_PASS_END);
}

weft_status weft_compile(struct weft_graph *graph, const struct weft_gpu_caps *caps,
                         const struct weft_compile_params *params, struct weft_plan **out) {
    static const struct weft_compile_params none;
    *out = NULL;
    struct weft_plan *p = weft_calloc(1, sizeof *p);
    struct weft_compiling *c = p ? weft_calloc(1, sizeof *c) : NULL;
    if (!c) {
        weft_free(p);
        weft_graph_destroy(graph);
        return out_of_memory();
    }
    p->graph = graph;
    p->caps = *caps;
    p->profile = weft_profile_make(caps);
    p->profile.invariant = params && params->numbers == WEFT_NUMBERS_INVARIANT;
    // Nobody says in which order a subgroup adds, or that its size is one in all pipelines.
    if (p->profile.invariant) p->caps.subgroups = false;
    *c = (struct weft_compiling){.plan = p, .params = params ? params : &none};
    p->checked = c->params->checked;
    // Kernels are written by many small appends; one that found no memory anywhere spoils the plan.
    uint64_t failures = weft_alloc_failures();
    const char *tune = c->params->tune ? c->params->tune : getenv("WEFT_TUNE");
    weft_status status = tune && *tune ? weft_profile_tune(&p->profile, tune, &p->arena) : WEFT_OK;
    if (status == WEFT_OK) status = compile(c);
    weft_map_free(&p->scratch.texts);
    weft_free(c->node_budget);
    weft_free(c);
    if (status != WEFT_ERR_NOMEM && weft_alloc_failures() != failures) status = out_of_memory();
    if (status != WEFT_OK) {
        weft_plan_destroy(p);
        return status;
    }
    *out = p;
    return WEFT_OK;
}

void weft_plan_destroy(struct weft_plan *plan) {
    if (!plan) return;
    weft_graph_destroy(plan->graph);
    weft_arena_free(&plan->arena);
    weft_map_free(&plan->scratch.texts);
    weft_str_free(&plan->report);
    weft_free(plan);
}
