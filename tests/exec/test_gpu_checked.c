/// The checked build of the accessors: a program compiled with it gives what the ordinary one gives and records no
/// fault; and an access out of range, made by a wrong size word, is recorded with its step, operand and index and
/// touches no memory. Each control is also run without the checks, to see that it does harm.
#include "core/alloc.h"
#include "core/error.h"
#include "exec/session_test.h"
#include "ops/ops.h"
#include "ops/sample.h"
#include "plan/update.h"
#include "support/graph_run.h"
#include "support/lm_program.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

// ---- a model -------------------------------------------------------------------------------------------------------

enum { CTX = 96, CHUNK = 16, PROMPT = 13, PICKED = 80, RUNS = 4, STEPS = PICKED / RUNS };

static uint32_t settings[WEFT_SAMPLE_WORDS];

/// A prompt in a run of many tokens and one of few, then decode runs, several a submit; rings of 64 rows go round.
static void generate(weft_session *s, int32_t ids[PICKED]) {
    int32_t prompt[PROMPT];
    uint64_t seed = 3;
    for (int i = 0; i < PROMPT; i++) prompt[i] = (int32_t)weft_test_random(&seed, 300);
    must(weft_session_reset(s));
    weft_test_sampling(s, settings, -1, UINT32_MAX, CTX);
    must(weft_test_sizes(s, 9, 0, 9));
    must(weft_session_write(s, "tokens", 0, prompt, 9 * 4));
    must(weft_session_run(s, 1, NULL));
    must(weft_test_sizes(s, 4, 1, PROMPT));
    must(weft_session_write(s, "tokens", 0, prompt + 9, 4 * 4));
    must(weft_session_run(s, 1, NULL));
    for (int i = 0; i < STEPS; i++) {
        must(weft_test_sizes(s, 1, 1, PROMPT + (i + 1) * RUNS));
        must(weft_session_run(s, RUNS, NULL));
    }
    must(weft_session_read(s, "ring", 0, ids, PICKED * 4));
}

static uint32_t count_checked(const struct weft_plan *plan, uint32_t *steps) {
    uint32_t checked = 0;
    *steps = 0;
    for (uint32_t k = 0; k < plan->n_schedules; k++) {
        for (uint32_t i = 0; i < plan->schedules[k].n_steps; i++) checked += plan->schedules[k].steps[i].bound.checked;
        *steps += plan->schedules[k].n_steps;
    }
    return checked;
}

static void expect_equal_build(const struct weft_tiny_gemma3 *tiny, struct weft_test_build build) {
    struct weft_test_model m = {0};
    int32_t ids[2][PICKED];
    weft_test_model_make(&m, tiny);
    for (int checked = 0; checked < 2; checked++) {
        build.checked = checked;
        weft_program *p = weft_test_program(weft_test_gpu(), &m, &build);
        weft_session *s = weft_test_session(p, false, RUNS);
        generate(s, ids[checked]);
        struct weft_fault fault;
        uint32_t n_steps, n = count_checked(weft_program_plan(p), &n_steps);
        if (checked) {
            print_message("%u of %u steps are checked\n", n, n_steps);
            assert_true(n > n_steps / 2);
            must(weft_session_fault(s, &fault));
            if (fault.any) fail_msg("%s", fault.text);
        } else {
            assert_int_equal(n, 0);
            assert_int_equal(weft_session_fault(s, &fault), WEFT_ERR_INVALID);
        }
        weft_session_destroy(&s);
        weft_program_destroy(&p);
    }
    weft_test_model_free(&m);
    assert_memory_equal(ids[0], ids[1], sizeof ids[0]);
}

/// SwiftShader takes minutes to compile the kernels twice over; there the controls below do.
static void skip_where_dear(void) {
    if (weft_test_thin()) skip();
}

