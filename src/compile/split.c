/// Splits steps whose operands are larger than a binding. Pieces are steps of the same kernel, each over a run of
/// workgroups, with the operands narrowed to what these reach. Elements keep their numbers (the accessor's offset makes
/// up for the bytes that are left out), so parts share a pipeline and compute what the whole would.
///
/// A step is split where that makes every operand fit a binding, or where the segments of its operands (bind.c) need
/// more bindings than there are. What any workgroup may reach (a table, a cache of keys) is not narrowed and has
/// segments.
#include "compile/bind.h"
#include "compile/passes.h"
#include "core/alloc.h"
#include "core/error.h"
#include "plan/update.h"

#define MOST_PIECES 4096

/// Workgroups that no size of the schedule needs more of. The upper ends of all symbols need not be the largest size
/// (an axis of N - T elements), so the operands' bounds count as well: no item reaches beyond them.
static uint64_t most_groups(const struct weft_plan *plan, const struct weft_schedule *sc, const struct weft_step *s) {
    uint32_t words[WEFT_MAX_WORDS], grid[3];
    struct weft_update u = {.dims = plan->graph->dims, .symbols = sc->hi, .caps = &plan->caps, .step = s};
    weft_step_update(&u, words, grid);
    uint64_t groups = (uint64_t)grid[0] * grid[1] * grid[2], least = UINT64_MAX;
    for (uint32_t i = 0; i < s->n_operands && s->items; i++) {
        const struct weft_operand *o = &s->operands[i];
        if (o->every == 0 || o->unit == 0) continue;
        int64_t lo, hi = (int64_t)(o->bytes / weft_accessor_width(o->dtype));
        if (o->count != WEFT_DIM_NONE) weft_dim_bounds_within(plan->graph->dims, o->count, sc->lo, sc->hi, &lo, &hi);
        uint64_t items = weft_bytes_times(((hi > 0 ? (uint64_t)hi : 0) + o->unit - 1) / o->unit, o->every);
        if ((items + s->items - 1) / s->items < least) least = (items + s->items - 1) / s->items;
    }
    return least != UINT64_MAX && least > groups ? least : groups;
}

/// Elements in front of an operand that a live view adds; false if they vary.
static bool view_start(const struct weft_plan *plan, const struct weft_operand *o, uint64_t *elements) {
    int64_t start = 0;
    if (!weft_dim_is_const(plan->graph->dims, o->elem_offset, &start)) return false;
    *elements = start > 0 ? (uint64_t)start : 0;
    return start >= 0;
}

static bool same_reach(const struct weft_operand *a, const struct weft_operand *b) {
    return a->every == b->every && a->unit == b->unit;
}

/// An operand that no one binding holds and of which a part of the step needs some. Halves of a pair are narrowed alike
/// or not at all.
static bool narrows(const struct weft_plan *plan, const struct weft_step *s, uint32_t i) {
    const struct weft_operand *o = &s->operands[i];
    uint64_t start;
    if (s->items == 0 || o->every == 0 || o->bytes + 256 <= plan->caps.max_binding) return false;
    if (!view_start(plan, o, &start)) return false;
    for (uint32_t k = 0; k < s->n_operands; k++)
        if ((s->operands[k].inplace_of == (int8_t)i || o->inplace_of == (int8_t)k) &&
            (!same_reach(o, &s->operands[k]) || !view_start(plan, &s->operands[k], &start)))
            return false;
    return true;
}

/// Bytes of operand i that `groups` workgroups reach at most.
static uint64_t part_bytes(const struct weft_step *s, const struct weft_operand *o, uint64_t groups) {
    return (groups * s->items / o->every + 2) * o->unit * weft_accessor_width(o->dtype) + 512;
}

