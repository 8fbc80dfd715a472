/// The far end: whatever files, graphs, catalogues and command lines hold, nothing that a terminal acts on is printed,
/// JSON is valid and nothing is missing from it.
#include "cli.h"
#include "core/utf8.h"
#include "core/visible.h"
#include "model/gguf.h"
#include "model/gguf_writer.h"
#include "support/tiny_gemma3.h"

#include <fcntl.h>
#include <jansson.h>
#include <pty.h>

/// ESC with the commands that clear, set the title and write the clipboard; BEL; C1 as UTF-8; bare bytes; a mark that
/// turns the direction of writing.
#define HOSTILE                                                                                                        \
    "\x1b[2J\x1b]0;t\x07\x1b]52;c;aGk=\x07\xc2\x9b"                                                                    \
    "31m\x9b\xff\xe2\x80\xae\r\b\x7f"
#define HIGH                                                                                                           \
    "\xc2\x9b"                                                                                                         \
    "31m\x9b\xff\xe2\x80\xae" // without what names in files may not hold

static bool safe(const char *text, size_t n) {
    for (size_t i = 0, size; i < n; i += size) {
        uint32_t code;
        size = weft_utf8_next(text + i, n - i, &code);
        if (!size || (weft_is_control(code) && code != '\n' && code != '\t')) return false;
    }
    return true;
}

/// Runs and looks at both streams.
static void run_safely(struct cli *c) {
    cli_run(c);
    if (!safe(c->out, c->out_size) || !safe(c->err, strlen(c->err)))
        fail_msg("weft %s %s lets something through", c->args[0], c->args[1] ? c->args[1] : "");
}

static json_t *parse(const struct cli *c) {
    json_error_t error;
    json_t *root = json_loadb(c->out, c->out_size, 0, &error);
    if (!root) fail_msg("no JSON: %s\n%.300s", error.text, c->out);
    return root;
}

static struct gguf_writer w;

static const char *write_gguf(const char *name) {
    gw_end(&w, 32, 64);
    cli_write(cli_path(name), w.data, w.len);
    return cli_path(name);
}

static void files(void **state) {
    (void)state;
    static const char *const arguments[][4] = {
        {"inspect"},
        {"inspect", "--json"},
        {"inspect", "--all"},
        {"inspect", "--all", "--json"},
        {"inspect", "--memory"},
        {"inspect", "--graph"},
        {"inspect", "--plan", "--json"},
        {"run", "-n", "1"},
        {"tokenize"},
        {"bench"},
    };
    for (int kind = 0; kind < 4; kind++) {
        gw_begin(&w, 3);
        gw_text(&w, "general.architecture", kind == 0 ? "gem" HOSTILE : "gemma3");
        gw_text(&w, "general.name", HOSTILE);
        gw_text(&w, "tokenizer.ggml.model", kind == 1 ? "llama" HOSTILE : "llama");
        if (kind == 2) gw_integer(&w, "gemma3.k" HIGH, WEFT_SOURCE_U32, 5);
        if (kind == 3) {
            gw_array(&w, "k" HIGH, WEFT_SOURCE_STRING, 2);
            gw_string(&w, "e", HOSTILE, sizeof HOSTILE - 1);
            gw_string(&w, "e", HOSTILE, sizeof HOSTILE - 1);
        }
        gw_tensor(&w, "t" HIGH, WEFT_GGML_F32, 1, (uint64_t[]){4}, 0);
        char path[256];
        snprintf(path, sizeof path, "%s", write_gguf("hostile.gguf"));
        for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++) {
            struct cli c = {.args = {arguments[i][0], path}};
            for (int k = 1; k < 4 && arguments[i][k]; k++) c.args[k + 1] = arguments[i][k];
            run_safely(&c);
            if (c.code == 0 && strstr(c.args[c.args[3] ? 3 : 2] ? c.args[c.args[3] ? 3 : 2] : "", "--json"))
                json_decref(parse(&c));
            cli_free(&c);
        }
    }
}

/// Keys that differ in bytes that are no UTF-8 are all there, and so is every value.
static void json_loses_nothing(void **state) {
    (void)state;
    static const char *const keys[] = {"k\xff",        "k\xfe", "k\xef\xbf\xbd", "k", "k\xef\xbf\xbd (2)",
                                       "\xc3\xa9\xc3", "z"};
    enum { N = sizeof keys / sizeof *keys };
    gw_begin(&w, 3);
    gw_text(&w, "general.architecture", "other");
    for (int i = 0; i < N; i++) gw_integer(&w, keys[i], WEFT_SOURCE_U32, 1000 + (uint64_t)i);
    gw_f32(&w, "nan", (float)(0.0 / 0.0 * 0));
    gw_tensor(&w, "t\xff", WEFT_GGML_F32, 1, (uint64_t[]){4}, 0);
    gw_tensor(&w, "t\xfe", WEFT_GGML_F32, 1, (uint64_t[]){4}, 32);
    struct cli *c = CLI("inspect", write_gguf("names.gguf"), "--json");
    run_safely(c);
    assert_int_equal(c->code, 0);
    json_t *root = parse(c), *metadata = json_object_get(root, "metadata"), *value;
    const char *key;
    uint32_t seen = 0;
    json_object_foreach(metadata, key, value) {
        int64_t x = json_is_integer(value) ? json_integer_value(value) : 0;
        if (x >= 1000 && x < 1000 + N) seen |= 1u << (x - 1000);
    }
    assert_int_equal(json_object_size(metadata), N + 2);
    assert_int_equal(seen, (1u << N) - 1);
    assert_int_equal(json_array_size(json_object_get(root, "tensors")), 2);
    json_decref(root);
    cli_free(c);
}

