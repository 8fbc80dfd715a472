/// SHA-256 through libcrypto's EVP interface.
#include "core/sha256.h"

#include "core/alloc.h"
#include "core/error.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

#define PIECE ((size_t)1 << 18)

static weft_status begin(EVP_MD_CTX **out) {
    *out = EVP_MD_CTX_new();
    if (!*out) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a SHA-256 context");
    if (EVP_DigestInit_ex(*out, EVP_sha256(), NULL) == 1) return WEFT_OK;
    EVP_MD_CTX_free(*out);
    *out = NULL;
    return weft_fail(WEFT_ERR_INTERNAL, "this libcrypto offers no SHA-256");
}

static weft_status finish(EVP_MD_CTX *context, int ok, char out[65]) {
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    ok = ok && EVP_DigestFinal_ex(context, sum, &size) == 1 && size == 32;
    EVP_MD_CTX_free(context);
    if (!ok) return weft_fail(WEFT_ERR_INTERNAL, "libcrypto failed while computing a SHA-256");
    for (unsigned i = 0; i < 32; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
    out[64] = 0;
    return WEFT_OK;
}

weft_status weft_sha256_hex(const void *data, size_t size, char out[65]) {
    out[0] = 0;
    EVP_MD_CTX *context;
    WEFT_TRY(begin(&context));
    return finish(context, size == 0 || EVP_DigestUpdate(context, data, size) == 1, out);
}

weft_status weft_sha256_file(const char *path, char out[65]) {
    out[0] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return weft_fail(errno == ENOENT || errno == ENOTDIR ? WEFT_ERR_NOT_FOUND : WEFT_ERR_IO, "cannot open '%s': %s",
                         path, strerror(errno));
    EVP_MD_CTX *context = NULL;
    weft_status status = WEFT_OK;
    int ok = 1;
    unsigned char *piece = weft_alloc(PIECE);
    if (!piece) WEFT_GOTO(weft_fail(WEFT_ERR_NOMEM, "out of memory while hashing '%s'", path));
    WEFT_GOTO(begin(&context));
    for (;;) {
        ssize_t n = read(fd, piece, PIECE);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) WEFT_GOTO(weft_fail(WEFT_ERR_IO, "cannot read '%s': %s", path, strerror(errno)));
        if (n == 0) break;
        ok = ok && EVP_DigestUpdate(context, piece, (size_t)n) == 1;
    }
    status = finish(context, ok, out);
    context = NULL;
fail:
    EVP_MD_CTX_free(context);
    weft_free(piece);
    close(fd);
    return status;
}
