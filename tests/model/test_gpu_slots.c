/// Batch invariance of whole models: logits of sequences that share runs, come, leave, go back, fork and take over each
/// other's pages are those of each alone, bit for bit (docs/numbers.md), and nothing grows meanwhile. Tokens are given,
/// so that every logit counts and not the likeliest alone.
#include "support/lm_program.h"

#include "core/alloc.h"
#include "core/file.h"
#include "support/graph_run.h"
#include "support/tiny_gemma3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { VOCAB = 300, CTX = 96, CHUNK = 32, LISTS = 12, LONG = 80, SHARED = 40, MOST = 32 };

#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        if ((call) != WEFT_OK) fail_msg("%s", weft_error_message());                                                   \
    } while (0)

static struct weft_test_model model;
static int32_t lists[LISTS][LONG]; ///< every other one begins as the one before it
static float *alone;               ///< [LISTS, LONG, VOCAB]
static uint64_t seed = 5;

static weft_program *program_of(weft_gpu *gpu, uint32_t slots, enum weft_numbers numbers) {
    struct weft_test_build build = {.gemma = {.ctx = CTX, .chunk = CHUNK, .slots = slots, .head = WEFT_LM_LOGITS},
                                    .numbers = numbers};
    return weft_test_program(gpu, &model, &build);
}

/// Logits of each list in runs of any length, by the program of one sequence.
static void run_alone(weft_gpu *gpu, enum weft_numbers numbers, float *out) {
    weft_program *p = program_of(gpu, 0, numbers);
    weft_session *s = weft_test_session(p, false, 1);
    for (uint32_t i = 0; i < LISTS; i++) {
        MUST(weft_session_rewind(s, 0));
        for (uint32_t at = 0, t; at < LONG; at += t) {
            t = 1 + weft_test_random(&seed, CHUNK);
            if (t > LONG - at) t = LONG - at;
            MUST(weft_test_sizes(s, t, t, at + t));
            MUST(weft_session_write(s, "tokens", 0, lists[i] + at, t * sizeof(int32_t)));
            MUST(weft_session_run(s, 1, NULL));
            MUST(weft_session_read(s, "logits", 0, out + ((size_t)i * LONG + at) * VOCAB, (uint64_t)t * VOCAB * 4));
        }
    }
    weft_session_destroy(&s);
    weft_program_destroy(&p);
}

struct slot {
    uint32_t list, at; ///< LISTS: nobody's
    uint32_t count;    ///< tokens of this run
};

struct mix {
    weft_session *s;
    struct slot slots[MOST];
    uint32_t n;
    uint64_t logits, differ; ///< compared, and not equal
    uint32_t forks, rewinds, shared;
};

/// Another list for a slot: from the start, from pages that are known, or as a fork of a slot that has what it begins
/// with.
static void admit(struct mix *m, uint32_t i) {
    struct slot *slot = &m->slots[i];
    slot->list = weft_test_random(&seed, LISTS);
    slot->at = 0;
    MUST(weft_session_rewind_slot(m->s, i, 0));
    for (uint32_t k = 0; k < m->n; k++) {
        const struct slot *from = &m->slots[k];
        if (k == i || from->list / 2 != slot->list / 2 || !from->at || from->at > SHARED) continue;
        MUST(weft_session_fork_slot(m->s, k, m->s, i));
        slot->at = from->at;
        m->forks++;
        break;
    }
    size_t adopted = 0;
    if (!slot->at) MUST(weft_session_adopt_slot(m->s, i, lists[slot->list], LONG - 1, &adopted));
    slot->at += (uint32_t)adopted;
    m->shared += adopted != 0;
    MUST(weft_session_set_var_at(m->s, "live", i, 1));
}

/// What slots do between runs, at random.
static void change(struct mix *m) {
    for (uint32_t i = 0; i < m->n; i++) {
        struct slot *slot = &m->slots[i];
        if (slot->list == LISTS) {
            if (weft_test_random(&seed, 3)) admit(m, i);
        } else if (slot->at == LONG || weft_test_random(&seed, 24) == 0) {
            MUST(weft_session_publish_slot(m->s, i, lists[slot->list], slot->at));
            MUST(weft_session_set_var_at(m->s, "live", i, 0));
            slot->list = LISTS;
        } else if (slot->at > 4 && weft_test_random(&seed, 12) == 0) {
            uint32_t back = 1 + weft_test_random(&seed, 3);
            if (weft_session_rewind_slot(m->s, i, slot->at - back) == WEFT_OK) slot->at -= back, m->rewinds++;
        }
    }
}

