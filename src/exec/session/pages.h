/// A session's rows of paged states: pages are taken before a run writes to them, copied if they are shared, and given
/// back when rows go. The table on the device always equals the table here.
///
/// Calls enter the program for as long as they work on its pool, except those that say that the caller has.
#ifndef WEFT_EXEC_SESSION_PAGES_H
#define WEFT_EXEC_SESSION_PAGES_H
#include "exec/session/positions.h"

/// Rows of a table that are to have pages which belong to it alone.
struct weft_rows {
    uint64_t first, end; ///< end 0: none
};

struct weft_pages {
    struct weft_base *base;
    struct weft_states *states; ///< behind the variables stand the tables on the device
    struct weft_positions *positions;
    struct weft_page_table *tables; ///< by slot within each group (weft_plan_pages.first); NULL: the plan has none
    struct weft_rows *wanted;       ///< by table: what weft_pages_own is to do
};

/// Takes a share in the program's pool; nothing if the program has none.
weft_status weft_pages_join(struct weft_pages *pg);
void weft_pages_leave(struct weft_pages *pg);
weft_status weft_pages_remake(struct weft_pages *pg); ///< joins the pool again after a loss

/// Whether `runs` runs stay within the capacity of paged states, reading the position back where the host's bound says
/// no. Errors: LIMIT (names state, rows, capacity, ways out), LOST.
weft_status weft_pages_check(struct weft_pages *pg, uint32_t runs, const int64_t *symbols);
/// Takes pages for the rows that `runs` runs write, none of them shared. The caller has entered the program. Errors:
/// those of weft_pool_take, which name the first slot whose rows find no page, and then none was taken; cut off midway
/// (CANCELLED, LOST), the pages that were taken stay for the next run.
weft_status weft_pages_cover(struct weft_pages *pg, uint32_t runs, const int64_t *symbols);
/// Sees to it that all wanted rows, and those before them, have pages, and that those of wanted ones belong to their
/// table alone. The caller has entered the program. Errors as above.
weft_status weft_pages_own(struct weft_pages *pg);

// `slot` is one slot, or WEFT_ALL_SLOTS. A slot has what is kept by slot (weft_plan.slots), nothing else.

/// Gives back pages beyond the first `rows` rows of each group.
weft_status weft_pages_release(struct weft_pages *pg, uint32_t slot, uint64_t rows);
/// Takes or gives back pages, so that each slot has those of its first `rows` rows. Errors: LIMIT (rows below the live
/// ones or beyond the capacity), those of weft_pool_take.
weft_status weft_pages_reserve(struct weft_pages *pg, uint64_t rows);
/// Takes new pages, all zeros, for `rows[k]` rows of table k in place of its own. A failure changes nothing, unless it
/// is LOST. Errors: those of weft_pool_take.
weft_status weft_pages_fresh(struct weft_pages *pg, uint32_t slot, const uint64_t *rows);
/// Takes the pages of `from` in place of its own, shared; those of one slot for `slot`. Errors: those of
/// weft_pool_ready_bounce, LOST.
weft_status weft_pages_share(struct weft_pages *pg, uint32_t slot, const struct weft_page_table *from,
                             uint32_t from_slot);
/// Makes tables that share the pages of the rows before the position; weft_pages_drop_kept gives them back.
weft_status weft_pages_keep(const struct weft_pages *pg, uint32_t slot, struct weft_page_table **out);
void weft_pages_drop_kept(weft_program *program, struct weft_page_table **tables);

/// Reads or writes bytes of a paged state's rows, wherever they lie. Rows without a page are zero. The range is within
/// the state. (session/page_rows.c)
weft_status weft_pages_read(struct weft_pages *pg, const struct weft_plan_state *state, uint64_t offset, void *data,
                            uint64_t bytes);
weft_status weft_pages_write(struct weft_pages *pg, const struct weft_plan_state *state, uint64_t offset,
                             const void *data, uint64_t bytes);
#endif
