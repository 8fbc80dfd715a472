/// Pages of paged states: those that are written at one position form a group with a page table of its own, behind the
/// variables. Which rows a page has, how many pages a binding holds, and where the tables lie.
#include "compile/passes.h"
#include "core/error.h"
#include "plan/update.h"
#include <inttypes.h>

static uint32_t state_of(const struct weft_plan *p, weft_value v) { return p->graph->values[v].state; }

enum { PAGE_ROWS = 64, LEAST_PAGE_ROWS = 4, MOST_PAGE_ROWS = 4096, LARGE_PAGE = 256 << 10 };

static weft_status misused(const struct weft_plan_state *s, const char *why) {
    return weft_fail(WEFT_ERR_UNSUPPORTED, "paged state '%s' %s; make it a ring or dense state instead", s->name, why);
}

/// Rows lie wherever a page is, so only operators that ask for them by row may use a paged state.
static weft_status check_uses(const struct weft_plan *p, const struct weft_node *n) {
    for (uint32_t k = 0; k < n->n_in; k++) {
        uint32_t state = state_of(p, n->in[k]);
        if (state == UINT32_MAX || p->states[state].kind != WEFT_STATE_PAGED) continue;
        const struct weft_state_access *a = weft_op_access(n->op, k);
        if (a && (a->touch == WEFT_TOUCH_BACK || a == weft_op_sink(n->op))) continue;
        return weft_fail(WEFT_ERR_UNSUPPORTED,
                         "operator '%s' reads paged state '%s' as a whole; only attention finds its rows through pages",
                         n->op->name, p->states[state].name);
    }
    return WEFT_OK;
}

static weft_status check_paged(const struct weft_plan *p, const struct weft_plan_state *s) {
    if (s->position == WEFT_NO_POSITION) return misused(s, "is not written by cache_append at a variable");
    if (p->positions[s->position].untracked)
        return misused(s, "is written at a variable that other operators than advance write");
    uint32_t slots = p->states[p->positions[s->position].state].slots;
    if (s->slots != slots)
        return weft_fail(WEFT_ERR_INVALID,
                         "paged state '%s' is kept for %u slot%s and written at the positions of %u; each slot needs a "
                         "position (weft_graph_state_by_slot)",
                         s->name, s->slots, s->slots == 1 ? "" : "s", slots);
    for (size_t v = 0; v < p->graph->n_values; v++)
        if (p->graph->values[v].is_output && p->graph->values[v].state != UINT32_MAX &&
            &p->states[p->graph->values[v].state] == s)
            return misused(s, "is an output of the graph");
    return WEFT_OK;
}

static struct weft_plan_pages *group_of(struct weft_plan *p, struct weft_plan_state *s) {
    for (s->pages = 0; s->pages < p->n_page_groups; s->pages++)
        if (p->page_groups[s->pages].position == s->position) return &p->page_groups[s->pages];
    p->page_groups[p->n_page_groups] =
        (struct weft_plan_pages){.position = s->position, .rows = s->rows, .slots = s->slots};
    return &p->page_groups[p->n_page_groups++];
}

static weft_status add_span(struct weft_plan_pages *g, struct weft_plan_span span) {
    for (uint32_t i = 0; i < g->n_spans; i++)
        if (g->spans[i].rows == span.rows && g->spans[i].word == span.word) return WEFT_OK;
    if (g->n_spans == WEFT_MAX_SPANS)
        return weft_fail(WEFT_ERR_UNSUPPORTED, "paged states get rows in more than %d different numbers a run",
                         WEFT_MAX_SPANS);
    g->spans[g->n_spans++] = span;
    return WEFT_OK;
}

/// 64 rows a page, fewer where rows are long.
static void choose_shift(const struct weft_plan *p, struct weft_plan_pages *g, uint32_t rows) {
    uint64_t longest = 1;
    for (uint32_t i = 0; i < p->n_states; i++)
        if (p->states[i].kind == WEFT_STATE_PAGED && &p->page_groups[p->states[i].pages] == g &&
            p->states[i].row_bytes > longest)
            longest = p->states[i].row_bytes;
    uint64_t wanted = rows ? rows : PAGE_ROWS;
    while (!rows && wanted > LEAST_PAGE_ROWS * 4 && weft_bytes_times(wanted, longest) > LARGE_PAGE) wanted /= 2;
    while (!rows && wanted > LEAST_PAGE_ROWS && weft_bytes_times(wanted, longest) > weft_caps_bindable(&p->caps))
        wanted /= 2;
    while ((uint64_t)2 << g->shift <= wanted) g->shift++;
}

