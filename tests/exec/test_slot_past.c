/// The past of one slot on the null device: rewinding, forks and snapshots against a plain model of who has which page,
/// what is refused, and what becomes of slots where memory or the device ends.
#include "core/alloc.h"
#include "gpu/gpu_test.h"
#include "slot_pages_rig.h"
#include "support/lm_program.h"

#include <stdlib.h>

static uint32_t pages_of(const weft_session *s, uint32_t slot) { return s->pages.tables[slot].n; }

static uint64_t stands(weft_session *s, uint32_t slot) {
    uint64_t position;
    rig_must(weft_session_position_slot(s, slot, &position));
    return position;
}

static void test_rewind_slot(void **state) {
    (void)state;
    weft_session *s = session_of(slots);
    rig_must(run_of(s, 5, 9, 1, 0));
    assert_int_equal(pages_used(), 1 + 2 + 3 + 1);
    rig_must(weft_session_rewind_slot(s, 1, 4));
    assert_int_equal(pages_of(s, 1), 1);
    assert_int_equal(pages_used(), 1 + 2 + 1 + 1);
    assert_int_equal(stands(s, 0), 5);
    assert_int_equal(stands(s, 1), 4);
    rig_must(run_of(s, 1, 2, 1, 0));
    assert_int_equal(stands(s, 1), 6);
    rig_must(weft_session_rewind_slot(s, 0, 0));
    assert_int_equal(pages_of(s, 0), 0);
    assert_int_equal(stands(s, 0), 0);
    assert_int_equal(stands(s, 2), 2);
    rig_must(weft_session_reset_slot(s, 1));
    assert_int_equal(stands(s, 1), 0);
    assert_int_equal(pages_used(), 1 + 1);
    rig_must(run_of(s, 0, 0, 3, 0)); // the count of a reset slot starts again as well
    weft_session_destroy(&s);
}

/// Two slots of a session share pages until one writes; where both write in one run, only one of them copies.
static void test_fork_slot(void **state) {
    (void)state;
    struct weft_gpu_counters before, after;
    weft_session *s = session_of(slots), *other = session_of(slots);
    rig_must(run_of(s, 10, 3, 0, 0)); // 3 pages and 1
    rig_must(weft_session_fork_slot(s, 0, s, 2));
    rig_must(weft_session_fork_slot(s, 0, s, 1)); // what slot 1 had goes
    assert_int_equal(pages_used(), 1 + 3);
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(stands(s, i), 10);
    assert_int_equal(stands(s, 3), 0);
    rig_must(weft_session_fork_slot(s, 1, s, 1)); // nothing
    rig_must(weft_session_fork_slot(s, 2, other, 3));
    assert_int_equal(stands(other, 3), 10);
    rig_must(weft_session_rewind_slot(s, 1, 0));
    assert_int_equal(pages_used(), 1 + 3);
    rig_must(run_of(other, 0, 0, 0, 1)); // copies the third page
    assert_int_equal(pages_used(), 1 + 4);
    rig_must(weft_session_reserve(other, 24)); // so that the pool does not grow later
    rig_must(weft_session_reserve(other, 11));
    for (uint32_t i = 0; i < 3; i++) rig_must(weft_session_reset_slot(other, i));
    assert_int_equal(pages_used(), 1 + 4);
    weft_gpu_counters(gpu, &before);
    rig_must(run_of(s, 1, 0, 1, 0)); // both had it: the second keeps it
    weft_gpu_counters(gpu, &after);
    assert_int_equal(after.copies - before.copies, 4);
    assert_int_equal(pages_used(), 1 + 5);
    weft_session_destroy(&s);
    assert_int_equal(pages_used(), 1 + 3);
    weft_session_destroy(&other);
    assert_int_equal(memory().pages + memory().snapshots + memory().staging, 0);
}

