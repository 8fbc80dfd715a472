/// Pages on the null device where something ends: sessions at random, whose references must add up, running out of
/// memory at every single allocation and device call, and losing the device at every call.
#include "bank_graph.h"
#include "core/alloc.h"
#include "gpu/gpu_test.h"
#include "page_rig.h"
#include "support/lm_program.h"

#include <stdio.h>

enum { MOST = 8, STEPS = 1500 };

/// Each state has the banks that its pages take, of just their size, and no others.
static void check_buffers(const struct weft_pool *pool, uint32_t group) {
    const struct weft_plan_pages *g = &pool->plan->page_groups[group];
    for (uint32_t i = 0; i < pool->plan->n_states; i++) {
        const struct weft_plan_state *s = &pool->plan->states[i];
        uint64_t left = pool->groups[group].total;
        if (s->kind != WEFT_STATE_PAGED || s->pages != group) continue;
        for (uint32_t b = 0; b < pool->n_banks; b++) {
            uint64_t here = left < g->bank_pages ? left : g->bank_pages;
            assert_int_equal(weft_buf_size(gpu, pool->bufs[i * pool->n_banks + b]),
                             (here * s->page_bytes + 15) / 16 * 16);
            left -= here;
        }
        assert_int_equal(left, 0);
    }
}

/// Every page stands in as many tables as it is counted for, and those that stand in none are free.
static void check_references(weft_session *const *s) {
    const struct weft_pool *pool = program->pool;
    uint32_t refs = 0;
    uint64_t used = 0;
    for (uint32_t g = 0; g < pool->plan->n_page_groups; g++) {
        const struct weft_pool_group *group = &pool->groups[g];
        uint32_t counted = 0;
        for (uint32_t i = 1; i < group->total; i++) {
            counted += group->refs[i] > 0;
            if (g == 0) refs += group->refs[i];
        }
        used += group->total ? (counted + 1) * pool->plan->page_groups[g].page_bytes : 0;
        assert_int_equal(group->n_free, group->total ? group->total - 1 - counted : 0);
        check_buffers(pool, g);
    }
    assert_int_equal(memory().pages_used, used);
    uint64_t rows = 0; // pages of sessions alone are at least what their positions take
    for (int i = 0; i < MOST; i++)
        if (s[i]) rows += (position(s[i]) + PAGE - 1) / PAGE;
    assert_true(refs >= rows);
}

static void test_at_random(void **state) {
    (void)state;
    weft_session *s[MOST] = {NULL};
    weft_snapshot *x[2] = {NULL};
    uint64_t seed = 7, before = memory().total - memory().readback;
    for (int step = 0; step < STEPS; step++) {
        uint32_t i = weft_test_random(&seed, MOST), k = weft_test_random(&seed, MOST), n = weft_test_random(&seed, 49);
        uint32_t flags = 1 + weft_test_random(&seed, 2);
        weft_status status = WEFT_OK;
        switch (weft_test_random(&seed, s[i] ? 10 : 1)) {
        case 0:
            if (s[i]) weft_session_destroy(&s[i]);
            else s[i] = session();
            break;
        case 1:
            if (s[k]) break;
            status = n % 2 ? weft_session_fork(s[i], &s[k]) : weft_session_fork_at(s[i], n, &s[k]);
            break;
        case 2: status = weft_session_rewind(s[i], n); break;
        case 3: status = weft_session_reserve(s[i], n); break;
        case 4: status = weft_session_checkpoint(s[i]); break;
        case 5:
            weft_snapshot_destroy(&x[n % 2]);
            rig_must(weft_session_snapshot(s[i], flags, &x[n % 2]));
            break;
        case 6: status = x[n % 2] ? weft_session_restore(s[i], x[n % 2]) : WEFT_OK; break;
        default: status = feed(s[i], n % 12); break;
        }
        if (status == WEFT_ERR_UNSUPPORTED && program->plan->n_positions > 1) status = weft_session_rewind(s[i], 0);
        if (status != WEFT_OK && status != WEFT_ERR_LIMIT && status != WEFT_ERR_INVALID) rig_must(status);
        check_references(s);
    }
    for (int i = 0; i < MOST; i++) weft_session_destroy(&s[i]);
    for (int i = 0; i < 2; i++) weft_snapshot_destroy(&x[i]);
    assert_int_equal(memory().total - memory().readback, before);
}

// ---- no memory -----------------------------------------------------------------------------------------------------

/// A small scenario in which everything that pages have happens.
static weft_status scenario(weft_session **s, weft_snapshot **x) {
    WEFT_TRY(weft_session_create(program, NULL, &s[0]));
    WEFT_TRY(feed(s[0], 21)); // the pool grows
    WEFT_TRY(weft_session_fork(s[0], &s[1]));
    WEFT_TRY(feed(s[1], 2)); // a copy on write
    WEFT_TRY(weft_session_snapshot(s[1], WEFT_SNAPSHOT_DEVICE, &x[0]));
    WEFT_TRY(weft_session_snapshot(s[1], WEFT_SNAPSHOT_HOST, &x[1]));
    WEFT_TRY(weft_session_checkpoint(s[1]));
    WEFT_TRY(feed(s[1], 9));
    WEFT_TRY(weft_session_rewind(s[1], program->plan->n_positions > 1 ? 0 : 23));
    WEFT_TRY(weft_session_restore(s[0], x[1]));
    WEFT_TRY(weft_session_restore(s[1], x[0]));
    return weft_session_reserve(s[0], 40);
}

