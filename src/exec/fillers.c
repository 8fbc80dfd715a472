#include "exec/fillers.h"
#include "core/error.h"

weft_status weft_fillers_make(weft_gpu *gpu, enum weft_buf_purpose purpose, const char *label, struct weft_fillers *f) {
    for (int i = 0; i < 2; i++)
        if (!f->bufs[i].id)
            WEFT_TRY(weft_buf_make(gpu, purpose, 256 * WEFT_MAX_SLOTS, WEFT_BUF_STORAGE, label, &f->bufs[i]));
    return WEFT_OK;
}

void weft_fillers_drop(weft_gpu *gpu, struct weft_fillers *f) {
    for (int i = 0; i < 2; i++)
        if (f->bufs[i].id) weft_buf_release(gpu, &f->bufs[i]);
}

struct weft_bind weft_fillers_bind(const struct weft_fillers *f, const struct weft_slot *slot, uint32_t n) {
    return (struct weft_bind){f->bufs[slot->kind == WEFT_BIND_READ ? 0 : 1], n * 256, 256};
}
