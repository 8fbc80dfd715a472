/// The soak on the null device: half a minute by hand is hours of use.
#include "soak.h"

static weft_device *device;

static int setup(void **state) {
    (void)state;
    return weft_device_open(&(struct weft_device_params){.implementation = "null"}, &device) != WEFT_OK;
}

static int teardown(void **state) {
    (void)state;
    weft_device_close(&device);
    return 0;
}

static void control(void **state) {
    (void)state;
    soak_notices(device);
}

static void flat(void **state) {
    (void)state;
    soak(device, soak_seconds(5), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(control), cmocka_unit_test(flat)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
