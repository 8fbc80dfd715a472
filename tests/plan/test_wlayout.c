/// The device layout of weights: what was repacked reads back as the file's decoder has it, for every type.
#include "plan/wpair.h"

#include "core/alloc.h"
#include "core/half.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/// The types that have a layout.
static bool next_type(int *dtype) {
    while (++*dtype < WEFT_DTYPE_COUNT)
        if (weft_wlayout((weft_dtype)*dtype)) return true;
    return false;
}
#define EACH_TYPE(t) for (int t = -1; next_type(&t);)

static uint64_t seed = 42;
static uint32_t draw(void) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33);
}

/// Random bytes of block types: scales of any kind, NaN and infinities among them. `finite`: what becomes of numbers.
static void fill(weft_dtype dtype, uint8_t *data, uint64_t n, bool finite) {
    uint64_t bytes = weft_dtype_bytes(dtype, n);
    double *x = weft_alloc((n + 1) * sizeof *x);
    for (uint64_t i = 0; i < n; i++) x[i] = (double)((int)draw() - (1 << 30)) / (1 << 28);
    for (uint64_t i = 0; i < bytes; i++) data[i] = (uint8_t)draw();
    if (finite || dtype == WEFT_F32) weft_dtype_encode(dtype, x, (int64_t)n, data);
    weft_free(x);
}

/// A file image of [rows, k] and its planes, which are poisoned before.
struct packed {
    uint8_t *src, *planes[WEFT_PLANE_COUNT];
    uint64_t sizes[WEFT_PLANE_COUNT];
    double *want;
};

static void make(struct packed *p, weft_dtype dtype, uint64_t rows, uint64_t k, bool finite) {
    const struct weft_wlayout *w = weft_wlayout(dtype);
    uint64_t bytes = weft_dtype_bytes(dtype, rows * k);
    p->src = weft_alloc(bytes);
    p->want = weft_alloc(rows * k * sizeof *p->want);
    fill(dtype, p->src, rows * k, finite);
    weft_dtype_info(dtype)->decode(p->src, (int64_t)(rows * k), p->want);
    for (int i = 0; i < WEFT_PLANE_COUNT; i++) {
        p->sizes[i] = weft_wlayout_bytes(w, (enum weft_wplane)i, rows, k);
        p->planes[i] = weft_alloc(p->sizes[i]);
        memset(p->planes[i], 0xA5, p->sizes[i]);
    }
    weft_wlayout_repack(w, p->src, rows, k, p->planes);
}

static void drop(struct packed *p) {
    for (int i = 0; i < WEFT_PLANE_COUNT; i++) weft_free(p->planes[i]);
    weft_free(p->src);
    weft_free(p->want);
}

static double get(const struct packed *p, weft_dtype dtype, uint64_t k, uint64_t row, uint64_t col) {
    return weft_wlayout_get(weft_wlayout(dtype), (const uint8_t *const *)p->planes, k, row, col);
}

static uint64_t differing(const struct packed *p, weft_dtype dtype, uint64_t rows, uint64_t k) {
    uint64_t n = 0;
    for (uint64_t r = 0; r < rows; r++)
        for (uint64_t c = 0; c < k; c++) {
            double want = p->want[r * k + c], got = get(p, dtype, k, r, c);
            n += memcmp(&want, &got, sizeof want) != 0 && !(want != want && got != got) && !(want == 0 && got == 0);
        }
    return n;
}

static void test_reads_back(void **state) {
    (void)state;
    static const uint64_t shapes[][2] = {{1, 256}, {3, 256}, {5, 1024}, {7, 2560}, {3, 768}};
    EACH_TYPE(t)
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        struct packed p;
        make(&p, (weft_dtype)t, shapes[s][0], shapes[s][1], s % 2);
        uint64_t bad = differing(&p, (weft_dtype)t, shapes[s][0], shapes[s][1]);
        if (bad)
            fail_msg("%s [%d, %d]: %d elements differ", weft_dtype_name((weft_dtype)t), (int)shapes[s][0],
                     (int)shapes[s][1], (int)bad);
        drop(&p);
    }
}

