/// Plans of kernels whose operands share memory: dispatches, bindings and copied bytes follow from the ranges.
#include "compile/alias.h"
#include "plan/byte_range.h"
#include "plan_fixture.h"
#include "support/alias_cases.h"

static int plan_case(void *user, const struct alias_case *c) {
    uint32_t *n = user;
    struct weft_gpu_caps caps = fixture_caps();
    ++*n;
    return alias_case_plan(c, &caps, false);
}

static void plans_follow_from_ranges(void **state) {
    (void)state;
    uint32_t n = 0;
    assert_int_equal(alias_cases(plan_case, &n, 300), 0);
    assert_true(n > 700);
}

/// The rule itself must be able to fail: a plan that fuses too much, or copies, is not the plan of another case.
static int swap_case(void *user, const struct alias_case *c) {
    uint32_t *noticed = user;
    if (c->type != WEFT_F32 || strncmp(c->name, "softmax: ", 9) != 0) return 0;
    struct weft_gpu_caps caps = fixture_caps();
    struct alias_case wrong = *c;
    wrong.copied += 4;
    *noticed += alias_case_plan(&wrong, &caps, true) == 1;
    wrong = *c;
    wrong.bindings[0]++;
    *noticed += alias_case_plan(&wrong, &caps, true) == 1;
    wrong = *c;
    wrong.n_steps++;
    *noticed += alias_case_plan(&wrong, &caps, true) == 1;
    return 3;
}

static void the_rule_is_compared(void **state) {
    (void)state;
    uint32_t noticed = 0;
    int tried = alias_cases(swap_case, &noticed, 0);
    assert_true(tried > 0);
    assert_int_equal(noticed, tried);
}

// ---- sizes that vary -----------------------------------------------------------------------------------------------

static uint64_t copied(const char *graph, const struct weft_compile_params *params, uint32_t schedule) {
    struct weft_plan *p = fixture_plan(graph, NULL, params);
    assert_true(schedule < p->n_schedules);
    uint64_t bytes = p->schedules[schedule].copied_bytes;
    weft_plan_destroy(p);
    return bytes;
}

#define OVER(symbols, from, start)                                                                                     \
    symbols "state m dense f32 [4096]\n%a = slice %m {start=" from ", len=8*T}\n"                                      \
            "%x = reshape %a {shape=[T, 8]}\n%y = tanh %x\n%1 = assign %m %y {start=" start "}\n"

/// A range counts as disjoint, or as the same, only where that holds for all sizes of the schedule.
static void sizes_are_proved(void **state) {
    (void)state;
    assert_int_equal(copied(OVER("symbol T 1 64\n", "0", "8*T"), NULL, 0), 0);
    assert_int_equal(copied(OVER("symbol T 1 64\n", "0", "8*T-1"), NULL, 0), 64 * 8 * 4);
    assert_int_equal(copied(OVER("symbol T 1 64\n", "8*T+3", "8*T+3"), NULL, 0), 0);
    assert_int_equal(copied(OVER("symbol T 1 64\n", "8*T+3", "8*T+4"), NULL, 0), 64 * 8 * 4);
    assert_int_equal(copied(OVER("symbol T 1 64\nsymbol S 0 64\n", "8*S", "8*T"), NULL, 0), 64 * 8 * 4);
    assert_int_equal(copied(OVER("symbol T 1 64\nsymbol S 0 64\n", "8*S", "8*S+8*T"), NULL, 0), 0);
    // rows 0 .. T against element 64 on: disjoint while T <= 8, which is so in two of three schedules
    struct weft_compile_params split = {.split_symbol = "T", .split_at = {1, 8}, .n_splits = 2};
    assert_int_equal(copied(OVER("symbol T 1 64\n", "0", "64"), &split, 0), 0);
    assert_int_equal(copied(OVER("symbol T 1 64\n", "0", "64"), &split, 1), 0);
    assert_int_equal(copied(OVER("symbol T 1 64\n", "0", "64"), &split, 2), 64 * 8 * 4);
}

#define HALVES(len, start)                                                                                             \
    "symbol T 1 64\nstate m dense f16 [4096]\n%a = slice %m {start=0, len=" len "}\n%1 = assign %m %a {start=" start   \
    "}\n"

