/// Beam search on a device beside one in double on the host, which evaluates every beam from its first token: windows
/// and pages, recurrent layers, caches of f16, stops and length penalties. One beam is greedy generation, and many find
/// what a search of all texts finds.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
// cmocka wants those above first
#include <cmocka.h>

#include "core/alloc.h"
#include "engine/beam_choose.h"
#include "engine/lm.h"
#include "model/gguf.h"
#include "model/host.h"
#include "support/graph_run.h"
#include "support/must.h"
#include "support/tiny_gemma3.h"
#include "weft/beam.h"

#include <math.h>
#include <string.h>

enum { CTX = 64, PROMPT = 11, MOST_VOCAB = 512, KNOWN = 512, WIDTH = 4 };

static weft_gpu *gpu;
static char path[] = "/tmp/weft-beam-XXXXXX";
static int32_t prompt[PROMPT];

struct text {
    int32_t ids[CTX];
    uint32_t n, length; ///< without and with the stop token
    double sum, score;
    bool stopped;
};

/// What the host has evaluated of a model: searches look at the same beginnings again and again.
static struct {
    const struct weft_host_lm *host;
    int32_t ids[CTX];
    uint32_t n;
    double logs[MOST_VOCAB];
} known[KNOWN];
static uint32_t n_known;

/// A model on the device and on the host.
struct both {
    weft_lm *lm;
    struct weft_source *file;
    struct weft_host_lm *host;
    uint32_t vocab;
};

static struct both both_open(const char *file, struct weft_model_params params) {
    struct both m = {0};
    params.ctx = CTX;
    params.chunk = 8; // below the prompt's length
    params.lazy = true;
    MUST(weft_lm_open(gpu, file, &params, &m.lm));
    MUST(weft_gguf_open(file, &m.file));
    MUST(weft_host_lm_create(
        m.file, &(struct weft_host_lm_params){.ctx = CTX, .chunk = CTX, .cache_f16 = params.cache_f16}, &m.host));
    m.vocab = weft_host_lm_vocab(m.host);
    assert_true(m.vocab <= MOST_VOCAB);
    for (uint32_t i = 0; i < PROMPT; i++) prompt[i] = (int32_t)(4 + 37 * i * i % (m.vocab - 4));
    return m;
}

static void both_close(struct both *m) {
    n_known = 0;
    weft_host_lm_destroy(m->host);
    weft_source_close(m->file);
    weft_lm_close(&m->lm);
}

// ---- the host ------------------------------------------------------------------------------------------------------

static bool look_up(const struct weft_host_lm *host, const struct text *t, double *logs) {
    for (uint32_t i = 0; i < n_known; i++) {
        if (known[i].host != host || known[i].n != t->n || memcmp(known[i].ids, t->ids, t->n * sizeof *t->ids))
            continue;
        memcpy(logs, known[i].logs, sizeof known[i].logs);
        return true;
    }
    return false;
}

static void keep_known(const struct weft_host_lm *host, const struct text *t, const double *logs) {
    if (n_known == KNOWN) return;
    known[n_known].host = host;
    known[n_known].n = t->n;
    memcpy(known[n_known].ids, t->ids, sizeof t->ids);
    memcpy(known[n_known++].logs, logs, sizeof known[0].logs);
}

/// Log probabilities [MOST_VOCAB] of what follows the prompt and a text.
static void host_logs(const struct both *m, const struct text *t, double *logs) {
    int32_t ids[CTX];
    double most = -INFINITY, sum = 0;
    if (look_up(m->host, t, logs)) return;
    memcpy(ids, prompt, sizeof prompt);
    memcpy(ids + PROMPT, t->ids, t->n * sizeof *ids);
    weft_host_lm_reset(m->host);
    MUST(weft_host_lm_feed(m->host, ids, PROMPT + t->n, 1, logs));
    for (uint32_t i = 0; i < m->vocab; i++) most = fmax(most, logs[i]);
    for (uint32_t i = 0; i < m->vocab; i++) sum += exp(logs[i] - most);
    for (uint32_t i = 0; i < m->vocab; i++) logs[i] -= most + log(sum);
    keep_known(m->host, t, logs);
}

