/// Which reader a path asks for.
#include "model/gguf.h"
#include "model/hf.h"

weft_status weft_source_open(const char *path, struct weft_source **out) {
    return weft_hf_is(path) ? weft_hf_open(path, out) : weft_gguf_open(path, out);
}
