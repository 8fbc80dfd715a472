/// A plan as JSON: everything that a program may want to know of it.
#include "compile/print_impl.h"
#include "core/alloc.h"
#include <jansson.h>
#include <string.h>

static const char *access_name(uint8_t access)
{
    return access == WEFT_READ ? "read" : access == WEFT_WRITE ? "write" : "read_write";
}

/// Names come from files: bytes that are no UTF-8 become question marks.
static json_t *text(const char *s)
{
    json_t *j = json_string(s ? s : "");
    if (j) return j;
    char *copy = weft_strdup(s);
    for (char *c = copy; c && *c; c++)
        if ((unsigned char)*c >= 0x80) *c = '?';
    j = copy ? json_string(copy) : NULL;
    weft_free(copy);
    return j;
}

static json_t *number(uint64_t x) { return json_integer((json_int_t)x); }

static json_t *triple(const uint32_t x[3]) {
    return json_pack("[III]", (json_int_t)x[0], (json_int_t)x[1], (json_int_t)x[2]);
}

/// Appends; a failure anywhere shows in *ok.
static void push(json_t *array, json_t *x, bool *ok) { *ok &= json_array_append_new(array, x) == 0; }
static void put(json_t *object, const char *key, json_t *x, bool *ok) {
    *ok &= json_object_set_new(object, key, x) == 0;
}

static json_t *json_weights(const struct weft_plan *p, bool *ok)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n_weights; i++) {
        const struct weft_plan_weight *w = &p->weights[i];
        json_t *parts = json_array();
        for (uint32_t k = 0; k < w->n_parts; k++) {
            const struct weft_weight_part *x = &w->parts[k];
            push(parts,
                 json_pack("{sI sI sI sI sI}", "shard", (json_int_t)x->shard, "offset", (json_int_t)x->offset, "bytes",
                           (json_int_t)x->bytes, "row0", (json_int_t)x->row0, "rows", (json_int_t)x->rows),
                 ok);
        }
        push(list,
             json_pack("{so ss sI sI sb so}", "name", text(w->name), "type", weft_dtype_name(w->dtype), "rows",
                       (json_int_t)w->rows, "k", (json_int_t)w->k, "table", w->value == WEFT_NO_VALUE, "parts", parts),
             ok);
    }
    return list;
}

static json_t *json_states(const struct weft_plan *p, bool *ok)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n_states; i++) {
        const struct weft_plan_state *s = &p->states[i];
        json_t *x = json_pack("{so ss sI}", "name", text(s->name), "kind", weft_print_state_kind(s->kind), "bytes",
                              (json_int_t)s->bytes);
        if (s->kind == WEFT_STATE_VAR) put(x, "word", number(s->var_slot), ok);
        else {
            put(x, "rows", number(s->rows), ok), put(x, "row_bytes", number(s->row_bytes), ok);
            put(x, "policy", text(weft_state_policy_name(s->policy)), ok);
            put(x, "buffers", number(weft_state_buffers(s)), ok);
        }
        push(list, x, ok);
    }
    return list;
}

static json_t *json_ios(const struct weft_plan *p, bool *ok)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < p->n_ios; i++) {
        struct weft_str type = {0};
        weft_type_print(p->graph->dims, &p->graph->values[p->ios[i].value].type, &type);
        push(list,
             json_pack("{so ss so sI}", "name", text(p->ios[i].name), "direction",
                       p->ios[i].is_output ? "output" : "input", "type", text(weft_str_get(&type)), "bytes",
                       (json_int_t)weft_plan_io_bytes(p, i)),
             ok);
        weft_str_free(&type);
    }
    return list;
}

static json_t *json_bindings(const struct weft_plan *p, const struct weft_schedule *sc, const struct weft_step *s,
                             bool *ok) {
    json_t *list = json_array();
    for (uint32_t n = 1; n < s->n_slots; n++) {
        const struct weft_slot *slot = &s->slots[n];
        json_t *operands = json_array();
        for (uint32_t i = 0; i < s->n_operands; i++) {
            const struct weft_operand *o = &s->operands[i];
            if (weft_operand_in_slot(o, n))
                push(operands,
                     json_pack("{so so sI ss ss sI sI sI}", "name", text(o->name), "tensor",
                               text(sc->tensors[o->tensor].name), "tensor_index", (json_int_t)o->tensor, "access",
                               access_name(o->access), "type", weft_dtype_name(o->dtype), "offset",
                               (json_int_t)o->slot_offset, "bytes", (json_int_t)o->bytes, "segment",
                               (json_int_t)(n - o->slot)),
                     ok);
        }
        struct weft_str buffer = {0};
        weft_print_buffer(p, slot->mem_key, &buffer);
        push(list,
             json_pack("{sI so sI sI ss sb sb so}", "binding", (json_int_t)n, "buffer", text(weft_str_get(&buffer)),
                       "offset", (json_int_t)slot->offset, "size", (json_int_t)slot->size, "access",
                       slot->kind == WEFT_BIND_READ ? "read" : "read_write", "vec4", slot->wide, "atomic", slot->atomic,
                       "operands", operands),
             ok);
        weft_str_free(&buffer);
    }
    return list;
}

