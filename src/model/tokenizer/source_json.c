/// Tokenizers from a tokenizer.json, as Hugging Face's library writes them. What such a file asks for is either done or
/// refused by name; its truncation and padding, which are the caller's business, are left aside.
#include "model/tokenizer/source_json.h"

#include "core/alloc.h"
#include "core/error.h"

#include <string.h>

weft_status weft_tj_only(const struct weft_json_value *v, const char *what, const char *known) {
    for (size_t i = 0; v->type == WEFT_JSON_MAP && i < v->n; i++) {
        const struct weft_json_text key = v->keys[i];
        bool found = false;
        for (const char *word = known; *word && !found;) {
            size_t len = strcspn(word, " ");
            found = len == key.len && memcmp(word, key.text, len) == 0;
            word += len + (word[len] == ' ');
        }
        if (!found)
            return weft_fail(WEFT_ERR_UNSUPPORTED, "%s has '%.*s', which Weft does not know", what,
                             (int)(key.len < 60 ? key.len : 60), key.text);
    }
    return WEFT_OK;
}

bool weft_tj_has(const struct weft_json_value *v, const char *key) {
    const struct weft_json_value *m = weft_json_find(v, key);
    return m && m->type != WEFT_JSON_NULL;
}

weft_status weft_tj_flag(const struct weft_json_value *v, const char *key, bool fallback, bool *out) {
    const struct weft_json_value *m = weft_json_find(v, key);
    *out = fallback;
    if (!m || m->type == WEFT_JSON_NULL) return WEFT_OK;
    if (m->type != WEFT_JSON_BOOL) return weft_fail(WEFT_ERR_FORMAT, "'%s' is neither true nor false", key);
    *out = m->b;
    return WEFT_OK;
}

weft_status weft_tj_number(const struct weft_json_value *v, const char *key, int64_t most, int64_t fallback,
                           int64_t *out) {
    const struct weft_json_value *m = weft_json_find(v, key);
    *out = fallback;
    if (!m || m->type == WEFT_JSON_NULL) return WEFT_OK;
    if (m->type != WEFT_JSON_INT || m->i < 0 || m->i > most)
        return weft_fail(WEFT_ERR_FORMAT, "'%s' is no whole number from 0 to %lld", key, (long long)most);
    *out = m->i;
    return WEFT_OK;
}

weft_status weft_tj_refuse(const char *what, const struct weft_json_value *type) {
    if (!type || type->type != WEFT_JSON_STRING) return weft_fail(WEFT_ERR_FORMAT, "a %s has no 'type'", what);
    return weft_fail(WEFT_ERR_UNSUPPORTED, "the %s '%.*s' is none that Weft knows", what,
                     (int)(type->s.len < 60 ? type->s.len : 60), type->s.text);
}

weft_status weft_tj_each(struct weft_tokenizer_json *j, const struct weft_json_value *v, const char *list,
                         weft_status (*visit)(struct weft_tokenizer_json *j, const struct weft_json_value *v)) {
    if (!v || v->type == WEFT_JSON_NULL) return WEFT_OK;
    if (!weft_json_is(weft_json_find(v, "type"), "Sequence")) return visit(j, v);
    const struct weft_json_value *parts = weft_json_find(v, list);
    if (!parts || parts->type != WEFT_JSON_LIST) return weft_fail(WEFT_ERR_FORMAT, "a Sequence has no '%s'", list);
    // Sequences nest no deeper than JSON does.
    for (size_t i = 0; i < parts->n; i++) WEFT_TRY(weft_tj_each(j, &parts->items[i], list, visit));
    return WEFT_OK;
}

// ---- what stands around a text
// -----------------------------------------------------------------------------------------

static weft_status add_end(struct weft_tokenizer_json *j, bool behind, const struct weft_json_value *id) {
    struct weft_tokenizer *t = j->t;
    unsigned *n = behind ? &t->n_tail : &t->n_lead;
    if (!id || id->type != WEFT_JSON_INT || id->i < 0 || id->i >= t->size)
        return weft_fail(WEFT_ERR_FORMAT, "the post-processor has an id that is none of the %d tokens", t->size);
    if (*n == sizeof t->lead / sizeof *t->lead)
        return weft_fail(WEFT_ERR_UNSUPPORTED, "the post-processor puts more than %u tokens around a text", *n);
    (behind ? t->tail : t->lead)[(*n)++] = (int32_t)id->i;
    return WEFT_OK;
}

