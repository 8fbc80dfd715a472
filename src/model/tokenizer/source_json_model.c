/// Of a tokenizer.json: the model's vocabulary and merges, and the added tokens.
#include "model/tokenizer/source_json.h"

#include "core/alloc.h"
#include "core/error.h"

#include <string.h>

/// Texts by id, while they are collected.
struct texts {
    struct weft_gguf_str *items;
    bool *there;
    size_t count; // ids are below
};

static weft_status no_memory(size_t n) { return weft_fail(WEFT_ERR_NOMEM, "out of memory for a vocabulary of %zu", n); }

static weft_status put_text(struct texts *x, double id, const char *text, size_t len) {
    if (!(id >= 0 && id < (double)x->count) || (double)(size_t)id != id)
        return weft_fail(WEFT_ERR_FORMAT, "token '%.*s' has the id %g, which is none below %zu",
                         (int)(len < 40 ? len : 40), text, id, x->count);
    size_t i = (size_t)id;
    bool same = x->there[i] && x->items[i].len == len && (len == 0 || memcmp(x->items[i].data, text, len) == 0);
    if (x->there[i] && !same)
        return weft_fail(WEFT_ERR_FORMAT, "id %zu has two tokens, '%.*s' and '%.*s'", i,
                         (int)(x->items[i].len < 40 ? x->items[i].len : 40), x->items[i].data,
                         (int)(len < 40 ? len : 40), text);
    x->items[i] = (struct weft_gguf_str){text, len};
    x->there[i] = true;
    return WEFT_OK;
}

/// The model's vocabulary: an object of ids, or for unigram an array of texts with scores.
static weft_status collect_model(struct texts *x, const struct weft_json_value *vocab) {
    size_t i = 0;
    for (const struct weft_json_value *m = vocab->first; m; m = m->next, i++) {
        if (vocab->kind == WEFT_JSON_OBJECT) {
            WEFT_TRY(put_text(x, m->kind == WEFT_JSON_NUMBER ? m->number : -1, m->key, m->key_len));
            continue;
        }
        const struct weft_json_value *text = m->kind == WEFT_JSON_ARRAY ? m->first : NULL;
        const struct weft_json_value *score = text ? text->next : NULL;
        if (!score || text->kind != WEFT_JSON_STRING || score->kind != WEFT_JSON_NUMBER)
            return weft_fail(WEFT_ERR_FORMAT, "token %zu of the vocabulary is not a text with a score", i);
        WEFT_TRY(put_text(x, (double)i, text->text, text->len));
    }
    return WEFT_OK;
}

static const struct weft_json_value *content_of(const struct weft_json_value *added) {
    const struct weft_json_value *content = weft_json_get(added, "content");
    return content && content->kind == WEFT_JSON_STRING ? content : NULL;
}

static weft_status collect_added(struct texts *x, const struct weft_json_value *added) {
    for (const struct weft_json_value *m = added ? added->first : NULL; m; m = m->next) {
        const struct weft_json_value *id = weft_json_get(m, "id"), *content = content_of(m);
        if (!id || id->kind != WEFT_JSON_NUMBER || !content)
            return weft_fail(WEFT_ERR_FORMAT, "an added token has no id or no content");
        WEFT_TRY(weft_tj_only(m, "an added token", "id content single_word lstrip rstrip normalized special"));
        WEFT_TRY(put_text(x, id->number, content->text, content->len));
    }
    return WEFT_OK;
}

