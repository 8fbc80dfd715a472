/// Slots, rule by rule, on steps put together by hand.
#include "plan_fixture.h"

enum { HEAP0, HEAP1, SHARD };

struct world {
    struct weft_plan plan;
    struct weft_schedule sc;
    struct weft_tensor tensors[16];
    struct weft_step step;
};

static void no_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    (void)u, (void)words, (void)grid;
}
static const struct weft_kernel kernel = {"test", "none", NULL, no_update};

static struct world *begin(void) {
    struct world *w = weft_calloc(1, sizeof *w);
    assert_non_null(w);
    w->plan.caps = fixture_caps();
    w->sc.tensors = w->tensors;
    w->sc.steps = &w->step;
    w->sc.n_steps = 1;
    w->step.kernel = &kernel;
    w->step.label = "hand-made";
    return w;
}

/// Adds a tensor at `offset` of a buffer and an operand over all of it.
static uint32_t add(struct world *w, const char *name, int where, uint64_t offset, uint64_t bytes, uint8_t access,
                    uint8_t flags) {
    uint32_t t = w->sc.n_tensors++;
    w->tensors[t] = (struct weft_tensor){.name = name,
                                         .mem = where == SHARD ? WEFT_MEM_WEIGHT : WEFT_MEM_TRANSIENT,
                                         .dtype = WEFT_F32,
                                         .bytes = bytes,
                                         .heap = where == HEAP1,
                                         .offset = offset,
                                         .value = WEFT_NO_VALUE};
    w->step.operands[w->step.n_operands] = (struct weft_operand){.name = name,
                                                                 .access = access,
                                                                 .flags = flags,
                                                                 .inplace_of = -1,
                                                                 .dtype = WEFT_F32,
                                                                 .tensor = t,
                                                                 .bytes = bytes,
                                                                 .count = WEFT_DIM_NONE,
                                                                 .live = WEFT_DIM_NONE};
    return w->step.n_operands++;
}

static void bind(struct world *w) {
    if (weft_bind_step(&w->plan, &w->sc, &w->step) != WEFT_OK) fail_msg("%s", weft_error_message());
}

static void expect_slot(const struct world *w, uint32_t operand, uint32_t slot, uint8_t kind, uint64_t offset,
                        uint64_t size, uint64_t within) {
    const struct weft_operand *o = &w->step.operands[operand];
    const struct weft_slot *s = &w->step.bound.slots[o->bound.slot];
    assert_int_equal(o->bound.slot, slot);
    assert_int_equal(s->kind, kind);
    assert_int_equal(s->offset, offset);
    assert_int_equal(s->size, size);
    assert_int_equal(o->bound.slot_offset, within);
}

/// What is only read shares a binding, one for each access width.
static void merges_reads_by_width(void **state) {
    (void)state;
    struct world *w = begin();
    uint32_t q = add(w, "q", SHARD, 1024, 512, WEFT_READ, WEFT_OPERAND_WIDE),
             s = add(w, "s", SHARD, 256, 256, WEFT_READ, 0);
    uint32_t q2 = add(w, "q2", SHARD, 4096, 100, WEFT_READ, WEFT_OPERAND_WIDE),
             s2 = add(w, "s2", SHARD, 0, 4, WEFT_READ, 0);
    uint32_t y = add(w, "y", HEAP0, 512, 256, WEFT_WRITE, 0);
    bind(w);
    assert_int_equal(w->step.bound.n_slots, 4);
    expect_slot(w, q, 1, WEFT_BIND_READ, 1024, 3328, 0);
    expect_slot(w, q2, 1, WEFT_BIND_READ, 1024, 3328, 3072);
    expect_slot(w, s, 2, WEFT_BIND_READ, 0, 512, 256);
    expect_slot(w, s2, 2, WEFT_BIND_READ, 0, 512, 0);
    expect_slot(w, y, 3, WEFT_BIND_READ_WRITE, 512, 256, 0);
    assert_true(w->step.bound.slots[1].wide);
    assert_false(w->step.bound.slots[2].wide);
    weft_free(w);
}

static void keeps_distant_reads_apart(void **state) {
    (void)state;
    struct world *w = begin();
    w->plan.caps.max_binding = 4096;
    uint32_t a = add(w, "a", SHARD, 0, 256, WEFT_READ, 0), b = add(w, "b", SHARD, 3840, 256, WEFT_READ, 0);
    uint32_t c = add(w, "c", SHARD, 4096, 256, WEFT_READ, 0);
    bind(w);
    expect_slot(w, a, 1, WEFT_BIND_READ, 0, 4096, 0); // just fits
    expect_slot(w, b, 1, WEFT_BIND_READ, 0, 4096, 3840);
    expect_slot(w, c, 2, WEFT_BIND_READ, 4096, 256, 0);
    weft_free(w);
}

