/// Pages of several sequences in one session on the null device, where every byte is counted: each slot has a table of
/// its own, takes pages as it moves on, and is named where there are none.
#include "gpu/gpu_test.h"
#include "page_rig.h"
#include "slot_rig.h"

#include <stdlib.h>

static weft_program *slots;

static uint32_t pages_of(const weft_session *s, uint32_t slot) { return s->pages.tables[slot].n; }

static weft_status run_of(struct slot_rig *r, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    const uint32_t counts[SLOTS] = {a, b, c, d}, streams[SLOTS] = {0};
    slot_prepare(r, counts, streams);
    weft_status status = weft_session_run(r->s, 1, NULL);
    for (uint32_t i = 0; i < SLOTS && status == WEFT_OK; i++) r->slot[i].n += counts[i];
    return status;
}

/// The page table on the device equals the host's: nothing is read back on the null device, so the plan's words are.
static void test_tables_lie_apart(void **state) {
    (void)state;
    const struct weft_plan *plan = weft_program_plan(slots);
    const struct weft_plan_pages *g = &plan->page_groups[0];
    assert_int_equal(plan->n_page_groups, 1);
    assert_int_equal(plan->slots, SLOTS);
    assert_int_equal(plan->n_page_tables, SLOTS);
    assert_int_equal(g->slots, SLOTS);
    assert_int_equal(g->n, SLOT_ROWS / PAGE);
    assert_true(plan->vars_bytes >= (g->table + SLOTS * (g->n + 1ull)) * 4);
    struct weft_memory_use use = weft_program_memory(slots);
    assert_int_equal(use.pages, (SLOTS * PAGES + 1) * PAGE_BYTES);
}

static void test_each_slot_takes_its_own(void **state) {
    (void)state;
    struct slot_rig r = slot_begin(slots, false);
    assert_int_equal(pages_used(), 1);
    rig_must(run_of(&r, 5, 0, 1, 4)); // 2, 0, 1 and 1 pages
    assert_int_equal(pages_of(r.s, 0), 2);
    assert_int_equal(pages_of(r.s, 1), 0);
    assert_int_equal(pages_of(r.s, 2), 1);
    assert_int_equal(pages_of(r.s, 3), 1);
    assert_int_equal(pages_used(), 1 + 4);
    rig_must(run_of(&r, 3, 0, 3, 1)); // rows 8, 0, 4 and 5
    assert_int_equal(pages_used(), 1 + 2 + 1 + 2);
    uint32_t seen[16] = {0}; // no page is in two places
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        for (uint32_t i = 0; i < pages_of(r.s, slot); i++) seen[r.s->pages.tables[slot].pages[i]]++;
    for (uint32_t i = 0; i < 16; i++) assert_true(seen[i] <= (i > 0));
    rig_must(weft_session_rewind(r.s, 0));
    assert_int_equal(pages_used(), 1);
    memset(r.slot, 0, sizeof r.slot);
    rig_must(run_of(&r, 0, 9, 0, 0));
    rig_must(weft_session_reset(r.s));
    assert_int_equal(pages_used(), 1);
    weft_session_destroy(&r.s);
    assert_int_equal(memory().pages, 0);
}

/// Several runs of one submit take the pages of all of them, of each slot by its own count.
static void test_several_runs_by_slot(void **state) {
    (void)state;
    struct slot_rig r = slot_begin(slots, false);
    const uint32_t counts[SLOTS] = {1, 0, 3, 0}, streams[SLOTS] = {0};
    slot_prepare(&r, counts, streams);
    rig_must(weft_session_run(r.s, 5, NULL));
    assert_int_equal(pages_of(r.s, 0), 2);
    assert_int_equal(pages_of(r.s, 2), 4);
    assert_int_equal(weft_positions_at(&r.s->positions, 2), 15);
    rig_must(weft_session_reserve(r.s, 17)); // each slot's
    for (uint32_t i = 0; i < SLOTS; i++) assert_int_equal(pages_of(r.s, i), 5);
    rig_fails(weft_session_reserve(r.s, 14), WEFT_ERR_LIMIT, "holds 15 rows of slot 2");
    rig_fails(weft_session_reserve(r.s, 49), WEFT_ERR_LIMIT, "capacity is 48");
    rig_must(weft_session_reserve(r.s, 15));
    for (uint32_t i = 0; i < SLOTS; i++) assert_int_equal(pages_of(r.s, i), 4);
    weft_session_destroy(&r.s);
}

