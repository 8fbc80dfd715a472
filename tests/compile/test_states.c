/// States in plans: which buffers versions have under each policy, commits, what the report and the printed plan say,
/// pairs, and the plan checker's validation of states, with everything that can be wrong broken alone.
#include "plan_fixture.h"
#include "support/policy_graph.h"

static struct weft_plan *plan_of(const char *text, enum weft_state_policy policy) {
    struct weft_compile_params params = {.state_policy = policy};
    return fixture_plan(text, NULL, &params);
}

static const char small[] = "input x f32 [4, 8]\nstate s dense f32 [4, 8]\n%a = add %s %x\n%b = state_write %s %a "
                            "\"next\"\n%c = mul %b %x \"reader\"\noutput %c y\n";

static const struct weft_plan_state *state_of(const struct weft_plan *p, const char *name) {
    for (uint32_t i = 0; i < p->n_states; i++)
        if (strcmp(p->states[i].name, name) == 0) return &p->states[i];
    fail_msg("no state '%s'", name);
    return NULL;
}

/// First operand of a step in this buffer; NULL: none.
static struct weft_operand *operand_in(const struct weft_schedule *sc, struct weft_step *s, uint32_t index) {
    for (uint32_t i = 0; i < s->n_operands; i++) {
        const struct weft_tensor *t = &sc->tensors[s->operands[i].tensor];
        if (t->mem == WEFT_MEM_STATE && t->index == index) return &s->operands[i];
    }
    return NULL;
}

// ---- plans ---------------------------------------------------------------------------------------------------------

static void versions_have_their_buffers(void **state) {
    (void)state;
    for (enum weft_state_policy policy = WEFT_STATE_IN_PLACE; policy <= WEFT_STATE_DOUBLE; policy++) {
        struct weft_plan *p = plan_of(small, policy);
        struct weft_schedule *sc = &p->schedules[0];
        bool two = policy != WEFT_STATE_IN_PLACE;
        uint32_t last = two ? WEFT_STATE_PRESENT : 0;
        assert_int_equal(p->states[0].policy, policy);
        assert_int_equal(weft_state_buffers(&p->states[0]), two ? 2 : 1);
        assert_int_equal(sc->n_steps, policy == WEFT_STATE_DOUBLE ? 4 : 3);
        assert_non_null(operand_in(sc, &sc->steps[0], 0)); // reads the past
        struct weft_step *writer = &sc->steps[fixture_step(sc, "next", 0)], *reader = &sc->steps[2];
        assert_int_equal(operand_in(sc, writer, last)->access, WEFT_WRITE);
        assert_int_equal(operand_in(sc, reader, last)->access, WEFT_READ);
        assert_int_equal(operand_in(sc, reader, 0) != NULL, !two);
        assert_int_equal(operand_in(sc, writer, 0) != NULL, true); // in place: itself; else what it keeps
        assert_int_equal(strstr(writer->bound.wgsl, "fn keep_y(") != NULL, two);
        weft_plan_destroy(p);
    }
}

static void double_states_are_committed_last(void **state) {
    (void)state;
    struct weft_plan *p = plan_of(policy_graph, WEFT_STATE_DOUBLE);
    const struct weft_schedule *sc = &p->schedules[0];
    uint64_t copied = 0;
    uint32_t commits = 0;
    for (uint32_t i = 0; i < sc->n_steps; i++) {
        const struct weft_step *s = &sc->steps[i];
        if (commits) assert_int_equal(s->copy.kind, WEFT_COPY_COMMIT); // nothing but commits behind the first
        commits += s->copy.kind == WEFT_COPY_COMMIT;
        if (s->copy.kind) assert_non_null(strstr(s->label, "commit "));
        if (s->copy.kind) assert_true(s->copy.bytes >= 256 && s->copy.why);
    }
    for (uint32_t i = 0; i < p->n_states; i++)
        if (p->states[i].policy == WEFT_STATE_DOUBLE) copied += p->states[i].bytes;
    assert_int_equal(commits, 6);
    assert_int_equal(sc->copied_bytes, copied);
    fixture_report(p, "state 's' has two buffers; 256 bytes are copied at the end", true);
    fixture_report(p, "'commit s' copies 256 bytes: the state is double-buffered", true);
    weft_plan_destroy(p);
    p = plan_of(policy_graph, WEFT_STATE_PING_PONG);
    assert_int_equal(p->schedules[0].copied_bytes, 0);
    weft_plan_destroy(p);
}

