/// Recovery from a lost device, on a driver: what was computed before is computed again, bit for bit, by the same
/// handles. Dawn is made to lose its device in earnest; wgpu-native, which ends the process on a real loss, is only
/// said to have lost it, and then opened again in earnest.
#include "fault_rig.h"

#include "gpu/gpu.h"
#include "gpu/gpu_test.h"
#include "support/tiny_gemma3.h"
#include "support/graph_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { Y = FAULT_T * FAULT_WIDTH, C = FAULT_ROWS * FAULT_WIDTH };

static weft_device *device;
static struct fault_weights weights;

static uint64_t live_bytes(void) {
    struct weft_device_counters c;
    fault_must(weft_device_counters(device, &c));
    return c.bytes_live;
}

/// Where each pipeline takes a second to compile, and recovery compiles all of them.
static bool slow(void) { return !strcmp(weft_gpu_caps(device)->implementation, "dawn") && !weft_test_long(); }

/// Nothing lives but the ring of readbacks, whose buffers are of 4096 bytes here.
static bool only_readbacks(void) {
    struct weft_device_counters c;
    fault_must(weft_device_counters(device, &c));
    return c.bytes_live == c.buffers_live * 4096 && c.groups_live == 0;
}

static bool same(const float *a, const float *b, size_t n) { return memcmp(a, b, n * sizeof *a) == 0; }

/// A program with kept weights and two sessions on it, fed; what they gave.
struct world {
    weft_program *kept, *sharer, *careless;
    weft_session *plain, *saved, *shared, *doomed;
    weft_snapshot *snapshot;
    float y[4][Y], c[C], c_saved[C], p[3 * Y];
};

static void build(struct world *w) {
    memset(w, 0, sizeof *w);
    weights.asked = 0;
    fault_must(fault_compile(device, FAULT_GRAPH("y"), &weights, true, NULL, &w->kept));
    fault_must(fault_compile(device, FAULT_GRAPH("y"), NULL, false, w->kept, &w->sharer));
    fault_must(fault_compile(device, FAULT_GRAPH("careless"), &weights, false, NULL, &w->careless));
    assert_int_equal(weights.asked, 2);
    fault_must(weft_session_create(w->kept, NULL, &w->plain));
    fault_must(weft_session_create(w->kept, NULL, &w->saved));
    fault_must(weft_session_create(w->sharer, NULL, &w->shared));
    fault_must(weft_session_create(w->careless, NULL, &w->doomed));
    for (int i = 0; i < 3; i++) fault_must(fault_feed(w->plain, "y", i, w->y[i]));
    fault_must(weft_session_read(w->plain, "c", 0, w->c, sizeof w->c));
    fault_must(weft_session_read(w->plain, "p", 0, w->p, sizeof w->p)); // paged
    for (int i = 0; i < 2; i++) fault_must(fault_feed(w->saved, "y", i, NULL));
    fault_must(weft_session_snapshot(w->saved, WEFT_SNAPSHOT_HOST, &w->snapshot));
    fault_must(weft_session_read(w->saved, "c", 0, w->c_saved, sizeof w->c_saved));
    fault_must(fault_feed(w->saved, "y", 7, NULL)); // this one will be lost
    fault_must(fault_feed(w->shared, "y", 0, NULL));
}

static void tear(struct world *w) {
    weft_snapshot_destroy(&w->snapshot);
    weft_session_destroy(&w->plain);
    weft_session_destroy(&w->saved);
    weft_session_destroy(&w->shared);
    weft_session_destroy(&w->doomed);
    weft_program_destroy(&w->careless);
    weft_program_destroy(&w->kept); // before what shares its weights
    weft_program_destroy(&w->sharer);
    assert_true(only_readbacks());
}