static void test_capacity_by_slot(void **state) {
    (void)state;
    struct slot_rig r = slot_begin(slots, false);
    for (int i = 0; i < 3; i++) rig_must(run_of(&r, 1, 15, 0, 0));
    struct weft_device_memory before = memory(), after;
    rig_fails(run_of(&r, 8, 4, 0, 0), WEFT_ERR_LIMIT, "1 run from position 45 of slot 1 would write rows up to 49");
    after = memory();
    assert_memory_equal(&after, &before, sizeof after);
    assert_int_equal(pages_of(r.s, 0), 1);
    rig_must(run_of(&r, 8, 3, 0, 0));
    rig_must(run_of(&r, 8, 0, 0, 1)); // slot 1 is full, and has no tokens
    weft_session_destroy(&r.s);
}

/// Where there are too few pages for all, nobody gets any: the slot is named, positions and pages are as before, and
/// fewer tokens still run.
static void test_no_page_for_a_slot(void **state) {
    (void)state;
    static const char *const wide =
        "symbol T 1 64\nvar pos u32 [3] 0 1024\nvar count u32 [3] 0 64\ninput k f32 [T, 1, 65536]\n"
        "state big paged f32 [3, 1024, 1, 65536] slots\n%at %slot = place_tokens %pos %count {tokens=T}\n"
        "%0 = cache_append %big %k %at %slot\n%1 = advance %pos %count\n";
    weft_gpu *small = NULL;
    weft_session *s = NULL, *other = NULL;
    rig_must(weft_gpu_open(&(struct weft_gpu_params){.implementation = "null", .limits_min = true}, &small));
    weft_program *p = rig_program(small, wide, &(struct weft_compile_params){.page_rows = 64}); // 16 MiB a page
    rig_must(weft_session_create(p, NULL, &s));
    rig_must(weft_session_create(p, NULL, &other));
    for (uint32_t i = 0; i < 3; i++) rig_must(weft_session_set_var_at(s, "count", i, 20));
    rig_must(weft_session_run(s, 15, NULL)); // 300 rows of each: 15 pages, all that two bindings show
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(pages_of(s, i), 5);
    rig_must(weft_session_set_var_at(s, "count", 0, 10));
    rig_fails(weft_session_run(s, 2, NULL), WEFT_ERR_LIMIT, "rows up to 340 of slot 1 of state 'big' (capacity 1024)");
    assert_non_null(strstr(weft_error_message(), "2 more pages of 16777216 bytes are needed, 0 of 16 are free"));
    assert_non_null(strstr(weft_error_message(), "destroy or rewind sessions, slots and snapshots"));
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(pages_of(s, i), 5);
        assert_int_equal(weft_positions_at(&s->positions, i), 300);
    }
    rig_must(weft_session_run(s, 1, NULL)); // rows 310, 320 and 320 have pages
    rig_must(weft_session_set_var_at(s, "count", 0, 20));
    rig_must(weft_session_set_var_at(s, "count", 1, 0));
    rig_must(weft_session_set_var_at(s, "count", 2, 0));
    rig_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "of slot 0 of state 'big'");
    rig_fails(weft_session_reserve(other, 1), WEFT_ERR_LIMIT, "rows up to 1 of slot 0 of state 'big'");
    weft_session_destroy(&s);
    rig_must(weft_session_reserve(other, 256));
    weft_session_destroy(&other);
    weft_program_destroy(&p);
    weft_gpu_close(&small);
}

