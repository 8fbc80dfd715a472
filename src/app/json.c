#include "app/json.h"

#include "app/app.h"
#include "core/str.h"

#include <stdlib.h>
#include <utf8proc.h>

json_t *weft_json_text(const char *bytes, size_t length) {
    struct weft_str text = {0};
    weft_str_addn(&text, "", 0);
    for (size_t i = 0; i < length;) {
        utf8proc_int32_t code;
        utf8proc_ssize_t n =
            utf8proc_iterate((const utf8proc_uint8_t *)bytes + i, (utf8proc_ssize_t)(length - i), &code);
        if (n > 0)
            weft_str_addn(&text, bytes + i, (size_t)n);
        else
            weft_str_addn(&text, "\xef\xbf\xbd", 3);
        i += n > 0 ? (size_t)n : 1;
    }
    json_t *value = text.failed ? NULL : json_stringn(weft_str_get(&text), text.len);
    weft_str_free(&text);
    return value;
}

int weft_json_print(json_t *root) {
    char *text = root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(root);
    if (!text) return weft_app_error("out of memory for the JSON output");
    weft_outf("%s\n", text);
    free(text);
    return WEFT_EXIT_OK;
}
