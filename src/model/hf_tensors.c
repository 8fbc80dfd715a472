/// From the names and order of a folder's tensors to those of GGUF.
#include "core/alloc.h"
#include "core/error.h"
#include "model/gguf.h"
#include "model/hf_impl.h"
#include "model/source_build.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/// A stored tensor and where it goes.
struct entry {
    size_t group;
    int32_t expert;
    const struct weft_source_tensor *t;
};

/// A tensor of the result: one stored tensor, or one of each expert.
struct group {
    const char *name;
    const struct weft_hf_name *row; // NULL: a name that no row knows
    const struct entry *items;
    size_t n;
};

struct groups {
    struct weft_hf *hf;
    struct group *items;
    struct entry *entries;
    size_t n, cap, n_entries;
    struct weft_map names;
};

static weft_status no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory for the tensors of a model"); }

// ---- names ---------------------------------------------------------------------------------------------------------

enum { MOST_NUMBER = 1 << 16 };

/// A number at *at, which moves behind it; -1: there is none. Zeros in front would be a second name of a tensor.
static int32_t take_number(const char *text, size_t len, size_t *at) {
    int32_t x = 0;
    size_t start = *at;
    while (*at < len && text[*at] >= '0' && text[*at] <= '9' && x < MOST_NUMBER) x = x * 10 + (text[(*at)++] - '0');
    bool zeros = *at - start > 1 && text[start] == '0';
    return *at > start && x < MOST_NUMBER && !zeros ? x : -1;
}

struct match {
    int32_t layer, expert;
};

/// Whether `text` is what a row's `from` stands for.
static bool fits(const char *from, const char *text, size_t len, struct match *m) {
    size_t at = 0;
    *m = (struct match){0};
    for (; *from; from++) {
        if (*from == '#' || *from == '*') {
            int32_t x = take_number(text, len, &at);
            if (x < 0) return false;
            *(*from == '#' ? &m->layer : &m->expert) = x;
        } else if (at < len && text[at] == *from) {
            at++;
        } else {
            return false;
        }
    }
    return at == len || from[-1] == '.';
}

static const struct weft_hf_name *find_in(const struct weft_hf_name *rows, const char *text, size_t len,
                                          struct match *m) {
    for (; rows->from; rows++)
        if (fits(rows->from, text, len, m)) return rows;
    return NULL;
}

/// The row of a name, whose ".weight" or ".bias" is *suffix.
static const struct weft_hf_name *find_name(const struct weft_hf_family *family, const char *name, const char **suffix,
                                            struct match *m) {
    static const struct {
        const char *from, *to;
    } ends[] = {{".weight", ".weight"}, {".bias", ".bias"}, {".gamma", ".weight"}, {".beta", ".bias"}, {"", ""}};
    size_t len = strlen(name);
    for (size_t e = 0; e < sizeof ends / sizeof *ends; e++) {
        size_t end = strlen(ends[e].from);
        if (len < end || strcmp(name + len - end, ends[e].from) != 0) continue;
        *suffix = ends[e].to;
        for (const char *const *prefix = weft_hf_prefixes; *prefix; prefix++) {
            size_t front = strlen(*prefix);
            if (len - end < front || strncmp(name, *prefix, front) != 0) continue;
            const struct weft_hf_name *row = find_in(family->names, name + front, len - end - front, m);
            if (!row) row = find_in(weft_hf_common_names, name + front, len - end - front, m);
            if (row) return row;
        }
    }
    return NULL;
}

static const char *write_name(struct weft_arena *arena, const char *to, int32_t layer, const char *suffix) {
    const char *mark = strchr(to, '#');
    if (!mark) return weft_arena_printf(arena, "%s%s", to, suffix);
    return weft_arena_printf(arena, "%.*s%d%s%s", (int)(mark - to), to, layer, mark + 1, suffix);
}

// ---- groups --------------------------------------------------------------------------------------------------------

static weft_status find_group(struct groups *g, const char *name, const struct weft_hf_name *row, uint64_t *out) {
    uint64_t i = g->n;
    if (!weft_map_get(&g->names, name, strlen(name), &i)) {
        if (!weft_grow((void **)&g->items, &g->cap, g->n + 1, sizeof *g->items) ||
            !weft_map_set(&g->names, name, strlen(name), g->n))
            return no_memory();
        g->items[g->n++] = (struct group){.name = name, .row = row};
    }
    *out = i;
    return WEFT_OK;
}

