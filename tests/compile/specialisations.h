/// Every text that the compiler writes for the tiny Gemma 3 models (all heads, caches and weight types) and for the
/// operator cases of tests/ops, for a device's capabilities. No driver is needed to write them.
#ifndef WEFT_TEST_SPECIALISATIONS_H
#define WEFT_TEST_SPECIALISATIONS_H
#include "compile/compile.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/map.h"
#include "gpu/gpu.h"
#include "gpu/gpu_backend.h"
#include "model/lm_graph.h"
#include "ops/cases_pick.h"
#include "ops/ops.h"
#include "support/lm_program.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/// One text; label and wgsl of `desc` belong to it.
struct special {
    struct weft_pipeline_desc desc;
};
struct specials {
    struct special *items;
    size_t n, cap;
    struct weft_map seen; ///< texts
    uint32_t steps, unchecked;
    enum weft_numbers numbers; ///< of those that come from here on
};

static inline void specials_free(struct specials *all) {
    for (size_t i = 0; i < all->n; i++) {
        weft_free((void *)(uintptr_t)all->items[i].desc.label);
        weft_free((void *)(uintptr_t)all->items[i].desc.wgsl);
    }
    weft_free(all->items);
    weft_map_free(&all->seen);
    *all = (struct specials){0};
}

static inline void specials_add(struct specials *all, const char *origin, const struct weft_schedule *sc,
                                const struct weft_step *s) {
    uint64_t number;
    size_t len = strlen(s->bound.wgsl);
    if (weft_map_get(&all->seen, s->bound.wgsl, len, &number)) return;
    struct weft_str label = {0};
    weft_str_addf(&label, "%s, %s, %s", origin, sc->name, s->label);
    struct special item = {.desc = {.label = weft_str_take(&label),
                                    .wgsl = weft_strdup(s->bound.wgsl),
                                    .n_bindings = s->bound.n_slots,
                                    .uniform_size = 256,
                                    .workgroup_memory = s->workgroup_memory}};
    memcpy(item.desc.workgroup, s->workgroup, sizeof item.desc.workgroup);
    for (uint32_t i = 0; i < s->bound.n_slots; i++) item.desc.kinds[i] = s->bound.slots[i].kind;
    assert_true(item.desc.label && item.desc.wgsl && weft_map_set(&all->seen, s->bound.wgsl, len, all->n));
    assert_true(weft_grow((void **)&all->items, &all->cap, all->n + 1, sizeof item));
    all->items[all->n++] = item;
}

static inline void specials_compile(struct specials *all, const char *origin, const struct weft_gpu_caps *caps,
                                    struct weft_graph *g, const struct weft_compile_params *params) {
    struct weft_plan *plan;
    struct weft_compile_params own = *params;
    own.numbers = all->numbers;
    if (weft_compile(g, caps, &own, &plan) != WEFT_OK) fail_msg("%s: %s", origin, weft_error_message());
    for (uint32_t k = 0; k < plan->n_schedules; k++) {
        const struct weft_schedule *sc = &plan->schedules[k];
        for (uint32_t i = 0; i < sc->n_steps; i++) {
            specials_add(all, origin, sc, &sc->steps[i]);
            all->unchecked += params->checked && !sc->steps[i].bound.checked;
        }
        all->steps += sc->n_steps;
    }
    weft_plan_destroy(plan);
}

// ---- models --------------------------------------------------------------------------------------------------------

enum { SPECIAL_CTX = 512, SPECIAL_CHUNK = 64 };

/// All heads, with both caches.
static inline void specials_heads(struct specials *all, const char *profile, const struct weft_gpu_caps *caps,
                                  bool checked, const char *name, struct weft_test_model *m) {
    static const struct {
        const char *name;
        enum weft_lm_head head;
        bool sampling;
    } heads[] = {{"greedy", WEFT_LM_GENERATE, false},
                 {"sampling", WEFT_LM_GENERATE, true},
                 {"logits", WEFT_LM_LOGITS, false},
                 {"nll", WEFT_LM_NLL, false}};
    for (size_t h = 0; h < sizeof heads / sizeof *heads; h++) {
        for (int f16 = 0; f16 < 2; f16++) {
            struct weft_decoder_params gemma = {.ctx = SPECIAL_CTX,
                                                .chunk = SPECIAL_CHUNK,
                                                .cache_f16 = f16,
                                                .head = heads[h].head,
                                                .sampling = heads[h].sampling};
            struct weft_graph *g;
            char origin[128];
            snprintf(origin, sizeof origin, "%s: %s, %s, %s cache", profile, name, heads[h].name, f16 ? "f16" : "f32");
            if (weft_decoder_build(m->file, &m->config, &gemma, &g) != WEFT_OK)
                fail_msg("%s: %s", origin, weft_error_message());
            struct weft_compile_params params = weft_lm_compile_params(caps, SPECIAL_CHUNK);
            params.checked = checked;
            specials_compile(all, origin, caps, g, &params);
        }
    }
}

