/// Operator cases: rows of small text graphs that the device must compute as the host reference does. test_gpu_ops.c
/// runs all of them in every configuration, the one of minimum limits included; test_ops_covered.c works out from
/// graphs and sizes which operator has met which kind of difficulty, so that a row cannot claim what it does not do.
///
/// Operators of one structure share a graph, since a pipeline costs 30 to 700 ms on CPU drivers; sizes are free.
#ifndef WEFT_TEST_OPS_CASES_H
#define WEFT_TEST_OPS_CASES_H
#include "ir/graph.h"
#include <stdlib.h>
#include <string.h>

struct op_case {
    const char *name;
    const char *graph; ///< text format
    /// Runs of one program, divided by '|'. A run is a list of NAME=NUMBER: a live symbol, or the value of all elements
    /// of an input or state (NAME=1,2,3: of its elements, repeated). Symbols keep their value from run to run (at
    /// first: their lower bound).
    const char *runs;
    /// Leaf data, divided by ';', as NAME = RULE: "A..B" (uniform), "int A..B" (whole numbers, both ends), numbers to
    /// repeat ("1 nan -0 inf"), "bytes" or "wild bytes" (of block types), or "sampling KEY=X ..." (of several sequences
    /// "sampling KEY=X ... / KEY=X ...", repeated). Otherwise: floats
    /// uniform in +-1, integers in 0..7.
    const char *data;
    /// An element is right if |device - host| <= abs + rel |host|, if both are NaN, or if both are equal. 0, 0: exact.
    double rel, abs;
    const char *split; ///< symbol with schedules up to 1, 8 and above; NULL: one schedule
    bool levels;       ///< also without fusion (no_fuse 1) and without fusion into contractions (2)
};

#include "cases_elementwise.h"
#include "cases_alias.h"
#include "cases_axes.h"
#include "cases_bytes.h"
#include "cases_contract.h"
#include "cases_experts.h"
#include "cases_model.h"
#include "cases_maps.h"
#include "cases_move.h"
#include "cases_norm.h"
#include "cases_patterns.h"
#include "cases_q4.h"
#include "cases_reduce.h"
#include "cases_rows.h"
#include "cases_scan.h"
#include "cases_types.h"
#include "cases_weights.h"
#include "cases_state.h"
#include "cases_recurrent.h"
#include "cases_select.h"
#include "cases_sequences.h"

struct op_table {
    const char *name;
    const struct op_case *cases;
    size_t n;
};
#define TABLE(rows)                                                                                                    \
    { #rows, rows, sizeof rows / sizeof *rows }
static const struct op_table op_tables[] = {
    TABLE(elementwise_cases), TABLE(reduce_cases),    TABLE(contract_cases), TABLE(movement_cases),
    TABLE(attention_cases),   TABLE(choice_cases),    TABLE(aliased_cases),  TABLE(weight_cases),
    TABLE(state_cases),       TABLE(recurrent_cases), TABLE(move_cases),     TABLE(q4_cases),
    TABLE(norm_cases),        TABLE(scan_cases),      TABLE(axes_cases),     TABLE(chunk_cases),
    TABLE(map_cases),         TABLE(pattern_cases),   TABLE(byte_cases),     TABLE(type_cases),
    TABLE(select_cases),      TABLE(expert_cases),    TABLE(sequence_cases), TABLE(rows_cases),
};
#undef TABLE

/// One run: live symbols in the graph's order, and leaves with one value for all elements.
struct op_run {
    int64_t symbols[WEFT_MAX_SYMBOLS];
    struct {
        char name[32];
        double x[8]; ///< repeated
        uint32_t n;
    } set[8];
    uint32_t n_set;
};

/// Starts at symbols' lower bounds; then each call reads the run at *cursor and moves on. False at the end.
static inline void op_run_begin(const struct weft_graph *g, struct op_run *r) {
    int64_t hi;
    memset(r, 0, sizeof *r);
    for (uint32_t i = 0; i < weft_dims_symbol_count(g->dims); i++)
        weft_dims_symbol_bounds(g->dims, i, &r->symbols[i], &hi);
}

static inline bool op_run_next(const struct weft_graph *g, const char **cursor, struct op_run *r) {
    const char *p = *cursor;
    if (!p || !*p) return false;
    r->n_set = 0;
    for (; *p && *p != '|';) {
        while (*p == ' ') p++;
        size_t n = strcspn(p, "= |");
        if (n == 0 || p[n] != '=') {
            p += n;
            continue;
        }
        char name[32] = "";
        memcpy(name, p, n < 31 ? n : 31);
        char *end;
        double x = strtod(p + n + 1, &end);
        p = end;
        int symbol = weft_dims_symbol_find(g->dims, name);
        if (symbol >= 0) {
            r->symbols[symbol] = (int64_t)x;
        } else if (r->n_set < 8) {
            memcpy(r->set[r->n_set].name, name, sizeof name);
            r->set[r->n_set].n = 0;
            r->set[r->n_set].x[r->set[r->n_set].n++] = x;
            while (*p == ',' && r->set[r->n_set].n < 8) {
                r->set[r->n_set].x[r->set[r->n_set].n++] = strtod(p + 1, &end);
                p = end;
            }
            r->n_set++;
        }
    }
    *cursor = *p ? p + 1 : p;
    return true;
}
#endif
