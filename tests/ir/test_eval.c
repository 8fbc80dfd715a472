// The host reference run: values, states in place, rounding, encoded weights, reports, and what it refuses.
#include "tiny_ops.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const char text[] = "symbol T 1 4\n"
                           "input x f32 [T, 32]\n"
                           "weight w q8_0 [2, 32]\n"
                           "weight b f32 [1, 2]\n"
                           "state kc ring f16 [3, 2]\n"
                           "var pos u32 0 100\n"
                           "const %c f32 [] 0.5\n"
                           "%y = matmul %x %w\n"
                           "%z = add %y %b\n"
                           "%h = cast %z {to=f16, k=0.1}\n"
                           "%s = sum %kc \"before\"\n"
                           "%k2 = append %kc %h %pos\n"
                           "%t = sum %k2 \"after\"\n"
                           "%p = advance %pos {by=T}\n"
                           "%m = mul %h %c\n"
                           "output %m m\n"
                           "output %s s\n"
                           "output %t t\n"
                           "output %p p\n"
                           "output %c c\n";

struct world {
    double x[4 * 32], kc[6], pos;
    unsigned char w[2 * 34], b[8];
    const char *broken; ///< leaf whose callback fails or lies
    int lie;
    int leaves, reports, outputs;
    double m[8], s[3], t[3], p, c;
    int64_t m_count;
};

static weft_status leaf(void *user, weft_value v, const struct weft_value_info *info, struct weft_host *out) {
    struct world *world = user;
    (void)v;
    world->leaves++;
    if (world->broken && strcmp(info->name, world->broken) == 0) {
        if (world->lie == 0) return weft_fail(WEFT_ERR_IO, "the disk is gone");
        if (world->lie == 1) out->shape[0]++;
        return WEFT_OK;
    }
    if (strcmp(info->name, "x") == 0) out->data = world->x;
    if (strcmp(info->name, "kc") == 0) out->data = world->kc;
    if (strcmp(info->name, "pos") == 0) out->data = &world->pos;
    if (strcmp(info->name, "w") == 0) out->raw = world->w;
    if (strcmp(info->name, "b") == 0) out->raw = world->b;
    return WEFT_OK;
}

static weft_status each(void *user, weft_value v, const struct weft_value_info *info, const struct weft_host *t) {
    struct world *world = user;
    (void)v;
    world->reports++;
    if (!info->is_output) return WEFT_OK;
    world->outputs++;
    int64_t n = weft_host_count(t);
    double *to = strcmp(info->output_name, "m") == 0   ? world->m
                 : strcmp(info->output_name, "s") == 0 ? world->s
                 : strcmp(info->output_name, "t") == 0 ? world->t
                 : strcmp(info->output_name, "p") == 0 ? &world->p
                                                       : &world->c;
    memcpy(to, t->data, (size_t)n * sizeof *to);
    if (to == world->m) world->m_count = n;
    return WEFT_OK;
}

static struct weft_graph *parse(const char *source) {
    struct weft_graph *g = NULL;
    if (weft_graph_parse(&tiny_ops, source, strlen(source), &g) != WEFT_OK) fail_msg("%s", weft_error_message());
    return g;
}

static void fill(struct world *world) {
    double w[64], b[2] = {0.25, -1};
    *world = (struct world){.pos = 2, .kc = {1, 2, 3, 4, 5, 6}};
    for (int i = 0; i < 128; i++) world->x[i] = i % 7 - 3;
    for (int i = 0; i < 64; i++) w[i] = i % 32 == 0 ? 127.0 / 16 : (i * 5 % 41 - 20) / 16.0;
    weft_dtype_encode(WEFT_Q8_0, w, 64, world->w);
    weft_dtype_encode(WEFT_F32, b, 2, world->b);
}

static double dot(const struct world *world, int t, int n) {
    double sum = 0;
    for (int k = 0; k < 32; k++) {
        int i = n * 32 + k;
        sum += world->x[t * 32 + k] * (k == 0 ? 127.0 / 16 : (i * 5 % 41 - 20) / 16.0);
    }
    return sum + (n ? -1 : 0.25);
}

