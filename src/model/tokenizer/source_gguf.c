/// Tokenizers from the keys of a GGUF file.
#include "model/tokenizer/impl.h"

#include "core/alloc.h"
#include "core/error.h"

#include <string.h>

#define MOST_TOKENS (INT32_MAX / 4)

/// What a value of tokenizer.ggml.model stands for.
struct kind {
    const char *name;
    const struct weft_token_model *model;
    enum weft_token_text text_rule;
    bool adds_bos, adds_eos, adds_space; // where the file does not say
    bool maps, cleans; // tokenizer.ggml.precompiled_charsmap and remove_extra_whitespaces; normalizer.*
    weft_status (*setup)(struct weft_tokenizer *t, const struct weft_source *file, const struct kind *kind);
};

static weft_status load_vocabulary(struct weft_tokenizer *t, const struct weft_source *file) {
    static const char key[] = "tokenizer.ggml.tokens";
    struct weft_source_str *texts;
    size_t count;
    WEFT_TRY(weft_source_get_strings(file, key, &texts, &count));
    weft_status status;
    if (count == 0) status = weft_fail(WEFT_ERR_FORMAT, "%s: %s is empty", weft_source_path(file), key);
    else if (count > MOST_TOKENS)
        status = weft_fail(WEFT_ERR_LIMIT, "%s: %s has %zu elements", weft_source_path(file), key, count);
    else status = weft_fail_in(weft_vocabulary_load(t, texts, count), "%s", weft_source_path(file));
    weft_free(texts);
    return status;
}

static weft_status load_types(struct weft_tokenizer *t, const struct weft_source *file) {
    static const char key[] = "tokenizer.ggml.token_type";
    if (!weft_source_has(file, key)) return WEFT_OK;
    int32_t *types;
    size_t count;
    WEFT_TRY(weft_source_get_i32s(file, key, &types, &count));
    weft_status status = WEFT_OK;
    if (count != (size_t)t->size)
        status = weft_fail(WEFT_ERR_FORMAT, "%s: %s has %zu elements for %d tokens", weft_source_path(file), key, count,
                           t->size);
    for (size_t i = 0; i < count && status == WEFT_OK; i++) {
        if (types[i] < 0 || types[i] > WEFT_TOKEN_BYTE)
            status = weft_fail(WEFT_ERR_FORMAT, "%s: %s: token %zu has the unknown type %d", weft_source_path(file),
                               key, i, types[i]);
        else if (types[i]) t->type[i] = (uint8_t)types[i]; // 0, undefined, counts as normal
    }
    weft_free(types);
    return status;
}

static weft_status check_scores(const struct weft_tokenizer *t, const struct weft_source *file, const float *scores,
                                size_t count) {
    if (count != (size_t)t->size)
        return weft_fail(WEFT_ERR_FORMAT, "%s: tokenizer.ggml.scores has %zu elements for %d tokens",
                         weft_source_path(file), count, t->size);
    for (size_t i = 0; i < count; i++) {
        if (scores[i] != scores[i])
            return weft_fail(WEFT_ERR_FORMAT, "%s: tokenizer.ggml.scores: the score of token %zu is NaN",
                             weft_source_path(file), i);
    }
    return WEFT_OK;
}

static weft_status load_scores(struct weft_tokenizer *t, const struct weft_source *file) {
    float *scores;
    size_t count;
    WEFT_TRY(weft_source_get_f32s(file, "tokenizer.ggml.scores", &scores, &count));
    weft_status status = check_scores(t, file, scores, count);
    if (status == WEFT_OK) {
        t->score = weft_alloc(count * sizeof *t->score);
        if (!t->score) status = weft_fail(WEFT_ERR_NOMEM, "out of memory for %zu scores", count);
        for (size_t i = 0; t->score && i < count; i++) t->score[i] = scores[i];
    }
    weft_free(scores);
    return status;
}

static weft_status check_bytes(const struct weft_tokenizer *t, const struct weft_source *file) {
    for (int32_t id = 0; id < t->size; id++) {
        if (t->type[id] == WEFT_TOKEN_BYTE && weft_vocabulary_byte_of(t, id) < 0)
            return weft_fail(WEFT_ERR_FORMAT, "%s: token %d is a byte token, but its text is not like <0x41>",
                             weft_source_path(file), id);
    }
    return WEFT_OK;
}

