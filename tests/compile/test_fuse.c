/// Fusion: text graphs and the groups that they become. A group is written as its kind (N node, R region, C
/// contraction, V view) with its operators in order.
#include "plan_fixture.h"
#include <time.h>

struct fused {
    struct weft_plan *plan;
    struct weft_lower l;
    struct weft_str text;
};

static void describe(struct fused *f) {
    static const char kinds[] = {'N', 'R', 'C', 'V'};
    for (uint32_t k = 0; k < f->l.n_groups; k++) {
        const struct weft_group *g = &f->l.groups[k];
        weft_str_addf(&f->text, "%s%c(", k ? " " : "", kinds[g->kind]);
        for (uint32_t i = 0; i < g->n_nodes; i++)
            weft_str_addf(&f->text, "%s%s", i ? " " : "", f->l.graph->nodes[g->nodes[i]].op->name);
        weft_str_add(&f->text, ")");
    }
}

/// Each node is in one group, and groups come in an order that runs: producers first, readers of a state before its
/// writer.
static void check_partition(const struct fused *f) {
    const struct weft_graph *g = f->l.graph;
    uint8_t *seen = weft_calloc(g->n_nodes + 1, 1);
    for (uint32_t k = 0; k < f->l.n_groups; k++) {
        for (uint32_t i = 0; i < f->l.groups[k].n_nodes; i++) {
            uint32_t n = f->l.groups[k].nodes[i];
            assert_int_equal(seen[n]++, 0);
            assert_int_equal(f->l.node_group[n], k);
            assert_true(i == 0 || f->l.groups[k].nodes[i - 1] < n);
        }
    }
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        assert_int_equal(seen[n], !g->nodes[n].dead);
        for (uint32_t i = 0; i < g->nodes[n].n_in && !g->nodes[n].dead; i++) {
            const struct weft_value_info *v = &g->values[g->nodes[n].in[i]];
            if (v->kind == WEFT_VALUE_NODE) assert_true(f->l.node_group[v->node] <= f->l.node_group[n]);
            for (uint32_t w = 0; w < g->n_nodes; w++) // any node that replaces the version read here
                for (uint32_t o = 0; o < g->nodes[w].n_out && w != n && v->state != UINT32_MAX; o++)
                    if (g->values[g->nodes[w].out[o]].state == v->state && g->nodes[w].in[o] == g->nodes[n].in[i])
                        assert_true(f->l.node_group[n] <= f->l.node_group[w]);
        }
    }
    weft_free(seen);
}

static struct fused fuse_with(const char *text, const struct weft_gpu_caps *caps, int level, const uint8_t *budget) {
    struct fused f = {.plan = weft_calloc(1, sizeof *f.plan)};
    struct weft_graph *g = fixture_graph(text);
    f.plan->graph = g;
    f.plan->caps = *caps;
    f.plan->profile = weft_profile_make(caps);
    if (weft_pass_decompose(g) != WEFT_OK) fail_msg("%s", weft_error_message());
    f.plan->states = weft_arena_alloc(&f.plan->arena, (g->n_states + 1) * sizeof *f.plan->states);
    for (size_t i = 0; i < g->n_states; i++) f.plan->states[i].kind = g->values[g->states[i]].state_kind;
    f.l = (struct weft_lower){
        .plan = f.plan, .graph = g, .caps = &f.plan->caps, .profile = &f.plan->profile, .node_budget = budget};
    for (uint32_t i = 0; i < weft_dims_symbol_count(g->dims); i++)
        weft_dims_symbol_bounds(g->dims, i, &f.l.lo[i], &f.l.hi[i]);
    f.l.node_group = weft_calloc(g->n_nodes + 1, sizeof *f.l.node_group);
    if (weft_pass_fuse(&f.l, level) != WEFT_OK) fail_msg("%s", weft_error_message());
    describe(&f);
    check_partition(&f);
    return f;
}

static void end(struct fused *f) {
    weft_free(f->l.node_group);
    weft_str_free(&f->text);
    weft_plan_destroy(f->plan);
}

static void expect(int level, const char *text, const char *want) {
    struct weft_gpu_caps caps = fixture_caps();
    struct fused f = fuse_with(text, &caps, level, NULL);
    assert_string_equal(weft_str_get(&f.text), want);
    end(&f);
}

