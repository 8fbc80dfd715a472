/// Movement keeps bits: every pattern of 16 bits, subnormals and the payloads of NaN among them, arrives as it left
/// through transpose, slice_copy, concat (of one step and of several) and pad, of both 16-bit types.
#include "core/alloc.h"
#include "core/str.h"
#include "ops/ops.h"
#include "support/graph_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

enum { ROWS = 6, WORDS = 8, HALVES = 2 * WORDS, PIECES = 9, COUNT = ROWS * HALVES };

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

/// What floats do not carry through a conversion: signalling NaNs, payloads, subnormals, both zeros; then any.
static uint16_t pattern(uint32_t i) {
    static const uint16_t odd[] = {0x7c01, 0x7f81, 0xfe55, 0xffff, 0x0001, 0x8001, 0x03ff, 0x807f,
                                   0x8000, 0x7c00, 0xff80, 0x7fff, 0x7dab, 0xfd00, 0x0040, 0x83c1};
    return i % 5 < 4 ? odd[(i * 7 + i / 16) % 16] : (uint16_t)(i * 40503u >> 2);
}

static weft_session *open_graph(const char *text) {
    struct weft_graph *g;
    weft_program *p;
    weft_session *s;
    must(weft_graph_parse(weft_ops(), text, strlen(text), &g));
    must(weft_program_create(weft_test_gpu(), g, &(struct weft_program_params){0}, &p));
    must(weft_session_create(p, NULL, &s));
    return s;
}

/// Runs %h (the bits of x as halves) through one operator, whose halves make `n` words, and gives these.
static void moved(const char *type, const char *op, uint32_t n, uint16_t *out) {
    struct weft_str text = {0};
    uint16_t x[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) x[i] = pattern(i);
    weft_str_addf(&text, "input x u32 [%d, %d]\n%%h = bitcast %%x {dtype=%s}\n", ROWS, WORDS, type);
    weft_str_addf(&text, "%s\n%%f = reshape %%m {shape=[%u]}\n%%w = bitcast %%f {dtype=u32}\n", op, 2 * n);
    weft_str_add(&text, "%z = max %w %w\noutput %z z\n");
    weft_session *s = open_graph(weft_str_get(&text));
    weft_program *p = weft_session_program(s);
    must(weft_session_write(s, "x", 0, x, sizeof x));
    must(weft_session_run(s, 1, NULL));
    must(weft_session_read(s, "z", 0, out, n * 4));
    weft_session_destroy(&s);
    weft_program_destroy(&p);
    weft_str_free(&text);
}

static uint16_t at(uint32_t row, uint32_t column) { return pattern(row * HALVES + column); }

static void same(const uint16_t *got, const uint16_t *want, uint32_t n, const char *what) {
    for (uint32_t i = 0; i < n; i++)
        if (got[i] != want[i]) fail_msg("%s: half %u is %04x, not %04x", what, i, got[i], want[i]);
}

static const char *const types[] = {"f16", "bf16"};

static void test_transpose(void **state) {
    (void)state;
    for (int t = 0; t < 2; t++) {
        uint16_t got[COUNT], want[COUNT];
        for (uint32_t c = 0; c < HALVES; c++)
            for (uint32_t r = 0; r < ROWS; r++) want[c * ROWS + r] = at(r, c);
        moved(types[t], "%m = transpose %h", COUNT / 2, got);
        same(got, want, COUNT, types[t]);
        for (uint32_t r = 0, i = 0; r < ROWS; r++) // whole fours
            for (uint32_t k = 0; k < 2; k++)
                for (uint32_t c = 0; c < 8; c++, i++) want[(k * ROWS + r) * 8 + c] = at(r, k * 8 + c);
        moved(types[t], "%r = reshape %h {shape=[6, 2, 8]}\n%m = transpose %r {perm=[1, 0, 2]}", COUNT / 2, got);
        same(got, want, COUNT, types[t]);
    }
}