/// An id by key; -1 if the key is absent.
static weft_status load_id(const struct weft_tokenizer *t, const struct weft_source *file, const char *key,
                           int32_t *out) {
    uint32_t id;
    *out = -1;
    if (!weft_source_has(file, key)) return WEFT_OK;
    WEFT_TRY(weft_source_get_u32(file, key, &id));
    if (id >= (uint32_t)t->size)
        return weft_fail(WEFT_ERR_FORMAT, "%s: %s is %u, but the vocabulary has %d tokens", weft_source_path(file), key,
                         id, t->size);
    *out = (int32_t)id;
    return WEFT_OK;
}

/// Some files list every token that ends a text.
static weft_status load_stop_list(struct weft_tokenizer *t, const struct weft_source *file, size_t *cap) {
    static const char key[] = "tokenizer.ggml.eos_token_ids";
    int32_t *ids;
    size_t n;
    if (!weft_source_has(file, key)) return WEFT_OK;
    WEFT_TRY(weft_source_get_i32s(file, key, &ids, &n));
    weft_status status = WEFT_OK;
    for (size_t i = 0; status == WEFT_OK && i < n; i++)
        status = ids[i] >= 0 && ids[i] < t->size
                     ? weft_vocabulary_add_stop(t, cap, ids[i])
                     : weft_fail(WEFT_ERR_FORMAT, "%s: %s has %d, but the vocabulary has %d tokens",
                                 weft_source_path(file), key, ids[i], t->size);
    weft_free(ids);
    return status;
}

static weft_status load_stops(struct weft_tokenizer *t, const struct weft_source *file) {
    static const char *const keys[] = {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
    size_t cap = 0;
    WEFT_TRY(weft_vocabulary_add_stop(t, &cap, t->eos));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int32_t id;
        WEFT_TRY(load_id(t, file, keys[i], &id));
        WEFT_TRY(weft_vocabulary_add_stop(t, &cap, id));
    }
    WEFT_TRY(load_stop_list(t, file, &cap));
    return weft_vocabulary_add_marks(t, &cap);
}

// ---- kinds ---------------------------------------------------------------------------------------------------------

/// Each space becomes a mark, and one stands in front where the file asks for it.
static weft_status add_space_steps(struct weft_tokenizer *t, const struct weft_source *file, const struct kind *kind) {
    bool prefix;
    WEFT_TRY(weft_source_bool_or(file, "tokenizer.ggml.add_space_prefix", kind->adds_space, &prefix));
    WEFT_TRY(weft_steps_add_text(&t->steps, WEFT_STEP_REPLACE, 0, " ", WEFT_SPACE_MARK));
    return prefix ? weft_steps_add_text(&t->steps, WEFT_STEP_PREPEND, 0, NULL, WEFT_SPACE_MARK) : WEFT_OK;
}

static weft_status setup_scores(struct weft_tokenizer *t, const struct weft_source *file, const struct kind *kind) {
    WEFT_TRY(load_scores(t, file));
    for (int b = 0; b < 256 && t->unknown < 0; b++) {
        if (t->bytes[b] < 0)
            return weft_fail(WEFT_ERR_FORMAT,
                             "%s: the vocabulary has neither a token for byte 0x%02X nor an unknown token",
                             weft_source_path(file), (unsigned)b);
    }
    return add_space_steps(t, file, kind);
}

