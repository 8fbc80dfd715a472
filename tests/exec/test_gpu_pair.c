/// A graph as it is exported, with pasts as inputs and presents as outputs: paired and shared under each policy it
/// gives the bits that the caller gets who moves each present to its past by hand.
#include "core/error.h"
#include "exec/session.h"
#include "ops/ops.h"
#include "support/graph_run.h"
#include "support/policy_graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

enum { RUNS = 9, PAIRS = 5, MOST = 1024 };

/// Recurrences and rows whose own operators write the state, an f16 state and one that is also read late, which need a
/// write of their own.
static const char exported[] =
    "symbol T 0 3\ninput x f32 [T, 8]\ninput decay f32 [T, 2]\ninput beta f32 [T, 2]\ninput u f32 [4, 6]\n"
    "weight w f32 [8, 1, 4]\nvar pos u32 0 1000\n"
    "input past_0 f32 [1, 2, 4, 4]\ninput past_1 f32 [3, 8]\ninput past_2 f32 [16, 8]\ninput past_3 f16 [4, 6]\n"
    "input past_5 f32 [16, 8]\n"
    "%r %y = linear_attention %past_0 %x %x %x %decay %beta {q_heads=2, kv_heads=2}\n"
    "%c %z = causal_conv %past_1 %x %w {layout=last}\n%k = cache_append %past_2 %z %pos\n%sum = sum %k\n"
    "%a = add %past_3 %u\n%t = tanh %a\n%h = cast %t {to=f16}\n"
    "%l = cache_append %past_5 %x %pos\n%late = sum %past_5\n%p = advance %pos {by=T}\n"
    "output %r present_0\noutput %c present_1\noutput %k present_2\noutput %h present_3\noutput %l present_5\n"
    "output %y y\noutput %z z\noutput %sum sums\noutput %late late\noutput %t t\n";

static const char *const outputs[] = {"y", "z", "sums", "late", "t"};
static const char *const pasts[PAIRS] = {"past_0", "past_1", "past_2", "past_3", "past_5"};
static const char *const presents[PAIRS] = {"present_0", "present_1", "present_2", "present_3", "present_5"};

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

static weft_session *begin(enum weft_state_policy policy, weft_program **p) {
    struct weft_graph *g = NULL;
    weft_session *s = NULL;
    size_t n;
    struct weft_program_params params = {.source = {policy_weight, NULL}};
    must(weft_graph_parse(weft_ops(), exported, strlen(exported), &g));
    must(weft_graph_pair_states(g, "past_%d", "present_%d", WEFT_STATE_RING, policy, &n)); // for rows past the end
    assert_int_equal(n, PAIRS);
    must(weft_program_create(weft_test_gpu(), g, &params, p));
    must(weft_session_create(*p, NULL, &s));
    return s;
}

static uint64_t read_all(weft_session *s, const char *name, uint8_t *bytes) {
    struct weft_tensor_info info;
    must(weft_session_tensor(s, name, &info));
    assert_true(info.bytes <= MOST);
    must(weft_session_read(s, name, 0, bytes, info.bytes));
    return info.bytes;
}

static void run(weft_session *s, uint32_t round) {
    float x[24], u[24];
    int64_t tokens = (round * 2 + 1) % 4;
    uint64_t t = (uint64_t)tokens;
    for (uint32_t i = 0; i < 24; i++) {
        x[i] = (float)((i * 13 + round * 7) % 31) / 31 - 0.5f;
        u[i] = (float)((i * 5 + round * 3) % 17) / 17 - 0.5f;
    }
    must(weft_session_resize(s, &tokens));
    must(weft_session_write(s, "x", 0, x, t * 32));
    must(weft_session_write(s, "decay", 0, u, t * 8));
    must(weft_session_write(s, "beta", 0, x, t * 8));
    must(weft_session_write(s, "u", 0, u, sizeof u));
    must(weft_session_run(s, 1, NULL));
}

static void same(weft_session *a, const char *x, weft_session *b, const char *y) {
    uint8_t one[MOST], two[MOST];
    uint64_t n = read_all(a, x, one);
    assert_int_equal(read_all(b, y, two), n);
    if (memcmp(one, two, n) != 0) fail_msg("%s and %s differ", x, y);
}

static void shared_pairs_go_on_as_by_hand(void **state) {
    (void)state;
    assert_non_null(weft_test_gpu());
    for (enum weft_state_policy policy = WEFT_STATE_IN_PLACE; policy <= WEFT_STATE_DOUBLE; policy++) {
        weft_program *apart, *shared;
        weft_session *a = begin(WEFT_STATE_SEPARATE, &apart), *b = begin(policy, &shared);
        for (uint32_t round = 0; round < RUNS; round++) {
            uint8_t bytes[MOST];
            run(a, round);
            run(b, round);
            for (int i = 0; i < PAIRS; i++) {
                uint64_t n = read_all(a, presents[i], bytes);
                must(weft_session_write(a, pasts[i], 0, bytes, n));
                same(a, presents[i], b, pasts[i]);
            }
            for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) same(a, outputs[i], b, outputs[i]);
        }
        weft_session_destroy(&a);
        weft_session_destroy(&b);
        weft_program_destroy(&apart);
        weft_program_destroy(&shared);
    }
}

/// Negative control: without the move the two part ways at the second run.
static void a_past_left_alone_is_noticed(void **state) {
    (void)state;
    weft_program *apart, *shared;
    weft_session *a = begin(WEFT_STATE_SEPARATE, &apart), *b = begin(WEFT_STATE_PING_PONG, &shared);
    uint8_t one[MOST], two[MOST];
    for (uint32_t round = 0; round < 2; round++) {
        run(a, round);
        run(b, round);
        uint64_t n = read_all(a, "t", one);
        assert_int_equal(read_all(b, "t", two), n);
        assert_int_equal(memcmp(one, two, n) != 0, round == 1);
    }
    weft_session_destroy(&a);
    weft_session_destroy(&b);
    weft_program_destroy(&apart);
    weft_program_destroy(&shared);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_pairs_go_on_as_by_hand),
        cmocka_unit_test(a_past_left_alone_is_noticed),
    };
    return cmocka_run_group_tests_name("exec/pair", tests, NULL, NULL);
}
