// Dims against a plain expression tree: values, bounds, equal handles, text.
#include "core/alloc.h"
#include "core/error.h"
#include "ir/dim.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t rng = 1;
static int64_t roll(int64_t lo, int64_t hi) {
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return lo + (int64_t)((rng >> 33) % (uint64_t)(hi - lo + 1));
}

// ---- the expression tree

enum kind { CONST, SYMBOL, ADD, SUB, MUL, FLOORDIV, CEILDIV, MOD, MIN, MAX, KINDS };
struct expr {
    enum kind kind;
    int64_t c;
    struct expr *a, *b;
};
static struct expr pool[4096];
static size_t pool_used;

static struct expr *expr(enum kind kind, int64_t c, struct expr *a, struct expr *b) {
    assert_true(pool_used < 4096);
    pool[pool_used] = (struct expr){kind, c, a, b};
    return &pool[pool_used++];
}

static struct expr *random_expr(int depth) {
    enum kind kind = depth == 0 ? (enum kind)roll(CONST, SYMBOL) : (enum kind)roll(0, KINDS - 1);
    switch (kind) {
    case CONST: return expr(kind, roll(-20, 20), NULL, NULL);
    case SYMBOL: return expr(kind, roll(0, 3), NULL, NULL);
    case ADD:
    case SUB:
    case MUL: return expr(kind, 0, random_expr(depth - 1), random_expr(depth - 1));
    case MIN:
    case MAX: return expr(kind, roll(-30, 60), random_expr(depth - 1), NULL);
    default: return expr(kind, roll(0, 4) ? roll(1, 16) : roll(1, 100), random_expr(depth - 1), NULL);
    }
}

static int64_t down(int64_t a, int64_t c) {
    int64_t q = a / c;
    return q * c > a ? q - 1 : q;
}

static int64_t value(const struct expr *e, const int64_t *v) {
    int64_t a = e->a ? value(e->a, v) : 0, b = e->b ? value(e->b, v) : 0;
    switch (e->kind) {
    case CONST: return e->c;
    case SYMBOL: return v[e->c];
    case ADD: return a + b;
    case SUB: return a - b;
    case MUL: return a * b;
    case FLOORDIV: return down(a, e->c);
    case CEILDIV: return down(a + e->c - 1, e->c);
    case MOD: return a - e->c * down(a, e->c);
    case MIN: return a < e->c ? a : e->c;
    default: return a > e->c ? a : e->c;
    }
}

static const struct {
    const char *name;
    int64_t lo, hi;
} symbols[4] = {{"B", 1, 8}, {"T", 1, 100}, {"P", 0, 40}, {"R", -5, 9}};

static struct weft_dims *table(void) {
    struct weft_dims *t = weft_dims_create();
    assert_non_null(t);
    for (int i = 0; i < 4; i++) weft_dim_symbol(t, symbols[i].name, symbols[i].lo, symbols[i].hi);
    return t;
}

// `mirror` swaps the operands of sums and products and builds the right one first: an equal polynomial, made otherwise.
static weft_dim build(struct weft_dims *t, const struct expr *e, bool mirror) {
    weft_dim a = 0, b = 0;
    if (mirror && e->b) b = build(t, e->b, mirror);
    if (e->a) a = build(t, e->a, mirror);
    if (!mirror && e->b) b = build(t, e->b, mirror);
    switch (e->kind) {
    case CONST: return weft_dim_const(t, e->c);
    case SYMBOL: return weft_dim_symbol(t, symbols[e->c].name, symbols[e->c].lo, symbols[e->c].hi);
    case ADD: return mirror ? weft_dim_add(t, b, a) : weft_dim_add(t, a, b);
    case SUB: return mirror ? weft_dim_sub(t, 0, weft_dim_sub(t, b, a)) : weft_dim_sub(t, a, b);
    case MUL: return mirror ? weft_dim_mul(t, b, a) : weft_dim_mul(t, a, b);
    case FLOORDIV: return weft_dim_floordiv(t, a, e->c);
    case CEILDIV: return weft_dim_ceildiv(t, a, e->c);
    case MOD: return weft_dim_mod(t, a, e->c);
    case MIN: return weft_dim_min(t, a, e->c);
    default: return weft_dim_max(t, a, e->c);
    }
}

static void random_values(int64_t *v) {
    for (int i = 0; i < 4; i++)
        v[i] = roll(0, 3) ? roll(symbols[i].lo, symbols[i].hi) : roll(0, 1) ? symbols[i].lo : symbols[i].hi;
}

