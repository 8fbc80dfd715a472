#include "plan/expand.h"
#include "core/error.h"
#include <string.h>

/// File and values as one string of bytes; texts with their lengths, so that nothing runs together.
static void write_key(const char *file, const struct weft_tval *values, size_t n, struct weft_str *key) {
    weft_str_add(key, file);
    for (size_t i = 0; i < n; i++) {
        const struct weft_tval *v = &values[i];
        size_t len = v->text ? strlen(v->text) : 0;
        weft_str_addf(key, "\n%s %lld %d %zu ", v->name, (long long)v->i, v->text != NULL, len);
        if (len) weft_str_addn(key, v->text, len);
    }
}

weft_status weft_plan_expand(struct weft_plan *plan, const char *file, const struct weft_tval *values, size_t n,
                             struct weft_str *out) {
    struct weft_str key = {0}, text = {0};
    uint64_t known;
    write_key(file, values, n, &key);
    weft_status status = WEFT_OK;
    if (!key.failed && weft_map_get(&plan->scratch.texts, weft_str_get(&key), key.len, &known)) {
        weft_str_add(out, (const char *)(uintptr_t)known);
    } else {
        status = weft_template_expand(file, values, n, &text, NULL);
        if (status == WEFT_OK) weft_str_addn(out, weft_str_get(&text), text.len);
        char *kept = status == WEFT_OK && !text.failed && !key.failed
                         ? weft_arena_strdup(&plan->arena, weft_str_get(&text))
                         : NULL;
        // Without room to remember it, it is expanded again.
        if (kept) weft_map_set(&plan->scratch.texts, weft_str_get(&key), key.len, (uint64_t)(uintptr_t)kept);
        out->failed |= text.failed;
    }
    weft_str_free(&key);
    weft_str_free(&text);
    return status;
}
