// Continues a prompt: generate MODEL.gguf [PROMPT]
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

static bool print(void *user, const char *text, size_t length) {
    fwrite(text, 1, length, user);
    return fflush(user) == 0;
}

int main(int argc, char **argv) {
    const char *prompt = argc > 2 ? argv[2] : "Once upon a time";
    struct weft_model_params open = {.ctx = 1024, .greedy = true};
    struct weft_model_generate_params generate = {.max_tokens = 48, .text = print, .user = stdout};
    weft_device *device = NULL;
    weft_model *model = NULL;
    if (argc < 2) return fprintf(stderr, "usage: generate MODEL.gguf [PROMPT]\n"), 2;

    weft_status status = weft_device_open(NULL, &device);
    if (status == WEFT_OK) status = weft_model_open(device, argv[1], &open, &model);
    if (status == WEFT_OK) status = weft_model_generate(model, prompt, strlen(prompt), &generate, NULL);
    if (status != WEFT_OK) fprintf(stderr, "generate: %s\n", weft_error_message());
    putchar('\n');
    weft_model_close(&model);
    weft_device_close(&device);
    return status != WEFT_OK;
}
