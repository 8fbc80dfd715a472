#include "exec/session/positions.h"
#include "core/alloc.h"
#include "core/error.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

weft_status weft_positions_init(struct weft_positions *p) {
    p->tracks = weft_calloc(p->base->plan->n_positions + 1, sizeof *p->tracks);
    p->known = weft_calloc(p->base->plan->n_vars, sizeof *p->known);
    p->settled = weft_calloc(p->base->plan->n_vars, sizeof *p->settled);
    return p->tracks && p->known && p->settled ? WEFT_OK : weft_session_no_memory();
}

void weft_positions_free(struct weft_positions *p) {
    weft_free(p->tracks);
    weft_free(p->known);
    weft_free(p->settled);
}

static const struct weft_value_info *variable(const struct weft_plan *plan, uint32_t state) {
    return &plan->graph->values[plan->states[state].value];
}

static int64_t within(int64_t x, int64_t lo, int64_t hi) { return x < lo ? lo : x > hi ? hi : x; }

/// A step of a variable, which has 32 bits.
static int64_t word(int64_t x) { return within(x, -(int64_t)UINT32_MAX, UINT32_MAX); }

static void raise_top(struct weft_track *t) {
    if (t->at > t->top) t->top = t->at;
}

static bool untracked(const struct weft_plan *plan) {
    for (uint32_t i = 0; i < plan->n_positions; i++)
        if (plan->positions[i].untracked) return true;
    return false;
}

// ---- of a plan -----------------------------------------------------------------------------------------------------

uint32_t weft_var_start(const struct weft_plan *plan, uint32_t state) {
    const struct weft_value_info *info = variable(plan, state);
    int64_t start = within(0, info->var_lo, info->var_hi);
    float f = (float)start;
    uint32_t bits = (uint32_t)start;
    if (info->type.dtype == WEFT_F32) memcpy(&bits, &f, sizeof bits);
    return bits;
}

weft_status weft_var_check(const struct weft_plan *plan, uint32_t state, uint32_t bits) {
    const struct weft_value_info *info = variable(plan, state);
    float f;
    memcpy(&f, &bits, sizeof f);
    double x = info->type.dtype == WEFT_F32 ? (double)f : info->type.dtype == WEFT_I32 ? (double)(int32_t)bits : bits;
    if (x >= (double)info->var_lo && x <= (double)info->var_hi) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID,
                     "variable '%s' goes from %" PRId64 " to %" PRId64 " and can't be set to %.9g; declare it with "
                     "other bounds",
                     plan->states[state].name, info->var_lo, info->var_hi, x);
}

// ---- what the host sets --------------------------------------------------------------------------------------------

static void start_track(struct weft_positions *p, uint32_t position) {
    uint64_t at = weft_var_start(p->base->plan, p->base->plan->positions[position].state);
    p->tracks[position] = (struct weft_track){at, at};
}

weft_status weft_positions_start(struct weft_positions *p, uint32_t state, uint32_t slot) {
    const struct weft_plan_state *var = &p->base->plan->states[state];
    uint32_t first = slot == WEFT_ALL_SLOTS ? 0 : slot, end = slot == WEFT_ALL_SLOTS ? var->slots : slot + 1;
    uint32_t position = weft_position_of(p->base->plan, state), word = var->var_slot;
    for (uint32_t k = first; k < end; k++) {
        p->known[word + k] = weft_var_start(p->base->plan, state);
        if (position != WEFT_NO_POSITION) start_track(p, position + k);
    }
    return weft_states_write_words(p->states, word + first, &p->known[word + first], end - first);
}

weft_status weft_positions_start_all(struct weft_positions *p) {
    const struct weft_plan *plan = p->base->plan;
    for (uint32_t i = 0; i < plan->n_positions; i++) {
        const struct weft_plan_position *x = &plan->positions[i];
        if (x->word == plan->states[x->state].var_slot) // with all slots
            WEFT_TRY(weft_positions_start(p, x->state, WEFT_ALL_SLOTS));
    }
    p->inexact = false;
    return WEFT_OK;
}

