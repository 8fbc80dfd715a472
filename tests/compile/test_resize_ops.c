/// Every operator under changing sizes: blocks and grids of one program compiled for the largest sizes, resized back
/// and forth, against programs bound to each size; and proof that no word of any step can be wrong unnoticed. On the
/// null device.
#include "support/resize_rig.h"
#include "../ops/cases.h"

#define MAX_SIZES 16

static weft_gpu *open_null(uint32_t max_groups) {
    weft_gpu *gpu = NULL;
    struct weft_gpu_params params = {.implementation = "null", .max_groups = max_groups};
    if (weft_gpu_open(&params, &gpu) != WEFT_OK) fail_msg("%s", weft_error_message());
    return gpu;
}

/// Zeros for all weights: what they hold has no part in sizes.
static weft_status zeros(void *user, const char *name, const void **data, uint64_t *bytes) {
    static uint8_t nothing[8 << 20];
    const struct weft_graph *g = user;
    const struct weft_value_info *info = &g->values[weft_graph_find(g, name)];
    uint64_t n = 1;
    for (uint32_t i = 0; i < info->type.rank; i++) n *= (uint64_t)weft_dim_eval(g->dims, info->type.dims[i], NULL);
    *data = nothing;
    *bytes = weft_dtype_bytes(info->type.dtype, n);
    assert_true(*bytes <= sizeof nothing);
    return WEFT_OK;
}

struct sizes {
    int64_t values[MAX_SIZES][WEFT_MAX_SYMBOLS];
    uint32_t n;
};

static struct sizes sizes_of(const struct weft_graph *g, const struct op_case *c) {
    struct sizes s = {.n = 0};
    struct op_run run;
    op_run_begin(g, &run);
    for (const char *cursor = c->runs; s.n < MAX_SIZES && op_run_next(g, &cursor, &run);) {
        uint32_t k = 0;
        while (k < s.n && memcmp(s.values[k], run.symbols, sizeof run.symbols) != 0) k++;
        if (k == s.n) memcpy(s.values[s.n++], run.symbols, sizeof run.symbols);
    }
    return s;
}

static struct weft_program_params params_of(const struct op_case *c, int level, struct weft_graph *g,
                                            const int64_t *bind) {
    return (struct weft_program_params){.compile = {.split_symbol = c->split,
                                                    .split_at = {1, 8},
                                                    .n_splits = c->split ? 2 : 0,
                                                    .no_fuse = level,
                                                    .bind = bind},
                                        .source = {zeros, g}};
}

struct total {
    uint32_t graphs, sizes, compared, steps, words;
};

/// Steps back and forth through the sizes, each against the program that knows only it.
static void compare_case(weft_gpu *gpu, const struct op_case *c, int level, struct total *total) {
    struct weft_graph *g = rig_graph(c->graph);
    struct sizes s = sizes_of(g, c);
    struct rig live, bound[MAX_SIZES];
    struct weft_program_params params = params_of(c, level, g, NULL);
    if (rig_begin(&live, gpu, c->graph, &params) != WEFT_OK) fail_msg("'%s': %s", c->name, weft_error_message());
    for (uint32_t k = 0; k < s.n; k++) {
        params = params_of(c, level, g, s.values[k]);
        if (rig_begin(&bound[k], gpu, c->graph, &params) != WEFT_OK)
            fail_msg("'%s', bound: %s", c->name, weft_error_message());
    }
    for (uint32_t turn = 0; turn < 3; turn++) {
        for (uint32_t i = 0; i < s.n; i++) {
            uint32_t k = turn == 1 ? s.n - 1 - i : (i * (2 * turn + 1)) % s.n;
            if (rig_resize(&live, s.values[k]) != WEFT_OK) fail_msg("'%s': %s", c->name, weft_error_message());
            int n = rig_differences(&live, &bound[k]);
            if (n) fail_msg("'%s', no_fuse %d, size %u of %u: %d differences", c->name, level, k, s.n, n);
            total->compared++;
        }
    }
    for (uint32_t k = 0; k < s.n; k++) rig_end(&bound[k]);
    rig_end(&live);
    weft_graph_destroy(g);
    total->graphs++;
    total->sizes += s.n;
}

