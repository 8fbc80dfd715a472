/// Fused kernels against the host: every scalar program of the plans of all operator cases, of all kinds of operands,
/// of the golden graphs, of the aliasing cases and of random regions, at several sizes, empty and odd ones among them.
/// What drivers still have to show is that WGSL means what the interpreter does: one case a distinct kernel
/// (tests/ops/test_gpu_ops.c).
#include "core/file.h"
#include "host_rig.h"
#include "ops/operand_forms.h"
#include "support/alias_cases.h"
#include "support/graph_run.h"

#include <glob.h>

struct tally {
    uint64_t plans, refused, runs, programs, elements;
    int bad;
};

static bool quiet; ///< what is found is wanted

/// Under sanitizers a quarter: what they look for depends on paths, not on how many sizes take them.
static uint32_t part_of(uint32_t n) { return weft_test_sanitized() ? n / 4 : n; }

static void tally_print(const char *what, const struct tally *t) {
    print_message("%s: %llu plans, %llu runs, %llu programs, %llu elements compared\n", what,
                  (unsigned long long)t->plans, (unsigned long long)t->runs, (unsigned long long)t->programs,
                  (unsigned long long)t->elements);
}

static enum host_answer run_once(struct host_rig *h, struct tally *t) {
    const struct weft_schedule *sc = host_schedule(h->plan, h->r.run.symbols);
    enum host_answer answer = sc ? host_run(h, sc) : HOST_REFUSED;
    t->runs += answer == HOST_RAN;
    return answer;
}

/// Sizes of a schedule: its least, 0, 1, odd ones, alike and apart.
static void run_sizes(struct host_rig *h, const struct weft_schedule *sc, struct tally *t) {
    static const int64_t sizes[][2] = {{0, 0}, {17, 34}, {1, 1}, {3, 3}, {7, 3}, {3, 7}, {0, 5}, {5, 0}};
    uint32_t n = weft_dims_symbol_count(h->plan->graph->dims);
    h->r.run.n_set = 0;
    for (size_t k = 0; h->bad == 0 && k < (n ? part_of(sizeof sizes / sizeof *sizes) : 1); k++) {
        for (uint32_t i = 0; i < n; i++) {
            int64_t x = sizes[k][i % 2];
            h->r.run.symbols[i] = x < sc->lo[i] ? sc->lo[i] : x > sc->hi[i] ? sc->hi[i] : x;
        }
        run_once(h, t);
    }
}

static int run_plan(const struct weft_plan *plan, const struct op_case *c, struct tally *t) {
    struct host_rig h = host_begin(plan, c);
    t->plans++;
    if (quiet) h.graph = NULL;
    for (int exact = 1; exact >= 0 && h.bad == 0; exact--) {
        const char *cursor = c->runs;
        h.exact = exact;
        op_run_begin(plan->graph, &h.r.run);
        while (h.bad == 0 && op_run_next(plan->graph, &cursor, &h.r.run))
            if (run_once(&h, t) == HOST_REFUSED) host_complain(&h, "%s", weft_error_message());
        for (uint32_t k = 0; k < plan->n_schedules && h.bad == 0; k++) run_sizes(&h, &plan->schedules[k], t);
    }
    t->programs += h.n_programs;
    t->elements += h.n_elements;
    t->bad += h.bad != 0;
    int bad = h.bad;
    host_end(&h);
    return bad;
}

static int run_text(const struct op_case *c, const struct weft_gpu_caps *caps, const struct weft_compile_params *params,
                    struct tally *t) {
    struct weft_graph *g = NULL;
    struct weft_plan *plan = NULL;
    if (weft_graph_parse(weft_ops(), c->graph, strlen(c->graph), &g) != WEFT_OK) return 0; // some kinds of operands
    if (weft_compile(g, caps, params, &plan) != WEFT_OK) {
        t->refused++;
        return 0;
    }
    int bad = run_plan(plan, c, t);
    weft_plan_destroy(plan);
    return bad;
}

// ---- tables --------------------------------------------------------------------------------------------------------

static void test_operator_cases(void **state) {
    (void)state;
    struct tally t = {0};
    struct weft_gpu_caps caps = fixture_caps();
    for (size_t i = 0; i < sizeof op_tables / sizeof *op_tables; i++)
        for (size_t k = 0; k < op_tables[i].n; k++)
            for (int level = 0; level < 3; level++) {
                struct op_case c = op_tables[i].cases[k];
                struct weft_compile_params params = {.as_written = level != 2, .no_fuse = level == 1};
                if (c.split)
                    params = (struct weft_compile_params){
                        .no_fuse = level, .split_symbol = c.split, .split_at = {1, 8}, .n_splits = 2};
                c.rel = fmax(c.rel, 1e-5);
                c.abs = fmax(c.abs, 1e-6);
                run_text(&c, &caps, &params, &t);
            }
    tally_print("operator cases", &t);
    assert_int_equal(t.bad, 0);
    assert_int_equal(t.refused, 0);
    assert_true(t.programs > part_of(3000));
}

