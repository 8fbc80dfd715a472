/// A small attention graph whose cached rows are told by the host, and a session on it whose history is known: tests
/// go on from any point of it and compare with a session that was fed the same rows from the start.
#ifndef WEFT_TEST_CACHE_RIG_H
#define WEFT_TEST_CACHE_RIG_H
#include "core/error.h"
#include "exec/program.h"
#include "exec/session.h"
#include "ops/ops.h"
#include "support/graph_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

/// A ring of 16 rows under a window of 5, a cache of 48 rows, runs of up to 8 rows; heads of 8, two of queries.
enum { RIG_RING = 16, RIG_WINDOW = 5, RIG_ROWS = 48, RIG_MOST = 8, RIG_HEAD = 8, RIG_Y = RIG_MOST * 2 * RIG_HEAD };

#define RIG_GRAPH(KIND)                                                                                                \
    "symbol T 1 8\ninput q f32 [T, 2, 8]\ninput k f32 [T, 1, 8]\ninput v f32 [T, 1, 8]\nvar pos u32 0 1000\n"          \
    "state kw ring f32 [16, 1, 8]\nstate vw ring f32 [16, 1, 8]\n"                                                     \
    "state kf " KIND " f32 [48, 1, 8]\nstate vf " KIND " f32 [48, 1, 8]\n"                                             \
    "%0 = cache_append %kw %k %pos\n%1 = cache_append %vw %v %pos\n%2 = attention %q %0 %1 %pos {window=5}\n"          \
    "%3 = cache_append %kf %k %pos\n%4 = cache_append %vf %v %pos\n%5 = attention %q %3 %4 %pos\n"                     \
    "%6 = add %2 %5\n%7 = advance %pos {by=T}\noutput %6 y\n"

static inline void rig_must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

/// Expects a status and a sentence with `part` in it.
static inline void rig_fails(weft_status got, weft_status expected, const char *part) {
    if (got != expected || !strstr(weft_error_message(), part))
        fail_msg("%s: %s (expected %s with '%s')", weft_status_name(got), weft_error_message(),
                 weft_status_name(expected), part);
}

static inline struct weft_graph *rig_graph(const char *text) {
    struct weft_graph *g = NULL;
    rig_must(weft_graph_parse(weft_ops(), text, strlen(text), &g));
    return g;
}

static inline weft_program *rig_program(weft_gpu *gpu, const char *text, const struct weft_compile_params *compile) {
    weft_program *p = NULL;
    struct weft_program_params params = {0};
    if (compile) params.compile = *compile;
    rig_must(weft_program_create(gpu, rig_graph(text), &params, &p));
    return p;
}

/// A session and which stream of numbers each of its positions was fed from.
struct rig {
    weft_session *s;
    uint32_t n;
    uint8_t stream[RIG_ROWS + RIG_MOST];
};

static inline struct rig rig_begin(weft_program *p, bool checker) {
    struct rig r = {0};
    rig_must(weft_session_create(p, &(struct weft_session_params){.checker = checker}, &r.s));
    return r;
}

/// The number at (stream, position, place): the same for all sessions.
static inline float rig_number(uint32_t stream, uint32_t position, uint32_t place) {
    uint32_t h = stream * 2654435761u + position * 40503u + place * 2246822519u;
    h = (h ^ h >> 15) * 2246822519u;
    h = (h ^ h >> 13) * 3266489917u;
    return (float)(int32_t)(h >> 8 & 0xffff) / 32768.0f - 1;
}

static inline void rig_write(weft_session *s, const char *name, uint32_t width, uint32_t salt, const uint8_t *streams,
                             uint32_t from, uint32_t t) {
    float x[RIG_MOST * 2 * RIG_HEAD];
    for (uint32_t i = 0; i < t; i++)
        for (uint32_t c = 0; c < width; c++) x[i * width + c] = rig_number(streams[from + i], from + i, c + salt);
    rig_must(weft_session_write(s, name, 0, x, (uint64_t)t * width * 4));
}

/// Sizes and inputs of the next t positions.
static inline void rig_prepare(struct rig *r, uint32_t t, uint32_t stream) {
    rig_must(weft_session_set_sizes(r->s, &(struct weft_size){"T", t}, 1));
    for (uint32_t i = 0; i < t; i++) r->stream[r->n + i] = (uint8_t)stream;
    rig_write(r->s, "q", 2 * RIG_HEAD, 0, r->stream, r->n, t);
    rig_write(r->s, "k", RIG_HEAD, 100, r->stream, r->n, t);
    rig_write(r->s, "v", RIG_HEAD, 200, r->stream, r->n, t);
}

/// Feeds t rows of a stream. `y` may be NULL.
static inline void rig_feed(struct rig *r, uint32_t t, uint32_t stream, float y[RIG_Y]) {
    rig_prepare(r, t, stream);
    rig_must(weft_session_run(r->s, 1, NULL));
    r->n += t;
    if (y) rig_must(weft_session_read(r->s, "y", 0, y, (uint64_t)t * 2 * RIG_HEAD * 4));
}

/// Feeds history [0, r->n) to the twin, which is reset first.
static inline void rig_follow(struct rig *twin, const struct rig *r) {
    rig_must(weft_session_reset(twin->s));
    twin->n = 0;
    while (twin->n < r->n) {
        uint32_t t = 1; // runs of one stream
        while (t < RIG_MOST && twin->n + t < r->n && r->stream[twin->n + t] == r->stream[twin->n]) t++;
        rig_feed(twin, t, r->stream[twin->n], NULL);
    }
}

/// Feeds t rows of a stream to both, the twin having been fed the same history from the start. True if all bits of what
/// comes out agree.
static inline bool rig_agrees(struct rig *r, struct rig *twin, uint32_t t, uint32_t stream) {
    float a[RIG_Y], b[RIG_Y];
    rig_follow(twin, r);
    rig_feed(r, t, stream, a);
    rig_feed(twin, t, stream, b);
    return memcmp(a, b, (size_t)t * 2 * RIG_HEAD * 4) == 0;
}
#endif
