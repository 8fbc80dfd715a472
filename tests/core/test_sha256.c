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
    const char *long_one = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
                           "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
    assert_int_equal(weft_sha256_hex(long_one, strlen(long_one), hex), WEFT_OK);
    assert_string_equal(hex, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
}

/// Lengths around the ends of blocks and of the padding; digests of another implementation. The bytes come whole and in
/// pieces of every size.
static void test_lengths(void **state) {
    (void)state;
    static const struct {
        size_t length;
        const char *digest;
    } rows[] = {
        {1, "ca358758f6d27e6cf45272937977a748fd88391db679ceda7dc7bf1f005ee879"},
        {54, "210923e7b61c54f30cbbbf981c957f4f8f34c1d18d1863ef3a3db48ad991cca2"},
        {55, "4cfcc2771bfe1d9569dff80565efddb245e4f480503e29f39cabd2a803df639a"},
        {56, "8c6fabc04644a28838809bbf23aac665f574f8e350c3fc620aecd58193fc6fe9"},
        {57, "09602578f94a487c64ca0fbb0af28fd2f71029df38c5c5749c101ec5a76e9e14"},
        {63, "f9740f526ff5b76381fbd8f27333de45ff77bc1e6cd2d696357f837f2c6fb3bd"},
        {64, "0277d2ee9ab7ac130da65c6f8b6612449f1f95adc68597a55393ebfde47d72cb"},
        {65, "b04cf89fc1dd2c3998754469afe354193d0351a8869a4c01c78e5f3fd9c288c5"},
        {119, "b51f2c1e02e208228bafda3bc6f9a8e6ffacf75f0301d8269842aae671c9b339"},
        {120, "639876f579bd42ba160da4bc4a5a4a0b24368fcf1b946666e4fcaca9ac3df4c8"},
        {127, "992a17878e3683d5c81a18b53db21dc913e01024a42d175ac1dba027a20101a3"},
        {128, "d7e35d44a21df6aedb1dde3425d95884df446995820ccec65182c2d821d21727"},
        {1000, "557a0d461baa2b2c24a7b8bf35cb30016e7044666719436f38a03d7e84238259"},
    };
    unsigned char data[1000];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)((i * 131 + 7) % 251);
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        char hex[65];
        assert_int_equal(weft_sha256_hex(data, rows[r].length, hex), WEFT_OK);
        assert_string_equal(hex, rows[r].digest);
        for (size_t piece = 1; piece <= 130; piece++) {
            struct weft_sha256 s;
            weft_sha256_begin(&s);
            for (size_t at = 0; at < rows[r].length; at += piece)
                weft_sha256_add(&s, data + at, rows[r].length - at < piece ? rows[r].length - at : piece);
            weft_sha256_add(&s, NULL, 0);
            weft_sha256_end(&s, hex);
            assert_string_equal(hex, rows[r].digest);
        }
    }
}

static void test_million(void **state) {
    (void)state;
    char hex[65], a[1000];
    struct weft_sha256 s;
    memset(a, 'a', sizeof a);
    weft_sha256_begin(&s);
    for (int i = 0; i < 1000; i++) weft_sha256_add(&s, a, sizeof a);
    weft_sha256_end(&s, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    assert_int_equal(weft_sha256_hex(NULL, 3, hex), WEFT_ERR_INVALID);
    assert_string_equal(hex, "");
    assert_int_equal(weft_sha256_hex(NULL, 0, hex), WEFT_OK);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_lengths),
                                       cmocka_unit_test(test_million), cmocka_unit_test(test_file)};
    return cmocka_run_group_tests_name("core/sha256", tests, NULL, NULL);
}
