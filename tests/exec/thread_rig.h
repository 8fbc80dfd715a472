/// Threads that share a device and a program: test_threads.c runs them on the null device, where the thread sanitizer
/// (`make tsan`) validates them too, test_gpu_threads.c on drivers, where results count. What each thread's session
/// must show is what a session shows that lives the same sequence alone, bit for bit.
#ifndef WEFT_TEST_THREAD_RIG_H
#define WEFT_TEST_THREAD_RIG_H
#include "bind_graph.h"
#include "core/thread.h"
#include "layer_rig.h"
#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 4, LIVES = 4, MOVES = 6, SHARE = 8192 /* bytes of the common buffer, each */ };

static const char *thread_on;     ///< implementation; NULL: the configuration's
static struct layer thread_layer; ///< stalls drivers; all NULL: nothing does
static int rounds;                ///< how long they go on
static int crowds = 1;            ///< how often all of them come

static weft_device *device;
static weft_program *program;
static weft_buffer *common; ///< in which every thread has a part
static atomic_int failures;
static atomic_bool stop;

/// cmocka's assertions are for the main thread: others note what fails.
static bool good(weft_status status) {
    if (status == WEFT_OK) return true;
    fprintf(stderr, "%s: %s\n", weft_status_name(status), weft_error_message());
    atomic_fetch_add(&failures, 1);
    return false;
}

static bool holds(bool condition, const char *what) {
    if (condition) return true;
    fprintf(stderr, "%s\n", what);
    atomic_fetch_add(&failures, 1);
    return false;
}

/// Bytes that live on the device, but for the buffers that reads keep for the next ones; all parts add up.
static bool alive(uint64_t *out) {
    struct weft_device_memory m;
    *out = 0;
    if (!good(weft_device_memory(device, &m))) return false;
    *out = m.total - m.readback;
    return holds(m.weights + m.states + m.pages + m.snapshots + m.transients + m.params + m.io + m.staging +
                         m.readback + m.other ==
                     m.total,
                 "the parts of the memory do not add up");
}

static int setup(void **state) {
    (void)state;
    if (weft_device_open(&(struct weft_device_params){.implementation = thread_on}, &device) != WEFT_OK) {
        print_error("%s\n", weft_error_message());
        return -1;
    }
    if (!thread_on) (void)layer_find(&thread_layer);
    program = bind_program(device, 1);
    api_must(weft_buffer_create(device, (THREADS + 1) * SHARE, &common));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weft_buffer_destroy(&common);
    weft_program_destroy(&program);
    weft_device_close(&device);
    return 0;
}

typedef void *(*thread_fn)(void *);

static void run_threads(thread_fn const *fns, void *const *users, int n) {
    pthread_t t[2 * THREADS];
    atomic_store(&failures, 0);
    atomic_store(&stop, false);
    for (int i = 0; i < n; i++) assert_int_equal(pthread_create(&t[i], NULL, fns[i], users[i]), 0);
    for (int i = 0; i < n; i++) pthread_join(t[i], NULL);
    assert_int_equal(atomic_load(&failures), 0);
}

// ---- sequences ---------------------------------------------------------------------------------------------------

/// The seed of a move of a life of a user: the same gives the same sizes, inputs and number of runs.
static uint64_t seed_of(int user, int life, int m) { return (uint64_t)(user * 1000 + life * 100 + m + 1); }

