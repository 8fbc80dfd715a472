/// Models as Hugging Face stores them: a folder of config.json, safetensors files and tokenizer.json. What config.json
/// and the tensors' names say is translated, row by row of the tables in hf_families.c, to what a GGUF file of the same
/// model has: the same keys, names, order of rows (of rotated heads and of value heads), and norm weights as factors.
#ifndef WEFT_MODEL_HF_H
#define WEFT_MODEL_HF_H
#include "model/source.h"

/// Opens a folder, or one .safetensors file or .safetensors.index.json beside a config.json. Errors: NOT_FOUND (what
/// the folder lacks), IO, NOMEM, FORMAT (damaged; names file, key or tensor), UNSUPPORTED (a model_type without a row;
/// what a row refuses).
weft_status weft_hf_open(const char *path, struct weft_source **out);
/// Whether a path asks for weft_hf_open.
bool weft_hf_is(const char *path);

/// The same of one file of tensors in memory, which must outlive the result; `name` is for messages.
weft_status weft_hf_open_memory(const char *config, size_t config_len, const void *tensors, size_t size,
                                const char *name, struct weft_source **out);
#endif
