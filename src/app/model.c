#include "app/model.h"

#include "app/catalogue.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"

#include <stdio.h>
#include <string.h>

void weft_open_progress(void *user, enum weft_progress_stage stage, uint64_t done, uint64_t total) {
    static const char *const stages[] = {[WEFT_PROGRESS_OPEN] = "reading the file",
                                         [WEFT_PROGRESS_PLAN] = "planning",
                                         [WEFT_PROGRESS_WEIGHTS] = "loading weights",
                                         [WEFT_PROGRESS_COMPILE] = "compiling pipelines"};
    struct weft_open_bars *b = user;
    if ((size_t)stage >= sizeof stages / sizeof *stages) return;
    if (b->stage != (int)stage) {
        weft_bar_end(&b->bar);
        weft_bar_begin(&b->bar, stages[stage], stage == WEFT_PROGRESS_WEIGHTS);
        b->stage = (int)stage;
    }
    weft_bar_update(&b->bar, done, total);
    if (done >= total) weft_bar_end(&b->bar);
}

weft_status weft_open_model(const char *model, const struct weft_device_params *device,
                            const struct weft_model_params *params, struct weft_opened *out) {
    static struct weft_open_bars bars; // programs made later report too
    struct weft_model_params p = *params;
    char *path = NULL;
    double start = weft_now();
    *out = (struct weft_opened){0};
    bars = (struct weft_open_bars){.stage = -1};
    p.progress = weft_open_progress;
    p.progress_user = &bars;
    weft_status status = weft_model_path(model, &path);
    if (status == WEFT_OK) {
        const char *slash = strrchr(path, '/');
        snprintf(out->file, sizeof out->file, "%s", slash ? slash + 1 : path);
    }
    if (status == WEFT_OK) status = weft_device_open(device, &out->device);
    if (status == WEFT_OK) status = weft_model_open(out->device, path, &p, &out->model);
    weft_bar_end(&bars.bar);
    weft_free(path);
    out->load_seconds = weft_now() - start;
    if (status != WEFT_OK) weft_close_model(out);
    return status;
}

void weft_close_model(struct weft_opened *o) {
    weft_model_close(&o->model);
    weft_device_close(&o->device);
}

void weft_describe_device(const weft_device *device, char text[256]) {
    struct weft_device_info info;
    const char *remark = "";
    if (weft_device_info(device, &info) != WEFT_OK) return;
    if (info.kind == WEFT_DEVICE_CPU) remark = " (a CPU driver: no GPU is used)";
    if (info.kind == WEFT_DEVICE_NULL) remark = " (computes nothing)";
    snprintf(text, 256, "%s on %s%s", info.implementation, *info.adapter ? info.adapter : "an unnamed adapter", remark);
}

weft_status weft_ids_of(const weft_tokenizer *tokenizer, const char *text, size_t length, unsigned flags, int32_t **ids,
                        size_t *count) {
    size_t room = length + 16; // mostly enough
    weft_status status = WEFT_ERR_LIMIT;
    *ids = NULL;
    for (int i = 0; i < 2 && status == WEFT_ERR_LIMIT; i++, room = *count) {
        weft_free(*ids);
        *count = 0;
        *ids = weft_alloc(room * sizeof **ids);
        if (!*ids) return weft_fail(WEFT_ERR_NOMEM, "out of memory for the ids of a text");
        status = weft_tokenizer_to_ids(tokenizer, text, length, flags, *ids, room, count);
        if (status == WEFT_ERR_LIMIT && *count <= room) break; // another limit
    }
    if (status == WEFT_OK) return status;
    weft_free(*ids);
    *ids = NULL;
    return status;
}

const char *weft_stop_name(enum weft_stop_reason reason) {
    switch (reason) {
    case WEFT_STOP_TOKEN: return "stop token";
    case WEFT_STOP_LENGTH: return "length";
    case WEFT_STOP_CONTEXT: return "context full";
    case WEFT_STOP_TEXT: return "stop text";
    case WEFT_STOP_CALLER: break;
    }
    return "caller";
}

bool weft_numbers_option(const struct weft_command *command, const char *text, enum weft_numbers *out) {
    *out = strcmp(text, "invariant") ? WEFT_NUMBERS_F32 : WEFT_NUMBERS_INVARIANT;
    if (*out == WEFT_NUMBERS_INVARIANT || !strcmp(text, "f32")) return true;
    weft_app_usage(command, "--numbers takes f32 or invariant, not '%s'", text);
    return false;
}

bool weft_cache_option(const struct weft_command *command, const char *text, bool *f16) {
    *f16 = !strcmp(text, "f16");
    if (*f16 || !strcmp(text, "f32")) return true;
    weft_app_usage(command, "--cache takes f32 or f16, not '%s'", text);
    return false;
}
