/// From ids to a caller's text: whole UTF-8 characters, held back while they may begin a stop text.
///
/// Thread-safety: none.
#ifndef WEFT_ENGINE_STREAM_H
#define WEFT_ENGINE_STREAM_H
#include "engine/lm.h"
#include "engine/stop.h"

/// Zero, but for the first three fields and the texts of `stopper`, is the start.
struct weft_stream {
    struct weft_decoder decoder;                               ///< with its tokenizer
    bool (*text)(void *user, const char *text, size_t length); ///< NULL: nobody wants it. Returns false to stop
    void *user;
    struct weft_stopper stopper;
    struct weft_str pending;
    bool ended; ///< the caller wants no more
};

/// Takes the stop texts, which stay the caller's. Errors: INVALID (too many, an empty one, one that
/// is no UTF-8).
weft_status weft_stream_stops(struct weft_stream *s, const char *const *texts, size_t n);
/// Passes on what can be shown after `id`. Errors: NOMEM.
weft_status weft_stream_push(struct weft_stream *s, int32_t id);
/// At the end: passes on what was held back.
weft_status weft_stream_flush(struct weft_stream *s);
/// Whether generation is to end: a stop text was found, or the caller wants no more.
bool weft_stream_done(const struct weft_stream *s);
void weft_stream_free(struct weft_stream *s);
#endif