#define XY                                                                                                             \
    "symbol T 0 300\ninput x f32 [T, 64]\ninput y f32 [T, 64]\nweight v f32 [64]\nweight w q8_0 [64, 64]\nweight u "   \
    "q8_0 [64, 64]\n"
#define SOME                                                                                                           \
    "symbol T 0 64\ninput x f32 [T, 64]\nweight v f32 [64]\nweight w q8_0 [64, 64]\nweight u q8_0 [64, 64]\n"          \
    "weight k q8_0 [32, 64]\n"
#define FEW                                                                                                            \
    "symbol T 0 1\ninput x f32 [T, 64]\ninput y f32 [T, 64]\nweight v f32 [64]\nweight w q8_0 [64, 64]\nweight u "     \
    "q8_0 [64, 64]\nweight k q8_0 [32, 64]\n"

static void regions(void **state) {
    (void)state;
    expect(1, XY "%0 = tanh %x\n%1 = mul %0 %y\n%2 = add %1 %v\noutput %2 z\n", "R(tanh mul add)");
    expect(1, XY "%0 = rms_norm %x %v\n%1 = add %0 %y\noutput %1 z\n", "R(square mean add rsqrt mul mul add)");
    expect(1, XY "%0 = tanh %x\n%1 = sum %0\n%2 = exp %1\n%3 = mul %y %2\noutput %3 z\n", "R(tanh sum exp mul)");
    // A row scalar that is made first takes the wider space of what reads it.
    expect(1, "input s f32 [8, 1]\ninput x f32 [8, 64]\n%0 = exp %s\n%1 = mul %x %0\noutput %1 z\n", "R(exp mul)");
    expect(0, XY "%0 = tanh %x\n%1 = mul %0 %y\noutput %1 z\n", "R(tanh) R(mul)");
}

static void spaces_stay_apart(void **state) {
    (void)state;
    // A broadcast row lives in a space of its own.
    expect(1, "input r f32 [1, 64]\ninput x f32 [8, 64]\n%0 = tanh %r\n%1 = add %x %0\noutput %1 z\n",
           "R(tanh) R(add)");
    // A sum over one column is none, so that it can't become one over the columns of a wider space.
    expect(2, "input s f32 [8, 1]\ninput x f32 [8, 64]\n%0 = sum %s\n%1 = mul %x %0\noutput %1 z\n", "R(mul)");
    expect(2, "input s f32 [8, 1]\ninput x f32 [8, 64]\n%0 = sum %x\n%1 = mul %s %0\n%2 = sum %1\noutput %2 z\n",
           "R(sum mul)");
}

static void reductions_of_other_axes(void **state) {
    (void)state;
    expect(1, XY "%0 = tanh %x\n%1 = sum %0 {axes=[0]}\n%2 = exp %1\n%3 = mul %y %2\noutput %3 z\n",
           "R(tanh sum exp mul)");
    expect(1,
           "input x f32 [2, 3, 4, 5]\n%0 = mean %x {axes=[2, 0]}\n%1 = sub %x %0\n%2 = square %1\n"
           "%3 = mean %2 {axes=[0, -2]}\noutput %3 z\n",
           "R(mean sub square mean)");
    // Axes that have one element are not reduced.
    expect(1, "input x f32 [1, 3, 4]\n%0 = sum %x {axes=[0, 2]}\n%1 = sub %x %0\n%2 = sum %1\noutput %2 z\n",
           "R(sum sub sum)");
    // Those of different axes stay apart, though their space is one.
    expect(1, XY "%0 = tanh %x\n%1 = sum %0 {axes=[0]}\n%2 = sum %0\noutput %1 a\noutput %2 b\n", "R(tanh sum) R(sum)");
    expect(1, XY "%0 = sum %x {axes=[0]}\n%1 = mul %x %0\n%2 = sum %1\noutput %2 z\n", "R(sum mul) R(sum)");
    expect(1, XY "%0 = sum %x\n%1 = exp %0\n%2 = add %y %1\n%3 = mean %2 {axes=[0]}\noutput %3 z\n",
           "R(sum exp add) R(mean)");
    // A value of one element a row is in no space whose columns are reduced: each column would store it.
    expect(1,
           "input x f32 [8, 64]\ninput r f32 [8, 1]\n%0 = exp %r\n%1 = add %x %0\n%2 = sum %1 {axes=[0]}\n"
           "output %0 a\noutput %2 z\n",
           "R(exp add) R(sum)");
    // A rotary map looks along the last axis.
    expect(1, "var p u32 0 9\ninput x f32 [4, 2, 8]\n%0 = rope %x %p\n%1 = sum %0 {axes=[0]}\noutput %1 z\n",
           "R(rope) R(sum)");
    expect(1,
           "var p u32 0 9\ninput x f32 [4, 2, 8]\n%0 = mean %x {axes=[0]}\n%1 = sub %x %0\n%2 = rope %1 %p\n"
           "output %2 z\n",
           "R(mean sub) R(rope)");
    expect(1, XY "%0 = sum %x\n%1 = sub %x %0\n%2 = mean %y {axes=[0]}\n%3 = sub %y %2\n%4 = mul %3 %1\noutput %4 z\n",
           "R(sum sub) R(mean sub mul)");
    // Rows of a product's prologue are rows of the product.
    expect(2, FEW "%0 = mean %x {axes=[0]}\n%1 = sub %x %0\n%2 = matmul %1 %w\noutput %2 z\n", "R(mean sub) C(matmul)");
}