/// After the loss, before recovery: every call says so, and names the way out.
static void all_lost(struct world *w) {
    weft_program *p;
    weft_session *s;
    float y[Y];
    weft_snapshot *x;
    fault_is(weft_session_run(w->plain, 1, NULL), WEFT_ERR_LOST, "weft_device_recover");
    fault_is(weft_session_read(w->plain, "y", 0, y, sizeof y), WEFT_ERR_LOST, "gone");
    fault_is(weft_session_write(w->plain, "x", 0, y, sizeof y), WEFT_ERR_LOST, "gone");
    fault_is(weft_session_reset(w->plain), WEFT_ERR_LOST, "gone");
    fault_is(weft_session_snapshot(w->plain, WEFT_SNAPSHOT_HOST, &x), WEFT_ERR_LOST, "gone");
    fault_is(weft_session_create(w->kept, NULL, &s), WEFT_ERR_LOST, "gone");
    fault_is(fault_compile(device, FAULT_GRAPH("y"), &weights, true, NULL, &p), WEFT_ERR_LOST, "gone");
    fault_is(weft_device_wait_idle(device), WEFT_ERR_LOST, "gone");
    assert_null(s);
    assert_null(p);
    assert_null(x);
}

/// The session without a snapshot: refused until it is set anew, then as ever.
static void check_plain(struct world *w) {
    const char *names[4];
    size_t n = 0;
    float y[Y], c[C];
    weft_snapshot *x;
    weft_session *fork;
    fault_must(weft_session_lost_states(w->plain, names, 4, &n));
    assert_int_equal(n, 3);
    assert_string_equal(names[0], "pos");
    assert_string_equal(names[1], "c");
    assert_string_equal(names[2], "p");
    fault_is(weft_session_run(w->plain, 1, NULL), WEFT_ERR_STALE, "'pos' and 2 more");
    fault_is(weft_session_read(w->plain, "c", 0, c, sizeof c), WEFT_ERR_STALE, "reset the session");
    fault_is(weft_session_snapshot(w->plain, WEFT_SNAPSHOT_HOST, &x), WEFT_ERR_STALE, "restore a snapshot");
    fault_is(weft_session_fork(w->plain, &fork), WEFT_ERR_STALE, "rewind to 0");
    fault_must(weft_session_reset(w->plain));
    fault_must(weft_session_lost_states(w->plain, names, 4, &n));
    assert_int_equal(n, 0);
    for (int i = 0; i < 3; i++) {
        fault_must(fault_feed(w->plain, "y", i, y));
        assert_true(same(y, w->y[i], Y));
    }
    fault_must(weft_session_read(w->plain, "c", 0, c, sizeof c));
    assert_true(same(c, w->c, C));
}

/// The session with a snapshot stands where it was taken.
static void check_saved(struct world *w) {
    uint64_t position = 0;
    size_t n = 1;
    float y[Y], c[C], p[3 * Y];
    fault_must(weft_session_lost_states(w->saved, NULL, 0, &n));
    assert_int_equal(n, 0);
    fault_must(weft_session_position(w->saved, &position));
    assert_int_equal(position, 2 * FAULT_T);
    fault_must(weft_session_read(w->saved, "c", 0, c, sizeof c));
    assert_true(same(c, w->c_saved, C));
    fault_must(fault_feed(w->saved, "y", 2, y));
    assert_true(same(y, w->y[2], Y));
    fault_must(weft_session_read(w->saved, "c", 0, c, sizeof c));
    assert_true(same(c, w->c, C));
    assert_false(same(c, w->c_saved, C)); // the comparison does compare
    fault_must(weft_session_read(w->saved, "p", 0, p, sizeof p));
    assert_true(same(p, w->p, 3 * Y));
}

static void check_doomed(struct world *w) {
    weft_session *s;
    float y[Y] = {0};
    fault_is(weft_session_run(w->doomed, 1, NULL), WEFT_ERR_LOST, "weights_stay");
    fault_is(weft_session_reset(w->doomed), WEFT_ERR_LOST, "'careless'");
    fault_is(weft_session_write(w->doomed, "x", 0, y, sizeof y), WEFT_ERR_LOST, "careless");
    fault_is(weft_session_create(w->careless, NULL, &s), WEFT_ERR_LOST, "careless");
}

