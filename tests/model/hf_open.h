/// Opens safetensors files of a few tensors with a config.json, for tests of hf*.c. Header-only; include it after
/// cmocka.h.
#ifndef WEFT_TESTS_HF_OPEN_H
#define WEFT_TESTS_HF_OPEN_H
#include "core/error.h"
#include "model/hf.h"
#include "support/st_writer.h"

static inline void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

#define LLAMA                                                                                                          \
    "\"hidden_size\":2,\"num_hidden_layers\":1,\"intermediate_size\":4,\"num_attention_heads\":2,"                     \
    "\"num_key_value_heads\":1,\"max_position_embeddings\":8,\"rms_norm_eps\":1e-5,\"vocab_size\":3"

/// What is open, and the memory that it stands on.
struct opened {
    struct weft_source *s;
    uint8_t *data;
};

static inline weft_status open_with(const char *config, struct st_writer *w, struct opened *out) {
    size_t size;
    weft_error_clear();
    out->data = st_finish(w, &size);
    assert_non_null(out->data);
    weft_status status = weft_hf_open_memory(config, strlen(config), out->data, size, "t", &out->s);
    if (status != WEFT_OK) weft_free(out->data);
    return status;
}

static inline void close_opened(struct opened *o) {
    weft_source_close(o->s);
    weft_free(o->data);
}

/// n f32 numbers 0, 1, 2 and so on.
static inline void put_counted(struct st_writer *w, const char *name, const char *shape, size_t n) {
    float x[256];
    assert_true(n <= 256);
    for (size_t i = 0; i < n; i++) x[i] = (float)i;
    st_tensor(w, name, "F32", shape, x, n * 4);
}
#endif
