/// The sentence of the last failure, one buffer a thread. Fixed storage, so that reporting "out of memory"
/// never needs memory; a longer sentence is cut at a character boundary and marked with "...". What it quotes may come
/// from anywhere, so all of it is made safe to print here.
#include "core/error.h"
#include "core/alloc.h"
#include "core/visible.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SENTENCE_MAX 2048

static _Thread_local char sentence[SENTENCE_MAX];

const char *weft_status_name(weft_status status) {
    switch (status) {
    case WEFT_OK: return "WEFT_OK";
    case WEFT_ERR_INVALID: return "WEFT_ERR_INVALID";
    case WEFT_ERR_NOMEM: return "WEFT_ERR_NOMEM";
    case WEFT_ERR_IO: return "WEFT_ERR_IO";
    case WEFT_ERR_FORMAT: return "WEFT_ERR_FORMAT";
    case WEFT_ERR_UNSUPPORTED: return "WEFT_ERR_UNSUPPORTED";
    case WEFT_ERR_LIMIT: return "WEFT_ERR_LIMIT";
    case WEFT_ERR_STALE: return "WEFT_ERR_STALE";
    case WEFT_ERR_LOST: return "WEFT_ERR_LOST";
    case WEFT_ERR_DEVICE: return "WEFT_ERR_DEVICE";
    case WEFT_ERR_NOT_FOUND: return "WEFT_ERR_NOT_FOUND";
    case WEFT_ERR_CANCELLED: return "WEFT_ERR_CANCELLED";
    case WEFT_ERR_TIMEOUT: return "WEFT_ERR_TIMEOUT";
    case WEFT_ERR_INTERNAL: return "WEFT_ERR_INTERNAL";
    }
    return "WEFT_ERR_?";
}

const char *weft_error_message(void) { return sentence; }

/// Takes a new sentence of `n` bytes, as snprintf counts them: more than `fresh` holds if it was cut.
static void store(char fresh[SENTENCE_MAX], int n) {
    size_t length = n < 0 ? 0 : (size_t)n;
    if (length >= SENTENCE_MAX) { // the end may have cut a character in two: "..." takes its place
        for (length = SENTENCE_MAX - 4; length > 0 && ((unsigned char)fresh[length] & 0xC0) == 0x80;) length--;
        memcpy(fresh + length, "...", 4);
        length += 3;
    }
    weft_visible(WEFT_VISIBLE_LINE, fresh, length, sentence, sizeof sentence);
}

weft_status weft_fail(weft_status status, const char *format, ...) {
    // Through a copy: arguments may point into the sentence itself.
    char fresh[SENTENCE_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(fresh, sizeof fresh, format, args);
    va_end(args);
    store(fresh, n);
    return status;
}

weft_status weft_fail_in(weft_status status, const char *format, ...) {
    if (status == WEFT_OK) return status;
    char fresh[SENTENCE_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(fresh, sizeof fresh, format, args);
    va_end(args);
    if (n < 0) n = 0;
    if (n < (int)sizeof fresh) n += snprintf(fresh + n, sizeof fresh - (size_t)n, ": %s", sentence);
    store(fresh, n);
    return status;
}

weft_status weft_blame_memory(uint64_t before, weft_status status) {
    if (status == WEFT_OK || status == WEFT_ERR_NOMEM || weft_alloc_failures() == before) return status;
    return weft_fail(WEFT_ERR_NOMEM, "out of memory (%s)", weft_error_message());
}

void weft_error_clear(void) { sentence[0] = 0; }
