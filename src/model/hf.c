/// Opening folders of Hugging Face: which files there are, what they hold beside the weights, and how they are joined.
#include "model/hf.h"

#include "core/alloc.h"
#include "core/error.h"
#include "model/hf_impl.h"
#include "model/source_build.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_JSON = 64 << 20, MOST_TOKENIZER = 1 << 30 };

static const char index_ending[] = ".safetensors.index.json", single_ending[] = ".safetensors";

static bool ends(const char *path, const char *ending) {
    size_t n = strlen(path), m = strlen(ending);
    return n > m && strcmp(path + n - m, ending) == 0;
}

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool is_there(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

bool weft_hf_is(const char *path) { return ends(path, single_ending) || ends(path, index_ending) || is_folder(path); }

/// A model on its way.
struct opening {
    struct weft_hf hf;
    struct weft_safetensors list;
    struct weft_arena arena; // config.json, the index, paths
    uint64_t bytes;          // of the files of tensors
    const char *folder;      // with '/' behind, or empty
};

static const char *in_folder(struct opening *o, const char *name) {
    return weft_arena_printf(&o->arena, "%s%s", o->folder, name);
}

static weft_status no_memory(const char *path) { return weft_fail(WEFT_ERR_NOMEM, "%s: out of memory", path); }

// ---- files of tensors ----------------------------------------------------------------------------------------------

static weft_status add_file(struct opening *o, const char *path) {
    struct weft_source *s = o->hf.source;
    size_t cap = s->n_parts;
    if (!path || !weft_grow((void **)&s->parts, &cap, (size_t)s->n_parts + 1, sizeof *s->parts))
        return no_memory(s->path);
    WEFT_TRY(weft_file_map(path, &s->parts[s->n_parts]));
    const struct weft_mapping *m = &s->parts[s->n_parts++];
    o->bytes += m->size;
    return weft_fail_in(weft_safetensors_parse(&o->list, s->n_parts - 1, m->data, m->size), "%s", path);
}

static weft_status read_json(struct opening *o, const char *path, struct weft_json_value *out) {
    char *text = NULL;
    size_t len;
    if (!path) return no_memory(o->hf.source->path);
    WEFT_TRY(weft_file_read(path, MOST_JSON, &text, &len));
    weft_status status = weft_fail_in(weft_json_read(text, len, "JSON", &o->arena, out), "%s", path);
    weft_free(text);
    return status;
}

/// The shards that an index names, each once. They lie beside it.
static weft_status add_shards(struct opening *o, const char *path) {
    struct weft_json_value root;
    struct weft_map seen = {0};
    WEFT_TRY(read_json(o, path, &root));
    const struct weft_json_value *map = weft_json_find(&root, "weight_map");
    if (!map || map->type != WEFT_JSON_MAP || map->repeats)
        return weft_fail(WEFT_ERR_FORMAT, "%s: it has no 'weight_map', or one with a name twice", path);
    weft_status status = WEFT_OK;
    for (size_t i = 0; status == WEFT_OK && i < map->n; i++) {
        const struct weft_json_value *v = &map->items[i];
        bool plain = v->type == WEFT_JSON_STRING && v->s.len && strlen(v->s.text) == v->s.len &&
                     !strpbrk(v->s.text, "/\\") && ends(v->s.text, single_ending);
        if (!plain)
            status = weft_fail(WEFT_ERR_FORMAT, "%s: 'weight_map' has something that is no .safetensors file beside it",
                               path);
        else if (!weft_map_get(&seen, v->s.text, v->s.len, NULL))
            status =
                weft_map_set(&seen, v->s.text, v->s.len, 1) ? add_file(o, in_folder(o, v->s.text)) : no_memory(path);
    }
    for (size_t i = 0; status == WEFT_OK && i < map->n; i++)
        if (!weft_map_get(&o->list.names, map->keys[i].text, map->keys[i].len, NULL))
            status = weft_fail(WEFT_ERR_FORMAT, "%s: tensor '%s' is in none of the files", path, map->keys[i].text);
    weft_map_free(&seen);
    return status;
}

static weft_status add_files(struct opening *o, const char *path) {
    if (ends(path, index_ending)) return add_shards(o, path);
    if (!is_folder(path)) return add_file(o, path);
    const char *index = in_folder(o, "model.safetensors.index.json"), *single = in_folder(o, "model.safetensors");
    if (!index || !single) return no_memory(path);
    if (is_there(single)) return add_file(o, single);
    if (is_there(index)) return add_shards(o, index);
    return weft_fail(WEFT_ERR_NOT_FOUND,
                     "%s: there is neither model.safetensors nor model.safetensors.index.json in it; name a file if it "
                     "is another",
                     path);
}

// ---- what is beside them -------------------------------------------------------------------------------------------

/// A file's text under a key; false in *there if there is no such file.
static weft_status put_file(struct opening *o, const char *name, const char *key, bool *there) {
    const char *path = in_folder(o, name);
    char *text = NULL;
    size_t len;
    if (!path) return no_memory(o->hf.source->path);
    *there = is_there(path);
    if (!*there) return WEFT_OK;
    WEFT_TRY(weft_file_read(path, MOST_TOKENIZER, &text, &len));
    weft_status status = weft_source_put_string(o->hf.source, key, text, len);
    weft_free(text);
    return status;
}

/// The template of conversations, which stands in a file of its own or in the tokenizer's settings.
static weft_status put_template(struct opening *o) {
    static const char key[] = "tokenizer.chat_template";
    struct weft_json_value root;
    bool there;
    WEFT_TRY(put_file(o, "chat_template.jinja", key, &there));
    const char *path = in_folder(o, "tokenizer_config.json");
    if (!path) return no_memory(o->hf.source->path);
    if (there || !is_there(path)) return WEFT_OK;
    WEFT_TRY(read_json(o, path, &root));
    const struct weft_json_value *text = weft_hf_member(&root, "chat_template");
    if (!text || text->type != WEFT_JSON_STRING) return WEFT_OK;
    return weft_source_put_string(o->hf.source, key, text->s.text, text->s.len);
}

/// Ids of a member that is a number or a list of numbers, behind those that are there.
static weft_status take_ids(const struct weft_json_value *v, const char *name, int32_t *ids, size_t most, size_t *n) {
    const struct weft_json_value *m = weft_hf_member(v, name);
    bool list = m && m->type == WEFT_JSON_LIST;
    for (size_t i = 0; m && i < (list ? m->n : 1); i++) {
        const struct weft_json_value *one = list ? &m->items[i] : m;
        if (one->type != WEFT_JSON_INT || one->i < 0 || one->i > INT32_MAX)
            return weft_fail(WEFT_ERR_FORMAT, "'%s' is no token id and no list of them", name);
        bool known = false;
        for (size_t k = 0; k < *n; k++) known = known || ids[k] == one->i;
        if (known) continue;
        if (*n == most) return weft_fail(WEFT_ERR_LIMIT, "'%s' has more than %zu ids", name, most);
        ids[(*n)++] = (int32_t)one->i;
    }
    return WEFT_OK;
}

enum { MOST_IDS = 64 };

/// BOS, and all that ends a text, of generation_config.json (if there is one) and config.json.
static weft_status put_ids(struct opening *o, const struct weft_json_value *generation) {
    int32_t bos[MOST_IDS], eos[MOST_IDS];
    size_t n_bos = 0, n_eos = 0;
    const struct weft_json_value *from[] = {generation, &o->hf.config, &o->hf.root};
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        WEFT_TRY(take_ids(from[i], "bos_token_id", bos, MOST_IDS, &n_bos));
        WEFT_TRY(take_ids(from[i], "eos_token_id", eos, MOST_IDS, &n_eos));
    }
    if (n_bos) WEFT_TRY(weft_source_put_u32(o->hf.source, "tokenizer.ggml.bos_token_id", (uint32_t)bos[0]));
    if (n_eos) WEFT_TRY(weft_source_put_u32(o->hf.source, "tokenizer.ggml.eos_token_id", (uint32_t)eos[0]));
    return n_eos ? weft_source_put_i32s(o->hf.source, "tokenizer.ggml.eos_token_ids", eos, n_eos) : WEFT_OK;
}

