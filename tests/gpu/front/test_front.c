// The validation layer's checks and counters, on the null device: every rule with a case that must be refused.
#include "gpu/gpu_test.h"
#include "gpu/null_world.h"

static void test_open(void **state) {
    (void)state;
    weft_gpu *gpu = open_null(false);
    assert_string_equal(weft_gpu_caps(gpu)->implementation, "null");
    weft_gpu_close(&gpu);
    assert_null(gpu);
    weft_gpu_close(&gpu);
    struct weft_gpu_params params = {.implementation = "null", .adapter = 1};
    REFUSED(weft_gpu_open(&params, &gpu), WEFT_ERR_NOT_FOUND, "adapter");
    params = (struct weft_gpu_params){.implementation = "/nowhere/libwebgpu.so"};
    REFUSED(weft_gpu_open(&params, &gpu), WEFT_ERR_NOT_FOUND, "/nowhere/libwebgpu.so");
    params.implementation = "libc.so.6"; // a library, but none for WebGPU
    REFUSED(weft_gpu_open(&params, &gpu), WEFT_ERR_NOT_FOUND, "wgpuCreateInstance");
    assert_null(gpu);
}

static void test_buffers(void **state) {
    (void)state;
    struct world w = open_world();
    weft_buf none = {0}, big, rb;
    assert_int_equal(weft_buf_size(w.gpu, w.a), 4096);
    assert_false(weft_buf_alive(w.gpu, none));
    REFUSED(weft_buf_create(w.gpu, (uint64_t)5 << 30, WEFT_BUF_STORAGE, "huge", &big), WEFT_ERR_LIMIT, "huge");
    OK(weft_buf_create(w.gpu, 1, WEFT_BUF_STORAGE, NULL, &big));
    assert_int_equal(weft_buf_size(w.gpu, big), 16);
    uint32_t words[4] = {1, 2, 3, 4};
    OK(weft_buf_write(w.gpu, w.a, 4080, words, 16));
    REFUSED(weft_buf_write(w.gpu, w.a, 4084, words, 16), WEFT_ERR_INVALID, "outside buffer 'a'");
    REFUSED(weft_buf_write(w.gpu, w.a, UINT64_MAX - 3, words, 16), WEFT_ERR_INVALID, "outside");
    REFUSED(weft_buf_write(w.gpu, w.a, 2, words, 16), WEFT_ERR_INVALID, "multiples of 4");
    REFUSED(weft_buf_write(w.gpu, w.a, 0, words, 3), WEFT_ERR_INVALID, "multiples of 4");
    REFUSED(weft_buf_write(w.gpu, w.a, 0, NULL, 4), WEFT_ERR_INVALID, "no data");
    REFUSED(weft_buf_write(w.gpu, none, 0, words, 16), WEFT_ERR_STALE, "no buffer");
    REFUSED(weft_buf_fill(w.gpu, w.a, 0, 8192, 1), WEFT_ERR_INVALID, "outside");
    OK(weft_buf_fill(w.gpu, w.a, 0, 4096, 0xdeadbeef));
    OK(weft_buf_read(w.gpu, w.a, 4080, words, 16));
    for (int i = 0; i < 4; i++) assert_int_equal(words[i], 0);
    OK(weft_buf_create(w.gpu, 64, WEFT_BUF_READBACK, "back", &rb));
    REFUSED(weft_buf_write(w.gpu, rb, 0, words, 16), WEFT_ERR_INVALID, "reading back");
    weft_gpu_close(&w.gpu);
}

