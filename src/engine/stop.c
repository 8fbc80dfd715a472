#include "engine/stop.h"

#include "core/error.h"

#include <string.h>

/// Where the first whole stop text starts in what is held; its length if there is none.
static size_t find_stop(const struct weft_stopper *s) {
    size_t first = s->held.len;
    for (size_t i = 0; i < s->n; i++) {
        size_t length = strlen(s->texts[i]), room = first + length - 1; // only an earlier start is of interest
        if (room > s->held.len) room = s->held.len;
        const char *at = memmem(s->held.data, room, s->texts[i], length);
        if (at) first = (size_t)(at - s->held.data);
    }
    return first;
}

/// Length of the longest end of what is held that is the start of a stop text.
static size_t find_partial(const struct weft_stopper *s) {
    size_t longest = 0;
    for (size_t i = 0; i < s->n; i++) {
        size_t n = strlen(s->texts[i]) - 1;
        if (n > s->held.len) n = s->held.len;
        while (n > longest && memcmp(s->held.data + s->held.len - n, s->texts[i], n)) n--;
        if (n > longest) longest = n;
    }
    return longest;
}

static weft_status check(const struct weft_stopper *s, const struct weft_str *out) {
    return s->held.failed || out->failed ? weft_fail(WEFT_ERR_NOMEM, "out of memory for the text") : WEFT_OK;
}

weft_status weft_stopper_push(struct weft_stopper *s, const char *bytes, size_t n, struct weft_str *out) {
    if (s->stopped || n == 0) return WEFT_OK;
    if (s->n == 0) {
        weft_str_addn(out, bytes, n);
        return check(s, out);
    }
    weft_str_addn(&s->held, bytes, n);
    WEFT_TRY(check(s, out));
    size_t show = find_stop(s);
    s->stopped = show < s->held.len;
    if (!s->stopped) show = s->held.len - find_partial(s);
    weft_str_addn(out, s->held.data, show);
    s->held.len = s->stopped ? 0 : s->held.len - show;
    memmove(s->held.data, s->held.data + show, s->held.len);
    s->held.data[s->held.len] = 0;
    return check(s, out);
}

weft_status weft_stopper_flush(struct weft_stopper *s, struct weft_str *out) {
    if (s->held.len) weft_str_addn(out, s->held.data, s->held.len);
    s->held.len = 0;
    return check(s, out);
}

void weft_stopper_free(struct weft_stopper *s) { weft_str_free(&s->held); }
