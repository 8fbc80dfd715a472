/// From ids to vectors: texts are sorted by length, the longest first, and those of like lengths run together.
#include "engine/embed_impl.h"

#include "core/alloc.h"
#include "core/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/// A text on its way.
struct text {
    size_t number; ///< in the caller's order
    size_t at;     ///< its first id
    uint32_t n;    ///< tokens that are computed
    uint32_t kept; ///< of these, that are the last of the text's; the others are its first
    size_t given;
};

struct run {
    weft_embedder *e;
    const struct weft_embed_params *params;
    enum weft_pooling pooling;
    bool normalize;
    const int32_t *ids;
    struct text *texts; ///< sorted
    size_t n;
    int32_t *batch_ids;
    uint32_t *lengths;
    float *weights, *rows; ///< of a run
    float *vectors;
    struct weft_embed_stats *stats;
};

// ---- what is asked for ---------------------------------------------------------------------------------------------

static weft_status choose(struct run *r) {
    const struct weft_pooling_config *own = &r->e->pooling;
    const struct weft_embed_params *p = r->params;
    if ((unsigned)p->pooling > WEFT_POOLING_LAST)
        return weft_fail(WEFT_ERR_INVALID, "pooling %d is none of enum weft_pooling", (int)p->pooling);
    if (p->raw && p->normalize)
        return weft_fail(WEFT_ERR_INVALID, "vectors are either raw or normalised; both are asked for");
    r->pooling = p->pooling ? p->pooling : own->pooling;
    r->normalize = p->normalize || (own->normalize && !p->raw);
    if (!p->pooling && *own->unknown)
        return weft_fail(WEFT_ERR_INVALID,
                         "%s: the model pools by %s, which Weft does not compute; choose mean, cls or last (--pooling)",
                         weft_source_path(r->e->file), own->unknown);
    if (r->pooling) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID,
                     "%s: the model does not say how the vectors of tokens become one; choose mean, cls or last "
                     "(--pooling)",
                     weft_source_path(r->e->file));
}

static weft_status check_ids(const struct run *r, const struct text *t) {
    uint32_t vocab = r->e->config.n_vocab;
    for (size_t i = 0; i < t->given; i++)
        if (r->ids[t->at + i] < 0 || (uint32_t)r->ids[t->at + i] >= vocab)
            return weft_fail(WEFT_ERR_INVALID, "token %zu of text %zu has id %d, outside the vocabulary of %u", i,
                             t->number + 1, r->ids[t->at + i], vocab);
    return WEFT_OK;
}

/// How much of a text is computed.
static weft_status measure(struct run *r, struct text *t) {
    const weft_embedder *e = r->e;
    size_t front, behind;
    if (t->given == 0)
        return weft_fail(WEFT_ERR_INVALID, "text %zu of %zu has no token, so that nothing could be its vector",
                         t->number + 1, r->n);
    t->n = (uint32_t)(t->given < e->build.ctx ? t->given : e->build.ctx);
    if (t->n < t->given && !r->params->truncate)
        return weft_fail(WEFT_ERR_LIMIT,
                         "text %zu of %zu has %zu tokens and at most %u are taken; cut texts there (--truncate), or "
                         "choose up to the model's %u (--max-tokens)",
                         t->number + 1, r->n, t->given, e->build.ctx, e->config.ctx_train);
    if (t->n < t->given) {
        weft_tokenizer_around(e->tokenizer, &front, &behind);
        t->kept = r->params->tokenize & WEFT_TOKENIZE_NO_BOS ? 0 : (uint32_t)behind;
        r->stats->truncated++;
    }
    if (r->params->tokens) r->params->tokens[t->number] = t->n;
    r->stats->tokens += t->n;
    return check_ids(r, t);
}

static int by_length(const void *a, const void *b) {
    const struct text *x = a, *y = b;
    if (x->n != y->n) return x->n < y->n ? 1 : -1;
    return x->number < y->number ? -1 : 1;
}

static weft_status take_texts(struct run *r, const size_t *counts) {
    size_t at = 0;
    for (size_t i = 0; i < r->n; i++) {
        r->texts[i] = (struct text){.number = i, .at = at, .given = counts[i]};
        WEFT_TRY(measure(r, &r->texts[i]));
        at += counts[i];
    }
    qsort(r->texts, r->n, sizeof *r->texts, by_length);
    return WEFT_OK;
}

// ---- runs ----------------------------------------------------------------------------------------------------------

/// Texts from number `first` on that run together: none is so much shorter than the first that rows are mostly filled
/// up, as far as that is worth a run of its own.
static uint32_t together(const struct run *r, size_t first) {
    enum { LITTLE = 16 };
    const struct weft_encoder_params *most = &r->e->build;
    uint32_t longest = r->texts[first].n, n = 1;
    while (first + n < r->n && n < most->batch && (uint64_t)(n + 1) * longest <= most->tokens) {
        uint32_t next = r->texts[first + n].n;
        if (next + LITTLE < longest && next < longest - longest / 4) break;
        n++;
    }
    return n;
}

