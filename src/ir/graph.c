// Building graphs: leaves, nodes, outputs, and the short forms that model builders use.
#include "core/alloc.h"
#include "core/error.h"
#include "ir/graph_impl.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

static weft_status no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory while building a graph"); }

weft_status weft_graph_create(const struct weft_op_set *ops, struct weft_graph **out) {
    *out = NULL;
    struct weft_graph *g = weft_calloc(1, sizeof *g);
    if (!g) return no_memory();
    g->ops = ops;
    g->dims = weft_dims_create();
    if (!g->dims) {
        weft_free(g);
        return no_memory();
    }
    *out = g;
    return WEFT_OK;
}

void weft_graph_destroy(struct weft_graph *g) {
    if (!g) return;
    weft_map_free(&g->names);
    weft_free(g->values);
    weft_free(g->nodes);
    weft_free(g->states);
    weft_free(g->pairs);
    weft_free(g->guards);
    weft_dims_destroy(g->dims);
    weft_arena_free(&g->arena);
    weft_free(g);
}

const struct weft_op *weft_op_find(const struct weft_op_set *set, const char *name) {
    for (size_t i = 0; set && set->ops[i]; i++)
        if (strcmp(set->ops[i]->name, name) == 0) return set->ops[i];
    return NULL;
}

uint32_t weft_op_outputs(const struct weft_op *op, const struct weft_attr *attrs) {
    for (uint32_t i = 0; op->n_out_of && i < WEFT_MAX_ATTRS && op->attrs[i].name; i++)
        if (strcmp(op->attrs[i].name, op->n_out_of) == 0) return attrs[i].n <= op->n_out ? attrs[i].n : 0;
    return op->n_out;
}

// ---- types

void weft_type_print(const struct weft_dims *dims, const struct weft_type *type, struct weft_str *out) {
    weft_str_addf(out, "%s [", weft_dtype_name(type->dtype));
    for (uint32_t i = 0; i < type->rank && i < WEFT_MAX_RANK; i++) {
        if (i) weft_str_add(out, ", ");
        weft_dim_print(dims, type->dims[i], out);
    }
    weft_str_add(out, "]");
}

int64_t weft_type_const_count(const struct weft_dims *dims, const struct weft_type *type) {
    int64_t count = 1, d;
    for (uint32_t i = 0; i < type->rank; i++)
        if (!weft_dim_is_const(dims, type->dims[i], &d) || d < 0 || __builtin_mul_overflow(count, d, &count)) return -1;
    return count;
}

weft_status weft_type_check(const struct weft_dims *dims, const struct weft_type *type, const char *what) {
    const struct weft_dtype_info *info = weft_dtype_info(type->dtype);
    if (!info) return weft_fail(WEFT_ERR_INVALID, "%s has an unknown element type %d", what, (int)type->dtype);
    if (type->rank > WEFT_MAX_RANK)
        return weft_fail(WEFT_ERR_INVALID, "%s has %u axes; at most %d are allowed", what, type->rank, WEFT_MAX_RANK);
    for (uint32_t i = 0; i < type->rank; i++) {
        int64_t lo, hi;
        if (!weft_dim_valid(dims, type->dims[i]))
            return weft_fail(WEFT_ERR_INVALID, "%s: axis %u is not a valid dim (it overflowed, or is of another graph)",
                             what, i);
        weft_dim_bounds(dims, type->dims[i], &lo, &hi);
        if (hi < 0) return weft_fail(WEFT_ERR_INVALID, "%s: axis %u is never above %" PRId64, what, i, hi);
    }
    return WEFT_OK;
}

// ---- leaves

static weft_status reserve_values(struct weft_graph *g, size_t more) {
    void *items = g->values;
    if (!weft_grow(&items, &g->cap_values, g->n_values + more, sizeof *g->values)) return no_memory();
    g->values = items;
    return WEFT_OK;
}

