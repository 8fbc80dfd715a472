/// Of a tokenizer.json: the model's vocabulary and merges, and the added tokens.
#include "model/tokenizer/source_json.h"

#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"

#include <string.h>

/// Texts by id, while they are collected.
struct texts {
    struct weft_source_str *items;
    bool *there;
    size_t count; // ids are below
};

static weft_status no_memory(size_t n) { return weft_fail(WEFT_ERR_NOMEM, "out of memory for a vocabulary of %zu", n); }

static weft_status put_text(struct texts *x, int64_t id, const char *text, size_t len) {
    if (id < 0 || (uint64_t)id >= x->count)
        return weft_fail(WEFT_ERR_FORMAT, "token '%.*s' has an id that is no whole number below %zu",
                         (int)(len < 40 ? len : 40), text, x->count);
    size_t i = (size_t)id;
    bool same = x->there[i] && x->items[i].len == len && (len == 0 || memcmp(x->items[i].data, text, len) == 0);
    if (x->there[i] && !same)
        return weft_fail(WEFT_ERR_FORMAT, "id %zu has two tokens, '%.*s' and '%.*s'", i,
                         (int)(x->items[i].len < 40 ? x->items[i].len : 40), x->items[i].data,
                         (int)(len < 40 ? len : 40), text);
    x->items[i] = (struct weft_source_str){text, len};
    x->there[i] = true;
    return WEFT_OK;
}

/// -1: none.
static int64_t id_of(const struct weft_json_value *v) { return v && v->type == WEFT_JSON_INT && v->i >= 0 ? v->i : -1; }

static bool number_of(const struct weft_json_value *v, double *out) {
    if (v->type == WEFT_JSON_INT) *out = (double)v->i;
    else if (v->type == WEFT_JSON_REAL) *out = v->r;
    return v->type == WEFT_JSON_INT || v->type == WEFT_JSON_REAL;
}

/// The model's vocabulary: an object of ids, or for unigram an array of texts with scores.
static weft_status collect_model(struct texts *x, const struct weft_json_value *vocab) {
    for (size_t i = 0; i < vocab->n; i++) {
        const struct weft_json_value *m = &vocab->items[i];
        WEFT_TRY(weft_cancel_check_at(i));
        if (vocab->type == WEFT_JSON_MAP) {
            WEFT_TRY(put_text(x, id_of(m), vocab->keys[i].text, vocab->keys[i].len));
            continue;
        }
        const struct weft_json_value *text = m->type == WEFT_JSON_LIST && m->n > 1 ? m->items : NULL;
        double score;
        if (!text || text->type != WEFT_JSON_STRING || !number_of(&text[1], &score))
            return weft_fail(WEFT_ERR_FORMAT, "token %zu of the vocabulary is not a text with a score", i);
        WEFT_TRY(put_text(x, (int64_t)i, text->s.text, text->s.len));
    }
    return WEFT_OK;
}

static const struct weft_json_value *content_of(const struct weft_json_value *added) {
    const struct weft_json_value *content = weft_json_find(added, "content");
    return content && content->type == WEFT_JSON_STRING ? content : NULL;
}

static weft_status collect_added(struct texts *x, const struct weft_json_value *added) {
    for (size_t i = 0; added && i < added->n; i++) {
        const struct weft_json_value *m = &added->items[i], *content = content_of(m);
        int64_t id = id_of(weft_json_find(m, "id"));
        if (id < 0 || !content) return weft_fail(WEFT_ERR_FORMAT, "an added token has no id or no content");
        WEFT_TRY(weft_tj_only(m, "an added token", "id content single_word lstrip rstrip normalized special"));
        WEFT_TRY(put_text(x, id, content->s.text, content->s.len));
    }
    return WEFT_OK;
}

/// One more than the highest id, if that is not far from the number of tokens: ids that are no token take memory.
static weft_status count_ids(const struct weft_json_value *vocab, const struct weft_json_value *added, size_t *out) {
    size_t n = vocab->n + (added ? added->n : 0);
    int64_t most = vocab->type == WEFT_JSON_LIST ? (int64_t)vocab->n - 1 : -1;
    for (size_t i = 0; i < vocab->n && vocab->type == WEFT_JSON_MAP; i++) {
        int64_t id = id_of(&vocab->items[i]);
        most = id > most ? id : most;
    }
    for (size_t i = 0; added && i < added->n; i++) {
        int64_t id = id_of(weft_json_find(&added->items[i], "id"));
        most = id > most ? id : most;
    }
    if (most < 0)
        return weft_fail(WEFT_ERR_FORMAT, n ? "no token has an id that is a whole number" : "the vocabulary is empty");
    if ((uint64_t)most >= 2 * (uint64_t)n + 1000 || most >= INT32_MAX / 4)
        return weft_fail(WEFT_ERR_LIMIT, "%zu tokens have ids up to %lld", n, (long long)most);
    *out = (size_t)most + 1;
    return WEFT_OK;
}

