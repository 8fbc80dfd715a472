/// Buffers of your own on the device, and what a session's inputs and outputs are bound to.
///
/// Each input and output of a session has a buffer of the session's own, which weft_session_write and _read reach.
/// Instead it can be bound to a range of a weft_buffer, so that results of one program are inputs of the next without
/// a copy, or to memory of the host, which is copied at the runs. Binding again is cheap: it makes no pipeline, and no
/// bind group for a range that the session was bound to before. Runs begun before a call here keep what they were
/// begun with.
///
/// A range begins at a multiple of WEFT_BUFFER_ALIGN and takes whole blocks of that many bytes: what lies between its
/// end and the next multiple belongs to it too, and runs may overwrite it.
#ifndef WEFT_BUFFER_H
#define WEFT_BUFFER_H
#include "weft/session.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_BUFFER_ALIGN 256

/// Memory on a device. Thread-safety: safe, except that nothing may use a buffer while it is destroyed.
typedef struct weft_buffer weft_buffer;

/// Makes a buffer of at least one byte, all zero. The device must outlive it. On failure *out is NULL.
/// Errors: INVALID (0 bytes), LIMIT (names the device's limit), NOMEM, LOST.
WEFT_API weft_status weft_buffer_create(weft_device *device, uint64_t bytes, weft_buffer **out);
/// Frees a buffer, after the work in flight that uses it, and sets *buffer to NULL. Sessions that are bound to it
/// refuse to run (STALE) until they are bound to something else. NULL, or a pointer to NULL, is fine.
WEFT_API void weft_buffer_destroy(weft_buffer **buffer);
/// Bytes that it was made with; 0 for NULL.
WEFT_API uint64_t weft_buffer_size(const weft_buffer *buffer);

/// Writes, ordered after the runs before and before those that follow, of all sessions. `data` may be reused at once.
/// Offset and bytes are multiples of 4. What is larger than 8 MiB may wait for work in flight. Errors: INVALID, LIMIT
/// (beyond the end), LOST; TIMEOUT of such a wait.
WEFT_API weft_status weft_buffer_write(weft_buffer *buffer, uint64_t offset, const void *data, uint64_t bytes);
/// Reads; waits for all that was queued before. Errors as above; TIMEOUT (weft_device_params).
WEFT_API weft_status weft_buffer_read(weft_buffer *buffer, uint64_t offset, void *data, uint64_t bytes);
/// Reads that do not block, as weft_session_read_async and its companions.
WEFT_API weft_status weft_buffer_read_async(weft_buffer *buffer, uint64_t offset, uint64_t bytes, weft_pending *out);
WEFT_API weft_status weft_buffer_read_done(weft_buffer *buffer, weft_pending pending, bool *done);
WEFT_API weft_status weft_buffer_read_finish(weft_buffer *buffer, weft_pending *pending, void *data, uint64_t bytes);

// ---- binding -------------------------------------------------------------------------------------------------------
// One thread at a time uses a session, here too. Every call is all or nothing: what is refused changes nothing.

/// Binds an input or output to bytes offset .. offset + bytes of `buffer`; bytes 0: to its end. They must be enough for
/// the live size; a resize beyond them is refused, so set the sizes first where the buffer is smaller than the largest.
/// While it is bound, the session's own buffer takes no memory (see `staged` below for an exception). A NULL `buffer`
/// gives the session's own buffer back, all zero if it was given up.
///
/// An output may share no byte with another output or an input, though they may lie in one buffer. Where WebGPU cannot
/// bind an input and an output in one buffer, the input is staged: copied to the session's own buffer when a run
/// begins.
/// Errors: NOT_FOUND (lists the names); INVALID (a state; an offset that is not aligned; a buffer of another device; an
/// overlap, names both); LIMIT (range beyond the end; too few bytes: names the tensor, the bytes bound and needed);
/// NOMEM; STALE (`buffer` has been destroyed with its device).
WEFT_API weft_status weft_session_bind(weft_session *session, const char *name, weft_buffer *buffer, uint64_t offset,
                                       uint64_t bytes);

/// Binds an input or output to memory of the host, which must be enough for the live size as weft_session_tensor gives
/// it. An input is copied by each weft_session_run before it returns, so the data may change afterwards. An output is
/// filled, in the thread that calls, when weft_session_wait, weft_session_run_blocking or a weft_session_done that says
/// true covers the run's fence: with the results of the newest run covered. Of runs not waited for, results of the last
/// WEFT_HOST_RUNS are kept. The memory is yours, and no other thread may touch it during those calls. It must live
/// until the output is bound to a buffer or unbound (`data` NULL), which forgets results not yet filled in, or the
/// session is destroyed. Binding other memory of the host forgets nothing: what runs before it gave still goes to the
/// memory of then, so outputs can take turns; that must live until those runs were waited for.
/// Errors as above.
WEFT_API weft_status weft_session_bind_host(weft_session *session, const char *name, void *data, uint64_t bytes);
#define WEFT_HOST_RUNS 4

/// What an input or output is bound to.
struct weft_binding {
    const char *name;
    weft_buffer *buffer;    ///< or NULL
    uint64_t offset, bytes; ///< as asked for (0 resolved); of the session's own buffer: 0 and its size
    void *host;             ///< memory of the host, if `buffer` is NULL, or NULL: the session's own buffer
    bool staged;            ///< out: copied from or to the range at each run
    bool stale;             ///< out: `buffer` has been destroyed; the pointer is only good for comparing
    uint64_t reserved[2];   ///< zero
};

/// Binds several at once, so that overlaps are validated when all have changed: two bindings can be swapped. The
/// session's own buffer: both pointers NULL. Errors as of the calls above.
WEFT_API weft_status weft_session_bind_all(weft_session *session, const struct weft_binding *bindings, size_t count);
/// What an input or output is bound to. `out->name` lives as long as the program. Errors: NOT_FOUND.
WEFT_API weft_status weft_session_binding(const weft_session *session, const char *name, struct weft_binding *out);

#ifdef __cplusplus
}
#endif
#endif
