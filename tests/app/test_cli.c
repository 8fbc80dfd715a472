/// The command line without a driver: usage, exit codes, output, on a tiny model and the null device.
#include "cli.h"
#include "core/file.h"
#include "ir/dtype.h"
#include "model/lm_graph.h"
#include "support/tiny_gemma3.h"

#include <ctype.h>
#include <jansson.h>
#include <signal.h>

static const char *tiny(void) {
    static char path[256];
    if (!*path) {
        snprintf(path, sizeof path, "%s/tiny.gguf", cli_folder());
        assert_true(weft_tiny_gemma3_write(&(struct weft_tiny_gemma3){.seed = 1}, path));
    }
    return path;
}

static json_t *parse(const struct cli *c) {
    json_error_t error;
    json_t *root = json_loadb(c->out, c->out_size, 0, &error);
    if (!root) fprintf(stderr, "no JSON: %s\n%.300s\n", error.text, c->out);
    assert_non_null(root);
    return root;
}

// ---- usage and help ------------------------------------------------------------------------------------------------

/// Wrong command lines: code 2, nothing on stdout, one line on stderr that says what and where to look.
static void test_usage(void **state) {
    (void)state;
    static const struct {
        const char *args[6], *says;
    } cases[] = {
        {{"frobnicate"}, "no command 'frobnicate'"},
        {{"run"}, "which model"},
        {{"run", "--nonsense", "m", "p"}, "no option '--nonsense'"},
        {{"run", "-Z", "m", "p"}, "no option '-Z'"},
        {{"run", "m", "p", "-n"}, "'-n' needs a value"},
        {{"run", "m", "p", "-n", "-1"}, "-n takes a whole number"},
        {{"run", "m", "p", "-n", "12x"}, "-n takes a whole number"},
        {{"run", "m", "p", "--temp", "warm"}, "--temp takes a number"},
        {{"run", "m", "p", "--temp", "nan"}, "--temp takes a number"},
        {{"run", "m", "p", "--top-p", "1.5"}, "--top-p takes a number"},
        {{"run", "m", "p", "--stop", ""}, "--stop takes a text"},
        {{"run", "m", "p", "--cache", "i8"}, "--cache takes f32 or f16"},
        {{"run", "m", "p", "--numbers", "f16"}, "--numbers takes f32 or invariant"},
        {{"run", "m", "p", "--beams", "0"}, "--beams takes a whole number from 1 to 64"},
        {{"run", "m", "p", "--beams", "65"}, "--beams takes a whole number from 1 to 64"},
        {{"run", "m", "p", "--length-penalty", "1"}, "--length-penalty is about --beams"},
        {{"run", "--beams", "2", "--length-penalty", "nan"}, "--length-penalty takes a number"},
        {{"run", "--beams", "2", "--temp", "1", "m"}, "--beams takes no options of sampling"},
        {{"run", "--beams", "2", "--stop", "x", "m"}, "--beams takes no options of sampling"},
        {{"run", "m", "p", "--json=1"}, "takes no value"},
        {{"run", "m", "p", "q"}, "one prompt only"},
        {{"run", "m", "p", "-f", "x"}, "exclude each other"},
        {{"pull"}, "which model"},
        {{"pull", "--list", "x"}, "takes no name"},
        {{"perplexity", "m"}, "a text file"},
        {{"perplexity", "m", "f", "--ctx", "3"}, "--ctx takes a whole number from 4"},
        {{"tokenize"}, "which model"},
        {{"tokenize", "m", "a", "b"}, "one text only"},
        {{"tokenize", "m", "a", "--decode", "1"}, "exclude each other"},
        {{"tokenize", "m", "--null", "--json"}, "no more goes with it"},
        {{"inspect"}, "one model"},
        {{"inspect", "m", "--head", "tail"}, "--head takes"},
        {{"inspect", "m", "--passes=nought"}, "no pass 'nought'"},
        {{"inspect", "m", "--passes", "fuse", "--json"}, "prints text"},
        {{"inspect", "m", "--policy", "none"}, "--policy takes"},
        {{"inspect", "m", "--policy", "double"}, "for graphs in text"},
        {{"inspect", "g.weft", "--keys"}, "no model's keys"},
        {{"bench", "m", "--steps", "--json"}, "without --json"},
        {{"devices", "x"}, "takes no arguments"},
        {{"devices", "--limits", "max"}, "--limits takes only 'min'"},
        {{"devices", "--adapter", "x"}, "--adapter takes"},
        {{"bench", "m", "-p", "1,,2"}, "-p takes"},
        {{"bench", "m", "-r", "0"}, "-r takes"},
        {{"help", "frobnicate"}, "no command 'frobnicate'"},
        {{"version", "x"}, "takes no arguments"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cli c = {0};
        for (size_t a = 0; a < 6; a++) c.args[a] = cases[i].args[a];
        cli_expect(&c, WEFT_EXIT_USAGE);
        if (!strstr(c.err, cases[i].says)) fprintf(stderr, "case %zu: '%s' is not in: %s", i, cases[i].says, c.err);
        assert_non_null(strstr(c.err, cases[i].says));
        assert_int_equal(cli_lines(c.err), 1);
        assert_non_null(strstr(c.err, "weft"));
        assert_int_equal(c.out_size, 0);
        cli_free(&c);
    }
    struct cli *none = CLI(NULL);
    cli_expect(none, WEFT_EXIT_USAGE);
    assert_non_null(strstr(none->err, "commands:"));
    cli_free(none);
}

static void test_help(void **state) {
    (void)state;
    static const char *const names[] = {"run",     "pull",  "perplexity", "tokenize", "inspect",
                                        "devices", "bench", "help",       "version"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct cli *own = CLI(names[i], "--help"), *other = CLI("help", names[i]);
        char start[64];
        snprintf(start, sizeof start, "usage: weft %s", names[i]);
        cli_expect(own, WEFT_EXIT_OK);
        cli_expect(other, WEFT_EXIT_OK);
        assert_memory_equal(own->out, start, strlen(start));
        assert_string_equal(own->out, other->out);
        assert_string_equal(own->err, "");
        cli_free(own);
        cli_free(other);
    }
    struct cli *version = CLI("--version");
    cli_expect(version, WEFT_EXIT_OK);
    assert_string_equal(version->out, "weft " WEFT_VERSION "\n");
    cli_free(version);
}

/// Failures: code 1, one line, nothing on stdout.
static void test_failures(void **state) {
    (void)state;
    cli_write(cli_path("text"), "no model", 8);
    struct {
        const char *args[6], *says;
    } cases[] = {
        {{"run", "nowhere", "x"}, "weft pull --list"},
        {{"run", "gemma3-270m", "x"}, "weft pull gemma3-270m"},
        {{"run", cli_folder(), "x"}, "config.json is missing"},
        {{"run", cli_path("text"), "x"}, "not a GGUF file"},
        {{"run", tiny(), "x", "--ctx", "65"}, "smaller --ctx"},
        {{"run", tiny(), "x", "--webgpu", "/nowhere.so"}, "/nowhere.so"},
        {{"run", tiny(), "-f", "/nowhere"}, "/nowhere"},
        {{"pull", "nowhere"}, "weft pull --list"},
        {{"perplexity", tiny(), "/nowhere", "--ctx", "8"}, "/nowhere"},
        {{"perplexity", tiny(), cli_path("text"), "--ctx", "32"}, "smaller --ctx"},
        {{"tokenize", tiny(), "--decode", "1 x"}, "no list of token ids"},
        {{"tokenize", tiny(), "--decode", "300"}, "vocabulary of 300"},
        {{"inspect", "/nowhere"}, "/nowhere"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cli c = {0};
        for (size_t a = 0; a < 6; a++) c.args[a] = cases[i].args[a];
        cli_expect(&c, WEFT_EXIT_FAILURE);
        if (!strstr(c.err, cases[i].says)) fprintf(stderr, "case %zu: '%s' is not in: %s", i, cases[i].says, c.err);
        assert_non_null(strstr(c.err, cases[i].says));
        assert_int_equal(cli_lines(c.err), 1);
        assert_memory_equal(c.err, "weft: ", 6);
        assert_int_equal(c.out_size, 0);
        cli_free(&c);
    }
}

// ---- output --------------------------------------------------------------------------------------------------------

static void test_closed_pipe(void **state) {
    (void)state;
    struct cli list = {.args = {"inspect", tiny()}, .closed_pipe = true};
    struct cli text = {.args = {"run", tiny(), "abc", "--temp", "0"}, .closed_pipe = true};
    cli_expect(&list, WEFT_EXIT_PIPE);
    assert_string_equal(list.err, "");
    cli_free(&list);
    // The null device gives id 0, which shows as nothing: the echoed prompt is what meets the closed pipe.
    text.args[5] = "--echo";
    cli_expect(&text, WEFT_EXIT_PIPE);
    assert_string_equal(text.err, "");
    cli_free(&text);
    struct cli full = {.args = {"inspect", tiny()}, .stdout_to = "/dev/full"};
    cli_expect(&full, WEFT_EXIT_FAILURE);
    assert_non_null(strstr(full.err, "cannot write to standard output"));
    cli_free(&full);
}

/// Several texts at once, and a tokenizer.json.
static void test_tokenize_files(void **state) {
    (void)state;
    static const char json[] =
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}}";
    char path[200], broken[200];
    snprintf(path, sizeof path, "%s", cli_path("tokenizer.json"));
    snprintf(broken, sizeof broken, "%s", cli_path("broken.json"));
    assert_int_equal(weft_file_write(path, json, sizeof json - 1), WEFT_OK);
    assert_int_equal(weft_file_write(broken, json, sizeof json - 2), WEFT_OK);
    struct cli *one = CLI("tokenize", path, "abb"), *bad = CLI("tokenize", broken, "abb");
    struct cli many = {.args = {"tokenize", path, "--null"}, .input = "abb"};
    cli_expect(one, 0);
    cli_expect(&many, 0);
    cli_expect(bad, WEFT_EXIT_FAILURE);
    assert_string_equal(one->out, "2 1\n");
    assert_string_equal(many.out, "2 1\n");
    assert_non_null(strstr(bad->err, "broken.json: JSON: line 1"));
    cli_free(one), cli_free(bad), cli_free(&many);
}

