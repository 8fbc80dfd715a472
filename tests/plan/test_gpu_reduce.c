/// plan/reduce.wgsl on a device: integer-valued sums and maxima are exact with and without subgroups, maxima know
/// infinities and NaN, equal data gives equal bits in every workgroup, and activations are near those of the host.
#include "core/alloc.h"
#include "plan/template.h"
#include "support/wgsl_check.h"
#include "wgsl_run.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/// Runs a template of one read-only binding and one writable one over `groups` workgroups.
static void run(const char *label, const char *text, const struct weft_tval *values, size_t n_values, uint32_t wg,
                const void *in, uint64_t in_bytes, void *out, uint64_t out_bytes, uint32_t groups) {
    struct weft_str wgsl = {0};
    bool subgroups = values[1].i != 0;
    if (subgroups && weft_gpu_caps(gpu)->wgsl_enable_subgroups) weft_str_add(&wgsl, "enable subgroups;\n");
    CHECK(weft_template_expand_text(label, text, values, n_values, &wgsl, NULL));
    wgsl_run(&wgsl, &(struct wgsl_run){.label = label,
                                       .workgroup = wg,
                                       .groups = groups,
                                       .workgroup_memory = wg * 28,
                                       .in = in,
                                       .out = out,
                                       .in_bytes = in_bytes,
                                       .out_bytes = out_bytes});
}

// ---- reductions --------------------------------------------------------------------------------------------------

enum { GROUPS = 3, OUTS = 24 }; // results of a thread, in floats

static const char reductions[] =
    "//% include \"plan/reduce.wgsl\"\n"
    "@group(0) @binding(0) var<storage, read> data: array<vec4<f32>>;\n"
    "@group(0) @binding(1) var<storage, read_write> res: array<vec4<f32>>;\n"
    "@compute @workgroup_size(${WG})\n"
    "fn main(@builtin(local_invocation_index) lid: u32, @builtin(workgroup_id) wid: vec3<u32>) {\n"
    "    let at = wid.x * ${WG}u + lid;\n"
    "    let x = data[at];\n"
    "    res[at * 6u] = vec4<f32>(wg_sum(x.x, lid), wg_sum(x.y, lid), wg_sum2(x.zw, lid));\n"
    "    res[at * 6u + 1u] = vec4<f32>(wg_max(x.x, lid), wg_max(x.y, lid), wg_max2(x.zw, lid));\n"
    "    res[at * 6u + 2u] = wg_sum4(x, lid) - 2.0 * wg_max4(x, lid);\n"
    "    res[at * 6u + 3u] = vec4<f32>(group_sum(x.x, lid), group_sum(x.y, lid), group_sum2(x.zw, lid));\n"
    "    res[at * 6u + 4u] = vec4<f32>(group_max(x.x, lid), group_max(x.y, lid), group_max2(x.zw, lid));\n"
    "    res[at * 6u + 5u] = group_sum4(x, lid) - 2.0 * group_max4(x, lid);\n"
    "}\n";

/// Sum and maximum of component `c` over threads first .. first + n - 1 of a workgroup.
static void reference(const float *in, uint32_t first, uint32_t n, uint32_t c, double *sum, double *max) {
    *sum = 0;
    *max = -FLT_MAX;
    for (uint32_t i = first; i < first + n; i++) {
        *sum += in[4 * i + c];
        *max = fmax(*max, in[4 * i + c]);
    }
}

/// `slack` is 0 for integers. Returns the first wrong float, or -1.
static int compare(const float *in, const float *out, uint32_t wg, uint32_t lanes, double slack) {
    for (uint32_t i = 0; i < wg; i++) {
        for (uint32_t c = 0; c < 4; c++) {
            double sum, max, part, top;
            reference(in, 0, wg, c, &sum, &max);
            reference(in, i / lanes * lanes, lanes, c, &part, &top);
            double expected[] = {sum, max, sum - 2 * max, part, top, part - 2 * top};
            for (uint32_t k = 0; k < 6; k++)
                if (!(fabs(out[OUTS * i + 4 * k + c] - expected[k]) <= slack)) return (int)(OUTS * i + 4 * k + c);
        }
    }
    return -1;
}