/// A fork needs pages when one of the two writes, and the last to write needs none: with one page free, both run.
static void test_the_last_one_copies_nothing(void **state) {
    (void)state;
    static const char *const wide =
        "symbol T 1 64\nvar pos u32 [2] 0 1024\nvar count u32 [2] 0 64\ninput k f32 [T, 1, 65536]\n"
        "state big paged f32 [2, 1024, 1, 65536] slots\n%at %slot = place_tokens %pos %count {tokens=T}\n"
        "%0 = cache_append %big %k %at %slot\n%1 = advance %pos %count\n";
    weft_gpu *small = NULL;
    weft_session *s = NULL;
    rig_must(weft_gpu_open(&(struct weft_gpu_params){.implementation = "null", .limits_min = true}, &small));
    weft_program *p = rig_program(small, wide, &(struct weft_compile_params){.page_rows = 64});
    rig_must(weft_session_create(p, NULL, &s));
    rig_must(weft_session_set_var_at(s, "count", 0, 63));
    rig_must(weft_session_run(s, 14, NULL)); // 882 rows: 14 of the 15 pages
    rig_must(weft_session_fork_slot(s, 0, s, 1));
    rig_must(weft_session_set_var_at(s, "count", 0, 1));
    rig_must(weft_session_set_var_at(s, "count", 1, 1));
    rig_must(weft_session_run(s, 1, NULL)); // both write to the fourteenth page
    rig_must(weft_session_run(s, 1, NULL));
    rig_must(weft_session_rewind_slot(s, 1, 800)); // in the thirteenth, and gives back a page
    rig_must(weft_session_run(s, 1, NULL));
    rig_must(weft_session_rewind_slot(s, 1, 700));
    rig_must(weft_session_fork_slot(s, 0, s, 1));
    rig_must(weft_session_run(s, 1, NULL));
    rig_must(weft_session_rewind_slot(s, 0, 720)); // neither has it alone
    rig_must(weft_session_rewind_slot(s, 1, 720));
    rig_must(weft_session_run(s, 1, NULL));
    weft_session_destroy(&s);
    weft_program_destroy(&p);
    weft_gpu_close(&small);
}

static void test_snapshot_slot(void **state) {
    (void)state;
    static const char *const eight =
        "symbol T 1 16\nvar pos u32 [8] 0 1000\nvar count u32 [8] 0 16\ninput q f32 [T, 2, 8]\ninput k f32 [T, 1, 8]\n"
        "input v f32 [T, 1, 8]\n%at %slot = place_tokens %pos %count {tokens=T}\n"
        "state kf paged f32 [8, 48, 1, 8] slots\nstate vf paged f32 [8, 48, 1, 8] slots\n"
        "%3 = cache_append %kf %k %at %slot\n%4 = cache_append %vf %v %at %slot\n"
        "%5 = attention %q %3 %4 %pos %count\n%7 = advance %pos %count\noutput %5 y\n";
    weft_session *s = session_of(slots), *other = session_of(slots);
    weft_snapshot *device = NULL, *host = NULL;
    rig_must(run_of(s, 10, 3, 0, 0));
    rig_must(weft_session_snapshot_slot(s, 0, WEFT_SNAPSHOT_DEVICE, &device));
    rig_must(weft_session_snapshot_slot(s, 0, WEFT_SNAPSHOT_HOST, &host));
    assert_int_equal(weft_snapshot_position(device), 10);
    assert_int_equal(weft_snapshot_position(host), 10);
    assert_int_equal(weft_snapshot_bytes(host) - weft_snapshot_bytes(device), 10 * 2 * ROW);
    rig_must(weft_session_reset_slot(s, 0));
    assert_int_equal(pages_used(), 1 + 3 + 1); // the snapshot's and slot 1's
    rig_must(weft_session_restore_slot(s, 3, device));
    rig_must(weft_session_restore_slot(other, 1, device));
    assert_int_equal(pages_used(), 1 + 3 + 1);
    assert_int_equal(stands(s, 3), 10);
    assert_int_equal(stands(s, 0), 0);
    assert_int_equal(stands(other, 1), 10);
    rig_must(weft_session_restore_slot(s, 3, host)); // into pages of its own
    assert_int_equal(pages_used(), 1 + 3 + 1 + 3);
    weft_program *p = rig_program(gpu, eight, &(struct weft_compile_params){.page_rows = 8});
    weft_session *more = session_of(p);
    rig_must(weft_session_restore_slot(more, 7, host)); // of other pages, and of more slots
    assert_int_equal(stands(more, 7), 10);
    assert_int_equal(pages_of(more, 7), 2);
    rig_fails(weft_session_restore_slot(more, 7, device), WEFT_ERR_INVALID, "with another program");
    rig_fails(weft_session_restore(s, host), WEFT_ERR_INVALID, "weft_session_restore_slot puts it back");
    weft_session_destroy(&more);
    weft_program_destroy(&p);
    weft_gpu_lose(gpu);
    rig_must(weft_device_recover(gpu, NULL));
    rig_fails(weft_session_restore_slot(s, 3, host), WEFT_ERR_STALE, "is gone");
    rig_must(weft_session_reset(s));
    rig_fails(weft_session_restore_slot(s, 3, device), WEFT_ERR_STALE, "only host snapshots survive");
    rig_must(weft_session_restore_slot(s, 3, host));
    assert_int_equal(stands(s, 3), 10);
    assert_int_equal(pages_used(), 1 + 3);
    weft_snapshot_destroy(&device);
    weft_snapshot_destroy(&host);
    weft_session_destroy(&s);
    weft_session_destroy(&other);
}

