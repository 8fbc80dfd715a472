/// The public API on the null device: what it makes, what it refuses and with which words, and that nothing leaks.
#include "api_graph.h"
#include "core/alloc.h"
#include "support/tiny_gemma3.h"
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static weft_device *open_null(void) {
    struct weft_device_params params = {.implementation = "null"};
    weft_device *device;
    api_must(weft_device_open(&params, &device));
    return device;
}

// ---- devices -------------------------------------------------------------------------------------------------------

static void devices(void **state) {
    (void)state;
    struct weft_device_info info;
    struct weft_device_counters counters;
    struct weft_device_params wrong = {.implementation = "/nonexistent/libwebgpu.so"};
    weft_device *device = open_null(), *none;
    api_must(weft_device_info(device, &info));
    assert_string_equal(info.implementation, "null");
    assert_int_equal(info.kind, WEFT_DEVICE_NULL);
    assert_true(info.max_binding >= (uint64_t)128 << 20);
    api_must(weft_device_counters(device, &counters));
    assert_int_equal(counters.submits, 0);
    api_must(weft_device_wait_idle(device));
    weft_device_close(&device);
    assert_null(device);
    weft_device_close(&device);
    weft_device_close(NULL);
    assert_int_not_equal(weft_device_open(&wrong, &none), WEFT_OK);
    assert_null(none);
    api_fails(weft_device_open(NULL, NULL), WEFT_ERR_INVALID, "out");
    api_fails(weft_device_info(NULL, &info), WEFT_ERR_INVALID, "device");
    api_fails(weft_device_counters(NULL, &counters), WEFT_ERR_INVALID, "device");
    api_fails(weft_device_wait_idle(NULL), WEFT_ERR_INVALID, "device");
    assert_string_equal(weft_version(), "0.1.0");
}

static void limits_min(void **state) {
    (void)state;
    struct weft_device_params params = {.implementation = "null", .limits_min = true};
    struct weft_device_info info;
    weft_device *device;
    api_must(weft_device_open(&params, &device));
    api_must(weft_device_info(device, &info));
    assert_int_equal(info.max_binding, 128 << 20);
    assert_int_equal(info.max_storage_buffers, 8);
    assert_false(info.f16 || info.subgroups || info.dot4);
    weft_device_close(&device);
}

// ---- graphs --------------------------------------------------------------------------------------------------------

static const char expected_text[] = "symbol T 0 64\ninput x f32 [T, 3]\nweight w f32 [4, 3]\n%0 = matmul %x %w\n"
                                    "%1 = silu %0\noutput %1 z\n";

static void graph_text(void **state) {
    (void)state;
    weft_graph *g, *again;
    char text[512], small[16];
    size_t length = 0;
    api_must(weft_graph_new(&g));
    api_must(api_build(g));
    api_must(weft_graph_verify(g));
    api_must(weft_graph_print_text(g, NULL, 0, &length));
    assert_int_equal(length, strlen(expected_text));
    api_must(weft_graph_print_text(g, text, length + 1, NULL)); // exactly enough
    assert_string_equal(text, expected_text);
    api_fails(weft_graph_print_text(g, text, length, &length), WEFT_ERR_LIMIT, "room");
    api_fails(weft_graph_print_text(g, small, sizeof small, NULL), WEFT_ERR_LIMIT, "room");
    weft_graph_free(&g);
    assert_null(g);
    api_must(weft_graph_parse_text(text, length, &again));
    api_must(weft_graph_print_text(again, text, sizeof text, NULL));
    assert_string_equal(text, expected_text);
    weft_graph_free(&again);
    weft_graph_free(&again);
    weft_graph_free(NULL);
    api_fails(weft_graph_parse_text("input x f33 [3]\n", 16, &g), WEFT_ERR_FORMAT, "line 1");
    assert_null(g);
}

