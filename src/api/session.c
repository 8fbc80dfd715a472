/// weft/session.h: sizes, shapes and pending reads by name. The other calls are in exec/session/.
#include "core/error.h"
#include "api/impl.h"
#include "exec/session.h"
#include "plan/storage.h"
#include <string.h>

static const struct weft_plan *plan_of(const weft_session *s) { return weft_program_plan(weft_session_program(s)); }
static weft_gpu *gpu_of(const weft_session *s) { return weft_program_gpu(weft_session_program(s)); }

// ---- sizes ---------------------------------------------------------------------------------------------------------

/// The live values, or the upper bounds before there are any.
static void sizes_now(const weft_session *s, int64_t *symbols) {
    const struct weft_dims *dims = plan_of(s)->graph->dims;
    const int64_t *live = weft_session_symbols(s);
    for (uint32_t i = 0; i < weft_dims_symbol_count(dims); i++) {
        int64_t lo;
        if (live) symbols[i] = live[i];
        else weft_dims_symbol_bounds(dims, i, &lo, &symbols[i]);
    }
}

static weft_status no_symbol(const struct weft_dims *dims, const char *name) {
    struct weft_str names = {0};
    for (uint32_t i = 0; i < weft_dims_symbol_count(dims); i++)
        weft_str_addf(&names, " %s", weft_dims_symbol_name(dims, i));
    weft_status status = weft_fail(WEFT_ERR_NOT_FOUND, "the program has no symbol '%s'; it has:%s", name,
                                   names.len ? weft_str_get(&names) : " none");
    weft_str_free(&names);
    return status;
}

weft_status weft_session_set_sizes(weft_session *session, const struct weft_size *sizes, size_t count) {
    int64_t symbols[WEFT_MAX_SYMBOLS] = {0};
    if (!session || (count && !sizes)) return weft_api_null("weft_session_set_sizes", session ? "sizes" : "session");
    const struct weft_dims *dims = plan_of(session)->graph->dims;
    sizes_now(session, symbols);
    for (size_t i = 0; i < count; i++) {
        if (!sizes[i].name) return weft_api_null("weft_session_set_sizes", "a name");
        int at = weft_dims_symbol_find(dims, sizes[i].name);
        if (at < 0) return no_symbol(dims, sizes[i].name);
        symbols[at] = sizes[i].value;
    }
    return weft_session_resize(session, symbols);
}

static void fill_shape(const struct weft_plan *plan, weft_value value, const int64_t *symbols,
                       struct weft_tensor_info *out) {
    const struct weft_type *type = &plan->graph->values[value].type;
    uint64_t count = 1;
    *out = (struct weft_tensor_info){.dtype = type->dtype, .rank = type->rank};
    for (uint32_t a = 0; a < type->rank; a++) {
        int64_t lo;
        if (symbols) out->shape[a] = weft_dim_eval(plan->graph->dims, type->dims[a], symbols);
        else weft_dim_bounds(plan->graph->dims, type->dims[a], &lo, &out->shape[a]);
        count *= (uint64_t)out->shape[a];
    }
    out->bytes = (count * weft_accessor_width(type->dtype) + 3) & ~(uint64_t)3;
}

weft_status weft_session_tensor(const weft_session *session, const char *name, struct weft_tensor_info *out) {
    if (!session || !name || !out)
        return weft_api_null("weft_session_tensor", !session ? "session" : !name ? "name" : "out");
    const struct weft_plan *plan = plan_of(session);
    int64_t symbols[WEFT_MAX_SYMBOLS] = {0};
    sizes_now(session, symbols);
    for (uint32_t i = 0; i < plan->n_ios; i++) {
        if (!plan->ios[i].name || strcmp(plan->ios[i].name, name) != 0) continue;
        fill_shape(plan, plan->ios[i].value, symbols, out);
        return WEFT_OK;
    }
    for (uint32_t i = 0; i < plan->n_states; i++) {
        if (strcmp(plan->states[i].name, name) != 0) continue;
        fill_shape(plan, plan->states[i].value, NULL, out);
        return WEFT_OK;
    }
    return weft_fail(WEFT_ERR_NOT_FOUND, "the program has no input, output or state '%s'", name);
}

// ---- reads that do not block ---------------------------------------------------------------------------------------

weft_status weft_session_read_async(weft_session *session, const char *name, uint64_t offset, uint64_t bytes,
                                    weft_pending *out) {
    weft_readback rb = {0};
    if (!out) return weft_api_null("weft_session_read_async", "out");
    *out = (weft_pending){0};
    WEFT_TRY(weft_session_read_start(session, name, offset, bytes, &rb));
    *out = (weft_pending){rb.id, rb.gen};
    return WEFT_OK;
}

weft_status weft_session_read_done(weft_session *session, weft_pending pending, bool *done) {
    if (!session || !done) return weft_api_null("weft_session_read_done", session ? "done" : "session");
    return weft_readback_ready(gpu_of(session), (weft_readback){pending.id, pending.gen}, done);
}
