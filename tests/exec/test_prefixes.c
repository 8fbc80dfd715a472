/// Beginnings that sequences share, on the null device: which pages are taken, when they are given back, and whose they
/// are at any time.
#include "core/alloc.h"
#include "gpu/gpu_test.h"
#include "slot_pages_rig.h"
#include "support/lm_program.h"

static size_t adopt(weft_session *s, uint32_t slot, const int32_t *ids, size_t n) {
    size_t adopted = 77;
    uint64_t position;
    rig_must(weft_session_adopt_slot(s, slot, ids, n, &adopted));
    rig_must(weft_session_position_slot(s, slot, &position));
    assert_int_equal(position, adopted);
    assert_int_equal(s->pages.tables[slot].n, adopted / PAGE);
    return adopted;
}

static const int32_t one[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

/// Full pages of equal beginnings, and no others.
static void test_equal_beginnings(void **state) {
    (void)state;
    weft_session *s = session_of(slots), *other = session_of(slots);
    int32_t ids[16];
    rig_must(run_of(s, 10, 0, 0, 0));
    assert_int_equal(adopt(s, 1, one, 10), 0); // nothing is known yet
    rig_must(weft_session_publish_slot(s, 0, one, 10));
    rig_must(weft_session_publish_slot(s, 0, one, 10)); // once
    assert_int_equal(pages_used(), 1 + 3);
    assert_int_equal(adopt(s, 1, one, 10), 8);
    assert_int_equal(adopt(other, 3, one, 16), 8);
    assert_int_equal(adopt(s, 2, one, 7), 4);
    assert_int_equal(pages_used(), 1 + 3);
    rig_must(weft_session_reset_slot(s, 2));
    assert_int_equal(adopt(s, 2, one, 3), 0);
    assert_int_equal(adopt(s, 2, one, 0), 0);
    for (uint32_t i = 0; i < 8; i++) { // any id that differs ends it, in front of its page
        memcpy(ids, one, sizeof ids);
        ids[i] = -ids[i];
        assert_int_equal(adopt(s, 2, ids, 16), i / PAGE * PAGE);
        rig_must(weft_session_rewind_slot(s, 2, 0));
    }
    memcpy(ids, one + 4, 4 * sizeof *ids); // a known page behind another beginning is another page
    memcpy(ids + 4, one + 4, 4 * sizeof *ids);
    assert_int_equal(adopt(s, 2, ids, 16), 0);
    rig_must(run_of(s, 0, 1, 12, 0)); // what is adopted goes on, in pages of its own
    assert_int_equal(pages_used(), 1 + 3 + 1 + 3);
    rig_must(weft_session_publish_slot(s, 2, ids, 12));
    rig_must(weft_session_rewind_slot(s, 2, 0));
    assert_int_equal(adopt(s, 2, ids, 12), 12);
    weft_session_destroy(&s);
    assert_int_equal(pages_used(), 1 + 2 + 3); // known pages stay; the third of the first sequence was not full
    weft_session_destroy(&other);
    assert_int_equal(memory().pages + memory().staging, 0);
    struct weft_gpu_counters c;
    weft_gpu_counters(gpu, &c);
    assert_int_equal(c.pages_used, 0);
    s = session_of(slots); // of a new pool
    assert_int_equal(adopt(s, 1, one, 10), 0);
    weft_session_destroy(&s);
}

/// Whoever goes back into a known page writes to a copy; the page stays what it was.
static void test_known_pages_are_not_written(void **state) {
    (void)state;
    weft_session *s = session_of(slots);
    rig_must(run_of(s, 9, 0, 0, 0));
    rig_must(weft_session_publish_slot(s, 0, one, 9));
    uint32_t known = s->pages.tables[0].pages[1];
    rig_must(weft_session_rewind_slot(s, 0, 6));
    rig_must(run_of(s, 1, 0, 0, 0));
    assert_true(s->pages.tables[0].pages[1] != known);
    assert_int_equal(adopt(s, 1, one, 9), 8);
    assert_int_equal(s->pages.tables[1].pages[1], known);
    rig_must(weft_session_rewind_slot(s, 1, 5));
    rig_must(run_of(s, 0, 1, 0, 0));
    assert_true(s->pages.tables[1].pages[1] != known);
    weft_session_destroy(&s);
}

/// Known pages that no slot has are room: given back before the pool grows, the ends first, what was asked for last.
static void test_room_is_given_back(void **state) {
    (void)state;
    weft_session *s = session_of(slots);
    int32_t two[16];
    for (int i = 0; i < 16; i++) two[i] = one[i] + (i < 4 ? 0 : 100); // one page in common
    rig_must(weft_session_reserve(s, 12));                            // a pool of 12 pages and nobody's
    rig_must(weft_session_reserve(s, 0));
    uint64_t total = memory().pages / PAGE_BYTES;
    assert_int_equal(total, 13);
    rig_must(run_of(s, 12, 0, 0, 0));
    rig_must(weft_session_publish_slot(s, 0, one, 12));
    rig_must(weft_session_rewind_slot(s, 0, 0));
    rig_must(run_of(s, 12, 0, 0, 0));
    rig_must(weft_session_publish_slot(s, 0, two, 12)); // whose first page is the other one's
    rig_must(weft_session_reset_slot(s, 0));
    assert_int_equal(pages_used(), 1 + 3 + 2);
    assert_int_equal(adopt(s, 0, one, 12), 12); // asked for
    rig_must(weft_session_reset_slot(s, 0));
    rig_must(run_of(s, 0, 12, 0, 4));
    rig_must(run_of(s, 0, 12, 0, 0));
    assert_int_equal(pages_used(), total); // all are taken, five of them known and no slot's
    rig_must(run_of(s, 0, 4, 0, 0));
    assert_int_equal(adopt(s, 0, two, 12), 8); // the end of the longer unused one went
    rig_must(weft_session_reset_slot(s, 0));
    rig_must(run_of(s, 0, 4, 0, 0));
    assert_int_equal(adopt(s, 0, one, 12), 8); // `two` was asked for since, so the other's end went
    rig_must(run_of(s, 0, 0, 4, 0));
    assert_int_equal(memory().pages / PAGE_BYTES, total);
    rig_must(run_of(s, 0, 0, 4, 0)); // no known page is without a slot: the pool grows
    assert_true(memory().pages / PAGE_BYTES > total);
    rig_must(weft_session_reset_slot(s, 0));
    assert_int_equal(adopt(s, 0, one, 12), 8);
    rig_must(weft_session_forget_prefixes(s));
    rig_must(weft_session_reset_slot(s, 0));
    assert_int_equal(adopt(s, 0, one, 12), 0);
    assert_int_equal(pages_used(), 1 + s->pages.tables[1].n + s->pages.tables[2].n + s->pages.tables[3].n);
    weft_session_destroy(&s);
}

/// A device that holds no more pages gives those that only prefixes have.
static void test_room_of_a_full_device(void **state) {
    (void)state;
    static const char *const wide =
        "symbol T 1 64\nvar pos u32 [2] 0 1024\nvar count u32 [2] 0 64\ninput k f32 [T, 1, 65536]\n"
        "state big paged f32 [2, 1024, 1, 65536] slots\n%at %slot = place_tokens %pos %count {tokens=T}\n"
        "%0 = cache_append %big %k %at %slot\n%1 = advance %pos %count\n";
    weft_gpu *small = NULL;
    weft_session *s = NULL;
    int32_t ids[640] = {0};
    rig_must(weft_gpu_open(&(struct weft_gpu_params){.implementation = "null", .limits_min = true}, &small));
    weft_program *p = rig_program(small, wide, &(struct weft_compile_params){.page_rows = 64});
    rig_must(weft_session_create(p, NULL, &s));
    rig_must(weft_session_set_var_at(s, "count", 0, 64));
    rig_must(weft_session_run(s, 10, NULL));
    rig_must(weft_session_publish_slot(s, 0, ids, 640));
    rig_must(weft_session_rewind_slot(s, 0, 0));
    rig_must(weft_session_run(s, 15, NULL)); // all 15 pages that there can be
    rig_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "of slot 0 of state 'big'");
    weft_session_destroy(&s);
    weft_program_destroy(&p);
    weft_gpu_close(&small);
}

