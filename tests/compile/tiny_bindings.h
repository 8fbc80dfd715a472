/// Compilation with bindings so small that most operands have segments or are cut. Included behind cmocka and the case
/// tables of tests/ops.
#ifndef WEFT_TEST_TINY_BINDINGS_H
#define WEFT_TEST_TINY_BINDINGS_H
#include "../ops/cases_run.h"
#include "compile/compile.h"

#define TINY_BINDING 8192 ///< bytes of a storage binding at most

/// Whether the case compiles for these limits at all its levels of fusion; a refusal must name a limit.
static bool compiles(const struct weft_gpu_caps *caps, const struct op_case *c) {
    bool all = true;
    for (int level = 0; level < (c->levels ? 3 : 1); level++) {
        struct weft_graph *g = NULL;
        struct weft_plan *p = NULL;
        struct weft_compile_params params = {
            .no_fuse = level, .split_symbol = c->split, .split_at = {1, 8}, .n_splits = 2};
        assert_int_equal(weft_graph_parse(weft_ops(), c->graph, strlen(c->graph), &g), WEFT_OK);
        weft_status status = weft_compile(g, caps, &params, &p);
        if (status != WEFT_OK) {
            all = false;
            assert_int_equal(status, WEFT_ERR_LIMIT);
            if (!strstr(weft_error_message(), "storage bindings of this device") &&
                !strstr(weft_error_message(), "more than the device binds"))
                fail_msg("'%s': %s", c->name, weft_error_message());
        }
        weft_plan_destroy(p);
    }
    return all;
}
#endif
