/// Recurrent operators on the device against their host references: every rule, gate, head count and layout, runs of
/// many sizes, states that go on from run to run. CPU drivers are given a part of the products in which everything
/// occurs, SwiftShader a few; WEFT_TEST_LONG=1 gives them all.
#include "cases_run.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define ROOM 5e-6 // of rounding: absolute and relative, as in cases_recurrent.h
#define GATED "decay = -1.5..0; beta = 0..1; k = -0.4..0.4"

/// Rules with the columns of their gates: 'h' a head, 'c' a channel, '1' one for all heads.
static const struct variant {
    const char *rule;
    char decay, beta;
} variants[] = {
    {"gated_delta", 'h', 'h'}, {"gated_delta", 'c', '1'}, {"gated_delta", 'h', '1'},
    {"gated_delta", 'c', 'h'}, {"linear", 0, 0},          {"gated", 'h', 0},
    {"gated", 'c', 0},         {"delta", 0, 'h'},         {"delta", 0, '1'},
};
static const struct heads { int q, kv, k; } all_heads[] = {{2, 2, 2}, {4, 2, 1}, {2, 4, 2}};
struct shape {
    struct variant v;
    struct heads h;
    int batch, dk, dv, chunk, most;
    bool value, functional; ///< past as an input, present as an output
    bool turns;             ///< heads that share one are not neighbours
    const char *policy;     ///< " ping_pong", " double"; NULL: in place
};

static bool thin(void) { return weft_test_thin(); }

static struct weft_gpu_caps *caps(void) {
    assert_non_null(weft_test_gpu());
    return (struct weft_gpu_caps *)(uintptr_t)weft_gpu_caps(weft_test_gpu()); // of an object that is not const
}

/// batch 0: no axis for it.
static void linear_graph(const struct shape *s, char *text, size_t size) {
    char b[16] = "", gates[200] = "", names[32] = "";
    if (s->batch) snprintf(b, sizeof b, "%d, ", s->batch);
    if (s->v.decay)
        snprintf(gates, sizeof gates, "input decay f32 [%sT, %d]\n", b, s->v.decay == 'h' ? s->h.kv : s->h.kv * s->dk);
    if (s->v.beta)
        snprintf(gates + strlen(gates), sizeof gates - strlen(gates), "input beta f32 [%sT, %d]\n", b,
                 s->v.beta == 'h' ? s->h.kv : 1);
    snprintf(names, sizeof names, "%s%s", s->v.decay ? " %decay" : "", s->v.beta ? " %beta" : "");
    snprintf(text, size,
             "symbol T 0 %d\n%s f32 [%s%d, %d, %d]%s\ninput q f32 [%sT, %d]\ninput k f32 [%sT, %d]\n"
             "input v f32 [%sT, %d]\n%s%%n %%y = linear_attention %%s %%q %%k %%v%s {rule=%s, q_heads=%d, kv_heads=%d, "
             "chunk=%d, layout=%s%s}\noutput %%y y\n%s",
             s->most, s->functional ? "input s" : "state s dense", b, s->h.kv, s->value ? s->dv : s->dk,
             s->value ? s->dk : s->dv, s->policy ? s->policy : "", b, s->h.q * s->dk, b, s->h.k * s->dk, b,
             s->h.kv * s->dv, gates, names, s->v.rule, s->h.q, s->h.kv, s->chunk, s->value ? "value" : "key",
             s->turns ? ", sharing=turns" : "", s->functional ? "output %n next\n" : "");
}

static const char *shape_name(const struct shape *s, char *text, size_t size) {
    snprintf(text, size, "%s%s, decay %c, beta %c, heads %d/%d/%d%s, batch %d, sizes %d/%d, T to %d, %s", s->v.rule,
             s->policy       ? s->policy
             : s->functional ? " functional"
                             : "",
             s->v.decay ? s->v.decay : '-', s->v.beta ? s->v.beta : '-', s->h.q, s->h.kv, s->h.k,
             s->turns ? " in turns" : "", s->batch, s->dk, s->dv, s->most, s->value ? "value-major" : "key-major");
    return text;
}