static void run_once(struct mix *m, float *got) {
    int32_t tokens[CHUNK];
    uint32_t rows[CHUNK], t = 0, end = 1;
    for (uint32_t i = 0; i < m->n; i++) {
        struct slot *slot = &m->slots[i];
        uint32_t most = slot->list == LISTS ? 0 : LONG - slot->at, wanted = weft_test_random(&seed, 4) ? 1 : 9;
        slot->count = wanted < most ? wanted : most;
        if (slot->count > CHUNK - t) slot->count = CHUNK - t;
        MUST(weft_session_set_var_at(m->s, "count", i, slot->count));
        if (slot->count) memcpy(tokens + t, lists[slot->list] + slot->at, slot->count * sizeof *tokens);
        t += slot->count;
        if (slot->count && slot->at + slot->count > end) end = slot->at + slot->count;
    }
    if (!t) return;
    for (uint32_t i = 0; i < t; i++) rows[i] = i;
    MUST(weft_test_sizes(m->s, t, t, end));
    MUST(weft_session_write(m->s, "tokens", 0, tokens, t * sizeof *tokens));
    MUST(weft_session_write(m->s, "rows", 0, rows, t * sizeof *rows));
    MUST(weft_session_run(m->s, 1, NULL));
    MUST(weft_session_read(m->s, "logits", 0, got, (uint64_t)t * VOCAB * 4));
    for (uint32_t i = 0, first = 0; i < m->n; first += m->slots[i++].count) {
        struct slot *slot = &m->slots[i];
        for (uint32_t k = 0; k < slot->count; k++, slot->at++, m->logits += VOCAB)
            if (memcmp(got + (size_t)(first + k) * VOCAB, alone + ((size_t)slot->list * LONG + slot->at) * VOCAB,
                       VOCAB * sizeof *got))
                m->differ++;
    }
}

/// Runs of `n` slots, for `seconds` and at least `runs`. What the host and the device hold stays what it is.
static struct mix run_mixed(weft_gpu *gpu, uint32_t n, enum weft_numbers numbers, uint32_t runs, double seconds) {
    struct mix m = {.n = n};
    float *got = weft_alloc((size_t)CHUNK * VOCAB * sizeof *got);
    weft_program *p = program_of(gpu, n, numbers);
    m.s = weft_test_session(p, false, 1);
    for (uint32_t i = 0; i < n; i++) m.slots[i].list = LISTS;
    MUST(weft_session_reserve(m.s, CTX)); // so that pools have their size
    int64_t host = 0;
    uint64_t device = 0;
    double end = weft_now() + seconds;
    for (uint32_t i = 0; i < runs || weft_now() < end; i++) {
        change(&m);
        run_once(&m, got);
        struct weft_gpu_counters c;
        weft_gpu_counters(gpu, &c);
        if (i == runs / 2) host = weft_alloc_stats().live, device = c.buffer_bytes_live;
        if (i > runs / 2) assert_int_equal(c.buffer_bytes_live, device);
        if (i > runs / 2 && weft_alloc_stats().live > host + 64) // entries of known pages
            fail_msg("%llu blocks on the host, %llu before", (unsigned long long)weft_alloc_stats().live,
                     (unsigned long long)host);
    }
    weft_session_destroy(&m.s);
    weft_program_destroy(&p);
    weft_free(got);
    print_message("%u slots: %llu logits, %llu rows differ; %u forks, %u rewinds, %u times known pages\n", n,
                  (unsigned long long)m.logits, (unsigned long long)m.differ, m.forks, m.rewinds, m.shared);
    return m;
}

static void check_device(struct weft_gpu_params params, bool control) {
    static const uint32_t slots[] = {7, 32, 1, 2};
    weft_gpu *gpu = NULL;
    const char *time = getenv("WEFT_SOAK_SECONDS");
    bool few = !weft_test_long();
    MUST(weft_test_open(params, &gpu));
    run_alone(gpu, WEFT_NUMBERS_INVARIANT, alone);
    for (size_t i = 0; i < (few ? 1 : sizeof slots / sizeof *slots); i++) {
        struct mix m = run_mixed(gpu, slots[i], WEFT_NUMBERS_INVARIANT, few ? 60 : 200, few || !time ? 0 : atof(time));
        assert_int_equal(m.differ, 0);
        assert_true(m.logits > 0 && m.rewinds > 0 && (slots[i] < 7 || m.forks > 0));
    }
    if (control) assert_true(run_mixed(gpu, 7, WEFT_NUMBERS_F32, 60, 0).differ > 0);
    weft_gpu_close(&gpu);
}

static void make_model(uint32_t window) {
    const struct weft_tiny_gemma3 tiny = {.seed = 9, .n_layer = 2, .window = window, .period = 2, .ctx = CTX};
    weft_test_model_make(&model, &tiny);
}

static void rings_and_pages(void **state) {
    (void)state;
    if (weft_test_thin()) skip(); // SwiftShader takes a second for each kernel: at night
    make_model(8);
    check_device((struct weft_gpu_params){0}, weft_test_long());
    if (weft_test_long()) check_device((struct weft_gpu_params){.limits_min = true}, false);
    weft_test_model_free(&model);
}

/// Without a window all layers have pages, so that beginnings are shared.
static void pages_alone(void **state) {
    (void)state;
    if (!weft_test_long()) skip();
    weft_test_model_open(&model, "models/llama.gguf");
    if (model.config.n_vocab == VOCAB) check_device((struct weft_gpu_params){0}, false);
    weft_test_model_free(&model);
}

int main(void) {
    for (uint32_t i = 0; i < LISTS; i++)
        for (uint32_t k = 0; k < LONG; k++)
            lists[i][k] = i % 2 && k < SHARED ? lists[i - 1][k] : (int32_t)(4 + weft_test_random(&seed, 200));
    alone = weft_alloc((size_t)LISTS * LONG * VOCAB * sizeof *alone);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rings_and_pages),
        cmocka_unit_test(pages_alone),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    weft_free(alone);
    return failed;
}
