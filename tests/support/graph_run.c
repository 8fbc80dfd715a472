#include "support/graph_run.h"
#include "core/alloc.h"
#include "core/half.h"
#include "core/map.h"
#include "ops/ops.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

weft_status weft_test_open(struct weft_gpu_params params, weft_gpu **out) {
    // The implementation's own bounds checks stay on, but not on Dawn: they make SwiftShader compile four times as
    // long.
    const char *name = getenv("WEFT_WEBGPU");
    params.keep_robustness = !name || strcmp(name, "dawn") != 0;
    return weft_gpu_open(&params, out);
}

static bool on_cpu; ///< as the device said it, whatever tests call it

weft_gpu *weft_test_gpu(void) {
    static weft_gpu *gpu;
    if (gpu) return gpu;
    if (weft_test_open((struct weft_gpu_params){0}, &gpu) != WEFT_OK) printf("no device: %s\n", weft_error_message());
    else on_cpu = weft_gpu_caps(gpu)->kind == WEFT_GPU_CPU;
    return gpu;
}

static bool asked(const char *variable) {
    const char *x = getenv(variable);
    return x && *x && strcmp(x, "0") != 0;
}

bool weft_test_long(void) { return asked("WEFT_TEST_LONG"); }

bool weft_test_short(void) { return weft_test_gpu() && on_cpu && !weft_test_long() && !asked("WEFT_TEST_CASE"); }

bool weft_test_compiles_slowly(void) {
    return weft_test_gpu() && on_cpu && strcmp(weft_gpu_caps(weft_test_gpu())->implementation, "dawn") == 0;
}

bool weft_test_thin(void) { return weft_test_short() && weft_test_compiles_slowly(); }

bool weft_test_sanitized(void) {
#if defined(__SANITIZE_ADDRESS__)
    return !weft_test_long();
#else
    return false;
#endif
}

enum weft_gpu_kind weft_test_as(enum weft_gpu_kind kind) {
    struct weft_gpu_caps *caps =
        (struct weft_gpu_caps *)(uintptr_t)weft_gpu_caps(weft_test_gpu()); // of an object that is not const
    enum weft_gpu_kind was = caps->kind;
    caps->kind = kind;
    return was;
}

bool weft_test_checked(void) { return asked("WEFT_TEST_CHECKED"); }

enum weft_numbers weft_test_numbers(void) {
    const char *numbers = getenv("WEFT_TEST_NUMBERS");
    return numbers && strcmp(numbers, "invariant") == 0 ? WEFT_NUMBERS_INVARIANT : WEFT_NUMBERS_F32;
}

int weft_test_fault(weft_session *session, const char *name) {
    struct weft_fault fault;
    weft_status status = weft_session_fault(session, &fault);
    if (status == WEFT_OK && !fault.any) return 0;
    printf("'%s': %s\n", name, status == WEFT_OK ? fault.text : weft_error_message());
    return 1;
}

static uint32_t next(uint32_t *s) {
    *s ^= *s << 13;
    *s ^= *s >> 17;
    *s ^= *s << 5;
    return *s;
}

struct leaf {
    void *bytes;
    uint64_t n_bytes;
    double *values;
    int64_t n;
    weft_dtype dtype;
    const char *name;
};
struct run {
    const struct weft_case *c;
    const struct weft_graph *g;
    struct leaf *leaves;
    struct leaf *results;
    int64_t symbols[WEFT_MAX_SYMBOLS];
};

static int64_t count(const struct weft_graph *g, const struct weft_type *t, const int64_t *symbols) {
    int64_t n = 1;
    for (uint32_t i = 0; i < t->rank; i++) n *= weft_dim_eval(g->dims, t->dims[i], symbols);
    return n;
}

