/// Generation: the prompt in chunks, then decode runs that feed themselves on the device. Several runs go in one
/// submit; the host submits ahead and reads ids behind, and never waits for the newest submit while there is something
/// else to do.
///
/// The sampler clears `active` at a stop token, at n_max ids and at pos_max positions; runs after that leave no trace,
/// so those submitted ahead do no harm.
#include "engine/lm_impl.h"
#include "engine/pace.h"
#include "engine/request.h"
#include "engine/stream.h"

#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"
#include "core/file.h"
#include "ops/sample.h"

#include <string.h>

enum { AHEAD = WEFT_PACE_AHEAD, BLOCK_WORDS = 64 };

/// A submit whose results are still to come.
struct flight {
    uint32_t first, runs;     ///< number of its first id; ids it adds at most
    uint32_t ring_at, ring_n; ///< slots that are read
    weft_readback vars, ring;
    bool prefill;
};

struct loop {
    weft_lm *lm;
    struct weft_lm_engine *e;
    const struct weft_model_generate_params *params;
    struct weft_generate_stats *stats;
    struct flight flights[AHEAD];
    uint32_t n_flights;
    struct weft_pace pace;
    uint32_t planned, read; ///< ids submitted for, ids passed on
    uint32_t kept;          ///< tokens of the prompt that the caches hold from before
    uint32_t ring_slots;
    uint64_t vars_bytes, at_n_out; ///< of the variables block: what is read, and where the count of ids stands in it
    bool done, null_device, cpu_driver;
    enum weft_stop_reason reason;
    double start, first; ///< clock: begin, first id
    double host;
    struct weft_lm_request request;
    struct weft_stream stream;
    int32_t last_id; ///< that was passed on
};

static bool cancelled(const struct loop *g) {
    return weft_cancel_is_set(g->params->cancel) || weft_cancel_is_set(g->lm->params.cancel);
}

// ---- before --------------------------------------------------------------------------------------------------------

/// What the sampler keeps beside the sequence counts from the first new token on, wherever the caches go back to.
static weft_status clear_counts(struct loop *g) {
    const struct weft_decoder_handles *at = &g->e->at;
    uint64_t bytes = (uint64_t)g->lm->config.n_vocab * sizeof(uint32_t);
    uint32_t *zeros = weft_calloc(g->lm->config.n_vocab, sizeof *zeros);
    if (!zeros) return weft_fail(WEFT_ERR_NOMEM, "out of memory for %u counts", g->lm->config.n_vocab);
    weft_status status = weft_session_write_state(g->e->session, at->counts, 0, zeros, bytes);
    weft_free(zeros);
    if (status == WEFT_OK) status = weft_session_set_state(g->e->session, at->n_out, 0, 0);
    return status == WEFT_OK ? weft_session_set_state(g->e->session, at->rng, 0, 0) : status;
}

static weft_status write_states(struct loop *g) {
    weft_session *session = g->e->session;
    const struct weft_decoder_handles *at = &g->e->at;
    const struct weft_lm_request *r = &g->request;
    WEFT_TRY(weft_session_write_state(session, at->sampling, 0, r->words, sizeof r->words));
    WEFT_TRY(weft_session_write_state(session, at->stops, 0, r->stops, sizeof r->stops));
    WEFT_TRY(weft_session_set_state(session, at->n_max, 0, r->limit));
    return weft_session_set_state(session, at->pos_max, 0, g->e->build.ctx - 1); // the last token is not fed
}

/// Empty caches, or those of the call before as far as the prompt begins as they do.
static weft_status go_back(struct loop *g, const int32_t *ids, uint32_t n) {
    struct weft_lm_engine *e = g->e;
    WEFT_TRY(weft_held_reserve(&e->held, e->build.ctx));
    if (!g->params->reuse) weft_held_cut(&e->held, 0);
    WEFT_TRY(weft_held_rewind(&e->held, e->session, ids, n, &g->kept));
    e->pos = g->stats->cached_tokens = g->kept;
    return g->kept ? clear_counts(g) : WEFT_OK;
}

static weft_status begin(struct loop *g, const int32_t *ids, uint32_t n) {
    const struct weft_plan *plan = weft_program_plan(g->e->program);
    enum weft_gpu_kind kind = weft_gpu_caps(g->lm->gpu)->kind;
    g->ring_slots = (uint32_t)(weft_plan_state_live_bytes(&plan->states[g->e->at.ring]) / sizeof(uint32_t));
    g->pace = weft_pace_begin(g->lm->params.runs, g->lm->max_runs, kind, g->ring_slots, g->start);
    g->null_device = kind == WEFT_GPU_NULL;
    g->cpu_driver = kind == WEFT_GPU_CPU;
    g->at_n_out = plan->states[g->e->at.n_out].var_slot * sizeof(uint32_t);
    g->vars_bytes = g->at_n_out + 4; // the activity is in front of all others
    if (g->vars_bytes > BLOCK_WORDS * 4)
        return weft_fail(WEFT_ERR_INTERNAL, "the model has more variables than generation reads");
    WEFT_TRY(go_back(g, ids, n));
    return write_states(g);
}

