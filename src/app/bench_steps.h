/// What `weft bench --steps` prints. The device was opened with `profile`.
#ifndef WEFT_APP_BENCH_STEPS_H
#define WEFT_APP_BENCH_STEPS_H
#include "weft/device.h"

/// Waits for the device and prints its time by step since the last call, longest first; counting begins anew. Errors:
/// UNSUPPORTED (no timestamps), NOMEM, LOST.
weft_status weft_bench_print_steps(weft_device *device);
/// Begins counting anew.
weft_status weft_bench_forget_steps(weft_device *device);
#endif
