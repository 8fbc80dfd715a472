// Questions to the device that its adapter does not answer: the subgroup size, and whether packed dot products
// compile. The probe runs above the validation layer, as any other user of it.
#include "gpu/open.h"
#include "core/error.h"

static const char dot4_wgsl[] =
    "@group(0) @binding(0) var<storage, read_write> y: array<i32>;\n"
    "@compute @workgroup_size(1) fn main() { y[0] = dot4I8Packed(u32(y[1]), u32(y[2])); }\n";

static const char size_wgsl[] =
    "@group(0) @binding(0) var<storage, read_write> y: array<u32>;\n"
    "@compute @workgroup_size(64) fn main(@builtin(subgroup_size) n: u32, @builtin(local_invocation_index) i: u32) {\n"
    "  if (i == 0u) { y[0] = n; }\n"
    "}\n";

static weft_status run_one(weft_gpu *gpu, weft_pipeline pipeline, weft_buf y, uint32_t *answer) {
    struct weft_bind bind = {y, 0, 16};
    weft_bindgroup group;
    WEFT_TRY(weft_bindgroup_get(gpu, pipeline, &bind, 1, &group));
    struct weft_gpu_step step = {.pipeline = pipeline, .group = group, .grid = {1, 1, 1}, .label = "probe"};
    WEFT_TRY(weft_gpu_submit(gpu, &(struct weft_gpu_submit){.steps = &step, .n_steps = 1}, NULL));
    return weft_buf_read(gpu, y, 0, answer, sizeof *answer);
}

// A device that can't answer is used without subgroups.
static weft_status probe_subgroups(weft_gpu *gpu) {
    struct weft_pipeline_desc desc = {.label = "subgroup size",
                                      .wgsl = size_wgsl,
                                      .n_bindings = 1,
                                      .kinds = {WEFT_BIND_READ_WRITE},
                                      .workgroup = {64, 1, 1}};
    weft_pipeline pipeline;
    weft_buf y;
    uint32_t size = 0;
    weft_status status = weft_pipeline_get(gpu, &desc, &pipeline);
    if (status == WEFT_OK) {
        status = weft_buf_create(gpu, 16, WEFT_BUF_STORAGE, "probe", &y);
        if (status == WEFT_OK) status = run_one(gpu, pipeline, y, &size);
        weft_buf_release(gpu, &y);
    }
    if (status != WEFT_OK && status != WEFT_ERR_DEVICE) return status;
    gpu->caps.subgroups = size > 0;
    gpu->caps.subgroup_min = gpu->caps.subgroup_max = size;
    return WEFT_OK;
}

static weft_status probe_dot4(weft_gpu *gpu) {
    struct weft_pipeline_desc desc = {
        .label = "dot4", .wgsl = dot4_wgsl, .n_bindings = 1, .kinds = {WEFT_BIND_READ_WRITE}, .workgroup = {1, 1, 1}};
    weft_pipeline pipeline;
    weft_status status = weft_pipeline_get(gpu, &desc, &pipeline);
    gpu->caps.dot4 = status == WEFT_OK;
    return status == WEFT_ERR_DEVICE ? WEFT_OK : status;
}

weft_status weft_gpu_probe(weft_gpu *gpu, bool subgroups, bool dot4) {
    const struct weft_gpu_counters counters = gpu->counters;
    const struct weft_gpu_inject inject = gpu->inject;
    const uint64_t serial = gpu->serial;
    const bool profile = gpu->profile;
    // What the probe does is not the caller's: it meets no fault of a test and appears in no profile and no counter.
    gpu->inject = (struct weft_gpu_inject){0};
    gpu->profile = false;
    weft_status status = dot4 ? probe_dot4(gpu) : WEFT_OK;
    if (status == WEFT_OK && subgroups) status = probe_subgroups(gpu);
    weft_gpu_lock(gpu);
    weft_gpu_readbacks_trim(gpu);
    gpu->profile = profile;
    gpu->inject = inject;
    gpu->counters = counters;
    gpu->serial = gpu->finished = serial;
    weft_gpu_unlock(gpu);
    if (status == WEFT_OK) weft_error_clear(); // a refused probe is an answer, not a failure
    return status;
}
