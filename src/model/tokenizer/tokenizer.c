/// The parts common to all kinds of tokenizers: life, encoding by sections, decoding, streaming.
#include "model/tokenizer/impl.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/utf8.h"

#include <string.h>

#define LONGEST_SECTION (((size_t)1 << 31) / 3)

void weft_ids_free(struct weft_ids *ids) {
    weft_free(ids->data);
    *ids = (struct weft_ids){0};
}

weft_status weft_ids_push(struct weft_ids *ids, int32_t id) {
    if (!weft_grow((void **)&ids->data, &ids->cap, ids->count + 1, sizeof *ids->data))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for %zu token ids", ids->count + 1);
    ids->data[ids->count++] = id;
    return WEFT_OK;
}

struct weft_tokenizer *weft_tokenizer_new(void) {
    struct weft_tokenizer *t = weft_calloc(1, sizeof *t);
    if (!t) return NULL;
    t->bos = t->eos = t->unknown = -1;
    for (int b = 0; b < 256; b++) t->bytes[b] = -1;
    return t;
}

weft_status weft_tokenizer_finish(struct weft_tokenizer *t) {
    for (unsigned late = 0; late < 2; late++) {
        unsigned bit = late ? WEFT_SPLIT_LATE : 0;
        WEFT_TRY(weft_splitter_create(t, WEFT_SPLIT_USER | bit, &t->user[late]));
        WEFT_TRY(weft_splitter_create(t, WEFT_SPLIT_ALL | bit, &t->all[late]));
        WEFT_TRY(weft_splitter_create(t, WEFT_SPLIT_PLAIN | bit, &t->plain[late]));
    }
    WEFT_TRY(weft_splitter_create(t, WEFT_SPLIT_MARKS, &t->marks));
    return t->model->prepare ? t->model->prepare(t) : WEFT_OK;
}

void weft_tokenizer_destroy(struct weft_tokenizer *t) {
    if (!t) return;
    for (int late = 0; late < 2; late++) {
        weft_splitter_destroy(&t->user[late]);
        weft_splitter_destroy(&t->all[late]);
        weft_splitter_destroy(&t->plain[late]);
    }
    weft_splitter_destroy(&t->marks);
    weft_steps_free(&t->steps);
    weft_cuts_free(&t->cuts);
    weft_charsmap_free(&t->charsmap);
    weft_trie_free(&t->trie);
    weft_free(t->merges.slots);
    weft_free(t->own_mark);
    weft_free(t->flags);
    weft_free(t->stops);
    weft_free(t->slots);
    weft_free(t->score);
    weft_free(t->type);
    weft_free(t->start);
    weft_free(t->text);
    weft_free(t);
}

// ---- encoding ------------------------------------------------------------------------------------------------------

struct encoder {
    const struct weft_tokenizer *t;
    struct weft_work work;
    struct weft_ids *out;
    const struct weft_splitter *special; // that count: in front of the steps, behind them
};

typedef weft_status visit_part(struct encoder *e, bool first, const char *text, size_t len);

/// The ids of these places, and of each part between them `visit`, with whether it stands at the start of the whole
/// text.
static weft_status walk_parts(struct encoder *e, const struct weft_special_at *places, size_t n, bool first,
                              const char *text, size_t len, visit_part *visit) {
    size_t from = 0;
    for (size_t i = 0; i <= n; i++) {
        size_t to = i < n ? places[i].at : len;
        if (to > from) WEFT_TRY(visit(e, first && from == 0, text + from, to - from));
        if (i == n) break;
        WEFT_TRY(weft_ids_push(e->out, places[i].id));
        from = to + places[i].len;
    }
    return WEFT_OK;
}

static weft_status each_part(struct encoder *e, bool late, bool first, const char *text, size_t len,
                             visit_part *visit) {
    struct weft_special_at *places = NULL;
    size_t n = 0;
    weft_status status = weft_splitter_find(e->t, &e->special[late], text, len, &places, &n);
    if (status == WEFT_OK) status = walk_parts(e, places, n, first, text, len, visit);
    weft_free(places);
    return status;
}

static weft_status encode_words(struct encoder *e, bool first, const char *text, size_t len) {
    (void)first;
    return weft_cuts_run(e->t, &e->work, text, len, e->out);
}

