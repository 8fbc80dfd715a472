/// Functions of plan/scalar over the whole range of their operands, bit by bit where they promise bits: conversions of
/// halves, and sine and cosine of large numbers. ops/test_gpu_special.c has the special values of all others.
#include "core/half.h"
#include "wgsl_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 65536 * 3, WG = 64 };
static uint32_t in[N], out[N];

/// out[i] = `bits`, an expression of u, the word in[i], and x, the float of it, for the first n words.
static void run(const char *bits, uint32_t n) {
    struct weft_str wgsl = {0};
    weft_str_addf(&wgsl,
                  "@group(0) @binding(0) var<storage, read> source: array<u32>;\n"
                  "@group(0) @binding(1) var<storage, read_write> target_: array<u32>;\n"
                  "@compute @workgroup_size(%d) fn main(@builtin(global_invocation_id) id: vec3<u32>) {\n"
                  "    if (id.x >= %uu) { return; }\n    let u = source[id.x];\n    let x = bitcast<f32>(u);\n"
                  "    target_[id.x] = %s;\n}\n",
                  (int)WG, n, bits);
    wgsl_run(&wgsl, &(struct wgsl_run){.label = bits,
                                       .workgroup = WG,
                                       .groups = (n + WG - 1) / WG,
                                       .in = in,
                                       .out = out,
                                       .in_bytes = sizeof in,
                                       .out_bytes = sizeof out});
}

