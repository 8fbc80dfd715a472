/// Reading JSON (RFC 8259) into a tree. Strict: one value, nothing behind it but blanks, at most WEFT_JSON_DEPTH
/// levels, strings of well-formed UTF-8 without lone surrogates, numbers as the standard has them.
///
/// Of equal keys of an object the first counts. Memory stays proportional to the text; strings without escapes are
/// views into it, so it must outlive the tree. Thread-safety: immutable once read.
#ifndef WEFT_CORE_JSON_READ_H
#define WEFT_CORE_JSON_READ_H
#include "core/arena.h"
#include "weft/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum weft_json_kind {
    WEFT_JSON_NULL,
    WEFT_JSON_BOOL,
    WEFT_JSON_NUMBER,
    WEFT_JSON_STRING,
    WEFT_JSON_ARRAY,
    WEFT_JSON_OBJECT,
};

struct weft_json_value {
    enum weft_json_kind kind;
    bool flag;                           ///< of a BOOL
    double number;                       ///< of a NUMBER; out of range: infinite
    const char *key;                     ///< of a member of an object, key_len bytes
    const char *text;                    ///< of a STRING, len bytes (zero bytes may be among them)
    size_t key_len, len;                 ///< `len` of an ARRAY or OBJECT: its members
    const struct weft_json_value *first; ///< member of an ARRAY or OBJECT, NULL: none
    const struct weft_json_value *next;  ///< in the same container
};

/// *out lives in the arena. Errors: FORMAT (names the byte), NOMEM.
weft_status weft_json_read(const char *text, size_t len, struct weft_arena *arena, const struct weft_json_value **out);

/// A member by name; NULL where there is none, or `v` is NULL or no object.
const struct weft_json_value *weft_json_get(const struct weft_json_value *v, const char *key);
/// Whether `v` is a string with this text. False for NULL.
bool weft_json_is(const struct weft_json_value *v, const char *text);
#endif
