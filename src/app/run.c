/// weft run: continues a prompt.
#include "app/json.h"
#include "app/model.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "core/str.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { DEFAULT_TOKENS = 128, MOST_STOPS = 16 };

struct run {
    const char *model, *prompt, *file;
    struct weft_device_params device;
    struct weft_model_params model_params;
    struct weft_sampling sampling;
    uint32_t tokens;
    const char *stop_texts[MOST_STOPS];
    size_t n_stop_texts;
    bool seeded, no_bos, no_special, echo, json, stats, ignore_eos;
    // while generating
    struct weft_str text; // all of it (JSON)
    int32_t *ids;         // JSON
    size_t n_ids, ids_room;
    weft_status status;
    char last; // last byte shown
};

struct prompt {
    int32_t *ids;
    size_t count;
};

// ---- text ----------------------------------------------------------------------------------------------------------

static bool on_text(void *user, const char *text, size_t length) {
    struct run *r = user;
    r->last = text[length - 1];
    if (r->json) {
        weft_str_addn(&r->text, text, length);
    } else {
        weft_out_content(text, length);
        weft_out_flush();
    }
    return weft_out_alive();
}

static bool on_token(void *user, int32_t id) {
    struct run *r = user;
    if (!r->json) return weft_out_alive();
    if (!weft_grow((void **)&r->ids, &r->ids_room, r->n_ids + 1, sizeof *r->ids)) {
        r->status = weft_fail(WEFT_ERR_NOMEM, "out of memory for the ids");
        return false;
    }
    r->ids[r->n_ids++] = id;
    return true;
}

// ---- statistics ----------------------------------------------------------------------------------------------------

static const char *stop_reason(const struct weft_generate_stats *s) {
    if (s->reason == WEFT_STOP_TEXT) return weft_stop_name(s->reason);
    if (weft_interrupted) return "interrupted";
    return weft_stop_name(s->reason);
}

static double rate(double count, double seconds) { return seconds > 0 ? count / seconds : 0; }

static double decode_rate(const struct weft_generate_stats *s) {
    return s->new_tokens > 1 ? rate(s->new_tokens - 1, s->decode_seconds) : 0;
}

static void print_stats(const struct run *r, const struct weft_opened *o, const struct weft_generate_stats *s) {
    struct weft_device_counters c;
    (void)weft_device_counters(o->device, &c);
    weft_app_note("load %.2f s; prompt %u tokens in %.2f s (%.1f t/s); first token after %.2f s", o->load_seconds,
                  s->prompt_tokens, s->prefill_seconds, rate(s->prompt_tokens, s->prefill_seconds),
                  s->first_token_seconds);
    weft_app_note("%u new tokens, %.2f t/s; ended by: %s", s->new_tokens, decode_rate(s), stop_reason(s));
    if (!r->stats) return;
    double tokens = s->new_tokens > 1 ? s->new_tokens - 1 : 1;
    weft_app_note("%u dispatches a token, %u runs a submit, %.0f us of host time a token; device memory %.1f MB at "
                  "most; seed %llu",
                  s->dispatches_per_token, s->runs_per_submit, s->decode_host_seconds / tokens * 1e6,
                  (double)c.bytes_peak / 1e6, (unsigned long long)r->sampling.seed);
}

static int print_json(const struct run *r, const struct weft_opened *o, const struct prompt *prompt,
                      const struct weft_generate_stats *s) {
    struct weft_device_counters c;
    (void)weft_device_counters(o->device, &c);
    struct weft_device_info d;
    (void)weft_device_info(o->device, &d);
    json_t *ids = json_array(), *prompt_ids = json_array();
    for (size_t i = 0; i < r->n_ids; i++) json_array_append_new(ids, json_integer(r->ids[i]));
    for (size_t i = 0; i < prompt->count; i++) json_array_append_new(prompt_ids, json_integer(prompt->ids[i]));
    json_t *root =
        json_pack("{so so so ss sI}", "text", weft_json_text(weft_str_get(&r->text), r->text.len), "ids", ids,
                  "prompt_ids", prompt_ids, "stop", stop_reason(s), "seed", (json_int_t)(r->sampling.seed & INT64_MAX));
    if (!root) return weft_json_print(NULL);
    json_object_set_new(root, "device",
                        json_pack("{so so sb}", "implementation", weft_json_string(d.implementation), "adapter",
                                  weft_json_string(d.adapter), "cpu", d.kind == WEFT_DEVICE_CPU));
    json_object_set_new(root, "stats",
                        json_pack("{si si sf sf sf sf sf sf si si sI}", "prompt_tokens", (int)s->prompt_tokens,
                                  "new_tokens", (int)s->new_tokens, "load_seconds", o->load_seconds, "prefill_seconds",
                                  s->prefill_seconds, "first_token_seconds", s->first_token_seconds, "decode_seconds",
                                  s->decode_seconds, "decode_tokens_per_second", decode_rate(s), "decode_host_seconds",
                                  s->decode_host_seconds, "dispatches_per_token", (int)s->dispatches_per_token,
                                  "runs_per_submit", (int)s->runs_per_submit, "peak_device_bytes",
                                  (json_int_t)c.bytes_peak));
    return weft_json_print(root);
}

