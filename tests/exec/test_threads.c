/// Threads on the null device: sessions of one program in several threads, compiling beside running, destroying beside
/// running, cancelling, counters read meanwhile. What is asserted is that all calls succeed, that every run took place
/// once, and that nothing is left; the thread sanitizer (`make tsan`) judges the rest.
#include "bind_graph.h"
#include "core/thread.h"
#include "gpu/door.h"
#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 4, ROUNDS = 60 };

static weft_device *device;
static weft_program *program;
static atomic_int failures;
static atomic_bool stop;

/// cmocka's assertions are for the main thread: others note what fails.
static bool good(weft_status status) {
    if (status == WEFT_OK) return true;
    fprintf(stderr, "%s: %s\n", weft_status_name(status), weft_error_message());
    atomic_fetch_add(&failures, 1);
    return false;
}

static int setup(void **state) {
    (void)state;
    api_must(weft_device_open(&(struct weft_device_params){.implementation = "null"}, &device));
    program = bind_program(device, 1);
    atomic_store(&failures, 0);
    atomic_store(&stop, false);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weft_program_destroy(&program);
    weft_device_close(&device);
    return 0;
}

typedef void *(*thread_fn)(void *);

static void run_threads(thread_fn const *fns, void *const *users, int n) {
    pthread_t t[2 * THREADS];
    for (int i = 0; i < n; i++) assert_int_equal(pthread_create(&t[i], NULL, fns[i], users[i]), 0);
    for (int i = 0; i < n; i++) pthread_join(t[i], NULL);
    assert_int_equal(atomic_load(&failures), 0);
}

// ---- users ---------------------------------------------------------------------------------------------------------

struct user {
    uint64_t seed;
    uint64_t runs; ///< that were accepted
    _Atomic(weft_session *) session;
};

static weft_status use(weft_session *s, uint64_t *seed, uint64_t *runs) {
    float x[BIND_ROWS * 4] = {0};
    struct weft_size size = {"T", 1 + bind_random(seed, 64)};
    uint32_t n = 1 + bind_random(seed, 3);
    uint64_t fence;
    weft_status status = weft_session_set_sizes(s, &size, 1);
    if (status == WEFT_OK) status = weft_session_write(s, "a", 0, x, (uint64_t)size.value * 12);
    if (status == WEFT_OK) status = weft_session_run(s, n, &fence);
    if (status == WEFT_OK) *runs += n;
    if (status == WEFT_OK && bind_random(seed, 2)) status = weft_session_wait(s, fence, -1);
    if (status == WEFT_OK && bind_random(seed, 4) == 0) status = weft_session_read(s, "y", 0, x, 16);
    return status;
}

/// Sessions come and go; some have a buffer bound that other threads' sessions have too.
static void *user_thread(void *arg) {
    struct user *me = arg;
    for (int life = 0; life < 6; life++) {
        weft_session *s = NULL;
        weft_buffer *b = NULL;
        struct weft_session_params params = {.checker = life == 5, .max_runs = 4};
        if (!good(weft_session_create(program, &params, &s))) break;
        if (life % 2 && good(weft_buffer_create(device, 1024, &b))) good(weft_session_bind(s, "y", b, 0, 0));
        for (int i = 0; i < ROUNDS / 6; i++) good(use(s, &me->seed, &me->runs));
        if (bind_random(&me->seed, 2)) weft_buffer_destroy(&b);
        weft_session_destroy(&s); // with runs in flight, as far as a null device has any
        weft_buffer_destroy(&b);
    }
    return NULL;
}

static void *compile_thread(void *arg) {
    struct user *me = arg;
    for (int i = 0; i < 3; i++) {
        float w[12] = {(float)me->seed};
        struct weft_weight weights[] = {{"w", w, sizeof w}, {"v", w, sizeof w}};
        struct weft_program_compile_params params = {.weights = weights, .n_weights = 2};
        weft_graph *g = NULL;
        weft_program *p = NULL;
        weft_session *s = NULL;
        uint64_t runs = 0;
        if (i == 1) params.share_weights = program;
        if (good(weft_graph_parse_text(bind_text, strlen(bind_text), &g)) &&
            good(weft_program_compile(device, &g, &params, &p)) && good(weft_session_create(p, NULL, &s)))
            for (int k = 0; k < 5; k++) good(use(s, &me->seed, &runs));
        weft_session_destroy(&s);
        weft_program_destroy(&p);
    }
    return NULL;
}

/// Counters never go back, and what is alive is never less than the program.
static void *watch_thread(void *arg) {
    struct weft_device_counters before = {0}, now;
    uint64_t least = *(const uint64_t *)arg;
    while (!atomic_load(&stop)) {
        if (!good(weft_device_counters(device, &now))) break;
        if (now.submits < before.submits || now.buffers_made < before.buffers_made || now.bytes_live < least ||
            now.bytes_peak < now.bytes_live)
            atomic_fetch_add(&failures, 1);
        before = now;
        good(weft_device_poll(device));
        good(weft_device_wait_idle(device));
        weft_sleep(2e-4);
    }
    return NULL;
}

struct crowd { struct user *users; uint64_t least; };

static void *crowd_thread(void *arg) {
    struct crowd *c = arg;
    pthread_t t[THREADS + 1];
    int n = 0;
    for (; n < THREADS; n++)
        if (pthread_create(&t[n], NULL, user_thread, &c->users[n]) != 0) break;
    compile_thread(&c->users[THREADS]);
    for (int i = 0; i < n; i++) pthread_join(t[i], NULL);
    if (n < THREADS) atomic_fetch_add(&failures, 1);
    atomic_store(&stop, true);
    return NULL;
}