/// Attention binds the banks of keys and of values beside four operands, and numbers their elements by 32 bits.
static weft_status choose_banks(const struct weft_plan *p, struct weft_plan_pages *g) {
    uint32_t slots =
        p->caps.max_storage_buffers < WEFT_MAX_SLOTS - 1 ? p->caps.max_storage_buffers : WEFT_MAX_SLOTS - 1;
    uint32_t most = slots > 6 ? (slots - 4) / 2 : 1;
    uint64_t pages = UINT32_MAX, elements = 1;
    for (uint32_t i = 0; i < p->n_states; i++) {
        const struct weft_plan_state *s = &p->states[i];
        if (s->kind != WEFT_STATE_PAGED || &p->page_groups[s->pages] != g) continue;
        uint64_t n = s->page_bytes / weft_accessor_width(p->graph->values[s->value].type.dtype);
        if (weft_caps_bindable(&p->caps) / s->page_bytes < pages) pages = weft_caps_bindable(&p->caps) / s->page_bytes;
        if (n > elements) elements = n;
        if (pages == 0)
            return weft_fail(WEFT_ERR_LIMIT,
                             "a page of %u rows of state '%s' has %" PRIu64
                             " bytes, more than a binding of this device "
                             "(%" PRIu64 "); choose fewer rows a page",
                             1u << g->shift, s->name, s->page_bytes, weft_caps_bindable(&p->caps));
    }
    if (weft_bytes_times(pages, elements) > UINT32_MAX) pages = UINT32_MAX / elements;
    if (pages == 0)
        return weft_fail(WEFT_ERR_LIMIT,
                         "a page of %u rows has %" PRIu64 " elements, more than have numbers; choose "
                         "fewer rows a page",
                         1u << g->shift, elements);
    uint64_t needed = ((uint64_t)g->n * g->slots + pages) / pages; // for one page more than those
    while (most > 1 && weft_bytes_times(pages * most, elements) > UINT32_MAX) most--;
    g->bank_pages = (uint32_t)pages;
    if (needed > 1) needed *= 2; // twice what the slots can hold, where there are bindings for it
    g->n_banks = needed < most ? (uint32_t)needed : most;
    return WEFT_OK;
}

/// Rows that a node writes to a paged state. Of slots, the word of each one's tokens has to be the host's, and say how
/// many there are of each, so that pages can be taken before a run.
static weft_status note_span(struct weft_plan *p, const struct weft_node *n) {
    const struct weft_graph *g = p->graph;
    const struct weft_state_access *a = weft_op_sink(n->op);
    uint32_t state = a ? state_of(p, n->in[a->operand]) : UINT32_MAX;
    if (state == UINT32_MAX || p->states[state].kind != WEFT_STATE_PAGED) return WEFT_OK;
    const struct weft_plan_state *s = &p->states[state];
    struct weft_plan_pages *group = &p->page_groups[s->pages];
    if (!a->slot || a->slot >= n->n_in) {
        weft_dim rows = g->values[n->in[a->value]].type.dims[0];
        weft_dim span = weft_dim_add(g->dims, rows, weft_plan_ahead(p, n->in[a->at]));
        if (span == WEFT_DIM_BAD) return weft_fail(WEFT_ERR_NOMEM, "out of memory while compiling the graph");
        return add_span(group, (struct weft_plan_span){span, WEFT_NO_WORD});
    }
    uint32_t places = g->values[n->in[a->at]].node; // what has the position of each token
    if (g->values[n->in[a->slot]].kind != WEFT_VALUE_NODE || g->values[n->in[a->slot]].node != places)
        return misused(s, "gets rows by other slots than those that place_tokens gives with the positions");
    const struct weft_node *from = &g->nodes[places];
    if (g->values[from->in[0]].kind == WEFT_VALUE_NODE)
        return misused(s, "is written at positions that the same run has moved on");
    uint32_t count = state_of(p, from->in[1]);
    if (count == UINT32_MAX || p->states[count].kind != WEFT_STATE_VAR || p->states[count].written)
        return misused(s, "gets as many rows as only the device knows");
    return add_span(group, (struct weft_plan_span){weft_dim_const(g->dims, 0), p->states[count].var_slot});
}

