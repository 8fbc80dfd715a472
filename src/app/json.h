/// JSON output of the command: trees of jansson, printed by the writer of core/json.h, which escapes all text.
#ifndef WEFT_APP_JSON_H
#define WEFT_APP_JSON_H
#include <jansson.h>
#include <stddef.h>

/// A JSON string of any bytes. Those of no well-formed UTF-8 become U+FFFD here, since jansson takes no others. NULL
/// when out of memory.
json_t *weft_json_text(const char *bytes, size_t length);
/// Prints `root` to stdout with a line break and releases it. NULL `root` is "out of memory". Returns an exit code.
int weft_json_print(json_t *root);
#endif
