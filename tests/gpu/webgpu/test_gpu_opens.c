/// A process that opens and closes devices over and over, one at a time: the last finds what the first found. With some
/// drivers that takes a library that stays loaded in between (weft_webgpu_keep_alive).
#include "gpu/gpu.h"
#include "core/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

enum { OPENS = 40 };

static void test_opens(void **state) {
    (void)state;
    struct weft_gpu_caps first = {0};
    for (int i = 0; i < OPENS; i++) {
        weft_gpu *gpu = NULL;
        uint32_t word = 0, back = 0;
        weft_buf buf;
        if (weft_gpu_open(NULL, &gpu) != WEFT_OK) fail_msg("open %d: %s", i + 1, weft_error_message());
        const struct weft_gpu_caps *caps = weft_gpu_caps(gpu);
        if (i == 0) first = *caps;
        assert_string_equal(first.adapter, caps->adapter);
        word = 0x1234567u + (uint32_t)i;
        assert_int_equal(weft_buf_create(gpu, 256, WEFT_BUF_STORAGE, "word", &buf), WEFT_OK);
        assert_int_equal(weft_buf_write(gpu, buf, 0, &word, 4), WEFT_OK);
        assert_int_equal(weft_buf_read(gpu, buf, 0, &back, 4), WEFT_OK);
        assert_int_equal(back, word);
        weft_gpu_close(&gpu);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_opens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
