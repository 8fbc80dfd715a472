// Graphs as text: what is printed, that it reads back to the same, and what is refused with line and token.
#include "tiny_ops.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static char *print(const struct weft_graph *g) {
    struct weft_str s = {0};
    assert_int_equal(weft_graph_print(g, &s), WEFT_OK);
    char *text = weft_str_take(&s);
    assert_non_null(text);
    return text;
}

static struct weft_graph *parse(const char *text) {
    struct weft_graph *g = NULL;
    if (weft_graph_parse(&tiny_ops, text, strlen(text), &g) != WEFT_OK) fail_msg("%s", weft_error_message());
    return g;
}

// parse(print(g)) prints the same.
static void round_trip(const struct weft_graph *g) {
    char *text = print(g);
    struct weft_graph *again = parse(text);
    assert_int_equal(weft_graph_verify(again), WEFT_OK);
    char *second = print(again);
    assert_string_equal(text, second);
    weft_graph_destroy(again);
    weft_free(text);
    weft_free(second);
}

static const char whole[] =
    "symbol B 1 64\n"
    "symbol T 1 512\n"
    "relate B*T <= 512\n"
    "input x f32 [B*T, 64]\n"
    "input \"3\" f32 []\n"
    "input \"odd name\\\"\\\\\\x0a#\" i32 [ceildiv(T,64), 1]\n"
    "weight blk.0.w q4_0 [1024, 64]\n"
    "state kc ring f16 [576, 1024]\n"
    "state h dense f32 [15] ping_pong\n"
    "var pos u32 0 32767\n"
    "var active u32 0 1\n"
    "var gate u32 0 1 activity\n"
    "const %0 f32 [] 0x3f800000 # 1\n"
    "const %1 f16 [2, 1] hex:003c00c0\n"
    "const %2 u32 [1, 1] 0x00000010 # 16\n"
    "const %3 q8_0 [32] hex:003c000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
    "%4 = matmul %x %blk.0.w \"blk.0.k\"\n"
    "%5 = cast %4 {to=f16, k=0.1, bias=-3}\n"
    "%6 %7 = split %5 {at=T}\n"
    "%8 = append %kc %6 %pos\n"
    "%9 = reshape %7 {shape=[32, B*T-T, 32], marks=[1, -2]} \"a \\\"view\\\"\"\n"
    "%10 = advance %pos {by=T}\n"
    "%11 = add %9 %0\n"
    "%12 = add %11 %\"3\"\n"
    "%13 = add %1 %2\n"
    "%14 = sum %3\n"
    "%15 = state_write %h %h\n"
    "output %x through\n"
    "output %12 logits\n"
    "output %14 \"a sum\"\n"
    "pair x through dense separate\n";

static void test_text_is_as_described(void **state) {
    (void)state;
    struct weft_graph *g = parse(whole);
    char *text = print(g);
    assert_string_equal(text, whole);
    weft_free(text);
    assert_int_equal(weft_graph_verify(g), WEFT_OK);
    assert_int_equal(g->n_states, 5);
    assert_true(g->values[weft_graph_find(g, "gate")].is_activity);
    assert_false(g->values[weft_graph_find(g, "active")].is_activity);
    assert_int_equal(g->values[weft_graph_find(g, "h")].policy, WEFT_STATE_PING_PONG);
    assert_int_equal(g->values[weft_graph_find(g, "pos")].var_hi, 32767);
    round_trip(g);
    weft_graph_destroy(g);
}

static void test_loose_text_is_read(void **state) {
    (void)state;
    struct weft_graph *g = parse("# a comment\r\n\n"
                                 "symbol T 1 8 # bounds\r\n"
                                 "  input x f32 [ 2 * T , 4 ]\n"
                                 "const %one f32 [] 1\n"
                                 "const %v f32 [4] 1 -2.5 1e3 0x1p-1\n"
                                 "const %bytes f32[2]hex:0000803f00000040\n"
                                 "%h=mul %x %one\n"
                                 "%7 = cast %h {k=1,to=f32}\n"
                                 "output %7 y");
    char *text = print(g);
    assert_string_equal(text, "symbol T 1 8\n"
                              "input x f32 [2*T, 4]\n"
                              "const %0 f32 [] 0x3f800000 # 1\n"
                              "%1 = mul %x %0\n"
                              "%2 = cast %1 {to=f32}\n"
                              "output %2 y\n");
    weft_free(text);
    weft_graph_destroy(g);
}

