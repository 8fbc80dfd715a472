/// The short form of a driver configuration: of all cases, levels of fusion and kinds of device, as few as bring every
/// kernel once. What counts is worked out from plans, without running anything: each kernel with each workgroup, and
/// with each type, access and width of an operand, whole or in segments; with a folded grid and a split dispatch; each
/// operator with each combination of element types, and on NaN, infinities and the largest numbers. Sizes are not
/// counted: the null device and the host reference have all of them.
///
/// A driver spends its time on compiling texts, so each pick is the one that brings most for the fewest new texts.
/// WEFT_TEST_LONG=1 picks everything, as do a chosen case (WEFT_TEST_CASE) and a device that compiles fast.
#ifndef WEFT_TEST_OPS_CASES_PICK_H
#define WEFT_TEST_OPS_CASES_PICK_H
#include "cases.h"
#include "compile/compile.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/map.h"
#include "ops/ops.h"
#include "plan/update.h"
#include "support/graph_run.h"
#include <stdio.h>

enum { OP_LEVELS = 3, OP_PICK_KINDS = 2, OP_PICK_FEATURES = 256 };

/// A case at a level of fusion, as one kind of device (0: as it is, 1: as a discrete GPU).
struct op_item {
    const struct op_case *c;
    int level, kind;
    uint32_t *features, n_features, *texts, n_texts; ///< numbers, each once
    bool picked;
};

struct op_picks {
    bool operators;  ///< count operators too: not where another configuration of the same compiler has them
    bool as_written; ///< as in weft_compile_params
    struct op_item *items;
    size_t n, cap;
    struct weft_map features, texts; ///< to numbers
    uint32_t scratch_features[OP_PICK_FEATURES], scratch_texts[OP_PICK_FEATURES];
};

// ---- what a case brings --------------------------------------------------------------------------------------------

static inline uint32_t op_number(struct weft_map *m, const char *key, size_t len) {
    uint64_t number;
    if (weft_map_get(m, key, len, &number)) return (uint32_t)number;
    number = m->count;
    weft_map_set(m, key, len, number);
    return (uint32_t)number;
}

static inline void op_note(uint32_t *list, uint32_t *n, uint32_t number) {
    for (uint32_t i = 0; i < *n; i++)
        if (list[i] == number) return;
    if (*n < OP_PICK_FEATURES) list[(*n)++] = number;
}

/// Numbers at which drivers differ stand in the data.
static inline bool op_extreme(const struct op_case *c) {
    static const char *const words[] = {"nan", "inf", "e30", "e38", "e-3"};
    for (size_t i = 0; c->data && i < sizeof words / sizeof *words; i++)
        if (strstr(c->data, words[i])) return true;
    return false;
}

static inline void op_feature(struct op_picks *p, struct op_item *it, struct weft_str *s) {
    op_note(it->features, &it->n_features, op_number(&p->features, weft_str_get(s), s->len));
    weft_str_cut(s, 0);
}

static inline void op_node_features(struct op_picks *p, struct op_item *it, const struct weft_graph *g,
                                    struct weft_str *s) {
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct weft_node *n = &g->nodes[i];
        weft_str_add(s, n->op->name);
        for (uint32_t k = 0; k < n->n_in; k++) weft_str_addf(s, " %d", (int)g->values[n->in[k]].type.dtype);
        op_feature(p, it, s);
        if (!op_extreme(it->c)) continue;
        weft_str_addf(s, "extreme %s", n->op->name);
        op_feature(p, it, s);
    }
}

static inline void op_step_features(struct op_picks *p, struct op_item *it, const struct weft_plan *plan,
                                    const struct weft_schedule *sc, const struct weft_step *st, struct weft_str *s) {
    uint32_t words[WEFT_MAX_WORDS], grid[3];
    struct weft_update u = {.dims = plan->graph->dims, .symbols = sc->hi, .caps = &plan->caps, .step = st};
    weft_step_update(&u, words, grid);
    weft_str_addf(s, "%s folded %d split %d", st->kernel->name, grid[0] > 1 && grid[1] > 1, st->split.end > 0);
    op_feature(p, it, s);
    weft_str_addf(s, "%s %ux%ux%u %d", st->kernel->name, st->workgroup[0], st->workgroup[1], st->workgroup[2],
                  st->workgroup_memory > 0);
    op_feature(p, it, s);
    for (uint32_t i = 0; i < st->n_operands; i++) {
        const struct weft_operand *o = &st->operands[i];
        weft_str_addf(s, "%s %.*s %d %d %d %d %d", st->kernel->name, (int)strcspn(o->name, "0123456789"), o->name,
                      (int)o->dtype, o->access, o->flags, st->bound.slots[o->bound.slot].wide, o->bound.n_segments > 1);
        op_feature(p, it, s);
    }
}

static inline void op_plan_features(struct op_picks *p, struct op_item *it, const struct weft_plan *plan) {
    struct weft_str s = {0};
    for (uint32_t k = 0; k < plan->n_schedules; k++)
        for (uint32_t i = 0; i < plan->schedules[k].n_steps; i++) {
            const struct weft_step *st = &plan->schedules[k].steps[i];
            op_step_features(p, it, plan, &plan->schedules[k], st, &s);
            op_note(it->texts, &it->n_texts, op_number(&p->texts, st->bound.wgsl, strlen(st->bound.wgsl)));
        }
    weft_str_free(&s);
}

