/// A plan as text, tables for people; print_json.c writes everything for programs. Sizes and grids are those at the
/// maximum of a schedule's guard.
#include "compile/bind.h"
#include "compile/print_impl.h"
#include "core/alloc.h"
#include "core/visible.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// ---- what both forms report
// -------------------------------------------------------------------------------------------

/// Text of a guard: the symbols that the schedule narrows, or all of them.
static void add_guard(const struct weft_plan *p, const struct weft_schedule *sc, struct weft_str *out) {
    const struct weft_dims *d = p->graph->dims;
    for (uint32_t i = 0; i < weft_dims_symbol_count(d); i++)
        weft_str_addf(out, "%s%s %" PRId64 "..%" PRId64, i ? ", " : "", weft_dims_symbol_name(d, i), sc->lo[i],
                      sc->hi[i]);
}

const char *weft_print_mem(enum weft_mem mem) {
    static const char *const names[] = {"heap", "shard", "state", "input", "output", "vars", "fault"};
    return (unsigned)mem < sizeof names / sizeof names[0] ? names[mem] : "?";
}

/// Name of a buffer: heap2, shard0, state kv.k, input tokens, vars.
void weft_print_buffer(const struct weft_plan *p, uint32_t mem_key, struct weft_str *out) {
    enum weft_mem mem = (enum weft_mem)(mem_key >> 24);
    uint32_t n = mem_key & 0xffffff;
    weft_str_add(out, weft_print_mem(mem));
    if (mem == WEFT_MEM_TRANSIENT || mem == WEFT_MEM_WEIGHT) weft_str_addf(out, "%u", n);
    else if (mem == WEFT_MEM_STATE) {
        uint32_t number = n & ~WEFT_STATE_PRESENT;
        weft_str_addf(out, " %s", number < p->n_states ? p->states[number].name : "?");
        if (number < p->n_states && weft_state_buffers(&p->states[number]) == 2)
            weft_str_add(out, n & WEFT_STATE_PRESENT ? ".present" : ".past");
    } else if (mem != WEFT_MEM_VARS && mem != WEFT_MEM_FAULT)
        weft_str_addf(out, " %s", n < p->n_ios && p->ios[n].name ? p->ios[n].name : "?");
}

const char *weft_print_state_kind(enum weft_state_kind k) {
    static const char *const names[] = {"dense", "ring", "paged", "var"};
    return (unsigned)k < sizeof names / sizeof names[0] ? names[k] : "?";
}

struct weft_print_live weft_print_live(const struct weft_plan *p, const struct weft_schedule *sc,
                                       const struct weft_step *s) {
    struct weft_print_live l;
    struct weft_update u = {.dims = p->graph->dims, .symbols = sc->hi, .caps = &p->caps, .step = s};
    weft_step_update(&u, l.words, l.grid);
    return l;
}