static void test_generates_as_ever(void **state) {
    (void)state;
    if (weft_test_short()) skip(); // the sampling build has these kernels, and more
    expect_equal_build(&(struct weft_tiny_gemma3){.seed = 5, .n_layer = 2, .period = 2, .ctx = CTX},
                       (struct weft_test_build){.gemma = {.ctx = CTX, .chunk = CHUNK, .head = WEFT_LM_GENERATE}});
}

static void test_samples_as_ever(void **state) {
    (void)state;
    skip_where_dear();
    expect_equal_build(
        &(struct weft_tiny_gemma3){
            .seed = 6, .n_layer = 2, .period = 2, .ctx = CTX, .softcap = 20, .separate_head = true},
        (struct weft_test_build){
            .gemma = {.ctx = CTX, .chunk = CHUNK, .head = WEFT_LM_GENERATE, .sampling = true, .cache_f16 = true}});
}

// ---- negative controls ---------------------------------------------------------------------------------------------

static float weights[5 * 32];

static weft_status weight(void *user, const char *name, const void **data, uint64_t *bytes) {
    (void)user, (void)name;
    for (int i = 0; i < 5 * 32; i++) weights[i] = (float)(i % 7);
    *data = weights;
    *bytes = sizeof weights;
    return WEFT_OK;
}

static weft_session *open_graph(const char *text, bool checked) {
    struct weft_graph *g;
    weft_program *p;
    must(weft_graph_parse(weft_ops(), text, strlen(text), &g));
    must(weft_program_create(weft_test_gpu(), g,
                             &(struct weft_program_params){.compile = {.checked = checked}, .source = {.get = weight}},
                             &p));
    return weft_test_session(p, false, 1);
}

static void close_graph(weft_session **s) {
    weft_program *p = weft_session_program(*s);
    weft_session_destroy(s);
    weft_program_destroy(&p);
}

/// Word of a field in the block of step 0.
static uint32_t word_of(weft_session *s, const char *field) {
    const struct weft_step *step = &weft_program_plan(weft_session_program(s))->schedules[0].steps[0];
    for (uint32_t i = 0; i < step->n_fields; i++)
        if (strcmp(step->fields[i].name, field) == 0) return i;
    fail_msg("step '%s' has no field '%s'", step->label, field);
    return 0;
}

/// The fault, of step 0 of the only schedule; the tensor's name stands in the sentence.
static void expect_fault(weft_session *s, const char *tensor, uint32_t first, uint32_t last, uint32_t length) {
    const struct weft_step *step = &weft_program_plan(weft_session_program(s))->schedules[0].steps[0];
    struct weft_fault fault;
    must(weft_session_fault(s, &fault));
    assert_true(fault.any);
    print_message("%s\n", fault.text);
    assert_int_equal(fault.step, 0);
    assert_int_equal(fault.schedule, 0);
    assert_string_equal(fault.label, step->label);
    assert_string_equal(fault.operand, step->operands[fault.operand_number].name);
    assert_in_range(fault.index, first, last);
    assert_int_equal(fault.length, length);
    char words[96];
    snprintf(words, sizeof words, "(%s) was asked for, which has %u", tensor, length);
    assert_non_null(strstr(fault.text, words));
    assert_non_null(strstr(fault.text, step->label));
    must(weft_session_fault(s, &fault)); // reading it forgets it
    assert_false(fault.any);
}

static void expect_none(weft_session *s) {
    struct weft_fault fault;
    must(weft_session_fault(s, &fault));
    if (fault.any) fail_msg("%s", fault.text);
}

