/// Attention under batch invariance (WEFT_NUMBERS_INVARIANT): what a token gives is the same to the bit token by token
/// in a session of its own, in pieces of any length, and by slot in runs with tokens of other sequences; in dense, ring
/// and paged states, with windows and caps of scores; by the kernels of CPU drivers and of GPUs. Without the mode, the
/// same comparison must find differences.
#include "core/alloc.h"
#include "core/error.h"
#include "ops/ops.h"
#include "support/graph_run.h"
#include "support/lm_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SLOTS = 3, MOST = 40, TOKENS = 150, HEADS = 4, KV = 2, SIZE = 16, WIDTH = HEADS * SIZE, ALL = 2 * WIDTH };

static weft_gpu *gpu;

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

// ---- graphs --------------------------------------------------------------------------------------------------------

/// What states hold, and what two attentions over them ask.
struct way {
    const char *name, *kind, *first, *second;
    int rows; ///< of a state
    bool by_slot;
};

static const struct way ways[] = {
    {"dense", "dense f32", "", "{softcap=2}", 160, false},
    {"ring", "ring f32", "{window=70}", "{window=33, scale=0.4}", 128, false},
    {"paged", "paged f16", "", "{window=100}", 160, false},
    {"dense by slot", "dense f32", "", "{softcap=2}", 160, true},
    {"ring by slot", "ring f32", "{window=70}", "{window=33, scale=0.4}", 128, true},
};
enum { DENSE, RING, PAGED, DENSE_BY_SLOT, RING_BY_SLOT, WAYS = sizeof ways / sizeof *ways };

/// Inputs and the output are rows of T; rope stands between, as in models.
static void write_graph(const struct way *w, char *out, size_t size) {
    char var[96], state[32], rows[16] = "%pos", count[24] = "";
    snprintf(var, sizeof var, w->by_slot ? "var pos u32 [3] 0 1000\nvar count u32 [3] 0 40\n" : "var pos u32 0 1000\n");
    if (w->by_slot) snprintf(rows, sizeof rows, "%%at %%slot"), snprintf(count, sizeof count, " %%count");
    snprintf(state, sizeof state, w->by_slot ? "[3, %d, 2, 16] slots" : "[%d, 2, 16]", w->rows);
    snprintf(out, size,
             "symbol T 1 40\n%sinput q f32 [T, 4, 16]\ninput k f32 [T, 2, 16]\ninput v f32 [T, 2, 16]\n"
             "state ck %s %s\nstate cv %s %s\n%s%%0 = rope %%k %s\n%%1 = cache_append %%ck %%0 %s\n"
             "%%2 = cache_append %%cv %%v %s\n%%3 = rope %%q %s\n%%4 = attention %%3 %%1 %%2 %%pos%s %s\n"
             "%%5 = attention %%3 %%1 %%2 %%pos%s %s\n%%6 = advance %%pos %s\noutput %%4 y\noutput %%5 z\n",
             var, w->kind, state, w->kind, state, w->by_slot ? "%at %slot = place_tokens %pos %count {tokens=T}\n" : "",
             w->by_slot ? "%at" : "%pos", rows, rows, w->by_slot ? "%at" : "%pos", count, w->first, count, w->second,
             w->by_slot ? "%count" : "{by=T}");
}

struct rig {
    weft_program *p;
    weft_session *s;
};

static void open_rig(struct rig *r, const struct way *w, enum weft_numbers numbers, bool cpu) {
    char text[1200];
    struct weft_graph *g;
    write_graph(w, text, sizeof text);
    must(weft_graph_parse(weft_ops(), text, strlen(text), &g));
    struct weft_program_params params = {
        .compile = {.split_symbol = "T", .split_at = {1, 8}, .n_splits = cpu ? 1 : 2, .numbers = numbers}};
    must(weft_program_create(gpu, g, &params, &r->p));
    must(weft_session_create(r->p, NULL, &r->s));
}

