/// Every operator of ops.def must have met every kind of difficulty in some case; what a case meets is worked out from
/// its graph and sizes, not from what it claims. Needs no driver.
#include "cases.h"
#include "core/error.h"
#include "ops/ops.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

enum kind {
    EMPTY, ///< an operand or the result has no elements
    ONE,   ///< one element in, one out (of a state: one element written)
    ALIAS, ///< a value stands twice among the operands; or it is made by a node, or a state, and read by somebody else
           ///< too
    BROADCAST, ///< an operand has fewer elements than the result, and these more than none
    LIMITS,    ///< runs with minimum limits: every case does, so that having one is enough
    KINDS
};
static const char *const kind_names[KINDS] = {"an empty", "a one-element", "an alias", "a broadcast",
                                              "a minimum-limits"};

/// Kinds that an operator cannot meet, and why, beyond what its row says (see exemption).
static const struct {
    const char *ops;
    enum kind kind;
    const char *reason;
} exempt[] = {
    {"embedding_q4gsw", ONE, "a byte is two channels: a row has two elements or more"},
    {"rope_table", ONE, "it turns pairs: a head has two channels or more"},
    {"dequant_q4gsw", EMPTY, "its operands have one row and one byte at least"},
    {"advance", EMPTY, "its operand is one variable; by = 0 is among the cases"},
    {"rope", ONE, "it turns pairs: a head has two channels or more"},
    {"nll", BROADCAST, "a target and a result a row: no operand is spread over another"},
};
#define N_EXEMPT (sizeof exempt / sizeof *exempt)

#define X(name) #name,
static const char *const listed[] = {
#include "ops/ops.def"
};
#undef X
#define N_LISTED (sizeof listed / sizeof *listed)

static bool in_words(const char *words, const char *word) {
    size_t len = strlen(word);
    for (const char *p = words; (p = strstr(p, word)); p += len)
        if ((p == words || p[-1] == ' ') && (p[len] == ' ' || p[len] == 0)) return true;
    return false;
}

/// One operand is spread over no other, and neither is what goes into a state: it has a place for each element.
static bool broadcasts(const struct weft_op *op) { return !op || (op->n_in_max > 1 && !weft_op_writes(op, 0)); }

static const char *exemption(const char *op, enum kind k) {
    if (k == BROADCAST && !broadcasts(weft_op_find(weft_ops(), op))) return "its row says so";
    for (size_t i = 0; i < N_EXEMPT; i++)
        if (exempt[i].kind == k && in_words(exempt[i].ops, op)) return exempt[i].reason;
    return NULL;
}

static int64_t elements(const struct weft_graph *g, weft_value v, const int64_t *symbols) {
    int64_t n = 1;
    for (uint32_t i = 0; i < g->values[v].type.rank; i++)
        n *= weft_dim_eval(g->dims, g->values[v].type.dims[i], symbols);
    return n;
}

/// How often a value is read, or given out.
static uint32_t uses(const struct weft_graph *g, weft_value v) {
    uint32_t n = g->values[v].is_output;
    for (size_t i = 0; i < g->n_nodes; i++)
        for (uint32_t k = 0; k < g->nodes[i].n_in; k++) n += g->nodes[i].in[k] == v;
    return n;
}

static uint32_t kinds_of(const struct weft_graph *g, const struct weft_node *n, const int64_t *symbols) {
    uint32_t kinds = 1u << LIMITS;
    const struct weft_state_access *writes = weft_op_writes(n->op, 0);
    bool state = writes && !writes->must_be_state;
    int64_t out = elements(g, n->out[0], symbols), in = elements(g, n->in[state && n->n_in > 1 ? 1 : 0], symbols);
    if (out == 0) kinds |= 1u << EMPTY;
    if (in == 1 && (out == 1 || state)) kinds |= 1u << ONE;
    for (uint32_t i = 0; i < n->n_in; i++) {
        const struct weft_value_info *info = &g->values[n->in[i]];
        int64_t count = elements(g, n->in[i], symbols);
        if (count == 0) kinds |= 1u << EMPTY;
        if (count > 0 && count < out && !writes) kinds |= 1u << BROADCAST;
        if ((info->kind == WEFT_VALUE_NODE || info->kind == WEFT_VALUE_STATE) && uses(g, n->in[i]) > 1)
            kinds |= 1u << ALIAS;
        for (uint32_t k = 0; k < i; k++)
            if (n->in[k] == n->in[i]) kinds |= 1u << ALIAS;
    }
    return kinds;
}

struct coverage {
    uint32_t kinds[N_LISTED + 1];
};

static void collect(const struct op_case *c, struct coverage *all) {
    struct weft_graph *g;
    struct op_run run;
    if (weft_graph_parse(weft_ops(), c->graph, strlen(c->graph), &g) != WEFT_OK)
        fail_msg("'%s': %s", c->name, weft_error_message());
    op_run_begin(g, &run);
    for (const char *cursor = c->runs; op_run_next(g, &cursor, &run);) {
        if (weft_dims_check(g->dims, run.symbols) != WEFT_OK) fail_msg("'%s': %s", c->name, weft_error_message());
        for (uint32_t i = 0; i < run.n_set; i++)
            if (weft_graph_find(g, run.set[i].name) == WEFT_NO_VALUE)
                fail_msg("'%s' sets %s, which it does not have", c->name, run.set[i].name);
        for (size_t i = 0; i < g->n_nodes; i++)
            for (size_t k = 0; k < N_LISTED; k++)
                if (strcmp(listed[k], g->nodes[i].op->name) == 0)
                    all->kinds[k] |= kinds_of(g, &g->nodes[i], run.symbols);
    }
    weft_graph_destroy(g);
}

