#include "support/plan_dump.h"

#include "compile/print_impl.h"
#include "core/sha256.h"
#include "plan/update.h"

#include <inttypes.h>
#include <string.h>

bool weft_test_text_hash(const char *text, char out[WEFT_DUMP_HASH + 1]) {
    char whole[65];
    if (weft_sha256_hex(text, strlen(text), whole) != WEFT_OK) return false;
    memcpy(out, whole, WEFT_DUMP_HASH);
    out[WEFT_DUMP_HASH] = 0;
    return true;
}

static void add_name(const char *name, struct weft_str *out) { weft_str_addf(out, " %s", name ? name : "-"); }

static void add_dim(const struct weft_plan *p, const char *what, weft_dim d, struct weft_str *out) {
    if (d == WEFT_DIM_NONE || d == WEFT_DIM_ZERO) return;
    weft_str_addf(out, " %s=", what);
    weft_dim_print(p->graph->dims, d, out);
}

// ---- what all schedules share --------------------------------------------------------------------------------------

static void dump_weights(const struct weft_plan *p, struct weft_str *out) {
    for (uint32_t i = 0; i < p->n_weights; i++) {
        const struct weft_plan_weight *w = &p->weights[i];
        weft_str_add(out, "weight");
        static const char *const forms[WEFT_FORMS] = {"packed", "plain", "plain table"};
        add_name(weft_weight_name(w), out);
        weft_str_addf(out, " %s %" PRIu64 "x%" PRIu64 " %s", weft_dtype_name(w->dtype), w->rows, w->k, forms[w->form]);
        if (w->first) weft_str_addf(out, " from %" PRIu64, w->first);
        for (uint32_t k = 0; k < w->n_parts; k++) {
            const struct weft_weight_part *part = &w->parts[k];
            weft_str_addf(out, " [rows %" PRIu64 "+%" PRIu64 " shard%u+%" PRIu64 ":%" PRIu64 " planes", part->row0,
                          part->rows, part->shard, part->offset, part->bytes);
            for (int plane = 0; plane < WEFT_PLANE_COUNT; plane++) weft_str_addf(out, " %" PRIu64, part->plane[plane]);
            weft_str_add(out, "]");
        }
        weft_str_add(out, "\n");
    }
}

static void dump_states(const struct weft_plan *p, struct weft_str *out) {
    for (uint32_t i = 0; i < p->n_states; i++) {
        const struct weft_plan_state *s = &p->states[i];
        weft_str_add(out, "state");
        add_name(s->name, out);
        weft_str_addf(out, " %s", weft_print_state_kind(s->kind));
        if (s->kind == WEFT_STATE_VAR) {
            weft_str_addf(out, " word %u\n", s->var_slot);
            continue;
        }
        weft_str_addf(out, " %s %" PRIu64 "x%" PRIu64 "=%" PRIu64, weft_state_policy_name(s->policy), s->rows,
                      s->row_bytes, s->bytes);
        if (s->written) weft_str_add(out, s->non_positional ? " non-positional" : " written");
        if (s->position != WEFT_NO_POSITION) weft_str_addf(out, " position %u", s->position);
        if (s->window == UINT64_MAX) weft_str_add(out, " window all");
        else if (s->window) weft_str_addf(out, " window %" PRIu64, s->window);
        if (s->kind == WEFT_STATE_PAGED) weft_str_addf(out, " pages %u of %" PRIu64, s->pages, s->page_bytes);
        weft_str_add(out, "\n");
    }
    for (uint32_t i = 0; i < p->n_positions; i++) {
        weft_str_addf(out, "position %u variable %u", i, p->positions[i].state);
        add_dim(p, "by", p->positions[i].by, out);
        weft_str_add(out, p->positions[i].untracked ? " untracked\n" : "\n");
    }
    for (uint32_t i = 0; i < p->n_page_groups; i++) {
        const struct weft_plan_pages *g = &p->page_groups[i];
        weft_str_addf(out, "pages %u position %u rows 2^%u n %u table %u page %" PRIu64 " banks %u of %u", i,
                      g->position, g->shift, g->n, g->table, g->page_bytes, g->n_banks, g->bank_pages);
        if (g->slots > 1) weft_str_addf(out, " slots %u", g->slots);
        weft_str_add(out, "\n");
    }
    for (uint32_t i = 0; i < p->n_pairs; i++)
        weft_str_addf(out, "pair %s %s separate %u\n", p->pairs[i].past, p->pairs[i].present, p->pairs[i].separate);
}

