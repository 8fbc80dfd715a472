/// weft run: continues a prompt.
#include "app/json.h"
#include "app/model.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "model/lm_stop.h"
#include "ops/sample.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { DEFAULT_TOKENS = 128 };

struct run {
    const char *model, *prompt, *file;
    struct weft_gpu_params device;
    struct weft_lm_params lm;
    struct weft_sampling sampling;
    uint32_t tokens;
    bool seeded, no_bos, no_special, echo, json, stats, ignore_eos;
    // while generating
    struct weft_decoder decoder;
    struct weft_stopper stopper;
    struct weft_str pending, text; // what is to be shown next; all of it (JSON)
    struct weft_ids ids;           // JSON
    weft_status status;
    char last; // last byte shown
};

// ---- text ----------------------------------------------------------------------------------------------------------

static void show(struct run *r) {
    if (!r->pending.len) return;
    r->last = r->pending.data[r->pending.len - 1];
    if (r->json) {
        weft_str_addn(&r->text, r->pending.data, r->pending.len);
    } else {
        weft_out_content(r->pending.data, r->pending.len);
        weft_out_flush();
    }
    r->pending.len = 0;
}

static bool on_token(void *user, int32_t id) {
    struct run *r = user;
    struct weft_str bytes = {0};
    if (r->json) {
        size_t cap = r->ids.cap;
        if (!weft_grow((void **)&r->ids.data, &cap, r->ids.count + 1, sizeof *r->ids.data)) {
            r->status = weft_fail(WEFT_ERR_NOMEM, "out of memory for the ids");
            return false;
        }
        r->ids.cap = cap;
        r->ids.data[r->ids.count++] = id;
    }
    r->status = weft_decoder_push(&r->decoder, id, &bytes);
    if (r->status == WEFT_OK) r->status = weft_stopper_push(&r->stopper, weft_str_get(&bytes), bytes.len, &r->pending);
    weft_str_free(&bytes);
    show(r);
    return r->status == WEFT_OK && !r->stopper.stopped && weft_out_alive();
}

/// What was held back at the end.
static weft_status flush_text(struct run *r) {
    struct weft_str bytes = {0};
    weft_status status = weft_decoder_flush(&r->decoder, &bytes);
    if (status == WEFT_OK) status = weft_stopper_push(&r->stopper, weft_str_get(&bytes), bytes.len, &r->pending);
    if (status == WEFT_OK) status = weft_stopper_flush(&r->stopper, &r->pending);
    weft_str_free(&bytes);
    show(r);
    if (!r->json && r->last && r->last != '\n' && isatty(STDOUT_FILENO)) weft_outf("\n");
    return status;
}

// ---- statistics ----------------------------------------------------------------------------------------------------

static const char *stop_reason(const struct run *r, const struct weft_generate_stats *s) {
    if (r->stopper.stopped) return "stop text";
    if (weft_interrupted) return "interrupted";
    return weft_stop_name(s->reason);
}

static double rate(double count, double seconds) { return seconds > 0 ? count / seconds : 0; }

static double decode_rate(const struct weft_generate_stats *s) {
    return s->new_tokens > 1 ? rate(s->new_tokens - 1, s->decode_seconds) : 0;
}

static void print_stats(const struct run *r, const struct weft_opened *o, const struct weft_generate_stats *s) {
    struct weft_gpu_counters c;
    weft_gpu_counters(o->gpu, &c);
    weft_app_note("load %.2f s; prompt %u tokens in %.2f s (%.1f t/s); first token after %.2f s", o->load_seconds,
                  s->prompt_tokens, s->prefill_seconds, rate(s->prompt_tokens, s->prefill_seconds),
                  s->first_token_seconds);
    weft_app_note("%u new tokens, %.2f t/s; ended by: %s", s->new_tokens, decode_rate(s), stop_reason(r, s));
    if (!r->stats) return;
    double tokens = s->new_tokens > 1 ? s->new_tokens - 1 : 1;
    weft_app_note("%u dispatches a token, %u runs a submit, %.0f us of host time a token; device memory %.1f MB at "
                  "most; seed %llu",
                  s->dispatches_per_token, s->runs_per_submit, s->decode_host_seconds / tokens * 1e6,
                  (double)c.buffer_bytes_peak / 1e6, (unsigned long long)r->sampling.seed);
}