/// Forgot nothing: every operator of ops.def that has a case with symbols.
static void every_operator_at_every_size(void **state) {
    (void)state;
    weft_gpu *gpu = open_null(0);
    struct total total = {0};
    for (size_t t = 0; t < sizeof op_tables / sizeof *op_tables; t++)
        for (size_t i = 0; i < op_tables[t].n; i++)
            for (int level = 0; level < (op_tables[t].cases[i].levels ? 3 : 1); level++)
                compare_case(gpu, &op_tables[t].cases[i], level, &total);
    weft_gpu_close(&gpu);
    print_message("%u graphs, %u sizes, %u comparisons\n", total.graphs, total.sizes, total.compared);
    assert_true(total.compared > 500);
}

/// Operators that no case runs with symbols would slip through the comparison.
static void every_operator_has_symbolic_cases(void **state) {
    (void)state;
    static const char *const fixed[] = {"sample"}; // one row of states of constant size
#define X(name) #name,
    static const char *const listed[] = {
#include "ops/ops.def"
    };
#undef X
    for (size_t k = 0; k < sizeof listed / sizeof *listed; k++) {
        bool found = false;
        for (size_t t = 0; t < sizeof op_tables / sizeof *op_tables; t++) {
            for (size_t i = 0; i < op_tables[t].n && !found; i++) {
                struct weft_graph *g = rig_graph(op_tables[t].cases[i].graph);
                struct sizes s = sizes_of(g, &op_tables[t].cases[i]);
                for (size_t n = 0; n < g->n_nodes; n++)
                    found |= s.n > 1 && strcmp(g->nodes[n].op->name, listed[k]) == 0;
                weft_graph_destroy(g);
            }
        }
        for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) found |= strcmp(fixed[i], listed[k]) == 0;
        if (!found) fail_msg("operator '%s' has no case with two sizes", listed[k]);
    }
}

/// Makes each word of each step wrong, one at a time.
static void wrong_words_of(weft_gpu *gpu, const struct op_case *c, struct total *total) {
    struct weft_graph *g = rig_graph(c->graph);
    struct sizes s = sizes_of(g, c);
    struct rig live, bound;
    struct weft_program_params params = params_of(c, 0, g, NULL);
    if (rig_begin(&live, gpu, c->graph, &params) != WEFT_OK) fail_msg("'%s': %s", c->name, weft_error_message());
    params = params_of(c, 0, g, s.values[0]);
    if (rig_begin(&bound, gpu, c->graph, &params) != WEFT_OK) fail_msg("'%s': %s", c->name, weft_error_message());
    assert_int_equal(rig_resize(&live, s.values[0]), WEFT_OK);
    struct weft_session_view v = weft_session_view(live.session);
    for (uint32_t i = 0; i < v.n_steps; i++) {
        uint32_t step;
        rig_block(&live, i, &step);
        uint32_t words = weft_program_plan(live.program)->schedules[v.schedule].steps[step].bound.n_words;
        for (uint32_t w = 0; w < words; w++) {
            weft_session_test_word(live.session, step, w);
            rig_follow(&live);
            if (rig_differences(&live, &bound) != 1)
                fail_msg("'%s': word %u of step %u is wrong, and nobody minds", c->name, w, step);
            total->words++;
        }
        total->steps++;
    }
    weft_session_test_word(live.session, UINT32_MAX, 0);
    rig_follow(&live);
    assert_int_equal(rig_differences(&live, &bound), 0);
    rig_end(&live);
    rig_end(&bound);
    weft_graph_destroy(g);
}

static void every_word_counts(void **state) {
    (void)state;
    weft_gpu *gpu = open_null(0);
    struct total total = {0};
    for (size_t t = 0; t < sizeof op_tables / sizeof *op_tables; t++)
        for (size_t i = 0; i < op_tables[t].n; i++) wrong_words_of(gpu, &op_tables[t].cases[i], &total);
    weft_gpu_close(&gpu);
    print_message("%u words of %u steps\n", total.words, total.steps);
    assert_true(total.words > 1000);
}

// ---- several symbols at random -------------------------------------------------------------------------------------