/// Elements of one number are the same in all shapes, so that regions grow through views.
static void views_are_passed(void **state) {
    (void)state;
    expect(1, XY "%0 = tanh %x\n%1 = reshape %0 {shape=[4*T, 16]}\n%2 = exp %1\noutput %2 z\n", "R(tanh reshape exp)");
    expect(1, XY "%0 = tanh %x\n%1 = reshape %0 {shape=[T, 1, 64]}\n%2 = sum %1\n%3 = sub %1 %2\noutput %3 z\n",
           "R(tanh reshape sum sub)");
    // Behind rows, and what is one a row.
    expect(1, XY "%0 = softmax %x\n%1 = reshape %0 {shape=[4*T, 16]}\n%2 = exp %1\noutput %2 z\n",
           "R(amax sub exp sum div reshape exp)");
    expect(1, XY "%0 = sum %x\n%1 = reshape %0 {shape=[T]}\n%2 = exp %1\n%3 = neg %2\noutput %3 z\n",
           "R(sum reshape exp neg)");
    expect(1,
           XY "%0 = sum %x\n%1 = reshape %0 {shape=[T]}\n%2 = exp %1\n%3 = reshape %2 {shape=[T, 1]}\n"
              "%4 = mul %y %3\noutput %4 z\n",
           "R(sum reshape exp reshape mul)");
    // In two shapes at once, of which others read one too; and where the reader comes with its own rows.
    expect(2,
           XY "%0 = tanh %x\n%1 = reshape %0 {shape=[4*T, 16]}\n%2 = reshape %0 {shape=[2*T, 32]}\n%3 = exp %1\n"
              "%4 = neg %2\noutput %3 a\noutput %4 b\noutput %1 c\n",
           "R(tanh reshape reshape exp neg)");
    expect(1, XY "%0 = tanh %x\n%1 = reshape %0 {shape=[4*T, 16]}\n%2 = softmax %1\noutput %2 z\n",
           "R(tanh reshape amax sub exp sum div)");
    // Not over a product, nor where rows are not the same.
    expect(1,
           XY "%0 = tanh %x\n%1 = matmul %0 %w\n%2 = reshape %1 {shape=[4*T, 16]}\n"
              "%3 = reshape %0 {shape=[4*T, 16]}\n%4 = add %2 %3\noutput %4 z\n",
           "R(tanh) C(matmul) V(reshape) V(reshape) R(add)");
    expect(2, XY "%0 = softmax %x\n%1 = reshape %0 {shape=[4*T, 16]}\n%2 = amax %1\noutput %2 z\n",
           "R(amax sub exp sum div) V(reshape) R(amax)");
    // What a move reads is computed where it asks, unless others read it as well.
    expect(1, XY "%0 = tanh %x\n%1 = reshape %0 {shape=[T, 4, 16]}\n%2 = transpose %1\noutput %2 z\n",
           "R(tanh reshape transpose)");
    expect(1, XY "%0 = tanh %x\n%1 = reshape %0 {shape=[T, 4, 16]}\n%2 = transpose %1\noutput %2 z\noutput %0 a\n",
           "R(tanh) V(reshape) R(transpose)");
}

