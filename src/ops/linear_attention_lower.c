/// Kernels of linear_attention: which form, how large its chunks, and the steps of each. The contract stands in
/// linear_attention.c.
#include "ops/linear_attention.h"
#include "plan/round.h"
#include "core/error.h"
#include "ops/sequence.h"
#include "plan/lower.h"
#include "plan/update.h"

#include <stdio.h>
#include <string.h>

enum {
    STEP_TOKENS = 32,   // runs of at most so many tokens go token by token
    MOST_TURNS = 50000, // of the loops of one invocation; Mesa's CPU driver ends an invocation after 65,535
    LEAST_CHUNK = 4,
};

#define LINEAR_PARAMS(F)                                                                                               \
    F(u32, groups) F(u32, tokens) F(u32, chunks) F(u32, first) F(u32, count) F(u32, beta_at) F(f32, scale)
WEFT_PARAMS(linear_params, LINEAR_PARAMS)
#define GATES_PARAMS(F) F(u32, decays) F(u32, betas)
WEFT_PARAMS(gates_params, GATES_PARAMS)

/// How work is laid out; the names are those of the templates.
struct linear_cfg {
    struct linear_shape s;
    weft_dim tokens;
    uint32_t chunk;          ///< L; 0: token by token
    uint32_t columns, slice; ///< CT, KS
    uint32_t pair_columns;   ///< KS of the pairs
    uint32_t size;           ///< elements of the pairs of a chunk and head
    uint32_t tiles;          ///< workgroups a state head
    uint32_t lanes, rows;    ///< LANES, R
    uint32_t threads;
    bool gates;           ///< decay and beta are packed
    uint32_t first, most; ///< tokens (chunks) of a step: from `first` on, `most` at most
    uint32_t slots;       ///< of several sequences, else 0; s.batch is as many
    uint32_t few;  ///< slots of at most so many tokens go token by token, the others in chunks; 0: there are none
    bool in_place; ///< past and next are one memory, so that what stays as it is need not be written
};

static uint32_t ceil_div(uint64_t x, uint64_t y) { return (uint32_t)weft_ceil_div(x, y); }

// ---- live sizes ----------------------------------------------------------------------------------------------------

/// Rows of activations.
static uint64_t rows_of(const struct linear_cfg *cfg, uint64_t tokens) {
    return cfg->slots ? tokens : tokens * (uint64_t)cfg->s.batch;
}

/// Chunks of `tokens` tokens of one sequence; of several, as many as all may have, each beginning its own.
static uint32_t chunks_of(const struct linear_cfg *cfg, uint64_t tokens) {
    if (!cfg->slots) return ceil_div(tokens, cfg->chunk);
    uint64_t longer = tokens / (cfg->few + 1u); // slots that go in chunks
    return (uint32_t)(tokens / cfg->chunk + (longer < cfg->slots ? longer : cfg->slots));
}

/// The step's share of `all` tokens (chunks); the state passes through a step without any. Of several sequences each
/// has a number of its own, which the device knows.
static void share(const struct linear_cfg *cfg, uint32_t all, struct linear_params *p) {
    p->first = cfg->first;
    p->count = cfg->most;
    if (cfg->slots) return;
    p->first = cfg->first < all ? cfg->first : all;
    p->count = all - p->first < cfg->most ? all - p->first : cfg->most;
}

static void state_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct linear_cfg *cfg = u->step->cfg;
    const struct linear_shape *s = &cfg->s;
    struct linear_params p = {.tokens = (uint32_t)weft_live(u, cfg->tokens), .scale = (float)s->scale};
    int64_t heads = s->batch + (cfg->slots && !cfg->chunk); // the last of which makes what is nobody's
    p.groups = (uint32_t)(heads * s->kv_heads * cfg->tiles);
    p.chunks = cfg->chunk && !cfg->slots ? chunks_of(cfg, p.tokens) : 0;
    if (cfg->gates)
        p.beta_at =
            (uint32_t)rows_of(cfg, p.tokens) * (uint32_t)(s->kv_heads * (s->decay == LINEAR_DECAY_CHANNEL ? s->dk : 1));
    share(cfg, cfg->chunk ? p.chunks : p.tokens, &p);
    memcpy(words, &p, sizeof p);
    weft_grid_fold(p.groups, u->caps->max_groups, grid);
}