/// A merge is two texts with a space between.
static weft_status load_merges(struct weft_tokenizer *t, const struct weft_source *file) {
    static const char key[] = "tokenizer.ggml.merges";
    struct weft_source_str *texts;
    size_t count;
    WEFT_TRY(weft_source_get_strings(file, key, &texts, &count));
    weft_status status =
        count < UINT32_MAX / 4 ? weft_merges_create(&t->merges, count) : weft_fail(WEFT_ERR_LIMIT, "%zu merges", count);
    for (size_t i = 0; status == WEFT_OK && i < count; i++) {
        struct weft_source_str left = texts[i], right;
        const char *space = left.len > 1 ? memchr(left.data + 1, ' ', left.len - 1) : NULL;
        if (space) {
            left.len = (size_t)(space - left.data);
            right = (struct weft_source_str){space + 1, texts[i].len - left.len - 1};
            status = weft_merges_add(t, i, left, right);
        } else {
            status = weft_fail(WEFT_ERR_FORMAT, "element %zu is not two texts with a space between", i);
        }
    }
    weft_free(texts);
    return weft_fail_in(status, "%s: %s", weft_source_path(file), key);
}

static weft_status find_pre(const struct weft_source *file, const struct weft_pre **out) {
    struct weft_source_str name = {"default", 7};
    if (weft_source_has(file, "tokenizer.ggml.pre"))
        WEFT_TRY(weft_source_get_string(file, "tokenizer.ggml.pre", &name));
    *out = weft_pre_find(name.data, name.len);
    if (*out) return WEFT_OK;
    return weft_fail(WEFT_ERR_UNSUPPORTED,
                     "%s: tokenizer.ggml.pre is '%.*s', a way to split words that Weft does not know",
                     weft_source_path(file), (int)(name.len < 40 ? name.len : 40), name.data);
}

static weft_status setup_bytes(struct weft_tokenizer *t, const struct weft_source *file, const struct kind *kind) {
    const struct weft_pre *pre;
    bool prefix;
    (void)kind;
    WEFT_TRY(find_pre(file, &pre));
    for (size_t i = 0; pre->patterns[i]; i++)
        WEFT_TRY(weft_cuts_add(&t->cuts, pre->patterns[i], strlen(pre->patterns[i]), WEFT_CUT_ISOLATED, false));
    WEFT_TRY(weft_source_bool_or(file, "tokenizer.ggml.add_space_prefix", false, &prefix));
    if (prefix) WEFT_TRY(weft_steps_add_text(&t->steps, WEFT_STEP_PREPEND_UNLESS, 0, NULL, " "));
    t->byte_level = true;
    t->ignores_merges = pre->ignores_merges;
    weft_vocabulary_spell_bytes(t);
    return load_merges(t, file);
}

/// Merges by rank of characters, and bytes for characters that are no tokens.
static weft_status setup_ranks(struct weft_tokenizer *t, const struct weft_source *file, const struct kind *kind) {
    WEFT_TRY(add_space_steps(t, file, kind));
    return load_merges(t, file);
}

/// Where the file does not say otherwise, letters lose their case and accents.
static weft_status setup_words(struct weft_tokenizer *t, const struct weft_source *file, const struct kind *kind) {
    static const char blanks[] = "\\s+", marks[] = "[\\p{P}$+<=>^`|~]";
    bool lower, strip;
    (void)kind;
    WEFT_TRY(weft_source_bool_or(file, "tokenizer.ggml.normalizer.lowercase", true, &lower));
    WEFT_TRY(weft_source_bool_or(file, "tokenizer.ggml.normalizer.strip_accents", lower, &strip));
    WEFT_TRY(weft_steps_add_bert(&t->steps, true, true, strip, lower));
    WEFT_TRY(weft_cuts_add(&t->cuts, blanks, sizeof blanks - 1, WEFT_CUT_REMOVED, false));
    WEFT_TRY(weft_cuts_add(&t->cuts, marks, sizeof marks - 1, WEFT_CUT_ISOLATED, false));
    t->mark_first = WEFT_SPACE_MARK;
    t->mark_rest = "";
    t->longest_word = 100; // files do not say; the models' own tokenizers have this
    if (t->bos < 0) WEFT_TRY(load_id(t, file, "tokenizer.ggml.cls_token_id", &t->bos));
    return WEFT_OK;
}

