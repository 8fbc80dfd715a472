/// Which source a tokenizer is made of.
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "model/hf.h"
#include "model/tokenizer/impl.h"

#include <string.h>

static const char whole[] = "tokenizer.huggingface.json"; // a tokenizer.json under one key

/// The ids of other files are beside it, and there may be fewer tokens than rows.
static weft_status create_whole(const struct weft_source *file, struct weft_tokenizer **out) {
    struct weft_source_str text;
    struct weft_str name = {0};
    WEFT_TRY(weft_source_get_string(file, whole, &text));
    const struct weft_source_tensor *rows = weft_source_find(file, "token_embd.weight");
    size_t least = rows && rows->size && rows->dims[1] <= INT32_MAX / 4 ? (size_t)rows->dims[1] : 0;
    weft_str_addf(&name, "%s: %s", weft_source_path(file), whole);
    weft_status status = weft_tokenizer_create_json(weft_str_get(&name), text.data, text.len, least, out);
    weft_str_free(&name);
    if (status == WEFT_OK) status = weft_tokenizer_take_ids(*out, file);
    if (status == WEFT_OK) return WEFT_OK;
    weft_tokenizer_destroy(*out);
    *out = NULL;
    return status;
}

weft_status weft_tokenizer_create(const struct weft_source *file, struct weft_tokenizer **out) {
    *out = NULL;
    if (weft_source_has(file, "tokenizer.ggml.model")) return weft_tokenizer_create_keys(file, out);
    if (weft_source_has(file, whole)) return create_whole(file, out);
    return weft_fail(WEFT_ERR_NOT_FOUND, "%s: key 'tokenizer.ggml.model' is missing, and there is no tokenizer.json",
                     weft_source_path(file));
}

weft_status weft_tokenizer_open(const char *path, struct weft_tokenizer **out) {
    if (out) *out = NULL;
    if (!path || !out) return weft_fail(WEFT_ERR_INVALID, "weft_tokenizer_open: an argument is NULL");
    size_t len = strlen(path);
    if (weft_hf_is(path) || len < 5 || strcmp(path + len - 5, ".json") != 0) {
        struct weft_source *file;
        WEFT_TRY(weft_source_open(path, &file));
        weft_status status = weft_tokenizer_create(file, out);
        weft_source_close(file);
        return status;
    }
    char *text;
    WEFT_TRY(weft_file_read(path, (size_t)1 << 30, &text, &len));
    weft_status status = weft_tokenizer_create_json(path, text, len, 0, out);
    weft_free(text);
    return status;
}
