/// A null device with three buffers, a pipeline and a bind group, for tests of the validation layer's rules.
#ifndef WEFT_TEST_NULL_WORLD_H
#define WEFT_TEST_NULL_WORLD_H
#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"
#include "gpu/gpu.h"
#include "gpu/gpu_test.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OK(e) assert_int_equal((e), WEFT_OK)

// A refusal: the status, and a word that the sentence must have.
#define REFUSED(e, status, word)                                                                                       \
    do {                                                                                                               \
        assert_int_equal((e), (status));                                                                               \
        if (!strstr(weft_error_message(), (word))) fail_msg("'%s' lacks '%s'", weft_error_message(), (word));          \
    } while (0)

struct world {
    weft_gpu *gpu;
    weft_buf uniform, a, b;
    weft_pipeline add; // uniform, read, read_write
    weft_bindgroup group;
};

static inline struct weft_pipeline_desc add_desc(void) {
    return (struct weft_pipeline_desc){.label = "add",
                                       .wgsl = "// add",
                                       .n_bindings = 3,
                                       .kinds = {WEFT_BIND_UNIFORM, WEFT_BIND_READ, WEFT_BIND_READ_WRITE},
                                       .uniform_size = 64,
                                       .workgroup = {64, 1, 1}};
}

static inline weft_gpu *open_null(bool min) {
    weft_gpu *gpu = NULL;
    struct weft_gpu_params params = {.implementation = "null", .limits_min = min};
    OK(weft_gpu_open(&params, &gpu));
    return gpu;
}

static inline struct world open_world(void) {
    struct world w = {.gpu = open_null(false)};
    OK(weft_buf_create(w.gpu, 4 * 256, WEFT_BUF_UNIFORM, "arena", &w.uniform));
    OK(weft_buf_create(w.gpu, 4096, WEFT_BUF_STORAGE, "a", &w.a));
    OK(weft_buf_create(w.gpu, 4096, WEFT_BUF_STORAGE, "b", &w.b));
    struct weft_pipeline_desc desc = add_desc();
    OK(weft_pipeline_get(w.gpu, &desc, &w.add));
    struct weft_bind binds[] = {{w.uniform, 0, 64}, {w.a, 0, 4096}, {w.b, 0, 4096}};
    OK(weft_bindgroup_get(w.gpu, w.add, binds, 3, &w.group));
    return w;
}

static inline weft_status run(const struct world *w, struct weft_gpu_step step, uint64_t *serial) {
    return weft_gpu_submit(w->gpu, &(struct weft_gpu_submit){.steps = &step, .n_steps = 1}, serial);
}

static inline struct weft_gpu_step step_of(const struct world *w) {
    return (struct weft_gpu_step){.pipeline = w->add, .group = w->group, .grid = {1, 1, 1}, .label = "sum"};
}
#endif