/// Ranges of halves that have a word in common are not disjoint, neither for the planner nor for the checker.
static void halves_share_words(void **state) {
    (void)state;
    assert_int_equal(copied(HALVES("2*T", "2*T"), NULL, 0), 0);
    assert_int_equal(copied(HALVES("T", "T+1"), NULL, 0), 0);
    assert_int_equal(copied(HALVES("T", "T"), NULL, 0), 64 * 2);
    struct weft_plan *p = fixture_plan(HALVES("T", "T+1"), NULL, NULL);
    struct weft_step *s = &p->schedules[0].steps[0];
    assert_int_equal(weft_plan_check(p, &p->schedules[0]), WEFT_OK);
    for (uint32_t i = 0; i < s->n_operands; i++) // written from where the other ends
        if (s->operands[i].access & WEFT_WRITE) s->operands[i].elem_offset = s->operands[i].count;
    REFUSED(weft_plan_check(p, &p->schedules[0]), WEFT_ERR_INTERNAL, "overlap partly");
    weft_plan_destroy(p);
}

#define BYTES(len, start)                                                                                              \
    "symbol T 1 64\nstate m dense u8 [4096]\n%a = slice %m {start=0, len=" len "}\n%1 = assign %m %a {start=" start    \
    "}\n"

/// The same of elements of 8 bits, of which four share a word.
static void bytes_share_words(void **state) {
    (void)state;
    assert_int_equal(copied(BYTES("4*T", "4*T"), NULL, 0), 0);
    assert_int_equal(copied(BYTES("T", "T+3"), NULL, 0), 0);
    assert_int_equal(copied(BYTES("T", "T+2"), NULL, 0), 64);
    struct weft_plan *p = fixture_plan(BYTES("T", "T+3"), NULL, NULL);
    struct weft_step *s = &p->schedules[0].steps[0];
    assert_int_equal(weft_plan_check(p, &p->schedules[0]), WEFT_OK);
    for (uint32_t i = 0; i < s->n_operands; i++) // written from the element behind the one where the other ends
        if (s->operands[i].access & WEFT_WRITE)
            s->operands[i].elem_offset =
                weft_dim_add(p->graph->dims, s->operands[i].count, weft_dim_const(p->graph->dims, 1));
    REFUSED(weft_plan_check(p, &p->schedules[0]), WEFT_ERR_INTERNAL, "overlap partly");
    weft_plan_destroy(p);
}

/// A range whose bytes could not be counted is not disjoint from anything.
static void unknown_ranges_may_overlap(void **state) {
    (void)state;
    struct weft_graph *g = fixture_graph("symbol T 1 9\ninput x f32 [T]\n");
    struct weft_lower l = {.graph = g};
    const weft_dim one = weft_dim_const(g->dims, 1), two = weft_dim_const(g->dims, 2);
    const struct weft_byte_range known = {0, one, two, 4}, behind = {0, two, weft_dim_const(g->dims, 3), 4};
    const struct weft_byte_range unknown[] = {{0, WEFT_DIM_BAD, WEFT_DIM_BAD, 4}, {0, two, WEFT_DIM_BAD, 4}};
    assert_int_equal(weft_byte_range_compare(&l, &known, &behind), WEFT_DISJOINT);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(weft_byte_range_compare(&l, &known, &unknown[i]), WEFT_OVERLAPPING);
        assert_int_equal(weft_byte_range_compare(&l, &unknown[i], &unknown[i]), WEFT_OVERLAPPING);
    }
    weft_graph_destroy(g);
}

// ---- order, outputs, operators with kernels of their own -----------------------------------------------------------

/// What reads a view of the old version, at the end of a long path, stands before the write all the same.
static void readers_of_views_come_first(void **state) {
    (void)state;
    struct weft_plan *p = fixture_plan("weight w f32 [8, 8]\nstate m dense f32 [64]\ninput x f32 [1, 8]\n"
                                       "%a = slice %m {start=0, len=8}\n%v = reshape %a {shape=[1, 8]}\n%y = tanh %x\n"
                                       "%p = matmul %y %w\n%z = mul %p %v \"late\"\noutput %z z\n"
                                       "%1 = assign %m %y {start=0} \"write\"\n",
                                       NULL, NULL);
    struct weft_schedule *sc = &p->schedules[0];
    uint32_t write = fixture_step(sc, "assign write", 0);
    assert_int_equal(write, sc->n_steps - 1); // and not behind the tanh, whose kernel it could have ended
    assert_true(sc->steps[write].copy.kind);
    assert_int_equal(sc->copied_bytes, 32);
    fixture_report(p, "copies 32 bytes: it writes elements 0 .. 8 of state 'm', of which 'late' reads 0 .. 8", true);
    weft_plan_destroy(p);
}

