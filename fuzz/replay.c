/// A main for fuzz targets where there is no libFuzzer: runs every file named on the command line, and those of every
/// folder named there. `--change N` runs N changed copies of each as well, the same ones every time; a copy that ends
/// the process is left in fuzz-crash.bin. Fails if there was nothing to run.
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

enum { MOST_BYTES = 1 << 20 };
static uint8_t current[2 * MOST_BYTES];
static size_t current_size;
static const char *current_name = "";
static unsigned long inputs, copies;
static uint64_t seed;

// ---- what a fault leaves -------------------------------------------------------------------------------------------

static void say(const char *text) {
    if (write(STDERR_FILENO, text, strlen(text)) < 0) _exit(1);
}

static void crashed(int number) {
    int file = open("fuzz-crash.bin", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    say("fuzz: ended by ");
    say(current_name);
    if (file >= 0 && write(file, current, current_size) == (ssize_t)current_size)
        say(" or a copy of it, which is in fuzz-crash.bin");
    say("\n");
    signal(number, SIG_DFL);
    raise(number);
}

// ---- changed copies ------------------------------------------------------------------------------------------------

static uint32_t draw(uint32_t below) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

/// Pieces that turn up in formats and break careless readers.
static const char *const words[] = {"\xff\xff\xff\xff\xff\xff\xff\xff",
                                    "\x7f\xff\xff\xff",
                                    "0",
                                    "-1",
                                    "1e30",
                                    "%",
                                    "999999999999999999999",
                                    "{",
                                    "]",
                                    "\n",
                                    " ",
                                    "\xe2\x96",
                                    "T",
                                    "f32 []"};

static void cut(size_t at, size_t n) {
    memmove(current + at, current + at + n, current_size - at - n);
    current_size -= n;
}

static void insert(size_t at, const uint8_t *bytes, size_t n) {
    if (current_size + n > sizeof current) return;
    memmove(current + at + n, current + at, current_size - at);
    memmove(current + at, bytes, n);
    current_size += n;
}

static void change(void) {
    uint8_t piece[64];
    if (current_size == 0) insert(0, (const uint8_t *)"x", 1);
    size_t at = draw((uint32_t)current_size), left = current_size - at;
    size_t n = 1 + draw((uint32_t)(left < sizeof piece ? left : sizeof piece));
    if (n > left) n = left;
    memcpy(piece, current + at, n);
    switch (draw(6)) {
    case 0: current[at] ^= (uint8_t)(1u << draw(8)); break;
    case 1: current[at] = (uint8_t)draw(256); break;
    case 2: cut(at, n); break;
    case 3: insert(draw((uint32_t)current_size + 1), piece, n); break;
    case 4: {
        const char *word = words[draw(sizeof words / sizeof *words)];
        insert(at, (const uint8_t *)word, strlen(word));
        break;
    }
    default: current[at] = (uint8_t)(current[at] + 1 - 2 * draw(2)); break;
    }
}

// ---- inputs --------------------------------------------------------------------------------------------------------

static int run_file(const char *path, unsigned long changes) {
    static uint8_t bytes[MOST_BYTES];
    FILE *f = fopen(path, "rb");
    size_t size = f ? fread(bytes, 1, sizeof bytes, f) : 0;
    int bad = !f || ferror(f);
    if (f) fclose(f);
    if (bad) {
        fprintf(stderr, "replay: %s cannot be read\n", path);
        return 1;
    }
    current_name = path;
    seed = size + 1;
    for (unsigned long i = 0; i <= changes; i++) {
        memcpy(current, bytes, size);
        current_size = size;
        for (uint32_t k = i ? 1 + draw(4) : 0; k > 0; k--) change();
        LLVMFuzzerTestOneInput(current, current_size);
    }
    inputs++;
    copies += changes;
    return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static int run_path(const char *path, unsigned long changes) {
    struct dirent **names;
    int bad = 0, n = scandir(path, &names, NULL, by_name);
    if (n < 0) return run_file(path, changes);
    for (int i = 0; i < n; i++) {
        char inner[4096];
        if (names[i]->d_name[0] != '.' && snprintf(inner, sizeof inner, "%s/%s", path, names[i]->d_name) > 0)
            bad |= run_file(inner, changes);
        free(names[i]);
    }
    free(names);
    return bad;
}

int main(int argc, char **argv) {
    unsigned long changes = 0;
    int bad = 0;
    signal(SIGABRT, crashed);
    signal(SIGSEGV, crashed);
    signal(SIGFPE, crashed);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--change") == 0 && i + 1 < argc) changes = strtoul(argv[++i], NULL, 10);
        else bad |= run_path(argv[i], changes);
    }
    printf("%lu inputs and %lu changed copies\n", inputs, copies);
    if (inputs == 0) fprintf(stderr, "replay: there was nothing to run\n");
    return bad || inputs == 0;
}
