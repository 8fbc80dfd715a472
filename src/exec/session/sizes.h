/// Live sizes of a session: parameter blocks and grids of all steps, staged as a whole and committed by one write. The
/// arena has room for the blocks of WEFT_PARAM_VERSIONS recent sizes.
#ifndef WEFT_EXEC_SESSION_SIZES_H
#define WEFT_EXEC_SESSION_SIZES_H
#include "exec/session/groups.h"

#define WEFT_NO_VERSION UINT32_MAX

/// Parameter blocks and steps of one binding of the symbols.
struct weft_version {
    bool valid;
    uint32_t schedule, n_steps;
    uint64_t used;
    int64_t symbols[WEFT_MAX_SYMBOLS];
    struct weft_gpu_step
        *steps[2];        ///< without the skipped ones, by parity; one and the same where no state is ping-pong
    uint32_t *plan_steps; ///< number in the schedule of each of them
};

struct weft_sizes {
    struct weft_base *base;
    struct weft_groups *groups;
    const struct weft_io *io;
    uint32_t n_symbols, live; ///< live: the version; WEFT_NO_VERSION: there are no sizes yet
    uint64_t clock;
    weft_buf arena;
    struct weft_version versions[WEFT_PARAM_VERSIONS];
    struct weft_version spare;            ///< staging: a failed resize leaves the versions alone
    uint32_t *words;                      ///< staging for the blocks of one version
    uint64_t staged_offset, staged_bytes; ///< where `words` went last
    struct {                              ///< faults for tests (session_test.h)
        uint32_t step, word, stale_step;
        const struct weft_groups *stale; ///< whose bind groups the stale step keeps
    } test;
};

weft_status weft_sizes_init(struct weft_sizes *sz); ///< makes the staging, and no buffer
void weft_sizes_free(struct weft_sizes *sz);
weft_status weft_sizes_make(struct weft_sizes *sz); ///< makes the arena
void weft_sizes_drop(struct weft_sizes *sz);

/// Gets bind groups again, after buffers have become others, and puts them into the versions, or changes nothing. The
/// caller has entered the program. Errors: those of weft_groups_get.
weft_status weft_sizes_rebind(struct weft_sizes *sz, enum weft_group_change change);
/// The same, and enters the program, since the pool may not grow meanwhile.
weft_status weft_sizes_enter_and_rebind(struct weft_sizes *sz, enum weft_group_change change);
/// See weft_session_resize.
weft_status weft_sizes_set(struct weft_sizes *sz, const int64_t *symbols);
/// Sets the upper bounds, or what the program was compiled for alone, if the graph's relations allow these together.
weft_status weft_sizes_set_first(struct weft_sizes *sz);
/// Computes the blocks of the live sizes again and forgets those of all others.
weft_status weft_sizes_restage(struct weft_sizes *sz);

/// What runs replay; NULL: there are no sizes yet.
static inline const struct weft_version *weft_sizes_live(const struct weft_sizes *sz) {
    return sz->live == WEFT_NO_VERSION ? NULL : &sz->versions[sz->live];
}

/// The live values of the symbols; NULL: there are none yet.
static inline const int64_t *weft_sizes_symbols(const struct weft_sizes *sz) {
    return sz->live == WEFT_NO_VERSION ? NULL : sz->versions[sz->live].symbols;
}
#endif
