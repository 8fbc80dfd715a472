// wgpu-native: the procedures of wgpu.h that Weft calls beside the standard ones.
#include "gpu/webgpu/load.h"

static const char *const files[] = {"libwgpu_native-release.so", "libwgpu_native.so", NULL};

static bool is_wgpu(void *handle) { return dlsym(handle, "wgpuDevicePoll") && dlsym(handle, "wgpuGenerateReport"); }

static const char *fill(void *handle, struct weft_webgpu_lib *lib) {
    if (!weft_webgpu_symbol(handle, "wgpuInstanceEnumerateAdapters", &lib->EnumerateAdapters))
        return "wgpuInstanceEnumerateAdapters";
    if (!weft_webgpu_symbol(handle, "wgpuDevicePoll", &lib->DevicePoll)) return "wgpuDevicePoll";
    if (!weft_webgpu_symbol(handle, "wgpuQueueGetTimestampPeriod", &lib->GetTimestampPeriod))
        return "wgpuQueueGetTimestampPeriod";
    weft_webgpu_symbol(handle, "wgpuDeviceCreateShaderModuleTrusted", &lib->CreateShaderModuleTrusted); // optional
    return NULL;
}

const struct weft_webgpu_loader weft_webgpu_load_wgpu = {WEFT_WEBGPU_WGPU, "wgpu", files, is_wgpu, fill};