static void test_dead_nodes_are_left_out(void **state) {
    (void)state;
    struct weft_graph *g = parse("input x f32 [4]\nconst %c f32 [] 2\n%a = add %x %c\n%b = mul %x %x\noutput %b y\n");
    g->nodes[0].dead = true;
    char *text = print(g);
    assert_string_equal(text, "input x f32 [4]\n%0 = mul %x %x\noutput %0 y\n");
    weft_free(text);
    round_trip(g);
    weft_graph_destroy(g);
}

static void test_refusals_name_line_and_token(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"inputs x f32 [1]", "line 1: expected symbol"},
        {"\n\ninput x f33 [1]", "line 3: unknown element type at 'f33 [1]'"},
        {"input x f32", "line 1: expected '[' of a shape, but the line ends"},
        {"input x f32 [1", "line 1: expected ',' or ']'"},
        {"input x f32 [N]", "line 1: dim: a symbol that was not declared at 'N'"},
        {"input x f32 [1,1,1,1,1,1,1,1,1]", "line 1: a shape has at most 8 axes"},
        {"input x f32 [1] 5", "line 1: unexpected text at '5'"},
        {"input x f32 [1]\ninput x f32 [1]", "line 2: the graph has two inputs, weights or states named 'x'"},
        {"input \"x f32 [1]", "line 1: a closing quote is missing"},
        {"input \"x\\q\" f32 [1]", "line 1: an unknown escape"},
        {"symbol T 5 1", "line 1: 'T' can't be a symbol from 5 to 1"},
        {"symbol T 1 2\nsymbol T 1 2", "line 2: symbol T is declared twice"},
        {"symbol T 1 99999999999999999999", "line 1: expected an integer of 64 bits at '9999"},
        {"symbol T 1 2\nrelate T < 5", "line 2: expected <="},
        {"symbol T 1 2\nrelate T <= 0", "line 2: relation T <= 0 never holds"},
        {"weight w q4_0 [2, 31]", "line 1: weight 'w'"},
        {"state s heap f32 [1]", "line 1: expected dense, ring or paged at 'heap"},
        {"var v u32 0 1 active", "line 1: expected the end of the line, or activity at 'active'"},
        {"var v u32 0 3 activity", "line 1: variable 'v' can't be the session's activity"},
        {"var v u32 0 1 activity x", "line 1: unexpected text at 'x'"},
        {"var v u32 0 1 activity\nvar w u32 0 1 activity", "line 2: variable 'w'"},
        {"var v u32 5", "line 1: expected an integer, but the line ends"},
        {"var v f16 0 5", "line 1: variable 'v' must be"},
        {"const %c f32 [] zz", "line 1: expected a number at 'zz'"},
        {"const %c f32 [] 0x3f8000", "line 1: expected two hexadecimal digits"},
        {"const %c f32 [2] 0x3f800000", "line 1: 0x gives one element only"},
        {"const %c f32 [1] hex:0000803f0", "line 1: unexpected text at '0'"},
        {"const %c f32 [2] 1", "line 1: expected a number, but the line ends"},
        {"const %c f32 [99999999999] 1", "line 1: the constant's shape has more elements"},
        {"const %c f32 [9223372036854775807, 2] 1", "line 1: the shape of a constant"},
        {"const %c q8_0 [32] 1.000000000000", "line 1: a quantised constant needs hex:"},
        {"const %c f32 [] 1\nconst %c f32 [] 1", "line 2: %c is defined twice"},
        {"input c f32 []\nconst %c f32 [] 1", "line 2: %c is defined twice"},
        {"const %c f32 [] 1\ninput c f32 []", "line 2: %c is defined twice"},
        {"%1 = add %x %x", "line 1: a value that was not defined before at '%x %x'"},
        {"input x f32 [2]\n%1 = sub %x", "line 2: unknown operator at 'sub %x'"},
        {"input x f32 [2]\n%1 %2 = add %x %x", "line 2: the operator has another number of results"},
        {"input x f32 [2]\n%1 = add %x", "line 2: add (f32 [2]): takes 2 to 2 inputs"},
        {"input x f32 [2]\n%1 = cast %x {to=f64}",
         "attribute to is one of f32|f16|bf16: line 2: unknown choice at 'f64}'"},
        {"input x f32 [2]\n%1 = cast %x {from=f32}",
         "line 2: an attribute that the operator does not have at 'from=f32}'"},
        {"input x f32 [2]\n%1 = cast %x {to=f32, to=f32}", "line 2: an attribute is given twice"},
        {"input x f32 [2]\n%1 = cast %x {k=1}", "line 2: cast: attribute to is missing"},
        {"input x f32 [2]\n%1 = cast %x {to=f32, k=1000}", "line 2: cast (f32 [2]): cast: attribute k is 1000"},
        {"input x f32 [2]\n%1 = cast %x {to=f32", "line 2: expected ',' or '}'"},
        {"input x f32 [2]\n%1 = cast %x {to=f32} name", "line 2: expected the node's name in quotes at 'name'"},
        {"input x f32 [2]\ninput y f32 [3]\n%1 = add %x %y \"n\"", "line 3: add 'n' (f32 [2], f32 [3]): operand 1"},
        {"input x f32 [2]\n%1 = add %x %x\n%1 = add %x %x", "line 3: %1 is defined twice"},
        {"input x f32 [2]\n%1 = reshape %x {shape=[1,1,1,1,1,1,1,1,1]}", "line 2: a list has at most 8 values"},
        {"output %x y", "line 1: a value that was not defined before"},
        {"input x f32 [2]\noutput %x", "line 2: expected the output's name"},
        {"%1", "line 1: expected a value such as %x"},
        {"%1 %2 %3 %4 %5 %6 %7 %8 %9 %10 %11 %12 %13 %14 %15 %16 %17 = add", "line 1: expected '='"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weft_graph *g = NULL;
        weft_status status = weft_graph_parse(&tiny_ops, cases[i].text, strlen(cases[i].text), &g);
        assert_null(g);
        if (status != WEFT_ERR_FORMAT && status != WEFT_ERR_INVALID) fail_msg("case %zu: status %d", i, status);
        if (!strstr(weft_error_message(), cases[i].message))
            fail_msg("'%s' lacks '%s'", weft_error_message(), cases[i].message);
    }
}

