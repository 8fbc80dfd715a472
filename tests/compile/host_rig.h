/// A plan run on the host: steps that are scalar programs by the interpreter (plan/expr_host.h), copies and advances as
/// what they are, all others by the graph's reference values. After each step that is a program, what it stored must be
/// the reference value; no two points of a program may touch an element that one of them writes; and no program may
/// reach beyond its operands. Neither a driver nor WGSL has a part in it.
#ifndef WEFT_TEST_HOST_RIG_H
#define WEFT_TEST_HOST_RIG_H
#include "ops/cases_run.h"
#include "plan/expr_host.h"
#include "plan_fixture.h"

enum { HOST_MOST_ELEMENTS = 200000 };

struct host_tensor {
    uint8_t *bytes;
    uint64_t size;
    bool program;              ///< a program filled this scratch
    bool unknown;              ///< scratch of a kernel that does not run here
    uint64_t *reader, *writer; ///< of each byte: the point that touched it in the step at hand
};

struct host_rig {
    struct op_runner r; ///< leaves; r.g is the plan's graph
    const struct weft_plan *plan;
    const struct weft_schedule *sc;
    const struct weft_step *step;
    struct op_result *ref; ///< by value, of nodes
    struct host_tensor *t; ///< by tensor of the schedule
    bool *done;            ///< by value: this version of a state is in memory
    uint32_t *vars;
    uint32_t program; ///< at hand
    bool exact, flat;
    double whole;      ///< by how much integers may differ: of quantised floats, by 1
    const char *graph; ///< text, for messages
    uint64_t n_programs, n_elements;
    int bad;
};