/// False, after printing why, if the case does not compile.
static inline bool op_item_add(struct op_picks *p, const struct op_case *c, int level, int kind,
                               const struct weft_gpu_caps *caps) {
    struct weft_graph *g = NULL;
    struct weft_plan *plan = NULL;
    struct weft_str s = {0};
    struct op_item it = {
        .c = c, .level = level, .kind = kind, .features = p->scratch_features, .texts = p->scratch_texts};
    struct weft_compile_params params = {.as_written = p->as_written,
                                         .no_fuse = level,
                                         .split_symbol = c->split,
                                         .split_at = {1, 8},
                                         .n_splits = 2,
                                         .numbers = weft_test_numbers()};
    bool ok = weft_graph_parse(weft_ops(), c->graph, strlen(c->graph), &g) == WEFT_OK;
    if (ok && p->operators) op_node_features(p, &it, g, &s);
    ok = ok && weft_compile(g, caps, &params, &plan) == WEFT_OK;
    if (ok) op_plan_features(p, &it, plan);
    else printf("'%s', no_fuse %d: %s\n", c->name, level, weft_error_message());
    weft_plan_destroy(plan);
    weft_str_free(&s);
    uint32_t *numbers = ok ? weft_calloc(it.n_features + it.n_texts + 1, sizeof *numbers) : NULL;
    if (!numbers || !weft_grow((void **)&p->items, &p->cap, p->n + 1, sizeof it)) {
        weft_free(numbers);
        return false;
    }
    it.features = memcpy(numbers, it.features, it.n_features * sizeof *numbers);
    it.texts = memcpy(numbers + it.n_features, it.texts, it.n_texts * sizeof *numbers);
    p->items[p->n++] = it;
    return true;
}

// ---- the choice ----------------------------------------------------------------------------------------------------

static inline uint32_t op_missing(const uint32_t *list, uint32_t n, const bool *had) {
    uint32_t missing = 0;
    for (uint32_t i = 0; i < n; i++) missing += !had[list[i]];
    return missing;
}

/// Takes away what others, picked later, have made superfluous: those of most texts first.
static inline void op_prune(struct op_picks *p) {
    uint32_t *had = weft_calloc(p->features.count + 1, sizeof *had), most = 0;
    for (size_t i = 0; had && i < p->n; i++) {
        const struct op_item *it = &p->items[i];
        for (uint32_t k = 0; it->picked && k < it->n_features; k++) had[it->features[k]]++;
        if (it->picked && it->n_texts > most) most = it->n_texts;
    }
    for (uint32_t texts = most + 1; had && texts-- > 0;)
        for (size_t i = 0; i < p->n; i++) {
            struct op_item *it = &p->items[i];
            bool needed = !it->picked || it->n_texts != texts;
            for (uint32_t k = 0; k < it->n_features; k++) needed |= had[it->features[k]] == 1;
            if (needed) continue;
            it->picked = false;
            for (uint32_t k = 0; k < it->n_features; k++) had[it->features[k]]--;
        }
    weft_free(had);
}

/// Marks items until nothing is missing. Returns the number of texts that they need.
static inline uint32_t op_pick(struct op_picks *p) {
    bool *features = weft_calloc(p->features.count + 1, 1), *texts = weft_calloc(p->texts.count + 1, 1);
    uint32_t wanted = 0;
    while (features && texts) {
        struct op_item *best = NULL;
        double most = 0;
        for (size_t i = 0; i < p->n; i++) {
            struct op_item *it = &p->items[i];
            uint32_t gain = it->picked ? 0 : op_missing(it->features, it->n_features, features);
            double worth = gain / (0.5 + op_missing(it->texts, it->n_texts, texts));
            if (worth <= most) continue;
            most = worth;
            best = it;
        }
        if (!best) break;
        best->picked = true;
        for (uint32_t i = 0; i < best->n_features; i++) features[best->features[i]] = true;
        for (uint32_t i = 0; i < best->n_texts; i++) texts[best->texts[i]] = true;
    }
    op_prune(p);
    for (size_t t = 0; texts && t < p->texts.count; t++) texts[t] = false;
    for (size_t i = 0; texts && i < p->n; i++)
        for (uint32_t k = 0; p->items[i].picked && k < p->items[i].n_texts; k++) {
            wanted += !texts[p->items[i].texts[k]];
            texts[p->items[i].texts[k]] = true;
        }
    weft_free(features);
    weft_free(texts);
    return wanted;
}

/// True if the case is to run at this level and as this kind of device. Nothing is picked from an empty list: all runs.
static inline bool op_picked(const struct op_picks *p, const struct op_case *c, int level, int kind) {
    for (size_t i = 0; i < p->n; i++) {
        const struct op_item *it = &p->items[i];
        if (it->c == c && it->level == level && it->kind == kind) return it->picked;
    }
    return p->n == 0;
}

static inline void op_picks_free(struct op_picks *p) {
    for (size_t i = 0; i < p->n; i++) weft_free(p->items[i].features);
    weft_free(p->items);
    weft_map_free(&p->features);
    weft_map_free(&p->texts);
    *p = (struct op_picks){0};
}
#endif
