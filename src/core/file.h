/// Files: read-only mapping, whole reads, atomic writes, and the places where caches live.
#ifndef WEFT_CORE_FILE_H
#define WEFT_CORE_FILE_H
#include "weft/status.h"
#include <stddef.h>
#include <stdint.h>

struct weft_mapping {
    const uint8_t *data;
    size_t size;
    void *impl;
};

/// Maps a regular file read-only. An empty file gives size 0 and non-NULL data. Errors: NOT_FOUND, IO, NOMEM.
weft_status weft_file_map(const char *path, struct weft_mapping *out);
void weft_file_unmap(struct weft_mapping *m);

/// Reads a whole file or stdin ("-"), at most `limit` bytes (0: no limit, else ERR_LIMIT). The text is
/// 0-terminated beyond *size; the caller frees it with weft_free.
weft_status weft_file_read(const char *path, size_t limit, char **data, size_t *size);

/// Writes `path` by way of a part file and a rename, so that readers see the old file or the new one.
weft_status weft_file_write(const char *path, const void *data, size_t size);
weft_status weft_dir_make(const char *path); ///< with its parents

/// $XDG_CACHE_HOME/weft, else $HOME/.cache/weft; the caller frees it. ERR_NOT_FOUND if neither is set.
weft_status weft_cache_dir(char **out);

/// Monotonic seconds.
double weft_now(void);
#endif
