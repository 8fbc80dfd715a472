/// Inputs and outputs bound to buffers of the user's and to host memory: same bits as with the session's own, whatever
/// is bound where, nothing written beside the ranges, and no pipeline for it.
#include "bind_graph.h"
#include "gpu/gpu.h"

static weft_device *device;
static weft_program *program;

static int setup(void **state) {
    (void)state;
    if (weft_device_open(NULL, &device) != WEFT_OK) {
        print_error("%s\n", weft_error_message());
        return -1;
    }
    program = bind_program(device, 0.25f);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weft_program_destroy(&program);
    weft_device_close(&device);
    return 0;
}

static uint64_t blocks(uint64_t bytes) { return (bytes + 255) / 256 * 256; }

/// A buffer for a tensor at the live sizes, all poison, with a block before and behind the range.
static weft_buffer *island(weft_session *s, const char *name) {
    uint64_t bytes = blocks(bind_bytes(s, name)) + 256;
    uint32_t *words = malloc(bytes + 256);
    weft_buffer *b;
    assert_non_null(words);
    for (uint64_t i = 0; i < (bytes + 256) / 4; i++) words[i] = 0x7fc0a7a7;
    api_must(weft_buffer_create(device, bytes + 256, &b));
    api_must(weft_buffer_write(b, 0, words, bytes + 256));
    free(words);
    return b;
}

static uint64_t at_least(uint64_t bytes) { return bytes ? bytes : 4; }

/// True if the blocks around the range are still poison.
static bool shores_dry(weft_buffer *b) {
    uint32_t words[64];
    uint64_t ends[] = {0, weft_buffer_size(b) - 256};
    for (int e = 0; e < 2; e++) {
        api_must(weft_buffer_read(b, ends[e], words, sizeof words));
        for (int i = 0; i < 64; i++)
            if (words[i] != 0x7fc0a7a7) return false;
    }
    return true;
}

// ---- bound as its own ----------------------------------------------------------------------------------------------

/// Ranges that are just large enough for the live size, at a place of their own in each buffer.
static void islands(void **state) {
    (void)state;
    static const int64_t sizes[] = {64, 1, 16, 1, 64, 0, 63, 2, 33};
    float a[BIND_ROWS * 3], b[BIND_ROWS * 3];
    for (int checker = 0; checker < 2; checker++) {
        weft_session *own = bind_session(program, false), *s = bind_session(program, checker);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            weft_buffer *bufs[BIND_IOS];
            struct weft_binding all[BIND_IOS], back[BIND_IOS] = {{0}};
            api_must(api_set_rows(own, sizes[i]));
            api_must(api_set_rows(s, sizes[i]));
            for (size_t k = 0; k < BIND_IOS; k++) {
                bufs[k] = island(s, bind_ios[k]);
                uint64_t bytes = at_least(bind_bytes(s, bind_ios[k]));
                all[k] = (struct weft_binding){.name = bind_ios[k], .buffer = bufs[k], .offset = 256, .bytes = bytes};
                back[k].name = bind_ios[k];
            }
            api_must(weft_session_bind_all(s, all, BIND_IOS));
            bind_fill(a, BIND_ROWS * 3, i);
            bind_fill(b, BIND_ROWS * 3, i + 100);
            bind_write(own, a, b, sizes[i]);
            bind_write(s, a, b, sizes[i]);
            api_must(weft_session_run(own, 2, NULL));
            api_must(weft_session_run(s, 2, NULL));
            bind_equal(own, s, "bound to islands");
            for (size_t k = 0; k < BIND_IOS; k++) {
                struct weft_binding is;
                api_must(weft_session_binding(s, bind_ios[k], &is));
                assert_ptr_equal(is.buffer, bufs[k]);
                assert_false(is.staged || is.stale || is.host);
                if (!shores_dry(bufs[k])) fail_msg("bytes beside '%s' were written", bind_ios[k]);
            }
            api_must(weft_session_bind_all(s, back, BIND_IOS));
            for (size_t k = 0; k < BIND_IOS; k++) weft_buffer_destroy(&bufs[k]);
        }
        weft_session_destroy(&own);
        weft_session_destroy(&s);
    }
}

/// Control of the control: a range that begins a block too early writes where islands() looks.
static void shores_notice(void **state) {
    (void)state;
    weft_session *s = bind_session(program, false);
    api_must(api_set_rows(s, 4));
    weft_buffer *b = island(s, "y");
    assert_true(shores_dry(b));
    api_must(weft_session_bind(s, "y", b, 0, 0));
    api_must(weft_session_run_blocking(s, 1));
    assert_false(shores_dry(b));
    weft_session_destroy(&s);
    weft_buffer_destroy(&b);
}

