/// The sampler's host reference: order, ties, penalties, filters, the generator, distributions; the operators sample,
/// advance, argmax and nll through a graph. The kernels are compared with this reference elsewhere, bit for bit.
#include "core/alloc.h"
#include "core/error.h"
#include "ir/graph.h"
#include "ops/sample.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const struct weft_op weft_op_advance, weft_op_argmax, weft_op_nll, weft_op_sample;
static const struct weft_op *const rows[] = {&weft_op_advance, &weft_op_argmax, &weft_op_nll, &weft_op_sample, NULL};
static const struct weft_op_set ops = {.ops = rows};

// ---- pick
// --------------------------------------------------------------------------------------------------------------

static struct weft_sample_settings plain(float temperature) {
    return (struct weft_sample_settings){.temperature = temperature, .top_p = 1, .repetition = 1, .seed = 11};
}

static uint32_t pick(struct weft_sample_settings s, const float *logits, const uint32_t *counts, uint32_t v,
                     uint32_t step) {
    static const uint32_t none[4096];
    uint32_t words[WEFT_SAMPLE_WORDS], token;
    assert_int_equal(weft_sample_pack(&s, words), WEFT_OK);
    assert_int_equal(weft_sample_pick(words, logits, counts ? counts : none, v, step, &token), WEFT_OK);
    assert_true(token < v || token == WEFT_SAMPLE_NONE);
    return token;
}

/// Which tokens come up in `draws` steps, as a bit mask (v <= 32).
static uint32_t drawn(struct weft_sample_settings s, const float *logits, uint32_t v, uint32_t draws) {
    uint32_t mask = 0;
    for (uint32_t step = 0; step < draws; step++) mask |= 1u << pick(s, logits, NULL, v, step);
    return mask;
}

static void greedy_takes_the_lowest_of_equals(void **state) {
    (void)state;
    const float x[] = {1, 5, -2, 5, NAN, 5}, zeros[] = {-1, -0.0f, 0.0f}, none[] = {NAN, NAN},
                far[] = {-INFINITY, -1e30f, NAN};
    assert_int_equal(pick(plain(0), x, NULL, 6, 0), 1);
    assert_int_equal(pick(plain(9e-5f), x, NULL, 6, 0), 1); // below the least temperature
    assert_int_equal(pick(plain(0), zeros, NULL, 3, 0), 1);
    assert_int_equal(pick(plain(0), none, NULL, 2, 0), WEFT_SAMPLE_NONE);
    assert_int_equal(pick(plain(0), far, NULL, 3, 0), 1);
    assert_int_equal(pick(plain(1), none, NULL, 2, 7), WEFT_SAMPLE_NONE);
    const float top[] = {3, INFINITY, 3e38f};
    assert_int_equal(pick(plain(0), top, NULL, 3, 0), 1);
    for (uint32_t step = 0; step < 50; step++) assert_int_equal(pick(plain(1), top, NULL, 3, step), 1);
    uint32_t zero_words[WEFT_SAMPLE_WORDS] = {0}, counts[6] = {9, 9, 9, 9, 9, 9}, token; // a state as it is made
    assert_int_equal(weft_sample_pick(zero_words, x, counts, 6, 3, &token), WEFT_OK);
    assert_int_equal(token, 1);
}