/// A table for each slot, behind the variables and the tables before. They lie in one binding with the variables, and
/// their entries have numbers of 32 bits.
static weft_status place_tables(struct weft_plan *p, struct weft_plan_pages *g, uint64_t *words) {
    uint64_t most = p->caps.max_binding / 4, n = (g->rows + ((uint64_t)1 << g->shift) - 1) >> g->shift;
    if (*words > most || g->rows >= UINT32_MAX || weft_bytes_times(n + 1, g->slots) + 64 > most - *words)
        return weft_fail(WEFT_ERR_LIMIT,
                         "the page table of %" PRIu64 " rows in pages of %u rows%s is larger than a binding of this "
                         "device (%" PRIu64 " bytes); choose larger pages or a smaller context%s",
                         g->rows, 1u << g->shift, g->slots > 1 ? ", of each slot," : "", p->caps.max_binding,
                         g->slots > 1 ? ", or fewer slots" : "");
    g->n = (uint32_t)n;
    g->table = (uint32_t)*words;
    g->first = p->n_page_tables;
    p->n_page_tables += g->slots;
    *words += (uint64_t)weft_table_words(g) * g->slots;
    return WEFT_OK;
}

weft_status weft_pass_pages(struct weft_compiling *c) {
    struct weft_plan *p = c->plan;
    uint32_t page_rows = c->params->page_rows;
    p->page_groups = weft_arena_alloc(&p->arena, (p->n_states + 1) * sizeof *p->page_groups);
    if (!p->page_groups) return weft_fail(WEFT_ERR_NOMEM, "out of memory while compiling the graph");
    if (page_rows && (page_rows < LEAST_PAGE_ROWS || page_rows > MOST_PAGE_ROWS || (page_rows & (page_rows - 1))))
        return weft_fail(WEFT_ERR_INVALID, "pages of %u rows; a power of two from %d to %d is needed", page_rows,
                         LEAST_PAGE_ROWS, MOST_PAGE_ROWS);
    for (size_t i = 0; i < p->graph->n_nodes; i++)
        if (!p->graph->nodes[i].dead) WEFT_TRY(check_uses(p, &p->graph->nodes[i]));
    for (uint32_t i = 0; i < p->n_states; i++) {
        struct weft_plan_state *s = &p->states[i];
        if (s->kind != WEFT_STATE_PAGED) continue;
        WEFT_TRY(check_paged(p, s));
        struct weft_plan_pages *g = group_of(p, s);
        if (s->rows < g->rows) g->rows = s->rows;
    }
    for (size_t i = 0; i < p->graph->n_nodes; i++)
        if (!p->graph->nodes[i].dead) WEFT_TRY(note_span(p, &p->graph->nodes[i]));
    uint64_t words = weft_vars_bytes(p->n_vars) / 4;
    for (uint32_t k = 0; k < p->n_page_groups; k++) {
        choose_shift(p, &p->page_groups[k], page_rows);
        WEFT_TRY(place_tables(p, &p->page_groups[k], &words));
        for (uint32_t i = 0; i < p->n_states; i++) {
            struct weft_plan_state *s = &p->states[i];
            if (s->kind != WEFT_STATE_PAGED || s->pages != k) continue;
            s->page_bytes = weft_bytes_times(s->row_bytes, (uint64_t)1 << p->page_groups[k].shift);
            p->page_groups[k].page_bytes += s->page_bytes;
        }
        WEFT_TRY(choose_banks(p, &p->page_groups[k]));
    }
    p->vars_bytes = weft_align256(words * 4);
    return WEFT_OK;
}
