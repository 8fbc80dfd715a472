/// weft bench: speed of prefill and decode at given lengths, with what a steady-state token costs the host.
///
/// The prompt is a fixed text repeated to the wanted length; generation is greedy and goes on behind stop tokens, so
/// that every repetition does the same work.
#include "app/bench_batch.h"
#include "app/bench_steps.h"
#include "app/json.h"
#include "app/model.h"
#include "app/quantile.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { MAX_LENGTHS = 16, MAX_REPEATS = 1000 };

struct request {
    const char *model;
    struct weft_device_params device;
    struct weft_model_params model_params;
    uint32_t prompts[MAX_LENGTHS], n_prompts, tokens, repeats;
    uint32_t batches[MAX_LENGTHS], n_batches; ///< texts at once
    bool json;
};

/// Objects made and allocations between two moments of one generation.
struct steady {
    uint64_t tokens, buffers, pipelines, groups, gpu_allocs, allocs, dispatches, submits;
};

struct watch {
    weft_device *device;
    uint32_t seen, from;
    double *times; // arrival of each id
    struct weft_device_counters counters;
    uint64_t allocs;
    struct steady steady;
};

/// Summary of one prompt length.
struct result {
    uint32_t prompt, new_tokens;
    double *prefill, *first; // one a repetition
    double *decode, *host;   // seconds a token, of repetitions that had a decode step
    uint32_t n_decode;
    double *gaps; // between ids of the last repetition
    uint32_t n_gaps;
    struct weft_generate_stats last;
    struct steady steady;
};

static bool on_token(void *user, int32_t id) {
    struct watch *w = user;
    (void)id;
    w->times[w->seen++] = weft_now();
    struct weft_device_counters c;
    weft_device_counters(w->device, &c);
    uint64_t allocs = weft_alloc_stats().calls;
    if (w->seen == w->from) {
        w->counters = c;
        w->allocs = allocs;
    }
    if (w->seen > w->from)
        w->steady = (struct steady){
            .tokens = w->seen - w->from,
            .buffers = c.buffers_made - w->counters.buffers_made,
            .pipelines = c.pipelines_made - w->counters.pipelines_made,
            .groups = c.groups_made - w->counters.groups_made,
            .gpu_allocs = c.allocations - w->counters.allocations,
            .allocs = allocs - w->allocs,
            .dispatches = c.dispatches - w->counters.dispatches,
            .submits = c.submits - w->counters.submits,
        };
    return !weft_interrupted;
}

static struct weft_model_info info_of(const struct weft_opened *o) {
    struct weft_model_info info = {0};
    (void)weft_model_info(o->model, &info);
    return info;
}

// ---- measuring -----------------------------------------------------------------------------------------------------

struct prompt {
    int32_t *ids;
    size_t count;
};

static weft_status make_prompt(const weft_model *model, uint32_t n, struct prompt *out) {
    static const char text[] =
        "A loom makes cloth from two sets of threads: the warp is held in place, and the weft is drawn through it, "
        "over one thread and under the next. ";
    const weft_tokenizer *tokenizer = weft_model_tokenizer(model);
    int32_t *first = NULL, *again = NULL;
    size_t n_first = 0, n_again = 0;
    *out = (struct prompt){.ids = weft_alloc((size_t)n * sizeof *out->ids), .count = n};
    weft_status status = out->ids ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory for a prompt of %u tokens", n);
    if (status == WEFT_OK) status = weft_ids_of(tokenizer, "", 0, 0, &first, &n_first); // BOS
    if (status == WEFT_OK) status = weft_ids_of(tokenizer, text, strlen(text), WEFT_TOKENIZE_NO_BOS, &again, &n_again);
    if (status == WEFT_OK && n_again == 0) status = weft_fail(WEFT_ERR_FORMAT, "the tokenizer gives no ids for a text");
    for (size_t i = 0; status == WEFT_OK && i < n; i++)
        out->ids[i] = i < n_first ? first[i] : again[(i - n_first) % n_again];
    weft_free(first);
    weft_free(again);
    return status;
}