static void contractions(void **state) {
    (void)state;
    expect(2, XY "%0 = matmul %x %w\n%1 = silu %0\n%2 = add %1 %y\noutput %2 z\n", "C(matmul silu add)");
    expect(2, XY "%0 = rms_norm %x %v\n%1 = matmul %0 %w\noutput %1 z\n", "R(square mean add rsqrt mul mul) C(matmul)");
    expect(2, FEW "%0 = rms_norm %x %v\n%1 = matmul %0 %w\noutput %1 z\n", "C(square mean add rsqrt mul mul matmul)");
    expect(2, FEW "%0 = matmul %x %w\n%1 = matmul %x %u\n%2 = matmul %x %k\noutput %0 a\noutput %1 b\noutput %2 c\n",
           "C(matmul matmul matmul)");
    expect(2, XY "%0 = matmul %x %w\n%1 = matmul %x %u\noutput %0 a\noutput %1 b\n", "C(matmul) C(matmul)");
    expect(2,
           FEW "%0 = rms_norm %x %v\n%1 = matmul %0 %w\n%2 = matmul %0 %u\n%3 = silu %1\n%4 = mul %3 %2\n%5 = matmul "
               "%4 %w\n%6 = add %5 %x\noutput %6 z\n",
           "C(square mean add rsqrt mul mul matmul matmul silu mul) C(matmul add)");
    expect(1, FEW "%0 = tanh %x\n%1 = matmul %0 %w\n%2 = silu %1\noutput %2 z\n", "R(tanh) C(matmul) R(silu)");
    // Some rows: one step of several products, but norms are made once.
    expect(2, SOME "%0 = matmul %x %w\n%1 = matmul %x %u\n%2 = matmul %x %k\noutput %0 a\noutput %1 b\noutput %2 c\n",
           "C(matmul matmul matmul)");
    expect(2,
           SOME "%0 = rms_norm %x %v\n%1 = matmul %0 %w\n%2 = matmul %0 %u\n%3 = silu %1\n%4 = mul %3 %2\n"
                "output %4 z\n",
           "R(square mean add rsqrt mul mul) C(matmul matmul silu mul)");
    // Different shapes may not share an epilogue.
    expect(2, FEW "%0 = matmul %x %w\n%1 = matmul %x %k\n%2 = silu %0\noutput %1 a\noutput %2 b\n",
           "C(matmul matmul) R(silu)");
}

/// Every kernel of a product ends in its elementwise readers: batches, sides that are no weight, vectors, integers.
static void products_of_any_form_take_epilogues(void **state) {
    (void)state;
    expect(2,
           "input a f32 [3, 8, 64]\ninput b f32 [3, 64, 5]\ninput c f32 [5]\n%0 = matmul %a %b {transpose_b=0}\n"
           "%1 = add %0 %c\n%2 = silu %1\noutput %2 z\n",
           "C(matmul add silu)");
    expect(2, "input x i32 [8, 64]\ninput v i32 [64]\n%0 = matmul %x %v\n%1 = neg %0\noutput %1 z\n", "C(matmul neg)");
    expect(2,
           "input p f32 [4, 64]\ninput q f32 [6, 64]\nstate s dense f32 [9, 6]\n%0 = slice %s {start=2, len=4}\n"
           "%1 = matmul %p %q\n%2 = add %0 %1\n%3 = assign %s %2 {start=12}\n",
           "V(slice) C(matmul add assign)");
    // A product that reads what would be written stands alone: other workgroups read it later.
    expect(2, "input p f32 [6, 6]\nstate s dense f32 [6, 6]\n%0 = matmul %p %s\n%1 = neg %0\n%2 = assign %s %1\n",
           "C(matmul) R(neg assign)");
    // Reductions of the result need all of its row.
    expect(2, "input x f32 [8, 64]\ninput w f32 [9, 64]\n%0 = matmul %x %w\n%1 = softmax %0\noutput %1 z\n",
           "C(matmul) R(amax sub exp sum div)");
}

