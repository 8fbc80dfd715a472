/// Shapes, types, refusals and host references of cumsum, log_softmax, group_norm and hard_swish, against numbers
/// worked out by hand or by other formulas.
#include "core/error.h"
#include "ir/graph.h"
#include "ops/ops.h"
#include "refused.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

enum { MOST = 64 };

/// Data of inputs x, w and b; the output.
struct run {
    double *x, *w, *b, out[MOST];
    int64_t n;
    weft_dtype dtype;
};

static weft_status leaf(void *user, weft_value v, const struct weft_value_info *info, struct weft_host *t) {
    struct run *r = user;
    (void)v;
    if (!t->raw) t->data = info->name[0] == 'x' ? r->x : info->name[0] == 'w' ? r->w : r->b;
    return WEFT_OK;
}

static weft_status each(void *user, weft_value v, const struct weft_value_info *info, const struct weft_host *t) {
    struct run *r = user;
    (void)v;
    if (!info->is_output) return WEFT_OK;
    r->n = weft_host_count(t);
    r->dtype = t->dtype;
    assert_true(r->n <= MOST);
    if (r->n) memcpy(r->out, t->data, (size_t)r->n * sizeof *r->out);
    return WEFT_OK;
}

static void expect(const char *text, struct run *r, const double *want, int64_t n) {
    struct weft_graph *g;
    static const int64_t none[WEFT_MAX_SYMBOLS];
    struct weft_eval_params params = {.symbols = none, .leaf = leaf, .each = each, .user = r};
    if (weft_graph_parse(weft_ops(), text, strlen(text), &g) != WEFT_OK) fail_msg("%s\n%s", text, weft_error_message());
    if (weft_graph_eval(g, &params) != WEFT_OK) fail_msg("%s\n%s", text, weft_error_message());
    if (r->n != n) fail_msg("%s\ngives %d values", text, (int)r->n);
    for (int64_t i = 0; i < n; i++) {
        double a = want[i], b = r->out[i];
        if (!(a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-6 * fabs(a)))
            fail_msg("%s\nvalue %d is %.17g, not %.17g", text, (int)i, b, a);
    }
    weft_graph_destroy(g);
}

static void test_cumsum(void **state) {
    (void)state;
    double x[12] = {1, -2, 3, 4, 5, -6, 7, 8, 9, 10, 11, 12};
    struct run r = {.x = x};
    expect("input x f32 [2, 3]\n%1 = cumsum %x\noutput %1 y\n", &r, (double[]){1, -1, 2, 4, 9, 3}, 6);
    expect("input x f32 [2, 3]\n%1 = cumsum %x {exclusive=1}\noutput %1 y\n", &r, (double[]){0, 1, -1, 0, 4, 9}, 6);
    expect("input x f32 [2, 3]\n%1 = cumsum %x {reverse=1}\noutput %1 y\n", &r, (double[]){2, 1, 3, 3, -1, -6}, 6);
    expect("input x f32 [2, 3]\n%1 = cumsum %x {reverse=1, exclusive=1}\noutput %1 y\n", &r,
           (double[]){1, 3, 0, -1, -6, 0}, 6);
    expect("input x f32 [2, 3, 2]\n%1 = cumsum %x {axis=1}\noutput %1 y\n", &r,
           (double[]){1, -2, 4, 2, 9, -4, 7, 8, 16, 18, 27, 30}, 12);
    expect("input x f32 [2, 3, 2]\n%1 = cumsum %x {axis=-3, reverse=1}\noutput %1 y\n", &r,
           (double[]){8, 6, 12, 14, 16, 6, 7, 8, 9, 10, 11, 12}, 12);
    expect("input x f32 [0, 3]\n%1 = cumsum %x\noutput %1 y\n", &r, NULL, 0);
    expect("input x f32 [3, 0]\n%1 = cumsum %x {axis=0}\noutput %1 y\n", &r, NULL, 0);
    double odd[5] = {1, INFINITY, 2, -INFINITY, 3};
    r.x = odd;
    expect("input x f32 [5]\n%1 = cumsum %x\noutput %1 y\n", &r, (double[]){1, INFINITY, INFINITY, NAN, NAN}, 5);
    expect("input x bf16 [5]\n%1 = cumsum %x {exclusive=1}\noutput %1 y\n", &r,
           (double[]){0, 1, INFINITY, INFINITY, NAN}, 5);
    assert_int_equal(r.dtype, WEFT_F32);
}