static void test_released(void **state) {
    (void)state;
    struct world w = open_world();
    struct weft_bind binds[] = {{w.uniform, 0, 64}, {w.a, 0, 4096}, {w.b, 0, 4096}};
    weft_buf old = w.a;
    uint64_t serial;
    weft_buf_release(w.gpu, &w.a);
    assert_int_equal(w.a.id, 0);
    assert_false(weft_buf_alive(w.gpu, old));
    REFUSED(run(&w, step_of(&w), &serial), WEFT_ERR_STALE, "buffer 'a' was released");
    REFUSED(weft_buf_write(w.gpu, old, 0, "abc", 4), WEFT_ERR_STALE, "'a' has been released");
    weft_bindgroup group;
    REFUSED(weft_bindgroup_get(w.gpu, w.add, binds, 3, &group), WEFT_ERR_STALE, "'a'");
    // The slot is used again: the old handle stays dead.
    weft_buf again;
    OK(weft_buf_create(w.gpu, 4096, WEFT_BUF_STORAGE, "again", &again));
    assert_int_equal(again.id, old.id);
    assert_int_not_equal(again.gen, old.gen);
    REFUSED(weft_buf_write(w.gpu, old, 0, "abc", 4), WEFT_ERR_STALE, "its place now holds 'again'");
    binds[1].buf = again;
    OK(weft_bindgroup_get(w.gpu, w.add, binds, 3, &group));
    REFUSED(run(&w, step_of(&w), &serial), WEFT_ERR_STALE, "sum");
    w.group = group;
    OK(run(&w, step_of(&w), &serial));
    weft_gpu_close(&w.gpu);
}

static void test_pipelines(void **state) {
    (void)state;
    weft_gpu *gpu = open_null(false);
    const struct weft_gpu_caps *caps = weft_gpu_caps(gpu);
    weft_pipeline p, q;
    struct weft_pipeline_desc d = add_desc(), e = add_desc();
    OK(weft_pipeline_get(gpu, &d, &p));
    e.label = "another label";
    OK(weft_pipeline_get(gpu, &e, &q));
    assert_memory_equal(&p, &q, sizeof p);
    e.wgsl = "// other text";
    OK(weft_pipeline_get(gpu, &e, &q));
    assert_int_not_equal(p.id, q.id);
    e = d, e.wgsl = NULL;
    REFUSED(weft_pipeline_get(gpu, &e, &q), WEFT_ERR_INVALID, "no WGSL");
    e = d, e.n_bindings = 17;
    REFUSED(weft_pipeline_get(gpu, &e, &q), WEFT_ERR_INVALID, "17 bindings");
    e = d, e.kinds[1] = 9;
    REFUSED(weft_pipeline_get(gpu, &e, &q), WEFT_ERR_INVALID, "no such kind");
    e = d, e.kinds[1] = WEFT_BIND_UNIFORM;
    REFUSED(weft_pipeline_get(gpu, &e, &q), WEFT_ERR_INVALID, "at most one");
    e = d, e.uniform_size = caps->max_uniform_binding + 1;
    REFUSED(weft_pipeline_get(gpu, &e, &q), WEFT_ERR_LIMIT, "uniform block");
    e = d, e.workgroup[1] = 0;
    REFUSED(weft_pipeline_get(gpu, &e, &q), WEFT_ERR_INVALID, "workgroup 64 x 0");
    e = d, e.workgroup[2] = caps->max_workgroup_z + 1;
    REFUSED(weft_pipeline_get(gpu, &e, &q), WEFT_ERR_LIMIT, "workgroup 64 x 1 x 65");
    e = d, e.workgroup[0] = 64, e.workgroup[1] = 17;
    REFUSED(weft_pipeline_get(gpu, &e, &q), WEFT_ERR_LIMIT, "1088 invocations");
    e = d, e.workgroup_memory = caps->workgroup_memory + 1;
    REFUSED(weft_pipeline_get(gpu, &e, &q), WEFT_ERR_LIMIT, "workgroup memory");
    e = d, e.n_bindings = 1 + caps->max_storage_buffers + 1;
    for (uint32_t i = 1; i < e.n_bindings; i++) e.kinds[i] = WEFT_BIND_READ;
    REFUSED(weft_pipeline_get(gpu, &e, &q), WEFT_ERR_LIMIT, "storage bindings");
    weft_gpu_close(&gpu);
}

static weft_status bind(const struct world *w, struct weft_bind x, struct weft_bind y) {
    struct weft_bind binds[] = {{w->uniform, 0, 64}, x, y};
    weft_bindgroup group;
    return weft_bindgroup_get(w->gpu, w->add, binds, 3, &group);
}

