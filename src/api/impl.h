/// Shared by the files behind the public headers only.
#ifndef WEFT_API_IMPL_H
#define WEFT_API_IMPL_H
#include "core/params.h"
#include "core/str.h"
#include "engine/lm.h"
#include "exec/program.h"
#include "model/tokenizer/tokenizer.h"

/// ERR_INVALID: "weft_x: y must not be NULL".
weft_status weft_api_null(const char *call, const char *argument);

/// Copies a text to the caller as the public headers promise (length without NUL; LIMIT if it does not fit; nothing to
/// copy if capacity is 0) and frees it. Errors also: NOMEM, if the text had failed.
weft_status weft_api_text(struct weft_str *from, char *text, size_t capacity, size_t *length);

/// Checks and translates how to compile. The source of weights is `p` itself. Errors: INVALID, NOT_FOUND.
weft_status weft_api_compile_params(const struct weft_program_compile_params *p, const weft_device *device,
                                    const struct weft_graph *graph, struct weft_program_params *out);

/// Appends the ids of a text. `flags`: enum weft_tokenize_flags.
weft_status weft_api_encode(const weft_tokenizer *tokenizer, const char *text, size_t length, unsigned flags,
                            struct weft_ids *out);
#endif
