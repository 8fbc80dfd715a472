/// Faults at every place in turn, on the null device: the device is lost at the n-th call made to it, its memory runs
/// out there, the host's memory runs out at the n-th allocation. Whatever comes, each call ends with a status that says
/// so, nothing leaks, others on the device go on, and a lost device comes back with everything on it.
#include "fault_rig.h"

#include "core/alloc.h"
#include "core/error.h"
#include "gpu/gpu.h"
#include "gpu/gpu_test.h"
#include "support/tiny_gemma3.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { Y = FAULT_T * FAULT_WIDTH };

static weft_device *device;
static struct fault_weights weights;

// ---- a life --------------------------------------------------------------------------------------------------------

/// Everything that a user makes; what is NULL was not made, or failed.
struct life {
    weft_graph *graph;
    weft_program *program, *sharer;
    weft_session *s, *fork;
    weft_snapshot *host, *there;
};

static void end(struct life *l) {
    weft_snapshot_destroy(&l->host);
    weft_snapshot_destroy(&l->there);
    weft_session_destroy(&l->fork);
    weft_session_destroy(&l->s);
    weft_program_destroy(&l->sharer);
    weft_program_destroy(&l->program);
    weft_graph_free(&l->graph);
}

static weft_status make(struct life *l) {
    static const char text[] = FAULT_GRAPH("y");
    struct weft_program_compile_params params = {.weight = fault_weight, .weight_user = &weights, .weights_stay = true};
    WEFT_TRY(weft_graph_parse_text(text, strlen(text), &l->graph));
    WEFT_TRY(weft_program_compile(device, &l->graph, &params, &l->program));
    WEFT_TRY(fault_compile(device, text, NULL, false, l->program, &l->sharer));
    return weft_session_create(l->sharer, NULL, &l->s);
}

static weft_status read_later(weft_session *s) {
    float y[Y];
    weft_pending pending;
    WEFT_TRY(weft_session_read_async(s, "y", 0, sizeof y, &pending));
    return weft_session_read_finish(s, &pending, y, sizeof y);
}

static weft_status use(struct life *l) {
    float y[Y];
    uint64_t fence, position;
    uint32_t pos;
    size_t length;
    WEFT_TRY(fault_feed(l->s, "y", 1, y));
    WEFT_TRY(weft_session_run(l->s, 3, &fence));
    WEFT_TRY(weft_session_wait(l->s, fence, -1));
    WEFT_TRY(read_later(l->s));
    WEFT_TRY(weft_session_get_var(l->s, "pos", &pos));
    WEFT_TRY(weft_session_snapshot(l->s, WEFT_SNAPSHOT_HOST, &l->host));
    WEFT_TRY(weft_session_snapshot(l->s, WEFT_SNAPSHOT_DEVICE, &l->there));
    WEFT_TRY(weft_session_checkpoint(l->s));
    WEFT_TRY(fault_feed(l->s, "y", 2, y));
    WEFT_TRY(weft_session_position(l->s, &position));
    WEFT_TRY(weft_session_rewind(l->s, 8));
    WEFT_TRY(weft_session_fork(l->s, &l->fork));
    WEFT_TRY(fault_feed(l->fork, "y", 3, y));
    WEFT_TRY(weft_session_restore(l->s, l->there));
    WEFT_TRY(weft_session_restore(l->s, l->host));
    WEFT_TRY(weft_session_rewind(l->s, 0));
    WEFT_TRY(weft_session_reset(l->s));
    return weft_program_print(l->program, true, NULL, 0, &length);
}

/// A whole life up to the first failure; what was made is left for a look at it.
static weft_status live(struct life *l) {
    memset(l, 0, sizeof *l);
    WEFT_TRY(make(l));
    return use(l);
}

// ---- what must hold behind a fault ---------------------------------------------------------------------------------

struct bystander {
    weft_program *program;
    weft_session *s;
    weft_snapshot *snapshot;
    uint64_t fed;
};

struct books {
    int64_t blocks;
    uint64_t bytes, buffers, groups;
};

/// What is alive on the host and on the device. The ring of readbacks grows to what was read at once and stays so.
static struct books count(void) {
    struct weft_device_counters c;
    fault_must(weft_gpu_poll(device, NULL)); // what waits for work in flight goes now
    fault_must(weft_device_counters(device, &c));
    return (struct books){weft_alloc_stats().live, c.bytes_live, c.buffers_live, c.groups_live};
}

