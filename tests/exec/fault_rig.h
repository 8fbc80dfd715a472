/// A small program with weights, a cache and a position, for tests of faults; public calls only, so that what a user
/// may do is what goes wrong. Its weights come through a function that counts how often it is asked.
#ifndef WEFT_TEST_FAULT_RIG_H
#define WEFT_TEST_FAULT_RIG_H
#include "weft/weft.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

enum { FAULT_WIDTH = 32, FAULT_ROWS = 8, FAULT_T = 2 };

/// `out` names the output, and so the program.
#define FAULT_GRAPH(out)                                                                                               \
    "symbol T 1 4\ninput x f32 [T, 32]\nweight w q8_0 [32, 32]\nvar pos u32 0 4000\nstate c ring f32 [8, 32]\n"        \
    "state p paged f32 [4096, 32]\n%0 = matmul %x %w\n%1 = cache_append %c %0 %pos\n%2 = cache_append %p %x %pos\n"    \
    "%3 = advance %pos {by=T}\noutput %0 " out "\n"

struct fault_weights {
    uint8_t w[32 * 34]; ///< a scale of f16 and 32 numbers a row
    int asked;
};

static inline void fault_weights_fill(struct fault_weights *f) {
    memset(f, 0, sizeof *f);
    for (int r = 0; r < 32; r++) {
        f->w[r * 34 + 1] = 0x2c; // 1/16
        for (int i = 0; i < 32; i++) f->w[r * 34 + 2 + i] = (uint8_t)(r * 7 + i * 3 + 1);
    }
}

static inline weft_status fault_weight(void *user, const char *name, const void **data, uint64_t *bytes) {
    struct fault_weights *f = user;
    (void)name;
    f->asked++;
    *data = f->w;
    *bytes = sizeof f->w;
    return WEFT_OK;
}

static inline weft_status fault_compile(weft_device *device, const char *text, struct fault_weights *weights, bool stay,
                                        weft_program *share, weft_program **out) {
    weft_graph *g = NULL;
    *out = NULL;
    weft_status status = weft_graph_parse_text(text, strlen(text), &g);
    if (status != WEFT_OK) return status;
    struct weft_program_compile_params params = {
        .weight = fault_weight, .weight_user = weights, .weights_stay = stay, .share_weights = share};
    return weft_program_compile(device, &g, &params, out);
}

static inline void fault_rows(float x[FAULT_T * FAULT_WIDTH], int seed) {
    for (int i = 0; i < FAULT_T * FAULT_WIDTH; i++) x[i] = 0.25f * (float)((i * 5 + seed * 11) % 13 - 6);
}

/// One run of two rows; `y` of the output `out` may be NULL.
static inline weft_status fault_feed(weft_session *s, const char *out, int seed, float *y) {
    float x[FAULT_T * FAULT_WIDTH];
    struct weft_size size = {"T", FAULT_T};
    fault_rows(x, seed);
    weft_status status = weft_session_set_sizes(s, &size, 1);
    if (status == WEFT_OK) status = weft_session_write(s, "x", 0, x, sizeof x);
    if (status == WEFT_OK) status = weft_session_run(s, 1, NULL);
    if (status == WEFT_OK && y) status = weft_session_read(s, out, 0, y, sizeof x);
    return status;
}

static inline void fault_must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s: %s", weft_status_name(status), weft_error_message());
}

static inline void fault_is(weft_status got, weft_status expected, const char *part) {
    if (got != expected || !strstr(weft_error_message(), part))
        fail_msg("%s: %s (expected %s with '%s')", weft_status_name(got), weft_error_message(),
                 weft_status_name(expected), part);
}
#endif
