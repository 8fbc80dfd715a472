/// A header-rich GGUF file for the tests of the reader: every value type, arrays, a vocabulary, tensors of several
/// types; and a function that reads all that an open file offers. Header-only; include it after cmocka.h.
#ifndef WEFT_TESTS_GGUF_RICH_H
#define WEFT_TESTS_GGUF_RICH_H
#include "core/alloc.h"
#include "core/error.h"
#include "gguf_writer.h"
#include "model/gguf.h"
#include "model/tokenizer/tokenizer.h"
#include <stdio.h>

/// A vocabulary that the tokenizer accepts: the byte tokens and a few more.
static inline void write_vocabulary(struct gguf_writer *w) {
    static const char *const words[] = {"<unk>", "<s>",          "</s>",         "a", "b", "ab",
                                        "abab",  "\xE2\x96\x81", "<end_of_turn>"};
    static const uint8_t types[] = {2, 3, 3, 1, 1, 1, 1, 1, 3};
    enum { WORDS = sizeof types };
    gw_text(w, "tokenizer.ggml.model", "llama");
    gw_array(w, "tokenizer.ggml.tokens", WEFT_SOURCE_STRING, WORDS + 256);
    for (int i = 0; i < WORDS; i++) gw_string(w, "token length", words[i], strlen(words[i]));
    for (int b = 0; b < 256; b++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)b);
        gw_string(w, "token length", text, 6);
    }
    gw_array(w, "tokenizer.ggml.scores", WEFT_SOURCE_F32, WORDS + 256);
    for (int i = 0; i < WORDS + 256; i++) {
        float score = -(float)i;
        uint32_t bits;
        memcpy(&bits, &score, 4);
        gw_number(w, bits, 4);
    }
    gw_array(w, "tokenizer.ggml.token_type", WEFT_SOURCE_I32, WORDS + 256);
    for (int i = 0; i < WORDS + 256; i++) gw_number(w, i < WORDS ? types[i] : 6, 4);
    gw_integer(w, "tokenizer.ggml.bos_token_id", WEFT_SOURCE_U32, 1);
    gw_integer(w, "tokenizer.ggml.eos_token_id", WEFT_SOURCE_U32, 2);
    gw_integer(w, "tokenizer.ggml.unknown_token_id", WEFT_SOURCE_U32, 0);
    gw_integer(w, "tokenizer.ggml.add_bos_token", WEFT_SOURCE_BOOL, 1);
}

/// A header with every value type, arrays, a vocabulary, and tensors of several types; the last ends with the file.
static inline void write_rich(struct gguf_writer *w, uint32_t version) {
    gw_begin(w, version);
    gw_text(w, "general.architecture", "gemma3");
    gw_integer(w, "general.alignment", WEFT_SOURCE_U32, 64);
    gw_integer(w, "v.u8", WEFT_SOURCE_U8, 200);
    gw_integer(w, "v.i8", WEFT_SOURCE_I8, (uint64_t)-5);
    gw_integer(w, "v.u16", WEFT_SOURCE_U16, 60000);
    gw_integer(w, "v.i16", WEFT_SOURCE_I16, (uint64_t)-300);
    gw_integer(w, "v.u32", WEFT_SOURCE_U32, 4000000000u);
    gw_integer(w, "v.i32", WEFT_SOURCE_I32, (uint64_t)-70000);
    gw_f32(w, "v.f32", 1e-6f);
    gw_integer(w, "v.bool", WEFT_SOURCE_BOOL, 1);
    gw_text(w, "v.string", "warp \"and\"\nweft");
    gw_integer(w, "v.u64", WEFT_SOURCE_U64, UINT64_C(1) << 63);
    gw_integer(w, "v.i64", WEFT_SOURCE_I64, (uint64_t)INT64_MIN);
    gw_f64(w, "v.f64", 0.1);
    gw_array(w, "a.strings", WEFT_SOURCE_STRING, 3);
    gw_string(w, "string length", "one", 3);
    gw_string(w, "string length", "", 0);
    gw_string(w, "string length", "th\0ee", 5);
    gw_array(w, "a.i16", WEFT_SOURCE_I16, 3);
    for (int i = -1; i < 2; i++) gw_number(w, (uint64_t)i, 2);
    gw_array(w, "a.bool", WEFT_SOURCE_BOOL, 2);
    gw_number(w, 1, 1);
    gw_number(w, 0, 1);
    gw_array(w, "a.f32", WEFT_SOURCE_F32, 0);
    gw_array(w, "a.u64", WEFT_SOURCE_U64, 1);
    gw_number(w, UINT64_C(1) << 40, 8);
    write_vocabulary(w);
    gw_tensor(w, "token_embd.weight", WEFT_GGML_F32, 2, (uint64_t[]){4, 5}, 0); // 80 bytes
    gw_tensor(w, "blk.0.norm", WEFT_GGML_F16, 1, (uint64_t[]){7}, 128);         // 14
    gw_tensor(w, "blk.0.q", WEFT_GGML_Q4_K, 3, (uint64_t[]){256, 2, 2}, 192);   // 576
    gw_tensor(w, "blk.0.k", WEFT_GGML_Q8_0, 4, (uint64_t[]){32, 1, 1, 3}, 768); // 102
    gw_tensor(w, "scalar", WEFT_GGML_I64, 0, NULL, 896);                        // 8
    gw_tensor(w, "empty", WEFT_GGML_F32, 2, (uint64_t[]){0, 9}, 960);           // 0
    gw_tensor(w, "output.weight", WEFT_GGML_Q5_0, 2, (uint64_t[]){64, 2}, 960); // 88
    gw_end(w, 64, 960 + 88);
}

static inline void check_message(const char *part) {
    if (!strstr(weft_error_message(), part)) fail_msg("'%s' is not in: %s", part, weft_error_message());
}

/// Reads all that an open file offers: every byte of every tensor, every value, and the tokenizer.
static inline uint64_t use_all(const struct weft_source *g) {
    uint64_t sum = 0;
    for (size_t i = 0; i < weft_source_tensor_count(g); i++) {
        const struct weft_source_tensor *t = weft_source_tensor_at(g, i);
        for (uint64_t k = 0; k < t->size; k++) sum += t->data[k];
    }
    for (size_t i = 0; i < weft_source_key_count(g); i++) {
        const char *key = weft_source_key_at(g, i);
        struct weft_str text = {0};
        struct weft_source_str *strings = NULL;
        float *floats = NULL;
        int32_t *numbers = NULL;
        size_t n = 0;
        weft_source_print_value(g, i, 100, &text);
        if (weft_source_get_strings(g, key, &strings, &n) == WEFT_OK) {
            for (size_t k = 0; k < n; k++) sum += strings[k].len ? (uint8_t)strings[k].data[strings[k].len - 1] : 0;
        }
        weft_source_get_f32s(g, key, &floats, &n);
        weft_source_get_i32s(g, key, &numbers, &n);
        weft_free(strings);
        weft_free(floats);
        weft_free(numbers);
        weft_str_free(&text);
    }
    struct weft_tokenizer *t;
    if (weft_tokenizer_create(g, &t) == WEFT_OK) {
        struct weft_ids ids = {0};
        struct weft_str text = {0};
        assert_int_equal(weft_tokenizer_encode(t, "abab <s>\xFF", 9, 3, &ids), WEFT_OK);
        for (size_t i = 0; i < ids.count; i++)
            assert_int_equal(weft_tokenizer_decode(t, ids.data[i], true, &text), WEFT_OK);
        weft_ids_free(&ids);
        weft_str_free(&text);
        weft_tokenizer_destroy(t);
    }
    return sum;
}
#endif
