/// The cases of the table of special values, on a device or (gpu NULL) by the host reference. Each returns how many
/// results were wrong, and prints the first of them.
#ifndef WEFT_TEST_OPS_SPECIAL_CASES_H
#define WEFT_TEST_OPS_SPECIAL_CASES_H
#include "special.h"

enum { MOST_SHOWN = 8 };

/// Tells the first few wrong results: op(x, y), or an element of a row by two numbers.
static inline void special_say(int bad, const char *op, double x, double y, double got, double want) {
    if (bad < MOST_SHOWN) printf("%s(%.9g, %.9g) is %.9g, not %.9g\n", op, x, y, got, want);
}

// ---- floats --------------------------------------------------------------------------------------------------------

static inline int special_unary_floats(weft_gpu *gpu, int no_fuse) {
    static float x[SPECIAL_N], y[SPECIAL_UNARY][SPECIAL_N];
    struct special_io io[1 + SPECIAL_UNARY] = {{"x", x, SPECIAL_N, WEFT_F32}};
    char text[4096];
    int bad = 0, len = snprintf(text, sizeof text, "input x f32 [%d]\n", (int)SPECIAL_N);
    for (uint32_t i = 0; i < SPECIAL_N; i++) x[i] = special_float(i);
    for (int k = 0; k < SPECIAL_UNARY; k++) {
        const char *op = special_unary[k].op;
        len += snprintf(text + len, sizeof text - (size_t)len, "%%%d = %s %%x\noutput %%%d y_%s\n", k, op, k, op);
    }
    char names[SPECIAL_UNARY][32];
    for (int k = 0; k < SPECIAL_UNARY; k++) {
        snprintf(names[k], sizeof names[k], "y_%s", special_unary[k].op);
        io[1 + k] = (struct special_io){names[k], y[k], SPECIAL_N, WEFT_F32};
    }
    if (!special_run(gpu, text, io, 1, 1 + SPECIAL_UNARY, no_fuse)) return 1;
    for (int k = 0; k < SPECIAL_UNARY; k++)
        for (uint32_t i = 0; i < SPECIAL_N; i++)
            if (!special_right(&special_unary[k], x[i], 0, y[k][i]))
                special_say(bad++, special_unary[k].op, x[i], 0, y[k][i], special_unary[k].want(x[i], 0));
    return bad;
}

/// All pairs. Truth values are read as floats.
static inline int special_binary_floats(weft_gpu *gpu, int no_fuse) {
    static float x[SPECIAL_N], z[SPECIAL_BINARY][SPECIAL_N * SPECIAL_N];
    struct special_io io[2 + SPECIAL_BINARY] = {{"x", x, SPECIAL_N, WEFT_F32}, {"y", x, SPECIAL_N, WEFT_F32}};
    char text[4096];
    int bad = 0,
        len = snprintf(text, sizeof text, "input x f32 [%d, 1]\ninput y f32 [%d]\n", (int)SPECIAL_N, (int)SPECIAL_N);
    for (uint32_t i = 0; i < SPECIAL_N; i++) x[i] = special_float(i);
    char names[SPECIAL_BINARY][32];
    for (int k = 0; k < SPECIAL_BINARY; k++) {
        const char *op = special_binary[k].op;
        snprintf(names[k], sizeof names[k], "z_%s", op);
        len += snprintf(text + len, sizeof text - (size_t)len, "%%%d = %s %%x %%y\n", k, op);
        if (k >= FIRST_COMPARE)
            len += snprintf(text + len, sizeof text - (size_t)len, "%%f%d = cast %%%d {to=f32}\noutput %%f%d %s\n", k,
                            k, k, names[k]);
        else len += snprintf(text + len, sizeof text - (size_t)len, "output %%%d %s\n", k, names[k]);
        io[2 + k] = (struct special_io){names[k], z[k], SPECIAL_N * SPECIAL_N, WEFT_F32};
    }
    if (!special_run(gpu, text, io, 2, 2 + SPECIAL_BINARY, no_fuse)) return 1;
    for (int k = 0; k < SPECIAL_BINARY; k++)
        for (uint32_t i = 0; i < SPECIAL_N * SPECIAL_N; i++) {
            float a = x[i / SPECIAL_N], b = x[i % SPECIAL_N];
            if (!special_right(&special_binary[k], a, b, z[k][i]))
                special_say(bad++, special_binary[k].op, a, b, z[k][i], special_binary[k].want(a, b));
        }
    return bad;
}

