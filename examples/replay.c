// Replay with memory of one's own: points x move by v each step, and the radius of each is wanted now and then.
//
// x and next are bound to two buffers that change places after each run; v is bound to host memory and may be changed
// between runs. Nothing is made or compiled after the first two steps. `replay --plan` prints the compiled plan.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#define POINTS 5
#define STEPS 10

static const char graph_text[] = "symbol N 1 1024\n"
                                 "input x f32 [N, 2]\n"
                                 "input v f32 [N, 2]\n"
                                 "var steps u32 0 1000000\n"
                                 "%0 = add %x %v\n"
                                 "%1 = square %0\n"
                                 "%2 = sum %1\n"
                                 "%3 = sqrt %2\n"
                                 "%4 = advance %steps {by=1}\n"
                                 "output %0 next\n"
                                 "output %3 radius\n";

static void must(weft_status status, const char *what) {
    if (status == WEFT_OK) return;
    fprintf(stderr, "replay: %s: %s\n", what, weft_error_message());
    exit(1);
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

static void told(void *user, uint64_t fence, weft_status status) {
    printf("run behind fence %llu is done: %s\n", (unsigned long long)fence, weft_status_name(status));
    *(int *)user = 1;
}

// Which buffer is read and which is written changes with each step. Both are named in one call, because one call after
// the other would bind a buffer to an input and an output at a time, which is refused.
static void swap(weft_session *session, weft_buffer *const *places, int step) {
    struct weft_binding bindings[] = {{.name = "x", .buffer = places[step % 2]},
                                      {.name = "next", .buffer = places[1 - step % 2]}};
    must(weft_session_bind_all(session, bindings, 2), "bind");
}

int main(int argc, char **argv) {
    float x[POINTS][2], v[POINTS][2], radius[POINTS], got[POINTS][2];
    weft_device *device = NULL;
    weft_graph *graph = NULL;
    weft_program *program = NULL;
    weft_session *session = NULL;
    weft_buffer *places[2] = {NULL, NULL};
    uint64_t fence = 0;
    int heard = 0, wrong = 0;

    struct weft_device_params params = {.timeout_seconds = 60};
    must(weft_device_open(&params, &device), "device");
    must(weft_graph_parse_text(graph_text, strlen(graph_text), &graph), "graph");
    must(weft_program_compile(device, &graph, NULL, &program), "program");
    if (argc > 1 && strcmp(argv[1], "--plan") == 0) print_plan(program);
    must(weft_session_create(program, NULL, &session), "session");
    struct weft_size size = {"N", POINTS};
    must(weft_session_set_sizes(session, &size, 1), "sizes");

    for (int i = 0; i < POINTS; i++) x[i][0] = (float)i, x[i][1] = 0, v[i][0] = 0, v[i][1] = 0.25f * (float)i;
    for (int i = 0; i < 2; i++) must(weft_buffer_create(device, sizeof x, &places[i]), "buffer");
    must(weft_buffer_write(places[0], 0, x, sizeof x), "write");
    must(weft_session_bind_host(session, "v", v, sizeof v), "bind v");
    must(weft_session_bind_host(session, "radius", radius, sizeof radius), "bind radius");

    // Steps are queued without waiting; what v holds at each call is what that step takes.
    for (int step = 0; step < STEPS; step++) {
        swap(session, places, step);
        must(weft_session_run(session, 1, &fence), "run");
        for (int i = 0; i < POINTS; i++) v[i][1] = -v[i][1]; // there and back again
    }
    must(weft_session_on_done(session, fence, told, &heard), "on_done");
    while (!heard) must(weft_device_poll(device), "poll");
    must(weft_session_wait(session, fence, -1), "wait"); // fills radius
    must(weft_buffer_read(places[STEPS % 2], 0, got, sizeof got), "read");
    for (int i = 0; i < POINTS; i++) {
        printf("point %d at (%g, %g), radius %g\n", i, got[i][0], got[i][1], radius[i]);
        wrong += got[i][0] != x[i][0] || got[i][1] != 0 || radius[i] != (float)i;
    }

    // A buffer that goes while it is bound is an error of the next run, not a crash; the session lives on.
    swap(session, places, 0);
    weft_buffer_destroy(&places[1]);
    if (weft_session_run(session, 1, &fence) == WEFT_ERR_STALE) printf("refused: %s\n", weft_error_message());
    else wrong++;
    must(weft_session_bind(session, "next", NULL, 0, 0), "bind"); // the session's own
    must(weft_session_run_blocking(session, 1), "run");
    uint32_t steps = 0;
    must(weft_session_get_var(session, "steps", &steps), "steps");
    printf("%u steps\n", steps);
    wrong += steps != STEPS + 1;

    weft_session_destroy(&session);
    weft_buffer_destroy(&places[0]);
    weft_program_destroy(&program);
    weft_device_close(&device);
    return wrong != 0;
}
