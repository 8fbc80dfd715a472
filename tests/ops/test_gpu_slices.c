/// Slices of any axis where schedules have one row, so that they are memory at an offset, and where they have more:
/// random graphs of slices of slices, views of them, several in one kernel, as outputs and in states, in f32 and f16,
/// against the host reference.
#include "core/alloc.h"
#include "core/error.h"
#include "core/str.h"
#include "support/graph_run.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 24, WIDTH = 24 };

/// Value `n` is [T, a, b], or [T, a] with b = 0.
struct value {
    uint32_t a, b;
    bool half;
};
struct maker {
    struct weft_str text;
    struct value all[MOST];
    uint32_t n, seed;
};

static uint32_t any(struct maker *m, uint32_t below) {
    m->seed = m->seed * 1664525u + 1013904223u;
    return (m->seed >> 8) % below;
}

static uint32_t columns(const struct value *v) { return v->a * (v->b ? v->b : 1); }

static void add(struct maker *m, struct value v) { m->all[m->n++] = v; }

/// A slice of the last axis, or the one before it, or one row of that.
static void slice(struct maker *m, uint32_t of) {
    struct value v = m->all[of];
    uint32_t axis = v.b && any(m, 2) ? 2 : 1, *size = axis == 2 ? &v.b : &v.a;
    if (v.b && any(m, 5) == 0) { // without the axis
        weft_str_addf(&m->text, "%%%u = select %%%u {index=%u, axis=%u}\n", m->n, of, any(m, *size), axis);
        add(m, (struct value){axis == 2 ? v.a : v.b, 0, v.half});
        return;
    }
    uint32_t start = any(m, *size), len = 1 + any(m, *size - start);
    if (any(m, 3) == 0 && *size % 4 == 0 && *size > 4) start = *size - 4, len = 4; // vec4 where it may be
    *size = len;
    weft_str_addf(&m->text, "%%%u = %s %%%u {start=%u, len=%u, axis=%u}\n", m->n, any(m, 2) ? "slice" : "slice_copy",
                  of, start, len, axis);
    add(m, v);
}

static void reshape(struct maker *m, uint32_t of) {
    struct value v = m->all[of];
    uint32_t all = columns(&v), a = 1 + any(m, 4);
    if (v.b || all % a) v.a = all, v.b = 0;
    else v.b = all / a, v.a = a;
    weft_str_addf(&m->text, "%%%u = reshape %%%u {shape=[T, %u", m->n, of, v.a);
    if (v.b) weft_str_addf(&m->text, ", %u", v.b);
    weft_str_add(&m->text, "]}\n");
    add(m, v);
}

/// The sum of two values of one shape, of one value and itself if there is no other.
static void sum(struct maker *m, uint32_t of) {
    uint32_t with = of;
    for (uint32_t i = any(m, m->n), k = 0; k < m->n && with == of; k++, i = (i + 1) % m->n)
        if (memcmp(&m->all[i], &m->all[of], sizeof *m->all) == 0) with = i;
    weft_str_addf(&m->text, "%%%u = %s %%%u %%%u\n", m->n, any(m, 2) ? "add" : "max", of, with);
    add(m, m->all[of]);
}

static void join(struct maker *m, uint32_t of) {
    struct value v = m->all[of];
    uint32_t with = of;
    for (uint32_t i = 0; i < m->n; i++)
        if (m->all[i].half == v.half && (v.b ? m->all[i].a == v.a && m->all[i].b : !m->all[i].b) && any(m, 2)) with = i;
    weft_str_addf(&m->text, "%%%u = concat %%%u %%%u {axis=-1}\n", m->n, of, with);
    if (v.b) v.b += m->all[with].b;
    else v.a += m->all[with].a;
    add(m, v);
}

