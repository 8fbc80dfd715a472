/// A plan as JSON: everything that a program may want to know of it. Names come from files and graphs and may hold any
/// bytes; core/json.h says what becomes of them.
#include "compile/print_impl.h"
#include "core/json.h"

static const char *access_name(uint8_t access) {
    return access == WEFT_READ ? "read" : access == WEFT_WRITE ? "write" : "read_write";
}

static void triple(struct weft_json *j, const char *key, const uint32_t x[3]) {
    weft_json_array(j, key);
    for (int i = 0; i < 3; i++) weft_json_u64(j, NULL, x[i]);
    weft_json_end(j);
}

static void put_weights(struct weft_json *j, const struct weft_plan *p) {
    weft_json_array(j, "weights");
    static const char *const forms[WEFT_FORMS] = {"packed", "elements", "table"};
    for (uint32_t i = 0; i < p->n_weights; i++) {
        const struct weft_plan_weight *w = &p->weights[i];
        weft_json_object(j, NULL);
        weft_json_str(j, "name", weft_weight_name(w));
        weft_json_str(j, "form", forms[w->form]);
        weft_json_str(j, "type", weft_dtype_name(w->dtype));
        weft_json_u64(j, "rows", w->rows);
        weft_json_u64(j, "k", w->k);
        weft_json_bool(j, "table", w->value == WEFT_NO_VALUE);
        weft_json_array(j, "parts");
        for (uint32_t k = 0; k < w->n_parts; k++) {
            const struct weft_weight_part *x = &w->parts[k];
            weft_json_object(j, NULL);
            weft_json_u64(j, "shard", x->shard);
            weft_json_u64(j, "offset", x->offset);
            weft_json_u64(j, "bytes", x->bytes);
            weft_json_u64(j, "row0", x->row0);
            weft_json_u64(j, "rows", x->rows);
            weft_json_end(j);
        }
        weft_json_end(j);
        weft_json_end(j);
    }
    weft_json_end(j);
}

static void put_states(struct weft_json *j, const struct weft_plan *p) {
    weft_json_array(j, "states");
    for (uint32_t i = 0; i < p->n_states; i++) {
        const struct weft_plan_state *s = &p->states[i];
        weft_json_object(j, NULL);
        weft_json_str(j, "name", s->name);
        weft_json_str(j, "kind", weft_print_state_kind(s->kind));
        weft_json_u64(j, "bytes", s->bytes);
        if (s->kind == WEFT_STATE_VAR) weft_json_u64(j, "word", s->var_slot);
        else {
            weft_json_u64(j, "rows", s->rows);
            weft_json_u64(j, "row_bytes", s->row_bytes);
            weft_json_str(j, "policy", weft_state_policy_name(s->policy));
            weft_json_u64(j, "buffers", weft_state_buffers(s));
        }
        weft_json_end(j);
    }
    weft_json_end(j);
}

static void put_ios(struct weft_json *j, const struct weft_plan *p) {
    weft_json_array(j, "inputs_and_outputs");
    for (uint32_t i = 0; i < p->n_ios; i++) {
        struct weft_str type = {0};
        weft_type_print(p->graph->dims, &p->graph->values[p->ios[i].value].type, &type);
        weft_json_object(j, NULL);
        weft_json_str(j, "name", p->ios[i].name);
        weft_json_str(j, "direction", p->ios[i].is_output ? "output" : "input");
        weft_json_str(j, "type", weft_str_get(&type));
        weft_json_u64(j, "bytes", weft_plan_io_bytes(p, i));
        weft_json_end(j);
        j->out->failed |= type.failed;
        weft_str_free(&type);
    }
    weft_json_end(j);
}

static void put_operand(struct weft_json *j, const struct weft_schedule *sc, const struct weft_operand *o,
                        uint32_t slot) {
    weft_json_object(j, NULL);
    weft_json_str(j, "name", o->name);
    weft_json_str(j, "tensor", sc->tensors[o->tensor].name);
    weft_json_u64(j, "tensor_index", o->tensor);
    weft_json_str(j, "access", access_name(o->access));
    weft_json_str(j, "type", weft_dtype_name(o->dtype));
    weft_json_u64(j, "offset", o->bound.slot_offset);
    weft_json_u64(j, "bytes", o->bytes);
    weft_json_u64(j, "segment", slot - o->bound.slot);
    weft_json_end(j);
}

static void put_bindings(struct weft_json *j, const struct weft_plan *p, const struct weft_schedule *sc,
                         const struct weft_step *s) {
    weft_json_array(j, "bindings");
    for (uint32_t n = 1; n < s->bound.n_slots; n++) {
        const struct weft_slot *slot = &s->bound.slots[n];
        struct weft_str buffer = {0};
        weft_print_buffer(p, slot->mem_key, &buffer);
        weft_json_object(j, NULL);
        weft_json_u64(j, "binding", n);
        weft_json_str(j, "buffer", weft_str_get(&buffer));
        weft_json_u64(j, "offset", slot->offset);
        weft_json_u64(j, "size", slot->size);
        weft_json_str(j, "access", slot->kind == WEFT_BIND_READ ? "read" : "read_write");
        weft_json_bool(j, "vec4", slot->wide);
        weft_json_bool(j, "atomic", slot->atomic);
        weft_json_array(j, "operands");
        for (uint32_t i = 0; i < s->n_operands; i++)
            if (weft_operand_in_slot(&s->operands[i], n)) put_operand(j, sc, &s->operands[i], n);
        weft_json_end(j);
        weft_json_end(j);
        j->out->failed |= buffer.failed;
        weft_str_free(&buffer);
    }
    weft_json_end(j);
}

