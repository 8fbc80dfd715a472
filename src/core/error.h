/// How every module reports failure: one call that stores the sentence and returns the status.
#ifndef WEFT_CORE_ERROR_H
#define WEFT_CORE_ERROR_H
#include "weft/status.h"
#include <stddef.h>
#include <stdint.h>

/// Stores the formatted sentence for this thread and returns `status`, so that a failure is one line:
/// `return weft_fail(WEFT_ERR_FORMAT, "%s: tensor '%s' ends past the file", path, name);`
/// Whatever the arguments hold, the sentence becomes one line of UTF-8 without control characters (core/visible.h).
weft_status weft_fail(weft_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/// Puts "prefix: " in front of the sentence already stored and returns `status` unchanged (also WEFT_OK,
/// which it leaves alone). For callers that know the file or the step in which a lower module failed.
weft_status weft_fail_in(weft_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/// For work that reports some lack of memory as another failure: one that follows a refused allocation of this thread
/// since `before` (weft_alloc_failures) becomes NOMEM.
weft_status weft_blame_memory(uint64_t before, weft_status status);

/// Empties the sentence.
void weft_error_clear(void);

/// Returns the status of an expression that failed from the calling function.
#define WEFT_TRY(expression)                                                                                           \
    do {                                                                                                               \
        weft_status weft_try_status_ = (expression);                                                                   \
        if (weft_try_status_ != WEFT_OK) return weft_try_status_;                                                      \
    } while (0)

/// The same, for functions with a clean-up label: sets `status` and jumps to `fail`.
#define WEFT_GOTO(expression)                                                                                          \
    do {                                                                                                               \
        status = (expression);                                                                                         \
        if (status != WEFT_OK) goto fail;                                                                              \
    } while (0)
#endif
