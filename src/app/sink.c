#include "app/sink.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static weft_status io_error(const struct weft_sink *s, const char *what) {
    return weft_fail(WEFT_ERR_IO, "cannot %s '%s': %s", what, s->part, strerror(errno));
}

/// Hashes what an earlier attempt left behind.
static weft_status take_over(struct weft_sink *s) {
    enum { PIECE = 1 << 18 };
    unsigned char *piece = weft_alloc(PIECE);
    if (!piece) return weft_fail(WEFT_ERR_NOMEM, "out of memory for %d bytes", PIECE);
    ssize_t n;
    while ((n = read(s->fd, piece, PIECE)) > 0) {
        weft_sha256_add(&s->digest, piece, (size_t)n);
        s->written += (uint64_t)n;
    }
    weft_free(piece);
    return n < 0 ? io_error(s, "read") : WEFT_OK;
}

weft_status weft_sink_open(struct weft_sink *s, const char *path, bool resume) {
    *s = (struct weft_sink){.fd = -1};
    struct weft_str part = {0};
    weft_str_addf(&part, "%s.part", path);
    s->path = weft_strdup(path);
    s->part = weft_str_take(&part);
    weft_status status = WEFT_OK;
    if (!s->path || !s->part) WEFT_GOTO(weft_fail(WEFT_ERR_NOMEM, "out of memory for a path"));
    s->fd = open(s->part, O_RDWR | O_CREAT | O_CLOEXEC | (resume ? 0 : O_TRUNC), 0644);
    if (s->fd < 0) WEFT_GOTO(io_error(s, "create"));
    weft_sha256_begin(&s->digest);
    if (resume) WEFT_GOTO(take_over(s));
    return WEFT_OK;
fail:
    weft_sink_abandon(s, false);
    return status;
}

weft_status weft_sink_write(struct weft_sink *s, const void *data, size_t size) {
    const char *p = data;
    for (size_t left = size; left;) {
        ssize_t n = write(s->fd, p, left);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return io_error(s, "write");
        p += n;
        left -= (size_t)n;
    }
    weft_sha256_add(&s->digest, data, size);
    s->written += size;
    return WEFT_OK;
}

weft_status weft_sink_restart(struct weft_sink *s) {
    if (ftruncate(s->fd, 0) || lseek(s->fd, 0, SEEK_SET)) return io_error(s, "empty");
    s->written = 0;
    weft_sha256_begin(&s->digest);
    return WEFT_OK;
}

static weft_status check_hash(struct weft_sink *s, const char *sha256) {
    char text[65];
    weft_sha256_end(&s->digest, text);
    if (!sha256 || !strcmp(text, sha256)) return WEFT_OK;
    return weft_fail(WEFT_ERR_FORMAT, "%s: what was fetched has sha256 %s, expected %s; it was removed, try again",
                     s->path, text, sha256);
}

weft_status weft_sink_finish(struct weft_sink *s, uint64_t size, const char *sha256) {
    weft_status status;
    bool wrong = true;
    if (s->written != size)
        WEFT_GOTO(weft_fail(WEFT_ERR_FORMAT, "%s: %llu bytes were fetched, expected %llu; they were removed, try again",
                            s->path, (unsigned long long)s->written, (unsigned long long)size));
    WEFT_GOTO(check_hash(s, sha256));
    wrong = false;
    if (fsync(s->fd)) WEFT_GOTO(io_error(s, "flush"));
    if (rename(s->part, s->path))
        WEFT_GOTO(weft_fail(WEFT_ERR_IO, "cannot rename '%s' to '%s': %s", s->part, s->path, strerror(errno)));
fail:
    weft_sink_abandon(s, wrong);
    return status;
}

void weft_sink_abandon(struct weft_sink *s, bool remove) {
    if (s->fd >= 0) close(s->fd);
    if (remove && s->part) unlink(s->part);
    weft_free(s->path);
    weft_free(s->part);
    *s = (struct weft_sink){.fd = -1};
}
