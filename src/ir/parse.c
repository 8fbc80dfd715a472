// Text to graph; print.c describes the format. One statement a line. Results may carry any label here (%h = ...);
// printing numbers them anew. A failure names the line and what stands there.
#include "core/alloc.h"
#include "core/error.h"
#include "ir/graph_impl.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORD 512

struct parser {
    struct weft_graph *g;
    const char *p, *end;    ///< the rest of the present line
    size_t line;            ///< 0: a piece of text that is no line of a graph
    struct weft_map labels; ///< label of a constant or result -> value
    char word[MAX_WORD];    ///< the last word, name or string read
};

static weft_status refuse(const struct parser *s, const char *what) {
    int left = (int)(s->end - s->p < 32 ? s->end - s->p : 32);
    if (s->line == 0) return weft_fail(WEFT_ERR_FORMAT, "%s at '%.*s'", what, left, s->p);
    if (left == 0) return weft_fail(WEFT_ERR_FORMAT, "line %zu: %s, but the line ends", s->line, what);
    return weft_fail(WEFT_ERR_FORMAT, "line %zu: %s at '%.*s'", s->line, what, left, s->p);
}

static weft_status in_line(const struct parser *s, weft_status status) {
    return s->line ? weft_fail_in(status, "line %zu", s->line) : status;
}

#define TRY_LINE(expression) WEFT_TRY(in_line(s, (expression)))

static void skip_blank(struct parser *s) {
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r')) s->p++;
    if (s->p < s->end && *s->p == '#') s->p = s->end;
}

static bool take(struct parser *s, char c) {
    skip_blank(s);
    if (s->p == s->end || *s->p != c) return false;
    s->p++;
    return true;
}

static bool at_end(struct parser *s) {
    skip_blank(s);
    return s->p == s->end;
}

// ---- words

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static weft_status read_string(struct parser *s) {
    size_t n = 0;
    for (s->p++; s->p < s->end && *s->p != '"'; s->p++) {
        char c = *s->p;
        if (c == '\\' && s->end - s->p >= 2) {
            c = *++s->p;
            if (c == 'x') {
                int hi = s->end - s->p > 2 ? hex_digit(s->p[1]) : -1, lo = hi >= 0 ? hex_digit(s->p[2]) : -1;
                if (lo < 0 || (hi == 0 && lo == 0)) return refuse(s, "\\x needs two hexadecimal digits, not 00,");
                c = (char)(hi << 4 | lo);
                s->p += 2;
            } else if (c != '"' && c != '\\') {
                return refuse(s, "an unknown escape");
            }
        }
        if (c == 0) return refuse(s, "a zero byte in a string");
        if (n + 1 == MAX_WORD) return refuse(s, "a name of more than 511 bytes ends");
        s->word[n++] = c;
    }
    s->word[n] = 0;
    if (s->p == s->end) return refuse(s, "a closing quote is missing");
    s->p++;
    return WEFT_OK;
}

// A word (letters, digits and _ . - / : +) or a quoted string, into s->word.
static weft_status read_word(struct parser *s, const char *what) {
    size_t n = 0;
    skip_blank(s);
    if (s->p < s->end && *s->p == '"') return read_string(s);
    const char *start = s->p;
    while (s->p < s->end && (isalnum((unsigned char)*s->p) || (*s->p && strchr("_.-/:+", *s->p)))) {
        if (n + 1 == MAX_WORD) {
            s->p = start;
            return refuse(s, "a name of more than 511 bytes begins");
        }
        s->word[n++] = *s->p++;
    }
    s->word[n] = 0;
    return n ? WEFT_OK : refuse(s, what);
}

static weft_status read_integer(struct parser *s, int64_t *out) {
    skip_blank(s);
    const char *start = s->p;
    WEFT_TRY(read_word(s, "expected an integer"));
    bool negative = s->word[0] == '-';
    uint64_t x = 0;
    const char *p = s->word + negative;
    for (; *p >= '0' && *p <= '9' && x <= (UINT64_C(1) << 63) / 10; p++) x = x * 10 + (uint64_t)(*p - '0');
    if (*p || p == s->word + negative || x > (uint64_t)INT64_MAX + negative) {
        s->p = start;
        return refuse(s, "expected an integer of 64 bits");
    }
    *out = negative ? (int64_t)(0 - x) : (int64_t)x;
    return WEFT_OK;
}