static void penalties_act_on_counted_tokens(void **state) {
    (void)state;
    struct weft_sample_settings s = plain(0);
    const uint32_t counts[] = {1, 0, 3};
    s.repetition = 2; // a positive logit is divided
    assert_int_equal(pick(s, (float[]){4, 3, 1}, counts, 3, 0), 1);
    assert_int_equal(pick(s, (float[]){4, 1.9f, 1}, counts, 3, 0), 0);
    assert_int_equal(pick(s, (float[]){-1, -1.5f, -9}, counts, 3, 0), 1); // a negative one is multiplied: -2
    assert_int_equal(pick(s, (float[]){-1, -2.5f, -9}, counts, 3, 0), 0);
    s = plain(0);
    s.presence = 1; // once, however often
    assert_int_equal(pick(s, (float[]){0, 0.9f, 2}, counts, 3, 0), 2);
    assert_int_equal(pick(s, (float[]){0, 1.1f, 2}, counts, 3, 0), 1);
    s = plain(0);
    s.frequency = 1; // three times
    assert_int_equal(pick(s, (float[]){0, 0, 2.9f}, counts, 3, 0), 1);
    assert_int_equal(pick(s, (float[]){0, 0, 3.1f}, counts, 3, 0), 2);
    s.frequency = -1; // a reward
    assert_int_equal(pick(s, (float[]){0, 2.5f, 0}, counts, 3, 0), 2);
    s.frequency = 0.5f;
    s.presence = 0.25f;
    s.repetition = 2; // 8 / 2 - 1.5 - 0.25 = 2.25: repetition first
    assert_int_equal(pick(s, (float[]){0, 2.24f, 8}, counts, 3, 0), 2);
    assert_int_equal(pick(s, (float[]){0, 2.26f, 8}, counts, 3, 0), 1);
}

static void top_k_keeps_exactly_k(void **state) {
    (void)state;
    struct weft_sample_settings s = plain(1);
    const float x[] = {1, 2, 2, 2, 0, NAN, 2};
    const struct {
        uint32_t k, mask;
    } cases[] = {{1, 0x02}, {2, 0x06}, {3, 0x0e}, {4, 0x4e}, {5, 0x4f}, {6, 0x5f}, {7, 0x5f}, {100, 0x5f}, {0, 0x5f}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        s.top_k = cases[i].k;
        assert_int_equal(drawn(s, x, 7, 600), cases[i].mask);
    }
    const float equal[] = {3, 3, 3, 3, 3};
    s.top_k = 3;
    assert_int_equal(drawn(s, equal, 5, 300), 0x07); // lowest indices
}

static void top_p_keeps_the_smallest_prefix(void **state) {
    (void)state;
    struct weft_sample_settings s = plain(1);
    const float x[] = {logf(0.1f), logf(0.4f), logf(0.2f), logf(0.3f)}, equal[] = {1, 1, 1, 1};
    const struct {
        float p;
        uint32_t mask;
    } cases[] = {{0, 0x2},     {0.39f, 0x2}, {0.41f, 0xa}, {0.69f, 0xa},
                 {0.71f, 0xe}, {0.89f, 0xe}, {0.91f, 0xf}, {1, 0xf}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        s.top_p = cases[i].p;
        assert_int_equal(drawn(s, x, 4, 400), cases[i].mask);
    }
    s.top_p = 0.5f; // reached exactly by two of four equal masses
    assert_int_equal(drawn(s, equal, 4, 200), 0x3);
    s.top_p = 0.50001f;
    assert_int_equal(drawn(s, equal, 4, 200), 0x7);
    s.top_k = 2; // of the mass that top-k left: 0.4 of 0.7 is 57 %
    s.top_p = 0.56f;
    assert_int_equal(drawn(s, x, 4, 200), 0x2);
    s.top_p = 0.58f;
    assert_int_equal(drawn(s, x, 4, 200), 0xa);
    s.temperature = 5; // the temperature comes last and changes no survivor
    assert_int_equal(drawn(s, x, 4, 200), 0xa);
}