static void test_groups(void **state) {
    (void)state;
    struct world w = open_world();
    struct weft_bind y = {w.b, 0, 4096};
    OK(bind(&w, (struct weft_bind){w.a, 256, 4}, y));
    REFUSED(bind(&w, (struct weft_bind){w.a, 128, 4}, y), WEFT_ERR_INVALID, "binding 1: offset 128");
    REFUSED(bind(&w, (struct weft_bind){w.a, 0, 0}, y), WEFT_ERR_INVALID, "fewer");
    REFUSED(bind(&w, (struct weft_bind){w.a, 0, 6}, y), WEFT_ERR_INVALID, "multiples of 4");
    REFUSED(bind(&w, (struct weft_bind){w.a, 256, 4096}, y), WEFT_ERR_INVALID, "outside buffer 'a'");
    REFUSED(bind(&w, (struct weft_bind){w.uniform, 0, 64}, y), WEFT_ERR_INVALID, "not made for storage");
    REFUSED(bind(&w, (struct weft_bind){w.b, 0, 256}, (struct weft_bind){w.b, 2048, 256}), WEFT_ERR_INVALID,
            "bound read at 1 and read_write at 2");
    struct weft_bind two[] = {{w.a, 0, 64}, {w.b, 0, 64}, {w.b, 0, 64}, {w.b, 0, 64}};
    weft_bindgroup group;
    REFUSED(weft_bindgroup_get(w.gpu, w.add, two, 3, &group), WEFT_ERR_INVALID, "not made for uniform");
    REFUSED(weft_bindgroup_get(w.gpu, w.add, two, 2, &group), WEFT_ERR_INVALID, "has 3 bindings");
    two[0] = (struct weft_bind){w.uniform, 0, 60};
    REFUSED(weft_bindgroup_get(w.gpu, w.add, two, 3, &group), WEFT_ERR_INVALID, "fewer than the kernel needs (64)");
    REFUSED(weft_bindgroup_get(w.gpu, (weft_pipeline){99, 1}, two, 3, &group), WEFT_ERR_INVALID, "no pipeline");
    weft_buf large;
    OK(weft_buf_create(w.gpu, (uint64_t)3 << 30, WEFT_BUF_STORAGE, "large", &large));
    REFUSED(bind(&w, (struct weft_bind){large, 0, (uint64_t)3 << 30}, y), WEFT_ERR_LIMIT, "storage binding");
    OK(bind(&w, (struct weft_bind){large, (uint64_t)1 << 30, (uint64_t)2 << 30}, y));
    weft_gpu_close(&w.gpu);
}

// Two written ranges of a buffer: disjoint is fine, one byte in common is not; two read ranges may be the same.
static void test_overlap(void **state) {
    (void)state;
    struct world w = open_world();
    struct weft_pipeline_desc d = {.label = "two",
                                   .wgsl = "// two",
                                   .n_bindings = 2,
                                   .workgroup = {1, 1, 1},
                                   .kinds = {WEFT_BIND_READ_WRITE, WEFT_BIND_READ_WRITE}};
    weft_pipeline write2, read2;
    weft_bindgroup group;
    OK(weft_pipeline_get(w.gpu, &d, &write2));
    d.kinds[0] = d.kinds[1] = WEFT_BIND_READ;
    OK(weft_pipeline_get(w.gpu, &d, &read2));
    struct weft_bind disjoint[] = {{w.a, 0, 256}, {w.a, 256, 256}}, over[] = {{w.a, 0, 260}, {w.a, 256, 256}};
    struct weft_bind within[] = {{w.a, 0, 4096}, {w.a, 1024, 4}};
    OK(weft_bindgroup_get(w.gpu, write2, disjoint, 2, &group));
    REFUSED(weft_bindgroup_get(w.gpu, write2, over, 2, &group), WEFT_ERR_INVALID, "write overlapping ranges");
    REFUSED(weft_bindgroup_get(w.gpu, write2, within, 2, &group), WEFT_ERR_INVALID, "write overlapping ranges");
    OK(weft_bindgroup_get(w.gpu, read2, over, 2, &group));
    OK(weft_bindgroup_get(w.gpu, read2, within, 2, &group));
    weft_gpu_close(&w.gpu);
}

