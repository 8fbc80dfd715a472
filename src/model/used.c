/// Whether a model's graph computes all of its file.
#include "core/error.h"
#include "model/blocks.h"
#include "model/stretch.h"

#include <string.h>

weft_status weft_block_check_used(const struct weft_model_build *m) {
    static const char *const beside[] = {"v.", "mm.", "a.", "mtp."};
    for (size_t i = 0; i < weft_source_tensor_count(m->file); i++) {
        const char *name = weft_source_tensor_at(m->file, i)->name;
        bool skip = weft_map_get(&m->b.g->names, name, strlen(name), NULL) || weft_stretch_reads(m, name);
        for (size_t k = 0; k < sizeof beside / sizeof *beside; k++)
            skip = skip || !strncmp(name, beside[k], strlen(beside[k]));
        if (!skip)
            return weft_fail(WEFT_ERR_UNSUPPORTED,
                             "tensor %s belongs to nothing that Weft computes for this "
                             "architecture; without it the results would be another model's",
                             name);
    }
    return WEFT_OK;
}