static void dump_ios(const struct weft_plan *p, struct weft_str *out) {
    for (uint32_t i = 0; i < p->n_ios; i++) {
        weft_str_add(out, p->ios[i].is_output ? "out" : "in");
        add_name(p->ios[i].name, out);
        weft_str_add(out, " ");
        weft_type_print(p->graph->dims, &p->graph->values[p->ios[i].value].type, out);
        weft_str_addf(out, " %" PRIu64 "\n", weft_plan_io_bytes(p, i));
    }
}

// ---- schedules -----------------------------------------------------------------------------------------------------

static void dump_tensors(const struct weft_schedule *sc, struct weft_str *out) {
    for (uint32_t i = 0; i < sc->n_tensors; i++) {
        const struct weft_tensor *t = &sc->tensors[i];
        if (t->mem != WEFT_MEM_TRANSIENT) continue; // the others have their lines above
        weft_str_addf(out, " tensor %u", i);
        add_name(t->name, out);
        weft_str_addf(out, " %s heap%u+%" PRIu64 ":%" PRIu64, weft_dtype_name(t->dtype), t->heap, t->offset, t->bytes);
        if (t->used) weft_str_addf(out, " used %" PRIu64, t->used);
        weft_str_addf(out, " life %u..%u\n", t->first, t->last);
    }
}

/// Fields by name; the words that the binder added, as a list behind them.
static void dump_words(const struct weft_step *s, const uint32_t *words, struct weft_str *out) {
    weft_str_add(out, "    ");
    for (uint32_t i = 0; i < s->n_fields; i++) {
        weft_dtype type = s->fields[i].type;
        weft_str_addf(out, " %s=", s->fields[i].name);
        if (type == WEFT_F32) weft_str_addf(out, "%.9g", (double)weft_print_float(words[i]));
        else if (type == WEFT_I32) weft_str_addf(out, "%" PRId32, (int32_t)words[i]);
        else weft_str_addf(out, "%" PRIu32, words[i]);
    }
    weft_str_add(out, " |");
    for (uint32_t i = s->n_fields; i < s->bound.n_words; i++) weft_str_addf(out, " %" PRIu32, words[i]);
    weft_str_add(out, "\n");
}

static const char *access_name(uint8_t access) { return access == WEFT_READ ? "r" : access == WEFT_WRITE ? "w" : "rw"; }

static void dump_operand(const struct weft_plan *p, const struct weft_schedule *sc, const struct weft_step *s,
                         const struct weft_operand *o, struct weft_str *out) {
    static const char *const flags[] = {"wide", "state", "inplace", "atomic", "disjoint", "bits"};
    const struct weft_slot *slot = &s->bound.slots[o->bound.slot];
    weft_str_addf(out, "     %s %s %s=%s", access_name(o->access), o->name, weft_dtype_name(o->dtype),
                  o->tensor < sc->n_tensors && sc->tensors[o->tensor].name ? sc->tensors[o->tensor].name : "-");
    weft_str_addf(out, "+%" PRIu64 ":%" PRIu64 " slot %u+%" PRIu64 " ", o->byte_offset, o->bytes, o->bound.slot,
                  o->bound.slot_offset);
    weft_print_buffer(p, slot->mem_key, out);
    weft_str_addf(out, "+%" PRIu64 ":%" PRIu64 " %s%s%s", slot->offset, slot->size,
                  slot->kind == WEFT_BIND_READ ? "read" : "read_write", slot->wide ? " vec4" : "",
                  slot->atomic ? " atomic" : "");
    if (slot->bank) weft_str_addf(out, " bank %u", slot->bank);
    if (o->bound.n_segments > 1)
        weft_str_addf(out, " segments %u of %" PRIu64, o->bound.n_segments, o->bound.segment_bytes);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (o->flags & 1u << i) weft_str_addf(out, " %s", flags[i]);
    if (o->inplace_of >= 0) weft_str_addf(out, "(%s)", s->operands[o->inplace_of].name);
    add_dim(p, "from", o->elem_offset, out);
    add_dim(p, "count", o->count, out);
    if (o->every)
        weft_str_addf(out, " every %" PRIu64 " unit %" PRIu64 " first %" PRIu64, o->every, o->unit, o->split.first);
    weft_str_add(out, "\n");
}

