/// Plans with operands larger than a binding: every operator has a case (big_cases.h), at the usual and at minimum
/// limits; what the checker must notice; which step is cut and which has segments; clear refusals.
#include "big_cases.h"
#include "plan_fixture.h"
#include "support/wgsl_check.h"
#include "tiny_bindings.h"

static struct weft_gpu_caps limited(bool min) {
    struct weft_gpu_caps caps = fixture_caps();
    if (min) weft_gpu_caps_min(&caps);
    caps.max_binding = BIG_LIMIT;
    return caps;
}

static uint64_t most_bytes(const struct weft_graph *g, weft_value v) {
    uint64_t n = weft_accessor_width(g->values[v].type.dtype);
    for (uint32_t i = 0; i < g->values[v].type.rank; i++) {
        int64_t lo, hi;
        weft_dim_bounds(g->dims, g->values[v].type.dims[i], &lo, &hi);
        n *= (uint64_t)hi;
    }
    return n;
}

static bool has_large_node(const struct weft_graph *g, const char *op) {
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        const struct weft_node *node = &g->nodes[n];
        if (strcmp(node->op->name, op) != 0) continue;
        for (uint32_t i = 0; i < node->n_in; i++)
            if (most_bytes(g, node->in[i]) > BIG_LIMIT) return true;
        for (uint32_t i = 0; i < node->n_out; i++)
            if (most_bytes(g, node->out[i]) > BIG_LIMIT) return true;
    }
    return false;
}

static bool has_case(const char *op) {
    for (size_t i = 0; i < sizeof big_exempt / sizeof *big_exempt; i++)
        if (strcmp(big_exempt[i].op, op) == 0) return true;
    bool found = false;
    for (size_t i = 0; i < N_BIG && !found; i++) {
        struct weft_graph *g = fixture_graph(big_cases[i].graph);
        found = has_large_node(g, op);
        weft_graph_destroy(g);
    }
    return found;
}

/// Every operator of ops.def has a case with an operand or a result above the limit.
static void every_operator_has_a_case(void **state) {
    (void)state;
    uint32_t missing = 0;
    for (size_t i = 0; i < N_BIG_LISTED; i++) {
        if (has_case(big_listed[i])) continue;
        print_message("no case with large operands: %s\n", big_listed[i]);
        missing++;
    }
    assert_int_equal(missing, 0);
    assert_false(has_case("no such operator"));
}

/// Segments and pieces of a plan. Every binding is within the limit, which the checker has seen to as well.
static void count(const struct weft_plan *p, uint32_t *segmented, uint32_t *pieces) {
    *segmented = *pieces = 0;
    for (uint32_t k = 0; k < p->n_schedules; k++) {
        for (uint32_t i = 0; i < p->schedules[k].n_steps; i++) {
            const struct weft_step *s = &p->schedules[k].steps[i];
            *pieces += s->split.end != 0;
            for (uint32_t o = 0; o < s->n_operands; o++) *segmented += s->operands[o].bound.n_segments > 1;
            for (uint32_t n = 1; n < s->bound.n_slots; n++) assert_true(s->bound.slots[n].size <= BIG_LIMIT);
        }
    }
}

static void all_cases_compile(void **state) {
    (void)state;
    for (int min = 0; min < 2; min++) {
        struct weft_gpu_caps caps = limited(min);
        for (size_t i = 0; i < N_BIG; i++) {
            for (int level = 0; level < 3; level++) {
                struct weft_compile_params params = {.no_fuse = level};
                struct weft_plan *p = fixture_plan(big_cases[i].graph, &caps, &params);
                uint32_t segmented, pieces;
                count(p, &segmented, &pieces);
                if (fixture_repeated(p)) fail_msg("'%s' repeats: %s", big_cases[i].name, fixture_repeated(p));
                if (segmented + pieces == 0 && !strstr(big_cases[i].graph, "q8_0"))
                    fail_msg("'%s' has no operand above the limit", big_cases[i].name);
                weft_plan_destroy(p);
            }
        }
    }
}