static void make_leaf(struct run *r, uint32_t v) {
    const struct weft_value_info *info = &r->g->values[v];
    struct leaf *l = &r->leaves[v];
    uint32_t seed = r->c->seed * 2654435761u + v * 40503u + 1;
    const struct weft_dtype_info *d = weft_dtype_info(info->type.dtype);
    l->n = count(r->g, &info->type, r->symbols);
    l->dtype = info->type.dtype;
    l->name = info->name;
    l->values = weft_calloc((size_t)l->n + 1, sizeof *l->values);
    for (int64_t i = 0; i < l->n; i++) {
        double u = next(&seed) / 4294967296.0;
        if (d->is_float || d->quantised) l->values[i] = (float)((2 * u - 1) * (r->c->scale != 0 ? r->c->scale : 1));
        else l->values[i] = floor(u * (double)(r->c->int_below ? r->c->int_below : 8));
        if (d->is_float && !d->quantised && info->kind == WEFT_VALUE_STATE && info->state_kind == WEFT_STATE_VAR)
            l->values[i] = fabs(l->values[i]);
    }
    uint64_t stored = weft_dtype_bytes(info->type.dtype, (uint64_t)l->n);
    l->bytes = weft_calloc(stored + 16, 1);
    l->n_bytes = stored;
    weft_dtype_encode(info->type.dtype, l->values, l->n, l->bytes);
    d->decode(l->bytes, l->n, l->values);
}

static weft_status host_leaf(void *user, weft_value v, const struct weft_value_info *info, struct weft_host *out) {
    struct run *r = user;
    out->dtype = info->type.dtype;
    out->rank = info->type.rank;
    for (uint32_t i = 0; i < info->type.rank; i++)
        out->shape[i] = weft_dim_eval(r->g->dims, info->type.dims[i], r->symbols);
    out->data = r->leaves[v].values;
    out->raw = NULL;
    return WEFT_OK;
}

static weft_status keep_result(void *user, weft_value v, const struct weft_value_info *info,
                               const struct weft_host *t) {
    struct run *r = user;
    if (!info->is_output) return WEFT_OK;
    struct leaf *l = &r->results[v];
    l->n = weft_host_count(t);
    l->dtype = info->type.dtype;
    l->name = info->output_name;
    l->values = weft_calloc((size_t)l->n + 1, sizeof *l->values);
    memcpy(l->values, t->data, (size_t)l->n * sizeof *l->values);
    return WEFT_OK;
}

static weft_status weight_source(void *user, const char *name, const void **data, uint64_t *bytes) {
    struct run *r = user;
    for (size_t v = 0; v < r->g->n_values; v++) {
        if (r->g->values[v].kind != WEFT_VALUE_WEIGHT || strcmp(r->g->values[v].name, name) != 0) continue;
        *data = r->leaves[v].bytes;
        *bytes = r->leaves[v].n_bytes;
        return WEFT_OK;
    }
    return WEFT_ERR_NOT_FOUND;
}

static uint64_t device_size(weft_dtype d, int64_t n) {
    bool half = d == WEFT_F16 || d == WEFT_BF16, byte = d == WEFT_I8 || d == WEFT_U8 || d == WEFT_BOOL;
    return ((uint64_t)n * (half ? 2 : byte ? 1 : 4) + 3) & ~(uint64_t)3;
}

/// Device storage of a leaf: elements of 8, 16 and 32 bits, in whole words.
static void *device_bytes(const struct leaf *l, uint64_t *bytes) {
    bool byte = l->dtype == WEFT_I8 || l->dtype == WEFT_U8 || l->dtype == WEFT_BOOL;
    *bytes = device_size(l->dtype, l->n);
    uint8_t *out = weft_calloc(*bytes + 4, 1);
    for (int64_t i = 0; i < l->n; i++) {
        double x = l->values[i];
        if (l->dtype == WEFT_F16) ((uint16_t *)out)[i] = weft_f32_to_f16((float)x);
        else if (l->dtype == WEFT_BF16) ((uint16_t *)out)[i] = weft_f32_to_bf16((float)x);
        else if (l->dtype == WEFT_F32) ((float *)out)[i] = (float)x;
        else if (byte) out[i] = (uint8_t)(int32_t)x;
        else if (l->dtype == WEFT_I32) ((int32_t *)out)[i] = (int32_t)x;
        else ((uint32_t *)out)[i] = (uint32_t)x;
    }
    return out;
}

