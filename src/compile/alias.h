/// Which elements of which memory values show, and what follows for a step that writes a range others read.
///
/// Ranges are symbolic: two of them are disjoint, or the same, only if that holds for all sizes of the schedule. The
/// rules (docs/aliasing.md states them for users):
/// - reads that are disjoint from what a step writes share the binding of the tensor with it;
/// - a step may read the very range that it writes if each element is read, by the invocation that writes it, before it
///   writes: an elementwise or row program without row maps, whose operand has the shape of what is written;
/// - all else is made right by a copy: the write stands alone behind (fuse.c), or what is read is copied before.
#ifndef WEFT_COMPILE_ALIAS_H
#define WEFT_COMPILE_ALIAS_H
#include "plan/lower.h"

/// A write (node `writer`, see weft_op_sink) and a read of its state that one dispatch must not hold both.
struct weft_clash {
    uint32_t writer, reader;
    weft_value read;
};
/// True if the two nodes clash within one dispatch. `strict`: they do not run in the same invocations, element by
/// element, so that reading the very range that is written is not in place.
bool weft_alias_clash(struct weft_lower *l, uint32_t writer, uint32_t reader, bool strict, struct weft_clash *why);
/// "elements 3 .. 67 of state 'm' are written, 'norm' reads 0 .. 64" (arena; NULL: no memory).
const char *weft_alias_reason(struct weft_lower *l, const struct weft_clash *c);

/// Emits the copy of an output that is another view; its place is set.
weft_status weft_alias_copy_output(struct weft_lower *l, weft_value v, struct weft_place from);
#endif
