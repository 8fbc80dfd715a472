/// Every operator case on the device against the host reference, and random fused regions.
#include "cases_pick.h"
#include "cases_run.h"
#include "support/graph_run.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/// WEFT_TEST_CASE=word runs the cases whose names contain it; WEFT_TEST_TIMES=1 prints what each took and how near it
/// came.
static bool wanted(const char *name) {
    const char *only = getenv("WEFT_TEST_CASE");
    return !only || strstr(name, only);
}

/// SwiftShader takes about a second for each kernel: levels of fusion and most random regions are left to the others.
static bool thin(void) { return weft_test_thin(); }

/// CPU drivers are given other tiles and workgroups than GPUs, but run theirs too. Tint and SwiftShader take a second
/// or more for each of them, so there the configurations of wgpu-native must do.
static bool as_gpu_too(void) { return weft_gpu_caps(weft_test_gpu())->kind == WEFT_GPU_CPU && !thin(); }

static struct op_picks picks;

static bool pick_table(const struct op_table *table) {
    bool ok = true;
    for (size_t i = 0; i < table->n; i++)
        for (int kind = 0; kind < (as_gpu_too() ? 2 : 1); kind++)
            for (int level = 0; level < (table->cases[i].levels && !thin() ? OP_LEVELS : 1); level++) {
                struct weft_gpu_caps caps = *weft_gpu_caps(weft_test_gpu());
                if (kind) caps.kind = WEFT_GPU_DISCRETE;
                ok &= op_item_add(&picks, &table->cases[i], level, kind, &caps);
            }
    return ok;
}

static int choose(void **state) {
    (void)state;
    const char *limits = getenv("WEFT_LIMITS");
    size_t n = 0;
    if (!weft_test_gpu()) return 1;
    if (!weft_test_short()) return 0;
    // Each kernel counts in each configuration. Each operator does in one of wgpu-native's; what drivers make of scalar
    // functions and of special values, Dawn has in tests/plan/test_gpu_scalar.c and test_gpu_special.c.
    picks.operators = !thin() && (!limits || strcmp(limits, "min") != 0);
    for (size_t i = 0; i < sizeof op_tables / sizeof *op_tables; i++)
        if (!pick_table(&op_tables[i])) return 1;
    uint32_t texts = op_pick(&picks);
    for (size_t i = 0; i < picks.n; i++) n += picks.items[i].picked;
    print_message("%zu of %zu cases bring all kernels in %u of %zu texts; WEFT_TEST_LONG=1 runs the others too\n", n,
                  picks.n, texts, picks.texts.count);
    return 0;
}

static int forget(void **state) {
    (void)state;
    op_picks_free(&picks);
    return 0;
}

static int run_case(const struct op_case *c, int kind) {
    double worst = 0, start = seconds();
    uint32_t levels = 0;
    for (int level = 0; level < (c->levels && !thin() ? OP_LEVELS : 1); level++)
        if (op_picked(&picks, c, level, kind)) levels |= 1u << level;
    if (!levels || !wanted(c->name)) return 0;
    int bad = op_case_run_at(weft_test_gpu(), c, levels, &worst);
    if (getenv("WEFT_TEST_TIMES")) printf("%6.2f s, %.3f of the tolerance: %s\n", seconds() - start, worst, c->name);
    return bad;
}

static void run_table(void **state) {
    const struct op_table *table = *state;
    int bad = 0;
    for (size_t i = 0; i < table->n; i++) bad += run_case(&table->cases[i], 0);
    assert_int_equal(bad, 0);
}

static void run_table_as_gpu(void **state) {
    const struct op_table *table = *state;
    int bad = 0;
    if (!as_gpu_too()) skip();
    enum weft_gpu_kind was = weft_test_as(WEFT_GPU_DISCRETE);
    for (size_t i = 0; i < table->n; i++) bad += run_case(&table->cases[i], 1);
    weft_test_as(was);
    assert_int_equal(bad, 0);
}

// ---- random regions ------------------------------------------------------------------------------------------------

enum { GRAPHS = 12, MAX_NODES = 12 };

struct random_graph {
    struct weft_str text;
    uint32_t seed, n, uses[MAX_NODES];
    bool row[MAX_NODES];  ///< has one value a row, or along other axes
    bool full[MAX_NODES]; ///< has the shape of x
};

static uint32_t pick(struct random_graph *g, uint32_t n) { return op_random(&g->seed) / 16 % n; }

/// A leaf or an earlier node; `*row` tells whether it has one value a row.
static void operand(struct random_graph *g, char out[16], bool *row) {
    static const char leaves[] = "xyrvs";
    uint32_t k = g->n && pick(g, 4) ? g->n - 1 - pick(g, g->n < 4 ? g->n : 4) : UINT32_MAX;
    if (k == UINT32_MAX) {
        uint32_t i = pick(g, 5);
        snprintf(out, 16, "%%%c", leaves[i]);
        *row = i == 2 || i == 4;
    } else {
        snprintf(out, 16, "%%%u", k);
        g->uses[k]++;
        *row = g->row[k];
    }
}

static bool is_full(const struct random_graph *g, const char *name) {
    return name[1] == 'x' || name[1] == 'y' || (name[1] >= '0' && name[1] <= '9' && g->full[atoi(name + 1)]);
}

