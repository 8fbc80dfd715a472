/// A batch, and how sequences come into slots and out of them.
#include "engine/batch_impl.h"

#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"
#include "core/file.h"
#include "gpu/gpu.h"

#include <string.h>

// ---- life ----------------------------------------------------------------------------------------------------------

static weft_status check(const weft_lm *lm, const struct weft_batch_params *p) {
    if (p->slots > WEFT_MAX_SEQUENCES)
        return weft_fail(WEFT_ERR_INVALID, "a batch of %u slots; at most %d", p->slots, WEFT_MAX_SEQUENCES);
    if (p->chunk && p->chunk < p->slots)
        return weft_fail(WEFT_ERR_INVALID, "runs of %u tokens for %u sequences; each needs one", p->chunk, p->slots);
    return lm->config.n_vocab ? WEFT_OK : weft_fail(WEFT_ERR_INVALID, "the model has no vocabulary");
}

static weft_status prepare(struct weft_batch *b, const struct weft_batch_params *p) {
    weft_lm *lm = b->lm;
    const struct weft_gpu_caps *caps = weft_gpu_caps(lm->gpu);
    struct weft_lm_build build = lm->build;
    b->n_slots = p->slots ? p->slots : WEFT_BATCH_SLOTS;
    build.slots = b->n_slots;
    build.ctx = p->ctx ? p->ctx : lm->build.ctx;
    build.chunk = p->chunk ? p->chunk : lm->params.chunk;
    WEFT_TRY(weft_lm_build_defaults(&lm->config, caps, &build));
    uint32_t most;
    WEFT_TRY(weft_pace_most(p->runs, caps->kind, &most));
    WEFT_TRY(weft_lm_engine_create(lm, &build, most, &b->e));
    const struct weft_plan *plan = weft_program_plan(b->e.program);
    b->chunk = build.chunk;
    b->null_device = caps->kind == WEFT_GPU_NULL;
    b->ring_slots = (uint32_t)(weft_plan_state_live_bytes(&plan->states[b->e.at.ring]) / sizeof(uint32_t) / b->n_slots);
    b->pace = weft_pace_begin(p->runs, most, caps->kind, b->ring_slots, weft_now());
    b->block_words = plan->n_vars;
    b->block = weft_calloc(b->block_words, sizeof *b->block);
    b->ring = weft_calloc((size_t)b->n_slots * b->ring_slots, sizeof *b->ring);
    b->zeros = weft_calloc(lm->config.n_vocab, sizeof *b->zeros);
    b->now.tokens = weft_calloc(b->chunk, sizeof *b->now.tokens);
    b->written.tokens = weft_calloc(b->chunk, sizeof *b->written.tokens);
    if (!b->block || !b->ring || !b->zeros || !b->now.tokens || !b->written.tokens)
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for a batch of %u sequences", b->n_slots);
    return WEFT_OK;
}

weft_status weft_lm_batch_create(weft_lm *lm, const struct weft_batch_params *params, weft_batch **out) {
    *out = NULL;
    WEFT_TRY(check(lm, params));
    struct weft_batch *b = weft_calloc(1, sizeof *b);
    if (!b) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a batch");
    b->lm = lm;
    b->e.next = lm->batches;
    lm->batches = &b->e;
    struct weft_cancel_scope scope;
    weft_cancel_begin(&scope, lm->params.cancel);
    weft_status status = prepare(b, params);
    weft_cancel_end(&scope);
    if (status == WEFT_OK) *out = b;
    else weft_lm_batch_destroy(&b);
    return status;
}

static void sequence_free(struct weft_sequence *s) {
    weft_stream_free(&s->stream);
    weft_ids_free(&s->ids);
    weft_free(s);
}

static void queue_free(struct weft_sequence *s) {
    for (struct weft_sequence *next; s; s = next) {
        next = s->next;
        sequence_free(s);
    }
}

