/// What the fuzz targets share. A target is a file fuzz_NAME.c with LLVMFuzzerTestOneInput: any bytes must give a
/// status and a sentence, never a crash, and must leave no memory behind. With Clang and -DWEFT_SANITIZE=ON it becomes
/// a libFuzzer program; else fuzz/replay.c gives it a main that runs files and changed copies of them.
#ifndef WEFT_FUZZ_H
#define WEFT_FUZZ_H
#include "core/alloc.h"
#include "core/error.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/// Ends the process where a promise is broken; both drivers then say which input did it.
static inline void fuzz_require(int holds, const char *promise) {
    if (holds) return;
    fprintf(stderr, "fuzz: broken promise: %s\nfuzz: the last error was: %s\n", promise, weft_error_message());
    abort();
}

/// A refusal is about the input: it has a sentence, and is no fault of Weft's own.
static inline void fuzz_refused(weft_status status) {
    if (status == WEFT_OK) return;
    fuzz_require(status != WEFT_ERR_INTERNAL, "no input causes an internal error");
    fuzz_require(*weft_error_message() != 0, "a refusal has a sentence");
}
#endif
