// Element types: decoding against reference values, encoding against decoding.
#include "core/half.h"
#include "ir/dtype.h"
#include "ir/quant.h"
#include "quant_fixture.h"
#include "quant_fixture_k.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct fixture {
    weft_dtype dtype;
    const uint8_t *blocks;
    size_t n_bytes;
    const uint32_t *values;
    size_t n_values;
} fixtures[] = {
#define FIXTURE(dtype, name)                                                                                           \
    { dtype, name##_blocks, sizeof name##_blocks, name##_values, sizeof name##_values / 4 }
    FIXTURE(WEFT_Q4_0, q4_0),     FIXTURE(WEFT_Q5_0, q5_0),     FIXTURE(WEFT_Q8_0, q8_0),   FIXTURE(WEFT_Q4_K, q4_k),
    FIXTURE(WEFT_Q6_K, q6_k),     FIXTURE(WEFT_Q4_1, q4_1),     FIXTURE(WEFT_Q5_1, q5_1),   FIXTURE(WEFT_Q5_K, q5_k),
    FIXTURE(WEFT_IQ4_NL, iq4_nl), FIXTURE(WEFT_IQ4_XS, iq4_xs), FIXTURE(WEFT_MXFP4, mxfp4), FIXTURE(WEFT_Q2_K, q2_k),
    FIXTURE(WEFT_Q3_K, q3_k),
};
#define FIXTURES (sizeof fixtures / sizeof fixtures[0])

// Number of values that differ from the reference in either decoder.
static size_t mismatches(const struct fixture *f, const uint8_t *blocks) {
    const struct weft_dtype_info *info = weft_dtype_info(f->dtype);
    double *d = malloc(f->n_values * sizeof *d);
    float *s = malloc(f->n_values * sizeof *s);
    size_t wrong = 0;
    assert_true(d && s);
    info->decode(blocks, (int64_t)f->n_values, d);
    weft_dtype_decode_f32(f->dtype, blocks, (int64_t)f->n_values, s);
    for (size_t i = 0; i < f->n_values; i++) {
        float want;
        memcpy(&want, &f->values[i], sizeof want);
        wrong += (float)d[i] != want || s[i] != want;
    }
    free(d);
    free(s);
    return wrong;
}

static void test_blocks_decode_as_the_reference(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXTURES; i++) {
        const struct fixture *f = &fixtures[i];
        assert_int_equal(weft_dtype_bytes(f->dtype, f->n_values), f->n_bytes);
        if (mismatches(f, f->blocks) != 0) fail_msg("%s differs", weft_dtype_name(f->dtype));
    }
}

// Every byte of a block matters: one flipped bit must be seen.
static void test_a_flipped_bit_is_noticed(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXTURES; i++) {
        const struct fixture *f = &fixtures[i];
        uint8_t *copy = malloc(f->n_bytes);
        assert_non_null(copy);
        memcpy(copy, f->blocks, f->n_bytes);
        for (size_t k = 0; k < f->n_bytes; k++) {
            copy[k] ^= 1;
            if (mismatches(f, copy) == 0) fail_msg("%s: byte %zu is not read", weft_dtype_name(f->dtype), k);
            copy[k] ^= 1;
        }
        free(copy);
    }
}

static void test_table(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint32_t block, bytes;
    } want[WEFT_DTYPE_COUNT] = {
        {"f32", 1, 4},      {"f16", 1, 2},      {"bf16", 1, 2},       {"i32", 1, 4},     {"u32", 1, 4},
        {"i8", 1, 1},       {"u8", 1, 1},       {"bool", 1, 4},       {"q4_0", 32, 18},  {"q5_0", 32, 22},
        {"q8_0", 32, 34},   {"q4_k", 256, 144}, {"q6_k", 256, 210},   {"q4_1", 32, 20},  {"q5_1", 32, 24},
        {"q5_k", 256, 176}, {"iq4_nl", 32, 18}, {"iq4_xs", 256, 136}, {"mxfp4", 32, 17}, {"q2_k", 256, 84},
        {"q3_k", 256, 110},
    };
    for (int i = 0; i < WEFT_DTYPE_COUNT; i++) {
        const struct weft_dtype_info *info = weft_dtype_info((weft_dtype)i);
        assert_non_null(info);
        assert_string_equal(weft_dtype_name((weft_dtype)i), want[i].name);
        assert_int_equal(weft_dtype_find(want[i].name), i);
        assert_int_equal(info->block, want[i].block);
        assert_int_equal(info->block_bytes, want[i].bytes);
        assert_true(info->decode && info->encode);
        assert_int_equal(weft_dtype_bytes((weft_dtype)i, 256), 256 / want[i].block * want[i].bytes);
    }
    assert_null(weft_dtype_info(WEFT_DTYPE_COUNT));
    assert_null(weft_dtype_info((weft_dtype)-1));
    assert_string_equal(weft_dtype_name(WEFT_DTYPE_COUNT), "?");
    assert_int_equal(weft_dtype_find("f33"), WEFT_DTYPE_COUNT);
    assert_int_equal(weft_dtype_find(NULL), WEFT_DTYPE_COUNT);
    assert_int_equal(weft_dtype_bytes(WEFT_Q4_0, 33), 36);
    assert_true(weft_dtype_bytes(WEFT_F32, UINT64_MAX) == UINT64_MAX);
}

