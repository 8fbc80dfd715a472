/// Runs a text graph on the device and by the host reference over leaves of which some have values that nobody should
/// give: indices that lead nowhere, NaN. Variables are written past the session, so that no limit of the host stands in
/// front of the kernels. Every state is compared whole, those included that the graph never writes.
#ifndef WEFT_TEST_HOSTILE_RIG_H
#define WEFT_TEST_HOSTILE_RIG_H
#include "core/alloc.h"
#include "core/half.h"
#include "exec/session/impl.h"
#include "ops/ops.h"
#include "support/graph_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOSTILE_EVERY -1
#define HOSTILE_BITS -2
/// Value of element `at` of a leaf; HOSTILE_EVERY: of all; HOSTILE_BITS: all are these 32 bits.
struct hostile {
    const char *leaf;
    int64_t at;
    double value;
};

struct hostile_leaf {
    double *values;
    void *file;
    uint64_t file_bytes;
    int64_t n;
    weft_dtype dtype;
};

struct hostile_rig {
    const char *name;
    const char *text;
    double tolerance; ///< |difference| / (1 + |expected|)
    bool neighbours;  ///< only states that are called "before..." or "after..." are compared
    struct weft_graph *g;
    weft_program *program;
    weft_session *session;
    struct hostile_leaf *leaves, *results;
    int64_t symbols[WEFT_MAX_SYMBOLS];
    uint64_t told; ///< where the host believes that positions stand
    int faults;    ///< that the checked build recorded
};

static void hostile_must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

static int64_t hostile_count(const struct hostile_rig *r, const struct weft_type *t) {
    int64_t n = 1;
    for (uint32_t i = 0; i < t->rank; i++) n *= weft_dim_eval(r->g->dims, t->dims[i], r->symbols);
    return n;
}

static struct weft_graph *hostile_parse(const char *text) {
    struct weft_graph *g = NULL;
    hostile_must(weft_graph_parse(weft_ops(), text, strlen(text), &g));
    return g;
}

/// Floats in +-1, integers in 0..5; those of "before..." and "after..." are 7.
static void hostile_fill(struct hostile_rig *r, weft_value v, const struct hostile *h, size_t n) {
    const struct weft_value_info *info = &r->g->values[v];
    const struct weft_dtype_info *d = weft_dtype_info(info->type.dtype);
    struct hostile_leaf *l = &r->leaves[v];
    uint32_t seed = 77u + v * 40503u;
    weft_free(l->values);
    weft_free(l->file);
    l->dtype = info->type.dtype;
    l->n = hostile_count(r, &info->type);
    l->values = weft_calloc((size_t)l->n + 1, sizeof *l->values);
    bool pattern = info->name && (strncmp(info->name, "before", 6) == 0 || strncmp(info->name, "after", 5) == 0);
    for (int64_t i = 0; i < l->n; i++) {
        seed = seed * 1664525u + 1013904223u;
        double u = (seed >> 8) / 16777216.0;
        l->values[i] = pattern ? 7 : d->is_float || d->quantised ? (float)(2 * u - 1) : floor(u * 6);
        if (info->kind == WEFT_VALUE_STATE && info->state_kind == WEFT_STATE_VAR)
            l->values[i] = info->var_lo > 0 ? (double)info->var_lo : 0;
    }
    if (info->kind == WEFT_VALUE_CONST) d->decode(info->data, l->n, l->values);
    for (size_t k = 0; k < n; k++) {
        if (!info->name || strcmp(h[k].leaf, info->name) != 0) continue;
        for (int64_t i = 0; i < l->n; i++)
            if (h[k].at < 0 || h[k].at == i) l->values[i] = h[k].value;
    }
    l->file_bytes = weft_dtype_bytes(l->dtype, (uint64_t)l->n);
    l->file = weft_calloc(l->file_bytes + 16, 1);
    if (d->is_float || d->quantised) {
        weft_dtype_encode(l->dtype, l->values, l->n, l->file);
        d->decode(l->file, l->n, l->values);
    } else if (info->kind == WEFT_VALUE_WEIGHT) weft_dtype_encode(l->dtype, l->values, l->n, l->file);
}

static weft_status hostile_weight(void *user, const char *name, const void **data, uint64_t *bytes) {
    struct hostile_rig *r = user;
    weft_value v = weft_graph_find(r->g, name);
    if (v == WEFT_NO_VALUE) return WEFT_ERR_NOT_FOUND;
    *data = r->leaves[v].file;
    *bytes = r->leaves[v].file_bytes;
    return WEFT_OK;
}

