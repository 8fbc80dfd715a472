/// Emission helpers behind plan/lower.h: operators ask for operands, values and tables; this file makes tensors and
/// steps.
#include "plan/lower.h"
#include "core/alloc.h"
#include "core/error.h"
#include "plan/memory.h"
#include "plan/update.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local struct weft_step scratch_step; // written to after a failure; never read

weft_status weft_lower_fail(struct weft_lower *l, weft_status status, const char *format, ...) {
    if (l->status != WEFT_OK) return l->status;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return l->status = weft_fail(status, "%s", text);
}

void weft_lower_over_budget(struct weft_lower *l, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (l->status == WEFT_OK) l->fit = WEFT_TOO_LARGE;
    weft_lower_fail(l, WEFT_ERR_LIMIT, "%s", text);
}

static void no_memory(struct weft_lower *l) {
    weft_lower_fail(l, WEFT_ERR_NOMEM, "out of memory while compiling the graph");
}

// ---- asking --------------------------------------------------------------------------------------------------------

int64_t weft_lower_max(const struct weft_lower *l, weft_dim d) {
    int64_t lo, hi;
    weft_dim_bounds_within(l->graph->dims, d, l->lo, l->hi, &lo, &hi);
    return hi;
}

int64_t weft_lower_const(const struct weft_lower *l, weft_dim d) {
    int64_t c;
    return weft_dim_is_const(l->graph->dims, d, &c) ? c : -1;
}

weft_dim weft_lower_product(struct weft_lower *l, const struct weft_type *t, uint32_t first, uint32_t last) {
    struct weft_dims *dims = l->graph->dims;
    weft_dim p = weft_dim_const(dims, 1);
    for (uint32_t i = first; i < last; i++) p = weft_dim_mul(dims, p, t->dims[i]);
    if (p == WEFT_DIM_BAD)
        weft_lower_fail(l, WEFT_ERR_NOMEM,
                        "out of memory while compiling the graph, or a value of more than 2^63 elements");
    return p;
}

const char *weft_lower_name(const struct weft_lower *l, weft_value v) {
    const struct weft_value_info *info = weft_lv(l, v);
    if (info->name) return info->name;
    if (info->kind != WEFT_VALUE_NODE) return "a constant";
    const struct weft_node *n = &l->graph->nodes[info->node];
    return weft_node_label(n);
}

bool weft_lower_wide(const struct weft_lower *l, weft_value v) {
    const struct weft_value_info *info = weft_lv(l, v);
    if (info->type.rank == 0) return false;
    int64_t last = weft_lower_const(l, info->type.dims[info->type.rank - 1]);
    if (last <= 0 || last % 4 != 0) return false;
    return weft_dim_is_multiple(l->graph->dims, l->places[v].elem_offset, 4);
}

bool weft_lower_live_out(const struct weft_lower *l, uint32_t group, weft_value v) {
    if (l->graph->values[v].is_output || (l->output_view && l->output_view[v] != WEFT_NO_VALUE)) return true;
    for (uint32_t i = l->use_start[v]; i < l->use_start[v + 1]; i++)
        if (l->node_group[l->uses[i]] != group) return true;
    return false;
}

const struct weft_deferred *weft_lower_deferred(const struct weft_lower *l, weft_value v) {
    for (;;) {
        for (const struct weft_deferred *d = l->deferred; d; d = d->next)
            if (d->value == v) return d;
        const struct weft_value_info *info = weft_lv(l, v);
        if (info->kind != WEFT_VALUE_NODE || !l->graph->nodes[info->node].op->view) return NULL;
        v = l->graph->nodes[info->node].in[0];
    }
}

// ---- tensors -------------------------------------------------------------------------------------------------------

static uint32_t add_tensor(struct weft_lower *l, struct weft_tensor t) {
    if (!weft_grow((void **)&l->tensors, &l->cap_tensors, l->n_tensors + 1, sizeof *l->tensors)) {
        no_memory(l);
        return WEFT_NO_TENSOR;
    }
    t.first = UINT32_MAX;
    t.last = 0;
    l->tensors[l->n_tensors] = t;
    return l->n_tensors++;
}

