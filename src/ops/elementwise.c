/// Elementwise operators: unary, binary, compare, where, cast, with NumPy broadcasting.
///
/// One line of a table below is an operator: its name, what the host computes (in double; integers in 64 bits, then
/// wrapped to their type), and the WGSL that the region compiler makes kernels from, where all operands are f32 values.
/// What WGSL or a driver leaves open (a NaN in max, a negative base in pow, tanh of large values) goes through a
/// function of plan/scalar/.
///
/// Special values are C's. A NaN gives NaN in every operator of floats but pow, where x^0 = 1^y = 1; compares with NaN
/// are false, but `ne` is true; a NaN condition counts as true; a cast of NaN to an integer gives 0. Infinities go
/// through the formulas: silu and both gelu of -infinity are NaN, as -inf * 0 is. max and min choose either of two
/// zeros. A device may take subnormals of f32 for zeros, as operands and as results. Integers wrap; division
/// truncates, x / 0 = x, and the least integer divided by -1 is itself.
#include "core/alloc.h"
#include "core/error.h"
#include "core/half.h"
#include "ops/shape.h"
#include "plan/expr.h"

#include <math.h>
#include <string.h>

#define SQRT_HALF 0.70710678118654752440
#define SQRT_2_PI 0.79788456080286535588

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double max2(double x, double y) { return isnan(x) || x > y ? x : y; }
static double min2(double x, double y) { return isnan(x) || x < y ? x : y; }
static double clamp(double x, double lo, double hi) { return x < lo ? lo : x > hi ? hi : x; }
static double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }
static double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
static int64_t quotient(int64_t x, int64_t y) { return y ? x / y : x; }
static int64_t product(int64_t x, int64_t y) { return (int64_t)((uint64_t)x * (uint64_t)y); }

#define NONE WEFT_LAW_TWICE_IS_NONE
#define ONCE WEFT_LAW_TWICE_IS_ONCE
/// x + 0 is x of integers only: of floats -0 + 0 is 0, and -0 is what changes nothing.
static const struct weft_unit zero = {true, -0.0, 0}, right_zero = {false, 0, 0}, one = {true, 1, 1},
                              right_one = {false, 1, 1};

// clang-format off
//           name       host                                                      WGSL of $0   laws
#define FLOAT_UNARY(F)                                                                                                 \
    F(exp,       exp(x),                                                          "exp_c($0)", 0)                      \
    F(log,       log(x),                                                          "log_c($0)", 0)                      \
    F(sqrt,      sqrt(x),                                                         "sqrt($0)", 0)                       \
    F(rsqrt,     1 / sqrt(x),                                                     "inverseSqrt($0)", 0)                \
    F(recip,     1 / x,                                                           "(1.0 / $0)", 0)                     \
    F(tanh,      tanh(x),                                                         "tanh_safe($0)", 0)                  \
    F(sigmoid,   sigmoid(x),                                                      "sigmoid($0)", 0)                    \
    F(silu,      x * sigmoid(x),                                                  "silu($0)", 0)                       \
    F(softplus,  softplus(x),                                                     "softplus($0)", 0)                   \
    F(gelu,      0.5 * x * erfc(-x * SQRT_HALF),                                  "gelu_erf($0)", 0)                   \
    F(gelu_tanh, x * sigmoid(2 * SQRT_2_PI * (x + 0.044715 * x * x * x)),         "gelu_tanh($0)", 0)                  \
    F(hard_swish, x * clamp(x + 3, 0, 6) / 6,                                     "hard_swish($0)", 0)                 \
    F(relu,      x < 0 ? 0 : x,                                                   "relu($0)", ONCE)                    \
    F(sin,       sin(x),                                                          "sin_c($0)", 0)                      \
    F(cos,       cos(x),                                                          "cos_c($0)", 0)                      \
    F(floor,     floor(x),                                                        "floor($0)", ONCE)                   \
    F(ceil,      ceil(x),                                                         "ceil($0)", ONCE)                    \
    F(round,     rint(x),                                                         "round($0)", ONCE)