/// What compilers fold away: NaN times a constant 0, equal operands. And special values as constants of the graph.
static inline int special_constants(weft_gpu *gpu) {
    enum { N = SPECIAL_N, OUTPUTS = 10 };
    static float x[N], y[OUTPUTS][N];
    static const struct special_row near = {"constants", NULL, 1.2e-7, 0, false};
    static const char *const names[OUTPUTS] = {"x * 0",   "-0 * x", "max(x, nan)", "min(x, inf)", "x + 0",
                                               "x < inf", "x - x",  "x / x",       "x == x",      "max(x, x)"};
    static const char *const nodes[OUTPUTS] = {"mul %x %z", "mul %m %x", "max %x %n", "min %x %i", "add %x %z",
                                               "lt %x %i",  "sub %x %x", "div %x %x", "eq %x %x",  "max %x %x"};
    struct special_io io[1 + OUTPUTS] = {{"x", x, N, WEFT_F32}};
    char text[1024], outputs[OUTPUTS][8];
    int bad = 0, len = snprintf(text, sizeof text,
                                "input x f32 [%d]\nconst %%z f32 [] 0\nconst %%m f32 [] -0\n"
                                "const %%n f32 [] nan\nconst %%i f32 [] inf\n",
                                (int)N);
    for (int k = 0; k < OUTPUTS; k++) {
        snprintf(outputs[k], sizeof outputs[k], "y%d", k);
        len += snprintf(text + len, sizeof text - (size_t)len,
                        "%%%d = %s\n%%f%d = cast %%%d {to=f32}\n"
                        "output %%f%d %s\n",
                        k, nodes[k], k, k, k, outputs[k]);
        io[1 + k] = (struct special_io){outputs[k], y[k], N, WEFT_F32};
    }
    for (uint32_t i = 0; i < N; i++) x[i] = special_float(i);
    if (!special_run(gpu, text, io, 1, 1 + OUTPUTS, 0)) return 1;
    for (uint32_t i = 0; i < N; i++) {
        double v = x[i], want[OUTPUTS] = {v * 0.0, v * -0.0, NAN, v, v, isless(v, INFINITY), v - v, v / v, v == v, v};
        for (int k = 0; k < OUTPUTS; k++) {
            bool flushed = k == 7 && special_tiny(v) && isnan(y[k][i]);
            if (!flushed && !special_equal(&near, want[k], y[k][i]))
                special_say(bad++, names[k], x[i], 0, y[k][i], want[k]);
        }
    }
    return bad;
}

/// Conditions, and casts of floats to every type, read back as floats or integers.
static inline double special_saturate(double x, double lo, double hi) {
    return isnan(x) ? 0 : x < lo ? lo : x > hi ? hi : trunc(x);
}

