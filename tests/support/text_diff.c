// The longest common sequence of lines, over what is left when equal beginnings and ends are taken off. Texts whose
// middles are too long for its table are shown as wholly different there.
#include "core/alloc.h"
#include "support/plan_dump.h"

#include <string.h>

enum { CONTEXT = 2, MOST_CELLS = 16 << 20 };

struct lines {
    const char **at;
    size_t *len;
    size_t n;
};

static bool cut(const char *text, struct lines *l) {
    size_t most = 1;
    for (const char *p = text; *p; p++) most += *p == '\n';
    *l = (struct lines){.at = weft_calloc(most, sizeof *l->at), .len = weft_calloc(most, sizeof *l->len)};
    if (!l->at || !l->len) return false;
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "\n");
        l->at[l->n] = p;
        l->len[l->n++] = n;
        p += n + (p[n] == '\n');
    }
    return true;
}

static void drop(struct lines *l) {
    weft_free((void *)l->at);
    weft_free(l->len);
}

static bool same(const struct lines *a, size_t i, const struct lines *b, size_t j) {
    return a->len[i] == b->len[j] && memcmp(a->at[i], b->at[j], a->len[i]) == 0;
}

/// What is written so far: `left` lines more may be, `behind` lines of context are due after a difference.
struct sink {
    struct weft_str *out;
    size_t most, written, kept, differ, behind, last;
};

static void put(struct sink *s, char sign, const struct lines *l, size_t i) {
    if (s->written >= s->most) {
        s->kept += sign != ' ';
        return;
    }
    weft_str_addf(s->out, "%c", sign);
    weft_str_addn(s->out, l->at[i], l->len[i]);
    weft_str_add(s->out, "\n");
    s->written++;
}

/// A line that differs; a[0 .. i) is what both have read of the old text, which gives the context.
static void differ(struct sink *s, char sign, const struct lines *l, size_t k, const struct lines *a, size_t i) {
    if (s->behind == 0) {
        size_t from = i > CONTEXT ? i - CONTEXT : 0;
        if (from < s->last) from = s->last;
        if (s->written < s->most) weft_str_addf(s->out, "@@ line %zu\n", i + 1);
        for (; from < i; from++) put(s, ' ', a, from);
    }
    put(s, sign, l, k);
    s->behind = CONTEXT + 1;
    s->last = i;
    s->differ++;
}

static void agree(struct sink *s, const struct lines *a, size_t i) {
    if (s->behind > 1) {
        put(s, ' ', a, i);
        s->last = i + 1;
    }
    if (s->behind > 0) s->behind--;
}

size_t weft_test_text_diff(const char *was, const char *is, size_t most, struct weft_str *out) {
    struct lines a, b;
    bool ok = cut(was, &a), ok2 = cut(is, &b);
    struct sink s = {.out = out, .most = most};
    uint32_t *table = NULL;
    size_t head = 0, tail = 0;
    if (!ok || !ok2) {
        out->failed = true;
        drop(&a);
        drop(&b);
        return 1;
    }
    while (head < a.n && head < b.n && same(&a, head, &b, head)) head++;
    while (tail < a.n - head && tail < b.n - head && same(&a, a.n - 1 - tail, &b, b.n - 1 - tail)) tail++;
    size_t n = a.n - head - tail, m = b.n - head - tail, i = 0, j = 0;
    // table[i * (m + 1) + j]: lines in common of a[i ..) and b[j ..), both within the middle.
    if ((n + 1) * (m + 1) <= MOST_CELLS) table = weft_calloc((n + 1) * (m + 1), sizeof *table);
    for (size_t x = n; table && x-- > 0;)
        for (size_t y = m; y-- > 0;) {
            uint32_t down = table[(x + 1) * (m + 1) + y], across = table[x * (m + 1) + y + 1];
            table[x * (m + 1) + y] = same(&a, head + x, &b, head + y) ? table[(x + 1) * (m + 1) + y + 1] + 1
                                     : down > across                  ? down
                                                                      : across;
        }
    while (i < n || j < m) {
        if (table && i < n && j < m && same(&a, head + i, &b, head + j)) {
            agree(&s, &a, head + i);
            i++, j++;
        } else if (i < n && (j == m || !table || table[(i + 1) * (m + 1) + j] >= table[i * (m + 1) + j + 1])) {
            differ(&s, '-', &a, head + i, &a, head + i);
            i++;
            s.last = head + i;
        } else {
            differ(&s, '+', &b, head + j, &a, head + i);
            j++;
        }
    }
    for (size_t k = 0; k < CONTEXT && k < tail; k++) agree(&s, &a, head + n + k);
    if (s.kept) weft_str_addf(out, "... and %zu lines more\n", s.kept);
    weft_free(table);
    drop(&a);
    drop(&b);
    return s.differ;
}
