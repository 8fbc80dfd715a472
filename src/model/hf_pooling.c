/// Folders of Sentence Transformers: how the vectors of tokens become a text's, beside config.json. What Weft does not
/// compute becomes a key that is refused when the model is built (model/keys.h), so that such a folder can be looked
/// at.
#include "core/error.h"
#include "model/hf_impl.h"
#include "model/source_build.h"
#include "weft/embed.h"

#include <stdio.h>
#include <string.h>

static weft_status no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory for the keys of a model"); }

static weft_status put_bool(struct weft_hf *hf, const char *name, bool x) {
    const char *key = weft_hf_key_name(hf, name);
    return key ? weft_source_put_bool(hf->source, key, x) : no_memory();
}

static weft_status put_text(struct weft_hf *hf, const char *name, const char *text, size_t len) {
    const char *key = weft_hf_key_name(hf, name);
    return key ? weft_source_put_string(hf->source, key, text, len) : no_memory();
}

// ---- modules.json --------------------------------------------------------------------------------------------------

static bool is_text(const struct weft_json_value *v) { return v && v->type == WEFT_JSON_STRING; }

/// The class of a module, which is the last part of its type: "Pooling" of "sentence_transformers.models.Pooling".
static weft_status class_of(const struct weft_json_value *module, const char **name, size_t *len) {
    const struct weft_json_value *type = weft_json_find(module, "type");
    if (!is_text(type)) return weft_fail(WEFT_ERR_FORMAT, "a module has no 'type'");
    *name = type->s.text;
    *len = type->s.len;
    for (size_t i = 0; i < type->s.len; i++)
        if (type->s.text[i] == '.') *name = type->s.text + i + 1, *len = type->s.len - i - 1;
    return WEFT_OK;
}

static bool is_class(const char *name, size_t len, const char *other) {
    return strlen(other) == len && memcmp(name, other, len) == 0;
}

static weft_status check_modules(const struct weft_json_value *modules) {
    if (modules->type != WEFT_JSON_LIST) return weft_fail(WEFT_ERR_FORMAT, "it is no list");
    for (size_t i = 0; i < modules->n; i++)
        if (modules->items[i].type != WEFT_JSON_MAP || modules->items[i].repeats)
            return weft_fail(WEFT_ERR_FORMAT, "it has something that is no module");
    return WEFT_OK;
}

weft_status weft_hf_pooling_folder(const struct weft_json_value *modules, const char **name, size_t *len) {
    *name = NULL;
    WEFT_TRY(check_modules(modules));
    for (size_t i = 0; i < modules->n; i++) {
        const char *class;
        size_t class_len;
        WEFT_TRY(class_of(&modules->items[i], &class, &class_len));
        if (!is_class(class, class_len, "Pooling")) continue;
        const struct weft_json_value *path = weft_json_find(&modules->items[i], "path");
        bool plain = is_text(path) && path->s.len > 0 && path->s.len < 256 && path->s.text[0] != '.' &&
                     !memchr(path->s.text, '/', path->s.len) && !memchr(path->s.text, '\\', path->s.len) &&
                     !memchr(path->s.text, 0, path->s.len);
        if (!plain) return weft_fail(WEFT_ERR_FORMAT, "the module that pools has no folder beside it as its 'path'");
        *name = path->s.text;
        *len = path->s.len;
        return WEFT_OK;
    }
    return WEFT_OK;
}

static weft_status put_modules(struct weft_hf *hf, const struct weft_json_value *modules) {
    bool normalizes = false;
    for (size_t i = 0; i < modules->n; i++) {
        const char *class;
        size_t len;
        WEFT_TRY(class_of(&modules->items[i], &class, &len));
        if (is_class(class, len, "Normalize")) normalizes = true;
        else if (!is_class(class, len, "Transformer") && !is_class(class, len, "Pooling"))
            return put_text(hf, "embedding.module", class, len);
    }
    return put_bool(hf, "embedding.normalize", normalizes);
}

// ---- the module that pools -----------------------------------------------------------------------------------------