static uint32_t find_tensor(const struct weft_lower *l, enum weft_mem mem, uint32_t index) {
    for (uint32_t i = 0; i < l->n_tensors; i++)
        if (l->tensors[i].mem == mem && l->tensors[i].index == index) return i;
    return WEFT_NO_TENSOR;
}

/// A tensor that stands for one part of a weight in this schedule.
static uint32_t part_tensor(struct weft_lower *l, const struct weft_plan_weight *w, uint32_t part) {
    uint32_t index = weft_part_key(w->index, part);
    uint32_t t = find_tensor(l, WEFT_MEM_WEIGHT, index);
    if (t != WEFT_NO_TENSOR) return t;
    return add_tensor(l, (struct weft_tensor){.name = weft_weight_name(w),
                                              .mem = WEFT_MEM_WEIGHT,
                                              .dtype = WEFT_U32,
                                              .bytes = w->parts[part].bytes,
                                              .index = index,
                                              .value = w->value});
}

/// The variables block, and the page tables behind it.
static uint32_t vars_tensor(struct weft_lower *l) {
    uint32_t t = find_tensor(l, WEFT_MEM_VARS, 0);
    if (t != WEFT_NO_TENSOR) return t;
    uint64_t bytes = l->plan->vars_bytes ? l->plan->vars_bytes : weft_vars_bytes(l->plan->n_vars);
    return add_tensor(
        l, (struct weft_tensor){
               .name = "vars", .mem = WEFT_MEM_VARS, .dtype = WEFT_U32, .bytes = bytes, .value = WEFT_NO_VALUE});
}

/// What the binder counts on for a pool. At run time all of it is bound, whatever its size.
static uint64_t pool_bytes(const struct weft_lower *l, const struct weft_plan_state *s) {
    uint64_t limit = l->caps->max_binding & ~(uint64_t)255;
    uint64_t bytes = weft_align256(s->bytes ? s->bytes : 1);
    return bytes < limit ? bytes : limit;
}

/// Of a paged state whose pool has several banks: the bytes of a full one; else 0.
static uint64_t bank_bytes(const struct weft_lower *l, const struct weft_plan_state *s) {
    const struct weft_plan_pages *g = s->kind == WEFT_STATE_PAGED ? &l->plan->page_groups[s->pages] : NULL;
    return g && g->n_banks > 1 ? g->bank_pages * s->page_bytes : 0;
}

uint32_t weft_lower_state_tensor(struct weft_lower *l, uint32_t state, bool present) {
    const struct weft_plan_state *s = &l->plan->states[state];
    uint32_t index = state | (present && weft_state_buffers(s) == 2 ? WEFT_STATE_PRESENT : 0);
    uint32_t t = find_tensor(l, WEFT_MEM_STATE, index);
    if (t != WEFT_NO_TENSOR) return t;
    const struct weft_value_info *info = weft_lv(l, s->value);
    uint64_t bank = bank_bytes(l, s), bytes = s->kind == WEFT_STATE_PAGED ? pool_bytes(l, s) : s->bytes;
    if (bank) bytes = l->plan->page_groups[s->pages].n_banks * bank;
    return add_tensor(l, (struct weft_tensor){.name = s->name,
                                              .mem = WEFT_MEM_STATE,
                                              .dtype = info->type.dtype,
                                              .bytes = bytes,
                                              .bank_bytes = bank,
                                              .index = index,
                                              .value = index == state ? s->value : WEFT_NO_VALUE,
                                              .state_capacity = s->kind == WEFT_STATE_RING ? (uint32_t)s->rows : 0,
                                              .slots = info->by_slot ? s->slots : 0,
                                              .slot_rows = info->by_slot ? (uint32_t)s->rows : 0});
}

static uint32_t io_tensor(struct weft_lower *l, weft_value v) {
    for (uint32_t i = 0; i < l->plan->n_ios; i++) {
        if (l->plan->ios[i].value != v) continue;
        enum weft_mem mem = l->plan->ios[i].is_output ? WEFT_MEM_OUTPUT : WEFT_MEM_INPUT;
        uint32_t t = find_tensor(l, mem, i);
        if (t != WEFT_NO_TENSOR) return t;
        const struct weft_value_info *info = weft_lv(l, v);
        return add_tensor(l, (struct weft_tensor){.name = l->plan->ios[i].name,
                                                  .mem = mem,
                                                  .dtype = info->type.dtype,
                                                  .bytes = weft_plan_io_bytes(l->plan, i),
                                                  .index = i,
                                                  .value = v});
    }
    return WEFT_NO_TENSOR;
}