/// One written operand makes every use of its buffer read_write, each over a range of its own.
static void written_buffer_is_read_write(void **state) {
    (void)state;
    struct world *w = begin();
    uint32_t x = add(w, "x", HEAP0, 0, 256, WEFT_READ, 0), y = add(w, "y", HEAP0, 256, 256, WEFT_WRITE, 0);
    uint32_t z = add(w, "z", HEAP0, 512, 256, WEFT_READ, 0), other = add(w, "other", HEAP1, 0, 256, WEFT_READ, 0);
    bind(w);
    expect_slot(w, x, 1, WEFT_BIND_READ_WRITE, 0, 256, 0);
    expect_slot(w, y, 2, WEFT_BIND_READ_WRITE, 256, 256, 0);
    expect_slot(w, z, 3, WEFT_BIND_READ_WRITE, 512, 256, 0);
    expect_slot(w, other, 4, WEFT_BIND_READ, 0, 256, 0);
    weft_free(w);
}

static void in_place_pair_shares(void **state) {
    (void)state;
    struct world *w = begin();
    uint32_t x = add(w, "x", HEAP0, 256, 512, WEFT_READ, WEFT_OPERAND_WIDE),
             y = add(w, "y", HEAP0, 256, 512, WEFT_WRITE, 0);
    REFUSED(weft_bind_step(&w->plan, &w->sc, &w->step), WEFT_ERR_INTERNAL,
            "operands 'x' and 'y' overlap in memory"); // not declared
    w->step.operands[y].inplace_of = (int8_t)x;
    bind(w);
    assert_int_equal(w->step.bound.n_slots, 2);
    expect_slot(w, x, 1, WEFT_BIND_READ_WRITE, 256, 512, 0);
    expect_slot(w, y, 1, WEFT_BIND_READ_WRITE, 256, 512, 0);
    assert_false(w->step.bound.slots[1].wide); // the narrower of the two
    weft_free(w);
}

/// One tensor read twice beside a write to its buffer: both reads through one binding, since bindings of it may not
/// overlap.
static void same_range_read_twice(void **state) {
    (void)state;
    struct world *w = begin();
    uint32_t a = add(w, "a", HEAP0, 0, 256, WEFT_READ, 0), b = add(w, "b", HEAP0, 0, 256, WEFT_READ, 0);
    add(w, "y", HEAP0, 256, 256, WEFT_WRITE, 0);
    bind(w);
    assert_int_equal(w->step.bound.n_slots, 3);
    assert_int_equal(w->step.operands[a].bound.slot, w->step.operands[b].bound.slot);
    weft_free(w);
}

/// Offsets inside a tensor need not be multiples of 256; bindings start at one.
static void binding_starts_are_aligned(void **state) {
    (void)state;
    struct world *w = begin();
    uint32_t x = add(w, "x", HEAP0, 512, 1024, WEFT_READ, 0);
    w->step.operands[x].byte_offset = 272;
    w->step.operands[x].bytes = 256;
    bind(w);
    expect_slot(w, x, 1, WEFT_BIND_READ, 768, 512, 16);
    // Two ranges of one tensor, in one 256-byte block, one written: no bindings can separate them.
    uint32_t y = add(w, "y", HEAP0, 512, 1024, WEFT_WRITE, 0);
    w->step.operands[y].byte_offset = 784 - 256;
    w->step.operands[y].bytes = 64;
    w->step.operands[y].tensor = w->step.operands[x].tensor;
    REFUSED(weft_bind_step(&w->plan, &w->sc, &w->step), WEFT_ERR_INTERNAL, "overlap in memory");
    w->step.operands[y].byte_offset = 768;
    bind(w);
    expect_slot(w, y, 2, WEFT_BIND_READ_WRITE, 1280, 256, 0);
    weft_free(w);
}

static void atomics_never_share(void **state) {
    (void)state;
    struct world *w = begin();
    uint32_t n = add(w, "count", HEAP0, 0, 256, WEFT_READ_WRITE, WEFT_OPERAND_ATOMIC),
             y = add(w, "y", HEAP0, 256, 256, WEFT_WRITE, 0);
    bind(w);
    assert_int_not_equal(w->step.operands[n].bound.slot, w->step.operands[y].bound.slot);
    assert_true(w->step.bound.slots[w->step.operands[n].bound.slot].atomic);
    uint32_t again = add(w, "again", HEAP0, 0, 256, WEFT_READ, 0);
    w->step.operands[again].inplace_of = (int8_t)n;
    REFUSED(weft_bind_step(&w->plan, &w->sc, &w->step), WEFT_ERR_INTERNAL, "atomic operand 'again'");
    weft_free(w);
}