static void test_cumsum_of_integers(void **state) {
    (void)state;
    double x[4] = {2147483647, 1, -2147483648.0, -2147483648.0}, w[4] = {4294967295.0, 2, 4294967295.0, 7};
    struct run r = {.x = x, .w = w};
    expect("input x i32 [4]\n%1 = cumsum %x\noutput %1 y\n", &r,
           (double[]){2147483647, -2147483648.0, 0, -2147483648.0}, 4);
    expect("input x i32 [4]\n%1 = cumsum %x {reverse=1}\noutput %1 y\n", &r,
           (double[]){-2147483648.0, 1, 0, -2147483648.0}, 4);
    expect("input w u32 [4]\n%1 = cumsum %w\noutput %1 y\n", &r, (double[]){4294967295.0, 1, 0, 7}, 4);
    assert_int_equal(r.dtype, WEFT_U32);
}

static void test_log_softmax(void **state) {
    (void)state;
    double x[6] = {0, 1, 2, 1000, -1000, -INFINITY}, e = log(1 + exp(1) + exp(2)), two = log(1 + exp(-2));
    struct run r = {.x = x};
    expect("input x f32 [2, 3]\n%1 = log_softmax %x\noutput %1 y\n", &r,
           (double[]){-e, 1 - e, 2 - e, 0, -2000, -INFINITY}, 6);
    expect("input x f32 [1, 3, 1]\n%1 = log_softmax %x {axis=1}\noutput %1 y\n", &r, (double[]){-e, 1 - e, 2 - e}, 3);
    expect("input x f32 [1, 1, 3]\n%1 = log_softmax %x {axis=-2}\noutput %1 y\n", &r, (double[]){0, 0, 0}, 3);
    double pairs[4] = {3, 5, 1, 7};
    r.x = pairs;
    expect("input x f32 [2, 2]\n%1 = log_softmax %x {axis=0}\noutput %1 y\n", &r,
           (double[]){-two, -2 - two, -2 - two, -two}, 4);
    double odd[6] = {1, NAN, INFINITY, 2, -INFINITY, -INFINITY};
    r.x = odd;
    expect("input x f32 [3, 2]\n%1 = log_softmax %x\noutput %1 y\n", &r, (double[]){NAN, NAN, NAN, NAN, NAN, NAN}, 6);
    expect("input x f32 [3, 0]\n%1 = log_softmax %x\noutput %1 y\n", &r, NULL, 0);
}

