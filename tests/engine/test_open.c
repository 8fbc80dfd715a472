/// Opening models with progress and cancelled, on the null device: wherever a cancel comes nothing is left, and the
/// next opening is as the first. What a model does later is cancelled by the same flag, and so is a compile beside it.
#include "core/alloc.h"
#include "core/cancel.h"
#include "core/thread.h"
#include "support/tiny_gemma3.h"
#include "weft/weft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/// Under the thread sanitizer opening takes long, so that what needs no threads is left out.
#ifdef __SANITIZE_THREAD__
enum { EACH = 0 };
#else
enum { EACH = 1 };
#endif

static weft_device *device;
static char path[64];

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s: %s", weft_status_name(status), weft_error_message());
}

static void cancelled(weft_status status) {
    if (status != WEFT_ERR_CANCELLED || !strstr(weft_error_message(), "cancelled by the caller"))
        fail_msg("%s: %s", weft_status_name(status), weft_error_message());
}

struct heard {
    pthread_t thread;
    struct weft_cancel cancel;
    long cancel_at, calls;
    int stages[16], n;
    uint64_t done, total;
    bool wrong;
};

static void hear(void *user, enum weft_progress_stage stage, uint64_t done, uint64_t total) {
    struct heard *h = user;
    h->wrong |= !pthread_equal(pthread_self(), h->thread);
    if (h->n == 0 || h->stages[h->n - 1] != (int)stage) {
        h->wrong |= h->done != h->total || h->n == 16;
        h->stages[h->n++ % 16] = (int)stage;
        h->done = 0;
        h->total = total;
    }
    h->wrong |= done <= h->done || done > total || total != h->total;
    h->done = done;
    if (++h->calls == h->cancel_at) weft_cancel_set(&h->cancel);
}

static weft_status open_file(const char *file, struct heard *h, bool lazy, weft_model **out) {
    struct weft_model_params params = {WEFT_SIZED(weft_model_params), .lazy = lazy, .progress = hear,
                                       .progress_user = h, .cancel = &h->cancel};
    h->thread = pthread_self();
    return weft_model_open(device, file, &params, out);
}

static weft_status open_model(struct heard *h, bool lazy, weft_model **out) { return open_file(path, h, lazy, out); }

static int setup(void **state) {
    (void)state;
    struct heard h = {0};
    weft_model *m;
    snprintf(path, sizeof path, "/tmp/weft-test-open-%ld.gguf", (long)getpid());
    assert_true(weft_tiny_gemma3_write(&(struct weft_tiny_gemma3){.n_layer = 3}, path));
    must(weft_device_open(&(struct weft_device_params){.implementation = "null"}, &device));
    must(open_model(&h, false, &m)); // tables and pieces of the device stay
    weft_model_close(&m);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weft_device_close(&device);
    unlink(path);
    return 0;
}

struct books {
    int64_t blocks;
    uint64_t bytes, buffers, groups;
};

static struct books count(void) {
    struct weft_device_counters c;
    must(weft_device_wait_idle(device));
    must(weft_device_counters(device, &c));
    return (struct books){weft_alloc_stats().live, c.bytes_live, c.buffers_live, c.groups_live};
}

static void balanced(const struct books *a, const char *where, long n) {
    struct books b = count();
    if (memcmp(a, &b, sizeof b) != 0)
        fail_msg("%s %ld: %lld blocks and %llu buffers were alive before, %lld and %llu are now", where, n,
                 (long long)a->blocks, (unsigned long long)a->buffers, (long long)b.blocks,
                 (unsigned long long)b.buffers);
}

// ---- progress ------------------------------------------------------------------------------------------------------

static void test_progress(void **state) {
    (void)state;
    static const int all[] = {WEFT_PROGRESS_OPEN, WEFT_PROGRESS_PLAN, WEFT_PROGRESS_WEIGHTS, WEFT_PROGRESS_COMPILE};
    for (int lazy = 0; lazy < 2; lazy++) {
        struct heard h = {0};
        weft_model *m;
        must(open_model(&h, lazy, &m));
        assert_int_equal(h.n, lazy ? 1 : 4);
        must(weft_model_prepare(m));
        assert_int_equal(h.n, 4);
        assert_memory_equal(h.stages, all, sizeof all);
        assert_false(h.wrong);
        assert_int_equal(h.done, h.total);
        weft_model_close(&m);
    }
}

// ---- cancelling ----------------------------------------------------------------------------------------------------

static void test_each_call(void **state) {
    (void)state;
    if (!EACH) skip();
    const struct books before = count();
    long n = 0;
    for (weft_status status = WEFT_ERR_CANCELLED; status != WEFT_OK;) {
        struct heard h = {.cancel_at = ++n};
        weft_model *m = (weft_model *)&h;
        status = open_model(&h, false, &m);
        assert_int_equal(h.calls, n); // the last one, whatever comes of it
        if (status != WEFT_OK) cancelled(status);
        else weft_model_close(&m);
        assert_null(m);
        balanced(&before, "call", n);
    }
    assert_true(n > 20); // weights among them
}

/// Files of other formats and tokenizers: each has loops of its own that look.
static void each_check(const char *file, long least) {
    const struct books before = count();
    long n = 0;
    for (weft_status status = WEFT_ERR_CANCELLED; status != WEFT_OK;) {
        struct heard h = {0};
        weft_model *m = NULL;
        weft_cancel_at((uint64_t)++n);
        status = open_file(file, &h, true, &m);
        weft_cancel_at(0);
        if (status != WEFT_OK) cancelled(status);
        weft_model_close(&m);
        balanced(&before, file, n);
    }
    print_message("%s: cancelled at %ld places\n", file, n - 1);
    if (n <= least) fail_msg("%s: %ld places only", file, n);
}

