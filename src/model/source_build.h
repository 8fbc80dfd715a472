/// A source that is filled call by call: models in memory, and what readers of formats other than GGUF make of theirs.
/// What a source is given must be all there before the source is handed on; from then on it is immutable.
#ifndef WEFT_MODEL_SOURCE_BUILD_H
#define WEFT_MODEL_SOURCE_BUILD_H
#include "model/source.h"

/// An empty source, closed with weft_source_close. `path` stands in messages. Errors: NOMEM.
weft_status weft_source_create(const char *path, struct weft_source **out);

/// Adds a tensor of n_dims dims, fastest first, whose bytes in file layout must outlive the source. Data that is not
/// 8-aligned is fine: it is copied when it is asked for. Errors: INVALID (more than 4 dims), FORMAT (no
/// name or one that is there, an unknown type, rows that are no whole blocks, other bytes than the shape has), NOMEM.
weft_status weft_source_add_tensor(struct weft_source *s, const char *name, uint32_t type, const uint64_t *dims,
                                   uint32_t n_dims, const void *data, uint64_t size);

/// The number of bytes of a tensor. Errors: FORMAT, which names `name` and says what does not fit.
weft_status weft_source_tensor_size(const char *name, uint32_t type, const uint64_t *dims, uint32_t n_dims,
                                    uint64_t *size);

// Values, which are copied. Errors: INVALID (the key is empty or there), NOMEM.
weft_status weft_source_put_u32(struct weft_source *s, const char *key, uint32_t x);
weft_status weft_source_put_i64(struct weft_source *s, const char *key, int64_t x);
weft_status weft_source_put_f32(struct weft_source *s, const char *key, float x);
weft_status weft_source_put_f64(struct weft_source *s, const char *key, double x);
weft_status weft_source_put_bool(struct weft_source *s, const char *key, bool x);
weft_status weft_source_put_string(struct weft_source *s, const char *key, const char *text, size_t len);
weft_status weft_source_put_strings(struct weft_source *s, const char *key, const struct weft_source_str *x, size_t n);
weft_status weft_source_put_f32s(struct weft_source *s, const char *key, const float *x, size_t n);
weft_status weft_source_put_i32s(struct weft_source *s, const char *key, const int32_t *x, size_t n);
weft_status weft_source_put_bools(struct weft_source *s, const char *key, const bool *x, size_t n);
#endif
