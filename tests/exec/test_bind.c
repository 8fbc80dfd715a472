/// Binding on the null device, where counters are exact: what bound buffers take and give back, that known ranges cost
/// nothing, and that running out of memory at any allocation changes nothing.
#include "bind_graph.h"
#include "core/alloc.h"
#include "gpu/gpu_test.h"

static weft_device *device;
static weft_program *program;

static int setup(void **state) {
    (void)state;
    api_must(weft_device_open(&(struct weft_device_params){.implementation = "null"}, &device));
    program = bind_program(device, 1);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weft_program_destroy(&program);
    weft_device_close(&device);
    return 0;
}

static void same_life(const struct weft_device_counters *a, const struct weft_device_counters *b) {
    assert_int_equal(a->buffers_live, b->buffers_live);
    assert_int_equal(a->bytes_live, b->bytes_live);
    assert_int_equal(a->groups_live, b->groups_live);
}

// ---- buffers -------------------------------------------------------------------------------------------------------

static void buffers(void **state) {
    (void)state;
    struct weft_device_counters before = bind_counters(device), during;
    weft_buffer *b = NULL;
    weft_pending pending;
    uint32_t words[4] = {0};
    bool done;
    api_fails(weft_buffer_create(device, 0, &b), WEFT_ERR_INVALID, "0 bytes");
    assert_null(b);
    api_fails(weft_buffer_create(device, UINT64_MAX, &b), WEFT_ERR_LIMIT, "larger than");
    api_fails(weft_buffer_create(NULL, 4, &b), WEFT_ERR_INVALID, "device");
    api_fails(weft_buffer_create(device, 4, NULL), WEFT_ERR_INVALID, "out");
    api_must(weft_buffer_create(device, 300, &b));
    during = bind_counters(device);
    assert_int_equal(during.bytes_live - before.bytes_live, 512);
    assert_int_equal(weft_buffer_size(b), 300);
    assert_int_equal(weft_buffer_size(NULL), 0);
    api_must(weft_buffer_write(b, 284, words, 16));
    api_fails(weft_buffer_write(b, 288, words, 16), WEFT_ERR_LIMIT, "300 bytes");
    api_fails(weft_buffer_write(b, UINT64_MAX - 3, words, 16), WEFT_ERR_LIMIT, "300 bytes");
    api_fails(weft_buffer_write(b, 2, words, 4), WEFT_ERR_INVALID, "multiples of 4");
    api_fails(weft_buffer_write(b, 0, words, 3), WEFT_ERR_INVALID, "multiples of 4");
    api_fails(weft_buffer_write(b, 0, NULL, 4), WEFT_ERR_INVALID, "data");
    api_must(weft_buffer_write(b, 300, NULL, 0));
    api_fails(weft_buffer_read(b, 300, words, 4), WEFT_ERR_LIMIT, "beyond its end");
    api_must(weft_buffer_read(b, 296, words, 4));
    api_must(weft_buffer_read_async(b, 0, 16, &pending));
    api_must(weft_buffer_read_done(b, pending, &done));
    assert_true(done);
    api_must(weft_buffer_read_finish(b, &pending, words, 16));
    assert_int_equal(pending.id, 0);
    api_fails(weft_buffer_read_finish(b, &pending, words, 16), WEFT_ERR_STALE, "not outstanding");
    weft_buffer_destroy(&b);
    assert_null(b);
    weft_buffer_destroy(&b);
    weft_buffer_destroy(NULL);
    assert_int_equal(bind_counters(device).bytes_live - before.bytes_live, 4096); // the ring of readbacks
    api_fails(weft_session_bind(NULL, "a", NULL, 0, 0), WEFT_ERR_INVALID, "NULL");
    api_fails(weft_session_binding(NULL, "a", NULL), WEFT_ERR_INVALID, "NULL");
    weft_session *s = bind_session(program, false);
    api_fails(weft_session_bind(s, NULL, NULL, 0, 0), WEFT_ERR_INVALID, "NULL");
    api_fails(weft_session_bind_all(s, NULL, 1), WEFT_ERR_INVALID, "NULL");
    api_must(weft_session_bind_all(s, NULL, 0));
    api_fails(weft_session_bind_all(s, &(struct weft_binding){.name = "nothing"}, 1), WEFT_ERR_NOT_FOUND, "'nothing'");
    weft_session_destroy(&s);
}

// ---- memory --------------------------------------------------------------------------------------------------------