static weft_status repeat_once(const struct request *r, const struct weft_opened *o, const struct prompt *prompt,
                               uint32_t i, struct result *result) {
    struct watch w = {.device = o->device, .from = r->tokens / 4 ? r->tokens / 4 : 1};
    struct weft_model_generate_params params = {
        .max_tokens = r->tokens, .ignore_stops = true, .token = on_token, .user = &w, .cancel = &weft_interrupt};
    struct weft_generate_stats *s = &result->last;
    w.times = weft_alloc((size_t)r->tokens * sizeof *w.times);
    if (!w.times) return weft_fail(WEFT_ERR_NOMEM, "out of memory for the times of %u tokens", r->tokens);
    weft_status status = weft_model_generate_ids(o->model, prompt->ids, prompt->count, &params, s);
    if (status == WEFT_OK && weft_interrupted) status = weft_fail(WEFT_ERR_CANCELLED, "interrupted");
    if (status == WEFT_OK && s->new_tokens == 0)
        status = weft_fail(WEFT_ERR_LIMIT,
                           "a prompt of %zu tokens leaves the context of %u no room for a new one; "
                           "choose a shorter -p or a larger --ctx",
                           prompt->count, info_of(o).ctx);
    result->prefill[i] = s->prefill_seconds;
    result->first[i] = s->first_token_seconds;
    if (s->new_tokens > 1) { // the first token comes from the prompt's run
        double tokens = s->new_tokens - 1;
        result->decode[result->n_decode] = s->decode_seconds / tokens;
        result->host[result->n_decode++] = s->decode_host_seconds / tokens;
    }
    result->new_tokens = s->new_tokens;
    result->steady = w.steady;
    result->n_gaps = w.seen ? w.seen - 1 : 0;
    for (uint32_t k = 0; k < result->n_gaps; k++) result->gaps[k] = w.times[k + 1] - w.times[k];
    weft_free(w.times);
    return status;
}

static weft_status measure(const struct request *r, const struct weft_opened *o, uint32_t prompt,
                           struct result *result) {
    struct prompt ids = {0};
    size_t n = r->repeats;
    *result = (struct result){.prompt = prompt,
                              .prefill = weft_calloc(n, sizeof(double)),
                              .first = weft_calloc(n, sizeof(double)),
                              .decode = weft_calloc(n, sizeof(double)),
                              .host = weft_calloc(n, sizeof(double)),
                              .gaps = weft_calloc(r->tokens, sizeof(double))};
    if (!result->prefill || !result->first || !result->decode || !result->host || !result->gaps)
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for the results");
    weft_status status = make_prompt(o->model, prompt, &ids);
    for (uint32_t i = 0; status == WEFT_OK && i < r->repeats; i++) status = repeat_once(r, o, &ids, i, result);
    weft_free(ids.ids);
    return status;
}

/// Speeds of `texts` texts at once for every length of prompts, as lines or in `results`.
static weft_status measure_batch(const struct request *r, const struct weft_opened *o, uint32_t texts,
                                 json_t *results) {
    weft_batch *batch;
    const struct weft_batch_params params = {
        .slots = texts, .chunk = r->model_params.chunk, .runs = r->model_params.runs};
    WEFT_TRY(weft_batch_create(o->model, &params, &batch));
    weft_status status = WEFT_OK;
    for (uint32_t i = 0; i < r->n_prompts && status == WEFT_OK; i++) {
        struct weft_bench_batch b = {
            .texts = texts, .prompt = r->prompts[i], .tokens = r->tokens, .repeats = r->repeats};
        struct prompt ids;
        status = make_prompt(o->model, b.prompt, &ids);
        if (status == WEFT_OK) status = weft_bench_batch(o->model, batch, ids.ids, &weft_interrupt, &b);
        weft_free(ids.ids);
        if (status != WEFT_OK) break;
        if (r->json)
            json_array_append_new(results, json_pack("{si si si so so}", "texts", (int)texts, "prompt", (int)b.prompt,
                                                     "new_tokens", (int)b.tokens, "prefill_tokens_per_second",
                                                     weft_json_number(b.prefill), "decode_tokens_per_second",
                                                     weft_json_number(b.decode)));
        else
            weft_outf("%u texts at once, prompts of %u, %u new tokens each:\n  prefill      %10.2f t/s\n"
                      "  decode       %10.2f t/s   %.2f a text\n",
                      texts, b.prompt, b.tokens, b.prefill, b.decode, b.decode / texts);
        if (r->device.profile && !r->json) status = weft_bench_print_steps(o->device);
        weft_out_flush();
    }
    weft_batch_destroy(&batch);
    return status;
}