/// A program's policy is for states that can have it; a graph's own is refused where it can't be had.
static void rows_stay_in_place(void **state) {
    (void)state;
    struct weft_plan *p = plan_of(policy_graph, WEFT_STATE_PING_PONG);
    assert_int_equal(state_of(p, "kc")->policy, WEFT_STATE_IN_PLACE);
    assert_int_equal(state_of(p, "r")->policy, WEFT_STATE_PING_PONG);
    fixture_report(p, "state 'kc' stays in place: it is written in part only, by 'rows' (cache_append)", true);
    fixture_report(p, "state 'r' has two buffers of 256 bytes that take turns", true);
    weft_plan_destroy(p);
    struct weft_gpu_caps caps = fixture_caps();
    REFUSED(weft_compile(fixture_graph("state kc ring f32 [4, 2] ping_pong\ninput x f32 [1, 2]\nvar p u32 0 9\n"
                                       "%1 = cache_append %kc %x %p \"kv\"\n"),
                         &caps, NULL, &p),
            WEFT_ERR_INVALID,
            "state 'kc' has policy ping_pong, but is written in part only, by 'kv' (cache_append); "
            "give it policy in_place");
}

static void a_program_in_place_overrides_the_graph(void **state) {
    (void)state;
    static const char text[] = "input x f32 [4]\nstate s dense f32 [4] double\nstate t dense f32 [4] ping_pong\n"
                               "%1 = state_write %s %x\n%2 = state_write %t %x\n";
    struct weft_plan *p = plan_of(text, WEFT_STATE_AS_DECLARED);
    assert_int_equal(p->states[0].policy, WEFT_STATE_DOUBLE);
    assert_int_equal(p->states[1].policy, WEFT_STATE_PING_PONG);
    weft_plan_destroy(p);
    p = plan_of(text, WEFT_STATE_IN_PLACE);
    assert_int_equal(p->states[0].policy, WEFT_STATE_IN_PLACE);
    assert_int_equal(p->states[1].policy, WEFT_STATE_IN_PLACE);
    weft_plan_destroy(p);
    struct weft_gpu_caps caps = fixture_caps();
    struct weft_compile_params params = {.state_policy = (enum weft_state_policy)9};
    REFUSED(weft_compile(fixture_graph(text), &caps, &params, &p), WEFT_ERR_INVALID, "9 is no policy");
}

static void the_printed_plan_shows_policies(void **state) {
    (void)state;
    struct weft_plan *p = plan_of(policy_graph, WEFT_STATE_DOUBLE);
    struct weft_str text = {0}, json = {0};
    weft_plan_print(p, false, &text);
    weft_plan_print(p, true, &json);
    static const char *const words[] = {"double",          "in_place",      ", twice", "state s.past",
                                        "state s.present", "(copy: state)", "commit s"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strstr(weft_str_get(&text), words[i])) fail_msg("the text lacks '%s'", words[i]);
    static const char *const keys[] = {"\"policy\": \"double\"", "\"buffers\": 2", "\"buffers\": 1", "s.present"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strstr(weft_str_get(&json), keys[i])) fail_msg("the JSON lacks '%s'", keys[i]);
    weft_str_free(&text);
    weft_str_free(&json);
    weft_plan_destroy(p);
}

// ---- pairs ---------------------------------------------------------------------------------------------------------

static const char paired[] = "input past_0 f32 [4, 8]\ninput past_1 f32 [16, 8]\ninput x f32 [1, 8]\nvar pos u32 0 99\n"
                             "%a = add %past_0 %x\n%b = cache_append %past_1 %x %pos\n%c = sum %b\n"
                             "output %a present_0\n"
                             "output %b present_1\noutput %c y\npair past_0 present_0 dense separate\n"
                             "pair past_1 present_1 ring in_place\n";