/// Rows of a slot are written and read as bytes of the state, slot behind slot; a range may reach into the next.
static void test_rows_of_a_slot(void **state) {
    (void)state;
    struct slot_rig r = slot_begin(slots, false);
    float rows[6 * RIG_HEAD] = {0};
    uint64_t slot = SLOT_ROWS * (uint64_t)ROW;
    rig_must(weft_session_write(r.s, "kf", 2 * slot + 5 * ROW, rows, 2 * ROW));
    for (uint32_t i = 0; i < SLOTS; i++) assert_int_equal(pages_of(r.s, i), i == 2 ? 2 : 0);
    rig_must(weft_session_write(r.s, "vf", 2 * slot - 3 * ROW, rows, 6 * ROW)); // the last rows of 1, the first of 2
    assert_int_equal(pages_of(r.s, 1), PAGES);
    assert_int_equal(pages_of(r.s, 2), 2);
    rig_must(weft_session_read(r.s, "kf", 2 * slot - 3 * ROW, rows, 6 * ROW));
    rig_fails(weft_session_write(r.s, "kf", 4 * slot - ROW, rows, 2 * ROW), WEFT_ERR_LIMIT, "beyond its end");
    weft_session_destroy(&r.s);
}

/// Forks and snapshots of the whole session keep the pages of every slot; whoever writes first copies, but the last.
static void test_whole_sessions(void **state) {
    (void)state;
    struct slot_rig a = slot_begin(slots, false), b = a;
    weft_snapshot *device = NULL, *host = NULL;
    rig_must(run_of(&a, 6, 0, 3, 7)); // 2, 0, 1 and 2 pages, none full
    rig_must(weft_session_fork(a.s, &b.s));
    memcpy(b.slot, a.slot, sizeof b.slot);
    assert_int_equal(pages_used(), 1 + 5);
    rig_must(run_of(&b, 1, 1, 0, 0)); // one page is copied, one is new
    assert_int_equal(pages_used(), 1 + 7);
    rig_must(weft_session_snapshot(b.s, WEFT_SNAPSHOT_DEVICE, &device));
    rig_must(weft_session_snapshot(b.s, WEFT_SNAPSHOT_HOST, &host));
    assert_int_equal(weft_snapshot_bytes(host) - weft_snapshot_bytes(device), (7 + 1 + 3 + 7) * 2 * ROW);
    weft_session_destroy(&b.s);
    assert_int_equal(pages_used(), 1 + 7);
    rig_must(weft_session_restore(a.s, host));
    static const uint32_t restored[SLOTS] = {2, 1, 1, 2};
    for (uint32_t i = 0; i < SLOTS; i++) assert_int_equal(pages_of(a.s, i), restored[i]);
    assert_int_equal(weft_positions_at(&a.s->positions, 0), 7);
    rig_must(weft_session_restore(a.s, device));
    assert_int_equal(pages_used(), 1 + 6);
    weft_snapshot_destroy(&device);
    weft_snapshot_destroy(&host);
    weft_session_destroy(&a.s);
    assert_int_equal(memory().pages + memory().snapshots + memory().staging, 0);
}

/// After a loss every table is empty, and slots go on from nothing.
static void test_lost(void **state) {
    (void)state;
    struct slot_rig r = slot_begin(slots, false);
    rig_must(run_of(&r, 6, 0, 3, 7));
    weft_gpu_lose(gpu);
    rig_must(weft_device_recover(gpu, NULL));
    for (uint32_t i = 0; i < SLOTS; i++) assert_int_equal(pages_of(r.s, i), 0);
    rig_must(weft_session_reset(r.s));
    memset(r.slot, 0, sizeof r.slot);
    rig_must(run_of(&r, 0, 5, 0, 0));
    assert_int_equal(pages_used(), 1 + 2);
    weft_session_destroy(&r.s);
}

