/// NaN and infinity in attention and in linear attention: what sees them becomes what C makes of them, and what does
/// not see them stays as it is. The host reference is C; each graph runs with each tensor spoiled at each of some
/// places.
#include "ops/hostile_rig.h"

/// What a spoiled graph must show at least once, so that a test can't pass by comparing nothing.
struct seen {
    int64_t nan, inf, finite;
};

static void look(const struct hostile_rig *r, struct seen *seen) {
    for (weft_value v = 0; v < r->g->n_values; v++)
        for (int64_t i = 0; i < r->results[v].n; i++) {
            double x = r->results[v].values[i];
            *(isnan(x) ? &seen->nan : isinf(x) ? &seen->inf : &seen->finite) += 1;
        }
}

static int spoil(const char *name, const char *text, const char *const *leaves, const double *positions,
                 double tolerance) {
    static const double poison[] = {NAN, INFINITY, -INFINITY};
    struct hostile_rig r = {.name = name, .text = text, .tolerance = tolerance};
    struct seen seen = {0};
    int bad = 0;
    hostile_begin(&r, false);
    for (int p = 0; positions[p] >= 0; p++)
        for (int l = 0; leaves[l]; l++) {
            int64_t n = hostile_count(&r, &r.g->values[weft_graph_find(r.g, leaves[l])].type);
            for (int64_t at = n / 7; at < n; at += n / 5 + 1)
                for (size_t k = 0; k < sizeof poison / sizeof *poison; k++) {
                    struct hostile h[] = {{leaves[l], at, poison[k]}, {"pos", HOSTILE_EVERY, positions[p]}};
                    int differ = hostile_run(&r, h, 2);
                    if (differ)
                        printf("  with %s[%d] = %g at position %g\n", leaves[l], (int)at, poison[k], positions[p]);
                    bad += differ;
                    look(&r, &seen);
                }
        }
    if (!seen.nan || !seen.finite) printf("%s: it showed %d NaN\n", name, (int)seen.nan), bad++;
    hostile_end(&r);
    return bad;
}

#define ATTENTION(T, CAP, D, DV, TYPE)                                                                                 \
    "symbol T 1 " T "\nvar pos u32 0 1000\ninput q f32 [T, 2, " D "]\nstate k ring " TYPE " [" CAP ", 1, " D "]\n"     \
    "state v ring " TYPE " [" CAP ", 1, " DV "]\n"

static const char *const qkv[] = {"q", "k", "v", NULL};

static void attention_in_one_piece(void **state) {
    (void)state;
    static const double few[] = {0, 3, 9, 40, -1};
    int bad = spoil("whole", ATTENTION("5", "12", "4", "3", "f32") "%y = attention %q %k %v %pos\noutput %y y\n", qkv,
                    few, 1e-5);
    bad +=
        spoil("window", ATTENTION("4", "12", "3", "8", "f16") "%y = attention %q %k %v %pos {window=6}\noutput %y y\n",
              qkv, few, 1e-4);
    bad += spoil("softcap",
                 ATTENTION("3", "10", "4", "4", "f32") "%y = attention %q %k %v %pos {softcap=3}\noutput %y y\n", qkv,
                 few, 1e-5);
    static const double many[] = {0, 20, 75, -1};
    bad += spoil("many rows", ATTENTION("40", "90", "4", "4", "f32") "%y = attention %q %k %v %pos\noutput %y y\n", qkv,
                 many, 1e-5);
    assert_int_equal(bad, 0);
}

static void attention_in_pieces(void **state) {
    (void)state;
    static const double positions[] = {1, 130, 300, 777, -1};
    int bad = spoil("merged", ATTENTION("3", "420", "4", "4", "f32") "%y = attention %q %k %v %pos\noutput %y y\n", qkv,
                    positions, 1e-5);
    bad += spoil(
        "joined by a product",
        ATTENTION(
            "3", "420", "4", "4",
            "f32") "weight o f32 [5, 8]\n"
                   "%y = attention %q %k %v %pos {window=300}\n%z = reshape %y {shape=[T, 8]}\n%p = matmul %z %o\n"
                   "output %p y\n",
        qkv, positions, 1e-4);
    assert_int_equal(bad, 0);
}