static void test_refusals(void **state) {
    (void)state;
    weft_session *s = session_of(slots), *r = session_of(rings), *alone = session();
    size_t n = 5;
    rig_must(run_of(s, 9, 0, 0, 0));
    rig_fails(weft_session_publish_slot(s, 0, one, 10), WEFT_ERR_INVALID, "10 tokens of slot 0, which holds 9");
    rig_fails(weft_session_publish_slot(s, 4, one, 1), WEFT_ERR_LIMIT, "no slot 4");
    rig_fails(weft_session_publish_slot(s, 0, NULL, 1), WEFT_ERR_INVALID, "");
    rig_fails(weft_session_publish_slot(NULL, 0, one, 1), WEFT_ERR_INVALID, "");
    rig_fails(weft_session_adopt_slot(s, 0, one, 9, &n), WEFT_ERR_INVALID, "slot 0 holds 9 tokens; rewind it to 0");
    assert_int_equal(n, 0);
    rig_fails(weft_session_adopt_slot(s, 1, one, 9, NULL), WEFT_ERR_INVALID, "");
    rig_fails(weft_session_adopt_slot(s, 1, NULL, 9, &n), WEFT_ERR_INVALID, "");
    rig_fails(weft_session_adopt_slot(s, UINT32_MAX, one, 9, &n), WEFT_ERR_LIMIT, "no slot 4294967295");
    rig_fails(weft_session_forget_prefixes(NULL), WEFT_ERR_INVALID, "");
    rig_must(run_of(r, 9, 0, 0, 0)); // a ring has no beginning
    rig_must(weft_session_publish_slot(r, 0, one, 9));
    rig_must(weft_session_adopt_slot(r, 1, one, 9, &n));
    assert_int_equal(n, 0);
    rig_must(weft_session_forget_prefixes(r));
    rig_must(weft_session_publish_slot(alone, 0, one, 0)); // one sequence is slot 0, here with a ring
    rig_must(weft_session_adopt_slot(alone, 0, one, 9, &n));
    assert_int_equal(n, 0);
    weft_session_destroy(&s);
    weft_session_destroy(&r);
    weft_session_destroy(&alone);
}

