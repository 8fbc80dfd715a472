/// Steps: what happens to a section before it is cut into words.
#include "model/tokenizer/impl.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/utf8.h"

#include <string.h>

enum { GROWTH = 16 }; // a text may become so many times longer; the longest decomposition takes 11

static void free_step(struct weft_step *s) {
    weft_free(s->text);
    weft_free(s->with);
    weft_pattern_destroy(s->pattern);
}

weft_status weft_steps_add(struct weft_steps *s, struct weft_step step) {
    if (weft_grow((void **)&s->items, &s->cap, s->count + 1, sizeof *s->items)) {
        s->items[s->count++] = step;
        return WEFT_OK;
    }
    free_step(&step);
    return weft_fail(WEFT_ERR_NOMEM, "out of memory for a normalizer");
}

weft_status weft_steps_add_text(struct weft_steps *s, enum weft_step_kind kind, unsigned value, const char *text,
                                const char *with) {
    struct weft_step step = {.kind = kind, .value = value};
    step.text = weft_strdup(text);
    step.with = weft_strdup(with);
    step.text_len = text ? strlen(text) : 0;
    step.with_len = with ? strlen(with) : 0;
    if ((!text || step.text) && (!with || step.with)) return weft_steps_add(s, step);
    free_step(&step);
    return weft_fail(WEFT_ERR_NOMEM, "out of memory for a normalizer");
}

weft_status weft_steps_add_bert(struct weft_steps *s, bool clean, bool cjk, bool strip_accents, bool lower) {
    const struct weft_step steps[] = {{.kind = WEFT_STEP_CLEAN},
                                      {.kind = WEFT_STEP_CJK},
                                      {.kind = WEFT_STEP_FORM, .value = WEFT_NFD},
                                      {.kind = WEFT_STEP_STRIP_ACCENTS},
                                      {.kind = WEFT_STEP_LOWER}};
    const bool wanted[] = {clean, cjk, strip_accents, strip_accents, lower};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (wanted[i]) WEFT_TRY(weft_steps_add(s, steps[i]));
    return WEFT_OK;
}

void weft_steps_free(struct weft_steps *s) {
    for (size_t i = 0; i < s->count; i++) free_step(&s->items[i]);
    weft_free(s->items);
    *s = (struct weft_steps){0};
}

// ---- character by character ----------------------------------------------------------------------------------------

static bool in_set(uint32_t set, uint32_t code) { return set >> weft_unicode_category(code) & 1; }

static void put(struct weft_str *out, uint32_t code) {
    char text[4];
    weft_str_addn(out, text, weft_utf8_put(code, text));
}

static void lower(uint32_t code, struct weft_str *out) {
    if (code == 0x130) weft_str_add(out, "i\xCC\x87"); // the only letter whose lower case is two characters
    else put(out, weft_unicode_lower(code));
}

/// What BERT's tokenizers call cleaning: control characters go (other tabs and a next-line among them, but nothing that
/// is unassigned), and every blank becomes a space.
static void clean(uint32_t code, struct weft_str *out) {
    bool line = code == '\t' || code == '\n' || code == '\r';
    if (code == 0xFFFD || (in_set(WEFT_UC_OTHER & ~WEFT_UC_BIT(WEFT_UC_CN), code) && !line)) return;
    if (weft_unicode_is_space(code)) weft_str_addn(out, " ", 1);
    else put(out, code);
}

static void apart(uint32_t code, struct weft_str *out) {
    bool cjk = weft_unicode_is_cjk(code);
    if (cjk) weft_str_addn(out, " ", 1);
    put(out, code);
    if (cjk) weft_str_addn(out, " ", 1);
}

static void no_accent(uint32_t code, struct weft_str *out) {
    if (weft_unicode_category(code) != WEFT_UC_MN) put(out, code);
}

/// Applies a change of single characters; a byte that belongs to none stands as it is.
static void each(void (*change)(uint32_t code, struct weft_str *out), const char *text, size_t len,
                 struct weft_str *out) {
    for (size_t at = 0; at < len;) {
        uint32_t code;
        size_t n = weft_utf8_next(text + at, len - at, &code);
        if (n) change(code, out);
        else weft_str_addn(out, text + at, 1);
        at += n ? n : 1;
    }
}

// ---- whole texts ---------------------------------------------------------------------------------------------------

static size_t blank_at(const char *text, size_t len) {
    uint32_t code;
    size_t n = weft_utf8_next(text, len, &code);
    return n && weft_unicode_is_space(code) ? n : 0;
}

static void strip(unsigned sides, const char *text, size_t len, struct weft_str *out) {
    size_t from = 0, end = 0;
    for (size_t n; sides & 1 && (n = blank_at(text + from, len - from)) > 0;) from += n;
    for (size_t at = from; at < len;) { // the end of what is no blank
        size_t n = blank_at(text + at, len - at);
        at += n ? n : 1;
        if (n == 0) end = at;
    }
    if (!(sides & 2)) end = len;
    if (end > from) weft_str_addn(out, text + from, end - from);
}

static void squeeze(const char *text, size_t len, struct weft_str *out) {
    bool space = false, begun = false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == ' ') {
            space = begun;
            continue;
        }
        if (space) weft_str_addn(out, " ", 1);
        weft_str_addn(out, text + i, 1);
        space = false;
        begun = true;
    }
}