static int run_linear(const struct shape *s, const char *runs, const char *split) {
    char graph[1200], name[200];
    linear_graph(s, graph, sizeof graph);
    struct op_case c = {.name = shape_name(s, name, sizeof name),
                        .graph = graph,
                        .runs = runs,
                        .data = GATED,
                        .rel = ROOM,
                        .abs = ROOM,
                        .split = split};
    double worst = 0;
    int bad = op_case_run(weft_test_gpu(), &c, &worst);
    if (getenv("WEFT_TEST_TIMES")) printf("%.3f of the tolerance: %s\n", worst, name);
    return bad;
}

// ---- the product of rules, gates, heads and layouts ----------------------------------------------------------------

/// T below, at and above a chunk of 8, in both forms: a schedule of up to 8 tokens goes token by token, one of up to 40
/// in chunks; without a split all sizes go in chunks. In short each rule meets one arrangement of heads and one layout.
static int run_product(void) {
    int bad = 0;
    size_t most = thin() ? 2 : sizeof variants / sizeof *variants, n_heads = sizeof all_heads / sizeof *all_heads;
    for (size_t v = 0; v < most; v++) {
        for (size_t h = 0; h < (thin() ? 1 : n_heads); h++) {
            for (int value = 0; value < (thin() ? 1 : 2); value++) {
                bool odd = (v + h + (size_t)value) % 2;
                struct shape s = {.v = variants[v],
                                  .h = all_heads[thin() ? 1 + v % 2 : h],
                                  .batch = h == 1 ? 2 : 0,
                                  .turns = thin() ? v == 1 : (v + (size_t)value) % 2,
                                  .dk = odd ? 7 : 8,
                                  .dv = odd ? 5 : 12,
                                  .chunk = 8,
                                  .most = 40,
                                  .value = thin() ? v == 1 : value};
                if (weft_test_short() && !thin() && (h != v % n_heads || value != (int)(v / 2 % 2))) continue;
                bad += run_linear(&s, "T=1 | T=0 | T=5 | T=8 | T=9 | T=16 | T=21 | T=40", "T");
                if (h == 0 && !thin()) bad += run_linear(&s, "T=1 | T=0 | T=7 | T=8 | T=9", NULL);
            }
        }
    }
    return bad;
}

static void every_rule_gate_and_head_count(void **state) {
    (void)state;
    caps();
    assert_int_equal(run_product(), 0);
}

static void as_gpu(int (*run)(void)) {
    if (caps()->kind != WEFT_GPU_CPU || thin()) skip();
    enum weft_gpu_kind was = weft_test_as(WEFT_GPU_DISCRETE);
    int bad = run();
    weft_test_as(was);
    assert_int_equal(bad, 0);
}

/// A CPU driver gets small workgroups and chunks; what a GPU would get must be right as well.
static void every_rule_as_on_a_gpu(void **state) {
    (void)state;
    as_gpu(run_product);
}

/// Head sizes around the vec4 and up to 256, where chunks or columns shrink to fit the workgroup's memory.
static int run_sizes(void) {
    static const int sizes[][2] = {{1, 1}, {3, 64}, {20, 33}, {64, 64}, {128, 128}, {256, 256}, {300, 6}};
    int bad = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct shape s = {.v = variants[i % 4],
                          .h = {2, 1, 1},
                          .dk = sizes[i][0],
                          .dv = sizes[i][1],
                          .chunk = 64,
                          .most = 130,
                          .value = i % 2};
        // short: a few as the driver has them, and the largest as a GPU would
        bool few = caps()->kind == WEFT_GPU_CPU ? i == 1 || i == 4 : i == 5;
        if (thin() ? i != 4 : weft_test_short() && !few) continue;
        bad += run_linear(&s, thin() ? "T=1 | T=70" : "T=1 | T=64 | T=65 | T=130", "T");
    }
    return bad;
}

static void head_sizes(void **state) {
    (void)state;
    caps();
    assert_int_equal(run_sizes(), 0);
}

static void head_sizes_as_on_a_gpu(void **state) {
    (void)state;
    as_gpu(run_sizes);
}

/// Loops of more turns than a driver allows are cut into steps that hand the state on: of chunks, and, where no chunk
/// fits the workgroup's memory, of tokens.
static void very_long_runs(void **state) {
    (void)state;
    struct shape s = {.v = variants[0], .h = {1, 1, 1}, .dk = 4, .dv = 4, .chunk = 4, .most = 30000};
    uint32_t memory = caps()->workgroup_memory;
    if (thin()) skip();
    int bad = run_linear(&s, "T=30000 | T=0 | T=9000 | T=1", NULL);
    caps()->workgroup_memory = 255;
    s.most = 60000;
    if (!weft_test_short()) bad += run_linear(&s, "T=60000 | T=0 | T=25001", NULL);
    caps()->workgroup_memory = memory;
    assert_int_equal(bad, 0);
}