/// One sequence is slot 0 of one.
static void test_one_sequence(void **state) {
    (void)state;
    weft_session *s = session(), *other = session();
    weft_snapshot *x = NULL;
    rig_must(feed(s, 10));
    assert_int_equal(stands(s, 0), 10);
    rig_must(weft_session_snapshot_slot(s, 0, WEFT_SNAPSHOT_HOST, &x));
    rig_must(weft_session_rewind_slot(s, 0, 7));
    assert_int_equal(position(s), 7);
    rig_must(weft_session_fork_slot(s, 0, other, 0));
    assert_int_equal(position(other), 7);
    rig_must(weft_session_restore_slot(s, 0, x));
    assert_int_equal(position(s), 10);
    rig_must(weft_session_reset_slot(other, 0));
    assert_int_equal(position(other), 0);
    rig_must(feed(other, 1));
    rig_fails(weft_session_rewind_slot(s, 1, 0), WEFT_ERR_LIMIT, "there is no slot 1: the program serves 1 sequence");
    weft_snapshot_destroy(&x);
    weft_session_destroy(&s);
    weft_session_destroy(&other);
}

/// Slot calls put another past in place of the session's: what a recovery or a rewind would go back to is forgotten.
static void test_marks_are_forgotten(void **state) {
    (void)state;
    weft_session *s = session_of(slots);
    weft_snapshot *whole = NULL;
    rig_must(run_of(s, 10, 3, 0, 0));
    rig_must(weft_session_checkpoint(s));
    rig_must(weft_session_snapshot(s, WEFT_SNAPSHOT_HOST, &whole));
    assert_ptr_equal(s->history.newest, whole);
    rig_fails(weft_session_rewind_slot(s, 0, 11), WEFT_ERR_INVALID, "the slot stands at position 10");
    assert_ptr_equal(s->history.newest, whole); // nothing was changed
    rig_must(weft_session_rewind_slot(s, 0, 9));
    assert_null(s->history.newest);
    assert_int_equal(s->history.n_checkpoints, 0);
    rig_fails(weft_session_restore_slot(s, 0, whole), WEFT_ERR_INVALID, "of a whole session");
    rig_must(weft_session_restore(s, whole));
    weft_snapshot_destroy(&whole);
    weft_session_destroy(&s);
}

// ---- what is refused -----------------------------------------------------------------------------------------------