/// The ids that a template's special token stands for.
static weft_status add_template_token(struct weft_tokenizer_json *j, const struct weft_json_value *v, bool behind,
                                      const struct weft_json_value *token) {
    const struct weft_json_value *name = weft_json_find(token, "id"), *all = weft_json_find(v, "special_tokens");
    bool named = name && name->type == WEFT_JSON_STRING && all && all->type == WEFT_JSON_MAP;
    for (size_t i = 0; named && i < all->n; i++) {
        const struct weft_json_value *ids = weft_json_find(&all->items[i], "ids");
        if (!ids || all->keys[i].len != name->s.len || memcmp(all->keys[i].text, name->s.text, name->s.len) != 0)
            continue;
        for (size_t k = 0; k < ids->n; k++) WEFT_TRY(add_end(j, behind, &ids->items[k]));
        return WEFT_OK;
    }
    return weft_fail(WEFT_ERR_FORMAT, "the template has a special token without ids");
}

static weft_status add_template(struct weft_tokenizer_json *j, const struct weft_json_value *v) {
    const struct weft_json_value *single = weft_json_find(v, "single");
    bool behind = false;
    WEFT_TRY(weft_tj_only(v, "TemplateProcessing", "type single pair special_tokens"));
    if (!single || single->type != WEFT_JSON_LIST)
        return weft_fail(WEFT_ERR_FORMAT, "TemplateProcessing has no 'single'");
    for (size_t i = 0; i < single->n; i++) {
        const struct weft_json_value *m = &single->items[i], *token = weft_json_find(m, "SpecialToken");
        if (token) {
            WEFT_TRY(add_template_token(j, v, behind, token));
            continue;
        }
        if (!weft_json_find(m, "Sequence") || behind)
            return weft_fail(WEFT_ERR_UNSUPPORTED,
                             "the template for one text has not just the text and special tokens");
        behind = true;
    }
    return behind ? WEFT_OK : weft_fail(WEFT_ERR_UNSUPPORTED, "the template for one text has no text");
}

/// [text, id]
static weft_status add_pair(struct weft_tokenizer_json *j, const struct weft_json_value *v, const char *key,
                            bool behind) {
    const struct weft_json_value *pair = weft_json_find(v, key);
    return add_end(j, behind, pair && pair->n > 1 ? &pair->items[1] : NULL);
}

static weft_status add_processor(struct weft_tokenizer_json *j, const struct weft_json_value *v) {
    const struct weft_json_value *type = weft_json_find(v, "type");
    if (weft_json_is(type, "ByteLevel")) return WEFT_OK; // it moves offsets only
    if (weft_json_is(type, "TemplateProcessing")) return add_template(j, v);
    if (!weft_json_is(type, "BertProcessing") && !weft_json_is(type, "RobertaProcessing"))
        return weft_tj_refuse("post-processor", type);
    WEFT_TRY(add_pair(j, v, "cls", false));
    return add_pair(j, v, "sep", true);
}

// ---- back to text
// ----------------------------------------------------------------------------------------------------

static weft_status add_decoder(struct weft_tokenizer_json *j, const struct weft_json_value *v) {
    const struct weft_json_value *type = weft_json_find(v, "type");
    // Bytes are always joined to characters, and a space in front of all is left to those who print.
    static const char *const silent[] = {"ByteFallback", "Fuse", "Strip"};
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++)
        if (weft_json_is(type, silent[i])) return WEFT_OK;
    if (weft_json_is(type, "ByteLevel")) return j->t->text_rule = WEFT_TEXT_BYTES, WEFT_OK;
    if (weft_json_is(type, "Metaspace")) return j->t->text_rule = WEFT_TEXT_SPACES, WEFT_OK;
    if (weft_json_is(type, "WordPiece")) return j->t->text_rule = WEFT_TEXT_PIECES, WEFT_OK;
    bool marks = weft_json_is(type, "Replace") &&
                 weft_json_is(weft_json_find(weft_json_find(v, "pattern"), "String"), WEFT_SPACE_MARK) &&
                 weft_json_is(weft_json_find(v, "content"), " ");
    if (marks) return j->t->text_rule = WEFT_TEXT_SPACES, WEFT_OK;
    return weft_tj_refuse("decoder", type);
}