static const struct op_case many = {
    .name = "four symbols",
    .split = "T",
    .graph = "symbol T 0 16\nsymbol S 0 40\nsymbol B 1 4\nsymbol P 0 32\nrelate T+P <= 40\n"
             "input x f32 [B, T, 8]\ninput y f32 [B, S, 8]\ninput h f16 [T, 3]\ninput q f32 [T, 2, 8]\n"
             "input k f32 [T, 1, 8]\ninput c f32 [40, 4]\ninput s f32 [40, 4]\nweight n f32 [8]\n"
             "weight w q8_0 [32, 32]\n"
             "%0 = rms_norm %x %n\n%1 = concat %0 %y {axis=1}\n%2 = transpose %1 {perm=[0, 2, 1]}\n"
             "%3 %4 = split %1 {sizes=[T, S], axis=1}\n%5 = softmax %2\n%6 = pad %h {before=[S, 0], after=[P, 1]}\n"
             "%7 %8 = rope_table %q %k %c %s {start=P}\n%9 = slice %c {start=P, len=T}\n%10 = neg %9\n"
             "%11 = reshape %x {shape=[B*T, 8]}\n%12 = concat %11 %11 %11 %11 {axis=1}\n%13 = matmul %12 %w\n"
             "output %2 a\noutput %3 b\noutput %4 d\noutput %5 e\noutput %6 f\noutput %7 g\noutput %8 i\n"
             "output %10 j\noutput %13 l\n"};

static void several_symbols_at_random(void **state) {
    (void)state;
    weft_gpu *gpu = open_null(0);
    struct weft_graph *g = rig_graph(many.graph);
    struct weft_program_params params = params_of(&many, 0, g, NULL);
    struct rig live, bound;
    uint32_t seed = 4711, refused = 0;
    if (rig_begin(&live, gpu, many.graph, &params) != WEFT_OK) fail_msg("%s", weft_error_message());
    for (int i = 0; i < 150; i++) {
        static const int64_t top[] = {17, 41, 5, 33};
        int64_t z[WEFT_MAX_SYMBOLS] = {0};
        for (int k = 0; k < 4; k++) {
            seed = seed * 1664525u + 1013904223u;
            z[k] = (int64_t)(seed >> 8) % top[k];
        }
        bool legal = z[2] >= 1 && z[0] + z[3] <= 40;
        struct weft_session_view before = weft_session_view(live.session);
        weft_status status = rig_resize(&live, z);
        assert_int_equal(status, legal ? WEFT_OK : WEFT_ERR_INVALID);
        if (!legal) { // nothing has changed
            refused++;
            assert_ptr_equal(before.steps, weft_session_view(live.session).steps);
            continue;
        }
        if (i % 2) continue;
        params = params_of(&many, 0, g, z);
        if (rig_begin(&bound, gpu, many.graph, &params) != WEFT_OK) fail_msg("%s", weft_error_message());
        int n = rig_differences(&live, &bound);
        if (n) fail_msg("T=%d S=%d B=%d P=%d: %d differences", (int)z[0], (int)z[1], (int)z[2], (int)z[3], n);
        rig_end(&bound);
    }
    assert_true(refused > 10 && refused < 75);
    rig_end(&live);
    weft_graph_destroy(g);
    weft_gpu_close(&gpu);
}

// ---- nothing, and too much -----------------------------------------------------------------------------------------

static const char small[] = "symbol T 0 64\ninput x f32 [T, 32]\nweight n f32 [32]\n%0 = rms_norm %x %n\n"
                            "%1 = transpose %0\n%2 = concat %0 %0 {axis=1}\noutput %1 y\noutput %2 z\n";

/// No rows: the steps are skipped. More groups than a dimension has: the grid is folded, and covers all.
static void empty_and_folded_are_two_things(void **state) {
    (void)state;
    const struct op_case c = {.graph = small};
    weft_gpu *wide = open_null(0), *narrow = open_null(5);
    assert_int_equal(weft_gpu_caps(narrow)->max_groups, 5);
    struct weft_graph *g = rig_graph(small);
    struct weft_program_params params = params_of(&c, 0, g, NULL);
    struct rig a, b;
    assert_int_equal(rig_begin(&a, wide, small, &params), WEFT_OK);
    assert_int_equal(rig_begin(&b, narrow, small, &params), WEFT_OK);
    static const int64_t sizes[] = {64, 1, 16, 1, 64, 0, 63};
    uint32_t folded = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int64_t z[WEFT_MAX_SYMBOLS] = {sizes[i]};
        assert_int_equal(rig_resize(&a, z), WEFT_OK);
        assert_int_equal(rig_resize(&b, z), WEFT_OK);
        struct weft_session_view x = weft_session_view(a.session), y = weft_session_view(b.session);
        assert_int_equal(x.n_steps, sizes[i] ? 2 : 0); // the norm; both moves side by side
        assert_int_equal(y.n_steps, x.n_steps);
        for (uint32_t k = 0; k < x.n_steps; k++) {
            const uint32_t *one = x.steps[k].grid, *fold = y.steps[k].grid;
            assert_true(fold[0] <= 5 && fold[1] <= 5 && fold[2] <= 5);
            assert_true((uint64_t)fold[0] * fold[1] * fold[2] >= (uint64_t)one[0] * one[1] * one[2]);
            folded += fold[1] > 1;
        }
    }
    assert_true(folded >= 6);
    rig_end(&a);
    rig_end(&b);
    // what no folding covers is refused when the program is made, with the step and the limit
    weft_gpu *tiny = open_null(2);
    assert_int_equal(rig_begin(&b, tiny, small, &params), WEFT_ERR_LIMIT);
    assert_non_null(strstr(weft_error_message(), "workgroups"));
    rig_end(&b);
    weft_graph_destroy(g);
    weft_gpu_close(&wide);
    weft_gpu_close(&narrow);
    weft_gpu_close(&tiny);
}

