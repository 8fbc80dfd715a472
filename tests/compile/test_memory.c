/// Memory planning: transients that live together never overlap, peaks stay near what lifetimes allow, shards hold
/// weights in order of use. Graphs are random or have the shape of chains and of models; the time for 2,000 steps is
/// printed.
#include "plan_fixture.h"
#include <stdlib.h>
#include <time.h>

#define MIB ((uint64_t)1 << 20)

struct world {
    struct weft_plan plan;
    struct weft_schedule sc;
    uint32_t cap_steps, cap_tensors;
};

static struct world *begin(uint32_t steps, uint32_t tensors) {
    struct world *w = weft_calloc(1, sizeof *w);
    assert_non_null(w);
    w->plan.caps = fixture_caps();
    w->plan.caps.max_buffer = (uint64_t)1 << 40;
    w->sc.steps = weft_calloc(steps, sizeof *w->sc.steps);
    w->sc.tensors = weft_calloc(tensors, sizeof *w->sc.tensors);
    assert_true(w->sc.steps && w->sc.tensors);
    w->cap_steps = steps;
    w->cap_tensors = tensors;
    return w;
}

static void end(struct world *w) {
    weft_free(w->sc.steps);
    weft_free(w->sc.tensors);
    weft_free(w);
}

static uint32_t tensor(struct world *w, uint64_t bytes) {
    assert_true(w->sc.n_tensors < w->cap_tensors);
    w->sc.tensors[w->sc.n_tensors] = (struct weft_tensor){
        .name = "t", .mem = WEFT_MEM_TRANSIENT, .dtype = WEFT_F32, .bytes = (bytes + 255) & ~(uint64_t)255};
    return w->sc.n_tensors++;
}

static void use(struct world *w, uint32_t step, uint32_t t, uint8_t access) {
    struct weft_step *s = &w->sc.steps[step];
    assert_true(step < w->cap_steps && s->n_operands < WEFT_MAX_OPERANDS);
    if (step >= w->sc.n_steps) w->sc.n_steps = step + 1;
    s->label = "step";
    s->operands[s->n_operands++] = (struct weft_operand){.name = "o",
                                                         .access = access,
                                                         .inplace_of = -1,
                                                         .tensor = t,
                                                         .bytes = w->sc.tensors[t].bytes,
                                                         .count = WEFT_DIM_NONE,
                                                         .live = WEFT_DIM_NONE};
}

/// A step that makes a tensor from up to three others.
static uint32_t make(struct world *w, uint64_t bytes, uint32_t a, uint32_t b, uint32_t c) {
    uint32_t step = w->sc.n_steps, t = tensor(w, bytes);
    uint32_t reads[] = {a, b, c};
    for (int i = 0; i < 3; i++)
        if (reads[i] != WEFT_NO_TENSOR) use(w, step, reads[i], WEFT_READ);
    use(w, step, t, WEFT_WRITE);
    return t;
}

#define NO WEFT_NO_TENSOR

/// Pairs that live together and overlap, found from the operands alone; also ends beyond their heap.
static uint32_t faults(const struct world *w) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->sc.n_tensors; i++) {
        const struct weft_tensor *a = &w->sc.tensors[i];
        uint32_t first = UINT32_MAX, last = 0;
        for (uint32_t s = 0; s < w->sc.n_steps; s++)
            for (uint32_t o = 0; o < w->sc.steps[s].n_operands; o++)
                if (w->sc.steps[s].operands[o].tensor == i) {
                    if (first == UINT32_MAX) first = s;
                    last = s;
                }
        if (first == UINT32_MAX) continue;
        n += first != a->first || last != a->last;
        n += a->heap >= WEFT_HEAPS || a->offset % 256 || a->offset + a->bytes > w->sc.heap_bytes[a->heap];
        for (uint32_t k = 0; k < i; k++) {
            const struct weft_tensor *b = &w->sc.tensors[k];
            if (b->first == UINT32_MAX || b->last < first || last < b->first || a->heap != b->heap) continue;
            n += a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
        }
    }
    return n;
}

