/// The WGSL templates of Weft, embedded at build time exactly as they stand in the tree, so that a line number in an
/// error is a line of the file.
#ifndef WEFT_PLAN_WGSL_H
#define WEFT_PLAN_WGSL_H
#include <stddef.h>

struct weft_wgsl_file {
    const char *name; ///< path relative to src/, such as "ops/softmax.wgsl"
    const char *text; ///< the file's bytes with a NUL behind them
    size_t len;       ///< bytes without the NUL
};

/// Every *.wgsl below src/, sorted by name; one row of NULLs stands behind the last. Immutable, static storage.
extern const struct weft_wgsl_file weft_wgsl_files[];

/// Number of files, the closing row not counted.
extern const size_t weft_wgsl_file_count;
#endif
