/// Indices that come from data or from a variable, and lead nowhere: every operator that takes one keeps to its memory
/// and gives what its host reference gives. Tensors with a pattern lie beside what is written. Each graph runs as it is
/// and with the checked accessors, which record what robustness would hide; a row behind a dense state's end is the one
/// thing that they may record, since the kernel asks for it before it drops it.
#include "ops/hostile_rig.h"

#define BESIDE "state before dense f32 [64]\nstate after dense f32 [64]\n"
#define POSITION "symbol T 1 3\nvar at u32 0 4294967295\n" BESIDE

struct taker {
    const char *op, *text; ///< the index is leaf "at"
    bool drops;            ///< rows behind an end: the checked build says so
    bool from_end;         ///< the host knows of no page below the capacity, so only values from it on are tried
    bool neighbours;       ///< what it computes of nonsense is nobody's business
    double tolerance;
    uint64_t told;
};

static const struct taker takers[] = {
    {.op = "cache_append",
     .drops = true,
     .text = POSITION "state s dense f32 [8, 2, 4]\ninput x f32 [T, 2, 4]\n%n = cache_append %s %x %at\n"},
    {.op = "cache_append",
     .drops = true,
     .text = POSITION "state s dense f32 [8, 3]\ninput x f32 [T, 3]\n%m = neg %x\n%n = cache_append %s %m %at\n"},
    {.op = "cache_append",
     .drops = true,
     .tolerance = 1e-3,
     .text = POSITION "state s dense f16 [8, 2, 4]\ninput x f32 [T, 2, 4]\n%n = cache_append %s %x %at\n"},
    {.op = "cache_append",
     .text = POSITION "state s ring f32 [7, 6]\nstate r ring f16 [5, 2]\ninput x f32 [T, 6]\ninput y f16 [T, 2]\n"
                      "%m = neg %x\n%n = cache_append %s %m %at\n%o = cache_append %r %y %at\n"},
    {.op = "cache_append",
     .drops = true,
     .from_end = true,
     .text = POSITION "state s paged f32 [9, 4]\ninput x f32 [T, 4]\n%m = neg %x\n%n = cache_append %s %m %at\n"},
    {.op = "cache_append",
     .text = POSITION "input s f32 [9, 4]\ninput x f32 [T, 4]\n%n = cache_append %s %x %at\noutput %n y\n"},
    {.op = "attention",
     .tolerance = 1e-5,
     .text =
         POSITION "state k dense f32 [8, 1, 4]\nstate v dense f32 [8, 1, 4]\ninput q f32 [T, 2, 4]\n"
                  "%y = attention %q %k %v %at\n%w = attention %q %k %v %at {window=3}\noutput %y y\noutput %w w\n"},
    {.op = "attention",
     .tolerance = 1e-5,
     .text = POSITION "state k ring f16 [300, 1, 8]\nstate v ring f32 [300, 1, 5]\ninput q f32 [T, 2, 8]\n"
                      "%y = attention %q %k %v %at\noutput %y y\n"},
    {.op = "attention",
     .tolerance = 1e-4,
     .text = POSITION "state k dense f32 [300, 2, 4]\nstate v ring f32 [300, 2, 4]\ninput q f32 [T, 2, 4]\n"
                      "weight o f32 [6, 8]\n%y = attention %q %k %v %at {window=200}\n%z = reshape %y {shape=[T, 8]}\n"
                      "%p = matmul %z %o\noutput %p y\n"},
    {.op = "attention",
     .tolerance = 1e-5,
     .text = POSITION "input k f32 [300, 1, 4]\ninput v f32 [300, 1, 4]\ninput q f32 [T, 2, 4]\n"
                      "%y = attention %q %k %v %at\noutput %y y\n"},
    {.op = "cache_append",
     .drops = true,
     .text = BESIDE "symbol T 1 3\ninput at u32 [T]\ninput slot u32 [T]\nstate s dense f32 [9, 8, 4] slots\n"
                    "input x f32 [T, 4]\n%n = cache_append %s %x %at %slot\n"},
    {.op = "cache_append",
     .text = BESIDE "symbol T 1 3\ninput p u32 [T]\ninput at u32 [T]\nstate s ring f32 [2, 8, 4] slots\n"
                    "state r dense f16 [2, 8, 4]\ninput x f32 [T, 4]\n%m = neg %x\n%n = cache_append %s %m %p %at\n"
                    "%o = cache_append %r %x %p %at\n"},
    {.op = "cache_append",
     .drops = true,
     .text = BESIDE "symbol T 1 3\nvar at u32 [2] 0 4294967295\nvar c u32 [2] 1 3\nstate s paged f32 [2, 9, 4] slots\n"
                    "state r paged f16 [2, 64, 4] slots\ninput x f32 [T+1, 4]\n%m = neg %x\n"
                    "%p %t = place_tokens %at %c {tokens=T+1}\n%n = cache_append %s %m %p %t\n"
                    "%o = cache_append %r %x %p %t\n"},
    {.op = "cache_append",
     .text = BESIDE "symbol T 1 3\nvar p u32 [2] 0 6\nvar at u32 [2] 0 4294967295\n"
                    "state s paged f32 [2, 9, 4] slots\nstate k paged f16 [2, 9, 1, 4] slots\ninput x f32 [T, 4]\n"
                    "input q f32 [T, 2, 4]\n%m = neg %x\n%i %t = place_tokens %p %at {tokens=T}\n"
                    "%n = cache_append %s %m %i %t\n%h = reshape %x {shape=[T, 1, 4]}\n"
                    "%o = cache_append %k %h %i %t\n"},
    {.op = "attention",
     .tolerance = 1e-5,
     .text = BESIDE "symbol T 1 3\nvar at u32 [2] 0 4294967295\nvar c u32 [2] 0 3\n"
                    "state k paged f32 [2, 300, 1, 4] slots\nstate v paged f16 [2, 300, 1, 4] slots\n"
                    "input q f32 [T, 2, 4]\ninput x f32 [T, 1, 4]\n%i %t = place_tokens %at %c {tokens=T}\n"
                    "%a = cache_append %k %x %i %t\n%b = cache_append %v %x %i %t\n"
                    "%y = attention %q %a %b %at %c\noutput %y y\n"},
    {.op = "attention",
     .tolerance = 1e-5,
     .told = 1000,
     .text = BESIDE "symbol T 1 3\nvar at u32 [2] 0 4294967295\nvar c u32 [2] 1 3\nvar none u32 [2] 0 0\n"
                    "state k dense f32 [2, 8, 1, 4] slots\nstate v ring f16 [2, 8, 1, 4] slots\ninput q f32 [T, 2, 4]\n"
                    "%y = attention %q %k %v %at %c\noutput %y y\n%n = advance %c %none\n"},
    {.op = "attention",
     .tolerance = 1e-5,
     .told = 1000,
     .text = BESIDE "symbol T 1 3\nvar p u32 [2] 0 9\nvar at u32 [2] 0 4294967295\nvar none u32 [2] 0 0\n"
                    "state k ring f32 [2, 300, 1, 4] slots\nstate v ring f32 [2, 300, 1, 4] slots\n"
                    "input q f32 [T, 2, 4]\n%y = attention %q %k %v %p %at {window=200}\noutput %y y\n"
                    "%n = advance %at %none\n"},
    {.op = "place_tokens",
     .told = 1000,
     .text = BESIDE "symbol T 1 3\nvar p u32 [2] 0 9\nvar at u32 [2] 0 4294967295\nvar none u32 [2] 0 0\n"
                    "%y %s = place_tokens %p %at {tokens=T}\n%t %u = place_tokens %at %at {tokens=T}\noutput %y y\n"
                    "output %s s\noutput %t t\noutput %u u\n%n = advance %at %none\n"},
    {.op = "causal_conv",
     .tolerance = 1e-5,
     .told = 1000,
     .text =
         BESIDE "symbol T 1 40\nvar at u32 [3] 0 4294967295\nvar on u32 [3] 0 1\nvar none u32 [3] 0 0\n"
                "state s dense f32 [3, 3, 4] slots\nstate after1 dense f32 [64]\nstate c dense f32 [3, 4, 3] slots\n"
                "input x f32 [T, 4]\ninput z f32 [4, 9]\nweight w f32 [4, 4]\n"
                "%n %y = causal_conv %s %x %w %at {layout=last}\n%m %u = causal_conv %c %z %w %at %at\noutput %y y\n"
                "output %u u\n%p = advance %at %none\n"},
    {.op = "linear_attention",
     .tolerance = 1e-5,
     .told = 1000,
     .text = BESIDE "symbol T 1 40\nvar at u32 [3] 0 4294967295\nvar none u32 [3] 0 0\n"
                    "state s dense f32 [3, 1, 4, 4] slots\nstate after1 dense f32 [64]\ninput q f32 [T, 4]\n"
                    "input r f32 [9, 4]\ninput d f32 [T, 1]\nstate t dense f32 [3, 1, 4, 4]\n"
                    "%n %y = linear_attention %s %q %q %q %d %d %at {q_heads=1, kv_heads=1, chunk=4}\n"
                    "%m %u = linear_attention %t %r %r %r %at %at {rule=linear, q_heads=1, kv_heads=1}\noutput %y y\n"
                    "output %u u\n%p = advance %at %none\n"},
    {.op = "gated_delta_net",
     .tolerance = 1e-5,
     .told = 1000,
     .text = BESIDE "symbol T 1 3\nvar at u32 [3] 0 4294967295\nvar none u32 [3] 0 0\n"
                    "state s dense f32 [3, 1, 4, 4] slots\ninput q f32 [T, 4]\ninput d f32 [T, 1]\n"
                    "%n %y = gated_delta_net %s %q %q %q %d %d %at {q_heads=1, kv_heads=1}\noutput %y y\n"
                    "%p = advance %at %none\n"},
    {.op = "gather",
     .tolerance = 1e-6,
     .text = BESIDE "symbol T 1 3\ninput at u32 [T]\ninput w f32 [5, 4]\nweight p q8_0 [5, 64]\n%y = gather %w %at\n"
                    "%z = gather %p %at\noutput %y y\noutput %z z\n"},
    {.op = "gather",
     .tolerance = 1e-6,
     .text = BESIDE "symbol T 1 3\ninput at i32 [T]\ninput w f16 [5, 3]\nweight p f32 [5, 6]\n%y = gather %w %at\n"
                    "%z = gather %p %at\noutput %y y\noutput %z z\n"},
    {.op = "gather", .text = BESIDE "var at u32 0 4294967295\ninput w f32 [5, 4]\n%y = gather %w %at\noutput %y y\n"},
    {.op = "gather_copy",
     .text = BESIDE "symbol T 1 3\ninput at i32 [T]\ninput w i32 [5, 4]\ninput v f32 [5, 3]\n"
                    "%y = gather_copy %w %at\n%z = gather_copy %v %at\n%u = gather_copy %at %at\noutput %y y\n"
                    "output %z z\noutput %u u\n"},
    {.op = "gather_copy",
     .text = BESIDE "symbol T 1 3\ninput at u32 [T]\nvar v u32 [3] 0 4294967295\ninput w u8 [5, 3]\n"
                    "%y = gather_copy %w %at\n%z = gather_copy %v %at\noutput %y y\noutput %z z\n"},
    {.op = "embedding_q4gsw",
     .tolerance = 1e-6,
     .text = BESIDE "symbol T 1 3\ninput at i32 [T]\nvar id u32 0 4294967295\nweight w u8 [5, 16]\n"
                    "weight s f32 [5, 2]\n%y = embedding_q4gsw %w %s %at {group=16}\noutput %y y\n"},
    {.op = "embedding_q4gsw",
     .tolerance = 1e-6,
     .text = BESIDE "var at u32 0 4294967295\nweight w u8 [5, 6]\nweight s f32 [5, 1]\n"
                    "%y = embedding_q4gsw %w %s %at {group=16}\noutput %y y\n"},
    {.op = "matmul_experts",
     .tolerance = 1e-5,
     .text =
         BESIDE "symbol T 1 3\ninput at i32 [T, 2]\ninput x f32 [T, 32]\nweight w q8_0 [5, 6, 32]\n"
                "input v f32 [5, 3, 32]\n%y = matmul_experts %x %w %at\n%z = matmul_experts %x %v %at\noutput %y y\n"
                "output %z z\n"},
    {.op = "matmul_experts",
     .tolerance = 1e-5,
     .text =
         BESIDE "symbol T 1 3\ninput at u32 [T, 40]\ninput x f32 [T, 33]\nweight w f16 [5, 66, 33]\n"
                "input v f16 [5, 7, 33]\n%y = matmul_experts %x %w %at\n%z = matmul_experts %x %v %at\noutput %y y\n"
                "output %z z\n"},
    {.op = "nll",
     .tolerance = 1e-5,
     .text = BESIDE "symbol T 1 3\ninput x f32 [T, 9]\ninput at u32 [T]\n%y = nll %x %at\noutput %y y\n"},
    {.op = "nll",
     .tolerance = 1e-5,
     .text = BESIDE "symbol T 1 3\ninput x f32 [T, 12]\ninput at i32 [T]\n%y = nll %x %at\noutput %y y\n"},
    {.op = "advance",
     .text = BESIDE "symbol T 1 3\nvar at u32 3 40\nvar to u32 0 4294967295\n%a = advance %at {by=T}\n"
                    "%b = advance %a {by=2*T-3}\n%c = advance %to {by=T}\n"},
    {.op = "advance",
     .told = 1000,
     .text = BESIDE "symbol T 1 3\nvar a u32 0 4294967295\nvar at u32 0 4294967295\n%b = advance %at {by=2*T-9}\n"
                    "%c = advance %b {by=5-T}\n"},
    {.op = "rope",
     .neighbours = true,
     .text = BESIDE "symbol T 1 3\nvar at u32 0 4294967295\ninput x f32 [T, 2, 8]\n%y = rope %x %at\noutput %y y\n"},
};