static void limits(void **state) {
    (void)state;
    struct world *w = begin();
    w->plan.caps.max_storage_buffers = 3;
    add(w, "y", HEAP0, 0, 256, WEFT_WRITE, 0);
    for (uint64_t i = 1; i < 3; i++) add(w, "x", HEAP0, 256 * i, 256, WEFT_READ, 0);
    bind(w); // three ranges of a written buffer
    add(w, "x3", HEAP0, 1024, 256, WEFT_READ, 0);
    REFUSED(weft_bind_step(&w->plan, &w->sc, &w->step), WEFT_ERR_LIMIT, "more than the 3 storage bindings");
    w->plan.caps.max_storage_buffers = 1000; // WEFT_MAX_SLOTS still holds
    for (uint64_t i = 0; i < 12; i++) add(w, "more", HEAP0, 4096 + 256 * i, 256, WEFT_READ, 0);
    REFUSED(weft_bind_step(&w->plan, &w->sc, &w->step), WEFT_ERR_LIMIT, "storage bindings");
    weft_free(w);

    w = begin();
    w->plan.caps.max_binding = 1024;
    add(w, "large", HEAP0, 0, 1280, WEFT_READ, 0);
    bind(w); // two segments
    assert_int_equal(w->step.bound.n_slots, 3);
    assert_int_equal(w->step.operands[0].bound.n_segments, 2);
    w->step.operands[0].flags = WEFT_OPERAND_ATOMIC;
    REFUSED(weft_bind_step(&w->plan, &w->sc, &w->step), WEFT_ERR_LIMIT, "atomic operand 'large' of 1280 bytes");
    weft_free(w);

    w = begin();
    w->step.n_fields = WEFT_MAX_WORDS - 1;
    add(w, "a", HEAP0, 0, 256, WEFT_READ, 0);
    bind(w);
    assert_int_equal(w->step.bound.n_words, WEFT_MAX_WORDS);
    add(w, "b", HEAP0, 256, 256, WEFT_READ, 0);
    REFUSED(weft_bind_step(&w->plan, &w->sc, &w->step), WEFT_ERR_LIMIT, "65 parameter words");
    weft_free(w);
}

/// The binder's words: offsets in elements from the slot's start, after the kernel's fields.
static void offsets_are_parameters(void **state) {
    (void)state;
    struct world *w = begin();
    uint32_t a = add(w, "a", SHARD, 0, 256, WEFT_READ, 0), b = add(w, "b", SHARD, 1024, 256, WEFT_READ, 0);
    w->step.operands[b].dtype = WEFT_F16;
    w->step.n_fields = 2;
    bind(w);
    uint32_t words[WEFT_MAX_WORDS], grid[3];
    struct weft_dims *dims = weft_dims_create();
    assert_non_null(dims);
    struct weft_update u = {.step = &w->step, .caps = &w->plan.caps, .dims = dims};
    weft_step_update(&u, words, grid);
    weft_dims_destroy(dims);
    assert_int_equal(words[2 + a], 0);
    assert_int_equal(words[2 + b], 512);
    assert_int_equal(w->step.bound.n_words, 4);
    weft_free(w);
}

/// Operands above the limit share their segments only if they are one range: another start is cut at other places.
static void segments_of_one_range_are_shared(void **state) {
    (void)state;
    struct world *w = begin();
    w->plan.caps.max_binding = 1024;
    uint32_t a = add(w, "a", SHARD, 0, 4096, WEFT_READ, 0), b = add(w, "b", SHARD, 512, 4096 - 512, WEFT_READ, 0),
             c = add(w, "c", SHARD, 0, 4096, WEFT_READ, 0), d = add(w, "d", SHARD, 0, 4096 - 512, WEFT_READ, 0);
    w->plan.caps.max_storage_buffers = 16;
    bind(w);
    const struct weft_operand *o = w->step.operands;
    assert_int_equal(w->step.bound.n_slots, 1 + 4 + 4 + 4);
    assert_int_equal(o[a].bound.slot, o[c].bound.slot);
    assert_int_not_equal(o[a].bound.slot, o[b].bound.slot);
    assert_int_not_equal(o[a].bound.slot, o[d].bound.slot);
    assert_int_equal(w->step.bound.slots[o[b].bound.slot].offset, 512);
    assert_int_equal(w->step.bound.slots[o[d].bound.slot + 3].size, 512);
    weft_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_reads_by_width),
        cmocka_unit_test(keeps_distant_reads_apart),
        cmocka_unit_test(written_buffer_is_read_write),
        cmocka_unit_test(in_place_pair_shares),
        cmocka_unit_test(same_range_read_twice),
        cmocka_unit_test(binding_starts_are_aligned),
        cmocka_unit_test(atomics_never_share),
        cmocka_unit_test(limits),
        cmocka_unit_test(segments_of_one_range_are_shared),
        cmocka_unit_test(offsets_are_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
