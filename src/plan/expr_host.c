#include "plan/expr_host.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/half.h"
#include "plan/update.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

struct value {
    double x, second; ///< second: of a PAIR
};

/// A value holds while its stamp is not older than its scope: the launch, the row or the column at hand.
struct run {
    const struct weft_expr *e;
    const struct weft_xhost *h;
    uint64_t rows, n, row, col;
    uint64_t now, row_since, col_since;
    uint64_t *stamp;
    struct value *v;
    uint8_t *used;
    weft_status status;
};

static bool is_nan(double x) { return x != x; }

/// A result as its type can hold it.
static double typed(const struct run *r, enum weft_xtype type, double x) {
    if (type == WEFT_X_I32) return (int32_t)(uint32_t)(int64_t)x;
    if (type == WEFT_X_U32) return (uint32_t)(int64_t)x;
    if (!r->h->exact) return (float)x;
    return fabs(x) >= 0x1.ffffffp127 ? copysign(INFINITY, x) : x;
}

static double bits_as(enum weft_xtype type, uint32_t bits) {
    const struct weft_x x = {.type = (uint8_t)type, .u = bits};
    return weft_x_const_value(&x);
}

// ---- memory --------------------------------------------------------------------------------------------------------

/// Element `index` of an operand, NULL (and a failed run) if there is none.
static uint8_t *element(struct run *r, uint32_t operand, const char *name, uint32_t index, bool write) {
    const struct weft_xmemory *m = &r->h->operands[operand];
    if (r->status != WEFT_OK) return NULL;
    if (!m->bytes || index >= m->count) {
        r->status = weft_fail(WEFT_ERR_INVALID,
                              "a program %s element %u of operand '%s', which has %" PRIu64 ", at row %" PRIu64
                              ", column %" PRIu64,
                              write ? "stores" : "loads", index, name, m->bytes ? m->count : 0, r->row, r->col);
        return NULL;
    }
    if (r->h->touch) r->h->touch(r->h->user, operand, index, write, r->row, r->col);
    return m->bytes + (uint64_t)index * weft_accessor_width(m->dtype);
}

static double load(struct run *r, const struct weft_x *x, uint32_t index) {
    const struct weft_xload *l = &r->e->step->loads[x->u];
    weft_dtype dtype = r->h->operands[l->operand].dtype;
    const uint8_t *from = element(r, l->operand, l->name, index, false);
    uint32_t bits = 0;
    if (!from) return 0;
    memcpy(&bits, from, weft_accessor_width(dtype));
    if (dtype == WEFT_I8 && x->type == WEFT_X_I32) return (int8_t)bits;
    if (x->type == WEFT_X_F32 && dtype == WEFT_F16) return weft_f16_to_f32((uint16_t)bits);
    if (x->type == WEFT_X_F32 && dtype == WEFT_BF16) return weft_bf16_to_f32((uint16_t)bits);
    return bits_as((enum weft_xtype)x->type, bits);
}

static void store(struct run *r, const struct weft_xstore *s, uint32_t index, double x) {
    weft_dtype dtype = r->h->operands[s->operand].dtype;
    uint8_t *to = element(r, s->operand, s->name, index, true);
    float f = (float)x;
    uint32_t bits;
    if (!to) return;
    memcpy(&bits, &f, 4);
    if (r->e->x[s->x].type != WEFT_X_F32) bits = (uint32_t)(int64_t)x;
    else if (dtype == WEFT_F16) bits = weft_f32_to_f16(f);
    else if (dtype == WEFT_BF16) bits = weft_f32_to_bf16(f);
    memcpy(to, &bits, weft_accessor_width(dtype));
}

// ---- instructions --------------------------------------------------------------------------------------------------

static struct value value(struct run *r, uint32_t at);

static uint32_t index_of(struct run *r, uint32_t at) { return (uint32_t)value(r, at).x; }

static struct value call(struct run *r, const struct weft_x *x) {
    double a[3] = {0, 0, 0};
    struct value out = {0, 0};
    for (uint32_t i = 0; i < x->n; i++) {
        struct value v = value(r, x->a[i]);
        a[i] = v.x;
        if (r->e->x[x->a[i]].type == WEFT_X_PAIR) a[i + 1] = v.second; // the only operand
    }
    if (!x->fn->host) {
        r->status = weft_fail(WEFT_ERR_INTERNAL, "function '%s' is not known to the host", x->fn->name);
        return out;
    }
    out.x = typed(r, (enum weft_xtype)x->type, x->fn->host(a[0], a[1], a[2]));
    if (x->type == WEFT_X_PAIR) out.second = typed(r, WEFT_X_PAIR, x->fn->second(a[0], a[1], a[2]));
    return out;
}

