/// Plans for tests of the compiler: from text graphs for the null device's capabilities, or put together by hand.
#ifndef WEFT_TEST_PLAN_FIXTURE_H
#define WEFT_TEST_PLAN_FIXTURE_H
#include "compile/bind.h"
#include "compile/passes.h"
#include "core/alloc.h"
#include "core/error.h"
#include "gpu/gpu_backend.h"
#include "ops/ops.h"
#include "plan/update.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/// A refusal: the status, and words that the sentence must have.
#define REFUSED(e, status, words)                                                                                      \
    do {                                                                                                               \
        weft_error_clear();                                                                                            \
        assert_int_equal((e), (status));                                                                               \
        if (!strstr(weft_error_message(), (words))) fail_msg("'%s' lacks '%s'", weft_error_message(), (words));        \
    } while (0)

static inline struct weft_gpu_caps fixture_caps(void) {
    struct weft_gpu_caps caps;
    weft_gpu_null_caps(&caps);
    return caps;
}

static inline struct weft_graph *fixture_graph(const char *text) {
    struct weft_graph *g = NULL;
    if (weft_graph_parse(weft_ops(), text, strlen(text), &g) != WEFT_OK) fail_msg("%s", weft_error_message());
    return g;
}

/// NULL caps: those of the null device. Fails the test when the graph does not compile.
static inline struct weft_plan *fixture_plan(const char *text, const struct weft_gpu_caps *caps,
                                             const struct weft_compile_params *params) {
    struct weft_gpu_caps usual = fixture_caps();
    struct weft_plan *plan = NULL;
    if (weft_compile(fixture_graph(text), caps ? caps : &usual, params, &plan) != WEFT_OK)
        fail_msg("%s", weft_error_message());
    return plan;
}

/// Index of the step whose label contains `words`, from step `from` on; fails the test if there is none.
static inline uint32_t fixture_step(const struct weft_schedule *sc, const char *words, uint32_t from) {
    for (uint32_t i = from; i < sc->n_steps; i++)
        if (strstr(sc->steps[i].label, words)) return i;
    fail_msg("no step '%s'", words);
    return 0;
}

/// Lays all steps out again after tensors were moved by hand.
static inline void fixture_bind(struct weft_plan *plan, struct weft_schedule *sc) {
    for (uint32_t i = 0; i < sc->n_steps; i++)
        if (weft_bind_step(plan, sc, &sc->steps[i]) != WEFT_OK) fail_msg("%s", weft_error_message());
}

/// A report says nothing twice, however many attempts a schedule took: the line that it repeats, or NULL.
static inline const char *fixture_repeated(const struct weft_plan *plan) {
    const char *all = weft_str_get(&plan->report);
    for (const char *line = all, *end; (end = strchr(line, '\n')); line = end + 1) {
        size_t n = (size_t)(end + 1 - line);
        for (const char *next = end + 1, *stop; (stop = strchr(next, '\n')); next = stop + 1)
            if ((size_t)(stop + 1 - next) == n && memcmp(line, next, n) == 0) return line;
    }
    return NULL;
}

static inline uint32_t fixture_random(uint32_t *s) {
    *s ^= *s << 13;
    *s ^= *s >> 17;
    *s ^= *s << 5;
    return *s;
}
#endif