// clang-format off
static const double values[] = {
    0, 1, 4, 5, 7, 8, 9, 10, 299, 300, 301, 65535, 65536, 1e6, 2147483640.0, 2147483646.0, 2147483647.0, 2147483648.0,
    2147483649.0, 4294967040.0, 4294967293.0, 4294967294.0, 4294967295.0,
};
// clang-format on

static bool is_signed(const struct hostile_rig *r, const char *leaf) {
    return r->g->values[weft_graph_find(r->g, leaf)].type.dtype == WEFT_I32;
}

static int try_all(const struct taker *t, bool checked) {
    struct hostile_rig r = {
        .name = t->op, .text = t->text, .tolerance = t->tolerance, .neighbours = t->neighbours, .told = t->told};
    int bad = 0, dropped = 0;
    hostile_begin(&r, checked);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct hostile h = {"at", HOSTILE_EVERY, values[i]};
        if (is_signed(&r, "at") && h.value >= 2147483648.0) h.value -= 4294967296.0;
        for (int64_t tokens = 3; tokens >= 1; tokens -= 2) {
            r.symbols[0] = tokens;
            if (t->from_end && h.value < 9) continue;
            int before = r.faults, differ = hostile_run(&r, &h, 1);
            if (differ) printf("  with %s = %.0f, T = %d%s\n", "at", h.value, (int)tokens, checked ? ", checked" : "");
            bad += differ;
            dropped += r.faults > before;
            if (!t->drops && r.faults > before) {
                printf("%s: a fault with %s = %.0f, T = %d\n", t->op, "at", h.value, (int)tokens);
                bad++;
            }
        }
    }
    if (checked && t->drops && !dropped) printf("%s: no dropped row was recorded\n", t->op), bad++;
    hostile_end(&r);
    return bad;
}