static inline void specials_models(struct specials *all, const char *profile, const struct weft_gpu_caps *caps,
                                   bool checked) {
    static const struct {
        const char *name;
        struct weft_tiny_gemma3 tiny;
    } models[] = {
        {"small types", {.seed = 1, .n_layer = 3, .ctx = SPECIAL_CTX, .softcap = 30, .separate_head = true}},
        {"K types", {.seed = 2, .n_layer = 3, .ctx = SPECIAL_CTX, .k_types = true, .rope_factor = 8}},
        {"heads of 256", {.seed = 3, .n_layer = 3, .ctx = SPECIAL_CTX, .n_head = 4, .head_dim = 256, .plain = true}}};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct weft_test_model m = {0};
        weft_test_model_make(&m, &models[i].tiny);
        specials_heads(all, profile, caps, checked, models[i].name, &m);
        weft_test_model_free(&m);
    }
}

// ---- operators -----------------------------------------------------------------------------------------------------

static inline void specials_level(struct specials *all, const char *profile, const struct weft_gpu_caps *caps,
                                  bool checked, const struct op_case *c, int level) {
    struct weft_graph *g;
    char origin[256];
    snprintf(origin, sizeof origin, "%s: '%s', no_fuse %d", profile, c->name, level);
    if (weft_graph_parse(weft_ops(), c->graph, strlen(c->graph), &g) != WEFT_OK)
        fail_msg("%s: %s", origin, weft_error_message());
    struct weft_compile_params params = {.as_written = true,
                                         .no_fuse = level,
                                         .split_symbol = c->split,
                                         .split_at = {1, 8},
                                         .n_splits = 2,
                                         .checked = checked};
    specials_compile(all, origin, caps, g, &params);
}

static inline void specials_case(struct specials *all, const char *profile, const struct weft_gpu_caps *caps,
                                 bool checked, const struct op_case *c) {
    for (int level = 0; level < (c->levels ? OP_LEVELS : 1); level++)
        specials_level(all, profile, caps, checked, c, level);
}

static inline void specials_ops(struct specials *all, const char *profile, const struct weft_gpu_caps *caps,
                                bool checked) {
    for (size_t t = 0; t < sizeof op_tables / sizeof *op_tables; t++)
        for (size_t i = 0; i < op_tables[t].n; i++) specials_case(all, profile, caps, checked, &op_tables[t].cases[i]);
}

/// As few cases as bring every kernel, and every way to reach its operands, once: for texts of which only the accessors
/// differ from texts that are tried in full.
static inline void specials_picked_ops(struct specials *all, const char *profile, const struct weft_gpu_caps *caps,
                                       bool checked) {
    struct op_picks picks = {.as_written = true};
    for (size_t t = 0; t < sizeof op_tables / sizeof *op_tables; t++)
        for (size_t i = 0; i < op_tables[t].n; i++)
            for (int level = 0; level < (op_tables[t].cases[i].levels ? OP_LEVELS : 1); level++)
                assert_true(op_item_add(&picks, &op_tables[t].cases[i], level, 0, caps));
    op_pick(&picks);
    for (size_t i = 0; i < picks.n; i++)
        if (picks.items[i].picked) specials_level(all, profile, caps, checked, picks.items[i].c, picks.items[i].level);
    op_picks_free(&picks);
}

/// A discrete GPU with f16 and subgroups of 32, in Tint's dialect.
static inline struct weft_gpu_caps specials_gpu(void) {
    struct weft_gpu_caps caps;
    weft_gpu_null_caps(&caps);
    caps.kind = WEFT_GPU_DISCRETE;
    return caps;
}
#endif
