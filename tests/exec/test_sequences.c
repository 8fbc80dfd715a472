/// Several sequences in one session, as the host follows them: variables by slot, positions that move on by counts, and
/// what is refused for each slot by itself. On the null device, which moves variables by the host's count alone.
#include "api_graph.h"
#include "exec/session.h"

static weft_device *device;

#define POSITIONS                                                                                                      \
    "symbol T 1 8\nvar pos u32 [3] 0 1000\nvar count u32 [3] 0 8\n"                                                    \
    "%at %slot = place_tokens %pos %count {tokens=T}\n"

static weft_session *session_of(const char *text) {
    weft_graph *g;
    weft_program *p;
    weft_session *s;
    api_must(weft_graph_parse_text(text, strlen(text), &g));
    api_must(weft_program_compile(device, &g, NULL, &p));
    api_must(weft_session_create(p, NULL, &s));
    return s;
}

static void close_session(weft_session **s) {
    weft_program *p = weft_session_program(*s);
    weft_session_destroy(s);
    weft_program_destroy(&p);
}

static void counts(weft_session *s, uint32_t a, uint32_t b, uint32_t c) {
    api_must(weft_session_set_sizes(s, &(struct weft_size){"T", a + b + c ? a + b + c : 1}, 1));
    api_must(weft_session_set_var_at(s, "count", 0, a));
    api_must(weft_session_set_var_at(s, "count", 1, b));
    api_must(weft_session_set_var_at(s, "count", 2, c));
}

static void rows_of_each_slot(void **state) {
    (void)state;
    weft_session *s = session_of(POSITIONS "input x f32 [T, 4]\nstate rows dense f32 [3, 10, 4] slots\n"
                                           "%n = cache_append %rows %x %at %slot\n%p = advance %pos %count\n");
    counts(s, 4, 0, 1);
    api_must(weft_session_run(s, 1, NULL));
    api_must(weft_session_run(s, 1, NULL));
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT,
              "would write rows up to 12 of 'rows', whose capacity is 10");
    counts(s, 2, 1, 1);
    api_fails(weft_session_run(s, 2, NULL), WEFT_ERR_LIMIT, "2 runs from 8 of variable 'pos'");
    api_must(weft_session_run(s, 1, NULL));
    counts(s, 0, 4, 4); // slot 0 is full, and has no tokens
    api_must(weft_session_run(s, 1, NULL));
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "rows up to 11");
    api_must(weft_session_set_var_at(s, "pos", 2, 0)); // another sequence takes the slot
    api_must(weft_session_run(s, 1, NULL));
    close_session(&s);
    s = session_of(POSITIONS "input x f32 [T, 4]\nstate rows dense f32 [3, 8, 4]\n" // without a word about slots
                             "%n = cache_append %rows %x %at %slot\n%p = advance %pos %count\n");
    counts(s, 0, 4, 0);
    api_must(weft_session_run(s, 2, NULL));
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "rows up to 12 of 'rows', whose capacity is 8");
    close_session(&s);
    s = session_of(POSITIONS "input x f32 [T, 4]\nstate rows dense f32 [3, 10, 4] slots\n" // only the host moves it
                             "%n = cache_append %rows %x %at %slot\n");
    counts(s, 2, 0, 2);
    api_must(weft_session_set_var_at(s, "pos", 2, 8));
    api_must(weft_session_run(s, 1, NULL));
    api_must(weft_session_set_var_at(s, "pos", 2, 9));
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "rows up to 11");
    close_session(&s);
}

static void limits_of_each_slot(void **state) {
    (void)state;
    weft_session *s = session_of(POSITIONS "input q f32 [T, 1, 4]\nstate k ring f32 [3, 20, 1, 4] slots\n"
                                           "state v dense f32 [3, 12, 1, 4] slots\nsymbol N 1 64\n"
                                           "%y = attention %q %k %k %pos %count {reach=N, window=3}\noutput %y y\n"
                                           "%p = advance %pos %count\n");
    const struct weft_size sizes[] = {{"T", 5}, {"N", 6}};
    api_must(weft_session_set_sizes(s, sizes, 2));
    api_must(weft_session_set_var_at(s, "count", 0, 2));
    api_must(weft_session_set_var_at(s, "count", 2, 3));
    api_must(weft_session_run(s, 2, NULL));
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "take positions up to 9");
    api_must(weft_session_set_var_at(s, "count", 2, 0));
    api_must(weft_session_run(s, 1, NULL)); // the others are where they may be
    api_must(weft_session_set_var_at(s, "count", 1, 4));
    api_must(weft_session_set_sizes(s, &(struct weft_size){"N", 64}, 1));
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "would bring 6 tokens to 'attention', whose number");
    close_session(&s);
    s = session_of("var pos u32 [2] 0 5\nvar count u32 [2] 0 8\n%p = advance %pos %count\n");
    api_must(weft_session_set_var_at(s, "count", 1, 3));
    api_must(weft_session_run(s, 1, NULL));
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "reach 6 with 'pos', whose bound is 5");
    close_session(&s);
}