static double half(double x) { // via the encoder, which test_dtype checks
    unsigned char bytes[2];
    double back;
    weft_dtype_encode(WEFT_F16, &x, 1, bytes);
    weft_dtype_info(WEFT_F16)->decode(bytes, 1, &back);
    return back;
}

static void test_values_and_states(void **state) {
    (void)state;
    struct world world;
    fill(&world);
    struct weft_graph *g = parse(text);
    int64_t symbols[1] = {2}, live = weft_alloc_stats().live;
    struct weft_eval_params params = {.symbols = symbols, .leaf = leaf, .each = each, .user = &world};
    if (weft_graph_eval(g, &params) != WEFT_OK) fail_msg("%s", weft_error_message());
    assert_true(weft_alloc_stats().live == live);
    assert_int_equal(world.m_count, 4);
    bool rounded = false;
    for (int t = 0; t < 2; t++)
        for (int n = 0; n < 2; n++) {
            double exact = 0.1 * dot(&world, t, n), h = half(exact);
            rounded |= h != exact;
            assert_true(world.m[t * 2 + n] == h * 0.5);
            assert_true(world.kc[(2 + t) % 3 * 2 + n] == h); // rows 2 and, round the ring, 0
        }
    assert_true(rounded);
    assert_true(world.kc[2] == 3 && world.kc[3] == 4);
    assert_true(world.s[0] == 3 && world.s[1] == 7 && world.s[2] == 11); // read before the write
    assert_true(world.t[1] == 7 && world.t[0] == half(world.kc[0] + world.kc[1]));
    assert_true(world.pos == 4 && world.p == 4 && world.c == 0.5);
    assert_int_equal(world.leaves, 5);
    assert_int_equal(world.reports, 9); // eight results and the constant that is an output
    assert_int_equal(world.outputs, 5);
    symbols[0] = 1; // again, from the state that was left
    assert_int_equal(weft_graph_eval(g, &params), WEFT_OK);
    assert_true(world.pos == 5 && world.m_count == 2);
    weft_graph_destroy(g);
}

// The checks above would notice a kernel that is wrong: with a weight changed, they fail.
static void test_a_changed_weight_is_noticed(void **state) {
    (void)state;
    struct world world;
    fill(&world);
    world.w[2 + 5] ^= 0x10;
    struct weft_graph *g = parse(text);
    struct weft_eval_params params = {.symbols = (int64_t[]){1}, .leaf = leaf, .each = each, .user = &world};
    assert_int_equal(weft_graph_eval(g, &params), WEFT_OK);
    assert_true(world.m[0] != half(0.1 * dot(&world, 0, 0)) * 0.5);
    assert_true(world.m[1] == half(0.1 * dot(&world, 0, 1)) * 0.5);
    weft_graph_destroy(g);
}

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *broken;
        int lie;
        int64_t t;
        weft_status status;
        const char *message;
    } cases[] = {
        {"w", 0, 2, WEFT_ERR_IO, "the disk is gone"},
        {"x", 1, 2, WEFT_ERR_INVALID, "the host tensor of 'x' has another type or shape"},
        {"kc", 2, 2, WEFT_ERR_INVALID, "no data is given for 'kc'"},
        {NULL, 0, 5, WEFT_ERR_INVALID, "dim T is 5"},
    };
    struct weft_graph *g = parse(text);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world world;
        fill(&world);
        world.broken = cases[i].broken;
        world.lie = cases[i].lie;
        struct weft_eval_params params = {.symbols = &cases[i].t, .leaf = leaf, .each = each, .user = &world};
        int64_t live = weft_alloc_stats().live;
        assert_int_equal(weft_graph_eval(g, &params), cases[i].status);
        if (!strstr(weft_error_message(), cases[i].message)) fail_msg("'%s'", weft_error_message());
        assert_true(weft_alloc_stats().live == live);
        assert_true(world.pos == 2);
    }
    weft_graph_destroy(g);
    g = parse("input x f32 [2]\n%1 = fail %x \"blk.3.bad\"\noutput %1 y\n");
    struct world world;
    fill(&world);
    struct weft_eval_params params = {.leaf = leaf, .user = &world};
    assert_int_equal(weft_graph_eval(g, &params), WEFT_ERR_INVALID);
    assert_non_null(strstr(weft_error_message(), "fail 'blk.3.bad' (f32 [2]): this operator always fails"));
    weft_graph_destroy(g);
    // a reader after the writer would see the wrong version: refused, not evaluated
    g = parse("input r f32 [1, 2]\nstate kc ring f32 [3, 2]\nvar pos u32 0 9\n%1 = append %kc %r %pos\n%2 = sum %kc\n");
    assert_int_equal(weft_graph_eval(g, &params), WEFT_ERR_INVALID);
    assert_non_null(strstr(weft_error_message(), "state-order"));
    weft_graph_destroy(g);
}

