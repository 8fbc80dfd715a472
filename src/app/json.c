#include "app/json.h"

#include "app/app.h"
#include "core/json.h"
#include "core/visible.h"

#include <math.h>
#include <string.h>

json_t *weft_json_text(const char *bytes, size_t length) {
    struct weft_str text = {0};
    weft_str_addn(&text, "", 0);
    weft_str_add_utf8(&text, bytes, length);
    json_t *value = text.failed ? NULL : json_stringn(weft_str_get(&text), text.len);
    weft_str_free(&text);
    return value;
}

json_t *weft_json_ids(const int32_t *ids, size_t n) {
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(all, json_integer(ids[i]));
    return all;
}

json_t *weft_json_string(const char *text) { return weft_json_text(text, strlen(text)); }

json_t *weft_json_number(double x) { return isfinite(x) ? json_real(x) : json_null(); }

bool weft_json_member(json_t *object, const char *key, json_t *value) {
    struct weft_str name = {0};
    weft_str_add_utf8(&name, key, strlen(key));
    size_t whole = name.len;
    for (unsigned i = 2; !name.failed && json_object_get(object, weft_str_get(&name)); i++) {
        weft_str_cut(&name, whole);
        weft_str_addf(&name, " (%u)", i);
    }
    bool ok = !name.failed && json_object_set(object, weft_str_get(&name), value) == 0;
    json_decref(value);
    weft_str_free(&name);
    return ok;
}

static void write_tree(struct weft_json *j, const char *key, json_t *value) {
    const char *name;
    json_t *member;
    size_t i;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        weft_json_object(j, key);
        json_object_foreach(value, name, member) write_tree(j, name, member);
        weft_json_end(j);
        break;
    case JSON_ARRAY:
        weft_json_array(j, key);
        json_array_foreach(value, i, member) write_tree(j, NULL, member);
        weft_json_end(j);
        break;
    case JSON_STRING: weft_json_strn(j, key, json_string_value(value), json_string_length(value)); break;
    case JSON_INTEGER: weft_json_i64(j, key, json_integer_value(value)); break;
    case JSON_REAL: weft_json_real(j, key, json_real_value(value)); break;
    case JSON_NULL: weft_json_null(j, key); break;
    default: weft_json_bool(j, key, json_is_true(value));
    }
}

int weft_json_print(json_t *root) {
    struct weft_str text = {0};
    struct weft_json j;
    weft_json_begin(&j, &text, 2);
    j.digits = 9;
    if (root) write_tree(&j, NULL, root);
    json_decref(root);
    bool done = weft_json_done(&j);
    if (done) weft_outf("%s\n", weft_str_get(&text));
    weft_str_free(&text);
    return done ? WEFT_EXIT_OK : weft_app_error("out of memory for the JSON output");
}