static void indices_stay_in_bounds(void **state) {
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < sizeof takers / sizeof *takers; i++) bad += try_all(&takers[i], false);
    assert_int_equal(bad, 0);
}

static void and_under_the_checked_build(void **state) {
    (void)state;
    if (weft_test_thin()) skip(); // its words are ours and not the driver's: wgpu-native has them, Dawn at night
    int bad = 0;
    for (size_t i = 0; i < sizeof takers / sizeof *takers; i++) bad += try_all(&takers[i], true);
    assert_int_equal(bad, 0);
}

// ---- the sampler, whose states are indices and settings ------------------------------------------------------------

#define SAMPLER(TOKENS)                                                                                                \
    "symbol R 1 1\nstate before0 dense u32 [32]\nstate counts dense u32 [37]\nstate before1 dense u32 [32]\n"          \
    "state ring dense u32 [8]\nstate after0 dense i32 [32]\nstate tokens dense i32 [" TOKENS "]\n"                     \
    "state after1 dense i32 [32]\nvar token u32 0 36\nvar n u32 0 4000000000\nvar rng u32 5 9\n"                       \
    "var pos u32 0 4294967295\nvar n_max u32 0 4294967295\nvar pos_max u32 0 4294967295\ninput sampling u32 [16]\n"    \
    "input stops u32 [3]\ninput x f32 [R, 37]\n"                                                                       \
    "%a %b %c %d %e %f = sample %counts %ring %tokens %token %n %rng %x %sampling %stops %pos %n_max %pos_max "

