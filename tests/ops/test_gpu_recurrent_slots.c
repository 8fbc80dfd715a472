/// Recurrent states of several sequences on the device: each slot's outputs and states, run after run, are bit for bit
/// those of its tokens alone, in a session of one sequence and in another slot of a session of several; who has no
/// tokens keeps every bit.
#include "core/alloc.h"
#include "ops/ops.h"
#include "support/graph_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        if ((call) != WEFT_OK) fail_msg("%s: %s", #call, weft_error_message());                                        \
    } while (0)

enum { SLOTS = 4, MOST = 90, STATE_S = 4 * 12 * 8, STATE_C = 3 * 12, COLUMNS_Y = 48, COLUMNS_Z = 12 };

static const struct leaf {
    const char *name;
    uint32_t columns;
    float least, most;
} leaves[] = {{"x", 12, -1, 1}, {"q", 16, -1, 1}, {"k", 16, -1, 1}, {"v", 48, -1, 1}, {"a", 4, -2, 1}, {"b", 4, -2, 2}};

#define HEAD                                                                                                           \
    "symbol T 0 90\ninput A_log f32 [4]\ninput dt f32 [4]\ninput w f32 [12, 4]\ninput x f32 [T, 12]\n"                 \
    "input q f32 [T, 16]\ninput k f32 [T, 16]\ninput v f32 [T, 48]\ninput a f32 [T, 4]\ninput b f32 [T, 4]\n"
#define NET(TAIL)                                                                                                      \
    "%m %z = causal_conv %c %x %w" TAIL " {layout=last, activation=silu}\n"                                            \
    "%n %y = gated_delta_net %s %q %k %v %a %b %A_log %dt" TAIL " {gate_activation=qwen, beta_activation=sigmoid, "    \
    "qk_l2_norm=1, q_heads=2, kv_heads=4, chunk=16}\noutput %y y\noutput %z z\n"
#define MANY(POLICY)                                                                                                   \
    HEAD "var count u32 [4] 0 90\nvar on u32 [4] 0 1\nstate s dense f32 [4, 4, 12, 8] slots" POLICY "\n"               \
         "state c dense f32 [4, 3, 12] slots" POLICY "\n" NET(" %count %on")
#define ONE HEAD "state s dense f32 [1, 4, 12, 8]\nstate c dense f32 [3, 12]\n" NET("")

/// Makes the program on first sight.
static weft_session *open_session(const char *text, weft_program **program) {
    struct weft_graph *g;
    weft_session *s;
    // As operators choose by a slot's tokens: those of one sequence choose by the schedule.
    struct weft_program_params params = {
        .compile = {.split_symbol = "T", .split_at = {8, 32}, .n_splits = 2, .checked = weft_test_checked()}};
    if (!*program) {
        OK(weft_graph_parse(weft_ops(), text, strlen(text), &g));
        OK(weft_program_create(weft_test_gpu(), g, &params, program));
    }
    OK(weft_session_create(*program, NULL, &s));
    float once[48];
    for (int i = 0; i < 48; i++) once[i] = sinf((float)(3 * i + 1));
    OK(weft_session_resize(s, (int64_t[]){MOST}));
    OK(weft_session_write(s, "A_log", 0, once, 16));
    OK(weft_session_write(s, "dt", 0, once + 4, 16));
    OK(weft_session_write(s, "w", 0, once, sizeof once));
    return s;
}

/// What sequence `id` has at position `at`, in column `c` of a leaf.
static float number(uint32_t id, uint32_t at, uint32_t leaf, uint32_t c) {
    uint64_t z = ((uint64_t)id << 40) + ((uint64_t)at << 20) + (leaf << 10) + c + 1;
    z = (z ^ z >> 29) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 32) * 0x94d049bb133111ebu;
    float u = (float)(z >> 40) * 0x1p-24f;
    return leaves[leaf].least + u * (leaves[leaf].most - leaves[leaf].least);
}

struct run {
    uint32_t count, id, at, first; ///< tokens of sequence `id` from position `at` on; where they stand in the run
};

/// Tokens of the runs one behind the other, then `spare` more of nobody.
static void write_tokens(weft_session *s, const struct run *runs, uint32_t n, uint32_t spare) {
    static float data[MOST * 48];
    int64_t tokens = spare;
    for (uint32_t i = 0; i < n; i++) tokens += runs[i].count;
    OK(weft_session_resize(s, &tokens));
    for (uint32_t leaf = 0; tokens && leaf < sizeof leaves / sizeof *leaves; leaf++) {
        uint32_t columns = leaves[leaf].columns, row = 0;
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t t = 0; t < runs[i].count; t++, row++)
                for (uint32_t c = 0; c < columns; c++)
                    data[row * columns + c] = number(runs[i].id, runs[i].at + t, leaf, c);
        for (; row < tokens; row++)
            for (uint32_t c = 0; c < columns; c++) data[row * columns + c] = NAN;
        OK(weft_session_write(s, leaves[leaf].name, 0, data, (uint64_t)tokens * columns * 4));
    }
}

