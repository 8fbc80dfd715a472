/// Pages on the null device, where every byte is counted: accounts that add up, growth, limits, and what is
/// refused. test_pages_ends.c has what goes wrong.
#include "bank_graph.h"
#include "core/alloc.h"
#include "gpu/gpu_test.h"
#include "page_rig.h"
#include "support/lm_program.h"

#include <stdio.h>

// ---- accounts ------------------------------------------------------------------------------------------------------

/// A plan tells before the first allocation what a program, a session and a full context take.
static void test_plan_and_device_agree(void **state) {
    (void)state;
    struct weft_device_memory before = memory();
    weft_program *p = rig_program(gpu, RIG_GRAPH("paged"), &(struct weft_compile_params){.page_rows = PAGE});
    struct weft_memory_use use = weft_program_memory(p);
    struct weft_device_memory m = memory();
    assert_int_equal(m.weights - before.weights, use.weights);
    assert_int_equal(m.transients - before.transients, use.transients);
    assert_int_equal(m.total - before.total, use.weights + use.transients);
    weft_session *s = NULL;
    rig_must(weft_session_create(p, NULL, &s));
    m = memory();
    assert_int_equal(m.states - before.states, use.states);
    assert_int_equal(m.params - before.params, use.params);
    assert_int_equal(m.io - before.io, use.io);
    assert_true(m.pages < use.pages); // pages are taken as they are needed
    rig_must(feed(s, RIG_ROWS));
    m = memory();
    assert_int_equal(m.pages, use.pages);
    assert_int_equal(m.pages_free, 0);
    assert_int_equal(use.pages, (PAGES + 1) * PAGE_BYTES);
    assert_int_equal(m.total - before.total,
                     use.weights + use.transients + use.states + use.params + use.io + use.pages);
    weft_session_destroy(&s);
    weft_program_destroy(&p);
    assert_int_equal(memory().total, before.total);
}

/// Pages come as positions are reached, one for four rows, and go with a rewind.
static void test_pages_follow_positions(void **state) {
    (void)state;
    weft_session *s = session();
    assert_int_equal(pages_used(), 1);
    for (uint32_t rows = 1; rows <= RIG_ROWS; rows++) {
        rig_must(feed(s, 1));
        assert_int_equal(pages_used(), 1 + (rows + PAGE - 1) / PAGE);
    }
    static const uint32_t to[] = {47, 41, 40, 37};
    for (size_t i = 0; i < sizeof to / sizeof *to; i++) {
        rig_must(weft_session_rewind(s, to[i]));
        assert_int_equal(pages_used(), 1 + (to[i] + PAGE - 1) / PAGE);
    }
    rig_must(weft_session_rewind(s, 0));
    assert_int_equal(pages_used(), 1);
    rig_must(feed(s, 9));
    rig_must(weft_session_reset(s));
    assert_int_equal(pages_used(), 1);
    weft_session_destroy(&s);
    assert_int_equal(memory().pages, 0); // nobody holds the pool any more
}

/// Several runs in one submit take the pages of all of them first; a host that holds the session inactive takes none.
static void test_several_runs(void **state) {
    (void)state;
    weft_session *s = session();
    rig_must(weft_session_set_sizes(s, &(struct weft_size){"T", 3}, 1));
    rig_must(weft_session_run(s, 5, NULL));
    assert_int_equal(position(s), 15);
    assert_int_equal(pages_used(), 1 + 4);
    rig_must(weft_session_set_active(s, 0));
    rig_must(weft_session_run(s, 16, NULL)); // 48 more rows would not fit, but nothing is written
    assert_int_equal(position(s), 15);
    assert_int_equal(pages_used(), 1 + 4);
    rig_must(weft_session_set_active(s, 1));
    rig_must(weft_session_run(s, 11, NULL));
    assert_int_equal(position(s), 48);
    weft_session_destroy(&s);
}

/// Forks and snapshots of a session that is stopped are stopped: their runs take no pages and move no position.
static void test_stopped_copies(void **state) {
    (void)state;
    weft_session *s = session(), *f = NULL;
    weft_snapshot *x = NULL;
    rig_must(feed(s, 6));
    rig_must(weft_session_set_active(s, 0));
    rig_must(weft_session_snapshot(s, WEFT_SNAPSHOT_DEVICE, &x));
    rig_must(weft_session_fork(s, &f));
    rig_must(feed(f, 12));
    assert_int_equal(position(f), 6);
    rig_must(weft_session_set_active(s, 1));
    rig_must(weft_session_restore(s, x));
    rig_must(feed(s, 12));
    assert_int_equal(position(s), 6);
    assert_int_equal(pages_used(), 1 + 2);
    rig_must(weft_session_set_active(f, 1)); // control
    rig_must(feed(f, 12));
    assert_int_equal(position(f), 18);
    weft_snapshot_destroy(&x);
    weft_session_destroy(&f);
    weft_session_destroy(&s);
}

