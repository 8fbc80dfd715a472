/// weft chat: a conversation, a line a message.
#include "app/generating.h"
#include "app/input.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "core/str.h"
#include "weft/chat.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_HISTORY = 64 << 20 };

struct chat {
    const char *model, *system, *template, *variables, *load;
    struct weft_generating g;
    struct weft_input input;
    weft_chat *chat;
    bool asks;       ///< a person types: prompts, and errors do not end the command
    bool quits;      ///< at /quit
    int code;        ///< of the command
    unsigned breaks; ///< Ctrl-C in a row, at the prompt
    char last;       ///< last byte shown of a reply
};

// ---- input ---------------------------------------------------------------------------------------------------------

/// A line, with those that a backslash at its end joins to it. False at the end of input, and where a signal ended it.
static bool read_line(struct chat *c, const char *prompt, struct weft_str *out) {
    weft_str_cut(out, 0);
    for (bool any = false;; any = true) {
        if (c->asks) weft_app_prompt(any ? "... " : prompt);
        enum weft_input_result got = weft_input_line(&c->input, out);
        if (got != WEFT_INPUT_LINE) return any && got == WEFT_INPUT_END;
        if (!out->len || out->data[out->len - 1] != '\\') return true;
        out->data[out->len - 1] = '\n';
    }
}

/// The rest of a command's line; the text of the next line, where the command has none.
static const char *rest_of(struct chat *c, const char *line, const char *prompt, struct weft_str *more) {
    if (*line) return line;
    return read_line(c, prompt, more) ? weft_str_get(more) : NULL;
}

// ---- replies -------------------------------------------------------------------------------------------------------

static bool show(void *user, const char *text, size_t length) {
    struct chat *c = user;
    c->last = text[length - 1];
    return weft_out_content(text, length) && weft_out_flush();
}

static void failed(struct chat *c, weft_status status) {
    int code = weft_app_failed(status);
    if (code == WEFT_EXIT_OK) return;
    if (c->asks && status != WEFT_ERR_LOST && status != WEFT_ERR_DEVICE && status != WEFT_ERR_NOMEM) return;
    c->code = code;
    c->quits = true;
}

enum turn { SAY, REPLY, REGENERATE };

static void reply(struct chat *c, enum turn turn, const char *text, size_t length) {
    struct weft_generate_stats s = {0};
    c->last = 0;
    weft_app_rearm_interrupts();
    weft_status status = turn == SAY     ? weft_chat_say(c->chat, text, length, &s)
                         : turn == REPLY ? weft_chat_reply(c->chat, &s)
                                         : weft_chat_regenerate(c->chat, &s);
    if (c->last != '\n' && (c->last || status == WEFT_OK)) weft_outf("\n");
    weft_out_flush();
    failed(c, status);
    if (status != WEFT_OK) return;
    if (weft_interrupted && c->asks) weft_app_note("stopped; /regenerate tries again");
    if (s.reason == WEFT_STOP_CONTEXT)
        weft_app_note("the context is full (%u tokens); edit an earlier message, or raise --ctx",
                      s.prompt_tokens + s.new_tokens);
    if (c->g.stats)
        weft_app_note("prompt %u tokens, of which %u were there, in %.2f s; %u new tokens, %.2f t/s; ended by: %s",
                      s.prompt_tokens, s.cached_tokens, s.prefill_seconds, s.new_tokens, weft_decode_rate(&s),
                      weft_interrupted ? "interrupted" : weft_stop_name(s.reason));
    // A script that is interrupted ends; a person goes on.
    if (weft_interrupted && (!c->asks || weft_interrupted == SIGTERM)) {
        c->code = WEFT_EXIT_INTERRUPTED;
        c->quits = true;
    }
    weft_app_forget_interrupt();
}

// ---- commands ------------------------------------------------------------------------------------------------------

static void do_regenerate(struct chat *c, const char *rest) {
    if (*rest) weft_app_note("/regenerate takes nothing behind it");
    else reply(c, REGENERATE, NULL, 0);
}

static void do_edit(struct chat *c, const char *rest) {
    struct weft_str more = {0};
    struct weft_chat_message m;
    char *end;
    unsigned long number = strtoul(rest, &end, 10);
    if (end == rest || !number || number > weft_chat_count(c->chat) || (*end && *end != ' ')) {
        failed(c, weft_fail(WEFT_ERR_INVALID, "/edit takes the number of a message, from 1 to %zu; /list shows them",
                            weft_chat_count(c->chat)));
        return;
    }
    const char *text = rest_of(c, end + strspn(end, " "), "instead: ", &more);
    weft_status status = text ? weft_chat_edit(c->chat, number - 1, text, strlen(text)) : WEFT_OK;
    if (text && status == WEFT_OK) status = weft_chat_message(c->chat, number - 1, &m);
    failed(c, status);
    if (text && status == WEFT_OK && !strcmp(m.role, "user")) reply(c, REPLY, NULL, 0);
    weft_str_free(&more);
}

