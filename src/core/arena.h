/// Bump allocation with one owner: everything made while compiling a graph dies together.
#ifndef WEFT_CORE_ARENA_H
#define WEFT_CORE_ARENA_H
#include <stddef.h>

struct weft_arena {
    struct weft_arena_block *head;
};

void *weft_arena_alloc(struct weft_arena *arena, size_t size); ///< zeroed, 16-byte aligned; NULL when out of memory
char *weft_arena_strdup(struct weft_arena *arena, const char *s);
char *weft_arena_printf(struct weft_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
void *weft_arena_dup(struct weft_arena *arena, const void *data, size_t size);
void weft_arena_free(struct weft_arena *arena); ///< frees all; the arena is empty and usable again
#endif