static int by_sum(const void *a, const void *b) {
    const struct text *x = a, *y = b;
    return x->sum < y->sum ? 1 : x->sum > y->sum ? -1 : 0;
}

static int by_score(const void *a, const void *b) {
    const struct text *x = a, *y = b;
    return x->score < y->score ? 1 : x->score > y->score ? -1 : 0;
}

static bool stops(const struct weft_beam_params *p, int32_t id) {
    for (uint32_t i = 0; i < p->n_stop_ids; i++)
        if (p->stop_ids[i] == id) return true;
    return false;
}

static double score_of(const struct text *t, const struct weft_beam_params *p) {
    return t->sum / pow(t->length, (double)p->length_penalty);
}

/// The whole search, to its last step; returns how many texts there are, the best first. Those that are chosen differ
/// by more than rounding from those that are not.
static uint32_t host_search(const struct both *m, const struct weft_beam_params *p, struct text *found) {
    struct text *all = weft_calloc((size_t)p->beams * m->vocab, sizeof *all), live[WEFT_BEAMS] = {{.n = 0}};
    uint32_t n = 1, ended = 0;
    double logs[MOST_VOCAB];
    assert_non_null(all);
    for (uint32_t length = 1; n && length <= p->max_tokens; length++) {
        for (uint32_t i = 0; i < n; i++) {
            host_logs(m, &live[i], logs);
            for (uint32_t t = 0; t < m->vocab; t++) {
                struct text *way = &all[i * m->vocab + t];
                *way = live[i];
                way->length = length;
                way->sum += logs[t];
                way->ids[way->n] = (int32_t)t;
                way->stopped = stops(p, (int32_t)t);
                way->n += !way->stopped;
            }
        }
        qsort(all, (size_t)n * m->vocab, sizeof *all, by_sum);
        uint32_t most = p->beams - ended;
        for (uint32_t i = 0; i < most; i++) assert_true(all[i].sum - all[i + 1].sum > 1e-5);
        n = 0;
        for (uint32_t i = 0; i < most; i++) {
            if (all[i].stopped || length == p->max_tokens) found[ended++] = all[i];
            else live[n++] = all[i];
        }
    }
    for (uint32_t i = 0; i < ended; i++) found[i].score = score_of(&found[i], p);
    qsort(found, ended, sizeof *found, by_score);
    weft_free(all);
    return ended;
}

// ---- beside each other ---------------------------------------------------------------------------------------------

static bool same(const struct text *want, const struct weft_beam_result *r) {
    return r->count == want->n && memcmp(r->ids, want->ids, want->n * sizeof *want->ids) == 0 &&
           fabs(r->log_probability - want->sum) < 2e-3 && fabs(r->score - want->score) < 2e-3 &&
           (r->reason == WEFT_STOP_TOKEN) == want->stopped;
}

/// How many of the results are those of the host; all in order, if it is as many as are wanted.
static uint32_t agree(const struct both *m, const struct weft_beam_params *device,
                      const struct weft_beam_params *host) {
    struct text want[WEFT_BEAMS];
    weft_beams *b = NULL;
    MUST(weft_model_beams_ids(m->lm, prompt, PROMPT, device, &b));
    uint32_t n = host_search(m, host, want), equal = 0;
    assert_int_equal(weft_beams_count(b), device->results < n ? device->results : n);
    for (size_t i = 0; i < weft_beams_count(b); i++) {
        struct weft_beam_result r;
        MUST(weft_beams_result(b, i, &r));
        equal += same(&want[i], &r);
    }
    weft_beams_destroy(&b);
    return equal;
}

static void equals_host(const struct both *m, struct weft_beam_params params) {
    params.ignore_stops = true; // what ends is the test's affair
    assert_int_equal(agree(m, &params, &params), params.results);
}

