/// JSON output of the command: trees of jansson, printed by the writer of core/json.h, which escapes all text.
#ifndef WEFT_APP_JSON_H
#define WEFT_APP_JSON_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// A JSON string of any bytes: what is no UTF-8 becomes U+FFFD. NULL when out of memory. Texts that this program did
/// not write itself go through here: jansson refuses bytes that are no UTF-8, and what holds them with it.
json_t *weft_json_text(const char *bytes, size_t length);
json_t *weft_json_string(const char *text); ///< the same of a text that ends in NUL
/// A number, or null if it is NaN or infinite, which JSON has no number for.
json_t *weft_json_number(double x);
/// An array of ids.
json_t *weft_json_ids(const int32_t *ids, size_t n);
/// Adds a member whose name may hold any bytes, as above, and takes `value`. Members that would get one name by that
/// are numbered: "k", "k (2)". False when out of memory.
bool weft_json_member(json_t *object, const char *key, json_t *value);
/// Prints `root` to stdout with a line break and releases it; characters that a terminal would act on as \u escapes.
/// NULL `root` is "out of memory". Returns an exit code.
int weft_json_print(json_t *root);
#endif
