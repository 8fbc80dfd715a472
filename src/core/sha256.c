/// SHA-256, written from FIPS 180-4: names of variables are those of its section 6.2.
#include "core/sha256.h"

#include "core/alloc.h"
#include "core/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PIECE ((size_t)1 << 18)

// Section 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes.
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotr(uint32_t x, unsigned n) { return x >> n | x << (32 - n); }

static uint32_t big_endian(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

// One block of 64 bytes, section 6.2.2.
static void compress(uint32_t H[8], const unsigned char *block) {
    uint32_t W[64];
    for (int t = 0; t < 16; t++) W[t] = big_endian(block + 4 * t);
    for (int t = 16; t < 64; t++) {
        uint32_t s0 = rotr(W[t - 15], 7) ^ rotr(W[t - 15], 18) ^ W[t - 15] >> 3;
        uint32_t s1 = rotr(W[t - 2], 17) ^ rotr(W[t - 2], 19) ^ W[t - 2] >> 10;
        W[t] = s1 + W[t - 7] + s0 + W[t - 16];
    }
    uint32_t a = H[0], b = H[1], c = H[2], d = H[3], e = H[4], f = H[5], g = H[6], h = H[7];
    for (int t = 0; t < 64; t++) {
        uint32_t T1 = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) + K[t] + W[t];
        uint32_t T2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + T1;
        d = c, c = b, b = a, a = T1 + T2;
    }
    H[0] += a, H[1] += b, H[2] += c, H[3] += d, H[4] += e, H[5] += f, H[6] += g, H[7] += h;
}

void weft_sha256_begin(struct weft_sha256 *s) {
    // Section 5.3.3: likewise of the square roots of the first eight primes.
    *s = (struct weft_sha256){
        .state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void weft_sha256_add(struct weft_sha256 *s, const void *data, size_t size) {
    const unsigned char *p = data;
    size_t have = s->bytes % 64;
    s->bytes += size;
    if (have) {
        size_t n = size < 64 - have ? size : 64 - have;
        if (n) memcpy(s->block + have, p, n);
        if (have + n < 64) return;
        compress(s->state, s->block);
        p += n;
        size -= n;
    }
    for (; size >= 64; p += 64, size -= 64) compress(s->state, p);
    if (size) memcpy(s->block, p, size);
}

void weft_sha256_end(struct weft_sha256 *s, char out[65]) {
    static const char digits[] = "0123456789abcdef";
    static const unsigned char padding[64] = {0x80};
    unsigned char length[8];
    uint64_t bits = s->bytes * 8, have = s->bytes % 64;
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)(bits >> (56 - 8 * i));
    // Section 5.1.1: a one, then zeros up to 8 bytes before the end of a block, then the length.
    weft_sha256_add(s, padding, (size_t)(have < 56 ? 56 - have : 120 - have));
    weft_sha256_add(s, length, 8);
    for (int i = 0; i < 64; i++) out[i] = digits[s->state[i / 8] >> (28 - 4 * (i % 8)) & 15];
    out[64] = 0;
}

weft_status weft_sha256_hex(const void *data, size_t size, char out[65]) {
    out[0] = 0;
    if (!data && size) return weft_fail(WEFT_ERR_INVALID, "no data for a SHA-256 of %zu bytes", size);
    struct weft_sha256 s;
    weft_sha256_begin(&s);
    weft_sha256_add(&s, data, size);
    weft_sha256_end(&s, out);
    return WEFT_OK;
}

weft_status weft_sha256_file(const char *path, char out[65]) {
    out[0] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return weft_fail(errno == ENOENT || errno == ENOTDIR ? WEFT_ERR_NOT_FOUND : WEFT_ERR_IO, "cannot open '%s': %s",
                         path, strerror(errno));
    struct weft_sha256 s;
    weft_status status = WEFT_OK;
    unsigned char *piece = weft_alloc(PIECE);
    if (!piece) WEFT_GOTO(weft_fail(WEFT_ERR_NOMEM, "out of memory while hashing '%s'", path));
    weft_sha256_begin(&s);
    for (;;) {
        ssize_t n = read(fd, piece, PIECE);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) WEFT_GOTO(weft_fail(WEFT_ERR_IO, "cannot read '%s': %s", path, strerror(errno)));
        if (n == 0) break;
        weft_sha256_add(&s, piece, (size_t)n);
    }
    weft_sha256_end(&s, out);
fail:
    weft_free(piece);
    close(fd);
    return status;
}
