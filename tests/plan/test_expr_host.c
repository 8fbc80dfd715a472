/// The interpreter of scalar programs, over programs put together by hand: each kind of instruction and of store.
#include "core/half.h"
#include "ir/dim.h"
#include "plan/expr_host.h"
#include "core/error.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 3, COLS = 4, CELLS = ROWS * COLS };

static double plus(double x, double y, double z) { return x + y + z; }
static double less(double x, double y, double z) { return (void)z, x < y; }
static double halved(double x, double y, double z) { return (void)y, (void)z, x / 2; }
static double thirded(double x, double y, double z) { return (void)y, (void)z, x / 3; }
static double difference(double x, double y, double z) { return (void)z, x - y; }
static const struct weft_scalar fn_plus = {.name = "plus", .host = plus}, fn_less = {.name = "less", .host = less},
                                fn_pair = {.name = "pair", .host = halved, .second = thirded},
                                fn_between = {.name = "between", .host = difference}, fn_device = {.name = "device"};

/// A program under construction, with operands 0 (read) and 1 (written), of a space [R, C].
struct rig {
    struct weft_dims *dims;
    int64_t symbols[WEFT_MAX_SYMBOLS];
    struct weft_x x[40];
    struct weft_xstep step;
    struct weft_expr e;
    struct weft_xmemory operands[2];
    uint32_t vars[4], from[64], to[64];
    struct weft_xhost host;
    double roots[CELLS];
};

static struct rig *made(void) {
    static struct rig r;
    memset(&r, 0, sizeof r);
    r.dims = weft_dims_create();
    weft_dim rows = weft_dim_symbol(r.dims, "R", 0, 9), cols = weft_dim_symbol(r.dims, "C", 0, 9);
    r.symbols[0] = ROWS;
    r.symbols[1] = COLS;
    r.e = (struct weft_expr){.step = &r.step, .x = r.x, .rows = rows, .n = cols};
    r.step.dims.dims[0] = cols;
    r.step.loads[0] = (struct weft_xload){.operand = 0, .name = "in0", .dtype = WEFT_F32};
    r.operands[0] = (struct weft_xmemory){(uint8_t *)r.from, CELLS, WEFT_F32, 0, 0};
    r.operands[1] = (struct weft_xmemory){(uint8_t *)r.to, CELLS, WEFT_F32, 0, 0};
    r.host = (struct weft_xhost){.operands = r.operands, .dims = r.dims, .symbols = r.symbols, .vars = r.vars};
    for (int i = 0; i < CELLS; i++) {
        float f = (float)i + 0.5f;
        memcpy(&r.from[i], &f, 4);
    }
    return &r;
}

static void end(struct rig *r) { weft_dims_destroy(r->dims); }

static uint32_t put(struct rig *r, struct weft_x x) {
    for (uint32_t i = 0; i < x.n; i++)
        if (r->x[x.a[i]].scope > x.scope) x.scope = r->x[x.a[i]].scope;
    if (x.op == WEFT_XOP_REDUCE) x.scope = WEFT_X_ROW;
    r->x[r->e.n_x] = x;
    return r->e.n_x++;
}
static uint32_t row(struct rig *r) {
    return put(r, (struct weft_x){.op = WEFT_XOP_ROW, .type = WEFT_X_U32, .scope = WEFT_X_ROW});
}
static uint32_t col(struct rig *r) {
    return put(r, (struct weft_x){.op = WEFT_XOP_COL, .type = WEFT_X_U32, .scope = WEFT_X_COL});
}
static uint32_t constant(struct rig *r, enum weft_xtype type, uint32_t u) {
    return put(r, (struct weft_x){.op = WEFT_XOP_CONST, .type = (uint8_t)type, .u = u});
}
static uint32_t call(struct rig *r, const struct weft_scalar *fn, enum weft_xtype type, uint32_t a, uint32_t b) {
    return put(r, (struct weft_x){.op = WEFT_XOP_CALL, .type = (uint8_t)type, .fn = fn, .n = 2, .a = {a, b}});
}
static uint32_t load(struct rig *r, enum weft_xtype type, uint32_t index) {
    return put(r,
               (struct weft_x){.op = WEFT_XOP_LOAD, .type = (uint8_t)type, .scope = WEFT_X_ROW, .n = 1, .a = {index}});
}
/// Element row * 4 + col.
static uint32_t cell(struct rig *r) {
    uint32_t at = row(r), twice = call(r, &fn_plus, WEFT_X_U32, at, at),
             times = call(r, &fn_plus, WEFT_X_U32, twice, twice);
    return call(r, &fn_plus, WEFT_X_U32, times, col(r));
}
static struct weft_xstore *store(struct rig *r, uint32_t x, uint32_t index) {
    struct weft_xstore *s = &r->e.stores[r->e.n_stores++];
    *s = (struct weft_xstore){.name = "out0", .operand = 1, .x = x, .index = index, .when = WEFT_X_NONE};
    return s;
}
static void run(struct rig *r) {
    if (weft_expr_run(&r->e, &r->host) != WEFT_OK) fail_msg("%s", weft_error_message());
}
static float got(const struct rig *r, int i) {
    float f;
    memcpy(&f, &r->to[i], 4);
    return f;
}

