#include "ops/emit.h"
#include "core/error.h"
#include "ops/assign.h"
#include "ops/rope.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *text(struct weft_emitter *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

static const char *text(struct weft_emitter *e, const char *format, ...)
{
    struct weft_str s = {0};
    va_list args;
    va_start(args, format);
    weft_str_addv(&s, format, args);
    va_end(args);
    const char *t = weft_arena_strdup(&e->l->plan->arena, weft_str_get(&s));
    weft_str_free(&s);
    if (t) return t;
    weft_lower_fail(e->l, WEFT_ERR_NOMEM, "out of memory while writing a kernel");
    return "0.0";
}

static int64_t const_dim(const struct weft_lower *l, weft_dim d) { return weft_lower_const(l, d); }

const struct weft_type *weft_emit_node_space(const struct weft_graph *g, const struct weft_node *n)
{
    return &g->values[n->op->reduce             ? n->in[0]
                      : weft_op_sink(n->op) ? n->in[1]
                                            : n->out[0]]
                .type;
}

struct weft_type weft_emit_space(const struct weft_lower *l, const uint32_t *nodes, uint32_t n)
{
    struct weft_type best = {0};
    bool have = false;
    for (uint32_t i = 0; i < n; i++) {
        const struct weft_node *node = &l->graph->nodes[nodes[i]];
        if (node->op->traits & WEFT_OP_CONTRACT) continue;
        struct weft_type t = *weft_emit_node_space(l->graph, node);
        if (have && best.rank && t.rank == best.rank && const_dim(l, t.dims[t.rank - 1]) == 1) continue;
        if (!have || (best.rank && const_dim(l, best.dims[best.rank - 1]) == 1)) best = t;
        have = true;
    }
    return best;
}

void weft_emit_begin(struct weft_emitter *e, struct weft_lower *l, struct weft_step *s, uint32_t group,
                     struct weft_type space) {
    memset(e, 0, sizeof *e);
    e->l = l;
    e->s = s;
    e->group = group;
    e->space = space;
    e->rows = weft_lower_product(l, &space, 0, space.rank ? space.rank - 1 : 0);
    e->n = space.rank ? space.dims[space.rank - 1] : weft_dim_const(l->graph->dims, 1);
    e->row_text = "row";
    e->col_text = "col";
    e->n_text = weft_emit_dim(e, e->n);
    e->n_variants = 1;
    e->variants[0].col = "col";
}

void weft_emit_next(struct weft_emitter *e, struct weft_type space)
{
    struct weft_emitter keep = *e;
    weft_emit_begin(e, keep.l, keep.s, keep.group, space);
    e->extra = keep.extra;
    e->n_loads = keep.n_loads;
    e->n_stores = keep.n_stores;
    e->uses_sincos = keep.uses_sincos;
    memcpy(e->halves, keep.halves, sizeof e->halves);
    e->n_halves = keep.n_halves;
    e->n_text = weft_emit_dim(e, e->n);
}

uint32_t weft_emit_local(struct weft_emitter *e, weft_value v)
{
    for (uint32_t i = 0; i < e->n_locals; i++)
        if (e->locals[i] == v) return i;
    if (e->n_locals == sizeof e->locals / sizeof e->locals[0]) {
        weft_lower_crowded(e->l, "a fused group has too many values");
        return 0;
    }
    e->locals[e->n_locals] = v;
    return e->n_locals++;
}

void weft_emit_forget(struct weft_emitter *e, bool rows_too)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < e->n_memo; i++)
        if (e->memo[i].row_scope && !rows_too) e->memo[kept++] = e->memo[i];
    e->n_memo = kept;
    e->n_variants = 1;
}

void weft_emit_give(struct weft_emitter *e, weft_value v, const char *given)
{
    for (uint32_t i = 0; i < e->n_given; i++) {
        if (e->given[i].v != v) continue;
        e->given[i].text = given;
        return;
    }
    if (e->n_given == sizeof e->given / sizeof e->given[0]) {
        weft_lower_crowded(e->l, "a fused group has too many reductions");
        return;
    }
    e->given[e->n_given].v = v;
    e->given[e->n_given++].text = given;
}

