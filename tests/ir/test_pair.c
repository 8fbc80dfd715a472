// Functional forms of state operators, policies of states, and pairs of past and present.
#include "tiny_ops.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct weft_graph *parse(const char *text) {
    struct weft_graph *g = NULL;
    if (weft_graph_parse(&tiny_ops, text, strlen(text), &g) != WEFT_OK) fail_msg("%s", weft_error_message());
    return g;
}

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

static void refused(weft_status got, weft_status expected, const char *words) {
    assert_int_equal(got, expected);
    if (!strstr(weft_error_message(), words)) fail_msg("'%s' lacks '%s'", weft_error_message(), words);
}

// ---- host runs: leaves and outputs by name -------------------------------------------------------------------------

struct host {
    const struct weft_graph *g;
    struct {
        const char *name;
        double x[64];
    } leaves[8], outs[8];
    int n_leaves, n_outs;
};

static weft_status leaf(void *user, weft_value v, const struct weft_value_info *info, struct weft_host *out) {
    struct host *h = user;
    (void)v;
    int i = 0;
    while (i < h->n_leaves && strcmp(h->leaves[i].name, info->name) != 0) i++;
    if (i == h->n_leaves) {
        h->leaves[h->n_leaves].name = info->name;
        memset(h->leaves[h->n_leaves++].x, 0, sizeof h->leaves[0].x);
    }
    out->data = h->leaves[i].x;
    return WEFT_OK;
}

static weft_status keep(void *user, weft_value v, const struct weft_value_info *info, const struct weft_host *t) {
    struct host *h = user;
    (void)v;
    if (!info->is_output) return WEFT_OK;
    h->outs[h->n_outs].name = info->output_name;
    memcpy(h->outs[h->n_outs++].x, t->data, (size_t)weft_host_count(t) * sizeof(double));
    return WEFT_OK;
}

static double *leaf_of(struct host *h, const char *name) {
    for (int i = 0; i < h->n_leaves; i++)
        if (strcmp(h->leaves[i].name, name) == 0) return h->leaves[i].x;
    h->leaves[h->n_leaves].name = name;
    memset(h->leaves[h->n_leaves].x, 0, sizeof h->leaves[0].x);
    return h->leaves[h->n_leaves++].x;
}

static double *out_of(struct host *h, const char *name) {
    for (int i = 0; i < h->n_outs; i++)
        if (strcmp(h->outs[i].name, name) == 0) return h->outs[i].x;
    fail_msg("no output '%s'", name);
    return NULL;
}

static void run(struct host *h, const struct weft_graph *g) {
    struct weft_eval_params params = {.leaf = leaf, .each = keep, .user = h};
    h->g = g;
    h->n_outs = 0;
    must(weft_graph_eval(g, &params));
}

// ---- functions -----------------------------------------------------------------------------------------------------

static void test_a_function_leaves_its_input(void **state) {
    (void)state;
    struct weft_graph *g = parse("input past f32 [3, 2]\ninput row f32 [1, 2]\nvar pos u32 0 9\n"
                                 "%a = append %past %row %pos\n%b = append %a %row %pos\n%s = sum %past\n"
                                 "output %a present\noutput %b again\noutput %s sum\n");
    struct host h = {0};
    must(weft_graph_verify(g));
    double *past = leaf_of(&h, "past"), *row = leaf_of(&h, "row");
    for (int i = 0; i < 6; i++) past[i] = i + 1;
    row[0] = 10;
    row[1] = 20;
    leaf_of(&h, "pos")[0] = 4; // row 1 of 3
    run(&h, g);
    for (int i = 0; i < 6; i++) assert_true(past[i] == i + 1);
    static const double want[] = {1, 2, 10, 20, 5, 6};
    for (int i = 0; i < 6; i++) assert_true(out_of(&h, "present")[i] == want[i] && out_of(&h, "again")[i] == want[i]);
    assert_true(out_of(&h, "sum")[1] == 7); // of the past as it was
    assert_int_equal(g->n_states, 1);
    weft_graph_destroy(g);
}

