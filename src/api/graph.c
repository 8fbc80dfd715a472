/// weft/graph.h: building graphs as users do, on the calls that the model builders use.
#include "core/alloc.h"
#include "core/error.h"
#include "api/impl.h"
#include "ir/graph.h"
#include "ops/ops.h"
#include <inttypes.h>
#include <string.h>

// ---- life ----------------------------------------------------------------------------------------------------------

weft_status weft_graph_new(weft_graph **out) {
    return out ? weft_graph_create(weft_ops(), out) : weft_api_null("weft_graph_new", "out");
}

void weft_graph_free(weft_graph **graph) {
    if (!graph) return;
    weft_graph_destroy(*graph);
    *graph = NULL;
}

weft_status weft_graph_parse_text(const char *text, size_t length, weft_graph **out) {
    if (!out) return weft_api_null("weft_graph_parse_text", "out");
    *out = NULL;
    if (!text) return weft_api_null("weft_graph_parse_text", "text");
    return weft_graph_parse(weft_ops(), text, length, out);
}

weft_status weft_graph_print_text(const weft_graph *graph, char *text, size_t capacity, size_t *length) {
    struct weft_str s = {0};
    if (!graph) return weft_api_null("weft_graph_print_text", "graph");
    weft_status status = weft_graph_print(graph, &s);
    if (status == WEFT_OK) return weft_api_text(&s, text, capacity, length);
    weft_str_free(&s);
    return status;
}

// ---- sizes ---------------------------------------------------------------------------------------------------------

weft_status weft_graph_symbol(weft_graph *graph, const char *name, int64_t lo, int64_t hi) {
    uint64_t before = weft_alloc_failures();
    if (!graph || !name) return weft_api_null("weft_graph_symbol", graph ? "name" : "graph");
    if (weft_dims_symbol_find(graph->dims, name) >= 0)
        return weft_fail(WEFT_ERR_INVALID, "symbol %s is declared twice", name);
    if (lo >= 0 && weft_dim_symbol(graph->dims, name, lo, hi) != WEFT_DIM_BAD) return WEFT_OK;
    return weft_blame_memory(before, weft_fail(WEFT_ERR_INVALID,
                                               "'%s' can't be a symbol from %" PRId64 " to %" PRId64
                                               " (a plain word, bounds from 0 in order, at most %d symbols)",
                                               name, lo, hi, WEFT_MAX_SYMBOLS));
}

weft_status weft_graph_relation(weft_graph *graph, const char *expression, int64_t max) {
    weft_dim d;
    uint64_t before = weft_alloc_failures();
    if (!graph || !expression) return weft_api_null("weft_graph_relation", graph ? "expression" : "graph");
    weft_status status = weft_dim_parse(graph->dims, expression, strlen(expression), &d);
    if (status == WEFT_OK) status = weft_dim_relate(graph->dims, d, max);
    return weft_blame_memory(before, status);
}

// ---- leaves --------------------------------------------------------------------------------------------------------

/// Type of a leaf from its text; `name` is for the message.
static weft_status leaf_type(weft_graph *g, const char *name, weft_dtype dtype, const char *shape, weft_value *out,
                             struct weft_type *type) {
    if (out) *out = WEFT_NO_VALUE;
    if (!g || !name || !shape || !out)
        return weft_api_null(name ? name : "a leaf", !g ? "graph" : !name ? "name" : !shape ? "shape" : "out");
    if ((unsigned)dtype >= WEFT_DTYPE_COUNT)
        return weft_fail(WEFT_ERR_INVALID, "'%s' has an unknown element type %d", name, (int)dtype);
    struct weft_str text = {0};
    uint64_t before = weft_alloc_failures();
    weft_str_addf(&text, "%s [%s]", weft_dtype_name(dtype), shape);
    weft_status status = text.failed ? weft_fail(WEFT_ERR_NOMEM, "out of memory while building a graph")
                                     : weft_type_parse(g, text.data, type);
    weft_str_free(&text);
    return weft_fail_in(weft_blame_memory(before, status), "'%s' of shape [%s]", name, shape);
}

weft_status weft_graph_add_input(weft_graph *graph, const char *name, weft_dtype dtype, const char *shape,
                                 weft_value *out) {
    struct weft_type type;
    WEFT_TRY(leaf_type(graph, name, dtype, shape, out, &type));
    if (weft_dtype_info(dtype)->quantised)
        return weft_fail(WEFT_ERR_INVALID, "input '%s': an input can't have the quantised type %s", name,
                         weft_dtype_name(dtype));
    return weft_graph_input(graph, name, type, out);
}

weft_status weft_graph_add_weight(weft_graph *graph, const char *name, weft_dtype dtype, const char *shape,
                                  weft_value *out) {
    struct weft_type type;
    WEFT_TRY(leaf_type(graph, name, dtype, shape, out, &type));
    return weft_graph_weight(graph, name, type, out);
}

weft_status weft_graph_add_state(weft_graph *graph, const char *name, enum weft_state_kind kind, weft_dtype dtype,
                                 const char *shape, weft_value *out) {
    struct weft_type type;
    WEFT_TRY(leaf_type(graph, name, dtype, shape, out, &type));
    if (kind == WEFT_STATE_VAR)
        return weft_fail(WEFT_ERR_INVALID, "state '%s': variables are made by weft_graph_add_variable", name);
    if (kind != WEFT_STATE_DENSE && kind != WEFT_STATE_RING && kind != WEFT_STATE_PAGED)
        return weft_fail(WEFT_ERR_INVALID, "state '%s' has an unknown kind %d", name, (int)kind);
    return weft_graph_state(graph, name, type, kind, out);
}

