#include "support/hf_folder.h"

#include "core/file.h"
#include "ir/dtype.h"
#include "model/config.h"
#include "support/st_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum change { SAME, NORM, TURNED, ROWS, CHANNELS, VALUES, VALUE, DECAY, OUT };

struct row {
    const char *gguf, *hf; // of layers behind "blk.N." and "model.layers.N."
    enum change change;
};

/// Of GPT 2, behind "blk.N." and "h.N.", and beside layers.
static const struct row gpt2_rows[] = {
    {"attn_norm.weight", "ln_1.weight", SAME},          {"attn_norm.bias", "ln_1.bias", SAME},
    {"ffn_norm.weight", "ln_2.weight", SAME},           {"ffn_norm.bias", "ln_2.bias", SAME},
    {"attn_qkv.weight", "attn.c_attn.weight", ROWS},    {"attn_qkv.bias", "attn.c_attn.bias", SAME},
    {"attn_output.weight", "attn.c_proj.weight", ROWS}, {"attn_output.bias", "attn.c_proj.bias", SAME},
    {"ffn_up.weight", "mlp.c_fc.weight", ROWS},         {"ffn_up.bias", "mlp.c_fc.bias", SAME},
    {"ffn_down.weight", "mlp.c_proj.weight", ROWS},     {"ffn_down.bias", "mlp.c_proj.bias", SAME},
    {"token_embd.weight", "wte.weight", SAME},          {"position_embd.weight", "wpe.weight", SAME},
    {"output_norm.weight", "ln_f.weight", SAME},        {"output_norm.bias", "ln_f.bias", SAME},
};

/// Of phi 3, in front of the others.
static const struct row phi3_rows[] = {
    {"attn_qkv.weight", "self_attn.qkv_proj.weight", SAME},
    {"ffn_up.weight", "mlp.gate_up_proj.weight", SAME},
};

/// Of all but gemma, in front of the others.
static const struct row plain_rows[] = {{"ffn_norm.weight", "post_attention_layernorm.weight", NORM}};

/// Of mixtral, in front of the others. '#' is the expert's number.
static const struct row mixtral_rows[] = {
    {"ffn_gate_inp.weight", "block_sparse_moe.gate.weight", SAME},
    {"ffn_gate_exps.weight", "block_sparse_moe.experts.#.w1.weight", SAME},
    {"ffn_up_exps.weight", "block_sparse_moe.experts.#.w3.weight", SAME},
    {"ffn_down_exps.weight", "block_sparse_moe.experts.#.w2.weight", SAME},
};

static const struct row layer_rows[] = {
    {"attn_q.weight", "self_attn.q_proj.weight", TURNED},
    {"attn_k.weight", "self_attn.k_proj.weight", TURNED},
    {"attn_q.bias", "self_attn.q_proj.bias", TURNED},
    {"attn_k.bias", "self_attn.k_proj.bias", TURNED},
    {"attn_v.bias", "self_attn.v_proj.bias", SAME},
    {"attn_output.bias", "self_attn.o_proj.bias", SAME},
    {"ffn_gate.bias", "mlp.gate_proj.bias", SAME},
    {"ffn_up.bias", "mlp.up_proj.bias", SAME},
    {"ffn_down.bias", "mlp.down_proj.bias", SAME},
    {"attn_v.weight", "self_attn.v_proj.weight", SAME},
    {"attn_output.weight", "self_attn.o_proj.weight", SAME},
    {"attn_q_norm.weight", "self_attn.q_norm.weight", NORM},
    {"attn_k_norm.weight", "self_attn.k_norm.weight", NORM},
    {"ffn_gate.weight", "mlp.gate_proj.weight", SAME},
    {"ffn_up.weight", "mlp.up_proj.weight", SAME},
    {"ffn_down.weight", "mlp.down_proj.weight", SAME},
    {"ffn_gate_inp.weight", "mlp.gate.weight", SAME},
    {"ffn_gate_exps.weight", "mlp.experts.#.gate_proj.weight", SAME},
    {"ffn_up_exps.weight", "mlp.experts.#.up_proj.weight", SAME},
    {"ffn_down_exps.weight", "mlp.experts.#.down_proj.weight", SAME},
    {"ffn_gate_inp_shexp.weight", "mlp.shared_expert_gate.weight", SAME},
    {"ffn_gate_shexp.weight", "mlp.shared_expert.gate_proj.weight", SAME},
    {"ffn_up_shexp.weight", "mlp.shared_expert.up_proj.weight", SAME},
    {"ffn_down_shexp.weight", "mlp.shared_expert.down_proj.weight", SAME},
    {"attn_norm.weight", "input_layernorm.weight", NORM},
    {"post_attention_norm.weight", "post_attention_layernorm.weight", NORM},
    {"ffn_norm.weight", "pre_feedforward_layernorm.weight", NORM},
    {"post_ffw_norm.weight", "post_feedforward_layernorm.weight", NORM},
    {"attn_qkv.weight", "linear_attn.in_proj_qkv.weight", CHANNELS},
    {"ssm_conv1d.weight", "linear_attn.conv1d.weight", CHANNELS},
    {"attn_gate.weight", "linear_attn.in_proj_z.weight", VALUES},
    {"ssm_alpha.weight", "linear_attn.in_proj_a.weight", VALUE},
    {"ssm_beta.weight", "linear_attn.in_proj_b.weight", VALUE},
    {"ssm_dt.bias", "linear_attn.dt_bias", VALUE},
    {"ssm_a", "linear_attn.A_log", DECAY},
    {"ssm_norm.weight", "linear_attn.norm.weight", SAME},
    {"ssm_out.weight", "linear_attn.out_proj.weight", OUT},
};

