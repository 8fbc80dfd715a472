// How a wait lets time pass on systems with threads: the `pause` of every native device.
#include "core/thread.h"
#include "gpu/gpu_backend.h"
#include <sched.h>

void weft_gpu_pause_native(double seconds) {
    if (seconds > 0) weft_sleep(seconds);
    else sched_yield();
}
