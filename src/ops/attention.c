/// Causal attention over cached keys and values, query heads sharing key heads.
///
/// q[T, H, D], k[capacity, Hkv, D], v[capacity, Hkv, Dv] (states, f32 or f16, this run's rows already appended), pos
/// (u32, a scalar); y[T, H, Dv] f32. Query t stands at position i = pos + t; head h reads key head floor(h * Hkv / H).
/// Key j is seen iff
///   j <= i,  window = 0 or i - j < window (the query itself counts),  j >= pos + T - capacity (the states still hold
///   it), and, unless both k and v keep position p in row p mod capacity (a ring, or a value that is no state),
///   j < capacity.
/// s_j = scale * (q . k_j), scale 0 stands for 1 / sqrt(D); with softcap c > 0, s_j = c tanh(s_j / c);
/// y = sum_j softmax(s)_j v_j. A query that sees no key gives 0: only one whose keys all lie beyond a state's end does.
///
/// Of several sequences: k[S, capacity, Hkv, D], v[S, capacity, Hkv, Dv], kept by slot, pos and count (u32 variables of
/// S slots). The count[0] queries of slot 0 come first, and query n of slot s stands at pos[s] + n and sees the keys of
/// its slot, T above being count[s]. Queries behind the last slot's see none.
///
/// `reach`, a live size, promises pos + T <= reach, so that runs of few tokens start no more workgroups than the keys
/// so far need; 0, the default, promises nothing. Sessions refuse a run that breaks the promise. Where the device alone
/// knows the position, such a run gives NaN.
///
/// NaN and infinities are those of softmax in C. A NaN in a query, in a key or in a value makes NaN of what sees it,
/// and so does a score of +inf, or nothing but scores of -inf; what a query does not see stays hidden, NaN or not.
///
/// Scores, sums and output accumulate in f32. One kernel (attention.wgsl) serves all sizes: a workgroup takes a tile of
/// rows and walks over the keys. Runs of few tokens split the keys over workgroups, and attention_merge.wgsl joins the
/// pieces in order: pieces are counted from the first key that the run sees and have a size fixed at compile time, so
/// no sum depends on the grid. A piece hands on its maximum and its sum, which is NaN for a row that is to become NaN.
///
/// Dao et al., "FlashAttention: Fast and Memory-Efficient Exact Attention with IO-Awareness", 2022.
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/gemm/gemm.h"
#include "plan/round.h"
#include "ops/sequence.h"
#include "ops/shape.h"
#include "plan/lower.h"
#include "plan/order.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { Q, K, V, POS, COUNT };
enum { SCALE, WINDOW, SOFTCAP, REACH };
enum {
    TILE_KEYS = 32,
    SPLIT_TOKENS = 16,       // runs of at most so many tokens split the keys, and of several sequences
    SPLIT_TOKENS_SLOTS = 64, // so many
    DEFER_PIECES = 64, // beyond so many every reader would spend more on joining them than a step of its own costs
    MAX_PIECES_BYTES = 16 << 20, // of partial outputs
};

// ---- what it means -------------------------------------------------------------------------------------------------

/// Handle 0 is the constant 0, which promises nothing.
static bool has_reach(const struct weft_attr *attrs) { return attrs[REACH].d != WEFT_DIM_ZERO; }

static weft_status check_slots(struct weft_graph *g, const struct weft_type *in) {
    WEFT_TRY(weft_sequence_check_vars(g, "attention", &in[POS], 2));
    if (in[K].dims[0] == in[POS].dims[0] && in[V].dims[0] == in[POS].dims[0]) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "attention: k %s and v %s must have as many slots as pos %s",
                     weft_ops_type_text(g, &in[K]), weft_ops_type_text(g, &in[V]), weft_ops_type_text(g, &in[POS]));
}