static void test_tokenize(void **state) {
    (void)state;
    struct cli *ids = CLI("tokenize", tiny(), "ab"), *bare = CLI("tokenize", tiny(), "--no-bos", "ab");
    struct cli stdin_ids = {.args = {"tokenize", tiny()}, .input = "ab"};
    cli_expect(ids, 0);
    cli_expect(bare, 0);
    cli_expect(&stdin_ids, 0);
    assert_string_equal(ids->out, stdin_ids.out);
    assert_memory_equal(ids->out, "2 ", 2);
    assert_string_equal(ids->out + 2, bare->out);
    struct cli *back = CLI("tokenize", tiny(), "--decode", bare->out), *json = CLI("tokenize", tiny(), "ab", "--json");
    struct cli piped = {.args = {"tokenize", tiny(), "--decode", "-"}, .input = ids->out};
    cli_expect(back, 0);
    cli_expect(json, 0);
    cli_expect(&piped, 0);
    assert_string_equal(back->out, "ab");
    assert_string_equal(piped.out, "ab");
    json_t *root = parse(json);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(root, "ids"), 0)), 2);
    assert_int_equal(json_array_size(json_object_get(root, "ids")), json_array_size(json_object_get(root, "pieces")));
    json_decref(root);
    cli_free(ids), cli_free(bare), cli_free(&stdin_ids), cli_free(back), cli_free(json), cli_free(&piped);
}

