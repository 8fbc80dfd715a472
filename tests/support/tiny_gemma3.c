#include "support/tiny_gemma3.h"

#include "core/alloc.h"
#include "core/str.h"
#include "model/gguf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ALIGNMENT 32
#define MAX_TENSORS 512

struct tensor {
    char name[64];
    uint32_t type, n_dims;
    uint64_t dims[2], offset;
};

struct writer {
    struct weft_str head, data;
    uint32_t n_keys, n_tensors;
    struct tensor tensors[MAX_TENSORS];
    uint64_t random;
    uint32_t type; ///< the last of every_type
    const struct weft_tiny_gemma3 *params;
};

// ---- bytes ----

static void u32(struct weft_str *s, uint32_t x) { weft_str_addn(s, (const char *)&x, 4); }
static void u64(struct weft_str *s, uint64_t x) { weft_str_addn(s, (const char *)&x, 8); }
static void f32(struct weft_str *s, float x) { weft_str_addn(s, (const char *)&x, 4); }

static void text(struct weft_str *s, const char *x) {
    u64(s, strlen(x));
    weft_str_add(s, x);
}

static void pad(struct weft_str *s) {
    while (s->len % ALIGNMENT) weft_str_addn(s, "", 1);
}

/// Of a key that is given otherwise only that value is written; the model's own gets another name, which nobody reads.
static void begin_key(struct writer *w, const char *name, uint32_t type) {
    char away[128];
    for (uint32_t i = 0; w->params && i < w->params->n_keys; i++)
        if (!strcmp(w->params->keys[i].name, name)) {
            snprintf(away, sizeof away, "away.%.100s", name);
            name = away;
        }
    text(&w->head, name);
    u32(&w->head, type);
    w->n_keys++;
}

static void key_u32(struct writer *w, const char *name, uint32_t x) {
    begin_key(w, name, WEFT_SOURCE_U32);
    u32(&w->head, x);
}

static void key_f32(struct writer *w, const char *name, double x) {
    begin_key(w, name, WEFT_SOURCE_F32);
    f32(&w->head, (float)x);
}

static void key_bool(struct writer *w, const char *name, bool x) {
    begin_key(w, name, WEFT_SOURCE_BOOL);
    weft_str_addn(&w->head, x ? "\1" : "\0", 1);
}

static void key_text(struct writer *w, const char *name, const char *x) {
    begin_key(w, name, WEFT_SOURCE_STRING);
    text(&w->head, x);
}

static void key_array(struct writer *w, const char *name, uint32_t type, uint64_t count) {
    begin_key(w, name, WEFT_SOURCE_ARRAY);
    u32(&w->head, type);
    u64(&w->head, count);
}

// ---- random weights ----

static double uniform(struct writer *w) {
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(w->random >> 11) / 9007199254740992.0;
}

/// Nearly normal, variance 1.
static double normal(struct writer *w) {
    double sum = -6;
    for (int i = 0; i < 12; i++) sum += uniform(w);
    return sum;
}

/// The number of a type in files: of the one that has its name.
static uint32_t file_type(weft_dtype dtype) {
    enum { NUMBERS = 64 };
    for (uint32_t i = 0; i < NUMBERS; i++) {
        const struct weft_ggml_type_info *info = weft_ggml_type_info(i);
        if (info && strcasecmp(info->name, weft_dtype_name(dtype)) == 0) return i;
    }
    return NUMBERS;
}

/// rows 0: a norm vector. Norm weights are around 1, matrices keep the size of what they are applied to.
static void tensor(struct writer *w, const char *name, weft_dtype dtype, uint64_t k, uint64_t rows) {
    struct tensor *t = &w->tensors[w->n_tensors++];
    uint64_t n = k * (rows ? rows : 1);
    *t = (struct tensor){.type = file_type(dtype), .n_dims = rows ? 2 : 1, .dims = {k, rows}, .offset = w->data.len};
    snprintf(t->name, sizeof t->name, "%s.weight", name);
    double *x = weft_alloc(n * sizeof *x);
    uint64_t bytes = weft_dtype_bytes(dtype, n);
    char *file = weft_alloc(bytes);
    if (!x || !file) w->data.failed = true;
    for (uint64_t i = 0; x && i < n; i++) x[i] = rows ? normal(w) / sqrt((double)k) * 1.5 : 1 + 0.2 * normal(w);
    if (x && w->params && w->params->nan && !strcmp(w->params->nan, name)) x[0] = NAN;
    if (x && file) {
        weft_dtype_encode(dtype, x, (int64_t)n, file);
        weft_str_addn(&w->data, file, bytes);
    }
    pad(&w->data);
    weft_free(x);
    weft_free(file);
}

// ---- the model ----

static void put(uint32_t *field, uint32_t fallback) {
    if (*field == 0) *field = fallback;
}

