// Graph to text. The format, line by line (parse.c reads it; # begins a comment; odd names are quoted):
//
//   symbol T 1 512                          bounds, inclusive
//   relate B*T <= 512
//   input x f32 [T, 640]
//   weight w q4_0 [1024, 640]
//   state kc ring f32 [576, 256]            dense, ring or paged; ping_pong or double at the end if that is the policy
//   var pos u32 0 32767                     bounds of the value; activity at the end of 0 1 if it is the session's
//   const %0 f32 [] 0x3f800000              one element: its bits; several: hex: and the bytes in file order
//   %1 = matmul %x %w {trans=1} "blk.0.q"   attributes that have their default are left out
//   output %1 logits
//   pair past present dense separate        an input and an output: kind and policy of the state that they make
//
// Numbers count constants and results in the order of the text, so the text does not depend on how a graph was edited.
// Dead nodes and constants that nothing uses are not printed.
#include "core/alloc.h"
#include "core/error.h"
#include "core/visible.h"
#include "ir/graph_impl.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct printer {
    const struct weft_graph *g;
    struct weft_str *out;
    uint32_t *labels; ///< number of each constant and result; UINT32_MAX: not printed
    uint32_t n_labels;
};

static void print_quoted(struct weft_str *out, const char *s) {
    weft_str_add(out, "\"");
    weft_str_add_escaped(out, s, strlen(s));
    weft_str_add(out, "\"");
}

static bool plain_word(const char *s) {
    if (!isalpha((unsigned char)*s) && *s != '_') return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("_.-/:", *s)) return false;
    return true;
}

static void print_name(struct weft_str *out, const char *s) {
    if (plain_word(s)) weft_str_add(out, s);
    else print_quoted(out, s);
}

static void print_ref(struct printer *p, weft_value v) {
    const struct weft_value_info *info = &p->g->values[v];
    weft_str_add(p->out, "%");
    if (info->kind == WEFT_VALUE_NODE || info->kind == WEFT_VALUE_CONST) weft_str_addf(p->out, "%u", p->labels[v]);
    else print_name(p->out, info->name);
}

static void print_leaf(struct printer *p, weft_value v) {
    static const char *const kinds[] = {"dense", "ring", "paged"};
    const struct weft_value_info *info = &p->g->values[v];
    struct weft_str *out = p->out;
    if (info->kind == WEFT_VALUE_STATE && info->state_kind == WEFT_STATE_VAR) {
        weft_str_add(out, "var ");
        print_name(out, info->name);
        weft_str_add(out, " ");
        if (info->type.rank) weft_type_print(p->g->dims, &info->type, out);
        else weft_str_add(out, weft_dtype_name(info->type.dtype));
        weft_str_addf(out, " %" PRId64 " %" PRId64 "%s\n", info->var_lo, info->var_hi,
                      info->is_activity ? " activity" : "");
        return;
    }
    weft_str_add(out, info->kind == WEFT_VALUE_INPUT    ? "input "
                      : info->kind == WEFT_VALUE_WEIGHT ? "weight "
                                                        : "state ");
    print_name(out, info->name);
    weft_str_add(out, " ");
    if (info->kind == WEFT_VALUE_STATE) weft_str_addf(out, "%s ", kinds[info->state_kind]);
    weft_type_print(p->g->dims, &info->type, out);
    if (info->kind == WEFT_VALUE_STATE && info->by_slot) weft_str_add(out, " slots");
    if (info->kind == WEFT_VALUE_STATE && info->policy != WEFT_STATE_IN_PLACE)
        weft_str_addf(out, " %s", weft_state_policy_name(info->policy));
    weft_str_add(out, "\n");
}