static const struct row rows[] = {{"token_embd.weight", "model.embed_tokens.weight", SAME},
                                  {"output_norm.weight", "model.norm.weight", NORM},
                                  {"output.weight", "lm_head.weight", SAME}};

static bool is_arch(const struct weft_source *s, const char *arch) {
    struct weft_source_str name = {0};
    return weft_source_get_string(s, "general.architecture", &name) == WEFT_OK && name.len == strlen(arch) &&
           !memcmp(name.data, arch, name.len);
}

/// What the folder's form of a tensor is called and how it differs. NULL: it has none.
static const struct row *find(const struct weft_source *s, const char *name, char hf[128]) {
    bool gpt2 = is_arch(s, "gpt2"), after = is_arch(s, "gemma2") || is_arch(s, "gemma3");
    const struct {
        bool of;
        const struct row *rows;
        size_t n;
    } tables[] = {{gpt2, gpt2_rows, sizeof gpt2_rows / sizeof *gpt2_rows},
                  {is_arch(s, "phi3"), phi3_rows, sizeof phi3_rows / sizeof *phi3_rows},
                  {is_arch(s, "llama"), mixtral_rows, sizeof mixtral_rows / sizeof *mixtral_rows},
                  {!after && !gpt2, plain_rows, 1},
                  {!gpt2, layer_rows, sizeof layer_rows / sizeof *layer_rows},
                  {!gpt2, rows, sizeof rows / sizeof *rows}};
    unsigned layer = 0;
    int n = 0;
    if (sscanf(name, "blk.%u.%n", &layer, &n) != 1) n = 0;
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (size_t i = 0; tables[t].of && i < tables[t].n; i++) {
            if (strcmp(name + n, tables[t].rows[i].gguf) != 0) continue;
            if (n) snprintf(hf, 128, gpt2 ? "h.%u.%s" : "model.layers.%u.%s", layer, tables[t].rows[i].hf);
            else snprintf(hf, 128, "%s", tables[t].rows[i].hf);
            return &tables[t].rows[i];
        }
    return NULL;
}

/// Norm weights are stored less 1.
static bool is_shifted(const struct weft_source *s) {
    return is_arch(s, "gemma2") || is_arch(s, "gemma3") || is_arch(s, "qwen35");
}

void weft_hf_round(const struct weft_source *s) {
    char hf[128];
    for (size_t i = 0; i < weft_source_tensor_count(s); i++) {
        const struct weft_source_tensor *t = weft_source_tensor_at(s, i);
        const struct row *row = find(s, t->name, hf);
        bool norm = row && row->change == NORM && is_shifted(s), decay = row && row->change == DECAY;
        float *x = (float *)(void *)(uintptr_t)t->data; // the test's own memory
        for (uint64_t k = 0; k < t->size / 4 && (norm || decay); k++) x[k] = norm ? x[k] - 1 + 1 : -expf(logf(-x[k]));
    }
}

// ---- keys ----------------------------------------------------------------------------------------------------------

static uint32_t count(const struct weft_source *s, const char *arch, const char *name) {
    char key[96];
    uint32_t x = 0;
    snprintf(key, sizeof key, "%s.%s", arch, name);
    return weft_source_has(s, key) && weft_source_get_u32(s, key, &x) == WEFT_OK ? x : 0;
}

static double number(const struct weft_source *s, const char *arch, const char *name) {
    char key[96];
    double x = 0;
    snprintf(key, sizeof key, "%s.%s", arch, name);
    return weft_source_has(s, key) && weft_source_get_f64(s, key, &x) == WEFT_OK ? x : 0;
}