static weft_status attention_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                   const struct weft_attr *attrs, struct weft_type *out) {
    static const char *const names[] = {"q", "k", "v"};
    bool by_slot = n_in > COUNT;
    int64_t x[3][3], lo, tokens;
    for (int i = Q; i <= V; i++) {
        int slots = by_slot && i != Q; // axes in front
        if ((in[i].dtype != WEFT_F32 && in[i].dtype != WEFT_F16) || in[i].rank != 3u + (unsigned)slots)
            return weft_fail(WEFT_ERR_INVALID, "attention: %s is %s; it takes f32 or f16 of %s axes", names[i],
                             weft_ops_type_text(g, &in[i]), slots ? "four" : "three");
        for (int a = i == Q; a < 3; a++)
            if (!weft_dim_is_const(g->dims, in[i].dims[a + slots], &x[i][a]) || x[i][a] < 1)
                return weft_fail(WEFT_ERR_INVALID, "attention: axis %d of %s %s must be a constant above 0", a + slots,
                                 names[i], weft_ops_type_text(g, &in[i]));
    }
    const char *q = weft_ops_type_text(g, &in[Q]), *k = weft_ops_type_text(g, &in[K]),
               *v = weft_ops_type_text(g, &in[V]);
    if (x[K][0] != x[V][0] || x[K][1] != x[V][1])
        return weft_fail(WEFT_ERR_INVALID, "attention: k %s and v %s must have equal capacity and heads", k, v);
    if (x[Q][2] != x[K][2])
        return weft_fail(WEFT_ERR_INVALID, "attention: q %s and k %s must have equal head sizes", q, k);
    if (x[Q][1] % x[K][1])
        return weft_fail(WEFT_ERR_INVALID, "attention: the heads of q %s must be a multiple of those of k %s", q, k);
    if (by_slot) WEFT_TRY(check_slots(g, in));
    else if (in[POS].dtype != WEFT_U32 || in[POS].rank != 0)
        return weft_fail(WEFT_ERR_INVALID, "attention: pos is %s; it takes a u32 variable",
                         weft_ops_type_text(g, &in[POS]));
    weft_dim_bounds(g->dims, in[Q].dims[0], &lo, &tokens);
    if (tokens > x[K][0])
        return weft_fail(WEFT_ERR_INVALID, "attention: q %s may have %lld tokens, k %s holds only %lld", q,
                         (long long)tokens, k, (long long)x[K][0]);
    if (has_reach(attrs) && !by_slot) // of several sequences each is shorter
        WEFT_TRY(weft_graph_guard(g, in[Q].dims[0], attrs[REACH].d, Q, "its tokens are", "the reach is"));
    out[0] = in[Q];
    out[0].dtype = WEFT_F32;
    out[0].dims[2] = in[V].dims[in[V].rank - 1];
    return WEFT_OK;
}

static uint32_t attention_limits(const struct weft_graph *g, const struct weft_node *n, struct weft_op_limit *out) {
    bool by_slot = n->n_in > COUNT; // then tokens are counted for each
    weft_dim tokens = by_slot ? weft_dim_const(g->dims, 0) : g->values[n->in[Q]].type.dims[0];
    out[0] = (struct weft_op_limit){.kind = WEFT_LIMIT_READ, .at = POS, .of = K, .span = tokens};
    out[1] = (struct weft_op_limit){.kind = WEFT_LIMIT_READ, .at = POS, .of = V, .span = tokens};
    uint32_t count = 2;
    if (has_reach(n->attrs))
        out[count++] =
            (struct weft_op_limit){.kind = WEFT_LIMIT_REACH, .at = POS, .span = tokens, .most = n->attrs[REACH].d};
    for (uint32_t i = 0; i < count; i++) out[i].count = by_slot ? COUNT + 1 : 0;
    weft_dim rows = g->values[n->in[Q]].type.dims[0];
    if (by_slot) out[count++] = (struct weft_op_limit){.kind = WEFT_LIMIT_SUM, .at = COUNT, .most = rows};
    return count;
}

static double attention_scale(const struct weft_attr *attrs, int64_t d) {
    return attrs[SCALE].f != 0 ? attrs[SCALE].f : 1 / sqrt((double)d);
}

/// One query: keys first .. last of `slot`, position p in row p mod capacity.
static void eval_row(const struct weft_eval *e, const double *q, int64_t slot, int64_t head, int64_t first,
                     int64_t last, double *score, double *y) {
    int64_t axis = e->n_in > COUNT, capacity = e->in[K].shape[axis], heads = e->in[K].shape[axis + 1];
    int64_t d = e->in[K].shape[axis + 2], dv = e->in[V].shape[axis + 2];
    double scale = attention_scale(e->attrs, d), cap = e->attrs[SOFTCAP].f, top = -INFINITY, sum = 0;
    for (int64_t j = first; j <= last; j++) {
        const double *k = e->in[K].data + ((slot * capacity + j % capacity) * heads + head) * d;
        double s = 0;
        for (int64_t c = 0; c < d; c++) s += q[c] * k[c];
        s *= scale;
        score[j - first] = s = cap > 0 ? cap * tanh(s / cap) : s;
        if (s > top) top = s;
    }
    for (int64_t j = first; j <= last; j++) sum += score[j - first] = exp(score[j - first] - top);
    for (int64_t j = first; j <= last; j++) {
        const double *v = e->in[V].data + ((slot * capacity + j % capacity) * heads + head) * dv;
        for (int64_t c = 0; c < dv; c++) y[c] += score[j - first] / sum * v[c];
    }
}

/// The queries of one sequence: `tokens` from number `from` on, the first of which stands at `pos`.
static weft_status eval_sequence(const struct weft_eval *e, const double *q, double *score, int64_t slot, int64_t pos,
                                 int64_t from, int64_t tokens) {
    int64_t axis = e->n_in > COUNT, heads = e->in[Q].shape[1], d = e->in[Q].shape[2], dv = e->in[V].shape[axis + 2];
    int64_t capacity = e->in[K].shape[axis], kv_heads = e->in[K].shape[axis + 1], window = e->attrs[WINDOW].i;
    int64_t reach = INT64_MAX;
    bool ends = e->in[K].ends || e->in[V].ends;
    if (has_reach(e->attrs)) reach = weft_dim_eval(e->dims, e->attrs[REACH].d, e->symbols);
    if (tokens > 0 && pos + tokens > reach)
        return weft_fail(WEFT_ERR_LIMIT, "attention: queries up to position %lld, whose reach is %lld",
                         (long long)(pos + tokens), (long long)reach);
    q += from * heads * d;
    double *y = e->out[0].data + from * heads * dv;
    for (int64_t row = 0; row < tokens * heads; row++) {
        int64_t last = pos + row / heads, first = pos + tokens > capacity ? pos + tokens - capacity : 0;
        if (window > 0 && last - window + 1 > first) first = last - window + 1;
        if (ends && last >= capacity) last = capacity - 1;
        eval_row(e, q + row * d, slot, row % heads * kv_heads / heads, first, last, score, y + row * dv);
    }
    return WEFT_OK;
}

