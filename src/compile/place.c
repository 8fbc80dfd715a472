/// Placement of transients: packed by lifetime into WEFT_HEAPS heaps, larger ones first, each at the lowest free place.
/// Which heap is a matter of speed only (a reader and a writer of one step apart; independent steps in different
/// heaps): correctness rests on ranges, which weft_plan_check verifies.
#include "compile/passes.h"
#include "core/error.h"
#include <stdlib.h>
#include <string.h>

struct use {
    uint32_t step;
    uint8_t access;
};
struct item {
    uint32_t tensor, first;
    uint64_t bytes, weight;
};

struct placer {
    const struct weft_plan *plan;
    struct weft_schedule *sc;
    struct item *order;       ///< tensors to place
    uint32_t n_order, misfit; ///< misfit: the one that found no heap
    uint32_t *use_start;      ///< uses of tensor t: uses[use_start[t]] ..
    struct use *uses;
    uint32_t *in_heap[WEFT_HEAPS], n_in_heap[WEFT_HEAPS]; ///< placed tensors by offset
    uint64_t bytes[WEFT_HEAPS], best_bytes[WEFT_HEAPS];
    uint64_t cap, program_cap; ///< most bytes of all heaps: of this schedule; of it and those planned before
    bool *placed;
    struct spot {
        uint32_t heap;
        uint64_t offset;
    } * spots, *best; ///< by tensor: of this try, of the best so far
};

static bool alive_together(const struct weft_tensor *a, const struct weft_tensor *b) {
    return a->first <= b->last && b->first <= a->last;
}

/// Lifetimes, the uses of each tensor, and the list of what is to be placed.
static void find_uses(struct placer *p) {
    struct weft_schedule *sc = p->sc;
    for (uint32_t i = 0; i < sc->n_tensors; i++) {
        sc->tensors[i].first = UINT32_MAX;
        sc->tensors[i].last = 0;
    }
    for (uint32_t s = 0; s < sc->n_steps; s++)
        for (uint32_t o = 0; o < sc->steps[s].n_operands; o++) p->use_start[sc->steps[s].operands[o].tensor + 2]++;
    for (uint32_t i = 2; i < sc->n_tensors + 2; i++) p->use_start[i] += p->use_start[i - 1];
    for (uint32_t s = 0; s < sc->n_steps; s++) {
        for (uint32_t o = 0; o < sc->steps[s].n_operands; o++) {
            const struct weft_operand *operand = &sc->steps[s].operands[o];
            struct weft_tensor *t = &sc->tensors[operand->tensor];
            p->uses[p->use_start[operand->tensor + 1]++] = (struct use){s, operand->access};
            if (s < t->first) t->first = s;
            if (s > t->last) t->last = s;
        }
    }
    for (uint32_t i = 0; i < sc->n_tensors; i++)
        if (sc->tensors[i].mem == WEFT_MEM_TRANSIENT && sc->tensors[i].first != UINT32_MAX)
            p->order[p->n_order++] = (struct item){i, sc->tensors[i].first, sc->tensors[i].bytes, sc->tensors[i].bytes};
}

/// Most bytes alive at one step: what no placement can go below.
static uint64_t lower_bound(const struct weft_schedule *sc, int64_t *change) {
    int64_t alive = 0, most = 0;
    memset(change, 0, (sc->n_steps + 2) * sizeof *change);
    for (uint32_t i = 0; i < sc->n_tensors; i++) {
        const struct weft_tensor *t = &sc->tensors[i];
        if (t->mem != WEFT_MEM_TRANSIENT || t->first == UINT32_MAX) continue;
        change[t->first] += (int64_t)t->bytes;
        change[t->last + 1] -= (int64_t)t->bytes;
    }
    for (uint32_t s = 0; s < sc->n_steps; s++) {
        alive += change[s];
        if (alive > most) most = alive;
    }
    return (uint64_t)most;
}

/// Adds to cost[h] how often heap h would make a step read and write one buffer (2), or write it twice (1), if tensor t
/// lay there.
static void count_conflicts(const struct placer *p, uint32_t t, uint32_t cost[WEFT_HEAPS]) {
    for (uint32_t u = p->use_start[t]; u < p->use_start[t + 1]; u++) {
        const struct weft_step *s = &p->sc->steps[p->uses[u].step];
        for (uint32_t o = 0; o < s->n_operands; o++) {
            uint32_t other = s->operands[o].tensor;
            uint8_t a = s->operands[o].access, b = p->uses[u].access;
            if (other == t || p->sc->tensors[other].mem != WEFT_MEM_TRANSIENT || !p->placed[other] ||
                !((a | b) & WEFT_WRITE))
                continue;
            cost[p->spots[other].heap] += a == b ? 1 : 2;
        }
    }
}

