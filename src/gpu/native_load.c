// Finds and loads WebGPU libraries.
#include "core/alloc.h"
#include "gpu/dawn.h"
#include "gpu/native.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_LIBS = 8 };
static struct weft_native_lib *libs[MAX_LIBS];
static size_t n_libs;
static pthread_mutex_t libs_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *const wgpu_names[] = {"libwgpu_native-release.so", "libwgpu_native.so", NULL};
static const char *const dawn_names[] = {"libwebgpu_dawn.so", NULL};

const char *weft_native_kind_name(enum weft_native_kind kind)
{
    return kind == WEFT_NATIVE_WGPU ? "wgpu" : kind == WEFT_NATIVE_DAWN ? "dawn" : "webgpu";
}

// POSIX lets a data pointer be turned into a function's; ISO C does not say so, hence the copy.
static bool symbol(void *handle, const char *name, void *proc)
{
    void *p = dlsym(handle, name);
    memcpy(proc, &p, sizeof p);
    return p != NULL;
}

static enum weft_native_kind kind_of(void *handle)
{
    if (dlsym(handle, "wgpuDevicePoll") && dlsym(handle, "wgpuGenerateReport")) return WEFT_NATIVE_WGPU;
    if (dlsym(handle, "wgpuDeviceForceLoss")) return WEFT_NATIVE_DAWN;
    return WEFT_NATIVE_OTHER;
}

// Fills the table; the name of a procedure that is missing, or NULL.
static const char *fill_procs(void *handle, struct weft_native_lib *lib)
{
#define LOAD(name)                                                                                                     \
    if (!symbol(handle, "wgpu" #name, &lib->name)) return "wgpu" #name;
    WEFT_NATIVE_PROCS(LOAD)
#undef LOAD
    lib->kind = kind_of(handle);
    if (lib->kind == WEFT_NATIVE_WGPU) {
        if (!symbol(handle, "wgpuInstanceEnumerateAdapters", &lib->EnumerateAdapters))
            return "wgpuInstanceEnumerateAdapters";
        if (!symbol(handle, "wgpuDevicePoll", &lib->DevicePoll)) return "wgpuDevicePoll";
        if (!symbol(handle, "wgpuQueueGetTimestampPeriod", &lib->GetTimestampPeriod))
            return "wgpuQueueGetTimestampPeriod";
        symbol(handle, "wgpuDeviceCreateShaderModuleTrusted", &lib->CreateShaderModuleTrusted); // may be missing
    } else if (lib->kind == WEFT_NATIVE_DAWN) {
        symbol(handle, "wgpuInstanceHasWGSLLanguageFeature", &lib->HasWGSLLanguageFeature);
        symbol(handle, "wgpuDeviceForceLoss", &lib->ForceLoss);
        lib->disk_cache = dlsym(handle, DAWN_CACHE_FINGERPRINT) != NULL;
    }
    return NULL;
}

static const struct weft_native_lib *load_locked(const char *path, struct weft_str *tried)
{
    for (size_t i = 0; i < n_libs; i++)
        if (strcmp(libs[i]->path, path) == 0) return libs[i];
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *why = dlerror();
        weft_str_addf(tried, "  %s\n", why ? why : path);
        return NULL;
    }
    struct weft_native_lib *lib = n_libs < MAX_LIBS ? weft_calloc(1, sizeof *lib) : NULL;
    const char *missing = lib ? fill_procs(handle, lib) : NULL;
    if (!lib || missing) {
        if (missing) weft_str_addf(tried, "  %s: has no %s; it is too old or no WebGPU library\n", path, missing);
        else weft_str_addf(tried, "  %s: no room for another library\n", path);
        weft_free(lib);
        dlclose(handle);
        return NULL;
    }
    snprintf(lib->path, sizeof lib->path, "%s", path);
    libs[n_libs++] = lib;
    return lib;
}

void weft_native_anchor(const struct weft_native_lib *lib, WGPUInstance instance)
{
    pthread_mutex_lock(&libs_lock);
    for (size_t i = 0; i < n_libs; i++) {
        if (libs[i] != lib || libs[i]->anchor) continue;
        lib->InstanceAddRef(instance);
        libs[i]->anchor = instance;
    }
    pthread_mutex_unlock(&libs_lock);
}

const struct weft_native_lib *weft_native_load_file(const char *path, struct weft_str *tried)
{
    pthread_mutex_lock(&libs_lock);
    const struct weft_native_lib *lib = load_locked(path, tried);
    pthread_mutex_unlock(&libs_lock);
    return lib;
}

// The folder of the executable, without a slash at its end; "" if unknown.
static void executable_dir(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size - 1);
    out[n > 0 ? n : 0] = 0;
    char *slash = strrchr(out, '/');
    if (slash) *slash = 0;
}

static const struct weft_native_lib *load_from(const char *dir, const char *const *names, struct weft_str *tried)
{
    const struct weft_native_lib *lib = NULL;
    for (; !lib && *names; names++) {
        char path[4096];
        snprintf(path, sizeof path, "%s%s%s", dir, *dir ? "/" : "", *names);
        if (*dir && access(path, R_OK) != 0) {
            weft_str_addf(tried, "  %s: not there\n", path);
            continue;
        }
        lib = weft_native_load_file(path, tried);
    }
    return lib;
}

const struct weft_native_lib *weft_native_load(enum weft_native_kind kind, struct weft_str *tried)
{
    const char *const *names = kind == WEFT_NATIVE_DAWN ? dawn_names : wgpu_names;
    char exe[3072], beside[3200];
    executable_dir(exe, sizeof exe);
    snprintf(beside, sizeof beside, "%s/../lib/weft", exe);
    const char *asked = getenv("WEFT_WEBGPU_DIR");
    const char *dirs[] = {asked ? asked : "",
#ifdef WEFT_WEBGPU_DIR
                          WEFT_WEBGPU_DIR,
#endif
                          exe, *exe ? beside : "",
#ifdef WEFT_WEBGPU_INSTALL_DIR
                          WEFT_WEBGPU_INSTALL_DIR,
#endif
    };
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        const struct weft_native_lib *lib = *dirs[i] ? load_from(dirs[i], names, tried) : NULL;
        if (lib) return lib;
    }
    return load_from("", names, tried); // where the system's loader looks
}