/// Every kind of leaf and attribute, as text.
static void graph_leaves(void **state) {
    (void)state;
    static const uint32_t words[2] = {7, 8};
    weft_graph *g;
    weft_value x, half, table, cache, pos, in[3], out[2];
    char text[1024];
    api_must(weft_graph_new(&g));
    api_must(weft_graph_symbol(g, "T", 1, 16));
    api_must(weft_graph_symbol(g, "B", 1, 4));
    api_must(weft_graph_relation(g, "B*T", 32));
    api_must(weft_graph_add_input(g, "x", WEFT_F32, "T, 2*B+1, 4", &x));
    api_must(weft_graph_add_scalar(g, 0.5f, &half));
    api_must(weft_graph_add_const(g, WEFT_U32, "2", words, sizeof words, &table));
    api_must(weft_graph_add_state(g, "cache", WEFT_STATE_RING, WEFT_F32, "32, 4", &cache));
    api_must(weft_graph_add_variable(g, "pos", WEFT_U32, 0, 31, &pos));
    in[0] = x, in[1] = half;
    api_must(weft_graph_add_op(g, "mul", in, 2, NULL, &out[0]));
    api_must(weft_graph_add_op(g, "reshape", &out[0], 1, "shape=[T*(2*B+1), 4]", &out[1]));
    api_must(weft_graph_add_output(g, out[1], "y"));
    api_must(weft_graph_print_text(g, text, sizeof text, NULL));
    assert_non_null(strstr(text, "relate "));
    assert_non_null(strstr(text, "state cache ring f32 [32, 4]\n"));
    assert_non_null(strstr(text, "var pos u32 0 31\n"));
    assert_non_null(strstr(text, "reshape"));
    weft_graph_free(&g);
}

static void graph_refusals(void **state) {
    (void)state;
    static const float one = 1;
    weft_graph *g;
    weft_value x, v, in[2];
    api_must(weft_graph_new(&g));
    api_must(weft_graph_symbol(g, "T", 1, 16));
    api_must(weft_graph_add_input(g, "x", WEFT_F32, "T, 4", &x));
    api_fails(weft_graph_symbol(g, "T", 1, 16), WEFT_ERR_INVALID, "twice");
    api_fails(weft_graph_symbol(g, "U", 5, 4), WEFT_ERR_INVALID, "'U'");
    api_fails(weft_graph_symbol(g, "U", -1, 4), WEFT_ERR_INVALID, "'U'");
    api_fails(weft_graph_add_input(g, "x", WEFT_F32, "T", &v), WEFT_ERR_INVALID, "x");
    assert_int_equal(v, WEFT_NO_VALUE);
    api_fails(weft_graph_add_input(g, "q", WEFT_Q8_0, "T, 32", &v), WEFT_ERR_INVALID, "q8_0");
    api_fails(weft_graph_add_weight(g, "q", WEFT_Q8_0, "T, 31", &v), WEFT_ERR_INVALID, "multiple of 32");
    assert_int_not_equal(weft_graph_add_input(g, "y", WEFT_F32, "U, 4", &v), WEFT_OK);
    assert_non_null(strstr(weft_error_message(), "'y' of shape [U, 4]"));
    assert_int_not_equal(weft_graph_add_input(g, "y", WEFT_F32, "4] [", &v), WEFT_OK);
    assert_int_not_equal(weft_graph_add_input(g, "y", WEFT_F32, "1,1,1,1,1,1,1,1,1", &v), WEFT_OK);
    api_fails(weft_graph_add_input(g, "y", (weft_dtype)99, "4", &v), WEFT_ERR_INVALID, "99");
    api_fails(weft_graph_add_state(g, "s", (enum weft_state_kind)9, WEFT_F32, "4", &v), WEFT_ERR_INVALID, "'s'");
    api_fails(weft_graph_add_state(g, "s", WEFT_STATE_VAR, WEFT_F32, "", &v), WEFT_ERR_INVALID, "variable");
    api_fails(weft_graph_add_const(g, WEFT_F32, "2", &one, sizeof one, &v), WEFT_ERR_INVALID, "8 bytes");
    api_fails(weft_graph_add_op(g, "silly", &x, 1, NULL, &v), WEFT_ERR_NOT_FOUND, "'silly'");
    api_fails(weft_graph_add_op(g, "silu", &x, 1, "eps=1", &v), WEFT_ERR_FORMAT, "silu");
    api_fails(weft_graph_add_op(g, "rms_norm", &x, 1, "eps=", &v), WEFT_ERR_FORMAT, "rms_norm");
    api_fails(weft_graph_add_op(g, "softmax", &x, 1, "} {", &v), WEFT_ERR_FORMAT, "softmax");
    in[0] = x, in[1] = 12345;
    assert_int_not_equal(weft_graph_add_op(g, "add", in, 2, NULL, &v), WEFT_OK);
    assert_int_equal(v, WEFT_NO_VALUE);
    assert_int_not_equal(weft_graph_add_op(g, "add", in, 1, NULL, &v), WEFT_OK);
    assert_int_not_equal(weft_graph_add_op(g, "add", in, 1000, NULL, &v), WEFT_OK);
    assert_int_not_equal(weft_graph_add_output(g, 12345, "y"), WEFT_OK);
    api_fails(weft_graph_add_op(NULL, "add", in, 2, NULL, &v), WEFT_ERR_INVALID, "graph");
    api_fails(weft_graph_add_op(g, "add", NULL, 2, NULL, &v), WEFT_ERR_INVALID, "inputs");
    api_fails(weft_graph_add_input(g, NULL, WEFT_F32, "4", &v), WEFT_ERR_INVALID, "name");
    api_fails(weft_graph_add_input(NULL, "y", WEFT_F32, "4", &v), WEFT_ERR_INVALID, "graph");
    api_fails(weft_graph_add_output(g, x, NULL), WEFT_ERR_INVALID, "name");
    weft_graph_free(&g);
}

