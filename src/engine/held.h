/// What the caches of generation hold, so that a prompt that begins like the one before is not fed from its start.
///
/// Rows of keys and values can be cropped to an earlier position. A ring keeps its newest rows only, and a recurrent
/// state is what all positions made of it; for these, marks (snapshots on the device) are taken where going back is
/// likely, at the end of a prompt, the newest WEFT_LM_MARKS of them.
#ifndef WEFT_ENGINE_HELD_H
#define WEFT_ENGINE_HELD_H
#include "exec/session.h"
#include "model/tokenizer/tokenizer.h"

enum { WEFT_LM_MARKS = 2 };

struct weft_held {
    struct weft_ids ids; ///< of positions 0 to ids.count - 1; the caches may hold more, which nobody knows
    weft_snapshot *marks[WEFT_LM_MARKS];
    uint32_t at[WEFT_LM_MARKS]; ///< their positions, rising
    uint32_t n_marks;
};

void weft_held_free(struct weft_held *held);
/// Room for so many ids, so that generation allocates nothing. Errors: NOMEM.
weft_status weft_held_reserve(struct weft_held *held, uint32_t n);
/// Forgets ids and marks from a position on.
void weft_held_cut(struct weft_held *held, uint32_t position);

/// How many of `ids` the caches hold at their start; one less than n at most, since the last token's logits are wanted.
uint32_t weft_held_common(const struct weft_held *held, const int32_t *ids, uint32_t n);

/// Goes back to where `ids` begin to differ from what is held, or to a mark before that, or to 0: *kept positions are
/// left. Errors: those of weft_session_rewind but that a position can't be reached.
weft_status weft_held_rewind(struct weft_held *held, weft_session *session, const int32_t *ids, uint32_t n,
                             uint32_t *kept);

/// Whether a session of this program may be unable to go back without marks.
bool weft_held_wants_marks(const weft_program *program);
/// Remembers this position. Where there is no memory for it, going back will take longer, and nothing else changes.
void weft_held_mark(struct weft_held *held, weft_session *session, uint32_t position);
#endif
