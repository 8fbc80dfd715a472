/// Diagnostics: one process-wide sink, formatted here so that sinks stay trivial.
#include "core/log.h"
#include "core/visible.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    weft_log_fn fn;
    void *user;
    enum weft_log_level level;
} sink;

static enum weft_log_level level_from_environment(enum weft_log_level fallback) {
    static const char *const names[] = {"error", "warn", "info", "debug"};
    const char *text = getenv("WEFT_LOG");
    if (!text) return fallback;
    for (int i = 0; i < 4; i++) {
        if (strcmp(text, names[i]) == 0) return (enum weft_log_level)i;
    }
    return fallback;
}

void weft_log_set(weft_log_fn fn, void *user, enum weft_log_level level) {
    sink.fn = fn;
    sink.user = user;
    sink.level = level_from_environment(level);
}

void weft_log(enum weft_log_level level, const char *format, ...) {
    if (!sink.fn || level > sink.level) return;
    char text[2048], shown[2 * sizeof text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    weft_visible(WEFT_VISIBLE_LINE, text, strlen(text), shown, sizeof shown);
    sink.fn(sink.user, level, shown);
}