weft_status weft_lower_view(struct weft_lower *l, weft_value v, weft_value of, weft_dim start) {
    struct weft_dims *dims = l->graph->dims;
    weft_lower_place(l, of);
    if (l->status != WEFT_OK) return l->status;
    weft_dim offset = weft_dim_add(dims, l->places[of].elem_offset, start);
    if (offset == WEFT_DIM_BAD) return weft_lower_fail(l, WEFT_ERR_NOMEM, "out of memory while compiling the graph");
    l->places[v] = (struct weft_place){l->places[of].tensor, offset};
    return WEFT_OK;
}

void weft_lower_place(struct weft_lower *l, weft_value v) {
    struct weft_place *place = &l->places[v];
    if (place->tensor != WEFT_NO_TENSOR || l->status != WEFT_OK) return;
    const struct weft_value_info *info = weft_lv(l, v);
    weft_value base = weft_graph_base(l->graph, v);
    if (weft_lower_is_leaf(l, base) && !info->is_output) { // views know where they begin (compile.c), and are read now
        const struct weft_plan_weight *w = weft_lower_elements(l, base);
        if (l->status == WEFT_OK) place->tensor = part_tensor(l, w, 0);
        return;
    }
    place->elem_offset = WEFT_DIM_ZERO;
    if (info->state != UINT32_MAX && l->plan->states[info->state].kind == WEFT_STATE_VAR) {
        place->tensor = vars_tensor(l);
        place->elem_offset = weft_dim_const(l->graph->dims, weft_lower_var_slot(l, v));
        return;
    }
    if (info->state != UINT32_MAX) {
        place->tensor = weft_lower_state_tensor(l, info->state, v != l->plan->states[info->state].value);
        if (place->tensor != WEFT_NO_TENSOR && l->tensors[place->tensor].value == WEFT_NO_VALUE)
            l->tensors[place->tensor].value = v;
        return;
    }
    place->tensor = io_tensor(l, v);
    if (place->tensor == WEFT_NO_TENSOR && l->output_view && l->output_view[v] != WEFT_NO_VALUE)
        place->tensor = io_tensor(l, l->output_view[v]);
    if (place->tensor != WEFT_NO_TENSOR) return;
    weft_dim count = weft_lower_product(l, &info->type, 0, info->type.rank);
    int64_t n = l->plan->bound ? weft_plan_max(l->plan, count) : weft_lower_max(l, count);
    uint64_t bytes = weft_align256(weft_bytes_times(n > 0 ? (uint64_t)n : 1, weft_accessor_width(info->type.dtype)));
    const char *name = info->name;
    if (!name && info->kind == WEFT_VALUE_NODE) {
        const struct weft_node *n = &l->graph->nodes[info->node];
        name = n->name ? n->name : weft_arena_printf(&l->plan->arena, "%s.%u", n->op->name, v);
    }
    if (!name) name = "value";
    if (bytes > l->caps->max_buffer) {
        weft_lower_fail(l, WEFT_ERR_LIMIT,
                        "value '%s' may take %llu bytes; a buffer of this device has at most %llu: lower the bounds "
                        "of its symbols",
                        name, (unsigned long long)bytes, (unsigned long long)l->caps->max_buffer);
        return;
    }
    place->tensor = add_tensor(
        l, (struct weft_tensor){
               .name = name, .mem = WEFT_MEM_TRANSIENT, .dtype = info->type.dtype, .bytes = bytes, .value = v});
}

uint32_t weft_lower_scratch(struct weft_lower *l, const char *name, weft_dtype dtype, uint64_t max_elements) {
    return add_tensor(l, (struct weft_tensor){.name = name,
                                              .mem = WEFT_MEM_TRANSIENT,
                                              .dtype = dtype,
                                              .value = WEFT_NO_VALUE,
                                              .used = weft_bytes_times(max_elements, weft_accessor_width(dtype)),
                                              .bytes = weft_align256(weft_bytes_times(max_elements ? max_elements : 1,
                                                                                      weft_accessor_width(dtype)))});
}