/// What is cheaper made where a product reads it than stored: moves and elementwise nodes in front of small products.
static void products_take_their_sides(void **state) {
    (void)state;
    expect(2,
           "input a f32 [8, 3, 64]\ninput b f32 [64, 3, 5]\n%0 = transpose %a {perm=[1, 0, 2]}\n"
           "%1 = transpose %b {perm=[1, 0, 2]}\n%2 = matmul %0 %1 {transpose_b=0}\n%3 = silu %2\noutput %3 z\n",
           "C(transpose transpose matmul silu)");
    expect(2,
           "input a f32 [8, 40]\ninput b f32 [8, 24]\ninput w f32 [5, 64]\n%0 = concat %a %b {axis=1}\n%1 = tanh %0\n"
           "%2 = matmul %1 %w\noutput %2 z\n",
           "C(concat tanh matmul)");
    expect(2, "input a f32 [40, 64]\n%0 = neg %a\n%1 = matmul %0 %0\noutput %1 z\n", "C(neg matmul)");
    expect(2, "input x f32 [64, 300]\nweight w q8_0 [9, 64]\n%0 = transpose %x\n%1 = matmul %0 %w\noutput %1 z\n",
           "C(transpose matmul)");
    // Some rows are staged from memory.
    expect(2, "input x f32 [64, 100]\nweight w q8_0 [9, 64]\n%0 = transpose %x\n%1 = matmul %0 %w\noutput %1 z\n",
           "R(transpose) C(matmul)");
    // What others read is stored once, and so are rows that reductions make, and what would be made too often.
    expect(2, "input a f32 [40, 64]\n%0 = neg %a\n%1 = matmul %0 %0\noutput %0 y\noutput %1 z\n", "R(neg) C(matmul)");
    expect(2, "input a f32 [40, 64]\ninput w f32 [9, 64]\n%0 = softmax %a\n%1 = matmul %0 %w\noutput %1 z\n",
           "R(amax sub exp sum div) C(matmul)");
    expect(2, "input a f32 [4096, 4096]\ninput w f32 [4096, 4096]\n%0 = tanh %a\n%1 = matmul %0 %w\noutput %1 z\n",
           "R(tanh) C(matmul)");
    expect(1, "input a f32 [40, 64]\n%0 = neg %a\n%1 = matmul %0 %0\noutput %1 z\n", "R(neg) C(matmul)");
}

/// Rows too long for workgroup memory have no joint kernel.
static void long_rows_are_not_joined(void **state) {
    (void)state;
    struct weft_gpu_caps caps = fixture_caps();
    weft_gpu_caps_min(&caps);
    static const char text[] = "input x f32 [1, 8192]\nweight w q8_0 [32, 8192]\nweight u q8_0 [32, 8192]\n%0 = tanh "
                               "%x\n%1 = matmul %0 %w\n%2 = matmul %0 %u\n"
                               "output %1 a\noutput %2 b\n";
    struct fused f = fuse_with(text, &caps, 2, NULL);
    assert_string_equal(weft_str_get(&f.text), "R(tanh) C(matmul) C(matmul)");
    end(&f);
    struct weft_plan *p = fixture_plan(text, &caps, NULL);
    assert_int_equal(p->schedules[0].n_steps, 3);
    weft_plan_destroy(p);
}

/// tanh -> matmul -> add and tanh -> add: tanh and add together would wait for themselves.
static void cycles_are_not_made(void **state) {
    (void)state;
    expect(1, XY "%0 = tanh %x\n%1 = matmul %0 %w\n%2 = add %0 %1\noutput %2 z\n", "R(tanh) C(matmul) R(add)");
    expect(2, XY "%0 = tanh %x\n%1 = matmul %0 %w\n%2 = add %0 %1\noutput %2 z\n", "R(tanh) C(matmul add)");
    expect(2, FEW "%0 = tanh %x\n%1 = matmul %0 %w\n%2 = add %0 %1\noutput %2 z\n", "R(tanh) C(matmul add)");
    // Through two other groups, one of which is merged before.
    expect(1,
           XY "%0 = tanh %x\n%1 = matmul %0 %w\n%2 = silu %1\n%3 = matmul %2 %u\n%4 = add %3 %0\n%5 = add %4 "
              "%2\noutput %5 z\n",
           "R(tanh) C(matmul) R(silu) C(matmul) R(add add)");
}