static void free_result(struct result *r) {
    weft_free(r->prefill);
    weft_free(r->first);
    weft_free(r->decode);
    weft_free(r->host);
    weft_free(r->gaps);
}

// ---- output --------------------------------------------------------------------------------------------------------

/// NAN, null in JSON: nothing was measured.
static json_t *spread(double *values, uint32_t n) {
    double median = weft_quantile(values, n, 0.5), p95 = weft_quantile(values, n, 0.95);
    return json_pack("{so so}", "median", weft_json_number(median), "p95", weft_json_number(p95));
}

static double per(double x, double y) { return y > 0 ? x / y : NAN; }

static json_t *result_json(struct result *r, uint32_t repeats) {
    double cold = r->first[0]; // before sorting: the first repetition, where drivers compile
    double prefill = weft_quantile(r->prefill, repeats, 0.5), decode = weft_quantile(r->decode, r->n_decode, 0.5),
           host = weft_quantile(r->host, r->n_decode, 0.5);
    json_t *steady =
        json_pack("{sI sI sI sI sI sI sI sI}", "tokens", (json_int_t)r->steady.tokens, "buffers_made",
                  (json_int_t)r->steady.buffers, "pipelines_made", (json_int_t)r->steady.pipelines, "groups_made",
                  (json_int_t)r->steady.groups, "gpu_allocations", (json_int_t)r->steady.gpu_allocs, "allocations",
                  (json_int_t)r->steady.allocs, "dispatches", (json_int_t)r->steady.dispatches, "submits",
                  (json_int_t)r->steady.submits);
    json_t *root =
        json_pack("{si si so so so so so sf}", "prompt", (int)r->prompt, "new_tokens", (int)r->new_tokens,
                  "prefill_seconds", spread(r->prefill, repeats), "first_token_seconds", spread(r->first, repeats),
                  "decode_seconds_per_token", spread(r->decode, r->n_decode), "token_gap_seconds",
                  spread(r->gaps, r->n_gaps), "steady", steady, "first_token_first_time_seconds", cold);
    if (!root) return NULL;
    json_object_set_new(root, "prefill_tokens_per_second", weft_json_number(per(r->prompt, prefill)));
    json_object_set_new(root, "decode_tokens_per_second", weft_json_number(per(1, decode)));
    json_object_set_new(root, "dispatches_per_token", json_integer(r->last.dispatches_per_token));
    json_object_set_new(root, "runs_per_submit", json_integer(r->last.runs_per_submit));
    json_object_set_new(root, "host_us_per_token", weft_json_number(host * 1e6));
    json_object_set_new(root, "host_us_per_dispatch", weft_json_number(per(host * 1e6, r->last.dispatches_per_token)));
    return root;
}

