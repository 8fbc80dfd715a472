/// The command line on a driver: streaming, Ctrl-C and a reader that goes away, on a tiny model.
#include "cli.h"
#include "model/gguf.h"
#include "support/hf_folder.h"
#include "support/tiny_gemma3.h"

#include <jansson.h>
#include <pty.h>
#include <signal.h>

static const char *tiny(void) {
    static char path[256];
    if (!*path) {
        snprintf(path, sizeof path, "%s/tiny.gguf", cli_folder());
        assert_true(weft_tiny_gemma3_write(
            &(struct weft_tiny_gemma3){.seed = 1, .ctx = 8192, .n_layer = 2, .period = 2, .plain = true}, path));
    }
    return path;
}

/// SwiftShader compiles these kernels for most of a minute a process: one process there, and where limits are masked.
static void skip_where_dear(void) {
    const char *name = getenv("WEFT_WEBGPU"), *limits = getenv("WEFT_LIMITS");
    if ((name && !strcmp(name, "dawn")) || (limits && *limits)) skip();
}

/// Where the device's time goes: layers together, and shares that end below a hundred.
static void test_bench_steps(void **state) {
    (void)state;
    skip_where_dear();
    struct cli *c = CLI("bench", tiny(), "-p", "4", "-n", "6", "-r", "1", "--steps");
    cli_expect(c, 0);
    assert_non_null(strstr(c->out, "of device time"));
    assert_non_null(strstr(c->out, "attention blk.#.attn"));
    assert_null(strstr(c->out, "blk.0"));
    double sum = 0, share;
    for (const char *line = strstr(c->out, "the longest:"); line && (line = strchr(line + 1, '\n'));)
        if (sscanf(line, " %lf %%", &share) == 1) sum += share;
    assert_true(sum > 50 && sum < 101);
    cli_free(c);
}

/// Every implementation is listed, the one that WEFT_WEBGPU names is the chosen one, and the null device is always
/// there.
static void test_devices(void **state) {
    (void)state;
    const char *name = getenv("WEFT_WEBGPU");
    struct cli *json = CLI("devices", "--json"), *text = CLI("devices");
    cli_expect(json, 0);
    json_t *root = json_loadb(json->out, json->out_size, 0, NULL);
    assert_true(json_is_array(root));
    size_t chosen = 0, null = 0;
    for (size_t i = 0; i < json_array_size(root); i++) {
        const json_t *row = json_array_get(root, i);
        const char *type = json_string_value(json_object_get(row, "type"));
        assert_int_equal(type != NULL, json_is_true(json_object_get(row, "usable")));
        null += type && !strcmp(type, "null");
        if (!json_is_true(json_object_get(row, "chosen"))) continue;
        chosen++;
        if (name) assert_string_equal(json_string_value(json_object_get(row, "implementation")), name);
    }
    assert_int_equal(null, 1);
    assert_int_equal(chosen, 1);
    json_decref(root);
    cli_expect(text, 0);
    assert_true(text->out[0] == '*' || strstr(text->out, "\n* "));
    cli_free(json), cli_free(text);
}

/// At this temperature about every token is as likely as another. The prompt from stdin; text and statistics; --stop
/// cuts the text.
static void test_text(void **state) {
    (void)state;
    skip_where_dear();
    struct cli plain = {.args = {"run", tiny(), "-", "--temp", "1000", "--top-k", "0", "--min-p", "0", "--top-p", "1",
                                 "--seed", "9", "-n", "48", "--ignore-eos", "--stats"},
                        .input = "abc"};
    cli_expect(&plain, 0);
    assert_true(plain.out_size > 4);
    assert_non_null(strstr(plain.err, "48 new tokens"));
    // A byte of the text as a stop text: what is printed ends before its first occurrence. ASCII, so that it is a whole
    // character.
    char stop[2] = "";
    for (size_t i = plain.out_size; i-- > 0 && !stop[0];)
        if ((unsigned char)plain.out[i] < 128 && plain.out[i]) stop[0] = plain.out[i];
    assert_true(stop[0]);
    struct cli cut = {.args = {"run", tiny(), "abc", "--temp", "1000", "--top-k", "0", "--min-p", "0", "--top-p", "1",
                               "--seed", "9", "-n", "48", "--ignore-eos", "--stats", "--stop", stop}};
    cli_expect(&cut, 0);
    assert_int_equal(cut.out_size, (const char *)memchr(plain.out, stop[0], plain.out_size) - plain.out);
    assert_memory_equal(cut.out, plain.out, cut.out_size);
    assert_non_null(strstr(cut.err, "stop text"));
    cli_free(&plain), cli_free(&cut);
}

static off_t size_of(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 ? info.st_size : 0;
}

/// Ctrl-C in the middle: the text so far, statistics, 130.
static void test_interrupt(void **state) {
    (void)state;
    struct cli c = {.args = {"run", tiny(), "abc", "--temp", "1.5", "--seed", "9", "-n", "0", "--ctx", "8192",
                             "--ignore-eos", "--stats"}};
    pid_t pid = cli_start(&c);
    for (int i = 0; i < 30000 && !size_of(cli_path("stdout")); i++) usleep(10000);
    kill(pid, SIGINT);
    cli_finish(&c, pid);
    if (c.code != WEFT_EXIT_INTERRUPTED) fprintf(stderr, "code %d: %s\n", c.code, c.err);
    assert_int_equal(c.code, WEFT_EXIT_INTERRUPTED);
    assert_true(c.out_size > 0);
    assert_non_null(strstr(c.err, "ended by: interrupted"));
    cli_free(&c);
}

