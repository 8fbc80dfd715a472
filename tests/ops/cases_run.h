/// Runs operator cases: one program a case and fusion level, any number of runs of it, each compared with the host
/// reference. Afterwards the last run is repeated in checker mode (a submit a step, transients poisoned), which must
/// give the same bits.
#ifndef WEFT_TEST_OPS_CASES_RUN_H
#define WEFT_TEST_OPS_CASES_RUN_H
#include "cases.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/half.h"
#include "core/map.h"
#include "exec/session.h"
#include "ops/ops.h"
#include "ops/sample.h"
#include "support/graph_run.h"
#include <math.h>
#include <stdio.h>

struct op_leaf {
    double *values;
    int64_t n;
    uint8_t *file;
    uint64_t file_bytes;
};
struct op_result {
    double *values;
    int64_t n;
};

struct op_runner {
    weft_gpu *gpu;
    const struct op_case *c;
    struct weft_graph *g;
    struct op_leaf *leaves;     ///< by value; after eval a state holds what it should have become
    struct op_result *expected; ///< by value, of outputs
    struct op_run run;
    int level;
    uint32_t seed; ///< other data of the same kind
    char label[160];
    double worst; ///< largest share of the tolerance that was used
    int lines;    ///< printed of this case: a fault need not fill the screen
};

// ---- data ----------------------------------------------------------------------------------------------------------

static inline uint32_t op_random(uint32_t *s) {
    *s ^= *s << 13;
    *s ^= *s >> 17;
    *s ^= *s << 5;
    return *s;
}

/// The text behind "NAME =" in a case's data, or NULL.
static inline const char *op_rule(const struct op_case *c, const char *name) {
    size_t len = strlen(name);
    for (const char *p = c->data; p && *p; p = strchr(p, ';') ? strchr(p, ';') + 1 : NULL) {
        while (*p == ' ') p++;
        if (strncmp(p, name, len) != 0) continue;
        const char *q = p + len;
        while (*q == ' ') q++;
        if (*q == '=') return q + 1;
    }
    return NULL;
}

static inline void op_fill_sampling_row(const char *rule, double *x, int64_t n) {
    struct weft_sample_settings s = weft_sample_defaults();
    uint32_t words[WEFT_SAMPLE_WORDS];
    for (const char *p = rule; *p && *p != ';' && *p != '/';) {
        while (*p == ' ') p++;
        size_t len = strcspn(p, "= ;/");
        if (p[len] != '=') {
            p += len;
            continue;
        }
        char *end;
        double v = strtod(p + len + 1, &end);
        float f = (float)v;
        if (strncmp(p, "temperature", len) == 0) s.temperature = f;
        else if (strncmp(p, "top_k", len) == 0) s.top_k = (uint32_t)v;
        else if (strncmp(p, "top_p", len) == 0) s.top_p = f;
        else if (strncmp(p, "min_p", len) == 0) s.min_p = f;
        else if (strncmp(p, "repetition", len) == 0) s.repetition = f;
        else if (strncmp(p, "presence", len) == 0) s.presence = f;
        else if (strncmp(p, "window", len) == 0) s.window = (uint32_t)v;
        else if (strncmp(p, "seed", len) == 0) s.seed = (uint64_t)v;
        else printf("unknown sampling setting at '%s'\n", p);
        p = end;
    }
    if (weft_sample_pack(&s, words) != WEFT_OK) printf("%s\n", weft_error_message());
    for (int64_t i = 0; i < n && i < WEFT_SAMPLE_WORDS; i++) x[i] = words[i];
}

static inline void op_fill_sampling(const char *rule, double *x, int64_t n) {
    const char *p = rule;
    for (int64_t i = 0; i < n; i += WEFT_SAMPLE_WORDS) {
        op_fill_sampling_row(p, x + i, n - i);
        p += strcspn(p, ";/");
        p = *p == '/' ? p + 1 : rule;
    }
}