static double compute(struct run *r, const struct weft_x *x) {
    const struct weft_xhost *h = r->h;
    uint32_t ring;
    uint64_t first;
    switch ((enum weft_xop)x->op) {
    case WEFT_XOP_CONST: return weft_x_const_value(x);
    case WEFT_XOP_DIM: {
        int64_t live = weft_dim_eval(h->dims, r->e->step->dims.dims[x->u], h->symbols);
        return live > 0 ? (uint32_t)live : 0;
    }
    case WEFT_XOP_COLUMNS: return (double)r->n;
    case WEFT_XOP_VAR: return bits_as((enum weft_xtype)x->type, h->vars[x->u]);
    case WEFT_XOP_ROW: return (double)r->row;
    case WEFT_XOP_COL: return (double)r->col;
    case WEFT_XOP_ARG: return h->arg ? typed(r, (enum weft_xtype)x->type, h->arg(h->user, x->u, r->row, r->col)) : 0;
    case WEFT_XOP_LOAD: return x->n == 2 && value(r, x->a[1]).x == 0 ? 0 : load(r, x, index_of(r, x->a[0]));
    case WEFT_XOP_STATE_ROW:
        ring = h->operands[x->u].ring;
        first = x->n == 2 ? index_of(r, x->a[1]) * h->operands[x->u].slot_rows : 0;
        return first + (ring ? index_of(r, x->a[0]) % ring : index_of(r, x->a[0]));
    case WEFT_XOP_CHUNK:
    case WEFT_XOP_PLACE:
        r->status =
            weft_fail(WEFT_ERR_INTERNAL, "a program asks for a place of its kernel, of which the host has none");
        return 0;
    case WEFT_XOP_CALL:
    case WEFT_XOP_REDUCE: break;
    }
    r->status = weft_fail(WEFT_ERR_INTERNAL, "a program uses a reduction before it is computed");
    return 0;
}

static struct value value(struct run *r, uint32_t at) {
    const struct weft_x *x = &r->e->x[at];
    uint64_t since = x->scope == WEFT_X_COL ? r->col_since : x->scope == WEFT_X_ROW ? r->row_since : 1;
    if (r->stamp[at] < since) {
        struct value v = {0, 0};
        if (x->op == WEFT_XOP_CALL) v = call(r, x);
        else v.x = compute(r, x);
        r->v[at] = v;
        r->stamp[at] = r->now;
    }
    return r->v[at];
}

static void at_column(struct run *r, uint64_t col) {
    r->col = col;
    r->col_since = ++r->now;
}

/// The value of no elements. Truth is 0 or 1, so that any and all are a maximum and a minimum.
static double identity(enum weft_reduction kind, weft_dtype dtype) {
    static const double ends[][2] = {[WEFT_I8] = {-128, 127},
                                     [WEFT_U8] = {0, 255},
                                     [WEFT_I32] = {INT32_MIN, INT32_MAX},
                                     [WEFT_U32] = {0, UINT32_MAX}};
    bool whole = dtype == WEFT_I8 || dtype == WEFT_U8 || dtype == WEFT_I32 || dtype == WEFT_U32;
    switch (kind) {
    case WEFT_REDUCE_PROD:
    case WEFT_REDUCE_ALL: return 1;
    case WEFT_REDUCE_MAX: return whole ? ends[dtype][0] : -INFINITY;
    case WEFT_REDUCE_MIN: return whole ? ends[dtype][1] : INFINITY;
    default: return 0;
    }
}

static double joined(const struct run *r, enum weft_reduction kind, enum weft_xtype type, double acc, double y) {
    bool largest = kind == WEFT_REDUCE_MAX || kind == WEFT_REDUCE_ANY;
    if (kind == WEFT_REDUCE_SUM) return type == WEFT_X_F32 ? acc + y : typed(r, type, acc + y);
    if (kind == WEFT_REDUCE_PROD && type == WEFT_X_F32) return acc * y;
    if (kind == WEFT_REDUCE_PROD) return typed(r, type, (uint32_t)(int64_t)acc * (uint32_t)(int64_t)y);
    return !is_nan(acc) && (is_nan(y) || (largest ? y > acc : y < acc)) ? y : acc;
}

