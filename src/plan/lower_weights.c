/// The part of plan/lower.h about weights: what lowering asks for becomes plan weights, cut into parts that a binding
/// holds.
#include "core/alloc.h"
#include "core/error.h"
#include "plan/lower.h"
#include "plan/update.h"
#include <string.h>

static const struct weft_plan_weight no_weight;

static void no_memory(struct weft_lower *l) {
    weft_lower_fail(l, WEFT_ERR_NOMEM, "out of memory while compiling the graph");
}

static struct weft_plan_weight *add_weight(struct weft_lower *l) {
    struct weft_plan *p = l->plan;
    if (p->n_weights % 64 == 0) {
        struct weft_plan_weight *grown = weft_arena_alloc(&p->arena, (p->n_weights + 64) * sizeof *grown);
        if (!grown) {
            no_memory(l);
            return NULL;
        }
        if (p->n_weights) memcpy(grown, p->weights, p->n_weights * sizeof *grown);
        p->weights = grown;
    }
    struct weft_plan_weight *w = &p->weights[p->n_weights++];
    memset(w, 0, sizeof *w);
    w->index = p->n_weights - 1;
    return w;
}

/// Takes the weight just added off the list again: a later attempt must not find it half made.
static const struct weft_plan_weight *drop_weight(struct weft_lower *l) {
    l->plan->n_weights--;
    return &no_weight;
}

/// Cuts a weight into runs of rows that one binding holds, planes one after the other at multiples of 256.
static bool cut_parts(struct weft_lower *l, struct weft_plan_weight *w) {
    uint64_t limit = weft_caps_bindable(l->caps) & ~(uint64_t)255;
    uint64_t row_bytes = 0, all_bytes = 0;
    for (int p = 0; p < WEFT_PLANE_COUNT; p++) {
        row_bytes += weft_wlayout_bytes(w->layout, p, 256, w->k);
        all_bytes += weft_align256(weft_wlayout_bytes(w->layout, p, w->rows, w->k));
    }
    // 256 rows at a time, so that every plane of a part starts on a whole word; fewer where so many do not fit
    uint64_t one = (row_bytes + 255) / 256;
    uint64_t rows_fit = all_bytes <= limit ? w->rows : (limit - 4 * 256) / (row_bytes ? row_bytes : 1) * 256;
    if (rows_fit == 0 && w->rows && limit > 4 * 256) rows_fit = (limit - 4 * 256) / (one ? one : 1);
    if (rows_fit == 0 && w->rows) {
        weft_lower_fail(l, WEFT_ERR_LIMIT,
                        "weight '%s': a row of %llu elements needs %llu bytes, more than the device binds (%llu)",
                        weft_weight_name(w), (unsigned long long)w->k, (unsigned long long)one,
                        (unsigned long long)limit);
        return false;
    }
    if (w->rows / (rows_fit ? rows_fit : 1) >= 4095) {
        weft_lower_fail(l, WEFT_ERR_LIMIT, "weight '%s' would be cut into more than 4096 parts of %llu bytes",
                        weft_weight_name(w), (unsigned long long)limit);
        return false;
    }
    if (rows_fit > w->rows) rows_fit = w->rows;
    w->n_parts = w->rows ? (uint32_t)((w->rows + rows_fit - 1) / rows_fit) : 1;
    w->parts = weft_arena_alloc(&l->plan->arena, w->n_parts * sizeof *w->parts);
    if (!w->parts) {
        no_memory(l);
        return false;
    }
    for (uint32_t i = 0; i < w->n_parts; i++) {
        struct weft_weight_part *part = &w->parts[i];
        part->row0 = i * rows_fit;
        part->rows = w->rows - part->row0 < rows_fit ? w->rows - part->row0 : rows_fit;
        part->shard = UINT32_MAX;
        uint64_t at = 0;
        for (int p = 0; p < WEFT_PLANE_COUNT; p++) {
            part->plane[p] = at;
            at += weft_align256(weft_wlayout_bytes(w->layout, p, part->rows, w->k));
        }
        part->bytes = at ? at : 256;
    }
    return true;
}

static bool one_part(struct weft_lower *l, struct weft_plan_weight *w, uint64_t bytes) {
    w->n_parts = 1;
    w->parts = weft_arena_alloc(&l->plan->arena, sizeof *w->parts);
    if (!w->parts) {
        no_memory(l);
        return false;
    }
    w->parts[0] =
        (struct weft_weight_part){.rows = w->rows, .shard = UINT32_MAX, .bytes = weft_align256(bytes ? bytes : 1)};
    if (w->parts[0].bytes > l->caps->max_buffer) {
        weft_lower_fail(l, WEFT_ERR_LIMIT,
                        "weight '%s' takes %llu bytes where it is read element by element, a buffer of this device has "
                        "at most %llu; products and gather read it in parts",
                        weft_weight_name(w), (unsigned long long)bytes, (unsigned long long)l->caps->max_buffer);
        return false;
    }
    return true;
}

