/// The pool of pages of a program's paged states, shared by its sessions and device snapshots.
///
/// Page n of a group is slot n of the pool of each state of the group: of its bank n / bank_pages, a buffer of at most
/// one binding (struct weft_plan_pages). Pages are counted by how many tables they stand in; whoever writes to a page
/// that stands in several takes a copy first. The pool grows when no page is free: a larger buffer for its last bank,
/// the old contents copied over in the queue, more banks behind it where the plan binds several, and a new generation
/// of buffers, by which sessions notice that their bind groups are old. With its last holder the pool's buffers go.
///
/// Threads: the caller has entered the program (weft_program_enter) in all calls.
#ifndef WEFT_EXEC_POOL_H
#define WEFT_EXEC_POOL_H
#include "exec/dummies.h"
#include "gpu/gpu.h"
#include "plan/plan.h"

struct weft_pool_group {
    uint32_t total; ///< pages in the buffers, page 0 included
    uint32_t n_free;
    uint32_t *free;  ///< the last is taken next
    uint32_t *refs;  ///< by page
    uint32_t *marks; ///< by page: zeros, between calls (session/pages.c)
    uint64_t wanted; ///< pages that all holders together can ever need
};

struct weft_pool {
    weft_gpu *gpu;
    const struct weft_plan *plan;
    weft_buf *bufs;              ///< by number in plan->states, n_banks of each
    uint32_t n_banks;            ///< most of any group
    struct weft_dummies dummies; ///< in place of banks that are not there yet
    struct weft_pool_group *groups;
    uint32_t buffer_generation; ///< rises when buffers become others, which bind groups must follow
    uint32_t device_generation; ///< rises when the pool is lost, and with it the pages in tables of an earlier one
    uint32_t holders;
    weft_buf bounce; ///< for copies within a buffer, which WebGPU does not have
};

/// A session's or snapshot's pages of one slot and group, from row 0 on without gaps. Holders have one of each, in the
/// order of weft_plan_pages.first.
struct weft_page_table {
    uint32_t *pages;
    uint32_t n, room, device_generation;
    uint32_t group, slot;
};

weft_status weft_pool_create(weft_gpu *gpu, const struct weft_plan *plan, struct weft_pool **out);
void weft_pool_destroy(struct weft_pool *pool); ///< NULL is fine

/// What a step binds for bank `bank` of a state at its slot `slot`: all that is there.
struct weft_bind weft_pool_bind(const struct weft_pool *pool, uint32_t state, const struct weft_slot *slots,
                                uint32_t slot);
/// The buffer in which a page of a state lies, and from which byte on.
weft_buf weft_pool_place(const struct weft_pool *pool, uint32_t state, uint32_t page, uint64_t *offset);
/// Makes tables for a holder, table k with room for `room[k]` pages (NULL: a whole context in each), and the pool's
/// buffers if it is the first. Errors: LIMIT, NOMEM, DEVICE.
weft_status weft_pool_join(struct weft_pool *pool, const uint32_t *room, struct weft_page_table **out);
/// Gives back all pages of the tables, and the tables. *tables becomes NULL.
void weft_pool_leave(struct weft_pool *pool, struct weft_page_table **tables);

/// To be called after the device was lost, when there are no buffers and no pages. Holders stay holders. Their tables
/// are of an earlier generation, hold nothing, and can be left or joined again, which makes buffers if there are none.
/// Errors: as joining.
void weft_pool_lose(struct weft_pool *pool);
weft_status weft_pool_join_again(struct weft_pool *pool, struct weft_page_table *tables);

/// Sees to it that the next `count` pages can be taken. Errors: those of taking them.
weft_status weft_pool_make_free(struct weft_pool *pool, uint32_t group, uint32_t count);
/// Takes all of these pages or none, growing the pool if need be. They hold what they held. Errors: LIMIT (names the
/// states, pages and bytes), NOMEM, DEVICE, LOST.
weft_status weft_pool_take(struct weft_pool *pool, uint32_t group, uint32_t count, uint32_t *pages);
void weft_pool_drop(struct weft_pool *pool, uint32_t group, uint32_t page);  ///< one holder less
void weft_pool_share(struct weft_pool *pool, uint32_t group, uint32_t page); ///< one holder more

/// Queues the filling of pages of all states of a group with zeros, and copies of pages through the bounce buffer.
weft_status weft_pool_zero(struct weft_pool *pool, uint32_t group, const uint32_t *pages, uint32_t n);
weft_status weft_pool_copy(struct weft_pool *pool, uint32_t group, uint32_t from, uint32_t to);
/// Makes the bounce buffer ahead of time.
weft_status weft_pool_ready_bounce(struct weft_pool *pool);
#endif