#define SLOT_SAMPLER                                                                                                   \
    "symbol R 3 3\nstate before0 dense u32 [32]\nstate counts dense u32 [3, 37]\nstate before1 dense u32 [32]\n"       \
    "state ring dense u32 [3, 8]\nstate after0 dense i32 [32]\nvar on u32 [3] 0 1\nvar token u32 [3] 0 36\n"           \
    "var n u32 [3] 0 4000000000\nvar rng u32 [3] 5 9\nvar pos u32 [3] 0 4294967295\n"                                  \
    "var n_max u32 [3] 0 4294967295\nvar pos_max u32 [3] 0 4294967295\ninput sampling u32 [3, 16]\n"                   \
    "input stops u32 [3, 3]\ninput x f32 [R, 37]\ninput whose u32 [R]\n"                                               \
    "%a %b %c %d %e %f = sample %counts %ring %on %token %n %rng %x %sampling %stops %pos %n_max %pos_max %whose "

/// One operand of the slots' sampler is nonsense, then one row's slot alone; then what the others have is exact.
static int try_slots(const char *text, bool checked) {
    static const char *const leaves[] = {"counts", "ring",    "on",       "token", "n", "rng",  "pos",
                                         "n_max",  "pos_max", "sampling", "stops", "x", "whose"};
    static const uint32_t bits[] = {0, 3, 37, 0x7fc00000u, 0x7fffffffu, 0x80000000u, 0xffffffffu};
    struct hostile_rig r = {.name = "sample by slot", .text = text};
    int bad = 0;
    hostile_begin(&r, checked);
    for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++)
        for (size_t k = 0; k < sizeof bits / sizeof *bits; k++) {
            struct hostile h[] = {{"on", HOSTILE_EVERY, 1},
                                  {"n_max", HOSTILE_EVERY, 50},
                                  {"whose", 0, 2},
                                  {"whose", 1, 0},
                                  {"whose", 2, 1},
                                  {"sampling", 0, 1},
                                  {"pos_max", HOSTILE_EVERY, 50}, // no slot ends by itself
                                  {leaves[i], HOSTILE_BITS, bits[k]}};
            bool row = strcmp(leaves[i], "whose") == 0;
            if (row) h[7] = (struct hostile){"whose", 1, bits[k]};
            r.neighbours = !row;
            bad += hostile_run(&r, h, sizeof h / sizeof *h);
            for (uint32_t slot = 0; slot < 3; slot++) {
                uint32_t token, n, rng;
                hostile_must(weft_session_get_var_at(r.session, "token", slot, &token));
                hostile_must(weft_session_get_var_at(r.session, "n", slot, &n));
                hostile_must(weft_session_get_var_at(r.session, "rng", slot, &rng));
                bool kept = strcmp(leaves[i], "on") == 0 && bits[k] == 0; // nothing is written, not even within bounds
                if (token <= 36 && n <= 4000000000u && (kept || row || (rng >= 5 && rng <= 9))) continue;
                printf("with %s = %x: token %u, n %u, rng %u of slot %u\n", leaves[i], bits[k], token, n, rng, slot);
                bad++;
            }
        }
    bad += r.faults;
    hostile_end(&r);
    return bad;
}

