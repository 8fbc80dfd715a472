/// The chooser of contractions: no number of rows or columns falls off its kernel. The cost of an element may not rise
/// by more than a factor from one size to the next, on a large GPU, on a CPU driver and at the guaranteed limits; the
/// control shows that the sweep notices the rule that the chooser replaced.
#include "gpu/gpu_backend.h"
#include "kernels/gemm/choose.h"
#include "plan/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { GPU, SOFTWARE, LEAST, PROFILES };
static const char *const profile_names[] = {"gpu", "software", "least"};

static struct weft_profile profile_of(int which) {
    struct weft_gpu_caps caps;
    weft_gpu_null_caps(&caps);
    caps.kind = which == SOFTWARE ? WEFT_GPU_CPU : WEFT_GPU_DISCRETE;
    caps.workgroup_memory = which == SOFTWARE ? 32 << 10 : 48 << 10;
    if (which == LEAST) weft_gpu_caps_min(&caps);
    return weft_profile_make(&caps);
}

/// Right sides: Q4_0 takes 18 bytes for 32 elements, halves two bytes each; values lie along k or along n.
static const struct right {
    const char *name;
    bool packed, across;
    double bytes;
} rights[] = {{"q4_0", true, false, 0.5625},
              {"f16", true, false, 2},
              {"values along k", false, false, 4},
              {"values along n", false, true, 4}};
#define PLAIN 2 ///< the first that is no packed weight
enum { RIGHTS = sizeof rights / sizeof *rights };

static struct weft_gemm_extents extents_of(const struct right *r, uint64_t m, uint64_t n, uint64_t k) {
    return (struct weft_gemm_extents){.batch = 1,
                                      .m = m,
                                      .n = n,
                                      .k = k,
                                      .packed = r->packed,
                                      .across = r->across,
                                      .n_anchors = 1,
                                      .weight_bytes = r->bytes};
}

static struct weft_gemm_extents extents(uint64_t m, uint64_t n, uint64_t k, double bytes) {
    const struct right packed = {.packed = true, .bytes = bytes};
    return extents_of(&packed, m, n, k);
}

// ---- the sweep -----------------------------------------------------------------------------------------------------

typedef struct weft_gemm_choice (*choose_fn)(const struct weft_profile *p, const struct weft_gemm_extents *x);

/// From one size to the next the cost of an element rises by no more than FACTOR, beside what the chooser calls doubt.
#define FACTOR 2.5

static bool jumps(const struct weft_profile *p, double before, double after, double elements, double more) {
    return after > FACTOR * before * more / elements + WEFT_GEMM_DOUBT_STEPS * p->step_us;
}

/// The k after this one: each up to 300, then 1 % apart.
static uint64_t next(uint64_t k) { return k + (k < 300 ? 1 : k / 97); }

/// Jumps among k = 1 .. 65,536 and rows 1 .. 64, from each to the next, of right sides [first, end).
static uint32_t sweep(choose_fn choose, uint32_t first, uint32_t end, bool print) {
    static const uint64_t widths[] = {1, 256, 4096, 65536};
    uint32_t found = 0;
    for (int which = 0; which < PROFILES; which++) {
        struct weft_profile p = profile_of(which);
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
            for (uint32_t b = first; b < end; b++)
                for (uint64_t m = 1; m <= 64; m++)
                    for (uint64_t k = 1; k <= 65536; k = next(k)) {
                        struct weft_gemm_extents x = extents_of(&rights[b], m, widths[i], k), more = x, longer = x;
                        more.m++, longer.k = next(k);
                        double at = choose(&p, &x).us, down = choose(&p, &more).us, along = choose(&p, &longer).us;
                        bool rows = m < 64 && jumps(&p, at, down, (double)m, (double)m + 1);
                        if (!rows && !jumps(&p, at, along, (double)k, (double)next(k))) continue;
                        if (print && found < 20)
                            printf("%s, %s, n %u, %u rows, k %u: %.1f us, then %.1f by %s\n", profile_names[which],
                                   rights[b].name, (unsigned)x.n, (unsigned)m, (unsigned)k, at, rows ? down : along,
                                   rows ? "a row" : "a column");
                        found++;
                    }
    }
    return found;
}