static bool keep(void *user, int32_t id) {
    struct text *t = user;
    t->ids[t->n++] = id;
    return true;
}

/// One beam, to the end of the context, and greedy generation.
static void equals_greedy(const struct both *m) {
    struct text greedy = {.n = 0};
    struct weft_generate_stats stats;
    struct weft_beam_result r;
    weft_beams *b = NULL;
    const struct weft_model_generate_params params = {.token = keep, .user = &greedy};
    MUST(weft_model_generate_ids(m->lm, prompt, PROMPT, &params, &stats));
    MUST(weft_model_beams_ids(m->lm, prompt, PROMPT, &(struct weft_beam_params){.beams = 1}, &b));
    MUST(weft_beams_result(b, 0, &r));
    assert_int_equal(r.count, greedy.n);
    assert_memory_equal(r.ids, greedy.ids, greedy.n * sizeof *greedy.ids);
    assert_int_equal(r.reason, stats.reason);
    weft_beams_destroy(&b);
}

static struct both plain; ///< shared, since every width and every head is a program to compile

static void windows_and_pages(void **state) {
    (void)state;
    if (weft_test_thin()) skip();
    equals_host(&plain, (struct weft_beam_params){.beams = WIDTH, .results = 4, .max_tokens = 12, .length_penalty = 1});
    equals_host(&plain, (struct weft_beam_params){.beams = WIDTH, .results = 1, .max_tokens = 3});
    equals_greedy(&plain);
}

static void other_caches_and_numbers(void **state) {
    (void)state;
    if (weft_test_thin()) skip();
    for (int i = 0; i < (weft_test_long() ? 2 : 1); i++) {
        struct both m = both_open(path, i ? (struct weft_model_params){.numbers = WEFT_NUMBERS_INVARIANT}
                                          : (struct weft_model_params){.cache_f16 = true});
        equals_host(&m, (struct weft_beam_params){.beams = WIDTH, .results = 3, .max_tokens = 8});
        both_close(&m);
    }
}

static void recurrent_layers(void **state) {
    (void)state;
    if (weft_test_thin()) skip();
    char file[512];
    const char *build = getenv("WEFT_TEST_BUILD");
    snprintf(file, sizeof file, "%s/models/hybrid.gguf", build ? build : ".");
    struct both m = both_open(file, (struct weft_model_params){0});
    equals_host(&m, (struct weft_beam_params){.beams = WIDTH, .results = 4, .max_tokens = 8});
    if (weft_test_long()) equals_greedy(&m);
    both_close(&m);
}

/// Stop tokens that the best texts reach after different numbers of tokens; what is best depends on the penalty.
static void stops_and_penalties(void **state) {
    (void)state;
    if (weft_test_thin()) skip();
    struct text best[WEFT_BEAMS];
    struct weft_beam_params params = {.beams = WIDTH, .results = WIDTH, .max_tokens = 7};
    uint32_t n = host_search(&plain, &params, best), lengths[3];
    const int32_t stop[] = {best[0].ids[5], best[n - 1].ids[2], best[n / 2].ids[1]};
    static const float penalties[] = {0, 4, -2};
    params.stop_ids = stop;
    params.n_stop_ids = 3;
    for (uint32_t i = 0; i < 3; i++) {
        params.length_penalty = penalties[i];
        for (params.results = 1; params.results <= WIDTH; params.results += WIDTH - 1) equals_host(&plain, params);
        params.results = WIDTH;
        host_search(&plain, &params, best);
        lengths[i] = best[0].length;
    }
    assert_true(lengths[1] > lengths[2]);
}

