/// Sessions of one program with paged and ring states, 2, 4 and 16 of them, fed in turns, forked, rewound, put back to
/// snapshots, ended and begun again at random: what comes out of each is what a session gives that was alone and was
/// fed the same rows.
#include "bank_graph.h"
#include "cache_rig.h"
#include "exec/session_test.h"
#include "support/lm_program.h"

#include <stdlib.h>

enum { MOST = 16 };

static weft_program *program;
static struct rig twin;

static void feed_checked(struct rig *r, uint32_t t, uint32_t stream) {
    if (!rig_agrees(r, &twin, t, stream)) fail_msg("a session of %u rows differs from its solo run", r->n);
}

/// One move of session i; `check` compares what comes out with the solo run.
static void move(struct rig *r, uint32_t n, uint32_t i, uint64_t *seed, bool check) {
    uint32_t k = weft_test_random(seed, n), p = weft_test_random(seed, RIG_ROWS), stream = weft_test_random(seed, 200);
    uint32_t room = RIG_ROWS - r[i].n, t = 1 + weft_test_random(seed, RIG_MOST);
    switch (weft_test_random(seed, 12)) {
    case 0:
        if (r[i].n < RIG_ROWS / 3) break;
        weft_session_destroy(&r[i].s); // runs may be in flight
        r[i] = rig_begin(program, stream % 8 == 0);
        break;
    case 1:
        if (k == i) break;
        weft_session_destroy(&r[k].s);
        r[k] = r[i];
        rig_must(weft_session_fork(r[i].s, &r[k].s));
        break;
    case 2:
        if (p > r[i].n || weft_session_rewind(r[i].s, p) != WEFT_OK) break; // refused: nothing has changed
        r[i].n = p;
        break;
    case 3:
        rig_must(weft_session_rewind(r[i].s, 0));
        r[i].n = 0;
        break;
    default:
        if (t > room) break;
        if (check) feed_checked(&r[i], t, stream);
        else rig_feed(&r[i], t, stream, NULL);
    }
}