static void min_p_is_a_share_of_the_likeliest(void **state) {
    (void)state;
    struct weft_sample_settings s = plain(1);
    const float x[] = {logf(0.1f), logf(0.4f), logf(0.2f), logf(0.3f)};
    const struct {
        float p;
        uint32_t mask;
    } cases[] = {{0, 0xf},     {0.24f, 0xf}, {0.26f, 0xe}, {0.49f, 0xe},
                 {0.51f, 0xa}, {0.74f, 0xa}, {0.76f, 0x2}, {1, 0x2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        s.min_p = cases[i].p;
        assert_int_equal(drawn(s, x, 4, 400), cases[i].mask);
        s.temperature = 3; // not of the flattened distribution
        assert_int_equal(drawn(s, x, 4, 400), cases[i].mask);
        s.temperature = 1;
    }
    s.min_p = 1;
    assert_int_equal(drawn(s, (float[]){2, 2, 1}, 3, 100), 0x3); // equals of the likeliest stay
}

// ---- draws
// -------------------------------------------------------------------------------------------------------------

/// Chi-square of `draws` picks against softmax(x / temperature) restricted to `mask`.
static double chi_square(struct weft_sample_settings s, const float *x, uint32_t v, uint32_t mask, double temperature,
                         uint32_t draws) {
    double p[32], sum = 0, chi = 0;
    uint32_t seen[32] = {0};
    for (uint32_t i = 0; i < v; i++) sum += p[i] = mask >> i & 1 ? exp((double)x[i] / temperature) : 0;
    for (uint32_t step = 0; step < draws; step++) seen[pick(s, x, NULL, v, step)]++;
    for (uint32_t i = 0; i < v; i++) {
        double want = p[i] / sum * draws;
        if (p[i] == 0) assert_int_equal(seen[i], 0);
        else chi += (seen[i] - want) * (seen[i] - want) / want;
    }
    return chi;
}

static void draws_follow_the_softmax(void **state) {
    (void)state;
    const float x[] = {0.5f, -1, 2, 0, 1.5f, -2, 0.25f, 1};
    // 99.9999 % of chi-square with 7 degrees of freedom lie below 40.5; seeds are fixed, so this holds or does not.
    for (uint64_t seed = 0; seed < 4; seed++) {
        struct weft_sample_settings s = plain(1);
        s.seed = seed << 40 | seed;
        assert_true(chi_square(s, x, 8, 0xff, 1, 20000) < 40.5);
        s.temperature = 0.7f;
        assert_true(chi_square(s, x, 8, 0xff, 0.7, 20000) < 40.5);
        s.temperature = 2.5f;
        s.top_k = 5;
        assert_true(chi_square(s, x, 8, 0xd5, 2.5, 20000) < 40.5);
        s.top_k = 0;
        assert_true(chi_square(s, x, 8, 0xff, 2, 20000) > 40.5); // negative control: another temperature
    }
}

static void draws_depend_on_seed_and_step(void **state) {
    (void)state;
    assert_true(weft_sample_random(0, 0) == 0xe169c58d6627e8d5u); // the generator's published first words for zeros
    float x[256] = {0};
    struct weft_sample_settings s = plain(1), t = s;
    t.seed++;
    uint32_t same_step = 0, same_seed = 0;
    for (uint32_t step = 0; step < 1000; step++) {
        assert_int_equal(pick(s, x, NULL, 256, step), pick(s, x, NULL, 256, step));
        same_step += pick(s, x, NULL, 256, step) == pick(s, x, NULL, 256, step + 1);
        same_seed += pick(s, x, NULL, 256, step) == pick(t, x, NULL, 256, step);
    }
    assert_in_range(same_step, 0, 20); // four are expected
    assert_in_range(same_seed, 0, 20);
}

static void masses_are_powers_of_two(void **state) {
    (void)state;
    assert_true(weft_sample_mass(0) == (uint64_t)1 << 40);
    assert_true(weft_sample_mass(40u << 24) == 0);
    assert_true(weft_sample_mass(UINT32_MAX) == 0);
    double worst = 0;
    for (uint64_t gap = 1; gap < (uint64_t)40 << 24; gap += 40009) {
        double want = ldexp(exp2(-ldexp((double)gap, -24)), 40), got = (double)weft_sample_mass((uint32_t)gap);
        double error = (fabs(got - want) - 1) / want; // but for the last unit
        if (error > worst) worst = error;
    }
    assert_true(worst < 1.2e-7);
    assert_true(worst > 0); // the check sees differences at all
}

static void settings_are_checked(void **state) {
    (void)state;
    uint32_t words[WEFT_SAMPLE_WORDS];
    struct weft_sample_settings s = weft_sample_defaults();
    assert_int_equal(weft_sample_pack(&s, words), WEFT_OK);
    assert_int_equal(words[WEFT_SAMPLE_FLAGS], WEFT_SAMPLE_DRAW | WEFT_SAMPLE_USE_TOP_P | WEFT_SAMPLE_USE_MIN_P);
    struct weft_sample_settings bad[14];
    for (int i = 0; i < 14; i++) bad[i] = s;
    bad[0].temperature = -1;
    bad[1].temperature = NAN;
    bad[2].top_p = -0.1f;
    bad[3].min_p = 1.5f;
    bad[4].repetition = 0;
    bad[5].frequency = INFINITY;
    bad[6].presence = NAN;
    bad[7].top_p = NAN;
    bad[8].top_p = 1.5f;
    bad[9].top_p = INFINITY;
    bad[10].min_p = NAN;
    bad[11].repetition = NAN;
    bad[12].repetition = -2;
    bad[13].frequency = NAN;
    for (int i = 0; i < 14; i++) {
        weft_error_clear();
        assert_int_equal(weft_sample_pack(&bad[i], words), WEFT_ERR_INVALID);
        assert_true(strlen(weft_error_message()) > 10);
    }
}

static void memory_may_run_out(void **state) {
    (void)state;
    uint32_t words[WEFT_SAMPLE_WORDS] = {0}, counts[2] = {0}, token;
    weft_alloc_fail_at(1, 0);
    assert_int_equal(weft_sample_pick(words, (float[]){1, 2}, counts, 2, 0, &token), WEFT_ERR_NOMEM);
    weft_alloc_fail_at(0, 0);
}

// ---- through a graph
// ---------------------------------------------------------------------------------------------------

enum { V = 6 };

/// Host memory of every leaf, by name.
struct host {
    const char *name;
    double data[32];
};
static struct host host[16];
static size_t n_host;
static double output[64];

static double *host_data(const char *name) {
    for (size_t i = 0; i < n_host; i++)
        if (strcmp(host[i].name, name) == 0) return host[i].data;
    assert_true(n_host < 16);
    host[n_host].name = name;
    memset(host[n_host].data, 0, sizeof host[n_host].data);
    return host[n_host++].data;
}

static weft_status leaf(void *user, weft_value v, const struct weft_value_info *info, struct weft_host *t) {
    (void)user;
    (void)v;
    t->data = host_data(info->name);
    return WEFT_OK;
}

static weft_status each(void *user, weft_value v, const struct weft_value_info *info, const struct weft_host *t) {
    (void)user;
    (void)v;
    if (info->is_output) memcpy(output, t->data, (size_t)weft_host_count(t) * sizeof *output);
    return WEFT_OK;
}

static struct weft_type type(struct weft_graph *g, weft_dtype dtype, uint32_t rank, weft_dim a, int64_t b) {
    return (struct weft_type){.dtype = dtype, .rank = rank, .dims = {a, b ? weft_dim_const(g->dims, b) : 0}};
}

static weft_dim length(struct weft_graph *g, int64_t n) { return weft_dim_const(g->dims, n); }

/// advance and sample as a decoder has them; logits [R, V] with R in 0..2. `bad` breaks one operand's type.
static weft_status build(struct weft_graph *g, int greedy, int bad) {
    weft_value in[12], pos, outs[6];
    weft_dim r = weft_dim_symbol(g->dims, "R", 0, 2);
    assert_int_equal(weft_graph_state(g, "counts", type(g, WEFT_U32, 1, length(g, bad == 0 ? V + 1 : V), 0),
                                      WEFT_STATE_DENSE, &in[0]),
                     WEFT_OK);
    assert_int_equal(weft_graph_state(g, "ring", type(g, bad == 1 ? WEFT_F32 : WEFT_U32, 1, length(g, 4), 0),
                                      WEFT_STATE_DENSE, &in[1]),
                     WEFT_OK);
    assert_int_equal(weft_graph_state(g, "tokens", type(g, WEFT_I32, 1, length(g, 3), 0), WEFT_STATE_DENSE, &in[2]),
                     WEFT_OK);
    static const char *const variables[] = {"token", "n_out", "rng", "pos", "n_max", "pos_max"};
    static const uint8_t at[] = {3, 4, 5, 9, 10, 11};
    for (int i = 0; i < 6; i++)
        assert_int_equal(weft_graph_var(g, variables[i], bad == 2 && i == 1 ? WEFT_F32 : WEFT_U32, 0, 1000, &in[at[i]]),
                         WEFT_OK);
    assert_int_equal(weft_graph_input(g, "logits", type(g, bad == 3 ? WEFT_I32 : WEFT_F32, 2, r, V), &in[6]), WEFT_OK);
    assert_int_equal(weft_graph_state(g, "sampling", type(g, WEFT_U32, 1, length(g, bad == 4 ? 8 : 16), 0),
                                      WEFT_STATE_DENSE, &in[7]),
                     WEFT_OK);
    assert_int_equal(weft_graph_state(g, "stops", type(g, WEFT_U32, 1, length(g, 4), 0), WEFT_STATE_DENSE, &in[8]),
                     WEFT_OK);
    struct weft_arg by = {.name = "by", .d = length(g, 5)}, arg = {.name = "greedy", .x = greedy};
    assert_int_equal(weft_graph_add(g, &weft_op_advance, "advance", &in[9], 1, &by, 1, &pos), WEFT_OK);
    in[9] = pos;
    return weft_graph_add(g, &weft_op_sample, "sample", in, 12, &arg, 1, outs);
}

static void sample_advances_its_states(void **state) {
    (void)state;
    for (int greedy = 0; greedy < 2; greedy++) {
        struct weft_graph *g;
        n_host = 0;
        assert_int_equal(weft_graph_create(&ops, &g), WEFT_OK);
        assert_int_equal(build(g, greedy, -1), WEFT_OK);
        assert_int_equal(weft_graph_verify(g), WEFT_OK);
        struct weft_sample_settings s = plain(1);
        s.frequency = 2;
        s.window = 3;
        uint32_t words[WEFT_SAMPLE_WORDS], counts[V] = {0}, ring[4] = {0};
        assert_int_equal(weft_sample_pack(&s, words), WEFT_OK);
        for (int i = 0; i < WEFT_SAMPLE_WORDS; i++) host_data("sampling")[i] = words[i];
        if (greedy) words[0] &= ~(uint32_t)WEFT_SAMPLE_DRAW;
        const float x[V] = {0, 0.5f, 1, 1.5f, 2, 1};
        for (int i = 0; i < V; i++)
            host_data("logits")[i] = 9 - i, host_data("logits")[V + i] = (double)x[i]; // the last row counts
        for (uint32_t step = 0; step < 9; step++) {
            uint32_t token;
            assert_int_equal(weft_sample_pick(words, x, counts, V, step, &token), WEFT_OK);
            if (step >= 3) counts[ring[(step - 3) % 4]]--;
            counts[token]++;
            ring[step % 4] = token;
            struct weft_eval_params params = {.symbols = (int64_t[]){2}, .leaf = leaf};
            assert_int_equal(weft_graph_eval(g, &params), WEFT_OK);
            assert_true(host_data("token")[0] == token && host_data("tokens")[0] == token &&
                        host_data("tokens")[1] == 0);
            assert_true(host_data("n_out")[0] == step + 1 && host_data("rng")[0] == step + 1 &&
                        host_data("pos")[0] == 5 * (step + 1));
            for (int i = 0; i < V; i++) assert_true(host_data("counts")[i] == counts[i]);
            for (int i = 0; i < 4; i++) assert_true(host_data("ring")[i] == ring[i]);
        }
        struct weft_eval_params empty = {.symbols = (int64_t[]){0},
                                         .leaf = leaf}; // no row: nothing but the position moves
        assert_int_equal(weft_graph_eval(g, &empty), WEFT_OK);
        assert_true(host_data("n_out")[0] == 9 && host_data("rng")[0] == 9 && host_data("pos")[0] == 50);
        weft_graph_destroy(g);
    }
}

static void sample_refuses_other_types(void **state) {
    (void)state;
    static const char *const named[] = {"counts", "ring", "n_out", "logits", "sampling"};
    for (int bad = 0; bad < 5; bad++) {
        struct weft_graph *g;
        assert_int_equal(weft_graph_create(&ops, &g), WEFT_OK);
        assert_int_equal(build(g, 0, bad), WEFT_ERR_INVALID);
        if (!strstr(weft_error_message(), named[bad])) fail_msg("'%s' lacks '%s'", weft_error_message(), named[bad]);
        weft_graph_destroy(g);
    }
}

/// Runs one node on x [r, n] (and y [r]) and leaves its output in output[].
static void run_node(const struct weft_op *op, int64_t r, int64_t n, const double *x, const double *y) {
    struct weft_graph *g;
    weft_value in[2], out;
    n_host = 0;
    memcpy(host_data("x"), x, (size_t)(r * n) * sizeof *x);
    if (y) memcpy(host_data("y"), y, (size_t)r * sizeof *y);
    assert_int_equal(weft_graph_create(&ops, &g), WEFT_OK);
    assert_int_equal(weft_graph_input(g, "x", type(g, WEFT_F32, 2, length(g, r), n), &in[0]), WEFT_OK);
    if (y) assert_int_equal(weft_graph_input(g, "y", type(g, WEFT_I32, 1, length(g, r), 0), &in[1]), WEFT_OK);
    assert_int_equal(weft_graph_add(g, op, NULL, in, y ? 2 : 1, NULL, 0, &out), WEFT_OK);
    assert_int_equal(weft_graph_output(g, out, "out"), WEFT_OK);
    struct weft_eval_params params = {.symbols = (int64_t[]){0}, .leaf = leaf, .each = each};
    assert_int_equal(weft_graph_eval(g, &params), WEFT_OK);
    weft_graph_destroy(g);
}

static void argmax_takes_the_first(void **state) {
    (void)state;
    const double x[] = {1,         3,         3,         2,         NAN, -5,       -5, NAN,      NAN,  NAN, NAN, NAN,
                        -INFINITY, -INFINITY, -INFINITY, -INFINITY, 0,   INFINITY, 1,  INFINITY, -0.0, 0.0, -1,  -1};
    const double want[] = {1, 1, 0, 0, 1, 0};
    run_node(&weft_op_argmax, 6, 4, x, NULL);
    for (int i = 0; i < 6; i++) assert_true(output[i] == want[i]);
}

static void nll_is_the_cost_of_the_target(void **state) {
    (void)state;
    const double x[] = {1, 2, 3,         0, 0,         0,         40,        0, 0,        1, NAN,
                        1, 1, -INFINITY, 1, -INFINITY, -INFINITY, -INFINITY, 2, INFINITY, 1};
    const double y[] = {0, 7, 0, 0, 1, 0, 0};
    run_node(&weft_op_nll, 7, 3, x, y);
    assert_true(fabs(output[0] - 2.4076059644443806) < 1e-14);
    assert_true(fabs(output[1] - log(3)) < 1e-15); // the target is clamped
    assert_true(fabs(output[2] / (2 * exp(-40)) - 1) < 1e-12);
    assert_true(isnan(output[3]) && isnan(output[5]) && isnan(output[6]));
    assert_true(output[4] > 3.4e38 && output[4] < 3.5e38);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_takes_the_lowest_of_equals),
        cmocka_unit_test(penalties_act_on_counted_tokens),
        cmocka_unit_test(top_k_keeps_exactly_k),
        cmocka_unit_test(top_p_keeps_the_smallest_prefix),
        cmocka_unit_test(min_p_is_a_share_of_the_likeliest),
        cmocka_unit_test(draws_follow_the_softmax),
        cmocka_unit_test(draws_depend_on_seed_and_step),
        cmocka_unit_test(masses_are_powers_of_two),
        cmocka_unit_test(settings_are_checked),
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(sample_advances_its_states),
        cmocka_unit_test(sample_refuses_other_types),
        cmocka_unit_test(argmax_takes_the_first),
        cmocka_unit_test(nll_is_the_cost_of_the_target),
    };
    return cmocka_run_group_tests_name("sample", tests, NULL, NULL);
}
