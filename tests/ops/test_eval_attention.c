/// Host references of gather, rope, cache_append and attention against values worked out by hand, what they refuse, and
/// the phase table of rope against doubles. Their kernels are compared with these references elsewhere.
#include "core/error.h"
#include "core/half.h"
#include "ir/dtype.h"
#include "ops/ops.h"
#include "ops/rope.h"
#include "refused.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/// Leaves by name; the one output of a graph goes to `out`.
struct leaf {
    const char *name;
    double *data;
    const void *raw;
};
struct run {
    const struct leaf *leaves;
    double out[64];
    int64_t n;
};

static weft_status give(void *user, weft_value v, const struct weft_value_info *info, struct weft_host *t) {
    const struct run *r = user;
    (void)v;
    for (const struct leaf *l = r->leaves; l->name; l++) {
        if (strcmp(l->name, info->name) != 0) continue;
        t->data = l->data;
        t->raw = l->raw;
    }
    return WEFT_OK;
}

static weft_status keep(void *user, weft_value v, const struct weft_value_info *info, const struct weft_host *t) {
    struct run *r = user;
    (void)v;
    if (!info->is_output) return WEFT_OK;
    r->n = weft_host_count(t);
    assert_true(r->n <= 64);
    memcpy(r->out, t->data, (size_t)r->n * sizeof *r->out);
    return WEFT_OK;
}

static void run(const char *text, struct run *r, int64_t symbol) {
    struct weft_graph *g;
    int64_t symbols[WEFT_MAX_SYMBOLS] = {symbol};
    struct weft_eval_params params = {.symbols = symbols, .leaf = give, .each = keep, .user = r};
    if (weft_graph_parse(weft_ops(), text, strlen(text), &g) != WEFT_OK) fail_msg("%s\n%s", text, weft_error_message());
    if (weft_graph_eval(g, &params) != WEFT_OK) fail_msg("%s\n%s", text, weft_error_message());
    weft_graph_destroy(g);
}

static int differs(const double *x, const double *want, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(x[i] - want[i]) <= 1e-12 * (1 + fabs(want[i])))) return 1;
    return 0;
}

static void expect(const struct run *r, const double *want, int64_t n) {
    assert_int_equal(r->n, n);
    if (!differs(r->out, want, n)) return;
    for (int64_t i = 0; i < n; i++) printf("%lld: %.17g, expected %.17g\n", (long long)i, r->out[i], want[i]);
    fail_msg("values differ");
}

// ---- gather --------------------------------------------------------------------------------------------------------

static void gather_counts_from_the_end_and_clamps(void **state) {
    (void)state;
    double ids[] = {0, 2, -1, -3, -9, 7}, table[] = {1, 2, 3, 4, 5, 6};
    struct run r = {.leaves = (struct leaf[]){{"ids", ids, NULL}, {"w", table, NULL}, {0}}};
    run("weight w f32 [3, 2]\ninput ids i32 [2, 3]\n%1 = gather %w %ids {scale=2}\noutput %1 y\n", &r, 0);
    expect(&r, (double[]){2, 4, 10, 12, 10, 12, 2, 4, 2, 4, 10, 12}, 12);
    run("weight w f32 [3, 2]\ninput ids u32 []\n%1 = gather %w %ids\noutput %1 y\n", &r, 0);
    expect(&r, (double[]){1, 2}, 2);
}

static void gather_copies_integers(void **state) {
    (void)state;
    double ids[] = {0, 2, -1, -3, -9, 7}, table[] = {2147483647, -2147483648, 16777217, 0, -1, 5};
    struct run r = {.leaves = (struct leaf[]){{"ids", ids, NULL}, {"w", table, NULL}, {0}}};
    run("input w i32 [3, 2, 1]\ninput ids i32 [6]\n%1 = gather %w %ids\noutput %1 y\n", &r, 0);
    expect(&r,
           (double[]){2147483647, -2147483648, -1, 5, -1, 5, 2147483647, -2147483648, 2147483647, -2147483648, -1, 5},
           12);
    run("input w i32 [6]\ninput ids u32 []\n%1 = gather %w %ids\noutput %1 y\n", &r, 0);
    expect(&r, (double[]){2147483647}, 1);
}