static struct weft_tiny_gemma3 complete(const struct weft_tiny_gemma3 *params) {
    struct weft_tiny_gemma3 p = *params;
    put(&p.n_layer, 6);
    put(&p.window, 8);
    put(&p.period, 3);
    put(&p.ctx, 64);
    bool of_256 = p.k_types || p.every_type;
    put(&p.n_embd, of_256 ? 256 : 64);
    put(&p.n_head, 2);
    put(&p.n_head_kv, 1);
    put(&p.head_dim, of_256 ? 128 : 32);
    put(&p.n_ff, of_256 ? 512 : 96);
    put(&p.n_vocab, 300);
    return p;
}

static void write_tokenizer(struct writer *w, const struct weft_tiny_gemma3 *p) {
    static const char *const special[4] = {"<pad>", "<eos>", "<bos>", "<unk>"};
    key_text(w, "tokenizer.ggml.model", "llama");
    key_array(w, "tokenizer.ggml.tokens", WEFT_SOURCE_STRING, p->n_vocab);
    for (uint32_t i = 0; i < p->n_vocab; i++) {
        char name[32];
        if (i < 4) snprintf(name, sizeof name, "%s", special[i]);
        else if (i < 260) snprintf(name, sizeof name, "<0x%02X>", i - 4);
        else if (i == 260) snprintf(name, sizeof name, "\xE2\x96\x81");
        else if (i < 287) snprintf(name, sizeof name, "%c", 'a' + (int)(i - 261));
        else if (i < 313) snprintf(name, sizeof name, "\xE2\x96\x81%c", 'a' + (int)(i - 287));
        else snprintf(name, sizeof name, "word%u", i);
        text(&w->head, name);
    }
    key_array(w, "tokenizer.ggml.scores", WEFT_SOURCE_F32, p->n_vocab);
    for (uint32_t i = 0; i < p->n_vocab; i++) f32(&w->head, i < 260 ? 0 : -(float)i);
    key_array(w, "tokenizer.ggml.token_type", WEFT_SOURCE_I32, p->n_vocab);
    for (uint32_t i = 0; i < p->n_vocab; i++) u32(&w->head, i < 4 ? 3 : i < 260 ? 6 : 1);
    key_u32(w, "tokenizer.ggml.bos_token_id", 2);
    key_u32(w, "tokenizer.ggml.eos_token_id", 1);
    key_u32(w, "tokenizer.ggml.unknown_token_id", 3);
    key_u32(w, "tokenizer.ggml.padding_token_id", 0);
    key_bool(w, "tokenizer.ggml.add_bos_token", true);
    key_bool(w, "tokenizer.ggml.add_eos_token", false);
    key_bool(w, "tokenizer.ggml.add_space_prefix", false);
}

static void write_keys(struct writer *w, const struct weft_tiny_gemma3 *p) {
    key_text(w, "general.architecture", "gemma3");
    key_text(w, "general.name", "tiny");
    key_u32(w, "gemma3.context_length", p->ctx);
    key_u32(w, "gemma3.embedding_length", p->n_embd);
    key_u32(w, "gemma3.block_count", p->n_layer);
    key_u32(w, "gemma3.feed_forward_length", p->n_ff);
    key_u32(w, "gemma3.attention.head_count", p->n_head);
    key_u32(w, "gemma3.attention.head_count_kv", p->n_head_kv);
    key_u32(w, "gemma3.attention.key_length", p->head_dim);
    key_u32(w, "gemma3.attention.value_length", p->head_dim);
    key_f32(w, "gemma3.attention.layer_norm_rms_epsilon", 1e-6);
    key_u32(w, "gemma3.attention.sliding_window", p->window);
    key_f32(w, "gemma3.rope.freq_base", 1e6);
    if (p->flags) {
        key_array(w, "gemma3.attention.sliding_window_pattern", WEFT_SOURCE_BOOL, p->n_layer);
        for (uint32_t i = 0; i < p->n_layer; i++)
            weft_str_addn(&w->head, i % p->period != p->period - 1 ? "\1" : "\0", 1);
    } else {
        key_u32(w, "gemma3.attention.sliding_window_pattern", p->period);
    }
    if (p->softcap > 0) key_f32(w, "gemma3.final_logit_softcapping", p->softcap);
    if (p->rope_factor > 0) {
        key_text(w, "gemma3.rope.scaling.type", "linear");
        key_f32(w, "gemma3.rope.scaling.factor", p->rope_factor);
    }
    write_tokenizer(w, p);
}

static void write_more_keys(struct writer *w, const struct weft_tiny_gemma3 *p) {
    w->params = NULL; // these keep their names
    for (uint32_t i = 0; i < p->n_keys; i++) {
        const struct weft_tiny_key *k = &p->keys[i];
        if (k->type == WEFT_SOURCE_U32) key_u32(w, k->name, (uint32_t)k->x);
        if (k->type == WEFT_SOURCE_F32) key_f32(w, k->name, k->x);
        if (k->type == WEFT_SOURCE_BOOL) key_bool(w, k->name, k->x != 0);
        if (k->type == WEFT_SOURCE_STRING) key_text(w, k->name, k->text);
        if (k->type != WEFT_SOURCE_ARRAY) continue;
        key_array(w, k->name, WEFT_SOURCE_I32, 2);
        u32(&w->head, (uint32_t)(int32_t)k->x);
        u32(&w->head, (uint32_t)(int32_t)k->x + 1);
    }
    w->params = p;
}