/// A session's own buffers go while others are bound, and come back; groups of known ranges are not made again.
static void own_buffers(void **state) {
    (void)state;
    struct weft_device_counters start = bind_counters(device), made, bound, again;
    weft_session *s = bind_session(program, false);
    weft_buffer *y;
    api_must(weft_buffer_create(device, 1024, &y));
    made = bind_counters(device);
    api_must(weft_session_bind(s, "y", y, 0, 0)); // 64 rows of 16 bytes: the whole range
    bound = bind_counters(device);
    assert_int_equal(made.bytes_live - bound.bytes_live, 1024);
    assert_int_equal(made.buffers_live - bound.buffers_live, 1);
    assert_int_equal(made.groups_live, bound.groups_live);
    api_must(weft_session_bind(s, "y", y, 0, 1024)); // the same again: nothing
    again = bind_counters(device);
    same_life(&bound, &again);
    assert_int_equal(bound.groups_made, again.groups_made);
    api_must(weft_session_bind(s, "y", NULL, 0, 0));
    again = bind_counters(device);
    assert_int_equal(again.pipelines_made, made.pipelines_made);
    assert_int_equal(again.bytes_live, made.bytes_live);
    weft_buffer_destroy(&y);
    weft_session_destroy(&s);
    again = bind_counters(device);
    same_life(&start, &again);
}

/// Ranges below the largest size take two small buffers for what begins behind them, and host outputs a ring.
static void what_more_it_takes(void **state) {
    (void)state;
    float out[3 * 4];
    struct weft_device_counters start = bind_counters(device), a, b;
    weft_session *s = bind_session(program, false);
    weft_buffer *y;
    api_must(weft_buffer_create(device, 256, &y));
    api_must(api_set_rows(s, 3));
    a = bind_counters(device);
    api_must(weft_session_bind(s, "y", y, 0, 48));
    b = bind_counters(device);
    assert_int_equal(a.bytes_live - 1024 + 2 * 4096, b.bytes_live);
    a = b;
    api_must(weft_session_bind_host(s, "p", out, sizeof out));
    b = bind_counters(device);
    assert_int_equal(b.bytes_live - a.bytes_live, WEFT_HOST_RUNS * 256);
    api_must(weft_session_run_blocking(s, 2));
    uint64_t calls = weft_alloc_stats().calls;
    a = bind_counters(device);
    for (int i = 0; i < 50; i++) api_must(weft_session_run_blocking(s, 2));
    b = bind_counters(device);
    assert_int_equal(weft_alloc_stats().calls, calls); // steady
    assert_int_equal(a.buffers_made, b.buffers_made);
    assert_int_equal(a.groups_made, b.groups_made);
    assert_int_equal(b.copies - a.copies, 50);
    weft_buffer_destroy(&y);
    weft_session_destroy(&s); // with all of it bound
    b = bind_counters(device);
    same_life(&start, &b);
}

/// Ever new ranges of one buffer: bind groups of long ago go, those of the last few stay.
static void ever_new_ranges(void **state) {
    (void)state;
    struct weft_device_counters start = bind_counters(device), a, b;
    weft_session *s = bind_session(program, false);
    weft_buffer *large;
    uint64_t most = 0;
    api_must(weft_buffer_create(device, 1000 * 256, &large));
    api_must(api_set_rows(s, 3));
    for (uint64_t i = 0; i < 1000; i++) {
        api_must(weft_session_bind(s, "y", large, i * 256, 48));
        if (i % 100 == 0) api_must(weft_session_run(s, 1, NULL));
        a = bind_counters(device);
        if (i == 500) most = a.groups_live;
        if (i > 500) assert_int_equal(a.groups_live, most);
    }
    a = bind_counters(device);
    for (uint64_t i = 0; i < 20; i++) api_must(weft_session_bind(s, "y", large, (996 + i % 4) * 256, 48));
    b = bind_counters(device);
    assert_int_equal(a.groups_made, b.groups_made); // the last four are still there
    api_must(weft_session_bind(s, "y", large, 0, 48));
    b = bind_counters(device);
    assert_true(b.groups_made > a.groups_made);
    api_must(weft_session_bind(s, "y", large, 999 * 256, 48)); // left once, and taken again:
    for (uint64_t i = 0; i < 900; i++) api_must(weft_session_bind(s, "z", large, i * 256, 48)); // that counts as new
    api_must(weft_session_run_blocking(s, 1));
    weft_session_destroy(&s);
    weft_buffer_destroy(&large);
    b = bind_counters(device);
    same_life(&start, &b);
}