struct kind {
    const char *flag, *name;
    enum weft_pooling pooling; ///< WEFT_POOLING_MODEL: Weft does not compute it
};
static const struct kind kinds[] = {
    {"pooling_mode_mean_tokens", "mean", WEFT_POOLING_MEAN},
    {"pooling_mode_cls_token", "cls", WEFT_POOLING_CLS},
    {"pooling_mode_lasttoken", "lasttoken", WEFT_POOLING_LAST},
    {"pooling_mode_max_tokens", "max", WEFT_POOLING_MODEL},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", WEFT_POOLING_MODEL},
    {"pooling_mode_weightedmean_tokens", "weightedmean", WEFT_POOLING_MODEL},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/// A kind by its name, or several as flags of which each gives a vector of its own.
static weft_status put_pooling(struct weft_hf *hf, const struct weft_json_value *config) {
    const struct weft_json_value *mode = weft_hf_member(config, "pooling_mode");
    const struct kind *found = NULL;
    char unknown[160] = "";
    size_t len = 0;
    if (config->type != WEFT_JSON_MAP || config->repeats)
        return weft_fail(WEFT_ERR_FORMAT, "the file of the module that pools is no object, or has a member twice");
    if (mode && !is_text(mode)) return weft_fail(WEFT_ERR_FORMAT, "'pooling_mode' is no text");
    for (size_t i = 0; i < KINDS; i++) {
        const struct weft_json_value *flag = weft_hf_member(config, kinds[i].flag);
        if (flag && flag->type != WEFT_JSON_BOOL)
            return weft_fail(WEFT_ERR_FORMAT, "'%s' is no true or false", kinds[i].flag);
        bool on = mode ? is_class(mode->s.text, mode->s.len, kinds[i].name) : flag && flag->b;
        if (!on) continue;
        found = &kinds[i];
        len += (size_t)snprintf(unknown + len, sizeof unknown - len, "%s%s", len ? " and " : "", kinds[i].name);
    }
    if (found && found->pooling && len == strlen(found->name))
        return weft_hf_put_count(hf, "pooling_type", found->pooling);
    if (!found && mode) return put_text(hf, "embedding.pooling", mode->s.text, mode->s.len);
    return found ? put_text(hf, "embedding.pooling", unknown, len) : WEFT_OK;
}

// ---- limits and prompts --------------------------------------------------------------------------------------------

static weft_status put_limits(struct weft_hf *hf, const struct weft_json_value *limits) {
    const struct weft_json_value *most = weft_hf_member(limits, "max_seq_length");
    const struct weft_json_value *lower = weft_hf_member(limits, "do_lower_case");
    uint32_t n;
    if (lower && lower->type != WEFT_JSON_BOOL)
        return weft_fail(WEFT_ERR_FORMAT, "'do_lower_case' is no true or false");
    if (lower) WEFT_TRY(put_bool(hf, "embedding.lower_case", lower->b));
    if (!most) return WEFT_OK;
    WEFT_TRY(weft_hf_to_count(most, "max_seq_length", &n));
    return weft_hf_put_count(hf, "embedding.max_tokens", n);
}

/// A text that the model's library puts before every other.
static weft_status put_prompt(struct weft_hf *hf, const struct weft_json_value *config) {
    const struct weft_json_value *name = weft_hf_member(config, "default_prompt_name");
    const struct weft_json_value *all = weft_hf_member(config, "prompts");
    if (!is_text(name) || !all || all->type != WEFT_JSON_MAP) return WEFT_OK;
    for (size_t i = 0; i < all->n; i++) {
        const struct weft_json_value *text = &all->items[i];
        if (all->keys[i].len == name->s.len && !memcmp(all->keys[i].text, name->s.text, name->s.len) && is_text(text) &&
            text->s.len)
            return put_text(hf, "embedding.prompt", text->s.text, text->s.len);
    }
    return WEFT_OK;
}

weft_status weft_hf_sentence(struct weft_hf *hf, const struct weft_hf_sentence *files) {
    if (files->modules) WEFT_TRY(weft_fail_in(put_modules(hf, files->modules), "modules.json"));
    if (files->pooling) WEFT_TRY(weft_fail_in(put_pooling(hf, files->pooling), "pooling"));
    if (files->limits) WEFT_TRY(weft_fail_in(put_limits(hf, files->limits), "sentence_bert_config.json"));
    return files->prompts ? put_prompt(hf, files->prompts) : WEFT_OK;
}
