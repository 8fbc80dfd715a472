/// weft run: continues a prompt.
#include "app/generating.h"
#include "app/json.h"
#include "app/run_beams.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "core/str.h"

#include <string.h>
#include <unistd.h>

enum { DEFAULT_TOKENS = 128 };

struct run {
    const char *model, *prompt, *file;
    struct weft_generating g;
    bool no_bos, no_special, echo, json, ignore_eos;
    uint32_t beams; ///< 0: sampling
    float length_penalty;
    bool penalty, samples; ///< options of the one, and of the other, were given
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

static void print_stats(const struct run *r, const struct weft_opened *o, const struct weft_generate_stats *s) {
    struct weft_device_counters c;
    (void)weft_device_counters(o->device, &c);
    weft_app_note("load %.2f s; prompt %u tokens in %.2f s (%.1f t/s); first token after %.2f s", o->load_seconds,
                  s->prompt_tokens, s->prefill_seconds, weft_rate(s->prompt_tokens, s->prefill_seconds),
                  s->first_token_seconds);
    weft_app_note("%u new tokens, %.2f t/s; ended by: %s", s->new_tokens, weft_decode_rate(s), stop_reason(s));
    if (!r->g.stats) return;
    double tokens = s->new_tokens > 1 ? s->new_tokens - 1 : 1;
    weft_app_note("%u dispatches a token, %u runs a submit, %.0f us of host time a token; device memory %.1f MB at "
                  "most; seed %llu",
                  s->dispatches_per_token, s->runs_per_submit, s->decode_host_seconds / tokens * 1e6,
                  (double)c.bytes_peak / 1e6, (unsigned long long)r->g.sampling.seed);
}

static int print_json(const struct run *r, const struct weft_opened *o, const struct prompt *prompt,
                      const struct weft_generate_stats *s) {
    struct weft_device_counters c;
    (void)weft_device_counters(o->device, &c);
    struct weft_device_info d;
    (void)weft_device_info(o->device, &d);
    json_t *root = json_pack("{so so so ss sI}", "text", weft_json_text(weft_str_get(&r->text), r->text.len), "ids",
                             weft_json_ids(r->ids, r->n_ids), "prompt_ids", weft_json_ids(prompt->ids, prompt->count),
                             "stop", stop_reason(s), "seed", (json_int_t)(r->g.sampling.seed & INT64_MAX));
    if (!root) return weft_json_print(NULL);
    json_object_set_new(root, "device",
                        json_pack("{so so sb}", "implementation", weft_json_string(d.implementation), "adapter",
                                  weft_json_string(d.adapter), "cpu", d.kind == WEFT_DEVICE_CPU));
    json_object_set_new(root, "stats",
                        json_pack("{si si sf sf sf sf sf sf si si sI}", "prompt_tokens", (int)s->prompt_tokens,
                                  "new_tokens", (int)s->new_tokens, "load_seconds", o->load_seconds, "prefill_seconds",
                                  s->prefill_seconds, "first_token_seconds", s->first_token_seconds, "decode_seconds",
                                  s->decode_seconds, "decode_tokens_per_second", weft_decode_rate(s),
                                  "decode_host_seconds", s->decode_host_seconds, "dispatches_per_token",
                                  (int)s->dispatches_per_token, "runs_per_submit", (int)s->runs_per_submit,
                                  "peak_device_bytes", (json_int_t)c.bytes_peak));
    return weft_json_print(root);
}

// ---- the run -------------------------------------------------------------------------------------------------------

static weft_status generate(struct run *r, const struct weft_opened *o, const struct prompt *prompt,
                            struct weft_generate_stats *stats) {
    struct weft_model_generate_params params = {
        .sampling = r->g.sampling,
        .max_tokens = r->g.tokens,
        .stop_texts = r->g.stops,
        .n_stop_texts = r->g.n_stops,
        .ignore_stops = r->ignore_eos,
        .text = on_text,
        .token = on_token,
        .user = r,
        .cancel = &weft_interrupt,
    };
    weft_app_catch_interrupts(true);
    weft_status status = weft_model_generate_ids(o->model, prompt->ids, prompt->count, &params, stats);
    if (!r->json && r->last && r->last != '\n' && isatty(STDOUT_FILENO)) weft_outf("\n");
    return status == WEFT_OK ? r->status : status;
}

static bool talkative(const struct run *r) { return r->g.stats || isatty(STDERR_FILENO) == 1; }

static int search(const struct run *r, const struct weft_opened *o, const struct prompt *prompt) {
    const struct weft_run_beams beams = {.beams = r->beams,
                                         .length_penalty = r->length_penalty,
                                         .tokens = r->g.tokens,
                                         .ignore_stops = r->ignore_eos,
                                         .json = r->json,
                                         .talkative = talkative(r)};
    return weft_run_beams(&beams, o, prompt->ids, prompt->count);
}

/// Text as it comes, then the statistics. Returns an exit code.
static int sample(struct run *r, const struct weft_opened *o, const struct prompt *prompt, uint32_t ctx) {
    struct weft_generate_stats stats = {0};
    weft_status status = generate(r, o, prompt, &stats);
    int code = weft_app_failed(status);
    if (status != WEFT_OK) return code;
    if (weft_interrupted) code = WEFT_EXIT_INTERRUPTED;
    if (r->json) print_json(r, o, prompt, &stats);
    if (stats.reason == WEFT_STOP_CONTEXT && stats.new_tokens == 0)
        weft_app_note("the prompt fills the context of %u tokens; raise --ctx for new ones", ctx);
    if (weft_out_alive() && (talkative(r) || weft_interrupted)) print_stats(r, o, &stats);
    return code;
}

static int with_model(struct run *r, const char *prompt, size_t length) {
    struct weft_opened o;
    struct prompt ids = {0};
    struct weft_model_info info = {0};
    weft_status status = weft_open_model(r->model, &r->g.device, &r->g.model, &o);
    if (status != WEFT_OK) return weft_app_failed(status);
    char device[256];
    weft_describe_device(o.device, device);
    (void)weft_model_info(o.model, &info);
    if (talkative(r)) weft_app_note("%s, %s cache, context %u", device, r->g.model.cache_f16 ? "f16" : "f32", info.ctx);
    unsigned flags = (r->no_bos ? WEFT_TOKENIZE_NO_BOS : 0) | (r->no_special ? 0 : WEFT_TOKENIZE_SPECIAL);
    status = weft_ids_of(weft_model_tokenizer(o.model), prompt, length, flags, &ids.ids, &ids.count);
    if (status == WEFT_OK && r->echo && !r->json) weft_out_content(prompt, length), weft_out_flush();
    int code = status != WEFT_OK ? weft_app_failed(status)
               : r->beams        ? search(r, &o, &ids)
                                 : sample(r, &o, &ids, info.ctx);
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
    weft_generating_ready(&r->g);
    if (r->beams) r->g.model.lazy = true; // the program of generation is not needed
    int code = with_model(r, r->prompt ? r->prompt : data, length);
    weft_free(data);
    weft_str_free(&r->text);
    weft_free(r->ids);
    return code;
}

// ---- options -------------------------------------------------------------------------------------------------------

enum {
    OPT_NO_BOS = WEFT_OPT_BEHIND_GENERATING,
    OPT_NO_SPECIAL,
    OPT_ECHO,
    OPT_IGNORE_EOS,
    OPT_BEAMS,
    OPT_LENGTH_PENALTY,
};

static const struct option options[] = {
    WEFT_COMMON_OPTIONS,
    WEFT_GENERATING_OPTIONS,
    {"file", required_argument, NULL, 'f'},
    {"ignore-eos", no_argument, NULL, OPT_IGNORE_EOS},
    {"beams", required_argument, NULL, OPT_BEAMS},
    {"length-penalty", required_argument, NULL, OPT_LENGTH_PENALTY},
    {"no-bos", no_argument, NULL, OPT_NO_BOS},
    {"no-special", no_argument, NULL, OPT_NO_SPECIAL},
    {"echo", no_argument, NULL, OPT_ECHO},
    {0},
};

/// Beam search draws nothing, so that these would be ignored.
static bool of_sampling(int option) {
    switch (option) {
    case WEFT_OPT_TEMP:
    case WEFT_OPT_TOP_K:
    case WEFT_OPT_TOP_P:
    case WEFT_OPT_MIN_P:
    case WEFT_OPT_SEED:
    case WEFT_OPT_REPEAT:
    case WEFT_OPT_FREQUENCY:
    case WEFT_OPT_PRESENCE:
    case WEFT_OPT_RUNS:
    case WEFT_OPT_STOP: return true;
    default: return false;
    }
}

static bool take_penalty(const struct weft_command *c, struct run *r) {
    double x = 0;
    r->penalty = true;
    bool ok = weft_app_number(c, "--length-penalty", optarg, -10, 10, &x);
    r->length_penalty = (float)x;
    return ok;
}

static bool take(const struct weft_command *c, struct run *r, int option) {
    r->samples = r->samples || of_sampling(option);
    switch (option) {
    case OPT_BEAMS: return weft_app_whole(c, "--beams", 1, 64, &r->beams);
    case OPT_LENGTH_PENALTY: return take_penalty(c, r);
    case WEFT_OPT_JSON: r->json = true; break;
    case 'f': r->file = optarg; break;
    case OPT_IGNORE_EOS: r->ignore_eos = true; break;
    case OPT_NO_BOS: r->no_bos = true; break;
    case OPT_NO_SPECIAL: r->no_special = true; break;
    case OPT_ECHO: r->echo = true; break;
    default: return weft_generating_option(c, option, &r->g);
    }
    return true;
}

static int run_run(const struct weft_command *self, int argc, char **argv) {
    struct run r = {.g = weft_generating_defaults(), .length_penalty = 1};
    r.g.tokens = DEFAULT_TOKENS;
    for (int option; (option = weft_app_option(self, argc, argv, "hn:f:", options)) != -1;) {
        if (option == WEFT_OPT_HELP) return WEFT_EXIT_OK;
        if (option == WEFT_OPT_BAD || !take(self, &r, option)) return WEFT_EXIT_USAGE;
    }
    if (r.penalty && !r.beams) return weft_app_usage(self, "--length-penalty is about --beams");
    if (r.beams && r.samples)
        return weft_app_usage(self, "--beams takes no options of sampling, no --stop and no --runs");
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
        "  -n, --tokens N        at most N new tokens; 0: until the context is full (default "
        "128)\n" WEFT_GENERATING_HELP
        "      --beams N         the likeliest text that a beam search of N (1 to 64) finds, in place of sampling;\n"
        "                        it is printed when it is found\n"
        "      --length-penalty X  texts compete by log probability / length^X (-10 to 10, default 1: the mean a "
        "token)\n"
        "      --ignore-eos      go on behind the model's own stop tokens\n"
        "      --no-bos          no BOS in front of the prompt\n"
        "      --no-special      control tokens written in the prompt are plain text\n"
        "      --echo            print the prompt first\n"
        "      --stats           device, times and counts on stderr even if that is no terminal\n"
        "      --json            text, ids and statistics as one JSON object at the end\n" WEFT_DEVICE_HELP
        "  -h, --help            this text\n\n"
        "Ctrl-C ends the text cleanly (exit code 130).\n",
    .run = run_run,
};
