/// Computes what depends on constants alone, once, by the operators' host references: kernels hold results, never
/// expressions, so infinities and NaN of constants mean the same on every device.
///
///     c = const 100; y = exp c   becomes   y = const inf
///
/// What is not folded: operators of states and random ones; results of many elements, or of many more than went in,
/// since they would be memory instead of work; quantised results; bits that a double does not hold (a signalling NaN).
/// Results keep their type.
#include "compile/passes.h"
#include "core/alloc.h"
#include "core/error.h"
#include "ir/rewrite.h"
#include <string.h>

/// Elements of operands and of results; results may always have a few.
enum { MOST = 65536, FEW = 1024 };

static weft_status no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory while folding constants"); }

/// Elements of a type, -1 where its shape depends on symbols or they are too many.
static int64_t count_of(const struct weft_graph *g, const struct weft_type *t) {
    int64_t count = 1, d;
    for (uint32_t i = 0; i < t->rank; i++) {
        if (!weft_dim_is_const(g->dims, t->dims[i], &d) || d < 0 || d > MOST) return -1;
        count *= d;
        if (count > MOST) return -1;
    }
    return count;
}

static bool attrs_are_const(const struct weft_graph *g, const struct weft_node *n) {
    int64_t x;
    for (uint32_t i = 0; i < WEFT_MAX_ATTRS && n->op->attrs[i].name; i++) {
        const struct weft_attr *a = &n->attrs[i];
        if (n->op->attrs[i].type == WEFT_ATTR_DIM && !weft_dim_is_const(g->dims, a->d, &x)) return false;
        for (uint32_t k = 0; n->op->attrs[i].type == WEFT_ATTR_DIMS && k < a->n; k++)
            if (!weft_dim_is_const(g->dims, a->dims[k], &x)) return false;
    }
    return true;
}

/// A view of constants is their bytes under another type. One that is an output stays: it is what is copied.
static bool folds(const struct weft_graph *g, const struct weft_node *n) {
    int64_t in = 0, out = 0;
    if (!weft_rewrite_pure(n) || !n->op->eval || !n->n_in || !attrs_are_const(g, n)) return false;
    if (n->op->view && g->values[n->out[0]].is_output) return false;
    for (uint32_t k = 0; k < n->n_in; k++) {
        const struct weft_value_info *x = &g->values[n->in[k]];
        int64_t count = x->kind == WEFT_VALUE_CONST ? count_of(g, &x->type) : -1;
        if (count < 0 || (in += count) > MOST) return false;
    }
    for (uint32_t k = 0; k < n->n_out; k++) {
        const struct weft_type *t = &g->values[n->out[k]].type;
        int64_t count = count_of(g, t);
        if (count < 0 || (out += count) > MOST) return false;
        if (weft_dtype_info(t->dtype)->quantised && n->op->view != WEFT_VIEW_SAME) return false;
    }
    return out <= FEW || out <= in;
}

// ---- evaluation ----------------------------------------------------------------------------------------------------

struct folded {
    struct weft_host in[WEFT_MAX_INS], out[WEFT_MAX_OUTS];
    void *bytes[WEFT_MAX_OUTS];
    uint64_t size[WEFT_MAX_OUTS];
};

static bool make_host(const struct weft_graph *g, const struct weft_type *t, struct weft_host *h) {
    *h = (struct weft_host){.dtype = t->dtype, .rank = t->rank};
    for (uint32_t i = 0; i < t->rank; i++) weft_dim_is_const(g->dims, t->dims[i], &h->shape[i]);
    h->data = weft_calloc((size_t)weft_host_count(h) + 1, sizeof *h->data);
    return h->data != NULL;
}

/// True if the doubles are the constant, bit for bit.
static bool decode(const struct weft_value_info *x, struct weft_host *h, bool *exact) {
    const struct weft_dtype_info *dtype = weft_dtype_info(x->type.dtype);
    int64_t n = weft_host_count(h);
    dtype->decode(x->data, n, h->data);
    if (dtype->quantised) return true;
    void *again = weft_alloc((size_t)x->data_size + 1);
    if (!again) return false;
    weft_dtype_encode(x->type.dtype, h->data, n, again);
    *exact = *exact && memcmp(again, x->data, (size_t)x->data_size) == 0;
    weft_free(again);
    return true;
}