static weft_status load_texts(struct weft_tokenizer_json *j, const struct weft_json_value *vocab,
                              const struct weft_json_value *added) {
    struct weft_tokenizer *t = j->t;
    struct texts x = {0};
    WEFT_TRY(count_ids(vocab, added, &x.count));
    if (x.count < j->least) x.count = j->least;
    x.items = weft_calloc(x.count, sizeof *x.items);
    x.there = weft_calloc(x.count, sizeof *x.there);
    weft_status status = x.items && x.there ? collect_model(&x, vocab) : no_memory(x.count);
    if (status == WEFT_OK) status = collect_added(&x, added);
    if (status == WEFT_OK) status = weft_vocabulary_load(t, x.items, x.count);
    for (size_t i = 0; status == WEFT_OK && i < x.count; i++)
        if (!x.there[i]) t->type[i] = WEFT_TOKEN_UNUSED;
    weft_free(x.items);
    weft_free(x.there);
    return status;
}

/// Types and flags of added tokens.
static weft_status mark_added(struct weft_tokenizer *t, const struct weft_json_value *added) {
    static const struct {
        const char *key;
        uint8_t flag;
    } keys[] = {{"lstrip", WEFT_SPECIAL_LSTRIP},
                {"rstrip", WEFT_SPECIAL_RSTRIP},
                {"single_word", WEFT_SPECIAL_WORD},
                {"normalized", WEFT_SPECIAL_LATE}};
    t->flags = weft_calloc((size_t)t->size, 1);
    if (!t->flags) return no_memory((size_t)t->size);
    for (size_t i = 0; added && i < added->n; i++) {
        const struct weft_json_value *m = &added->items[i];
        int32_t id = (int32_t)weft_json_find(m, "id")->i; // collect_added has checked it
        bool special;
        WEFT_TRY(weft_tj_flag(m, "special", false, &special));
        t->type[id] = !special ? WEFT_TOKEN_USER_DEFINED : id == t->unknown ? WEFT_TOKEN_UNKNOWN : WEFT_TOKEN_CONTROL;
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            bool on;
            WEFT_TRY(weft_tj_flag(m, keys[k].key, keys[k].flag == WEFT_SPECIAL_LATE && !special, &on));
            if (on) t->flags[id] |= keys[k].flag;
        }
    }
    return WEFT_OK;
}

static weft_status load_merges(struct weft_tokenizer *t, const struct weft_json_value *merges) {
    if (!merges || merges->type != WEFT_JSON_LIST) return weft_fail(WEFT_ERR_FORMAT, "the model has no 'merges'");
    WEFT_TRY(weft_merges_create(&t->merges, merges->n));
    for (size_t rank = 0; rank < merges->n; rank++) {
        const struct weft_json_value *m = &merges->items[rank];
        const struct weft_json_value *pair = m->type == WEFT_JSON_LIST && m->n > 1 ? m->items : NULL;
        struct weft_source_str left = {0}, right = {0};
        const char *space = m->type == WEFT_JSON_STRING ? memchr(m->s.text, ' ', m->s.len) : NULL;
        if (space) {
            left = (struct weft_source_str){m->s.text, (size_t)(space - m->s.text)};
            right = (struct weft_source_str){space + 1, m->s.len - left.len - 1};
        } else if (pair && pair[0].type == WEFT_JSON_STRING && pair[1].type == WEFT_JSON_STRING) {
            left = (struct weft_source_str){pair[0].s.text, pair[0].s.len};
            right = (struct weft_source_str){pair[1].s.text, pair[1].s.len};
        } else {
            return weft_fail(WEFT_ERR_FORMAT, "merge %zu is not two texts", rank);
        }
        WEFT_TRY(weft_merges_add(t, rank, left, right));
    }
    return WEFT_OK;
}

/// The id of the text that a member has; -1 if there is none.
static weft_status find_unknown(struct weft_tokenizer *t, const struct weft_json_value *model) {
    const struct weft_json_value *text = weft_json_find(model, "unk_token");
    if (!text || text->type != WEFT_JSON_STRING) return WEFT_OK;
    t->unknown = weft_tokenizer_find(t, text->s.text, text->s.len);
    return t->unknown >= 0 ? WEFT_OK : weft_fail(WEFT_ERR_FORMAT, "the unknown token is none of the vocabulary");
}

/// Members that would change words, unless they are null, empty or 0.
static weft_status refuse_affixes(const struct weft_json_value *model) {
    static const char *const keys[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const struct weft_json_value *m = weft_json_find(model, keys[i]);
        double number = 1;
        bool none = !m || m->type == WEFT_JSON_NULL || weft_json_is(m, "") || (number_of(m, &number) && number == 0);
        if (!none)
            return weft_fail(WEFT_ERR_UNSUPPORTED, "the BPE model has a '%s', which Weft does not know", keys[i]);
    }
    return WEFT_OK;
}