static weft_status put_tokenizer(struct opening *o) {
    struct weft_json_value generation = {.type = WEFT_JSON_NULL};
    bool there;
    const char *path = in_folder(o, "generation_config.json");
    if (!path) return no_memory(o->hf.source->path);
    if (is_there(path)) WEFT_TRY(read_json(o, path, &generation));
    WEFT_TRY(weft_fail_in(put_ids(o, &generation), "%s", o->hf.source->path));
    WEFT_TRY(put_file(o, "tokenizer.json", "tokenizer.huggingface.json", &there));
    return put_template(o);
}

// ---- embeddings ----------------------------------------------------------------------------------------------------

/// A file of JSON that need not be there; then *out is NULL.
static weft_status read_if_there(struct opening *o, const char *name, struct weft_json_value *to,
                                 const struct weft_json_value **out) {
    const char *path = name ? in_folder(o, name) : NULL;
    *out = NULL;
    if (!path) return no_memory(o->hf.source->path);
    if (!is_there(path)) return WEFT_OK;
    WEFT_TRY(read_json(o, path, to));
    *out = to;
    return WEFT_OK;
}

static weft_status put_sentence(struct opening *o) {
    struct weft_json_value modules, pooling, limits, prompts;
    struct weft_hf_sentence files = {0};
    const char *folder = NULL;
    size_t len = 0;
    WEFT_TRY(read_if_there(o, "modules.json", &modules, &files.modules));
    if (files.modules) WEFT_TRY(weft_fail_in(weft_hf_pooling_folder(files.modules, &folder, &len), "modules.json"));
    if (folder)
        WEFT_TRY(read_if_there(o, weft_arena_printf(&o->arena, "%.*s/config.json", (int)len, folder), &pooling,
                               &files.pooling));
    WEFT_TRY(read_if_there(o, "sentence_bert_config.json", &limits, &files.limits));
    WEFT_TRY(read_if_there(o, "config_sentence_transformers.json", &prompts, &files.prompts));
    return weft_hf_sentence(&o->hf, &files);
}

