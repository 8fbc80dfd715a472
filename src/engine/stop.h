/// Stop texts over a stream: passes text on as soon as it cannot be part of a stop text any more, and ends at the first
/// whole one.
///
/// Thread-safety: none.
#ifndef WEFT_ENGINE_STOP_H
#define WEFT_ENGINE_STOP_H
#include "core/str.h"
#include "weft/status.h"
#include <stdbool.h>

#define WEFT_STOP_TEXTS 16

struct weft_stopper {
    const char *texts[WEFT_STOP_TEXTS]; ///< the caller's; not empty
    size_t n;
    struct weft_str held; ///< the start of what may become a stop text
    bool stopped;         ///< one was found; it and what follows is dropped
};

/// Appends to `out` what may be shown of the stream after these bytes. Errors: NOMEM.
weft_status weft_stopper_push(struct weft_stopper *s, const char *bytes, size_t n, struct weft_str *out);
/// At the end: appends what was held back.
weft_status weft_stopper_flush(struct weft_stopper *s, struct weft_str *out);
void weft_stopper_free(struct weft_stopper *s);
#endif
