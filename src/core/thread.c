/// A parallel-for over POSIX threads that are made and joined a call: its users (repacking weights, building
/// pipelines) run for milliseconds to seconds, so a standing pool would buy nothing.
#include "core/thread.h"

#include "core/cancel.h"
#include "core/error.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define MOST_THREADS 256

int weft_cpu_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        int n = CPU_COUNT(&set);
        if (n > 0) return n;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN); // machines with more processors than a cpu_set_t holds
    return online < 1 ? 1 : online > 4096 ? 4096 : (int)online;
}

struct job {
    atomic_size_t next;
    size_t count;
    weft_status (*fn)(void *user, size_t i);
    void *user;
    const struct weft_cancel_scope *scopes; // of the caller
    atomic_bool failed;
    pthread_mutex_t lock; // guards the two below
    weft_status status;
    char sentence[2048];
};

static void *work(void *user) {
    struct job *job = user;
    const struct weft_cancel_scope *before = weft_cancel_take_over(job->scopes);
    while (!atomic_load(&job->failed)) {
        size_t i = atomic_fetch_add(&job->next, 1);
        if (i >= job->count) break;
        weft_status status = job->fn(job->user, i);
        if (status == WEFT_OK) continue;
        pthread_mutex_lock(&job->lock);
        if (job->status == WEFT_OK) {
            job->status = status;
            snprintf(job->sentence, sizeof job->sentence, "%s", weft_error_message());
        }
        pthread_mutex_unlock(&job->lock);
        atomic_store(&job->failed, true);
    }
    weft_cancel_take_over(before);
    return NULL;
}

weft_status weft_parallel_for(size_t count, int threads, weft_status (*fn)(void *user, size_t i), void *user) {
    if (count == 0) return WEFT_OK;
    if (threads <= 0) threads = weft_cpu_count();
    if (threads > MOST_THREADS) threads = MOST_THREADS;
    if ((size_t)threads > count) threads = (int)count;
    struct job job = {
        .count = count, .fn = fn, .user = user, .scopes = weft_cancel_scopes(), .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t others[MOST_THREADS];
    int started = 0;
    // Too few threads is no error: those that run, at least the caller's, share all items.
    while (started < threads - 1 && pthread_create(&others[started], NULL, work, &job) == 0) started++;
    work(&job);
    for (int i = 0; i < started; i++) pthread_join(others[i], NULL);
    pthread_mutex_destroy(&job.lock);
    return job.status == WEFT_OK ? WEFT_OK : weft_fail(job.status, "%s", job.sentence);
}

void weft_sleep(double seconds) {
    if (!(seconds > 0)) return;
    if (seconds > 1e9) seconds = 1e9;
    struct timespec left = {.tv_sec = (time_t)seconds};
    left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
    if (left.tv_nsec > 999999999L) left.tv_nsec = 999999999L;
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {}
}
