/// Mapping, reading, atomic writing, folders and the cache folder, in a temporary folder of its own.
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char dir[256];
static char joined[4][512];

static const char *in_dir(const char *name) {
    static int turn;
    char *out = joined[turn++ % 4];
    snprintf(out, sizeof joined[0], "%s/%s", dir, name);
    return out;
}

static int set_up(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/weft-file-XXXXXX", base && *base ? base : "/tmp");
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    static const char *const names[] = {"empty", "file", "fifo", "x/y/z", "x/y", "x"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) remove(in_dir(names[i]));
    return rmdir(dir); // fails when a part file was left behind
}

static void write_plain(const char *path, const char *text, size_t size) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void test_map(void **state) {
    (void)state;
    struct weft_mapping m;
    write_plain(in_dir("empty"), "", 0);
    assert_int_equal(weft_file_map(in_dir("empty"), &m), WEFT_OK);
    assert_int_equal(m.size, 0);
    assert_non_null(m.data);
    weft_file_unmap(&m);
    weft_file_unmap(&m);
    write_plain(in_dir("file"), "a\0b", 3);
    assert_int_equal(weft_file_map(in_dir("file"), &m), WEFT_OK);
    assert_int_equal(m.size, 3);
    assert_memory_equal(m.data, "a\0b", 3);
    weft_file_unmap(&m);
    assert_null(m.data);
    assert_int_equal(weft_file_map(in_dir("missing"), &m), WEFT_ERR_NOT_FOUND);
    assert_non_null(strstr(weft_error_message(), "missing"));
    assert_int_equal(weft_file_map(in_dir("file/below"), &m), WEFT_ERR_NOT_FOUND);
    assert_int_equal(weft_file_map(dir, &m), WEFT_ERR_IO);
    assert_non_null(strstr(weft_error_message(), "folder"));
    assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
    assert_int_equal(weft_file_map(in_dir("fifo"), &m), WEFT_ERR_IO); // and doesn't hang
    assert_null(m.data);
}

static void test_read(void **state) {
    (void)state;
    static char big[20000];
    memset(big, 'q', sizeof big);
    write_plain(in_dir("file"), big, sizeof big);
    char *data;
    size_t size;
    assert_int_equal(weft_file_read(in_dir("file"), 0, &data, &size), WEFT_OK);
    assert_int_equal(size, sizeof big);
    assert_memory_equal(data, big, sizeof big);
    assert_int_equal(data[size], 0);
    weft_free(data);
    assert_int_equal(weft_file_read(in_dir("file"), sizeof big, &data, &size), WEFT_OK);
    weft_free(data);
    assert_int_equal(weft_file_read(in_dir("file"), SIZE_MAX, &data, NULL), WEFT_OK);
    weft_free(data);
    assert_int_equal(weft_file_read(in_dir("file"), sizeof big - 1, &data, &size), WEFT_ERR_LIMIT);
    assert_null(data);
    assert_int_equal(weft_file_read(in_dir("missing"), 0, &data, &size), WEFT_ERR_NOT_FOUND);
    assert_int_equal(weft_file_read(dir, 0, &data, &size), WEFT_ERR_IO);
    write_plain(in_dir("empty"), "", 0);
    assert_int_equal(weft_file_read(in_dir("empty"), 1, &data, &size), WEFT_OK);
    assert_int_equal(size, 0);
    assert_string_equal(data, "");
    weft_free(data);
    int64_t live = weft_alloc_stats().live;
    for (uint64_t n = 1; n < 4; n++) {
        weft_alloc_fail_at(n, 0);
        assert_int_equal(weft_file_read(in_dir("file"), 0, &data, &size), WEFT_ERR_NOMEM);
        assert_null(data);
    }
    weft_alloc_fail_at(0, 0);
    assert_int_equal(weft_alloc_stats().live, live);
}