/// From each number of rows up to 600 to the next, by packed weights: by tiles of rows, and where tiles of many begin.
static uint32_t sweep_rows(choose_fn choose, bool print) {
    static const uint64_t widths[] = {1, 640, 2560, 10240}, depths[] = {32, 640, 2560, 10240};
    uint32_t found = 0;
    for (int which = 0; which < PROFILES; which++) {
        struct weft_profile p = profile_of(which);
        for (int i = 0; i < 16; i++)
            for (uint64_t m = 1; m < 600; m++) {
                struct weft_gemm_extents x = extents_of(&rights[0], m, widths[i % 4], depths[i / 4]), more = x;
                more.m++;
                double at = choose(&p, &x).us, down = choose(&p, &more).us;
                if (!jumps(&p, at, down, (double)m, (double)m + 1)) continue;
                if (print)
                    printf("%s, n %u, %u rows, k %u: %.1f us, then %.1f by a row\n", profile_names[which],
                           (unsigned)x.n, (unsigned)m, (unsigned)x.k, at, down);
                found++;
            }
    }
    return found;
}

static void no_size_falls_off_its_kernel(void **state) {
    (void)state;
    assert_int_equal(sweep_rows(weft_gemm_choose, true), 0);
    assert_int_equal(sweep(weft_gemm_choose, 0, RIGHTS, true), 0);
}

/// What stood before: few rows only where a whole row fits workgroup memory.
static struct weft_gemm_choice choose_whole_rows(const struct weft_profile *p, const struct weft_gemm_extents *x) {
    return weft_gemm_row_fits(p, x->k) ? weft_gemm_choose(p, x) : weft_gemm_tiles(p, x);
}

/// Lanes for one row only.
static struct weft_gemm_choice choose_vectors(const struct weft_profile *p, const struct weft_gemm_extents *x) {
    return x->m == 1 ? weft_gemm_choose(p, x) : weft_gemm_tiles(p, x);
}

/// Beyond so many rows tiles, whatever they cost.
static struct weft_gemm_choice choose_tiles_of_many(const struct weft_profile *p, const struct weft_gemm_extents *x) {
    return x->m > WEFT_GEMM_MOST_ROWS ? weft_gemm_tiles(p, x) : weft_gemm_choose(p, x);
}

static void the_sweep_notices_a_cliff(void **state) {
    (void)state;
    assert_true(sweep_rows(choose_tiles_of_many, false) > 0);
    assert_true(sweep(choose_whole_rows, 0, PLAIN, false) > 0);
    assert_true(sweep(choose_vectors, PLAIN, RIGHTS, false) > 0);
}

// ---- what is chosen ------------------------------------------------------------------------------------------------

/// Few rows of any length are staged, in memory that a workgroup has.
static void few_rows_of_any_length_are_staged(void **state) {
    (void)state;
    for (int which = 0; which < PROFILES; which++) {
        struct weft_profile p = profile_of(which);
        assert_int_equal(weft_gemm_few_rows(&p), which == SOFTWARE ? WEFT_FEW_ROWS : 1);
        for (uint64_t m = 0; m <= weft_gemm_few_rows(&p); m++)
            for (uint64_t k = 1; k <= 65536; k = next(k)) {
                struct weft_gemm_extents x = extents(m, 640, k, 0.5625);
                struct weft_gemm_choice c = weft_gemm_choose(&p, &x);
                uint64_t kb = (k + 31) / 32;
                assert_int_equal(c.kernel, WEFT_GEMM_FEW);
                assert_true(c.rows >= 1 && c.chunk >= 1 && c.threads <= p.max_threads);
                assert_true(c.chunk * 128 * c.rows + c.threads * 12 <= p.workgroup_memory);
                // All lanes of a group have their share of a chunk.
                if (c.chunk < kb) assert_int_equal(c.chunk % c.lanes, 0);
                if (c.chunk >= kb) assert_int_equal(c.chunk, kb);
            }
    }
}