static void balanced(const struct books *a, uint64_t n) {
    struct books b = count();
    if (memcmp(a, &b, sizeof b) != 0)
        fail_msg("fault %llu: %lld blocks, %llu bytes, %llu buffers, %llu groups were alive before and %lld, %llu, "
                 "%llu, %llu are now",
                 (unsigned long long)n, (long long)a->blocks, (unsigned long long)a->bytes,
                 (unsigned long long)a->buffers, (unsigned long long)a->groups, (long long)b.blocks,
                 (unsigned long long)b.bytes, (unsigned long long)b.buffers, (unsigned long long)b.groups);
}

static void goes_on(struct bystander *b) {
    uint64_t position;
    if (b->fed >= 16) { // it shall need no more pages
        fault_must(weft_session_reset(b->s));
        b->fed = 0;
    }
    fault_must(fault_feed(b->s, "other", (int)b->fed, NULL));
    b->fed += FAULT_T;
    fault_must(weft_session_position(b->s, &position));
    assert_int_equal(position, b->fed);
}

static void failed_as(weft_status got, weft_status expected, uint64_t n) {
    if (got != expected || !*weft_error_message())
        fail_msg("fault %llu: %s with '%s', expected %s", (unsigned long long)n, weft_status_name(got),
                 weft_error_message(), weft_status_name(expected));
}

static struct bystander bystander;

static int open_world(void **state) {
    (void)state;
    struct weft_device_params params = {.implementation = "null"};
    fault_must(weft_device_open(&params, &device));
    fault_must(fault_compile(device, FAULT_GRAPH("other"), &weights, true, NULL, &bystander.program));
    fault_must(weft_session_create(bystander.program, NULL, &bystander.s));
    bystander.fed = 0;
    goes_on(&bystander);
    fault_must(weft_session_snapshot(bystander.s, WEFT_SNAPSHOT_HOST, &bystander.snapshot));
    struct life l; // tables grow to what a life needs, and stay
    fault_must(live(&l));
    end(&l);
    return 0;
}

static int close_world(void **state) {
    (void)state;
    weft_snapshot_destroy(&bystander.snapshot);
    weft_session_destroy(&bystander.s);
    weft_program_destroy(&bystander.program);
    weft_device_close(&device);
    return 0;
}

// ---- memory --------------------------------------------------------------------------------------------------------

/// The device's memory runs out at its n-th call, for every n of a life.
static void test_device_memory(void **state) {
    (void)state;
    const struct books before = count();
    uint64_t n = 0, failures = 0;
    for (bool hit = true; hit;) {
        struct life l;
        weft_gpu_inject(device, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_ANY, ++n);
        weft_status status = live(&l);
        hit = weft_gpu_injected(device) >= n;
        weft_gpu_inject(device, WEFT_GPU_NO_MEMORY, 0, 0);
        if (status != WEFT_OK) failed_as(status, WEFT_ERR_NOMEM, n);
        failures += status != WEFT_OK;
        end(&l);
        goes_on(&bystander);
        balanced(&before, n);
    }
    print_message("%llu places where the device's memory ran out\n", (unsigned long long)failures);
    assert_true(failures >= 50);
}

/// The plan as text: what got over a lack of memory must not have become another program.
static char *plan_text(const struct life *l) {
    size_t length = 0;
    fault_must(weft_program_print(l->sharer, false, NULL, 0, &length));
    char *text = malloc(length + 1);
    assert_non_null(text);
    fault_must(weft_program_print(l->sharer, false, text, length + 1, NULL));
    return text;
}

