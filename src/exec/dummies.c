#include "exec/dummies.h"
#include "core/error.h"

weft_status weft_dummies_make(weft_gpu *gpu, enum weft_buf_purpose purpose, const char *label, struct weft_dummies *d) {
    for (int i = 0; i < 2; i++)
        if (!d->bufs[i].id)
            WEFT_TRY(weft_buf_make(gpu, purpose, 256 * WEFT_MAX_SLOTS, WEFT_BUF_STORAGE, label, &d->bufs[i]));
    return WEFT_OK;
}

void weft_dummies_drop(weft_gpu *gpu, struct weft_dummies *d) {
    for (int i = 0; i < 2; i++)
        if (d->bufs[i].id) weft_buf_release(gpu, &d->bufs[i]);
}

struct weft_bind weft_dummies_bind(const struct weft_dummies *d, const struct weft_slot *slot, uint32_t n) {
    return (struct weft_bind){d->bufs[slot->kind == WEFT_BIND_READ ? 0 : 1], n * 256, 256};
}
