/// Weight parts go into shards in order of first use, so that the weights of a step share a shard and a binding.
/// Weights that another plan has are taken from there.
#include "compile/passes.h"
#include "core/error.h"
#include <string.h>

/// Weights that are given by name; constants and tables belong to the plan that made them.
static bool is_named(const struct weft_plan *plan, weft_value v) {
    return v != WEFT_NO_VALUE && plan->graph->values[v].kind == WEFT_VALUE_WEIGHT;
}

static bool same_leaf(const struct weft_plan *plan, weft_value v, const struct weft_plan *from, weft_value other) {
    return is_named(plan, v) && is_named(from, other) &&
           strcmp(plan->graph->values[v].name, from->graph->values[other].name) == 0;
}

/// True if both hold the same bytes in the same form.
static bool same_weight(const struct weft_plan *plan, const struct weft_plan_weight *w, const struct weft_plan *from,
                        const struct weft_plan_weight *other) {
    if (other->dtype != w->dtype || other->form != w->form || other->from != w->from || other->first != w->first ||
        other->rows != w->rows || other->k != w->k || other->n_parts != w->n_parts ||
        !weft_wpair_alike(&w->pair, &other->pair) || !same_leaf(plan, w->value, from, other->value))
        return false;
    return w->from != WEFT_FROM_BOTH || same_leaf(plan, w->pair.scales, from, other->pair.scales);
}

/// Where another plan keeps the same weight: its parts are taken as they are.
static bool borrow_parts(const struct weft_plan *plan, struct weft_plan_weight *w, const struct weft_plan *from) {
    for (uint32_t i = 0; i < from->n_weights; i++) {
        const struct weft_plan_weight *other = &from->weights[i];
        if (!same_weight(plan, w, from, other)) continue;
        for (uint32_t k = 0; k < w->n_parts; k++) {
            w->parts[k].shard = other->parts[k].shard;
            w->parts[k].offset = other->parts[k].offset;
        }
        return true;
    }
    return false;
}

weft_status weft_pass_shards(struct weft_plan *plan, const struct weft_plan *from) {
    if (from && plan->n_shards == 0) {
        plan->shard_bytes = weft_arena_dup(&plan->arena, from->shard_bytes, from->n_shards * sizeof *plan->shard_bytes);
        if (!plan->shard_bytes) return weft_fail(WEFT_ERR_NOMEM, "out of memory while placing weights");
        plan->n_shards = plan->shared_shards = from->n_shards;
    }
    uint64_t limit = weft_caps_bindable(&plan->caps) & ~(uint64_t)255;
    for (uint32_t i = 0; i < plan->n_weights; i++) {
        struct weft_plan_weight *w = &plan->weights[i];
        if (from && w->parts[0].shard == UINT32_MAX && borrow_parts(plan, w, from)) continue;
        for (uint32_t k = 0; k < w->n_parts; k++) {
            struct weft_weight_part *part = &w->parts[k];
            if (part->shard != UINT32_MAX) continue;
            if (plan->n_shards == plan->shared_shards || plan->shard_bytes[plan->n_shards - 1] + part->bytes > limit) {
                uint64_t *grown = weft_arena_alloc(&plan->arena, (plan->n_shards + 1) * sizeof *grown);
                if (!grown) return weft_fail(WEFT_ERR_NOMEM, "out of memory while placing weights");
                if (plan->n_shards) memcpy(grown, plan->shard_bytes, plan->n_shards * sizeof *grown);
                plan->shard_bytes = grown;
                plan->shard_bytes[plan->n_shards++] = 0;
            }
            part->shard = plan->n_shards - 1;
            part->offset = plan->shard_bytes[part->shard];
            plan->shard_bytes[part->shard] += part->bytes;
        }
    }
    return WEFT_OK;
}
