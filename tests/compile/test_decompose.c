/// Decomposition: what is replaced, by what, in which order, and what is left alone.
#include "plan_fixture.h"

static char *ops_of(const struct weft_graph *g) {
    struct weft_str s = {0};
    for (size_t i = 0; i < g->n_nodes; i++)
        if (!g->nodes[i].dead) weft_str_addf(&s, "%s%s", s.len ? " " : "", g->nodes[i].op->name);
    char *text = weft_str_take(&s);
    return text ? text : weft_strdup("");
}

static void expect(const char *graph, const char *want) {
    struct weft_graph *g = fixture_graph(graph);
    if (weft_pass_decompose(g) != WEFT_OK) fail_msg("%s", weft_error_message());
    if (weft_graph_verify(g) != WEFT_OK) fail_msg("%s", weft_error_message());
    char *got = ops_of(g);
    assert_string_equal(got, want);
    weft_free(got);
    weft_graph_destroy(g);
}

static void norms_become_simple_nodes(void **state) {
    (void)state;
    expect("input x f32 [4, 8]\nweight w f32 [8]\n%0 = rms_norm %x %w\noutput %0 z\n", "square mean add rsqrt mul mul");
    expect("input x f32 [4, 8]\n%0 = softmax %x\noutput %0 z\n", "amax sub exp sum div");
    // In its place, between what stands before and behind it.
    expect("input x f32 [4, 8]\n%0 = tanh %x\n%1 = softmax %0\n%2 = abs %1\n%3 = softmax %2\noutput %3 z\n",
           "tanh amax sub exp sum div abs amax sub exp sum div");
}

/// Whatever a decomposition computes in between is f32: of the values that it makes, only those that replace an output
/// of type f16 are halves, and they are casts; views of the operands move what was there.
static void nothing_in_between_is_f16(void **state) {
    (void)state;
    static const char *const graphs[] = {
        "input x f16 [4, 8]\ninput w f16 [8]\n%0 = rms_norm %x %w\noutput %0 y\n",
        "input x f16 [4, 8]\ninput w f32 [8]\n%0 = rms_norm %x %w %w\noutput %0 y\n",
        "input x f16 [4, 8]\ninput w f16 [8]\n%0 = layer_norm %x %w %w\noutput %0 y\n",
        "input x f16 [4, 8]\n%0 = softmax %x\noutput %0 y\n",
        "input x f16 [4, 8]\n%0 %1 = quantize %x {block=4}\noutput %0 y\noutput %1 s\n",
        "state s dense f32 [1, 2, 4, 4]\ninput q f16 [3, 8]\ninput k f16 [3, 8]\ninput v f16 [3, 8]\n"
        "input a f16 [3, 2]\ninput b f16 [3, 2]\nweight A_log f16 [2]\nweight dt f16 [2]\n"
        "%n %y = gated_delta_net %s %q %k %v %a %b %A_log %dt {gate_activation=qwen, beta_activation=sigmoid, "
        "qk_l2_norm=1, q_heads=2, kv_heads=2}\noutput %y y\n",
    };
    for (size_t i = 0; i < sizeof graphs / sizeof *graphs; i++) {
        struct weft_graph *g = fixture_graph(graphs[i]);
        assert_int_equal(weft_pass_decompose(g), WEFT_OK);
        assert_int_equal(weft_graph_verify(g), WEFT_OK);
        for (size_t n = 0; n < g->n_nodes; n++) {
            const struct weft_node *node = &g->nodes[n];
            const struct weft_value_info *out = &g->values[node->out[0]];
            bool result = out->is_output && strcmp(node->op->name, "cast") == 0;
            if (!node->dead && out->type.dtype == WEFT_F16 && !result && node->op->view == WEFT_VIEW_NONE)
                fail_msg("%s makes an f16 value in\n%s", node->op->name, graphs[i]);
        }
        weft_graph_destroy(g);
    }
}