/// A session of one sequence takes part, and what is lost with the device is not known afterwards.
static void test_one_sequence_and_loss(void **state) {
    (void)state;
    weft_program *p =
        rig_program(gpu,
                    "symbol T 1 8\ninput k f32 [T, 1, 8]\nvar pos u32 0 1000\nstate a paged f32 [40, 1, 8]\n"
                    "%0 = cache_append %a %k %pos\n%1 = advance %pos {by=T}\n",
                    &(struct weft_compile_params){.page_rows = PAGE});
    weft_session *s = session_of(p), *t = session_of(p);
    size_t n;
    rig_must(feed(s, 13));
    rig_must(weft_session_publish_slot(s, 0, one, 13));
    rig_must(weft_session_adopt_slot(t, 0, one, 16, &n));
    assert_int_equal(n, 12);
    assert_int_equal(position(t), 12);
    weft_gpu_lose(gpu);
    rig_must(weft_device_recover(gpu, NULL));
    rig_must(weft_session_reset(s));
    rig_must(weft_session_reset(t));
    rig_must(weft_session_adopt_slot(t, 0, one, 16, &n));
    assert_int_equal(n, 0);
    rig_must(feed(s, 13));
    rig_must(weft_session_publish_slot(s, 0, one, 13));
    rig_must(weft_session_adopt_slot(t, 0, one, 16, &n));
    assert_int_equal(n, 12);
    weft_session_destroy(&s);
    weft_session_destroy(&t);
    weft_program_destroy(&p);
}