static void do_system(struct chat *c, const char *rest) {
    struct weft_str more = {0};
    const char *text = rest_of(c, rest, "system (an empty line for none): ", &more);
    if (text) failed(c, weft_chat_system(c->chat, text, strlen(text)));
    weft_str_free(&more);
}

static void do_save(struct chat *c, const char *path) {
    size_t length = 0;
    char *text = NULL;
    weft_status status = *path ? weft_chat_save(c->chat, NULL, 0, &length)
                               : weft_fail(WEFT_ERR_INVALID, "/save takes the name of a file");
    if (status == WEFT_OK && !(text = weft_alloc(length + 1)))
        status = weft_fail(WEFT_ERR_NOMEM, "out of memory for %zu bytes", length);
    if (status == WEFT_OK) status = weft_chat_save(c->chat, text, length + 1, &length);
    if (status == WEFT_OK) status = weft_file_write(path, text, length);
    if (status == WEFT_OK && c->asks) weft_app_note("%zu messages saved to %s", weft_chat_count(c->chat), path);
    weft_free(text);
    failed(c, status);
}

static weft_status load(struct chat *c, const char *path) {
    size_t length;
    char *text = NULL;
    WEFT_TRY(weft_file_read(path, MOST_HISTORY, &text, &length));
    weft_status status = weft_fail_in(weft_chat_load(c->chat, text, length), "%s", path);
    weft_free(text);
    return status;
}

static void do_load(struct chat *c, const char *path) {
    weft_status status = *path ? load(c, path) : weft_fail(WEFT_ERR_INVALID, "/load takes the name of a file");
    if (status == WEFT_OK && c->asks) weft_app_note("%zu messages loaded from %s", weft_chat_count(c->chat), path);
    failed(c, status);
}

static void do_list(struct chat *c, const char *rest) {
    (void)rest;
    struct weft_chat_message m;
    for (size_t i = 0; weft_chat_message(c->chat, i, &m) == WEFT_OK && i < weft_chat_count(c->chat); i++)
        weft_outf("%zu %s: %s\n", i + 1, m.role, m.text);
    weft_out_flush();
}

static void do_quit(struct chat *c, const char *rest) {
    (void)rest;
    c->quits = true;
}

static void do_help(struct chat *c, const char *rest);

static const struct action {
    const char *name, *help;
    void (*run)(struct chat *c, const char *rest);
} actions[] = {
    {"regenerate", "another reply to the last message", do_regenerate},
    {"edit", "N [TEXT]: message N becomes TEXT, or the next line; what came after it is forgotten", do_edit},
    {"system", "[TEXT]: the system prompt becomes TEXT, or the next line; an empty line takes it out", do_system},
    {"list", "the messages with their numbers", do_list},
    {"save", "FILE: messages and settings as JSON", do_save},
    {"load", "FILE: messages and settings from there", do_load},
    {"help", "this list", do_help},
    {"quit", "the end; so is Ctrl-D", do_quit},
};
enum { ACTIONS = sizeof actions / sizeof *actions };

static void do_help(struct chat *c, const char *rest) {
    (void)c, (void)rest;
    for (size_t i = 0; i < ACTIONS; i++) weft_app_note("/%-11s %s", actions[i].name, actions[i].help);
    weft_app_note("a line that ends in \\ goes on; // at its start is a slash of the message");
}

static void command(struct chat *c, const char *line) {
    size_t n = strcspn(line, " ");
    for (size_t i = 0; i < ACTIONS; i++)
        if (strlen(actions[i].name) == n && !memcmp(actions[i].name, line, n)) {
            actions[i].run(c, line + n + strspn(line + n, " "));
            return;
        }
    failed(c, weft_fail(WEFT_ERR_INVALID, "there is no command /%.*s; /help lists them", (int)(n < 40 ? n : 40), line));
}

// ---- the conversation ----------------------------------------------------------------------------------------------

/// Ctrl-C at the prompt takes the line back; a second one in a row ends.
static void interrupted(struct chat *c) {
    if (c->asks) weft_app_prompt("\n");
    if (c->asks && weft_interrupted != SIGTERM && c->breaks++ == 0) {
        weft_app_note("once more ends the conversation; so do /quit and Ctrl-D");
        weft_app_forget_interrupt();
        return;
    }
    c->code = WEFT_EXIT_INTERRUPTED;
    c->quits = true;
}

static void converse(struct chat *c) {
    struct weft_str line = {0};
    weft_app_catch_interrupts(true);
    while (!c->quits && weft_out_alive()) {
        weft_app_rearm_interrupts();
        bool there = read_line(c, "> ", &line);
        if (weft_interrupted) {
            interrupted(c);
            continue;
        }
        if (!there) break;
        c->breaks = 0;
        const char *text = weft_str_get(&line);
        if (text[0] == '/' && text[1] != '/') command(c, text + 1);
        else if (line.len) reply(c, SAY, text + (*text == '/'), line.len - (*text == '/'));
    }
    if (c->asks && !c->quits) weft_app_prompt("\n");
    weft_str_free(&line);
    weft_input_free(&c->input);
    weft_app_catch_interrupts(false);
}

