/// How long planning takes: graphs of 2,000 nodes (or as many as the argument says) compiled for the null device's
/// capabilities. Planning is what places memory, binds and checks; the rest of a compilation is graph passes and the
/// text of kernels. Best of five.
///
///     bench/plan [nodes]
#include "compile/bind.h"
#include "compile/passes.h"
#include "core/error.h"
#include "gpu/gpu_backend.h"
#include "ops/ops.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static uint32_t seed;

static uint32_t pick(uint32_t n) {
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed / 16 % n;
}

// ---- graphs --------------------------------------------------------------------------------------------------------

static void elementwise_chain(uint32_t n, struct weft_str *g) {
    static const char *const ops[] = {"neg", "abs", "tanh", "sigmoid"};
    weft_str_add(g, "symbol T 1 64\ninput x f32 [T, 64]\n%0 = neg %x\n");
    for (uint32_t i = 1; i < n; i++) weft_str_addf(g, "%%%u = %s %%%u\n", i, ops[i % 4], i - 1);
    weft_str_addf(g, "output %%%u y\n", n - 1);
}

static void matmul_chain(uint32_t n, struct weft_str *g) {
    weft_str_add(g, "symbol T 1 64\ninput x f32 [T, 64]\nweight w q8_0 [64, 64]\n%0 = matmul %x %w\n");
    for (uint32_t i = 1; i < n; i++) weft_str_addf(g, "%%%u = matmul %%%u %%w\n", i, i - 1);
    weft_str_addf(g, "output %%%u y\n", n - 1);
}

/// Products, sums, norms and activations of values near and far.
static void random_graph(uint32_t n, struct weft_str *g) {
    seed = 12345;
    char *used = calloc(n, 1); // what nothing reads would be removed, so it is an output
    weft_str_add(g, "symbol T 1 64\ninput x f32 [T, 64]\nweight w q8_0 [64, 64]\n%0 = matmul %x %w\n");
    for (uint32_t i = 1; i < n && used; i++) {
        uint32_t a = i - 1 - pick(i < 8 ? i : 8), b = i - 1 - pick(pick(8) ? (i < 20 ? i : 20) : i);
        used[a] = 1;
        switch (pick(4)) {
        case 0: weft_str_addf(g, "%%%u = matmul %%%u %%w\n", i, a); break;
        case 1: weft_str_addf(g, "%%%u = softmax %%%u\n", i, a); break;
        case 2: weft_str_addf(g, "%%%u = silu %%%u\n", i, a); break;
        default: weft_str_addf(g, "%%%u = add %%%u %%%u\n", i, a, b), used[b] = 1;
        }
    }
    for (uint32_t i = 0; i < n && used; i++)
        if (!used[i]) weft_str_addf(g, "output %%%u y%u\n", i, i);
    free(used);
}

/// Blocks of twelve nodes, as of a decoder without its attention.
static void layers(uint32_t n, struct weft_str *g) {
    weft_str_add(g, "symbol T 1 64\ninput x f32 [T, 64]\nweight n f32 [64]\nweight q q8_0 [64, 64]\n"
                    "weight k q8_0 [64, 64]\nweight v q8_0 [64, 64]\nweight u q8_0 [192, 64]\nweight d q8_0 [64, 192]\n"
                    "%r0 = neg %x\n");
    for (uint32_t i = 0; i < n / 12; i++)
        weft_str_addf(g,
                      "%%a%u = rms_norm %%r%u %%n {eps=1e-6}\n%%b%u = matmul %%a%u %%q\n%%c%u = matmul %%a%u %%k\n"
                      "%%e%u = matmul %%a%u %%v\n%%f%u = mul %%b%u %%c%u\n%%g%u = add %%f%u %%e%u\n%%h%u = add %%g%u "
                      "%%r%u\n%%i%u = rms_norm %%h%u %%n {eps=1e-6}\n%%j%u = matmul %%i%u %%u\n%%k%u = silu %%j%u\n"
                      "%%l%u = matmul %%k%u %%d\n%%r%u = add %%l%u %%h%u\n",
                      i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i + 1, i, i);
    weft_str_addf(g, "output %%r%u y\n", n / 12);
}

// ---- measuring -----------------------------------------------------------------------------------------------------

static double least(double a, double b) { return a < b ? a : b; }

static int fail(const char *name) {
    fprintf(stderr, "%s: %s\n", name, weft_error_message());
    return 1;
}

struct times {
    double memory, bind, check, whole;
};

static int measure(const char *text, const char *name, int no_fuse) {
    struct weft_gpu_caps caps;
    weft_gpu_null_caps(&caps);
    struct times t = {1e9, 1e9, 1e9, 1e9};
    uint32_t steps = 0, tensors = 0;
    double ratio = 0;
    for (int round = 0; round < 5; round++) {
        struct weft_graph *g = NULL;
        struct weft_plan *p = NULL;
        struct weft_compile_params params = {.no_fuse = no_fuse};
        if (weft_graph_parse(weft_ops(), text, strlen(text), &g) != WEFT_OK) return fail(name);
        double start = now();
        if (weft_compile(g, &caps, &params, &p) != WEFT_OK) return fail(name);
        t.whole = least(t.whole, now() - start);
        struct weft_schedule *sc = &p->schedules[0];
        steps = sc->n_steps;
        tensors = sc->n_tensors;
        uint64_t bytes = 0;
        for (uint32_t h = 0; h < WEFT_HEAPS; h++) bytes += sc->heap_bytes[h], p->heap_bytes[h] = 0;
        ratio = sc->lower_bound ? (double)bytes / (double)sc->lower_bound : 1;
        start = now();
        weft_status status = weft_pass_place(p, sc);
        t.memory = least(t.memory, now() - start);
        start = now();
        for (uint32_t i = 0; i < sc->n_steps && status == WEFT_OK; i++) {
            status = weft_bind_step(p, sc, &sc->steps[i]);
            if (status == WEFT_OK) status = weft_plan_check_limits(p, sc, &sc->steps[i]);
        }
        t.bind = least(t.bind, now() - start);
        start = now();
        if (status == WEFT_OK) status = weft_plan_check(p, sc);
        t.check = least(t.check, now() - start);
        weft_plan_destroy(p);
        if (status != WEFT_OK) return fail(name);
    }
    printf("%-20s %7d %6u %8u %8.2f %8.2f %8.2f %9.2f %9.1f %7.3f\n", name, no_fuse, steps, tensors, t.memory, t.bind,
           t.check, t.memory + t.bind + t.check, t.whole, ratio);
    return 0;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*make)(uint32_t n, struct weft_str *g);
    } graphs[] = {{"elementwise chain", elementwise_chain},
                  {"matmul chain", matmul_chain},
                  {"random", random_graph},
                  {"layers", layers}};
    uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 2000;
    int bad = 0;
    printf("%u nodes; milliseconds\n%-20s %7s %6s %8s %8s %8s %8s %9s %9s %7s\n", n, "graph", "no_fuse", "steps",
           "tensors", "memory", "bind", "check", "planning", "compile", "peak");
    for (size_t i = 0; i < sizeof graphs / sizeof *graphs && n > 100; i++) {
        struct weft_str text = {0};
        graphs[i].make(n, &text);
        for (int no_fuse = 0; no_fuse < 2; no_fuse++) bad |= measure(weft_str_get(&text), graphs[i].name, no_fuse);
        weft_str_free(&text);
    }
    return bad;
}
