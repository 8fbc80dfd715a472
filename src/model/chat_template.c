#include "model/chat_template.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "core/utf8.h"

#include <stdio.h>
#include <string.h>

#define KEY "tokenizer.chat_template"
enum { MOST_BYTES = 1 << 20 };

/// Formats that many models share, for files that lost their template. A name is that of the first model that had it.
static const char *const known[] = {"chatml", "gemma", "llama2", "llama3", "mistral", "phi3", "zephyr", NULL};
static const char *const known_texts[] = {
    // clang-format off
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "{{ bos_token }}{% set ns = namespace(system='') %}{% for m in messages %}{% if m['role'] == 'system' %}"
    "{% set ns.system = m['content'] | trim + '\n\n' %}{% else %}<start_of_turn>"
    "{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n{{ ns.system + m['content'] | trim }}"
    "{% set ns.system = '' %}<end_of_turn>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
    "{% set ns = namespace(system='') %}{% for m in messages %}{% if m['role'] == 'system' %}"
    "{% set ns.system = '<<SYS>>\n' + m['content'] | trim + '\n<</SYS>>\n\n' %}{% elif m['role'] == 'assistant' %}"
    "{{ ' ' }}{{ m['content'] | trim }} {{ eos_token }}{% else %}{{ bos_token }}[INST] "
    "{{ ns.system + m['content'] | trim }} [/INST]{% set ns.system = '' %}{% endif %}{% endfor %}",
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}",
    "{{ bos_token }}{% set ns = namespace(system='') %}{% for m in messages %}{% if m['role'] == 'system' %}"
    "{% set ns.system = m['content'] | trim + '\n\n' %}{% elif m['role'] == 'assistant' %}"
    "{{ ' ' }}{{ m['content'] | trim }}{{ eos_token }}{% else %}[INST] {{ ns.system + m['content'] | trim }} [/INST]"
    "{% set ns.system = '' %}{% endif %}{% endfor %}",
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] | trim }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] | trim }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
    // clang-format on
};

const char *const *weft_chat_template_names(void) { return known; }

static int find_known(const char *name) {
    for (int i = 0; known[i]; i++)
        if (!strcmp(known[i], name)) return i;
    return -1;
}

static weft_status parse(const struct weft_source *file, const char *key, struct weft_template **out) {
    struct weft_source_str s;
    WEFT_TRY(weft_source_get_string(file, key, &s));
    return weft_fail_in(weft_template_parse(s.data, s.len, out), "%s", weft_source_path(file));
}

/// What may be given, for messages: the model's variants and the names that are known.
static void list_choices(const struct weft_source *file, struct weft_str *out) {
    const size_t n = strlen(KEY ".");
    for (size_t i = 0; i < weft_source_key_count(file); i++) {
        const char *key = weft_source_key_at(file, i);
        if (!strncmp(key, KEY ".", n) && key[n]) weft_str_addf(out, "%s%s", out->len ? ", " : "", key + n);
    }
    for (size_t i = 0; known[i]; i++) weft_str_addf(out, "%s%s", out->len ? ", " : "", known[i]);
}

static weft_status parse_file(const struct weft_source *file, const char *path, struct weft_template **out) {
    char *text = NULL;
    size_t len;
    weft_status status = weft_file_read(path, MOST_BYTES, &text, &len);
    if (status == WEFT_ERR_NOT_FOUND) {
        struct weft_str names = {0};
        list_choices(file, &names);
        status =
            weft_fail(status, "--chat-template: '%s' is no file, and no template of that name is known; known are %s",
                      path, weft_str_get(&names));
        weft_str_free(&names);
    }
    if (status == WEFT_OK) status = weft_fail_in(weft_template_parse(text, len, out), "%s", path);
    weft_free(text);
    return status;
}

weft_status weft_chat_template_load(const struct weft_source *file, const char *choice, struct weft_template **out) {
    *out = NULL;
    if (!choice && !weft_source_has(file, KEY)) return weft_template_missing(weft_source_path(file));
    if (!choice) return parse(file, KEY, out);
    struct weft_str key = {0};
    weft_str_addf(&key, KEY ".%s", choice);
    bool variant = !key.failed && weft_source_has(file, weft_str_get(&key));
    weft_status status = variant ? parse(file, weft_str_get(&key), out) : WEFT_ERR_NOT_FOUND;
    if (key.failed) status = weft_fail(WEFT_ERR_NOMEM, "out of memory for a chat template");
    weft_str_free(&key);
    if (variant || status == WEFT_ERR_NOMEM) return status;
    int i = find_known(choice);
    if (i >= 0) return weft_template_parse(known_texts[i], strlen(known_texts[i]), out);
    return parse_file(file, choice, out);
}

static bool is_utf8(struct weft_source_str s) {
    size_t at = 0;
    for (size_t n; at < s.len && (n = weft_utf8_next(s.data + at, s.len - at, NULL)) > 0;) at += n;
    return s.len && at == s.len;
}

weft_status weft_chat_template_tokens(const struct weft_source *file, const struct weft_tokenizer *t,
                                      struct weft_arena *arena, struct weft_json_value *out) {
    static const struct {
        const char *name, *key;
    } tokens[] = {{"bos_token", "bos"},     {"eos_token", "eos"}, {"unk_token", "unknown"}, {"sep_token", "seperator"},
                  {"pad_token", "padding"}, {"cls_token", "cls"}, {"mask_token", "mask"}};
    enum { MOST = sizeof tokens / sizeof *tokens };
    struct weft_json_value *items = weft_arena_alloc(arena, MOST * sizeof *items);
    struct weft_json_text *keys = weft_arena_alloc(arena, MOST * sizeof *keys);
    size_t n = 0;
    if (!items || !keys) return weft_fail(WEFT_ERR_NOMEM, "out of memory for the tokens of a chat template");
    for (size_t i = 0; i < MOST; i++) {
        char key[64];
        uint32_t id = UINT32_MAX;
        snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", tokens[i].key);
        if (i > 1) WEFT_TRY(weft_source_u32_or(file, key, UINT32_MAX, &id));
        int32_t found = i == 0           ? weft_tokenizer_bos(t)
                        : i == 1         ? weft_tokenizer_eos(t)
                        : id > INT32_MAX ? -1
                                         : (int32_t)id;
        struct weft_source_str s = weft_tokenizer_text(t, found);
        if (!is_utf8(s)) continue;
        char *copy = weft_arena_alloc(arena, s.len + 1);
        if (!copy) return weft_fail(WEFT_ERR_NOMEM, "out of memory for the tokens of a chat template");
        memcpy(copy, s.data, s.len);
        keys[n] = (struct weft_json_text){tokens[i].name, strlen(tokens[i].name)};
        items[n++] = (struct weft_json_value){.type = WEFT_JSON_STRING, .s = {copy, s.len}};
    }
    *out = (struct weft_json_value){.type = WEFT_JSON_MAP, .n = n, .items = items, .keys = keys};
    return WEFT_OK;
}
