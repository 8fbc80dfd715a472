// Loss of a device: Dawn is made to lose it; elsewhere the layer behaves as if (wgpu-native ends the process on a real
// one).
#include "gpu/gpu.h"
#include "gpu/gpu_test.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OK(e)                                                                                                          \
    do {                                                                                                               \
        weft_status ok_ = (e);                                                                                         \
        if (ok_ != WEFT_OK) fail_msg("%s: %s: %s", #e, weft_status_name(ok_), weft_error_message());                   \
    } while (0)
#define LOST(e) assert_int_equal((e), WEFT_ERR_LOST)

static void test_loss(void **state) {
    (void)state;
    weft_gpu *gpu;
    OK(weft_gpu_open(NULL, &gpu));
    weft_buf b, c;
    weft_pipeline p, q;
    weft_bindgroup g;
    weft_readback rb, other;
    struct weft_pipeline_desc d = {.label = "one",
                                   .n_bindings = 1,
                                   .kinds = {WEFT_BIND_READ_WRITE},
                                   .workgroup = {1, 1, 1},
                                   .wgsl = "@group(0) @binding(0) var<storage, read_write> y: array<u32>;\n"
                                           "@compute @workgroup_size(1) fn main() { y[0] += 1u; }"};
    OK(weft_buf_create(gpu, 256, WEFT_BUF_STORAGE, "b", &b));
    OK(weft_pipeline_get(gpu, &d, &p));
    struct weft_bind bind = {b, 0, 256}, part = {b, 0, 128};
    OK(weft_bindgroup_get(gpu, p, &bind, 1, &g));
    struct weft_gpu_step step = {p, g, 0, {1, 1, 1}, "one"};
    struct weft_gpu_submit submit = {.steps = &step, .n_steps = 1};
    uint64_t serial;
    OK(weft_gpu_submit(gpu, &submit, &serial));
    OK(weft_readback_start(gpu, b, 0, 16, &rb));
    weft_gpu_lose(gpu);
    char data[16];
    weft_status first = weft_gpu_poll(gpu, NULL);
    LOST(first);
    assert_non_null(strstr(weft_error_message(), "a test asked for it"));
    LOST(weft_gpu_poll(gpu, NULL)); // it stays so
    LOST(weft_gpu_submit(gpu, &submit, &serial));
    LOST(weft_gpu_wait(gpu, serial, -1));
    LOST(weft_gpu_wait_idle(gpu));
    LOST(weft_readback_finish(gpu, &rb, data, 16));
    LOST(weft_readback_start(gpu, b, 0, 16, &other));
    LOST(weft_buf_write(gpu, b, 0, data, 16));
    LOST(weft_buf_fill(gpu, b, 0, 16, 1));
    LOST(weft_buf_read(gpu, b, 0, data, 16));
    LOST(weft_buf_create(gpu, 16, WEFT_BUF_STORAGE, "c", &c));
    LOST(weft_bindgroup_get(gpu, p, &part, 1, &g));
    d.wgsl = "// other";
    LOST(weft_pipeline_get(gpu, &d, &q));
    weft_buf_release(gpu, &b);
    weft_gpu_close(&gpu);
    OK(weft_gpu_open(NULL, &gpu)); // and another can be opened
    OK(weft_buf_create(gpu, 256, WEFT_BUF_STORAGE, "b", &b));
    OK(weft_buf_read(gpu, b, 0, data, 16));
    weft_gpu_close(&gpu);
}

int main(void) {
    weft_gpu *gpu;
    if (weft_gpu_open(NULL, &gpu) != WEFT_OK) {
        fprintf(stderr, "%s\n", weft_error_message());
        return getenv("WEFT_TEST_ALLOW_NO_GPU") ? 0 : 1;
    }
    weft_gpu_close(&gpu);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_loss)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