const char *weft_emit_dim(struct weft_emitter *e, weft_dim d)
{
    int64_t c = const_dim(e->l, d);
    if (c >= 0) return text(e, "%uu", (unsigned)c);
    for (uint32_t i = 0; i < e->extra.n; i++)
        if (e->extra.dims[i] == d) return text(e, "p.e%u", i);
    if (e->extra.n == WEFT_EMIT_DIMS) {
        weft_lower_crowded(e->l, "a fused group uses more than %d live sizes", WEFT_EMIT_DIMS);
        return "0u";
    }
    e->extra.dims[e->extra.n] = d;
    return text(e, "p.e%u", e->extra.n++);
}

/// The same to divide by: Tint refuses a constant 0, even where no thread will come.
static const char *divisor(struct weft_emitter *e, weft_dim d) {
    return const_dim(e->l, d) == 0 ? "1u" : weft_emit_dim(e, d);
}

bool weft_emit_is_row(const struct weft_emitter *e, weft_value v)
{
    const struct weft_type *t = &weft_lv(e->l, v)->type;
    if (t->rank == 0 || e->space.rank == 0) return false;
    return const_dim(e->l, t->dims[t->rank - 1]) == 1 && const_dim(e->l, e->space.dims[e->space.rank - 1]) != 1;
}

// ---- leaves --------------------------------------------------------------------------------------------------------

static bool same_space(const struct weft_emitter *e, const struct weft_type *t, uint32_t upto)
{
    return t->rank == e->space.rank && memcmp(t->dims, e->space.dims, upto * sizeof *t->dims) == 0;
}

/// Index of a leaf of type t at (row, col): NumPy broadcasting, right-aligned.
static const char *leaf_index(struct weft_emitter *e, const struct weft_type *t, const char *col)
{
    uint32_t r = e->space.rank;
    bool one = true, vector = true;
    for (uint32_t i = 0; i < t->rank; i++) {
        bool unit = const_dim(e->l, t->dims[i]) == 1;
        one &= unit;
        if (i + 1 < t->rank) vector &= unit;
    }
    if (one) return "0u";
    if (r && same_space(e, t, r)) return text(e, "%s * %s + %s", e->row_text, e->n_text, col);
    if (vector) return col;
    if (r && same_space(e, t, r - 1) && const_dim(e->l, t->dims[r - 1]) == 1) return e->row_text;
    // General: coordinates of the row, strides of the leaf.
    struct weft_dims *dims = e->l->graph->dims;
    weft_dim stride = weft_dim_const(dims, 1), below = weft_dim_const(dims, 1);
    const char *index = "0u";
    for (uint32_t a = r; a-- > 0;) {
        int at = (int)t->rank - (int)(r - a);
        bool present = at >= 0 && const_dim(e->l, t->dims[at]) != 1;
        if (a == r - 1) {
            if (present) index = col;
        } else {
            if (present) {
                const char *coord =
                    text(e, "((%s / %s) %% %s)", e->row_text, divisor(e, below), divisor(e, e->space.dims[a]));
                index = text(e, "%s + %s * %s", index, coord, weft_emit_dim(e, stride));
            }
            below = weft_dim_mul(dims, below, e->space.dims[a]);
        }
        if (present) stride = weft_dim_mul(dims, stride, t->dims[at]);
    }
    return index;
}

