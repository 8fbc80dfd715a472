/// A few operators to test the IR with: just enough to have broadcasting, a reduction, encoded weights, every kind of
/// attribute, several outputs, a view and writers of states.
#ifndef WEFT_TESTS_IR_TINY_OPS_H
#define WEFT_TESTS_IR_TINY_OPS_H
#include "core/alloc.h"
#include "core/error.h"
#include "ir/graph.h"
#include <stdlib.h>
#include <string.h>

/// The last version of the state of which `v` is a version.
static inline weft_value tiny_latest(const struct weft_graph *g, weft_value v) {
    if (v >= g->n_values || g->values[v].state == UINT32_MAX) return WEFT_NO_VALUE;
    uint32_t state = g->values[v].state;
    for (size_t i = g->n_nodes; i-- > 0;) {
        const struct weft_node *n = &g->nodes[i];
        for (uint32_t k = 0; !n->dead && k < n->n_out; k++)
            if (weft_node_writes(g, n, k) && g->values[n->out[k]].state == state) return n->out[k];
    }
    return g->states[state];
}

static inline bool tiny_is_one(struct weft_graph *g, weft_dim d) {
    int64_t x;
    return weft_dim_is_const(g->dims, d, &x) && x == 1;
}

// Same rank, or the second has rank 0; an axis of 1 is repeated.
static inline weft_status tiny_broadcast_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                               const struct weft_attr *attrs, struct weft_type *out) {
    (void)attrs;
    *out = in[0];
    for (uint32_t k = 1; k < n_in; k++) {
        if (in[k].rank == 0) continue;
        if (in[k].rank != out->rank) return weft_fail(WEFT_ERR_INVALID, "operand %u has another rank", k);
        for (uint32_t i = 0; i < out->rank; i++) {
            if (tiny_is_one(g, in[k].dims[i])) continue;
            if (tiny_is_one(g, out->dims[i])) out->dims[i] = in[k].dims[i];
            else if (out->dims[i] != in[k].dims[i])
                return weft_fail(WEFT_ERR_INVALID, "operand %u has another shape", k);
        }
    }
    return WEFT_OK;
}

static inline double tiny_at(const struct weft_host *t, const struct weft_host *like, int64_t index) {
    int64_t at = 0, stride = 1;
    for (uint32_t i = t->rank; i-- > 0;) {
        int64_t k = index % like->shape[i];
        index /= like->shape[i];
        at += (t->shape[i] == 1 ? 0 : k) * stride;
        stride *= t->shape[i];
    }
    return t->data[at];
}

static inline weft_status tiny_add_eval(const struct weft_eval *e) {
    for (int64_t i = 0; i < weft_host_count(e->out); i++)
        e->out[0].data[i] = tiny_at(&e->in[0], e->out, i) + tiny_at(&e->in[1], e->out, i);
    return WEFT_OK;
}

static inline weft_status tiny_mul_eval(const struct weft_eval *e) {
    for (int64_t i = 0; i < weft_host_count(e->out); i++)
        e->out[0].data[i] = tiny_at(&e->in[0], e->out, i) * tiny_at(&e->in[1], e->out, i);
    return WEFT_OK;
}

static inline weft_status tiny_cast_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                          const struct weft_attr *attrs, struct weft_type *out) {
    (void)g, (void)n_in;
    *out = in[0];
    out->dtype = attrs[0].i == 1 ? WEFT_F16 : attrs[0].i == 2 ? WEFT_BF16 : WEFT_F32;
    return WEFT_OK;
}

// f * x + i
static inline weft_status tiny_cast_eval(const struct weft_eval *e) {
    for (int64_t i = 0; i < weft_host_count(e->out); i++)
        e->out[0].data[i] = e->attrs[1].f * e->in[0].data[i] + (double)e->attrs[2].i;
    return WEFT_OK;
}

static inline weft_status tiny_sum_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                         const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in, (void)attrs;
    if (in[0].rank == 0) return weft_fail(WEFT_ERR_INVALID, "the operand has no axis");
    *out = in[0];
    out->dims[out->rank - 1] = weft_dim_const(g->dims, 1);
    return WEFT_OK;
}

static inline weft_status tiny_sum_eval(const struct weft_eval *e) {
    int64_t columns = e->in[0].shape[e->in[0].rank - 1];
    for (int64_t r = 0; r < weft_host_count(e->out); r++)
        for (int64_t c = 0; c < columns; c++) e->out[0].data[r] += weft_host_row(&e->in[0], r, NULL)[c];
    return WEFT_OK;
}

