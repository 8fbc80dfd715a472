/// Elementwise regions and row kernels. A group without reductions runs flat: one thread an element. A group with reductions of the
/// last axis runs a workgroup a row: one loop over the columns for each level of reductions, re-reading (and recomputing) its inputs,
/// and a last loop that stores. Reductions of one level share a loop. Sums depend on the workgroup size alone.
#include "ops/region.h"
#include "core/alloc.h"
#include "core/error.h"
#include "ops/emit.h"
#include <stdio.h>
#include <string.h>

#define REGION_PARAMS(F) F(u32, rows) F(u32, n) F(u32, zero)
WEFT_PARAMS(region_params, REGION_PARAMS)

struct region_cfg { struct weft_emit_dims extra; weft_dim rows, n; uint32_t per_group; bool by_row; };

static void region_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3])
{
    const struct region_cfg *cfg = u->step->cfg;
    struct region_params *p = (struct region_params *)words;
    p->rows = (uint32_t)weft_live(u, cfg->rows);
    p->n = (uint32_t)weft_live(u, cfg->n);
    weft_emit_update(u, 3, words);
    uint64_t total = (uint64_t)p->rows * p->n;
    uint64_t groups = cfg->by_row ? p->rows : (total + cfg->per_group - 1) / cfg->per_group;
    weft_grid_fold(groups, u->caps->max_groups, grid);
}

static const struct weft_kernel region_kernel = {"region", "ops/region.wgsl", region_params_fields, region_update};

/// Level of reductions below a value inside the group: a reduction of level k needs those of lower levels.
static uint32_t level_of(const struct weft_lower *l, uint32_t group, weft_value v, uint32_t *levels)
{
    const struct weft_value_info *info = weft_lv(l, v);
    if (info->kind != WEFT_VALUE_NODE || l->node_group[info->node] != group) return 0;
    return levels[info->node];
}

uint32_t weft_region_levels(const struct weft_lower *l, uint32_t group, uint32_t *levels)
{
    const struct weft_group *g = &l->groups[group];
    uint32_t top = 0;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const struct weft_node *n = &l->graph->nodes[g->nodes[i]];
        uint32_t level = 0;
        for (uint32_t k = 0; k < n->n_in; k++) {
            uint32_t below = level_of(l, group, n->in[k], levels);
            if (below > level) level = below;
        }
        if (n->op->traits & WEFT_OP_REDUCE) level++;
        levels[g->nodes[i]] = level;
        if (level > top) top = level;
    }
    return top;
}

struct reduction { const char *init, *merge, *finish; }; // merge NULL: +

static struct reduction reduction_of(const char *op)
{
    if (strcmp(op, "amax") == 0) return (struct reduction){"-3.4028234e38", "max_nan", "wg_max"};
    if (strcmp(op, "amin") == 0) return (struct reduction){"3.4028234e38", "min_nan", "wg_min"};
    return (struct reduction){"0.0", NULL, "wg_sum"};
}

void weft_region_reductions(struct weft_emitter *e, const uint32_t *nodes, uint32_t n_nodes, const uint32_t *levels, uint32_t top,
                            const char *loop, struct weft_str *out)
{
    for (uint32_t level = 1; level <= top; level++) {
        struct weft_str row = {0}, col = {0}, heads = {0}, tails = {0};
        e->row_out = &row;
        e->col_out = &col;
        weft_emit_forget(e, false);
        for (uint32_t i = 0; i < n_nodes; i++) {
            const struct weft_node *n = &e->l->graph->nodes[nodes[i]];
            if (!(n->op->traits & WEFT_OP_REDUCE) || levels[nodes[i]] != level) continue;
            uint32_t id = n->out[0];
            struct reduction r = reduction_of(n->op->name);
            const char *x = weft_emit_at(e, n->in[0], 0);
            weft_str_addf(&heads, "var acc%u = %s;\n", id, r.init);
            if (r.merge) weft_str_addf(&col, "acc%u = %s(acc%u, %s);\n", id, r.merge, id, x);
            else weft_str_addf(&col, "acc%u += %s;\n", id, x);
            if (strcmp(r.finish, "wg_min") == 0) weft_str_addf(&tails, "let red%u = -wg_max(-acc%u, lid);\n", id, id);
            else if (strcmp(n->op->name, "mean") == 0) weft_str_addf(&tails, "let red%u = wg_sum(acc%u, lid) / f32(%s);\n", id, id, e->n_text);
            else weft_str_addf(&tails, "let red%u = %s(acc%u, lid);\n", id, r.finish, id);
            char given[32];
            snprintf(given, sizeof given, "red%u", id);
            weft_emit_give(e, n->out[0], weft_arena_strdup(&e->l->plan->arena, given));
        }
        weft_str_addf(out, "%s%s%s {\n%s}\n%s", weft_str_get(&row), weft_str_get(&heads), loop, weft_str_get(&col), weft_str_get(&tails));
        weft_str_free(&row);
        weft_str_free(&col);
        weft_str_free(&heads);
        weft_str_free(&tails);
    }
}