/// Tensors larger than a binding reach the kernels in parts; parts that lie wholly behind the end of a range get
/// something to be bound to all the same.
static void parts_behind_the_end(void **state) {
    (void)state;
    static const char text[] = "symbol T 1 256\ninput a f32 [T, 16]\ninput b f32 [T, 16]\n"
                               "%0 = add %a %b\n%1 = mul %a %b\noutput %0 sum\noutput %1 product\n";
    static const char *const names[] = {"a", "b", "sum", "product"};
    static const int64_t sizes[] = {1, 63, 64, 65, 100, 200, 256, 3};
    static float a[256 * 16], b[256 * 16], got[2][256 * 16];
    weft_gpu *small;
    weft_graph *g;
    weft_program *p;
    weft_session *s;
    api_must(weft_gpu_open(&(struct weft_gpu_params){.max_binding = 4096}, &small));
    api_must(weft_graph_parse_text(text, strlen(text), &g));
    api_must(weft_program_compile(small, &g, NULL, &p));
    api_must(weft_session_create(p, NULL, &s));
    bind_fill(a, 256 * 16, 1);
    bind_fill(b, 256 * 16, 2);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint64_t bytes = (uint64_t)sizes[i] * 64;
        weft_buffer *bufs[4];
        struct weft_binding all[4] = {{0}}, none[4] = {{0}};
        api_must(api_set_rows(s, sizes[i]));
        for (int k = 0; k < 4; k++) {
            api_must(weft_buffer_create(small, bytes, &bufs[k]));
            all[k] = (struct weft_binding){.name = names[k], .buffer = bufs[k]};
            none[k].name = names[k];
        }
        api_must(weft_session_bind_all(s, all, 4));
        api_must(weft_buffer_write(bufs[0], 0, a, bytes));
        api_must(weft_buffer_write(bufs[1], 0, b, bytes));
        api_must(weft_session_run(s, 1, NULL));
        for (int k = 0; k < 2; k++) api_must(weft_buffer_read(bufs[2 + k], 0, got[k], bytes));
        for (int64_t e = 0; e < sizes[i] * 16; e++) assert_true(got[0][e] == a[e] + b[e] && got[1][e] == a[e] * b[e]);
        api_must(weft_session_bind_all(s, none, 4));
        for (int k = 0; k < 4; k++) weft_buffer_destroy(&bufs[k]);
    }
    weft_session_destroy(&s);
    weft_program_destroy(&p);
    weft_gpu_close(&small);
}

// ---- one buffer for all --------------------------------------------------------------------------------------------

static void bind_ranges(weft_session *s, weft_buffer *b, uint64_t at) {
    struct weft_binding all[BIND_IOS];
    for (size_t k = 0; k < BIND_IOS; k++) {
        uint64_t bytes = at_least(bind_bytes(s, bind_ios[k]));
        all[k] = (struct weft_binding){.name = bind_ios[k], .buffer = b, .offset = at, .bytes = bytes};
        at += blocks(bytes);
    }
    api_must(weft_session_bind_all(s, all, BIND_IOS));
}

/// Inputs and outputs in one buffer: what WebGPU cannot bind so is staged, and says so.
static void one_buffer(void **state) {
    (void)state;
    float a[BIND_ROWS * 3], b[BIND_ROWS * 3];
    weft_buffer *all;
    api_must(weft_buffer_create(device, 16 << 10, &all));
    for (int checker = 0; checker < 2; checker++) {
        weft_session *own = bind_session(program, false), *s = bind_session(program, checker);
        uint64_t pipelines = bind_counters(device).pipelines_made;
        for (int64_t rows = 64; rows >= 0; rows = rows * 2 / 3 - (rows < 2)) {
            uint64_t copies = bind_counters(device).copies;
            api_must(api_set_rows(own, rows));
            for (size_t k = 0; k < BIND_IOS; k++) // what is larger than its range may not stay bound
                api_must(weft_session_bind(s, bind_ios[k], NULL, 0, 0));
            api_must(api_set_rows(s, rows));
            bind_ranges(s, all, rows % 2 * 512);
            bind_fill(a, BIND_ROWS * 3, (uint64_t)rows);
            bind_fill(b, BIND_ROWS * 3, (uint64_t)rows + 7);
            bind_write(own, a, b, rows);
            bind_write(s, a, b, rows);
            api_must(weft_session_run(own, 3, NULL));
            copies = bind_counters(device).copies;
            api_must(weft_session_run(s, 3, NULL));
            if (rows) assert_true(bind_counters(device).copies > copies);
            bind_equal(own, s, "bound to one buffer");
            int staged = 0;
            for (size_t k = 0; k < BIND_IOS; k++) {
                struct weft_binding is;
                api_must(weft_session_binding(s, bind_ios[k], &is));
                if (k < 2) assert_true(is.staged); // both inputs are read where an output is written
                staged += is.staged;
            }
            assert_in_range(staged, 3, BIND_IOS - 1); // and some output is read where another is written
        }
        assert_int_equal(bind_counters(device).pipelines_made, pipelines);
        weft_session_destroy(&own);
        weft_session_destroy(&s);
    }
    weft_buffer_destroy(&all);
}

