/// What folders of Sentence Transformers say of embeddings, file by file: keys that they become, what is refused, and
/// hostile content.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/pooling.h"
#include "support/embed_cases.h"

#include <sys/stat.h>

static char folder[64];
static const char *const linked[] = {"config.json", "model.safetensors", "tokenizer.json"};
static const char *const written[] = {"modules.json", "1_Pooling/config.json", "sentence_bert_config.json",
                                      "config_sentence_transformers.json"};
enum { MODULES, POOLING, LIMITS, PROMPTS, WRITTEN };

static const char *at(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int setup(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/weft-sentence-XXXXXX");
    if (!mkdtemp(folder) || mkdir(at("1_Pooling"), 0755)) return -1;
    for (size_t i = 0; i < sizeof linked / sizeof *linked; i++) {
        char from[1024], here[4096];
        snprintf(from, sizeof from, "%s/%s", embed_path(true), linked[i]);
        if (!realpath(from, here) || symlink(here, at(linked[i]))) return -1;
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof linked / sizeof *linked; i++) unlink(at(linked[i]));
    for (size_t i = 0; i < WRITTEN; i++) unlink(at(written[i]));
    rmdir(at("1_Pooling"));
    return rmdir(folder);
}

#define TYPE "sentence_transformers.models."
#define MODULE(type, path) "{\"idx\":0,\"name\":\"0\",\"path\":\"" path "\",\"type\":\"" type "\"}"
#define FIRST MODULE(TYPE "Transformer", "")
#define POOLS MODULE(TYPE "Pooling", "1_Pooling")
#define USUAL "[" FIRST "," POOLS "," MODULE(TYPE "Normalize", "2_Normalize") "]"
#define MEAN "{\"pooling_mode_mean_tokens\":true}"

static void put(int which, const char *text) {
    unlink(at(written[which]));
    if (text && weft_file_write(at(written[which]), text, strlen(text)) != WEFT_OK)
        fail_msg("%s", weft_error_message());
}

/// NULL: the file is not there.
struct folder_files {
    const char *text[WRITTEN];
};

static weft_status read_folder(const struct folder_files *f, struct weft_pooling_config *out) {
    static struct weft_model_config config;
    struct weft_source *source;
    weft_error_clear();
    for (int i = 0; i < WRITTEN; i++) put(i, f->text[i]);
    weft_status status = weft_source_open(folder, &source);
    if (status != WEFT_OK) return status;
    status = weft_model_config_read(source, &config);
    if (status == WEFT_OK) status = weft_pooling_read(source, &config, out);
    weft_source_close(source);
    return status;
}

static void files_become_settings(void **state) {
    (void)state;
    static const struct {
        struct folder_files files;
        struct weft_pooling_config want;
    } rows[] = {
        {{{NULL}}, {WEFT_POOLING_MODEL, "", true, 40}},
        {{{USUAL, MEAN}}, {WEFT_POOLING_MEAN, "", true, 40}},
        {{{"[" FIRST "," POOLS "]", MEAN}}, {WEFT_POOLING_MEAN, "", false, 40}},
        {{{"[" FIRST "]", MEAN}}, {WEFT_POOLING_MODEL, "", false, 40}},
        {{{"[]"}}, {WEFT_POOLING_MODEL, "", false, 40}},
        {{{USUAL, NULL}}, {WEFT_POOLING_MODEL, "", true, 40}},
        {{{USUAL, "{\"pooling_mode_cls_token\":true,\"pooling_mode_mean_tokens\":false}"}},
         {WEFT_POOLING_CLS, "", true, 40}},
        {{{USUAL, "{\"pooling_mode_lasttoken\":true}"}}, {WEFT_POOLING_LAST, "", true, 40}},
        {{{USUAL, "{\"pooling_mode\":\"cls\"}"}}, {WEFT_POOLING_CLS, "", true, 40}},
        {{{USUAL, "{\"pooling_mode\":\"mean\",\"pooling_mode_cls_token\":true}"}}, {WEFT_POOLING_MEAN, "", true, 40}},
        {{{USUAL, "{}"}}, {WEFT_POOLING_MODEL, "", true, 40}},
        {{{USUAL, "{\"pooling_mode_max_tokens\":true}"}}, {WEFT_POOLING_MODEL, "max", true, 40}},
        {{{USUAL, "{\"pooling_mode_mean_tokens\":true,\"pooling_mode_cls_token\":true}"}},
         {WEFT_POOLING_MODEL, "mean and cls", true, 40}},
        {{{USUAL, "{\"pooling_mode\":\"new\\u001b[2J\"}"}}, {WEFT_POOLING_MODEL, "new\\x1b[2J", true, 40}},
        {{{"[" FIRST "," MODULE("a.b.Pooling", "1_Pooling") "," MODULE("Normalize", "") "]", MEAN}},
         {WEFT_POOLING_MEAN, "", true, 40}},
        {{{USUAL, MEAN, "{\"max_seq_length\":32,\"do_lower_case\":false}"}}, {WEFT_POOLING_MEAN, "", true, 32}},
        {{{USUAL, MEAN, "{\"max_seq_length\":null}"}}, {WEFT_POOLING_MEAN, "", true, 40}},
        {{{USUAL, MEAN, "{\"max_seq_length\":512}"}}, {WEFT_POOLING_MEAN, "", true, 40}},
        {{{USUAL, MEAN, "{\"max_seq_length\":4294967295}"}}, {WEFT_POOLING_MEAN, "", true, 40}},
        {{{USUAL, MEAN, NULL, "{\"prompts\":{\"query\":\"query: \"},\"default_prompt_name\":null}"}},
         {WEFT_POOLING_MEAN, "", true, 40}},
        {{{USUAL, MEAN, NULL, "{\"prompts\":{\"query\":\"\"},\"default_prompt_name\":\"query\"}"}},
         {WEFT_POOLING_MEAN, "", true, 40}},
        {{{USUAL, MEAN, NULL, "[1, 2]"}}, {WEFT_POOLING_MEAN, "", true, 40}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weft_pooling_config got = {0};
        if (read_folder(&rows[i].files, &got) != WEFT_OK) fail_msg("row %zu: %s", i, weft_error_message());
        const struct weft_pooling_config *want = &rows[i].want;
        if (got.pooling != want->pooling || strcmp(got.unknown, want->unknown) || got.normalize != want->normalize ||
            got.max_tokens != want->max_tokens)
            fail_msg("row %zu: pooling %d, '%s', normalize %d, %u tokens", i, (int)got.pooling, got.unknown,
                     got.normalize, got.max_tokens);
    }
}

static void files_are_refused(void **state) {
    (void)state;
    static const struct {
        struct folder_files files;
        weft_status status;
        const char *says;
    } rows[] = {
        // what is not computed, by name
        {{{"[" FIRST "," POOLS "," MODULE(TYPE "Dense", "2_Dense") "]", MEAN}}, WEFT_ERR_UNSUPPORTED, "Dense"},
        {{{"[" FIRST "," MODULE("\\u0007evil", "") "]", MEAN}}, WEFT_ERR_UNSUPPORTED, "\\x07evil"},
        {{{USUAL, MEAN, "{\"do_lower_case\":true}"}}, WEFT_ERR_UNSUPPORTED, "lower_case"},
        {{{USUAL, MEAN, NULL, "{\"prompts\":{\"q\":\"query: \"},\"default_prompt_name\":\"q\"}"}},
         WEFT_ERR_UNSUPPORTED,
         "query: "},
        // what is damaged or hostile
        {{{"{}"}}, WEFT_ERR_FORMAT, "modules.json"},
        {{{"[1]"}}, WEFT_ERR_FORMAT, "no module"},
        {{{"[{}]"}}, WEFT_ERR_FORMAT, "no 'type'"},
        {{{"[{\"type\":\"a\",\"type\":\"b\"}]"}}, WEFT_ERR_FORMAT, "no module"},
        {{{"[" MODULE(TYPE "Pooling", "") "]", MEAN}}, WEFT_ERR_FORMAT, "path"},
        {{{"[" MODULE(TYPE "Pooling", "..") "]", MEAN}}, WEFT_ERR_FORMAT, "path"},
        {{{"[" MODULE(TYPE "Pooling", "a/../../../etc") "]", MEAN}}, WEFT_ERR_FORMAT, "path"},
        {{{"[" MODULE(TYPE "Pooling", "/etc") "]", MEAN}}, WEFT_ERR_FORMAT, "path"},
        {{{"[" MODULE(TYPE "Pooling", "a\\u0000b") "]", MEAN}}, WEFT_ERR_FORMAT, "path"},
        {{{"[{\"type\":\"Pooling\",\"path\":7}]", MEAN}}, WEFT_ERR_FORMAT, "path"},
        {{{USUAL, "[]"}}, WEFT_ERR_FORMAT, "no object"},
        {{{USUAL, "{\"pooling_mode\":7}"}}, WEFT_ERR_FORMAT, "pooling_mode"},
        {{{USUAL, "{\"pooling_mode_mean_tokens\":1}"}}, WEFT_ERR_FORMAT, "pooling_mode_mean_tokens"},
        {{{USUAL, "{\"a\":1,\"a\":2}"}}, WEFT_ERR_FORMAT, "twice"},
        {{{USUAL, "{"}}, WEFT_ERR_FORMAT, "1_Pooling/config.json"},
        {{{USUAL, MEAN, "{\"max_seq_length\":0}"}}, WEFT_ERR_FORMAT, "max_tokens is 0"},
        {{{USUAL, MEAN, "{\"max_seq_length\":-1}"}}, WEFT_ERR_FORMAT, "max_seq_length"},
        {{{USUAL, MEAN, "{\"max_seq_length\":1e300}"}}, WEFT_ERR_FORMAT, "max_seq_length"},
        {{{USUAL, MEAN, "{\"do_lower_case\":\"no\"}"}}, WEFT_ERR_FORMAT, "do_lower_case"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weft_pooling_config got;
        weft_status status = read_folder(&rows[i].files, &got);
        if (status != rows[i].status || !strstr(weft_error_message(), rows[i].says))
            fail_msg("row %zu: %s, %s", i, weft_status_name(status), weft_error_message());
    }
}

/// A folder whose modules are not computed is still one to look at.
static void refused_folders_open(void **state) {
    (void)state;
    struct weft_source *source;
    for (int i = 0; i < WRITTEN; i++) put(i, NULL);
    put(MODULES, "[" FIRST "," MODULE(TYPE "Dense", "2_Dense") "]");
    assert_int_equal(weft_source_open(folder, &source), WEFT_OK);
    assert_true(weft_source_has(source, "bert.embedding.module"));
    weft_source_close(source);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_become_settings),
        cmocka_unit_test(files_are_refused),
        cmocka_unit_test(refused_folders_open),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
