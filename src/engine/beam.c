#include "engine/beam.h"

#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"
#include "core/file.h"
#include "engine/beam_choose.h"
#include "engine/lm_impl.h"
#include "engine/request.h"

#include <math.h>
#include <string.h>

enum { DEFAULT_BEAMS = 4, AHEAD = 2 };
#define MOST_PENALTY 10
#define NO_NODE UINT32_MAX

/// A token behind another one: beams that begin alike share their beginnings, and a fork copies no ids.
struct node {
    uint32_t before;
    int32_t id;
};

struct beam {
    uint32_t slot; ///< has read all of its tokens but the last
    uint32_t node; ///< the last one
    double sum;
};

/// A beam that has ended, in the order in which they did.
struct ended {
    uint32_t node;
    double sum, score;
    enum weft_stop_reason reason;
};

struct search {
    weft_lm *lm;
    struct weft_lm_engine *e;
    const struct weft_beam_params *params;
    struct weft_lm_request request;
    uint32_t width, results;
    enum weft_stop_reason full; ///< what ends a text of request.limit tokens
    struct beam live[WEFT_BEAMS];
    uint32_t n_live, made; ///< tokens of each live beam
    struct ended ended[WEFT_BEAMS];
    uint32_t n_ended;
    struct node *nodes;
    size_t n_nodes, room;
    float *logits;                 ///< [width, vocabulary]
    const float *rows[WEFT_BEAMS]; ///< of each live beam
    uint32_t written[WEFT_BEAMS];  ///< tokens of each slot in the last run; UINT32_MAX: unknown
    struct weft_beam_stats *stats;
};

// ---- before --------------------------------------------------------------------------------------------------------

static weft_status check(const struct weft_beam_params *p, uint32_t width) {
    if (width > WEFT_BEAMS) return weft_fail(WEFT_ERR_INVALID, "%u beams; at most %d", width, WEFT_BEAMS);
    if (p->results > width)
        return weft_fail(WEFT_ERR_INVALID, "%u results of %u beams; a beam gives one at most", p->results, width);
    if (!(fabsf(p->length_penalty) <= MOST_PENALTY))
        return weft_fail(WEFT_ERR_INVALID, "a length penalty of %g; it is -%d to %d", (double)p->length_penalty,
                         MOST_PENALTY, MOST_PENALTY);
    return WEFT_OK;
}

/// The program for so many beams, unless it is there. A run holds a token of each.
static weft_status prepare(struct search *s) {
    weft_lm *lm = s->lm;
    struct weft_lm_build b = {.ctx = lm->build.ctx,
                              .chunk = lm->params.chunk,
                              .cache_f16 = lm->params.cache_f16,
                              .slots = s->width,
                              .rows = s->width,
                              .head = WEFT_LM_LOGITS};
    WEFT_TRY(weft_lm_build_defaults(&lm->config, weft_gpu_caps(lm->gpu), &b));
    s->e = &lm->beams;
    if (s->e->program && s->e->build.slots == s->width) return WEFT_OK;
    weft_lm_engine_destroy(s->e);
    return weft_lm_engine_create(lm, &b, 1, s->e);
}

// ---- runs ----------------------------------------------------------------------------------------------------------

/// Says that a slot has so many tokens in the next run; none is also what a free one has.
static weft_status set_count(struct search *s, uint32_t slot, uint32_t count) {
    if (s->written[slot] == count) return WEFT_OK;
    WEFT_TRY(weft_session_set_state(s->e->session, s->e->at.live, slot, count != 0));
    WEFT_TRY(weft_session_set_state(s->e->session, s->e->at.count, slot, count));
    s->written[slot] = count;
    return WEFT_OK;
}

/// Runs t tokens, those of slot 0 first, up to position `end`, and reads logits of the last r of them.
static weft_status run(struct search *s, const int32_t *tokens, uint32_t t, uint32_t r, uint64_t end,
                       uint64_t *serial) {
    weft_session *session = s->e->session;
    uint32_t at[WEFT_BEAMS];
    for (uint32_t i = 0; i < r; i++) at[i] = t - r + i;
    WEFT_TRY(weft_cancel_check());
    WEFT_TRY(weft_lm_engine_size(s->e, t, r, end));
    WEFT_TRY(weft_session_write_state(session, s->e->at.tokens, 0, tokens, (uint64_t)t * sizeof *tokens));
    if (r) WEFT_TRY(weft_session_write_state(session, s->e->at.rows, 0, at, (uint64_t)r * sizeof *at));
    WEFT_TRY(weft_session_run(session, 1, serial));
    if (!r) return WEFT_OK;
    return weft_session_read_io(session, s->e->at.output, 0, s->logits,
                                (uint64_t)r * s->lm->config.n_vocab * sizeof *s->logits);
}

