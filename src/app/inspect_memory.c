/// weft inspect --memory: what a plan takes on the device, and what a context adds to it page by page.
#include "app/inspect.h"

#include "app/app.h"
#include "app/json.h"
#include <inttypes.h>

static const char *const kinds[] = {[WEFT_STATE_DENSE] = "dense",
                                    [WEFT_STATE_RING] = "ring",
                                    [WEFT_STATE_PAGED] = "paged",
                                    [WEFT_STATE_VAR] = "variable"};

/// States of one kind and shape; those of a model's layers are mostly equal.
struct like {
    struct weft_plan_state_info state; ///< the first
    uint32_t n;
    uint64_t bytes; ///< of all, pages of a full context
};

static bool alike(const struct weft_plan_state_info *a, const struct weft_plan_state_info *b) {
    return a->kind == b->kind && a->rows == b->rows && a->row_bytes == b->row_bytes && a->buffers == b->buffers &&
           a->context == b->context;
}

/// The group that state i is the first of; n = 0 if an earlier one is, or it is a variable. False behind the last.
static bool like_from(const weft_plan *plan, size_t i, struct like *out) {
    struct weft_plan_state_info other;
    *out = (struct like){0};
    if (!weft_plan_state_at(plan, i, &out->state)) return false;
    if (out->state.kind == WEFT_STATE_VAR) return true;
    for (size_t k = 0; weft_plan_state_at(plan, k, &other); k++) {
        if (!alike(&other, &out->state)) continue;
        if (k < i) {
            out->n = 0;
            return true;
        }
        out->n++;
        out->bytes += other.bytes;
    }
    return true;
}

static void text_states(const weft_plan *plan) {
    struct like l;
    weft_outf("\nstates of a session (number, kind, rows x bytes, bytes of all; first of them)\n");
    for (size_t i = 0; like_from(plan, i, &l); i++)
        if (l.n)
            weft_outf("%4u %-5s %8" PRIu64 " x %-8" PRIu64 " %12" PRIu64 "  %s\n", l.n, kinds[l.state.kind],
                      l.state.rows, l.state.row_bytes, l.bytes, l.state.name);
}

static void text_pages(const weft_plan *plan) {
    struct weft_plan_context_info c;
    for (size_t i = 0; weft_plan_context_at(plan, i, &c); i++) {
        weft_outf("\na context of up to %" PRIu64 " positions takes pages of %" PRIu64 ", %" PRIu64
                  " bytes each, as it grows\n",
                  c.positions, c.page_rows, c.page_bytes);
        weft_outf("%" PRIu64 " bytes a position; %" PRIu64
                  " pages when it is full, and one that is nobody's: %.1f MB\n",
                  c.page_bytes / c.page_rows, c.pages, (double)(c.pages + 1) * (double)c.page_bytes / 1e6);
        if (c.slots > 1)
            weft_outf("%" PRIu64 " contexts share these pages: %.1f MB when all are full\n", c.slots,
                      (double)(c.pages * c.slots + 1) * (double)c.page_bytes / 1e6);
    }
}

static json_t *json_states(const weft_plan *plan) {
    json_t *rows = json_array();
    struct like l;
    for (size_t i = 0; like_from(plan, i, &l); i++) {
        if (l.n == 0) continue;
        json_array_append_new(rows,
                              json_pack("{ss sI sI sI sI so}", "kind", kinds[l.state.kind], "states", (json_int_t)l.n,
                                        "rows", (json_int_t)l.state.rows, "row_bytes", (json_int_t)l.state.row_bytes,
                                        "bytes", (json_int_t)l.bytes, "first", weft_json_string(l.state.name)));
    }
    return rows;
}

static json_t *json_pages(const weft_plan *plan) {
    json_t *rows = json_array();
    struct weft_plan_context_info c;
    for (size_t i = 0; weft_plan_context_at(plan, i, &c); i++)
        json_array_append_new(rows, json_pack("{sI sI sI sI sI sI}", "positions", (json_int_t)c.positions, "page_rows",
                                              (json_int_t)c.page_rows, "page_bytes", (json_int_t)c.page_bytes, "pages",
                                              (json_int_t)c.pages, "slots", (json_int_t)c.slots, "position_bytes",
                                              (json_int_t)(c.page_bytes / c.page_rows)));
    return rows;
}

int weft_inspect_memory(const weft_plan *plan, bool json) {
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
