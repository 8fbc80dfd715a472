/// Graphs of one operator in which one operand is of a kind of its own: input, weight, constant, state, variable, a
/// view of each, a computed value; of every element type; scalar and empty too. Whoever adds an operator adds a row.
#ifndef WEFT_TEST_OPERAND_FORMS_H
#define WEFT_TEST_OPERAND_FORMS_H
#include "core/str.h"
#include "ir/graph.h"
#include "ops/ops.h"
#include <stdio.h>
#include <string.h>

/// A way to call an operator. Operands are types, in which R and C are sizes; "!" in front makes one a state, "$" a
/// variable, where no other kind is asked for.
struct operand_form {
    const char *op, *attrs, *in[WEFT_MAX_INS];
    uint32_t n_out; ///< 0: one
    bool brief;     ///< one of many alike: element types are left to its fellows
    bool odd;       ///< not to be compared over any numbers: undefined for some, or random
};

#define OP(name, list, ...)                                                                                            \
    {                                                                                                                  \
        .op = name, .attrs = list, .in = { __VA_ARGS__ }                                                               \
    }
#define OUTS(n, name, list, ...)                                                                                       \
    { .op = name, .attrs = list, .in = {__VA_ARGS__}, .n_out = n }
#define UNARY(name)                                                                                                    \
    { .op = #name, .attrs = "", .in = {"f32 [R, C]"}, .brief = true }
#define BINARY(name)                                                                                                   \
    { .op = #name, .attrs = "", .in = {"f32 [R, C]", "f32 [R, C]"}, .brief = true }
#define ODD_1(name)                                                                                                    \
    { .op = #name, .attrs = "", .in = {"f32 [R, C]"}, .brief = true, .odd = true }
#define ODD_2(name)                                                                                                    \
    { .op = #name, .attrs = "", .in = {"f32 [R, C]", "f32 [R, C]"}, .brief = true, .odd = true }
static const struct operand_form operand_forms[] = {
    OP("neg", "", "f32 [R, C]"),
    OP("add", "", "f32 [R, C]", "f32 [R, C]"),
    OP("add", "", "f32 [R, C]", "f32 [C]"),
    OP("cast", "to=f32", "f32 [R, C]"),
    OP("cast", "to=f16", "f32 [R, C]"),
    OP("cast", "to=i8", "f32 [R, C]"),
    OP("where", "", "bool [R, C]", "f32 [R, C]", "f32 [R, C]"),
    UNARY(abs),
    UNARY(ceil),
    UNARY(cos),
    UNARY(exp),
    UNARY(floor),
    UNARY(gelu),
    UNARY(gelu_tanh),
    ODD_1(log),
    ODD_1(recip),
    UNARY(relu),
    UNARY(round),
    ODD_1(rsqrt),
    UNARY(sigmoid),
    UNARY(sign),
    UNARY(silu),
    UNARY(sin),
    UNARY(softplus),
    ODD_1(sqrt),
    UNARY(square),
    UNARY(tanh),
    ODD_2(div),
    BINARY(eq),
    BINARY(ge),
    BINARY(gt),
    BINARY(le),
    BINARY(lt),
    BINARY(max),
    BINARY(min),
    BINARY(mul),
    BINARY(ne),
    ODD_2(pow),
    BINARY(sub),
    OP("sum", "", "f32 [R, C]"),
    OP("sum", "axes=[0]", "i32 [R, C]"),
    UNARY(mean),
    OP("mean", "axes=[0, 2]", "f32 [R, C, 3]"),
    OP("prod", "axes=[0, 1], keep=0", "f32 [R, C]"),
    OP("amax", "", "f32 [R, C]"),
    OP("amax", "axes=[0]", "u8 [R, C]"),
    UNARY(amin),
    OP("any", "", "bool [R, C]"),
    OP("all", "axes=[0]", "bool [R, C]"),
    OP("softmax", "", "f32 [R, C]"),
    OP("softmax", "axis=0", "f32 [R, C]"),
    OP("rms_norm", "", "f32 [R, C]", "f32 [C]"),
    OP("layer_norm", "", "f32 [R, C]", "f32 [C]", "f32 [C]"),
    OUTS(2, "quantize", "block=1", "f32 [R, C]"),
    OP("matmul", "", "f32 [R, C]", "f32 [6, C]"),
    OP("matmul", "", "f32 [12, C]", "f32 [R, C]"),
    OP("matmul_experts", "", "f32 [R, C]", "f32 [3, 6, C]", "i32 [R, 2]"),
    OP("matmul_experts", "", "f32 [R, 2, C]", "f32 [3, 6, C]", "u32 [R, 2]"),
    OP("linear_q4gsw", "group=4", "f32 [R, 10]", "u8 [7, 5]", "f32 [3, 8]", "f32 [7]"),
    OP("dequant_q4gsw", "group=4", "u8 [7, 5]", "f32 [7, 3]"),
    OP("embedding_q4gsw", "group=4", "u8 [7, 5]", "f32 [7, 3]", "u32 [R]"),
    OP("gather", "", "f32 [7, C]", "i32 [R]"),
    OP("gather", "scale=2", "f32 [R, C]", "u32 []"),
    OP("gather", "", "i32 [R, C]", "i32 [3]"),
    OP("gather_copy", "", "f32 [R, C]", "u32 [4]"),
    OP("gather_copy", "", "u32 [7, C]", "i32 [R]"),
    OP("assign", "start=1", "!f32 [4, 40]", "f32 [R, C]"),
    OP("assign", "start=1", "f32 [4, 40]", "f32 [R, C]"),
    OP("state_write", "", "!f32 [R, C]", "f32 [R, C]"),
    OP("state_write", "", "f32 [R, C]", "f32 [R, C]"),
    OP("cache_append", "", "!f32 [16, C]", "f32 [R, C]", "$u32 []"),
    OP("cache_append", "", "f32 [16, C]", "f32 [R, C]", "$u32 []"),
    OP("attention", "", "f32 [R, 4, 8]", "!f32 [12, 2, 8]", "!f32 [12, 2, 8]", "$u32 []"),
    OP("attention", "", "f32 [R, 4, 8]", "f32 [3, 12, 2, 8]", "f32 [3, 12, 2, 8]", "$u32 [3]", "$u32 [3]"),
    OP("cache_append", "", "f32 [3, 12, 8]", "f32 [R, 8]", "u32 [R]", "u32 [R]"),
    OP("rope", "", "f32 [R, 2, 8]", "u32 [R]"),
    OUTS(2, "linear_attention", "q_heads=2, kv_heads=2", "!f32 [1, 2, 4, 3]", "f32 [R, 8]", "f32 [R, 8]", "f32 [R, 6]",
         "f32 [R, 2]", "f32 [R, 2]"),
    OUTS(2, "gated_delta_net", "gate_activation=qwen, beta_activation=sigmoid, q_heads=2, kv_heads=2, layout=key",
         "!f32 [1, 2, 4, 3]", "f32 [R, 8]", "f32 [R, 8]", "f32 [R, 6]", "f32 [R, 2]", "f32 [R, 2]", "f32 [2]",
         "f32 [2]"),
    OUTS(2, "causal_conv", "", "!f32 [5, 3]", "f32 [5, R]", "f32 [5, 4]", "f32 [5]"),
    OUTS(2, "linear_attention", "q_heads=2, kv_heads=2", "!f32 [3, 2, 4, 3]", "f32 [R, 8]", "f32 [R, 8]", "f32 [R, 6]",
         "f32 [R, 2]", "f32 [R, 2]", "$u32 [3]", "$u32 [3]"),
    OUTS(2, "gated_delta_net", "gate_activation=qwen, beta_activation=sigmoid, q_heads=2, kv_heads=2, layout=key",
         "!f32 [3, 2, 4, 3]", "f32 [R, 8]", "f32 [R, 8]", "f32 [R, 6]", "f32 [R, 2]", "f32 [R, 2]", "f32 [2]",
         "f32 [2]", "$u32 [3]"),
    OUTS(2, "causal_conv", "", "!f32 [3, 5, 3]", "f32 [5, R]", "f32 [5, 4]", "f32 [5]", "$u32 [3]", "$u32 [3]"),
    OUTS(2, "causal_conv", "layout=last", "!f32 [3, 3, 5]", "f32 [R, 5]", "f32 [5, 4]", "$u32 [3]"),
    OP("rope", "", "f32 [R, 2, 8]", "$u32 []"),
    OUTS(2, "rope_table", "", "f32 [R, 2, 8]", "f32 [R, 1, 8]", "f32 [12, 4]", "f32 [12, 4]"),
    OP("bitcast", "dtype=i32", "f32 [R, C]"),
    OP("bitcast", "dtype=f16", "f32 [R, C]"),
    OP("bitcast", "dtype=f32", "f16 [R, 2*C]"),
    OP("reshape", "shape=[C, R]", "f32 [R, C]"),
    OP("transpose", "", "f32 [R, C]"),
    OP("slice", "start=1, len=2", "f32 [R, C]"),
    OP("slice", "start=0, len=1, axis=1", "f32 [R, C]"),
    OP("slice_copy", "start=0, len=1, axis=1", "f32 [R, C]"),
    OP("slice", "start=-1, len=2, axis=1, step=-1", "f32 [R, C]"),
    OP("slice", "start=0, len=1, axis=1, step=2", "f32 [R, C]"),
    OP("flip", "", "f32 [R, C]"),
    OP("expand", "shape=[2, R, C]", "f32 [R, C]"),
    OP("tile", "repeats=[2, 3]", "f32 [R, C]"),
    OP("repeat", "times=2, axis=1", "f32 [R, C]"),
    OP("roll", "shift=-1, axis=1", "f32 [R, C]"),
    OP("select", "index=0, axis=1", "f32 [R, C]"),
    OUTS(2, "split", "sizes=[1, 2]", "f32 [R, C]"),
    OP("pad", "before=[1, 0], after=[0, 2]", "f32 [R, C]"),
    OP("concat", "axis=0", "f32 [R, C]", "f32 [2, C]"),
    OP("concat", "axis=1", "f32 [R, C]", "f32 [R, 3]"),
    OP("advance", "by=1", "$u32 []"),
    OP("advance", "", "$u32 [3]", "$u32 [3]", "$u32 [3]"),
    OUTS(2, "place_tokens", "tokens=R", "$u32 [3]", "$u32 [3]", "$u32 [3]"),
    OP("argmax", "", "f32 [R, C]"),
    OUTS(2, "topk", "k=1", "f32 [R, C]"),
    OP("nll", "", "f32 [R, C]", "u32 [R]"),
    {.op = "sample",
     .attrs = "",
     .n_out = 6,
     .odd = true,
     .in = {"!u32 [C]", "!u32 [8]", "!i32 [4]", "$u32 []", "$u32 []", "$u32 []", "f32 [R, C]", "u32 [16]", "u32 [3]",
            "$u32 []", "$u32 []", "$u32 []"}},
    {.op = "sample",
     .attrs = "",
     .n_out = 6,
     .odd = true,
     .in = {"!u32 [9, C]", "!u32 [9, 8]", "$u32 [9]", "$u32 [9]", "$u32 [9]", "$u32 [9]", "f32 [R, C]", "u32 [9, 16]",
            "u32 [9, 3]", "$u32 [9]", "$u32 [9]", "$u32 [9]", "u32 [R]"}},
    UNARY(hard_swish),
    OP("log_softmax", "", "f32 [R, C]"),
    OP("log_softmax", "axis=0", "f32 [R, C]"),
    OP("group_norm", "groups=1", "f32 [R, C]", "f32 [C]", "f32 [C]"),
    OP("group_norm", "groups=2, eps=0.5", "f32 [R, 2*C, 3]", "f32 [2*C]"),
    OP("cumsum", "", "f32 [R, C]"),
    OP("cumsum", "axis=0, exclusive=1, reverse=1", "f32 [R, C]"),
};
#undef OP
#undef OUTS
#undef UNARY
#undef BINARY
#undef ODD_1
#undef ODD_2

/// Of the operand in question.
enum operand_kind {
    OPERAND_AS_IT_IS,
    OPERAND_INPUT,
    OPERAND_WEIGHT,
    OPERAND_CONST,
    OPERAND_STATE,
    OPERAND_VAR,
    OPERAND_COMPUTED,
    OPERAND_VIEWS, ///< from here on: a view of a leaf, VIEWS + INPUT to VIEWS + VAR
    OPERAND_KINDS = OPERAND_VIEWS + OPERAND_COMPUTED
};

struct operand_graph {
    const struct operand_form *form;
    uint32_t slot;
    enum operand_kind kind;
    weft_dtype dtype; ///< of the operand, COUNT: the form's
    bool alike;       ///< and of all whose type the form has the same
    int64_t r, c;
    bool scalar; ///< the operand has no axes
};

static inline uint32_t operand_count(const struct operand_form *f) {
    uint32_t n = 0;
    while (n < WEFT_MAX_INS && f->in[n]) n++;
    return n;
}

static const char *const operand_dtypes[WEFT_DTYPE_COUNT] = {
    [WEFT_F32] = "f32", [WEFT_F16] = "f16", [WEFT_BF16] = "bf16", [WEFT_I32] = "i32",   [WEFT_U32] = "u32",
    [WEFT_I8] = "i8",   [WEFT_U8] = "u8",   [WEFT_BOOL] = "bool", [WEFT_Q8_0] = "q8_0",
};

struct operand_type {
    weft_dtype dtype;
    int64_t dims[4], count;
    uint32_t rank;
    char shape[64];
};

static inline struct operand_type operand_type(const struct operand_graph *g, uint32_t slot) {
    const char *s = g->form->in[slot];
    struct operand_type t = {.count = 1};
    if (*s == '!' || *s == '$') s++;
    const char *own = g->form->in[g->slot];
    if (*own == '!' || *own == '$') own++;
    size_t name = strcspn(s, " ");
    while (strncmp(operand_dtypes[t.dtype], s, name) != 0 || operand_dtypes[t.dtype][name]) t.dtype++;
    bool same = strncmp(s, own, name) == 0 && own[name] == ' ';
    if (g->dtype != WEFT_DTYPE_COUNT && (slot == g->slot || (g->alike && same))) t.dtype = g->dtype;
    if (!(g->scalar && slot == g->slot))
        for (s += name; *s && *s != ']'; s++) {
            if (!strchr("RC0123456789", *s)) continue;
            int64_t times = 1, n = 0;
            for (; *s >= '0' && *s <= '9'; s++) n = n * 10 + *s - '0';
            if (*s == '*') times = n, s++;
            if (*s == 'R') n = g->r;
            if (*s == 'C') n = g->c;
            if (*s == ']' || *s == ',') s--;
            t.dims[t.rank++] = n * times;
        }
    size_t at = 0;
    t.shape[0] = 0;
    for (uint32_t i = 0; i < t.rank; i++) {
        at += (size_t)snprintf(t.shape + at, sizeof t.shape - at, "%s%lld", i ? ", " : "", (long long)t.dims[i]);
        t.count *= t.dims[i];
    }
    return t;
}

static inline void operand_const(struct weft_str *out, weft_dtype dtype, int64_t n) {
    const struct weft_dtype_info *info = weft_dtype_info(dtype);
    if (info->quantised || n == 0) {
        weft_str_add(out, " hex:");
        for (uint64_t i = 0; i < weft_dtype_bytes(dtype, (uint64_t)n); i++)
            weft_str_addf(out, "%02x", (unsigned)(i % info->block_bytes < 2 ? 0x30 : i * 7 % 50));
        return;
    }
    for (int64_t i = 0; i < n; i++)
        if (info->is_float) weft_str_addf(out, " %g", 0.25 * (double)(i * 5 % 7) - 0.5);
        else weft_str_addf(out, " %d", (int)(dtype == WEFT_BOOL ? i % 2 : i * 3 % 5));
}

/// A line that makes leaf NAME; false where there is none of this kind.
static inline bool operand_leaf(struct weft_str *out, enum operand_kind kind, const char *name, weft_dtype dtype,
                                const char *shape, int64_t n) {
    const char *type = operand_dtypes[dtype];
    bool word = dtype == WEFT_F32 || dtype == WEFT_I32 || dtype == WEFT_U32;
    switch (kind) {
    case OPERAND_INPUT: weft_str_addf(out, "input %s %s [%s]\n", name, type, shape); return true;
    case OPERAND_WEIGHT: weft_str_addf(out, "weight %s %s [%s]\n", name, type, shape); return true;
    case OPERAND_STATE: weft_str_addf(out, "state %s dense %s [%s]\n", name, type, shape); return true;
    case OPERAND_VAR:
        weft_str_addf(out, "var %s %s %s%s%s 0 9\n", name, type, *shape ? "[" : "", shape, *shape ? "]" : "");
        return word && (!*shape || (!strchr(shape, ',') && n > 0 && n <= WEFT_MAX_SEQUENCES));
    default:
        weft_str_addf(out, "const %%%s %s [%s]", name, type, shape);
        operand_const(out, dtype, n);
        weft_str_add(out, "\n");
        return true;
    }
}

/// Lines that make operand `slot`, named %NAME. Views of all but variables begin three elements into a larger leaf,
/// those of nine rows four, so that they may be read four at a time.
static inline bool operand_lines(struct weft_str *out, const struct operand_graph *g, uint32_t slot, const char *name) {
    struct operand_type t = operand_type(g, slot);
    char base = g->form->in[slot][0], leaf[16], flat[24];
    enum operand_kind kind = slot == g->slot ? g->kind : OPERAND_AS_IT_IS;
    if (kind == OPERAND_AS_IT_IS) kind = base == '!' ? OPERAND_STATE : base == '$' ? OPERAND_VAR : OPERAND_INPUT;
    if (kind < OPERAND_COMPUTED) return operand_leaf(out, kind, name, t.dtype, t.shape, t.count);
    snprintf(leaf, sizeof leaf, "l%s", name);
    if (kind == OPERAND_COMPUTED) {
        if (t.dtype > WEFT_BOOL) return false;
        weft_str_addf(out, "input %s f32 [%s]\n%%%s = cast %%%s {to=%s}\n", leaf, t.shape, name, leaf,
                      operand_dtypes[t.dtype]);
        return true;
    }
    kind -= OPERAND_VIEWS;
    bool packed = weft_dtype_info(t.dtype)->quantised;
    int64_t skip = g->r == 9 ? 4 : 3;
    snprintf(flat, sizeof flat, "%lld", (long long)(t.count + skip));
    if (kind == OPERAND_VAR || packed) {
        char more[80];
        snprintf(more, sizeof more, t.rank ? "1, %s" : "1", t.shape);
        if (kind == OPERAND_VAR && t.count != 1) return false;
        if (!operand_leaf(out, kind, leaf, t.dtype, kind == OPERAND_VAR ? "" : more, t.count)) return false;
        weft_str_addf(out, "%%%s = reshape %%%s {shape=[%s]}\n", name, leaf, t.shape);
        return true;
    }
    if (!operand_leaf(out, kind, leaf, t.dtype, flat, t.count + skip)) return false;
    weft_str_addf(out, "%%s%s = slice %%%s {start=%lld, len=%lld}\n%%%s = reshape %%s%s {shape=[%s]}\n", name, leaf,
                  (long long)skip, (long long)t.count, name, name, t.shape);
    return true;
}

/// The text, all outputs of the operator being outputs; false where the kind makes no sense. Whether the operator takes
/// it is for the parser to say.
static inline bool operand_text(struct weft_str *out, const struct operand_graph *g) {
    uint32_t n = operand_count(g->form), n_out = g->form->n_out ? g->form->n_out : 1;
    char name[8];
    out->len = 0;
    for (uint32_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "x%u", i);
        if (!operand_lines(out, g, i, name)) return false;
    }
    for (uint32_t k = 0; k < n_out; k++) weft_str_addf(out, "%%y%u ", k);
    weft_str_addf(out, "= %s", g->form->op);
    for (uint32_t i = 0; i < n; i++) weft_str_addf(out, " %%x%u", i);
    if (*g->form->attrs) {
        weft_str_add(out, " {");
        for (const char *s = g->form->attrs; *s; s++) {
            bool size = (*s == 'R' || *s == 'C') && strchr(" [,]", s[1]) && strchr("[ ,=", s[-1]);
            if (size) weft_str_addf(out, "%lld", (long long)(*s == 'R' ? g->r : g->c));
            else weft_str_addn(out, s, 1);
        }
        weft_str_add(out, "}");
    }
    weft_str_add(out, "\n");
    for (uint32_t k = 0; k < n_out; k++) weft_str_addf(out, "output %%y%u o%u\n", k, k);
    return true;
}

/// Calls `each` with every graph that the table gives.
static inline void operand_graphs(void (*each)(void *user, const struct operand_graph *g), void *user) {
    static const int64_t sizes[][2] = {{3, 8}, {3, 5}, {0, 8}, {3, 0}, {1, 1}, {9, 32}};
    for (size_t f = 0; f < sizeof operand_forms / sizeof *operand_forms; f++)
        for (uint32_t slot = 0; slot < operand_count(&operand_forms[f]); slot++)
            for (int kind = 0; kind < OPERAND_KINDS; kind++) {
                struct operand_graph g = {.form = &operand_forms[f],
                                          .slot = slot,
                                          .kind = (enum operand_kind)kind,
                                          .dtype = WEFT_DTYPE_COUNT};
                if (g.kind == OPERAND_VIEWS) continue; // views of what is as it is
                for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                    g.r = sizes[i][0], g.c = sizes[i][1];
                    each(user, &g);
                }
                g.r = 3, g.c = 5, g.scalar = true;
                each(user, &g);
                g.scalar = false;
                for (int d = 0; d < WEFT_DTYPE_COUNT && !g.form->brief; d++) {
                    if (!operand_dtypes[d]) continue;
                    g.dtype = (weft_dtype)d;
                    g.c = weft_dtype_info(g.dtype)->quantised ? 32 : 5;
                    for (int alike = 0; alike < 2; alike++) {
                        g.alike = alike;
                        each(user, &g);
                    }
                }
            }
}
#endif