static void check_case(uint32_t wg, uint32_t subgroups, uint32_t sg, uint32_t lanes, uint32_t seed) {
    const struct weft_tval values[] = {
        {"WG", wg, NULL}, {"SUBGROUPS", subgroups, NULL}, {"SG", sg, NULL}, {"LANES", lanes, NULL}};
    char label[80];
    snprintf(label, sizeof label, "reduce WG %u SUBGROUPS %u SG %u LANES %u", wg, subgroups, sg, lanes);
    size_t in_size = GROUPS * wg * 16, out_size = GROUPS * wg * OUTS * 4;
    float *in = weft_alloc(in_size), *out = weft_alloc(out_size);
    assert_true(in && out);
    // Workgroup 0: integers, all negative in two components, so that a maximum of 0 is seen. 1 and 2: equal fractions.
    for (uint32_t i = 0; i < wg * 4; i++) {
        seed = seed * 1664525u + 1013904223u;
        in[i] = (float)(seed >> 20) - (i & 1 ? 5000.0f : 2048.0f);
        in[wg * 4 + i] = in[2 * wg * 4 + i] = (float)(seed >> 8) / 16777216.0f - 0.5f;
    }
    run(label, reductions, values, 4, wg, in, in_size, out, out_size, GROUPS);
    int wrong = compare(in, out, wg, lanes, 0);
    if (wrong < 0) wrong = compare(in + 4 * wg, out + OUTS * wg, wg, lanes, 1e-6 * wg);
    if (wrong >= 0) fail_msg("%s: thread %d, result %d", label, wrong / OUTS, wrong % OUTS);
    assert_memory_equal(out + OUTS * wg, out + 2 * OUTS * wg, OUTS * wg * 4);
    out[5] += 1; // the comparison does notice
    assert_int_equal(compare(in, out, wg, lanes, 0), 5);
    weft_free(in);
    weft_free(out);
}

static void test_reductions(void **state) {
    (void)state;
    const struct weft_gpu_caps *caps = weft_gpu_caps(gpu);
    static const uint32_t cases[][2] = {{32, 1}, {32, 4}, {32, 32}, {64, 16}, {256, 2}, {256, 32}, {256, 256}};
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t wg = cases[i][0], lanes = cases[i][1];
        check_case(wg, 0, 0, lanes, i);
        if (!caps->subgroups) continue;
        check_case(wg, 1, 0, lanes, i);
        check_case(wg, 1, caps->subgroup_min, lanes, i);
    }
    print_message("subgroups %s, smallest %u\n", caps->subgroups ? "tested" : "not here", caps->subgroup_min);
}

/// Maxima of a NaN in one component, of nothing but -infinity in the next, of 0 and -0 beside -infinity, and of finite
/// numbers beside +infinity. Sums of them are NaN, -infinity, -infinity and +infinity.
static void test_special(void **state) {
    enum { WG = 64, LANES = 8 };
    static float in[WG * 4], out[WG * OUTS];
    const struct weft_gpu_caps *caps = weft_gpu_caps(gpu);
    (void)state;
    for (int subgroups = 0; subgroups <= (caps->subgroups ? 1 : 0); subgroups++) {
        const struct weft_tval values[] = {
            {"WG", WG, NULL}, {"SUBGROUPS", subgroups, NULL}, {"SG", 0, NULL}, {"LANES", LANES, NULL}};
        for (int i = 0; i < WG; i++) {
            float row[] = {i == 13 ? NAN : (float)i, -INFINITY,
                           i % 3   ? -INFINITY
                           : i & 1 ? 0.0f
                                   : -0.0f,
                           i == 40 ? INFINITY : -3e38f / 128};
            memcpy(in + 4 * i, row, sizeof row);
        }
        run("special", reductions, values, 4, WG, in, sizeof in, out, sizeof out, 1);
        for (int i = 0; i < WG; i++) {
            const float *sum = out + OUTS * i, *max = sum + 4, *part = sum + 16;
            bool with_nan = i / LANES == 13 / LANES, with_infinity = i / LANES == 40 / LANES;
            assert_true(isnan(sum[0]) && sum[1] == -INFINITY && sum[2] == -INFINITY && sum[3] == INFINITY);
            assert_true(isnan(max[0]) && max[1] == -INFINITY && max[2] == 0 && max[3] == INFINITY);
            assert_true(with_nan ? isnan(part[0]) : part[0] == (float)(i / LANES * LANES + LANES - 1));
            assert_true(part[1] == -INFINITY && part[2] == 0);
            assert_true(part[3] == (with_infinity ? INFINITY : -3e38f / 128));
        }
    }
}