static void others_are_left_alone(void **state) {
    (void)state;
    static const char graph[] = "symbol T 0 8\ninput x f32 [T, 64]\nweight w q8_0 [32, 64]\nvar p u32 0 9\n%0 = tanh "
                                "%x \"t\"\n%1 = matmul %0 %w\n%2 = advance %p {by=T}\noutput %1 z\n";
    struct weft_graph *g = fixture_graph(graph);
    struct weft_str before = {0}, after = {0};
    assert_int_equal(weft_graph_print(g, &before), WEFT_OK);
    assert_int_equal(weft_pass_decompose(g), WEFT_OK);
    assert_int_equal(weft_graph_print(g, &after), WEFT_OK);
    assert_string_equal(weft_str_get(&before), weft_str_get(&after));
    weft_str_free(&before);
    weft_str_free(&after);
    weft_graph_destroy(g);
    expect("input x f32 [4, 8]\noutput %x z\n", "");
}

/// Outputs stay outputs under their names, also when two readers and an output share the value.
static void outputs_move_along(void **state) {
    (void)state;
    struct weft_graph *g =
        fixture_graph("input x f32 [4, 8]\n%0 = softmax %x\n%1 = tanh %0\n%2 = mul %0 %1\noutput %0 p\noutput %2 q\n");
    assert_int_equal(weft_pass_decompose(g), WEFT_OK);
    assert_int_equal(weft_graph_verify(g), WEFT_OK);
    uint32_t found = 0;
    for (size_t v = 0; v < g->n_values; v++) {
        if (!g->values[v].is_output) continue;
        const struct weft_node *n = &g->nodes[g->values[v].node];
        assert_false(n->dead);
        assert_string_equal(n->op->name, strcmp(g->values[v].output_name, "p") == 0 ? "div" : "mul");
        found++;
    }
    assert_int_equal(found, 2);
    for (size_t i = 0; i < g->n_nodes; i++) // nobody reads what is gone
        for (uint32_t k = 0; k < g->nodes[i].n_in; k++) {
            const struct weft_value_info *in = &g->values[g->nodes[i].in[k]];
            if (in->kind == WEFT_VALUE_NODE) assert_true(in->node < i);
        }
    weft_graph_destroy(g);
}

static void twice_is_once(void **state) {
    (void)state;
    struct weft_graph *g =
        fixture_graph("input x f32 [4, 8]\nweight w f32 [8]\n%0 = rms_norm %x %w\n%1 = softmax %0\noutput %1 z\n");
    assert_int_equal(weft_pass_decompose(g), WEFT_OK);
    struct weft_str once = {0}, again = {0};
    assert_int_equal(weft_graph_print(g, &once), WEFT_OK);
    assert_int_equal(weft_pass_decompose(g), WEFT_OK);
    assert_int_equal(weft_graph_print(g, &again), WEFT_OK);
    assert_string_equal(weft_str_get(&once), weft_str_get(&again));
    weft_str_free(&once);
    weft_str_free(&again);
    weft_graph_destroy(g);
}

// ---- operators made for the test -----------------------------------------------------------------------------------

static weft_status same_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                              const struct weft_attr *attrs, struct weft_type *out) {
    (void)g, (void)n_in, (void)attrs;
    out[0] = in[0];
    return WEFT_OK;
}

static weft_status no_eval(const struct weft_eval *e) { return (void)e, WEFT_OK; }

extern const struct weft_op loop_op, outer_op, inner_op, leaf_op, faulty_op;

static weft_status again_decompose(struct weft_graph *g, const struct weft_node *n, uint32_t *outs) {
    return weft_graph_add_raw(g, &loop_op, NULL, n->in, 1, NULL, outs);
}
static weft_status outer_decompose(struct weft_graph *g, const struct weft_node *n, uint32_t *outs) {
    weft_value v;
    WEFT_TRY(weft_graph_add_raw(g, &inner_op, NULL, n->in, 1, NULL, &v));
    return weft_graph_add_raw(g, &inner_op, NULL, &v, 1, NULL, outs);
}
static weft_status inner_decompose(struct weft_graph *g, const struct weft_node *n, uint32_t *outs) {
    return weft_graph_add_raw(g, &leaf_op, NULL, n->in, 1, NULL, outs);
}
static weft_status faulty_decompose(struct weft_graph *g, const struct weft_node *n, uint32_t *outs) {
    (void)g, (void)n, (void)outs;
    return weft_fail(WEFT_ERR_UNSUPPORTED, "cannot");
}

#define OP(NAME, FN)                                                                                                   \
    { .name = NAME, .n_in_min = 1, .n_in_max = 1, .n_out = 1, .infer = same_infer, .eval = no_eval, .decompose = FN }