// ---- which weight a value is ---------------------------------------------------------------------------------------

bool weft_lower_is_leaf(const struct weft_lower *l, weft_value v) {
    enum weft_value_kind kind = weft_lv(l, v)->kind;
    return kind == WEFT_VALUE_WEIGHT || kind == WEFT_VALUE_CONST;
}

weft_dtype weft_lower_dtype(const struct weft_lower *l, weft_value v) {
    weft_dtype dtype = weft_lv(l, v)->type.dtype;
    return weft_dtype_info(dtype)->quantised ? WEFT_F32 : dtype;
}

/// The weight (or, `constants`, the constant) that `v` is all or a run of, and where it begins there. NO_VALUE if it is
/// none, or one seen with another type or from an element that only a run knows.
static weft_value leaf_of(const struct weft_lower *l, weft_value v, bool constants, uint64_t *first) {
    const struct weft_graph *g = l->graph;
    weft_dtype dtype = g->values[v].type.dtype;
    *first = 0;
    while (g->values[v].kind == WEFT_VALUE_NODE) {
        const struct weft_node *n = &g->nodes[g->values[v].node];
        if (!n->op->view) return WEFT_NO_VALUE;
        v = n->in[0];
        const struct weft_type *t = &g->values[v].type;
        if (t->dtype != dtype) return WEFT_NO_VALUE;
        if (n->op->view != WEFT_VIEW_ROWS) continue;
        int64_t at = weft_lower_const(l, n->attrs[n->op->view_start].d);
        for (uint32_t i = 1; i < t->rank && at > 0; i++) at *= weft_lower_const(l, t->dims[i]);
        if (at < 0) return WEFT_NO_VALUE;
        *first += (uint64_t)at;
    }
    bool found = g->values[v].kind == WEFT_VALUE_WEIGHT || (constants && g->values[v].kind == WEFT_VALUE_CONST);
    return found && *first % weft_dtype_info(dtype)->block == 0 ? v : WEFT_NO_VALUE;
}

static int64_t columns_of(const struct weft_lower *l, const struct weft_type *t) {
    return t->rank ? weft_lower_const(l, t->dims[t->rank - 1]) : 1;
}

static int64_t rows_of(const struct weft_lower *l, const struct weft_type *t) {
    int64_t rows = 1;
    for (uint32_t i = 0; i + 1 < t->rank && rows >= 0; i++) {
        int64_t n = weft_lower_const(l, t->dims[i]);
        rows = n < 0 ? -1 : rows * n;
    }
    return rows;
}

bool weft_lower_packs(const struct weft_lower *l, weft_value v) {
    const struct weft_type *t = &weft_lv(l, v)->type;
    uint64_t first;
    return weft_wlayout(t->dtype) && rows_of(l, t) >= 0 && columns_of(l, t) >= 0 &&
           leaf_of(l, v, false, &first) != WEFT_NO_VALUE;
}

// ---- forms ---------------------------------------------------------------------------------------------------------

/// The form of a leaf that was asked for before, from element `first` on, or a new one without parts.
static struct weft_plan_weight *form_of(struct weft_lower *l, weft_value leaf, enum weft_weight_form form,
                                        const struct weft_type *t, uint64_t first) {
    uint64_t rows = (uint64_t)rows_of(l, t), k = (uint64_t)columns_of(l, t);
    for (uint32_t i = 0; i < l->plan->n_weights; i++) {
        struct weft_plan_weight *w = &l->plan->weights[i];
        if (w->value == leaf && w->form == form && w->first == first && w->rows == rows && w->k == k) return w;
    }
    struct weft_plan_weight *w = add_weight(l);
    if (!w) return NULL;
    w->name = weft_lv(l, leaf)->kind == WEFT_VALUE_CONST ? NULL : weft_lv(l, leaf)->name;
    w->value = leaf;
    w->form = form;
    w->dtype = t->dtype;
    w->rows = rows;
    w->k = k;
    w->first = first;
    return w;
}