/// Reads the prompt to slot 0, in chunks of which few are under way, so that a cancel acts soon.
static weft_status prefill(struct search *s, const int32_t *ids, uint32_t n) {
    uint64_t serials[AHEAD];
    for (uint32_t slot = 1; slot < s->width; slot++) WEFT_TRY(set_count(s, slot, 0));
    for (uint32_t p = 0, i = 0, t; p < n; p += t, i++) {
        t = n - p < s->e->build.chunk ? n - p : s->e->build.chunk;
        if (i >= AHEAD) WEFT_TRY(weft_gpu_wait(s->lm->gpu, serials[i % AHEAD], -1));
        WEFT_TRY(set_count(s, 0, t));
        WEFT_TRY(run(s, ids + p, t, p + t == n, p + t, &serials[i % AHEAD]));
    }
    s->live[0] = (struct beam){.node = NO_NODE};
    s->rows[0] = s->logits;
    s->n_live = 1;
    return WEFT_OK;
}

static struct beam *beam_of(struct beam *beams, uint32_t n, uint32_t slot) {
    for (uint32_t i = 0; i < n; i++)
        if (beams[i].slot == slot) return &beams[i];
    return NULL;
}

/// The run of a step: every beam reads its last token.
static weft_status feed(struct search *s, uint32_t n_prompt) {
    int32_t tokens[WEFT_BEAMS];
    uint32_t t = 0;
    for (uint32_t slot = 0; slot < s->width; slot++) {
        const struct beam *b = beam_of(s->live, s->n_live, slot);
        WEFT_TRY(set_count(s, slot, b != NULL));
        if (!b) continue;
        s->rows[b - s->live] = s->logits + (size_t)t * s->lm->config.n_vocab;
        tokens[t++] = s->nodes[b->node].id;
    }
    s->stats->tokens += t;
    return run(s, tokens, t, t, (uint64_t)n_prompt + s->made, NULL);
}

// ---- a step --------------------------------------------------------------------------------------------------------

static void end(struct search *s, uint32_t node, double sum, uint32_t length, enum weft_stop_reason reason) {
    double score = weft_beam_score(sum, length, (double)s->params->length_penalty);
    s->ended[s->n_ended++] = (struct ended){node, sum, score, reason};
}

/// Gives the slots of beams that do not go on back, then each way but the first of its beam one that is free. There are
/// as many slots as beams, so that there always is one.
static weft_status move_on(struct search *s, struct beam *next, const uint32_t *parents, uint32_t n) {
    bool goes_on[WEFT_BEAMS] = {false};
    for (uint32_t i = 0; i < n; i++) {
        const struct beam *parent = &s->live[parents[i]];
        next[i].slot = goes_on[parents[i]] ? WEFT_BEAMS : parent->slot;
        goes_on[parents[i]] = true;
    }
    for (uint32_t i = 0; i < s->n_live; i++)
        if (!goes_on[i]) WEFT_TRY(weft_session_rewind_slot(s->e->session, s->live[i].slot, 0));
    for (uint32_t i = 0, slot = 0; i < n; i++) {
        if (next[i].slot != WEFT_BEAMS) continue;
        while (beam_of(next, n, slot)) slot++;
        uint32_t from = s->live[parents[i]].slot;
        WEFT_TRY(weft_session_fork_slot(s->e->session, from, s->e->session, slot));
        s->written[slot] = s->written[from]; // variables come with the fork
        next[i].slot = slot;
    }
    memcpy(s->live, next, n * sizeof *next);
    s->n_live = n;
    return WEFT_OK;
}

static weft_status no_token(const struct search *s, uint32_t n_prompt) {
    return weft_fail(
        WEFT_ERR_FORMAT,
        "%s: after %u tokens all logits of a beam are NaN or minus infinity, so there is no next one; the "
        "weights hold NaN or infinity, or values became too large for their type: check the file, and take "
        "an f32 cache",
        weft_source_path(s->lm->file), n_prompt + s->made);
}

/// Takes the best ways on: those by a stop token, or of the last token that there is room for, end.
static weft_status step(struct search *s, uint32_t n_prompt) {
    struct weft_beam_way ways[WEFT_BEAMS];
    struct beam next[WEFT_BEAMS];
    double sums[WEFT_BEAMS];
    uint32_t parents[WEFT_BEAMS], n = 0;
    for (uint32_t i = 0; i < s->n_live; i++) sums[i] = s->live[i].sum;
    uint32_t count = weft_beam_choose(s->rows, sums, s->n_live, s->lm->config.n_vocab, s->width - s->n_ended, ways);
    if (!count) return no_token(s, n_prompt);
    if (!weft_grow((void **)&s->nodes, &s->room, s->n_nodes + count, sizeof *s->nodes))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for %u beams of %u tokens", s->width, s->made);
    s->made++;
    s->stats->steps++;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t before = s->live[ways[i].beam].node, node = (uint32_t)s->n_nodes;
        if (weft_lm_request_stops(&s->request, ways[i].token)) {
            end(s, before, ways[i].sum, s->made, WEFT_STOP_TOKEN);
            continue;
        }
        s->nodes[s->n_nodes++] = (struct node){before, ways[i].token};
        if (s->made == s->request.limit) {
            end(s, node, ways[i].sum, s->made, s->full);
            continue;
        }
        next[n] = (struct beam){.node = node, .sum = ways[i].sum};
        parents[n++] = ways[i].beam;
    }
    return move_on(s, next, parents, n);
}

