/// The operators as documentation, from the rows that ops.def lists: docs/operators.md, or with --list the line of
/// README.md. A row without `doc`, or with another number of operands in it than the row takes, is an error.
#include "core/str.h"
#include "ops/ops.h"

#include <stdio.h>
#include <string.h>

static int faults;

// ---- what a row says -----------------------------------------------------------------------------------------------

static const struct {
    const char *title, *text;
} kinds[] = {
    {"Elementwise", "Operands are broadcast as NumPy does it. The compiler makes kernels of any number of them."},
    {"Reductions", "Of the last axis, which stays with size 1."},
    {"States", "What a run writes and the next run reads. With another value in place of a state they are functions."},
    {"Views", "The memory of the operand, or of weights as they are loaded, without a step where that is possible."},
    {"Built from simpler operators", "The compiler joins the parts again, with whatever stands around them."},
    {"Kernels of their own", "Products, attention, movement, choosing and scoring tokens."},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static int kind_of(const struct weft_op *op) {
    if (op->traits & WEFT_OP_ELEMENTWISE) return 0;
    if (op->reduce != WEFT_REDUCE_NONE) return 1;
    for (uint32_t k = 0; k < op->n_in_max; k++)
        if (weft_op_writes(op, k)) return 2;
    if (op->view != WEFT_VIEW_NONE || op->repack) return 3;
    return op->decompose && !op->lower ? 4 : 5;
}

/// Names of a comma-separated list from p to end; `least` of them stand in front of the first bracket. A list that
/// ends in dots has no upper end.
static void count(const char *p, const char *end, unsigned *least, unsigned *most) {
    bool optional = false, any = end - p >= 3 && strncmp(end - 3, "...", 3) == 0;
    *least = *most = 1;
    for (; p < end; p++) {
        optional |= *p == '[';
        if (*p != ',') continue;
        ++*most;
        if (!optional) ++*least;
    }
    if (any) *most = UINT32_MAX;
}

static bool fits(const char *p, const char *end, unsigned least, unsigned most) {
    unsigned names, all;
    count(p, end, &names, &all);
    return all == UINT32_MAX ? names <= least : names == least && all == most;
}

/// The parts of `doc`; false where it is missing or wrong.
static bool parts(const struct weft_op *op, const char **arrow, const char **colon) {
    *arrow = op->doc ? strstr(op->doc, " -> ") : NULL;
    *colon = *arrow ? strstr(*arrow, ": ") : NULL;
    return *colon && fits(op->doc, *arrow, op->n_in_min, op->n_in_max) &&
           fits(*arrow + 4, *colon, op->n_out, op->n_out);
}

// ---- attributes ----------------------------------------------------------------------------------------------------

static void add_range(const struct weft_attr_desc *a, struct weft_str *s) {
    if (a->lo != 0 || a->hi != 0) weft_str_addf(s, ", %.10g to %.10g", a->lo, a->hi);
}

static void add_choice(const char *choices, int index, struct weft_str *s) {
    while (index-- > 0) choices = strchr(choices, '|') ? strchr(choices, '|') + 1 : "";
    weft_str_addn(s, choices, strcspn(choices, "|"));
}

static void add_attr(const struct weft_attr_desc *a, struct weft_str *s) {
    static const char *const types[] = {"int", "float", "enum", "dim", "ints", "dims"};
    weft_str_addf(s, "`%s`", a->name);
    if (a->type == WEFT_ATTR_ENUM) {
        weft_str_add(s, " ");
        for (const char *p = a->choices; *p; p++) weft_str_add(s, *p == '|' ? ", " : (char[]){*p, 0});
    } else weft_str_addf(s, " %s", types[a->type]);
    add_range(a, s);
    if (a->required) {
        weft_str_add(s, ", required");
        return;
    }
    weft_str_add(s, " (");
    if (a->type == WEFT_ATTR_ENUM) add_choice(a->choices, (int)a->dflt, s);
    else if (a->type == WEFT_ATTR_INTS || a->type == WEFT_ATTR_DIMS) weft_str_add(s, "empty");
    else weft_str_addf(s, "%.10g", a->dflt);
    weft_str_add(s, ")");
}

// ---- the two forms -------------------------------------------------------------------------------------------------

static void add_row(const struct weft_op *op, struct weft_str *s) {
    const char *arrow, *colon;
    if (!parts(op, &arrow, &colon)) {
        fprintf(stderr,
                "operators: the row of '%s' needs a `doc` such as \"x, w[, b] -> y: what it computes\" with as "
                "many operands and results as it takes\n",
                op->name);
        faults++;
        return;
    }
    weft_str_addf(s, "| `%s` | %.*s | ", op->name, (int)(colon - op->doc), op->doc);
    for (int i = 0; op->attrs[i].name; i++) {
        if (i) weft_str_add(s, "<br>");
        add_attr(&op->attrs[i], s);
    }
    weft_str_addf(s, " | %s |\n", colon + 2);
}

static void page(struct weft_str *s) {
    weft_str_add(s, "# Operators\n\nMade by `scripts/operators.sh --write` from the rows that `src/ops/ops.def` lists; "
                    "edits here are lost. The head of each\noperator's file in `src/ops/` has shapes, types and what "
                    "NaN, infinity and empty operands give. An attribute is followed\nby its type, its range, and its "
                    "default in parentheses.\n");
    for (int k = 0; k < KINDS; k++) {
        weft_str_addf(s, "\n## %s\n\n%s\n\n", kinds[k].title, kinds[k].text);
        weft_str_add(s, "| operator | operands and results | attributes | computes |\n|---|---|---|---|\n");
        for (const struct weft_op *const *op = weft_ops()->ops; *op; op++)
            if (kind_of(*op) == k) add_row(*op, s);
    }
}

/// The words of README.md: names by kind.
static void list(struct weft_str *s) {
    for (int k = 0; k < KINDS; k++) {
        weft_str_addf(s, "%s%c%s:", k ? "; " : "", kinds[k].title[0] | 32, kinds[k].title + 1);
        for (const struct weft_op *const *op = weft_ops()->ops; *op; op++)
            if (kind_of(*op) == k) weft_str_addf(s, " %s", (*op)->name);
    }
    weft_str_add(s, "\n");
}

/// Negative control: rows that must not pass.
static void control(void) {
    static const struct weft_op good = {.doc = "x, w[, b] -> y: z", .n_in_min = 2, .n_in_max = 3, .n_out = 1};
    static const struct weft_op any = {.doc = "x... -> y: z", .n_in_min = 1, .n_in_max = 16, .n_out = 1};
    static const char *const wrong[] = {NULL,       "", "x, w, b -> y: z", "x, w -> y: z", "x, w[, b] -> y, n: z",
                                        "x, w[, b]"};
    const char *arrow, *colon;
    faults += !parts(&good, &arrow, &colon) + !parts(&any, &arrow, &colon);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct weft_op op = good;
        op.doc = wrong[i];
        faults += parts(&op, &arrow, &colon);
    }
    if (faults) fprintf(stderr, "operators: the check of rows is itself broken\n");
}

int main(int argc, char **argv) {
    struct weft_str s = {0};
    control();
    if (argc > 1 && strcmp(argv[1], "--list") == 0) list(&s);
    else page(&s);
    fputs(weft_str_get(&s), stdout);
    faults += s.failed;
    weft_str_free(&s);
    return faults != 0;
}