/// Remembers how many elements of operand i belong to a row of the space, for weft_emit_cut; 0 where a row may reach
/// any.
static void set_row_elements(struct weft_emitter *e, uint32_t i, const struct weft_type *t)
{
    uint32_t r = e->space.rank;
    int64_t n = const_dim(e->l, e->n);
    if (e->l->status != WEFT_OK || i >= e->s->n_operands) return;
    e->s->operands[i].every = 0;
    e->s->operands[i].unit = 0;
    if (r == 0 || t->rank != r || !same_space(e, t, r - 1)) return;
    if (t->dims[r - 1] == e->space.dims[r - 1]) {
        e->s->operands[i].every = 1; // of elements; weft_emit_cut knows better
        e->s->operands[i].unit = n > 0 ? (uint64_t)n : 0;
    } else if (const_dim(e->l, t->dims[r - 1]) == 1) {
        e->s->operands[i].every = 1;
        e->s->operands[i].unit = 1;
    }
}

void weft_emit_cut(struct weft_emitter *e, bool by_row, uint32_t items)
{
    struct weft_step *s = e->s;
    int64_t n = const_dim(e->l, e->n);
    bool whole_rows = e->uses_sincos; // a rotary map looks at the partner column
    if (e->l->status != WEFT_OK) return;
    for (uint32_t i = 0; i < s->n_operands; i++) {
        struct weft_operand *o = &s->operands[i];
        bool row = o->every && o->unit == 1 && n != 1;
        if (o->every == 0) continue;
        if (by_row) o->every = o->unit ? 1 : 0; // rows of a live size lie where they lie
        else if (row) o->every = n > 0 ? (uint64_t)n : 0;
        else if (whole_rows) o->every = o->unit = n > 0 ? (uint64_t)n : 0;
        else o->every = o->unit = 1;
    }
    weft_emit_items(s, items);
}

static const char *leaf_name(struct weft_emitter *e, weft_value v)
{
    for (uint32_t i = 0; i < e->n_leaves; i++)
        if (e->leaves[i].v == v) return e->leaves[i].name;
    if (e->n_leaves == sizeof e->leaves / sizeof e->leaves[0]) {
        weft_lower_crowded(e->l, "a fused group reads too many tensors");
        return "in0";
    }
    const char *name = text(e, "in%u", e->n_loads++);
    uint32_t i = weft_emit_value(e->l, e->s, name, WEFT_READ, v, 0);
    set_row_elements(e, i, &weft_lv(e->l, v)->type);
    // A range of a state that the program also writes is read by who writes it, before: fuse.c sees to that.
    if (e->l->status == WEFT_OK && e->l->tensors[e->s->operands[i].tensor].mem == WEFT_MEM_STATE)
        e->s->operands[i].flags |= WEFT_OPERAND_INPLACE;
    e->leaves[e->n_leaves].v = v;
    e->leaves[e->n_leaves++].name = name;
    return name;
}

static const char *literal(struct weft_emitter *e, double x)
{
    if (x != x || x > 3.4e38 || x < -3.4e38) { // WGSL refuses such constants: by way of bits
        float f = (float)x;
        uint32_t bits;
        memcpy(&bits, &f, 4);
        return text(e, "bitcast<f32>(p.zero | %uu)", bits);
    }
    const char *t = text(e, "%.9g", x);
    return strpbrk(t, ".e") ? (x < 0 ? text(e, "(%s)", t) : t) : text(e, x < 0 ? "(%s.0)" : "%s.0", t);
}

static const char *load_leaf(struct weft_emitter *e, weft_value v, const char *col)
{
    const struct weft_value_info *info = weft_lv(e->l, v);
    if (info->kind == WEFT_VALUE_CONST && info->type.rank == 0 && info->type.dtype == WEFT_F32 && info->data) {
        float f;
        memcpy(&f, info->data, 4);
        return literal(e, f);
    }
    if (info->state != UINT32_MAX && e->l->plan->states[info->state].kind == WEFT_STATE_VAR) {
        weft_emit_vars(e->l, e->s, WEFT_READ);
        const char *t = info->type.dtype == WEFT_F32 ? "f32" : info->type.dtype == WEFT_I32 ? "i32" : "u32";
        return text(e, "var_%s(%uu)", t, weft_lower_var_slot(e->l, v));
    }
    const char *name = leaf_name(e, v), *index = leaf_index(e, &info->type, col);
    return text(e, info->type.dtype == WEFT_BOOL ? "f32(load_%s(%s))" : "load_%s(%s)", name, index);
}