struct operands {
    struct tally t;
    struct weft_str text;
    struct weft_gpu_caps caps;
};

static void run_operand(void *user, const struct operand_graph *o) {
    struct operands *s = user;
    static const struct weft_compile_params params = {.as_written = true};
    if (!operand_text(&s->text, o) || o->form->odd) return;
    struct op_case c = {.name = o->form->op, .graph = weft_str_get(&s->text), .rel = 1e-4, .abs = 1e-5};
    if (strstr(c.graph, "f16") || strstr(c.graph, "q8")) c.rel = c.abs = 0.02;
    run_text(&c, &s->caps, &params, &s->t);
}

static void test_kinds_of_operands(void **state) {
    (void)state;
    struct operands s = {.caps = fixture_caps()};
    operand_graphs(run_operand, &s);
    weft_str_free(&s.text);
    tally_print("kinds of operands", &s.t);
    assert_int_equal(s.t.bad, 0);
    assert_true(s.t.programs > part_of(3000));
}

static void test_golden_graphs(void **state) {
    (void)state;
    struct tally t = {0};
    char pattern[512];
    glob_t found;
    const char *source = getenv("WEFT_TEST_SOURCE");
    snprintf(pattern, sizeof pattern, "%s/tests/golden/*.weft", source ? source : ".");
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (int min = 0; min < 2; min++) {
        struct weft_gpu_caps caps = fixture_caps();
        if (min) weft_gpu_caps_min(&caps);
        for (size_t i = 0; i < found.gl_pathc; i++) {
            char *text;
            size_t size;
            if (weft_file_read(found.gl_pathv[i], 0, &text, &size) != WEFT_OK) fail_msg("%s", weft_error_message());
            struct op_case c = {.name = found.gl_pathv[i], .graph = text, .rel = 1e-2, .abs = 1e-2};
            run_text(&c, &caps, NULL, &t);
            weft_free(text);
        }
    }
    globfree(&found);
    tally_print("golden graphs", &t);
    assert_int_equal(t.bad, 0);
}

static int run_alias(void *user, const struct alias_case *a) {
    struct weft_gpu_caps caps = fixture_caps();
    struct op_case c = {.name = a->name, .graph = a->graph, .rel = a->tolerance, .abs = a->tolerance};
    return run_text(&c, &caps, NULL, user);
}

static void test_aliasing_cases(void **state) {
    (void)state;
    struct tally t = {0};
    alias_cases(run_alias, &t, part_of(200));
    tally_print("aliasing cases", &t);
    assert_int_equal(t.bad, 0);
    assert_true(t.programs > part_of(500));
}

// ---- random regions ------------------------------------------------------------------------------------------------

/// Values so far of a random graph, with their axes as text.
struct made {
    char dims[3][16];
    uint32_t rank;
    weft_dtype dtype;
};
struct random_graph {
    struct made v[40];
    uint32_t n, seed;
    struct weft_str text;
};

static uint32_t pick(struct random_graph *r, uint32_t n) { return (fixture_random(&r->seed) >> 8) % n; }

static bool wide_enough(const struct made *a, const struct made *b) { // b is broadcast to a
    if (b->rank > a->rank || a->dtype != b->dtype) return false;
    for (uint32_t k = 0; k < b->rank; k++) {
        const char *x = a->dims[a->rank - b->rank + k], *y = b->dims[k];
        if (strcmp(x, y) != 0 && strcmp(y, "1") != 0) return false;
    }
    return true;
}

static void add_leaf(struct random_graph *r) {
    static const char *const sizes[] = {"6", "1", "6", "T", "S"};
    static const weft_dtype types[] = {WEFT_F32, WEFT_F32, WEFT_F32, WEFT_F16, WEFT_I32, WEFT_U8};
    struct made *m = &r->v[r->n];
    *m = (struct made){.rank = 1 + pick(r, 3), .dtype = types[pick(r, 6)]};
    bool state = pick(r, 4) == 0; // of constant sizes
    weft_str_addf(&r->text, "%s v%u %s%s [", state ? "state" : "input", r->n, state ? "dense " : "",
                  weft_dtype_name(m->dtype));
    for (uint32_t k = 0; k < m->rank; k++) {
        snprintf(m->dims[k], sizeof m->dims[k], "%s", sizes[pick(r, state ? 3 : 5)]);
        weft_str_addf(&r->text, "%s%s", k ? ", " : "", m->dims[k]);
    }
    weft_str_add(&r->text, "]\n");
    r->n++;
}