static weft_status read_double(struct parser *s, double *out) {
    skip_blank(s);
    const char *start = s->p;
    WEFT_TRY(read_word(s, "expected a number"));
    char *end;
    *out = strtod(s->word, &end);
    if (*end == 0) return WEFT_OK;
    s->p = start;
    return refuse(s, "expected a number");
}

// A dim ends at one of `stops` outside parentheses.
static weft_status read_dim(struct parser *s, const char *stops, weft_dim *out) {
    skip_blank(s);
    const char *start = s->p;
    int depth = 0;
    for (; s->p < s->end; s->p++) {
        if (depth == 0 && *s->p && strchr(stops, *s->p)) break;
        depth += (*s->p == '(') - (*s->p == ')');
    }
    return in_line(s, weft_dim_parse(s->g->dims, start, (size_t)(s->p - start), out));
}

static weft_status read_type(struct parser *s, struct weft_type *type) {
    *type = (struct weft_type){0};
    skip_blank(s);
    const char *start = s->p;
    WEFT_TRY(read_word(s, "expected an element type"));
    type->dtype = weft_dtype_find(s->word);
    if (type->dtype == WEFT_DTYPE_COUNT) {
        s->p = start;
        return refuse(s, "unknown element type");
    }
    if (!take(s, '[')) return refuse(s, "expected '[' of a shape");
    if (take(s, ']')) return WEFT_OK;
    do {
        if (type->rank == WEFT_MAX_RANK) return refuse(s, "a shape has at most 8 axes");
        WEFT_TRY(read_dim(s, ",]", &type->dims[type->rank++]));
    } while (take(s, ','));
    return take(s, ']') ? WEFT_OK : refuse(s, "expected ',' or ']' of a shape");
}

// ---- values

static weft_status read_label(struct parser *s) {
    if (!take(s, '%')) return refuse(s, "expected a value such as %x");
    return read_word(s, "expected a name after %");
}

// Numbers are labels only: a leaf with such a name is reached by its quoted name. Other words must not be both.
static bool is_number(const char *word) { return word[0] >= '0' && word[0] <= '9'; }

static weft_status read_value(struct parser *s, weft_value *out) {
    uint64_t v;
    skip_blank(s);
    const char *start = s->p;
    WEFT_TRY(read_label(s));
    bool quoted = start + 1 < s->end && start[1] == '"';
    size_t len = strlen(s->word);
    bool named = (quoted || !is_number(s->word)) && weft_map_get(&s->g->names, s->word, len, &v);
    if (named || (!quoted && weft_map_get(&s->labels, s->word, len, &v))) {
        *out = (weft_value)v;
        return WEFT_OK;
    }
    s->p = start;
    return refuse(s, "a value that was not defined before");
}

static weft_status define(struct parser *s, const char *label, weft_value v) {
    uint64_t other;
    bool leaf = !is_number(label) && weft_map_get(&s->g->names, label, strlen(label), &other);
    if (leaf || weft_map_get(&s->labels, label, strlen(label), &other))
        return weft_fail(WEFT_ERR_FORMAT, "line %zu: %%%s is defined twice", s->line, label);
    if (!weft_map_set(&s->labels, label, strlen(label), v))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory while reading a graph");
    return WEFT_OK;
}

// ---- leaves

static weft_status parse_symbol(struct parser *s) {
    char name[MAX_WORD];
    int64_t lo, hi;
    WEFT_TRY(read_word(s, "expected the name of a symbol"));
    memcpy(name, s->word, sizeof name);
    WEFT_TRY(read_integer(s, &lo));
    WEFT_TRY(read_integer(s, &hi));
    if (weft_dims_symbol_find(s->g->dims, name) >= 0)
        return weft_fail(WEFT_ERR_FORMAT, "line %zu: symbol %s is declared twice", s->line, name);
    if (weft_dim_symbol(s->g->dims, name, lo, hi) != WEFT_DIM_BAD) return WEFT_OK;
    return weft_fail(WEFT_ERR_FORMAT,
                     "line %zu: '%s' can't be a symbol from %" PRId64 " to %" PRId64
                     " (a plain word, ordered bounds, at most %d symbols)",
                     s->line, name, lo, hi, WEFT_MAX_SYMBOLS);
}