static inline void op_fill(const char *rule, bool real, uint32_t seed, double *x, int64_t n) {
    double lo = real ? -1 : 0, hi = real ? 1 : 7, list[64];
    bool whole = !real;
    size_t n_list = 0;
    while (rule && *rule == ' ') rule++;
    if (rule && strncmp(rule, "sampling", 8) == 0) {
        op_fill_sampling(rule + 8, x, n);
        return;
    }
    if (rule && strncmp(rule, "int ", 4) == 0) {
        whole = true;
        rule += 4;
    }
    size_t len = rule ? strcspn(rule, ";") : 0;
    const char *dots = rule ? strstr(rule, "..") : NULL;
    if (dots && dots < rule + len) {
        char text[32] =
            ""; // strtod would take the first dot of "1..2" for a decimal point: harmless, but "1..2" ends at "1."
        memcpy(text, rule, (size_t)(dots - rule) < 31 ? (size_t)(dots - rule) : 31);
        lo = strtod(text, NULL);
        hi = strtod(dots + 2, NULL);
    } else if (rule) {
        for (const char *p = rule; n_list < 64;) {
            char *end;
            double v = strtod(p, &end);
            if (end == p || end > rule + len) break;
            list[n_list++] = v;
            p = end;
        }
    }
    for (int64_t i = 0; i < n; i++) {
        double u = op_random(&seed) / 4294967296.0;
        if (n_list) x[i] = list[(size_t)i % n_list];
        else x[i] = whole ? floor(lo + u * (hi - lo + 1)) : lo + u * (hi - lo);
    }
}

/// Of eight blocks one has all bits set, so that its scales are NaN, and one none. `wild`: two more have infinite
/// scales, and the others any bytes. Scales stand at even places, or are bytes.
static inline void op_fill_blocks(bool wild, uint32_t seed, const struct weft_dtype_info *d, uint8_t *file,
                                  uint64_t bytes) {
    static const uint8_t sets[][2] = {{0xFF, 0xFF}, {0, 0}, {0, 0x7C}, {0, 0xFC}};
    for (uint64_t i = 0; i < bytes; i++) {
        uint64_t kind = i / d->block_bytes % 8;
        if (kind < (wild ? 4 : 2)) file[i] = sets[kind][i % d->block_bytes % 2];
        else if (wild) file[i] = (uint8_t)(op_random(&seed) >> 9);
    }
}

static inline int64_t op_count(const struct weft_graph *g, const struct weft_type *t, const int64_t *symbols) {
    int64_t n = 1;
    for (uint32_t i = 0; i < t->rank; i++) n *= weft_dim_eval(g->dims, t->dims[i], symbols);
    return n;
}

/// Values as the leaf's type can hold them, in file layout and as doubles.
static inline void op_make_leaf(struct op_runner *r, uint32_t v) {
    const struct weft_value_info *info = &r->g->values[v];
    const struct weft_dtype_info *d = weft_dtype_info(info->type.dtype);
    struct op_leaf *l = &r->leaves[v];
    bool made = l->values != NULL, fixed = info->kind == WEFT_VALUE_WEIGHT || info->kind == WEFT_VALUE_CONST;
    if (made && fixed) return;
    weft_free(l->values);
    weft_free(l->file);
    l->n = op_count(r->g, &info->type, r->run.symbols);
    l->values = weft_calloc((size_t)l->n + 1, sizeof *l->values);
    l->file_bytes = weft_dtype_bytes(info->type.dtype, (uint64_t)l->n);
    l->file = weft_calloc(l->file_bytes + 16, 1);
    if (info->kind == WEFT_VALUE_CONST) {
        memcpy(l->file, info->data, l->file_bytes);
    } else {
        uint32_t seed = 0x9e3779b9u ^ (v * 40503u + 77u) ^ r->seed;
        op_fill(op_rule(r->c, info->name), d->is_float || d->quantised, seed, l->values, l->n);
        for (uint32_t k = 0; k < r->run.n_set; k++)
            for (int64_t i = 0; strcmp(r->run.set[k].name, info->name) == 0 && i < l->n; i++)
                l->values[i] = r->run.set[k].x[i % r->run.set[k].n];
        weft_dtype_encode(info->type.dtype, l->values, l->n, l->file);
        const char *rule = op_rule(r->c, info->name);
        while (rule && *rule == ' ') rule++;
        bool wild = rule && strncmp(rule, "wild ", 5) == 0;
        if (rule && strncmp(rule + (wild ? 5 : 0), "bytes", 5) == 0)
            op_fill_blocks(wild, seed, d, l->file, l->file_bytes);
    }
    d->decode(l->file, l->n, l->values);
}

// ---- host reference ------------------------------------------------------------------------------------------------

