#include "core/workers.h"

#include "core/alloc.h"

#include <pthread.h>
#include <stdbool.h>

enum { MOST = 32 };

struct weft_workers {
    pthread_mutex_t lock;
    pthread_cond_t begun, ended;
    pthread_t threads[MOST];
    int n, wanted, busy; // threads that may still begin; threads in fn
    bool quit;
    void (*fn)(void *user);
    void *user;
};

static void *stand_by(void *arg) {
    struct weft_workers *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->wanted == 0 && !w->quit) pthread_cond_wait(&w->begun, &w->lock);
        if (w->quit) break;
        w->wanted--;
        w->busy++;
        pthread_mutex_unlock(&w->lock);
        w->fn(w->user);
        pthread_mutex_lock(&w->lock);
        if (--w->busy == 0) pthread_cond_signal(&w->ended);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

struct weft_workers *weft_workers_create(int threads) {
    struct weft_workers *w = threads > 0 ? weft_calloc(1, sizeof *w) : NULL;
    if (!w) return NULL;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->begun, NULL);
    pthread_cond_init(&w->ended, NULL);
    if (threads > MOST) threads = MOST;
    while (w->n < threads && pthread_create(&w->threads[w->n], NULL, stand_by, w) == 0) w->n++;
    return w;
}

void weft_workers_destroy(struct weft_workers *w) {
    if (!w) return;
    pthread_mutex_lock(&w->lock);
    w->quit = true;
    pthread_cond_broadcast(&w->begun);
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; i < w->n; i++) pthread_join(w->threads[i], NULL);
    pthread_cond_destroy(&w->begun);
    pthread_cond_destroy(&w->ended);
    pthread_mutex_destroy(&w->lock);
    weft_free(w);
}

void weft_workers_begin(struct weft_workers *w, void (*fn)(void *user), void *user) {
    if (!w || w->n == 0) return;
    pthread_mutex_lock(&w->lock);
    w->fn = fn;
    w->user = user;
    w->wanted = w->n;
    pthread_cond_broadcast(&w->begun);
    pthread_mutex_unlock(&w->lock);
}

void weft_workers_end(struct weft_workers *w) {
    if (!w) return;
    pthread_mutex_lock(&w->lock);
    w->wanted = 0;
    while (w->busy) pthread_cond_wait(&w->ended, &w->lock);
    pthread_mutex_unlock(&w->lock);
}
