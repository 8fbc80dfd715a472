/// Saved conversations: any text loads or is refused with a sentence, and what was loaded saves as a text that loads
/// and saves as itself. Its messages have tokens, or the template refuses them.
#include "engine/conversation.h"
#include "fuzz.h"
#include "model/gguf.h"

// ---- a vocabulary in a file ----------------------------------------------------------------------------------------

static void number(struct weft_str *s, uint64_t x, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) weft_str_addn(s, &(char){(char)(x >> 8 * i)}, 1);
}

static void string(struct weft_str *s, const char *text) {
    number(s, strlen(text), 8);
    weft_str_add(s, text);
}

static void list(struct weft_str *s, const char *key, enum weft_source_type element, size_t n) {
    string(s, key);
    number(s, WEFT_SOURCE_ARRAY, 4);
    number(s, element, 4);
    number(s, n, 8);
}

static void text(struct weft_str *s, const char *key, const char *value) {
    string(s, key);
    number(s, WEFT_SOURCE_STRING, 4);
    string(s, value);
}

static struct weft_source *open_vocabulary(void) {
    static const char *const tokens[] = {"a", "<|im_start|>", "<|im_end|>"};
    struct weft_str s = {0};
    struct weft_source *g = NULL;
    weft_str_addn(&s, "GGUF", 4);
    number(&s, 3, 4);
    number(&s, 0, 8);
    number(&s, 5, 8);
    text(&s, "tokenizer.ggml.model", "gpt2");
    text(&s, "tokenizer.chat_template",
         "{% for m in messages %}<|im_start|>{{ m.role }}{{ m.content }}<|im_end|>{% endfor %}");
    list(&s, "tokenizer.ggml.tokens", WEFT_SOURCE_STRING, 3);
    for (int i = 0; i < 3; i++) string(&s, tokens[i]);
    list(&s, "tokenizer.ggml.token_type", WEFT_SOURCE_I32, 3);
    for (int i = 0; i < 3; i++) number(&s, i ? 3 : 1, 4);
    list(&s, "tokenizer.ggml.merges", WEFT_SOURCE_STRING, 0);
    while (s.len % 32) number(&s, 0, 1);
    static struct weft_str kept; // the file stays open over it
    kept = s;
    fuzz_require(weft_gguf_open_memory(kept.data, kept.len, "v.gguf", &g) == WEFT_OK, "the vocabulary opens");
    return g;
}

// ---- conversations -------------------------------------------------------------------------------------------------

static void again(weft_chat *c, const struct weft_conversation_model *m) {
    struct weft_str first = {0}, second = {0};
    weft_chat *other;
    fuzz_require(weft_conversation_save(c, &first) == WEFT_OK, "what was loaded can be saved");
    fuzz_require(weft_conversation_create(m, NULL, &other) == WEFT_OK, "a conversation begins");
    fuzz_require(weft_conversation_load(other, first.data, first.len) == WEFT_OK, "what was saved loads");
    fuzz_require(weft_conversation_save(other, &second) == WEFT_OK, "and saves");
    fuzz_require(first.len == second.len && !memcmp(first.data, second.data, first.len), "as itself");
    weft_conversation_destroy(other);
    weft_str_free(&first);
    weft_str_free(&second);
}

static void count(const weft_chat *c) {
    struct weft_ids ids = {0};
    size_t controls = 0;
    weft_status status = weft_conversation_tokens(c, &ids);
    fuzz_refused(status);
    for (size_t i = 0; i < ids.count; i++) controls += ids.data[i] > 0;
    fuzz_require(status != WEFT_OK || controls == 2 * c->history.n, "control tokens are the template's");
    weft_ids_free(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct weft_source *file;
    static struct weft_tokenizer *tokenizer;
    if (!file) {
        file = open_vocabulary();
        fuzz_require(weft_tokenizer_create(file, &tokenizer) == WEFT_OK, "the vocabulary is one");
    }
    const struct weft_conversation_model m = {.file = file, .tokenizer = tokenizer, .ctx = 64, .samples = true};
    int64_t live = weft_alloc_stats().live;
    weft_chat *c;
    fuzz_require(weft_conversation_create(&m, NULL, &c) == WEFT_OK, "a conversation begins");
    weft_status status = weft_conversation_load(c, (const char *)data, size);
    fuzz_refused(status);
    if (status == WEFT_OK) again(c, &m);
    if (status == WEFT_OK) count(c);
    weft_conversation_destroy(c);
    fuzz_require(weft_alloc_stats().live == live, "all memory is given back");
    return 0;
}