static uint64_t peak(const struct world *w) {
    uint64_t total = 0;
    for (uint32_t h = 0; h < WEFT_HEAPS; h++) total += w->sc.heap_bytes[h];
    return total;
}

static void plan(struct world *w) {
    if (weft_pass_place(&w->plan, &w->sc) != WEFT_OK) fail_msg("%s", weft_error_message());
}

static void expect_near_bound(const struct world *w, const char *what) {
    assert_int_equal(faults(w), 0);
    if (peak(w) < w->sc.lower_bound || peak(w) > w->sc.lower_bound + w->sc.lower_bound / 10)
        fail_msg("%s: peak %llu, lower bound %llu", what, (unsigned long long)peak(w),
                 (unsigned long long)w->sc.lower_bound);
}

static void random_schedules_never_overlap(void **state) {
    (void)state;
    uint32_t seed = 11;
    double worst = 0;
    for (int round = 0; round < 200; round++) {
        uint32_t n = 2 + fixture_random(&seed) % 60;
        struct world *w = begin(n, n);
        uint64_t unit = round % 2 ? 256 : 4 * MIB;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t reach = 1 + fixture_random(&seed) % 12, in[3];
            for (int k = 0; k < 3; k++)
                in[k] = i && fixture_random(&seed) % 3 ? i - 1 - fixture_random(&seed) % (i < reach ? i : reach) : NO;
            make(w, unit * (1 + fixture_random(&seed) % 40), in[0], in[1], in[2]);
        }
        plan(w);
        assert_int_equal(faults(w), 0);
        double ratio = (double)peak(w) / (double)w->sc.lower_bound;
        if (unit > MIB && ratio > worst) worst = ratio;
        end(w);
    }
    print_message("random schedules: worst peak %.3f of the lower bound\n", worst);
}

static void chains_are_near_the_bound(void **state) {
    (void)state;
    uint32_t seed = 5;
    for (int round = 0; round < 40; round++) {
        struct world *w = begin(300, 300);
        uint32_t before = NO;
        for (uint32_t i = 0; i < 300; i++)
            before = make(w, MIB * (1 + fixture_random(&seed) % (round < 20 ? 1 : 8)), before, NO, NO);
        plan(w);
        expect_near_bound(w, "chain");
        end(w);
    }
}

/// Blocks of a transformer at prefill: residual stream, norms, joint projections, attention with scratch, feed-forward.
static void add_block(struct world *w, uint32_t *x, uint64_t d, uint64_t kv, uint64_t ff) {
    uint32_t n = make(w, d, *x, NO, NO);
    uint32_t q = make(w, d, n, NO, NO), k = make(w, kv, n, NO, NO), v = make(w, kv, n, NO, NO);
    uint32_t scores = make(w, 3 * d, q, k, NO), part = make(w, d / 2, scores, v, NO), a = make(w, d, part, scores, NO);
    uint32_t r = make(w, d, a, *x, NO), m = make(w, d, r, NO, NO);
    uint32_t g = make(w, ff, m, NO, NO), u = make(w, ff, m, NO, NO), h = make(w, ff, g, u, NO);
    *x = make(w, d, h, r, NO);
}

static void models_are_near_the_bound(void **state) {
    (void)state;
    static const struct {
        uint64_t d, kv, ff;
    } shapes[] = {{4 * MIB, MIB, 16 * MIB},
                  {5 * MIB, 5 * MIB, 13 * MIB},
                  {640 * 1024, 256 * 1024, 2 * MIB},
                  {8 * MIB, MIB, 7 * MIB},
                  {3 * MIB, 2 * MIB, 40 * MIB}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct world *w = begin(13 * 24 + 1, 13 * 24 + 1);
        uint32_t x = make(w, shapes[i].d, NO, NO, NO);
        for (int b = 0; b < 24; b++) add_block(w, &x, shapes[i].d, shapes[i].kv, shapes[i].ff);
        plan(w);
        expect_near_bound(w, "model");
        end(w);
    }
}