static void operators(void **state) {
    (void)state;
    char text[512];
    size_t n = 0;
    for (const char *name; (name = weft_operator_name(n)); n++)
        api_must(weft_operator_describe(name, text, sizeof text, NULL));
    assert_true(n > 40);
    api_must(weft_operator_describe("rms_norm", text, sizeof text, NULL));
    assert_non_null(strstr(text, "eps: float"));
    api_fails(weft_operator_describe("silly", text, sizeof text, NULL), WEFT_ERR_NOT_FOUND, "silly");
}

// ---- programs ------------------------------------------------------------------------------------------------------

static weft_graph *example(void) {
    weft_graph *g;
    api_must(weft_graph_new(&g));
    api_must(api_build(g));
    return g;
}

static weft_status give(void *user, const char *name, const void **data, uint64_t *bytes) {
    ++*(int *)user;
    if (strcmp(name, "w")) return WEFT_ERR_NOT_FOUND;
    *data = api_w;
    *bytes = sizeof api_w;
    return WEFT_OK;
}

static void programs(void **state) {
    (void)state;
    int asked = 0;
    weft_device *device = open_null();
    weft_program *p = api_program(device, &api_weight), *q;
    struct weft_program_compile_params params = {.weight = give, .weight_user = &asked};
    struct weft_memory_use use = weft_program_memory(p);
    char text[4096];
    size_t length;
    assert_true(use.weights >= sizeof api_w && use.io >= API_ROWS * 7 * sizeof(float));
    assert_int_equal(weft_program_memory(NULL).weights, 0);
    for (int json = 0; json < 2; json++) {
        api_must(weft_program_print(p, json, NULL, 0, &length));
        api_fails(weft_program_print(p, json, text, 8, NULL), WEFT_ERR_LIMIT, "room");
        assert_true(length > 100);
    }
    weft_graph *g = example();
    api_must(weft_program_compile(device, &g, &params, &q));
    assert_int_equal(asked, 1);
    weft_program_destroy(&q);
    g = example();
    params.share_weights = p;
    api_must(weft_program_compile(device, &g, &params, &q)); // nothing is asked for again
    assert_int_equal(asked, 1);
    weft_program_destroy(&p);
    weft_program_destroy(&q);
    weft_program_destroy(&q);
    weft_program_destroy(NULL);
    weft_device_close(&device);
}