static void test_no_memory(void **state) {
    (void)state;
    struct weft_device_memory before = memory();
    int64_t live = weft_alloc_stats().live;
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
        for (int i = 0; i < 2; i++) weft_session_destroy(&s[i]);
        for (int i = 0; i < 2; i++) weft_snapshot_destroy(&x[i]);
        struct weft_device_memory after = memory();
        assert_int_equal(after.total - after.readback, before.total - before.readback);
        if (over) break;
    }
    assert_true(refused > 50);
    assert_true(weft_alloc_stats().live - live < 16); // tables of the device may have grown
}

/// The same where a device call runs out of memory instead: buffers of the banks that a pool grows by, bind groups.
static void test_no_device_memory(void **state) {
    (void)state;
    struct weft_device_memory before = memory();
    static const uint32_t sites[] = {WEFT_GPU_AT_BUFFER, WEFT_GPU_AT_GROUP, WEFT_GPU_AT_SUBMIT, WEFT_GPU_AT_WRITE};
    for (int k = 0; k < 4; k++) {
        for (uint64_t n = 1;; n++) {
            weft_session *s[MOST] = {NULL};
            weft_snapshot *x[2] = {NULL};
            weft_gpu_inject(gpu, WEFT_GPU_NO_MEMORY, sites[k], n);
            weft_status status = scenario(s, x);
            bool over = weft_gpu_injected(gpu) < n;
            weft_gpu_inject(gpu, WEFT_GPU_NO_MEMORY, sites[k], 0);
            if (status != WEFT_OK) rig_fails(status, WEFT_ERR_NOMEM, "");
            if (over) rig_must(status);
            if (!x[0] && !x[1]) check_references(s);
            weft_status next = s[0] ? feed(s[0], 4) : WEFT_OK;
            if (next != WEFT_OK) { // a restore failed midway
                rig_must(weft_session_reset(s[0]));
                rig_must(feed(s[0], 24));
            }
            for (int i = 0; i < 2; i++) weft_session_destroy(&s[i]);
            for (int i = 0; i < 2; i++) weft_snapshot_destroy(&x[i]);
            struct weft_device_memory after = memory();
            assert_int_equal(after.total - after.readback, before.total - before.readback);
            if (over) break;
        }
    }
}

/// The device is lost at every call in turn: pools are empty then, sessions go on from nothing.
static void test_loss(void **state) {
    (void)state;
    struct weft_device_memory before = memory();
    for (uint64_t n = 1;; n++) {
        weft_session *s[MOST] = {NULL};
        weft_snapshot *x[2] = {NULL};
        weft_gpu_inject(gpu, WEFT_GPU_LOSS, WEFT_GPU_AT_ANY, n);
        weft_status status = scenario(s, x);
        bool over = weft_gpu_injected(gpu) < n;
        weft_gpu_inject(gpu, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_ANY, 0);
        if (over) rig_must(status);
        else rig_must(weft_device_recover(gpu, NULL));
        for (int i = 0; i < 2; i++) {
            weft_snapshot_destroy(&x[i]);
            if (!s[i]) continue;
            if (weft_session_reset(s[i]) != WEFT_OK) fail_msg("call %d: %s", (int)n, weft_error_message());
            rig_must(feed(s[i], i ? 40 : 13)); // in more than one bank
        }
        check_references(s);
        for (int i = 0; i < 2; i++) weft_session_destroy(&s[i]);
        struct weft_device_memory after = memory();
        assert_int_equal(after.total - after.readback, before.total - before.readback);
        if (over) break;
    }
}

/// Runs a test with a program whose pools have several banks, each group other ones; up to two banks and three.
static void in_banks(void (*test)(void **), int least) {
    weft_gpu *wide = gpu;
    weft_program *one = program;
    for (int min = 0; min < 4 - least; min++) {
        gpu = NULL;
        rig_must(weft_gpu_open(
            &(struct weft_gpu_params){.implementation = "null", .limits_min = min, .max_binding = BANK_LIMIT}, &gpu));
        program = rig_program(gpu, BANK_GRAPH("paged"), &(struct weft_compile_params){.page_rows = PAGE});
        assert_int_equal(weft_program_plan(program)->page_groups[0].n_banks, min ? 2 : 3);
        test(NULL);
        weft_program_destroy(&program);
        weft_gpu_close(&gpu);
    }
    gpu = wide;
    program = one;
}

static void test_banks_at_random(void **state) { (void)state, in_banks(test_at_random, 2); }
static void test_banks_without_memory(void **state) { (void)state, in_banks(test_no_memory, 3); }
static void test_banks_after_loss(void **state) { (void)state, in_banks(test_loss, 3); }
static void test_banks_without_device_memory(void **state) { (void)state, in_banks(test_no_device_memory, 3); }

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_random),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_no_device_memory),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_banks_after_loss),
        cmocka_unit_test(test_banks_at_random),
        cmocka_unit_test(test_banks_without_memory),
        cmocka_unit_test(test_banks_without_device_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