/// An element too many (a thread may have four): its load is recorded, the store of it does not happen.
static void test_store_out_of_range(void **state) {
    (void)state;
    for (int checked = 0; checked < 2; checked++) {
        weft_session *s = open_graph("symbol T 0 64\ninput x f32 [T, 40]\n%0 = neg %x\noutput %0 z\n", checked);
        float x[8 * 40], z[8 * 40];
        for (int i = 0; i < 8 * 40; i++) x[i] = (float)i + 1;
        must(weft_session_resize(s, (int64_t[]){8}));
        must(weft_session_write(s, "x", 0, x, sizeof x));
        must(weft_session_run(s, 1, NULL)); // z is -x everywhere
        for (int i = 0; i < 8 * 40; i++) x[i] *= 3;
        must(weft_session_write(s, "x", 0, x, sizeof x));
        must(weft_session_resize(s, (int64_t[]){7}));
        must(weft_session_run(s, 1, NULL));
        if (checked) expect_none(s);
        weft_session_test_word(s, 0, word_of(s, "e0"));
        must(weft_session_run(s, 1, NULL));
        weft_session_test_word(s, UINT32_MAX, 0);
        if (checked) expect_fault(s, "x", 7 * 40, 7 * 40 + 3, 7 * 40);
        must(weft_session_resize(s, (int64_t[]){8}));
        must(weft_session_read(s, "z", 0, z, sizeof z));
        for (int i = 0; i < 7 * 40; i++) assert_true(z[i] == -x[i]);
        assert_true(z[7 * 40] == (checked ? -x[7 * 40] / 3 : -x[7 * 40]));
        for (int i = 7 * 40 + 4; i < 8 * 40; i++) assert_true(z[i] == -x[i] / 3);
        close_graph(&s);
    }
}

/// A column too many: it counts as zero.
static void test_load_out_of_range(void **state) {
    (void)state;
    for (int checked = 0; checked < 2; checked++) {
        weft_session *s =
            open_graph("symbol T 0 4\nsymbol N 0 64\ninput x f32 [T, N]\n%0 = sum %x\noutput %0 z\n", checked);
        float x[6] = {1, 2, 4, 8, 16, 32}, z = 0;
        must(weft_session_resize(s, (int64_t[]){1, 6}));
        must(weft_session_write(s, "x", 0, x, sizeof x));
        must(weft_session_resize(s, (int64_t[]){1, 5}));
        weft_session_test_word(s, 0, word_of(s, "e0"));
        must(weft_session_run(s, 1, NULL));
        must(weft_session_read(s, "z", 0, &z, 4));
        if (checked) expect_fault(s, "x", 5, 5, 5);
        assert_true(z == (checked ? 31 : 63));
        close_graph(&s);
    }
}

/// A view's length is its own: what lies behind it in the same tensor is out of range.
static void test_view_ends_where_it_ends(void **state) {
    (void)state;
    weft_session *s =
        open_graph("symbol N 0 32\ninput x f32 [1, 64]\n%v = reshape %x {shape=[64]}\n"
                   "%a = slice %v {start=N, len=N}\n%b = reshape %a {shape=[1, N]}\n%0 = sum %b\noutput %0 z\n",
                   true);
    float x[64], z = 0;
    for (int i = 0; i < 64; i++) x[i] = (float)i;
    must(weft_session_write(s, "x", 0, x, sizeof x));
    must(weft_session_resize(s, (int64_t[]){6}));
    must(weft_session_run(s, 1, NULL));
    must(weft_session_read(s, "z", 0, &z, 4));
    assert_true(z == 6 + 7 + 8 + 9 + 10 + 11);
    expect_none(s);
    weft_session_test_word(s, 0, word_of(s, "e0"));
    must(weft_session_run(s, 1, NULL));
    expect_fault(s, "x", 6, 6, 6);
    must(weft_session_read(s, "z", 0, &z, 4));
    assert_true(z == 6 + 7 + 8 + 9 + 10 + 11);
    close_graph(&s);
}

int main(void) {
    struct weft_sample_settings sampler = weft_sample_defaults();
    sampler.temperature = 1;
    sampler.top_k = 20;
    sampler.top_p = 0.9f;
    sampler.seed = 77;
    if (!weft_test_gpu() || weft_sample_pack(&sampler, settings) != WEFT_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_out_of_range),      cmocka_unit_test(test_load_out_of_range),
        cmocka_unit_test(test_view_ends_where_it_ends), cmocka_unit_test(test_generates_as_ever),
        cmocka_unit_test(test_samples_as_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