static void graphs(void **state) {
    (void)state;
    static const char *const texts[] = {
        "input x f32 [2]\n%y = ex" HOSTILE "p %x\n",
        HOSTILE,
        "input \"x" HOSTILE "\" f32 [2]\n%0 = exp %\"x" HOSTILE "\"\noutput %0 \"" HOSTILE "\"\n",
        "symbol " HOSTILE " 1 2\n",
        "input x f32 [2]\n%0 = add %x %nowhere" HOSTILE "\n",
        "state \"s" HOSTILE "\" dense f32 [2]\ninput x f32 [2]\n%0 = add %\"s" HOSTILE "\" %x\n"
        "%1 = state_write %\"s" HOSTILE "\" %0\noutput %0 y\n",
    };
    bool shown = false;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s", cli_path("hostile.weft"));
        cli_write(path, texts[i], strlen(texts[i]));
        enum { WAYS = 8 }; // every other one is JSON
        struct cli *all[WAYS] = {CLI("inspect", path),
                                 CLI("inspect", path, "--json"),
                                 CLI("inspect", path, "--plan"),
                                 CLI("inspect", path, "--plan", "--json"),
                                 CLI("inspect", path, "--memory"),
                                 CLI("inspect", path, "--memory", "--json"),
                                 CLI("inspect", path, "--passes=outputs"),
                                 CLI("inspect", path, "--json")};
        for (int k = 0; k < WAYS; k++) {
            run_safely(all[k]);
            if (all[k]->code == 0 && k % 2) json_decref(parse(all[k]));
            shown |= all[k]->code == 0;
        }
        if (all[0]->code == 0) { // what is printed reads back to the same text
            cli_write(path, all[0]->out, all[0]->out_size);
            struct cli *again = CLI("inspect", path);
            cli_expect(again, 0);
            assert_string_equal(again->out, all[0]->out);
            cli_free(again);
        }
        for (int k = 0; k < WAYS; k++) cli_free(all[k]);
    }
    assert_true(shown); // some of them are graphs
}

/// A graph that fails in the middle of compiling: how far it came is printed, with names of steps and tensors.
static void failed_compilations(void **state) {
    (void)state;
    static const char text[] =
        "input \"x" HOSTILE "\" f32 [60000000]\n%a = exp %\"x" HOSTILE "\" \"n" HOSTILE
        "\"\n%b = cumsum %a\n%c = cumsum %b\n%d = cumsum %c\n%e = cumsum %d\n"
        "%f = add %a %b\n%g = add %f %c\n%h = add %g %d\n%i = add %h %e\noutput %i \"y" HIGH "\"\n";
    static const char *const passes[] = {"--passes=verify", "--passes=fuse", "--passes=lower", "--passes=commit"};
    char path[256];
    snprintf(path, sizeof path, "%s", cli_path("failing.weft"));
    cli_write(path, text, sizeof text - 1);
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        struct cli *c = CLI("inspect", path, "--limits", "min", passes[i]);
        run_safely(c);
        assert_int_equal(c->code, 1);
        assert_non_null(strstr(c->err, "fits no heap"));
        assert_non_null(strstr(c->out, "\\x1b[2J"));                         // the name is there, to be seen
        assert_non_null(strstr(c->out, i ? "\\u009b31m" : "\\xc2\\x9b31m")); // graphs read back, so bytes are escaped
        cli_free(c);
    }
}