static void hostile_begin(struct hostile_rig *r, bool checked) {
    int64_t hi;
    r->g = hostile_parse(r->text);
    for (uint32_t i = 0; i < weft_dims_symbol_count(r->g->dims); i++)
        weft_dims_symbol_bounds(r->g->dims, i, &hi, &r->symbols[i]);
    r->leaves = weft_calloc(r->g->n_values + 1, sizeof *r->leaves);
    r->results = weft_calloc(r->g->n_values + 1, sizeof *r->results);
    for (weft_value v = 0; v < r->g->n_values; v++)
        if (r->g->values[v].kind != WEFT_VALUE_NODE) hostile_fill(r, v, NULL, 0);
    struct weft_program_params params = {.compile = {.checked = checked || weft_test_checked()},
                                         .source = {.get = hostile_weight, .user = r}};
    hostile_must(weft_program_create(weft_test_gpu(), hostile_parse(r->text), &params, &r->program));
    hostile_must(weft_session_create(r->program, NULL, &r->session));
}

static void hostile_end(struct hostile_rig *r) {
    weft_session_destroy(&r->session);
    weft_program_destroy(&r->program);
    for (size_t v = 0; v < r->g->n_values; v++) {
        weft_free(r->leaves[v].values);
        weft_free(r->leaves[v].file);
        weft_free(r->results[v].values);
    }
    weft_free(r->leaves);
    weft_free(r->results);
    weft_graph_destroy(r->g);
}

static weft_status hostile_host_leaf(void *user, weft_value v, const struct weft_value_info *info,
                                     struct weft_host *out) {
    struct hostile_rig *r = user;
    *out = (struct weft_host){.dtype = info->type.dtype, .rank = info->type.rank, .data = r->leaves[v].values};
    for (uint32_t i = 0; i < info->type.rank; i++)
        out->shape[i] = weft_dim_eval(r->g->dims, info->type.dims[i], r->symbols);
    return WEFT_OK;
}

static weft_status hostile_keep(void *user, weft_value v, const struct weft_value_info *info,
                                const struct weft_host *t) {
    struct hostile_rig *r = user;
    if (!info->is_output) return WEFT_OK;
    struct hostile_leaf *l = &r->results[v];
    weft_free(l->values);
    *l = (struct hostile_leaf){.n = weft_host_count(t), .dtype = info->type.dtype};
    l->values = weft_calloc((size_t)l->n + 1, sizeof *l->values);
    memcpy(l->values, t->data, (size_t)l->n * sizeof *l->values);
    return WEFT_OK;
}

static uint32_t hostile_word(const struct hostile_leaf *l, int64_t i) {
    float f = (float)l->values[i];
    uint32_t bits = (uint32_t)(int64_t)(l->values[i] == l->values[i] ? fmod(l->values[i], 4294967296.0) : 0);
    if (weft_dtype_info(l->dtype)->is_float) memcpy(&bits, &f, sizeof bits);
    return bits;
}

static bool hostile_byte(weft_dtype d) { return d == WEFT_I8 || d == WEFT_U8 || d == WEFT_BOOL; }

static void *hostile_storage(const struct hostile_leaf *l, uint64_t *bytes) {
    bool half = l->dtype == WEFT_F16 || l->dtype == WEFT_BF16;
    *bytes = ((uint64_t)l->n * (half ? 2 : hostile_byte(l->dtype) ? 1 : 4) + 3) & ~(uint64_t)3;
    uint8_t *out = weft_calloc(*bytes + 4, 1);
    for (int64_t i = 0; i < l->n; i++) {
        if (l->dtype == WEFT_F16) ((uint16_t *)(void *)out)[i] = weft_f32_to_f16((float)l->values[i]);
        else if (l->dtype == WEFT_BF16) ((uint16_t *)(void *)out)[i] = weft_f32_to_bf16((float)l->values[i]);
        else if (hostile_byte(l->dtype)) out[i] = (uint8_t)hostile_word(l, i);
        else ((uint32_t *)(void *)out)[i] = hostile_word(l, i);
    }
    return out;
}