static void test_plain_types(void **state) {
    (void)state;
    static const double x[] = {0, 1, -1, 2.5, 100, -129, 255, 256, 65504, -70000, 4294967295.0, 5e9, 1.0 / 3};
    enum { N = sizeof x / sizeof x[0] };
    double back[N];
    unsigned char bytes[N * 4];
    static const double i8[N] = {0, 1, -1, 2, 100, -128, 127, 127, 127, -128, 127, 127, 0};
    static const double u8[N] = {0, 1, 0, 2, 100, 0, 255, 255, 255, 0, 255, 255, 0};
    static const double i32[N] = {0, 1, -1, 2, 100, -129, 255, 256, 65504, -70000, 2147483647, 2147483647, 0};
    static const double u32[N] = {0, 1, 0, 2, 100, 0, 255, 256, 65504, 0, 4294967295.0, 4294967295.0, 0};
    static const double bools[N] = {0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const struct {
        weft_dtype dtype;
        const double *want;
    } cases[] = {
        {WEFT_I8, i8}, {WEFT_U8, u8}, {WEFT_I32, i32}, {WEFT_U32, u32}, {WEFT_BOOL, bools},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        weft_dtype_encode(cases[c].dtype, x, N, bytes);
        weft_dtype_info(cases[c].dtype)->decode(bytes, N, back);
        for (int i = 0; i < N; i++)
            if (back[i] != cases[c].want[i])
                fail_msg("%s: %g became %g", weft_dtype_name(cases[c].dtype), x[i], back[i]);
    }
    weft_dtype_encode(WEFT_F32, x, N, bytes);
    weft_dtype_info(WEFT_F32)->decode(bytes, N, back);
    for (int i = 0; i < N; i++) assert_true(back[i] == (double)(float)x[i]);
}

// All f16 and bf16 values survive; halfway doubles go to even, and a hair beyond halfway is not lost on the way.
static void test_small_floats(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        double f = weft_f16_to_f32((uint16_t)h), b = weft_bf16_to_f32((uint16_t)h);
        if (!isnan(f)) assert_int_equal(weft_quant_f16(f), h);
        if (!isnan(b)) assert_int_equal(weft_quant_bf16(b), h);
    }
    double one = 1, ulp = ldexp(1, -10), hair = ldexp(1, -50);
    assert_int_equal(weft_quant_f16(one + ulp / 2), 0x3c00);
    assert_int_equal(weft_quant_f16(one + ulp / 2 + hair), 0x3c01);
    assert_int_equal(weft_quant_f16(one + 3 * ulp / 2), 0x3c02);
    assert_int_equal(weft_quant_f16(one + 3 * ulp / 2 - hair), 0x3c01);
    assert_int_equal(weft_quant_f16(65519.999), 0x7bff);
    assert_int_equal(weft_quant_f16(65520), 0x7c00);
    assert_int_equal(weft_quant_bf16(1 + ldexp(1, -8)), 0x3f80);
    assert_int_equal(weft_quant_bf16(1 + ldexp(1, -8) + hair), 0x3f81);
    assert_true(isnan(weft_f16_to_f32(weft_quant_f16(NAN))));
}

// Half of how many steps the range of a block has, as the format's numbers lie: tables by their widest gap.
static const double steps_of[WEFT_DTYPE_COUNT] = {
    [WEFT_Q4_0] = 8,   [WEFT_Q5_0] = 16,   [WEFT_Q8_0] = 127,  [WEFT_Q4_K] = 7.5,   [WEFT_Q6_K] = 32,
    [WEFT_Q4_1] = 7.5, [WEFT_Q5_1] = 15.5, [WEFT_Q5_K] = 15.5, [WEFT_IQ4_NL] = 5.3, [WEFT_IQ4_XS] = 5.3,
    [WEFT_MXFP4] = 3,  [WEFT_Q2_K] = 1.5,  [WEFT_Q3_K] = 4,
};

