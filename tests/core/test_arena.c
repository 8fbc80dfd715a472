/// Alignment, zeroing, sizes around the block size, and failure without leaks.
#include "core/alloc.h"
#include "core/arena.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_sizes(void **state) {
    (void)state;
    int64_t live = weft_alloc_stats().live;
    struct weft_arena arena = {0};
    static const size_t sizes[] = {0, 1, 15, 16, 17, 4080, 4096, 4097, 100000, 1 << 20, (1 << 20) + 1, 3 << 20, 24};
    unsigned char *made[200];
    size_t n = sizeof sizes / sizeof *sizes;
    for (size_t i = 0; i < 200; i++) {
        size_t size = sizes[i % n];
        made[i] = weft_arena_alloc(&arena, size);
        assert_non_null(made[i]);
        assert_int_equal((uintptr_t)made[i] % 16, 0);
        for (size_t j = 0; j < size; j++) {
            if (made[i][j]) fail_msg("byte %zu of %zu is not zero", j, size);
        }
        memset(made[i], (int)(i + 1), size);
    }
    for (size_t i = 0; i < 200; i++) { // nothing overlaps
        size_t size = sizes[i % n];
        for (size_t j = 0; j < size; j++) assert_int_equal(made[i][j], (unsigned char)(i + 1));
    }
    weft_arena_free(&arena);
    assert_null(arena.head);
    assert_int_equal(weft_alloc_stats().live, live);
    assert_non_null(weft_arena_alloc(&arena, 3)); // usable again
    weft_arena_free(&arena);
    assert_int_equal(weft_alloc_stats().live, live);
}

static void test_printf(void **state) {
    (void)state;
    struct weft_arena arena = {0};
    char *text = weft_arena_printf(&arena, "%s-%d-%*s", "warp", 5, 5000, "x");
    assert_non_null(text);
    assert_int_equal(strlen(text), 5007);
    assert_memory_equal(text, "warp-5- ", 8);
    const int numbers[] = {3, 1, 2};
    int *copy = weft_arena_dup(&arena, numbers, sizeof numbers);
    assert_memory_equal(copy, numbers, sizeof numbers);
    assert_non_null(weft_arena_dup(&arena, NULL, 0));
    assert_string_equal(weft_arena_strdup(&arena, "shuttle"), "shuttle");
    assert_null(weft_arena_strdup(&arena, NULL));
    weft_arena_free(&arena);
}

static void test_failure(void **state) {
    (void)state;
    int64_t live = weft_alloc_stats().live;
    struct weft_arena arena = {0};
    weft_alloc_fail_at(1, 1);
    assert_null(weft_arena_alloc(&arena, 8));
    assert_null(weft_arena_strdup(&arena, "x"));
    assert_null(weft_arena_printf(&arena, "x"));
    weft_alloc_fail_at(0, 0);
    assert_null(weft_arena_alloc(&arena, SIZE_MAX));
    assert_null(weft_arena_alloc(&arena, SIZE_MAX - 20));
    char *first = weft_arena_strdup(&arena, "kept");
    weft_alloc_fail_at(1, 1);
    assert_null(weft_arena_alloc(&arena, 1 << 20));
    assert_non_null(weft_arena_alloc(&arena, 8)); // the block at hand still serves
    weft_alloc_fail_at(0, 0);
    assert_string_equal(first, "kept");
    weft_arena_free(&arena);
    assert_int_equal(weft_alloc_stats().live, live);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_printf),
        cmocka_unit_test(test_failure),
    };
    return cmocka_run_group_tests_name("core/arena", tests, NULL, NULL);
}