static void coordinates_and_loads(void **state) {
    (void)state;
    struct rig *r = made();
    uint32_t at = cell(r);
    store(r, call(r, &fn_plus, WEFT_X_F32, load(r, WEFT_X_F32, at), constant(r, WEFT_X_F32, 0x3f800000)), at);
    run(r);
    for (int i = 0; i < CELLS; i++) assert_true(got(r, i) == (float)i + 1.5f);
    r->symbols[0] = 0; // no rows: nothing happens
    r->operands[1].count = 0;
    run(r);
    end(r);
}

static void a_condition_guards_a_load_and_a_store(void **state) {
    (void)state;
    struct rig *r = made();
    uint32_t at = cell(r), first = call(r, &fn_less, WEFT_X_F32, at, constant(r, WEFT_X_U32, 5));
    uint32_t x = put(r, (struct weft_x){.op = WEFT_XOP_LOAD, .scope = WEFT_X_ROW, .n = 2, .a = {at, first}});
    r->operands[0].count = 5; // what lies behind is never read
    struct weft_xstore *s = store(r, x, at);
    memset(r->to, 0xff, sizeof r->to);
    run(r);
    for (int i = 0; i < CELLS; i++) assert_true(got(r, i) == (i < 5 ? (float)i + 0.5f : 0));
    s->when = first;
    r->operands[1].count = 5;
    memset(r->to, 0xff, sizeof r->to);
    run(r);
    assert_true(got(r, 4) == 4.5f && isnan(got(r, 5)));
    end(r);
}

/// Nobody relies on a store's condition to keep a load inside: kernels compute what they do not store.
static void what_is_outside_is_an_error(void **state) {
    (void)state;
    struct rig *r = made();
    uint32_t at = cell(r);
    struct weft_xstore *s = store(r, load(r, WEFT_X_F32, at), at);
    r->operands[0].count = CELLS - 1;
    s->when = constant(r, WEFT_X_F32, 0);
    assert_int_equal(weft_expr_run(&r->e, &r->host), WEFT_ERR_INVALID);
    assert_non_null(
        strstr(weft_error_message(), "loads element 11 of operand 'in0', which has 11, at row 2, column 3"));
    r->operands[0].count = CELLS;
    s->when = WEFT_X_NONE;
    r->operands[1].count = 7;
    assert_int_equal(weft_expr_run(&r->e, &r->host), WEFT_ERR_INVALID);
    assert_non_null(strstr(weft_error_message(), "stores element 7 of operand 'out0', which has 7"));
    end(r);
}

static void sizes_variables_and_rows_of_states(void **state) {
    (void)state;
    struct rig *r = made();
    uint32_t at = cell(r), n = put(r, (struct weft_x){.op = WEFT_XOP_DIM, .type = WEFT_X_U32});
    uint32_t columns = put(r, (struct weft_x){.op = WEFT_XOP_COLUMNS, .type = WEFT_X_U32});
    uint32_t var = put(r, (struct weft_x){.op = WEFT_XOP_VAR, .type = WEFT_X_I32, .u = 2});
    uint32_t both = call(r, &fn_plus, WEFT_X_U32, n, columns);
    uint32_t place = put(
        r,
        (struct weft_x){.op = WEFT_XOP_STATE_ROW, .type = WEFT_X_U32, .scope = WEFT_X_ROW, .n = 1, .a = {at}, .u = 1});
    r->vars[2] = (uint32_t)-5;
    r->operands[1].ring = 10;
    r->operands[1].dtype = WEFT_I32;
    store(r, call(r, &fn_plus, WEFT_X_I32, call(r, &fn_plus, WEFT_X_I32, both, var), at), place);
    run(r);
    assert_int_equal((int32_t)r->to[9], 4 + 4 - 5 + 9);
    assert_int_equal((int32_t)r->to[1], 4 + 4 - 5 + 11); // element 11, around the ring
    end(r);
}

