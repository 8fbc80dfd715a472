/// Recovery from a lost device: what depends on it is made again in place, so that all handles stay valid. Each object
/// makes itself (`remake` of its struct weft_gpu_dependent). What can't be made again stays lost, reports why, and does
/// not affect objects that do not depend on it.
#include "core/error.h"
#include "gpu/gpu.h"
#include "weft/device.h"

weft_status weft_device_recover(weft_device *device, struct weft_recovery *report) {
    struct weft_recovery r = {0};
    size_t failed = 0;
    if (report) *report = r;
    if (!device) return weft_fail(WEFT_ERR_INVALID, "weft_device_recover: device must not be NULL");
    WEFT_TRY(weft_gpu_reopen(device));
    weft_status status = weft_gpu_remake(device, &r, &failed);
    if (report) *report = r;
    return weft_fail_in(status, "%u of %u programs and %u of %u sessions were recovered", r.programs,
                        r.programs + r.programs_failed, r.sessions, r.sessions + r.sessions_failed);
}