static void test_slice_copy(void **state) {
    (void)state;
    for (int t = 0; t < 2; t++) {
        uint16_t got[COUNT], want[COUNT];
        for (uint32_t r = 0; r < ROWS; r++)
            for (uint32_t c = 0; c < 7; c++) want[r * 7 + c] = at(r, c + 3);
        moved(types[t], "%m = slice %h {start=3, len=7, axis=1}", ROWS * 7 / 2, got);
        same(got, want, ROWS * 7, types[t]);
    }
}

/// Pieces of odd length meet within words; nine of them take several steps where the device binds eight buffers.
static void test_concat(void **state) {
    (void)state;
    for (int t = 0; t < 2; t++) {
        struct weft_str op = {0};
        uint16_t got[ROWS * 5 * PIECES], want[ROWS * 5 * PIECES];
        for (int k = 0; k < PIECES; k++) weft_str_addf(&op, "%%s%d = slice %%h {start=%d, len=5, axis=1}\n", k, k);
        weft_str_add(&op, "%m = concat");
        for (int k = 0; k < PIECES; k++) weft_str_addf(&op, " %%s%d", k);
        weft_str_add(&op, " {axis=1}");
        for (uint32_t r = 0; r < ROWS; r++)
            for (uint32_t k = 0; k < PIECES; k++)
                for (uint32_t c = 0; c < 5; c++) want[(r * PIECES + k) * 5 + c] = at(r, k + c);
        moved(types[t], weft_str_get(&op), ROWS * 5 * PIECES / 2, got);
        same(got, want, ROWS * 5 * PIECES, types[t]);
        weft_str_free(&op);
        for (uint32_t r = 0; r < ROWS; r++) // whole fours
            for (uint32_t c = 0; c < 2 * HALVES; c++) want[r * 2 * HALVES + c] = at(r, c % HALVES);
        moved(types[t], "%m = concat %h %h {axis=1}", COUNT, got);
        same(got, want, 2 * COUNT, types[t]);
    }
}

static void test_pad(void **state) {
    (void)state;
    for (int t = 0; t < 2; t++) {
        enum { WIDE = HALVES + 3 };
        uint16_t got[ROWS * WIDE], want[ROWS * WIDE], value = t ? 0xbf80 : 0xbc00; // -1
        for (uint32_t r = 0; r < ROWS; r++)
            for (uint32_t c = 0; c < WIDE; c++) want[r * WIDE + c] = c >= 1 && c < 1 + HALVES ? at(r, c - 1) : value;
        moved(types[t], "%m = pad %h {before=[0, 1], after=[0, 2], value=-1.0}", ROWS * WIDE / 2, got);
        same(got, want, ROWS * WIDE, types[t]);
    }
}

/// Index maps, alone and in a chain that one kernel reads through.
static void test_index_maps(void **state) {
    (void)state;
    for (int t = 0; t < 2; t++) {
        uint16_t got[3 * COUNT], want[3 * COUNT];
        for (uint32_t i = 0; i < COUNT; i++) want[i] = pattern(COUNT - 1 - i);
        moved(types[t], "%m = flip %h", COUNT / 2, got);
        same(got, want, COUNT, "flip");
        for (uint32_t i = 0; i < 3 * COUNT; i++) want[i] = pattern(i % COUNT);
        moved(types[t], "%m = expand %h {shape=[3, 6, 16]}", 3 * COUNT / 2, got);
        same(got, want, 3 * COUNT, "expand");
        for (uint32_t r = 0; r < ROWS; r++)
            for (uint32_t c = 0; c < 5; c++) want[r * 5 + c] = at(r, 15 - 3 * c);
        moved(types[t], "%m = slice %h {start=-1, len=5, axis=1, step=-3}", ROWS * 5 / 2, got);
        same(got, want, ROWS * 5, "slice");
        for (uint32_t r = 0; r < ROWS; r++)
            for (uint32_t c = 0; c < 2 * HALVES; c++) want[r * 2 * HALVES + c] = at((r + ROWS - 2) % ROWS, c / 2);
        moved(types[t], "%r = repeat %h {times=2, axis=1}\n%m = roll %r {shift=2}", COUNT, got);
        same(got, want, 2 * COUNT, "repeat and roll");
        for (uint32_t c = 0; c < HALVES; c++)
            for (uint32_t r = 0; r < 2 * ROWS; r++) want[c * 2 * ROWS + r] = at(r % ROWS, HALVES - 1 - c);
        moved(types[t], "%r = tile %h {repeats=[2, 1]}\n%g = flip %r {axes=[1]}\n%m = transpose %g", COUNT, got);
        same(got, want, 2 * COUNT, "tile, flip and transpose");
    }
}