/// One row that fits is staged whole, as are the rows that a prologue makes.
static void a_row_that_fits_is_staged_whole(void **state) {
    (void)state;
    for (int which = 0; which < PROFILES; which++) {
        struct weft_profile p = profile_of(which);
        for (uint64_t k = 32; weft_gemm_row_fits(&p, k); k += 32)
            for (uint64_t m = 1; m <= WEFT_FEW_ROWS; m++) {
                struct weft_gemm_extents x = extents(m, 640, k, 0.5625);
                x.prologue = m > 1;
                assert_int_equal(weft_gemm_choose(&p, &x).chunk, k / 32);
            }
    }
}

/// Pieces of k are whole turns of all slices and no longer than k; a large GPU has work, and no more sums to join than
/// it has use for.
static void check_pieces(const struct weft_profile *p, const struct weft_gemm_extents *x,
                         const struct weft_gemm_choice *c) {
    uint64_t kb = (x->k + 31) / 32, rows = x->m < 64 ? x->m : 64, own = (uint64_t)c->lanes * c->outputs;
    uint64_t tiles = (rows + c->rows - 1) / c->rows * ((x->all_n + own - 1) / own);
    uint64_t pieces = c->split ? (kb + c->split - 1) / c->split : 1;
    assert_true(c->split == 0 || (c->split < kb && c->split % (c->threads / c->lanes) == 0));
    assert_true(pieces == 1 || pieces * tiles * c->threads <= (uint64_t)8 * p->slots);
    if (kb >= 64) assert_true(pieces * tiles * c->threads * 4 >= p->slots || pieces >= kb / 16);
}

/// A GPU computes 2 to 256 rows by a packed weight in tiles that hold as many, of any length, in memory that it has.
static void some_rows_are_computed_in_slices(void **state) {
    (void)state;
    static const uint64_t widths[] = {1, 64, 640, 10240, 262144};
    for (int which = 0; which < PROFILES; which++) {
        struct weft_profile p = profile_of(which);
        for (uint64_t m = 2; m <= WEFT_GEMM_MOST_ROWS + 1; m += m < 20 ? 1 : 13)
            for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
                for (uint32_t anchors = 1; anchors <= 4; anchors++)
                    for (uint64_t k = 1; k <= 65536; k = k * 5 / 4 + 1) {
                        struct weft_gemm_extents x = extents(m, widths[i], k, 0.5625);
                        x.n_anchors = anchors;
                        x.all_n = anchors * x.n;
                        struct weft_gemm_choice c = weft_gemm_choose(&p, &x);
                        bool rows = which != SOFTWARE && m <= WEFT_GEMM_MOST_ROWS;
                        if (m <= WEFT_GEMM_MOST_ROWS) assert_int_equal(c.kernel == WEFT_GEMM_ROWS, rows);
                        if (c.kernel != WEFT_GEMM_ROWS) continue;
                        uint32_t held = c.outputs > anchors ? c.outputs : anchors > 2 ? 4 : anchors;
                        assert_true(c.rows >= 4 && c.lanes <= 8 * c.rows);
                        if (m <= 8 && anchors < 3) assert_true(c.rows >= m && c.rows <= 8);
                        assert_true(weft_gemm_rows_staged(&c) * 16 <= p.workgroup_memory);
                        assert_true(c.rows * held * c.threads * 4 <= p.workgroup_memory);
                        check_pieces(&p, &x, &c);
                    }
    }
}

