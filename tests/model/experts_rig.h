/// A layer of five experts in a file in memory, its graph, and what it should compute, written down anew: plain loops
/// over the formula.
#ifndef WEFT_TEST_EXPERTS_RIG_H
#define WEFT_TEST_EXPERTS_RIG_H
#include "core/error.h"
#include "model/blocks.h"
#include "ops/ops.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "gguf_writer.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { RIG_N = 24, RIG_WIDTH = 20, RIG_COUNT = 5, RIG_SHARED = 12, RIG_TOKENS = 30 };

struct experts_rig {
    struct gguf_writer w;
    struct weft_source *file;
    struct weft_model_config config;
    struct weft_block_experts block;
    float x[RIG_TOKENS * RIG_N];
};

static const struct {
    const char *name;
    uint32_t n_dims;
    uint64_t dims[3];
} rig_tensors[] = {
    {"blk.0.ffn_gate_inp.weight", 2, {RIG_N, RIG_COUNT}},
    {"blk.0.ffn_gate_exps.weight", 3, {RIG_N, RIG_WIDTH, RIG_COUNT}},
    {"blk.0.ffn_up_exps.weight", 3, {RIG_N, RIG_WIDTH, RIG_COUNT}},
    {"blk.0.ffn_down_exps.weight", 3, {RIG_WIDTH, RIG_N, RIG_COUNT}},
    {"blk.0.ffn_gate_inp_shexp.weight", 1, {RIG_N}},
    {"blk.0.ffn_gate_shexp.weight", 2, {RIG_N, RIG_SHARED}},
    {"blk.0.ffn_up_shexp.weight", 2, {RIG_N, RIG_SHARED}},
    {"blk.0.ffn_down_shexp.weight", 2, {RIG_SHARED, RIG_N}},
};
enum { RIG_TENSORS = sizeof rig_tensors / sizeof *rig_tensors };

static inline uint64_t rig_count(size_t i) {
    uint64_t n = 1;
    for (uint32_t d = 0; d < rig_tensors[i].n_dims; d++) n *= rig_tensors[i].dims[d];
    return n;
}

static inline float rig_random(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(*seed >> 8) / 8388608.0f - 1;
}

/// Without tensor `without` (RIG_TENSORS: with all).
static inline void rig_open(struct experts_rig *r, const struct weft_block_experts *block, size_t without) {
    uint32_t seed = 11;
    uint64_t offset = 0;
    r->block = *block;
    r->config = (struct weft_model_config){.n_embd = RIG_N};
    gw_begin(&r->w, 3);
    for (size_t i = 0; i < RIG_TENSORS; i++) {
        if (i == without) continue;
        gw_tensor(&r->w, rig_tensors[i].name, 0, rig_tensors[i].n_dims, rig_tensors[i].dims, offset);
        offset += (rig_count(i) * 4 + 31) / 32 * 32;
    }
    gw_end(&r->w, 32, 0);
    for (size_t i = 0; i < RIG_TENSORS; i++) {
        for (uint64_t k = 0; k < rig_count(i) && i != without; k++) {
            float v = rig_random(&seed);
            gw_bytes(&r->w, &v, 4);
        }
        while (r->w.len % 32) gw_number(&r->w, 0, 1);
    }
    for (int i = 0; i < RIG_TOKENS * RIG_N; i++) r->x[i] = rig_random(&seed);
    if (weft_gguf_open_memory(r->w.data, r->w.len, "experts", &r->file) != WEFT_OK)
        fail_msg("%s", weft_error_message());
}

static inline const float *rig_data(const struct experts_rig *r, const char *name) {
    return (const float *)(const void *)weft_source_find(r->file, name)->data;
}

/// The graph: input x, output y; its status is that of the block.
static inline weft_status rig_graph(const struct experts_rig *r, struct weft_graph **out) {
    struct weft_model_build m = {.file = r->file, .config = &r->config};
    weft_value x = WEFT_NO_VALUE;
    if (weft_graph_create(weft_ops(), out) != WEFT_OK) fail_msg("%s", weft_error_message());
    m.b.g = *out;
    m.tokens = weft_dim_symbol(m.b.g->dims, "T", 1, RIG_TOKENS);
    struct weft_type type = {.dtype = WEFT_F32, .rank = 2, .dims = {m.tokens, weft_dim_const(m.b.g->dims, RIG_N)}};
    if (m.b.status == WEFT_OK) m.b.status = weft_graph_input(m.b.g, "x", type, &x);
    weft_value y = weft_block_experts(&m, &r->block, x);
    if (m.b.status == WEFT_OK) m.b.status = weft_graph_output(m.b.g, y, "y");
    return m.b.status;
}

