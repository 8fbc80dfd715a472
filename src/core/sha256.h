/// SHA-256 (FIPS 180-4) as lower-case hexadecimal, for downloads and cache keys.
#ifndef WEFT_CORE_SHA256_H
#define WEFT_CORE_SHA256_H
#include "weft/status.h"
#include <stddef.h>
#include <stdint.h>

/// A hash that is being computed. Start with weft_sha256_begin; nothing has to be freed.
struct weft_sha256 {
    uint32_t state[8];
    uint64_t bytes;          ///< taken so far
    unsigned char block[64]; ///< the first bytes % 64 of it wait for the rest of their block
};

void weft_sha256_begin(struct weft_sha256 *s);
void weft_sha256_add(struct weft_sha256 *s, const void *data, size_t size);
/// `out` becomes 64 digits and a 0. Afterwards `s` must be begun again before it takes anything.
void weft_sha256_end(struct weft_sha256 *s, char out[65]);

/// Hashes `size` bytes. Errors: INVALID (NULL for more than no bytes; `out` is "" then).
weft_status weft_sha256_hex(const void *data, size_t size, char out[65]);

/// Hashes a file, read in pieces. Errors: NOT_FOUND, IO, NOMEM. On failure `out` is "".
weft_status weft_sha256_file(const char *path, char out[65]);
#endif
