// State: a layer as step-by-step exports write it, with past inputs and present outputs, becomes one with states of its
// own; then a prompt is fed once and continued in several ways.
//
// A convolution and a gated delta rule (both recurrent) stand in front of attention over a cache in pages, as in hybrid
// language models. `state --plan` prints the compiled plan.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#define WIDTH 96 // of x: q, k and v of two heads of 16
#define CHUNK 16
#define CONTEXT 128
#define PROMPT 37

static const char graph_text[] = "symbol T 1 16\n"
                                 "symbol P 1 128\n"
                                 "var pos u32 0 128\n"
                                 "input x f32 [T, 96]\n"
                                 "input decay f32 [T, 2]\n"
                                 "input beta f32 [T, 2]\n"
                                 "input past_conv f32 [3, 96]\n"
                                 "input past_delta f32 [2, 16, 16]\n"
                                 "weight filter f32 [96, 4]\n"
                                 "state keys paged f32 [128, 2, 16]\n"
                                 "state values paged f32 [128, 2, 16]\n"
                                 "%c %y = causal_conv %past_conv %x %filter {layout=last, activation=silu}\n"
                                 "%q %k %v = split %y {sizes=[32, 32, 32], axis=1}\n"
                                 "%s %o = linear_attention %past_delta %q %k %v %decay %beta {q_heads=2, kv_heads=2}\n"
                                 "%kr = reshape %k {shape=[T, 2, 16]}\n"
                                 "%or = reshape %o {shape=[T, 2, 16]}\n"
                                 "%kc = cache_append %keys %kr %pos\n"
                                 "%vc = cache_append %values %or %pos\n"
                                 "%qr = reshape %q {shape=[T, 2, 16]}\n"
                                 "%a = attention %qr %kc %vc %pos {reach=P}\n"
                                 "%p = advance %pos {by=T}\n"
                                 "output %a out\n"
                                 "output %c present_conv\n"
                                 "output %s present_delta\n";

static void must(weft_status status, const char *what) {
    if (status == WEFT_OK) return;
    fprintf(stderr, "state: %s: %s\n", what, weft_error_message());
    exit(1);
}

static float noise(unsigned *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(*seed >> 8) / 8388608.0f - 1;
}

static weft_program *compile(weft_device *device, enum weft_state_policy policy) {
    static float filter[WIDTH * 4];
    unsigned seed = 1;
    for (int i = 0; i < WIDTH * 4; i++) filter[i] = noise(&seed);
    struct weft_weight weight = {"filter", filter, sizeof filter};
    struct weft_program_compile_params params = {.weights = &weight, .n_weights = 1};
    weft_graph *graph = NULL;
    weft_program *program = NULL;
    must(weft_graph_parse_text(graph_text, strlen(graph_text), &graph), "graph");
    must(weft_graph_pair_state(graph, "past_conv", "present_conv", WEFT_STATE_DENSE, policy), "pair");
    must(weft_graph_pair_state(graph, "past_delta", "present_delta", WEFT_STATE_DENSE, policy), "pair");
    must(weft_program_compile(device, &graph, &params, &program), "program");
    return program;
}

static void print_plan(const weft_program *program) {
    size_t length = 0;
    must(weft_program_print(program, false, NULL, 0, &length), "plan");
    char *text = malloc(length + 1);
    if (!text) exit(1);
    must(weft_program_print(program, false, text, length + 1, NULL), "plan");
    fputs(text, stdout);
    free(text);
}

// Feeds positions first .. last-1 of a text, a chunk at a time.
static void feed(weft_session *session, unsigned text, int first, int last) {
    float x[CHUNK * WIDTH], decay[CHUNK * 2], beta[CHUNK * 2];
    for (int at = first; at < last; at += CHUNK) {
        int n = last - at < CHUNK ? last - at : CHUNK;
        for (int t = 0; t < n; t++) {
            unsigned seed = text * 4096 + (unsigned)(at + t);
            for (int i = 0; i < WIDTH; i++) x[t * WIDTH + i] = noise(&seed);
            for (int i = 0; i < 2; i++)
                decay[t * 2 + i] = noise(&seed) - 1, beta[t * 2 + i] = 0.5f + 0.5f * noise(&seed);
        }
        struct weft_size sizes[] = {{"T", n}, {"P", at + n}};
        must(weft_session_set_sizes(session, sizes, 2), "sizes");
        must(weft_session_write(session, "x", 0, x, (uint64_t)n * WIDTH * 4), "write");
        must(weft_session_write(session, "decay", 0, decay, (uint64_t)n * 8), "write");
        must(weft_session_write(session, "beta", 0, beta, (uint64_t)n * 8), "write");
        must(weft_session_run(session, 1, NULL), "run");
    }
}

