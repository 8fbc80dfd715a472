/// Going back: rewind, snapshot, restore, checkpoint and fork. After each, a session goes on as one does that was fed
/// the same rows from the start, bit for bit; and what is refused changes nothing.
#include "cache_rig.h"

/// All tests run with a cache of one ring and with one of pages (of 8 rows).
static weft_program *program;
static struct rig twin;

#define agrees(r, t, stream) assert_true(rig_agrees(r, &twin, t, stream))

static uint64_t position(const struct rig *r) {
    uint64_t p;
    rig_must(weft_session_position(r->s, &p));
    return p;
}

static void rewind_to(struct rig *r, uint32_t p) {
    rig_must(weft_session_rewind(r->s, p));
    r->n = p;
    assert_int_equal(position(r), p);
}

// ---- rewind --------------------------------------------------------------------------------------------------------

static void test_rewind(void **state) {
    (void)state;
    struct rig r = rig_begin(program, false);
    rig_feed(&r, 8, 1, NULL);
    agrees(&r, 1, 1);
    rewind_to(&r, 0);
    agrees(&r, 7, 2);
    agrees(&r, 6, 3); // 13: the ring of 16 has not gone round
    rewind_to(&r, 5); // an odd position, in the middle of a run
    agrees(&r, 3, 4);
    agrees(&r, 8, 5);
    rewind_to(&r, 16); // where it stands
    agrees(&r, 8, 6);  // 24: the ring has gone round
    agrees(&r, 8, 6);  // 32: rows 16 to 31
    rewind_to(&r, 25);
    agrees(&r, 1, 7);
    agrees(&r, 8, 8);
    weft_session_destroy(&r.s);
}

/// Crops inside the window are exact at the lowest position that is possible, and refused one below it, by name. That
/// the session went further before a first crop is not forgotten by it.
static void test_crop_at_the_window(void **state) {
    (void)state;
    struct rig r = rig_begin(program, false);
    for (int i = 0; i < 4; i++) rig_feed(&r, 8, 1, NULL);
    uint32_t low = 32 - RIG_RING + RIG_WINDOW - 1; // its window reaches back to the oldest row that is there
    rig_fails(weft_session_rewind(r.s, low - 1), WEFT_ERR_LIMIT, "lowest position it can be cropped to is 20");
    assert_non_null(strstr(weft_error_message(), "'kw'"));
    assert_int_equal(position(&r), 32);
    agrees(&r, 1, 2); // nothing was lost: position 33 next
    rewind_to(&r, low + 1);
    rig_fails(weft_session_rewind(r.s, low), WEFT_ERR_LIMIT, "is 21");
    agrees(&r, 1, 3);
    rig_fails(weft_session_rewind(r.s, low), WEFT_ERR_LIMIT, "is 21");
    rig_fails(weft_session_rewind(r.s, 23), WEFT_ERR_INVALID, "position 22");
    agrees(&r, 8, 3);
    rewind_to(&r, 0);
    agrees(&r, 8, 4);
    weft_session_destroy(&r.s);
}

/// Control: the comparison sees a wrong row in a place that the next position looks at.
static void test_comparison_notices(void **state) {
    (void)state;
    static const float wrong[RIG_HEAD] = {3, 3, 3, 3, 3, 3, 3, 3};
    static const char *const caches[] = {"kw", "vw", "kf", "vf"};
    for (int i = 0; i < 4; i++) {
        struct rig r = rig_begin(program, false);
        rig_feed(&r, 8, 1, NULL);
        rig_must(weft_session_write(r.s, caches[i], 5 * sizeof wrong, wrong, sizeof wrong));
        assert_false(rig_agrees(&r, &twin, 1, 1));
        weft_session_destroy(&r.s);
    }
}

// ---- snapshots -----------------------------------------------------------------------------------------------------