/// The last loop: every value that somebody outside reads.
void weft_region_stores(struct weft_emitter *e, const uint32_t *nodes, uint32_t n_nodes, const char *loop, const char *first, struct weft_str *out)
{
    struct weft_str row = {0}, col = {0}, rows_out = {0};
    e->row_out = &row;
    e->col_out = &col;
    weft_emit_forget(e, false);
    for (uint32_t i = 0; i < n_nodes; i++) {
        const struct weft_node *n = &e->l->graph->nodes[nodes[i]];
        for (uint32_t k = 0; k < n->n_out; k++) {
            if (!weft_lower_escapes(e->l, e->group, n->out[k])) continue;
            weft_emit_store(e, n->out[k], weft_emit_is_row(e, n->out[k]) ? &rows_out : &col, first);
        }
    }
    weft_str_addf(out, "%s%s", weft_str_get(&row), weft_str_get(&rows_out));
    if (col.len) weft_str_addf(out, "%s {\n%s}\n", loop, weft_str_get(&col));
    weft_str_free(&row);
    weft_str_free(&col);
    weft_str_free(&rows_out);
}

weft_status weft_region_lower(struct weft_lower *l, uint32_t group)
{
    const struct weft_group *g = &l->groups[group];
    const struct weft_node *named = &l->graph->nodes[g->nodes[g->n_nodes - 1]];
    char label[160];
    snprintf(label, sizeof label, "region %s%s%u nodes", named->name ? named->name : named->op->name, ", ", g->n_nodes);
    struct region_cfg cfg = {0};
    struct weft_step *s = weft_emit(l, &region_kernel, label, &cfg, sizeof cfg);
    struct weft_emitter *e = weft_alloc(sizeof *e);
    uint32_t *levels = weft_calloc(l->graph->n_nodes + 1, sizeof *levels);
    if (!e || !levels) {
        weft_free(e);
        weft_free(levels);
        return weft_fail(WEFT_ERR_NOMEM, "out of memory while writing a kernel");
    }
    weft_emit_begin(e, l, s, group, weft_emit_space(l, g->nodes, g->n_nodes));
    uint32_t top = weft_region_levels(l, group, levels);
    int64_t width = weft_lower_max(l, e->n);
    bool cpu = l->caps->kind == WEFT_GPU_CPU;
    uint32_t wg = top == 0 ? 64 : width <= 64 ? 32 : width <= 512 || cpu ? 64 : 256, per_thread = top == 0 ? 4 : 1;
    struct weft_str body = {0};
    if (top) {
        const char *loop = "for (var col = lid; col < p.n; col += WG)";
        weft_region_reductions(e, g->nodes, g->n_nodes, levels, top, loop, &body);
        weft_region_stores(e, g->nodes, g->n_nodes, loop, "lid == 0u", &body);
    } else {
        weft_region_stores(e, g->nodes, g->n_nodes, "", "col == 0u", &body);
    }
    weft_emit_int(l, s, "BY_ROW", top > 0);
    weft_emit_int(l, s, "PER_THREAD", per_thread);
    weft_emit_int(l, s, "SINCOS", e->uses_sincos);
    weft_emit_text(l, s, "BODY", weft_str_get(&body));
    weft_emit_workgroup(s, wg, wg * 28);
    weft_emit_finish(e, region_params_fields);
    if (l->status == WEFT_OK) {
        struct region_cfg *kept = (struct region_cfg *)s->cfg;
        kept->rows = e->rows;
        kept->n = e->n;
        kept->by_row = top > 0;
        kept->per_group = wg * per_thread;
    }
    bool failed = body.failed;
    weft_str_free(&body);
    weft_free(e);
    weft_free(levels);
    return failed ? weft_fail(WEFT_ERR_NOMEM, "out of memory while writing a kernel") : l->status;
}