/// A size that may come out below zero, such as 8-T, is a matter of the sizes that are set: it becomes a guard.
static weft_status guard_leaf(struct weft_graph *g, const char *name, const struct weft_type *type) {
    for (uint32_t i = 0; i < type->rank; i++) {
        size_t first = g->n_guards;
        WEFT_TRY(weft_graph_guard(g, 0, type->dims[i], UINT32_MAX, "the smallest size is", "an axis has size"));
        if (g->n_guards == first) continue;
        g->guards[first].who = weft_arena_printf(&g->arena, "'%s'", name);
        if (!g->guards[first].who) return no_memory();
    }
    return WEFT_OK;
}

weft_status weft_graph_leaf(struct weft_graph *g, const char *name, struct weft_value_info info, weft_value *out) {
    *out = WEFT_NO_VALUE;
    info.node = info.out = UINT32_MAX;
    if (name) {
        if (!*name) return weft_fail(WEFT_ERR_INVALID, "an input, weight or state needs a name");
        uint64_t other;
        if (weft_map_get(&g->names, name, strlen(name), &other))
            return weft_fail(WEFT_ERR_INVALID, "the graph has two inputs, weights or states named '%s'", name);
    }
    WEFT_TRY(weft_type_check(g->dims, &info.type, name ? name : "a constant"));
    WEFT_TRY(guard_leaf(g, name ? name : "a constant", &info.type));
    WEFT_TRY(reserve_values(g, 1));
    if (name && !(info.name = weft_arena_strdup(&g->arena, name))) return no_memory();
    if (name && !weft_map_set(&g->names, name, strlen(name), g->n_values)) return no_memory();
    g->values[g->n_values] = info;
    *out = (weft_value)g->n_values++;
    return WEFT_OK;
}

weft_status weft_graph_input(struct weft_graph *g, const char *name, struct weft_type type, weft_value *out) {
    struct weft_value_info info = {.kind = WEFT_VALUE_INPUT, .type = type, .state = UINT32_MAX};
    return weft_graph_leaf(g, name ? name : "", info, out);
}

weft_status weft_graph_weight(struct weft_graph *g, const char *name, struct weft_type type, weft_value *out) {
    struct weft_value_info info = {.kind = WEFT_VALUE_WEIGHT, .type = type, .state = UINT32_MAX};
    const struct weft_dtype_info *dtype = weft_dtype_info(type.dtype);
    int64_t columns = 0;
    if (dtype && dtype->block > 1 && type.rank <= WEFT_MAX_RANK &&
        (type.rank == 0 || !weft_dim_is_const(g->dims, type.dims[type.rank - 1], &columns) ||
         columns % dtype->block != 0)) {
        *out = WEFT_NO_VALUE;
        return weft_fail(WEFT_ERR_INVALID, "weight '%s': the last axis of a %s tensor must be a multiple of %u",
                         name ? name : "?", dtype->name, dtype->block);
    }
    for (uint32_t i = 0; i < type.rank && type.rank <= WEFT_MAX_RANK; i++) {
        if (!weft_dim_valid(g->dims, type.dims[i]) || weft_dim_is_const(g->dims, type.dims[i], &columns)) continue;
        *out = WEFT_NO_VALUE;
        return weft_fail(WEFT_ERR_INVALID,
                         "weight '%s': axis %u depends on symbols; a weight has the constant shape "
                         "of what is in the file",
                         name ? name : "?", i);
    }
    return weft_graph_leaf(g, name ? name : "", info, out);
}

weft_status weft_graph_const(struct weft_graph *g, struct weft_type type, const void *data, uint64_t size,
                             weft_value *out) {
    *out = WEFT_NO_VALUE;
    WEFT_TRY(weft_type_check(g->dims, &type, "a constant"));
    int64_t count = weft_type_const_count(g->dims, &type), columns = 1;
    const struct weft_dtype_info *dtype = weft_dtype_info(type.dtype);
    if (dtype->block > 1 && (type.rank == 0 || !weft_dim_is_const(g->dims, type.dims[type.rank - 1], &columns) ||
                             columns % dtype->block != 0))
        return weft_fail(WEFT_ERR_INVALID, "a constant: the last axis of a %s tensor must be a multiple of %u",
                         dtype->name, dtype->block);
    if (count < 0) return weft_fail(WEFT_ERR_INVALID, "the shape of a constant must not depend on symbols");
    uint64_t need = weft_dtype_bytes(type.dtype, (uint64_t)count);
    if (need != size)
        return weft_fail(WEFT_ERR_INVALID,
                         "a constant of %" PRId64 " %s elements takes %" PRIu64 " bytes, %" PRIu64 " are given", count,
                         weft_dtype_name(type.dtype), need, size);
    struct weft_value_info info = {.kind = WEFT_VALUE_CONST, .type = type, .state = UINT32_MAX, .data_size = size};
    if (!(info.data = size ? weft_arena_dup(&g->arena, data, size) : weft_arena_alloc(&g->arena, 1)))
        return no_memory();
    return weft_graph_leaf(g, NULL, info, out);
}