/// Of a staged output no more than what is live is written.
static void staged_rows_only(void **state) {
    (void)state;
    float a[12], b[12];
    uint32_t before[64], after[64];
    struct weft_binding is;
    weft_buffer *all;
    weft_session *s = bind_session(program, false);
    api_must(weft_buffer_create(device, 16 << 10, &all));
    api_must(api_set_rows(s, 4));
    bind_ranges(s, all, 0);
    bind_fill(a, 12, 1);
    bind_fill(b, 12, 2);
    bind_write(s, a, b, 4);
    api_must(weft_session_run(s, 1, NULL));
    api_must(weft_session_binding(s, "next", &is));
    assert_true(is.staged && is.buffer == all && is.offset == 2 * 256);
    memset(before, 0xa7, sizeof before);
    api_must(api_set_rows(s, 2));
    api_must(weft_buffer_write(all, is.offset, before, sizeof before));
    api_must(weft_session_run(s, 1, NULL));
    api_must(weft_buffer_read(all, is.offset, after, sizeof after));
    for (int i = 0; i < 64; i++) assert_true((after[i] == 0xa7a7a7a7) == (i >= 6));
    weft_session_destroy(&s);
    weft_buffer_destroy(&all);
}

// ---- binding again -------------------------------------------------------------------------------------------------

/// a and next swap buffers after each run, so that a grows by b: exact, since all are multiples of a quarter.
static void swapped(void **state) {
    (void)state;
    enum { ROWS = 5, RUNS = 40 };
    float a[ROWS * 3], b[ROWS * 3], got[ROWS * 3];
    weft_buffer *bufs[2];
    weft_session *s = bind_session(program, false);
    struct weft_device_counters warm = {0};
    api_must(api_set_rows(s, ROWS));
    for (int i = 0; i < 2; i++) api_must(weft_buffer_create(device, sizeof a, &bufs[i]));
    bind_fill(a, ROWS * 3, 1);
    bind_fill(b, ROWS * 3, 2);
    api_must(weft_buffer_write(bufs[0], 0, a, sizeof a));
    api_must(weft_session_write(s, "b", 0, b, sizeof b));
    for (int r = 0; r < RUNS; r++) {
        api_must(weft_session_bind_all(
            s,
            (struct weft_binding[]){{.name = "a", .buffer = bufs[r % 2]}, {.name = "next", .buffer = bufs[1 - r % 2]}},
            2));
        if (r == 2) warm = bind_counters(device);
        api_must(weft_session_run(s, 1, NULL));
    }
    struct weft_device_counters after = bind_counters(device);
    assert_int_equal(after.groups_made, warm.groups_made); // both ways were known
    assert_int_equal(after.buffers_made, warm.buffers_made);
    assert_int_equal(after.pipelines_made, warm.pipelines_made);
    api_must(weft_buffer_read(bufs[RUNS % 2], 0, got, sizeof got));
    for (int i = 0; i < ROWS * 3; i++) assert_true(got[i] == a[i] + RUNS * b[i]);
    // Control: without the swap a stays what it is.
    api_must(weft_session_run(s, 1, NULL));
    api_must(weft_session_run(s, 1, NULL));
    api_must(weft_session_read(s, "next", 0, got, sizeof got));
    for (int i = 0; i < ROWS * 3; i++) assert_true(got[i] == a[i] + (RUNS - 1 + 1) * b[i]);
    weft_session_destroy(&s);
    for (int i = 0; i < 2; i++) weft_buffer_destroy(&bufs[i]);
}

