#include "app/model.h"

#include "app/catalogue.h"
#include "core/alloc.h"
#include "core/file.h"

#include <stdio.h>
#include <string.h>

struct bars {
    struct weft_bar bar;
    int stage;
};

static void progress(void *user, enum weft_progress_stage stage, uint64_t done, uint64_t total) {
    struct bars *b = user;
    if (b->stage != (int)stage) {
        weft_bar_end(&b->bar);
        weft_bar_begin(&b->bar, stage == WEFT_PROGRESS_COMPILE ? "compiling pipelines" : "loading weights",
                       stage == WEFT_PROGRESS_WEIGHTS);
        b->stage = (int)stage;
    }
    weft_bar_update(&b->bar, done, total);
    if (done >= total) weft_bar_end(&b->bar);
}

weft_status weft_open_model(const char *model, const struct weft_gpu_params *device,
                            const struct weft_lm_params *params, struct weft_opened *out) {
    static struct bars bars; // programs made later report too
    struct weft_lm_params p = *params;
    char *path = NULL;
    double start = weft_now();
    *out = (struct weft_opened){0};
    bars = (struct bars){.stage = -1};
    p.progress = progress;
    p.progress_user = &bars;
    weft_status status = weft_model_path(model, &path);
    if (status == WEFT_OK) status = weft_gpu_open(device, &out->gpu);
    if (status == WEFT_OK) status = weft_lm_open(out->gpu, path, &p, &out->lm);
    weft_bar_end(&bars.bar);
    weft_free(path);
    out->load_seconds = weft_now() - start;
    if (status != WEFT_OK) weft_close_model(out);
    return status;
}

void weft_close_model(struct weft_opened *o) {
    weft_lm_close(&o->lm);
    weft_gpu_close(&o->gpu);
}

void weft_describe_device(const weft_gpu *gpu, char text[256]) {
    const struct weft_gpu_caps *c = weft_gpu_caps(gpu);
    const char *remark = "";
    if (c->kind == WEFT_GPU_CPU) remark = " (a CPU driver: no GPU is used)";
    if (c->kind == WEFT_GPU_NULL) remark = " (computes nothing)";
    snprintf(text, 256, "%s on %s%s", c->implementation, *c->adapter ? c->adapter : "an unnamed adapter", remark);
}

const char *weft_stop_name(enum weft_stop_reason reason) {
    switch (reason) {
    case WEFT_STOP_TOKEN: return "stop token";
    case WEFT_STOP_LENGTH: return "length";
    case WEFT_STOP_CONTEXT: return "context full";
    case WEFT_STOP_CALLER: break;
    }
    return "caller";
}

bool weft_cache_option(const struct weft_command *command, const char *text, bool *f16) {
    *f16 = !strcmp(text, "f16");
    if (*f16 || !strcmp(text, "f32")) return true;
    weft_app_usage(command, "--cache takes f32 or f16, not '%s'", text);
    return false;
}