/// A graph in text is checked and shown as it was read, and compiled; what is wrong with it is said with its line.
static void test_inspect_text(void **state) {
    (void)state;
    static const char good[] = "symbol T 1 8\ninput x f32 [T, 4]\nstate s dense f32 [8, 4]\n%0 = neg %x\n"
                               "%1 = add %s %s\n%2 = state_write %s %1\noutput %0 y\n";
    static const char bad[] = "input x f32 [2]\n%0 = nag %x\n";
    char path[2][200];
    snprintf(path[0], sizeof path[0], "%s", cli_path("good.weft"));
    snprintf(path[1], sizeof path[1], "%s", cli_path("bad.weft"));
    cli_write(path[0], good, strlen(good));
    cli_write(path[1], bad, strlen(bad));
    struct cli *graph = CLI("inspect", path[0]), *plan = CLI("inspect", path[0], "--plan"),
               *twice = CLI("inspect", path[0], "--plan", "--policy", "double"),
               *memory = CLI("inspect", path[0], "--memory", "--json"), *wrong = CLI("inspect", path[1]),
               *nowhere = CLI("inspect", "/nowhere.weft", "--plan");
    cli_expect(graph, 0);
    assert_non_null(strstr(graph->out, "symbol T 1 8\n"));
    assert_non_null(strstr(graph->out, "state_write"));
    cli_expect(plan, 0);
    assert_non_null(strstr(plan->out, "s  dense  in_place"));
    cli_expect(twice, 0);
    assert_non_null(strstr(twice->out, "s  dense  double"));
    cli_expect(memory, 0);
    json_t *root = parse(memory);
    assert_int_equal(json_integer_value(json_object_get(root, "states")), 256 + 256); // s, variables
    json_decref(root);
    cli_expect(wrong, WEFT_EXIT_FAILURE);
    assert_non_null(strstr(wrong->err, "bad.weft"));
    assert_non_null(strstr(wrong->err, "line 2"));
    assert_non_null(strstr(wrong->err, "nag"));
    cli_expect(nowhere, WEFT_EXIT_FAILURE);
    assert_non_null(strstr(nowhere->err, "/nowhere.weft"));
    cli_free(graph), cli_free(plan), cli_free(twice), cli_free(memory), cli_free(wrong), cli_free(nowhere);
}

