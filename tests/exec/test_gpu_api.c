/// The public API on a driver: a graph of one's own at several sizes against numbers worked out here, blocking and
/// asynchronous, types of a byte, and a tiny model whose text, ids and logits must agree with each other.
#include "api_device.h"
#include "api_graph.h"
#include "support/tiny_gemma3.h"
#include "support/graph_run.h"
#include <stdlib.h>
#include <unistd.h>

// ---- a graph -------------------------------------------------------------------------------------------------------

static void fill(float *x, int64_t rows, float from) {
    for (int64_t i = 0; i < rows * 3; i++) x[i] = from + 0.25f * (float)(i % 17);
}

/// silu(x w^T) in double; how many elements of `z` are further away than rounding explains.
static int wrong(const float *x, const float *w, const float *z, int64_t rows) {
    int bad = 0;
    for (int64_t r = 0; r < rows; r++) {
        for (int k = 0; k < 4; k++) {
            double y = 0;
            for (int i = 0; i < 3; i++) y += (double)x[r * 3 + i] * w[k * 3 + i];
            double want = y / (1 + exp(-y));
            bad += !(fabs(z[r * 4 + k] - want) <= 1e-5 * (1 + fabs(want)));
        }
    }
    return bad;
}

static void write_x(weft_session *s, const float *x, int64_t rows) {
    api_must(api_set_rows(s, rows));
    api_must(weft_session_write(s, "x", 0, x, (uint64_t)rows * 12));
}

static void blocking(void **state) {
    (void)state;
    static const int64_t sizes[] = {64, 1, 16, 0, 1, 63, 2};
    float x[API_ROWS * 3], z[API_ROWS * 4];
    weft_program *program = api_program(device, &api_weight);
    for (int checker = 0; checker < 2; checker++) {
        weft_session *s;
        api_must(weft_session_create(program, &(struct weft_session_params){.checker = checker}, &s));
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            fill(x, sizes[i], (float)i);
            write_x(s, x, sizes[i]);
            api_must(weft_session_run_blocking(s, 1));
            api_must(weft_session_read(s, "z", 0, z, (uint64_t)sizes[i] * 16));
            assert_int_equal(wrong(x, api_w, z, sizes[i]), 0);
        }
        weft_session_destroy(&s);
    }
    weft_program_destroy(&program);
}

/// Negative control: another weight, the same expectation.
static void comparison_notices(void **state) {
    (void)state;
    float x[6], z[8], w[12];
    memcpy(w, api_w, sizeof w);
    w[11] = 1.001f;
    struct weft_weight other = {"w", w, sizeof w};
    weft_program *program = api_program(device, &other);
    weft_session *s;
    api_must(weft_session_create(program, NULL, &s));
    fill(x, 2, 1);
    write_x(s, x, 2);
    api_must(weft_session_run(s, 1, NULL));
    api_must(weft_session_read(s, "z", 0, z, sizeof z));
    assert_int_equal(wrong(x, w, z, 2), 0);
    assert_int_equal(wrong(x, api_w, z, 2), 2); // the last column of both rows
    weft_session_destroy(&s);
    weft_program_destroy(&program);
}