/// Neighbouring steps that do not depend on each other run side by side only if they write different buffers.
static void count_neighbours(const struct placer *p, uint32_t t, uint32_t cost[WEFT_HEAPS]) {
    for (uint32_t u = p->use_start[t]; u < p->use_start[t + 1]; u++) {
        if (!(p->uses[u].access & WEFT_WRITE)) continue;
        for (int side = -1; side <= 1; side += 2) {
            uint32_t other = p->uses[u].step + (uint32_t)side;
            if (other >= p->sc->n_steps) continue;
            const struct weft_step *early = &p->sc->steps[side < 0 ? other : p->uses[u].step],
                                   *late = &p->sc->steps[side < 0 ? p->uses[u].step : other];
            bool dependent = false;
            for (uint32_t i = 0; i < early->n_operands; i++)
                for (uint32_t k = 0; k < late->n_operands && (early->operands[i].access & WEFT_WRITE); k++)
                    dependent |= late->operands[k].tensor == early->operands[i].tensor;
            const struct weft_step *s = &p->sc->steps[other];
            for (uint32_t o = 0; o < s->n_operands && !dependent; o++) {
                uint32_t w = s->operands[o].tensor;
                if ((s->operands[o].access & WEFT_WRITE) && w != t && p->sc->tensors[w].mem == WEFT_MEM_TRANSIENT &&
                    p->placed[w])
                    cost[p->spots[w].heap]++;
            }
        }
    }
}

/// Lowest offset in heap h at which tensor t overlaps none that is alive with it; *at receives its place in the heap's
/// list.
static uint64_t first_fit(const struct placer *p, uint32_t t, uint32_t h, uint32_t *at) {
    const struct weft_tensor *x = &p->sc->tensors[t];
    uint64_t offset = 0;
    for (*at = 0; *at < p->n_in_heap[h]; ++*at) {
        uint32_t other = p->in_heap[h][*at];
        const struct weft_tensor *o = &p->sc->tensors[other];
        if (!alive_together(o, x)) continue;
        if (p->spots[other].offset >= offset + x->bytes) break;
        if (p->spots[other].offset + o->bytes > offset) offset = p->spots[other].offset + o->bytes;
    }
    while (*at && p->spots[p->in_heap[h][*at - 1]].offset > offset) --*at;
    return offset;
}

static void put(struct placer *p, uint32_t t, uint32_t h, uint64_t offset, uint32_t at) {
    memmove(&p->in_heap[h][at + 1], &p->in_heap[h][at], (p->n_in_heap[h] - at) * sizeof *p->in_heap[h]);
    p->in_heap[h][at] = t;
    p->n_in_heap[h]++;
    p->spots[t] = (struct spot){h, offset};
    p->placed[t] = true;
    uint64_t end = offset + p->sc->tensors[t].bytes;
    if (end > p->bytes[h]) p->bytes[h] = end;
}

/// Whether heap h may grow by so much.
static bool may_grow(const struct placer *p, uint32_t h, uint64_t growth) {
    uint64_t own = growth, all = 0;
    for (uint32_t i = 0; i < WEFT_HEAPS; i++) {
        uint64_t bytes = p->bytes[i] + (i == h ? growth : 0), before = p->plan->heap_bytes[i];
        own += p->bytes[i];
        all += bytes > before ? bytes : before;
    }
    return own <= p->cap && all <= p->program_cap;
}