static inline int special_casts(weft_gpu *gpu) {
    static float x[SPECIAL_N], y[4][SPECIAL_N];
    static int32_t s[4][SPECIAL_N];
    static uint32_t u[SPECIAL_N];
    struct special_io io[] = {
        {"x", x, SPECIAL_N, WEFT_F32},       {"f16", y[0], SPECIAL_N, WEFT_F32},   {"bf16", y[1], SPECIAL_N, WEFT_F32},
        {"bool", y[2], SPECIAL_N, WEFT_F32}, {"where", y[3], SPECIAL_N, WEFT_F32}, {"i32", s[0], SPECIAL_N, WEFT_I32},
        {"i8", s[1], SPECIAL_N, WEFT_I32},   {"u8", s[2], SPECIAL_N, WEFT_I32},    {"u32", u, SPECIAL_N, WEFT_U32}};
    enum { N_IO = sizeof io / sizeof *io };
    static const struct special_row exact = {"cast", NULL, 0, 0, false};
    char text[1024];
    int bad = 0;
    snprintf(text, sizeof text,
             "input x f32 [%d]\nconst %%t f32 [] 3\nconst %%e f32 [] 5\n%%0 = cast %%x {to=f16}\n"
             "%%1 = cast %%0 {to=f32}\n%%2 = cast %%x {to=bf16}\n%%3 = cast %%2 {to=f32}\n%%4 = cast %%x {to=bool}\n"
             "%%5 = cast %%4 {to=f32}\n%%6 = where %%x %%t %%e\n%%7 = cast %%x {to=i32}\n%%8 = cast %%x {to=i8}\n"
             "%%9 = cast %%8 {to=i32}\n%%10 = cast %%x {to=u8}\n%%11 = cast %%10 {to=i32}\n%%12 = cast %%x {to=u32}\n"
             "output %%1 f16\noutput %%3 bf16\noutput %%5 bool\noutput %%6 where\noutput %%7 i32\noutput %%9 i8\n"
             "output %%11 u8\noutput %%12 u32\n",
             (int)SPECIAL_N);
    for (uint32_t i = 0; i < SPECIAL_N; i++) x[i] = special_float(i);
    if (!special_run(gpu, text, io, 1, N_IO, 0)) return 1;
    for (uint32_t i = 0; i < SPECIAL_N; i++) {
        const double want[] = {weft_f16_to_f32(weft_f32_to_f16(x[i])),
                               weft_bf16_to_f32(weft_f32_to_bf16(x[i])),
                               x[i] != 0,
                               x[i] != 0 ? 3 : 5,
                               special_saturate(x[i], INT32_MIN, INT32_MAX),
                               special_saturate(x[i], -128, 127),
                               special_saturate(x[i], 0, 255),
                               special_saturate(x[i], 0, UINT32_MAX)};
        for (int k = 1; k < N_IO; k++)
            if (io[k].dtype == WEFT_F32 ? !special_equal(&exact, want[k - 1], special_load(&io[k], i))
                                        : special_load(&io[k], i) != want[k - 1])
                special_say(bad++, io[k].name, x[i], 0, special_load(&io[k], i), want[k - 1]);
    }
    return bad;
}

/// Every half through a cast to f16, to f32, neg, abs, relu, and a sum with itself that may overflow.
static inline int special_halves(weft_gpu *gpu) {
    enum { HALVES = 65536 };
    static uint16_t x[HALVES], h[5][HALVES];
    static float f[HALVES];
    struct special_io io[] = {{"x", x, HALVES, WEFT_F16},       {"cast", h[0], HALVES, WEFT_F16},
                              {"neg", h[1], HALVES, WEFT_F16},  {"abs", h[2], HALVES, WEFT_F16},
                              {"relu", h[3], HALVES, WEFT_F16}, {"twice", h[4], HALVES, WEFT_F16},
                              {"f32", f, HALVES, WEFT_F32}};
    int bad = 0;
    for (uint32_t i = 0; i < HALVES; i++) x[i] = (uint16_t)i;
    if (!special_run(gpu,
                     "input x f16 [65536]\n%0 = cast %x {to=f16}\n%1 = neg %x\n%2 = abs %x\n%3 = relu %x\n"
                     "%4 = add %x %x\n%5 = cast %x {to=f32}\noutput %0 cast\noutput %1 neg\noutput %2 abs\n"
                     "output %3 relu\noutput %4 twice\noutput %5 f32\n",
                     io, 1, 7, 0))
        return 1;
    for (uint32_t i = 0; i < HALVES; i++) {
        float v = weft_f16_to_f32((uint16_t)i);
        const float want[] = {v, -v, fabsf(v), v < 0 ? 0 : v, weft_f16_to_f32(weft_f32_to_f16(v + v)), v};
        for (int k = 0; k < 6; k++) {
            double got = special_load(&io[1 + k], i);
            if (isnan(v) ? !isnan(got) : got != want[k]) special_say(bad++, io[1 + k].name, v, 0, got, want[k]);
        }
    }
    return bad;
}

