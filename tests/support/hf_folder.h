/// A model of a GGUF file as a folder of Hugging Face has it, for tests: the same weights in f32
/// under the other names, in the other order, and with config.json in place of keys.
#ifndef WEFT_TEST_HF_FOLDER_H
#define WEFT_TEST_HF_FOLDER_H
#include "core/str.h"
#include "model/source.h"

/// Makes norm weights and decays of the source such that going to the folder's form and back gives the same bits. The
/// source's memory must be writable.
void weft_hf_round(const struct weft_source *s);

/// The text of config.json, of gemma3 and qwen35.
void weft_hf_write_config(const struct weft_source *s, struct weft_str *out);
/// The text of tokenizer.json, of a vocabulary of bytes, letters and letters behind a space.
void weft_hf_write_tokenizer(const struct weft_source *s, struct weft_str *out);
/// Tensors i with i % parts == part as a safetensors file (weft_free).
uint8_t *weft_hf_write_tensors(const struct weft_source *s, uint32_t part, uint32_t parts, size_t *size);
/// The tensors into a folder that is there: model.safetensors, or `parts` shards, among which a layer's experts are
/// spread, and their index. False: it failed.
bool weft_hf_write_shards(const struct weft_source *s, const char *folder, uint32_t parts);
/// The same and the rest into a folder, which is made. False: it failed.
bool weft_hf_write_folder(const struct weft_source *s, const char *folder, uint32_t parts);
#endif