/// Kernels with segments and pieces, as Tint takes them.
static void tint_takes_them(void **state) {
    (void)state;
    struct weft_wgsl_texts texts = {0};
    struct weft_gpu_caps caps = limited(true);
    for (size_t i = 0; i < N_BIG; i++) {
        struct weft_plan *p = fixture_plan(big_cases[i].graph, &caps, NULL);
        for (uint32_t k = 0, seen = 0; k < p->schedules[0].n_steps; k++) {
            const struct weft_step *s = &p->schedules[0].steps[k];
            bool large = s->split.end != 0;
            for (uint32_t o = 0; o < s->n_operands; o++) large |= s->operands[o].bound.n_segments > 1;
            if (!large || s->bound.pipeline < seen) continue;
            seen = s->bound.pipeline + 1;
            weft_wgsl_texts_add(&texts, s->label, s->bound.wgsl, NULL);
        }
        weft_plan_destroy(p);
    }
    assert_true(texts.n > 30);
    weft_wgsl_assert_tint(&texts);
}

static const char add_large[] = "symbol T 0 600\ninput x f32 [T, 1000]\ninput y f32 [T, 1000]\n%0 = add %x %y\n"
                                "output %0 z\n";
static const char by_random_access[] = "symbol I 0 9\ninput t f32 [400, 1001]\ninput i u32 [I]\n%0 = gather %t %i\n"
                                       "output %0 y\n";

/// A size that falls as a symbol grows: the pieces cover what the smallest symbol needs, and the checker knows.
static void pieces_cover_sizes_that_fall(void **state) {
    (void)state;
    struct weft_gpu_caps caps = limited(true);
    struct weft_plan *p =
        fixture_plan("symbol S 1 300\ninput x f32 [900-S, 1000]\n%0 = tanh %x\noutput %0 y\n", &caps, NULL);
    struct weft_schedule *sc = &p->schedules[0];
    assert_true(sc->steps[0].split.end != 0);
    for (int64_t t = 1; t <= 300; t += 13) {
        uint64_t groups = 0, whole = ((uint64_t)(900 - t) * 1000 + 255) / 256;
        for (uint32_t i = 0; i < sc->n_steps; i++) {
            uint32_t words[WEFT_MAX_WORDS], grid[3];
            int64_t symbols[WEFT_MAX_SYMBOLS] = {t};
            struct weft_update u = {p->graph->dims, symbols, &caps, &sc->steps[i]};
            weft_step_update(&u, words, grid);
            groups += words[sc->steps[i].n_fields - 2];
        }
        assert_int_equal(groups, whole);
    }
    sc->n_steps--;
    REFUSED(weft_plan_check(p, sc), WEFT_ERR_INTERNAL, "does not do its part");
    weft_plan_destroy(p);
}

/// Of two ranges of one state that a step reads and writes, one may be narrowed to a piece, one may not: then neither
/// is, and what else is large makes room for their segments.
static void ranges_of_one_state_are_narrowed_alike(void **state) {
    (void)state;
    struct weft_gpu_caps caps = limited(true);
    struct weft_plan *p = fixture_plan(
        "symbol S 0 100\nstate m dense f32 [1000000]\ninput x f32 [400000]\ninput z f32 [400000]\n"
        "%a = slice %m {start=S, len=400000}\n%b = add %a %x\n%c = mul %b %z\n%1 = assign %m %c {start=500000}\n",
        &caps, NULL);
    const struct weft_step *s = &p->schedules[0].steps[0];
    assert_true(s->split.end != 0);
    for (uint32_t i = 0; i < s->n_operands; i++) {
        bool of_state = p->schedules[0].tensors[s->operands[i].tensor].mem == WEFT_MEM_STATE;
        assert_int_equal(s->operands[i].bound.n_segments, of_state ? 4 : 1);
    }
    weft_plan_destroy(p);
}