weft_status weft_graph_const_f32(struct weft_graph *g, float x, weft_value *out) {
    unsigned char bytes[4];
    weft_dtype_encode(WEFT_F32, &(double){x}, 1, bytes);
    return weft_graph_const(g, (struct weft_type){.dtype = WEFT_F32}, bytes, sizeof bytes, out);
}

// ---- attributes

uint32_t weft_op_attr_count(const struct weft_op *op) {
    uint32_t n = 0;
    while (n < WEFT_MAX_ATTRS && op->attrs[n].name) n++;
    return n;
}

bool weft_attr_default(struct weft_dims *dims, const struct weft_attr_desc *desc, struct weft_attr *out) {
    *out = (struct weft_attr){0};
    if (desc->type == WEFT_ATTR_INT || desc->type == WEFT_ATTR_ENUM) out->i = (int64_t)desc->dflt;
    if (desc->type == WEFT_ATTR_FLOAT) out->f = desc->dflt;
    if (desc->type == WEFT_ATTR_DIM) out->d = weft_dim_const(dims, (int64_t)desc->dflt);
    return out->d != WEFT_DIM_BAD;
}

static int64_t choice_count(const char *choices) {
    int64_t n = choices && *choices;
    for (const char *p = choices; p && *p; p++) n += *p == '|';
    return n;
}

static bool in_range(const struct weft_attr_desc *d, double x) {
    return !isnan(x) && ((d->lo == 0 && d->hi == 0) || (x >= d->lo && x <= d->hi));
}

static weft_status out_of_range(const struct weft_op *op, const struct weft_attr_desc *d, double x) {
    return weft_fail(WEFT_ERR_INVALID, "%s: attribute %s is %g, but must be within %g and %g", op->name, d->name, x,
                     d->lo, d->hi);
}

static weft_status check_attr(const struct weft_dims *dims, const struct weft_op *op, const struct weft_attr_desc *d,
                              const struct weft_attr *a) {
    if (a->n > sizeof a->ints / sizeof a->ints[0])
        return weft_fail(WEFT_ERR_INVALID, "%s: attribute %s lists %u values; at most 8 are allowed", op->name, d->name,
                         a->n);
    switch (d->type) {
    case WEFT_ATTR_INT: return in_range(d, (double)a->i) ? WEFT_OK : out_of_range(op, d, (double)a->i);
    case WEFT_ATTR_FLOAT: return in_range(d, a->f) ? WEFT_OK : out_of_range(op, d, a->f);
    case WEFT_ATTR_ENUM:
        if (a->i >= 0 && a->i < choice_count(d->choices)) return WEFT_OK;
        return weft_fail(WEFT_ERR_INVALID, "%s: attribute %s must be one of %s", op->name, d->name, d->choices);
    case WEFT_ATTR_DIM:
        if (weft_dim_valid(dims, a->d)) return WEFT_OK;
        return weft_fail(WEFT_ERR_INVALID, "%s: attribute %s is not a valid dim", op->name, d->name);
    case WEFT_ATTR_INTS:
        for (uint32_t i = 0; i < a->n; i++)
            if (!in_range(d, (double)a->ints[i])) return out_of_range(op, d, (double)a->ints[i]);
        return WEFT_OK;
    case WEFT_ATTR_DIMS:
        for (uint32_t i = 0; i < a->n; i++)
            if (!weft_dim_valid(dims, a->dims[i]))
                return weft_fail(WEFT_ERR_INVALID, "%s: attribute %s, entry %u, is not a valid dim", op->name, d->name,
                                 i);
        return WEFT_OK;
    }
    return weft_fail(WEFT_ERR_INTERNAL, "%s: attribute %s has no type", op->name, d->name);
}