/// Two sessions run ahead with reads under way; results come back in order, and each is its own.
static void asynchronous(void **state) {
    (void)state;
    enum { ROUNDS = 6 };
    float x[ROUNDS][2][3 * 3], z[3 * 4];
    uint64_t fences[ROUNDS] = {0};
    weft_pending pending[ROUNDS][2];
    weft_program *program = api_program(device, &api_weight);
    weft_session *s[2];
    bool done = false;
    for (int k = 0; k < 2; k++) api_must(weft_session_create(program, NULL, &s[k]));
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < 2; k++) {
            int64_t rows = 1 + (i + k) % 3;
            fill(x[i][k], rows, (float)(i - 3 * k));
            write_x(s[k], x[i][k], rows);
            api_must(weft_session_run(s[k], 1, &fences[i]));
            api_must(weft_session_read_async(s[k], "z", 0, (uint64_t)rows * 16, &pending[i][k]));
        }
        if (i) assert_true(fences[i] > fences[i - 1]);
    }
    api_must(weft_session_wait(s[0], fences[0], -1));
    api_must(weft_session_done(s[0], fences[0], &done));
    assert_true(done);
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < 2; k++) {
            int64_t rows = 1 + (i + k) % 3;
            api_must(weft_session_read_finish(s[k], &pending[i][k], z, (uint64_t)rows * 16));
            assert_int_equal(wrong(x[i][k], api_w, z, rows), 0);
        }
    }
    weft_pending old = pending[0][0];
    assert_int_equal(weft_session_read_done(s[0], old, &done), WEFT_ERR_STALE); // it was finished
    api_must(weft_device_wait_idle(device));
    api_must(weft_session_done(s[1], fences[ROUNDS - 1], &done));
    assert_true(done);
    weft_session_destroy(&s[0]);
    api_must(weft_session_run_blocking(s[1], 1)); // the other one lives on
    weft_session_destroy(&s[1]);
    weft_program_destroy(&program);
}

/// A refused call changes neither sizes nor contents.
static void refusals_change_nothing(void **state) {
    (void)state;
    float x[9], z[12], junk[400] = {0};
    weft_program *program = api_program(device, &api_weight);
    weft_session *s;
    api_must(weft_session_create(program, NULL, &s));
    fill(x, 3, 2);
    write_x(s, x, 3);
    assert_int_not_equal(api_set_rows(s, API_ROWS + 1), WEFT_OK);
    api_fails(weft_session_write(s, "x", 0, junk, 40), WEFT_ERR_LIMIT, "'x'");
    api_fails(weft_session_write(s, "nothing", 0, junk, 4), WEFT_ERR_NOT_FOUND, "'nothing'");
    api_fails(weft_session_run(s, 1000, NULL), WEFT_ERR_INVALID, "1000");
    api_must(weft_session_run(s, 1, NULL));
    api_must(weft_session_read(s, "z", 0, z, sizeof z));
    assert_int_equal(wrong(x, api_w, z, 3), 0);
    weft_session_destroy(&s);
    weft_program_destroy(&program);
}

// ---- states --------------------------------------------------------------------------------------------------------

static const char cache_text[] =
    "symbol T 1 8\ninput x f32 [T, 4]\nstate kept dense f32 [8, 4]\nvar pos u32 0 8\n"
    "%0 = cache_append %kept %x %pos\n%1 = advance %pos {by=T}\n%2 = neg %x\noutput %2 y\n";

static void states(void **state) {
    (void)state;
    float x[4] = {1, 2, 3, 4}, kept[32];
    uint32_t word = 9;
    bool active;
    weft_graph *g;
    weft_program *program;
    weft_session *s;
    api_must(weft_graph_parse_text(cache_text, strlen(cache_text), &g));
    api_must(weft_program_compile(device, &g, NULL, &program));
    api_must(weft_session_create(program, NULL, &s));
    api_must(api_set_rows(s, 1));
    api_must(weft_session_write(s, "x", 0, x, sizeof x));
    api_must(weft_session_run(s, 3, NULL));
    api_must(weft_session_get_var(s, "pos", &word));
    assert_int_equal(word, 3);
    api_must(weft_session_read(s, "kept", 0, kept, sizeof kept));
    for (int i = 0; i < 32; i++) assert_true(kept[i] == (i < 12 ? x[i % 4] : 0.0f));
    api_must(weft_session_set_active(s, 0)); // runs leave no trace
    api_must(weft_session_run(s, 2, NULL));
    api_must(weft_session_get_var(s, "pos", &word));
    assert_int_equal(word, 3);
    api_must(weft_session_reset(s));
    api_must(weft_session_get_active(s, &active));
    assert_true(active);
    api_must(weft_session_get_var(s, "pos", &word));
    assert_int_equal(word, 0);
    api_must(weft_session_read(s, "kept", 0, kept, sizeof kept));
    for (int i = 0; i < 32; i++) assert_true(kept[i] == 0.0f);
    weft_session_destroy(&s);
    weft_program_destroy(&program);
}

