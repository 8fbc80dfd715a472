/// weft tokenize: text to ids and back.
#include "app/app.h"
#include "app/catalogue.h"
#include "app/json.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "core/visible.h"
#include "model/tokenizer/tokenizer.h"

#include <string.h>
#include <stdlib.h>

struct request {
    const char *text, *file, *decode;
    bool json, pieces, show_control, many;
    unsigned flags;
};

static void print_piece(const struct weft_tokenizer *t, int32_t id) {
    struct weft_str bytes = {0};
    if (weft_tokenizer_decode(t, id, true, &bytes) == WEFT_OK) {
        struct weft_str escaped = {0};
        weft_str_add_escaped(&escaped, weft_str_get(&bytes), bytes.len);
        weft_outf("%7d  \"%s\"\n", id, weft_str_get(&escaped));
        weft_str_free(&escaped);
    }
    weft_str_free(&bytes);
}

static int print_ids_json(const struct weft_tokenizer *t, const struct weft_ids *ids) {
    json_t *list = json_array(), *pieces = json_array();
    for (size_t i = 0; i < ids->count; i++) {
        struct weft_str bytes = {0};
        json_array_append_new(list, json_integer(ids->data[i]));
        if (weft_tokenizer_decode(t, ids->data[i], true, &bytes) == WEFT_OK)
            json_array_append_new(pieces, weft_json_text(weft_str_get(&bytes), bytes.len));
        weft_str_free(&bytes);
    }
    return weft_json_print(json_pack("{so so}", "ids", list, "pieces", pieces));
}

static int encode(const struct weft_tokenizer *t, const struct request *r) {
    struct weft_ids ids = {0};
    char *data = NULL;
    size_t length = r->text ? strlen(r->text) : 0;
    weft_status status = WEFT_OK;
    if (!r->text) status = weft_file_read(r->file ? r->file : "-", 0, &data, &length);
    if (status == WEFT_OK) status = weft_tokenizer_encode(t, r->text ? r->text : data, length, r->flags, &ids);
    int code = weft_app_failed(status);
    if (status == WEFT_OK && r->json) {
        code = print_ids_json(t, &ids);
    } else if (status == WEFT_OK) {
        for (size_t i = 0; i < ids.count && weft_out_alive(); i++) {
            if (r->pieces) print_piece(t, ids.data[i]);
            else weft_outf("%s%d", i ? " " : "", ids.data[i]);
        }
        if (!r->pieces) weft_outf("\n");
    }
    weft_ids_free(&ids);
    weft_free(data);
    return code;
}

/// Texts with a zero byte behind each, a line of ids for each.
static int encode_many(const struct weft_tokenizer *t, const struct request *r) {
    char *data = NULL;
    size_t length;
    struct weft_ids ids = {0};
    weft_status status = weft_file_read(r->file ? r->file : "-", 0, &data, &length);
    for (size_t at = 0; status == WEFT_OK && at < length && weft_out_alive();) {
        const char *end = memchr(data + at, 0, length - at);
        size_t size = end ? (size_t)(end - data) - at : length - at;
        ids.count = 0;
        status = weft_tokenizer_encode(t, data + at, size, r->flags, &ids);
        for (size_t i = 0; status == WEFT_OK && i < ids.count; i++) weft_outf("%s%d", i ? " " : "", ids.data[i]);
        if (status == WEFT_OK) weft_outf("\n");
        at += size + 1;
    }
    weft_ids_free(&ids);
    weft_free(data);
    return weft_app_failed(status);
}

/// Ids separated by anything but digits and signs: "2 954", "[2, 954]".
static weft_status decode_list(const struct weft_tokenizer *t, const char *list, bool show_control,
                               struct weft_str *out) {
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
        WEFT_TRY(weft_tokenizer_decode(t, (int32_t)id, show_control, out));
        p = end;
    }
}

static int decode(const struct weft_tokenizer *t, const struct request *r) {
    char *data = NULL;
    size_t length;
    struct weft_str text = {0};
    weft_status status = WEFT_OK;
    if (!strcmp(r->decode, "-")) status = weft_file_read("-", 0, &data, &length);
    if (status == WEFT_OK) status = decode_list(t, data ? data : r->decode, r->show_control, &text);
    int code = weft_app_failed(status);
    if (status == WEFT_OK) weft_out_content(weft_str_get(&text), text.len);
    weft_str_free(&text);
    weft_free(data);
    return code;
}

static int with_model(const char *model, const struct request *r) {
    char *path = NULL;
    struct weft_tokenizer *tokenizer = NULL;
    weft_status status = weft_model_path(model, &path);
    if (status == WEFT_OK) status = weft_tokenizer_open(path, &tokenizer);
    int code = status != WEFT_OK ? weft_app_failed(status)
               : r->decode       ? decode(tokenizer, r)
               : r->many         ? encode_many(tokenizer, r)
                                 : encode(tokenizer, r);
    weft_tokenizer_destroy(tokenizer);
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
    struct request r = {.flags = WEFT_ENCODE_ADD_BOS | WEFT_ENCODE_PARSE_SPECIAL};
    for (int option; (option = weft_app_option(self, argc, argv, "hf:", options)) != -1;) {
        switch (option) {
        case WEFT_OPT_HELP: return WEFT_EXIT_OK;
        case WEFT_OPT_BAD: return WEFT_EXIT_USAGE;
        case WEFT_OPT_JSON: r.json = true; break;
        case 'f': r.file = optarg; break;
        case OPT_NO_SPECIAL: r.flags &= ~(unsigned)WEFT_ENCODE_PARSE_SPECIAL; break;
        case OPT_NO_BOS: r.flags &= ~(unsigned)WEFT_ENCODE_ADD_BOS; break;
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
