/// Rendering: the variables a template starts from, and the runs of its text.
#include "model/template/call.h"
#include "model/template/template.h"

#include "core/alloc.h"
#include "core/error.h"

#include <string.h>

static void fill_limits(struct weft_template_limits *l) {
    if (!l->steps) l->steps = 20000000;
    if (!l->loop_turns) l->loop_turns = 1000000;
    if (!l->depth) l->depth = 1000;
    if (!l->memory) l->memory = (size_t)256 << 20;
    if (!l->output) l->output = (size_t)32 << 20;
}

static bool define(struct weft_jrun *r, const char *name, size_t n, struct weft_jv v) {
    struct weft_jv text;
    return weft_j_str(r, name, n, false, &text) && weft_j_set(r, text.s, v);
}

static bool define_json(struct weft_jrun *r, const char *name, const struct weft_json_value *v) {
    struct weft_jv value = weft_j_none();
    return (!v || weft_j_from_json(r, v, true, &value)) && define(r, name, strlen(name), value);
}

static bool define_all(struct weft_jrun *r, const struct weft_json_value *map, bool data, const char *what) {
    if (!map) return true;
    if (map->type != WEFT_JSON_MAP) return weft_j_fail(r, WEFT_ERR_INVALID, "options.%s is no map", what);
    for (size_t i = 0; i < map->n; i++) {
        struct weft_jv v;
        if (!weft_j_from_json(r, &map->items[i], data, &v) || !define(r, map->keys[i].text, map->keys[i].len, v))
            return false;
    }
    return true;
}

// Templates write "<|" + role + "|>", so the roles that conversations have are trusted; no user text gets here.
static bool trust_role(struct weft_jrun *r, const struct weft_jv *message) {
    static const char *const roles[] = {"system", "user", "assistant", "tool", "developer", "function", "model"};
    size_t place;
    if (message->kind != WEFT_J_MAP || !weft_j_get_text(message->map, "role", 4, &place)) return true;
    struct weft_jv *role = &message->map->values[place];
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (weft_j_is(role, roles[i])) return weft_j_str(r, roles[i], strlen(roles[i]), false, role);
    return true;
}

static bool define_messages(struct weft_jrun *r, const struct weft_json_value *messages) {
    struct weft_jv v;
    if (!messages || messages->type != WEFT_JSON_LIST)
        return weft_j_fail(r, WEFT_ERR_INVALID, "the messages are no list of maps with 'role' and 'content'");
    if (!weft_j_from_json(r, messages, true, &v)) return false;
    for (size_t i = 0; i < v.list->n; i++)
        if (!trust_role(r, &v.list->items[i])) return false;
    return define(r, "messages", 8, v);
}

static bool prepare(struct weft_jrun *r, const struct weft_json_value *messages) {
    const struct weft_template_options *o = r->options;
    size_t n;
    const struct weft_jfunction *functions = weft_j_functions(&n);
    if (!(r->scope = weft_j_alloc(r, sizeof *r->scope))) return false;
    for (size_t i = 0; i < n; i++) {
        struct weft_jv v = {.kind = WEFT_J_FUNCTION, .function = &functions[i]};
        if (!define(r, functions[i].name, strlen(functions[i].name), v)) return false;
    }
    return define_json(r, "tools", o->tools) && define_json(r, "documents", o->documents) &&
           define(r, "add_generation_prompt", 21, weft_j_bool(o->add_generation_prompt)) &&
           define_all(r, o->tokens, false, "tokens") && define_all(r, o->variables, true, "variables") &&
           define_messages(r, messages);
}

// ---- the result ---------------------------------------------------------------------------------------------------

static bool add_run(struct weft_template_runs *runs, size_t end, bool data) {
    if (!weft_grow((void **)&runs->items, &runs->cap, runs->n + 1, sizeof *runs->items)) return false;
    runs->items[runs->n++] = (struct weft_template_run){end, data};
    return true;
}

static bool find_runs(const struct weft_jbuf *b, struct weft_template_runs *runs) {
    for (size_t i = 0, end; i < b->len; i = end) {
        for (end = i + 1; end < b->len && b->marks[end] == b->marks[i];) end++;
        if (!add_run(runs, end, b->marks[i])) return false;
    }
    return true;
}

static weft_status hand_out(const struct weft_jbuf *b, struct weft_str *out, struct weft_template_runs *runs) {
    if (b->len) weft_str_addn(out, b->text, b->len);
    if (!out->failed && (!runs || find_runs(b, runs))) return WEFT_OK;
    weft_str_free(out);
    if (runs) weft_template_runs_free(runs);
    return weft_fail(WEFT_ERR_NOMEM, "chat template: out of memory");
}

void weft_template_runs_free(struct weft_template_runs *runs) {
    weft_free(runs->items);
    *runs = (struct weft_template_runs){0};
}

weft_status weft_template_render(const struct weft_template *t, const struct weft_json_value *messages,
                                 const struct weft_template_options *options, struct weft_str *out,
                                 struct weft_template_runs *runs) {
    struct weft_template_options filled = options ? *options : (struct weft_template_options){0};
    struct weft_jbuf text = {0};
    fill_limits(&filled.limits);
    struct weft_jrun r = {.line = 1, .column = 1, .t = t, .options = &filled, .out = &text, .is_root_output = true};
    weft_str_cut(out, 0);
    if (runs) runs->n = 0;
    if (!t) return weft_template_missing("the model");
    weft_status status = WEFT_OK;
    if (!prepare(&r, messages) || !weft_j_exec(&r, t->body)) status = r.status;
    if (status == WEFT_OK) status = hand_out(&text, out, runs);
    weft_arena_free(&r.arena);
    return status;
}
