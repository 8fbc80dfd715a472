/// What a caller of generation gets of the ids that come: each id, then its text in whole UTF-8 characters, held back
/// while they may begin a stop text.
///
/// Thread-safety: none.
#ifndef WEFT_ENGINE_STREAM_H
#define WEFT_ENGINE_STREAM_H
#include "core/arena.h"
#include "engine/lm.h"
#include "engine/stop.h"

struct weft_stream {
    struct weft_decoder decoder;
    bool (*token)(void *user, int32_t id);
    bool (*text)(void *user, const char *text, size_t length);
    void *user;
    struct weft_stopper stopper;
    struct weft_arena stops; ///< copies of the stop texts
    struct weft_str pending;
    weft_status status; ///< NOMEM: text was lost
    bool ended;         ///< the caller wants no more text
};

/// Errors: INVALID (too many stop texts, an empty one, one that is no UTF-8).
weft_status weft_stream_check_stops(const char *const *texts, size_t n);
/// Takes the callbacks of `params`, and copies of its stop texts. Errors: those of weft_stream_check_stops; NOMEM. On
/// failure there is nothing to free.
weft_status weft_stream_begin(struct weft_stream *s, const struct weft_tokenizer *tokenizer,
                              const struct weft_model_generate_params *params);
/// Passes on an id and what can be shown after it. False: generation is to end, since the caller wants it, a stop text
/// is complete, or `status` is an error.
bool weft_stream_push(struct weft_stream *s, int32_t id);
/// At the end: passes on what was held back, if the caller still wants text. The status of all of it.
weft_status weft_stream_end(struct weft_stream *s);
/// No callback comes any more; callbacks may call this.
void weft_stream_mute(struct weft_stream *s);
/// Why generation ended, where its ids say `reason`.
enum weft_stop_reason weft_stream_reason(const struct weft_stream *s, enum weft_stop_reason reason);
void weft_stream_free(struct weft_stream *s);
#endif