static weft_status load_bpe(struct weft_tokenizer *t, const struct weft_json_value *model) {
    bool bytes;
    WEFT_TRY(weft_tj_only(model, "the BPE model",
                          "type dropout unk_token continuing_subword_prefix end_of_word_suffix fuse_unk byte_fallback "
                          "ignore_merges vocab merges"));
    WEFT_TRY(refuse_affixes(model));
    t->kind = "BPE";
    t->model = &weft_model_ranks;
    WEFT_TRY(find_unknown(t, model));
    WEFT_TRY(weft_tj_flag(model, "fuse_unk", false, &t->fuses_unknown));
    WEFT_TRY(weft_tj_flag(model, "ignore_merges", false, &t->ignores_merges));
    WEFT_TRY(weft_tj_flag(model, "byte_fallback", false, &bytes));
    if (bytes) weft_vocabulary_find_bytes(t, false);
    return load_merges(t, weft_json_find(model, "merges"));
}

static weft_status load_wordpiece(struct weft_tokenizer *t, const struct weft_json_value *model) {
    const struct weft_json_value *prefix = weft_json_find(model, "continuing_subword_prefix");
    int64_t longest;
    WEFT_TRY(weft_tj_only(model, "the WordPiece model",
                          "type unk_token continuing_subword_prefix max_input_chars_per_word vocab"));
    WEFT_TRY(weft_tj_number(model, "max_input_chars_per_word", 10000, 100, &longest));
    if (prefix && prefix->type != WEFT_JSON_STRING)
        return weft_fail(WEFT_ERR_FORMAT, "'continuing_subword_prefix' is no text");
    t->kind = "WordPiece";
    t->model = &weft_model_wordpiece;
    t->text_rule = WEFT_TEXT_PIECES;
    t->longest_word = (size_t)longest;
    t->mark_first = "";
    t->own_mark = prefix ? weft_strndup(prefix->s.text, prefix->s.len) : weft_strdup("##");
    t->mark_rest = t->own_mark;
    if (!t->own_mark) return no_memory((size_t)t->size);
    return find_unknown(t, model);
}

static weft_status load_unigram(struct weft_tokenizer *t, const struct weft_json_value *model) {
    const struct weft_json_value *vocab = weft_json_find(model, "vocab");
    int64_t unknown;
    WEFT_TRY(weft_tj_only(model, "the Unigram model", "type unk_id vocab byte_fallback"));
    WEFT_TRY(weft_tj_number(model, "unk_id", t->size - 1, -1, &unknown));
    WEFT_TRY(weft_tj_flag(model, "byte_fallback", false, &t->pieces_bytes));
    if (vocab->type != WEFT_JSON_LIST) return weft_fail(WEFT_ERR_FORMAT, "the Unigram model has no scores");
    t->kind = "Unigram";
    t->model = &weft_model_unigram;
    t->unknown = (int32_t)unknown;
    if (unknown >= 0) t->type[unknown] = WEFT_TOKEN_UNKNOWN;
    if (t->pieces_bytes) weft_vocabulary_find_bytes(t, false);
    t->score = weft_calloc((size_t)t->size, sizeof *t->score);
    if (!t->score) return no_memory((size_t)t->size);
    for (size_t i = 0; i < vocab->n; i++)
        number_of(&vocab->items[i].items[1], &t->score[i]); // collect_model has checked
    return WEFT_OK;
}

weft_status weft_tj_vocabulary(struct weft_tokenizer_json *j) {
    const struct weft_json_value *model = weft_json_find(&j->root, "model"), *type = weft_json_find(model, "type");
    const struct weft_json_value *vocab = weft_json_find(model, "vocab"),
                                 *added = weft_json_find(&j->root, "added_tokens");
    if (!vocab || (vocab->type != WEFT_JSON_MAP && vocab->type != WEFT_JSON_LIST))
        return weft_fail(WEFT_ERR_FORMAT, "there is no model with a 'vocab'");
    if (added && added->type != WEFT_JSON_LIST) added = NULL;
    bool bpe = weft_json_is(type, "BPE") || (!type && weft_json_find(model, "merges"));
    if (!bpe && !weft_json_is(type, "WordPiece") && !weft_json_is(type, "Unigram"))
        return weft_tj_refuse("model", type);
    if ((vocab->type == WEFT_JSON_LIST) != weft_json_is(type, "Unigram"))
        return weft_fail(WEFT_ERR_FORMAT, "the model's 'vocab' is not what its type has");
    j->t->text_rule = WEFT_TEXT_PLAIN;
    WEFT_TRY(load_texts(j, vocab, added));
    if (bpe) WEFT_TRY(load_bpe(j->t, model));
    else if (weft_json_is(type, "WordPiece")) WEFT_TRY(load_wordpiece(j->t, model));
    else WEFT_TRY(load_unigram(j->t, model));
    return mark_added(j->t, added);
}
