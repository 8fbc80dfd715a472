/// The table of special values: every elementwise operator and every reduction over NaN, infinities, signed zeros,
/// subnormals, the ends of the types, against C. test_special.c holds the host reference to it, test_gpu_special.c
/// every configuration; both fail for an operator of ops.def that has no row.
///
/// A device may take subnormals of f32 for zeros, as operands and as results: such a result is right if it is what C
/// gives for one of these readings.
#ifndef WEFT_TEST_OPS_SPECIAL_H
#define WEFT_TEST_OPS_SPECIAL_H
#include "core/error.h"
#include "core/half.h"
#include "exec/session.h"
#include "ops/ops.h"
#include "support/graph_run.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

// ---- values --------------------------------------------------------------------------------------------------------

static const uint32_t special_bits[] = {
    0x7fc00000, 0xffc00000, 0x7f800001, 0xffffffff, 0x7fa00123, // NaNs: quiet, of both signs, with payloads
    0x7f800000, 0xff800000, 0x00000000, 0x80000000,             // infinities, zeros
    0x00000001, 0x80000001, 0x000116c2, 0x807fffff,             // subnormals
    0x00800000, 0x80800000, 0x7f7fffff, 0xff7fffff,             // least normal, largest
};
// clang-format off
static const float special_numbers[] = {
    1, -1, 0.5f, -0.5f, 1.5f, -1.5f, 2.5f, -2.5f, 2, -2, 3, -3, 0.25f, 0.0625f, -7, 10, -100, 100, 88.5f, -87.5f, 89,
    -89, -103.5f, 104, -1000, 13.5f, -13.5f, 5, -5, 1e-4f, -1e-4f, 1e-20f, -1e-20f, 1e-30f, 1e30f, -1e30f, 1e20f, 65504,
    65519.996f, 65520, -70000, 5.9604645e-8f, 2.9802322e-8f, 6.1e-5f, 127.9f, -128.9f, 255.5f, -0.9f, 8388609, 16777216,
    16777218, 33554436, 2147483520, 2147483648, -2147483648.0f, 4294967040, 4294967296, -1e10f, 1e10f, 3.1415927f,
    1.5707964f, -0.99999994f, 1.0000001f, 1e38f, 2e38f, -1.2e-38f,
};
// clang-format on
enum {
    SPECIAL_BITS = sizeof special_bits / sizeof *special_bits,
    SPECIAL_N = SPECIAL_BITS + sizeof special_numbers / sizeof *special_numbers,
};
static const int64_t special_ints[] = {
    0,    1,   -1,  2,     -2,     3,     -7,       100,       -100,       127,        128,         -128,
    -129, 255, 256, 46341, -46341, 65536, 16777217, -16777217, 1073741824, 2147483647, -2147483647, -2147483648};
enum { SPECIAL_INTS = sizeof special_ints / sizeof *special_ints };

static inline float special_float(uint32_t i) {
    float f;
    if (i >= SPECIAL_BITS) return special_numbers[i - SPECIAL_BITS];
    memcpy(&f, &special_bits[i], 4);
    return f;
}

// ---- what C gives --------------------------------------------------------------------------------------------------

/// rel: of the result. low: absolute, where a result is far below 1. signs: of a zero too.
struct special_row {
    const char *op;
    double (*want)(double x, double y);
    double rel, low;
    bool signs;
};

static double special_sigmoid(double x) { return 1 / (1 + exp(-x)); }
#define UNARY(name, formula)                                                                                           \
    static double want_##name(double x, double y) { return (void)y, (formula); }
#define BINARY(name, formula)                                                                                          \
    static double want_##name(double x, double y) { return (formula); }
UNARY(exp, exp(x))
UNARY(log, log(x))
UNARY(sqrt, sqrt(x))
UNARY(rsqrt, 1 / sqrt(x))
UNARY(recip, 1 / x)
UNARY(tanh, tanh(x))
UNARY(sigmoid, special_sigmoid(x))
UNARY(silu, x *special_sigmoid(x))
UNARY(softplus, x > 30 ? x : log1p(exp(x)))
UNARY(gelu, x *(x > 0 ? 1 - 0.5 * erfc(x * 0.70710678118654752440) : 0.5 * erfc(-x * 0.70710678118654752440)))
UNARY(gelu_tanh, x *special_sigmoid(2 * 0.79788456080286535588 * (x + 0.044715 * x * x * x)))
UNARY(hard_swish, x *fmin(fmax(x + 3, 0), 6) / 6)
UNARY(relu, x < 0 ? 0 : x)
UNARY(sin, sin(x))
UNARY(cos, cos(x))
UNARY(floor, floor(x))
UNARY(ceil, ceil(x))
UNARY(round, nearbyint(x))
UNARY(neg, -x)
UNARY(abs, fabs(x))
UNARY(sign, isnan(x) || x == 0 ? x : copysign(1, x))
UNARY(square, x *x)
BINARY(add, x + y)
BINARY(sub, x - y)
BINARY(mul, x *y)
BINARY(div, x / y)
BINARY(max, isnan(x) || isnan(y) ? NAN : fmax(x, y))
BINARY(min, isnan(x) || isnan(y) ? NAN : fmin(x, y))
BINARY(pow, pow(x, y))
BINARY(eq, x == y)
BINARY(ne, x != y)
BINARY(lt, isless(x, y))
BINARY(le, islessequal(x, y))
BINARY(gt, isgreater(x, y))
BINARY(ge, isgreaterequal(x, y))

