/// The character mapping of SentencePiece models (precompiled_charsmap): a double array, in which the bytes of a text
/// lead from unit to unit, and the texts that take the place of what was found.
///
/// A unit is 32 bits: bits 0 to 7 are the byte that leads to it (and bit 31 is 0), bit 8 says that the text so far is
/// one that is replaced, and bits 10 to 30, shifted by 8 more if bit 9 is set, lead to the next. The unit in which a
/// replaced text ends has bit 31 set, and the other bits say where the replacement begins.
#include "model/tokenizer/impl.h"

#include "core/alloc.h"
#include "core/error.h"

#include <string.h>

enum { LONGEST = 256 }; // bytes of a replacement; those of real mappings have a few

static uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }

static uint32_t number(const uint8_t *data) {
    return data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

static weft_status check_texts(const struct weft_charsmap *map, const char *where) {
    size_t len = 0;
    for (size_t i = 0; i < map->n_texts; i++) {
        len = map->texts[i] ? len + 1 : 0;
        if (len > LONGEST)
            return weft_fail(WEFT_ERR_LIMIT, "%s: a text is replaced by more than %d bytes", where, LONGEST);
    }
    return len ? weft_fail(WEFT_ERR_FORMAT, "%s: the last text has no end", where) : WEFT_OK;
}

weft_status weft_charsmap_load(struct weft_charsmap *map, const char *where, const uint8_t *data, size_t size) {
    size_t units = size >= 4 ? number(data) : 0;
    if (size < 8 || units > size - 4 || units % 4 || units == 0)
        return weft_fail(WEFT_ERR_FORMAT, "%s: %zu bytes cannot hold a mapping of %zu", where, size, units);
    map->n_units = units / 4;
    map->n_texts = size - 4 - units;
    map->units = weft_alloc(units);
    map->texts = weft_alloc(map->n_texts);
    if (!map->units || !map->texts) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a mapping of %zu bytes", size);
    for (size_t i = 0; i < map->n_units; i++) map->units[i] = number(data + 4 + 4 * i);
    if (map->n_texts) memcpy(map->texts, data + 4 + units, map->n_texts);
    return check_texts(map, where);
}

void weft_charsmap_free(struct weft_charsmap *map) {
    weft_free(map->units);
    weft_free(map->texts);
    *map = (struct weft_charsmap){0};
}

/// A unit that leads out of the array ends the search: what was found before it stands.
size_t weft_charsmap_find(const struct weft_charsmap *map, const char *text, size_t len, const char **with) {
    if (map->n_units == 0) return 0;
    size_t found = 0;
    uint32_t at = offset_of(map->units[0]);
    for (size_t i = 0; i < len && text[i]; i++) {
        unsigned char byte = (unsigned char)text[i];
        at ^= byte;
        if (at >= map->n_units || (map->units[at] & (1u << 31 | 255)) != byte) break;
        uint32_t unit = map->units[at];
        at ^= offset_of(unit);
        if (!(unit >> 8 & 1)) continue;
        uint32_t place = at < map->n_units ? map->units[at] & 0x7FFFFFFF : UINT32_MAX;
        if (place >= map->n_texts) break;
        *with = map->texts + place;
        found = i + 1;
    }
    return found;
}
