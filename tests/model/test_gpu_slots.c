/// Batch invariance of whole models: logits of sequences that share runs, come, leave, go back, fork and take over each
/// other's pages are those of each alone, bit for bit (docs/numbers.md), and nothing grows meanwhile. Tokens are given,
/// so that every logit counts and not the likeliest alone.
///
/// The short form does each thing often enough to be seen. WEFT_BATCH_SECONDS, or else WEFT_SOAK_SECONDS in the long
/// form, is how long all of it goes on: laps of runs, behind each of which the host and the device must hold what they
/// held behind the first, to the byte.
#include "support/lm_program.h"
#include "support/must.h"

#include "core/alloc.h"
#include "core/file.h"
#include "support/graph_run.h"
#include "support/host_bytes.h"
#include "support/tiny_gemma3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CTX = 96, CHUNK = 32, LISTS = 12, LONG = 80, SHARED = 40, MOST = 32, PAGE = 16 };
enum { LAP = 60, WARM = 3, PATIENCE = 60 }; // runs of a lap; laps in which rooms may still grow; most laps beyond time

static struct weft_test_model model;
static bool pages_alone; ///< all layers have pages, so that beginnings are known
static uint32_t vocab;
static int32_t lists[LISTS][LONG]; ///< every other one begins as the one before it
static uint32_t lengths[LISTS];
static float *alone; ///< [LISTS, LONG, vocab]
static uint64_t seed = 5;

static weft_program *program_of(weft_gpu *gpu, uint32_t slots, enum weft_numbers numbers) {
    struct weft_test_build build = {.gemma = {.ctx = CTX, .chunk = CHUNK, .slots = slots, .head = WEFT_LM_LOGITS},
                                    .numbers = numbers,
                                    .page_rows = PAGE};
    return weft_test_program(gpu, &model, &build);
}