/// The list of passes, and what stands behind one; the name is the next argument or stands behind a '='.
static void test_inspect_passes(void **state) {
    (void)state;
    static const char good[] = "symbol T 1 8\ninput x f32 [T, 4]\n%0 = softmax %x\noutput %0 y\n",
                      bad[] = "input x f32 [2]\ninput i i32 [2]\nstate k paged f32 [8, 4]\n%0 = sum %k\noutput %0 y\n";
    char path[2][200];
    snprintf(path[0], sizeof path[0], "%s", cli_path("passes.weft"));
    snprintf(path[1], sizeof path[1], "%s", cli_path("refused.weft"));
    cli_write(path[0], good, strlen(good));
    cli_write(path[1], bad, strlen(bad));
    struct cli *list = CLI("inspect", "--passes"), *behind = CLI("inspect", path[0], "--passes", "decompose"),
               *before = CLI("inspect", "--passes=pairs", path[0]),
               *steps = CLI("inspect", "--passes", "bind", path[0]),
               *model = CLI("inspect", tiny(), "--passes", "fuse"),
               *refused = CLI("inspect", path[1], "--passes", "decompose");
    cli_expect(list, 0);
    assert_non_null(strstr(list->out, "decompose  "));
    assert_true(strstr(list->out, "fuse  ") < strstr(list->out, "bind  "));
    cli_expect(behind, 0);
    assert_non_null(strstr(behind->out, "= amax"));
    assert_null(strstr(behind->out, "softmax"));
    cli_expect(before, 0);
    assert_non_null(strstr(before->out, "= softmax"));
    cli_expect(steps, 0);
    assert_non_null(strstr(steps->out, "binding 1 "));
    cli_expect(model, 0);
    assert_non_null(strstr(model->out, "contraction"));
    cli_expect(refused, WEFT_EXIT_FAILURE); // but the graph is shown as far as it came
    assert_non_null(strstr(refused->out, "state k paged"));
    assert_non_null(strstr(refused->err, "'k'"));
    cli_free(list), cli_free(behind), cli_free(before), cli_free(steps), cli_free(model), cli_free(refused);
}