static void print_result(struct result *r, uint32_t repeats) {
    double cold = r->first[0], prefill = weft_quantile(r->prefill, repeats, 0.5);
    double decode = weft_quantile(r->decode, r->n_decode, 0.5), host = weft_quantile(r->host, r->n_decode, 0.5) * 1e6;
    weft_outf("prompt %u, %u new tokens, %u repetitions:\n", r->prompt, r->new_tokens, repeats);
    weft_outf("  prefill      %10.2f t/s   median %.4f s, p95 %.4f s\n", per(r->prompt, prefill), prefill,
              weft_quantile(r->prefill, repeats, 0.95));
    weft_outf("  first token  %10.4f s     p95 %.4f s, first time %.4f s\n", weft_quantile(r->first, repeats, 0.5),
              weft_quantile(r->first, repeats, 0.95), cold);
    if (!r->n_decode) {
        weft_outf("  decode                -       no decode step: the first new token comes from the prompt's run\n");
        return;
    }
    weft_outf("  decode       %10.2f t/s   median %.3f ms a token, p95 %.3f ms; gaps between tokens p95 %.3f ms\n",
              per(1, decode), decode * 1e3, weft_quantile(r->decode, r->n_decode, 0.95) * 1e3,
              weft_quantile(r->gaps, r->n_gaps, 0.95) * 1e3);
    weft_outf("  host         %10.1f us    a token, %.3f us a dispatch beside the submit call; %u dispatches a token, "
              "%u runs a submit\n",
              host, per(host, r->last.dispatches_per_token), r->last.dispatches_per_token, r->last.runs_per_submit);
    weft_outf(
        "  steady state over %llu tokens: %llu buffers, %llu pipelines, %llu bind groups made, %llu allocations\n",
        (unsigned long long)r->steady.tokens, (unsigned long long)r->steady.buffers,
        (unsigned long long)r->steady.pipelines, (unsigned long long)r->steady.groups,
        (unsigned long long)r->steady.allocs);
}