#define PLACES                                                                                                         \
    "symbol T 1 4\nvar pos u32 [3] 0 100\nvar count u32 [3] 0 4\ninput x f32 [T, 4]\n"                                 \
    "%a %s = place_tokens %pos %count {tokens=T}\n%p = advance %pos %count\n"

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *text, *why;
        uint32_t slot;
        uint64_t position;
        weft_status rewind, fork; ///< of slot 0, in which there are 9 positions, to slot 1
    } cases[] = {
        {PLACES "state k ring f32 [3, 6, 4] slots\n%n = cache_append %k %x %a %s\n",
         "state 'k' keeps 6 rows and no longer has those before position 2", 0, 2, WEFT_ERR_LIMIT, WEFT_OK},
        {PLACES "state k ring f32 [3, 20, 4] slots\n%n = cache_append %k %x %a %s\n", "", 0, 2, WEFT_OK, WEFT_OK},
        {PLACES "state k dense f32 [3, 20, 4] slots\n%n = cache_append %k %x %a %s\n",
         "no slot 3: the program serves 3", 3, 2, WEFT_ERR_LIMIT, WEFT_OK},
        {PLACES "state k dense f32 [3, 20, 4]\n%n = cache_append %k %x %a %s\n",
         "'k' has rows of all slots but is not kept by slot", 0, 2, WEFT_OK, WEFT_ERR_UNSUPPORTED},
        {PLACES "state k dense f32 [3, 4] slots\n%b = neg %k\n%n = assign %k %b\n",
         "'k' is what all positions made of it", 0, 2, WEFT_ERR_UNSUPPORTED, WEFT_OK},
        {PLACES "state k dense f32 [3, 4] slots\n%b = neg %k\n%n = assign %k %b\n", "", 0, 0, WEFT_OK, WEFT_OK},
        {PLACES "state k dense f32 [3, 4] slots\n%b = neg %k\n%n = assign %k %b\n", "", 0, 9, WEFT_OK, WEFT_OK},
        {PLACES "state k dense f16 [3, 5] slots\n", "a slot has 10 bytes of state 'k'", 0, 2, WEFT_ERR_UNSUPPORTED,
         WEFT_ERR_UNSUPPORTED},
        {PLACES "state k dense f32 [4, 5] slots\n", "kept for different numbers of slots", 0, 2, WEFT_ERR_INVALID,
         WEFT_ERR_INVALID},
        {PLACES "var more u32 [3] 0 100\n%m = advance %more %count\n", "a slot of the program has 2 positions", 0, 2,
         WEFT_ERR_INVALID, WEFT_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weft_program *p = rig_program(gpu, cases[i].text, NULL);
        weft_session *s = session_of(p);
        for (int k = 0; k < 3; k++) {
            rig_must(weft_session_set_var_at(s, "count", 0, 3));
            rig_must(resize(s, 3));
            rig_must(weft_session_run(s, 1, NULL));
        }
        weft_status status = weft_session_rewind_slot(s, cases[i].slot, cases[i].position);
        if (cases[i].rewind == WEFT_OK) rig_must(status);
        else rig_fails(status, cases[i].rewind, cases[i].why);
        for (uint32_t k = 0; k < 3 && cases[i].rewind != WEFT_OK; k++)
            assert_int_equal(weft_positions_at(&s->positions, k), k ? 0 : 9);
        status = weft_session_fork_slot(s, 0, s, 1);
        if (cases[i].fork == WEFT_OK) rig_must(status);
        else rig_fails(status, cases[i].fork, cases[i].why);
        weft_session_destroy(&s);
        weft_program_destroy(&p);
    }
    weft_session *a = session_of(slots), *b = session_of(rings);
    weft_snapshot *x = NULL;
    uint64_t at;
    rig_fails(weft_session_fork_slot(a, 0, b, 0), WEFT_ERR_INVALID, "the sessions are of two programs");
    rig_fails(weft_session_snapshot_slot(a, 0, 3, &x), WEFT_ERR_INVALID, "flags 3");
    rig_fails(weft_session_snapshot_slot(a, 4, 1, &x), WEFT_ERR_LIMIT, "no slot 4");
    rig_fails(weft_session_snapshot_slot(NULL, 0, 1, &x), WEFT_ERR_INVALID, "");
    rig_fails(weft_session_fork_slot(a, 0, NULL, 0), WEFT_ERR_INVALID, "");
    rig_fails(weft_session_restore_slot(a, 0, NULL), WEFT_ERR_INVALID, "");
    rig_fails(weft_session_reset_slot(a, UINT32_MAX - 1), WEFT_ERR_LIMIT, "no slot");
    rig_fails(weft_session_reset_slot(a, UINT32_MAX), WEFT_ERR_LIMIT, "no slot 4294967295");
    rig_fails(weft_session_rewind_slot(a, UINT32_MAX, 0), WEFT_ERR_LIMIT, "no slot 4294967295");
    rig_fails(weft_session_position_slot(a, 0, NULL), WEFT_ERR_INVALID, "");
    rig_fails(weft_session_position_slot(a, 9, &at), WEFT_ERR_LIMIT, "no slot 9");
    rig_fails(weft_session_rewind(a, 1), WEFT_ERR_UNSUPPORTED, "weft_session_rewind_slot rewinds one of its slots");
    rig_must(weft_session_snapshot_slot(b, 0, WEFT_SNAPSHOT_HOST, &x));
    rig_fails(weft_session_restore_slot(a, 0, x), WEFT_ERR_INVALID, "states");
    weft_snapshot_destroy(&x);
    weft_session_destroy(&a);
    weft_session_destroy(&b);
}

