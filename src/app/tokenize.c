/// weft tokenize: text to ids and back.
#include "app/app.h"
#include "app/catalogue.h"
#include "app/json.h"
#include "app/model.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "core/str.h"
#include "core/visible.h"
#include "weft/tokenizer.h"

#include <string.h>
#include <stdlib.h>

struct request {
    const char *text, *file, *decode;
    bool json, pieces, show_control, many;
    unsigned flags;
};

/// The text of some ids, to be freed with weft_free.
static weft_status text_of(const weft_tokenizer *t, const int32_t *ids, size_t count, bool control, char **out,
                           size_t *length) {
    *out = NULL;
    WEFT_TRY(weft_tokenizer_to_text(t, ids, count, control, NULL, 0, length));
    *out = weft_alloc(*length + 1);
    if (!*out) return weft_fail(WEFT_ERR_NOMEM, "out of memory for the text");
    return weft_tokenizer_to_text(t, ids, count, control, *out, *length + 1, length);
}

static void print_piece(const weft_tokenizer *t, int32_t id) {
    char *bytes;
    size_t length;
    if (text_of(t, &id, 1, true, &bytes, &length) == WEFT_OK) {
        struct weft_str escaped = {0};
        weft_str_add_escaped(&escaped, bytes, length);
        weft_outf("%7d  \"%s\"\n", id, weft_str_get(&escaped));
        weft_str_free(&escaped);
    }
    weft_free(bytes);
}

static int print_ids_json(const weft_tokenizer *t, const int32_t *ids, size_t count) {
    json_t *pieces = json_array();
    for (size_t i = 0; i < count; i++) {
        char *bytes;
        size_t length;
        if (text_of(t, &ids[i], 1, true, &bytes, &length) == WEFT_OK)
            json_array_append_new(pieces, weft_json_text(bytes, length));
        weft_free(bytes);
    }
    return weft_json_print(json_pack("{so so}", "ids", weft_json_ids(ids, count), "pieces", pieces));
}

static int encode(const weft_tokenizer *t, const struct request *r) {
    int32_t *ids = NULL;
    char *data = NULL;
    size_t length = r->text ? strlen(r->text) : 0, count = 0;
    weft_status status = WEFT_OK;
    if (!r->text) status = weft_file_read(r->file ? r->file : "-", 0, &data, &length);
    if (status == WEFT_OK) status = weft_ids_of(t, r->text ? r->text : data, length, r->flags, &ids, &count);
    int code = weft_app_failed(status);
    if (status == WEFT_OK && r->json) {
        code = print_ids_json(t, ids, count);
    } else if (status == WEFT_OK) {
        for (size_t i = 0; i < count && weft_out_alive(); i++) {
            if (r->pieces) print_piece(t, ids[i]);
            else weft_outf("%s%d", i ? " " : "", ids[i]);
        }
        if (!r->pieces) weft_outf("\n");
    }
    weft_free(ids);
    weft_free(data);
    return code;
}

/// Texts with a zero byte behind each, a line of ids for each.
static int encode_many(const weft_tokenizer *t, const struct request *r) {
    char *data = NULL;
    size_t length;
    weft_status status = weft_file_read(r->file ? r->file : "-", 0, &data, &length);
    for (size_t at = 0; status == WEFT_OK && at < length && weft_out_alive();) {
        const char *end = memchr(data + at, 0, length - at);
        size_t size = end ? (size_t)(end - data) - at : length - at, count = 0;
        int32_t *ids;
        status = weft_ids_of(t, data + at, size, r->flags, &ids, &count);
        for (size_t i = 0; status == WEFT_OK && i < count; i++) weft_outf("%s%d", i ? " " : "", ids[i]);
        if (status == WEFT_OK) weft_outf("\n");
        weft_free(ids);
        at += size + 1;
    }
    weft_free(data);
    return weft_app_failed(status);
}

/// Ids separated by anything but digits and signs: "2 954", "[2, 954]".
static weft_status read_list(const weft_tokenizer *t, const char *list, int32_t **ids, size_t *count) {
    size_t room = 0;
    for (const char *p = list;;) {
        p += strspn(p, " \t\r\n,[]");
        if (!*p) return WEFT_OK;
        char *end;
        long id = strtol(p, &end, 10);
        if (end == p || (*end && !strchr(" \t\r\n,[]", *end)))
            return weft_fail(WEFT_ERR_INVALID, "'%.20s' is no list of token ids", p);
        if (id < 0 || id >= weft_tokenizer_size(t))
            return weft_fail(WEFT_ERR_INVALID, "id %ld is outside the vocabulary of %d tokens", id,
                             weft_tokenizer_size(t));
        if (!weft_grow((void **)ids, &room, *count + 1, sizeof **ids))
            return weft_fail(WEFT_ERR_NOMEM, "out of memory for the ids");
        (*ids)[(*count)++] = (int32_t)id;
        p = end;
    }
}