static void snapshot_and_restore(uint32_t flags) {
    struct rig r = rig_begin(program, false), other = rig_begin(program, false);
    weft_snapshot *x = NULL;
    rig_feed(&r, 8, 1, NULL);
    rig_feed(&r, 3, 2, NULL);
    rig_must(weft_session_snapshot(r.s, flags, &x));
    assert_int_equal(weft_snapshot_position(x), 11);
    assert_true(weft_snapshot_bytes(x) >= 2 * RIG_RING * RIG_HEAD * 4);
    struct rig then = r;
    for (int i = 0; i < 2; i++) { // as often as wanted, with another future each time
        agrees(&r, 5, 3 + (uint32_t)i);
        agrees(&r, 8, 5);
        rig_must(weft_session_restore(r.s, x));
        r = then;
        assert_int_equal(position(&r), 11);
    }
    agrees(&r, 4, 6);
    rig_feed(&other, 8, 9, NULL);
    rig_must(weft_session_restore(other.s, x)); // into a session with a past of its own
    weft_session_destroy(&r.s);                 // and without the one that it was taken from
    weft_session *mine = other.s;
    other = then;
    other.s = mine;
    agrees(&other, 7, 7);
    weft_snapshot_destroy(&x);
    agrees(&other, 7, 7);
    weft_session_destroy(&other.s);
}

static void test_snapshot_device(void **state) {
    (void)state;
    snapshot_and_restore(WEFT_SNAPSHOT_DEVICE);
}

static void test_snapshot_host(void **state) {
    (void)state;
    snapshot_and_restore(WEFT_SNAPSHOT_HOST);
}

// ---- forks ---------------------------------------------------------------------------------------------------------

/// Either goes on by itself, also when the other is gone.
static void test_fork(void **state) {
    (void)state;
    for (int first = 0; first < 2; first++) {
        struct rig r = rig_begin(program, false), f;
        rig_feed(&r, 8, 1, NULL);
        rig_feed(&r, 5, 2, NULL);
        f = r;
        rig_must(weft_session_fork(r.s, &f.s));
        agrees(&f, 2, 3);
        agrees(&r, 2, 4);
        agrees(&f, 8, 3);
        weft_session_destroy(first ? &r.s : &f.s);
        struct rig *left = first ? &f : &r;
        agrees(left, 8, 5);
        weft_session_destroy(&left->s);
    }
}

static void test_fork_at(void **state) {
    (void)state;
    struct rig r = rig_begin(program, false), f;
    for (int i = 0; i < 4; i++) rig_feed(&r, 8, (uint32_t)i, NULL);
    f = r;
    rig_must(weft_session_fork_at(r.s, 27, &f.s));
    f.n = 27;
    agrees(&f, 6, 7);
    agrees(&r, 1, 8);
    weft_session *none = f.s;
    rig_fails(weft_session_fork_at(r.s, 3, &none), WEFT_ERR_LIMIT, "lowest position");
    assert_null(none);
    agrees(&r, 1, 8);
    weft_session_destroy(&r.s);
    weft_session_destroy(&f.s);
}

// ---- pages ---------------------------------------------------------------------------------------------------------

/// Rows of a paged state are read and written by the host as if they lay together; those without a page are zero.
static void test_host_rows(void **state) {
    (void)state;
    struct rig r = rig_begin(program, false), f;
    float rows[RIG_ROWS][RIG_HEAD], one[RIG_HEAD] = {1, 2, 3, 4, 5, 6, 7, 8};
    rig_feed(&r, 8, 1, NULL);
    rig_feed(&r, 5, 2, NULL);
    rig_must(weft_session_read(r.s, "kf", 0, rows, sizeof rows));
    for (uint32_t i = 0; i < RIG_ROWS; i++)
        for (uint32_t c = 0; c < RIG_HEAD; c++)
            assert_true(rows[i][c] == (i < r.n ? rig_number(r.stream[i], i, c + 100) : 0));
    f = r;
    rig_must(weft_session_fork(r.s, &f.s));
    rig_must(weft_session_write(f.s, "kf", 7 * sizeof one, one, sizeof one)); // copied first: not the other's
    rig_must(weft_session_write(f.s, "kf", 30 * sizeof one, one, sizeof one));
    agrees(&r, 1, 3);
    rig_must(weft_session_read(f.s, "kf", 0, rows, sizeof rows));
    assert_memory_equal(rows[7], one, sizeof one);
    assert_memory_equal(rows[30], one, sizeof one);
    assert_true(rows[8][0] == rig_number(2, 8, 100) && rows[29][0] == 0);
    assert_false(rig_agrees(&f, &twin, 1, 3)); // control: what the host wrote is seen
    rig_fails(weft_session_read(r.s, "kf", sizeof rows - 4, rows, 8), WEFT_ERR_LIMIT, "'kf'");
    weft_session_destroy(&f.s);
    weft_session_destroy(&r.s);
}

