/// Tint takes every specialisation that the compiler writes, for several kinds of device, in the ordinary and in the
/// checked build; naga is asked by test_gpu_specialisations.c. Only texts: no driver is needed, but node is. Of two
/// profiles operators have as few cases as bring every kernel once; WEFT_TEST_LONG=1 takes all.
#include "specialisations.h"
#include "support/graph_run.h"
#include "support/wgsl_check.h"

#include <stdlib.h>

static struct weft_gpu_caps no_subgroups(void) {
    struct weft_gpu_caps caps = specials_gpu();
    caps.subgroups = caps.wgsl_enable_subgroups = false;
    caps.subgroup_min = caps.subgroup_max = 0;
    return caps;
}

static struct weft_gpu_caps cpu(void) {
    struct weft_gpu_caps caps = specials_gpu();
    caps.kind = WEFT_GPU_CPU;
    caps.subgroup_min = caps.subgroup_max = 4;
    return caps;
}

static struct weft_gpu_caps smallest(void) {
    struct weft_gpu_caps caps = specials_gpu();
    weft_gpu_caps_min(&caps);
    return caps;
}

static const struct {
    const char *name;
    struct weft_gpu_caps (*caps)(void);
    bool checked, few;
    enum weft_numbers numbers;
} profiles[] = {
    {.name = "GPU", .caps = specials_gpu},
    {.name = "GPU without subgroups", .caps = no_subgroups, .few = true}, // between its neighbours
    {.name = "CPU", .caps = cpu},
    {.name = "minimum limits", .caps = smallest},
    {.name = "GPU, checked", .caps = specials_gpu, .checked = true, .few = true}, // other accessors alone
    {.name = "GPU, invariant", .caps = specials_gpu, .numbers = WEFT_NUMBERS_INVARIANT},
    {.name = "minimum limits, invariant", .caps = smallest, .few = true, .numbers = WEFT_NUMBERS_INVARIANT},
};

static void collect(struct specials *all) {
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++) {
        struct weft_gpu_caps caps = profiles[i].caps();
        size_t before = all->n, models;
        all->numbers = profiles[i].numbers;
        uint32_t steps = all->steps, unchecked = all->unchecked;
        specials_models(all, profiles[i].name, &caps, profiles[i].checked);
        models = all->n;
        if ((profiles[i].few && !weft_test_long()) || weft_test_sanitized())
            specials_picked_ops(all, profiles[i].name, &caps, profiles[i].checked);
        else specials_ops(all, profiles[i].name, &caps, profiles[i].checked);
        print_message("%s: %zu new texts of models and %zu of operators in %u steps", profiles[i].name, models - before,
                      all->n - models, all->steps - steps);
        if (profiles[i].checked) print_message(", %u of them left unchecked", all->unchecked - unchecked);
        print_message("\n");
    }
}

/// The verdict on texts; frees them. Where nothing can be checked, the test is skipped loudly, but not in CI.
static void expect_accepted(struct weft_wgsl_texts *t) {
    const char *ci = getenv("CI");
    struct weft_str errors = {0};
    if (ci && *ci && weft_wgsl_check_tint(&(struct weft_wgsl_texts){0}, &errors) == WEFT_WGSL_MISSING)
        fail_msg("CI must have node and the npm package: %s", weft_str_get(&errors));
    weft_str_free(&errors);
    weft_wgsl_assert_tint(t);
}

static void test_tint_takes_all(void **state) {
    (void)state;
    struct specials all = {0};
    struct weft_wgsl_texts t = {0};
    collect(&all);
    for (size_t i = 0; i < all.n; i++) weft_wgsl_texts_add(&t, all.items[i].desc.label, all.items[i].desc.wgsl, NULL);
    print_message("%zu texts\n", all.n);
    assert_true(all.n > 100);
    specials_free(&all);
    expect_accepted(&t);
}

static uint32_t occurrences(const char *text, const char *what) {
    uint32_t n = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what)) n++;
    return n;
}

/// Templates define `body`, the binder the entry point; null devices take the size from the step and not from the text.
static void test_entry_points_are_the_binders(void **state) {
    (void)state;
    struct specials all = {0};
    struct weft_gpu_caps caps = specials_gpu();
    specials_ops(&all, "GPU", &caps, false);
    for (size_t i = 0; i < all.n; i++) {
        const struct weft_pipeline_desc *d = &all.items[i].desc;
        char size[64];
        snprintf(size, sizeof size, "@workgroup_size(%u, %u, %u)\nfn main(", d->workgroup[0], d->workgroup[1],
                 d->workgroup[2]);
        if (occurrences(d->wgsl, "@compute") != 1 || occurrences(d->wgsl, "fn body(") != 1 ||
            occurrences(d->wgsl, size) != 1 || occurrences(d->wgsl, "@builtin(") != 3)
            fail_msg("%s has not one body and one entry point of its size", d->label);
    }
    specials_free(&all);
}

// ---- negative control ----------------------------------------------------------------------------------------------

/// The text with `to` in the place of the first `from`.
static char *changed(const char *wgsl, const char *from, const char *to) {
    struct weft_str s = {0};
    const char *at = strstr(wgsl, from);
    assert_non_null(at);
    weft_str_addn(&s, wgsl, (size_t)(at - wgsl));
    weft_str_add(&s, to);
    weft_str_add(&s, at + strlen(from));
    return weft_str_take(&s);
}

static void test_broken_texts_are_refused(void **state) {
    (void)state;
    static const struct op_case one = {.name = "one",
                                       .graph = "symbol T 0 64\ninput x f32 [T, 39]\n%0 = neg %x\noutput %0 z\n"};
    struct weft_gpu_caps caps = specials_gpu();
    struct specials all = {0};
    struct weft_wgsl_texts t = {0};
    struct weft_str errors = {0};
    specials_case(&all, "control", &caps, true, &one);
    assert_int_equal(all.n, 1);
    const char *wgsl = all.items[0].desc.wgsl;
    char *unknown = changed(wgsl, "= load_in0(", "= load_in9(");
    char *read_only = changed(wgsl, "b2[p.off_out0 + i] =", "b1[p.off_out0 + i] =");
    char *barrier = changed(wgsl, "let group = group_index(wid, nwg);",
                            "let group = group_index(wid, nwg); if (lid == 1u) { workgroupBarrier(); }");
    weft_wgsl_texts_add(&t, "as it is", wgsl, NULL);
    weft_wgsl_texts_add(&t, "unknown accessor", unknown, NULL);
    weft_wgsl_texts_add(&t, "store to a read-only binding", read_only, NULL);
    weft_wgsl_texts_add(&t, "barrier of one thread", barrier, NULL);
    enum weft_wgsl_verdict verdict = weft_wgsl_check_tint(&t, &errors);
    if (verdict == WEFT_WGSL_MISSING) {
        weft_str_free(&errors);
    } else {
        assert_int_equal(verdict, WEFT_WGSL_REFUSED);
        assert_null(strstr(weft_str_get(&errors), "as it is: "));
        for (size_t i = 1; i < t.n; i++)
            if (!strstr(weft_str_get(&errors), t.items[i].name)) fail_msg("'%s' was accepted", t.items[i].name);
    }
    weft_free(unknown);
    weft_free(read_only);
    weft_free(barrier);
    weft_str_free(&errors);
    weft_wgsl_texts_free(&t);
    specials_free(&all);
    if (verdict == WEFT_WGSL_MISSING) skip();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_texts_are_refused),
        cmocka_unit_test(test_entry_points_are_the_binders),
        cmocka_unit_test(test_tint_takes_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
