// Dawn's compiled pipelines on disk: one file a key, named by its hash, holding the key itself and the value.
#include "core/alloc.h"
#include "core/file.h"
#include "core/map.h"
#include "gpu/webgpu/impl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct weft_webgpu_cache {
    char dir[3800];
};

struct weft_webgpu_cache *weft_webgpu_cache_open(void) {
    char *base = NULL;
    struct weft_webgpu_cache *cache = NULL;
    const char *chosen = getenv("WEFT_PIPELINE_CACHE"); // "off", or a folder
    if (chosen && strcmp(chosen, "off") == 0) return NULL;
    if ((chosen && *chosen) || weft_cache_dir(&base) == WEFT_OK) cache = weft_calloc(1, sizeof *cache);
    if (cache) {
        int n = base ? snprintf(cache->dir, sizeof cache->dir, "%s/pipelines", base)
                     : snprintf(cache->dir, sizeof cache->dir, "%s", chosen);
        if (n >= (int)sizeof cache->dir || weft_dir_make(cache->dir) != WEFT_OK) {
            weft_free(cache);
            cache = NULL;
        }
    }
    weft_free(base);
    return cache;
}

void weft_webgpu_cache_close(struct weft_webgpu_cache *cache) { weft_free(cache); }

static void path_of(const struct weft_webgpu_cache *cache, const void *key, size_t size, char *out, size_t out_size) {
    snprintf(out, out_size, "%s/%016llx%016llx", cache->dir, (unsigned long long)weft_hash(key, size, 1),
             (unsigned long long)weft_hash(key, size, 2));
}

// Finds the value of a key in its mapped file; NULL if the file is of another key or cut short.
static const uint8_t *value_in(const struct weft_mapping *m, const void *key, size_t key_size, size_t *value_size) {
    uint64_t stored;
    if (m->size < sizeof stored) return NULL;
    memcpy(&stored, m->data, sizeof stored);
    if (stored != key_size || m->size - sizeof stored < key_size) return NULL;
    if (memcmp(m->data + sizeof stored, key, key_size) != 0) return NULL;
    *value_size = m->size - sizeof stored - key_size;
    return m->data + sizeof stored + key_size;
}

size_t weft_webgpu_cache_load(size_t key_size, const uint8_t *key, size_t value_size, uint8_t *value, void *user,
                              void *unused) {
    (void)unused;
    char path[4096];
    struct weft_mapping m;
    size_t have = 0;
    path_of(user, key, key_size, path, sizeof path);
    if (weft_file_map(path, &m) != WEFT_OK) return 0;
    const uint8_t *found = value_in(&m, key, key_size, &have);
    if (!found) have = 0;
    else if (value && value_size >= have) memcpy(value, found, have);
    weft_file_unmap(&m);
    return have;
}

void weft_webgpu_cache_store(size_t key_size, const uint8_t *key, size_t value_size, const uint8_t *value, void *user,
                             void *unused) {
    (void)unused;
    char path[4096];
    path_of(user, key, key_size, path, sizeof path);
    uint64_t stored = key_size;
    uint8_t *file = weft_alloc(sizeof stored + key_size + value_size);
    if (!file) return;
    memcpy(file, &stored, sizeof stored);
    memcpy(file + sizeof stored, key, key_size);
    memcpy(file + sizeof stored + key_size, value, value_size);
    // A cache that can't be written is only slower.
    (void)weft_file_write(path, file, sizeof stored + key_size + value_size);
    weft_free(file);
}