static void write_recurrent(const struct weft_source *s, const char *arch, struct weft_str *out) {
    uint32_t heads = count(s, arch, "ssm.time_step_rank");
    weft_str_addf(out,
                  "\"linear_key_head_dim\":%u,\"linear_num_key_heads\":%u,\"linear_num_value_heads\":%u,"
                  "\"linear_value_head_dim\":%u,\"linear_conv_kernel_dim\":%u,\"full_attention_interval\":%u,"
                  "\"partial_rotary_factor\":%.9g,\"attn_output_gate\":true,\"hidden_act\":\"silu\",",
                  count(s, arch, "ssm.state_size"), count(s, arch, "ssm.group_count"), heads,
                  count(s, arch, "ssm.inner_size") / heads, count(s, arch, "ssm.conv_kernel"),
                  count(s, arch, "full_attention_interval"),
                  (double)count(s, arch, "rope.dimension_count") / count(s, arch, "attention.key_length"));
}

static void write_windows(const struct weft_source *s, const char *arch, struct weft_str *out) {
    uint32_t layers = count(s, arch, "block_count"), period = count(s, arch, "attention.sliding_window_pattern");
    weft_str_addf(out,
                  "\"hidden_activation\":\"gelu_pytorch_tanh\",\"query_pre_attn_scalar\":%u,\"sliding_window\":%u,",
                  count(s, arch, "attention.key_length"), count(s, arch, "attention.sliding_window"));
    weft_str_add(out, "\"layer_types\":[");
    for (uint32_t i = 0; i < layers; i++)
        weft_str_addf(out, "%s\"%s\"", i ? "," : "", (i + 1) % period ? "sliding_attention" : "full_attention");
    weft_str_addf(out, "],\"rope_local_base_freq\":10000,\"rope_scaling\":%s",
                  number(s, arch, "rope.scaling.factor") > 0 ? "" : "null,");
    if (number(s, arch, "rope.scaling.factor") > 0)
        weft_str_addf(out, "{\"rope_type\":\"linear\",\"factor\":%.9g},", number(s, arch, "rope.scaling.factor"));
}

void weft_hf_write_config(const struct weft_source *s, struct weft_str *out) {
    struct weft_source_str name = {0};
    char arch[32];
    if (weft_source_get_string(s, "general.architecture", &name) != WEFT_OK) out->failed = true;
    snprintf(arch, sizeof arch, "%.*s", (int)name.len, name.data);
    bool recurrent = count(s, arch, "ssm.state_size") > 0;
    weft_str_addf(out, "{\"architectures\":[\"ForCausalLM\"],\"model_type\":\"%s\",\"hidden_size\":%u,",
                  recurrent ? "qwen3_5_text" : "gemma3_text", count(s, arch, "embedding_length"));
    weft_str_addf(out,
                  "\"num_hidden_layers\":%u,\"intermediate_size\":%u,\"num_attention_heads\":%u,"
                  "\"num_key_value_heads\":%u,\"head_dim\":%u,\"max_position_embeddings\":%u,",
                  count(s, arch, "block_count"), count(s, arch, "feed_forward_length"),
                  count(s, arch, "attention.head_count"), count(s, arch, "attention.head_count_kv"),
                  count(s, arch, "attention.key_length"), count(s, arch, "context_length"));
    (recurrent ? write_recurrent : write_windows)(s, arch, out);
    if (number(s, arch, "final_logit_softcapping") > 0)
        weft_str_addf(out, "\"final_logit_softcapping\":%.9g,", number(s, arch, "final_logit_softcapping"));
    weft_str_addf(
        out,
        "\"rms_norm_eps\":%.9g,\"rope_theta\":%.9g,\"bos_token_id\":2,\"eos_token_id\":[1],\"vocab_size\":%llu,"
        "\"tie_word_embeddings\":%s,\"torch_dtype\":\"float32\"}\n",
        number(s, arch, "attention.layer_norm_rms_epsilon"), number(s, arch, "rope.freq_base"),
        (unsigned long long)weft_source_find(s, "token_embd.weight")->dims[1],
        weft_source_find(s, "output.weight") ? "false" : "true");
}

