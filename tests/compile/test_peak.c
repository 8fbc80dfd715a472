/// The promise on memory: heaps of a schedule are at most 10 % above what lifetimes allow, those of a program at most
/// 10 % above its largest schedule's bound, for models, chains and random graphs; and the peak that a plan tells is
/// what a program allocates.
#include "../model/real_model.h"
#include "exec/program.h"
#include "exec/exec_impl.h"
#include "model/gguf.h"
#include "model/lm_graph.h"
#include "plan_fixture.h"
#include "support/lm_program.h"
#include <stdlib.h>

/// Operands of a step that lie in one buffer, one of them written: what colours avoid.
static uint32_t conflicts(const struct weft_schedule *sc) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < sc->n_steps; i++) {
        const struct weft_step *s = &sc->steps[i];
        for (uint32_t a = 0; a < s->n_operands; a++)
            for (uint32_t b = 0; b < a; b++) {
                const struct weft_operand *x = &s->operands[a], *y = &s->operands[b];
                const struct weft_tensor *t = &sc->tensors[x->tensor], *u = &sc->tensors[y->tensor];
                n += t->mem == WEFT_MEM_TRANSIENT && u->mem == WEFT_MEM_TRANSIENT && t != u && t->heap == u->heap &&
                     ((x->access | y->access) & WEFT_WRITE);
            }
    }
    return n;
}

static uint64_t total(const uint64_t heaps[WEFT_HEAPS]) {
    uint64_t n = 0;
    for (uint32_t h = 0; h < WEFT_HEAPS; h++) n += heaps[h];
    return n;
}

static double worst_schedule, worst_program;

/// Whether the plan keeps the promise.
static bool near_bound(const struct weft_plan *p, const char *name, bool say) {
    uint64_t bound = 0;
    bool good = true;
    for (uint32_t k = 0; k < p->n_schedules; k++) {
        const struct weft_schedule *sc = &p->schedules[k];
        uint64_t bytes = total(sc->heap_bytes), least = sc->lower_bound;
        if (least > bound) bound = least;
        if (least == 0) continue;
        double ratio = (double)bytes / (double)least;
        if (ratio > worst_schedule) worst_schedule = ratio;
        bool fine = bytes * 10 <= least * 11;
        good &= fine;
        if (say || !fine)
            print_message("%s, schedule %s: %llu of %llu bytes (%.3f), %u steps, %u conflicts\n", name, sc->name,
                          (unsigned long long)bytes, (unsigned long long)least, ratio, sc->n_steps, conflicts(sc));
    }
    if (bound && (double)total(p->heap_bytes) / (double)bound > worst_program)
        worst_program = (double)total(p->heap_bytes) / (double)bound;
    if (total(p->heap_bytes) * 10 > bound * 11) {
        good = false;
        print_message("%s: heaps of %llu bytes for a bound of %llu\n", name, (unsigned long long)total(p->heap_bytes),
                      (unsigned long long)bound);
    }
    return good;
}

// ---- models --------------------------------------------------------------------------------------------------------

static uint32_t check_model(struct weft_test_model *m, const char *name, const struct weft_lm_build *build) {
    uint32_t bad = 0;
    for (int device = 0; device < 3; device++) {
        struct weft_gpu_caps caps = fixture_caps();
        if (device == 1) weft_gpu_caps_min(&caps);
        if (device == 2) caps.kind = WEFT_GPU_CPU;
        for (int level = 0; level < 3; level++) {
            struct weft_graph *g;
            struct weft_plan *p = NULL;
            struct weft_compile_params params = weft_lm_compile_params(&caps, build->chunk);
            params.no_fuse = level;
            if (weft_lm_build_graph(m->file, &m->config, build, NULL, &g) != WEFT_OK ||
                weft_compile(g, &caps, &params, &p) != WEFT_OK)
                fail_msg("%s: %s", name, weft_error_message());
            bad += !near_bound(p, name, weft_test_long());
            weft_plan_destroy(p);
        }
    }
    return bad;
}

static uint32_t check_heads(struct weft_test_model *m, const char *name, uint32_t ctx) {
    uint32_t bad = 0;
    static const uint32_t chunks[] = {1, 7, 16, 64};
    for (int head = 0; head < 3; head++) {
        for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
            struct weft_lm_build build = {.ctx = ctx,
                                          .chunk = chunks[c],
                                          .cache_f16 = c % 2,
                                          .head = head,
                                          .sampling = head == WEFT_LM_GENERATE && c % 2};
            bad += check_model(m, name, &build);
        }
    }
    return bad;
}

static void tiny_models(void **state) {
    (void)state;
    uint32_t bad = 0;
    static const struct weft_tiny_gemma3 models[] = {
        {.seed = 1},
        {.seed = 2, .k_types = true, .n_layer = 4},
        {.seed = 3, .n_head = 4, .n_head_kv = 2, .n_ff = 992, .n_embd = 192}};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct weft_test_model m;
        weft_test_model_make(&m, &models[i]);
        bad += check_heads(&m, "tiny gemma3", 64);
        weft_test_model_free(&m);
    }
    assert_int_equal(bad, 0);
}

static void real_model_plans(void **state) {
    (void)state;
    char *path = real_model();
    if (!path) skip();
    struct weft_test_model m = {0};
    if (weft_gguf_open(path, &m.file) != WEFT_OK || weft_model_config_read(m.file, &m.config) != WEFT_OK)
        fail_msg("%s", weft_error_message());
    struct weft_lm_build build = {
        .ctx = 2048, .chunk = 512, .cache_f16 = true, .head = WEFT_LM_GENERATE, .sampling = true};
    uint32_t bad = check_model(&m, "gemma 3 270m", &build);
    build.head = WEFT_LM_NLL;
    build.chunk = 64;
    bad += check_model(&m, "gemma 3 270m, scoring", &build);
    weft_source_close(m.file);
    weft_free(path);
    assert_int_equal(bad, 0);
}

