/// A device: one adapter of one WebGPU implementation, found and loaded at run time.
///
/// Implementations are wgpu-native ("wgpu") and Dawn ("dawn"), each over Vulkan, Metal or D3D12; Vulkan also has
/// drivers that compute on the CPU. The null device ("null") checks everything that a device checks and computes
/// nothing: reads give zeros. It needs no driver, so programs can be compiled, inspected and tested anywhere.
///
/// Weft runs everything that a program does on the device it was compiled for; it never falls back to the CPU.
#ifndef WEFT_DEVICE_H
#define WEFT_DEVICE_H
#include "weft/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// An open device. Thread-safety: safe; any thread may use it at any time, except to close it.
typedef struct weft_gpu weft_device;

enum weft_device_kind {
    WEFT_DEVICE_NULL,       ///< computes nothing
    WEFT_DEVICE_CPU,        ///< a driver that computes on the CPU
    WEFT_DEVICE_INTEGRATED, ///< a GPU that shares the host's memory
    WEFT_DEVICE_DISCRETE,   ///< a GPU with memory of its own
    WEFT_DEVICE_OTHER,
};

/// How to open a device. Zero is the default of each field.
struct weft_device_params {
    size_t struct_size;         ///< WEFT_SIZED, or 0 (weft/version.h)
    const char *implementation; ///< "wgpu", "dawn", "null" or a library file; NULL: WEFT_WEBGPU, else the best found
    int adapter;                ///< which of the implementation's adapters; 0 is the one it prefers
    bool limits_min;            ///< use only what every WebGPU device has (also by WEFT_LIMITS=min); for tests
    /// Seconds without any work finishing after which a wait inside the library ends with TIMEOUT, naming the work in
    /// flight; the device then counts as lost. One submit may take as long. 0: waits have no end of their own.
    double timeout_seconds;
    bool profile; ///< measure the time of each step, by a pass of its own: weft_device_profile. Runs take longer
};

/// A shape of subgroup matrices: an m by k and a k by n one of type `in` give one of type `out`.
struct weft_device_matrix {
    uint32_t m, n, k;
    char in[8], out[8];
};
#define WEFT_DEVICE_MATRICES 16

/// What a device is and can do. Sizes are bytes. Texts end in NUL and may be empty.
struct weft_device_info {
    char implementation[32]; ///< "wgpu", "dawn", "null"
    char library[256];       ///< file that was loaded
    char adapter[128], driver[128];
    enum weft_device_kind kind;
    uint64_t memory;              ///< device memory, 0 if not known
    uint64_t max_buffer;          ///< one buffer
    uint64_t max_binding;         ///< as much of a tensor as one dispatch reaches; larger weights are split by rows
    uint32_t max_storage_buffers; ///< tensors that one dispatch reaches, at most
    uint32_t workgroup_memory;
    uint32_t max_invocations;  ///< threads of a workgroup, at most
    bool f16, subgroups, dot4; ///< half floats; subgroup operations; packed 8-bit dot products
    bool timestamps;
    uint32_t subgroup_min, subgroup_max; ///< 0 without subgroups, and in a list where only a shader could tell
    uint32_t matrix_configs;             ///< shapes of subgroup matrices, 0 without matrix units; those are in:
    struct weft_device_matrix matrices[WEFT_DEVICE_MATRICES];
    uint64_t reserved[4]; ///< zero
};

/// What a device has done since it was opened, and what is alive on it. Two readings are compared to show, for example,
/// that a run in steady state makes no buffer, bind group or pipeline.
struct weft_device_counters {
    uint64_t submits, passes, dispatches, copies;
    uint64_t bytes_written, bytes_read; ///< between host and device
    uint64_t buffers_made, buffers_live;
    uint64_t bytes_live, bytes_peak; ///< of all buffers
    uint64_t pipelines_made, groups_made, groups_live;
    uint64_t allocations;                  ///< host allocations of the device layer
    double encode_seconds, submit_seconds; ///< host time: encoding commands; inside the implementation's submit
    uint64_t reserved[4];                  ///< zero
};

/// Bytes of the buffers that are alive on a device, by what they are for. The parts add up to `total`, which is
/// bytes_live of the counters.
struct weft_device_memory {
    uint64_t weights;
    uint64_t states; ///< of sessions: variables, page tables, dense and ring states
    uint64_t pages;  ///< pools of pages: paged states of all sessions, pages_used + pages_free
    uint64_t pages_used, pages_free;
    uint64_t snapshots; ///< on the device, without the pages that they share
    uint64_t transients, params, io;
    uint64_t staging;  ///< for copies, and the pieces of large writes (16 MiB; 8 on a CPU driver)
    uint64_t readback; ///< for reads; kept for the next ones
    uint64_t other, total;
    uint64_t reserved[4]; ///< zero
};