static void test_inspect(void **state) {
    (void)state;
    struct cli *text = CLI("inspect", tiny()), *json = CLI("inspect", tiny(), "--json"),
               *graph = CLI("inspect", tiny(), "--graph"), *plan = CLI("inspect", tiny(), "--plan", "--json"),
               *memory = CLI("inspect", tiny(), "--memory", "--json"), *keys = CLI("inspect", tiny(), "--keys");
    cli_expect(text, 0);
    assert_non_null(strstr(text->out, "general.architecture"));
    assert_non_null(strstr(text->out, "blk.0.attn_q.weight"));
    cli_expect(keys, 0);
    assert_null(strstr(keys->out, "blk.0.attn_q.weight"));
    cli_expect(json, 0);
    json_t *root = parse(json);
    const json_t *keys_json = json_object_get(root, "metadata");
    assert_string_equal(json_string_value(json_object_get(keys_json, "general.architecture")), "gemma3");
    assert_int_equal(json_integer_value(json_object_get(keys_json, "gemma3.context_length")), 64);
    assert_true(json_array_size(json_object_get(root, "tensors")) > 10);
    json_decref(root);
    cli_expect(graph, 0);
    assert_non_null(strstr(graph->out, "symbol T"));
    cli_expect(plan, 0);
    json_decref(parse(plan));
    cli_expect(memory, 0);
    root = parse(memory);
    json_int_t sum = 0;
    const char *parts[] = {"weights", "states", "pages", "transients", "params", "io", "staging"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        sum += json_integer_value(json_object_get(root, parts[i]));
    assert_true(sum > 0);
    assert_int_equal(sum, json_integer_value(json_object_get(root, "total")));
    const json_t *context = json_array_get(json_object_get(root, "contexts"), 0);
    json_int_t pages = json_integer_value(json_object_get(context, "pages"));
    assert_int_equal(json_integer_value(json_object_get(context, "positions")), 64); // a context of the file's length
    assert_int_equal((pages + 1) * json_integer_value(json_object_get(context, "page_bytes")),
                     json_integer_value(json_object_get(root, "pages")));
    assert_int_equal(json_array_size(json_object_get(root, "session_states")) > 2, 1);
    json_decref(root);
    cli_free(text), cli_free(json), cli_free(graph), cli_free(plan), cli_free(memory), cli_free(keys);
}

/// A file with every block type is listed by their names in files, and compiles.
static void test_inspect_types(void **state) {
    (void)state;
    char path[256];
    snprintf(path, sizeof path, "%s/types.gguf", cli_folder());
    assert_true(weft_tiny_gemma3_write(&(struct weft_tiny_gemma3){.every_type = true, .n_layer = 2}, path));
    struct cli *text = CLI("inspect", path), *graph = CLI("inspect", path, "--graph"),
               *memory = CLI("inspect", path, "--memory", "--json");
    cli_expect(text, 0);
    cli_expect(graph, 0);
    cli_expect(memory, 0);
    for (int i = 0; i < WEFT_DTYPE_COUNT; i++) {
        const struct weft_dtype_info *type = weft_dtype_info((weft_dtype)i);
        char upper[16] = "", word[24];
        for (size_t k = 0; type->name[k] && k < 15; k++) upper[k] = (char)toupper(type->name[k]);
        snprintf(word, sizeof word, " %s ", type->name);
        if (!type->quantised) continue;
        if (!strstr(text->out, upper) || !strstr(graph->out, word)) fail_msg("no %s in:\n%s", upper, text->out);
    }
    cli_free(text), cli_free(graph), cli_free(memory);
}

// ---- running on the null device ------------------------------------------------------------------------------------

static json_t *run_json(struct cli *c) {
    cli_expect(c, 0);
    json_t *root = parse(c);
    assert_int_equal(json_array_size(json_object_get(root, "ids")),
                     json_integer_value(json_object_get(json_object_get(root, "stats"), "new_tokens")));
    return root;
}

static void test_run(void **state) {
    (void)state;
    struct cli *length = CLI("run", tiny(), "abc", "-n", "5", "--json", "--temp", "0"),
               *full = CLI("run", tiny(), "abc", "-n", "0", "--json", "--temp", "0.7", "--seed", "7"),
               *quiet = CLI("run", tiny(), "abc", "-n", "5"), *stats = CLI("run", tiny(), "abc", "-n", "5", "--stats"),
               *long_prompt = CLI("run", tiny(), "-f", cli_path("long"));
    json_t *root = run_json(length);
    assert_string_equal(json_string_value(json_object_get(root, "stop")), "length");
    assert_int_equal(json_array_size(json_object_get(root, "ids")), 5);
    json_decref(root);
    root = run_json(full);
    assert_string_equal(json_string_value(json_object_get(root, "stop")), "context full");
    assert_int_equal(
        json_array_size(json_object_get(root, "ids")) + json_array_size(json_object_get(root, "prompt_ids")), 64);
    assert_int_equal(json_integer_value(json_object_get(root, "seed")), 7);
    json_decref(root);
    cli_expect(quiet, 0);
    assert_string_equal(quiet->err, ""); // stderr is no terminal here
    assert_int_equal(quiet->out_size, 0);
    cli_expect(stats, 0);
    assert_non_null(strstr(stats->err, "null"));
    assert_non_null(strstr(stats->err, "5 new tokens"));
    char many[80];
    memset(many, 'a', sizeof many);
    cli_write(cli_path("long"), many, sizeof many);
    long_prompt->args[2] = "-f", long_prompt->args[3] = cli_path("long");
    cli_expect(long_prompt, WEFT_EXIT_FAILURE);
    assert_non_null(strstr(long_prompt->err, "--ctx"));
    cli_free(length), cli_free(full), cli_free(quiet), cli_free(stats), cli_free(long_prompt);
}

/// The best text alone, all of them as JSON, a prompt that fills the context, one that does not fit.
static void test_run_beams(void **state) {
    (void)state;
    char full[63], many[80]; // BOS stands in front
    memset(full, 'a', sizeof full);
    memset(many, 'a', sizeof many);
    cli_write(cli_path("full"), full, sizeof full);
    cli_write(cli_path("many"), many, sizeof many);
    struct cli *plain = CLI("run", tiny(), "abc", "-n", "5", "--beams", "3", "--ignore-eos", "--stats"),
               *json = CLI("run", tiny(), "abc", "-n", "5", "--beams", "3", "--ignore-eos", "--json"),
               *none = CLI("run", tiny(), "-f", NULL, "--beams", "2", "--json"),
               *refused = CLI("run", tiny(), "-f", NULL, "--beams", "2");
    cli_expect(plain, 0);
    assert_non_null(strstr(plain->err, "5 steps in"));
    assert_non_null(strstr(plain->err, "5 new tokens, score -5."));
    cli_expect(json, 0);
    json_t *root = json_loadb(json->out, json->out_size, 0, NULL), *results = json_object_get(root, "results");
    assert_int_equal(json_array_size(results), 3);
    assert_int_equal(json_array_size(json_object_get(json_array_get(results, 2), "ids")), 5);
    assert_string_equal(json_string_value(json_object_get(json_array_get(results, 0), "stop")), "length");
    json_decref(root);
    none->args[3] = cli_path("full"); // names are kept for a few calls
    cli_expect(none, 0);
    root = json_loadb(none->out, none->out_size, 0, NULL), results = json_object_get(root, "results");
    assert_int_equal(json_array_size(results), 1);
    assert_int_equal(json_array_size(json_object_get(json_array_get(results, 0), "ids")), 0);
    assert_string_equal(json_string_value(json_object_get(json_array_get(results, 0), "stop")), "context full");
    assert_int_equal(json_array_size(json_object_get(root, "prompt_ids")), 64);
    assert_non_null(strstr(none->err, "fills the context of 64 tokens"));
    json_decref(root);
    refused->args[3] = cli_path("many");
    cli_expect(refused, WEFT_EXIT_FAILURE);
    assert_non_null(strstr(refused->err, "--ctx"));
    cli_free(plain), cli_free(json), cli_free(none), cli_free(refused);
}

static void test_bench(void **state) {
    (void)state;
    struct cli *json = CLI("bench", tiny(), "-p", "4,9", "-n", "20", "-r", "2", "--json"),
               *text = CLI("bench", tiny(), "-p", "4", "-n", "8", "-r", "1");
    cli_expect(json, 0);
    json_t *root = parse(json), *results = json_object_get(root, "results");
    assert_int_equal(json_array_size(results), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(results, 1), "prompt")), 9);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(results, 1), "new_tokens")), 20);
    const json_t *steady = json_object_get(json_array_get(results, 1), "steady");
    assert_int_equal(json_integer_value(json_object_get(steady, "buffers_made")), 0);
    assert_int_equal(json_integer_value(json_object_get(steady, "groups_made")), 0);
    json_decref(root);
    cli_expect(text, 0);
    assert_non_null(strstr(text->out, "prefill"));
    cli_free(json), cli_free(text);
}