static void pairs_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct linear_cfg *cfg = u->step->cfg;
    struct linear_params p = {.tokens = (uint32_t)weft_live(u, cfg->tokens)};
    p.chunks = chunks_of(cfg, p.tokens);
    p.groups =
        (uint32_t)((cfg->slots ? 1 : cfg->s.batch) * p.chunks * cfg->s.kv_heads * (cfg->s.group + (cfg->s.beta != 0)));
    memcpy(words, &p, sizeof p);
    weft_grid_fold(p.groups, u->caps->max_groups, grid);
}

static void gates_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct linear_cfg *cfg = u->step->cfg;
    const struct linear_shape *s = &cfg->s;
    uint32_t rows = (uint32_t)rows_of(cfg, (uint64_t)weft_live(u, cfg->tokens));
    struct gates_params p = {.decays = (uint32_t)(rows * s->kv_heads * (s->decay == LINEAR_DECAY_CHANNEL ? s->dk : 1)),
                             .betas = (uint32_t)(rows * (s->beta == LINEAR_BETA_HEAD ? s->kv_heads : 1))};
    memcpy(words, &p, sizeof p);
    weft_grid_fold(ceil_div(p.decays > p.betas ? p.decays : p.betas, u->step->workgroup[0]), u->caps->max_groups, grid);
}

static const struct weft_kernel step_kernel = {"linear_attention", "ops/linear_attention.wgsl", linear_params_fields,
                                               state_update};
static const struct weft_kernel chunks_kernel = {"linear_attention_chunks", "ops/linear_attention_chunks.wgsl",
                                                 linear_params_fields, state_update};
static const struct weft_kernel pairs_kernel = {"linear_attention_pairs", "ops/linear_attention_pairs.wgsl",
                                                linear_params_fields, pairs_update};
static const struct weft_kernel gates_kernel = {"linear_attention_gates", "ops/linear_attention_gates.wgsl",
                                                gates_params_fields, gates_update};

// ---- layouts -------------------------------------------------------------------------------------------------------

static uint32_t chunk_memory(const struct linear_cfg *cfg) {
    uint32_t rows = ceil_div((uint64_t)cfg->s.dk, cfg->slice) * cfg->slice;
    return 4 * (rows * cfg->columns + cfg->chunk * cfg->columns + cfg->chunk * cfg->slice);
}

static uint32_t pairs_memory(const struct linear_cfg *cfg) {
    uint32_t operands = cfg->s.decay == LINEAR_DECAY_CHANNEL ? 3 : 2;
    return 4 * (cfg->chunk * cfg->pair_columns * operands + (cfg->s.decay == LINEAR_DECAY_HEAD ? cfg->chunk : 0) +
                (cfg->s.beta ? cfg->chunk * cfg->chunk : 0));
}

static const struct weft_tile *shape_of(const struct weft_lower *l) {
    return weft_tile_of(l->profile, WEFT_TILE_RECURRENT, 0);
}

static uint32_t pairs_threads(const struct weft_lower *l, const struct linear_cfg *cfg) {
    uint32_t most = shape_of(l)->rows, blocks = cfg->chunk / 4 < most ? cfg->chunk / 4 : most;
    while (blocks > 1 && blocks * cfg->chunk > l->caps->max_invocations) blocks /= 2;
    return blocks * cfg->chunk;
}

/// Lays out chunks of cfg->chunk tokens. False if they do not fit.
static bool lay_out(const struct weft_lower *l, struct linear_cfg *cfg, uint64_t tokens) {
    const struct linear_shape *s = &cfg->s;
    const struct weft_gpu_caps *caps = l->caps;
    uint64_t l2 = (uint64_t)cfg->chunk * cfg->chunk, size = l2 * (uint64_t)(s->group + (s->beta != 0));
    if (s->decay) size += cfg->chunk * (s->decay == LINEAR_DECAY_CHANNEL ? ((uint64_t)s->dk + 3) / 4 * 4 : 1);
    uint64_t bytes = size * 4 * (uint64_t)s->kv_heads * rows_of(cfg, chunks_of(cfg, tokens));
    if (bytes > caps->max_binding || bytes > caps->max_buffer) return false;
    cfg->size = (uint32_t)size;
    cfg->pair_columns = cfg->chunk < 16 ? cfg->chunk : 16;
    while (cfg->pair_columns > 4 && pairs_memory(cfg) > caps->workgroup_memory) cfg->pair_columns /= 2;
    if (pairs_memory(cfg) > caps->workgroup_memory) return false;
    uint32_t most = shape_of(l)->columns, wide = weft_pow2_up((uint64_t)s->dv);
    for (cfg->columns = most < wide ? most : wide; cfg->columns; cfg->columns /= 2)
        for (cfg->slice = cfg->chunk < 32 ? cfg->chunk : 32; cfg->slice >= 4; cfg->slice /= 2)
            if (chunk_memory(cfg) <= caps->workgroup_memory && cfg->columns * cfg->chunk / 4 <= caps->max_invocations)
                return true;
    return false;
}