static void test_steps(void **state) {
    (void)state;
    struct world w = open_world();
    uint64_t serial = 0;
    struct weft_gpu_step s = step_of(&w);
    s.uniform_offset = 3 * 256;
    OK(run(&w, s, &serial));
    assert_int_equal(serial, 1);
    s.uniform_offset = 4 * 256;
    REFUSED(run(&w, s, &serial), WEFT_ERR_INVALID, "no room");
    s.uniform_offset = 64;
    REFUSED(run(&w, s, &serial), WEFT_ERR_INVALID, "'sum': uniform offset 64");
    s.uniform_offset = 0xffffff00;
    REFUSED(run(&w, s, &serial), WEFT_ERR_INVALID, "no room");
    s = step_of(&w), s.grid[1] = 65536;
    REFUSED(run(&w, s, &serial), WEFT_ERR_LIMIT, "65535");
    s = step_of(&w), s.pipeline = (weft_pipeline){0};
    REFUSED(run(&w, s, &serial), WEFT_ERR_STALE, "no pipeline");
    s = step_of(&w), s.group = (weft_bindgroup){7, 1};
    REFUSED(run(&w, s, &serial), WEFT_ERR_STALE, "no bind group");
    struct weft_pipeline_desc d = add_desc();
    d.n_bindings = 2, d.kinds[0] = WEFT_BIND_READ, d.kinds[1] = WEFT_BIND_READ_WRITE;
    s = step_of(&w);
    OK(weft_pipeline_get(w.gpu, &d, &s.pipeline));
    REFUSED(run(&w, s, &serial), WEFT_ERR_INVALID, "another layout");
    struct weft_bind binds[] = {{w.a, 0, 64}, {w.b, 0, 64}};
    OK(weft_bindgroup_get(w.gpu, s.pipeline, binds, 2, &s.group));
    s.uniform_offset = 256;
    REFUSED(run(&w, s, &serial), WEFT_ERR_INVALID, "no uniform block");
    s.uniform_offset = 0;
    OK(run(&w, s, &serial));
    assert_int_equal(serial, 2); // refused submits have no number
    weft_gpu_close(&w.gpu);
}

static weft_status copy(const struct world *w, struct weft_gpu_copy c) {
    return weft_gpu_submit(w->gpu, &(struct weft_gpu_submit){.after = &c, .n_after = 1}, NULL);
}

static void test_copies(void **state) {
    (void)state;
    struct world w = open_world();
    weft_buf back, dead = w.a;
    OK(weft_buf_create(w.gpu, 64, WEFT_BUF_READBACK, "back", &back));
    OK(copy(&w, (struct weft_gpu_copy){w.a, 0, w.b, 1024, 256}));
    OK(copy(&w, (struct weft_gpu_copy){w.a, 0, w.b, 0, 0}));
    REFUSED(copy(&w, (struct weft_gpu_copy){w.a, 0, w.a, 1024, 256}), WEFT_ERR_INVALID, "two buffers");
    REFUSED(copy(&w, (struct weft_gpu_copy){w.a, 2, w.b, 0, 256}), WEFT_ERR_INVALID, "copy from");
    REFUSED(copy(&w, (struct weft_gpu_copy){w.a, 0, w.b, 4092, 8}), WEFT_ERR_INVALID, "copy to");
    REFUSED(copy(&w, (struct weft_gpu_copy){back, 0, w.b, 0, 8}), WEFT_ERR_INVALID, "for reading back");
    OK(copy(&w, (struct weft_gpu_copy){w.a, 0, back, 0, 64}));
    weft_readback rb, second;
    OK(weft_readback_start(w.gpu, back, 0, 64, &rb));
    REFUSED(copy(&w, (struct weft_gpu_copy){w.a, 0, back, 0, 64}), WEFT_ERR_INVALID, "while it is being read");
    REFUSED(weft_readback_start(w.gpu, back, 0, 64, &second), WEFT_ERR_INVALID, "already");
    char data[64];
    OK(weft_readback_finish(w.gpu, &rb, data, 64));
    OK(copy(&w, (struct weft_gpu_copy){w.a, 0, back, 0, 64}));
    dead.gen++;
    REFUSED(copy(&w, (struct weft_gpu_copy){dead, 0, w.b, 0, 8}), WEFT_ERR_STALE, "copy from");
    weft_gpu_close(&w.gpu);
}