// y[T, N] = x[T, K] w[N, K]
static inline weft_status tiny_matmul_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                            const struct weft_attr *attrs, struct weft_type *out) {
    (void)g, (void)n_in, (void)attrs;
    if (in[0].rank != 2 || in[1].rank != 2 || in[0].dims[1] != in[1].dims[1])
        return weft_fail(WEFT_ERR_INVALID, "the columns of both operands must agree");
    *out = (struct weft_type){.dtype = WEFT_F32, .rank = 2, .dims = {in[0].dims[0], in[1].dims[0]}};
    return WEFT_OK;
}

static inline weft_status tiny_matmul_eval(const struct weft_eval *e) {
    const struct weft_host *x = &e->in[0], *w = &e->in[1];
    double *row = weft_alloc((size_t)w->shape[1] * sizeof *row);
    if (!row) return weft_fail(WEFT_ERR_NOMEM, "out of memory");
    for (int64_t n = 0; n < w->shape[0]; n++) {
        const double *weights = weft_host_row(w, n, row);
        for (int64_t t = 0; t < x->shape[0]; t++)
            for (int64_t k = 0; k < x->shape[1]; k++)
                e->out[0].data[t * w->shape[0] + n] += x->data[t * x->shape[1] + k] * weights[k];
    }
    weft_free(row);
    return WEFT_OK;
}

static inline weft_status tiny_split_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                           const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    if (in[0].rank == 0) return weft_fail(WEFT_ERR_INVALID, "the operand has no axis");
    out[0] = out[1] = in[0];
    out[0].dims[0] = attrs[0].d;
    out[1].dims[0] = weft_dim_sub(g->dims, in[0].dims[0], attrs[0].d);
    return WEFT_OK;
}

static inline weft_status tiny_split_eval(const struct weft_eval *e) {
    size_t n = (size_t)weft_host_count(&e->out[0]), m = (size_t)weft_host_count(&e->out[1]);
    memcpy(e->out[0].data, e->in[0].data, n * sizeof(double));
    memcpy(e->out[1].data, e->in[0].data + n, m * sizeof(double));
    return WEFT_OK;
}

static inline weft_status tiny_reshape_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                             const struct weft_attr *attrs, struct weft_type *out) {
    (void)g, (void)n_in;
    *out = (struct weft_type){.dtype = in[0].dtype, .rank = attrs[0].n};
    for (uint32_t i = 0; i < attrs[0].n; i++) out->dims[i] = attrs[0].dims[i];
    return WEFT_OK;
}

static inline weft_status tiny_copy_eval(const struct weft_eval *e) {
    memcpy(e->out[0].data, e->in[0].data, (size_t)weft_host_count(e->out) * sizeof(double));
    return WEFT_OK;
}

static inline weft_status tiny_state_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                           const struct weft_attr *attrs, struct weft_type *out) {
    (void)g, (void)n_in, (void)attrs;
    *out = in[0];
    return WEFT_OK;
}

// append(state [C, D], rows [T, D], pos): row i goes to (pos + i) mod C
static inline weft_status tiny_append_eval(const struct weft_eval *e) {
    int64_t capacity = e->in[0].shape[0], width = e->in[0].shape[1], pos = (int64_t)e->in[2].data[0];
    for (int64_t i = 0; i < e->in[1].shape[0]; i++)
        memcpy(e->out[0].data + (pos + i) % capacity * width, e->in[1].data + i * width,
               (size_t)width * sizeof(double));
    return WEFT_OK;
}

// advance(var, n): var + n; swap(a, b): both states change places
static inline weft_status tiny_advance_eval(const struct weft_eval *e) {
    e->out[0].data[0] += (double)weft_dim_eval(e->dims, e->attrs[0].d, e->symbols);
    return WEFT_OK;
}

static inline weft_status tiny_swap_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                          const struct weft_attr *attrs, struct weft_type *out) {
    (void)g, (void)n_in, (void)attrs;
    out[0] = in[0];
    out[1] = in[1];
    return WEFT_OK;
}

static inline weft_status tiny_swap_eval(const struct weft_eval *e) {
    for (int64_t i = 0; i < weft_host_count(e->out); i++) {
        double x = e->out[0].data[i];
        e->out[0].data[i] = e->out[1].data[i];
        e->out[1].data[i] = x;
    }
    return WEFT_OK;
}

// state_write(state, value): all of it
static inline weft_status tiny_write_eval(const struct weft_eval *e) {
    memcpy(e->out[0].data, e->in[1].data, (size_t)weft_host_count(e->out) * sizeof(double));
    return WEFT_OK;
}

static inline weft_status tiny_fail_eval(const struct weft_eval *e) {
    (void)e;
    return weft_fail(WEFT_ERR_INVALID, "this operator always fails");
}