// The property: at `tries` bindings the dim has the tree's value and lies in its bounds.
static bool agrees(struct weft_dims *t, weft_dim d, const struct expr *e, int tries) {
    int64_t v[4], lo, hi;
    weft_dim_bounds(t, d, &lo, &hi);
    for (int i = 0; i < tries; i++) {
        random_values(v);
        if (weft_dims_check(t, v) != WEFT_OK) continue;
        int64_t want = value(e, v);
        if (weft_dim_eval(t, d, v) != want || want < lo || want > hi) return false;
    }
    return true;
}

static char *text_of(const struct weft_dims *t, weft_dim d) {
    struct weft_str s = {0};
    weft_dim_print(t, d, &s);
    char *text = weft_str_take(&s);
    assert_non_null(text);
    return text;
}

static void test_random_expressions(void **state) {
    (void)state;
    rng = 7;
    int made = 0;
    for (int round = 0; round < 6000; round++) {
        pool_used = 0;
        struct weft_dims *t = table();
        struct expr *e = random_expr((int)roll(1, 6));
        weft_dim d = build(t, e, false);
        if (d != WEFT_DIM_BAD) {
            made++;
            char *text = text_of(t, d);
            if (!agrees(t, d, e, 40)) fail_msg("round %d: %s", round, text);
            assert_int_equal(build(t, e, true), d);
            weft_dim back = WEFT_DIM_BAD;
            assert_int_equal(weft_dim_parse(t, text, strlen(text), &back), WEFT_OK);
            if (back != d) fail_msg("round %d: '%s' reads back otherwise", round, text);
            struct weft_dims *other = table(); // another history of atoms, the same text
            char *again = text_of(other, build(other, e, true));
            assert_string_equal(again, text);
            weft_free(again);
            weft_free(text);
            weft_dims_destroy(other);
        }
        weft_dims_destroy(t);
    }
    assert_true(made > 5500);
}

static void test_property_notices_a_wrong_dim(void **state) {
    (void)state;
    rng = 11;
    struct weft_dims *t = table();
    pool_used = 0;
    struct expr *e = expr(FLOORDIV, 7, expr(SYMBOL, 1, NULL, NULL), NULL);
    assert_true(agrees(t, build(t, e, false), e, 200));
    e->kind = CEILDIV;
    weft_dim up = build(t, e, false);
    e->kind = FLOORDIV;
    assert_false(agrees(t, up, e, 200));
    weft_dims_destroy(t);
}

static void test_relations_stay_sound(void **state) {
    (void)state;
    rng = 13;
    for (int round = 0; round < 1500; round++) {
        pool_used = 0;
        struct weft_dims *t = table();
        struct expr *before = random_expr(4), *after = random_expr(4), *r = random_expr(2);
        weft_dim d = build(t, before, false), rd = build(t, r, false);
        int64_t v[4], lo, hi;
        random_values(v);
        if (rd != WEFT_DIM_BAD && weft_dim_relate(t, rd, value(r, v) + roll(0, 5)) == WEFT_OK) {
            weft_dim e = build(t, after, false);
            weft_dim_bounds(t, d, &lo, &hi);
            if (d != WEFT_DIM_BAD && !agrees(t, d, before, 200)) fail_msg("round %d, made before", round);
            if (e != WEFT_DIM_BAD && !agrees(t, e, after, 200)) fail_msg("round %d, made after", round);
        }
        weft_dims_destroy(t);
    }
}

static weft_dim parse(struct weft_dims *t, const char *text) {
    weft_dim d = WEFT_DIM_BAD;
    if (weft_dim_parse(t, text, strlen(text), &d) != WEFT_OK) fail_msg("%s: %s", text, weft_error_message());
    return d;
}