static weft_status parse_relation(struct parser *s) {
    weft_dim d;
    int64_t max;
    WEFT_TRY(read_dim(s, "<", &d));
    if (!take(s, '<') || s->p == s->end || *s->p != '=') return refuse(s, "expected <= of a relation");
    s->p++;
    WEFT_TRY(read_integer(s, &max));
    return in_line(s, weft_dim_relate(s->g->dims, d, max));
}

static weft_status leaf_name(struct parser *s, char *name) {
    uint64_t v;
    WEFT_TRY(read_word(s, "expected a name"));
    memcpy(name, s->word, MAX_WORD);
    if (!is_number(name) && weft_map_get(&s->labels, name, strlen(name), &v))
        return weft_fail(WEFT_ERR_FORMAT, "line %zu: %%%s is defined twice", s->line, name);
    return WEFT_OK;
}

static weft_status parse_input(struct parser *s) {
    char name[MAX_WORD];
    struct weft_type type;
    weft_value v;
    WEFT_TRY(leaf_name(s, name));
    WEFT_TRY(read_type(s, &type));
    return in_line(s, weft_graph_input(s->g, name, type, &v));
}

static weft_status parse_weight(struct parser *s) {
    char name[MAX_WORD];
    struct weft_type type;
    weft_value v;
    WEFT_TRY(leaf_name(s, name));
    WEFT_TRY(read_type(s, &type));
    return in_line(s, weft_graph_weight(s->g, name, type, &v));
}

static weft_status read_policy(struct parser *s, enum weft_state_policy last, const char *what,
                               enum weft_state_policy *out) {
    skip_blank(s);
    const char *start = s->p;
    WEFT_TRY(read_word(s, what));
    for (*out = WEFT_STATE_IN_PLACE; *out <= last; ++*out)
        if (strcmp(weft_state_policy_name(*out), s->word) == 0) return WEFT_OK;
    s->p = start;
    return refuse(s, what);
}

/// Takes the next word of the line if it is this one.
static bool next_word_is(struct parser *s, const char *word) {
    if (at_end(s)) return false;
    skip_blank(s);
    const char *start = s->p;
    if (read_word(s, "") == WEFT_OK && strcmp(s->word, word) == 0) return true;
    s->p = start;
    return false;
}

static weft_status parse_state(struct parser *s) {
    static const char *const kinds[] = {"dense", "ring", "paged"};
    char name[MAX_WORD];
    struct weft_type type;
    weft_value v;
    WEFT_TRY(leaf_name(s, name));
    skip_blank(s);
    const char *start = s->p;
    WEFT_TRY(read_word(s, "expected dense, ring or paged"));
    int kind = 0;
    while (kind < 3 && strcmp(kinds[kind], s->word) != 0) kind++;
    if (kind == 3) {
        s->p = start;
        return refuse(s, "expected dense, ring or paged");
    }
    enum weft_state_policy policy = WEFT_STATE_IN_PLACE;
    WEFT_TRY(read_type(s, &type));
    bool by_slot = next_word_is(s, "slots");
    if (!at_end(s))
        WEFT_TRY(read_policy(s, WEFT_STATE_DOUBLE,
                             by_slot ? "expected in_place, ping_pong or double"
                                     : "expected slots, in_place, ping_pong or double",
                             &policy));
    TRY_LINE(weft_graph_state(s->g, name, type, (enum weft_state_kind)kind, &v));
    if (by_slot) TRY_LINE(weft_graph_state_by_slot(s->g, v));
    return in_line(s, weft_graph_state_policy(s->g, v, policy));
}

static weft_status parse_pair(struct parser *s) {
    char past[MAX_WORD], present[MAX_WORD];
    enum weft_state_policy policy = WEFT_STATE_IN_PLACE;
    WEFT_TRY(read_word(s, "expected the name of an input"));
    memcpy(past, s->word, sizeof past);
    WEFT_TRY(read_word(s, "expected the name of an output"));
    memcpy(present, s->word, sizeof present);
    skip_blank(s);
    const char *start = s->p;
    WEFT_TRY(read_word(s, "expected dense or ring"));
    bool ring = strcmp(s->word, "ring") == 0;
    if (!ring && strcmp(s->word, "dense") != 0) {
        s->p = start;
        return refuse(s, "expected dense or ring");
    }
    if (!at_end(s))
        WEFT_TRY(read_policy(s, WEFT_STATE_SEPARATE, "expected in_place, ping_pong, double or separate", &policy));
    return in_line(s, weft_graph_pair_state(s->g, past, present, ring ? WEFT_STATE_RING : WEFT_STATE_DENSE, policy));
}