/// One new token is no decode step: there is no speed of any, and none is made up.
static void test_bench_of_one_token(void **state) {
    (void)state;
    static const char *const measured[] = {"decode_tokens_per_second", "host_us_per_token", "host_us_per_dispatch"},
                             *const spreads[] = {"decode_seconds_per_token", "token_gap_seconds"};
    for (int n = 1; n <= 2; n++) {
        struct cli *json = CLI("bench", tiny(), "-p", "5,11", "-n", n == 1 ? "1" : "2", "-r", "3", "--json"),
                   *text = CLI("bench", tiny(), "-p", "7", "-n", n == 1 ? "1" : "2", "-r", "2");
        cli_expect(json, 0);
        json_t *root = parse(json);
        for (size_t i = 0; i < 2; i++) {
            const json_t *row = json_array_get(json_object_get(root, "results"), i);
            assert_int_equal(json_integer_value(json_object_get(row, "new_tokens")), n);
            assert_true(json_is_real(json_object_get(row, "prefill_tokens_per_second")));
            for (size_t k = 0; k < 3; k++) assert_int_equal(json_is_null(json_object_get(row, measured[k])), n == 1);
            for (size_t k = 0; k < 2; k++)
                assert_int_equal(json_is_null(json_object_get(json_object_get(row, spreads[k]), "median")), n == 1);
        }
        json_decref(root);
        cli_expect(text, 0);
        assert_int_equal(strstr(text->out, "no decode step") != NULL, n == 1);
        assert_null(strstr(text->out, "nan"));
        cli_free(json), cli_free(text);
    }
    struct cli *full = CLI("bench", tiny(), "-p", "9", "--ctx", "9", "-r", "1");
    cli_expect(full, WEFT_EXIT_FAILURE);
    assert_non_null(strstr(full->err, "--ctx"));
    cli_free(full);
}

