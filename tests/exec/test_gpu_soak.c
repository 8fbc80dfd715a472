/// The soak on a driver. The whole one is WEFT_SOAK_SECONDS=1800; what runs by default notices what each round leaves.
#include "soak.h"

static weft_device *device;

static int setup(void **state) {
    (void)state;
    return weft_device_open(NULL, &device) != WEFT_OK;
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
    const char *name = getenv("WEFT_WEBGPU"), *limits = getenv("WEFT_LIMITS");
    bool longer = name && strcmp(name, "wgpu") == 0 && !limits; // the other lanes do the same, slower
    soak(device, soak_seconds(longer ? 20 : 5), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(control), cmocka_unit_test(flat)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