static weft_status attention_eval(const struct weft_eval *e) {
    bool by_slot = e->n_in > COUNT;
    int64_t tokens = e->in[Q].shape[0], slots = by_slot ? e->in[POS].shape[0] : 1, from = 0, n = tokens;
    double *owned, *score = weft_alloc((size_t)e->in[K].shape[by_slot] * sizeof *score);
    const double *q = weft_ops_dense(&e->in[Q], &owned);
    weft_status status = score && q ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "attention: out of memory");
    for (int64_t s = 0; status == WEFT_OK && s < slots; s++) {
        if (by_slot) n = weft_sequence_tokens(&e->in[COUNT], s, tokens, &from);
        status = eval_sequence(e, q, score, s, weft_ops_position(&e->in[POS], s), from, n);
    }
    weft_free(score);
    weft_free(owned);
    return status;
}

// ---- how it is computed --------------------------------------------------------------------------------------------

#define ATTENTION_PARAMS(F) F(u32, groups) F(u32, rows) F(u32, tokens) F(u32, splits) F(f32, scale) F(f32, softcap)
WEFT_PARAMS(attention_params, ATTENTION_PARAMS)
#define ORDERED_PARAMS(F) ATTENTION_PARAMS(F) F(u32, zero)
WEFT_PARAMS(ordered_params, ORDERED_PARAMS)

/// How a workgroup is laid out; the names are those of attention.wgsl.
struct attention_tile {
    uint32_t threads, rows, lanes, keys, unroll;       ///< WG, QT, DL, KPT, CU
    uint32_t columns, per_thread, groups, row_threads; ///< CL, CPT, RG, RL
    uint32_t memory;
    bool shared_q;
    bool joins; ///< it has totals beside the sums of a piece
};

struct attention_cfg {
    weft_dim tokens;
    uint32_t heads, group, kv_heads, d, dv, capacity, window;
    uint32_t slots;       ///< sequences; 0: one, which has all tokens
    bool ends;            ///< there is no row behind row capacity - 1
    uint32_t split;       ///< keys a piece; 0: not split
    uint32_t piece;       ///< the same if pieces begin at its multiples, split or not (plan/order.h); else 0
    weft_dim reach;       ///< what pos + T does not exceed; WEFT_DIM_NONE: not known
    uint32_t most_pieces; ///< at the upper bounds
    uint32_t tile_rows;
    float scale, softcap;
};

/// Bytes of workgroup memory that a tile takes.
static uint32_t memory_of(const struct attention_tile *t, uint32_t d4) {
    uint32_t part = t->rows * TILE_KEYS + 32 / t->lanes;
    return (t->shared_q ? t->rows * d4 * 16 : 0) + t->lanes * part * 4 + t->rows * t->row_threads * 4 +
           t->rows * TILE_KEYS * 4 + t->rows * 4 * (t->joins ? 2 : 1) + 2 * TILE_KEYS * 4;
}

/// The layout for a given number of rows a tile. Fewer lanes share a key where their scores would not fit. Where sums
/// have an order, neither lanes nor the threads of a row follow from the number of rows.
static struct attention_tile tile_of(const struct weft_profile *profile, uint32_t d, uint32_t dv, uint32_t rows) {
    const struct weft_tile *shape = weft_tile_of(profile, WEFT_TILE_ATTENTION, rows);
    uint32_t d4 = (d + 3) / 4, v4 = (dv + 3) / 4, least;
    struct attention_tile t = {
        .threads = shape->threads, .rows = rows, .unroll = 1, .shared_q = true, .joins = profile->invariant};
    while (v4 / t.threads > 16 && t.threads < 128) t.threads *= 2;
    least = t.threads > TILE_KEYS ? t.threads / TILE_KEYS : 1;
    t.lanes = least > shape->lanes ? least : shape->lanes;
    uint32_t sharing = profile->invariant ? shape->rows : rows;
    t.row_threads = t.threads / sharing < TILE_KEYS / 4 ? t.threads / sharing : TILE_KEYS / 4;
    uint32_t usual = weft_tile_of(profile, WEFT_TILE_ATTENTION, UINT64_MAX)->lanes;
    if (profile->invariant) t.lanes = least > usual ? least : usual;
    while (!profile->invariant && t.lanes > least && memory_of(&t, d4) > profile->workgroup_memory) t.lanes /= 2;
    t.keys = TILE_KEYS * t.lanes / t.threads;
    while (t.unroll * 2 * t.keys <= shape->loads && d4 % (t.lanes * t.unroll * 2) == 0 && t.unroll < 4) t.unroll *= 2;
    t.columns = v4 < t.threads ? v4 : t.threads;
    t.per_thread = (v4 + t.columns - 1) / t.columns;
    t.groups = weft_pow2_down(t.threads / t.columns);
    if (t.groups > rows) t.groups = rows;
    t.memory = memory_of(&t, d4);
    if (rows == 1 && t.memory > profile->workgroup_memory) {
        t.shared_q = false;
        t.memory = memory_of(&t, d4);
    }
    return t;
}