// ---- at random -----------------------------------------------------------------------------------------------------

enum { SESSIONS = 2, MOST_PAGES = 512 };

/// What a page was written with, as an observer of all calls knows it: all ids from the start to its end.
struct stamp {
    uint32_t n;
    int32_t ids[SLOT_ROWS];
};
struct watched {
    uint32_t n, published;
    int32_t ids[SLOT_ROWS];
};

static bool begins(const int32_t *a, const int32_t *b, size_t n) { return memcmp(a, b, n * sizeof *a) == 0; }

/// Tables, and known pages, are what pages are counted for; page by page, what stands there is what its slot was fed.
static void check(weft_session *const *s, struct watched (*w)[SLOTS], struct stamp *stamps) {
    const struct weft_pool_group *g = &slots->pool->groups[0];
    const struct weft_prefixes *known = &slots->prefixes;
    uint32_t refs[MOST_PAGES] = {0};
    assert_true(g->total <= MOST_PAGES);
    for (int i = 0; i < SESSIONS; i++)
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            const struct weft_page_table *t = &s[i]->pages.tables[slot];
            for (uint32_t k = 0; k < t->n; k++) {
                uint32_t end = (k + 1) * PAGE;
                refs[t->pages[k]]++;
                if (w[i][slot].n < end) continue;
                assert_int_equal(stamps[t->pages[k]].n, end);
                assert_true(begins(stamps[t->pages[k]].ids, w[i][slot].ids, end));
            }
        }
    for (uint32_t i = 0; i < known->n; i++) refs[known->entries[i].page]++;
    for (uint32_t page = 1; page < g->total; page++) assert_int_equal(refs[page], g->refs[page]);
}

/// The longest beginning that a slot which is there has published and not left since.
static size_t promised(weft_session *const *s, struct watched (*w)[SLOTS], const int32_t *ids, size_t n) {
    size_t most = 0;
    (void)s;
    for (int i = 0; i < SESSIONS; i++)
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            size_t end = 0;
            while (end + PAGE <= n && end + PAGE <= w[i][slot].published && begins(ids, w[i][slot].ids, end + PAGE))
                end += PAGE;
            if (end > most) most = end;
        }
    return most;
}

static void feed_ids(weft_session *s, struct watched *w, struct stamp *stamps, uint32_t slot, const int32_t *ids,
                     uint32_t n) {
    uint32_t counts[SLOTS] = {0};
    counts[slot] = n;
    memcpy(w->ids + w->n, ids, n * sizeof *ids);
    rig_must(run_of(s, counts[0], counts[1], counts[2], counts[3]));
    for (uint32_t i = w->n; i < w->n + n; i++) {
        struct stamp *stamp = &stamps[s->pages.tables[slot].pages[i / PAGE]];
        stamp->n = i + 1;
        memcpy(stamp->ids, w->ids, (i + 1) * sizeof *ids);
    }
    w->n += n;
}