/// A slot whose activity is 0 stays where it is, and nothing is asked of its tokens. An activity that operators set to
/// other things than 0 says nothing ahead of a run.
static void idle_slots(void **state) {
    (void)state;
    static const char *const head = "symbol T 1 8\nvar pos u32 [3] 0 12\nvar count u32 [3] 0 8\nvar on u32 [3] 0 9\n"
                                    "input x f32 [T, 4]\nstate rows dense f32 [3, 10, 4] slots\n"
                                    "%at %slot = place_tokens %pos %count %on {tokens=T}\n"
                                    "%n = cache_append %rows %x %at %slot\n%p = advance %pos %count %on\n";
    weft_session *fork, *s = session_of(head);
    counts(s, 4, 2, 1);
    for (uint32_t k = 0; k < 3; k++) api_must(weft_session_set_var_at(s, "on", k, k != 1));
    api_must(weft_session_run(s, 2, NULL));
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "write rows up to 12 of 'rows', whose capacity is 10");
    api_must(weft_session_set_var_at(s, "on", 0, 0));
    api_must(weft_session_fork(s, &fork));
    api_must(weft_session_run(s, 5, NULL));
    api_must(weft_session_run(fork, 5, NULL));
    weft_session_destroy(&fork);
    api_must(weft_session_set_var_at(s, "on", 1, 1)); // which has not moved on so far
    api_must(weft_session_run(s, 3, NULL));
    api_must(weft_session_set_var_at(s, "on", 0, 1)); // stands where it stood
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "1 run from 8 of variable 'pos'");
    close_session(&s);
    s = session_of("symbol T 1 8\nvar pos u32 [3] 0 3\nvar count u32 [3] 0 8\nvar on u32 [3] 0 9\n"
                   "var more u32 [3] 0 1\n%p = advance %pos %count %on\n%o = advance %on %more\n");
    counts(s, 4, 0, 0);
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "reach 4 with 'pos', whose bound is 3");
    close_session(&s);
}

/// Slots that the host has switched off stay where they are, and it knows that.
static void slots_that_are_off(void **state) {
    (void)state;
    weft_session *s = session_of(POSITIONS "var on u32 [3] 0 1\ninput x f32 [T, 4]\n"
                                           "state rows dense f32 [3, 10, 4] slots\n"
                                           "%n = cache_append %rows %x %at %slot\n%p = advance %pos %count %on\n");
    counts(s, 4, 3, 0);
    api_must(weft_session_set_var_at(s, "on", 1, 1));
    for (int i = 0; i < 3; i++) api_must(weft_session_run(s, 1, NULL)); // slot 0 stays at 0
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "1 run from 9 of variable 'pos' would write rows up to 12");
    api_must(weft_session_set_var_at(s, "on", 0, 1));
    api_must(weft_session_set_var_at(s, "count", 1, 0));
    api_fails(weft_session_run(s, 3, NULL), WEFT_ERR_LIMIT, "3 runs from 0");
    api_must(weft_session_run(s, 2, NULL));
    close_session(&s);
}

/// Tokens of recurrent states are counted as others are; their states go with snapshots, and only whole.
static void recurrent_states(void **state) {
    (void)state;
    weft_session *s = session_of("symbol T 1 8\nvar pos u32 [3] 0 100\nvar count u32 [3] 0 8\ninput x f32 [T, 4]\n"
                                 "state c dense f32 [3, 3, 4] slots\nstate s dense f32 [3, 1, 4, 4] slots\n"
                                 "input w f32 [4, 4]\n%n %y = causal_conv %c %x %w %count {layout=last}\n"
                                 "%m %z = linear_attention %s %y %y %y %count {rule=linear, q_heads=1, kv_heads=1}\n"
                                 "%p = advance %pos %count\noutput %z z\n");
    weft_snapshot *kept;
    counts(s, 2, 0, 3);
    api_must(weft_session_run(s, 2, NULL));
    api_must(weft_session_snapshot(s, true, &kept));
    api_must(weft_session_set_var_at(s, "count", 1, 4));
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "would bring 9 tokens to 'causal_conv', whose number");
    api_fails(weft_session_rewind(s, 1), WEFT_ERR_UNSUPPORTED, "rewound to 0 only");
    api_must(weft_session_restore(s, kept));
    api_must(weft_session_run(s, 1, NULL));
    api_must(weft_session_rewind(s, 0));
    weft_snapshot_destroy(&kept);
    close_session(&s);
}