weft_status weft_attrs_check(const struct weft_dims *dims, const struct weft_op *op, const struct weft_attr *attrs) {
    uint32_t n = weft_op_attr_count(op);
    for (uint32_t i = 0; i < n; i++) WEFT_TRY(check_attr(dims, op, &op->attrs[i], &attrs[i]));
    return WEFT_OK;
}

// One argument by its row. A dim that is handle 0 (the constant 0) takes `x`, so that {.name = "n", .x = 5} works.
static weft_status convert_arg(struct weft_graph *g, const struct weft_op *op, const struct weft_attr_desc *d,
                               const struct weft_arg *arg, struct weft_attr *out) {
    *out = (struct weft_attr){0};
    if (arg->n > sizeof out->ints / sizeof out->ints[0])
        return weft_fail(WEFT_ERR_INVALID, "%s: attribute %s lists %u values; at most 8 are allowed", op->name, d->name,
                         arg->n);
    bool whole = d->type == WEFT_ATTR_INT || d->type == WEFT_ATTR_ENUM || (d->type == WEFT_ATTR_DIM && arg->d == 0);
    if (whole && !(fabs(arg->x) <= 9007199254740992.0 && arg->x == floor(arg->x)))
        return weft_fail(WEFT_ERR_INVALID, "%s: attribute %s must be an integer, not %g", op->name, d->name, arg->x);
    switch (d->type) {
    case WEFT_ATTR_INT:
    case WEFT_ATTR_ENUM: out->i = (int64_t)arg->x; break;
    case WEFT_ATTR_FLOAT: out->f = arg->x; break;
    case WEFT_ATTR_DIM: out->d = arg->d ? arg->d : weft_dim_const(g->dims, (int64_t)arg->x); break;
    case WEFT_ATTR_INTS:
        if (arg->n && !arg->ints)
            return weft_fail(WEFT_ERR_INVALID, "%s: attribute %s needs a list of integers", op->name, d->name);
        for (out->n = 0; out->n < arg->n; out->n++) out->ints[out->n] = arg->ints[out->n];
        break;
    case WEFT_ATTR_DIMS:
        if (arg->n && !arg->dims && !arg->ints)
            return weft_fail(WEFT_ERR_INVALID, "%s: attribute %s needs a list of dims", op->name, d->name);
        for (out->n = 0; out->n < arg->n; out->n++)
            out->dims[out->n] = arg->dims ? arg->dims[out->n] : weft_dim_const(g->dims, arg->ints[out->n]);
        break;
    }
    return WEFT_OK;
}

static weft_status resolve_args(struct weft_graph *g, const struct weft_op *op, const struct weft_arg *args,
                                uint32_t n_args, struct weft_attr *attrs) {
    uint32_t n = weft_op_attr_count(op);
    bool given[WEFT_MAX_ATTRS] = {false};
    for (uint32_t k = 0; k < n_args; k++) {
        uint32_t i = 0;
        while (i < n && strcmp(op->attrs[i].name, args[k].name) != 0) i++;
        if (i == n) return weft_fail(WEFT_ERR_INVALID, "%s has no attribute %s", op->name, args[k].name);
        if (given[i]) return weft_fail(WEFT_ERR_INVALID, "%s: attribute %s is given twice", op->name, args[k].name);
        given[i] = true;
        WEFT_TRY(convert_arg(g, op, &op->attrs[i], &args[k], &attrs[i]));
    }
    for (uint32_t i = 0; i < n; i++) {
        if (given[i]) continue;
        if (op->attrs[i].required)
            return weft_fail(WEFT_ERR_INVALID, "%s: attribute %s is missing", op->name, op->attrs[i].name);
        if (!weft_attr_default(g->dims, &op->attrs[i], &attrs[i])) return no_memory();
    }
    return WEFT_OK;
}

// ---- nodes