uint32_t weft_lower_var_slot(const struct weft_lower *l, weft_value var) {
    uint32_t state = weft_lv(l, var)->state;
    return state == UINT32_MAX ? 0 : l->plan->states[state].var_slot;
}

// ---- emitting ------------------------------------------------------------------------------------------------------

struct weft_step *weft_emit(struct weft_lower *l, const struct weft_kernel *kernel, const char *label, const void *cfg,
                            size_t cfg_size) {
    if (l->status != WEFT_OK) return &scratch_step;
    if (!kernel->update) {
        weft_lower_fail(l, WEFT_ERR_INTERNAL, "kernel '%s' has no update function", kernel->name);
        return &scratch_step;
    }
    if (!weft_grow((void **)&l->steps, &l->cap_steps, l->n_steps + 1, sizeof *l->steps)) {
        no_memory(l);
        return &scratch_step;
    }
    struct weft_step *s = &l->steps[l->n_steps++];
    memset(s, 0, sizeof *s);
    s->kernel = kernel;
    s->label = label ? weft_arena_strdup(&l->plan->arena, label) : kernel->name;
    if (!s->label) {
        s->label = kernel->name;
        no_memory(l);
    }
    s->group = l->group;
    s->fields = kernel->fields;
    while (s->fields && s->fields[s->n_fields].name) s->n_fields++;
    s->workgroup[0] = s->workgroup[1] = s->workgroup[2] = 1;
    if (cfg_size) {
        s->cfg = weft_arena_dup(&l->plan->arena, cfg, cfg_size);
        if (!s->cfg) no_memory(l);
    }
    return s;
}

static uint32_t add_operand(struct weft_lower *l, struct weft_step *s, struct weft_operand o) {
    if (l->status != WEFT_OK) return 0;
    if (s->n_operands == WEFT_MAX_OPERANDS) {
        weft_lower_over_budget(l, "step '%s' names more than %d operands", s->label, WEFT_MAX_OPERANDS);
        return 0;
    }
    o.name = weft_arena_strdup(&l->plan->arena, o.name);
    if (!o.name) {
        no_memory(l);
        return 0;
    }
    o.inplace_of = -1;
    o.live = WEFT_DIM_NONE;
    s->operands[s->n_operands] = o;
    return s->n_operands++;
}

void weft_emit_vars(struct weft_lower *l, struct weft_step *s, enum weft_access access) {
    for (uint32_t i = 0; i < s->n_operands && l->status == WEFT_OK; i++) {
        if (!(s->operands[i].flags & WEFT_OPERAND_VARS)) continue;
        s->operands[i].access |= access;
        if (access & WEFT_WRITE) s->writes_state = true;
        return;
    }
    if (l->status != WEFT_OK) return;
    uint32_t t = vars_tensor(l);
    if (l->status != WEFT_OK) return;
    add_operand(l, s,
                (struct weft_operand){.name = "vars",
                                      .access = access,
                                      .flags = WEFT_OPERAND_VARS,
                                      .dtype = WEFT_U32,
                                      .tensor = t,
                                      .bytes = l->tensors[t].bytes,
                                      .count = WEFT_DIM_NONE,
                                      .used = (uint64_t)l->plan->n_vars * 4});
    if (access & WEFT_WRITE) s->writes_state = true;
}

/// What a checked accessor counts on: a state's whole memory, else the value's shape, views by their own.
static void set_length(struct weft_lower *l, struct weft_operand *o, const struct weft_value_info *info) {
    const struct weft_plan_state *s = info->state != UINT32_MAX ? &l->plan->states[info->state] : NULL;
    if (s && s->kind != WEFT_STATE_VAR) o->used = weft_plan_state_used_bytes(s);
    else o->live = weft_lower_product(l, &info->type, 0, info->type.rank);
}

