/// Several sequences in one session whose pages come from one pool: whatever the others do, each slot gives what it
/// gives alone, bit for bit.
#include "exec/session/impl.h"
#include "exec/session_test.h"
#include "slot_rig.h"
#include "support/lm_program.h"

static weft_program *program, *rings;
static struct slot_rig twin, ring_twin;

/// Counts of 0 to 16 tokens in all, as slots have room: prefill of some beside decode of others.
static uint32_t random_counts(uint64_t *seed, const struct slot_rig *r, uint32_t *counts, uint32_t *streams) {
    uint32_t left = SLOT_MOST, total = 0;
    for (uint32_t k = 0, i = weft_test_random(seed, SLOTS); k < SLOTS; k++, i = (i + 1) % SLOTS) {
        static const uint32_t most[] = {1, 1, 4, 9};
        uint32_t room = SLOT_ROWS - r->slot[i].n, t = weft_test_random(seed, most[weft_test_random(seed, 4)] + 1);
        counts[i] = t < room ? t : room;
        if (counts[i] > left) counts[i] = left;
        left -= counts[i];
        total += counts[i];
        streams[i] = 1 + weft_test_random(seed, 3) + i * 4;
    }
    return total;
}

/// Runs of any mix, in one session and in two that share the pool; slots that are full start again with the session.
static void mixed(weft_program *p, struct slot_rig *alone, int steps, uint64_t seed) {
    struct slot_rig r[2] = {slot_begin(p, false), slot_begin(p, true)};
    for (int step = 0; step < steps; step++) {
        uint32_t counts[SLOTS], streams[SLOTS];
        struct slot_rig *mine = &r[step % 2];
        if (random_counts(&seed, mine, counts, streams)) {
            assert_true(slot_agrees(mine, alone, counts, streams));
        } else {
            rig_must(weft_session_reset(mine->s));
            memset(mine->slot, 0, sizeof mine->slot);
        }
    }
    for (int i = 0; i < 2; i++) weft_session_destroy(&r[i].s);
}

static void test_mixed(void **state) { (void)state, mixed(program, &twin, weft_test_long() ? 600 : 40, 3); }
static void test_mixed_with_rings(void **state) {
    (void)state, mixed(rings, &ring_twin, weft_test_long() ? 600 : 30, 4);
}

/// A token of the rig is its stream, at its position.
static void ids_of(const struct slot_past *past, int32_t *ids) {
    for (uint32_t i = 0; i < past->n; i++) ids[i] = past->stream[i];
}

static void publish(struct slot_rig *r, uint32_t slot) {
    int32_t ids[SLOT_ROWS];
    ids_of(&r->slot[slot], ids);
    rig_must(weft_session_publish_slot(r->s, slot, ids, r->slot[slot].n));
}

/// Gives a slot what is known of a sequence that goes like another's.
static uint32_t adopt(struct slot_rig *r, uint32_t slot, const struct slot_past *like) {
    int32_t ids[SLOT_ROWS];
    struct slot_past past = *like;
    size_t n;
    ids_of(like, ids);
    rig_must(weft_session_rewind_slot(r->s, slot, 0));
    rig_must(weft_session_adopt_slot(r->s, slot, ids, like->n, &n));
    past.n = (uint32_t)n;
    r->slot[slot] = past;
    return past.n;
}

/// Slots are rewound, forked to each other and between sessions, put back from the device and the host, reset, and take
/// the pages of equal beginnings; runs of any mix go on in between.
static void at_random(weft_program *p, struct slot_rig *alone, int steps, uint64_t seed) {
    struct slot_rig r[2] = {slot_begin(p, false), slot_begin(p, false)};
    weft_snapshot *x[2] = {NULL, NULL};
    struct slot_past kept[2];
    uint32_t adopted = 0;
    for (int step = 0; step < steps; step++) {
        uint32_t counts[SLOTS], streams[SLOTS], i = weft_test_random(&seed, SLOTS), k = weft_test_random(&seed, SLOTS);
        uint32_t n = weft_test_random(&seed, SLOT_ROWS), m = n % 2;
        struct slot_rig *a = &r[weft_test_random(&seed, 2)], *b = &r[weft_test_random(&seed, 2)];
        switch (weft_test_random(&seed, 12)) {
        case 0:
            if (n <= a->slot[i].n && weft_session_rewind_slot(a->s, i, n) == WEFT_OK) a->slot[i].n = n;
            break;
        case 1:
            rig_must(weft_session_fork_slot(a->s, i, b->s, k));
            b->slot[k] = a->slot[i];
            break;
        case 2:
            weft_snapshot_destroy(&x[m]);
            rig_must(weft_session_snapshot_slot(a->s, i, m ? WEFT_SNAPSHOT_DEVICE : WEFT_SNAPSHOT_HOST, &x[m]));
            kept[m] = a->slot[i];
            break;
        case 3:
            if (!x[m]) break;
            rig_must(weft_session_restore_slot(a->s, i, x[m]));
            a->slot[i] = kept[m];
            break;
        case 4:
            if (m) break;
            rig_must(weft_session_reset_slot(a->s, i));
            a->slot[i].n = 0;
            break;
        case 5:
            for (uint32_t slot = 0; slot < SLOTS; slot++) publish(a, slot);
            break;
        case 6:
            if (m) publish(b, k);
            adopted += adopt(a, i, &b->slot[k]);
            break;
        default:
            if (random_counts(&seed, a, counts, streams)) assert_true(slot_agrees(a, alone, counts, streams));
        }
    }
    assert_true(p == rings ? adopted == 0 : adopted > 20);
    for (int i = 0; i < 2; i++) weft_session_destroy(&r[i].s), weft_snapshot_destroy(&x[i]);
}