/// "[16]", if it stands there.
static weft_status read_count(struct parser *s, bool *there, uint32_t *count) {
    int64_t n = 0;
    skip_blank(s);
    *there = s->p < s->end && *s->p == '[';
    if (!*there) return WEFT_OK;
    s->p++;
    WEFT_TRY(read_integer(s, &n));
    skip_blank(s);
    if (s->p == s->end || *s->p != ']') return refuse(s, "expected ]");
    s->p++;
    *count = n < 0 || n > UINT32_MAX ? 0 : (uint32_t)n;
    return WEFT_OK;
}

static weft_status parse_var(struct parser *s) {
    char name[MAX_WORD];
    int64_t lo, hi;
    uint32_t count = 0;
    weft_value v;
    WEFT_TRY(leaf_name(s, name));
    WEFT_TRY(read_word(s, "expected u32, i32 or f32"));
    weft_dtype dtype = weft_dtype_find(s->word);
    bool several;
    WEFT_TRY(read_count(s, &several, &count));
    WEFT_TRY(read_integer(s, &lo));
    WEFT_TRY(read_integer(s, &hi));
    bool activity = next_word_is(s, "activity");
    if (!activity && !at_end(s)) return refuse(s, "expected the end of the line, or activity");
    if (several) TRY_LINE(weft_graph_vars(s->g, name, dtype, count, lo, hi, &v));
    else TRY_LINE(weft_graph_var(s->g, name, dtype, lo, hi, &v));
    return activity ? in_line(s, weft_graph_activity(s->g, v)) : WEFT_OK;
}

// The elements: 0x (bits of the only one), hex: (bytes in file order) or numbers.
static weft_status read_elements(struct parser *s, weft_dtype dtype, int64_t count, uint8_t *bytes, uint64_t size) {
    skip_blank(s);
    bool bits = s->end - s->p > 2 && memcmp(s->p, "0x", 2) == 0,
         hex = s->end - s->p >= 4 && memcmp(s->p, "hex:", 4) == 0;
    if (!bits && !hex) {
        if (weft_dtype_info(dtype)->block != 1) return refuse(s, "a quantised constant needs hex: bytes");
        for (int64_t i = 0; i < count; i++) {
            double x;
            WEFT_TRY(read_double(s, &x));
            weft_dtype_encode(dtype, &x, 1, bytes + (uint64_t)i * weft_dtype_info(dtype)->block_bytes);
        }
        return WEFT_OK;
    }
    if (bits && count != 1) return refuse(s, "0x gives one element only; use hex:");
    s->p += bits ? 2 : 4;
    for (uint64_t i = 0; i < size; i++) {
        int hi = s->p < s->end ? hex_digit(*s->p) : -1, lo = s->end - s->p > 1 ? hex_digit(s->p[1]) : -1;
        if (hi < 0 || lo < 0) return refuse(s, "expected two hexadecimal digits for each byte");
        bytes[bits ? size - 1 - i : i] = (uint8_t)(hi << 4 | lo);
        s->p += 2;
    }
    return WEFT_OK;
}

static weft_status parse_const(struct parser *s) {
    char label[MAX_WORD];
    struct weft_type type;
    weft_value v;
    WEFT_TRY(read_label(s));
    memcpy(label, s->word, sizeof label);
    WEFT_TRY(read_type(s, &type));
    TRY_LINE(weft_type_check(s->g->dims, &type, "a constant"));
    int64_t count = weft_type_const_count(s->g->dims, &type);
    if (count < 0) return refuse(s, "the shape of a constant must not depend on symbols, nor overflow,");
    uint64_t size = weft_dtype_bytes(type.dtype, (uint64_t)count);
    // Each byte takes at least a digit in the text (an element of numbers at least two characters), which bounds
    // `size`.
    if (size / 4 > (uint64_t)(s->end - s->p)) return refuse(s, "the constant's shape has more elements than the line");
    uint8_t *bytes = weft_alloc(size);
    if (!bytes) return weft_fail(WEFT_ERR_NOMEM, "out of memory while reading a graph");
    weft_status status = read_elements(s, type.dtype, count, bytes, size);
    if (status == WEFT_OK) status = in_line(s, weft_graph_const(s->g, type, bytes, size, &v));
    weft_free(bytes);
    return status == WEFT_OK ? define(s, label, v) : status;
}

// ---- nodes