/// An output matrix beside tied embeddings is a copy of them that nobody reads.
static bool is_tied(const struct weft_hf *hf, bool *said) {
    const struct weft_json_value *tie = weft_hf_member(&hf->config, "tie_word_embeddings");
    if (!tie) tie = weft_hf_member(&hf->root, "tie_word_embeddings");
    *said = tie && tie->type == WEFT_JSON_BOOL;
    return *said && tie->b;
}

static weft_status sort_in(struct groups *g, const struct weft_source_tensor *t) {
    struct match m = {0};
    uint64_t group = 0;
    const char *suffix = "";
    const struct weft_hf_name *row = find_name(g->hf->family, t->name, &suffix, &m);
    bool said;
    if (row && !row->to) return WEFT_OK;
    if (row && !strcmp(row->to, "output") && is_tied(g->hf, &said)) return WEFT_OK;
    const char *name = row ? write_name(&g->hf->source->arena, row->to, m.layer, suffix) : t->name;
    if (!name) return no_memory();
    WEFT_TRY(find_group(g, name, row, &group));
    g->entries[g->n_entries++] = (struct entry){(size_t)group, m.expert, t};
    return WEFT_OK;
}

static int by_place(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    if (x->group != y->group) return x->group < y->group ? -1 : 1;
    return x->expert < y->expert ? -1 : x->expert > y->expert;
}

static weft_status make_groups(struct groups *g, const struct weft_safetensors *list) {
    g->entries = weft_alloc(list->n * sizeof *g->entries + 1);
    if (!g->entries) return no_memory();
    for (size_t i = 0; i < list->n; i++) WEFT_TRY(sort_in(g, &list->tensors[i]));
    qsort(g->entries, g->n_entries, sizeof *g->entries, by_place);
    for (size_t i = 0; i < g->n_entries; i++) {
        struct group *group = &g->items[g->entries[i].group];
        if (group->n++ == 0) group->items = &g->entries[i];
        else if (g->entries[i].expert == g->entries[i - 1].expert)
            return weft_fail(WEFT_ERR_FORMAT, "tensors '%s' and '%s' both are what GGUF calls %s",
                             g->entries[i - 1].t->name, g->entries[i].t->name, group->name);
    }
    return WEFT_OK;
}

/// All experts, of one shape and type.
static weft_status check_experts(const struct group *g) {
    const struct weft_source_tensor *first = g->items[0].t;
    for (size_t i = 0; i < g->n; i++) {
        const struct weft_source_tensor *t = g->items[i].t;
        if ((size_t)g->items[i].expert != i)
            return weft_fail(WEFT_ERR_FORMAT, "expert %zu of %s is missing", i, g->name);
        if (t->type != first->type || t->n_dims != first->n_dims || memcmp(t->dims, first->dims, sizeof t->dims) != 0)
            return weft_fail(WEFT_ERR_FORMAT, "tensor '%s' has another shape or type than '%s'", t->name, first->name);
    }
    return WEFT_OK;
}

// ---- order ---------------------------------------------------------------------------------------------------------

static bool is_float(uint32_t type) { return type == WEFT_GGML_F32 || type == WEFT_GGML_F16 || type == WEFT_GGML_BF16; }

static weft_status get_count(const struct weft_hf *hf, const char *name, uint32_t *out) {
    const char *key = weft_hf_key_name(hf, name);
    return key ? weft_source_get_u32(hf->source, key, out) : no_memory();
}

/// Heads of `count` that divide n rows.
static weft_status check_heads(const struct weft_source_tensor *t, uint64_t n, uint64_t heads, uint64_t each) {
    if (heads && each && n / heads == each && n % heads == 0) return WEFT_OK;
    return weft_fail(WEFT_ERR_FORMAT, "tensor '%s' has %" PRIu64 " rows, which are no %" PRIu64 " heads", t->name, n,
                     heads);
}

