// A conversation with edits and other replies: chat MODEL.gguf [TEMPLATE]
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

static bool print(void *user, const char *text, size_t length) {
    fwrite(text, 1, length, user);
    return fflush(user) == 0; // false would end the reply
}

// What a reply cost: most of the text before it was in the caches already.
static void report(const char *what, const struct weft_generate_stats *s) {
    printf("\n  [%s: %u tokens of text, %u of them there before, %u new]\n", what, s->prompt_tokens, s->cached_tokens,
           s->new_tokens);
}

static void list(const weft_chat *chat) {
    struct weft_chat_message m;
    for (size_t i = 0; i < weft_chat_count(chat); i++)
        if (weft_chat_message(chat, i, &m) == WEFT_OK) printf("%zu %s: %s\n", i, m.role, m.text);
}

static weft_status converse(weft_chat *chat) {
    static const char first[] = "What is the capital of France?", second[] = "How many people live there?",
                      other[] = "What is the capital of Peru?", rules[] = "You answer in one short sentence.";
    struct weft_generate_stats s;
    char saved[8192];
    size_t length;
    weft_status status = weft_chat_system(chat, rules, strlen(rules));             // message 0
    if (status == WEFT_OK) status = weft_chat_say(chat, first, strlen(first), &s); // 1, and the reply is 2
    if (status != WEFT_OK) return status;
    report("first", &s);
    status = weft_chat_say(chat, second, strlen(second), &s); // 3 and 4
    if (status != WEFT_OK) return status;
    report("second", &s);
    status = weft_chat_regenerate(chat, &s); // another 4
    if (status != WEFT_OK) return status;
    report("regenerated", &s);
    status = weft_chat_save(chat, saved, sizeof saved, &length); // for a file

    // Another question in place of the first: what came after it is forgotten.
    if (status == WEFT_OK) status = weft_chat_edit(chat, 1, other, strlen(other));
    if (status == WEFT_OK) status = weft_chat_reply(chat, &s);
    if (status != WEFT_OK) return status;
    report("edited", &s);
    list(chat);

    if (status == WEFT_OK) status = weft_chat_load(chat, saved, length); // back to what was saved
    printf("as it was saved:\n");
    list(chat);
    return status;
}

int main(int argc, char **argv) {
    struct weft_chat_params params = {
        .sampling = {.temp = 0.7f, .top_p = 0.95f, .seed = 1},
        .max_tokens = 48,
        .chat_template = argc > 2 ? argv[2] : NULL, // the model's own
        .text = print,
        .user = stdout,
    };
    weft_device *device = NULL;
    weft_model *model = NULL;
    weft_chat *chat = NULL;
    if (argc < 2) return fprintf(stderr, "usage: chat MODEL.gguf [TEMPLATE]\n"), 2;

    weft_status status = weft_device_open(NULL, &device);
    if (status == WEFT_OK) status = weft_model_open(device, argv[1], NULL, &model);
    if (status == WEFT_OK) status = weft_chat_create(model, &params, &chat);
    if (status == WEFT_OK) status = converse(chat);
    if (status != WEFT_OK) fprintf(stderr, "chat: %s\n", weft_error_message());
    weft_chat_destroy(&chat);
    weft_model_close(&model);
    weft_device_close(&device);
    return status != WEFT_OK;
}