static int decode(const weft_tokenizer *t, const struct request *r) {
    char *data = NULL, *text = NULL;
    int32_t *ids = NULL;
    size_t length, count = 0;
    weft_status status = WEFT_OK;
    if (!strcmp(r->decode, "-")) status = weft_file_read("-", 0, &data, &length);
    if (status == WEFT_OK) status = read_list(t, data ? data : r->decode, &ids, &count);
    if (status == WEFT_OK) status = text_of(t, ids, count, r->show_control, &text, &length);
    if (status == WEFT_OK) weft_out_content(text, length);
    weft_free(text);
    weft_free(ids);
    weft_free(data);
    return weft_app_failed(status);
}

static int with_model(const char *model, const struct request *r) {
    char *path = NULL;
    weft_tokenizer *tokenizer = NULL;
    weft_status status = weft_model_path(model, &path);
    if (status == WEFT_OK) status = weft_tokenizer_open(path, &tokenizer);
    int code = status != WEFT_OK ? weft_app_failed(status)
               : r->decode       ? decode(tokenizer, r)
               : r->many         ? encode_many(tokenizer, r)
                                 : encode(tokenizer, r);
    weft_tokenizer_close(&tokenizer);
    weft_free(path);
    return code;
}

enum { OPT_NO_SPECIAL = WEFT_OPT_FIRST_OWN, OPT_NO_BOS, OPT_DECODE, OPT_PIECES, OPT_CONTROL, OPT_NULL };

static int run_tokenize(const struct weft_command *self, int argc, char **argv) {
    static const struct option options[] = {
        WEFT_COMMON_OPTIONS,
        {"file", required_argument, NULL, 'f'},
        {"no-special", no_argument, NULL, OPT_NO_SPECIAL},
        {"no-bos", no_argument, NULL, OPT_NO_BOS},
        {"decode", required_argument, NULL, OPT_DECODE},
        {"show-control", no_argument, NULL, OPT_CONTROL},
        {"pieces", no_argument, NULL, OPT_PIECES},
        {"null", no_argument, NULL, OPT_NULL},
        {0},
    };
    struct request r = {.flags = WEFT_TOKENIZE_SPECIAL};
    for (int option; (option = weft_app_option(self, argc, argv, "hf:", options)) != -1;) {
        switch (option) {
        case WEFT_OPT_HELP: return WEFT_EXIT_OK;
        case WEFT_OPT_BAD: return WEFT_EXIT_USAGE;
        case WEFT_OPT_JSON: r.json = true; break;
        case 'f': r.file = optarg; break;
        case OPT_NO_SPECIAL: r.flags &= ~(unsigned)WEFT_TOKENIZE_SPECIAL; break;
        case OPT_NO_BOS: r.flags |= WEFT_TOKENIZE_NO_BOS; break;
        case OPT_DECODE: r.decode = optarg; break;
        case OPT_CONTROL: r.show_control = true; break;
        case OPT_PIECES: r.pieces = true; break;
        case OPT_NULL: r.many = true; break;
        }
    }
    int operands = argc - optind;
    if (operands < 1) return weft_app_usage(self, "which model?");
    if (operands > 2) return weft_app_usage(self, "one text only; put it in quotes");
    if (operands == 2 && (r.file || r.decode))
        return weft_app_usage(self, "a text and --%s exclude each other", r.file ? "file" : "decode");
    if (r.many && (operands == 2 || r.decode || r.json || r.pieces))
        return weft_app_usage(self,
                              "--null reads texts from a file or stdin and prints their ids; no more goes with it");
    if (operands == 2 && strcmp(argv[optind + 1], "-")) r.text = argv[optind + 1];
    return with_model(argv[optind], &r);
}

const struct weft_command weft_command_tokenize = {
    .name = "tokenize",
    .summary = "turn text into token ids, or ids into text",
    .help = "usage: weft tokenize MODEL [TEXT | -f FILE]\n"
            "       weft tokenize MODEL --decode IDS\n\n"
            "Prints the ids of TEXT, a file or stdin on one line, separated by spaces.\n\n"
            "  -f, --file FILE       read the text from a file (- is stdin)\n"
            "      --no-special      control tokens written in the text stay text\n"
            "      --no-bos          no BOS in front\n"
            "      --pieces          one line a token: id and text\n"
            "      --json            ids and pieces as JSON\n"
            "      --null            several texts, with a zero byte behind each; a line of ids for each\n"
            "      --decode IDS      print the text of a list of ids (- reads them from stdin)\n"
            "      --show-control    with --decode: control tokens as text\n"
            "  -h, --help            this text\n",
    .run = run_tokenize,
};