/// The first program's output buffer is the second's input: no copy in between.
static void chained(void **state) {
    (void)state;
    enum { ROWS = 9 };
    float a[ROWS * 3], b[ROWS * 3], got[ROWS * 3];
    weft_buffer *link;
    weft_session *s[2];
    api_must(weft_buffer_create(device, sizeof a, &link));
    bind_fill(a, ROWS * 3, 3);
    bind_fill(b, ROWS * 3, 4);
    for (int i = 0; i < 2; i++) {
        s[i] = bind_session(program, false);
        api_must(api_set_rows(s[i], ROWS));
        api_must(weft_session_write(s[i], "b", 0, b, sizeof b));
        api_must(weft_session_bind(s[i], i ? "a" : "next", link, 0, sizeof a));
    }
    api_must(weft_session_write(s[0], "a", 0, a, sizeof a));
    uint64_t copies = bind_counters(device).copies;
    api_must(weft_session_run(s[0], 1, NULL));
    api_must(weft_session_run(s[1], 1, NULL));
    assert_int_equal(bind_counters(device).copies, copies);
    api_must(weft_session_read(s[1], "next", 0, got, sizeof got));
    for (int i = 0; i < ROWS * 3; i++) assert_true(got[i] == a[i] + 2 * b[i]);
    for (int i = 0; i < 2; i++) weft_session_destroy(&s[i]);
    weft_buffer_destroy(&link);
}

// ---- memory of the host --------------------------------------------------------------------------------------------

static void host_memory(void **state) {
    (void)state;
    enum { ROWS = 7, RUNS = 9 };
    float a[ROWS * 3], b[ROWS * 3], was[RUNS][ROWS * 3], out[2][ROWS * 3];
    uint64_t fences[RUNS];
    weft_session *s = bind_session(program, false), *other = bind_session(program, false);
    bool done = false;
    api_must(api_set_rows(s, ROWS));
    api_must(weft_session_bind_host(s, "a", a, sizeof a));
    api_must(weft_session_bind_host(s, "b", b, sizeof b));
    for (int r = 0; r < RUNS; r++) {
        bind_fill(a, ROWS * 3, (uint64_t)r);
        bind_fill(b, ROWS * 3, 50 + (uint64_t)r);
        for (int i = 0; i < ROWS * 3; i++) was[r][i] = a[i] + b[i];
        api_must(weft_session_bind_host(s, "next", out[r % 2], sizeof out[0]));
        api_must(weft_session_run(s, 1, &fences[r]));
        memset(a, 0xff, sizeof a); // they were copied
        memset(b, 0xff, sizeof b);
    }
    // Run by run, in order, each to the memory that was bound when it was begun; only the last four are kept.
    for (int i = 0; i < 2; i++) memset(out[i], 0xff, sizeof out[i]);
    api_must(weft_session_wait(s, fences[RUNS - 5], -1));
    for (int i = 0; i < 2; i++) assert_true(out[i][0] != out[i][0]);
    api_must(weft_session_wait(s, fences[RUNS - 4], -1));
    assert_memory_equal(out[(RUNS - 4) % 2], was[RUNS - 4], sizeof out[0]);
    assert_true(out[(RUNS - 3) % 2][0] != out[(RUNS - 3) % 2][0]);
    api_must(weft_session_wait(s, fences[RUNS - 3], -1));
    assert_memory_equal(out[(RUNS - 3) % 2], was[RUNS - 3], sizeof out[0]);
    // A later fence, of another session of the device, skips run 2 from the end.
    uint64_t fence;
    api_must(api_set_rows(other, 1));
    api_must(weft_session_run(other, 1, &fence));
    while (!done) api_must(weft_session_done(s, fence, &done));
    assert_memory_equal(out[(RUNS - 1) % 2], was[RUNS - 1], sizeof out[0]);
    assert_memory_equal(out[(RUNS - 2) % 2], was[RUNS - 4], sizeof out[0]);
    // What was delivered is not delivered again, and what is unbound is not delivered at all.
    memset(out, 0xff, sizeof out);
    api_must(weft_session_wait(s, fence, -1));
    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    api_must(weft_session_run(s, 1, &fence));
    api_must(weft_session_bind_host(s, "next", NULL, 0));
    api_must(weft_session_wait(s, fence, -1));
    for (int i = 0; i < 2; i++) assert_true(out[i][0] != out[i][0]);
    // Blocking, and at another size.
    api_must(weft_session_bind_host(s, "next", out[0], sizeof out[0]));
    api_must(api_set_rows(s, 2));
    for (int i = 0; i < ROWS * 3; i++) a[i] = (float)i;
    api_must(weft_session_run_blocking(s, 2));
    for (int i = 0; i < 6; i++) assert_true(out[0][i] == (float)i);
    assert_true(out[0][6] != out[0][6]);
    weft_session_destroy(&s);
    weft_session_destroy(&other);
}

