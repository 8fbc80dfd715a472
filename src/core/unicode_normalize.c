/// Normal forms: each code point is decomposed fully, the marks behind a starter are sorted by their classes, and for
/// the composed forms each starter takes what it composes with.
#include "core/alloc.h"
#include "core/unicode_impl.h"
#include "core/utf8.h"

enum { S_BASE = 0xAC00, L_BASE = 0x1100, V_BASE = 0x1161, T_BASE = 0x11A7, L_COUNT = 19, V_COUNT = 21, T_COUNT = 28 };
enum { N_COUNT = V_COUNT * T_COUNT, S_COUNT = L_COUNT * N_COUNT };

/// One segment: a starter and what may combine with it. Marks pile up without a limit in hostile texts.
struct segment {
    uint64_t *codes; // class << 32 | code point
    size_t count, cap;
};

static bool add(struct segment *s, uint32_t code) {
    if (!weft_grow((void **)&s->codes, &s->cap, s->count + 1, sizeof *s->codes)) return false;
    s->codes[s->count++] = (uint64_t)weft_unicode_combining(code) << 32 | code;
    return true;
}

/// Parts of a code point's canonical decomposition, NULL if it has none. A second part of 0 is none.
static const uint32_t *canonical(uint32_t code) {
    size_t low = 0, high = weft_unicode_canonical_count / 3;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint32_t found = weft_unicode_canonical[3 * middle];
        if (found == code) return weft_unicode_canonical + 3 * middle + 1;
        if (found < code) low = middle + 1;
        else high = middle;
    }
    return NULL;
}

/// The compatibility decomposition, one level of it: its length, 0 if there is none. One code point lies in *one.
static size_t compatible(uint32_t code, const uint32_t **parts, uint32_t *one) {
    size_t low = 0, high = weft_unicode_compatible_count / 2; // runs before `low` begin at or before the code point
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (weft_unicode_compatible[2 * middle] >> 11 <= code) low = middle + 1;
        else high = middle;
    }
    if (low == 0) return 0;
    uint32_t run = weft_unicode_compatible[2 * (low - 1)], value = weft_unicode_compatible[2 * low - 1];
    if (code - (run >> 11) > (run & 2047)) return 0;
    *one = (value & 0xFFFFFF) + (code - (run >> 11));
    *parts = value >> 24 == 1 ? one : weft_unicode_pool + (value & 0xFFFFFF);
    return value >> 24;
}

static bool decompose(struct segment *s, uint32_t code, bool compat) {
    if (code - S_BASE < S_COUNT) {
        uint32_t index = code - S_BASE, tail = index % T_COUNT;
        bool ok = add(s, L_BASE + index / N_COUNT) && add(s, V_BASE + index % N_COUNT / T_COUNT);
        return ok && (tail == 0 || add(s, T_BASE + tail));
    }
    const uint32_t *parts = code < 0xA0 ? NULL : canonical(code);
    if (parts) return decompose(s, parts[0], compat) && (parts[1] == 0 || decompose(s, parts[1], compat));
    uint32_t one = 0;
    size_t n = compat && code >= 0xA0 ? compatible(code, &parts, &one) : 0;
    if (n == 0) return add(s, code);
    for (size_t i = 0; i < n; i++) {
        if (!decompose(s, parts[i], compat)) return false;
    }
    return true;
}

/// Sorts marks by class where they stand between starters; equal classes keep their order. Merges, because a text may
/// have a million marks behind one letter.
static bool sort_marks(struct segment *s) {
    size_t most = 0;
    for (size_t i = 0; i < s->count;) {
        size_t from = i;
        while (i < s->count && s->codes[i] >> 32) i++;
        most = i - from > most ? i - from : most;
        i += i == from;
    }
    if (most < 2) return true;
    uint64_t *spare = weft_alloc(most * sizeof *spare);
    if (!spare) return false;
    for (size_t i = 0; i < s->count;) {
        size_t from = i, n = 0, counts[257] = {0};
        while (i < s->count && s->codes[i] >> 32) i++;
        n = i - from;
        for (size_t k = 0; k < n; k++) counts[(s->codes[from + k] >> 32) + 1]++;
        for (size_t k = 0; n > 1 && k < 256; k++) counts[k + 1] += counts[k];
        for (size_t k = 0; n > 1 && k < n; k++) spare[counts[s->codes[from + k] >> 32]++] = s->codes[from + k];
        for (size_t k = 0; n > 1 && k < n; k++) s->codes[from + k] = spare[k];
        i += i == from;
    }
    weft_free(spare);
    return true;
}

/// What two code points compose to; 0 if nothing.
static uint32_t composed(uint32_t first, uint32_t second) {
    if (first - L_BASE < L_COUNT && second - V_BASE < V_COUNT)
        return S_BASE + (first - L_BASE) * N_COUNT + (second - V_BASE) * T_COUNT;
    if (first - S_BASE < S_COUNT && (first - S_BASE) % T_COUNT == 0 && second - T_BASE - 1 < T_COUNT - 1)
        return first + (second - T_BASE);
    uint64_t wanted = (uint64_t)first << 32 | second;
    size_t low = 0, high = weft_unicode_compositions_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const uint32_t *parts = canonical(weft_unicode_compositions[middle]);
        uint64_t found = (uint64_t)parts[0] << 32 | parts[1];
        if (found == wanted) return weft_unicode_compositions[middle];
        if (found < wanted) low = middle + 1;
        else high = middle;
    }
    return 0;
}

static void compose(struct segment *s) {
    size_t starter = SIZE_MAX, n = 0;
    uint64_t last = 0; // class of what was kept last behind the starter
    for (size_t i = 0; i < s->count; i++) {
        uint64_t class = s->codes[i] >> 32;
        uint32_t code = (uint32_t)s->codes[i], both = 0;
        bool open = starter != SIZE_MAX && (n == starter + 1 || (last < class && last != 0));
        if (open) both = composed((uint32_t)s->codes[starter], code);
        if (both) {
            s->codes[starter] = both;
            continue;
        }
        if (class == 0) starter = n;
        last = class;
        s->codes[n++] = s->codes[i];
    }
    s->count = n;
}

static void put(struct weft_str *out, uint32_t code) {
    char text[4];
    size_t n = weft_utf8_put(code, text);
    weft_str_addn(out, text, n);
}

static bool flush(struct segment *s, bool composes, struct weft_str *out) {
    if (!sort_marks(s)) return false;
    if (composes) compose(s);
    for (size_t i = 0; i < s->count; i++) put(out, (uint32_t)s->codes[i]);
    s->count = 0;
    return true;
}

void weft_unicode_normalize(enum weft_form form, const char *text, size_t len, struct weft_str *out) {
    bool composes = form == WEFT_NFC || form == WEFT_NFKC, compat = form == WEFT_NFKC || form == WEFT_NFKD, ok = true;
    struct segment s = {0};
    for (size_t at = 0; ok && at < len;) {
        uint32_t code;
        size_t n = weft_utf8_next(text + at, len - at, &code);
        // What is below U+0300 begins a segment: it never is the second part of a composition.
        if (n == 0 || code < 0x300) ok = flush(&s, composes, out);
        if (n == 0) weft_str_addn(out, text + at, 1);
        else ok = ok && decompose(&s, code, compat);
        at += n ? n : 1;
    }
    ok = ok && flush(&s, composes, out);
    weft_free(s.codes);
    if (!ok) out->failed = true;
}