void weft_lm_batch_destroy(weft_batch **handle) {
    struct weft_batch *b = *handle;
    if (!b) return;
    struct weft_lm_engine **link = &b->lm->batches;
    while (*link != &b->e) link = &(*link)->next;
    *link = b->e.next;
    weft_batch_drain(b);
    queue_free(b->waiting);
    queue_free(b->ended);
    for (uint32_t i = 0; i < b->n_slots; i++) {
        if (b->slots[i].sequence) sequence_free(b->slots[i].sequence);
        weft_ids_free(&b->slots[i].held);
    }
    weft_lm_engine_destroy(&b->e);
    weft_free(b->block);
    weft_free(b->ring);
    weft_free(b->zeros);
    weft_free(b->now.tokens);
    weft_free(b->written.tokens);
    weft_free(b);
    *handle = NULL;
}

// ---- queues --------------------------------------------------------------------------------------------------------

static void queue_push(struct weft_sequence **queue, struct weft_sequence *s) {
    while (*queue) queue = &(*queue)->next;
    s->next = NULL;
    *queue = s;
}

static struct weft_sequence *queue_pop(struct weft_sequence **queue) {
    struct weft_sequence *s = *queue;
    if (s) *queue = s->next;
    return s;
}

static weft_status sequence_make(weft_batch *b, const int32_t *ids, size_t n,
                                 const struct weft_model_generate_params *params, struct weft_sequence *s) {
    WEFT_TRY(weft_lm_request_make(b->lm, b->e.build.ctx, ids, n, params, &s->request));
    if (!weft_grow((void **)&s->ids.data, &s->ids.cap, n + s->request.limit, sizeof *s->ids.data))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for a sequence of %zu tokens", n + s->request.limit);
    memcpy(s->ids.data, ids, n * sizeof *ids);
    s->ids.count = s->n_prompt = s->stats.prompt_tokens = (uint32_t)n;
    s->cancel = params->cancel;
    s->slot = WEFT_NO_SLOT;
    s->added = weft_now();
    return weft_stream_begin(&s->stream, b->lm->tokenizer, params);
}

weft_status weft_lm_batch_add(weft_batch *b, const int32_t *ids, size_t n,
                              const struct weft_model_generate_params *params, uint64_t *id) {
    struct weft_sequence *s = weft_calloc(1, sizeof *s);
    if (id) *id = 0;
    if (!s) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a sequence");
    weft_status status = sequence_make(b, ids, n, params, s);
    if (status != WEFT_OK) {
        sequence_free(s);
        return status;
    }
    s->id = ++b->last_id;
    if (id) *id = s->id;
    b->left++;
    queue_push(&b->waiting, s);
    return WEFT_OK;
}

void weft_batch_end(struct weft_batch *b, struct weft_sequence *s, weft_status status, enum weft_stop_reason reason) {
    double now = weft_now();
    weft_status text = weft_stream_end(&s->stream);
    s->status = status != WEFT_OK ? status : text;
    s->stats.reason = weft_stream_reason(&s->stream, reason);
    s->stats.runs_per_submit = b->pace.runs;
    s->stats.first_token_seconds = s->stats.prefill_seconds = (s->first > 0 ? s->first : now) - s->added;
    s->stats.decode_seconds = s->first > 0 ? now - s->first : 0;
    b->left--;
    queue_push(&b->ended, s);
}

bool weft_lm_batch_next(weft_batch *b, struct weft_batch_result *out) {
    struct weft_sequence *s = queue_pop(&b->ended);
    if (!s) return false;
    *out = (struct weft_batch_result){.id = s->id, .status = s->status, .stats = s->stats};
    sequence_free(s);
    return true;
}

static struct weft_sequence *running(const struct weft_batch *b, uint64_t id) {
    for (uint32_t i = 0; i < b->n_slots; i++)
        if (b->slots[i].sequence && b->slots[i].sequence->id == id) return b->slots[i].sequence;
    return NULL;
}