static inline void host_complain(struct host_rig *h, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void host_complain(struct host_rig *h, const char *format, ...) {
    va_list args;
    if (h->bad++ >= 3 || !h->graph) return;
    if (h->bad == 1) print_error("%s", h->graph);
    for (uint32_t i = 0; i < weft_dims_symbol_count(h->plan->graph->dims); i++)
        print_error("%s=%lld ", weft_dims_symbol_name(h->plan->graph->dims, i), (long long)h->r.run.symbols[i]);
    print_error("%s: step '%s': ", h->r.c->name, h->step ? h->step->label : "the end");
    va_start(args, format);
    char text[400];
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print_error("%s\n", text);
}

// ---- memory --------------------------------------------------------------------------------------------------------

static inline void host_encode(weft_dtype d, const double *x, int64_t n, uint8_t *to) {
    uint32_t width = weft_accessor_width(d);
    for (int64_t i = 0; i < n; i++) {
        uint32_t w = op_word(d, x[i]);
        memcpy(to + i * width, &w, width);
    }
}

static inline void host_put(struct host_tensor *t, weft_dtype d, const double *x, int64_t n) {
    uint64_t bytes = (uint64_t)n * weft_accessor_width(d);
    if (bytes > t->size)
        fail_msg("%llu bytes do not fit a tensor of %llu", (unsigned long long)bytes, (unsigned long long)t->size);
    host_encode(d, x, n, t->bytes);
}

/// Elements of a pair: (u - 8) * scale, as plan/wpair.h says.
static inline void host_upload_pair(const struct host_rig *h, const struct weft_plan_weight *w, struct host_tensor *t) {
    const double *quants = h->r.leaves[w->value].values + w->pair.quants_first;
    const double *scales = h->r.leaves[w->pair.scales].values + w->pair.scales_first;
    uint64_t k = w->pair.k, bytes = (k + 1) / 2;
    for (uint64_t i = 0; i < w->rows * w->k; i++) {
        uint64_t row = (w->first + i) / k, c = (w->first + i) % k, group = c / w->pair.group;
        uint32_t u = (uint32_t)quants[row * bytes + c / 2];
        double scale = w->pair.across ? scales[group * w->pair.stride + row] : scales[row * w->pair.stride + group];
        float x = (float)(((double)(c % 2 == w->pair.high_first ? u & 15 : u >> 4) - 8) * scale);
        memcpy(t->bytes + i * 4, &x, 4);
    }
}

static inline void host_upload_weight(struct host_rig *h, const struct weft_tensor *tensor, struct host_tensor *t) {
    const struct weft_plan_weight *w = &h->plan->weights[tensor->index >> 12];
    if (w->form == WEFT_FORM_TABLE) memcpy(t->bytes, w->data, w->data_bytes);
    if (w->form != WEFT_FORM_ELEMENTS) return;
    weft_dtype d = weft_dtype_info(w->dtype)->quantised ? WEFT_F32 : w->dtype;
    if (w->from == WEFT_FROM_BOTH) {
        host_upload_pair(h, w, t);
        return;
    }
    host_put(t, d, h->r.leaves[w->value].values + w->first, (int64_t)(w->rows * w->k));
}

/// Memory as a run finds it. Whatever nobody has written is a NaN, or -1.
static inline void host_upload(struct host_rig *h) {
    for (uint32_t i = 0; i < h->sc->n_tensors; i++) {
        const struct weft_tensor *tensor = &h->sc->tensors[i];
        struct host_tensor *t = &h->t[i];
        const struct weft_plan_state *s =
            tensor->mem == WEFT_MEM_STATE ? &h->plan->states[tensor->index & ~WEFT_STATE_PRESENT] : NULL;
        if (tensor->mem == WEFT_MEM_VARS) {
            t->bytes = (uint8_t *)h->vars;
            continue;
        }
        t->size = s && s->bytes > tensor->bytes ? s->bytes : tensor->bytes;
        t->bytes = weft_calloc(t->size + 16, 1);
        memset(t->bytes, 0xff, t->size < 1u << 20 ? t->size : 1u << 20);
        if (tensor->mem == WEFT_MEM_WEIGHT) host_upload_weight(h, tensor, t);
        weft_value v = s && !(tensor->index & WEFT_STATE_PRESENT) ? s->value
                       : tensor->mem == WEFT_MEM_INPUT            ? tensor->value
                                                                  : WEFT_NO_VALUE;
        if (v != WEFT_NO_VALUE) host_put(t, h->r.g->values[v].type.dtype, h->r.leaves[v].values, h->r.leaves[v].n);
    }
    h->vars[WEFT_VAR_ACTIVE] = 1;
    for (uint32_t i = 0; i < h->plan->n_states; i++) {
        const struct weft_plan_state *s = &h->plan->states[i];
        for (uint32_t k = 0; s->kind == WEFT_STATE_VAR && k < s->slots; k++)
            h->vars[s->var_slot + k] = op_word(h->r.g->values[s->value].type.dtype, h->r.leaves[s->value].values[k]);
    }
}

static inline weft_status host_keep(void *user, weft_value v, const struct weft_value_info *info,
                                    const struct weft_host *t) {
    struct host_rig *h = (struct host_rig *)user; // its first member is what op_host_leaf takes
    if (info->kind != WEFT_VALUE_NODE) return WEFT_OK;
    struct op_result *e = &h->ref[v];
    e->n = weft_host_count(t);
    weft_free(e->values);
    e->values = weft_calloc((size_t)e->n + 1, sizeof *e->values);
    memcpy(e->values, t->data, (size_t)e->n * sizeof *e->values);
    return WEFT_OK;
}

static inline void host_compare(struct host_rig *h, weft_dtype d, const uint8_t *got, const double *want, int64_t n,
                                const char *name) {
    uint32_t width = weft_accessor_width(d);
    bool real = weft_dtype_info(d)->is_float;
    for (int64_t i = 0; i < n; i++) {
        uint8_t word[4] = {0};
        memcpy(word, got + i * width, width);
        double a = want[i], b = op_value(d, word, 0), room = real ? h->r.c->abs + h->r.c->rel * fabs(a) : h->whole;
        if (a == b || (isnan(a) && isnan(b)) || (isfinite(a) && fabs(a - b) <= room)) continue;
        host_complain(h, "element %lld of %s is %.9g, not %.9g", (long long)i, name, b, a);
        return;
    }
    h->n_elements += (uint64_t)n;
}

// ---- what does not run here ----------------------------------------------------------------------------------------

/// The first version of a state that is not in memory yet, else the last.
static inline weft_value host_next_version(struct host_rig *h, uint32_t state) {
    const struct weft_graph *g = h->r.g;
    weft_value last = WEFT_NO_VALUE;
    for (size_t i = 0; i < g->n_nodes; i++)
        for (uint32_t k = 0; k < g->nodes[i].n_out && !g->nodes[i].dead; k++) {
            weft_value v = g->nodes[i].out[k];
            if (g->values[v].state != state || !weft_node_writes(g, &g->nodes[i], k)) continue;
            last = v;
            if (!h->done[v]) return v;
        }
    return last;
}

static inline void host_put_vars(struct host_rig *h) {
    for (uint32_t i = 0; i < h->plan->n_states; i++) {
        const struct weft_plan_state *s = &h->plan->states[i];
        for (uint32_t k = 0; s->kind == WEFT_STATE_VAR && k < s->slots; k++)
            h->vars[s->var_slot + k] = op_word(h->r.g->values[s->value].type.dtype, h->r.leaves[s->value].values[k]);
    }
}

static inline void host_inject(struct host_rig *h) {
    for (uint32_t i = 0; i < h->step->n_operands; i++) {
        const struct weft_operand *o = &h->step->operands[i];
        const struct weft_tensor *tensor = &h->sc->tensors[o->tensor];
        if (!(o->access & WEFT_WRITE)) continue;
        weft_value v = tensor->value;
        if (tensor->mem == WEFT_MEM_VARS) {
            host_put_vars(h);
            continue;
        }
        if (tensor->mem == WEFT_MEM_STATE) v = host_next_version(h, tensor->index & ~WEFT_STATE_PRESENT);
        if (v == WEFT_NO_VALUE || !h->ref[v].values) {
            h->t[o->tensor].unknown = true;
            continue;
        }
        h->done[v] = true;
        host_put(&h->t[o->tensor], h->r.g->values[v].type.dtype, h->ref[v].values, h->ref[v].n);
    }
}

static inline uint64_t host_start(const struct host_rig *h, const struct weft_operand *o) {
    int64_t live = weft_dim_eval(h->plan->graph->dims, o->elem_offset, h->r.run.symbols);
    return o->byte_offset + ((uint64_t)live - o->split.first) * weft_accessor_width(o->dtype);
}

static inline const struct weft_operand *host_operand(const struct weft_step *s, const char *name) {
    for (uint32_t i = 0; i < s->n_operands; i++)
        if (strcmp(s->operands[i].name, name) == 0) return &s->operands[i];
    fail_msg("step '%s' has no operand '%s'", s->label, name);
    return NULL;
}

/// Copies n elements from x to y, as kernels/copy/move.wgsl and kernels/map/narrow.wgsl do.
static inline void host_move(struct host_rig *h, uint32_t n) {
    const struct weft_operand *x = host_operand(h->step, "x"), *y = host_operand(h->step, "y");
    struct host_tensor *from = &h->t[x->tensor], *to = &h->t[y->tensor];
    const struct weft_tensor *target = &h->sc->tensors[y->tensor];
    if (from->unknown) {
        host_inject(h);
        return;
    }
    uint32_t in = weft_accessor_width(x->dtype), out = weft_accessor_width(y->dtype);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t word = 0;
        memcpy(&word, from->bytes + host_start(h, x) + (uint64_t)i * in, in);
        if (in > out && weft_is_half(y->dtype)) { // narrowed: of the f32 that a program stored
            float f;
            memcpy(&f, &word, 4);
            word = op_word(y->dtype, f);
        }
        memcpy(to->bytes + host_start(h, y) + (uint64_t)i * out, &word, out);
    }
    if (target->mem == WEFT_MEM_STATE && h->step->copy.kind != WEFT_COPY_COMMIT && !from->program) {
        weft_value v = host_next_version(h, target->index & ~WEFT_STATE_PRESENT);
        if (v != WEFT_NO_VALUE) h->done[v] = true;
    }
}

