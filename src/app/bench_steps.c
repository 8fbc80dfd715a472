/// weft bench --steps: where the device's time goes, by step. Steps that differ in numbers only (layers) are one line.
#include "app/bench_steps.h"

#include "app/app.h"
#include "core/alloc.h"
#include "core/error.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LINES = 24 };

struct line {
    char *name;
    uint64_t count;
    double seconds;
};

/// `blk.12.attn_q` as `blk.#.attn_q`; names that hold no number stay.
static char *without_numbers(const char *label) {
    char *name = weft_strdup(label), *to = name;
    for (const char *from = label; name && *from; from++) {
        bool number = isdigit((unsigned char)*from) && (from == label || !isalpha((unsigned char)from[-1]));
        if (number && to > name && to[-1] == '#') continue;
        *to++ = number ? '#' : *from;
    }
    if (name) *to = 0;
    return name;
}

static int by_time(const void *a, const void *b) {
    double x = ((const struct line *)a)->seconds, y = ((const struct line *)b)->seconds;
    return x > y ? -1 : x < y;
}

struct sum {
    struct line *lines;
    size_t n, room;
    weft_status status;
};

static void add_line(void *user, const char *label, uint64_t count, double seconds) {
    struct sum *s = user;
    char *name = without_numbers(label);
    size_t i = 0;
    if (!name || !weft_grow((void **)&s->lines, &s->room, s->n + 1, sizeof *s->lines)) {
        s->status = weft_fail(WEFT_ERR_NOMEM, "out of memory for the steps");
        weft_free(name);
        return;
    }
    while (i < s->n && strcmp(s->lines[i].name, name) != 0) i++;
    if (i < s->n) weft_free(name);
    else s->lines[s->n++] = (struct line){.name = name};
    s->lines[i].count += count;
    s->lines[i].seconds += seconds;
}

static void drop(struct line *lines, size_t n) {
    for (size_t i = 0; i < n; i++) weft_free(lines[i].name);
    weft_free(lines);
}

weft_status weft_bench_forget_steps(weft_device *device) { return weft_device_profile(device, NULL, NULL); }

weft_status weft_bench_print_steps(weft_device *device) {
    struct sum sum = {0};
    double total = 0;
    weft_status status = weft_device_profile(device, add_line, &sum);
    if (status == WEFT_OK) status = sum.status;
    struct line *lines = sum.lines;
    size_t n = sum.n;
    if (n) qsort(lines, n, sizeof *lines, by_time);
    for (size_t i = 0; i < n; i++) total += lines[i].seconds;
    if (status == WEFT_OK)
        weft_outf("  steps        %10.3f ms    of device time, one pass each; the longest:\n", total * 1e3);
    for (size_t i = 0; i < n && i < MOST_LINES && status == WEFT_OK; i++)
        weft_outf("    %5.1f %%  %8.2f us x %-7llu %s\n", total > 0 ? 100 * lines[i].seconds / total : 0,
                  lines[i].count ? lines[i].seconds * 1e6 / (double)lines[i].count : 0,
                  (unsigned long long)lines[i].count, lines[i].name);
    drop(lines, n);
    return status;
}