//           name    host      integers           WGSL          of i32        of u32   laws
#define NUMBER_UNARY(F)                                                                                                \
    F(neg,    -x,          -x,                         "(-$0)", "(-$0)", "(0u - $0)", NONE)                            \
    F(abs,    fabs(x),     x < 0 ? -x : x,              "abs($0)", "abs($0)", "$0", ONCE)                              \
    F(sign,   sign(x),     (x > 0) - (x < 0),           "sign_c($0)", "sign($0)", "min($0, 1u)", ONCE)                 \
    F(square, x * x,       product(x, x),               "($0 * $0)", "($0 * $0)", "($0 * $0)", 0)

//           name   host          integers          WGSL                of integers   operand 1 divides   unit
#define NUMBER_BINARY(F)                                                                                               \
    F(add,   x + y,         x + y,            "($0 + $1)", "($0 + $1)", false, &zero)                                  \
    F(sub,   x - y,         x - y,            "($0 - $1)", "($0 - $1)", false, &right_zero)                            \
    F(mul,   x * y,         product(x, y),    "($0 * $1)", "($0 * $1)", false, &one)                                   \
    F(div,   x / y,         quotient(x, y),   "div_c($0, $1)", "($0 / $1)", true, &right_one)                          \
    F(max,   max2(x, y),    x > y ? x : y,    "max_nan($0, $1)", "max($0, $1)", false, NULL)                           \
    F(min,   min2(x, y),    x < y ? x : y,    "min_nan($0, $1)", "min($0, $1)", false, NULL)
// clang-format on

#define FLOAT_BINARY(F) F(pow, pow(x, y), "pow_c($0, $1)", &right_one)

#define COMPARE(F)                                                                                                     \
    F(eq, x == y, "ordered($0, $1, $0 == $1)")                                                                         \
    F(ne, x != y, "differs($0, $1)")                                                                                   \
    F(lt, x < y, "ordered($0, $1, $0 < $1)")                                                                           \
    F(le, x <= y, "ordered($0, $1, $0 <= $1)")                                                                         \
    F(gt, x > y, "ordered($0, $1, $0 > $1)")                                                                           \
    F(ge, x >= y, "ordered($0, $1, $0 >= $1)")

// ---- types ----

static weft_status infer_type(struct weft_graph *g, const struct weft_type *in, uint32_t n_in, bool floats_only,
                              struct weft_type *out) {
    weft_dtype dtype = weft_ops_promote(in[0].dtype, in[n_in - 1].dtype);
    if (dtype == WEFT_DTYPE_COUNT || dtype == WEFT_BOOL || (floats_only && !weft_ops_is_float(dtype)))
        return weft_fail(WEFT_ERR_INVALID, "it takes operands of %s; cast them first",
                         floats_only ? "float types" : "one numeric type");
    out->dtype = dtype;
    return weft_ops_broadcast(g, in, n_in, out);
}

static weft_status infer_float(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                               const struct weft_attr *attrs, struct weft_type *out) {
    (void)attrs;
    return infer_type(g, in, n_in, true, out);
}

static weft_status infer_number(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                const struct weft_attr *attrs, struct weft_type *out) {
    (void)attrs;
    return infer_type(g, in, n_in, false, out);
}

static weft_status infer_compare(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                 const struct weft_attr *attrs, struct weft_type *out) {
    (void)attrs;
    if (in[0].dtype != WEFT_BOOL || in[1].dtype != WEFT_BOOL) WEFT_TRY(infer_type(g, in, n_in, false, out));
    out->dtype = WEFT_BOOL;
    return weft_ops_broadcast(g, in, n_in, out);
}

static weft_status infer_where(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                               const struct weft_attr *attrs, struct weft_type *out) {
    (void)attrs;
    out->dtype = weft_ops_promote(in[1].dtype, in[2].dtype);
    if (out->dtype == WEFT_DTYPE_COUNT || !weft_ops_is_plain(in[0].dtype))
        return weft_fail(WEFT_ERR_INVALID, "its two values differ in type; cast them to one type first");
    return weft_ops_broadcast(g, in, n_in, out);
}

static weft_status infer_cast(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                              const struct weft_attr *attrs, struct weft_type *out) {
    (void)g, (void)n_in;
    *out = in[0];                        // of quantised blocks too: that is how their elements are had
    out->dtype = (weft_dtype)attrs[0].i; // the choices stand in the order of weft_dtype
    return WEFT_OK;
}