struct result {
    float out[32];
};

// The output of the newest position.
static struct result last(weft_session *session) {
    struct weft_tensor_info info;
    struct result r;
    must(weft_session_tensor(session, "out", &info), "tensor");
    must(weft_session_read(session, "out", info.bytes - sizeof r.out, r.out, sizeof r.out), "read");
    return r;
}

static int wrong;

static void compare(const char *what, struct result a, struct result b, int want) {
    int same = memcmp(&a, &b, sizeof a) == 0;
    printf("%-58s %s\n", what, same ? "same bits" : "different");
    wrong += same != want;
}

// What a session gives that is fed one text to the prompt's end and then another.
static struct result straight(weft_program *program, unsigned text, unsigned then, int end) {
    weft_session *session;
    must(weft_session_create(program, NULL, &session), "session");
    feed(session, text, 0, PROMPT);
    feed(session, then, PROMPT, end);
    struct result r = last(session);
    weft_session_destroy(&session);
    return r;
}

// One prompt, fed once: forked, rewound, kept and restored.
static void continuations(weft_device *device, weft_program *program) {
    weft_session *session, *fork;
    weft_snapshot *snapshot;
    must(weft_session_create(program, NULL, &session), "session");
    feed(session, 1, 0, PROMPT);
    must(weft_session_snapshot(session, WEFT_SNAPSHOT_HOST, &snapshot), "snapshot");
    must(weft_session_checkpoint(session), "checkpoint");
    must(weft_session_fork(session, &fork), "fork"); // shares the prompt's pages until one of the two writes to them
    feed(session, 2, PROMPT, 70);
    feed(fork, 3, PROMPT, 70);
    compare("the session goes on, and", last(session), straight(program, 1, 2, 70), 1);
    compare("its fork goes on otherwise", last(fork), straight(program, 1, 3, 70), 1);
    compare("of the two, the outputs are", last(session), last(fork), 0);

    // Keys and values can be cropped anywhere; what is recurrent comes back only where it was kept.
    if (weft_session_rewind(session, 50) == WEFT_ERR_UNSUPPORTED) printf("refused: %s\n", weft_error_message());
    else wrong++;
    must(weft_session_rewind(session, PROMPT), "rewind");
    feed(session, 3, PROMPT, 60);
    compare("rewound to the checkpoint", last(session), straight(program, 1, 3, 60), 1);
    must(weft_session_restore(fork, snapshot), "restore");
    feed(fork, 2, PROMPT, 60);
    compare("the fork, restored from the host's snapshot", last(fork), straight(program, 1, 2, 60), 1);

    struct weft_device_memory memory;
    must(weft_device_memory(device, &memory), "memory");
    printf("pages in use: %llu bytes, free: %llu\n", (unsigned long long)memory.pages_used,
           (unsigned long long)memory.pages_free);
    weft_snapshot_destroy(&snapshot);
    weft_session_destroy(&fork);
    weft_session_destroy(&session);
}

// Past and present apart: only the caller can move one to the other, so a submit holds one run.
static void apart(weft_device *device) {
    weft_program *program = compile(device, WEFT_STATE_SEPARATE);
    weft_session *session;
    must(weft_session_create(program, NULL, &session), "session");
    if (weft_session_run(session, 2, NULL) == WEFT_ERR_INVALID) printf("refused: %s\n", weft_error_message());
    else wrong++;
    weft_session_destroy(&session);
    weft_program_destroy(&program);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        enum weft_state_policy policy;
    } policies[] = {
        {"in place", WEFT_STATE_IN_PLACE}, {"ping-pong", WEFT_STATE_PING_PONG}, {"double", WEFT_STATE_DOUBLE}};
    weft_device *device = NULL;
    struct result first = {{0}};
    must(weft_device_open(NULL, &device), "device");
    for (int i = 0; i < 3; i++) {
        weft_program *program = compile(device, policies[i].policy);
        if (i == 1 && argc > 1 && strcmp(argv[1], "--plan") == 0) print_plan(program);
        printf("-- %s\n", policies[i].name);
        struct result r = straight(program, 1, 2, 70);
        if (i == 0) first = r;
        else compare("against the states in place", r, first, 1);
        continuations(device, program);
        weft_program_destroy(&program);
    }
    apart(device);
    weft_device_close(&device);
    return wrong != 0;
}
