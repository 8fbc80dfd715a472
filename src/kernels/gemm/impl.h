/// What the files of the family share; nobody else includes it.
#ifndef WEFT_KERNELS_GEMM_IMPL_H
#define WEFT_KERNELS_GEMM_IMPL_H
#include "kernels/gemm/choose.h"
#include "kernels/gemm/gemm.h"
#include "plan/expr_wgsl.h"

#define WEFT_GEMM_PARAMS(F) F(u32, rows) F(u32, n) F(u32, col0) F(u32, zero) F(u32, k) F(u32, kb) F(u32, width)
WEFT_PARAMS(weft_gemm_params, WEFT_GEMM_PARAMS)
enum { WEFT_GEMM_WORDS = 7 };

struct weft_gemm_cfg {
    struct weft_xdims dims;
    weft_dim rows, n;
    weft_dim k;            ///< tiled
    uint32_t col0, part_n; ///< of a part; part_n 0: all n
    uint32_t row_tile, col_tile;
    uint32_t tiles;  ///< few and some rows: workgroups along n
    uint32_t pieces; ///< some rows: of k
};

/// A group of nodes, taken apart.
struct weft_gemm_group {
    uint32_t *prologue, n_prologue;
    uint32_t *epilogue, n_epilogue;
    uint32_t anchors[WEFT_GEMM_ANCHORS], n_anchors;
    const struct weft_gemm *experts; ///< of each anchor, if rows choose their matrix; else NULL
};

/// One step of all anchors over part `part` (several parts only with one anchor), by few rows.
void weft_gemm_emit_few(struct weft_lower *l, const struct weft_gemm_group *p, uint32_t part,
                        const struct weft_gemm_choice *choice, struct weft_xstep *step);
/// One step of all anchors over part `part`, or two, where k is summed in pieces, by some rows.
void weft_gemm_emit_rows(struct weft_lower *l, const struct weft_gemm_group *p, uint32_t part,
                         const struct weft_gemm_choice *choice, struct weft_xstep *step);
/// One step of one anchor in tiles. `w`: the packed right side, or NULL.
void weft_gemm_emit_tiled(struct weft_lower *l, const struct weft_gemm_group *p, const struct weft_plan_weight *w,
                          uint32_t part, const struct weft_gemm_choice *choice, struct weft_xstep *step);

/// One step of one anchor in any form, or two, where k is summed in pieces.
void weft_gemm_emit_general(struct weft_lower *l, const struct weft_gemm_group *p, const struct weft_gemm *g,
                            struct weft_xstep *step);

/// Products of rows that choose their matrix, which the group's `experts` describe: few rows, or steps of their own.
void weft_gemm_emit_experts(struct weft_lower *l, const struct weft_gemm_group *p, struct weft_xstep *step);
/// True if they take the kernel of few rows.
bool weft_gemm_few_experts(struct weft_lower *l, const struct weft_node *n, const struct weft_gemm *g);
/// " / 2u": behind the number of a row of the product, gives the row of the left side that it is made from.
const char *weft_gemm_share(struct weft_xstep *step, const struct weft_gemm *g);
/// fn NAME(row) -> u32: the matrix that a row of the product chooses, by operand `ids`.
void weft_gemm_add_chooser(const struct weft_lower *l, const struct weft_gemm *g, const char *name, const char *ids,
                           const char *experts, struct weft_str *out);

/// True if a product of rows by a matrix is better computed so than in tiles.
bool weft_gemm_wants_general(const struct weft_lower *l, const struct weft_gemm *g);
/// How many elements the general kernels compute for those sides that are v, each as often as it is read.
double weft_gemm_evaluations(const struct weft_lower *l, const struct weft_gemm *g, weft_value v);

// ---- sides ---------------------------------------------------------------------------------------------------------
/// The program of a side at (at0, ..., row, col): one place for each batch axis, or none where it is folded: then row
/// counts the batch axes, too.
struct weft_gemm_program {
    struct weft_expr e;
    struct weft_xtext t;
    uint32_t x, n_at;
    bool across; ///< neighbouring rows lie side by side in memory, columns do not
    bool quads;  ///< there are four neighbouring columns or none
};
/// Adds a side's operands to the step.
void weft_gemm_side_begin(struct weft_xstep *step, const struct weft_gemm_side *side, uint32_t n_batch, bool folded,
                          struct weft_gemm_program *p);
/// fn NAME_quad(at0, ..., row, col) -> vec4<T>: columns col .. col + 3, col a multiple of 4; zeros behind the last row
/// (`rows`: a parameter) and the last column.
void weft_gemm_side_text(struct weft_gemm_program *p, const char *name, const char *rows, struct weft_str *out);

/// Template values of the order in which a step that makes tiles sums k, where it has one (plan/order.h).
void weft_gemm_emit_order(struct weft_lower *l, struct weft_step *s, const struct weft_plan_weight *w);

// ---- text ----------------------------------------------------------------------------------------------------------
static inline const struct weft_node *weft_gemm_node(const struct weft_lower *l, uint32_t n) {
    return &l->graph->nodes[n];
}
void weft_gemm_label(char *label, size_t size, const struct weft_lower *l, const char *kernel,
                     const struct weft_gemm_group *p);
/// Decoding functions of a weight operand, for the name `w`.
void weft_gemm_add_decoder(struct weft_lower *l, const char *w, const struct weft_wlayout *y, const char *kb,
                           bool first, struct weft_str *out);
/// The same functions of a plain value [..., K], or of a weight without elements.
void weft_gemm_add_plain_decoder(const char *w, bool wide, struct weft_str *out);
void weft_gemm_add_empty_decoder(const char *w, struct weft_str *out);
/// fn epilogue_S(row, col, acc0, acc1, ...): stores what is live behind the group of the anchors and the epilogue's
/// nodes.
void weft_gemm_add_epilogue(struct weft_xstep *step, const struct weft_gemm_group *p, const uint32_t *anchors,
                            uint32_t n_anchors, uint32_t segment, bool with_nodes, const char *width,
                            struct weft_str *out);
#endif