static void program_refusals(void **state) {
    (void)state;
    static const int64_t falling[] = {4, 4};
    const struct weft_weight shorter = {"w", api_w, 8}, other = {"v", api_w, 8}, empty = {"w", NULL, sizeof api_w};
    const struct {
        struct weft_program_compile_params params;
        weft_status status;
        const char *part;
    } cases[] = {
        {{0}, WEFT_ERR_NOT_FOUND, "'w'"},
        {{.weights = &other, .n_weights = 1}, WEFT_ERR_NOT_FOUND, "'w'"},
        {{.weights = &shorter, .n_weights = 1}, WEFT_ERR_FORMAT, "'w'"},
        {{.weights = &empty, .n_weights = 1}, WEFT_ERR_INVALID, "'w'"},
        {{.n_weights = 1}, WEFT_ERR_INVALID, "weights"},
        {{.split_symbol = "T", .n_splits = 1}, WEFT_ERR_INVALID, "split_at"},
        {{.split_symbol = "T", .split_at = falling, .n_splits = 2}, WEFT_ERR_INVALID, "rise"},
        {{.split_symbol = "T", .split_at = falling, .n_splits = 9}, WEFT_ERR_INVALID, "at most"},
        {{.split_symbol = "U", .split_at = falling, .n_splits = 1}, WEFT_ERR_NOT_FOUND, "U"},
        {{.state_policy = (enum weft_state_policy)77}, WEFT_ERR_INVALID, "state_policy 77"},
    };
    weft_device *device = open_null();
    weft_program *p;
    weft_graph *g;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        g = example();
        api_fails(weft_program_compile(device, &g, &cases[i].params, &p), cases[i].status, cases[i].part);
        assert_null(g); // taken in every case
        assert_null(p);
    }
    api_fails(weft_program_compile(device, &g, NULL, &p), WEFT_ERR_INVALID, "graph");
    api_fails(weft_program_compile(device, NULL, NULL, &p), WEFT_ERR_INVALID, "graph");
    g = example();
    api_fails(weft_program_compile(NULL, &g, NULL, &p), WEFT_ERR_INVALID, "device");
    g = example();
    api_fails(weft_program_compile(device, &g, NULL, NULL), WEFT_ERR_INVALID, "out");
    struct weft_device_counters counters;
    api_must(weft_device_counters(device, &counters));
    assert_int_equal(counters.buffers_live, 0);
    weft_device_close(&device);
}

// ---- sessions ------------------------------------------------------------------------------------------------------

static void session_refusals(void **state) {
    (void)state;
    float data[API_ROWS * 4] = {0};
    struct weft_size unknown = {"U", 1}, nameless = {NULL, 1};
    struct weft_tensor_info info;
    weft_device *device = open_null();
    weft_program *program = api_program(device, &api_weight);
    weft_session *s;
    uint64_t fence;
    bool done;
    api_must(weft_session_create(program, NULL, &s));
    api_must(weft_session_tensor(s, "z", &info)); // sizes start at the upper bounds
    assert_int_equal(info.shape[0], API_ROWS);
    api_must(api_set_rows(s, 5));
    api_must(weft_session_tensor(s, "x", &info));
    assert_true(info.dtype == WEFT_F32 && info.rank == 2 && info.shape[0] == 5 && info.shape[1] == 3);
    assert_int_equal(info.bytes, 60);
    api_fails(weft_session_tensor(s, "w", &info), WEFT_ERR_NOT_FOUND, "'w'");
    assert_int_not_equal(api_set_rows(s, API_ROWS + 1), WEFT_OK);
    assert_non_null(strstr(weft_error_message(), "T"));
    assert_int_not_equal(api_set_rows(s, -1), WEFT_OK);
    api_fails(weft_session_set_sizes(s, &unknown, 1), WEFT_ERR_NOT_FOUND, "'U'");
    api_fails(weft_session_set_sizes(s, &nameless, 1), WEFT_ERR_INVALID, "name");
    api_fails(weft_session_write(s, "y", 0, data, 4), WEFT_ERR_NOT_FOUND, "'y'");
    api_fails(weft_session_write(s, "x", 0, data, 64), WEFT_ERR_LIMIT, "60 bytes"); // sizes are still the old ones
    api_fails(weft_session_write(s, "x", 60, data, 4), WEFT_ERR_LIMIT, "'x'");
    api_fails(weft_session_write(s, "x", UINT64_MAX - 3, data, 4), WEFT_ERR_LIMIT, "'x'");
    api_fails(weft_session_write(s, "x", 2, data, 4), WEFT_ERR_INVALID, "multiples of 4");
    api_fails(weft_session_write(s, "x", 0, data, 6), WEFT_ERR_INVALID, "multiples of 4");
    assert_int_equal(weft_session_write(s, "x", 0, NULL, 4), WEFT_ERR_INVALID);
    api_fails(weft_session_read(s, "z", 0, data, 84), WEFT_ERR_LIMIT, "80 bytes");
    assert_int_equal(weft_session_read(s, "z", 0, NULL, 4), WEFT_ERR_INVALID);
    api_fails(weft_session_set_var(s, "pos", 1), WEFT_ERR_NOT_FOUND, "'pos'");
    api_fails(weft_session_run(s, 0, NULL), WEFT_ERR_INVALID, "runs");
    api_fails(weft_session_run(s, 17, NULL), WEFT_ERR_INVALID, "1 to 16");
    api_must(weft_session_run(s, 16, &fence));
    assert_int_equal(weft_session_wait(s, fence + 1, 0), WEFT_ERR_INVALID);
    assert_int_equal(weft_session_done(s, fence + 1, &done), WEFT_ERR_INVALID);
    api_must(weft_session_wait(s, fence, -1));
    api_must(weft_session_done(s, fence, &done));
    assert_true(done);
    weft_session_destroy(&s);
    weft_program_destroy(&program);
    weft_device_close(&device);
}