static void kernels_of_their_own_get_copies(void **state) {
    (void)state;
    struct weft_plan *p = fixture_plan("var pos u32 0 9\nstate c ring f32 [16, 4]\n%x = slice %c {start=3, len=2}\n"
                                       "%1 = cache_append %c %x %pos\n",
                                       NULL, NULL);
    assert_int_equal(p->schedules[0].n_steps, 2);
    assert_true(p->schedules[0].steps[0].copy.kind);
    assert_int_equal(p->schedules[0].copied_bytes, 2 * 4 * 4);
    fixture_report(p, "reads 'c' as 'in0' and writes it as 'out0'", true);
    weft_plan_destroy(p);
    p = fixture_plan("state m dense f32 [64]\n%x = slice %m {start=3, len=20}\n%1 = assign %m %x {start=9}\n"
                     "%z = slice %1 {start=0, len=9}\n%2 = assign %1 %z {start=9}\n%3 = slice %2 {start=5, len=8}\n"
                     "%4 = assign %2 %3 {start=5}\n",
                     NULL, NULL);
    assert_int_equal(p->schedules[0].n_steps, 4); // a copy and three moves: overlapping, disjoint, to where it is
    assert_int_equal(p->schedules[0].copied_bytes, 80);
    weft_plan_destroy(p);
}

/// The shape of what is written does not matter: a kernel ends in the write through a reshape.
static void writes_see_through_reshapes(void **state) {
    (void)state;
    struct weft_plan *p = fixture_plan("input x f32 [6, 4]\nstate m dense f32 [64]\n%y = tanh %x\n"
                                       "%a = reshape %y {shape=[2, 12]}\n%b = reshape %a {shape=[24]}\n"
                                       "%1 = assign %m %b {start=5}\n",
                                       NULL, NULL);
    assert_int_equal(p->schedules[0].n_steps, 1);
    for (uint32_t i = 0; i < p->schedules[0].n_tensors; i++)
        assert_int_not_equal(p->schedules[0].tensors[i].mem, WEFT_MEM_TRANSIENT);
    weft_plan_destroy(p);
}

/// What every workgroup of a product computes may be stored to a state in front of it, but not over what it reads.
static void prologues_do_not_write_over_what_they_read(void **state) {
    (void)state;
#define PROLOGUE(start)                                                                                                \
    "weight w f32 [64, 64]\nstate m dense f32 [256]\n%a = slice %m {start=0, len=64}\n"                                \
    "%x = reshape %a {shape=[1, 64]}\n%y = tanh %x\n%1 = assign %m %y {start=" start "}\n%p = matmul %y %w\n"          \
    "output %p p\n"
    static const struct {
        const char *graph;
        uint32_t steps;
        uint64_t copied;
    } cases[] = {{PROLOGUE("64"), 1, 0}, {PROLOGUE("0"), 2, 0}, {PROLOGUE("1"), 2, 256}};
    for (size_t i = 0; i < 3; i++) {
        struct weft_plan *p = fixture_plan(cases[i].graph, NULL, NULL);
        assert_int_equal(p->schedules[0].n_steps, cases[i].steps);
        assert_int_equal(p->schedules[0].copied_bytes, cases[i].copied);
        weft_plan_destroy(p);
    }
}

