/// Measured shapes from a file: lines "USE CLASS FIELD=VALUE ...". A file decides how fast kernels are, never what they
/// compute: a value that a kernel or the device does not have is refused.
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "plan/profile.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES ((size_t)1 << 20)

struct field {
    const char *name;
    size_t at;
};
#define FIELD(name)                                                                                                    \
    { #name, offsetof(struct weft_tile, name) }
static const struct field fields[] = {FIELD(threads), FIELD(lanes),  FIELD(rows), FIELD(columns),
                                      FIELD(block),   FIELD(unroll), FIELD(loads)};
#undef FIELD
enum { FIELDS = sizeof fields / sizeof *fields };

static uint32_t *value_of(struct weft_tile *t, const struct field *f) { return (uint32_t *)((char *)t + f->at); }

static bool power_of_two(uint32_t x) { return x && (x & (x - 1)) == 0; }

// ---- what a kernel can have: NULL, or what it must keep to ---------------------------------------------------------

static const char *threads_fit(const struct weft_profile *p, const struct weft_tile *t) {
    return power_of_two(t->threads) && t->threads <= p->max_threads && t->threads <= 256
               ? NULL
               : "threads is a power of two, at most 256 and what a workgroup of this device has";
}

static const char *lanes_fit(const struct weft_profile *p, const struct weft_tile *t) {
    if (threads_fit(p, t)) return threads_fit(p, t);
    return power_of_two(t->lanes) && t->lanes <= t->threads ? NULL : "lanes is a power of two, at most threads";
}

static const char *rows_fit(const struct weft_profile *p, const struct weft_tile *t) {
    if (threads_fit(p, t)) return threads_fit(p, t);
    return t->block >= 1 && t->block <= 1024 ? NULL : "block, the least elements of a thread, is from 1 to 1024";
}

static const char *beside_fits(const struct weft_profile *p, const struct weft_tile *t) {
    if (rows_fit(p, t)) return rows_fit(p, t);
    return power_of_two(t->columns) && t->columns <= t->threads ? NULL : "columns is a power of two, at most threads";
}

static const char *matvec_fits(const struct weft_profile *p, const struct weft_tile *t) {
    if (lanes_fit(p, t)) return lanes_fit(p, t);
    return t->rows >= 1 && t->rows <= 8 ? NULL : "rows, the outputs of a lane, is from 1 to 8";
}

static const char *direct_fits(const struct weft_profile *p, const struct weft_tile *t) {
    if (lanes_fit(p, t)) return lanes_fit(p, t);
    if (t->rows < 1 || t->rows > 8 || !power_of_two(t->columns) || t->columns > 8)
        return "rows is from 1 to 8, and columns a power of two up to 8";
    return (uint64_t)t->threads * t->rows * t->columns * 4 <= p->workgroup_memory
               ? NULL
               : "4 bytes for each of threads times rows times columns must fit workgroup memory";
}

static const char *matmul_fits(const struct weft_profile *p, const struct weft_tile *t) {
    if (lanes_fit(p, t)) return lanes_fit(p, t);
    uint32_t down = t->threads / t->lanes;
    if (t->rows == 0 || t->rows > 256 || t->rows % down || t->columns == 0 || t->columns > 256 ||
        t->columns % t->lanes || t->rows / down * (t->columns / t->lanes) > 64)
        return "rows and columns are at most 256, multiples of threads / lanes and of lanes, and a thread has at most "
               "64 outputs";
    if (t->unroll > 1) return "unroll is 0 or 1";
    return (t->rows + t->columns) * 144 <= p->workgroup_memory
               ? NULL
               : "144 bytes for each row and column must fit workgroup memory";
}

static const char *matrows_fits(const struct weft_profile *p, const struct weft_tile *t) {
    if (lanes_fit(p, t)) return lanes_fit(p, t);
    if (!power_of_two(t->rows) || t->rows < 4 || t->rows > 32 || !power_of_two(t->columns) || t->columns > 4)
        return "rows is 4, 8, 16 or 32, and columns 1, 2 or 4";
    if (t->lanes > 8 * t->rows) return "lanes is at most 8 times rows";
    uint64_t slices = t->threads / t->lanes, least = t->lanes > 32 ? t->lanes / 8 : 4;
    return least * slices * 256 <= p->workgroup_memory && least * t->threads * 16 <= p->workgroup_memory
               ? NULL
               : "what four rows stage and add up must fit workgroup memory";
}

/// Uses whose fields depend on each other in ways that only their kernels know have no `fits`, and keep their shapes.
static const struct {
    const char *name;
    uint32_t fields; ///< mask of `fields` that the kernel reads
    const char *(*fits)(const struct weft_profile *p, const struct weft_tile *t);
} uses[WEFT_TILE_USES] = {
    [WEFT_TILE_ELEMENTS] = {"elements", 1, threads_fit},
    [WEFT_TILE_COPY] = {"copy", 1, threads_fit},
    [WEFT_TILE_ROWS] = {"rows", 17, rows_fit},
    [WEFT_TILE_BESIDE] = {"beside", 25, beside_fits},
    [WEFT_TILE_MATVEC] = {"matvec", 7, matvec_fits},
    [WEFT_TILE_MATVEC_PAIR] = {"matvec_pair", 7, matvec_fits},
    [WEFT_TILE_MATVEC_HEAD] = {"matvec_head", 7, matvec_fits},
    [WEFT_TILE_MATVEC_DIRECT] = {"matvec_direct", 15, direct_fits},
    [WEFT_TILE_MATROWS] = {"matrows", 15, matrows_fits},
    [WEFT_TILE_MATMUL] = {"matmul", 47, matmul_fits},
    [WEFT_TILE_ATTENTION] = {"attention", 0, NULL},
    [WEFT_TILE_ATTENTION_JOIN] = {"attention_join", 0, NULL},
    [WEFT_TILE_RECURRENT] = {"recurrent", 0, NULL},
};

// ---- text ----------------------------------------------------------------------------------------------------------

struct reader {
    const struct weft_profile *p;
    const char *name;
    uint32_t line;
    struct weft_tile *tiles;
};

static weft_status wrong(const struct reader *r, weft_status status, const char *word, const char *what) {
    return weft_fail(status, "tuning file '%s', line %u: '%s': %s", r->name, r->line, word, what);
}

/// Digits alone, up to 2^32 - 1.
static bool number(const char *text, uint64_t *x) {
    char *end;
    if (*text < '0' || *text > '9' || strlen(text) > 10) return false;
    *x = strtoull(text, &end, 10);
    return *end == 0 && *x <= UINT32_MAX;
}

static weft_status read_field(const struct reader *r, uint32_t use, struct weft_tile *t, char *word) {
    char *equal = strchr(word, '=');
    uint64_t x;
    if (!equal || !number(equal + 1, &x))
        return wrong(r, WEFT_ERR_FORMAT, word, "FIELD=NUMBER must stand here, such as threads=64");
    *equal = 0;
    for (uint32_t i = 0; i < FIELDS; i++) {
        if (strcmp(word, fields[i].name) != 0) continue;
        if (!(uses[use].fields >> i & 1)) break;
        *value_of(t, &fields[i]) = (uint32_t)x;
        return WEFT_OK;
    }
    return wrong(r, WEFT_ERR_FORMAT, word, "this use has no such field; docs/kernels.md lists them");
}

static const char last_class[] = "any";

static weft_status read_line(const struct reader *r, char *line) {
    char *rest, *word = strtok_r(line, " \t\r", &rest);
    uint32_t use = 0, class = 0;
    uint64_t size = UINT64_MAX;
    if (!word || *word == '#') return WEFT_OK;
    while (use < WEFT_TILE_USES && strcmp(word, uses[use].name) != 0) use++;
    if (use == WEFT_TILE_USES)
        return wrong(r, WEFT_ERR_FORMAT, word, "no kernel's shapes have this name; docs/kernels.md lists the names");
    if (!uses[use].fits) return wrong(r, WEFT_ERR_FORMAT, word, "shapes of this use can't be set by a file");
    char *text = strtok_r(NULL, " \t\r", &rest);
    if (!text || (strcmp(text, last_class) != 0 && !number(text, &size)))
        return wrong(r, WEFT_ERR_FORMAT, text ? text : word, "the class, a number or `any`, must stand behind the use");
    while (class < WEFT_TILE_CLASSES && weft_tile_class((enum weft_tile_use)use, class) != size) class ++;
    if (class == WEFT_TILE_CLASSES || size == 0)
        return wrong(r, WEFT_ERR_FORMAT, text, "the use has no such class; docs/kernels.md lists them");
    struct weft_tile *t = &r->tiles[use * WEFT_TILE_CLASSES + class];
    const char *first = strtok_r(NULL, " \t\r", &rest);
    if (!first) return wrong(r, WEFT_ERR_FORMAT, text, "at least one FIELD=NUMBER must stand behind the class");
    for (word = (char *)first; word; word = strtok_r(NULL, " \t\r", &rest)) WEFT_TRY(read_field(r, use, t, word));
    const char *limit = uses[use].fits(r->p, t);
    return limit ? wrong(r, WEFT_ERR_LIMIT, uses[use].name, limit) : WEFT_OK;
}

static void copy_table(const struct weft_profile *p, struct weft_tile *tiles) {
    for (uint32_t use = 0; use < WEFT_TILE_USES; use++)
        for (uint32_t i = 0; i < WEFT_TILE_CLASSES && weft_tile_class((enum weft_tile_use)use, i); i++)
            tiles[use * WEFT_TILE_CLASSES + i] =
                *weft_tile_of(p, (enum weft_tile_use)use, weft_tile_class((enum weft_tile_use)use, i));
}

weft_status weft_profile_tune_text(struct weft_profile *p, const char *name, const char *text,
                                   struct weft_arena *arena) {
    struct weft_tile *tiles = weft_arena_alloc(arena, WEFT_TILE_USES * WEFT_TILE_CLASSES * sizeof *tiles);
    char *copy = weft_arena_strdup(arena, text), *rest = copy;
    if (!tiles || !copy) return weft_fail(WEFT_ERR_NOMEM, "out of memory while reading tuning file '%s'", name);
    struct reader r = {.p = p, .name = name, .tiles = tiles};
    copy_table(p, tiles);
    for (char *line = rest; line; line = rest) {
        rest = strchr(line, '\n');
        if (rest) *rest++ = 0;
        r.line++;
        WEFT_TRY(read_line(&r, line));
    }
    p->tuned = tiles;
    return WEFT_OK;
}

weft_status weft_profile_tune(struct weft_profile *p, const char *path, struct weft_arena *arena) {
    char *text;
    size_t size;
    WEFT_TRY(weft_file_read(path, MOST_BYTES, &text, &size));
    weft_status status = strlen(text) == size ? weft_profile_tune_text(p, path, text, arena)
                                              : weft_fail(WEFT_ERR_FORMAT, "tuning file '%s' is no text", path);
    weft_free(text);
    return status;
}
