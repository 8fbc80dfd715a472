/// One program compiled for the largest sizes, run at others in any order: results against the host reference, bit for
/// bit against programs bound to each size, and against programs whose graphs know only constants.
#include "../ops/cases_run.h"
#include "exec/session_test.h"
#include "support/graph_run.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>

static bool on_dawn(void) {
    const char *name = getenv("WEFT_WEBGPU");
    return name && strcmp(name, "dawn") == 0 && !weft_test_long();
}

static bool wanted(const char *name) {
    const char *only = getenv("WEFT_TEST_CASE");
    return !only || strstr(name, only);
}

// ---- runners -------------------------------------------------------------------------------------------------------

struct world {
    struct op_runner r;
    weft_program *program;
    weft_session *session;
};

/// A program of the case, with other text if given, and perhaps bound.
static void begin(struct world *w, weft_gpu *gpu, const struct op_case *c, const char *text, const int64_t *bind) {
    struct weft_graph *consumed = NULL;
    *w = (struct world){.r = {.gpu = gpu, .c = c}};
    if (!text) text = c->graph;
    snprintf(w->r.label, sizeof w->r.label, "'%s'%s", c->name,
             text != c->graph ? ", constants"
             : bind           ? ", bound"
                              : "");
    weft_status status = weft_graph_parse(weft_ops(), text, strlen(text), &w->r.g);
    if (status == WEFT_OK) status = weft_graph_parse(weft_ops(), text, strlen(text), &consumed);
    if (status != WEFT_OK) fail_msg("%s: %s\n%s", w->r.label, weft_error_message(), text);
    w->r.leaves = weft_calloc(w->r.g->n_values + 1, sizeof *w->r.leaves);
    w->r.expected = weft_calloc(w->r.g->n_values + 1, sizeof *w->r.expected);
    op_run_begin(w->r.g, &w->r.run);
    for (uint32_t v = 0; v < w->r.g->n_values; v++)
        if (w->r.g->values[v].kind == WEFT_VALUE_WEIGHT) op_make_leaf(&w->r, v);
    struct weft_program_params params = {.compile = {.split_symbol = text == c->graph ? c->split : NULL,
                                                     .split_at = {1, 8},
                                                     .n_splits = 2,
                                                     .bind = bind},
                                         .source = {op_weight, &w->r}};
    status = weft_program_create(gpu, consumed, &params, &w->program);
    if (status == WEFT_OK) status = weft_session_create(w->program, NULL, &w->session);
    if (status != WEFT_OK) fail_msg("%s: %s", w->r.label, weft_error_message());
}

static void end(struct world *w) {
    weft_session_destroy(&w->session);
    weft_program_destroy(&w->program);
    for (uint32_t v = 0; v < w->r.g->n_values; v++) {
        weft_free(w->r.leaves[v].values);
        weft_free(w->r.leaves[v].file);
        weft_free(w->r.expected[v].values);
    }
    weft_free(w->r.leaves);
    weft_free(w->r.expected);
    weft_graph_destroy(w->r.g);
}

static void make_leaves(struct world *w, uint32_t seed) {
    w->r.seed = seed;
    for (uint32_t v = 0; v < w->r.g->n_values; v++)
        if (w->r.g->values[v].kind != WEFT_VALUE_NODE) op_make_leaf(&w->r, v);
}

/// Elements of `a`'s outputs and states that are other bits than those of the same names in `b`; with a tolerance, that
/// are further away.
static int64_t differences(struct world *a, struct world *b, double tolerance) {
    int64_t bad = 0;
    for (uint32_t v = 0; v < a->r.g->n_values; v++) {
        const struct weft_value_info *info = &a->r.g->values[v];
        if (!op_is_result(info)) continue;
        int64_t n = op_count(a->r.g, &info->type, a->r.run.symbols);
        uint64_t bytes = op_device_bytes(info->type.dtype, n);
        uint8_t *x = weft_calloc(bytes + 8, 1), *y = weft_calloc(bytes + 8, 1);
        if (op_read(&a->r, a->session, v, n, x) != WEFT_OK || op_read(&b->r, b->session, v, n, y) != WEFT_OK)
            fail_msg("%s: %s", a->r.label, weft_error_message());
        for (int64_t i = 0; i < n; i++) {
            double p = op_value(info->type.dtype, x, i), q = op_value(info->type.dtype, y, i);
            uint32_t size = op_width(info->type.dtype);
            bool same = memcmp(x + i * size, y + i * size, size) == 0;
            bad += !same && !(tolerance > 0 && fabs(p - q) <= tolerance * (1 + fabs(q)));
        }
        weft_free(x);
        weft_free(y);
    }
    return bad;
}