// ---- nodes ---------------------------------------------------------------------------------------------------------

/// Replaces $0, $1, $2 and $a0.. in an operator's pattern.
static const char *fill_pattern(struct weft_emitter *e, const struct weft_node *n, const char *pattern,
                                const char *const args[]) {
    struct weft_str s = {0};
    for (const char *c = pattern; *c; c++) {
        if (c[0] == '$' && c[1] == 'a' && c[2] >= '0' && c[2] <= '9') {
            uint32_t k = (uint32_t)(c[2] - '0');
            if (n->op->attrs[k].type == WEFT_ATTR_FLOAT) weft_str_add(&s, literal(e, n->attrs[k].f));
            else weft_str_addf(&s, "%lld", (long long)n->attrs[k].i);
            c += 2;
        } else if (c[0] == '$' && c[1] >= '0' && c[1] <= '2') {
            weft_str_add(&s, args[c[1] - '0']);
            c++;
        } else {
            weft_str_addn(&s, c, 1);
        }
    }
    const char *t = text(e, "%s", weft_str_get(&s));
    weft_str_free(&s);
    return t;
}

/// The text of a value has the WGSL type in which its operators compute: i32 and u32 for integers ('i', 'u'), f32 for
/// floats and for truth values, which are 0 or 1 ('f').
static char class_of(weft_dtype d)
{
    return d == WEFT_I32 || d == WEFT_I8 ? 'i' : d == WEFT_U32 || d == WEFT_U8 ? 'u' : 'f';
}

static const char *pattern_for(const struct weft_node *n, char class)
{
    const struct weft_op *op = n->op;
    if (class == 'u' && op->wgsl_u32) return op->wgsl_u32;
    return class != 'f' && op->wgsl_i32 ? op->wgsl_i32 : op->wgsl;
}

/// A cast: toward zero, to the type's range, NaN to 0.
static const char *cast_text(struct weft_emitter *e, weft_dtype from, weft_dtype to, const char *x)
{
    char class = class_of(from);
    switch (to) {
    case WEFT_I32: return text(e, class == 'f' ? "to_i32(%s)" : class == 'u' ? "i32(min(%s, 2147483647u))" : "%s", x);
    case WEFT_I8:
        return text(e,
                    class == 'f'   ? "clamp(to_i32(%s), -128, 127)"
                    : class == 'u' ? "i32(min(%s, 127u))"
                                   : "clamp(%s, -128, 127)",
                    x);
    case WEFT_U32: return text(e, class == 'f' ? "to_u32(%s)" : class == 'i' ? "u32(max(%s, 0))" : "%s", x);
    case WEFT_U8:
        return text(e,
                    class == 'f'   ? "min(to_u32(%s), 255u)"
                    : class == 'i' ? "u32(clamp(%s, 0, 255))"
                                   : "min(%s, 255u)",
                    x);
    case WEFT_BOOL:
        return text(e,
                    class == 'f'   ? "cast_to(%s, 7u)"
                    : class == 'i' ? "select(1.0, 0.0, %s == 0)"
                                   : "select(1.0, 0.0, %s == 0u)",
                    x);
    default: return text(e, class == 'f' ? "cast_to(%s, %uu)" : "cast_to(f32(%s), %uu)", x, (unsigned)to);
    }
}

/// Text of an elementwise node from the texts of its operands.
static const char *element_text(struct weft_emitter *e, const struct weft_node *n, const char *args[])
{
    weft_dtype first = weft_lv(e->l, n->in[0])->type.dtype, result = weft_lv(e->l, n->out[0])->type.dtype;
    if (n->op->element == WEFT_ELEMENT_CAST) return cast_text(e, first, result, args[0]);
    bool where = n->op->element == WEFT_ELEMENT_SELECT;
    if (where && class_of(first) != 'f') args[0] = text(e, "f32(%s)", args[0]); // only whether it is 0 counts
    const char *t = fill_pattern(e, n, where ? n->op->wgsl : pattern_for(n, class_of(first)), args);
    if (result == WEFT_I8 && !where) return text(e, "((%s) << 24u) >> 24u", t); // bytes wrap to their width
    return result == WEFT_U8 && !where ? text(e, "(%s) & 255u", t) : t;
}

