/// tokenizer.json: what such a file says, up to a zero byte, and a text behind it.
#include "fuzz.h"
#include "model/tokenizer/tokenizer.h"

static void check(const struct weft_tokenizer *t, const char *text, size_t len, unsigned flags) {
    struct weft_ids ids = {0};
    struct weft_str whole = {0}, parts = {0};
    struct weft_decoder decoder = {.tokenizer = t};
    weft_status status = weft_tokenizer_encode(t, text, len, flags, &ids);
    // Its own expressions may cost too much, and its own steps make too much of a text.
    fuzz_require(status == WEFT_OK || status == WEFT_ERR_LIMIT, "any bytes can be encoded");
    fuzz_require(status == WEFT_OK || ids.count == 0, "a failure leaves the ids as they were");
    for (size_t i = 0; i < ids.count; i++) {
        fuzz_require(ids.data[i] >= 0 && ids.data[i] < weft_tokenizer_size(t), "ids are of the vocabulary");
        fuzz_require(weft_tokenizer_decode(t, ids.data[i], false, &whole) == WEFT_OK &&
                         weft_decoder_push(&decoder, ids.data[i], &parts) == WEFT_OK,
                     "every id can be decoded");
    }
    fuzz_require(weft_decoder_flush(&decoder, &parts) == WEFT_OK, "a decoder can be emptied");
    fuzz_require(whole.len == parts.len && (!whole.len || memcmp(whole.data, parts.data, whole.len) == 0),
                 "a stream of tokens gives the text of all");
    weft_ids_free(&ids);
    weft_str_free(&whole);
    weft_str_free(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data, *end = size ? memchr(text, 0, size) : NULL;
    size_t len = end ? (size_t)(end - text) : size;
    int64_t live = weft_alloc_stats().live;
    struct weft_tokenizer *t;
    weft_status status = weft_tokenizer_create_json("input", text, len, 0, &t);
    fuzz_refused(status);
    for (unsigned flags = 0; t && flags < 4; flags += 3)
        check(t, end ? end + 1 : "ab", end ? size - len - 1 : 2, flags);
    weft_tokenizer_destroy(t);
    fuzz_require(weft_alloc_stats().live == live, "all memory is given back");
    return 0;
}