/// The host's memory runs out at the n-th allocation, once or from then on, for every n of a life.
static void host_memory(int sticky) {
    struct life whole;
    fault_must(live(&whole));
    char *plan = plan_text(&whole);
    end(&whole);
    const struct books before = count();
    uint64_t n = 0, failures = 0, calls;
    for (bool hit = true; hit;) {
        struct life l;
        calls = weft_alloc_stats().calls;
        weft_alloc_fail_at(++n, sticky);
        weft_status status = live(&l);
        weft_alloc_fail_at(0, 0);
        hit = weft_alloc_stats().calls - calls >= n;
        // One failure may be got over: a cache that has no room is a cache that forgets.
        if (status != WEFT_OK) failed_as(status, WEFT_ERR_NOMEM, n);
        else if (sticky) assert_false(hit);
        if (status == WEFT_OK) {
            char *text = plan_text(&l);
            assert_string_equal(text, plan);
            free(text);
        }
        failures += status != WEFT_OK;
        end(&l);
        goes_on(&bystander);
        balanced(&before, n);
    }
    print_message("%llu allocations, %llu of which fail a call\n", (unsigned long long)n - 1,
                  (unsigned long long)failures);
    assert_true(failures >= 200);
    free(plan);
}

static void test_host_memory(void **state) {
    (void)state;
    host_memory(0);
}

static void test_host_memory_for_good(void **state) {
    (void)state;
    host_memory(1);
}

// ---- loss ----------------------------------------------------------------------------------------------------------

/// After recovery: whatever stood before stands again, and what the loss left half made can go.
static void recovered(struct life *l, uint64_t n) {
    struct weft_recovery r;
    uint64_t position;
    weft_status status = weft_device_recover(device, &r);
    if (status != WEFT_OK) fail_msg("loss at %llu: %s", (unsigned long long)n, weft_error_message());
    assert_int_equal(r.programs, 1 + (l->program != NULL) + (l->sharer != NULL));
    assert_int_equal(r.sessions, 1 + (l->s != NULL) + (l->fork != NULL));
    assert_int_equal(r.sessions, r.restored + r.gone);
    fault_must(weft_session_position(bystander.s, &position));
    assert_int_equal(position, FAULT_T); // where its snapshot was taken
    bystander.fed = FAULT_T;
    goes_on(&bystander);
    if (!l->s) return;
    fault_must(weft_session_reset(l->s));
    weft_session_destroy(&l->fork);
    weft_snapshot_destroy(&l->host);
    weft_snapshot_destroy(&l->there);
    fault_must(use(l));
}

/// A call that fails because of a loss says LOST; or STALE, if it is of a session that a loss cut off midway.
static void lost_as(weft_status status, uint64_t n) {
    if (status != WEFT_ERR_STALE) failed_as(status, WEFT_ERR_LOST, n);
}

static void loss_at_every_call(enum weft_gpu_fault fault) {
    const int64_t blocks = weft_alloc_stats().live;
    uint64_t n = 0, losses = 0;
    for (bool hit = true; hit;) {
        struct life l;
        weft_gpu_inject(device, fault, WEFT_GPU_AT_ANY, ++n);
        weft_status status = live(&l);
        hit = weft_gpu_injected(device) >= n;
        weft_gpu_inject(device, fault, 0, 0);
        if (status != WEFT_OK) lost_as(status, n);
        losses += hit;
        if (hit) {
            assert_int_equal(weft_gpu_poll(device, NULL), WEFT_ERR_LOST);
            recovered(&l, n);
        }
        end(&l);
        struct weft_device_counters c;
        fault_must(weft_device_counters(device, &c));
        // Tables keep their room, so only blocks of lives could pile up.
        if (n > 8 && weft_alloc_stats().live > blocks + 16)
            fail_msg("loss at %llu: %lld blocks more than before", (unsigned long long)n,
                     (long long)(weft_alloc_stats().live - blocks));
    }
    print_message("lost at %llu calls\n", (unsigned long long)losses);
    assert_true(losses >= 50);
}

static void test_loss_before_each_call(void **state) {
    (void)state;
    loss_at_every_call(WEFT_GPU_LOSS);
}

static void test_loss_in_each_call(void **state) {
    (void)state;
    loss_at_every_call(WEFT_GPU_LOSS_IN);
}

