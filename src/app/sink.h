/// A file that is being fetched: written to NAME.part, hashed on the way, renamed only when size and hash are right.
#ifndef WEFT_APP_SINK_H
#define WEFT_APP_SINK_H
#include "core/sha256.h"
#include "weft/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weft_sink {
    char *path, *part;
    int fd;
    uint64_t written; ///< bytes in the part file
    struct weft_sha256 digest;
};

/// Opens PATH.part. With `resume` what is in it already is kept and hashed, else it is emptied.
weft_status weft_sink_open(struct weft_sink *s, const char *path, bool resume);
weft_status weft_sink_write(struct weft_sink *s, const void *data, size_t size);
weft_status weft_sink_restart(struct weft_sink *s); ///< back to an empty part file
/// Checks size and hash (NULL: none), flushes to disk, renames. A wrong file is removed. ERR_FORMAT if wrong. Closes in
/// any case.
weft_status weft_sink_finish(struct weft_sink *s, uint64_t size, const char *sha256);
/// Closes; the part file stays for a later resume unless `remove`.
void weft_sink_abandon(struct weft_sink *s, bool remove);
#endif
