/// Writing JSON (RFC 8259) into a growing string. Members appear in the order of the calls, so equal calls give equal
/// bytes.
///
///     struct weft_json j;
///     weft_json_begin(&j, &text, 1);
///     weft_json_object(&j, NULL);
///     weft_json_str(&j, "name", name);
///     weft_json_array(&j, "dims");
///     weft_json_u64(&j, NULL, 640);
///     weft_json_end(&j); // dims
///     weft_json_end(&j); // the object
///
/// Each call takes a key, which must be given inside an object and must be NULL elsewhere. Keys of one object must
/// differ; this is not checked. A misplaced key, a second value at the top, an end without a beginning and more than
/// WEFT_JSON_DEPTH levels set `failed` of the string, as lack of memory does. A text without ends is simply unfinished,
/// so call weft_json_done to know.
#ifndef WEFT_CORE_JSON_H
#define WEFT_CORE_JSON_H
#include "core/str.h"
#include <stdint.h>

enum { WEFT_JSON_DEPTH = 64 };

struct weft_json {
    struct weft_str *out;
    unsigned indent;  ///< blanks a level; 0 puts everything on one line
    int digits;       ///< significant digits of real numbers; 17, the first value, gives any double back
    unsigned depth;   ///< containers that are open
    uint64_t objects; ///< bit i: container i is an object, else an array
    bool filled;      ///< the innermost container has a member, or the top its value
};

/// Starts a text that is appended to `out`, which stays the caller's.
void weft_json_begin(struct weft_json *j, struct weft_str *out, unsigned indent);
/// True if the value at the top is complete and nothing failed.
bool weft_json_done(const struct weft_json *j);

void weft_json_object(struct weft_json *j, const char *key);
void weft_json_array(struct weft_json *j, const char *key);
void weft_json_end(struct weft_json *j); ///< ends the innermost object or array

/// Strings take any bytes. Each byte that belongs to no well-formed UTF-8 sequence becomes U+FFFD, in keys too. Quotes,
/// backslashes and control characters (weft_is_control) are escaped, so that a terminal or a script that meets the
/// text is safe; everything else stands as it is. NULL is the empty string.
void weft_json_str(struct weft_json *j, const char *key, const char *text);
void weft_json_strn(struct weft_json *j, const char *key, const char *text, size_t length);

/// Integers are written in full. Many readers keep 53 bits only; whoever needs more writes a string.
void weft_json_i64(struct weft_json *j, const char *key, int64_t value);
void weft_json_u64(struct weft_json *j, const char *key, uint64_t value);
/// JSON has no NaN and no infinities, so these become null. A real number has a point or an exponent, which tells it
/// from an integer, and a point in every locale.
void weft_json_real(struct weft_json *j, const char *key, double value);
void weft_json_bool(struct weft_json *j, const char *key, bool value);
void weft_json_null(struct weft_json *j, const char *key);
#endif
