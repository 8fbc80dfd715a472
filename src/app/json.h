/// JSON output: any bytes become text, and a tree is printed once.
#ifndef WEFT_APP_JSON_H
#define WEFT_APP_JSON_H
#include <jansson.h>
#include <stddef.h>

/// A JSON string of any bytes: what is no UTF-8 becomes U+FFFD. NULL when out of memory.
json_t *weft_json_text(const char *bytes, size_t length);
/// Prints `root` to stdout with a line break and releases it. NULL `root` is "out of memory". Returns an exit code.
int weft_json_print(json_t *root);
#endif