/// Tables of pages are looked up through one binding; contexts whose table is larger are refused by name.
static void page_tables_have_an_end(void **state) {
    (void)state;
    static const char text[] = "symbol T 1 8\ninput q f32 [T, 1, 4]\ninput x f32 [T, 1, 4]\nvar p u32 0 1048576\n"
                               "state k paged f32 [1048576, 1, 4]\n%0 = cache_append %k %x %p\n"
                               "%1 = attention %q %0 %0 %p\noutput %1 y\n%2 = advance %p {by=T}\n";
    struct weft_gpu_caps caps = limited(true);
    struct weft_compile_params params = {.page_rows = 4};
    struct weft_plan *p = NULL;
    REFUSED(weft_compile(fixture_graph(text), &caps, &params, &p), WEFT_ERR_LIMIT, "choose larger pages");
    params.page_rows = 8;
    p = fixture_plan(text, &caps, &params);
    assert_true(p->vars_bytes <= caps.max_binding);
    weft_plan_destroy(p);
}

static const char pools[] = "symbol T 1 8\ninput q f32 [T, 2, 128]\ninput x f32 [T, 1, 128]\nvar p u32 0 4096\n"
                            "state k paged f32 [4096, 1, 128]\nstate v paged f16 [4096, 1, 128]\n"
                            "%0 = cache_append %k %x %p\n%1 = cache_append %v %x %p\n"
                            "%2 = attention %q %0 %1 %p\noutput %2 y\n%3 = advance %p {by=T}\n";

/// Pools of contexts that one binding does not hold have banks; as many as attention can bind.
static void pools_have_banks(void **state) {
    (void)state;
    for (uint32_t limit = 8; limit <= 16; limit += 8) {
        struct weft_gpu_caps caps = limited(true);
        caps.max_storage_buffers = limit;
        struct weft_plan *p = fixture_plan(pools, &caps, NULL);
        const struct weft_plan_pages *g = &p->page_groups[0];
        uint32_t seen = 0, reader = 0;
        assert_int_equal(g->bank_pages, BIG_LIMIT / (64 * 512)); // rows of 512 bytes, 64 a page
        assert_int_equal(g->n_banks, limit == 8 ? 2 : 5);
        for (uint32_t i = 0; i < p->schedules[0].n_steps; i++) {
            const struct weft_step *s = &p->schedules[0].steps[i];
            for (uint32_t o = 0; o < s->n_operands; o++) {
                const struct weft_operand *at = &s->operands[o];
                const struct weft_tensor *t = &p->schedules[0].tensors[at->tensor];
                if (!t->bank_bytes) continue;
                seen++;
                if (strncmp(s->label, "attention", 9) == 0) reader = i;
                assert_int_equal(at->bound.n_segments, g->n_banks);
                assert_int_equal(at->bound.segment_bytes, g->bank_pages * p->states[t->index].page_bytes);
                for (uint32_t b = 0; b < g->n_banks; b++) assert_int_equal(s->bound.slots[at->bound.slot + b].bank, b);
            }
        }
        assert_int_equal(seen, 4);                                       // two are written, two are read
        struct weft_step *s = &p->schedules[0].steps[reader], keep = *s; // and the checker looks at them
        uint32_t o = 0;
        while (s->operands[o].bound.n_segments < 2) o++;
        s->bound.slots[s->operands[o].bound.slot + 1].bank = 0;
        REFUSED(weft_plan_check(p, &p->schedules[0]), WEFT_ERR_INTERNAL, "do not hold its bytes");
        *s = keep;
        s->operands[o].bound.segment_bytes -= 256;
        REFUSED(weft_plan_check(p, &p->schedules[0]), WEFT_ERR_INTERNAL, "do not hold its bytes");
        *s = keep;
        assert_int_equal(weft_plan_check(p, &p->schedules[0]), WEFT_OK);
        weft_plan_destroy(p);
    }
}

/// A slice of one row that no binding holds is a copy: those who read it have bindings for a few of its segments only.
static void slices_of_large_rows_are_copied(void **state) {
    (void)state;
    static const char text[] =
        "symbol T 0 1\ninput x f32 [T, 1835008]\ninput z f32 [T, 4096]\nweight w f32 [8, 64]\n%0 = neg %x\n"
        "%1 = slice_copy %0 {start=5, len=64, axis=1}\n%2 = matmul %1 %w\noutput %2 y\n"
        "%3 = neg %z\n%4 = slice_copy %3 {start=5, len=64, axis=1}\n%5 = matmul %4 %w\noutput %5 small\n";
    struct weft_gpu_caps caps = limited(true);
    struct weft_plan *p = fixture_plan(text, &caps, NULL);
    uint32_t copies = 0;
    for (uint32_t i = 0; i < p->schedules[0].n_steps; i++)
        copies += strstr(p->schedules[0].steps[i].label, "slice_copy") != NULL;
    assert_int_equal(copies, 1);
    weft_plan_destroy(p);
}

