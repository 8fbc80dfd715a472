/// Runs the command line in a child process and keeps what it wrote. Header-only, for tests/app.
#ifndef WEFT_TESTS_APP_CLI_H
#define WEFT_TESTS_APP_CLI_H
#include "app/app.h"
#include "core/alloc.h"
#include "core/file.h"
#include "core/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
// cmocka wants those above first
#include <cmocka.h>

#define CLI_ARGS 32

struct cli {
    const char *args[CLI_ARGS]; ///< behind "weft", NULL-terminated
    const char *input;          ///< stdin; NULL: empty
    const char *stdout_to;      ///< a file such as /dev/full instead of being kept
    bool closed_pipe;           ///< stdout is a pipe that nobody reads
    // results
    int code; ///< exit code, or 1000 + signal
    char *out, *err;
    size_t out_size;
};

/// A folder for the test program's files; $XDG_CACHE_HOME is below it.
static inline const char *cli_folder(void) {
    static char folder[] = "/tmp/weft-cli-XXXXXX";
    static bool made;
    if (!made) {
        assert_non_null(mkdtemp(folder));
        setenv("XDG_CACHE_HOME", folder, 1);
        made = true;
    }
    return folder;
}

static inline const char *cli_path(const char *name) {
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", cli_folder(), name);
    return path;
}

static inline void cli_write(const char *path, const void *data, size_t size) {
    assert_int_equal(weft_file_write(path, data, size), WEFT_OK);
}

static inline void cli_remove_all(void) {
    struct weft_str command = {0};
    weft_str_addf(&command, "rm -rf '%s'", cli_folder());
    if (system(weft_str_get(&command)) != 0) fprintf(stderr, "could not remove %s\n", cli_folder());
    weft_str_free(&command);
}

static inline void cli_redirect(const char *path, const char *mode, FILE *stream) {
    if (!freopen(path, mode, stream)) _exit(99);
}

/// The child: never returns. Leaks are looked for in it like anywhere else.
static inline void cli_child(const struct cli *c, const char *in, const char *out, const char *err) {
    char *argv[CLI_ARGS + 2] = {(char *)"weft"};
    int argc = 1, ends[2];
    for (; c->args[argc - 1]; argc++) argv[argc] = (char *)c->args[argc - 1];
    cli_redirect(in, "r", stdin);
    cli_redirect(c->stdout_to ? c->stdout_to : out, "w", stdout);
    cli_redirect(err, "w", stderr);
    if (c->closed_pipe) {
        if (pipe(ends) != 0 || dup2(ends[1], STDOUT_FILENO) < 0) _exit(99);
        close(ends[0]);
        close(ends[1]);
    }
    exit(weft_app_main(argc, argv));
}

static inline pid_t cli_start(struct cli *c) {
    cli_write(cli_path("stdin"), c->input ? c->input : "", c->input ? strlen(c->input) : 0);
    unlink(cli_path("stdout"));
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) cli_child(c, cli_path("stdin"), cli_path("stdout"), cli_path("stderr"));
    return pid;
}

static inline void cli_finish(struct cli *c, pid_t pid) {
    int state;
    assert_int_equal(waitpid(pid, &state, 0), pid);
    c->code = WIFEXITED(state) ? WEXITSTATUS(state) : 1000 + WTERMSIG(state);
    c->out = NULL;
    c->out_size = 0;
    if (!c->stdout_to && !c->closed_pipe)
        assert_int_equal(weft_file_read(cli_path("stdout"), 0, &c->out, &c->out_size), WEFT_OK);
    assert_int_equal(weft_file_read(cli_path("stderr"), 0, &c->err, &(size_t){0}), WEFT_OK);
}

static inline void cli_run(struct cli *c) { cli_finish(c, cli_start(c)); }

static inline void cli_free(struct cli *c) {
    weft_free(c->out);
    weft_free(c->err);
    c->out = c->err = NULL;
}

/// Runs and checks the exit code, printing what the command said if it differs.
static inline void cli_expect(struct cli *c, int code) {
    cli_run(c);
    if (c->code != code) {
        fprintf(stderr, "weft");
        for (int i = 0; c->args[i]; i++) fprintf(stderr, " %s", c->args[i]);
        fprintf(stderr, ": exit code %d, expected %d; it said:\n%s\n", c->code, code, c->err);
    }
    assert_int_equal(c->code, code);
}

/// For the end of a group: removes the folder with all that tests wrote.
static inline int cli_teardown(void **state) {
    (void)state;
    cli_remove_all();
    return 0;
}

static inline size_t cli_lines(const char *text) {
    size_t n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

#define CLI(...) (&(struct cli){.args = {__VA_ARGS__}})
#endif