/// Anything is bound anywhere, for long, by sessions of which states take turns too: no run misses a group.
static void anything_anywhere(void **state) {
    (void)state;
    struct weft_device_counters start = bind_counters(device), end;
    static const enum weft_state_policy policies[] = {WEFT_STATE_AS_DECLARED, WEFT_STATE_PING_PONG, WEFT_STATE_DOUBLE};
    weft_buffer *bufs[2];
    uint64_t seed = 3;
    for (int i = 0; i < 2; i++) api_must(weft_buffer_create(device, 64 << 10, &bufs[i]));
    for (int k = 0; k < 3; k++) {
        weft_program *p = bind_program_with(device, 1, policies[k]);
        weft_session *s = bind_session(p, false);
        for (int step = 0; step < 3000; step++) {
            if (bind_random(&seed, 6) == 0) {
                api_must(bind_own(s)); // at other sizes
                api_must(api_set_rows(s, 1 + bind_random(&seed, 4)));
            } else if (bind_random(&seed, 9) == 0) {
                weft_alloc_fail_at(1 + bind_random(&seed, 40), 0);
                (void)bind_somehow(s, bufs, bind_random(&seed, 24) * 256, seed);
                weft_alloc_fail_at(0, 0);
            } else {
                api_must(bind_somehow(s, bufs, bind_random(&seed, 24) * 256, step / 8 * 977 + bind_random(&seed, 3)));
            }
            if (bind_random(&seed, 3) == 0) api_must(weft_session_run(s, 1, NULL));
        }
        weft_session_destroy(&s);
        weft_program_destroy(&p);
    }
    for (int i = 0; i < 2; i++) weft_buffer_destroy(&bufs[i]);
    end = bind_counters(device);
    same_life(&start, &end);
}

/// Changes that fail midway, each to new ranges, leave no groups behind, and none that is in use goes.
static void ever_new_failures(void **state) {
    (void)state;
    weft_session *s = bind_session(program, false);
    weft_buffer *large;
    uint64_t before, refused = 0;
    api_must(weft_buffer_create(device, 400 * 256, &large));
    api_must(api_set_rows(s, 3));
    api_must(weft_session_bind(s, "next", large, 0, 36));
    before = bind_counters(device).groups_live;
    for (uint64_t i = 1; i < 400; i++) {
        weft_gpu_inject(device, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_GROUP, 2 + i % 2);
        refused += weft_session_bind(s, "next", large, i * 256, 36) != WEFT_OK;
        weft_gpu_inject(device, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_GROUP, 0);
        if (refused == 300) break;
    }
    assert_int_equal(refused, 300);
    assert_int_equal(bind_counters(device).groups_live, before);
    api_must(weft_session_run_blocking(s, 1));
    weft_session_destroy(&s);
    weft_buffer_destroy(&large);
}

/// Two steps of one kernel trade what they are bound to: the group that one leaves is the one that the other takes. It
/// stays, however many groups of a third step are left and forgotten behind it.
static void steps_that_trade_places(void **state) {
    (void)state;
    static const char text[] = "symbol T 0 64\ninput a f32 [T, 4]\ninput b f32 [T, 4]\ninput c f32 [T, 4]\n"
                               "%0 = transpose %a\n%1 = transpose %b\n%2 = transpose %c\n"
                               "output %0 x\noutput %1 y\noutput %2 z\n";
    struct weft_device_counters start = bind_counters(device), end;
    weft_graph *g;
    weft_program *p;
    weft_buffer *in, *out, *large;
    float rows[2][4] = {{0, 0, 0, 0}, {1, 1, 1, 1}};
    api_must(weft_graph_parse_text(text, strlen(text), &g));
    api_must(weft_program_compile(device, &g, NULL, &p));
    api_must(weft_buffer_create(device, 512, &in));
    api_must(weft_buffer_create(device, 512, &out));
    api_must(weft_buffer_create(device, 1000 * 256, &large));
    for (uint64_t i = 0; i < 2; i++) api_must(weft_buffer_write(in, i * 256, rows[i], sizeof rows[i]));
    weft_session *s = bind_session(p, false);
    api_must(weft_session_set_sizes(s, &(struct weft_size){"T", 1}, 1));
    for (uint64_t turn = 0; turn < 4; turn++) {
        uint64_t here = turn % 2 * 256, there = 256 - here;
        const struct weft_binding all[] = {{.name = "a", .buffer = in, .offset = here, .bytes = 16},
                                           {.name = "x", .buffer = out, .offset = here, .bytes = 16},
                                           {.name = "b", .buffer = in, .offset = there, .bytes = 16},
                                           {.name = "y", .buffer = out, .offset = there, .bytes = 16}};
        api_must(weft_session_bind_all(s, all, 4));
        for (uint64_t i = 0; i < 200; i++) api_must(weft_session_bind(s, "z", large, i * 256, 16));
        api_must(weft_session_run_blocking(s, 1));
    }
    weft_session_destroy(&s);
    weft_buffer_destroy(&in);
    weft_buffer_destroy(&out);
    weft_buffer_destroy(&large);
    weft_program_destroy(&p);
    end = bind_counters(device);
    same_life(&start, &end);
}