static weft_status unknown(uint64_t id) {
    return weft_fail(WEFT_ERR_NOT_FOUND, "there is no sequence %llu in this batch, or it has ended",
                     (unsigned long long)id);
}

weft_status weft_lm_batch_stop(weft_batch *b, uint64_t id) {
    struct weft_sequence *s = running(b, id);
    if (s) {
        weft_status status = weft_batch_leave(b, s);
        weft_stream_mute(&s->stream);
        weft_batch_end(b, s, status, WEFT_STOP_CALLER);
        return status;
    }
    for (struct weft_sequence **link = &b->waiting; *link; link = &(*link)->next) {
        if ((*link)->id != id) continue;
        s = *link;
        *link = s->next;
        weft_stream_mute(&s->stream);
        weft_batch_end(b, s, WEFT_OK, WEFT_STOP_CALLER);
        return WEFT_OK;
    }
    return unknown(id);
}

weft_status weft_lm_batch_evict(weft_batch *b, uint64_t id) {
    struct weft_sequence *s = running(b, id);
    return s ? weft_batch_return(b, s) : unknown(id);
}

// ---- slots ---------------------------------------------------------------------------------------------------------

/// How many of a sequence's ids a slot holds from the start; one less than all, since the last one's logits are wanted.
static uint32_t held_of(const struct weft_batch_slot *slot, const struct weft_sequence *s) {
    uint32_t same = 0;
    while (same < slot->held.count && same + 1 < s->ids.count && slot->held.data[same] == s->ids.data[same]) same++;
    return same;
}

/// The slot, free or not, that holds most of what the sequence begins with; of equal ones `own`.
static struct weft_batch_slot *best_source(struct weft_batch *b, const struct weft_sequence *s,
                                           struct weft_batch_slot *own, uint32_t *held) {
    struct weft_batch_slot *best = own;
    *held = held_of(own, s);
    for (uint32_t i = 0; i < b->n_slots; i++) {
        uint32_t same = held_of(&b->slots[i], s);
        if (same > *held) best = &b->slots[i], *held = same;
    }
    return best;
}

/// The free slot that holds most of what the sequence begins with; of equal ones the one that holds least.
static struct weft_batch_slot *free_slot(struct weft_batch *b, const struct weft_sequence *s) {
    struct weft_batch_slot *best = NULL;
    uint32_t held = 0;
    for (uint32_t i = 0; i < b->n_slots; i++) {
        struct weft_batch_slot *slot = &b->slots[i];
        if (slot->sequence) continue;
        uint32_t same = held_of(slot, s);
        if (!best || same > held || (same == held && slot->held.count < best->held.count)) best = slot, held = same;
    }
    return best;
}

/// Caches can't be cropped to just there, as rings that went on, or there is no room for a copy.
static bool out_of_reach(weft_status status) { return status == WEFT_ERR_LIMIT || status == WEFT_ERR_UNSUPPORTED; }

/// Takes over what the slot or another one holds: pages are shared. What a ring no longer has is computed again.
static weft_status take_over(struct weft_batch *b, const struct weft_batch_slot *source, uint32_t to, uint32_t *held) {
    weft_session *session = b->e.session;
    weft_status status = WEFT_OK;
    if (source != &b->slots[to]) {
        status = weft_session_fork_slot(session, (uint32_t)(source - b->slots), session, to);
        b->written.count[to] = UINT32_MAX; // the other's came with the fork
    }
    if (status == WEFT_OK) status = weft_session_rewind_slot(session, to, *held);
    if (!out_of_reach(status)) return status;
    *held = 0;
    return weft_session_rewind_slot(session, to, 0);
}

/// Takes over pages of sequences that have left their slots.
static weft_status adopt(struct weft_batch *b, const struct weft_sequence *s, uint32_t to, uint32_t *held) {
    size_t adopted = 0;
    WEFT_TRY(weft_session_rewind_slot(b->e.session, to, 0));
    weft_status status = weft_session_adopt_slot(b->e.session, to, s->ids.data, s->ids.count - 1, &adopted);
    *held = (uint32_t)adopted;
    return status;
}

