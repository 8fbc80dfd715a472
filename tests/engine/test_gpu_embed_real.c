/// all-MiniLM-L6-v2 itself on a device: vectors beside those of a float64 reading of the same folder
/// (scripts/embed_oracle.py), all texts in one call.
///
/// The folder is $WEFT_TEST_EMBEDDER, else where `scripts/deps.sh minilm` leaves it; without it this skips.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/embed_cases.h"
#include "support/graph_run.h"
#include "weft/weft.h"

#define COSINE 0.9999 // asked; f32 gives 1 - 1e-11
#define BOUND 2e-5    // of vectors of length 1, of which the oracle's file has five digits

enum { SIZE = 384 };

static weft_device *device;
static weft_embedder *embedder;
static struct embed_cases cases;

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

static const char *folder(void) {
    static char path[512];
    const char *named = getenv("WEFT_TEST_EMBEDDER"), *build = getenv("WEFT_TEST_BUILD");
    if (named && *named) return named;
    snprintf(path, sizeof path, "%s/all-minilm-l6-v2", build ? build : ".");
    return path;
}

/// SwiftShader takes 10 s for the two texts of 256 tokens.
static uint32_t texts(void) {
    struct weft_device_info info;
    must(weft_device_info(device, &info));
    bool dear = !strcmp(info.implementation, "dawn") && info.kind == WEFT_DEVICE_CPU;
    return dear && !weft_test_long() ? cases.n - 2 : cases.n;
}

static void ids_are_the_oracles(void **state) {
    (void)state;
    const weft_tokenizer *t = weft_embedder_tokenizer(embedder);
    for (uint32_t i = 0; i < cases.n; i++) {
        const struct embed_case *c = &cases.cases[i];
        int32_t ids[1024];
        size_t n;
        must(weft_tokenizer_to_ids(t, c->text, c->len, 0, ids, 1024, &n));
        assert_int_equal(n, c->whole);
        if (n <= c->n) assert_memory_equal(ids, c->ids, n * sizeof *ids);
    }
}

static void vectors_are_the_oracles(void **state) {
    (void)state;
    static float out[EMBED_CASES * SIZE];
    struct weft_text all[EMBED_CASES];
    uint32_t tokens[EMBED_CASES], n = texts(), cut = 0;
    struct weft_embed_stats stats;
    for (uint32_t i = 0; i < n; i++) {
        all[i] = (struct weft_text){cases.cases[i].text, cases.cases[i].len};
        cut += cases.cases[i].whole > cases.cases[i].n;
    }
    must(weft_embedder_run(embedder, all, n, &(struct weft_embed_params){.truncate = true, .tokens = tokens}, out,
                           &stats));
    assert_int_equal(stats.truncated, cut);
    for (uint32_t i = 0; i < n; i++) {
        const struct embed_case *c = &cases.cases[i];
        double cosine = embed_cosine(out + i * SIZE, c->vector, SIZE), d = embed_apart(out + i * SIZE, c->vector, SIZE);
        assert_int_equal(tokens[i], c->n);
        if (!(cosine >= COSINE && d <= BOUND)) fail_msg("text %u: cosine %.9f, %g apart", i, cosine, d);
        for (uint32_t k = 0; k < n; k++) // control
            assert_true(k == i || embed_cosine(out + i * SIZE, cases.cases[k].vector, SIZE) < COSINE);
    }
}

static int setup(void **state) {
    (void)state;
    cases = embed_cases_read("all-minilm-l6-v2");
    must(weft_device_open(NULL, &device));
    must(weft_embedder_open(device, folder(), NULL, &embedder));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weft_embedder_close(&embedder);
    weft_device_close(&device);
    embed_cases_free(&cases);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_the_oracles),
        cmocka_unit_test(vectors_are_the_oracles),
    };
    if (access(folder(), R_OK) != 0) {
        fprintf(stderr, "\n*** SKIPPED: all-MiniLM-L6-v2 is not at '%s'.\n*** `scripts/deps.sh minilm` fetches it.\n\n",
                folder());
        return 77;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