static void interleaved(uint32_t n, uint32_t moves, uint64_t seed) {
    struct rig r[MOST];
    struct rig then = {0};
    weft_snapshot *x = NULL;
    for (uint32_t i = 0; i < n; i++) r[i] = rig_begin(program, i == 1);
    for (uint32_t step = 0; step < moves; step++) {
        uint32_t i = weft_test_random(&seed, n);
        move(r, n, i, &seed, weft_test_random(&seed, 4) == 0);
        if (step % 50 == 20) {
            weft_snapshot_destroy(&x);
            rig_must(weft_session_snapshot(r[i].s, step % 100 == 20 ? WEFT_SNAPSHOT_DEVICE : WEFT_SNAPSHOT_HOST, &x));
            then = r[i];
        } else if (x && step % 50 == 49) {
            weft_session *mine = r[i].s;
            rig_must(weft_session_restore(mine, x));
            r[i] = then;
            r[i].s = mine;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        if (r[i].n < RIG_ROWS) feed_checked(&r[i], 1, 77);
        weft_session_destroy(&r[i].s);
    }
    weft_snapshot_destroy(&x);
}

static void test_2(void **state) { (void)state, interleaved(2, 250, 2); }
static void test_4(void **state) { (void)state, interleaved(4, 350, 4); }
static void test_16(void **state) { (void)state, interleaved(16, weft_test_long() ? 20000 : 700, 16); }

/// Control: a session whose page another one writes to is noticed. The second stands where the first does, without
/// having forked.
static void test_comparison_notices(void **state) {
    (void)state;
    struct rig r = rig_begin(program, false);
    rig_feed(&r, 8, 1, NULL);
    r.stream[3] = 2; // as if its row 3 came from another stream
    assert_false(rig_agrees(&r, &twin, 1, 1));
    weft_session_destroy(&r.s);
}

/// A position that the host does not know of, far beyond the pages that were taken: the rows end in the page that is
/// nobody's, other sessions keep theirs, and checked accessors say so.
static void stray(weft_program *p, bool checked) {
    struct rig victim = rig_begin(p, false), other = rig_begin(p, false), solo = rig_begin(p, false);
    const uint32_t far = 37;
    struct weft_fault fault;
    uint64_t at;
    rig_feed(&victim, 8, 1, NULL);
    rig_feed(&other, 3, 2, NULL);
    rig_must(weft_session_var_offset(other.s, "pos", &at));
    rig_must(weft_buf_write(weft_test_gpu(), weft_session_view(other.s).vars, at, &far, 4));
    rig_feed(&other, 5, 3, NULL);
    assert_true(rig_agrees(&victim, &solo, 4, 4));
    // Rows whose pages were given back, and which another session has now.
    const uint32_t near = 13;
    rig_must(weft_session_rewind(other.s, 0));
    other.n = 0;
    for (int i = 0; i < 3; i++) rig_feed(&other, 5, 5, NULL);
    rig_must(weft_session_rewind(other.s, 3));
    other.n = 3;
    for (int i = 0; i < 3; i++) rig_feed(&victim, 8, 6, NULL);
    rig_must(weft_buf_write(weft_test_gpu(), weft_session_view(other.s).vars, at, &near, 4));
    rig_feed(&other, 1, 7, NULL);
    assert_true(rig_agrees(&victim, &solo, 4, 8));
    if (checked) {
        rig_must(weft_session_fault(other.s, &fault));
        assert_true(fault.any);
        assert_true(strstr(fault.text, "kf") || strstr(fault.text, "vf"));
        assert_int_equal(fault.length, 0);
        rig_must(weft_session_fault(victim.s, &fault));
        assert_false(fault.any);
    }
    weft_session_destroy(&victim.s);
    weft_session_destroy(&other.s);
    weft_session_destroy(&solo.s);
}

static void test_stray_rows(void **state) {
    (void)state;
    weft_program *p = rig_program(weft_test_gpu(), RIG_GRAPH("paged"),
                                  &(struct weft_compile_params){.page_rows = 4, .checked = true});
    stray(program, weft_test_checked());
    stray(p, true);
    weft_program_destroy(&p);
}

// ---- pools of several bindings -------------------------------------------------------------------------------------

static weft_gpu *open_narrow(uint64_t limit) {
    weft_gpu *gpu = NULL;
    rig_must(weft_test_open((struct weft_gpu_params){.max_binding = limit}, &gpu));
    return gpu;
}

static void check_rows(weft_session *s, uint32_t rows, uint32_t stream) {
    float kf[RIG_ROWS * RIG_HEAD];
    rig_must(weft_session_read(s, "kf", 0, kf, rows * RIG_HEAD * 4));
    for (uint32_t i = 0; i < rows * RIG_HEAD; i++)
        if (kf[i] != rig_number(stream, i / RIG_HEAD, 100 + i % RIG_HEAD)) fail_msg("row %u of keys", i / RIG_HEAD);
}

/// A context that takes two banks of each pool says what one says that lies in one: straight, rewound over the border,
/// forked there, put back from the device and the host, written and read by rows. Bindings of 1280 bytes: ten pages; a
/// context and the page that is nobody's are thirteen.
static void test_two_banks(void **state) {
    (void)state;
    weft_gpu *narrow = open_narrow(1280);
    weft_program *p = rig_program(narrow, RIG_GRAPH("paged"),
                                  &(struct weft_compile_params){.page_rows = 4, .checked = weft_test_checked()});
    const struct weft_plan_pages *g = &weft_program_plan(p)->page_groups[0];
    assert_int_equal(g->bank_pages, 10);
    assert_true(g->n_banks >= 2);
    struct rig r = rig_begin(p, false), fork;
    weft_snapshot *x[2] = {NULL, NULL};
    while (r.n < 32) assert_true(rig_agrees(&r, &twin, 8, 1));
    assert_true(rig_agrees(&r, &twin, 5, 1)); // the second bank begins at row 36: page 0 is in the first
    for (int i = 0; i < 2; i++)
        rig_must(weft_session_snapshot(r.s, i ? WEFT_SNAPSHOT_HOST : WEFT_SNAPSHOT_DEVICE, &x[i]));
    fork = r;
    rig_must(weft_session_fork(r.s, &fork.s));
    assert_true(rig_agrees(&fork, &twin, 6, 2)); // copies the page that is shared, of the second bank
    assert_true(rig_agrees(&r, &twin, 3, 1));
    check_rows(r.s, r.n, 1);
    rig_must(weft_session_rewind(fork.s, 34));
    fork.n = 34;
    assert_true(rig_agrees(&fork, &twin, 4, 3)); // copies one of the first bank
    check_rows(r.s, r.n, 1);
    rig_must(weft_session_rewind(r.s, 0)); // two banks have twenty pages
    r.n = 0;
    for (int i = 0; i < 2; i++) {
        rig_must(weft_session_restore(fork.s, x[i]));
        fork.n = 37;
        memset(fork.stream, 1, 37);
        check_rows(fork.s, 37, 1);
        assert_true(rig_agrees(&fork, &twin, 4, 4));
        weft_snapshot_destroy(&x[i]);
    }
    float rows[6 * RIG_HEAD], back[6 * RIG_HEAD];
    for (uint32_t i = 0; i < 6 * RIG_HEAD; i++) rows[i] = (float)i;
    rig_must(weft_session_write(fork.s, "kf", 33 * RIG_HEAD * 4, rows, sizeof rows));
    rig_must(weft_session_read(fork.s, "kf", 33 * RIG_HEAD * 4, back, sizeof back));
    assert_memory_equal(rows, back, sizeof rows);
    weft_session_destroy(&fork.s);
    while (r.n < RIG_ROWS) assert_true(rig_agrees(&r, &twin, 8, 5));
    weft_session_destroy(&r.s);
    weft_program_destroy(&p);
    weft_gpu_close(&narrow);
}

/// Feeds t rows and compares what comes out with the twin's. Where pages have run out nothing has happened.
static bool feed_while_there_are_pages(struct rig *r, struct rig *other, uint32_t t, uint32_t stream) {
    float a[RIG_Y], b[RIG_Y];
    rig_prepare(r, t, stream);
    weft_status status = weft_session_run(r->s, 1, NULL);
    if (status == WEFT_ERR_LIMIT) return false;
    rig_must(status);
    r->n += t;
    rig_must(weft_session_read(r->s, "y", 0, a, (uint64_t)t * 2 * RIG_HEAD * 4));
    struct rig before = *r;
    before.n -= t;
    rig_follow(other, &before);
    rig_feed(other, t, stream, b);
    if (memcmp(a, b, (size_t)t * 2 * RIG_HEAD * 4) != 0) fail_msg("%u rows from %u on differ", t, before.n);
    return true;
}

/// Sessions and a snapshot share pools of three groups of pages, of which two have banks of unlike sizes and numbers,
/// until there are no pages; what comes out of each is what comes out of one alone in pools of one bank.
static void test_uneven_banks(void **state) {
    (void)state;
    weft_gpu *narrow = open_narrow(BANK_LIMIT);
    struct weft_compile_params params = {.page_rows = 4, .checked = weft_test_checked()};
    weft_program *p = rig_program(narrow, BANK_GRAPH("paged"), &params);
    weft_program *one = rig_program(weft_test_gpu(), BANK_GRAPH("paged"), &params);
    const struct weft_plan_pages *g = weft_program_plan(p)->page_groups;
    assert_int_equal(weft_program_plan(p)->n_page_groups, 3);
    for (int i = 0; i < 3; i++) assert_int_equal(weft_program_plan(one)->page_groups[i].n_banks, 1);
    assert_int_equal(g[0].bank_pages, 8);
    assert_int_equal(g[1].bank_pages, 10);
    assert_int_equal(g[2].n_banks, 1);
    assert_true(g[0].n_banks > 1 && g[1].n_banks > 1);
    struct rig r[3] = {rig_begin(p, false), rig_begin(p, true), rig_begin(p, false)};
    struct rig alone = rig_begin(one, false), then;
    weft_snapshot *x = NULL;
    uint64_t seed = 12;
    uint32_t fed = 0, out = 0;
    for (int step = 0; step < (weft_test_long() ? 3000 : 160); step++) {
        uint32_t i = weft_test_random(&seed, 3), k = weft_test_random(&seed, 3), n = weft_test_random(&seed, RIG_ROWS);
        uint32_t t = 1 + n % RIG_MOST;
        weft_session *mine = r[i].s;
        switch (weft_test_random(&seed, 12)) {
        case 0:
            if (i == k) break;
            weft_session_destroy(&r[k].s);
            r[k] = r[i];
            rig_must(weft_session_fork(mine, &r[k].s));
            break;
        case 1:
            if (n <= r[i].n && weft_session_rewind(mine, n) == WEFT_OK) r[i].n = n;
            break;
        case 2:
            weft_snapshot_destroy(&x);
            rig_must(weft_session_snapshot(mine, n % 2 ? WEFT_SNAPSHOT_DEVICE : WEFT_SNAPSHOT_HOST, &x));
            then = r[i];
            break;
        case 3:
            if (!x || weft_session_restore(mine, x) != WEFT_OK) break;
            r[i] = then;
            r[i].s = mine;
            break;
        case 4: (void)weft_session_reserve(mine, n); break;
        case 5:
            rig_must(weft_session_rewind(mine, 0));
            r[i].n = 0;
            break;
        default:
            if (r[i].n + t > RIG_ROWS) break;
            if (feed_while_there_are_pages(&r[i], &alone, t, step % 200)) fed++;
            else out++;
        }
    }
    assert_true(fed > 40 && (out > 0 || g[0].n_banks > 2));
    for (int i = 0; i < 3; i++) weft_session_destroy(&r[i].s);
    weft_session_destroy(&alone.s);
    weft_snapshot_destroy(&x);
    weft_program_destroy(&p);
    weft_program_destroy(&one);
    weft_gpu_close(&narrow);
}

/// With the last session everything is given back, to the byte.
static void test_nothing_is_left(void **state) {
    (void)state;
    struct weft_gpu_counters c;
    weft_session_destroy(&twin.s);
    weft_gpu_counters(weft_test_gpu(), &c);
    assert_int_equal(c.bytes_for[WEFT_BUF_FOR_STATES] + c.bytes_for[WEFT_BUF_FOR_PAGES] + c.pages_used, 0);
    assert_int_equal(c.bytes_for[WEFT_BUF_FOR_SNAPSHOTS] + c.bytes_for[WEFT_BUF_FOR_STAGING], 0);
    assert_int_equal(c.bytes_for[WEFT_BUF_FOR_IO] + c.bytes_for[WEFT_BUF_FOR_PARAMS] + c.groups_live, 0);
    twin = rig_begin(program, false);
}

static int setup(void **state) {
    (void)state;
    if (!weft_test_gpu()) return -1;
    program = rig_program(weft_test_gpu(), RIG_GRAPH("paged"),
                          &(struct weft_compile_params){.page_rows = 4, .checked = weft_test_checked()});
    twin = rig_begin(program, false);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weft_session_destroy(&twin.s);
    weft_program_destroy(&program);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_2),
        cmocka_unit_test(test_4),
        cmocka_unit_test(test_16),
        cmocka_unit_test(test_comparison_notices),
        cmocka_unit_test(test_stray_rows),
        cmocka_unit_test(test_two_banks),
        cmocka_unit_test(test_uneven_banks),
        cmocka_unit_test(test_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
