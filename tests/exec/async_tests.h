/// Compiling with progress, cancelled from other threads, and in a thread of its own beside runs, reads and other
/// compiles on one device: test_async.c on the null device, also under the thread sanitizer, test_gpu_async.c on
/// drivers, where results count. Public calls only.
#ifndef WEFT_TEST_ASYNC_TESTS_H
#define WEFT_TEST_ASYNC_TESTS_H
#include "api_graph.h"
#include "core/thread.h"
#include <stdatomic.h>
#include <stdlib.h>

static const char *async_on; ///< implementation; NULL: the configuration's
static weft_device *device;

enum { ASYNC_K = 512, ASYNC_ROWS = 8192 };

/// Two weights, one of which takes several pieces to load and is repacked; two schedules; some kernels. `kind` makes
/// kernels that others have not.
static const char *async_text(int kind) {
    static const char *const ops[] = {"silu", "gelu", "tanh", "sigmoid"};
    static _Thread_local char text[400];
    snprintf(text, sizeof text,
             "symbol T 1 64\ninput x f32 [T, 512]\nweight w q8_0 [8192, 512]\nweight v f32 [512]\n%%0 = mul %%x %%v\n"
             "%%1 = matmul %%0 %%w\n%%2 = %s %%1\n%%3 = softmax %%2\n%%4 = sum %%3\noutput %%2 y\noutput %%4 z\n",
             ops[kind % 4]);
    return text;
}

static float *async_v;
static uint8_t *async_w;
static struct weft_weight async_weights[2];

static void async_make_weights(void) {
    const size_t blocks = (size_t)ASYNC_ROWS * ASYNC_K / 32;
    async_v = calloc(ASYNC_K, sizeof *async_v);
    async_w = calloc(blocks, 34);
    assert_true(async_v && async_w);
    for (int i = 0; i < ASYNC_K; i++) async_v[i] = (float)(i % 3);
    for (size_t b = 0; b < blocks; b++) {
        async_w[b * 34 + 1] = 0x10; // 2^-11
        for (size_t i = 0; i < 32; i++) async_w[b * 34 + 2 + i] = (uint8_t)(b * 7 + i * 5);
    }
    async_weights[0] = (struct weft_weight){"w", async_w, blocks * 34};
    async_weights[1] = (struct weft_weight){"v", async_v, ASYNC_K * sizeof *async_v};
}

/// What a progress callback was told, and when it cancels.
struct heard {
    pthread_t thread;
    struct weft_cancel *cancel, own; ///< cancel NULL: own
    long cancel_at;                  ///< at which call; 0: never
    long calls, after;
    bool elsewhere, wrong;
    int stage;
    uint64_t done, total;
    unsigned stages; ///< ended wholly
};

static void hear(void *user, enum weft_progress_stage stage, uint64_t done, uint64_t total) {
    static const int order[] = {
        [WEFT_PROGRESS_OPEN] = 1, [WEFT_PROGRESS_PLAN] = 2, [WEFT_PROGRESS_WEIGHTS] = 3, [WEFT_PROGRESS_COMPILE] = 4};
    struct heard *h = user;
    h->elsewhere |= !pthread_equal(pthread_self(), h->thread);
    h->after += weft_cancel_is_set(&h->own);
    if (h->stage != (int)stage) { // the one before has ended
        h->wrong |= h->done != h->total || (h->stage >= 0 && order[stage] < order[h->stage]);
        h->done = 0;
        h->total = total;
        h->stage = (int)stage;
    }
    h->wrong |= done <= h->done || done > total || total != h->total;
    h->done = done;
    if (done == total) h->stages |= 1u << stage;
    if (++h->calls == h->cancel_at) weft_cancel_set(&h->own);
}

static struct heard hearing(long cancel_at) {
    return (struct heard){.thread = pthread_self(), .cancel_at = cancel_at, .stage = -1};
}

static weft_status async_compile(int kind, struct heard *h, weft_program **out) {
    static const int64_t split = 1;
    weft_graph *g = NULL;
    struct weft_program_compile_params params = {WEFT_SIZED(weft_program_compile_params),
                                                 .weights = async_weights,
                                                 .n_weights = 2,
                                                 .split_symbol = "T",
                                                 .split_at = &split,
                                                 .n_splits = 1,
                                                 .progress = h ? hear : NULL,
                                                 .progress_user = h,
                                                 .cancel = h && h->cancel ? h->cancel
                                                           : h            ? &h->own
                                                                          : NULL};
    weft_status status = weft_graph_parse_text(async_text(kind), strlen(async_text(kind)), &g);
    return status == WEFT_OK ? weft_program_compile(device, &g, &params, out) : status;
}

static int async_setup(void **state) {
    (void)state;
    weft_program *p;
    if (weft_device_open(&(struct weft_device_params){.implementation = async_on}, &device) != WEFT_OK) {
        print_error("%s\n", weft_error_message());
        return -1;
    }
    async_make_weights();
    api_must(async_compile(0, NULL, &p)); // tables and pieces of the device stay
    weft_program_destroy(&p);
    return 0;
}

static int async_teardown(void **state) {
    (void)state;
    weft_device_close(&device);
    free(async_v);
    free(async_w);
    return 0;
}

// ---- what a session shows ------------------------------------------------------------------------------------------

/// One row through a program; the sum of a softmax is 1, and y is the same each time.
static weft_status async_row(weft_session *s, float *y, float *z) {
    float x[ASYNC_K];
    for (int i = 0; i < ASYNC_K; i++) x[i] = (float)(i % 5 - 2);
    weft_status status = api_set_rows(s, 1);
    if (status == WEFT_OK) status = weft_session_write(s, "x", 0, x, sizeof x);
    if (status == WEFT_OK) status = weft_session_run(s, 1, NULL);
    if (status == WEFT_OK) status = weft_session_read(s, "y", 0, y, ASYNC_ROWS * sizeof *y);
    return status == WEFT_OK ? weft_session_read(s, "z", 0, z, sizeof *z) : status;
}

