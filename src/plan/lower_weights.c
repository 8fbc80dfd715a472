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
        row_bytes += weft_weight_plane_bytes(w, p, 256);
        all_bytes += weft_align256(weft_weight_plane_bytes(w, p, w->rows));
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
    if (w->from == WEFT_FROM_SCALES) rows_fit = l->plan->weights[w->quants].parts[0].rows; // fewer bytes than these
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
            at += weft_align256(weft_weight_plane_bytes(w, p, part->rows));
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

/// The node that makes a value out of weights while they are loaded, or NULL.
static const struct weft_node *repacked(const struct weft_lower *l, weft_value v) {
    const struct weft_value_info *info = weft_lv(l, v);
    const struct weft_node *n = info->kind == WEFT_VALUE_NODE ? &l->graph->nodes[info->node] : NULL;
    return n && n->op->repack ? n : NULL;
}

bool weft_lower_is_leaf(const struct weft_lower *l, weft_value v) {
    enum weft_value_kind kind = weft_lv(l, v)->kind;
    return kind == WEFT_VALUE_WEIGHT || kind == WEFT_VALUE_CONST || repacked(l, v);
}

weft_dtype weft_lower_dtype(const struct weft_lower *l, weft_value v) {
    weft_dtype dtype = weft_lv(l, v)->type.dtype;
    return weft_dtype_info(dtype)->quantised ? WEFT_F32 : dtype;
}

enum { WEIGHTS = 1, CONSTANTS = 2, PAIRS = 4 };