/// States of one position have one table: of as many rows as the shortest of them, the last page begun, and of the
/// pages of whoever writes the most. A run moves on by all of its advances.
static void test_uneven_states(void **state) {
    (void)state;
    static const char text[] =
        "symbol T 1 8\ninput k f32 [T, 1, 8]\ninput one f32 [1, 1, 8]\nvar pos u32 0 1000\n"
        "state a paged f32 [30, 1, 8]\nstate b paged f32 [22, 1, 8]\n%0 = cache_append %a %k %pos\n"
        "%1 = cache_append %b %one %pos\n%2 = advance %pos {by=T}\n%3 = advance %2 {by=1}\n";
    weft_program *p = rig_program(gpu, text, &(struct weft_compile_params){.page_rows = PAGE});
    weft_session *s = NULL;
    const struct weft_plan_pages *g = weft_program_plan(p)->page_groups;
    assert_int_equal(weft_program_plan(p)->n_page_groups, 1);
    assert_int_equal(g->rows, 22);
    assert_int_equal(g->n, 6);
    rig_must(weft_session_create(p, NULL, &s));
    rig_must(feed(s, 8));
    assert_int_equal(position(s), 9);
    assert_int_equal(s->pages.tables[0].n, 2);
    rig_must(feed(s, 8));
    assert_int_equal(s->pages.tables[0].n, 5);
    assert_int_equal(position(s), 18);
    rig_fails(feed(s, 5), WEFT_ERR_LIMIT, "capacity is 22");
    rig_must(feed(s, 4));
    assert_int_equal(s->pages.tables[0].n, 6);
    float row[RIG_HEAD] = {0};
    rig_must(weft_session_write(s, "a", 23 * ROW, row, ROW)); // within the last page
    rig_fails(weft_session_write(s, "a", 24 * ROW, row, ROW), WEFT_ERR_LIMIT, "row 24 of state 'a' has no page");
    rig_must(weft_session_read(s, "a", 29 * ROW, row, ROW));
    weft_session_destroy(&s);
    weft_program_destroy(&p);
}

/// What a snapshot held of a device that was lost is not given back to the pool that came after.
static void test_lost_shares(void **state) {
    (void)state;
    weft_session *s = session();
    weft_snapshot *x = NULL;
    rig_must(feed(s, 10));
    rig_must(weft_session_snapshot(s, WEFT_SNAPSHOT_DEVICE, &x));
    weft_gpu_lose(gpu);
    rig_must(weft_device_recover(gpu, NULL));
    rig_must(weft_session_reset(s));
    rig_must(feed(s, 10));
    assert_int_equal(pages_used(), 1 + 3);
    weft_snapshot_destroy(&x);
    assert_int_equal(pages_used(), 1 + 3);
    weft_session_destroy(&s);
}

// ---- sharing -------------------------------------------------------------------------------------------------------

static void test_forks_share(void **state) {
    (void)state;
    weft_session *a = session(), *b = NULL, *c = NULL;
    rig_must(feed(a, 10)); // pages 0, 1 and half of 2
    assert_int_equal(pages_used(), 1 + 3);
    rig_must(weft_session_fork(a, &b));
    rig_must(weft_session_fork(b, &c));
    assert_int_equal(pages_used(), 1 + 3);
    struct weft_gpu_counters before, after;
    weft_gpu_counters(gpu, &before);
    rig_must(feed(b, 1)); // one page of its own, of two states, through the bounce buffer
    weft_gpu_counters(gpu, &after);
    assert_int_equal(after.copies - before.copies, 4);
    assert_int_equal(pages_used(), 1 + 4);
    rig_must(feed(b, 1)); // the page is its own now
    rig_must(feed(a, 1));
    assert_int_equal(pages_used(), 1 + 5);
    weft_gpu_counters(gpu, &before);
    rig_must(feed(c, 1)); // the last one finds nobody else there
    weft_gpu_counters(gpu, &after);
    assert_int_equal(after.copies, before.copies);
    assert_int_equal(pages_used(), 1 + 5);
    weft_session_destroy(&a);
    assert_int_equal(pages_used(), 1 + 4);
    rig_must(weft_session_rewind(c, 0));
    assert_int_equal(pages_used(), 1 + 3);
    weft_session_destroy(&b);
    assert_int_equal(pages_used(), 1);
    weft_session_destroy(&c);
    assert_int_equal(memory().pages + memory().staging, 0);
}