static double hostile_number(weft_dtype d, const uint8_t *bytes, int64_t i) {
    if (d == WEFT_F16) return weft_f16_to_f32(((const uint16_t *)(const void *)bytes)[i]);
    if (d == WEFT_BF16) return weft_bf16_to_f32(((const uint16_t *)(const void *)bytes)[i]);
    if (d == WEFT_F32) return ((const float *)(const void *)bytes)[i];
    if (d == WEFT_I8) return ((const int8_t *)(const void *)bytes)[i];
    if (hostile_byte(d)) return bytes[i];
    if (d == WEFT_I32) return ((const int32_t *)(const void *)bytes)[i];
    return ((const uint32_t *)(const void *)bytes)[i];
}

static int hostile_compare(const struct hostile_rig *r, const char *what, const struct hostile_leaf *want,
                           const uint8_t *got) {
    int bad = 0;
    for (int64_t i = 0; i < want->n; i++) {
        double a = want->values[i], b = hostile_number(want->dtype, got, i);
        if ((isnan(a) && isnan(b)) || a == b || fabs(a - b) / (1 + fabs(a)) <= r->tolerance) continue;
        if (bad++ < 3) printf("%s: %s[%lld] is %.9g, expected %.9g\n", r->name, what, (long long)i, b, a);
    }
    if (bad) printf("%s: %d of %lld elements of %s differ\n", r->name, bad, (long long)want->n, what);
    return bad != 0;
}

/// Writes the leaves to the device.
static void hostile_write(struct hostile_rig *r, const struct hostile *h, size_t n) {
    hostile_must(weft_session_reset(r->session));
    for (weft_value v = 0; v < r->g->n_values; v++) {
        const struct weft_value_info *info = &r->g->values[v];
        bool state = info->kind == WEFT_VALUE_STATE;
        if (!state && info->kind != WEFT_VALUE_INPUT) continue;
        hostile_fill(r, v, h, n);
        uint64_t bytes, at;
        uint32_t *data = hostile_storage(&r->leaves[v], &bytes);
        for (size_t k = 0; k < n; k++)
            if (h[k].at == HOSTILE_BITS && strcmp(h[k].leaf, info->name) == 0)
                for (uint64_t i = 0; i < bytes / 4; i++) data[i] = (uint32_t)h[k].value;
        if (state && info->state_kind == WEFT_STATE_VAR) {
            hostile_must(weft_session_var_offset(r->session, info->name, &at));
            hostile_must(weft_buf_write(r->session->base.gpu, r->session->states.vars, at, data, bytes));
        } else if (bytes) hostile_must(weft_session_write(r->session, info->name, 0, data, bytes));
        weft_free(data);
    }
}

/// 0 if device and host agree.
static int hostile_run(struct hostile_rig *r, const struct hostile *h, size_t n) {
    int bad = 0;
    hostile_must(weft_session_resize(r->session, r->symbols));
    hostile_write(r, h, n);
    struct weft_eval_params eval = {.symbols = r->symbols, .leaf = hostile_host_leaf, .each = hostile_keep, .user = r};
    if (!r->neighbours) hostile_must(weft_graph_eval(r->g, &eval));
    for (uint32_t i = 0; r->told && i < weft_program_plan(r->program)->n_positions; i++)
        r->session->positions.tracks[i].at = r->told;
    hostile_must(weft_session_run(r->session, 1, NULL));
    for (weft_value v = 0; v < r->g->n_values; v++) {
        const struct weft_value_info *info = &r->g->values[v];
        bool state = info->kind == WEFT_VALUE_STATE;
        if (!state && !(info->is_output && info->state == UINT32_MAX)) continue;
        const char *what = state ? info->name : info->output_name;
        if (r->neighbours && strncmp(what, "before", 6) != 0 && strncmp(what, "after", 5) != 0) continue;
        const struct hostile_leaf *want = state ? &r->leaves[v] : &r->results[v];
        uint64_t bytes;
        uint8_t *got = hostile_storage(want, &bytes);
        if (state && info->state_kind == WEFT_STATE_VAR)
            for (uint32_t k = 0; k < want->n; k++)
                hostile_must(weft_session_get_var_at(r->session, what, k, (uint32_t *)(void *)got + k));
        else if (bytes) hostile_must(weft_session_read(r->session, what, 0, got, bytes));
        bad += hostile_compare(r, what, want, got);
        weft_free(got);
    }
    struct weft_fault fault = {0};
    if (weft_program_plan(r->program)->checked) hostile_must(weft_session_fault(r->session, &fault));
    r->faults += fault.any;
    return bad;
}
#endif
