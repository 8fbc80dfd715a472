#include "plan/expr.h"
#include "core/map.h"
#include "plan/expr_impl.h"
#include "core/error.h"
#include "plan/update.h"
#include <math.h>
#include <string.h>

// ---- memory --------------------------------------------------------------------------------------------------------

static void no_memory(struct weft_expr *e) {
    weft_lower_fail(e->step->l, WEFT_ERR_NOMEM, "out of memory while writing a kernel");
}

/// Grows an array in the plan's arena to twice its size; false and a failed lowering without memory.
static bool grow(struct weft_expr *e, void **items, uint32_t *cap, uint32_t n, size_t size) {
    if (n < *cap) return true;
    uint32_t wanted = *cap ? 2 * *cap : 64;
    void *made = weft_arena_alloc(&e->step->l->plan->arena, wanted * size);
    if (!made) {
        no_memory(e);
        return false;
    }
    if (n) memcpy(made, *items, n * size);
    *items = made;
    *cap = wanted;
    return true;
}

void weft_x_remember(struct weft_expr *e, weft_value v, const struct weft_at *at, uint32_t x) {
    if (!grow(e, (void **)&e->memo, &e->cap_memo, e->n_memo, sizeof *e->memo)) return;
    e->memo[e->n_memo++] = (struct weft_xmemo){v, x, *at};
}

// ---- instructions --------------------------------------------------------------------------------------------------

static uint64_t hash_of(const struct weft_x *x) {
    uint64_t h = weft_hash(x->a, sizeof x->a, (uint64_t)x->op << 16 | (uint64_t)x->type << 8 | x->n);
    h = weft_hash(&x->u, sizeof x->u, h);
    return weft_hash(&x->fn, sizeof x->fn, h);
}

static bool same(const struct weft_x *a, const struct weft_x *b) {
    return a->op == b->op && a->type == b->type && a->n == b->n && a->u == b->u && a->fn == b->fn &&
           memcmp(a->a, b->a, sizeof a->a) == 0;
}

static bool rehash(struct weft_expr *e) {
    uint32_t cap = e->cap_table ? 2 * e->cap_table : 128;
    uint32_t *table = weft_arena_alloc(&e->step->l->plan->arena, cap * sizeof *table); // 0: empty, else number + 1
    if (!table) {
        no_memory(e);
        return false;
    }
    for (uint32_t i = 0; i < e->n_x; i++) {
        uint32_t at = (uint32_t)hash_of(&e->x[i]) & (cap - 1);
        while (table[at]) at = (at + 1) & (cap - 1);
        table[at] = i + 1;
    }
    e->table = table;
    e->cap_table = cap;
    return true;
}

/// The instruction, made unless there is an equal one. Without memory: instruction 0, and the lowering has failed.
static uint32_t put(struct weft_expr *e, struct weft_x x) {
    if (2 * (e->n_x + 1) > e->cap_table && !rehash(e)) return 0;
    uint32_t at = (uint32_t)hash_of(&x) & (e->cap_table - 1);
    for (; e->table[at]; at = (at + 1) & (e->cap_table - 1))
        if (same(&e->x[e->table[at] - 1], &x)) return e->table[at] - 1;
    if (!grow(e, (void **)&e->x, &e->cap_x, e->n_x, sizeof *e->x)) return 0;
    for (uint32_t i = 0; i < x.n; i++) {
        const struct weft_x *a = &e->x[x.a[i]];
        if (a->scope > x.scope) x.scope = a->scope;
        if (a->level > x.level) x.level = a->level;
    }
    if (x.op == WEFT_XOP_REDUCE) {
        x.scope = WEFT_X_ROW;
        x.level++;
    }
    e->x[e->n_x] = x;
    e->table[at] = e->n_x + 1;
    return e->n_x++;
}

static uint32_t constant(struct weft_expr *e, enum weft_xtype type, uint32_t bits) {
    return put(e, (struct weft_x){.op = WEFT_XOP_CONST, .type = (uint8_t)type, .u = bits});
}

uint32_t weft_x_f32(struct weft_expr *e, float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return constant(e, WEFT_X_F32, bits);
}