static void dump_step(const struct weft_plan *p, const struct weft_schedule *sc, uint32_t number,
                      struct weft_str *out) {
    const struct weft_step *s = &sc->steps[number];
    struct weft_print_live live = weft_print_live(p, sc, s);
    char hash[WEFT_DUMP_HASH + 1] = "?";
    if (!s->bound.wgsl || !weft_test_text_hash(s->bound.wgsl, hash)) out->failed = true;
    weft_str_addf(out, " step %u %s '%s' grid %ux%ux%u of %ux%ux%u memory %u wgsl %s", number, s->kernel->name,
                  s->label, live.grid[0], live.grid[1], live.grid[2], s->workgroup[0], s->workgroup[1], s->workgroup[2],
                  s->workgroup_memory, hash);
    if (s->items) weft_str_addf(out, " items %u", s->items);
    if (s->split.end) weft_str_addf(out, " split %u..%u", s->split.first, s->split.end);
    if (s->writes_state) weft_str_add(out, " writes_state");
    if (s->bound.checked) weft_str_add(out, " checked");
    if (s->copy.kind) weft_str_addf(out, " copies %" PRIu64 " (%s)", s->copy.bytes, s->copy.why ? s->copy.why : "-");
    weft_str_add(out, "\n");
    dump_words(s, live.words, out);
    for (uint32_t i = 0; i < s->n_operands; i++) dump_operand(p, sc, s, &s->operands[i], out);
}

static void dump_schedule(const struct weft_plan *p, const struct weft_schedule *sc, struct weft_str *out) {
    weft_str_addf(out, "schedule %s steps %u heaps", sc->name, sc->n_steps);
    for (uint32_t i = 0; i < WEFT_HEAPS; i++) weft_str_addf(out, " %" PRIu64, sc->heap_bytes[i]);
    weft_str_addf(out, " bound %" PRIu64 " copied %" PRIu64 "\n", sc->lower_bound, sc->copied_bytes);
    dump_tensors(sc, out);
    for (uint32_t i = 0; i < sc->n_steps; i++) dump_step(p, sc, i, out);
}

void weft_test_plan_dump(const struct weft_plan *p, struct weft_str *out) {
    struct weft_memory_use m = weft_plan_memory(p);
    weft_str_addf(
        out, "bytes weights %" PRIu64 " states %" PRIu64 " pages %" PRIu64 " transients %" PRIu64 " io %" PRIu64 "\n",
        m.weights, m.states, m.pages, m.transients, m.io);
    weft_str_addf(out, "pipelines %u variables %u in %" PRIu64 " bytes%s\n", p->n_pipelines, p->n_vars, p->vars_bytes,
                  p->may_stop ? ", may stop" : "");
    dump_weights(p, out);
    dump_states(p, out);
    dump_ios(p, out);
    for (uint32_t i = 0; i < p->n_schedules; i++) dump_schedule(p, &p->schedules[i], out);
    for (const char *line = weft_str_get(&p->report); *line;) {
        size_t n = strcspn(line, "\n");
        weft_str_add(out, "report ");
        weft_str_addn(out, line, n);
        weft_str_add(out, "\n");
        line += n + (line[n] == '\n');
    }
}