/// Places all tensors in `heaps` heaps: where the heap grows least in units of 2^coarse bytes, then where fewest steps
/// conflict. False if one fits nowhere: p->misfit.
static bool place_all(struct placer *p, uint32_t heaps, unsigned coarse) {
    memset(p->n_in_heap, 0, sizeof p->n_in_heap);
    memset(p->bytes, 0, sizeof p->bytes);
    memset(p->placed, 0, p->sc->n_tensors * sizeof *p->placed);
    for (uint32_t k = 0; k < p->n_order; k++) {
        uint32_t t = p->order[k].tensor, cost[WEFT_HEAPS] = {0}, best = heaps, best_at = 0;
        uint64_t best_growth = 0, best_offset = 0, bytes = p->sc->tensors[t].bytes;
        if (heaps > 1) {
            count_conflicts(p, t, cost);
            count_neighbours(p, t, cost);
        }
        for (uint32_t h = 0; h < heaps; h++) {
            uint32_t at;
            uint64_t offset = first_fit(p, t, h, &at),
                     growth = offset + bytes > p->bytes[h] ? offset + bytes - p->bytes[h] : 0;
            if (offset + bytes > p->plan->caps.max_buffer || (growth && !may_grow(p, h, growth))) continue;
            if (best != heaps) {
                uint64_t a = growth >> coarse, b = best_growth >> coarse;
                if (!(a != b ? a < b : cost[h] != cost[best] ? cost[h] < cost[best] : growth < best_growth)) continue;
            }
            best = h;
            best_growth = growth;
            best_offset = offset;
            best_at = at;
        }
        if (best == heaps) {
            p->misfit = k;
            return false;
        }
        put(p, t, best, best_offset, best_at);
    }
    return true;
}

static int by_weight(const void *a, const void *b) {
    const struct item *x = a, *y = b;
    if (x->weight != y->weight) return x->weight < y->weight ? 1 : -1;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return x->tensor < y->tensor ? -1 : x->tensor > y->tensor;
}

enum order { BY_SIZE, BY_START, BY_AREA };

static void sort(struct placer *p, enum order order) {
    for (uint32_t k = 0; k < p->n_order; k++) {
        struct item *i = &p->order[k];
        const struct weft_tensor *t = &p->sc->tensors[i->tensor];
        i->weight = order == BY_SIZE    ? i->bytes
                    : order == BY_START ? UINT32_MAX - i->first
                                        : weft_bytes_times(i->bytes, t->last - t->first + 1);
    }
    qsort(p->order, p->n_order, sizeof *p->order, by_weight);
}

static uint64_t keep_if_less(struct placer *p, uint64_t least) {
    uint64_t total = 0;
    for (uint32_t h = 0; h < WEFT_HEAPS; h++) total += p->bytes[h];
    if (total >= least) return least;
    memcpy(p->best, p->spots, p->sc->n_tensors * sizeof *p->best);
    memcpy(p->best_bytes, p->bytes, sizeof p->bytes);
    return total;
}

/// Ways to place, in the order in which they are tried until one keeps within the caps: first those that use the room
/// for colours, which count growth in units of a 64th of the bound.
static const struct {
    enum order order;
    uint32_t heaps;
    bool colours;
} ways[] = {
    {BY_SIZE, WEFT_HEAPS, true},  {BY_SIZE, WEFT_HEAPS, false},  {BY_AREA, WEFT_HEAPS, true},
    {BY_AREA, WEFT_HEAPS, false}, {BY_START, WEFT_HEAPS, false}, {BY_SIZE, 1, false},
    {BY_AREA, 1, false},          {BY_START, 1, false},
};
#define N_WAYS (sizeof ways / sizeof ways[0])
#define REPAIR_WORK 400000 ///< placements tried at most by one search: a few milliseconds

static bool place_by(struct placer *p, size_t way) {
    unsigned coarse = 0;
    while (ways[way].colours && (p->sc->lower_bound / 64) >> coarse > 1) coarse++;
    return place_all(p, ways[way].heaps, coarse);
}

/// Tries again and again, each time with the tensor that found no place further in front. True once all have one.
static bool repair(struct placer *p, size_t way) {
    uint32_t rounds = p->n_order ? REPAIR_WORK / p->n_order : 0;
    if (rounds > 300) rounds = 300;
    sort(p, ways[way].order);
    for (uint32_t i = 0; i < rounds; i++) {
        if (place_by(p, way)) return true;
        uint32_t k = p->misfit, to = i % 3 == 2 ? 0 : k / 2;
        struct item late = p->order[k];
        memmove(&p->order[to + 1], &p->order[to], (k - to) * sizeof late);
        p->order[to] = late;
    }
    return false;
}