/// Functions that keep numbers near 1 and amplify no error: a comparison only of leaves, whose values are exact.
static void add_node(struct random_graph *g) {
    static const char *const unary[] = {"neg", "abs", "tanh", "sigmoid", "square"}, *const binary[] = {"add", "sub",
                                                                                                       "mul", "max",
                                                                                                       "min"};
    static const char *const reduce[] = {"mean", "amax", "amin"};
    static const char *const axes[] = {
        "", "{axes=[0]}", "{axes=[1]}", "{axes=[0, 2]}", "{axes=[-1, 1]}", "{axes=[0, 1]}", "{axes=[2, 1, 0]}"};
    char a[16], b[16];
    bool ra = false, rb = false;
    uint32_t kind = pick(g, 10);
    operand(g, a, &ra);
    if (kind < 2) {
        uint32_t op = pick(g, 5);
        // squares grow: of a bounded value only
        weft_str_addf(&g->text, "%%%u = %s %s\n", g->n, op == 4 && g->n ? "tanh" : unary[op], a);
        g->row[g->n] = ra;
        g->full[g->n] = is_full(g, a);
    } else if (kind < 5 && !ra && a[1] != 'v') {
        const char *along = axes[is_full(g, a) && pick(g, 2) ? pick(g, 7) : 0];
        weft_str_addf(&g->text, "%%%u = %s %s %s\n", g->n, reduce[pick(g, 3)], a, along);
        g->row[g->n] = true;
    } else if (kind == 5) {
        operand(g, b, &rb);
        weft_str_addf(&g->text, "%%c%u = gt %%x %%y\n%%%u = where %%c%u %s %s\n", g->n, g->n, g->n, a, b);
        g->full[g->n] = true;
    } else {
        operand(g, b, &rb);
        weft_str_addf(&g->text, "%%%u = %s %s %s\n", g->n, binary[pick(g, 5)], a, b);
        g->row[g->n] = ra && rb;
        g->full[g->n] = is_full(g, a) || is_full(g, b);
    }
    g->n++;
}

static int run_random(uint32_t seed) {
    struct random_graph g = {.seed = seed * 2654435761u + 99};
    char name[48];
    weft_str_add(&g.text, "symbol T 0 9\ninput x f32 [2, T, 37]\ninput y f32 [2, T, 37]\ninput r f32 [2, T, 1]\ninput "
                          "v f32 [37]\nconst %s f32 [] 0.75\n");
    uint32_t n = 3 + seed % (MAX_NODES - 2);
    // Node 0 has the full shape, so that no reduction meets a scalar.
    weft_str_add(&g.text, "%0 = add %x %r\n");
    g.n = 1;
    g.full[0] = true;
    while (g.n < n) add_node(&g);
    for (uint32_t i = 0; i < g.n; i++)
        if (g.uses[i] == 0 || pick(&g, 4) == 0) weft_str_addf(&g.text, "output %%%u n%u\n", i, i);
    snprintf(name, sizeof name, "random region %u", seed);
    // At most 12 nodes, each adding roundings of a few ulp to numbers that products and sums keep below 100.
    struct op_case c = {.name = name,
                        .graph = weft_str_get(&g.text),
                        .runs = "T=1 | T=0 | T=9",
                        .rel = 1e-5,
                        .abs = 1e-5,
                        .levels = seed < 3 && !thin()};
    int bad = wanted(name) ? op_case_run(weft_test_gpu(), &c, NULL) : 0;
    if (bad) printf("%s:\n%s", name, c.graph);
    weft_str_free(&g.text);
    return bad;
}

static void random_regions(void **state) {
    (void)state;
    assert_non_null(weft_test_gpu());
    int bad = 0;
    for (uint32_t seed = 0; seed < (thin() ? 3 : picks.n ? GRAPHS / 2 : GRAPHS); seed++) bad += run_random(seed);
    assert_int_equal(bad, 0);
}

// ---- negative control ----------------------------------------------------------------------------------------------

/// The comparison must notice a wrong value, a missing rounding and a NaN.
static void comparison_notices(void **state) {
    (void)state;
    assert_non_null(weft_test_gpu());
    printf("three differences are expected:\n");
    struct op_case product = {.name = "product",
                              .runs = "T=3",
                              .rel = 1e-13,
                              .graph = "symbol T 0 4\ninput x f32 [T, 5]\n%0 = mul %x %x\noutput %0 y\n"};
    assert_int_equal(op_case_run(weft_test_gpu(), &product, NULL), 1);
    struct op_result want = {.values = (double[]){1, 2, 3}, .n = 3};
    struct weft_value_info info = {
        .type = {.dtype = WEFT_F32}, .is_output = true, .output_name = "y", .kind = WEFT_VALUE_NODE};
    struct weft_graph g = {.values = &info, .n_values = 1};
    struct op_runner r = {.g = &g,
                          .c = &(struct op_case){.abs = 0.5, .rel = 0.01},
                          .expected = &want,
                          .label = "a wrong number and a NaN"};
    float right[] = {1.4f, 2, 3.02f}, wrong[] = {1, 2, 3.6f}, nan_[] = {1, NAN, 3};
    assert_int_equal(op_compare(&r, 0, (const uint8_t *)right), 0);
    assert_int_equal(op_compare(&r, 0, (const uint8_t *)wrong), 1);
    assert_int_equal(op_compare(&r, 0, (const uint8_t *)nan_), 1);
}

int main(void) {
    enum { TABLES = sizeof op_tables / sizeof *op_tables };
    struct CMUnitTest tests[2 * TABLES + 2];
    char names[TABLES][64];
    size_t n = 0;
    for (size_t i = 0; i < TABLES; i++) {
        void *table = (void *)(uintptr_t)&op_tables[i];
        snprintf(names[i], sizeof names[i], "%s_as_gpu", op_tables[i].name);
        tests[n++] = (struct CMUnitTest){op_tables[i].name, run_table, NULL, NULL, table};
        tests[n++] = (struct CMUnitTest){names[i], run_table_as_gpu, NULL, NULL, table};
    }
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(random_regions);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(comparison_notices);
    return cmocka_run_group_tests(tests, choose, forget);
}