/// What else may go wrong while a device is recovered: it is lost again, or memory runs out. Recovering again helps.
static weft_status recover_with(weft_status expected, uint64_t n, bool *hit) {
    struct weft_recovery r;
    weft_gpu_lose(device);
    weft_status status = weft_device_recover(device, &r);
    *hit = weft_gpu_injected(device) >= n && n;
    weft_gpu_inject(device, WEFT_GPU_LOSS, 0, 0);
    weft_alloc_fail_at(0, 0);
    if (status != WEFT_OK) {
        failed_as(status, expected, n);
        assert_true(r.programs_failed + r.sessions_failed > 0 || r.programs + r.sessions == 0);
        if (expected == WEFT_ERR_NOMEM && r.programs + r.programs_failed) { // the device is there
            weft_session *lost = bystander.s;
            weft_status run = fault_feed(lost, "other", 1, NULL);
            assert_true(r.sessions_failed ? run == WEFT_ERR_LOST : run == WEFT_OK);
        }
    }
    fault_must(weft_device_recover(device, &r));
    assert_int_equal(r.programs_failed + r.sessions_failed, 0);
    bystander.fed = FAULT_T;
    goes_on(&bystander);
    return status;
}

static void test_faults_in_recovery(void **state) {
    (void)state;
    uint64_t n, failures = 0;
    bool hit = true;
    fault_must(weft_session_restore(bystander.s, bystander.snapshot));
    for (n = 1; hit; n++) {
        weft_gpu_inject(device, WEFT_GPU_LOSS, WEFT_GPU_AT_ANY, n);
        failures += recover_with(WEFT_ERR_LOST, n, &hit) != WEFT_OK;
    }
    assert_true(failures >= 10);
    for (hit = true, n = 1, failures = 0; hit; n++) {
        weft_gpu_inject(device, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_ANY, n);
        failures += recover_with(WEFT_ERR_NOMEM, n, &hit) != WEFT_OK;
    }
    assert_true(failures >= 10);
    failures = 0;
    for (n = 1; n < 200; n++) {
        weft_alloc_fail_at(n, 0);
        failures += recover_with(WEFT_ERR_NOMEM, n, &hit) != WEFT_OK;
    }
    assert_true(failures >= 10);
}

struct told {
    int calls;
    weft_status status;
};

static void tell(void *user, uint64_t fence, weft_status status) {
    struct told *t = user;
    (void)fence;
    t->calls++;
    t->status = status;
}

/// A run that was under way when the device was lost: its fence and its callback say LOST, also after recovery.
static void test_run_under_way(void **state) {
    (void)state;
    uint64_t done, cut, fresh;
    struct told before = {0}, after = {0};
    fault_must(weft_session_run(bystander.s, 1, &done));
    fault_must(weft_session_wait(bystander.s, done, -1));
    assert_true(weft_gpu_stall(device, true)); // nothing finishes any more
    fault_must(weft_session_run(bystander.s, 1, &cut));
    fault_must(weft_session_on_done(bystander.s, done, tell, &before));
    fault_must(weft_session_on_done(bystander.s, cut, tell, &after));
    weft_gpu_lose(device);
    fault_must(weft_device_recover(device, NULL));
    fault_must(weft_session_wait(bystander.s, done, -1));
    fault_is(weft_session_wait(bystander.s, cut, -1), WEFT_ERR_LOST, "was not finished when the device was lost");
    fault_must(weft_device_poll(device));
    assert_int_equal(before.calls + after.calls, 2);
    assert_int_equal(before.status, WEFT_OK);
    assert_int_equal(after.status, WEFT_ERR_LOST);
    fault_must(weft_session_run(bystander.s, 1, &fresh));
    assert_true(fresh > cut);
    fault_must(weft_session_wait(bystander.s, fresh, -1));
}

/// A device that was given up because it hung is recovered like one that was lost.
static void test_hung_device(void **state) {
    (void)state;
    weft_device *hung, *world = device;
    weft_program *p;
    weft_session *s;
    struct weft_device_params params = {.implementation = "null", .timeout_seconds = 0.02};
    fault_must(weft_device_open(&params, &hung));
    fault_must(fault_compile(hung, FAULT_GRAPH("y"), &weights, true, NULL, &p));
    fault_must(weft_session_create(p, NULL, &s));
    assert_true(weft_gpu_stall(hung, true));
    assert_int_equal(weft_session_run_blocking(s, 1), WEFT_ERR_TIMEOUT);
    assert_int_equal(weft_session_run(s, 1, NULL), WEFT_ERR_LOST);
    fault_must(weft_device_recover(hung, NULL));
    fault_must(weft_session_reset(s));
    fault_must(weft_session_run_blocking(s, 1));
    weft_session_destroy(&s);
    weft_program_destroy(&p);
    weft_device_close(&hung);
    assert_ptr_equal(device, world);
}