static void pairs_become_states_or_stay_separate(void **state) {
    (void)state;
    static const struct {
        enum weft_state_policy policy;
        uint32_t separate, states, ios, causes;
    } cases[] = {
        {WEFT_STATE_AS_DECLARED, 1, 2, 4, WEFT_SEPARATE_BY_PAIR},
        {WEFT_STATE_PING_PONG, 0, 3, 2, 0},
        {WEFT_STATE_IN_PLACE, 0, 3, 2, 0},
        {WEFT_STATE_DOUBLE, 0, 3, 2, 0},
        {WEFT_STATE_SEPARATE, 2, 1, 6, WEFT_SEPARATE_BY_PAIR | WEFT_SEPARATE_BY_PROGRAM},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weft_compile_params params = {.state_policy = cases[i].policy};
        struct weft_plan *p = fixture_plan(paired, NULL, &params);
        assert_int_equal(p->n_pairs, cases[i].separate);
        assert_int_equal(p->n_states, cases[i].states); // with the variable
        assert_int_equal(p->n_ios, cases[i].ios);
        if (p->n_pairs) assert_int_equal(p->pairs[0].separate, cases[i].causes);
        if (p->n_pairs) assert_string_equal(p->pairs[0].present, "present_0");
        const char *report = weft_str_get(&p->report);
        assert_int_equal(strstr(report, "past 'past_0' and present 'present_0' stay separate") != NULL, p->n_pairs > 0);
        bool own = cases[i].policy == WEFT_STATE_IN_PLACE || cases[i].policy == WEFT_STATE_AS_DECLARED;
        if (p->n_pairs < 2)
            assert_non_null(strstr(report, own ? "past 'past_1' and present 'present_1' are one state, written by its "
                                                 "own operator"
                                               : "past 'past_1' and present 'present_1' are one state, written at the "
                                                 "end of the run"));
        weft_plan_destroy(p);
    }
}

// ---- the checker ---------------------------------------------------------------------------------------------------

struct world {
    struct weft_plan *plan;
    struct weft_schedule *sc;
};

static struct world begin(enum weft_state_policy policy) {
    struct world w = {.plan = plan_of(small, policy)};
    w.sc = &w.plan->schedules[0];
    assert_int_equal(weft_plan_check_states(w.plan, w.sc), WEFT_OK);
    return w;
}

#define BAD(w, words)                                                                                                  \
    do {                                                                                                               \
        REFUSED(weft_plan_check_states((w).plan, (w).sc), WEFT_ERR_INTERNAL, words);                                   \
        weft_plan_destroy((w).plan);                                                                                   \
    } while (0)

/// The tensor of the past or the present.
static struct weft_tensor *tensor(struct world *w, uint32_t index) {
    for (uint32_t i = 0; i < w->sc->n_tensors; i++)
        if (w->sc->tensors[i].mem == WEFT_MEM_STATE && w->sc->tensors[i].index == index) return &w->sc->tensors[i];
    fail_msg("no such tensor");
    return NULL;
}

static void versions_in_wrong_buffers(void **state) {
    (void)state;
    struct world w = begin(WEFT_STATE_PING_PONG);
    tensor(&w, WEFT_STATE_PRESENT)->index = 0; // both versions in one buffer
    BAD(w, "state 's' (ping_pong): its present lies in the buffer of its past");
    w = begin(WEFT_STATE_DOUBLE);
    tensor(&w, 0)->index = WEFT_STATE_PRESENT;
    BAD(w, "state 's' (double): its past lies in the buffer of its present");
    w = begin(WEFT_STATE_IN_PLACE);
    tensor(&w, 0)->index = WEFT_STATE_PRESENT;
    BAD(w, "state 's' (in_place)");
    w = begin(WEFT_STATE_PING_PONG);
    tensor(&w, 0)->index = 7;
    BAD(w, "lies in the buffer of another");
}

static void writers_without_the_past(void **state) {
    (void)state;
    struct world w = begin(WEFT_STATE_PING_PONG);
    struct weft_step *s = &w.sc->steps[fixture_step(w.sc, "next", 0)];
    operand_in(w.sc, s, 0)->access = WEFT_READ_WRITE;
    BAD(w, "step 'state_write next' writes the past");
    w = begin(WEFT_STATE_PING_PONG);
    s = &w.sc->steps[fixture_step(w.sc, "next", 0)];
    operand_in(w.sc, s, 0)->dtype = WEFT_U8;
    BAD(w, "step 'state_write next' writes the present without the past at hand");
    w = begin(WEFT_STATE_DOUBLE);
    s = &w.sc->steps[fixture_step(w.sc, "next", 0)];
    operand_in(w.sc, s, WEFT_STATE_PRESENT)->flags &= (uint8_t)~WEFT_OPERAND_STATE;
    BAD(w, "writes the present even where it is not active");
    w = begin(WEFT_STATE_PING_PONG);
    s = &w.sc->steps[fixture_step(w.sc, "next", 0)];
    operand_in(w.sc, s, WEFT_STATE_PRESENT)->access = WEFT_READ;
    BAD(w, "reads the present before it is written");
    w = begin(WEFT_STATE_PING_PONG);
    w.sc->n_steps = fixture_step(w.sc, "next", 0); // the writer and all behind it are gone
    BAD(w, "that writes the present is missing");
}

