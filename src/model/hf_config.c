/// From config.json to keys.
#include "core/error.h"
#include "model/hf_impl.h"
#include "model/source_build.h"

#include <inttypes.h>
#include <string.h>

static weft_status no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory for the keys of a model"); }

/// A scalar as config.json has it, without quotes.
static void describe(const struct weft_json_value *v, struct weft_str *out) {
    switch (v->type) {
    case WEFT_JSON_NULL: weft_str_add(out, "null"); break;
    case WEFT_JSON_BOOL: weft_str_add(out, v->b ? "true" : "false"); break;
    case WEFT_JSON_INT: weft_str_addf(out, "%" PRId64, v->i); break;
    case WEFT_JSON_REAL: weft_str_addf(out, "%.17g", v->r); break;
    case WEFT_JSON_STRING: weft_str_addn(out, v->s.text, v->s.len); break;
    case WEFT_JSON_LIST: weft_str_add(out, v->n ? "a list" : "[]"); break;
    case WEFT_JSON_MAP: weft_str_add(out, v->n ? "an object" : "{}"); break;
    }
}

// ---- rows ----------------------------------------------------------------------------------------------------------

/// Whether a text is one of those with '|' between.
static bool among(const char *list, const char *text, size_t len) {
    for (;; list++) {
        size_t n = strcspn(list, "|");
        if (n == len && memcmp(list, text, n) == 0) return true;
        list += n;
        if (!*list) return false;
    }
}

static weft_status check_must(const struct weft_hf_key *row, const struct weft_json_value *m) {
    struct weft_str text = {0};
    weft_status status = WEFT_OK;
    describe(m, &text);
    if (text.failed) status = no_memory();
    else if (!among(row->to, weft_str_get(&text), text.len))
        status = weft_fail(WEFT_ERR_UNSUPPORTED, "'%s' is %.60s; Weft computes this model with %s only", row->from,
                           weft_str_get(&text), row->to);
    weft_str_free(&text);
    return status;
}

static weft_status apply(struct weft_hf *hf, const struct weft_hf_key *row, const struct weft_json_value *m) {
    uint32_t n;
    double x;
    switch (row->use) {
    case WEFT_HF_COUNT: WEFT_TRY(weft_hf_to_count(m, row->from, &n)); return weft_hf_put_count(hf, row->to, n);
    case WEFT_HF_NUMBER: WEFT_TRY(weft_hf_to_number(m, row->from, &x)); return weft_hf_put_number(hf, row->to, x);
    case WEFT_HF_MUST: return check_must(row, m);
    case WEFT_HF_SKIP: break;
    }
    return WEFT_OK;
}

/// A member that no row knows becomes a key that nobody knows.
static weft_status put_unknown(struct weft_hf *hf, const struct weft_json_text *name, const struct weft_json_value *m) {
    struct weft_str text = {0};
    if (memchr(name->text, 0, name->len)) return weft_fail(WEFT_ERR_FORMAT, "a member's name has a zero byte");
    const char *key = weft_arena_printf(&hf->source->arena, "%s.config.%s", hf->family->arch, name->text);
    describe(m, &text);
    weft_status status = key && !text.failed ? WEFT_OK : no_memory();
    if (status == WEFT_OK) status = weft_source_put_string(hf->source, key, weft_str_get(&text), text.len);
    weft_str_free(&text);
    return status;
}

static weft_status put_members(struct weft_hf *hf) {
    const struct weft_json_value *c = &hf->config;
    for (size_t i = 0; i < c->n; i++) {
        const struct weft_hf_key *row = weft_hf_find_key(hf, c->keys[i].text, c->keys[i].len);
        if (c->items[i].type == WEFT_JSON_NULL) continue; // as if it were absent
        WEFT_TRY(row ? apply(hf, row, &c->items[i]) : put_unknown(hf, &c->keys[i], &c->items[i]));
    }
    return WEFT_OK;
}

static weft_status put_fallbacks(struct weft_hf *hf) {
    for (const struct weft_hf_key *row = hf->family->keys; row->from; row++) {
        if (row->fallback == 0 || weft_json_find(&hf->config, row->from)) continue; // null says that there is none
        if (row->use == WEFT_HF_COUNT) WEFT_TRY(weft_hf_put_count(hf, row->to, (uint32_t)row->fallback));
        if (row->use == WEFT_HF_NUMBER) WEFT_TRY(weft_hf_put_number(hf, row->to, row->fallback));
    }
    return WEFT_OK;
}

static weft_status choose(struct weft_hf *hf) {
    const struct weft_json_value *text = weft_hf_member(&hf->root, "text_config");
    if (hf->root.type != WEFT_JSON_MAP || (text && text->type != WEFT_JSON_MAP))
        return weft_fail(WEFT_ERR_FORMAT, "it is no object");
    if (hf->root.repeats || (text && text->repeats)) return weft_fail(WEFT_ERR_FORMAT, "a member is there twice");
    hf->config = text ? *text : hf->root;
    const struct weft_json_value *type = weft_hf_member(&hf->config, "model_type");
    if (!type) type = weft_hf_member(&hf->root, "model_type");
    if (!type || type->type != WEFT_JSON_STRING) return weft_fail(WEFT_ERR_NOT_FOUND, "'model_type' is missing");
    hf->family = weft_hf_find(type->s.text, type->s.len);
    if (hf->family) return WEFT_OK;
    struct weft_str known = {0};
    weft_hf_types(&known);
    weft_status status = weft_fail(WEFT_ERR_UNSUPPORTED, "Weft has no row for the model_type '%.*s'; known: %s",
                                   (int)(type->s.len < 60 ? type->s.len : 60), type->s.text, weft_str_get(&known));
    weft_str_free(&known);
    return status;
}

/// Layers of a compressed or quantised model have other tensors than those that the rows translate.
static weft_status check_quantization(const struct weft_hf *hf) {
    const struct weft_json_value *q = weft_hf_member(&hf->root, "quantization_config");
    if (!q) q = weft_hf_member(&hf->config, "quantization_config");
    const struct weft_json_value *method = weft_hf_member(q, "quant_method");
    if (!q) return WEFT_OK;
    return weft_fail(
        WEFT_ERR_UNSUPPORTED,
        "the model is quantised ('quantization_config' by %.40s); Weft reads folders of F32, F16 and BF16, "
        "and quantised models from GGUF files",
        method && method->type == WEFT_JSON_STRING ? method->s.text : "an unnamed method");
}

weft_status weft_hf_config(struct weft_hf *hf) {
    WEFT_TRY(choose(hf));
    WEFT_TRY(check_quantization(hf));
    WEFT_TRY(weft_source_put_string(hf->source, "general.architecture", hf->family->arch, strlen(hf->family->arch)));
    WEFT_TRY(put_members(hf));
    WEFT_TRY(put_fallbacks(hf));
    WEFT_TRY(weft_hf_attention(hf));
    return hf->family->more ? hf->family->more(hf) : WEFT_OK;
}
