// A graph of our own, z = silu(x W^T) with any number of rows T, compiled once and run at two sizes.
//
// The product takes its weight as [out, in], as model files hold it, and the silu becomes the end of the same kernel.
#include <stdio.h>
#include <weft/weft.h>

static const float w[4 * 3] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1};

static weft_status build(weft_graph *g) {
    weft_value in[2], y, z;
    weft_status status = weft_graph_symbol(g, "T", 0, 64);
    if (status == WEFT_OK) status = weft_graph_add_input(g, "x", WEFT_F32, "T, 3", &in[0]);
    if (status == WEFT_OK) status = weft_graph_add_weight(g, "w", WEFT_F32, "4, 3", &in[1]);
    if (status == WEFT_OK) status = weft_graph_add_op(g, "matmul", in, 2, NULL, &y);
    if (status == WEFT_OK) status = weft_graph_add_op(g, "silu", &y, 1, NULL, &z);
    return status == WEFT_OK ? weft_graph_add_output(g, z, "z") : status;
}

static weft_status run(weft_session *session, int64_t rows) {
    float x[64 * 3], z[64 * 4];
    struct weft_size size = {"T", rows};
    for (int64_t i = 0; i < rows * 3; i++) x[i] = (float)i;
    weft_status status = weft_session_set_sizes(session, &size, 1);
    if (status == WEFT_OK) status = weft_session_write(session, "x", 0, x, (uint64_t)rows * 3 * sizeof *x);
    if (status == WEFT_OK) status = weft_session_run(session, 1, NULL);
    if (status == WEFT_OK) status = weft_session_read(session, "z", 0, z, (uint64_t)rows * 4 * sizeof *z);
    if (status != WEFT_OK) return status;
    printf("T = %d\n", (int)rows);
    for (int64_t i = 0; i < rows * 4; i++) printf("%9.4f%c", z[i], i % 4 == 3 ? '\n' : ' ');
    return WEFT_OK;
}

int main(void) {
    struct weft_weight weight = {"w", w, sizeof w};
    struct weft_program_compile_params params = {.weights = &weight, .n_weights = 1};
    weft_device *device = NULL;
    weft_graph *graph = NULL;
    weft_program *program = NULL;
    weft_session *session = NULL;

    weft_status status = weft_device_open(NULL, &device);
    if (status == WEFT_OK) status = weft_graph_new(&graph);
    if (status == WEFT_OK) status = build(graph);
    if (status == WEFT_OK) status = weft_program_compile(device, &graph, &params, &program);
    if (status == WEFT_OK) status = weft_session_create(program, NULL, &session);
    if (status == WEFT_OK) status = run(session, 2);
    if (status == WEFT_OK) status = run(session, 1);
    if (status != WEFT_OK) fprintf(stderr, "graph: %s\n", weft_error_message());

    weft_session_destroy(&session);
    weft_program_destroy(&program);
    weft_graph_free(&graph);
    weft_device_close(&device);
    return status != WEFT_OK;
}
