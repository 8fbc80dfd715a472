#include "plan/storage.h"

static const struct weft_storage word = {4, 1, true, false, WEFT_F32};
static const struct weft_storage table[WEFT_BOOL + 1] = {
    [WEFT_F32] = {4, 1, true, false, WEFT_F32},  [WEFT_F16] = {2, 2, true, false, WEFT_F32},
    [WEFT_BF16] = {2, 2, true, false, WEFT_F32}, [WEFT_I32] = {4, 1, false, true, WEFT_I32},
    [WEFT_U32] = {4, 1, false, false, WEFT_U32}, [WEFT_I8] = {1, 4, false, true, WEFT_I32},
    [WEFT_U8] = {1, 4, false, false, WEFT_U32},  [WEFT_BOOL] = {1, 4, false, false, WEFT_U32},
};

const struct weft_storage *weft_storage_of(weft_dtype dtype) { return dtype <= WEFT_BOOL ? &table[dtype] : &word; }