static void test_relations_tighten(void **state) {
    (void)state;
    struct weft_dims *t = weft_dims_create();
    weft_dim b = weft_dim_symbol(t, "B", 1, 64), n = weft_dim_symbol(t, "T", 1, 512),
             p = weft_dim_symbol(t, "P", 0, 4096);
    weft_dim early = parse(t, "ceildiv(B*T,64)");
    assert_int_equal(weft_dim_relate(t, weft_dim_mul(t, b, n), 512), WEFT_OK);
    assert_int_equal(weft_dim_relate(t, weft_dim_add(t, p, n), 4096), WEFT_OK);
    static const struct {
        const char *text;
        int64_t lo, hi;
    } cases[] = {
        {"B*T", 1, 512},           {"640*B*T", 640, 327680}, {"3*B*T+7", 10, 1543}, {"B*T*T", 1, 262144},
        {"B*T*P", 0, 2097152},     {"P+T", 1, 4096},         {"P+T+1", 2, 4097},    {"4*P+4*T", 4, 16384},
        {"5*P+4*T", 4, 20480},     {"4096-P-T", 0, 4095},    {"B*T+P+T", 2, 4608},  {"min(P+T,512)", 1, 512},
        {"ceildiv(B*T,64)", 1, 8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t lo, hi;
        weft_dim_bounds(t, parse(t, cases[i].text), &lo, &hi);
        if (lo != cases[i].lo || hi != cases[i].hi) fail_msg("%s: %ld %ld", cases[i].text, (long)lo, (long)hi);
    }
    assert_int_equal(parse(t, "ceildiv(B*T,64)"), early); // a relation does not change what an expression is
    int64_t good[3] = {4, 128, 0}, bad[3] = {5, 128, 0}, outside[3] = {1, 513, 0};
    assert_int_equal(weft_dims_check(t, good), WEFT_OK);
    assert_int_equal(weft_dims_check(t, bad), WEFT_ERR_INVALID);
    assert_non_null(strstr(weft_error_message(), "B*T is 640"));
    assert_int_equal(weft_dims_check(t, outside), WEFT_ERR_INVALID);
    assert_non_null(strstr(weft_error_message(), "T is 513"));
    assert_int_equal(weft_dim_relate(t, b, 0), WEFT_ERR_INVALID);
    assert_int_equal(weft_dims_relation_count(t), 2);
    weft_dims_destroy(t);
}

static void test_normal_form(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"T+T", "2*T"},
        {"T-T", "0"},
        {"(T+1)*(T-1)", "T*T-1"},
        {"(B+T)*(B+T)", "B*B+2*B*T+T*T"},
        {"floordiv(8*T,8)", "T"},
        {"floordiv(8*T+3,8)", "T"},
        {"ceildiv(8*T+1,8)", "T+1"},
        {"floordiv(6*T,8)", "floordiv(3*T,4)"},
        {"floordiv(T+63,64)", "ceildiv(T,64)"},
        {"floordiv(floordiv(T,4),8)", "floordiv(T,32)"},
        {"ceildiv(ceildiv(T,4),8)", "ceildiv(T,32)"},
        {"floordiv(12*T+5,8)", "T+floordiv(T+1,2)"},
        {"mod(8*T,8)", "0"},
        {"mod(8*T+3,8)", "3"},
        {"mod(T+16,8)", "mod(T,8)"},
        {"mod(mod(T,32),8)", "mod(T,8)"},
        {"mod(6*T,8)", "2*mod(3*T,4)"},
        {"mod(T,1)", "0"},
        {"mod(P,41)", "P"},
        {"floordiv(P,41)", "0"},
        {"min(T,100)", "T"},
        {"min(T,1)", "1"},
        {"max(T,1)", "T"},
        {"max(T,100)", "100"},
        {"min(min(T,9),7)", "min(T,7)"},
        {"max(max(T,9),7)", "max(T,9)"},
        {"min(T+1,8)", "min(T,7)+1"},
        {"min(4*T,64)", "4*min(T,16)"},
        {"max(min(T,50),7)", "min(max(T,7),50)"},
        {"min(max(T,50),7)", "7"},
    };
    struct weft_dims *t = table();
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (parse(t, pairs[i][0]) != parse(t, pairs[i][1])) fail_msg("%s != %s", pairs[i][0], pairs[i][1]);
    assert_true(parse(t, "floordiv(T,2)") != parse(t, "ceildiv(T,2)"));
    static const char *const texts[] = {"T", "4*T+1", "ceildiv(T,64)",   "min(T,8)",    "B*T-3",     "-T",
                                        "0", "-7",    "floordiv(T,3)*B", "mod(B*T,16)", "max(T-R,3)"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char *text = text_of(t, parse(t, texts[i]));
        weft_dim again = parse(t, text);
        assert_int_equal(again, parse(t, texts[i]));
        if (i < 8) assert_string_equal(text, texts[i]);
        weft_free(text);
    }
    weft_dims_destroy(t);
}

