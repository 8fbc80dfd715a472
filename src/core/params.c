#include "core/params.h"
#include "core/error.h"
#include <string.h>

weft_status weft_params_take(const char *name, const void *from, size_t first, size_t size, void *to) {
    size_t has = 0;
    memset(to, 0, size);
    if (!from) return WEFT_OK;
    memcpy(&has, from, sizeof has);
    if (has == 0) has = first;
    if (has < first)
        return weft_fail(WEFT_ERR_INVALID,
                         "struct %s: struct_size is %zu, which no version has; set it to 0 or by "
                         "WEFT_SIZED(%s)",
                         name, has, name);
    for (size_t i = size; i < has; i++)
        if (((const unsigned char *)from)[i])
            return weft_fail(WEFT_ERR_INVALID,
                             "struct %s: the caller sets a field at byte %zu, which this library does "
                             "not know; it needs a newer one",
                             name, i);
    memcpy(to, from, has < size ? has : size);
    if (has > size) memcpy(to, &size, sizeof size); // a copy that is taken again must not be read beyond its end
    return WEFT_OK;
}
