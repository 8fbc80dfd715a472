// Operands that share memory. One state `m` holds rows of activations, a weight and a bias; a fused kernel (RMS norm
// times weight, residual, bias, quantised output) reads all of them from it and writes back to it: to rows of their
// own, over the rows that it reads, and over a part of them. The first two copy nothing; the third says what it copies
// and why. All three give the same numbers. `alias --plan` prints the whole plans.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

enum { ROWS = 4, K = 64, N = ROWS * K, WEIGHT = 2 * N, BIAS = WEIGHT + K, ALL = 8 * N };

static weft_status view(weft_graph *g, weft_value m, int start, const char *shape, int count, weft_value *out) {
    char text[64];
    weft_value flat;
    snprintf(text, sizeof text, "start=%d, len=%d", start, count);
    weft_status status = weft_graph_add_op(g, "slice", &m, 1, text, &flat);
    snprintf(text, sizeof text, "shape=%s", shape);
    return status == WEFT_OK ? weft_graph_add_op(g, "reshape", &flat, 1, text, out) : status;
}

// y = rms_norm(x) * w + r + b, written to m from element `to` on; q and s are y in bytes, with a scale for each 32.
static weft_status build(weft_graph *g, int to) {
    weft_value m, x, r, w, b, y, q[2], next;
    char start[32];
    snprintf(start, sizeof start, "start=%d", to);
    weft_status status = weft_graph_add_state(g, "m", WEFT_STATE_DENSE, WEFT_F32, "2048", &m);
    if (status == WEFT_OK) status = view(g, m, 0, "[4, 64]", N, &x);
    if (status == WEFT_OK) status = view(g, m, N, "[4, 64]", N, &r);
    if (status == WEFT_OK) status = view(g, m, WEIGHT, "[64]", K, &w);
    if (status == WEFT_OK) status = view(g, m, BIAS, "[64]", K, &b);
    if (status == WEFT_OK) status = weft_graph_add_op(g, "rms_norm", (weft_value[]){x, w}, 2, "eps=1e-5", &y);
    if (status == WEFT_OK) status = weft_graph_add_op(g, "add", (weft_value[]){y, r}, 2, NULL, &y);
    if (status == WEFT_OK) status = weft_graph_add_op(g, "add", (weft_value[]){y, b}, 2, NULL, &y);
    if (status == WEFT_OK) status = weft_graph_add_op(g, "quantize", &y, 1, "block=32", q);
    if (status == WEFT_OK) status = weft_graph_add_op(g, "assign", (weft_value[]){m, y}, 2, start, &next);
    if (status == WEFT_OK) status = weft_graph_add_output(g, q[0], "q");
    return status == WEFT_OK ? weft_graph_add_output(g, q[1], "s") : status;
}

// The report of the plan, what each schedule copies and why, or all of it.
static weft_status print_plan(const weft_program *program, bool whole) {
    size_t length;
    weft_status status = weft_program_print(program, false, NULL, 0, &length);
    if (status != WEFT_OK && status != WEFT_ERR_LIMIT) return status;
    char *text = malloc(length + 1);
    if (!text) return WEFT_ERR_NOMEM;
    status = weft_program_print(program, false, text, length + 1, &length);
    const char *report = status == WEFT_OK ? strstr(text, "\nreport\n") : NULL;
    const char *end = report ? strstr(report + 8, "\n\n") : NULL;
    if (whole && status == WEFT_OK) fputs(text, stdout);
    else if (report) printf("%.*s\n", end ? (int)(end - report - 8) : (int)strlen(report + 8), report + 8);
    free(text);
    return status;
}

// Compiles and runs it with y at `to`, and reads y.
static weft_status run(weft_device *device, int to, bool plan, float y[N]) {
    static float m[ALL];
    weft_graph *graph = NULL;
    weft_program *program = NULL;
    weft_session *session = NULL;
    for (int i = 0; i < ALL; i++) m[i] = (float)(i * 37 % 101 - 50) / 50;
    weft_status status = weft_graph_new(&graph);
    if (status == WEFT_OK) status = build(graph, to);
    if (status == WEFT_OK) status = weft_program_compile(device, &graph, NULL, &program);
    if (status == WEFT_OK) status = print_plan(program, plan);
    if (status == WEFT_OK) status = weft_session_create(program, NULL, &session);
    if (status == WEFT_OK) status = weft_session_write(session, "m", 0, m, sizeof m);
    if (status == WEFT_OK) status = weft_session_run(session, 1, NULL);
    if (status == WEFT_OK) status = weft_session_read(session, "m", (uint64_t)to * 4, y, N * sizeof *y);
    weft_session_destroy(&session);
    weft_program_destroy(&program);
    weft_graph_free(&graph);
    return status;
}

int main(int argc, char **argv) {
    static const struct {
        const char *what;
        int to;
    } ways[] = {{"rows of their own", 4 * N}, {"the rows that it reads", 0}, {"a part of them", N / 2}};
    float first[N], y[N];
    weft_device *device = NULL;
    weft_status status = weft_device_open(NULL, &device);
    for (int i = 0; i < 3 && status == WEFT_OK; i++) {
        printf("written over %s:\n", ways[i].what);
        status = run(device, ways[i].to, argc > 1 && strcmp(argv[1], "--plan") == 0, y);
        if (status != WEFT_OK) break;
        if (i == 0) memcpy(first, y, sizeof y);
        float worst = 0;
        for (int k = 0; k < N; k++) {
            float d = y[k] > first[k] ? y[k] - first[k] : first[k] - y[k];
            if (!(d <= worst)) worst = d;
        }
        bool agree = worst < 1e-5f;
        printf("%s\n\n", agree ? "the results agree" : "THE RESULTS DIFFER");
        if (!agree) status = WEFT_ERR_INTERNAL;
    }
    if (status != WEFT_OK) fprintf(stderr, "alias: %s\n", weft_error_message());
    weft_device_close(&device);
    return status != WEFT_OK;
}