/// Sizes, bindings if there are buffers, inputs, runs.
static weft_status move(weft_session *s, uint64_t seed, weft_buffer *const *bufs, uint64_t base, uint64_t *fence) {
    static const int64_t sizes[] = {1, 2, 7, 16, 33, 64, 1, 0};
    float a[BIND_ROWS * 3], b[BIND_ROWS * 3];
    struct weft_size size = {"T", sizes[bind_random(&seed, sizeof sizes / sizeof *sizes)]};
    uint64_t bytes = (uint64_t)size.value * 12;
    uint32_t n = 1 + bind_random(&seed, 4);
    bind_fill(a, BIND_ROWS * 3, seed);
    bind_fill(b, BIND_ROWS * 3, seed + 1);
    weft_status status = bufs ? bind_own(s) : WEFT_OK; // what was bound before may be too small
    if (status == WEFT_OK) status = weft_session_set_sizes(s, &size, 1);
    if (status == WEFT_OK && bufs) status = bind_somehow(s, bufs, base, seed);
    if (status == WEFT_OK) status = weft_session_write(s, "a", 0, a, bytes);
    if (status == WEFT_OK) status = weft_session_write(s, "b", 0, b, bytes);
    return status == WEFT_OK ? weft_session_run(s, n, fence) : status;
}

/// What sessions show that live the users' sequences alone: an image for each move.
static struct bind_image *stories_alone(void) {
    struct bind_image *alone = calloc(THREADS * LIVES * MOVES, sizeof *alone), *next = alone;
    assert_non_null(alone);
    for (int user = 0; user < THREADS; user++)
        for (int life = 0; life < LIVES; life++) {
            weft_session *s = bind_session(program, false);
            for (int m = 0; m < MOVES; m++) {
                uint64_t fence;
                api_must(move(s, seed_of(user, life, m), NULL, 0, &fence));
                bind_image(s, next++);
            }
            weft_session_destroy(&s);
        }
    return alone;
}

// ---- users ---------------------------------------------------------------------------------------------------------

/// Fences that were told of, of one session.
struct heard {
    atomic_ullong last;
    atomic_int n;
};

struct user {
    int number;
    uint64_t seed;
    uint64_t runs, looks;
    const struct bind_image *alone; ///< of this user
    struct heard heard[LIVES];
    _Atomic(weft_session *) session;
};

static void on_done(void *arg, uint64_t fence, weft_status status) {
    struct heard *h = arg;
    good(status);
    holds(atomic_exchange(&h->last, fence) < fence, "functions called out of order, or twice");
    atomic_fetch_add(&h->n, 1);
}

static void look(struct user *me, weft_session *s, const struct bind_image *expected) {
    struct bind_image *now = malloc(sizeof *now);
    weft_pending pending;
    uint32_t word;
    bool done = false;
    if (holds(now != NULL, "no memory") && good(bind_try_image(s, now))) {
        const char *name = bind_differs(now, expected);
        if (name) fprintf(stderr, "user %d: '%s' ", me->number, name);
        holds(!name, "differs from what a session alone shows");
    }
    if (now && good(weft_session_read_async(s, "kept", 4, 4, &pending))) { // a read that does not block
        while (!done && good(weft_session_read_done(s, pending, &done))) weft_sleep(5e-5);
        if (good(weft_session_read_finish(s, &pending, &word, 4)))
            holds(memcmp(&word, &expected->kept[1], 4) == 0, "an asynchronous read gives something else");
    }
    me->looks++;
    free(now);
}

/// One session's life: moved, looked at now and then, destroyed with runs in flight and what it is bound to gone.
static void live(struct user *me, int life) {
    const struct bind_image *expected = me->alone + life * MOVES;
    struct weft_session_params params = {.checker = life == LIVES - 1, .max_runs = 8};
    weft_session *s = NULL;
    weft_buffer *bufs[2] = {common, NULL};
    uint64_t fence = 0;
    struct heard *h = &me->heard[life];
    int told = 0;
    if (!good(weft_buffer_create(device, SHARE, &bufs[1])) || !good(weft_session_create(program, &params, &s))) {
        weft_buffer_destroy(&bufs[1]);
        return;
    }
    for (int m = 0; m < MOVES; m++) {
        if (!good(move(s, seed_of(me->number, life, m), bufs, (uint64_t)me->number * SHARE, &fence))) break;
        me->runs++;
        told += good(weft_session_on_done(s, fence, on_done, h));
        if (m == MOVES - 1 || bind_random(&me->seed, 2)) look(me, s, &expected[m]);
    }
    good(weft_session_wait(s, fence, -1));
    if (life % 2) // another thread's poll may be about to call them
        while (atomic_load(&h->n) < told && good(weft_device_poll(device))) weft_sleep(5e-5);
    for (int i = 0; i < 3; i++) good(weft_session_run(s, 2, &fence));
    good(weft_session_on_done(s, fence, on_done, h));
    if (bind_random(&me->seed, 2)) weft_buffer_destroy(&bufs[1]);
    weft_session_destroy(&s);
    weft_buffer_destroy(&bufs[1]);
}

