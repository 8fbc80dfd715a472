/// SHA-256 as lower-case hexadecimal, for downloads and cache keys.
#ifndef WEFT_CORE_SHA256_H
#define WEFT_CORE_SHA256_H
#include "weft/status.h"
#include <stddef.h>

/// Hashes `size` bytes; `out` becomes 64 digits and a 0. Errors: NOMEM, INTERNAL (libcrypto has no SHA-256).
weft_status weft_sha256_hex(const void *data, size_t size, char out[65]);

/// The same of a file, read in pieces. Errors also: NOT_FOUND, IO. On failure `out` is "".
weft_status weft_sha256_file(const char *path, char out[65]);
#endif