/// What is no state is not written over: a copy of it is, in no fused kernel. Its like with a state stays fused.
static void writes_may_be_functions(void **state) {
    (void)state;
    static const char text[] = "symbol T 1 8\nweight w f32 [32, 64]\ninput x f32 [T, 64]\ninput past f32 [16, 32]\n"
                               "%0 = matmul %x %w\n%1 = assign %past %0 {start=32}\n%2 = tanh %past\n"
                               "%3 = assign %2 %0\n%4 = add %1 %3\noutput %4 y\n";
    struct weft_plan *p = fixture_plan(text, NULL, NULL);
    assert_int_equal(p->schedules[0].n_steps, 7); // product, tanh, sum; two copies and two moves
    assert_int_equal(p->schedules[0].copied_bytes, 0);
    weft_plan_destroy(p);
    struct weft_gpu_caps caps = fixture_caps();
    struct weft_graph *g = fixture_graph("input past f32 [16]\ninput x f32 [4]\n%0 = tanh %x\n"
                                         "%1 = assign %past %0 {start=4}\noutput %1 present\n");
    assert_int_equal(weft_graph_pair_state(g, "past", "present", WEFT_STATE_DENSE, WEFT_STATE_PING_PONG), WEFT_OK);
    assert_int_equal(weft_compile(g, &caps, NULL, &p), WEFT_OK);
    assert_int_equal(p->states[0].policy, WEFT_STATE_PING_PONG); // the function's value is written as a whole
    weft_plan_destroy(p);
}

/// A value that comes from a product, is written to a cache, and is read from the new version of the cache: the kernel
/// may end in the write, but what reads the new version stands behind it.
static void products_end_in_caches(void **state) {
    (void)state;
    static const char *const readers[] = {
        "%3 = tanh %1\noutput %3 y\n",
        "%2 = slice %1 {start=3, len=8}\n%3 = tanh %2\noutput %3 y\n",
        "%2 = slice %1 {start=0, len=T}\n%3 = add %2 %0\noutput %3 y\n",
        "%3 = matmul %1 %u\noutput %3 y\n",
        "%2 = cache_append %1 %0 %p\n%3 = tanh %2\noutput %3 y\n",
        "%2 = reshape %1 {shape=[64, 2, 16]}\n%3 = attention %q %2 %2 %p\noutput %3 y\n",
    };
    static const char *const kinds[] = {"dense f32", "ring f32", "dense f16"};
    struct weft_gpu_caps min = fixture_caps(), cpu = min;
    weft_gpu_caps_min(&min);
    cpu.kind = WEFT_GPU_CPU;
    const struct weft_gpu_caps *caps[] = {NULL, &min, &cpu};
    for (size_t i = 0; i < 6 * 3 * 3 * 3; i++) {
        char text[800];
        snprintf(text, sizeof text,
                 "symbol T 1 %d\ninput x f32 [T, 64]\ninput q f32 [T, 4, 16]\nweight w f32 [32, 64]\n"
                 "weight u f32 [16, 32]\nstate k %s [64, 32]\nvar p u32 0 63\n%%0 = matmul %%x %%w\n"
                 "%%1 = cache_append %%k %%0 %%p\n%s",
                 (const int[]){1, 8, 64}[i / 6 % 3], kinds[i / 18 % 3], readers[i % 6]);
        if (i / 18 % 3 == 2 && (i % 6 == 2 || i % 6 == 3)) continue; // halves and singles are not mixed
        struct weft_plan *p = fixture_plan(text, caps[i / 54], NULL);
        const struct weft_schedule *sc = &p->schedules[0];
        uint32_t writes = 0, wrote = 0;
        for (uint32_t n = 0; n < sc->n_steps; n++) {
            bool reads = false;
            for (uint32_t o = 0; o < sc->steps[n].n_operands; o++) {
                const struct weft_operand *x = &sc->steps[n].operands[o];
                if (sc->tensors[x->tensor].mem != WEFT_MEM_STATE) continue;
                reads |= x->access == WEFT_READ;
                if (x->access & WEFT_WRITE) writes++, wrote = n;
            }
            if (reads) assert_true(writes && wrote < n);
        }
        assert_int_equal(writes, i % 6 == 4 ? 2 : 1);
        weft_plan_destroy(p);
    }
}