static void shared_program(void **state) {
    (void)state;
    struct user users[THREADS + 1] = {{0}};
    weft_session *first = bind_session(program, false);
    float word;
    api_must(weft_session_read(first, "y", 0, &word, 4)); // makes the first buffer of the readbacks' ring
    weft_session_destroy(&first);
    struct weft_device_counters before = bind_counters(device), after;
    struct crowd crowd = {users, before.bytes_live};
    for (int i = 0; i <= THREADS; i++) users[i].seed = (uint64_t)i + 1;
    run_threads((thread_fn[]){crowd_thread, watch_thread}, (void *[]){&crowd, &crowd.least}, 2);
    after = bind_counters(device);
    assert_int_equal(before.groups_live, after.groups_live);
    // Readbacks of several threads at once leave a buffer each in their ring.
    assert_in_range(after.buffers_live - before.buffers_live, 0, THREADS + 1);
    assert_int_equal(after.bytes_live - before.bytes_live, (after.buffers_live - before.buffers_live) * 4096);
    uint64_t runs = 0;
    for (int i = 0; i < THREADS; i++) runs += users[i].runs;
    assert_true(runs >= THREADS * ROUNDS);
}

static uint64_t steps_a_run;
static int checker_runs;

/// The fence of a checker run is the number of its last step's submit.
static void *checker_thread(void *arg) {
    weft_session *s = arg;
    for (int i = 0; i < checker_runs; i++) {
        uint64_t fence;
        if (!good(weft_session_run(s, 1, &fence))) break;
        if (fence % steps_a_run) atomic_fetch_add(&failures, 1);
    }
    return NULL;
}

/// Runs of sessions of one program never mix: all runs take equally many submits, so each ends at a multiple of them.
static void runs_never_mix(void **state) {
    (void)state;
    weft_session *s[THREADS];
    thread_fn fns[THREADS];
    void *users[THREADS];
    for (int i = 0; i < THREADS; i++) {
        s[i] = bind_session(program, true);
        api_must(api_set_rows(s[i], 4));
        fns[i] = checker_thread;
        users[i] = s[i];
    }
    api_must(weft_session_run(s[0], 1, &steps_a_run));
    assert_true(steps_a_run > 3 && steps_a_run == bind_counters(device).submits);
    checker_runs = ROUNDS;
    run_threads(fns, users, THREADS);
    assert_int_equal(bind_counters(device).submits, steps_a_run * (THREADS * ROUNDS + 1));
    // The queue is full in the middle of a run when others come; then it goes on.
    assert_true(WEFT_GPU_IN_FLIGHT % steps_a_run != 0);
    checker_runs = 1 + WEFT_GPU_IN_FLIGHT / (int)steps_a_run;
    for (int round = 0; round < 20; round++) {
        pthread_t t[THREADS];
        api_must(weft_device_wait_idle(device));
        uint64_t full = bind_counters(device).submits + WEFT_GPU_IN_FLIGHT;
        assert_true(weft_gpu_stall(device, true));
        for (int i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_create(&t[i], NULL, checker_thread, s[i]), 0);
            while (bind_counters(device).submits < full) weft_sleep(1e-4);
        }
        weft_sleep(1e-3);
        assert_true(weft_gpu_stall(device, false));
        for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
        assert_int_equal(atomic_load(&failures), 0);
    }
    for (int i = 0; i < THREADS; i++) weft_session_destroy(&s[i]);
}

// ---- cancelling ----------------------------------------------------------------------------------------------------

static void *patient_thread(void *arg) {
    struct user *me = arg;
    weft_session *s = atomic_load(&me->session);
    uint64_t fence;
    for (int i = 0; i < 4 * ROUNDS; i++) {
        weft_status status = weft_session_run(s, 1, &fence);
        if (status == WEFT_OK) {
            me->runs++;
            status = weft_session_wait(s, fence, -1);
        }
        if (status == WEFT_ERR_CANCELLED) weft_session_resume(s);
        else good(status);
    }
    return NULL;
}

static void *cancel_thread(void *arg) {
    struct user *users = arg;
    uint64_t seed = 5;
    for (int i = 0; i < 8 * ROUNDS; i++) {
        weft_session_cancel(atomic_load(&users[bind_random(&seed, THREADS)].session));
        if (i % 8 == 0) weft_sleep(1e-4);
    }
    return NULL;
}

/// Whatever is cancelled when, exactly the runs that were accepted were submitted.
static void cancelled_at_random(void **state) {
    (void)state;
    struct user users[THREADS] = {{0}};
    thread_fn fns[THREADS + 1];
    void *args[THREADS + 1];
    uint64_t before = bind_counters(device).submits, runs = 0;
    for (int i = 0; i < THREADS; i++) {
        atomic_store(&users[i].session, bind_session(program, false));
        fns[i] = patient_thread;
        args[i] = &users[i];
    }
    fns[THREADS] = cancel_thread;
    args[THREADS] = users;
    run_threads(fns, args, THREADS + 1);
    for (int i = 0; i < THREADS; i++) {
        weft_session *s = atomic_load(&users[i].session);
        runs += users[i].runs;
        weft_session_destroy(&s);
    }
    assert_int_equal(bind_counters(device).submits - before, runs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shared_program, setup, teardown),
        cmocka_unit_test_setup_teardown(runs_never_mix, setup, teardown),
        cmocka_unit_test_setup_teardown(cancelled_at_random, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