static void session_nulls(void **state) {
    (void)state;
    uint32_t word = 0;
    bool done;
    struct weft_tensor_info info;
    weft_pending pending;
    bool flag;
    weft_session *s;
    api_fails(weft_session_create(NULL, NULL, &s), WEFT_ERR_INVALID, "NULL");
    assert_null(s);
    api_fails(weft_session_set_sizes(NULL, NULL, 0), WEFT_ERR_INVALID, "session");
    api_fails(weft_session_tensor(NULL, "x", &info), WEFT_ERR_INVALID, "session");
    api_fails(weft_session_write(NULL, "x", 0, &word, 4), WEFT_ERR_INVALID, "NULL");
    api_fails(weft_session_read(NULL, "x", 0, &word, 4), WEFT_ERR_INVALID, "NULL");
    api_fails(weft_session_read_async(NULL, "x", 0, 4, &pending), WEFT_ERR_INVALID, "NULL");
    api_fails(weft_session_read_done(NULL, pending, &done), WEFT_ERR_INVALID, "session");
    api_fails(weft_session_read_finish(NULL, &pending, &word, 4), WEFT_ERR_INVALID, "session");
    api_fails(weft_session_set_active(NULL, 0), WEFT_ERR_INVALID, "NULL");
    api_fails(weft_session_get_active(NULL, &flag), WEFT_ERR_INVALID, "NULL");
    api_fails(weft_session_get_var(NULL, "n", &word), WEFT_ERR_INVALID, "NULL");
    api_fails(weft_session_reset(NULL), WEFT_ERR_INVALID, "NULL");
    api_fails(weft_session_run(NULL, 1, NULL), WEFT_ERR_INVALID, "NULL");
    api_fails(weft_session_run_blocking(NULL, 1), WEFT_ERR_INVALID, "NULL");
    api_fails(weft_session_wait(NULL, 0, 0), WEFT_ERR_INVALID, "session");
    api_fails(weft_session_done(NULL, 0, &done), WEFT_ERR_INVALID, "session");
    weft_session_destroy(&s);
    weft_session_destroy(NULL);
}