/// One more than the highest id, if that is not far from the number of tokens: ids that are no token take memory.
static weft_status count_ids(const struct weft_json_value *vocab, const struct weft_json_value *added, size_t *out) {
    size_t n = vocab->len + (added ? added->len : 0);
    double most = vocab->kind == WEFT_JSON_ARRAY ? (double)vocab->len - 1 : -1;
    for (const struct weft_json_value *m = vocab->first; m && vocab->kind == WEFT_JSON_OBJECT; m = m->next)
        if (m->kind == WEFT_JSON_NUMBER && m->number > most) most = m->number;
    for (const struct weft_json_value *m = added ? added->first : NULL; m; m = m->next) {
        const struct weft_json_value *id = weft_json_get(m, "id");
        if (id && id->kind == WEFT_JSON_NUMBER && id->number > most) most = id->number;
    }
    if (most < 0) return weft_fail(WEFT_ERR_FORMAT, "the vocabulary is empty");
    if (most >= 2.0 * (double)n + 1000 || most >= INT32_MAX / 4)
        return weft_fail(WEFT_ERR_LIMIT, "%zu tokens have ids up to %.0f", n, most);
    *out = (size_t)most + 1;
    return WEFT_OK;
}

static weft_status load_texts(struct weft_tokenizer *t, const struct weft_json_value *vocab,
                              const struct weft_json_value *added) {
    struct texts x = {0};
    WEFT_TRY(count_ids(vocab, added, &x.count));
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
    for (const struct weft_json_value *m = added ? added->first : NULL; m; m = m->next) {
        int32_t id = (int32_t)weft_json_get(m, "id")->number; // collect_added has checked it
        bool special;
        WEFT_TRY(weft_tj_flag(m, "special", false, &special));
        t->type[id] = !special ? WEFT_TOKEN_USER_DEFINED : id == t->unknown ? WEFT_TOKEN_UNKNOWN : WEFT_TOKEN_CONTROL;
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            bool on;
            WEFT_TRY(weft_tj_flag(m, keys[i].key, keys[i].flag == WEFT_SPECIAL_LATE && !special, &on));
            if (on) t->flags[id] |= keys[i].flag;
        }
    }
    return WEFT_OK;
}

static weft_status load_merges(struct weft_tokenizer *t, const struct weft_json_value *merges) {
    size_t rank = 0;
    if (!merges || merges->kind != WEFT_JSON_ARRAY) return weft_fail(WEFT_ERR_FORMAT, "the model has no 'merges'");
    WEFT_TRY(weft_merges_create(&t->merges, merges->len));
    for (const struct weft_json_value *m = merges->first; m; m = m->next, rank++) {
        const struct weft_json_value *a = m->kind == WEFT_JSON_ARRAY ? m->first : NULL, *b = a ? a->next : NULL;
        struct weft_gguf_str left = {0}, right = {0};
        const char *space = m->kind == WEFT_JSON_STRING ? memchr(m->text, ' ', m->len) : NULL;
        if (space) {
            left = (struct weft_gguf_str){m->text, (size_t)(space - m->text)};
            right = (struct weft_gguf_str){space + 1, m->len - left.len - 1};
        } else if (b && a->kind == WEFT_JSON_STRING && b->kind == WEFT_JSON_STRING) {
            left = (struct weft_gguf_str){a->text, a->len};
            right = (struct weft_gguf_str){b->text, b->len};
        } else {
            return weft_fail(WEFT_ERR_FORMAT, "merge %zu is not two texts", rank);
        }
        WEFT_TRY(weft_merges_add(t, rank, left, right));
    }
    return WEFT_OK;
}

/// The id of the text that a member has; -1 if there is none.
static weft_status find_unknown(struct weft_tokenizer *t, const struct weft_json_value *model) {
    const struct weft_json_value *text = weft_json_get(model, "unk_token");
    if (!text || text->kind != WEFT_JSON_STRING) return WEFT_OK;
    t->unknown = weft_tokenizer_find(t, text->text, text->len);
    return t->unknown >= 0 ? WEFT_OK : weft_fail(WEFT_ERR_FORMAT, "the unknown token is none of the vocabulary");
}

