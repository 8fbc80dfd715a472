/// naga, the compiler of wgpu-native, takes every specialisation that the compiler writes for a discrete GPU, as far as
/// the features of this device go (what it lacks is masked). Pipelines are made and nothing is run. Devices with
/// another compiler have nothing to do here: Tint is asked by test_specialisations.c. Checked texts, and those of
/// masked limits, are as many as bring every kernel once; WEFT_TEST_LONG=1 takes all.
#include "ops/operand_forms.h"
#include "specialisations.h"
#include "support/graph_run.h"

#include <stdlib.h>

/// The device as if it were a discrete GPU, so that kernels, tiles and workgroups are those of one.
static struct weft_gpu_caps as_gpu(const weft_gpu *gpu) {
    struct weft_gpu_caps caps = *weft_gpu_caps(gpu);
    caps.kind = WEFT_GPU_DISCRETE;
    if (caps.subgroups) caps.subgroup_min = caps.subgroup_max = 32;
    return caps;
}

static weft_gpu *naga(void) {
    weft_gpu *gpu = weft_test_gpu();
    assert_non_null(gpu);
    if (!weft_gpu_caps(gpu)->wgsl_naga) {
        print_message("the device's compiler is not naga: nothing to do\n");
        skip();
    }
    return gpu;
}

static void test_naga_takes_all(void **state) {
    (void)state;
    weft_gpu *gpu = naga();
    struct weft_gpu_caps caps = as_gpu(gpu);
    struct specials all = {0};
    uint32_t refused = 0;
    const char *limits = getenv("WEFT_LIMITS");
    bool masked = limits && *limits;
    for (int checked = 0; checked < (masked ? 1 : 2); checked++) {
        const char *profile = checked ? "checked" : "plain";
        specials_models(&all, profile, &caps, checked);
        // Checked texts, and those of masked limits, differ from the plain ones in accessors and bindings alone.
        if ((checked || masked) && weft_test_short()) specials_picked_ops(&all, profile, &caps, checked);
        else specials_ops(&all, profile, &caps, checked);
    }
    all.numbers = WEFT_NUMBERS_INVARIANT;
    specials_models(&all, "invariant", &caps, false);
    specials_ops(&all, "invariant", &caps, false);
    for (size_t i = 0; i < all.n; i++) {
        weft_pipeline pipeline;
        if (weft_pipeline_get(gpu, &all.items[i].desc, &pipeline) == WEFT_OK) continue;
        if (refused++ < 8) print_error("%s\n", weft_error_message());
    }
    print_message("%zu texts in %u steps (%u of them too full to be checked), f16 %d, subgroups %d\n", all.n, all.steps,
                  all.unchecked, caps.f16, caps.subgroups);
    assert_true(all.n > 100);
    specials_free(&all);
    assert_int_equal(refused, 0);
}

struct kinds {
    struct specials all;
    struct weft_gpu_caps caps;
    struct weft_str text;
};

static void add_kind(void *user, const struct operand_graph *o) {
    struct kinds *k = user;
    struct weft_graph *g;
    struct weft_plan *plan;
    struct weft_compile_params params = {0};
    if (!operand_text(&k->text, o)) return;
    const char *text = weft_str_get(&k->text);
    if (weft_graph_parse(weft_ops(), text, strlen(text), &g) != WEFT_OK) return;
    if (weft_compile(g, &k->caps, &params, &plan) != WEFT_OK) return; // test_operands.c validates refusals
    for (uint32_t i = 0; i < plan->schedules[0].n_steps; i++)
        specials_add(&k->all, text, &plan->schedules[0], &plan->schedules[0].steps[i]);
    weft_plan_destroy(plan);
}

/// Every kind of operand of every operator (test_operands.c).
static void test_naga_takes_operands_of_all_kinds(void **state) {
    (void)state;
    weft_gpu *gpu = naga();
    const char *limits = getenv("WEFT_LIMITS");
    if (limits && *limits && weft_test_short()) skip(); // the kinds are those of the plain configuration
    struct kinds k = {.caps = as_gpu(gpu)};
    uint32_t refused = 0;
    operand_graphs(add_kind, &k);
    for (size_t i = 0; i < k.all.n; i++) {
        weft_pipeline pipeline;
        if (weft_pipeline_get(gpu, &k.all.items[i].desc, &pipeline) == WEFT_OK) continue;
        if (refused++ < 8) print_error("%s\n", weft_error_message());
    }
    print_message("%zu texts\n", k.all.n);
    weft_str_free(&k.text);
    specials_free(&k.all);
    assert_int_equal(refused, 0);
}

/// Negative control: what naga must refuse comes back as an error that names the step.
static void test_broken_text_is_refused(void **state) {
    (void)state;
    weft_gpu *gpu = naga();
    struct weft_gpu_caps caps = as_gpu(gpu);
    static const struct op_case one = {.name = "one",
                                       .graph = "symbol T 0 64\ninput x f32 [T, 40]\n%0 = neg %x\noutput %0 z\n"};
    struct specials all = {0};
    specials_case(&all, "control", &caps, true, &one);
    assert_int_equal(all.n, 1);
    struct weft_pipeline_desc desc = all.items[0].desc;
    weft_pipeline pipeline;
    assert_int_equal(weft_pipeline_get(gpu, &desc, &pipeline), WEFT_OK);
    char *wgsl = weft_strdup(desc.wgsl), *at = wgsl ? strstr(wgsl, "= load4_in0(") : NULL;
    assert_non_null(at);
    at[strlen("= load4_in")] = '9';
    desc.wgsl = wgsl;
    assert_int_not_equal(weft_pipeline_get(gpu, &desc, &pipeline), WEFT_OK);
    assert_non_null(strstr(weft_error_message(), "control: 'one'"));
    assert_non_null(strstr(weft_error_message(), "load4_in9"));
    weft_free(wgsl);
    specials_free(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_text_is_refused),
        cmocka_unit_test(test_naga_takes_all),
        cmocka_unit_test(test_naga_takes_operands_of_all_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