static json_t *json_step(const struct weft_plan *p, const struct weft_schedule *sc, const struct weft_step *s, bool *ok)
{
    struct weft_print_live live = weft_print_live(p, sc, s);
    json_t *params = json_object();
    for (uint32_t i = 0; i < s->n_fields; i++) {
        weft_dtype type = s->fields[i].type;
        float f = weft_print_float(live.words[i]);
        bool real = type == WEFT_F32;
        if (real && (f != f || f - f != 0)) put(params, s->fields[i].name, json_null(), ok); // JSON has no infinities
        else if (real) put(params, s->fields[i].name, json_real(f), ok);
        else
            put(params, s->fields[i].name,
                json_integer(type == WEFT_I32 ? (json_int_t)(int32_t)live.words[i] : (json_int_t)live.words[i]),
                ok);
    }
    return json_pack("{so ss sI so sI so so sb sb so}", "label", text(s->label), "kernel", s->kernel->name, "pipeline",
                     (json_int_t)s->pipeline, "workgroup", triple(s->workgroup), "workgroup_memory",
                     (json_int_t)s->workgroup_memory, "grid", triple(live.grid), "params", params, "writes_state",
                     s->writes_state, "copy", s->is_copy, "bindings", json_bindings(p, sc, s, ok));
}

static json_t *json_tensors(const struct weft_schedule *sc, bool *ok)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < sc->n_tensors; i++) {
        const struct weft_tensor *t = &sc->tensors[i];
        json_t *x =
            json_pack("{so ss ss sI sI}", "name", text(t->name), "memory", weft_print_mem(t->mem), "type",
                      weft_dtype_name(t->dtype), "bytes", (json_int_t)t->bytes, "offset", (json_int_t)t->offset);
        if (t->mem == WEFT_MEM_TRANSIENT || t->mem == WEFT_MEM_WEIGHT) put(x, "buffer", number(t->heap), ok);
        if (t->first != UINT32_MAX) put(x, "first", number(t->first), ok), put(x, "last", number(t->last), ok);
        push(list, x, ok);
    }
    return list;
}

static json_t *json_schedule(const struct weft_plan *p, const struct weft_schedule *sc, bool *ok)
{
    json_t *steps = json_array(), *heaps = json_array(), *guard = json_object();
    for (uint32_t i = 0; i < sc->n_steps; i++) push(steps, json_step(p, sc, &sc->steps[i], ok), ok);
    for (uint32_t h = 0; h < WEFT_HEAPS; h++) push(heaps, number(sc->heap_bytes[h]), ok);
    for (uint32_t i = 0; i < weft_dims_symbol_count(p->graph->dims); i++)
        put(guard, weft_dims_symbol_name(p->graph->dims, i),
            json_pack("[II]", (json_int_t)sc->lo[i], (json_int_t)sc->hi[i]), ok);
    return json_pack("{so so so so sI sI so}", "name", text(sc->name), "guard", guard, "steps", steps, "heap_bytes",
                     heaps, "lower_bound", (json_int_t)sc->lower_bound, "copied_bytes", (json_int_t)sc->copied_bytes,
                     "tensors", json_tensors(sc, ok));
}

static json_t *json_plan(const struct weft_plan *p, bool *ok)
{
    struct weft_memory_use m = weft_plan_memory(p);
    json_t *schedules = json_array(), *shards = json_array(), *heaps = json_array();
    for (uint32_t k = 0; k < p->n_schedules; k++) push(schedules, json_schedule(p, &p->schedules[k], ok), ok);
    for (uint32_t i = 0; i < p->n_shards; i++) push(shards, number(p->shard_bytes[i]), ok);
    for (uint32_t h = 0; h < WEFT_HEAPS; h++) push(heaps, number(p->heap_bytes[h]), ok);
    json_t *memory =
        json_pack("{sI sI sI sI sI sI sI sI}", "peak",
                  (json_int_t)(m.weights + m.states + m.pages + m.transients + m.io + m.params), "weights",
                  (json_int_t)m.weights, "states", (json_int_t)m.states, "pages", (json_int_t)m.pages, "transients",
                  (json_int_t)m.transients, "transients_lower_bound", (json_int_t)weft_plan_lower_bound(p),
                  "inputs_and_outputs", (json_int_t)m.io, "parameters", (json_int_t)m.params);
    return json_pack("{so so so sI so so sI so so so so so}", "implementation", text(p->caps.implementation), "adapter",
                     text(p->caps.adapter), "memory", memory, "pipelines", (json_int_t)p->n_pipelines, "shards", shards,
                     "heaps", heaps, "shared_shards", (json_int_t)p->shared_shards, "weights", json_weights(p, ok),
                     "states", json_states(p, ok), "inputs_and_outputs", json_ios(p, ok), "schedules", schedules,
                     "report", text(weft_str_get(&p->report)));
}

static int take_json(const char *buffer, size_t size, void *out)
{
    weft_str_addn(out, buffer, size);
    return 0;
}

void weft_print_json(const struct weft_plan *p, struct weft_str *out)
{
    bool ok = true;
    json_t *root = json_plan(p, &ok);
    if (!ok || !root || json_dump_callback(root, take_json, out, JSON_INDENT(1)) != 0) out->failed = true;
    json_decref(root);
    weft_str_add(out, "\n");
}