/// Several runs in one submit, the checker's runs, and a pool that grows under sessions that are in the middle of
/// things: all the same bits.
static void test_growth_and_checker(void **state) {
    (void)state;
    struct rig r[4];
    for (int i = 0; i < 4; i++) r[i] = rig_begin(program, i == 1);
    for (uint32_t step = 0; step < 6; step++)
        for (uint32_t i = 0; i < 4; i++) agrees(&r[i], 1 + (step * 3 + i) % 7, i * 8 + step);
    for (int i = 0; i < 4; i++) {
        float a[RIG_Y], b[RIG_Y];
        rig_follow(&twin, &r[i]);
        rig_prepare(&r[i], 1, 50);
        rig_prepare(&twin, 1, 50);
        rig_must(weft_session_run(r[i].s, 9, NULL)); // the same row nine times
        for (int k = 0; k < 9; k++) rig_must(weft_session_run(twin.s, 1, NULL));
        rig_must(weft_session_read(r[i].s, "y", 0, a, 2 * RIG_HEAD * 4));
        rig_must(weft_session_read(twin.s, "y", 0, b, 2 * RIG_HEAD * 4));
        assert_memory_equal(a, b, 2 * RIG_HEAD * 4);
        weft_session_destroy(&r[i].s);
    }
}

// ---- recurrent states ----------------------------------------------------------------------------------------------

static const char sums[] = "symbol T 1 8\ninput x f32 [1, 4]\nstate sum dense f32 [1, 4]\nstate bias dense f32 [1, 4]\n"
                           "var zero u32 0 0\nvar pos u32 0 1000\n%0 = add %sum %x\n%1 = add %0 %bias\n"
                           "%2 = cache_append %sum %1 %zero\n%3 = advance %pos {by=T}\n";

static float sum_of(weft_session *s) {
    float x[4];
    rig_must(weft_session_read(s, "sum", 0, x, sizeof x));
    assert_true(x[0] == x[1] && x[1] == x[3]);
    return x[0];
}

static void add(weft_session *s, float x, uint32_t runs) {
    float row[4] = {x, x, x, x};
    rig_must(weft_session_set_sizes(s, &(struct weft_size){"T", 1}, 1));
    rig_must(weft_session_write(s, "x", 0, row, sizeof row));
    rig_must(weft_session_run(s, runs, NULL));
}

/// What all positions made of a state is not cropped, unless there is a checkpoint at just that position.
static void test_recurrent(void **state) {
    (void)state;
    static const float bias[4] = {1000, 1000, 1000, 1000};
    weft_program *p = rig_program(weft_test_gpu(), sums, NULL);
    weft_session *s = NULL, *f = NULL;
    rig_must(weft_session_create(p, NULL, &s));
    rig_must(weft_session_write(s, "bias", 0, bias, sizeof bias));
    add(s, 1, 3);
    assert_true(sum_of(s) == 3003);
    rig_fails(weft_session_rewind(s, 2), WEFT_ERR_UNSUPPORTED, "'sum'");
    assert_true(sum_of(s) == 3003);
    rig_must(weft_session_checkpoint(s));
    add(s, 10, 2);
    rig_must(weft_session_fork(s, &f));
    rig_must(weft_session_checkpoint(s));
    add(s, 100, 1);
    add(f, 5, 1);
    assert_true(sum_of(s) == 6123 && sum_of(f) == 6028);
    rig_must(weft_session_rewind(s, 5));
    assert_true(sum_of(s) == 5023);
    rig_must(weft_session_rewind(s, 3));
    assert_true(sum_of(s) == 3003);
    add(s, 2, 2);
    assert_true(sum_of(s) == 5007);
    rig_fails(weft_session_rewind(s, 4), WEFT_ERR_UNSUPPORTED, "checkpoint"); // nor is 5 from before remembered
    rig_must(weft_session_rewind(s, 3));
    rig_must(weft_session_rewind(s, 0));
    assert_true(sum_of(s) == 0);
    add(s, 1, 1);
    assert_true(sum_of(s) == 1001); // the host's own state is kept
    rig_must(weft_session_reset(s));
    add(s, 1, 1);
    assert_true(sum_of(s) == 1);
    weft_session_destroy(&f);
    weft_session_destroy(&s);
    weft_program_destroy(&p);
}