static void test_at_random(void **state) {
    (void)state;
    static struct stamp stamps[MOST_PAGES];
    static struct watched w[SESSIONS][SLOTS];
    weft_session *s[SESSIONS] = {session_of(slots), session_of(slots)};
    uint64_t seed = 5, taken = 0;
    memset(w, 0, sizeof w);
    for (int step = 0; step < (weft_test_long() ? 40000 : 3000); step++) {
        uint32_t i = weft_test_random(&seed, SESSIONS), slot = weft_test_random(&seed, SLOTS);
        uint32_t n = weft_test_random(&seed, SLOT_ROWS + 1);
        struct watched *mine = &w[i][slot];
        int32_t ids[SLOT_ROWS];
        for (uint32_t k = 0; k < SLOT_ROWS; k++) ids[k] = (int32_t)weft_test_random(&seed, 12) / 11; // mostly alike
        switch (weft_test_random(&seed, 8)) {
        case 0:
            if (n > mine->n) n = mine->n;
            rig_must(weft_session_rewind_slot(s[i], slot, n));
            mine->n = n;
            if (mine->published > n / PAGE * PAGE) mine->published = n / PAGE * PAGE;
            break;
        case 1:
            rig_must(weft_session_rewind_slot(s[i], slot, 0));
            mine->n = mine->published = 0;
            size_t least = promised(s, w, ids, n), adopted;
            rig_must(weft_session_adopt_slot(s[i], slot, ids, n, &adopted));
            assert_true(adopted >= least && adopted <= n && adopted % PAGE == 0);
            memcpy(mine->ids, ids, adopted * sizeof *ids);
            mine->n = (uint32_t)adopted;
            mine->published = mine->n;
            taken += adopted;
            break;
        case 2:
        case 3:
            rig_must(weft_session_publish_slot(s[i], slot, mine->ids, mine->n));
            mine->published = mine->n / PAGE * PAGE;
            break;
        case 4:
            if (n == 7) rig_must(weft_session_forget_prefixes(s[i]));
            for (int k = 0; k < SESSIONS * SLOTS && n == 7; k++) w[k / SLOTS][k % SLOTS].published = 0;
            break;
        default:
            n = 1 + n % SLOT_MOST;
            if (mine->n + n <= SLOT_ROWS) feed_ids(s[i], mine, stamps, slot, ids + mine->n, n);
        }
        check(s, w, stamps);
    }
    assert_true(taken > 1000);
    rig_must(weft_session_forget_prefixes(s[0]));
    for (int k = 0; k < SESSIONS * SLOTS; k++) rig_must(weft_session_reset_slot(s[k / SLOTS], k % SLOTS));
    assert_int_equal(pages_used(), 1);
    for (int i = 0; i < SESSIONS; i++) weft_session_destroy(&s[i]);
}

// ---- where memory ends ---------------------------------------------------------------------------------------------

static weft_status scenario(weft_session **s) {
    size_t n;
    WEFT_TRY(weft_session_create(slots, NULL, s));
    WEFT_TRY(run_of(*s, 16, 0, 0, 0));
    WEFT_TRY(weft_session_publish_slot(*s, 0, one, 16));
    WEFT_TRY(weft_session_adopt_slot(*s, 1, one, 13, &n));
    WEFT_TRY(run_of(*s, 1, 5, 0, 0));
    WEFT_TRY(weft_session_rewind_slot(*s, 0, 0));
    return run_of(*s, 0, 0, 16, 0);
}

static void test_no_memory(void **state) {
    (void)state;
    uint64_t before = memory().total - memory().readback;
    uint32_t refused = 0;
    for (uint64_t n = 1;; n++) {
        weft_session *s = NULL;
        weft_alloc_fail_at(n, 0);
        uint64_t failures = weft_alloc_failures();
        weft_status status = scenario(&s);
        bool over = weft_alloc_failures() == failures;
        weft_alloc_fail_at(0, 0);
        if (status != WEFT_OK) rig_fails(status, WEFT_ERR_NOMEM, "");
        refused += status != WEFT_OK;
        if (s) rig_must(run_of(s, 1, 1, 1, 1));
        weft_session_destroy(&s);
        assert_int_equal(memory().total - memory().readback, before);
        if (over) break;
    }
    assert_true(refused > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_equal_beginnings, begin, end),
        cmocka_unit_test_setup_teardown(test_known_pages_are_not_written, begin, end),
        cmocka_unit_test_setup_teardown(test_room_is_given_back, begin, end),
        cmocka_unit_test_setup_teardown(test_room_of_a_full_device, begin, end),
        cmocka_unit_test_setup_teardown(test_refusals, begin, end),
        cmocka_unit_test_setup_teardown(test_one_sequence_and_loss, begin, end),
        cmocka_unit_test_setup_teardown(test_at_random, begin, end),
        cmocka_unit_test_setup_teardown(test_no_memory, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