static inline void host_advance(struct host_rig *h, int32_t by) {
    int64_t slot = 0, lo = 0, hi = 0, slots = 0, count = 0, active = -1;
    for (uint32_t i = 0; i < h->step->n_tvals; i++) {
        const struct weft_tval *v = &h->step->tvals[i];
        if (strcmp(v->name, "VAR") == 0) slot = v->i;
        if (strcmp(v->name, "SLOTS") == 0) slots = v->i;
        if (strcmp(v->name, "COUNT") == 0) count = v->i;
        if (strcmp(v->name, "ACTIVE") == 0) active = v->i;
        if (strcmp(v->name, "LO") == 0) lo = v->i;
        if (strcmp(v->name, "HI") == 0) hi = v->i;
    }
    for (int64_t k = 0; k < (slots ? slots : 1); k++) {
        if (active >= 0 && !h->vars[active + k]) continue;
        int64_t at = h->vars[slot + k];
        at = at < lo ? lo : at > hi ? hi : at;
        at += by + (slots ? (int64_t)h->vars[count + k] : 0);
        h->vars[slot + k] = (uint32_t)(at < lo ? lo : at > hi ? hi : at);
    }
}

// ---- programs ------------------------------------------------------------------------------------------------------

/// Who touches what: points of a flat program, rows of one that reduces, whose columns meet at barriers.
static inline void host_touch(void *user, uint32_t operand, uint64_t index, bool write, uint64_t row, uint64_t col) {
    struct host_rig *h = user;
    const struct weft_operand *o = &h->step->operands[operand];
    struct host_tensor *t = &h->t[o->tensor];
    uint64_t at = host_start(h, o) + index * weft_accessor_width(o->dtype), many = UINT64_MAX;
    uint64_t who = ((uint64_t)h->program + 1) << 56 | row << 28 | (h->flat ? col : 0);
    if (at < o->byte_offset || at + weft_accessor_width(o->dtype) > o->byte_offset + o->bytes)
        host_complain(h, "element %llu of '%s' lies outside of its range", (unsigned long long)index, o->name);
    if (!t->writer || at >= t->size) return;
    bool clash = t->writer[at] && t->writer[at] != who;
    if (write) clash |= t->reader[at] && t->reader[at] != who;
    if (clash)
        host_complain(h, "two points touch element %llu of '%s', and one writes it", (unsigned long long)index,
                      o->name);
    if (write) t->writer[at] = who;
    else t->reader[at] = t->reader[at] == 0 || t->reader[at] == who ? who : many;
}