static void test_stdin(void **state) {
    (void)state;
    write_plain(in_dir("file"), "piped", 5);
    int saved = dup(0);
    assert_non_null(freopen(in_dir("file"), "rb", stdin));
    char *data;
    size_t size;
    assert_int_equal(weft_file_read("-", 100, &data, &size), WEFT_OK);
    assert_string_equal(data, "piped");
    weft_free(data);
    dup2(saved, 0);
    close(saved);
}

static int entries(void) {
    DIR *d = opendir(dir);
    int n = 0;
    assert_non_null(d);
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

static void test_write(void **state) {
    (void)state;
    char *data;
    remove(in_dir("file"));
    int before = entries();
    assert_int_equal(weft_file_write(in_dir("file"), "one", 3), WEFT_OK);
    assert_int_equal(weft_file_write(in_dir("file"), "three", 5), WEFT_OK);
    assert_int_equal(weft_file_read(in_dir("file"), 0, &data, NULL), WEFT_OK);
    assert_string_equal(data, "three");
    weft_free(data);
    assert_int_equal(entries(), before + 1); // no part file stays
    // A mapping made before goes on showing the old file.
    struct weft_mapping m;
    assert_int_equal(weft_file_map(in_dir("file"), &m), WEFT_OK);
    assert_int_equal(weft_file_write(in_dir("file"), "", 0), WEFT_OK);
    assert_memory_equal(m.data, "three", 5);
    weft_file_unmap(&m);
    assert_int_equal(weft_file_write(in_dir("no/such"), "x", 1), WEFT_ERR_NOT_FOUND);
    assert_int_equal(weft_dir_make(in_dir("x/y/z")), WEFT_OK);
    before = entries();
    assert_int_equal(weft_file_write(in_dir("x"), "x", 1), WEFT_ERR_IO); // a folder cannot be replaced
    assert_int_equal(entries(), before);                                 // and the part file is gone
    weft_alloc_fail_at(1, 0);
    assert_int_equal(weft_file_write(in_dir("file"), "x", 1), WEFT_ERR_NOMEM);
    weft_alloc_fail_at(0, 0);
}

static void test_dirs(void **state) {
    (void)state;
    assert_int_equal(weft_dir_make(in_dir("x/y/z")), WEFT_OK);
    assert_int_equal(weft_dir_make(in_dir("x/y/z/")), WEFT_OK);
    assert_int_equal(weft_dir_make(dir), WEFT_OK);
    assert_int_equal(weft_dir_make("/"), WEFT_OK);
    assert_int_equal(weft_dir_make(""), WEFT_ERR_NOT_FOUND);
    write_plain(in_dir("file"), "", 0);
    assert_int_equal(weft_dir_make(in_dir("file/below")), WEFT_ERR_IO);
    assert_int_equal(weft_dir_make(in_dir("file")), WEFT_ERR_IO);
}

static void test_cache_dir(void **state) {
    (void)state;
    char *path;
    setenv("XDG_CACHE_HOME", "/some/where", 1);
    assert_int_equal(weft_cache_dir(&path), WEFT_OK);
    assert_string_equal(path, "/some/where/weft");
    weft_free(path);
    setenv("XDG_CACHE_HOME", "relative", 1);
    setenv("HOME", "/home/w", 1);
    assert_int_equal(weft_cache_dir(&path), WEFT_OK);
    assert_string_equal(path, "/home/w/.cache/weft");
    weft_free(path);
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    assert_int_equal(weft_cache_dir(&path), WEFT_ERR_NOT_FOUND);
    assert_null(path);
}

static void test_now(void **state) {
    (void)state;
    double a = weft_now(), b = weft_now();
    assert_true(a > 0 && b >= a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map),   cmocka_unit_test(test_read), cmocka_unit_test(test_stdin),
        cmocka_unit_test(test_write), cmocka_unit_test(test_dirs), cmocka_unit_test(test_cache_dir),
        cmocka_unit_test(test_now),
    };
    return cmocka_run_group_tests_name("core/file", tests, set_up, tear_down);
}
