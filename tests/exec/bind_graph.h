/// The graph that the tests of bindings, cancelling, threads and the soak share, through public calls: two inputs, six
/// outputs of which one is read again, a ring, a sum over all runs, a counter that shows how often runs took place.
#ifndef WEFT_TEST_BIND_GRAPH_H
#define WEFT_TEST_BIND_GRAPH_H
#include "api_graph.h"
#include <stdlib.h>

enum { BIND_ROWS = 64, BIND_RING = 96 };

/// next: f32 [T, 3], a + b; y, p: f32 [T, 4]; z: f32 [T, 4], reads next; half: f16 [T, 3], of odd length at odd T;
/// total: f32 [96], the sum over all runs of what the ring's rows amount to.
static const char bind_text[] =
    "symbol T 0 64\ninput a f32 [T, 3]\ninput b f32 [T, 3]\nweight w f32 [4, 3]\nweight v f32 [4, 3]\n"
    "state kept ring f32 [96, 4]\nstate sums dense f32 [96, 1]\nvar pos u32 0 1000000\nvar runs u32 0 1000000\n"
    "%0 = add %a %b\n%e = neg %0\n%1 = matmul %e %w\n%2 = silu %1\n%3 = cache_append %kept %2 %pos\n"
    "%4 = advance %pos {by=T}\nconst %eye f32 [4, 4] 1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\n"
    "%5 = advance %runs {by=1}\n%6 = softmax %2\n%7 = cast %0 {to=f16}\n"
    "%k = matmul %3 %eye\n%8 = amax %k\n%9 = matmul %0 %v\n"
    "%10 = add %sums %8\n%11 = state_write %sums %10\n"
    "output %0 next\noutput %2 y\noutput %6 p\noutput %7 half\noutput %10 total\noutput %9 z\n";

static const char *const bind_outputs[] = {"next", "y", "z", "p", "half", "total"};
static const char *const bind_ios[] = {"a", "b", "next", "y", "z", "p", "half", "total"};
#define BIND_OUTPUTS (sizeof bind_outputs / sizeof *bind_outputs)
#define BIND_IOS (sizeof bind_ios / sizeof *bind_ios)

/// `seed` gives the weight, so that programs can differ; with a policy of the states that asks for it.
static inline weft_program *bind_program_with(weft_device *device, float seed, enum weft_state_policy policy) {
    static const int64_t splits[] = {1};
    float w[12];
    for (int i = 0; i < 12; i++) w[i] = seed * (float)(i % 5 - 2);
    struct weft_weight weights[] = {{"w", w, sizeof w}, {"v", w, sizeof w}};
    struct weft_program_compile_params params = {.weights = weights,
                                                 .n_weights = 2,
                                                 .split_symbol = "T",
                                                 .split_at = splits,
                                                 .n_splits = 1,
                                                 .state_policy = policy};
    weft_graph *g;
    weft_program *program;
    api_must(weft_graph_parse_text(bind_text, strlen(bind_text), &g));
    api_must(weft_program_compile(device, &g, &params, &program));
    return program;
}

static inline weft_program *bind_program(weft_device *device, float seed) {
    return bind_program_with(device, seed, WEFT_STATE_AS_DECLARED);
}

static inline weft_session *bind_session(weft_program *program, bool checker) {
    weft_session *s;
    api_must(weft_session_create(program, &(struct weft_session_params){.checker = checker, .max_runs = 8}, &s));
    return s;
}

static inline uint64_t bind_bytes(const weft_session *s, const char *name) {
    struct weft_tensor_info info;
    api_must(weft_session_tensor(s, name, &info));
    return info.bytes;
}

static inline uint32_t bind_random(uint64_t *seed, uint32_t n) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % n;
}

static inline void bind_fill(float *x, size_t n, uint64_t seed) {
    for (size_t i = 0; i < n; i++) x[i] = (float)bind_random(&seed, 65) * 0.25f - 8;
}

/// Every bit that a session shows: outputs, state, variables.
struct bind_image {
    uint8_t bytes[BIND_OUTPUTS][BIND_ROWS * 16];
    uint64_t n[BIND_OUTPUTS];
    float kept[BIND_RING * 4], sums[BIND_RING];
    uint32_t pos, runs;
    bool active;
};

