/// Writes small GGUF files into memory, for tests, and remembers where each number of the header stands, so that
/// a test can damage them one by one. Header-only; include it after cmocka.h.
#ifndef WEFT_TESTS_GGUF_WRITER_H
#define WEFT_TESTS_GGUF_WRITER_H
#include "model/gguf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define GW_CAPACITY 65536
#define GW_FIELDS 4096

struct gw_field {
    size_t at;
    unsigned width; // bytes
    const char *what;
};

struct gguf_writer {
    _Alignas(64) uint8_t data[GW_CAPACITY];
    size_t len;
    struct gw_field fields[GW_FIELDS];
    size_t n_fields;
    uint64_t n_keys, n_tensors;
    size_t header; // bytes before the padding
};

static inline void gw_bytes(struct gguf_writer *w, const void *data, size_t n) {
    assert_true(n <= GW_CAPACITY - w->len);
    if (n) memcpy(w->data + w->len, data, n);
    w->len += n;
}

static inline void gw_put(uint8_t *to, uint64_t v, unsigned width) {
    for (unsigned i = 0; i < width; i++) to[i] = (uint8_t)(v >> (8 * i));
}

static inline void gw_number(struct gguf_writer *w, uint64_t v, unsigned width) {
    uint8_t bytes[8];
    gw_put(bytes, v, width);
    gw_bytes(w, bytes, width);
}

/// A number that the damage tests change.
static inline void gw_field(struct gguf_writer *w, const char *what, uint64_t v, unsigned width) {
    assert_true(w->n_fields < GW_FIELDS);
    w->fields[w->n_fields++] = (struct gw_field){w->len, width, what};
    gw_number(w, v, width);
}

static inline void gw_begin(struct gguf_writer *w, uint32_t version) {
    w->len = w->n_fields = 0;
    w->n_keys = w->n_tensors = 0;
    gw_field(w, "magic", 0x46554747, 4);
    gw_field(w, "version", version, 4);
    gw_field(w, "tensor count", 0, 8);
    gw_field(w, "key count", 0, 8);
}

static inline void gw_string(struct gguf_writer *w, const char *what, const char *text, size_t len) {
    gw_field(w, what, len, 8);
    gw_bytes(w, text, len);
}

static inline void gw_key(struct gguf_writer *w, const char *key, enum weft_source_type type) {
    gw_string(w, "key length", key, strlen(key));
    gw_field(w, "value type", type, 4);
    w->n_keys++;
}

/// Any integer or bool.
static inline void gw_integer(struct gguf_writer *w, const char *key, enum weft_source_type type, uint64_t v) {
    static const uint8_t width[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    gw_key(w, key, type);
    gw_field(w, key, v, width[type]);
}

static inline void gw_f32(struct gguf_writer *w, const char *key, float v) {
    uint32_t bits;
    memcpy(&bits, &v, 4);
    gw_integer(w, key, WEFT_SOURCE_F32, bits);
}

static inline void gw_f64(struct gguf_writer *w, const char *key, double v) {
    uint64_t bits;
    memcpy(&bits, &v, 8);
    gw_integer(w, key, WEFT_SOURCE_F64, bits);
}

static inline void gw_text(struct gguf_writer *w, const char *key, const char *text) {
    gw_key(w, key, WEFT_SOURCE_STRING);
    gw_string(w, "string length", text, strlen(text));
}

/// The elements follow through gw_number, gw_bytes or gw_string.
static inline void gw_array(struct gguf_writer *w, const char *key, enum weft_source_type element, uint64_t count) {
    gw_key(w, key, WEFT_SOURCE_ARRAY);
    gw_field(w, "element type", element, 4);
    gw_field(w, "element count", count, 8);
}

static inline void gw_tensor(struct gguf_writer *w, const char *name, uint32_t type, uint32_t n_dims,
                             const uint64_t *dims, uint64_t offset) {
    gw_string(w, "tensor name length", name, strlen(name));
    gw_field(w, "number of dims", n_dims, 4);
    for (uint32_t i = 0; i < n_dims; i++) gw_field(w, "dim", dims[i], 8);
    gw_field(w, "tensor type", type, 4);
    gw_field(w, "tensor offset", offset, 8);
    w->n_tensors++;
}

/// Fills the counts in, pads, and adds `data_bytes` of tensor data.
static inline void gw_end(struct gguf_writer *w, size_t alignment, size_t data_bytes) {
    gw_put(w->data + 8, w->n_tensors, 8);
    gw_put(w->data + 16, w->n_keys, 8);
    w->header = w->len;
    if (!w->n_tensors) return;
    while (w->len % alignment) gw_number(w, 0, 1);
    for (size_t i = 0; i < data_bytes; i++) gw_number(w, i * 7 + 1, 1);
}
#endif