static void test_recover(void **state) {
    (void)state;
    struct world w;
    struct weft_recovery r;
    weft_buf buf, old;
    float y[Y];
    build(&w);
    uint64_t before = live_bytes(), made;
    struct weft_device_counters counters;
    fault_must(weft_device_counters(device, &counters));
    made = counters.buffers_made;
    fault_must(weft_buf_create(device, 64, WEFT_BUF_STORAGE, "mine", &buf));
    old = buf;
    weights.asked = 0;
    weft_gpu_lose(device);
    all_lost(&w);
    fault_is(weft_device_recover(device, &r), WEFT_ERR_UNSUPPORTED, "program of 'careless'");
    assert_non_null(strstr(weft_error_message(), "2 of 3 programs and 3 of 4 sessions"));
    assert_int_equal(r.programs, 2);
    assert_int_equal(r.programs_failed, 1);
    assert_int_equal(r.sessions, 3);
    assert_int_equal(r.sessions_failed, 1);
    assert_int_equal(r.restored, 1);
    assert_int_equal(r.gone, 2);
    assert_int_equal(weights.asked, 1); // shared weights are read once
    assert_int_equal(weft_buf_write(device, old, 0, y, 16), WEFT_ERR_STALE);
    fault_must(weft_device_counters(device, &counters));
    assert_true(counters.buffers_made > made); // counting goes on
    check_plain(&w);
    check_saved(&w);
    check_doomed(&w);
    weft_session_destroy(&w.doomed);
    weft_program_destroy(&w.careless);
    uint64_t without = live_bytes();
    assert_true(without < before);
    // And once more, without a loss: with the careless ones gone all comes back, to the byte.
    fault_must(weft_device_recover(device, &r));
    assert_int_equal(r.programs, 2);
    assert_int_equal(r.sessions, 3);
    fault_must(weft_session_reset(w.shared));
    fault_must(fault_feed(w.shared, "y", 0, y));
    assert_true(same(y, w.y[0], Y));
    tear(&w);
}

/// Weights outlive the program that loaded them, and with them their source.
static void test_shared_weights_of_a_destroyed_program(void **state) {
    (void)state;
    struct world w;
    struct weft_recovery r;
    float y[Y];
    build(&w);
    weft_session_destroy(&w.plain);
    weft_session_destroy(&w.saved);
    weft_session_destroy(&w.doomed);
    weft_program_destroy(&w.kept);
    weft_program_destroy(&w.careless);
    weights.asked = 0;
    weft_gpu_lose(device);
    fault_must(weft_device_recover(device, &r));
    assert_int_equal(r.programs, 1);
    assert_int_equal(weights.asked, 1);
    fault_must(weft_session_rewind(w.shared, 0));
    fault_must(fault_feed(w.shared, "y", 0, y));
    assert_true(same(y, w.y[0], Y));
    tear(&w);
}

/// Fences and reads of before the loss: what was not finished says so, also after recovery (a driver may have finished
/// the run that is cut off here, and then its fence says that); later ones are not confused with them.
static void test_fences_and_reads(void **state) {
    (void)state;
    weft_program *p;
    weft_session *s;
    weft_pending pending, again;
    uint64_t done = 0, cut = 0, fresh = 0;
    float y[Y];
    bool ready;
    fault_must(fault_compile(device, FAULT_GRAPH("y"), &weights, true, NULL, &p));
    fault_must(weft_session_create(p, NULL, &s));
    fault_must(fault_feed(s, "y", 0, NULL));
    fault_must(weft_session_run(s, 1, &done));
    fault_must(weft_session_wait(s, done, -1));
    fault_must(weft_session_run(s, 1, &cut));
    fault_must(weft_session_read_async(s, "y", 0, sizeof y, &pending));
    again = pending;
    weft_gpu_lose(device);
    assert_int_equal(weft_session_wait(s, cut, -1), WEFT_ERR_LOST);
    assert_int_equal(weft_session_read_finish(s, &pending, y, sizeof y), WEFT_ERR_LOST);
    fault_must(weft_device_recover(device, NULL));
    fault_must(weft_session_wait(s, done, -1));
    weft_status status = weft_session_wait(s, cut, -1);
    if (status != WEFT_OK) fault_is(status, WEFT_ERR_LOST, "was not finished when the device was lost");
    assert_int_equal(weft_session_read_done(s, again, &ready), WEFT_ERR_STALE);
    fault_must(weft_session_reset(s));
    fault_must(weft_session_run(s, 1, &fresh));
    assert_true(fresh > cut);
    fault_must(weft_session_wait(s, fresh, -1));
    weft_session_destroy(&s);
    weft_program_destroy(&p);
}

