// Threads that stand by: every job is done, whoever does it, and none begins behind its end.
#include "core/alloc.h"
#include "core/workers.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ITEMS = 100 };

struct job {
    atomic_int next, calls, done[ITEMS];
    atomic_bool ended, late;
};

static void take_items(void *user) {
    struct job *j = user;
    if (atomic_load(&j->ended)) atomic_store(&j->late, true);
    atomic_fetch_add(&j->calls, 1);
    for (int i; (i = atomic_fetch_add(&j->next, 1)) < ITEMS;) atomic_fetch_add(&j->done[i], 1);
}

static void test_jobs(void **state) {
    (void)state;
    static struct job jobs[200];
    for (int threads = 0; threads < 5; threads++) {
        struct weft_workers *w = weft_workers_create(threads);
        assert_int_equal(w != NULL, threads > 0);
        for (int k = 0; k < 200; k++) {
            jobs[k] = (struct job){0};
            weft_workers_begin(w, take_items, &jobs[k]);
            take_items(&jobs[k]);
            weft_workers_end(w);
            atomic_store(&jobs[k].ended, true);
        }
        weft_workers_destroy(w);
        for (int k = 0; k < 200; k++) {
            assert_in_range(jobs[k].calls, 1, threads + 1);
            assert_false(jobs[k].late);
            for (int i = 0; i < ITEMS; i++) assert_int_equal(jobs[k].done[i], 1);
        }
    }
}

static void test_nothing_to_do(void **state) {
    (void)state;
    int64_t live = weft_alloc_stats().live;
    struct weft_workers *w = weft_workers_create(3);
    weft_workers_end(w);
    weft_workers_destroy(w);
    weft_alloc_fail_at(1, 0);
    w = weft_workers_create(3);
    weft_alloc_fail_at(0, 0);
    assert_null(w);
    assert_null(weft_workers_create(-1));
    weft_workers_destroy(NULL);
    assert_int_equal(weft_alloc_stats().live, live);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_nothing_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