weft_status weft_positions_reset(struct weft_positions *p) {
    const struct weft_plan *plan = p->base->plan;
    memset(p->known, 0, plan->n_vars * sizeof *p->known);
    for (uint32_t i = 0; i < plan->n_positions; i++) start_track(p, i);
    for (uint32_t i = 0; i < plan->n_states; i++)
        for (uint32_t k = 0; plan->states[i].kind == WEFT_STATE_VAR && k < plan->states[i].slots; k++)
            p->known[plan->states[i].var_slot + k] = weft_var_start(plan, i);
    p->known[WEFT_VAR_ACTIVE] = 1;
    p->inexact = p->idle = false;
    return weft_states_write_words(p->states, 0, p->known, plan->n_vars);
}

weft_status weft_positions_write(struct weft_positions *p, uint32_t word, uint32_t bits) {
    const struct weft_plan *plan = p->base->plan;
    WEFT_TRY(weft_states_write_words(p->states, word, &bits, 1));
    if (word == WEFT_VAR_ACTIVE) p->idle = bits == 0;
    p->known[word] = bits;
    for (uint32_t i = 0; i < plan->n_positions; i++) {
        if (plan->positions[i].word != word) continue;
        raise_top(&p->tracks[i]); // where it was, as far as is known
        p->tracks[i].at = bits;
        raise_top(&p->tracks[i]);
    }
    return WEFT_OK;
}

void weft_positions_copy(const struct weft_positions *from, struct weft_positions *to) {
    memcpy(to->tracks, from->tracks, from->base->plan->n_positions * sizeof *to->tracks);
    memcpy(to->known, from->known, from->base->plan->n_vars * sizeof *to->known);
    to->inexact = from->inexact;
    to->idle = from->idle;
}

void weft_positions_put(struct weft_positions *p, const struct weft_track *tracks, const uint32_t *words, bool idle) {
    memcpy(p->tracks, tracks, p->base->plan->n_positions * sizeof *p->tracks);
    if (words) memcpy(p->known, words, p->base->plan->n_vars * sizeof *p->known);
    p->inexact = false;
    if (words) p->idle = idle;
}

void weft_positions_put_slot(struct weft_positions *p, uint32_t state, uint32_t slot, uint32_t word,
                             const struct weft_track *track) {
    p->known[p->base->plan->states[state].var_slot + slot] = word;
    if (track) p->tracks[weft_position_of(p->base->plan, state) + slot] = *track;
}

// ---- what runs do --------------------------------------------------------------------------------------------------

bool weft_positions_idle(const struct weft_positions *p, uint32_t position) {
    if (position == WEFT_NO_POSITION) return false;
    uint32_t gate = p->base->plan->positions[position].gate_word;
    return gate != WEFT_NO_WORD && p->known[gate] == 0;
}

/// How far a run moves a position on, at these sizes and with what the host has written.
static int64_t moves_by(const struct weft_positions *p, weft_dim by, uint32_t by_word, const int64_t *symbols) {
    int64_t n = weft_dim_eval(p->base->plan->graph->dims, by, symbols);
    return by_word == WEFT_NO_WORD ? n : n + p->known[by_word];
}

int64_t weft_positions_step(const struct weft_positions *p, uint32_t position, const int64_t *symbols) {
    const struct weft_plan_position *x = &p->base->plan->positions[position];
    if (weft_positions_idle(p, position)) return 0;
    return moves_by(p, x->by, x->by_word, symbols);
}

void weft_positions_ran(struct weft_positions *p, uint32_t runs, const int64_t *symbols) {
    const struct weft_plan *plan = p->base->plan;
    if (p->idle) return;
    if ((plan->may_stop || untracked(plan)) && weft_base_computes(p->base)) p->inexact = true;
    for (uint32_t i = 0; i < plan->n_positions; i++) {
        const struct weft_value_info *info = variable(plan, plan->positions[i].state);
        int64_t by = weft_positions_step(p, i, symbols);
        int64_t at = (int64_t)p->tracks[i].at + word(by) * runs; // below 2^63: runs are few
        p->tracks[i].at = (uint64_t)within(at, info->var_lo, info->var_hi);
        if (!p->inexact) raise_top(&p->tracks[i]);
    }
}

weft_status weft_positions_settle(struct weft_positions *p) {
    const struct weft_plan *plan = p->base->plan;
    if (!p->inexact || !weft_base_computes(p->base)) return WEFT_OK;
    // Into a place of its own: a read that fails leaves what is known alone.
    uint32_t *words = p->settled;
    WEFT_TRY(weft_base_read(p->base, p->states->vars, 0, words, plan->n_vars * sizeof *words));
    for (uint32_t i = 0; i < plan->n_positions; i++) {
        p->tracks[i].at = words[plan->positions[i].word];
        raise_top(&p->tracks[i]);
    }
    memcpy(p->known, words, plan->n_vars * sizeof *words);
    p->idle = words[WEFT_VAR_ACTIVE] == 0;
    p->inexact = false;
    return WEFT_OK;
}

