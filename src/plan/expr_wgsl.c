#include "plan/expr_wgsl.h"
#include "plan/expr_impl.h"
#include "core/error.h"
#include "plan/update.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

// ---- names and literals --------------------------------------------------------------------------------------------

static const char *keep(const struct weft_xtext *t, const struct weft_str *s) {
    struct weft_lower *l = t->e->step->l;
    const char *text = s->failed ? NULL : weft_arena_strdup(&l->plan->arena, weft_str_get(s));
    if (text) return text;
    weft_lower_fail(l, WEFT_ERR_NOMEM, "out of memory while writing a kernel");
    return "0.0";
}

static const char *text(const struct weft_xtext *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static const char *text(const struct weft_xtext *t, const char *format, ...) {
    struct weft_str s = {0};
    va_list args;
    va_start(args, format);
    weft_str_addv(&s, format, args);
    va_end(args);
    const char *kept = keep(t, &s);
    weft_str_free(&s);
    return kept;
}

/// A constant. What WGSL refuses as a literal, or may flush to 0, comes by way of bits, and so does 0 itself: drivers
/// take 0 * NaN for 0 where they see the 0.
static const char *literal(const struct weft_xtext *t, const struct weft_x *x) {
    float f;
    memcpy(&f, &x->u, 4);
    if (x->type == WEFT_X_U32) return text(t, "%uu", x->u);
    if (x->type == WEFT_X_I32)
        return x->u == 0x80000000u ? "(-2147483647 - 1)"
               : (int32_t)x->u < 0 ? text(t, "(%d)", (int32_t)x->u)
                                   : text(t, "%d", (int32_t)x->u);
    if (!isfinite(f) || fabsf(f) < 1.17549435e-38f) return text(t, "bitcast<f32>(p.zero | %uu)", x->u);
    const char *s = text(t, "%.9g", (double)f);
    if (!strpbrk(s, ".e")) s = text(t, "%s.0", s);
    return signbit(f) ? text(t, "(%s)", s) : s;
}

const char *weft_xtype_name(enum weft_xtype type) {
    return type == WEFT_X_F32 ? "f32" : type == WEFT_X_I32 ? "i32" : "u32";
}

const char *weft_xtext_dim(struct weft_xstep *step, weft_dim d) {
    struct weft_lower *l = step->l;
    int64_t c = weft_lower_const(l, d);
    uint32_t i = c < 0 ? weft_xstep_dim(step, d) : 0;
    if (i == WEFT_X_NONE) return "0u";
    const char *s = c >= 0 ? weft_arena_printf(&l->plan->arena, "%uu", (unsigned)c)
                           : weft_arena_printf(&l->plan->arena, "p.e%u", i);
    if (!s) weft_lower_fail(l, WEFT_ERR_NOMEM, "out of memory while writing a kernel");
    return s ? s : "0u";
}

bool weft_xtext_begin(struct weft_xtext *t, const struct weft_expr *e) {
    struct weft_lower *l = e->step->l;
    memset(t, 0, sizeof *t);
    t->e = e;
    t->row = "row";
    t->col[0] = "col";
    t->text = weft_arena_alloc(&l->plan->arena, (size_t)(e->n_x + 1) * WEFT_X_HELD * sizeof *t->text);
    if (!t->text) weft_lower_fail(l, WEFT_ERR_NOMEM, "out of memory while writing a kernel");
    return t->text != NULL;
}

void weft_xtext_forget(struct weft_xtext *t, bool rows_too) {
    for (uint32_t x = 0; x < t->e->n_x; x++) {
        if (t->e->x[x].op == WEFT_XOP_REDUCE || (t->e->x[x].scope != WEFT_X_COL && !rows_too)) continue;
        memset(&t->text[(size_t)x * WEFT_X_HELD], 0, WEFT_X_HELD * sizeof *t->text);
    }
}

// ---- instructions --------------------------------------------------------------------------------------------------

/// A constant 0 by which something is divided: the shader's compiler must not see it.
static const char *divisor(const struct weft_xtext *t, uint32_t a, const char *shown) {
    const struct weft_x *x = &t->e->x[a];
    if (x->op != WEFT_XOP_CONST || (x->u & (x->type == WEFT_X_F32 ? 0x7fffffffu : UINT32_MAX))) return shown;
    return x->type == WEFT_X_U32   ? "p.zero"
           : x->type == WEFT_X_I32 ? "bitcast<i32>(p.zero)"
                                   : text(t, "bitcast<f32>(p.zero | %uu)", x->u);
}

static const char *call(struct weft_xtext *t, const struct weft_x *x, uint32_t column) {
    struct weft_str s = {0};
    const char *args[3] = {"", "", ""};
    for (uint32_t i = 0; i < x->n; i++) args[i] = weft_xtext_at(t, x->a[i], column);
    if (x->fn->divides) args[1] = divisor(t, x->a[1], args[1]);
    // Drivers take x - x for 0, infinite or not, where they see that it is x twice.
    if (x->n == 2 && x->a[0] == x->a[1] && t->e->x[x->a[0]].type == WEFT_X_F32)
        args[1] = text(t, "bitcast<f32>(bitcast<u32>(%s) | p.zero)", args[1]);
    for (const char *c = x->fn->wgsl; *c; c++) {
        if (c[0] == '$' && c[1] >= '0' && c[1] <= '2') weft_str_add(&s, args[*++c - '0']);
        else weft_str_addn(&s, c, 1);
    }
    const char *kept = keep(t, &s);
    weft_str_free(&s);
    // What stands behind it may be in another kernel: nothing may be fused with it, nor moved across.
    if (t->e->step->l->profile->invariant && x->type == WEFT_X_F32)
        return text(t, "bitcast<f32>(bitcast<u32>(%s) | p.zero)", kept);
    return kept;
}

/// How a u32 value runs over four neighbouring columns, of which the first is a multiple of 4.
struct run {
    int stride;   ///< 0: all the same, 1: one by one, -1: otherwise
    bool aligned; ///< the first is a multiple of 4
};

static struct run run_of(const struct weft_expr *e, uint32_t at) {
    const struct weft_x *x = &e->x[at];
    const struct run none = {-1, false};
    if (x->op == WEFT_XOP_COL) return (struct run){1, true};
    if (x->op == WEFT_XOP_CONST) return (struct run){0, x->u % 4 == 0};
    if (x->op != WEFT_XOP_CALL || x->type != WEFT_X_U32 || x->n != 2)
        return x->scope == WEFT_X_COL ? none : (struct run){0, false};
    struct run a = run_of(e, x->a[0]), b = run_of(e, x->a[1]);
    bool by_quads = e->x[x->a[1]].op == WEFT_XOP_CONST && e->x[x->a[1]].u && e->x[x->a[1]].u % 4 == 0;
    const struct weft_scalar *fn = x->fn;
    if (a.stride < 0 || b.stride < 0) return none;
    if (fn == &weft_fn_add && a.stride + b.stride < 2) return (struct run){a.stride + b.stride, a.aligned && b.aligned};
    if (a.stride + b.stride == 0) return (struct run){0, fn == &weft_fn_mul && (a.aligned || b.aligned)};
    if (fn == &weft_fn_sub && b.stride == 0) return (struct run){a.stride, a.aligned && b.aligned};
    if (fn == &weft_fn_div && a.aligned && by_quads) return (struct run){0, false};
    if (fn == &weft_fn_mod && a.aligned && by_quads) return (struct run){1, true};
    return none;
}

static bool is_quad(const struct weft_expr *e, uint32_t index) {
    struct run r = run_of(e, index);
    return r.stride == 1 && r.aligned;
}

/// True if a load is one vector of four columns.
static bool loads_quad(const struct weft_xtext *t, const struct weft_x *x) {
    const struct weft_expr *e = t->e;
    weft_dtype dtype = e->step->loads[x->u].dtype;
    return t->quads && x->op == WEFT_XOP_LOAD && x->n == 1 && !(weft_shares_words(dtype) && e->step->loads[x->u].raw) &&
           is_quad(e, x->a[0]);
}

static bool stores_quad(const struct weft_xtext *t, const struct weft_xstore *s) {
    return t->quads && !s->once && s->when == WEFT_X_NONE && is_quad(t->e, s->index) && !(s->packed && t->e->raw);
}

static bool starts_at_quads(const struct weft_lower *l, const struct weft_operand *o) {
    return weft_dim_is_multiple(l->graph->dims, o->elem_offset, 4);
}

/// Adds the operands that a program reaches by vectors, and in other ways.
static void add_reached(const struct weft_xtext *t, uint32_t *by_vectors, uint32_t *otherwise) {
    const struct weft_expr *e = t->e;
    uint32_t vectors = 0, others = 0;
    for (uint32_t i = 0; i < e->n_x; i++) {
        if (e->x[i].op == WEFT_XOP_STATE_ROW) others |= 1u << e->x[i].u;
        if (e->x[i].op != WEFT_XOP_LOAD) continue;
        *(loads_quad(t, &e->x[i]) ? &vectors : &others) |= 1u << e->step->loads[e->x[i].u].operand;
    }
    for (uint32_t i = 0; i < e->n_stores; i++)
        *(stores_quad(t, &e->stores[i]) ? &vectors : &others) |= 1u << e->stores[i].operand;
    *by_vectors |= vectors;
    *otherwise |= others;
}

void weft_xtext_widen(const struct weft_xtext *const *texts, uint32_t n) {
    const struct weft_lower *l = texts[0]->e->step->l;
    struct weft_step *s = texts[0]->e->step->s;
    uint32_t vectors = 0, others = 0; // masks of operands
    for (uint32_t i = 0; i < n; i++) add_reached(texts[i], &vectors, &others);
    for (uint32_t i = 0; i < s->n_operands; i++)
        if ((s->operands[i].flags & WEFT_OPERAND_BITS) || !starts_at_quads(l, &s->operands[i])) others |= 1u << i;
    vectors &= ~others;
    for (uint32_t i = 0; i < s->n_operands; i++) { // a buffer has one binding: all of a tensor, or none of it
        bool all = vectors >> i & 1;
        for (uint32_t k = 0; k < s->n_operands && all; k++)
            all = s->operands[i].tensor != s->operands[k].tensor || (vectors >> k & 1);
        if (all) s->operands[i].flags |= WEFT_OPERAND_WIDE;
    }
}

/// Text of a load; what needs a statement of its own is written to the scope's lets.
static const char *loaded(struct weft_xtext *t, uint32_t at, uint32_t column) {
    const struct weft_x *x = &t->e->x[at];
    const char *name = t->e->step->loads[x->u].name, *type = weft_xtype_name((enum weft_xtype)x->type);
    weft_dtype dtype = t->e->step->loads[x->u].dtype;
    const char *get = t->e->step->loads[x->u].raw && weft_shares_words(dtype) ? "bits" : "load";
    struct weft_str *out = x->scope == WEFT_X_COL ? t->col_out : t->row_out;
    if (loads_quad(t, x)) {
        const char **four = &t->text[(size_t)at * WEFT_X_HELD + WEFT_X_HELD - 1]; // no quad has so many columns
        if (!*four) {
            const char *index = weft_xtext_at(t, x->a[0], 0);
            *four = text(t, "q%u", at);
            weft_str_addf(out, "let %s = load4_%s(%s);\n", *four, name, index);
        }
        return text(t, "%s[%u]", *four, column);
    }
    const char *index = weft_xtext_at(t, x->a[0], column);
    if (x->n == 1) return text(t, "%s_%s(%s)", get, name, index);
    const char *when = weft_xtext_at(t, x->a[1], column), *var = text(t, "g%u_%u", at, column);
    weft_str_addf(out, "var %s = %s();\nif (%s != 0.0) { %s = %s_%s(%s); }\n", var, type, when, var, get, name, index);
    return var;
}

const char *weft_xtext_at(struct weft_xtext *t, uint32_t at, uint32_t column) {
    const struct weft_x *x = &t->e->x[at];
    struct weft_lower *l = t->e->step->l;
    if (l->status != WEFT_OK) return "0.0";
    if (x->scope != WEFT_X_COL) column = 0;
    const char **known = &t->text[(size_t)at * WEFT_X_HELD + column];
    if (*known) return *known;
    const char *value = NULL;
    switch ((enum weft_xop)x->op) {
    case WEFT_XOP_CONST: return *known = literal(t, x);
    case WEFT_XOP_DIM: return *known = text(t, "p.e%u", x->u);
    case WEFT_XOP_COLUMNS: return t->e->columns_field;
    case WEFT_XOP_ROW: return t->row;
    case WEFT_XOP_COL: return t->col[column];
    case WEFT_XOP_CHUNK: return "chunk";
    case WEFT_XOP_ARG: return *known = text(t, "acc%u", x->u);
    case WEFT_XOP_PLACE: return *known = text(t, "at%u", x->u);
    case WEFT_XOP_VAR: value = text(t, "var_%s(%uu)", weft_xtype_name((enum weft_xtype)x->type), x->u); break;
    case WEFT_XOP_LOAD: value = loaded(t, at, column); break;
    case WEFT_XOP_STATE_ROW:
        value = text(t, "row_%s(%s%s%s)", t->e->step->s->operands[x->u].name,
                     x->n > 1 ? weft_xtext_at(t, x->a[1], column) : "", x->n > 1 ? ", " : "",
                     weft_xtext_at(t, x->a[0], column));
        break;
    case WEFT_XOP_CALL: value = call(t, x, column); break;
    case WEFT_XOP_REDUCE:
        weft_lower_fail(l, WEFT_ERR_INTERNAL, "a kernel uses a reduction before it is computed");
        return "0.0";
    }
    const char *name = x->scope == WEFT_X_COL ? text(t, "v%u_%u", at, column) : text(t, "v%u", at);
    weft_str_addf(x->scope == WEFT_X_COL ? t->col_out : t->row_out, "let %s = %s;\n", name, value);
    return *known = name;
}

void weft_xtext_store(struct weft_xtext *t, const struct weft_xstore *s, uint32_t column, struct weft_str *out) {
    const char *when = s->when == WEFT_X_NONE ? NULL : weft_xtext_at(t, s->when, column);
    const char *x = weft_xtext_at(t, s->x, column), *index = weft_xtext_at(t, s->index, column);
    if (when) weft_str_addf(out, "if (%s != 0.0) { store_%s(%s, %s); }\n", when, s->name, index, x);
    else weft_str_addf(out, "store_%s(%s, %s);\n", s->name, index, x);
}

/// Stores of the columns held where `per` elements share a word: whole words, of which the ends may belong to a thread
/// in part.
static void store_packed(struct weft_xtext *t, const struct weft_xstore *s, struct weft_str *out) {
    uint32_t per = weft_storage_of(s->dtype)->per_word, bits = 32 / per, ones = (1u << bits) - 1;
    for (uint32_t w = 0; w < t->n_held / per; w++) {
        const char *word = text(t, "%s * %uu + %uu", t->quad, t->n_held / per, w);
        struct weft_str all = {0}, masks = {0};
        bool some = false;
        for (uint32_t k = 0; k < per; k++) {
            const char *value = weft_xtext_at(t, s->x, per * w + k), *ok = t->ok[per * w + k];
            if (!t->e->raw) value = text(t, "part_bits_%s(%s)", s->name, value);
            weft_str_addf(&all, k ? " | (%s << %uu)" : "%s", value, k * bits);
            if (s->when != WEFT_X_NONE) {
                const char *when = text(t, "%s != 0.0", weft_xtext_at(t, s->when, per * w + k));
                ok = ok ? text(t, "%s && %s", ok, when) : when;
            }
            some |= ok != NULL;
            weft_str_addf(&masks, "%sselect(0u, %uu, %s)", k ? " | " : "", ones << (k * bits), ok ? ok : "true");
        }
        const char *value = keep(t, &all), *mask = keep(t, &masks);
        if (!some) weft_str_addf(out, "put_word_%s(%s, %s, 0xffffffffu);\n", s->name, word, value);
        else
            weft_str_addf(out, "{\nlet mask = %s;\nif (mask != 0u) { put_word_%s(%s, (%s) & mask, mask); }\n}\n", mask,
                          s->name, word, value);
        weft_str_free(&all);
        weft_str_free(&masks);
    }
}

/// Stores of all columns held: a vector where they lie side by side.
static void store_held(struct weft_xtext *t, const struct weft_xstore *s, struct weft_str *out) {
    if (stores_quad(t, s)) {
        const char *x[4], *index = weft_xtext_at(t, s->index, 0);
        for (uint32_t u = 0; u < 4; u++) x[u] = weft_xtext_at(t, s->x, u);
        weft_str_addf(out, "store4_%s(%s, vec4(%s, %s, %s, %s));\n", s->name, index, x[0], x[1], x[2], x[3]);
        return;
    }
    if (s->packed) {
        store_packed(t, s, out);
        return;
    }
    for (uint32_t u = 0; u < t->n_held; u++) {
        struct weft_str one = {0};
        weft_xtext_store(t, s, u, &one);
        if (t->ok[u]) weft_str_addf(out, "if (%s) { %s}\n", t->ok[u], weft_str_get(&one));
        else weft_str_add(out, weft_str_get(&one));
        weft_str_free(&one);
    }
}

// ---- reductions ----------------------------------------------------------------------------------------------------

uint32_t weft_x_levels(const struct weft_expr *e) {
    uint32_t top = 0;
    for (uint32_t i = 0; i < e->n_stores; i++) {
        const struct weft_xstore *s = &e->stores[i];
        if (e->x[s->x].level > top) top = e->x[s->x].level;
        if (e->x[s->index].level > top) top = e->x[s->index].level;
    }
    for (uint32_t i = 0; i < e->n_roots; i++)
        if (e->x[e->roots[i]].level > top) top = e->x[e->roots[i]].level;
    return top;
}

enum { ADD_F, MUL_F, ADD, MUL, MAX }; // functions of plan/reduce_tree.wgsl, in the order of weft_xstep_finish

static bool is_max(enum weft_reduction kind) { return kind == WEFT_REDUCE_MAX || kind == WEFT_REDUCE_ANY; }

/// The value of no elements.
static const char *start_of(const struct weft_xtext *t, enum weft_reduction kind, weft_dtype d, enum weft_xtype type) {
    if (type == WEFT_X_F32)
        return kind == WEFT_REDUCE_SUM || kind == WEFT_REDUCE_ANY    ? "0.0"
               : kind == WEFT_REDUCE_PROD || kind == WEFT_REDUCE_ALL ? "1.0"
               : kind == WEFT_REDUCE_MAX                             ? "-infinity()"
                                                                     : "infinity()";
    bool greatest = kind == WEFT_REDUCE_MIN;
    uint32_t bits = kind == WEFT_REDUCE_SUM    ? 0
                    : kind == WEFT_REDUCE_PROD ? 1
                    : d == WEFT_I8             ? (greatest ? 127u : (uint32_t)-128)
                    : d == WEFT_U8             ? (greatest ? 255u : 0u)
                    : d == WEFT_I32            ? (greatest ? 0x7fffffffu : 0x80000000u)
                                               : (greatest ? UINT32_MAX : 0u);
    return text(t, "bitcast<%s>(%uu)", weft_xtype_name(type), bits);
}

static const char *tree(const struct weft_xtext *t, uint32_t function, const char *x) {
    static const char *const names[] = {"add_f", "mul_f", "add", "mul", "max"};
    t->e->step->trees |= 1u << function;
    return text(t, "tree_%s(%s, lid, %uu)", names[function], x, t->share == WEFT_X_LANES ? t->stride : 1);
}

/// What all threads that share the row make of their parts.
static const char *joined(const struct weft_xtext *t, uint32_t id, enum weft_reduction kind, enum weft_xtype type) {
    const char *acc = text(t, "acc%u", id), *sign = is_max(kind) ? "" : "-", *name = weft_xtype_name(type);
    bool sum = kind == WEFT_REDUCE_SUM, product = kind == WEFT_REDUCE_PROD;
    if (t->share == WEFT_X_ALONE) return acc;
    if (type == WEFT_X_F32) {
        if (product) return tree(t, MUL_F, acc);
        if (sum) return t->share == WEFT_X_GROUP ? text(t, "wg_sum(%s, lid)", acc) : tree(t, ADD_F, acc);
        if (t->share == WEFT_X_GROUP) return text(t, "%swg_max(%s%s, lid)", sign, sign, acc);
        return text(t, "%sreduce_value(%s)", sign, tree(t, MAX, text(t, "reduce_key(%s%s)", sign, acc)));
    }
    const char *bits = text(t, "bitcast<u32>(%s)", acc);
    if (sum || product) return text(t, "bitcast<%s>(%s)", name, tree(t, sum ? ADD : MUL, bits));
    // As u32 of the order of the values, or of the reverse.
    uint32_t flip = (type == WEFT_X_I32 ? 0x80000000u : 0) ^ (is_max(kind) ? 0 : UINT32_MAX);
    return text(t, "bitcast<%s>(%s ^ %uu)", name, tree(t, MAX, text(t, "%s ^ %uu", bits, flip)), flip);
}

/// What stands before, in and behind the loop of one reduction.
static void add_reduction(struct weft_xtext *t, uint32_t id, const char *x, struct weft_str *head, struct weft_str *col,
                          struct weft_str *tail) {
    enum weft_reduction kind = WEFT_X_REDUCTION_KIND(t->e->x[id].u);
    enum weft_xtype type = (enum weft_xtype)t->e->x[id].type;
    weft_str_addf(head, "var acc%u = %s;\n", id, start_of(t, kind, WEFT_X_REDUCTION_OF(t->e->x[id].u), type));
    if (kind == WEFT_REDUCE_SUM) weft_str_addf(col, "acc%u += %s;\n", id, x);
    else if (kind == WEFT_REDUCE_PROD) weft_str_addf(col, "acc%u *= %s;\n", id, x);
    else
        weft_str_addf(col, "acc%u = %s%s(acc%u, %s);\n", id, is_max(kind) ? "max" : "min",
                      type == WEFT_X_F32 ? "_nan" : "", id, x);
    weft_str_addf(tail, "let red%u = %s;\n", id, joined(t, id, kind, type));
}

/// One level of reductions: text before the loop (or before the held columns), for a column, and behind.
struct phase {
    struct weft_str row, col, heads, tails;
};

static void end_phase(struct phase *p) {
    weft_str_free(&p->row);
    weft_str_free(&p->col);
    weft_str_free(&p->heads);
    weft_str_free(&p->tails);
}

/// Marks instruction x and all that it needs.
static void mark(const struct weft_expr *e, uint32_t x, uint8_t *used) {
    if (used[x]) return;
    used[x] = 1;
    for (uint32_t i = 0; i < e->x[x].n; i++) mark(e, e->x[x].a[i], used);
}

/// One column of a turn of the loop.
static void add_turn(struct weft_xtext *t, uint32_t id, uint32_t u, struct phase *p) {
    struct weft_str heads = {0}, col = {0}, tails = {0};
    add_reduction(t, id, weft_xtext_at(t, t->e->x[id].a[0], u), &heads, &col, &tails);
    if (u == 0) weft_str_add(&p->heads, weft_str_get(&heads));
    if (t->ok[u]) weft_str_addf(&p->col, "if (%s) { %s}\n", t->ok[u], weft_str_get(&col));
    else weft_str_add(&p->col, weft_str_get(&col));
    if (u == 0) weft_str_add(&p->tails, weft_str_get(&tails));
    weft_str_free(&heads);
    weft_str_free(&col);
    weft_str_free(&tails);
}

static void looped_level(struct weft_xtext *t, const uint8_t *used, uint32_t level, const char *loop,
                         struct weft_str *out) {
    struct phase p = {0};
    t->row_out = &p.row;
    t->col_out = &p.col;
    weft_xtext_forget(t, false);
    if (t->n_turn) weft_str_add(&p.col, t->turn);
    for (uint32_t i = 0; i < t->e->n_x; i++) {
        const struct weft_x *x = &t->e->x[i];
        if (x->op != WEFT_XOP_REDUCE || x->level != level || !used[i]) continue;
        for (uint32_t u = 0; u < (t->n_turn ? t->n_turn : 1); u++) add_turn(t, i, u, &p);
    }
    weft_str_addf(out, "%s%s%s {\n%s}\n%s", weft_str_get(&p.row), weft_str_get(&p.heads), loop, weft_str_get(&p.col),
                  weft_str_get(&p.tails));
    end_phase(&p);
}

/// Straight-line text: what one level computed of a column stays at hand for the next.
static void held_level(struct weft_xtext *t, const uint8_t *used, uint32_t level, struct weft_str *out) {
    struct weft_str tails = {0};
    t->row_out = t->col_out = out;
    for (uint32_t i = 0; i < t->e->n_x; i++) {
        const struct weft_x *x = &t->e->x[i];
        if (x->op != WEFT_XOP_REDUCE || x->level != level || !used[i]) continue;
        for (uint32_t u = 0; u < t->n_held; u++) {
            struct phase p = {0};
            add_reduction(t, i, weft_xtext_at(t, x->a[0], u), &p.heads, &p.col, &p.tails);
            if (u == 0) weft_str_add(out, weft_str_get(&p.heads));
            if (t->ok[u]) weft_str_addf(out, "if (%s) { %s}\n", t->ok[u], weft_str_get(&p.col));
            else weft_str_add(out, weft_str_get(&p.col));
            if (u == 0) weft_str_add(&tails, weft_str_get(&p.tails));
            end_phase(&p);
        }
    }
    weft_str_add(out, weft_str_get(&tails));
    weft_str_free(&tails);
}

void weft_xtext_reductions(struct weft_xtext *t, const char *loop, struct weft_str *out) {
    const struct weft_expr *e = t->e;
    uint32_t top = weft_x_levels(e);
    uint8_t *used = weft_arena_alloc(&e->step->l->plan->arena, e->n_x + 1);
    if (!used) {
        weft_lower_fail(e->step->l, WEFT_ERR_NOMEM, "out of memory while writing a kernel");
        return;
    }
    for (uint32_t i = 0; i < e->n_stores; i++) {
        mark(e, e->stores[i].x, used);
        mark(e, e->stores[i].index, used);
        if (e->stores[i].when != WEFT_X_NONE) mark(e, e->stores[i].when, used);
    }
    for (uint32_t i = 0; i < e->n_roots; i++) mark(e, e->roots[i], used);
    for (uint32_t level = 1; level <= top; level++) {
        if (t->n_held) held_level(t, used, level, out);
        else looped_level(t, used, level, loop, out);
        for (uint32_t i = 0; i < e->n_x; i++)
            if (e->x[i].op == WEFT_XOP_REDUCE && e->x[i].level == level)
                t->text[(size_t)i * WEFT_X_HELD] = text(t, "red%u", i); // at all columns
    }
}

// ---- stores --------------------------------------------------------------------------------------------------------

void weft_xtext_stores(struct weft_xtext *t, const char *loop, const char *first, bool barrier, struct weft_str *out) {
    struct phase p = {0};
    struct weft_str last = {0}, row_last = {0};
    t->row_out = t->n_held ? out : &p.row;
    t->col_out = t->n_held ? out : &p.col;
    if (!t->n_held) weft_xtext_forget(t, false);
    for (uint32_t i = 0; i < t->e->n_stores; i++) {
        const struct weft_xstore *s = &t->e->stores[i];
        if (t->stores != WEFT_XSTORES_ALL && s->packed != (t->stores == WEFT_XSTORES_PACKED)) continue;
        struct weft_str one = {0};
        struct weft_str *to = s->last     ? (s->once ? &row_last : &last)
                              : s->once   ? &p.heads
                              : t->n_held ? &p.tails
                                          : &p.col;
        if (s->once || !t->n_held) weft_xtext_store(t, s, 0, &one);
        else store_held(t, s, &one);
        if (s->once) weft_str_addf(to, "if (%s) { %s}\n", first, weft_str_get(&one));
        else weft_str_add(to, weft_str_get(&one));
        weft_str_free(&one);
    }
    weft_str_add(t->n_held ? &p.tails : &p.col, weft_str_get(&last));
    weft_str_free(&last);
    weft_str_addf(out, "%s%s%s", weft_str_get(&p.row), weft_str_get(&p.heads), weft_str_get(&p.tails));
    if (p.col.len) weft_str_addf(out, "%s {\n%s}\n", loop, weft_str_get(&p.col));
    // What one thread writes over may be what the others of the row read.
    if (row_last.len && barrier) weft_str_add(out, "workgroupBarrier();\n");
    weft_str_add(out, weft_str_get(&row_last));
    weft_str_free(&row_last);
    end_phase(&p);
}