/// Resizes, uploads, runs; the host reference too if `eval`. False: prints why.
static bool run_at(struct world *w, const int64_t *symbols, uint32_t seed) {
    memcpy(w->r.run.symbols, symbols, sizeof w->r.run.symbols);
    make_leaves(w, seed);
    return !op_run_once(&w->r, w->session, NULL);
}

/// Runs without looking at the result.
static void run_only(struct world *w) {
    if (weft_session_run(w->session, 1, NULL) != WEFT_OK) fail_msg("%s: %s", w->r.label, weft_error_message());
}

// ---- graphs of constants -------------------------------------------------------------------------------------------

/// The text with numbers in place of symbols.
static char *with_constants(const struct weft_graph *g, const char *text, const int64_t *symbols) {
    struct weft_str out = {0};
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        bool declares = strncmp(line, "symbol", 6) == 0 || strncmp(line, "relate", 6) == 0;
        for (size_t i = 0; i < n && !declares;) {
            size_t word = 0;
            while (i + word < n && (isalnum((unsigned char)line[i + word]) || line[i + word] == '_')) word++;
            char name[32] = "";
            memcpy(name, line + i, word < 31 ? word : 31);
            int symbol = word ? weft_dims_symbol_find(g->dims, name) : -1;
            if (symbol >= 0) weft_str_addf(&out, "%lld", (long long)symbols[symbol]);
            else weft_str_addn(&out, line + i, word ? word : 1);
            i += word ? word : 1;
        }
        if (!declares) weft_str_add(&out, "\n");
        line += n + (line[n] == '\n');
    }
    return weft_str_take(&out);
}

/// Bit for bit as the program bound to this size; as the program of constants within the case's model; both as the
/// host.
static int check_size(struct world *live, const int64_t *symbols, uint32_t seed, bool constants) {
    const struct op_case *c = live->r.c;
    struct world other;
    int bad = !run_at(live, symbols, seed);
    begin(&other, live->r.gpu, c, NULL, symbols);
    bad += !run_at(&other, symbols, seed);
    int64_t n = differences(live, &other, 0);
    if (n) printf("'%s': %lld elements differ from the bound program's\n", c->name, (long long)n);
    bad += n != 0;
    end(&other);
    if (!constants) return bad;
    char *text = with_constants(live->r.g, c->graph, symbols);
    begin(&other, live->r.gpu, c, text, NULL);
    bad += !run_at(&other, (const int64_t[WEFT_MAX_SYMBOLS]){0}, seed);
    n = differences(live, &other, c->rel);
    if (n) printf("'%s': %lld elements differ from those of constants\n", c->name, (long long)n);
    bad += n != 0;
    end(&other);
    weft_free(text);
    return bad;
}

// ---- named cases ---------------------------------------------------------------------------------------------------

