/// The printed plan: text that names everything a person looks for, JSON that says the same numbers as the plan.
#include "plan_fixture.h"
#include "plan/memory.h"
#include <jansson.h>

static const char graph[] = "symbol T 0 32\ninput x f32 [T, 64]\nweight n f32 [64]\nweight blk.0.q q8_0 [96, "
                            "64]\nstate kv ring f32 [32, 96]\nvar pos u32 0 31\n"
                            "%0 = rms_norm %x %n\n%1 = matmul %0 %blk.0.q \"blk.0.q\"\n%2 = cache_append %kv %1 "
                            "%pos\n%3 = silu %1\n%4 = sum %3\n%5 = advance %pos {by=T}\noutput %4 z\n";

static struct weft_plan *make(void) {
    struct weft_compile_params params = {.split_symbol = "T", .split_at = {1}, .n_splits = 1};
    return fixture_plan(graph, NULL, &params);
}

static void text_names_everything(void **state) {
    (void)state;
    struct weft_plan *p = make();
    struct weft_str s = {0};
    weft_plan_print(p, false, &s);
    assert_false(s.failed);
    static const char *const words[] = {"plan for null",
                                        "2 schedules",
                                        "peak memory",
                                        "by lifetimes",
                                        "schedule T=0..1 (T 0..1)",
                                        "schedule T=2..32",
                                        "blk.0.q",
                                        "q8_0",
                                        "96x64",
                                        "ring",
                                        "32 x 384 = 12288",
                                        "pos",
                                        "word 1",
                                        "in x",
                                        "f32 [T, 64]",
                                        "out z",
                                        "matvec blk.0.q, prologue of 6",
                                        "rows=32",
                                        "[1 r input x+0:8192",
                                        "heap0+0",
                                        "!out0=",
                                        "state kv",
                                        "vars",
                                        " bytes copied",
                                        "first and last step"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (!strstr(weft_str_get(&s), words[i]))
            fail_msg("the plan's text lacks '%s':\n%s", words[i], weft_str_get(&s));
    weft_str_free(&s);
    weft_plan_destroy(p);
}

static json_int_t number(const json_t *o, const char *key) {
    assert_true(json_is_integer(json_object_get(o, key)));
    return json_integer_value(json_object_get(o, key));
}

static void json_says_the_same(void **state) {
    (void)state;
    struct weft_plan *p = make();
    struct weft_str s = {0};
    weft_plan_print(p, true, &s);
    json_error_t error;
    json_t *root = json_loadb(weft_str_get(&s), s.len, JSON_REJECT_DUPLICATES, &error);
    if (!root) fail_msg("line %d: %s", error.line, error.text);
    assert_int_equal(json_array_size(json_object_get(root, "schedules")), p->n_schedules);
    const json_t *memory = json_object_get(root, "memory");
    struct weft_memory_use use = weft_plan_memory(p);
    assert_int_equal(number(memory, "parameters"), use.params);
    assert_int_equal(number(memory, "states"), use.states);
    assert_int_equal(number(memory, "peak"),
                     use.weights + use.states + use.pages + use.transients + use.params + use.io);
    assert_int_equal(number(root, "pipelines"), p->n_pipelines);
    assert_int_equal(json_array_size(json_object_get(root, "weights")), p->n_weights);
    for (uint32_t k = 0; k < p->n_schedules; k++) {
        const struct weft_schedule *sc = &p->schedules[k];
        const json_t *schedule = json_array_get(json_object_get(root, "schedules"), k),
                     *steps = json_object_get(schedule, "steps");
        assert_int_equal(json_array_size(steps), sc->n_steps);
        assert_int_equal(number(schedule, "lower_bound"), sc->lower_bound);
        assert_int_equal(json_array_size(json_object_get(schedule, "tensors")), sc->n_tensors);
        for (uint32_t i = 0; i < sc->n_steps; i++) {
            const json_t *step = json_array_get(steps, i), *bindings = json_object_get(step, "bindings");
            assert_string_equal(json_string_value(json_object_get(step, "label")), sc->steps[i].label);
            assert_int_equal(json_array_size(bindings), sc->steps[i].bound.n_slots - 1);
            size_t operands = 0;
            for (uint32_t n = 1; n < sc->steps[i].bound.n_slots; n++) {
                const json_t *b = json_array_get(bindings, n - 1);
                assert_int_equal(number(b, "size"), sc->steps[i].bound.slots[n].size);
                assert_int_equal(number(b, "offset"), sc->steps[i].bound.slots[n].offset);
                operands += json_array_size(json_object_get(b, "operands"));
            }
            assert_int_equal(operands, sc->steps[i].n_operands);
            assert_int_equal(json_object_size(json_object_get(step, "params")), sc->steps[i].n_fields);
        }
    }
    json_decref(root);
    weft_str_free(&s);
    weft_plan_destroy(p);
}

/// Names of any bytes, and no room for the text.
static void odd_cases(void **state) {
    (void)state;
    struct weft_plan *p =
        fixture_plan("input \"\\xff\\x01\\\"\" f32 [2, 2]\n%0 = tanh %\"\\xff\\x01\\\"\"\noutput %0 z\n", NULL, NULL);
    struct weft_str s = {0};
    weft_plan_print(p, true, &s);
    assert_false(s.failed);
    json_t *root = json_loadb(weft_str_get(&s), s.len, 0, NULL);
    assert_non_null(root);
    json_decref(root);
    weft_str_free(&s);
    int64_t live = weft_alloc_stats().live;
    for (uint64_t n = 1; n < 60; n += 3) {
        weft_alloc_fail_at(n, 1);
        weft_plan_print(p, n % 2, &s);
        weft_alloc_fail_at(0, 0);
        weft_str_free(&s);
        assert_int_equal(weft_alloc_stats().live, live);
    }
    weft_plan_destroy(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(text_names_everything), cmocka_unit_test(json_says_the_same),
                                       cmocka_unit_test(odd_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