// ---- at random, against a model ------------------------------------------------------------------------------------

enum { SESSIONS = 2, KEPT = 3, TABLES = SESSIONS * SLOTS + KEPT };

/// Who has which page, as it should be: pages are numbers of the model's own.
struct model {
    struct model_table {
        uint32_t rows, n, pages[PAGES];
    } tables[TABLES]; ///< of slots, then of snapshots
    uint32_t next;
};

static uint32_t holders(const struct model *m, uint32_t page) {
    uint32_t n = 0;
    for (uint32_t t = 0; t < TABLES; t++)
        for (uint32_t i = 0; i < m->tables[t].n; i++) n += m->tables[t].pages[i] == page;
    return n;
}

static uint64_t distinct(const struct model *m) {
    uint64_t n = 0;
    for (uint32_t page = 0; page < m->next; page++) n += holders(m, page) > 0;
    return n;
}

static void model_append(struct model *m, struct model_table *t, uint32_t count) {
    if (!count) return;
    for (uint32_t i = t->rows / PAGE; i < (t->rows + count + PAGE - 1) / PAGE; i++) {
        if (i >= t->n) t->pages[t->n++] = m->next++;
        else if (holders(m, t->pages[i]) > 1) t->pages[i] = m->next++;
    }
    t->rows += count;
}

static void model_crop(struct model_table *t, uint32_t rows) {
    t->rows = rows;
    if (t->n > (rows + PAGE - 1) / PAGE) t->n = (rows + PAGE - 1) / PAGE;
}

/// Counts, positions, and which slots share which page.
static void compare(weft_session *const *s, const struct model *m) {
    assert_int_equal(pages_used(), 1 + distinct(m));
    uint32_t as[4096] = {0}; // a page of the model is one of the pool's
    for (uint32_t k = 0; k < SESSIONS * SLOTS; k++) {
        const struct weft_page_table *t = &s[k / SLOTS]->pages.tables[k % SLOTS];
        assert_int_equal(t->n, m->tables[k].n);
        assert_int_equal(weft_positions_at(&s[k / SLOTS]->positions, k % SLOTS), m->tables[k].rows);
        for (uint32_t i = 0; i < t->n; i++) {
            uint32_t page = m->tables[k].pages[i] % 4096;
            if (!as[page]) as[page] = t->pages[i];
            assert_int_equal(as[page], t->pages[i]);
            assert_int_equal(slots->pool->groups[0].refs[t->pages[i]], holders(m, m->tables[k].pages[i]));
        }
    }
}