// ---- host reference ----

typedef double (*float_fn)(double x, double y, double z);
typedef int64_t (*integer_fn)(int64_t x, int64_t y);

/// Position in each operand while the output is walked row by row.
struct walk {
    uint32_t n_in, rank;
    const double *data[3];
    double *owned[3];
    int64_t shape[WEFT_MAX_RANK], index[WEFT_MAX_RANK], strides[3][WEFT_MAX_RANK];
    int64_t at[3], rows, last;
};

static weft_status walk_begin(struct walk *w, const struct weft_eval *e) {
    const struct weft_host *out = &e->out[0];
    *w = (struct walk){.n_in = e->n_in, .rank = out->rank};
    weft_ops_rows(out, &w->rows, &w->last);
    memcpy(w->shape, out->shape, sizeof w->shape);
    for (uint32_t i = 0; i < e->n_in; i++) {
        w->data[i] = weft_ops_dense(&e->in[i], &w->owned[i]);
        if (!w->data[i]) return weft_fail(WEFT_ERR_NOMEM, "%s: no memory for operand %u", e->node->op->name, i);
        int64_t stride = 1;
        uint32_t missing = out->rank - e->in[i].rank;
        for (uint32_t axis = out->rank; axis-- > missing;) {
            int64_t n = e->in[i].shape[axis - missing];
            w->strides[i][axis] = n == 1 ? 0 : stride;
            stride *= n;
        }
    }
    return WEFT_OK;
}

static void walk_next(struct walk *w) {
    for (uint32_t axis = w->rank > 0 ? w->rank - 1 : 0; axis-- > 0;) {
        for (uint32_t i = 0; i < w->n_in; i++) w->at[i] += w->strides[i][axis];
        if (++w->index[axis] < w->shape[axis]) return;
        for (uint32_t i = 0; i < w->n_in; i++) w->at[i] -= w->strides[i][axis] * w->shape[axis];
        w->index[axis] = 0;
    }
}

static void walk_end(struct walk *w) {
    for (uint32_t i = 0; i < w->n_in; i++) weft_free(w->owned[i]);
}

static double wrap(weft_dtype dtype, int64_t x) {
    switch (dtype) {
    case WEFT_I32: return (int32_t)(uint32_t)(uint64_t)x;
    case WEFT_U32: return (uint32_t)(uint64_t)x;
    case WEFT_I8: return (int8_t)(uint8_t)(uint64_t)x;
    case WEFT_U8: return (uint8_t)(uint64_t)x;
    default: return (double)x;
    }
}

static weft_status map(const struct weft_eval *e, float_fn real, integer_fn integer) {
    struct walk w;
    weft_status status = walk_begin(&w, e);
    weft_dtype dtype = e->out[0].dtype;
    double *out = e->out[0].data;
    bool whole = integer && weft_ops_is_integer(dtype);
    uint32_t last_axis = w.rank ? w.rank - 1 : 0;
    for (int64_t r = 0; status == WEFT_OK && r < w.rows; r++, walk_next(&w))
        for (int64_t i = 0; i < w.last; i++, out++) {
            double x[3] = {0, 0, 0};
            for (uint32_t j = 0; j < w.n_in; j++) x[j] = w.data[j][w.at[j] + i * w.strides[j][last_axis]];
            *out = whole ? wrap(dtype, integer((int64_t)x[0], (int64_t)x[1])) : real(x[0], x[1], x[2]);
        }
    walk_end(&w);
    return status;
}

static double where(double condition, double x, double y) { return condition != 0 ? x : y; }
static weft_status eval_where(const struct weft_eval *e) { return map(e, where, NULL); }

/// Toward zero, to the type's range, NaN to 0.
static double saturate(double x, double lo, double hi) { return isnan(x) ? 0 : x < lo ? lo : x > hi ? hi : trunc(x); }

static double cast_value(weft_dtype to, double x) {
    switch (to) {
    case WEFT_F32: return (float)x;
    case WEFT_F16: return weft_f16_to_f32(weft_f32_to_f16((float)x));
    case WEFT_BF16: return weft_bf16_to_f32(weft_f32_to_bf16((float)x));
    case WEFT_I32: return saturate(x, INT32_MIN, INT32_MAX);
    case WEFT_U32: return saturate(x, 0, UINT32_MAX);
    case WEFT_I8: return saturate(x, INT8_MIN, INT8_MAX);
    case WEFT_U8: return saturate(x, 0, UINT8_MAX);
    case WEFT_BOOL: return x != 0;
    default: return x;
    }
}