static int try_sampler(const char *text, bool checked) {
    static const char *const leaves[] = {"counts", "ring",  "tokens",  "token",    "n",     "rng",
                                         "pos",    "n_max", "pos_max", "sampling", "stops", "x"};
    static const uint32_t bits[] = {0, 8, 37, 38, 0x7fc00000u, 0x7fffffffu, 0x80000000u, 0xff800000u, 0xffffffffu};
    struct hostile_rig r = {.name = "sample", .text = text, .neighbours = true};
    int bad = 0;
    hostile_begin(&r, checked);
    for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++)
        for (size_t k = 0; k < sizeof bits / sizeof *bits; k++) {
            struct hostile h[] = {{leaves[i], HOSTILE_BITS, bits[k]}, {"n_max", HOSTILE_EVERY, 50}};
            bad += hostile_run(&r, h, strcmp(leaves[i], "n_max") == 0 ? 1 : 2);
            uint32_t token, n, rng;
            hostile_must(weft_session_get_var(r.session, "token", &token));
            hostile_must(weft_session_get_var(r.session, "n", &n));
            hostile_must(weft_session_get_var(r.session, "rng", &rng));
            if (token > 36 || n > 4000000000u || rng < 5 || rng > 9) {
                printf("with %s = %x: token %u, n %u, rng %u\n", leaves[i], bits[k], token, n, rng);
                bad++;
            }
        }
    bad += r.faults;
    hostile_end(&r);
    return bad;
}

