/// Files of measured shapes: what a line changes, and that a shape which a kernel or the device does not have never
/// leaves the reader.
#include "core/error.h"
#include "core/file.h"
#include "gpu/gpu_backend.h"
#include "plan/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct weft_profile profile(bool least) {
    struct weft_gpu_caps caps;
    weft_gpu_null_caps(&caps);
    caps.kind = WEFT_GPU_DISCRETE;
    if (least) weft_gpu_caps_min(&caps);
    return weft_profile_make(&caps);
}

static void lines_change_their_class(void **state) {
    (void)state;
    struct weft_arena arena = {0};
    struct weft_profile before = profile(false), p = before;
    const char *text =
        "# measured on a device\n\nmatmul 16 columns=32 rows=8\n  matvec_direct\tany threads=64 lanes=16\r\n"
        "rows 64 threads=64\nmatmul any rows=64 lanes=8";
    if (weft_profile_tune_text(&p, "text", text, &arena) != WEFT_OK) fail_msg("%s", weft_error_message());
    assert_int_equal(weft_tile_of(&p, WEFT_TILE_MATMUL, 9)->columns, 32);
    assert_int_equal(weft_tile_of(&p, WEFT_TILE_MATMUL, 16)->rows, 8);
    assert_int_equal(weft_tile_of(&p, WEFT_TILE_MATMUL, 17)->rows, 64);
    assert_int_equal(weft_tile_of(&p, WEFT_TILE_MATMUL, 17)->lanes, 8);
    assert_int_equal(weft_tile_of(&p, WEFT_TILE_MATVEC_DIRECT, 5)->threads, 64);
    assert_int_equal(weft_tile_of(&p, WEFT_TILE_ROWS, 64)->threads, 64);
    // All else is as it was, sizes of every class among it.
    for (int use = 0; use < WEFT_TILE_USES; use++)
        for (uint64_t size = 1; size && size < (uint64_t)1 << 40; size *= 2) {
            bool changed = use == WEFT_TILE_MATVEC_DIRECT || (use == WEFT_TILE_MATMUL && size > 8) ||
                           (use == WEFT_TILE_ROWS && size <= 64);
            const struct weft_tile *a = weft_tile_of(&before, (enum weft_tile_use)use, size);
            if (!changed) assert_memory_equal(a, weft_tile_of(&p, (enum weft_tile_use)use, size), sizeof *a);
        }
    weft_arena_free(&arena);
}

static void wrong_lines_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text;
        weft_status status;
        const char *words;
    } wrong[] = {
        {"\nmatmull any rows=8", WEFT_ERR_FORMAT, "line 2: 'matmull': no kernel's shapes"},
        {"attention 4 rows=8", WEFT_ERR_FORMAT, "can't be set by a file"},
        {"matmul", WEFT_ERR_FORMAT, "the class, a number or `any`"},
        {"matmul many rows=8", WEFT_ERR_FORMAT, "'many': the class"},
        {"matmul 9 rows=8", WEFT_ERR_FORMAT, "'9': the use has no such class"},
        {"matmul 0 rows=8", WEFT_ERR_FORMAT, "'0': the use has no such class"},
        {"matmul any", WEFT_ERR_FORMAT, "at least one FIELD=NUMBER"},
        {"matmul any rows", WEFT_ERR_FORMAT, "'rows': FIELD=NUMBER"},
        {"matmul any rows=", WEFT_ERR_FORMAT, "FIELD=NUMBER"},
        {"matmul any rows=-8", WEFT_ERR_FORMAT, "FIELD=NUMBER"},
        {"matmul any rows=8x", WEFT_ERR_FORMAT, "FIELD=NUMBER"},
        {"matmul any rows=4294967296", WEFT_ERR_FORMAT, "FIELD=NUMBER"},
        {"matmul any rows=99999999999999999999", WEFT_ERR_FORMAT, "FIELD=NUMBER"},
        {"matmul any block=8", WEFT_ERR_FORMAT, "'block': this use has no such field"},
        {"elements any lanes=8", WEFT_ERR_FORMAT, "'lanes': this use has no such field"},
        {"elements any threads=0", WEFT_ERR_LIMIT, "power of two"},
        {"elements any threads=48", WEFT_ERR_LIMIT, "power of two"},
        {"elements any threads=512", WEFT_ERR_LIMIT, "at most 256"},
        {"matvec 8 lanes=256", WEFT_ERR_LIMIT, "at most threads"},
        {"matvec 8 rows=9", WEFT_ERR_LIMIT, "from 1 to 8"},
        {"matvec_direct any columns=3", WEFT_ERR_LIMIT, "a power of two up to 8"},
        {"matvec_direct any threads=256 rows=8 columns=8", WEFT_ERR_LIMIT, "must fit workgroup memory"},
        {"matmul any rows=12", WEFT_ERR_LIMIT, "multiples of threads"},
        {"matmul any rows=0", WEFT_ERR_LIMIT, "multiples of threads"},
        {"matmul any rows=256 columns=256 threads=128", WEFT_ERR_LIMIT, "at most 64"},
        {"matmul any rows=128 columns=64 threads=256 lanes=16", WEFT_ERR_LIMIT, "must fit workgroup memory"},
        {"matmul any unroll=2", WEFT_ERR_LIMIT, "unroll is 0 or 1"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct weft_arena arena = {0};
        struct weft_profile p = profile(true);
        weft_status status = weft_profile_tune_text(&p, "text", wrong[i].text, &arena);
        if (status != wrong[i].status || !strstr(weft_error_message(), wrong[i].words))
            fail_msg("'%s': status %d, '%s' lacks '%s'", wrong[i].text, (int)status, weft_error_message(),
                     wrong[i].words);
        assert_null(p.tuned);
        weft_arena_free(&arena);
    }
}

/// What a small device refuses a larger one may have.
static void limits_are_those_of_the_device(void **state) {
    (void)state;
    struct weft_arena arena = {0};
    struct weft_profile p = profile(true), large = p;
    const char *text = "matmul any rows=128 columns=64 threads=256 lanes=16\n";
    large.workgroup_memory = 48 << 10;
    assert_int_equal(weft_profile_tune_text(&p, "text", text, &arena), WEFT_ERR_LIMIT);
    assert_int_equal(weft_profile_tune_text(&large, "text", text, &arena), WEFT_OK);
    weft_arena_free(&arena);
}

static void files_are_read(void **state) {
    (void)state;
    struct weft_arena arena = {0};
    struct weft_profile p = profile(false);
    char path[] = "test_tune_XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(close(file), 0);
    assert_int_equal(weft_profile_tune(&p, path, &arena), WEFT_OK); // an empty file changes nothing
    assert_int_equal(weft_file_write(path, "copy any threads=256\n", 21), WEFT_OK);
    assert_int_equal(weft_profile_tune(&p, path, &arena), WEFT_OK);
    assert_int_equal(weft_tile_of(&p, WEFT_TILE_COPY, 1)->threads, 256);
    assert_int_equal(weft_file_write(path, "copy\0any", 8), WEFT_OK);
    assert_int_equal(weft_profile_tune(&p, path, &arena), WEFT_ERR_FORMAT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(weft_profile_tune(&p, path, &arena), WEFT_ERR_NOT_FOUND);
    assert_non_null(strstr(weft_error_message(), path));
    weft_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_change_their_class),
        cmocka_unit_test(wrong_lines_are_refused),
        cmocka_unit_test(limits_are_those_of_the_device),
        cmocka_unit_test(files_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