static void close_rig(struct rig *r) {
    weft_session_destroy(&r->s);
    weft_program_destroy(&r->p);
}

// ---- tokens --------------------------------------------------------------------------------------------------------

/// Number `i` of token `at` of sequence `seq`, the same in all runs.
static float number(uint32_t seq, uint32_t at, uint32_t which, uint32_t i) {
    uint32_t x = (((seq * 1009 + at) * 31 + which) * 4099 + i) * 2654435761u;
    x ^= x >> 15, x *= 2246822519u, x ^= x >> 13;
    return (float)((double)x / 2147483648.0 - 1) * (which == 0 ? 3 : 1);
}

struct token {
    uint32_t seq, at;
};

static void write_tokens(weft_session *s, const struct token *tokens, uint32_t n) {
    static const char *const names[] = {"q", "k", "v"};
    static float x[MOST * WIDTH];
    for (uint32_t which = 0; which < 3; which++) {
        uint32_t width = which ? KV * SIZE : WIDTH;
        for (uint32_t t = 0; t < n; t++)
            for (uint32_t i = 0; i < width; i++) x[t * width + i] = number(tokens[t].seq, tokens[t].at, which, i);
        must(weft_session_write(s, names[which], 0, x, n * width * sizeof *x));
    }
}

/// Runs n tokens; row t of both outputs goes to out[seq][at].
static void run(weft_session *s, const struct token *tokens, uint32_t n, float (*out)[TOKENS][ALL]) {
    static float y[MOST * WIDTH], z[MOST * WIDTH];
    must(weft_session_resize(s, (const int64_t[WEFT_MAX_SYMBOLS]){n}));
    write_tokens(s, tokens, n);
    must(weft_session_run(s, 1, NULL));
    must(weft_session_read(s, "y", 0, y, n * WIDTH * sizeof *y));
    must(weft_session_read(s, "z", 0, z, n * WIDTH * sizeof *z));
    for (uint32_t t = 0; t < n; t++) {
        memcpy(out[tokens[t].seq][tokens[t].at], y + t * WIDTH, sizeof y / MOST);
        memcpy(out[tokens[t].seq][tokens[t].at] + WIDTH, z + t * WIDTH, sizeof z / MOST);
    }
}

/// One sequence in pieces of `piece`, in a session without slots; 0: of random lengths.
static void alone(weft_session *s, uint32_t seq, uint32_t piece, float (*out)[TOKENS][ALL]) {
    struct token tokens[MOST];
    uint64_t seed = 3;
    must(weft_session_reset(s));
    for (uint32_t at = 0, n; at < TOKENS; at += n) {
        n = piece ? piece : 1 + weft_test_random(&seed, weft_test_random(&seed, 2) ? MOST : 4);
        if (n > TOKENS - at) n = TOKENS - at;
        for (uint32_t t = 0; t < n; t++) tokens[t] = (struct token){seq, at + t};
        run(s, tokens, n, out);
    }
}

/// All sequences together: in each run each has as many tokens as it happens to, none at times.
static void together(weft_session *s, uint64_t seed, float (*out)[TOKENS][ALL]) {
    uint32_t at[SLOTS] = {0};
    must(weft_session_reset(s));
    for (;;) {
        struct token tokens[MOST];
        uint32_t n = 0, left = 0;
        for (uint32_t i = 0; i < SLOTS; i++) {
            uint32_t kind = weft_test_random(&seed, 4), mine = kind == 0   ? 0
                                                               : kind == 1 ? 1 + weft_test_random(&seed, MOST)
                                                                           : 1;
            if (mine > MOST - n) mine = MOST - n;
            if (mine > TOKENS - at[i]) mine = TOKENS - at[i];
            must(weft_session_set_var_at(s, "count", i, mine));
            for (uint32_t t = 0; t < mine; t++) tokens[n++] = (struct token){i, at[i]++};
            left += TOKENS - at[i];
        }
        if (n) run(s, tokens, n, out);
        if (!left) return;
    }
}