static float float_of(uint32_t u) {
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static uint32_t bits_of(float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

// ---- halves ------------------------------------------------------------------------------------------------------

static void every_half(void) {
    for (uint32_t i = 0; i < 65536; i++) in[i] = i | ((65535 - i) << 16);
}

/// Bits that decode to a value; of a NaN any of the bits that are one.
static void expect_decoded(const char *what, float (*decode)(uint16_t)) {
    for (uint32_t i = 0; i < 65536; i++) {
        float want = decode((uint16_t)i), got = float_of(out[i]);
        if (isnan(want) ? !isnan(got) : bits_of(want) != out[i])
            fail_msg("%s of 0x%04x is %.9g (0x%08x), not %.9g (0x%08x)", what, i, got, out[i], want, bits_of(want));
    }
}

static void test_decode(void **state) {
    (void)state;
    every_half();
    run("bitcast<u32>(f16_value(u & 0xffffu))", 65536);
    expect_decoded("f16_value", weft_f16_to_f32);
    run("bitcast<u32>(unpack_f16(u).x)", 65536);
    expect_decoded("unpack_f16", weft_f16_to_f32);
    run("bitcast<u32>(unpack_f16((u << 16u) | (u >> 16u)).y)", 65536);
    expect_decoded("unpack_f16", weft_f16_to_f32);
    run("bitcast<u32>(unpack2x16float(u).x)", 65536); // accessors and packed weights rely on the device's own
    expect_decoded("unpack2x16float", weft_f16_to_f32);
    run("bitcast<u32>(bf16_value(u & 0xffffu))", 65536);
    expect_decoded("bf16_value", weft_bf16_to_f32);
    run("bitcast<u32>(unpack_bf16((u << 16u) | (u >> 16u)).y)", 65536);
    expect_decoded("unpack_bf16", weft_bf16_to_f32);
}

/// Around every half: its value (bfloat: the same bits), the middle to the next, and what lies beside the middle.
static void around_halves(float (*decode)(uint16_t)) {
    for (uint32_t i = 0; i < 65536; i++) {
        float a = decode((uint16_t)i), b = decode((uint16_t)(i + 1));
        uint32_t middle = bits_of(isfinite(a) && isfinite(b) ? (float)(((double)a + b) / 2) : a);
        in[3 * i] = i % 3 ? middle - 1 : bits_of(a);
        in[3 * i + 1] = middle;
        in[3 * i + 2] = middle + 1;
    }
    const uint32_t edges[] = {0x477fefffu, 0x477ff000u, 0x47800000u, 0x7f7fffffu, 0x7f800000u, 0xff800000u,
                              0x7fc00000u, 0x7f800001u, 0xffffffffu, 0x00000001u, 0x807fffffu, 0x7f7f8000u,
                              0x7f7f7fffu, 0x33000000u, 0x33000001u, 0x387fffffu, 0x38800000u, 0x38801000u};
    memcpy(in, edges, sizeof edges);
}

static void expect_encoded(const char *what, uint16_t (*encode)(float), float (*decode)(uint16_t), bool as_float) {
    for (uint32_t i = 0; i < N; i++) {
        float x = float_of(in[i]);
        uint32_t want = encode(x);
        if (as_float) want = bits_of(decode((uint16_t)want));
        bool ok = out[i] == want;
        if (isnan(x) && as_float) ok = isnan(float_of(out[i]));
        else if (isnan(x)) ok = isnan(decode((uint16_t)out[i])) && out[i] < 65536;
        if (!ok) fail_msg("%s of %.9g (0x%08x) is 0x%08x, not 0x%08x", what, x, in[i], out[i], want);
    }
}

static void test_encode(void **state) {
    (void)state;
    around_halves(weft_f16_to_f32);
    run("f16_bits(x)", N);
    expect_encoded("f16_bits", weft_f32_to_f16, weft_f16_to_f32, false);
    run("pack_f16(vec2<f32>(1.0, x)) >> 16u", N);
    expect_encoded("pack_f16", weft_f32_to_f16, weft_f16_to_f32, false);
    run("bitcast<u32>(round_f16(x))", N);
    expect_encoded("round_f16", weft_f32_to_f16, weft_f16_to_f32, true);
    around_halves(weft_bf16_to_f32);
    run("bf16_bits(x)", N);
    expect_encoded("bf16_bits", weft_f32_to_bf16, weft_bf16_to_f32, false);
    run("pack_bf16(vec2<f32>(1.0, x)) >> 16u", N);
    expect_encoded("pack_bf16", weft_f32_to_bf16, weft_bf16_to_f32, false);
    run("bitcast<u32>(round_bf16(x))", N);
    expect_encoded("round_bf16", weft_f32_to_bf16, weft_bf16_to_f32, true);
}

// ---- angles ------------------------------------------------------------------------------------------------------

/// Largest |error| of function f, or its largest relative error where |x| < 0.7.
static double worst_angle(double (*f)(double), uint32_t n, float *at) {
    double worst = 0;
    for (uint32_t i = 0; i < n; i++) {
        double x = float_of(in[i]), want = f(x), error = fabs(float_of(out[i]) - want);
        if (fabs(x) < 0.7 && fabs(want) >= 1.2e-38) error /= fabs(want);
        if (error > worst || isnan(error)) {
            worst = isnan(error) ? INFINITY : error;
            *at = float_of(in[i]);
        }
    }
    return worst;
}

/// Every exponent, both signs; whole multiples of a quarter turn and their neighbours.
static void test_angles(void **state) {
    (void)state;
    enum { ANGLES = 65536 };
    uint32_t seed = 12345;
    for (uint32_t i = 0; i < ANGLES; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t exponent = 1 + i % 254;
        in[i] = (exponent << 23) | (seed >> 9) | (seed << 31);
        if (i % 4 == 0) in[i] = bits_of((float)(i / 4 * 1.5707963267948966)) + (seed >> 30);
    }
    float at = 0;
    run("bitcast<u32>(sin_c(x))", ANGLES);
    double worst = worst_angle(sin, ANGLES, &at);
    if (!(worst < 3e-7)) fail_msg("sin_c(%.9g) errs by %g", at, worst);
    out[4] ^= 0x400000; // the comparison does notice
    assert_true(worst_angle(sin, ANGLES, &at) > 3e-7);
    run("bitcast<u32>(cos_c(x))", ANGLES);
    worst = worst_angle(cos, ANGLES, &at);
    if (!(worst < 3e-7)) fail_msg("cos_c(%.9g) errs by %g", at, worst);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_decode), cmocka_unit_test(test_encode),
                                       cmocka_unit_test(test_angles)};
    return cmocka_run_group_tests_name("plan/scalar on a device", tests, open_device, close_device);
}
