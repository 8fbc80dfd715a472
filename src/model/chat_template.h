/// Which chat template a conversation with a model takes, and the tokens that it may name.
#ifndef WEFT_MODEL_CHAT_TEMPLATE_H
#define WEFT_MODEL_CHAT_TEMPLATE_H
#include "model/source.h"
#include "model/template/template.h"
#include "model/tokenizer/tokenizer.h"

/// Parses the template that `choice` names. NULL: the model's own (`tokenizer.chat_template`). Else the first of these
/// that there is: a variant of the model (`tokenizer.chat_template.NAME`), a known name (weft_chat_template_names), a
/// file. Errors: NOT_FOUND (names what there is, or `--chat-template` where the model has none), those of the parser
/// and of reading the file.
weft_status weft_chat_template_load(const struct weft_source *file, const char *choice, struct weft_template **out);

/// The names of the templates that Weft brings, each ended by NULL.
const char *const *weft_chat_template_names(void);

/// A map for weft_template_options.tokens: bos_token and the like, as far as the vocabulary has them. Errors: NOMEM.
weft_status weft_chat_template_tokens(const struct weft_source *file, const struct weft_tokenizer *tokenizer,
                                      struct weft_arena *arena, struct weft_json_value *out);
#endif
