/// Runs a text graph on the device and by the host reference, over leaves filled from a fixed seed, and compares
/// outputs and states.
#ifndef WEFT_TEST_GRAPH_RUN_H
#define WEFT_TEST_GRAPH_RUN_H
#include "exec/session.h"

struct weft_case {
    const char *name;
    const char *graph;  ///< text format
    int64_t symbols[8]; ///< live values, in order of declaration
    double tolerance;   ///< largest |difference| / (1 + |reference|); 0: exact
    double scale;       ///< leaves are uniform in +-scale (0: 1); integer leaves in [0, int_below)
    int64_t int_below;  ///< 0: 8
    int no_fuse;        ///< as in weft_compile_params
    bool as_written;    ///< likewise
    const char *split;  ///< schedule split symbol, at 1 and 8
    uint32_t seed;
    bool checked; ///< with the checked accessors: a fault fails the case
};

/// A device of the environment (WEFT_WEBGPU, WEFT_LIMITS) of the caller's own, with its configuration's bounds checks.
weft_status weft_test_open(struct weft_gpu_params params, weft_gpu **out);
/// The device of the environment, opened once a process. NULL: prints why.
weft_gpu *weft_test_gpu(void);
/// True if WEFT_TEST_LONG=1 asks for everything.
bool weft_test_long(void);
/// True where only a part of the cases should run, one for each kernel: on a CPU driver, which spends nearly all of a
/// test's time on compiling, unless WEFT_TEST_LONG=1 asks for everything or WEFT_TEST_CASE for something.
bool weft_test_short(void);
/// The same on Dawn, where Tint and SwiftShader take about a second for each kernel.
bool weft_test_thin(void);
/// Dawn on a CPU driver, SwiftShader: a model's kernels take minutes to compile and run at a tenth of lavapipe's speed,
/// so that not even a night has time for all models there.
bool weft_test_compiles_slowly(void);
/// True under sanitizers, where the host takes eight times as long, unless WEFT_TEST_LONG=1 asks for everything.
bool weft_test_sanitized(void);
/// Compiles for a device of another kind from here on, as which tests present CPU drivers; returns what it was.
enum weft_gpu_kind weft_test_as(enum weft_gpu_kind kind);
/// True if WEFT_TEST_CHECKED=1 asks for the checked accessors everywhere (weft_case_run heeds it).
bool weft_test_checked(void);
/// What WEFT_TEST_NUMBERS=invariant asks tables of cases to be compiled with; F32 without it.
enum weft_numbers weft_test_numbers(void);
/// Prints the fault that a checked session met. 1 if there was one (or it can't be read), else 0.
int weft_test_fault(weft_session *session, const char *name);
/// 0 if all agree; otherwise prints the case, the first differences, and returns 1. `worst` may be NULL.
int weft_case_run(weft_gpu *gpu, const struct weft_case *c, double *worst);
#endif
