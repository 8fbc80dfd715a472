/// Host references of the recurrent operators: small cases worked out by hand, what they refuse, runs in two halves,
/// and the algebra of chunks against the recurrence, both in double. Their kernels are compared with these references
/// in test_gpu_recurrent.c.
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

/// Leaves by name; states are changed in place. Outputs go one behind the other to `out`.
struct leaf {
    const char *name;
    double *data;
};
struct run {
    const struct leaf *leaves;
    double out[4096];
    int64_t n;
};

static weft_status give(void *user, weft_value v, const struct weft_value_info *info, struct weft_host *t) {
    const struct run *r = user;
    (void)v;
    for (const struct leaf *l = r->leaves; l->name; l++)
        if (strcmp(l->name, info->name) == 0) t->data = l->data;
    return WEFT_OK;
}

static weft_status keep(void *user, weft_value v, const struct weft_value_info *info, const struct weft_host *t) {
    struct run *r = user;
    (void)v;
    if (!info->is_output) return WEFT_OK;
    int64_t n = weft_host_count(t);
    assert_true(r->n + n <= 4096);
    memcpy(r->out + r->n, t->data, (size_t)n * sizeof *r->out);
    r->n += n;
    return WEFT_OK;
}

static void run(const char *text, struct run *r, int64_t symbol) {
    struct weft_graph *g;
    int64_t symbols[WEFT_MAX_SYMBOLS] = {symbol};
    struct weft_eval_params params = {.symbols = symbols, .leaf = give, .each = keep, .user = r};
    r->n = 0;
    if (weft_graph_parse(weft_ops(), text, strlen(text), &g) != WEFT_OK) fail_msg("%s\n%s", text, weft_error_message());
    if (weft_graph_eval(g, &params) != WEFT_OK) fail_msg("%s\n%s", text, weft_error_message());
    weft_graph_destroy(g);
}

static double distance(const double *x, const double *y, int64_t n) {
    double worst = 0;
    for (int64_t i = 0; i < n; i++) worst = isnan(x[i] - y[i]) ? INFINITY : fmax(worst, fabs(x[i] - y[i]));
    return worst;
}

static void expect(const double *got, const double *want, int64_t n) {
    if (distance(got, want, n) <= 1e-12) return;
    for (int64_t i = 0; i < n; i++) printf("%lld: %.17g, expected %.17g\n", (long long)i, got[i], want[i]);
    fail_msg("values differ");
}

// ---- by hand -------------------------------------------------------------------------------------------------------

#define HEAD "state s dense f32 [1, 1, 2, 2]\ninput q f32 [T, 2]\ninput k f32 [T, 2]\ninput v f32 [T, 2]\n"
#define GATES "input g f32 [T, 1]\ninput b f32 [T, 1]\n"

/// One token on S = [[1, 2], [3, 4]], k = (1, 2), v = (5, 6), q = (1, -1), exp g = 1/2, beta = 1/4.
static void one_token_of_each_rule(void **state) {
    (void)state;
    static const struct {
        const char *gates, *names, *rule;
        double s[4];
    } cases[] = {
        {"", "", "linear", {1 + 5, 2 + 6, 3 + 10, 4 + 12}},
        {"input g f32 [T, 1]\n", "%g", "gated", {.5 + 5, 1 + 6, 1.5 + 10, 2 + 12}},
        // S^T k = (7, 10), so d = (v - S^T k) / 4 = (-0.5, -1)
        {"input b f32 [T, 1]\n", "%b", "delta", {1 - .5, 2 - 1, 3 - 1, 4 - 2}},
        // the decayed S^T k = (3.5, 5), so d = (0.375, 0.25)
        {GATES, "%g %b", "gated_delta", {.5 + .375, 1 + .25, 1.5 + .75, 2 + .5}},
    };
    double q[] = {1, -1}, k[] = {1, 2}, v[] = {5, 6}, g[] = {log(.5)}, b[] = {.25};
    for (size_t i = 0; i < 4; i++) {
        for (int value = 0; value < 2; value++) {
            double s[] = {1, value ? 3 : 2, value ? 2 : 3, 4};
            const double *w = cases[i].s;
            double turned[] = {w[0], value ? w[2] : w[1], value ? w[1] : w[2], w[3]};
            double y[] = {(w[0] - w[2]) / sqrt(2), (w[1] - w[3]) / sqrt(2)};
            struct run r = {
                .leaves = (struct leaf[]){{"s", s}, {"q", q}, {"k", k}, {"v", v}, {"g", g}, {"b", b}, {NULL, NULL}}};
            char text[400];
            snprintf(text, sizeof text,
                     "symbol T 0 9\n" HEAD "%s%%n %%y = linear_attention %%s %%q %%k %%v %s {rule=%s, q_heads=1, "
                     "kv_heads=1, layout=%s}\noutput %%y y\n",
                     cases[i].gates, cases[i].names, cases[i].rule, value ? "value" : "key");
            run(text, &r, 1);
            expect(s, turned, 4);
            expect(r.out, y, 2);
            run(text, &r, 0); // no tokens: the state stays
            expect(s, turned, 4);
            assert_int_equal(r.n, 0);
        }
    }
}

