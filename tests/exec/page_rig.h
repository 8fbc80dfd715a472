/// The graph of cache_rig.h in pages of four rows on the null device, where every byte is counted.
#ifndef WEFT_TEST_PAGE_RIG_H
#define WEFT_TEST_PAGE_RIG_H
#include "cache_rig.h"
#include "exec/session/impl.h"
#include "weft/device.h"

enum { PAGE = 4, PAGES = RIG_ROWS / PAGE, ROW = RIG_HEAD * 4, PAGE_BYTES = 2 * PAGE * ROW };

static weft_gpu *gpu;
static weft_program *program;

static struct weft_device_memory memory(void) {
    struct weft_device_memory m;
    struct weft_device_counters c;
    rig_must(weft_device_memory(gpu, &m));
    rig_must(weft_device_counters(gpu, &c));
    assert_int_equal(m.total, c.bytes_live);
    assert_int_equal(m.weights + m.states + m.pages + m.snapshots + m.transients + m.params + m.io + m.staging +
                         m.readback + m.other,
                     m.total);
    assert_int_equal(m.pages_used + m.pages_free, m.pages);
    assert_true(m.pages_used <= m.pages);
    return m;
}

static inline uint64_t pages_used(void) { return memory().pages_used / PAGE_BYTES; } // page 0 is one of them

static inline weft_session *session(void) {
    weft_session *s = NULL;
    rig_must(weft_session_create(program, NULL, &s));
    return s;
}

static weft_status resize(weft_session *s, int64_t t) {
    return weft_session_set_sizes(s, &(struct weft_size){"T", t}, 1);
}

/// Runs of `rows` rows in all.
static inline weft_status feed(weft_session *s, uint32_t rows) {
    for (uint32_t t; rows; rows -= t) {
        t = rows < RIG_MOST ? rows : RIG_MOST;
        WEFT_TRY(resize(s, t));
        WEFT_TRY(weft_session_run(s, 1, NULL));
    }
    return WEFT_OK;
}

static inline uint64_t position(weft_session *s) {
    uint64_t p;
    if (s->base.plan->n_positions > 1) return weft_positions_at(&s->positions, 0); // all move alike
    rig_must(weft_session_position(s, &p));
    return p;
}

static int setup(void **state) {
    (void)state;
    rig_must(weft_gpu_open(&(struct weft_gpu_params){.implementation = "null"}, &gpu));
    program = rig_program(gpu, RIG_GRAPH("paged"), &(struct weft_compile_params){.page_rows = PAGE});
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weft_program_destroy(&program);
    weft_gpu_close(&gpu);
    return 0;
}
#endif