static weft_status encode_section(struct encoder *e, bool first, const char *text, size_t len) {
    struct weft_str rewritten = {0};
    weft_status status = WEFT_OK;
    if (len < LONGEST_SECTION && e->t->steps.count) {
        WEFT_TRY(weft_steps_run(e->t, text, len, first, &rewritten));
        text = weft_str_get(&rewritten);
        len = rewritten.len;
    }
    if (len >= LONGEST_SECTION)
        status = weft_fail(WEFT_ERR_LIMIT, "cannot tokenize %zu bytes without a special token between; the most is %zu",
                           len, LONGEST_SECTION - 1);
    else status = each_part(e, true, first, text, len, encode_words);
    weft_str_free(&rewritten);
    return status;
}

static weft_status push_all(const int32_t *ids, unsigned n, struct weft_ids *out) {
    for (unsigned i = 0; i < n; i++) WEFT_TRY(weft_ids_push(out, ids[i]));
    return WEFT_OK;
}

weft_status weft_tokenizer_encode(const struct weft_tokenizer *t, const char *text, size_t len, unsigned flags,
                                  struct weft_ids *out) {
    struct encoder e = {.t = t, .out = out, .special = flags & WEFT_ENCODE_PARSE_SPECIAL ? t->all : t->user};
    size_t before = out->count;
    bool ends = flags & WEFT_ENCODE_ADD_BOS;
    weft_status status = WEFT_OK;
    if (ends) WEFT_GOTO(push_all(t->lead, t->n_lead, out));
    WEFT_GOTO(each_part(&e, false, true, text, len, encode_section));
    if (ends) WEFT_GOTO(push_all(t->tail, t->n_tail, out));
fail:
    weft_work_free(&e.work);
    if (status != WEFT_OK) out->count = before;
    return status;
}

static weft_status encode_between(struct encoder *e, bool first, const char *text, size_t len) {
    return each_part(e, false, first, text, len, encode_section);
}

weft_status weft_tokenizer_encode_runs(const struct weft_tokenizer *t, const char *text, size_t len,
                                       const struct weft_template_run *runs, size_t n_runs, unsigned flags,
                                       struct weft_ids *out) {
    struct encoder e = {.t = t, .out = out, .special = t->plain};
    struct weft_special_at *places = NULL;
    size_t before = out->count, n = 0;
    weft_status status = WEFT_OK;
    WEFT_GOTO(weft_splitter_find_marks(t, text, len, runs, n_runs, &places, &n));
    bool begins = n && places[0].at == 0 && t->n_lead && places[0].id == t->lead[0];
    if (flags & WEFT_ENCODE_ADD_BOS && !begins) WEFT_GOTO(push_all(t->lead, t->n_lead, out));
    WEFT_GOTO(walk_parts(&e, places, n, true, text, len, encode_between));
fail:
    weft_free(places);
    weft_work_free(&e.work);
    if (status != WEFT_OK) out->count = before;
    return status;
}

// ---- decoding ------------------------------------------------------------------------------------------------------

static void put_spaces(const char *text, size_t len, struct weft_str *out) {
    size_t from = 0;
    for (size_t i = 0; i + 3 <= len;) {
        if (memcmp(text + i, WEFT_SPACE_MARK, 3) != 0) {
            i++;
            continue;
        }
        weft_str_addn(out, text + from, i - from);
        weft_str_addn(out, " ", 1);
        from = i += 3;
    }
    weft_str_addn(out, text + from, len - from);
}

/// The bytes of a text that is spelled in the alphabet of bytes.c; another text stands for itself.
static void put_spelled(const char *text, size_t len, struct weft_str *out) {
    size_t before = out->len;
    for (size_t at = 0; at < len;) {
        uint32_t code = 0;
        size_t n = weft_utf8_next(text + at, len - at, &code);
        int byte = n ? weft_char_byte(code) : -1;
        if (byte < 0) {
            weft_str_cut(out, before);
            weft_str_addn(out, text, len);
            return;
        }
        weft_str_addn(out, &(char){(char)byte}, 1);
        at += n;
    }
}

static void put_piece(const struct weft_tokenizer *t, const char *text, size_t len, struct weft_str *out) {
    size_t first = strlen(t->mark_first), rest = strlen(t->mark_rest);
    bool goes_on = rest ? len >= rest && memcmp(text, t->mark_rest, rest) == 0
                        : len < first || memcmp(text, t->mark_first, first) != 0;
    size_t mark = goes_on ? rest : first;
    if (!goes_on) weft_str_addn(out, " ", 1);
    weft_str_addn(out, text + mark, len - mark);
}

