/// Which keys of a GGUF file Weft honours, which change nothing, and which it must refuse. A key that changes what a
/// model computes is never skipped: it is honoured, has the value at which it changes nothing, or is refused by name.
///
/// The keys under an architecture's prefix and under "tokenizer.ggml." are all in the tables of keys.c; one that is not
/// is unknown, and callers report it.
#ifndef WEFT_MODEL_KEYS_H
#define WEFT_MODEL_KEYS_H
#include "core/str.h"
#include "model/source.h"

/// Refuses what Weft does not compute. `arch` is general.architecture. Errors: UNSUPPORTED names the key, its value and
/// the value that would do; no family of that name.
weft_status weft_model_keys_check(const struct weft_source *file, const char *arch);

/// The architecture by which keys are looked up. NULL if Weft has no family of that name, so that nothing of the file
/// would be used.
const char *weft_model_keys_arch(const struct weft_source *file, const char *arch);
/// Whether the key is under one of the prefixes and in none of the tables. `arch` is from the above; of NULL no key is
/// unknown.
bool weft_model_key_unknown(const char *arch, const char *key);

/// Adds the names of unknown keys with ", " between them, at most `most` of them, and returns how many there are.
size_t weft_model_keys_unknown(const struct weft_source *file, const char *arch, size_t most, struct weft_str *out);
/// Logs a warning that names some of them, if there are any.
void weft_model_keys_report(const struct weft_source *file, const char *arch);
#endif
