/// weft/tokenizer.h: what its file does not define itself (model/tokenizer/).
#include "model/tokenizer/tokenizer.h"
#include "api/impl.h"
#include "core/error.h"
#include <string.h>

void weft_tokenizer_close(weft_tokenizer **tokenizer) {
    if (!tokenizer) return;
    weft_tokenizer_destroy(*tokenizer);
    *tokenizer = NULL;
}

weft_status weft_tokenizer_to_ids(const weft_tokenizer *tokenizer, const char *text, size_t length, unsigned flags,
                                  int32_t *ids, size_t capacity, size_t *count) {
    struct weft_ids found = {0};
    if (!tokenizer || (length && !text) || (capacity && !ids) || !count)
        return weft_api_null("weft_tokenizer_to_ids", !tokenizer ? "tokenizer"
                                                      : !count   ? "count"
                                                      : ids      ? "text"
                                                                 : "text or ids");
    *count = 0;
    weft_status status = weft_api_encode(tokenizer, text ? text : "", length, flags, &found);
    if (status == WEFT_OK) *count = found.count;
    if (status == WEFT_OK && capacity && found.count > capacity)
        status = weft_fail(WEFT_ERR_LIMIT, "the text has %zu tokens and there is room for %zu", found.count, capacity);
    if (status == WEFT_OK && capacity && found.count) memcpy(ids, found.data, found.count * sizeof *ids);
    weft_ids_free(&found);
    return status;
}

weft_status weft_tokenizer_to_text(const weft_tokenizer *tokenizer, const int32_t *ids, size_t count, bool control,
                                   char *text, size_t capacity, size_t *length) {
    struct weft_str bytes = {0};
    if (!tokenizer || (count && !ids)) return weft_api_null("weft_tokenizer_to_text", tokenizer ? "ids" : "tokenizer");
    for (size_t i = 0; i < count; i++) {
        weft_status status = weft_tokenizer_decode(tokenizer, ids[i], control, &bytes);
        if (status == WEFT_OK) continue;
        weft_str_free(&bytes);
        return status;
    }
    return weft_api_text(&bytes, text, capacity, length);
}

weft_status weft_api_encode(const weft_tokenizer *tokenizer, const char *text, size_t length, unsigned flags,
                            struct weft_ids *out) {
    unsigned internal = (flags & WEFT_TOKENIZE_NO_BOS ? 0 : WEFT_ENCODE_ADD_BOS) |
                        (flags & WEFT_TOKENIZE_SPECIAL ? WEFT_ENCODE_PARSE_SPECIAL : 0);
    if (flags & ~(unsigned)(WEFT_TOKENIZE_NO_BOS | WEFT_TOKENIZE_SPECIAL))
        return weft_fail(WEFT_ERR_INVALID, "unknown bits in the tokenize flags 0x%x", flags);
    return weft_tokenizer_encode(tokenizer, text, length, internal, out);
}