// ---- integers ------------------------------------------------------------------------------------------------------

static inline int64_t special_wrap(const char *type, int64_t x) {
    if (strcmp(type, "i32") == 0) return (int32_t)(uint32_t)(uint64_t)x;
    if (strcmp(type, "u32") == 0) return (uint32_t)(uint64_t)x;
    if (strcmp(type, "i8") == 0) return (int8_t)(uint8_t)(uint64_t)x;
    return (uint8_t)(uint64_t)x;
}

enum { INT_OPS = 16 };
static const char *const special_int_ops[INT_OPS] = {"neg", "abs", "sign", "square", "add", "sub", "mul", "div",
                                                     "max", "min", "eq",   "ne",     "lt",  "le",  "gt",  "ge"};

static inline int64_t special_int_want(int op, int64_t x, int64_t y) {
    const int64_t results[INT_OPS] = {-x,
                                      x < 0 ? -x : x,
                                      (x > 0) - (x < 0),
                                      (int64_t)((uint64_t)x * (uint64_t)x),
                                      x + y,
                                      x - y,
                                      (int64_t)((uint64_t)x * (uint64_t)y),
                                      y ? x / y : x,
                                      x > y ? x : y,
                                      x < y ? x : y,
                                      x == y,
                                      x != y,
                                      x<y, x <= y, x>
                                          y,
                                      x >= y};
    return results[op];
}

/// All pairs of the ends of one integer type, through i32 (bytes are cast from it and to it), and where of integers.
static inline int special_integers(weft_gpu *gpu, const char *type) {
    enum { PAIRS = SPECIAL_INTS * SPECIAL_INTS };
    static int32_t x[SPECIAL_INTS], z[INT_OPS + 1][PAIRS];
    weft_dtype dtype = type[0] == 'u' && type[1] == '3' ? WEFT_U32 : WEFT_I32;
    bool byte = type[1] == '8';
    struct special_io io[3 + INT_OPS] = {{"x", x, SPECIAL_INTS, dtype}, {"y", x, SPECIAL_INTS, dtype}};
    char text[4096], names[INT_OPS + 1][32];
    const char *whole = dtype == WEFT_U32 ? "u32" : "i32";
    int bad = 0, len = snprintf(text, sizeof text,
                                "input x %s [%d, 1]\ninput y %s [%d]\n%%a = cast %%x {to=%s}\n"
                                "%%b = cast %%y {to=%s}\n",
                                whole, (int)SPECIAL_INTS, whole, (int)SPECIAL_INTS, type, type);
    for (uint32_t i = 0; i < SPECIAL_INTS; i++) x[i] = (int32_t)special_wrap(byte ? type : "i32", special_ints[i]);
    for (int k = 0; k <= INT_OPS; k++) {
        const char *op = k < INT_OPS ? special_int_ops[k] : "where";
        snprintf(names[k], sizeof names[k], "z_%s", op);
        len += snprintf(text + len, sizeof text - (size_t)len, "%%%d = %s %%a %s\n%%o%d = cast %%%d {to=%s}\n", k, op,
                        k < 4         ? ""
                        : k < INT_OPS ? "%b"
                                      : "%a %b",
                        k, k, whole);
        len += snprintf(text + len, sizeof text - (size_t)len, "output %%o%d %s\n", k, names[k]);
        io[2 + k] = (struct special_io){names[k], z[k], k < 4 ? SPECIAL_INTS : PAIRS, dtype};
    }
    if (!special_run(gpu, text, io, 2, 3 + INT_OPS, 0)) return 1;
    for (int k = 0; k <= INT_OPS; k++)
        for (uint32_t i = 0; i < io[2 + k].count; i++) {
            int64_t a = special_wrap(type, x[k < 4 ? i : i / SPECIAL_INTS]),
                    b = special_wrap(type, x[i % SPECIAL_INTS]);
            double want = (double)special_wrap(type, k < INT_OPS ? special_int_want(k, a, b)
                                                     : a         ? a
                                                                 : b),
                   got = special_load(&io[2 + k], i);
            if (got != want) special_say(bad++, names[k], (double)a, (double)b, got, want);
        }
    return bad;
}

