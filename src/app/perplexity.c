/// weft perplexity: how well a model predicts a text.
#include "app/json.h"
#include "app/model.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

struct request {
    const char *model, *file;
    struct weft_device_params device;
    struct weft_model_params model_params;
    uint32_t chunks;
    bool json;
    struct weft_bar bar;
};

static void on_chunk(void *user, uint32_t chunk, uint32_t chunks, double figure) {
    struct request *r = user;
    weft_bar_update(&r->bar, chunk, chunks);
    if (r->json) return;
    weft_bar_end(&r->bar);
    weft_outf("chunk %u of %u: %.4f\n", chunk, chunks, figure);
    weft_out_flush();
}

static weft_status score(struct request *r, const struct weft_opened *o, double *figure) {
    char *text;
    size_t length;
    WEFT_TRY(weft_file_read(r->file, (size_t)1 << 30, &text, &length));
    weft_bar_begin(&r->bar, "perplexity", false);
    weft_status status =
        weft_model_perplexity(o->model, text, length, r->model_params.ctx, r->chunks, on_chunk, r, figure);
    weft_bar_end(&r->bar);
    weft_free(text);
    return status;
}

static int perplexity(struct request *r) {
    struct weft_opened o;
    char device[256];
    double figure = 0, start;
    weft_status status = weft_open_model(r->model, &r->device, &r->model_params, &o);
    if (status != WEFT_OK) return weft_app_failed(status);
    weft_describe_device(o.device, device);
    if (isatty(STDERR_FILENO) == 1)
        weft_app_note("%s, activations f32, %s cache, context %u", device, r->model_params.cache_f16 ? "f16" : "f32",
                      r->model_params.ctx);
    start = weft_now();
    status = score(r, &o, &figure);
    int code = weft_app_failed(status);
    if (status == WEFT_OK && !isfinite(figure))
        weft_app_note("the figure is %g: the model gives NaN or infinity for this text; check the file, or take an f32 "
                      "cache",
                      figure);
    if (status == WEFT_OK && r->json)
        code = weft_json_print(json_pack("{so si so ss sf}", "perplexity", weft_json_number(figure), "ctx",
                                         (int)r->model_params.ctx, "device", weft_json_string(device), "cache",
                                         r->model_params.cache_f16 ? "f16" : "f32", "seconds", weft_now() - start));
    else if (status == WEFT_OK) weft_outf("%.4f\n", figure);
    weft_close_model(&o);
    return code;
}

enum { OPT_CTX = WEFT_OPT_FIRST_OWN, OPT_CHUNKS, OPT_CACHE, OPT_NUMBERS };

static bool take(const struct weft_command *c, struct request *r, int option) {
    int ignored;
    switch (option) {
    case WEFT_OPT_JSON: r->json = true; return true;
    case OPT_CTX: return weft_app_whole(c, "--ctx", 4, WEFT_MAX_CTX, &r->model_params.ctx);
    case OPT_CHUNKS: return weft_app_whole(c, "--chunks", 0, INT32_MAX, &r->chunks);
    case OPT_NUMBERS: return weft_numbers_option(c, optarg, &r->model_params.numbers);
    case OPT_CACHE: return weft_cache_option(c, optarg, &r->model_params.cache_f16);
    }
    return weft_app_device_option(c, option, &r->device, &ignored);
}

static int run_perplexity(const struct weft_command *self, int argc, char **argv) {
    static const struct option options[] = {
        WEFT_COMMON_OPTIONS,
        WEFT_DEVICE_OPTIONS,
        {"ctx", required_argument, NULL, OPT_CTX},
        {"chunks", required_argument, NULL, OPT_CHUNKS},
        {"cache", required_argument, NULL, OPT_CACHE},
        {"numbers", required_argument, NULL, OPT_NUMBERS},
        {0},
    };
    struct request r = {.model_params = {.ctx = 512, .lazy = true}};
    for (int option; (option = weft_app_option(self, argc, argv, "h", options)) != -1;) {
        if (option == WEFT_OPT_HELP) return WEFT_EXIT_OK;
        if (option == WEFT_OPT_BAD || !take(self, &r, option)) return WEFT_EXIT_USAGE;
    }
    if (argc - optind != 2) return weft_app_usage(self, "a model and a text file are needed");
    r.model = argv[optind];
    r.file = argv[optind + 1];
    return perplexity(&r);
}

const struct weft_command weft_command_perplexity = {
    .name = "perplexity",
    .summary = "measure how well a model predicts a text",
    .help = "usage: weft perplexity MODEL FILE [--ctx N] [--chunks N]\n\n"
            "Cuts the text into chunks of N tokens, puts BOS in place of the first token of each, and scores the "
            "second half of each\n"
            "from an empty cache. Prints the figure so far after every chunk; the last line is the figure alone.\n\n"
            "      --ctx N           tokens a chunk (default 512)\n"
            "      --chunks N        at most N chunks; 0: all (default)\n"
            "      --cache f32|f16   type of the key and value cache (default f32)\n"
            "      --json            figure, device and time as JSON\n" WEFT_DEVICE_HELP
            "  -h, --help            this text\n",
    .run = run_perplexity,
};