/// Has the slot hold what the sequence begins with, as far as something is there that does.
static weft_status reuse(struct weft_batch *b, struct weft_batch_slot *slot, const struct weft_sequence *s,
                         uint32_t *held) {
    uint32_t to = (uint32_t)(slot - b->slots);
    const struct weft_batch_slot *source = best_source(b, s, slot, held);
    weft_status status = *held >= WEFT_BATCH_LEAST_REUSE ? take_over(b, source, to, held) : adopt(b, s, to, held);
    slot->held.count = 0;
    if (status != WEFT_OK || !*held) return status;
    memcpy(slot->held.data, s->ids.data, *held * sizeof *s->ids.data);
    slot->held.count = *held;
    return WEFT_OK;
}

/// How often each new id was picked, where penalties ask for it.
static weft_status write_counts(struct weft_batch *b, const struct weft_sequence *s) {
    uint64_t bytes = (uint64_t)b->lm->config.n_vocab * sizeof *b->zeros;
    if (!s->request.penalised) return WEFT_OK;
    for (size_t i = s->n_prompt; i < s->ids.count; i++) b->zeros[s->ids.data[i]]++;
    weft_status status = weft_session_write_state(b->e.session, b->e.at.counts, s->slot * bytes, b->zeros, bytes);
    for (size_t i = s->n_prompt; i < s->ids.count; i++) b->zeros[s->ids.data[i]] = 0;
    return status;
}

/// What the device reads of a sequence, beside its tokens. Draws go on where they were.
static weft_status write_slot(struct weft_batch *b, const struct weft_sequence *s) {
    const struct weft_decoder_handles *at = &b->e.at;
    const struct weft_lm_request *r = &s->request;
    uint32_t made = (uint32_t)s->ids.count - s->n_prompt;
    const struct {
        uint32_t variable, value;
    } words[] = {{at->n_out, 0},
                 {at->rng, made},
                 {at->n_max, r->limit - made},
                 {at->pos_max, b->e.build.ctx - 1}, // the last token is not fed
                 {at->live, 1}};
    WEFT_TRY(
        weft_session_write_state(b->e.session, at->sampling, s->slot * sizeof r->words, r->words, sizeof r->words));
    WEFT_TRY(weft_session_write_state(b->e.session, at->stops, s->slot * sizeof r->stops, r->stops, sizeof r->stops));
    WEFT_TRY(write_counts(b, s));
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        WEFT_TRY(weft_session_set_state(b->e.session, words[i].variable, s->slot, words[i].value));
    return WEFT_OK;
}

static weft_status put_in(struct weft_batch *b, struct weft_batch_slot *slot, struct weft_sequence *s) {
    uint32_t held;
    if (!weft_grow((void **)&slot->held.data, &slot->held.cap, b->e.build.ctx, sizeof *slot->held.data))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for the ids of %u tokens", b->e.build.ctx);
    WEFT_TRY(reuse(b, slot, s, &held));
    slot->sequence = s;
    s->slot = (uint32_t)(slot - b->slots);
    s->stay = ++b->last_stay;
    s->start = (uint32_t)s->ids.count;
    s->fed = held;
    s->planned = s->read = 0;
    if (s->start == s->n_prompt) s->stats.cached_tokens = held;
    b->counts.reused_tokens += held;
    return write_slot(b, s);
}