/// What is on its way to small memory gets there, though larger memory was bound and filled since.
static void host_memory_grows(void **state) {
    (void)state;
    static float a[BIND_ROWS * 3], b[BIND_ROWS * 3], large[BIND_ROWS * 3];
    float small[2][3];
    uint64_t fences[3];
    weft_session *s = bind_session(program, false);
    for (int r = 0; r < 3; r++) {
        int64_t rows = r < 2 ? 1 : BIND_ROWS;
        if (r == 0) api_must(api_set_rows(s, rows));
        api_must(weft_session_bind_host(s, "next", r < 2 ? small[r] : large, r < 2 ? sizeof *small : sizeof large));
        if (r == 2) api_must(api_set_rows(s, rows));
        bind_fill(a, BIND_ROWS * 3, (uint64_t)r);
        bind_fill(b, BIND_ROWS * 3, 70 + (uint64_t)r);
        bind_write(s, a, b, rows);
        api_must(weft_session_run(s, 1, &fences[r]));
    }
    for (int r = 0; r < 3; r++) {
        api_must(weft_session_wait(s, fences[r], -1));
        bind_fill(a, BIND_ROWS * 3, (uint64_t)r);
        bind_fill(b, BIND_ROWS * 3, 70 + (uint64_t)r);
        const float *got = r < 2 ? small[r] : large;
        for (int i = 0; i < (r < 2 ? 3 : BIND_ROWS * 3); i++) assert_true(got[i] == a[i] + b[i]);
    }
    weft_session_destroy(&s);
}

// ---- refusals ------------------------------------------------------------------------------------------------------

/// What is refused changes no bit of results and states, nor what is bound, and the session goes on.
/// Two buffers of a state go on taking turns when something is bound between runs.
static void turns_go_on(void **state) {
    (void)state;
    static const char text[] = "input x f32 [4]\nstate s dense f32 [4] ping_pong\n%0 = add %s %x\n"
                               "%1 = state_write %s %0\noutput %0 y\n";
    static const float x[4] = {1, 2, 3, 4};
    weft_graph *g;
    weft_program *p;
    weft_session *s;
    weft_buffer *to[2];
    api_must(weft_graph_parse_text(text, strlen(text), &g));
    api_must(weft_program_compile(device, &g, NULL, &p));
    api_must(weft_session_create(p, NULL, &s));
    api_must(weft_session_write(s, "x", 0, x, sizeof x));
    for (int i = 0; i < 2; i++) api_must(weft_buffer_create(device, 256, &to[i]));
    for (int run = 1; run <= 6; run++) {
        float y[4];
        if (run % 3 != 0) api_must(weft_session_bind(s, "y", to[run % 2], 0, 0));
        api_must(weft_session_run(s, 1, NULL));
        api_must(weft_session_read(s, "y", 0, y, sizeof y));
        for (int i = 0; i < 4; i++) assert_true(y[i] == (float)run * x[i]);
    }
    weft_session_destroy(&s);
    weft_program_destroy(&p);
    for (int i = 0; i < 2; i++) weft_buffer_destroy(&to[i]);
}