/// The best text of `length` tokens of all that there are: what can't beat the best so far is left out.
static void best_of_all(const struct both *m, struct text *t, uint32_t length, struct text *best, uint32_t *seen) {
    double logs[MOST_VOCAB];
    if (t->n == length) {
        *best = *t;
        return;
    }
    host_logs(m, t, logs);
    ++*seen;
    for (;;) { // the likeliest first
        uint32_t next = 0;
        for (uint32_t i = 1; i < m->vocab; i++)
            if (logs[i] > logs[next]) next = i;
        struct text more = *t;
        more.sum += logs[next];
        if (!(more.sum > best->sum)) return;
        more.ids[more.n++] = (int32_t)next;
        logs[next] = -INFINITY;
        best_of_all(m, &more, length, best, seen);
    }
}

static void many_beams_find_the_best(void **state) {
    (void)state;
    if (weft_test_thin()) skip();
    struct text nothing = {.n = 0}, best = {.sum = -INFINITY}, greedy[WEFT_BEAMS];
    struct weft_beam_params params = {.beams = WIDTH, .max_tokens = 3, .ignore_stops = true};
    struct weft_beam_result r;
    weft_beams *b = NULL;
    uint32_t seen = 0;
    best_of_all(&plain, &nothing, 3, &best, &seen);
    MUST(weft_model_beams_ids(plain.lm, prompt, PROMPT, &params, &b));
    MUST(weft_beams_result(b, 0, &r));
    best.score = best.sum;
    assert_true(same(&best, &r));
    weft_beams_destroy(&b);
    params.beams = 1; // is not what one beam finds, so that beams matter
    host_search(&plain, &params, greedy);
    print_message("%u beginnings looked at; the best %.3f, greedy %.3f\n", seen, best.sum, greedy[0].sum);
    assert_true(greedy[0].sum < best.sum - 1e-2);
}

/// Negative control: a search of another width is another search, which the comparison says.
static void another_width_is_noticed(void **state) {
    (void)state;
    if (weft_test_thin()) skip();
    const struct weft_beam_params params = {.beams = WIDTH, .results = WIDTH, .max_tokens = 8, .ignore_stops = true};
    struct weft_beam_params wider = params;
    wider.beams = 12;
    assert_true(agree(&plain, &params, &wider) < WIDTH);
}

/// All logits are NaN: an error, as it is one of generation.
static void logits_of_nan(void **state) {
    (void)state;
    if (weft_test_thin()) skip();
    const struct weft_tiny_gemma3 tiny = {.seed = 12, .n_layer = 1, .ctx = CTX, .plain = true, .nan = "output_norm"};
    char file[sizeof path + 8];
    weft_beams *b = NULL;
    snprintf(file, sizeof file, "%s.nan", path);
    assert_true(weft_tiny_gemma3_write(&tiny, file));
    struct both m = both_open(file, (struct weft_model_params){0});
    assert_int_equal(weft_model_beams_ids(m.lm, prompt, PROMPT, NULL, &b), WEFT_ERR_FORMAT);
    assert_non_null(strstr(weft_error_message(), "after 11 tokens all logits of a beam are NaN"));
    assert_null(b);
    both_close(&m);
    unlink(file);
}

static int setup(void **state) {
    (void)state;
    int fd = mkstemp(path);
    if (fd < 0 || close(fd)) return 1;
    const struct weft_tiny_gemma3 tiny = {
        .seed = 12, .n_layer = 2, .window = 8, .period = 2, .ctx = CTX, .plain = true};
    if (!weft_tiny_gemma3_write(&tiny, path)) return 1;
    gpu = weft_test_gpu();
    if (!gpu) return 1;
    if (weft_test_thin()) return 0;
    plain = both_open(path, (struct weft_model_params){0});
    return 0;
}

static int teardown(void **state) {
    (void)state;
    if (plain.lm) both_close(&plain);
    return unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_and_pages),
        cmocka_unit_test(stops_and_penalties),
        cmocka_unit_test(many_beams_find_the_best),
        cmocka_unit_test(another_width_is_noticed),
        cmocka_unit_test(other_caches_and_numbers),
        cmocka_unit_test(recurrent_layers),
        cmocka_unit_test(logits_of_nan),
    };
    return cmocka_run_group_tests_name("engine/gpu_beam", tests, setup, teardown);
}
