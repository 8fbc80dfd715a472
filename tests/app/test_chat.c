/// weft chat on the null device, which says nothing: commands, files, errors, a terminal with Ctrl-C.
#include "cli.h"
#include "support/tiny_gemma3.h"

#include <jansson.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>

#define TEMPLATE "{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}"

static const char *tiny(bool template) {
    static char paths[2][256];
    char *path = paths[template];
    if (!*path) {
        static const struct weft_tiny_key key = {
            .name = "tokenizer.chat_template", .type = WEFT_SOURCE_STRING, .text = TEMPLATE};
        snprintf(path, sizeof paths[0], "%s/tiny%d.gguf", cli_folder(), template);
        assert_true(weft_tiny_gemma3_write(
            &(struct weft_tiny_gemma3){.seed = 1, .ctx = 512, .n_layer = 1, .keys = &key, .n_keys = template}, path));
    }
    return path;
}

static void chat(struct cli *c, const char *input, int code) {
    c->input = input;
    cli_expect(c, code);
}
#define CHAT(...)                                                                                                      \
    {                                                                                                                  \
        .args = { "chat", tiny(true), "--webgpu", "null", "-n", "2", __VA_ARGS__ }                                     \
    }

/// Replies are nothing but their lines' ends; what commands print is there.
static void test_commands(void **state) {
    (void)state;
    struct cli c = CHAT("--system", "Be.", "--stats");
    chat(&c,
         "one\n\n//slash\n/list\ntwo \\\nlines\r\n/edit 2 "
         "uno\n/list\n/system\nDo.\n/regenerate\n/list\n/system\n\n/list\n"
         "/help\n/quit\nnever\n",
         0);
    assert_string_equal(c.out, "\n\n1 system: Be.\n2 user: one\n3 assistant: \n4 user: /slash\n5 assistant: \n"
                               "\n\n1 system: Be.\n2 user: uno\n3 assistant: \n"
                               "\n1 system: Do.\n2 user: uno\n3 assistant: \n"
                               "1 user: uno\n2 assistant: \n");
    assert_non_null(strstr(c.err, "/regenerate"));
    assert_null(strstr(c.err, "> ")); // no prompts where nobody types
    assert_non_null(strstr(c.err, "of which 0 were there"));
    cli_free(&c);
    struct cli last = CHAT("--temp", "0");
    chat(&last, "no line's end \\", 0);
    assert_string_equal(last.out, "\n");
    cli_free(&last);
    struct cli nothing = CHAT("--temp", "0");
    chat(&nothing, "", 0);
    assert_string_equal(nothing.out, "");
    cli_free(&nothing);
}

static void test_files(void **state) {
    (void)state;
    char path[256], input[600];
    snprintf(path, sizeof path, "%s", cli_path("saved.json"));
    snprintf(input, sizeof input, "one\x1b[2J\n/save %s\n", path);
    struct cli c = CHAT("--seed", "7", "--stop", "x");
    chat(&c, input, 0);
    cli_free(&c);
    json_t *root = json_load_file(path, 0, NULL), *messages = json_object_get(root, "messages");
    assert_int_equal(json_array_size(messages), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(messages, 0), "content")), "one\x1b[2J");
    assert_string_equal(json_string_value(json_object_get(json_object_get(root, "settings"), "seed")), "7");
    json_decref(root);
    struct cli again = CHAT("--load", path);
    snprintf(input, sizeof input, "/list\n/load %s\n/list\n/load /nowhere\nnever\n", path);
    chat(&again, input, 1);
    assert_string_equal(again.out, "1 user: one\\x1b[2J\n2 assistant: \n1 user: one\\x1b[2J\n2 assistant: \n");
    cli_free(&again);
    cli_write(path, "[{\"role\": 1}]", 13);
    struct cli bad = CHAT("--load", path);
    chat(&bad, "", 1);
    assert_non_null(strstr(bad.err, "saved.json: message 0"));
    cli_free(&bad);
}