static void reduce(struct run *r, uint32_t at) {
    const struct weft_x *x = &r->e->x[at];
    enum weft_xtype type = (enum weft_xtype)x->type;
    enum weft_reduction kind = WEFT_X_REDUCTION_KIND(x->u);
    double acc = identity(kind, WEFT_X_REDUCTION_OF(x->u));
    for (uint64_t c = 0; c < r->n && r->status == WEFT_OK; c++) {
        at_column(r, c);
        acc = joined(r, kind, type, acc, value(r, x->a[0]).x);
    }
    r->v[at].x = typed(r, type, acc);
    r->stamp[at] = ++r->now;
}

// ---- stores --------------------------------------------------------------------------------------------------------

/// What a store writes is computed where it is not written, too, as kernels do: no load may rely on the condition.
static void run_stores(struct run *r, bool once, bool last) {
    for (uint32_t i = 0; i < r->e->n_stores && r->status == WEFT_OK; i++) {
        const struct weft_xstore *s = &r->e->stores[i];
        if (s->once != once || s->last != last) continue;
        double x = value(r, s->x).x;
        uint32_t index = index_of(r, s->index);
        if (s->packed && index != r->row * r->n + r->col)
            r->status = weft_fail(WEFT_ERR_INTERNAL,
                                  "a packed store to '%s' goes to element %u, not to that of its row %" PRIu64
                                  " and column %" PRIu64,
                                  s->name, index, r->row, r->col);
        if (r->status == WEFT_OK && (s->when == WEFT_X_NONE || value(r, s->when).x != 0)) store(r, s, index, x);
    }
}

static void run_row(struct run *r) {
    const struct weft_expr *e = r->e;
    r->row_since = ++r->now;
    for (uint32_t i = 0; i < e->n_x && r->status == WEFT_OK; i++) // operands stand in front
        if (r->used[i] && e->x[i].op == WEFT_XOP_REDUCE) reduce(r, i);
    at_column(r, 0);
    run_stores(r, true, false);
    uint64_t first = e->flat ? r->h->first : 0, end = e->flat && r->h->end && r->h->end < r->n ? r->h->end : r->n;
    for (uint64_t c = first; c < end && r->status == WEFT_OK; c++) {
        at_column(r, c);
        run_stores(r, false, false);
        run_stores(r, false, true);
        for (uint32_t k = 0; k < e->n_roots && r->h->root; k++)
            r->h->root(r->h->user, k, r->row, c, value(r, e->roots[k]).x);
    }
    at_column(r, 0);
    run_stores(r, true, true);
}

// ---- the space -----------------------------------------------------------------------------------------------------

static void mark(struct run *r, uint32_t at) {
    if (at == WEFT_X_NONE || r->used[at]) return;
    r->used[at] = 1;
    for (uint32_t i = 0; i < r->e->x[at].n; i++) mark(r, r->e->x[at].a[i]);
}

static uint64_t live(const struct weft_xhost *h, weft_dim d) {
    int64_t n = weft_dim_eval(h->dims, d, h->symbols);
    return n > 0 ? (uint64_t)n : 0;
}

weft_status weft_expr_run(const struct weft_expr *e, const struct weft_xhost *host) {
    struct run r = {.e = e, .h = host, .now = 1, .rows = live(host, e->rows), .n = live(host, e->n)};
    r.stamp = weft_calloc(e->n_x + 1, sizeof *r.stamp);
    r.v = weft_calloc(e->n_x + 1, sizeof *r.v);
    r.used = weft_calloc(e->n_x + 1, 1);
    if (!r.stamp || !r.v || !r.used) r.status = weft_fail(WEFT_ERR_NOMEM, "out of memory for a program on the host");
    for (uint32_t i = 0; i < e->n_stores && r.status == WEFT_OK; i++) {
        mark(&r, e->stores[i].x);
        mark(&r, e->stores[i].index);
        mark(&r, e->stores[i].when);
    }
    for (uint32_t i = 0; i < e->n_roots && r.status == WEFT_OK; i++) mark(&r, e->roots[i]);
    uint64_t first = e->flat ? 0 : host->first, end = !e->flat && host->end && host->end < r.rows ? host->end : r.rows;
    for (r.row = first; r.row < end && r.status == WEFT_OK; r.row++) run_row(&r);
    weft_free(r.stamp);
    weft_free(r.v);
    weft_free(r.used);
    return r.status;
}