static double device_value(const struct leaf *l, const uint8_t *bytes, int64_t i) {
    switch (l->dtype) {
    case WEFT_F16: return weft_f16_to_f32(((const uint16_t *)bytes)[i]);
    case WEFT_BF16: return weft_bf16_to_f32(((const uint16_t *)bytes)[i]);
    case WEFT_F32: return ((const float *)bytes)[i];
    case WEFT_I32: return ((const int32_t *)bytes)[i];
    case WEFT_I8: return ((const int8_t *)bytes)[i];
    case WEFT_U8:
    case WEFT_BOOL: return bytes[i];
    default: return ((const uint32_t *)bytes)[i];
    }
}

static int compare(const struct weft_case *c, const struct leaf *want, const uint8_t *got, double *worst) {
    int bad = 0;
    for (int64_t i = 0; i < want->n; i++) {
        double a = want->values[i], b = device_value(want, got, i);
        double error = isnan(a) && isnan(b) ? 0 : a == b ? 0 : fabs(a - b) / (1 + fabs(a));
        if (worst && (error > *worst || isnan(error))) *worst = error;
        if (error <= c->tolerance) continue;
        if (bad++ < 4)
            printf("case '%s': %s[%lld] is %.9g, expected %.9g\n", c->name, want->name ? want->name : "?", (long long)i,
                   b, a);
    }
    if (bad)
        printf("case '%s': %d of %lld elements of %s differ\n", c->name, bad, (long long)want->n,
               want->name ? want->name : "?");
    return bad != 0;
}

/// Variables by slot may count more tokens than the run has, which is refused: with 0 they count none. False if there
/// are no such variables.
static bool no_counts(struct run *r, weft_session *s) {
    bool any = false;
    for (size_t v = 0; v < r->g->n_values; v++) {
        const struct weft_value_info *info = &r->g->values[v];
        if (info->kind != WEFT_VALUE_STATE || info->state_kind != WEFT_STATE_VAR || info->type.rank == 0) continue;
        for (uint32_t k = 0; k < r->leaves[v].n; k++) {
            any |= weft_session_set_var_at(s, info->name, k, 0) == WEFT_OK;
            r->leaves[v].values[k] = 0;
        }
    }
    return any;
}

static weft_status read_variables(weft_session *s, const char *name, int64_t n, uint32_t *out) {
    weft_status status = WEFT_OK;
    for (uint32_t k = 0; status == WEFT_OK && k < n; k++) status = weft_session_get_var_at(s, name, k, &out[k]);
    return status;
}

static int run_device(weft_gpu *gpu, struct run *r, weft_session *s, double *worst) {
    int bad = 0;
    for (size_t v = 0; v < r->g->n_values; v++) {
        const struct weft_value_info *info = &r->g->values[v];
        if (info->kind != WEFT_VALUE_INPUT && (info->kind != WEFT_VALUE_STATE)) continue;
        uint64_t bytes;
        void *data = device_bytes(&r->leaves[v], &bytes);
        if (info->kind == WEFT_VALUE_STATE && info->state_kind == WEFT_STATE_VAR) {
            for (uint32_t k = 0; k < r->leaves[v].n; k++)
                bad |= weft_session_set_var_at(s, info->name, k, ((uint32_t *)data)[k]) != WEFT_OK;
        } else if (bytes) {
            bad |= weft_session_write(s, info->name, 0, data, bytes) != WEFT_OK;
        }
        weft_free(data);
    }
    (void)gpu;
    weft_status ran = bad ? WEFT_ERR_INTERNAL : weft_session_run(s, 1, NULL);
    if (ran == WEFT_ERR_LIMIT && no_counts(r, s)) ran = weft_session_run(s, 1, NULL);
    // The host reference changes states in place, so it runs after their start was uploaded.
    struct weft_eval_params eval = {.symbols = r->symbols, .leaf = host_leaf, .each = keep_result, .user = r};
    if (ran != WEFT_OK || weft_graph_eval(r->g, &eval) != WEFT_OK) {
        printf("case '%s': %s\n", r->c->name, weft_error_message());
        return 1;
    }
    for (size_t v = 0; v < r->g->n_values; v++) {
        const struct weft_value_info *info = &r->g->values[v];
        bool state = info->kind == WEFT_VALUE_STATE;
        if (!state && !(info->is_output && info->state == UINT32_MAX)) continue;
        struct leaf *want = state ? &r->leaves[v] : &r->results[v];
        uint64_t bytes = device_size(want->dtype, want->n);
        uint8_t *got = weft_calloc(bytes + 4, 1);
        weft_status status;
        if (state && info->state_kind == WEFT_STATE_VAR)
            status = read_variables(s, info->name, want->n, (uint32_t *)got);
        else status = weft_session_read(s, state ? info->name : info->output_name, 0, got, bytes);
        if (status != WEFT_OK) {
            printf("case '%s': %s\n", r->c->name, weft_error_message());
            bad = 1;
        } else {
            bad |= compare(r->c, want, got, worst);
        }
        weft_free(got);
    }
    if (weft_program_plan(weft_session_program(s))->checked) bad |= weft_test_fault(s, r->c->name);
    return bad;
}

