// An event loop that never waits for the device. A thread opens it and compiles a program, and tells how far it is;
// then the loop begins runs and reads and looks whether they are done, round by round, beside work of its own.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <weft/weft.h>

enum { NUMBERS = 4096, JOBS = 4 };

// What the loop and the thread have in common.
struct build {
    weft_device *device; // NULL: the thread opens one
    const char *op;      // what is done to each number
    struct weft_cancel cancel;
    atomic_int progress, ended;
    weft_status status;
    char why[256];
    weft_program *program;
};

static void on_progress(void *user, enum weft_progress_stage stage, uint64_t done, uint64_t total) {
    struct build *b = user;
    atomic_store(&b->progress, (int)stage * 1000 + (int)(100 * done / total));
}

static void *build(void *user) {
    struct build *b = user;
    struct weft_program_compile_params params = {WEFT_SIZED(weft_program_compile_params), .progress = on_progress,
                                                 .progress_user = b, .cancel = &b->cancel};
    weft_graph *graph = NULL;
    char text[128];
    snprintf(text, sizeof text, "input x f32 [%d]\n%%0 = %s %%x\n%%1 = sum %%0\noutput %%1 total\n", NUMBERS, b->op);
    b->status = b->device ? WEFT_OK : weft_device_open(NULL, &b->device);
    if (b->status == WEFT_OK) b->status = weft_graph_parse_text(text, strlen(text), &graph);
    if (b->status == WEFT_OK) b->status = weft_program_compile(b->device, &graph, &params, &b->program);
    snprintf(b->why, sizeof b->why, "%s", b->status == WEFT_OK ? "" : weft_error_message()); // kept by thread
    atomic_store(&b->ended, 1);
    return NULL;
}

struct job {
    weft_session *session;
    weft_pending read;
    bool reading;
    float total, expected;
};

// Writes, runs and begins to read; none of it waits for the device.
static weft_status begin(struct job *j, weft_program *program, int number) {
    float x[NUMBERS];
    for (int i = 0; i < NUMBERS; i++) {
        x[i] = (float)((i + number) % 7);
        j->expected += x[i] * x[i];
    }
    weft_status status = weft_session_create(program, NULL, &j->session);
    if (status == WEFT_OK) status = weft_session_write(j->session, "x", 0, x, sizeof x);
    if (number == JOBS - 1) weft_session_cancel(j->session); // nobody wants this one any more: it does not run
    if (status == WEFT_OK) status = weft_session_run(j->session, 1, NULL);
    if (status == WEFT_OK) status = weft_session_read_async(j->session, "total", 0, sizeof j->total, &j->read);
    j->reading = status == WEFT_OK;
    return status;
}

static weft_status look(struct job *j) {
    bool done = false;
    weft_status status = weft_session_read_done(j->session, j->read, &done);
    if (status == WEFT_OK && !done) return WEFT_OK;
    j->reading = false;
    return weft_session_read_finish(j->session, &j->read, &j->total, sizeof j->total); // there, so it does not wait
}

int main(void) {
    static const char *const stages[] = {[WEFT_PROGRESS_PLAN] = "planning", [WEFT_PROGRESS_COMPILE] = "compiling"};
    struct build first = {.op = "square"}, second = {.op = "tanh"};
    struct job jobs[JOBS] = {{0}};
    pthread_t threads[2];
    int rounds = 0, said = 0, begun = 0, finished = 0, right = 0, cancelled = 0;
    weft_status status = WEFT_OK;
    pthread_create(&threads[0], NULL, build, &first);
    for (; status == WEFT_OK && finished < JOBS; rounds++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); // here are sockets, windows, timers
        if (!atomic_load(&first.ended)) {
            int progress = atomic_load(&first.progress); // stage and percent
            if (progress != said) printf("%s: %d %%\n", stages[progress / 1000], progress % 1000);
            said = progress;
            continue;
        }
        status = first.status;
        if (begun == 0 && status == WEFT_OK) { // another program, which is not wanted for long
            second.device = first.device;
            pthread_create(&threads[1], NULL, build, &second);
            weft_cancel_set(&second.cancel);
        }
        if (begun < JOBS && status == WEFT_OK) { // one a round
            weft_status ran = begin(&jobs[begun], first.program, begun);
            cancelled += ran == WEFT_ERR_CANCELLED;
            finished += ran != WEFT_OK;
            begun++;
        }
        for (int i = 0; i < begun && status == WEFT_OK; i++) {
            if (!jobs[i].reading) continue;
            status = look(&jobs[i]);
            finished += !jobs[i].reading;
            right += !jobs[i].reading && jobs[i].total == jobs[i].expected;
        }
    }
    pthread_join(threads[0], NULL);
    if (status != WEFT_OK) fprintf(stderr, "event_loop: %s\n", *first.why ? first.why : weft_error_message());
    if (second.device) pthread_join(threads[1], NULL);
    printf("%d rounds: %d totals are right, %d run was cancelled; the second program: %s\n", rounds, right, cancelled,
           weft_status_name(second.status));
    for (int i = 0; i < JOBS; i++) weft_session_destroy(&jobs[i].session);
    weft_program_destroy(&second.program);
    weft_program_destroy(&first.program);
    weft_device_close(&first.device);
    return status != WEFT_OK || right != JOBS - 1 || cancelled != 1 || second.status != WEFT_ERR_CANCELLED;
}