// ---- functions ---------------------------------------------------------------------------------------------------

static const char functions[] =
    "@group(0) @binding(0) var<storage, read> data: array<f32>;\n"
    "@group(0) @binding(1) var<storage, read_write> res: array<f32>;\n"
    "@compute @workgroup_size(${WG}) fn main(@builtin(global_invocation_id) id: vec3<u32>) {\n"
    "    let x = data[id.x];\n"
    "    res[id.x * 5u] = sigmoid(x);\n"
    "    res[id.x * 5u + 1u] = silu(x);\n"
    "    res[id.x * 5u + 2u] = tanh_safe(x);\n"
    "    res[id.x * 5u + 3u] = gelu_tanh(x);\n"
    "    res[id.x * 5u + 4u] = gelu_erf(x);\n"
    "}\n";

static void expected_values(double x, double out[5]) {
    double s = x < -700 ? 0 : 1 / (1 + exp(-x)), u = 0.79788456080286535588 * (x + 0.044715 * x * x * x);
    out[0] = s;
    out[1] = x * s;
    out[2] = tanh(x);
    out[3] = u < -300 ? 0 : x / (1 + exp(-2 * u));
    out[4] = 0.5 * x * erfc(-x * 0.70710678118654752440);
}

static void test_functions(void **state) {
    enum { N = 4096, WG = 64 };
    static const char *const names[] = {"sigmoid", "silu", "tanh_safe", "gelu_tanh", "gelu_erf"};
    static float in[N], out[N * 5];
    const struct weft_tval values[] = {{"WG", WG, NULL}, {"SUBGROUPS", 0, NULL}};
    (void)state;
    for (int i = 0; i < N / 2; i++) in[i] = -20.0f + 40.0f * (float)i / (N / 2);
    for (int i = 0; i < N / 2; i++) in[N / 2 + i] = (i & 1 ? -1.0f : 1.0f) * powf(10, -30 + 68.0f * (float)i / (N / 2));
    run("activations", functions, values, 2, WG, in, sizeof in, out, sizeof out, N / WG);
    for (int i = 0; i < N; i++) {
        double expected[5];
        expected_values(in[i], expected);
        // exp may err by (3 + 2 |x|) units in the last place, and the exponent reaches 86: 2e-5 of the value. Tiny
        // values may be flushed or clamped.
        for (int f = 0; f < 5; f++) {
            double error = fabs(out[5 * i + f] - expected[f]), allowed = 2e-5 * fabs(expected[f]) + 1e-35;
            if (!(error <= allowed))
                fail_msg("%s(%.9g) = %.9g, expected %.9g", names[f], in[i], out[5 * i + f], expected[f]);
        }
    }
}

/// The device's own compiler refuses what is no WGSL, and the message names the text.
static void test_checker(void **state) {
    (void)state;
    const struct weft_pipeline_desc desc = {.n_bindings = 1, .kinds = {WEFT_BIND_READ_WRITE}, .workgroup = {8, 1, 1}};
    const char *good = "@group(0) @binding(0) var<storage, read_write> d: array<u32>;\n"
                       "@compute @workgroup_size(8) fn main(@builtin(local_invocation_index) i: u32) { d[i] = i; }\n";
    const char *bad = "@group(0) @binding(0) var<storage, read_write> d: array<u32>;\n"
                      "@compute @workgroup_size(8) fn main() { d[0] = nothing; }\n";
    struct weft_wgsl_texts t = {0};
    struct weft_str errors = {0};
    weft_wgsl_texts_add(&t, "good", good, NULL);
    assert_int_equal(weft_wgsl_check_device(&t, gpu, &desc, &errors), WEFT_WGSL_ACCEPTED);
    weft_wgsl_texts_add(&t, "bad", bad, NULL);
    assert_int_equal(weft_wgsl_check_device(&t, gpu, &desc, &errors), WEFT_WGSL_REFUSED);
    assert_int_equal(strncmp(weft_str_get(&errors), "bad: ", 5), 0);
    weft_str_free(&errors);
    weft_wgsl_texts_free(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reductions), cmocka_unit_test(test_special),
                                       cmocka_unit_test(test_functions), cmocka_unit_test(test_checker)};
    return cmocka_run_group_tests_name("plan/reduce on a device", tests, open_device, close_device);
}