// Whole numbers: sums are exact whatever their order. Norms and angles have the tolerance of tests/ops.
static const struct op_case named[] = {
    {.name = "rms norm",
     .rel = 1e-5,
     .abs = 1e-5,
     .split = "T",
     .graph = "symbol T 0 64\ninput x f32 [T, 64]\nweight n f32 [64]\n%0 = rms_norm %x %n\n%1 = add %0 %x\n"
              "output %1 y\n"},
    {.name = "quantised embedding, both orders",
     .data = "w = int 0..255; s = int 1..3; i = int 0..29",
     .graph = "symbol T 0 64\ninput i u32 [T]\nweight w u8 [30, 20]\nweight s f32 [30, 2]\n"
              "%0 = embedding_q4gsw %w %s %i {group=32}\n%1 = embedding_q4gsw %w %s %i {group=32, linear_order=1}\n"
              "output %0 high\noutput %1 low\n"},
    {.name = "quantised embedding, tied to its head",
     .split = "T",
     .data = "w = int 0..255; s = int 1..3; t = int 1..3; i = int 0..29",
     .graph = "symbol T 0 64\ninput i u32 [T]\nweight w u8 [30, 20]\nweight s f32 [30, 2]\nweight t f32 [2, 32]\n"
              "%0 = embedding_q4gsw %w %s %i {group=32, linear_order=1}\n%1 = linear_q4gsw %0 %w %t {group=32}\n"
              "output %1 logits\n"},
    {.name = "rope of a query and a key",
     .abs = 1e-6,
     .rel = 1e-6,
     .graph = "symbol T 0 64\ninput q f32 [T, 4, 8]\ninput k f32 [T, 1, 8]\ninput c f32 [64, 4]\ninput s f32 [64, 4]\n"
              "%0 %1 = rope_table %q %k %c %s\noutput %0 yq\noutput %1 yk\n"},
    {.name = "concat",
     .data = "x = int -9..9; y = int -9..9",
     .graph = "symbol T 0 64\ninput x f32 [T, 3]\ninput y f32 [T, 5]\n%0 = concat %x %y {axis=-1}\n"
              "%1 = concat %x %x\noutput %0 columns\noutput %1 rows\n"},
    {.name = "select from the end",
     .data = "x = int -9..9",
     .graph = "symbol T 0 64\ninput x f32 [T+1, 6]\n%0 = select %x {index=-1}\n%1 = select %x {index=-2, axis=1}\n"
              "%2 = neg %0\n%3 = neg %1\noutput %3 column\noutput %2 last\n"},
    {.name = "permute",
     .data = "x = int -9..9",
     .graph = "symbol T 0 64\ninput x f32 [T, 3, 5]\n%0 = transpose %x {perm=[1, 2, 0]}\noutput %0 y\n"},
    {.name = "split",
     .data = "x = int -9..9",
     .graph = "symbol T 0 64\ninput x f32 [T, 9]\n%0 %1 = split %x {sizes=[4, 5], axis=1}\n%2 = neg %0\n"
              "%3 = abs %1\noutput %2 a\noutput %3 b\n"},
    {.name = "gather",
     .data = "t = int -9..9; i = int -30..30",
     .graph = "symbol T 0 64\ninput t f32 [30, 8]\ninput i i32 [T]\n%0 = gather %t %i\noutput %0 y\n"},
    {.name = "product",
     .split = "T",
     .data = "x = int -4..4; w = int -4..4; v = int -4..4",
     .graph = "symbol T 0 64\ninput x f32 [T, 32]\nweight w f32 [24, 32]\n%0 = matmul %x %w\n%1 = relu %0\n"
              "output %1 y\n"},
};
static const int64_t sequence[] = {64, 1, 16, 1, 64, 0, 63};

static void named_cases(void **state) {
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        struct world live;
        if (!wanted(named[i].name)) continue;
        begin(&live, weft_test_gpu(), &named[i], NULL, NULL);
        for (size_t k = 0; k < sizeof sequence / sizeof *sequence; k++) {
            int64_t z[WEFT_MAX_SYMBOLS] = {sequence[k]};
            int failed = check_size(&live, z, 77u * (uint32_t)k, !on_dawn() && k != 3 && k != 4);
            if (failed) printf("'%s' at T = %d\n", named[i].name, (int)sequence[k]);
            bad += failed;
        }
        end(&live);
    }
    assert_int_equal(bad, 0);
}

// ---- several symbols -----------------------------------------------------------------------------------------------

static const struct op_case many = {
    .name = "four symbols",
    .rel = 1e-5,
    .abs = 1e-5,
    .data = "w = int -3..3; x = int -5..5; h = int -9..9",
    .graph = "symbol T 0 16\nsymbol S 0 40\nsymbol B 1 4\nsymbol P 0 32\nrelate T+P <= 40\n"
             "input x f32 [B, T, 8]\ninput y f32 [B, S, 8]\ninput h f16 [T, 3]\ninput q f32 [T, 2, 8]\n"
             "input k f32 [T, 1, 8]\ninput c f32 [40, 4]\ninput s f32 [40, 4]\nweight n f32 [8]\n"
             "weight w q8_0 [32, 32]\n"
             "%0 = rms_norm %x %n\n%1 = concat %0 %y {axis=1}\n%2 = transpose %1 {perm=[0, 2, 1]}\n"
             "%14 %15 = split %1 {sizes=[T, S], axis=1}\n%3 = neg %14\n%4 = neg %15\n"
             "%5 = softmax %2\n%6 = pad %h {before=[S, 0], after=[P, 1]}\n"
             "%7 %8 = rope_table %q %k %c %s {start=P}\n%9 = slice %c {start=P, len=T}\n%10 = neg %9\n"
             "%11 = reshape %x {shape=[B*T, 8]}\n%12 = concat %11 %11 %11 %11 {axis=1}\n%13 = matmul %12 %w\n"
             "output %2 a\noutput %3 b\noutput %4 d\noutput %5 e\noutput %6 f\noutput %7 g\noutput %8 i\n"
             "output %10 j\noutput %13 l\n"};

