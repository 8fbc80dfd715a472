/// Slots. The rules (design contract 3):
/// - WebGPU validates usage by whole buffer within a dispatch: if a step writes any operand in buffer B, every operand
/// in B is
///   bound read_write, and the bound ranges are disjoint, or one declared in-place pair that shares one binding.
/// - In a buffer that the step only reads, operands of one access width share a binding where its span fits the limit.
/// - An operand larger than a binding has several of its own, and so has a pool of several banks.
#include "compile/bind.h"
#include "compile/passes.h"
#include "core/error.h"
#include "plan/update.h"
#include <string.h>

uint32_t weft_mem_key(const struct weft_tensor *t) {
    uint32_t number = t->mem == WEFT_MEM_TRANSIENT || t->mem == WEFT_MEM_WEIGHT ? t->heap
                      : t->mem == WEFT_MEM_VARS                                 ? 0
                                                                                : t->index;
    return (uint32_t)t->mem << 24 | number;
}

struct range {
    uint32_t key;
    uint64_t start, end;
    bool written;
};

static struct range operand_range(const struct weft_schedule *sc, const struct weft_operand *o) {
    const struct weft_tensor *t = &sc->tensors[o->tensor];
    uint64_t start = t->offset + o->byte_offset, end = start + o->bytes;
    return (struct range){weft_mem_key(t), start & ~(uint64_t)255, weft_align256(end), (o->access & WEFT_WRITE) != 0};
}

static bool may_share(const struct weft_step *s, uint32_t a, uint32_t b) {
    return s->operands[a].inplace_of == (int8_t)b || s->operands[b].inplace_of == (int8_t)a ||
           (s->operands[a].tensor == s->operands[b].tensor &&
            s->operands[a].byte_offset == s->operands[b].byte_offset &&
            (s->operands[a].flags & s->operands[b].flags & WEFT_OPERAND_INPLACE));
}

static bool wide(const struct weft_operand *o) { return (o->flags & WEFT_OPERAND_WIDE) != 0; }

/// The slot that operand i can join, or n_slots. A slot of a written buffer is joined only by the other half of an
/// in-place pair.
static uint32_t find_slot(const struct weft_plan *plan, const struct weft_step *s, const struct range *ranges,
                          bool key_written, uint32_t i) {
    for (uint32_t n = 1; n < s->bound.n_slots; n++) {
        const struct weft_slot *slot = &s->bound.slots[n];
        if (slot->mem_key != ranges[i].key || slot->segment) continue;
        uint64_t end = slot->offset + slot->size;
        if (key_written) {
            if (ranges[i].start < end && slot->offset < ranges[i].end) return n;
            continue;
        }
        uint64_t lo = ranges[i].start < slot->offset ? ranges[i].start : slot->offset;
        uint64_t hi = ranges[i].end > end ? ranges[i].end : end;
        if (slot->wide == wide(&s->operands[i]) && hi - lo <= plan->caps.max_binding) return n;
    }
    return s->bound.n_slots;
}

// ---- segments ------------------------------------------------------------------------------------------------------
// An operand that no one binding holds has several consecutive ones of its own, each but the last of the most bytes
// that a binding may have; its accessor picks. They are shared only with an operand of exactly the same range, which is
// then cut at the same places. The banks of a pool are bound alike, but they are buffers of their own.

static uint64_t segment_bytes(const struct weft_plan *plan) { return plan->caps.max_binding & ~(uint64_t)255; }

static weft_status too_many(const struct weft_plan *plan, const struct weft_step *s) {
    return weft_fail(WEFT_ERR_LIMIT, "step '%s' needs more than the %u storage bindings of this device", s->label,
                     plan->caps.max_storage_buffers);
}

/// First segment of an earlier operand with the very same range and use, or 0.
static uint32_t same_segments(const struct weft_step *s, const struct range *ranges, bool key_written, uint32_t i) {
    for (uint32_t j = 0; j < i; j++) {
        const struct weft_operand *o = &s->operands[j];
        if (o->bound.n_segments < 2 || ranges[j].key != ranges[i].key || ranges[j].start != ranges[i].start ||
            ranges[j].end != ranges[i].end)
            continue;
        if (key_written || s->bound.slots[o->bound.slot].wide == wide(&s->operands[i])) return o->bound.slot;
    }
    return 0;
}

