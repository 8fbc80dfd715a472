#include "app/run_beams.h"

#include "app/json.h"
#include "weft/beam.h"

#include <unistd.h>

static int print_json(const weft_beams *beams, const struct weft_opened *o, const int32_t *prompt, size_t count) {
    struct weft_beam_stats s;
    struct weft_device_counters c;
    (void)weft_device_counters(o->device, &c);
    (void)weft_beams_stats(beams, &s);
    json_t *results = json_array();
    for (size_t i = 0; i < weft_beams_count(beams); i++) {
        struct weft_beam_result r;
        if (weft_beams_result(beams, i, &r) != WEFT_OK) break;
        json_array_append_new(results, json_pack("{so so ss so so}", "text", weft_json_text(r.text, r.length), "ids",
                                                 weft_json_ids(r.ids, r.count), "stop", weft_stop_name(r.reason),
                                                 "score", weft_json_number(r.score), "log_probability",
                                                 weft_json_number(r.log_probability)));
    }
    json_t *root = json_pack("{so so}", "results", results, "prompt_ids", weft_json_ids(prompt, count));
    if (!root) return weft_json_print(NULL);
    json_object_set_new(root, "stats",
                        json_pack("{si si sI sf sf sf sI}", "prompt_tokens", (int)s.prompt_tokens, "steps",
                                  (int)s.steps, "tokens", (json_int_t)s.tokens, "load_seconds", o->load_seconds,
                                  "prefill_seconds", s.prefill_seconds, "search_seconds", s.search_seconds,
                                  "peak_device_bytes", (json_int_t)c.bytes_peak));
    return weft_json_print(root);
}

static void print_stats(const weft_beams *beams, const struct weft_opened *o, const struct weft_beam_result *best) {
    struct weft_beam_stats s;
    (void)weft_beams_stats(beams, &s);
    weft_app_note("load %.2f s; prompt %u tokens in %.2f s; %u steps in %.2f s (%.2f a second)", o->load_seconds,
                  s.prompt_tokens, s.prefill_seconds, s.steps, s.search_seconds, weft_rate(s.steps, s.search_seconds));
    weft_app_note("%zu new tokens, score %.4f, log probability %.4f; ended by: %s", best->count, best->score,
                  best->log_probability, weft_stop_name(best->reason));
}

int weft_run_beams(const struct weft_run_beams *r, const struct weft_opened *o, const int32_t *ids, size_t count) {
    const struct weft_beam_params params = {.beams = r->beams,
                                            .results = r->json ? r->beams : 1,
                                            .max_tokens = r->tokens,
                                            .length_penalty = r->length_penalty,
                                            .ignore_stops = r->ignore_stops,
                                            .cancel = &weft_interrupt};
    struct weft_beam_result best = {0};
    weft_beams *beams = NULL;
    weft_app_catch_interrupts(true);
    weft_status status = weft_model_beams_ids(o->model, ids, count, &params, &beams);
    weft_app_catch_interrupts(false);
    if (status == WEFT_OK) status = weft_beams_result(beams, 0, &best);
    int code = weft_app_failed(status);
    if (status == WEFT_OK && r->json) code = print_json(beams, o, ids, count);
    if (status == WEFT_OK && !r->json) {
        weft_out_content(best.text, best.length);
        if (best.length && best.text[best.length - 1] != '\n' && isatty(STDOUT_FILENO)) weft_outf("\n");
        weft_out_flush();
    }
    if (status == WEFT_OK && best.count == 0 && best.reason == WEFT_STOP_CONTEXT)
        weft_app_note("the prompt fills the context of %zu tokens; raise --ctx for new ones", count);
    if (status == WEFT_OK && weft_out_alive() && r->talkative) print_stats(beams, o, &best);
    weft_beams_destroy(&beams);
    return code;
}