/// Sizes used before, runs and writes: nothing is made on the device and nothing allocated.
static void steady_state(void **state) {
    (void)state;
    float data[API_ROWS * 4] = {0};
    struct weft_device_counters before, after;
    weft_device *device = open_null();
    weft_program *program = api_program(device, &api_weight);
    weft_session *s;
    uint64_t allocations = 0;
    api_must(weft_session_create(program, NULL, &s));
    for (int i = 0; i < 20; i++) {
        if (i == 10) {
            api_must(weft_device_counters(device, &before));
            allocations = weft_alloc_stats().calls;
        }
        api_must(api_set_rows(s, 1 + i % 3));
        api_must(weft_session_write(s, "x", 0, data, 12));
        api_must(weft_session_run(s, 2, NULL));
    }
    assert_int_equal(weft_alloc_stats().calls, allocations);
    api_must(weft_device_counters(device, &after));
    assert_int_equal(after.submits - before.submits, 10);
    assert_int_equal(after.dispatches - before.dispatches, 20); // the silu is part of the product's kernel
    assert_int_equal(after.buffers_made, before.buffers_made);
    assert_int_equal(after.groups_made, before.groups_made);
    assert_int_equal(after.pipelines_made, before.pipelines_made);
    weft_session_destroy(&s);
    weft_program_destroy(&program);
    api_must(weft_device_counters(device, &after));
    assert_int_equal(after.buffers_live, 0);
    assert_int_equal(after.bytes_live, 0);
    weft_device_close(&device);
}

/// Allocation fails at each site in turn: a clean error, and nothing leaks.
static void out_of_memory(void **state) {
    (void)state;
    weft_status status = WEFT_ERR_NOMEM;
    for (uint64_t n = 1; n < 2000 && status != WEFT_OK; n++) {
        weft_graph *g = NULL;
        int64_t live = weft_alloc_stats().live;
        weft_alloc_fail_at(n, 0);
        status = weft_graph_new(&g);
        if (status == WEFT_OK) status = api_build(g);
        weft_alloc_fail_at(0, 0);
        if (status != WEFT_OK) assert_int_equal(status, WEFT_ERR_NOMEM);
        weft_graph_free(&g);
        assert_int_equal(weft_alloc_stats().live, live);
    }
    assert_int_equal(status, WEFT_OK);
}

// ---- models --------------------------------------------------------------------------------------------------------

static int count_tokens(int *n) { return ++*n; }
static bool on_token(void *user, int32_t id) {
    (void)id;
    return count_tokens(user) < 3;
}

