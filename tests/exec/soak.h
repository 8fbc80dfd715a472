/// The soak: sixteen sessions of one program created, resized, run, read, bound, reset, rewound, forked, put back to
/// snapshots, cancelled and destroyed at random, round after round. At the end of each round all of them are gone, and
/// so must be what they had: to the byte on the device, to the block on the host. WEFT_SOAK_SECONDS says for how long.
#ifndef WEFT_TEST_SOAK_H
#define WEFT_TEST_SOAK_H
#include "bind_graph.h"
#include "core/alloc.h"
#include "core/file.h"
#include <stdio.h>

enum { SOAK_SESSIONS = 16, SOAK_MOVES = 400, SOAK_ROWS = 48, SOAK_MOST = 8 };

/// A ring that goes round and a cache as long as the context.
static const char soak_text[] = "symbol T 0 8\ninput q f32 [T, 2, 8]\ninput k f32 [T, 1, 8]\nvar pos u32 0 1000\n"
                                "state kw ring f32 [16, 1, 8]\nstate kf paged f32 [48, 1, 8]\n"
                                "%0 = cache_append %kw %k %pos\n%1 = attention %q %0 %0 %pos {window=5}\n"
                                "%2 = cache_append %kf %k %pos\n%3 = attention %q %2 %2 %pos\n"
                                "%4 = add %1 %3\n%5 = advance %pos {by=T}\noutput %4 y\n";

struct soak_slot {
    weft_session *s;
    weft_snapshot *snapshot;
    weft_buffer *buffer; ///< `y` may be bound to it
    float *host;         ///< or to this
    uint32_t rows, at, snapshot_at;
};

struct soak {
    weft_device *device;
    weft_program *program;
    struct soak_slot slots[SOAK_SESSIONS];
    uint64_t seed, moves, refused;
};

static inline uint32_t soak_draw(struct soak *k, uint32_t n) { return bind_random(&k->seed, n); }

static inline void soak_size(struct soak_slot *c, uint32_t rows) {
    api_must(api_set_rows(c->s, rows));
    c->rows = rows;
}

static inline void soak_begin(struct soak *k, struct soak_slot *c) {
    struct weft_session_params params = {.checker = soak_draw(k, 8) == 0, .max_runs = 4};
    api_must(weft_session_create(k->program, &params, &c->s));
    c->at = 0;
    soak_size(c, soak_draw(k, SOAK_MOST + 1));
}

static inline void soak_unbind(struct soak_slot *c) {
    if (c->s) api_must(weft_session_bind(c->s, "y", NULL, 0, 0));
    weft_buffer_destroy(&c->buffer);
    free(c->host);
    c->host = NULL;
}

static inline void soak_end(struct soak_slot *c) {
    weft_session_destroy(&c->s); // with whatever is in flight and bound
    soak_unbind(c);
    weft_snapshot_destroy(&c->snapshot);
}

static inline void soak_run(struct soak *k, struct soak_slot *c) {
    float x[SOAK_MOST * 16];
    uint64_t fence, seed = k->seed;
    uint32_t n = 1 + soak_draw(k, 4);
    while (n * c->rows + c->at > SOAK_ROWS && n) n--;
    if (!n) {
        api_must(weft_session_rewind(c->s, 0));
        c->at = 0;
        return;
    }
    for (int i = 0; i < SOAK_MOST * 16; i++) x[i] = (float)bind_random(&seed, 100) / 100;
    api_must(weft_session_write(c->s, "q", 0, x, c->rows * 64ull));
    api_must(weft_session_write(c->s, "k", 0, x, c->rows * 32ull));
    if (soak_draw(k, 10) == 0) {
        weft_session_cancel(c->s);
        assert_int_equal(weft_session_run(c->s, n, &fence), WEFT_ERR_CANCELLED);
        weft_session_resume(c->s);
        k->refused++;
    }
    api_must(weft_session_run(c->s, n, &fence));
    c->at += n * c->rows;
    if (soak_draw(k, 3) == 0) api_must(weft_session_wait(c->s, fence, -1));
}

static inline void soak_look(struct soak_slot *c) {
    float y[SOAK_MOST * 16];
    uint64_t position;
    api_must(weft_session_read(c->s, "y", 0, y, c->rows * 64ull));
    api_must(weft_session_position(c->s, &position));
    assert_int_equal(position, c->at);
}

static inline void soak_rewind(struct soak *k, struct soak_slot *c) {
    uint32_t to = soak_draw(k, c->at + 1);
    weft_status status = weft_session_rewind(c->s, to);
    if (status == WEFT_ERR_LIMIT) k->refused++; // the ring has gone round
    else {
        api_must(status);
        c->at = to;
    }
}