static void gather_decodes_packed_rows(void **state) {
    (void)state;
    uint8_t raw[2][34] = {{0}};
    uint16_t d = weft_f32_to_f16(0.5f);
    memcpy(raw[1], &d, 2);
    for (int i = 0; i < 32; i++) raw[1][2 + i] = (uint8_t)(i - 16);
    double ids[] = {1}, want[32];
    for (int i = 0; i < 32; i++) want[i] = 0.5 * (i - 16);
    struct run r = {.leaves = (struct leaf[]){{"ids", ids, NULL}, {"w", NULL, raw}, {0}}};
    run("weight w q8_0 [2, 32]\ninput ids u32 [1]\n%1 = gather %w %ids\noutput %1 y\n", &r, 0);
    expect(&r, want, 32);
}

// ---- rope ----------------------------------------------------------------------------------------------------------

static void rope_turns_pairs(void **state) {
    (void)state;
    // head size 4, base 100: frequencies 1 and 0.1; two tokens from position 3, one head
    double x[] = {1, 2, 3, 4, 5, 6, 7, 8}, pos[] = {3}, want[8];
    struct run r = {.leaves = (struct leaf[]){{"x", x, NULL}, {"pos", pos, NULL}, {0}}};
    run("input x f32 [2, 1, 4]\nvar pos u32 0 99\n%1 = rope %x %pos {base=100}\noutput %1 y\n", &r, 0);
    for (int t = 0; t < 2; t++)
        for (int i = 0; i < 2; i++) {
            double a = (3 + t) * (i ? 0.1 : 1), p = x[4 * t + i], q = x[4 * t + i + 2];
            want[4 * t + i] = p * cos(a) - q * sin(a);
            want[4 * t + i + 2] = p * sin(a) + q * cos(a);
        }
    expect(&r, want, 8);
    run("input x f32 [2, 1, 4]\nvar pos u32 0 99\n%1 = rope %x %pos {base=100, pairing=normal, freq_scale=0.5}\noutput "
        "%1 y\n",
        &r, 0);
    for (int t = 0; t < 2; t++)
        for (int i = 0; i < 2; i++) {
            double a = (3 + t) * (i ? 0.05 : 0.5), p = x[4 * t + 2 * i], q = x[4 * t + 2 * i + 1];
            want[4 * t + 2 * i] = p * cos(a) - q * sin(a);
            want[4 * t + 2 * i + 1] = p * sin(a) + q * cos(a);
        }
    expect(&r, want, 8);
    want[0] += 1e-9; // negative control
    assert_true(differs(r.out, want, 8));
}

static void rope_copies_the_rest(void **state) {
    (void)state;
    double x[] = {1, 2, 3, 4}, pos[] = {1};
    struct run r = {.leaves = (struct leaf[]){{"x", x, NULL}, {"pos", pos, NULL}, {0}}};
    run("input x f32 [1, 1, 4]\nvar pos u32 0 99\n%1 = rope %x %pos {n_rot=2}\noutput %1 y\n", &r, 0);
    expect(&r, (double[]){cos(1) - 2 * sin(1), sin(1) + 2 * cos(1), 3, 4}, 4);
}

/// Each pair has a factor of its own, which divides its frequency; magnitude scales what turns and nothing else.
static void rope_takes_factors(void **state) {
    (void)state;
    double x[] = {1, 2, 3, 4, 5, 6}, pos[] = {3}, want[6] = {0, 0, 0, 0, 5, 6};
    struct run r = {.leaves = (struct leaf[]){{"x", x, NULL}, {"pos", pos, NULL}, {0}}};
    run("input x f32 [1, 1, 6]\nvar pos u32 0 99\nconst %f f32 [2] 4 0.5\n"
        "%1 = rope %x %pos %f {base=100, n_rot=4, magnitude=1.5}\noutput %1 y\n",
        &r, 0);
    for (int i = 0; i < 2; i++) {
        double a = 3 * (i ? 0.1 / 0.5 : 1. / 4), p = x[i], q = x[i + 2];
        want[i] = 1.5 * (p * cos(a) - q * sin(a));
        want[i + 2] = 1.5 * (p * sin(a) + q * cos(a));
    }
    expect(&r, want, 6);
}

