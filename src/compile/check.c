/// The checker of plans: validates every step as WebGPU would, from slots and tensors alone, sharing no code with the
/// binder. No plan leaves the compiler without it.
#include "compile/bind.h"
#include "compile/compile.h"
#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"
#include "plan/update.h"
#include <string.h>

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size) {
    return a < b + b_size && b < a + a_size;
}

static weft_status check_slots(const struct weft_plan *plan, const struct weft_step *s) {
    const struct weft_gpu_caps *c = &plan->caps;
    if (s->bound.n_slots - 1 > c->max_storage_buffers)
        return weft_fail(WEFT_ERR_INTERNAL, "step '%s' has %u storage bindings, the limit is %u", s->label,
                         s->bound.n_slots - 1, c->max_storage_buffers);
    for (uint32_t i = 1; i < s->bound.n_slots; i++) {
        const struct weft_slot *a = &s->bound.slots[i];
        if (a->offset % 256 || a->size == 0 || a->size % 4 || a->size > c->max_binding)
            return weft_fail(WEFT_ERR_INTERNAL, "step '%s': binding %u has offset %llu and size %llu", s->label, i,
                             (unsigned long long)a->offset, (unsigned long long)a->size);
        for (uint32_t j = 1; j < i; j++) {
            const struct weft_slot *b = &s->bound.slots[j];
            if (a->mem_key != b->mem_key || a->bank != b->bank) continue; // banks are buffers of their own
            if (a->kind != b->kind)
                return weft_fail(WEFT_ERR_INTERNAL, "step '%s': bindings %u and %u use one buffer read and read_write",
                                 s->label, j, i);
            if (a->kind == WEFT_BIND_READ_WRITE && overlap(a->offset, a->size, b->offset, b->size))
                return weft_fail(WEFT_ERR_INTERNAL, "step '%s': writable bindings %u and %u overlap", s->label, j, i);
        }
    }
    return WEFT_OK;
}

/// True if two operands have a binding in common.
static bool segments_overlap(const struct weft_operand *a, const struct weft_operand *b) {
    uint32_t a_n = a->bound.n_segments ? a->bound.n_segments : 1, b_n = b->bound.n_segments ? b->bound.n_segments : 1;
    return a->bound.slot < b->bound.slot + b_n && b->bound.slot < a->bound.slot + a_n;
}

/// Byte k of a segmented operand, counted from its first binding, is taken from segment k / segment_bytes at the rest:
/// that must be where the byte lies, and no segment may miss a byte.
static weft_status check_segments(const struct weft_schedule *sc, const struct weft_step *s,
                                  const struct weft_operand *o) {
    const struct weft_slot *first = &s->bound.slots[o->bound.slot];
    uint64_t end = o->bound.slot_offset + o->bytes, cut = o->bound.segment_bytes,
             banks = sc->tensors[o->tensor].bank_bytes;
    bool good = cut != 0 && cut % (banks ? 16 : 256) == 0 && (!banks || (cut == banks && o->bound.slot_offset == 0)) &&
                (uint32_t)o->bound.slot + o->bound.n_segments <= s->bound.n_slots &&
                !(o->flags & WEFT_OPERAND_ATOMIC) && (end + cut - 1) / cut == o->bound.n_segments;
    for (uint32_t k = 0; good && k < o->bound.n_segments; k++) {
        const struct weft_slot *slot = &s->bound.slots[o->bound.slot + k];
        uint64_t left = end - k * cut;
        good = slot->segment && slot->mem_key == first->mem_key && slot->kind == first->kind &&
               slot->wide == first->wide && !slot->atomic && slot->offset == (banks ? 0 : first->offset + k * cut) &&
               slot->bank == (banks ? k : 0) && slot->size >= (left < cut ? left : cut) &&
               (k + 1 == o->bound.n_segments || slot->size == cut);
    }
    if (!good)
        return weft_fail(WEFT_ERR_INTERNAL,
                         "step '%s': the segments of operand '%s' (%s) do not hold its bytes in order", s->label,
                         o->name, sc->tensors[o->tensor].name);
    return WEFT_OK;
}

/// Live element offset of an operand, and the element behind its last, as dims of its type.
static void live_range(struct weft_dims *dims, const struct weft_operand *o, weft_dim *start, weft_dim *end) {
    int64_t width = weft_accessor_width(o->dtype);
    *start = o->elem_offset;
    if (o->count == WEFT_DIM_NONE) *end = weft_dim_const(dims, (int64_t)o->bytes / width);
    else *end = weft_dim_add(dims, *start, o->count);
}