static void step(struct maker *m, uint32_t of) {
    struct value v = m->all[of];
    static const char *const one[] = {"tanh", "softmax", "neg", "transpose"};
    switch (any(m, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: slice(m, of); return;
    case 5:
    case 6: reshape(m, of); return;
    case 7:
    case 8: sum(m, of); return;
    case 9:
        if (columns(&v) <= 2 * WIDTH) join(m, of);
        return;
    case 10:
        weft_str_addf(&m->text, "%%%u = cast %%%u {to=%s}\n", m->n, of, v.half ? "f32" : "f16");
        v.half = !v.half;
        add(m, v);
        return;
    default: {
        uint32_t which = any(m, v.b ? 4 : 3);
        weft_str_addf(&m->text, "%%%u = %s %%%u%s\n", m->n, one[which], of, which == 3 ? " {perm=[0, 2, 1]}" : "");
        if (which == 3) v = (struct value){v.b, v.a, v.half};
        add(m, v);
    }
    }
}

/// Inputs, then values of which many are outputs; a product with a weight and a state that keeps what it was given.
static void make(struct maker *m) {
    m->n = 0;
    m->text = (struct weft_str){0};
    weft_str_addf(&m->text,
                  "symbol T 1 3\ninput x f32 [T, %d]\ninput h f16 [T, %d]\nweight w f32 [8, 8]\n"
                  "state kept dense f32 [1, 24]\n%%0 = tanh %%x\n%%1 = tanh %%h\n%%2 = reshape %%x {shape=[T, 6, 4]}\n"
                  "%%3 = slice_copy %%h {start=3, len=13, axis=1}\n",
                  WIDTH, WIDTH);
    add(m, (struct value){WIDTH, 0, false});
    add(m, (struct value){WIDTH, 0, true});
    add(m, (struct value){WIDTH / 4, 4, false});
    add(m, (struct value){13, 0, true});
    while (m->n < MOST) step(m, any(m, 3) ? m->n - 1 - any(m, m->n < 5 ? m->n : 5) : any(m, m->n));
    uint32_t start = any(m, WIDTH - 8 + 1);
    weft_str_addf(&m->text,
                  "%%s = slice_copy %%0 {start=%u, len=8, axis=1}\n%%p = matmul %%s %%w\n"
                  "%%r = slice_copy %%p {start=%u, len=4, axis=1}\n%%q = tanh %%r\noutput %%q product\n",
                  start, any(m, 5));
    weft_str_addf(&m->text,
                  "%%g = slice_copy %%kept {start=%u, len=8, axis=1}\n%%k = tanh %%kept\n"
                  "%%l = slice_copy %%k {start=%u, len=8, axis=1}\n%%v = add %%kept %%k\n%%z = state_write %%kept %%v\n"
                  "%%a = slice_copy %%z {start=%u, len=8, axis=1}\n%%b = sub %%g %%a\n%%c = mul %%b %%l\n"
                  "output %%c kept_of\n",
                  any(m, 17), any(m, 17), any(m, 17));
    for (uint32_t i = 4; i < m->n; i++)
        if (i + 4 > m->n || any(m, 4) == 0) weft_str_addf(&m->text, "output %%%u z%u\n", i, i);
}

static bool slow(void) { return weft_test_thin(); }

/// Sizes T, then S.
static int run_sizes(const char *name, const char *graph, int64_t t, int64_t s) {
    struct weft_case c = {.name = name, .graph = graph, .symbols = {t, s}, .tolerance = 2e-3, .split = "T", .seed = 5};
    return weft_case_run(weft_test_gpu(), &c, NULL);
}

static int run(const char *name, const char *graph, int64_t t, int no_fuse, uint32_t seed) {
    struct weft_case c = {.name = name,
                          .graph = graph,
                          .symbols = {t},
                          .tolerance = 2e-3,
                          .no_fuse = no_fuse,
                          .split = "T",
                          .seed = seed};
    return weft_case_run(weft_test_gpu(), &c, NULL);
}

static void random_graphs(void **state) {
    (void)state;
    struct maker m = {.seed = 77};
    int rounds = slow() ? 1 : weft_test_short() ? 12 : 400, bad = 0;
    assert_non_null(weft_test_gpu());
    for (int i = 0; i < rounds; i++) {
        make(&m);
        int now = 0;
        for (int64_t t = 1; t <= (slow() ? 1 : 3); t += 2)
            now += run("slices", weft_str_get(&m.text), t, i % 3, (uint32_t)i);
        if (now) print_message("%s", weft_str_get(&m.text));
        bad += now;
        weft_str_free(&m.text);
    }
    assert_int_equal(bad, 0);
}

/// What an output shows through views is written to it, though it is a slice of one row.
static void views_of_slices_are_outputs(void **state) {
    (void)state;
    static const char text[] =
        "symbol T 1 3\ninput x f32 [T, 24]\ninput h f16 [T, 24]\n%0 = tanh %x\n"
        "%1 = slice_copy %0 {start=4, len=8, axis=1}\n%2 = reshape %1 {shape=[T, 2, 4]}\n"
        "%3 = slice_copy %1 {start=1, len=6, axis=1}\n%4 = reshape %3 {shape=[T, 3, 2]}\n"
        "%5 = reshape %4 {shape=[T, 6]}\n%6 = slice_copy %h {start=5, len=3, axis=1}\n"
        "%7 = reshape %6 {shape=[T, 3, 1]}\n%8 = neg %5\noutput %2 y\noutput %4 z\noutput %7 half\noutput %8 n\n";
    assert_non_null(weft_test_gpu());
    for (int64_t t = 1; t <= 3; t += 2) assert_int_equal(run("views of slices", text, t, 0, 3), 0);
}

/// A slice of halves that is seen as words starts at a word: one that does not lie there is copied.
static void slices_are_seen_as_words(void **state) {
    (void)state;
    static const char text[] =
        "symbol T 1 3\ninput h f16 [T, 24]\n%0 = neg %h\n%1 = slice_copy %0 {start=3, len=8, axis=1}\n"
        "%2 = bitcast %1 {dtype=u32}\n%3 = bitcast %2 {dtype=f16}\n%4 = neg %3\n"
        "%5 = slice_copy %h {start=5, len=10, axis=1}\n%6 = slice_copy %5 {start=4, len=4, axis=1}\n"
        "%7 = reshape %6 {shape=[T, 2, 2]}\n%8 = bitcast %7 {dtype=u32}\n%9 = bitcast %8 {dtype=f16}\n%10 = neg %9\n"
        "output %4 y\noutput %10 z\n";
    assert_non_null(weft_test_gpu());
    for (int64_t t = 1; t <= 3; t += 2) assert_int_equal(run("slices seen as words", text, t, 0, 3), 0);
}

/// The readers of rows whose operands may start anywhere, each with slices that start at an odd element.
static void readers_of_slices(void **state) {
    (void)state;
    if (slow()) skip();
    static const char text[] =
        "symbol T 1 3\ninput x f32 [T, 401]\ninput h f16 [T, 401]\nweight w q8_0 [32, 64]\nweight u q4_0 [32, 64]\n"
        "weight f f16 [32, 64]\nweight n f32 [64]\nvar pos u32 0 8\n"
        "state k paged f16 [16, 2, 32]\nstate v ring f32 [16, 2, 32]\nstate m dense f32 [1, 2, 32, 32]\n"
        "%0 = tanh %x\n%1 = tanh %h\n"
        "%a = slice_copy %0 {start=3, len=64, axis=1}\n%b = slice_copy %1 {start=5, len=64, axis=1}\n"
        "%d = slice_copy %x {start=101, len=64, axis=1}\n%e = slice_copy %h {start=107, len=64, axis=1}\n"
        "%i = slice_copy %0 {start=171, len=2, axis=1}\n%j = slice_copy %0 {start=175, len=2, axis=1}\n"
        "%2 = matmul %a %w\n%3 = matmul %b %w\n%4 = matmul %d %u\n%5 = matmul %e %f\n%6 = matmul %a %f\n"
        "%7 = rms_norm %d %n\n%8 = softmax %e\n%9 = sum %b\n%10 = argmax %a\n"
        "%q = reshape %a {shape=[T, 2, 32]}\n%r = rope %q %pos\n%s = reshape %d {shape=[T, 2, 32]}\n"
        "%t = reshape %e {shape=[T, 2, 32]}\n%11 = cache_append %k %t %pos\n%12 = cache_append %v %s %pos\n"
        "%13 = attention %q %11 %12 %pos\n%14 = reshape %13 {shape=[T, 64]}\n"
        "%15 = slice_copy %14 {start=1, len=32, axis=1}\n%16 = add %15 %2\n%17 = matmul %14 %w\n"
        "%mm %18 = linear_attention %m %a %d %a %i %j {rule=gated_delta, q_heads=2, kv_heads=2}\n"
        "%19 = layer_norm %e %n\n%20 = slice_copy %18 {start=31, len=32, axis=1}\n"
        "%21 = slice_copy %19 {start=7, len=32, axis=1}\n%22 = add %20 %21\n"
        "%23 = pad %b {before=[0, 1], after=[0, 2]}\n"
        "%24 = transpose %t {perm=[0, 2, 1]}\n%25 = advance %pos {by=T}\n"
        "output %3 y3\noutput %4 y4\noutput %5 y5\noutput %6 y6\noutput %7 y7\noutput %8 y8\noutput %9 y9\n"
        "output %10 y10\noutput %r r\noutput %16 y16\noutput %17 y17\noutput %22 y22\noutput %23 y23\n"
        "output %24 y24\n";
    assert_non_null(weft_test_gpu());
    for (int64_t t = 1; t <= 3; t += 2) assert_int_equal(run("readers of slices", text, t, 0, 3), 0);
}

/// Where a slice starts, and how long it is, follows a size: at times at a vec4, at others not.
static void starts_that_follow_sizes(void **state) {
    (void)state;
    if (slow()) skip();
    static const char text[] =
        "symbol T 1 3\nsymbol S 0 9\ninput x f32 [T, 160]\ninput h f16 [T, 160]\nweight w q8_0 [8, 64]\n"
        "weight f f16 [8, 64]\nweight n f32 [64]\nstate m dense f32 [200]\n%0 = tanh %x\n%1 = tanh %h\n"
        "%2 = slice_copy %0 {start=S, len=64, axis=1}\n%3 = slice_copy %1 {start=2*S+1, len=64, axis=1}\n"
        "%4 = slice_copy %x {start=4*S, len=64, axis=1}\n%5 = matmul %2 %w\n%6 = matmul %3 %f\n%7 = matmul %4 %w\n"
        "%8 = rms_norm %3 %n\n%9 = softmax %2\n%10 = add %8 %9\n%11 = slice_copy %2 {start=S, len=S+1, axis=1}\n"
        "%12 = concat %11 %11 {axis=1}\n%13 = slice_copy %3 {start=50-S, len=S+1, axis=1}\n%14 = cast %13 {to=f32}\n"
        "%15 = add %14 %11\n%16 = reshape %4 {shape=[T, 2, 32]}\n%17 = slice_copy %16 {start=1, len=1, axis=1}\n"
        "%18 = amax %17\n%19 = slice_copy %h {start=S, len=10-S, axis=1}\n%20 = neg %19\n"
        "%21 = slice_copy %20 {start=0, len=1, axis=1}\n%22 = reshape %21 {shape=[T]}\n"
        "output %5 y5\noutput %6 y6\noutput %7 y7\noutput %10 y10\noutput %12 y12\noutput %15 y15\n"
        "output %18 y18\noutput %22 y22\n";
    assert_non_null(weft_test_gpu());
    for (int64_t s = 0; s < 10; s += 3)
        for (int64_t t = 1; t <= 3; t += 2) assert_int_equal(run_sizes("starts by sizes", text, t, s), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_graphs), cmocka_unit_test(views_of_slices_are_outputs),
                                       cmocka_unit_test(slices_are_seen_as_words), cmocka_unit_test(readers_of_slices),
                                       cmocka_unit_test(starts_that_follow_sizes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
