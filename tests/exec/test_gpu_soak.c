/// The soak on a driver. The whole one is WEFT_SOAK_SECONDS=1800; what runs by default notices what each round leaves.
#include "soak.h"

static int setup(void **state) {
    (void)state;
    return weft_device_open(NULL, &soak_device) != WEFT_OK;
}

static void flat(void **state) {
    (void)state;
    const char *name = getenv("WEFT_WEBGPU"), *limits = getenv("WEFT_LIMITS");
    bool longer = name && strcmp(name, "wgpu") == 0 && !limits; // the other configurations do the same, slower
    soak(soak_device, soak_seconds(longer ? 20 : 5), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(soak_control), cmocka_unit_test(flat)};
    return cmocka_run_group_tests(tests, setup, soak_teardown);
}