static void test_each_check_of_files(void **state) {
    (void)state;
    if (!EACH) skip();
    each_check(path, 4);
    each_check("models/llama.gguf", 4);
    each_check("models/gpt2.gguf", 4);
}

/// Of all that opening does; every 17th place, since each opens a model.
static void test_each_check(void **state) {
    (void)state;
    if (!EACH) skip();
    const struct books before = count();
    long n = 1;
    for (weft_status status = WEFT_ERR_CANCELLED; status != WEFT_OK; n += 17) {
        struct heard h = {0};
        weft_model *m = NULL;
        weft_cancel_at((uint64_t)n);
        status = open_model(&h, false, &m);
        weft_cancel_at(0);
        if (status != WEFT_OK) cancelled(status);
        weft_model_close(&m);
        balanced(&before, "check", n);
    }
    print_message("cancelled at about %ld places\n", n);
    assert_true(n > 300);
}

static void later(void) {
    static const char text[] = "some text that is long enough to be cut into two chunks of four tokens";
    struct heard h = {0};
    weft_model *m;
    struct weft_generate_stats stats;
    struct weft_cancel own = {0};
    struct weft_model_generate_params params = {.max_tokens = 4, .cancel = &own};
    const int32_t ids[] = {2, 5, 9};
    float *logits = malloc(3 * 300 * sizeof *logits);
    double figure;
    assert_non_null(logits);
    must(open_model(&h, true, &m));
    weft_cancel_set(&h.cancel);
    cancelled(weft_model_prepare(m));
    cancelled(weft_model_generate_ids(m, ids, 3, &params, &stats));
    cancelled(weft_model_perplexity(m, text, strlen(text), 4, 0, NULL, NULL, &figure));
    cancelled(weft_model_logits(m, ids, 3, logits));
    weft_cancel_clear(&h.cancel);
    weft_cancel_set(&own); // of this generation alone
    cancelled(weft_model_generate_ids(m, ids, 3, &params, &stats));
    must(weft_model_prepare(m));
    must(weft_model_generate_ids(m, ids, 3, &params, &stats));
    assert_int_equal(stats.reason, WEFT_STOP_CALLER);
    assert_int_equal(stats.new_tokens, 0);
    weft_cancel_clear(&own);
    must(weft_model_generate_ids(m, ids, 3, &params, &stats));
    assert_int_equal(stats.new_tokens, 4);
    weft_cancel_set(&h.cancel);
    must(weft_model_generate_ids(m, ids, 3, &params, &stats));
    assert_int_equal(stats.reason, WEFT_STOP_CALLER);
    weft_cancel_clear(&h.cancel);
    must(weft_model_perplexity(m, text, strlen(text), 4, 0, NULL, NULL, &figure));
    must(weft_model_logits(m, ids, 3, logits));
    weft_cancel_set(&h.cancel); // programs are there: it is the runs that end
    cancelled(weft_model_perplexity(m, text, strlen(text), 4, 0, NULL, NULL, &figure));
    cancelled(weft_model_logits(m, ids, 3, logits));
    weft_model_close(&m);
    free(logits);
}

/// The flag holds for what the model does later, until it is cleared; what was cancelled then works.
static void test_later(void **state) {
    (void)state;
    later(); // the ring of readbacks stays with the device
    const struct books before = count();
    later();
    balanced(&before, "later", 0);
}

// ---- beside each other ---------------------------------------------------------------------------------------------

enum { OPENERS = 3, ROUNDS = 4 };

struct opener {
    struct heard h;
    int opened, stopped, failed;
};

static void *opener_thread(void *arg) {
    struct opener *o = arg;
    for (int i = 0; i < ROUNDS; i++) {
        weft_model *m = NULL;
        struct weft_generate_stats stats;
        const int32_t ids[] = {2, 5, 9};
        o->h = (struct heard){.cancel_at = o->h.cancel_at};
        weft_status status = open_model(&o->h, false, &m);
        if (status == WEFT_OK)
            status = weft_model_generate_ids(m, ids, 3, &(struct weft_model_generate_params){.max_tokens = 6}, &stats);
        o->opened += status == WEFT_OK;
        o->stopped += status == WEFT_ERR_CANCELLED;
        o->failed += status != WEFT_OK && status != WEFT_ERR_CANCELLED;
        if (o->h.wrong || (status == WEFT_OK && stats.new_tokens != 6)) o->failed++;
        weft_model_close(&m);
    }
    return NULL;
}

/// Models are opened, used and closed by several threads of one device, and one of them is cancelled midway.
static void test_openers(void **state) {
    (void)state;
    struct opener o[OPENERS] = {{.h = {.cancel_at = 0}}, {.h = {.cancel_at = 0}}, {.h = {.cancel_at = 9}}};
    pthread_t t[OPENERS];
    const struct books before = count();
    for (int i = 0; i < OPENERS; i++) assert_int_equal(pthread_create(&t[i], NULL, opener_thread, &o[i]), 0);
    for (int i = 0; i < OPENERS; i++) pthread_join(t[i], NULL);
    for (int i = 0; i < OPENERS; i++) {
        assert_int_equal(o[i].failed, 0);
        assert_int_equal(i == 2 ? o[i].stopped : o[i].opened, ROUNDS);
    }
    struct books after = count();
    assert_int_equal(after.groups, before.groups);
    assert_true(after.blocks <= before.blocks + 8); // tables of the device may have grown
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress),   cmocka_unit_test(test_each_call),
        cmocka_unit_test(test_each_check), cmocka_unit_test(test_each_check_of_files),
        cmocka_unit_test(test_later),      cmocka_unit_test(test_openers),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
