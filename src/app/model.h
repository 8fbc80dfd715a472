/// Opening a model on a device for a subcommand, with bars for what takes long.
#ifndef WEFT_APP_MODEL_H
#define WEFT_APP_MODEL_H
#include "app/app.h"
#include "weft/model.h"

struct weft_opened {
    weft_device *device;
    weft_model *model;
    char file[256];      ///< its name, without folders
    double load_seconds; ///< device, file, compilation and weights
};

/// Bars of what takes long while something is opened. `stage` is -1 at first.
struct weft_open_bars {
    struct weft_bar bar;
    int stage;
};
/// `progress` of params; its user is a struct weft_open_bars, whose bar is to be ended (weft_bar_end).
void weft_open_progress(void *user, enum weft_progress_stage stage, uint64_t done, uint64_t total);

/// `params.progress` is set here. On failure nothing is left open; the caller prints the sentence.
weft_status weft_open_model(const char *model, const struct weft_device_params *device,
                            const struct weft_model_params *params, struct weft_opened *out);
void weft_close_model(struct weft_opened *o);

/// "wgpu on llvmpipe (a CPU driver)".
void weft_describe_device(const weft_device *device, char text[256]);
/// The ids of a text (enum weft_tokenize_flags), to be freed with weft_free. Errors: those of weft_tokenizer_to_ids.
weft_status weft_ids_of(const weft_tokenizer *tokenizer, const char *text, size_t length, unsigned flags, int32_t **ids,
                        size_t *count);
const char *weft_stop_name(enum weft_stop_reason reason);

/// Option values that several commands take: --cache, --numbers. False with the usage error printed.
bool weft_numbers_option(const struct weft_command *command, const char *text, enum weft_numbers *out);
bool weft_cache_option(const struct weft_command *command, const char *text, bool *f16);
#define WEFT_MAX_CTX (1 << 24)
#endif