static void test_pasts(void **state) { (void)state, at_random(program, &twin, weft_test_long() ? 2000 : 120, 11); }
static void test_pasts_with_rings(void **state) {
    (void)state, at_random(rings, &ring_twin, weft_test_long() ? 2000 : 70, 12);
}

/// States that every position makes anew (beside rows, and counts that the device keeps) follow their slot.
static void test_states_by_slot(void **state) {
    (void)state;
    static const char *const text =
        "symbol T 1 8\nvar pos u32 [3] 0 100\nvar count u32 [3] 0 8\nvar other u32 [3] 5 100\nvar set u32 [3] 0 9\n"
        "state r dense f32 [3, 6] slots\nstate k ring f16 [3, 12, 2] slots\ninput x f32 [T, 2]\ninput d f32 [3, 6]\n"
        "%at %slot = place_tokens %pos %count {tokens=T}\n%n = cache_append %k %x %at %slot\n"
        "%a = add %r %d\n%w = assign %r %a\n%o = advance %other %count\n%p = advance %pos %count\n";
    weft_program *p = rig_program(weft_test_gpu(), text, NULL);
    weft_session *s = NULL, *t = NULL;
    weft_snapshot *x[2] = {NULL, NULL};
    float d[18], x0[16], r[18];
    uint32_t word;
    rig_must(weft_session_create(p, NULL, &s));
    rig_must(weft_session_create(p, NULL, &t));
    for (int i = 0; i < 18; i++) d[i] = (float)(1 + i);
    for (int i = 0; i < 16; i++) x0[i] = (float)(10 + i);
    rig_must(weft_session_set_sizes(s, &(struct weft_size){"T", 5}, 1));
    rig_must(weft_session_write(s, "d", 0, d, sizeof d));
    rig_must(weft_session_write(s, "x", 0, x0, 5 * 8));
    for (uint32_t i = 0; i < 3; i++) {
        rig_must(weft_session_set_var_at(s, "count", i, i == 1 ? 0 : 2 + i / 2));
        rig_must(weft_session_set_var_at(s, "set", i, 3 + i));
    }
    rig_must(weft_session_run(s, 2, NULL));
    for (int m = 0; m < 2; m++)
        rig_must(weft_session_snapshot_slot(s, 2, m ? WEFT_SNAPSHOT_HOST : WEFT_SNAPSHOT_DEVICE, &x[m]));
    rig_must(weft_session_fork_slot(s, 2, s, 0));
    rig_must(weft_session_restore_slot(t, 1, x[0]));
    rig_must(weft_session_restore_slot(t, 0, x[1]));
    rig_must(weft_session_read(s, "r", 0, r, sizeof r));
    for (int i = 0; i < 18; i++) assert_true(r[i] == 2 * d[i < 6 ? i + 12 : i]); // slot 1 keeps its own
    rig_must(weft_session_read(t, "r", 0, r, sizeof r));
    for (int i = 0; i < 18; i++) assert_true(r[i] == (i < 12 ? 2 * d[12 + i % 6] : 0));
    uint8_t bytes[3 * 48];
    rig_must(weft_session_read(s, "k", 0, bytes, sizeof bytes));
    assert_memory_equal(bytes, bytes + 96, 48);
    for (uint32_t i = 0; i < 3; i++) {
        static const uint32_t pos[] = {6, 0, 6}, other[] = {11, 5, 11}, set[] = {5, 4, 5};
        rig_must(weft_session_get_var_at(s, "pos", i, &word));
        assert_int_equal(word, pos[i]);
        rig_must(weft_session_get_var_at(s, "other", i, &word));
        assert_int_equal(word, other[i]);
        rig_must(weft_session_get_var_at(s, "set", i, &word));
        assert_int_equal(word, set[i]);
    }
    rig_must(weft_session_rewind_slot(s, 0, 0));
    rig_must(weft_session_read(s, "r", 0, r, sizeof r));
    for (int i = 0; i < 18; i++) assert_true(r[i] == (i < 6 ? 0 : 2 * d[i]));
    rig_must(weft_session_get_var_at(s, "other", 0, &word));
    assert_int_equal(word, 5);
    rig_must(weft_session_get_var_at(s, "set", 0, &word));
    assert_int_equal(word, 5); // the host's
    rig_must(weft_session_reset_slot(s, 0));
    rig_must(weft_session_get_var_at(s, "set", 0, &word));
    assert_int_equal(word, 0);
    rig_must(weft_session_get_var_at(s, "set", 1, &word));
    assert_int_equal(word, 4);
    for (int m = 0; m < 2; m++) weft_snapshot_destroy(&x[m]);
    weft_session_destroy(&s);
    weft_session_destroy(&t);
    weft_program_destroy(&p);
}

