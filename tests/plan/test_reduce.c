/// plan/reduce.wgsl and plan/scalar: every expansion parses in Tint, and what Tint must refuse is refused, at the
/// right line of the right file. What they compute is checked on a device by test_gpu_reduce.c.
#include "core/error.h"
#include "plan/link.h"
#include "support/wgsl_check.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char entry[] =
    "//% include \"plan/reduce.wgsl\"\n"
    "@group(0) @binding(0) var<storage, read_write> data: array<vec4<f32>>;\n"
    "@compute @workgroup_size(${WG}) fn main(@builtin(local_invocation_index) lid: u32) {\n"
    "    let x = data[lid];\n"
    "    var v = vec4<f32>(wg_sum(x.x, lid), wg_max(x.y, lid), 0.0, 0.0) + wg_sum4(x, lid) * wg_max4(x, lid);\n"
    "    let two = wg_sum2(v.xy, lid) + wg_max2(v.zw, lid);\n"
    "    v = v + vec4<f32>(two, tanh_safe(x.x) + gelu_tanh(x.y), gelu_erf(x.z) + silu(x.w) + sigmoid(x.x));\n"
    "//% if defined(LANES)\n"
    "    v = group_sum4(v, lid) + group_max4(v, lid) + vec4<f32>(group_sum(v.x, lid), group_max(v.y, lid), 0.0, 0.0);\n"
    "    v = v + vec4<f32>(group_sum2(v.xy, lid), group_max2(v.zw, lid));\n"
    "//% end\n"
    "    data[lid] = v;\n"
    "}\n";

static void add(struct weft_wgsl_texts *t, const char *text, int wg, int subgroups, int sg, int lanes) {
    const struct weft_tval values[] = {
        {"WG", wg, NULL}, {"SUBGROUPS", subgroups, NULL}, {"SG", sg, NULL}, {"LANES", lanes, NULL}};
    struct weft_str out = {0};
    struct weft_line_map map = {0};
    char name[64];
    snprintf(name, sizeof name, "WG %d SUBGROUPS %d SG %d LANES %d", wg, subgroups, sg, lanes);
    if (subgroups) weft_str_add(&out, "enable subgroups;\n");
    if (weft_template_expand_text("entry.wgsl", text, values, lanes ? 4 : 3, &out, &map) != WEFT_OK)
        fail_msg("%s: %s", name, weft_error_message());
    weft_link_scalars(&out);
    weft_wgsl_texts_add(t, name, weft_str_get(&out), &map);
    weft_str_free(&out);
}

static void test_tint_accepts(void **state) {
    static const int sizes[] = {1, 4, 32, 64, 128, 256, 1024}, subgroup_sizes[] = {0, 4, 8, 16, 32, 64, 128};
    (void)state;
    struct weft_wgsl_texts t = {0};
    for (size_t w = 0; w < sizeof sizes / sizeof *sizes; w++) {
        for (int lanes = 0; lanes <= sizes[w]; lanes = lanes ? lanes * 2 : 1) {
            add(&t, entry, sizes[w], 0, 0, lanes);
            for (size_t s = 0; s < sizeof subgroup_sizes / sizeof *subgroup_sizes; s++)
                add(&t, entry, sizes[w], 1, subgroup_sizes[s], lanes);
        }
    }
    weft_wgsl_assert_tint(&t);
}

/// A checker that accepts everything would pass the test above.
static void test_tint_refuses(void **state) {
    static const struct {
        const char *from, *to, *told;
    } faults[] = {
        {"    let two", "    if (lid < 3u) { v.x = wg_sum(v.x, lid); }\n    let two", "uniform control flow"},
        {"wg_sum(x.x, lid)", "wg_sum(x.xy, lid)", "entry.wgsl:5: "},
        {"data[lid] = v", "data[lid] = nothing", "entry.wgsl:12: unresolved value 'nothing'"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct weft_wgsl_texts t = {0};
        struct weft_str text = {0}, errors = {0};
        const char *at = strstr(entry, faults[i].from);
        assert_non_null(at);
        weft_str_addn(&text, entry, (size_t)(at - entry));
        weft_str_addf(&text, "%s%s", faults[i].to, at + strlen(faults[i].from));
        add(&t, entry, 64, 0, 0, 8);
        add(&t, weft_str_get(&text), 64, 0, 0, 8);
        t.items[1].name[0] = 'X';
        enum weft_wgsl_verdict verdict = weft_wgsl_check_tint(&t, &errors);
        if (verdict == WEFT_WGSL_MISSING) {
            print_error("*** SKIPPED: Tint is missing: %s", weft_str_get(&errors));
        } else {
            assert_int_equal(verdict, WEFT_WGSL_REFUSED);
            if (!strstr(weft_str_get(&errors), faults[i].told) || strncmp(weft_str_get(&errors), "XG 64", 5) != 0)
                fail_msg("expected '%s', found: %s", faults[i].told, weft_str_get(&errors));
        }
        weft_str_free(&text);
        weft_str_free(&errors);
        weft_wgsl_texts_free(&t);
        if (verdict == WEFT_WGSL_MISSING) skip();
    }
}

/// Legal ranges are asserted in the text itself.
static void test_illegal_values(void **state) {
    static const int rows[][2] = {{96, 0}, {64, 12}, {64, 128}}; // WG, LANES
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weft_wgsl_texts t = {0};
        struct weft_str errors = {0};
        add(&t, entry, rows[i][0], 0, 0, rows[i][1]);
        enum weft_wgsl_verdict verdict = weft_wgsl_check_tint(&t, &errors);
        if (verdict == WEFT_WGSL_REFUSED) assert_non_null(strstr(weft_str_get(&errors), "plan/reduce.wgsl:"));
        weft_str_free(&errors);
        weft_wgsl_texts_free(&t);
        if (verdict == WEFT_WGSL_MISSING) skip();
        assert_int_equal(verdict, WEFT_WGSL_REFUSED);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tint_accepts),
        cmocka_unit_test(test_tint_refuses),
        cmocka_unit_test(test_illegal_values),
    };
    return cmocka_run_group_tests_name("plan/reduce", tests, NULL, NULL);
}
