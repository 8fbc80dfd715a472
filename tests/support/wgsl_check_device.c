/// WGSL texts through an open device. A file of its own, so that a test which only uses Tint links without src/gpu.
#include "support/wgsl_check.h"
#include "weft/status.h"

enum weft_wgsl_verdict weft_wgsl_check_device(const struct weft_wgsl_texts *t, weft_gpu *gpu,
                                              const struct weft_pipeline_desc *desc, struct weft_str *errors) {
    size_t before = errors->len;
    for (size_t i = 0; i < t->n; i++) {
        struct weft_pipeline_desc one = *desc;
        weft_pipeline pipeline;
        one.label = t->items[i].name;
        one.wgsl = t->items[i].wgsl;
        if (weft_pipeline_get(gpu, &one, &pipeline) != WEFT_OK)
            weft_str_addf(errors, "%s: %s\n", t->items[i].name, weft_error_message());
    }
    return errors->len == before ? WEFT_WGSL_ACCEPTED : WEFT_WGSL_REFUSED;
}