/// Ctrl-C in a reply on a terminal ends the reply and not the conversation, which has what came of it.
static void test_chat_interrupt(void **state) {
    (void)state;
    skip_where_dear();
    static const struct weft_tiny_key key = {.name = "tokenizer.chat_template",
                                             .type = WEFT_SOURCE_STRING,
                                             .text = "{% for m in messages %}{{ m.content }}{% endfor %}"};
    const char *model = cli_path("chat.gguf");
    assert_true(weft_tiny_gemma3_write(
        &(struct weft_tiny_gemma3){
            .seed = 1, .ctx = 8192, .n_layer = 2, .period = 2, .plain = true, .keys = &key, .n_keys = 1},
        model));
    int terminal, code, shown = 0;
    fflush(NULL);
    pid_t pid = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(pid >= 0);
    if (pid == 0) {
        char *argv[] = {(char *)"weft", (char *)"chat",    (char *)model,  (char *)"--ctx",
                        (char *)"8192", (char *)"--temp",  (char *)"1000", (char *)"--top-k",
                        (char *)"0",    (char *)"--min-p", (char *)"0",    (char *)"--top-p",
                        (char *)"1",    (char *)"--seed",  (char *)"9",    NULL};
        exit(weft_app_main(15, argv));
    }
    struct weft_str got = {0};
    static const char *const keys[] = {"abc\n", "\x03", "/list\n", "/quit\n"}; // typed when these are seen:
    static const char *const marks[] = {"> ", "abc\r\n", "stopped", "1 user: abc", NULL};
    for (char byte; read(terminal, &byte, 1) == 1;) {
        weft_str_addn(&got, &byte, 1);
        const char *mark = shown < 4 ? strstr(got.data, marks[shown]) : NULL;
        if (!mark || (shown == 1 && strlen(mark) < 12)) continue; // of the reply some bytes
        assert_int_equal(write(terminal, keys[shown], strlen(keys[shown])), (ssize_t)strlen(keys[shown]));
        shown++;
    }
    assert_int_equal(waitpid(pid, &code, 0), pid);
    if (shown < 4 || !WIFEXITED(code) || WEXITSTATUS(code)) fail_msg("%d, %x: %s", shown, (unsigned)code, got.data);
    assert_non_null(strstr(got.data, "2 assistant: "));
    weft_str_free(&got);
    close(terminal);
}

/// `weft run ... | head -c 1`: the run ends, and says nothing.
static void test_reader_leaves(void **state) {
    (void)state;
    skip_where_dear();
    int ends[2], status;
    char byte;
    assert_int_equal(pipe(ends), 0);
    struct cli c = {
        .args = {"run", tiny(), "abc", "--temp", "1.5", "--seed", "9", "-n", "0", "--ctx", "8192", "--ignore-eos"}};
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        if (dup2(ends[1], STDOUT_FILENO) < 0) _exit(99);
        close(ends[1]);
        if (!freopen(cli_path("stderr"), "w", stderr)) _exit(99);
        char *argv[CLI_ARGS + 2] = {(char *)"weft"};
        int argc = 1;
        for (; c.args[argc - 1]; argc++) argv[argc] = (char *)c.args[argc - 1];
        exit(weft_app_main(argc, argv));
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), WEFT_EXIT_PIPE);
    char *err;
    size_t size;
    assert_int_equal(weft_file_read(cli_path("stderr"), 0, &err, &size), WEFT_OK);
    assert_null(strstr(err, "weft:")); // drivers may have their say
    weft_free(err);
}

static int teardown(void **state) {
    (void)state;
    cli_remove_all();
    return 0;
}

/// Both end well, and print the same text.
static void expect_same(struct cli *a, struct cli *b) {
    cli_expect(a, 0);
    cli_expect(b, 0);
    assert_true(a->out_size > 4);
    assert_int_equal(b->out_size, a->out_size);
    assert_memory_equal(b->out, a->out, a->out_size);
}

/// A folder of Hugging Face runs as the same model's GGUF file does, to the letter.
static void test_folder(void **state) {
    (void)state;
    skip_where_dear();
    char path[256], of_hf[256], *data = NULL;
    size_t size;
    struct weft_source *s;
    assert_int_equal(weft_file_read(tiny(), 0, &data, &size), WEFT_OK);
    assert_int_equal(weft_gguf_open_memory(data, size, "tiny", &s), WEFT_OK);
    weft_hf_round(s);
    snprintf(path, sizeof path, "%s/rounded.gguf", cli_folder());
    cli_write(path, data, size);
    snprintf(of_hf, sizeof of_hf, "%s/folder", cli_folder());
    assert_true(weft_hf_write_folder(s, of_hf, 2));
    weft_source_close(s);
    weft_free(data);
    struct cli *file = CLI("run", path, "abc", "--temp", "0", "-n", "24", "--ignore-eos"),
               *folder = CLI("run", of_hf, "abc", "--temp", "0", "-n", "24", "--ignore-eos");
    expect_same(file, folder);
    cli_free(file), cli_free(folder);
}

/// One beam prints what the likeliest tokens are.
static void test_beams(void **state) {
    (void)state;
    skip_where_dear();
    struct cli *greedy = CLI("run", tiny(), "abc", "--temp", "0", "-n", "12", "--ignore-eos"),
               *one = CLI("run", tiny(), "abc", "--beams", "1", "-n", "12", "--ignore-eos");
    expect_same(greedy, one);
    cli_free(greedy), cli_free(one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_devices),   cmocka_unit_test(test_bench_steps),    cmocka_unit_test(test_text),
        cmocka_unit_test(test_interrupt), cmocka_unit_test(test_chat_interrupt), cmocka_unit_test(test_reader_leaves),
        cmocka_unit_test(test_folder),    cmocka_unit_test(test_beams),
    };
    return cmocka_run_group_tests_name("cli on a driver", tests, NULL, teardown);
}
