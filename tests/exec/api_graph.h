/// The graph that the API's tests share, z = silu(x w^T) with T rows of three, and its weight. Public calls only.
#ifndef WEFT_TEST_API_GRAPH_H
#define WEFT_TEST_API_GRAPH_H
#include "weft/weft.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define API_ROWS 64

static const float api_w[4 * 3] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1};
static const struct weft_weight api_weight = {"w", api_w, sizeof api_w};

/// Says why, then fails the test.
static inline void api_must(weft_status status) {
    if (status != WEFT_OK) print_error("%s: %s\n", weft_status_name(status), weft_error_message());
    assert_int_equal(status, WEFT_OK);
}

/// Expects a status and a sentence that contains `part`.
static inline void api_fails(weft_status got, weft_status expected, const char *part) {
    if (got != expected || !strstr(weft_error_message(), part))
        print_error("%s: %s (expected %s with '%s')\n", weft_status_name(got), weft_error_message(),
                    weft_status_name(expected), part);
    assert_int_equal(got, expected);
    assert_non_null(strstr(weft_error_message(), part));
}

static inline weft_status api_build(weft_graph *g) {
    weft_value in[2], y, z;
    weft_status status = weft_graph_symbol(g, "T", 0, API_ROWS);
    if (status == WEFT_OK) status = weft_graph_add_input(g, "x", WEFT_F32, "T, 3", &in[0]);
    if (status == WEFT_OK) status = weft_graph_add_weight(g, "w", WEFT_F32, "4, 3", &in[1]);
    if (status == WEFT_OK) status = weft_graph_add_op(g, "matmul", in, 2, NULL, &y);
    if (status == WEFT_OK) status = weft_graph_add_op(g, "silu", &y, 1, "", &z);
    return status == WEFT_OK ? weft_graph_add_output(g, z, "z") : status;
}

static inline weft_program *api_program(weft_device *device, const struct weft_weight *weight) {
    static const int64_t splits[] = {1};
    struct weft_program_compile_params params = {
        .weights = weight, .n_weights = 1, .split_symbol = "T", .split_at = splits, .n_splits = 1};
    weft_graph *g;
    weft_program *program;
    api_must(weft_graph_new(&g));
    api_must(api_build(g));
    api_must(weft_program_compile(device, &g, &params, &program));
    assert_null(g);
    return program;
}

static inline weft_status api_set_rows(weft_session *s, int64_t rows) {
    struct weft_size size = {"T", rows};
    return weft_session_set_sizes(s, &size, 1);
}
#endif