static uint32_t new_variant(struct weft_emitter *e, const char *col)
{
    for (uint32_t i = 0; i < e->n_variants; i++)
        if (strcmp(e->variants[i].col, col) == 0) return i;
    if (e->n_variants == sizeof e->variants / sizeof e->variants[0]) {
        weft_lower_crowded(e->l, "a fused group has too many row maps");
        return 0;
    }
    e->variants[e->n_variants].col = col;
    return e->n_variants++;
}

/// Rotary embedding at (row, col): x[col] cos - x[partner] sin, or + in the second half of a pair. The angle is
/// (pos + t) * step in turns as 32-bit fixed point, exact by wrap-around.
static const char *rotate(struct weft_emitter *e, const struct weft_node *n, uint32_t variant, uint32_t id)
{
    const struct weft_type *t = &weft_lv(e->l, n->in[0])->type;
    int64_t width = const_dim(e->l, t->dims[t->rank - 1]);
    int64_t n_rot = weft_node_attr(n, "n_rot")->i ? weft_node_attr(n, "n_rot")->i : width;
    bool neox = weft_node_attr(n, "pairing")->i == 0;
    uint32_t steps[1024];
    if (width <= 0 || n_rot > 2048) {
        weft_lower_fail(e->l, WEFT_ERR_UNSUPPORTED, "rope needs a constant head size of at most 2048");
        return "0.0";
    }
    weft_rope_table(n, steps, (uint32_t)(n_rot / 2));
    char name[64];
    snprintf(name, sizeof name, "rope.%g.%lld.%g", weft_node_attr(n, "base")->f, (long long)n_rot,
             weft_node_attr(n, "freq_scale")->f);
    const char *table = NULL;
    for (uint32_t i = 0; i < e->n_leaves; i++)
        if (e->leaves[i].v == (weft_value)(0x80000000u | n->out[0])) table = e->leaves[i].name;
    if (!table) {
        table = text(e, "rot%u", e->n_loads++);
        weft_emit_table(e->l, e->s, table, weft_lower_table(e->l, name, steps, (uint64_t)n_rot / 2 * 4), WEFT_U32, 0);
        if (e->n_leaves < sizeof e->leaves / sizeof e->leaves[0]) {
            e->leaves[e->n_leaves].v = 0x80000000u | n->out[0];
            e->leaves[e->n_leaves++].name = table;
        }
    }
    weft_emit_vars(e->l, e->s, WEFT_READ);
    e->uses_sincos = true;
    const char *col = e->variants[variant].col;
    unsigned rot = (unsigned)n_rot, half = rot / 2;
    struct weft_str *o = e->col_out;
    const char *inside = rot == (unsigned)width ? NULL : text(e, "%s < %uu", col, rot);
    if (neox) {
        weft_str_addf(o, "let k%u_%u = %s %% %uu; let second%u_%u = (%s %% %uu) >= %uu;\n", id, variant, col, half, id,
                      variant, col, rot, half);
        weft_str_addf(o, "let mate%u_%u = select(%s + %uu, %s - %uu, second%u_%u);\n", id, variant, col, half, col,
                      half, id, variant);
    } else {
        weft_str_addf(o, "let k%u_%u = (%s %% %uu) / 2u; let second%u_%u = (%s & 1u) == 1u;\n", id, variant, col, rot,
                      id, variant, col);
        weft_str_addf(o, "let mate%u_%u = %s ^ 1u;\n", id, variant, col);
    }
    const char *mate = text(e, "mate%u_%u", id, variant);
    if (inside) { // columns beyond n_rot have no partner: look at themselves
        weft_str_addf(o, "let own%u_%u = select(%s, %s, %s);\n", id, variant, col, mate, inside);
        mate = text(e, "own%u_%u", id, variant);
    }
    const char *a = weft_emit_at(e, n->in[0], variant);
    const char *b = weft_emit_at(e, n->in[0], new_variant(e, mate));
    weft_dim heads = weft_lower_product(e->l, t, 1, t->rank - 1);
    weft_str_addf(o, "let sc%u_%u = sincos_turns((var_u32(%uu) + %s / %s) * load_%s(k%u_%u));\n", id, variant,
                  weft_lower_var_slot(e->l, n->in[1]), e->row_text, divisor(e, heads), table, id, variant);
    weft_str_addf(o, "let v%u_%u = %s * sc%u_%u.y + select(-%s, %s, second%u_%u) * sc%u_%u.x;\n", id, variant, a, id,
                  variant, b, b, id, variant, id, variant);
    if (!inside) return text(e, "v%u_%u", id, variant);
    weft_str_addf(o, "let w%u_%u = select(%s, v%u_%u, %s);\n", id, variant, a, id, variant, inside);
    return text(e, "w%u_%u", id, variant);
}