static struct made *begin_node(struct random_graph *r, const struct made *like) {
    r->v[r->n] = *like;
    weft_str_addf(&r->text, "%%v%u = ", r->n);
    return &r->v[r->n];
}

/// Another node on some values; what it makes is no number that rounding makes another one.
static void add_node(struct random_graph *r) {
    static const char *const unary[] = {"neg", "abs", "square", "tanh", "sigmoid", "relu"};
    static const char *const binary[] = {"add", "sub", "mul", "max", "min"};
    static const char *const reduces[] = {"sum", "mean", "amax", "amin"};
    uint32_t a = pick(r, r->n), b = pick(r, r->n);
    const struct made x = r->v[a], y = r->v[b];
    bool real = x.dtype == WEFT_F32 || x.dtype == WEFT_F16;
    uint32_t kind = pick(r, 10), axis = pick(r, x.rank), last = x.rank - 1;
    bool six = strcmp(x.dims[axis], "6") == 0;
    struct made *m;
    if (kind < 2 && real) begin_node(r, &x), weft_str_addf(&r->text, "%s %%v%u", unary[pick(r, 6)], a);
    else if (kind < 5 && wide_enough(&x, &y))
        begin_node(r, &x), weft_str_addf(&r->text, "%s %%v%u %%v%u", binary[pick(r, 5)], a, b);
    else if (kind == 5 && real) {
        m = begin_node(r, &x);
        weft_str_addf(&r->text, "%s %%v%u", reduces[pick(r, 4)], a);
        snprintf(m->dims[last], sizeof m->dims[last], "1");
    } else if (kind == 6 && x.rank > 1) {
        m = begin_node(r, &x);
        weft_str_addf(&r->text, "transpose %%v%u", a);
        for (uint32_t k = 0; k < x.rank; k++) memcpy(m->dims[k], x.dims[x.rank - 1 - k], sizeof m->dims[k]);
    } else if (kind == 7 && six) {
        m = begin_node(r, &x);
        weft_str_addf(&r->text, "slice_copy %%v%u {start=%u, len=3, axis=%u}", a, 1 + pick(r, 3), axis);
        snprintf(m->dims[axis], sizeof m->dims[axis], "3");
    } else if (kind == 8 && x.rank == y.rank && x.dtype == y.dtype && memcmp(x.dims, y.dims, sizeof x.dims) == 0) {
        m = begin_node(r, &x);
        weft_str_addf(&r->text, "concat %%v%u %%v%u {axis=%u}", a, b, axis);
        snprintf(m->dims[axis], sizeof m->dims[axis], "2*%.12s", x.dims[axis]);
    } else if (kind == 9) {
        m = begin_node(r, &x);
        m->dtype = real ? WEFT_F32 : WEFT_I32;
        weft_str_addf(&r->text, "cast %%v%u {to=%s}", a, weft_dtype_name(m->dtype));
    } else return;
    weft_str_add(&r->text, "\n");
    r->n++;
}

static void test_random_regions(void **state) {
    (void)state;
    struct tally t = {0};
    struct weft_gpu_caps caps = fixture_caps();
    for (uint32_t k = 0; k < part_of(800); k++) {
        struct random_graph r = {.seed = 0x9e3779b9u * (k + 1)};
        weft_str_add(&r.text, "symbol T 0 40\nsymbol S 0 40\n");
        uint32_t leaves = 2 + pick(&r, 3), nodes = leaves + 3 + pick(&r, 9);
        while (r.n < leaves) add_leaf(&r);
        for (uint32_t i = 0; i < 200 && r.n < nodes; i++) add_node(&r);
        for (uint32_t i = leaves; i < r.n; i++)
            if (i + 2 >= r.n || pick(&r, 3) == 0) weft_str_addf(&r.text, "output %%v%u o%u\n", i, i);
        struct op_case c = {.name = "random", .graph = weft_str_get(&r.text), .rel = 0.02, .abs = 0.02};
        struct weft_compile_params params = {.as_written = k % 2 == 0, .no_fuse = k % 7 == 0};
        run_text(&c, &caps, &params, &t);
        weft_str_free(&r.text);
    }
    tally_print("random regions", &t);
    assert_int_equal(t.bad, 0);
    assert_true(t.plans > part_of(400));
}

// ---- negative controls ---------------------------------------------------------------------------------------------