static void the_sampler_keeps_to_its_states(void **state) {
    (void)state;
    int bad = 0;
    for (int checked = 0; checked < 2; checked++)
        bad += try_sampler(SAMPLER("0") "{greedy=1}\n", checked) + try_sampler(SAMPLER("4") "\n", checked) +
               try_slots(SLOT_SAMPLER "{greedy=1}\n", checked) + try_slots(SLOT_SAMPLER "\n", checked);
    assert_int_equal(bad, 0);
}

// ---- a promise that is broken --------------------------------------------------------------------------------------

/// Where the device alone knows the position, more keys than were promised make NaN of the queries, in every way of
/// joining pieces; within the promise nothing changes.
static void more_keys_than_promised_give_nan(void **state) {
    (void)state;
    static const char *const texts[] = {
        "symbol T 1 3\nsymbol N 8 2000\nvar at u32 0 4294967295\nstate k ring f32 [2000, 1, 4]\n"
        "state v ring f32 [2000, 1, 4]\ninput q f32 [T, 2, 4]\n%y = attention %q %k %v %at {reach=N}\noutput %y y\n",
        "symbol T 1 3\nsymbol N 8 2000\nvar at u32 0 4294967295\nstate k ring f32 [2000, 1, 4]\n"
        "state v ring f32 [2000, 1, 4]\ninput q f32 [T, 2, 4]\nweight o f32 [3, 8]\n"
        "%y = attention %q %k %v %at {reach=N}\n%z = reshape %y {shape=[T, 8]}\n%p = matmul %z %o\noutput %p y\n"};
    for (int i = 0; i < 2; i++) {
        struct hostile_rig r = {.name = "reach", .text = texts[i], .tolerance = 1e-4, .neighbours = true};
        hostile_begin(&r, false);
        for (int64_t reach = 140; reach < 2000; reach += 700) {
            struct hostile within = {"at", HOSTILE_EVERY, (double)reach - 3}, beyond = {"at", HOSTILE_EVERY, 1990};
            float y[24];
            uint64_t n = i ? 9 : 24;
            r.symbols[0] = 3;
            r.symbols[1] = reach;
            r.neighbours = false;
            assert_int_equal(hostile_run(&r, &within, 1), 0);
            r.neighbours = true;
            assert_int_equal(hostile_run(&r, &beyond, 1), 0);
            hostile_must(weft_session_read(r.session, "y", 0, y, n * sizeof *y));
            for (uint64_t k = 0; k < n; k++) assert_true(isnan(y[k]));
        }
        hostile_end(&r);
    }
}

