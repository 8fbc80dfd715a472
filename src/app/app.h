/// What the subcommands share: the table of commands, exit codes, options, output, interruption.
///
/// stdout carries a command's result and nothing else; people are spoken to on stderr, one line "weft: ..." an error.
/// Only src/app includes this, and its tests.
#ifndef WEFT_APP_APP_H
#define WEFT_APP_APP_H
#include "weft/cancel.h"
#include "weft/device.h"
#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Exit codes of every subcommand.
enum weft_exit {
    WEFT_EXIT_OK = 0,
    WEFT_EXIT_FAILURE = 1,       ///< the sentence on stderr says why
    WEFT_EXIT_USAGE = 2,         ///< the command line is wrong
    WEFT_EXIT_INTERRUPTED = 130, ///< SIGINT or SIGTERM: what was done so far has been written
    WEFT_EXIT_PIPE = 141,        ///< the reader of stdout went away; nothing is said about it
};

struct weft_command {
    const char *name;
    const char *summary;                                                ///< one line for the list
    const char *help;                                                   ///< printed by --help: usage first
    int (*run)(const struct weft_command *self, int argc, char **argv); ///< argv[0] is the subcommand
};

extern const struct weft_command weft_command_run, weft_command_pull, weft_command_perplexity, weft_command_tokenize,
    weft_command_inspect, weft_command_devices, weft_command_bench, weft_command_chat, weft_command_embed;

/// The whole command line: what main() returns.
int weft_app_main(int argc, char **argv);

// ---- errors --------------------------------------------------------------------------------------------------------

/// "weft: <sentence>" on stderr. Returns WEFT_EXIT_FAILURE.
int weft_app_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/// Prints the library's sentence for `status` and returns the exit code that belongs to it.
int weft_app_failed(weft_status status);
/// "weft COMMAND: <sentence>; see `weft COMMAND --help`" on stderr. Returns WEFT_EXIT_USAGE.
int weft_app_usage(const struct weft_command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/// A remark on stderr: "weft: ...".
void weft_app_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

// ---- options -------------------------------------------------------------------------------------------------------

/// Values of options that have no letter, and the options of every command that opens a device.
enum {
    WEFT_OPT_WEBGPU = 256,
    WEFT_OPT_ADAPTER,
    WEFT_OPT_LIMITS,
    WEFT_OPT_JSON,
    WEFT_OPT_FIRST_OWN, ///< a command's own values start here
};
#define WEFT_COMMON_OPTIONS                                                                                            \
    {"help", no_argument, NULL, 'h'}, { "json", no_argument, NULL, WEFT_OPT_JSON }
#define WEFT_DEVICE_OPTIONS                                                                                            \
    {"webgpu", required_argument, NULL, WEFT_OPT_WEBGPU}, {"adapter", required_argument, NULL, WEFT_OPT_ADAPTER}, {    \
        "limits", required_argument, NULL, WEFT_OPT_LIMITS                                                             \
    }
#define WEFT_DEVICE_HELP                                                                                               \
    "      --webgpu NAME     wgpu, dawn, null or a library file (default: WEFT_WEBGPU, else the best found)\n"         \
    "      --adapter N       adapter of that implementation, see `weft devices` (default 0)\n"                         \
    "      --limits min      use only what every WebGPU device has\n"

/// Walks a command's options. On an unknown option or a missing value prints the usage error and returns WEFT_OPT_BAD;
/// prints the help and returns WEFT_OPT_HELP on -h; -1 at the end, when optind is the first operand.
enum { WEFT_OPT_BAD = -2, WEFT_OPT_HELP = -3 };
int weft_app_option(const struct weft_command *command, int argc, char **argv, const char *letters,
                    const struct option *options);

/// Takes a device option; returns false if `option` is none or its value is wrong (then *exit_code is WEFT_EXIT_USAGE,
/// and the error is printed).
bool weft_app_device_option(const struct weft_command *command, int option, struct weft_device_params *params,
                            int *exit_code);

/// Numbers of option values: the whole text must be one within [lo, hi]. On failure prints the usage error naming
/// `option` and returns false.
bool weft_app_integer(const struct weft_command *command, const char *option, const char *text, int64_t lo, int64_t hi,
                      int64_t *out);
/// The same of the option at hand (optarg), for a count.
bool weft_app_whole(const struct weft_command *command, const char *option, int64_t lo, int64_t hi, uint32_t *out);
bool weft_app_number(const struct weft_command *command, const char *option, const char *text, double lo, double hi,
                     double *out);
/// A list "16,64,512" of at most `max` numbers.
bool weft_app_integers(const struct weft_command *command, const char *option, const char *text, int64_t lo, int64_t hi,
                       uint32_t *out, uint32_t max, uint32_t *count);

// ---- output --------------------------------------------------------------------------------------------------------

/// Writes text to stdout, with names from anywhere in it: control characters and bytes that are no UTF-8 are written
/// out as escapes, line breaks and tabs stay (core/visible.h). False once stdout cannot be written (later calls do
/// nothing). A command has no other way to print than this and the next.
bool weft_outf(const char *format, ...) __attribute__((format(printf, 1, 2)));
/// A model's text or a prompt: to a terminal as weft_outf, else as it is. Characters must be whole.
bool weft_out_content(const char *text, size_t size);
bool weft_out_flush(void);
/// Whether stdout still takes text.
bool weft_out_alive(void);
/// The exit code at the end of a command: `code`, unless stdout failed (WEFT_EXIT_PIPE quietly for a closed pipe, else
/// WEFT_EXIT_FAILURE with a line).
int weft_out_close(int code);
/// Asks for input on a terminal: the text on stderr, without a line's end.
void weft_app_prompt(const char *text);
/// For tests that call weft_app_main more than once in a process.
void weft_out_reset(void);

// ---- interruption --------------------------------------------------------------------------------------------------

/// The signal's number after SIGINT or SIGTERM between catch(true) and catch(false); a second one ends the process at
/// once.
extern volatile int weft_interrupted;
extern struct weft_cancel weft_interrupt; ///< set with it, to be given to calls that take long
void weft_app_catch_interrupts(bool on);
void weft_app_forget_interrupt(void); ///< one that was dealt with
/// Catches them again, after one that was dealt with; keeps the number of one that was not.
void weft_app_rearm_interrupts(void);

// ---- progress ------------------------------------------------------------------------------------------------------

/// A bar on stderr if that is a terminal, else nothing.
struct weft_bar {
    char label[64];
    bool bytes; ///< amounts are bytes: shown in MB and with a rate
    bool on, drawn;
    double start, last;
};
void weft_bar_begin(struct weft_bar *bar, const char *label, bool bytes);
void weft_bar_update(struct weft_bar *bar, uint64_t done, uint64_t total);
void weft_bar_end(struct weft_bar *bar); ///< wipes it
#endif
