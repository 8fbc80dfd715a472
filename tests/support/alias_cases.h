/// Cases in which the operands of a fused kernel share memory: each family of kernels (norms, chains, products, ...)
/// with its operands laid over one flat state `m` in every way that graphs can express, and with a part of `m` as its
/// destination. What a plan must look like follows from the ranges by rule: fused, fused less, or with a copy of
/// exactly the destination.
#ifndef WEFT_TEST_ALIAS_CASES_H
#define WEFT_TEST_ALIAS_CASES_H
#include "exec/session.h"

#define ALIAS_STEPS 8

struct alias_case {
    char name[120];
    char graph[4096];       ///< text format
    weft_dtype type;        ///< of m
    int64_t count;          ///< elements of m
    int64_t dst, dst_count; ///< what is written of it
    struct {
        int64_t from, to;
    } halves[4]; ///< elements of m (f32) that hold pairs of halves
    uint32_t n_halves;
    bool quantised;                ///< has outputs q and s: bytes of what is written, in blocks of 32
    double tolerance;              ///< |difference| / (1 + |reference|)
    uint64_t copied;               ///< bytes, because of aliasing
    uint32_t n_steps;              ///< dispatches
    uint8_t bindings[ALIAS_STEPS]; ///< storage bindings of each step
    uint32_t seed;
    bool random; ///< a random region
    bool few;    ///< one of the handful that slow drivers run
};

/// Calls `each` for every case; returns the sum of what it returns. `n_random`: how many random regions.
int alias_cases(int (*each)(void *user, const struct alias_case *c), void *user, uint32_t n_random);
/// Compiles a case and compares dispatches, bindings and copied bytes with the rule. 0, or 1 after saying what differs
/// (`quiet`: without).
int alias_case_plan(const struct alias_case *c, const struct weft_gpu_caps *caps, bool quiet);
/// Runs it and compares m and the outputs with the host reference; elements outside the destination must keep their
/// bits. `skip_alias_check`: as in weft_compile_params. 0, or 1 after saying what differs (`quiet`: without).
int alias_case_run(weft_gpu *gpu, const struct alias_case *c, int skip_alias_check, bool quiet);
#endif