/// Turns of an invocation's loops for one chunk, at most.
static uint32_t chunk_turns(const struct linear_cfg *cfg) {
    const struct linear_shape *s = &cfg->s;
    uint32_t quads = cfg->slice / 4, m = (uint32_t)s->group + (s->beta != 0);
    uint32_t fill = 2 + ceil_div((uint64_t)cfg->chunk * quads, cfg->threads);
    uint32_t slices = ceil_div((uint64_t)s->dk, cfg->slice), own = ceil_div(cfg->chunk, cfg->slice);
    uint32_t blocks = ceil_div(quads, cfg->chunk / 4);
    return 2 + m * (1 + (slices + own) * (fill + quads)) + slices * (fill + blocks * (1 + cfg->chunk / 4));
}

/// Chunks as large as fit, for runs of more tokens than go one by one. False if none do.
static bool choose_chunks(const struct weft_lower *l, struct linear_cfg *cfg, uint64_t hint, uint64_t tokens) {
    uint32_t most = shape_of(l)->block;
    if (tokens <= STEP_TOKENS) return false;
    if (l->profile->invariant) return false; // a chunk begins where a run does, and its length is part of the order
    cfg->few = cfg->slots ? STEP_TOKENS : 0;
    cfg->chunk = weft_pow2_down(hint < LEAST_CHUNK ? LEAST_CHUNK : hint > most ? most : hint);
    while (cfg->chunk >= LEAST_CHUNK && !lay_out(l, cfg, tokens)) cfg->chunk /= 2;
    if (cfg->chunk < LEAST_CHUNK) {
        cfg->chunk = cfg->few = 0;
        return false;
    }
    cfg->threads = cfg->columns * cfg->chunk / 4;
    cfg->tiles = ceil_div((uint64_t)cfg->s.dv, cfg->columns);
    cfg->most = MOST_TURNS / chunk_turns(cfg);
    if (cfg->most == 0) cfg->most = 1;
    return true;
}

static void choose_lanes(const struct weft_lower *l, struct linear_cfg *cfg) {
    const struct linear_shape *s = &cfg->s;
    uint32_t least = shape_of(l)->threads, quads = ceil_div((uint64_t)s->dv, 4);
    cfg->lanes = weft_pow2_up(ceil_div((uint64_t)s->dk, 16));
    if (cfg->lanes > 64) cfg->lanes = 64;
    cfg->rows = ceil_div((uint64_t)s->dk, cfg->lanes);
    cfg->threads = cfg->lanes > least ? cfg->lanes : least;
    while (cfg->threads / 2 >= cfg->lanes * weft_pow2_up(quads)) cfg->threads /= 2;
    cfg->tiles = ceil_div(quads, cfg->threads / cfg->lanes);
    cfg->most = MOST_TURNS / (uint32_t)(1 + s->group);
    if (cfg->most == 0) cfg->most = 1;
}

// ---- steps ---------------------------------------------------------------------------------------------------------

static uint8_t wide_if(bool wide) { return wide ? WEFT_OPERAND_WIDE : 0; }

