/// Members of config.json, the rows that they have, and the keys that they become.
#include "core/error.h"
#include "model/hf_impl.h"
#include "model/source_build.h"

#include <float.h>
#include <math.h>
#include <string.h>

const char *weft_hf_key_name(const struct weft_hf *hf, const char *name) {
    return weft_arena_printf(&hf->source->arena, "%s.%s", hf->family->arch, name);
}

static weft_status no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory for the keys of a model"); }

weft_status weft_hf_put_count(struct weft_hf *hf, const char *name, uint32_t x) {
    const char *key = weft_hf_key_name(hf, name);
    return key ? weft_source_put_u32(hf->source, key, x) : no_memory();
}

weft_status weft_hf_put_number(struct weft_hf *hf, const char *name, double x) {
    const char *key = weft_hf_key_name(hf, name);
    return key ? weft_source_put_f32(hf->source, key, (float)x) : no_memory();
}

const struct weft_json_value *weft_hf_member(const struct weft_json_value *v, const char *name) {
    const struct weft_json_value *m = weft_json_find(v, name);
    return m && m->type != WEFT_JSON_NULL ? m : NULL;
}

weft_status weft_hf_to_number(const struct weft_json_value *m, const char *name, double *out) {
    if (m->type != WEFT_JSON_INT && m->type != WEFT_JSON_REAL)
        return weft_fail(WEFT_ERR_FORMAT, "'%s' is no number", name);
    *out = m->type == WEFT_JSON_INT ? (double)m->i : m->r;
    return fabs(*out) <= FLT_MAX ? WEFT_OK
                                 : weft_fail(WEFT_ERR_FORMAT, "'%s' is %g, which f32 cannot hold", name, *out);
}

/// Whole numbers may be written as 8.0 too.
weft_status weft_hf_to_count(const struct weft_json_value *m, const char *name, uint32_t *out) {
    double x = 0;
    WEFT_TRY(weft_hf_to_number(m, name, &x));
    if (!(x >= 0 && x <= UINT32_MAX) || x != floor(x))
        return weft_fail(WEFT_ERR_FORMAT, "'%s' is %g, not a whole number from 0 to %u", name, x, UINT32_MAX);
    *out = (uint32_t)x;
    return WEFT_OK;
}

weft_status weft_hf_number(const struct weft_json_value *v, const char *name, double fallback, double *out) {
    const struct weft_json_value *m = weft_hf_member(v, name);
    *out = fallback;
    return m ? weft_hf_to_number(m, name, out) : WEFT_OK;
}

weft_status weft_hf_count(const struct weft_json_value *v, const char *name, uint32_t fallback, uint32_t *out) {
    const struct weft_json_value *m = weft_hf_member(v, name);
    *out = fallback;
    return m ? weft_hf_to_count(m, name, out) : WEFT_OK;
}

static const struct weft_hf_key *find_in(const struct weft_hf_key *rows, const char *name, size_t len) {
    for (; rows->from; rows++)
        if (strlen(rows->from) == len && memcmp(rows->from, name, len) == 0) return rows;
    return NULL;
}

const struct weft_hf_key *weft_hf_find_key(const struct weft_hf *hf, const char *name, size_t len) {
    const struct weft_hf_key *row = find_in(hf->family->keys, name, len);
    return row ? row : find_in(weft_hf_common_keys, name, len);
}

double weft_hf_fallback(const struct weft_hf *hf, const char *from) {
    const struct weft_hf_key *row = weft_hf_find_key(hf, from, strlen(from));
    return row ? row->fallback : 0;
}
