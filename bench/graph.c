/// How long a graph takes: compiles a text graph for the best device found, and runs it many times in a submit. Inputs
/// are zeros; symbols stand at their upper ends. Prints the median time of a run in microseconds over eleven submits,
/// and the steps.
///
///     bench/graph FILE [runs in a submit]
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <weft/weft.h>

enum { TURNS = 11 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static weft_status time_runs(weft_session *session, uint32_t runs, double *us) {
    double turns[TURNS];
    weft_status status = weft_session_run_blocking(session, runs);
    for (int i = 0; i < TURNS && status == WEFT_OK; i++) {
        double start = now();
        status = weft_session_run_blocking(session, runs);
        turns[i] = (now() - start) / runs;
    }
    if (status != WEFT_OK) return status;
    qsort(turns, TURNS, sizeof *turns, by_size);
    *us = turns[TURNS / 2];
    return WEFT_OK;
}

/// The counted dispatches of one run.
static weft_status count_steps(weft_device *device, weft_session *session, uint64_t *steps) {
    struct weft_device_counters before, after;
    weft_status status = weft_device_counters(device, &before);
    if (status == WEFT_OK) status = weft_session_run_blocking(session, 1);
    if (status == WEFT_OK) status = weft_device_counters(device, &after);
    if (status == WEFT_OK) *steps = after.dispatches - before.dispatches;
    return status;
}

int main(int argc, char **argv) {
    static char text[1 << 16];
    weft_device *device = NULL;
    weft_graph *graph = NULL;
    weft_program *program = NULL;
    weft_session *session = NULL;
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    size_t length = file ? fread(text, 1, sizeof text, file) : 0;
    long runs = argc > 2 ? strtol(argv[2], NULL, 10) : 16;
    uint64_t steps = 0;
    double us = 0;

    if (file) fclose(file);
    if (length == 0 || length == sizeof text || runs < 1 || runs > 16) {
        fprintf(stderr, "usage: graph FILE [runs in a submit, 1 to 16]; a file has at most 65,535 bytes\n");
        return 2;
    }
    weft_status status = weft_device_open(NULL, &device);
    if (status == WEFT_OK) status = weft_graph_parse_text(text, length, &graph);
    if (status == WEFT_OK) status = weft_program_compile(device, &graph, NULL, &program);
    if (status == WEFT_OK) status = weft_session_create(program, NULL, &session);
    if (status == WEFT_OK) status = count_steps(device, session, &steps);
    if (status == WEFT_OK) status = time_runs(session, (uint32_t)runs, &us);
    if (status == WEFT_OK) printf("%.1f us a run, %llu steps\n", us, (unsigned long long)steps);
    else fprintf(stderr, "graph: %s\n", weft_error_message());

    weft_session_destroy(&session);
    weft_program_destroy(&program);
    weft_graph_free(&graph);
    weft_device_close(&device);
    return status != WEFT_OK;
}
