/// Of a tokenizer.json: normalizers as steps, pre-tokenizers as cuts.
#include "model/tokenizer/source_json.h"

#include "core/alloc.h"
#include "core/error.h"

#include <string.h>

enum { LONGEST_WITH = 64 }; // bytes that one match may become

static weft_status copy_text(const struct weft_json_value *v, const char *what, char **out, size_t *len) {
    if (!v || v->type != WEFT_JSON_STRING) return weft_fail(WEFT_ERR_FORMAT, "%s has no text", what);
    if (v->s.len > LONGEST_WITH)
        return weft_fail(WEFT_ERR_LIMIT, "%s has a text of %zu bytes; the most is %d", what, v->s.len, LONGEST_WITH);
    *len = v->s.len;
    *out = weft_strndup(v->s.text, v->s.len);
    if (!*out) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a normalizer");
    return memchr(v->s.text, 0, v->s.len) ? weft_fail(WEFT_ERR_UNSUPPORTED, "%s has a zero byte", what) : WEFT_OK;
}

static weft_status add_step(struct weft_tokenizer_json *j, enum weft_step_kind kind, unsigned value) {
    return weft_steps_add(&j->t->steps, (struct weft_step){.kind = kind, .value = value});
}

static weft_status fill_replace(const struct weft_json_value *v, struct weft_step *s) {
    const struct weft_json_value *pattern = weft_json_find(v, "pattern");
    const struct weft_json_value *text = weft_json_find(pattern, "String"), *regex = weft_json_find(pattern, "Regex");
    WEFT_TRY(weft_tj_only(v, "Replace", "type pattern content"));
    WEFT_TRY(copy_text(weft_json_find(v, "content"), "Replace", &s->with, &s->with_len));
    if (regex && regex->type == WEFT_JSON_STRING) return weft_pattern_create(regex->s.text, regex->s.len, &s->pattern);
    return copy_text(text, "Replace", &s->text, &s->text_len);
}

static weft_status add_replace(struct weft_tokenizer_json *j, const struct weft_json_value *v) {
    struct weft_step s = {.kind = WEFT_STEP_REPLACE};
    weft_status status = fill_replace(v, &s);
    if (status == WEFT_OK) return weft_steps_add(&j->t->steps, s);
    weft_free(s.text);
    weft_free(s.with);
    weft_pattern_destroy(s.pattern);
    return status;
}

static weft_status add_prepend(struct weft_tokenizer_json *j, const struct weft_json_value *v) {
    struct weft_step s = {.kind = WEFT_STEP_PREPEND};
    WEFT_TRY(weft_tj_only(v, "Prepend", "type prepend"));
    weft_status status = copy_text(weft_json_find(v, "prepend"), "Prepend", &s.with, &s.with_len);
    if (status == WEFT_OK) return weft_steps_add(&j->t->steps, s);
    weft_free(s.with);
    return status;
}

static weft_status add_strip(struct weft_tokenizer_json *j, const struct weft_json_value *v) {
    bool left, right;
    WEFT_TRY(weft_tj_only(v, "Strip", "type strip_left strip_right"));
    WEFT_TRY(weft_tj_flag(v, "strip_left", true, &left));
    WEFT_TRY(weft_tj_flag(v, "strip_right", true, &right));
    return add_step(j, WEFT_STEP_STRIP, (unsigned)left | (unsigned)right << 1);
}

static weft_status add_bert(struct weft_tokenizer_json *j, const struct weft_json_value *v) {
    bool clean, cjk, strip, lower;
    WEFT_TRY(weft_tj_only(v, "BertNormalizer", "type clean_text handle_chinese_chars strip_accents lowercase"));
    WEFT_TRY(weft_tj_flag(v, "clean_text", true, &clean));
    WEFT_TRY(weft_tj_flag(v, "handle_chinese_chars", true, &cjk));
    WEFT_TRY(weft_tj_flag(v, "lowercase", true, &lower));
    WEFT_TRY(weft_tj_flag(v, "strip_accents", lower, &strip)); // null: as the case
    return weft_steps_add_bert(&j->t->steps, clean, cjk, strip, lower);
}