/// A device snapshot holds pages, also when its session is gone; a host snapshot holds none.
static void test_snapshots_hold_pages(void **state) {
    (void)state;
    weft_session *s = session();
    weft_snapshot *device = NULL, *host = NULL;
    rig_must(feed(s, 10));
    rig_must(weft_session_snapshot(s, WEFT_SNAPSHOT_DEVICE, &device));
    rig_must(weft_session_snapshot(s, WEFT_SNAPSHOT_HOST, &host));
    assert_int_equal(weft_snapshot_bytes(host) - weft_snapshot_bytes(device), 10 * 2 * ROW);
    assert_int_equal(pages_used(), 1 + 3);
    rig_must(weft_session_rewind(s, 0));
    assert_int_equal(pages_used(), 1 + 3);
    rig_must(weft_session_restore(s, device));
    assert_int_equal(pages_used(), 1 + 3);
    rig_must(weft_session_restore(s, host)); // into pages of its own
    assert_int_equal(pages_used(), 1 + 6);
    assert_int_equal(position(s), 10);
    weft_session_destroy(&s);
    assert_int_equal(pages_used(), 1 + 3);
    assert_true(memory().snapshots > 0);
    weft_snapshot_destroy(&device);
    assert_int_equal(memory().pages + memory().snapshots, 0);
    s = session();
    rig_must(weft_session_restore(s, host));
    assert_int_equal(position(s), 10);
    weft_snapshot_destroy(&host);
    weft_session_destroy(&s);
}

// ---- growth --------------------------------------------------------------------------------------------------------

/// The pool doubles, as far as its holders can need it; between growths nothing is made.
static void test_growth(void **state) {
    (void)state;
    weft_session *s[3] = {session(), session(), session()};
    uint64_t total = memory().pages / PAGE_BYTES, grown = 0;
    assert_int_equal(total, 1 + 4);
    for (uint32_t rows = 0; rows < RIG_ROWS; rows++) {
        for (int i = 0; i < 3; i++) {
            struct weft_gpu_counters before, after;
            rig_must(weft_session_set_sizes(s[i], &(struct weft_size){"T", 1}, 1));
            weft_gpu_counters(gpu, &before);
            uint64_t calls = weft_alloc_stats().calls;
            rig_must(weft_session_run(s[i], 1, NULL));
            weft_gpu_counters(gpu, &after);
            uint64_t now = memory().pages / PAGE_BYTES;
            if (now == total) {
                assert_int_equal(after.buffers_made, before.buffers_made);
                if (rows > PAGE && after.groups_made == before.groups_made)
                    assert_int_equal(weft_alloc_stats().calls, calls);
            } else {
                assert_true(now == 2 * total || now == 1 + 3 * PAGES);
                total = now;
                grown++;
            }
        }
    }
    assert_int_equal(total, 1 + 3 * PAGES); // what three full contexts take, and not a page more
    assert_true(grown >= 3 && grown <= 5);
    for (int i = 0; i < 3; i++) weft_session_destroy(&s[i]);
}

// ---- what is refused -----------------------------------------------------------------------------------------------

static void test_capacity(void **state) {
    (void)state;
    weft_session *s = session();
    rig_must(feed(s, 45));
    struct weft_device_memory before = memory();
    rig_fails(feed(s, 4), WEFT_ERR_LIMIT, "rows up to 49 of state 'kf', whose capacity is 48");
    rig_must(resize(s, 1));
    rig_fails(weft_session_run(s, 4, NULL), WEFT_ERR_LIMIT, "4 runs from position 45");
    struct weft_device_memory after = memory();
    assert_memory_equal(&after, &before, sizeof after);
    assert_int_equal(position(s), 45);
    rig_must(weft_session_run(s, 3, NULL));
    rig_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "'kf'");
    rig_must(weft_session_rewind(s, 40));
    rig_must(weft_session_run(s, 1, NULL));
    weft_session_destroy(&s);
}

