/// The soak on the null device: half a minute by hand is hours of use.
#include "soak.h"

static int setup(void **state) {
    (void)state;
    return weft_device_open(&(struct weft_device_params){.implementation = "null"}, &soak_device) != WEFT_OK;
}

static void flat(void **state) {
    (void)state;
    soak(soak_device, soak_seconds(5), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(soak_control), cmocka_unit_test(flat)};
    return cmocka_run_group_tests(tests, setup, soak_teardown);
}