static int base64_digit(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static weft_status add_charsmap(struct weft_tokenizer_json *j, const struct weft_json_value *v) {
    const struct weft_json_value *text = weft_json_find(v, "precompiled_charsmap");
    WEFT_TRY(weft_tj_only(v, "Precompiled", "type precompiled_charsmap"));
    if (!text || text->type != WEFT_JSON_STRING) return weft_fail(WEFT_ERR_FORMAT, "Precompiled has no mapping");
    if (text->s.len == 0) return WEFT_OK;
    if (j->t->charsmap.units) return weft_fail(WEFT_ERR_UNSUPPORTED, "there is more than one Precompiled");
    uint8_t *bytes = weft_alloc(text->s.len);
    size_t n = 0;
    uint32_t held = 0;
    weft_status status = bytes ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory for a mapping");
    for (size_t i = 0; status == WEFT_OK && i < text->s.len && text->s.text[i] != '='; i++) {
        int digit = base64_digit(text->s.text[i]);
        if (digit < 0) status = weft_fail(WEFT_ERR_FORMAT, "the mapping of Precompiled is not base64 at byte %zu", i);
        held = held << 6 | (uint32_t)(digit & 63);
        if (i % 4) bytes[n++] = (uint8_t)(held >> (6 - 2 * (i % 4)));
    }
    if (status == WEFT_OK) status = weft_charsmap_load(&j->t->charsmap, "the mapping of Precompiled", bytes, n);
    weft_free(bytes);
    return status == WEFT_OK ? add_step(j, WEFT_STEP_CHARSMAP, 0) : status;
}

weft_status weft_tj_normalizer(struct weft_tokenizer_json *j, const struct weft_json_value *v) {
    static const struct {
        const char *name;
        enum weft_step_kind kind;
        unsigned value;
    } simple[] = {{"NFC", WEFT_STEP_FORM, WEFT_NFC},   {"NFD", WEFT_STEP_FORM, WEFT_NFD},
                  {"NFKC", WEFT_STEP_FORM, WEFT_NFKC}, {"NFKD", WEFT_STEP_FORM, WEFT_NFKD},
                  {"Lowercase", WEFT_STEP_LOWER, 0},   {"StripAccents", WEFT_STEP_STRIP_ACCENTS, 1}};
    static const struct {
        const char *name;
        weft_status (*add)(struct weft_tokenizer_json *j, const struct weft_json_value *v);
    } others[] = {{"Replace", add_replace},
                  {"Prepend", add_prepend},
                  {"Strip", add_strip},
                  {"BertNormalizer", add_bert},
                  {"Precompiled", add_charsmap}};
    const struct weft_json_value *type = weft_json_find(v, "type");
    for (size_t i = 0; i < sizeof simple / sizeof *simple; i++)
        if (weft_json_is(type, simple[i].name)) return add_step(j, simple[i].kind, simple[i].value);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (weft_json_is(type, others[i].name)) return others[i].add(j, v);
    return weft_tj_refuse("normalizer", type);
}

// ---- pre-tokenizers
// ----------------------------------------------------------------------------------------------------

static weft_status add_cut(struct weft_tokenizer_json *j, const char *pattern, enum weft_cut_rule rule) {
    if (j->t->word_prefix)
        return weft_fail(WEFT_ERR_UNSUPPORTED, "a pre-tokenizer cuts words that another put a space in front of");
    return weft_cuts_add(&j->t->cuts, pattern, strlen(pattern), rule, false);
}

/// A prefix of the section where no words were cut yet, else of each word.
static weft_status add_prefix(struct weft_tokenizer_json *j, const char *prefix, bool first) {
    if (j->t->cuts.count == 0) return weft_steps_add_text(&j->t->steps, WEFT_STEP_PREPEND_UNLESS, first, NULL, prefix);
    if (first) return weft_fail(WEFT_ERR_UNSUPPORTED, "Metaspace puts a space in front of the first of several words");
    j->t->word_prefix = prefix;
    return WEFT_OK;
}

static weft_status rule_of(const struct weft_json_value *v, enum weft_cut_rule fallback, enum weft_cut_rule *out) {
    static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    const struct weft_json_value *name = weft_json_find(v, "behavior");
    *out = fallback;
    if (!name) return WEFT_OK;
    for (int i = 0; i < 5; i++)
        if (weft_json_is(name, names[i])) return *out = (enum weft_cut_rule)i, WEFT_OK;
    return weft_tj_refuse("behavior", name);
}

static weft_status add_byte_level(struct weft_tokenizer_json *j, const struct weft_json_value *v) {
    bool prefix, regex;
    WEFT_TRY(weft_tj_only(v, "ByteLevel", "type add_prefix_space trim_offsets use_regex"));
    WEFT_TRY(weft_tj_flag(v, "add_prefix_space", true, &prefix));
    WEFT_TRY(weft_tj_flag(v, "use_regex", true, &regex));
    if (j->t->model != &weft_model_ranks)
        return weft_fail(WEFT_ERR_UNSUPPORTED, "ByteLevel stands before a model that is no BPE");
    j->t->byte_level = true;
    if (prefix) WEFT_TRY(add_prefix(j, " ", false));
    return regex ? add_cut(j, weft_pattern_gpt2, WEFT_CUT_ISOLATED) : WEFT_OK;
}

/// Text becomes an expression for itself.
static weft_status add_literal(struct weft_tokenizer_json *j, const struct weft_json_value *text,
                               enum weft_cut_rule rule, bool inverted) {
    struct weft_str pattern = {0};
    for (size_t i = 0; i < text->s.len; i++) {
        unsigned char c = (unsigned char)text->s.text[i];
        bool plain =
            c >= 0x80 || c <= ' ' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        weft_str_addf(&pattern, plain ? "%c" : "\\%c", c);
    }
    weft_status status = pattern.failed
                             ? weft_fail(WEFT_ERR_NOMEM, "out of memory for a pre-tokenizer")
                             : weft_cuts_add(&j->t->cuts, weft_str_get(&pattern), pattern.len, rule, inverted);
    weft_str_free(&pattern);
    return status;
}

static weft_status add_split(struct weft_tokenizer_json *j, const struct weft_json_value *v) {
    const struct weft_json_value *pattern = weft_json_find(v, "pattern");
    const struct weft_json_value *text = weft_json_find(pattern, "String"), *regex = weft_json_find(pattern, "Regex");
    enum weft_cut_rule rule;
    bool inverted;
    WEFT_TRY(weft_tj_only(v, "Split", "type pattern behavior invert"));
    WEFT_TRY(rule_of(v, WEFT_CUT_ISOLATED, &rule));
    WEFT_TRY(weft_tj_flag(v, "invert", false, &inverted));
    if (j->t->word_prefix) return add_cut(j, "", rule); // refuses
    if (regex && regex->type == WEFT_JSON_STRING)
        return weft_cuts_add(&j->t->cuts, regex->s.text, regex->s.len, rule, inverted);
    if (text && text->type == WEFT_JSON_STRING && text->s.len) return add_literal(j, text, rule, inverted);
    return weft_fail(WEFT_ERR_FORMAT, "Split has no pattern");
}

static weft_status add_metaspace(struct weft_tokenizer_json *j, const struct weft_json_value *v) {
    const struct weft_json_value *mark = weft_json_find(v, "replacement"),
                                 *scheme = weft_json_find(v, "prepend_scheme");
    bool legacy, split, cut = j->t->cuts.count > 0;
    WEFT_TRY(weft_tj_only(v, "Metaspace", "type replacement add_prefix_space prepend_scheme split str_rep"));
    WEFT_TRY(weft_tj_flag(v, "add_prefix_space", true, &legacy));
    WEFT_TRY(weft_tj_flag(v, "split", true, &split));
    if (!weft_json_is(mark, WEFT_SPACE_MARK))
        return weft_fail(WEFT_ERR_UNSUPPORTED, "Metaspace writes spaces otherwise than as U+2581");
    bool never = scheme ? weft_json_is(scheme, "never") : !legacy, first = weft_json_is(scheme, "first");
    if (scheme && !never && !first && !weft_json_is(scheme, "always")) return weft_tj_refuse("prepend_scheme", scheme);
    // Behind other cuts only words without spaces are safe to leave as they are.
    if (cut && !j->blanks_gone)
        return weft_fail(WEFT_ERR_UNSUPPORTED, "Metaspace stands behind a pre-tokenizer that leaves spaces");
    if (!cut) WEFT_TRY(weft_steps_add_text(&j->t->steps, WEFT_STEP_REPLACE, 0, " ", WEFT_SPACE_MARK));
    if (split && cut) WEFT_TRY(add_cut(j, WEFT_SPACE_MARK, WEFT_CUT_WITH_NEXT));
    if (!never) WEFT_TRY(add_prefix(j, WEFT_SPACE_MARK, first));
    return split && !cut ? add_cut(j, WEFT_SPACE_MARK, WEFT_CUT_WITH_NEXT) : WEFT_OK;
}

static weft_status add_digits(struct weft_tokenizer_json *j, const struct weft_json_value *v) {
    bool single;
    WEFT_TRY(weft_tj_only(v, "Digits", "type individual_digits"));
    WEFT_TRY(weft_tj_flag(v, "individual_digits", false, &single));
    return add_cut(j, single ? "\\p{N}" : "\\p{N}+", WEFT_CUT_ISOLATED);
}

#define MARKS "[\\p{P}$+<=>^`|~]"

static weft_status add_punctuation(struct weft_tokenizer_json *j, const struct weft_json_value *v) {
    enum weft_cut_rule rule;
    WEFT_TRY(weft_tj_only(v, "Punctuation", "type behavior"));
    WEFT_TRY(rule_of(v, WEFT_CUT_ISOLATED, &rule));
    return add_cut(j, MARKS, rule);
}

static weft_status add_delimiter(struct weft_tokenizer_json *j, const struct weft_json_value *v) {
    const struct weft_json_value *text = weft_json_find(v, "delimiter");
    WEFT_TRY(weft_tj_only(v, "CharDelimiterSplit", "type delimiter"));
    if (j->t->word_prefix) return add_cut(j, "", WEFT_CUT_REMOVED); // refuses
    if (!text || text->type != WEFT_JSON_STRING || !text->s.len)
        return weft_fail(WEFT_ERR_FORMAT, "CharDelimiterSplit has no delimiter");
    return add_literal(j, text, WEFT_CUT_REMOVED, false);
}

weft_status weft_tj_pre_tokenizer(struct weft_tokenizer_json *j, const struct weft_json_value *v) {
    static const struct {
        const char *name;
        weft_status (*add)(struct weft_tokenizer_json *j, const struct weft_json_value *v);
    } kinds[] = {{"ByteLevel", add_byte_level},    {"Split", add_split},
                 {"Metaspace", add_metaspace},     {"Digits", add_digits},
                 {"Punctuation", add_punctuation}, {"CharDelimiterSplit", add_delimiter}};
    const struct weft_json_value *type = weft_json_find(v, "type");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (weft_json_is(type, kinds[i].name)) return kinds[i].add(j, v);
    bool whitespace = weft_json_is(type, "Whitespace"), bert = weft_json_is(type, "BertPreTokenizer");
    if (!whitespace && !bert && !weft_json_is(type, "WhitespaceSplit")) return weft_tj_refuse("pre-tokenizer", type);
    j->blanks_gone = true;
    WEFT_TRY(add_cut(j, "\\s+", WEFT_CUT_REMOVED));
    if (whitespace) WEFT_TRY(add_cut(j, "\\w+", WEFT_CUT_ISOLATED));
    return bert ? add_cut(j, MARKS, WEFT_CUT_ISOLATED) : WEFT_OK;
}