/// A user's buffer is there again, zero, and bound as it was; one that was destroyed stays stale; outputs go to the
/// same memory of the host.
static void test_bound_buffers(void **state) {
    (void)state;
    weft_program *p;
    weft_session *s, *orphan;
    weft_buffer *x, *dead;
    float in[Y], y[Y], want[Y], zero[Y] = {0};
    fault_must(fault_compile(device, FAULT_GRAPH("y"), &weights, true, NULL, &p));
    fault_must(weft_session_create(p, NULL, &s));
    fault_must(weft_session_create(p, NULL, &orphan));
    fault_must(fault_feed(s, "y", 3, want));
    fault_must(weft_session_reset(s));
    fault_must(weft_session_set_sizes(orphan, &(struct weft_size){"T", FAULT_T}, 1));
    fault_must(weft_buffer_create(device, sizeof in, &x));
    fault_must(weft_buffer_create(device, sizeof in, &dead));
    fault_must(weft_session_bind(s, "x", x, 0, 0));
    fault_must(weft_session_bind_host(s, "y", y, sizeof y));
    fault_must(weft_session_bind(orphan, "x", dead, 0, 0));
    weft_buffer_destroy(&dead);
    fault_rows(in, 3);
    fault_must(weft_buffer_write(x, 0, in, sizeof in));
    fault_must(weft_session_run_blocking(s, 1));
    assert_true(same(y, want, Y));
    for (int round = 0; round < (slow() ? 1 : 2); round++) {
        weft_gpu_lose(device);
        fault_must(weft_device_recover(device, NULL));
        fault_must(weft_session_reset(s));
        fault_must(weft_session_reset(orphan));
        fault_must(weft_buffer_read(x, 0, in, sizeof in));
        assert_true(same(in, zero, Y));
        fault_rows(in, 3);
        fault_must(weft_buffer_write(x, 0, in, sizeof in));
        memset(y, 0, sizeof y);
        fault_must(weft_session_run_blocking(s, 1));
        assert_true(same(y, want, Y));
        fault_is(weft_session_run(orphan, 1, NULL), WEFT_ERR_STALE, "'x' is bound to a buffer that has been");
    }
    weft_session_destroy(&s);
    weft_session_destroy(&orphan);
    weft_buffer_destroy(&x);
    weft_program_destroy(&p);
    assert_true(only_readbacks());
}

// ---- memory --------------------------------------------------------------------------------------------------------

/// What a user does with a second session of a program, until something fails.
static weft_status use(weft_program *p, weft_session **s, weft_session **fork, weft_snapshot **x) {
    float y[Y];
    weft_status status = weft_session_create(p, NULL, s);
    if (status == WEFT_OK) status = fault_feed(*s, "y", 1, y);
    if (status == WEFT_OK) status = weft_session_snapshot(*s, WEFT_SNAPSHOT_DEVICE, x);
    if (status == WEFT_OK) status = weft_session_restore(*s, *x);
    if (status == WEFT_OK) status = weft_session_fork(*s, fork);
    if (status == WEFT_OK) status = fault_feed(*fork, "y", 2, y);
    return status;
}