static bool in_group(const struct weft_emitter *e, const struct weft_value_info *info)
{
    return info->kind == WEFT_VALUE_NODE && e->l->node_group[info->node] == e->group;
}

const char *weft_emit_at(struct weft_emitter *e, weft_value v, uint32_t variant)
{
    if (e->l->status != WEFT_OK) return "0.0";
    for (uint32_t i = 0; i < e->n_given; i++)
        if (e->given[i].v == v) return e->given[i].text;
    const struct weft_value_info *info = weft_lv(e->l, v);
    bool row_scope = weft_emit_is_row(e, v);
    if (row_scope) variant = 0;
    for (uint32_t i = 0; i < e->n_memo; i++)
        if (e->memo[i].v == v && e->memo[i].variant == variant) return e->memo[i].text;
    const char *t;
    struct weft_str *out = row_scope ? e->row_out : e->col_out;
    if (!in_group(e, info)) {
        t = load_leaf(e, v, e->variants[variant].col);
        if (strpbrk(t, "(")) {
            uint32_t id = weft_emit_local(e, v);
            weft_str_addf(out, "let v%u_%u = %s;\n", id, variant, t);
            t = text(e, "v%u_%u", id, variant);
        }
    } else {
        const struct weft_node *n = &e->l->graph->nodes[info->node];
        if (n->op->traits & WEFT_OP_ROWMAP) {
            t = rotate(e, n, variant, weft_emit_local(e, v));
        } else if (n->op->reduce || !n->op->wgsl) {
            weft_lower_fail(e->l, WEFT_ERR_INTERNAL, "operator '%s' has no pattern in a fused group", n->op->name);
            return "0.0";
        } else {
            const char *args[WEFT_MAX_INS] = {"0.0", "0.0", "0.0"};
            for (uint32_t i = 0; i < n->n_in; i++) args[i] = weft_emit_at(e, n->in[i], variant);
            uint32_t id = weft_emit_local(e, v);
            weft_str_addf(out, "let v%u_%u = %s;\n", id, variant, element_text(e, n, args));
            t = text(e, "v%u_%u", id, variant);
        }
    }
    if (e->n_memo == sizeof e->memo / sizeof e->memo[0]) {
        weft_lower_crowded(e->l, "a fused group has too many values");
        return t;
    }
    e->memo[e->n_memo].v = v;
    e->memo[e->n_memo].variant = variant;
    e->memo[e->n_memo].row_scope = row_scope;
    e->memo[e->n_memo++].text = t;
    return t;
}

// ---- halves --------------------------------------------------------------------------------------------------------

#define NARROW_PARAMS(F) F(u32, count)
WEFT_PARAMS(narrow_params, NARROW_PARAMS)

