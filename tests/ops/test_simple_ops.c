/// Shapes, types and host references of the operators without a kernel of their own: elementwise, reductions, norms,
/// views, and matmul. Their kernels are compared with these references elsewhere.
#include "core/error.h"
#include "ir/graph.h"
#include "ops/ops.h"
#include "refused.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/// Data of the inputs x, y, z and what came out as `out`.
struct run {
    double *x, *y, *z;
    double out[256], out2[256];
    int64_t n, shape[WEFT_MAX_RANK];
    weft_dtype dtype;
};

static weft_status leaf(void *user, weft_value v, const struct weft_value_info *info, struct weft_host *t) {
    struct run *r = user;
    (void)v;
    if (!t->raw) t->data = info->name[0] == 'x' ? r->x : info->name[0] == 'y' ? r->y : r->z;
    return WEFT_OK;
}

static weft_status each(void *user, weft_value v, const struct weft_value_info *info, const struct weft_host *t) {
    struct run *r = user;
    (void)v;
    if (!info->is_output) return WEFT_OK;
    int64_t n = weft_host_count(t);
    assert_true(n <= 256);
    bool first = strcmp(info->output_name, "out") == 0;
    for (int64_t i = 0; i < n; i++) (first ? r->out : r->out2)[i] = t->data[i];
    if (!first) return WEFT_OK;
    r->n = n;
    r->dtype = t->dtype;
    memcpy(r->shape, t->shape, sizeof r->shape);
    return WEFT_OK;
}

static weft_status eval(struct weft_graph *g, struct run *r, const int64_t *symbols) {
    static const int64_t none[WEFT_MAX_SYMBOLS];
    struct weft_eval_params params = {.symbols = symbols ? symbols : none, .leaf = leaf, .each = each, .user = r};
    return weft_graph_eval(g, &params);
}

static weft_status run(const char *text, struct run *r, const int64_t *symbols) {
    struct weft_graph *g;
    WEFT_TRY(weft_graph_parse(weft_ops(), text, strlen(text), &g));
    weft_status status = eval(g, r, symbols);
    weft_graph_destroy(g);
    return status;
}

static void expect(const char *text, struct run *r, const double *want, int n) {
    if (run(text, r, NULL) != WEFT_OK) fail_msg("%s\n%s", text, weft_error_message());
    if (r->n != n) fail_msg("%s\ngives %d values", text, (int)r->n);
    for (int i = 0; i < n; i++) {
        bool same = isnan(want[i]) ? isnan(r->out[i])
                                   : fabs(r->out[i] - want[i]) <= 1e-12 * fabs(want[i]) || r->out[i] == want[i];
        if (!same) fail_msg("%s\nvalue %d is %.17g, not %.17g", text, i, r->out[i], want[i]);
    }
}

static void unary(const char *op, double x, double want) {
    char text[200];
    snprintf(text, sizeof text, "input x f32 [1]\n%%1 = %s %%x\noutput %%1 out\n", op);
    expect(text, &(struct run){.x = &x}, &want, 1);
}

static void binary(const char *op, const char *type, double x, double y, double want) {
    char text[200];
    snprintf(text, sizeof text, "input x %s [1]\ninput y %s [1]\n%%1 = %s %%x %%y\noutput %%1 out\n", type, type, op);
    expect(text, &(struct run){.x = &x, .y = &y}, &want, 1);
}

