// One program, compiled once for the largest sizes, run at others: a prompt in chunks, then one token at a time, with
// rotary tables that end at position 40.
//
// Sizes are symbols of the graph. Setting them computes every kernel's parameters and grid anew, in one write; nothing
// is compiled or allocated. Sizes that the graph cannot have are refused, with a sentence, and change nothing.
#include <stdio.h>
#include <weft/weft.h>

enum { POSITIONS = 40, HEAD = 4 };

static const char text[] = "symbol T 0 16\n" // tokens of a run
                           "symbol P 0 40\n" // position of the first of them
                           "input q f32 [T, 2, 4]\n"
                           "input k f32 [T, 1, 4]\n"
                           "input cosines f32 [40, 2]\n"
                           "input sines f32 [40, 2]\n"
                           "%tq %tk = rope_table %q %k %cosines %sines {start=P}\n"
                           "%r = reshape %tq {shape=[T, 8]}\n"
                           "%s = reshape %tk {shape=[T, 4]}\n"
                           "%both = concat %r %s {axis=-1}\n"
                           "%by_head = transpose %both\n"
                           "output %by_head turned\n";

static weft_status run(weft_session *session, int64_t tokens, int64_t position) {
    float q[16 * 8] = {0}, k[16 * 4] = {0}, turned[12 * 16];
    for (int64_t i = 0; i < tokens * 8; i++) q[i] = (float)(i % 8);
    for (int64_t i = 0; i < tokens * 4; i++) k[i] = 1;
    struct weft_size sizes[] = {{"T", tokens}, {"P", position}};
    weft_status status = weft_session_set_sizes(session, sizes, 2);
    if (status == WEFT_OK) status = weft_session_write(session, "q", 0, q, (uint64_t)tokens * 8 * sizeof *q);
    if (status == WEFT_OK) status = weft_session_write(session, "k", 0, k, (uint64_t)tokens * 4 * sizeof *k);
    if (status == WEFT_OK) status = weft_session_run(session, 1, NULL);
    if (status == WEFT_OK)
        status = weft_session_read(session, "turned", 0, turned, (uint64_t)tokens * 12 * sizeof *turned);
    if (status != WEFT_OK) return status;
    printf("%2d tokens from position %2d", (int)tokens, (int)position);
    if (tokens) printf(": the last key begins with %7.4f", turned[8 * tokens + tokens - 1]);
    printf("\n");
    return WEFT_OK;
}

/// Angles of 0.1 and 0.01 a position, by the recurrence of rotations.
static weft_status write_tables(weft_session *session) {
    static const float step[2][2] = {{0.9950042f, 0.0998334f}, {0.99995f, 0.0099998f}};
    float c[POSITIONS][2], s[POSITIONS][2];
    for (int i = 0; i < 2; i++) {
        c[0][i] = 1;
        s[0][i] = 0;
        for (int p = 1; p < POSITIONS; p++) {
            c[p][i] = c[p - 1][i] * step[i][0] - s[p - 1][i] * step[i][1];
            s[p][i] = s[p - 1][i] * step[i][0] + c[p - 1][i] * step[i][1];
        }
    }
    weft_status status = weft_session_write(session, "cosines", 0, c, sizeof c);
    return status == WEFT_OK ? weft_session_write(session, "sines", 0, s, sizeof s) : status;
}

int main(void) {
    weft_device *device = NULL;
    weft_graph *graph = NULL;
    weft_program *program = NULL;
    weft_session *session = NULL;
    char plan[8192];
    size_t length;

    weft_status status = weft_device_open(NULL, &device);
    if (status == WEFT_OK) status = weft_graph_parse_text(text, sizeof text - 1, &graph);
    if (status == WEFT_OK) status = weft_program_compile(device, &graph, NULL, &program);
    if (status == WEFT_OK) status = weft_program_print(program, false, plan, sizeof plan, &length);
    if (status == WEFT_OK) printf("%s\n", plan);
    if (status == WEFT_OK) status = weft_session_create(program, NULL, &session);
    if (status == WEFT_OK) status = write_tables(session);
    if (status == WEFT_OK) status = run(session, 16, 0);
    if (status == WEFT_OK) status = run(session, 8, 16);
    if (status == WEFT_OK) status = run(session, 1, 24);
    if (status == WEFT_OK) status = run(session, 0, 25);
    if (status == WEFT_OK) status = run(session, 1, 39);
    if (status == WEFT_OK && run(session, 2, 39) != WEFT_OK) printf("refused: %s\n", weft_error_message());
    if (status == WEFT_OK) status = run(session, 1, 24); // the session is as it was
    if (status != WEFT_OK) fprintf(stderr, "resize: %s\n", weft_error_message());

    weft_session_destroy(&session);
    weft_program_destroy(&program);
    weft_graph_free(&graph);
    weft_device_close(&device);
    return status != WEFT_OK;
}