static const struct weft_op tiny_add = {.name = "add",
                                        .n_in_min = 2,
                                        .n_in_max = 2,
                                        .n_out = 1,
                                        .traits = WEFT_OP_ELEMENTWISE,
                                        .infer = tiny_broadcast_infer,
                                        .eval = tiny_add_eval};
static const struct weft_op tiny_mul = {.name = "mul",
                                        .n_in_min = 2,
                                        .n_in_max = 2,
                                        .n_out = 1,
                                        .traits = WEFT_OP_ELEMENTWISE,
                                        .infer = tiny_broadcast_infer,
                                        .eval = tiny_mul_eval};
static const struct weft_op tiny_cast = {.name = "cast",
                                         .n_in_min = 1,
                                         .n_in_max = 1,
                                         .n_out = 1,
                                         .traits = WEFT_OP_ELEMENTWISE,
                                         .infer = tiny_cast_infer,
                                         .eval = tiny_cast_eval,
                                         .attrs = {{"to", WEFT_ATTR_ENUM, true, 0, 0, 0, "f32|f16|bf16"},
                                                   {"k", WEFT_ATTR_FLOAT, false, 1, -100, 100, NULL},
                                                   {"bias", WEFT_ATTR_INT, false, 0, -5, 5, NULL}}};
static const struct weft_op tiny_sum = {.name = "sum",
                                        .n_in_min = 1,
                                        .n_in_max = 1,
                                        .n_out = 1,
                                        .reduce = WEFT_REDUCE_SUM,
                                        .infer = tiny_sum_infer,
                                        .eval = tiny_sum_eval};
static const struct weft_op tiny_matmul = {.name = "matmul",
                                           .n_in_min = 2,
                                           .n_in_max = 2,
                                           .n_out = 1,
                                           .traits = WEFT_OP_CONTRACT,
                                           .infer = tiny_matmul_infer,
                                           .eval = tiny_matmul_eval};
static const struct weft_op tiny_split = {.name = "split",
                                          .n_in_min = 1,
                                          .n_in_max = 1,
                                          .n_out = 2,
                                          .infer = tiny_split_infer,
                                          .eval = tiny_split_eval,
                                          .attrs = {{"at", WEFT_ATTR_DIM, false, 1, 0, 0, NULL}}};
static const struct weft_op tiny_reshape = {
    .name = "reshape",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .view = WEFT_VIEW_SAME,
    .infer = tiny_reshape_infer,
    .eval = tiny_copy_eval,
    .attrs = {{"shape", WEFT_ATTR_DIMS, true, 0, 0, 0, NULL}, {"marks", WEFT_ATTR_INTS, false, 0, -9, 9, NULL}}};
static const struct weft_op tiny_append = {.name = "append",
                                           .n_in_min = 3,
                                           .n_in_max = 3,
                                           .n_out = 1,
                                           .states = {{WEFT_TOUCH_PART, .operand = 0}},
                                           .infer = tiny_state_infer,
                                           .eval = tiny_append_eval};
static const struct weft_op tiny_advance = {.name = "advance",
                                            .n_in_min = 1,
                                            .n_in_max = 1,
                                            .n_out = 1,
                                            .states = {{WEFT_TOUCH_ADVANCE, .operand = 0, .attr = 0}},
                                            .infer = tiny_state_infer,
                                            .eval = tiny_advance_eval,
                                            .attrs = {{"by", WEFT_ATTR_DIM, false, 1, 0, 0, NULL}}};
static const struct weft_op tiny_swap = {.name = "swap",
                                         .n_in_min = 2,
                                         .n_in_max = 2,
                                         .n_out = 2,
                                         .states = {{WEFT_TOUCH_PART, .operand = 0, .must_be_state = true},
                                                    {WEFT_TOUCH_PART, .operand = 1, .must_be_state = true}},
                                         .infer = tiny_swap_infer,
                                         .eval = tiny_swap_eval};
static const struct weft_op tiny_write = {.name = "state_write",
                                          .n_in_min = 2,
                                          .n_in_max = 2,
                                          .n_out = 1,
                                          .states = {{WEFT_TOUCH_WHOLE, .operand = 0}},
                                          .infer = tiny_state_infer,
                                          .eval = tiny_write_eval};
static const struct weft_op tiny_fail = {
    .name = "fail", .n_in_min = 1, .n_in_max = 1, .n_out = 1, .infer = tiny_state_infer, .eval = tiny_fail_eval};

static const struct weft_op *const tiny_list[] = {&tiny_add,   &tiny_mul,     &tiny_cast,   &tiny_sum,     &tiny_matmul,
                                                  &tiny_split, &tiny_reshape, &tiny_append, &tiny_advance, &tiny_swap,
                                                  &tiny_write, &tiny_fail,    NULL};
static const struct weft_op_set tiny_ops = {.ops = tiny_list};
#endif