int weft_case_run(weft_gpu *gpu, const struct weft_case *c, double *worst) {
    struct weft_graph *g = NULL, *consumed = NULL;
    weft_program *p = NULL;
    weft_session *s = NULL;
    int bad = 1;
    struct run r = {.c = c};
    if (weft_graph_parse(weft_ops(), c->graph, strlen(c->graph), &g) != WEFT_OK ||
        weft_graph_parse(weft_ops(), c->graph, strlen(c->graph), &consumed) != WEFT_OK) {
        printf("case '%s': %s\n", c->name, weft_error_message());
        goto done;
    }
    r.g = g;
    memcpy(r.symbols, c->symbols, sizeof c->symbols);
    r.leaves = weft_calloc(g->n_values + 1, sizeof *r.leaves);
    r.results = weft_calloc(g->n_values + 1, sizeof *r.results);
    for (uint32_t v = 0; v < g->n_values; v++)
        if (g->values[v].kind != WEFT_VALUE_NODE && g->values[v].kind != WEFT_VALUE_CONST) make_leaf(&r, v);
    for (uint32_t v = 0; v < g->n_values; v++) {
        if (g->values[v].kind != WEFT_VALUE_CONST) continue;
        struct leaf *l = &r.leaves[v];
        l->n = count(g, &g->values[v].type, r.symbols);
        l->dtype = g->values[v].type.dtype;
        l->values = weft_calloc((size_t)l->n + 1, sizeof *l->values);
        weft_dtype_info(l->dtype)->decode(g->values[v].data, l->n, l->values);
    }
    struct weft_program_params params = {.compile = {.no_fuse = c->no_fuse,
                                                     .as_written = c->as_written,
                                                     .split_symbol = c->split,
                                                     .split_at = {1, 8},
                                                     .n_splits = 2,
                                                     .numbers = weft_test_numbers(),
                                                     .checked = c->checked || weft_test_checked()},
                                         .source = {.get = weight_source, .user = &r}};
    weft_status status = weft_program_create(gpu, consumed, &params, &p);
    consumed = NULL;
    if (status == WEFT_OK) status = weft_session_create(p, NULL, &s);
    if (status == WEFT_OK) status = weft_session_resize(s, r.symbols);
    if (status != WEFT_OK) printf("case '%s': %s\n", c->name, weft_error_message());
    else bad = run_device(gpu, &r, s, worst);
done:
    weft_session_destroy(&s);
    weft_program_destroy(&p);
    for (size_t v = 0; g && r.leaves && v < g->n_values; v++) {
        weft_free(r.leaves[v].values);
        weft_free(r.leaves[v].bytes);
        weft_free(r.results[v].values);
    }
    weft_free(r.leaves);
    weft_free(r.results);
    weft_graph_destroy(g);
    return bad;
}