static void test_readbacks(void **state) {
    (void)state;
    struct world w = open_world();
    weft_readback rb[64], extra, old;
    char data[32];
    for (int i = 0; i < 64; i++) OK(weft_readback_start(w.gpu, w.a, 0, 16, &rb[i]));
    REFUSED(weft_readback_start(w.gpu, w.a, 0, 16, &extra), WEFT_ERR_LIMIT, "64 readbacks");
    bool ready = false;
    OK(weft_readback_ready(w.gpu, rb[3], &ready));
    assert_true(ready);
    old = rb[3];
    REFUSED(weft_readback_finish(w.gpu, &old, data, 32), WEFT_ERR_INVALID, "readback of 16 bytes");
    old = rb[3];
    memset(data, 1, sizeof data);
    OK(weft_readback_finish(w.gpu, &rb[3], data, 16));
    assert_int_equal(data[0] | data[15], 0);
    assert_int_equal(data[16], 1);
    assert_int_equal(rb[3].id, 0);
    REFUSED(weft_readback_ready(w.gpu, old, &ready), WEFT_ERR_STALE, "not outstanding");
    REFUSED(weft_readback_finish(w.gpu, &old, data, 16), WEFT_ERR_STALE, "not outstanding");
    OK(weft_readback_start(w.gpu, w.a, 0, 16, &extra));
    REFUSED(weft_readback_ready(w.gpu, old, &ready), WEFT_ERR_STALE, "not outstanding");
    weft_gpu_close(&w.gpu); // with readbacks outstanding
}

static void test_counters(void **state) {
    (void)state;
    struct world w = open_world();
    struct weft_gpu_counters c, d;
    weft_gpu_counters(w.gpu, &c);
    assert_int_equal(c.buffers_made, 3);
    assert_int_equal(c.buffers_live, 3);
    assert_int_equal(c.buffer_bytes_live, 1024 + 4096 + 4096);
    assert_int_equal(c.pipelines_made, 1);
    assert_int_equal(c.groups_made, 1);
    struct weft_bind binds[] = {{w.uniform, 0, 64}, {w.a, 0, 4096}, {w.b, 0, 4096}};
    weft_bindgroup again;
    OK(weft_bindgroup_get(w.gpu, w.add, binds, 3, &again));
    assert_memory_equal(&again, &w.group, sizeof again);
    struct weft_gpu_step steps[] = {step_of(&w), step_of(&w), step_of(&w)};
    steps[1].grid[2] = 0;
    struct weft_gpu_copy copies[] = {{w.a, 0, w.b, 0, 16}, {w.b, 0, w.a, 0, 16}};
    struct weft_gpu_submit s = {copies, 1, steps, 3, copies + 1, 1};
    uint32_t words[8] = {0};
    uint64_t serial, finished;
    OK(weft_gpu_submit(w.gpu, &s, &serial));
    OK(weft_gpu_submit(w.gpu, &(struct weft_gpu_submit){0}, &serial));
    OK(weft_buf_write(w.gpu, w.a, 0, words, 32));
    OK(weft_buf_read(w.gpu, w.a, 0, words, 16));
    OK(weft_gpu_poll(w.gpu, &finished));
    assert_int_equal(finished, 2);
    OK(weft_gpu_wait(w.gpu, serial, 0));
    REFUSED(weft_gpu_wait(w.gpu, serial + 1, 0), WEFT_ERR_INVALID, "only 2");
    weft_gpu_counters(w.gpu, &d);
    assert_int_equal(d.submits, 2);
    assert_int_equal(d.passes, 1);
    assert_int_equal(d.dispatches, 2);
    assert_int_equal(d.copies, 2);
    assert_int_equal(d.bytes_written, 32);
    assert_int_equal(d.bytes_read, 16);
    assert_int_equal(d.groups_made, 1);
    weft_buf_release(w.gpu, &w.b);
    weft_gpu_counters(w.gpu, &d);
    assert_int_equal(d.groups_live, 0);
    assert_int_equal(d.buffer_bytes_peak - 4096 - 1024 - 4096, 4096); // the ring's buffer came on top
    assert_int_equal(d.buffers_live, 3);                              // arena, a, the ring's
    weft_gpu_close(&w.gpu);
}

