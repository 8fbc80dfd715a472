/// A graph with a state of every kind that policies concern: whole writes of 32- and 16-bit elements, an odd number of
/// them, a counter, the two recurrences, and a ring of rows that stays in place. S = 1 clears `active` at the
/// end of a run, as a sampler at a stop does.
#ifndef WEFT_TEST_POLICY_GRAPH_H
#define WEFT_TEST_POLICY_GRAPH_H
#include "core/error.h"
#include "exec/session.h"
#include "ops/ops.h"

#include <string.h>

#define POLICY_STOP 1
enum { POLICY_T, POLICY_S, POLICY_SYMBOLS };

static const char policy_graph[] =
    "symbol T 0 3\nsymbol S 0 1\n"
    "input x f32 [T, 8]\ninput decay f32 [T, 2]\ninput beta f32 [T, 2]\ninput u f32 [4, 6]\ninput uh f16 [5, 3]\n"
    "weight w f32 [8, 1, 4]\n"
    "state s dense f32 [4, 6]\nstate h dense f16 [5, 3]\nstate g dense f16 [4, 6]\nstate n dense u32 [1]\n"
    "state r dense f32 [1, 2, 4, 4]\nstate c dense f32 [3, 8]\nstate kc ring f32 [16, 8]\n"
    "var pos u32 0 1000000\nvar gate u32 0 1 activity\nconst %one u32 [1] 1\nconst %most f32 [] 0.9\n"
    "%before = neg %s\n%a = mul %s %most\n%b = add %a %u\n%t = tanh %b\n%s1 = state_write %s %t \"recur\"\n"
    "%after = sub %s1 %u\n"
    "%d = add %h %uh\n%e = mul %d %most\n%e2 = tanh %e\n%f = cast %e2 {to=f16}\n%h1 = state_write %h %f \"half\"\n"
    "%t2 = cast %t {to=f16}\n%g1 = state_write %g %t2 \"even\"\n"
    "%n1 = add %n %one\n%n2 = state_write %n %n1 \"counter\"\n"
    "%r1 %y = linear_attention %r %x %x %x %decay %beta {q_heads=2, kv_heads=2} \"linear\"\n"
    "%c1 %z = causal_conv %c %x %w {layout=last, activation=silu} \"conv\"\n"
    "%kc1 = cache_append %kc %z %pos \"rows\"\n%sum = sum %kc1\n"
    "%p1 = advance %pos {by=T}\n%q1 = advance %gate {by=-S} \"stop\"\n"
    "output %before before\noutput %after after\noutput %y y\noutput %z z\noutput %sum sums\n";

/// The weight, small so that the convolution does not grow.
static inline weft_status policy_weight(void *user, const char *name, const void **data, uint64_t *bytes) {
    static float w[32];
    (void)user, (void)name;
    for (int i = 0; i < 32; i++) w[i] = (float)((i * 7) % 11 - 5) / 16;
    *data = w;
    *bytes = sizeof w;
    return WEFT_OK;
}

static inline weft_status policy_program(weft_gpu *gpu, const char *text, enum weft_state_policy policy,
                                         weft_program **out) {
    struct weft_graph *g = NULL;
    struct weft_program_params params = {.compile = {.state_policy = policy}, .source = {policy_weight, NULL}};
    WEFT_TRY(weft_graph_parse(weft_ops(), text, strlen(text), &g));
    return weft_program_create(gpu, g, &params, out);
}
#endif
