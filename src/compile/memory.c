/// Memory planning. Weight parts go into shards in order of first use, so that the weights of a step share a shard and a binding.
/// Transients are packed by lifetime into WEFT_HEAPS heaps. Which heap is a matter of speed only (a reader and a writer of one
/// step apart; independent steps in different heaps): correctness rests on ranges, which weft_plan_check verifies.
#include "compile/compile.h"
#include "core/alloc.h"
#include "core/error.h"
#include <stdlib.h>
#include <string.h>

/// Where another plan keeps the same weight: its parts are taken as they are.
static bool borrow_parts(struct weft_plan_weight *w, const struct weft_plan *from)
{
    for (uint32_t i = 0; i < from->n_weights; i++) {
        const struct weft_plan_weight *o = &from->weights[i];
        if (o->value == WEFT_NO_VALUE || w->value == WEFT_NO_VALUE || strcmp(o->name, w->name) != 0 || o->dtype != w->dtype || o->layout != w->layout ||
            o->rows != w->rows || o->k != w->k || o->n_parts != w->n_parts || strcmp(w->name, "constant") == 0)
            continue;
        for (uint32_t k = 0; k < w->n_parts; k++) {
            w->parts[k].shard = o->parts[k].shard;
            w->parts[k].offset = o->parts[k].offset;
        }
        return true;
    }
    return false;
}

weft_status weft_pass_shards(struct weft_plan *plan, const struct weft_plan *from)
{
    if (from && plan->n_shards == 0) {
        plan->shard_bytes = weft_arena_dup(&plan->arena, from->shard_bytes, from->n_shards * sizeof *plan->shard_bytes + 1);
        if (!plan->shard_bytes) return weft_fail(WEFT_ERR_NOMEM, "out of memory while placing weights");
        plan->n_shards = plan->shared_shards = from->n_shards;
    }
    uint64_t limit = plan->caps.max_binding < plan->caps.max_buffer ? plan->caps.max_binding : plan->caps.max_buffer;
    limit &= ~(uint64_t)255;
    for (uint32_t i = 0; i < plan->n_weights; i++) {
        struct weft_plan_weight *w = &plan->weights[i];
        if (from && w->parts[0].shard == UINT32_MAX && borrow_parts(w, from)) continue;
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

static void lifetimes(struct weft_schedule *sc)
{
    for (uint32_t i = 0; i < sc->n_tensors; i++) {
        sc->tensors[i].first = UINT32_MAX;
        sc->tensors[i].last = 0;
    }
    for (uint32_t s = 0; s < sc->n_steps; s++) {
        for (uint32_t o = 0; o < sc->steps[s].n_operands; o++) {
            struct weft_tensor *t = &sc->tensors[sc->steps[s].operands[o].tensor];
            if (s < t->first) t->first = s;
            if (s > t->last) t->last = s;
        }
    }
}

static bool alive_together(const struct weft_tensor *a, const struct weft_tensor *b) { return a->first <= b->last && b->first <= a->last; }

/// How often heap `h` would make a step read and write one buffer, or two neighbouring independent steps write one.
static uint32_t conflicts(const struct weft_schedule *sc, const uint32_t *placed, uint32_t n_placed, uint32_t t, uint32_t h)
{
    uint32_t cost = 0;
    for (uint32_t k = 0; k < n_placed; k++) {
        const struct weft_tensor *other = &sc->tensors[placed[k]];
        if (other->heap != h || !alive_together(other, &sc->tensors[t])) continue;
        uint32_t from = other->first > sc->tensors[t].first ? other->first : sc->tensors[t].first;
        uint32_t to = other->last < sc->tensors[t].last ? other->last : sc->tensors[t].last;
        for (uint32_t s = from; s <= to; s++) {
            uint8_t a = 0, b = 0;
            for (uint32_t o = 0; o < sc->steps[s].n_operands; o++) {
                if (sc->steps[s].operands[o].tensor == placed[k]) a |= sc->steps[s].operands[o].access;
                if (sc->steps[s].operands[o].tensor == t) b |= sc->steps[s].operands[o].access;
            }
            if (a && b && ((a | b) & WEFT_WRITE)) cost += a == b ? 1 : 2;
        }
    }
    return cost;
}

/// Lowest offset in heap `h` at which tensor t does not meet a tensor that is alive with it.
static uint64_t first_fit(const struct weft_schedule *sc, const uint32_t *placed, uint32_t n_placed, uint32_t t, uint32_t h)
{
    uint64_t at = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t k = 0; k < n_placed; k++) {
            const struct weft_tensor *o = &sc->tensors[placed[k]];
            if (o->heap != h || !alive_together(o, &sc->tensors[t])) continue;
            if (at < o->offset + o->bytes && o->offset < at + sc->tensors[t].bytes) {
                at = o->offset + o->bytes;
                moved = true;
            }
        }
    }
    return at;
}