static weft_status begin(struct chat *c, struct weft_opened *o) {
    struct weft_chat_params params = {
        .sampling = c->g.sampling,
        .max_tokens = c->g.tokens,
        .chat_template = c->template,
        .variables = c->variables,
        .stop_texts = c->g.stops,
        .n_stop_texts = c->g.n_stops,
        .text = show,
        .user = c,
        .cancel = &weft_interrupt,
    };
    WEFT_TRY(weft_chat_create(o->model, &params, &c->chat));
    if (c->load) WEFT_TRY(load(c, c->load));
    if (c->system) WEFT_TRY(weft_chat_system(c->chat, c->system, strlen(c->system)));
    return weft_model_prepare(o->model); // behind what is refused at once
}

static int run(struct chat *c) {
    struct weft_opened o;
    struct weft_model_info info = {0};
    char device[256];
    weft_generating_ready(&c->g);
    c->g.model.lazy = true;
    c->asks = isatty(STDIN_FILENO) == 1;
    weft_status status = weft_open_model(c->model, &c->g.device, &c->g.model, &o);
    if (status != WEFT_OK) return weft_app_failed(status);
    status = begin(c, &o);
    c->code = weft_app_failed(status);
    weft_describe_device(o.device, device);
    (void)weft_model_info(o.model, &info);
    if (status == WEFT_OK && (c->asks || c->g.stats))
        weft_app_note("%s, %s cache, context %u; /help lists commands", device, c->g.model.cache_f16 ? "f16" : "f32",
                      info.ctx);
    if (status == WEFT_OK) converse(c);
    weft_chat_destroy(&c->chat);
    weft_close_model(&o);
    return c->code;
}

// ---- options -------------------------------------------------------------------------------------------------------

enum { OPT_SYSTEM = WEFT_OPT_BEHIND_GENERATING, OPT_TEMPLATE, OPT_VARIABLES, OPT_LOAD };

static const struct option options[] = {
    {"help", no_argument, NULL, 'h'},
    WEFT_GENERATING_OPTIONS,
    {"system", required_argument, NULL, OPT_SYSTEM},
    {"chat-template", required_argument, NULL, OPT_TEMPLATE},
    {"variables", required_argument, NULL, OPT_VARIABLES},
    {"load", required_argument, NULL, OPT_LOAD},
    {0},
};

static bool take(const struct weft_command *self, struct chat *c, int option) {
    switch (option) {
    case OPT_SYSTEM: c->system = optarg; break;
    case OPT_TEMPLATE: c->template = optarg; break;
    case OPT_VARIABLES: c->variables = optarg; break;
    case OPT_LOAD: c->load = optarg; break;
    default: return weft_generating_option(self, option, &c->g);
    }
    return true;
}

static int run_chat(const struct weft_command *self, int argc, char **argv) {
    struct chat c = {.g = weft_generating_defaults()};
    for (int option; (option = weft_app_option(self, argc, argv, "hn:", options)) != -1;) {
        if (option == WEFT_OPT_HELP) return WEFT_EXIT_OK;
        if (option == WEFT_OPT_BAD || !take(self, &c, option)) return WEFT_EXIT_USAGE;
    }
    int operands = argc - optind;
    if (operands < 1) return weft_app_usage(self, "which model? a GGUF file or a name of `weft pull --list`");
    if (operands > 1) return weft_app_usage(self, "messages come from stdin, a line each");
    c.model = argv[optind];
    return run(&c);
}

const struct weft_command weft_command_chat = {
    .name = "chat",
    .summary = "talk with a language model",
    .help =
        "usage: weft chat MODEL [OPTION]...\n\n"
        "Each line of stdin is a message; stdout holds the replies, as they come. Lines that begin with / are "
        "commands:\n"
        "/regenerate, /edit N [TEXT], /system [TEXT], /list, /save FILE, /load FILE, /help, /quit.\n\n"
        "      --system TEXT     system prompt\n"
        "      --load FILE       go on with a saved conversation; its settings count, unless it has none\n"
        "      --chat-template X how messages become a prompt: a file in Jinja, a variant that the model has, or\n"
        "                        chatml, gemma, llama2, llama3, mistral, phi3, zephyr (default: the model's own)\n"
        "      --variables JSON  a map of variables of the template, such as '{\"enable_thinking\": false}'\n"
        "  -n, --tokens N        at most N tokens a reply; 0: until the context is full "
        "(default)\n" WEFT_GENERATING_HELP
        "      --stats           device, times and counts on stderr\n" WEFT_DEVICE_HELP
        "  -h, --help            this text\n\n"
        "Ctrl-C ends a reply, and keeps what came of it; at the prompt, a second one ends the conversation (exit code "
        "130).\n"
        "Where stdin is no terminal, the first error ends the conversation (1), and so does Ctrl-C.\n",
    .run = run_chat,
};