static void test_reserve(void **state) {
    (void)state;
    weft_session *s = session(), *f = NULL;
    weft_program *rings = rig_program(gpu, RIG_GRAPH("ring"), NULL);
    weft_session *ring = NULL;
    rig_must(feed(s, 10));
    rig_must(weft_session_reserve(s, 33));
    assert_int_equal(pages_used(), 1 + 9);
    struct weft_gpu_counters before, after;
    rig_must(feed(s, 1));
    weft_gpu_counters(gpu, &before);
    rig_must(feed(s, 22 - 1));
    weft_gpu_counters(gpu, &after);
    assert_int_equal(after.copies, before.copies); // no page was taken
    rig_fails(weft_session_reserve(s, 31), WEFT_ERR_LIMIT, "holds 32 rows");
    rig_fails(weft_session_reserve(s, 49), WEFT_ERR_LIMIT, "capacity is 48");
    assert_int_equal(pages_used(), 1 + 9);
    rig_must(weft_session_reserve(s, 32));
    assert_int_equal(pages_used(), 1 + 8);
    rig_must(weft_session_fork(s, &f));
    rig_must(weft_session_reserve(f, 47)); // takes none of what is shared
    assert_int_equal(pages_used(), 1 + 8 + 4);
    rig_must(weft_session_create(rings, NULL, &ring));
    rig_fails(weft_session_reserve(ring, 8), WEFT_ERR_UNSUPPORTED, "no paged state");
    weft_session_destroy(&ring);
    weft_session_destroy(&s);
    weft_session_destroy(&f);
    weft_program_destroy(&rings);
}

/// A binding of 128 MiB holds 8 pages of 16 MiB, and two of them show 16: one is nobody's, so 960 rows can be had.
static void test_device_limit(void **state) {
    (void)state;
    static const char wide[] = "symbol T 1 64\ninput k f32 [T, 1, 65536]\nvar pos u32 0 1024\n"
                               "state big paged f32 [1024, 1, 65536]\n%0 = cache_append %big %k %pos\n"
                               "%1 = advance %pos {by=T}\n";
    weft_gpu *small = NULL;
    weft_session *a = NULL, *b = NULL;
    rig_must(weft_gpu_open(&(struct weft_gpu_params){.implementation = "null", .limits_min = true}, &small));
    weft_program *p = rig_program(small, wide, &(struct weft_compile_params){.page_rows = 64});
    rig_must(weft_session_create(p, NULL, &a));
    rig_must(weft_session_create(p, NULL, &b));
    rig_must(weft_session_reserve(a, 12 * 64));
    rig_fails(weft_session_reserve(b, 4 * 64), WEFT_ERR_LIMIT, "state 'big' (capacity 1024)");
    assert_non_null(strstr(weft_error_message(), "destroy or rewind sessions"));
    rig_must(weft_session_reserve(b, 3 * 64));
    rig_fails(weft_session_run(b, 4, NULL), WEFT_ERR_LIMIT, "1 more page of 16777216 bytes is needed"); // 3 are there
    rig_must(weft_session_run(b, 3, NULL));
    rig_must(weft_session_rewind(a, 0));
    rig_must(weft_session_run(b, 1, NULL));
    weft_session_destroy(&a);
    weft_session_destroy(&b);
    weft_program_destroy(&p);
    weft_gpu_close(&small);
}

static uint64_t copies(weft_gpu *device) {
    struct weft_gpu_counters c;
    weft_gpu_counters(device, &c);
    return c.copies;
}

static uint64_t pool_bytes(weft_gpu *device) {
    struct weft_gpu_counters c;
    weft_gpu_counters(device, &c);
    return c.bytes_for[WEFT_BUF_FOR_PAGES];
}