static weft_status read_list(struct parser *s, enum weft_attr_type type, struct weft_attr *out) {
    if (!take(s, '[')) return refuse(s, "expected '[' of a list");
    if (take(s, ']')) return WEFT_OK;
    do {
        if (out->n == 8) return refuse(s, "a list has at most 8 values");
        if (type == WEFT_ATTR_INTS) WEFT_TRY(read_integer(s, &out->ints[out->n]));
        else WEFT_TRY(read_dim(s, ",]", &out->dims[out->n]));
        out->n++;
    } while (take(s, ','));
    return take(s, ']') ? WEFT_OK : refuse(s, "expected ',' or ']' of a list");
}

static weft_status read_choice(struct parser *s, const struct weft_attr_desc *d, int64_t *out) {
    skip_blank(s);
    const char *start = s->p;
    WEFT_TRY(read_word(s, "expected a choice"));
    int64_t i = 0;
    for (const char *c = d->choices; c; i++) {
        size_t len = strcspn(c, "|");
        if (strlen(s->word) == len && memcmp(c, s->word, len) == 0) {
            *out = i;
            return WEFT_OK;
        }
        c = c[len] ? c + len + 1 : NULL;
    }
    s->p = start;
    weft_status status = refuse(s, "unknown choice");
    return weft_fail_in(status, "attribute %s is one of %s", d->name, d->choices ? d->choices : "nothing");
}

static weft_status read_attr(struct parser *s, const struct weft_op *op, bool *given, struct weft_attr *attrs) {
    skip_blank(s);
    const char *start = s->p;
    WEFT_TRY(read_word(s, "expected an attribute"));
    uint32_t n = weft_op_attr_count(op), i = 0;
    while (i < n && strcmp(op->attrs[i].name, s->word) != 0) i++;
    if (i == n || given[i]) {
        s->p = start;
        return refuse(s, i == n ? "an attribute that the operator does not have" : "an attribute is given twice");
    }
    given[i] = true;
    attrs[i] = (struct weft_attr){0};
    if (!take(s, '=')) return refuse(s, "expected '=' after an attribute");
    switch (op->attrs[i].type) {
    case WEFT_ATTR_INT: return read_integer(s, &attrs[i].i);
    case WEFT_ATTR_FLOAT: return read_double(s, &attrs[i].f);
    case WEFT_ATTR_ENUM: return read_choice(s, &op->attrs[i], &attrs[i].i);
    case WEFT_ATTR_DIM: return read_dim(s, ",}", &attrs[i].d);
    default: return read_list(s, op->attrs[i].type, &attrs[i]);
    }
}

static weft_status read_attrs(struct parser *s, const struct weft_op *op, struct weft_attr *attrs) {
    bool given[WEFT_MAX_ATTRS] = {false};
    uint32_t n = weft_op_attr_count(op);
    if (take(s, '{') && !take(s, '}')) {
        do WEFT_TRY(read_attr(s, op, given, attrs));
        while (take(s, ','));
        if (!take(s, '}')) return refuse(s, "expected ',' or '}' after an attribute");
    }
    for (uint32_t i = 0; i < n; i++) {
        if (given[i]) continue;
        if (op->attrs[i].required)
            return in_line(s, weft_fail(WEFT_ERR_FORMAT, "%s: attribute %s is missing", op->name, op->attrs[i].name));
        if (!weft_attr_default(s->g->dims, &op->attrs[i], &attrs[i]))
            return weft_fail(WEFT_ERR_NOMEM, "out of memory while reading a graph");
    }
    return WEFT_OK;
}