static inline void soak_snapshot(struct soak *k, struct soak_slot *c) {
    if (c->snapshot && soak_draw(k, 2)) {
        api_must(weft_session_restore(c->s, c->snapshot));
        c->at = c->snapshot_at;
        return;
    }
    weft_snapshot_destroy(&c->snapshot);
    api_must(weft_session_snapshot(c->s, soak_draw(k, 2) ? WEFT_SNAPSHOT_DEVICE : WEFT_SNAPSHOT_HOST, &c->snapshot));
    c->snapshot_at = c->at;
}

static inline void soak_fork(struct soak *k, struct soak_slot *c) {
    struct soak_slot *to = &k->slots[soak_draw(k, SOAK_SESSIONS)];
    if (to == c) return;
    soak_end(to);
    api_must(weft_session_fork(c->s, &to->s));
    to->rows = c->rows;
    to->at = c->at;
}

static inline void soak_bind(struct soak *k, struct soak_slot *c) {
    uint64_t bytes = SOAK_MOST * 64;
    soak_unbind(c);
    switch (soak_draw(k, 3)) {
    case 0:
        api_must(weft_buffer_create(k->device, 256 + bytes, &c->buffer));
        api_must(weft_session_bind(c->s, "y", c->buffer, 256, 0));
        break;
    case 1:
        c->host = malloc(bytes);
        assert_non_null(c->host);
        api_must(weft_session_bind_host(c->s, "y", c->host, bytes));
        break;
    default: break;
    }
}

static inline void soak_move(struct soak *k) {
    struct soak_slot *c = &k->slots[soak_draw(k, SOAK_SESSIONS)];
    k->moves++;
    if (!c->s) {
        soak_begin(k, c);
        return;
    }
    switch (soak_draw(k, 16)) {
    case 0: soak_end(c); break;
    case 1: soak_size(c, soak_draw(k, SOAK_MOST + 1)); break;
    case 2: soak_size(c, 1); break;
    case 3: soak_look(c); break;
    case 4: soak_rewind(k, c); break;
    case 5: soak_snapshot(k, c); break;
    case 6: soak_fork(k, c); break;
    case 7: soak_bind(k, c); break;
    case 8: api_must(weft_session_checkpoint(c->s)); break;
    case 9:
        api_must(weft_session_reset(c->s));
        c->at = 0;
        break;
    default: soak_run(k, c); break;
    }
}

static inline double soak_seconds(double usual) {
    const char *text = getenv("WEFT_SOAK_SECONDS");
    double s = text ? strtod(text, NULL) : 0;
    return s > 0 ? s : usual;
}

static inline void soak(weft_device *device, double seconds, int least) {
    struct soak k = {.device = device};
    struct weft_device_counters before = {0}, after;
    weft_graph *g;
    api_must(weft_graph_parse_text(soak_text, strlen(soak_text), &g));
    api_must(weft_program_compile(device, &g, NULL, &k.program));
    int64_t live = 0;
    int round = 0;
    for (double start = weft_now(); round < least || weft_now() - start < seconds; round++) {
        k.seed = (uint64_t)round + 1;
        for (int i = 0; i < SOAK_MOVES; i++) soak_move(&k);
        for (int i = 0; i < SOAK_SESSIONS; i++) soak_end(&k.slots[i]);
        api_must(weft_device_wait_idle(device));
        after = bind_counters(device);
        if (round < 2) { // the device's own tables and its ring of readbacks have grown
            before = after;
            live = weft_alloc_stats().live;
            continue;
        }
        assert_int_equal(after.bytes_live, before.bytes_live);
        assert_int_equal(after.buffers_live, before.buffers_live);
        assert_int_equal(after.groups_live, before.groups_live);
        assert_int_equal(weft_alloc_stats().live, live);
    }
    print_message("%d rounds, %d moves, %d refusals, %d submits, %.1f MiB at most\n", round, (int)k.moves,
                  (int)k.refused, (int)after.submits, (double)after.bytes_peak / (1 << 20));
    weft_program_destroy(&k.program);
}

/// Control: what one session leaves behind is seen by the counters that the soak compares.
static inline void soak_notices(weft_device *device) {
    struct weft_device_counters before, after;
    struct soak k = {.device = device};
    weft_graph *g;
    api_must(weft_graph_parse_text(soak_text, strlen(soak_text), &g));
    api_must(weft_program_compile(device, &g, NULL, &k.program));
    before = bind_counters(device);
    int64_t live = weft_alloc_stats().live;
    soak_begin(&k, &k.slots[0]);
    after = bind_counters(device);
    assert_true(after.bytes_live > before.bytes_live && after.buffers_live > before.buffers_live);
    assert_true(after.groups_live > before.groups_live && weft_alloc_stats().live > live);
    soak_end(&k.slots[0]);
    weft_program_destroy(&k.program);
}

static weft_device *soak_device;

static inline int soak_teardown(void **state) {
    (void)state;
    weft_device_close(&soak_device);
    return 0;
}

static inline void soak_control(void **state) {
    (void)state;
    soak_notices(soak_device);
}
#endif