/// A page fits a binding: pages get fewer rows, and whoever asks for more is told.
static void pages_fit_a_binding(void **state) {
    (void)state;
    static const char text[] = "symbol T 1 2\ninput x f32 [T, 1, 50000]\nvar p u32 0 64\n"
                               "state k paged f32 [64, 1, 50000]\n%0 = cache_append %k %x %p\n%1 = advance %p {by=T}\n";
    struct weft_gpu_caps caps = limited(true);
    struct weft_compile_params params = {.page_rows = 8};
    struct weft_plan *p = NULL;
    REFUSED(weft_compile(fixture_graph(text), &caps, &params, &p), WEFT_ERR_LIMIT, "choose fewer rows a page");
    p = fixture_plan(text, &caps, NULL);
    assert_int_equal(p->page_groups[0].shift, 2);
    assert_int_equal(p->page_groups[0].bank_pages, 1);
    weft_plan_destroy(p);

    // One bank that a context fills to the last row has no room for the page that is nobody's.
    static const char full[] = "symbol T 1 8\ninput x f32 [T, 1, 128]\nvar p u32 0 4096\n"
                               "state k paged f32 [2048, 1, 128]\n%0 = cache_append %k %x %p\n%1 = advance %p {by=T}\n";
    p = fixture_plan(full, &caps, NULL);
    assert_int_equal(p->page_groups[0].bank_pages, p->page_groups[0].n);
    assert_int_equal(p->page_groups[0].n_banks, 2);
    weft_plan_destroy(p);

    // Elements have numbers of 32 bits, in all banks together.
    caps.max_binding = caps.max_buffer = (uint64_t)4 << 30;
    caps.max_storage_buffers = 16;
    static const char huge[] =
        "symbol T 1 8\ninput x f16 [T, 1, 4096]\nvar p u32 0 4096\n"
        "state k paged f16 [1000000, 1, 4096]\n%0 = cache_append %k %x %p\n%1 = advance %p {by=T}\n";
    p = fixture_plan(huge, &caps, NULL);
    assert_int_equal(p->page_groups[0].n_banks, 1);
    assert_true((uint64_t)p->page_groups[0].bank_pages * p->states[0].page_bytes / 2 <= UINT32_MAX);
    weft_plan_destroy(p);

    caps.max_binding = caps.max_buffer = (uint64_t)64 << 30; // a page of which has too many
    static const char larger[] =
        "symbol T 1 2\ninput x f16 [T, 1, 2097152]\nvar p u32 0 4096\n"
        "state k paged f16 [8192, 1, 2097152]\n%0 = cache_append %k %x %p\n%1 = advance %p {by=T}\n";
    params.page_rows = 4096;
    REFUSED(weft_compile(fixture_graph(larger), &caps, &params, &p), WEFT_ERR_LIMIT, "more than have numbers");
}

/// A program for one size is not validated by the memory that others would take.
static void one_size_is_validated_by_itself(void **state) {
    (void)state;
    static const char text[] = "symbol T 1 1000000\ninput x f32 [T, 1000]\n%0 = tanh %x\noutput %0 y\n";
    struct weft_gpu_caps caps = limited(true);
    struct weft_compile_params params = {.bind = (int64_t[WEFT_MAX_SYMBOLS]){3}};
    struct weft_plan *p = NULL;
    REFUSED(weft_compile(fixture_graph(text), &caps, NULL, &p), WEFT_ERR_LIMIT, "lower the bounds of its symbols");
    p = fixture_plan(text, &caps, &params);
    weft_plan_destroy(p);
}