// ---- reductions, and what is made of them --------------------------------------------------------------------------

enum { ROWS = 14 };

/// Rows of small whole numbers with special values at the ends, in the middle, or everywhere.
static inline void special_fill_row(float *x, int row, int n) {
    int at = row % 3 == 0 ? 0 : row % 3 == 1 ? n / 2 : n - 1;
    for (int i = 0; i < n; i++) x[i] = (float)((i * 7 + row) % 9 - 4);
    switch (row) {
    case 0:
    case 1:
    case 2: x[at] = row == 1 ? -NAN : NAN; break;
    case 3:
    case 4: x[at] = INFINITY; break;
    case 5:
    case 6: x[at] = -INFINITY; break;
    case 7: x[0] = INFINITY, x[n - 1] = -INFINITY; break;
    case 8:
        for (int i = 0; i < n; i++) x[i] = -INFINITY;
        break;
    case 9:
        for (int i = 0; i < n; i++) x[i] = INFINITY;
        break;
    case 10:
        for (int i = 0; i < n; i++) x[i] = i == at ? NAN : -INFINITY;
        break;
    case 11:
        for (int i = 0; i < n; i++) x[i] = i % 2 ? -FLT_MAX / 512 : -3e38f / 1024;
        break;
    case 12:
        for (int i = 0; i < n; i++) x[i] = i % 2 ? 0.0f : -0.0f;
        break;
    default: break;
    }
}

static const char *const special_row_ops[] = {"sum",  "mean",    "amax",     "amin",
                                              "prod", "softmax", "rms_norm", "layer_norm"};
enum { ROW_OPS = sizeof special_row_ops / sizeof *special_row_ops, ROW_REDUCTIONS = 5 };

static inline double special_row_want(int op, const float *x, int n, int at) {
    double sum = 0, top = -INFINITY, low = INFINITY, square = 0, shares = 0, centred = 0, product = 1;
    for (int i = 0; i < n; i++) {
        sum += x[i];
        product *= x[i];
        square += (double)x[i] * x[i];
        top = isnan(x[i]) || isnan(top) ? NAN : fmax(top, x[i]);
        low = isnan(x[i]) || isnan(low) ? NAN : fmin(low, x[i]);
    }
    for (int i = 0; i < n; i++) {
        shares += exp(x[i] - top);
        centred += (x[i] - sum / n) * (x[i] - sum / n);
    }
    switch (op) {
    case 0: return sum;
    case 1: return sum / n;
    case 2: return top;
    case 3: return low;
    case 4: return product;
    case 5: return exp(x[at] - top) / shares;
    case 6: return x[at] / sqrt(square / n + 0.5);
    default: return (x[at] - sum / n) / sqrt(centred / n + 0.5);
    }
}

