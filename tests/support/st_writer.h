/// Writes small safetensors files into memory, for tests. Header-only.
#ifndef WEFT_TEST_ST_WRITER_H
#define WEFT_TEST_ST_WRITER_H
#include "core/alloc.h"
#include "core/str.h"
#include <stdint.h>
#include <string.h>

struct st_writer {
    struct weft_str head, data;
    uint32_t n;
};

/// `shape` as the format has it, "4,3" for 4 rows of 3.
static inline void st_tensor(struct st_writer *w, const char *name, const char *dtype, const char *shape,
                             const void *bytes, size_t n) {
    weft_str_addf(&w->head, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}", w->n++ ? "," : "",
                  name, dtype, shape, w->data.len, w->data.len + n);
    weft_str_addn(&w->data, bytes, n);
}

/// A file of this header and data; weft_free.
static inline uint8_t *st_file(const char *header, size_t len, const void *data, size_t n, size_t *size) {
    uint8_t *file = weft_alloc(8 + len + n + 1);
    *size = 8 + len + n;
    if (!file) return NULL;
    for (int i = 0; i < 8; i++) file[i] = (uint8_t)((uint64_t)len >> (8 * i));
    memcpy(file + 8, header, len);
    if (n) memcpy(file + 8 + len, data, n);
    return file;
}

/// The whole file, its header padded with blanks to 8 bytes as writers do; the writer is empty again.
static inline uint8_t *st_finish(struct st_writer *w, size_t *size) {
    struct weft_str header = {0};
    weft_str_addf(&header, "{\"__metadata__\":{\"format\":\"pt\"}%s%s}", w->n ? "," : "", weft_str_get(&w->head));
    while (header.len % 8) weft_str_add(&header, " ");
    uint8_t *file = st_file(weft_str_get(&header), header.len, weft_str_get(&w->data), w->data.len, size);
    weft_str_free(&header);
    weft_str_free(&w->head);
    weft_str_free(&w->data);
    *w = (struct st_writer){0};
    return file;
}
#endif
