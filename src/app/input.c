#include "app/input.h"

#include "app/app.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/// Waits with signals let in only while it does. False: one came.
static bool wait_for_input(void) {
    sigset_t both, before;
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    sigprocmask(SIG_BLOCK, &both, &before);
    int n = weft_interrupted ? 0 : ppoll(&in, 1, NULL, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return n > 0 && !weft_interrupted;
}

static bool read_more(struct weft_input *in) {
    char bytes[4096];
    if (!wait_for_input()) return false;
    ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
    if (n < 0 && errno == EINTR) return !weft_interrupted;
    if (n > 0) weft_str_addn(&in->held, bytes, (size_t)n);
    in->ended = n <= 0 || in->held.failed;
    return true;
}

enum weft_input_result weft_input_line(struct weft_input *in, struct weft_str *out) {
    const char *end = NULL;
    size_t seen = 0;
    for (;;) {
        if (in->held.len > seen) end = memchr(in->held.data + seen, '\n', in->held.len - seen);
        seen = in->held.len;
        if (end || in->ended) break;
        if (!read_more(in)) return WEFT_INPUT_INTERRUPTED;
    }
    if (in->held.len == 0) return WEFT_INPUT_END;
    size_t n = end ? (size_t)(end - in->held.data) : in->held.len, next = end ? n + 1 : n;
    if (n > 0 && in->held.data[n - 1] == '\r') n--;
    weft_str_addn(out, in->held.data, n);
    memmove(in->held.data, in->held.data + next, in->held.len - next);
    weft_str_cut(&in->held, in->held.len - next);
    return WEFT_INPUT_LINE;
}

void weft_input_free(struct weft_input *in) { weft_str_free(&in->held); }