// In steady state nothing is allocated, neither by the layer's own count nor by the process.
static void test_steady(void **state) {
    (void)state;
    struct world w = open_world();
    struct weft_gpu_step step = step_of(&w);
    uint32_t words[4] = {0};
    struct weft_gpu_counters before, after;
    uint64_t calls = 0;
    for (int i = 0; i < 40; i++) {
        if (i == 2) {
            weft_gpu_counters(w.gpu, &before);
            calls = weft_alloc_stats().calls;
        }
        OK(weft_buf_write(w.gpu, w.uniform, 0, words, 16));
        OK(run(&w, step, NULL));
        OK(weft_buf_read(w.gpu, w.b, 0, words, 16));
    }
    weft_gpu_counters(w.gpu, &after);
    assert_int_equal(after.allocs, before.allocs);
    assert_int_equal(after.buffers_made, before.buffers_made);
    assert_int_equal(weft_alloc_stats().calls, calls);
    weft_gpu_close(&w.gpu);
}

static void test_limits_min(void **state) {
    (void)state;
    weft_gpu *gpu = open_null(true);
    const struct weft_gpu_caps *c = weft_gpu_caps(gpu);
    assert_false(c->f16 || c->subgroups || c->dot4 || c->timestamps || c->immediates || c->n_matrix_configs);
    assert_int_equal(c->max_storage_buffers, 8);
    assert_int_equal(c->max_groups, 65535);
    weft_buf buf;
    OK(weft_buf_create(gpu, (uint64_t)256 << 20, WEFT_BUF_STORAGE, "most", &buf));
    weft_buf more;
    REFUSED(weft_buf_create(gpu, ((uint64_t)256 << 20) + 1, WEFT_BUF_STORAGE, "more", &more), WEFT_ERR_LIMIT, "more");
    struct weft_pipeline_desc d = {.label = "k", .wgsl = "// k", .n_bindings = 9, .workgroup = {256, 1, 1}};
    for (int i = 0; i < 9; i++) d.kinds[i] = WEFT_BIND_READ;
    weft_pipeline p;
    REFUSED(weft_pipeline_get(gpu, &d, &p), WEFT_ERR_LIMIT, "allows 8");
    d.n_bindings = 1;
    d.workgroup_memory = 16384;
    OK(weft_pipeline_get(gpu, &d, &p));
    d.workgroup_memory = 16388;
    REFUSED(weft_pipeline_get(gpu, &d, &p), WEFT_ERR_LIMIT, "16388 bytes");
    d.workgroup_memory = 0;
    d.workgroup[0] = 257;
    REFUSED(weft_pipeline_get(gpu, &d, &p), WEFT_ERR_LIMIT, "257");
    struct weft_bind bind = {buf, 0, ((uint64_t)128 << 20) + 4};
    weft_bindgroup group;
    d.workgroup[0] = 256;
    OK(weft_pipeline_get(gpu, &d, &p));
    REFUSED(weft_bindgroup_get(gpu, p, &bind, 1, &group), WEFT_ERR_LIMIT, "storage binding");
    bind.size -= 4;
    OK(weft_bindgroup_get(gpu, p, &bind, 1, &group));
    weft_gpu_close(&gpu);
}

/// Progress rises and ends with all; it comes from the thread that made the call, which may miss what others make.
static void count_progress(void *user, size_t done, size_t total) {
    size_t *seen = user;
    assert_int_equal(total, 6);
    assert_true(done >= *seen && done <= total);
    *seen = done;
}

static void test_many(void **state) {
    (void)state;
    weft_gpu *gpu = open_null(false);
    struct weft_pipeline_desc d[6];
    weft_pipeline p[6];
    size_t seen = 0;
    for (int i = 0; i < 6; i++) d[i] = add_desc();
    d[1].wgsl = d[4].wgsl = "// second";
    d[2].entry = "other";
    OK(weft_pipeline_get_many(gpu, d, 6, p, count_progress, &seen));
    assert_int_equal(p[0].id, p[3].id);
    assert_int_equal(p[0].id, p[5].id);
    assert_int_equal(p[1].id, p[4].id);
    assert_int_not_equal(p[0].id, p[1].id);
    assert_int_not_equal(p[0].id, p[2].id);
    assert_int_equal(seen, 6);
    struct weft_gpu_counters c;
    weft_gpu_counters(gpu, &c);
    assert_int_equal(c.pipelines_made, 3);
    // One that is refused refuses the call, and the others can still be made.
    d[1].wgsl = "// third";
    d[3].workgroup[0] = 4096;
    REFUSED(weft_pipeline_get_many(gpu, d, 6, p, NULL, NULL), WEFT_ERR_LIMIT, "4096");
    assert_int_equal(p[0].id, 0);
    d[3].workgroup[0] = 64;
    OK(weft_pipeline_get_many(gpu, d, 6, p, NULL, NULL));
    OK(weft_pipeline_get_many(gpu, d, 0, p, NULL, NULL));
    weft_gpu_close(&gpu);
}

