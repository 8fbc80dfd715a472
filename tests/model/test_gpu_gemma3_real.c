/// measuring draft
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "model/host.h"
#include "model/lm.h"
#include "model/real_model.h"
#include "support/graph_run.h"
#include "support/lm_program.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
static void must(weft_status status) { if (status != WEFT_OK) fail_msg("%s", weft_error_message()); }
static bool take(void *user, int32_t id) { (void)user; printf(" %d", id); fflush(stdout); return true; }
static double t0, c0;
static void lap(const char *name) { double t = weft_now(), c = (double)clock() / CLOCKS_PER_SEC; printf("\n## %s: wall %.1f cpu %.1f\n", name, t - t0, c - c0); fflush(stdout); t0 = weft_now(); c0 = (double)clock() / CLOCKS_PER_SEC; }
int main(int argc, char **argv) {
    bool host = argc > 1 && strchr(argv[1], 'h'), cut = argc > 1 && strchr(argv[1], 'c');
    char *path = real_model();
    weft_gpu *gpu = weft_test_gpu();
    weft_lm *lm;
    t0 = weft_now();
    must(weft_lm_open(gpu, path, &(struct weft_lm_params){.ctx = 256, .chunk = 64}, &lm));
    lap("open");
    struct weft_ids ids = {0};
    must(weft_tokenizer_encode(weft_lm_tokenizer(lm), "Once upon a time", 16, WEFT_ENCODE_ADD_BOS, &ids));
    struct weft_generate_stats st;
    must(weft_lm_generate(lm, ids.data, ids.count, &(struct weft_generate_params){.max_tokens = 1, .token = take}, &st));
    lap("first token");
    must(weft_lm_generate(lm, ids.data, ids.count, &(struct weft_generate_params){.max_tokens = 16, .token = take}, &st));
    lap("16 tokens");
    struct weft_mapping text = {0};
    must(weft_file_map("/usr/share/common-licenses/GPL-3", &text));
    struct weft_ids gpl = {0};
    must(weft_tokenizer_encode(weft_lm_tokenizer(lm), (const char *)text.data, text.size, WEFT_ENCODE_ADD_BOS, &gpl));
    lap("tokenize");
    double figure;
    must(weft_lm_perplexity(lm, gpl.data, (uint32_t)gpl.count, 64, 1, NULL, NULL, &figure));
    printf("%g", figure);
    lap("perplexity 1 chunk");
    must(weft_lm_perplexity(lm, gpl.data, (uint32_t)gpl.count, 64, 1, NULL, NULL, &figure));
    lap("perplexity 1 chunk again");
    float *logits = weft_alloc(128ull * 262144 * 4);
    must(weft_lm_logits(lm, gpl.data, 64, 64, logits));
    lap("logits 64 by 64");
    must(weft_lm_logits(lm, gpl.data, 64, 64, logits));
    lap("logits 64 by 64 again");
    must(weft_lm_logits(lm, gpl.data, 26, 13, logits));
    lap("logits 26 by 13");
    must(weft_lm_logits(lm, gpl.data, 26, 13, logits));
    lap("logits 26 by 13 again");
    must(weft_lm_logits(lm, gpl.data, 8, 1, logits));
    lap("logits 8 by 1");
    must(weft_lm_logits(lm, gpl.data, 8, 1, logits));
    lap("logits 8 by 1 again");
    weft_session *a = weft_test_session(weft_lm_program(lm), false, 1), *b = weft_test_session(weft_lm_program(lm), true, 1);
    lap("sessions");
    must(weft_test_sizes(a, 1, 1, 64)); must(weft_session_run(a, 1, NULL));
    lap("replay");
    must(weft_test_sizes(b, 1, 1, 64)); must(weft_session_run(b, 1, NULL));
    lap("checker");
    weft_test_differ(a, b, false);
    lap("differ");
    if (host) {
        struct weft_host_lm *h;
        must(weft_host_lm_create(weft_lm_gguf(lm), &(struct weft_host_lm_params){.ctx = 128, .chunk = 128}, &h));
        double *d = weft_alloc(128ull * 262144 * 8);
        must(weft_host_lm_feed(h, gpl.data, 16, 16, d));
        lap("host 16 rows 16");
        must(weft_host_lm_feed(h, gpl.data + 16, 16, 1, d));
        lap("host 16 rows 1");
        if (!cut) must(weft_host_lm_feed(h, gpl.data + 32, 64, 64, d));
        lap("host 64 rows 64");
    }
    return 0;
}