static const char controlled[] = "symbol T 0 9\n"
                                 "input x f32 [T, 6]\ninput y f32 [6]\ninput h f16 [T, 6]\ninput i i32 [T, 6]\n"
                                 "state s dense f32 [20, 6]\nvar n u32 0 20\n"
                                 "%a = mul %x %y\n%m = mean %a\n%d = sub %a %m\noutput %d d\n"
                                 "%t = transpose %x\n%k = slice_copy %t {start=1, len=4}\noutput %k k\n"
                                 "%c = concat %h %h {axis=1}\noutput %c c\n"
                                 "%j = add %i %i\noutput %j j\n"
                                 "%p = cache_append %s %x %n\n";

static int control(struct weft_plan *plan, bool exact) {
    struct op_case c = {.name = "control", .graph = controlled, .rel = 1e-5, .abs = 1e-5, .data = "n = 17"};
    struct host_rig h = host_begin(plan, &c);
    h.graph = NULL; // says nothing
    h.exact = exact;
    h.r.run.symbols[0] = 5;
    assert_int_equal(host_run(&h, &plan->schedules[0]), HOST_RAN);
    int bad = h.bad;
    host_end(&h);
    return bad;
}

/// One wrong instruction in any program: another constant, index, function or kind of reduction.
static void test_wrong_programs_are_noticed(void **state) {
    (void)state;
    struct weft_plan *plan = fixture_plan(controlled, NULL, NULL);
    uint32_t tried = 0, missed = 0;
    assert_int_equal(control(plan, true), 0);
    assert_int_equal(control(plan, false), 0);
    for (uint32_t i = 0; i < plan->schedules[0].n_steps; i++)
        for (uint32_t p = 0; p < plan->schedules[0].steps[i].n_programs; p++) {
            const struct weft_expr *e = &plan->schedules[0].steps[i].programs[p];
            for (uint32_t k = 0; k < e->n_x; k++) {
                struct weft_x *x = &e->x[k], was = *x;
                bool read = false;
                for (uint32_t r = 0; r < e->n_x; r++)
                    for (uint32_t a = 0; a < e->x[r].n; a++) read |= e->x[r].a[a] == k;
                if (x->op == WEFT_XOP_CONST && read && x->u != WEFT_MOST_POSITION)
                    x->u ^= x->type == WEFT_X_F32 ? 1u << 29 : 1;
                else if (x->op == WEFT_XOP_LOAD) x->a[0] = e->x_col + (e->x[x->a[0]].op == WEFT_XOP_COL ? 1 : 0);
                else if (x->op == WEFT_XOP_REDUCE) x->u = WEFT_REDUCE_MAX;
                else if (x->op == WEFT_XOP_COL) x->op = WEFT_XOP_ROW;
                else continue;
                tried++;
                if (control(plan, true) == 0) {
                    missed++;
                    print_message("step '%s', instruction %u (kind %u, %u): not noticed\n",
                                  plan->schedules[0].steps[i].label, k, was.op, was.u);
                }
                *x = was;
            }
            for (uint32_t k = 0; k < e->n_stores; k++) {
                struct weft_xstore *s = (struct weft_xstore *)&e->stores[k], was = *s;
                s->index = e->x_n;
                tried++;
                missed += control(plan, true) == 0;
                *s = was;
            }
        }
    print_message("%u wrong programs\n", tried);
    assert_int_equal(missed, 0);
    assert_true(tried > 25);
    assert_int_equal(control(plan, true), 0);
    weft_plan_destroy(plan);
}

static int run_unchecked(void *user, const struct alias_case *a) {
    struct weft_gpu_caps caps = fixture_caps();
    struct weft_compile_params params = {.skip_alias_check = 2};
    struct op_case c = {.name = a->name, .graph = a->graph, .rel = a->tolerance, .abs = a->tolerance};
    struct tally t = {0};
    quiet = true;
    run_text(&c, &caps, &params, &t);
    quiet = false;
    *(int *)user += t.bad;
    return 0;
}

/// Where overlaps of what a step reads and writes are all taken for one element map, points meet.
static void test_overlaps_are_noticed(void **state) {
    (void)state;
    int noticed = 0;
    alias_cases(run_unchecked, &noticed, 0);
    print_message("%d plans without care for overlaps\n", noticed);
    assert_true(noticed > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_programs_are_noticed),
        cmocka_unit_test(test_overlaps_are_noticed),
        cmocka_unit_test(test_operator_cases),
        cmocka_unit_test(test_kinds_of_operands),
        cmocka_unit_test(test_golden_graphs),
        cmocka_unit_test(test_aliasing_cases),
        cmocka_unit_test(test_random_regions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