/// Position times step, wrapped, is the angle to within what the header promises.
static double phase_error(const uint32_t *steps, uint32_t n, double base, double scale, uint32_t pos) {
    double worst = 0, turn = 2 * acos(-1);
    for (uint32_t i = 0; i < n; i++) {
        double angle = pos * (scale * pow(base, -(double)i / n)),
               got = (uint32_t)(pos * steps[i]) / 4294967296.0 * turn;
        worst = fmax(worst, hypot(cos(angle) - cos(got), sin(angle) - sin(got)));
    }
    return worst;
}

static void rope_table_is_the_phase_a_position(void **state) {
    (void)state;
    static const uint32_t positions[] = {0, 1, 2, 511, 4097, 32767, 131071};
    static const double bases[] = {10000, 1e6, 1}, scales[] = {1, 0.125, -1, 7};
    uint32_t steps[128];
    for (int b = 0; b < 3; b++)
        for (int s = 0; s < 4; s++) {
            struct weft_node node = {.attrs = {{.f = bases[b]}, {0}, {0}, {.f = scales[s]}}};
            weft_rope_table(&node, NULL, steps, 128);
            for (int p = 0; p < 7; p++) {
                double bound = positions[p] * (acos(-1) / 4294967296.0) + 1e-9;
                assert_true(phase_error(steps, 128, bases[b], scales[s], positions[p]) <= bound);
            }
            assert_true(phase_error(steps, 128, bases[b], scales[s] * 1.001, 4097) > 1e-3); // negative control
        }
    float eights[128];
    struct weft_node node = {.attrs = {{.f = 10000}, {0}, {0}, {.f = 1}}};
    for (int i = 0; i < 128; i++) eights[i] = 8;
    weft_rope_table(&node, eights, steps, 128);
    assert_true(phase_error(steps, 128, 10000, 0.125, 4097) <= 4097 * (acos(-1) / 4294967296.0) + 1e-9);
}

// ---- cache_append --------------------------------------------------------------------------------------------------

static void cache_append_wraps(void **state) {
    (void)state;
    double s[] = {0, 0, 1, 1, 2, 2, 3, 3}, x[] = {10, 11, 20, 21, 30, 31}, pos[] = {6};
    struct run r = {.leaves = (struct leaf[]){{"s", s, NULL}, {"x", x, NULL}, {"pos", pos, NULL}, {0}}};
    run("state s ring f32 [4, 2]\nvar pos u32 0 99\ninput x f32 [3, 2]\n%1 = cache_append %s %x %pos\noutput %1 y\n",
        &r, 0);
    expect(&r, (double[]){30, 31, 1, 1, 10, 11, 20, 21}, 8);
    expect(&(struct run){.out = {s[0], s[1], s[2]}, .n = 3}, (double[]){30, 31, 1}, 3); // the same memory
}

// ---- attention -----------------------------------------------------------------------------------------------------

#define ATTENTION(capacity, heads, attributes)                                                                         \
    "symbol T 1 2\nstate k ring f32 [" capacity ", 1, 1]\nstate v ring f32 [" capacity ", 1, 2]\nvar pos u32 0 99\n"   \
    "input q f32 [T, " heads ", 1]\n%1 = attention %q %k %v %pos " attributes "\noutput %1 y\n"