/// A range of halves that begins and ends within a word is written to its end and leaves its neighbours alone; while
/// the session is not active a run writes nothing at all.
static void test_ranges_of_halves(void **state) {
    (void)state;
    enum { LEN = 128, ALL = LEN + 2 }; // words at both ends of which one half is written, and 63 between them
    static const char graph[] = "input x f32 [128]\nstate h dense f16 [130]\n%0 = assign %h %x {start=1}\n";
    float x[LEN];
    uint16_t before[ALL], after[ALL], h[ALL];
    for (int i = 0; i < ALL; i++) before[i] = after[i] = (uint16_t)(i + 5);
    for (int i = 0; i < LEN; i++) {
        x[i] = i % 2 ? 2 : -1;
        after[1 + i] = i % 2 ? 0x4000 : 0xbc00;
    }
    weft_program *p = rig_program(weft_test_gpu(), graph, NULL);
    weft_session *s = NULL;
    rig_must(weft_session_create(p, NULL, &s));
    rig_must(weft_session_write(s, "x", 0, x, sizeof x));
    rig_must(weft_session_write(s, "h", 0, before, sizeof before));
    for (uint32_t active = 0; active < 2; active++) {
        rig_must(weft_session_set_active(s, active));
        rig_must(weft_session_run(s, 1, NULL));
        rig_must(weft_session_read(s, "h", 0, h, sizeof h));
        assert_memory_equal(h, active ? after : before, sizeof h);
    }
    weft_session_destroy(&s);
    weft_program_destroy(&p);
}

/// Rows of a ring that a step moves within it are copied from where they lie.
static void test_rows_within_a_ring(void **state) {
    (void)state;
    static const char graph[] = "var pos u32 0 9\nstate c ring f32 [16, 4]\n%x = slice %c {start=3, len=2}\n"
                                "%0 = cache_append %c %x %pos\n";
    float rows[16][4], after[16][4];
    weft_program *p = rig_program(weft_test_gpu(), graph, NULL);
    weft_session *s = NULL;
    for (int i = 0; i < 64; i++) rows[i / 4][i % 4] = (float)i;
    rig_must(weft_session_create(p, NULL, &s));
    rig_must(weft_session_write(s, "c", 0, rows, sizeof rows));
    rig_must(weft_session_set_var(s, "pos", 4));
    rig_must(weft_session_run(s, 1, NULL));
    rig_must(weft_session_read(s, "c", 0, after, sizeof after));
    memmove(rows[4], rows[3], 2 * sizeof rows[3]);
    assert_memory_equal(after, rows, sizeof rows);
    weft_session_destroy(&s);
    weft_program_destroy(&p);
}