struct by_size { uint32_t tensor; uint64_t bytes; };

static int larger_first(const void *a, const void *b)
{
    const struct by_size *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->tensor < y->tensor ? -1 : x->tensor > y->tensor;
}

static void lower_bound(struct weft_schedule *sc)
{
    for (uint32_t s = 0; s < sc->n_steps; s++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < sc->n_tensors; i++)
            if (sc->tensors[i].mem == WEFT_MEM_TRANSIENT && sc->tensors[i].first <= s && s <= sc->tensors[i].last) sum += sc->tensors[i].bytes;
        if (sum > sc->lower_bound) sc->lower_bound = sum;
    }
}

weft_status weft_pass_memory(struct weft_plan *plan, struct weft_schedule *sc)
{
    lifetimes(sc);
    lower_bound(sc);
    for (uint32_t i = 0; i < sc->n_tensors; i++) {
        struct weft_tensor *t = &sc->tensors[i];
        t->heap = 0;
        t->offset = 0;
        if (t->mem != WEFT_MEM_WEIGHT) continue;
        const struct weft_weight_part *part = &plan->weights[t->index >> 12].parts[t->index & 4095];
        t->heap = part->shard;
        t->offset = part->offset;
    }
    struct by_size *order = weft_alloc((sc->n_tensors + 1) * sizeof *order);
    uint32_t *placed = weft_alloc((sc->n_tensors + 1) * sizeof *placed), n = 0, n_placed = 0;
    if (!order || !placed) {
        weft_free(order);
        weft_free(placed);
        return weft_fail(WEFT_ERR_NOMEM, "out of memory while planning memory");
    }
    for (uint32_t i = 0; i < sc->n_tensors; i++)
        if (sc->tensors[i].mem == WEFT_MEM_TRANSIENT && sc->tensors[i].first != UINT32_MAX) order[n++] = (struct by_size){i, sc->tensors[i].bytes};
    qsort(order, n, sizeof *order, larger_first);
    memset(sc->heap_bytes, 0, sizeof sc->heap_bytes);
    for (uint32_t k = 0; k < n; k++) {
        struct weft_tensor *t = &sc->tensors[order[k].tensor];
        uint32_t best = 0, best_cost = UINT32_MAX;
        uint64_t best_growth = UINT64_MAX, best_at = 0;
        for (uint32_t h = 0; h < WEFT_HEAPS; h++) {
            uint64_t at = first_fit(sc, placed, n_placed, order[k].tensor, h);
            if (at + t->bytes > plan->caps.max_buffer) continue;
            uint64_t growth = at + t->bytes > sc->heap_bytes[h] ? at + t->bytes - sc->heap_bytes[h] : 0;
            uint32_t cost = conflicts(sc, placed, n_placed, order[k].tensor, h);
            // Memory first where it is large, colours where it is small change.
            bool better = growth / 65536 != best_growth / 65536 ? growth < best_growth : cost != best_cost ? cost < best_cost : growth < best_growth;
            if (!better) continue;
            best = h;
            best_cost = cost;
            best_growth = growth;
            best_at = at;
        }
        if (best_growth == UINT64_MAX) {
            weft_free(order);
            weft_free(placed);
            return weft_fail(WEFT_ERR_LIMIT, "transient '%s' of %llu bytes fits no heap of at most %llu bytes", t->name,
                             (unsigned long long)t->bytes, (unsigned long long)plan->caps.max_buffer);
        }
        t->heap = best;
        t->offset = best_at;
        if (best_at + t->bytes > sc->heap_bytes[best]) sc->heap_bytes[best] = best_at + t->bytes;
        placed[n_placed++] = order[k].tensor;
    }
    for (uint32_t h = 0; h < WEFT_HEAPS; h++)
        if (sc->heap_bytes[h] > plan->heap_bytes[h]) plan->heap_bytes[h] = sc->heap_bytes[h];
    weft_free(order);
    weft_free(placed);
    return WEFT_OK;
}
