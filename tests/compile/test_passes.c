/// The list of passes: names and sentences that people read, what stands behind each of them, and who may use it.
#include "plan_fixture.h"
#include "../ir/tiny_ops.h"

static const char graph[] = "symbol T 1 16\ninput x f32 [T, 32]\nweight n f32 [32]\nweight w q8_0 [48, 32]\n"
                            "state kept dense f32 [16, 48]\nvar at u32 0 16\n"
                            "%0 = rms_norm %x %n\n%1 = matmul %0 %w\n%2 = cache_append %kept %1 %at\n"
                            "%3 = reshape %1 {shape=[T, 6, 8]}\n%4 = softmax %3\n%5 = advance %at {by=T}\n"
                            "output %4 y\n";

/// What stands behind a pass; the caller frees it.
static char *behind(const char *pass, const char *splits) {
    struct weft_str text = {0};
    struct weft_compile_params params = {.show = pass, .show_to = &text};
    if (splits) params.split_symbol = splits, params.split_at[0] = 1, params.n_splits = 1;
    weft_plan_destroy(fixture_plan(graph, NULL, &params));
    assert_false(text.failed);
    char *taken = weft_str_take(&text);
    return taken ? taken : weft_strdup("");
}

static uint32_t count(const char *text, const char *part) {
    uint32_t n = 0;
    for (const char *at = text; (at = strstr(at, part)); at++) n++;
    return n;
}

static void names_and_sentences(void **state) {
    (void)state;
    const struct weft_pass_info *pass, *other;
    size_t n = 0;
    for (; (pass = weft_pass_list(n)); n++) {
        size_t length = strlen(pass->leaves);
        assert_true(length > 20 && pass->leaves[length - 1] == '.');
        for (size_t k = 0; k < n; k++) {
            other = weft_pass_list(k);
            assert_string_not_equal(other->name, pass->name);
            assert_true(other->scope <= pass->scope); // scopes follow each other
        }
    }
    assert_true(n > 20);
}

static void each_pass_can_be_seen(void **state) {
    (void)state;
    const struct weft_pass_info *pass;
    for (size_t i = 0; (pass = weft_pass_list(i)); i++) {
        char *text = behind(pass->name, NULL);
        if (!*text) fail_msg("nothing stands behind %s", pass->name);
        weft_free(text);
    }
    char *none = behind("no such pass", NULL);
    assert_string_equal(none, "");
    weft_free(none);
}

static void what_stands_behind(void **state) {
    (void)state;
    static const struct {
        const char *pass, *there, *not_there;
    } cases[] = {
        {"verify", "= rms_norm", "= rsqrt"},       {"decompose", "= rsqrt", "rms_norm"},
        {"fuse", "group 0, contraction", "step "}, {"fuse", "(in front)", "kernel "},
        {"lower", "kernel matvec", "binding "},    {"lower", "heap (", "heap0"},
        {"place", "heap0+0:", "    binding 1"},    {"bind", "    binding 1 ", "= rsqrt"},
        {"number", "plan for ", "group 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = behind(cases[i].pass, "T");
        if (!strstr(text, cases[i].there)) fail_msg("%s lacks '%s':\n%s", cases[i].pass, cases[i].there, text);
        if (strstr(text, cases[i].not_there)) fail_msg("%s has '%s':\n%s", cases[i].pass, cases[i].not_there, text);
        weft_free(text);
    }
}

/// Attempts that did not fit are not shown: the schedule once, however often it was lowered. Each weight has a shard of
/// its own, which is known only once a first attempt has placed them.
static void only_the_last_attempt(void **state) {
    (void)state;
    static const char text[] = "input x f32 [12288]\nweight a f32 [12288]\nweight b f32 [12288]\nweight c f32 [12288]\n"
                               "weight d f32 [12288]\n%0 = mul %x %a\n%1 = add %0 %b\n%2 = mul %1 %c\n"
                               "%3 = sub %2 %d\noutput %3 y\n";
    static const char *const passes[] = {"fuse", "commit", "bind", "write"};
    struct weft_gpu_caps few = fixture_caps();
    few.max_storage_buffers = 4;
    few.max_binding = few.max_buffer = 65536;
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        struct weft_str shown = {0};
        struct weft_compile_params params = {.show = passes[i], .show_to = &shown};
        struct weft_plan *p = fixture_plan(text, &few, &params);
        assert_non_null(strstr(weft_str_get(&p->report), "fused less")); // there were several attempts
        assert_int_equal(count(weft_str_get(&shown), "schedule all"), 1);
        weft_str_free(&shown);
        weft_plan_destroy(p);
    }
}

/// Operators without a table of families are a language, nothing that runs.
static void operators_without_kernels(void **state) {
    (void)state;
    struct weft_gpu_caps caps = fixture_caps();
    struct weft_graph *g;
    struct weft_plan *p;
    static const char text[] = "input x f32 [4]\n%0 = add %x %x\noutput %0 y\n";
    assert_int_equal(weft_graph_parse(&tiny_ops, text, sizeof text - 1, &g), WEFT_OK);
    REFUSED(weft_compile(g, &caps, NULL, &p), WEFT_ERR_INVALID, "come without kernels");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_sentences),       cmocka_unit_test(each_pass_can_be_seen),
        cmocka_unit_test(what_stands_behind),        cmocka_unit_test(only_the_last_attempt),
        cmocka_unit_test(operators_without_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