static void emit_shape(struct weft_lower *l, struct weft_step *s, const struct weft_node *node,
                       const struct linear_cfg *cfg) {
    const struct linear_shape *h = &cfg->s;
    int64_t q_ratio = h->q_heads < h->kv_heads ? h->kv_heads / h->q_heads : 1;
    const struct {
        const char *name;
        int64_t x;
    } values[] = {
        {"KM", h->turns ? h->key_heads : h->kv_heads},
        {"KD", h->turns ? 1 : h->kv_heads / h->key_heads},
        {"QM", h->turns ? h->q_heads : h->kv_heads},
        {"QD", h->turns ? 1 : q_ratio},
        {"OH", h->turns ? 1 : h->group},
        {"OG", h->turns ? h->kv_heads : 1},
        {"DK", h->dk},
        {"DV", h->dv},
        {"HQ", h->q_heads},
        {"HKV", h->kv_heads},
        {"HK", h->key_heads},
        {"G", h->group},
        {"VALUE", h->value_major},
        {"DELTA", h->beta != 0},
        {"DECAY", h->decay},
        {"BETA", h->beta},
        {"FEW", cfg->few},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) weft_emit_int(l, s, values[i].name, values[i].x);
    weft_sequence_emit_tail(l, s, node, cfg->slots);
}

static void emit_operand(struct weft_lower *l, struct weft_step *s, const struct weft_node *node, const char *name,
                         uint32_t i, bool quads) {
    weft_emit_value(l, s, name, WEFT_READ, node->in[i], wide_if(quads && weft_lower_wide(l, node->in[i])));
}

/// One link of the chain of steps by which the state goes: `from` and `to` are scratch, or WEFT_NO_TENSOR for the
/// node's own state.
static void emit_state(struct weft_lower *l, struct weft_step *s, const struct weft_node *node, uint32_t from,
                       uint32_t to, bool quads) {
    uint8_t past = wide_if(quads && weft_lower_wide(l, node->in[LINEAR_STATE]));
    uint8_t next = wide_if(quads && weft_lower_wide(l, node->out[0]));
    if (from == WEFT_NO_TENSOR)
        weft_emit_value(l, s, "past", WEFT_READ, node->in[LINEAR_STATE], past | WEFT_OPERAND_INPLACE);
    else weft_emit_scratch(l, s, "past", WEFT_READ, from, wide_if(quads));
    if (to == WEFT_NO_TENSOR) weft_emit_value(l, s, "s", WEFT_WRITE, node->out[0], next | WEFT_OPERAND_INPLACE);
    else weft_emit_scratch(l, s, "s", WEFT_WRITE, to, wide_if(quads));
}

static const char *label_of(const struct weft_node *node, const char *what, char *text, size_t size) {
    snprintf(text, size, "%s%s%s", what, weft_node_called(node) ? " " : "",
             weft_node_called(node) ? weft_node_called(node) : "");
    return text;
}

/// True if an operand takes more than one binding.
static bool has_large_operand(struct weft_lower *l, const struct weft_node *node) {
    for (uint32_t i = 0; i < node->n_in + node->n_out; i++) {
        weft_value v = i < node->n_in ? node->in[i] : node->out[i - node->n_in];
        const struct weft_type *t = &weft_lv(l, v)->type;
        int64_t n = weft_lower_max(l, weft_lower_product(l, t, 0, t->rank));
        if (n > 0 && weft_bytes_times((uint64_t)n, weft_accessor_width(t->dtype)) + 256 > l->caps->max_binding)
            return true;
    }
    return false;
}

/// A step that reads decay and beta, past and next in two buffers and everything else from buffers of its own needs
/// nine bindings, of several sequences ten, and nine of values that are no state; where the device has eight, the two
/// gates are made one operand first.
static uint32_t emit_gates(struct weft_lower *l, const struct weft_node *node, struct linear_cfg *cfg,
                           uint64_t tokens) {
    uint32_t state = weft_lv(l, node->out[0])->state;
    bool two_buffers = state != UINT32_MAX && weft_state_buffers(&l->plan->states[state]) == 2;
    if (cfg->slots) two_buffers = !cfg->in_place;
    cfg->gates =
        cfg->s.decay && cfg->s.beta && (two_buffers || has_large_operand(l, node)) && l->caps->max_storage_buffers < 9;
    if (!cfg->gates) return WEFT_NO_TENSOR;
    uint64_t rows = rows_of(cfg, tokens) * (uint64_t)cfg->s.kv_heads;
    uint64_t count = rows * (uint64_t)(cfg->s.decay == LINEAR_DECAY_CHANNEL ? cfg->s.dk + 1 : 2);
    uint32_t gates = weft_lower_scratch(l, "linear_attention gates", WEFT_F32, count);
    char label[128];
    struct weft_step *s =
        weft_emit(l, &gates_kernel, label_of(node, "linear_attention_gates", label, sizeof label), cfg, sizeof *cfg);
    emit_operand(l, s, node, "decay", cfg->s.decay_in, false);
    emit_operand(l, s, node, "beta", cfg->s.beta_in, false);
    weft_emit_scratch(l, s, "gates", WEFT_WRITE, gates, 0);
    weft_emit_workgroup(s, weft_tile_of(l->profile, WEFT_TILE_ELEMENTS, 0)->threads, 0);
    return gates;
}