/// Where memory is small change, a step's reader and writer lie in different heaps.
static void small_chain_is_coloured(void **state) {
    (void)state;
    struct world *w = begin(50, 50);
    uint32_t before = NO;
    for (int i = 0; i < 50; i++) before = make(w, 2560, before, NO, NO);
    plan(w);
    assert_int_equal(faults(w), 0);
    for (uint32_t i = 1; i < 50; i++) assert_int_not_equal(w->sc.tensors[i].heap, w->sc.tensors[i - 1].heap);
    end(w);
}

static void heaps_come_largest_first(void **state) {
    (void)state;
    struct world *w = begin(40, 40);
    uint32_t seed = 3, before = NO, older = NO;
    for (int i = 0; i < 40; i++) {
        uint32_t now = make(w, 256 * (1 + fixture_random(&seed) % 9), before, older, NO);
        older = before;
        before = now;
    }
    plan(w);
    for (uint32_t h = 1; h < WEFT_HEAPS; h++) assert_true(w->sc.heap_bytes[h] <= w->sc.heap_bytes[h - 1]);
    end(w);
}

static void too_large_is_refused(void **state) {
    (void)state;
    struct world *w = begin(3, 3);
    w->plan.caps.max_buffer = 8 * MIB;
    make(w, MIB, NO, NO, NO);
    uint32_t big = make(w, 9 * MIB, 0, NO, NO);
    w->sc.tensors[big].name = "giant";
    REFUSED(weft_pass_place(&w->plan, &w->sc), WEFT_ERR_LIMIT, "transient 'giant' of 9437184 bytes fits no heap");
    end(w);
    w = begin(12, 12); // each fits, all together do not
    w->plan.caps.max_buffer = 8 * MIB;
    for (uint32_t i = 0; i < 11; i++) make(w, 3 * MIB, NO, NO, NO);
    for (uint32_t i = 0; i < 11; i++) use(w, 11, i, WEFT_READ);
    REFUSED(weft_pass_place(&w->plan, &w->sc), WEFT_ERR_LIMIT, "fits no heap");
    end(w);
    w = begin(9, 9); // with eight there are just enough heaps
    w->plan.caps.max_buffer = 8 * MIB;
    for (uint32_t i = 0; i < 8; i++) make(w, 3 * MIB, NO, NO, NO);
    for (uint32_t i = 0; i < 8; i++) use(w, 8, i, WEFT_READ);
    plan(w);
    assert_int_equal(faults(w), 0);
    end(w);
}

