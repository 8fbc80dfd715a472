// The verifier's negative controls: each rule is broken once and must be reported by name.
#include "tiny_ops.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const char base[] = "symbol T 1 8\n"
                           "input x f32 [T, 4]\n"
                           "weight w f32 [4, 4]\n"
                           "state kc ring f32 [16, 4]\n"
                           "var pos u32 0 100\n"
                           "const %c f32 [] 2\n"
                           "%k = matmul %x %w \"key\"\n"
                           "%v = reshape %kc {shape=[64]} \"flat\"\n"
                           "%s = sum %v \"read\"\n"
                           "%a = append %kc %k %pos \"write\"\n"
                           "%p = advance %pos {by=T} \"move\"\n"
                           "%b = cast %k {to=f16, bias=2} \"cast\"\n"
                           "%y = mul %b %c \"scale\"\n"
                           "output %y logits\n"
                           "output %s total\n";

// Nodes and values in the order of the text.
enum { KEY, FLAT, READ, WRITE, MOVE, CAST, SCALE };
enum { V_X, V_W, V_KC, V_POS, V_C, V_KEY, V_FLAT, V_READ, V_WRITE, V_MOVE, V_CAST, V_SCALE };

static struct weft_graph *parse(const char *text) {
    struct weft_graph *g = NULL;
    if (weft_graph_parse(&tiny_ops, text, strlen(text), &g) != WEFT_OK) fail_msg("%s", weft_error_message());
    return g;
}

static const struct weft_op stranger = {
    .name = "mul", .n_in_min = 2, .n_in_max = 2, .n_out = 1, .infer = tiny_broadcast_infer};

static void no_op(struct weft_graph *g) { g->nodes[KEY].op = NULL; }
static void foreign_op(struct weft_graph *g) { g->nodes[SCALE].op = &stranger; }
static void too_few_inputs(struct weft_graph *g) { g->nodes[KEY].n_in = 1; }
static void too_many_outputs(struct weft_graph *g) { g->nodes[KEY].n_out = 2; }
static void far_input(struct weft_graph *g) { g->nodes[KEY].in[0] = 1000; }
static void far_output(struct weft_graph *g) { g->nodes[KEY].out[0] = WEFT_NO_VALUE; }
static void far_state(struct weft_graph *g) { g->values[V_WRITE].state = 7; }
static void state_on_input(struct weft_graph *g) { g->values[V_X].state = 0; }
static void wrong_state_list(struct weft_graph *g) { g->states[0] = V_X; }
static void wrong_producer(struct weft_graph *g) { g->values[V_KEY].node = FLAT; }
static void shared_output(struct weft_graph *g) { g->nodes[CAST].out[0] = V_KEY; }
static void used_before(struct weft_graph *g) { g->nodes[KEY].in[0] = V_CAST; }
static void uses_itself(struct weft_graph *g) { g->nodes[CAST].in[0] = V_CAST; }
static void uses_dead(struct weft_graph *g) { g->nodes[CAST].dead = true; }
static void bad_choice(struct weft_graph *g) { g->nodes[CAST].attrs[0].i = 3; }
static void bad_range(struct weft_graph *g) { g->nodes[CAST].attrs[2].i = 6; }
static void wrong_shape(struct weft_graph *g) { g->values[V_KEY].type.dims[1] = weft_dim_const(g->dims, 5); }
static void wrong_dtype(struct weft_graph *g) { g->values[V_CAST].type.dtype = WEFT_BF16; }
static void infer_refuses(struct weft_graph *g) { g->nodes[KEY].in[1] = V_C; }
static void bad_leaf_dim(struct weft_graph *g) { g->values[V_X].type.dims[0] = WEFT_DIM_BAD; }
static void short_constant(struct weft_graph *g) { g->values[V_C].data_size = 3; }
static void no_constant(struct weft_graph *g) { g->values[V_C].data = NULL; }
static void no_name(struct weft_graph *g) { g->values[V_W].name = NULL; }
static void same_names(struct weft_graph *g) { g->values[V_W].name = "x"; }
static void dead_output(struct weft_graph *g) { g->nodes[SCALE].dead = true; }
static void nameless_output(struct weft_graph *g) { g->values[V_SCALE].output_name = NULL; }
static void same_outputs(struct weft_graph *g) { g->values[V_SCALE].output_name = "total"; }
static void writes_an_input(struct weft_graph *g) {
    g->nodes[WRITE].in[0] = V_X;
    g->values[V_WRITE].type = g->values[V_X].type;
}
static void lost_version(struct weft_graph *g) { g->values[V_WRITE].state = UINT32_MAX; }
static void false_version(struct weft_graph *g) { g->values[V_KEY].state = 0; }
static void two_writers(struct weft_graph *g) {
    weft_value v;
    assert_int_equal(weft_graph_add(g, &tiny_append, "again", (weft_value[]){V_KC, V_KEY, V_MOVE}, 3, NULL, 0, &v),
                     WEFT_OK);
}
static void late_reader(struct weft_graph *g) {
    weft_value v;
    assert_int_equal(weft_graph_add(g, &tiny_sum, "late", (weft_value[]){V_KC}, 1, NULL, 0, &v), WEFT_OK);
}
static void late_view(struct weft_graph *g) {
    weft_value v;
    assert_int_equal(weft_graph_add(g, &tiny_sum, "late", (weft_value[]){V_FLAT}, 1, NULL, 0, &v), WEFT_OK);
}
static void old_version_out(struct weft_graph *g) { assert_int_equal(weft_graph_output(g, V_KC, "before"), WEFT_OK); }
static void old_view_out(struct weft_graph *g) { assert_int_equal(weft_graph_output(g, V_FLAT, "before"), WEFT_OK); }
static void empty_bounds(struct weft_graph *g) { g->values[V_POS].var_lo = 101; }

