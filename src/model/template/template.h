/// Chat templates: the subset of Jinja in which models say how a conversation becomes a prompt, with the settings that
/// Hugging Face uses (trim_blocks, lstrip_blocks, break and continue, generation blocks, tojson without escapes for
/// HTML, raise_exception, strftime_now). docs/templates.md has the language.
///
/// A rendered text says of each byte whether it was the template's or came from data (messages, tools, variables). A
/// tokenizer takes a control token only where all its bytes are the template's, so that what a user writes can't end a
/// turn. Which is which survives all operations: strip, slices, replace, join, tojson, upper.
///
/// A hostile template ends with an error: steps, loop turns, depth, memory and output are bounded.
#ifndef WEFT_MODEL_TEMPLATE_H
#define WEFT_MODEL_TEMPLATE_H
#include "core/json_read.h"
#include "core/str.h"
#include "weft/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/// Parsed once, never changed: threads may share it.
struct weft_template;

/// `text` need not end in NUL. With NULL or no text the error is that of weft_template_missing. Errors name line and
/// column.
weft_status weft_template_parse(const char *text, size_t len, struct weft_template **out);
void weft_template_free(struct weft_template *t); ///< NULL is fine

/// The error of a model (`what`) that has no template: it names `--chat-template`.
weft_status weft_template_missing(const char *what);

/// Zeros are the defaults.
struct weft_template_limits {
    uint64_t steps;      ///< nodes evaluated, and 64 bytes or 8 elements looked at; 20 million
    uint64_t loop_turns; ///< of all loops together; 1 million
    size_t depth;        ///< of nested evaluation; 1,000
    size_t memory;       ///< bytes of values made; 256 MiB
    size_t output;       ///< bytes of the rendered text; 32 MiB
};

struct weft_template_options {
    const struct weft_json_value *tools;     ///< a list, or NULL: then `tools` is none
    const struct weft_json_value *documents; ///< the same
    const struct weft_json_value *variables; ///< a map of further variables (enable_thinking), data like messages
    /// A map of texts that count as the template's: bos_token, eos_token and what else the model's files say.
    const struct weft_json_value *tokens;
    bool add_generation_prompt;
    const struct tm *now; ///< for strftime_now; NULL is the local time
    struct weft_template_limits limits;
};

/// Bytes from the end of the run before, or from 0, to `end`.
struct weft_template_run {
    size_t end;
    bool data; ///< from messages, tools or variables; else the template's own
};

struct weft_template_runs {
    struct weft_template_run *items;
    size_t n, cap;
};
void weft_template_runs_free(struct weft_template_runs *runs);

/// Renders `messages`, a list of maps, into `out`, which it empties first. `runs` (may be NULL) gets the runs of the
/// text, neighbours different. Roles of conversations (system, user, assistant, tool, ...) count as the template's,
/// since templates build control tokens around them; any other role is data. On failure `out` and `runs` are empty.
weft_status weft_template_render(const struct weft_template *t, const struct weft_json_value *messages,
                                 const struct weft_template_options *options, struct weft_str *out,
                                 struct weft_template_runs *runs);
#endif