static weft_status load_charsmap(struct weft_tokenizer *t, const struct weft_source *file) {
    static const char key[] = "tokenizer.ggml.precompiled_charsmap";
    int32_t *numbers;
    size_t count;
    if (!weft_source_has(file, key)) return WEFT_OK;
    WEFT_TRY(weft_source_get_i32s(file, key, &numbers, &count));
    weft_status status = WEFT_OK;
    uint8_t *bytes = weft_alloc(count);
    if (!bytes) status = weft_fail(WEFT_ERR_NOMEM, "out of memory for a mapping of %zu bytes", count);
    for (size_t i = 0; status == WEFT_OK && i < count; i++) {
        if (numbers[i] < -128 || numbers[i] > 255) status = weft_fail(WEFT_ERR_FORMAT, "element %zu is no byte", i);
        bytes[i] = (uint8_t)numbers[i];
    }
    if (status == WEFT_OK && count) status = weft_charsmap_load(&t->charsmap, "the mapping", bytes, count);
    weft_free(bytes);
    weft_free(numbers);
    WEFT_TRY(weft_fail_in(status, "%s: %s", weft_source_path(file), key));
    return count ? weft_steps_add(&t->steps, (struct weft_step){.kind = WEFT_STEP_CHARSMAP}) : WEFT_OK;
}

static weft_status setup_unigram(struct weft_tokenizer *t, const struct weft_source *file, const struct kind *kind) {
    bool squeeze;
    WEFT_TRY(load_scores(t, file));
    WEFT_TRY(load_charsmap(t, file));
    WEFT_TRY(weft_source_bool_or(file, "tokenizer.ggml.remove_extra_whitespaces", false, &squeeze));
    if (squeeze) WEFT_TRY(weft_steps_add(&t->steps, (struct weft_step){.kind = WEFT_STEP_SQUEEZE}));
    t->pieces_bytes = true;
    return add_space_steps(t, file, kind);
}

static const struct kind kinds[] = {
    {"llama", &weft_model_scores, WEFT_TEXT_SPACES, true, false, true, false, false, setup_scores},
    {"gpt2", &weft_model_ranks, WEFT_TEXT_BYTES, false, false, false, false, false, setup_bytes},
    {"bert", &weft_model_wordpiece, WEFT_TEXT_PIECES, true, false, false, false, true, setup_words},
    {"t5", &weft_model_unigram, WEFT_TEXT_SPACES, false, true, true, true, false, setup_unigram},
    {"gemma4", &weft_model_ranks, WEFT_TEXT_SPACES, true, false, false, false, false, setup_ranks},
};

static weft_status find_kind(const struct weft_source *file, const struct kind **out) {
    struct weft_source_str name;
    struct weft_str known = {0};
    WEFT_TRY(weft_source_get_string(file, "tokenizer.ggml.model", &name));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        *out = &kinds[i];
        if (name.len == strlen(kinds[i].name) && memcmp(name.data, kinds[i].name, name.len) == 0) return WEFT_OK;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        weft_str_addf(&known, "%s'%s'", i ? ", " : "", kinds[i].name);
    weft_status status =
        weft_fail(WEFT_ERR_UNSUPPORTED, "%s: tokenizer.ggml.model is '%.*s'; Weft has %s", weft_source_path(file),
                  (int)(name.len < 40 ? name.len : 40), name.data, weft_str_get(&known));
    weft_str_free(&known);
    return status;
}

/// What stands around a text: BOS in front, and behind it EOS or the separator, as far as the file asks for them.
static weft_status load_ends(struct weft_tokenizer *t, const struct weft_source *file, const struct kind *kind) {
    const struct weft_pre *pre = NULL;
    bool bos = kind->adds_bos, eos = kind->adds_eos, sep = false;
    int32_t separator, other;
    if (t->byte_level) WEFT_TRY(find_pre(file, &pre));
    if (pre) bos = bos || pre->adds_bos, sep = pre->adds_ends;
    sep = sep || t->model == &weft_model_wordpiece;
    WEFT_TRY(weft_source_bool_or(file, "tokenizer.ggml.add_bos_token", bos, &bos));
    WEFT_TRY(weft_source_bool_or(file, "tokenizer.ggml.add_eos_token", eos, &eos));
    WEFT_TRY(weft_source_bool_or(file, "tokenizer.ggml.add_sep_token", sep, &sep));
    WEFT_TRY(load_id(t, file, "tokenizer.ggml.separator_token_id", &other));
    WEFT_TRY(load_id(t, file, "tokenizer.ggml.seperator_token_id", &separator)); // as files have it
    if (separator < 0) separator = other;
    if (sep && separator < 0)
        return weft_fail(WEFT_ERR_FORMAT,
                         "%s: tokenizer.ggml.add_sep_token is true, but there is no seperator_token_id",
                         weft_source_path(file));
    if (bos && t->bos >= 0) t->lead[t->n_lead++] = t->bos;
    if (sep && separator >= 0) t->tail[t->n_tail++] = separator;
    else if (eos && t->eos >= 0) t->tail[t->n_tail++] = t->eos;
    return WEFT_OK;
}