// Encoding random values loses at most one step of each block; the step follows from the block's range.
static void test_encoding_is_close(void **state) {
    (void)state;
    enum { N = 2048 };
    static double x[N], back[N];
    static unsigned char bytes[N * 4];
    uint32_t seed = 5;
    for (int i = 0; i < N; i++) {
        seed = seed * 1664525 + 1013904223;
        x[i] = ((double)(seed >> 8) / (1 << 23) - 1) * 0.3;
    }
    for (int i = 512; i < 768; i++) x[i] = 0;
    for (int dtype = 0; dtype < WEFT_DTYPE_COUNT; dtype++) {
        const struct weft_dtype_info *info = weft_dtype_info((weft_dtype)dtype);
        if (!info->quantised) continue;
        assert_true(steps_of[dtype] > 0);
        weft_dtype_encode((weft_dtype)dtype, x, N, bytes);
        info->decode(bytes, N, back);
        // one whole step (the clamped end of an uneven range), plus the rounding of the scales (6 bits, 4 in q2_k)
        double tolerance = 0.3 / steps_of[dtype] * 1.1 + 0.3 / (dtype == WEFT_Q2_K ? 15 : 63);
        double worst = 0;
        for (int i = 0; i < N; i++) worst = fmax(worst, fabs(back[i] - x[i]));
        if (worst > tolerance) fail_msg("%s is off by %g", info->name, worst);
        for (int i = 512; i < 768; i++) assert_true(back[i] == 0);
    }
}

// Values on the grid of a block come back exactly.
static void test_encoding_keeps_grid_values(void **state) {
    (void)state;
    double x[256], back[256];
    unsigned char bytes[1024];
    for (int i = 0; i < 256; i++) x[i] = 0.25 * (i % 16 - 8);
    for (int k = 0; k < 2; k++) {
        weft_dtype dtype = k ? WEFT_Q5_0 : WEFT_Q4_0;
        for (int i = 0; i < 256; i++) x[i] = k ? 0.5 * (i % 32 - 16) : 0.25 * (i % 16 - 8);
        weft_dtype_encode(dtype, x, 256, bytes);
        weft_dtype_info(dtype)->decode(bytes, 256, back);
        assert_memory_equal(x, back, sizeof x);
    }
    for (int i = 0; i < 256; i++) x[i] = i % 32 == 0 ? 127 * 0.125 : 0.125 * (i % 200 - 100);
    weft_dtype_encode(WEFT_Q8_0, x, 256, bytes);
    weft_dtype_info(WEFT_Q8_0)->decode(bytes, 256, back);
    assert_memory_equal(x, back, sizeof x);
}

// E8M0: 255 is no number, 0 and 1 make subnormal products, 254 the largest; a block of zeros and one of an infinity.
static void test_powers_as_scales(void **state) {
    (void)state;
    static const struct {
        uint8_t e;
        double scale;
    } cases[] = {{0, 0x1p-127}, {1, 0x1p-126}, {127, 1}, {254, 0x1p127}};
    uint8_t block[17];
    double back[32], x[32] = {0};
    float narrow[32];
    memset(block, 0x71, sizeof block); // halves, then sixes
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        block[0] = cases[i].e;
        weft_dtype_info(WEFT_MXFP4)->decode(block, 32, back);
        weft_dtype_decode_f32(WEFT_MXFP4, block, 32, narrow);
        assert_true(back[0] == 0.5 * cases[i].scale && back[31] == 6 * cases[i].scale);
        assert_true(narrow[0] == (float)back[0]);
    }
    assert_true(isinf(narrow[31])); // 6 times 2^127
    memset(block, 0x08, sizeof block);
    block[0] = 255;
    weft_dtype_info(WEFT_MXFP4)->decode(block, 32, back);
    for (int i = 0; i < 32; i++) assert_true(isnan(back[i])); // zeros too
    weft_dtype_encode(WEFT_MXFP4, x, 32, block);
    for (int i = 0; i < 17; i++) assert_int_equal(block[i], 0);
    x[3] = -INFINITY;
    weft_dtype_encode(WEFT_MXFP4, x, 32, block);
    assert_int_equal(block[0], 255);
    for (int i = 0; i < 32; i++) x[i] = weft_quant_e2m1[i % 16] * 0x1p-20;
    weft_dtype_encode(WEFT_MXFP4, x, 32, block);
    weft_dtype_info(WEFT_MXFP4)->decode(block, 32, back);
    assert_memory_equal(x, back, sizeof x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_powers_as_scales),
        cmocka_unit_test(test_blocks_decode_as_the_reference),
        cmocka_unit_test(test_a_flipped_bit_is_noticed),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_plain_types),
        cmocka_unit_test(test_small_floats),
        cmocka_unit_test(test_encoding_is_close),
        cmocka_unit_test(test_encoding_keeps_grid_values),
    };
    return cmocka_run_group_tests_name("ir/dtype", tests, NULL, NULL);
}