/// Without a terminal the first error ends it.
static void test_errors(void **state) {
    (void)state;
    static const struct {
        const char *input, *part;
    } cases[] = {
        {"/nope\n", "no command /nope"},    {"/edit\n", "from 1 to 0"},       {"a\n/edit 3 x\n", "from 1 to 2"},
        {"a\n/edit 0 x\n", "from 1 to 2"},  {"a\n/edit 1x\n", "from 1 to 2"}, {"/save\n", "name of a file"},
        {"/save /nowhere/x\n", "/nowhere"}, {"/load\n", "name of a file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cli c = CHAT("--temp", "0");
        chat(&c, cases[i].input, 1);
        if (!strstr(c.err, cases[i].part)) fail_msg("%s: %s", cases[i].input, c.err);
        cli_free(&c);
    }
    struct cli full = CHAT("--ctx", "32");
    chat(&full, "a message that is much longer than its context of 32 tokens\n/list\n", 1);
    assert_non_null(strstr(full.err, "--ctx"));
    assert_string_equal(full.out, "");
    cli_free(&full);
    struct cli none = {.args = {"chat", tiny(false), "--webgpu", "null"}};
    chat(&none, "a\n", 1);
    assert_non_null(strstr(none.err, "--chat-template"));
    cli_free(&none);
    struct cli named = {.args = {"chat", tiny(false), "--webgpu", "null", "-n", "1", "--chat-template", "chatml"}};
    chat(&named, "a\n", 0);
    cli_free(&named);
    struct cli usage[] = {{.args = {"chat"}},
                          {.args = {"chat", "a", "b"}},
                          {.args = {"chat", tiny(true), "--temp", "-1"}},
                          {.args = {"chat", tiny(true), "--json"}}};
    for (size_t i = 0; i < sizeof usage / sizeof *usage; i++) chat(&usage[i], "", 2), cli_free(&usage[i]);
    struct cli variables = CHAT("--variables", "[");
    chat(&variables, "", 1);
    assert_non_null(strstr(variables.err, "variables"));
    cli_free(&variables);
    struct cli pipe = CHAT("--temp", "0");
    pipe.closed_pipe = true;
    chat(&pipe, "a\nb\n", WEFT_EXIT_PIPE);
    cli_free(&pipe);
}

// ---- a terminal ----------------------------------------------------------------------------------------------------

struct terminal {
    int fd;
    pid_t pid;
    char got[8192];
    size_t n, seen; // bytes; of these, up to the end of what was awaited
};

static void begin(struct terminal *t) {
    *t = (struct terminal){0};
    fflush(NULL);
    t->pid = forkpty(&t->fd, NULL, NULL, NULL);
    assert_true(t->pid >= 0);
    if (t->pid) return;
    char *argv[] = {(char *)"weft", (char *)"chat", (char *)tiny(true), (char *)"--webgpu",
                    (char *)"null", (char *)"-n",   (char *)"2",        NULL};
    exit(weft_app_main(7, argv));
}

/// Waits until the terminal shows a text, from what was seen before on.
static void await(struct terminal *t, const char *part) {
    const char *found;
    while (!(found = strstr(t->got + t->seen, part))) {
        struct pollfd ready = {.fd = t->fd, .events = POLLIN};
        ssize_t k = poll(&ready, 1, 300000) == 1 ? read(t->fd, t->got + t->n, sizeof t->got - 1 - t->n) : 0;
        if (k <= 0) fail_msg("'%s' does not come: %s", part, t->got);
        t->got[t->n += (size_t)k] = 0;
    }
    t->seen = (size_t)(found - t->got) + strlen(part);
}

static void type(struct terminal *t, const char *keys) {
    assert_int_equal(write(t->fd, keys, strlen(keys)), (ssize_t)strlen(keys));
}

static void expect_end(struct terminal *t, int code) {
    int state;
    while (t->n < sizeof t->got - 1) { // until it closes its side
        ssize_t k = read(t->fd, t->got + t->n, sizeof t->got - 1 - t->n);
        if (k <= 0) break;
        t->got[t->n += (size_t)k] = 0;
    }
    assert_int_equal(waitpid(t->pid, &state, 0), t->pid);
    if (!WIFEXITED(state) || WEXITSTATUS(state) != code)
        fail_msg("state %x, not %d: %s", (unsigned)state, code, t->got);
    close(t->fd);
}

/// Errors do not end it; Ctrl-C takes a line back, and ends it only if it comes twice in a row.
static void test_terminal(void **state) {
    (void)state;
    struct terminal t;
    begin(&t);
    await(&t, "> ");
    type(&t, "hello\n");
    await(&t, "\r\n> ");
    type(&t, "/nope\n");
    await(&t, "no command");
    await(&t, "> ");
    type(&t, "half a line\x03");
    await(&t, "once more");
    await(&t, "> ");
    type(&t, "/list\n");
    await(&t, "1 user: hello");
    await(&t, "> ");
    type(&t, "\x03");
    await(&t, "once more");
    await(&t, "> ");
    type(&t, "\x03");
    expect_end(&t, WEFT_EXIT_INTERRUPTED);
    assert_null(strstr(t.got, "user: half"));
    begin(&t);
    await(&t, "> ");
    type(&t, "one\\\ntwo\n");
    await(&t, "... ");
    await(&t, "> ");
    type(&t, "\x04");
    expect_end(&t, 0);
    begin(&t);
    await(&t, "> ");
    kill(t.pid, SIGTERM);
    expect_end(&t, WEFT_EXIT_INTERRUPTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_terminal),
    };
    setenv("WEFT_WEBGPU", "null", 1);
    return cmocka_run_group_tests_name("chat", tests, NULL, cli_teardown);
}
