/// Views inside kernels: random graphs whose values change shape between elementwise nodes, products, rows, moves,
/// halves and writes to states, against the host reference. All numbers are whole and small, so that all is exact.
#include "cases_run.h"
#include "core/str.h"
#include "support/graph_run.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/// Shapes of T*24 elements; the rows of each, with and without their axis.
static const struct {
    const char *all, *row, *rows;
    uint32_t last;
} shapes[] = {
    {"[T, 24]", "[T, 1]", "[T]", 24},
    {"[T, 4, 6]", "[T, 4, 1]", "[T, 4]", 6},
    {"[4*T, 6]", "[4*T, 1]", "[4*T]", 6},
    {"[T, 2, 12]", "[T, 2, 1]", "[2*T]", 12},
    {"[24*T]", "[1]", "[1]", 0},
    {"[1, T, 24]", "[1, T, 1]", "[T, 1]", 24},
    {"[T, 2, 2, 6]", "[T, 2, 2, 1]", "[T, 4]", 6},
    {"[3, 8*T]", "[3, 1]", "[3]", 0},
};
enum { SHAPES = sizeof shapes / sizeof *shapes, MOST = 40 };

struct value {
    uint32_t shape;
    enum { ALL, ROW, ROWS } kind;
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

static const char *shape_of(const struct value *v) {
    return v->kind == ALL ? shapes[v->shape].all : v->kind == ROW ? shapes[v->shape].row : shapes[v->shape].rows;
}

static void add(struct maker *m, struct value v) { m->all[m->n++] = v; }

/// Another value of the same kind, shape and type; `of` itself if there is none.
static uint32_t fellow(struct maker *m, uint32_t of) {
    for (uint32_t i = any(m, m->n), k = 0; k < m->n; k++, i = (i + 1) % m->n)
        if (i != of && memcmp(&m->all[i], &m->all[of], sizeof *m->all) == 0) return i;
    return of;
}

static void reshape(struct maker *m, uint32_t of) {
    struct value v = m->all[of];
    if (v.kind == ALL) v.shape = any(m, SHAPES);
    else v.kind = v.kind == ROW ? ROWS : ROW;
    weft_str_addf(&m->text, "%%%u = reshape %%%u {shape=%s}\n", m->n, of, shape_of(&v));
    add(m, v);
}

/// A row of each shape: summed or the greatest, small again.
static void reduce(struct maker *m, uint32_t of) {
    struct value v = m->all[of];
    if (v.kind != ALL || v.half) return;
    v.kind = ROW;
    weft_str_addf(&m->text, "%%%u = %s %%%u\n", m->n, any(m, 2) ? "amax" : "amin", of);
    add(m, v);
}

/// A value and one element a row, of the same shape otherwise.
static void spread(struct maker *m, uint32_t of) {
    struct value v = m->all[of];
    for (uint32_t i = m->n; v.kind == ALL && i-- > 0;) {
        if (m->all[i].kind != ROW || m->all[i].shape != v.shape || m->all[i].half != v.half) continue;
        weft_str_addf(&m->text, "%%%u = sub %%%u %%%u\n", m->n, of, i);
        add(m, v);
        return;
    }
}

static void move(struct maker *m, uint32_t of) {
    struct value v = m->all[of];
    static const char *const moves[] = {"flip %%%u", "roll %%%u {shift=1}", "flip %%%u {axes=[-1]}"};
    weft_str_addf(&m->text, "%%%u = ", m->n);
    weft_str_addf(&m->text, moves[any(m, 3)], of);
    weft_str_add(&m->text, "\n");
    add(m, v);
}

static void step(struct maker *m, uint32_t of) {
    static const char *const one[] = {"neg", "abs", "relu", "sign"};
    static const char *const two[] = {"max", "min", "sub"};
    struct value v = m->all[of];
    uint32_t last = shapes[v.shape].last;
    switch (any(m, 15)) {
    case 0:
    case 1:
    case 2:
    case 3: reshape(m, of); return;
    case 4:
    case 5: reduce(m, of); return;
    case 6:
    case 7: spread(m, of); return;
    case 8:
        weft_str_addf(&m->text, "%%%u = cast %%%u {to=%s}\n", m->n, of, v.half ? "f32" : "f16");
        v.half = !v.half;
        add(m, v);
        return;
    case 9:
        if (any(m, 2)) move(m, of);
        return;
    case 10:
        if (v.kind != ALL || v.half || !last) return;
        weft_str_addf(&m->text, "%%%u = add %%%u %%b%u\n", m->n, of, last);
        add(m, v);
        return;
    case 14:
        if (v.kind != ALL || v.half || v.shape) return;
        weft_str_addf(&m->text, "%%%u = matmul %%%u %%%s\n", m->n, of, any(m, 2) ? "w" : "u");
        add(m, v);
        return;
    case 11:
        weft_str_addf(&m->text, "%%%u = %s %%%u %%%u\n", m->n, two[any(m, 3)], of, fellow(m, of));
        add(m, v);
        return;
    default: weft_str_addf(&m->text, "%%%u = %s %%%u\n", m->n, one[any(m, 4)], of); add(m, v);
    }
}

/// A state takes a value in one piece; what is read of it before may be the very range.
static void keep(struct maker *m) {
    uint32_t before = any(m, 2);
    if (before) {
        weft_str_addf(&m->text,
                      "%%a = slice %%s {start=0, len=24*T}\n%%c = reshape %%a {shape=[T, 4, 6]}\n"
                      "%%%u = max %%c %%c\n",
                      m->n);
        add(m, (struct value){1, ALL, false});
        weft_str_addf(&m->text, "%%%u = sub %%%u %%z\n", m->n, m->n - 1);
        add(m, (struct value){1, ALL, false});
    }
    for (uint32_t i = m->n; i-- > 0;) {
        if (m->all[i].kind != ALL || m->all[i].half) continue;
        weft_str_addf(&m->text, "%%t = assign %%s %%%u\n", i);
        return;
    }
}

static void make(struct maker *m) {
    m->text = (struct weft_str){0};
    m->n = 0;
    weft_str_add(&m->text,
                 "symbol T 0 7\ninput x f32 [T, 24]\ninput y f32 [4*T, 6]\ninput z f32 [T, 4, 6]\ninput r f32 [T, 1]\n"
                 "input q f32 [T, 2, 1]\nweight b24 f32 [24]\n"
                 "weight w f32 [24, 24]\nweight u f16 [24, 24]\nweight b12 f32 [12]\nweight b6 f32 [6]\nstate s dense "
                 "f32 [168]\n%0 = neg %x\n%1 = abs %y\n"
                 "%2 = neg %r\n%3 = neg %q\n");
    add(m, (struct value){0, ALL, false});
    add(m, (struct value){2, ALL, false});
    add(m, (struct value){0, ROW, false});
    add(m, (struct value){3, ROW, false});
    uint32_t steps = 6 + any(m, 18);
    bool kept = any(m, 3) != 0;
    for (uint32_t k = 0; k < steps && m->n + 4 < MOST; k++) {
        step(m, k && any(m, 3) ? m->n - 1 : any(m, m->n));
        if (kept && k == steps / 2) keep(m), kept = false;
    }
    weft_str_addf(&m->text, "%%%u = neg %%%u\noutput %%%u last\n", m->n, m->n - 1, m->n);
    for (uint32_t i = 0; i < m->n; i++)
        if (any(m, 6) == 0) weft_str_addf(&m->text, "output %%%u o%u\n", i, i);
}

static int run(uint32_t seed) {
    struct maker m = {.seed = seed * 2654435761u + 7};
    char name[32];
    snprintf(name, sizeof name, "views %u", seed);
    make(&m);
    struct op_case c = {.name = name,
                        .graph = weft_str_get(&m.text),
                        .runs = "T=3 | T=1 | T=0 | T=7",
                        .data = "x = int -9..9; y = int -9..9; z = int -9..9; r = int -9..9; "
                                "q = int -9..9; b24 = int -9..9; b12 = int -9..9; "
                                "w = int -1..1; u = int -1..1; "
                                "b6 = int -9..9; s = int -9..9"};
    int bad = op_case_run_at(weft_test_gpu(), &c, seed % 4 ? 1 : 7, NULL);
    if (bad) printf("%s:\n%s", name, c.graph);
    weft_str_free(&m.text);
    return bad;
}

static void random_graphs(void **state) {
    (void)state;
    const char *from = getenv("WEFT_TEST_SEED");
    int bad = 0;
    uint32_t n = from ? 200 : weft_test_thin() ? 2 : weft_test_short() ? 10 : 150;
    for (uint32_t i = 0; i < n; i++) bad += run((from ? (uint32_t)atoi(from) : 0) + i);
    assert_int_equal(bad, 0);
}

int main(void) {
    if (!weft_test_gpu()) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_graphs)};
    return cmocka_run_group_tests_name("views", tests, NULL, NULL);
}
