/// Bytes of host memory that Weft's own code holds, exactly as it asked for them. Programs that are linked with
/// host_bytes.c and its options (cmake/WeftTests.cmake) send malloc and its kin through it; what drivers and libraries
/// take does not count.
#ifndef WEFT_TEST_HOST_BYTES_H
#define WEFT_TEST_HOST_BYTES_H
#include <stdint.h>

uint64_t weft_test_host_bytes(void);
#endif