/// As many rows a tile as there are, as fit the workgroup's memory, and as leave the accumulators in registers.
static struct attention_tile choose_tile(const struct weft_profile *profile, uint32_t d, uint32_t dv,
                                         uint64_t max_rows) {
    uint32_t rows = weft_pow2_up(max_rows), most = weft_tile_of(profile, WEFT_TILE_ATTENTION, max_rows)->rows;
    if (rows > most) rows = most;
    struct attention_tile t = tile_of(profile, d, dv, rows);
    uint32_t most_held = profile->invariant ? 16 : 32; // vectors of the output, beside as many of the totals
    while (rows > 1 && (t.memory > profile->workgroup_memory || rows / t.groups * t.per_thread > most_held))
        t = tile_of(profile, d, dv, rows /= 2);
    return t;
}

/// Keys that a run may see at most, by what the host knows.
static uint64_t keys_bound(const struct attention_cfg *cfg, uint64_t tokens, int64_t reach) {
    uint64_t keys = cfg->capacity;
    uint64_t least = cfg->slots ? 0 : tokens;
    if (cfg->reach != WEFT_DIM_NONE && reach < (int64_t)keys) keys = reach > (int64_t)least ? (uint64_t)reach : least;
    if (cfg->window && cfg->window + tokens - 1 < keys) keys = cfg->window + tokens - 1;
    return keys;
}

static uint64_t pieces_bound(const struct attention_cfg *cfg, uint64_t tokens, int64_t reach) {
    if (!cfg->split) return 1;
    uint64_t pieces = weft_ceil_div(keys_bound(cfg, tokens, reach), cfg->split);
    return cfg->piece && (cfg->window || !cfg->ends) ? pieces + 1 : pieces; // keys may begin inside one
}

/// Tiles of rows: each sequence begins one of its own, and so do the tokens that are nobody's.
static uint64_t tiles_bound(const struct attention_cfg *cfg, uint64_t tokens) {
    uint64_t tiles = (tokens * cfg->group + cfg->tile_rows - 1) / cfg->tile_rows;
    uint64_t each = (cfg->group + (uint64_t)cfg->tile_rows - 1) / cfg->tile_rows; // of one token
    if (cfg->slots) tiles += tokens < cfg->slots + 1u ? tokens : cfg->slots + 1u;
    return cfg->slots && tokens * each < tiles ? tokens * each : tiles;
}

static void attention_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct attention_cfg *cfg = u->step->cfg;
    uint64_t tokens = (uint64_t)weft_live(u, cfg->tokens), rows = tokens * cfg->group;
    int64_t reach = cfg->reach == WEFT_DIM_NONE ? INT64_MAX : weft_live(u, cfg->reach);
    uint64_t pieces = tokens ? pieces_bound(cfg, tokens, reach) : 0;
    uint64_t groups = tiles_bound(cfg, tokens) * cfg->kv_heads * pieces;
    struct attention_params p = {.groups = (uint32_t)groups,
                                 .rows = (uint32_t)rows,
                                 .tokens = (uint32_t)tokens,
                                 .splits = (uint32_t)pieces,
                                 .scale = cfg->scale,
                                 .softcap = cfg->softcap};
    memcpy(words, &p, sizeof p);
    weft_grid_fold(groups, u->caps->max_groups, grid);
}

static void merge_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct attention_cfg *cfg = u->step->cfg;
    uint64_t tokens = (uint64_t)weft_live(u, cfg->tokens), groups = tokens * cfg->heads;
    struct attention_params p = {
        .groups = (uint32_t)groups, .rows = (uint32_t)(tokens * cfg->group), .tokens = (uint32_t)tokens};
    memcpy(words, &p, sizeof p);
    weft_grid_fold(groups, u->caps->max_groups, grid);
}

static const struct weft_kernel attention_kernel = {"attention", "ops/attention.wgsl", attention_params_fields,
                                                    attention_update};
static const struct weft_kernel ordered_kernel = {"attention", "ops/attention.wgsl", ordered_params_fields,
                                                  attention_update};
static const struct weft_kernel merge_kernel = {"attention_merge", "ops/attention_merge.wgsl", attention_params_fields,
                                                merge_update};

static int64_t most_reach(const struct weft_lower *l, const struct attention_cfg *cfg) {
    return cfg->reach == WEFT_DIM_NONE ? INT64_MAX : weft_lower_max(l, cfg->reach);
}

