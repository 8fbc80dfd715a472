/// Vocabularies of known models, with texts and the ids that their own tokenizers give. `scripts/deps.sh vocabularies`
/// fetches them; where they are not, the tests say so and skip. None of them is part of this repository.
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "model/gguf.h"
#include "model/tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    const char *name, *kind;
    bool texts; // ids of texts are known
    bool exact; // decoding gives the text back, but for a space in front
} vocabularies[] = {
    {"llama-spm", "llama", true, true},     {"phi-3", "llama", true, true},       {"baichuan", "llama", false, true},
    {"gpt-2", "gpt2", true, true},          {"aquila", "gpt2", false, true},      {"command-r", "gpt2", true, true},
    {"deepseek-coder", "gpt2", true, true}, {"deepseek-llm", "gpt2", true, true}, {"falcon", "gpt2", true, true},
    {"gpt-neox", "gpt2", false, true},      {"llama-bpe", "gpt2", true, true},    {"mpt", "gpt2", true, true},
    {"qwen2", "gpt2", true, true},          {"qwen35", "gpt2", true, true},       {"refact", "gpt2", true, true},
    {"starcoder", "gpt2", true, true},      {"gemma-4", "gemma4", true, true},    {"bert-bge", "bert", true, false},
    {"nomic-bert-moe", "t5", false, false},
};

enum { COUNT = sizeof vocabularies / sizeof *vocabularies };

static struct weft_str path_of(size_t i, const char *suffix) {
    const char *folder = getenv("WEFT_TEST_VOCABULARIES"), *build = getenv("WEFT_TEST_BUILD");
    struct weft_str path = {0};
    if (folder) weft_str_add(&path, folder);
    else weft_str_addf(&path, "%s/vocabularies", build ? build : ".");
    weft_str_addf(&path, "/ggml-vocab-%s.gguf%s", vocabularies[i].name, suffix);
    return path;
}

/// NULL where the file is not there.
static struct weft_tokenizer *open_vocabulary(size_t i) {
    struct weft_str path = path_of(i, "");
    struct weft_source *g = NULL;
    struct weft_tokenizer *t = NULL;
    weft_status status = weft_gguf_open(weft_str_get(&path), &g);
    if (status == WEFT_OK) status = weft_tokenizer_create(g, &t);
    if (status != WEFT_OK && status != WEFT_ERR_NOT_FOUND) fail_msg("%s", weft_error_message());
    weft_source_close(g);
    weft_str_free(&path);
    return t;
}

static void skip_all(void) {
    print_message("the vocabularies are not here; scripts/deps.sh vocabularies fetches them\n");
    skip();
}

/// The ids of a line.
static const char *read_ids(const char *line, struct weft_ids *out) {
    for (out->count = 0; *line && *line != '\n';) {
        char *end;
        long id = strtol(line, &end, 10);
        assert_true(end > line && weft_grow((void **)&out->data, &out->cap, out->count + 1, sizeof *out->data));
        out->data[out->count++] = (int32_t)id;
        line = end + strspn(end, " ");
    }
    return *line ? line + 1 : line;
}

static void complain(size_t i, const char *text, size_t len, const struct weft_ids *got, const struct weft_ids *want) {
    fprintf(stderr, "%s: \"%.*s\"\n  gives", vocabularies[i].name, (int)len, text);
    for (size_t k = 0; k < got->count; k++) fprintf(stderr, " %d", got->data[k]);
    fprintf(stderr, "\n  not  ");
    for (size_t k = 0; k < want->count; k++) fprintf(stderr, " %d", want->data[k]);
    fprintf(stderr, "\n");
}

/// Decoded piece by piece, by whole characters.
static void check_round_trip(size_t i, const struct weft_tokenizer *t, const char *text, size_t len,
                             const struct weft_ids *ids) {
    struct weft_decoder d = {.tokenizer = t};
    struct weft_str out = {0};
    for (size_t k = 0; k < ids->count; k++) assert_int_equal(weft_decoder_push(&d, ids->data[k], &out), WEFT_OK);
    assert_int_equal(weft_decoder_flush(&d, &out), WEFT_OK);
    size_t extra = out.len == len + 1 && out.data[0] == ' ';
    if (out.len != len + extra || (len && memcmp(out.data + extra, text, len) != 0))
        fail_msg("%s: \"%.*s\" comes back as \"%.200s\"", vocabularies[i].name, (int)(len < 200 ? len : 200), text,
                 weft_str_get(&out));
    weft_str_free(&out);
}