/// Two tokens of the linear rule with two sequences, three query heads of one state head, and heads that share keys.
static void heads_and_sequences(void **state) {
    (void)state;
    double s[4] = {0}, q[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, k[] = {1, 2, 3, 4}, v[] = {1, 10, 100, 1000};
    struct run r = {.leaves = (struct leaf[]){{"s", s}, {"q", q}, {"k", k}, {"v", v}, {NULL, NULL}}};
    run("state s dense f32 [2, 1, 1, 1]\ninput q f32 [2, 2, 3]\ninput k f32 [2, 2, 1]\ninput v f32 [2, 2, 1]\n"
        "%n %y = linear_attention %s %q %k %v {rule=linear, q_heads=3, kv_heads=1, scale=1}\noutput %y y\n",
        &r, 0);
    expect(s, (double[]){21, 4300}, 2);
    expect(r.out, (double[]){1, 2, 3, 84, 105, 126, 2100, 2400, 2700, 43000, 47300, 51600}, 12);
    memset(s, 0, sizeof s); // four state heads, two keys, two queries
    run("state s dense f32 [4, 1, 1]\ninput q f32 [1, 2]\ninput k f32 [1, 2]\ninput v f32 [1, 4]\n"
        "%n %y = linear_attention %s %q %k %v {rule=linear, q_heads=2, kv_heads=4, scale=2}\noutput %y y\n",
        &r, 0);
    expect(s, (double[]){1, 10, 200, 2000}, 4);
    expect(r.out, (double[]){2, 20, 800, 8000}, 4);
}

/// The gates and the norm of gated_delta_net, one token of one head; the state is value-major.
/// Heads that share one in turns are those of which there is a copy for each, laid out one after the other; neighbours
/// that share one are something else. With more queries than states the heads of queries change places.
static void sharing_in_turns(void **state) {
    (void)state;
#define IN(Q, K)                                                                                                       \
    "symbol T 0 3\nstate s dense f32 [1, 4, 2, 2]\ninput q f32 [T, " Q "]\ninput k f32 [T, " K "]\n"                   \
    "input v f32 [T, 8]\ninput g f32 [T, 4]\ninput b f32 [T, 4]\n"
#define RULE(OP, Q, MORE) "%n %y = " OP " %s " Q " %v %g %b {q_heads=" MORE "}\noutput %y y\n"
    static const char turns[] = IN("4", "4") RULE("linear_attention", "%q %k", "2, kv_heads=4, sharing=turns");
    static const char net[] = IN("4", "4") RULE("gated_delta_net", "%q %k", "2, kv_heads=4, layout=key, sharing=turns");
    static const char blocks[] = IN("4", "4") RULE("linear_attention", "%q %k", "2, kv_heads=4");
    static const char copies[] = IN("4", "4") "%0 = concat %q %q {axis=-1}\n%1 = concat %k %k {axis=-1}\n" RULE(
        "linear_attention", "%0 %1", "4, kv_heads=4");
    static const char more[] = IN("16", "8") RULE("linear_attention", "%q %k", "8, kv_heads=4, sharing=turns");
    static const char moved[] = IN("16", "8") RULE("linear_attention", "%q %k", "8, kv_heads=4");
    double q[48], p[48], k[24], v[24], g[12], b[12], s[16];
    for (int i = 0; i < 48; i++) q[i] = sin(i * 1.7 + 1);
    for (int i = 0; i < 24; i++) k[i] = cos(i * 2.3), v[i] = sin(i * 0.9);
    for (int i = 0; i < 12; i++) g[i] = -0.1 * (i % 5), b[i] = 0.2 + 0.05 * i;
    for (int i = 0; i < 48; i++) p[i] = q[i / 16 * 16 + (i / 2 % 2 * 4 + i / 4 % 4) * 2 + i % 2]; // 2h + g from 4g + h
    const struct leaf leaves[] = {{"s", s}, {"q", q}, {"k", k}, {"v", v}, {"g", g}, {"b", b}, {0}};
    const struct leaf changed[] = {{"s", s}, {"q", p}, {"k", k}, {"v", v}, {"g", g}, {"b", b}, {0}};
    struct run a = {.leaves = leaves}, c = {.leaves = leaves}, d = {.leaves = changed};
    memset(s, 0, sizeof s);
    run(turns, &a, 3);
    memset(s, 0, sizeof s);
    run(copies, &c, 3);
    expect(a.out, c.out, 24);
    memset(s, 0, sizeof s);
    run(net, &c, 3);
    expect(a.out, c.out, 24);
    memset(s, 0, sizeof s);
    run(blocks, &c, 3);
    assert_true(distance(a.out, c.out, 24) > 0.01);
    memset(s, 0, sizeof s);
    run(more, &a, 3);
    memset(s, 0, sizeof s);
    run(moved, &d, 3);
    for (int i = 0; i < 48; i++) c.out[i] = d.out[i / 16 * 16 + (i / 2 % 4 * 2 + i / 8 % 2) * 2 + i % 2]; // and back
    expect(a.out, c.out, 48);
#undef RULE
#undef IN
}

static void gates_of_the_net(void **state) {
    (void)state;
    double s[] = {1, 2}, q[] = {3, 4}, k[] = {0, 5}, v[] = {7}, a[] = {1}, b[] = {0}, A_log[] = {log(2)}, dt[] = {-1};
    struct run r = {
        .leaves = (struct leaf[]){
            {"s", s}, {"q", q}, {"k", k}, {"v", v}, {"a", a}, {"b", b}, {"A", A_log}, {"dt", dt}, {NULL, NULL}}};
    run("state s dense f32 [1, 1, 1, 2]\ninput q f32 [1, 2]\ninput k f32 [1, 2]\ninput v f32 [1, 1]\n"
        "input a f32 [1, 1]\ninput b f32 [1, 1]\nweight A f32 [1]\nweight dt f32 [1]\n"
        "%n %y = gated_delta_net %s %q %k %v %a %b %A %dt {gate_activation=qwen, beta_activation=sigmoid, "
        "qk_l2_norm=1, q_heads=1, kv_heads=1, scale=1}\noutput %y y\n",
        &r, 0);
    // softplus(0) = log 2, so the state is kept by exp(-2 log 2) = 1/4; k = (0, 1), q = (0.6, 0.8), beta = 1/2
    double kept[] = {.25, .5 + .5 * (7 - .5)};
    expect(s, kept, 2);
    expect(r.out, (double[]){.6 * kept[0] + .8 * kept[1]}, 1);
}

static void convolution_by_hand(void **state) {
    (void)state;
    double s[] = {1, 2, 3, 4, 5, 6, 7, 8}, x[] = {10, 20, 30, 40}, w[] = {1, 10, 100, -1, 0, 1}, b[] = {.5, 0};
    struct run r = {.leaves = (struct leaf[]){{"s", s}, {"x", x}, {"w", w}, {"b", b}, {NULL, NULL}}};
    const char *text = "symbol T 0 4\nstate s dense f32 [2, 4]\ninput x f32 [2, T]\ninput w f32 [2, 1, 3]\n"
                       "input b f32 [2]\n%n %y = causal_conv %s %x %w %b {dilation=2}\noutput %y y\n";
    run(text, &r, 2); // channel 0: 1 2 3 4 10 20, channel 1: 5 6 7 8 30 40
    expect(r.out, (double[]){1 + 30 + 1000 + .5, 2 + 40 + 2000 + .5, -5 + 30, -6 + 40}, 4);
    expect(s, (double[]){3, 4, 10, 20, 7, 8, 30, 40}, 8);
    run(text, &r, 0);
    expect(s, (double[]){3, 4, 10, 20, 7, 8, 30, 40}, 8);
    double last[] = {1, 2, 3, 4};
    r.leaves = (struct leaf[]){{"s", last}, {"x", x}, {"w", w}, {NULL, NULL}};
    run("state s dense f32 [1, 2, 2]\ninput x f32 [1, 1, 2]\ninput w f32 [2, 3]\n"
        "%n %y = causal_conv %s %x %w {layout=last, activation=silu}\noutput %y y\n",
        &r, 0);
    double u = 1 + 30 + 1000, z = -2 + 20;
    expect(r.out, (double[]){u / (1 + exp(-u)), z / (1 + exp(-z))}, 2);
    expect(last, (double[]){3, 4, 10, 20}, 4);
}

// ---- refusals ------------------------------------------------------------------------------------------------------

#define LINEAR(state, q, k, v, rest)                                                                                   \
    "symbol T 0 9\nsymbol B 1 2\nstate s dense " state "\ninput q f32 [" q "]\ninput k f32 [" k "]\n"                  \
    "input v f32 [" v "]\ninput g f32 [T, 2]\ninput b f32 [T, 3]\n%n %y = linear_attention %s %q %k %v " rest "\n"

static void refusals(void **state) {
    (void)state;
    refused(LINEAR("f32 [2, 3, 4]", "T, 6", "T, 6", "T, 8", "{q_heads=2, kv_heads=2}"), "takes 6 operands");
    refused(LINEAR("f32 [2, 3, 4]", "T, 6", "T, 6", "T, 8", "%g {rule=linear, q_heads=2, kv_heads=2}"),
            "neither decay nor beta");
    refused(LINEAR("f32 [2, 3, 4]", "T, 6", "T, 6", "T, 8", "%b {rule=delta, q_heads=2, kv_heads=2}"),
            "beta has 3 columns; it takes 2 (a head) or 1");
    refused(LINEAR("f32 [2, 3, 4]", "T, 6", "T, 6", "T, 8", "%b {rule=gated, q_heads=2, kv_heads=2}"),
            "decay has 3 columns; it takes 2 (a head) or 6 (a channel)");
    refused(LINEAR("f32 [2, 4, 3]", "T, 6", "T, 6", "T, 8", "{rule=linear, q_heads=2, kv_heads=2}"),
            "it takes f32 [1, 2, 3, 4]");
    refused(LINEAR("f16 [2, 3, 4]", "T, 6", "T, 6", "T, 8", "{rule=linear, q_heads=2, kv_heads=2}"), "it takes f32");
    refused(LINEAR("f32 [2, 3, 4]", "T, 6", "9, 6", "T, 8", "{rule=linear, q_heads=2, kv_heads=2}"),
            "as many tokens as q");
    refused(LINEAR("f32 [2, 3, 4]", "T, 6", "T, 6", "T, 7", "{rule=linear, q_heads=2, kv_heads=2}"), "v has 7 columns");
    refused(LINEAR("f32 [2, 3, 4]", "T, 6", "T, 9", "T, 8", "{rule=linear, q_heads=2, kv_heads=2}"), "k has 9 columns");
    refused(LINEAR("f32 [2, 3, 4]", "T, 9", "T, 6", "T, 8", "{rule=linear, q_heads=3, kv_heads=2}"),
            "one must be a multiple");
    refused(LINEAR("f32 [1, 3000, 4]", "T, 3000", "T, 3000", "T, 4", "{rule=linear, q_heads=1, kv_heads=1}"),
            "2048 is the most");
    refused(LINEAR("f32 [1, 2, 3, 4]", "B, T, 6", "B, T, 6", "B, T, 8", "{rule=linear, q_heads=2, kv_heads=2}"),
            "first axis must be a constant");
    refused("state s dense f32 [3, 2]\ninput x f32 [4, 2]\ninput w f32 [2, 3]\n"
            "%n %y = causal_conv %s %x %w {layout=last}\n",
            "with 2 columns");
    refused("state s dense f32 [2, 0]\ninput x f32 [2, 4]\ninput w f32 [2, 1]\n%n %y = causal_conv %s %x %w\n",
            "2 to 256");
    refused("state s dense f32 [2, 2]\ninput x f32 [2, 4]\ninput w f32 [3, 3]\n%n %y = causal_conv %s %x %w\n",
            "[2, 1, K]");
    refused("state s dense f32 [1, 3, 4]\ninput q f32 [9, 3]\ninput v f32 [9, 4]\ninput a f32 [9, 3]\n"
            "input b f32 [9, 1]\n%n %y = gated_delta_net %s %q %q %v %a %b {q_heads=1, kv_heads=1, layout=key}\n",
            "one a head");
    refused("state s dense f32 [1, 3, 4]\ninput q f32 [9, 3]\ninput v f32 [9, 4]\ninput b f32 [9, 1]\n"
            "%n %y = gated_delta_net %s %q %q %v %b %b {q_heads=1, kv_heads=1, layout=key, gate_activation=qwen}\n",
            "A_log, dt_bias");
}

// ---- two halves, and chunks ----------------------------------------------------------------------------------------

enum { T = 23, DK = 5, DV = 3 };
struct data {
    double s[DK * DV], q[T * DK], k[T * DK], v[T * DV], g[T * DK], b[T];
};

static double draw(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return (double)(*seed >> 8) / (1 << 24);
}

static void fill(struct data *d, double decay) {
    uint32_t seed = 7;
    for (int i = 0; i < DK * DV; i++) d->s[i] = 2 * draw(&seed) - 1;
    for (int i = 0; i < T * DK; i++) {
        d->q[i] = 2 * draw(&seed) - 1;
        d->k[i] = draw(&seed) - .5;
        d->g[i] = -decay * draw(&seed);
    }
    for (int i = 0; i < T * DV; i++) d->v[i] = 2 * draw(&seed) - 1;
    for (int i = 0; i < T; i++) d->b[i] = draw(&seed);
}

/// Tokens from..to of the data by the operator, on state s.
static void recur(struct data *d, double *s, int from, int to, struct run *r) {
    struct leaf leaves[] = {{"s", s},
                            {"q", d->q + from * DK},
                            {"k", d->k + from * DK},
                            {"v", d->v + from * DV},
                            {"g", d->g + from * DK},
                            {"b", d->b + from},
                            {NULL, NULL}};
    r->leaves = leaves;
    run("symbol T 0 99\nstate s dense f32 [1, 1, 5, 3]\ninput q f32 [T, 5]\ninput k f32 [T, 5]\ninput v f32 [T, 3]\n"
        "input g f32 [T, 5]\ninput b f32 [T, 1]\n"
        "%n %y = linear_attention %s %q %k %v %g %b {q_heads=1, kv_heads=1, scale=1}\noutput %y y\n",
        r, to - from);
    r->leaves = NULL;
}

static void two_halves_equal_the_whole(void **state) {
    (void)state;
    static struct data d;
    static struct run whole, first, second;
    double s[DK * DV], t[DK * DV];
    fill(&d, 1);
    memcpy(s, d.s, sizeof s);
    memcpy(t, d.s, sizeof t);
    recur(&d, s, 0, T, &whole);
    recur(&d, t, 0, 9, &first);
    recur(&d, t, 9, T, &second);
    expect(t, s, DK * DV);
    expect(first.out, whole.out, 9 * DV);
    expect(second.out, whole.out + 9 * DV, (T - 9) * DV);
}

/// Rows 0 .. n-1 from d at once: W and U by forward substitution, then y and the next state. `twist` spoils the decay
/// inside the dot products: a negative control.
static void chunk(const struct data *d, int at, int n, double *s, double *y, double twist) {
    double G[T][DK] = {{0}}, W[T][DK], U[T][DV], D[T][DV], next[DK * DV];
    const double *q = d->q + at * DK, *k = d->k + at * DK, *v = d->v + at * DV, *g = d->g + at * DK, *b = d->b + at;
    for (int r = 0; r < n; r++)
        for (int i = 0; i < DK; i++) G[r][i] = (r ? G[r - 1][i] : 0) + g[r * DK + i];
    for (int r = 0; r < n; r++) {
        for (int i = 0; i < DK; i++) W[r][i] = b[r] * exp(G[r][i]) * k[r * DK + i];
        for (int j = 0; j < DV; j++) U[r][j] = b[r] * v[r * DV + j];
        for (int c = 0; c < r; c++) {
            double a = 0;
            for (int i = 0; i < DK; i++)
                a += b[r] * k[r * DK + i] * k[c * DK + i] * exp((1 + twist) * (G[r][i] - G[c][i]));
            for (int i = 0; i < DK; i++) W[r][i] -= a * W[c][i];
            for (int j = 0; j < DV; j++) U[r][j] -= a * U[c][j];
        }
        for (int j = 0; j < DV; j++) {
            D[r][j] = U[r][j];
            for (int i = 0; i < DK; i++) D[r][j] -= W[r][i] * s[i * DV + j];
        }
        for (int j = 0; j < DV; j++) {
            double sum = 0;
            for (int i = 0; i < DK; i++) sum += exp(G[r][i]) * q[r * DK + i] * s[i * DV + j];
            for (int c = 0; c <= r; c++)
                for (int i = 0; i < DK; i++) sum += q[r * DK + i] * k[c * DK + i] * exp(G[r][i] - G[c][i]) * D[c][j];
            y[(at + r) * DV + j] = sum;
        }
    }
    for (int i = 0; i < DK; i++)
        for (int j = 0; j < DV; j++) {
            next[i * DV + j] = exp(G[n - 1][i]) * s[i * DV + j];
            for (int r = 0; r < n; r++) next[i * DV + j] += exp(G[n - 1][i] - G[r][i]) * k[r * DK + i] * D[r][j];
        }
    memcpy(s, next, sizeof next);
}

/// Largest difference between chunks of `size` and the recurrence.
static double chunk_error(int size, double decay, double twist) {
    static struct data d;
    static struct run r;
    double s[DK * DV], t[DK * DV], y[T * DV];
    fill(&d, decay);
    memcpy(s, d.s, sizeof s);
    memcpy(t, d.s, sizeof t);
    recur(&d, s, 0, T, &r);
    for (int at = 0; at < T; at += size) chunk(&d, at, T - at < size ? T - at : size, t, y, twist);
    return fmax(distance(s, t, DK * DV), distance(r.out, y, T * DV));
}

/// The algebra on which the kernels for long runs rest, with decays a channel, mild and so strong that exp(-G) would
/// overflow.
static void chunks_equal_the_recurrence(void **state) {
    (void)state;
    for (int size = 1; size <= T; size += 4) {
        assert_true(chunk_error(size, .1, 0) < 1e-13);
        assert_true(chunk_error(size, 2, 0) < 1e-13);
        assert_true(chunk_error(size, 99, 0) < 1e-13);
    }
    assert_true(chunk_error(8, 2, 1e-3) > 1e-6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_token_of_each_rule),     cmocka_unit_test(heads_and_sequences),
        cmocka_unit_test(sharing_in_turns),           cmocka_unit_test(gates_of_the_net),
        cmocka_unit_test(convolution_by_hand),        cmocka_unit_test(refusals),
        cmocka_unit_test(two_halves_equal_the_whole), cmocka_unit_test(chunks_equal_the_recurrence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
