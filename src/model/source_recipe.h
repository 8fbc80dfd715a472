/// How the bytes of a tensor follow from what a file stores: in another order of rows or columns, joined of several
/// stored tensors, as f32, or just copied because the file has them at an odd address. For source*.c and readers of
/// formats.
#ifndef WEFT_MODEL_SOURCE_RECIPE_H
#define WEFT_MODEL_SOURCE_RECIPE_H
#include "core/arena.h"
#include "model/source.h"

#define WEFT_SOURCE_ALIGNMENT 8 ///< of data pointers

enum weft_recipe_order {
    WEFT_ORDER_SAME,
    /// Within each `size`, stored halves take turns: 0, n / 2, 1, n / 2 + 1 and so on. Files with one half of a head
    /// behind the other rotate element i with i + n / 2; behind this order i is rotated with i + 1.
    WEFT_ORDER_PAIRS,
    /// Runs of `size` that are stored group after group take turns by group: of 2 groups of 3 runs 0, 3, 1, 4, 2, 5.
    WEFT_ORDER_TURNS,
};

/// Where rows, or columns, come from. What stands before `first` stays where it is.
struct weft_recipe_move {
    enum weft_recipe_order order;
    uint64_t first, size, groups, runs; ///< runs: all of them
};

enum weft_recipe_function { WEFT_FUNCTION_NONE, WEFT_FUNCTION_PLUS_ONE, WEFT_FUNCTION_MINUS_EXP };

struct weft_recipe {
    const uint8_t **pieces; ///< stored tensors, of `piece_rows` rows each, which stand behind each other
    uint64_t piece_rows, columns;
    uint32_t type;   ///< of stored elements; the tensor's own, or F16, BF16 or F32 where that is F32
    bool transposed; ///< stored as [columns][rows]; of one piece
    struct weft_recipe_move rows, cols;
    enum weft_recipe_function function;
};

/// The recipe of a tensor that is stored as it is. Errors: NOMEM.
weft_status weft_recipe_plain(struct weft_arena *arena, const struct weft_source_tensor *t, const void *data,
                              struct weft_recipe *out);

/// Bytes offset .. offset + size - 1 of the tensor. Errors: NOMEM.
weft_status weft_recipe_read(const struct weft_recipe *r, const struct weft_source_tensor *t, uint64_t offset,
                             uint64_t size, void *to);
#endif
