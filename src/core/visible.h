/// Text from outside (files, drivers, servers, command lines) made safe to print. Bytes that a terminal would act on,
/// that change the order of what is read, or that are no UTF-8 are written out as escapes that can be seen.
///
/// Every error sentence (core/error.c) and log line (core/log.c) passes through here, and so does what the command line
/// prints for people. Safe text stays as it is, so it may pass twice.
#ifndef WEFT_CORE_VISIBLE_H
#define WEFT_CORE_VISIBLE_H
#include "core/str.h"
#include <stddef.h>
#include <stdint.h>

enum weft_visible {
    WEFT_VISIBLE_LINE, ///< one line: line breaks and tabs become spaces
    WEFT_VISIBLE_TEXT, ///< several lines: line breaks and tabs stay
};

/// Whether a terminal would act on the character, or it changes the order of text: controls (C0, DEL, C1), the
/// separators of lines and paragraphs, and the marks that turn the direction of writing.
bool weft_is_control(uint32_t code);

/// Writes `n` bytes of text into `out`, of `room` bytes (at least 8), and closes it with NUL. What has no room is left
/// out, from a whole character on, and "..." stands for it. Returns the length.
size_t weft_visible(enum weft_visible mode, const char *text, size_t n, char *out, size_t room);

/// The same at the end of a string, with nothing left out.
void weft_str_add_visible(struct weft_str *s, enum weft_visible mode, const char *text, size_t n);

/// Appends what stands between the quotes of a quoted text: \" and \\, and each byte of a control character or of what
/// is no UTF-8 as \xNN, so that the bytes can be read back.
void weft_str_add_escaped(struct weft_str *s, const char *text, size_t n);

/// Appends text with U+FFFD in place of each byte that is no UTF-8, for formats that escape by themselves.
void weft_str_add_utf8(struct weft_str *s, const char *text, size_t n);
#endif
