// Dawn: its own procedures, and whether its disk cache has the layout that dawn.h knows.
#include "gpu/webgpu/dawn.h"
#include "gpu/webgpu/load.h"

static const char *const files[] = {"libwebgpu_dawn.so", NULL};

static bool is_dawn(void *handle) { return dlsym(handle, "wgpuDeviceForceLoss") != NULL; }

static const char *fill(void *handle, struct weft_webgpu_lib *lib) {
    weft_webgpu_symbol(handle, "wgpuInstanceHasWGSLLanguageFeature", &lib->HasWGSLLanguageFeature);
    weft_webgpu_symbol(handle, "wgpuDeviceForceLoss", &lib->ForceLoss);
    lib->disk_cache = dlsym(handle, DAWN_CACHE_FINGERPRINT) != NULL;
    return NULL;
}

const struct weft_webgpu_loader weft_webgpu_load_dawn = {WEFT_WEBGPU_DAWN, "dawn", files, is_dawn, fill};