static inline void rig_close(struct experts_rig *r) { weft_source_close(r->file); }

// ---- the formula ---------------------------------------------------------------------------------------------------

static inline double rig_dot(const float *w, const double *x, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (double)w[i] * x[i];
    return sum;
}

/// out += weight * down(silu(gate h) * (up h)) of `width` rows
static inline void rig_expert(const float *gate, const float *up, const float *down, int width, const double *h,
                              double weight, double *out) {
    double a[RIG_WIDTH + RIG_SHARED];
    for (int i = 0; i < width; i++) {
        double g = rig_dot(gate + i * RIG_N, h, RIG_N);
        a[i] = g / (1 + exp(-g)) * rig_dot(up + i * RIG_N, h, RIG_N);
    }
    for (int i = 0; i < RIG_N; i++) out[i] += weight * rig_dot(down + i * width, a, width);
}

static inline void rig_token(const struct experts_rig *r, int t, double out[RIG_N]) {
    double h[RIG_N], p[RIG_COUNT], chosen[RIG_COUNT] = {0}, total = 0, sum = 0;
    for (int i = 0; i < RIG_N; i++) h[i] = r->x[t * RIG_N + i], out[i] = 0;
    for (int e = 0; e < RIG_COUNT; e++)
        total += p[e] = exp(rig_dot(rig_data(r, "blk.0.ffn_gate_inp.weight") + e * RIG_N, h, RIG_N));
    for (uint32_t j = 0; j < r->block.used; j++) {
        int best = -1;
        for (int e = 0; e < RIG_COUNT; e++)
            if (chosen[e] == 0 && (best < 0 || p[e] > p[best])) best = e;
        chosen[best] = p[best] / total;
        sum += chosen[best];
    }
    const int stride = RIG_N * RIG_WIDTH;
    for (int e = 0; e < RIG_COUNT; e++)
        if (chosen[e] > 0)
            rig_expert(rig_data(r, "blk.0.ffn_gate_exps.weight") + e * stride,
                       rig_data(r, "blk.0.ffn_up_exps.weight") + e * stride,
                       rig_data(r, "blk.0.ffn_down_exps.weight") + e * stride, RIG_WIDTH, h,
                       chosen[e] / (r->block.normalise ? sum : 1) * r->block.scale, out);
    if (r->block.shared)
        rig_expert(rig_data(r, "blk.0.ffn_gate_shexp.weight"), rig_data(r, "blk.0.ffn_up_shexp.weight"),
                   rig_data(r, "blk.0.ffn_down_shexp.weight"), RIG_SHARED, h,
                   1 / (1 + exp(-rig_dot(rig_data(r, "blk.0.ffn_gate_inp_shexp.weight"), h, RIG_N))), out);
}

/// The ways in which families use it.
static const struct weft_block_experts rig_ways[] = {
    {.count = RIG_COUNT, .used = 2, .width = RIG_WIDTH, .act = "silu", .normalise = true, .scale = 1},
    {.count = RIG_COUNT, .used = 3, .width = RIG_WIDTH, .act = "silu", .scale = 2.5, .shared = RIG_SHARED},
    {.count = RIG_COUNT, .used = RIG_COUNT, .width = RIG_WIDTH, .act = "silu", .normalise = true, .scale = 0.5},
    {.count = RIG_COUNT, .used = 1, .width = RIG_WIDTH, .act = "silu", .scale = 1, .shared = RIG_SHARED},
};
enum { RIG_WAYS = sizeof rig_ways / sizeof *rig_ways };

/// Elements of y [tokens, N] that are not the formula's.
static inline int rig_differences(const struct experts_rig *r, int first, int tokens, const double *y,
                                  double tolerance) {
    int bad = 0;
    for (int t = 0; t < tokens; t++) {
        double want[RIG_N];
        rig_token(r, first + t, want);
        for (int i = 0; i < RIG_N; i++) {
            double d = fabs(y[t * RIG_N + i] - want[i]);
            if (!(d <= tolerance * (1 + fabs(want[i]))) && bad++ < 3)
                printf("token %d, element %d: %.9g, expected %.9g\n", first + t, i, y[t * RIG_N + i], want[i]);
        }
    }
    return bad;
}
#endif