static void order_of_readers(void **state) {
    (void)state;
    struct world w = begin(WEFT_STATE_PING_PONG);
    struct weft_step writer = w.sc->steps[1];
    w.sc->steps[1] = w.sc->steps[2];
    w.sc->steps[2] = writer;
    BAD(w, "reads the present before it is written");
}

static void commits_that_are_wrong(void **state) {
    (void)state;
    struct world w = begin(WEFT_STATE_DOUBLE);
    w.sc->n_steps--;
    BAD(w, "step 'commit' is missing");
    w = begin(WEFT_STATE_DOUBLE);
    struct weft_step commit = w.sc->steps[3];
    w.sc->steps[3] = w.sc->steps[2]; // before the last reader
    w.sc->steps[2] = commit;
    BAD(w, "comes after the commit");
    w = begin(WEFT_STATE_DOUBLE);
    operand_in(w.sc, &w.sc->steps[3], 0)->flags |= WEFT_OPERAND_STATE; // would lose a run that ends itself
    BAD(w, "step 'commit s' writes the past");
    w = begin(WEFT_STATE_DOUBLE);
    w.sc->steps[3].copy.kind = WEFT_COPY_NONE; // not reported
    BAD(w, "step 'commit s' writes the past");
    w = begin(WEFT_STATE_DOUBLE);
    for (uint32_t i = 0; i < 2; i++) w.sc->steps[3].operands[i].bytes -= 64;
    BAD(w, "step 'commit' leaves bytes out");
    w = begin(WEFT_STATE_DOUBLE);
    w.sc->steps[2] = w.sc->steps[3]; // twice
    BAD(w, "step 'commit s' writes the past");
}

/// Layers ask for the same of the position; a session checks it once a run, not once a layer.
static void equal_limits_once(void **state) {
    (void)state;
    struct weft_plan *p = fixture_plan("symbol T 1 4\nvar pos u32 0 1000\nvar at u32 0 1000\ninput x f32 [T, 8]\n"
                                       "state a dense f32 [16, 8]\nstate b dense f32 [16, 8]\n"
                                       "state c dense f32 [24, 8]\nstate d dense f32 [16, 8]\n"
                                       "%a1 = cache_append %a %x %pos\n%b1 = cache_append %b %x %pos\n"
                                       "%c1 = cache_append %c %x %pos\n%d1 = cache_append %d %x %at\n"
                                       "%p1 = advance %pos {by=T}\n",
                                       NULL, NULL);
    static const char *const names[] = {"a", "c", "d"}; // another capacity and another variable are other limits
    assert_int_equal(p->n_limits, 4);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(p->limits[i].kind, WEFT_LIMIT_WRITE);
        assert_string_equal(p->limits[i].name, names[i]);
    }
    assert_int_equal(p->limits[3].kind, WEFT_LIMIT_BOUND);
    weft_plan_destroy(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_limits_once),
        cmocka_unit_test(versions_have_their_buffers),
        cmocka_unit_test(double_states_are_committed_last),
        cmocka_unit_test(rows_stay_in_place),
        cmocka_unit_test(a_program_in_place_overrides_the_graph),
        cmocka_unit_test(the_printed_plan_shows_policies),
        cmocka_unit_test(pairs_become_states_or_stay_separate),
        cmocka_unit_test(versions_in_wrong_buffers),
        cmocka_unit_test(writers_without_the_past),
        cmocka_unit_test(order_of_readers),
        cmocka_unit_test(commits_that_are_wrong),
    };
    return cmocka_run_group_tests_name("compile/states", tests, NULL, NULL);
}