static void tiny_path(char path[64]) {
    snprintf(path, 64, "/tmp/weft-api-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_true(weft_tiny_gemma3_write(&(struct weft_tiny_gemma3){.seed = 1}, path));
}

static void models(void **state) {
    (void)state;
    static const char text[] = "hello \xc3\xa9";
    char path[64], back[64];
    int32_t ids[64];
    int tokens = 0;
    size_t count, more, length;
    struct weft_model_info info;
    struct weft_generate_stats stats;
    weft_device *device = open_null();
    weft_model *m;
    tiny_path(path);
    api_must(weft_model_open(device, path, NULL, &m));
    api_must(weft_model_info(m, &info));
    assert_string_equal(info.architecture, "gemma3");
    assert_true(info.vocab == 300 && info.ctx == 64 && info.memory.weights > 0);
    assert_non_null(weft_model_program(m));
    api_must(weft_model_tokenize(m, text, sizeof text - 1, 0, NULL, 0, &more));
    api_must(weft_model_tokenize(m, text, sizeof text - 1, WEFT_TOKENIZE_NO_BOS, ids, 64, &count));
    assert_true(count > 0 && (more == count || more == count + 1));
    api_must(weft_model_detokenize(m, ids, count, back, sizeof back, &length));
    assert_string_equal(back, text);
    api_fails(weft_model_tokenize(m, text, sizeof text - 1, 0, ids, 1, &count), WEFT_ERR_LIMIT, "room");
    assert_int_equal(count, more);
    api_fails(weft_model_tokenize(m, text, 1, 8, ids, 64, &count), WEFT_ERR_INVALID, "flags");
    struct weft_model_generate_params params = {.max_tokens = 5, .ignore_stops = true};
    api_must(weft_model_generate(m, text, sizeof text - 1, &params, &stats));
    assert_true(stats.new_tokens == 5 && stats.reason == WEFT_STOP_LENGTH && stats.prompt_tokens == more);
    params.token = on_token;
    params.user = &tokens;
    api_must(weft_model_generate(m, text, sizeof text - 1, &params, &stats));
    assert_true(tokens == 3 && stats.reason == WEFT_STOP_CALLER && stats.cached_tokens == 0);
    params.reuse = true;
    params.tokenize = WEFT_TOKENIZE_NO_BOS; // only the BOS of the call before is not in it
    api_must(weft_model_generate(m, text, sizeof text - 1, &params, &stats));
    assert_int_equal(stats.cached_tokens, 0);
    api_must(weft_model_generate(m, text, sizeof text - 1, &params, &stats));
    assert_int_equal(stats.cached_tokens, stats.prompt_tokens - 1); // the last one's logits are wanted
    params = (struct weft_model_generate_params){.n_stop_ids = 1};
    api_fails(weft_model_generate(m, "a", 1, &params, NULL), WEFT_ERR_INVALID, "stop_ids is NULL");
    weft_model_close(&m);
    weft_model_close(&m);
    weft_model_close(NULL);
    weft_device_close(&device);
    unlink(path);
}

/// Every field of the sampling parameters, below and above its range and NaN; the edges are taken.
static void sampling_ranges(void **state) {
    (void)state;
    enum { LEAST, MOST, N_EDGES };
    static const struct {
        const char *name;
        size_t at;
        float edges[N_EDGES], bad[3];
    } fields[] = {
        {"temp", offsetof(struct weft_sampling, temp), {0, 1e6f}, {-0.001f, 2e6f, INFINITY}},
        {"top_p", offsetof(struct weft_sampling, top_p), {0, 1}, {-0.5f, 1.01f, INFINITY}},
        {"min_p", offsetof(struct weft_sampling, min_p), {0, 1}, {-0.5f, 1.01f, INFINITY}},
        {"repetition", offsetof(struct weft_sampling, repetition), {0, 1e5f}, {-1, 1e6f, INFINITY}},
        {"frequency", offsetof(struct weft_sampling, frequency), {-1e5f, 1e5f}, {-1e6f, 1e6f, -INFINITY}},
        {"presence", offsetof(struct weft_sampling, presence), {-1e5f, 1e5f}, {-1e6f, 1e6f, INFINITY}},
    };
    char path[64];
    weft_device *device = open_null();
    weft_model *m;
    tiny_path(path);
    api_must(weft_model_open(device, path, &(struct weft_model_params){.lazy = true}, &m));
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        for (int k = 0; k < 4 + N_EDGES; k++) {
            struct weft_model_generate_params params = {.max_tokens = 1, .sampling = {.temp = 1}};
            float x = k < 3 ? fields[i].bad[k] : k == 3 ? NAN : fields[i].edges[k - 4];
            memcpy((char *)&params.sampling + fields[i].at, &x, sizeof x);
            if (k > 3) api_must(weft_model_generate(m, "a", 1, &params, NULL));
            else api_fails(weft_model_generate(m, "a", 1, &params, NULL), WEFT_ERR_INVALID, fields[i].name);
            if (k == 3 && i == 0) assert_null(weft_model_program(m)); // refused before anything is compiled
        }
    }
    weft_model_close(&m);
    weft_device_close(&device);
    unlink(path);
}

/// Fields of the other params structs that have a range.
static void params_are_checked(void **state) {
    (void)state;
    char path[64];
    weft_device *device = open_null(), *none;
    weft_model *m;
    weft_session *s;
    tiny_path(path);
    const struct weft_model_params runs = {.runs = 65, .lazy = true},
                                   most = {.runs = 64, .lazy = true, .chunk = 1u << 30};
    api_fails(weft_model_open(device, path, &runs, &m), WEFT_ERR_INVALID, "65 decode runs");
    assert_null(m);
    api_must(weft_model_open(device, path, &most, &m));
    api_must(weft_model_generate(m, "a", 1, &(struct weft_model_generate_params){.max_tokens = 1}, NULL));
    const struct weft_session_params many = {.max_runs = 65537};
    api_fails(weft_session_create(weft_model_program(m), &many, &s), WEFT_ERR_INVALID, "65537");
    assert_null(s);
    weft_model_close(&m);
    for (int i = 0; i < 3; i++) {
        struct weft_device_params p = {.implementation = "null",
                                       .adapter = i == 0   ? -1
                                                  : i == 1 ? 7
                                                           : 0,
                                       .timeout_seconds = i == 2 ? NAN : 0};
        weft_status want = i == 2 ? WEFT_ERR_INVALID : WEFT_ERR_NOT_FOUND;
        api_fails(weft_device_open(&p, &none), want, i == 2 ? "timeout" : "adapter");
        p.timeout_seconds = -1;
        p.adapter = 0;
        api_fails(weft_device_open(&p, &none), WEFT_ERR_INVALID, "timeout");
    }
    weft_device_close(&device);
    unlink(path);
}