/// Wherever the device's memory runs out in one session's life, another session of the program goes on, bit for bit.
static void test_no_memory_harms_no_other(void **state) {
    (void)state;
    const uint64_t stride = weft_gpu_caps(device)->max_invocations > 256 && !getenv("WEFT_LIMITS") ? 1 : 5;
    weft_program *p;
    weft_session *bystander, *twin;
    float y[Y], want[Y], c[C], c_want[C];
    fault_must(fault_compile(device, FAULT_GRAPH("y"), &weights, true, NULL, &p));
    fault_must(weft_session_create(p, NULL, &bystander));
    fault_must(weft_session_create(p, NULL, &twin));
    uint64_t before = live_bytes(), failures = 0;
    for (uint64_t n = 1;; n += stride) {
        weft_session *s = NULL, *fork = NULL;
        weft_snapshot *x = NULL;
        weft_gpu_inject(device, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_ANY, n);
        weft_status status = use(p, &s, &fork, &x);
        weft_gpu_inject(device, WEFT_GPU_NO_MEMORY, 0, 0);
        if (status != WEFT_OK) fault_is(status, WEFT_ERR_NOMEM, "a test lets memory run out");
        weft_snapshot_destroy(&x);
        weft_session_destroy(&fork);
        weft_session_destroy(&s);
        failures += status != WEFT_OK;
        fault_must(fault_feed(bystander, "y", (int)n, y));
        fault_must(fault_feed(twin, "y", (int)n, want));
        assert_true(same(y, want, Y));
        if (status == WEFT_OK) break;
    }
    assert_true(failures >= 4);
    fault_must(weft_session_read(bystander, "c", 0, c, sizeof c));
    fault_must(weft_session_read(twin, "c", 0, c_want, sizeof c_want));
    assert_true(same(c, c_want, C));
    fault_must(weft_device_wait_idle(device));
    // The ring of readbacks keeps its buffers; all else is back.
    assert_true(live_bytes() <= before + 64 * 4096);
    weft_session_destroy(&bystander);
    weft_session_destroy(&twin);
    weft_program_destroy(&p);
}

// ---- a model -------------------------------------------------------------------------------------------------------

struct ids {
    int32_t id[8];
    uint32_t n;
};

static bool take(void *user, int32_t id) {
    struct ids *ids = user;
    if (ids->n < 8) ids->id[ids->n++] = id;
    return true;
}

static struct ids generate(weft_model *model) {
    static const int32_t prompt[] = {2, 40, 41, 42, 50};
    struct ids ids = {0};
    struct weft_model_generate_params params = {.max_tokens = 8, .ignore_stops = true, .token = take, .user = &ids};
    fault_must(weft_model_generate_ids(model, prompt, 5, &params, NULL));
    return ids;
}

/// A model's weights come from its file again, and the next call goes on as if nothing had been.
static void test_model(void **state) {
    (void)state;
    static const struct weft_tiny_gemma3 tiny = {.seed = 3, .n_layer = 1, .period = 2};
    if (slow()) skip();
    char path[] = "/tmp/weft-recover-XXXXXX";
    int file = mkstemp(path);
    weft_model *model;
    struct weft_recovery r;
    assert_true(file >= 0);
    close(file);
    assert_true(weft_tiny_gemma3_write(&tiny, path));
    struct weft_model_params params = {.ctx = 32, .greedy = true, .runs = 1};
    fault_must(weft_model_open(device, path, &params, &model));
    unlink(path); // it is mapped
    struct ids before = generate(model);
    weft_gpu_lose(device);
    assert_int_equal(weft_model_generate(model, "a", 1, NULL, NULL), WEFT_ERR_LOST);
    fault_must(weft_device_recover(device, &r));
    assert_int_equal(r.programs, 1);
    struct ids after = generate(model);
    assert_int_equal(before.n, 8);
    assert_memory_equal(&before, &after, sizeof before);
    weft_model_close(&model);
}

int main(void) {
    if (weft_device_open(NULL, &device) != WEFT_OK) {
        fprintf(stderr, "%s\n", weft_error_message());
        return getenv("WEFT_TEST_ALLOW_NO_GPU") ? 0 : 1;
    }
    fault_weights_fill(&weights);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recover),
        cmocka_unit_test(test_shared_weights_of_a_destroyed_program),
        cmocka_unit_test(test_fences_and_reads),
        cmocka_unit_test(test_bound_buffers),
        cmocka_unit_test(test_no_memory_harms_no_other),
        cmocka_unit_test(test_model),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    weft_device_close(&device);
    return failed;
}