/// A state in two buffers, or a past and a present that are values of their own, beside five operands in buffers of
/// their own, within eight bindings.
static void past_and_next_apart(void **state) {
    (void)state;
    caps();
    static const char *const policies[] = {" ping_pong", " double", NULL};
    int bad = 0;
    for (size_t n = 0; n < 3; n++) {
        for (size_t v = 0; v < (thin() ? 1 : 4); v++) {
            if (weft_test_short() && !thin() && v != n) continue;
            struct shape s = {.v = variants[v],
                              .h = {2, 2, 2},
                              .batch = 2,
                              .dk = 8,
                              .dv = 12,
                              .chunk = 8,
                              .most = 40,
                              .policy = policies[n],
                              .functional = !policies[n],
                              .value = v % 2};
            bad += run_linear(&s, "T=1 | T=0 | T=5 | T=40", "T");
        }
    }
    struct op_case conv = {.name = "past and next of a convolution",
                           .runs = "T=1 | T=0 | T=2 | T=40",
                           .split = "T",
                           .graph = "symbol T 0 40\ninput s f32 [3, 6]\ninput x f32 [T, 6]\nweight w f32 [6, 1, 4]\n"
                                    "%n %y = causal_conv %s %x %w {layout=last}\noutput %y y\noutput %n next\n",
                           .rel = 1e-6,
                           .abs = 1e-6};
    bad += op_case_run(weft_test_gpu(), &conv, NULL);
    assert_int_equal(bad, 0);
}

// ---- states that go on ---------------------------------------------------------------------------------------------

/// A program, its leaves, and a session whose state is never written by the host after the start.
struct chain {
    struct op_runner r;
    weft_program *p;
    weft_session *s, *checker;
    int bad;
};

static void chain_write(struct chain *c, weft_session *s, bool states) {
    for (uint32_t v = 0; v < c->r.g->n_values; v++) {
        const struct weft_value_info *info = &c->r.g->values[v];
        if (info->kind != WEFT_VALUE_INPUT && !(states && info->kind == WEFT_VALUE_STATE)) continue;
        const struct op_leaf *l = &c->r.leaves[v];
        float *data = weft_calloc((size_t)l->n + 1, sizeof *data);
        for (int64_t i = 0; i < l->n; i++) data[i] = (float)l->values[i];
        c->bad |= weft_session_write(s, info->name, 0, data, (uint64_t)l->n * 4) != WEFT_OK;
        weft_free(data);
    }
}

static void chain_begin(struct chain *c, const struct op_case *op) {
    struct weft_graph *consumed = NULL;
    *c = (struct chain){.r = {.gpu = weft_test_gpu(), .c = op}};
    if (weft_graph_parse(weft_ops(), op->graph, strlen(op->graph), &c->r.g) != WEFT_OK ||
        weft_graph_parse(weft_ops(), op->graph, strlen(op->graph), &consumed) != WEFT_OK)
        fail_msg("'%s': %s", op->name, weft_error_message());
    c->r.leaves = weft_calloc(c->r.g->n_values + 1, sizeof *c->r.leaves);
    c->r.expected = weft_calloc(c->r.g->n_values + 1, sizeof *c->r.expected);
    snprintf(c->r.label, sizeof c->r.label, "%s", op->name);
    op_run_begin(c->r.g, &c->r.run);
    for (uint32_t v = 0; v < c->r.g->n_values; v++)
        if (c->r.g->values[v].kind != WEFT_VALUE_NODE) op_make_leaf(&c->r, v);
    struct weft_program_params params = {
        .compile = {.split_symbol = op->split, .split_at = {1, 8}, .n_splits = 2, .checked = weft_test_checked()},
        .source = {op_weight, &c->r}};
    struct weft_session_params checked = {.checker = true, .max_runs = 1};
    if (weft_program_create(weft_test_gpu(), consumed, &params, &c->p) != WEFT_OK ||
        weft_session_create(c->p, NULL, &c->s) != WEFT_OK ||
        weft_session_create(c->p, &checked, &c->checker) != WEFT_OK)
        fail_msg("'%s': %s", op->name, weft_error_message());
    chain_write(c, c->s, true);
    chain_write(c, c->checker, true);
}

