/// Inside of the reader of tokenizer.json. For source_json*.c only.
#ifndef WEFT_MODEL_TOKENIZER_SOURCE_JSON_H
#define WEFT_MODEL_TOKENIZER_SOURCE_JSON_H
#include "core/json_read.h"
#include "model/tokenizer/impl.h"

struct weft_tokenizer_json {
    struct weft_tokenizer *t;
    struct weft_json_value root;
    bool blanks_gone; // words have no spaces left
    size_t least;     // ids up to which there are tokens, unused ones if need be
};

/// Refuses members whose name is not in `known`, a list with blanks between. `what` names the object.
weft_status weft_tj_only(const struct weft_json_value *v, const char *what, const char *known);
/// A member that is a bool; absent or null: `fallback`.
weft_status weft_tj_flag(const struct weft_json_value *v, const char *key, bool fallback, bool *out);
/// A member that is a whole number from 0 to `most`; absent or null: `fallback`.
weft_status weft_tj_number(const struct weft_json_value *v, const char *key, int64_t most, int64_t fallback,
                           int64_t *out);
/// Whether a member is there and not null.
bool weft_tj_has(const struct weft_json_value *v, const char *key);
weft_status weft_tj_refuse(const char *what, const struct weft_json_value *type);
/// Members of an object that names its type; `list` is the member of a Sequence that holds its parts.
weft_status weft_tj_each(struct weft_tokenizer_json *j, const struct weft_json_value *v, const char *list,
                         weft_status (*visit)(struct weft_tokenizer_json *j, const struct weft_json_value *v));

weft_status weft_tj_vocabulary(struct weft_tokenizer_json *j); ///< model and added tokens
weft_status weft_tj_normalizer(struct weft_tokenizer_json *j, const struct weft_json_value *v);
weft_status weft_tj_pre_tokenizer(struct weft_tokenizer_json *j, const struct weft_json_value *v);
#endif