/// Members that would change words, unless they are null, empty or 0.
static weft_status refuse_affixes(const struct weft_json_value *model) {
    static const char *const keys[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const struct weft_json_value *m = weft_json_get(model, keys[i]);
        bool none =
            !m || m->kind == WEFT_JSON_NULL || weft_json_is(m, "") || (m->kind == WEFT_JSON_NUMBER && m->number == 0);
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
    return load_merges(t, weft_json_get(model, "merges"));
}

static weft_status load_wordpiece(struct weft_tokenizer *t, const struct weft_json_value *model) {
    const struct weft_json_value *prefix = weft_json_get(model, "continuing_subword_prefix");
    int64_t longest;
    WEFT_TRY(weft_tj_only(model, "the WordPiece model",
                          "type unk_token continuing_subword_prefix max_input_chars_per_word vocab"));
    WEFT_TRY(weft_tj_number(model, "max_input_chars_per_word", 10000, 100, &longest));
    if (prefix && prefix->kind != WEFT_JSON_STRING)
        return weft_fail(WEFT_ERR_FORMAT, "'continuing_subword_prefix' is no text");
    t->kind = "WordPiece";
    t->model = &weft_model_wordpiece;
    t->text_rule = WEFT_TEXT_PIECES;
    t->longest_word = (size_t)longest;
    t->mark_first = "";
    t->own_mark = prefix ? weft_strndup(prefix->text, prefix->len) : weft_strdup("##");
    t->mark_rest = t->own_mark;
    if (!t->own_mark) return no_memory((size_t)t->size);
    return find_unknown(t, model);
}

static weft_status load_unigram(struct weft_tokenizer *t, const struct weft_json_value *model) {
    const struct weft_json_value *vocab = weft_json_get(model, "vocab");
    int64_t unknown;
    size_t i = 0;
    WEFT_TRY(weft_tj_only(model, "the Unigram model", "type unk_id vocab byte_fallback"));
    WEFT_TRY(weft_tj_number(model, "unk_id", t->size - 1, -1, &unknown));
    WEFT_TRY(weft_tj_flag(model, "byte_fallback", false, &t->pieces_bytes));
    if (vocab->kind != WEFT_JSON_ARRAY) return weft_fail(WEFT_ERR_FORMAT, "the Unigram model has no scores");
    t->kind = "Unigram";
    t->model = &weft_model_unigram;
    t->unknown = (int32_t)unknown;
    if (unknown >= 0) t->type[unknown] = WEFT_TOKEN_UNKNOWN;
    if (t->pieces_bytes) weft_vocabulary_find_bytes(t, false);
    t->score = weft_calloc((size_t)t->size, sizeof *t->score);
    if (!t->score) return no_memory((size_t)t->size);
    for (const struct weft_json_value *m = vocab->first; m; m = m->next) t->score[i++] = m->first->next->number;
    return WEFT_OK;
}

weft_status weft_tj_vocabulary(struct weft_tokenizer_json *j) {
    const struct weft_json_value *model = weft_json_get(j->root, "model"), *type = weft_json_get(model, "type");
    const struct weft_json_value *vocab = weft_json_get(model, "vocab"),
                                 *added = weft_json_get(j->root, "added_tokens");
    if (!vocab || (vocab->kind != WEFT_JSON_OBJECT && vocab->kind != WEFT_JSON_ARRAY))
        return weft_fail(WEFT_ERR_FORMAT, "there is no model with a 'vocab'");
    if (added && added->kind != WEFT_JSON_ARRAY) added = NULL;
    bool bpe = weft_json_is(type, "BPE") || (!type && weft_json_get(model, "merges"));
    if (!bpe && !weft_json_is(type, "WordPiece") && !weft_json_is(type, "Unigram"))
        return weft_tj_refuse("model", type);
    if ((vocab->kind == WEFT_JSON_ARRAY) != weft_json_is(type, "Unigram"))
        return weft_fail(WEFT_ERR_FORMAT, "the model's 'vocab' is not what its type has");
    j->t->text_rule = WEFT_TEXT_PLAIN;
    WEFT_TRY(load_texts(j->t, vocab, added));
    if (bpe) WEFT_TRY(load_bpe(j->t, model));
    else if (weft_json_is(type, "WordPiece")) WEFT_TRY(load_wordpiece(j->t, model));
    else WEFT_TRY(load_unigram(j->t, model));
    return mark_added(j->t, added);
}
