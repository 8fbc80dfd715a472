/// The table of subcommands, help, options and errors.
#include "app/app.h"

#include "core/log.h"
#include "core/visible.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run_help(const struct weft_command *self, int argc, char **argv);
static int run_version(const struct weft_command *self, int argc, char **argv);

static const struct weft_command command_help = {
    .name = "help",
    .summary = "show this list, or the help of one command",
    .help = "usage: weft help [COMMAND]\n",
    .run = run_help,
};
static const struct weft_command command_version = {
    .name = "version",
    .summary = "print the version",
    .help = "usage: weft version\n",
    .run = run_version,
};

static const struct weft_command *const commands[] = {
    &weft_command_run,   &weft_command_chat,     &weft_command_pull,    &weft_command_perplexity,
    &weft_command_embed, &weft_command_tokenize, &weft_command_inspect, &weft_command_devices,
    &weft_command_bench, &command_help,          &command_version,
};
#define N_COMMANDS (sizeof commands / sizeof *commands)

static const struct weft_command *find(const char *name) {
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (!strcmp(commands[i]->name, name)) return commands[i];
    return NULL;
}

static void print_list(FILE *to) {
    fputs("Weft compiles tensor graphs to WebGPU and replays them; this command runs language models with it.\n\n"
          "usage: weft COMMAND [OPTION]... [ARGUMENT]...\n\ncommands:\n",
          to);
    for (size_t i = 0; i < N_COMMANDS; i++) fprintf(to, "  %-11s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n`weft COMMAND --help` has the options. MODEL is a GGUF file or a name that `weft pull --list` shows.\n"
          "exit codes: 0 done, 1 failed, 2 wrong command line, 130 interrupted, 141 the reader of stdout went away\n",
          to);
}

static int run_help(const struct weft_command *self, int argc, char **argv) {
    if (argc > 2) return weft_app_usage(self, "one command at most, not %d", argc - 1);
    if (argc < 2) {
        print_list(stdout);
        return WEFT_EXIT_OK;
    }
    bool own = !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h");
    const struct weft_command *command = own ? self : find(argv[1]);
    if (!command) return weft_app_usage(self, "there is no command '%s'", argv[1]);
    fputs(command->help, stdout);
    return WEFT_EXIT_OK;
}

static int run_version(const struct weft_command *self, int argc, char **argv) {
    bool help = argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));
    if (help) fputs(self->help, stdout);
    if (help) return WEFT_EXIT_OK;
    if (argc > 1) return weft_app_usage(self, "takes no arguments");
    puts("weft " WEFT_VERSION);
    return WEFT_EXIT_OK;
}

static void log_line(void *user, enum weft_log_level level, const char *message) {
    (void)user, (void)level;
    fprintf(stderr, "weft: %s\n", message);
}

int weft_app_main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN); // a closed pipe shows as a failed write, see output.c
    weft_log_set(log_line, NULL, WEFT_LOG_WARN);
    weft_out_reset();
    if (argc < 2) {
        print_list(stderr);
        return WEFT_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (!strcmp(name, "--help") || !strcmp(name, "-h")) name = "help";
    if (!strcmp(name, "--version") || !strcmp(name, "-V")) name = "version";
    const struct weft_command *command = find(name);
    if (!command) {
        weft_app_error("there is no command '%s'; `weft help` lists them", name);
        return WEFT_EXIT_USAGE;
    }
    optind = 0; // GNU: start over, also for a second call in one process
    return weft_out_close(command->run(command, argc - 1, argv + 1));
}

// ---- errors --------------------------------------------------------------------------------------------------------

/// One line that is safe to print, whatever the sentence holds: line breaks and runs of spaces become a space.
static void print_line(const char *prefix, const char *format, va_list args, const char *suffix) {
    char raw[4096], line[2 * sizeof raw];
    vsnprintf(raw, sizeof raw, format, args);
    weft_visible(WEFT_VISIBLE_LINE, raw, strlen(raw), line, sizeof line);
    char *to = line;
    for (const char *from = line; *from; from++)
        if (*from != ' ' || to == line || to[-1] != ' ') *to++ = *from;
    *to = 0;
    fprintf(stderr, "%s%s%s\n", prefix, line, suffix);
}

int weft_app_error(const char *format, ...) {
    va_list args;
    va_start(args, format);
    print_line("weft: ", format, args, "");
    va_end(args);
    return WEFT_EXIT_FAILURE;
}

