/// Reading JSON (RFC 8259), strictly: one value, UTF-8 throughout, nothing behind it but blanks. Containers may be
/// WEFT_JSON_READ_DEPTH deep. A number without point and exponent that fits is an exact 64-bit integer, any other a
/// double; one beyond a double's range is refused. Of members with one key the last stays, in the first one's place.
/// Errors name line and column. Values and texts lie in the caller's arena and need the source no longer.
#ifndef WEFT_CORE_JSON_READ_H
#define WEFT_CORE_JSON_READ_H
#include "core/arena.h"
#include "weft/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WEFT_JSON_READ_DEPTH = 256 };

enum weft_json_type {
    WEFT_JSON_NULL,
    WEFT_JSON_BOOL,
    WEFT_JSON_INT,
    WEFT_JSON_REAL,
    WEFT_JSON_STRING,
    WEFT_JSON_LIST,
    WEFT_JSON_MAP,
};

struct weft_json_text {
    const char *text; ///< well-formed UTF-8 that may hold NUL; a NUL stands behind it
    size_t len;
};

struct weft_json_value {
    enum weft_json_type type;
    bool repeats; ///< a map in which a key stood more than once
    size_t n;     ///< elements of a list, members of a map
    union {
        bool b;
        int64_t i;
        double r;
        struct weft_json_text s;
        struct {
            const struct weft_json_value *items; ///< elements, or the members' values
            const struct weft_json_text *keys;   ///< of a map
        };
    };
};

/// Reads `text`; `what` names it in errors ("tokenizer.json"). `*out` lives as long as the arena.
weft_status weft_json_read(const char *text, size_t len, const char *what, struct weft_arena *arena,
                           struct weft_json_value *out);

/// The member of a map, or NULL where `v` is NULL, no map, or has no such member.
const struct weft_json_value *weft_json_find(const struct weft_json_value *v, const char *key);
struct weft_json;
/// Writes a value that was read. One that is nested more than WEFT_JSON_DEPTH deep, or has a key with a NUL, fails as a
/// text does that is not finished (core/json.h).
void weft_json_copy(struct weft_json *j, const char *key, const struct weft_json_value *v);
/// Whether `v` is a string of this text. False for NULL.
bool weft_json_is(const struct weft_json_value *v, const char *text);
#endif
