/// A device with a small program whose sessions show how often they ran, and that can be made to finish nothing: for
/// the tests of fence_tests.h and cancel_tests.h.
#ifndef WEFT_TEST_CANCEL_RIG_H
#define WEFT_TEST_CANCEL_RIG_H
#include "api_graph.h"
#include "core/thread.h"
#include "exec/program.h"
#include "layer_rig.h"

static const char *cancel_on;     ///< implementation; NULL: the configuration's
static struct layer cancel_layer; ///< all NULL on the null device

enum { CANCEL_ROWS = 2, CANCEL_RING = 16 };

/// Five steps, and states that tell how often it ran, in order: y is the sum over all runs of what the ring held.
static const char cancel_text[] =
    "symbol T 0 8\ninput a f32 [T, 4]\ninput b f32 [T, 4]\nstate kept ring f32 [16, 4]\nstate sums dense f32 [16, 4]\n"
    "var pos u32 0 1000000\nvar runs u32 0 1000000\n"
    "%0 = add %a %b\n%1 = cache_append %kept %0 %pos\n%2 = add %sums %1\n%3 = state_write %sums %2\n"
    "%4 = advance %pos {by=T}\n%5 = advance %runs {by=1}\noutput %0 next\noutput %2 y\n";

// ---- worlds --------------------------------------------------------------------------------------------------------

struct world {
    weft_device *device;
    weft_program *program;
    weft_session *session;
    double timeout;
};

/// A session with two rows, and inputs that all sessions made so have in common.
static weft_session *cancel_session(weft_program *program, bool checker) {
    float a[CANCEL_ROWS * 4], b[CANCEL_ROWS * 4];
    weft_session *s;
    for (int i = 0; i < CANCEL_ROWS * 4; i++) a[i] = 0.25f * (float)i - 1, b[i] = 2 - 0.5f * (float)i;
    api_must(weft_session_create(program, &(struct weft_session_params){.checker = checker, .max_runs = 8}, &s));
    api_must(api_set_rows(s, CANCEL_ROWS));
    api_must(weft_session_write(s, "a", 0, a, sizeof a));
    api_must(weft_session_write(s, "b", 0, b, sizeof b));
    return s;
}

/// A device's timeout counts from `arm_timeout` on: before, a loaded machine may take longer for work that does finish.
static struct world begin(double timeout) {
    struct world w = {.timeout = timeout};
    struct weft_device_params params = {.implementation = cancel_on, .timeout_seconds = cancel_on ? timeout : 0};
    weft_graph *g;
    api_must(weft_device_open(&params, &w.device));
    api_must(weft_graph_parse_text(cancel_text, strlen(cancel_text), &g));
    api_must(weft_program_compile(w.device, &g, NULL, &w.program));
    w.session = cancel_session(w.program, false);
    return w;
}

static void arm_timeout(struct world *w) {
    weft_gpu_lock(w->device);
    w->device->timeout = w->device->close_timeout = w->timeout;
    weft_gpu_unlock(w->device);
}

/// What lives on a device, but for the buffers that reads keep for the next ones.
static uint64_t alive(weft_device *device) {
    struct weft_device_memory m;
    api_must(weft_device_memory(device, &m));
    return m.total - m.readback;
}

static void end(struct world *w) {
    weft_session_destroy(&w->session);
    weft_program_destroy(&w->program);
    assert_int_equal(alive(w->device), 0);
    weft_device_close(&w->device);
    if (cancel_layer.stall) cancel_layer.stall(false);
}

static void stall(struct world *w, bool on) { assert_true(layer_stall(&cancel_layer, w->device, on)); }

static uint64_t submits(const struct world *w) {
    struct weft_device_counters c;
    api_must(weft_device_counters(w->device, &c));
    return c.submits;
}

static uint64_t dispatches(const struct world *w) {
    struct weft_device_counters c;
    api_must(weft_device_counters(w->device, &c));
    return c.dispatches;
}

// ---- what a session shows ------------------------------------------------------------------------------------------

struct image {
    float next[CANCEL_ROWS * 4], y[CANCEL_RING * 4], kept[CANCEL_RING * 4], sums[CANCEL_RING * 4];
    uint32_t pos, runs;
};

/// Of a session that ran so often, by the host. Quarters are exact.
static void image_after(uint32_t runs, struct image *out) {
    memset(out, 0, sizeof *out);
    out->pos = runs * CANCEL_ROWS;
    out->runs = runs;
    for (uint32_t row = 0; row < CANCEL_RING; row++)
        for (uint32_t c = 0; c < 4; c++) {
            uint32_t i = row % CANCEL_ROWS * 4 + c, first = row / CANCEL_ROWS;
            float x = 1 - 0.25f * (float)i;
            out->next[i] = runs ? x : 0;
            if (first >= runs) continue;
            out->kept[row * 4 + c] = x;
            out->sums[row * 4 + c] = out->y[row * 4 + c] = x * (float)(runs - first);
        }
}

static void image_of(weft_session *s, struct image *out) {
    api_must(weft_session_read(s, "next", 0, out->next, sizeof out->next));
    api_must(weft_session_read(s, "y", 0, out->y, sizeof out->y));
    api_must(weft_session_read(s, "kept", 0, out->kept, sizeof out->kept));
    api_must(weft_session_read(s, "sums", 0, out->sums, sizeof out->sums));
    api_must(weft_session_get_var(s, "pos", &out->pos));
    api_must(weft_session_get_var(s, "runs", &out->runs));
}

/// What is not as after so many runs; NULL: all of it is. The null device computes nothing.
static const char *not_after(weft_session *s, uint32_t runs) {
    struct image now, then;
    image_of(s, &now);
    image_after(runs, &then);
    if (cancel_on) memset(&then, 0, sizeof then);
    if (memcmp(now.next, then.next, sizeof now.next) != 0) return "next";
    if (memcmp(now.y, then.y, sizeof now.y) != 0) return "y";
    if (memcmp(now.kept, then.kept, sizeof now.kept) != 0) return "kept";
    if (memcmp(now.sums, then.sums, sizeof now.sums) != 0) return "sums";
    return now.pos != then.pos ? "pos" : now.runs != then.runs ? "runs" : NULL;
}

/// The session must have run just so often.
static void ran(weft_session *s, uint64_t runs, const char *when) {
    const char *name = not_after(s, (uint32_t)runs);
    if (name) fail_msg("%s: '%s' is not as after %u runs", when, name, (unsigned)runs);
}
#endif
