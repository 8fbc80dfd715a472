// The layer on a real implementation and driver, chosen by WEFT_WEBGPU and the Vulkan loader's variables; also with
// WEFT_LIMITS=min. Without a device these tests fail, unless WEFT_TEST_ALLOW_NO_GPU is set.
#include "core/alloc.h"
#include "core/thread.h"
#include "gpu/gpu.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device_rig.h"

#define OK(e)                                                                                                          \
    do {                                                                                                               \
        weft_status ok_ = (e);                                                                                         \
        if (ok_ != WEFT_OK) fail_msg("%s: %s: %s", #e, weft_status_name(ok_), weft_error_message());                   \
    } while (0)

// y[i + offset] = x[i] * factor + offset for i < n
static const char scale_wgsl[] = "struct P { n: u32, factor: u32, offset: u32 }\n"
                                 "@group(0) @binding(0) var<uniform> p: P;\n"
                                 "@group(0) @binding(1) var<storage, read> x: array<u32>;\n"
                                 "@group(0) @binding(2) var<storage, read_write> y: array<u32>;\n"
                                 "@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) g: vec3<u32>) {\n"
                                 "  if (g.x < p.n) { y[g.x + p.offset] = x[g.x] * p.factor + p.offset; }\n"
                                 "}\n";

// y[i] += 1, many times over: work that takes a while
static const char slow_wgsl[] = "@group(0) @binding(0) var<storage, read_write> y: array<u32>;\n"
                                "@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) g: vec3<u32>) {\n"
                                "  for (var i = 0u; i < 200u; i++) { y[g.x] = y[g.x] * 3u + 1u; }\n"
                                "}\n";

static struct weft_pipeline_desc scale_desc(void) {
    return (struct weft_pipeline_desc){.label = "scale",
                                       .wgsl = scale_wgsl,
                                       .n_bindings = 3,
                                       .kinds = {WEFT_BIND_UNIFORM, WEFT_BIND_READ, WEFT_BIND_READ_WRITE},
                                       .uniform_size = 12,
                                       .workgroup = {64, 1, 1}};
}

struct scale {
    weft_buf u, x, y;
    weft_pipeline pipeline;
    weft_bindgroup group;
};

static struct scale scale_make(weft_gpu *g, uint32_t blocks, uint64_t words) {
    struct scale s;
    OK(weft_buf_create(g, 256 * (uint64_t)blocks, WEFT_BUF_UNIFORM, "arena", &s.u));
    OK(weft_buf_create(g, 4 * words, WEFT_BUF_STORAGE, "x", &s.x));
    OK(weft_buf_create(g, 4 * words, WEFT_BUF_STORAGE, "y", &s.y));
    struct weft_pipeline_desc d = scale_desc();
    OK(weft_pipeline_get(g, &d, &s.pipeline));
    struct weft_bind binds[] = {{s.u, 0, 16}, {s.x, 0, 4 * words}, {s.y, 0, 4 * words}};
    OK(weft_bindgroup_get(g, s.pipeline, binds, 3, &s.group));
    return s;
}

static void scale_free(weft_gpu *g, struct scale *s) {
    weft_buf_release(g, &s->u);
    weft_buf_release(g, &s->x);
    weft_buf_release(g, &s->y);
}

static uint32_t *iota(size_t n) {
    uint32_t *p = weft_alloc(n * sizeof *p);
    for (size_t i = 0; i < n; i++) p[i] = (uint32_t)i * 2654435761u;
    return p;
}

static void test_write_read(void **state) {
    (void)state;
    const size_t n = 9 << 20; // words: several chunks each way
    uint32_t *in = iota(n), *out = weft_calloc(n, sizeof *out);
    weft_buf b;
    OK(weft_buf_create(gpu, 4 * n, WEFT_BUF_STORAGE, "big", &b));
    OK(weft_buf_read(gpu, b, 4 * n - 64, out, 64));
    for (int i = 0; i < 16; i++) assert_int_equal(out[i], 0); // zeroed when made
    OK(weft_buf_write(gpu, b, 0, in, 4 * n));
    OK(weft_buf_read(gpu, b, 0, out, 4 * n));
    assert_memory_equal(in, out, 4 * n);
    OK(weft_buf_read(gpu, b, 1020, out, 4));
    assert_int_equal(out[0], in[255]);
    weft_buf_release(gpu, &b);
    weft_free(in);
    weft_free(out);
}

static void test_fill(void **state) {
    (void)state;
    const size_t n = 200000;
    uint32_t *out = weft_alloc(4 * n);
    weft_buf b;
    OK(weft_buf_create(gpu, 4 * n, WEFT_BUF_STORAGE, "filled", &b));
    OK(weft_buf_fill(gpu, b, 0, 4 * n, 0xa5a5a5a5));
    OK(weft_buf_fill(gpu, b, 4 * 70000, 4 * 3, 0));
    OK(weft_buf_fill(gpu, b, 4 * 70001, 4, 7));
    OK(weft_buf_read(gpu, b, 0, out, 4 * n));
    for (size_t i = 0; i < n; i++) assert_int_equal(out[i], i == 70001 ? 7 : i == 70000 || i == 70002 ? 0 : 0xa5a5a5a5);
    weft_buf_release(gpu, &b);
    weft_free(out);
}

// One hundred parameter blocks in one arena, one bind group, one submit.
static void test_dynamic_uniforms(void **state) {
    (void)state;
    enum { BLOCKS = 100, N = 37 };
    struct scale s = scale_make(gpu, BLOCKS, BLOCKS * N);
    uint32_t arena[BLOCKS * 64] = {0}, *x = iota(BLOCKS * N), out[BLOCKS * N];
    struct weft_gpu_step steps[BLOCKS];
    for (uint32_t i = 0; i < BLOCKS; i++) {
        arena[i * 64] = N, arena[i * 64 + 1] = i + 3, arena[i * 64 + 2] = i * N;
        steps[i] = (struct weft_gpu_step){s.pipeline, s.group, i * 256, {1, 1, 1}, "scale"};
    }
    OK(weft_buf_write(gpu, s.u, 0, arena, sizeof arena));
    OK(weft_buf_write(gpu, s.x, 0, x, sizeof out));
    uint64_t serial;
    OK(weft_gpu_submit(gpu, &(struct weft_gpu_submit){.steps = steps, .n_steps = BLOCKS}, &serial));
    OK(weft_gpu_wait(gpu, serial, 60));
    OK(weft_buf_read(gpu, s.y, 0, out, sizeof out));
    for (uint32_t i = 0; i < BLOCKS; i++)
        for (uint32_t j = 0; j < N; j++) assert_int_equal(out[i * N + j], x[j] * (i + 3) + i * N);
    scale_free(gpu, &s);
    weft_free(x);
}

static void test_copies(void **state) {
    (void)state;
    struct scale s = scale_make(gpu, 1, 64);
    uint32_t p[3] = {64, 2, 0}, in[64], out[64], after[64];
    for (uint32_t i = 0; i < 64; i++) in[i] = i + 1;
    weft_buf src, dst;
    OK(weft_buf_create(gpu, 256, WEFT_BUF_STORAGE, "src", &src));
    OK(weft_buf_create(gpu, 256, WEFT_BUF_READBACK, "dst", &dst));
    OK(weft_buf_write(gpu, s.u, 0, p, sizeof p));
    OK(weft_buf_write(gpu, src, 0, in, sizeof in));
    struct weft_gpu_step step = {s.pipeline, s.group, 0, {1, 1, 1}, "scale"};
    struct weft_gpu_copy before = {src, 0, s.x, 0, 256}, copies[] = {{s.y, 128, dst, 0, 128}, {src, 0, dst, 128, 128}};
    OK(weft_gpu_submit(gpu, &(struct weft_gpu_submit){&before, 1, &step, 1, copies, 2}, NULL));
    weft_readback rb;
    OK(weft_readback_start(gpu, dst, 0, 256, &rb)); // mapped as it is
    OK(weft_readback_finish(gpu, &rb, out, 256));
    for (uint32_t i = 0; i < 32; i++) {
        assert_int_equal(out[i], 2 * (i + 33));
        assert_int_equal(out[32 + i], i + 1);
    }
    OK(weft_gpu_submit(gpu, &(struct weft_gpu_submit){.after = copies, .n_after = 1}, NULL)); // usable again
    OK(weft_readback_start(gpu, dst, 64, 64, &rb));
    OK(weft_readback_finish(gpu, &rb, after, 64));
    assert_memory_equal(after, out + 16, 64);
    weft_buf_release(gpu, &src);
    weft_buf_release(gpu, &dst);
    scale_free(gpu, &s);
}

// More submits than may be in flight, each with a readback, finished in another order than started.
static void test_many_in_flight(void **state) {
    (void)state;
    enum { N = 60 };
    struct scale s = scale_make(gpu, N, 64);
    uint32_t one[64];
    weft_readback rb[N];
    uint64_t serials[N], finished = 0;
    for (int i = 0; i < 64; i++) one[i] = 1;
    OK(weft_buf_write(gpu, s.x, 0, one, sizeof one));
    for (uint32_t i = 0; i < N; i++) {
        uint32_t p[3] = {64, i * 5, 0};
        OK(weft_buf_write(gpu, s.u, i * 256, p, sizeof p));
        struct weft_gpu_step step = {s.pipeline, s.group, i * 256, {1, 1, 1}, "scale"};
        OK(weft_gpu_submit(gpu, &(struct weft_gpu_submit){.steps = &step, .n_steps = 1}, &serials[i]));
        if (i) assert_int_equal(serials[i], serials[i - 1] + 1);
        OK(weft_readback_start(gpu, s.y, 4 * (i % 64), 4, &rb[i]));
    }
    for (uint32_t j = 0; j < N; j++) {
        uint32_t i = (j * 7) % N, word = 0; // 7 and 60 have no common factor: each once
        OK(weft_readback_finish(gpu, &rb[i], &word, 4));
        assert_int_equal(word, i * 5);
    }
    OK(weft_gpu_wait(gpu, serials[N - 1], 60));
    OK(weft_gpu_poll(gpu, &finished));
    assert_true(finished >= serials[N - 1]);
    scale_free(gpu, &s);
}

static void test_bad_wgsl(void **state) {
    (void)state;
    struct weft_pipeline_desc d = scale_desc();
    weft_pipeline p = {9, 9};
    d.label = "broken kernel";
    d.wgsl = "@compute @workgroup_size(1) fn main() { let a = undeclared_name; }";
    assert_int_equal(weft_pipeline_get(gpu, &d, &p), WEFT_ERR_DEVICE);
    assert_non_null(strstr(weft_error_message(), "broken kernel"));
    assert_non_null(strstr(weft_error_message(), "undeclared_name"));
    assert_int_equal(p.id, 0);
    d.wgsl = scale_wgsl;
    d.entry = "no_such_entry";
    assert_int_equal(weft_pipeline_get(gpu, &d, &p), WEFT_ERR_DEVICE);
    // A layout that does not fit the kernel.
    d.entry = NULL;
    d.kinds[2] = WEFT_BIND_READ;
    assert_int_equal(weft_pipeline_get(gpu, &d, &p), WEFT_ERR_DEVICE);
    test_dynamic_uniforms(state); // the device lives on
}

// What only the implementation can notice: the kernel wants more bytes than are bound. Nothing may be submitted.
static void test_refused_encoding(void **state) {
    (void)state;
    struct weft_pipeline_desc d = {.label = "wide",
                                   .n_bindings = 1,
                                   .kinds = {WEFT_BIND_READ_WRITE},
                                   .workgroup = {1, 1, 1},
                                   .wgsl = "@group(0) @binding(0) var<storage, read_write> y: array<vec4<u32>, 64>;\n"
                                           "@compute @workgroup_size(1) fn main() { y[0].x = 1u; }"};
    weft_pipeline p;
    weft_buf b;
    weft_bindgroup g;
    OK(weft_pipeline_get(gpu, &d, &p));
    OK(weft_buf_create(gpu, 1024, WEFT_BUF_STORAGE, "small", &b));
    struct weft_bind bind = {b, 0, 64};
    OK(weft_bindgroup_get(gpu, p, &bind, 1, &g));
    struct weft_gpu_step step = {p, g, 0, {1, 1, 1}, "wide"};
    uint64_t serial = 77;
    assert_int_equal(weft_gpu_submit(gpu, &(struct weft_gpu_submit){.steps = &step, .n_steps = 1}, &serial),
                     WEFT_ERR_DEVICE);
    assert_int_equal(serial, 77);
    bind.size = 1024;
    OK(weft_bindgroup_get(gpu, p, &bind, 1, &step.group));
    OK(weft_gpu_submit(gpu, &(struct weft_gpu_submit){.steps = &step, .n_steps = 1}, &serial));
    uint32_t word;
    OK(weft_buf_read(gpu, b, 0, &word, 4));
    assert_int_equal(word, 1);
    weft_buf_release(gpu, &b);
}

static void test_released(void **state) {
    (void)state;
    struct scale s = scale_make(gpu, 1, 64);
    struct weft_gpu_step step = {s.pipeline, s.group, 0, {1, 1, 1}, "late"};
    uint64_t serial;
    OK(weft_gpu_submit(gpu, &(struct weft_gpu_submit){.steps = &step, .n_steps = 1}, &serial));
    weft_buf old = s.x;
    weft_readback rb;
    OK(weft_readback_start(gpu, s.x, 0, 16, &rb));
    weft_buf_release(gpu, &s.x); // in flight: freed later
    assert_int_equal(weft_gpu_submit(gpu, &(struct weft_gpu_submit){.steps = &step, .n_steps = 1}, &serial),
                     WEFT_ERR_STALE);
    assert_non_null(strstr(weft_error_message(), "late"));
    uint32_t word = 0;
    assert_int_equal(weft_buf_write(gpu, old, 0, &word, 4), WEFT_ERR_STALE);
    assert_int_equal(weft_buf_read(gpu, old, 0, &word, 4), WEFT_ERR_STALE);
    uint32_t data[4];
    OK(weft_readback_finish(gpu, &rb, data, 16)); // the copy was taken before
    // A buffer that is released while it is mapped itself.
    weft_buf back;
    OK(weft_buf_create(gpu, 64, WEFT_BUF_READBACK, "back", &back));
    OK(weft_readback_start(gpu, back, 0, 64, &rb));
    weft_buf_release(gpu, &back);
    assert_int_equal(weft_readback_finish(gpu, &rb, data, 16), WEFT_ERR_STALE);
    OK(weft_gpu_wait_idle(gpu));
    scale_free(gpu, &s);
}

struct worker {
    uint32_t factor;
    pthread_t thread;
    weft_status status;
    char why[300];
};

static weft_status work_loop(const struct worker *w) {
    struct scale s = scale_make(gpu, 8, 256);
    uint32_t in[256], out[256];
    weft_status status = WEFT_OK;
    for (uint32_t i = 0; i < 256; i++) in[i] = i;
    for (uint32_t r = 0; status == WEFT_OK && r < 30; r++) {
        uint32_t p[3] = {200, w->factor + r, 3};
        status = weft_buf_write(gpu, s.u, r % 8 * 256, p, sizeof p);
        if (status == WEFT_OK) status = weft_buf_write(gpu, s.x, 0, in, sizeof in);
        struct weft_gpu_step step = {s.pipeline, s.group, r % 8 * 256, {4, 1, 1}, "scale"};
        if (status == WEFT_OK)
            status = weft_gpu_submit(gpu, &(struct weft_gpu_submit){.steps = &step, .n_steps = 1}, NULL);
        if (status == WEFT_OK) status = weft_buf_read(gpu, s.y, 0, out, sizeof out);
        for (uint32_t i = 0; status == WEFT_OK && i < 200; i++)
            if (out[i + 3] != i * (w->factor + r) + 3) status = WEFT_ERR_INTERNAL;
    }
    scale_free(gpu, &s);
    return status;
}

static void *work(void *at) {
    struct worker *w = at;
    w->status = work_loop(w);
    snprintf(w->why, sizeof w->why, "%s", weft_error_message());
    return NULL;
}

static void *build_pipelines(void *at) {
    struct worker *w = at;
    for (uint32_t i = 0; w->status == WEFT_OK && i < 12; i++) {
        char text[200];
        snprintf(text, sizeof text,
                 "@group(0) @binding(0) var<storage, read_write> y: array<u32>;\n"
                 "@compute @workgroup_size(1) fn main() { y[0] = %uu; }",
                 i);
        struct weft_pipeline_desc d = {.label = "made aside",
                                       .wgsl = text,
                                       .n_bindings = 1,
                                       .kinds = {WEFT_BIND_READ_WRITE},
                                       .workgroup = {1, 1, 1}};
        weft_pipeline p;
        w->status = weft_pipeline_get(gpu, &d, &p);
    }
    snprintf(w->why, sizeof w->why, "%s", weft_error_message());
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    struct worker w[3] = {{.factor = 2}, {.factor = 1000}, {.factor = 0}};
    for (int i = 0; i < 3; i++) pthread_create(&w[i].thread, NULL, i < 2 ? work : build_pipelines, &w[i]);
    for (int i = 0; i < 3; i++) pthread_join(w[i].thread, NULL);
    for (int i = 0; i < 3; i++)
        if (w[i].status != WEFT_OK) fail_msg("thread %d: %s: %s", i, weft_status_name(w[i].status), w[i].why);
}

static void test_get_many(void **state) {
    (void)state;
    enum { N = 10 };
    char text[N][200];
    struct weft_pipeline_desc d[N];
    weft_pipeline p[N];
    for (uint32_t i = 0; i < N; i++) {
        snprintf(text[i], sizeof text[i],
                 "@group(0) @binding(0) var<storage, read_write> y: array<u32>;\n"
                 "@compute @workgroup_size(1) fn main() { y[%uu] = %uu; }",
                 i / 2, 100 + i / 2);
        d[i] = (struct weft_pipeline_desc){
            .label = "many", .wgsl = text[i], .n_bindings = 1, .kinds = {WEFT_BIND_READ_WRITE}, .workgroup = {1, 1, 1}};
    }
    OK(weft_pipeline_get_many(gpu, d, N, p, NULL, NULL));
    weft_buf y;
    weft_bindgroup g;
    OK(weft_buf_create(gpu, 64, WEFT_BUF_STORAGE, "y", &y));
    struct weft_bind bind = {y, 0, 64};
    OK(weft_bindgroup_get(gpu, p[0], &bind, 1, &g));
    struct weft_gpu_step steps[N];
    for (int i = 0; i < N; i++) {
        assert_int_equal(p[i].id, p[i / 2 * 2].id);
        steps[i] = (struct weft_gpu_step){p[i], g, 0, {1, 1, 1}, "many"}; // one group serves all of one layout
    }
    OK(weft_gpu_submit(gpu, &(struct weft_gpu_submit){.steps = steps, .n_steps = N}, NULL));
    uint32_t out[5];
    OK(weft_buf_read(gpu, y, 0, out, sizeof out));
    for (uint32_t i = 0; i < 5; i++) assert_int_equal(out[i], 100 + i);
    weft_buf_release(gpu, &y);
    // One bad kernel among them: its message comes back, and the others are still to be had.
    d[3].wgsl = "fn";
    d[3].label = "the bad one";
    strcat(text[4], " // new");
    assert_int_equal(weft_pipeline_get_many(gpu, d, N, p, NULL, NULL), WEFT_ERR_DEVICE);
    assert_non_null(strstr(weft_error_message(), "the bad one"));
    OK(weft_pipeline_get_many(gpu, d + 4, N - 4, p, NULL, NULL));
}

static void test_limits(void **state) {
    (void)state;
    const struct weft_gpu_caps *c = weft_gpu_caps(gpu);
    const char *limits = getenv("WEFT_LIMITS");
    assert_true(c->max_storage_buffers >= 8 && c->max_invocations >= 256 && c->workgroup_memory >= 16384);
    assert_true(c->offset_align <= 256 && c->max_binding >= (uint64_t)128 << 20);
    assert_true(!c->subgroups || (c->subgroup_min > 0 && c->subgroup_max >= c->subgroup_min));
    if (limits && strcmp(limits, "min") == 0) {
        assert_false(c->f16 || c->subgroups || c->dot4 || c->timestamps || c->n_matrix_configs);
        assert_int_equal(c->max_storage_buffers, 8);
        assert_int_equal(c->workgroup_memory, 16384);
    }
    weft_buf b;
    if (c->max_buffer < UINT64_MAX / 2)
        assert_int_equal(weft_buf_create(gpu, c->max_buffer + 16, WEFT_BUF_STORAGE, "too large", &b), WEFT_ERR_LIMIT);
}

// Kernels of the features that the capabilities promise.
static void test_features(void **state) {
    (void)state;
    const struct weft_gpu_caps *c = weft_gpu_caps(gpu);
    static const char body[] = "@group(0) @binding(0) var<storage, read_write> y: array<u32>;\n"
                               "@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {\n";
    struct {
        bool on;
        const char *head, *line;
    } cases[] = {
        {c->f16, "enable f16;\n", "let h = f16(y[i]) * 2.0h; y[i] = u32(h); }"},
        {c->subgroups, c->wgsl_enable_subgroups ? "enable subgroups;\n" : "", "y[i] = subgroupAdd(1u); }"},
        {c->dot4, "", "y[i] = u32(dot4I8Packed(0x01010101u, 0x01020304u)); }"},
    };
    for (size_t k = 0; k < 3; k++) {
        char text[600];
        snprintf(text, sizeof text, "%s%s%s", cases[k].head, body, cases[k].line);
        struct weft_pipeline_desc d = {.label = "feature",
                                       .wgsl = text,
                                       .n_bindings = 1,
                                       .kinds = {WEFT_BIND_READ_WRITE},
                                       .workgroup = {64, 1, 1}};
        weft_pipeline p;
        if (!cases[k].on) continue;
        OK(weft_pipeline_get(gpu, &d, &p));
        weft_buf y;
        weft_bindgroup g;
        uint32_t out[64];
        OK(weft_buf_create(gpu, 256, WEFT_BUF_STORAGE, "y", &y));
        OK(weft_buf_fill(gpu, y, 0, 256, 21));
        struct weft_bind bind = {y, 0, 256};
        OK(weft_bindgroup_get(gpu, p, &bind, 1, &g));
        struct weft_gpu_step step = {p, g, 0, {1, 1, 1}, "feature"};
        OK(weft_gpu_submit(gpu, &(struct weft_gpu_submit){.steps = &step, .n_steps = 1}, NULL));
        OK(weft_buf_read(gpu, y, 0, out, 256));
        if (k == 1) assert_true(out[0] >= c->subgroup_min && out[0] <= c->subgroup_max);
        else assert_int_equal(out[63], k == 0 ? 42 : 10);
        weft_buf_release(gpu, &y);
    }
}

static void test_steady(void **state) {
    (void)state;
    struct scale s = scale_make(gpu, 4, 64);
    struct weft_gpu_step step = {s.pipeline, s.group, 256, {1, 1, 1}, "scale"};
    struct weft_gpu_counters before = {0}, after;
    uint64_t calls = 0;
    uint32_t data[64] = {0};
    for (int i = 0; i < 60; i++) {
        if (i == 20) {
            weft_gpu_counters(gpu, &before);
            calls = weft_alloc_stats().calls;
        }
        OK(weft_buf_write(gpu, s.u, 256, data, 12));
        OK(weft_gpu_submit(gpu, &(struct weft_gpu_submit){.steps = &step, .n_steps = 1}, NULL));
        if (i % 3 == 0) OK(weft_buf_read(gpu, s.y, 0, data, sizeof data));
    }
    weft_gpu_counters(gpu, &after);
    assert_int_equal(after.allocs, before.allocs);
    assert_int_equal(after.buffers_made, before.buffers_made);
    assert_int_equal(after.groups_made, before.groups_made);
    assert_int_equal(weft_alloc_stats().calls, calls);
    assert_int_equal(after.dispatches - before.dispatches, 40);
    scale_free(gpu, &s);
}

// Closing waits for work in flight and outstanding readbacks, and frees everything.
static void test_close_in_flight(void **state) {
    (void)state;
    for (int round = 0; round < 3; round++) {
        weft_gpu *own;
        OK(weft_gpu_open(NULL, &own));
        struct weft_pipeline_desc d = {.label = "slow",
                                       .wgsl = slow_wgsl,
                                       .n_bindings = 1,
                                       .kinds = {WEFT_BIND_READ_WRITE},
                                       .workgroup = {64, 1, 1}};
        weft_pipeline p;
        weft_buf y;
        weft_bindgroup g;
        weft_readback rb;
        OK(weft_pipeline_get(own, &d, &p));
        OK(weft_buf_create(own, 4 << 16, WEFT_BUF_STORAGE, "y", &y));
        struct weft_bind bind = {y, 0, 4 << 16};
        OK(weft_bindgroup_get(own, p, &bind, 1, &g));
        struct weft_gpu_step step = {p, g, 0, {1 << 10, 1, 1}, "slow"};
        for (int i = 0; i < 8; i++)
            OK(weft_gpu_submit(own, &(struct weft_gpu_submit){.steps = &step, .n_steps = 1}, NULL));
        OK(weft_readback_start(own, y, 0, 64, &rb));
        if (round == 1) weft_buf_release(own, &y);
        weft_gpu_close(&own);
        assert_null(own);
    }
}

static void test_profile(void **state) {
    (void)state;
    weft_gpu *own;
    struct weft_gpu_params params = {.profile = true};
    OK(weft_gpu_open(&params, &own));
    struct weft_gpu_profile_row *rows;
    size_t count;
    if (!weft_gpu_caps(own)->timestamps) {
        assert_int_equal(weft_gpu_profile(own, &rows, &count, false), WEFT_ERR_UNSUPPORTED);
        weft_gpu_close(&own);
        return;
    }
    enum { STEPS = 150 };
    struct scale s = scale_make(own, 1, 64);
    uint32_t p[3] = {64, 1, 0};
    OK(weft_buf_write(own, s.u, 0, p, sizeof p));
    for (int r = 0; r < 20; r++) {
        struct weft_gpu_step steps[STEPS];
        char first[8] = "first", other[8] = "other"; // labels need not outlive the call
        for (int i = 0; i < STEPS; i++)
            steps[i] = (struct weft_gpu_step){s.pipeline, s.group, 0, {1, 1, i % 3 ? 1 : 0}, i == 1 ? first : other};
        OK(weft_gpu_submit(own, &(struct weft_gpu_submit){.steps = steps, .n_steps = STEPS}, NULL));
        memset(first, 0, sizeof first), memset(other, 0, sizeof other);
    }
    OK(weft_gpu_wait_idle(own));
    uint64_t first = 0, other = 0;
    double seconds = 0;
    for (int tries = 0; tries < 1000 && first + other < 20 * STEPS * 2 / 3; tries++) {
        OK(weft_gpu_profile(own, &rows, &count, false));
        first = other = 0, seconds = 0;
        for (size_t i = 0; i < count; i++) {
            *(strcmp(rows[i].label, "first") == 0 ? &first : &other) += rows[i].count;
            seconds += rows[i].seconds;
        }
        weft_free(rows);
    }
    assert_int_equal(first, 20);
    assert_int_equal(other, 20 * (STEPS * 2 / 3 - 1));
    assert_true(seconds > 0);
    OK(weft_gpu_profile(own, &rows, &count, true));
    weft_free(rows);
    OK(weft_gpu_profile(own, &rows, &count, false));
    assert_int_equal(count, 0);
    weft_free(rows);
    struct weft_gpu_counters c;
    weft_gpu_counters(own, &c);
    assert_int_equal(c.passes, 20 * STEPS * 2 / 3);
    weft_gpu_close(&own);
}

static void test_robust(void **state) {
    (void)state;
    weft_gpu *saved = gpu;
    struct weft_gpu_params params = {.keep_robustness = true};
    OK(weft_gpu_open(&params, &gpu));
    test_dynamic_uniforms(state);
    weft_gpu_close(&gpu);
    gpu = saved;
}

static void test_no_leaks(void **state) {
    (void)state;
    weft_gpu *own;
    OK(weft_gpu_open(NULL, &own)); // libraries stay loaded, so a first time is not counted
    weft_gpu_close(&own);
    int64_t live = weft_alloc_stats().live;
    OK(weft_gpu_open(NULL, &own));
    struct scale s = scale_make(own, 2, 256);
    uint32_t word;
    OK(weft_buf_read(own, s.y, 0, &word, 4));
    weft_gpu_close(&own);
    assert_int_equal(weft_alloc_stats().live, live);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),           cmocka_unit_test(test_features),
        cmocka_unit_test(test_write_read),       cmocka_unit_test(test_fill),
        cmocka_unit_test(test_dynamic_uniforms), cmocka_unit_test(test_copies),
        cmocka_unit_test(test_many_in_flight),   cmocka_unit_test(test_bad_wgsl),
        cmocka_unit_test(test_refused_encoding), cmocka_unit_test(test_released),
        cmocka_unit_test(test_threads),          cmocka_unit_test(test_get_many),
        cmocka_unit_test(test_steady),           cmocka_unit_test(test_close_in_flight),
        cmocka_unit_test(test_profile),          cmocka_unit_test(test_robust),
        cmocka_unit_test(test_no_leaks),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
