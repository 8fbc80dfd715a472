/// Ending from elsewhere what takes long.
///
/// A struct weft_cancel is memory of the caller's, all zero at first. Calls that take long have a place for one in
/// their params and look at it again and again: weft_program_compile, weft_plan_make, weft_model_open with whatever a
/// model does later, weft_model_generate, conversations. Once it is set they end soon and leave nothing behind: within
/// what one pipeline takes to be made, one run to be finished or 4 MiB to be loaded. A call whose cancel is set before
/// it begins does nothing. It stays set until it is cleared, so that a cancel that comes early is not lost, and one may
/// stand for several calls on several threads.
///
///     static struct weft_cancel stop;
///     static void on_signal(int number) { weft_cancel_set(&stop); }
///     ...
///     struct weft_program_compile_params params = {WEFT_SIZED(weft_program_compile_params), .cancel = &stop};
///
/// Runs and reads of a session are ended by weft_session_cancel instead.
#ifndef WEFT_CANCEL_H
#define WEFT_CANCEL_H
#include "weft/version.h"
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Thread-safety: safe. It must live as long as what was given it says: until the call returns, or a model is closed.
struct weft_cancel {
    uint32_t set;         ///< only the calls below touch it
    uint32_t reserved[3]; ///< zero
};

/// Sets it, so that what looks at it ends with CANCELLED (generation: with WEFT_STOP_CALLER). From any thread, from
/// callbacks, and from signal handlers. NULL is fine.
WEFT_API void weft_cancel_set(struct weft_cancel *cancel);
/// Clears it, so that calls begun from now on go on. NULL is fine.
WEFT_API void weft_cancel_clear(struct weft_cancel *cancel);
WEFT_API bool weft_cancel_is_set(const struct weft_cancel *cancel); ///< false for NULL

#ifdef __cplusplus
}
#endif
#endif