/// A variable may stand beyond what its caches hold: what is kept of them ends where they do.
static void test_positions_beyond_the_caches(void **state) {
    (void)state;
    struct slot_rig r = slot_begin(slots, false);
    weft_snapshot *x = NULL;
    rig_must(run_of(&r, 0, 2, 0, 0));
    rig_must(weft_session_set_var_at(r.s, "pos", 1, 900));
    for (uint32_t flags = WEFT_SNAPSHOT_DEVICE; flags <= WEFT_SNAPSHOT_HOST; flags++) {
        rig_must(weft_session_snapshot(r.s, flags, &x));
        rig_must(weft_session_restore(r.s, x));
        assert_int_equal(weft_positions_at(&r.s->positions, 1), 900);
        assert_int_equal(pages_of(r.s, 1), flags == WEFT_SNAPSHOT_HOST ? PAGES : 1);
        assert_int_equal(pages_of(r.s, 2), 0);
        weft_snapshot_destroy(&x);
    }
    weft_session_destroy(&r.s);
}

/// What pages can't be taken for ahead of a run is refused when it is compiled, with the state and the reason.
static void test_refused_graphs(void **state) {
    (void)state;
#define OWN "symbol T 1 4\nvar p u32 [2] 0 9\nvar c u32 [2] 0 4\ninput x f32 [T, 4]\n"
#define PLACE "%a %t = place_tokens %p %c {tokens=T}\n"
    static const struct {
        const char *text, *why;
        weft_status status;
    } cases[] = {
        {OWN PLACE "state s paged f32 [3, 6, 4] slots\n%n = cache_append %s %x %a %t\n",
         "'s' is kept for 3 slots and written at the positions of 2", WEFT_ERR_INVALID},
        {OWN PLACE "state s paged f32 [2, 6, 4]\n%n = cache_append %s %x %a %t\n",
         "'s' is kept for 1 slot and written at the positions of 2", WEFT_ERR_INVALID},
        {OWN PLACE "input o u32 [T]\nstate s paged f32 [2, 6, 4] slots\n%n = cache_append %s %x %a %o\n",
         "other slots than those that place_tokens gives", WEFT_ERR_UNSUPPORTED},
        {OWN "%m = advance %p %c\n%a %t = place_tokens %m %c {tokens=T}\nstate s paged f32 [2, 6, 4] slots\n"
             "%n = cache_append %s %x %a %t\n",
         "that the same run has moved on", WEFT_ERR_UNSUPPORTED},
        {OWN "input i u32 [T]\nstate s paged f32 [2, 6, 4] slots\n%n = cache_append %s %x %i %i\n",
         "not written by cache_append at a variable", WEFT_ERR_UNSUPPORTED},
        {OWN PLACE "state s paged f32 [2, 6, 4] slots\n%n = cache_append %s %x %a %t\n%q = advance %c %p\n",
         "as many rows as only the device knows", WEFT_ERR_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weft_program *p = NULL;
        rig_fails(weft_program_create(gpu, rig_graph(cases[i].text), &(struct weft_program_params){0}, &p),
                  cases[i].status, cases[i].why);
    }
}

static int begin(void **state) {
    setup(state);
    slots = rig_program(gpu, SLOT_GRAPH("paged"), &(struct weft_compile_params){.page_rows = PAGE});
    return 0;
}

static int end(void **state) {
    weft_program_destroy(&slots);
    return teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tables_lie_apart, begin, end),
        cmocka_unit_test_setup_teardown(test_each_slot_takes_its_own, begin, end),
        cmocka_unit_test_setup_teardown(test_several_runs_by_slot, begin, end),
        cmocka_unit_test_setup_teardown(test_capacity_by_slot, begin, end),
        cmocka_unit_test_setup_teardown(test_no_page_for_a_slot, begin, end),
        cmocka_unit_test_setup_teardown(test_rows_of_a_slot, begin, end),
        cmocka_unit_test_setup_teardown(test_whole_sessions, begin, end),
        cmocka_unit_test_setup_teardown(test_lost, begin, end),
        cmocka_unit_test_setup_teardown(test_positions_beyond_the_caches, begin, end),
        cmocka_unit_test_setup_teardown(test_refused_graphs, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
