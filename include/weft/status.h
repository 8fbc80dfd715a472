/// Status codes and the error sentence.
///
/// Every fallible call of Weft returns a `weft_status`; zero is success. The sentence that says what
/// failed, with the names, shapes and limits involved and the way out, is kept per thread until the next
/// failure on that thread. Nothing in the library aborts, exits or asserts on user input.
#ifndef WEFT_STATUS_H
#define WEFT_STATUS_H
#include "weft/version.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum weft_status {
    WEFT_OK = 0,
    WEFT_ERR_INVALID,     ///< an argument or a graph is wrong; nothing was done
    WEFT_ERR_NOMEM,       ///< host or device memory ran out; nothing was leaked
    WEFT_ERR_IO,          ///< a file or a download could not be read or written
    WEFT_ERR_FORMAT,      ///< a file is damaged or is not what its name says
    WEFT_ERR_UNSUPPORTED, ///< well formed, but there is no kernel, type or model family for it
    WEFT_ERR_LIMIT,       ///< larger than the device or the caller's bound allows
    WEFT_ERR_STALE,       ///< a buffer that was bound has been released or made anew
    WEFT_ERR_LOST,        ///< the device is gone: weft_device_recover it, or close it
    WEFT_ERR_DEVICE,      ///< the WebGPU implementation reported an error
    WEFT_ERR_NOT_FOUND,   ///< no such file, implementation, adapter, model or name
    WEFT_ERR_CANCELLED,   ///< the caller asked to stop
    WEFT_ERR_TIMEOUT,     ///< the time given ran out
    WEFT_ERR_INTERNAL,    ///< a fault of Weft itself; please report it
} weft_status;

/// Name of a status, such as "WEFT_ERR_LIMIT". Never NULL; static storage. Thread-safety: safe.
WEFT_API const char *weft_status_name(weft_status status);

/// The sentence of the last failure on the calling thread, "" if there was none. It is one line of UTF-8 and safe to
/// print: what it quotes from files and drivers has control characters and bytes that are no UTF-8 written out, as in
/// \x1b, \u009b or \xff. The pointer stays valid until the next Weft call on this thread. Thread-safety: safe, each
/// thread sees its own.
WEFT_API const char *weft_error_message(void);

#ifdef __cplusplus
}
#endif
#endif
