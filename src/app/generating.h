/// Options of the commands that generate: sampling, lengths, the model's context.
#ifndef WEFT_APP_GENERATING_H
#define WEFT_APP_GENERATING_H
#include "app/model.h"

enum { WEFT_APP_STOPS = 16 }; ///< stop texts, as many as weft/model.h allows

struct weft_generating {
    struct weft_device_params device;
    struct weft_model_params model;
    struct weft_sampling sampling;
    uint32_t tokens;
    bool seeded, stats;
    const char *stops[WEFT_APP_STOPS];
    size_t n_stops;
};

enum {
    WEFT_OPT_TEMP = WEFT_OPT_FIRST_OWN,
    WEFT_OPT_TOP_K,
    WEFT_OPT_TOP_P,
    WEFT_OPT_MIN_P,
    WEFT_OPT_SEED,
    WEFT_OPT_REPEAT,
    WEFT_OPT_FREQUENCY,
    WEFT_OPT_PRESENCE,
    WEFT_OPT_CTX,
    WEFT_OPT_CHUNK,
    WEFT_OPT_RUNS,
    WEFT_OPT_STOP,
    WEFT_OPT_CACHE,
    WEFT_OPT_NUMBERS,
    WEFT_OPT_STATS,
    WEFT_OPT_BEHIND_GENERATING, ///< the values of a command's other options start here
};

// clang-format off
#define WEFT_GENERATING_OPTIONS                                                                                        \
    WEFT_DEVICE_OPTIONS,                                                                                               \
    {"tokens", required_argument, NULL, 'n'},                                                                          \
    {"temp", required_argument, NULL, WEFT_OPT_TEMP},                                                                  \
    {"top-k", required_argument, NULL, WEFT_OPT_TOP_K},                                                                \
    {"top-p", required_argument, NULL, WEFT_OPT_TOP_P},                                                                \
    {"min-p", required_argument, NULL, WEFT_OPT_MIN_P},                                                                \
    {"seed", required_argument, NULL, WEFT_OPT_SEED},                                                                  \
    {"repeat-penalty", required_argument, NULL, WEFT_OPT_REPEAT},                                                      \
    {"frequency-penalty", required_argument, NULL, WEFT_OPT_FREQUENCY},                                                \
    {"presence-penalty", required_argument, NULL, WEFT_OPT_PRESENCE},                                                  \
    {"ctx", required_argument, NULL, WEFT_OPT_CTX},                                                                    \
    {"chunk", required_argument, NULL, WEFT_OPT_CHUNK},                                                                \
    {"runs", required_argument, NULL, WEFT_OPT_RUNS},                                                                  \
    {"stop", required_argument, NULL, WEFT_OPT_STOP},                                                                  \
    {"cache", required_argument, NULL, WEFT_OPT_CACHE},                                                                \
    {"numbers", required_argument, NULL, WEFT_OPT_NUMBERS},                                                            \
    {"stats", no_argument, NULL, WEFT_OPT_STATS}
// clang-format on

/// Their help, but for -n, whose default differs.
#define WEFT_GENERATING_HELP                                                                                           \
    "      --temp X          temperature; 0 takes the likeliest token always (default 0.8)\n"                          \
    "      --top-k N         of the N likeliest tokens only; 0: off (default 40)\n"                                    \
    "      --top-p X         of the likeliest that have probability X together; 1: off (default 0.95)\n"               \
    "      --min-p X         none below X times the likeliest one's probability; 0: off (default 0.05)\n"              \
    "      --seed N          same seed, same device: same text (default: another one each time)\n"                     \
    "      --repeat-penalty X, --frequency-penalty X, --presence-penalty X\n"                                          \
    "                        make generated tokens less likely to come again (default: off)\n"                         \
    "      --stop TEXT       end before TEXT; may be given several times\n"                                            \
    "      --ctx N           tokens of context (default: the model's, 4096 at most); a full context ends the text\n"   \
    "      --chunk N         most prompt tokens a run (default 64 on a CPU driver, else 512)\n"                        \
    "      --runs N          decode runs a submit (default: by measured time; 1 on a CPU driver)\n"                    \
    "      --cache f32|f16   type of the key and value cache (default f32)\n"                                          \
    "      --numbers f32|invariant   invariant: a token's numbers depend on its text alone, to the bit; slower\n"

struct weft_generating weft_generating_defaults(void);
/// Takes one of these options, or a device's. False with the usage error printed.
bool weft_generating_option(const struct weft_command *command, int option, struct weft_generating *g);
/// Behind the options: a seed, if none was given, and whether the model needs the sampler.
void weft_generating_ready(struct weft_generating *g);

/// Tokens a second, 0 where nothing was measured.
double weft_rate(double count, double seconds);
double weft_decode_rate(const struct weft_generate_stats *stats);
#endif