/// Every score is the same infinity: minus leaves nothing to divide by, and so does plus.
static void scores_all_infinite(void **state) {
    (void)state;
    static const char *const texts[] = {
        ATTENTION("3", "9", "2", "2", "f32") "%y = attention %q %k %v %pos {scale=1}\noutput %y y\n",
        ATTENTION("3", "420", "2", "4", "f32") "%y = attention %q %k %v %pos\noutput %y y\n",
        ATTENTION("3", "420", "2", "4", "f16") "%y = attention %q %k %v %pos {softcap=2}\noutput %y y\n"};
    int bad = 0;
    for (int i = 0; i < 3; i++) {
        struct hostile_rig r = {.name = "infinite", .text = texts[i], .tolerance = 1e-4};
        hostile_begin(&r, false);
        for (int sign = -1; sign <= 1; sign += 2)
            for (double at = 0; at < 500; at = 2 * at + 5) {
                struct hostile h[] = {
                    {"k", HOSTILE_EVERY, sign * INFINITY}, {"q", HOSTILE_EVERY, 1}, {"pos", HOSTILE_EVERY, at}};
                bad += hostile_run(&r, h, 3);
                struct seen seen = {0};
                look(&r, &seen);
                bad += i < 2 ? seen.finite != 0 : seen.nan != 0;
            }
        // scores of -3.3e38 are numbers, and not taken for a mask
        struct hostile h[] = {{"k", HOSTILE_EVERY, 1.65e38}, {"q", HOSTILE_EVERY, -1}, {"pos", HOSTILE_EVERY, 5}};
        if (i == 0) bad += hostile_run(&r, h, 3);
        hostile_end(&r);
    }
    assert_int_equal(bad, 0);
}

/// Token by token, and in chunks: a token's NaN never reaches an earlier one. Infinities are left out, since the order
/// of sums decides what becomes of two of them.
static void linear_attention_by_token_and_in_chunks(void **state) {
    (void)state;
    static const char *const tokens[] = {"6", "49"};
    static const struct {
        const char *rule, *inputs, *gates;
    } rules[] = {{"linear", "", ""},
                 {"gated", "input decay f32 [T, 2]\n", "%decay"},
                 {"gated", "input decay f32 [T, 6]\n", "%decay"},
                 {"delta", "input beta f32 [T, 2]\n", "%beta"},
                 {"gated_delta", "input decay f32 [T, 2]\ninput beta f32 [T, 2]\n", "%decay %beta"}};
    static const char *const leaves[] = {"q", "k", "v", "decay", "beta", "s"};
    int bad = 0;
    for (int i = 0; i < 10; i++) {
        char text[700];
        snprintf(text, sizeof text,
                 "symbol T 1 %s\nstate s dense f32 [2, 3, 4]\ninput q f32 [T, 6]\ninput k f32 [T, 6]\n"
                 "input v f32 [T, 8]\n%s%%n %%y = linear_attention %%s %%q %%k %%v %s {rule=%s, q_heads=2, kv_heads=2, "
                 "scale=0.1}\noutput %%y y\n",
                 tokens[i % 2], rules[i / 2].inputs, rules[i / 2].gates, rules[i / 2].rule);
        struct hostile_rig r = {.name = rules[i / 2].rule, .text = text, .tolerance = 2e-3};
        struct seen seen = {0};
        hostile_begin(&r, false);
        for (int l = 0; l < 6; l++) {
            weft_value v = weft_graph_find(r.g, leaves[l]);
            if (v == WEFT_NO_VALUE) continue;
            int64_t n = hostile_count(&r, &r.g->values[v].type);
            for (int64_t at = n / 6; at < n; at += n / 3 + 1) {
                struct hostile h[] = {{"k", HOSTILE_EVERY, 0.25}, {"decay", HOSTILE_EVERY, -0.5}, {leaves[l], at, NAN}};
                int differ = hostile_run(&r, h, 3);
                if (differ) printf("  %s tokens, with %s[%d] = NaN\n", tokens[i % 2], leaves[l], (int)at);
                bad += differ;
                look(&r, &seen);
            }
        }
        if (!seen.nan || !seen.finite) printf("%s: it showed %d NaN\n", r.name, (int)seen.nan), bad++;
        hostile_end(&r);
    }
    assert_int_equal(bad, 0);
}

/// Negative control: a number in place of NaN, and NaN in place of a number, are differences.
static void differences_are_noticed(void **state) {
    (void)state;
    double numbers[] = {1, NAN, 2};
    float same[] = {1, NAN, 2}, lost[] = {1, 0, 2}, gained[] = {1, NAN, NAN};
    struct hostile_rig r = {.name = "control (differences are expected)", .tolerance = 1};
    struct hostile_leaf want = {.values = numbers, .n = 3, .dtype = WEFT_F32};
    assert_int_equal(hostile_compare(&r, "y", &want, (const uint8_t *)same), 0);
    assert_int_equal(hostile_compare(&r, "y", &want, (const uint8_t *)lost), 1);
    assert_int_equal(hostile_compare(&r, "y", &want, (const uint8_t *)gained), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_in_one_piece),  cmocka_unit_test(attention_in_pieces),
        cmocka_unit_test(scores_all_infinite),     cmocka_unit_test(linear_attention_by_token_and_in_chunks),
        cmocka_unit_test(differences_are_noticed),
    };
    if (!weft_test_gpu()) return 1;
    cmocka_set_test_filter(getenv("WEFT_TEST_CASE"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