/// Keys a piece, so that a device has enough workgroups and the partial outputs stay small; 0 where one piece would
/// hold all.
static uint32_t choose_split(const struct weft_lower *l, struct attention_cfg *cfg, uint64_t max_tokens) {
    if (max_tokens > (cfg->slots ? SPLIT_TOKENS_SLOTS : SPLIT_TOKENS)) return 0;
    cfg->split = weft_tile_of(l->profile, WEFT_TILE_ATTENTION, max_tokens)->block;
    if (cfg->piece) cfg->split = cfg->piece;
    int64_t reach = most_reach(l, cfg);
    while (pieces_bound(cfg, max_tokens, reach) * max_tokens * cfg->heads * cfg->dv * 4 > MAX_PIECES_BYTES) {
        if (cfg->piece) return 0; // the same, by fewer workgroups
        cfg->split *= 2;
    }
    cfg->most_pieces = (uint32_t)pieces_bound(cfg, max_tokens, reach);
    return cfg->most_pieces > 1 ? cfg->split : 0;
}

static void emit_common(struct weft_lower *l, struct weft_step *s, const struct weft_node *node,
                        const struct attention_cfg *cfg) {
    weft_emit_vars(l, s, WEFT_READ);
    weft_emit_int(l, s, "DV", cfg->dv);
    weft_emit_int(l, s, "G", cfg->group);
    weft_emit_int(l, s, "HKV", cfg->kv_heads);
    weft_emit_int(l, s, "CAP", cfg->capacity);
    weft_emit_int(l, s, "ENDS", cfg->ends);
    weft_emit_int(l, s, "MOST_POS", WEFT_MOST_POSITION);
    weft_emit_int(l, s, "WINDOW", cfg->window);
    weft_emit_int(l, s, "SPLIT", cfg->split);
    if (cfg->piece) weft_emit_int(l, s, "PIECE", cfg->piece);
    weft_emit_int(l, s, "POS", weft_lower_var_slot(l, node->in[POS]));
    weft_emit_int(l, s, "SLOTS", cfg->slots);
    weft_emit_int(l, s, "COUNT", cfg->slots ? (int64_t)weft_lower_var_slot(l, node->in[COUNT]) : -1);
}

static void emit_tile(struct weft_lower *l, struct weft_step *s, const struct attention_cfg *cfg,
                      const struct attention_tile *t) {
    weft_emit_int(l, s, "D", cfg->d);
    weft_emit_int(l, s, "SOFTCAP", cfg->softcap > 0);
    weft_emit_int(l, s, "QT", t->rows);
    weft_emit_int(l, s, "KT", TILE_KEYS);
    weft_emit_int(l, s, "DL", t->lanes);
    weft_emit_int(l, s, "KPT", t->keys);
    weft_emit_int(l, s, "CU", t->unroll);
    weft_emit_int(l, s, "CL", t->columns);
    weft_emit_int(l, s, "CPT", t->per_thread);
    weft_emit_int(l, s, "RG", t->groups);
    weft_emit_int(l, s, "RV", t->rows / t->groups);
    weft_emit_int(l, s, "CB", t->per_thread < 2 ? 1 : 2);
    weft_emit_int(l, s, "JU", weft_tile_of(l->profile, WEFT_TILE_ATTENTION, t->rows)->unroll);
    weft_emit_int(l, s, "RL", t->row_threads);
    weft_emit_int(l, s, "QSHARED", t->shared_q);
    weft_emit_workgroup(s, t->threads, t->memory);
}

static uint8_t wide_if(bool wide) { return wide ? WEFT_OPERAND_WIDE : 0; }

static void emit_merge(struct weft_lower *l, const struct weft_node *node, const struct attention_cfg *cfg,
                       const char *label, uint32_t partial, uint32_t sums) {
    struct weft_step *s = weft_emit(l, &merge_kernel, label, cfg, sizeof *cfg);
    uint32_t threads = weft_tile_of(l->profile, WEFT_TILE_ATTENTION_JOIN, 0)->threads, v4 = (cfg->dv + 3) / 4;
    uint32_t columns = v4 < threads ? v4 : threads;
    weft_emit_scratch(l, s, "o", WEFT_READ, partial, wide_if(cfg->dv % 4 == 0));
    weft_emit_scratch(l, s, "ml", WEFT_READ, sums, 0);
    weft_emit_value(l, s, "y", WEFT_WRITE, node->out[0], wide_if(weft_lower_wide(l, node->out[0])));
    emit_common(l, s, node, cfg);
    weft_emit_int(l, s, "MOST", cfg->most_pieces);
    weft_emit_int(l, s, "CL", columns);
    weft_emit_int(l, s, "SL", threads / columns);
    weft_emit_workgroup(s, threads, threads * (cfg->piece ? 4 * 4 : 3 * 4 + 16));
}