static void test_unary(void **state) {
    (void)state;
    static const struct {
        const char *op;
        double x, want;
    } cases[] = {
        {"neg", 2, -2},
        {"abs", -2.5, 2.5},
        {"exp", 1, 2.718281828459045},
        {"log", 2, 0.6931471805599453},
        {"sqrt", 9, 3},
        {"rsqrt", 4, 0.5},
        {"recip", -8, -0.125},
        {"square", -3, 9},
        {"tanh", 0.5, 0.46211715726000975},
        {"sigmoid", 0, 0.5},
        {"sigmoid", -800, 0},
        {"silu", 1, 0.7310585786300049},
        {"gelu", 1, 0.8413447460685429},
        {"gelu", -3, -0.00404969409489031},
        {"gelu_tanh", 1, 0.8411919906082768},
        {"gelu_tanh", 50, 50},
        {"gelu_tanh", -50, 0},
        {"relu", -1, 0},
        {"relu", 2, 2},
        {"relu", NAN, NAN},
        {"sin", 1, 0.8414709848078965},
        {"cos", 1, 0.5403023058681398},
        {"floor", -1.5, -2},
        {"ceil", -1.5, -1},
        {"round", 0.5, 0},
        {"round", 1.5, 2},
        {"round", 2.5, 2},
        {"round", -0.5, 0},
        {"sign", -7, -1},
        {"sign", 0, 0},
        {"sign", NAN, NAN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) unary(cases[i].op, cases[i].x, cases[i].want);
}

static void test_binary(void **state) {
    (void)state;
    binary("add", "f32", 1, 2, 3);
    binary("sub", "f32", 1, 2, -1);
    binary("div", "f32", 1, 0, INFINITY);
    binary("max", "f32", 1, NAN, NAN);
    binary("max", "f32", NAN, 1, NAN);
    binary("min", "f32", 1, NAN, NAN);
    binary("min", "f32", -1, 2, -1);
    binary("pow", "f32", -2, 3, -8);
    binary("pow", "f32", -2, 0.5, NAN);
    binary("pow", "f32", 0, 0, 1);
    binary("div", "i32", -7, 2, -3);
    binary("div", "i32", 7, 0, 7);
    binary("add", "i32", 2147483647, 1, -2147483648.0);
    binary("sub", "u32", 0, 1, 4294967295.0);
    binary("mul", "u32", 4294967295.0, 4294967295.0, 1);
    binary("lt", "f32", 1, 2, 1);
    binary("ge", "f32", NAN, 2, 0);
    binary("eq", "f32", NAN, NAN, 0);
    binary("ne", "f32", NAN, NAN, 1);
    binary("eq", "bool", 1, 1, 1);
    binary("gt", "i32", 16777217, 16777216, 1);
}

static void test_broadcast(void **state) {
    (void)state;
    double x[6] = {0, 1, 2, 3, 4, 5}, y[2] = {10, 20}, z[1] = {100};
    struct run r = {.x = x, .y = y, .z = z};
    expect("input x f32 [2, 1, 3]\ninput y f32 [2, 1]\n%1 = add %x %y\noutput %1 out\n", &r,
           (double[]){10, 11, 12, 20, 21, 22, 13, 14, 15, 23, 24, 25}, 12);
    assert_int_equal(r.shape[1], 2);
    expect("input x f32 [1, 2, 3]\ninput y f32 [1, 2, 1]\n%1 = mul %x %y\noutput %1 out\n", &r,
           (double[]){0, 10, 20, 60, 80, 100}, 6);
    expect("input x f32 [6]\ninput z f32 []\n%1 = sub %z %x\noutput %1 out\n", &r, (double[]){100, 99, 98, 97, 96, 95},
           6);
    expect("input x f32 [3, 2]\ninput y f32 [2]\ninput z f32 []\n%1 = gt %x %z\n%2 = where %1 %x %y\noutput %2 out\n",
           &r, (double[]){10, 20, 10, 20, 10, 20}, 6);
    expect("input x f32 [0, 2]\ninput y f32 [2]\n%1 = add %x %y\noutput %1 out\n", &r, NULL, 0);
}

static void test_refusals(void **state) {
    (void)state;
    refused("input x f32 [2, 3]\ninput y f32 [2]\n%1 = add %x %y\noutput %1 out\n", "[2, 3], f32[2]");
    refused("symbol T 1 8\nsymbol S 1 8\ninput x f32 [T]\ninput y f32 [S]\n%1 = mul %x %y\noutput %1 out\n",
            "f32[T], f32[S]");
    refused("input x f32 [2]\ninput y i32 [2]\n%1 = add %x %y\noutput %1 out\n", "cast");
    refused("input x i32 [2]\n%1 = exp %x\noutput %1 out\n", "float");
    refused("input x bool [2]\n%1 = neg %x\noutput %1 out\n", "cast");
    refused("input x i32 [2]\n%1 = mean %x\noutput %1 out\n", "cast it to f32");
    refused("input x bool [2]\n%1 = sum %x\noutput %1 out\n", "cast");
    refused("input x i32 [2]\n%1 = any %x\noutput %1 out\n", "compare it with 0");
    refused("input x f32 [2, 3]\n%1 = sum %x {axes=[1, -1]}\noutput %1 out\n", "stands twice");
    refused("input x f32 [2, 3]\n%1 = amax %x {axes=[0, 2]}\noutput %1 out\n", "no axis 2");
    refused("input x f32 [2, 3]\n%1 = amax %x {axes=[-3]}\noutput %1 out\n", "no axis -3");
    refused("input x f32 []\n%1 = prod %x\noutput %1 out\n", "scalar");
    refused("input x f32 [2, 3]\n%1 = softmax %x {axis=2}\noutput %1 out\n", "no axis 2");
    refused("input x f32 []\n%1 = mean %x\noutput %1 out\n", "scalar");
    refused("input x f32 [2, 4]\ninput y f32 [3]\n%1 = rms_norm %x %y\noutput %1 out\n", "f32[3]");
    refused("input x f32 [2, 4]\ninput y f32 [3, 5]\n%1 = matmul %x %y\noutput %1 out\n", "f32[3, 5]");
    refused("input x f32 [2, 4]\n%1 = reshape %x {shape=[7]}\noutput %1 out\n", "f32[7]");
    refused("input x f32 [2, 4]\n%1 = slice %x {start=1, len=2}\noutput %1 out\n", "f32[2, 4]");
}

static void test_cast(void **state) {
    (void)state;
    static const struct {
        const char *to;
        double x, want;
    } cases[] = {
        {"i32", 1e20, 2147483647},
        {"i32", NAN, 0},
        {"i32", -1.9, -1},
        {"u32", -3, 0},
        {"u8", 300, 255},
        {"i8", -300, -128},
        {"bool", 0.3, 1},
        {"bool", 0, 0},
        {"f16", 1.0005, 1.0009765625},
        {"bf16", 1.01, 1.0078125},
        {"f32", 0.1, 0.1f},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        double x = cases[i].x;
        snprintf(text, sizeof text, "input x f32 [1]\n%%1 = cast %%x {to=%s}\noutput %%1 out\n", cases[i].to);
        struct run r = {.x = &x};
        expect(text, &r, &cases[i].want, 1);
        assert_string_equal(weft_dtype_name(r.dtype), cases[i].to);
    }
}

static void test_reduce(void **state) {
    (void)state;
    double x[6] = {1, -2, 3, NAN, 5, -6};
    struct run r = {.x = x};
    expect("input x f32 [2, 3]\n%1 = sum %x\noutput %1 out\n", &r, (double[]){2, NAN}, 2);
    assert_int_equal(r.shape[1], 1);
    expect("input x f32 [2, 3]\n%1 = amax %x\noutput %1 out\n", &r, (double[]){3, NAN}, 2);
    expect("input x f32 [3, 2]\n%1 = amin %x\noutput %1 out\n", &r, (double[]){-2, NAN, -6}, 3);
    expect("input x f32 [6, 1]\n%1 = mean %x\noutput %1 out\n", &r, (double[]){1, -2, 3, NAN, 5, -6}, 6);
    expect("input x f32 [2, 0]\n%1 = sum %x\noutput %1 out\n", &r, (double[]){0, 0}, 2);
    expect("input x f32 [1, 0]\n%1 = amax %x\noutput %1 out\n", &r, (double[]){-INFINITY}, 1);
}

static void test_axes(void **state) {
    (void)state;
    double x[12] = {1, 2, 3, 4, 5, 6, -7, 8, 9, 10, 11, 12};
    struct run r = {.x = x};
    expect("input x f32 [2, 2, 3]\n%1 = sum %x {axes=[0, 2]}\noutput %1 out\n", &r, (double[]){16, 48}, 2);
    assert_true(r.shape[0] == 1 && r.shape[1] == 2 && r.shape[2] == 1);
    expect("input x f32 [2, 2, 3]\n%1 = amin %x {axes=[-3], keep=0}\noutput %1 out\n", &r,
           (double[]){-7, 2, 3, 4, 5, 6}, 6);
    assert_true(r.shape[0] == 2 && r.shape[1] == 3);
    expect("input x f32 [4, 3]\n%1 = mean %x {axes=[0]}\noutput %1 out\n", &r, (double[]){2, 6.5, 7.5}, 3);
    expect("input x f32 [4, 3]\n%1 = prod %x\noutput %1 out\n", &r, (double[]){6, 120, -504, 1320}, 4);
    expect("input x f32 [4, 3]\n%1 = amax %x {axes=[1, 0], keep=0}\noutput %1 out\n", &r, (double[]){12}, 1);
    expect("input x f32 [0, 3]\n%1 = mean %x {axes=[0]}\noutput %1 out\n", &r, (double[]){NAN, NAN, NAN}, 3);
    expect("input x f32 [0, 2]\n%1 = prod %x {axes=[0]}\noutput %1 out\n", &r, (double[]){1, 1}, 2);
    expect("input x bool [0, 2]\n%1 = any %x {axes=[0]}\noutput %1 out\n", &r, (double[]){0, 0}, 2);
    expect("input x bool [0, 2]\n%1 = all %x {axes=[0]}\noutput %1 out\n", &r, (double[]){1, 1}, 2);
    expect("input x f32 [2, 2]\n%1 = softmax %x {axis=0}\noutput %1 out\n", &r,
           (double[]){1 / (1 + exp(2)), 1 / (1 + exp(2)), 1 / (1 + exp(-2)), 1 / (1 + exp(-2))}, 4);
}

static void test_integer_reductions(void **state) {
    (void)state;
    static const struct {
        const char *type, *op, *result;
        double x[3], want, of_nothing;
    } cases[] = {
        {"i32", "sum", "i32", {2147483647, 2, 0}, -2147483647, 0},
        {"i32", "prod", "i32", {65536, 32768, 1}, -2147483648.0, 1},
        {"i32", "amax", "i32", {-5, -2147483648.0, -4}, -4, -2147483648.0},
        {"i32", "amin", "i32", {5, 2147483647, -4}, -4, 2147483647},
        {"u32", "sum", "u32", {4294967295.0, 4294967295.0, 3}, 1, 0},
        {"u32", "prod", "u32", {4294967295.0, 4294967295.0, 3}, 3, 1},
        {"u32", "amax", "u32", {1, 4294967295.0, 3}, 4294967295.0, 0},
        {"u32", "amin", "u32", {4294967295.0, 4294967294.0, 4294967295.0}, 4294967294.0, 4294967295.0},
        {"i8", "sum", "i32", {127, 127, -1}, 253, 0},
        {"i8", "prod", "i32", {-128, 127, 100}, -1625600, 1},
        {"i8", "amax", "i8", {-128, -127, -128}, -127, -128},
        {"i8", "amin", "i8", {127, -127, 0}, -127, 127},
        {"u8", "sum", "u32", {255, 255, 255}, 765, 0},
        {"u8", "prod", "u32", {255, 255, 255}, 16581375, 1},
        {"u8", "amax", "u8", {1, 200, 9}, 200, 0},
        {"u8", "amin", "u8", {255, 200, 209}, 200, 255},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        double x[3];
        memcpy(x, cases[i].x, sizeof x);
        struct run r = {.x = x};
        snprintf(text, sizeof text, "input x %s [3]\n%%1 = %s %%x\noutput %%1 out\n", cases[i].type, cases[i].op);
        expect(text, &r, &cases[i].want, 1);
        assert_string_equal(weft_dtype_name(r.dtype), cases[i].result);
        snprintf(text, sizeof text, "input x %s [0]\n%%1 = %s %%x\noutput %%1 out\n", cases[i].type, cases[i].op);
        expect(text, &r, &cases[i].of_nothing, 1);
    }
}

/// The operator against its own decomposition.
static void check_decomposition(const char *text, struct run *r) {
    struct weft_graph *g;
    weft_value outs[WEFT_MAX_OUTS];
    if (weft_graph_parse(weft_ops(), text, strlen(text), &g) != WEFT_OK) fail_msg("%s", weft_error_message());
    if (g->nodes[0].op->decompose(g, &g->nodes[0], outs) != WEFT_OK) fail_msg("%s", weft_error_message());
    assert_int_equal(weft_graph_output(g, outs[0], "decomposed"), WEFT_OK);
    if (eval(g, r, NULL) != WEFT_OK) fail_msg("%s", weft_error_message());
    for (int i = 0; i < r->n; i++) assert_true(fabs(r->out[i] - r->out2[i]) < 1e-6);
    weft_graph_destroy(g);
}

static void test_norms(void **state) {
    (void)state;
    double x[8] = {3, 4, 0, 0, 1000, 1001, 1002, 1003}, y[4] = {1, 2, 1, 1}, z[4] = {0, 0, 5, 0}, want[4];
    struct run r = {.x = x, .y = y, .z = z};
    for (int i = 0; i < 4; i++) want[i] = x[i] / sqrt(6.25 + 0.5) * y[i];
    expect("input x f32 [1, 4]\ninput y f32 [4]\n%1 = rms_norm %x %y {eps=0.5}\noutput %1 out\n", &r, want, 4);
    double sum = 1 + exp(-1) + exp(-2) + exp(-3);
    r.x = x + 4;
    for (int i = 0; i < 4; i++) want[i] = exp(i - 3) / sum;
    expect("input x f32 [4]\n%1 = softmax %x\noutput %1 out\n", &r, want, 4);
    for (int i = 0; i < 4; i++) want[i] = (i - 1.5) / sqrt(1.25) * y[i] + z[i];
    expect("input x f32 [4]\ninput y f32 [4]\ninput z f32 [4]\n%1 = layer_norm %x %y %z {eps=0}\noutput %1 out\n", &r,
           want, 4);
    r.x = x;
    check_decomposition("input x f32 [2, 4]\ninput y f32 [4]\n%1 = rms_norm %x %y {eps=0.25} \"n\"\noutput %1 out\n",
                        &r);
    check_decomposition("input x f32 [2, 4]\ninput y f32 [4]\ninput z f32 [4]\n%1 = rms_norm %x %y %z\noutput %1 out\n",
                        &r);
    check_decomposition("input x f32 [2, 4]\ninput y f32 [4]\n%1 = layer_norm %x %y {eps=0.25}\noutput %1 out\n", &r);
    check_decomposition("input x f32 [2, 4]\n%1 = softmax %x\noutput %1 out\n", &r);
}

static void test_views(void **state) {
    (void)state;
    double x[12];
    for (int i = 0; i < 12; i++) x[i] = i;
    struct run r = {.x = x};
    expect("input x f32 [4, 3]\n%1 = slice %x {start=1, len=2}\n%2 = reshape %1 {shape=[3, 2]}\noutput %2 out\n", &r,
           (double[]){3, 4, 5, 6, 7, 8}, 6);
    assert_int_equal(r.shape[0], 3);
    expect("input x f32 [4, 1, 3]\n%1 = slice %x {start=3, len=1}\noutput %1 out\n", &r, (double[]){9, 10, 11}, 3);
    const char *last =
        "symbol T 1 4\nsymbol R 0 4\ninput x f32 [T, 3]\n%1 = slice %x {start=T-R, len=R}\noutput %1 out\n";
    assert_int_equal(run(last, &r, (int64_t[WEFT_MAX_SYMBOLS]){4, 1}), WEFT_OK);
    assert_int_equal(r.n, 3);
    assert_true(r.out[0] == 9);
    assert_int_equal(run(last, &r, (int64_t[WEFT_MAX_SYMBOLS]){2, 0}), WEFT_OK);
    assert_int_equal(r.n, 0);
    assert_int_equal(run(last, &r, (int64_t[WEFT_MAX_SYMBOLS]){2, 3}), WEFT_ERR_INVALID);
}

static void test_matmul(void **state) {
    (void)state;
    double x[6] = {1, 2, 3, 4, 5, 6}, y[6] = {1, 0, -1, 2, 2, 2}, z[33 * 9], want[9];
    struct run r = {.x = x, .y = y, .z = z};
    expect("input x f32 [2, 3]\ninput y f32 [2, 3]\n%1 = matmul %x %y\noutput %1 out\n", &r, (double[]){-2, 12, -2, 30},
           4);
    expect("input x f32 [1, 2, 3]\ninput y f16 [1, 3]\n%1 = matmul %x %y\noutput %1 out\n", &r, (double[]){-2, -2}, 2);
    expect("input x f32 [3]\ninput y f32 [2, 3]\n%1 = matmul %x %y\noutput %1 out\n", &r, (double[]){-2, 12}, 2);
    expect("input x f32 [2, 0]\ninput y f32 [2, 0]\n%1 = matmul %x %y\noutput %1 out\n", &r, (double[]){0, 0, 0, 0}, 4);
    expect("input x f32 [0, 3]\ninput y f32 [2, 3]\n%1 = matmul %x %y\noutput %1 out\n", &r, NULL, 0);
    for (int i = 0; i < 33 * 9; i++) z[i] = i % 7 - 3;
    for (int n = 0; n < 9; n++) {
        want[n] = 0;
        for (int k = 0; k < 33; k++) want[n] += z[k] * z[33 * n + k];
    }
    expect("input z f32 [9, 33]\n%1 = slice %z {start=0, len=1}\n%2 = matmul %1 %z\noutput %2 out\n", &r, want, 9);
}

/// Rows of an encoded weight are decoded as they are read.
static void test_matmul_quantised(void **state) {
    (void)state;
    double x[64], w[128], decoded[128];
    uint8_t file[4 * 34];
    for (int i = 0; i < 64; i++) x[i] = i % 5 - 2;
    for (int i = 0; i < 128; i++) w[i] = i % 11 - 5;
    weft_dtype_encode(WEFT_Q8_0, w, 128, file);
    weft_dtype_info(WEFT_Q8_0)->decode(file, 128, decoded);
    const char *text = "input x f32 [1, 64]\nweight w q8_0 [2, 64]\n%1 = matmul %x %w\noutput %1 out\n";
    struct weft_graph *g;
    assert_int_equal(weft_graph_parse(weft_ops(), text, strlen(text), &g), WEFT_OK);
    for (size_t v = 0; v < g->n_values; v++)
        if (g->values[v].kind == WEFT_VALUE_WEIGHT) g->values[v].data = file;
    struct run r = {.x = x};
    assert_int_equal(eval(g, &r, NULL), WEFT_OK);
    for (int n = 0; n < 2; n++) {
        double want = 0;
        for (int k = 0; k < 64; k++) want += x[k] * decoded[64 * n + k];
        assert_true(fabs(r.out[n] - want) < 1e-9);
    }
    weft_graph_destroy(g);
}

/// Names are unique and in the order that ops.def promises within each family; every row can be inferred and evaluated.
static void test_rows(void **state) {
    (void)state;
    const struct weft_op *const *ops = weft_ops()->ops;
    for (size_t i = 0; ops[i]; i++) {
        assert_non_null(ops[i]->infer);
        assert_non_null(ops[i]->eval);
        assert_ptr_equal(weft_op_find(weft_ops(), ops[i]->name), ops[i]);
        if (ops[i]->traits & WEFT_OP_ELEMENTWISE) assert_true(ops[i]->scalar[0] || ops[i]->expr);
        bool made = ops[i]->lower || ops[i]->decompose || ops[i]->scalar[0] || ops[i]->expr || ops[i]->view ||
                    ops[i]->reduce || ops[i]->repack;
        if (!made) fail_msg("%s has no way to the device", ops[i]->name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unary),     cmocka_unit_test(test_binary),
        cmocka_unit_test(test_broadcast), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_cast),      cmocka_unit_test(test_reduce),
        cmocka_unit_test(test_axes),      cmocka_unit_test(test_integer_reductions),
        cmocka_unit_test(test_norms),     cmocka_unit_test(test_views),
        cmocka_unit_test(test_matmul),    cmocka_unit_test(test_matmul_quantised),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