/// What reads rows by position refuses sizes that reach past them, by name, and stays as it was.
static void short_tables_are_named(void **state) {
    (void)state;
    static const struct {
        const char *graph;
        int64_t good[2], bad[2];
        const char *words[4];
    } cases[] = {
        {"symbol T 0 64\nsymbol P 0 64\ninput q f32 [T, 2, 8]\ninput k f32 [T, 1, 8]\ninput freqs f32 [48, 4]\n"
         "weight sines f16 [80, 4]\n%0 %1 = rope_table %q %k %freqs %sines {start=P}\noutput %0 a\noutput %1 b\n",
         {16, 32},
         {17, 32},
         {"rope_table of 'freqs'", "T+P", "49", "48"}},
        {"symbol T 0 64\nsymbol P 0 64\ninput x f32 [T, 4]\ninput table f32 [40, 4]\n"
         "%0 = slice %table {start=P, len=T}\n%1 = add %x %0\noutput %1 y\n",
         {30, 10},
         {30, 11},
         {"slice of 'table'", "T+P", "41", "40"}},
        {"symbol T 0 64\nsymbol P 0 64\ninput x f32 [T, 4]\n"
         "%0 = slice %x {start=-3, len=3}\n%1 = neg %0\noutput %1 y\n",
         {3, 0},
         {2, 0},
         {"slice of 'x'", "T-3", "-1", "starts"}},
        {"symbol T 0 64\nsymbol P 0 64\ninput x f32 [T, 4]\n"
         "%0 %1 = split %x {sizes=[P, 2]}\n%2 = neg %0\noutput %2 y\n",
         {5, 3},
         {5, 4},
         {"split of 'x'", "P+2", "6", "5"}},
        {"symbol T 0 64\nsymbol P 0 64\ninput x f32 [T, 4]\ninput z f32 [P, 4]\n"
         "%0 = concat %x %z {axis=1}\noutput %0 y\n",
         {5, 5},
         {5, 4},
         {"concat of 'z'", "(T)", "5", "4"}},
        {"symbol T 0 64\nsymbol P 0 64\ninput x f32 [T, 4]\n"
         "%0 = slice %x {start=1, len=P, step=3}\noutput %0 y\n",
         {8, 3},
         {7, 3},
         {"slice of 'x'", "up to", "8", "7"}},
        {"symbol T 0 64\nsymbol P 0 64\ninput x f32 [T, 4]\n"
         "%0 = slice %x {start=-1, len=P, step=-2}\noutput %0 y\n",
         {5, 3},
         {5, 4},
         {"slice of 'x'", "starts at", "-2", "T"}},
        {"symbol T 0 64\nsymbol P 0 64\ninput x f32 [T, 4]\n%0 = expand %x {shape=[2, P, 4]}\noutput %0 y\n",
         {5, 5},
         {5, 4},
         {"expand of 'x'", "(T)", "5", "4"}},
    };
    weft_gpu *gpu = open_null(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct op_case c = {.graph = cases[i].graph};
        struct weft_graph *g = rig_graph(cases[i].graph);
        struct weft_program_params params = params_of(&c, 0, g, NULL);
        struct rig r;
        int64_t good[WEFT_MAX_SYMBOLS] = {0}, bad[WEFT_MAX_SYMBOLS] = {0};
        memcpy(good, cases[i].good, sizeof cases[i].good);
        memcpy(bad, cases[i].bad, sizeof cases[i].bad);
        if (rig_begin(&r, gpu, cases[i].graph, &params) != WEFT_OK) fail_msg("%s", weft_error_message());
        if (rig_resize(&r, good) != WEFT_OK) fail_msg("%s", weft_error_message());
        struct weft_session_view before = weft_session_view(r.session);
        uint64_t written = rig_written(gpu);
        assert_int_equal(rig_resize(&r, bad), WEFT_ERR_INVALID);
        for (int k = 0; k < 4; k++)
            if (!strstr(weft_error_message(), cases[i].words[k]))
                fail_msg("'%s' lacks '%s'", weft_error_message(), cases[i].words[k]);
        struct weft_session_view after = weft_session_view(r.session);
        assert_true(before.steps == after.steps && before.n_steps == after.n_steps);
        assert_int_equal(rig_written(gpu), written);
        assert_memory_equal(weft_session_symbols(r.session), good, sizeof cases[i].good);
        rig_end(&r);
        params = params_of(&c, 0, g, bad); // a program for that size alone is refused likewise
        assert_int_equal(rig_begin(&r, gpu, cases[i].graph, &params), WEFT_ERR_INVALID);
        assert_non_null(strstr(weft_error_message(), cases[i].words[0]));
        rig_end(&r);
        weft_graph_destroy(g);
    }
    weft_gpu_close(&gpu);
}