static void put_params(struct weft_json *j, const struct weft_step *s, const uint32_t *words) {
    weft_json_object(j, "params");
    for (uint32_t i = 0; i < s->n_fields; i++) {
        const struct weft_field *f = &s->fields[i];
        if (f->type == WEFT_F32) weft_json_real(j, f->name, (double)weft_print_float(words[i]));
        else if (f->type == WEFT_I32) weft_json_i64(j, f->name, (int32_t)words[i]);
        else weft_json_u64(j, f->name, words[i]);
    }
    weft_json_end(j);
}

static void put_step(struct weft_json *j, const struct weft_plan *p, const struct weft_schedule *sc,
                     const struct weft_step *s) {
    struct weft_print_live live = weft_print_live(p, sc, s);
    weft_json_object(j, NULL);
    weft_json_str(j, "label", s->label);
    weft_json_str(j, "kernel", s->kernel->name);
    weft_json_u64(j, "pipeline", s->bound.pipeline);
    triple(j, "workgroup", s->workgroup);
    weft_json_u64(j, "workgroup_memory", s->workgroup_memory);
    triple(j, "grid", live.grid);
    put_params(j, s, live.words);
    weft_json_bool(j, "writes_state", s->writes_state);
    weft_json_bool(j, "copy", s->copy.kind != WEFT_COPY_NONE);
    put_bindings(j, p, sc, s);
    weft_json_end(j);
}

static void put_tensors(struct weft_json *j, const struct weft_schedule *sc) {
    weft_json_array(j, "tensors");
    for (uint32_t i = 0; i < sc->n_tensors; i++) {
        const struct weft_tensor *t = &sc->tensors[i];
        weft_json_object(j, NULL);
        weft_json_str(j, "name", t->name);
        weft_json_str(j, "memory", weft_print_mem(t->mem));
        weft_json_str(j, "type", weft_dtype_name(t->dtype));
        weft_json_u64(j, "bytes", t->bytes);
        weft_json_u64(j, "offset", t->offset);
        if (t->mem == WEFT_MEM_TRANSIENT || t->mem == WEFT_MEM_WEIGHT) weft_json_u64(j, "buffer", t->heap);
        if (t->first != UINT32_MAX) {
            weft_json_u64(j, "first", t->first);
            weft_json_u64(j, "last", t->last);
        }
        weft_json_end(j);
    }
    weft_json_end(j);
}

static void put_schedule(struct weft_json *j, const struct weft_plan *p, const struct weft_schedule *sc) {
    weft_json_object(j, NULL);
    weft_json_str(j, "name", sc->name);
    weft_json_object(j, "guard");
    for (uint32_t i = 0; i < weft_dims_symbol_count(p->graph->dims); i++) {
        weft_json_array(j, weft_dims_symbol_name(p->graph->dims, i));
        weft_json_i64(j, NULL, sc->lo[i]);
        weft_json_i64(j, NULL, sc->hi[i]);
        weft_json_end(j);
    }
    weft_json_end(j);
    weft_json_array(j, "steps");
    for (uint32_t i = 0; i < sc->n_steps; i++) put_step(j, p, sc, &sc->steps[i]);
    weft_json_end(j);
    weft_json_array(j, "heap_bytes");
    for (uint32_t h = 0; h < WEFT_HEAPS; h++) weft_json_u64(j, NULL, sc->heap_bytes[h]);
    weft_json_end(j);
    weft_json_u64(j, "lower_bound", sc->lower_bound);
    weft_json_u64(j, "copied_bytes", sc->copied_bytes);
    put_tensors(j, sc);
    weft_json_end(j);
}

static void put_memory(struct weft_json *j, const struct weft_plan *p) {
    struct weft_memory_use m = weft_plan_memory(p);
    weft_json_object(j, "memory");
    weft_json_u64(j, "peak", m.weights + m.states + m.pages + m.transients + m.io + m.params);
    weft_json_u64(j, "weights", m.weights);
    weft_json_u64(j, "states", m.states);
    weft_json_u64(j, "pages", m.pages);
    weft_json_u64(j, "transients", m.transients);
    weft_json_u64(j, "transients_lower_bound", weft_plan_lower_bound(p));
    weft_json_u64(j, "inputs_and_outputs", m.io);
    weft_json_u64(j, "parameters", m.params);
    weft_json_end(j);
}

static void put_plan(struct weft_json *j, const struct weft_plan *p) {
    weft_json_object(j, NULL);
    weft_json_str(j, "implementation", p->caps.implementation);
    weft_json_str(j, "adapter", p->caps.adapter);
    weft_json_str(j, "numbers", p->profile.invariant ? "invariant" : "f32");
    put_memory(j, p);
    weft_json_u64(j, "pipelines", p->n_pipelines);
    weft_json_array(j, "shards");
    for (uint32_t i = 0; i < p->n_shards; i++) weft_json_u64(j, NULL, p->shard_bytes[i]);
    weft_json_end(j);
    weft_json_array(j, "heaps");
    for (uint32_t h = 0; h < WEFT_HEAPS; h++) weft_json_u64(j, NULL, p->heap_bytes[h]);
    weft_json_end(j);
    weft_json_u64(j, "shared_shards", p->shared_shards);
    put_weights(j, p);
    put_states(j, p);
    put_ios(j, p);
    weft_json_array(j, "schedules");
    for (uint32_t k = 0; k < p->n_schedules; k++) put_schedule(j, p, &p->schedules[k]);
    weft_json_end(j);
    weft_json_str(j, "report", weft_str_get(&p->report));
    weft_json_end(j);
}

void weft_print_json(const struct weft_plan *p, struct weft_str *out) {
    struct weft_json j;
    weft_json_begin(&j, out, 1);
    put_plan(&j, p);
    weft_str_add(out, "\n");
}