static inline weft_status op_host_leaf(void *user, weft_value v, const struct weft_value_info *info,
                                       struct weft_host *out) {
    struct op_runner *r = user;
    out->dtype = info->type.dtype;
    out->rank = info->type.rank;
    for (uint32_t i = 0; i < out->rank; i++)
        out->shape[i] = weft_dim_eval(r->g->dims, info->type.dims[i], r->run.symbols);
    out->data = r->leaves[v].values;
    out->raw = NULL;
    return WEFT_OK;
}

static inline weft_status op_keep(void *user, weft_value v, const struct weft_value_info *info,
                                  const struct weft_host *t) {
    struct op_runner *r = user;
    if (!info->is_output) return WEFT_OK;
    struct op_result *e = &r->expected[v];
    e->n = weft_host_count(t);
    weft_free(e->values);
    e->values = weft_calloc((size_t)e->n + 1, sizeof *e->values);
    memcpy(e->values, t->data, (size_t)e->n * sizeof *e->values);
    return WEFT_OK;
}

static inline weft_status op_weight(void *user, const char *name, const void **data, uint64_t *bytes) {
    struct op_runner *r = user;
    weft_value v = weft_graph_find(r->g, name);
    if (v == WEFT_NO_VALUE) return WEFT_ERR_NOT_FOUND;
    *data = r->leaves[v].file;
    *bytes = r->leaves[v].file_bytes;
    return WEFT_OK;
}

/// The same, but its bytes have to be read.
static inline weft_status op_weight_bytes(void *user, const char *name, const void **data, uint64_t *bytes) {
    weft_status status = op_weight(user, name, data, bytes);
    *data = NULL;
    return status;
}

static inline weft_status op_weight_read(void *user, const char *name, uint64_t offset, uint64_t bytes, void *into) {
    const void *data;
    uint64_t all;
    weft_status status = op_weight(user, name, &data, &all);
    if (status != WEFT_OK) return status;
    if (offset > all || bytes > all - offset) return weft_fail(WEFT_ERR_INVALID, "%s: a range beyond its end", name);
    memcpy(into, (const char *)data + offset, bytes);
    return WEFT_OK;
}

// ---- device --------------------------------------------------------------------------------------------------------

static inline uint32_t op_width(weft_dtype d) {
    return d == WEFT_F16 || d == WEFT_BF16 ? 2 : d == WEFT_I8 || d == WEFT_U8 || d == WEFT_BOOL ? 1 : 4;
}
static inline uint64_t op_device_bytes(weft_dtype d, int64_t n) {
    return ((uint64_t)n * op_width(d) + 3) & ~(uint64_t)3;
}

static inline uint32_t op_word(weft_dtype d, double x) {
    float f = (float)x;
    uint32_t w;
    memcpy(&w, &f, 4);
    switch (d) {
    case WEFT_F32: return w;
    case WEFT_F16: return weft_f32_to_f16(f);
    case WEFT_BF16: return weft_f32_to_bf16(f);
    default: return (uint32_t)(int64_t)x; // two's complement
    }
}

static inline double op_value(weft_dtype d, const uint8_t *bytes, int64_t i) {
    uint32_t w = 0;
    uint16_t h;
    float f;
    memcpy(&w, bytes + i * op_width(d), op_width(d));
    h = (uint16_t)w;
    memcpy(&f, &w, 4);
    switch (d) {
    case WEFT_F32: return f;
    case WEFT_F16: return weft_f16_to_f32(h);
    case WEFT_BF16: return weft_bf16_to_f32(h);
    case WEFT_I32: return (int32_t)w;
    case WEFT_I8: return (int8_t)w;
    default: return w;
    }
}

static inline bool op_is_var(const struct weft_value_info *i) {
    return i->kind == WEFT_VALUE_STATE && i->state_kind == WEFT_STATE_VAR;
}

static inline weft_status op_upload(struct op_runner *r, weft_session *s) {
    WEFT_TRY(weft_session_reset(s));
    for (uint32_t v = 0; v < r->g->n_values; v++) {
        const struct weft_value_info *info = &r->g->values[v];
        if (info->kind != WEFT_VALUE_INPUT && info->kind != WEFT_VALUE_STATE) continue;
        const struct op_leaf *l = &r->leaves[v];
        if (op_is_var(info)) {
            for (int64_t i = 0; i < l->n; i++)
                WEFT_TRY(weft_session_set_var_at(s, info->name, (uint32_t)i, op_word(info->type.dtype, l->values[i])));
            continue;
        }
        uint64_t bytes = op_device_bytes(info->type.dtype, l->n);
        uint8_t *data = weft_calloc(bytes + 8, 1);
        for (int64_t i = 0; i < l->n; i++) {
            uint32_t w = op_word(info->type.dtype, l->values[i]);
            memcpy(data + i * op_width(info->type.dtype), &w, op_width(info->type.dtype));
        }
        weft_status status = weft_session_write(s, info->name, 0, data, bytes);
        weft_free(data);
        if (status != WEFT_OK) return status;
    }
    return WEFT_OK;
}

