/// Checks WGSL texts with the two compilers that Weft runs on: Tint (scripts/check_wgsl.mjs, Dawn's null backend under
/// node) and naga (through an open device of wgpu-native). Tests collect texts and check them at once.
#ifndef WEFT_TESTS_SUPPORT_WGSL_CHECK_H
#define WEFT_TESTS_SUPPORT_WGSL_CHECK_H
#include "core/str.h"
#include "gpu/gpu.h"
#include "plan/template.h"
#include <stddef.h>

/// One text. Copies are made of `name` and `wgsl`; `map` is moved in.
struct weft_wgsl_text {
    char *name, *wgsl;
    struct weft_line_map map;
};
struct weft_wgsl_texts {
    struct weft_wgsl_text *items;
    size_t n, cap;
}; ///< zero is empty

/// Adds a text; `map` may be NULL, else it is taken over and left empty, and errors are told as file:line of its
/// sources. Ends the test where memory runs out.
void weft_wgsl_texts_add(struct weft_wgsl_texts *t, const char *name, const char *wgsl, struct weft_line_map *map);
/// Expands an embedded template behind `prelude` (may be NULL) and adds it. Fails the test if the expansion fails.
void weft_wgsl_texts_expand(struct weft_wgsl_texts *t, const char *name, const char *prelude, const char *file,
                            const struct weft_tval *values, size_t n_values);
void weft_wgsl_texts_free(struct weft_wgsl_texts *t);

enum weft_wgsl_verdict {
    WEFT_WGSL_ACCEPTED,
    WEFT_WGSL_REFUSED, ///< `errors` has a line for each: "name: file:line: message", lines without a map as "wgsl:line"
    WEFT_WGSL_MISSING, ///< nothing was checked; `errors` says what is not installed
};

/// Module and pipelines of every text through Tint. Needs node and the npm package; the folder of the latter comes from
/// WEFT_NPM_DIR, else build/npm of the source tree (environment WEFT_TEST_SOURCE, else the current folder).
/// Pipelines refused for their size alone (the null backend offers the guaranteed limits) count as accepted.
enum weft_wgsl_verdict weft_wgsl_check_tint(const struct weft_wgsl_texts *t, struct weft_str *errors);

/// The same as a cmocka step, and frees the texts: fails the test with the errors, or skips it and says loudly why.
/// Builds with sanitizers write the same texts as others, so they do not ask (weft_test_sanitized).
void weft_wgsl_assert_tint(struct weft_wgsl_texts *t);

/// Every text through weft_pipeline_get of an open device; with wgpu-native that is naga. `desc` has bindings and sizes
/// for all of them, its label and wgsl are replaced.
enum weft_wgsl_verdict weft_wgsl_check_device(const struct weft_wgsl_texts *t, weft_gpu *gpu,
                                              const struct weft_pipeline_desc *desc, struct weft_str *errors);
#endif
