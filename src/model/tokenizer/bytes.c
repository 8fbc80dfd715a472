/// The alphabet of byte-level vocabularies: a byte that can be seen in Latin-1 is itself, the other 68 are U+0100 and
/// up, in their order.
#include "core/utf8.h"
#include "model/tokenizer/impl.h"

static bool is_seen(uint32_t byte) {
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
}

/// How many bytes below this one can't be seen.
static uint32_t unseen_below(uint32_t byte) {
    if (byte <= 0x20) return byte;
    if (byte <= 0xA0) return 0x21 + (byte > 0x7F ? byte - 0x7F : 0);
    return 0x21 + 0x22 + (byte > 0xAD);
}

uint32_t weft_byte_char(unsigned char byte) { return is_seen(byte) ? byte : 0x100 + unseen_below(byte); }

int weft_char_byte(uint32_t code) {
    if (code < 0x100) return is_seen(code) ? (int)code : -1;
    uint32_t index = code - 0x100;
    if (index <= 0x20) return (int)index;
    if (index <= 0x42) return (int)(0x7F + index - 0x21);
    return index == 0x43 ? 0xAD : -1;
}

size_t weft_bytes_spell(const char *bytes, size_t len, char *out) {
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char text[4];
        size_t size = weft_utf8_put(weft_byte_char((unsigned char)bytes[i]), text);
        for (size_t k = 0; k < size; k++) out[n++] = text[k];
    }
    return n;
}
