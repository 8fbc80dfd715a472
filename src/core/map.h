/// Hash map from byte strings to 64-bit values (open addressing, insertion never invalidates keys).
#ifndef WEFT_CORE_MAP_H
#define WEFT_CORE_MAP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weft_map {
    struct weft_map_slot *slots;
    size_t count, cap;
}; ///< zero is an empty map

bool weft_map_set(struct weft_map *m, const void *key, size_t len,
                  uint64_t value); ///< copies the key; false: out of memory
bool weft_map_get(const struct weft_map *m, const void *key, size_t len, uint64_t *value); ///< false: absent
bool weft_map_remove(struct weft_map *m, const void *key, size_t len);
void weft_map_free(struct weft_map *m);

/// 64-bit hash of bytes (stable across runs and machines; used for pipeline and disk cache keys).
uint64_t weft_hash(const void *data, size_t len, uint64_t seed);
#endif
