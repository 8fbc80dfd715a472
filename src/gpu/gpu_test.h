/// Faults, for tests only: of the device as a whole, and of the n-th call that the validation layer makes to it.
#ifndef WEFT_GPU_GPU_TEST_H
#define WEFT_GPU_GPU_TEST_H
#include "gpu/gpu.h"

/// Calls to the device that can go wrong.
enum weft_gpu_site {
    WEFT_GPU_AT_BUFFER = 1,
    WEFT_GPU_AT_WRITE = 2,
    WEFT_GPU_AT_LAYOUT = 4,
    WEFT_GPU_AT_PIPELINE = 8,
    WEFT_GPU_AT_GROUP = 16,
    WEFT_GPU_AT_SUBMIT = 32, ///< copies, fills and flushes too
    WEFT_GPU_AT_MAP = 64,
    WEFT_GPU_AT_ANY = 127,
};

enum weft_gpu_fault {
    WEFT_GPU_NO_MEMORY, ///< the call is not made and answers NOMEM
    WEFT_GPU_LOSS,      ///< the device is lost before the call, which answers LOST
    WEFT_GPU_LOSS_IN,   ///< the device is lost, then the call is made as if nobody knew yet
};

/// Makes the n-th of the calls that are named by `sites` (a set of enum weft_gpu_site) go wrong, once; 0 turns it off.
/// Stays armed while the device is opened again. Counting starts with this call.
void weft_gpu_inject(weft_gpu *gpu, enum weft_gpu_fault fault, uint32_t sites, uint64_t n);
/// Calls counted so far.
uint64_t weft_gpu_injected(const weft_gpu *gpu);
/// Loses the device. Dawn is made to lose it in earnest; elsewhere the layer behaves as if.
void weft_gpu_lose(weft_gpu *gpu);
/// Threads that uploads and reads copy with, the caller's among them; by default one a processor, at most 8.
void weft_gpu_set_threads(weft_gpu *gpu, int threads);
/// Until it is turned off, the null device finishes nothing more. False: not a null device.
bool weft_gpu_stall(weft_gpu *gpu, bool on);
#endif
