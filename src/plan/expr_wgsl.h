/// A scalar program as WGSL. Instructions become `let`s in the scope where they are first wanted: once a row, or once a
/// column. A schedule holds one or several columns at a time (variants); text names values by their place in the
/// program, so that equal programs have equal text.
#ifndef WEFT_PLAN_EXPR_WGSL_H
#define WEFT_PLAN_EXPR_WGSL_H
#include "plan/expr.h"

#define WEFT_X_HELD 16 ///< columns that a thread may hold

/// Who computes a row.
enum weft_xshare {
    WEFT_X_GROUP, ///< all threads of the workgroup
    WEFT_X_LANES, ///< the threads whose number leaves the same rest divided by `stride`
    WEFT_X_ALONE, ///< one thread
};

struct weft_xtext {
    const struct weft_expr *e;
    const char *row;              ///< name of the row at hand
    const char *col[WEFT_X_HELD]; ///< names of the columns at hand
    const char *ok[WEFT_X_HELD];  ///< condition under which a column exists; NULL: always
    enum weft_xshare share;
    uint32_t stride;
    uint32_t n_held; ///< columns; 0: one at a time, in a loop over `col[0]`
    /// The columns held are four neighbours, the first a multiple of 4, and there are all or none of them: what lies
    /// side by side is loaded and stored as a vector.
    bool quads;
    /// Columns that one turn of the loops of reductions takes, `col[u]` where `ok[u]`, so that loads of several are
    /// under way; `turn` defines their names. 0: one, `col[0]`, which the loop's head defines.
    uint32_t n_turn;
    const char *turn;
    enum weft_xstores { WEFT_XSTORES_ALL, WEFT_XSTORES_PACKED, WEFT_XSTORES_OTHERS } stores; ///< that are written
    const char *quad;                   ///< of stores to packed elements: number of the four columns held
    const char **text;                  ///< by instruction and column, NULL: not written yet
    struct weft_str *row_out, *col_out; ///< where lets go
};

/// False without memory (the lowering has failed). row and col[0] are "row" and "col" at first.
bool weft_xtext_begin(struct weft_xtext *t, const struct weft_expr *e);
/// Forgets what was written in the column scope (before a new loop), or in both scopes.
void weft_xtext_forget(struct weft_xtext *t, bool rows_too);
/// Name or literal of instruction x at a column; lets that are missing are appended to row_out and col_out.
const char *weft_xtext_at(struct weft_xtext *t, uint32_t x, uint32_t column);
/// "f32", "i32" or "u32".
const char *weft_xtype_name(enum weft_xtype type);
/// Text of a live size that the step knows: a literal, or a parameter word.
const char *weft_xtext_dim(struct weft_xstep *step, weft_dim d);
/// Marks operands that these programs reach by vectors at multiples of 4 elements only (WEFT_OPERAND_WIDE), unless an
/// operand that is not marked lies in the same tensor. What others read of such an operand still works.
void weft_xtext_widen(const struct weft_xtext *const *texts, uint32_t n);
/// The statement of a store at a column.
void weft_xtext_store(struct weft_xtext *t, const struct weft_xstore *s, uint32_t column, struct weft_str *out);

/// Reductions of a program, a level at a time, each given to `t` when it is done. `loop` is the head of a loop over the
/// columns, where none are held.
void weft_xtext_reductions(struct weft_xtext *t, const char *loop, struct weft_str *out);
/// All stores: those of the columns in a loop, those of the row where `first` holds, those that are last behind them.
/// `barrier`: the threads of a workgroup share the row.
void weft_xtext_stores(struct weft_xtext *t, const char *loop, const char *first, bool barrier, struct weft_str *out);
/// Most reductions on a path of the program.
uint32_t weft_x_levels(const struct weft_expr *e);
#endif
