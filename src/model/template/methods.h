/// Tables of methods, each ended by a NULL name.
#ifndef WEFT_MODEL_TEMPLATE_METHODS_H
#define WEFT_MODEL_TEMPLATE_METHODS_H
#include "model/template/call.h"

extern const struct weft_jfunction weft_j_text_methods[], weft_j_list_methods[], weft_j_tuple_methods[],
    weft_j_map_methods[], weft_j_loop_methods[];

bool weft_j_all_cased(const struct weft_js *s, bool upper); ///< str.isupper, str.islower
#endif