void weft_hf_write_tokenizer(const struct weft_source *s, struct weft_str *out) {
    struct weft_source_str *texts = NULL;
    size_t n = 0;
    if (weft_source_get_strings(s, "tokenizer.ggml.tokens", &texts, &n) != WEFT_OK) out->failed = true;
    weft_str_add(out, "{\"version\":\"1.0\",\"added_tokens\":[");
    for (size_t i = 0; i < n && i < 4; i++)
        weft_str_addf(out, "%s{\"id\":%zu,\"content\":\"%.*s\",\"special\":true,\"normalized\":false}", i ? "," : "", i,
                      (int)texts[i].len, texts[i].data);
    weft_str_add(out,
                 "],\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\u2581\"},"
                 "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<bos>\","
                 "\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{"
                 "\"<bos>\":{\"id\":\"<bos>\",\"ids\":[2],\"tokens\":[\"<bos>\"]}}},"
                 "\"decoder\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"\u2581\"},\"content\":\" \"},"
                 "\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"byte_fallback\":true,\"vocab\":{");
    for (size_t i = 0; i < n; i++)
        weft_str_addf(out, "%s\"%.*s\":%zu", i ? "," : "", (int)texts[i].len, texts[i].data, i);
    weft_str_add(out, "},\"merges\":[");
    for (size_t i = 0, merges = 0; i < n; i++)
        if (texts[i].len == 4 && !memcmp(texts[i].data, "\u2581", 3))
            weft_str_addf(out, "%s[\"\u2581\",\"%c\"]", merges++ ? "," : "", texts[i].data[3]);
    weft_str_add(out, "]}}\n");
    weft_free(texts);
}

// ---- tensors -------------------------------------------------------------------------------------------------------

/// Where value head `h` of GGUF, in which they take turns, stands in a folder.
static uint32_t grouped(uint32_t h, uint32_t keys, uint32_t values) { return h % keys * (values / keys) + h / keys; }

/// Where element i along an axis of value heads of `size` behind `first` others stands in a folder.
static uint64_t moved(const struct weft_source *s, uint64_t i, uint64_t first, uint64_t size) {
    uint32_t keys = count(s, "qwen35", "ssm.group_count"), values = count(s, "qwen35", "ssm.time_step_rank");
    if (i < first) return i;
    uint64_t h = (i - first) / size;
    return first + grouped((uint32_t)h, keys, values) * size + (i - first) % size;
}

static float changed(const struct weft_source *s, enum change change, float x) {
    if (change == NORM && is_shifted(s)) return x - 1;
    return change == DECAY ? logf(-x) : x;
}

/// Where row i of heads of `size` stands in a folder of models whose pairs are half a head apart there.
static uint64_t apart(uint64_t i, uint64_t size) { return i - i % size + i % 2 * (size / 2) + i % size / 2; }

/// Rows a head, of queries or keys of models whose pairs GGUF has beside each other; 1 of others.
static uint64_t turned_head(const struct weft_source *s, const struct weft_source_tensor *t) {
    const char *arch = is_arch(s, "llama") ? "llama" : is_arch(s, "smollm3") ? "smollm3" : NULL;
    uint64_t n = t->n_dims > 1 ? t->dims[1] : t->dims[0];
    if (!arch) return 0;
    return n / count(s, arch, strstr(t->name, "attn_q") ? "attention.head_count" : "attention.head_count_kv");
}

/// How many tensors a folder has in place of one: those of experts stand by themselves there.
static uint32_t pieces(const struct weft_source_tensor *t) { return t->n_dims == 3 ? (uint32_t)t->dims[2] : 1; }

/// The folder's name of a piece. NULL: it has none.
static const struct row *piece_name(const struct weft_source *s, const struct weft_source_tensor *t, uint32_t piece,
                                    char hf[128]) {
    char name[128];
    const struct row *row = find(s, t->name, name);
    const char *mark = row ? strchr(name, '#') : NULL;
    if (mark) snprintf(hf, 128, "%.*s%u%s", (int)(mark - name), name, piece, mark + 1);
    else if (row) memcpy(hf, name, sizeof name);
    return row;
}