static void variables_by_index(void **state) {
    (void)state;
    weft_session *s = session_of("var pos u32 [3] 2 40\nvar count u32 [3] 0 8\nvar one u32 0 5\n"
                                 "%p = advance %pos %count\n%o = advance %one {by=1}\n");
    uint32_t bits;
    api_fails(weft_session_set_var(s, "pos", 3), WEFT_ERR_INVALID, "there are 3 variables 'pos'");
    api_fails(weft_session_get_var(s, "pos", &bits), WEFT_ERR_INVALID, "weft_session_set_var_at and get_var_at");
    api_fails(weft_session_set_var_at(s, "pos", 3, 3), WEFT_ERR_LIMIT, "no variable 3 of 'pos', which has 3");
    api_fails(weft_session_set_var_at(s, "pos", 1, 41), WEFT_ERR_INVALID, "goes from 2 to 40");
    api_fails(weft_session_set_var_at(s, "one", 1, 0), WEFT_ERR_LIMIT, "no variable 1 of 'one', which has 1");
    api_fails(weft_session_get_var_at(s, "pos", 0, NULL), WEFT_ERR_INVALID, "");
    api_must(weft_session_set_var_at(s, "one", 0, 2));
    close_session(&s);
}

static void graphs_that_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"var pos u32 [0] 0 5\n", "1 to 64"},
        {"var pos u32 [65] 0 5\n", "1 to 64"},
        {"var on u32 [1] 0 1 activity\n", "one u32"},
        {"state s ring f32 [8] slots\n", "by slot"},
        {"state s dense f32 [65, 2] slots\n", "by slot"},
        {"symbol S 1 3\nstate s dense f32 [S, 2] slots\n", "by slot"},
        {"var p u32 [2] 0 5\nvar c u32 [3] 0 5\n%a %s = place_tokens %p %c {tokens=2}\n", "count is u32[3]"},
        {"var p u32 0 5\nvar c u32 0 5\n%a %s = place_tokens %p %c {tokens=2}\n", "one for each of 1 to 64 slots"},
        {"var p u32 [2] 0 5\n%q = advance %p {by=1}\n", "must be a u32 variable"},
        {"var p u32 [2] 0 5\nvar c u32 [2] 0 5\ninput x f32 [3, 4]\nstate s ring f32 [2, 6, 4]\n"
         "%a %t = place_tokens %p %c {tokens=2}\n%n = cache_append %s %x %a %t\n",
         "one for each token"},
        {"var p u32 [2] 0 5\nvar c u32 [2] 0 5\ninput q f32 [3, 1, 4]\nstate k dense f32 [3, 6, 1, 4] slots\n"
         "%y = attention %q %k %k %p %c\noutput %y y\n",
         "as many slots as pos"},
        {"var c u32 [2] 0 5\ninput x f32 [3, 4]\nstate s dense f32 [3, 3, 4]\nweight w f32 [4, 4]\n"
         "%n %y = causal_conv %s %x %w %c {layout=last}\n",
         "as many slots in front as count u32[2] has"},
        {"var c u32 [2] 0 5\ninput x f32 [2, 3, 4]\nstate s dense f32 [2, 3, 4]\nweight w f32 [4, 4]\n"
         "%n %y = causal_conv %s %x %w %c {layout=last}\n",
         "the columns of several sequences are floats [L, C]"},
        {"var c u32 [2] 0 5\ninput x f32 [3, 4]\nstate s dense f32 [2, 2, 4]\nweight w f32 [4, 4]\n"
         "%n %y = causal_conv %s %x %w %c {layout=last}\n",
         "with 3 columns for each slot"},
        {"var c u32 [2] 0 5\nvar on u32 [3] 0 1\ninput x f32 [3, 4]\nstate s dense f32 [2, 3, 4]\nweight w f32 [4, 4]\n"
         "%n %y = causal_conv %s %x %w %c %on {layout=last}\n",
         "active is u32[3]"},
        {"var c u32 [2] 0 5\ninput x f32 [3, 4]\nstate s dense f32 [2, 3, 4]\n%n %y = causal_conv %s %x %c\n",
         "state, x, weight"},
        {"var c u32 [2] 0 5\ninput x f32 [1, 3, 4]\nstate s dense f32 [2, 1, 4, 4]\n"
         "%n %y = linear_attention %s %x %x %x %c {rule=linear, q_heads=1, kv_heads=1}\n",
         "the tokens of several sequences are [T, columns]"},
        {"var c u32 [2] 0 5\ninput x f32 [3, 4]\nstate s dense f32 [2, 4, 4]\n"
         "%n %y = linear_attention %s %x %x %x %c {rule=linear, q_heads=1, kv_heads=1}\n",
         "it takes f32 [2, 1, 4, 4]"},
        {"var c u32 [2] 0 5\ninput x f32 [3, 4]\nstate s dense f32 [3, 1, 4, 4]\n"
         "%n %y = linear_attention %s %x %x %x %c {rule=linear, q_heads=1, kv_heads=1}\n",
         "as many slots in front"},
        {"var c u32 [2] 0 5\ninput x f32 [3, 4]\nstate s dense f32 [2, 1, 4, 4]\n"
         "%n %y = linear_attention %s %x %x %x %c {q_heads=1, kv_heads=1}\n",
         "takes 6 operands"},
        {"var c u32 [2] 0 5\ninput x f32 [3, 4]\nstate s dense f32 [2, 1, 4, 4]\n"
         "%n %y = gated_delta_net %s %x %x %x %x %c {q_heads=1, kv_heads=1}\n",
         "takes 6 operands"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weft_graph *g = NULL;
        api_fails(weft_graph_parse_text(cases[i].text, strlen(cases[i].text), &g), WEFT_ERR_INVALID, cases[i].why);
    }
    static const char *const by_kind[] = {
        "var p u32 [2] 0 5\nvar c u32 [2] 0 5\ninput q f32 [3, 1, 4]\nstate k ring f32 [2, 6, 1, 4]\n"
        "%y = attention %q %k %k %p %c\noutput %y y\n",
        "var p u32 0 5\ninput q f32 [3, 1, 4]\nstate k ring f32 [6, 1, 4] slots\n%y = attention %q %k %k %p\noutput %y "
        "y\n",
        "input x f32 [3, 4]\nstate s dense f32 [2, 3, 4] slots\nweight w f32 [4, 4]\ninput z f32 [2, 3, 4]\n"
        "%n %y = causal_conv %s %z %w {layout=last}\noutput %y y\n",
        "input x f32 [2, 3, 4]\nstate s dense f32 [2, 1, 4, 4] slots\n"
        "%n %y = linear_attention %s %x %x %x {rule=linear, q_heads=1, kv_heads=1}\noutput %y y\n",
    };
    static const char *const why[] = {"has no slots", "is kept by slot", "is kept by slot", "is kept by slot"};
    for (size_t i = 0; i < sizeof why / sizeof *why; i++) {
        weft_graph *g = NULL;
        weft_program *p = NULL;
        api_must(weft_graph_parse_text(by_kind[i], strlen(by_kind[i]), &g));
        api_fails(weft_program_compile(device, &g, NULL, &p), WEFT_ERR_INVALID, why[i]);
        weft_graph_free(&g);
    }
}