static void test_refusals(void **state) {
    (void)state;
    struct weft_dims *t = table();
    static const char *const wrong[] = {"",
                                        "T+",
                                        "*T",
                                        "Q",
                                        "T T",
                                        "floordiv(T)",
                                        "floordiv(T,0)",
                                        "mod(T,-1)",
                                        "min(T,P)",
                                        "(T",
                                        "T)",
                                        "99999999999999999999",
                                        "min(T,8",
                                        "T/2",
                                        "3T",
                                        "floordiv T"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        weft_dim d = 0;
        if (weft_dim_parse(t, wrong[i], strlen(wrong[i]), &d) != WEFT_ERR_FORMAT) fail_msg("'%s' was read", wrong[i]);
        assert_int_equal(d, WEFT_DIM_BAD);
        assert_true(strlen(weft_error_message()) > 0);
    }
    char deep[400];
    memset(deep, '(', 200);
    memset(deep + 200, ')', 200);
    weft_dim d;
    assert_int_equal(weft_dim_parse(t, deep, sizeof deep, &d), WEFT_ERR_FORMAT);
    assert_int_equal(weft_dim_parse(t, "9223372036854775807*T*2", 23, &d), WEFT_ERR_LIMIT);
    const char *wide = "(B+T+P+R)*(B+T+P+R)*(B+T+P+R)*(B+T+P+R)*(B+T+P+R)*(B+T+P+R)*(B+T+P+R)*(B+T+P+R)";
    assert_int_equal(weft_dim_parse(t, wide, strlen(wide), &d), WEFT_ERR_LIMIT);
    assert_int_equal(weft_dim_symbol(t, "T", 0, 5), WEFT_DIM_BAD);
    assert_int_equal(weft_dim_symbol(t, "min", 0, 5), WEFT_DIM_BAD);
    assert_int_equal(weft_dim_symbol(t, "X", 5, 0), WEFT_DIM_BAD);
    const weft_dim none[] = {WEFT_DIM_BAD, WEFT_DIM_NONE};
    for (int i = 0; i < 2; i++) {
        assert_false(weft_dim_valid(t, none[i]));
        assert_int_equal(weft_dim_add(t, none[i], WEFT_DIM_ZERO), WEFT_DIM_BAD);
        assert_int_equal(weft_dim_sub(t, WEFT_DIM_ZERO, none[i]), WEFT_DIM_BAD);
        assert_int_equal(weft_dim_mul(t, none[i], WEFT_DIM_ZERO), WEFT_DIM_BAD);
        assert_int_equal(weft_dim_floordiv(t, none[i], 2), WEFT_DIM_BAD);
        assert_int_equal(weft_dim_ceildiv(t, none[i], 2), WEFT_DIM_BAD);
        assert_int_equal(weft_dim_mod(t, none[i], 2), WEFT_DIM_BAD);
        assert_int_equal(weft_dim_min(t, none[i], 2), WEFT_DIM_BAD);
        assert_int_equal(weft_dim_max(t, none[i], 2), WEFT_DIM_BAD);
        assert_false(weft_dim_is_multiple(t, none[i], 1));
    }
    assert_int_equal(weft_dim_floordiv(t, weft_dim_symbol(t, "T", 1, 100), 0), WEFT_DIM_BAD);
    weft_dims_destroy(t);
}

static void test_overflow_is_seen(void **state) {
    (void)state;
    struct weft_dims *t = weft_dims_create();
    weft_dim n = weft_dim_symbol(t, "N", 0, INT64_MAX);
    int64_t v[1] = {INT64_MAX}, lo, hi;
    weft_dim square = weft_dim_mul(t, n, n);
    assert_true(weft_dim_eval(t, square, v) == INT64_MAX);
    assert_true(weft_dim_eval(t, weft_dim_floordiv(t, square, 7), v) == INT64_MAX);
    weft_dim_bounds(t, weft_dim_sub(t, square, weft_dim_const(t, 100)), &lo, &hi);
    assert_true(lo == -100 && hi == INT64_MAX);
    v[0] = 3;
    assert_int_equal(weft_dim_eval(t, square, v), 9);
    assert_int_equal(weft_dim_add(t, weft_dim_const(t, INT64_MAX), weft_dim_const(t, 1)), WEFT_DIM_BAD);
    weft_dims_destroy(t);
}

// Every allocation may fail: the result is then WEFT_DIM_BAD, and the table still works afterwards.
static void test_out_of_memory(void **state) {
    (void)state;
    int64_t live = weft_alloc_stats().live;
    for (uint64_t n = 1; n < 200; n++) {
        weft_alloc_fail_at(n, 0);
        struct weft_dims *t = weft_dims_create();
        weft_dim d = WEFT_DIM_BAD;
        if (t) {
            weft_dim_symbol(t, "T", 1, 100);
            weft_dim_symbol(t, "B", 1, 8);
            weft_dim_parse(t, "min(B*T+mod(T,7),55)*ceildiv(T,3)", 33, &d);
        }
        weft_alloc_fail_at(0, 0);
        if (t && weft_dims_symbol_count(t) == 2) {
            int64_t v[2] = {50, 3};
            assert_int_equal(weft_dim_eval(t, parse(t, "min(B*T+mod(T,7),55)*ceildiv(T,3)"), v), 55 * 17);
        }
        weft_dims_destroy(t);
        assert_true(weft_alloc_stats().live == live);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_expressions),   cmocka_unit_test(test_property_notices_a_wrong_dim),
        cmocka_unit_test(test_relations_stay_sound), cmocka_unit_test(test_relations_tighten),
        cmocka_unit_test(test_normal_form),          cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_overflow_is_seen),     cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("ir/dim", tests, NULL, NULL);
}