static void *user_thread(void *arg) {
    for (int life = 0; life < LIVES; life++) live(arg, life);
    return NULL;
}

// ---- beside them ---------------------------------------------------------------------------------------------------

/// Compiles another program, runs it and compares with the host.
static void compile_another(const char *op, float (*expected)(float)) {
    char text[120];
    float x[8] = {-2, 0.5f, -0.25f, 3, 0, -7, 1, 8}, z[8] = {0};
    weft_graph *g = NULL;
    weft_program *p = NULL;
    weft_session *s = NULL;
    snprintf(text, sizeof text, "input x f32 [2, 4]\n%%0 = %s %%x\noutput %%0 z\n", op);
    if (good(weft_graph_parse_text(text, strlen(text), &g)) && good(weft_program_compile(device, &g, NULL, &p)) &&
        good(weft_session_create(p, NULL, &s)) && good(weft_session_write(s, "x", 0, x, sizeof x)) &&
        good(weft_session_run(s, 1, NULL)) && good(weft_session_read(s, "z", 0, z, sizeof z)))
        for (int i = 0; i < 8 && !thread_on; i++) holds(z[i] == expected(x[i]), op);
    weft_session_destroy(&s);
    weft_program_destroy(&p);
}

static float minus(float x) { return -x; }
static float positive(float x) { return x > 0 ? x : 0; }

/// The same graph with the same weights is another program: it lives a sequence of the first user.
static void compile_the_same(struct user *me) {
    static const int64_t splits[] = {1};
    float w[12];
    for (int i = 0; i < 12; i++) w[i] = (float)(i % 5 - 2);
    struct weft_weight weights[] = {{"w", w, sizeof w}, {"v", w, sizeof w}};
    struct weft_program_compile_params params = {.weights = weights,
                                                 .n_weights = 2,
                                                 .split_symbol = "T",
                                                 .split_at = splits,
                                                 .n_splits = 1,
                                                 .share_weights = program};
    weft_graph *g = NULL;
    weft_program *p = NULL;
    weft_session *s = NULL;
    uint64_t fence;
    if (good(weft_graph_parse_text(bind_text, strlen(bind_text), &g)) &&
        good(weft_program_compile(device, &g, &params, &p)) &&
        good(weft_session_create(p, &(struct weft_session_params){.max_runs = 8}, &s)))
        for (int m = 0; m < MOVES && good(move(s, seed_of(0, 0, m), NULL, 0, &fence)); m++) look(me, s, &me->alone[m]);
    weft_session_destroy(&s);
    weft_program_destroy(&p);
}

static void *compile_thread(void *arg) {
    compile_another("neg", minus);
    compile_the_same(arg);
    compile_another("abs", fabsf);
    compile_another("relu", positive);
    return NULL;
}

/// Counters never go back, what is alive is never less than the program, and parts add up.
static void *watch_thread(void *arg) {
    struct weft_device_counters before = {0}, now;
    const uint64_t least = *(const uint64_t *)arg;
    uint64_t bytes;
    while (!atomic_load(&stop)) {
        if (!good(weft_device_counters(device, &now)) || !alive(&bytes)) break;
        holds(now.submits >= before.submits && now.buffers_made >= before.buffers_made && bytes >= least &&
                  now.dispatches >= before.dispatches && now.bytes_peak >= now.bytes_live,
              "counters went back");
        before = now;
        good(weft_device_poll(device));
        good(weft_device_wait_idle(device));
        weft_sleep(2e-4);
    }
    return NULL;
}