/// Of a right side that is no packed weight, few rows are read where they lie, by lanes that all have work where there
/// is some, and long sums of few outputs are cut in pieces.
static void few_rows_by_any_side_are_read_by_lanes(void **state) {
    (void)state;
    for (int which = 0; which < PROFILES; which++) {
        struct weft_profile p = profile_of(which);
        for (uint32_t b = PLAIN; b < RIGHTS; b++)
            for (uint64_t m = 1; m <= 4; m++)
                for (uint64_t n = 1; n <= 4096; n = n * 3 / 2 + 1)
                    for (uint64_t k = 1; k <= 65536; k = k * 3 / 2 + 1) {
                        struct weft_gemm_extents x = extents_of(&rights[b], m, n, k);
                        struct weft_gemm_choice c = weft_gemm_choose(&p, &x);
                        assert_int_equal(c.kernel, WEFT_GEMM_DIRECT);
                        assert_true(c.lanes >= 1 && c.threads % c.lanes == 0 && c.threads <= p.max_threads);
                        assert_true(c.threads * c.outputs * c.rows * 4 <= p.workgroup_memory);
                        // No direction has twice the lanes that it needs, while the other could have them.
                        uint64_t beside = (uint64_t)(c.threads / c.lanes) * c.outputs, quads = (k + 3) / 4;
                        assert_true(c.lanes < 2 * quads || c.lanes == 1);
                        assert_true(beside < 2 * n || beside == 1 || c.lanes >= quads);
                    }
    }
    struct weft_profile p = profile_of(GPU);
    struct weft_gemm_extents dot = extents_of(&rights[PLAIN], 1, 1, 10000000), wide = dot;
    wide.n = 65536;
    wide.k = 4096;
    struct weft_gemm_choice c = weft_gemm_choose(&p, &dot);
    uint64_t pieces = c.split ? (10000000 / 32 + c.split - 1) / c.split : 1;
    assert_true(pieces * c.threads * 2 >= p.slots && pieces <= p.slots);
    assert_int_equal(weft_gemm_choose(&p, &wide).split, 0);
}

/// Without outputs and without anything to sum of a weight, there are tiles, as of many rows.
static void all_else_is_computed_in_tiles(void **state) {
    (void)state;
    struct weft_profile p = profile_of(GPU);
    struct weft_gemm_extents plain = extents(1, 640, 640, 4), none = extents(1, 0, 640, 1),
                             empty = extents(1, 64, 0, 1), many = extents(512, 2048, 640, 1);
    plain.packed = false;
    plain.m = 512;
    assert_int_equal(weft_gemm_choose(&p, &plain).kernel, WEFT_GEMM_TILED);
    assert_int_equal(weft_gemm_choose(&p, &none).kernel, WEFT_GEMM_TILED);
    assert_int_equal(weft_gemm_choose(&p, &empty).kernel, WEFT_GEMM_TILED);
    assert_int_equal(weft_gemm_choose(&p, &many).kernel, WEFT_GEMM_TILED);
}

/// Where numbers are invariant, lanes and pieces follow from k, and kernels whose lanes would not are none: whatever is
/// chosen for so many rows and outputs adds up alike.
static void invariant_choices_add_up_alike(void **state) {
    (void)state;
    for (int which = 0; which < PROFILES; which++) {
        struct weft_profile p = profile_of(which);
        p.invariant = true;
        for (size_t r = 0; r < RIGHTS; r++)
            for (uint64_t k = 1; k < 300000; k += k / 2 + 1)
                for (uint64_t n = 1; n < 300000; n += n + 3)
                    for (uint64_t m = 1; m < 3000; m += m / 2 + 1) {
                        struct weft_gemm_extents x = extents_of(&rights[r], m, n, k);
                        struct weft_gemm_choice c = weft_gemm_choose(&p, &x);
                        uint64_t blocks = (k + 31) / 32;
                        struct weft_order_product o = weft_order_packed(&p, blocks);
                        if (x.packed) assert_int_equal(c.split, 0);
                        else assert_true(c.split == 0 || c.split == weft_order_plain().piece);
                        assert_int_not_equal(c.kernel, WEFT_GEMM_DIRECT);
                        if (c.kernel == WEFT_GEMM_ROWS) {
                            assert_int_equal(c.threads, c.lanes * o.slices);
                            assert_true(c.turns == 0 || o.lanes / o.slices % c.turns == 0);
                        }
                        if (c.kernel != WEFT_GEMM_FEW) continue;
                        assert_int_equal(c.lanes, o.lanes);
                        assert_int_equal(c.threads, weft_order_threads(&p)); // of a norm in front
                        assert_true(c.chunk == blocks || c.chunk % o.lanes == 0);
                    }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_size_falls_off_its_kernel),     cmocka_unit_test(the_sweep_notices_a_cliff),
        cmocka_unit_test(some_rows_are_computed_in_slices), cmocka_unit_test(few_rows_of_any_length_are_staged),
        cmocka_unit_test(a_row_that_fits_is_staged_whole),  cmocka_unit_test(few_rows_by_any_side_are_read_by_lanes),
        cmocka_unit_test(all_else_is_computed_in_tiles),    cmocka_unit_test(invariant_choices_add_up_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
