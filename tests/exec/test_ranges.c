/// Weights that are asked for by ranges, on the null device: who is asked for what, and what is refused.
/// test_gpu_weights.c holds that the bytes arrive.
#include "api_graph.h"
#include "core/error.h"
#include "gpu/gpu_test.h"

static weft_device *open_null(void) {
    struct weft_device_params params = {.implementation = "null"};
    weft_device *device;
    api_must(weft_device_open(&params, &device));
    return device;
}

static weft_graph *example(void) {
    weft_graph *g;
    api_must(weft_graph_new(&g));
    api_must(api_build(g));
    return g;
}

/// Weights by ranges: which of the two functions is asked for what.
struct by_ranges {
    uint64_t bytes, read;
    weft_status answer;
    const char *sentence;
};

static weft_status ask_bytes(void *user, const char *name, const void **data, uint64_t *bytes) {
    if (strcmp(name, "w")) return WEFT_ERR_NOT_FOUND;
    *data = NULL;
    *bytes = ((const struct by_ranges *)user)->bytes;
    return WEFT_OK;
}

static weft_status ask_range(void *user, const char *name, uint64_t offset, uint64_t bytes, void *into) {
    struct by_ranges *r = user;
    if (strcmp(name, "w") || offset + bytes > sizeof api_w) return WEFT_ERR_INTERNAL;
    memcpy(into, (const char *)api_w + offset, bytes);
    r->read += bytes;
    if (r->sentence) return weft_fail(r->answer, "%s", r->sentence);
    return r->answer;
}

static void weights_by_ranges(void **state) {
    (void)state;
    const struct {
        struct by_ranges r;
        bool no_read;
        weft_status status;
        const char *part;
    } cases[] = {
        {{sizeof api_w, 0, WEFT_OK, NULL}, false, WEFT_OK, ""},
        {{sizeof api_w, 0, WEFT_OK, NULL}, true, WEFT_ERR_INVALID, "'w' was given without data"},
        {{sizeof api_w - 4, 0, WEFT_OK, NULL}, false, WEFT_ERR_FORMAT, "weight 'w'"},
        {{0, 0, WEFT_OK, NULL}, false, WEFT_ERR_FORMAT, "has 0 bytes"},
        {{sizeof api_w, 0, WEFT_ERR_IO, NULL}, false, WEFT_ERR_IO, "weight 'w': bytes 0 to "},
        {{sizeof api_w, 0, WEFT_ERR_IO, "the line is cut"}, false, WEFT_ERR_IO, "read: the line is cut"},
        {{sizeof api_w, 0, WEFT_ERR_CANCELLED, NULL}, false, WEFT_ERR_CANCELLED, "'w'"},
    };
    weft_device *device = open_null();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int stay = 0; stay < 2; stay++) {
            struct by_ranges r = cases[i].r;
            struct weft_program_compile_params params = {
                WEFT_SIZED(weft_program_compile_params), .weight = ask_bytes, .weight_user = &r,
                .weight_read = cases[i].no_read ? NULL : ask_range, .weights_stay = stay};
            weft_program *p;
            weft_graph *g = example();
            if (cases[i].status == WEFT_OK) api_must(weft_program_compile(device, &g, &params, &p));
            else api_fails(weft_program_compile(device, &g, &params, &p), cases[i].status, cases[i].part);
            if (cases[i].status == WEFT_OK) assert_int_equal(r.read, sizeof api_w);
            weft_program_destroy(&p);
        }
    // A caller of before the field was there does not have it called.
    struct by_ranges r = cases[0].r;
    struct weft_program_compile_params old = {.weight = ask_bytes, .weight_user = &r, .weight_read = ask_range};
    weft_program *p;
    weft_graph *g = example();
    api_fails(weft_program_compile(device, &g, &old, &p), WEFT_ERR_INVALID, "'w' was given without data");
    weft_device_close(&device);
}

/// A device that was lost has its weights read again, if they stay; a read that fails then leaves the program lost, and
/// the next recovery brings it back.
static void ranges_are_read_again(void **state) {
    (void)state;
    weft_device *device = open_null();
    struct by_ranges r = {.bytes = sizeof api_w};
    struct weft_program_compile_params params = {WEFT_SIZED(weft_program_compile_params), .weight = ask_bytes,
                                                 .weight_user = &r, .weight_read = ask_range, .weights_stay = true};
    struct weft_recovery report;
    weft_program *p;
    weft_graph *g = example();
    api_must(weft_program_compile(device, &g, &params, &p));
    weft_gpu_lose(device);
    r.answer = WEFT_ERR_IO;
    api_fails(weft_device_recover(device, &report), WEFT_ERR_IO, "weight 'w': bytes 0 to ");
    assert_int_equal(report.programs_failed, 1);
    weft_gpu_lose(device);
    r = (struct by_ranges){.bytes = sizeof api_w};
    api_must(weft_device_recover(device, &report));
    assert_int_equal(report.programs, 1);
    assert_int_equal(r.read, sizeof api_w);
    weft_program_destroy(&p);
    weft_device_close(&device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_by_ranges),
        cmocka_unit_test(ranges_are_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