static void reductions_and_their_identities(void **state) {
    (void)state;
    static const float full[ROWS] = {0.5f + 1.5f + 2.5f + 3.5f, 4.5f + 5.5f + 6.5f + 7.5f, 8.5f + 9.5f + 10.5f + 11.5f};
    static const enum weft_reduction kinds[] = {WEFT_REDUCE_SUM, WEFT_REDUCE_MAX, WEFT_REDUCE_MIN};
    static const float empty[] = {0, -INFINITY, INFINITY}, of_3[] = {0, 11.5f, 8.5f};
    for (int k = 0; k < 3; k++) {
        struct rig *r = made();
        uint32_t x = load(r, WEFT_X_F32, cell(r));
        uint32_t sum = put(r, (struct weft_x){.op = WEFT_XOP_REDUCE, .n = 1, .a = {x}, .u = kinds[k]});
        store(r, sum, row(r))->once = true;
        run(r);
        assert_true(got(r, 2) == (k ? of_3[k] : full[2]));
        uint32_t nan = 0x7fc00000;
        memcpy(&r->from[1], &nan, 4); // in the first row
        run(r);
        assert_true(isnan(got(r, 0)) && got(r, 1) == (k == 0 ? full[1] : k == 1 ? 7.5f : 4.5f));
        r->symbols[1] = 0; // no columns, but rows, which are stored once
        r->operands[0].count = 0;
        run(r);
        for (int i = 0; i < ROWS; i++) assert_true(got(r, i) == empty[k]);
        end(r);
    }
    struct rig *r = made(); // of integers, which wrap; and a reduction of a reduction
    r->operands[1].dtype = WEFT_U32;
    uint32_t big = constant(r, WEFT_X_U32, 0x60000000);
    uint32_t x =
        put(r, (struct weft_x){.op = WEFT_XOP_REDUCE, .type = WEFT_X_U32, .n = 1, .a = {big}, .u = WEFT_REDUCE_SUM});
    uint32_t y =
        put(r, (struct weft_x){.op = WEFT_XOP_REDUCE, .type = WEFT_X_U32, .n = 1, .a = {x}, .u = WEFT_REDUCE_SUM});
    store(r, y, row(r))->once = true;
    run(r);
    assert_int_equal(r->to[0], (uint32_t)(16 * 0x60000000ull));
    end(r);
}

static double product_of(void *user, uint32_t number, uint64_t at_row, uint64_t at_col) {
    (void)user;
    return (double)(number * 100 + at_row * 10 + at_col);
}
static void take(void *user, uint32_t number, uint64_t at_row, uint64_t at_col, double x) {
    struct rig *r = user;
    assert_int_equal(number, 0);
    r->roots[at_row * COLS + at_col] = x;
}

static void arguments_pairs_and_roots(void **state) {
    (void)state;
    struct rig *r = made();
    uint32_t arg = put(r, (struct weft_x){.op = WEFT_XOP_ARG, .scope = WEFT_X_COL, .u = 2});
    uint32_t pair =
        put(r, (struct weft_x){.op = WEFT_XOP_CALL, .type = WEFT_X_PAIR, .fn = &fn_pair, .n = 1, .a = {arg}});
    uint32_t x = put(r, (struct weft_x){.op = WEFT_XOP_CALL, .fn = &fn_between, .n = 1, .a = {pair}});
    r->e.roots[r->e.n_roots++] = x;
    r->host.arg = product_of;
    r->host.root = take;
    r->host.user = r;
    r->host.exact = true;
    run(r);
    assert_true(fabs(r->roots[2 * COLS + 3] - 223 / 6.0) < 1e-12);
    r->host.exact = false; // each step as f32
    run(r);
    assert_true(r->roots[2 * COLS + 3] == (double)((float)(223 / 2.0) - (float)(223 / 3.0)));
    end(r);
}