// Every allocation fails once; whatever happens, it is a status, and nothing leaks.
static void test_out_of_memory(void **state) {
    (void)state;
    for (uint64_t n = 1; n < 60; n++) {
        int64_t live = weft_alloc_stats().live;
        weft_gpu *gpu = NULL;
        weft_buf a = {0}, b = {0}, u = {0};
        weft_pipeline p;
        weft_bindgroup g;
        struct weft_gpu_params params = {.implementation = "null"};
        struct weft_pipeline_desc d = add_desc();
        weft_alloc_fail_at(n, 0);
        weft_status s = weft_gpu_open(&params, &gpu);
        if (s == WEFT_OK) s = weft_buf_create(gpu, 256, WEFT_BUF_STORAGE, "a", &a);
        if (s == WEFT_OK) s = weft_buf_create(gpu, 256, WEFT_BUF_STORAGE, "b", &b);
        if (s == WEFT_OK) s = weft_buf_create(gpu, 256, WEFT_BUF_UNIFORM, "u", &u);
        if (s == WEFT_OK) s = weft_pipeline_get(gpu, &d, &p);
        struct weft_bind binds[] = {{u, 0, 64}, {a, 0, 256}, {b, 0, 256}};
        if (s == WEFT_OK) s = weft_bindgroup_get(gpu, p, binds, 3, &g);
        struct weft_gpu_step step = {.pipeline = p, .group = g, .grid = {1, 1, 1}};
        if (s == WEFT_OK) s = weft_gpu_submit(gpu, &(struct weft_gpu_submit){.steps = &step, .n_steps = 1}, NULL);
        if (s == WEFT_OK) s = weft_buf_fill(gpu, a, 0, 256, 7);
        char data[16];
        if (s == WEFT_OK) s = weft_buf_read(gpu, a, 0, data, 16);
        weft_alloc_fail_at(0, 0);
        assert_true(s == WEFT_OK || s == WEFT_ERR_NOMEM);
        weft_gpu_close(&gpu);
        assert_int_equal(weft_alloc_stats().live, live);
    }
}

static void test_loss(void **state) {
    (void)state;
    struct world w = open_world();
    uint64_t serial;
    OK(run(&w, step_of(&w), &serial));
    weft_gpu_lose(w.gpu);
    REFUSED(run(&w, step_of(&w), &serial), WEFT_ERR_LOST, "a test asked for it");
    REFUSED(weft_gpu_poll(w.gpu, NULL), WEFT_ERR_LOST, "gone");
    REFUSED(weft_buf_write(w.gpu, w.a, 0, "abc", 4), WEFT_ERR_LOST, "gone");
    weft_buf_release(w.gpu, &w.a);
    weft_gpu_close(&w.gpu);
}

static void test_list(void **state) {
    (void)state;
    struct weft_gpu_found *rows;
    size_t count;
    struct weft_gpu_params params = {.implementation = "null"};
    OK(weft_gpu_list(&params, &rows, &count));
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        bool null = strcmp(rows[i].caps.implementation, "null") == 0;
        found |= null;
        assert_int_equal(rows[i].chosen, null);
        assert_true(rows[i].usable || rows[i].why[0]);
    }
    assert_true(found);
    weft_free(rows);
}

int main(void) {
    unsetenv("WEFT_LIMITS");
    // No driver is needed here, and none shall be looked into.
    setenv("VK_ICD_FILENAMES", "/nonexistent", 1);
    setenv("VK_DRIVER_FILES", "/nonexistent", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),      cmocka_unit_test(test_buffers),       cmocka_unit_test(test_released),
        cmocka_unit_test(test_pipelines), cmocka_unit_test(test_groups),        cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_steps),     cmocka_unit_test(test_copies),        cmocka_unit_test(test_readbacks),
        cmocka_unit_test(test_counters),  cmocka_unit_test(test_steady),        cmocka_unit_test(test_limits_min),
        cmocka_unit_test(test_many),      cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_loss),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
