/// Compiling and running the cases of alias_cases.c.
#include "support/alias_cases.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/half.h"
#include "ops/ops.h"
#include "support/graph_run.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static int say(const struct alias_case *c, bool quiet, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int say(const struct alias_case *c, bool quiet, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (!quiet) {
        printf("'%s': ", c->name);
        vprintf(format, args);
        printf("\n");
    }
    va_end(args);
    return 1;
}

// ---- plans ---------------------------------------------------------------------------------------------------------

static int check_plan(const struct alias_case *c, const struct weft_plan *p, bool quiet) {
    const struct weft_schedule *sc = &p->schedules[0];
    int bad = 0;
    uint64_t copied = 0;
    if (sc->n_steps != c->n_steps)
        bad |= say(c, quiet, "%u dispatches, the rule says %u\n%s%s", sc->n_steps, c->n_steps, c->graph,
                   p->report.len ? weft_str_get(&p->report) : "");
    for (uint32_t i = 0; i < sc->n_steps; i++) {
        const struct weft_step *s = &sc->steps[i];
        uint32_t bindings = s->bound.n_slots - 1 - s->bound.checked;
        if (i < c->n_steps && bindings != c->bindings[i])
            bad |=
                say(c, quiet, "step %u '%s' has %u bindings, the rule says %u", i, s->label, bindings, c->bindings[i]);
        copied += s->copy.kind ? s->copy.bytes : 0;
        if (s->copy.kind && !strstr(weft_str_get(&p->report), s->copy.why))
            bad |= say(c, quiet, "the report lacks the copy of step %u", i);
    }
    if (copied != c->copied || sc->copied_bytes != c->copied)
        bad |= say(c, quiet, "%llu bytes copied (%llu by steps), the rule says %llu",
                   (unsigned long long)sc->copied_bytes, (unsigned long long)copied, (unsigned long long)c->copied);
    return bad;
}

int alias_case_plan(const struct alias_case *c, const struct weft_gpu_caps *caps, bool quiet) {
    struct weft_graph *g = NULL;
    struct weft_plan *p = NULL;
    weft_status status = weft_graph_parse(weft_ops(), c->graph, strlen(c->graph), &g);
    if (status == WEFT_OK) status = weft_compile(g, caps, NULL, &p); // which checks the plan
    if (status != WEFT_OK) return say(c, quiet, "%s\n%s", weft_error_message(), c->graph);
    int bad = check_plan(c, p, quiet);
    weft_plan_destroy(p);
    return bad;
}

// ---- data ----------------------------------------------------------------------------------------------------------

struct run {
    const struct alias_case *c;
    struct weft_graph *g;
    double *m, *weight;
    uint8_t *packed;
    uint64_t n_packed;
};

static double draw(uint32_t *s) {
    *s ^= *s << 13;
    *s ^= *s >> 17;
    *s ^= *s << 5;
    double u = (*s >> 4) / 268435456.0;
    return u < 0.5 ? -1 + u * 1.9 : 0.05 + (u - 0.5) * 1.9; // away from zero: bits of halves are then normal floats
}

static void fill(struct run *r) {
    const struct alias_case *c = r->c;
    uint32_t seed = c->seed * 2654435761u + 7;
    for (int64_t i = 0; i < c->count; i++)
        r->m[i] = c->type == WEFT_F16 ? weft_f16_to_f32(weft_f32_to_f16((float)draw(&seed))) : (float)draw(&seed);
    for (uint32_t k = 0; k < c->n_halves; k++) {
        for (int64_t i = c->halves[k].from; i < c->halves[k].to; i++) {
            uint32_t low = weft_f32_to_f16((float)draw(&seed)), high = weft_f32_to_f16((float)draw(&seed));
            uint32_t bits = low | high << 16;
            float x;
            memcpy(&x, &bits, 4);
            r->m[i] = x;
        }
    }
    for (uint32_t v = 0; v < r->g->n_values; v++) {
        const struct weft_value_info *info = &r->g->values[v];
        if (info->kind != WEFT_VALUE_WEIGHT) continue;
        int64_t n = 1, d;
        for (uint32_t a = 0; a < info->type.rank; a++) {
            weft_dim_is_const(r->g->dims, info->type.dims[a], &d);
            n *= d;
        }
        r->weight = weft_calloc((size_t)n, sizeof *r->weight);
        for (int64_t i = 0; i < n; i++) r->weight[i] = draw(&seed) / 8;
        r->n_packed = weft_dtype_bytes(info->type.dtype, (uint64_t)n);
        r->packed = weft_calloc(r->n_packed, 1);
        weft_dtype_encode(info->type.dtype, r->weight, n, r->packed);
        weft_dtype_info(info->type.dtype)->decode(r->packed, n, r->weight);
    }
}