/// A pool of several banks grows by its last: full ones stay where they are. With the last session all are gone.
static void test_banks(void **state) {
    (void)state;
    weft_gpu *narrow = NULL;
    weft_session *s = NULL, *other = NULL;
    rig_must(weft_gpu_open(&(struct weft_gpu_params){.implementation = "null", .max_binding = 1280}, &narrow));
    weft_program *p = rig_program(narrow, RIG_GRAPH("paged"), &(struct weft_compile_params){.page_rows = PAGE});
    const struct weft_plan_pages *g = &weft_program_plan(p)->page_groups[0];
    uint64_t before;
    assert_int_equal(g->bank_pages, 10);
    assert_true(g->n_banks >= 2);
    rig_must(weft_session_create(p, NULL, &s));
    rig_must(feed(s, 16));
    before = copies(narrow);
    assert_int_equal(pool_bytes(narrow), 5 * PAGE_BYTES);
    rig_must(feed(s, 4)); // ten pages now: the first bank is full
    assert_int_equal(pool_bytes(narrow), 10 * PAGE_BYTES);
    assert_int_equal(copies(narrow) - before, 2 + 2); // keys and values, and zeros for a page of each
    rig_must(feed(s, 16));
    before = copies(narrow);
    rig_must(feed(s, 4)); // three pages of the second
    assert_int_equal(pool_bytes(narrow), 13 * PAGE_BYTES);
    assert_int_equal(copies(narrow) - before, 2); // zeros: no page has moved
    rig_must(weft_session_create(p, NULL, &other));
    rig_must(feed(s, 8));
    before = copies(narrow);
    rig_must(weft_session_reserve(other, 4 * PAGE));
    assert_int_equal(pool_bytes(narrow), (1 + 2 * PAGES) * PAGE_BYTES); // as far as two contexts go: three banks
    assert_int_equal(copies(narrow) - before, 2 + 2);                   // the second bank has moved
    weft_session_destroy(&s);
    weft_session_destroy(&other);
    assert_int_equal(pool_bytes(narrow), 0);
    weft_program_destroy(&p);
    weft_gpu_close(&narrow);
}

static void refuse(const char *text, uint32_t page_rows, weft_status expected, const char *part) {
    weft_program *p = NULL;
    struct weft_program_params params = {.compile = {.page_rows = page_rows}};
    rig_fails(weft_program_create(gpu, rig_graph(text), &params, &p), expected, part);
    assert_null(p);
}

static void test_refused_graphs(void **state) {
    (void)state;
    refuse(RIG_GRAPH("paged"), 3, WEFT_ERR_INVALID, "power of two");
    refuse(RIG_GRAPH("paged"), 8192, WEFT_ERR_INVALID, "8192");
    refuse("symbol T 1 4\ninput x f32 [T, 8]\nvar pos u32 0 8\nstate s paged f32 [8, 8]\n%0 = cache_append %s %x %pos\n"
           "%1 = silu %0\noutput %1 y\n",
           0, WEFT_ERR_UNSUPPORTED, "'silu' reads paged state 's'");
    refuse("input x f32 [2, 8]\nstate s paged f32 [8, 8]\noutput %x y\n", 0, WEFT_ERR_UNSUPPORTED,
           "'s' is not written");
    refuse("input x f32 [2, 8]\nvar pos u32 0 8\nstate s paged f32 [8, 8]\n%0 = cache_append %s %x %pos\n"
           "output %0 y\n",
           0, WEFT_ERR_UNSUPPORTED, "output");
}

/// Kernels find the page of a row in the session's table, and a row beyond it behind the table's end: 0.
static void test_rows_are_clamped(void **state) {
    (void)state;
    const struct weft_plan *plan = weft_program_plan(program);
    const struct weft_plan_pages *g = &plan->page_groups[0];
    char lookup[64];
    uint32_t seen = 0;
    assert_int_equal(plan->n_page_groups, 1);
    assert_int_equal(g->n, PAGES);
    assert_true(plan->vars_bytes >= (g->table + g->n + 1) * 4ull && g->table * 4 >= weft_vars_bytes(plan->n_vars));
    snprintf(lookup, sizeof lookup, "p.off_vars + %uu + min(i >> 2u, %uu)]", g->table, g->n);
    for (uint32_t i = 0; i < plan->schedules[0].n_steps; i++)
        seen += strstr(plan->schedules[0].steps[i].bound.wgsl, lookup) != NULL;
    assert_true(seen >= 2); // the write and the attention
}

// ---- anything at random --------------------------------------------------------------------------------------------

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_and_device_agree),
        cmocka_unit_test(test_pages_follow_positions),
        cmocka_unit_test(test_several_runs),
        cmocka_unit_test(test_forks_share),
        cmocka_unit_test(test_snapshots_hold_pages),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_device_limit),
        cmocka_unit_test(test_banks),
        cmocka_unit_test(test_refused_graphs),
        cmocka_unit_test(test_rows_are_clamped),
        cmocka_unit_test(test_stopped_copies),
        cmocka_unit_test(test_uneven_states),
        cmocka_unit_test(test_lost_shares),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