struct crowd {
    struct user *users;
    uint64_t least;
};

static void *crowd_thread(void *arg) {
    struct crowd *c = arg;
    pthread_t t[THREADS];
    int n = 0;
    for (; n < THREADS; n++)
        if (pthread_create(&t[n], NULL, user_thread, &c->users[n]) != 0) break;
    compile_thread(&c->users[THREADS]);
    for (int i = 0; i < n; i++) pthread_join(t[i], NULL);
    holds(n == THREADS, "no thread");
    atomic_store(&stop, true);
    return NULL;
}

/// Sessions of one program in several threads, resized, bound anew, run, read and destroyed, while another thread
/// compiles and yet another reads counters: all as if they were alone, and then nothing of theirs is left.
static void shared_program(void **state) {
    (void)state;
    struct bind_image *alone = stories_alone();
    for (int k = 0; k < crowds; k++) {
        struct user *users = calloc(THREADS + 1, sizeof *users);
        struct crowd crowd = {.users = users};
        uint64_t after, groups = bind_counters(device).groups_live;
        assert_non_null(users);
        for (int i = 0; i <= THREADS; i++) {
            users[i].number = i;
            users[i].seed = (uint64_t)(k * 10 + i + 1);
            users[i].alone = alone + i % THREADS * LIVES * MOVES;
        }
        assert_true(alive(&crowd.least));
        run_threads((thread_fn[]){crowd_thread, watch_thread}, (void *[]){&crowd, &crowd.least}, 2);
        assert_true(alive(&after));
        assert_int_equal(crowd.least, after);
        assert_int_equal(groups, bind_counters(device).groups_live);
        for (int i = 0; i < THREADS; i++) assert_true(users[i].runs == LIVES * MOVES && users[i].looks >= LIVES);
        free(users);
    }
    free(alone);
}

// ---- runs never mix ------------------------------------------------------------------------------------------------

static uint64_t steps_a_run, first_submit;
static int checker_runs;

/// The fence of a checker run is the number of its last step's submit.
static void *checker_thread(void *arg) {
    weft_session *s = arg;
    for (int i = 0; i < checker_runs; i++) {
        uint64_t fence;
        if (!good(weft_session_run(s, 1, &fence))) break;
        holds((fence - first_submit) % steps_a_run == 0, "runs mixed");
    }
    return NULL;
}

/// Four rows of inputs of its own.
static weft_session *own_inputs(bool checker, uint64_t seed) {
    weft_session *s = bind_session(program, checker);
    float a[12], b[12];
    bind_fill(a, 12, seed);
    bind_fill(b, 12, seed + 7);
    api_must(api_set_rows(s, 4));
    bind_write(s, a, b, 4);
    return s;
}

/// The session of own_inputs(..., seed) must show what one shows that ran alone, so often.
static void equals_alone(weft_session *s, uint64_t seed, uint64_t runs, const char *when) {
    weft_session *twin = own_inputs(false, seed);
    for (; runs >= 8; runs -= 8) api_must(weft_session_run(twin, 8, NULL));
    if (runs) api_must(weft_session_run(twin, (uint32_t)runs, NULL));
    bind_equal(s, twin, when);
    weft_session_destroy(&twin);
}

/// While the queue is full in the middle of a run, others come; then it goes on.
static void full_queue(weft_session **s) {
    pthread_t t[THREADS];
    api_must(weft_device_wait_idle(device));
    uint64_t full = bind_counters(device).submits + WEFT_GPU_IN_FLIGHT;
    assert_true(layer_stall(&thread_layer, device, true));
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, checker_thread, s[i]), 0);
        while (bind_counters(device).submits < full) weft_sleep(1e-4);
    }
    weft_sleep(1e-3);
    assert_true(layer_stall(&thread_layer, device, false));
    for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
    assert_int_equal(atomic_load(&failures), 0);
}