weft_status weft_batch_admit(struct weft_batch *b) {
    struct weft_batch_slot *slot;
    while (b->waiting && (slot = free_slot(b, b->waiting))) {
        struct weft_sequence *s = queue_pop(&b->waiting);
        if (s->ids.count >= b->e.build.ctx || s->request.limit == 0) { // no room for a new one
            weft_batch_end(b, s, WEFT_OK, WEFT_STOP_CONTEXT);
            continue;
        }
        weft_status status = put_in(b, slot, s);
        if (status == WEFT_OK) continue;
        slot->sequence = NULL;
        s->slot = WEFT_NO_SLOT;
        s->next = b->waiting;
        b->waiting = s;
        return status;
    }
    return WEFT_OK;
}

bool weft_batch_forget(struct weft_batch *b) {
    bool any = false;
    for (uint32_t i = 0; i < b->n_slots; i++) {
        struct weft_batch_slot *slot = &b->slots[i];
        if (slot->sequence || !slot->held.count) continue;
        slot->held.count = 0;
        any = weft_session_rewind_slot(b->e.session, i, 0) == WEFT_OK || any;
    }
    return any;
}

weft_status weft_batch_leave(struct weft_batch *b, struct weft_sequence *s) {
    uint32_t slot = s->slot;
    const struct weft_ids *held = &b->slots[slot].held;
    b->slots[slot].sequence = NULL;
    s->slot = WEFT_NO_SLOT;
    // Whoever begins alike later finds its pages. Where there is no memory to say so, nothing else changes.
    if (held->count) weft_session_publish_slot(b->e.session, slot, held->data, held->count);
    return weft_session_set_state(b->e.session, b->e.at.live, slot, 0);
}

weft_status weft_batch_return(struct weft_batch *b, struct weft_sequence *s) {
    weft_status status = weft_batch_leave(b, s);
    s->next = b->waiting;
    b->waiting = s;
    b->counts.evicted++;
    return status;
}

// ---- a step --------------------------------------------------------------------------------------------------------

/// After an error nobody knows what runs left behind, so that all is computed anew.
static void return_all(struct weft_batch *b) {
    weft_batch_drain(b);
    for (uint32_t i = b->n_slots; i-- > 0;) {
        b->slots[i].held.count = 0;
        if (b->slots[i].sequence) weft_batch_return(b, b->slots[i].sequence);
    }
    b->written.n = 0;
    b->anew = true;
}

/// Texts whose cancel is set, or all where the model's is, end where they are.
static void stop_cancelled(struct weft_batch *b) {
    bool all = weft_cancel_is_set(b->lm->params.cancel);
    for (uint32_t i = 0; i < b->n_slots; i++) {
        struct weft_sequence *s = b->slots[i].sequence;
        if (s && (all || weft_cancel_is_set(s->cancel))) weft_lm_batch_stop(b, s->id);
    }
    for (struct weft_sequence *s = b->waiting, *next; s; s = next) {
        next = s->next;
        if (all || weft_cancel_is_set(s->cancel)) weft_lm_batch_stop(b, s->id);
    }
}

static weft_status step(struct weft_batch *b, bool wait) {
    bool queued = true, ready = false;
    if (b->anew) WEFT_TRY(weft_session_rewind(b->e.session, 0)); // also where states went with a lost device
    b->anew = false;
    WEFT_TRY(weft_batch_admit(b));
    while (queued && b->n_flights < b->pace.ahead) WEFT_TRY(weft_batch_submit(b, &queued));
    if (!b->n_flights) return WEFT_OK;
    if (!wait) WEFT_TRY(weft_batch_ready(b, &ready));
    return wait || ready ? weft_batch_collect(b) : WEFT_OK;
}

weft_status weft_lm_batch_step(weft_batch *b, bool wait, size_t *left) {
    stop_cancelled(b);
    weft_status status = step(b, wait);
    if (status != WEFT_OK) return_all(b);
    if (left) *left = b->left;
    return status;
}

struct weft_batch_counters weft_lm_batch_counts(const weft_batch *b) {
    return b->counts;
}

weft_program *weft_lm_batch_program(const weft_batch *b) { return b->e.program; }
const weft_lm *weft_lm_batch_model(const weft_batch *b) { return b->lm; }
