#include "plan/link.h"
#include "plan/wgsl.h"
#include <stdint.h>
#include <string.h>

#define FOLDER "plan/scalar/"
enum { FOLDER_LEN = sizeof FOLDER - 1, MOST = 64 };

/// The embedded files of the folder, which stand side by side because names are sorted.
struct library {
    const struct weft_wgsl_file *files;
    uint32_t n;
};

static struct library library(void) {
    struct library lib = {0};
    for (size_t i = 0; i < weft_wgsl_file_count; i++) {
        if (strncmp(weft_wgsl_files[i].name, FOLDER, FOLDER_LEN) != 0) continue;
        if (!lib.files) lib.files = &weft_wgsl_files[i];
        if (lib.n < MOST) lib.n++;
    }
    return lib;
}

static bool in_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || (c >= 'A' && c <= 'Z');
}

/// The file that defines the function of this name, or `n`.
static uint32_t find(const struct library *lib, const char *name, size_t len) {
    for (uint32_t i = 0; i < lib->n; i++) {
        const char *have = lib->files[i].name + FOLDER_LEN;
        if (have[0] == name[0] && strncmp(have, name, len) == 0 && have[len] == '.') return i; // of ".wgsl"
    }
    return lib->n;
}

/// Marks what text[from..) calls and what it defines, each a bit a file. Comments count as text: a function too many
/// does no harm.
static void scan(const struct library *lib, const struct weft_str *text, size_t from, uint64_t *called,
                 uint64_t *defined) {
    const char *start = text->data, *end = start + text->len;
    for (const char *p = start + from; (p = memchr(p, '(', (size_t)(end - p))); p++) {
        const char *name = p;
        while (name > start && in_name(name[-1])) name--;
        if (name == p) continue;
        uint32_t i = find(lib, name, (size_t)(p - name));
        if (i == lib->n) continue;
        bool definition = name - start >= 3 && name[-3] == 'f' && name[-2] == 'n' && name[-1] == ' ';
        *(definition ? defined : called) |= (uint64_t)1 << i;
    }
}

/// The function without the comment above it.
static void append(const struct weft_wgsl_file *file, struct weft_str *text) {
    const char *p = file->text;
    while (p[0] == '/' && p[1] == '/') p += strcspn(p, "\n") + 1;
    weft_str_addn(text, p, file->len - (size_t)(p - file->text));
}

void weft_link_scalars(struct weft_str *text) {
    struct library lib = library();
    uint64_t called = 0, defined = 0;
    for (size_t from = 0; !text->failed && from < text->len;) {
        size_t end = text->len;
        scan(&lib, text, from, &called, &defined);
        for (uint32_t i = 0; i < lib.n; i++)
            if ((called & ~defined) >> i & 1) append(&lib.files[i], text);
        defined |= called;
        from = end;
    }
}