static const struct {
    const char *name;
    void (*damage)(struct weft_graph *g);
    const char *rule, *detail;
} cases[] = {
    {"no_op", no_op, "arity", "node 0 has no operator"},
    {"foreign_op", foreign_op, "arity", "'scale'"},
    {"too_few_inputs", too_few_inputs, "arity", "'key' has 1 inputs"},
    {"too_many_outputs", too_many_outputs, "arity", "'key' has 2 outputs"},
    {"far_input", far_input, "index", "input 0 of node 'key'"},
    {"far_output", far_output, "index", "output 0 of node 'key'"},
    {"far_state", far_state, "index", "state 7"},
    {"state_on_input", state_on_input, "index", "value 0"},
    {"wrong_state_list", wrong_state_list, "index", "entry 0"},
    {"wrong_producer", wrong_producer, "producer", "'key'"},
    {"shared_output", shared_output, "producer", "'cast'"},
    {"used_before", used_before, "order", "'key' is made later"},
    {"uses_itself", uses_itself, "order", "'cast' is made later"},
    {"uses_dead", uses_dead, "order", "'scale' is made by a dead node"},
    {"bad_choice", bad_choice, "attribute", "node 'cast': cast: attribute to"},
    {"bad_range", bad_range, "attribute", "attribute bias is 6"},
    {"wrong_shape", wrong_shape, "type", "'key' is declared f32 [T, 5], but its operator gives f32 [T, 4]"},
    {"wrong_dtype", wrong_dtype, "type", "'cast' is declared bf16"},
    {"infer_refuses", infer_refuses, "type", "node 'key': the columns"},
    {"bad_leaf_dim", bad_leaf_dim, "type", "x: axis 0"},
    {"short_constant", short_constant, "constant", "has 3 bytes"},
    {"no_constant", no_constant, "constant", "constant 4"},
    {"no_name", no_name, "name", "value 1"},
    {"same_names", same_names, "name", "'x'"},
    {"dead_output", dead_output, "output", "'logits' is made by a dead node"},
    {"nameless_output", nameless_output, "output", "without a name"},
    {"same_outputs", same_outputs, "output", "two outputs are named 'total'"},
    {"writes_an_input", writes_an_input, "state-write", "'write' writes its input 0, which is not a state"},
    {"lost_version", lost_version, "state-write", "version of state 'kc'"},
    {"false_version", false_version, "state-write", "'key' is marked as a state"},
    {"two_writers", two_writers, "state-order", "node 'again' uses a version of state 'kc' after 'write'"},
    {"late_reader", late_reader, "state-order", "node 'late' uses a version of state 'kc' after 'write'"},
    {"late_view", late_view, "state-order", "node 'late' uses a view of state 'kc' after 'write'"},
    {"old_version_out", old_version_out, "state-order", "output 'before'"},
    {"old_view_out", old_view_out, "state-order", "output 'before'"},
    {"empty_bounds", empty_bounds, "variable", "'pos'"},
};

static void test_each_rule_is_reported_by_name(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weft_graph *g = parse(base);
        assert_int_equal(weft_graph_verify(g), WEFT_OK);
        cases[i].damage(g);
        char rule[40];
        snprintf(rule, sizeof rule, "(%s): ", cases[i].rule);
        if (weft_graph_verify(g) != WEFT_ERR_INVALID) fail_msg("%s is not noticed", cases[i].name);
        if (!strstr(weft_error_message(), rule) || !strstr(weft_error_message(), cases[i].detail))
            fail_msg("%s: '%s' lacks '%s' or '%s'", cases[i].name, weft_error_message(), rule, cases[i].detail);
        weft_graph_destroy(g);
    }
}

// What passes leave behind is no fault: dead nodes, results that nothing uses, a newer version as output.
static void test_leftovers_are_allowed(void **state) {
    (void)state;
    struct weft_graph *g = parse(base);
    g->values[V_SCALE].is_output = false;
    g->nodes[SCALE].dead = true;
    g->nodes[CAST].dead = true;
    g->values[V_CAST].node = 1000;
    assert_int_equal(weft_graph_output(g, V_WRITE, "cache"), WEFT_OK);
    if (weft_graph_verify(g) != WEFT_OK) fail_msg("%s", weft_error_message());
    weft_value v; // the same reader as in late_reader, of the version that is current
    assert_int_equal(weft_graph_add(g, &tiny_sum, "late", (weft_value[]){V_WRITE}, 1, NULL, 0, &v), WEFT_OK);
    if (weft_graph_verify(g) != WEFT_OK) fail_msg("%s", weft_error_message());
    weft_graph_destroy(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_rule_is_reported_by_name),
        cmocka_unit_test(test_leftovers_are_allowed),
    };
    return cmocka_run_group_tests_name("ir/verify", tests, NULL, NULL);
}