/// Runs `size` tokens with new inputs on device and host. `shift` is added to the host's state afterwards: a negative
/// control.
static void chain_run(struct chain *c, int64_t size, uint32_t seed, double shift) {
    struct op_runner *r = &c->r;
    r->run.symbols[0] = size;
    for (uint32_t v = 0; v < r->g->n_values; v++) {
        const struct weft_value_info *info = &r->g->values[v];
        if (info->kind != WEFT_VALUE_INPUT) continue;
        op_make_leaf(r, v);
        struct op_leaf *l = &r->leaves[v];
        op_fill(op_rule(r->c, info->name), true, seed * 2654435761u + v * 77u + 1, l->values, l->n);
        for (int64_t i = 0; i < l->n; i++) l->values[i] = (float)l->values[i];
    }
    weft_session *sessions[] = {c->s, c->checker};
    for (int i = 0; i < 2; i++) {
        c->bad |= weft_session_resize(sessions[i], r->run.symbols) != WEFT_OK;
        chain_write(c, sessions[i], false);
        c->bad |= weft_session_run(sessions[i], 1, NULL) != WEFT_OK;
    }
    struct weft_eval_params eval = {.symbols = r->run.symbols, .leaf = op_host_leaf, .each = op_keep, .user = r};
    c->bad |= weft_graph_eval(r->g, &eval) != WEFT_OK;
    for (uint32_t v = 0; !c->bad && v < r->g->n_values; v++) {
        const struct weft_value_info *info = &r->g->values[v];
        if (!op_is_result(info)) continue;
        bool is_state = info->kind == WEFT_VALUE_STATE;
        if (is_state) r->leaves[v].values[r->leaves[v].n - 1] += shift;
        int64_t n = is_state ? r->leaves[v].n : r->expected[v].n;
        uint8_t *got = weft_calloc((size_t)n * 4 + 8, 1), *same = weft_calloc((size_t)n * 4 + 8, 1);
        c->bad |= op_read(r, c->s, v, n, got) != WEFT_OK || op_read(r, c->checker, v, n, same) != WEFT_OK;
        c->bad |= op_compare(r, v, got);
        if (memcmp(got, same, (size_t)n * 4) != 0) {
            printf("%s: checker mode differs\n", r->label);
            c->bad = 1;
        }
        weft_free(got);
        weft_free(same);
    }
}

static int chain_end(struct chain *c) {
    weft_session_destroy(&c->checker);
    weft_session_destroy(&c->s);
    weft_program_destroy(&c->p);
    for (uint32_t v = 0; v < c->r.g->n_values; v++) {
        weft_free(c->r.leaves[v].values);
        weft_free(c->r.leaves[v].file);
        weft_free(c->r.expected[v].values);
    }
    weft_free(c->r.leaves);
    weft_free(c->r.expected);
    weft_graph_destroy(c->r.g);
    return c->bad;
}

static const int64_t sizes[] = {1, 21, 1, 0, 8, 40, 3, 1};

static int run_chain(const struct op_case *op, double shift) {
    struct chain c;
    chain_begin(&c, op);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && !c.bad; i++)
        chain_run(&c, sizes[i], (uint32_t)(i + 1), i == 4 ? shift : 0);
    return chain_end(&c);
}

#define NET_GRAPH                                                                                                      \
    "symbol T 0 40\nstate s dense f32 [1, 4, 12, 8]\nstate c dense f32 [3, 80]\ninput x f32 [T, 80]\n"                 \
    "input q f32 [T, 16]\ninput k f32 [T, 16]\ninput v f32 [T, 48]\ninput a f32 [T, 4]\ninput b f32 [T, 4]\n"          \
    "weight A_log f32 [4]\nweight dt f32 [4]\nweight w f32 [80, 1, 4]\n"                                               \
    "%m %z = causal_conv %c %x %w {layout=last, activation=silu}\n"                                                    \
    "%n %y = gated_delta_net %s %q %k %v %a %b %A_log %dt {gate_activation=qwen, beta_activation=sigmoid, "            \
    "qk_l2_norm=1, q_heads=2, kv_heads=4, chunk=16}\noutput %y y\noutput %z z\n"