weft_status weft_node_blame(const struct weft_graph *g, const struct weft_op *op, const char *name,
                            const weft_value *in, uint32_t n_in, weft_status status) {
    struct weft_str s = {0};
    if (name) weft_str_addf(&s, " '%s'", name);
    weft_str_add(&s, " (");
    for (uint32_t i = 0; i < n_in; i++) {
        if (i) weft_str_add(&s, ", ");
        if (in[i] < g->n_values) weft_type_print(g->dims, &g->values[in[i]].type, &s);
        else weft_str_add(&s, "no value");
    }
    weft_str_add(&s, ")");
    weft_fail_in(status, "%s%s", op->name, weft_str_get(&s));
    weft_str_free(&s);
    return status;
}

// Types of the outputs; state outputs must keep the type of what they write.
static weft_status infer_node(struct weft_graph *g, const struct weft_op *op, const weft_value *in, uint32_t n_in,
                              const struct weft_attr *attrs, struct weft_type *out) {
    struct weft_type types[WEFT_MAX_INS];
    if (n_in < op->n_in_min || n_in > op->n_in_max || n_in > WEFT_MAX_INS)
        return weft_fail(WEFT_ERR_INVALID, "takes %d to %d inputs, %u are given", op->n_in_min, op->n_in_max, n_in);
    for (uint32_t i = 0; i < n_in; i++) {
        if (in[i] >= g->n_values) return weft_fail(WEFT_ERR_INVALID, "input %u is not a value of the graph", i);
        types[i] = g->values[in[i]].type;
    }
    WEFT_TRY(weft_attrs_check(g->dims, op, attrs));
    if (!op->infer || op->n_out > WEFT_MAX_OUTS)
        return weft_fail(WEFT_ERR_INTERNAL, "the operator's row is not complete");
    uint32_t n_out = weft_op_outputs(op, attrs);
    if (n_out == 0 && op->n_out)
        return weft_fail(WEFT_ERR_INVALID, "attribute %s must list 1 to %d outputs", op->n_out_of, op->n_out);
    memset(out, 0, op->n_out * sizeof *out);
    WEFT_TRY(op->infer(g, types, n_in, attrs, out));
    for (uint32_t k = 0; k < n_out; k++) {
        char what[32] = "output 0";
        what[7] = (char)('0' + k);
        WEFT_TRY(weft_type_check(g->dims, &out[k], what));
        const struct weft_state_access *writes = weft_op_writes(op, k);
        if (!writes) continue;
        if (k >= n_in || (writes->must_be_state && g->values[in[k]].state == UINT32_MAX))
            return weft_fail(WEFT_ERR_INVALID, "input %u must be a state, since the operator writes it", k);
        if (!weft_type_same(&out[k], &types[k]))
            return weft_fail(WEFT_ERR_INTERNAL, "output %u must have the type of the state it writes", k);
    }
    return WEFT_OK;
}

weft_status weft_graph_add_raw(struct weft_graph *g, const struct weft_op *op, const char *name, const weft_value *in,
                               uint32_t n_in, const struct weft_attr *attrs, weft_value *outs) {
    struct weft_type types[WEFT_MAX_OUTS];
    struct weft_attr defaults[WEFT_MAX_ATTRS] = {0};
    weft_status status = attrs ? WEFT_OK : resolve_args(g, op, NULL, 0, defaults);
    size_t guards = g->n_guards;
    if (!attrs) attrs = defaults;
    if (status == WEFT_OK) status = infer_node(g, op, in, n_in, attrs, types);
    if (status == WEFT_OK) status = weft_guards_name(g, guards, op, name, in, n_in);
    if (status != WEFT_OK) {
        g->n_guards = guards;
        return weft_node_blame(g, op, name, in, n_in, status);
    }
    uint32_t n_out = weft_op_outputs(op, attrs);
    WEFT_TRY(reserve_values(g, n_out));
    void *items = g->nodes;
    if (!weft_grow(&items, &g->cap_nodes, g->n_nodes + 1, sizeof *g->nodes)) return no_memory();
    g->nodes = items;
    struct weft_node *node = &g->nodes[g->n_nodes];
    *node = (struct weft_node){.op = op, .n_in = n_in, .n_out = n_out};
    if (name && *name && !(node->name = weft_arena_strdup(&g->arena, name))) return no_memory();
    for (uint32_t i = 0; i < n_in; i++) node->in[i] = in[i];
    uint32_t n_attrs = weft_op_attr_count(op);
    for (uint32_t i = 0; i < n_attrs; i++) node->attrs[i] = attrs[i];
    for (uint32_t k = 0; k < n_out; k++) {
        struct weft_value_info info = {.kind = WEFT_VALUE_NODE, .type = types[k], .state = UINT32_MAX};
        if (weft_node_writes(g, node, k)) { // a version is described like the state it is of
            const struct weft_value_info *before = &g->values[in[k]];
            info.name = before->name;
            info.state = before->state;
            info.state_kind = before->state_kind;
            info.by_slot = before->by_slot;
            info.policy = before->policy;
            info.var_lo = before->var_lo;
            info.var_hi = before->var_hi;
        }
        info.node = (uint32_t)g->n_nodes;
        info.out = k;
        node->out[k] = (weft_value)g->n_values;
        g->values[g->n_values++] = info;
    }
    g->n_nodes++;
    for (uint32_t k = 0; outs && k < n_out; k++) outs[k] = node->out[k];
    return WEFT_OK;
}