/// *done: the results are there. What the host reference refuses stays, and is refused, or not, where it runs.
static weft_status evaluate(const struct weft_graph *g, const struct weft_node *n, struct folded *f, bool *done) {
    static const int64_t symbols[WEFT_MAX_SYMBOLS];
    bool exact = true;
    for (uint32_t k = 0; k < n->n_in; k++) {
        const struct weft_value_info *x = &g->values[n->in[k]];
        if (!make_host(g, &x->type, &f->in[k]) || !decode(x, &f->in[k], &exact)) return no_memory();
    }
    for (uint32_t k = 0; k < n->n_out; k++)
        if (!make_host(g, &g->values[n->out[k]].type, &f->out[k])) return no_memory();
    struct weft_eval e = {.node = n,
                          .attrs = n->attrs,
                          .symbols = symbols,
                          .dims = g->dims,
                          .n_in = n->n_in,
                          .n_out = n->n_out,
                          .in = f->in,
                          .out = f->out};
    weft_status status = exact ? n->op->eval(&e) : WEFT_OK;
    if (status == WEFT_ERR_NOMEM) return status;
    if (status != WEFT_OK) weft_error_clear();
    if (status != WEFT_OK || !exact) return WEFT_OK;
    for (uint32_t k = 0; k < n->n_out; k++) {
        uint64_t count = (uint64_t)weft_host_count(&f->out[k]);
        f->size[k] = weft_dtype_bytes(f->out[k].dtype, count);
        f->bytes[k] = weft_alloc((size_t)f->size[k] + 1);
        if (!f->bytes[k]) return no_memory();
        weft_dtype_encode(f->out[k].dtype, f->out[k].data, (int64_t)count, f->bytes[k]);
    }
    *done = true;
    return WEFT_OK;
}

static void free_folded(struct folded *f) {
    for (uint32_t k = 0; k < WEFT_MAX_INS; k++) weft_free(f->in[k].data);
    for (uint32_t k = 0; k < WEFT_MAX_OUTS; k++) {
        weft_free(f->out[k].data);
        weft_free(f->bytes[k]);
    }
}

// ---- the pass ------------------------------------------------------------------------------------------------------

static weft_status put_const(struct weft_rewrite *r, uint32_t i, uint32_t k, const void *bytes, uint64_t size) {
    struct weft_graph *g = r->g;
    weft_value out = g->nodes[i].out[k], c;
    if (!weft_rewrite_used(r, out)) return WEFT_OK;
    WEFT_TRY(weft_graph_const(g, g->values[out].type, bytes, size, &c));
    WEFT_TRY(weft_rewrite_take(r, i, NULL));
    return weft_rewrite_replace(r, out, c, i);
}

static weft_status fold(struct weft_rewrite *r, uint32_t i) {
    struct weft_graph *g = r->g;
    const struct weft_node n = g->nodes[i]; // the array may move
    struct folded f = {0};
    bool done = false;
    weft_status status = WEFT_OK;
    if (!folds(g, &n)) return WEFT_OK;
    if (n.op->view == WEFT_VIEW_SAME || n.op->view == WEFT_VIEW_BITS) {
        const struct weft_value_info x = g->values[n.in[0]];
        status = put_const(r, i, 0, x.data, x.data_size);
        done = true;
    } else {
        status = evaluate(g, &n, &f, &done);
        for (uint32_t k = 0; k < n.n_out && done && status == WEFT_OK; k++)
            status = put_const(r, i, k, f.bytes[k], f.size[k]);
    }
    if (done && status == WEFT_OK) weft_rewrite_kill(r, i);
    free_folded(&f);
    return status;
}

weft_status weft_pass_fold(struct weft_graph *g) {
    struct weft_rewrite r;
    weft_status status = WEFT_OK;
    WEFT_TRY(weft_rewrite_begin(g, &r));
    for (uint32_t i; status == WEFT_OK && (i = weft_rewrite_next(&r)) != WEFT_NO_NODE;) status = fold(&r, i);
    return weft_rewrite_end(&r, status);
}