static void narrow(const struct weft_plan *plan, const struct weft_step *s, struct weft_operand *o) {
    uint64_t width = weft_accessor_width(o->dtype), start = 0;
    view_start(plan, o, &start);
    uint64_t lo = (uint64_t)s->split.first * s->items / o->every * o->unit + start;
    uint64_t hi = ((uint64_t)s->split.end * s->items + o->every - 1) / o->every * o->unit + start;
    uint64_t from = lo * width & ~(uint64_t)15, to = (hi * width + 15) & ~(uint64_t)15;
    if (from > o->bytes - 16) from = o->bytes - 16; // a piece of rounding: nothing of it is there
    if (to > o->bytes) to = o->bytes;
    if (to < from + 16) to = from + 16;
    o->split.first = from / width;
    o->byte_offset += from;
    o->bytes = to - from;
}

static weft_status add_fields(struct weft_plan *plan, struct weft_step *s) {
    struct weft_field *fields = weft_arena_alloc(&plan->arena, (s->n_fields + WEFT_SPLIT_FIELDS + 1) * sizeof *fields);
    if (!fields) return weft_fail(WEFT_ERR_NOMEM, "out of memory while splitting step '%s'", s->label);
    for (uint32_t i = 0; i < s->n_fields; i++) fields[i] = s->fields[i];
    fields[s->n_fields++] = (struct weft_field){"cut_first", WEFT_U32};
    fields[s->n_fields++] = (struct weft_field){"cut_count", WEFT_U32};
    fields[s->n_fields++] = (struct weft_field){"cut_total", WEFT_U32};
    fields[s->n_fields] = (struct weft_field){NULL, WEFT_U32};
    s->fields = fields;
    return WEFT_OK;
}

/// Whether the binder has bindings for a step: OK or LIMIT. The step itself stays as it is.
static weft_status fits(const struct weft_plan *plan, const struct weft_schedule *sc, const struct weft_step *s) {
    struct weft_step trial = *s;
    return weft_bind_step(plan, sc, &trial);
}

/// Parts of `each` workgroups, all of which have to fit (LIMIT). *parts is the caller's to free.
static weft_status split_whole(struct weft_plan *plan, const struct weft_schedule *sc, const struct weft_step *whole,
                               uint64_t groups, uint64_t each, struct weft_step **parts, uint32_t *n_parts) {
    uint32_t n = (uint32_t)((groups + each - 1) / each);
    struct weft_step model = *whole;
    weft_status status = add_fields(plan, &model);
    *parts = weft_alloc(n * sizeof **parts);
    if (!*parts) status = weft_fail(WEFT_ERR_NOMEM, "out of memory while splitting step '%s'", whole->label);
    for (uint32_t i = 0; i < n && status == WEFT_OK; i++) {
        struct weft_step *s = &(*parts)[i];
        *s = model;
        s->split.first = (uint32_t)(i * each);
        s->split.end = (uint32_t)(groups - s->split.first < each ? groups : s->split.first + each);
        s->label = weft_arena_printf(&plan->arena, "%s, split %u of %u", whole->label, i + 1, n);
        if (!s->label) status = weft_fail(WEFT_ERR_NOMEM, "out of memory while splitting step '%s'", whole->label);
        for (uint32_t k = 0; k < s->n_operands && status == WEFT_OK; k++)
            if (narrows(plan, whole, k)) narrow(plan, s, &s->operands[k]);
        for (uint32_t k = 0; k < s->n_operands && s->copy.kind; k++)
            if (s->operands[k].access & WEFT_WRITE) s->copy.bytes = s->operands[k].bytes;
        if (status == WEFT_OK) status = fits(plan, sc, s);
    }
    if (status == WEFT_OK) {
        *n_parts = n; // an attempt that failed leaves the step one
        return WEFT_OK;
    }
    weft_free(*parts);
    *parts = NULL;
    return status;
}

