/// The checker of plans: a good plan passes; each thing that can be wrong, broken alone, is refused with its own
/// message.
#include "plan_fixture.h"

static const char graph[] =
    "symbol T 0 64\ninput x f32 [T, 64]\ninput y f32 [T, 64]\nweight w q8_0 [96, 64]\nweight b f32 [96]\n"
    "%0 = tanh %x \"first\"\n%1 = square %y \"second\"\n%2 = add %0 %1 \"both\"\n%3 = matmul %2 %w \"product\"\n"
    "%4 = add %3 %b \"biased\"\n%5 = tanh %4 \"last\"\noutput %5 z\n";

struct world {
    struct weft_plan *plan;
    struct weft_schedule *sc;
};

static struct world begin(void) {
    struct weft_compile_params params = {.no_fuse = 1};
    struct world w = {.plan = fixture_plan(graph, NULL, &params)};
    w.sc = &w.plan->schedules[0];
    assert_int_equal(w.sc->n_steps, 6);
    assert_int_equal(weft_plan_check(w.plan, w.sc), WEFT_OK);
    return w;
}

static struct weft_step *step(struct world *w, const char *words) {
    return &w->sc->steps[fixture_step(w->sc, words, 0)];
}

static struct weft_operand *written(struct weft_step *s) {
    for (uint32_t i = 0; i < s->n_operands; i++)
        if (s->operands[i].access & WEFT_WRITE) return &s->operands[i];
    fail_msg("'%s' writes nothing", s->label);
    return NULL;
}

static struct weft_operand *read_from(struct world *w, struct weft_step *s, const char *tensor) {
    for (uint32_t i = 0; i < s->n_operands; i++)
        if (strcmp(w->sc->tensors[s->operands[i].tensor].name, tensor) == 0) return &s->operands[i];
    fail_msg("'%s' has no operand '%s'", s->label, tensor);
    return NULL;
}

#define BAD(w, words) REFUSED(weft_plan_check((w).plan, (w).sc), WEFT_ERR_INTERNAL, words)
#define OVER(w, words) REFUSED(weft_plan_check((w).plan, (w).sc), WEFT_ERR_LIMIT, words)

static void good_plans_pass(void **state) {
    (void)state;
    for (int fuse = 0; fuse < 3; fuse++) {
        struct weft_compile_params params = {.no_fuse = fuse};
        struct weft_plan *p = fixture_plan(graph, NULL, &params);
        assert_int_equal(weft_plan_check(p, &p->schedules[0]), WEFT_OK);
        weft_plan_destroy(p);
    }
}

static void overlapping_slots(void **state) {
    (void)state;
    struct world w = begin();
    struct weft_step *s = step(&w, "both");
    s->bound.slots[2] = s->bound.slots[1];
    s->bound.slots[1].kind = s->bound.slots[2].kind = WEFT_BIND_READ_WRITE;
    BAD(w, "writable bindings 1 and 2 overlap");
    weft_plan_destroy(w.plan);
}

static void read_beside_read_write(void **state) {
    (void)state;
    struct world w = begin();
    struct weft_step *s = step(&w, "first");
    s->bound.slots[1].mem_key = s->bound.slots[2].mem_key;
    assert_int_not_equal(s->bound.slots[1].kind, s->bound.slots[2].kind);
    BAD(w, "use one buffer read and read_write");
    weft_plan_destroy(w.plan);
}

static void operand_outside_its_binding(void **state) {
    (void)state;
    struct world w = begin();
    struct weft_operand *o = &step(&w, "first")->operands[0];
    struct weft_operand keep = *o;
    o->bound.slot_offset += 256; // says another place than the tensor's
    BAD(w, "operand 'in0' lies outside its binding");
    *o = keep;
    o->bytes += 256; // reaches beyond the slot and the tensor
    BAD(w, "lies outside its binding");
    *o = keep;
    o->bound.slot = 0; // the parameter block
    BAD(w, "lies outside its binding");
    o->bound.slot = (uint8_t)step(&w, "first")->bound.n_slots;
    BAD(w, "lies outside its binding");
    *o = keep;
    o->byte_offset += 16;
    BAD(w, "lies outside its binding");
    *o = keep;
    assert_int_equal(weft_plan_check(w.plan, w.sc), WEFT_OK);
    weft_plan_destroy(w.plan);
}

static void written_through_read_only(void **state) {
    (void)state;
    struct world w = begin();
    step(&w, "first")->operands[0].access = WEFT_READ_WRITE;
    BAD(w, "is written through a read-only binding");
    weft_plan_destroy(w.plan);
}

static void write_to_a_weight_or_input(void **state) {
    (void)state;
    struct world w = begin();
    struct weft_step *s = step(&w, "product");
    struct weft_operand *o = read_from(&w, s, "w");
    for (uint32_t i = 0; i < s->n_operands; i++) // all of the weight's slots, so that this alone is wrong
        if (s->operands[i].tensor == o->tensor) s->bound.slots[s->operands[i].bound.slot].kind = WEFT_BIND_READ_WRITE;
    o->access = WEFT_WRITE;
    BAD(w, "writes to 'w', which is read-only");
    weft_plan_destroy(w.plan);
    w = begin();
    o = read_from(&w, step(&w, "first"), "x");
    o->access = WEFT_WRITE;
    step(&w, "first")->bound.slots[o->bound.slot].kind = WEFT_BIND_READ_WRITE;
    BAD(w, "writes to 'x', which is read-only");
    weft_plan_destroy(w.plan);
}