static void emit_step(struct weft_lower *l, const struct weft_node *node, const struct linear_cfg *cfg, uint32_t gates,
                      uint32_t from, uint32_t to) {
    char label[128];
    struct weft_step *s =
        weft_emit(l, &step_kernel, label_of(node, "linear_attention", label, sizeof label), cfg, sizeof *cfg);
    bool quads = cfg->s.dv % 4 == 0;
    emit_state(l, s, node, from, to, quads && !cfg->s.value_major);
    emit_operand(l, s, node, "q", LINEAR_Q, false);
    emit_operand(l, s, node, "k", LINEAR_K, false);
    emit_operand(l, s, node, "v", LINEAR_V, quads);
    if (cfg->gates) weft_emit_scratch(l, s, "gates", WEFT_READ, gates, 0);
    if (cfg->s.decay && !cfg->gates) emit_operand(l, s, node, "decay", cfg->s.decay_in, false);
    if (cfg->s.beta && !cfg->gates) emit_operand(l, s, node, "beta", cfg->s.beta_in, false);
    weft_emit_value(l, s, "y", WEFT_WRITE, node->out[1], wide_if(quads && weft_lower_wide(l, node->out[1])));
    emit_shape(l, s, node, cfg);
    weft_emit_int(l, s, "IN_PLACE", cfg->in_place);
    weft_emit_int(l, s, "GATES", cfg->gates);
    weft_emit_int(l, s, "LANES", cfg->lanes);
    weft_emit_int(l, s, "R", cfg->rows);
    weft_emit_int(l, s, "TILES", cfg->tiles);
    weft_emit_workgroup(s, cfg->threads, cfg->threads * 16);
}

static uint32_t emit_pairs(struct weft_lower *l, const struct weft_node *node, const struct linear_cfg *cfg,
                           uint64_t tokens) {
    char label[128];
    bool quads = cfg->s.dk % 4 == 0;
    uint32_t threads = pairs_threads(l, cfg);
    uint64_t chunks = rows_of(cfg, chunks_of(cfg, tokens));
    uint32_t pairs =
        weft_lower_scratch(l, "linear_attention pairs", WEFT_F32, chunks * (uint64_t)cfg->s.kv_heads * cfg->size);
    struct weft_step *s =
        weft_emit(l, &pairs_kernel, label_of(node, "linear_attention_pairs", label, sizeof label), cfg, sizeof *cfg);
    emit_operand(l, s, node, "q", LINEAR_Q, quads);
    emit_operand(l, s, node, "k", LINEAR_K, quads);
    if (cfg->s.decay) emit_operand(l, s, node, "decay", cfg->s.decay_in, quads && cfg->s.decay == LINEAR_DECAY_CHANNEL);
    if (cfg->s.beta) emit_operand(l, s, node, "beta", cfg->s.beta_in, false);
    weft_emit_scratch(l, s, "pairs", WEFT_WRITE, pairs, 0);
    emit_shape(l, s, node, cfg);
    weft_emit_int(l, s, "L", cfg->chunk);
    weft_emit_int(l, s, "KS", cfg->pair_columns);
    weft_emit_int(l, s, "PB", cfg->chunk / 4 / (threads / cfg->chunk));
    weft_emit_int(l, s, "SIZE", cfg->size);
    weft_emit_workgroup(s, threads, pairs_memory(cfg));
    return pairs;
}