/// Where the device may have ended a run, a fork takes the host's bound over without waiting, and knows that it is one.
static void test_forks_of_bounds(void **state) {
    (void)state;
    weft_program *p =
        rig_program(weft_test_gpu(),
                    "symbol T 1 8\nvar pos u32 [2] 0 100\nvar count u32 [2] 0 8\nvar on u32 0 1 activity\n"
                    "state k paged f32 [2, 40, 4] slots\ninput x f32 [T, 4]\n"
                    "%at %slot = place_tokens %pos %count {tokens=T}\n%n = cache_append %k %x %at %slot\n"
                    "%p = advance %pos %count\n%o = advance %on {by=T-9}\n",
                    &(struct weft_compile_params){.page_rows = 4});
    weft_session *s = NULL, *t = NULL;
    uint64_t position;
    rig_must(weft_session_create(p, NULL, &s));
    rig_must(weft_session_create(p, NULL, &t));
    rig_must(weft_session_set_sizes(s, &(struct weft_size){"T", 3}, 1));
    rig_must(weft_session_set_var_at(s, "count", 0, 3));
    rig_must(weft_session_run(s, 5, NULL)); // the first one ends the session
    rig_must(weft_session_fork_slot(s, 0, t, 1));
    assert_int_equal(weft_positions_at(&t->positions, 1), 15);
    rig_must(weft_session_position_slot(t, 1, &position));
    assert_int_equal(position, 3);
    rig_fails(weft_session_rewind_slot(t, 1, 4), WEFT_ERR_INVALID, "the slot stands at position 3");
    rig_must(weft_session_rewind_slot(t, 1, 2));
    rig_must(weft_session_position_slot(s, 0, &position));
    assert_int_equal(position, 3);
    weft_session_destroy(&s);
    weft_session_destroy(&t);
    weft_program_destroy(&p);
}

/// Control: a slot that looks at another one's row is noticed.
static void test_comparison_notices(void **state) {
    (void)state;
    struct slot_rig r = slot_begin(program, false);
    const uint32_t counts[SLOTS] = {3, 9, 0, 2}, streams[SLOTS] = {1, 2, 3, 4};
    slot_feed(&r, counts, streams, NULL);
    r.slot[1].stream[4] = 1;
    assert_false(slot_agrees(&r, &twin, counts, streams));
    weft_session_destroy(&r.s);
}

static void set_word(weft_session *s, const char *name, uint32_t slot, uint32_t value) {
    uint64_t at;
    rig_must(weft_session_var_offset(s, name, &at));
    rig_must(weft_buf_write(weft_test_gpu(), weft_session_view(s).vars, at + slot * 4ull, &value, 4));
}

/// Positions and counts that the host does not know of lead to nobody's page: other slots, and other sessions, keep
/// their rows, and the slot itself those that it had.
static void test_stray_slots(void **state) {
    (void)state;
    static const uint32_t far[] = {12, 37, 48, 900, 0x7fffffffu, 0xffffffffu};
    struct slot_rig r = slot_begin(program, false), other = slot_begin(program, false);
    const uint32_t counts[SLOTS] = {5, 4, 1, 6}, streams[SLOTS] = {1, 2, 3, 4}, one[SLOTS] = {0, 1, 0, 0};
    slot_feed(&other, counts, streams, NULL);
    slot_feed(&r, counts, streams, NULL);
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        const struct slot_past kept = r.slot[1];
        set_word(r.s, "pos", 1, far[i]);
        slot_feed(&r, one, streams, NULL);
        set_word(r.s, "count", 1, far[i]);
        rig_must(weft_session_run(r.s, 1, NULL));
        r.slot[1] = kept;
        rig_must(weft_session_set_var_at(r.s, "pos", 1, kept.n));
        const uint32_t next[SLOTS] = {1, i == 5, 2, 0};
        assert_true(slot_agrees(&r, &twin, next, streams));
    }
    assert_true(slot_agrees(&other, &twin, counts, streams));
    weft_session_destroy(&r.s);
    weft_session_destroy(&other.s);
}

