/// Finding special tokens in a text.
///
/// A tokenizer.json asks for them from left to right, the longest at each place (claim_leftmost). The rule of GGUF
/// files is another. It goes token by token, the longest text first, every occurrence from left to right in what is
/// still text is claimed. Searching the text once a token would cost thousands of passes. Here each position instead
/// offers the longest special token that starts there, and a heap takes the offers in the rule's order (rank, then
/// position). What was claimed before is at least as long as the offer, so an overlap always covers the offer's first
/// or last byte: two bits to test. An offer whose end is taken comes back with the next shorter token that starts at
/// its position and still fits; one whose start is taken is dropped.
#include "model/tokenizer/impl.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/utf8.h"

#include <stdlib.h>
#include <string.h>

static const char *text_of(const struct weft_tokenizer *t, int32_t id, size_t *len) {
    *len = t->start[id + 1] - t->start[id];
    return t->text + t->start[id];
}

struct named { // a special token while it is sorted
    const char *text;
    size_t len;
    int32_t id;
};

static int by_text(const void *a, const void *b) {
    const struct named *x = a, *y = b;
    size_t least = x->len < y->len ? x->len : y->len;
    int order = memcmp(x->text, y->text, least);
    if (order) return order;
    if (x->len != y->len) return x->len < y->len ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

struct ranked {
    size_t len;
    int32_t id;
    uint32_t index;
};

static int by_rank(const void *a, const void *b) {
    const struct ranked *x = a, *y = b;
    if (x->len != y->len) return x->len > y->len ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static unsigned flags_of(const struct weft_tokenizer *t, int32_t id) { return t->flags ? t->flags[id] : 0; }

static bool is_special(const struct weft_tokenizer *t, int32_t id, unsigned set) {
    uint8_t type = t->type[id];
    bool late = flags_of(t, id) & WEFT_SPECIAL_LATE, user = type == WEFT_TOKEN_USER_DEFINED;
    bool other = type == WEFT_TOKEN_CONTROL || type == WEFT_TOKEN_UNKNOWN;
    if (set == WEFT_SPLIT_MARKS) return (user || other) && (!late || weft_tokenizer_is_control(t, id));
    if (late != !!(set & WEFT_SPLIT_LATE)) return false;
    switch ((enum weft_splitter_set)(set & ~(unsigned)WEFT_SPLIT_LATE)) {
    case WEFT_SPLIT_ALL: return user || other;
    case WEFT_SPLIT_PLAIN: return user && !weft_tokenizer_is_control(t, id);
    default: return user;
    }
}

static size_t collect(const struct weft_tokenizer *t, unsigned set, struct named *out) {
    size_t n = 0;
    for (int32_t id = 0; id < t->size; id++) {
        size_t len;
        const char *text = text_of(t, id, &len);
        if (len == 0 || !is_special(t, id, set)) continue;
        if (out) out[n] = (struct named){text, len, id};
        n++;
    }
    return n;
}

static void fill(struct weft_splitter *s, const struct named *named, size_t n, struct ranked *ranked) {
    for (size_t i = 0; i < n; i++) {
        if (i && named[i].len == named[i - 1].len && memcmp(named[i].text, named[i - 1].text, named[i].len) == 0)
            continue;
        ranked[s->count] = (struct ranked){named[i].len, named[i].id, (uint32_t)s->count};
        s->sorted[s->count++].id = named[i].id;
        s->first[(unsigned char)named[i].text[0] + 1]++;
    }
    for (int b = 0; b < 256; b++) s->first[b + 1] += s->first[b];
    qsort(ranked, s->count, sizeof *ranked, by_rank);
    for (size_t r = 0; r < s->count; r++) {
        s->by_rank[r] = ranked[r].index;
        s->sorted[ranked[r].index].rank = (uint32_t)r;
    }
}

weft_status weft_splitter_create(const struct weft_tokenizer *t, unsigned set, struct weft_splitter *out) {
    *out = (struct weft_splitter){0};
    size_t n = collect(t, set, NULL);
    struct named *named = weft_alloc(n * sizeof *named);
    struct ranked *ranked = weft_alloc(n * sizeof *ranked);
    out->sorted = weft_alloc(n * sizeof *out->sorted);
    out->by_rank = weft_alloc(n * sizeof *out->by_rank);
    bool ok = named && ranked && out->sorted && out->by_rank;
    if (ok) {
        collect(t, set, named);
        qsort(named, n, sizeof *named, by_text);
        fill(out, named, n, ranked);
    }
    weft_free(ranked);
    weft_free(named);
    return ok ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory for %zu special tokens", n);
}

void weft_splitter_destroy(struct weft_splitter *s) {
    weft_free(s->sorted);
    weft_free(s->by_rank);
    *s = (struct weft_splitter){0};
}

/// Where in sorted[low, high), whose texts share their first `depth` bytes, those with byte >= b next begin.
/// A text that ends there sorts before all.
static size_t narrow(const struct weft_tokenizer *t, const struct weft_splitter *s, size_t low, size_t high,
                     size_t depth, int b) {
    while (low < high) {
        size_t middle = low + (high - low) / 2, len;
        const char *text = text_of(t, s->sorted[middle].id, &len);
        int byte = depth < len ? (unsigned char)text[depth] : -1;
        if (byte < b) low = middle + 1;
        else high = middle;
    }
    return low;
}

/// The longest special token that starts at `text`, at most `most` bytes long, whose last byte is free. -1: none.
static int64_t longest_at(const struct weft_tokenizer *t, const struct weft_splitter *s, const char *text, size_t most,
                          const uint8_t *taken) {
    if (most == 0) return -1;
    unsigned char lead = (unsigned char)text[0];
    size_t low = s->first[lead], high = s->first[lead + 1];
    int64_t best = -1;
    for (size_t depth = 1; low < high; depth++) {
        size_t len;
        text_of(t, s->sorted[low].id, &len);
        if (len == depth && !taken[depth - 1]) best = (int64_t)low;
        if (depth == most) break;
        int b = (unsigned char)text[depth];
        low = narrow(t, s, low, high, depth, b);
        high = narrow(t, s, low, high, depth, b + 1);
    }
    return best;
}

struct offer {
    uint32_t rank;
    size_t at;
};

static bool before(const struct offer *a, const struct offer *b) {
    return a->rank < b->rank || (a->rank == b->rank && a->at < b->at);
}

static void sift_down(struct offer *heap, size_t n, size_t i) {
    struct offer moved = heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n) break;
        if (child + 1 < n && before(&heap[child + 1], &heap[child])) child++;
        if (!before(&heap[child], &moved)) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = moved;
}

static weft_status make_offers(const struct weft_tokenizer *t, const struct weft_splitter *s, const char *text,
                               size_t len, const uint8_t *taken, struct offer **offers, size_t *count) {
    size_t cap = 0;
    for (size_t at = 0; at < len; at++) {
        unsigned char lead = (unsigned char)text[at];
        if (s->first[lead] == s->first[lead + 1]) continue;
        int64_t found = longest_at(t, s, text + at, len - at, taken + at);
        if (found < 0) continue;
        if (!weft_grow((void **)offers, &cap, *count + 1, sizeof **offers))
            return weft_fail(WEFT_ERR_NOMEM, "out of memory while looking for special tokens in %zu bytes", len);
        (*offers)[(*count)++] = (struct offer){s->sorted[found].rank, at};
    }
    for (size_t i = *count / 2; i-- > 0;) sift_down(*offers, *count, i);
    return WEFT_OK;
}

static int by_place(const void *a, const void *b) {
    const struct weft_special_at *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

/// Takes offers in order until none is left.
static weft_status claim(const struct weft_tokenizer *t, const struct weft_splitter *s, const char *text, size_t len,
                         uint8_t *taken, struct offer *heap, size_t n, struct weft_special_at **out, size_t *count) {
    size_t cap = 0;
    while (n) {
        struct offer offer = heap[0];
        const struct weft_special *special = &s->sorted[s->by_rank[offer.rank]];
        size_t size = t->start[special->id + 1] - t->start[special->id];
        int64_t again = -1;
        if (!taken[offer.at] && taken[offer.at + size - 1]) {
            again = longest_at(t, s, text + offer.at, len - offer.at, taken + offer.at);
        } else if (!taken[offer.at]) {
            memset(taken + offer.at, 1, size);
            if (!weft_grow((void **)out, &cap, *count + 1, sizeof **out))
                return weft_fail(WEFT_ERR_NOMEM, "out of memory for special tokens in %zu bytes", len);
            (*out)[(*count)++] = (struct weft_special_at){offer.at, size, special->id};
        }
        if (again >= 0) heap[0].rank = s->sorted[again].rank;
        else heap[0] = heap[--n];
        if (n) sift_down(heap, n, 0);
    }
    if (*count) qsort(*out, *count, sizeof **out, by_place);
    return WEFT_OK;
}

// ---- from left to right ---------------------------------------------------------------------------------------------

static bool word_at(const char *text, size_t len) {
    uint32_t code;
    if (weft_utf8_next(text, len, &code) == 0) return false;
    uint32_t word = WEFT_UC_LETTER | WEFT_UC_MARK | WEFT_UC_NUMBER | WEFT_UC_BIT(WEFT_UC_PC);
    return word >> weft_unicode_category(code) & 1;
}

/// Where the character before text[at] begins; `at` itself where there is none.
static size_t previous(const char *text, size_t at) {
    size_t from = at;
    while (from > 0 && at - from < 4 && ((unsigned char)text[--from] & 0xC0) == 0x80) {}
    return weft_utf8_next(text + from, at - from, NULL) == at - from ? from : at;
}

static size_t blank_at(const char *text, size_t len) {
    uint32_t code;
    size_t n = weft_utf8_next(text, len, &code);
    return n && weft_unicode_is_space(code) ? n : 0;
}

/// A token that claims the blanks around it; `done` is where the token before ends.
static struct weft_special_at widen(const struct weft_tokenizer *t, struct weft_special_at place, const char *text,
                                    size_t len, size_t done) {
    unsigned flags = flags_of(t, place.id);
    size_t end = place.at + place.len, n;
    while (flags & WEFT_SPECIAL_LSTRIP && place.at > done) {
        size_t from = previous(text, place.at);
        if (from < done || !blank_at(text + from, place.at - from)) break;
        place.at = from;
    }
    while (flags & WEFT_SPECIAL_RSTRIP && (n = blank_at(text + end, len - end)) > 0) end += n;
    place.len = end - place.at;
    return place;
}

static bool within_word(const char *text, size_t len, size_t at, size_t size) {
    size_t from = previous(text, at);
    return (from < at && word_at(text + from, at - from)) || word_at(text + at + size, len - at - size);
}

static weft_status claim_leftmost(const struct weft_tokenizer *t, const struct weft_splitter *s, const char *text,
                                  size_t len, const uint8_t *taken, struct weft_special_at **out, size_t *count) {
    size_t cap = 0, done = 0;
    for (size_t at = 0; at < len;) {
        unsigned char lead = (unsigned char)text[at];
        int64_t found = s->first[lead] == s->first[lead + 1] ? -1 : longest_at(t, s, text + at, len - at, taken + at);
        if (found < 0) {
            at++;
            continue;
        }
        struct weft_special_at place = {at, 0, s->sorted[found].id};
        text_of(t, place.id, &place.len);
        at += place.len;
        if (flags_of(t, place.id) & WEFT_SPECIAL_WORD && within_word(text, len, place.at, place.len)) continue;
        place = widen(t, place, text, len, done);
        at = done = place.at + place.len;
        if (!weft_grow((void **)out, &cap, *count + 1, sizeof **out))
            return weft_fail(WEFT_ERR_NOMEM, "out of memory for special tokens in %zu bytes", len);
        (*out)[(*count)++] = place;
    }
    return WEFT_OK;
}

weft_status weft_splitter_find(const struct weft_tokenizer *t, const struct weft_splitter *s, const char *text,
                               size_t len, struct weft_special_at **out, size_t *count) {
    *out = NULL;
    *count = 0;
    if (s->count == 0 || len == 0) return WEFT_OK;
    struct offer *offers = NULL;
    size_t n = 0;
    uint8_t *taken = weft_calloc(len, 1);
    weft_status status = taken ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory for %zu bytes of text", len);
    if (status == WEFT_OK && t->leftmost) status = claim_leftmost(t, s, text, len, taken, out, count);
    else if (status == WEFT_OK) status = make_offers(t, s, text, len, taken, &offers, &n);
    if (status == WEFT_OK && !t->leftmost) status = claim(t, s, text, len, taken, offers, n, out, count);
    weft_free(offers);
    weft_free(taken);
    if (status == WEFT_OK) return status;
    weft_free(*out);
    *out = NULL;
    *count = 0;
    return status;
}

// ---- in rendered texts ----------------------------------------------------------------------------------------------

/// Adds the control tokens of text[from, to), whose bytes are the template's alone. What lies beside them has no say.
static weft_status find_in_run(const struct weft_tokenizer *t, const char *text, size_t from, size_t to,
                               struct weft_special_at **out, size_t *count, size_t *cap) {
    struct weft_special_at *found = NULL;
    size_t n = 0;
    weft_status status = weft_splitter_find(t, &t->marks, text + from, to - from, &found, &n);
    for (size_t i = 0; i < n && status == WEFT_OK; i++) {
        if (!weft_tokenizer_is_control(t, found[i].id)) continue;
        if (!weft_grow((void **)out, cap, *count + 1, sizeof **out))
            status = weft_fail(WEFT_ERR_NOMEM, "out of memory for control tokens in %zu bytes", to - from);
        else (*out)[(*count)++] = (struct weft_special_at){from + found[i].at, found[i].len, found[i].id};
    }
    weft_free(found);
    return status;
}

weft_status weft_splitter_find_marks(const struct weft_tokenizer *t, const char *text, size_t len,
                                     const struct weft_template_run *runs, size_t n_runs, struct weft_special_at **out,
                                     size_t *count) {
    size_t from = 0, cap = 0, done = 0;
    weft_status status = WEFT_OK;
    *out = NULL;
    *count = 0;
    for (size_t i = 0; i < n_runs && status == WEFT_OK; i++) {
        size_t to = runs[i].end < len ? runs[i].end : len;
        if (!runs[i].data && to > from) status = find_in_run(t, text, from, to, out, count, &cap);
        if (to > from) from = to;
    }
    for (size_t i = 0; i < *count; i++) { // blanks that belong to a token may be data
        struct weft_special_at *place = &(*out)[i];
        *place = widen(t, *place, text, i + 1 < *count ? place[1].at : len, done);
        done = place->at + place->len;
    }
    if (status == WEFT_OK) return status;
    weft_free(*out);
    *out = NULL;
    *count = 0;
    return status;
}
