#include "ops/shape.h"

#include "core/alloc.h"
#include "core/error.h"

#include <string.h>

const char *weft_ops_type_text(struct weft_graph *g, const struct weft_type *t) {
    struct weft_str s = {0};
    weft_str_addf(&s, "%s[", weft_dtype_name(t->dtype));
    for (uint32_t i = 0; i < t->rank; i++) {
        if (i) weft_str_add(&s, ", ");
        weft_dim_print(g->dims, t->dims[i], &s);
    }
    weft_str_add(&s, "]");
    const char *text = weft_arena_strdup(&g->arena, weft_str_get(&s));
    weft_str_free(&s);
    return text ? text : "?";
}

bool weft_ops_is_float(weft_dtype dtype) { return dtype == WEFT_F32 || dtype == WEFT_F16 || dtype == WEFT_BF16; }

bool weft_ops_is_integer(weft_dtype dtype) {
    return dtype == WEFT_I32 || dtype == WEFT_U32 || dtype == WEFT_I8 || dtype == WEFT_U8;
}

bool weft_ops_is_plain(weft_dtype dtype) {
    return weft_ops_is_float(dtype) || weft_ops_is_integer(dtype) || dtype == WEFT_BOOL;
}

weft_dtype weft_ops_promote(weft_dtype a, weft_dtype b) {
    if (!weft_ops_is_plain(a) || !weft_ops_is_plain(b)) return WEFT_DTYPE_COUNT;
    if (a == b) return a == WEFT_BF16 ? WEFT_F32 : a;
    return weft_ops_is_float(a) && weft_ops_is_float(b) ? WEFT_F32 : WEFT_DTYPE_COUNT;
}

static weft_status broadcast_fail(struct weft_graph *g, const struct weft_type *in, uint32_t n_in) {
    struct weft_str s = {0};
    for (uint32_t i = 0; i < n_in; i++) weft_str_addf(&s, "%s%s", i ? ", " : "", weft_ops_type_text(g, &in[i]));
    weft_status status =
        weft_fail(WEFT_ERR_INVALID,
                  "shapes %s do not broadcast: aligned at the last axis, dims must be the same expression, "
                  "or 1; reshape an operand",
                  weft_str_get(&s));
    weft_str_free(&s);
    return status;
}

weft_status weft_ops_broadcast(struct weft_graph *g, const struct weft_type *in, uint32_t n_in, struct weft_type *out) {
    out->rank = 0;
    for (uint32_t i = 0; i < n_in; i++)
        if (in[i].rank > out->rank) out->rank = in[i].rank;
    for (uint32_t axis = 0; axis < out->rank; axis++) {
        weft_dim d = weft_dim_const(g->dims, 1);
        for (uint32_t i = 0; i < n_in; i++) {
            uint32_t missing = out->rank - in[i].rank;
            if (axis < missing) continue;
            weft_dim x = in[i].dims[axis - missing];
            int64_t value = 0;
            if (x == d || (weft_dim_is_const(g->dims, x, &value) && value == 1)) continue;
            if (!weft_dim_is_const(g->dims, d, &value) || value != 1) return broadcast_fail(g, in, n_in);
            d = x;
        }
        out->dims[axis] = d;
    }
    return WEFT_OK;
}

weft_status weft_ops_axis(struct weft_graph *g, const struct weft_type *t, int64_t axis, uint32_t *out) {
    int64_t a = axis < 0 ? axis + t->rank : axis;
    *out = 0;
    if (a < 0 || a >= t->rank)
        return weft_fail(WEFT_ERR_INVALID, "%s has no axis %lld", weft_ops_type_text(g, t), (long long)axis);
    *out = (uint32_t)a;
    return WEFT_OK;
}

weft_value weft_ops_as(struct weft_build *b, const char *name, weft_value x, weft_dtype dtype) {
    if (b->status != WEFT_OK || b->g->values[x].type.dtype == dtype) return x;
    return weft_bn(b, "cast", name, &x, 1, &(struct weft_arg){.name = "to", .x = dtype}, 1);
}

weft_value weft_ops_b1(struct weft_build *b, const char *name, const char *op, weft_value x) {
    return weft_bn(b, op, name, &x, 1, NULL, 0);
}

weft_value weft_ops_b2(struct weft_build *b, const char *name, const char *op, weft_value x, weft_value y) {
    return weft_bn(b, op, name, (weft_value[]){x, y}, 2, NULL, 0);
}

weft_value weft_ops_reduce(struct weft_build *b, const char *name, const char *op, weft_value x, uint32_t axis) {
    const int64_t axes[] = {axis};
    bool last = b->status == WEFT_OK && axis + 1 == b->g->values[x].type.rank; // what no list says
    return weft_bn(b, op, name, &x, 1, &(struct weft_arg){.name = "axes", .ints = axes, .n = 1}, !last);
}

weft_value weft_ops_reshape(struct weft_build *b, const char *name, weft_value x, const weft_dim *dims, uint32_t rank) {
    return weft_bn(b, "reshape", name, &x, 1, &(struct weft_arg){.name = "shape", .dims = dims, .n = rank}, 1);
}

int64_t weft_ops_around(const struct weft_host *t, int64_t axis, int64_t *outer, int64_t *inner) {
    if (axis < 0) axis += t->rank;
    *outer = *inner = 1;
    for (int64_t i = 0; i < axis; i++) *outer *= t->shape[i];
    for (int64_t i = axis + 1; i < t->rank; i++) *inner *= t->shape[i];
    return axis;
}

int64_t weft_ops_row(double id, int64_t rows) {
    int64_t row = (int64_t)id + (id < 0 ? rows : 0);
    return row < 0 ? 0 : row >= rows ? rows - 1 : row;
}

void weft_ops_rows(const struct weft_host *t, int64_t *rows, int64_t *last) {
    *last = t->rank ? t->shape[t->rank - 1] : 1;
    *rows = 1;
    for (uint32_t i = 0; i + 1 < t->rank; i++) *rows *= t->shape[i];
}

const double *weft_ops_dense(const struct weft_host *t, double **owned) {
    *owned = NULL;
    if (t->data) return t->data;
    int64_t rows, last;
    weft_ops_rows(t, &rows, &last);
    double *data = *owned = weft_alloc((size_t)(rows * last) * sizeof *data);
    for (int64_t r = 0; data && r < rows; r++) {
        const double *row = weft_host_row(t, r, data + r * last);
        if (row != data + r * last) memcpy(data + r * last, row, (size_t)last * sizeof *row);
    }
    return data;
}

int64_t weft_ops_position(const struct weft_host *var, int64_t i) {
    return var->data[i] < WEFT_MOST_POSITION ? (int64_t)var->data[i] : WEFT_MOST_POSITION;
}