static weft_status parse_node(struct parser *s) {
    char labels[WEFT_MAX_OUTS][MAX_WORD];
    struct weft_attr attrs[WEFT_MAX_ATTRS];
    weft_value in[WEFT_MAX_INS], outs[WEFT_MAX_OUTS];
    uint32_t n_out = 0, n_in = 0;
    memset(attrs, 0, sizeof attrs);
    while (!take(s, '=')) {
        if (n_out == WEFT_MAX_OUTS) return refuse(s, "expected '='");
        WEFT_TRY(read_label(s));
        memcpy(labels[n_out++], s->word, MAX_WORD);
    }
    skip_blank(s);
    const char *start = s->p;
    WEFT_TRY(read_word(s, "expected an operator"));
    const struct weft_op *op = weft_op_find(s->g->ops, s->word);
    static const char other_count[] = "the operator has another number of results than stand";
    if (!op || (!op->n_out_of && op->n_out != n_out)) {
        s->p = start;
        return refuse(s, op ? other_count : "unknown operator");
    }
    while (!at_end(s) && *s->p == '%') {
        if (n_in == WEFT_MAX_INS) return refuse(s, "too many inputs");
        WEFT_TRY(read_value(s, &in[n_in++]));
    }
    WEFT_TRY(read_attrs(s, op, attrs));
    if (op->n_out_of && weft_op_outputs(op, attrs) != n_out) {
        s->p = start;
        return refuse(s, other_count);
    }
    bool named = !at_end(s);
    if (named && *s->p != '"') return refuse(s, "expected the node's name in quotes");
    if (named) WEFT_TRY(read_string(s));
    TRY_LINE(weft_graph_add_raw(s->g, op, named ? s->word : NULL, in, n_in, attrs, outs));
    for (uint32_t k = 0; k < n_out; k++) WEFT_TRY(define(s, labels[k], outs[k]));
    return WEFT_OK;
}

static weft_status parse_output(struct parser *s) {
    weft_value v;
    WEFT_TRY(read_value(s, &v));
    WEFT_TRY(read_word(s, "expected the output's name"));
    return in_line(s, weft_graph_output(s->g, v, s->word));
}

static weft_status parse_line(struct parser *s) {
    static const struct {
        const char *word;
        weft_status (*parse)(struct parser *s);
    } statements[] = {
        {"symbol", parse_symbol}, {"relate", parse_relation}, {"input", parse_input},
        {"weight", parse_weight}, {"state", parse_state},     {"var", parse_var},
        {"const", parse_const},   {"output", parse_output},   {"pair", parse_pair},
    };
    if (at_end(s)) return WEFT_OK;
    const char *start = s->p;
    weft_status (*parse)(struct parser *) = *s->p == '%' ? parse_node : NULL;
    if (!parse) WEFT_TRY(read_word(s, "expected a statement"));
    for (size_t i = 0; !parse && i < sizeof statements / sizeof statements[0]; i++)
        if (strcmp(statements[i].word, s->word) == 0) parse = statements[i].parse;
    if (!parse) {
        s->p = start;
        return refuse(s, "expected symbol, relate, input, weight, state, var, const, output, pair or %result = ...");
    }
    WEFT_TRY(parse(s));
    return at_end(s) ? WEFT_OK : refuse(s, "unexpected text");
}

weft_status weft_graph_parse(const struct weft_op_set *ops, const char *text, size_t len, struct weft_graph **out) {
    struct parser s = {0};
    *out = NULL;
    // A dim's handle does not tell a lack of memory from an illegal dim.
    uint64_t failures = weft_alloc_failures();
    WEFT_TRY(weft_graph_create(ops, &s.g));
    weft_status status = WEFT_OK;
    const char *end = text + len;
    for (s.p = text; status == WEFT_OK && s.p < end; s.p = s.end + (s.end < end)) {
        const char *newline = memchr(s.p, '\n', (size_t)(end - s.p));
        s.end = newline ? newline : end;
        s.line++;
        status = parse_line(&s);
    }
    weft_map_free(&s.labels);
    status = weft_blame_memory(failures, status);
    if (status == WEFT_OK) *out = s.g;
    else weft_graph_destroy(s.g);
    return status;
}

// ---- pieces

weft_status weft_type_parse(struct weft_graph *g, const char *text, struct weft_type *out) {
    struct parser s = {.g = g, .p = text, .end = text + strlen(text)};
    WEFT_TRY(read_type(&s, out));
    return at_end(&s) ? WEFT_OK : refuse(&s, "unexpected text behind a shape");
}

weft_status weft_attrs_parse(struct weft_graph *g, const struct weft_op *op, const char *text,
                             struct weft_attr *attrs) {
    struct weft_str braced = {0};
    memset(attrs, 0, WEFT_MAX_ATTRS * sizeof *attrs);
    weft_str_addf(&braced, "{%s}", text);
    if (braced.failed) return weft_fail(WEFT_ERR_NOMEM, "out of memory while reading attributes");
    struct parser s = {.g = g, .p = braced.data, .end = braced.data + braced.len};
    weft_status status = read_attrs(&s, op, attrs);
    if (status == WEFT_OK && !at_end(&s)) status = refuse(&s, "unexpected text behind the attributes");
    weft_str_free(&braced);
    return status;
}