// ---- submits -------------------------------------------------------------------------------------------------------

static weft_status start_reads(struct loop *g, uint32_t runs, bool prefill) {
    struct flight *f = &g->flights[g->n_flights];
    *f = (struct flight){.first = g->planned, .runs = runs, .prefill = prefill};
    f->ring_at = f->first % g->ring_slots;
    f->ring_n = runs;
    if (f->ring_at + runs > g->ring_slots) { // runs across the end: all of it, which is rare
        f->ring_at = 0;
        f->ring_n = g->ring_slots;
    }
    if (!g->null_device) {
        WEFT_TRY(weft_session_vars_start(g->e->session, 0, g->vars_bytes, &f->vars));
        weft_status status =
            weft_session_state_read_start(g->e->session, g->e->at.ring, f->ring_at * 4ull, f->ring_n * 4ull, &f->ring);
        if (status != WEFT_OK) {
            uint32_t block[BLOCK_WORDS];
            weft_readback_finish(g->lm->gpu, &f->vars, block, g->vars_bytes);
            return status;
        }
    }
    g->planned += runs;
    g->n_flights++;
    return WEFT_OK;
}

/// The prompt, as far as the caches lack it: all but the last chunk without a row of logits. At most AHEAD chunks are
/// queued, so that a cancel acts soon. Where a mark is wanted, the last token is a chunk of its own behind it.
static weft_status prefill(struct loop *g, const int32_t *ids, uint32_t n) {
    uint64_t serials[AHEAD] = {0};
    struct weft_held *held = &g->e->held;
    uint32_t chunk = g->e->build.chunk;
    bool marks = g->params->reuse && weft_held_wants_marks(g->e->program);
    for (uint32_t p = g->kept, i = 0, t; p < n; p += t, i++) {
        uint32_t end = marks && p + 1 < n ? n - 1 : n;
        t = end - p < chunk ? end - p : chunk;
        uint64_t *serial = &serials[i % AHEAD];
        if (i >= AHEAD) WEFT_TRY(weft_gpu_wait(g->lm->gpu, *serial, -1));
        if (cancelled(g)) {
            g->done = true;
            return WEFT_OK;
        }
        if (marks && p + 1 == n) weft_held_mark(held, g->e->session, p);
        WEFT_TRY(weft_lm_engine_feed(g->e, ids + p, t, p + t == n, serial));
        memcpy(held->ids.data + p, ids + p, t * sizeof *ids);
        held->ids.count = p + t;
    }
    return start_reads(g, 1, true);
}

static weft_status decode(struct loop *g) {
    uint32_t runs = g->request.limit - g->planned < g->pace.runs ? g->request.limit - g->planned : g->pace.runs;
    struct weft_gpu_counters before, after;
    weft_gpu_counters(g->lm->gpu, &before);
    double start = weft_now();
    WEFT_TRY(weft_lm_engine_resize(g->e, 1, 1, runs));
    WEFT_TRY(weft_session_run(g->e->session, runs, NULL));
    double ran = weft_now();
    WEFT_TRY(start_reads(g, runs, false));
    g->e->pos += runs;
    double end = weft_now();
    weft_gpu_counters(g->lm->gpu, &after);
    // The copies that are read are not counted where they wait for the computation, as on CPU drivers.
    g->host += (g->cpu_driver ? ran : end) - start - (after.submit_seconds - before.submit_seconds);
    g->stats->dispatches_per_token = weft_session_dispatches(g->e->session);
    return WEFT_OK;
}

// ---- results -------------------------------------------------------------------------------------------------------

/// Waits for the oldest flight. On failure its readbacks are lost with the device.
static weft_status land(struct loop *g, struct flight *f, uint32_t *active, uint32_t *n_out,
                        uint32_t ring[WEFT_LM_RING]) {
    uint32_t block[BLOCK_WORDS];
    *f = g->flights[0];
    memmove(g->flights, g->flights + 1, (AHEAD - 1) * sizeof *g->flights);
    g->n_flights--;
    if (g->null_device) { // it computes nothing: as if every run had picked id 0
        *n_out = f->first + f->runs;
        *active = *n_out < g->request.limit;
        memset(ring, 0, f->ring_n * sizeof *ring);
        return WEFT_OK;
    }
    weft_status first = weft_readback_finish(g->lm->gpu, &f->vars, block, g->vars_bytes);
    weft_status second = weft_readback_finish(g->lm->gpu, &f->ring, ring, f->ring_n * 4ull);
    *active = block[WEFT_VAR_ACTIVE];
    *n_out = block[g->at_n_out / 4];
    return first != WEFT_OK ? first : second;
}

static void finish(struct loop *g, enum weft_stop_reason reason) {
    g->done = true;
    g->reason = reason;
}

/// A token that is read was picked by the run that fed the one before it.
static void note_fed(struct loop *g, int32_t id) {
    struct weft_ids *held = &g->e->held.ids;
    if (g->read) held->data[held->count++] = g->last_id;
    g->last_id = id;
}