// ---- the run -------------------------------------------------------------------------------------------------------

static weft_status generate(struct run *r, const struct weft_opened *o, const struct prompt *prompt,
                            struct weft_generate_stats *stats) {
    struct weft_model_generate_params params = {
        .sampling = r->sampling,
        .max_tokens = r->tokens,
        .stop_texts = r->stop_texts,
        .n_stop_texts = r->n_stop_texts,
        .ignore_stops = r->ignore_eos,
        .text = on_text,
        .token = on_token,
        .user = r,
        .cancel = &weft_interrupted,
    };
    weft_app_catch_interrupts(true);
    weft_status status = weft_model_generate_ids(o->model, prompt->ids, prompt->count, &params, stats);
    if (!r->json && r->last && r->last != '\n' && isatty(STDOUT_FILENO)) weft_outf("\n");
    return status == WEFT_OK ? r->status : status;
}

static bool talkative(const struct run *r) { return r->stats || isatty(STDERR_FILENO) == 1; }

static int with_model(struct run *r, const char *prompt, size_t length) {
    struct weft_opened o;
    struct prompt ids = {0};
    struct weft_model_info info = {0};
    struct weft_generate_stats stats = {0};
    weft_status status = weft_open_model(r->model, &r->device, &r->model_params, &o);
    if (status != WEFT_OK) return weft_app_failed(status);
    char device[256];
    weft_describe_device(o.device, device);
    (void)weft_model_info(o.model, &info);
    if (talkative(r))
        weft_app_note("%s, %s cache, context %u", device, r->model_params.cache_f16 ? "f16" : "f32", info.ctx);
    unsigned flags = (r->no_bos ? WEFT_TOKENIZE_NO_BOS : 0) | (r->no_special ? 0 : WEFT_TOKENIZE_SPECIAL);
    status = weft_ids_of(weft_model_tokenizer(o.model), prompt, length, flags, &ids.ids, &ids.count);
    if (status == WEFT_OK && r->echo && !r->json) weft_out_content(prompt, length), weft_out_flush();
    if (status == WEFT_OK) status = generate(r, &o, &ids, &stats);
    int code = weft_app_failed(status);
    if (status == WEFT_OK && weft_interrupted) code = WEFT_EXIT_INTERRUPTED;
    if (status == WEFT_OK && r->json) print_json(r, &o, &ids, &stats);
    if (status == WEFT_OK && stats.reason == WEFT_STOP_CONTEXT && stats.new_tokens == 0)
        weft_app_note("the prompt fills the context of %u tokens; raise --ctx for new ones", info.ctx);
    if (status == WEFT_OK && weft_out_alive() && (talkative(r) || weft_interrupted)) print_stats(r, &o, &stats);
    weft_app_catch_interrupts(false);
    weft_free(ids.ids);
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
    r->model_params.greedy = !(r->sampling.temp > 0);
    int code = with_model(r, r->prompt ? r->prompt : data, length);
    weft_free(data);
    weft_str_free(&r->text);
    weft_free(r->ids);
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
    if (*optarg && r->n_stop_texts < MOST_STOPS) {
        r->stop_texts[r->n_stop_texts++] = optarg;
        return true;
    }
    weft_app_usage(c, "--stop takes a text that is not empty, at most %d times", MOST_STOPS);
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
    case OPT_CTX: return weft_app_whole(c, "--ctx", 1, WEFT_MAX_CTX, &r->model_params.ctx);
    case OPT_CHUNK: return weft_app_whole(c, "--chunk", 1, 65535, &r->model_params.chunk);
    case OPT_RUNS: return weft_app_whole(c, "--runs", 1, 64, &r->model_params.runs);
    case OPT_STOP: return take_stop(c, r);
    case OPT_IGNORE_EOS: r->ignore_eos = true; break;
    case OPT_NO_BOS: r->no_bos = true; break;
    case OPT_NO_SPECIAL: r->no_special = true; break;
    case OPT_STATS: r->stats = true; break;
    case OPT_CACHE: return weft_cache_option(c, optarg, &r->model_params.cache_f16);
    case OPT_ECHO: r->echo = true; break;
    default: return weft_app_device_option(c, option, &r->device, &ignored);
    }
    return true;
}

static int run_run(const struct weft_command *self, int argc, char **argv) {
    struct run r = {
        .tokens = DEFAULT_TOKENS,
        .sampling = weft_sampling_defaults(),
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
