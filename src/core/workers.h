/// Threads that stand by for short work that comes again and again, such as copying memory: waking them takes some
/// microseconds, where starting threads would take longer than the work.
#ifndef WEFT_CORE_WORKERS_H
#define WEFT_CORE_WORKERS_H

struct weft_workers;

/// Starts up to `threads` of them; fewer, or none, where the system gives no more, which is no error. NULL when out of
/// memory or for 0 threads; all functions take a NULL for no workers.
struct weft_workers *weft_workers_create(int threads);
void weft_workers_destroy(struct weft_workers *w); ///< to be called between an end and a begin

/// Calls fn(user) on them, as many times as there are of them, and returns at once. The caller takes part by calling it
/// himself, and then calls weft_workers_end. One job at a time: whoever shares them holds a lock from begin to end.
void weft_workers_begin(struct weft_workers *w, void (*fn)(void *user), void *user);
/// Returns when fn has returned on all of them; who has not begun yet does not begin any more.
void weft_workers_end(struct weft_workers *w);

#endif
