/// Bump allocation from a list of blocks that double up to a megabyte; a large request gets its own block.
#include "core/arena.h"

#include "core/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define ALIGNMENT 16
#define FIRST_BLOCK ((size_t)4096)
#define LARGEST_BLOCK ((size_t)1 << 20)

struct weft_arena_block {
    struct weft_arena_block *next;
    size_t used, cap;
    _Alignas(ALIGNMENT) unsigned char data[];
};

static struct weft_arena_block *block_new(size_t cap) {
    if (cap > SIZE_MAX / 2) return NULL;
    struct weft_arena_block *block = weft_calloc(1, sizeof *block + cap);
    if (block) block->cap = cap;
    return block;
}

void *weft_arena_alloc(struct weft_arena *arena, size_t size) {
    if (size > SIZE_MAX / 4) return NULL;
    size = size ? (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1) : ALIGNMENT;
    struct weft_arena_block *head = arena->head;
    if (!head || head->cap - head->used < size) {
        size_t cap = head ? head->cap * 2 : FIRST_BLOCK;
        if (cap > LARGEST_BLOCK) cap = LARGEST_BLOCK;
        struct weft_arena_block *block = block_new(size > cap ? size : cap);
        if (!block) return NULL;
        // A block that one request fills goes behind the head, whose free rest stays in use.
        if (head && size > cap) {
            block->next = head->next;
            head->next = block;
        } else {
            block->next = head;
            arena->head = block;
        }
        head = block;
    }
    void *p = head->data + head->used;
    head->used += size;
    return p;
}

void *weft_arena_dup(struct weft_arena *arena, const void *data, size_t size) {
    void *copy = weft_arena_alloc(arena, size);
    if (copy && size) memcpy(copy, data, size);
    return copy;
}

char *weft_arena_strdup(struct weft_arena *arena, const char *s) {
    return s ? weft_arena_dup(arena, s, strlen(s) + 1) : NULL;
}

char *weft_arena_printf(struct weft_arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : weft_arena_alloc(arena, (size_t)n + 1);
    if (text) vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

void weft_arena_free(struct weft_arena *arena) {
    struct weft_arena_block *block = arena->head;
    while (block) {
        struct weft_arena_block *next = block->next;
        weft_free(block);
        block = next;
    }
    arena->head = NULL;
}
