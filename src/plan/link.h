/// Functions of WGSL with the meaning of C's, where WGSL or a driver leaves it open: NaN, infinities, signed zeros, the
/// edges of f16. src/plan/scalar/NAME.wgsl holds the function NAME and no other.
///
/// A kernel calls them by name and includes nothing: binding appends those that the finished text calls.
#ifndef WEFT_PLAN_LINK_H
#define WEFT_PLAN_LINK_H
#include "core/str.h"

/// Appends the functions that `text` calls without defining them, then those which these call. Equal texts stay equal.
/// A lack of memory shows in text->failed.
void weft_link_scalars(struct weft_str *text);
#endif