/// Prompt and new tokens are as many as the context holds, never more.
static void test_context(void **state) {
    (void)state;
    for (int ctx = 4; ctx < 20; ctx++) {
        char number[8];
        snprintf(number, sizeof number, "%d", ctx);
        struct cli *c = CLI("run", tiny(), "abc", "-n", "0", "--ctx", number, "--json", "--ignore-eos", "--temp", "0");
        cli_run(c);
        if (c->code == WEFT_EXIT_FAILURE) { // not even the prompt
            assert_non_null(strstr(c->err, "--ctx"));
            cli_free(c);
            continue;
        }
        assert_int_equal(c->code, 0);
        json_t *root = parse(c);
        size_t prompt = json_array_size(json_object_get(root, "prompt_ids")),
               made = json_array_size(json_object_get(root, "ids"));
        assert_int_equal(prompt + made, ctx);
        assert_string_equal(json_string_value(json_object_get(root, "stop")), "context full");
        assert_int_equal(strstr(c->err, "raise --ctx") != NULL, made == 0);
        json_decref(root);
        cli_free(c);
    }
}

int main(void) {
    setenv("WEFT_WEBGPU", "null", 1);
    unsetenv("WEFT_CATALOGUE");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage),         cmocka_unit_test(test_help),
        cmocka_unit_test(test_failures),      cmocka_unit_test(test_closed_pipe),
        cmocka_unit_test(test_tokenize),      cmocka_unit_test(test_tokenize_files),
        cmocka_unit_test(test_inspect),       cmocka_unit_test(test_inspect_text),
        cmocka_unit_test(test_inspect_types), cmocka_unit_test(test_inspect_passes),
        cmocka_unit_test(test_run),           cmocka_unit_test(test_run_beams),
        cmocka_unit_test(test_bench),         cmocka_unit_test(test_bench_of_one_token),
        cmocka_unit_test(test_context),
    };
    return cmocka_run_group_tests_name("cli", tests, NULL, cli_teardown);
}