static weft_status refuse_flag(const struct weft_source *file, const char *key) {
    bool flag;
    WEFT_TRY(weft_source_bool_or(file, key, false, &flag));
    return !flag ? WEFT_OK
                 : weft_fail(WEFT_ERR_UNSUPPORTED,
                             "%s: key %s is true; Weft takes it with another tokenizer.ggml.model only",
                             weft_source_path(file), key);
}

/// What a kind does not know is refused where it would change ids.
static weft_status refuse_keys(const struct weft_source *file, const struct kind *kind) {
    static const char map[] = "tokenizer.ggml.precompiled_charsmap";
    if (!kind->maps) WEFT_TRY(refuse_flag(file, "tokenizer.ggml.remove_extra_whitespaces"));
    if (!kind->maps && weft_source_has(file, map))
        return weft_fail(WEFT_ERR_UNSUPPORTED,
                         "%s: key %s is there; Weft takes it with another tokenizer.ggml.model only",
                         weft_source_path(file), map);
    if (kind->cleans) return WEFT_OK;
    WEFT_TRY(refuse_flag(file, "tokenizer.ggml.normalizer.lowercase"));
    return refuse_flag(file, "tokenizer.ggml.normalizer.strip_accents");
}

static weft_status load(struct weft_tokenizer *t, const struct weft_source *file) {
    const struct kind *kind;
    WEFT_TRY(find_kind(file, &kind));
    WEFT_TRY(refuse_keys(file, kind));
    t->kind = kind->name;
    t->model = kind->model;
    t->text_rule = kind->text_rule;
    WEFT_TRY(load_vocabulary(t, file));
    WEFT_TRY(load_types(t, file));
    weft_vocabulary_find_bytes(t, weft_source_has(file, "tokenizer.ggml.token_type"));
    WEFT_TRY(check_bytes(t, file));
    WEFT_TRY(load_id(t, file, "tokenizer.ggml.bos_token_id", &t->bos));
    WEFT_TRY(load_id(t, file, "tokenizer.ggml.eos_token_id", &t->eos));
    WEFT_TRY(load_id(t, file, "tokenizer.ggml.unknown_token_id", &t->unknown));
    WEFT_TRY(load_stops(t, file));
    WEFT_TRY(kind->setup(t, file, kind));
    WEFT_TRY(load_ends(t, file, kind));
    return weft_fail_in(weft_tokenizer_finish(t), "%s", weft_source_path(file));
}

weft_status weft_tokenizer_take_ids(struct weft_tokenizer *t, const struct weft_source *file) {
    int32_t bos, eos;
    size_t cap = t->n_stops;
    WEFT_TRY(load_id(t, file, "tokenizer.ggml.bos_token_id", &bos));
    WEFT_TRY(load_id(t, file, "tokenizer.ggml.eos_token_id", &eos));
    if (t->bos < 0) t->bos = bos;
    if (eos >= 0) t->eos = eos;
    WEFT_TRY(weft_vocabulary_add_stop(t, &cap, t->eos));
    return load_stop_list(t, file, &cap);
}

weft_status weft_tokenizer_create_keys(const struct weft_source *file, struct weft_tokenizer **out) {
    *out = NULL;
    struct weft_tokenizer *t = weft_tokenizer_new();
    if (!t) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a tokenizer");
    weft_status status = load(t, file);
    if (status == WEFT_OK) *out = t;
    else weft_tokenizer_destroy(t);
    return status;
}
