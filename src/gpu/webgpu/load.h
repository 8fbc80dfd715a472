/// How one implementation of webgpu.h is found and recognised. Each has a file load_NAME.c; load.c knows them as rows.
#ifndef WEFT_GPU_WEBGPU_LOAD_H
#define WEFT_GPU_WEBGPU_LOAD_H
#include "gpu/webgpu/impl.h"
#include <dlfcn.h>
#include <string.h>

struct weft_webgpu_loader {
    enum weft_webgpu_kind kind;
    const char *name;         ///< as WEFT_WEBGPU takes it
    const char *const *files; ///< of the library, the first that is there; ends at NULL
    bool (*is)(void *handle); ///< whether a loaded library is of this implementation
    /// Fills in what the standard header does not have. Returns the name of a procedure that is missing, or NULL.
    const char *(*fill)(void *handle, struct weft_webgpu_lib *lib);
};

extern const struct weft_webgpu_loader weft_webgpu_load_wgpu, weft_webgpu_load_dawn;

/// Looks a procedure up. POSIX lets a data pointer be turned into a function's; ISO C does not say so, hence the copy.
static inline bool weft_webgpu_symbol(void *handle, const char *name, void *proc) {
    void *p = dlsym(handle, name);
    memcpy(proc, &p, sizeof p);
    return p != NULL;
}
#endif