/// Blocks of 32 need no 256.
static void test_short_blocks(void **state) {
    (void)state;
    uint32_t types = 0;
    EACH_TYPE(t) {
        if (weft_dtype_info((weft_dtype)t)->block != 32) continue;
        types++;
        for (uint64_t k = 32; k <= 160; k += 32) {
            struct packed p;
            make(&p, (weft_dtype)t, 5, k, false);
            assert_int_equal(differing(&p, (weft_dtype)t, 5, k), 0);
            drop(&p);
        }
    }
    assert_true(types >= 7);
}

static void test_padding(void **state) {
    (void)state;
    static const uint64_t ks[] = {1, 2, 31, 33, 65};
    EACH_TYPE(t)
    for (size_t i = 0; i < sizeof ks / sizeof *ks && weft_dtype_info((weft_dtype)t)->block == 1; i++) {
        struct packed p;
        make(&p, (weft_dtype)t, 3, ks[i], true);
        assert_int_equal(differing(&p, (weft_dtype)t, 3, ks[i]), 0);
        for (uint64_t r = 0; r < 3; r++)
            for (uint64_t c = ks[i]; c < (ks[i] + 31) / 32 * 32; c++)
                assert_true(get(&p, (weft_dtype)t, ks[i], r, c) == 0);
        drop(&p);
    }
}

/// Numbers and scales of two leaves, by the planes and decoded, against the words of the header.
static void test_pairs(void **state) {
    (void)state;
    static const struct {
        uint64_t k;
        uint32_t group;
        uint32_t bits, layout_group; // what becomes of them
    } cases[] = {{64, 32, 4, 32}, {100, 16, 4, 16}, {100, 48, 4, 48},   {100, 64, 4, 64},
                 {33, 40, 4, 64}, {7, 1024, 4, 32}, {100, 24, 32, 0},   {1, 1, 4, 32},
                 {66, 1, 32, 0},  {96, 96, 4, 96},  {129, 128, 4, 128}, {160, 80, 4, 80}};
    enum { ROWS = 5, STRIDE = 8 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases * 4; i++) {
        uint64_t k = cases[i / 4].k, bytes = (k + 1) / 2, groups = (k + cases[i / 4].group - 1) / cases[i / 4].group;
        struct weft_wpair p = {.k = k, .group = cases[i / 4].group, .high_first = i & 1, .across = i & 2};
        p.stride = p.across ? STRIDE : groups;
        uint8_t *quants = weft_alloc(ROWS * bytes), *planes[WEFT_PLANE_COUNT] = {0};
        float *scales = weft_alloc(STRIDE * groups * sizeof *scales), *all = weft_alloc(ROWS * k * sizeof *all);
        for (uint64_t n = 0; n < ROWS * bytes; n++) quants[n] = (uint8_t)draw();
        for (uint64_t n = 0; n < STRIDE * groups; n++) scales[n] = (float)draw() / 7;
        struct weft_wlayout y = weft_wpair_layout(&p);
        assert_int_equal(y.bits, cases[i / 4].bits);
        assert_int_equal(y.group, cases[i / 4].layout_group);
        for (int n = 0; n < WEFT_PLANE_COUNT && y.bits == 4; n++) {
            uint64_t size = weft_wlayout_bytes(&y, (enum weft_wplane)n, ROWS, k);
            planes[n] = weft_alloc(size);
            memset(planes[n], 0xA5, size);
        }
        if (y.bits == 4) {
            weft_wpair_pack_quants(&p, quants, ROWS, planes[WEFT_PLANE_Q]);
            weft_wpair_pack_scales(&p, (const uint8_t *)scales, ROWS, planes[WEFT_PLANE_S]);
        }
        weft_wpair_decode(&p, quants, (const uint8_t *)scales, 0, ROWS * k, all);
        float last;
        weft_wpair_decode(&p, quants, (const uint8_t *)scales, ROWS * k - 1, 1, &last);
        assert_true(last == all[ROWS * k - 1]);
        for (uint64_t c = 0; c < ROWS * ((k + 31) / 32 * 32); c++) {
            uint64_t r = c % ROWS, at = c / ROWS;
            double got = y.bits == 4 ? weft_wlayout_get(&y, (const uint8_t *const *)planes, k, r, at) : 0;
            if (at >= k) {
                assert_true(got == 0); // padding
                continue;
            }
            uint8_t byte = quants[r * bytes + at / 2];
            int u = at % 2 == (p.high_first ? 0 : 1) ? byte >> 4 : byte & 15;
            float scale = scales[p.across ? at / p.group * STRIDE + r : r * groups + at / p.group];
            assert_true(all[r * k + at] == (float)(u - 8) * scale);
            assert_true(y.bits == 32 || got == (double)(u - 8) * scale);
        }
        for (int n = 0; n < WEFT_PLANE_COUNT; n++) weft_free(planes[n]);
        weft_free(quants);
        weft_free(scales);
        weft_free(all);
    }
}

