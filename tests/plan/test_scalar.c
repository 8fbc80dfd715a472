/// The functions of plan/scalar as texts: each file holds one function of its own name and every text gets what it
/// calls, once. What they compute is checked on a device by test_gpu_scalar.c and ops/test_gpu_special.c.
#include "core/error.h"
#include "plan/link.h"
#include "plan/wgsl.h"
#include "support/wgsl_check.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int times(const char *text, const char *part) {
    int n = 0;
    for (const char *p = text; (p = strstr(p, part)); p += strlen(part)) n++;
    return n;
}

/// "is_nan" of "plan/scalar/is_nan.wgsl"; false for other files.
static bool scalar_name(size_t i, char name[64]) {
    return sscanf(weft_wgsl_files[i].name, "plan/scalar/%63[a-z0-9_].wgsl", name) == 1;
}

static void test_files(void **state) {
    (void)state;
    char name[64], head[80];
    int n = 0;
    for (size_t i = 0; i < weft_wgsl_file_count; i++) {
        if (!scalar_name(i, name)) continue;
        snprintf(head, sizeof head, "fn %s(", name);
        if (times(weft_wgsl_files[i].text, head) != 1 || times(weft_wgsl_files[i].text, "fn ") != 1)
            fail_msg("%s must define the function %s and no other", weft_wgsl_files[i].name, name);
        n++;
    }
    assert_in_range(n, 30, 64);
}

static void linked(const char *text, const char *const *wanted, size_t n_wanted) {
    struct weft_str s = {0};
    weft_str_add(&s, text);
    weft_link_scalars(&s);
    assert_false(s.failed);
    assert_int_equal(strncmp(s.data, text, strlen(text)), 0);
    for (size_t i = 0; i < n_wanted; i++) {
        char head[80];
        snprintf(head, sizeof head, "fn %s(", wanted[i]);
        if (times(s.data, head) != 1) fail_msg("%s is there %d times in\n%s", wanted[i], times(s.data, head), s.data);
    }
    int added = times(s.data + strlen(text), "fn ");
    if (added != (int)n_wanted) fail_msg("%d functions were added, not %zu:\n%s", added, n_wanted, s.data);
    weft_str_free(&s);
}

#define WANTED(...) (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

static void test_link(void **state) {
    (void)state;
    linked("", NULL, 0);
    linked("fn f() { let relu = 1.0; silu_(x); my_silu(x); tanh(x); }\n", NULL, 0);
    linked("fn f(x: f32) -> f32 { return silu(silu(x)) + relu(x); }\n", WANTED("silu", "relu", "div_c"));
    linked("fn f(x: f32) -> f32 { return to_bool(x); }\n", WANTED("to_bool", "is_true"));
    linked("fn f(x: f32) -> f32 { return sin_c(x) + cos_c(x); }\n",
           WANTED("sin_c", "cos_c", "sincos_turns", "turns", "quiet_nan"));
    linked("fn f(x: u32) -> u32 { return pack_f16(v) + bf16_bits(y); }\n",
           WANTED("pack_f16", "f16_bits", "bf16_bits", "is_nan"));
    // what the text defines itself is left alone, wherever it stands
    linked("fn f(x: f32) -> f32 { return exp_c(x); }\nfn is_nan(x: f32) -> bool { return false; }\n", WANTED("exp_c"));
    linked("fn is_nan(x: f32) -> bool { return false; }\nfn f(x: f32) -> bool { return is_nan(x); }\n", NULL, 0);
}

/// All of them together, so that Tint sees each; and one that calls what does not exist, so that Tint is known to look.
static void test_tint(void **state) {
    (void)state;
    struct weft_wgsl_texts t = {0};
    struct weft_str text = {0}, errors = {0};
    char name[64];
    weft_str_add(&text, "// all of");
    for (size_t i = 0; i < weft_wgsl_file_count; i++)
        if (scalar_name(i, name)) weft_str_addf(&text, " %s()", name);
    weft_str_add(&text, "\n@compute @workgroup_size(1) fn main() {}\n");
    weft_link_scalars(&text);
    weft_wgsl_texts_add(&t, "all", weft_str_get(&text), NULL);
    weft_wgsl_assert_tint(&t);
    weft_str_add(&text, "fn wrong(x: f32) -> f32 { return exp_d(x); }\n");
    weft_wgsl_texts_add(&t, "wrong", weft_str_get(&text), NULL);
    enum weft_wgsl_verdict verdict = weft_wgsl_check_tint(&t, &errors);
    if (verdict != WEFT_WGSL_MISSING) assert_int_equal(verdict, WEFT_WGSL_REFUSED);
    weft_wgsl_texts_free(&t);
    weft_str_free(&text);
    weft_str_free(&errors);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files), cmocka_unit_test(test_link),
                                       cmocka_unit_test(test_tint)};
    return cmocka_run_group_tests_name("plan/scalar", tests, NULL, NULL);
}