static inline void host_watch(struct host_rig *h, bool begin) {
    for (uint32_t i = 0; i < h->step->n_operands; i++) {
        struct host_tensor *t = &h->t[h->step->operands[i].tensor];
        bool watched = begin && (h->step->operands[i].access & WEFT_WRITE) && t->size && t->size < 1u << 20;
        if (watched && !t->writer) {
            t->writer = weft_calloc(t->size, sizeof *t->writer);
            t->reader = weft_calloc(t->size, sizeof *t->reader);
        }
        if (begin) continue;
        weft_free(t->writer);
        weft_free(t->reader);
        t->writer = t->reader = NULL;
    }
}

static inline void host_check_store(struct host_rig *h, const struct weft_xstore *s) {
    const struct weft_graph *g = h->r.g;
    const struct weft_value_info *info = &g->values[s->v];
    const struct weft_tensor *tensor = &h->sc->tensors[h->step->operands[s->operand].tensor];
    struct host_tensor *t = &h->t[h->step->operands[s->operand].tensor];
    h->done[s->v] = true;
    if (tensor->mem == WEFT_MEM_TRANSIENT && tensor->value == WEFT_NO_VALUE) { // to be narrowed
        const struct weft_node *n = &g->nodes[info->node];
        weft_value v = weft_op_range(n->op) ? n->in[1] : s->v;
        t->program = true;
        const struct op_result *want = &h->ref[v];
        if (want->values) host_compare(h, tensor->dtype, t->bytes, want->values, want->n, tensor->name);
        return;
    }
    host_compare(h, info->type.dtype, t->bytes, h->ref[s->v].values, h->ref[s->v].n, tensor->name);
}