enum { NARROW_THREADS = 64 };

struct narrow_cfg { weft_dim count; };

static void narrow_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3])
{
    const struct narrow_cfg *cfg = u->step->cfg;
    words[0] = (uint32_t)weft_live(u, cfg->count);
    weft_grid_fold(((uint64_t)words[0] + 2 * NARROW_THREADS - 1) / (2 * NARROW_THREADS), u->caps->max_groups, grid);
}

static const struct weft_kernel narrow_kernel = {"narrow", "ops/narrow.wgsl", narrow_params_fields, narrow_update};

/// The node that makes v, if it is one that writes a range of a state.
static const struct weft_node *range_writer(const struct weft_lower *l, weft_value v)
{
    const struct weft_value_info *info = weft_lv(l, v);
    const struct weft_node *n = info->kind == WEFT_VALUE_NODE ? &l->graph->nodes[info->node] : NULL;
    return n && weft_op_range(n->op) ? n : NULL;
}

/// Type of what is stored under the name of v: of a range of a state, not all of the state.
static const struct weft_type *stored_type(const struct weft_lower *l, weft_value v)
{
    const struct weft_node *n = range_writer(l, v);
    return &weft_lv(l, n ? n->in[1] : v)->type;
}

/// Two halves share a word, whose owner the program at hand can't know: it stores 32 bits, and weft_emit_narrow makes
/// halves of them.
static void store_as_f32(struct weft_emitter *e, weft_value v, const char *name)
{
    const struct weft_type *t = stored_type(e->l, v);
    int64_t n = weft_lower_max(e->l, weft_lower_product(e->l, t, 0, t->rank));
    if (e->n_halves == sizeof e->halves / sizeof e->halves[0]) {
        weft_lower_crowded(e->l, "a fused group stores too many halves");
        return;
    }
    uint32_t tensor = weft_lower_scratch(e->l, "halves as f32", WEFT_F32, n > 0 ? (uint64_t)n : 1);
    set_row_elements(e, weft_emit_scratch(e->l, e->s, name, WEFT_WRITE, tensor, 0), t);
    e->halves[e->n_halves].v = v;
    e->halves[e->n_halves++].tensor = tensor;
}

void weft_emit_narrow(struct weft_emitter *e)
{
    struct weft_lower *l = e->l;
    for (uint32_t i = 0; i < e->n_halves && l->status == WEFT_OK; i++) {
        const struct weft_type *t = stored_type(l, e->halves[i].v);
        const struct weft_node *range = range_writer(l, e->halves[i].v);
        if (range) {
            weft_dtype state = weft_lv(l, range->out[0])->type.dtype;
            struct weft_place from = {e->halves[i].tensor, WEFT_DIM_BAD}, to = weft_lower_range(l, range);
            weft_emit_move(l, text(e, "narrow to %s", weft_dtype_name(state)),
                           weft_lower_product(l, t, 0, t->rank), from, WEFT_F32, to, state);
            continue;
        }
        struct narrow_cfg cfg = {weft_lower_product(l, t, 0, t->rank)};
        struct weft_step *s =
            weft_emit(l, &narrow_kernel, text(e, "narrow to %s", weft_dtype_name(t->dtype)), &cfg, sizeof cfg);
        uint32_t x = weft_emit_scratch(l, s, "x", WEFT_READ, e->halves[i].tensor, 0);
        uint32_t y = weft_emit_value(l, s, "y", WEFT_WRITE, e->halves[i].v, 0);
        weft_emit_workgroup(s, NARROW_THREADS, 0);
        weft_emit_items(s, 2 * NARROW_THREADS);
        weft_emit_reach(s, x, 2, 2);
        weft_emit_reach(s, y, 2, 2);
    }
    e->n_halves = 0;
}

// ---- stores --------------------------------------------------------------------------------------------------------