weft_status weft_graph_add_variable(weft_graph *graph, const char *name, weft_dtype dtype, int64_t lo, int64_t hi,
                                    weft_value *out) {
    struct weft_type scalar;
    WEFT_TRY(leaf_type(graph, name, dtype, "", out, &scalar));
    return weft_graph_var(graph, name, dtype, lo, hi, out);
}

weft_status weft_graph_add_variables(weft_graph *graph, const char *name, weft_dtype dtype, uint32_t count, int64_t lo,
                                     int64_t hi, weft_value *out) {
    struct weft_type scalar;
    WEFT_TRY(leaf_type(graph, name, dtype, "", out, &scalar));
    return weft_graph_vars(graph, name, dtype, count, lo, hi, out);
}

weft_status weft_graph_add_const(weft_graph *graph, weft_dtype dtype, const char *shape, const void *data,
                                 uint64_t bytes, weft_value *out) {
    struct weft_type type;
    WEFT_TRY(leaf_type(graph, "a constant", dtype, shape, out, &type));
    if (!data && bytes) return weft_api_null("weft_graph_add_const", "data");
    return weft_graph_const(graph, type, data, bytes, out);
}

weft_status weft_graph_add_scalar(weft_graph *graph, float value, weft_value *out) {
    if (!graph || !out) return weft_api_null("weft_graph_add_scalar", graph ? "out" : "graph");
    return weft_graph_const_f32(graph, value, out);
}

// ---- operators and outputs -----------------------------------------------------------------------------------------

const char *weft_operator_name(size_t index) {
    const struct weft_op *const *ops = weft_ops()->ops;
    for (size_t i = 0; ops[i]; i++)
        if (i == index) return ops[i]->name;
    return NULL;
}

static weft_status find_op(const char *name, const struct weft_op **out) {
    *out = weft_op_find(weft_ops(), name);
    return *out ? WEFT_OK
                : weft_fail(WEFT_ERR_NOT_FOUND, "there is no operator '%s'; weft_operator_name lists them", name);
}

/// Such as "eps: float = 1e-06, 0 to 1".
static void describe_attr(const struct weft_attr_desc *d, struct weft_str *s) {
    static const char *const types[] = {
        [WEFT_ATTR_INT] = "integer", [WEFT_ATTR_FLOAT] = "float",   [WEFT_ATTR_ENUM] = "",
        [WEFT_ATTR_DIM] = "dim",     [WEFT_ATTR_INTS] = "integers", [WEFT_ATTR_DIMS] = "dims"};
    bool list = d->type == WEFT_ATTR_INTS || d->type == WEFT_ATTR_DIMS;
    weft_str_addf(s, "; %s: %s", d->name, d->type == WEFT_ATTR_ENUM ? d->choices : types[d->type]);
    if (d->required) weft_str_add(s, ", required");
    else if (d->type == WEFT_ATTR_ENUM) weft_str_addf(s, " (choice %d if left out)", (int)d->dflt);
    else if (!list) weft_str_addf(s, " = %g", d->dflt);
    if (d->type != WEFT_ATTR_ENUM && (d->lo != 0 || d->hi != 0)) weft_str_addf(s, ", %g to %g", d->lo, d->hi);
}

weft_status weft_operator_describe(const char *name, char *text, size_t capacity, size_t *length) {
    const struct weft_op *op;
    struct weft_str s = {0};
    if (!name) return weft_api_null("weft_operator_describe", "name");
    WEFT_TRY(find_op(name, &op));
    weft_str_addf(&s, "%s: %u", op->name, op->n_in_min);
    if (op->n_in_max != op->n_in_min) weft_str_addf(&s, " to %u", op->n_in_max);
    weft_str_addf(&s, op->n_out_of ? " in, 1 to %u out, as many as %s has" : " in, %u out", op->n_out, op->n_out_of);
    for (int i = 0; i < WEFT_MAX_ATTRS && op->attrs[i].name; i++) describe_attr(&op->attrs[i], &s);
    return weft_api_text(&s, text, capacity, length);
}

weft_status weft_graph_add_op(weft_graph *graph, const char *op, const weft_value *inputs, size_t n_inputs,
                              const char *attributes, weft_value *outputs) {
    const struct weft_op *row;
    struct weft_attr attrs[WEFT_MAX_ATTRS];
    uint64_t before = weft_alloc_failures();
    if (!graph || !op || !outputs) return weft_api_null("weft_graph_add_op", !graph ? "graph" : !op ? "op" : "outputs");
    if (n_inputs && !inputs) return weft_api_null("weft_graph_add_op", "inputs");
    WEFT_TRY(find_op(op, &row));
    if (n_inputs > WEFT_MAX_INS)
        return weft_fail(WEFT_ERR_INVALID, "%s: %zu inputs; no operator has more than %d", op, n_inputs, WEFT_MAX_INS);
    weft_status status = weft_fail_in(weft_attrs_parse(graph, row, attributes ? attributes : "", attrs), "%s", op);
    for (uint32_t k = 0; k < (status == WEFT_OK || !row->n_out_of ? weft_op_outputs(row, attrs) : 0); k++)
        outputs[k] = WEFT_NO_VALUE;
    if (status == WEFT_OK) status = weft_graph_add_raw(graph, row, NULL, inputs, (uint32_t)n_inputs, attrs, outputs);
    return weft_blame_memory(before, status);
}

weft_status weft_graph_add_output(weft_graph *graph, weft_value value, const char *name) {
    if (!graph || !name) return weft_api_null("weft_graph_add_output", graph ? "name" : "graph");
    return weft_graph_output(graph, value, name);
}