const struct weft_op loop_op = OP("loop", again_decompose), outer_op = OP("outer", outer_decompose),
                     inner_op = OP("inner", inner_decompose), leaf_op = OP("leaf", NULL),
                     faulty_op = OP("faulty", faulty_decompose);
static const struct weft_op *const test_ops[] = {&loop_op, &outer_op, &inner_op, &leaf_op, &faulty_op, NULL};
static const struct weft_op_set test_set = {.ops = test_ops};

static struct weft_graph *parse(const char *text) {
    struct weft_graph *g;
    if (weft_graph_parse(&test_set, text, strlen(text), &g) != WEFT_OK) fail_msg("%s", weft_error_message());
    return g;
}

static void nested_decompositions_go_on(void **state) {
    (void)state;
    struct weft_graph *g = parse("input x f32 [4]\n%0 = leaf %x\n%1 = outer %0\n%2 = leaf %1\noutput %2 z\n");
    assert_int_equal(weft_pass_decompose(g), WEFT_OK);
    assert_int_equal(weft_graph_verify(g), WEFT_OK);
    char *got = ops_of(g);
    assert_string_equal(got, "leaf leaf leaf leaf");
    weft_free(got);
    weft_graph_destroy(g);
}

static void endless_and_failing_ones_are_refused(void **state) {
    (void)state;
    struct weft_graph *g = parse("input x f32 [4]\n%0 = loop %x\noutput %0 z\n");
    REFUSED(weft_pass_decompose(g), WEFT_ERR_INTERNAL, "decomposes into itself");
    weft_graph_destroy(g);
    g = parse("input x f32 [4]\n%0 = faulty %x \"here\"\noutput %0 z\n");
    REFUSED(weft_pass_decompose(g), WEFT_ERR_UNSUPPORTED, "decomposing node 'here': cannot");
    weft_graph_destroy(g);
}

// ---- what decomposes into nothing ----------------------------------------------------------------------------------

static weft_status nothing_decompose(struct weft_graph *g, const struct weft_node *n, uint32_t *outs) {
    (void)g;
    outs[0] = n->in[0];
    return WEFT_OK;
}

static const struct weft_op same = {.name = "same",
                                    .n_in_min = 1,
                                    .n_in_max = 1,
                                    .n_out = 1,
                                    .infer = same_infer,
                                    .eval = no_eval,
                                    .decompose = nothing_decompose};

/// An output that turns out to be another output, or a leaf, keeps its name and leaves theirs.
static void outputs_that_turn_out_equal(void **state) {
    (void)state;
    const struct weft_op *rows[] = {&same, weft_op_find(weft_ops(), "neg"), weft_op_find(weft_ops(), "reshape"), NULL};
    const struct weft_op_set set = {rows, NULL};
    static const char text[] = "input x f32 [3]\n%0 = neg %x\n%1 = same %0\n%2 = same %1\n%3 = same %x\n%4 = neg %1\n"
                               "output %0 first\noutput %1 second\noutput %2 third\noutput %3 input\noutput %4 last\n";
    static const char *const names[] = {"first", "second", "third", "input", "last"};
    struct weft_graph *g;
    assert_int_equal(weft_graph_parse(&set, text, sizeof text - 1, &g), WEFT_OK);
    assert_int_equal(weft_pass_decompose(g), WEFT_OK);
    if (weft_graph_verify(g) != WEFT_OK) fail_msg("%s", weft_error_message());
    weft_value base[5] = {0};
    for (weft_value v = 0; v < g->n_values; v++)
        for (size_t i = 0; i < 5; i++)
            if (g->values[v].is_output && strcmp(g->values[v].output_name, names[i]) == 0)
                base[i] = weft_graph_base(g, v) + 1;
    for (size_t i = 0; i < 5; i++) assert_true(base[i] > 0);
    assert_true(base[0] == base[1] && base[1] == base[2]);
    assert_int_equal(g->values[base[3] - 1].kind, WEFT_VALUE_INPUT);
    assert_true(base[4] != base[0]);
    weft_graph_destroy(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norms_become_simple_nodes),
        cmocka_unit_test(others_are_left_alone),
        cmocka_unit_test(outputs_move_along),
        cmocka_unit_test(outputs_that_turn_out_equal),
        cmocka_unit_test(twice_is_once),
        cmocka_unit_test(nested_decompositions_go_on),
        cmocka_unit_test(endless_and_failing_ones_are_refused),
        cmocka_unit_test(nothing_in_between_is_f16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