/// True if a later store of the step makes a newer version of the same state.
static inline bool host_is_old(const struct host_rig *h, const struct weft_xstore *s) {
    const struct weft_value_info *values = h->r.g->values;
    for (uint32_t p = 0; p < h->step->n_programs; p++)
        for (uint32_t i = 0; i < h->step->programs[p].n_stores; i++) {
            weft_value v = h->step->programs[p].stores[i].v;
            if (values[s->v].state != UINT32_MAX && values[v].state == values[s->v].state && v > s->v) return true;
        }
    return false;
}

/// Threads own the words of the store that begins inside one (weft_expr.phase), so that all packed stores begin alike.
static inline void host_check_phases(struct host_rig *h, const struct weft_expr *e) {
    uint64_t wanted = 0;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < e->n_stores; i++) {
            const struct weft_xstore *s = &e->stores[i];
            uint64_t phase = host_start(h, &h->step->operands[s->operand]) & 3;
            if (pass == 0 && e->phase && strcmp(s->name, e->phase) == 0) wanted = phase;
            if (pass == 1 && s->packed && phase != wanted)
                host_complain(h, "a packed store begins at byte %d of a word, that of the schedule at %d", (int)phase,
                              (int)wanted);
        }
}

static inline void host_programs(struct host_rig *h) {
    const struct weft_step *s = h->step;
    struct weft_xmemory operands[WEFT_MAX_OPERANDS];
    for (uint32_t i = 0; i < s->n_operands; i++) {
        const struct weft_operand *o = &s->operands[i];
        uint64_t start = host_start(h, o), width = weft_accessor_width(o->dtype);
        operands[i] = (struct weft_xmemory){.bytes = h->t[o->tensor].bytes + start,
                                            .count = (h->t[o->tensor].size - start) / width,
                                            .dtype = o->dtype,
                                            .ring = h->sc->tensors[o->tensor].state_capacity,
                                            .slot_rows = h->sc->tensors[o->tensor].slot_rows};
        if (o->count == WEFT_DIM_NONE) continue;
        int64_t live = weft_dim_eval(h->plan->graph->dims, o->count, h->r.run.symbols);
        operands[i].count = live > 0 ? (uint64_t)live : 0;
    }
    host_watch(h, true);
    for (h->program = 0; h->program < s->n_programs; h->program++) {
        struct weft_xhost host = {.operands = operands,
                                  .dims = h->plan->graph->dims,
                                  .symbols = h->r.run.symbols,
                                  .vars = h->vars,
                                  .exact = h->exact,
                                  .touch = host_touch,
                                  .user = h};
        if (s->split.end)
            host.first = (uint64_t)s->split.first * s->items, host.end = (uint64_t)s->split.end * s->items;
        h->flat = s->programs[h->program].flat;
        host_check_phases(h, &s->programs[h->program]);
        h->n_programs++;
        if (weft_expr_run(&s->programs[h->program], &host) != WEFT_OK) host_complain(h, "%s", weft_error_message());
    }
    host_watch(h, false);
}