/// Eight runs of one session, among them empty ones: after each, output and state are those of the host, and those of
/// checker mode bit for bit. The state is never read back in between.
static void states_go_on_from_run_to_run(void **state) {
    (void)state;
    caps();
    char graph[1200];
    struct op_case net = {.name = "net and convolution",
                          .graph = NET_GRAPH,
                          .data = "A_log = -2..1",
                          .split = "T",
                          .rel = 1e-5,
                          .abs = 1e-5};
    int bad = run_chain(&net, 0);
    for (int v = 0; v < (thin() ? 0 : 6); v++) {
        if (weft_test_short() && v != 4) continue; // the net above has the rule in place
        struct shape s = {.v = variants[v % 4],
                          .h = {4, 2, 2},
                          .dk = 16,
                          .dv = 20,
                          .chunk = 8,
                          .most = 40,
                          .value = v % 2,
                          .policy = v < 4    ? NULL
                                    : v == 4 ? " ping_pong"
                                             : " double"};
        linear_graph(&s, graph, sizeof graph);
        struct op_case c = {
            .name = "linear attention", .graph = graph, .data = GATED, .split = "T", .rel = 1e-5, .abs = 1e-5};
        bad += run_chain(&c, 0);
    }
    assert_int_equal(bad, 0);
}

/// 29 tokens at once give what 13 and 16 give, and what 21 and 8 single ones give: outputs and states on the device.
static void halves_equal_the_whole(void **state) {
    (void)state;
    caps();
    static const char name[] = "halves";
    static const int64_t parts[][10] = {{29}, {13, 16}, {21, 1, 1, 1, 1, 1, 1, 1, 1}};
    enum { WORDS = 4 * 12 * 8, ROWS = 29, COLUMNS = 48 };
    static float whole_y[ROWS * COLUMNS], whole_s[WORDS], y[ROWS * COLUMNS], s[WORDS];
    struct op_case op = {.name = name, .graph = NET_GRAPH, .data = "A_log = -2..1", .split = "T"};
    struct chain c;
    chain_begin(&c, &op);
    double worst = 0;
    for (size_t n = 0; n < 3 && !c.bad; n++) {
        chain_write(&c, c.s, true);
        for (int64_t at = 0, i = 0; at < ROWS; at += parts[n][i++]) {
            int64_t len = parts[n][i];
            c.bad |= weft_session_resize(c.s, &len) != WEFT_OK;
            for (uint32_t v = 0; v < c.r.g->n_values; v++) {
                const struct weft_value_info *info = &c.r.g->values[v];
                if (info->kind != WEFT_VALUE_INPUT) continue;
                int64_t columns = 1;
                weft_dim_is_const(c.r.g->dims, info->type.dims[1], &columns);
                float data[ROWS * 80];
                for (int64_t k = 0; k < len * columns; k++) data[k] = sinf((float)((at * columns + k) * (v + 3)));
                c.bad |= weft_session_write(c.s, info->name, 0, data, (uint64_t)(len * columns) * 4) != WEFT_OK;
            }
            c.bad |= weft_session_run(c.s, 1, NULL) != WEFT_OK;
            c.bad |= weft_session_read(c.s, "y", 0, (n ? y : whole_y) + at * COLUMNS, (uint64_t)len * COLUMNS * 4) !=
                     WEFT_OK;
        }
        c.bad |= weft_session_read(c.s, "s", 0, n ? s : whole_s, sizeof s) != WEFT_OK;
        for (int i = 0; n && i < ROWS * COLUMNS; i++) worst = fmax(worst, fabs(y[i] - whole_y[i]));
        for (int i = 0; n && i < WORDS; i++) worst = fmax(worst, fabs(s[i] - whole_s[i]));
    }
    double change = 0;
    for (int i = 0; i < WORDS; i++) change = fmax(change, fabs(whole_s[i]));
    if (c.bad) printf("%s: %s\n", name, weft_error_message());
    assert_int_equal(chain_end(&c), 0);
    assert_true(worst < 1e-5);
    assert_true(change > 0.1); // there is something to compare
}

// ---- convolution ---------------------------------------------------------------------------------------------------

