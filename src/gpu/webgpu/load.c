// Finds and loads WebGPU libraries, each once.
#include "core/alloc.h"
#include "gpu/webgpu/load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_LIBS = 8 };
static struct weft_webgpu_lib *libs[MAX_LIBS];
static size_t n_libs;
static pthread_mutex_t libs_lock = PTHREAD_MUTEX_INITIALIZER;

// In the order in which a library is asked whether it is one of these.
static const struct weft_webgpu_loader *const loaders[] = {&weft_webgpu_load_wgpu, &weft_webgpu_load_dawn};
enum { LOADERS = sizeof loaders / sizeof *loaders };

static const struct weft_webgpu_loader *loader_of(enum weft_webgpu_kind kind) {
    for (size_t i = 0; i < LOADERS; i++)
        if (loaders[i]->kind == kind) return loaders[i];
    return NULL;
}

const char *weft_webgpu_kind_name(enum weft_webgpu_kind kind) {
    const struct weft_webgpu_loader *loader = loader_of(kind);
    return loader ? loader->name : "webgpu";
}

// Fills the table; the name of a procedure that is missing, or NULL.
static const char *fill_procs(void *handle, struct weft_webgpu_lib *lib) {
#define LOAD(name)                                                                                                     \
    if (!weft_webgpu_symbol(handle, "wgpu" #name, &lib->name)) return "wgpu" #name;
    WEFT_WEBGPU_PROCS(LOAD)
#undef LOAD
    lib->kind = WEFT_WEBGPU_OTHER;
    for (size_t i = 0; i < LOADERS; i++) {
        if (!loaders[i]->is(handle)) continue;
        lib->kind = loaders[i]->kind;
        return loaders[i]->fill(handle, lib);
    }
    return NULL;
}

static const struct weft_webgpu_lib *load_locked(const char *path, struct weft_str *tried) {
    for (size_t i = 0; i < n_libs; i++)
        if (strcmp(libs[i]->path, path) == 0) return libs[i];
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *why = dlerror();
        weft_str_addf(tried, "  %s\n", why ? why : path);
        return NULL;
    }
    struct weft_webgpu_lib *lib = n_libs < MAX_LIBS ? weft_calloc(1, sizeof *lib) : NULL;
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

void weft_webgpu_keep_alive(const struct weft_webgpu_lib *lib, WGPUInstance instance) {
    pthread_mutex_lock(&libs_lock);
    for (size_t i = 0; i < n_libs; i++) {
        if (libs[i] != lib || libs[i]->kept) continue;
        lib->InstanceAddRef(instance);
        libs[i]->kept = instance;
    }
    pthread_mutex_unlock(&libs_lock);
}

const struct weft_webgpu_lib *weft_webgpu_load_file(const char *path, struct weft_str *tried) {
    pthread_mutex_lock(&libs_lock);
    const struct weft_webgpu_lib *lib = load_locked(path, tried);
    pthread_mutex_unlock(&libs_lock);
    return lib;
}

// The folder of the executable, without a slash at its end; "" if unknown.
static void executable_dir(char *out, size_t size) {
    ssize_t n = readlink("/proc/self/exe", out, size - 1);
    out[n > 0 ? n : 0] = 0;
    char *slash = strrchr(out, '/');
    if (slash) *slash = 0;
}

static const struct weft_webgpu_lib *load_from(const char *dir, const char *const *names, struct weft_str *tried) {
    const struct weft_webgpu_lib *lib = NULL;
    for (; !lib && *names; names++) {
        char path[4096];
        snprintf(path, sizeof path, "%s%s%s", dir, *dir ? "/" : "", *names);
        if (*dir && access(path, R_OK) != 0) {
            weft_str_addf(tried, "  %s: not there\n", path);
            continue;
        }
        lib = weft_webgpu_load_file(path, tried);
    }
    return lib;
}

const struct weft_webgpu_lib *weft_webgpu_load(enum weft_webgpu_kind kind, struct weft_str *tried) {
    const char *const *names = loader_of(kind)->files;
    char exe[3072], beside[3200];
    executable_dir(exe, sizeof exe);
    snprintf(beside, sizeof beside, "%s/../lib/weft", exe);
    const char *asked = getenv("WEFT_WEBGPU_DIR");
    const char *dirs[] = {
        asked ? asked : "",
#ifdef WEFT_WEBGPU_DIR
        WEFT_WEBGPU_DIR,
#endif
        exe,
        *exe ? beside : "",
#ifdef WEFT_WEBGPU_INSTALL_DIR
        WEFT_WEBGPU_INSTALL_DIR,
#endif
    };
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        const struct weft_webgpu_lib *lib = *dirs[i] ? load_from(dirs[i], names, tried) : NULL;
        if (lib) return lib;
    }
    return load_from("", names, tried); // where the system's loader looks
}