/// Whether no live beam can be among the results any more: `results` that have ended score at least what the best of
/// them can reach. Of equal ones the earlier is the better.
static bool decided(const struct search *s) {
    if (!s->n_live) return true;
    uint32_t better = 0;
    double bound = weft_beam_bound(s->live[0].sum, s->made + 1, s->request.limit, (double)s->params->length_penalty);
    for (uint32_t i = 0; i < s->n_ended; i++) better += s->ended[i].score >= bound;
    return better >= s->results;
}

static weft_status search(struct search *s, const int32_t *ids, uint32_t n) {
    WEFT_TRY(prepare(s));
    double start = weft_now();
    s->logits = weft_alloc((size_t)s->width * s->lm->config.n_vocab * sizeof *s->logits);
    if (!s->logits)
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for logits of %u beams by %u tokens", s->width,
                         s->lm->config.n_vocab);
    memset(s->written, 0xff, sizeof s->written);
    WEFT_TRY(weft_lm_engine_reset(s->e));
    WEFT_TRY(prefill(s, ids, n));
    double read = weft_now();
    s->stats->prefill_seconds = read - start;
    for (;;) {
        WEFT_TRY(step(s, n));
        if (decided(s)) break;
        WEFT_TRY(feed(s, n));
    }
    s->stats->search_seconds = weft_now() - read;
    return WEFT_OK;
}

// ---- results -------------------------------------------------------------------------------------------------------

/// The best of what has ended, as many as are wanted; insertion keeps the order of equal ones.
static uint32_t rank(const struct search *s, struct ended *best) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_ended; i++) {
        uint32_t at = n++;
        for (; at && s->ended[i].score > best[at - 1].score; at--) best[at] = best[at - 1];
        best[at] = s->ended[i];
    }
    return n < s->results ? n : s->results;
}

static weft_status trace(const struct search *s, const struct ended *ended, struct weft_lm_hypothesis *h) {
    size_t n = 0;
    for (uint32_t k = ended->node; k != NO_NODE; k = s->nodes[k].before) n++;
    if (!weft_grow((void **)&h->ids.data, &h->ids.cap, n ? n : 1, sizeof *h->ids.data))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for a text of %zu tokens", n);
    h->ids.count = n;
    for (uint32_t k = ended->node; k != NO_NODE; k = s->nodes[k].before) h->ids.data[--n] = s->nodes[k].id;
    h->log_probability = ended->sum;
    h->score = ended->score;
    h->reason = ended->reason;
    return WEFT_OK;
}

static weft_status hand_over(const struct search *s, struct weft_lm_hypotheses *out) {
    struct ended best[WEFT_BEAMS];
    uint32_t n = rank(s, best);
    weft_status status = WEFT_OK;
    out->all = weft_calloc(n, sizeof *out->all);
    if (!out->all) return weft_fail(WEFT_ERR_NOMEM, "out of memory for %u texts", n);
    for (; out->n < n && status == WEFT_OK; out->n++) status = trace(s, &best[out->n], &out->all[out->n]);
    return status;
}

weft_status weft_lm_beams(weft_lm *lm, const int32_t *ids, uint32_t n, const struct weft_beam_params *params,
                          struct weft_lm_hypotheses *out) {
    const struct weft_model_generate_params request = {.max_tokens = params->max_tokens,
                                                       .stop_ids = params->stop_ids,
                                                       .n_stop_ids = params->n_stop_ids,
                                                       .ignore_stops = params->ignore_stops};
    struct search s = {.lm = lm,
                       .params = params,
                       .width = params->beams ? params->beams : DEFAULT_BEAMS,
                       .results = params->results ? params->results : 1,
                       .stats = &out->stats};
    struct weft_cancel_scope model, call;
    *out = (struct weft_lm_hypotheses){.stats.prompt_tokens = n};
    WEFT_TRY(check(params, s.width));
    WEFT_TRY(weft_lm_request_make(lm, lm->build.ctx, ids, n, &request, &s.request));
    s.full = params->max_tokens && s.request.limit == params->max_tokens ? WEFT_STOP_LENGTH : WEFT_STOP_CONTEXT;
    weft_cancel_begin(&model, lm->params.cancel);
    weft_cancel_begin(&call, params->cancel);
    weft_status status = WEFT_OK;
    if (s.request.limit) status = search(&s, ids, n);
    else end(&s, NO_NODE, 0, 0, WEFT_STOP_CONTEXT); // no room for a new one
    weft_cancel_end(&call);
    weft_cancel_end(&model);
    if (status == WEFT_OK) status = hand_over(&s, out);
    if (status != WEFT_OK) weft_lm_hypotheses_free(out);
    weft_free(s.logits);
    weft_free(s.nodes);
    return status;
}

void weft_lm_hypotheses_free(struct weft_lm_hypotheses *h) {
    for (uint32_t i = 0; i < h->n; i++) weft_ids_free(&h->all[i].ids);
    weft_free(h->all);
    *h = (struct weft_lm_hypotheses){0};
}
