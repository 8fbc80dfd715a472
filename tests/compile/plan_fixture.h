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

/// Whether the plan's report has these words; fails the test unless it is as asked for.
static inline void fixture_report(const struct weft_plan *plan, const char *words, bool there) {
    const char *report = weft_str_get(&plan->report);
    if ((strstr(report, words) != NULL) != there)
        fail_msg("'%s' %s:\n%s", words, there ? "is not in" : "is in", report);
}

static inline uint32_t fixture_random(uint32_t *s) {
    *s ^= *s << 13;
    *s ^= *s >> 17;
    *s ^= *s << 5;
    return *s;
}

/// A random graph of elementwise, row and contraction nodes over x [T, 64], %0 to %n-1, without outputs. A node reads x
/// or one of the `near` nodes before it, and as its second operand one of `far`.
static inline void fixture_random_graph(struct weft_str *text, uint32_t *seed, int most_rows, uint32_t n, uint32_t near,
                                        uint32_t far) {
    weft_str_addf(
        text, "symbol T 0 %d\ninput x f32 [T, 64]\nweight v f32 [64]\nweight w q8_0 [64, 64]\nweight u q4_0 [64, 64]\n",
        most_rows);
    for (uint32_t i = 0; i < n; i++) {
        char a[16] = "x", b[16] = "x";
        if (i && fixture_random(seed) % 8)
            snprintf(a, sizeof a, "%u", i - 1 - fixture_random(seed) % (i < near ? i : near));
        if (i && fixture_random(seed) % 8)
            snprintf(b, sizeof b, "%u", i - 1 - fixture_random(seed) % (i < far ? i : far));
        switch (fixture_random(seed) % 7) {
        case 0: weft_str_addf(text, "%%%u = tanh %%%s\n", i, a); break;
        case 1: weft_str_addf(text, "%%%u = matmul %%%s %%w\n", i, a); break;
        case 2: weft_str_addf(text, "%%%u = matmul %%%s %%u\n", i, a); break;
        case 3: weft_str_addf(text, "%%%u = rms_norm %%%s %%v\n", i, a); break;
        case 4: weft_str_addf(text, "%%%u = softmax %%%s\n", i, a); break;
        default: weft_str_addf(text, "%%%u = add %%%s %%%s\n", i, a, b);
        }
    }
}
#endif