static void several_symbols_at_random(void **state) {
    (void)state;
    if (on_dawn()) skip(); // some twenty pipelines
    struct world live;
    begin(&live, weft_test_gpu(), &many, NULL, NULL);
    uint32_t seed = 99;
    for (int i = 0; i < 14; i++) {
        static const int64_t top[] = {17, 41, 4, 33};
        int64_t z[WEFT_MAX_SYMBOLS] = {0};
        for (int k = 0; k < 4; k++) {
            seed = seed * 1664525u + 1013904223u;
            z[k] = (int64_t)(seed >> 8) % top[k] + (k == 2);
        }
        if (z[0] + z[3] > 40) z[3] = 40 - z[0];
        if (check_size(&live, z, seed, i % 5 == 0))
            fail_msg("T=%d S=%d B=%d P=%d", (int)z[0], (int)z[1], (int)z[2], (int)z[3]);
    }
    end(&live);
}

// ---- prefill in chunks, then decode --------------------------------------------------------------------------------

enum { CAPACITY = 40, CHUNK = 16 };
static const struct op_case decode = {
    .name = "prefill and decode",
    .rel = 1e-5,
    .abs = 1e-5,
    .split = "T",
    .graph = "symbol T 1 16\nsymbol P 0 39\nrelate T+P <= 40\nvar pos u32 0 40\ninput q f32 [T, 2, 32]\n"
             "input k f32 [T, 1, 32]\ninput v f32 [T, 1, 32]\ninput c f32 [40, 16]\ninput s f32 [40, 16]\n"
             "input bias f32 [40, 64]\nstate ck ring f32 [40, 1, 32]\nstate cv ring f32 [40, 1, 32]\n"
             "%0 %1 = rope_table %q %k %c %s {start=P}\n%2 = cache_append %ck %1 %pos\n%3 = cache_append %cv %v %pos\n"
             "%4 = attention %0 %2 %3 %pos\n%5 = reshape %4 {shape=[T, 64]}\n%6 = slice %bias {start=P, len=T}\n"
             "%7 = add %5 %6\n%8 = advance %pos {by=T}\noutput %7 y\n"};

/// The states of `to` become those of `from`.
static void copy_states(struct world *from, struct world *to) {
    for (size_t i = 0; i < from->r.g->n_states; i++) {
        const struct weft_value_info *info = &from->r.g->values[from->r.g->states[i]];
        uint8_t bytes[CAPACITY * 32 * 4];
        uint32_t word;
        weft_status status;
        if (op_is_var(info)) {
            status = weft_session_get_var(from->session, info->name, &word);
            if (status == WEFT_OK) status = weft_session_set_var(to->session, info->name, word);
        } else {
            status = weft_session_read(from->session, info->name, 0, bytes, sizeof bytes);
            if (status == WEFT_OK) status = weft_session_write(to->session, info->name, 0, bytes, sizeof bytes);
        }
        if (status != WEFT_OK) fail_msg("%s", weft_error_message());
    }
}

/// Writes the inputs, and nothing else: states go on.
static void upload_inputs(struct world *w) {
    for (uint32_t v = 0; v < w->r.g->n_values; v++) {
        const struct weft_value_info *info = &w->r.g->values[v];
        if (info->kind != WEFT_VALUE_INPUT) continue;
        const struct op_leaf *l = &w->r.leaves[v];
        float data[CAPACITY * 64];
        for (int64_t i = 0; i < l->n; i++) data[i] = (float)l->values[i];
        if (weft_session_write(w->session, info->name, 0, data, (uint64_t)l->n * 4) != WEFT_OK)
            fail_msg("%s", weft_error_message());
    }
}