static void outputs_may_be_views(void **state) {
    (void)state;
    struct weft_plan *p = fixture_plan("input x f32 [6, 4]\nstate m dense f32 [64]\n%y = tanh %x\n"
                                       "%a = reshape %y {shape=[24]}\noutput %a whole\n%b = slice %y {start=2, len=3}\n"
                                       "output %b part\n%c = slice %m {start=7, len=5}\noutput %c state\n",
                                       NULL, NULL);
    const struct weft_schedule *sc = &p->schedules[0];
    assert_int_equal(sc->n_steps, 3); // tanh writes to the output itself; two copies
    assert_int_equal(sc->copied_bytes, 3 * 4 * 4 + 5 * 4);
    for (uint32_t i = 0; i < sc->n_tensors; i++) assert_int_not_equal(sc->tensors[i].mem, WEFT_MEM_TRANSIENT);
    fixture_report(p, "'copy to output 'state'' copies 20 bytes: the output is a view of 'm'", true);
    weft_plan_destroy(p);
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *graph, *words;
    } bad[] = {
        {"state m dense f32 [64]\ninput x f32 [9]\n%1 = assign %m %x {start=56}\n", "can't be shown to lie within"},
        {"symbol T 1 9\nstate m dense f32 [64]\ninput x f32 [T, 8]\n%1 = assign %m %x\n", "bound the symbols"},
        {"symbol T 0 9\nstate m dense f32 [64]\ninput x f32 [8]\n%1 = assign %m %x {start=T-1}\n", "at element T-1"},
        {"state m dense f32 [64]\ninput x f16 [9]\n%1 = assign %m %x\n", "cast x to the type of the state"},
        {"state m ring f32 [64]\ninput x f32 [9]\n%1 = assign %m %x\n", "ranges are written to dense states"},
        {"var v u32 0 9\ninput x u32 [1]\n%1 = assign %v %x\n", "is a variable"},
        {"input x f16 [3, 4]\n%a = reshape %x {shape=[12]}\n%b = slice %a {start=1, len=8}\n"
         "%c = bitcast %b {dtype=f32}\n%d = neg %c\noutput %d d\n",
         "start it at an even element"},
        {"input x f16 [3, 3]\n%c = bitcast %x {dtype=f32}\n", "is not even for all sizes"},
        {"input x i8 [4]\n%c = bitcast %x {dtype=f32}\n", "it takes f32, i32, u32, f16 and bf16"},
        {"input x f32 [48]\n%q %s = quantize %x\n", "a constant multiple of the block, 32"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct weft_gpu_caps caps = fixture_caps();
        struct weft_graph *g = NULL;
        struct weft_plan *p = NULL;
        weft_error_clear();
        weft_status status = weft_graph_parse(weft_ops(), bad[i].graph, strlen(bad[i].graph), &g);
        if (status == WEFT_OK) status = weft_compile(g, &caps, NULL, &p);
        if (status == WEFT_OK || !strstr(weft_error_message(), bad[i].words))
            fail_msg("'%s' gives '%s'", bad[i].graph, weft_error_message());
    }
}

// ---- negative controls ---------------------------------------------------------------------------------------------

static const char in_place[] =
    "state m dense f32 [512]\n%a = slice %m {start=64, len=64}\n"
    "%x = reshape %a {shape=[8, 8]}\n%b = slice %m {start=0, len=8}\n%y = mul %x %b\n%1 = assign %m %y {start=64}\n";

/// A plan that is right, and operand `name` of its one step.
static struct weft_plan *right_plan(const char *name, struct weft_operand **operand) {
    struct weft_plan *p = fixture_plan(in_place, NULL, NULL);
    struct weft_step *s = &p->schedules[0].steps[0];
    assert_int_equal(p->schedules[0].n_steps, 1);
    assert_int_equal(weft_plan_check(p, &p->schedules[0]), WEFT_OK);
    *operand = NULL;
    for (uint32_t i = 0; i < s->n_operands; i++)
        if (strcmp(s->operands[i].name, name) == 0) *operand = &s->operands[i];
    assert_non_null(*operand);
    return p;
}

#define BROKEN(name, ...)                                                                                              \
    do {                                                                                                               \
        struct weft_operand *o;                                                                                        \
        struct weft_plan *p = right_plan(name, &o);                                                                    \
        __VA_ARGS__;                                                                                                   \
        REFUSED(weft_plan_check(p, &p->schedules[0]), WEFT_ERR_INTERNAL, "overlap partly");                            \
        weft_plan_destroy(p);                                                                                          \
    } while (0)