/// Every text of the file, whose ids are the lines of another. Returns how many differ.
static size_t check_texts(size_t i, const struct weft_tokenizer *t, size_t *count) {
    static const char mark[] = "\n__ggml_vocab_test__\n";
    struct weft_str inputs = path_of(i, ".inp"), outputs = path_of(i, ".out");
    char *texts, *lines;
    size_t texts_len, lines_len, bad = 0;
    assert_int_equal(weft_file_read(weft_str_get(&inputs), 0, &texts, &texts_len), WEFT_OK);
    assert_int_equal(weft_file_read(weft_str_get(&outputs), 0, &lines, &lines_len), WEFT_OK);
    const char *line = lines;
    for (const char *text = texts, *end = texts; *line; text = end + sizeof mark - 1, ++*count) {
        struct weft_ids got = {0}, want = {0};
        end = strstr(text, mark);
        if (!end) end = texts + texts_len; // one of the files has no mark behind its last text
        assert_true(text <= end);
        line = read_ids(line, &want);
        assert_int_equal(weft_tokenizer_encode(t, text, (size_t)(end - text), 0, &got), WEFT_OK);
        if (got.count != want.count || (got.count && memcmp(got.data, want.data, 4 * got.count) != 0)) {
            complain(i, text, (size_t)(end - text), &got, &want);
            bad++;
        }
        if (vocabularies[i].exact) check_round_trip(i, t, text, (size_t)(end - text), &got);
        weft_ids_free(&got);
        weft_ids_free(&want);
    }
    assert_int_equal(line - lines, lines_len); // as many lines as texts
    weft_free(texts);
    weft_free(lines);
    weft_str_free(&inputs);
    weft_str_free(&outputs);
    return bad;
}

static void test_known_ids(void **state) {
    (void)state;
    size_t files = 0, texts = 0, bad = 0;
    for (size_t i = 0; i < COUNT; i++) {
        struct weft_tokenizer *t = open_vocabulary(i);
        if (!t) continue;
        assert_string_equal(weft_tokenizer_kind(t), vocabularies[i].kind);
        if (vocabularies[i].texts) bad += check_texts(i, t, &texts);
        weft_tokenizer_destroy(t);
        files++;
    }
    if (files == 0) skip_all();
    assert_int_equal(files, COUNT);
    assert_true(texts > 40 * files / 2);
    assert_int_equal(bad, 0);
}

/// A million equal letters, blanks and digits cost what other texts of the length cost: the test ends.
static void test_long_runs(void **state) {
    (void)state;
    enum { LENGTH = 1 << 20 };
    static const char *const units[] = {"a", " ", "\n", "7", "!", " x", "\xE4\xB8\xAD", "\xCC\x81", "\x80"};
    size_t files = 0;
    char *text = weft_alloc(LENGTH + 8);
    assert_non_null(text);
    for (size_t i = 0; i < COUNT; i++) {
        struct weft_tokenizer *t = open_vocabulary(i);
        if (!t) continue;
        files++;
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            struct weft_ids ids = {0};
            size_t unit = strlen(units[u]), n = LENGTH / 64 / unit * unit;
            if (u == i % 3) n = LENGTH / unit * unit; // the whole megabyte for one of them
            for (size_t k = 0; k < n; k += unit) memcpy(text + k, units[u], unit);
            text[n] = 'x'; // what the run is looked back from
            if (weft_tokenizer_encode(t, text, n + 1, 0, &ids) != WEFT_OK) fail_msg("%s", weft_error_message());
            if (vocabularies[i].exact) check_round_trip(i, t, text, n + 1, &ids);
            weft_ids_free(&ids);
        }
        weft_tokenizer_destroy(t);
    }
    weft_free(text);
    if (files == 0) skip_all();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_ids),
        cmocka_unit_test(test_long_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