/// The leaf that `v` is all or a run of, and where it begins there. NO_VALUE if it is none of these `kinds`, or one
/// seen with another type or from an element that only a run knows.
static weft_value leaf_of(const struct weft_lower *l, weft_value v, int kinds, uint64_t *first) {
    const struct weft_graph *g = l->graph;
    weft_dtype dtype = g->values[v].type.dtype;
    *first = 0;
    while (g->values[v].kind == WEFT_VALUE_NODE && !repacked(l, v)) {
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
    enum weft_value_kind kind = g->values[v].kind;
    int is = kind == WEFT_VALUE_WEIGHT ? WEIGHTS : kind == WEFT_VALUE_CONST ? CONSTANTS : repacked(l, v) ? PAIRS : 0;
    return (is & kinds) && *first % weft_dtype_info(dtype)->block == 0 ? v : WEFT_NO_VALUE;
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

/// True if `v` is all or a run of a pair, from element *first on, whose leaves are weights or constants.
static bool is_pair(const struct weft_lower *l, weft_value v, struct weft_wpair *out, uint64_t *first) {
    weft_value made = leaf_of(l, v, PAIRS, first);
    if (made == WEFT_NO_VALUE) return false;
    const struct weft_node *n = repacked(l, made);
    memset(out, 0, sizeof *out);
    n->op->repack(l->graph, n, out);
    out->quants = leaf_of(l, out->quants, WEIGHTS | CONSTANTS, &out->quants_first);
    out->scales = leaf_of(l, out->scales, WEIGHTS | CONSTANTS, &out->scales_first);
    return out->quants != WEFT_NO_VALUE && out->scales != WEFT_NO_VALUE;
}

/// Rows of a pair stay numbers and scales; seen in another shape they are elements.
static struct weft_wlayout pair_layout(const struct weft_wpair *p, uint64_t k, uint64_t first) {
    return k == p->k && first % p->k == 0 ? weft_wpair_layout(p) : *weft_wlayout(WEFT_F32);
}

bool weft_lower_packs(const struct weft_lower *l, weft_value v) {
    const struct weft_type *t = &weft_lv(l, v)->type;
    uint64_t first;
    struct weft_wpair pair;
    if (!weft_wlayout(t->dtype) || rows_of(l, t) < 0 || columns_of(l, t) < 0) return false;
    return is_pair(l, v, &pair, &first) || leaf_of(l, v, WEIGHTS, &first) != WEFT_NO_VALUE;
}

struct weft_wlayout weft_lower_layout(const struct weft_lower *l, weft_value v) {
    const struct weft_type *t = &weft_lv(l, v)->type;
    uint64_t first;
    struct weft_wpair pair;
    return is_pair(l, v, &pair, &first) ? pair_layout(&pair, (uint64_t)columns_of(l, t), first)
                                        : *weft_wlayout(t->dtype);
}

// ---- forms ---------------------------------------------------------------------------------------------------------

static bool same_form(const struct weft_plan_weight *a, const struct weft_plan_weight *b) {
    return a->value == b->value && a->form == b->form && a->from == b->from && a->quants == b->quants &&
           a->first == b->first && a->rows == b->rows && a->k == b->k && a->pair.scales == b->pair.scales &&
           weft_wpair_alike(&a->pair, &b->pair);
}

/// A form that was asked for before, or a new one without parts.
static struct weft_plan_weight *form_of(struct weft_lower *l, const struct weft_plan_weight *like) {
    for (uint32_t i = 0; i < l->plan->n_weights; i++)
        if (same_form(&l->plan->weights[i], like)) return &l->plan->weights[i];
    struct weft_plan_weight *w = add_weight(l);
    if (!w) return NULL;
    uint32_t index = w->index;
    *w = *like;
    w->index = index;
    w->name = weft_lv(l, w->value)->kind == WEFT_VALUE_CONST ? NULL : weft_lv(l, w->value)->name;
    return w;
}

/// The form, with its rows in parts.
static const struct weft_plan_weight *packed_form(struct weft_lower *l, const struct weft_plan_weight *like) {
    struct weft_plan_weight *w = form_of(l, like);
    if (!w) return &no_weight;
    return w->parts || cut_parts(l, w) ? w : drop_weight(l);
}

/// A layout that lives as long as the plan.
static const struct weft_wlayout *kept_layout(struct weft_lower *l, struct weft_wlayout y) {
    const struct weft_wlayout *kept = weft_arena_dup(&l->plan->arena, &y, sizeof y);
    if (!kept) no_memory(l);
    return kept;
}

static struct weft_plan_weight elements_of_pair(const struct weft_wpair *p, uint64_t first) {
    struct weft_plan_weight w = {.value = p->quants,
                                 .from = WEFT_FROM_BOTH,
                                 .dtype = WEFT_F32,
                                 .layout = weft_wlayout(WEFT_F32),
                                 .first = first};
    w.pair = *p;
    w.pair.quants = 0; // is `value`
    return w;
}

/// Rows of a pair: the numbers are one weight, which other scales may share, the scales another.
static const struct weft_plan_weight *rows_of_pair(struct weft_lower *l, const struct weft_wpair *p,
                                                   struct weft_wlayout y, uint64_t row, uint64_t rows) {
    struct weft_plan_weight q = {.value = p->quants,
                                 .from = WEFT_FROM_QUANTS,
                                 .dtype = WEFT_U8,
                                 .rows = rows,
                                 .k = p->k,
                                 .first = p->quants_first + row * ((p->k + 1) / 2)};
    struct weft_plan_weight s = {.value = p->scales,
                                 .from = WEFT_FROM_SCALES,
                                 .dtype = WEFT_F32,
                                 .rows = rows,
                                 .k = p->k,
                                 .first = p->scales_first + row * (p->across ? 1 : p->stride)};
    q.pair.k = s.pair.k = p->k;
    q.pair.high_first = p->high_first;
    s.pair.group = p->group;
    s.pair.across = p->across;
    s.pair.stride = p->stride;
    s.layout = kept_layout(l, y);
    y.scale = WEFT_WSCALE_NONE;
    y.group = 0;
    q.layout = kept_layout(l, y);
    if (l->status != WEFT_OK) return &no_weight;
    const struct weft_plan_weight *numbers = packed_form(l, &q);
    if (l->status != WEFT_OK) return &no_weight;
    s.quants = numbers->index;
    return packed_form(l, &s);
}

const struct weft_plan_weight *weft_lower_weight(struct weft_lower *l, weft_value v) {
    if (l->status != WEFT_OK) return &no_weight;
    const struct weft_type *t = &weft_lv(l, v)->type;
    uint64_t first, rows = (uint64_t)rows_of(l, t), k = (uint64_t)columns_of(l, t);
    struct weft_wpair pair;
    if (!weft_lower_packs(l, v)) {
        weft_lower_fail(l, WEFT_ERR_INTERNAL, "'%s' is no weight that can be packed", weft_lower_name(l, v));
        return &no_weight;
    }
    if (!is_pair(l, v, &pair, &first)) {
        struct weft_plan_weight w = {.dtype = t->dtype, .layout = weft_wlayout(t->dtype), .rows = rows, .k = k};
        w.value = leaf_of(l, v, WEIGHTS, &w.first);
        return packed_form(l, &w);
    }
    struct weft_wlayout y = pair_layout(&pair, k, first);
    if (y.scale != WEFT_WSCALE_NONE) return rows_of_pair(l, &pair, y, first / k, rows);
    struct weft_plan_weight w = elements_of_pair(&pair, first);
    w.rows = rows;
    w.k = k;
    return packed_form(l, &w);
}

const struct weft_plan_weight *weft_lower_elements(struct weft_lower *l, weft_value leaf) {
    if (l->status != WEFT_OK) return &no_weight;
    const struct weft_type *t = &weft_lv(l, leaf)->type;
    struct weft_plan_weight like = {.value = leaf, .dtype = t->dtype};
    struct weft_wpair pair;
    uint64_t first;
    if (is_pair(l, leaf, &pair, &first)) {
        like = elements_of_pair(&pair, 0);
        like.layout = NULL;
    } else if (repacked(l, leaf)) {
        weft_lower_fail(l, WEFT_ERR_UNSUPPORTED,
                        "what '%s' is made of must be weights or constants: they are repacked when they are loaded",
                        weft_lower_name(l, leaf));
        return &no_weight;
    }
    like.form = WEFT_FORM_ELEMENTS;
    like.rows = (uint64_t)rows_of(l, t);
    like.k = (uint64_t)columns_of(l, t);
    struct weft_plan_weight *w = form_of(l, &like);
    if (!w) return &no_weight;
    uint32_t width = weft_accessor_width(weft_lower_dtype(l, leaf));
    return w->parts || one_part(l, w, weft_bytes_times(weft_bytes_times(w->rows, w->k), width)) ? w : drop_weight(l);
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