static void set_counts(weft_session *s, const struct run *runs, const uint32_t *on) {
    for (uint32_t i = 0; i < SLOTS; i++) {
        OK(weft_session_set_var_at(s, "count", i, runs[i].count));
        OK(weft_session_set_var_at(s, "on", i, on ? on[i] : 1));
    }
}

struct bits {
    uint32_t y[MOST * COLUMNS_Y], z[MOST * COLUMNS_Z];
};

static void read_rows(weft_session *s, uint32_t first, uint32_t count, struct bits *out) {
    if (count == 0) return;
    OK(weft_session_read(s, "y", first * COLUMNS_Y * 4ull, out->y, count * COLUMNS_Y * 4ull));
    OK(weft_session_read(s, "z", first * COLUMNS_Z * 4ull, out->z, count * COLUMNS_Z * 4ull));
}

static bool rows_equal(const struct bits *a, const struct bits *b, uint32_t count) {
    return !memcmp(a->y, b->y, count * COLUMNS_Y * 4ull) && !memcmp(a->z, b->z, count * COLUMNS_Z * 4ull);
}

static void read_state(weft_session *s, uint32_t slot, uint32_t *out) {
    OK(weft_session_read(s, "s", slot * STATE_S * 4ull, out, STATE_S * 4ull));
    OK(weft_session_read(s, "c", slot * STATE_C * 4ull, out + STATE_S, STATE_C * 4ull));
}

static void clear_state(weft_session *s, uint32_t slot) {
    static const uint32_t zeros[STATE_S];
    OK(weft_session_write(s, "s", slot * STATE_S * 4ull, zeros, STATE_S * 4ull));
    OK(weft_session_write(s, "c", slot * STATE_C * 4ull, zeros, STATE_C * 4ull));
}

/// Tokens of each slot, run after run; the last slot never runs. -1: another sequence takes the slot first.
static const struct step {
    int8_t count[SLOTS - 1];
    uint8_t on[SLOTS - 1], spare;
} steps[] = {
    {{1, 5, 40}, {1, 1, 1}, 0}, {{1, 32, 1}, {1, 1, 1}, 0}, {{0, 33, 1}, {1, 1, 1}, 7},  {{1, 0, 2}, {1, 1, 1}, 1},
    {{30, 1, 1}, {1, 0, 1}, 0}, {{0, 0, 0}, {1, 1, 1}, 0},  {{0, 0, 0}, {1, 1, 1}, 3},   {{1, 3, -1}, {1, 1, 1}, 0},
    {{0, 2, 8}, {0, 1, 1}, 0},  {{3, 1, 35}, {0, 1, 0}, 0}, {{50, 40, 0}, {1, 1, 1}, 0}, {{1, 1, 1}, {1, 1, 1}, 0},
};

struct rig {
    weft_program *many, *one;
    weft_session *all, *moved, *alone[SLOTS - 1]; ///< one sequence after the other in another slot; one each
    struct run at[SLOTS];
    uint32_t moved_state[SLOTS - 1][STATE_S + STATE_C], bad;
};

/// The slot's tokens alone: in a session of one sequence, and in the next slot of one of several.
static void run_alone(struct rig *r, uint32_t slot, const struct run *run, struct bits *one, struct bits *moved) {
    struct run other[SLOTS] = {{0}};
    uint32_t to = (slot + 1) % SLOTS, *kept = r->moved_state[slot];
    write_tokens(r->alone[slot], run, 1, 0);
    OK(weft_session_run(r->alone[slot], 1, NULL));
    read_rows(r->alone[slot], 0, run->count, one);
    other[to] = *run;
    OK(weft_session_write(r->moved, "s", to * STATE_S * 4ull, kept, STATE_S * 4ull));
    OK(weft_session_write(r->moved, "c", to * STATE_C * 4ull, kept + STATE_S, STATE_C * 4ull));
    write_tokens(r->moved, other, SLOTS, 0);
    set_counts(r->moved, other, NULL);
    OK(weft_session_run(r->moved, 1, NULL));
    read_rows(r->moved, 0, run->count, moved);
    read_state(r->moved, to, kept);
}

static void check_slot(struct rig *r, uint32_t step, uint32_t slot, bool runs, const uint32_t *before) {
    static struct bits got, one, moved, zero;
    uint32_t after[STATE_S + STATE_C], alone[STATE_S + STATE_C];
    const struct run *run = &r->at[slot];
    read_rows(r->all, run->first, run->count, &got);
    read_state(r->all, slot, after);
    if (!runs || run->count == 0) {
        if (memcmp(before, after, sizeof after)) r->bad++, printf("step %u: idle slot %u changed\n", step, slot);
        if (!rows_equal(&got, &zero, run->count)) r->bad++, printf("step %u: idle slot %u has outputs\n", step, slot);
        return;
    }
    run_alone(r, slot, run, &one, &moved);
    if (!rows_equal(&got, &one, run->count)) r->bad++, printf("step %u, slot %u: not as one sequence\n", step, slot);
    if (!rows_equal(&got, &moved, run->count)) r->bad++, printf("step %u, slot %u: not as alone\n", step, slot);
    read_state(r->alone[slot], 0, alone);
    if (memcmp(after, alone, sizeof after)) r->bad++, printf("step %u, slot %u: state of one differs\n", step, slot);
    if (memcmp(after, r->moved_state[slot], sizeof after))
        r->bad++, printf("step %u, slot %u: state of alone differs\n", step, slot);
}