static void test_at_random(void **state) {
    (void)state;
    struct model *m = calloc(1, sizeof *m);
    weft_session *s[SESSIONS] = {session_of(slots), session_of(slots)};
    weft_snapshot *x[KEPT] = {NULL};
    uint64_t seed = 21, before = memory().total - memory().readback;
    const int steps = weft_test_long() ? 20000 : 1500;
    for (int step = 0; step < steps; step++) {
        uint32_t a = weft_test_random(&seed, SESSIONS * SLOTS), b = weft_test_random(&seed, SESSIONS * SLOTS);
        uint32_t kept = weft_test_random(&seed, KEPT), n = weft_test_random(&seed, SLOT_ROWS + 1), counts[SLOTS];
        weft_session *mine = s[a / SLOTS];
        struct model_table *ours = &m->tables[a / SLOTS * SLOTS], *held = &m->tables[SESSIONS * SLOTS + kept];
        switch (weft_test_random(&seed, 10)) {
        case 0:
            if (n > m->tables[a].rows) break;
            rig_must(weft_session_rewind_slot(mine, a % SLOTS, n));
            model_crop(&m->tables[a], n);
            break;
        case 1:
            rig_must(weft_session_fork_slot(mine, a % SLOTS, s[b / SLOTS], b % SLOTS));
            m->tables[b] = m->tables[a];
            break;
        case 2:
        case 3:
            weft_snapshot_destroy(&x[kept]);
            memset(held, 0, sizeof *held);
            rig_must(weft_session_snapshot_slot(mine, a % SLOTS, 1 + n % 2, &x[kept]));
            if (n % 2 == 0) *held = m->tables[a]; // on the device: it shares
            else held->rows = m->tables[a].rows;
            break;
        case 4:
            if (!x[kept]) break;
            rig_must(weft_session_restore_slot(mine, a % SLOTS, x[kept]));
            m->tables[a] = *held;
            if (held->n == 0) m->tables[a].rows = 0, model_append(m, &m->tables[a], held->rows);
            break;
        case 5:
            if (n % 4) break;
            rig_must(weft_session_reset_slot(mine, a % SLOTS));
            model_crop(&m->tables[a], 0);
            break;
        default:
            for (uint32_t i = 0, left = SLOT_MOST; i < SLOTS; i++) {
                uint32_t most = weft_test_random(&seed, 3) ? 2 : 9, room = SLOT_ROWS - ours[i].rows;
                counts[i] = weft_test_random(&seed, most);
                if (counts[i] > room) counts[i] = room;
                if (counts[i] > left) counts[i] = left;
                left -= counts[i];
            }
            rig_must(counts_of(mine, counts));
            for (uint32_t i = 0; i < SLOTS; i++) model_append(m, &ours[i], counts[i]);
        }
        compare(s, m);
        if (m->next > 4000) { // so that numbers stay small: the same pages by lower ones
            uint32_t names[8192] = {0}, next = 0;
            for (uint32_t t = 0; t < TABLES; t++)
                for (uint32_t i = 0; i < m->tables[t].n; i++) {
                    uint32_t *name = &names[m->tables[t].pages[i]];
                    if (!*name) *name = ++next;
                    m->tables[t].pages[i] = *name - 1;
                }
            m->next = next;
        }
    }
    for (int i = 0; i < SESSIONS; i++)
        for (uint32_t k = 0; k < SLOTS; k++) rig_must(weft_session_reset_slot(s[i], k));
    for (int i = 0; i < KEPT; i++) weft_snapshot_destroy(&x[i]);
    assert_int_equal(pages_used(), 1); // all that were taken came back
    for (int i = 0; i < SESSIONS; i++) weft_session_destroy(&s[i]);
    assert_true(memory().total - memory().readback < before);
    free(m);
}

// ---- where memory or the device ends -------------------------------------------------------------------------------

/// Everything that slots have, in pages and beside rings.
static weft_status scenario(weft_session **s, weft_snapshot **x) {
    for (int i = 0; i < 2; i++) WEFT_TRY(weft_session_create(rings, NULL, &s[i]));
    WEFT_TRY(run_of(s[0], 9, 5, 0, 2));
    WEFT_TRY(weft_session_fork_slot(s[0], 0, s[0], 2));
    WEFT_TRY(weft_session_fork_slot(s[0], 1, s[1], 3));
    WEFT_TRY(run_of(s[0], 1, 0, 1, 0));
    WEFT_TRY(weft_session_snapshot_slot(s[0], 2, WEFT_SNAPSHOT_DEVICE, &x[0]));
    WEFT_TRY(weft_session_snapshot_slot(s[0], 2, WEFT_SNAPSHOT_HOST, &x[1]));
    WEFT_TRY(weft_session_rewind_slot(s[0], 0, 8));
    WEFT_TRY(weft_session_rewind_slot(s[0], 1, 0));
    WEFT_TRY(weft_session_restore_slot(s[0], 1, x[1]));
    WEFT_TRY(weft_session_restore_slot(s[1], 1, x[0]));
    WEFT_TRY(weft_session_reset_slot(s[0], 3));
    WEFT_TRY(run_of(s[0], 4, 4, 4, 4));
    return run_of(s[1], 0, 8, 0, 8);
}

/// Every page stands in as many tables as it is counted for.
static void check_references(weft_session *const *s, bool snapshots) {
    const struct weft_pool *pool = rings->pool;
    uint32_t refs[4096] = {0};
    for (int i = 0; i < 2; i++)
        for (uint32_t k = 0; s[i] && s[i]->pages.tables && k < SLOTS; k++)
            for (uint32_t n = 0; n < s[i]->pages.tables[k].n; n++) refs[s[i]->pages.tables[k].pages[n]]++;
    for (uint32_t page = 1; page < pool->groups[0].total; page++) {
        assert_int_equal(pool->groups[0].marks[page], 0);
        if (!snapshots) assert_int_equal(refs[page], pool->groups[0].refs[page]);
        else assert_true(refs[page] <= pool->groups[0].refs[page]);
    }
}

