/// The checked build of the accessors, as a plan shows it: bindings, words, lengths at live sizes, and what happens
/// where there is no room. What its kernels do is tested on devices by tests/exec/test_gpu_checked.c.
#include "plan_fixture.h"

static const char add[] = "symbol T 0 64\ninput x f32 [T, 40]\ninput y f32 [T, 40]\n%0 = add %x %y\noutput %0 z\n";
static const struct weft_compile_params checked = {.checked = true};

static void ordinary_plans_have_nothing_of_it(void **state) {
    (void)state;
    struct weft_plan *plain = fixture_plan(add, NULL, NULL), *plan = fixture_plan(add, NULL, &checked);
    const struct weft_step *s = &plain->schedules[0].steps[0], *c = &plan->schedules[0].steps[0];
    assert_false(plain->checked || s->bound.checked);
    assert_null(strstr(s->bound.wgsl, "outside_"));
    assert_null(strstr(s->bound.wgsl, "len_"));
    assert_true(plan->checked && c->bound.checked);
    assert_non_null(strstr(c->bound.wgsl, "outside_in0(i, 1u)"));
    assert_int_equal(c->bound.n_slots, s->bound.n_slots + 1);
    assert_int_equal(c->bound.slots[c->bound.n_slots - 1].mem_key >> 24, WEFT_MEM_FAULT);
    assert_int_equal(c->bound.n_words, s->bound.n_words + s->n_operands + 1);
    weft_plan_destroy(plain);
    weft_plan_destroy(plan);
}

/// Of operand `name`, at these sizes.
static uint32_t length(const struct weft_plan *plan, uint32_t step, const char *name, const int64_t *symbols) {
    const struct weft_step *s = &plan->schedules[0].steps[step];
    struct weft_update u = {.dims = plan->graph->dims, .symbols = symbols, .caps = &plan->caps, .step = s};
    uint32_t words[WEFT_MAX_WORDS], grid[3];
    weft_step_update(&u, words, grid);
    assert_int_equal(words[s->bound.n_words - 1], step); // of schedule 0
    for (uint32_t i = 0; i < s->n_operands; i++)
        if (strcmp(s->operands[i].name, name) == 0) return words[weft_len_word(s, i)];
    fail_msg("step '%s' has no operand '%s'", s->label, name);
    return 0;
}

static void lengths_follow_live_sizes(void **state) {
    (void)state;
    struct weft_plan *plan =
        fixture_plan("symbol N 0 32\ninput x f32 [64, 3]\n%a = slice %x {start=N, len=N}\n%0 = neg %a\n"
                     "output %0 z\n",
                     NULL, &checked);
    assert_int_equal(length(plan, 0, "in0", (int64_t[]){32}), 96);
    assert_int_equal(length(plan, 0, "in0", (int64_t[]){5}), 15); // of the view, not of x
    assert_int_equal(length(plan, 0, "out0", (int64_t[]){5}), 15);
    assert_int_equal(length(plan, 0, "in0", (int64_t[]){0}), 0);
    weft_plan_destroy(plan);
}

/// A weight's planes end where their bytes end, not where the next 256 begin; 5 halves take 3 words.
static void weights_end_with_their_planes(void **state) {
    (void)state;
    struct weft_plan *plan = fixture_plan(
        "symbol T 0 8\ninput x f32 [T, 32]\nweight w q8_0 [5, 32]\n%0 = matmul %x %w\noutput %0 y\n", NULL, &checked);
    assert_int_equal(length(plan, 0, "w0_q", (int64_t[]){1}), 5 * 32 / 4);
    assert_int_equal(length(plan, 0, "w0_s", (int64_t[]){1}), 3);
    assert_int_equal(length(plan, 0, "x", (int64_t[]){3}), 3 * 32);
    weft_plan_destroy(plan);
}

static void no_binding_left(void **state) {
    (void)state;
    struct weft_gpu_caps caps = fixture_caps();
    for (int room = 0; room < 2; room++) {
        caps.max_storage_buffers = 3 + (uint32_t)room; // the step has three of its own
        struct weft_plan *plan = fixture_plan(add, &caps, &checked);
        const struct weft_step *s = &plan->schedules[0].steps[0];
        assert_int_equal(s->bound.checked, room);
        assert_int_equal(s->bound.n_slots, 4 + room);
        assert_int_equal(strstr(s->bound.wgsl, "outside_") != NULL, room);
        bool told =
            strstr(weft_str_get(&plan->report), "step 'region add, 1 nodes, 1 parts' is left unchecked") != NULL;
        assert_int_equal(told, !room);
        weft_plan_destroy(plan);
    }
}

static void no_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    (void)u, (void)words, (void)grid;
}

/// With n fields, one operand, its length and the step's number.
static void no_words_left(void **state) {
    (void)state;
    static const struct weft_kernel kernel = {"test", "none", NULL, no_update};
    struct weft_tensor t = {
        .name = "t", .mem = WEFT_MEM_TRANSIENT, .dtype = WEFT_F32, .bytes = 256, .value = WEFT_NO_VALUE};
    struct weft_schedule sc = {.tensors = &t, .n_tensors = 1};
    struct weft_plan plan = {.caps = fixture_caps(), .checked = true};
    for (uint32_t over = 0; over < 2; over++) {
        struct weft_step s = {
            .kernel = &kernel, .label = "many fields", .n_fields = WEFT_MAX_WORDS - 3 + over, .n_operands = 1};
        s.operands[0] = (struct weft_operand){.name = "x",
                                              .access = WEFT_READ,
                                              .inplace_of = -1,
                                              .dtype = WEFT_F32,
                                              .bytes = 256,
                                              .count = WEFT_DIM_NONE,
                                              .live = WEFT_DIM_NONE};
        assert_int_equal(weft_bind_step(&plan, &sc, &s), WEFT_OK);
        assert_int_equal(s.bound.checked, !over);
        assert_int_equal(s.bound.n_words, over ? WEFT_MAX_WORDS - 1 : WEFT_MAX_WORDS);
        assert_int_equal(s.bound.n_slots, over ? 2 : 3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_plans_have_nothing_of_it),
        cmocka_unit_test(lengths_follow_live_sizes),
        cmocka_unit_test(weights_end_with_their_planes),
        cmocka_unit_test(no_binding_left),
        cmocka_unit_test(no_words_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
