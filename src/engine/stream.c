#include "engine/stream.h"

#include "core/error.h"
#include "core/utf8.h"

#include <string.h>

/// A stop text that begins or ends within a character would cut one in two.
static bool is_utf8(const char *text) {
    size_t n;
    for (; *text && (n = weft_utf8_next(text, strlen(text), NULL)) > 0;) text += n;
    return !*text;
}

weft_status weft_stream_stops(struct weft_stream *s, const char *const *texts, size_t n) {
    if (n > WEFT_STOP_TEXTS) return weft_fail(WEFT_ERR_INVALID, "%zu stop texts; at most %d", n, WEFT_STOP_TEXTS);
    for (size_t i = 0; i < n; i++) {
        if (!texts || !texts[i] || !*texts[i]) return weft_fail(WEFT_ERR_INVALID, "stop text %zu is empty", i);
        if (!is_utf8(texts[i])) return weft_fail(WEFT_ERR_INVALID, "stop text %zu is no UTF-8", i);
        s->stopper.texts[s->stopper.n++] = texts[i];
    }
    return WEFT_OK;
}

static void show(struct weft_stream *s) {
    if (s->pending.len && s->text && !s->text(s->user, s->pending.data, s->pending.len)) s->ended = true;
    s->pending.len = 0;
}

/// Takes bytes over from a decoder, whose status it was.
static weft_status pass(struct weft_stream *s, weft_status status, struct weft_str *bytes) {
    if (status == WEFT_OK) status = weft_stopper_push(&s->stopper, weft_str_get(bytes), bytes->len, &s->pending);
    weft_str_free(bytes);
    return status;
}

weft_status weft_stream_push(struct weft_stream *s, int32_t id) {
    struct weft_str bytes = {0};
    weft_status status = pass(s, weft_decoder_push(&s->decoder, id, &bytes), &bytes);
    if (status == WEFT_OK) show(s);
    return status;
}

weft_status weft_stream_flush(struct weft_stream *s) {
    struct weft_str bytes = {0};
    weft_status status = pass(s, weft_decoder_flush(&s->decoder, &bytes), &bytes);
    if (status == WEFT_OK) status = weft_stopper_flush(&s->stopper, &s->pending);
    if (status == WEFT_OK) show(s);
    return status;
}

bool weft_stream_done(const struct weft_stream *s) { return s->ended || s->stopper.stopped; }

void weft_stream_free(struct weft_stream *s) {
    weft_stopper_free(&s->stopper);
    weft_str_free(&s->pending);
}
