/// A session's states are read and written within the bytes of their elements, to the word: the padding of a buffer is
/// nobody's.
#include "core/error.h"
#include "exec/session.h"
#include "ops/ops.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char graph[] = "state a dense f32 [3, 5]\nstate b dense f16 [3]\nstate c ring f32 [64]\nvar pos u32 0 9\n"
                            "input x f32 [1]\n%0 = cache_append %c %x %pos\n";

static void padding_is_out_of_reach(void **state) {
    (void)state;
    weft_gpu *gpu = NULL;
    struct weft_gpu_params params = {.implementation = "null"};
    struct weft_graph *g = NULL;
    weft_program *program = NULL;
    weft_session *s = NULL;
    assert_int_equal(weft_gpu_open(&params, &gpu), WEFT_OK);
    assert_int_equal(weft_graph_parse(weft_ops(), graph, strlen(graph), &g), WEFT_OK);
    assert_int_equal(weft_program_create(gpu, g, NULL, &program), WEFT_OK);
    assert_int_equal(weft_session_create(program, NULL, &s), WEFT_OK);
    static const struct {
        const char *name;
        uint64_t bytes;
    } states[] = {{"a", 60}, {"b", 8}, {"c", 256}};
    uint8_t data[512] = {0};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        uint64_t n = states[i].bytes;
        assert_int_equal(weft_session_write(s, states[i].name, 0, data, n), WEFT_OK);
        assert_int_equal(weft_session_read(s, states[i].name, n - 4, data, 4), WEFT_OK);
        assert_int_equal(weft_session_write(s, states[i].name, 0, data, n + 4), WEFT_ERR_LIMIT);
        assert_non_null(strstr(weft_error_message(), states[i].name));
        assert_int_equal(weft_session_write(s, states[i].name, n, data, 4), WEFT_ERR_LIMIT);
        assert_int_equal(weft_session_read(s, states[i].name, 0, data, n + 4), WEFT_ERR_LIMIT);
        assert_int_equal(weft_session_read(s, states[i].name, n, data, 0), WEFT_OK);
    }
    weft_session_destroy(&s);
    weft_program_destroy(&program);
    weft_gpu_close(&gpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(padding_is_out_of_reach)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