static weft_status pairs(const struct weft_hf *hf, const struct weft_source_tensor *t, bool key, uint64_t n,
                         struct weft_recipe_move *out) {
    uint32_t heads, key_heads;
    if (!(hf->family->flags & WEFT_HF_PAIRS)) return WEFT_OK;
    WEFT_TRY(get_count(hf, "attention.head_count", &heads));
    const char *name = weft_hf_key_name(hf, "attention.head_count_kv");
    if (!name) return no_memory();
    WEFT_TRY(weft_source_u32_or(hf->source, name, heads, &key_heads));
    if (key) heads = key_heads;
    WEFT_TRY(check_heads(t, n, heads, heads ? n / heads : 0));
    if (n / heads % 2) return weft_fail(WEFT_ERR_FORMAT, "tensor '%s' has heads of an odd number of rows", t->name);
    *out = (struct weft_recipe_move){.order = WEFT_ORDER_PAIRS, .size = n / heads};
    return WEFT_OK;
}

/// Value heads that share a key head stand together in a folder and take turns in GGUF.
static weft_status turns(const struct weft_hf *hf, const struct weft_source_tensor *t, enum weft_hf_change change,
                         uint64_t n, struct weft_recipe_move *out) {
    uint32_t keys, values, key_dim, inner;
    WEFT_TRY(get_count(hf, "ssm.group_count", &keys));
    WEFT_TRY(get_count(hf, "ssm.time_step_rank", &values));
    WEFT_TRY(get_count(hf, "ssm.state_size", &key_dim));
    WEFT_TRY(get_count(hf, "ssm.inner_size", &inner));
    uint64_t first = change == WEFT_HF_CHANNELS ? 2 * (uint64_t)keys * key_dim : 0;
    bool single = change == WEFT_HF_VALUE || change == WEFT_HF_DECAY;
    uint64_t size = single ? 1 : values ? inner / values : 0;
    if (!keys || !values || values % keys)
        return weft_fail(WEFT_ERR_FORMAT, "%u value heads do not divide among %u key heads", values, keys);
    if (n < first) return weft_fail(WEFT_ERR_FORMAT, "tensor '%s' has %" PRIu64 " rows only", t->name, n);
    WEFT_TRY(check_heads(t, n - first, values, size));
    if (values != keys)
        *out = (struct weft_recipe_move){
            .order = WEFT_ORDER_TURNS, .first = first, .size = size, .groups = keys, .runs = values};
    return WEFT_OK;
}

/// What a row asks for of a tensor of n_dims dims with `n` rows, or with n elements if it is a vector.
static weft_status change(const struct weft_hf *hf, const struct group *g, struct weft_source_tensor *t,
                          struct weft_recipe *r) {
    const struct weft_source_tensor *stored = g->items[0].t;
    bool vector = t->n_dims < 2;
    struct weft_recipe_move *rows = vector ? &r->cols : &r->rows;
    uint64_t n = vector ? t->dims[0] : t->dims[1];
    enum weft_hf_change what = g->row ? g->row->change : WEFT_HF_AS_IT_IS;
    switch (what) {
    case WEFT_HF_AS_IT_IS:
    case WEFT_HF_VECTOR: return WEFT_OK;
    case WEFT_HF_QUERY: return pairs(hf, stored, false, n, rows);
    case WEFT_HF_KEY: return pairs(hf, stored, true, n, rows);
    case WEFT_HF_FACTOR:
        if (hf->family->flags & WEFT_HF_PLUS_ONE) r->function = WEFT_FUNCTION_PLUS_ONE;
        return WEFT_OK;
    case WEFT_HF_TRANSPOSED:
        if (vector) return WEFT_OK;
        t->dims[0] = stored->dims[1];
        t->dims[1] = stored->dims[0];
        r->transposed = true;
        return WEFT_OK;
    case WEFT_HF_DECAY: r->function = WEFT_FUNCTION_MINUS_EXP; return turns(hf, stored, what, n, rows);
    case WEFT_HF_CHANNELS:
    case WEFT_HF_VALUES:
    case WEFT_HF_VALUE: return turns(hf, stored, what, n, rows);
    case WEFT_HF_OUT: return turns(hf, stored, what, t->dims[0], &r->cols);
    }
    return WEFT_OK;
}