/// Pieces cover the rows, share one pipeline, and are empty where the live rows end before them.
static void elementwise_is_cut(void **state) {
    (void)state;
    struct weft_gpu_caps caps = limited(true);
    struct weft_plan *p = fixture_plan(add_large, &caps, NULL);
    const struct weft_schedule *sc = &p->schedules[0];
    assert_true(sc->n_steps >= 3);
    assert_int_equal(p->n_pipelines, 1);
    for (int64_t t = 0; t <= 600; t += 75) {
        uint64_t groups = 0, whole = ((uint64_t)t * 1000 + 255) / 256;
        for (uint32_t i = 0; i < sc->n_steps; i++) {
            uint32_t words[WEFT_MAX_WORDS], grid[3];
            int64_t symbols[WEFT_MAX_SYMBOLS] = {t};
            struct weft_update u = {
                .dims = p->graph->dims, .symbols = symbols, .caps = &p->caps, .step = &sc->steps[i]};
            weft_step_update(&u, words, grid);
            uint64_t n = (uint64_t)grid[0] * grid[1] * grid[2];
            if (whole <= sc->steps[i].split.first) assert_int_equal(n, 0);
            groups += n;
        }
        assert_int_equal(groups, whole);
    }
    weft_plan_destroy(p);
}

static void random_access_has_segments(void **state) {
    (void)state;
    struct weft_gpu_caps caps = limited(true);
    struct weft_plan *p = fixture_plan(by_random_access, &caps, NULL);
    uint32_t segmented, pieces;
    count(p, &segmented, &pieces);
    assert_int_equal(segmented, 1);
    assert_int_equal(pieces, 0);
    struct weft_str text = {0};
    weft_plan_print(p, false, &text);
    assert_non_null(strstr(weft_str_get(&text), "w[1/2]"));
    weft_str_free(&text);
    weft_plan_destroy(p);
}

/// Each of these faults in a plan is noticed.
static void checker_notices(void **state) {
    (void)state;
    struct weft_gpu_caps caps = limited(true);
    struct weft_plan *p = fixture_plan(by_random_access, &caps, NULL);
    struct weft_schedule *sc = &p->schedules[0];
    struct weft_step *s = &sc->steps[0], keep = *s;
    uint32_t o = 0;
    while (s->operands[o].bound.n_segments < 2) o++;
    uint32_t slot = s->operands[o].bound.slot;
    assert_int_equal(weft_plan_check(p, sc), WEFT_OK);
    const char *words = "do not hold its bytes";
    s->operands[o].bound.segment_bytes -= 256;
    REFUSED(weft_plan_check(p, sc), WEFT_ERR_INTERNAL, words);
    *s = keep;
    s->operands[o].bound.n_segments = 1;
    REFUSED(weft_plan_check(p, sc), WEFT_ERR_INTERNAL, "outside its binding");
    *s = keep;
    s->bound.slots[slot + 1].offset += 256; // a hole
    REFUSED(weft_plan_check(p, sc), WEFT_ERR_INTERNAL, words);
    *s = keep;
    s->bound.slots[slot + 1].size -= 256; // the end is missing
    REFUSED(weft_plan_check(p, sc), WEFT_ERR_INTERNAL, words);
    *s = keep;
    s->bound.slots[slot].size -= 256;
    REFUSED(weft_plan_check(p, sc), WEFT_ERR_INTERNAL, words);
    *s = keep;
    struct weft_slot other = s->bound.slots[slot];
    s->bound.slots[slot] = s->bound.slots[slot + 1]; // out of order
    s->bound.slots[slot + 1] = other;
    REFUSED(weft_plan_check(p, sc), WEFT_ERR_INTERNAL, "step '");
    *s = keep;
    s->bound.slots[slot + 1].wide = !s->bound.slots[slot + 1].wide;
    REFUSED(weft_plan_check(p, sc), WEFT_ERR_INTERNAL, words);
    *s = keep;
    s->operands[o].flags |= WEFT_OPERAND_ATOMIC;
    REFUSED(weft_plan_check(p, sc), WEFT_ERR_INTERNAL, words);
    *s = keep;
    assert_int_equal(weft_plan_check(p, sc), WEFT_OK);
    weft_plan_destroy(p);

    p = fixture_plan(add_large, &caps, NULL);
    sc = &p->schedules[0];
    s = &sc->steps[1];
    keep = *s;
    words = "does not do its part";
    s->split.first++; // a group that nobody computes
    REFUSED(weft_plan_check(p, sc), WEFT_ERR_INTERNAL, words);
    *s = keep;
    s->split.end--;
    REFUSED(weft_plan_check(p, sc), WEFT_ERR_INTERNAL, words);
    *s = keep;
    s->operands[0].split.first += 256; // elements are taken from elsewhere
    REFUSED(weft_plan_check(p, sc), WEFT_ERR_INTERNAL, words);
    *s = keep;
    s->operands[0].bytes -= 4096;
    REFUSED(weft_plan_check(p, sc), WEFT_ERR_INTERNAL, words);
    *s = keep;
    sc->n_steps--; // the last piece is gone
    REFUSED(weft_plan_check(p, sc), WEFT_ERR_INTERNAL, words);
    sc->n_steps++;
    assert_int_equal(weft_plan_check(p, sc), WEFT_OK);
    weft_plan_destroy(p);
}

