/// Hash map with linear probing and backward-shift removal: no tombstones, so that lookups stay short however
/// often entries come and go. Keys are copies of their own, which is why insertion never invalidates them.
#include "core/map.h"

#include "core/alloc.h"

#include <string.h>

struct weft_map_slot {
    unsigned char *key; // NULL: empty
    size_t len;
    uint64_t hash, value;
};

static uint64_t mix(uint64_t h) {
    h ^= h >> 32;
    h *= UINT64_C(0xD6E8FEB86659FD93);
    h ^= h >> 29;
    h *= UINT64_C(0xA0761D6478BD642F);
    return h ^ (h >> 32);
}

/// Little-endian on every machine, because the hash names files on disk.
static uint64_t load(const unsigned char *p, size_t n) {
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++) word |= (uint64_t)p[i] << (8 * i);
    return word;
}

uint64_t weft_hash(const void *data, size_t len, uint64_t seed) {
    const unsigned char *p = data;
    uint64_t h = mix(seed + UINT64_C(0x9E3779B97F4A7C15) * (len + 1));
    size_t n = len;
    for (; n >= 8; n -= 8, p += 8) h = mix(h ^ load(p, 8)) + UINT64_C(0x9E3779B97F4A7C15);
    if (n) h = mix(h ^ load(p, n)) + UINT64_C(0x9E3779B97F4A7C15);
    return mix(h);
}

/// Index of the key's slot, or of the empty slot where it belongs. Needs cap > count.
static size_t find(const struct weft_map *m, const void *key, size_t len, uint64_t hash) {
    size_t i = hash & (m->cap - 1);
    for (;; i = (i + 1) & (m->cap - 1)) {
        const struct weft_map_slot *slot = &m->slots[i];
        if (!slot->key) return i;
        if (slot->hash == hash && slot->len == len && (len == 0 || memcmp(slot->key, key, len) == 0)) return i;
    }
}

static bool rehash(struct weft_map *m, size_t cap) {
    struct weft_map_slot *fresh = weft_calloc(cap, sizeof *fresh);
    if (!fresh) return false;
    for (size_t i = 0; i < m->cap; i++) {
        if (!m->slots[i].key) continue;
        size_t j = m->slots[i].hash & (cap - 1);
        while (fresh[j].key) j = (j + 1) & (cap - 1);
        fresh[j] = m->slots[i];
    }
    weft_free(m->slots);
    m->slots = fresh;
    m->cap = cap;
    return true;
}

bool weft_map_set(struct weft_map *m, const void *key, size_t len, uint64_t value) {
    uint64_t hash = weft_hash(key, len, 0);
    if (m->cap) {
        size_t i = find(m, key, len, hash);
        if (m->slots[i].key) {
            m->slots[i].value = value;
            return true;
        }
    }
    if (m->count >= m->cap - m->cap / 4 && !rehash(m, m->cap ? m->cap * 2 : 16)) return false;
    unsigned char *copy = weft_alloc(len);
    if (!copy) return false;
    if (len) memcpy(copy, key, len);
    m->slots[find(m, key, len, hash)] = (struct weft_map_slot){copy, len, hash, value};
    m->count++;
    return true;
}

bool weft_map_get(const struct weft_map *m, const void *key, size_t len, uint64_t *value) {
    if (!m->cap) return false;
    const struct weft_map_slot *slot = &m->slots[find(m, key, len, weft_hash(key, len, 0))];
    if (!slot->key) return false;
    if (value) *value = slot->value;
    return true;
}

bool weft_map_remove(struct weft_map *m, const void *key, size_t len) {
    if (!m->cap) return false;
    size_t mask = m->cap - 1, hole = find(m, key, len, weft_hash(key, len, 0));
    if (!m->slots[hole].key) return false;
    weft_free(m->slots[hole].key);
    // Moves back every later entry of the run whose home does not lie between the hole and itself.
    for (size_t i = (hole + 1) & mask; m->slots[i].key; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask)) continue;
        m->slots[hole] = m->slots[i];
        hole = i;
    }
    m->slots[hole].key = NULL;
    m->count--;
    return true;
}

void weft_map_free(struct weft_map *m) {
    for (size_t i = 0; i < m->cap; i++) weft_free(m->slots[i].key);
    weft_free(m->slots);
    *m = (struct weft_map){0};
}