static void attention_weighs_values(void **state) {
    (void)state;
    // keys 0, ln 2, ln 4 at positions 0 .. 2: a query of 1 weighs them 1 : 2 : 4, one of -1 weighs them 4 : 2 : 1
    double k[] = {0, log(2), log(4), 99}, v[] = {1, 10, 2, 20, 4, 40, 99, 99}, q[] = {1, -1, 1, -1}, pos[] = {2};
    struct run r = {.leaves = (struct leaf[]){{"k", k, NULL}, {"v", v, NULL}, {"q", q, NULL}, {"pos", pos, NULL}, {0}}};
    run(ATTENTION("4", "2", ""), &r, 1);
    expect(&r, (double[]){21. / 7, 210. / 7, 12. / 7, 120. / 7}, 4);
    pos[0] = 1; // two tokens: the first sees keys 0 and 1, the second also 2
    run(ATTENTION("4", "2", ""), &r, 2);
    expect(&r, (double[]){5. / 3, 50. / 3, 4. / 3, 40. / 3, 21. / 7, 210. / 7, 12. / 7, 120. / 7}, 8);
    run(ATTENTION("4", "2", "{window=2}"), &r, 2);
    expect(&r, (double[]){5. / 3, 50. / 3, 4. / 3, 40. / 3, 10. / 3, 100. / 3, 8. / 3, 80. / 3}, 8);
    run(ATTENTION("4", "2", "{window=1, scale=5}"), &r, 2);
    expect(&r, (double[]){2, 20, 2, 20, 4, 40, 4, 40}, 8);
    run(ATTENTION("4", "1", "{scale=2}"), &r, 2); // weights 1 : 4; then the query -1: 16 : 4 : 1
    expect(&r, (double[]){9. / 5, 90. / 5, 28. / 21, 280. / 21}, 4);
}

static void attention_caps_scores(void **state) {
    (void)state;
    double k[] = {0, 50}, v[] = {0, 0, 1, 1}, q[] = {1}, pos[] = {1};
    struct run r = {.leaves = (struct leaf[]){{"k", k, NULL}, {"v", v, NULL}, {"q", q, NULL}, {"pos", pos, NULL}, {0}}};
    run(ATTENTION("2", "1", "{softcap=3}"), &r, 1);
    double w = 1 / (1 + exp(-3 * tanh(50. / 3)));
    expect(&r, (double[]){w, w}, 2);
}

static void attention_reads_a_ring_by_position(void **state) {
    (void)state;
    // capacity 3, position 4: rows 1, 2, 0 hold positions 4, 2, 3
    double k[] = {log(3), log(5), log(2)}, v[] = {3, 0, 4, 0, 2, 0}, q[] = {1, 1}, pos[] = {4};
    struct run r = {.leaves = (struct leaf[]){{"k", k, NULL}, {"v", v, NULL}, {"q", q, NULL}, {"pos", pos, NULL}, {0}}};
    run(ATTENTION("3", "1", ""), &r, 1);
    expect(&r, (double[]){(2 * 2 + 3 * 3 + 5 * 4) / 10., 0}, 2);
    run(ATTENTION("3", "1", "{window=2}"), &r, 1);
    expect(&r, (double[]){(3 * 3 + 5 * 4) / 8., 0}, 2);
    pos[0] = 3; // tokens at 3 and 4: the state holds positions 2, 3, 4
    run(ATTENTION("3", "1", ""), &r, 2);
    expect(&r, (double[]){(2 * 2 + 3 * 3) / 5., 0, (2 * 2 + 3 * 3 + 5 * 4) / 10., 0}, 4);
}

static void attention_groups_heads_and_scales(void **state) {
    (void)state;
    // head size 4, so the scale is 1/2; heads 0 and 1 read key head 0, heads 2 and 3 key head 1
    double k[16] = {0}, v[] = {1, 2, 3, 4}, q[16] = {0}, pos[] = {1};
    k[8] = 2 * log(3);  // position 1, head 0
    k[12] = 2 * log(7); // position 1, head 1
    for (int h = 0; h < 4; h++) q[4 * h] = 1;
    struct run r = {.leaves = (struct leaf[]){{"k", k, NULL}, {"v", v, NULL}, {"q", q, NULL}, {"pos", pos, NULL}, {0}}};
    run("state k ring f32 [2, 2, 4]\nstate v ring f32 [2, 2, 1]\nvar pos u32 0 99\ninput q f32 [1, 4, 4]\n"
        "%1 = attention %q %k %v %pos\noutput %1 y\n",
        &r, 0);
    double a = (1 + 3 * 3) / 4., b = (2 + 7 * 4) / 8.;
    expect(&r, (double[]){a, a, b, b}, 4);
}