static weft_status eval_cast(const struct weft_eval *e) {
    struct walk w;
    weft_status status = walk_begin(&w, e);
    for (int64_t i = 0; status == WEFT_OK && i < w.rows * w.last; i++)
        e->out[0].data[i] = cast_value((weft_dtype)e->attrs[0].i, w.data[0][i]);
    walk_end(&w);
    return status;
}

// ---- functions of scalars ----

// What docs/operators.md says of each.
#define DOC_exp "x -> y: e to the power of x"
#define DOC_log "x -> y: the natural logarithm"
#define DOC_sqrt "x -> y: the square root"
#define DOC_rsqrt "x -> y: 1 / sqrt(x)"
#define DOC_recip "x -> y: 1 / x"
#define DOC_tanh "x -> y: the hyperbolic tangent"
#define DOC_sigmoid "x -> y: 1 / (1 + exp(-x))"
#define DOC_silu "x -> y: x sigmoid(x)"
#define DOC_softplus "x -> y: log(1 + exp(x))"
#define DOC_gelu "x -> y: x times the normal distribution function of x"
#define DOC_gelu_tanh "x -> y: gelu, approximated by tanh"
#define DOC_hard_swish "x -> y: x times x + 3 held to 0 .. 6, divided by 6"
#define DOC_relu "x -> y: x where it is above 0, else 0"
#define DOC_sin "x -> y: the sine"
#define DOC_cos "x -> y: the cosine"
#define DOC_floor "x -> y: the next whole number below"
#define DOC_ceil "x -> y: the next whole number above"
#define DOC_round "x -> y: the nearest whole number, ties to even"
#define DOC_neg "x -> y: -x"
#define DOC_abs "x -> y: the magnitude"
#define DOC_sign "x -> y: -1, 0 or 1; a NaN stays"
#define DOC_square "x -> y: x times x"
#define DOC_add "a, b -> y: a + b"
#define DOC_sub "a, b -> y: a - b"
#define DOC_mul "a, b -> y: a times b"
#define DOC_div "a, b -> y: a / b; of integers toward zero, and a / 0 = a"
#define DOC_max "a, b -> y: the larger one; NaN if one is"
#define DOC_min "a, b -> y: the smaller one; NaN if one is"
#define DOC_pow "a, b -> y: a to the power of b, as C has it"
#define DOC_eq "a, b -> y: bool, a = b"
#define DOC_ne "a, b -> y: bool, a differs from b"
#define DOC_lt "a, b -> y: bool, a < b"
#define DOC_le "a, b -> y: bool, a <= b"
#define DOC_gt "a, b -> y: bool, a > b"
#define DOC_ge "a, b -> y: bool, a >= b"
#define DOC_where "c, a, b -> y: a where c is not 0, else b"

#define REAL(name, formula)                                                                                            \
    static double real_##name(double x, double y, double z) { return (void)x, (void)y, (void)z, (formula); }
#define WHOLE(name, formula)                                                                                           \
    static int64_t whole_##name(int64_t x, int64_t y) { return (void)x, (void)y, (formula); }                          \
    static double i32_##name(double x, double y, double z) {                                                           \
        return (void)z, wrap(WEFT_I32, whole_##name((int64_t)x, (int64_t)y));                                          \
    }                                                                                                                  \
    static double u32_##name(double x, double y, double z) {                                                           \
        return (void)z, wrap(WEFT_U32, whole_##name((int64_t)x, (int64_t)y));                                          \
    }
#define SCALAR(prefix, op, pattern, divide)                                                                            \
    static const struct weft_scalar scalar_##prefix##_##op = {                                                         \
        .name = #op, .wgsl = pattern, .host = prefix##_##op, .divides = divide};

// ---- the rows ----