static inline weft_status op_read(struct op_runner *r, weft_session *s, uint32_t v, int64_t n, uint8_t *bytes) {
    const struct weft_value_info *info = &r->g->values[v];
    for (int64_t i = 0; op_is_var(info) && i < n; i++)
        WEFT_TRY(weft_session_get_var_at(s, info->name, (uint32_t)i, (uint32_t *)(void *)bytes + i));
    if (op_is_var(info)) return WEFT_OK;
    return weft_session_read(s, info->kind == WEFT_VALUE_STATE ? info->name : info->output_name, 0, bytes,
                             op_device_bytes(info->type.dtype, n));
}

static inline bool op_is_result(const struct weft_value_info *i) {
    return i->kind == WEFT_VALUE_STATE || (i->is_output && i->state == UINT32_MAX);
}

static inline int op_compare(struct op_runner *r, uint32_t v, const uint8_t *got) {
    const struct weft_value_info *info = &r->g->values[v];
    bool state = info->kind == WEFT_VALUE_STATE;
    const double *want = state ? r->leaves[v].values : r->expected[v].values;
    int64_t n = state ? r->leaves[v].n : r->expected[v].n;
    const char *name = state ? info->name : info->output_name;
    int64_t bad = 0;
    for (int64_t i = 0; i < n; i++) {
        double a = want[i], b = op_value(info->type.dtype, got, i), room = r->c->abs + r->c->rel * fabs(a),
               error = fabs(a - b);
        if (a == b || (isnan(a) && isnan(b))) continue;
        if (room > 0 && error / room > r->worst) r->worst = error / room;
        if (isfinite(a) && error <= room) continue; // an infinity must be met
        if (bad++ < 3 && r->lines++ < 12)
            printf("%s: %s[%lld] is %.9g, expected %.9g\n", r->label, name, (long long)i, b, a);
    }
    if (bad && r->lines++ < 12)
        printf("%s: %lld of %lld elements of %s differ\n", r->label, (long long)bad, (long long)n, name);
    return bad != 0;
}

/// Runs the live size once and compares; `again` is a second session whose bits must be equal to the first one's (may
/// be NULL).
static inline int op_run_once(struct op_runner *r, weft_session *s, weft_session *again) {
    weft_status status = weft_session_resize(s, r->run.symbols);
    if (status == WEFT_OK) status = op_upload(r, s);
    if (status == WEFT_OK && again) status = weft_session_resize(again, r->run.symbols);
    if (status == WEFT_OK && again) status = op_upload(r, again);
    struct weft_eval_params eval = {.symbols = r->run.symbols, .leaf = op_host_leaf, .each = op_keep, .user = r};
    if (status == WEFT_OK) status = weft_graph_eval(r->g, &eval); // changes states in place: after the upload
    if (status == WEFT_OK) status = weft_session_run(s, 1, NULL);
    if (status == WEFT_OK && again) status = weft_session_run(again, 1, NULL);
    int bad = 0;
    for (uint32_t v = 0; status == WEFT_OK && v < r->g->n_values; v++) {
        const struct weft_value_info *info = &r->g->values[v];
        if (!op_is_result(info)) continue;
        int64_t n = info->kind == WEFT_VALUE_STATE ? r->leaves[v].n : r->expected[v].n;
        uint64_t bytes = op_device_bytes(info->type.dtype, n);
        uint8_t *got = weft_calloc(bytes + 8, 1), *same = weft_calloc(bytes + 8, 1);
        status = op_read(r, s, v, n, got);
        if (status == WEFT_OK) bad |= op_compare(r, v, got);
        if (status == WEFT_OK && again) {
            status = op_read(r, again, v, n, same);
            uint64_t used = (uint64_t)n * op_width(info->type.dtype);
            if (status == WEFT_OK && memcmp(got, same, used) != 0) {
                printf("%s: %s differs in checker mode\n", r->label,
                       info->kind == WEFT_VALUE_STATE ? info->name : info->output_name);
                bad = 1;
            }
        }
        weft_free(got);
        weft_free(same);
    }
    if (status == WEFT_OK && weft_test_checked()) bad |= weft_test_fault(s, r->label);
    if (status != WEFT_OK) printf("%s: %s\n", r->label, weft_error_message());
    return bad || status != WEFT_OK;
}