static void stores_have_the_operands_type(void **state) {
    (void)state;
    static const weft_dtype types[] = {WEFT_F16, WEFT_BF16, WEFT_I32};
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        struct rig *r = made();
        bool whole = types[k] == WEFT_I32;
        uint32_t x = whole ? constant(r, WEFT_X_I32, (uint32_t)-3) : constant(r, WEFT_X_F32, 0x3f9d70a4); // 1.23
        struct weft_xstore *s = store(r, x, col(r));
        r->e.flat = s->packed = !whole;
        r->symbols[0] = 1;
        r->operands[1].dtype = types[k];
        memset(r->to, 0, sizeof r->to);
        run(r);
        if (whole) assert_int_equal((int32_t)r->to[3], -3);
        else {
            uint16_t h[2];
            memcpy(h, &r->to[1], 4);
            assert_int_equal(h[0], types[k] == WEFT_F16 ? weft_f32_to_f16(1.23f) : weft_f32_to_bf16(1.23f));
            assert_int_equal(h[1], h[0]);
            s->index = constant(r, WEFT_X_U32, 0); // whoever owns words stores its own columns
            assert_int_equal(weft_expr_run(&r->e, &r->host), WEFT_ERR_INTERNAL);
        }
        end(r);
    }
}

/// Elements of 8 bits: with their sign, by fours in a word, and as bits where a program only moves them.
static void bytes_share_words(void **state) {
    (void)state;
    static const uint8_t from[CELLS] = {1, 255, 128, 127, 0, 3, 2, 254};
    static const weft_dtype types[] = {WEFT_I8, WEFT_U8, WEFT_BOOL};
    for (size_t k = 0; k < 3; k++)
        for (int raw = 0; raw < 2; raw++) {
            struct rig *r = made();
            uint32_t at = cell(r), x = load(r, types[k] == WEFT_I8 && !raw ? WEFT_X_I32 : WEFT_X_U32, at);
            uint32_t end_of = constant(r, r->x[x].type, 0);
            store(r, call(r, &fn_plus, r->x[x].type, x, end_of), at)->packed = true;
            memcpy(r->from, from, CELLS);
            memset(r->to, 0xee, sizeof r->to);
            r->operands[0].dtype = r->operands[1].dtype = types[k];
            run(r);
            assert_memory_equal(r->to, from, CELLS);
            assert_int_equal(r->to[CELLS / 4], 0xeeeeeeee);
            if (types[k] == WEFT_I8 && !raw) { // a sign is one
                r->e.n_stores = 0;
                store(r, x, at);
                r->operands[1].dtype = WEFT_I32;
                run(r);
                assert_int_equal((int32_t)r->to[2], -128);
            }
            end(r);
        }
}

/// What is last sees what all others of the point have stored.
static void the_last_store_is_last(void **state) {
    (void)state;
    struct rig *r = made();
    uint32_t at = cell(r);
    store(r, constant(r, WEFT_X_F32, 0x3f800000), at)->last = true;
    store(r, constant(r, WEFT_X_F32, 0x40000000), at);
    run(r);
    assert_true(got(r, 3) == 1);
    end(r);
}

static void a_part_of_the_space(void **state) {
    (void)state;
    struct rig *r = made();
    store(r, constant(r, WEFT_X_F32, 0x3f800000), cell(r));
    r->host.first = 1;
    r->host.end = 2;
    run(r);
    assert_true(got(r, 3) == 0 && got(r, 4) == 1 && got(r, 7) == 1 && got(r, 8) == 0);
    end(r);
}

static void an_unknown_function_is_an_error(void **state) {
    (void)state;
    struct rig *r = made();
    uint32_t at = cell(r);
    store(r, call(r, &fn_device, WEFT_X_F32, at, at), at);
    assert_int_equal(weft_expr_run(&r->e, &r->host), WEFT_ERR_INTERNAL);
    assert_non_null(strstr(weft_error_message(), "'device'"));
    end(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coordinates_and_loads),           cmocka_unit_test(a_condition_guards_a_load_and_a_store),
        cmocka_unit_test(what_is_outside_is_an_error),     cmocka_unit_test(sizes_variables_and_rows_of_states),
        cmocka_unit_test(reductions_and_their_identities), cmocka_unit_test(arguments_pairs_and_roots),
        cmocka_unit_test(stores_have_the_operands_type),   cmocka_unit_test(bytes_share_words),
        cmocka_unit_test(the_last_store_is_last),          cmocka_unit_test(a_part_of_the_space),
        cmocka_unit_test(an_unknown_function_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