static int print_json(const struct run *r, const struct weft_opened *o, const struct weft_ids *prompt,
                      const struct weft_generate_stats *s) {
    struct weft_gpu_counters c;
    weft_gpu_counters(o->gpu, &c);
    const struct weft_gpu_caps *caps = weft_gpu_caps(o->gpu);
    json_t *ids = json_array(), *prompt_ids = json_array();
    for (size_t i = 0; i < r->ids.count; i++) json_array_append_new(ids, json_integer(r->ids.data[i]));
    for (size_t i = 0; i < prompt->count; i++) json_array_append_new(prompt_ids, json_integer(prompt->data[i]));
    json_t *root = json_pack("{so so so ss sI}", "text", weft_json_text(weft_str_get(&r->text), r->text.len), "ids",
                             ids, "prompt_ids", prompt_ids, "stop", stop_reason(r, s), "seed",
                             (json_int_t)(r->sampling.seed & INT64_MAX));
    if (!root) return weft_json_print(NULL);
    json_object_set_new(root, "device",
                        json_pack("{so so sb}", "implementation", weft_json_string(caps->implementation), "adapter",
                                  weft_json_string(caps->adapter), "cpu", caps->kind == WEFT_GPU_CPU));
    json_object_set_new(root, "stats",
                        json_pack("{si si sf sf sf sf sf sf si si sI}", "prompt_tokens", (int)s->prompt_tokens,
                                  "new_tokens", (int)s->new_tokens, "load_seconds", o->load_seconds, "prefill_seconds",
                                  s->prefill_seconds, "first_token_seconds", s->first_token_seconds, "decode_seconds",
                                  s->decode_seconds, "decode_tokens_per_second", decode_rate(s), "decode_host_seconds",
                                  s->decode_host_seconds, "dispatches_per_token", (int)s->dispatches_per_token,
                                  "runs_per_submit", (int)s->runs_per_submit, "peak_device_bytes",
                                  (json_int_t)c.buffer_bytes_peak));
    return weft_json_print(root);
}

// ---- the run -------------------------------------------------------------------------------------------------------

static weft_status generate(struct run *r, const struct weft_opened *o, const struct weft_ids *prompt,
                            struct weft_generate_stats *stats) {
    struct weft_generate_params params = {
        .sampling = r->sampling,
        .max_tokens = r->tokens,
        .ignore_stops = r->ignore_eos,
        .token = on_token,
        .user = r,
        .cancel = &weft_interrupted,
    };
    r->decoder = (struct weft_decoder){.tokenizer = weft_lm_tokenizer(o->lm)};
    weft_app_catch_interrupts(true);
    weft_status status = weft_lm_generate(o->lm, prompt->data, (uint32_t)prompt->count, &params, stats);
    if (status == WEFT_OK) status = r->status;
    weft_status flushed = flush_text(r);
    return status == WEFT_OK ? flushed : status;
}

static bool talkative(const struct run *r) { return r->stats || isatty(STDERR_FILENO) == 1; }

static int with_model(struct run *r, const char *prompt, size_t length) {
    struct weft_opened o;
    struct weft_ids ids = {0};
    struct weft_generate_stats stats = {0};
    weft_status status = weft_open_model(r->model, &r->device, &r->lm, &o);
    if (status != WEFT_OK) return weft_app_failed(status);
    char device[256];
    weft_describe_device(o.gpu, device);
    if (talkative(r))
        weft_app_note("%s, %s cache, context %u", device, r->lm.cache_f16 ? "f16" : "f32", weft_lm_ctx(o.lm));
    unsigned flags = (r->no_bos ? 0 : WEFT_ENCODE_ADD_BOS) | (r->no_special ? 0 : WEFT_ENCODE_PARSE_SPECIAL);
    status = weft_tokenizer_encode(weft_lm_tokenizer(o.lm), prompt, length, flags, &ids);
    if (status == WEFT_OK && ids.count > UINT32_MAX)
        status = weft_fail(WEFT_ERR_LIMIT, "the prompt has %zu tokens", ids.count);
    if (status == WEFT_OK && r->echo && !r->json) weft_out_content(prompt, length), weft_out_flush();
    if (status == WEFT_OK) status = generate(r, &o, &ids, &stats);
    int code = weft_app_failed(status);
    if (status == WEFT_OK && weft_interrupted) code = WEFT_EXIT_INTERRUPTED;
    if (status == WEFT_OK && r->json) print_json(r, &o, &ids, &stats);
    if (status == WEFT_OK && stats.reason == WEFT_STOP_CONTEXT && stats.new_tokens == 0)
        weft_app_note("the prompt fills the context of %u tokens; raise --ctx for new ones", weft_lm_ctx(o.lm));
    if (status == WEFT_OK && weft_out_alive() && (talkative(r) || weft_interrupted)) print_stats(r, &o, &stats);
    weft_app_catch_interrupts(false);
    weft_ids_free(&ids);
    weft_close_model(&o);
    return code;
}

