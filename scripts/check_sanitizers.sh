#!/usr/bin/env bash
# Before the suites run under sanitizers: a leak, a read past the end and a signed overflow must each be caught with the
# flags and the settings of the sanitize preset, or a green suite would mean nothing. With the argument `thread`: a data
# race and locks taken in two orders, with those of the tsan preset.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ "${1:-}" = thread ]; then
    cat >"$scratch/races.c" <<'C'
#include <pthread.h>
static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER;
static int shared, guarded, orders;
static void both(pthread_mutex_t *x, pthread_mutex_t *y) {
    pthread_mutex_lock(x);
    pthread_mutex_lock(y);
    guarded++;
    pthread_mutex_unlock(y);
    pthread_mutex_unlock(x);
}
static void *work(void *fault) {
    if (fault && !orders) shared++;
    if (orders) both(&b, &a);
    else both(&a, &b);
    return 0;
}
int main(int argc, char **argv) {
    pthread_t t;
    void *race = argc > 1 && argv[1][0] == 'r' ? &shared : 0;
    both(&a, &b);
    orders = argc > 1 && argv[1][0] == 'o';
    if (pthread_create(&t, 0, work, race)) return 2;
    if (race) work(race);
    pthread_join(t, 0);
    return 0;
}
C
    "${CC:-cc}" -O1 -g1 -pthread -fsanitize=thread "$scratch/races.c" -o "$scratch/races"
    export TSAN_OPTIONS=suppressions=$PWD/scripts/tsan.supp:halt_on_error=1
    "$scratch/races" none || { echo "sanitizers: a clean program was refused (thread)" >&2; exit 1; }
    for fault in race order; do
        if "$scratch/races" $fault >/dev/null 2>&1; then
            echo "sanitizers: a planted fault ($fault) was not caught" >&2
            exit 1
        fi
    done
    echo "sanitizers: planted race and order of locks were caught"
    exit 0
fi
cat >"$scratch/faults.c" <<'C'
#include <limits.h>
#include <stdlib.h>
static volatile int sink;
static void *volatile held;
static __attribute__((noinline)) void leak(void) {
    held = malloc(64);
    held = NULL;
}
int main(int argc, char **argv) {
    int *p = malloc(16);
    if (!p || argc < 2) return 0;
    if (argv[1][0] == 'l')
        for (int i = 0; i < 16; i++) leak();
    if (argv[1][0] == 'r') sink = ((volatile int *)p)[4];
    if (argv[1][0] == 'o') sink = INT_MAX - 1 + argc;
    free(p);
    return 0;
}
C
"${CC:-cc}" -O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=undefined \
    "$scratch/faults.c" -o "$scratch/faults" 2>/dev/null
export UBSAN_OPTIONS=halt_on_error=1 ASAN_OPTIONS=detect_leaks=1
export LSAN_OPTIONS=suppressions=$PWD/scripts/sanitizers.supp:print_suppressions=0
"$scratch/faults" none || { echo "sanitizers: a clean program was refused" >&2; exit 1; }
for fault in leak read overflow; do
    if "$scratch/faults" $fault >/dev/null 2>&1; then
        echo "sanitizers: a planted fault ($fault) was not caught" >&2
        exit 1
    fi
done
echo "sanitizers: planted leak, read past the end and overflow were caught"