uint32_t weft_x_u32(struct weft_expr *e, uint32_t x) { return constant(e, WEFT_X_U32, x); }

uint32_t weft_x_const(struct weft_expr *e, enum weft_xtype type, double x) {
    if (type == WEFT_X_F32) return weft_x_f32(e, (float)x);
    return constant(e, type, type == WEFT_X_I32 ? (uint32_t)(int32_t)x : (uint32_t)x);
}

double weft_x_const_value(const struct weft_x *x) {
    float f;
    if (x->type == WEFT_X_I32) return (int32_t)x->u;
    if (x->type == WEFT_X_U32) return x->u;
    memcpy(&f, &x->u, 4);
    return f;
}

static bool is_const(const struct weft_expr *e, uint32_t x, uint32_t bits) {
    return e->x[x].op == WEFT_XOP_CONST && e->x[x].u == bits;
}

uint32_t weft_xstep_dim(struct weft_xstep *t, weft_dim d) {
    uint32_t i = 0;
    while (i < t->dims.n && t->dims.dims[i] != d) i++;
    if (i == WEFT_X_DIMS) {
        weft_lower_over_budget(t->l, "a fused group uses more than %d live sizes", WEFT_X_DIMS);
        return WEFT_X_NONE;
    }
    if (i == t->dims.n) t->dims.dims[t->dims.n++] = d;
    return i;
}

uint32_t weft_x_dim(struct weft_expr *e, weft_dim d) {
    int64_t c = weft_lower_const(e->step->l, d);
    if (e->columns_field && d == e->n) return put(e, (struct weft_x){.op = WEFT_XOP_COLUMNS, .type = WEFT_X_U32});
    if (c >= 0) return weft_x_u32(e, (uint32_t)c);
    uint32_t i = weft_xstep_dim(e->step, d);
    return i == WEFT_X_NONE ? 0 : put(e, (struct weft_x){.op = WEFT_XOP_DIM, .type = WEFT_X_U32, .u = i});
}

uint32_t weft_x_arg(struct weft_expr *e, uint32_t number, enum weft_xtype type) {
    return put(e, (struct weft_x){.op = WEFT_XOP_ARG, .type = (uint8_t)type, .scope = WEFT_X_COL, .u = number});
}

uint32_t weft_x_place(struct weft_expr *e, uint32_t number) {
    return put(e, (struct weft_x){.op = WEFT_XOP_PLACE, .type = WEFT_X_U32, .scope = WEFT_X_ROW, .u = number});
}

uint32_t weft_x_var(struct weft_expr *e, weft_value var) {
    weft_emit_vars(e->step->l, e->step->s, WEFT_READ);
    enum weft_xtype type = weft_x_type_of(weft_lv(e->step->l, var)->type.dtype);
    return put(e,
               (struct weft_x){.op = WEFT_XOP_VAR, .type = (uint8_t)type, .u = weft_lower_var_slot(e->step->l, var)});
}

uint32_t weft_x_call(struct weft_expr *e, const struct weft_scalar *fn, enum weft_xtype type, const uint32_t *args,
                     uint32_t n) {
    struct weft_x x = {.op = WEFT_XOP_CALL, .type = (uint8_t)type, .n = (uint8_t)n, .fn = fn};
    double v[3] = {0, 0, 0};
    bool known = fn->host && type != WEFT_X_PAIR;
    for (uint32_t i = 0; i < n; i++) {
        x.a[i] = args[i];
        known = known && e->x[args[i]].op == WEFT_XOP_CONST;
        if (known) v[i] = weft_x_const_value(&e->x[args[i]]);
    }
    return known ? weft_x_const(e, type, fn->host(v[0], v[1], v[2])) : put(e, x);
}

uint32_t weft_x_call1(struct weft_expr *e, const struct weft_scalar *fn, enum weft_xtype type, uint32_t a) {
    return weft_x_call(e, fn, type, &a, 1);
}

uint32_t weft_x_call2(struct weft_expr *e, const struct weft_scalar *fn, enum weft_xtype type, uint32_t a, uint32_t b) {
    const uint32_t args[] = {a, b};
    return weft_x_call(e, fn, type, args, 2);
}