static void put_normal(const struct weft_tokenizer *t, const char *text, size_t len, struct weft_str *out) {
    switch (t->text_rule) {
    case WEFT_TEXT_SPACES: put_spaces(text, len, out); break;
    case WEFT_TEXT_BYTES: put_spelled(text, len, out); break;
    case WEFT_TEXT_PIECES: put_piece(t, text, len, out); break;
    case WEFT_TEXT_PLAIN: weft_str_addn(out, text, len); break;
    }
}

weft_status weft_tokenizer_decode(const struct weft_tokenizer *t, int32_t id, bool show_control, struct weft_str *out) {
    if (id < 0 || id >= t->size)
        return weft_fail(WEFT_ERR_INVALID, "token id %d is not in the vocabulary of %d tokens", id, t->size);
    struct weft_source_str text = weft_tokenizer_text(t, id);
    switch ((enum weft_token_type)t->type[id]) {
    case WEFT_TOKEN_NORMAL: put_normal(t, text.data, text.len, out); break;
    case WEFT_TOKEN_USER_DEFINED: weft_str_addn(out, text.data, text.len); break;
    case WEFT_TOKEN_BYTE: weft_str_addn(out, &(char){(char)weft_vocabulary_byte_of(t, id)}, 1); break;
    case WEFT_TOKEN_CONTROL:
    case WEFT_TOKEN_UNKNOWN:
    case WEFT_TOKEN_UNUSED:
        if (show_control) weft_str_addn(out, text.data, text.len);
        break;
    }
    return out->failed ? weft_fail(WEFT_ERR_NOMEM, "out of memory for the text of token %d", id) : WEFT_OK;
}

/// How many bytes at the end of the text are the start of a character that more bytes could complete.
static size_t incomplete(const unsigned char *text, size_t len) {
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        unsigned char lead = text[len - back];
        if ((lead & 0xC0) == 0x80) continue;
        size_t size = lead >= 0xC2 && lead <= 0xDF   ? 2
                      : (lead & 0xF0) == 0xE0        ? 3
                      : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                     : 1;
        if (size <= back) return 0;
        if (back == 1) return 1;
        // The second byte excludes overlong forms, surrogates and what lies beyond U+10FFFF.
        unsigned char second = text[len - back + 1];
        bool ok = !(lead == 0xE0 && second < 0xA0) && !(lead == 0xED && second > 0x9F) &&
                  !(lead == 0xF0 && second < 0x90) && !(lead == 0xF4 && second > 0x8F);
        return ok ? back : 0;
    }
    return 0;
}

weft_status weft_decoder_push(struct weft_decoder *d, int32_t id, struct weft_str *out) {
    size_t before = out->len;
    weft_str_addn(out, (const char *)d->bytes, d->held);
    weft_status status = weft_tokenizer_decode(d->tokenizer, id, d->show_control, out);
    if (status != WEFT_OK) {
        if (!out->failed && out->data) out->data[out->len = before] = 0; // nothing shown; what was held stays held
        return status;
    }
    if (!out->data) return WEFT_OK;
    size_t held = incomplete((const unsigned char *)out->data + before, out->len - before);
    out->len -= held;
    memcpy(d->bytes, out->data + out->len, held);
    d->held = (unsigned)held;
    out->data[out->len] = 0;
    return WEFT_OK;
}

weft_status weft_decoder_flush(struct weft_decoder *d, struct weft_str *out) {
    weft_str_addn(out, (const char *)d->bytes, d->held);
    d->held = 0;
    return out->failed ? weft_fail(WEFT_ERR_NOMEM, "out of memory for decoded text") : WEFT_OK;
}

const int32_t *weft_tokenizer_stop_ids(const struct weft_tokenizer *t, size_t *count) {
    *count = t->n_stops;
    return t->stops;
}

int32_t weft_tokenizer_size(const struct weft_tokenizer *t) { return t ? t->size : 0; }

int32_t weft_tokenizer_bos(const struct weft_tokenizer *t) { return t ? t->bos : -1; }

int32_t weft_tokenizer_eos(const struct weft_tokenizer *t) { return t ? t->eos : -1; }

void weft_tokenizer_around(const struct weft_tokenizer *t, size_t *front, size_t *behind) {
    *front = t->n_lead;
    *behind = t->n_tail;
}

bool weft_tokenizer_adds_bos(const struct weft_tokenizer *t) {
    return t->bos >= 0 && t->n_lead && t->lead[0] == t->bos;
}

const char *weft_tokenizer_kind(const struct weft_tokenizer *t) { return t->kind; }
