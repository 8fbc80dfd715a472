/// Diagnostics for people: off by default in the library, on stderr for the command line.
#ifndef WEFT_CORE_LOG_H
#define WEFT_CORE_LOG_H

enum weft_log_level { WEFT_LOG_ERROR, WEFT_LOG_WARN, WEFT_LOG_INFO, WEFT_LOG_DEBUG };

typedef void (*weft_log_fn)(void *user, enum weft_log_level level, const char *message);

/// Where messages go (NULL: nowhere) and the most detailed level that is passed on. Process-wide; set it
/// before threads start. `WEFT_LOG=debug|info|warn|error` in the environment overrides the level.
void weft_log_set(weft_log_fn fn, void *user, enum weft_log_level level);
/// One line, safe to print whatever the arguments hold (core/visible.h).
void weft_log(enum weft_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#endif