/// A node that replaces a state waits for the readers of what it replaces, and never runs beside them or beside its own
/// readers.
static void state_readers_come_first(void **state) {
    (void)state;
#define CACHE "input x f32 [8, 64]\nstate s dense f32 [8, 64]\nvar p u32 0 0\n"
    static const char *const late =
        CACHE "%0 = add %x %s\n%1 = tanh %x\n%2 = cache_append %s %1 %p\n%3 = mul %0 %2\noutput %3 z\n";
    static const char *const early = CACHE "%0 = add %x %s\n%1 = cache_append %s %0 %p\n%2 = mul %0 %0\noutput %2 z\n";
    expect(1, late, "R(add) R(tanh cache_append) R(mul)");
    expect(2, late, "R(add) R(tanh cache_append) R(mul)");
    expect(2, early, "R(add mul) R(cache_append)");
    struct weft_plan *p = fixture_plan(early, NULL, NULL);
    weft_plan_destroy(p);
    p = fixture_plan(late, NULL, NULL);
    weft_plan_destroy(p);
    // The old version's reader stands behind nothing but must still run first, though the writer's group comes first in
    // the graph.
    expect(2, CACHE "%0 = tanh %x\n%1 = mul %s %x\n%2 = cache_append %s %0 %p\noutput %1 z\n",
           "R(mul) R(tanh cache_append)");
    expect(1,
           "input x f32 [8, 64]\nvar n u32 0 99\n%0 = cast %n {to=f32}\n%1 = advance %n {by=1}\n%2 = cast %1 "
           "{to=f32}\n%3 = add %0 %2\noutput %3 z\n",
           "R(cast) N(advance) R(cast add)");
}

/// A product that joins the pieces of attention itself looks at the position: where that has moved on before it runs, a
/// step behind attention joins them.
static void products_behind_an_advance_join_nothing(void **state) {
    (void)state;
    static const char advance[] = "%3 = advance %p {by=T}\n";
    for (int late = 0; late < 2; late++) {
        char text[800];
        snprintf(text, sizeof text,
                 "symbol T 1 1\ninput q f32 [T, 4, 32]\ninput x f32 [T, 2, 32]\nweight w f32 [32, 128]\n"
                 "state k dense f32 [512, 2, 32]\nvar p u32 0 500\n%%0 = cache_append %%k %%x %%p\n"
                 "%%2 = attention %%q %%0 %%0 %%p\n%s%%4 = reshape %%2 {shape=[T, 128]}\n%%5 = matmul %%4 %%w\n"
                 "%soutput %%5 y\n",
                 late ? "" : advance, late ? advance : "");
        struct weft_plan *p = fixture_plan(text, NULL, NULL);
        const struct weft_schedule *sc = &p->schedules[0];
        const struct weft_step *product = &sc->steps[fixture_step(sc, "matvec", 0)];
        bool joins = false, merged = false;
        for (uint32_t i = 0; i < product->n_operands; i++) joins |= strcmp(product->operands[i].name, "vars") == 0;
        for (uint32_t i = 0; i < sc->n_steps; i++) merged |= strcmp(sc->steps[i].kernel->name, "attention_merge") == 0;
        assert_int_equal(joins, late);
        assert_int_equal(merged, !late);
        weft_plan_destroy(p);
    }
}

static void nothing_to_do(void **state) {
    (void)state;
    expect(2, "input x f32 [4, 8]\n%0 = reshape %x {shape=[8, 4]}\n%1 = argmax %0\noutput %1 z\n",
           "V(reshape) N(argmax)");
    expect(2, "input x f32 [4, 8]\noutput %x z\n", "");
}