// ---- random graphs -------------------------------------------------------------------------------------------------

/// A graph of matmuls (each its own step), additions and norms over rows of several widths, with operands from near and
/// far.
static void random_graph(uint32_t seed, uint32_t n, struct weft_str *out) {
    static const uint32_t widths[] = {32, 64, 96, 256, 640};
    uint32_t s = seed * 2654435761u + 7, *width = weft_calloc(n + 1, sizeof *width), *uses = weft_calloc(n + 1, 4);
    uint32_t far = seed % 3 == 0 ? n : 6;
    weft_str_add(out, "symbol T 1 64\ninput x f32 [T, 64]\n");
    for (uint32_t a = 0; a < 5; a++)
        for (uint32_t b = 0; b < 5; b++)
            weft_str_addf(out, "weight w%u_%u f32 [%u, %u]\n", widths[a], widths[b], widths[a], widths[b]);
    weft_str_add(out, "%0 = matmul %x %w64_64\n");
    width[0] = 64;
    for (uint32_t i = 1; i < n; i++) {
        uint32_t from = i - 1 - fixture_random(&s) / 8 % (i < far ? i : far), other = from;
        uint32_t kind = fixture_random(&s) / 8 % 4;
        for (uint32_t k = i; k-- > 0;)
            if (width[k] == width[from] && k != from && fixture_random(&s) / 8 % 2) {
                other = k;
                break;
            }
        width[i] = width[from];
        uses[from]++;
        if (kind == 0 && other != from) {
            weft_str_addf(out, "%%%u = add %%%u %%%u\n", i, from, other);
            uses[other]++;
        } else if (kind == 1) {
            weft_str_addf(out, "%%%u = softmax %%%u\n", i, from);
        } else {
            width[i] = widths[fixture_random(&s) / 8 % 5];
            weft_str_addf(out, "%%%u = matmul %%%u %%w%u_%u\n", i, from, width[i], width[from]);
        }
    }
    for (uint32_t i = 0; i < n; i++)
        if (uses[i] == 0) weft_str_addf(out, "%%s%u = sum %%%u\noutput %%s%u o%u\n", i, i, i, i);
    weft_free(width);
    weft_free(uses);
}

static void random_graphs(void **state) {
    (void)state;
    uint32_t bad = 0;
    for (uint32_t seed = 0; seed < 60; seed++) {
        struct weft_str text = {0};
        random_graph(seed, seed < 50 ? 5 + seed * 2 : 400, &text);
        for (int level = 0; level < 3; level += 2) {
            struct weft_compile_params params = {
                .no_fuse = level, .split_symbol = "T", .split_at = {1, 8}, .n_splits = 2};
            char name[48];
            snprintf(name, sizeof name, "random graph %u, no_fuse %d", seed, level);
            struct weft_plan *p = fixture_plan(weft_str_get(&text), NULL, &params);
            bad += !near_bound(p, name, false);
            weft_plan_destroy(p);
        }
        weft_str_free(&text);
    }
    assert_int_equal(bad, 0);
}

// ---- the peak ------------------------------------------------------------------------------------------------------

/// What the plan says before the first run is what a program allocates, and a run allocates nothing.
static void peak_is_known(void **state) {
    (void)state;
    weft_gpu *gpu = NULL;
    struct weft_gpu_params null = {.implementation = "null"};
    assert_int_equal(weft_gpu_open(&null, &gpu), WEFT_OK);
    struct weft_test_model m;
    weft_test_model_make(&m, &(struct weft_tiny_gemma3){.seed = 4});
    struct weft_test_build build = {.gemma = {.ctx = 64, .chunk = 16, .head = WEFT_LM_GENERATE}};
    struct weft_gpu_counters before, after;
    weft_gpu_counters(gpu, &before);
    weft_program *program = weft_test_program(gpu, &m, &build);
    weft_gpu_counters(gpu, &after);
    struct weft_memory_use use = weft_program_memory(program);
    assert_true(use.transients > 0);
    assert_int_equal(use.transients, total(weft_program_plan(program)->heap_bytes));
    assert_int_equal(after.buffer_bytes_live - before.buffer_bytes_live, use.weights + use.transients);
    weft_program_destroy(&program);
    weft_test_model_free(&m);
    weft_gpu_close(&gpu);
}

/// The comparison must fail for a heap that is too large.
static void negative_control(void **state) {
    (void)state;
    struct weft_str text = {0};
    random_graph(1, 20, &text);
    struct weft_plan *p = fixture_plan(weft_str_get(&text), NULL, NULL);
    assert_true(near_bound(p, "control", false));
    double schedule = worst_schedule, program = worst_program;
    p->schedules[0].heap_bytes[0] += p->schedules[0].lower_bound / 5;
    assert_false(near_bound(p, "control (expected)", false));
    p->schedules[0].heap_bytes[0] -= p->schedules[0].lower_bound / 5;
    p->heap_bytes[1] += p->schedules[0].lower_bound / 5;
    assert_false(near_bound(p, "control (expected)", false));
    worst_schedule = schedule;
    worst_program = program;
    weft_plan_destroy(p);
    weft_str_free(&text);
}

static int say_worst(void **state) {
    (void)state;
    print_message("worst schedule %.3f of its bound, worst program %.3f\n", worst_schedule, worst_program);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiny_models),   cmocka_unit_test(real_model_plans), cmocka_unit_test(random_graphs),
        cmocka_unit_test(peak_is_known), cmocka_unit_test(negative_control),
    };
    return cmocka_run_group_tests(tests, NULL, say_worst);
}
