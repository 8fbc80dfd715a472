/// weft embed: vectors of texts.
#include "app/catalogue.h"
#include "app/input.h"
#include "app/model.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/str.h"
#include "weft/embed.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct request {
    const char *model, *file;
    struct weft_device_params device;
    struct weft_embedder_params open;
    struct weft_embed_params embed;
    bool json, null;
};

/// What is open, and the texts that wait for a run.
struct job {
    const struct request *r;
    weft_device *device;
    weft_embedder *embedder;
    struct weft_embedder_info info;
    struct weft_open_bars bars;
    struct weft_str text;
    size_t *ends; ///< of the texts in `text`
    size_t n, cap;
    uint64_t done; ///< texts of the runs before
};

// ---- opening -------------------------------------------------------------------------------------------------------

static weft_status open_job(struct job *j) {
    struct weft_embedder_params p = j->r->open;
    char *path = NULL;
    p.progress = weft_open_progress;
    p.progress_user = &j->bars;
    p.cancel = &weft_interrupt;
    j->bars.stage = -1;
    weft_status status = weft_model_path(j->r->model, &path);
    if (status == WEFT_OK) status = weft_device_open(&j->r->device, &j->device);
    if (status == WEFT_OK) status = weft_embedder_open(j->device, path, &p, &j->embedder);
    weft_bar_end(&j->bars.bar);
    weft_free(path);
    return status == WEFT_OK ? weft_embedder_info(j->embedder, &j->info) : status;
}

static void close_job(struct job *j) {
    weft_embedder_close(&j->embedder);
    weft_device_close(&j->device);
    weft_str_free(&j->text);
    weft_free(j->ends);
}

// ---- output --------------------------------------------------------------------------------------------------------

static void print_plain(const float *vector, uint32_t size) {
    for (uint32_t i = 0; i < size && weft_out_alive(); i++) weft_outf("%s%.9g", i ? " " : "", (double)vector[i]);
    weft_outf("\n");
}

/// One line, so that a stream of them can be read as it comes.
static int print_json(const struct job *j, size_t i, uint32_t tokens, const float *vector) {
    struct weft_str text = {0};
    struct weft_json w;
    weft_json_begin(&w, &text, 0);
    w.digits = 9;
    weft_json_object(&w, NULL);
    weft_json_u64(&w, "index", j->done + i);
    weft_json_u64(&w, "tokens", tokens);
    weft_json_array(&w, "embedding");
    for (uint32_t k = 0; k < j->info.size; k++) weft_json_real(&w, NULL, (double)vector[k]);
    weft_json_end(&w);
    weft_json_end(&w);
    bool done = weft_json_done(&w);
    if (done) weft_outf("%s\n", weft_str_get(&text));
    weft_str_free(&text);
    return done ? WEFT_EXIT_OK : weft_app_error("out of memory for the JSON output");
}

static int print_all(const struct job *j, const uint32_t *tokens, const float *vectors) {
    int code = WEFT_EXIT_OK;
    for (size_t i = 0; i < j->n && code == WEFT_EXIT_OK && weft_out_alive(); i++) {
        const float *vector = vectors + i * j->info.size;
        if (j->r->json) code = print_json(j, i, tokens[i], vector);
        else print_plain(vector, j->info.size);
    }
    weft_out_flush();
    return code;
}

// ---- texts ---------------------------------------------------------------------------------------------------------

static weft_status add(struct job *j, const char *text, size_t len) {
    weft_str_addn(&j->text, text, len);
    if (j->text.failed || !weft_grow((void **)&j->ends, &j->cap, j->n + 1, sizeof *j->ends))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for a text");
    j->ends[j->n++] = j->text.len;
    return WEFT_OK;
}

/// Computes the texts that wait, prints them and forgets them.
static int flush(struct job *j) {
    struct weft_embed_params p = j->r->embed;
    size_t n = j->n, bytes = n * j->info.size * sizeof(float);
    struct weft_text *texts = weft_calloc(n ? n : 1, sizeof *texts);
    uint32_t *tokens = weft_calloc(n ? n : 1, sizeof *tokens);
    float *vectors = weft_alloc(bytes ? bytes : 1);
    weft_status status = WEFT_OK;
    if (!texts || !tokens || !vectors) status = weft_fail(WEFT_ERR_NOMEM, "out of memory for the vectors of texts");
    for (size_t i = 0; status == WEFT_OK && i < n; i++) {
        size_t from = i ? j->ends[i - 1] : 0;
        texts[i] = (struct weft_text){weft_str_get(&j->text) + from, j->ends[i] - from};
    }
    p.tokens = tokens;
    p.cancel = &weft_interrupt;
    if (status == WEFT_OK) status = weft_embedder_run(j->embedder, texts, n, &p, vectors, NULL);
    int code = status == WEFT_OK ? print_all(j, tokens, vectors) : weft_app_failed(status);
    weft_free(texts);
    weft_free(tokens);
    weft_free(vectors);
    j->done += n;
    j->n = 0;
    weft_str_cut(&j->text, 0);
    return code;
}