/// Parts in place of a step, or *parts NULL: it stays whole, whether the binder can do with it or not.
static weft_status split_step(struct weft_plan *plan, const struct weft_schedule *sc, const struct weft_step *step,
                              struct weft_step **parts, uint32_t *n_parts) {
    *parts = NULL;
    *n_parts = 1;
    bool any = false, all = true; // operands above a binding that can be narrowed: some, all
    for (uint32_t i = 0; i < step->n_operands; i++) {
        bool large = step->operands[i].bytes + 256 > plan->caps.max_binding, can = narrows(plan, step, i);
        any |= large && can;
        all &= !large || can;
    }
    if (!any) return WEFT_OK;
    weft_status status = all ? WEFT_ERR_LIMIT : fits(plan, sc, step);
    if (status != WEFT_ERR_LIMIT) return status;
    uint64_t groups = most_groups(plan, sc, step), each = groups;
    for (uint32_t i = 0; i < step->n_operands; i++)
        while (each > 1 && narrows(plan, step, i) &&
               part_bytes(step, &step->operands[i], each) > (plan->caps.max_binding & ~(uint64_t)255))
            each = (each + 1) / 2;
    if (groups > UINT32_MAX || groups < 2 || each == groups) return WEFT_OK;
    for (; (groups + each - 1) / each <= MOST_PIECES; each = (each + 1) / 2) {
        status = split_whole(plan, sc, step, groups, each, parts, n_parts);
        if (status != WEFT_ERR_LIMIT || each == 1) break;
    }
    return status == WEFT_ERR_LIMIT ? WEFT_OK : status;
}

/// Puts steps[place[i]] .. in the stead of step i, and counts lifetimes by the new numbers.
static weft_status install(struct weft_plan *plan, struct weft_schedule *sc, const struct weft_step *steps,
                           uint32_t n_steps, const uint32_t *place) {
    for (uint32_t i = 0; i < sc->n_tensors; i++) {
        struct weft_tensor *t = &sc->tensors[i];
        if (t->first >= sc->n_steps || t->last >= sc->n_steps) continue; // no step uses it
        t->first = place[t->first];
        t->last = place[t->last + 1] - 1;
    }
    sc->steps = weft_arena_dup(&plan->arena, steps, n_steps * sizeof *steps);
    sc->n_steps = n_steps;
    return sc->steps ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory while splitting steps");
}

/// The schedule's steps with parts in place of some of them, as far as it has come.
struct cutter {
    struct weft_step *steps;
    size_t cap;
    uint32_t n, *place;
};

static bool append(struct cutter *c, const struct weft_step *steps, uint32_t n) {
    if (!weft_grow((void **)&c->steps, &c->cap, c->n + n, sizeof *c->steps)) return false;
    for (uint32_t k = 0; k < n; k++) c->steps[c->n++] = steps[k];
    return true;
}

static weft_status split_one(struct weft_plan *plan, struct weft_schedule *sc, uint32_t i, struct cutter *c) {
    struct weft_step *parts = NULL;
    uint32_t n = 1;
    weft_status status = split_step(plan, sc, &sc->steps[i], &parts, &n);
    if (status != WEFT_OK || (!parts && c->steps == NULL)) return status;
    if (parts && c->steps == NULL && !append(c, sc->steps, i)) status = WEFT_ERR_NOMEM;
    c->place[i] = c->n;
    if (status == WEFT_OK && !append(c, parts ? parts : &sc->steps[i], n)) status = WEFT_ERR_NOMEM;
    if (parts && status == WEFT_OK)
        weft_str_addf(&plan->report,
                      "schedule %s: step %u '%s' is split into %u dispatches, because of tensors above "
                      "the binding limit\n",
                      sc->name, c->place[i], sc->steps[i].label, n);
    weft_free(parts);
    return status == WEFT_ERR_NOMEM ? weft_fail(status, "out of memory while splitting steps") : status;
}

weft_status weft_pass_split(struct weft_compiling *compiling) {
    struct weft_plan *plan = compiling->plan;
    struct weft_schedule *sc = compiling->schedule;
    struct cutter c = {.place = weft_alloc((sc->n_steps + 1) * sizeof *c.place)};
    weft_status status = c.place ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory while splitting steps");
    for (uint32_t i = 0; i < sc->n_steps && status == WEFT_OK; i++) {
        c.place[i] = i;
        status = split_one(plan, sc, i, &c);
    }
    if (status == WEFT_OK && c.steps) {
        c.place[sc->n_steps] = c.n;
        status = install(plan, sc, c.steps, c.n, c.place);
    }
    weft_free(c.steps);
    weft_free(c.place);
    return status;
}