/// The budget is bindings of the device: a sum of many inputs is cut into groups that can be bound.
static void budgets_hold(void **state) {
    (void)state;
    struct weft_str text = {0};
    for (int i = 0; i < 12; i++) weft_str_addf(&text, "input x%d f32 [8, 64]\n", i);
    weft_str_add(&text, "%0 = add %x0 %x1\n");
    for (int i = 1; i < 11; i++) weft_str_addf(&text, "%%%d = add %%%d %%x%d\n", i, i - 1, i + 1);
    weft_str_add(&text, "output %10 z\n");
    struct weft_gpu_caps caps = fixture_caps();
    for (uint32_t limit = 4; limit <= 15; limit++) {
        caps.max_storage_buffers = limit;
        struct fused f = fuse_with(weft_str_get(&text), &caps, 2, NULL);
        for (uint32_t k = 0; k < f.l.n_groups; k++) assert_true(f.l.groups[k].n_bindings <= limit);
        assert_int_equal(f.l.n_groups == 1, limit >= 13);
        end(&f);
        struct weft_plan *p = fixture_plan(weft_str_get(&text), &caps, NULL);
        for (uint32_t i = 0; i < p->schedules[0].n_steps; i++)
            assert_true(p->schedules[0].steps[i].bound.n_slots - 1 <= limit);
        weft_plan_destroy(p);
    }
    // A budget of single nodes splits their group alone.
    caps.max_storage_buffers = 15;
    uint8_t budget[11] = {0};
    budget[10] = 3;
    struct fused f = fuse_with(weft_str_get(&text), &caps, 2, budget);
    assert_string_equal(weft_str_get(&f.text), "R(add add add add add add add add add add) R(add)");
    end(&f);
    weft_str_free(&text);
}

/// More vectors than a step has operands, though they share one binding.
static void many_vectors(void **state) {
    (void)state;
    struct weft_str text = {0};
    weft_str_add(&text, "input x f32 [8, 64]\n");
    for (int i = 0; i < 40; i++) weft_str_addf(&text, "weight b%d f32 [64]\n", i);
    weft_str_add(&text, "%0 = add %x %b0\n");
    for (int i = 1; i < 40; i++) weft_str_addf(&text, "%%%d = add %%%d %%b%d\n", i, i - 1, i);
    weft_str_add(&text, "output %39 z\n");
    struct weft_plan *p = fixture_plan(weft_str_get(&text), NULL, NULL);
    assert_in_range(p->schedules[0].n_steps, 2, 3);
    weft_plan_destroy(p);
    weft_str_free(&text);
}

/// Weights in different shards need more bindings than the fuser counts on: only the group in question is made smaller.
static void only_what_does_not_fit_is_unfused(void **state) {
    (void)state;
    struct weft_gpu_caps caps = fixture_caps();
    caps.max_storage_buffers = 6;
    caps.max_binding = 4864; // a matrix of 64 x 64 in q8_0 a shard
    static const char text[] =
        "symbol T 0 1\ninput x f32 [T, 64]\nweight v f32 [64]\nweight a q8_0 [64, 64]\nweight b q8_0 [64, 64]\nweight "
        "c q8_0 [64, 64]\n"
        "weight d q8_0 [64, 64]\n%0 = tanh %x\n%1 = matmul %0 %a \"one\"\n%2 = matmul %0 %b \"two\"\n%3 = matmul %0 %c "
        "\"three\"\n"
        "%4 = add %1 %2\n%5 = add %4 %3\n%6 = square %5\n%7 = matmul %6 %d \"four\"\n%8 = silu %7\noutput %8 z\n";
    struct weft_plan *p = fixture_plan(text, &caps, NULL);
    const struct weft_schedule *sc = &p->schedules[0];
    assert_non_null(strstr(weft_str_get(&p->report), "fused less"));
    assert_null(strstr(weft_str_get(&p->report), "level"));
    assert_null(fixture_repeated(p));
    char *twice = weft_strdup(weft_str_get(&p->report));
    weft_str_add(&p->report, twice); // would be noticed
    assert_non_null(fixture_repeated(p));
    weft_free(twice);
    const char *label = sc->steps[fixture_step(sc, "four", 0)].label;
    assert_non_null(strstr(label, "epilogue"));                                            // untouched
    assert_non_null(strstr(sc->steps[fixture_step(sc, "one", 0)].label, "epilogue of 3")); // still as large as fits
    assert_int_equal(sc->n_steps, 4);
    weft_plan_destroy(p);
}

static void chain(struct weft_str *text, int n) {
    weft_str_add(text, "input x f32 [8, 64]\ninput y f32 [8, 64]\n%0 = add %x %y\n");
    for (int i = 1; i < n; i++)
        weft_str_addf(text, "%%%d = %s %%%d%s\n", i, i % 2 ? "tanh" : "add", i - 1, i % 2 ? "" : " %y");
    weft_str_addf(text, "output %%%d z\n", n - 1);
}

