/// Lines of stdin, in a way that no signal gets lost between looking for one and waiting for input.
#ifndef WEFT_APP_INPUT_H
#define WEFT_APP_INPUT_H
#include "core/str.h"

/// Zero is the start; stdin is read by nothing else.
struct weft_input {
    struct weft_str held; ///< read, but of later lines
    bool ended;
};

enum weft_input_result {
    WEFT_INPUT_LINE,
    WEFT_INPUT_END,         ///< nothing is left
    WEFT_INPUT_INTERRUPTED, ///< weft_interrupted was set; what there was of a line stays
};

/// Appends a line without its end ("\n" or "\r\n"); the last one may have none.
enum weft_input_result weft_input_line(struct weft_input *in, struct weft_str *out);
void weft_input_free(struct weft_input *in);
#endif
