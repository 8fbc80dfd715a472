/// Every kind of operand at every operand of every operator, where its `infer` takes it: the graph compiles, or is
/// refused with a sentence of the list below, and Tint takes every text. tests/ops/test_gpu_operands.c runs a sample.
#include "ops/operand_forms.h"
#include "specialisations.h"
#include "support/wgsl_check.h"

/// What may be refused when a graph is compiled. Anything else is a kind that somebody forgot.
static const char *const documented[] = {
    "pos must be a variable",                     // cache_append, attention, rope
    "count must be a variable",                   // of several sequences
    "active must be a variable",                  // likewise
    "must be weights or constants",               // q4gsw
    "it moves tensors, variables have advance",   // state_write
    "is a variable; ranges are written to dense", // assign
    "would hold blocks of q8_0",                  // inputs and outputs
    "must be a variable of the graph",            // sample
    "must be a dense state of the graph",         // likewise
    "it must hold the tokens",                    // likewise
    "starts inside a word of f32",                // bitcast of halves
};

struct tally {
    struct weft_str text;
    char said[160]; ///< the last sentence printed
    struct specials all;
    struct weft_gpu_caps caps;
    uint32_t n, taken, refused, bad;
};

static bool is_documented(weft_status status) {
    if (status != WEFT_ERR_UNSUPPORTED && status != WEFT_ERR_INVALID && status != WEFT_ERR_LIMIT) return false;
    for (size_t i = 0; i < sizeof documented / sizeof *documented; i++)
        if (strstr(weft_error_message(), documented[i])) return true;
    return false;
}

static void compile_one(void *user, const struct operand_graph *o) {
    struct tally *t = user;
    struct weft_graph *g;
    struct weft_plan *plan;
    struct weft_compile_params params = {.as_written = true}; // else operators of constants alone are folded
    if (!operand_text(&t->text, o)) return;
    const char *text = weft_str_get(&t->text);
    if (weft_graph_parse(weft_ops(), text, strlen(text), &g) != WEFT_OK) return;
    t->n++;
    weft_status status = weft_compile(g, &t->caps, &params, &plan);
    if (status != WEFT_OK) {
        t->refused++;
        if (is_documented(status)) return;
        t->bad++;
        if (strncmp(t->said, weft_error_message(), sizeof t->said - 1) != 0)
            print_error("%s%s\n\n", text, weft_error_message());
        snprintf(t->said, sizeof t->said, "%s", weft_error_message());
        return;
    }
    t->taken++;
    for (uint32_t i = 0; i < plan->schedules[0].n_steps; i++)
        specials_add(&t->all, text, &plan->schedules[0], &plan->schedules[0].steps[i]);
    weft_plan_destroy(plan);
}

static void test_every_kind_compiles(void **state) {
    (void)state;
    struct tally t = {.caps = specials_gpu()};
    struct weft_wgsl_texts texts = {0};
    operand_graphs(compile_one, &t);
    print_message("%u graphs, %u compiled, %u refused, %zu texts\n", t.n, t.taken, t.refused, t.all.n);
    assert_int_equal(t.bad, 0);
    assert_true(t.taken > 3000);
    for (size_t i = 0; i < t.all.n; i++)
        weft_wgsl_texts_add(&texts, t.all.items[i].desc.label, t.all.items[i].desc.wgsl, NULL);
    weft_str_free(&t.text);
    specials_free(&t.all);
    weft_wgsl_assert_tint(&texts);
}

static void test_every_operator_has_a_form(void **state) {
    (void)state;
    for (const struct weft_op *const *op = weft_ops()->ops; *op; op++) {
        const char *name = (*op)->name;
        bool found = false;
        for (size_t f = 0; f < sizeof operand_forms / sizeof *operand_forms; f++)
            found |= strcmp(operand_forms[f].op, name) == 0;
        if (!found) fail_msg("operator '%s' has no row in operand_forms.h", name);
    }
}

struct forms {
    struct weft_str text;
    bool parsed[sizeof operand_forms / sizeof *operand_forms];
};

static void note_form(void *user, const struct operand_graph *o) {
    struct forms *seen = user;
    struct weft_graph *g;
    size_t form = (size_t)(o->form - operand_forms);
    if (seen->parsed[form] || !operand_text(&seen->text, o)) return;
    const char *text = weft_str_get(&seen->text);
    if (weft_graph_parse(weft_ops(), text, strlen(text), &g) != WEFT_OK) return;
    seen->parsed[form] = true;
    weft_graph_destroy(g);
}

/// A form that no graph can have, its operands being others by now, would compile nothing and say nothing.
static void test_every_form_is_one_of_its_operator(void **state) {
    (void)state;
    struct forms seen = {0};
    operand_graphs(note_form, &seen);
    for (size_t f = 0; f < sizeof operand_forms / sizeof *operand_forms; f++)
        if (!seen.parsed[f]) fail_msg("row %zu of operand_forms.h, '%s', parses in no graph", f, operand_forms[f].op);
    weft_str_free(&seen.text);
}

/// Negative control: a refusal that nobody documented is noticed, and so is an internal error with documented words.
static void test_other_refusals_are_noticed(void **state) {
    (void)state;
    assert_true(is_documented(weft_fail(WEFT_ERR_UNSUPPORTED, "attention: pos must be a variable of the graph")));
    assert_false(is_documented(weft_fail(WEFT_ERR_INTERNAL, "attention: pos must be a variable of the graph")));
    assert_false(is_documented(weft_fail(WEFT_ERR_UNSUPPORTED, "node 'x' views a weight")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_refusals_are_noticed),
        cmocka_unit_test(test_every_operator_has_a_form),
        cmocka_unit_test(test_every_form_is_one_of_its_operator),
        cmocka_unit_test(test_every_kind_compiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