uint32_t weft_x_call3(struct weft_expr *e, const struct weft_scalar *fn, enum weft_xtype type, uint32_t a, uint32_t b,
                      uint32_t c) {
    const uint32_t args[] = {a, b, c};
    return weft_x_call(e, fn, type, args, 3);
}

static double first(double x, double y, double z) { return (void)y, (void)z, x; }
static double second(double x, double y, double z) { return (void)x, (void)z, y; }
const struct weft_scalar weft_fn_first = {.name = "first", .wgsl = "$0.x", .host = first};
const struct weft_scalar weft_fn_second = {.name = "second", .wgsl = "$0.y", .host = second};

uint32_t weft_x_part(struct weft_expr *e, uint32_t pair, uint32_t part) {
    return weft_x_call1(e, part ? &weft_fn_second : &weft_fn_first, WEFT_X_F32, pair);
}

uint32_t weft_x_load(struct weft_expr *e, uint32_t load, enum weft_xtype type, uint32_t index, uint32_t when) {
    struct weft_x x = {
        .op = WEFT_XOP_LOAD, .type = (uint8_t)type, .scope = WEFT_X_ROW, .n = 1, .a = {index}, .u = load};
    if (when != WEFT_X_NONE && e->x[when].op == WEFT_XOP_CONST) {
        if (e->x[when].u == 0) return constant(e, type, 0);
    } else if (when != WEFT_X_NONE) {
        x.n = 2;
        x.a[1] = when;
    }
    return put(e, x);
}

uint32_t weft_x_chunk(struct weft_expr *e) {
    return put(e, (struct weft_x){.op = WEFT_XOP_CHUNK, .type = WEFT_X_U32, .scope = WEFT_X_ROW});
}

uint32_t weft_x_state_row(struct weft_expr *e, uint32_t operand, uint32_t row, uint32_t slot) {
    return put(e, (struct weft_x){.op = WEFT_XOP_STATE_ROW,
                                  .type = WEFT_X_U32,
                                  .scope = WEFT_X_ROW,
                                  .n = slot == WEFT_X_NONE ? 1 : 2,
                                  .a = {row, slot == WEFT_X_NONE ? 0 : slot},
                                  .u = operand});
}

uint32_t weft_x_reduce(struct weft_expr *e, enum weft_reduction kind, weft_dtype dtype, uint32_t x) {
    uint32_t u = WEFT_X_REDUCTION(kind, dtype);
    return put(e, (struct weft_x){.op = WEFT_XOP_REDUCE, .type = e->x[x].type, .n = 1, .a = {x}, .u = u});
}

// ---- arithmetic of indices -----------------------------------------------------------------------------------------

static double u32(double x) { return (double)(uint32_t)(int64_t)x; }
static double add(double x, double y, double z) { return (void)z, u32(x + y); }
static double sub(double x, double y, double z) { return (void)z, u32(x - y); }
static double mul(double x, double y, double z) { return (void)z, (double)((uint32_t)x * (uint32_t)y); }
static double quotient(double x, double y, double z) { return (void)z, y == 0 ? x : floor(x / y); }
static double rest(double x, double y, double z) { return (void)z, y == 0 ? 0 : fmod(x, y); }
static double least(double x, double y, double z) { return (void)z, x < y ? x : y; }
static double less(double x, double y, double z) { return (void)z, x < y; }
static double both(double x, double y, double z) { return (void)z, x != 0 && y != 0; }
static double choose(double x, double y, double z) { return x != 0 ? y : z; }

const struct weft_scalar weft_fn_add = {.name = "add", .wgsl = "$0 + $1", .host = add};
const struct weft_scalar weft_fn_sub = {.name = "sub", .wgsl = "$0 - $1", .host = sub};
const struct weft_scalar weft_fn_mul = {.name = "mul", .wgsl = "$0 * $1", .host = mul};
const struct weft_scalar weft_fn_div = {.name = "div", .wgsl = "$0 / $1", .host = quotient, .divides = true};
const struct weft_scalar weft_fn_mod = {.name = "mod", .wgsl = "$0 % $1", .host = rest, .divides = true};
static const struct weft_scalar fn_min = {.name = "min", .wgsl = "min($0, $1)", .host = least};
static const struct weft_scalar fn_less = {.name = "less", .wgsl = "select(0.0, 1.0, $0 < $1)", .host = less};
static const struct weft_scalar fn_both = {.name = "both", .wgsl = "$0 * $1", .host = both};
static const struct weft_scalar fn_select = {.name = "select", .wgsl = "select($2, $1, $0 != 0.0)", .host = choose};

