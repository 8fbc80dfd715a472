/// Model files, to look at: what is in one, and the graphs that it stands for. Opening maps the file and reads its
/// header; no device and no memory for weights is needed. weft/model.h runs models.
#ifndef WEFT_MODEL_FILE_H
#define WEFT_MODEL_FILE_H
#include "weft/program.h"

#ifdef __cplusplus
extern "C" {
#endif

/// An open file, or the parts of a split one. Thread-safety: safe, but for weft_model_file_graph and closing.
typedef struct weft_model_file weft_model_file;

struct weft_model_file_info {
    char format[32];  ///< "GGUF", "safetensors"
    uint32_t version; ///< of the format; 0: it has none
    uint32_t parts;
    uint64_t bytes; ///< of all parts together
    size_t keys, tensors;
    uint64_t reserved[4]; ///< zero
};

enum weft_key_kind {
    WEFT_KEY_BOOL,    ///< `flag`
    WEFT_KEY_INTEGER, ///< `integer`
    WEFT_KEY_REAL,    ///< `real`, which may be NaN or infinite
    WEFT_KEY_STRING,  ///< `string`, any bytes, not ended by NUL
    WEFT_KEY_OTHER,   ///< an array, or an integer above int64_t; weft_model_file_value shows it
};

/// A key and its value. What it points to lives as long as the file is open.
struct weft_model_file_key {
    const char *name, *type; ///< type: as the format has it, such as "u32"
    enum weft_key_kind kind;
    bool unknown; ///< a setting of the model or tokenizer that Weft does not know and does not use
    bool flag;
    int64_t integer;
    double real;
    const char *string;
    size_t length;        ///< of `string`
    uint64_t reserved[4]; ///< zero
};

struct weft_model_file_tensor {
    const char *name, *type; ///< type: as the format has it, such as "Q4_K"; both live as long as the file is open
    uint32_t rank, part;     ///< part: which file, from 0
    uint64_t shape[4];       ///< fastest axis first, as the file has it; 1 beyond `rank`
    uint64_t bytes, offset;  ///< offset: from the start of that file
    uint64_t reserved[4];    ///< zero
};

/// Opens a file (the first, if it is split) or a folder of Hugging Face (docs/sources.md); everything in its header is
/// checked. It must not change while it is open. On failure *out is NULL. Errors: NOT_FOUND, IO, FORMAT (names key or
/// tensor), UNSUPPORTED, NOMEM.
WEFT_API weft_status weft_model_file_open(const char *path, weft_model_file **out);
/// Frees it and sets *file to NULL. NULL, or a pointer to NULL, is fine.
WEFT_API void weft_model_file_close(weft_model_file **file);

/// Fills *out. Errors: INVALID (a NULL argument).
WEFT_API weft_status weft_model_file_info(const weft_model_file *file, struct weft_model_file_info *out);
/// Fills *out with key or tensor number `index`, in file order. Errors: INVALID (there are fewer).
WEFT_API weft_status weft_model_file_key(const weft_model_file *file, size_t index, struct weft_model_file_key *out);
WEFT_API weft_status weft_model_file_tensor(const weft_model_file *file, size_t index,
                                            struct weft_model_file_tensor *out);
/// Writes a value as text: strings escaped and cut at `width` characters, arrays as type, length and first elements.
/// Writes at most `capacity` bytes with the closing NUL and sets *length to the length without it; `text` may be NULL
/// if `capacity` is 0. Errors: INVALID (there are fewer keys), LIMIT, NOMEM.
WEFT_API weft_status weft_model_file_value(const weft_model_file *file, size_t index, size_t width, char *text,
                                           size_t capacity, size_t *length);

/// What a model's graph is for.
enum weft_model_head {
    WEFT_HEAD_GENERATE, ///< the next token
    WEFT_HEAD_LOGITS,   ///< logits of every token
    WEFT_HEAD_NLL,      ///< how well every token was predicted
};

/// Which graph. Zero is the default of each field. Of an encoder (weft/embed.h), `ctx` are the tokens of a text, and
/// the other fields have no say.
struct weft_model_graph_params {
    size_t struct_size; ///< WEFT_SIZED, or 0 (weft/version.h)
    enum weft_model_head head;
    uint32_t ctx;   ///< tokens of context; 0: the model's own, at most 4096
    uint32_t chunk; ///< most tokens a run; 0: as weft_model_open chooses
    bool cache_f16; ///< key and value cache in f16
    bool sampling;  ///< of GENERATE: with the full sampler
};

/// Builds the graph that the model stands for on a device. `params` may be NULL. *compile, if not NULL, becomes how
/// weft_model_open would compile it, for weft_plan_make; what it points to lives until the next call of this on the
/// file, or closing. On failure *out is NULL. Errors: UNSUPPORTED (a family, key or type that Weft does not compute:
/// names it), FORMAT, LIMIT (a context beyond the model's), NOMEM.
WEFT_API weft_status weft_model_file_graph(weft_model_file *file, const weft_device *device,
                                           const struct weft_model_graph_params *params, weft_graph **out,
                                           struct weft_program_compile_params *compile);

#ifdef __cplusplus
}
#endif
#endif
