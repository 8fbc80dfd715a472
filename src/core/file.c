/// Files over POSIX: mapping, whole reads, atomic writes, folders and the clock.
#include "core/file.h"

#include "core/alloc.h"
#include "core/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/// The sentence for a failed system call on `path`.
static weft_status fail_errno(const char *doing, const char *path, int error) {
    weft_status status = error == ENOENT || error == ENOTDIR ? WEFT_ERR_NOT_FOUND
                         : error == ENOMEM                   ? WEFT_ERR_NOMEM
                                                             : WEFT_ERR_IO;
    return weft_fail(status, "cannot %s '%s': %s", doing, path, strerror(error));
}

static int open_retry(const char *path, int flags, mode_t mode) {
    int fd;
    do fd = open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

weft_status weft_file_map(const char *path, struct weft_mapping *out) {
    static const uint8_t nothing[1];
    *out = (struct weft_mapping){0};
    // O_NONBLOCK: opening a FIFO must not wait for a writer; it is refused below.
    int fd = open_retry(path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0) return fail_errno("open", path, errno);
    struct stat info;
    if (fstat(fd, &info) != 0) {
        int error = errno;
        close(fd);
        return fail_errno("examine", path, error);
    }
    if (!S_ISREG(info.st_mode)) {
        close(fd);
        return weft_fail(WEFT_ERR_IO, "cannot map '%s': it is %s, not a regular file", path,
                         S_ISDIR(info.st_mode) ? "a folder" : "a device or a pipe");
    }
    if (info.st_size == 0) {
        close(fd);
        out->data = nothing;
        return WEFT_OK;
    }
    if ((uintmax_t)info.st_size > SIZE_MAX) {
        close(fd);
        return weft_fail(WEFT_ERR_NOMEM, "cannot map '%s': it is larger than the address space", path);
    }
    void *p = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    int error = errno;
    close(fd);
    if (p == MAP_FAILED) return fail_errno("map", path, error);
    *out = (struct weft_mapping){.data = p, .size = (size_t)info.st_size, .impl = p};
    return WEFT_OK;
}

void weft_file_unmap(struct weft_mapping *m) {
    if (m->impl) munmap(m->impl, m->size);
    *m = (struct weft_mapping){0};
}

/// Reads until the end. One byte more than the limit is asked for, to tell "exactly" from "too long".
static weft_status read_all(int fd, const char *path, size_t limit, char **data, size_t *size) {
    char *text = NULL;
    size_t len = 0, cap = 0;
    for (;;) {
        if (!weft_grow((void **)&text, &cap, len + 4096 + 1, 1)) {
            weft_free(text);
            return weft_fail(WEFT_ERR_NOMEM, "out of memory while reading '%s' (%zu bytes so far)", path, len);
        }
        size_t room = cap - len - 1;
        if (limit && limit < SIZE_MAX && room > limit + 1 - len) room = limit + 1 - len;
        ssize_t n = read(fd, text + len, room);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            int error = errno;
            weft_free(text);
            return fail_errno("read", path, error);
        }
        if (n == 0) break;
        len += (size_t)n;
        if (limit && len > limit) {
            weft_free(text);
            return weft_fail(WEFT_ERR_LIMIT, "'%s' is longer than the %zu bytes allowed here", path, limit);
        }
    }
    text[len] = 0;
    *data = text;
    if (size) *size = len;
    return WEFT_OK;
}

weft_status weft_file_read(const char *path, size_t limit, char **data, size_t *size) {
    *data = NULL;
    if (size) *size = 0;
    if (strcmp(path, "-") == 0) return read_all(STDIN_FILENO, "standard input", limit, data, size);
    int fd = open_retry(path, O_RDONLY, 0);
    if (fd < 0) return fail_errno("open", path, errno);
    weft_status status = read_all(fd, path, limit, data, size);
    close(fd);
    return status;
}

static int write_all(int fd, const char *data, size_t size) {
    while (size) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        data += n;
        size -= (size_t)n;
    }
    return fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP ? errno : 0;
}

/// A name beside `path` that no other thread or process writes at the same time.
static char *part_name(const char *path) {
    static atomic_uint counter;
    size_t size = strlen(path) + 64;
    char *part = weft_alloc(size);
    if (part) snprintf(part, size, "%s.%ld.%u.part", path, (long)getpid(), atomic_fetch_add(&counter, 1));
    return part;
}

weft_status weft_file_write(const char *path, const void *data, size_t size) {
    char *part = part_name(path);
    if (!part) return weft_fail(WEFT_ERR_NOMEM, "out of memory while writing '%s'", path);
    int fd = open_retry(part, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0) {
        weft_status status = fail_errno("create", part, errno);
        weft_free(part);
        return status;
    }
    int error = write_all(fd, data, size);
    if (close(fd) != 0 && !error) error = errno;
    if (!error && rename(part, path) != 0) error = errno;
    if (error) unlink(part);
    weft_free(part);
    return error ? fail_errno("write", path, error) : WEFT_OK;
}

static int make_one(const char *path) {
    if (mkdir(path, 0777) == 0) return 0;
    int error = errno;
    struct stat info;
    if (stat(path, &info) == 0) return S_ISDIR(info.st_mode) ? 0 : ENOTDIR;
    return error;
}

weft_status weft_dir_make(const char *path) {
    char *copy = weft_strdup(path);
    if (!copy) return weft_fail(WEFT_ERR_NOMEM, "out of memory while making folder '%s'", path);
    int error = *copy ? 0 : ENOENT;
    for (char *p = copy + 1; !error && *copy && *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        error = make_one(copy);
        *p = '/';
    }
    if (!error) error = make_one(copy);
    weft_free(copy);
    if (error == ENOTDIR || error == EEXIST)
        return weft_fail(WEFT_ERR_IO, "cannot make folder '%s': a part of it is a file", path);
    return error ? fail_errno("make folder", path, error) : WEFT_OK;
}

weft_status weft_cache_dir(char **out) {
    *out = NULL;
    const char *base = getenv("XDG_CACHE_HOME"), *rest = "/weft";
    if (!base || base[0] != '/') { // the XDG rules: a relative path is as good as none
        base = getenv("HOME");
        rest = "/.cache/weft";
    }
    if (!base || !*base)
        return weft_fail(WEFT_ERR_NOT_FOUND, "no cache folder: set HOME or XDG_CACHE_HOME to an absolute path");
    size_t size = strlen(base) + strlen(rest) + 1;
    *out = weft_alloc(size);
    if (!*out) return weft_fail(WEFT_ERR_NOMEM, "out of memory for the cache folder's name");
    snprintf(*out, size, "%s%s", base, rest);
    return WEFT_OK;
}

double weft_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