/// True if operand p ends before q begins, for all sizes of the schedule; elements that share a word count as
/// overlapping.
static bool ends_before(const struct weft_plan *plan, const struct weft_schedule *sc, const struct weft_operand *p,
                        const struct weft_operand *q) {
    struct weft_dims *dims = plan->graph->dims;
    int64_t pw = weft_accessor_width(p->dtype), qw = weft_accessor_width(q->dtype), lo, hi;
    weft_dim from, p_end, q_start;
    live_range(dims, p, &from, &p_end);
    live_range(dims, q, &q_start, &from);
    if (p->count == WEFT_DIM_ZERO || q->count == WEFT_DIM_ZERO) return true; // nothing is touched
    p_end = weft_dim_add(dims, weft_dim_mul(dims, p_end, weft_dim_const(dims, pw)),
                         weft_dim_const(dims, (int64_t)p->bound.slot_offset));
    q_start = weft_dim_add(dims, weft_dim_mul(dims, q_start, weft_dim_const(dims, qw)),
                           weft_dim_const(dims, (int64_t)q->bound.slot_offset));
    weft_dim gap = weft_dim_sub(dims, q_start, p_end);
    if (gap == WEFT_DIM_BAD) return false;
    weft_dim_bounds_within(dims, gap, sc->lo, sc->hi, &lo, &hi);
    return lo >= (weft_dim_is_multiple(dims, p_end, 4) ? 0 : 4 - (pw < qw ? pw : qw));
}

/// Two operands of one binding, one of them written: disjoint for all sizes, or one range and declared one element map.
static bool may_stand(const struct weft_plan *plan, const struct weft_schedule *sc, const struct weft_step *s,
                      uint32_t i, uint32_t j) {
    const struct weft_operand *a = &s->operands[i], *b = &s->operands[j];
    if (!overlap(a->bound.slot_offset, a->bytes, b->bound.slot_offset, b->bytes)) return true;
    bool whole = a->split.first == 0 && b->split.first == 0; // else the bytes of a split step decide
    if (whole && a->tensor == b->tensor && (ends_before(plan, sc, a, b) || ends_before(plan, sc, b, a))) return true;
    bool declared = (a->inplace_of == (int8_t)j && !(a->flags & WEFT_OPERAND_DISJOINT)) ||
                    (b->inplace_of == (int8_t)i && !(b->flags & WEFT_OPERAND_DISJOINT)) ||
                    (a->flags & b->flags & WEFT_OPERAND_INPLACE);
    return declared && a->bound.slot_offset == b->bound.slot_offset && a->elem_offset == b->elem_offset &&
           a->count == b->count && a->dtype == b->dtype && a->split.first == b->split.first &&
           a->bound.slot == b->bound.slot && a->bound.n_segments == b->bound.n_segments &&
           a->bound.segment_bytes == b->bound.segment_bytes;
}

static weft_status check_operands(const struct weft_plan *plan, const struct weft_schedule *sc,
                                  const struct weft_step *s) {
    for (uint32_t i = 0; i < s->n_operands; i++) {
        const struct weft_operand *o = &s->operands[i];
        const struct weft_tensor *t = &sc->tensors[o->tensor];
        const struct weft_slot *slot = &s->bound.slots[o->bound.slot];
        uint64_t start = t->offset + o->byte_offset;
        if (o->bound.slot == 0 || o->bound.slot >= s->bound.n_slots || slot->mem_key != weft_mem_key(t) ||
            start != slot->offset + o->bound.slot_offset ||
            (o->bound.n_segments < 2 && o->bound.slot_offset + o->bytes > slot->size) ||
            o->byte_offset + o->bytes > weft_align256(t->bytes))
            return weft_fail(WEFT_ERR_INTERNAL, "step '%s': operand '%s' lies outside its binding", s->label, o->name);
        if (o->bound.n_segments > 1) WEFT_TRY(check_segments(sc, s, o));
        if (o->bound.n_segments < 2 && slot->segment)
            return weft_fail(WEFT_ERR_INTERNAL, "step '%s': operand '%s' is bound to a segment of another", s->label,
                             o->name);
        if (o->bound.slot_offset % (slot->wide ? 16 : 4) != 0)
            return weft_fail(WEFT_ERR_INTERNAL, "step '%s': operand '%s' does not start at a %s of its binding",
                             s->label, o->name, slot->wide ? "vec4" : "word");
        if ((o->access & WEFT_WRITE) && slot->kind != WEFT_BIND_READ_WRITE)
            return weft_fail(WEFT_ERR_INTERNAL, "step '%s': operand '%s' is written through a read-only binding",
                             s->label, o->name);
        if ((o->access & WEFT_WRITE) && (t->mem == WEFT_MEM_WEIGHT || t->mem == WEFT_MEM_INPUT))
            return weft_fail(WEFT_ERR_INTERNAL, "step '%s': operand '%s' writes to '%s', which is read-only", s->label,
                             o->name, t->name);
        for (uint32_t j = 0; j < i; j++) { // two operands of one range must be one element map
            const struct weft_operand *p = &s->operands[j];
            if (!segments_overlap(p, o) || !((p->access | o->access) & WEFT_WRITE)) continue;
            if (!may_stand(plan, sc, s, i, j))
                return weft_fail(WEFT_ERR_INTERNAL, "step '%s': operands '%s' and '%s' overlap partly", s->label,
                                 p->name, o->name);
        }
    }
    return WEFT_OK;
}