/// Bytes of the best placement found: within 10 % of the bounds if any search comes so far, else the smallest.
static uint64_t try_ways(struct placer *p) {
    uint64_t bound = p->sc->lower_bound, most = bound;
    for (uint32_t i = 0; i < p->plan->n_schedules; i++)
        if (p->plan->schedules[i].lower_bound > most) most = p->plan->schedules[i].lower_bound;
    p->cap = bound + bound / 10;
    p->program_cap = most + most / 10;
    for (size_t w = 0; w < N_WAYS; w++) {
        sort(p, ways[w].order);
        if (place_by(p, w)) return keep_if_less(p, UINT64_MAX);
    }
    for (size_t w = 0; w < N_WAYS; w++)
        if (repair(p, w)) return keep_if_less(p, UINT64_MAX);
    uint64_t least = UINT64_MAX;
    p->cap = p->program_cap = UINT64_MAX;
    for (size_t w = 0; w < N_WAYS; w++) {
        sort(p, ways[w].order);
        if (place_by(p, w)) least = keep_if_less(p, least);
    }
    return least;
}

/// The largest heap gets number 0 and so on, unless other schedules have heaps already: these are shared by all.
static void install(const struct placer *p) {
    struct weft_schedule *sc = p->sc;
    uint32_t rank[WEFT_HEAPS];
    bool first = true;
    for (uint32_t h = 0; h < WEFT_HEAPS; h++) first &= p->plan->heap_bytes[h] == 0;
    memset(sc->heap_bytes, 0, sizeof sc->heap_bytes);
    for (uint32_t h = 0; h < WEFT_HEAPS; h++) {
        rank[h] = first ? 0 : h;
        for (uint32_t o = 0; o < WEFT_HEAPS && first; o++)
            rank[h] += p->best_bytes[o] > p->best_bytes[h] || (p->best_bytes[o] == p->best_bytes[h] && o < h);
        sc->heap_bytes[rank[h]] = p->best_bytes[h];
    }
    for (uint32_t k = 0; k < p->n_order; k++) {
        uint32_t t = p->order[k].tensor;
        sc->tensors[t].heap = rank[p->best[t].heap];
        sc->tensors[t].offset = p->best[t].offset;
    }
}

static weft_status place_transients(const struct weft_plan *plan, struct weft_schedule *sc) {
    struct placer p = {.plan = plan, .sc = sc};
    size_t n = sc->n_tensors, n_uses = 0;
    for (uint32_t s = 0; s < sc->n_steps; s++) n_uses += sc->steps[s].n_operands;
    struct weft_arena arena = {0};
    p.order = weft_arena_alloc(&arena, (n + 1) * sizeof *p.order);
    p.use_start = weft_arena_alloc(&arena, (n + 3) * sizeof *p.use_start);
    p.uses = weft_arena_alloc(&arena, (n_uses + 1) * sizeof *p.uses);
    p.placed = weft_arena_alloc(&arena, (n + 1) * sizeof *p.placed);
    p.spots = weft_arena_alloc(&arena, (n + 1) * sizeof *p.spots);
    p.best = weft_arena_alloc(&arena, (n + 1) * sizeof *p.best);
    int64_t *change = weft_arena_alloc(&arena, (sc->n_steps + 2) * sizeof *change);
    bool room = p.order && p.use_start && p.uses && p.placed && p.spots && p.best && change;
    for (uint32_t h = 0; h < WEFT_HEAPS; h++)
        room &= (p.in_heap[h] = weft_arena_alloc(&arena, (n + 1) * sizeof *p.in_heap[h])) != NULL;
    weft_status status = room ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory while planning memory");
    if (status == WEFT_OK) {
        find_uses(&p);
        sc->lower_bound = lower_bound(sc, change);
        if (try_ways(&p) != UINT64_MAX) install(&p);
        else
            status =
                weft_fail(WEFT_ERR_LIMIT,
                          "transient '%s' of %llu bytes fits no heap: %llu bytes are alive at once, in %d heaps of at "
                          "most %llu bytes",
                          sc->tensors[p.order[p.misfit].tensor].name, (unsigned long long)p.order[p.misfit].bytes,
                          (unsigned long long)sc->lower_bound, WEFT_HEAPS, (unsigned long long)plan->caps.max_buffer);
    }
    weft_arena_free(&arena);
    return status;
}

weft_status weft_pass_place(const struct weft_plan *plan, struct weft_schedule *sc) {
    for (uint32_t i = 0; i < sc->n_tensors; i++) {
        struct weft_tensor *t = &sc->tensors[i];
        t->heap = 0;
        t->offset = 0;
        if (t->mem != WEFT_MEM_WEIGHT) continue;
        const struct weft_weight_part *part = &plan->weights[t->index >> 12].parts[t->index & 4095];
        t->heap = part->shard;
        t->offset = part->offset;
    }
    return place_transients(plan, sc);
}
