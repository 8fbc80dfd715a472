/// Sessions beside each other: interleaved in any order, disturbed and bound anew between runs, destroyed with runs in
/// flight; each gives the bits that it gives alone, and leaves nothing behind.
#include "bind_graph.h"
#include "exec/buffer.h"
#include "exec/exec_impl.h"
#include "exec/session_test.h"

static weft_device *device;
static weft_program *programs[2];

static int setup(void **state) {
    (void)state;
    if (weft_device_open(NULL, &device) != WEFT_OK) {
        print_error("%s\n", weft_error_message());
        return -1;
    }
    programs[0] = bind_program(device, 0.25f);
    programs[1] = bind_program_with(device, 0.5f, WEFT_STATE_PING_PONG);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) weft_program_destroy(&programs[i]);
    weft_device_close(&device);
    return 0;
}

/// One move of a session's sequence: sizes, inputs, runs. The same `seed` gives the same move.
static void move(weft_session *s, uint64_t seed) {
    static const int64_t sizes[] = {1, 2, 7, 16, 1, 33, 64, 1, 0};
    float a[BIND_ROWS * 3], b[BIND_ROWS * 3];
    int64_t rows = sizes[bind_random(&seed, sizeof sizes / sizeof *sizes)];
    bind_fill(a, BIND_ROWS * 3, seed);
    bind_fill(b, BIND_ROWS * 3, seed + 1);
    api_must(api_set_rows(s, rows));
    bind_write(s, a, b, rows);
    api_must(weft_session_run(s, 1 + bind_random(&seed, 4), NULL));
}

// ---- interleaved ---------------------------------------------------------------------------------------------------

enum { SESSIONS = 4, MOVES = 10, SCHEDULES = 6 };

static void interleaved(void **state) {
    (void)state;
    struct bind_image *alone = calloc(SESSIONS * MOVES, sizeof *alone), *now = malloc(sizeof *now);
    assert_true(alone && now);
    for (int i = 0; i < SESSIONS; i++) {
        weft_session *s = bind_session(programs[i % 2], false);
        for (int m = 0; m < MOVES; m++) {
            move(s, (uint64_t)(i * 100 + m));
            bind_image(s, &alone[i * MOVES + m]);
        }
        weft_session_destroy(&s);
    }
    for (uint64_t seed = 1; seed <= SCHEDULES; seed++) {
        weft_session *s[SESSIONS];
        int done[SESSIONS] = {0}, looked = 0;
        uint64_t next = seed;
        for (int i = 0; i < SESSIONS; i++) s[i] = bind_session(programs[i % 2], seed % 3 == 0 && i == 1);
        for (int left = SESSIONS * MOVES; left > 0;) {
            int i = (int)bind_random(&next, SESSIONS);
            if (done[i] == MOVES) continue;
            move(s[i], (uint64_t)(i * 100 + done[i]++));
            left--;
            // Looking waits, so it is done now and then only; in between runs of all are in flight together.
            if (done[i] < MOVES && bind_random(&next, 4)) continue;
            bind_image(s[i], now);
            const char *name = bind_differs(now, &alone[i * MOVES + done[i] - 1]);
            if (name) fail_msg("schedule %d, session %d, move %d: '%s' differs", (int)seed, i, done[i], name);
            looked++;
        }
        assert_true(looked > SESSIONS);
        for (int i = 0; i < SESSIONS; i++) weft_session_destroy(&s[i]);
    }
    // Control: programs and moves differ, so the images do.
    assert_non_null(bind_differs(&alone[MOVES - 1], &alone[2 * MOVES - 1]));
    assert_non_null(bind_differs(&alone[MOVES - 1], &alone[3 * MOVES - 1]));
    free(alone);
    free(now);
}

// ---- disturbed and bound anew --------------------------------------------------------------------------------------

static void poison(weft_buf buf) {
    if (buf.id) api_must(weft_buf_fill(device, buf, 0, weft_buf_size(device, buf), 0x7fc0a7a7));
}

/// Transients and outputs are filled with rubbish; so is unrelated memory, some of which is given back.
static void disturb(weft_session *s, weft_buffer **rubbish, uint32_t n, uint64_t seed) {
    const weft_program *program = weft_session_program(s);
    const struct weft_plan *plan = weft_program_plan(program);
    struct weft_session_view view = weft_session_view(s);
    for (int h = 0; h < WEFT_HEAPS; h++) poison(program->heaps[h]);
    for (uint32_t i = 0; i < plan->n_ios; i++)
        if (plan->ios[i].is_output) poison(view.ios[i]);
    for (int k = 0; k < 4; k++) {
        weft_buffer **b = &rubbish[bind_random(&seed, n)];
        if (*b) weft_buffer_destroy(b);
        api_must(weft_buffer_create(device, 256u << bind_random(&seed, 8), b));
        poison((*b)->buf);
    }
}

