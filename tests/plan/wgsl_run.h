/// One dispatch of a shader of a test's own: a read-only binding, a writable one, and what comes out of it.
#ifndef WEFT_TEST_WGSL_RUN_H
#define WEFT_TEST_WGSL_RUN_H
#include "core/error.h"
#include "core/str.h"
#include "gpu/gpu.h"
#include "plan/link.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define CHECK(call)                                                                                                    \
    do {                                                                                                               \
        if ((call) != WEFT_OK) fail_msg("%s: %s", #call, weft_error_message());                                        \
    } while (0)

static weft_gpu *gpu;

static inline int open_device(void **state) {
    (void)state;
    if (weft_gpu_open(NULL, &gpu) == WEFT_OK) return 0;
    print_error("no device: %s\n", weft_error_message());
    return -1;
}

static inline int close_device(void **state) {
    (void)state;
    weft_gpu_close(&gpu);
    return 0;
}

struct wgsl_run {
    const char *label;
    uint32_t workgroup, groups, workgroup_memory;
    const void *in;
    void *out;
    uint64_t in_bytes, out_bytes;
};

/// Runs the text with the functions of plan/scalar that it calls; frees it.
static inline void wgsl_run(struct weft_str *wgsl, const struct wgsl_run *r) {
    weft_link_scalars(wgsl);
    struct weft_pipeline_desc desc = {.label = r->label,
                                      .wgsl = weft_str_get(wgsl),
                                      .n_bindings = 2,
                                      .kinds = {WEFT_BIND_READ, WEFT_BIND_READ_WRITE},
                                      .workgroup = {r->workgroup, 1, 1},
                                      .workgroup_memory = r->workgroup_memory};
    weft_pipeline pipeline;
    weft_buf source, target;
    weft_bindgroup group;
    CHECK(weft_pipeline_get(gpu, &desc, &pipeline));
    CHECK(weft_buf_create(gpu, r->in_bytes, WEFT_BUF_STORAGE, "source", &source));
    CHECK(weft_buf_create(gpu, r->out_bytes, WEFT_BUF_STORAGE, "target", &target));
    CHECK(weft_buf_write(gpu, source, 0, r->in, r->in_bytes));
    struct weft_bind binds[] = {{source, 0, r->in_bytes}, {target, 0, r->out_bytes}};
    CHECK(weft_bindgroup_get(gpu, pipeline, binds, 2, &group));
    struct weft_gpu_step step = {.pipeline = pipeline, .group = group, .grid = {r->groups, 1, 1}, .label = r->label};
    CHECK(weft_gpu_submit(gpu, &(struct weft_gpu_submit){.steps = &step, .n_steps = 1}, NULL));
    CHECK(weft_buf_read(gpu, target, 0, r->out, r->out_bytes));
    weft_buf_release(gpu, &source);
    weft_buf_release(gpu, &target);
    weft_str_free(wgsl);
}
#endif