const struct weft_plan_weight *weft_lower_weight(struct weft_lower *l, weft_value v) {
    if (l->status != WEFT_OK) return &no_weight;
    uint64_t first;
    weft_value leaf = leaf_of(l, v, false, &first);
    if (leaf == WEFT_NO_VALUE || !weft_lower_packs(l, v)) {
        weft_lower_fail(l, WEFT_ERR_INTERNAL, "'%s' is no weight that can be packed", weft_lower_name(l, v));
        return &no_weight;
    }
    struct weft_plan_weight *w = form_of(l, leaf, WEFT_FORM_PACKED, &weft_lv(l, v)->type, first);
    if (!w) return &no_weight;
    if (w->parts) return w;
    w->layout = weft_wlayout(w->dtype);
    return cut_parts(l, w) ? w : drop_weight(l);
}

const struct weft_plan_weight *weft_lower_elements(struct weft_lower *l, weft_value leaf) {
    if (l->status != WEFT_OK) return &no_weight;
    struct weft_plan_weight *w = form_of(l, leaf, WEFT_FORM_ELEMENTS, &weft_lv(l, leaf)->type, 0);
    if (!w) return &no_weight;
    uint32_t width = weft_accessor_width(weft_lower_dtype(l, leaf));
    return w->parts || one_part(l, w, weft_bytes_times(weft_bytes_times(w->rows, w->k), width)) ? w : drop_weight(l);
}

/// Cuts the bytes of a raw weight into runs of rows, a multiple of 4, that one binding holds.
static bool raw_parts(struct weft_lower *l, struct weft_plan_weight *w) {
    uint64_t limit = weft_caps_bindable(l->caps);
    uint64_t row = weft_dtype_bytes(w->dtype, w->k), fit = (limit & ~(uint64_t)255) / (row ? row : 1) / 4 * 4;
    if (fit >= w->rows) fit = w->rows ? w->rows : 1;
    uint64_t n = w->rows && fit ? (w->rows + fit - 1) / fit : 1;
    if (fit == 0 || n > 4095) {
        weft_lower_fail(l, WEFT_ERR_LIMIT, "weight '%s': four rows need %llu bytes, the device binds %llu",
                        weft_weight_name(w), (unsigned long long)row * 4, (unsigned long long)limit);
        return false;
    }
    w->n_parts = (uint32_t)n;
    w->parts = weft_arena_alloc(&l->plan->arena, n * sizeof *w->parts);
    if (!w->parts) {
        no_memory(l);
        return false;
    }
    for (uint64_t i = 0; i < n; i++) {
        uint64_t rows = w->rows - i * fit < fit ? w->rows - i * fit : fit;
        w->parts[i] = (struct weft_weight_part){
            .row0 = i * fit, .rows = rows, .shard = UINT32_MAX, .bytes = weft_align256(rows * row + (rows * row == 0))};
    }
    return true;
}

const struct weft_plan_weight *weft_lower_raw(struct weft_lower *l, weft_value v) {
    if (l->status != WEFT_OK) return &no_weight;
    const struct weft_type *t = &weft_lv(l, v)->type;
    uint64_t first;
    weft_value leaf = leaf_of(l, v, true, &first);
    if (leaf == WEFT_NO_VALUE || t->rank == 0 || rows_of(l, t) < 0 || columns_of(l, t) < 0) {
        weft_lower_fail(l, WEFT_ERR_UNSUPPORTED, "'%s' must be a weight or a constant: its bytes are read as they are",
                        weft_lower_name(l, v));
        return &no_weight;
    }
    struct weft_plan_weight *w = form_of(l, leaf, WEFT_FORM_BYTES, t, first);
    if (!w) return &no_weight;
    return w->parts || raw_parts(l, w) ? w : drop_weight(l);
}

const struct weft_plan_weight *weft_lower_table(struct weft_lower *l, const char *name, const void *data,
                                                uint64_t bytes) {
    if (l->status != WEFT_OK) return &no_weight;
    for (uint32_t i = 0; i < l->plan->n_weights; i++) {
        struct weft_plan_weight *w = &l->plan->weights[i];
        if (w->form == WEFT_FORM_TABLE && w->data_bytes == bytes && strcmp(w->name, name) == 0 &&
            memcmp(w->data, data, bytes) == 0)
            return w;
    }
    struct weft_plan_weight *w = add_weight(l);
    if (!w) return &no_weight;
    w->name = weft_arena_strdup(&l->plan->arena, name);
    w->value = WEFT_NO_VALUE;
    w->form = WEFT_FORM_TABLE;
    w->dtype = WEFT_U32;
    w->rows = 1;
    w->k = bytes / 4;
    w->data = weft_arena_dup(&l->plan->arena, data, bytes);
    w->data_bytes = bytes;
    if (!w->data || !w->name) {
        no_memory(l);
        return drop_weight(l);
    }
    return one_part(l, w, bytes) ? w : drop_weight(l);
}