static void print_const(struct printer *p, weft_value v) {
    const struct weft_value_info *info = &p->g->values[v];
    const struct weft_dtype_info *dtype = weft_dtype_info(info->type.dtype);
    const uint8_t *bytes = info->data;
    weft_str_addf(p->out, "const %%%u ", p->labels[v]);
    weft_type_print(p->g->dims, &info->type, p->out);
    bool scalar = dtype->block == 1 && info->data_size == dtype->block_bytes;
    weft_str_add(p->out, scalar ? " 0x" : " hex:");
    for (uint64_t i = 0; i < info->data_size; i++)
        weft_str_addf(p->out, "%02x", bytes[scalar ? info->data_size - 1 - i : i]);
    double x;
    if (scalar) {
        dtype->decode(bytes, 1, &x);
        weft_str_addf(p->out, " # %g", x);
    }
    weft_str_add(p->out, "\n");
}

// ---- nodes

static void print_double(struct weft_str *out, double x) {
    char text[40];
    for (int digits = 1; digits <= 17; digits++) { // the shortest that reads back to the same
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    weft_str_add(out, text);
}

static void print_attr(struct printer *p, const struct weft_attr_desc *d, const struct weft_attr *a) {
    struct weft_str *out = p->out;
    weft_str_addf(out, "%s=", d->name);
    switch (d->type) {
    case WEFT_ATTR_INT: weft_str_addf(out, "%" PRId64, a->i); break;
    case WEFT_ATTR_FLOAT: print_double(out, a->f); break;
    case WEFT_ATTR_DIM: weft_dim_print(p->g->dims, a->d, out); break;
    case WEFT_ATTR_ENUM: {
        const char *s = d->choices;
        for (int64_t i = 0; i < a->i && strchr(s, '|'); i++) s = strchr(s, '|') + 1;
        weft_str_addn(out, s, strcspn(s, "|"));
        break;
    }
    case WEFT_ATTR_INTS:
    case WEFT_ATTR_DIMS:
        weft_str_add(out, "[");
        for (uint32_t i = 0; i < a->n; i++) {
            if (i) weft_str_add(out, ", ");
            if (d->type == WEFT_ATTR_DIMS) weft_dim_print(p->g->dims, a->dims[i], out);
            else weft_str_addf(out, "%" PRId64, a->ints[i]);
        }
        weft_str_add(out, "]");
        break;
    }
}

static bool is_default(const struct weft_graph *g, const struct weft_attr_desc *d, const struct weft_attr *a) {
    int64_t x;
    if (d->required) return false;
    switch (d->type) {
    case WEFT_ATTR_INT:
    case WEFT_ATTR_ENUM: return a->i == (int64_t)d->dflt;
    case WEFT_ATTR_FLOAT: return memcmp(&a->f, &d->dflt, sizeof a->f) == 0;
    case WEFT_ATTR_DIM: return weft_dim_is_const(g->dims, a->d, &x) && x == (int64_t)d->dflt;
    default: return a->n == 0;
    }
}

static void print_node(struct printer *p, const struct weft_node *n) {
    for (uint32_t k = 0; k < n->n_out; k++) {
        p->labels[n->out[k]] = p->n_labels++;
        weft_str_addf(p->out, "%%%u ", p->labels[n->out[k]]);
    }
    weft_str_addf(p->out, "= %s", n->op->name);
    for (uint32_t i = 0; i < n->n_in; i++) {
        weft_str_add(p->out, " ");
        print_ref(p, n->in[i]);
    }
    uint32_t n_attrs = weft_op_attr_count(n->op), shown = 0;
    for (uint32_t i = 0; i < n_attrs; i++) {
        if (is_default(p->g, &n->op->attrs[i], &n->attrs[i])) continue;
        weft_str_add(p->out, shown++ ? ", " : " {");
        print_attr(p, &n->op->attrs[i], &n->attrs[i]);
    }
    if (shown) weft_str_add(p->out, "}");
    if (n->name) {
        weft_str_add(p->out, " ");
        print_quoted(p->out, n->name);
    }
    weft_str_add(p->out, "\n");
}

static void print_outputs(struct printer *p) {
    const struct weft_graph *g = p->g;
    for (int pass = 0; pass < 2; pass++) { // leaves, then results in the order of the text
        for (size_t i = 0; pass == 0 && i < g->n_values; i++) {
            if (!g->values[i].is_output || g->values[i].kind == WEFT_VALUE_NODE) continue;
            weft_str_add(p->out, "output ");
            print_ref(p, (weft_value)i);
            weft_str_add(p->out, " ");
            print_name(p->out, g->values[i].output_name);
            weft_str_add(p->out, "\n");
        }
        for (size_t i = 0; pass == 1 && i < g->n_nodes; i++) {
            for (uint32_t k = 0; !g->nodes[i].dead && k < g->nodes[i].n_out; k++) {
                const struct weft_value_info *info = &g->values[g->nodes[i].out[k]];
                if (!info->is_output) continue;
                weft_str_addf(p->out, "output %%%u ", p->labels[g->nodes[i].out[k]]);
                print_name(p->out, info->output_name);
                weft_str_add(p->out, "\n");
            }
        }
    }
}

static void print_pairs(struct printer *p) {
    for (size_t i = 0; i < p->g->n_pairs; i++) {
        const struct weft_pair *x = &p->g->pairs[i];
        weft_str_add(p->out, "pair ");
        print_name(p->out, x->past);
        weft_str_add(p->out, " ");
        print_name(p->out, x->present);
        weft_str_addf(p->out, " %s %s\n", x->kind == WEFT_STATE_RING ? "ring" : "dense",
                      weft_state_policy_name(x->policy));
    }
}

static void print_symbols(struct printer *p) {
    const struct weft_dims *dims = p->g->dims;
    int64_t lo, hi;
    for (uint32_t i = 0; i < weft_dims_symbol_count(dims); i++) {
        weft_dims_symbol_bounds(dims, i, &lo, &hi);
        weft_str_addf(p->out, "symbol %s %" PRId64 " %" PRId64 "\n", weft_dims_symbol_name(dims, i), lo, hi);
    }
    for (uint32_t i = 0; i < weft_dims_relation_count(dims); i++) {
        weft_str_add(p->out, "relate ");
        weft_dim_print(dims, weft_dims_relation(dims, i, &hi), p->out);
        weft_str_addf(p->out, " <= %" PRId64 "\n", hi);
    }
}

// A graph that refers to what is not there can't be printed; verify says what is wrong with it.
static weft_status mark_used(struct printer *p) {
    const struct weft_graph *g = p->g;
    for (size_t i = 0; i < g->n_values; i++) p->labels[i] = g->values[i].is_output ? 0 : UINT32_MAX;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct weft_node *n = &g->nodes[i];
        if (!n->dead && (!n->op || n->n_in > WEFT_MAX_INS || n->n_out > WEFT_MAX_OUTS)) return weft_graph_verify(g);
        for (uint32_t k = 0; !n->dead && k < n->n_in; k++) {
            if (n->in[k] >= g->n_values) return weft_graph_verify(g);
            p->labels[n->in[k]] = 0;
        }
        for (uint32_t k = 0; !n->dead && k < n->n_out; k++)
            if (n->out[k] >= g->n_values) return weft_graph_verify(g);
    }
    return WEFT_OK;
}

weft_status weft_graph_print(const struct weft_graph *g, struct weft_str *out) {
    struct printer p = {.g = g, .out = out, .labels = weft_alloc((g->n_values + 1) * sizeof(uint32_t))};
    if (!p.labels) return weft_fail(WEFT_ERR_NOMEM, "out of memory while printing a graph");
    weft_status status = mark_used(&p);
    if (status != WEFT_OK) goto done;
    print_symbols(&p);
    for (size_t i = 0; i < g->n_values; i++) {
        const struct weft_value_info *info = &g->values[i];
        if (info->kind == WEFT_VALUE_NODE) continue;
        if (info->kind != WEFT_VALUE_CONST) {
            print_leaf(&p, (weft_value)i);
        } else if (p.labels[i] != UINT32_MAX) {
            p.labels[i] = p.n_labels++;
            print_const(&p, (weft_value)i);
        }
    }
    for (size_t i = 0; i < g->n_nodes; i++)
        if (!g->nodes[i].dead) print_node(&p, &g->nodes[i]);
    print_outputs(&p);
    print_pairs(&p);
    if (out->failed) status = weft_fail(WEFT_ERR_NOMEM, "out of memory while printing a graph");
done:
    weft_free(p.labels);
    return status;
}