// ---- limits --------------------------------------------------------------------------------------------------------

/// Where `runs` runs would take a limit's variable, from where it stands.
struct way {
    uint64_t from;
    int64_t to;
    bool below;
};

static bool keeps_to(const struct weft_positions *p, const struct weft_plan_limit *x, uint32_t runs,
                     const int64_t *symbols, struct way *way) {
    const struct weft_plan *plan = p->base->plan;
    const struct weft_dims *dims = plan->graph->dims;
    if (x->kind == WEFT_LIMIT_SUM) {
        *way = (struct way){.below = false};
        for (uint32_t k = 0; k < plan->states[x->variable].slots; k++) way->to += p->known[x->word + k];
        return way->to <= weft_dim_eval(dims, x->most, symbols);
    }
    if (x->by_word != WEFT_NO_WORD && p->known[x->by_word] == 0) return true; // a slot that has no tokens
    if (weft_positions_idle(p, x->position)) return true;
    int64_t span = word(moves_by(p, x->span, x->by_word, symbols));
    int64_t more = word(moves_by(p, x->by, x->by_word, symbols)) * (runs - 1);
    way->from = p->known[x->word];
    if (x->position != WEFT_NO_POSITION) way->from = p->tracks[x->position].at;
    way->below = x->kind == WEFT_LIMIT_BOUND && (int64_t)way->from + span + (more < 0 ? more : 0) < x->least;
    way->to = (int64_t)way->from + span + ((more < 0) == way->below ? more : 0);
    if (x->kind != WEFT_LIMIT_BOUND && span <= 0) return true;
    return !way->below && way->to <= weft_dim_eval(dims, x->most, symbols);
}

static const struct weft_plan_limit *broken(const struct weft_positions *p, uint32_t runs, const int64_t *symbols,
                                            struct way *way) {
    const struct weft_plan *plan = p->base->plan;
    for (uint32_t i = 0; i < plan->n_limits; i++)
        if (!keeps_to(p, &plan->limits[i], runs, symbols, way)) return &plan->limits[i];
    return NULL;
}

static weft_status refuse(const struct weft_positions *p, const struct weft_plan_limit *x, uint32_t runs,
                          const int64_t *symbols, const struct way *way) {
    static const struct {
        const char *would, *whose, *unit;
    } words[] = {
        [WEFT_LIMIT_WRITE] = {"write rows up to %" PRId64 " of '%s'", "capacity", " rows"},
        [WEFT_LIMIT_READ] = {"read rows up to %" PRId64 " of '%s'", "capacity", " rows"},
        [WEFT_LIMIT_REACH] = {"take positions up to %" PRId64 " in '%s'", "reach", ""},
        [WEFT_LIMIT_BOUND] = {"reach %" PRId64 " with '%s'", "bound", ""},
        [WEFT_LIMIT_SUM] = {"bring %" PRId64 " tokens to '%s'", "number of tokens", ""},
    };
    const struct weft_plan *plan = p->base->plan;
    int64_t most = way->below ? x->least : weft_dim_eval(plan->graph->dims, x->most, symbols);
    char would[160];
    snprintf(would, sizeof would, words[x->kind].would, way->to, x->name);
    return weft_fail(WEFT_ERR_LIMIT,
                     "%u run%s from %" PRIu64 " of variable '%s' would %s, whose %s is %" PRId64
                     "%s: rewind, make fewer or shorter runs, or compile with a larger %s",
                     runs, runs == 1 ? "" : "s", way->from, plan->states[x->variable].name, would, words[x->kind].whose,
                     most, words[x->kind].unit, words[x->kind].whose);
}

weft_status weft_positions_check(struct weft_positions *p, uint32_t runs, const int64_t *symbols) {
    struct way way;
    if (p->idle || !broken(p, runs, symbols, &way)) return WEFT_OK;
    WEFT_TRY(weft_positions_settle(p));
    const struct weft_plan_limit *x = p->idle ? NULL : broken(p, runs, symbols, &way);
    return x ? refuse(p, x, runs, symbols, &way) : WEFT_OK;
}
