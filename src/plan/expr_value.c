/// Values of a graph in a scalar program: loads of leaves, nodes of the group, stores.
#include "core/error.h"
#include "core/half.h"
#include "plan/expr.h"
#include "plan/expr_impl.h"
#include "plan/byte_range.h"
#include "plan/update.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum weft_xtype weft_x_type_of(weft_dtype d) {
    return d == WEFT_I32 || d == WEFT_I8 ? WEFT_X_I32 : d == WEFT_U32 || d == WEFT_U8 ? WEFT_X_U32 : WEFT_X_F32;
}

static bool is_one(const struct weft_expr *e, weft_dim d) { return weft_lower_const(e->step->l, d) == 1; }

/// True if v has one element for all columns of a row of the space.
static bool is_row(const struct weft_expr *e, const struct weft_type *t) {
    if (is_one(e, e->n)) return false; // one column: each element is a row's
    for (uint32_t a = 0; a < e->space.rank; a++) {
        int at = (int)t->rank - (int)(e->space.rank - a);
        if ((e->cols >> a & 1) && at >= 0 && !is_one(e, t->dims[at])) return false;
    }
    return true;
}

// ---- operands ------------------------------------------------------------------------------------------------------

const char *weft_x_numbered(struct weft_expr *e, const char *prefix, uint32_t n) {
    const char *t = weft_arena_printf(&e->step->l->plan->arena, "%s%u", prefix, n);
    if (!t) weft_lower_fail(e->step->l, WEFT_ERR_NOMEM, "out of memory while writing a kernel");
    return t ? t : "in0";
}

/// Remembers how many elements of operand i, of type t at `at`, belong to a row of the space, for weft_x_split; 0 where
/// a row may reach any.
static void set_row_elements(struct weft_expr *e, uint32_t i, const struct weft_type *t, const struct weft_at *at) {
    struct weft_lower *l = e->step->l;
    if (l->status != WEFT_OK || i >= e->step->s->n_operands) return;
    struct weft_operand *o = &e->step->s->operands[i];
    int64_t n = weft_lower_const(l, e->n);
    if (at->space) { // another shape of as many elements
        o->every = e->suffix && weft_x_is_whole(e, t, at);
        o->unit = o->every && n > 0 ? (uint64_t)n : 0;
        return;
    }
    bool whole = e->suffix && t->rank == e->space.rank, row = whole;
    for (uint32_t a = 0; whole && a < t->rank; a++) {
        bool col = e->cols >> a & 1, equal = t->dims[a] == e->space.dims[a];
        row = row && (col ? is_one(e, t->dims[a]) : equal);
        if (!equal && !(col && is_one(e, t->dims[a]))) whole = false;
    }
    o->every = o->unit = 0;
    if (!whole) return;
    bool full = weft_type_same_dims(t, &e->space);
    if (!full && !row) return;
    o->every = 1; // of rows, or of elements: weft_x_split knows
    o->unit = !full ? 1 : n > 0 ? (uint64_t)n : 0;
}