static void emit_chunks(struct weft_lower *l, const struct weft_node *node, const struct linear_cfg *cfg,
                        uint32_t pairs, uint32_t from, uint32_t to) {
    char label[128];
    bool quads = cfg->s.dk % 4 == 0;
    struct weft_step *s =
        weft_emit(l, &chunks_kernel, label_of(node, "linear_attention_chunks", label, sizeof label), cfg, sizeof *cfg);
    emit_state(l, s, node, from, to, quads && cfg->s.value_major);
    emit_operand(l, s, node, "q", LINEAR_Q, quads);
    emit_operand(l, s, node, "k", LINEAR_K, quads);
    emit_operand(l, s, node, "v", LINEAR_V, false);
    weft_emit_scratch(l, s, "pairs", WEFT_READ, pairs, WEFT_OPERAND_WIDE);
    weft_emit_value(l, s, "y", WEFT_WRITE, node->out[1], 0);
    emit_shape(l, s, node, cfg);
    weft_emit_int(l, s, "L", cfg->chunk);
    weft_emit_int(l, s, "CT", cfg->columns);
    weft_emit_int(l, s, "KS", cfg->slice);
    weft_emit_int(l, s, "TILES", cfg->tiles);
    weft_emit_int(l, s, "SIZE", cfg->size);
    weft_emit_workgroup(s, cfg->threads, chunk_memory(cfg));
}

static struct linear_cfg config(const struct weft_lower *l, const struct weft_node *node) {
    int64_t columns[LINEAR_GATES + 2] = {0};
    uint32_t tail = weft_sequence_tail_of(l->graph, node);
    const struct weft_type *q = &weft_lv(l, node->in[LINEAR_Q])->type;
    const struct weft_type *state = &weft_lv(l, node->in[LINEAR_STATE])->type;
    for (uint32_t i = LINEAR_Q; i < node->n_in - tail; i++)
        columns[i] = weft_lower_const(l, weft_lv(l, node->in[i])->type.dims[q->rank - 1]);
    int64_t batch = tail ? weft_lower_const(l, state->dims[0]) : q->rank == 3 ? weft_lower_const(l, q->dims[0]) : 1;
    return (struct linear_cfg){.s = weft_linear_shape(node->attrs, columns, batch),
                               .tokens = q->dims[q->rank - 2],
                               .slots = tail ? (uint32_t)batch : 0,
                               .in_place = weft_sequence_in_place(l, node)};
}

/// Steps of one form by which the state goes, `all` tokens or chunks of one sequence.
static void emit_chain(struct weft_lower *l, const struct weft_node *node, struct linear_cfg *cfg, uint32_t scratch,
                       uint32_t all) {
    uint64_t elements = (uint64_t)(cfg->s.batch * cfg->s.kv_heads * cfg->s.dk * cfg->s.dv);
    uint32_t from = WEFT_NO_TENSOR, to, spare[2];
    for (uint32_t i = 0; i < 2; i++)
        spare[i] = all > (i + 1) * cfg->most ? weft_lower_scratch(l, "linear_attention state", WEFT_F32, elements)
                                             : WEFT_NO_TENSOR;
    for (uint32_t n = 0; (cfg->first = n * cfg->most) < all && l->status == WEFT_OK; n++, from = to) {
        to = all - cfg->first > cfg->most ? spare[n % 2] : WEFT_NO_TENSOR;
        if (cfg->chunk) emit_chunks(l, node, cfg, scratch, from, to);
        else emit_step(l, node, cfg, scratch, from, to);
    }
}

static void emit_by_token(struct weft_lower *l, const struct weft_node *node, struct linear_cfg cfg, uint64_t tokens) {
    cfg.chunk = 0;
    choose_lanes(l, &cfg);
    uint32_t gates = emit_gates(l, node, &cfg, tokens);
    emit_chain(l, node, &cfg, gates, (uint32_t)tokens); // those of idle slots and of nobody, too
}

weft_status weft_linear_attention_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *node = &l->graph->nodes[l->groups[group].nodes[0]];
    WEFT_TRY(weft_sequence_check_tail_lower(l, node));
    struct linear_cfg cfg = config(l, node);
    int64_t most = weft_lower_max(l, cfg.tokens);
    uint64_t tokens = most > 0 ? (uint64_t)most : 1;
    bool chunked = choose_chunks(l, &cfg, (uint64_t)node->attrs[LINEAR_CHUNK].i, tokens);
    if (!chunked || cfg.slots) emit_by_token(l, node, cfg, tokens);
    if (!chunked) return l->status;
    uint32_t pairs = emit_pairs(l, node, &cfg, tokens);
    emit_chain(l, node, &cfg, pairs, ceil_div(tokens, cfg.chunk));
    return l->status;
}
