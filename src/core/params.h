/// Params structs of callers who may have been compiled with other headers (weft/version.h).
#ifndef WEFT_CORE_PARAMS_H
#define WEFT_CORE_PARAMS_H
#include "weft/status.h"
#include <stddef.h>

/// Copies a caller's struct into one of `size` bytes. Both begin with a size_t, the caller's struct_size: 0 stands for
/// `first` bytes. What the caller's struct lacks becomes zero; `from` NULL is a struct of zeros. The copy says what it
/// has, so that it may be taken again. Errors: INVALID, if struct_size is below `first`, or bytes beyond `size` are not
/// zero.
weft_status weft_params_take(const char *name, const void *from, size_t first, size_t size, void *to);

/// Takes `from`, a pointer to a struct of the type of *to, in which `last` is the last field of the first release.
#define WEFT_PARAMS_TAKE(type, last, from, to)                                                                         \
    weft_params_take(#type, (from), offsetof(struct type, last) + sizeof((to)->last), sizeof(struct type), (to))
#endif