#define ROW(name, ...)                                                                                                 \
    { #name, want_##name, __VA_ARGS__ }
static const struct special_row special_unary[] = {
    ROW(exp, 2.4e-5, 0, true),
    ROW(log, 5e-7, 5e-7, false),
    ROW(sqrt, 5e-7, 0, true),
    ROW(rsqrt, 5e-7, 0, true),
    ROW(recip, 3e-7, 0, true),
    ROW(tanh, 4e-6, 0, true),
    ROW(sigmoid, 2.4e-5, 0, true),
    ROW(silu, 2.4e-5, 3e-37, true),
    ROW(softplus, 2.4e-5, 0, true),
    ROW(gelu, 2e-5, 2e-36, true),
    ROW(gelu_tanh, 2.4e-5, 1e-36, true),
    ROW(relu, 0, 0, true),
    ROW(sin, 3e-7, 3e-7, true),
    ROW(cos, 3e-7, 3e-7, true),
    ROW(floor, 0, 0, true),
    ROW(ceil, 0, 0, true),
    ROW(round, 0, 0, true),
    ROW(neg, 0, 0, true),
    ROW(abs, 0, 0, true),
    ROW(sign, 0, 0, true),
    ROW(square, 1.2e-7, 0, true),
    ROW(hard_swish, 4e-7, 0, true),
};
static const struct special_row special_binary[] = {
    ROW(add, 1.2e-7, 0, true), ROW(sub, 1.2e-7, 0, true), ROW(mul, 1.2e-7, 0, true), ROW(div, 3e-7, 0, true),
    ROW(max, 0, 0, false),     ROW(min, 0, 0, false),     ROW(pow, 3e-7, 0, true),   ROW(eq, 0, 0, true),
    ROW(ne, 0, 0, true),       ROW(lt, 0, 0, true),       ROW(le, 0, 0, true),       ROW(gt, 0, 0, true),
    ROW(ge, 0, 0, true),
};
#undef UNARY
#undef BINARY
#undef ROW
enum {
    SPECIAL_UNARY = sizeof special_unary / sizeof *special_unary,
    SPECIAL_BINARY = sizeof special_binary / sizeof *special_binary,
    FIRST_COMPARE = SPECIAL_BINARY - 6,
};

static inline bool special_tiny(double x) { return x != 0 && fabs(x) < FLT_MIN; }

/// Whether `got` is the value `want`, which is rounded to f32 first.
static inline bool special_equal(const struct special_row *row, double want, double got) {
    want = (float)want;
    if (isnan(want) || isnan(got)) return isnan(want) && isnan(got);
    if (isinf(want) || isinf(got)) return want == got;
    if (want == 0 && got == 0) return !row->signs || signbit(want) == signbit(got);
    if (fabs(want) <= FLT_MIN && fabs(got) <= FLT_MIN) return true; // also what rounding makes the least normal of
    double room = row->rel * fabs(want);
    return fabs(got - want) <= (room > row->low ? room : row->low);
}

/// Whether a device may answer `got` for x and y: each that is subnormal may stand for zero.
static inline bool special_right(const struct special_row *row, double x, double y, double got) {
    for (int reading = 0; reading < 4; reading++) {
        double a = (reading & 1) && special_tiny(x) ? copysign(0, x) : x,
               b = (reading & 2) && special_tiny(y) ? copysign(0, y) : y;
        struct special_row r = *row;
        if (a != x || b != y) r.signs = false;
        if (special_equal(&r, row->want(a, b), got)) return true;
    }
    return false;
}

// ---- running a graph -----------------------------------------------------------------------------------------------

/// An input or output of a graph: f32 or a 32-bit integer as it lies in memory, f16 as 16 bits.
struct special_io {
    const char *name;
    void *data;
    uint64_t count;
    weft_dtype dtype;
};

static inline uint64_t special_bytes(const struct special_io *io) {
    return (io->count * (io->dtype == WEFT_F16 ? 2 : 4) + 3) & ~(uint64_t)3;
}

static inline weft_status special_device(weft_gpu *gpu, struct weft_graph *g, const struct special_io *io, size_t n_in,
                                         size_t n, int no_fuse) {
    weft_program *p = NULL;
    weft_session *s = NULL;
    struct weft_program_params params = {.compile = {.no_fuse = no_fuse}};
    weft_status status = weft_program_create(gpu, g, &params, &p);
    if (status == WEFT_OK) status = weft_session_create(p, NULL, &s);
    for (size_t i = 0; status == WEFT_OK && i < n_in; i++)
        status = weft_session_write(s, io[i].name, 0, io[i].data, special_bytes(&io[i]));
    if (status == WEFT_OK) status = weft_session_run(s, 1, NULL);
    for (size_t i = n_in; status == WEFT_OK && i < n; i++)
        status = weft_session_read(s, io[i].name, 0, io[i].data, special_bytes(&io[i]));
    weft_session_destroy(&s);
    weft_program_destroy(&p);
    return status;
}

struct special_host {
    const struct special_io *io;
    size_t n_in, n;
    double *values[4];
};

static inline double special_load(const struct special_io *io, uint64_t i) {
    switch (io->dtype) {
    case WEFT_F32: return ((const float *)io->data)[i];
    case WEFT_F16: return weft_f16_to_f32(((const uint16_t *)io->data)[i]);
    case WEFT_U32: return ((const uint32_t *)io->data)[i];
    default: return ((const int32_t *)io->data)[i];
    }
}

static inline void special_store(const struct special_io *io, uint64_t i, double x) {
    switch (io->dtype) {
    case WEFT_F32: ((float *)io->data)[i] = (float)x; break;
    case WEFT_F16: ((uint16_t *)io->data)[i] = weft_f32_to_f16((float)x); break;
    case WEFT_U32: ((uint32_t *)io->data)[i] = (uint32_t)x; break;
    default: ((int32_t *)io->data)[i] = (int32_t)x;
    }
}

static inline weft_status special_leaf(void *user, weft_value v, const struct weft_value_info *info,
                                       struct weft_host *t) {
    struct special_host *h = user;
    (void)v;
    for (size_t i = 0; i < h->n_in; i++)
        if (strcmp(h->io[i].name, info->name) == 0) t->data = h->values[i];
    return WEFT_OK;
}

static inline weft_status special_each(void *user, weft_value v, const struct weft_value_info *info,
                                       const struct weft_host *t) {
    struct special_host *h = user;
    (void)v;
    for (size_t i = h->n_in; info->is_output && i < h->n; i++)
        for (uint64_t k = 0; strcmp(h->io[i].name, info->output_name) == 0 && k < h->io[i].count; k++)
            special_store(&h->io[i], k, t->data[k]);
    return WEFT_OK;
}

static inline weft_status special_on_host(struct weft_graph *g, const struct special_io *io, size_t n_in, size_t n) {
    static double values[4][65536];
    static const int64_t none[WEFT_MAX_SYMBOLS];
    struct special_host h = {.io = io, .n_in = n_in, .n = n};
    for (size_t i = 0; i < n_in; i++) {
        h.values[i] = values[i];
        for (uint64_t k = 0; k < io[i].count; k++) values[i][k] = special_load(&io[i], k);
    }
    struct weft_eval_params params = {.symbols = none, .leaf = special_leaf, .each = special_each, .user = &h};
    return weft_graph_eval(g, &params);
}

/// Runs `text` on the device, or by the host reference where gpu is NULL; io holds n_in inputs, then outputs. Returns
/// false after printing why it did not.
static inline bool special_run(weft_gpu *gpu, const char *text, const struct special_io *io, size_t n_in, size_t n,
                               int no_fuse) {
    struct weft_graph *g = NULL;
    weft_status status = weft_graph_parse(weft_ops(), text, strlen(text), &g);
    if (status == WEFT_OK && gpu) {
        status = special_device(gpu, g, io, n_in, n, no_fuse); // takes the graph
    } else if (status == WEFT_OK) {
        status = special_on_host(g, io, n_in, n);
        weft_graph_destroy(g);
    }
    if (status != WEFT_OK) printf("%s\n%s\n", text, weft_error_message());
    return status == WEFT_OK;
}
#endif
