/// Filling a step's whole parameter block: the kernel's own update, then the words that the binder added.
#ifndef WEFT_PLAN_UPDATE_H
#define WEFT_PLAN_UPDATE_H
#include "plan/plan.h"

#define WEFT_PARAM_SLOT 256 ///< bytes between the parameter blocks of a session
#define WEFT_MAX_WORDS (WEFT_PARAM_SLOT / 4)

/// Fields that a part of a split step has behind its kernel's: the first workgroup, how many, and how many the whole
/// has. Workgroups beyond the part are given the number cut_total, which kernels ignore as they ignore the rest of a
/// folded grid.
#define WEFT_SPLIT_FIELDS 3

/// Where the binder's words of an operand and of a step start: off_* of each operand, then, in checked steps, len_* of
/// each and the step's number.
static inline uint32_t weft_off_word(const struct weft_step *s, uint32_t operand) { return s->n_fields + operand; }
static inline uint32_t weft_len_word(const struct weft_step *s, uint32_t operand) {
    return s->n_fields + s->n_operands + operand;
}

/// `words` receives step->n_words words; `grid` the number of workgroups, all zero when the step's outputs are empty.
void weft_step_update(const struct weft_update *u, uint32_t words[WEFT_MAX_WORDS], uint32_t grid[3]);

#endif
