/// The map against a plain array of what should be in it.
#include "core/alloc.h"
#include "core/map.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define KEYS 100000

static size_t key_of(uint32_t i, char *out) {
    if (i % 3 == 0) { // binary keys, zero bytes inside
        memcpy(out, &i, 4);
        return 4;
    }
    return (size_t)sprintf(out, "key/%u", i);
}

static void check_all(const struct weft_map *m, const uint64_t *want) {
    char key[32];
    size_t count = 0;
    for (uint32_t i = 0; i < KEYS; i++) {
        uint64_t value = 77;
        bool there = weft_map_get(m, key, key_of(i, key), &value);
        if (there != (want[i] != 0) || (there && value != want[i])) fail_msg("key %u is wrong", i);
        count += there;
    }
    assert_int_equal(m->count, count);
}

static void test_many(void **state) {
    (void)state;
    static uint64_t want[KEYS];
    int64_t live = weft_alloc_stats().live;
    struct weft_map m = {0};
    char key[32];
    for (uint32_t i = 0; i < KEYS; i++) {
        assert_true(weft_map_set(&m, key, key_of(i, key), want[i] = i * UINT64_C(0x100000001) + 1));
    }
    check_all(&m, want);
    uint32_t random = 12345;
    for (int round = 0; round < 300000; round++) { // removals and insertions mixed
        random = random * 1664525u + 1013904223u;
        uint32_t i = (random >> 8) % KEYS;
        if (random >> 31) {
            assert_int_equal(weft_map_remove(&m, key, key_of(i, key)), want[i] != 0);
            want[i] = 0;
        } else {
            assert_true(weft_map_set(&m, key, key_of(i, key), want[i] = random));
        }
    }
    check_all(&m, want);
    for (uint32_t i = 0; i < KEYS; i++) assert_int_equal(weft_map_remove(&m, key, key_of(i, key)), want[i] != 0);
    assert_int_equal(m.count, 0);
    weft_map_free(&m);
    assert_int_equal(weft_alloc_stats().live, live);
}

static void test_edges(void **state) {
    (void)state;
    struct weft_map m = {0};
    uint64_t value = 5;
    assert_false(weft_map_get(&m, "a", 1, &value));
    assert_false(weft_map_remove(&m, "a", 1));
    assert_int_equal(value, 5);
    assert_true(weft_map_set(&m, "", 0, 1)); // the empty key is a key
    assert_true(weft_map_get(&m, NULL, 0, &value));
    assert_int_equal(value, 1);
    assert_true(weft_map_set(&m, "", 0, 2));
    assert_int_equal(m.count, 1);
    assert_true(weft_map_remove(&m, "", 0));
    assert_false(weft_map_get(&m, "", 0, NULL));
    assert_true(weft_map_set(&m, "a", 1, 10));
    assert_true(weft_map_set(&m, "a\0", 2, 30)); // keys are bytes
    assert_true(weft_map_get(&m, "a", 1, &value));
    assert_int_equal(value, 10);
    assert_true(weft_map_get(&m, "a\0", 2, &value));
    assert_int_equal(value, 30);
    weft_map_free(&m);
}

static void test_out_of_memory(void **state) {
    (void)state;
    int64_t live = weft_alloc_stats().live;
    for (uint64_t n = 1; n < 120; n++) {
        struct weft_map m = {0};
        weft_alloc_fail_at(n, 0);
        int failures = 0;
        for (uint32_t i = 0; i < 100; i++) {
            if (!weft_map_set(&m, &i, 4, i)) {
                failures++;
                assert_false(weft_map_get(&m, &i, 4, NULL));
            }
        }
        weft_alloc_fail_at(0, 0);
        assert_int_equal(m.count, 100 - failures);
        assert_in_range(failures, 0, 1);
        weft_map_free(&m);
        assert_int_equal(weft_alloc_stats().live, live);
    }
}

static void test_hash(void **state) {
    (void)state;
    // Fixed for good: caches on disk are named by it.
    assert_true(weft_hash("", 0, 0) == UINT64_C(0xa2f7c0a7dd7787f5));
    assert_true(weft_hash("weft", 4, 0) == UINT64_C(0xc4cf4c3d573e15d9));
    assert_true(weft_hash("weft weft weft", 14, 9) == UINT64_C(0x49447378153d19a3));
    unsigned char bytes[64] = {0};
    uint64_t seen[65];
    for (size_t n = 0; n <= 64; n++) { // runs of zeros of any length differ
        seen[n] = weft_hash(bytes, n, 0);
        for (size_t k = 0; k < n; k++) assert_true(seen[k] != seen[n]);
    }
    assert_true(weft_hash("a", 1, 1) != weft_hash("a", 1, 2));
    // Every bit of a word of input moves about half of the output.
    for (int bit = 0; bit < 128; bit++) {
        memset(bytes, 0, 16);
        uint64_t base = weft_hash(bytes, 16, 0);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_in_range(__builtin_popcountll(base ^ weft_hash(bytes, 16, 0)), 12, 52);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_hash),
    };
    return cmocka_run_group_tests_name("core/map", tests, NULL, NULL);
}
