/// The catalogue: names of models, where they come from, and what they must hash to. And from a MODEL argument to a
/// file.
#ifndef WEFT_APP_CATALOGUE_H
#define WEFT_APP_CATALOGUE_H
#include "weft/status.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const char weft_catalogue_json[]; ///< src/app/catalogue.json
extern const size_t weft_catalogue_json_len;

enum weft_source_kind {
    WEFT_SOURCE_PYPI, ///< members of wheels, joined in order
    WEFT_SOURCE_URL,  ///< one file
};

/// A member of a wheel.
struct weft_wheel_part {
    const char *package, *version, *member;
    uint64_t size;
};

/// One model; the strings live as long as the catalogue.
struct weft_catalogue_model {
    const char *name, *title, *file, *sha256, *licence, *licence_url, *notice;
    uint64_t size;
    enum weft_source_kind kind;
    const char *url, *protocol;    ///< URL: begins with `protocol`, which is https, http or file
    struct weft_wheel_part *parts; ///< PYPI
    size_t n_parts;
    struct weft_wheel_part terms; ///< PYPI: a text that is kept beside the model; package NULL: none
    const char *terms_file;
};

struct weft_catalogue {
    struct weft_catalogue_model *models;
    size_t n_models;
    json_t *root;
};

/// Reads the text of a catalogue. `origin` is for messages. Errors: FORMAT names the model and the field; NOMEM.
weft_status weft_catalogue_parse(const char *text, size_t length, const char *origin, struct weft_catalogue *out);
/// The built-in catalogue, or the file that WEFT_CATALOGUE names instead.
weft_status weft_catalogue_load(struct weft_catalogue *out);
void weft_catalogue_free(struct weft_catalogue *c);
const struct weft_catalogue_model *weft_catalogue_find(const struct weft_catalogue *c, const char *name); ///< or NULL

/// Where a model's file lies in the user's cache; freed with weft_free.
weft_status weft_catalogue_path(const struct weft_catalogue_model *model, char **out);

/// The file that a MODEL argument means: an existing file, or the cached file of a catalogue name. The caller frees it
/// with weft_free. ERR_NOT_FOUND says how to get it.
weft_status weft_model_path(const char *argument, char **out);
#endif
