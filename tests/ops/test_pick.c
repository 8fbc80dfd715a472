/// The short form of driver configurations (cases_pick.h) leaves nothing out that counts, and is short. No driver is
/// needed.
#include "cases_pick.h"
#include "gpu/gpu_backend.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void add_all(struct op_picks *p) {
    for (int kind = 0; kind < OP_PICK_KINDS; kind++) {
        struct weft_gpu_caps caps;
        weft_gpu_null_caps(&caps);
        caps.kind = kind ? WEFT_GPU_DISCRETE : WEFT_GPU_CPU;
        for (size_t t = 0; t < sizeof op_tables / sizeof *op_tables; t++)
            for (size_t i = 0; i < op_tables[t].n; i++)
                for (int level = 0; level < (op_tables[t].cases[i].levels ? OP_LEVELS : 1); level++)
                    assert_true(op_item_add(p, &op_tables[t].cases[i], level, kind, &caps));
    }
}

/// Features that no picked item has, without item `but`.
static size_t lost(const struct op_picks *p, const struct op_item *but) {
    bool *had = weft_calloc(p->features.count + 1, 1);
    size_t n = 0;
    assert_non_null(had);
    for (size_t i = 0; i < p->n; i++)
        for (uint32_t k = 0; p->items[i].picked && &p->items[i] != but && k < p->items[i].n_features; k++)
            had[p->items[i].features[k]] = true;
    for (size_t i = 0; i < p->features.count; i++) n += !had[i];
    weft_free(had);
    return n;
}

static void nothing_that_counts_is_left_out(void **state) {
    (void)state;
    for (int operators = 0; operators < 2; operators++) {
        struct op_picks p = {.operators = operators};
        size_t picked = 0, needed = 0;
        add_all(&p);
        assert_true(lost(&p, NULL) == p.features.count);
        uint32_t texts = op_pick(&p);
        assert_int_equal(lost(&p, NULL), 0);
        // The control: without any one of them something is missing.
        for (size_t i = 0; i < p.n; i++) {
            picked += p.items[i].picked;
            needed += p.items[i].picked && lost(&p, &p.items[i]) > 0;
        }
        print_message("%zu of %zu cases, %u of %zu texts, %zu features\n", picked, p.n, texts, p.texts.count,
                      p.features.count);
        assert_int_equal(needed, picked);
        assert_true(texts * 2 < p.texts.count);
        op_picks_free(&p);
    }
}

enum { RUN = 1, EXTREME_RUN = 2, EXTREME = 4, MOST_OPERATORS = 1024 };

/// What the nodes of a case's graph say of their operators.
static void mark(const struct op_item *it, uint8_t marks[MOST_OPERATORS]) {
    struct weft_graph *g = NULL;
    uint8_t says = (uint8_t)((it->picked ? RUN : 0) | (op_extreme(it->c) ? EXTREME : 0));
    if (says == (RUN | EXTREME)) says |= EXTREME_RUN;
    assert_int_equal(weft_graph_parse(weft_ops(), it->c->graph, strlen(it->c->graph), &g), WEFT_OK);
    for (size_t i = 0; i < g->n_nodes; i++) {
        size_t k = 0;
        while (weft_ops()->ops[k] != g->nodes[i].op) k++;
        assert_true(k < MOST_OPERATORS);
        marks[k] |= says;
    }
    weft_graph_destroy(g);
}

static void every_operator_is_run(void **state) {
    (void)state;
    struct op_picks p = {.operators = true};
    static uint8_t marks[MOST_OPERATORS];
    add_all(&p);
    op_pick(&p);
    for (size_t i = 0; i < p.n; i++) mark(&p.items[i], marks);
    for (size_t k = 0; weft_ops()->ops[k]; k++) {
        const char *name = weft_ops()->ops[k]->name;
        if (!(marks[k] & RUN)) fail_msg("no case of '%s' is picked", name);
        if (marks[k] & EXTREME && !(marks[k] & EXTREME_RUN))
            fail_msg("no case of '%s' with NaN or infinities is picked", name);
    }
    op_picks_free(&p);
}

static void the_choice_is_the_same_every_time(void **state) {
    (void)state;
    struct op_picks a = {.operators = true}, b = {.operators = true};
    add_all(&a);
    add_all(&b);
    op_pick(&a);
    op_pick(&b);
    assert_int_equal(a.n, b.n);
    for (size_t i = 0; i < a.n; i++) assert_int_equal(a.items[i].picked, b.items[i].picked);
    op_picks_free(&a);
    assert_true(op_picked(&a, &op_tables[0].cases[0], 0, 0)); // an empty list leaves nothing out
    op_picks_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_that_counts_is_left_out),
        cmocka_unit_test(every_operator_is_run),
        cmocka_unit_test(the_choice_is_the_same_every_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
