/// A file of measured shapes reaches the kernels of a plan, by parameter or by environment, and a wrong one stops the
/// compiler with its sentence.
#include "core/file.h"
#include "plan_fixture.h"
#include <stdlib.h>
#include <unistd.h>

static const char graph[] = "input x f32 [300, 64]\nweight w q8_0 [96, 64]\n%0 = matmul %x %w\noutput %0 y\n";

static uint32_t threads_of(const struct weft_compile_params *params) {
    struct weft_plan *plan = fixture_plan(graph, NULL, params);
    uint32_t threads = plan->schedules[0].steps[0].workgroup[0];
    weft_plan_destroy(plan);
    return threads;
}

static void a_file_reaches_the_kernels(void **state) {
    (void)state;
    char path[] = "test_tune_XXXXXX";
    int file = mkstemp(path);
    struct weft_compile_params params = {.tune = path};
    struct weft_gpu_caps caps = fixture_caps();
    struct weft_plan *plan = NULL;
    const char *fine = "matmul any threads=64 rows=16 columns=32 lanes=8\n", *wrong = "matmul any threads=100\n";
    assert_true(file >= 0);
    assert_int_equal(close(file), 0);
    uint32_t usual = threads_of(NULL);
    assert_int_equal(threads_of(&params), usual);
    assert_int_equal(weft_file_write(path, fine, strlen(fine)), WEFT_OK);
    assert_int_not_equal(usual, 64);
    assert_int_equal(threads_of(&params), 64);
    assert_int_equal(setenv("WEFT_TUNE", path, 1), 0);
    assert_int_equal(threads_of(NULL), 64);
    assert_int_equal(weft_file_write(path, wrong, strlen(wrong)), WEFT_OK);
    REFUSED(weft_compile(fixture_graph(graph), &caps, NULL, &plan), WEFT_ERR_LIMIT, "line 1: 'matmul': threads is");
    assert_int_equal(unlink(path), 0);
    REFUSED(weft_compile(fixture_graph(graph), &caps, NULL, &plan), WEFT_ERR_NOT_FOUND, path);
    assert_int_equal(setenv("WEFT_TUNE", "", 1), 0); // as if it were not set
    assert_int_equal(threads_of(NULL), usual);
    assert_int_equal(unsetenv("WEFT_TUNE"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_file_reaches_the_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