/// A snapshot knows whether the session was active; a checkpoint leaves alone what only the host writes.
static void test_what_is_put_back(void **state) {
    (void)state;
    static const float one[4] = {1, 1, 1, 1}, bias[4] = {1000, 1000, 1000, 1000};
    for (uint32_t flags = WEFT_SNAPSHOT_DEVICE; flags <= WEFT_SNAPSHOT_HOST; flags++) {
        weft_program *p = rig_program(weft_test_gpu(), sums, NULL);
        weft_session *s = NULL;
        weft_snapshot *x = NULL;
        rig_must(weft_session_create(p, NULL, &s));
        rig_must(weft_session_write(s, "bias", 0, one, sizeof one));
        add(s, 1, 1);
        rig_must(weft_session_snapshot(s, flags, &x));
        rig_must(weft_session_checkpoint(s));
        rig_must(weft_session_write(s, "bias", 0, bias, sizeof bias));
        rig_must(weft_session_rewind(s, 1));
        add(s, 1, 1);
        assert_true(sum_of(s) == 1003);
        rig_must(weft_session_set_active(s, 0));
        add(s, 1, 1);
        assert_true(sum_of(s) == 1003);
        rig_must(weft_session_restore(s, x));
        add(s, 1, 1);
        assert_true(sum_of(s) == 4);
        weft_snapshot_destroy(&x);
        weft_session_destroy(&s);
        weft_program_destroy(&p);
    }
}

/// Pages that others have filled and given back are zeros for whoever takes them next, one or many at once.
static void test_pages_come_empty(void **state) {
    (void)state;
    enum { PAGE = 8, PAGES = RIG_ROWS / PAGE, N = RIG_ROWS * RIG_HEAD };
    float rows[N];
    weft_program *p =
        rig_program(weft_test_gpu(), RIG_GRAPH("paged"), &(struct weft_compile_params){.page_rows = PAGE});
    weft_session *s[PAGES + 1];
    for (int i = 0; i < N; i++) rows[i] = (float)(i + 1);
    for (int i = 0; i <= PAGES; i++) rig_must(weft_session_create(p, NULL, &s[i]));
    for (int i = 0; i < PAGES; i++) rig_must(weft_session_write(s[i], "kf", 0, rows, sizeof rows / PAGES));
    for (int i = PAGES; i-- > 0;) rig_must(weft_session_reset(s[i])); // so that they lie together when they are taken
    rig_must(weft_session_reserve(s[PAGES], RIG_ROWS));
    rig_must(weft_session_read(s[PAGES], "kf", 0, rows, sizeof rows));
    for (int i = 0; i < N; i++) assert_true(rows[i] == 0);
    for (int i = 0; i <= PAGES; i++) weft_session_destroy(&s[i]);
    weft_program_destroy(&p);
}

/// More than eight checkpoints: the oldest goes.
static void test_checkpoints_are_bounded(void **state) {
    (void)state;
    weft_program *p = rig_program(weft_test_gpu(), sums, NULL);
    weft_session *s = NULL;
    struct weft_gpu_counters before, after;
    rig_must(weft_session_create(p, NULL, &s));
    for (int i = 0; i < 9; i++) {
        if (i == 8) weft_gpu_counters(weft_test_gpu(), &before);
        add(s, 1, 1);
        rig_must(weft_session_checkpoint(s));
    }
    weft_gpu_counters(weft_test_gpu(), &after);
    assert_int_equal(after.buffer_bytes_live, before.buffer_bytes_live);
    rig_must(weft_session_rewind(s, 2));
    assert_true(sum_of(s) == 2);
    rig_fails(weft_session_rewind(s, 1), WEFT_ERR_UNSUPPORTED, "'sum'");
    weft_session_destroy(&s);
    weft_program_destroy(&p);
}

// ---- refusals ------------------------------------------------------------------------------------------------------