static weft_status bind_segments(const struct weft_plan *plan, const struct weft_schedule *sc, struct weft_step *s,
                                 const struct range *ranges, bool key_written, uint32_t i) {
    struct weft_operand *o = &s->operands[i];
    uint64_t bank = sc->tensors[o->tensor].bank_bytes, bytes = bank ? bank : segment_bytes(plan);
    uint64_t total = bank ? sc->tensors[o->tensor].bytes : ranges[i].end - ranges[i].start;
    uint64_t n = (total + bytes - 1) / bytes;
    if (o->flags & WEFT_OPERAND_ATOMIC)
        return weft_fail(WEFT_ERR_LIMIT,
                         "step '%s': atomic operand '%s' of %llu bytes (%s) needs one binding, of at "
                         "most %llu bytes",
                         s->label, o->name, (unsigned long long)total, sc->tensors[o->tensor].name,
                         (unsigned long long)plan->caps.max_binding);
    uint32_t at = same_segments(s, ranges, key_written, i);
    if (at == 0) {
        at = s->bound.n_slots;
        if (n > WEFT_MAX_SLOTS - at || n > plan->caps.max_storage_buffers - (at - 1)) return too_many(plan, s);
        for (uint64_t k = 0; k < n; k++)
            s->bound.slots[s->bound.n_slots++] = (struct weft_slot){
                .kind = key_written ? WEFT_BIND_READ_WRITE : WEFT_BIND_READ,
                .wide = wide(o),
                .segment = true,
                .bank = bank ? (uint8_t)k : 0,
                .mem_key = ranges[i].key,
                .offset = bank ? 0 : ranges[i].start + k * bytes,
                .size = total - k * bytes < bytes ? total - k * bytes : bytes,
            };
    }
    for (uint64_t k = 0; k < n; k++) s->bound.slots[at + k].wide = s->bound.slots[at + k].wide && wide(o);
    o->bound.slot = (uint8_t)at;
    o->bound.n_segments = (uint8_t)n;
    o->bound.segment_bytes = bytes;
    return WEFT_OK;
}

static weft_status check_shared(const struct weft_schedule *sc, const struct weft_step *s, const struct range *ranges,
                                uint32_t i) {
    for (uint32_t j = 0; j < i; j++) {
        if (ranges[j].key != ranges[i].key || !(ranges[i].written || ranges[j].written)) continue;
        if (ranges[i].start >= ranges[j].end || ranges[j].start >= ranges[i].end) continue;
        if (may_share(s, i, j)) continue;
        return weft_fail(
            WEFT_ERR_INTERNAL,
            "step '%s': operands '%s' and '%s' overlap in memory (%s), one is written, and they are no in-place pair",
            s->label, s->operands[j].name, s->operands[i].name, sc->tensors[s->operands[i].tensor].name);
    }
    return WEFT_OK;
}

/// The fault buffer comes last, where a binding and words for all lengths and the step's number are left.
static void bind_fault(const struct weft_plan *plan, struct weft_step *s) {
    struct weft_step_bound *b = &s->bound;
    uint32_t words = b->n_words + s->n_operands + 1;
    b->checked = plan->checked && b->n_slots < WEFT_MAX_SLOTS && b->n_slots - 1 < plan->caps.max_storage_buffers &&
                 words <= WEFT_MAX_WORDS;
    if (!b->checked) return;
    b->slots[b->n_slots++] = (struct weft_slot){.kind = WEFT_BIND_READ_WRITE,
                                                .atomic = true,
                                                .size = WEFT_FAULT_BYTES,
                                                .mem_key = (uint32_t)WEFT_MEM_FAULT << 24};
    b->n_words = words;
}

static weft_status new_slot(const struct weft_plan *plan, struct weft_step *s, const struct range *range,
                            bool key_written, const struct weft_operand *o) {
    uint32_t n = s->bound.n_slots;
    if (n == WEFT_MAX_SLOTS || n - 1 >= plan->caps.max_storage_buffers) return too_many(plan, s);
    s->bound.slots[n] = (struct weft_slot){.kind = key_written ? WEFT_BIND_READ_WRITE : WEFT_BIND_READ,
                                           .wide = wide(o),
                                           .atomic = (o->flags & WEFT_OPERAND_ATOMIC) != 0,
                                           .mem_key = range->key,
                                           .offset = range->start,
                                           .size = range->end - range->start};
    s->bound.n_slots++;
    return WEFT_OK;
}