/// The first run equals the n-th equals checker mode, whatever is bound and whatever happens around them; bindings also
/// change between the runs of a sequence, and ping-pong states change sides with each.
static void first_is_nth_of(weft_program *program) {
    enum { ROUNDS = 16, RUBBISH = 12 };
    weft_session *s = bind_session(program, false), *checker = bind_session(program, true),
                 *quiet = bind_session(program, false);
    weft_buffer *rubbish[RUBBISH] = {NULL}, *bufs[2];
    struct bind_image *first = malloc(2 * sizeof *first);
    float a[21], b[21];
    assert_non_null(first);
    for (int i = 0; i < 2; i++) api_must(weft_buffer_create(device, 16 << 10, &bufs[i]));
    bind_fill(a, 21, 5);
    bind_fill(b, 21, 6);
    uint64_t pipelines = bind_counters(device).pipelines_made;
    disturb(s, rubbish, RUBBISH, 99); // between building and the first run
    for (uint64_t round = 0; round < ROUNDS; round++) {
        weft_session *all[] = {s, checker};
        for (int k = 0; k < 2; k++) { // one sequence again and again: from the start, seven rows, three runs
            api_must(bind_own(all[k]));
            api_must(api_set_rows(all[k], 7));
            api_must(weft_session_reset(all[k]));
            if (round) api_must(bind_somehow(all[k], bufs, 0, round * 2 + (uint64_t)k));
            for (int i = 0; i < 2; i++) poison(bufs[i]->buf);
            disturb(all[k], rubbish, RUBBISH, round);
            bind_write(all[k], a, b, 7);
            api_must(weft_session_run(all[k], 1, NULL));
            if (round % 2) {
                api_must(bind_somehow(all[k], bufs, 0, round * 7 + (uint64_t)k));
                disturb(all[k], rubbish, RUBBISH, round + 50);
                bind_write(all[k], a, b, 7);
            }
            api_must(weft_session_run(all[k], 2, NULL));
            bind_image(all[k], &first[round || k]);
            const char *name = bind_differs(&first[0], &first[round || k]);
            if (name) fail_msg("round %d%s: '%s' differs", (int)round, k ? ", checker" : "", name);
        }
        if (round % 5 == 0) move(quiet, round); // another session's transients in between
    }
    assert_int_equal(bind_counters(device).pipelines_made, pipelines);
    weft_session_destroy(&s);
    weft_session_destroy(&checker);
    weft_session_destroy(&quiet);
    for (int i = 0; i < 2; i++) weft_buffer_destroy(&bufs[i]);
    for (int i = 0; i < RUBBISH; i++) weft_buffer_destroy(&rubbish[i]);
    free(first);
}

static void first_is_nth(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) first_is_nth_of(programs[i]);
}

/// Control: poison where it matters is seen.
static void poison_is_seen(void **state) {
    (void)state;
    weft_session *s = bind_session(programs[0], false), *twin = bind_session(programs[0], false);
    struct bind_image *x = malloc(2 * sizeof *x);
    assert_non_null(x);
    move(s, 3);
    move(twin, 3);
    struct weft_session_view view = weft_session_view(s);
    poison(view.ios[0]); // an input
    api_must(weft_session_run(s, 1, NULL));
    api_must(weft_session_run(twin, 1, NULL));
    bind_image(s, &x[0]);
    bind_image(twin, &x[1]);
    assert_non_null(bind_differs(&x[0], &x[1]));
    free(x);
    weft_session_destroy(&s);
    weft_session_destroy(&twin);
}

// ---- destroyed -----------------------------------------------------------------------------------------------------

/// With runs, reads and copies in flight, in changing order, while another session runs on: all of it is given back to
/// the byte.
static void destroyed_mid_flight(void **state) {
    (void)state;
    weft_session *stays = bind_session(programs[0], false), *twin = bind_session(programs[0], false);
    float out[BIND_ROWS * 4];
    struct weft_device_counters start = {0};
    for (uint64_t round = 0; round < 8; round++) {
        weft_session *s[3];
        weft_buffer *b;
        weft_pending pending;
        api_must(weft_buffer_create(device, 8192, &b));
        for (int i = 0; i < 3; i++) {
            s[i] = bind_session(programs[i % 2], i == 2);
            api_must(weft_session_bind(s[i], "y", b, (uint64_t)i * 1024, 1024));
            api_must(weft_session_bind_host(s[i], "p", out, sizeof out));
            move(s[i], round);
            api_must(weft_session_run(s[i], 4, NULL));
        }
        move(stays, round);
        move(twin, round);
        api_must(weft_session_read_async(s[1], "z", 0, 0, &pending));
        if (round % 2) weft_buffer_destroy(&b);
        for (uint64_t i = 0; i < 3; i++) weft_session_destroy(&s[(i + round) % 3]);
        api_must(weft_session_read_finish(stays, &pending, NULL, 0)); // a read outlives its session
        weft_buffer_destroy(&b);
        bind_equal(stays, twin, "beside sessions that go");
        api_must(weft_device_wait_idle(device));
        struct weft_device_counters end = bind_counters(device);
        if (round < 2) start = end; // the ring of readbacks has grown
        assert_int_equal(start.bytes_live, end.bytes_live);
        assert_int_equal(start.buffers_live, end.buffers_live);
        assert_int_equal(start.groups_live, end.groups_live);
    }
    weft_session_destroy(&stays);
    weft_session_destroy(&twin);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interleaved),
        cmocka_unit_test(first_is_nth),
        cmocka_unit_test(poison_is_seen),
        cmocka_unit_test(destroyed_mid_flight),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