static uint64_t peak_host_bytes(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

static json_t *summary_json(const struct request *r, const struct weft_opened *o, json_t *results, json_t *batches) {
    struct weft_model_info model = info_of(o);
    struct weft_device_info d;
    struct weft_device_counters counters;
    weft_device_counters(o->device, &counters);
    (void)weft_device_info(o->device, &d);
    return json_pack("{ss so so so sb so sI si ss ss sf sI sI so so}", "weft", WEFT_VERSION, "implementation",
                     weft_json_string(d.implementation), "adapter", weft_json_string(d.adapter), "driver",
                     weft_json_string(d.driver), "cpu_driver", d.kind == WEFT_DEVICE_CPU, "model",
                     weft_json_string(o->file), "model_bytes", (json_int_t)model.file_bytes, "ctx", (int)model.ctx,
                     "cache", r->model_params.cache_f16 ? "f16" : "f32", "numbers",
                     weft_numbers_name(r->model_params.numbers), "load_seconds", o->load_seconds, "peak_device_bytes",
                     (json_int_t)counters.bytes_peak, "peak_host_bytes", (json_int_t)peak_host_bytes(), "results",
                     results, "batches", batches);
}

static int bench(const struct request *r) {
    struct weft_opened o;
    weft_status status = weft_open_model(r->model, &r->device, &r->model_params, &o);
    if (status != WEFT_OK) return weft_app_failed(status);
    char device[256];
    weft_describe_device(o.device, device);
    if (!r->json)
        weft_outf("%s; %s; load %.2f s\n", device, weft_numbers_name(r->model_params.numbers), o.load_seconds);
    json_t *results = json_array(), *batches = json_array();
    weft_app_catch_interrupts(true);
    if (r->device.profile) status = weft_bench_forget_steps(o.device);
    for (uint32_t i = 0; status == WEFT_OK && i < r->n_prompts; i++) {
        struct result result;
        status = measure(r, &o, r->prompts[i], &result);
        if (status == WEFT_OK && r->json) json_array_append_new(results, result_json(&result, r->repeats));
        if (status == WEFT_OK && !r->json) print_result(&result, r->repeats);
        if (status == WEFT_OK && r->device.profile && !r->json) status = weft_bench_print_steps(o.device);
        weft_out_flush();
        free_result(&result);
    }
    for (uint32_t i = 0; status == WEFT_OK && i < r->n_batches; i++)
        status = measure_batch(r, &o, r->batches[i], batches);
    weft_app_catch_interrupts(false);
    int code = weft_app_failed(status);
    if (status == WEFT_OK && r->json) {
        code = weft_json_print(summary_json(r, &o, results, batches));
    } else {
        struct weft_device_counters c;
        weft_device_counters(o.device, &c);
        if (status == WEFT_OK)
            weft_outf("peak memory: %.1f MB on the device, %.1f MB on the host\n", (double)c.bytes_peak / 1e6,
                      (double)peak_host_bytes() / 1e6);
        json_decref(results);
        json_decref(batches);
    }
    weft_close_model(&o);
    return code;
}

// ---- the command ---------------------------------------------------------------------------------------------------

enum { OPT_CTX = WEFT_OPT_FIRST_OWN, OPT_CHUNK, OPT_CACHE, OPT_NUMBERS, OPT_RUNS, OPT_STEPS };

static bool take(const struct weft_command *c, struct request *r, int option) {
    int ignored;
    switch (option) {
    case OPT_STEPS: r->device.profile = true; return true;
    case WEFT_OPT_JSON: r->json = true; return true;
    case 'p': return weft_app_integers(c, "-p", optarg, 1, WEFT_MAX_CTX, r->prompts, MAX_LENGTHS, &r->n_prompts);
    case 'b': return weft_app_integers(c, "-b", optarg, 1, 64, r->batches, MAX_LENGTHS, &r->n_batches);
    case 'n': return weft_app_whole(c, "-n", 1, 1 << 20, &r->tokens);
    case 'r': return weft_app_whole(c, "-r", 1, MAX_REPEATS, &r->repeats);
    case OPT_CTX: return weft_app_whole(c, "--ctx", 1, WEFT_MAX_CTX, &r->model_params.ctx);
    case OPT_CHUNK: return weft_app_whole(c, "--chunk", 1, 65535, &r->model_params.chunk);
    case OPT_RUNS: return weft_app_whole(c, "--runs", 1, 64, &r->model_params.runs);
    case OPT_NUMBERS: return weft_numbers_option(c, optarg, &r->model_params.numbers);
    case OPT_CACHE: return weft_cache_option(c, optarg, &r->model_params.cache_f16);
    }
    return weft_app_device_option(c, option, &r->device, &ignored);
}

static int run_bench(const struct weft_command *self, int argc, char **argv) {
    static const struct option options[] = {
        WEFT_COMMON_OPTIONS,
        WEFT_DEVICE_OPTIONS,
        {"ctx", required_argument, NULL, OPT_CTX},
        {"chunk", required_argument, NULL, OPT_CHUNK},
        {"runs", required_argument, NULL, OPT_RUNS},
        {"cache", required_argument, NULL, OPT_CACHE},
        {"numbers", required_argument, NULL, OPT_NUMBERS},
        {"steps", no_argument, NULL, OPT_STEPS},
        {0},
    };
    struct request r = {.prompts = {16, 64}, .n_prompts = 2, .tokens = 48, .repeats = 3};
    for (int option; (option = weft_app_option(self, argc, argv, "hb:p:n:r:", options)) != -1;) {
        if (option == WEFT_OPT_HELP) return WEFT_EXIT_OK;
        if (option == WEFT_OPT_BAD || !take(self, &r, option)) return WEFT_EXIT_USAGE;
    }
    if (argc - optind != 1) return weft_app_usage(self, "one model is needed");
    if (r.json && r.device.profile) return weft_app_usage(self, "--steps is printed for people, without --json");
    r.model = argv[optind];
    return bench(&r);
}

const struct weft_command weft_command_bench = {
    .name = "bench",
    .summary = "measure prefill and decode speed",
    .help =
        "usage: weft bench MODEL [OPTION]...\n\n"
        "  -p LIST               prompt lengths in tokens (default 16,64)\n"
        "  -n N                  new tokens (default 48)\n"
        "  -b LIST               also so many texts at once, 1 to 64\n"
        "  -r N                  repetitions; medians and p95 are over these (default 3)\n"
        "      --ctx N, --chunk N, --runs N, --cache f32|f16, --numbers f32|invariant   as for `weft run`\n"
        "      --steps           also where the device's time goes; times are those of steps in passes of their own,\n"
        "                        so the speeds above them are lower\n"
        "      --json            as JSON\n" WEFT_DEVICE_HELP "  -h, --help            this text\n",
    .run = run_bench,
};
