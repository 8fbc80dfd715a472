/// Shared by the files behind the public headers only.
#ifndef WEFT_API_IMPL_H
#define WEFT_API_IMPL_H
#include "core/str.h"
#include "weft/status.h"

/// ERR_INVALID: "weft_x: y must not be NULL".
weft_status weft_api_null(const char *call, const char *argument);

/// Copies a text to the caller as the public headers promise (length without NUL; LIMIT if it does not fit; nothing to
/// copy if capacity is 0) and frees it. Errors also: NOMEM, if the text had failed.
weft_status weft_api_text(struct weft_str *from, char *text, size_t capacity, size_t *length);
#endif