/// Axes of 1 that GGUF does not have: filters are [channels, 1, taps] in a folder.
static void squeeze(struct weft_source_tensor *t) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n_dims; i++)
        if (t->dims[i] != 1) t->dims[n++] = t->dims[i];
    for (uint32_t i = n; i < 4; i++) t->dims[i] = 1;
    t->n_dims = n ? n : 1;
}

static bool is_plain(const struct weft_recipe *r, const struct weft_source_tensor *t, size_t pieces) {
    return pieces == 1 && r->type == t->type && r->function == WEFT_FUNCTION_NONE && !r->transposed &&
           r->rows.order == WEFT_ORDER_SAME && r->cols.order == WEFT_ORDER_SAME;
}

static weft_status put_pieces(struct weft_hf *hf, const struct group *g, struct weft_recipe *r) {
    r->pieces = weft_arena_alloc(&hf->source->arena, g->n * sizeof *r->pieces);
    if (!r->pieces) return no_memory();
    for (size_t i = 0; i < g->n; i++) r->pieces[i] = g->items[i].t->data;
    return WEFT_OK;
}

static weft_status add(struct weft_hf *hf, const struct group *g) {
    WEFT_TRY(check_experts(g));
    const struct weft_source_tensor *stored = g->items[0].t;
    struct weft_source_tensor t = *stored;
    t.name = g->name;
    t.data = NULL;
    if (g->row && (g->row->change == WEFT_HF_CHANNELS || g->row->change == WEFT_HF_VECTOR)) squeeze(&t);
    bool experts = g->row && strchr(g->row->from, '*');
    if (experts && t.n_dims != 2)
        return weft_fail(WEFT_ERR_FORMAT, "tensor '%s' of an expert is no matrix", stored->name);
    struct weft_recipe r = {.type = t.type};
    WEFT_TRY(change(hf, g, &t, &r));
    // GGUF files have vectors, and the filters of convolutions, in f32.
    bool small = t.n_dims < 2 || r.function != WEFT_FUNCTION_NONE ||
                 (g->row && g->row->change == WEFT_HF_CHANNELS && stored->n_dims > t.n_dims);
    if (small && is_float(t.type)) t.type = WEFT_GGML_F32;
    if (t.type != WEFT_GGML_F32 && r.function != WEFT_FUNCTION_NONE)
        return weft_fail(WEFT_ERR_UNSUPPORTED, "tensor '%s' is %s; Weft reads F32, F16 and BF16 here", stored->name,
                         weft_ggml_type_info(stored->type)->name);
    bool moves = r.transposed || r.cols.order != WEFT_ORDER_SAME;
    if (moves && weft_ggml_type_info(r.type)->block > 1)
        return weft_fail(WEFT_ERR_UNSUPPORTED, "tensor '%s' is %s, whose elements Weft cannot put in another order",
                         stored->name, weft_ggml_type_info(r.type)->name);
    r.columns = t.n_dims ? t.dims[0] : 1;
    r.piece_rows = 1;
    for (uint32_t i = 1; i < t.n_dims; i++) r.piece_rows *= t.dims[i];
    if (experts) t.dims[t.n_dims++] = g->n;
    WEFT_TRY(weft_source_tensor_size(t.name, t.type, t.dims, t.n_dims, &t.size));
    if (is_plain(&r, &t, g->n) && (uintptr_t)stored->data % WEFT_SOURCE_ALIGNMENT == 0) t.data = stored->data;
    else WEFT_TRY(put_pieces(hf, g, &r));
    return weft_source_append(hf->source, &t, &r);
}

weft_status weft_hf_tensors(struct weft_hf *hf, const struct weft_safetensors *list) {
    struct groups g = {.hf = hf};
    weft_status status = make_groups(&g, list);
    bool said, tied = is_tied(hf, &said);
    for (size_t i = 0; status == WEFT_OK && i < g.n; i++) status = add(hf, &g.items[i]);
    if (status == WEFT_OK && said && !tied && !weft_map_get(&g.names, "output.weight", 13, NULL) &&
        weft_map_get(&g.names, "token_embd.weight", 17, NULL))
        status =
            weft_fail(WEFT_ERR_NOT_FOUND, "tensor 'lm_head.weight' is missing, and 'tie_word_embeddings' is false");
    weft_free(g.entries);
    weft_free(g.items);
    weft_map_free(&g.names);
    return status;
}
