/// stdout that notices a closed pipe, interruption by signals, and progress bars.
#include "app/app.h"

#include "core/file.h"
#include "core/visible.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// ---- stdout --------------------------------------------------------------------------------------------------------

static int out_error; // errno of the first write that failed

static bool check(bool ok) {
    if (!ok && !out_error) out_error = errno ? errno : EIO;
    return !out_error;
}

static bool out(const void *data, size_t size) {
    if (out_error) return false;
    return check(fwrite(data, 1, size, stdout) == size);
}

/// Writes and frees a text, made safe for a terminal.
static bool out_visible(struct weft_str *text) {
    struct weft_str shown = {0};
    weft_str_add_visible(&shown, WEFT_VISIBLE_TEXT, weft_str_get(text), text->len);
    bool failed = text->failed || shown.failed;
    if (failed) errno = ENOMEM;
    bool ok = failed ? check(false) : out(weft_str_get(&shown), shown.len);
    weft_str_free(text);
    weft_str_free(&shown);
    return ok;
}

bool weft_outf(const char *format, ...) {
    if (out_error) return false;
    struct weft_str text = {0};
    va_list args;
    va_start(args, format);
    weft_str_addv(&text, format, args);
    va_end(args);
    return out_visible(&text);
}

bool weft_out_content(const char *text, size_t size) {
    if (isatty(STDOUT_FILENO) != 1) return out(text, size);
    struct weft_str copy = {0};
    weft_str_addn(&copy, text, size);
    return out_visible(&copy);
}

bool weft_out_flush(void) { return !out_error && check(fflush(stdout) == 0); }

void weft_app_prompt(const char *text) {
    weft_out_flush();
    fputs(text, stderr);
    fflush(stderr);
}

bool weft_out_alive(void) { return !out_error; }

void weft_out_reset(void) { out_error = 0; }

int weft_out_close(int code) {
    weft_out_flush();
    if (!out_error) return code;
    if (out_error == EPIPE) return WEFT_EXIT_PIPE;
    int failed = weft_app_error("cannot write to standard output: %s", strerror(out_error));
    return code == WEFT_EXIT_OK ? failed : code;
}

// ---- interruption --------------------------------------------------------------------------------------------------

volatile int weft_interrupted;
struct weft_cancel weft_interrupt;

static void on_signal(int number) {
    weft_interrupted = number;
    weft_cancel_set(&weft_interrupt);
}

void weft_app_forget_interrupt(void) {
    weft_interrupted = 0;
    weft_cancel_clear(&weft_interrupt);
}

static void take_signals(bool on) {
    struct sigaction action = {.sa_handler = on ? on_signal : SIG_DFL};
    sigemptyset(&action.sa_mask);
    action.sa_flags = on ? (int)SA_RESETHAND : 0; // no SA_RESTART: reads and waits return to look at the flag
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void weft_app_catch_interrupts(bool on) {
    if (on) weft_app_forget_interrupt();
    take_signals(on);
}

void weft_app_rearm_interrupts(void) { take_signals(true); }

// ---- progress ------------------------------------------------------------------------------------------------------

void weft_bar_begin(struct weft_bar *bar, const char *label, bool bytes) {
    *bar = (struct weft_bar){.bytes = bytes, .on = isatty(STDERR_FILENO) == 1, .start = weft_now()};
    weft_visible(WEFT_VISIBLE_LINE, label, strlen(label), bar->label, sizeof bar->label);
}

void weft_bar_update(struct weft_bar *bar, uint64_t done, uint64_t total) {
    enum { WIDTH = 30 };
    double now = bar->on ? weft_now() : 0;
    if (!bar->on || !total || (bar->drawn && done < total && now - bar->last < 0.1)) return;
    if (done > total) done = total;
    int full = (int)((double)done / (double)total * WIDTH);
    char line[WIDTH + 1], amount[64] = "";
    for (int i = 0; i < WIDTH; i++) line[i] = i < full ? '#' : '.';
    line[WIDTH] = 0;
    if (bar->bytes) {
        double seconds = now - bar->start;
        snprintf(amount, sizeof amount, " %.1f of %.1f MB, %.1f MB/s", (double)done / 1e6, (double)total / 1e6,
                 seconds > 0 ? (double)done / 1e6 / seconds : 0.0);
    } else {
        snprintf(amount, sizeof amount, " %llu of %llu", (unsigned long long)done, (unsigned long long)total);
    }
    fprintf(stderr, "\r\033[K%s [%s] %3d %%%s", bar->label, line, (int)(done * 100 / total), amount);
    fflush(stderr);
    bar->drawn = true;
    bar->last = now;
}

void weft_bar_end(struct weft_bar *bar) {
    if (bar->on && bar->drawn) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    bar->drawn = false;
}
