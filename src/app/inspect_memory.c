/// weft inspect --memory: what a plan takes on the device, and what a context adds to it page by page.
#include "app/inspect.h"

#include "app/app.h"
#include "app/json.h"
#include "exec/program.h"

#include <inttypes.h>

static const char *const kinds[] = {[WEFT_STATE_DENSE] = "dense",
                                    [WEFT_STATE_RING] = "ring",
                                    [WEFT_STATE_PAGED] = "paged",
                                    [WEFT_STATE_VAR] = "variable"};

/// States of one kind and shape; those of a model's layers are mostly equal.
struct like {
    const struct weft_plan_state *state; ///< the first
    uint32_t n;
    uint64_t bytes; ///< of all, pages of a full context
};

static bool alike(const struct weft_plan_state *a, const struct weft_plan_state *b) {
    return a->kind == b->kind && a->rows == b->rows && a->row_bytes == b->row_bytes &&
           weft_state_buffers(a) == weft_state_buffers(b) && (a->kind != WEFT_STATE_PAGED || a->pages == b->pages);
}

/// The group that state i is the first of; n = 0 if an earlier one is, or it is a variable.
static struct like like_from(const struct weft_plan *plan, uint32_t i) {
    struct like l = {.state = &plan->states[i]};
    if (l.state->kind == WEFT_STATE_VAR) return l;
    for (uint32_t k = 0; k < i; k++)
        if (alike(&plan->states[k], l.state)) return l;
    for (uint32_t k = i; k < plan->n_states; k++) l.n += alike(&plan->states[k], l.state);
    uint64_t each = l.state->bytes * weft_state_buffers(l.state);
    if (l.state->kind == WEFT_STATE_PAGED) each = l.state->page_bytes * plan->page_groups[l.state->pages].n;
    l.bytes = l.n * each;
    return l;
}

static void text_states(const struct weft_plan *plan) {
    weft_outf("\nstates of a session (number, kind, rows x bytes, bytes of all; first of them)\n");
    for (uint32_t i = 0; i < plan->n_states; i++) {
        struct like l = like_from(plan, i);
        if (l.n == 0) continue;
        weft_outf("%4u %-5s %8" PRIu64 " x %-8" PRIu64 " %12" PRIu64 "  %s\n", l.n, kinds[l.state->kind], l.state->rows,
                  l.state->row_bytes, l.bytes, l.state->name);
    }
}

static void text_pages(const struct weft_plan *plan) {
    for (uint32_t g = 0; g < plan->n_page_groups; g++) {
        const struct weft_plan_pages *p = &plan->page_groups[g];
        uint64_t row = p->page_bytes >> p->shift;
        weft_outf("\na context of up to %" PRIu64 " positions takes pages of %u, %" PRIu64 " bytes each, as it grows\n",
                  p->rows, 1u << p->shift, p->page_bytes);
        weft_outf("%" PRIu64 " bytes a position; %u pages when it is full, and one that is nobody's: %.1f MB\n", row,
                  p->n, (double)((uint64_t)p->n + 1) * (double)p->page_bytes / 1e6);
    }
}

static json_t *json_states(const struct weft_plan *plan) {
    json_t *rows = json_array();
    for (uint32_t i = 0; i < plan->n_states; i++) {
        struct like l = like_from(plan, i);
        if (l.n == 0) continue;
        json_array_append_new(rows,
                              json_pack("{ss sI sI sI sI so}", "kind", kinds[l.state->kind], "states", (json_int_t)l.n,
                                        "rows", (json_int_t)l.state->rows, "row_bytes", (json_int_t)l.state->row_bytes,
                                        "bytes", (json_int_t)l.bytes, "first", weft_json_string(l.state->name)));
    }
    return rows;
}

static json_t *json_pages(const struct weft_plan *plan) {
    json_t *rows = json_array();
    for (uint32_t g = 0; g < plan->n_page_groups; g++) {
        const struct weft_plan_pages *p = &plan->page_groups[g];
        json_array_append_new(rows, json_pack("{sI sI sI sI sI}", "positions", (json_int_t)p->rows, "page_rows",
                                              (json_int_t)((uint64_t)1 << p->shift), "page_bytes",
                                              (json_int_t)p->page_bytes, "pages", (json_int_t)p->n, "position_bytes",
                                              (json_int_t)(p->page_bytes >> p->shift)));
    }
    return rows;
}

int weft_inspect_memory(const struct weft_plan *plan, bool json) {
    struct weft_memory_use m = weft_plan_memory(plan);
    const struct {
        const char *name;
        uint64_t bytes;
    } rows[] = {
        {"weights", m.weights}, {"states", m.states},
        {"pages", m.pages},     {"transients", m.transients},
        {"params", m.params},   {"io", m.io},
        {"staging", m.staging}, {"total", m.weights + m.states + m.pages + m.transients + m.params + m.io + m.staging},
    };
    json_t *root = json ? json_object() : NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (json) json_object_set_new(root, rows[i].name, json_integer((json_int_t)rows[i].bytes));
        else
            weft_outf("%-11s %14" PRIu64 " bytes %10.1f MB\n", rows[i].name, rows[i].bytes,
                      (double)rows[i].bytes / 1e6);
    }
    if (!json) {
        text_states(plan);
        text_pages(plan);
        return WEFT_EXIT_OK;
    }
    json_object_set_new(root, "session_states", json_states(plan));
    json_object_set_new(root, "contexts", json_pages(plan));
    return weft_json_print(root);
}