static inline int op_run_level(struct op_runner *r) {
    weft_program *p = NULL;
    weft_session *s = NULL, *checker = NULL;
    struct weft_graph *consumed = NULL;
    int bad = 0;
    struct weft_program_params params = {.compile = {.as_written = true,
                                                     .no_fuse = r->level,
                                                     .split_symbol = r->c->split,
                                                     .split_at = {1, 8},
                                                     .n_splits = 2,
                                                     .numbers = weft_test_numbers(),
                                                     .checked = weft_test_checked()},
                                         .source = {.get = op_weight, .user = r}};
    if ((strlen(r->c->name) + (size_t)r->level) % 2)
        params.source.get = op_weight_bytes, params.source.read = op_weight_read;
    struct weft_session_params checked = {.checker = true, .max_runs = 1};
    op_run_begin(r->g, &r->run);
    for (uint32_t v = 0; v < r->g->n_values; v++) // weights do not depend on sizes
        if (r->g->values[v].kind == WEFT_VALUE_WEIGHT) op_make_leaf(r, v);
    weft_status status = weft_graph_parse(weft_ops(), r->c->graph, strlen(r->c->graph), &consumed);
    if (status == WEFT_OK) status = weft_program_create(r->gpu, consumed, &params, &p);
    if (status == WEFT_OK) status = weft_session_create(p, NULL, &s);
    if (status == WEFT_OK) status = weft_session_create(p, &checked, &checker);
    if (status != WEFT_OK) {
        printf("%s, no_fuse %d: %s\n", r->c->name, r->level, weft_error_message());
        bad = 1;
    }
    const char *cursor = r->c->runs, *at = cursor;
    while (s && op_run_next(r->g, &cursor, &r->run)) {
        snprintf(r->label, sizeof r->label, "'%s', no_fuse %d,%s%.*s", r->c->name, r->level, *at == ' ' ? "" : " ",
                 (int)strcspn(at, "|"), at);
        at = cursor;
        for (uint32_t v = 0; v < r->g->n_values; v++)
            if (r->g->values[v].kind != WEFT_VALUE_NODE) op_make_leaf(r, v);
        bad |= op_run_once(r, s, *cursor ? NULL : checker);
    }
    weft_session_destroy(&checker);
    weft_session_destroy(&s);
    weft_program_destroy(&p);
    return bad;
}

/// Number of levels at which the case failed, after printing why. Level k runs if bit k of `levels` is set.
static inline int op_case_run_at(weft_gpu *gpu, const struct op_case *c, uint32_t levels, double *worst) {
    struct op_runner r = {.gpu = gpu, .c = c};
    int bad = 0;
    if (!c->runs || !*c->runs) {
        printf("'%s': no runs, so nothing would be compared\n", c->name);
        return 1;
    }
    if (weft_graph_parse(weft_ops(), c->graph, strlen(c->graph), &r.g) != WEFT_OK) {
        printf("'%s': %s\n", c->name, weft_error_message());
        return 1;
    }
    r.leaves = weft_calloc(r.g->n_values + 1, sizeof *r.leaves);
    r.expected = weft_calloc(r.g->n_values + 1, sizeof *r.expected);
    for (r.level = 0; levels >> r.level; r.level++)
        if (levels >> r.level & 1) bad += op_run_level(&r);
    for (uint32_t v = 0; v < r.g->n_values; v++) {
        weft_free(r.leaves[v].values);
        weft_free(r.leaves[v].file);
        weft_free(r.expected[v].values);
    }
    weft_free(r.leaves);
    weft_free(r.expected);
    weft_graph_destroy(r.g);
    if (worst) *worst = r.worst;
    return bad;
}

static inline int op_case_run(weft_gpu *gpu, const struct op_case *c, double *worst) {
    return op_case_run_at(gpu, c, c->levels ? 7 : 1, worst);
}
#endif