uint32_t weft_x_add(struct weft_expr *e, uint32_t a, uint32_t b) {
    if (is_const(e, a, 0)) return b;
    if (is_const(e, b, 0)) return a;
    return weft_x_call2(e, &weft_fn_add, WEFT_X_U32, a, b);
}

uint32_t weft_x_sub(struct weft_expr *e, uint32_t a, uint32_t b) {
    if (a == b) return weft_x_u32(e, 0);
    return is_const(e, b, 0) ? a : weft_x_call2(e, &weft_fn_sub, WEFT_X_U32, a, b);
}

uint32_t weft_x_mul(struct weft_expr *e, uint32_t a, uint32_t b) {
    if (is_const(e, a, 1) || is_const(e, b, 0)) return b;
    if (is_const(e, b, 1) || is_const(e, a, 0)) return a;
    return weft_x_call2(e, &weft_fn_mul, WEFT_X_U32, a, b);
}

uint32_t weft_x_div(struct weft_expr *e, uint32_t a, uint32_t b) {
    if (is_const(e, b, 1) || is_const(e, b, 0) || is_const(e, a, 0)) return a;
    return weft_x_call2(e, &weft_fn_div, WEFT_X_U32, a, b);
}

uint32_t weft_x_mod(struct weft_expr *e, uint32_t a, uint32_t b) {
    if (is_const(e, b, 1) || is_const(e, b, 0)) return weft_x_u32(e, 0);
    if (is_const(e, a, 0)) return a;
    return weft_x_call2(e, &weft_fn_mod, WEFT_X_U32, a, b);
}

uint32_t weft_x_min(struct weft_expr *e, uint32_t a, uint32_t b) { return weft_x_call2(e, &fn_min, WEFT_X_U32, a, b); }
uint32_t weft_x_less(struct weft_expr *e, uint32_t a, uint32_t b) {
    return weft_x_call2(e, &fn_less, WEFT_X_F32, a, b);
}

uint32_t weft_x_both(struct weft_expr *e, uint32_t a, uint32_t b) {
    if (a == WEFT_X_NONE || a == b) return b;
    if (b == WEFT_X_NONE) return a;
    if (e->x[a].op == WEFT_XOP_CONST) return e->x[a].u ? b : a;
    if (e->x[b].op == WEFT_XOP_CONST) return e->x[b].u ? a : b;
    return weft_x_call2(e, &fn_both, WEFT_X_F32, a, b);
}

uint32_t weft_x_select(struct weft_expr *e, uint32_t when, uint32_t yes, uint32_t no) {
    if (yes == no) return yes;
    if (e->x[when].op == WEFT_XOP_CONST) return e->x[when].u ? yes : no;
    return weft_x_call3(e, &fn_select, (enum weft_xtype)e->x[yes].type, when, yes, no);
}

// ---- programs and steps --------------------------------------------------------------------------------------------

int64_t weft_x_slope(const struct weft_expr *e, uint32_t at, uint32_t by) {
    const struct weft_x *x = &e->x[at];
    if (at == by) return 1;
    if (x->scope < e->x[by].scope || x->op == WEFT_XOP_ROW || x->op == WEFT_XOP_COL || x->op == WEFT_XOP_PLACE)
        return 0;
    if (x->op != WEFT_XOP_CALL || x->n != 2) return -1;
    int64_t a = weft_x_slope(e, x->a[0], by), b = weft_x_slope(e, x->a[1], by);
    if (a < 0 || b < 0) return -1;
    if (a == 0 && b == 0) return 0;
    if (x->fn == &weft_fn_add) return a + b;
    if (x->fn == &weft_fn_sub && b == 0) return a;
    const struct weft_x *factor = &e->x[x->a[a ? 1 : 0]];
    return x->fn == &weft_fn_mul && factor->op == WEFT_XOP_CONST ? (a + b) * factor->u : -1;
}