static void refusals(void **state) {
    (void)state;
    enum { ROWS = 20 }; // a and b: 240 bytes; y: 320
    float a[ROWS * 3], b[ROWS * 3];
    weft_buffer *in, *small, *gone, *none = NULL, *foreign;
    weft_device *null;
    weft_session *s = bind_session(program, false), *twin = bind_session(program, false);
    api_must(weft_device_open(&(struct weft_device_params){.implementation = "null"}, &null));
    api_must(weft_buffer_create(null, 4096, &foreign));
    api_must(weft_buffer_create(device, 4096, &in));
    api_must(weft_buffer_create(device, 300, &small));
    api_must(weft_buffer_create(device, 4096, &gone));
    bind_fill(a, ROWS * 3, 1);
    bind_fill(b, ROWS * 3, 2);
    for (int i = 0; i < 2; i++) api_must(api_set_rows(i ? s : twin, ROWS));
    api_must(weft_session_bind(s, "a", in, 256, 240));
    for (int i = 0; i < 2; i++) bind_write(i ? s : twin, a, b, ROWS);
    for (int i = 0; i < 2; i++) api_must(weft_session_run(i ? s : twin, 1, NULL));
    api_fails(weft_session_bind(s, "y", small, 0, 0), WEFT_ERR_LIMIT, "output 'y' needs 320 bytes");
    api_fails(weft_session_bind(s, "y", small, 0, 0), WEFT_ERR_LIMIT, "300 are bound");
    api_fails(weft_session_bind(s, "y", small, 0, 301), WEFT_ERR_LIMIT, "beyond the end");
    api_fails(weft_session_bind(s, "y", in, 4096, 0), WEFT_ERR_LIMIT, "beyond the end");
    api_fails(weft_session_bind(s, "y", in, 0, UINT64_MAX), WEFT_ERR_LIMIT, "beyond the end");
    api_fails(weft_session_bind(s, "y", in, 128, 320), WEFT_ERR_INVALID, "multiple of 256");
    api_fails(weft_session_bind(s, "y", foreign, 0, 0), WEFT_ERR_INVALID, "another device");
    api_fails(weft_session_bind(s, "why", in, 0, 0), WEFT_ERR_NOT_FOUND, "a b next y");
    api_fails(weft_session_bind(s, "kept", in, 0, 0), WEFT_ERR_INVALID, "'kept' is a state");
    api_fails(weft_session_bind(s, "y", in, 256, 320), WEFT_ERR_INVALID, "input 'a' and output 'y'");
    api_fails(weft_session_bind(s, "y", in, 0, 320), WEFT_ERR_INVALID, "input 'a' and output 'y'"); // the tail block
    api_fails(weft_session_bind_all(s,
                                    (struct weft_binding[]){{.name = "y", .buffer = gone, .bytes = 512},
                                                            {.name = "z", .buffer = gone, .offset = 256}},
                                    2),
              WEFT_ERR_INVALID, "output 'y' and output 'z'");
    api_fails(weft_session_bind_host(s, "y", a, 240), WEFT_ERR_LIMIT, "240 are bound");
    api_fails(api_set_rows(s, 21), WEFT_ERR_LIMIT, "input 'a' needs 252 bytes");
    api_fails(api_set_rows(s, BIND_ROWS), WEFT_ERR_LIMIT, "240 are bound");
    struct weft_binding is;
    api_must(weft_session_binding(s, "y", &is));
    assert_true(!is.buffer && !is.host && is.bytes);
    bind_equal(s, twin, "after refusals");
    // A buffer that is gone, alone and with another.
    api_must(weft_session_bind(s, "y", gone, 0, 0));
    for (int i = 0; i < 2; i++) api_must(weft_session_run(i ? s : twin, 1, NULL));
    bind_equal(s, twin, "bound");
    weft_buffer_destroy(&gone);
    weft_buffer_destroy(&in);
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_STALE, "input 'a' is bound to a buffer that has been destroyed");
    api_fails(weft_session_run_blocking(s, 1), WEFT_ERR_STALE, "weft_session_bind");
    api_must(weft_session_binding(s, "y", &is));
    assert_true(is.stale);
    api_must(weft_session_bind(s, "a", none, 0, 0));
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_STALE, "output 'y'");
    api_fails(weft_session_read(s, "y", 0, a, 4), WEFT_ERR_STALE, "'y'");
    api_must(weft_session_bind(s, "y", none, 0, 0));
    for (int i = 0; i < 2; i++) bind_write(i ? s : twin, a, b, ROWS);
    for (int i = 0; i < 2; i++) api_must(weft_session_run(i ? s : twin, 1, NULL));
    bind_equal(s, twin, "after a buffer went");
    api_must(api_set_rows(s, BIND_ROWS));
    weft_session_destroy(&s);
    weft_session_destroy(&twin);
    weft_buffer_destroy(&small);
    weft_buffer_destroy(&foreign);
    weft_device_close(&null);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(islands),           cmocka_unit_test(shores_notice),
        cmocka_unit_test(one_buffer),        cmocka_unit_test(swapped),
        cmocka_unit_test(staged_rows_only),  cmocka_unit_test(chained),
        cmocka_unit_test(turns_go_on),       cmocka_unit_test(refusals),
        cmocka_unit_test(host_memory),       cmocka_unit_test(parts_behind_the_end),
        cmocka_unit_test(host_memory_grows),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
