/// The bind groups of a session's steps. They are made for the buffers that bindings stand for, and again where a
/// buffer becomes another one. Groups that a change leaves behind are kept for a while, since many programs bind a few
/// buffers in turn; the oldest go, so that binding ever new ranges takes no more and more memory.
#ifndef WEFT_EXEC_SESSION_GROUPS_H
#define WEFT_EXEC_SESSION_GROUPS_H
#include "exec/session/io.h"
#include "exec/session/states.h"

/// What has become another buffer.
enum weft_group_change {
    WEFT_GROUPS_ALL, ///< anything
    WEFT_GROUPS_IOS, ///< the inputs and outputs marked in weft_io.changed
};

struct weft_groups {
    const struct weft_base *base;
    const struct weft_states *states;
    const struct weft_io *io;
    weft_bindgroup **tables[2]; ///< [parity][schedule][step]; one and the same where no state is ping-pong
    weft_bindgroup *left;       ///< that stood in the tables and may again, oldest first; at most most_left
    uint32_t n_left, most_left;
    uint32_t pool_generation; ///< of the pool's buffers that the groups are for
};

weft_status weft_groups_init(struct weft_groups *g); ///< makes the tables, and no groups
void weft_groups_free(struct weft_groups *g);        ///< the tables; the groups go with the session's buffers
/// Gets the groups of all steps that a change concerns again, or changes nothing. `arena`: the parameter blocks. The
/// caller has entered the program. Errors: those of weft_bindgroup_get.
weft_status weft_groups_get(struct weft_groups *g, weft_buf arena, enum weft_group_change change);
/// Whether the pool's buffers have become others since all groups were got. The caller has entered the program.
bool weft_groups_are_stale(const struct weft_groups *g);

static inline weft_bindgroup weft_groups_at(const struct weft_groups *g, uint32_t parity, uint32_t schedule,
                                            uint32_t step) {
    return g->tables[parity][schedule][step];
}
#endif