/// Floats whose bits an integer kernel reads through moves, shapes and a bitcast.
static void test_bits_of_moved_floats(void **state) {
    (void)state;
    enum { N = 24 };
    uint32_t x[N], got[N];
    for (uint32_t i = 0; i < N; i++) x[i] = (uint32_t)pattern(i) << 16 | pattern(i * 7 + 3);
    weft_session *s = open_graph("input x f32 [4, 6]\n%0 = flip %x\n%1 = reshape %0 {shape=[2, 12]}\n"
                                 "%2 = bitcast %1 {dtype=u32}\n%3 = max %2 %2\n%4 = reshape %3 {shape=[24]}\n"
                                 "%5 = roll %4 {shift=1}\noutput %5 y\n");
    weft_program *p = weft_session_program(s);
    must(weft_session_write(s, "x", 0, x, sizeof x));
    must(weft_session_run(s, 1, NULL));
    must(weft_session_read(s, "y", 0, got, sizeof got));
    for (uint32_t i = 0; i < N; i++) assert_int_equal(got[i], x[N - 1 - (i + N - 1) % N]);
    weft_session_destroy(&s);
    weft_program_destroy(&p);
}

/// NaNs of any payload stay NaNs where f32 becomes bf16, whose rounding adds to their bits.
static void test_nan_to_bf16(void **state) {
    (void)state;
    static const uint32_t x[] = {0x7fffffff, 0xffffffff, 0x7fc00000, 0xff800001, 0x7f800000, 0x7f7fffff, 0x3f808000, 0};
    static const uint16_t want[] = {0, 0, 0, 0, 0x7f80, 0x7f80, 0x3f80, 0}; // of those that are no NaN
    uint16_t got[8];
    weft_session *s = open_graph("state m dense bf16 [8]\ninput x f32 [8]\n%0 = assign %m %x\n");
    weft_program *p = weft_session_program(s);
    must(weft_session_write(s, "x", 0, x, sizeof x));
    must(weft_session_run(s, 1, NULL));
    must(weft_session_read(s, "m", 0, got, sizeof got));
    for (int i = 0; i < 8; i++) {
        if (i < 4 ? (got[i] & 0x7fff) > 0x7f80 : got[i] == want[i]) continue;
        fail_msg("%08x became %04x", x[i], got[i]);
    }
    weft_session_destroy(&s);
    weft_program_destroy(&p);
}

/// Control: arithmetic on these patterns changes some of them, so that the comparison can fail.
static void test_arithmetic_changes_some(void **state) {
    (void)state;
    uint16_t got[COUNT];
    uint32_t changed = 0;
    moved("f16", "%c = cast %h {to=f32}\n%d = neg %c\n%m = cast %d {to=f16}", COUNT / 2, got);
    for (uint32_t i = 0; i < COUNT; i++) changed += got[i] != pattern(i);
    assert_true(changed > 0);
}

int main(void) {
    if (!weft_test_gpu()) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transpose),   cmocka_unit_test(test_slice_copy),
        cmocka_unit_test(test_concat),      cmocka_unit_test(test_pad),
        cmocka_unit_test(test_index_maps),  cmocka_unit_test(test_bits_of_moved_floats),

        cmocka_unit_test(test_nan_to_bf16), cmocka_unit_test(test_arithmetic_changes_some),
    };
    return cmocka_run_group_tests_name("moved bits", tests, NULL, NULL);
}