// ---- which operators these are -------------------------------------------------------------------------------------

/// All others find their places by live sizes alone, which the host sets and checks.
static void every_operator_was_looked_at(void **state) {
    (void)state;
    // clang-format off
    static const char *const sizes_only[] = {
        "abs", "add", "all", "amax", "amin", "any", "argmax", "assign", "bitcast", "cast", "ceil",
        "concat", "cos", "cumsum", "dequant_q4gsw", "div", "eq", "exp", "expand", "flip", "floor",
        "ge", "gelu", "gelu_tanh", "group_norm", "gt", "hard_swish", "layer_norm", "le",
        "linear_q4gsw", "log", "log_softmax", "lt", "matmul", "max", "mean", "min", "mul", "ne", "neg", "pad", "pow",
        "prod", "quantize", "recip", "relu", "repeat", "reshape", "rms_norm", "roll", "rope_table", "round", "rsqrt",
        "select", "sigmoid", "sign", "silu", "sin", "slice", "slice_copy", "softmax", "softplus", "split", "sqrt",
        "square", "state_write", "sub", "sum", "tanh", "tile", "topk", "transpose", "where",
    };
    // clang-format on
    int missing = 0;
    for (size_t i = 0; weft_ops()->ops[i]; i++) {
        const char *name = weft_ops()->ops[i]->name;
        bool known = strcmp(name, "sample") == 0;
        for (size_t k = 0; k < sizeof sizes_only / sizeof *sizes_only; k++) known |= strcmp(name, sizes_only[k]) == 0;
        for (size_t k = 0; k < sizeof takers / sizeof *takers; k++) known |= strcmp(name, takers[k].op) == 0;
        if (!known) printf("operator %s: give it a row here, or say that it takes no index\n", name), missing++;
    }
    assert_int_equal(missing, 0);
}

/// Negative controls: a neighbour that changed is seen, and so is a row that was not dropped.
static void differences_are_noticed(void **state) {
    (void)state;
    struct hostile_rig r = {.name = "control (differences are expected)", .text = takers[0].text};
    struct hostile h = {"at", HOSTILE_EVERY, 6};
    hostile_begin(&r, false);
    assert_int_equal(hostile_run(&r, &h, 1), 0);
    weft_value after = weft_graph_find(r.g, "after"), s = weft_graph_find(r.g, "s");
    uint8_t *got;
    uint64_t bytes;
    got = hostile_storage(&r.leaves[after], &bytes);
    assert_int_equal(hostile_compare(&r, "after", &r.leaves[after], got), 0);
    ((float *)(void *)got)[63] = 8;
    assert_int_equal(hostile_compare(&r, "after", &r.leaves[after], got), 1);
    weft_free(got);
    got = hostile_storage(&r.leaves[s], &bytes);
    r.leaves[s].values[7 * 8] += 1;
    assert_int_equal(hostile_compare(&r, "s", &r.leaves[s], got), 1);
    weft_free(got);
    hostile_end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indices_stay_in_bounds),          cmocka_unit_test(and_under_the_checked_build),
        cmocka_unit_test(the_sampler_keeps_to_its_states), cmocka_unit_test(more_keys_than_promised_give_nan),
        cmocka_unit_test(every_operator_was_looked_at),    cmocka_unit_test(differences_are_noticed),
    };
    if (!weft_test_gpu()) return 1;
    cmocka_set_test_filter(getenv("WEFT_TEST_CASE"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
