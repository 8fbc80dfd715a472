/// How long a model takes to load, and what memory that takes of the host: opens a GGUF file for the best device found
/// and prints JSON. The weights are timed apart from all else, by the calls that tell the progress.
///
///     bench/load MODEL [context]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <weft/weft.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

struct times {
    double first, last;
};

static void progress(void *user, enum weft_progress_stage stage, uint64_t done, uint64_t total) {
    struct times *t = user;
    (void)done, (void)total;
    if (stage == WEFT_PROGRESS_PLAN) t->first = t->last = now();
    if (stage == WEFT_PROGRESS_WEIGHTS) t->last = now();
}

/// A line of /proc/self/status in MB: the host's memory without the pages of files.
static double status_mb(const char *name) {
    char line[256];
    double kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0) kb = strtod(line + strlen(name), NULL);
    if (f) fclose(f);
    return kb / 1e3;
}

int main(int argc, char **argv) {
    struct times t = {0};
    struct stat file = {0};
    struct rusage use;
    weft_device *device = NULL;
    weft_model *model = NULL;
    struct weft_device_info info = {0};
    struct weft_device_memory memory = {0};
    if (argc < 2 || argc > 3 || stat(argv[1], &file) != 0) {
        fprintf(stderr, "usage: load MODEL [context]\n");
        return 2;
    }
    struct weft_model_params params = {.progress = progress, .progress_user = &t};
    params.ctx = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1024;
    weft_status status = weft_device_open(NULL, &device);
    double start = now();
    if (status == WEFT_OK) status = weft_model_open(device, argv[1], &params, &model);
    double end = now();
    if (status == WEFT_OK) status = weft_device_info(device, &info);
    if (status == WEFT_OK) status = weft_device_memory(device, &memory);
    if (status == WEFT_OK && getrusage(RUSAGE_SELF, &use) == 0) {
        double gb = (double)file.st_size * 1e-9;
        printf("{\"implementation\": \"%s\", \"file_gb\": %.3f, \"open_seconds\": %.3f, \"before_weights\": %.3f, "
               "\"weights_seconds\": %.3f, \"open_gbps\": %.2f, \"weights_gbps\": %.2f, \"peak_rss_mb\": %.0f, "
               "\"anonymous_mb\": %.0f, \"staging_mb\": %.0f, \"user_seconds\": %.2f, \"system_seconds\": %.2f}\n",
               info.implementation, gb, end - start, t.first - start, t.last - t.first, gb / (end - start),
               gb / (t.last - t.first), (double)use.ru_maxrss * 1e-3, status_mb("RssAnon:"),
               (double)memory.staging * 1e-6, (double)use.ru_utime.tv_sec + (double)use.ru_utime.tv_usec * 1e-6,
               (double)use.ru_stime.tv_sec + (double)use.ru_stime.tv_usec * 1e-6);
    }
    if (status != WEFT_OK) fprintf(stderr, "load: %s\n", weft_error_message());
    weft_model_close(&model);
    weft_device_close(&device);
    return status != WEFT_OK;
}