static bool write_piece(const struct weft_source *s, const struct weft_source_tensor *t, uint32_t piece,
                        struct st_writer *w) {
    char name[128], shape[96];
    uint64_t k = t->dims[0], rows_n = t->n_dims > 1 ? t->dims[1] : 1, n = k * rows_n;
    const struct row *row = piece_name(s, t, piece, name);
    enum change change = row ? row->change : SAME;
    weft_dtype dtype;
    if (!row) return true;
    float *from = weft_alloc(n * 4), *to = weft_alloc(n * 4);
    bool ok = from && to && weft_model_dtype(t, &dtype) == WEFT_OK;
    if (ok) weft_dtype_decode_f32(dtype, t->data + t->size / pieces(t) * piece, (int64_t)n, from);
    uint32_t heads = count(s, "qwen35", "ssm.time_step_rank"), state = count(s, "qwen35", "ssm.state_size");
    uint64_t size = change == VALUE || change == DECAY ? 1 : heads ? count(s, "qwen35", "ssm.inner_size") / heads : 1;
    uint64_t head = change == TURNED ? turned_head(s, t) : 0;
    uint64_t first = change == CHANNELS ? 2ull * state * count(s, "qwen35", "ssm.group_count") : 0;
    for (uint64_t i = 0; ok && i < n; i++) {
        uint64_t r = i / k, c = i % k, *axis = change == OUT || t->n_dims < 2 ? &c : &r;
        if (change >= CHANNELS) *axis = moved(s, *axis, first, size);
        if (change == TURNED && head) *axis = apart(*axis, head);
        to[change == ROWS ? c * rows_n + r : r * k + c] = changed(s, change, from[i]);
    }
    bool filter = strstr(name, "conv1d") != NULL, one_row = strstr(name, "shared_expert_gate") != NULL;
    unsigned long long slow = change == ROWS ? k : rows_n, fast = change == ROWS ? rows_n : k;
    if (t->n_dims < 2) snprintf(shape, sizeof shape, one_row ? "1,%llu" : "%llu", (unsigned long long)k);
    else snprintf(shape, sizeof shape, filter ? "%llu,1,%llu" : "%llu,%llu", slow, fast);
    if (ok) st_tensor(w, name, "F32", shape, to, n * 4);
    weft_free(from);
    weft_free(to);
    return ok;
}

uint8_t *weft_hf_write_tensors(const struct weft_source *s, uint32_t part, uint32_t parts, size_t *size) {
    struct st_writer w = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < weft_source_tensor_count(s); i++)
        for (uint32_t e = 0; ok && e < pieces(weft_source_tensor_at(s, i)); e++)
            if ((i + e) % parts == part) ok = write_piece(s, weft_source_tensor_at(s, i), e, &w);
    uint8_t *file = st_finish(&w, size);
    if (ok) return file;
    weft_free(file);
    return NULL;
}

// ---- files ---------------------------------------------------------------------------------------------------------

static bool write_text(const char *folder, const char *name, struct weft_str *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    bool ok = !text->failed && weft_file_write(path, weft_str_get(text), text->len) == WEFT_OK;
    weft_str_free(text);
    return ok;
}

static void shard_name(char name[64], uint32_t part, uint32_t parts) {
    if (parts == 1) snprintf(name, 64, "model.safetensors");
    else snprintf(name, 64, "model-%05u-of-%05u.safetensors", part + 1, parts);
}

static bool write_index(const struct weft_source *s, const char *folder, uint32_t parts) {
    struct weft_str text = {0};
    weft_str_add(&text, "{\"metadata\":{},\"weight_map\":{");
    for (size_t i = 0; i < weft_source_tensor_count(s); i++) {
        const struct weft_source_tensor *t = weft_source_tensor_at(s, i);
        for (uint32_t e = 0; e < pieces(t); e++) {
            char file[64], name[128];
            shard_name(file, (uint32_t)((i + e) % parts), parts);
            if (!piece_name(s, t, e, name)) continue;
            weft_str_addf(&text, "%s\"%s\":\"%s\"", i || e ? "," : "", name, file);
        }
    }
    weft_str_add(&text, "}}\n");
    return write_text(folder, "model.safetensors.index.json", &text);
}

bool weft_hf_write_shards(const struct weft_source *s, const char *folder, uint32_t parts) {
    bool ok = true;
    for (uint32_t part = 0; ok && part < parts; part++) {
        char path[512], name[64];
        size_t size;
        uint8_t *data = weft_hf_write_tensors(s, part, parts, &size);
        shard_name(name, part, parts);
        snprintf(path, sizeof path, "%s/%s", folder, name);
        ok = data && weft_file_write(path, data, size) == WEFT_OK;
        weft_free(data);
    }
    return ok && (parts == 1 || write_index(s, folder, parts));
}

bool weft_hf_write_folder(const struct weft_source *s, const char *folder, uint32_t parts) {
    struct weft_str config = {0}, tokenizer = {0};
    if (weft_dir_make(folder) != WEFT_OK) return false;
    weft_hf_write_config(s, &config);
    weft_hf_write_tokenizer(s, &tokenizer);
    bool ok = write_text(folder, "config.json", &config);
    ok = write_text(folder, "tokenizer.json", &tokenizer) && ok;
    return ok && weft_hf_write_shards(s, folder, parts);
}
