#include "exec/prefix.h"
#include "core/alloc.h"
#include "core/error.h"
#include <string.h>

static uint32_t page_rows(const struct weft_pool *pool) { return 1u << pool->plan->page_groups[0].shift; }

static uint32_t key_words(const struct weft_pool *pool) { return 1 + page_rows(pool); }

static uint32_t *key_of(const struct weft_prefixes *x, const struct weft_pool *pool, uint32_t entry) {
    return x->keys + (size_t)entry * key_words(pool);
}

static void forget_all(struct weft_prefixes *x) {
    weft_map_free(&x->known);
    weft_free(x->entries);
    weft_free(x->keys);
    *x = (struct weft_prefixes){0};
}

/// Pages of a device that was lost are not there.
static void follow(struct weft_prefixes *x, const struct weft_pool *pool) {
    if (x->device_generation != pool->device_generation) forget_all(x);
    x->device_generation = pool->device_generation;
}

/// Makes room for one entry more, the next that is taken.
static bool make_room(struct weft_prefixes *x, const struct weft_pool *pool) {
    if (x->free) return true; // entry number free - 1
    if (x->n == x->room) {
        uint32_t room = x->room ? 2 * x->room : 16;
        struct weft_prefix *entries = weft_realloc(x->entries, room * sizeof *entries);
        if (entries) x->entries = entries;
        uint32_t *keys = entries ? weft_realloc(x->keys, (size_t)room * key_words(pool) * sizeof *keys) : NULL;
        if (!keys) return false;
        x->keys = keys;
        x->room = room;
    }
    x->entries[x->n] = (struct weft_prefix){.parent = 0};
    x->free = ++x->n;
    return true;
}

static void write_key(uint32_t *key, const struct weft_pool *pool, uint32_t parent, const int32_t *ids) {
    key[0] = parent;
    memcpy(key + 1, ids, page_rows(pool) * sizeof *key);
}

/// The key is written to the place of the next entry, so that looking allocates nothing later on.
bool weft_prefixes_find(struct weft_prefixes *x, const struct weft_pool *pool, uint32_t parent, const int32_t *ids,
                        uint32_t *entry) {
    uint64_t found;
    follow(x, pool);
    if (!x->known.count || !make_room(x, pool)) return false;
    uint32_t *key = key_of(x, pool, x->free - 1);
    write_key(key, pool, parent, ids);
    bool there = weft_map_get(&x->known, key, key_words(pool) * sizeof *key, &found); // compares all ids
    if (there) *entry = (uint32_t)found;
    return there;
}

weft_status weft_prefixes_add(struct weft_prefixes *x, struct weft_pool *pool, uint32_t parent, const int32_t *ids,
                              uint32_t page, uint32_t *entry) {
    follow(x, pool);
    if (!make_room(x, pool)) return weft_fail(WEFT_ERR_NOMEM, "out of memory for pages of prefixes");
    uint32_t number = x->free - 1, *key = key_of(x, pool, number);
    write_key(key, pool, parent, ids);
    if (!weft_map_set(&x->known, key, key_words(pool) * sizeof *key, number))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for pages of prefixes");
    x->free = x->entries[number].parent;
    x->entries[number] = (struct weft_prefix){.parent = parent, .page = page, .used = ++x->clock};
    if (parent != WEFT_NO_PREFIX) x->entries[parent].children++;
    weft_pool_share(pool, 0, page);
    *entry = number;
    return WEFT_OK;
}

void weft_prefixes_touch(struct weft_prefixes *x, uint32_t entry) {
    x->clock++;
    for (; entry != WEFT_NO_PREFIX; entry = x->entries[entry].parent) x->entries[entry].used = x->clock;
}

static void drop(struct weft_prefixes *x, struct weft_pool *pool, uint32_t entry) {
    struct weft_prefix *p = &x->entries[entry];
    (void)weft_map_remove(&x->known, key_of(x, pool, entry), key_words(pool) * sizeof *x->keys);
    if (p->parent != WEFT_NO_PREFIX) x->entries[p->parent].children--;
    weft_pool_drop(pool, 0, p->page);
    *p = (struct weft_prefix){.parent = x->free};
    x->free = entry + 1;
}

/// The page to be given back next: one with none behind it, and nobody's but this. NO_PREFIX: there is none.
static uint32_t oldest(const struct weft_prefixes *x, const struct weft_pool *pool) {
    uint32_t found = WEFT_NO_PREFIX;
    for (uint32_t i = 0; i < x->n; i++) {
        const struct weft_prefix *p = &x->entries[i];
        if (!p->page || p->children || pool->groups[0].refs[p->page] > 1) continue;
        if (found == WEFT_NO_PREFIX || p->used < x->entries[found].used) found = i;
    }
    return found;
}

weft_status weft_prefixes_make_free(struct weft_prefixes *x, struct weft_pool *pool, uint32_t group, uint32_t count) {
    follow(x, pool);
    for (uint32_t entry; x->known.count && pool->groups[group].n_free < count; drop(x, pool, entry))
        if ((entry = oldest(x, pool)) == WEFT_NO_PREFIX) break;
    return weft_pool_make_free(pool, group, count);
}

void weft_prefixes_clear(struct weft_prefixes *x, struct weft_pool *pool) {
    follow(x, pool);
    for (uint32_t i = 0; i < x->n; i++)
        if (x->entries[i].page) weft_pool_drop(pool, 0, x->entries[i].page);
    forget_all(x);
    x->device_generation = pool->device_generation;
}
