/// What the parts of linear_attention share: how its operands are read. Only src/ops/linear_attention*.c and
/// gated_delta_net.c include this.
#ifndef WEFT_OPS_LINEAR_ATTENTION_H
#define WEFT_OPS_LINEAR_ATTENTION_H
#include "ir/graph.h"

enum { LINEAR_STATE, LINEAR_Q, LINEAR_K, LINEAR_V, LINEAR_GATES }; ///< decay, then beta, as far as the rule has them
enum { LINEAR_RULE, LINEAR_Q_HEADS, LINEAR_KV_HEADS, LINEAR_SCALE, LINEAR_CHUNK, LINEAR_LAYOUT, LINEAR_SHARING };
enum { LINEAR_MAX_DK = 2048 }; ///< key channels that the sequential kernel keeps in registers

enum linear_decay { LINEAR_NO_DECAY, LINEAR_DECAY_HEAD, LINEAR_DECAY_CHANNEL };
enum linear_beta { LINEAR_NO_BETA, LINEAR_BETA_HEAD, LINEAR_BETA_ONE };

struct linear_shape {
    int64_t batch, tokens;                ///< tokens: of eval only
    int64_t q_heads, kv_heads, key_heads; ///< kv_heads: those of v and of the state
    int64_t group, out_heads;             ///< outputs a state head, and in all
    int64_t dk, dv;
    enum linear_decay decay;
    enum linear_beta beta;
    bool value_major;
    bool turns; ///< heads that share one follow each other in turns, not in blocks
    double scale;
    uint32_t decay_in, beta_in; ///< operand numbers, 0 without
};

/// Reads attributes and the columns (last axis) of operands q, k, v and the gates, which `infer` has accepted.
struct linear_shape weft_linear_shape(const struct weft_attr *attrs, const int64_t *columns, int64_t batch);
/// Which of `few` heads belongs to head `h` of `many`, a multiple.
static inline int64_t weft_linear_head(const struct linear_shape *s, int64_t h, int64_t few, int64_t many) {
    return s->turns ? h % few : h * few / many;
}
/// Output `g` of state head `h`, among all.
static inline int64_t weft_linear_out_head(const struct linear_shape *s, int64_t h, int64_t g) {
    return s->turns ? g * s->kv_heads + h : h * s->group + g;
}
/// The query head that is read for it.
static inline int64_t weft_linear_q_head(const struct linear_shape *s, int64_t h, int64_t g) {
    return s->q_heads >= s->kv_heads ? weft_linear_out_head(s, h, g) : weft_linear_head(s, h, s->q_heads, s->kv_heads);
}
weft_status weft_linear_attention_lower(struct weft_lower *l, uint32_t group);
#endif