// "scope.name"; the dot is added where the scope does not end in a separator.
static const char *scoped(struct weft_graph *g, const char *name) {
    size_t len = g->scope ? strlen(g->scope) : 0;
    if (len == 0) return name;
    if (!name || !*name) return g->scope;
    bool separated = g->scope[len - 1] == '.' || g->scope[len - 1] == '/';
    return weft_arena_printf(&g->arena, "%s%s%s", g->scope, separated ? "" : ".", name);
}

weft_status weft_graph_add(struct weft_graph *g, const struct weft_op *op, const char *name, const weft_value *in,
                           uint32_t n_in, const struct weft_arg *args, uint32_t n_args, weft_value *outs) {
    struct weft_attr attrs[WEFT_MAX_ATTRS];
    memset(attrs, 0, sizeof attrs);
    const char *full = scoped(g, name);
    if (name && !full) return no_memory();
    weft_status status = resolve_args(g, op, args, n_args, attrs);
    if (status != WEFT_OK) return weft_node_blame(g, op, full, in, n_in, status);
    return weft_graph_add_raw(g, op, full, in, n_in, attrs, outs);
}

bool weft_graph_ambiguous(const struct weft_graph *g, weft_value leaf, weft_value output) {
    if (leaf == WEFT_NO_VALUE || leaf == output) return false;
    const struct weft_value_info *a = &g->values[leaf], *b = &g->values[output];
    if (a->kind == WEFT_VALUE_STATE) return a->state != b->state; // a later version of the state is the state
    return a->kind == WEFT_VALUE_INPUT;
}

/// A session finds inputs, outputs and states by name.
static weft_status check_leaf_and_output(const struct weft_graph *g, weft_value leaf, weft_value output,
                                         const char *name) {
    if (!weft_graph_ambiguous(g, leaf, output)) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID,
                     "output '%s': %s has that name, and a session could not tell them apart; choose "
                     "another",
                     name, g->values[leaf].kind == WEFT_VALUE_STATE ? "a state" : "an input");
}

weft_status weft_graph_show(struct weft_graph *g, weft_value v, weft_value *out) {
    const struct weft_op *op = weft_op_find(g->ops, "reshape");
    const struct weft_type *t = &g->values[v].type;
    struct weft_attr shape[WEFT_MAX_ATTRS] = {{.n = t->rank}};
    if (!op) return weft_fail(WEFT_ERR_UNSUPPORTED, "the operator set has no reshape, which shows a value once more");
    memcpy(shape[0].dims, t->dims, t->rank * sizeof *t->dims);
    return weft_graph_add_raw(g, op, NULL, &v, 1, shape, out);
}

void weft_graph_move_output(struct weft_graph *g, weft_value from, weft_value to) {
    g->values[to].is_output = true;
    g->values[to].output_name = g->values[from].output_name;
    g->values[from].is_output = false;
}