static void test_refusals(void **state) {
    (void)state;
    weft_program *p = rig_program(weft_test_gpu(), sums, NULL);
    weft_session *s = NULL;
    weft_snapshot *device = NULL, *host = NULL, *none = NULL;
    struct rig r = rig_begin(program, false);
    rig_must(weft_session_create(p, NULL, &s));
    rig_must(weft_session_snapshot(s, WEFT_SNAPSHOT_DEVICE, &device));
    rig_must(weft_session_snapshot(s, WEFT_SNAPSHOT_HOST, &host));
    rig_feed(&r, 8, 1, NULL);
    rig_fails(weft_session_restore(r.s, device), WEFT_ERR_INVALID, "another program");
    rig_fails(weft_session_restore(r.s, host), WEFT_ERR_INVALID, "states");
    rig_fails(weft_session_snapshot(r.s, 0, &none), WEFT_ERR_INVALID, "flags 0");
    rig_fails(weft_session_snapshot(r.s, 3, &none), WEFT_ERR_INVALID, "flags 3");
    rig_fails(weft_session_rewind(r.s, 9), WEFT_ERR_INVALID, "position 8");
    rig_fails(weft_session_rewind(NULL, 0), WEFT_ERR_INVALID, "NULL");
    assert_null(none);
    agrees(&r, 3, 1);
    weft_snapshot_destroy(&device);
    weft_snapshot_destroy(&host);
    weft_snapshot_destroy(NULL);
    weft_session_destroy(&s);
    weft_session_destroy(&r.s);
    weft_program_destroy(&p);
}

/// All that the tests made is given back, but for what the pool grew by, which goes with its last session.
static void test_nothing_leaks(void **state) {
    (void)state;
    struct weft_gpu_counters before, after;
    rig_must(weft_session_reset(twin.s));
    weft_gpu_counters(weft_test_gpu(), &before);
    test_fork(state);
    test_snapshot_device(state);
    rig_must(weft_session_reset(twin.s));
    weft_gpu_counters(weft_test_gpu(), &after);
    for (int i = 0; i < WEFT_BUF_PURPOSES; i++)
        if (i != WEFT_BUF_FOR_PAGES && i != WEFT_BUF_FOR_STAGING && i != WEFT_BUF_FOR_READBACK)
            assert_int_equal(after.bytes_for[i], before.bytes_for[i]);
    assert_int_equal(after.pages_used, before.pages_used);
    assert_int_equal(after.groups_live, before.groups_live);
    weft_session_destroy(&twin.s);
    weft_gpu_counters(weft_test_gpu(), &after);
    assert_int_equal(after.bytes_for[WEFT_BUF_FOR_PAGES] + after.pages_used + after.bytes_for[WEFT_BUF_FOR_STAGING], 0);
    assert_int_equal(after.bytes_for[WEFT_BUF_FOR_STATES] + after.bytes_for[WEFT_BUF_FOR_IO], 0);
    assert_int_equal(after.groups_live, 0);
    twin = rig_begin(program, false);
}

static int begin(const char *graph) {
    struct weft_compile_params compile = {.page_rows = 8};
    if (!weft_test_gpu()) return -1;
    program = rig_program(weft_test_gpu(), graph, &compile);
    twin = rig_begin(program, false);
    return 0;
}

static int setup_ring(void **state) {
    (void)state;
    return begin(RIG_GRAPH("ring"));
}

static int setup_pages(void **state) {
    (void)state;
    return begin(RIG_GRAPH("paged"));
}

static int teardown(void **state) {
    (void)state;
    weft_session_destroy(&twin.s);
    weft_program_destroy(&program);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rewind),
        cmocka_unit_test(test_crop_at_the_window),
        cmocka_unit_test(test_comparison_notices),
        cmocka_unit_test(test_snapshot_device),
        cmocka_unit_test(test_snapshot_host),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_fork_at),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_host_rows),
        cmocka_unit_test(test_growth_and_checker),
        cmocka_unit_test(test_nothing_leaks),
    };
    const struct CMUnitTest recurrent[] = {
        cmocka_unit_test(test_recurrent),          cmocka_unit_test(test_ranges_of_halves),
        cmocka_unit_test(test_rows_within_a_ring), cmocka_unit_test(test_what_is_put_back),
        cmocka_unit_test(test_pages_come_empty),   cmocka_unit_test(test_checkpoints_are_bounded),
    };
    int failed = cmocka_run_group_tests_name("ring", tests, setup_ring, teardown);
    failed += cmocka_run_group_tests_name("pages", tests, setup_pages, teardown);
    return failed + cmocka_run_group_tests_name("recurrent", recurrent, NULL, NULL);
}
