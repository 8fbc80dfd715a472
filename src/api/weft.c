/// weft/weft.h, and what all files of this folder share.
#include "weft/weft.h"
#include "api/impl.h"
#include "core/error.h"
#include <string.h>

const char *weft_version(void) { return WEFT_VERSION; }

weft_status weft_api_null(const char *call, const char *argument) {
    return weft_fail(WEFT_ERR_INVALID, "%s: %s must not be NULL", call, argument);
}

weft_status weft_api_text(struct weft_str *from, char *text, size_t capacity, size_t *length) {
    weft_status status = WEFT_OK;
    if (from->failed) status = weft_fail(WEFT_ERR_NOMEM, "out of memory for a text");
    if (status == WEFT_OK && length) *length = from->len;
    if (status == WEFT_OK && capacity && !text) status = weft_api_null("a call with room for a text", "the text");
    if (status == WEFT_OK && capacity && from->len >= capacity)
        status =
            weft_fail(WEFT_ERR_LIMIT, "the text takes %zu bytes and there is room for %zu", from->len + 1, capacity);
    if (status == WEFT_OK && capacity) memcpy(text, weft_str_get(from), from->len + 1);
    weft_str_free(from);
    return status;
}