static void step_inputs(struct world *w, const int64_t *symbols, uint32_t seed) {
    memcpy(w->r.run.symbols, symbols, sizeof w->r.run.symbols);
    w->r.seed = seed;
    for (uint32_t v = 0; v < w->r.g->n_values; v++)
        if (w->r.g->values[v].kind == WEFT_VALUE_INPUT) op_make_leaf(&w->r, v);
    upload_inputs(w);
}

/// 24 tokens in chunks of 16 and 8, then one at a time from position 24 to the end: twice the prefill is beyond the
/// capacity of 40, so whoever still counts with the prefill's length reaches past tables and cache.
static void prefill_then_decode(void **state) {
    (void)state;
    struct world live;
    begin(&live, weft_test_gpu(), &decode, NULL, NULL);
    make_leaves(&live, 5); // the host's states begin as zeros
    for (size_t i = 0; i < live.r.g->n_states; i++) {
        struct op_leaf *l = &live.r.leaves[live.r.g->states[i]];
        memset(l->values, 0, (size_t)l->n * sizeof *l->values);
    }
    int64_t at = 0, chunks[] = {16, 8};
    for (uint32_t step = 0; at < CAPACITY; step++) {
        int64_t z[WEFT_MAX_SYMBOLS] = {step < 2 ? chunks[step] : 1, at};
        if (weft_session_resize(live.session, z) != WEFT_OK) fail_msg("%s", weft_error_message());
        step_inputs(&live, z, 1000 + step);
        struct world bound;
        bool compare = step < 4 || at == 31 || at == CAPACITY - 1;
        if (compare) {
            begin(&bound, live.r.gpu, &decode, NULL, z);
            copy_states(&live, &bound);
            step_inputs(&bound, z, 1000 + step);
            run_only(&bound);
        }
        struct weft_eval_params eval = {.symbols = z, .leaf = op_host_leaf, .each = op_keep, .user = &live.r};
        if (weft_graph_eval(live.r.g, &eval) != WEFT_OK) fail_msg("%s", weft_error_message());
        run_only(&live);
        for (uint32_t v = 0; v < live.r.g->n_values; v++) {
            const struct weft_value_info *info = &live.r.g->values[v];
            if (!op_is_result(info)) continue;
            int64_t n = info->kind == WEFT_VALUE_STATE ? live.r.leaves[v].n : live.r.expected[v].n;
            uint8_t got[CAPACITY * 64 * 4];
            assert_int_equal(op_read(&live.r, live.session, v, n, got), WEFT_OK);
            if (op_compare(&live.r, v, got)) fail_msg("T=%d at position %d", (int)z[0], (int)at);
        }
        if (compare) {
            int64_t n = differences(&live, &bound, 0);
            if (n) fail_msg("T=%d at position %d: %lld elements differ", (int)z[0], (int)at, (long long)n);
            end(&bound);
        }
        at += z[0];
    }
    // and a size that would pass the end is refused by name, before anything runs
    assert_int_equal(weft_session_resize(live.session, (const int64_t[WEFT_MAX_SYMBOLS]){16, 25}), WEFT_ERR_INVALID);
    assert_non_null(strstr(weft_error_message(), "T+P is 41"));
    end(&live);
}

// ---- folded grids --------------------------------------------------------------------------------------------------

static const struct op_case folded = {
    .name = "folded grids",
    .rel = 1e-5,
    .abs = 1e-5,
    .data = "i = int 0..29",
    .graph = "symbol T 0 64\ninput x f32 [T, 256]\nweight n f32 [256]\ninput t f32 [30, 128]\ninput i i32 [T]\n"
             "%0 = rms_norm %x %n\n%1 = transpose %0\n%2 = concat %0 %x {axis=1}\n%3 = gather %t %i\n"
             "%4 = pad %x {before=[1, 1], after=[0, 0]}\noutput %1 a\noutput %2 b\noutput %3 c\noutput %4 d\n"};