static int run(struct run *r) {
    char *data = NULL;
    size_t length = r->prompt ? strlen(r->prompt) : 0;
    if (!r->prompt) {
        weft_status status = weft_file_read(r->file ? r->file : "-", (size_t)1 << 30, &data, &length);
        if (status != WEFT_OK) return weft_app_failed(status);
    }
    if (!r->seeded && getrandom(&r->sampling.seed, sizeof r->sampling.seed, 0) != (ssize_t)sizeof r->sampling.seed)
        r->sampling.seed = 1;
    if (!r->seeded) r->sampling.seed &= UINT32_MAX; // short enough to be typed again
    r->lm.sampling = r->sampling.temp > 0;
    int code = with_model(r, r->prompt ? r->prompt : data, length);
    weft_free(data);
    weft_stopper_free(&r->stopper);
    weft_str_free(&r->pending);
    weft_str_free(&r->text);
    weft_ids_free(&r->ids);
    return code;
}

// ---- options -------------------------------------------------------------------------------------------------------

enum {
    OPT_TEMP = WEFT_OPT_FIRST_OWN,
    OPT_TOP_K,
    OPT_TOP_P,
    OPT_MIN_P,
    OPT_SEED,
    OPT_REPEAT,
    OPT_FREQUENCY,
    OPT_PRESENCE,
    OPT_CTX,
    OPT_CHUNK,
    OPT_STOP,
    OPT_NO_BOS,
    OPT_NO_SPECIAL,
    OPT_STATS,
    OPT_CACHE,
    OPT_ECHO,
    OPT_IGNORE_EOS,
    OPT_RUNS,
};

static const struct option options[] = {
    WEFT_COMMON_OPTIONS,
    WEFT_DEVICE_OPTIONS,
    {"tokens", required_argument, NULL, 'n'},
    {"file", required_argument, NULL, 'f'},
    {"temp", required_argument, NULL, OPT_TEMP},
    {"top-k", required_argument, NULL, OPT_TOP_K},
    {"top-p", required_argument, NULL, OPT_TOP_P},
    {"min-p", required_argument, NULL, OPT_MIN_P},
    {"seed", required_argument, NULL, OPT_SEED},
    {"repeat-penalty", required_argument, NULL, OPT_REPEAT},
    {"frequency-penalty", required_argument, NULL, OPT_FREQUENCY},
    {"presence-penalty", required_argument, NULL, OPT_PRESENCE},
    {"ctx", required_argument, NULL, OPT_CTX},
    {"chunk", required_argument, NULL, OPT_CHUNK},
    {"runs", required_argument, NULL, OPT_RUNS},
    {"stop", required_argument, NULL, OPT_STOP},
    {"ignore-eos", no_argument, NULL, OPT_IGNORE_EOS},
    {"no-bos", no_argument, NULL, OPT_NO_BOS},
    {"no-special", no_argument, NULL, OPT_NO_SPECIAL},
    {"stats", no_argument, NULL, OPT_STATS},
    {"cache", required_argument, NULL, OPT_CACHE},
    {"echo", no_argument, NULL, OPT_ECHO},
    {0},
};

static bool real(const struct weft_command *c, const char *name, double lo, double hi, float *out) {
    double x = 0;
    bool ok = weft_app_number(c, name, optarg, lo, hi, &x);
    *out = (float)x;
    return ok;
}

static bool take_seed(const struct weft_command *c, struct run *r) {
    int64_t n = 0;
    r->seeded = weft_app_integer(c, "--seed", optarg, 0, INT64_MAX, &n);
    r->sampling.seed = (uint64_t)n;
    return r->seeded;
}

static bool take_stop(const struct weft_command *c, struct run *r) {
    if (*optarg && r->stopper.n < WEFT_STOP_TEXTS) {
        r->stopper.texts[r->stopper.n++] = optarg;
        return true;
    }
    weft_app_usage(c, "--stop takes a text that is not empty, at most %d times", WEFT_STOP_TEXTS);
    return false;
}