static weft_status async_use(weft_program *p, float *y, float *z) {
    weft_session *s = NULL;
    weft_status status = weft_session_create(p, NULL, &s);
    if (status == WEFT_OK) status = async_row(s, y, z);
    weft_session_destroy(&s);
    return status;
}

static bool is_one(float z) { return async_on ? z == 0 : fabsf(z - 1) < 1e-4f; } // the null device computes nothing

// ---- beside each other ---------------------------------------------------------------------------------------------

enum { COMPILERS = 3, CANCELLED = 2 }; // and which of them is cancelled now and then
static int async_rounds;
static atomic_int failures;
static atomic_bool over;
static const float *async_expected; ///< y of kind 0

/// cmocka's assertions are for the main thread: others note what fails.
static bool good(weft_status status) {
    if (status == WEFT_OK) return true;
    fprintf(stderr, "%s: %s\n", weft_status_name(status), weft_error_message());
    atomic_fetch_add(&failures, 1);
    return false;
}

static bool holds(bool condition, const char *what) {
    if (!condition) fprintf(stderr, "%s\n", what);
    atomic_fetch_add(&failures, !condition);
    return condition;
}

struct compiler {
    int number, finished, cancelled;
    struct weft_cancel cancel;
};

/// Compiles again and again; another thread may cancel it. What was not cancelled computes what it should.
static void *compiler_thread(void *arg) {
    struct compiler *me = arg;
    float *y = malloc(ASYNC_ROWS * sizeof *y), z;
    for (int i = 0; i < async_rounds && y; i++) {
        struct heard h = hearing(0);
        weft_program *p = NULL;
        h.cancel = &me->cancel;
        weft_cancel_clear(&me->cancel);
        weft_status status = async_compile(i + (me->number == 0), &h, &p);
        holds(!h.elsewhere && !h.wrong, "progress is out of order");
        if (status == WEFT_ERR_CANCELLED) {
            holds(p == NULL, "a program came out of a cancelled compile");
            me->cancelled++;
        } else if (good(status)) {
            me->finished++;
            if (good(async_use(p, y, &z))) holds(is_one(z), "a softmax does not sum to 1");
        }
        weft_program_destroy(&p);
    }
    free(y);
    return NULL;
}

static void *canceller_thread(void *arg) {
    struct compiler *c = arg;
    for (unsigned i = 0; !atomic_load(&over); i = i * 1103515245u + 12345u) {
        weft_sleep(1e-3 * (double)(i >> 16 & 63));
        weft_cancel_set(&c[CANCELLED].cancel);
    }
    return NULL;
}

static weft_session *async_session;
static int async_runs;

/// Runs and reads, blocking and not, as if nobody compiled.
static void *runner_thread(void *arg) {
    float *y = malloc(ASYNC_ROWS * sizeof *y), z;
    (void)arg;
    while (!atomic_load(&over) && y) {
        weft_pending pending;
        bool done = false;
        if (!good(async_row(async_session, y, &z))) break;
        holds(memcmp(y, async_expected, ASYNC_ROWS * sizeof *y) == 0, "a run beside compiles computes something else");
        if (!good(weft_session_run(async_session, 1, NULL))) break;
        if (!good(weft_session_read_async(async_session, "y", 0, ASYNC_ROWS * sizeof *y, &pending))) break;
        while (!done && good(weft_session_read_done(async_session, pending, &done))) weft_sleep(5e-5);
        good(weft_session_read_finish(async_session, &pending, y, ASYNC_ROWS * sizeof *y));
        holds(memcmp(y, async_expected, ASYNC_ROWS * sizeof *y) == 0, "a read beside compiles gives something else");
        async_runs++;
    }
    free(y);
    return NULL;
}

static void compiles_beside_runs(void **state) {
    (void)state;
    struct compiler c[COMPILERS] = {{0}};
    pthread_t t[COMPILERS], runner, canceller;
    weft_program *p;
    float *y = malloc(ASYNC_ROWS * sizeof *y), z;
    assert_non_null(y);
    api_must(async_compile(0, NULL, &p));
    api_must(async_use(p, y, &z));
    assert_true(is_one(z));
    async_expected = y;
    api_must(weft_session_create(p, NULL, &async_session));
    atomic_store(&failures, 0);
    atomic_store(&over, false);
    async_runs = 0;
    assert_int_equal(pthread_create(&runner, NULL, runner_thread, NULL), 0);
    for (int i = 0; i < COMPILERS; i++) {
        c[i].number = i;
        assert_int_equal(pthread_create(&t[i], NULL, compiler_thread, &c[i]), 0);
    }
    assert_int_equal(pthread_create(&canceller, NULL, canceller_thread, c), 0);
    for (int i = 0; i < COMPILERS; i++) pthread_join(t[i], NULL);
    atomic_store(&over, true);
    pthread_join(runner, NULL);
    pthread_join(canceller, NULL);
    assert_int_equal(atomic_load(&failures), 0);
    assert_true(async_runs > 0);
    for (int i = 0; i < COMPILERS; i++) {
        assert_int_equal(c[i].finished + c[i].cancelled, async_rounds);
        if (i != CANCELLED) assert_int_equal(c[i].cancelled, 0);
    }
    print_message("%d runs beside compiles, %d of %d cancelled\n", async_runs, c[CANCELLED].cancelled, async_rounds);
    weft_session_destroy(&async_session);
    weft_program_destroy(&p);
    free(y);
}
#endif