/// What the kernel would be told: the live sizes that its programs name, and workgroups for every element or row.
static inline void host_check_words(struct host_rig *h, const uint32_t *words, const uint32_t grid[3]) {
    const struct weft_step *s = h->step;
    const struct weft_update u = {.dims = h->plan->graph->dims, .symbols = h->r.run.symbols};
    uint32_t k, before = 0;
    for (uint32_t i = 0; i < s->n_fields; i++) {
        if (sscanf(s->fields[i].name, "e%u", &k) == 1 && words[i] != weft_live(&u, s->programs[0].step->dims.dims[k]))
            host_complain(h, "live size e%u is %u", k, words[i]);
        if (sscanf(s->fields[i].name, "end%u", &k) != 1 || k >= s->n_programs) continue;
        const struct weft_expr *e = &s->programs[k];
        uint64_t rows = (uint64_t)weft_live(&u, e->rows), n = (uint64_t)weft_live(&u, e->n), each = s->workgroup[0] * 4;
        bool once = false;
        for (uint32_t j = 0; j < e->n_stores; j++) once |= e->stores[j].once;
        uint64_t needed = e->flat ? (n + each - 1) / each : n || once ? (rows + e->each - 1) / e->each : 0;
        if (words[i] < before || words[i] - before < needed)
            host_complain(h, "program %u has %u workgroups of %llu", k, words[i] - before, (unsigned long long)needed);
        before = words[i];
    }
    if (!s->split.end && (uint64_t)grid[0] * grid[1] * grid[2] < before)
        host_complain(h, "a grid of %ux%ux%u for %u workgroups", grid[0], grid[1], grid[2], before);
}

static inline bool host_is(const struct weft_step *s, const char *file) { return strcmp(s->kernel->file, file) == 0; }

static inline void host_step(struct host_rig *h) {
    uint32_t words[WEFT_MAX_WORDS], grid[3];
    const struct weft_step *s = h->step;
    struct weft_update u = {
        .dims = h->plan->graph->dims, .symbols = h->r.run.symbols, .caps = &h->plan->caps, .step = s};
    weft_step_update(&u, words, grid);
    bool skipped = grid[0] == 0,
         whole = s + 1 == h->sc->steps + h->sc->n_steps || !s->split.end || s[1].split.first == 0;
    if (s->programs) host_check_words(h, words, grid);
    if (s->programs && !skipped) host_programs(h);
    for (uint32_t p = 0; p < s->n_programs && whole; p++)
        for (uint32_t i = 0; i < s->programs[p].n_stores; i++) {
            if (!host_is_old(h, &s->programs[p].stores[i])) host_check_store(h, &s->programs[p].stores[i]);
            h->done[s->programs[p].stores[i].v] = true;
        }
    if (s->programs || skipped) return;
    if (host_is(s, "kernels/copy/move.wgsl") || host_is(s, "kernels/map/narrow.wgsl")) host_move(h, words[0]);
    else if (host_is(s, "ops/advance.wgsl")) host_advance(h, (int32_t)words[0]);
    else host_inject(h);
}

// ---- a plan --------------------------------------------------------------------------------------------------------

static inline void host_check_end(struct host_rig *h) {
    const struct weft_graph *g = h->r.g;
    h->step = NULL;
    for (uint32_t i = 0; i < h->sc->n_tensors; i++) {
        const struct weft_tensor *tensor = &h->sc->tensors[i];
        weft_value v = tensor->value;
        if (tensor->mem == WEFT_MEM_OUTPUT && h->ref[v].values)
            host_compare(h, g->values[v].type.dtype, h->t[i].bytes, h->ref[v].values, h->ref[v].n, tensor->name);
        if (tensor->mem != WEFT_MEM_STATE) continue;
        const struct weft_plan_state *s = &h->plan->states[tensor->index & ~WEFT_STATE_PRESENT];
        bool last =
            weft_state_buffers(s) == 1 || (tensor->index & WEFT_STATE_PRESENT) || s->policy == WEFT_STATE_DOUBLE;
        if (last && s->value != WEFT_NO_VALUE)
            host_compare(h, g->values[s->value].type.dtype, h->t[i].bytes, h->r.leaves[s->value].values,
                         h->r.leaves[s->value].n, tensor->name);
    }
}

