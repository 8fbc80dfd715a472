/// A group that needs more of something than one kernel has room for (sizes, operands, stored halves) is fused less; it
/// is no fault of the compiler and no reason to refuse a graph.
#include "plan_fixture.h"

/// Leaves broadcast along different axes of eight live sizes: each brings strides of its own.
static void write_broadcasts(struct weft_str *g, uint32_t n) {
    static const char axes[] = "ABCDEFGH";
    static const uint8_t masks[13] = {0xaa, 0x55, 0xb6, 0x6d, 0xdb, 0xa5, 0x5a, 0xcc, 0x33, 0x99, 0x66, 0x96, 0x69};
    for (uint32_t i = 0; i < 8; i++) weft_str_addf(g, "symbol %c 2 3\n", axes[i]);
    weft_str_add(g, "input x f32 [A, B, C, D, E, F, G, H]\n");
    for (uint32_t i = 0; i < n; i++) {
        weft_str_addf(g, "input y%u f32 [", i);
        for (uint32_t k = 0; k < 8; k++) weft_str_addf(g, k ? ", %c" : "%c", masks[i % 13] >> k & 1 ? axes[k] : '1');
        weft_str_add(g, "]\n");
    }
    weft_str_add(g, "%0 = neg %x\n");
    for (uint32_t i = 0; i < n; i++) weft_str_addf(g, "%%%u = add %%%u %%y%u\n", i + 1, i, i);
    weft_str_addf(g, "output %%%u z\n", n);
}

static uint32_t steps_of(const char *text, uint32_t storage_buffers, const char *words) {
    struct weft_gpu_caps caps = fixture_caps();
    caps.max_storage_buffers = storage_buffers;
    struct weft_plan *p = fixture_plan(text, &caps, NULL);
    uint32_t n = p->schedules[0].n_steps;
    if (words && !strstr(weft_str_get(&p->report), words)) fail_msg("'%s' lacks '%s'", weft_str_get(&p->report), words);
    weft_plan_destroy(p);
    return n;
}

static void too_many_sizes(void **state) {
    (void)state;
    struct weft_str small = {0}, large = {0};
    write_broadcasts(&small, 2);
    write_broadcasts(&large, 20);
    assert_int_equal(steps_of(weft_str_get(&small), 32, NULL), 1);
    uint32_t n = steps_of(weft_str_get(&large), 32, "uses more than 24 live sizes");
    assert_in_range(n, 2, 20);
    weft_str_free(&small);
    weft_str_free(&large);
}

/// Seventeen results in f16 and more: a kernel stores sixteen.
static void too_many_operands(void **state) {
    (void)state;
    struct weft_str g = {0};
    weft_str_add(&g, "symbol T 1 9\ninput x f32 [T, 8]\n%n = neg %x\n");
    for (int i = 0; i < 30; i++)
        weft_str_addf(&g, "const %%k%d f32 [] %d\n%%%d = mul %%n %%k%d\n%%h%d = cast %%%d {to=f16}\noutput %%h%d o%d\n",
                      i, i, i, i, i, i, i, i);
    assert_in_range(steps_of(weft_str_get(&g), 1000, NULL), 2, 200);
    weft_str_free(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(too_many_sizes), cmocka_unit_test(too_many_operands)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
