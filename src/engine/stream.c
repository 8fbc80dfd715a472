#include "engine/stream.h"

#include "core/error.h"
#include "core/utf8.h"

#include <string.h>

// ---- stop texts ----------------------------------------------------------------------------------------------------

/// A stop text that begins or ends within a character would cut one in two.
static bool is_utf8(const char *text) {
    size_t n;
    for (; *text && (n = weft_utf8_next(text, strlen(text), NULL)) > 0;) text += n;
    return !*text;
}

weft_status weft_stream_check_stops(const char *const *texts, size_t n) {
    if (n > WEFT_STOP_TEXTS) return weft_fail(WEFT_ERR_INVALID, "%zu stop texts; at most %d", n, WEFT_STOP_TEXTS);
    for (size_t i = 0; i < n; i++) {
        if (!texts || !texts[i] || !*texts[i]) return weft_fail(WEFT_ERR_INVALID, "stop text %zu is empty", i);
        if (!is_utf8(texts[i])) return weft_fail(WEFT_ERR_INVALID, "stop text %zu is no UTF-8", i);
    }
    return WEFT_OK;
}

static weft_status copy_stops(struct weft_stream *s, const char *const *texts, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!(s->stopper.texts[i] = weft_arena_strdup(&s->stops, texts[i])))
            return weft_fail(WEFT_ERR_NOMEM, "out of memory for a stop text");
    s->stopper.n = n;
    return WEFT_OK;
}

// ---- life ----------------------------------------------------------------------------------------------------------

weft_status weft_stream_begin(struct weft_stream *s, const struct weft_tokenizer *tokenizer,
                              const struct weft_model_generate_params *params) {
    *s = (struct weft_stream){
        .decoder = {.tokenizer = tokenizer}, .token = params->token, .text = params->text, .user = params->user};
    WEFT_TRY(weft_stream_check_stops(params->stop_texts, params->n_stop_texts));
    weft_status status = copy_stops(s, params->stop_texts, params->n_stop_texts);
    if (status != WEFT_OK) weft_stream_free(s);
    return status;
}

void weft_stream_mute(struct weft_stream *s) {
    s->token = NULL;
    s->text = NULL;
    s->stopper.n = 0;
}

void weft_stream_free(struct weft_stream *s) {
    weft_stopper_free(&s->stopper);
    weft_arena_free(&s->stops);
    weft_str_free(&s->pending);
}

// ---- ids -----------------------------------------------------------------------------------------------------------

/// Whether anybody looks at the text.
static bool wanted(const struct weft_stream *s) { return !s->ended && (s->text || s->stopper.n); }

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

bool weft_stream_push(struct weft_stream *s, int32_t id) {
    struct weft_str bytes = {0};
    bool more = !s->token || s->token(s->user, id);
    if (!wanted(s)) return more;
    s->status = pass(s, weft_decoder_push(&s->decoder, id, &bytes), &bytes);
    if (s->status != WEFT_OK) return false;
    show(s);
    return more && !s->ended && !s->stopper.stopped;
}

weft_status weft_stream_end(struct weft_stream *s) {
    struct weft_str bytes = {0};
    if (s->status != WEFT_OK || !wanted(s)) return s->status;
    s->status = pass(s, weft_decoder_flush(&s->decoder, &bytes), &bytes);
    if (s->status == WEFT_OK) s->status = weft_stopper_flush(&s->stopper, &s->pending);
    if (s->status == WEFT_OK) show(s);
    return s->status;
}

enum weft_stop_reason weft_stream_reason(const struct weft_stream *s, enum weft_stop_reason reason) {
    return s->stopper.stopped ? WEFT_STOP_TEXT : reason;
}