uint32_t weft_emit_value(struct weft_lower *l, struct weft_step *s, const char *name, enum weft_access access,
                         weft_value v, uint8_t flags) {
    if (l->status != WEFT_OK) return 0;
    const struct weft_value_info *info = weft_lv(l, v);
    if ((access & WEFT_WRITE) && info->state != UINT32_MAX && l->plan->states[info->state].kind == WEFT_STATE_VAR) {
        weft_emit_vars(l, s, access);
        return WEFT_NO_OPERAND;
    }
    weft_lower_place(l, v);
    if (l->status != WEFT_OK) return 0;
    struct weft_place place = l->places[v];
    const struct weft_tensor *t = &l->tensors[place.tensor];
    if (t->mem == WEFT_MEM_STATE && (access & WEFT_WRITE)) {
        flags |= WEFT_OPERAND_STATE;
        s->writes_state = true;
    }
    uint32_t i = add_operand(l, s,
                             (struct weft_operand){.name = name,
                                                   .access = access,
                                                   .flags = flags,
                                                   .dtype = weft_lower_dtype(l, v),
                                                   .tensor = place.tensor,
                                                   .bytes = t->bytes,
                                                   .elem_offset = place.elem_offset,
                                                   .count = weft_lower_product(l, &info->type, 0, info->type.rank)});
    if (l->plan->checked && l->status == WEFT_OK) set_length(l, &s->operands[i], info);
    if ((flags & WEFT_OPERAND_STATE) || t->mem == WEFT_MEM_STATE) weft_emit_vars(l, s, WEFT_READ);
    return i;
}

uint32_t weft_emit_place(struct weft_lower *l, struct weft_step *s, const char *name, enum weft_access access,
                         struct weft_place place, weft_dtype dtype, weft_dim count, uint8_t flags) {
    if (l->status != WEFT_OK) return 0;
    const struct weft_tensor *t = &l->tensors[place.tensor];
    bool state = t->mem == WEFT_MEM_STATE;
    if (state && (access & WEFT_WRITE)) {
        flags |= WEFT_OPERAND_STATE;
        s->writes_state = true;
    }
    struct weft_operand o = {.name = name,
                             .access = access,
                             .flags = flags,
                             .dtype = dtype,
                             .tensor = place.tensor,
                             .bytes = t->bytes,
                             .elem_offset = place.elem_offset,
                             .count = count};
    uint32_t i = add_operand(l, s, o);
    if (l->plan->checked && l->status == WEFT_OK) s->operands[i].live = count;
    if (state) weft_emit_vars(l, s, WEFT_READ);
    return i;
}

struct weft_place weft_lower_range(struct weft_lower *l, const struct weft_node *n) {
    weft_lower_place(l, n->out[0]);
    struct weft_place place = l->places[n->out[0]];
    place.elem_offset = n->attrs[weft_op_range(n->op)->attr].d;
    return place;
}

uint32_t weft_emit_table(struct weft_lower *l, struct weft_step *s, const char *name, const struct weft_plan_weight *w,
                         weft_dtype dtype, uint8_t flags) {
    if (l->status != WEFT_OK) return 0;
    uint32_t t = part_tensor(l, w, 0);
    struct weft_operand o = {.name = name,
                             .access = WEFT_READ,
                             .flags = flags,
                             .dtype = dtype,
                             .tensor = t,
                             .bytes = w->parts[0].bytes,
                             .count = WEFT_DIM_NONE};
    o.used = w->data_bytes;
    return add_operand(l, s, o);
}