/// Most workgroups of a step, as a whole, at the ends of its symbols' ranges: all combinations of few symbols.
static uint64_t corner_groups(const struct weft_plan *plan, const struct weft_schedule *sc, const struct weft_step *s) {
    uint32_t n = weft_dims_symbol_count(plan->graph->dims), words[WEFT_MAX_WORDS], grid[3];
    uint64_t most = 0;
    int64_t symbols[WEFT_MAX_SYMBOLS] = {0};
    struct weft_update u = {.dims = plan->graph->dims, .symbols = symbols, .caps = &plan->caps, .step = s};
    for (uint32_t corner = 0; corner < 1u << (n < 6 ? n : 6); corner++) {
        for (uint32_t i = 0; i < n; i++) symbols[i] = corner >> i & 1 ? sc->lo[i] : sc->hi[i];
        if (corner && weft_graph_sizes_check(plan->graph, symbols) != WEFT_OK) continue; // no run has these sizes
        weft_step_update(&u, words, grid);
        uint64_t total = (uint64_t)grid[0] * grid[1] * grid[2];
        if (total > most) most = total;
    }
    return most;
}

/// A part of a split step: its neighbours go on where it ends, and each operand still has what its items reach.
static weft_status check_piece(const struct weft_plan *plan, const struct weft_schedule *sc, uint32_t n) {
    const struct weft_step *s = &sc->steps[n], *next = n + 1 < sc->n_steps ? s + 1 : NULL;
    struct weft_step whole = *s;
    whole.split.end = 0;
    uint64_t total = corner_groups(plan, sc, &whole);
    bool first = s->split.first == 0, more = s->split.end < total;
    bool good = s->items && s->split.first < s->split.end && s->n_fields >= 3 &&
                (first || (n && s[-1].cfg == s->cfg && s[-1].split.end == s->split.first)) &&
                (!more || (next && next->cfg == s->cfg && next->split.first == s->split.end));
    for (uint32_t i = 0; i < s->n_operands && good; i++) {
        const struct weft_operand *o = &s->operands[i];
        const struct weft_tensor *t = &sc->tensors[o->tensor];
        if (o->split.first == 0 && o->byte_offset + o->bytes == weft_align256(t->bytes)) continue; // all of it
        int64_t view = 0;
        good &= weft_dim_is_const(plan->graph->dims, o->elem_offset, &view);
        uint64_t width = weft_accessor_width(o->dtype), start = o->byte_offset - o->split.first * width;
        if (o->every == 0) {
            good &= o->split.first == 0;
            continue;
        }
        uint64_t lo = (uint64_t)s->split.first * s->items / o->every * o->unit + (uint64_t)view;
        uint64_t last = ((uint64_t)s->split.end * s->items - 1) / o->every, hi = (last + 1) * o->unit + (uint64_t)view;
        uint64_t end = start + hi * width, most = weft_align256(t->bytes);
        good &= o->byte_offset >= o->split.first * width &&
                (start + lo * width >= o->byte_offset || lo * width >= most) &&
                o->byte_offset + o->bytes >= (end < most ? end : most);
    }
    if (!good)
        return weft_fail(WEFT_ERR_INTERNAL, "step '%s' does not do its part of the step that was split", s->label);
    return WEFT_OK;
}