/// For any thread: asserts nothing.
static inline weft_status bind_try_image(weft_session *s, struct bind_image *out) {
    weft_status status = WEFT_OK;
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < BIND_OUTPUTS && status == WEFT_OK; i++) {
        struct weft_tensor_info info;
        status = weft_session_tensor(s, bind_outputs[i], &info);
        if (status != WEFT_OK || info.bytes > sizeof out->bytes[i]) return status ? status : WEFT_ERR_INTERNAL;
        out->n[i] = info.bytes;
        status = weft_session_read(s, bind_outputs[i], 0, out->bytes[i], out->n[i]);
        if (strcmp(bind_outputs[i], "half") == 0 && out->n[i] % 12 == 8) // the other half of the last word is nobody's
            memset(out->bytes[i] + out->n[i] - 2, 0, 2);
    }
    if (status == WEFT_OK) status = weft_session_read(s, "kept", 0, out->kept, sizeof out->kept);
    if (status == WEFT_OK) status = weft_session_read(s, "sums", 0, out->sums, sizeof out->sums);
    if (status == WEFT_OK) status = weft_session_get_var(s, "pos", &out->pos);
    if (status == WEFT_OK) status = weft_session_get_var(s, "runs", &out->runs);
    if (status == WEFT_OK) status = weft_session_get_active(s, &out->active);
    return status;
}

static inline void bind_image(weft_session *s, struct bind_image *out) { api_must(bind_try_image(s, out)); }

/// What differs first, NULL if all is equal.
static inline const char *bind_differs(const struct bind_image *a, const struct bind_image *b) {
    for (size_t i = 0; i < BIND_OUTPUTS; i++)
        if (a->n[i] != b->n[i] || memcmp(a->bytes[i], b->bytes[i], a->n[i]) != 0) return bind_outputs[i];
    if (memcmp(a->kept, b->kept, sizeof a->kept) != 0) return "kept";
    if (memcmp(a->sums, b->sums, sizeof a->sums) != 0) return "sums";
    return a->pos != b->pos ? "pos" : a->runs != b->runs ? "runs" : a->active != b->active ? "active" : NULL;
}

static inline void bind_equal(weft_session *a, weft_session *b, const char *when) {
    struct bind_image *x = malloc(2 * sizeof *x);
    assert_non_null(x);
    bind_image(a, &x[0]);
    bind_image(b, &x[1]);
    const char *name = bind_differs(&x[0], &x[1]);
    free(x);
    if (name) fail_msg("%s: '%s' differs", when, name);
}

/// Binds a random choice of inputs and outputs to ranges just large enough, of one of two buffers or of both, of the
/// first from `base` on; the rest is the session's own. For any thread.
static inline weft_status bind_somehow(weft_session *s, weft_buffer *const *bufs, uint64_t base, uint64_t seed) {
    struct weft_binding all[BIND_IOS] = {{0}};
    uint64_t at[2] = {base, 0};
    for (size_t k = 0; k < BIND_IOS; k++) {
        uint32_t which = bind_random(&seed, 3);
        struct weft_tensor_info info;
        weft_status status = weft_session_tensor(s, bind_ios[k], &info);
        if (status != WEFT_OK) return status;
        all[k].name = bind_ios[k];
        if (which == 2) continue;
        all[k].buffer = bufs[which];
        all[k].bytes = info.bytes ? info.bytes : 4;
        all[k].offset = at[which];
        at[which] += (all[k].bytes + 255) / 256 * 256;
    }
    return weft_session_bind_all(s, all, BIND_IOS);
}

static inline weft_status bind_own(weft_session *s) {
    struct weft_binding all[BIND_IOS] = {{0}};
    for (size_t k = 0; k < BIND_IOS; k++) all[k].name = bind_ios[k];
    return weft_session_bind_all(s, all, BIND_IOS);
}

static inline void bind_write(weft_session *s, const float *a, const float *b, int64_t rows) {
    api_must(weft_session_write(s, "a", 0, a, (uint64_t)rows * 12));
    api_must(weft_session_write(s, "b", 0, b, (uint64_t)rows * 12));
}

static inline struct weft_device_counters bind_counters(weft_device *device) {
    struct weft_device_counters c;
    api_must(weft_device_counters(device, &c));
    return c;
}
#endif