void weft_app_note(const char *format, ...) {
    va_list args;
    va_start(args, format);
    print_line("weft: ", format, args, "");
    va_end(args);
}

int weft_app_failed(weft_status status) {
    if (status == WEFT_OK) return WEFT_EXIT_OK;
    if (status == WEFT_ERR_CANCELLED) return WEFT_EXIT_INTERRUPTED;
    const char *sentence = weft_error_message();
    weft_app_error("%s", *sentence ? sentence : weft_status_name(status));
    return WEFT_EXIT_FAILURE;
}

int weft_app_usage(const struct weft_command *command, const char *format, ...) {
    char prefix[64], suffix[80];
    snprintf(prefix, sizeof prefix, "weft %s: ", command->name);
    snprintf(suffix, sizeof suffix, "; see `weft %s --help`", command->name);
    va_list args;
    va_start(args, format);
    print_line(prefix, format, args, suffix);
    va_end(args);
    return WEFT_EXIT_USAGE;
}

// ---- options -------------------------------------------------------------------------------------------------------

int weft_app_option(const struct weft_command *command, int argc, char **argv, const char *letters,
                    const struct option *options) {
    char with_colon[64];
    snprintf(with_colon, sizeof with_colon, ":%s",
             letters); // ':' first: a missing value is told apart, getopt is quiet
    opterr = 0;
    int option = getopt_long(argc, argv, with_colon, options, NULL);
    if (option == 'h') {
        weft_outf("%s", command->help);
        return WEFT_OPT_HELP;
    }
    if (option == ':') {
        weft_app_usage(command, "option '%s' needs a value", argv[optind - 1]);
        return WEFT_OPT_BAD;
    }
    if (option == '?') {
        if (optopt > 0 && optopt < 256) weft_app_usage(command, "there is no option '-%c'", optopt);
        else weft_app_usage(command, "there is no option '%s', or it takes no value", argv[optind - 1]);
        return WEFT_OPT_BAD;
    }
    return option;
}

bool weft_app_device_option(const struct weft_command *command, int option, struct weft_device_params *params,
                            int *exit_code) {
    int64_t n = 0;
    bool ok = true;
    switch (option) {
    case WEFT_OPT_WEBGPU: params->implementation = optarg; break;
    case WEFT_OPT_ADAPTER:
        ok = weft_app_integer(command, "--adapter", optarg, 0, 255, &n);
        params->adapter = (int)n;
        break;
    case WEFT_OPT_LIMITS:
        params->limits_min = ok = !strcmp(optarg, "min");
        if (!ok) weft_app_usage(command, "--limits takes only 'min', not '%s'", optarg);
        break;
    default: ok = false;
    }
    if (!ok) *exit_code = WEFT_EXIT_USAGE;
    return ok;
}

bool weft_app_integer(const struct weft_command *command, const char *option, const char *text, int64_t lo, int64_t hi,
                      int64_t *out) {
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end || errno || n < lo || n > hi) {
        weft_app_usage(command, "%s takes a whole number from %lld to %lld, not '%s'", option, (long long)lo,
                       (long long)hi, text);
        return false;
    }
    *out = n;
    return true;
}

bool weft_app_whole(const struct weft_command *command, const char *option, int64_t lo, int64_t hi, uint32_t *out) {
    int64_t n = 0;
    bool ok = weft_app_integer(command, option, optarg, lo, hi, &n);
    *out = (uint32_t)n;
    return ok;
}

bool weft_app_number(const struct weft_command *command, const char *option, const char *text, double lo, double hi,
                     double *out) {
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end || !isfinite(x) || x < lo || x > hi) {
        weft_app_usage(command, "%s takes a number from %g to %g, not '%s'", option, lo, hi, text);
        return false;
    }
    *out = x;
    return true;
}

bool weft_app_integers(const struct weft_command *command, const char *option, const char *text, int64_t lo, int64_t hi,
                       uint32_t *out, uint32_t max, uint32_t *count) {
    *count = 0;
    for (const char *p = text;; p++) {
        char piece[32];
        size_t length = strcspn(p, ",");
        snprintf(piece, sizeof piece, "%.*s", (int)(length < sizeof piece ? length : sizeof piece - 1), p);
        int64_t n;
        if (!weft_app_integer(command, option, piece, lo, hi, &n)) return false;
        if (*count == max) {
            weft_app_usage(command, "%s takes at most %u numbers", option, max);
            return false;
        }
        out[(*count)++] = (uint32_t)n;
        p += length;
        if (!*p) return true;
    }
}