static double ids[] = {5, 0, 3, 3, 1, 2}, pos = 3;

static weft_status leaf(void *user, weft_value v, const struct weft_value_info *info, struct weft_host *out) {
    struct run *r = user;
    (void)v;
    out->dtype = info->type.dtype;
    out->rank = info->type.rank;
    for (uint32_t i = 0; i < out->rank; i++) weft_dim_is_const(r->g->dims, info->type.dims[i], &out->shape[i]);
    out->raw = NULL;
    out->data = info->kind == WEFT_VALUE_WEIGHT  ? r->weight
                : strcmp(info->name, "m") == 0   ? r->m
                : strcmp(info->name, "ids") == 0 ? ids
                                                 : &pos;
    return WEFT_OK;
}

static weft_status source(void *user, const char *name, const void **data, uint64_t *bytes) {
    struct run *r = user;
    (void)name;
    *data = r->packed;
    *bytes = r->n_packed;
    return WEFT_OK;
}

// ---- runs ----------------------------------------------------------------------------------------------------------

static uint64_t state_bytes(const struct alias_case *c) {
    return ((uint64_t)c->count * (c->type == WEFT_F16 ? 2 : 4) + 3) & ~(uint64_t)3;
}

static void encode(const struct alias_case *c, const double *m, uint8_t *out) {
    weft_dtype_encode(c->type, m, c->count, out);
}

static double element(weft_dtype type, const uint8_t *bytes, int64_t i) {
    if (type == WEFT_F16) return weft_f16_to_f32(((const uint16_t *)bytes)[i]);
    return ((const float *)bytes)[i];
}

/// What was written is near the reference; around it, every bit is as before.
static int compare_state(const struct run *r, const uint8_t *before, const uint8_t *after, bool quiet) {
    const struct alias_case *c = r->c;
    size_t width = c->type == WEFT_F16 ? 2 : 4, from = (size_t)c->dst * width, n = (size_t)c->dst_count * width;
    int bad = 0;
    if (memcmp(before, after, from) != 0) bad |= say(c, quiet, "something in front of the destination was written");
    if (memcmp(before + from + n, after + from + n, (size_t)c->count * width - from - n) != 0)
        bad |= say(c, quiet, "something behind the destination was written");
    uint32_t wrong = 0;
    for (int64_t i = c->dst; i < c->dst + c->dst_count; i++) {
        double want = r->m[i], got = element(c->type, after, i);
        if (fabs(got - want) <= c->tolerance * (1 + fabs(want))) continue;
        if (wrong++ < 3) bad |= say(c, quiet, "m[%lld] is %.9g, expected %.9g", (long long)i, got, want);
    }
    if (wrong) bad |= say(c, quiet, "%u of %lld elements differ", wrong, (long long)c->dst_count);
    return bad;
}

