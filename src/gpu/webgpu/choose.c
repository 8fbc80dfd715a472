// Which implementation and adapter: what is asked for, else the best that is found.
#include "core/alloc.h"
#include "core/error.h"
#include "gpu/webgpu/impl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct candidates {
    struct weft_webgpu_adapter rows[3 * WEFT_WEBGPU_ADAPTERS];
    size_t n;
    struct weft_str tried;
};

static const char *asked_for(const struct weft_gpu_params *params) {
    const char *name = params->implementation ? params->implementation : getenv("WEFT_WEBGPU");
    return name && *name ? name : NULL;
}

static void add_lib(struct candidates *c, const struct weft_webgpu_lib *lib) {
    if (lib) c->n += weft_webgpu_adapters(lib, c->rows + c->n, &c->tried);
}

static bool only_cpu(const struct candidates *c) {
    for (size_t i = 0; i < c->n; i++)
        if (c->rows[i].caps.kind != WEFT_GPU_CPU) return false;
    return c->n > 0;
}

static void gather(struct candidates *c, const char *name) {
    if (!name || strcmp(name, "wgpu") == 0) add_lib(c, weft_webgpu_load(WEFT_WEBGPU_WGPU, &c->tried));
    // Both see the same drivers, and wgpu-native is preferred for CPU drivers.
    if (!name && only_cpu(c)) return;
    if (!name || strcmp(name, "dawn") == 0) add_lib(c, weft_webgpu_load(WEFT_WEBGPU_DAWN, &c->tried));
    if (name && strcmp(name, "wgpu") != 0 && strcmp(name, "dawn") != 0)
        add_lib(c, weft_webgpu_load_file(name, &c->tried));
}

static void candidates_free(struct candidates *c) {
    for (size_t i = 0; i < c->n; i++) weft_webgpu_adapter_free(&c->rows[i]);
    weft_str_free(&c->tried);
    weft_free(c);
}

// The first row of the library that wins; its adapters stand together, best first.
static size_t best_row(const struct candidates *c) {
    size_t best = 0;
    for (size_t i = 1; i < c->n; i++)
        if (c->rows[i].score > c->rows[best].score) best = i;
    return best;
}

static weft_status pick(const struct candidates *c, int adapter, size_t *out) {
    size_t best = best_row(c), count = 0;
    while (best + count < c->n && c->rows[best + count].lib == c->rows[best].lib) count++;
    if (adapter < 0 || (size_t)adapter >= count)
        return weft_fail(WEFT_ERR_NOT_FOUND, "%s has %zu adapters; there is no adapter %d", c->rows[best].lib->path,
                         count, adapter);
    *out = best + (size_t)adapter;
    return WEFT_OK;
}

static weft_status nothing(const struct candidates *c, const char *name) {
    return weft_fail(
        WEFT_ERR_NOT_FOUND,
        "no WebGPU device was found%s%s%s. Tried:\n%sInstall a GPU driver with Vulkan, or "
        "Mesa's CPU driver (Debian: mesa-vulkan-drivers), and put libwgpu_native-release.so or "
        "libwebgpu_dawn.so beside the program, or name a folder in WEFT_WEBGPU_DIR or a file in WEFT_WEBGPU",
        name ? " for '" : "", name ? name : "", name ? "'" : "", weft_str_get(&c->tried));
}

weft_status weft_webgpu_open(const struct weft_gpu_params *params, struct weft_gpu_opened *out) {
    const char *name = asked_for(params);
    struct candidates *c = weft_calloc(1, sizeof *c);
    if (!c) return weft_fail(WEFT_ERR_NOMEM, "out of memory looking for devices");
    gather(c, name);
    size_t row = 0;
    weft_status status = c->n ? pick(c, params->adapter, &row) : nothing(c, name);
    if (status == WEFT_OK) status = weft_webgpu_device_open(&c->rows[row], params, out);
    // An adapter that gives no device makes way for the next best, unless it was asked for.
    while (status == WEFT_ERR_DEVICE && !name && params->adapter == 0) {
        c->rows[row].score = -1;
        row = best_row(c);
        if (c->rows[row].score < 0) break;
        status = weft_webgpu_device_open(&c->rows[row], params, out);
    }
    while (status == WEFT_OK && row > 0 && c->rows[row - 1].lib == c->rows[row].lib) row--, out->adapter++;
    candidates_free(c);
    return status;
}

// ---- listing --------------------------------------------------------------------------------------------------------

static void list_row(struct weft_gpu_found *row, const struct weft_gpu_caps *caps, bool limits_min) {
    row->caps = *caps;
    row->usable = true;
    if (limits_min) weft_gpu_caps_min(&row->caps);
}

// A row with the reason why an implementation has no adapter, which is the lines gathered while it was looked for.
static void list_missing(struct weft_gpu_found *row, enum weft_webgpu_kind kind, const char *why) {
    snprintf(row->caps.implementation, sizeof row->caps.implementation, "%s", weft_webgpu_kind_name(kind));
    snprintf(row->why, sizeof row->why, "%s", why);
    for (char *c = row->why; *c; c++)
        if (*c == '\n') *c = c[1] ? ';' : 0;
}

static size_t list_kind(struct candidates *c, enum weft_webgpu_kind kind, const struct weft_gpu_params *params,
                        struct weft_gpu_found *rows, int *best, size_t *best_at, size_t at) {
    size_t first = c->n;
    weft_str_free(&c->tried);
    add_lib(c, weft_webgpu_load(kind, &c->tried));
    for (size_t i = first; i < c->n; i++) {
        list_row(&rows[at + i - first], &c->rows[i].caps, params->limits_min);
        if (c->rows[i].score > *best) *best = c->rows[i].score, *best_at = at + i - first;
    }
    if (c->n > first) return c->n - first;
    list_missing(&rows[at], kind, weft_str_get(&c->tried));
    return 1;
}

static bool matches(const char *name, const struct weft_gpu_caps *caps) {
    return !name || strcmp(name, caps->implementation) == 0 || strcmp(name, caps->library) == 0;
}

weft_status weft_gpu_list(const struct weft_gpu_params *params, struct weft_gpu_found **rows, size_t *count) {
    *rows = NULL;
    *count = 0;
    struct weft_gpu_params own = {0};
    if (params) own = *params;
    own.limits_min = weft_gpu_wants_min(&own);
    params = &own;
    struct candidates *c = weft_calloc(1, sizeof *c);
    struct weft_gpu_found *out = weft_calloc(2 * WEFT_WEBGPU_ADAPTERS + 3, sizeof *out);
    if (!c || !out) {
        weft_free(c);
        weft_free(out);
        return weft_fail(WEFT_ERR_NOMEM, "out of memory listing devices");
    }
    int best = -1;
    size_t best_at = 0, n = 0;
    n += list_kind(c, WEFT_WEBGPU_WGPU, params, out, &best, &best_at, n);
    n += list_kind(c, WEFT_WEBGPU_DAWN, params, out, &best, &best_at, n);
    struct weft_gpu_caps null_caps;
    weft_gpu_null_caps(&null_caps);
    list_row(&out[n++], &null_caps, params->limits_min);
    const char *name = asked_for(params);
    if (name) {
        best = -1;
        for (size_t i = 0; i < n && best < 0; i++)
            if (out[i].usable && matches(name, &out[i].caps)) best = 0, best_at = i;
    }
    if (best >= 0) out[best_at].chosen = true;
    candidates_free(c);
    *rows = out;
    *count = n;
    return WEFT_OK;
}
