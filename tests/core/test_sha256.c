/// Published test vectors, and the file in pieces against the buffer.
#include "core/alloc.h"
#include "core/file.h"
#include "core/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_vectors(void **state) {
    (void)state;
    char hex[65];
    assert_int_equal(weft_sha256_hex("", 0, hex), WEFT_OK);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_int_equal(weft_sha256_hex("abc", 3, hex), WEFT_OK);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    assert_int_equal(weft_sha256_hex(two, strlen(two), hex), WEFT_OK);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void test_file(void **state) {
    (void)state;
    char path[] = "/tmp/weft-sha-XXXXXX", a[65], b[65];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    static unsigned char data[1000003];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 2654435761u >> 13);
    assert_int_equal(weft_file_write(path, data, sizeof data), WEFT_OK);
    assert_int_equal(weft_sha256_file(path, a), WEFT_OK);
    assert_int_equal(weft_sha256_hex(data, sizeof data, b), WEFT_OK);
    assert_string_equal(a, b);
    data[999999] ^= 1; // the negative control
    assert_int_equal(weft_sha256_hex(data, sizeof data, b), WEFT_OK);
    assert_string_not_equal(a, b);
    weft_alloc_fail_at(1, 0);
    assert_int_equal(weft_sha256_file(path, a), WEFT_ERR_NOMEM);
    weft_alloc_fail_at(0, 0);
    assert_string_equal(a, "");
    remove(path);
    assert_int_equal(weft_sha256_file(path, a), WEFT_ERR_NOT_FOUND);
    assert_int_equal(weft_sha256_file("/tmp", a), WEFT_ERR_IO);
    assert_string_equal(a, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_file)};
    return cmocka_run_group_tests_name("core/sha256", tests, NULL, NULL);
}
