#include "app/generating.h"

#include <stdio.h>
#include <sys/random.h>

struct weft_generating weft_generating_defaults(void) {
    return (struct weft_generating){.sampling = weft_sampling_defaults()};
}

static bool real(const struct weft_command *c, const char *name, double lo, double hi, float *out) {
    double x = 0;
    bool ok = weft_app_number(c, name, optarg, lo, hi, &x);
    *out = (float)x;
    return ok;
}

static bool take_seed(const struct weft_command *c, struct weft_generating *g) {
    int64_t n = 0;
    g->seeded = weft_app_integer(c, "--seed", optarg, 0, INT64_MAX, &n);
    g->sampling.seed = (uint64_t)n;
    return g->seeded;
}

static bool take_stop(const struct weft_command *c, struct weft_generating *g) {
    if (*optarg && g->n_stops < WEFT_APP_STOPS) {
        g->stops[g->n_stops++] = optarg;
        return true;
    }
    weft_app_usage(c, "--stop takes a text that is not empty, at most %d times", WEFT_APP_STOPS);
    return false;
}

bool weft_generating_option(const struct weft_command *c, int option, struct weft_generating *g) {
    int ignored;
    switch (option) {
    case 'n': return weft_app_whole(c, "-n", 0, INT32_MAX, &g->tokens);
    case WEFT_OPT_TEMP: return real(c, "--temp", 0, 1e6, &g->sampling.temp);
    case WEFT_OPT_TOP_K: return weft_app_whole(c, "--top-k", 0, INT32_MAX, &g->sampling.top_k);
    case WEFT_OPT_TOP_P: return real(c, "--top-p", 0, 1, &g->sampling.top_p);
    case WEFT_OPT_MIN_P: return real(c, "--min-p", 0, 1, &g->sampling.min_p);
    case WEFT_OPT_SEED: return take_seed(c, g);
    case WEFT_OPT_REPEAT: return real(c, "--repeat-penalty", 0.01, 100, &g->sampling.repetition);
    case WEFT_OPT_FREQUENCY: return real(c, "--frequency-penalty", -100, 100, &g->sampling.frequency);
    case WEFT_OPT_PRESENCE: return real(c, "--presence-penalty", -100, 100, &g->sampling.presence);
    case WEFT_OPT_CTX: return weft_app_whole(c, "--ctx", 1, WEFT_MAX_CTX, &g->model.ctx);
    case WEFT_OPT_CHUNK: return weft_app_whole(c, "--chunk", 1, 65535, &g->model.chunk);
    case WEFT_OPT_RUNS: return weft_app_whole(c, "--runs", 1, 64, &g->model.runs);
    case WEFT_OPT_STOP: return take_stop(c, g);
    case WEFT_OPT_CACHE: return weft_cache_option(c, optarg, &g->model.cache_f16);
    case WEFT_OPT_NUMBERS: return weft_numbers_option(c, optarg, &g->model.numbers);
    case WEFT_OPT_STATS: g->stats = true; return true;
    default: return weft_app_device_option(c, option, &g->device, &ignored);
    }
}

void weft_generating_ready(struct weft_generating *g) {
    uint64_t *seed = &g->sampling.seed;
    if (!g->seeded && getrandom(seed, sizeof *seed, 0) != (ssize_t)sizeof *seed) *seed = 1;
    if (!g->seeded) *seed &= UINT32_MAX; // short enough to be typed again
    g->model.greedy = !(g->sampling.temp > 0);
}

double weft_rate(double count, double seconds) { return seconds > 0 ? count / seconds : 0; }

double weft_decode_rate(const struct weft_generate_stats *s) {
    return s->new_tokens > 1 ? weft_rate(s->new_tokens - 1, s->decode_seconds) : 0;
}