/// A checked session's run is many submits: cut off between two, it says that its states are no whole any more.
static void test_checked_run_cut_off(void **state) {
    (void)state;
    weft_session *s;
    fault_must(weft_session_create(bystander.program, &(struct weft_session_params){.checker = true}, &s));
    fault_must(fault_feed(s, "other", 1, NULL));
    weft_gpu_inject(device, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_SUBMIT, 2);
    assert_int_equal(weft_session_run(s, 1, NULL), WEFT_ERR_NOMEM);
    weft_gpu_inject(device, WEFT_GPU_NO_MEMORY, 0, 0);
    fault_is(weft_session_run(s, 1, NULL), WEFT_ERR_STALE, "'pos'");
    fault_must(weft_session_reset(s));
    // At its first submit it is refused as a whole, and nothing is lost.
    weft_gpu_inject(device, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_SUBMIT, 1);
    assert_int_equal(weft_session_run(s, 1, NULL), WEFT_ERR_NOMEM);
    weft_gpu_inject(device, WEFT_GPU_NO_MEMORY, 0, 0);
    fault_must(weft_session_run(s, 1, NULL));
    weft_session_destroy(&s);
}

/// A reset or restore that fails midway leaves no half-set states to run on.
static void test_restore_cut_off(void **state) {
    (void)state;
    int stale = 0;
    for (uint64_t n = 1;; n++) {
        weft_gpu_inject(device, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_ANY, n);
        weft_status status = weft_session_restore(bystander.s, bystander.snapshot);
        weft_gpu_inject(device, WEFT_GPU_NO_MEMORY, 0, 0);
        if (status == WEFT_OK) break;
        failed_as(status, WEFT_ERR_NOMEM, n);
        status = weft_session_run(bystander.s, 1, NULL); // nothing has changed, or it says so
        if (status != WEFT_OK) fault_is(status, WEFT_ERR_STALE, "midway");
        stale += status != WEFT_OK;
        fault_must(weft_session_restore(bystander.s, bystander.snapshot));
    }
    assert_true(stale >= 3);
    fault_must(weft_session_run(bystander.s, 1, NULL));
    weft_gpu_inject(device, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_SUBMIT | WEFT_GPU_AT_WRITE, 2);
    assert_int_equal(weft_session_reset(bystander.s), WEFT_ERR_NOMEM);
    weft_gpu_inject(device, WEFT_GPU_NO_MEMORY, 0, 0);
    fault_is(weft_session_run(bystander.s, 1, NULL), WEFT_ERR_STALE, "midway");
    fault_must(weft_session_rewind(bystander.s, 0));
    fault_must(weft_session_run(bystander.s, 1, NULL));
}

/// A loss after a reset does not bring back what was before the reset.
static void test_reset_forgets_the_snapshot(void **state) {
    (void)state;
    struct weft_recovery r;
    size_t n;
    fault_must(weft_session_reset(bystander.s));
    weft_gpu_lose(device);
    fault_must(weft_device_recover(device, &r));
    assert_int_equal(r.restored, 0);
    fault_must(weft_session_lost_states(bystander.s, NULL, 0, &n));
    assert_int_equal(n, 3);
    fault_must(weft_session_restore(bystander.s, bystander.snapshot)); // it survived, and is followed again
    weft_gpu_lose(device);
    fault_must(weft_device_recover(device, &r));
    assert_int_equal(r.restored, 1);
    weft_snapshot_destroy(&bystander.snapshot); // not followed behind its end
    weft_gpu_lose(device);
    fault_must(weft_device_recover(device, &r));
    assert_int_equal(r.restored, 0);
}

// ---- a model -------------------------------------------------------------------------------------------------------

static char path[] = "/tmp/weft-faults-XXXXXX";

static weft_status model_life(weft_model **model) {
    struct weft_model_params open = {.ctx = 32, .greedy = true, .runs = 2};
    struct weft_model_generate_params params = {.max_tokens = 4};
    float figure[300];
    static const int32_t id = 5;
    *model = NULL;
    WEFT_TRY(weft_model_open(device, path, &open, model));
    WEFT_TRY(weft_model_generate(*model, "a b c", 5, &params, NULL));
    return weft_model_logits(*model, &id, 1, figure);
}

