/// The container of safetensors: a length, a JSON header that gives each tensor its dtype, shape and place, and the
/// tensors' bytes. Several files (shards) make one list.
///
/// Parsing believes nothing: the header's length, names that stand twice, dtypes, shapes whose product overflows, and
/// places that lie outside the file, overlap, or have other sizes than the shapes are errors that name the tensor.
/// Memory and time stay proportional to the header's bytes.
#ifndef WEFT_MODEL_SAFETENSORS_H
#define WEFT_MODEL_SAFETENSORS_H
#include "core/arena.h"
#include "core/map.h"
#include "model/source.h"

struct weft_safetensors {
    struct weft_source_tensor *tensors; ///< dims fastest first, the slowest of more than 4 joined; all have data
    size_t n, cap;
    struct weft_map names;
    struct weft_arena arena; ///< names
};

/// Adds the tensors of one file to the list. `data` must outlive it and be 8-aligned; the tensors' need not be, so that
/// `data` of a tensor may have any address. Errors: FORMAT, UNSUPPORTED (an unknown dtype), NOMEM.
weft_status weft_safetensors_parse(struct weft_safetensors *list, uint32_t part, const uint8_t *data, uint64_t size);
void weft_safetensors_free(struct weft_safetensors *list);
#endif