static void test_sizes(void **state) {
    (void)state;
    static const struct {
        weft_dtype dtype;
        uint64_t want[WEFT_PLANE_COUNT];
    } cases[] = {
        {WEFT_F32, {3 * 512 * 4, 0, 0, 0}},
        {WEFT_F16, {3 * 512 * 2, 0, 0, 0}},
        {WEFT_BF16, {3 * 512 * 2, 0, 0, 0}},
        {WEFT_Q4_0, {3 * 256, 0, 3 * 16 * 2, 0}},
        {WEFT_Q5_0, {3 * 256, 3 * 64, 3 * 16 * 2, 0}},
        {WEFT_Q8_0, {3 * 512, 0, 3 * 16 * 2, 0}},
        {WEFT_Q4_K, {3 * 256, 0, 3 * 16 * 2, 3 * 2 * 4}},
        {WEFT_Q6_K, {3 * 256, 3 * 128, 3 * 32, 3 * 2 * 4}},
        {WEFT_Q4_1, {3 * 256, 0, 3 * 16 * 4, 0}},
        {WEFT_Q5_1, {3 * 256, 3 * 64, 3 * 16 * 4, 0}},
        {WEFT_Q5_K, {3 * 256, 3 * 64, 3 * 16 * 2, 3 * 2 * 4}},
        {WEFT_IQ4_NL, {3 * 256, 0, 3 * 16 * 2, 0}},
        {WEFT_IQ4_XS, {3 * 256, 0, 3 * 16, 3 * 2 * 4}},
        {WEFT_MXFP4, {3 * 256, 0, 3 * 16, 0}},
        {WEFT_Q2_K, {3 * 128, 0, 3 * 32, 3 * 2 * 4}},
        {WEFT_Q3_K, {3 * 128, 3 * 64, 3 * 32, 3 * 2 * 4}},
    };
    size_t types = 0;
    EACH_TYPE(t) types++;
    assert_int_equal(types, sizeof cases / sizeof *cases);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int p = 0; p < WEFT_PLANE_COUNT; p++)
            assert_int_equal(weft_wlayout_bytes(weft_wlayout(cases[i].dtype), (enum weft_wplane)p, 3, 512),
                             cases[i].want[p]);
    assert_null(weft_wlayout(WEFT_I32));
    assert_null(weft_wlayout(WEFT_DTYPE_COUNT));
}

