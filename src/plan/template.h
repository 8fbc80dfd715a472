/// The template language of WGSL kernels: values, if, include and constant for. Files stay readable as WGSL.
///
///   //% include "plan/reduce.wgsl"     the file's text, expanded with the same values (each file at most once a kernel
///                                      unless `include again`)
///   //% if SUBGROUPS && R > 1          integer expressions; also == != < <= > >= ! && || + - * / % ( ) and
///   //% elif FORMAT == Q8_0            names of values; `defined(NAME)`; a string compares with == "text"
///   //% else
///   //% end
///   //% for r in 0..R                  constant loop, r = 0 .. R-1; `r` may be used in ${} and in conditions
///   //% end
///   //% set BLOCKS = K / 32            defines a value for the rest of the kernel
///   ${R * 4}  ${NAME}                  the value of an integer expression, or a string value verbatim (may span lines)
///   //%% comment                       dropped
///
/// Undefined names are errors that give file and line. Output keeps a line map, so that a compiler's message for line n
/// of the kernel is given as file:line of the source.
#ifndef WEFT_PLAN_TEMPLATE_H
#define WEFT_PLAN_TEMPLATE_H
#include "core/str.h"
#include "weft/status.h"
#include <stdint.h>

/// A template value: an integer, or a string when `text` is not NULL.
struct weft_tval {
    const char *name;
    int64_t i;
    const char *text;
};

struct weft_line_map {
    uint32_t *lines;
    uint16_t *files;
    size_t n, cap;
    const char *file_names[64];
    uint16_t n_files;
};
void weft_line_map_free(struct weft_line_map *m);
/// "file:line" of output line `line` (1-based) in a static thread-local buffer.
const char *weft_line_map_at(const struct weft_line_map *m, uint32_t line);

/// Expands an embedded template (by name, see plan/wgsl.h). `map` may be NULL.
/// Errors: NOT_FOUND (file), FORMAT (file:line and what is wrong).
weft_status weft_template_expand(const char *file, const struct weft_tval *values, size_t n_values,
                                 struct weft_str *out, struct weft_line_map *map);
/// The same for text that is not embedded (tests); `name` is used in messages.
weft_status weft_template_expand_text(const char *name, const char *text, const struct weft_tval *values,
                                      size_t n_values, struct weft_str *out, struct weft_line_map *map);
#endif
