/// Sides as scalar programs: functions that give their elements where a tile or a lane asks for them, whatever the
/// value is: a plain one seen from any of its axes, or what nodes of the group make of others.
#include "kernels/gemm/impl.h"
#include "core/error.h"
#include "kernels/map/region.h"

/// Coordinates of the side's own axes at (at0, at1, ..., row, col).
static void coordinates(struct weft_expr *e, const struct weft_gemm_side *side, uint32_t n_batch, uint32_t *c) {
    const struct weft_type *t = &weft_lv(e->step->l, side->v)->type;
    for (uint32_t i = 0; i < side->n_batch; i++) {
        bool one = weft_lower_const(e->step->l, t->dims[i]) == 1;
        c[i] = one ? weft_x_u32(e, 0) : weft_x_place(e, n_batch - side->n_batch + i);
    }
    if (side->row != WEFT_GEMM_NO_AXIS) c[side->row] = e->x_row;
    c[side->col] = e->x_col;
}

/// True if neighbouring rows lie side by side in memory, and neighbouring columns do not.
static bool lies_across(const struct weft_expr *e) {
    bool across = false;
    for (uint32_t i = 0; i < e->n_x; i++) {
        if (e->x[i].op != WEFT_XOP_LOAD) continue;
        if (weft_x_slope(e, e->x[i].a[0], e->x_col) == 1) return false;
        across |= weft_x_slope(e, e->x[i].a[0], e->x_row) == 1;
    }
    return across;
}

void weft_gemm_side_begin(struct weft_xstep *step, const struct weft_gemm_side *side, uint32_t n_batch, bool folded,
                          struct weft_gemm_program *p) {
    struct weft_lower *l = step->l;
    const struct weft_type *t = &weft_lv(l, side->v)->type;
    uint32_t before = step->s->n_operands;
    p->n_at = folded ? 0 : n_batch;
    if (folded) {
        weft_expr_begin(&p->e, step, *t, weft_region_last_axis(t), NULL);
        const struct weft_at at = weft_x_point(&p->e);
        p->x = weft_x_value(&p->e, side->v, &at);
    } else {
        struct weft_type space = {.dtype = t->dtype, .rank = 2};
        space.dims[0] = side->row == WEFT_GEMM_NO_AXIS ? weft_dim_const(l->graph->dims, 1) : t->dims[side->row];
        space.dims[1] = t->dims[side->col];
        uint32_t c[WEFT_MAX_RANK] = {0};
        weft_expr_begin(&p->e, step, space, weft_region_last_axis(&space), NULL);
        const struct weft_at at = weft_x_point(&p->e);
        coordinates(&p->e, side, n_batch, c);
        p->x = weft_x_value_at(&p->e, side->v, c, WEFT_X_NONE, &at);
    }
    p->e.roots[p->e.n_roots++] = p->x;
    // Another workgroup may read an element at any time: nothing of it is written in place.
    for (uint32_t i = before; i < step->s->n_operands; i++)
        step->s->operands[i].flags &= (uint8_t)~WEFT_OPERAND_INPLACE;
    p->across = l->status == WEFT_OK && lies_across(&p->e);
    int64_t k = weft_lower_const(l, t->dims[side->col]);
    p->quads = k > 0 && k % 4 == 0;
}

static void add_head(const struct weft_gemm_program *p, const char *name, const char *what, struct weft_str *out) {
    weft_str_addf(out, "fn %s_%s(", name, what);
    for (uint32_t i = 0; i < p->n_at; i++) weft_str_addf(out, "at%u: u32, ", i);
}

void weft_gemm_side_text(struct weft_gemm_program *p, const char *name, const char *rows, struct weft_str *out) {
    static const char *const columns[] = {"col", "col1", "col2", "col3"};
    const char *type = weft_xtype_name((enum weft_xtype)p->e.x[p->x].type), *x[4];
    struct weft_str body = {0};
    struct weft_xtext *t = &p->t;
    if (p->e.step->l->status != WEFT_OK || !weft_xtext_begin(t, &p->e)) return;
    t->row_out = t->col_out = &body;
    t->n_held = p->quads ? 4 : 1;
    t->quads = p->quads;
    for (uint32_t i = 0; i < t->n_held; i++) t->col[i] = columns[i];
    for (uint32_t i = 0; i < t->n_held; i++) x[i] = weft_xtext_at(t, p->x, i);
    if (p->quads) {
        add_head(p, name, "quad", out);
        weft_str_addf(out,
                      "row: u32, col: u32) -> vec4<%s> {\nif (row >= %s || col >= p.k) { return vec4<%s>(); }\n"
                      "let col1 = col + 1u;\nlet col2 = col + 2u;\nlet col3 = col + 3u;\n%s"
                      "return vec4<%s>(%s, %s, %s, %s);\n}\n",
                      type, rows, type, weft_str_get(&body), type, x[0], x[1], x[2], x[3]);
    } else {
        add_head(p, name, "one", out);
        weft_str_addf(out, "row: u32, col: u32) -> %s {\n%sreturn %s;\n}\n", type, weft_str_get(&body), x[0]);
        add_head(p, name, "quad", out);
        weft_str_addf(out, "row: u32, col: u32) -> vec4<%s> {\nvar v = vec4<%s>();\nif (row >= %s) { return v; }\n",
                      type, type, rows);
        for (uint32_t i = 0; i < 4; i++) {
            weft_str_addf(out, "if (col + %uu < p.k) { v[%u] = %s_one(", i, i, name);
            for (uint32_t k = 0; k < p->n_at; k++) weft_str_addf(out, "at%u, ", k);
            weft_str_addf(out, "row, col + %uu); }\n", i);
        }
        weft_str_add(out, "return v;\n}\n");
    }
    weft_str_free(&body);
}