/// What is said of a sampler of several sequences, of which one leaf is another than it should be.
static void samplers_that_are_refused(void **state) {
    (void)state;
    static const char *const leaves[] = {"symbol R 0 2\n",
                                         "state counts dense u32 [2, 9]\n",
                                         "state ring dense u32 [2, 4]\n",
                                         "var on u32 [2] 0 1\n",
                                         "var token u32 [2] 0 8\n",
                                         "var n u32 [2] 0 99\n",
                                         "var rng u32 [2] 0 99\n",
                                         "input x f32 [R, 9]\n",
                                         "input sampling u32 [2, 16]\n",
                                         "input stops u32 [2, 3]\n",
                                         "var pos u32 [2] 0 9\n",
                                         "var n_max u32 [2] 0 9\n",
                                         "var pos_max u32 [2] 0 9\n",
                                         "input whose u32 [R]\n"};
    static const struct {
        size_t leaf;
        const char *text, *why;
    } cases[] = {
        {0, "symbol R 0 3\n", "logits f32[R, 9] may have 3 rows; each of 2 slots has one at most"},
        {1, "state counts dense u32 [9]\n",
         "counts is u32[9]; of several sequences it must be u32 [S, V] with S 1 to 64"},
        {1, "state counts dense u32 [65, 9]\n", "with S 1 to 64"},
        {1, "state counts dense u32 [2, 10]\n", "differ in their vocabulary"},
        {2, "state ring dense u32 [3, 4]\n",
         "ring is u32[3, 4]; it must be u32 with 2 axes, the first of them the slots of"},
        {2, "state ring dense u32 [2, 0]\n", "its length must be a constant, at least 1"},
        {3, "state on dense i32 [4]\n", "active is i32[4]; it must be u32 with 1 axes"},
        {3, "var on u32 0 1\n", "active is u32[]"},
        {3, "state on dense u32 [2]\n", "active must be a variable of the graph"},
        {3, "var on u32 [2] 1 5\n", "variable 'on' goes from 1 to 5; where an output ends it becomes 0"},
        {4, "var token u32 [2] 0 7\n", "it must hold the tokens 0 to 8"},
        {5, "var n u32 [3] 0 99\n", "n_out is u32[3]"},
        {6, "var rng i32 [2] 0 99\n", "rng is i32[2]"},
        {7, "input x f32 [9]\n", "logits are f32[9]; of several sequences they must be floats [R, V]"},
        {8, "input sampling u32 [2, 15]\n", "sampling is u32[2, 15]; its length must be a constant, at least 16"},
        {8, "input sampling u32 [16]\n", "sampling is u32[16]"},
        {9, "input stops u32 [3]\n", "stops is u32[3]"},
        {10, "var pos u32 0 9\n", "pos is u32[]"},
        {12, "input pos_max u32 [2]\n", "pos_max must be a variable of the graph"},
        {13, "input whose u32 [2]\n", "row_slot is u32[2]; it takes one for each row of logits, u32[R]"},
        {13, "input whose i32 [R]\n", "row_slot is i32[R]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[2000] = "";
        weft_graph *g = NULL;
        weft_program *p = NULL;
        for (size_t k = 0; k < sizeof leaves / sizeof *leaves; k++)
            strcat(text, k == cases[i].leaf ? cases[i].text : leaves[k]);
        strcat(text, "%a %b %c %d %e %f = sample %counts %ring %on %token %n %rng %x %sampling %stops %pos %n_max "
                     "%pos_max %whose\n");
        weft_status status = weft_graph_parse_text(text, strlen(text), &g);
        if (status == WEFT_OK) status = weft_program_compile(device, &g, NULL, &p);
        api_fails(status, WEFT_ERR_INVALID, cases[i].why);
        weft_graph_free(&g);
    }
}

/// Forks, snapshots and a rewind to the start keep, and put back, the words of every slot.
static void pasts_of_all_slots(void **state) {
    (void)state;
    weft_session *fork, *s = session_of(POSITIONS "input x f32 [T, 4]\nstate rows dense f32 [3, 10, 4] slots\n"
                                                  "%n = cache_append %rows %x %at %slot\n%p = advance %pos %count\n");
    weft_snapshot *kept;
    counts(s, 4, 1, 3);
    api_must(weft_session_run(s, 1, NULL));
    api_must(weft_session_snapshot(s, true, &kept));
    api_must(weft_session_run(s, 1, NULL));
    api_must(weft_session_fork(s, &fork));
    api_fails(weft_session_run(fork, 1, NULL), WEFT_ERR_LIMIT, "rows up to 12");
    api_must(weft_session_restore(s, kept));
    api_must(weft_session_run(s, 1, NULL));
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "rows up to 12");
    api_must(weft_session_rewind(s, 0));
    api_must(weft_session_run(s, 2, NULL));
    weft_snapshot_destroy(&kept);
    weft_session_destroy(&fork);
    close_session(&s);
}

int main(void) {
    api_must(weft_device_open(&(struct weft_device_params){.implementation = "null"}, &device));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_each_slot),         cmocka_unit_test(limits_of_each_slot),
        cmocka_unit_test(variables_by_index),        cmocka_unit_test(pasts_of_all_slots),
        cmocka_unit_test(graphs_that_are_refused),   cmocka_unit_test(idle_slots),
        cmocka_unit_test(slots_that_are_off),        cmocka_unit_test(recurrent_states),
        cmocka_unit_test(samplers_that_are_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    weft_device_close(&device);
    return failed;
}
