/// Refusals of graphs in text, for tests of operators.
#ifndef WEFT_TEST_REFUSED_H
#define WEFT_TEST_REFUSED_H
#include "core/error.h"
#include "ops/ops.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/// The graph is refused, with `part` in the sentence, and nothing is left behind.
static inline void refused(const char *text, const char *part) {
    struct weft_graph *g = NULL;
    if (weft_graph_parse(weft_ops(), text, strlen(text), &g) == WEFT_OK) fail_msg("not refused: %s", text);
    assert_null(g);
    if (!strstr(weft_error_message(), part)) fail_msg("'%s' does not say '%s'", weft_error_message(), part);
}
#endif
