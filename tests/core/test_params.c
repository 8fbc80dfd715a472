/// Params structs of callers with older and newer headers.
#include "core/params.h"
#include "weft/weft.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/// As this version has it; the first release ended behind `b`.
struct now {
    size_t struct_size;
    int32_t a, b, c;
};

/// A caller's struct in memory that holds other things behind it.
static struct now caller(size_t size, int32_t c) { return (struct now){size, 1, 2, c}; }

static void test_sizes(void **state) {
    (void)state;
    const size_t first = offsetof(struct now, c), whole = sizeof(struct now);
    const struct {
        size_t size;
        int32_t c; ///< what is taken for it; below 0: refused
    } cases[] = {{0, 0}, {first, 0}, {first + 4, 7}, {whole, 7}, {first - 1, -1}, {1, -1}, {sizeof(size_t), -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct now from = caller(cases[i].size, 7), to = {9, 9, 9, 9};
        weft_status status = WEFT_PARAMS_TAKE(now, b, &from, &to);
        if (cases[i].c < 0) {
            assert_int_equal(status, WEFT_ERR_INVALID);
            assert_non_null(strstr(weft_error_message(), "struct_size"));
            continue;
        }
        assert_int_equal(status, WEFT_OK);
        assert_int_equal(to.a, 1);
        assert_int_equal(to.b, 2);
        assert_int_equal(to.c, cases[i].c);
        assert_int_equal(to.struct_size, cases[i].size);
    }
    struct now none = {9, 9, 9, 9};
    assert_int_equal(WEFT_PARAMS_TAKE(now, b, NULL, &none), WEFT_OK);
    assert_int_equal(none.a | none.b | none.c, 0);
}

static void test_newer_callers(void **state) {
    (void)state;
    struct {
        struct now now;
        int32_t later[3];
    } from = {.now = caller(sizeof from, 3)};
    for (int i = -1; i < 3; i++) {
        struct now to;
        memset(from.later, 0, sizeof from.later);
        if (i >= 0) from.later[i] = 1 << 24; // in one byte only
        weft_status status = WEFT_PARAMS_TAKE(now, b, &from, &to);
        assert_int_equal(status, i < 0 ? WEFT_OK : WEFT_ERR_INVALID);
        if (i < 0) assert_true(to.c == 3 && to.struct_size == sizeof to); // it may be taken again
        else assert_non_null(strstr(weft_error_message(), "newer"));
    }
}

/// Every call that takes params looks at their size.
static void test_calls(void **state) {
    (void)state;
    weft_device *device = (weft_device *)state, *none; // not looked at before the params
    weft_program *program;
    weft_session *session;
    weft_model *model;
    weft_graph *graph;
    size_t count;
    const struct weft_device_params d = {.struct_size = 1};
    const struct weft_program_compile_params p = {.struct_size = 1};
    const struct weft_session_params s = {.struct_size = 1};
    const struct weft_model_params m = {.struct_size = 1};
    const struct weft_model_generate_params g = {.struct_size = 1};
    assert_int_equal(weft_graph_new(&graph), WEFT_OK);
    assert_int_equal(weft_device_open(&d, &none), WEFT_ERR_INVALID);
    assert_null(none);
    assert_int_equal(weft_device_list(&d, NULL, 0, &count), WEFT_ERR_INVALID);
    assert_int_equal(weft_program_compile(device, &graph, &p, &program), WEFT_ERR_INVALID);
    assert_null(graph);
    assert_int_equal(weft_session_create((weft_program *)state, &s, &session), WEFT_ERR_INVALID);
    assert_int_equal(weft_model_open(device, "m.gguf", &m, &model), WEFT_ERR_INVALID);
    assert_int_equal(weft_model_generate((weft_model *)state, "a", 1, &g, NULL), WEFT_ERR_INVALID);
    assert_int_equal(weft_model_generate_ids((weft_model *)state, NULL, 0, &g, NULL), WEFT_ERR_INVALID);
    assert_non_null(strstr(weft_error_message(), "weft_model_generate_params"));
    const struct weft_device_params sized = {WEFT_SIZED(weft_device_params), .implementation = "null"};
    assert_int_equal(weft_device_open(&sized, &none), WEFT_OK);
    weft_device_close(&none);
}

static void test_version(void **state) {
    (void)state;
    assert_string_equal(weft_version(), WEFT_VERSION);
    assert_true(WEFT_VERSION_NUMBER >= WEFT_VERSION_NUMBER_OF(0, 1, 0));
    assert_true(WEFT_VERSION_NUMBER_OF(0, 1, 999) < WEFT_VERSION_NUMBER_OF(0, 2, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_newer_callers),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_version),
    };
    return cmocka_run_group_tests_name("core/params", tests, NULL, NULL);
}