/// Text that joins the pieces of row `part_row`: the sums of attention_merge.wgsl, and what four columns q make of
/// them.
static void add_pieces(const struct attention_cfg *cfg, struct weft_str *out) {
    weft_str_add(out,
                 "var top = -3.4028234e38;\nfor (var i = 0u; i < n_pieces; i++) { top = max(top, load_sums((i * stride "
                 "+ part_row) * 2u)); }\n"
                 "var total = 0.0;\nvar lost = false;\nvar o = vec4<f32>(0.0);\nfor (var i = 0u; i < n_pieces; i++) {\n"
                 "let k = (i * stride + part_row) * 2u;\n"
                 "let sum = load_sums(k + 1u);\nlost |= is_nan(sum);\n"
                 "let share = select(0.0, exp(max(load_sums(k) - top, -80.0)), sum > 0.0);\ntotal += share * sum;\n");
    weft_str_addf(out, "o += share * load4_pieces((i * stride + part_row) * %uu + (q %% %uu) * 4u);\n}\n", cfg->dv,
                  cfg->dv / 4);
}

/// The same where pieces are joined one by one, as attention_merge.wgsl does then.
static void add_pieces_in_order(const struct attention_cfg *cfg, struct weft_str *out) {
    weft_str_add(out, "var top = -3.4028234e38;\nvar total = 0.0;\nvar o = vec4<f32>(0.0);\n"
                      "for (var i = 0u; i < n_pieces; i++) {\nlet k = (i * stride + part_row) * 2u;\n"
                      "let high = load_sums(k);\nlet now = max(top, high);\n"
                      "let old = select(exp(max(top - now, -80.0)), 1.0, top == now);\n"
                      "let own = select(exp(max(high - now, -80.0)), 1.0, high == now);\ntop = now;\n"
                      "total = fma(load_sums(k + 1u), own, total * old);\n");
    weft_str_addf(
        out,
        "o = fma(load4_pieces((i * stride + part_row) * %uu + (q %% %uu) * 4u), vec4<f32>(own), o * old);\n}\n"
        "var lost = is_nan(total);\n",
        cfg->dv, cfg->dv / 4);
}

/// Text that says whose token `row` is, and where that one's tokens stand. Nobody's has no pieces.
static void find_row(struct weft_lower *l, const struct weft_node *node, uint32_t slots, struct weft_str *out) {
    uint32_t count = weft_lower_var_slot(l, node->in[COUNT]), pos = weft_lower_var_slot(l, node->in[POS]);
    weft_str_addf(out,
                  "var slot = 0u;\nvar before = 0u;\nvar mine = min(var_u32(%uu), p.rows);\n"
                  "while (slot < %uu && row >= before + mine) {\nbefore += mine;\nslot++;\nmine = p.rows - before;\n"
                  "if (slot < %uu) { mine = min(var_u32(%uu + slot), mine); }\n}\nlet somebody = slot < %uu;\n",
                  count, slots, slots, count, slots);
    weft_str_addf(out, "let at = select(0u, min(var_u32(%uu + min(slot, %uu)), %uu), somebody);\n", pos, slots - 1,
                  WEFT_MOST_POSITION);
    weft_str_add(out, "let end = at + select(0u, mine, somebody);\nlet here = at + (row - before);\n");
}

/// Text by which a contraction joins the pieces of token `row` of p.rows itself, by the sums of attention_merge.wgsl.
static void stage_pieces(struct weft_lower *l, struct weft_step *s, const struct weft_deferred *d,
                         struct weft_str *out) {
    const struct attention_cfg *cfg = d->cfg;
    const struct weft_node *node = &l->graph->nodes[weft_lv(l, d->value)->node];
    uint32_t back = cfg->window ? cfg->window - 1 : 0;
    weft_emit_scratch(l, s, "pieces", WEFT_READ, d->scratch[0], WEFT_OPERAND_WIDE);
    weft_emit_scratch(l, s, "sums", WEFT_READ, d->scratch[1], 0);
    weft_emit_vars(l, s, WEFT_READ);
    const char *here = cfg->slots ? "here" : "at + row"; // of the row
    if (cfg->slots) find_row(l, node, cfg->slots, out);
    else
        weft_str_addf(out, "let at = min(var_u32(%uu), %uu);\nlet end = at + p.rows;\n",
                      weft_lower_var_slot(l, node->in[POS]), WEFT_MOST_POSITION);
    weft_str_addf(out, "let dropped = select(0u, end - %uu, end > %uu);\n", cfg->capacity, cfg->capacity);
    if (cfg->window) weft_str_addf(out, "let first = max(dropped, select(0u, at - %uu, at >= %uu));\n", back, back);
    else weft_str_add(out, "let first = dropped;\n");
    if (cfg->piece)
        weft_str_addf(out, "let n_pieces = min((end + %uu) / %uu - first / %uu, %uu);\n", cfg->piece - 1, cfg->piece,
                      cfg->piece, cfg->most_pieces);
    else
        weft_str_addf(out, "let n_pieces = min((end - first + %uu) / %uu, %uu);\n", cfg->split - 1, cfg->split,
                      cfg->most_pieces);
    weft_str_addf(out, "let stride = p.rows * %uu;\n", cfg->heads);
    if (cfg->ends) weft_str_addf(out, "let seen_to = min(%s, %uu);\n", here, cfg->capacity - 1);
    else weft_str_addf(out, "let seen_to = %s;\n", here);
    if (cfg->window)
        weft_str_addf(out, "let sees = max(dropped, select(0u, %s - %uu, %s >= %uu)) <= seen_to;\n", here, back, here,
                      back);
    else weft_str_add(out, "let sees = dropped <= seen_to;\n");
    weft_str_addf(out, "for (var q = lid; q < %uu; q += WG) {\nlet head = q / %uu;\n", cfg->heads * cfg->dv / 4,
                  cfg->dv / 4);
    weft_str_addf(out, "let part_row = head / %uu * (p.rows * %uu) + row * %uu + head %% %uu;\n", cfg->group,
                  cfg->group, cfg->group, cfg->group);
    if (cfg->piece) add_pieces_in_order(cfg, out);
    else add_pieces(cfg, out);
    weft_str_addf(out, "lost |= total == 0.0 && sees%s;\n", cfg->slots ? " && somebody" : "");
    weft_str_add(out, "xs[m * KQ + q] = select(o * select(0.0, 1.0 / total, total > 0.0), "
                      "vec4<f32>(quiet_nan()), lost);\n}\n");
}

