/// What can be looked at without running it: model files, the graphs that they stand for, plans, passes, tokenizers.
/// Public calls only, but for the writer of a tiny model.
#include "exec/api_graph.h"
#include "support/tiny_gemma3.h"
#include <stdlib.h>
#include <unistd.h>

static char path[64];
static weft_device *device;

static int setup(void **state) {
    static const struct weft_tiny_key keys[] = {{"weft.test.flag", WEFT_SOURCE_BOOL, 1, NULL},
                                                {"weft.test.real", WEFT_SOURCE_F32, 0.5, NULL},
                                                {"weft.test.text", WEFT_SOURCE_STRING, 0, "a\x1b b"},
                                                {"weft.test.list", WEFT_SOURCE_ARRAY, 7, NULL},
                                                {"gemma3.nobody_knows", WEFT_SOURCE_U32, 3, NULL}};
    const struct weft_tiny_gemma3 tiny = {.seed = 1, .keys = keys, .n_keys = 5};
    (void)state;
    snprintf(path, sizeof path, "/tmp/weft-look-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0) return 1;
    close(fd);
    if (!weft_tiny_gemma3_write(&tiny, path)) return 1;
    return weft_device_open(&(struct weft_device_params){.implementation = "null"}, &device) != WEFT_OK;
}

static int teardown(void **state) {
    (void)state;
    weft_device_close(&device);
    return unlink(path);
}

static weft_model_file *open_file(void) {
    weft_model_file *file;
    api_must(weft_model_file_open(path, &file));
    return file;
}

// ---- files ---------------------------------------------------------------------------------------------------------

static struct weft_model_file_key find_key(const weft_model_file *file, const char *name, size_t *index) {
    struct weft_model_file_info info;
    struct weft_model_file_key key;
    api_must(weft_model_file_info(file, &info));
    for (*index = 0; *index < info.keys; ++*index) {
        api_must(weft_model_file_key(file, *index, &key));
        if (strcmp(key.name, name) == 0) return key;
    }
    fail_msg("no key %s", name);
    return key;
}

static void keys_have_their_values(void **state) {
    (void)state;
    weft_model_file *file = open_file();
    size_t at, length;
    char text[64];
    struct weft_model_file_key key = find_key(file, "weft.test.flag", &at);
    assert_true(key.kind == WEFT_KEY_BOOL && key.flag && !key.unknown);
    key = find_key(file, "weft.test.real", &at);
    assert_true(key.kind == WEFT_KEY_REAL && key.real == 0.5);
    assert_string_equal(key.type, "f32");
    key = find_key(file, "weft.test.text", &at);
    assert_true(key.kind == WEFT_KEY_STRING && key.length == 4 && memcmp(key.string, "a\x1b b", 4) == 0);
    api_must(weft_model_file_value(file, at, 64, text, sizeof text, &length));
    assert_null(strchr(text, 0x1b));
    key = find_key(file, "weft.test.list", &at);
    assert_int_equal(key.kind, WEFT_KEY_OTHER);
    api_must(weft_model_file_value(file, at, 64, NULL, 0, &length));
    api_fails(weft_model_file_value(file, at, 64, text, length, &length), WEFT_ERR_LIMIT, "room");
    api_must(weft_model_file_value(file, at, 64, text, length + 1, &length));
    assert_int_equal(strlen(text), length);
    key = find_key(file, "gemma3.nobody_knows", &at);
    assert_true(key.unknown && key.kind == WEFT_KEY_INTEGER && key.integer == 3);
    weft_model_file_close(&file);
    assert_null(file);
}

static void tensors_fill_the_file(void **state) {
    (void)state;
    weft_model_file *file = open_file();
    struct weft_model_file_info info;
    struct weft_model_file_tensor t;
    api_must(weft_model_file_info(file, &info));
    assert_string_equal(info.format, "GGUF");
    assert_true(info.parts == 1 && info.tensors > 0);
    for (size_t i = 0; i < info.tensors; i++) {
        api_must(weft_model_file_tensor(file, i, &t));
        assert_true(t.rank >= 1 && t.shape[0] > 0 && t.bytes > 0 && t.offset + t.bytes <= info.bytes && *t.type);
        for (uint32_t d = t.rank; d < 4; d++) assert_int_equal(t.shape[d], 1);
    }
    weft_model_file_close(&file);
}

static void files_refuse(void **state) {
    (void)state;
    weft_model_file *file = open_file(), *none;
    struct weft_model_file_info info;
    struct weft_model_file_key key;
    struct weft_model_file_tensor t;
    weft_graph *graph;
    api_must(weft_model_file_info(file, &info));
    api_fails(weft_model_file_key(file, info.keys, &key), WEFT_ERR_INVALID, "key");
    api_fails(weft_model_file_value(file, SIZE_MAX, 8, NULL, 0, NULL), WEFT_ERR_INVALID, "key");
    api_fails(weft_model_file_tensor(file, info.tensors, &t), WEFT_ERR_INVALID, "tensor");
    api_fails(weft_model_file_open("/nowhere/m.gguf", &none), WEFT_ERR_NOT_FOUND, "/nowhere");
    assert_null(none);
    api_fails(weft_model_file_open(NULL, &none), WEFT_ERR_INVALID, "path");
    api_fails(weft_model_file_info(NULL, &info), WEFT_ERR_INVALID, "file");
    const struct weft_model_graph_params head = {.head = 9}, far = {.ctx = 65};
    api_fails(weft_model_file_graph(file, device, &head, &graph, NULL), WEFT_ERR_INVALID, "head");
    api_fails(weft_model_file_graph(file, device, &far, &graph, NULL), WEFT_ERR_LIMIT, "65");
    assert_null(graph);
    api_fails(weft_model_file_graph(file, NULL, NULL, &graph, NULL), WEFT_ERR_INVALID, "device");
    weft_model_file_close(&file);
    weft_model_file_close(&file);
    weft_model_file_close(NULL);
}

// ---- plans ---------------------------------------------------------------------------------------------------------

static weft_plan *plan_of(weft_model_file *file, const struct weft_model_graph_params *params) {
    struct weft_program_compile_params compile;
    weft_graph *graph;
    weft_plan *plan;
    api_must(weft_model_file_graph(file, device, params, &graph, &compile));
    api_must(weft_plan_make(device, &graph, &compile, &plan));
    assert_null(graph);
    return plan;
}

static char *text_of(const weft_plan *plan, bool json) {
    size_t length;
    api_must(weft_plan_text(plan, json, NULL, 0, &length));
    char *text = malloc(length + 1);
    assert_non_null(text);
    api_must(weft_plan_text(plan, json, text, length + 1, &length));
    return text;
}

/// What is looked at is what runs.
static void plans_are_those_of_models(void **state) {
    (void)state;
    weft_model_file *file = open_file();
    weft_model *model;
    struct weft_model_info info;
    for (int sampling = 0; sampling < 2; sampling++) {
        weft_plan *plan = plan_of(file, &(struct weft_model_graph_params){.sampling = sampling, .cache_f16 = sampling});
        const struct weft_model_params params = {.greedy = !sampling, .cache_f16 = sampling};
        api_must(weft_model_open(device, path, &params, &model));
        api_must(weft_model_info(model, &info));
        struct weft_memory_use use = weft_plan_memory(plan);
        assert_memory_equal(&use, &info.memory, sizeof use);
        char *text = text_of(plan, true), *other;
        size_t length;
        api_must(weft_program_print(weft_model_program(model), true, NULL, 0, &length));
        other = malloc(length + 1);
        assert_non_null(other);
        api_must(weft_program_print(weft_model_program(model), true, other, length + 1, &length));
        assert_string_equal(text, other);
        free(text);
        free(other);
        weft_model_close(&model);
        weft_plan_free(&plan);
    }
    weft_model_file_close(&file);
}

static void states_add_up(void **state) {
    (void)state;
    weft_model_file *file = open_file();
    weft_plan *plan = plan_of(file, NULL);
    struct weft_memory_use use = weft_plan_memory(plan);
    struct weft_plan_state_info s;
    struct weft_plan_context_info c;
    uint64_t paged = 0, other = 0, full = 0, spare = 0;
    size_t n = 0, contexts = 0;
    for (; weft_plan_context_at(plan, contexts, &c); contexts++) {
        full += c.pages * c.page_bytes;
        spare += c.page_bytes; // one page that is nobody's
    }
    for (; weft_plan_state_at(plan, n, &s); n++) {
        if (s.kind == WEFT_STATE_PAGED) {
            paged += s.bytes;
            assert_true(s.context < contexts);
        } else other += s.bytes;
        assert_true(s.kind == WEFT_STATE_VAR || s.bytes >= s.buffers * s.rows * s.row_bytes);
    }
    assert_true(n > 0 && contexts > 0);
    assert_int_equal(paged, full);
    assert_int_equal(full + spare, use.pages);
    assert_true(other <= use.states);
    assert_false(weft_plan_state_at(NULL, 0, &s) || weft_plan_context_at(NULL, 0, &c) ||
                 weft_plan_state_at(plan, SIZE_MAX, &s));
    weft_plan_free(&plan);
    weft_plan_free(&plan);
    weft_plan_free(NULL);
    weft_model_file_close(&file);
}

static void heads_are_planned(void **state) {
    (void)state;
    weft_model_file *file = open_file();
    char *before = NULL;
    for (int head = WEFT_HEAD_GENERATE; head <= WEFT_HEAD_NLL; head++) {
        weft_plan *plan = plan_of(file, &(struct weft_model_graph_params){.head = (enum weft_model_head)head});
        char *text = text_of(plan, false);
        if (before) assert_string_not_equal(before, text);
        free(before);
        before = text;
        weft_plan_free(&plan);
    }
    free(before);
    weft_model_file_close(&file);
}

// ---- passes --------------------------------------------------------------------------------------------------------

static void count_text(void *user, const char *text, size_t length) {
    assert_non_null(text);
    *(size_t *)user += length;
}

static weft_graph *small_graph(void) {
    weft_graph *g;
    api_must(weft_graph_new(&g));
    api_must(api_build(g));
    return g;
}

static void passes_are_shown(void **state) {
    (void)state;
    const char *name, *leaves;
    size_t n = 0;
    for (; weft_plan_pass(n, &name, &leaves); n++) {
        weft_graph *g = small_graph();
        size_t shown = 0;
        api_must(weft_plan_show(device, &g, NULL, name, count_text, &shown));
        assert_null(g);
        assert_true(shown > 0 && *leaves);
    }
    assert_true(n > 5 && weft_plan_pass(0, NULL, NULL) && !weft_plan_pass(SIZE_MAX - 1, &name, &leaves));
    weft_graph *g = small_graph();
    api_fails(weft_plan_show(device, &g, NULL, "knitting", count_text, &n), WEFT_ERR_NOT_FOUND, "knitting");
    assert_null(g);
    g = small_graph();
    api_fails(weft_plan_show(device, &g, NULL, "fuse", NULL, NULL), WEFT_ERR_INVALID, "text");
    assert_null(g);
}

static void plans_refuse(void **state) {
    (void)state;
    static const int64_t falling[] = {16, 1};
    weft_plan *plan = (weft_plan *)state;
    weft_graph *g = small_graph();
    const struct weft_program_compile_params splits = {.split_symbol = "T", .split_at = falling, .n_splits = 2},
                                             symbol = {.split_symbol = "U", .split_at = falling, .n_splits = 1};
    api_fails(weft_plan_make(device, &g, &splits, &plan), WEFT_ERR_INVALID, "rise");
    assert_true(!g && !plan);
    g = small_graph();
    api_fails(weft_plan_make(device, &g, &symbol, &plan), WEFT_ERR_NOT_FOUND, "U");
    api_fails(weft_plan_make(device, &g, NULL, &plan), WEFT_ERR_INVALID, "graph");
    api_fails(weft_plan_text(NULL, false, NULL, 0, NULL), WEFT_ERR_INVALID, "plan");
}

// ---- tokenizers, profiles ------------------------------------------------------------------------------------------

static void tokenizers_agree_with_models(void **state) {
    (void)state;
    static const char text[] = "hello <eos> \xc3\xa9";
    weft_tokenizer *t;
    weft_model *model;
    int32_t a[64], b[64];
    char back[64];
    size_t n, m, length;
    api_must(weft_tokenizer_open(path, &t));
    api_must(weft_model_open(device, path, &(struct weft_model_params){.lazy = true}, &model));
    assert_int_equal(weft_tokenizer_size(t), 300);
    assert_int_equal(weft_tokenizer_bos(t), weft_tokenizer_bos(weft_model_tokenizer(model)));
    for (unsigned flags = 0; flags < 4; flags++) {
        api_must(weft_tokenizer_to_ids(t, text, strlen(text), flags, a, 64, &n));
        api_must(weft_model_tokenize(model, text, strlen(text), flags, b, 64, &m));
        assert_true(n == m && n > 0 && memcmp(a, b, n * sizeof *a) == 0);
        api_must(weft_tokenizer_to_text(t, a, n, false, back, sizeof back, &length));
        api_fails(weft_tokenizer_to_ids(t, text, strlen(text), flags, a, 1, &n), WEFT_ERR_LIMIT, "room");
        assert_int_equal(n, m);
    }
    api_must(weft_tokenizer_to_ids(t, text, strlen(text), WEFT_TOKENIZE_NO_BOS, a, 64, &n));
    api_must(weft_tokenizer_to_text(t, a, n, false, back, sizeof back, &length));
    assert_string_equal(back, text);
    a[0] = 300;
    api_fails(weft_tokenizer_to_text(t, a, 1, false, back, sizeof back, &length), WEFT_ERR_INVALID, "300");
    api_fails(weft_tokenizer_to_ids(t, text, 1, 8, a, 64, &n), WEFT_ERR_INVALID, "0x8");
    api_fails(weft_tokenizer_to_ids(NULL, text, 1, 0, a, 64, &n), WEFT_ERR_INVALID, "tokenizer");
    api_fails(weft_tokenizer_open("/nowhere/m.gguf", NULL), WEFT_ERR_INVALID, "NULL");
    assert_true(weft_tokenizer_size(NULL) == 0 && weft_tokenizer_bos(NULL) == -1 && weft_tokenizer_eos(NULL) == -1);
    assert_null(weft_model_tokenizer(NULL));
    weft_model_close(&model);
    weft_tokenizer_close(&t);
    weft_tokenizer_close(&t);
    weft_tokenizer_close(NULL);
}

static void no_profile_without_timestamps(void **state) {
    (void)state;
    api_fails(weft_device_profile(device, NULL, NULL), WEFT_ERR_UNSUPPORTED, "profile");
    api_fails(weft_device_profile(NULL, NULL, NULL), WEFT_ERR_INVALID, "device");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_have_their_values),
        cmocka_unit_test(tensors_fill_the_file),
        cmocka_unit_test(files_refuse),
        cmocka_unit_test(plans_are_those_of_models),
        cmocka_unit_test(states_add_up),
        cmocka_unit_test(heads_are_planned),
        cmocka_unit_test(passes_are_shown),
        cmocka_unit_test(plans_refuse),
        cmocka_unit_test(tokenizers_agree_with_models),
        cmocka_unit_test(no_profile_without_timestamps),
    };
    return cmocka_run_group_tests_name("api/look", tests, setup, teardown);
}