static void catalogues_and_arguments(void **state) {
    (void)state;
    static const char escaped[] = "\\u001b[2J\\u0007\\u009b31m\\u202e\\u007f";
    struct weft_str text = {0};
    weft_str_addf(&text,
                  "{\"version\": 1, \"models\": [{\"name\": \"a%s\", \"title\": \"t%s\", \"file\": \"f%s\", "
                  "\"size\": 1, \"sha256\": \"%064d\", \"licence\": \"l%s\", \"notice\": \"n%s\", \"source\": "
                  "{\"kind\": \"https\", \"url\": \"https://127.0.0.1:9/%s\"}}]}",
                  escaped, escaped, escaped, 0, escaped, escaped, escaped);
    cli_write(cli_path("hostile.json"), weft_str_get(&text), text.len);
    weft_str_free(&text);
    setenv("WEFT_CATALOGUE", cli_path("hostile.json"), 1);
    setenv("no_proxy", "*", 1);
    static const char name[] = "a\x1b[2J\x07\xc2\x9b"
                               "31m\xe2\x80\xae\x7f";
    struct cli *all[] = {CLI("pull", "--list"),
                         CLI("pull", "--list", "--json"),
                         CLI("pull", name),
                         CLI("run", name, "x"),
                         CLI("pull", HOSTILE),
                         CLI(HOSTILE),
                         CLI("run", "--" HOSTILE),
                         CLI("run", "m", "p", "-n", HOSTILE),
                         CLI("help", HOSTILE),
                         CLI("inspect", HOSTILE),
                         CLI("tokenize", "m", "--decode"),
                         CLI("run", "m", "p", "--webgpu", HOSTILE),
                         CLI("inspect", "m", "--head", HOSTILE)};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        run_safely(all[i]);
        if (i == 0) assert_non_null(strstr(all[i]->out, "a\\x1b[2J\\x07\\u009b31m\\u202e\\x7f"));
        if (i == 1) json_decref(parse(all[i]));
        cli_free(all[i]);
    }
    unsetenv("WEFT_CATALOGUE");
    assert_false(safe(HOSTILE, sizeof HOSTILE - 1)); // the checker finds what it is for
    assert_false(safe(HIGH, sizeof HIGH - 1));
}

/// A model's text goes to a pipe as it is, and to a terminal with its control characters written out.
static void content(void **state) {
    (void)state;
    char model[256];
    snprintf(model, sizeof model, "%s", cli_path("tiny.gguf"));
    assert_true(weft_tiny_gemma3_write(&(struct weft_tiny_gemma3){.seed = 1}, model));
    struct cli *ids = CLI("tokenize", model, "--no-bos", "a\x1b[2Jb\n"),
               *pieces = CLI("tokenize", model, "--pieces", HOSTILE);
    cli_expect(ids, 0);
    run_safely(pieces);
    struct cli *piped = CLI("tokenize", model, "--decode", ids->out);
    cli_expect(piped, 0);
    assert_string_equal(piped->out, "a\x1b[2Jb\n");
    int end, terminal;
    assert_int_equal(openpty(&end, &terminal, NULL, NULL, NULL), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(terminal, STDOUT_FILENO);
        char *argv[] = {(char *)"weft", (char *)"tokenize", model, (char *)"--decode", ids->out, NULL};
        exit(weft_app_main(5, argv));
    }
    char got[256] = "";
    size_t n = 0;
    int code;
    assert_int_equal(waitpid(pid, &code, 0), pid);
    fcntl(end, F_SETFL, O_NONBLOCK);
    for (ssize_t k; n < sizeof got - 1 && (k = read(end, got + n, sizeof got - 1 - n)) > 0;) n += (size_t)k;
    got[n] = 0;
    assert_string_equal(got, "a\\x1b[2Jb\r\n"); // the line discipline adds the return
    close(end), close(terminal);
    cli_free(ids), cli_free(pieces), cli_free(piped);
}

/// Keys that Weft does not know are marked in the listing, and listed in JSON.
static void unknown_keys(void **state) {
    (void)state;
    static const struct weft_tiny_key keys[] = {{.name = "gemma3.attention.novel", .type = WEFT_SOURCE_U32, .x = 1}};
    char model[256];
    snprintf(model, sizeof model, "%s", cli_path("novel.gguf"));
    assert_true(weft_tiny_gemma3_write(&(struct weft_tiny_gemma3){.keys = keys, .n_keys = 1}, model));
    struct cli *text = CLI("inspect", model, "--keys"), *json = CLI("inspect", model, "--json"),
               *run = CLI("run", model, "a", "-n", "1");
    cli_expect(text, 0), cli_expect(json, 0), cli_expect(run, 0);
    const char *mark = strstr(text->out, "unknown to Weft");
    assert_non_null(mark);
    assert_null(strstr(mark + 1, "unknown to Weft"));
    json_t *root = parse(json), *list = json_object_get(root, "unknown_keys");
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_array_get(list, 0)), "gemma3.attention.novel");
    json_decref(root);
    assert_non_null(strstr(run->err, "gemma3.attention.novel"));
    assert_int_equal(cli_lines(run->err), 1);
    cli_free(text), cli_free(json), cli_free(run);
}

int main(void) {
    setenv("WEFT_WEBGPU", "null", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),
        cmocka_unit_test(json_loses_nothing),
        cmocka_unit_test(graphs),
        cmocka_unit_test(catalogues_and_arguments),
        cmocka_unit_test(content),
        cmocka_unit_test(unknown_keys),
        cmocka_unit_test(failed_compilations),
    };
    return cmocka_run_group_tests_name("terminal", tests, NULL, cli_teardown);
}