static void negative_control(void **state) {
    (void)state;
    struct world *w = begin(4, 4);
    make(w, MIB, NO, NO, NO);
    make(w, MIB, 0, NO, NO);
    plan(w);
    assert_int_equal(faults(w), 0);
    w->sc.tensors[1].heap = w->sc.tensors[0].heap;
    w->sc.tensors[1].offset = w->sc.tensors[0].offset;
    assert_true(faults(w) > 0);
    end(w);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void two_thousand_steps(void **state) {
    (void)state;
    struct world *w = begin(13 * 154 + 1, 13 * 154 + 1);
    uint32_t x = make(w, 4 * MIB, NO, NO, NO);
    for (int b = 0; b < 154; b++) add_block(w, &x, 4 * MIB, MIB, 16 * MIB);
    double start = now();
    plan(w);
    print_message("%u steps, %u transients: %.1f ms\n", w->sc.n_steps, w->sc.n_tensors, (now() - start) * 1e3);
    expect_near_bound(w, "long model");
    end(w);
    w = begin(2000, 2000);
    for (uint32_t i = 0; i < 2000; i++) make(w, MIB, i ? i - 1 : NO, i > 40 ? i - 40 : NO, i > 500 ? i - 500 : NO);
    start = now();
    plan(w);
    print_message("%u steps with long lives: %.1f ms, peak %.3f of the bound\n", w->sc.n_steps, (now() - start) * 1e3,
                  (double)peak(w) / (double)w->sc.lower_bound);
    assert_int_equal(faults(w), 0);
    end(w);
}

// ---- shards --------------------------------------------------------------------------------------------------------

static const char two_layers[] =
    "symbol T 0 16\ninput x f32 [T, 64]\nweight a f32 [256, 64]\nweight b q8_0 [64, 256]\nweight c f32 [256, 64]\n"
    "%0 = matmul %x %a\n%1 = matmul %0 %b\n%2 = matmul %1 %c\noutput %2 z\n";

/// Weights lie in order of use, disjoint, at multiples of 256, in shards below the binding limit; those above it are
/// cut by rows.
static void weights_go_to_shards(void **state) {
    (void)state;
    static const uint64_t limits[] = {(uint64_t)1 << 30, 128 << 10, 72 << 10};
    for (size_t i = 0; i < 3; i++) {
        struct weft_gpu_caps caps = fixture_caps();
        caps.max_binding = limits[i];
        struct weft_plan *p = fixture_plan(two_layers, &caps, NULL);
        assert_int_equal(p->n_weights, 3);
        uint32_t shard = 0;
        uint64_t end = 0;
        for (uint32_t k = 0; k < p->n_weights; k++) {
            const struct weft_plan_weight *w = &p->weights[k];
            uint64_t row = 0;
            for (uint32_t j = 0; j < w->n_parts; j++) {
                const struct weft_weight_part *part = &w->parts[j];
                assert_int_equal(part->row0, row);
                row += part->rows;
                assert_int_equal(part->offset % 256, 0);
                assert_true(part->shard == shard ? part->offset >= end : part->shard == shard + 1 && part->offset == 0);
                shard = part->shard;
                end = part->offset + part->bytes;
                assert_true(end <= p->shard_bytes[shard] && p->shard_bytes[shard] <= caps.max_binding);
            }
            assert_int_equal(row, w->rows);
        }
        assert_int_equal(p->n_shards, shard + 1);
        assert_int_equal(p->n_shards > 1, i > 0);
        weft_plan_destroy(p);
    }
}

static void weights_are_shared(void **state) {
    (void)state;
    struct weft_plan *first = fixture_plan(two_layers, NULL, NULL);
    struct weft_compile_params params = {.weights_of = first};
    static const char other[] =
        "symbol T 0 16\ninput x f32 [T, 64]\nweight c f32 [256, 64]\nweight fresh f32 [32, 256]\n"
        "%0 = matmul %x %c\n%1 = matmul %0 %fresh\noutput %1 z\n";
    struct weft_plan *second = fixture_plan(other, NULL, &params);
    assert_int_equal(second->shared_shards, first->n_shards);
    assert_int_equal(second->n_shards, first->n_shards + 1);
    for (uint32_t k = 0; k < second->n_weights; k++) {
        const struct weft_plan_weight *w = &second->weights[k];
        if (strcmp(w->name, "fresh") == 0) {
            assert_int_equal(w->parts[0].shard, first->n_shards);
            continue;
        }
        for (uint32_t i = 0; i < first->n_weights; i++) {
            if (strcmp(first->weights[i].name, w->name) != 0) continue;
            assert_int_equal(w->parts[0].shard, first->weights[i].parts[0].shard);
            assert_int_equal(w->parts[0].offset, first->weights[i].parts[0].offset);
        }
    }
    weft_plan_destroy(second);
    weft_plan_destroy(first);
}

/// What no device could hold is refused by name; sizes do not wrap around.
static void absurd_sizes_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *graph, *words;
    } cases[] = {
        {"weight w f32 [4294967296]\ninput x f32 [4294967296]\n%0 = add %x %w\noutput %0 z\n", "17179869184 bytes"},
        {"symbol T 0 1152921504606846976\ninput x f32 [T, 64]\n%0 = tanh %x\n%1 = sum %0\noutput %1 z\n",
         "a buffer of this device has at most"},
        {"symbol T 0 4611686018427387904\ninput x f32 [T, 4]\nweight w q8_0 [4, 64]\n%0 = tanh %x\n%1 = softmax %0\n%2 "
         "= argmax %1\noutput %2 z\n",
         "a buffer of this device has at most"},
        {"input x f32 [1]\nstate s dense f32 [1152921504606846976, 64]\n%0 = add %x %x\noutput %0 z\n",
         "state 's' needs"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weft_gpu_caps caps = fixture_caps();
        struct weft_plan *p = NULL;
        struct weft_graph *g = NULL;
        weft_status status = weft_graph_parse(weft_ops(), cases[i].graph, strlen(cases[i].graph), &g);
        if (status != WEFT_OK) {
            print_message("case %zu is refused by the parser: %s\n", i, weft_error_message());
            continue;
        }
        status = weft_compile(g, &caps, NULL, &p);
        if (status != WEFT_ERR_LIMIT || !strstr(weft_error_message(), cases[i].words))
            fail_msg("case %zu: %d, %s", i, status, weft_error_message());
        assert_null(p);
    }
}