/// What fits for no size is refused by the call that adds the operator.
static void never_is_refused_at_once(void **state) {
    (void)state;
    static const struct {
        const char *graph, *words;
    } cases[] = {
        {"symbol T 33 64\ninput q f32 [T, 2, 8]\ninput c f32 [32, 4]\n%0 %1 = rope_table %q %q %c %c\noutput %0 a\n",
         "rows of this table"},
        {"input x f32 [4, 4]\n%0 = slice %x {start=-5, len=1, axis=1}\noutput %0 a\n", "never inside axis 1"},
        {"input x f32 [4, 4]\n%0 %1 = split %x {sizes=[1, 2]}\noutput %0 a\n", "add up to"},
        {"input x f32 [4, 4]\n%0 = select %x {index=0, axis=2}\noutput %0 a\n", "has no axis 2"},
        {"input x f32 [4, 4]\n%0 = transpose %x {perm=[1, 1]}\noutput %0 a\n", "twice"},
        {"input x f32 [4, 4]\ninput y f32 [4, 5]\n%0 = concat %x %y\noutput %0 a\n", "differ in axis 1"},
        {"input x f32 [4, 4]\n%0 = split %x {sizes=[4], axis=0} \"s\"\n%1 %2 = split %x {sizes=[4]}\noutput %0 a\n",
         "another number of results"},
        {"input x i32 [4]\n%0 = pad %x {before=[1], after=[0], value=0.5}\noutput %0 a\n", "0.5 is no i32"},
        {"input x i32 [4]\n%0 = pad %x {before=[1], after=[0], value=3000000000.0}\noutput %0 a\n", "is no i32"},
        {"input x u32 [4]\n%0 = pad %x {before=[1], after=[0], value=-1.0}\noutput %0 a\n", "-1 is no u32"},
        {"input x i8 [4]\n%0 = pad %x {before=[1], after=[0], value=128.0}\noutput %0 a\n", "128 is no i8"},
        {"input x u8 [4]\n%0 = pad %x {before=[1], after=[0], value=256.0}\noutput %0 a\n", "256 is no u8"},
        {"input x bool [4]\n%0 = pad %x {before=[1], after=[0], value=2.0}\noutput %0 a\n", "2 is no bool"},
        {"input x f32 [4, 4]\n%0 = slice %x {start=0, len=4, step=0}\noutput %0 a\n", "step is 0"},
        {"input x f32 [4, 4]\n%0 = slice %x {start=1, len=2, step=-2}\noutput %0 a\n", "never inside axis 0"},
        {"input x f32 [4, 4]\n%0 = slice %x {start=0, len=3, step=2}\noutput %0 a\n", "never inside axis 0"},
        {"weight w q8_0 [4, 32]\n%0 = slice %w {start=0, len=2, step=2}\noutput %0 a\n", "gather"},
        {"input x f32 [4, 4]\n%0 = flip %x {axes=[1, -1]}\noutput %0 a\n", "twice"},
        {"input x f32 [4, 4]\n%0 = flip %x {axes=[2]}\noutput %0 a\n", "no axis 2"},
        {"input x f32 [4, 4]\n%0 = expand %x {shape=[4]}\noutput %0 a\n", "it has 2 to"},
        {"input x f32 [4, 4]\n%0 = expand %x {shape=[-1, 4, 4]}\noutput %0 a\n", "no such axis to keep"},
        {"input x f32 [4, 4]\n%0 = expand %x {shape=[4, 8]}\noutput %0 a\n", "its shape says"},
        {"weight w q8_0 [4, 32]\n%0 = expand %w {shape=[2, 4, 32]}\noutput %0 a\n", "holds blocks"},
        {"input x f32 [4, 4]\n%0 = tile %x {repeats=[2]}\noutput %0 a\n", "lists 1 numbers for the 2 axes"},
        {"input x f32 [4, 4]\n%0 = tile %x {repeats=[2, -1]}\noutput %0 a\n", "one of repeats is"},
        {"input x f32 [4, 4]\n%0 = repeat %x {times=-1}\noutput %0 a\n", "times is"},
        {"input x f32 []\n%0 = roll %x {shift=1}\noutput %0 a\n", "axis 0"},
        {"input q f32 [2, 2, 0]\ninput c f32 [32, 0]\n%0 %1 = rope_table %q %q %c %c\noutput %0 a\n", "head size"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weft_graph *g = NULL;
        assert_int_not_equal(weft_graph_parse(weft_ops(), cases[i].graph, strlen(cases[i].graph), &g), WEFT_OK);
        if (!strstr(weft_error_message(), cases[i].words))
            fail_msg("'%s' lacks '%s'", weft_error_message(), cases[i].words);
        weft_graph_destroy(g);
    }
}

/// A bound program takes its own size only.
static void bound_programs_take_one_size(void **state) {
    (void)state;
    weft_gpu *gpu = open_null(0);
    const struct op_case c = {.graph = small};
    struct weft_graph *g = rig_graph(small);
    int64_t z[WEFT_MAX_SYMBOLS] = {16};
    struct weft_program_params params = params_of(&c, 0, g, z), whole = params_of(&c, 0, g, NULL);
    struct rig bound, full;
    assert_int_equal(rig_begin(&bound, gpu, small, &params), WEFT_OK);
    assert_int_equal(rig_begin(&full, gpu, small, &whole), WEFT_OK);
    assert_int_equal(weft_session_symbols(bound.session)[0], 16);
    assert_int_equal(rig_resize(&bound, &(int64_t){17}), WEFT_ERR_INVALID);
    assert_non_null(strstr(weft_error_message(), "16 alone"));
    assert_true(weft_program_memory(bound.program).transients * 2 < weft_program_memory(full.program).transients);
    assert_true(weft_program_memory(bound.program).io * 2 < weft_program_memory(full.program).io);
    assert_true(rig_differences(&full, &bound) > 0); // negative control: 64 rows are not 16
    rig_end(&bound);
    rig_end(&full);
    weft_graph_destroy(g);
    weft_gpu_close(&gpu);
}

/// A table and the head that is tied to it: one weight of 4-bit numbers, and their own scales.
static void tied_bytes_are_one_weight(void **state) {
    (void)state;
    static const char text[] =
        "symbol T 1 8\ninput ids u32 [T]\nweight w u8 [1001, 48]\nweight s f32 [1001, 3]\nweight t f32 [3, 1004]\n"
        "%0 = embedding_q4gsw %w %s %ids {group=32, linear_order=1}\n%1 = linear_q4gsw %0 %w %t {group=32}\n"
        "output %1 y\n";
    weft_gpu *gpu = open_null(0);
    const struct op_case c = {.graph = text, .split = "T"};
    struct weft_graph *g = rig_graph(text);
    struct weft_program_params params = params_of(&c, 0, g, NULL);
    struct rig r;
    uint64_t before = rig_written(gpu);
    if (rig_begin(&r, gpu, text, &params) != WEFT_OK) fail_msg("%s", weft_error_message());
    const struct weft_plan *plan = weft_program_plan(r.program);
    assert_int_equal(plan->n_weights, 3);
    uint64_t file = 1001 * 48 + 1001 * 3 * 4 + 3 * 1001 * 4, blocks = weft_session_view(r.session).staged_bytes;
    assert_true(weft_program_memory(r.program).weights <= file + 3 * 256);
    assert_in_range(rig_written(gpu) - before, file + blocks, file + blocks + 1024); // variables; the last word
    rig_end(&r);
    weft_graph_destroy(g);
    weft_gpu_close(&gpu);
}

/// Layouts that do not fit are refused with the shape that would.
static void q4gsw_shapes_are_checked(void **state) {
    (void)state;
    static const struct {
        const char *graph, *words;
    } cases[] = {
        {"input i u32 [2]\nweight w u8 [9, 16]\nweight s f32 [1, 9]\n%0 = embedding_q4gsw %w %s %i {group=32}\n",
         "f32[9, 1]"},
        {"input i u32 [2]\nweight w i32 [9, 16]\nweight s f32 [9, 1]\n%0 = embedding_q4gsw %w %s %i {group=32}\n",
         "must be u8"},
        {"input x f32 [2, 31]\nweight w u8 [9, 16]\nweight s f32 [1, 9]\n%0 = linear_q4gsw %x %w %s {group=32}\n",
         "f32[1, 12]"},
        {"input x f32 [2, 33]\nweight w u8 [9, 16]\nweight s f32 [1, 12]\n%0 = linear_q4gsw %x %w %s {group=32}\n",
         "[..., 31] or [..., 32]"},
        {"input x f32 [2, 32]\nweight w u8 [9, 16]\nweight s f32 [1, 12]\ninput b f32 [10]\n"
         "%0 = linear_q4gsw %x %w %s %b {group=32}\n",
         "f32 [9] or [12]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weft_graph *g = NULL;
        assert_int_equal(weft_graph_parse(weft_ops(), cases[i].graph, strlen(cases[i].graph), &g), WEFT_ERR_INVALID);
        if (!strstr(weft_error_message(), cases[i].words))
            fail_msg("'%s' lacks '%s'", weft_error_message(), cases[i].words);
        weft_graph_destroy(g);
    }
}

/// A graph without symbols writes its blocks once, when the session is made.
static void static_graphs_write_once(void **state) {
    (void)state;
    static const char text[] =
        "input x f32 [8, 32]\ninput q f32 [8, 2, 8]\ninput c f32 [20, 4]\nweight n f32 [32]\n%0 = rms_norm %x %n\n"
        "%1 = transpose %0\n%2 = concat %x %0 {axis=1}\n%3 %4 = split %2 {sizes=[30, 34], axis=1}\n"
        "%5 %6 = rope_table %q %q %c %c {start=12}\n%7 = select %1 {index=-1, axis=1}\noutput %2 y\noutput %4 z\n"
        "output %5 a\noutput %7 b\n";
    weft_gpu *gpu = open_null(0);
    const struct op_case c = {.graph = text};
    struct weft_graph *g = rig_graph(text);
    struct weft_program_params params = params_of(&c, 0, g, NULL);
    struct rig r;
    if (rig_begin(&r, gpu, text, &params) != WEFT_OK) fail_msg("%s", weft_error_message());
    uint64_t written = rig_written(gpu);
    struct weft_session_view first = weft_session_view(r.session);
    assert_true(first.n_steps >= 3);
    for (int64_t i = 0; i < 20; i++) {
        assert_int_equal(rig_resize(&r, &i), WEFT_OK); // there is no symbol that this could set
        assert_int_equal(weft_session_run(r.session, 1, NULL), WEFT_OK);
    }
    assert_int_equal(r.writes, 0);
    assert_int_equal(rig_written(gpu), written);
    assert_ptr_equal(weft_session_view(r.session).steps, first.steps);
    rig_end(&r);
    weft_graph_destroy(g);
    weft_gpu_close(&gpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator_at_every_size),
        cmocka_unit_test(every_operator_has_symbolic_cases),
        cmocka_unit_test(every_word_counts),
        cmocka_unit_test(several_symbols_at_random),
        cmocka_unit_test(empty_and_folded_are_two_things),
        cmocka_unit_test(short_tables_are_named),
        cmocka_unit_test(never_is_refused_at_once),
        cmocka_unit_test(bound_programs_take_one_size),
        cmocka_unit_test(static_graphs_write_once),
        cmocka_unit_test(tied_bytes_are_one_weight),
        cmocka_unit_test(q4gsw_shapes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