/// Row 11 is left out of the norms: its squares overflow in f32, whatever the order.
static inline int special_rows(weft_gpu *gpu, int n, int no_fuse) {
    enum { MOST = 700 };
    static float x[ROWS * MOST], w[MOST], y[ROW_OPS][ROWS * MOST];
    struct special_io io[2 + ROW_OPS] = {{"x", x, (uint64_t)(ROWS * n), WEFT_F32}, {"w", w, (uint64_t)n, WEFT_F32}};
    static const struct special_row near = {"rows", NULL, 2e-5, 2e-5, false};
    char text[1024];
    int bad = 0, len = snprintf(text, sizeof text, "input x f32 [%d, %d]\ninput w f32 [%d]\n", (int)ROWS, n, n);
    for (int i = 0; i < n; i++) w[i] = 1;
    for (int r = 0; r < ROWS; r++) special_fill_row(x + r * n, r, n);
    for (int k = 0; k < ROW_OPS; k++) {
        const char *op = special_row_ops[k], *rest = k > ROW_REDUCTIONS ? " %w {eps=0.5}" : "";
        len += snprintf(text + len, sizeof text - (size_t)len, "%%%d = %s %%x%s\noutput %%%d %s\n", k, op, rest, k, op);
        io[2 + k] = (struct special_io){op, y[k], (uint64_t)(k < ROW_REDUCTIONS ? ROWS : ROWS * n), WEFT_F32};
    }
    if (!special_run(gpu, text, io, 2, 2 + ROW_OPS, no_fuse)) return 1;
    for (int k = 0; k < ROW_OPS; k++)
        for (int i = 0; i < (int)io[2 + k].count; i++) {
            int r = k < ROW_REDUCTIONS ? i : i / n, at = k < ROW_REDUCTIONS ? 0 : i % n;
            double want = special_row_want(k, x + r * n, n, at);
            if (r == 11 && k > ROW_REDUCTIONS) continue;
            if (!special_equal(&near, want, y[k][i])) special_say(bad++, special_row_ops[k], r, at, y[k][i], want);
        }
    return bad;
}

/// quantize, argmax and nll of the same rows, whose own comments say what they give.
static inline int special_choices(weft_gpu *gpu, int n) {
    enum { MOST = 64 };
    static float x[ROWS * MOST], scale[ROWS], nll[ROWS];
    static uint32_t target[ROWS], best[ROWS];
    static int32_t q[ROWS * MOST];
    struct special_io io[] = {{"x", x, (uint64_t)(ROWS * n), WEFT_F32}, {"t", target, ROWS, WEFT_U32},
                              {"q", q, (uint64_t)(ROWS * n), WEFT_I32}, {"scale", scale, ROWS, WEFT_F32},
                              {"best", best, ROWS, WEFT_U32},           {"nll", nll, ROWS, WEFT_F32}};
    static const struct special_row near = {"choices", NULL, 2e-6, 2e-6, false};
    char text[512];
    int bad = 0;
    snprintf(text, sizeof text,
             "input x f32 [%d, %d]\ninput t u32 [%d]\n%%0 %%1 = quantize %%x {block=%d}\n%%2 = argmax %%x\n"
             "%%3 = nll %%x %%t\n%%4 = cast %%0 {to=i32}\noutput %%4 q\noutput %%1 scale\noutput %%2 best\n"
             "output %%3 nll\n",
             (int)ROWS, n, (int)ROWS, n);
    for (int r = 0; r < ROWS; r++) {
        special_fill_row(x + r * n, r, n);
        target[r] = (uint32_t)(n > 1);
    }
    if (!special_run(gpu, text, io, 2, sizeof io / sizeof *io, 0)) return 1;
    for (int r = 0; r < ROWS; r++) {
        const float *row = x + r * n;
        double top = 0, sum = 0, largest = special_row_want(2, row, n, 0);
        int first = -1;
        for (int i = 0; i < n; i++) {
            top = isnan(row[i]) || isnan(top) ? NAN : fmax(top, fabs(row[i]));
            if (!isnan(row[i]) && (first < 0 || row[i] > row[first])) first = i;
            sum += exp(row[i] - largest);
        }
        double cost = row[n > 1] == -INFINITY && isfinite(largest) ? FLT_MAX : largest - row[n > 1] + log(sum);
        if (!special_equal(&near, top / 127, scale[r])) special_say(bad++, "scale", r, n, scale[r], top / 127);
        if (!special_equal(&near, first < 0 ? 0 : first, best[r])) special_say(bad++, "argmax", r, n, best[r], first);
        if (!special_equal(&near, cost, nll[r])) special_say(bad++, "nll", r, n, nll[r], cost);
        for (int i = 0; i < n; i++) {
            double want = top == 0 ? 0 : nearbyint(row[i] * 127.0 / top);
            if (q[r * n + i] != (isnan(want) ? 0 : want))
                special_say(bad++, "q", r, i, q[r * n + i], isnan(want) ? 0 : want);
        }
    }
    return bad;
}
#endif
