/// Threads, locks and a small parallel-for over POSIX threads.
#ifndef WEFT_CORE_THREAD_H
#define WEFT_CORE_THREAD_H
#include "weft/status.h"
#include <pthread.h>
#include <stddef.h>

/// Number of processors this process may use, at least 1.
int weft_cpu_count(void);

/// Calls fn(user, i) for i in [0, count) on up to `threads` threads (0: all processors), the caller's among
/// them. Returns when all are done. The first failure's status and sentence are returned to the caller; later
/// items may be skipped after it. What may cancel the caller (core/cancel.h) may cancel fn on each thread.
weft_status weft_parallel_for(size_t count, int threads, weft_status (*fn)(void *user, size_t i), void *user);

void weft_sleep(double seconds);
#endif