static void partly_overlapping_operands(void **state) {
    (void)state;
    struct world w = begin();
    struct weft_step *s = step(&w, "first");
    struct weft_operand *o = written(s);
    s->operands[s->n_operands] = *o; // the same range with another element map
    s->operands[s->n_operands].name = "twin";
    s->operands[s->n_operands++].dtype = WEFT_F16;
    BAD(w, "overlap partly");
    weft_plan_destroy(w.plan);
}

static void wide_binding_off_its_grain(void **state) {
    (void)state;
    struct world w = begin();
    struct weft_step *s = step(&w, "product");
    struct weft_operand *o = NULL;
    for (uint32_t i = 0; i < s->n_operands; i++)
        if (strcmp(s->operands[i].name, "w0_q") == 0) o = &s->operands[i];
    assert_non_null(o);
    assert_true(s->bound.slots[o->bound.slot].wide);
    o->byte_offset += 8;
    o->bound.slot_offset += 8;
    o->bytes -= 256;
    BAD(w, "does not start at a vec4");
    weft_plan_destroy(w.plan);
}

static void read_before_written(void **state) {
    (void)state;
    struct world w = begin();
    struct weft_step *first = step(&w, "first"), *both = step(&w, "both"), keep = *first;
    *first = *both;
    *both = keep;
    BAD(w, "before any step wrote it");
    weft_plan_destroy(w.plan);
}

/// A value may lie in the memory of another; an output that does is written by no step.
static void outputs_without_a_writer(void **state) {
    (void)state;
    struct world w = begin();
    w.sc->n_steps--;
    BAD(w, "no step writes output 'z'");
    weft_plan_destroy(w.plan);
}

static void overwritten_while_alive(void **state) {
    (void)state;
    struct world w = begin();
    struct weft_tensor *a = &w.sc->tensors[written(step(&w, "first"))->tensor],
                       *b = &w.sc->tensors[written(step(&w, "second"))->tensor];
    b->heap = a->heap;
    b->offset = a->offset;
    fixture_bind(w.plan, w.sc); // no single step is wrong
    BAD(w, "which is still needed");
    weft_plan_destroy(w.plan);
}

static void as_many_groups(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    (void)words;
    grid[0] = u->caps->max_groups;
    grid[1] = grid[2] = 1;
}

static void one_group_more(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    as_many_groups(u, words, grid);
    grid[0]++;
}

static void grid_above_the_limit(void **state) {
    (void)state;
    struct world w = begin();
    w.plan->caps.max_groups = 1;
    OVER(w, "needs a grid of");
    static const struct weft_kernel enough = {"enough", "none", NULL, as_many_groups},
                                    more = {"more", "none", NULL, one_group_more};
    w.plan->caps.max_groups = 9;
    for (uint32_t i = 0; i < w.sc->n_steps; i++) w.sc->steps[i].kernel = &enough;
    assert_int_equal(weft_plan_check(w.plan, w.sc), WEFT_OK);
    w.sc->steps[0].kernel = &more;
    OVER(w, "10 x 1 x 1 workgroups, the limit is 9");
    weft_plan_destroy(w.plan);
    w = begin();
    assert_int_equal(weft_plan_check(w.plan, w.sc), WEFT_OK);
    weft_plan_destroy(w.plan);
}

static void workgroup_above_the_limit(void **state) {
    (void)state;
    struct world w = begin();
    w.plan->caps.max_invocations = 16;
    OVER(w, "16 in all");
    w.plan->caps.max_invocations = 1024;
    step(&w, "product")->workgroup[2] = 65;
    OVER(w, "workgroups of");
    step(&w, "product")->workgroup[2] = 1;
    w.plan->caps.workgroup_memory = step(&w, "product")->workgroup_memory - 4;
    OVER(w, "bytes of workgroup memory, the device has");
    weft_plan_destroy(w.plan);
}

static void binding_too_large(void **state) {
    (void)state;
    struct world w = begin();
    w.plan->caps.max_binding = 4096;
    BAD(w, "has offset 0 and size 16384");
    weft_plan_destroy(w.plan);
}

static void bindings_too_many_or_crooked(void **state) {
    (void)state;
    struct world w = begin();
    w.plan->caps.max_storage_buffers = 1;
    BAD(w, "storage bindings, the limit is 1");
    w.plan->caps.max_storage_buffers = 10;
    step(&w, "first")->bound.slots[1].offset = 128;
    BAD(w, "binding 1 has offset 128");
    step(&w, "first")->bound.slots[1].offset = 0;
    step(&w, "first")->bound.slots[1].size = 0;
    BAD(w, "size 0");
    weft_plan_destroy(w.plan);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_plans_pass),
        cmocka_unit_test(overlapping_slots),
        cmocka_unit_test(read_beside_read_write),
        cmocka_unit_test(operand_outside_its_binding),
        cmocka_unit_test(written_through_read_only),
        cmocka_unit_test(write_to_a_weight_or_input),
        cmocka_unit_test(partly_overlapping_operands),
        cmocka_unit_test(wide_binding_off_its_grain),
        cmocka_unit_test(read_before_written),
        cmocka_unit_test(overwritten_while_alive),
        cmocka_unit_test(grid_above_the_limit),
        cmocka_unit_test(workgroup_above_the_limit),
        cmocka_unit_test(binding_too_large),
        cmocka_unit_test(bindings_too_many_or_crooked),
        cmocka_unit_test(outputs_without_a_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