static void pass_on(struct loop *g, int32_t id, bool last) {
    if (g->read == 0) g->first = weft_now();
    note_fed(g, id);
    g->read++;
    if (last && weft_lm_request_stops(&g->request, id)) {
        finish(g, WEFT_STOP_TOKEN);
        return;
    }
    g->stats->new_tokens++;
    if (!weft_stream_push(&g->stream, id)) finish(g, WEFT_STOP_CALLER);
}

static weft_status collect(struct loop *g) {
    struct flight f;
    uint32_t active = 0, n_out = 0, ring[WEFT_LM_RING];
    WEFT_TRY(land(g, &f, &active, &n_out, ring));
    weft_pace_arrived(&g->pace, f.prefill ? 0 : f.runs, g->n_flights == 0, weft_now());
    if (n_out < g->read || n_out > f.first + f.runs)
        return weft_fail(WEFT_ERR_INTERNAL, "the sampler counted %u tokens after %u of at most %u", n_out, g->read,
                         f.first + f.runs);
    while (g->read < n_out && !g->done) {
        uint32_t slot = g->read % g->ring_slots - f.ring_at;
        bool last = !active && g->read + 1 == n_out;
        if (slot >= f.ring_n)
            return weft_fail(WEFT_ERR_INTERNAL, "token %u is not among those that were read back", g->read);
        if (ring[slot] == WEFT_SAMPLE_NONE)
            return weft_fail(WEFT_ERR_FORMAT,
                             "%s: after %u tokens all logits are NaN, so there is no next one; the weights hold NaN or "
                             "infinity, or values became too large for their type: check the file, and take an f32 "
                             "cache",
                             weft_source_path(g->lm->file), g->stats->prompt_tokens + g->read);
        pass_on(g, (int32_t)ring[slot], last);
    }
    if (!g->done && !active)
        finish(g, g->params->max_tokens && g->read >= g->params->max_tokens ? WEFT_STOP_LENGTH : WEFT_STOP_CONTEXT);
    if (!g->done && cancelled(g)) finish(g, WEFT_STOP_CALLER);
    return WEFT_OK;
}

/// Frees the readbacks of what was submitted ahead.
static void drain(struct loop *g) {
    uint32_t active, n_out, ring[WEFT_LM_RING];
    struct flight f;
    while (g->n_flights) land(g, &f, &active, &n_out, ring);
}

static weft_status run(struct loop *g, const int32_t *ids, uint32_t n) {
    WEFT_TRY(prefill(g, ids, n));
    while (!g->done) {
        while (g->n_flights < g->pace.ahead && g->planned < g->request.limit) WEFT_TRY(decode(g));
        if (!g->n_flights) finish(g, WEFT_STOP_LENGTH);
        if (!g->done) WEFT_TRY(collect(g));
    }
    return WEFT_OK;
}

/// Fills the statistics but for the reason.
static void account(struct loop *g, double end) {
    g->stats->runs_per_submit = g->pace.runs;
    g->stats->decode_host_seconds = g->host;
    g->stats->first_token_seconds = g->stats->prefill_seconds = g->read ? g->first - g->start : end - g->start;
    g->stats->decode_seconds = g->read ? end - g->first : 0;
}

static weft_status generate(struct loop *g, const int32_t *ids, uint32_t n) {
    struct weft_cancel_scope scope;
    weft_cancel_begin(&scope, g->params->cancel);
    weft_status status = weft_lm_prepare_generate(g->lm);
    weft_cancel_end(&scope);
    WEFT_TRY(status);
    g->start = weft_now();
    WEFT_TRY(begin(g, ids, n));
    status = run(g, ids, n);
    if (status != WEFT_OK) weft_held_cut(&g->e->held, 0); // who knows how far it came
    account(g, weft_now());
    if (status == WEFT_OK) status = weft_stream_end(&g->stream);
    drain(g);
    g->stats->reason = weft_stream_reason(&g->stream, g->reason);
    return status;
}

weft_status weft_lm_generate(weft_lm *lm, const int32_t *ids, size_t n, const struct weft_model_generate_params *params,
                             struct weft_generate_stats *stats) {
    struct weft_generate_stats scratch;
    struct loop g = {
        .lm = lm, .e = &lm->generate, .params = params, .stats = stats ? stats : &scratch, .reason = WEFT_STOP_CALLER};
    *g.stats = (struct weft_generate_stats){.prompt_tokens = (uint32_t)n};
    WEFT_TRY(weft_lm_request_make(lm, lm->build.ctx, ids, n, params, &g.request));
    WEFT_TRY(weft_stream_begin(&g.stream, lm->tokenizer, params));
    weft_status status = WEFT_OK;
    if (n == lm->build.ctx) g.stats->reason = WEFT_STOP_CONTEXT; // no room for a new one
    else status = generate(&g, ids, (uint32_t)n);
    weft_stream_free(&g.stream);
    return status;
}