/// True if a contraction that reads v, or a view of it, comes behind the group that writes the next version of variable
/// `var`: it would find that one in the variables block.
static bool late_readers(const struct weft_lower *l, weft_value v, weft_value var) {
    const struct weft_graph *g = l->graph;
    uint32_t state = weft_lv(l, var)->state;
    for (uint32_t i = l->use_start[v]; i < l->use_start[v + 1]; i++) {
        const struct weft_node *reader = &g->nodes[l->uses[i]];
        if (reader->op->view && late_readers(l, reader->out[0], var)) return true;
        for (uint32_t w = 0; w < g->n_nodes; w++)
            for (uint32_t k = 0; !g->nodes[w].dead && k < g->nodes[w].n_out; k++)
                if (weft_node_writes(g, &g->nodes[w], k) && g->nodes[w].in[k] == var &&
                    g->values[g->nodes[w].out[k]].state == state && l->node_group[w] < l->node_group[l->uses[i]])
                    return true;
    }
    return false;
}

/// Leaves the pieces to the contraction that reads the output, if that is all that happens to it.
static bool defer_merge(struct weft_lower *l, const struct weft_node *node, const struct attention_cfg *cfg,
                        uint32_t partial, uint32_t sums) {
    if (cfg->dv % 4 || cfg->most_pieces > DEFER_PIECES || !weft_gemm_stages(l, node->out[0]) ||
        late_readers(l, node->out[0], node->in[POS]) || (cfg->slots && late_readers(l, node->out[0], node->in[COUNT])))
        return false;
    struct weft_deferred *d = weft_arena_alloc(&l->plan->arena, sizeof *d);
    const void *kept = weft_arena_dup(&l->plan->arena, cfg, sizeof *cfg);
    if (!d || !kept) return false;
    *d = (struct weft_deferred){l->deferred, node->out[0], kept, {partial, sums}, stage_pieces};
    l->deferred = d;
    return true;
}

/// A ring must hold what the window of the run's first query sees beside the run's own rows, unless it never wraps.
static weft_status check_ring(struct weft_lower *l, const struct weft_node *node, const struct attention_cfg *cfg,
                              uint64_t tokens) {
    const struct weft_value_info *k = weft_lv(l, node->in[K]), *pos = weft_lv(l, node->in[POS]);
    WEFT_TRY(weft_sequence_need_vars(l, node, POS));
    for (uint32_t i = K; i <= V; i++) WEFT_TRY(weft_sequence_check_state(l, node, i, cfg->slots != 0));
    int64_t reach = weft_lv(l, l->graph->states[pos->state])->var_hi;
    int64_t promised = most_reach(l, cfg);
    if (promised < reach + (int64_t)tokens) reach = promised - (int64_t)tokens;
    uint64_t need = (uint64_t)cfg->window + tokens - 1;
    if (cfg->window == 0 || cfg->capacity >= need || reach + (int64_t)tokens <= (int64_t)cfg->capacity) return WEFT_OK;
    if (k->state != UINT32_MAX) k = weft_lv(l, l->graph->states[k->state]);
    return weft_lower_fail(
        l, WEFT_ERR_INVALID, "state '%s' holds %u rows; a window of %u and runs of %llu tokens need %llu",
        k->name ? k->name : "?", cfg->capacity, cfg->window, (unsigned long long)tokens, (unsigned long long)need);
}

static bool ends(const struct weft_lower *l, weft_value v) {
    const struct weft_value_info *info = weft_lv(l, v);
    return info->state != UINT32_MAX && info->state_kind != WEFT_STATE_RING;
}

