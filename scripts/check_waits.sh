#!/usr/bin/env bash
# The library waits in one place, so that a browser can suspend a call there: every wait of its callers' threads is a
# loop around `pause` of gpu/gpu_backend.h, whose native form is gpu/pause.c. Sleeping, yielding, condition variables
# and joining stand nowhere else, but for threads of the library's own, which a browser lacks or which may block there:
#   core/thread.c       weft_sleep itself; joins the threads of a parallel loop, which work for the caller
#   core/workers.c      threads that stand by, and who waits for them to finish what they are in
#   gpu/front/stage.c   such threads, while there is no memory to fill
# Mutexes are held for moments, never while anything is waited for. src/app is a native program and may wait as it
# likes.
# Before the tree, the check runs on planted faults and legal lines.
set -euo pipefail
cd "$(dirname "$0")/.."

allowed='^src/(app/'
allowed+='|core/thread\.[ch]:[0-9]+:.*(weft_sleep|nanosleep|pthread_join)'
allowed+='|core/workers\.c:[0-9]+:.*(pthread_cond_wait|pthread_join)'
allowed+='|gpu/pause\.c:[0-9]+:.*(weft_sleep|sched_yield)'
allowed+='|gpu/front/stage\.c:[0-9]+:.*pthread_cond_wait)'
waits='\b((weft_|nano|u|clock_nano|thrd_)?sleep|(sched|thrd|pthread)_yield|pthread_cond_(timed|clock)?wait'
waits+='|cnd_(timed)?wait|(pthread|thrd)_(timed|clock)?join(_np)?|sem_(timed|clock)?wait|pthread_barrier_wait'
waits+='|pselect|ppoll|epoll_p?wait2?|waitpid|wait4?|sigwait(info)?)\('
headers='#[ \t]*include[ \t]*<(poll|sys/poll|sys/select|sys/epoll|semaphore|threads|sys/wait|linux/futex)\.h>'

# Reads lines "FILE:NUMBER:TEXT", and prints those that are faults. A call through a table (`gpu->pause(x)`) is none.
faults() { sed 's|//.*||' | grep -E "(^|[^>.])$waits|$headers" | grep -vE "$allowed" || true; }

bad=(
    'src/exec/program.c:1:    while (p->busy) pthread_cond_wait(&p->left, &p->lock);'
    'src/gpu/front/time.c:2:    weft_sleep(1e-4);'
    'src/gpu/webgpu/device.c:3:    else sched_yield();'
    'src/engine/lm.c:4:#include <poll.h>'
    'src/core/workers.c:5:    usleep(10);'
    'src/model/source.c:6:    pthread_join(t, NULL);'
    'src/gpu/pause.c:7:    pthread_cond_wait(&c, &m);')
good=(
    'src/gpu/front/time.c:1:    else gpu->pause(200e-6); // no sleep()'
    'src/gpu/pause.c:2:    if (seconds > 0) weft_sleep(seconds);'
    'src/core/workers.c:3:    while (w->busy) pthread_cond_wait(&w->ended, &w->lock);'
    'src/gpu/front/time.c:4:        gpu->backend->poll(gpu->dev);'
    'src/app/pull.c:5:        pid_t ended = waitpid(pid, &status, 0);')
for line in "${bad[@]}"; do
    [ -n "$(printf '%s\n' "$line" | faults)" ] ||
        { echo "waits: the check itself is broken: it passed '$line'"; exit 1; }
done
[ -z "$(printf '%s\n' "${good[@]}" | faults)" ] ||
    { echo "waits: the check itself is broken: it refused a legal line"; exit 1; }

found=$(grep -rnE '\(|include' --include='*.[ch]' src | faults)
if [ -n "$found" ]; then
    printf '%s\n' "$found"
    echo "waits: the lines above wait; wait by weft_gpu_stand_by or another call of gpu/gpu.h, which let time pass"
    exit 1
fi
echo "lint: waits: the library lets time pass in gpu/pause.c only"
