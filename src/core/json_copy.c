#include "core/json.h"
#include "core/json_read.h"

#include <string.h>

/// The depth is bounded by the reader's and the writer's.
void weft_json_copy(struct weft_json *j, const char *key, const struct weft_json_value *v) {
    switch (v->type) {
    case WEFT_JSON_NULL: weft_json_null(j, key); break;
    case WEFT_JSON_BOOL: weft_json_bool(j, key, v->b); break;
    case WEFT_JSON_INT: weft_json_i64(j, key, v->i); break;
    case WEFT_JSON_REAL: weft_json_real(j, key, v->r); break;
    case WEFT_JSON_STRING: weft_json_strn(j, key, v->s.text, v->s.len); break;
    case WEFT_JSON_LIST:
    case WEFT_JSON_MAP:
        if (v->type == WEFT_JSON_MAP) weft_json_object(j, key);
        else weft_json_array(j, key);
        for (size_t i = 0; i < v->n && !j->out->failed; i++) {
            const char *name = v->type == WEFT_JSON_MAP ? v->keys[i].text : NULL;
            if (name && strlen(name) != v->keys[i].len) j->out->failed = true; // the writer's keys end at a NUL
            weft_json_copy(j, name, &v->items[i]);
        }
        weft_json_end(j);
        break;
    }
}