/// Bytes are right if they are what rounding gives, or its neighbour where what is rounded lies near the middle.
static int compare_bytes(const struct run *r, weft_session *s, bool quiet) {
    const struct alias_case *c = r->c;
    int8_t q[4096];
    float scale[128];
    int bad = 0;
    double room = c->type == WEFT_F16 ? 0.8 : 0.505;
    if (weft_session_read(s, "q", 0, q, (uint64_t)c->dst_count) != WEFT_OK ||
        weft_session_read(s, "s", 0, scale, (uint64_t)c->dst_count / 8) != WEFT_OK)
        return say(c, quiet, "%s", weft_error_message());
    for (int64_t b = 0; b < c->dst_count / 32 && !bad; b++) {
        const double *y = r->m + c->dst + b * 32;
        double top = 0;
        for (int i = 0; i < 32; i++) top = fabs(y[i]) > top ? fabs(y[i]) : top;
        if (fabs(scale[b] - top / 127) > c->tolerance * (1 + top) / 127)
            bad |= say(c, quiet, "scale %lld is %.9g, expected %.9g", (long long)b, scale[b], top / 127);
        for (int i = 0; i < 32 && !bad; i++)
            if (fabs(q[b * 32 + i] - y[i] * 127 / top) > room)
                bad |= say(c, quiet, "byte %lld is %d, expected %.4f", (long long)b * 32 + i, q[b * 32 + i],
                           y[i] * 127 / top);
    }
    return bad;
}

static weft_status set_leaves(const struct run *r, weft_session *s, const uint8_t *before) {
    static const int32_t id_words[] = {5, 0, 3, 3, 1, 2};
    WEFT_TRY(weft_session_write(s, "m", 0, before, state_bytes(r->c)));
    if (weft_graph_find(r->g, "ids") != WEFT_NO_VALUE)
        WEFT_TRY(weft_session_write(s, "ids", 0, id_words, sizeof id_words));
    if (weft_graph_find(r->g, "pos") != WEFT_NO_VALUE) WEFT_TRY(weft_session_set_var(s, "pos", (uint32_t)pos));
    return WEFT_OK;
}

int alias_case_run(weft_gpu *gpu, const struct alias_case *c, int skip_alias_check, bool quiet) {
    struct run r = {.c = c};
    struct weft_graph *graph = NULL;
    weft_program *p = NULL;
    weft_session *s = NULL;
    uint8_t *before = weft_calloc(state_bytes(c) + 16, 1), *after = weft_calloc(state_bytes(c) + 16, 1);
    struct weft_program_params params = {
        .compile = {.skip_alias_check = skip_alias_check, .checked = weft_test_checked()}, .source = {source, &r}};
    struct weft_eval_params eval = {.symbols = (int64_t[WEFT_MAX_SYMBOLS]){0}, .leaf = leaf, .user = &r};
    int bad = 0;
    r.m = weft_calloc((size_t)c->count, sizeof *r.m);
    weft_status status = weft_graph_parse(weft_ops(), c->graph, strlen(c->graph), &r.g);
    if (status == WEFT_OK) status = weft_graph_parse(weft_ops(), c->graph, strlen(c->graph), &graph);
    if (status == WEFT_OK) {
        fill(&r);
        encode(c, r.m, before);
        status = weft_program_create(gpu, graph, &params, &p);
    }
    if (status == WEFT_OK && !skip_alias_check && !params.compile.checked)
        bad |= check_plan(c, weft_program_plan(p), quiet);
    if (status == WEFT_OK) status = weft_session_create(p, NULL, &s);
    if (status == WEFT_OK) status = set_leaves(&r, s, before);
    if (status == WEFT_OK) status = weft_graph_eval(r.g, &eval);
    if (status == WEFT_OK) status = weft_session_run(s, 1, NULL);
    if (status == WEFT_OK) status = weft_session_read(s, "m", 0, after, state_bytes(c));
    if (status != WEFT_OK) bad |= say(c, quiet, "%s", weft_error_message());
    else bad |= compare_state(&r, before, after, quiet) | (c->quantised ? compare_bytes(&r, s, quiet) : 0);
    if (status == WEFT_OK && params.compile.checked) bad |= weft_test_fault(s, c->name);
    weft_session_destroy(&s);
    weft_program_destroy(&p);
    weft_graph_destroy(r.g);
    weft_free(r.m);
    weft_free(r.weight);
    weft_free(r.packed);
    weft_free(before);
    weft_free(after);
    return bad;
}