// ---- policies ------------------------------------------------------------------------------------------------------

static void test_policies_ask_for_one_whole_write(void **state) {
    (void)state;
    static const struct {
        const char *text, *words[3];
    } cases[] = {
        {"state kc ring f32 [4, 2] ping_pong\ninput x f32 [1, 2]\nvar p u32 0 9\n%1 = append %kc %x %p \"kv.7\"\n",
         {"(policy): state 'kc' has policy ping_pong", "written in part only, by 'kv.7' (append)", "policy in_place"}},
        {"state s dense f32 [2] double\n%1 = state_write %s %s \"first\"\n%2 = state_write %1 %s2 \"second\"\n",
         {"state 's' has policy double", "written twice in a run, by 'first' (state_write) and 'second' (state_write)",
          "in_place"}},
        {"state s dense f32 [2] double\n%1 = sum %s\noutput %1 y\n", {"is written by no operator", "'s'", "double"}},
        {"symbol T 1 8\nstate s dense f32 [T] ping_pong\n%1 = state_write %s %s\n",
         {"has a shape that varies", "'s'", "ping_pong"}},
        {"state s dense f32 [2] ping_pong\nstate t dense f32 [2]\n%1 %2 = swap %s %t \"both\"\n",
         {"written in part only, by 'both' (swap)", "'s'", "ping_pong"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512], *second;
        snprintf(text, sizeof text, "%s", cases[i].text);
        if ((second = strstr(text, "%s2"))) memcpy(second, "%1 ", 3);
        struct weft_graph *g = parse(text);
        for (int k = 0; k < 3; k++) refused(weft_graph_verify(g), WEFT_ERR_INVALID, cases[i].words[k]);
        must(weft_graph_state_policy(g, g->states[0], WEFT_STATE_IN_PLACE)); // the way out that the message names
        must(weft_graph_verify(g));
        weft_graph_destroy(g);
    }
}

static void test_policies_belong_to_all_versions(void **state) {
    (void)state;
    struct weft_graph *g = parse("state s dense f32 [2]\nvar p u32 0 9\ninput x f32 [2]\n%1 = state_write %s %x\n"
                                 "output %1 y\n");
    weft_value s = weft_graph_find(g, "s"), after = tiny_latest(g, s);
    assert_int_equal(g->values[s].policy, WEFT_STATE_IN_PLACE);
    must(weft_graph_state_policy(g, after, WEFT_STATE_PING_PONG));
    assert_int_equal(g->values[s].policy, WEFT_STATE_PING_PONG);
    assert_int_equal(g->values[after].policy, WEFT_STATE_PING_PONG);
    must(weft_graph_verify(g));
    struct weft_str text = {0};
    must(weft_graph_print(g, &text));
    assert_non_null(strstr(text.data, "state s dense f32 [2] ping_pong\n"));
    struct weft_graph *again = parse(text.data);
    assert_int_equal(again->values[weft_graph_find(again, "s")].policy, WEFT_STATE_PING_PONG);
    weft_str_free(&text);
    weft_graph_destroy(again);
    g->values[after].policy = WEFT_STATE_DOUBLE;
    refused(weft_graph_verify(g), WEFT_ERR_INVALID, "(policy): value 3, a version of state 's'");
    g->values[s].policy = g->values[after].policy = WEFT_STATE_SEPARATE;
    refused(weft_graph_verify(g), WEFT_ERR_INVALID, "has policy 4");
    refused(weft_graph_state_policy(g, weft_graph_find(g, "x"), WEFT_STATE_DOUBLE), WEFT_ERR_INVALID, "is no state");
    refused(weft_graph_state_policy(g, 99, WEFT_STATE_DOUBLE), WEFT_ERR_INVALID, "is no state");
    refused(weft_graph_state_policy(g, s, WEFT_STATE_SEPARATE), WEFT_ERR_INVALID, "state 's' can't have policy");
    refused(weft_graph_state_policy(g, s, WEFT_STATE_AS_DECLARED), WEFT_ERR_INVALID, "state 's' can't have policy");
    refused(weft_graph_state_policy(g, weft_graph_find(g, "p"), WEFT_STATE_DOUBLE), WEFT_ERR_INVALID, "variable 'p'");
    weft_graph_destroy(g);
}

// ---- declaring pairs -----------------------------------------------------------------------------------------------

static const char exported[] = "input past_0 f32 [3, 2]\ninput past_2 f32 [3, 2]\ninput past_x f32 [3, 2]\n"
                               "input x f32 [3, 2]\ninput other f32 [2]\n%a = add %past_0 %x\n%b = mul %past_2 %x\n"
                               "%c = sum %x\noutput %a present_0\noutput %b present_2\noutput %c sum\n";

static void test_pairs_are_checked(void **state) {
    (void)state;
    struct weft_graph *g = parse(exported);
    const enum weft_state_kind dense = WEFT_STATE_DENSE;
    const enum weft_state_policy in_place = WEFT_STATE_IN_PLACE;
    refused(weft_graph_pair_state(g, "past_1", "present_0", dense, in_place), WEFT_ERR_NOT_FOUND, "no input 'past_1'");
    refused(weft_graph_pair_state(g, "past_0", "present_1", dense, in_place), WEFT_ERR_NOT_FOUND,
            "no output 'present_1'");
    refused(weft_graph_pair_state(g, "past_0", "sum", dense, in_place), WEFT_ERR_INVALID,
            "past 'past_0' is f32 [3, 2] and present 'sum' is f32 [3, 1]");
    refused(weft_graph_pair_state(g, "past_0", "present_0", WEFT_STATE_PAGED, in_place), WEFT_ERR_INVALID, "dense or");
    refused(weft_graph_pair_state(g, "past_0", "present_0", dense, WEFT_STATE_AS_DECLARED), WEFT_ERR_INVALID,
            "not a policy");
    refused(weft_graph_pair_state(g, NULL, "present_0", dense, in_place), WEFT_ERR_INVALID, "past must not be NULL");
    must(weft_graph_pair_state(g, "past_0", "present_0", WEFT_STATE_RING, WEFT_STATE_SEPARATE));
    refused(weft_graph_pair_state(g, "past_0", "present_2", dense, in_place), WEFT_ERR_INVALID,
            "'past_0' is paired with 'present_0' already");
    refused(weft_graph_pair_state(g, "past_2", "present_0", dense, in_place), WEFT_ERR_INVALID,
            "'present_0' is paired with 'past_0' already");
    must(weft_graph_verify(g));
    struct weft_str text = {0};
    must(weft_graph_print(g, &text));
    assert_non_null(strstr(text.data, "pair past_0 present_0 ring separate\n"));
    struct weft_graph *again = parse(text.data);
    assert_int_equal(again->n_pairs, 1);
    assert_int_equal(again->pairs[0].policy, WEFT_STATE_SEPARATE);
    weft_str_free(&text);
    weft_graph_destroy(again);
    g->pairs[0].present = "gone";
    refused(weft_graph_verify(g), WEFT_ERR_INVALID, "(pair): pair 'past_0' and 'gone': the graph has no output 'gone'");
    weft_graph_destroy(g);
}

static void test_templates_pair_many(void **state) {
    (void)state;
    struct weft_graph *g = parse(exported);
    const enum weft_state_kind dense = WEFT_STATE_DENSE;
    const enum weft_state_policy ping_pong = WEFT_STATE_PING_PONG;
    size_t n = 7;
    refused(weft_graph_pair_states(g, "past_", "present_%d", dense, ping_pong, &n), WEFT_ERR_INVALID, "'past_' needs");
    refused(weft_graph_pair_states(g, "past_%d", "%d_%d", dense, ping_pong, &n), WEFT_ERR_INVALID, "needs one %d");
    refused(weft_graph_pair_states(g, "past_%s", "%d", dense, ping_pong, &n), WEFT_ERR_INVALID, "'past_%s' needs");
    refused(weft_graph_pair_states(g, "p%d", "present_%d", dense, ping_pong, &n), WEFT_ERR_NOT_FOUND, "'p%d'");
    must(weft_graph_pair_states(g, "past_%d", "present_%d", dense, ping_pong, &n));
    assert_int_equal(n, 2);
    assert_string_equal(g->pairs[1].past, "past_2");
    assert_string_equal(g->pairs[1].present, "present_2");
    weft_graph_destroy(g);
    // All or nothing: the second has no present.
    g = parse("input k.0.v f32 [2]\ninput k.1.v f32 [2]\n%0 = add %k.0.v %k.1.v\noutput %0 n.0\n");
    refused(weft_graph_pair_states(g, "k.%d.v", "n.%d", dense, ping_pong, &n), WEFT_ERR_NOT_FOUND, "no output 'n.1'");
    assert_int_equal(n, 0);
    assert_int_equal(g->n_pairs, 0);
    weft_graph_destroy(g);
}

// ---- sharing -------------------------------------------------------------------------------------------------------

// Present becomes past by hand for five runs, and by itself; every other output is the same all along.
static void check_sharing(const char *text, enum weft_state_policy policy, bool by_itself) {
    struct weft_graph *apart = parse(text), *shared = parse(text);
    struct host a = {0}, b = {0};
    bool own;
    for (size_t i = 0; i < shared->n_pairs; i++) {
        must(weft_graph_share_pair(shared, &shared->pairs[i], policy, &own));
        assert_int_equal(own, by_itself);
    }
    shared->n_pairs = 0;
    must(weft_graph_verify(shared));
    weft_value past = weft_graph_find(shared, "past");
    assert_int_equal(shared->values[past].kind, WEFT_VALUE_STATE);
    assert_int_equal(shared->values[past].policy, policy);
    for (int r = 0; r < 5; r++) {
        for (int i = 0; i < 6; i++) leaf_of(&a, "x")[i] = leaf_of(&b, "x")[i] = r * 7 + i;
        run(&a, apart);
        run(&b, shared);
        memcpy(leaf_of(&a, "past"), out_of(&a, "present"), 6 * sizeof(double));
        assert_memory_equal(leaf_of(&a, "past"), leaf_of(&b, "past"), 6 * sizeof(double));
        assert_int_equal(b.n_outs, a.n_outs - 1);
        for (int i = 0; i < b.n_outs; i++)
            assert_memory_equal(b.outs[i].x, out_of(&a, b.outs[i].name), sizeof b.outs[i].x);
    }
    weft_graph_destroy(apart);
    weft_graph_destroy(shared);
}

#define HEAD "input past f32 [3, 2]\ninput x f32 [3, 2]\nvar pos u32 0 9\n"
#define TAIL "pair past present dense in_place\n"

static void test_shared_pairs_go_on_as_by_hand(void **state) {
    (void)state;
    const enum weft_state_policy in_place = WEFT_STATE_IN_PLACE, ping_pong = WEFT_STATE_PING_PONG;
    // Its own operator writes it, readers of the present included.
    check_sharing(HEAD "%s = sum %past\n%a = append %past %x %pos\n%b = sum %a\noutput %a present\noutput %s s\n"
                       "output %b b\n" TAIL,
                  in_place, true);
    check_sharing(HEAD "%a = state_write %past %x\noutput %a present\n" TAIL, ping_pong, true);
    check_sharing(HEAD
                  "%f = append %past %x %pos\n%a = append %past %f %pos\noutput %f first\noutput %a present\n" TAIL,
                  in_place, true); // the first stays a function
    // Rows do for one buffer only.
    check_sharing(HEAD "%a = append %past %x %pos\noutput %a present\n" TAIL, ping_pong, false);
    // Somebody reads the past later, or the operator itself does elsewhere, or a view.
    check_sharing(HEAD "%a = append %past %x %pos\n%s = sum %past\noutput %a present\noutput %s s\n" TAIL, in_place,
                  false);
    check_sharing(HEAD "%a = state_write %past %past\noutput %a present\n" TAIL, in_place, false);
    check_sharing(HEAD "%v = reshape %past {shape=[6]}\n%a = append %past %x %pos\n%s = sum %v\noutput %a present\n"
                       "output %s s\n" TAIL,
                  in_place, false);
    // No operator of states, or one of another value.
    check_sharing(HEAD "%a = add %past %x\n%b = add %a %a\noutput %a present\noutput %b b\n" TAIL, in_place, false);
    check_sharing(HEAD "%b = add %past %x\n%a = append %b %x %pos\noutput %a present\n" TAIL, ping_pong, false);
    check_sharing(HEAD "%a = add %x %x\noutput %a present\n" TAIL, in_place, false); // a past that nobody reads
}

static void test_what_can_not_be_shared(void **state) {
    (void)state;
    bool own;
    struct weft_graph *g = parse(HEAD "%a = add %past %x\noutput %past seen\noutput %a present\n" TAIL);
    refused(weft_graph_share_pair(g, &g->pairs[0], WEFT_STATE_IN_PLACE, &own), WEFT_ERR_INVALID,
            "past 'past' is itself an output");
    weft_graph_destroy(g);
    g = parse(HEAD "%a = add %past %x\n%v = reshape %past {shape=[6]}\noutput %v seen\noutput %a present\n" TAIL);
    refused(weft_graph_share_pair(g, &g->pairs[0], WEFT_STATE_IN_PLACE, &own), WEFT_ERR_INVALID, "or a view of it is");
    weft_graph_destroy(g);
    // An input that is its own present: a state that only the host writes.
    g = parse(HEAD "%s = sum %past\noutput %past present\noutput %s s\n" TAIL);
    must(weft_graph_share_pair(g, &g->pairs[0], WEFT_STATE_IN_PLACE, &own));
    g->n_pairs = 0;
    must(weft_graph_verify(g));
    assert_int_equal(g->n_nodes, 1);
    weft_graph_destroy(g);
}

static void test_out_of_memory(void **state) {
    (void)state;
    int64_t live = weft_alloc_stats().live;
    weft_status status = WEFT_ERR_NOMEM;
    for (uint64_t n = 1; status != WEFT_OK; n++) {
        bool own;
        struct weft_graph *g = parse(HEAD "%a = add %past %x\noutput %a present\n");
        assert_true(n < 200);
        weft_alloc_fail_at(n, 1);
        status = weft_graph_pair_states(g, "pas%d", "%dt", WEFT_STATE_DENSE, WEFT_STATE_IN_PLACE, NULL);
        if (status == WEFT_ERR_NOT_FOUND)
            status = weft_graph_pair_state(g, "past", "present", WEFT_STATE_DENSE, WEFT_STATE_IN_PLACE);
        if (status == WEFT_OK) status = weft_graph_share_pair(g, &g->pairs[0], WEFT_STATE_DOUBLE, &own);
        weft_alloc_fail_at(0, 0);
        if (status != WEFT_OK) assert_int_equal(status, WEFT_ERR_NOMEM);
        weft_graph_destroy(g);
        assert_true(weft_alloc_stats().live == live);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_function_leaves_its_input),
        cmocka_unit_test(test_policies_ask_for_one_whole_write),
        cmocka_unit_test(test_policies_belong_to_all_versions),
        cmocka_unit_test(test_pairs_are_checked),
        cmocka_unit_test(test_templates_pair_many),
        cmocka_unit_test(test_shared_pairs_go_on_as_by_hand),
        cmocka_unit_test(test_what_can_not_be_shared),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("ir/pair", tests, NULL, NULL);
}