/// Ends a trial: sessions go on, after a reset where a call failed midway, and give everything back.
static void finish(weft_session **s, weft_snapshot **x, uint64_t before) {
    check_references(s, x[0] || x[1]);
    for (int i = 0; i < 2; i++) weft_snapshot_destroy(&x[i]);
    check_references(s, false);
    for (int i = 0; i < 2; i++) {
        if (s[i] && run_of(s[i], 1, 1, 1, 1) != WEFT_OK) {
            rig_must(weft_session_reset(s[i]));
            rig_must(run_of(s[i], 1, 1, 1, 1));
        }
        weft_session_destroy(&s[i]);
    }
    assert_int_equal(memory().total - memory().readback, before);
}

static void test_no_memory(void **state) {
    (void)state;
    uint64_t before = memory().total - memory().readback;
    uint32_t refused = 0;
    for (uint64_t n = 1;; n++) {
        weft_session *s[2] = {NULL};
        weft_snapshot *x[2] = {NULL};
        weft_alloc_fail_at(n, 0);
        uint64_t failures = weft_alloc_failures();
        weft_status status = scenario(s, x);
        bool over = weft_alloc_failures() == failures;
        weft_alloc_fail_at(0, 0);
        if (status != WEFT_OK) rig_fails(status, WEFT_ERR_NOMEM, "");
        refused += status != WEFT_OK;
        finish(s, x, before);
        if (over) break;
    }
    assert_true(refused > 40);
}

static void test_no_device_memory(void **state) {
    (void)state;
    uint64_t before = memory().total - memory().readback;
    static const uint32_t sites[] = {WEFT_GPU_AT_BUFFER, WEFT_GPU_AT_GROUP, WEFT_GPU_AT_SUBMIT, WEFT_GPU_AT_WRITE};
    for (int k = 0; k < 4; k++)
        for (uint64_t n = 1;; n++) {
            weft_session *s[2] = {NULL};
            weft_snapshot *x[2] = {NULL};
            weft_gpu_inject(gpu, WEFT_GPU_NO_MEMORY, sites[k], n);
            weft_status status = scenario(s, x);
            bool over = weft_gpu_injected(gpu) < n;
            weft_gpu_inject(gpu, WEFT_GPU_NO_MEMORY, sites[k], 0);
            if (status != WEFT_OK) rig_fails(status, WEFT_ERR_NOMEM, "");
            if (over) rig_must(status);
            finish(s, x, before);
            if (over) break;
        }
}

static void test_loss(void **state) {
    (void)state;
    uint64_t before = memory().total - memory().readback;
    for (uint64_t n = 1;; n++) {
        weft_session *s[2] = {NULL};
        weft_snapshot *x[2] = {NULL};
        weft_gpu_inject(gpu, WEFT_GPU_LOSS, WEFT_GPU_AT_ANY, n);
        weft_status status = scenario(s, x);
        bool over = weft_gpu_injected(gpu) < n;
        weft_gpu_inject(gpu, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_ANY, 0);
        if (over) rig_must(status);
        else rig_must(weft_device_recover(gpu, NULL));
        for (int i = 0; i < 2; i++)
            if (s[i]) rig_must(weft_session_reset(s[i]));
        if (s[0] && x[1]) rig_must(weft_session_restore_slot(s[0], 2, x[1]));
        finish(s, x, before);
        if (over) break;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rewind_slot, begin, end),
        cmocka_unit_test_setup_teardown(test_fork_slot, begin, end),
        cmocka_unit_test_setup_teardown(test_the_last_one_copies_nothing, begin, end),
        cmocka_unit_test_setup_teardown(test_snapshot_slot, begin, end),
        cmocka_unit_test_setup_teardown(test_one_sequence, begin, end),
        cmocka_unit_test_setup_teardown(test_marks_are_forgotten, begin, end),
        cmocka_unit_test_setup_teardown(test_refusals, begin, end),
        cmocka_unit_test_setup_teardown(test_at_random, begin, end),
        cmocka_unit_test_setup_teardown(test_no_memory, begin, end),
        cmocka_unit_test_setup_teardown(test_no_device_memory, begin, end),
        cmocka_unit_test_setup_teardown(test_loss, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