/// Elements of all values at the sizes of h->r.run; -1 if the graph does not take these.
static inline int64_t host_size(struct host_rig *h) {
    const struct weft_graph *g = h->r.g;
    int64_t total = 0;
    if (weft_dims_check(g->dims, h->r.run.symbols) != WEFT_OK) return -1;
    if (weft_graph_sizes_check(g, h->r.run.symbols) != WEFT_OK) return -1;
    for (uint32_t v = 0; v < g->n_values; v++) {
        int64_t n = op_count(g, &g->values[v].type, h->r.run.symbols);
        if (n < 0) return -1;
        total += n;
    }
    return total;
}

enum host_answer { HOST_RAN, HOST_TOO_LARGE, HOST_REFUSED };

/// One run at the sizes of h->r.run. Refused: these are no sizes of the graph, or of its reference with these data.
static inline enum host_answer host_run(struct host_rig *h, const struct weft_schedule *sc) {
    const struct weft_graph *g = h->r.g;
    int64_t size = host_size(h);
    if (size < 0) return HOST_REFUSED;
    if (size > HOST_MOST_ELEMENTS) return HOST_TOO_LARGE;
    h->sc = sc;
    h->step = NULL;
    for (uint32_t v = 0; v < g->n_values; v++)
        if (g->values[v].kind != WEFT_VALUE_NODE) op_make_leaf(&h->r, v);
    h->t = weft_calloc(sc->n_tensors + 1, sizeof *h->t);
    h->done = weft_calloc(g->n_values + 1, sizeof *h->done);
    h->vars = weft_calloc((size_t)h->plan->vars_bytes + weft_vars_bytes(h->plan->n_vars), 1);
    host_upload(h);
    struct weft_eval_params eval = {.symbols = h->r.run.symbols, .leaf = op_host_leaf, .each = host_keep, .user = h};
    bool taken = weft_graph_eval(g, &eval) == WEFT_OK;
    for (uint32_t i = 0; taken && i < sc->n_steps && h->bad == 0; i++) {
        h->step = &sc->steps[i];
        host_step(h);
    }
    if (taken && h->bad == 0) host_check_end(h);
    for (uint32_t i = 0; i < sc->n_tensors; i++)
        if (sc->tensors[i].mem != WEFT_MEM_VARS) weft_free(h->t[i].bytes);
    weft_free(h->t);
    weft_free(h->done);
    weft_free(h->vars);
    return taken ? HOST_RAN : HOST_REFUSED;
}

/// A rig for a plan; end it with host_end. `c` has tolerance and data.
static inline struct host_rig host_begin(const struct weft_plan *plan, const struct op_case *c) {
    struct host_rig h = {.plan = plan, .r = {.c = c, .g = plan->graph}, .graph = c->graph, .exact = true};
    if (strstr(c->graph, "= quantize ") && c->rel > 0) h.whole = 1;
    h.r.leaves = weft_calloc(plan->graph->n_values + 1, sizeof *h.r.leaves);
    h.ref = weft_calloc(plan->graph->n_values + 1, sizeof *h.ref);
    op_run_begin(plan->graph, &h.r.run);
    return h;
}

static inline void host_end(struct host_rig *h) {
    for (uint32_t v = 0; v < h->plan->graph->n_values; v++) {
        weft_free(h->r.leaves[v].values);
        weft_free(h->r.leaves[v].file);
        weft_free(h->ref[v].values);
    }
    weft_free(h->r.leaves);
    weft_free(h->ref);
}

/// The schedule that has these sizes, or NULL.
static inline const struct weft_schedule *host_schedule(const struct weft_plan *plan, const int64_t *symbols) {
    for (uint32_t k = 0; k < plan->n_schedules; k++) {
        bool inside = true;
        for (uint32_t i = 0; i < weft_dims_symbol_count(plan->graph->dims); i++)
            inside &= symbols[i] >= plan->schedules[k].lo[i] && symbols[i] <= plan->schedules[k].hi[i];
        if (inside) return &plan->schedules[k];
    }
    return NULL;
}
#endif