/// With at most 7 workgroups in a dimension the same numbers come out, from folded grids.
static void a_low_limit_folds(void **state) {
    (void)state;
    weft_gpu *gpu = NULL;
    if (weft_test_open((struct weft_gpu_params){.max_groups = 7}, &gpu) != WEFT_OK)
        fail_msg("%s", weft_error_message());
    struct world wide, narrow;
    begin(&wide, weft_test_gpu(), &folded, NULL, NULL);
    begin(&narrow, gpu, &folded, NULL, NULL);
    for (size_t k = 0; k < sizeof sequence / sizeof *sequence; k++) {
        int64_t z[WEFT_MAX_SYMBOLS] = {sequence[k]};
        assert_true(run_at(&wide, z, (uint32_t)k));
        assert_true(run_at(&narrow, z, (uint32_t)k));
        if (differences(&wide, &narrow, 0)) fail_msg("T = %d: a folded grid computes something else", (int)z[0]);
        struct weft_session_view v = weft_session_view(narrow.session);
        if (z[0] == 0) assert_int_equal(v.n_steps, 1); // the row that pad makes of nothing
        uint32_t n = 0;
        for (uint32_t i = 0; i < v.n_steps; i++) n += v.steps[i].grid[1] > 1;
        assert_true(z[0] < 63 || n >= 3);
    }
    end(&wide);
    end(&narrow);
    weft_gpu_close(&gpu);
}

// ---- negative control ----------------------------------------------------------------------------------------------

/// Parameter words, one a time, are made wrong by one: of every step some change the result, and the comparison with
/// the bound program says so. With the words right again it says nothing.
static void wrong_words_change_results(void **state) {
    (void)state;
    if (on_dawn()) skip(); // its bounds checks are off in tests
    for (size_t c = 0; c < sizeof named / sizeof *named; c++) {
        struct world live, bound;
        int64_t z[WEFT_MAX_SYMBOLS] = {16};
        if (!wanted(named[c].name)) continue;
        begin(&live, weft_test_gpu(), &named[c], NULL, NULL);
        begin(&bound, weft_test_gpu(), &named[c], NULL, z);
        assert_true(run_at(&bound, z, 3));
        const struct weft_plan *plan = weft_program_plan(live.program);
        assert_true(run_at(&live, z, 3));
        const struct weft_schedule *sc = &plan->schedules[weft_session_view(live.session).schedule];
        for (uint32_t step = 0; step < sc->n_steps; step++) {
            uint32_t noticed = 0;
            for (uint32_t w = 0; w < sc->steps[step].bound.n_words; w++) {
                int64_t other[WEFT_MAX_SYMBOLS] = {64};
                assert_true(run_at(&live, other, 100 + w)); // leaves other numbers everywhere
                memcpy(live.r.run.symbols, z, sizeof z);
                make_leaves(&live, 3);
                assert_int_equal(weft_session_resize(live.session, z), WEFT_OK);
                assert_int_equal(op_upload(&live.r, live.session), WEFT_OK);
                weft_session_test_word(live.session, step, w);
                run_only(&live);
                noticed += differences(&live, &bound, 0) != 0;
                weft_session_test_word(live.session, UINT32_MAX, 0);
            }
            if (!noticed) fail_msg("'%s': no word of step %u matters", named[c].name, step);
        }
        assert_true(run_at(&live, z, 3));
        assert_int_equal(differences(&live, &bound, 0), 0);
        end(&live);
        end(&bound);
    }
}

/// A graph of constants that is a row short, or of another seed, is not taken for the same.
static void comparisons_can_fail(void **state) {
    (void)state;
    const struct op_case *c = &named[3];
    struct world live, other;
    int64_t z[WEFT_MAX_SYMBOLS] = {16};
    begin(&live, weft_test_gpu(), c, NULL, NULL);
    begin(&other, weft_test_gpu(), c, NULL, z);
    assert_true(run_at(&live, z, 1));
    assert_true(run_at(&other, z, 2));
    assert_true(differences(&live, &other, 0) > 0);
    assert_true(differences(&live, &other, 1e-3) > 0);
    end(&live);
    end(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_cases),
        cmocka_unit_test(several_symbols_at_random),
        cmocka_unit_test(prefill_then_decode),
        cmocka_unit_test(a_low_limit_folds),
        cmocka_unit_test(wrong_words_change_results),
        cmocka_unit_test(comparisons_can_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
