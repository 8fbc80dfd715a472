/// How fast bytes go to the device and back: writes and reads of 4 KiB to 256 MiB of host memory, one at a time and
/// four in flight, as JSON. A write is timed until the device has it, a read until the host has it; each figure is the
/// median of its turns. What is read is compared with what was written. `bench/transfer_cuda.py` prints the same for
/// plain copies of CUDA, which is the yardstick.
///
///     bench/transfer [largest size in MiB [threads that copy]]
#include "core/error.h"
#include "core/file.h"
#include "gpu/gpu.h"
#include "gpu/gpu_test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TURNS = 40, IN_FLIGHT = 4 };

struct rig {
    weft_gpu *gpu;
    weft_buf buf;
    uint8_t *from, *to;
};

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *turns, int n) {
    qsort(turns, (size_t)n, sizeof *turns, by_size);
    return turns[n / 2];
}

/// `n` writes of `size` bytes one behind the other, then the wait for all.
static weft_status time_writes(const struct rig *r, uint64_t size, int n, double *seconds) {
    struct weft_gpu_submit nothing = {0};
    uint64_t serial = 0;
    double start = weft_now();
    for (int i = 0; i < n; i++)
        WEFT_TRY(weft_buf_write(r->gpu, r->buf, (uint64_t)i * size, r->from + (uint64_t)i * size, size));
    WEFT_TRY(weft_gpu_submit(r->gpu, &nothing, &serial));
    WEFT_TRY(weft_gpu_wait(r->gpu, serial, -1));
    *seconds = weft_now() - start;
    return WEFT_OK;
}

static weft_status time_reads(const struct rig *r, uint64_t size, int n, double *seconds) {
    weft_readback reads[IN_FLIGHT];
    double start = weft_now();
    for (int i = 0; i < n && n > 1; i++)
        WEFT_TRY(weft_readback_start(r->gpu, r->buf, (uint64_t)i * size, size, &reads[i]));
    for (int i = 0; i < n && n > 1; i++)
        WEFT_TRY(weft_readback_finish(r->gpu, &reads[i], r->to + (uint64_t)i * size, size));
    if (n == 1) WEFT_TRY(weft_buf_read(r->gpu, r->buf, 0, r->to, size));
    *seconds = weft_now() - start;
    return WEFT_OK;
}

static weft_status time_size(const struct rig *r, uint64_t size, int n, bool first) {
    double writes[MOST_TURNS], reads[MOST_TURNS], ignored;
    uint64_t bytes = size * (uint64_t)n;
    int turns = bytes > ((uint64_t)1 << 30) / MOST_TURNS ? (int)(((uint64_t)1 << 30) / bytes) + 3 : MOST_TURNS;
    for (int i = -1; i < turns; i++) { // the first turn makes what later ones find
        for (uint64_t at = 0; at < bytes; at += 4096) r->from[at] = (uint8_t)(i + (int)(at >> 12));
        WEFT_TRY(time_writes(r, size, n, i < 0 ? &ignored : &writes[i]));
        WEFT_TRY(time_reads(r, size, n, i < 0 ? &ignored : &reads[i]));
        if (weft_gpu_caps(r->gpu)->kind != WEFT_GPU_NULL && memcmp(r->from, r->to, bytes) != 0)
            return weft_fail(WEFT_ERR_DEVICE, "%llu bytes came back changed", (unsigned long long)bytes);
    }
    double in = median(writes, turns), out = median(reads, turns);
    printf("%s\n{\"bytes\": %llu, \"in_flight\": %d, \"write_us\": %.1f, \"write_gbps\": %.2f, \"read_us\": %.1f, "
           "\"read_gbps\": %.2f}",
           first ? "" : ",", (unsigned long long)size, n, in * 1e6, (double)bytes / in * 1e-9, out * 1e6,
           (double)bytes / out * 1e-9);
    fflush(stdout);
    return WEFT_OK;
}

static weft_status time_all(const struct rig *r, uint64_t most) {
    struct weft_gpu_counters c;
    bool first = true;
    printf("{\"implementation\": \"%s\", \"rows\": [", weft_gpu_caps(r->gpu)->implementation);
    for (int n = 1; n <= IN_FLIGHT; n += IN_FLIGHT - 1)
        for (uint64_t size = 4096; size * (uint64_t)n <= most; size *= 4, first = false)
            WEFT_TRY(time_size(r, size, n, first));
    weft_gpu_counters(r->gpu, &c);
    printf("],\n\"staging_bytes\": %llu, \"readback_bytes\": %llu}\n",
           (unsigned long long)c.bytes_for[WEFT_BUF_FOR_STAGING],
           (unsigned long long)c.bytes_for[WEFT_BUF_FOR_READBACK]);
    return WEFT_OK;
}

int main(int argc, char **argv) {
    uint64_t most = (argc > 1 ? strtoull(argv[1], NULL, 10) : 256) << 20;
    struct rig r = {0};
    if (most == 0 || argc > 3) {
        fprintf(stderr, "usage: transfer [largest size in MiB [threads that copy]]\n");
        return 2;
    }
    weft_status status = weft_gpu_open(NULL, &r.gpu);
    if (status == WEFT_OK && most > weft_gpu_caps(r.gpu)->max_buffer) most = weft_gpu_caps(r.gpu)->max_buffer;
    if (status == WEFT_OK) status = weft_buf_create(r.gpu, most, WEFT_BUF_STORAGE, "bench", &r.buf);
    if (status == WEFT_OK && argc > 2) weft_gpu_set_threads(r.gpu, (int)strtol(argv[2], NULL, 10));
    r.from = malloc(most);
    r.to = malloc(most);
    if (status == WEFT_OK && (!r.from || !r.to)) status = weft_fail(WEFT_ERR_NOMEM, "out of memory");
    if (status == WEFT_OK) {
        memset(r.from, 1, most); // pages that are there already, as those of a caller who has made his data
        memset(r.to, 2, most);
        status = time_all(&r, most);
    }
    if (status != WEFT_OK) fprintf(stderr, "transfer: %s\n", weft_error_message());
    weft_gpu_close(&r.gpu);
    free(r.from);
    free(r.to);
    return status != WEFT_OK;
}