static struct attention_cfg config(const struct weft_lower *l, const struct weft_node *node) {
    const struct weft_type *q = &weft_lv(l, node->in[Q])->type, *k = &weft_lv(l, node->in[K])->type;
    struct attention_cfg cfg = {.tokens = q->dims[0], .reach = WEFT_DIM_NONE};
    uint32_t axis = node->n_in > COUNT;
    if (axis) cfg.slots = (uint32_t)weft_lower_const(l, k->dims[0]);
    if (has_reach(node->attrs)) cfg.reach = node->attrs[REACH].d;
    cfg.heads = (uint32_t)weft_lower_const(l, q->dims[1]);
    cfg.kv_heads = (uint32_t)weft_lower_const(l, k->dims[axis + 1]);
    cfg.group = cfg.heads / cfg.kv_heads;
    cfg.d = (uint32_t)weft_lower_const(l, q->dims[2]);
    cfg.dv = (uint32_t)weft_lower_const(l, weft_lv(l, node->in[V])->type.dims[axis + 2]);
    cfg.capacity = (uint32_t)weft_lower_const(l, k->dims[axis]);
    cfg.window = (uint32_t)node->attrs[WINDOW].i;
    cfg.scale = (float)attention_scale(node->attrs, cfg.d);
    cfg.softcap = (float)node->attrs[SOFTCAP].f;
    cfg.ends = ends(l, node->in[K]) || ends(l, node->in[V]);
    return cfg;
}

static weft_status attention_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *node = &l->graph->nodes[l->groups[group].nodes[0]];
    struct attention_cfg cfg = config(l, node);
    int64_t max = weft_lower_max(l, cfg.tokens);
    uint64_t tokens = max > 0 ? (uint64_t)max : 1;
    WEFT_TRY(check_ring(l, node, &cfg, tokens));
    cfg.piece = l->profile->invariant ? weft_order_keys(l->profile) : 0;
    cfg.split = choose_split(l, &cfg, tokens);
    // Where each sequence may have but one token, more rows than that one's would stay idle.
    uint64_t together = cfg.slots && tokens <= cfg.slots ? 1 : tokens;
    struct attention_tile t = choose_tile(l->profile, cfg.d, cfg.dv, together * cfg.group);
    cfg.tile_rows = t.rows;
    char label[128];
    snprintf(label, sizeof label, "attention%s%s", weft_node_called(node) ? " " : "",
             weft_node_called(node) ? weft_node_called(node) : "");
    struct weft_step *s = weft_emit(l, cfg.piece ? &ordered_kernel : &attention_kernel, label, &cfg, sizeof cfg);
    weft_emit_value(l, s, "q", WEFT_READ, node->in[Q], wide_if(weft_lower_wide(l, node->in[Q])));
    weft_emit_value(l, s, "k", WEFT_READ, node->in[K], wide_if(cfg.d % 4 == 0 && weft_lower_wide(l, node->in[K])));
    weft_emit_value(l, s, "v", WEFT_READ, node->in[V], wide_if(cfg.dv % 4 == 0 && weft_lower_wide(l, node->in[V])));
    emit_common(l, s, node, &cfg);
    emit_tile(l, s, &cfg, &t);
    weft_emit_int(l, s, "BY_SLOT", weft_lv(l, node->in[K])->by_slot + 2 * weft_lv(l, node->in[V])->by_slot);
    weft_emit_int(l, s, "WRAP_K", weft_lv(l, node->in[K])->state == UINT32_MAX);
    weft_emit_int(l, s, "WRAP_V", weft_lv(l, node->in[V])->state == UINT32_MAX);
    if (!cfg.split) {
        weft_lower_place(l, node->out[0]);
        weft_emit_value(l, s, "y", WEFT_WRITE, node->out[0], wide_if(weft_lower_wide(l, node->out[0])));
        return l->status;
    }
    uint64_t rows = cfg.most_pieces * tokens * cfg.heads;
    uint32_t partial = weft_lower_scratch(l, "attention pieces", WEFT_F32, rows * cfg.dv);
    uint32_t sums = weft_lower_scratch(l, "attention sums", WEFT_F32, rows * 2);
    weft_emit_scratch(l, s, "y", WEFT_WRITE, partial, wide_if(cfg.dv % 4 == 0));
    weft_emit_scratch(l, s, "ml", WEFT_WRITE, sums, 0);
    if (defer_merge(l, node, &cfg, partial, sums)) return l->status;
    weft_lower_place(l, node->out[0]);
    snprintf(label, sizeof label, "attention_merge%s%s", weft_node_called(node) ? " " : "",
             weft_node_called(node) ? weft_node_called(node) : "");
    emit_merge(l, node, &cfg, label, partial, sums);
    return l->status;
}

const struct weft_op weft_op_attention = {
    .name = "attention",
    .doc = "q, k, v, pos[, count] -> y: causal attention over cached keys and values; query heads may share key heads, "
           "and the queries be those of several sequences",
    .n_in_min = 4,
    .n_in_max = 5,
    .n_out = 1,
    .states = {{WEFT_TOUCH_BACK, .operand = K, .at = POS, .attr = WINDOW},
               {WEFT_TOUCH_BACK, .operand = V, .at = POS, .attr = WINDOW}},
    .attrs = {{.name = "scale", .type = WEFT_ATTR_FLOAT},
              {.name = "window", .type = WEFT_ATTR_INT, .lo = 0, .hi = 1 << 30},
              {.name = "softcap", .type = WEFT_ATTR_FLOAT, .lo = 0, .hi = 1e9},
              {.name = "reach", .type = WEFT_ATTR_DIM}},
    .limits = attention_limits,
    .infer = attention_infer,
    .eval = attention_eval,
    .lower = attention_lower,
};
