/// Pairs of past and present that a program keeps apart: what asks for replay is told which, why, and what to do.
#include "core/error.h"
#include "core/str.h"
#include "exec/exec_impl.h"

/// "a", "a and b", "a, b and c": what stands before item i of n.
static const char *joint(uint32_t i, uint32_t n) { return i == 0 ? "" : i + 1 == n ? " and " : ", "; }

static void add_tensors(const struct weft_plan *plan, struct weft_str *s) {
    uint32_t shown = plan->n_pairs < 4 ? plan->n_pairs : 4;
    for (uint32_t i = 0; i < shown; i++)
        weft_str_addf(s, "%spast '%s' with present '%s'", joint(i, plan->n_pairs > shown ? shown + 1 : shown),
                      plan->pairs[i].past, plan->pairs[i].present);
    if (plan->n_pairs > shown) weft_str_addf(s, " and %u more", plan->n_pairs - shown);
}

static void add_causes(uint8_t causes, struct weft_str *s) {
    uint32_t n = 0, all = (uint32_t)__builtin_popcount(causes);
    if (causes & WEFT_SEPARATE_BY_PAIR)
        weft_str_addf(s, "%spolicy separate of the pair (weft_graph_pair_state)", joint(n++, all));
    if (causes & WEFT_SEPARATE_BY_PROGRAM)
        weft_str_addf(s, "%sstate_policy separate of the program (weft_program_compile_params)", joint(n++, all));
}

static void add_ways_out(uint8_t causes, struct weft_str *s) {
    weft_str_addf(s,
                  "compile with %s in_place, ping_pong or double, or run once at a time and move each present to its "
                  "past in between",
                  causes & WEFT_SEPARATE_BY_PROGRAM ? "state_policy" : "policy");
}

weft_status weft_plan_need_shared(const struct weft_plan *plan, const char *what) {
    struct weft_str s = {0};
    uint8_t causes = 0;
    if (plan->n_pairs == 0) return WEFT_OK;
    for (uint32_t i = 0; i < plan->n_pairs; i++) causes |= plan->pairs[i].separate;
    weft_str_addf(&s, "%s: past and present must be one state, but this program keeps apart ", what);
    add_tensors(plan, &s);
    weft_str_add(&s, " because of ");
    add_causes(causes, &s);
    weft_str_add(&s, "; ");
    add_ways_out(causes, &s);
    weft_status status = s.failed ? weft_fail(WEFT_ERR_NOMEM, "out of memory for a session")
                                  : weft_fail(WEFT_ERR_INVALID, "%s", weft_str_get(&s));
    weft_str_free(&s);
    return status;
}
