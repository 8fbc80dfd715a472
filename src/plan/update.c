#include "plan/update.h"
#include "plan/round.h"
#include <string.h>

/// Of any a, also where a + b - 1 does not fit.
void weft_grid_fold(uint64_t total, uint32_t max_groups, uint32_t grid[3]) {
    grid[0] = grid[1] = grid[2] = 0;
    if (total == 0) return;
    uint64_t x = total, y = 1, z = 1;
    if (x > max_groups) {
        y = weft_ceil_div(total, max_groups);
        x = weft_ceil_div(total, y);
        if (y > max_groups) {
            z = weft_ceil_div(y, max_groups);
            y = weft_ceil_div(y, z);
        }
    }
    grid[0] = (uint32_t)x;
    grid[1] = (uint32_t)y;
    grid[2] = (uint32_t)(z > max_groups ? UINT32_MAX : z);
}

static uint32_t operand_length(const struct weft_update *u, const struct weft_operand *o) {
    uint32_t width = weft_accessor_width(o->dtype);
    if (o->live == WEFT_DIM_NONE) return (uint32_t)(((o->used ? o->used : o->bytes) + width - 1) / width);
    int64_t live = weft_live(u, o->live);
    return live > 0 ? (uint32_t)live : 0;
}

/// The part's own three fields stand last: cut_first, cut_count, cut_total. Live groups are clipped to the part; one
/// wholly beyond them has nothing to do.
static void split_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct weft_step *s = u->step;
    uint64_t total = (uint64_t)grid[0] * grid[1] * grid[2], end = total < s->split.end ? total : s->split.end;
    uint64_t n = end > s->split.first ? end - s->split.first : 0;
    uint32_t *own = words + s->n_fields - WEFT_SPLIT_FIELDS;
    own[0] = s->split.first;
    own[1] = (uint32_t)n;
    own[2] = (uint32_t)total;
    weft_grid_fold(n, u->caps->max_groups, grid);
}

void weft_step_update(const struct weft_update *u, uint32_t words[WEFT_MAX_WORDS], uint32_t grid[3]) {
    const struct weft_step *s = u->step;
    memset(words, 0, WEFT_MAX_WORDS * sizeof *words);
    grid[0] = grid[1] = grid[2] = 0;
    s->kernel->update(u, words, grid);
    if (s->split.end) split_update(u, words, grid);
    // The binder's words follow the kernel's in operand order; compile/bind.c declares them in the same order.
    for (uint32_t i = 0; i < s->n_operands; i++) {
        const struct weft_operand *o = &s->operands[i];
        int64_t live = weft_dim_eval(u->dims, o->elem_offset, u->symbols);
        words[weft_off_word(s, i)] =
            (uint32_t)(o->bound.slot_offset / weft_accessor_width(o->dtype) + (uint64_t)live - o->split.first);
        if (s->bound.checked) words[weft_len_word(s, i)] = operand_length(u, o);
    }
    if (s->bound.checked) words[s->bound.n_words - 1] = s->bound.number;
}