/// in0 is the operand in place, in1 the one disjoint from it.
static void wrong_declarations_are_refused(void **state) {
    (void)state;
    BROKEN("in0", o->inplace_of = -1, o->flags = 0);
    BROKEN("in0", o->flags = WEFT_OPERAND_DISJOINT);
    BROKEN("in0", o->elem_offset = weft_dim_const(p->graph->dims, 65));
    BROKEN("in0", o->count = weft_dim_const(p->graph->dims, 63));
    BROKEN("in0", o->count = WEFT_DIM_NONE);
    BROKEN("in0", o->dtype = WEFT_F16, o->elem_offset = weft_dim_const(p->graph->dims, 128));
    BROKEN("in1", o->count = weft_dim_const(p->graph->dims, 65));
    BROKEN("in1", o->elem_offset = weft_dim_const(p->graph->dims, 60));
    BROKEN("in1", o->elem_offset = weft_dim_const(p->graph->dims, 127));
}

/// Of an operand without elements nothing is read, wherever it lies. One with an open end reaches to the end.
static void nothing_overlaps_no_elements(void **state) {
    (void)state;
    struct weft_operand *o;
    struct weft_plan *p = right_plan("in0", &o);
    o->inplace_of = -1;
    o->flags = 0;
    o->count = WEFT_DIM_ZERO;
    assert_int_equal(weft_plan_check(p, &p->schedules[0]), WEFT_OK);
    o->elem_offset = weft_dim_const(p->graph->dims, 65);
    assert_int_equal(weft_plan_check(p, &p->schedules[0]), WEFT_OK);
    struct weft_lower l = {.graph = p->graph};
    memcpy(l.lo, p->schedules[0].lo, sizeof l.lo);
    memcpy(l.hi, p->schedules[0].hi, sizeof l.hi);
    struct weft_operand rest = *o;
    rest.count = WEFT_DIM_NONE;
    struct weft_byte_range none = weft_byte_range_of(&l, o), end = weft_byte_range_of(&l, &rest);
    assert_int_equal(weft_byte_range_compare(&l, &none, &end), WEFT_DISJOINT);
    assert_int_equal(weft_byte_range_compare(&l, &end, &end), WEFT_SAME);
    weft_plan_destroy(p);
}

static int unchecked_case(void *user, const struct alias_case *c) {
    uint32_t *n = user;
    if (c->type != WEFT_F32 || c->copied == 0) return 0;
    struct weft_gpu_caps caps = fixture_caps();
    struct weft_compile_params params = {.skip_alias_check = 1};
    struct weft_graph *g = fixture_graph(c->graph);
    struct weft_plan *p = NULL;
    ++*n;
    weft_error_clear();
    // Operands that only share the shape of what is written: the ranges are one, and nothing tells the checker.
    bool one_range = weft_compile(g, &caps, &params, &p) == WEFT_OK;
    if (!one_range) return strstr(weft_error_message(), "overlap partly") ? 0 : 1;
    weft_plan_destroy(p);
    return strstr(c->name, "starts with") || strstr(c->name, "all three equal") || c->random ? 0 : 1;
}

static void skipped_alias_checks_are_noticed(void **state) {
    (void)state;
    uint32_t n = 0;
    assert_int_equal(alias_cases(unchecked_case, &n, 100), 0);
    assert_true(n > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_follow_from_ranges),
        cmocka_unit_test(the_rule_is_compared),
        cmocka_unit_test(sizes_are_proved),
        cmocka_unit_test(halves_share_words),
        cmocka_unit_test(bytes_share_words),
        cmocka_unit_test(unknown_ranges_may_overlap),
        cmocka_unit_test(readers_of_views_come_first),
        cmocka_unit_test(kernels_of_their_own_get_copies),
        cmocka_unit_test(writes_see_through_reshapes),
        cmocka_unit_test(prologues_do_not_write_over_what_they_read),
        cmocka_unit_test(writes_may_be_functions),
        cmocka_unit_test(products_end_in_caches),
        cmocka_unit_test(outputs_may_be_views),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(wrong_declarations_are_refused),
        cmocka_unit_test(nothing_overlaps_no_elements),
        cmocka_unit_test(skipped_alias_checks_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
