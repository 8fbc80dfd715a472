/// What the runs of a batch are made of, and what they gave.
#include "engine/batch_impl.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"

#include <string.h>

// ---- a run ---------------------------------------------------------------------------------------------------------

/// Ids that a sequence may get since it has its slot.
static uint32_t most_of(const struct weft_sequence *s) { return s->request.limit - (s->start - s->n_prompt); }

static bool generates(const struct weft_sequence *s) { return s && s->fed == s->start && s->planned < most_of(s); }

/// Where its next token stands, as far as the host knows: a sequence that ended on the device stands before that.
static uint32_t position_of(const struct weft_sequence *s) { return s->fed + (s->planned ? s->planned - 1 : 0); }

/// The sequence that came first of those whose prompts are not fed, and have no part in the run yet.
static struct weft_sequence *next_prompt(const struct weft_batch *b, const struct weft_batch_run *run) {
    struct weft_sequence *first = NULL;
    for (uint32_t i = 0; i < b->n_slots; i++) {
        struct weft_sequence *s = b->slots[i].sequence;
        if (s && s->fed < s->start && !run->count[i] && (!first || s->id < first->id)) first = s;
    }
    return first;
}

/// Says how many tokens of the run are each slot's: one of each sequence that generates, then prompts, in the order in
/// which they came.
static bool share_out(const struct weft_batch *b, struct weft_batch_run *run) {
    uint32_t room = b->chunk;
    struct weft_sequence *s;
    memset(run->count, 0, sizeof run->count);
    for (uint32_t i = 0; i < b->n_slots; i++)
        if (generates(b->slots[i].sequence)) run->count[i] = 1, room--;
    bool prompts = false;
    while (room && (s = next_prompt(b, run))) {
        uint32_t n = s->start - s->fed;
        run->count[s->slot] = n < room ? n : room;
        room -= run->count[s->slot];
        prompts = true;
    }
    return prompts;
}

/// Lays the tokens out, those of slot 0 first, and says whose logits are wanted.
static void lay_out(const struct weft_batch *b, struct weft_batch_run *run) {
    run->t = run->r = 0;
    for (uint32_t i = 0; i < b->n_slots; i++) {
        const struct weft_sequence *s = b->slots[i].sequence;
        uint32_t n = run->count[i];
        if (!n) continue;
        bool prompt = s->fed < s->start;
        if (prompt) memcpy(run->tokens + run->t, s->ids.data + s->fed, n * sizeof *run->tokens);
        else run->tokens[run->t] = -1; // what its sampler picked last
        run->t += n;
        if (!prompt || s->fed + n == s->start) run->rows[run->r++] = run->t - 1;
    }
}

/// How many runs of single tokens make sense: as long as one goes on, and none would leave its context.
static uint32_t runs_of(const struct weft_batch *b, const struct weft_batch_run *run) {
    uint32_t most = 0, room = UINT32_MAX;
    for (uint32_t i = 0; i < b->n_slots; i++) {
        if (!run->count[i]) continue;
        const struct weft_sequence *s = b->slots[i].sequence;
        uint32_t left = most_of(s) - s->planned, here = b->e.build.ctx - position_of(s);
        if (left > most) most = left;
        if (here < room) room = here;
    }
    uint32_t n = b->pace.runs < most ? b->pace.runs : most;
    return n < room ? n : room;
}

static weft_status write_run(struct weft_batch *b) {
    const struct weft_decoder_handles *at = &b->e.at;
    struct weft_batch_run *run = &b->now, *was = &b->written;
    bool fresh = was->n == 0;
    if (fresh || was->t < run->t || memcmp(run->tokens, was->tokens, run->t * sizeof *run->tokens)) {
        WEFT_TRY(weft_session_write_state(b->e.session, at->tokens, 0, run->tokens, run->t * sizeof *run->tokens));
        memcpy(was->tokens, run->tokens, run->t * sizeof *run->tokens);
        was->t = run->t;
    }
    if (run->r && (fresh || was->r < run->r || memcmp(run->rows, was->rows, run->r * sizeof *run->rows))) {
        WEFT_TRY(weft_session_write_state(b->e.session, at->rows, 0, run->rows, run->r * sizeof *run->rows));
        memcpy(was->rows, run->rows, sizeof run->rows);
        was->r = run->r;
    }
    for (uint32_t i = 0; i < b->n_slots; i++) {
        if (!fresh && was->count[i] == run->count[i]) continue;
        WEFT_TRY(weft_session_set_state(b->e.session, at->count, i, run->count[i]));
        was->count[i] = run->count[i];
    }
    was->n = 1;
    return WEFT_OK;
}