/// Logits of each list in runs of any length, by the program of one sequence.
static void run_alone(weft_gpu *gpu, enum weft_numbers numbers, float *out) {
    weft_program *p = program_of(gpu, 0, numbers);
    weft_session *s = weft_test_session(p, false, 1);
    for (uint32_t i = 0; i < LISTS; i++) {
        MUST(weft_session_rewind(s, 0));
        for (uint32_t at = 0, t; at < lengths[i]; at += t) {
            t = 1 + weft_test_random(&seed, CHUNK);
            if (t > lengths[i] - at) t = lengths[i] - at;
            MUST(weft_test_sizes(s, t, t, at + t));
            MUST(weft_session_write(s, "tokens", 0, lists[i] + at, t * sizeof(int32_t)));
            MUST(weft_session_run(s, 1, NULL));
            MUST(weft_session_read(s, "logits", 0, out + ((size_t)i * LONG + at) * vocab, (uint64_t)t * vocab * 4));
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
    uint64_t rows, differ; ///< of logits: compared, and not equal
    uint64_t admitted, removed, forks, rewinds, shared, laps;
};

// ---- what slots do between runs ------------------------------------------------------------------------------------

/// Whether a slot's tokens are what a list begins with.
static bool begins(const struct slot *from, uint32_t list) {
    if (from->list == LISTS || !from->at) return false;
    return from->list == list || (from->list / 2 == list / 2 && from->at <= SHARED);
}

static bool fork_of_another(struct mix *m, uint32_t i) {
    struct slot *slot = &m->slots[i];
    for (uint32_t k = 0; k < m->n; k++) {
        const struct slot *from = &m->slots[k];
        if (k == i || !begins(from, slot->list) || from->at >= lengths[slot->list]) continue;
        MUST(weft_session_fork_slot(m->s, k, m->s, i));
        slot->at = from->at;
        return true;
    }
    return false;
}

/// Another list for a slot: from the start, from pages that are known, or as a fork of a slot that has what it begins
/// with.
static void admit(struct mix *m, uint32_t i) {
    struct slot *slot = &m->slots[i];
    size_t adopted = 0;
    *slot = (struct slot){.list = weft_test_random(&seed, LISTS)};
    MUST(weft_session_rewind_slot(m->s, i, 0));
    if (weft_test_random(&seed, 2) && fork_of_another(m, i)) m->forks++;
    else MUST(weft_session_adopt_slot(m->s, i, lists[slot->list], lengths[slot->list] - 1, &adopted));
    slot->at += (uint32_t)adopted;
    m->shared += adopted != 0;
    m->admitted++;
    MUST(weft_session_set_var_at(m->s, "live", i, 1));
}

static void take_out(struct mix *m, uint32_t i) {
    struct slot *slot = &m->slots[i];
    MUST(weft_session_publish_slot(m->s, i, lists[slot->list], slot->at));
    MUST(weft_session_set_var_at(m->s, "live", i, 0));
    slot->list = LISTS;
    m->removed++;
}

static void go_back(struct mix *m, struct slot *slot, uint32_t i) {
    uint32_t back = 1 + weft_test_random(&seed, 3);
    if (weft_session_rewind_slot(m->s, i, slot->at - back) != WEFT_OK) return; // further than a ring remembers
    slot->at -= back;
    m->rewinds++;
}

static void change(struct mix *m) {
    for (uint32_t i = 0; i < m->n; i++) {
        struct slot *slot = &m->slots[i];
        bool nobodys = slot->list == LISTS;
        if (nobodys && weft_test_random(&seed, 3)) admit(m, i);
        else if (nobodys) continue;
        else if (slot->at == lengths[slot->list] || weft_test_random(&seed, 24) == 0) take_out(m, i);
        else if (slot->at > 4 && weft_test_random(&seed, 12) == 0) go_back(m, slot, i);
    }
}

// ---- runs ----------------------------------------------------------------------------------------------------------

/// How many tokens each slot has in the next run: one, or a piece of what is left.
static void choose_counts(struct mix *m) {
    uint32_t room = CHUNK;
    for (uint32_t i = 0; i < m->n; i++) {
        struct slot *slot = &m->slots[i];
        uint32_t most = slot->list == LISTS ? 0 : lengths[slot->list] - slot->at;
        uint32_t wanted = weft_test_random(&seed, 4) ? 1 : 9;
        slot->count = wanted < most ? wanted : most;
        if (slot->count > room) slot->count = room;
        room -= slot->count;
    }
}

/// Tokens of this run, those of slot 0 first. Gives their number, and how far the furthest slot comes.
static uint32_t lay_out(struct mix *m, int32_t tokens[CHUNK], uint32_t *end) {
    uint32_t t = 0;
    *end = 1;
    for (uint32_t i = 0; i < m->n; i++) {
        const struct slot *slot = &m->slots[i];
        MUST(weft_session_set_var_at(m->s, "count", i, slot->count));
        if (!slot->count) continue;
        memcpy(tokens + t, lists[slot->list] + slot->at, slot->count * sizeof *tokens);
        t += slot->count;
        if (slot->at + slot->count > *end) *end = slot->at + slot->count;
    }
    return t;
}

static void compare(struct mix *m, const float *got) {
    for (uint32_t i = 0; i < m->n; i++) {
        struct slot *slot = &m->slots[i];
        for (uint32_t k = 0; k < slot->count; k++, slot->at++, m->rows++, got += vocab)
            if (memcmp(got, alone + ((size_t)slot->list * LONG + slot->at) * vocab, vocab * sizeof *got)) m->differ++;
    }
}

static void run_once(struct mix *m, float *got) {
    int32_t tokens[CHUNK];
    uint32_t rows[CHUNK], end, t = lay_out(m, tokens, &end);
    if (!t) return;
    for (uint32_t i = 0; i < t; i++) rows[i] = i;
    MUST(weft_test_sizes(m->s, t, t, end));
    MUST(weft_session_write(m->s, "tokens", 0, tokens, t * sizeof *tokens));
    MUST(weft_session_write(m->s, "rows", 0, rows, t * sizeof *rows));
    MUST(weft_session_run(m->s, 1, NULL));
    MUST(weft_session_read(m->s, "logits", 0, got, (uint64_t)t * vocab * 4));
    compare(m, got);
}

/// What is held where. Of the host, Weft's own blocks and bytes.
struct held {
    uint64_t host_bytes, device_bytes, buffers, groups, pages;
    int64_t host_blocks;
    uint64_t bytes_for[WEFT_BUF_PURPOSES]; ///< of device_bytes
};

static struct held held_now(weft_gpu *gpu) {
    struct weft_gpu_counters c;
    weft_gpu_counters(gpu, &c);
    struct held held = {.host_bytes = weft_test_host_bytes(),
                        .device_bytes = c.buffer_bytes_live,
                        .buffers = c.buffers_live,
                        .groups = c.groups_live,
                        .pages = c.pages_used,
                        .host_blocks = weft_alloc_stats().live};
    memcpy(held.bytes_for, c.bytes_for, sizeof held.bytes_for);
    return held;
}

static void must_hold(const struct held *now, const struct held *before, const struct mix *m) {
    if (memcmp(now, before, sizeof *now) == 0) return;
    for (int i = 0; i < WEFT_BUF_PURPOSES; i++)
        if (now->bytes_for[i] != before->bytes_for[i])
            print_error("bytes of purpose %d: %llu, before %llu\n", i, (unsigned long long)now->bytes_for[i],
                        (unsigned long long)before->bytes_for[i]);
    fail_msg("%u slots, lap %llu: host %llu bytes in %lld blocks, device %llu bytes in %llu buffers, %llu groups, "
             "%llu pages; before %llu, %lld, %llu, %llu, %llu, %llu",
             m->n, (unsigned long long)m->laps, (unsigned long long)now->host_bytes, (long long)now->host_blocks,
             (unsigned long long)now->device_bytes, (unsigned long long)now->buffers, (unsigned long long)now->groups,
             (unsigned long long)now->pages, (unsigned long long)before->host_bytes, (long long)before->host_blocks,
             (unsigned long long)before->device_bytes, (unsigned long long)before->buffers,
             (unsigned long long)before->groups, (unsigned long long)before->pages);
}

/// Feeds a slot alone.
static void feed(struct mix *m, uint32_t i, uint32_t count, float *got) {
    for (uint32_t k = 0; k < m->n; k++) m->slots[k].count = k == i ? count : 0;
    MUST(weft_session_set_var_at(m->s, "live", i, 1));
    run_once(m, got);
}

/// Pages that are shared are written, so that the buffer over which a page is copied is there: one that is known, after
/// a rewind, and one of a fork.
static void write_shared_pages(struct mix *m, float *got) {
    m->slots[0] = (struct slot){.list = 0};
    feed(m, 0, PAGE + 4, got);
    MUST(weft_session_publish_slot(m->s, 0, lists[0], m->slots[0].at));
    if (m->n > 1) {
        MUST(weft_session_fork_slot(m->s, 0, m->s, 1));
        m->slots[1] = m->slots[0];
        feed(m, 1, 1, got);
    }
    MUST(weft_session_rewind_slot(m->s, 0, m->slots[0].at -= pages_alone ? 6 : 2));
    feed(m, 0, 3, got);
}

/// Runs, and then all slots leave and no page is known any more.
static void lap(struct mix *m, weft_gpu *gpu, float *got, uint64_t device_bytes) {
    for (uint32_t i = 0; i < LAP; i++) {
        change(m);
        choose_counts(m);
        run_once(m, got);
        if (device_bytes) assert_int_equal(held_now(gpu).device_bytes, device_bytes);
    }
    for (uint32_t i = 0; i < m->n; i++) {
        if (m->slots[i].list != LISTS) take_out(m, i);
        MUST(weft_session_rewind_slot(m->s, i, 0));
    }
    MUST(weft_session_forget_prefixes(m->s));
    m->laps++;
}

/// Each thing that slots do, often enough to be no chance.
static bool has_happened(const struct mix *m) {
    enum { OFTEN = 3 };
    return m->admitted > 2 * m->n && m->removed > 2 * m->n && m->rewinds >= OFTEN && (m->n < 2 || m->forks >= OFTEN) &&
           (!pages_alone || m->shared >= OFTEN);
}

/// Laps of `n` slots, for `seconds`, at least `laps`, and until each thing has happened.
static struct mix run_mixed(weft_gpu *gpu, uint32_t n, enum weft_numbers numbers, uint32_t laps, double seconds) {
    struct mix m = {.n = n};
    struct held held = {0};
    float *got = weft_alloc((size_t)CHUNK * vocab * sizeof *got);
    weft_program *p = program_of(gpu, n, numbers);
    m.s = weft_test_session(p, false, 1);
    for (uint32_t i = 0; i < n; i++) m.slots[i].list = LISTS;
    MUST(weft_session_reserve(m.s, CTX)); // so that pools have their size
    write_shared_pages(&m, got);
    double end = weft_now() + seconds;
    while (m.laps < laps || weft_now() < end || (!has_happened(&m) && m.laps < PATIENCE)) {
        lap(&m, gpu, got, held.device_bytes);
        struct held now = held_now(gpu);
        if (m.laps == WARM) held = now;
        if (m.laps > WARM) must_hold(&now, &held, &m);
    }
    weft_session_destroy(&m.s);
    weft_program_destroy(&p);
    weft_free(got);
    print_message(
        "%2u slots: %llu rows, %llu differ; %llu laps, %llu admitted, %llu removed, %llu forks, %llu rewinds, "
        "%llu times known pages\n",
        n, (unsigned long long)m.rows, (unsigned long long)m.differ, (unsigned long long)m.laps,
        (unsigned long long)m.admitted, (unsigned long long)m.removed, (unsigned long long)m.forks,
        (unsigned long long)m.rewinds, (unsigned long long)m.shared);
    assert_true(m.rows > 0 && has_happened(&m));
    if (!pages_alone) assert_int_equal(m.shared, 0); // a ring has lost the beginning
    return m;
}

// ---- devices and models --------------------------------------------------------------------------------------------

static double seconds_of_all(void) {
    const char *batch = getenv("WEFT_BATCH_SECONDS"), *soak = getenv("WEFT_SOAK_SECONDS");
    if (batch) return atof(batch);
    return soak && weft_test_long() ? atof(soak) : 0;
}

static void check_device(weft_gpu *gpu, bool control, double seconds) {
    static const uint32_t slots[] = {1, 2, 7, 32};
    enum { N = sizeof slots / sizeof *slots };
    alone = weft_alloc((size_t)LISTS * LONG * vocab * sizeof *alone);
    run_alone(gpu, WEFT_NUMBERS_INVARIANT, alone);
    for (size_t i = 0; i < N; i++) {
        if (weft_test_thin() && slots[i] != 7) continue; // SwiftShader takes a second for each kernel
        struct mix m = run_mixed(gpu, slots[i], WEFT_NUMBERS_INVARIANT, WARM + 2, seconds / N);
        assert_int_equal(m.differ, 0);
    }
    // Control: without the mode, orders follow the rows of a run.
    if (control && !weft_test_thin()) assert_true(run_mixed(gpu, 7, WEFT_NUMBERS_F32, 1, 0).differ > 0);
    weft_free(alone);
}

/// A quarter of the time for each family, with all that the driver gives and with what WebGPU guarantees. On Dawn,
/// which is the longest way through the night, a tenth.
static void check_model(void) {
    vocab = (uint32_t)model.config.n_vocab;
    for (int min = 0; min < 2; min++) {
        weft_gpu *gpu = NULL;
        MUST(weft_test_open((struct weft_gpu_params){.limits_min = min != 0}, &gpu));
        bool dawn = strcmp(weft_gpu_caps(gpu)->implementation, "dawn") == 0;
        if (!dawn || !min) check_device(gpu, !min, seconds_of_all() / (dawn ? 10 : 4));
        weft_gpu_close(&gpu);
    }
    weft_test_model_free(&model);
}

static void rings_and_pages(void **state) {
    (void)state;
    if (weft_test_thin()) skip(); // at night
    const struct weft_tiny_gemma3 tiny = {.seed = 9, .n_layer = 2, .window = 8, .period = 2, .ctx = CTX};
    pages_alone = false;
    weft_test_model_make(&model, &tiny);
    check_model();
}

/// Without a window all layers have pages, so that beginnings are shared.
static void all_in_pages(void **state) {
    (void)state;
    pages_alone = true;
    weft_test_model_open(&model, "models/llama.gguf");
    check_model();
}

/// Control: the ledger of host memory sees a byte.
static void bytes_are_seen(void **state) {
    (void)state;
    uint64_t before = weft_test_host_bytes();
    void *p = weft_alloc(1);
    assert_int_equal(weft_test_host_bytes(), before + 1);
    p = weft_realloc(p, 5000);
    assert_int_equal(weft_test_host_bytes(), before + 5000);
    weft_free(p);
    assert_int_equal(weft_test_host_bytes(), before);
}

int main(void) {
    for (uint32_t i = 0; i < LISTS; i++) {
        lengths[i] = SHARED + 4 + weft_test_random(&seed, LONG - SHARED - 3);
        for (uint32_t k = 0; k < LONG; k++)
            lists[i][k] = i % 2 && k < SHARED ? lists[i - 1][k] : (int32_t)(4 + weft_test_random(&seed, 200));
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_seen),
        cmocka_unit_test(all_in_pages),
        cmocka_unit_test(rings_and_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