static void test_group_norm(void **state) {
    (void)state;
    double x[16] = {1, 2, 3, 4, 100, 100, 100, 108, 0, 0, 0, 0, -1, 1, -1, 1}, w[4] = {1, 2, 3, 4},
           b[4] = {0, 1, 0, -1};
    double a = 1 / sqrt(1.25 + 0.75), c = 1 / sqrt(12 + 0.25), d = 1 / sqrt(1 + 0.25);
    struct run r = {.x = x, .w = w, .b = b};
    expect("input x f32 [1, 2, 2]\n%1 = group_norm %x {groups=1, eps=0.75}\noutput %1 y\n", &r,
           (double[]){-1.5 * a, -0.5 * a, 0.5 * a, 1.5 * a}, 4);
    r.x = x + 4;
    expect("input x f32 [1, 4, 3]\ninput w f32 [4]\ninput b f16 [4]\n%1 = group_norm %x %w %b {groups=4, eps=0.25}\n"
           "%2 = reshape %1 {shape=[12]}\n%3 = slice %2 {start=0, len=3}\noutput %3 y\n",
           &r, (double[]){0, 0, 0}, 3);
    expect("input x f32 [1, 4, 1, 1]\ninput w f32 [4]\n%1 = group_norm %x %w {groups=1, eps=0.25}\noutput %1 y\n", &r,
           (double[]){-2 * c, -4 * c, -6 * c, 24 * c}, 4);
    r.x = x + 12;
    expect("input x f32 [1, 4]\ninput w f32 [4]\ninput b f32 [4]\n%1 = group_norm %x %w %b {groups=2, eps=0.25}\n"
           "output %1 y\n",
           &r, (double[]){-d, 1 + 2 * d, -3 * d, 4 * d - 1}, 4);
    expect("input x f32 [0, 4]\n%1 = group_norm %x {groups=2}\noutput %1 y\n", &r, NULL, 0);
    expect("input x f32 [2, 0, 3]\n%1 = group_norm %x {groups=2}\noutput %1 y\n", &r, NULL, 0);
    double odd[4] = {1, NAN, 1, 3};
    r.x = odd;
    expect("input x f32 [2, 2]\n%1 = group_norm %x {groups=1, eps=0}\noutput %1 y\n", &r, (double[]){NAN, NAN, -1, 1},
           4);
}

static void test_hard_swish(void **state) {
    (void)state;
    double x[9] = {-3, -3.5, -1.5, 0, 1, 3, 7.25, 3e38, -INFINITY};
    struct run r = {.x = x};
    expect("input x f32 [9]\n%1 = hard_swish %x\noutput %1 y\n", &r,
           (double[]){0, 0, -0.375, 0, 4.0 / 6, 3, 7.25, 3e38, NAN}, 9);
    double odd[2] = {NAN, INFINITY};
    r.x = odd;
    expect("input x f32 [2]\n%1 = hard_swish %x\noutput %1 y\n", &r, (double[]){NAN, INFINITY}, 2);
}

static void test_refusals(void **state) {
    (void)state;
    refused("input x f32 []\n%1 = cumsum %x\noutput %1 y\n", "reshape it to [1]");
    refused("input x f32 [2, 3]\n%1 = cumsum %x {axis=2}\noutput %1 y\n", "f32[2, 3] has no axis 2");
    refused("input x f32 [2, 3]\n%1 = cumsum %x {axis=-3}\noutput %1 y\n", "has no axis -3");
    refused("input x u8 [4]\n%1 = cumsum %x\noutput %1 y\n", "cast it first");
    refused("input x f32 [4]\n%1 = cumsum %x {reverse=2}\noutput %1 y\n", "reverse");
    refused("input x i32 [4]\n%1 = log_softmax %x\noutput %1 y\n", "a float type");
    refused("input x f32 [4]\n%1 = log_softmax %x {axis=1}\noutput %1 y\n", "f32[4] has no axis 1");
    refused("input x f32 [4]\n%1 = group_norm %x {groups=2}\noutput %1 y\n", "[N, C, ...]");
    refused("input x f32 [2, 9]\n%1 = group_norm %x {groups=2}\noutput %1 y\n", "no multiple of 2 groups");
    refused("symbol C 0 8\ninput x f32 [2, C]\n%1 = group_norm %x {groups=2}\noutput %1 y\n", "for all sizes");
    refused("input x f32 [2, 4, 8]\ninput w f32 [8]\n%1 = group_norm %x %w {groups=2}\noutput %1 y\n", "operand 1");
    refused("input x f32 [2, 4]\n%1 = group_norm %x\noutput %1 y\n", "groups");
    refused("input x f32 [2, 4]\n%1 = group_norm %x {groups=0}\noutput %1 y\n", "groups");
    refused("input x u32 [2]\n%1 = hard_swish %x\noutput %1 y\n", "float");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cumsum),      cmocka_unit_test(test_cumsum_of_integers),
        cmocka_unit_test(test_log_softmax), cmocka_unit_test(test_group_norm),
        cmocka_unit_test(test_hard_swish),  cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