static weft_status resize(struct weft_batch *b) {
    uint64_t end = 1;
    for (uint32_t i = 0; i < b->n_slots; i++) {
        if (!b->now.count[i]) continue;
        uint64_t here = position_of(b->slots[i].sequence) + (uint64_t)b->now.count[i] * b->now.n;
        if (here > end) end = here;
    }
    // What the host does not know to have ended on the device stands before this.
    return weft_lm_engine_size(&b->e, b->now.t, b->now.r, end < b->e.build.ctx ? end : b->e.build.ctx);
}

static weft_status start_reads(struct weft_batch *b, struct weft_batch_flight *f) {
    if (b->null_device || !b->now.r) return WEFT_OK;
    WEFT_TRY(weft_session_vars_start(b->e.session, 0, b->block_words * 4ull, &f->vars));
    weft_status status = weft_session_state_read_start(b->e.session, b->e.at.ring, 0,
                                                       (uint64_t)b->n_slots * b->ring_slots * 4, &f->ring);
    if (status != WEFT_OK) weft_readback_finish(b->lm->gpu, &f->vars, b->block, b->block_words * 4ull);
    return status;
}

/// Follows what was queued: which ids will come, and what the slots hold then.
static void follow(struct weft_batch *b, struct weft_batch_flight *f) {
    for (uint32_t i = 0; i < b->n_slots; i++) {
        struct weft_batch_slot *slot = &b->slots[i];
        struct weft_sequence *s = slot->sequence;
        uint32_t n = b->now.count[i];
        if (!n) continue;
        if (s->fed < s->start) {
            memcpy(slot->held.data + slot->held.count, s->ids.data + s->fed, n * sizeof *s->ids.data);
            slot->held.count = s->fed += n;
        }
        if (s->fed < s->start) continue;
        f->parts[i] = (struct weft_batch_part){s->stay, s->planned, b->now.n};
        s->planned += b->now.n;
    }
    b->counts.runs += b->now.n;
    b->counts.tokens += (uint64_t)b->now.t * b->now.n;
}

/// Frees pages: those that free slots keep, else those of the sequence that came last, which gives its slot up. False:
/// there is but one.
static bool make_room(struct weft_batch *b) {
    if (weft_batch_forget(b)) return true;
    struct weft_sequence *last = NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n_slots; i++) {
        struct weft_sequence *s = b->slots[i].sequence;
        n += s != NULL;
        if (s && (!last || s->id > last->id)) last = s;
    }
    return n > 1 && weft_batch_return(b, last) == WEFT_OK;
}

weft_status weft_batch_submit(struct weft_batch *b, bool *queued) {
    struct weft_batch_run *run = &b->now;
    weft_status status;
    *queued = false;
    do {
        bool prompts = share_out(b, run);
        lay_out(b, run);
        if (!run->t) return WEFT_OK;
        if (prompts) weft_pace_prompts(&b->pace);
        run->n = prompts ? 1 : runs_of(b, run);
        WEFT_TRY(resize(b));
        WEFT_TRY(write_run(b));
        uint64_t serial;
        status = weft_session_run(b->e.session, run->n, &serial);
        if (status == WEFT_OK) {
            struct weft_batch_flight *f = &b->flights[b->n_flights];
            *f = (struct weft_batch_flight){.runs = run->n, .serial = serial, .prompts = prompts};
            follow(b, f);
            status = start_reads(b, f);
            b->n_flights += status == WEFT_OK;
            *queued = status == WEFT_OK;
            return status;
        }
    } while (status == WEFT_ERR_LIMIT && make_room(b));
    return status;
}

// ---- what it gave --------------------------------------------------------------------------------------------------

static void take_flight(struct weft_batch *b, struct weft_batch_flight *f) {
    *f = b->flights[0];
    memmove(b->flights, b->flights + 1, (WEFT_PACE_AHEAD - 1) * sizeof *b->flights);
    b->n_flights--;
}

static bool gives(const struct weft_batch *b, const struct weft_batch_flight *f) {
    for (uint32_t i = 0; i < b->n_slots; i++)
        if (f->parts[i].stay) return true;
    return false;
}

/// Waits for the oldest flight. On failure its readbacks are lost with the device.
static weft_status land(struct weft_batch *b, struct weft_batch_flight *f) {
    take_flight(b, f);
    if (b->null_device) return WEFT_OK;
    if (!gives(b, f)) return weft_gpu_wait(b->lm->gpu, f->serial, -1); // so that few chunks are under way
    weft_status first = weft_readback_finish(b->lm->gpu, &f->vars, b->block, b->block_words * 4ull);
    weft_status second = weft_readback_finish(b->lm->gpu, &f->ring, b->ring, (uint64_t)b->n_slots * b->ring_slots * 4);
    return first != WEFT_OK ? first : second;
}

