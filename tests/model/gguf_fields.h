/// Finds every number in the header of a valid GGUF file, so that a test can damage them one by one: what gguf_writer.h
/// remembers as it writes, for a file that came from elsewhere. Header-only; include it after cmocka.h.
#ifndef WEFT_TESTS_GGUF_FIELDS_H
#define WEFT_TESTS_GGUF_FIELDS_H
#include "model/gguf_writer.h"

struct gguf_walk {
    const uint8_t *data;
    size_t len, at; ///< at: behind what was walked; the header's end when done
    struct gw_field fields[GW_FIELDS];
    size_t n;
};

static inline uint64_t gf_get(const uint8_t *from, unsigned width) {
    uint64_t v = 0;
    for (unsigned i = 0; i < width; i++) v |= (uint64_t)from[i] << (8 * i);
    return v;
}

static inline uint64_t gf_number(struct gguf_walk *w, const char *what, unsigned width) {
    assert_true(w->n < GW_FIELDS && w->len - w->at >= width);
    w->fields[w->n++] = (struct gw_field){w->at, width, what};
    w->at += width;
    return gf_get(w->data + w->at - width, width);
}

static inline void gf_string(struct gguf_walk *w, const char *what) {
    uint64_t n = gf_number(w, what, 8);
    assert_true(n <= w->len - w->at);
    w->at += n;
}

/// A value of a type; of an array's elements the first and the last are fields.
static inline void gf_value(struct gguf_walk *w, uint32_t type) {
    static const uint8_t width[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    assert_true(type < sizeof width);
    if (type == WEFT_SOURCE_STRING) {
        gf_string(w, "string length");
    } else if (type == WEFT_SOURCE_ARRAY) {
        uint32_t element = (uint32_t)gf_number(w, "element type", 4);
        uint64_t n = gf_number(w, "element count", 8);
        for (uint64_t i = 0; i < n; i++) {
            size_t fields = w->n;
            gf_value(w, element);
            if (i > 0 && i + 1 < n) w->n = fields;
        }
    } else {
        gf_number(w, type == WEFT_SOURCE_F32 ? "f32" : "value", width[type]);
    }
}

static inline void gf_walk(struct gguf_walk *w, const uint8_t *data, size_t len) {
    w->data = data;
    w->len = len;
    w->at = w->n = 0;
    gf_number(w, "magic", 4);
    gf_number(w, "version", 4);
    uint64_t tensors = gf_number(w, "tensor count", 8), keys = gf_number(w, "key count", 8);
    for (uint64_t i = 0; i < keys; i++) {
        gf_string(w, "key length");
        gf_value(w, (uint32_t)gf_number(w, "value type", 4));
    }
    for (uint64_t i = 0; i < tensors; i++) {
        gf_string(w, "tensor name length");
        uint64_t dims = gf_number(w, "number of dims", 4);
        for (uint64_t k = 0; k < dims; k++) gf_number(w, "dim", 8);
        gf_number(w, "tensor type", 4);
        gf_number(w, "tensor offset", 8);
    }
}
#endif