weft_status weft_graph_output(struct weft_graph *g, weft_value v, const char *name) {
    if (v >= g->n_values)
        return weft_fail(WEFT_ERR_INVALID, "output '%s' is not a value of the graph", name ? name : "?");
    if (!name || !*name) return weft_fail(WEFT_ERR_INVALID, "an output needs a name");
    for (size_t i = 0; i < g->n_values; i++) {
        const struct weft_value_info *info = &g->values[i];
        if (!info->is_output || !weft_is_live(g, info)) continue;
        bool same_name = strcmp(info->output_name, name) == 0;
        if (i == v && same_name) return WEFT_OK;
        if (same_name) return weft_fail(WEFT_ERR_INVALID, "the graph has two outputs named '%s'", name);
    }
    WEFT_TRY(check_leaf_and_output(g, weft_graph_find(g, name), v, name));
    const char *copy = weft_arena_strdup(&g->arena, name);
    if (!copy) return no_memory();
    if (g->values[v].is_output) WEFT_TRY(weft_graph_show(g, v, &v));
    g->values[v].is_output = true;
    g->values[v].output_name = copy;
    return WEFT_OK;
}

weft_value weft_graph_find(const struct weft_graph *g, const char *name) {
    uint64_t v;
    return weft_map_get(&g->names, name, strlen(name), &v) ? (weft_value)v : WEFT_NO_VALUE;
}

bool weft_graph_is_leaf(const struct weft_graph *g, weft_value v) {
    const struct weft_value_info *info = &g->values[v];
    return info->kind != WEFT_VALUE_NODE || g->nodes[info->node].op->repack;
}

weft_value weft_graph_counted_from(const struct weft_graph *g, weft_value v) {
    const struct weft_value_info *info = &g->values[v];
    bool places = info->kind == WEFT_VALUE_NODE && g->nodes[info->node].op->traits & WEFT_OP_PLACES;
    return places ? g->nodes[info->node].in[0] : v;
}

weft_value weft_graph_base(const struct weft_graph *g, weft_value v) {
    while (g->values[v].kind == WEFT_VALUE_NODE && g->nodes[g->values[v].node].op->view)
        v = g->nodes[g->values[v].node].in[0];
    return v;
}

bool weft_node_writes(const struct weft_graph *g, const struct weft_node *n, uint32_t k) {
    return weft_op_writes(n->op, k) && k < n->n_in && n->in[k] < g->n_values && g->values[n->in[k]].state != UINT32_MAX;
}

uint32_t weft_node_reduced(const struct weft_graph *g, const struct weft_node *n) {
    uint32_t rank = n->op->reduce ? g->values[n->in[0]].type.rank : 0, mask = 0;
    if (rank == 0) return 0;
    const struct weft_attr *axes = n->op->reduces ? &n->attrs[n->op->reduces - 1] : NULL;
    for (uint32_t i = 0; axes && i < axes->n; i++)
        mask |= 1u << (axes->ints[i] < 0 ? axes->ints[i] + rank : axes->ints[i]);
    return mask ? mask : 1u << (rank - 1);
}

// ---- short forms

weft_value weft_bn(struct weft_build *b, const char *op, const char *name, const weft_value *in, uint32_t n_in,
                   const struct weft_arg *args, uint32_t n_args) {
    weft_value outs[WEFT_MAX_OUTS] = {WEFT_NO_VALUE};
    if (b->status != WEFT_OK) return WEFT_NO_VALUE;
    const struct weft_op *row = weft_op_find(b->g->ops, op);
    if (!row) b->status = weft_fail(WEFT_ERR_NOT_FOUND, "there is no operator named '%s'", op);
    else b->status = weft_graph_add(b->g, row, name, in, n_in, args, n_args, outs);
    return b->status == WEFT_OK ? outs[0] : WEFT_NO_VALUE;
}

weft_value weft_b1(struct weft_build *b, const char *op, weft_value x) { return weft_bn(b, op, NULL, &x, 1, NULL, 0); }

weft_value weft_b2(struct weft_build *b, const char *op, weft_value x, weft_value y) {
    return weft_bn(b, op, NULL, (weft_value[]){x, y}, 2, NULL, 0);
}

weft_value weft_bf(struct weft_build *b, float x) {
    weft_value v = WEFT_NO_VALUE;
    if (b->status == WEFT_OK) b->status = weft_graph_const_f32(b->g, x, &v);
    return b->status == WEFT_OK ? v : WEFT_NO_VALUE;
}
