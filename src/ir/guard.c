// Guards: inequalities between dims that no bounds prove. infer makes them, setting sizes checks them.
#include "core/alloc.h"
#include "core/error.h"
#include "ir/graph_impl.h"
#include <inttypes.h>

static void side(const struct weft_graph *g, weft_dim d, int64_t value, struct weft_str *out) {
    int64_t constant;
    weft_str_addf(out, " %" PRId64, value);
    if (weft_dim_is_const(g->dims, d, &constant)) return;
    weft_str_add(out, " (");
    weft_dim_print(g->dims, d, out);
    weft_str_add(out, ")");
}

static weft_status broken(const struct weft_graph *g, const struct weft_guard *guard, int64_t low, int64_t high) {
    struct weft_str s = {0};
    if (guard->who) weft_str_addf(&s, "%s: ", guard->who);
    weft_str_add(&s, guard->low_is);
    side(g, guard->low, low, &s);
    weft_str_addf(&s, ", but %s", guard->high_is);
    side(g, guard->high, high, &s);
    weft_status status = weft_fail(WEFT_ERR_INVALID, "%s", weft_str_get(&s));
    weft_str_free(&s);
    return status;
}

weft_status weft_graph_guard(struct weft_graph *g, weft_dim low, weft_dim high, uint32_t input, const char *low_is,
                             const char *high_is) {
    weft_dim room = weft_dim_sub(g->dims, high, low);
    if (room == WEFT_DIM_BAD) return weft_fail(WEFT_ERR_INVALID, "a size overflows");
    int64_t least, most, low_min, high_max, unused;
    weft_dim_bounds(g->dims, room, &least, &most);
    if (least >= 0) return WEFT_OK;
    struct weft_guard guard = {.low = low, .high = high, .low_is = low_is, .high_is = high_is};
    if (most < 0) {
        weft_dim_bounds(g->dims, low, &low_min, &unused);
        weft_dim_bounds(g->dims, high, &unused, &high_max);
        return broken(g, &guard, low_min, high_max);
    }
    for (size_t i = 0; i < g->n_guards; i++)
        if (g->guards[i].low == low && g->guards[i].high == high) return WEFT_OK;
    void *items = g->guards;
    if (!weft_grow(&items, &g->cap_guards, g->n_guards + 1, sizeof *g->guards))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory while building a graph");
    g->guards = items;
    guard.input = input;
    g->guards[g->n_guards++] = guard;
    return WEFT_OK;
}

weft_status weft_graph_guard_equal(struct weft_graph *g, weft_dim a, weft_dim b, uint32_t input, const char *a_is,
                                   const char *b_is) {
    WEFT_TRY(weft_graph_guard(g, a, b, input, a_is, b_is));
    return weft_graph_guard(g, b, a, input, b_is, a_is);
}

weft_status weft_guards_name(struct weft_graph *g, size_t first, const struct weft_op *op, const char *name,
                             const weft_value *in, uint32_t n_in) {
    for (size_t i = first; i < g->n_guards; i++) {
        struct weft_str s = {0};
        uint32_t k = g->guards[i].input;
        weft_str_add(&s, op->name);
        if (name && *name) weft_str_addf(&s, " '%s'", name);
        if (k < n_in) {
            const struct weft_value_info *info = &g->values[in[k]];
            weft_str_addf(&s, " of '%s', ", info->name ? info->name : "a value");
            weft_type_print(g->dims, &info->type, &s);
        }
        g->guards[i].who = weft_arena_strdup(&g->arena, weft_str_get(&s));
        weft_str_free(&s);
        if (!g->guards[i].who) return weft_fail(WEFT_ERR_NOMEM, "out of memory while building a graph");
    }
    return WEFT_OK;
}

weft_status weft_graph_sizes_check(const struct weft_graph *g, const int64_t *symbols) {
    WEFT_TRY(weft_dims_check(g->dims, symbols));
    for (size_t i = 0; i < g->n_guards; i++) {
        int64_t low = weft_dim_eval(g->dims, g->guards[i].low, symbols);
        int64_t high = weft_dim_eval(g->dims, g->guards[i].high, symbols);
        if (low > high) return broken(g, &g->guards[i], low, high);
    }
    return WEFT_OK;
}
