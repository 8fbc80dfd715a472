/// SmolLM2 135M Instruct itself, as `make run` asks it: the prompt that its chat template makes of a question, and the
/// ids of the reply, are those of llama.cpp's float computation of the same file (scripts/greedy_oracle.py).
///
/// The model is $WEFT_TEST_CHAT_MODEL, else where `weft pull` leaves it; without it this fails, unless
/// WEFT_TEST_ALLOW_NO_MODEL is set. SwiftShader takes a second for a token, so it runs with WEFT_TEST_LONG=1 only.
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "engine/conversation.h"
#include "model/real_model.h"
#include "support/graph_run.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { CTX = 128, MOST = 64, COUNT = 48 };

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

// ---- what llama.cpp said -------------------------------------------------------------------------------------------

struct list {
    int32_t ids[MOST];
    uint32_t n;
};

struct oracle {
    char question[256];
    struct list prompt, reply;
};

static void read_list(FILE *f, struct list *l) {
    assert_int_equal(fscanf(f, "%u", &l->n), 1);
    assert_true(l->n > 0 && l->n <= MOST);
    for (uint32_t i = 0; i < l->n; i++) assert_int_equal(fscanf(f, "%d", &l->ids[i]), 1);
}

static void read_oracle(struct oracle *o) {
    const char *source = getenv("WEFT_TEST_SOURCE");
    char path[512];
    snprintf(path, sizeof path, "%s/tests/engine/greedy/smollm2-135m.txt", source ? source : ".");
    FILE *f = fopen(path, "r");
    if (!f) fail_msg("no file %s", path);
    assert_non_null(fgets(o->question, sizeof o->question, f));
    o->question[strcspn(o->question, "\n")] = 0;
    read_list(f, &o->prompt);
    read_list(f, &o->reply);
    assert_int_equal(o->reply.n, COUNT);
    fclose(f);
}

// ---- a reply -------------------------------------------------------------------------------------------------------

/// A conversation's way to the model, which keeps the ids that pass.
struct spy {
    weft_lm *lm;
    struct list prompt, reply;
    const struct weft_model_generate_params *params;
};

static bool take(void *user, int32_t id) {
    struct spy *s = user;
    assert_true(s->reply.n < MOST);
    s->reply.ids[s->reply.n++] = id;
    return true;
}

static bool pass_on(void *user, const char *text, size_t length) {
    struct spy *s = user;
    return s->params->text(s->params->user, text, length);
}

static weft_status generate(void *user, const int32_t *ids, size_t n, const struct weft_model_generate_params *params,
                            struct weft_generate_stats *stats) {
    struct spy *s = user;
    struct weft_model_generate_params p = *params;
    assert_true(n <= MOST);
    memcpy(s->prompt.ids, ids, n * sizeof *ids);
    s->prompt.n = (uint32_t)n;
    s->params = params;
    p.token = take;
    p.text = pass_on;
    p.user = s;
    return weft_lm_generate(s->lm, ids, n, &p, stats);
}

static void check_list(const char *what, const struct list *got, const struct list *want, uint32_t n) {
    assert_int_equal(got->n, n);
    for (uint32_t i = 0; i < n; i++)
        if (got->ids[i] != want->ids[i]) fail_msg("%s: id %u is %d, not %d", what, i, got->ids[i], want->ids[i]);
}

static weft_gpu *gpu;
static weft_lm *lm;

static void the_reply_is_the_oracles(void **state) {
    (void)state;
    if (!lm) skip();
    struct oracle o;
    struct spy s = {.lm = lm};
    struct weft_generate_stats stats;
    weft_chat *chat;
    read_oracle(&o);
    struct weft_conversation_model model = {.file = weft_lm_source(lm),
                                            .tokenizer = weft_lm_tokenizer(lm),
                                            .ctx = weft_lm_ctx(lm),
                                            .generate = generate,
                                            .user = &s};
    must(weft_conversation_create(&model, &(struct weft_chat_params){.max_tokens = COUNT}, &chat));
    must(weft_conversation_say(chat, o.question, strlen(o.question), &stats));
    check_list("the prompt", &s.prompt, &o.prompt, o.prompt.n);
    check_list("the reply", &s.reply, &o.reply, COUNT);
    assert_int_equal(stats.reason, WEFT_STOP_LENGTH);
    weft_conversation_destroy(chat);
}

static int setup(void **state) {
    (void)state;
    char *path = real_chat_model();
    gpu = weft_test_gpu();
    if (!gpu) return -1;
    if (!path) return getenv("WEFT_TEST_ALLOW_NO_MODEL") ? 0 : -1;
    bool dear = !strcmp(weft_gpu_caps(gpu)->implementation, "dawn") && weft_gpu_caps(gpu)->kind == WEFT_GPU_CPU;
    weft_status status = WEFT_OK;
    if (!dear || weft_test_long())
        status = weft_lm_open(gpu, path, &(struct weft_model_params){.ctx = CTX, .greedy = true}, &lm);
    if (status != WEFT_OK) fprintf(stderr, "%s\n", weft_error_message());
    weft_free(path);
    return status == WEFT_OK ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    weft_lm_close(&lm);
    weft_gpu_close(&gpu);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_reply_is_the_oracles)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