enum { TOGETHER = 256 }; ///< texts that are read before they run

/// What stands between line breaks or zero bytes; the last one needs none behind it.
static int each_of(struct job *j, const char *data, size_t length) {
    const char end = j->r->null ? 0 : '\n';
    int code = WEFT_EXIT_OK;
    for (size_t at = 0, next; at < length && code == WEFT_EXIT_OK && weft_out_alive(); at = next) {
        const char *found = memchr(data + at, end, length - at);
        size_t n = found ? (size_t)(found - data) - at : length - at;
        next = at + n + 1;
        if (!j->r->null && n && data[at + n - 1] == '\r') n--;
        weft_status status = add(j, data + at, n);
        if (status != WEFT_OK) return weft_app_failed(status);
        if (j->n == TOGETHER) code = flush(j);
    }
    return code == WEFT_EXIT_OK && j->n ? flush(j) : code;
}

static int from_file(struct job *j) {
    char *data = NULL;
    size_t length;
    weft_status status = weft_file_read(j->r->file, 0, &data, &length);
    int code = status == WEFT_OK ? each_of(j, data, length) : weft_app_failed(status);
    weft_free(data);
    return code;
}

/// Lines as they come: whoever waits for the vector of one gets it, and many that are there run together.
static int from_stdin(struct job *j) {
    struct weft_input in = {0};
    struct weft_str line = {0};
    int code = WEFT_EXIT_OK;
    while (code == WEFT_EXIT_OK && weft_out_alive()) {
        enum weft_input_result result = weft_input_line(&in, &line);
        if (result == WEFT_INPUT_INTERRUPTED) code = WEFT_EXIT_INTERRUPTED;
        if (result != WEFT_INPUT_LINE) break;
        weft_status status = add(j, weft_str_get(&line), line.len);
        if (status != WEFT_OK) code = weft_app_failed(status);
        bool more = in.held.len && memchr(in.held.data, '\n', in.held.len);
        if (code == WEFT_EXIT_OK && (j->n == TOGETHER || !more)) code = flush(j);
        weft_str_cut(&line, 0);
    }
    weft_str_free(&line);
    weft_input_free(&in);
    return code == WEFT_EXIT_OK && j->n ? flush(j) : code;
}

static int from_arguments(struct job *j, int n, char **texts) {
    for (int i = 0; i < n; i++) {
        weft_status status = add(j, texts[i], strlen(texts[i]));
        if (status != WEFT_OK) return weft_app_failed(status);
    }
    return flush(j);
}

static int embed(const struct request *r, int n, char **texts) {
    struct job j = {.r = r};
    char device[256];
    weft_status status = open_job(&j);
    int code = weft_app_failed(status);
    if (status == WEFT_OK) {
        weft_describe_device(j.device, device);
        if (isatty(STDERR_FILENO) == 1)
            weft_app_note("%s, vectors of %u, texts of up to %u tokens", device, j.info.size, j.info.max_tokens);
        weft_app_catch_interrupts(true);
        bool lines = !n && (!r->file || !strcmp(r->file, "-"));
        code = n ? from_arguments(&j, n, texts) : lines && !r->null ? from_stdin(&j) : from_file(&j);
        weft_app_catch_interrupts(false);
    }
    close_job(&j);
    return code;
}

// ---- options -------------------------------------------------------------------------------------------------------

enum {
    OPT_POOLING = WEFT_OPT_FIRST_OWN,
    OPT_NORMALIZE,
    OPT_RAW,
    OPT_TRUNCATE,
    OPT_MAX_TOKENS,
    OPT_BATCH_TOKENS,
    OPT_SPECIAL,
    OPT_NULL
};

