/// A sample of the graphs of operand_forms.h, one an operand, against the host reference. All of them compile in
/// tests/compile/test_operands.c, and those that become scalar programs run on the host in tests/compile/test_host.c:
/// here are the others. WEFT_TEST_LONG=1 runs all.
#include "compile/compile.h"
#include "core/error.h"
#include "operand_forms.h"
#include "support/graph_run.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

struct sampler {
    weft_gpu *gpu;
    struct weft_str text;
    struct operand_graph pick; ///< of the operand at hand: each of the graphs seen so far is as likely
    uint32_t seen, seed, run;
    bool all;
    int bad;
};

static uint32_t any(uint32_t *seed, uint32_t below) {
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % below;
}

/// True if the operator takes the operand and the compiler the graph, and a kernel that is no program is among its
/// steps.
static bool compiles(const struct sampler *s, const char *text) {
    struct weft_graph *g;
    struct weft_plan *plan = NULL;
    static const struct weft_compile_params params = {.as_written = true};
    if (weft_graph_parse(weft_ops(), text, strlen(text), &g) != WEFT_OK) return false;
    bool runs = weft_compile(g, weft_gpu_caps(s->gpu), &params, &plan) == WEFT_OK, others = s->all;
    for (uint32_t i = 0; runs && i < plan->schedules[0].n_steps; i++)
        others |= !plan->schedules[0].steps[i].programs && !plan->schedules[0].steps[i].copy.kind;
    weft_plan_destroy(plan);
    return runs && others;
}

/// Halves have 11 bits and sums of 32 of them one less; functions of f32 are good to 1e-5 on all drivers.
static void run_one(struct sampler *s, const struct operand_graph *o) {
    operand_text(&s->text, o);
    const char *text = weft_str_get(&s->text);
    bool half = strstr(text, "f16") != NULL;
    struct weft_case c = {.name = text,
                          .graph = text,
                          .tolerance = half ? 2e-3 : 2e-5,
                          .int_below = 3,
                          .seed = 7,
                          .as_written = true}; // else operators of constants alone are folded
    s->bad |= weft_case_run(s->gpu, &c, NULL);
    s->run++;
}

static void finish_operand(struct sampler *s) {
    if (s->seen && !s->all) run_one(s, &s->pick);
    s->seen = 0;
}

static void sample(void *user, const struct operand_graph *o) {
    struct sampler *s = user;
    if (s->seen && (o->form != s->pick.form || o->slot != s->pick.slot)) finish_operand(s);
    if (o->form->odd || !operand_text(&s->text, o) || !compiles(s, weft_str_get(&s->text))) return;
    if (s->all) run_one(s, o);
    if (any(&s->seed, ++s->seen) == 0) s->pick = *o;
}

static void test_operands_of_all_kinds(void **state) {
    (void)state;
    struct sampler s = {.gpu = weft_test_gpu(), .seed = 20261, .all = weft_test_long()};
    assert_non_null(s.gpu);
    operand_graphs(sample, &s);
    finish_operand(&s);
    print_message("%u graphs run\n", s.run);
    weft_str_free(&s.text);
    assert_true(s.run > 40);
    assert_int_equal(s.bad, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_operands_of_all_kinds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
