// Eight prompts at once: batch MODEL.gguf [NEW_TOKENS]
//
// All of them share the runs of the device, so that they take much less time than one after the other.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#define TEXTS 8
static const char *const prompts[TEXTS] = {
    "The capital of France is", "Water boils at",        "The largest planet is", "To make bread you need",
    "A haiku about rain:",      "The speed of light is", "Once upon a time",      "The opposite of cold is",
};

struct text {
    uint64_t id;
    char *bytes;
    size_t length;
    struct weft_batch_result result;
};

// Called from weft_batch_step with pieces of one text; those of the others come in between.
static bool append(void *user, const char *piece, size_t length) {
    struct text *t = user;
    char *more = realloc(t->bytes, t->length + length + 1);
    if (!more) return false; // ends this text alone
    memcpy(more + t->length, piece, length);
    t->bytes = more;
    t->length += length;
    t->bytes[t->length] = 0;
    return true;
}

static weft_status add_all(weft_batch *batch, struct text *texts, uint32_t tokens) {
    weft_status status = WEFT_OK;
    for (int i = 0; i < TEXTS && status == WEFT_OK; i++) {
        struct weft_model_generate_params params = {
            .max_tokens = tokens,
            .stop_texts = &(const char *){"\n\n"}, // each text may have stops, settings and a seed of its own
            .n_stop_texts = 1,
            .text = append,
            .user = &texts[i],
        };
        if (i == 4) params.sampling = (struct weft_sampling){.temp = 0.8f, .top_p = 0.95f, .seed = 1};
        status = weft_batch_add(batch, prompts[i], strlen(prompts[i]), &params, &texts[i].id);
    }
    return status;
}

// Steps until all have ended, and keeps how each did.
static weft_status finish(weft_batch *batch, struct text *texts) {
    struct weft_batch_result result;
    size_t left = 1;
    while (left) {
        weft_status status = weft_batch_step(batch, true, &left); // false would not wait, for loops with other work
        if (status != WEFT_OK) return status;
        while (weft_batch_next(batch, &result))
            for (int i = 0; i < TEXTS; i++)
                if (texts[i].id == result.id) texts[i].result = result;
    }
    return WEFT_OK;
}

static weft_status report(const weft_batch *batch, const struct text *texts) {
    struct weft_batch_counters c;
    for (int i = 0; i < TEXTS; i++)
        printf("%s%s\n  [%u + %u tokens]\n", prompts[i], texts[i].bytes ? texts[i].bytes : "",
               texts[i].result.stats.prompt_tokens, texts[i].result.stats.new_tokens);
    weft_status status = weft_batch_counters(batch, &c);
    if (status == WEFT_OK)
        printf("%llu tokens in %llu runs\n", (unsigned long long)c.tokens, (unsigned long long)c.runs);
    return status;
}

int main(int argc, char **argv) {
    struct text texts[TEXTS] = {{0}};
    weft_device *device = NULL;
    weft_model *model = NULL;
    weft_batch *batch = NULL;
    if (argc < 2) return fprintf(stderr, "usage: batch MODEL.gguf [NEW_TOKENS]\n"), 2;
    uint32_t tokens = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 24;

    weft_status status = weft_device_open(NULL, &device);
    if (status == WEFT_OK)
        status = weft_model_open(device, argv[1], &(struct weft_model_params){.lazy = true, .ctx = 128}, &model);
    if (status == WEFT_OK) status = weft_batch_create(model, &(struct weft_batch_params){.slots = TEXTS}, &batch);
    if (status == WEFT_OK) status = add_all(batch, texts, tokens);
    if (status == WEFT_OK) status = finish(batch, texts);
    if (status == WEFT_OK) status = report(batch, texts);
    if (status != WEFT_OK) fprintf(stderr, "batch: %s\n", weft_error_message());
    weft_batch_destroy(&batch);
    weft_model_close(&model);
    weft_device_close(&device);
    for (int i = 0; i < TEXTS; i++) free(texts[i].bytes);
    return status != WEFT_OK;
}