// Text damaged in every place: a status or a graph, which then verifies or is refused by the verifier; never worse.
static void test_damaged_text_is_survived(void **state) {
    (void)state;
    char text[sizeof whole];
    uint32_t seed = 3;
    int read = 0;
    for (size_t i = 0; i + 1 < sizeof whole; i++) {
        for (int round = 0; round < 6; round++) {
            static const char junk[] = "\0\n %\"{}[](),=09-*x#\xff";
            size_t len = sizeof whole - 1;
            memcpy(text, whole, sizeof whole);
            seed = seed * 1664525 + 1013904223;
            if (round == 0) len = i;                                         // cut
            else if (round == 1) memmove(text + i, text + i + 1, len-- - i); // one byte less
            else text[i] = junk[(seed >> 16) % (sizeof junk - 1)];
            struct weft_graph *g = NULL;
            if (weft_graph_parse(&tiny_ops, text, len, &g) != WEFT_OK) {
                assert_null(g);
                continue;
            }
            read++;
            if (weft_graph_verify(g) == WEFT_OK) round_trip(g);
            weft_graph_destroy(g);
        }
    }
    assert_true(read > 100);
}

static void test_out_of_memory(void **state) {
    (void)state;
    int64_t live = weft_alloc_stats().live;
    struct weft_graph *g = NULL;
    for (uint64_t n = 1; n < 2000 && !g; n++) {
        weft_alloc_fail_at(n, 1);
        weft_status status = weft_graph_parse(&tiny_ops, whole, sizeof whole - 1, &g);
        weft_alloc_fail_at(0, 0);
        assert_true((status == WEFT_OK) == (g != NULL));
        if (!g) assert_true(weft_alloc_stats().live == live);
    }
    assert_non_null(g);
    weft_status status = WEFT_ERR_NOMEM;
    for (uint64_t n = 1; status != WEFT_OK; n++) {
        struct weft_str s = {0};
        assert_true(n < 200);
        weft_alloc_fail_at(n, 1);
        status = weft_graph_print(g, &s);
        weft_alloc_fail_at(0, 0);
        if (status == WEFT_OK) assert_string_equal(s.data, whole);
        weft_str_free(&s);
    }
    weft_graph_destroy(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_as_described),     cmocka_unit_test(test_loose_text_is_read),
        cmocka_unit_test(test_dead_nodes_are_left_out),  cmocka_unit_test(test_refusals_name_line_and_token),
        cmocka_unit_test(test_damaged_text_is_survived), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("ir/text", tests, NULL, NULL);
}