/// Runs `n` from 1 on in steps that grow with it: all of the first faults, then fewer and fewer.
static uint64_t next_fault(uint64_t n) { return n + 1 + n / 24; }

static void test_model_memory(void **state) {
    (void)state;
    weft_model *model;
    fault_must(model_life(&model));
    weft_model_close(&model);
    const struct books before = count();
    uint64_t failures = 0;
    bool hit = true;
    for (uint64_t n = 1; hit; n = next_fault(n)) {
        uint64_t calls = weft_alloc_stats().calls;
        weft_alloc_fail_at(n, 0);
        weft_status status = model_life(&model);
        weft_alloc_fail_at(0, 0);
        hit = weft_alloc_stats().calls - calls >= n;
        if (status != WEFT_OK) failed_as(status, WEFT_ERR_NOMEM, n);
        failures += status != WEFT_OK;
        weft_model_close(&model);
        balanced(&before, n);
    }
    print_message("%llu failures on the host\n", (unsigned long long)failures);
    assert_true(failures >= 50);
    failures = 0;
    hit = true;
    for (uint64_t n = 1; hit; n = next_fault(n)) {
        weft_gpu_inject(device, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_ANY, n);
        weft_status status = model_life(&model);
        hit = weft_gpu_injected(device) >= n;
        weft_gpu_inject(device, WEFT_GPU_NO_MEMORY, 0, 0);
        if (status != WEFT_OK) failed_as(status, WEFT_ERR_NOMEM, n);
        failures += status != WEFT_OK;
        weft_model_close(&model);
        balanced(&before, n);
    }
    print_message("%llu failures on the device\n", (unsigned long long)failures);
    assert_true(failures >= 50);
}

/// A model whose device was lost at any point of a generation goes on after recovery.
static void test_model_loss(void **state) {
    (void)state;
    weft_model *model;
    struct weft_model_params open = {.ctx = 32, .greedy = true, .runs = 2};
    struct weft_model_generate_params params = {.max_tokens = 4};
    uint64_t losses = 0;
    bool hit = true;
    fault_must(weft_model_open(device, path, &open, &model));
    for (uint64_t n = 1; hit; n++) {
        weft_gpu_inject(device, WEFT_GPU_LOSS, WEFT_GPU_AT_ANY, n);
        weft_status status = weft_model_generate(model, "a b c", 5, &params, NULL);
        hit = weft_gpu_injected(device) >= n;
        weft_gpu_inject(device, WEFT_GPU_LOSS, 0, 0);
        if (!hit) break;
        failed_as(status, WEFT_ERR_LOST, n);
        losses++;
        fault_must(weft_device_recover(device, NULL));
        fault_must(weft_model_generate(model, "a b c", 5, &params, NULL));
    }
    assert_true(losses >= 10);
    weft_model_close(&model);
}

/// Negative control: a block that is not freed, and a buffer, are noticed by the books.
static void test_books_notice(void **state) {
    (void)state;
    const struct books before = count();
    void *leak = weft_alloc(1);
    struct books after = count();
    assert_true(memcmp(&before, &after, sizeof after) != 0);
    weft_free(leak);
    balanced(&before, 0);
    weft_buf buf;
    fault_must(weft_buf_create(device, 16, WEFT_BUF_STORAGE, "leak", &buf));
    after = count();
    assert_true(memcmp(&before, &after, sizeof after) != 0);
    weft_buf_release(device, &buf);
    balanced(&before, 0);
}

int main(void) {
    static const struct weft_tiny_gemma3 tiny = {.seed = 3, .n_layer = 2, .period = 2};
    int file = mkstemp(path);
    if (file < 0 || close(file) != 0 || !weft_tiny_gemma3_write(&tiny, path)) return 1;
    fault_weights_fill(&weights);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_books_notice, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_device_memory, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_host_memory, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_host_memory_for_good, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_loss_before_each_call, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_loss_in_each_call, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_faults_in_recovery, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_run_under_way, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_hung_device, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_checked_run_cut_off, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_restore_cut_off, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_reset_forgets_the_snapshot, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_model_memory, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_model_loss, open_world, close_world),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
