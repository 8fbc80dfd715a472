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

static weft_status add_line(struct line *lines, size_t *n, const struct weft_gpu_profile_row *row) {
    char *name = without_numbers(row->label);
    size_t i = 0;
    if (!name) return weft_fail(WEFT_ERR_NOMEM, "out of memory for the steps");
    while (i < *n && strcmp(lines[i].name, name) != 0) i++;
    if (i < *n) weft_free(name);
    else lines[(*n)++] = (struct line){.name = name};
    lines[i].count += row->count;
    lines[i].seconds += row->seconds;
    return WEFT_OK;
}

static weft_status sum_up(weft_gpu *gpu, struct line **lines, size_t *n) {
    struct weft_gpu_profile_row *rows;
    size_t n_rows;
    *n = 0;
    *lines = NULL;
    WEFT_TRY(weft_gpu_wait_idle(gpu));
    WEFT_TRY(weft_gpu_profile(gpu, &rows, &n_rows, true));
    *lines = weft_calloc(n_rows + 1, sizeof **lines);
    weft_status status = *lines ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory for the steps");
    for (size_t i = 0; i < n_rows && status == WEFT_OK; i++) status = add_line(*lines, n, &rows[i]);
    weft_free(rows);
    if (status == WEFT_OK) qsort(*lines, *n, sizeof **lines, by_time);
    return status;
}

static void drop(struct line *lines, size_t n) {
    for (size_t i = 0; i < n; i++) weft_free(lines[i].name);
    weft_free(lines);
}

weft_status weft_bench_forget_steps(weft_gpu *gpu) {
    struct line *lines;
    size_t n;
    weft_status status = sum_up(gpu, &lines, &n);
    drop(lines, n);
    return status;
}

weft_status weft_bench_print_steps(weft_gpu *gpu) {
    struct line *lines;
    size_t n;
    double total = 0;
    weft_status status = sum_up(gpu, &lines, &n);
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