/// Number of kinds that the operator lacks; prints them unless `quiet`.
static int missing(const char *op, uint32_t kinds, bool quiet) {
    int n = 0;
    for (int k = 0; k < KINDS; k++) {
        if (kinds >> k & 1 || exemption(op, (enum kind)k)) continue;
        if (!quiet)
            printf("operator '%s' has no %s case; add one to tests/ops/cases_*.h, or an exemption with its reason\n",
                   op, strchr(kind_names[k], ' ') + 1);
        n++;
    }
    return n;
}

static struct coverage everything(void) {
    struct coverage all = {0};
    for (size_t t = 0; t < sizeof op_tables / sizeof *op_tables; t++)
        for (size_t i = 0; i < op_tables[t].n; i++) collect(&op_tables[t].cases[i], &all);
    return all;
}

static void every_operator_has_cases(void **state) {
    (void)state;
    struct coverage all = everything();
    int bad = 0;
    for (size_t k = 0; k < N_LISTED; k++) bad += missing(listed[k], all.kinds[k], false);
    assert_int_equal(bad, 0);
}

/// An exemption that a case contradicts, or that names no operator, has grown old.
static void exemptions_hold(void **state) {
    (void)state;
    struct coverage all = everything();
    int bad = 0;
    for (size_t i = 0; i < N_EXEMPT; i++) {
        size_t named = 0, words = 1;
        for (const char *p = exempt[i].ops; *p; p++) words += *p == ' ';
        for (size_t k = 0; k < N_LISTED; k++) {
            if (!in_words(exempt[i].ops, listed[k])) continue;
            named++;
            if (!(all.kinds[k] >> exempt[i].kind & 1)) continue;
            printf("operator '%s' has %s case, and an exemption: %s\n", listed[k], kind_names[exempt[i].kind],
                   exempt[i].reason);
            bad++;
        }
        if (named != words) printf("an exemption names what is no operator: %s\n", exempt[i].ops);
        bad += named != words || !exempt[i].reason[0];
    }
    assert_int_equal(bad, 0);
}

static void names_are_unique(void **state) {
    (void)state;
    for (size_t t = 0; t < sizeof op_tables / sizeof *op_tables; t++)
        for (size_t i = 0; i < op_tables[t].n; i++)
            for (size_t u = 0; u < sizeof op_tables / sizeof *op_tables; u++)
                for (size_t j = 0; j < op_tables[u].n; j++)
                    if ((t != u || i != j) && strcmp(op_tables[t].cases[i].name, op_tables[u].cases[j].name) == 0)
                        fail_msg("two cases are called '%s'", op_tables[t].cases[i].name);
}

static bool has_type_cases(const char *type) {
    char weight[32];
    uint32_t uses = 0;
    snprintf(weight, sizeof weight, "weight w %s [", type);
    for (size_t i = 0; i < sizeof type_cases / sizeof *type_cases; i++)
        uses += strstr(type_cases[i].graph, weight) != 0;
    return uses >= 2;
}

static void every_block_type_has_cases(void **state) {
    (void)state;
    for (int i = 0; i < WEFT_DTYPE_COUNT; i++)
        if (weft_dtype_info((weft_dtype)i)->quantised && !has_type_cases(weft_dtype_name((weft_dtype)i)))
            fail_msg("%s has no cases: add it to ir/quant.h", weft_dtype_name((weft_dtype)i));
    assert_false(has_type_cases("f32")); // the control
}

/// Negative controls: an operator without cases, one that lacks a kind, and a case that meets only what it meets.
static void gaps_are_noticed(void **state) {
    (void)state;
    assert_int_equal(missing("no_such_operator", 0, true), KINDS);
    assert_int_equal(missing("add", 1u << EMPTY | 1u << ONE | 1u << BROADCAST | 1u << LIMITS, true), 1);
    assert_int_equal(missing("neg", 1u << EMPTY | 1u << ONE | 1u << ALIAS | 1u << LIMITS, true), 0);
    struct coverage one = {0};
    collect(&(struct op_case){.name = "control",
                              .runs = "T=3",
                              .graph = "symbol T 0 4\ninput x f32 [T]\ninput y f32 [T]\n%0 = add %x %y\noutput %0 z\n"},
            &one);
    for (size_t k = 0; k < N_LISTED; k++)
        assert_int_equal(one.kinds[k], strcmp(listed[k], "add") == 0 ? 1u << LIMITS : 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator_has_cases),   cmocka_unit_test(exemptions_hold),
        cmocka_unit_test(every_block_type_has_cases), cmocka_unit_test(names_are_unique),
        cmocka_unit_test(gaps_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