static weft_status join_slot(const struct weft_step *s, const struct range *range, struct weft_slot *slot,
                             const struct weft_operand *o) {
    if (slot->atomic || (o->flags & WEFT_OPERAND_ATOMIC))
        return weft_fail(WEFT_ERR_INTERNAL, "step '%s': atomic operand '%s' would share a binding", s->label, o->name);
    uint64_t end = slot->offset + slot->size;
    if (range->end > end) end = range->end;
    if (range->start < slot->offset) slot->offset = range->start;
    slot->size = end - slot->offset;
    slot->wide = slot->wide && wide(o);
    return WEFT_OK;
}

static weft_status bind_operand(const struct weft_plan *plan, const struct weft_schedule *sc, struct weft_step *s,
                                const struct range *ranges, uint32_t i) {
    struct weft_operand *o = &s->operands[i];
    bool key_written = false;
    for (uint32_t j = 0; j < s->n_operands; j++) key_written |= ranges[j].key == ranges[i].key && ranges[j].written;
    WEFT_TRY(check_shared(sc, s, ranges, i));
    if (ranges[i].end - ranges[i].start > plan->caps.max_binding || sc->tensors[o->tensor].bank_bytes)
        return bind_segments(plan, sc, s, ranges, key_written, i);
    uint32_t n = find_slot(plan, s, ranges, key_written, i);
    o->bound = (struct weft_operand_bound){.slot = (uint8_t)n, .n_segments = 1};
    return n == s->bound.n_slots ? new_slot(plan, s, &ranges[i], key_written, o)
                                 : join_slot(s, &ranges[i], &s->bound.slots[n], o);
}

/// Once every slot has its range.
static weft_status place_operand(const struct weft_plan *plan, const struct weft_schedule *sc,
                                 const struct weft_step *s, struct weft_operand *o) {
    const struct weft_step_bound *b = &s->bound;
    uint64_t size = b->slots[o->bound.slot].size;
    o->bound.slot_offset = sc->tensors[o->tensor].offset + o->byte_offset - b->slots[o->bound.slot].offset;
    if (size <= plan->caps.max_binding) return WEFT_OK;
    return weft_fail(WEFT_ERR_LIMIT, "step '%s': operand '%s' needs a binding of %llu bytes, the device allows %llu",
                     s->label, o->name, (unsigned long long)size, (unsigned long long)plan->caps.max_binding);
}

weft_status weft_bind_step(const struct weft_plan *plan, const struct weft_schedule *sc, struct weft_step *s) {
    struct range ranges[WEFT_MAX_OPERANDS];
    for (uint32_t i = 0; i < s->n_operands; i++) ranges[i] = operand_range(sc, &s->operands[i]);
    s->bound.n_slots = 1;
    s->bound.slots[0] = (struct weft_slot){.kind = WEFT_BIND_UNIFORM, .size = WEFT_PARAM_SLOT};
    for (uint32_t i = 0; i < s->n_operands; i++) WEFT_TRY(bind_operand(plan, sc, s, ranges, i));
    for (uint32_t i = 0; i < s->n_operands; i++) WEFT_TRY(place_operand(plan, sc, s, &s->operands[i]));
    s->bound.n_words = s->n_fields + s->n_operands;
    if (s->bound.n_words > WEFT_MAX_WORDS)
        return weft_fail(WEFT_ERR_LIMIT, "step '%s' has %u parameter words, more than the %d of a slot", s->label,
                         s->bound.n_words, WEFT_MAX_WORDS);
    bind_fault(plan, s);
    return WEFT_OK;
}

weft_status weft_pass_bind(struct weft_compiling *c) {
    struct weft_schedule *sc = c->schedule;
    for (uint32_t i = 0; i < sc->n_steps; i++) {
        weft_status status = weft_bind_step(c->plan, sc, &sc->steps[i]);
        if (status == WEFT_ERR_LIMIT) status = weft_too_large(c, sc->steps[i].group, false);
        WEFT_TRY(status);
    }
    return WEFT_OK;
}