/// Several runs of one submit, beside each other what one run at a time gives: rows of all slots are compared whole.
static void test_runs_a_submit(void **state) {
    (void)state;
    struct slot_rig a = slot_begin(program, false), b = slot_begin(program, false);
    const uint32_t counts[SLOTS] = {1, 0, 3, 1}, streams[SLOTS] = {1, 2, 3, 4};
    float rows[2][SLOTS * SLOT_ROWS * RIG_HEAD];
    slot_prepare(&a, counts, streams);
    rig_must(weft_session_run(a.s, 7, NULL));
    for (int i = 0; i < 7; i++) {
        b.slot[0].n = b.slot[2].n = b.slot[3].n = 0; // the same inputs each time
        slot_feed(&b, counts, streams, NULL);
    }
    rig_must(weft_session_read(a.s, "kf", 0, rows[0], sizeof rows[0]));
    rig_must(weft_session_read(b.s, "kf", 0, rows[1], sizeof rows[1]));
    assert_memory_equal(rows[0], rows[1], sizeof rows[0]);
    for (uint32_t slot = 0; slot < SLOTS; slot++) // and no row more
        for (uint32_t i = counts[slot] * 7 * RIG_HEAD; i < SLOT_ROWS * RIG_HEAD; i++)
            assert_true(rows[0][slot * SLOT_ROWS * RIG_HEAD + i] == 0);
    uint32_t pos;
    rig_must(weft_session_get_var_at(a.s, "pos", 2, &pos));
    assert_int_equal(pos, 21);
    weft_session_destroy(&a.s);
    weft_session_destroy(&b.s);
}

/// Dense states by slot, and pages of it, say the same.
static void test_pages_equal_dense(void **state) {
    (void)state;
    weft_program *p = rig_program(weft_test_gpu(), SLOT_GRAPH("dense"),
                                  &(struct weft_compile_params){.checked = weft_test_checked()});
    struct slot_rig dense = slot_begin(p, false), paged = slot_begin(program, false);
    uint64_t seed = 9;
    for (int step = 0; step < 12; step++) {
        uint32_t counts[SLOTS], streams[SLOTS];
        float y[2][SLOT_MOST * 2 * RIG_HEAD];
        uint32_t n = random_counts(&seed, &paged, counts, streams);
        if (!n) continue;
        slot_feed(&paged, counts, streams, y[0]);
        slot_feed(&dense, counts, streams, y[1]);
        assert_memory_equal(y[0], y[1], n * 2 * RIG_HEAD * sizeof(float));
    }
    weft_session_destroy(&dense.s);
    weft_session_destroy(&paged.s);
    weft_program_destroy(&p);
}

static int setup(void **state) {
    (void)state;
    if (!weft_test_gpu()) return -1;
    const struct weft_compile_params params = {.page_rows = 4, .checked = weft_test_checked()};
    program = rig_program(weft_test_gpu(), SLOT_GRAPH("paged"), &params);
    rings = rig_program(weft_test_gpu(), SLOT_RINGS("paged"), &params);
    twin = slot_begin(program, false);
    ring_twin = slot_begin(rings, false);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weft_session_destroy(&twin.s);
    weft_session_destroy(&ring_twin.s);
    struct weft_gpu_counters c;
    weft_gpu_counters(weft_test_gpu(), &c);
    int left = c.bytes_for[WEFT_BUF_FOR_PAGES] || c.pages_used || c.bytes_for[WEFT_BUF_FOR_SNAPSHOTS];
    weft_program_destroy(&program);
    weft_program_destroy(&rings);
    return left;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixed),
        cmocka_unit_test(test_mixed_with_rings),
        cmocka_unit_test(test_pasts),
        cmocka_unit_test(test_pasts_with_rings),
        cmocka_unit_test(test_forks_of_bounds),
        cmocka_unit_test(test_states_by_slot),
        cmocka_unit_test(test_runs_a_submit),
        cmocka_unit_test(test_stray_slots),
        cmocka_unit_test(test_pages_equal_dense),
        cmocka_unit_test(test_comparison_notices),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