/// Groups are bounded by what a kernel's text has room for.
static void long_chains_are_cut(void **state) {
    (void)state;
    for (int n = 90; n < 700; n += 151) {
        struct weft_str text = {0};
        chain(&text, n);
        struct weft_plan *p = fixture_plan(weft_str_get(&text), NULL, NULL);
        assert_in_range(p->schedules[0].n_steps, 1 + (uint32_t)n / 120, 2 + (uint32_t)n / 100);
        weft_plan_destroy(p);
        weft_str_free(&text);
    }
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void two_thousand_nodes(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct weft_str text = {0};
        if (kind == 0) {
            chain(&text, 2000);
        } else {
            weft_str_addf(&text,
                          "symbol T 0 %d\ninput x f32 [T, 64]\nweight v f32 [64]\nweight w q8_0 [64, 64]\nweight u "
                          "q8_0 [64, 64]\n",
                          kind == 1 ? 1 : 512);
            char x[16] = "x";
            for (int n = 0; n < 2000; n += 8) {
                weft_str_addf(
                    &text,
                    "%%%d = rms_norm %%%s %%v\n%%%d = matmul %%%d %%w\n%%%d = matmul %%%d %%u\n%%%d = silu %%%d\n", n,
                    x, n + 1, n, n + 2, n, n + 3, n + 1);
                weft_str_addf(&text,
                              "%%%d = mul %%%d %%%d\n%%%d = matmul %%%d %%w\n%%%d = add %%%d %%%s\n%%%d = tanh %%%d\n",
                              n + 4, n + 3, n + 2, n + 5, n + 4, n + 6, n + 5, x, n + 7, n + 6);
                snprintf(x, sizeof x, "%d", n + 7);
            }
            weft_str_addf(&text, "output %%%s z\n", x);
        }
        double start = now();
        struct weft_plan *p = fixture_plan(weft_str_get(&text), NULL, NULL);
        print_message("2000 nodes, %s: %u steps, %u pipelines, %.0f ms\n",
                      kind == 0   ? "chain"
                      : kind == 1 ? "one row"
                                  : "many rows",
                      p->schedules[0].n_steps, p->n_pipelines, (now() - start) * 1e3);
        weft_plan_destroy(p);
        weft_str_free(&text);
    }
}

/// Random graphs of elementwise, reduction and contraction nodes: every partition must be a legal order
/// (check_partition), and the plan must pass its checker, at every level.
static void random_graphs(void **state) {
    (void)state;
    uint32_t seed = 77;
    for (int round = 0; round < 120; round++) {
        struct weft_str text = {0};
        uint32_t n = 4 + fixture_random(&seed) % 40;
        fixture_random_graph(&text, &seed, round % 2 ? 4 : 100, n, 6, 12);
        weft_str_addf(&text, "output %%%u z\n", n - 1);
        struct weft_gpu_caps caps = fixture_caps();
        if (round % 3 == 0) weft_gpu_caps_min(&caps);
        for (int level = 0; level < 3; level++) {
            struct fused f = fuse_with(weft_str_get(&text), &caps, level, NULL);
            end(&f);
            struct weft_compile_params params = {.no_fuse = level == 0   ? 1
                                                            : level == 1 ? 2
                                                                         : 0,
                                                 .split_symbol = "T",
                                                 .split_at = {1},
                                                 .n_splits = 1};
            weft_plan_destroy(fixture_plan(weft_str_get(&text), &caps, &params));
        }
        weft_str_free(&text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regions),
        cmocka_unit_test(spaces_stay_apart),
        cmocka_unit_test(reductions_of_other_axes),
        cmocka_unit_test(views_are_passed),
        cmocka_unit_test(contractions),
        cmocka_unit_test(products_of_any_form_take_epilogues),
        cmocka_unit_test(products_take_their_sides),
        cmocka_unit_test(long_rows_are_not_joined),
        cmocka_unit_test(cycles_are_not_made),
        cmocka_unit_test(state_readers_come_first),
        cmocka_unit_test(products_behind_an_advance_join_nothing),
        cmocka_unit_test(nothing_to_do),
        cmocka_unit_test(budgets_hold),
        cmocka_unit_test(many_vectors),
        cmocka_unit_test(only_what_does_not_fit_is_unfused),
        cmocka_unit_test(long_chains_are_cut),
        cmocka_unit_test(two_thousand_nodes),
        cmocka_unit_test(random_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