static void test_bound_weights_and_empty_tensors(void **state) {
    (void)state;
    struct world world;
    fill(&world);
    struct weft_graph *g = parse(
        "symbol N 0 3\ninput x f32 [N, 32]\nweight w q8_0 [2, 32]\n%y = matmul %x %w\n%m = sum %y\noutput %m m\n");
    g->values[weft_graph_find(g, "w")].data = world.w; // bound in the graph: the callback need not give it
    world.broken = "w";
    world.lie = 2;
    for (int64_t n = 0; n <= 3; n++) {
        struct weft_eval_params params = {.symbols = &n, .leaf = leaf, .each = each, .user = &world};
        if (weft_graph_eval(g, &params) != WEFT_OK) fail_msg("%s", weft_error_message());
        assert_int_equal(world.m_count, n);
    }
    assert_true(world.m[2] == dot(&world, 2, 0) - 0.25 + dot(&world, 2, 1) + 1);
    weft_graph_destroy(g);
}

static void test_host_rows(void **state) {
    (void)state;
    double values[512], buffer[256];
    static unsigned char bytes[2 * 272];
    for (int i = 0; i < 512; i++) values[i] = i % 32 - 16;
    for (int i = 256; i < 512; i++) values[i] *= 2;
    struct weft_host plain = {.dtype = WEFT_F32, .rank = 3, .shape = {2, 4, 64}, .data = values};
    assert_int_equal(weft_host_count(&plain), 512);
    assert_ptr_equal(weft_host_row(&plain, 3, NULL), values + 192);
    for (int i = 0; i < WEFT_DTYPE_COUNT; i++) {
        if (!weft_dtype_info((weft_dtype)i)->quantised) continue;
        struct weft_host rows = {.dtype = (weft_dtype)i, .rank = 2, .shape = {2, 256}, .raw = bytes};
        double all[512];
        memset(bytes, 0, sizeof bytes);
        weft_dtype_encode((weft_dtype)i, values, 512, bytes);
        weft_dtype_info((weft_dtype)i)->decode(bytes, 512, all);
        for (int r = 0; r < 2; r++)
            assert_memory_equal(weft_host_row(&rows, r, buffer), all + 256 * r, 256 * sizeof *all);
    }
    struct weft_host scalar = {.dtype = WEFT_F32, .data = values};
    assert_int_equal(weft_host_count(&scalar), 1);
    assert_true(*weft_host_row(&scalar, 0, NULL) == values[0]);
}

static void test_out_of_memory(void **state) {
    (void)state;
    struct weft_graph *g = parse(text);
    int64_t live = weft_alloc_stats().live;
    weft_status status = WEFT_ERR_NOMEM;
    for (uint64_t n = 1; status != WEFT_OK; n++) {
        struct world world;
        fill(&world);
        struct weft_eval_params params = {.symbols = (int64_t[]){2}, .leaf = leaf, .each = each, .user = &world};
        assert_true(n < 200);
        weft_alloc_fail_at(n, 0);
        status = weft_graph_eval(g, &params);
        weft_alloc_fail_at(0, 0);
        if (status != WEFT_OK) assert_int_equal(status, WEFT_ERR_NOMEM);
        assert_true(weft_alloc_stats().live == live);
    }
    weft_graph_destroy(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_and_states), cmocka_unit_test(test_a_changed_weight_is_noticed),
        cmocka_unit_test(test_refusals),          cmocka_unit_test(test_bound_weights_and_empty_tensors),
        cmocka_unit_test(test_host_rows),         cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("ir/eval", tests, NULL, NULL);
}