static void run_step(struct rig *r, uint32_t step) {
    static uint32_t before[SLOTS][STATE_S + STATE_C];
    static struct bits got, zero;
    uint32_t on[SLOTS] = {0}, tokens = 0;
    on[SLOTS - 1] = 1;
    for (uint32_t i = 0; i < SLOTS; i++) {
        int count = i < SLOTS - 1 ? steps[step].count[i] : 0;
        if (i < SLOTS - 1) on[i] = steps[step].on[i];
        if (count < 0) {
            r->at[i] = (struct run){.id = 10 * step + i};
            clear_state(r->all, i);
            clear_state(r->alone[i], 0);
            memset(r->moved_state[i], 0, sizeof r->moved_state[i]);
            count = 1;
        }
        r->at[i].count = (uint32_t)count;
        r->at[i].first = tokens;
        tokens += r->at[i].count;
        read_state(r->all, i, before[i]);
    }
    write_tokens(r->all, r->at, SLOTS, steps[step].spare);
    set_counts(r->all, r->at, on);
    OK(weft_session_run(r->all, 1, NULL));
    for (uint32_t i = 0; i < SLOTS; i++) check_slot(r, step, i, on[i], before[i]);
    read_rows(r->all, tokens, steps[step].spare, &got);
    if (!rows_equal(&got, &zero, steps[step].spare)) r->bad++, printf("step %u: nobody has outputs\n", step);
    for (uint32_t i = 0; i < SLOTS; i++)
        if (on[i]) r->at[i].at += r->at[i].count;
    if (weft_test_checked()) r->bad += (uint32_t)weft_test_fault(r->all, "slots");
}

/// Bits that arithmetic would not keep: a signalling NaN's, a subnormal number, minus zero.
static void mark_idle(weft_session *s) {
    uint32_t odd[STATE_S];
    static const uint32_t bits[] = {0x7f812345u, 1, 0x80000000u, 0xffc00001u, 0x00400000u};
    for (uint32_t i = 0; i < STATE_S; i++) odd[i] = bits[i % 5];
    OK(weft_session_write(s, "s", (SLOTS - 1) * STATE_S * 4ull, odd, sizeof odd));
    OK(weft_session_write(s, "c", (SLOTS - 1) * STATE_C * 4ull, odd, STATE_C * 4ull));
}

static void go(const char *many, bool odd) {
    struct rig r = {0};
    r.all = open_session(many, &r.many);
    r.moved = open_session(many, &r.many);
    for (int i = 0; i < SLOTS - 1; i++) r.alone[i] = open_session(ONE, &r.one);
    for (uint32_t i = 0; i < SLOTS; i++) r.at[i].id = i;
    if (odd) mark_idle(r.all);
    for (uint32_t step = 0; step < sizeof steps / sizeof *steps; step++) run_step(&r, step);
    uint32_t now[STATE_S + STATE_C], then[STATE_S + STATE_C];
    weft_snapshot *kept;
    OK(weft_session_snapshot(r.all, true, &kept)); // states of all slots go with snapshots
    read_state(r.all, 0, then);
    OK(weft_session_run(r.all, 1, NULL));
    read_state(r.all, 0, now);
    assert_memory_not_equal(now, then, sizeof now); // negative control: the runs do something
    OK(weft_session_restore(r.all, kept));
    read_state(r.all, 0, now);
    assert_memory_equal(now, then, sizeof now);
    weft_snapshot_destroy(&kept);
    for (int i = 0; i < SLOTS - 1; i++) weft_session_destroy(&r.alone[i]);
    weft_session_destroy(&r.moved);
    weft_session_destroy(&r.all);
    weft_program_destroy(&r.many);
    weft_program_destroy(&r.one);
    assert_int_equal(r.bad, 0);
}

static void slots_run_as_alone(void **state) {
    (void)state;
    go(MANY(""), true);
}

static void slots_in_two_buffers_run_as_alone(void **state) {
    (void)state;
    if (!weft_test_thin()) go(MANY(" ping_pong"), false);
}

int main(void) {
    if (!weft_test_gpu()) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(slots_run_as_alone),
                                       cmocka_unit_test(slots_in_two_buffers_run_as_alone)};
    cmocka_set_test_filter(getenv("WEFT_TEST_CASE"));
    return cmocka_run_group_tests_name("recurrent states by slot", tests, NULL, NULL);
}