/// Runs of sessions of one program never mix: all runs take equally many submits, so each ends at a multiple of them,
/// and each session shows what it shows alone, though every run poisons what all have in common.
static void runs_never_mix(void **state) {
    (void)state;
    weft_session *s[THREADS];
    thread_fn fns[THREADS];
    void *users[THREADS];
    int more = 0;
    for (int i = 0; i < THREADS; i++) {
        s[i] = own_inputs(true, (uint64_t)i);
        fns[i] = checker_thread;
        users[i] = s[i];
    }
    first_submit = bind_counters(device).submits;
    api_must(weft_session_run(s[0], 1, &steps_a_run));
    steps_a_run -= first_submit;
    assert_true(steps_a_run > 3 && steps_a_run == bind_counters(device).submits - first_submit);
    checker_runs = rounds;
    run_threads(fns, users, THREADS);
    assert_int_equal(bind_counters(device).submits - first_submit, steps_a_run * (uint64_t)(THREADS * rounds + 1));
    assert_true(WEFT_GPU_IN_FLIGHT % steps_a_run != 0);
    checker_runs = 1 + WEFT_GPU_IN_FLIGHT / (int)steps_a_run;
    bool stalls = thread_on || thread_layer.stall;
    if (!stalls) print_message("nothing stalls this device: no queue that is full in the middle of a run\n");
    for (int round = 0; stalls && round < (rounds + 2) / 3; round++, more += checker_runs) full_queue(s);
    for (int i = 0; i < THREADS; i++) {
        equals_alone(s[i], (uint64_t)i, (uint64_t)(rounds + more + (i == 0)), "beside others of its program");
        weft_session_destroy(&s[i]);
    }
}

// ---- cancelling ----------------------------------------------------------------------------------------------------

static void *waiting_thread(void *arg) {
    struct user *me = arg;
    weft_session *s = atomic_load(&me->session);
    uint64_t fence;
    for (int i = 0; i < 4 * rounds; i++) {
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
    for (int i = 0; i < 8 * rounds; i++) {
        weft_session_cancel(atomic_load(&users[bind_random(&seed, THREADS)].session));
        if (i % 8 == 0) weft_sleep(1e-4);
    }
    return NULL;
}

/// Whatever is cancelled when, exactly the runs that were accepted took place, once each.
static void cancelled_at_random(void **state) {
    (void)state;
    struct user *users = calloc(THREADS, sizeof *users);
    thread_fn fns[THREADS + 1];
    void *args[THREADS + 1];
    uint64_t before = bind_counters(device).submits, runs = 0;
    assert_non_null(users);
    for (int i = 0; i < THREADS; i++) {
        atomic_store(&users[i].session, own_inputs(false, (uint64_t)i));
        fns[i] = waiting_thread;
        args[i] = &users[i];
    }
    fns[THREADS] = cancel_thread;
    args[THREADS] = users;
    run_threads(fns, args, THREADS + 1);
    for (int i = 0; i < THREADS; i++) runs += users[i].runs;
    assert_int_equal(bind_counters(device).submits - before, runs);
    for (int i = 0; i < THREADS; i++) {
        weft_session *s = atomic_load(&users[i].session);
        weft_session_resume(s);
        equals_alone(s, (uint64_t)i, users[i].runs, "cancelled at random");
        weft_session_destroy(&s);
    }
    free(users);
}

// ---- the end -------------------------------------------------------------------------------------------------------

/// The last test: when sessions, buffers and programs are gone, nothing lives.
static void nothing_is_left(void **state) {
    (void)state;
    uint64_t bytes;
    assert_true(alive(&bytes));
    assert_true(bytes > 0); // the program: what lives is seen
    weft_buffer_destroy(&common);
    weft_program_destroy(&program);
    assert_true(alive(&bytes));
    assert_int_equal(bytes, 0);
    assert_int_equal(bind_counters(device).groups_live, 0);
}
#endif
