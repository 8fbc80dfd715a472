// The validation layer when a device is opened again underneath it, and when memory is short, on the null device.
#include "gpu/gpu_test.h"
#include "gpu/null_world.h"

// ---- memory --------------------------------------------------------------------------------------------------------

// What was released and waits for work in flight is waited for before a buffer is refused; a second refusal counts.
static void test_waiting_memory(void **state) {
    (void)state;
    struct world w = open_world();
    uint64_t serial;
    weft_buf fresh;
    OK(run(&w, step_of(&w), &serial)); // in flight as far as the layer knows
    weft_buf_release(w.gpu, &w.b);
    weft_gpu_inject(w.gpu, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_BUFFER, 1);
    OK(weft_buf_create(w.gpu, 4096, WEFT_BUF_STORAGE, "fresh", &fresh));
    assert_int_equal(weft_gpu_injected(w.gpu), 2);
    weft_gpu_inject(w.gpu, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_BUFFER, 1);
    REFUSED(weft_buf_create(w.gpu, 4096, WEFT_BUF_STORAGE, "more", &fresh), WEFT_ERR_NOMEM, "'more'");
    assert_int_equal(weft_gpu_injected(w.gpu), 1); // nothing was waiting any more
    weft_gpu_close(&w.gpu);
}

// ---- a device opened again -----------------------------------------------------------------------------------------

static void test_reopen(void **state) {
    (void)state;
    struct world w = open_world();
    struct weft_gpu_counters before, after;
    uint64_t serial, again;
    weft_readback rb;
    uint32_t words[4];
    OK(run(&w, step_of(&w), &serial));
    OK(weft_readback_start(w.gpu, w.a, 0, 16, &rb));
    weft_gpu_counters(w.gpu, &before);
    weft_gpu_lose(w.gpu);
    REFUSED(weft_gpu_check(w.gpu), WEFT_ERR_LOST, "recover it");
    OK(weft_gpu_reopen(w.gpu));
    OK(weft_gpu_check(w.gpu));
    weft_gpu_counters(w.gpu, &after);
    assert_int_equal(after.buffers_made, before.buffers_made);
    assert_int_equal(after.submits, before.submits);
    assert_int_equal(after.buffers_live + after.buffer_bytes_live + after.groups_live, 0);
    // Every handle of before is stale, and the sentence has the reason.
    REFUSED(weft_buf_write(w.gpu, w.a, 0, words, 16), WEFT_ERR_STALE, "'a' went with the device");
    REFUSED(weft_readback_finish(w.gpu, &rb, words, 16), WEFT_ERR_STALE, "not outstanding");
    REFUSED(run(&w, step_of(&w), &again), WEFT_ERR_STALE, "no pipeline");
    weft_pipeline old = w.add;
    struct weft_pipeline_desc desc = add_desc();
    OK(weft_pipeline_get(w.gpu, &desc, &w.add));
    assert_int_equal(w.add.id, old.id);
    assert_int_not_equal(w.add.gen, old.gen);
    REFUSED(run(&w, step_of(&w), &again), WEFT_ERR_STALE, "its bind group went with the device");
    weft_buf stale = w.a;
    weft_buf_release(w.gpu, &w.a); // nothing to release any more
    OK(weft_buf_create(w.gpu, 4096, WEFT_BUF_STORAGE, "new", &w.a));
    assert_false(weft_buf_alive(w.gpu, stale));
    OK(weft_gpu_wait(w.gpu, serial, 0));
    weft_gpu_close(&w.gpu);
}

struct counted {
    struct weft_gpu_dependent dependent;
    int calls;
    weft_status answer;
    struct counted *before;
};

static weft_status remake(void *self, void *report) {
    struct counted *c = self;
    assert_true(!c->before || c->before->calls == c->calls + 1);
    c->calls++;
    ++*(int *)report;
    return c->answer == WEFT_OK ? WEFT_OK : weft_fail(c->answer, "dependent of rank %d", (int)c->dependent.rank);
}

// In the order of ranks, then of registration; behind a failure the others have their turn.
static void test_dependents(void **state) {
    (void)state;
    weft_gpu *gpu = open_null(false);
    struct counted c[4] = {{.dependent.rank = WEFT_GPU_RANK_SESSION},
                           {.dependent.rank = WEFT_GPU_RANK_WEIGHTS},
                           {.dependent.rank = WEFT_GPU_RANK_PROGRAM},
                           {.dependent.rank = WEFT_GPU_RANK_SESSION}};
    c[2].before = &c[1], c[0].before = &c[2], c[3].before = &c[0];
    for (int i = 0; i < 4; i++) {
        c[i].dependent.remake = remake;
        c[i].dependent.self = &c[i];
        weft_gpu_depend(gpu, &c[i].dependent);
    }
    size_t failed;
    int turns = 0;
    OK(weft_gpu_remake(gpu, &turns, &failed));
    assert_int_equal(turns, 4);
    c[1].answer = WEFT_ERR_NOMEM;
    c[0].answer = WEFT_ERR_LIMIT;
    REFUSED(weft_gpu_remake(gpu, &turns, &failed), WEFT_ERR_NOMEM, "rank 0");
    assert_int_equal(failed, 2);
    assert_int_equal(turns, 8);
    weft_gpu_undepend(gpu, &c[0].dependent);
    weft_gpu_undepend(gpu, &c[0].dependent); // twice is fine
    c[3].before = &c[2];
    c[1].answer = WEFT_OK;
    OK(weft_gpu_remake(gpu, &turns, &failed));
    assert_int_equal(c[0].calls, 2);
    assert_int_equal(c[3].calls, 3);
    weft_gpu_close(&gpu);
}

int main(void) {
    unsetenv("WEFT_LIMITS");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waiting_memory),
        cmocka_unit_test(test_reopen),
        cmocka_unit_test(test_dependents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