/// The block types in turn.
static weft_dtype next_block_type(uint32_t *at) {
    do *at = (*at + 1) % WEFT_DTYPE_COUNT;
    while (!weft_dtype_info((weft_dtype)*at)->quantised);
    return (weft_dtype)*at;
}

/// Types go round, so that every matrix has every type in some layer.
static weft_dtype type_of(struct writer *w, const struct weft_tiny_gemma3 *p, uint32_t i) {
    static const weft_dtype small[] = {WEFT_Q5_0, WEFT_Q8_0, WEFT_Q4_0, WEFT_F16, WEFT_F32, WEFT_BF16};
    static const weft_dtype large[] = {WEFT_Q4_K, WEFT_Q6_K, WEFT_Q5_0, WEFT_Q8_0, WEFT_Q4_K};
    if (p->plain) return WEFT_F32;
    if (p->every_type) return next_block_type(&w->type);
    return p->k_types ? large[i % 5] : small[i % 6];
}

static void write_layer(struct writer *w, const struct weft_tiny_gemma3 *p, uint32_t layer) {
    char name[48];
    uint64_t d = p->n_embd, q = (uint64_t)p->n_head * p->head_dim, kv = (uint64_t)p->n_head_kv * p->head_dim;
    const struct {
        const char *name;
        uint64_t k, rows;
    } list[] = {
        {"attn_norm", d, 0},
        {"attn_q", d, q},
        {"attn_k", d, kv},
        {"attn_v", d, kv},
        {"attn_output", q, d},
        {"attn_q_norm", p->head_dim, 0},
        {"ffn_norm", d, 0},
        {"ffn_gate", d, p->n_ff},
        {"ffn_up", d, p->n_ff},
        {"ffn_down", p->n_ff, d},
        {"attn_k_norm", p->head_dim, 0},
        {"post_attention_norm", d, 0},
        {"post_ffw_norm", d, 0},
    };
    for (uint32_t i = 0; i < sizeof list / sizeof *list; i++) {
        snprintf(name, sizeof name, "blk.%u.%s", layer, list[i].name);
        tensor(w, name, list[i].rows ? type_of(w, p, layer + i) : WEFT_F32, list[i].k, list[i].rows);
    }
}

static void write_index(struct weft_str *out, const struct writer *w) {
    weft_str_add(out, "GGUF");
    u32(out, 3);
    u64(out, w->n_tensors);
    u64(out, w->n_keys);
    weft_str_addn(out, w->head.data, w->head.len);
    for (uint32_t i = 0; i < w->n_tensors; i++) {
        const struct tensor *t = &w->tensors[i];
        text(out, t->name);
        u32(out, t->n_dims);
        for (uint32_t k = 0; k < t->n_dims; k++) u64(out, t->dims[k]);
        u32(out, t->type);
        u64(out, t->offset);
    }
    pad(out);
}

void *weft_tiny_gemma3_make(const struct weft_tiny_gemma3 *params, size_t *size) {
    struct weft_tiny_gemma3 p = complete(params);
    struct writer *w = weft_calloc(1, sizeof *w);
    struct weft_str out = {0};
    if (!w) return NULL;
    w->random = p.seed * 2654435761u + 12345;
    w->params = &p;
    write_keys(w, &p);
    write_more_keys(w, &p);
    tensor(w, "token_embd", p.plain ? WEFT_F32 : WEFT_Q8_0, p.n_embd, p.n_vocab);
    tensor(w, "output_norm", WEFT_F32, p.n_embd, 0);
    if (p.separate_head) tensor(w, "output", type_of(w, &p, 0), p.n_embd, p.n_vocab);
    for (uint32_t i = 0; i < p.n_layer; i++) write_layer(w, &p, i);
    if (p.more) {
        tensor(w, "more", WEFT_F32, p.n_embd, 0);
        snprintf(w->tensors[w->n_tensors - 1].name, sizeof w->tensors->name, "%s", p.more);
    }
    write_index(&out, w);
    weft_str_addn(&out, w->data.data, w->data.len);
    *size = out.len;
    if (w->data.failed || w->head.failed) out.failed = true;
    weft_str_free(&w->data);
    weft_str_free(&w->head);
    weft_free(w);
    return weft_str_take(&out);
}

bool weft_tiny_gemma3_write(const struct weft_tiny_gemma3 *params, const char *path) {
    size_t size;
    void *data = weft_tiny_gemma3_make(params, &size);
    FILE *f = data ? fopen(path, "wb") : NULL;
    bool ok = f && fwrite(data, 1, size, f) == size;
    if (f && fclose(f) != 0) ok = false;
    weft_free(data);
    return ok;
}