const char *weft_emit_output(struct weft_emitter *e, weft_value v)
{
    weft_dtype dtype = weft_lv(e->l, v)->type.dtype;
    const char *name = text(e, "out%u", e->n_stores++);
    bool half = dtype == WEFT_F16 || dtype == WEFT_BF16;
    const struct weft_node *range = range_writer(e->l, v);
    if (half && (range || weft_lv(e->l, v)->state == UINT32_MAX)) {
        store_as_f32(e, v, name);
    } else if (range) {
        const struct weft_type *t = stored_type(e->l, v);
        weft_emit_place(e->l, e->s, name, WEFT_WRITE, weft_lower_range(e->l, range), dtype,
                        weft_lower_product(e->l, t, 0, t->rank), WEFT_OPERAND_INPLACE);
    } else {
        uint32_t i = weft_emit_value(e->l, e->s, name, WEFT_WRITE, v, 0);
        if (weft_lv(e->l, v)->state == UINT32_MAX) set_row_elements(e, i, &weft_lv(e->l, v)->type);
    }
    return name;
}

void weft_emit_store(struct weft_emitter *e, weft_value v, const char *name, uint32_t variant, struct weft_str *out,
                     const char *first) {
    const struct weft_value_info *info = weft_lv(e->l, v);
    const char *x = weft_emit_at(e, v, variant);
    if (info->type.dtype == WEFT_BOOL) x = text(e, "u32(%s != 0.0)", x);
    if (weft_emit_is_row(e, v)) weft_str_addf(out, "if (%s) { store_%s(%s, %s); }\n", first, name, e->row_text, x);
    else weft_str_addf(out, "store_%s(%s, %s);\n", name, leaf_index(e, &info->type, e->variants[variant].col), x);
}

void weft_emit_sink(struct weft_emitter *e, const struct weft_node *n, const char *name, uint32_t variant,
                    struct weft_str *out) {
    const char *x = weft_emit_at(e, n->in[1], variant);
    const struct weft_type *t = &weft_lv(e->l, n->in[1])->type;
    if (weft_op_range(n->op)) {
        if (t->dtype == WEFT_BOOL) x = text(e, "u32(%s != 0.0)", x);
        weft_str_addf(out, "store_%s(%s, %s);\n", name, leaf_index(e, t, e->variants[variant].col), x);
        return;
    }
    const char *heads = divisor(e, weft_lower_product(e->l, t, 1, t->rank - 1));
    weft_emit_vars(e->l, e->s, WEFT_READ);
    weft_str_addf(out, "store_%s((row_%s(var_u32(%uu) + %s / %s) * %s + %s %% %s) * %s + %s, %s);\n", name, name,
                  weft_lower_var_slot(e->l, n->in[2]), e->row_text, heads, heads, e->row_text, heads, e->n_text,
                  e->variants[variant].col, x);
}

void weft_emit_finish(struct weft_emitter *e, const struct weft_field *own)
{
    uint32_t n_own = 0;
    while (own[n_own].name) n_own++;
    struct weft_field *fields = weft_arena_alloc(&e->l->plan->arena, (n_own + e->extra.n + 1) * sizeof *fields);
    struct weft_emit_dims *cfg = (struct weft_emit_dims *)e->s->cfg;
    if (!fields || !cfg) {
        weft_lower_fail(e->l, WEFT_ERR_NOMEM, "out of memory while writing a kernel");
        return;
    }
    memcpy(fields, own, n_own * sizeof *own);
    for (uint32_t i = 0; i < e->extra.n; i++) fields[n_own + i] = (struct weft_field){text(e, "e%u", i), WEFT_U32};
    e->s->fields = fields;
    e->s->n_fields = n_own + e->extra.n;
    *cfg = e->extra;
}

void weft_emit_update(const struct weft_update *u, uint32_t n_own, uint32_t *words)
{
    const struct weft_emit_dims *extra = u->step->cfg;
    for (uint32_t i = 0; i < extra->n; i++) words[n_own + i] = (uint32_t)weft_live(u, extra->dims[i]);
}