static bool take(const struct weft_command *c, struct run *r, int option) {
    int ignored;
    switch (option) {
    case WEFT_OPT_JSON: r->json = true; break;
    case 'n': return weft_app_whole(c, "-n", 0, INT32_MAX, &r->tokens);
    case 'f': r->file = optarg; break;
    case OPT_TEMP: return real(c, "--temp", 0, 1e6, &r->sampling.temp);
    case OPT_TOP_K: return weft_app_whole(c, "--top-k", 0, INT32_MAX, &r->sampling.top_k);
    case OPT_TOP_P: return real(c, "--top-p", 0, 1, &r->sampling.top_p);
    case OPT_MIN_P: return real(c, "--min-p", 0, 1, &r->sampling.min_p);
    case OPT_SEED: return take_seed(c, r);
    case OPT_REPEAT: return real(c, "--repeat-penalty", 0.01, 100, &r->sampling.repetition);
    case OPT_FREQUENCY: return real(c, "--frequency-penalty", -100, 100, &r->sampling.frequency);
    case OPT_PRESENCE: return real(c, "--presence-penalty", -100, 100, &r->sampling.presence);
    case OPT_CTX: return weft_app_whole(c, "--ctx", 1, WEFT_MAX_CTX, &r->lm.ctx);
    case OPT_CHUNK: return weft_app_whole(c, "--chunk", 1, 65535, &r->lm.chunk);
    case OPT_RUNS: return weft_app_whole(c, "--runs", 1, 64, &r->lm.runs);
    case OPT_STOP: return take_stop(c, r);
    case OPT_IGNORE_EOS: r->ignore_eos = true; break;
    case OPT_NO_BOS: r->no_bos = true; break;
    case OPT_NO_SPECIAL: r->no_special = true; break;
    case OPT_STATS: r->stats = true; break;
    case OPT_CACHE: return weft_cache_option(c, optarg, &r->lm.cache_f16);
    case OPT_ECHO: r->echo = true; break;
    default: return weft_app_device_option(c, option, &r->device, &ignored);
    }
    return true;
}

static int run_run(const struct weft_command *self, int argc, char **argv) {
    struct weft_sample_settings d = weft_sample_defaults();
    struct run r = {
        .tokens = DEFAULT_TOKENS,
        .sampling = {.temp = d.temperature, .top_k = d.top_k, .top_p = d.top_p, .min_p = d.min_p},
    };
    for (int option; (option = weft_app_option(self, argc, argv, "hn:f:", options)) != -1;) {
        if (option == WEFT_OPT_HELP) return WEFT_EXIT_OK;
        if (option == WEFT_OPT_BAD || !take(self, &r, option)) return WEFT_EXIT_USAGE;
    }
    int operands = argc - optind;
    if (operands < 1) return weft_app_usage(self, "which model? a GGUF file or a name of `weft pull --list`");
    if (operands > 2) return weft_app_usage(self, "one prompt only; put it in quotes");
    if (operands == 2 && r.file) return weft_app_usage(self, "a prompt and --file exclude each other");
    r.model = argv[optind];
    if (operands == 2 && strcmp(argv[optind + 1], "-")) r.prompt = argv[optind + 1];
    if (operands == 1 && !r.file && isatty(STDIN_FILENO))
        return weft_app_usage(self, "a prompt is missing (- reads it from stdin)");
    return run(&r);
}

const struct weft_command weft_command_run = {
    .name = "run",
    .summary = "continue a prompt with a language model",
    .help =
        "usage: weft run MODEL [PROMPT] [OPTION]...\n\n"
        "Continues PROMPT, which may also come from stdin (no PROMPT, or -) or from a file, and prints the text as it "
        "comes;\n"
        "stdout holds that text alone.\n\n"
        "  -f, --file FILE       read the prompt from a file\n"
        "  -n, --tokens N        at most N new tokens; 0: until the context is full (default 128)\n"
        "      --temp X          temperature; 0 takes the likeliest token always (default 0.8)\n"
        "      --top-k N         of the N likeliest tokens only; 0: off (default 40)\n"
        "      --top-p X         of the likeliest that have probability X together; 1: off (default 0.95)\n"
        "      --min-p X         none below X times the likeliest one's probability; 0: off (default 0.05)\n"
        "      --seed N          same seed, same device: same text (default: another one each time)\n"
        "      --repeat-penalty X, --frequency-penalty X, --presence-penalty X\n"
        "                        make generated tokens less likely to come again (default: off)\n"
        "      --stop TEXT       end before TEXT; may be given several times\n"
        "      --ignore-eos      go on behind the model's own stop tokens\n"
        "      --ctx N           tokens of context (default: the model's, 4096 at most); a full context ends the text\n"
        "      --chunk N         most prompt tokens a run (default 64 on a CPU driver, else 512)\n"
        "      --runs N          decode runs a submit (default: by measured time; 1 on a CPU driver)\n"
        "      --cache f32|f16   type of the key and value cache (default f32)\n"
        "      --no-bos          no BOS in front of the prompt\n"
        "      --no-special      control tokens written in the prompt are plain text\n"
        "      --echo            print the prompt first\n"
        "      --stats           device, times and counts on stderr even if that is no terminal\n"
        "      --json            text, ids and statistics as one JSON object at the end\n" WEFT_DEVICE_HELP
        "  -h, --help            this text\n\n"
        "Ctrl-C ends the text cleanly (exit code 130).\n",
    .run = run_run,
};