void weft_x_split(struct weft_expr *e, bool by_row, uint32_t items) {
    struct weft_step *s = e->step->s;
    int64_t n = weft_lower_const(e->step->l, e->n);
    bool whole_rows = e->step->uses_sincos; // a rotary map looks at the partner column
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

/// An operand of a program that moves bits: words, or parts of them.
static void as_bits(struct weft_operand *o) {
    if (weft_shares_words(o->dtype)) o->flags |= WEFT_OPERAND_BITS;
    else o->dtype = WEFT_U32;
}

struct weft_xload *weft_x_add_load(struct weft_expr *e, weft_value v, bool raw) {
    struct weft_xstep *step = e->step;
    if (step->n_loads == sizeof step->loads / sizeof step->loads[0]) {
        weft_lower_over_budget(step->l, "a fused group reads too many tensors");
        return NULL;
    }
    struct weft_xload *load = &step->loads[step->n_loads];
    *load = (struct weft_xload){.v = v, .raw = raw, .name = weft_x_numbered(e, "in", step->n_loads)};
    step->n_loads++;
    return load;
}

/// The operand by which leaf v is read: its place in step->loads.
static uint32_t operand_of(struct weft_expr *e, weft_value v, const struct weft_type *t, const struct weft_at *at) {
    struct weft_xstep *step = e->step;
    struct weft_lower *l = step->l;
    for (uint32_t i = 0; i < step->n_loads; i++)
        if (step->loads[i].v == v && step->loads[i].raw == e->raw) return i;
    struct weft_xload *load = weft_x_add_load(e, v, e->raw);
    if (!load) return 0;
    uint32_t i = load->operand = weft_emit_value(l, step->s, load->name, WEFT_READ, v, 0);
    set_row_elements(e, i, t, at);
    // A range of a state that the program also writes is read, before, by who writes it: fusion sees to that.
    if (l->status == WEFT_OK && l->tensors[step->s->operands[i].tensor].mem == WEFT_MEM_STATE)
        step->s->operands[i].flags |= WEFT_OPERAND_INPLACE;
    if (e->raw && l->status == WEFT_OK) as_bits(&step->s->operands[i]);
    load->dtype = l->status == WEFT_OK ? step->s->operands[i].dtype : WEFT_F32;
    return step->n_loads - 1;
}

uint32_t weft_x_table(struct weft_expr *e, const char *name, const void *data, uint64_t bytes) {
    struct weft_xstep *step = e->step;
    struct weft_lower *l = step->l;
    const struct weft_plan_weight *w = weft_lower_table(l, name, data, bytes);
    weft_value key = 0x80000000u | w->index; // no value of a graph
    for (uint32_t i = 0; i < step->n_loads; i++)
        if (step->loads[i].v == key) return i;
    struct weft_xload *load = weft_x_add_load(e, key, false);
    if (!load) return 0;
    load->dtype = WEFT_U32;
    load->operand = weft_emit_table(l, step->s, load->name, w, WEFT_U32, 0);
    return step->n_loads - 1;
}

// ---- values --------------------------------------------------------------------------------------------------------

static double truth(double x, double y, double z) { return (void)y, (void)z, x; }
static const struct weft_scalar fn_truth = {.name = "truth", .wgsl = "f32($0)", .host = truth};
static double set(double x, double y, double z) { return (void)y, (void)z, x != 0; }
static const struct weft_scalar fn_bits = {.name = "bits", .wgsl = "u32($0 != 0.0)", .host = set};
static double over(double x, double y, double z) { return (void)z, x / y; }
static const struct weft_scalar fn_over = {.name = "over", .wgsl = "$0 / $1", .host = over, .divides = true};

static uint32_t bits_of(double x) {
    float f = (float)x;
    uint32_t bits;
    memcpy(&bits, &f, 4);
    return bits;
}
static double float_of(uint32_t bits) {
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

uint32_t weft_x_element(struct weft_expr *e, weft_dtype dtype, double x) {
    if (!e->raw) return weft_x_const(e, weft_x_type_of(dtype), x);
    uint32_t bits = bits_of(x);
    if (dtype == WEFT_F16) bits = weft_f32_to_f16((float)x);
    else if (dtype == WEFT_BF16) bits = weft_f32_to_bf16((float)x);
    else if (dtype != WEFT_F32) bits = (uint32_t)(int64_t)x;
    if (weft_accessor_width(dtype) == 1) bits &= 255;
    return weft_x_u32(e, bits);
}

static double f32_to_i32(double x, double y, double z) { return (void)y, (void)z, (int32_t)bits_of(x); }
static double f32_to_u32(double x, double y, double z) { return (void)y, (void)z, bits_of(x); }
static double i32_to_f32(double x, double y, double z) { return (void)y, (void)z, float_of((uint32_t)(int32_t)x); }
static double i32_to_u32(double x, double y, double z) { return (void)y, (void)z, (uint32_t)(int32_t)x; }
static double u32_to_f32(double x, double y, double z) { return (void)y, (void)z, float_of((uint32_t)x); }
static double u32_to_i32(double x, double y, double z) { return (void)y, (void)z, (int32_t)(uint32_t)x; }
#define BITS(from, to)                                                                                                 \
    { .name = "bits_" #from "_" #to, .wgsl = "bitcast<" #to ">($0)", .host = from##_to_##to }
static const struct weft_scalar fn_same_bits[3][3] = {
    [WEFT_X_F32] = {[WEFT_X_I32] = BITS(f32, i32), [WEFT_X_U32] = BITS(f32, u32)},
    [WEFT_X_I32] = {[WEFT_X_F32] = BITS(i32, f32), [WEFT_X_U32] = BITS(i32, u32)},
    [WEFT_X_U32] = {[WEFT_X_F32] = BITS(u32, f32), [WEFT_X_I32] = BITS(u32, i32)},
};
#undef BITS

uint32_t weft_x_as_bits(struct weft_expr *e, enum weft_xtype type, uint32_t x) {
    if (e->step->l->status != WEFT_OK) return 0; // there may be no instruction
    enum weft_xtype from = (enum weft_xtype)e->x[x].type;
    return from == type ? x : weft_x_call1(e, &fn_same_bits[from][type], type, x);
}

/// A constant of one element is part of the program.
static bool literal(struct weft_expr *e, const struct weft_value_info *info, uint32_t *x) {
    const struct weft_dtype_info *d = weft_dtype_info(info->type.dtype);
    if (info->kind != WEFT_VALUE_CONST || !info->data || !d || d->quantised) return false;
    for (uint32_t a = 0; a < info->type.rank; a++)
        if (!is_one(e, info->type.dims[a])) return false;
    double value;
    uint32_t bits = 0;
    if (e->raw && (weft_is_half(info->type.dtype) || info->type.dtype == WEFT_F32)) { // as they are, NaNs too
        memcpy(&bits, info->data, weft_is_half(info->type.dtype) ? 2 : 4);
        *x = weft_x_u32(e, bits);
        return true;
    }
    d->decode(info->data, 1, &value);
    *x = weft_x_element(e, info->type.dtype, value);
    return true;
}

/// Where an element of type t is there. A space that counts an axis of no elements as one asks for what is not.
static uint32_t there(struct weft_expr *e, const struct weft_type *t, const struct weft_at *at) {
    uint32_t when = at->when;
    for (uint32_t k = 0; e->padded && k < t->rank; k++) {
        uint32_t a = k + e->space.rank - t->rank;
        bool equal = !at->explicit_ && !at->space && a < e->space.rank && t->dims[k] == e->space.dims[a];
        if (equal || weft_lower_const(e->step->l, t->dims[k]) > 0) continue;
        when = weft_x_both(e, when, weft_x_less(e, weft_x_coord(e, at, t->rank, k), weft_x_dim(e, t->dims[k])));
    }
    return when;
}

static uint32_t leaf(struct weft_expr *e, weft_value v, const struct weft_at *at) {
    struct weft_lower *l = e->step->l;
    const struct weft_value_info *info = weft_lv(l, v);
    uint32_t x;
    if (literal(e, info, &x)) return x;
    if (info->state != UINT32_MAX && l->plan->states[info->state].kind == WEFT_STATE_VAR && info->type.rank == 0) {
        x = weft_x_var(e, v);
        return e->raw ? weft_x_as_bits(e, WEFT_X_U32, x) : x;
    }
    uint32_t i = operand_of(e, v, &info->type, at);
    bool any = at->explicit_ || (at->space && !weft_x_is_whole(e, &info->type, at));
    if (any && l->status == WEFT_OK) { // any row may reach any of it
        struct weft_operand *o = &e->step->s->operands[e->step->loads[i].operand];
        o->every = o->unit = 0;
    }
    weft_dtype dtype = e->step->loads[i].dtype;
    enum weft_xtype type = e->raw || dtype == WEFT_BOOL ? WEFT_X_U32 : weft_x_type_of(dtype);
    x = weft_x_load(e, i, type, weft_x_index(e, &info->type, at), there(e, &info->type, at));
    return dtype == WEFT_BOOL && !e->raw ? weft_x_call1(e, &fn_truth, WEFT_X_F32, x) : x;
}

uint32_t weft_x_mean(struct weft_expr *e, uint32_t sum) {
    uint32_t count = weft_x_call1(e, &fn_truth, WEFT_X_F32, e->x_n);
    uint32_t mean = weft_x_call2(e, &fn_over, WEFT_X_F32, sum, count);
    return weft_x_select(e, weft_x_less(e, e->x_n, weft_x_u32(e, 1)), weft_x_f32(e, NAN), mean);
}

uint32_t weft_x_reduction(struct weft_expr *e, const struct weft_node *n) {
    struct weft_lower *l = e->step->l;
    const struct weft_at point = weft_x_point(e);
    uint32_t x = weft_x_value(e, n->in[0], &point);
    weft_dtype dtype = weft_lv(l, n->in[0])->type.dtype;
    if (weft_x_type_of(dtype) == WEFT_X_F32) dtype = WEFT_F32;
    return weft_x_reduce(e, n->op->reduce == WEFT_REDUCE_MEAN ? WEFT_REDUCE_SUM : n->op->reduce, dtype, x);
}

static uint32_t reduction(struct weft_expr *e, const struct weft_node *n, const struct weft_at *at) {
    bool here = !at->explicit_ && (at->space || at->row == e->x_row) && at->when == WEFT_X_NONE;
    if (at->space) here = here && weft_x_is_row_number(e, weft_x_index(e, &weft_lv(e->step->l, n->out[0])->type, at));
    if (!here || weft_node_reduced(e->step->l->graph, n) != e->cols) {
        weft_lower_fail(e->step->l, WEFT_ERR_INTERNAL, "a reduction is asked for beside the row at hand");
        return 0;
    }
    uint32_t x = weft_x_reduction(e, n);
    return n->op->reduce == WEFT_REDUCE_MEAN ? weft_x_mean(e, x) : x;
}

static uint32_t function(struct weft_expr *e, const struct weft_node *n, const struct weft_at *at) {
    uint32_t args[3] = {0, 0, 0};
    enum weft_xtype type = weft_x_type_of(weft_lv(e->step->l, n->in[0])->type.dtype);
    const struct weft_scalar *fn = type == WEFT_X_PAIR ? NULL : n->op->scalar[type];
    if (!fn || n->n_in > 3) {
        weft_lower_fail(e->step->l, WEFT_ERR_INTERNAL, "operator '%s' has no function of scalars of its types",
                        n->op->name);
        return 0;
    }
    for (uint32_t i = 0; i < n->n_in; i++) args[i] = weft_x_value(e, n->in[i], at);
    weft_dtype result = weft_lv(e->step->l, n->out[0])->type.dtype;
    uint32_t x = weft_x_call(e, fn, weft_x_type_of(result), args, n->n_in);
    return weft_x_wrap(e, result, x);
}

static double wrap_i8(double x, double y, double z) { return (void)y, (void)z, (int8_t)(uint8_t)(int64_t)x; }
static double wrap_u8(double x, double y, double z) { return (void)y, (void)z, (uint8_t)(int64_t)x; }
static const struct weft_scalar fn_i8 = {.name = "wrap_i8", .wgsl = "($0 << 24u) >> 24u", .host = wrap_i8};
static const struct weft_scalar fn_u8 = {.name = "wrap_u8", .wgsl = "$0 & 255u", .host = wrap_u8};

uint32_t weft_x_wrap(struct weft_expr *e, weft_dtype dtype, uint32_t x) {
    if (dtype == WEFT_I8) return weft_x_call1(e, &fn_i8, WEFT_X_I32, x);
    return dtype == WEFT_U8 ? weft_x_call1(e, &fn_u8, WEFT_X_U32, x) : x;
}

/// The elements of the operand under other coordinates, or their bits as another type of the same width.
static uint32_t view(struct weft_expr *e, const struct weft_node *n, const struct weft_at *at) {
    const struct weft_type *x = &weft_lv(e->step->l, n->in[0])->type, *y = &weft_lv(e->step->l, n->out[0])->type;
    const struct weft_at there = weft_x_behind_view(e, x, y, at);
    uint32_t v = weft_x_value(e, n->in[0], &there);
    return e->raw ? v : weft_x_as_bits(e, weft_x_type_of(y->dtype), v);
}

static bool in_group(const struct weft_expr *e, const struct weft_value_info *info) {
    return info->kind == WEFT_VALUE_NODE && e->step->l->node_group[info->node] == e->step->group;
}

static bool same_at(const struct weft_at *a, const struct weft_at *b) {
    if (a->explicit_ != b->explicit_ || a->when != b->when) return false;
    if (!a->explicit_) {
        if (a->row != b->row || a->col != b->col || !a->space != !b->space) return false;
        return !a->space || (a->cols == b->cols && weft_type_same_dims(a->space, b->space));
    }
    return a->rank == b->rank && memcmp(a->c, b->c, a->rank * sizeof *a->c) == 0;
}

uint32_t weft_x_value(struct weft_expr *e, weft_value v, const struct weft_at *at) {
    struct weft_lower *l = e->step->l;
    if (l->status != WEFT_OK) return 0;
    for (uint32_t i = 0; i < e->n_given; i++)
        if (e->given[i].v == v) return e->given[i].x;
    for (uint32_t i = e->n_memo; i-- > 0;)
        if (e->memo[i].v == v && same_at(&e->memo[i].at, at)) return e->memo[i].x;
    const struct weft_value_info *info = weft_lv(l, v);
    uint32_t x;
    if (!in_group(e, info)) {
        x = leaf(e, v, at);
    } else {
        const struct weft_node *n = &l->graph->nodes[info->node];
        if (n->op->reduce) x = reduction(e, n, at);
        else if (n->op->view) x = view(e, n, at);
        else x = n->op->expr ? n->op->expr(e, n, info->out, at) : function(e, n, at);
    }
    weft_x_remember(e, v, at, x);
    return x;
}

uint32_t weft_x_value_at(struct weft_expr *e, weft_value v, const uint32_t *c, uint32_t when,
                         const struct weft_at *at) {
    struct weft_at there = {.explicit_ = true, .rank = weft_lv(e->step->l, v)->type.rank};
    memcpy(there.c, c, there.rank * sizeof *c);
    there.when = weft_x_both(e, at->when, when);
    return weft_x_value(e, v, &there);
}

void weft_x_know(struct weft_expr *e, weft_value v, uint32_t x) {
    if (e->n_given == sizeof e->given / sizeof e->given[0]) {
        weft_lower_over_budget(e->step->l, "a fused group is given too many values");
        return;
    }
    e->given[e->n_given].v = v;
    e->given[e->n_given++].x = x;
}

void weft_x_give(struct weft_expr *e, weft_value v, uint32_t number) {
    weft_x_know(e, v, weft_x_arg(e, number, weft_x_type_of(weft_lv(e->step->l, v)->type.dtype)));
}

// ---- stores --------------------------------------------------------------------------------------------------------

const struct weft_node *weft_x_range_writer(const struct weft_lower *l, weft_value v) {
    const struct weft_value_info *info = weft_lv(l, v);
    const struct weft_node *n = info->kind == WEFT_VALUE_NODE ? &l->graph->nodes[info->node] : NULL;
    return n && weft_op_range(n->op) ? n : NULL;
}

const struct weft_type *weft_x_stored_type(const struct weft_lower *l, weft_value v) {
    const struct weft_node *n = weft_x_range_writer(l, v);
    return &weft_lv(l, n ? n->in[1] : v)->type;
}

/// The value nearest to the node that computes v's elements that somebody else reads too, of those behind views of the
/// group; v itself if there is none.
static weft_value kept_before(const struct weft_lower *l, uint32_t group, weft_value v) {
    weft_value kept = v;
    for (weft_value x = v;;) {
        const struct weft_value_info *info = weft_lv(l, x);
        if (info->kind != WEFT_VALUE_NODE || l->node_group[info->node] != group) return kept;
        if (x != v && weft_lower_live_out(l, group, x)) kept = x;
        if (!l->graph->nodes[info->node].op->view) return kept;
        x = l->graph->nodes[info->node].in[0];
    }
}

weft_value weft_x_rests_in(const struct weft_lower *l, uint32_t group, weft_value v) {
    const struct weft_value_info *info = weft_lv(l, v);
    if (info->kind != WEFT_VALUE_NODE || !l->graph->nodes[info->node].op->view) return WEFT_NO_VALUE;
    weft_value kept = kept_before(l, group, v), base = weft_graph_base(l->graph, v);
    if (kept == v) return WEFT_NO_VALUE;
    bool shown = info->is_output && !(l->output_view && l->output_view[base] == v); // in its own memory
    return shown ? WEFT_NO_VALUE : kept;
}

/// Elements share a word, whose owner the program at hand can't know: it stores a word for each, and a step behind
/// joins them.
static uint32_t store_as_words(struct weft_expr *e, weft_value v, const char *name, const struct weft_at *at) {
    struct weft_xstep *step = e->step;
    const struct weft_type *t = weft_x_stored_type(step->l, v);
    int64_t n = weft_lower_max(step->l, weft_lower_product(step->l, t, 0, t->rank));
    for (uint32_t i = 0; i < step->n_narrow; i++) // an earlier step of the group stores other elements of it
        if (step->narrow[i].v == v)
            return weft_emit_scratch(step->l, step->s, name, WEFT_WRITE, step->narrow[i].tensor, 0);
    if (step->n_narrow == sizeof step->narrow / sizeof step->narrow[0]) {
        weft_lower_over_budget(step->l, "a fused group stores too many narrow elements");
        return 0;
    }
    weft_dtype word = weft_storage_of(weft_lv(step->l, v)->type.dtype)->as_word;
    if (e->raw) word = WEFT_U32;
    uint32_t tensor = weft_lower_scratch(step->l, word == WEFT_F32 ? "halves as f32" : "narrow integers as words", word,
                                         n > 0 ? (uint64_t)n : 1);
    uint32_t i = weft_emit_scratch(step->l, step->s, name, WEFT_WRITE, tensor, 0);
    set_row_elements(e, i, t, at);
    step->narrow[step->n_narrow].v = v;
    step->narrow[step->n_narrow++].tensor = tensor;
    return i;
}

/// True if nothing that the step reads of a range's tensor is what the range covers, or only the very element that is
/// written, by who writes it.
static bool reads_beside(struct weft_expr *e, weft_value v, const struct weft_node *range, const struct weft_at *at) {
    struct weft_lower *l = e->step->l;
    struct weft_place place = weft_lower_range(l, range);
    struct weft_operand to = {
        .tensor = place.tensor, .elem_offset = place.elem_offset, .dtype = weft_lv(l, v)->type.dtype};
    to.count = weft_lower_product(l, weft_x_stored_type(l, v), 0, weft_x_stored_type(l, v)->rank);
    struct weft_byte_range written = weft_byte_range_of(l, &to);
    uint32_t own = weft_x_index(e, weft_x_stored_type(l, v), at);
    for (uint32_t i = 0; i < e->step->n_loads; i++) {
        const struct weft_operand *from = &e->step->s->operands[e->step->loads[i].operand];
        if (from->tensor != place.tensor) continue;
        struct weft_byte_range read = weft_byte_range_of(l, from);
        enum weft_overlap how = weft_byte_range_compare(l, &read, &written);
        if (how == WEFT_DISJOINT) continue;
        if (how == WEFT_OVERLAPPING || from->dtype != to.dtype) return false;
        for (uint32_t k = 0; k < e->n_x; k++)
            if (e->x[k].op == WEFT_XOP_LOAD && e->x[k].u == i && e->x[k].a[0] != own) return false;
    }
    return true;
}

/// True if the words of v's memory may belong to threads of the schedule: it has the shape of the space, and starts at
/// a word, as all other such stores of the program do, or is the only one.
static bool may_pack(struct weft_expr *e, weft_value v, const struct weft_type *t, const char *name,
                     const struct weft_at *at) {
    struct weft_lower *l = e->step->l;
    const struct weft_node *range = weft_x_range_writer(l, v);
    if (!(at->space ? weft_x_is_whole(e, t, at) : weft_type_same_dims(t, &e->space))) return false;
    if (!e->flat) return e->row_words && !range; // what the program may read is written by who reads it
    if (e->phase) return false;                  // threads own the words of the store that has it
    if (!range) return true;
    if (!reads_beside(e, v, range, at)) return false;
    weft_dim start = weft_lower_range(l, range).elem_offset;
    uint32_t per = weft_storage_of(weft_lv(l, v)->type.dtype)->per_word;
    if (weft_dim_is_multiple(l->graph->dims, start, per)) return true;
    for (uint32_t i = 0; i < e->n_stores; i++)
        if (e->stores[i].packed) return false;
    e->phase = name;
    return true;
}

static struct weft_xstore *add_store(struct weft_expr *e, weft_value v, const struct weft_at *at) {
    static _Thread_local struct weft_xstore none;
    struct weft_lower *l = e->step->l;
    if (e->n_stores == sizeof e->stores / sizeof e->stores[0]) {
        weft_lower_over_budget(l, "a fused group stores too many tensors");
        return &none;
    }
    struct weft_xstore *s = &e->stores[e->n_stores++];
    weft_dtype dtype = weft_lv(l, v)->type.dtype;
    const struct weft_node *range = weft_x_range_writer(l, v);
    const struct weft_type *t = weft_x_stored_type(l, v);
    *s = (struct weft_xstore){
        .name = weft_x_numbered(e, "out", e->step->n_stores++), .v = v, .when = WEFT_X_NONE, .dtype = dtype};
    if (weft_shares_words(dtype) && (range || weft_lv(l, v)->state == UINT32_MAX)) {
        s->packed = may_pack(e, v, t, s->name, at);
        if (!s->packed && e->raw && weft_is_half(dtype)) // f32 does not carry all bits
            weft_lower_over_budget(l, "a group of moves stores to a range that begins inside a word, and to others");
        if (!s->packed) {
            s->operand = store_as_words(e, v, s->name, at);
            s->dtype = l->status == WEFT_OK ? e->step->s->operands[s->operand].dtype : WEFT_F32;
            return s;
        }
    }
    uint8_t flags = s->packed ? WEFT_OPERAND_BITS : 0;
    if (range)
        s->operand = weft_emit_place(l, e->step->s, s->name, WEFT_WRITE, weft_lower_range(l, range), dtype,
                                     weft_lower_product(l, t, 0, t->rank), (uint8_t)(flags | WEFT_OPERAND_INPLACE));
    else s->operand = weft_emit_value(l, e->step->s, s->name, WEFT_WRITE, v, flags);
    if (weft_lv(l, v)->state == UINT32_MAX) set_row_elements(e, s->operand, t, at);
    if (e->raw && l->status == WEFT_OK) as_bits(&e->step->s->operands[s->operand]);
    return s;
}

static uint32_t stored(struct weft_expr *e, weft_dtype dtype, uint32_t x) {
    return dtype == WEFT_BOOL && !e->raw ? weft_x_call1(e, &fn_bits, WEFT_X_U32, x) : x;
}

/// Where a value of type t is to be stored, if not everywhere: of a flat program once for all columns that share it,
/// and only where its own axes have elements.
static void place_store(struct weft_expr *e, const struct weft_type *t, const struct weft_at *at,
                        struct weft_xstore *s) {
    s->index = weft_x_index(e, t, at);
    if (at->space) { // as many elements as the space, or as it has rows
        s->once = weft_x_is_row_number(e, s->index) && s->index != weft_x_number(e);
        return;
    }
    s->once = !e->flat && is_row(e, t);
    for (uint32_t a = 0; e->flat && a < e->space.rank; a++) {
        int k = (int)t->rank - (int)(e->space.rank - a);
        if (is_one(e, e->space.dims[a]) || (k >= 0 && t->dims[k] == e->space.dims[a])) continue;
        bool shared = k < 0 || is_one(e, t->dims[k]);
        uint32_t end = shared ? weft_x_u32(e, 1) : weft_x_dim(e, t->dims[k]);
        s->when = weft_x_both(e, s->when, weft_x_less(e, weft_x_coord(e, at, e->space.rank, a), end));
    }
}

void weft_x_store_value(struct weft_expr *e, weft_value v) {
    const struct weft_type *t = &weft_lv(e->step->l, v)->type;
    const struct weft_at at = weft_x_place_of(e, t);
    uint32_t x = weft_x_value(e, v, &at); // operands that are read come first
    struct weft_xstore *s = add_store(e, v, &at);
    s->x = stored(e, t->dtype, x);
    place_store(e, t, &at, s);
}

void weft_x_store_sink(struct weft_expr *e, const struct weft_node *n) {
    struct weft_lower *l = e->step->l;
    const struct weft_type *t = &weft_lv(l, n->in[1])->type;
    const struct weft_at at = weft_x_place_of(e, t);
    uint32_t x = weft_x_value(e, n->in[1], &at);
    bool range = weft_op_range(n->op) != NULL;
    bool by_slot = n->n_in > 3; // of several sequences: position and slot of each token
    uint32_t token = by_slot ? weft_x_coord(e, &at, t->rank, 0) : 0, slot = WEFT_X_NONE, position = 0;
    if (by_slot) slot = weft_x_value_at(e, n->in[3], &token, WEFT_X_NONE, &at);
    if (by_slot) position = weft_x_value_at(e, n->in[2], &token, WEFT_X_NONE, &at);
    else if (!range) position = weft_x_value(e, n->in[2], &at);
    struct weft_xstore *s = add_store(e, n->out[0], &at);
    s->x = stored(e, t->dtype, x);
    s->last = true;
    if (range) {
        place_store(e, t, &at, s);
        return;
    }
    // Row pos + t of the state, as far as there is one, or the row of the token's own position.
    const struct weft_plan_state *state = &l->plan->states[weft_lv(l, n->out[0])->state];
    if (!by_slot) token = weft_x_coord(e, &at, t->rank, 0);
    struct weft_type row = *t;
    row.dims[0] = weft_dim_const(l->graph->dims, 1);
    const struct weft_value_info *to = weft_lv(l, n->out[0]);
    uint32_t rows = weft_x_u32(e, (uint32_t)(by_slot ? weft_lower_const(l, to->type.dims[1]) : (int64_t)state->rows));
    position = weft_x_min(e, position, weft_x_u32(e, WEFT_MOST_POSITION)); // pos + t must not go round
    if (by_slot) {
        s->when = weft_x_both(e, s->when,
                              weft_x_less(e, slot, weft_x_u32(e, (uint32_t)weft_lower_const(l, to->type.dims[0]))));
        if (state->kind != WEFT_STATE_RING) s->when = weft_x_both(e, s->when, weft_x_less(e, position, rows));
    } else if (state->kind != WEFT_STATE_RING) {
        s->when = weft_x_both(e, s->when, weft_x_less(e, token, weft_x_sub(e, rows, weft_x_min(e, position, rows))));
    }
    uint32_t place;
    if (by_slot && !to->by_slot) place = weft_x_add(e, weft_x_mul(e, slot, rows), position); // a dense state
    else place = weft_x_state_row(e, s->operand, by_slot ? position : weft_x_add(e, position, token), slot);
    uint32_t width = weft_x_dim(e, weft_lower_product(l, t, 1, t->rank));
    s->index = weft_x_add(e, weft_x_mul(e, place, width), weft_x_index(e, &row, &at));
}