/// Every transient is written before it is read, and while it is alive nobody writes to its bytes.
static weft_status check_transients(const struct weft_schedule *sc) {
    bool *written = weft_calloc(sc->n_tensors + 1, sizeof *written);
    uint32_t *last_use = weft_calloc(sc->n_tensors + 1, sizeof *last_use);
    uint32_t *needed = weft_calloc(sc->n_tensors + 1, sizeof *needed), n_needed = 0; // written, and used again
    weft_status status =
        written && last_use && needed ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory while checking the plan");
    for (uint32_t n = 0; status == WEFT_OK && n < sc->n_steps; n++)
        for (uint32_t q = 0; q < sc->steps[n].n_operands; q++) last_use[sc->steps[n].operands[q].tensor] = n;
    for (uint32_t n = 0; status == WEFT_OK && n < sc->n_steps; n++) {
        const struct weft_step *s = &sc->steps[n];
        uint32_t kept = 0;
        for (uint32_t k = 0; k < n_needed; k++)
            if (last_use[needed[k]] >= n) needed[kept++] = needed[k];
        n_needed = kept;
        for (uint32_t i = 0; i < s->n_operands && status == WEFT_OK; i++) {
            const struct weft_operand *o = &s->operands[i];
            const struct weft_tensor *t = &sc->tensors[o->tensor];
            if (t->mem != WEFT_MEM_TRANSIENT) continue;
            if ((o->access & WEFT_READ) && !written[o->tensor])
                status =
                    weft_fail(WEFT_ERR_INTERNAL, "step '%s' reads '%s' before any step wrote it", s->label, t->name);
            if (!(o->access & WEFT_WRITE)) continue;
            for (uint32_t a = 0; a < n_needed && status == WEFT_OK; a++) {
                uint32_t k = needed[a];
                const struct weft_tensor *v = &sc->tensors[k];
                if (k == o->tensor || v->heap != t->heap || !overlap(v->offset, v->bytes, t->offset, t->bytes))
                    continue;
                bool pair = false;
                for (uint32_t q = 0; q < s->n_operands; q++)
                    pair |= s->operands[q].tensor == k &&
                            (s->operands[q].inplace_of == (int8_t)i || o->inplace_of == (int8_t)q);
                if (!pair)
                    status = weft_fail(WEFT_ERR_INTERNAL, "step '%s' writes '%s' over '%s', which is still needed",
                                       s->label, t->name, v->name);
            }
        }
        for (uint32_t i = 0; i < s->n_operands; i++) {
            uint32_t k = s->operands[i].tensor;
            if (!(s->operands[i].access & WEFT_WRITE) || written[k]) continue;
            written[k] = true;
            if (sc->tensors[k].mem == WEFT_MEM_TRANSIENT) needed[n_needed++] = k;
        }
    }
    weft_free(needed);
    weft_free(written);
    weft_free(last_use);
    return status;
}

/// Each output is written: a value may lie in the memory of another, an output's may not.
static weft_status check_outputs(const struct weft_plan *plan, const struct weft_schedule *sc) {
    bool *written = weft_calloc(plan->n_ios + 1, sizeof *written);
    weft_status status = written ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory while checking the plan");
    for (uint32_t n = 0; written && n < sc->n_steps; n++)
        for (uint32_t i = 0; i < sc->steps[n].n_operands; i++) {
            const struct weft_operand *o = &sc->steps[n].operands[i];
            const struct weft_tensor *t = &sc->tensors[o->tensor];
            if (t->mem == WEFT_MEM_OUTPUT && (o->access & WEFT_WRITE) && t->index < plan->n_ios)
                written[t->index] = true;
        }
    for (uint32_t i = 0; i < plan->n_ios && status == WEFT_OK; i++)
        if (plan->ios[i].is_output && !written[i])
            status =
                weft_fail(WEFT_ERR_INTERNAL, "schedule %s: no step writes output '%s'", sc->name, plan->ios[i].name);
    weft_free(written);
    return status;
}

weft_status weft_plan_check(const struct weft_plan *plan, const struct weft_schedule *sc) {
    for (uint32_t n = 0; n < sc->n_steps; n++) {
        WEFT_TRY(weft_cancel_check());
        WEFT_TRY(check_slots(plan, &sc->steps[n]));
        WEFT_TRY(check_operands(plan, sc, &sc->steps[n]));
        if (sc->steps[n].split.end) WEFT_TRY(check_piece(plan, sc, n));
        WEFT_TRY(weft_plan_check_limits(plan, sc, &sc->steps[n]));
    }
    WEFT_TRY(weft_plan_check_states(plan, sc));
    WEFT_TRY(check_outputs(plan, sc));
    return check_transients(sc);
}