/// What no buffer can hold is refused by name, with bytes and limit.
static void buffers_have_an_end(void **state) {
    (void)state;
    static const struct {
        const char *graph, *words;
    } cases[] = {
        {"input x f32 [600, 1000]\n%0 = neg %x\noutput %0 y\n", "input 'x' may take 2400000 bytes"},
        {"input x f32 [600, 1]\ninput v f32 [1000]\n%0 = add %x %v\noutput %0 y\n", "output 'y' may take 2400000"},
        {"input x f32 [2]\nstate s dense f32 [600, 1000]\nvar pos u32 0 9\ninput r f32 [1, 1000]\n"
         "%0 = cache_append %s %r %pos\n",
         "state 's' needs 2400000"},
        {"input x f32 [600, 1]\nweight v f32 [1000]\n%0 = add %x %v\n%1 = argmax %0\noutput %1 y\n", "value 'add"},
        {"input x f32 [1]\nweight v f32 [600000]\n%0 = mul %x %v\n%1 = sum %0\noutput %1 y\n",
         "weight 'v' takes 2400000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weft_gpu_caps caps = limited(true);
        caps.max_buffer = 2 * BIG_LIMIT;
        struct weft_plan *p = NULL;
        weft_error_clear();
        weft_status status = weft_compile(fixture_graph(cases[i].graph), &caps, NULL, &p);
        if (status == WEFT_OK || !strstr(weft_error_message(), cases[i].words) ||
            !strstr(weft_error_message(), "2097152"))
            fail_msg("case %zu: %d, %s", i, status, weft_error_message());
    }
}

/// Splitting that is tried and given up must leave a plan whole: all cases of tests/ops with bindings of a few KiB.
/// Once an attempt of several parts that no binding held was copied as if its step had been several.
static void every_case_with_tiny_bindings(void **state) {
    (void)state;
    struct weft_gpu_caps caps = fixture_caps();
    caps.max_binding = TINY_BINDING;
    uint32_t fit = 0, refused = 0;
    for (size_t t = 0; t < sizeof op_tables / sizeof *op_tables; t++)
        for (size_t i = 0; i < op_tables[t].n; i++) compiles(&caps, &op_tables[t].cases[i]) ? fit++ : refused++;
    print_message("%u cases compile, %u need more bindings than there are\n", fit, refused);
    assert_true(fit > 3 * refused);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator_has_a_case),
        cmocka_unit_test(every_case_with_tiny_bindings),
        cmocka_unit_test(all_cases_compile),
        cmocka_unit_test(tint_takes_them),
        cmocka_unit_test(elementwise_is_cut),
        cmocka_unit_test(pieces_cover_sizes_that_fall),
        cmocka_unit_test(ranges_of_one_state_are_narrowed_alike),
        cmocka_unit_test(page_tables_have_an_end),
        cmocka_unit_test(pools_have_banks),
        cmocka_unit_test(pages_fit_a_binding),
        cmocka_unit_test(slices_of_large_rows_are_copied),
        cmocka_unit_test(one_size_is_validated_by_itself),
        cmocka_unit_test(random_access_has_segments),
        cmocka_unit_test(checker_notices),
        cmocka_unit_test(buffers_have_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