/// The words as plan/wlayout.h draws them, written out for one block of Q5_0 and Q4_1, the high bits of Q6_K, and the
/// places of Q3_K.
static void test_words(void **state) {
    (void)state;
    uint8_t q5[22] = {0x00, 0x3C}; // scale 1
    q5[2 + 7 / 8] |= 1 << 7;       // element 7 = 4*1+3: bit 8*3+1
    q5[6 + 5] = 0x9C;              // element 5 low, 21 high
    uint8_t q[16], h[4], s[2], *planes[WEFT_PLANE_COUNT] = {q, h, s, NULL};
    weft_wlayout_repack(weft_wlayout(WEFT_Q5_0), q5, 1, 32, planes);
    assert_int_equal(h[3], 2);
    assert_int_equal(h[0] | h[1] | h[2], 0);
    assert_int_equal(q[5], 0x9C);
    uint8_t q6[210] = {0}, wide_q[128], wide_h[64], wide_s[16], d[4];
    uint8_t *wide[WEFT_PLANE_COUNT] = {wide_q, wide_h, wide_s, d};
    q6[128 + 22] = 3 << 2; // first half, column 22, second quarter: block 1, element 22 = 4*5+2: word 1, bits 8*2+2
    weft_wlayout_repack(weft_wlayout(WEFT_Q6_K), q6, 1, 256, wide);
    for (int i = 0; i < 64; i++) assert_int_equal(wide_h[i], i == 8 + 4 + 2 ? 3 << 2 : 0);
    uint8_t q4[20] = {0x00, 0x3C, 0x00, 0xC0}, pair[4]; // d 1, m -2, which the layout takes off
    weft_wlayout_repack(weft_wlayout(WEFT_Q4_1), q4, 1, 32, (uint8_t *[]){q, NULL, pair, NULL});
    assert_memory_equal(pair, ((uint8_t[]){0x00, 0x3C, 0x00, 0x40}), 4);
    uint8_t q3[110] = {0};
    q3[22] = 1 << 1;         // third bit of element 22 = 4*5+2 of block 1: bit 8*2+5
    q3[32 + 22] = 3 << 2;    // and its pair: word 1, bits 8*2+2
    q3[96 + 3] = 0x50;       // low bits of scale 11
    q3[96 + 8 + 3] = 2 << 4; // upper ones: 32 + 5, less 32
    weft_wlayout_repack(weft_wlayout(WEFT_Q3_K), q3, 1, 256, wide);
    for (int i = 0; i < 64; i++) assert_int_equal(wide_q[i], i == 8 + 4 + 2 ? 3 << 2 : 0);
    for (int i = 0; i < 32; i++) assert_int_equal(wide_h[i], i == 4 + 2 ? 1 << 5 : 0);
    for (int i = 0; i < 16; i++) assert_int_equal((int8_t)wide_s[i], i == 11 ? 5 : -32);
}

/// Negative control: every single bit of the planes matters to some element (but unused bytes of plane d).
static void test_notices_damage(void **state) {
    (void)state;
    EACH_TYPE(t) {
        struct packed p;
        make(&p, (weft_dtype)t, 2, 256, true);
        for (int plane = 0; plane < WEFT_PLANE_COUNT; plane++)
            for (int i = 0; i < 20 && p.sizes[plane]; i++) {
                uint64_t byte = draw() % p.sizes[plane];
                if (plane == WEFT_PLANE_D && !weft_wlayout((weft_dtype)t)->has_min) byte &= ~2ull;
                uint8_t bit = (uint8_t)(1 << draw() % 8);
                if (plane == WEFT_PLANE_Q && t == WEFT_MXFP4)
                    bit = bit & 0x88 ? 1 : bit; // the sign of a zero is nothing
                p.planes[plane][byte] ^= bit;
                if (differing(&p, (weft_dtype)t, 2, 256) == 0)
                    fail_msg("%s: plane %d byte %d is not read", weft_dtype_name((weft_dtype)t), plane, (int)byte);
                p.planes[plane][byte] ^= bit;
            }
        drop(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_back), cmocka_unit_test(test_short_blocks), cmocka_unit_test(test_padding),
        cmocka_unit_test(test_sizes),      cmocka_unit_test(test_words),        cmocka_unit_test(test_notices_damage),
        cmocka_unit_test(test_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