static void replace_text(const struct weft_step *s, const char *text, size_t len, struct weft_str *out) {
    size_t from = 0;
    for (size_t at = 0; s->text_len && at + s->text_len <= len;) {
        if (text[at] != s->text[0] || memcmp(text + at, s->text, s->text_len) != 0) {
            at++;
            continue;
        }
        weft_str_addn(out, text + from, at - from);
        weft_str_addn(out, s->with, s->with_len);
        from = at += s->text_len;
    }
    weft_str_addn(out, text + from, len - from);
}

static weft_status replace_matches(const struct weft_step *s, const char *text, size_t len, struct weft_str *out) {
    weft_char *chars = weft_alloc(len * sizeof *chars);
    uint32_t *places = weft_alloc((len + 1) * sizeof *places);
    struct weft_matcher m = {.chars = chars};
    weft_status status = WEFT_OK;
    size_t from = 0;
    if (!chars || !places) WEFT_GOTO(weft_fail(WEFT_ERR_NOMEM, "out of memory for a text of %zu bytes", len));
    for (size_t at = 0; at < len; m.count++) {
        uint32_t code = 0xFFFD;
        size_t n = weft_utf8_next(text + at, len - at, &code);
        chars[m.count] = weft_char_of(code);
        places[m.count] = (uint32_t)at;
        at += n ? n : 1;
    }
    places[m.count] = (uint32_t)len;
    m.steps = weft_matcher_steps(m.count);
    while (from < m.count) {
        size_t begin, end;
        WEFT_GOTO(weft_pattern_find(s->pattern, &m, 0, m.count, from, &begin, &end));
        weft_str_addn(out, text + places[from], places[begin] - places[from]);
        if (end > begin) weft_str_addn(out, s->with, s->with_len);
        from = end;
    }
fail:
    weft_matcher_free(&m);
    weft_free(chars);
    weft_free(places);
    return status;
}

/// Longest replaced prefixes, from left to right; user-defined tokens and all else stay. A byte that belongs to no
/// character becomes U+FFFD, as the mapping's own library has it.
static void map_characters(const struct weft_charsmap *map, const char *text, size_t len, struct weft_str *out) {
    for (size_t at = 0; at < len;) {
        const char *with;
        size_t n = weft_charsmap_find(map, text + at, len - at, &with);
        if (n) {
            weft_str_add(out, with);
        } else {
            n = weft_utf8_next(text + at, len - at, NULL);
            if (n) weft_str_addn(out, text + at, n);
            else weft_str_add(out, "\xEF\xBF\xBD");
        }
        at += n ? n : 1;
    }
}

static bool begins_with(const struct weft_step *s, const char *text, size_t len) {
    return len >= s->with_len && memcmp(text, s->with, s->with_len) == 0;
}

static void no_mark(uint32_t code, struct weft_str *out) {
    if (!in_set(WEFT_UC_MARK, code)) put(out, code);
}

static weft_status run_step(const struct weft_tokenizer *t, const struct weft_step *s, bool first, const char *text,
                            size_t len, struct weft_str *out) {
    switch (s->kind) {
    case WEFT_STEP_FORM: weft_unicode_normalize((enum weft_form)s->value, text, len, out); break;
    case WEFT_STEP_LOWER: each(lower, text, len, out); break;
    case WEFT_STEP_STRIP_ACCENTS: each(s->value ? no_mark : no_accent, text, len, out); break;
    case WEFT_STEP_STRIP: strip(s->value, text, len, out); break;
    case WEFT_STEP_CLEAN: each(clean, text, len, out); break;
    case WEFT_STEP_CJK: each(apart, text, len, out); break;
    case WEFT_STEP_SQUEEZE: squeeze(text, len, out); break;
    case WEFT_STEP_CHARSMAP: map_characters(&t->charsmap, text, len, out); break;
    case WEFT_STEP_REPLACE:
        if (s->pattern) WEFT_TRY(replace_matches(s, text, len, out));
        else replace_text(s, text, len, out);
        break;
    case WEFT_STEP_PREPEND:
    case WEFT_STEP_PREPEND_UNLESS:
        if (len && (s->kind == WEFT_STEP_PREPEND || ((first || !s->value) && !begins_with(s, text, len))))
            weft_str_addn(out, s->with, s->with_len);
        weft_str_addn(out, text, len);
        break;
    }
    return out->failed ? weft_fail(WEFT_ERR_NOMEM, "out of memory while rewriting %zu bytes", len) : WEFT_OK;
}

weft_status weft_steps_run(const struct weft_tokenizer *t, const char *text, size_t len, bool first,
                           struct weft_str *out) {
    struct weft_str now = {0};
    for (size_t i = 0; i < t->steps.count; i++) {
        struct weft_str next = {0};
        weft_status status =
            run_step(t, &t->steps.items[i], first, i ? weft_str_get(&now) : text, i ? now.len : len, &next);
        weft_str_free(&now);
        now = next;
        if (status == WEFT_OK && now.len / GROWTH > len + 256)
            status = weft_fail(WEFT_ERR_LIMIT, "the normalizers make %zu bytes of %zu", now.len, len);
        if (status == WEFT_OK) continue;
        weft_str_free(&now);
        return status;
    }
    *out = now;
    return WEFT_OK;
}
