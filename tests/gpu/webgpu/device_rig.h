/// The device that all tests of a program share, as their group's set-up and end.
#ifndef WEFT_TEST_GPU_DEVICE_RIG_H
#define WEFT_TEST_GPU_DEVICE_RIG_H
#include "core/error.h"
#include "gpu/gpu.h"
#include <stdio.h>
#include <stdlib.h>

static weft_gpu *gpu;

static int open_device(void **state) {
    (void)state;
    if (weft_gpu_open(NULL, &gpu) == WEFT_OK) return 0;
    fprintf(stderr, "%s\n", weft_error_message());
    if (!getenv("WEFT_TEST_ALLOW_NO_GPU")) return -1;
    fprintf(stderr, "no device: these tests were not run\n");
    exit(0);
}

static int close_device(void **state) {
    (void)state;
    weft_gpu_close(&gpu);
    return 0;
}
#endif