/// Fails allocation by allocation: each time nothing has changed, and the session runs.
static void out_of_memory(void **state) {
    (void)state;
    float out[64 * 4];
    weft_session *s = bind_session(program, false);
    weft_buffer *all, *old;
    api_must(weft_buffer_create(device, 8192, &all));
    api_must(weft_buffer_create(device, 1024, &old));
    api_must(weft_session_bind(s, "z", old, 0, 0));
    const struct weft_binding wanted[] = {{.name = "a", .buffer = all, .bytes = 768},
                                          {.name = "next", .buffer = all, .offset = 768, .bytes = 768},
                                          {.name = "y", .buffer = all, .offset = 2048},
                                          {.name = "p", .host = out, .bytes = sizeof out},
                                          {.name = "z"}};
    struct weft_device_counters before = bind_counters(device), after;
    weft_status status = WEFT_ERR_NOMEM;
    uint64_t n = 1;
    for (; status != WEFT_OK && n < 500; n++) {
        int64_t live = weft_alloc_stats().live;
        weft_alloc_fail_at(n, 0);
        status = weft_session_bind_all(s, wanted, 5);
        weft_alloc_fail_at(0, 0);
        if (status == WEFT_OK) break;
        assert_int_equal(status, WEFT_ERR_NOMEM);
        struct weft_binding is;
        api_must(weft_session_binding(s, "z", &is));
        assert_ptr_equal(is.buffer, old);
        api_must(weft_session_binding(s, "a", &is));
        assert_null(is.buffer);
        api_must(weft_session_run_blocking(s, 1));
        // Groups of ranges that were got before the failure stay in the cache, for the next attempt.
        after = bind_counters(device);
        assert_int_equal(before.bytes_live, after.bytes_live);
        assert_int_equal(before.buffers_live, after.buffers_live);
        assert_true(weft_alloc_stats().live - live <= (int64_t)(after.groups_live - before.groups_live) * 3 + 8);
    }
    assert_true(status == WEFT_OK && n > 8);
    api_must(weft_session_run_blocking(s, 1));
    weft_session_destroy(&s);
    weft_buffer_destroy(&all);
    weft_buffer_destroy(&old);
}

/// Sessions destroyed with runs in flight leave nothing behind, in whatever order they go.
static void destroyed_mid_flight(void **state) {
    (void)state;
    struct weft_device_counters start = bind_counters(device), end;
    int64_t live = weft_alloc_stats().live;
    for (int round = 0; round < 20; round++) {
        weft_session *s[4];
        weft_buffer *b;
        api_must(weft_buffer_create(device, 4096, &b));
        for (int i = 0; i < 4; i++) {
            s[i] = bind_session(program, i == 3);
            api_must(weft_session_bind(s[i], "y", b, (uint64_t)(i % 4) * 1024, 1024));
            api_must(weft_session_run(s[i], 1 + (uint32_t)i, NULL));
        }
        if (round % 2) weft_buffer_destroy(&b);
        for (int i = 0; i < 4; i++) weft_session_destroy(&s[(i + round) % 4]);
        weft_buffer_destroy(&b);
        end = bind_counters(device);
        same_life(&start, &end);
        if (round == 0) live = weft_alloc_stats().live; // tables of the device have grown
        else assert_int_equal(weft_alloc_stats().live, live);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers),
        cmocka_unit_test(own_buffers),
        cmocka_unit_test(what_more_it_takes),
        cmocka_unit_test(ever_new_ranges),
        cmocka_unit_test(steps_that_trade_places),
        cmocka_unit_test(ever_new_failures),
        cmocka_unit_test(anything_anywhere),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(destroyed_mid_flight),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