static void fill(struct run *r, size_t first, uint32_t n, uint32_t longest) {
    memset(r->batch_ids, 0, (size_t)n * longest * sizeof *r->batch_ids);
    memset(r->weights, 0, (size_t)n * longest * sizeof *r->weights);
    for (uint32_t i = 0; i < n; i++) {
        const struct text *t = &r->texts[first + i];
        int32_t *to = r->batch_ids + (size_t)i * longest;
        size_t front = t->n - t->kept;
        memcpy(to, r->ids + t->at, front * sizeof *to);
        if (t->kept) memcpy(to + front, r->ids + t->at + t->given - t->kept, t->kept * sizeof *to);
        r->lengths[i] = t->n;
        weft_pooling_weights(r->pooling, t->n, r->weights + (size_t)i * longest);
    }
}

static weft_status compute(struct run *r, uint32_t n, uint32_t longest) {
    weft_embedder *e = r->e;
    int64_t symbols[WEFT_MAX_SYMBOLS] = {0};
    uint64_t slots = (uint64_t)n * longest;
    symbols[e->at.b] = n;
    symbols[e->at.l] = longest;
    WEFT_TRY(weft_session_resize(e->session, symbols));
    WEFT_TRY(weft_session_write_io(e->session, e->at.ids, 0, r->batch_ids, slots * sizeof *r->batch_ids));
    WEFT_TRY(weft_session_write_io(e->session, e->at.length, 0, r->lengths, (uint64_t)n * sizeof *r->lengths));
    WEFT_TRY(weft_session_write_io(e->session, e->at.weights, 0, r->weights, slots * sizeof *r->weights));
    WEFT_TRY(weft_session_run(e->session, 1, NULL));
    r->stats->slots += slots;
    r->stats->runs++;
    return weft_session_read_io(e->session, e->at.embedding, 0, r->rows,
                                (uint64_t)n * e->config.n_embd * sizeof *r->rows);
}

/// A row as the caller wants it.
static weft_status deliver(const struct run *r, const struct text *t, const float *row) {
    const double least = 1e-12; // a vector of zeros stays one
    uint32_t size = r->e->config.n_embd;
    float *to = r->vectors + t->number * size;
    double sum = 0;
    for (uint32_t i = 0; i < size; i++) sum += (double)row[i] * row[i];
    if (!isfinite(sum))
        return weft_fail(WEFT_ERR_FORMAT,
                         "the vector of text %zu of %zu has NaN or infinities; the file is damaged, or values overflow",
                         t->number + 1, r->n);
    double length = r->normalize ? fmax(sqrt(sum), least) : 1;
    for (uint32_t i = 0; i < size; i++) to[i] = (float)(row[i] / length);
    return WEFT_OK;
}

static weft_status run_all(struct run *r) {
    for (size_t first = 0; first < r->n;) {
        uint32_t n = together(r, first), longest = r->texts[first].n;
        if (weft_cancel_is_set(r->params->cancel)) return weft_fail(WEFT_ERR_CANCELLED, "cancelled");
        fill(r, first, n, longest);
        WEFT_TRY(compute(r, n, longest));
        for (uint32_t i = 0; i < n; i++)
            WEFT_TRY(deliver(r, &r->texts[first + i], r->rows + (size_t)i * r->e->config.n_embd));
        first += n;
        if (r->params->each) r->params->each(r->params->user, first, r->n);
    }
    return WEFT_OK;
}

static weft_status make_room(struct run *r) {
    const struct weft_encoder_params *most = &r->e->build;
    r->texts = weft_calloc(r->n ? r->n : 1, sizeof *r->texts);
    r->batch_ids = weft_calloc(most->tokens, sizeof *r->batch_ids);
    r->lengths = weft_calloc(most->batch, sizeof *r->lengths);
    r->weights = weft_calloc(most->tokens, sizeof *r->weights);
    r->rows = weft_calloc((size_t)most->batch * r->e->config.n_embd, sizeof *r->rows);
    if (r->texts && r->batch_ids && r->lengths && r->weights && r->rows) return WEFT_OK;
    return weft_fail(WEFT_ERR_NOMEM, "out of memory for %zu texts", r->n);
}

weft_status weft_embed_run(weft_embedder *e, const int32_t *ids, const size_t *counts, size_t n,
                           const struct weft_embed_params *params, float *vectors, struct weft_embed_stats *stats) {
    struct run r = {.e = e, .params = params, .ids = ids, .n = n, .vectors = vectors, .stats = stats};
    *stats = (struct weft_embed_stats){0};
    weft_status status = choose(&r);
    if (status == WEFT_OK) status = make_room(&r);
    if (status == WEFT_OK) status = take_texts(&r, counts);
    if (status == WEFT_OK) status = run_all(&r);
    weft_free(r.texts);
    weft_free(r.batch_ids);
    weft_free(r.lengths);
    weft_free(r.weights);
    weft_free(r.rows);
    return status;
}
