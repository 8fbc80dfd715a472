/// The device of the environment, by way of the public API, for a group of tests.
#ifndef WEFT_TEST_API_DEVICE_H
#define WEFT_TEST_API_DEVICE_H
#include "api_graph.h"

static weft_device *device;

static inline int open_device(void **state) {
    (void)state;
    weft_status status = weft_device_open(NULL, &device);
    if (status != WEFT_OK) print_error("%s\n", weft_error_message());
    return status != WEFT_OK;
}

static inline int close_device(void **state) {
    (void)state;
    weft_device_close(&device);
    return 0;
}
#endif
