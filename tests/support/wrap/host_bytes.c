/// A ledger of blocks by address: the linker's --wrap sends calls of the program's own objects here. A block that is
/// freed here and was not taken here is a library's, such as libc's.
#include "support/host_bytes.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);

enum { PLACES = 1 << 18 }; // more than twice what tests hold; what does not fit does not count

static struct {
    uintptr_t block;
    size_t size;
} ledger[PLACES];
static uint64_t held;
static uint32_t used;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static uint32_t home(uintptr_t block) {
    return (uint32_t)((uint64_t)(block >> 4) * 0x9e3779b97f4a7c15u >> 40) % PLACES;
}

static uint32_t next(uint32_t i) { return (i + 1) % PLACES; }

/// Where a block stands, or the free place where it would.
static uint32_t find(uintptr_t block) {
    uint32_t i = home(block);
    while (ledger[i].block && ledger[i].block != block) i = next(i);
    return i;
}

static void enter(void *p, size_t size) {
    if (!p) return;
    pthread_mutex_lock(&lock);
    uint32_t i = find((uintptr_t)p);
    if (used < PLACES / 2) {
        ledger[i].block = (uintptr_t)p, ledger[i].size = size;
        held += size, used++;
    }
    pthread_mutex_unlock(&lock);
}

/// Takes a block out and gives its size. Those behind it move up to where they are looked for.
static size_t leave(uintptr_t block) {
    size_t size = 0;
    if (!block) return 0;
    pthread_mutex_lock(&lock);
    uint32_t hole = find(block);
    if (ledger[hole].block) {
        size = ledger[hole].size;
        held -= size, used--;
        ledger[hole].block = 0;
        for (uint32_t i = next(hole); ledger[i].block; i = next(i)) {
            uint32_t from_home = (i - home(ledger[i].block)) % PLACES, from_hole = (i - hole) % PLACES;
            if (from_home < from_hole) continue;
            ledger[hole] = ledger[i];
            ledger[i].block = 0;
            hole = i;
        }
    }
    pthread_mutex_unlock(&lock);
    return size;
}

void *__wrap_malloc(size_t size) {
    void *p = __real_malloc(size);
    enter(p, size);
    return p;
}

void *__wrap_calloc(size_t n, size_t size) {
    void *p = __real_calloc(n, size);
    enter(p, n * size); // no overflow, since the block is there
    return p;
}

/// Out of the ledger first: once moved, the old address may be another thread's.
void *__wrap_realloc(void *p, size_t size) {
    size_t before = leave((uintptr_t)p);
    void *grown = __real_realloc(p, size);
    if (grown) enter(grown, size);
    else enter(p, before);
    return grown;
}

void __wrap_free(void *p) {
    leave((uintptr_t)p);
    __real_free(p);
}

uint64_t weft_test_host_bytes(void) {
    pthread_mutex_lock(&lock);
    uint64_t n = held;
    pthread_mutex_unlock(&lock);
    return n;
}
