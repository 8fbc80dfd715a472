/// Which pages of a pool stand for which tokens, so that sequences that begin alike share them: a page is known by its
/// ids and by the page in front of it, which is known likewise, so by all ids from the start. Known pages stay when
/// their sequence goes, as long as nobody needs them: they are given back before a pool grows, those first that were
/// not asked for the longest, and none before those behind it.
///
/// Only pools of one group have known pages. Threads: the caller has entered the program in all calls.
#ifndef WEFT_EXEC_PREFIX_H
#define WEFT_EXEC_PREFIX_H
#include "core/map.h"
#include "exec/pool.h"

#define WEFT_NO_PREFIX UINT32_MAX ///< in front of the first page

struct weft_prefix {
    uint32_t parent, children;
    uint32_t page; ///< 0: this entry is free, and `parent` the next such
    uint64_t used;
};

struct weft_prefixes {
    struct weft_map known; ///< from the parent and the ids of a page to its entry
    struct weft_prefix *entries;
    uint32_t *keys; ///< of the entries, one behind the other
    uint32_t n, room, free, device_generation;
    uint64_t clock;
}; ///< zero knows no page

/// The entry of a page with these ids, as many as it has rows, behind `parent`. False: it is not known.
bool weft_prefixes_find(struct weft_prefixes *x, const struct weft_pool *pool, uint32_t parent, const int32_t *ids,
                        uint32_t *entry);
/// Makes a page known, which is held from then on. Errors: NOMEM.
weft_status weft_prefixes_add(struct weft_prefixes *x, struct weft_pool *pool, uint32_t parent, const int32_t *ids,
                              uint32_t page, uint32_t *entry);
/// A page and those in front of it were asked for.
void weft_prefixes_touch(struct weft_prefixes *x, uint32_t entry);
/// As weft_pool_make_free, after pages were given back that nobody else has.
weft_status weft_prefixes_make_free(struct weft_prefixes *x, struct weft_pool *pool, uint32_t group, uint32_t count);
/// Forgets and gives back all.
void weft_prefixes_clear(struct weft_prefixes *x, struct weft_pool *pool);
#endif