void weft_xstep_begin(struct weft_xstep *t, struct weft_lower *l, struct weft_step *s, uint32_t group) {
    memset(t, 0, sizeof *t);
    t->l = l;
    t->s = s;
    t->group = group;
}

void weft_xstep_next(struct weft_xstep *t, struct weft_step *s) {
    const struct weft_xstep before = *t;
    weft_xstep_begin(t, before.l, s, before.group);
    memcpy(t->narrow, before.narrow, sizeof t->narrow);
    t->n_narrow = before.n_narrow;
}

void weft_expr_begin(struct weft_expr *e, struct weft_xstep *step, struct weft_type space, uint32_t cols,
                     const char *columns_field) {
    struct weft_dims *dims = step->l->graph->dims;
    static struct weft_x none; // what is read, never written, when there was no memory for the first instruction
    memset(e, 0, sizeof *e);
    e->x = &none;
    e->step = step;
    e->space = e->shape = space;
    e->cols = cols;
    e->columns_field = columns_field;
    e->suffix = true;
    e->rows = e->n = weft_dim_const(dims, 1);
    for (uint32_t a = 0; a < space.rank; a++) {
        weft_dim *side = cols >> a & 1 ? &e->n : &e->rows;
        if (!(cols >> a & 1) && a && (cols >> (a - 1) & 1)) e->suffix = false;
        *side = weft_dim_mul(dims, *side, space.dims[a]);
    }
    if (e->rows == WEFT_DIM_BAD || e->n == WEFT_DIM_BAD)
        weft_lower_fail(step->l, WEFT_ERR_NOMEM,
                        "out of memory while compiling the graph, or a value of more than 2^63 elements");
    e->x_row = put(e, (struct weft_x){.op = WEFT_XOP_ROW, .type = WEFT_X_U32, .scope = WEFT_X_ROW});
    e->x_col = put(e, (struct weft_x){.op = WEFT_XOP_COL, .type = WEFT_X_U32, .scope = WEFT_X_COL});
    e->x_n = weft_x_dim(e, e->n);
    e->x_number = WEFT_X_NONE;
}

struct weft_at weft_x_point(const struct weft_expr *e) {
    return (struct weft_at){.row = e->x_row, .col = e->x_col, .when = WEFT_X_NONE};
}

void weft_xstep_finish(struct weft_xstep *t, const struct weft_field *own) {
    uint32_t n_own = 0;
    struct weft_arena *arena = &t->l->plan->arena;
    while (own[n_own].name) n_own++;
    struct weft_field *fields = weft_arena_alloc(arena, (n_own + t->dims.n + 1) * sizeof *fields);
    struct weft_xdims *cfg = (struct weft_xdims *)t->s->cfg;
    bool failed = !fields || !cfg;
    if (!failed) memcpy(fields, own, n_own * sizeof *own);
    for (uint32_t i = 0; i < t->dims.n && !failed; i++) {
        fields[n_own + i] = (struct weft_field){weft_arena_printf(arena, "e%u", i), WEFT_U32};
        failed = !fields[n_own + i].name;
    }
    if (failed) {
        weft_lower_fail(t->l, WEFT_ERR_NOMEM, "out of memory while writing a kernel");
        return;
    }
    static const char *const trees[] = {"TREE_ADD_F", "TREE_MUL_F", "TREE_ADD", "TREE_MUL", "TREE_MAX"};
    if (t->trees) weft_emit_int(t->l, t->s, "TREE", 1);
    for (uint32_t i = 0; i < sizeof trees / sizeof trees[0]; i++)
        if (t->trees >> i & 1) weft_emit_int(t->l, t->s, trees[i], 1);
    t->s->fields = fields;
    t->s->n_fields = n_own + t->dims.n;
    *cfg = t->dims;
}

void weft_x_update(const struct weft_update *u, uint32_t n_own, uint32_t *words) {
    const struct weft_xdims *dims = u->step->cfg;
    for (uint32_t i = 0; i < dims->n; i++) words[n_own + i] = (uint32_t)weft_live(u, dims->dims[i]);
}