static int run_conv(int taps, int dilation, bool last, bool bias, bool silu, bool batch) {
    char graph[600], name[100];
    int keep = (taps - 1) * dilation;
    const char *b = batch ? "2, " : "";
    snprintf(name, sizeof name, "causal_conv K %d, dilation %d%s%s%s%s", taps, dilation, last ? ", last" : "",
             bias ? ", bias" : "", silu ? ", silu" : "", batch ? ", batch" : "");
    int n = snprintf(graph, sizeof graph, "symbol T 0 40\nweight w f32 [6, %s%d]\nweight b f32 [6]\n",
                     taps % 2 ? "" : "1, ", taps);
    if (last)
        n += snprintf(graph + n, sizeof graph - (size_t)n, "state s dense f32 [%s%d, 6]\ninput x f32 [%sT, 6]\n", b,
                      keep, b);
    else
        n += snprintf(graph + n, sizeof graph - (size_t)n, "state s dense f32 [%s6, %d]\ninput x f32 [%s6, T]\n", b,
                      keep, b);
    snprintf(graph + n, sizeof graph - (size_t)n,
             "%%n %%y = causal_conv %%s %%x %%w%s {dilation=%d, layout=%s, activation=%s}\noutput %%y y\n",
             bias ? " %b" : "", dilation, last ? "last" : "first", silu ? "silu" : "none");
    struct op_case c = {.name = name,
                        .graph = graph,
                        .rel = 2e-6,
                        .abs = 2e-6,
                        .split = "T",
                        .runs = "T=1 | T=0 | T=2 | T=3 | T=4 | T=7 | T=17 | T=40"};
    int bad = op_case_run(weft_test_gpu(), &c, NULL);
    c.data = NULL;
    return bad + (bad || thin() ? 0 : run_chain(&c, 0));
}

/// Lengths below, at and above what the state keeps, one, and none.
static void convolutions(void **state) {
    (void)state;
    caps();
    int bad = 0;
    for (int i = 0; i < 32; i++) {
        // short: eight of them, in which any two settings meet in all ways
        int a = i & 1, b = i >> 1 & 1, c = i >> 2 & 1;
        if (thin() ? i != 0 && i != 31 : weft_test_short() && ((i >> 3 & 1) != (a ^ b) || i >> 4 != (a ^ c))) continue;
        bad += run_conv(i & 16 ? 3 : 4, i & 1 ? 3 : 1, i & 2, i & 4, i & 8, i % 3 == 1);
    }
    bad += run_conv(2, 1, true, false, false, false);
    if (!thin()) bad += run_conv(20, 2, false, true, true, false) + run_conv(33, 1, true, true, false, true);
    assert_int_equal(bad, 0);
}

// ---- negative controls ---------------------------------------------------------------------------------------------

/// A host state that is off by 1e-3 in one element after the fifth run is noticed, in each operator.
static void a_wrong_state_is_noticed(void **state) {
    (void)state;
    caps();
    printf("differences are expected:\n");
    struct op_case net = {
        .name = "control", .graph = NET_GRAPH, .data = "A_log = -2..1", .split = "T", .rel = 1e-5, .abs = 1e-5};
    assert_int_equal(run_chain(&net, 1e-3), 1);
}

/// Rounding alone is noticed where no room is left for it, in both forms.
static void rounding_is_noticed(void **state) {
    (void)state;
    caps();
    static const char *const runs[] = {"T=1", "T=40"};
    for (int i = 0; i < 2; i++) {
        struct shape s = {.v = variants[0], .h = {4, 2, 2}, .dk = 8, .dv = 12, .chunk = 8, .most = 40};
        char graph[1200];
        linear_graph(&s, graph, sizeof graph);
        struct op_case c = {.name = "control",
                            .graph = graph,
                            .runs = runs[i],
                            .data = GATED,
                            .rel = 1e-11,
                            .abs = 1e-11,
                            .split = "T"};
        assert_int_equal(op_case_run(weft_test_gpu(), &c, NULL), 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_gate_and_head_count),
        cmocka_unit_test(every_rule_as_on_a_gpu),
        cmocka_unit_test(head_sizes),
        cmocka_unit_test(head_sizes_as_on_a_gpu),
        cmocka_unit_test(very_long_runs),
        cmocka_unit_test(past_and_next_apart),
        cmocka_unit_test(states_go_on_from_run_to_run),
        cmocka_unit_test(halves_equal_the_whole),
        cmocka_unit_test(convolutions),
        cmocka_unit_test(a_wrong_state_is_noticed),
        cmocka_unit_test(rounding_is_noticed),
    };
    if (!weft_test_gpu()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