// ---- types of a byte -----------------------------------------------------------------------------------------------

/// Elements of 8 bits lie side by side, outside as on the device: `bytes` is rounded up to 4, and zero behind the last.
static void bytes_are_packed(void **state) {
    (void)state;
    static const char text[] = "input s f32 []\ninput x f32 [1]\ninput y f32 [5]\ninput u u8 [6]\nweight w f32 [2, 4]\n"
                               "%m = max %s %x\n%less = le %y %m\noutput %less less\n"
                               "%sum = add %u %u\noutput %sum sum\n%q %scale = quantize %w {block=4}\noutput %q q\n";
    static const float s = 1, x = 3, y[] = {3, 4, -1, 3.5f, 0}, w[] = {1, -0.5f, 0, 0.25f, -2, 1, 0.5f, 2};
    static const uint8_t u[8] = {1, 2, 127, 128, 200, 255};
    static const struct {
        const char *name;
        uint8_t want[8];
    } outputs[] = {
        {"less", {1, 0, 1, 0, 1}},
        {"sum", {2, 4, 254, 0, 144, 254}},
        {"q", {127, 0xc0, 0, 32, 0x81, 64, 32, 127}}, // 127, -64, 0, 32, -127, 64, 32, 127
    };
    const struct weft_weight weight = {"w", w, sizeof w};
    weft_graph *g;
    weft_program *program;
    weft_session *session;
    api_must(weft_graph_parse_text(text, strlen(text), &g));
    api_must(weft_program_compile(device, &g, &(struct weft_program_compile_params){.weights = &weight, .n_weights = 1},
                                  &program));
    api_must(weft_session_create(program, NULL, &session));
    api_must(weft_session_write(session, "s", 0, &s, sizeof s));
    api_must(weft_session_write(session, "x", 0, &x, sizeof x));
    api_must(weft_session_write(session, "y", 0, y, sizeof y));
    api_must(weft_session_write(session, "u", 0, u, sizeof u));
    api_must(weft_session_run(session, 1, NULL));
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        struct weft_tensor_info info;
        uint8_t got[8] = {0};
        api_must(weft_session_tensor(session, outputs[i].name, &info));
        assert_int_equal(info.bytes, 8);
        api_must(weft_session_read(session, outputs[i].name, 0, got, sizeof got));
        assert_memory_equal(got, outputs[i].want, sizeof got);
    }
    weft_session_destroy(&session);
    weft_program_destroy(&program);
}

// ---- a model -------------------------------------------------------------------------------------------------------

struct heard {
    int32_t ids[64];
    size_t n_ids, length;
    char text[1024];
};

static bool on_token(void *user, int32_t id) {
    struct heard *h = user;
    if (h->n_ids < 64) h->ids[h->n_ids++] = id;
    return true;
}

static bool on_text(void *user, const char *text, size_t length) {
    struct heard *h = user;
    if (length > sizeof h->text - h->length) return false;
    memcpy(h->text + h->length, text, length);
    h->length += length;
    return true;
}

static struct heard generate(weft_model *m, struct weft_model_generate_params params,
                             struct weft_generate_stats *stats) {
    static const char prompt[] = "abc";
    struct heard h = {0};
    params.token = on_token;
    params.text = on_text;
    params.user = &h;
    params.ignore_stops = true;
    api_must(weft_model_generate(m, prompt, 3, &params, stats));
    return h;
}