float weft_print_float(uint32_t bits) {
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

// ---- tables --------------------------------------------------------------------------------------------------------

#define MAX_COLS 8

/// Cells row by row; every column is as wide as its widest cell. Columns whose letter in `align` is 'r' end flush.
struct table {
    struct weft_arena arena;
    const char **cells;
    size_t n, cap;
    uint32_t cols;
    const char *align;
    bool failed;
};

static void cell(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void cell(struct table *t, const char *format, ...) {
    struct weft_str s = {0};
    va_list args;
    va_start(args, format);
    weft_str_addv(&s, format, args);
    va_end(args);
    const char *text = s.failed ? NULL : weft_arena_strdup(&t->arena, weft_str_get(&s));
    weft_str_free(&s);
    if (!text || !weft_grow((void **)&t->cells, &t->cap, t->n + 1, sizeof *t->cells)) t->failed = true;
    else t->cells[t->n++] = text;
}

static void cell_bytes(struct table *t, uint64_t bytes) {
    if (bytes < 10000) cell(t, "%" PRIu64, bytes);
    else if (bytes < 10 << 20) cell(t, "%.1fK", (double)bytes / 1024);
    else if (bytes < (uint64_t)10 << 30) cell(t, "%.1fM", (double)bytes / (1 << 20));
    else cell(t, "%.1fG", (double)bytes / (1 << 30));
}

/// Characters of UTF-8 text: bytes that begin one.
static int width_of(const char *s) {
    int n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void add_spaces(struct weft_str *out, int n) {
    for (; n > 0; n--) weft_str_addn(out, " ", 1);
}

/// Prints `across` rows side by side, rows running down; frees the table. `after`, one text a row or NULL, goes below
/// its row.
static void end_table(struct table *t, uint32_t across, char **after, struct weft_str *out) {
    int widths[MAX_COLS] = {0};
    if (t->failed) out->failed = true;
    for (size_t i = 0; i < t->n; i++) {
        int w = width_of(t->cells[i]);
        if (w > widths[i % t->cols]) widths[i % t->cols] = w;
    }
    size_t rows = t->n / t->cols, lines = (rows + across - 1) / across;
    for (size_t line = 0; line < lines && !t->failed; line++) {
        for (uint32_t k = 0; k < across; k++) {
            size_t row = line + k * lines;
            if (row >= rows) continue;
            weft_str_add(out, k ? "   |  " : "  ");
            for (uint32_t c = 0; c < t->cols; c++) {
                const char *text = t->cells[row * t->cols + c];
                int room = widths[c] - width_of(text);
                bool last = c + 1 == t->cols && (k + 1 == across || row + lines >= rows);
                if (t->align[c] == 'r') add_spaces(out, room);
                weft_str_add(out, text);
                if (t->align[c] != 'r' && !last) add_spaces(out, room);
                if (c + 1 < t->cols) weft_str_add(out, "  ");
            }
        }
        weft_str_add(out, "\n");
        if (after && after[line]) weft_str_addf(out, "%s", after[line]);
    }
    weft_free(t->cells);
    weft_arena_free(&t->arena);
}

static void add_bytes(struct weft_str *out, uint64_t bytes) {
    if (bytes < 10000) weft_str_addf(out, "%" PRIu64 " B", bytes);
    else if (bytes < 10 << 20) weft_str_addf(out, "%.1f KiB", (double)bytes / 1024);
    else weft_str_addf(out, "%.1f MiB", (double)bytes / (1 << 20));
}

// ---- text ----------------------------------------------------------------------------------------------------------

static void text_head(const struct weft_plan *p, struct weft_str *out) {
    struct weft_memory_use m = weft_plan_memory(p);
    uint32_t steps = 0;
    for (uint32_t k = 0; k < p->n_schedules; k++) steps += p->schedules[k].n_steps;
    weft_str_addf(out, "plan for %s (%s): %u schedule%s, %u steps, %u pipelines\n", p->caps.implementation,
                  p->caps.adapter, p->n_schedules, p->n_schedules == 1 ? "" : "s", steps, p->n_pipelines);
    if (p->profile.invariant) weft_str_add(out, "numbers: invariant, exact f32 whose order no row beside changes\n");
    enum { TRANSIENTS = 3 };
    const struct {
        const char *name;
        uint64_t bytes;
    } rows[] = {{"weights", m.weights},       {"states", m.states},         {"pages", m.pages},
                {"transients", m.transients}, {"inputs and outputs", m.io}, {"parameters", m.params}};
    uint64_t peak = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) peak += rows[i].bytes;
    weft_str_add(out, "peak memory ");
    add_bytes(out, peak);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        weft_str_addf(out, "%s %s ", i ? "," : ":", rows[i].name);
        add_bytes(out, rows[i].bytes);
        if (i != TRANSIENTS) continue;
        weft_str_add(out, " (at least ");
        add_bytes(out, weft_plan_lower_bound(p));
        weft_str_add(out, " by lifetimes)");
    }
    weft_str_add(out, "\n");
    if (p->shared_shards)
        weft_str_addf(out, "weights of %u shards are shared with another program\n", p->shared_shards);
}

static void text_weights(const struct weft_plan *p, struct weft_str *out) {
    if (p->n_weights == 0) return;
    weft_str_addf(out, "\nweights: %u in %u shard%s (name, type, shape, bytes, shard+offset)\n", p->n_weights,
                  p->n_shards, p->n_shards == 1 ? "" : "s");
    struct table t = {.cols = 5, .align = "llrrl"};
    for (uint32_t i = 0; i < p->n_weights; i++) {
        const struct weft_plan_weight *w = &p->weights[i];
        for (uint32_t k = 0; k < w->n_parts; k++) {
            if (w->n_parts > 1)
                cell(&t, "%s rows %" PRIu64 "..%" PRIu64, weft_weight_name(w), w->parts[k].row0,
                     w->parts[k].row0 + w->parts[k].rows - 1);
            else cell(&t, "%s", weft_weight_name(w));
            cell(&t, "%s", w->value == WEFT_NO_VALUE ? "table" : weft_dtype_name(w->dtype));
            if (w->layout) cell(&t, "%" PRIu64 "x%" PRIu64, w->rows, w->k);
            else cell(&t, "%" PRIu64, w->rows * w->k);
            cell_bytes(&t, w->parts[k].bytes);
            cell(&t, "%u+%" PRIu64, w->parts[k].shard, w->parts[k].offset);
        }
    }
    end_table(&t, 2, NULL, out);
}

static void text_states(const struct weft_plan *p, struct weft_str *out) {
    if (p->n_states == 0) return;
    weft_str_addf(out, "\nstates: %u (name, kind, policy, rows x bytes, or the word of a variable)\n", p->n_states);
    struct table t = {.cols = 4, .align = "llll"};
    for (uint32_t i = 0; i < p->n_states; i++) {
        const struct weft_plan_state *s = &p->states[i];
        cell(&t, "%s", s->name);
        cell(&t, "%s", weft_print_state_kind(s->kind));
        cell(&t, "%s", s->kind == WEFT_STATE_VAR ? "" : weft_state_policy_name(s->policy));
        if (s->kind == WEFT_STATE_VAR) cell(&t, "word %u", s->var_slot);
        else
            cell(&t, "%" PRIu64 " x %" PRIu64 " = %" PRIu64 "%s", s->rows, s->row_bytes, s->bytes,
                 weft_state_buffers(s) == 2 ? ", twice" : "");
    }
    end_table(&t, 2, NULL, out);
}

static void text_ios(const struct weft_plan *p, struct weft_str *out) {
    if (p->n_ios == 0) return;
    weft_str_add(out, "\ninputs and outputs (direction, name, type, bytes)\n");
    struct table t = {.cols = 3, .align = "llr"};
    for (uint32_t i = 0; i < p->n_ios; i++) {
        struct weft_str type = {0};
        weft_type_print(p->graph->dims, &p->graph->values[p->ios[i].value].type, &type);
        cell(&t, "%s %s", p->ios[i].is_output ? "out" : "in", p->ios[i].name ? p->ios[i].name : "?");
        cell(&t, "%s", weft_str_get(&type));
        cell(&t, "%" PRIu64, weft_plan_io_bytes(p, i));
        weft_str_free(&type);
    }
    end_table(&t, 2, NULL, out);
}

/// "1 r shard0+4096:20480 vec4 w0_q, w0_s = blk.0.q": number, access, buffer, offset, size, operands and tensor.
static void text_slot(const struct weft_plan *p, const struct weft_schedule *sc, const struct weft_step *s, uint32_t n,
                      struct weft_str *out) {
    const struct weft_slot *slot = &s->bound.slots[n];
    weft_str_addf(out, "[%u %s ", n, slot->kind == WEFT_BIND_READ ? "r" : "rw");
    weft_print_buffer(p, slot->mem_key, out);
    weft_str_addf(out, "+%" PRIu64 ":%" PRIu64 "%s%s", slot->offset, slot->size, slot->wide ? " vec4" : "",
                  slot->atomic ? " atomic" : "");
    uint32_t before = WEFT_NO_TENSOR;
    for (uint32_t i = 0; i < s->n_operands; i++) {
        const struct weft_operand *o = &s->operands[i];
        if (!weft_operand_in_slot(o, n)) continue;
        if (before != WEFT_NO_TENSOR && before != o->tensor) weft_str_addf(out, "=%s", sc->tensors[before].name);
        weft_str_addf(out, "%s%s%s", before == o->tensor ? "," : " ", o->access & WEFT_WRITE ? "!" : "", o->name);
        if (slot->segment) weft_str_addf(out, "[%u/%u]", n - o->bound.slot + 1, o->bound.n_segments);
        before = o->tensor;
    }
    if (before != WEFT_NO_TENSOR) weft_str_addf(out, "=%s", sc->tensors[before].name);
    weft_str_add(out, "]");
}

/// The lines below a step: its parameters and its bindings.
static char *text_details(const struct weft_plan *p, const struct weft_schedule *sc, const struct weft_step *s,
                          const struct weft_print_live *live) {
    struct weft_str t = {0};
    weft_str_add(&t, "       ");
    for (uint32_t i = 0; i < s->n_fields; i++) {
        if (s->fields[i].type == WEFT_F32)
            weft_str_addf(&t, " %s=%g", s->fields[i].name, (double)weft_print_float(live->words[i]));
        else if (s->fields[i].type == WEFT_I32)
            weft_str_addf(&t, " %s=%" PRId32, s->fields[i].name, (int32_t)live->words[i]);
        else weft_str_addf(&t, " %s=%" PRIu32, s->fields[i].name, live->words[i]);
    }
    size_t column = t.len;
    for (uint32_t n = 1; n < s->bound.n_slots; n++) {
        struct weft_str slot = {0};
        text_slot(p, sc, s, n, &slot);
        if (column + slot.len > 140) {
            weft_str_add(&t, "\n       ");
            column = 7;
        }
        weft_str_addf(&t, " %s", weft_str_get(&slot));
        column += slot.len + 1;
        weft_str_free(&slot);
    }
    weft_str_add(&t, "\n");
    return weft_str_take(&t);
}

/// Where the operands of a step lie, in one line; of a weight only its first plane.
static void text_places(const struct weft_plan *p, const struct weft_schedule *sc, const struct weft_step *s,
                        struct weft_str *out) {
    for (uint32_t i = 0; i < s->n_operands; i++) {
        const struct weft_operand *o = &s->operands[i];
        const struct weft_tensor *t = &sc->tensors[o->tensor];
        bool plane = i && t->mem == WEFT_MEM_WEIGHT && s->operands[i - 1].tensor == o->tensor;
        if ((o->flags & WEFT_OPERAND_VARS) || plane) continue;
        weft_str_addf(out, "%s%s%s=", out->len ? " " : "", o->access & WEFT_WRITE ? "!" : "", o->name);
        weft_print_buffer(p, weft_mem_key(t), out);
        if (t->mem == WEFT_MEM_TRANSIENT || t->mem == WEFT_MEM_WEIGHT)
            weft_str_addf(out, "+%" PRIu64, t->offset + o->byte_offset);
    }
}

/// True if an earlier step of the schedule has this pipeline, grid and parameters: what stands below that one is not
/// said again.
static bool seen_before(const struct weft_plan *p, const struct weft_schedule *sc, uint32_t n,
                        const struct weft_print_live *live) {
    for (uint32_t i = 0; i < n; i++) {
        const struct weft_step *s = &sc->steps[i];
        if (s->bound.pipeline != sc->steps[n].bound.pipeline || s->n_fields != sc->steps[n].n_fields) continue;
        struct weft_print_live other = weft_print_live(p, sc, s);
        if (memcmp(other.grid, live->grid, sizeof other.grid) == 0 &&
            memcmp(other.words, live->words, s->n_fields * 4) == 0)
            return true;
    }
    return false;
}

static void text_steps(const struct weft_plan *p, const struct weft_schedule *sc, struct weft_str *out) {
    static const char *const copies[] = {
        [WEFT_COPY_NONE] = "", [WEFT_COPY_ALIAS] = " (copy: aliasing)", [WEFT_COPY_COMMIT] = " (copy: state)"};
    struct table t = {.cols = 6, .align = "rllrrl"};
    char **details = weft_calloc(sc->n_steps + 1, sizeof *details);
    for (uint32_t i = 0; i < sc->n_steps && details; i++) {
        const struct weft_step *s = &sc->steps[i];
        struct weft_print_live live = weft_print_live(p, sc, s);
        bool seen = seen_before(p, sc, i, &live);
        cell(&t, "%u", i);
        cell(&t, "%s%s", s->label, copies[s->copy.kind]);
        cell(&t, "%s.%u", s->kernel->name, s->bound.pipeline);
        if (s->workgroup[1] * s->workgroup[2] == 1) cell(&t, "%u", s->workgroup[0]);
        else cell(&t, "%ux%ux%u", s->workgroup[0], s->workgroup[1], s->workgroup[2]);
        cell(&t, "%ux%ux%u", live.grid[0], live.grid[1], live.grid[2]);
        struct weft_str places = {0};
        if (seen) text_places(p, sc, s, &places);
        else
            weft_str_addf(&places, "%u bytes of workgroup memory%s", s->workgroup_memory,
                          s->writes_state ? ", writes state" : "");
        cell(&t, "%s", weft_str_get(&places));
        if (places.failed) t.failed = true;
        weft_str_free(&places);
        if (seen) continue;
        details[i] = text_details(p, sc, s, &live);
        if (!details[i]) out->failed = true;
    }
    if (!details) t.failed = true;
    end_table(&t, 1, details, out);
    for (uint32_t i = 0; i < sc->n_steps && details; i++) weft_free(details[i]);
    weft_free(details);
}

static void text_tensors(const struct weft_schedule *sc, struct weft_str *out) {
    struct table t = {.cols = 4, .align = "lrll"};
    for (uint32_t i = 0; i < sc->n_tensors; i++) {
        const struct weft_tensor *x = &sc->tensors[i];
        if (x->mem != WEFT_MEM_TRANSIENT || x->first == UINT32_MAX) continue;
        cell(&t, "%s", x->name);
        cell(&t, "%" PRIu64, x->bytes);
        cell(&t, "heap%u+%" PRIu64, x->heap, x->offset);
        cell(&t, "%u..%u", x->first, x->last);
    }
    if (t.n) weft_str_add(out, " transients (name, bytes, place, first and last step)\n");
    end_table(&t, 2, NULL, out);
}

static void text_schedule(const struct weft_plan *p, const struct weft_schedule *sc, struct weft_str *out) {
    uint64_t total = 0;
    for (uint32_t h = 0; h < WEFT_HEAPS; h++) total += sc->heap_bytes[h];
    weft_str_addf(out, "\nschedule %s (", sc->name);
    add_guard(p, sc, out);
    weft_str_addf(out, "): %u steps, transients %" PRIu64 " B in heaps of", sc->n_steps, total);
    for (uint32_t h = 0; h < WEFT_HEAPS; h++) weft_str_addf(out, " %" PRIu64, sc->heap_bytes[h]);
    weft_str_addf(out, " (at least %" PRIu64 " B), %" PRIu64 " B copied\n", sc->lower_bound, sc->copied_bytes);
    weft_str_add(out, " steps (label, kernel.pipeline, workgroup, grid; where they are new: parameters and bindings; ! "
                      "is written)\n");
    text_steps(p, sc, out);
    text_tensors(sc, out);
}

static void print_text(const struct weft_plan *p, struct weft_str *out) {
    text_head(p, out);
    weft_str_addf(out, "\nreport\n%s", weft_str_get(&p->report));
    text_ios(p, out);
    text_states(p, out);
    for (uint32_t k = 0; k < p->n_schedules; k++) text_schedule(p, &p->schedules[k], out);
    text_weights(p, out); // the longest list
}

void weft_plan_print(const struct weft_plan *plan, bool json, struct weft_str *out) {
    struct weft_str raw = {0};
    if (json) {
        weft_print_json(plan, out);
        return;
    }
    print_text(plan, &raw);
    weft_str_add_visible(out, WEFT_VISIBLE_TEXT, weft_str_get(&raw), raw.len); // names come from files and graphs
    out->failed |= raw.failed;
    weft_str_free(&raw);
}