// ---- comparing -----------------------------------------------------------------------------------------------------

static uint32_t count_differing(float (*a)[TOKENS][ALL], float (*b)[TOKENS][ALL], uint32_t slots) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < slots; i++)
        for (uint32_t t = 0; t < TOKENS; t++) n += memcmp(a[i][t], b[i][t], sizeof a[i][t]) != 0;
    return n;
}

/// Tokens that give something else than token by token.
static uint32_t differing(const struct way *w, enum weft_numbers numbers, bool cpu) {
    static float want[SLOTS][TOKENS][ALL], got[SLOTS][TOKENS][ALL];
    static const uint32_t pieces[] = {2, 7, 9, 40, 0};
    struct way plain = *w;
    struct rig r;
    uint32_t bad = 0, slots = w->by_slot ? SLOTS : 1;
    plain.by_slot = false;
    open_rig(&r, &plain, numbers, cpu);
    for (uint32_t i = 0; i < slots; i++) alone(r.s, i, 1, want);
    for (size_t k = 0; k < sizeof pieces / sizeof *pieces && !w->by_slot; k++) {
        memset(got, 0, sizeof got);
        alone(r.s, 0, pieces[k], got);
        bad += count_differing(want, got, 1);
    }
    close_rig(&r);
    if (!w->by_slot) return bad;
    open_rig(&r, w, numbers, cpu);
    for (uint64_t seed = 1; seed <= 2; seed++) {
        memset(got, 0, sizeof got);
        together(r.s, seed, got);
        bad += count_differing(want, got, SLOTS);
    }
    close_rig(&r);
    return bad;
}

/// SwiftShader takes about a second for a kernel: there slots by the kernels of CPUs and pages by those of GPUs, the
/// rest on wgpu-native and at night.
static bool skips(const struct way *w, bool cpu) {
    return weft_test_thin() && w != (cpu ? &ways[RING_BY_SLOT] : &ways[PAGED]);
}

static void all_ways(bool cpu) {
    uint32_t failed = 0;
    for (size_t i = 0; i < WAYS; i++) {
        if (skips(&ways[i], cpu)) continue;
        uint32_t bad = differing(&ways[i], WEFT_NUMBERS_INVARIANT, cpu);
        if (bad) print_message("%s: %u tokens differ\n", ways[i].name, bad);
        failed += bad != 0;
    }
    assert_int_equal(failed, 0);
}

static void a_token_gives_what_it_gives_alone(void **state) {
    (void)state;
    all_ways(weft_gpu_caps(gpu)->kind == WEFT_GPU_CPU);
}

static void also_by_kernels_of_gpus(void **state) {
    (void)state;
    if (weft_gpu_caps(gpu)->kind != WEFT_GPU_CPU) skip();
    enum weft_gpu_kind was = weft_test_as(WEFT_GPU_DISCRETE);
    all_ways(false);
    weft_test_as(was);
}

static void without_the_mode_some_differ(void **state) {
    (void)state;
    enum weft_gpu_kind was = weft_test_as(WEFT_GPU_DISCRETE);
    assert_true(differing(&ways[DENSE], WEFT_NUMBERS_F32, false) > 0);
    if (!weft_test_thin()) assert_true(differing(&ways[DENSE_BY_SLOT], WEFT_NUMBERS_F32, false) > 0);
    weft_test_as(was);
}

static int setup(void **state) {
    (void)state;
    gpu = weft_test_gpu();
    return gpu ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_gives_what_it_gives_alone),
        cmocka_unit_test(also_by_kernels_of_gpus),
        cmocka_unit_test(without_the_mode_some_differ),
    };
    return cmocka_run_group_tests_name("ops/batch invariance of attention on a device", tests, setup, NULL);
}
