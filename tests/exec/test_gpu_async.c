/// Compiling in threads beside runs and reads of another session on drivers: async_tests.h, with results that count.
#include "async_tests.h"

int main(void) {
    async_rounds = 3;
    const struct CMUnitTest tests[] = {cmocka_unit_test(compiles_beside_runs)};
    return cmocka_run_group_tests(tests, async_setup, async_teardown);
}