#define ROW(op, arity, types, law, neutral, ...)                                                                       \
    const struct weft_op weft_op_##op = {.name = #op,                                                                  \
                                         .doc = DOC_##op,                                                              \
                                         .n_in_min = arity,                                                            \
                                         .n_in_max = arity,                                                            \
                                         .n_out = 1,                                                                   \
                                         .traits = WEFT_OP_ELEMENTWISE,                                                \
                                         .laws = law,                                                                  \
                                         .unit = neutral,                                                              \
                                         .infer = infer_##types,                                                       \
                                         .eval = eval_##op,                                                            \
                                         .scalar = {__VA_ARGS__}};
#define EVAL(name, whole)                                                                                              \
    static weft_status eval_##name(const struct weft_eval *e) { return map(e, real_##name, whole); }
#define NUMBERS(op, floats, signeds, unsigneds, divide)                                                                \
    SCALAR(real, op, floats, divide)                                                                                   \
    SCALAR(i32, op, signeds, divide)                                                                                   \
    SCALAR(u32, op, unsigneds, divide)

// clang-format off
#define FLOAT_UNARY_ROW(name, host, wgsl, laws)                                                                        \
    REAL(name, host) EVAL(name, NULL) SCALAR(real, name, wgsl, false)                                                  \
    ROW(name, 1, float, laws, NULL, &scalar_real_##name)
#define FLOAT_BINARY_ROW(name, host, wgsl, unit)                                                                       \
    REAL(name, host) EVAL(name, NULL) SCALAR(real, name, wgsl, false) ROW(name, 2, float, 0, unit, &scalar_real_##name)
#define NUMBER_UNARY_ROW(name, host, integers, wgsl, signeds, unsigneds, laws)                                         \
    REAL(name, host) WHOLE(name, integers) EVAL(name, whole_##name) NUMBERS(name, wgsl, signeds, unsigneds, false)     \
    ROW(name, 1, number, laws, NULL, &scalar_real_##name, &scalar_i32_##name, &scalar_u32_##name)
#define NUMBER_BINARY_ROW(name, host, integers, wgsl, whole, divide, unit)                                             \
    REAL(name, host) WHOLE(name, integers) EVAL(name, whole_##name) NUMBERS(name, wgsl, whole, whole, divide)          \
    ROW(name, 2, number, 0, unit, &scalar_real_##name, &scalar_i32_##name, &scalar_u32_##name)
#define COMPARE_ROW(name, host, wgsl)                                                                                  \
    REAL(name, host) WHOLE(name, host) EVAL(name, NULL)                                                                \
    NUMBERS(name, wgsl, "select(0.0, 1.0, " COMPARE_##name ")", "select(0.0, 1.0, " COMPARE_##name ")", false)         \
    ROW(name, 2, compare, 0, NULL, &scalar_real_##name, &scalar_i32_##name, &scalar_u32_##name)
// clang-format on
#define COMPARE_eq "$0 == $1"
#define COMPARE_ne "$0 != $1"
#define COMPARE_lt "$0 < $1"
#define COMPARE_le "$0 <= $1"
#define COMPARE_gt "$0 > $1"
#define COMPARE_ge "$0 >= $1"

FLOAT_UNARY(FLOAT_UNARY_ROW)
FLOAT_BINARY(FLOAT_BINARY_ROW)
NUMBER_UNARY(NUMBER_UNARY_ROW)
NUMBER_BINARY(NUMBER_BINARY_ROW)
COMPARE(COMPARE_ROW)

static double to_float(double x, double y, double z) { return (void)y, (void)z, (float)x; }
static const struct weft_scalar scalar_float = {.name = "f32", .wgsl = "f32($0)", .host = to_float};
static const struct weft_scalar scalar_where = {.name = "where", .wgsl = "select($2, $1, is_true($0))", .host = where};

static uint32_t expr_where(struct weft_expr *e, const struct weft_node *n, uint32_t out, const struct weft_at *at) {
    uint32_t x[3];
    (void)out;
    for (uint32_t i = 0; i < 3; i++) x[i] = weft_x_value(e, n->in[i], at);
    if (e->x[x[0]].type != WEFT_X_F32) x[0] = weft_x_call1(e, &scalar_float, WEFT_X_F32, x[0]); // only 0 counts
    return weft_x_call(e, &scalar_where, (enum weft_xtype)e->x[x[1]].type, x, 3);
}

const struct weft_op weft_op_where = {.name = "where",
                                      .doc = DOC_where,
                                      .n_in_min = 3,
                                      .n_in_max = 3,
                                      .n_out = 1,
                                      .traits = WEFT_OP_ELEMENTWISE,
                                      .infer = infer_where,
                                      .eval = eval_where,
                                      .expr = expr_where};

// ---- cast ----

#define CAST(type, TYPE)                                                                                               \
    static double cast_##type(double x, double y, double z) { return (void)y, (void)z, cast_value(TYPE, x); }
// clang-format off
CAST(f16, WEFT_F16) CAST(bf16, WEFT_BF16) CAST(i32, WEFT_I32) CAST(u32, WEFT_U32) CAST(i8, WEFT_I8) CAST(u8, WEFT_U8)
CAST(bool, WEFT_BOOL)
    // clang-format on

    /// By the type that operators compute in, and the target. An entry without text: the value stays as it is.
    static const struct weft_scalar casts[3][WEFT_BOOL + 1] = {
        [WEFT_X_F32] = {[WEFT_F16] = {.name = "f16", .wgsl = "round_f16($0)", .host = cast_f16},
                        [WEFT_BF16] = {.name = "bf16", .wgsl = "round_bf16($0)", .host = cast_bf16},
                        [WEFT_I32] = {.name = "i32", .wgsl = "to_i32($0)", .host = cast_i32},
                        [WEFT_U32] = {.name = "u32", .wgsl = "to_u32($0)", .host = cast_u32},
                        [WEFT_I8] = {.name = "i8", .wgsl = "clamp(to_i32($0), -128, 127)", .host = cast_i8},
                        [WEFT_U8] = {.name = "u8", .wgsl = "min(to_u32($0), 255u)", .host = cast_u8},
                        [WEFT_BOOL] = {.name = "bool", .wgsl = "to_bool($0)", .host = cast_bool}},
        [WEFT_X_I32] = {[WEFT_U32] = {.name = "u32", .wgsl = "u32(max($0, 0))", .host = cast_u32},
                        [WEFT_I8] = {.name = "i8", .wgsl = "clamp($0, -128, 127)", .host = cast_i8},
                        [WEFT_U8] = {.name = "u8", .wgsl = "u32(clamp($0, 0, 255))", .host = cast_u8},
                        [WEFT_BOOL] = {.name = "bool", .wgsl = "select(1.0, 0.0, $0 == 0)", .host = cast_bool}},
        [WEFT_X_U32] = {[WEFT_I32] = {.name = "i32", .wgsl = "i32(min($0, 2147483647u))", .host = cast_i32},
                        [WEFT_I8] = {.name = "i8", .wgsl = "i32(min($0, 127u))", .host = cast_i8},
                        [WEFT_U8] = {.name = "u8", .wgsl = "min($0, 255u)", .host = cast_u8},
                        [WEFT_BOOL] = {.name = "bool", .wgsl = "select(1.0, 0.0, $0 == 0u)", .host = cast_bool}},
};

static uint32_t expr_cast(struct weft_expr *e, const struct weft_node *n, uint32_t out, const struct weft_at *at) {
    weft_dtype to = (weft_dtype)n->attrs[0].i; // the choices stand in the order of weft_dtype
    uint32_t x = weft_x_value(e, n->in[0], at);
    (void)out;
    if (e->x[x].type != WEFT_X_F32 && (to == WEFT_F32 || to == WEFT_F16 || to == WEFT_BF16))
        x = weft_x_call1(e, &scalar_float, WEFT_X_F32, x);
    const struct weft_scalar *fn = &casts[e->x[x].type][to];
    return fn->wgsl ? weft_x_call1(e, fn, weft_x_type_of(to), x) : x;
}

const struct weft_op weft_op_cast = {
    .name = "cast",
    .doc = "x -> y: the values as another type; floats to integers toward zero, clamped to their range, NaN to 0",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .traits = WEFT_OP_ELEMENTWISE,
    .laws = WEFT_LAW_SAME_TYPE,
    .attrs = {{.name = "to", .type = WEFT_ATTR_ENUM, .required = true, .choices = "f32|f16|bf16|i32|u32|i8|u8|bool"}},
    .infer = infer_cast,
    .eval = eval_cast,
    .expr = expr_cast,
};
