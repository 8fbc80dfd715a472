/// Nodes that compute the same are made one: equal operator, operands and attributes, in any order of the graph. The
/// first of them stays, since all readers stand behind it. Small constants of equal type and bytes are one value.
///
/// What writes a state, looks back into one or is random is never merged. Two versions of a state are two operands, so
/// readers of the one are not those of the other.
#include "compile/passes.h"
#include "core/error.h"
#include "ir/rewrite.h"
#include <string.h>

enum { MOST_CONST_BYTES = 4096 };

static weft_status no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory while merging nodes"); }

static void add_bytes(struct weft_str *key, const void *data, size_t n) { weft_str_addn(key, data, n); }

static void add_attr(struct weft_str *key, const struct weft_attr_desc *d, const struct weft_attr *a) {
    switch (d->type) {
    case WEFT_ATTR_INT:
    case WEFT_ATTR_ENUM: add_bytes(key, &a->i, sizeof a->i); break;
    case WEFT_ATTR_FLOAT: add_bytes(key, &a->f, sizeof a->f); break; // -0 and 0 differ
    case WEFT_ATTR_DIM: add_bytes(key, &a->d, sizeof a->d); break;
    case WEFT_ATTR_INTS:
        add_bytes(key, &a->n, sizeof a->n);
        add_bytes(key, a->ints, a->n * sizeof *a->ints);
        break;
    case WEFT_ATTR_DIMS:
        add_bytes(key, &a->n, sizeof a->n);
        add_bytes(key, a->dims, a->n * sizeof *a->dims);
        break;
    }
}

static void key_of(const struct weft_node *n, struct weft_str *key) {
    weft_str_cut(key, 0);
    add_bytes(key, &n->op, sizeof n->op);
    add_bytes(key, &n->n_in, sizeof n->n_in);
    add_bytes(key, n->in, n->n_in * sizeof *n->in);
    for (uint32_t i = 0; i < WEFT_MAX_ATTRS && n->op->attrs[i].name; i++) add_attr(key, &n->op->attrs[i], &n->attrs[i]);
}

/// Looks the key up; it stands for `mine` if it is new. The value that it stands for, or NO_VALUE without memory.
static uint32_t first_of(struct weft_map *seen, const struct weft_str *key, uint32_t mine) {
    uint64_t first;
    if (key->failed) return WEFT_NO_VALUE;
    if (weft_map_get(seen, weft_str_get(key), key->len, &first)) return (uint32_t)first;
    return weft_map_set(seen, weft_str_get(key), key->len, mine) ? mine : WEFT_NO_VALUE;
}

static weft_status merge_consts(struct weft_rewrite *r, struct weft_map *seen, struct weft_str *key) {
    struct weft_graph *g = r->g;
    for (weft_value v = 0; v < g->n_values; v++) {
        const struct weft_value_info *info = &g->values[v];
        if (info->kind != WEFT_VALUE_CONST || info->data_size > MOST_CONST_BYTES || !weft_rewrite_used(r, v)) continue;
        weft_str_cut(key, 0);
        add_bytes(key, &info->type.dtype, sizeof info->type.dtype);
        add_bytes(key, &info->type.rank, sizeof info->type.rank);
        add_bytes(key, info->type.dims, info->type.rank * sizeof *info->type.dims);
        add_bytes(key, info->data, info->data_size);
        weft_value first = first_of(seen, key, v);
        if (first == WEFT_NO_VALUE) return no_memory();
        if (first != v && !info->is_output) WEFT_TRY(weft_rewrite_replace(r, v, first, WEFT_NO_NODE));
    }
    return WEFT_OK;
}

/// Two outputs of one value would be one value and a copy of it, so both nodes stay: they are stored together.
static bool may_merge(const struct weft_graph *g, const struct weft_node *first, const struct weft_node *n) {
    for (uint32_t k = 0; k < n->n_out; k++)
        if (g->values[n->out[k]].is_output && g->values[first->out[k]].is_output) return false;
    return true;
}

static weft_status merge_node(struct weft_rewrite *r, struct weft_map *seen, struct weft_str *key, uint32_t i) {
    struct weft_graph *g = r->g;
    if (!weft_rewrite_pure(&g->nodes[i])) return WEFT_OK;
    key_of(&g->nodes[i], key);
    uint32_t first = first_of(seen, key, i);
    if (first == WEFT_NO_NODE) return no_memory();
    if (first == i || !may_merge(g, &g->nodes[first], &g->nodes[i])) return WEFT_OK;
    struct weft_node *a = &g->nodes[first];
    const struct weft_node *b = &g->nodes[i];
    if (!a->name) a->name = b->name;
    for (uint32_t k = 0; k < b->n_out; k++) WEFT_TRY(weft_rewrite_replace(r, b->out[k], a->out[k], i));
    weft_rewrite_kill(r, i);
    return WEFT_OK;
}

weft_status weft_pass_common(struct weft_graph *g) {
    struct weft_rewrite r;
    struct weft_map consts = {0}, nodes = {0};
    struct weft_str key = {0};
    WEFT_TRY(weft_rewrite_begin(g, &r));
    weft_status status = merge_consts(&r, &consts, &key);
    // In order: what a node reads is merged before the node is seen, and never after.
    for (uint32_t i = weft_rewrite_after(&r, WEFT_NO_NODE), next; status == WEFT_OK && i != WEFT_NO_NODE; i = next) {
        next = weft_rewrite_after(&r, i);
        status = merge_node(&r, &nodes, &key, i);
    }
    weft_map_free(&consts);
    weft_map_free(&nodes);
    weft_str_free(&key);
    return weft_rewrite_end(&r, status);
}