// ---- opening -------------------------------------------------------------------------------------------------------

static weft_status begin(struct opening *o, const char *path) {
    WEFT_TRY(weft_source_create(path, &o->hf.source));
    snprintf(o->hf.source->format, sizeof o->hf.source->format, "safetensors");
    return WEFT_OK;
}

static weft_status finish(struct opening *o, weft_status status, struct weft_source **out) {
    weft_safetensors_free(&o->list);
    weft_arena_free(&o->arena);
    if (o->hf.source) o->hf.source->bytes = o->bytes;
    if (status == WEFT_OK) *out = o->hf.source;
    else weft_source_close(o->hf.source);
    return status;
}

/// Everything before the last '/', with it.
static weft_status find_folder(struct opening *o, const char *path) {
    const char *slash = strrchr(path, '/');
    if (is_folder(path)) o->folder = weft_arena_printf(&o->arena, "%s%s", path, slash && !slash[1] ? "" : "/");
    else o->folder = weft_arena_printf(&o->arena, "%.*s", slash ? (int)(slash + 1 - path) : 0, path);
    return o->folder ? WEFT_OK : no_memory(path);
}

static weft_status open_folder(struct opening *o, const char *path) {
    WEFT_TRY(find_folder(o, path));
    const char *config = in_folder(o, "config.json");
    if (!config) return no_memory(path);
    if (!is_there(config))
        return weft_fail(WEFT_ERR_NOT_FOUND,
                         "%s is missing; beside safetensors files Weft needs the model's config.json", config);
    WEFT_TRY(read_json(o, config, &o->hf.root));
    WEFT_TRY(weft_fail_in(weft_hf_config(&o->hf), "%s", config));
    WEFT_TRY(add_files(o, path));
    WEFT_TRY(weft_fail_in(weft_hf_tensors(&o->hf, &o->list), "%s", path));
    WEFT_TRY(weft_fail_in(put_sentence(o), "%s", path));
    return put_tokenizer(o);
}

weft_status weft_hf_open(const char *path, struct weft_source **out) {
    struct opening o = {0};
    *out = NULL;
    weft_status status = begin(&o, path);
    if (status == WEFT_OK) status = open_folder(&o, path);
    return finish(&o, status, out);
}

static weft_status open_memory(struct opening *o, const char *config, size_t config_len, const void *tensors,
                               size_t size) {
    WEFT_TRY(weft_json_read(config, config_len, "config.json", &o->arena, &o->hf.root));
    WEFT_TRY(weft_fail_in(weft_hf_config(&o->hf), "config.json"));
    WEFT_TRY(weft_safetensors_parse(&o->list, 0, tensors, size));
    WEFT_TRY(weft_hf_tensors(&o->hf, &o->list));
    o->bytes = size;
    return put_ids(o, NULL);
}

weft_status weft_hf_open_memory(const char *config, size_t config_len, const void *tensors, size_t size,
                                const char *name, struct weft_source **out) {
    struct opening o = {0};
    *out = NULL;
    if ((uintptr_t)tensors % WEFT_SOURCE_ALIGNMENT)
        return weft_fail(WEFT_ERR_INVALID, "%s: a file of tensors in memory must be 8-aligned", name);
    weft_status status = begin(&o, name);
    if (status == WEFT_OK) status = weft_fail_in(open_memory(&o, config, config_len, tensors, size), "%s", name);
    return finish(&o, status, out);
}