// ---- all of it
// -------------------------------------------------------------------------------------------------------

/// A token that is looked for in rewritten text must be one that rewriting leaves alone.
static weft_status check_late(const struct weft_tokenizer *t) {
    for (int32_t id = 0; t->flags && id < t->size; id++) {
        struct weft_source_str text = weft_tokenizer_text(t, id);
        struct weft_str again = {0};
        if (!(t->flags[id] & WEFT_SPECIAL_LATE)) continue;
        WEFT_TRY(weft_steps_run(t, text.data, text.len, false, &again));
        bool same = !t->steps.count || (again.len == text.len && memcmp(again.data, text.data, text.len) == 0);
        weft_str_free(&again);
        if (!same)
            return weft_fail(WEFT_ERR_UNSUPPORTED,
                             "the added token '%.*s' is looked for in normalized text, which would change it",
                             (int)(text.len < 60 ? text.len : 60), text.data);
    }
    return WEFT_OK;
}

static weft_status load(struct weft_tokenizer_json *j) {
    struct weft_tokenizer *t = j->t;
    size_t cap = 0;
    if (j->root.type != WEFT_JSON_MAP) return weft_fail(WEFT_ERR_FORMAT, "it is no object");
    WEFT_TRY(
        weft_tj_only(&j->root, "the file",
                     "version truncation padding added_tokens normalizer pre_tokenizer post_processor decoder model"));
    t->leftmost = true;
    WEFT_TRY(weft_tj_vocabulary(j));
    WEFT_TRY(weft_tj_each(j, weft_json_find(&j->root, "normalizer"), "normalizers", weft_tj_normalizer));
    WEFT_TRY(check_late(t));
    WEFT_TRY(weft_tj_each(j, weft_json_find(&j->root, "pre_tokenizer"), "pretokenizers", weft_tj_pre_tokenizer));
    if (t->byte_level) t->text_rule = WEFT_TEXT_BYTES;
    WEFT_TRY(weft_tj_each(j, weft_json_find(&j->root, "decoder"), "decoders", add_decoder));
    WEFT_TRY(weft_tj_each(j, weft_json_find(&j->root, "post_processor"), "processors", add_processor));
    if (t->n_lead) t->bos = t->lead[0];
    if (t->n_tail) t->eos = t->tail[t->n_tail - 1];
    if (t->byte_level) weft_vocabulary_spell_bytes(t);
    if ((t->text_rule == WEFT_TEXT_PIECES) != (t->model == &weft_model_wordpiece))
        return weft_fail(WEFT_ERR_UNSUPPORTED, "WordPiece is asked for as decoder or as model alone");
    WEFT_TRY(weft_vocabulary_add_stop(t, &cap, t->eos));
    WEFT_TRY(weft_vocabulary_add_marks(t, &cap));
    return weft_tokenizer_finish(t);
}

weft_status weft_tokenizer_create_json(const char *name, const char *text, size_t len, size_t least,
                                       struct weft_tokenizer **out) {
    *out = NULL;
    struct weft_arena arena = {0};
    struct weft_tokenizer_json j = {.t = weft_tokenizer_new(), .least = least};
    weft_status status = j.t ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory for a tokenizer");
    if (status == WEFT_OK) status = weft_json_read(text, len, "JSON", &arena, &j.root);
    if (status == WEFT_OK) status = load(&j);
    weft_arena_free(&arena);
    if (status == WEFT_OK) *out = j.t;
    else weft_tokenizer_destroy(j.t);
    return weft_fail_in(status, "%s", name);
}