void weft_emit_weight(struct weft_lower *l, struct weft_step *s, const char *name, const struct weft_plan_weight *w,
                      uint32_t part) {
    if (l->status != WEFT_OK) return;
    if (!w->layout) {
        weft_lower_fail(l, WEFT_ERR_INTERNAL, "step '%s': '%s' is not a packed weight", s->label, weft_weight_name(w));
        return;
    }
    static const char suffix[WEFT_PLANE_COUNT] = {'q', 'h', 's', 'd'};
    for (int p = 0; p < WEFT_PLANE_COUNT; p++) {
        uint64_t bytes = weft_wlayout_bytes(w->layout, p, w->parts[part].rows, w->k);
        if (bytes == 0) continue;
        bool elsewhere = w->from == WEFT_FROM_SCALES && p == WEFT_PLANE_Q;
        const struct weft_plan_weight *own = elsewhere ? &l->plan->weights[w->quants] : w;
        char text[64];
        snprintf(text, sizeof text, "%s_%c", name, suffix[p]);
        add_operand(l, s,
                    (struct weft_operand){.name = text,
                                          .access = WEFT_READ,
                                          .flags = p == WEFT_PLANE_Q ? WEFT_OPERAND_WIDE : 0,
                                          .dtype = WEFT_U32,
                                          .tensor = part_tensor(l, own, part),
                                          .byte_offset = own->parts[part].plane[p],
                                          .bytes = weft_align256(bytes),
                                          .used = bytes,
                                          .count = WEFT_DIM_NONE});
    }
    struct weft_tval values[WEFT_WLAYOUT_VALUES];
    size_t n = weft_wlayout_values(w->layout, values);
    for (size_t i = 0; i < n; i++) weft_emit_int(l, s, values[i].name, values[i].i);
}

const struct weft_remembered *weft_lower_recall(const struct weft_lower *l, const struct weft_kernel *kernel,
                                                weft_value of, const uint32_t numbers[3]) {
    for (const struct weft_remembered *r = l->remembered; r; r = r->next)
        if (r->kernel == kernel && r->of == of && memcmp(r->numbers, numbers, sizeof r->numbers) == 0) return r;
    return NULL;
}

void weft_lower_remember(struct weft_lower *l, const struct weft_remembered *r) {
    struct weft_remembered *kept = weft_arena_dup(&l->plan->arena, r, sizeof *r);
    if (!kept) {
        weft_lower_fail(l, WEFT_ERR_NOMEM, "out of memory while compiling the graph");
        return;
    }
    kept->next = l->remembered;
    l->remembered = kept;
}

uint32_t weft_emit_scratch(struct weft_lower *l, struct weft_step *s, const char *name, enum weft_access access,
                           uint32_t tensor, uint8_t flags) {
    if (l->status != WEFT_OK) return 0;
    const struct weft_tensor *t = &l->tensors[tensor];
    return add_operand(l, s,
                       (struct weft_operand){.name = name,
                                             .access = access,
                                             .flags = flags,
                                             .dtype = t->dtype,
                                             .tensor = tensor,
                                             .bytes = t->bytes,
                                             .used = t->used,
                                             .count = WEFT_DIM_NONE});
}

static void add_tval(struct weft_lower *l, struct weft_step *s, struct weft_tval v) {
    if (l->status != WEFT_OK) return;
    if (!v.name) {
        no_memory(l);
        return;
    }
    for (uint32_t i = 0; i < s->n_tvals; i++) {
        if (strcmp(s->tvals[i].name, v.name) == 0) {
            s->tvals[i] = v;
            return;
        }
    }
    if (s->n_tvals == WEFT_MAX_TVALS) {
        weft_lower_over_budget(l, "step '%s' has more than %d template values", s->label, WEFT_MAX_TVALS);
        return;
    }
    s->tvals[s->n_tvals++] = v;
}

void weft_emit_int(struct weft_lower *l, struct weft_step *s, const char *tval, int64_t x) {
    add_tval(l, s, (struct weft_tval){weft_arena_strdup(&l->plan->arena, tval), x, NULL});
}

void weft_emit_text(struct weft_lower *l, struct weft_step *s, const char *tval, const char *text) {
    const char *copy = weft_arena_strdup(&l->plan->arena, text);
    if (copy) add_tval(l, s, (struct weft_tval){weft_arena_strdup(&l->plan->arena, tval), 0, copy});
    else no_memory(l); // without text the value would be the integer 0
}

void weft_emit_workgroup(struct weft_step *s, uint32_t x, uint32_t memory_bytes) {
    s->workgroup[0] = x;
    s->workgroup[1] = s->workgroup[2] = 1;
    s->workgroup_memory = memory_bytes;
}

void weft_emit_items(struct weft_step *s, uint32_t items) { s->items = items; }

void weft_emit_reach(struct weft_step *s, uint32_t operand, uint64_t every, uint64_t unit) {
    if (operand >= s->n_operands) return;
    s->operands[operand].every = every;
    s->operands[operand].unit = unit;
}
