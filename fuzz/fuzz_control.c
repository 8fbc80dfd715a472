/// The negative control of the drivers: a target that breaks a promise for one input.
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_require(size != 7 || memcmp(data, "control", 7) != 0, "no input is 'control'");
    return 0;
}