// ---- refusals ------------------------------------------------------------------------------------------------------

static void shapes_are_checked(void **state) {
    (void)state;
    refused("weight w f32 [3, 2]\ninput i f32 [1]\n%1 = gather %w %i\noutput %1 y\n", "ids are f32");
    refused("weight w f32 [3]\ninput i u32 [1]\n%1 = gather %w %i\noutput %1 y\n", "the table is f32[3]");
    refused("input w i32 []\ninput i u32 [1]\n%1 = gather %w %i\noutput %1 y\n", "the table is i32[]");
    refused("input w i32 [3]\ninput i f32 [1]\n%1 = gather %w %i\noutput %1 y\n", "ids are f32[1]");
    refused("input w u8 [3]\ninput i u32 [1]\n%1 = gather %w %i {scale=2}\noutput %1 y\n", "leave scale out");
    refused("symbol V 0 9\ninput w u32 [V]\ninput i u32 [1]\n%1 = gather %w %i\noutput %1 y\n", "may have no rows");
    refused("input w u32 [3, 2, 2, 2, 2, 2]\ninput i u32 [1, 1, 1, 1]\n%1 = gather %w %i\noutput %1 y\n",
            "at most 3 axes");
    refused("input x f32 [1, 1, 5]\nvar p u32 0 9\n%1 = rope %x %p\noutput %1 y\n", "must be even");
    refused("input x f32 [1, 1, 4]\nvar p u32 0 9\n%1 = rope %x %p {n_rot=6}\noutput %1 y\n",
            "6 rotated channels of 4");
    refused("input x f32 [4]\nvar p u32 0 9\n%1 = rope %x %p\noutput %1 y\n", "x is f32[4]");
    refused("input x f32 [1, 1, 6]\nvar p u32 0 9\nconst %f f32 [3] 1 2 3\n%1 = rope %x %p %f {n_rot=4}\n"
            "output %1 y\n",
            "factors are f32[3]; it takes f32 [2]");
    refused("input x f32 [1, 1, 4]\nvar p u32 0 9\ninput f i32 [2]\n%1 = rope %x %p %f\noutput %1 y\n",
            "factors are i32[2]");
    refused("state s ring f32 [4, 2]\nvar p u32 0 9\ninput x f32 [5, 2]\n%1 = cache_append %s %x %p\noutput %1 y\n",
            "may bring 5 rows");
    refused("state s ring f32 [4, 2]\nvar p u32 0 9\ninput x f32 [2, 3]\n%1 = cache_append %s %x %p\noutput %1 y\n",
            "equal, constant rows");
    refused("state s ring f16 [4, 3]\nvar p u32 0 9\ninput x f32 [2, 3]\n%1 = cache_append %s %x %p\noutput %1 y\n",
            "even number of elements");
    refused("state k ring f32 [4, 2, 1]\nstate v ring f32 [4, 2, 1]\nvar p u32 0 9\ninput q f32 [1, 3, 1]\n"
            "%1 = attention %q %k %v %p\noutput %1 y\n",
            "must be a multiple of those of k");
    refused("state k ring f32 [4, 2, 1]\nstate v ring f32 [3, 2, 1]\nvar p u32 0 9\ninput q f32 [1, 2, 1]\n"
            "%1 = attention %q %k %v %p\noutput %1 y\n",
            "equal capacity and heads");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gather_counts_from_the_end_and_clamps),
        cmocka_unit_test(gather_copies_integers),
        cmocka_unit_test(gather_decodes_packed_rows),
        cmocka_unit_test(rope_turns_pairs),
        cmocka_unit_test(rope_copies_the_rest),
        cmocka_unit_test(rope_takes_factors),
        cmocka_unit_test(rope_table_is_the_phase_a_position),
        cmocka_unit_test(cache_append_wraps),
        cmocka_unit_test(attention_weighs_values),
        cmocka_unit_test(attention_caps_scores),
        cmocka_unit_test(attention_reads_a_ring_by_position),
        cmocka_unit_test(attention_groups_heads_and_scales),
        cmocka_unit_test(shapes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