static bool take_pooling(const struct weft_command *c, enum weft_pooling *out) {
    static const char *const names[] = {
        [WEFT_POOLING_MEAN] = "mean", [WEFT_POOLING_CLS] = "cls", [WEFT_POOLING_LAST] = "last"};
    for (int i = WEFT_POOLING_MEAN; i <= WEFT_POOLING_LAST; i++)
        if (!strcmp(optarg, names[i])) return *out = (enum weft_pooling)i, true;
    weft_app_usage(c, "--pooling takes mean, cls or last, not '%s'", optarg);
    return false;
}

static bool take(const struct weft_command *c, struct request *r, int option) {
    int ignored;
    switch (option) {
    case WEFT_OPT_JSON: return r->json = true;
    case 'f': r->file = optarg; return true;
    case OPT_POOLING: return take_pooling(c, &r->embed.pooling);
    case OPT_NORMALIZE: return r->embed.normalize = true;
    case OPT_RAW: return r->embed.raw = true;
    case OPT_TRUNCATE: return r->embed.truncate = true;
    case OPT_MAX_TOKENS: return weft_app_whole(c, "--max-tokens", 1, WEFT_MAX_CTX, &r->open.max_tokens);
    case OPT_BATCH_TOKENS: return weft_app_whole(c, "--batch-tokens", 1, WEFT_MAX_CTX, &r->open.batch_tokens);
    case OPT_SPECIAL: r->embed.tokenize |= WEFT_TOKENIZE_SPECIAL; return true;
    case OPT_NULL: return r->null = true;
    }
    return weft_app_device_option(c, option, &r->device, &ignored);
}

static int run_embed(const struct weft_command *self, int argc, char **argv) {
    static const struct option options[] = {
        WEFT_COMMON_OPTIONS,
        WEFT_DEVICE_OPTIONS,
        {"file", required_argument, NULL, 'f'},
        {"null", no_argument, NULL, OPT_NULL},
        {"pooling", required_argument, NULL, OPT_POOLING},
        {"normalize", no_argument, NULL, OPT_NORMALIZE},
        {"no-normalize", no_argument, NULL, OPT_RAW},
        {"truncate", no_argument, NULL, OPT_TRUNCATE},
        {"max-tokens", required_argument, NULL, OPT_MAX_TOKENS},
        {"batch-tokens", required_argument, NULL, OPT_BATCH_TOKENS},
        {"special", no_argument, NULL, OPT_SPECIAL},
        {0},
    };
    struct request r = {0};
    for (int option; (option = weft_app_option(self, argc, argv, "hf:", options)) != -1;) {
        if (option == WEFT_OPT_HELP) return WEFT_EXIT_OK;
        if (option == WEFT_OPT_BAD || !take(self, &r, option)) return WEFT_EXIT_USAGE;
    }
    int operands = argc - optind;
    if (operands < 1) return weft_app_usage(self, "which model?");
    if (operands > 1 && r.file) return weft_app_usage(self, "texts and --file exclude each other");
    if (operands > 1 && r.null) return weft_app_usage(self, "--null is about texts from a file or stdin");
    if (r.embed.raw && r.embed.normalize)
        return weft_app_usage(self, "--normalize and --no-normalize exclude each other");
    r.model = argv[optind];
    if (!r.file && r.null) r.file = "-";
    return embed(&r, operands - 1, argv + optind + 1);
}

const struct weft_command weft_command_embed = {
    .name = "embed",
    .summary = "turn texts into vectors",
    .help = "usage: weft embed MODEL [TEXT... | -f FILE]\n\n"
            "Prints a vector for each TEXT, or for each line of a file or of stdin: a line of numbers with spaces "
            "between.\n"
            "MODEL is an encoder such as all-MiniLM-L6-v2, as a folder or a GGUF file.\n\n"
            "  -f, --file FILE       lines of a file (- is stdin)\n"
            "      --null            texts have a zero byte behind each in place of a line break\n"
            "      --pooling KIND    mean, cls or last: how the vectors of tokens become one (default: the model's)\n"
            "      --normalize       vectors of length 1, whatever the model says\n"
            "      --no-normalize    vectors as pooling leaves them\n"
            "      --truncate        cut texts of too many tokens, in place of an error\n"
            "      --max-tokens N    tokens a text at most (default: what the model's files say, at most 2048)\n"
            "      --batch-tokens N  tokens a run at most\n"
            "      --special         control tokens written in a text count as such; not for untrusted texts\n"
            "      --json            a line of JSON for each text: index, tokens, embedding\n" WEFT_DEVICE_HELP
            "  -h, --help            this text\n",
    .run = run_embed,
};
