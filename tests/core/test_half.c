/// All 65,536 patterns of both types, against powers of two in double; ties and neighbours of every value.
#include "core/half.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uint32_t bits(float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

/// What the pattern means, from the definition: sign, exponent, fraction.
static double meaning(uint16_t h, int fraction_bits, int bias) {
    int top = (1 << (15 - fraction_bits)) - 1;
    int exponent = (h >> fraction_bits) & top, fraction = h & ((1 << fraction_bits) - 1);
    double sign = h & 0x8000 ? -1 : 1;
    if (exponent == top) return fraction ? NAN : sign * INFINITY;
    if (!exponent) return sign * ldexp(fraction, 1 - bias - fraction_bits);
    return sign * ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
}

/// Each value goes there and back; what lies between neighbours goes to the nearer one, a tie to the even one.
static void check_type(float (*widen)(uint16_t), uint16_t (*narrow)(float), int fraction_bits, int bias) {
    uint16_t infinity = (uint16_t)(((1 << (15 - fraction_bits)) - 1) << fraction_bits);
    for (uint32_t p = 0; p < 65536; p++) {
        uint16_t h = (uint16_t)p;
        double want = meaning(h, fraction_bits, bias);
        float got = widen(h);
        if (isnan(want)) {
            assert_true(isnan(got));
            uint16_t back = narrow(got);
            assert_true(isnan(widen(back)));
            assert_int_equal(back & 0x8000, h & 0x8000);
            continue;
        }
        if ((double)got != want || !signbit(got) != !(h >> 15)) fail_msg("pattern %04x gives %a, not %a", h, got, want);
        assert_int_equal(narrow(got), h);
        if ((h & 0x7FFF) >= infinity) continue;
        // The next value away from zero; above the largest that is what would come if exponents went on.
        uint16_t next = (uint16_t)(h + 1);
        double beyond = meaning(next, fraction_bits, bias);
        if (isinf(beyond)) beyond = copysign(ldexp(1, bias + 1), want);
        float middle = (float)((want + beyond) / 2); // exact: one more bit than the type has
        if ((double)middle != (want + beyond) / 2) { // beyond f32's own range: bf16's largest
            assert_true(fraction_bits == 7);
            continue;
        }
        assert_int_equal(narrow(middle), h & 1 ? next : h);
        float towards = nextafterf(middle, 0), away = nextafterf(middle, copysignf(INFINITY, middle));
        assert_int_equal(narrow(towards), h);
        assert_int_equal(narrow(away), next);
    }
}

static void test_f16(void **state) {
    (void)state;
    check_type(weft_f16_to_f32, weft_f32_to_f16, 10, 15);
}

static void test_bf16(void **state) {
    (void)state;
    check_type(weft_bf16_to_f32, weft_f32_to_bf16, 7, 127);
}

static void test_edges(void **state) {
    (void)state;
    assert_int_equal(weft_f32_to_f16(65504.0f), 0x7BFF);
    assert_int_equal(weft_f32_to_f16(nextafterf(65520.0f, 0)), 0x7BFF);
    assert_int_equal(weft_f32_to_f16(65520.0f), 0x7C00);
    assert_int_equal(weft_f32_to_f16(65536.0f), 0x7C00);
    assert_int_equal(weft_f32_to_f16(-FLT_MAX), 0xFC00);
    assert_int_equal(weft_f32_to_f16(INFINITY), 0x7C00);
    assert_int_equal(weft_f32_to_f16(0x1p-24f), 1);
    assert_int_equal(weft_f32_to_f16(0x1p-25f), 0);
    assert_int_equal(weft_f32_to_f16(0x1.000002p-25f), 1);
    assert_int_equal(weft_f32_to_f16(-0x1p-149f), 0x8000);
    assert_int_equal(weft_f32_to_f16(-0.0f), 0x8000);
    assert_int_equal(weft_f32_to_bf16(FLT_MAX), 0x7F80);
    assert_int_equal(weft_f32_to_bf16(-INFINITY), 0xFF80);
    assert_int_equal(weft_f32_to_bf16(0x1p-149f), 0);
    assert_int_equal(weft_f32_to_bf16(0x1p-133f), 1);
    assert_int_equal(weft_f32_to_bf16(0x1p-134f), 0);
    // NaN whose payload lies only in the bits that are dropped stays NaN.
    for (uint32_t sign = 0; sign < 2; sign++) {
        uint32_t u = sign << 31 | 0x7F800001u;
        float f;
        memcpy(&f, &u, 4);
        assert_true(isnan(weft_f16_to_f32(weft_f32_to_f16(f))));
        assert_true(isnan(weft_bf16_to_f32(weft_f32_to_bf16(f))));
        assert_int_equal(bits(weft_bf16_to_f32(weft_f32_to_bf16(f))) >> 31, sign);
    }
}

#if defined(__F16C__) || defined(__FLT16_MAX__)
__extension__ typedef _Float16 compiler_half;

/// Random floats against the compiler's own conversion.
static void test_compiler(void **state) {
    (void)state;
    uint32_t random = 1;
    for (int i = 0; i < 2000000; i++) {
        random = random * 1664525u + 1013904223u;
        uint32_t u = i & 1 ? random : 0x33000000u + random % 0x15000000u; // half of them in f16's range
        float f;
        memcpy(&f, &u, 4);
        if (isnan(f)) continue;
        compiler_half h = (compiler_half)f;
        uint16_t want;
        memcpy(&want, &h, 2);
        if (weft_f32_to_f16(f) != want) fail_msg("%a gives %04x, not %04x", f, weft_f32_to_f16(f), want);
    }
}
#else
static void test_compiler(void **state) {
    (void)state;
    skip();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f16),
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_compiler),
    };
    return cmocka_run_group_tests_name("core/half", tests, NULL, NULL);
}