/// One line of weft_device_list: an adapter, or the reason why an implementation has none.
struct weft_device_found {
    struct weft_device_info info;
    bool usable, chosen;  ///< `chosen`: weft_device_open would take this one
    char why[384];        ///< what is missing, if not usable
    uint64_t reserved[2]; ///< zero
};

/// Opens a device. `params` may be NULL. Takes from milliseconds to about a second.
/// On failure *out is NULL. Errors: NOT_FOUND with everything that was tried and what to install; DEVICE.
WEFT_API weft_status weft_device_open(const struct weft_device_params *params, weft_device **out);

/// Waits for the work in flight, frees everything and sets *device to NULL. Programs, models and buffers on it must
/// have been destroyed before. Work that hangs does not hang this call: after timeout_seconds (60 if that is 0) without
/// anything finishing it gives up, and leaves to the driver what it can't free. NULL, or a pointer to NULL, is fine.
WEFT_API void weft_device_close(weft_device **device);

/// Lists implementations and their adapters without opening one: writes at most `capacity` rows (`rows` may be NULL if
/// that is 0) and sets *count to how many there are. `params` may be NULL. Errors: NOMEM.
WEFT_API weft_status weft_device_list(const struct weft_device_params *params, struct weft_device_found *rows,
                                      size_t capacity, size_t *count);

/// Fills *out. Errors: INVALID (a NULL argument).
WEFT_API weft_status weft_device_info(const weft_device *device, struct weft_device_info *out);
/// Fills *out with the counters of this moment. Errors: INVALID (a NULL argument).
WEFT_API weft_status weft_device_counters(const weft_device *device, struct weft_device_counters *out);

/// Fills *out with the memory of this moment. Errors: INVALID (a NULL argument).
WEFT_API weft_status weft_device_memory(const weft_device *device, struct weft_device_memory *out);

/// Blocks until all work submitted so far, by any thread, is finished. Errors: LOST, DEVICE, TIMEOUT (params).
WEFT_API weft_status weft_device_wait_idle(weft_device *device);

/// Waits for the work in flight and calls `step`, which may be NULL, for the device's time of the steps since the last
/// call, summed by label. The device must have been opened with `profile`. Errors: UNSUPPORTED (without `profile`, or
/// no timestamps), NOMEM, LOST.
WEFT_API weft_status weft_device_profile(weft_device *device,
                                         void (*step)(void *user, const char *label, uint64_t count, double seconds),
                                         void *user);

/// Lets the implementation's callbacks run and calls what weft_session_on_done registered and is due, in this thread
/// and outside locks. Nothing else calls them. Does not block. Errors: LOST, DEVICE.
WEFT_API weft_status weft_device_poll(weft_device *device);

/// What a recovery made again. What failed returns LOST from every call, with the reason, until it is destroyed.
struct weft_recovery {
    uint32_t programs, programs_failed;
    uint32_t sessions, sessions_failed;
    uint32_t restored;    ///< of the sessions, those that stand where their last host snapshot was taken
    uint32_t gone;        ///< of the sessions, those that have states to be set anew: weft_session_lost_states
    uint64_t reserved[4]; ///< zero
};

/// After a call returned LOST: opens the same adapter again underneath the same handle and makes again what is on it,
/// in place, so that programs, sessions, models and buffers stay valid. Weights are read again from where they came
/// (`weights_stay` in weft/program.h; models keep their file). Sessions keep their live sizes and bindings; what inputs
/// and outputs hold is undefined; buffers (weft/buffer.h) are all zero. States are as in the session's last host
/// snapshot if it has one, else gone: until they are set anew (weft_session_reset, _restore, or _rewind to 0), runs and
/// reads of them return STALE and name one. Snapshots on the host survive, those on the device and checkpoints do not.
/// Reads that were not finished return STALE, fences LOST.
///
/// A device that was not lost is waited for, and then treated alike. While it runs, no other thread may be in a call on
/// anything that is on the device. What fails concerns only itself: the rest is recovered, and the first failure is
/// returned. `report` may be NULL. On failure to open the device stays lost, and this may be called again.
/// Errors: NOT_FOUND, DEVICE (the adapter is gone or another); UNSUPPORTED (weights that can't be read again: names the
/// program), or what reading them answers; NOMEM; LOST (lost once more).
///
/// wgpu-native ends the process when the driver reports a loss in a submit or while waiting; only losses that it
/// reports as errors come this far. See docs/faults.md.
WEFT_API weft_status weft_device_recover(weft_device *device, struct weft_recovery *report);

#ifdef __cplusplus
}
#endif
#endif