/// A remainder is largest inside its guard, not at the ends; a relation keeps a product below that of its bounds.
static void sizes_hold_inside_the_guard(void **state) {
    (void)state;
    struct weft_compile_params params = {.split_symbol = "T", .split_at = {4, 6}, .n_splits = 2, .no_fuse = 1};
    struct weft_plan *p = fixture_plan(
        "symbol T 0 64\ninput x f32 [mod(T,4), 1024]\n%0 = tanh %x\n%1 = abs %0\noutput %1 z\n", NULL, &params);
    for (uint32_t k = 0; k < p->n_schedules; k++) {
        const struct weft_schedule *sc = &p->schedules[k];
        for (uint32_t i = 0; i < sc->n_tensors; i++)
            if (sc->tensors[i].mem == WEFT_MEM_TRANSIENT)
                assert_int_equal(sc->tensors[i].bytes, (k == 1 ? 2 : 3) * 4096); // 5 and 6 leave 1 and 2
    }
    weft_plan_destroy(p);
    params.split_symbol = NULL;
    p = fixture_plan("symbol A 1 64\nsymbol B 1 64\nrelate A*B <= 96\ninput x f32 [A, B, 64]\n%0 = tanh %x\n%1 = sum "
                     "%0\n%2 = abs %1\noutput %2 z\n",
                     NULL, &params);
    const struct weft_schedule *sc = &p->schedules[0];
    for (uint32_t i = 0; i < sc->n_tensors; i++)
        if (sc->tensors[i].mem == WEFT_MEM_TRANSIENT)
            assert_true(sc->tensors[i].bytes == 96 * 256 || sc->tensors[i].bytes == 512);
    weft_plan_destroy(p);
}

/// One set of heaps serves all schedules, whichever of them needs the most.
static void heaps_hold_every_schedule(void **state) {
    (void)state;
    static const char *const rows[] = {"T", "mod(T,4)"}; // more with the sizes; fewer for the largest
    for (int i = 0; i < 2; i++) {
        char text[200];
        struct weft_compile_params params = {.split_symbol = "T", .split_at = {4}, .n_splits = 1, .no_fuse = 1};
        snprintf(text, sizeof text,
                 "symbol T 0 6\ninput x f32 [%s, 1024]\n%%0 = tanh %%x\n%%1 = abs %%0\noutput %%1 z\n", rows[i]);
        struct weft_plan *p = fixture_plan(text, NULL, &params);
        uint64_t total[2] = {0};
        assert_int_equal(p->n_schedules, 2);
        for (uint32_t k = 0; k < 2; k++)
            for (uint32_t h = 0; h < WEFT_HEAPS; h++) {
                total[k] += p->schedules[k].heap_bytes[h];
                assert_true(p->schedules[k].heap_bytes[h] <= p->heap_bytes[h]);
            }
        assert_true(i ? total[0] > total[1] : total[0] < total[1]);
        weft_plan_destroy(p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_schedules_never_overlap),
        cmocka_unit_test(chains_are_near_the_bound),
        cmocka_unit_test(models_are_near_the_bound),
        cmocka_unit_test(small_chain_is_coloured),
        cmocka_unit_test(heaps_come_largest_first),
        cmocka_unit_test(too_large_is_refused),
        cmocka_unit_test(negative_control),
        cmocka_unit_test(two_thousand_steps),
        cmocka_unit_test(weights_go_to_shards),
        cmocka_unit_test(weights_are_shared),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(sizes_hold_inside_the_guard),
        cmocka_unit_test(heaps_hold_every_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
