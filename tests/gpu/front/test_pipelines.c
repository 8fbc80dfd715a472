// Pipelines that several threads ask for at once: each is made once; progress comes from the caller's thread; and who
// waits for another goes on with what that one gave up. The device is a null device whose pipelines wait at a gate.
#include "../null_world.h"

#include "core/thread.h"
#include "gpu/front/front.h"
#include <stdio.h>

enum { N = 12 };

static struct weft_gpu_backend gated;
static weft_status (*make_plainly)(void *dev, void *layout, const struct weft_pipeline_desc *desc, void **out);
static atomic_bool gate;                 // shut while true
static atomic_int at_gate, made, pauses; // pauses: of who waits
static atomic_int fails;                 // the next so many makes

static weft_status make_gated(void *dev, void *layout, const struct weft_pipeline_desc *desc, void **out) {
    atomic_fetch_add(&at_gate, 1);
    while (atomic_load(&gate)) weft_sleep(1e-4);
    atomic_fetch_add(&made, 1);
    if (atomic_fetch_sub(&fails, 1) > 0) return weft_fail(WEFT_ERR_DEVICE, "a test asked for it");
    return make_plainly(dev, layout, desc, out);
}

static void count_pauses(double seconds) {
    atomic_fetch_add(&pauses, 1);
    weft_gpu_pause_native(seconds);
}

static weft_gpu *open_gated(bool shut) {
    weft_gpu *gpu = open_null(false);
    gated = *gpu->backend;
    make_plainly = gated.pipeline_make;
    gated.pipeline_make = make_gated;
    gpu->backend = &gated;
    gpu->pause = count_pauses;
    atomic_store(&gate, shut);
    atomic_store(&at_gate, 0);
    atomic_store(&made, 0);
    atomic_store(&pauses, 0);
    atomic_store(&fails, 0);
    return gpu;
}

struct asker {
    weft_gpu *gpu;
    struct weft_cancel cancel;
    pthread_t thread;
    weft_status status;
    char why[200];
    size_t last;
    bool elsewhere, falls;
    size_t end_at; // cancels itself when so many are there
    weft_pipeline out[N];
};

static void on_progress(void *user, size_t done, size_t total) {
    struct asker *a = user;
    a->elsewhere |= !pthread_equal(pthread_self(), a->thread);
    a->falls |= done <= a->last || done > total || total != N;
    a->last = done;
    if (a->end_at && done >= a->end_at) weft_cancel_set(&a->cancel);
}

static void *ask(void *user) {
    static const char *const texts[N] = {"//0", "//1", "//2", "//3", "//4", "//5", "//6", "//7", "//8", "//9"};
    struct asker *a = user;
    struct weft_pipeline_desc d[N];
    struct weft_cancel_scope scope;
    a->thread = pthread_self();
    for (int i = 0; i < N; i++) {
        d[i] = add_desc();
        d[i].wgsl = texts[i % 10]; // the last two are there already
    }
    weft_cancel_begin(&scope, &a->cancel);
    a->status = weft_pipeline_get_many(a->gpu, d, N, a->out, on_progress, a);
    weft_cancel_end(&scope);
    snprintf(a->why, sizeof a->why, "%s", a->status == WEFT_OK ? "" : weft_error_message());
    return NULL;
}

static pthread_t begin(struct asker *a) {
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, ask, a), 0);
    return t;
}

static void wait_for(atomic_int *n, int least) {
    while (atomic_load(n) < least) weft_sleep(1e-4);
}

static void got_all(const struct asker *a) {
    assert_int_equal(a->status, WEFT_OK);
    assert_int_equal(a->last, N);
    assert_false(a->elsewhere || a->falls);
    for (int i = 0; i < N; i++) assert_true(a->out[i].id != 0);
}

static void test_each_is_made_once(void **state) {
    (void)state;
    weft_gpu *gpu = open_gated(true);
    struct asker a = {.gpu = gpu}, b = {.gpu = gpu};
    pthread_t t = begin(&a);
    wait_for(&at_gate, 1);
    pthread_t u = begin(&b);
    wait_for(&pauses, 1); // it waits for the other
    atomic_store(&gate, false);
    pthread_join(t, NULL);
    pthread_join(u, NULL);
    got_all(&a);
    got_all(&b);
    assert_int_equal(atomic_load(&made), 10);
    assert_memory_equal(a.out, b.out, sizeof a.out);
    weft_gpu_close(&gpu);
}

// Who gives up leaves the rest to the one that waits, whatever made it give up.
static void test_who_waits_goes_on(void **state) {
    (void)state;
    for (int failure = 0; failure < 2; failure++) {
        weft_gpu *gpu = open_gated(true);
        struct asker a = {.gpu = gpu}, b = {.gpu = gpu};
        pthread_t t = begin(&a);
        wait_for(&at_gate, 1);
        pthread_t u = begin(&b);
        wait_for(&pauses, 1);
        if (failure) atomic_store(&fails, 1);
        else weft_cancel_set(&a.cancel);
        atomic_store(&gate, false);
        pthread_join(t, NULL);
        pthread_join(u, NULL);
        got_all(&b);
        if (!failure && a.status == WEFT_OK) {
            assert_true(weft_cpu_count() >= 10); // each was at its gate before the cancel
            got_all(&a);
        } else {
            assert_int_equal(a.status, failure ? WEFT_ERR_DEVICE : WEFT_ERR_CANCELLED);
            assert_non_null(strstr(a.why, failure ? "a test asked" : "cancelled by the caller"));
            for (int i = 0; i < N; i++) assert_int_equal(a.out[i].id, 0);
        }
        assert_int_equal(atomic_load(&made), 10 + failure);
        weft_gpu_close(&gpu);
    }
}

// Who waits for another can be cancelled there; the other does not notice.
static void test_who_waits_is_cancelled(void **state) {
    (void)state;
    weft_gpu *gpu = open_gated(true);
    struct asker a = {.gpu = gpu}, b = {.gpu = gpu};
    pthread_t t = begin(&a);
    wait_for(&at_gate, 1);
    pthread_t u = begin(&b);
    wait_for(&pauses, 1);
    weft_cancel_set(&b.cancel);
    pthread_join(u, NULL);
    assert_int_equal(b.status, WEFT_ERR_CANCELLED);
    assert_non_null(strstr(b.why, "while waiting"));
    atomic_store(&gate, false);
    pthread_join(t, NULL);
    got_all(&a);
    weft_gpu_close(&gpu);
}

// Cancelled at each count: those that were made stay, and asking again makes the rest.
static void test_cancelled_at_each(void **state) {
    (void)state;
    for (size_t n = 1; n <= N; n++) {
        weft_gpu *gpu = open_gated(false);
        struct asker a = {.gpu = gpu, .end_at = n}, b = {.gpu = gpu};
        ask(&a);
        int first = atomic_load(&made); // a machine of many processors may be through with all of them
        if (first < 10 || a.status != WEFT_OK) assert_int_equal(a.status, WEFT_ERR_CANCELLED);
        ask(&b);
        got_all(&b);
        assert_int_equal(atomic_load(&made), 10);
        assert_true(first >= (int)(n > 10 ? 10 : n));
        weft_gpu_close(&gpu);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_is_made_once),
        cmocka_unit_test(test_who_waits_goes_on),
        cmocka_unit_test(test_who_waits_is_cancelled),
        cmocka_unit_test(test_cancelled_at_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