static void model_refusals(void **state) {
    (void)state;
    static const char *const empty[] = {""};
    char path[64], long_text[400];
    size_t count;
    weft_device *device = open_null();
    weft_model *m;
    tiny_path(path);
    memset(long_text, 'x', sizeof long_text);
    api_fails(weft_model_open(device, "/nonexistent/model.gguf", NULL, &m), WEFT_ERR_NOT_FOUND, "/nonexistent");
    assert_null(m);
    api_fails(weft_model_open(NULL, path, NULL, &m), WEFT_ERR_INVALID, "device");
    api_fails(weft_model_open(device, NULL, NULL, &m), WEFT_ERR_INVALID, "path");
    api_fails(weft_model_open(device, path, &(struct weft_model_params){.ctx = 65}, &m), WEFT_ERR_LIMIT, "65");
    struct weft_model_params little = {.memory_limit = 1000};
    api_fails(weft_model_open(device, path, &little, &m), WEFT_ERR_LIMIT, "MB");
    api_must(weft_model_open(device, path, &(struct weft_model_params){.greedy = true, .lazy = true}, &m));
    assert_null(weft_model_program(m));
    api_fails(weft_model_generate(m, long_text, sizeof long_text, NULL, NULL), WEFT_ERR_LIMIT, "context");
    struct weft_model_generate_params params = {.tokenize = WEFT_TOKENIZE_NO_BOS};
    api_fails(weft_model_generate(m, "", 0, &params, NULL), WEFT_ERR_INVALID, "empty");
    params.sampling.temp = 1;
    api_fails(weft_model_generate(m, "a", 1, &params, NULL), WEFT_ERR_INVALID, "greedy");
    params = (struct weft_model_generate_params){.stop_texts = empty, .n_stop_texts = 1};
    api_fails(weft_model_generate(m, "a", 1, &params, NULL), WEFT_ERR_INVALID, "stop text");
    api_fails(weft_model_generate(NULL, "a", 1, NULL, NULL), WEFT_ERR_INVALID, "model");
    api_fails(weft_model_generate(m, NULL, 1, NULL, NULL), WEFT_ERR_INVALID, "prompt");
    api_fails(weft_model_tokenize(m, "a", 1, 0, NULL, 0, NULL), WEFT_ERR_INVALID, "count");
    api_fails(weft_model_tokenize(NULL, "a", 1, 0, NULL, 0, &count), WEFT_ERR_INVALID, "model");
    api_fails(weft_model_detokenize(m, &(int32_t){300}, 1, NULL, 0, NULL), WEFT_ERR_INVALID, "300");
    api_fails(weft_model_perplexity(m, "a", 1, 0, 0, NULL, NULL, NULL), WEFT_ERR_INVALID, "figure");
    api_fails(weft_model_logits(m, NULL, 1, NULL), WEFT_ERR_INVALID, "ids");
    weft_model_close(&m);
    weft_device_close(&device);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices),          cmocka_unit_test(limits_min),
        cmocka_unit_test(graph_text),       cmocka_unit_test(graph_leaves),
        cmocka_unit_test(graph_refusals),   cmocka_unit_test(operators),
        cmocka_unit_test(programs),         cmocka_unit_test(program_refusals),
        cmocka_unit_test(session_refusals), cmocka_unit_test(session_nulls),
        cmocka_unit_test(steady_state),     cmocka_unit_test(out_of_memory),
        cmocka_unit_test(models),           cmocka_unit_test(model_refusals),
        cmocka_unit_test(sampling_ranges),  cmocka_unit_test(params_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