static size_t likeliest(const float *logits, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

/// Greedy ids are the likeliest of the logits that teacher forcing gives, and the text is that of the ids.
static void greedy_agrees(weft_model *m) {
    enum { NEW = 12 };
    struct weft_generate_stats stats;
    struct weft_model_info info;
    int32_t ids[64];
    char text[1024];
    size_t n, length;
    struct heard h = generate(m, (struct weft_model_generate_params){.max_tokens = NEW}, &stats);
    assert_true(h.n_ids == NEW && stats.new_tokens == NEW && stats.reason == WEFT_STOP_LENGTH);
    api_must(weft_model_detokenize(m, h.ids, h.n_ids, text, sizeof text, &length));
    assert_true(length == h.length && memcmp(text, h.text, length) == 0);
    api_must(weft_model_info(m, &info));
    api_must(weft_model_tokenize(m, "abc", 3, 0, ids, 64 - NEW, &n));
    assert_int_equal(n, stats.prompt_tokens);
    memcpy(ids + n, h.ids, sizeof *ids * NEW);
    float *logits = malloc((n + NEW) * info.vocab * sizeof *logits);
    assert_non_null(logits);
    api_must(weft_model_logits(m, ids, n + NEW, logits));
    for (size_t i = 0; i < NEW; i++)
        assert_int_equal(likeliest(logits + (n - 1 + i) * info.vocab, info.vocab), h.ids[i]);
    free(logits);
}

/// Cut before a text that is known to come.
static void stop_text_agrees(weft_model *m) {
    struct weft_generate_stats stats;
    struct heard all = generate(m, (struct weft_model_generate_params){.max_tokens = 12}, &stats);
    char stop[3] = {0};
    const char *stops[] = {stop};
    size_t at = all.length / 2;
    assert_true(all.length >= 6);
    memcpy(stop, all.text + at, 2);
    if (!stop[0] || !stop[1]) return; // random weights: a text with a zero byte has no such stop
    while (at && memcmp(all.text + at - 1, stop, 2) == 0) at--;
    for (size_t i = 0; i < at; i++)
        if (memcmp(all.text + i, stop, 2) == 0) at = i;
    struct weft_model_generate_params params = {.max_tokens = 12, .stop_texts = stops, .n_stop_texts = 1};
    struct heard cut = generate(m, params, &stats);
    assert_int_equal(stats.reason, WEFT_STOP_TEXT);
    assert_true(cut.length == at && memcmp(cut.text, all.text, at) == 0);
}

static void seeds_agree(weft_model *m) {
    struct weft_model_generate_params params = {.max_tokens = 24, .sampling = {.temp = 1.5f, .seed = 5}};
    struct heard a = generate(m, params, NULL), b = generate(m, params, NULL);
    params.sampling.seed = 6;
    struct heard c = generate(m, params, NULL);
    assert_memory_equal(a.ids, b.ids, sizeof a.ids);
    assert_memory_not_equal(a.ids, c.ids, sizeof a.ids);
}

static void count_chunks(void *user, uint32_t chunk, uint32_t chunks, double figure) {
    assert_true(chunk <= chunks && figure > 1);
    *(uint32_t *)user = chunk;
}

static void model(void **state) {
    (void)state;
    const char *implementation = getenv("WEFT_WEBGPU");
    // SwiftShader compiles the model's kernels for two minutes; tests/engine/test_gpu_lm.c has it do so once.
    if (implementation && strcmp(implementation, "dawn") == 0 && !weft_test_long()) skip();
    static const char text[] = "The quick brown fox jumps over the lazy dog, and the dog does not mind at all.";
    char path[] = "/tmp/weft-gpu-api-XXXXXX";
    int fd = mkstemp(path);
    double figure = 0;
    uint32_t chunks = 0;
    weft_model *m;
    assert_true(fd >= 0);
    close(fd);
    assert_true(weft_tiny_gemma3_write(&(struct weft_tiny_gemma3){.seed = 3, .n_layer = 3}, path));
    api_must(weft_model_open(device, path, &(struct weft_model_params){0}, &m));
    greedy_agrees(m);
    stop_text_agrees(m);
    seeds_agree(m);
    api_must(weft_model_perplexity(m, text, sizeof text - 1, 16, 2, count_chunks, &chunks, &figure));
    assert_true(chunks == 2 && figure > 1 && figure < 1e6);
    weft_model_close(&m);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocking),         cmocka_unit_test(comparison_notices),      cmocka_unit_test(asynchronous),
        cmocka_unit_test(states),           cmocka_unit_test(refusals_change_nothing), cmocka_unit_test(model),
        cmocka_unit_test(bytes_are_packed),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
