#include "model/source_recipe.h"

#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"
#include "core/half.h"
#include "model/gguf.h"

#include <math.h>
#include <string.h>

weft_status weft_recipe_plain(struct weft_arena *arena, const struct weft_source_tensor *t, const void *data,
                              struct weft_recipe *out) {
    const uint8_t *piece = data;
    *out = (struct weft_recipe){.type = t->type, .columns = t->n_dims ? t->dims[0] : 1};
    out->piece_rows = 1;
    for (uint32_t i = 1; i < t->n_dims; i++) out->piece_rows *= t->dims[i];
    out->pieces = weft_arena_dup(arena, &piece, sizeof piece);
    return out->pieces ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory for tensor '%s'", t->name);
}

/// Where element i of the result is stored.
static uint64_t stored_at(const struct weft_recipe_move *m, uint64_t i) {
    if (m->order == WEFT_ORDER_SAME || i < m->first) return i;
    uint64_t at = (i - m->first) % m->size, run = (i - m->first) / m->size;
    if (m->order == WEFT_ORDER_PAIRS) return m->first + run * m->size + at % 2 * (m->size / 2) + at / 2;
    uint64_t each = m->runs / m->groups;
    return m->first + (run % m->groups * each + run / m->groups) * m->size + at;
}

struct reading {
    const struct weft_recipe *recipe;
    bool converts;
    size_t width, from_width, to_width; // bytes of a stored element, where it is moved, and of rows
    uint8_t *gathered, *row;
};

static bool lies_together(const struct weft_recipe *r) { return !r->transposed && r->cols.order == WEFT_ORDER_SAME; }

/// Stored bytes of row `row`: where they are, or gathered if they do not lie together.
static const uint8_t *stored_row(const struct reading *g, uint64_t row) {
    const struct weft_recipe *r = g->recipe;
    uint64_t from = stored_at(&r->rows, row), in = from % r->piece_rows;
    const uint8_t *data = r->pieces[from / r->piece_rows];
    if (lies_together(r)) return data + in * g->from_width;
    for (uint64_t c = 0; c < r->columns; c++) {
        uint64_t col = stored_at(&r->cols, c);
        uint64_t at = r->transposed ? col * r->piece_rows + in : in * r->columns + col;
        memcpy(g->gathered + c * g->width, data + at * g->width, g->width);
    }
    return g->gathered;
}

static float element(uint32_t type, const uint8_t *p) {
    uint16_t half;
    float f;
    if (type == WEFT_GGML_F32) return memcpy(&f, p, 4), f;
    memcpy(&half, p, 2);
    return type == WEFT_GGML_F16 ? weft_f16_to_f32(half) : weft_bf16_to_f32(half);
}

static float apply(enum weft_recipe_function function, float x) {
    switch (function) {
    case WEFT_FUNCTION_PLUS_ONE: return x + 1;
    case WEFT_FUNCTION_MINUS_EXP: return -expf(x);
    case WEFT_FUNCTION_NONE: break;
    }
    return x;
}

/// Row `row` of the result.
static void make_row(const struct reading *g, uint64_t row, uint8_t *to) {
    const struct weft_recipe *r = g->recipe;
    const uint8_t *from = stored_row(g, row);
    if (!g->converts) {
        memcpy(to, from, g->to_width);
        return;
    }
    for (uint64_t c = 0; c < r->columns; c++) {
        float x = apply(r->function, element(r->type, from + c * g->width));
        memcpy(to + 4 * c, &x, 4);
    }
}

static uint64_t row_bytes(uint32_t type, uint64_t columns) {
    const struct weft_ggml_type_info *info = weft_ggml_type_info(type);
    return columns / info->block * info->bytes;
}

weft_status weft_recipe_read(const struct weft_recipe *r, const struct weft_source_tensor *t, uint64_t offset,
                             uint64_t size, void *to) {
    struct reading g = {.recipe = r,
                        .converts = r->type != t->type || r->function != WEFT_FUNCTION_NONE,
                        .width = weft_ggml_type_info(r->type)->bytes,
                        .from_width = row_bytes(r->type, r->columns),
                        .to_width = row_bytes(t->type, r->columns)};
    uint8_t *out = to;
    weft_status status = WEFT_OK;
    if (size == 0) return WEFT_OK;
    g.gathered = weft_alloc(g.from_width + g.to_width);
    if (!g.gathered) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a row of tensor '%s'", t->name);
    g.row = g.gathered + g.from_width;
    for (uint64_t row = offset / g.to_width, skip = offset % g.to_width; size; row++, skip = 0) {
        uint64_t some = g.to_width - skip < size ? g.to_width - skip : size;
        status = weft_cancel_check_at(row);
        if (status != WEFT_OK) break;
        if (!g.converts && lies_together(r)) {
            memcpy(out, stored_row(&g, row) + skip, some); // as much of a long row as is asked for
        } else if (some == g.to_width) {
            make_row(&g, row, out);
        } else {
            make_row(&g, row, g.row);
            memcpy(out, g.row + skip, some);
        }
        out += some;
        size -= some;
    }
    weft_free(g.gathered);
    return status;
}