weft_status weft_batch_ready(struct weft_batch *b, bool *ready) {
    uint64_t finished = 0;
    *ready = true;
    const struct weft_batch_flight *f = &b->flights[0];
    if (b->null_device) return WEFT_OK;
    WEFT_TRY(weft_gpu_poll(b->lm->gpu, &finished));
    *ready = finished >= f->serial;
    if (!*ready || !gives(b, f)) return WEFT_OK;
    WEFT_TRY(weft_readback_ready(b->lm->gpu, f->vars, ready));
    return *ready ? weft_readback_ready(b->lm->gpu, f->ring, ready) : WEFT_OK;
}

void weft_batch_drain(struct weft_batch *b) {
    struct weft_batch_flight f;
    while (b->n_flights) land(b, &f);
}

/// Ids that a slot's sequence has got since it has the slot, and whether it goes on. The null device computes nothing:
/// there every run picks id 0.
static uint32_t made_by(const struct weft_batch *b, uint32_t slot, const struct weft_batch_part *part, bool *live) {
    const struct weft_plan *plan = weft_program_plan(b->e.program);
    uint32_t most = most_of(b->slots[slot].sequence), n = part->first + part->n;
    if (b->null_device) {
        *live = n < most;
        return n < most ? n : most;
    }
    *live = b->block[plan->states[b->e.at.live].var_slot + slot] != 0;
    return b->block[plan->states[b->e.at.n_out].var_slot + slot];
}

static weft_status leave(struct weft_batch *b, struct weft_sequence *s, weft_status status,
                         enum weft_stop_reason reason) {
    weft_status left = weft_batch_leave(b, s);
    weft_batch_end(b, s, status, reason);
    return left;
}

/// The run that picked an id fed the one before it.
static void note_fed(struct weft_batch_slot *slot, const struct weft_sequence *s) {
    if (s->read) slot->held.data[slot->held.count++] = s->ids.data[s->ids.count - 1];
}

/// One more id. False: the sequence has left its slot.
static bool pass_on(struct weft_batch *b, struct weft_batch_slot *slot, int32_t id, bool last, weft_status *status) {
    struct weft_sequence *s = slot->sequence;
    if (s->first == 0) s->first = weft_now();
    note_fed(slot, s);
    s->read++;
    if (last && weft_lm_request_stops(&s->request, id)) {
        *status = leave(b, s, WEFT_OK, WEFT_STOP_TOKEN);
        return false;
    }
    s->ids.data[s->ids.count++] = id;
    s->stats.new_tokens++;
    bool more = weft_stream_push(&s->stream, id);
    if (slot->sequence != s) return false; // the callback has stopped it
    if (more) return true;
    *status = leave(b, s, WEFT_OK, WEFT_STOP_CALLER);
    return false;
}

static weft_status no_token(const struct weft_batch *b, const struct weft_sequence *s) {
    return weft_fail(WEFT_ERR_FORMAT,
                     "%s: after %zu tokens of sequence %llu all logits are NaN, so there is no next one",
                     weft_source_path(b->lm->file), s->ids.count, (unsigned long long)s->id);
}

static weft_status collect_slot(struct weft_batch *b, uint32_t i, const struct weft_batch_part *part) {
    struct weft_batch_slot *slot = &b->slots[i];
    struct weft_sequence *s = slot->sequence;
    weft_status status = WEFT_OK;
    bool live;
    if (!s || s->stay != part->stay) return WEFT_OK; // it has left the slot
    uint32_t made = made_by(b, i, part, &live);
    if (made < s->read || made > part->first + part->n)
        return weft_fail(WEFT_ERR_INTERNAL, "slot %u counted %u tokens after %u of at most %u", i, made, s->read,
                         part->first + part->n);
    while (s->read < made) {
        uint32_t id = b->null_device ? 0 : b->ring[i * b->ring_slots + s->read % b->ring_slots];
        if (id == WEFT_SAMPLE_NONE) return leave(b, s, no_token(b, s), WEFT_STOP_CALLER);
        if (!pass_on(b, slot, (int32_t)id, !live && s->read + 1 == made, &status)) return status;
    }
    if (live) return WEFT_OK;
    bool length = s->stats.new_tokens >= s->request.limit && s->ids.count < b->e.build.ctx;
    return leave(b, s, WEFT_OK, length ? WEFT_STOP_LENGTH : WEFT_STOP_CONTEXT);
}

weft_status weft_batch_collect(struct weft_batch *b) {
    struct weft_batch_flight f;
    WEFT_TRY(land(b, &f));
    weft_pace_arrived(&b->pace, f.prompts ? 0 : f.runs, b->n_flights == 0, weft_now());
    weft_status status = WEFT_OK;
    for (uint32_t i = 0; i < b->n_slots; i++) {
        weft_status here = f.parts[i].stay ? collect_slot(b, i, &f.parts[i]) : WEFT_OK;
        if (here != WEFT_OK) status = here;
    }
    return status;
}
