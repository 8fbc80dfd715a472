/// Settings to words, and the host reference of the sampler: sorts, walks, draws. The masses and the order are those of
/// ops/sample_common.wgsl and ops/sample_mass.wgsl, bit for bit; the selection is a plain sort instead of histograms.
#include "core/alloc.h"
#include "core/error.h"
#include "ops/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OCTAVES_PER_HALF 48408812.646 // 2 * log2(e) * 2^24

struct weft_sample_settings weft_sample_defaults(void) {
    return (struct weft_sample_settings){
        .temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f, .repetition = 1.0f};
}

static uint32_t float_word(float f) {
    uint32_t w;
    memcpy(&w, &f, sizeof w);
    return w;
}

static float word_float(uint32_t w) {
    float f;
    memcpy(&f, &w, sizeof f);
    return f;
}

static weft_status check(const struct weft_sample_settings *s) {
    if (!(s->temperature >= 0 && s->temperature <= 1e6f))
        return weft_fail(WEFT_ERR_INVALID, "temperature %g is not in [0, 1e6]; 0 is greedy", (double)s->temperature);
    if (!(s->top_p >= 0 && s->top_p <= 1))
        return weft_fail(WEFT_ERR_INVALID, "top_p %g is not in [0, 1]; 1 turns it off", (double)s->top_p);
    if (!(s->min_p >= 0 && s->min_p <= 1))
        return weft_fail(WEFT_ERR_INVALID, "min_p %g is not in [0, 1]", (double)s->min_p);
    if (!(s->repetition > 1e-6f && s->repetition < 1e6f))
        return weft_fail(WEFT_ERR_INVALID, "repetition penalty %g is not in (1e-6, 1e6); 1 turns it off",
                         (double)s->repetition);
    if (!(fabsf(s->frequency) < 1e6f && fabsf(s->presence) < 1e6f))
        return weft_fail(WEFT_ERR_INVALID, "frequency penalty %g or presence penalty %g is not in (-1e6, 1e6)",
                         (double)s->frequency, (double)s->presence);
    return WEFT_OK;
}

weft_status weft_sample_pack(const struct weft_sample_settings *s, uint32_t words[WEFT_SAMPLE_WORDS]) {
    WEFT_TRY(check(s));
    memset(words, 0, WEFT_SAMPLE_WORDS * sizeof *words);
    uint32_t flags = 0;
    if (s->temperature >= 1e-4f) flags |= WEFT_SAMPLE_DRAW;
    if (s->top_p < 1) flags |= WEFT_SAMPLE_USE_TOP_P;
    if (s->min_p > 0) flags |= WEFT_SAMPLE_USE_MIN_P;
    if (s->repetition != 1 || s->frequency != 0 || s->presence != 0) flags |= WEFT_SAMPLE_PENALISE;
    words[WEFT_SAMPLE_FLAGS] = flags;
    words[WEFT_SAMPLE_TOP_K] = s->top_k;
    double p = floor((double)s->top_p * 4294967296.0 + 0.5);
    words[WEFT_SAMPLE_TOP_P] = p >= 4294967295.0 ? UINT32_MAX : (uint32_t)p;
    words[WEFT_SAMPLE_MIN_P] = s->min_p > 0 ? (uint32_t)floor(-log2((double)s->min_p) * 16777216.0) : UINT32_MAX;
    words[WEFT_SAMPLE_REPETITION] = float_word(s->repetition);
    words[WEFT_SAMPLE_INVERSE] = float_word(1.0f / s->repetition);
    words[WEFT_SAMPLE_FREQUENCY] = float_word(s->frequency);
    words[WEFT_SAMPLE_PRESENCE] = float_word(s->presence);
    words[WEFT_SAMPLE_SCALE] = float_word((float)OCTAVES_PER_HALF);
    words[WEFT_SAMPLE_SCALE_T] =
        float_word((float)(OCTAVES_PER_HALF / (s->temperature >= 1e-4f ? (double)s->temperature : 1.0)));
    words[WEFT_SAMPLE_SEED_LO] = (uint32_t)s->seed;
    words[WEFT_SAMPLE_SEED_HI] = (uint32_t)(s->seed >> 32);
    words[WEFT_SAMPLE_WINDOW] = s->window;
    return WEFT_OK;
}

// ---- integers shared with the kernels ------------------------------------------------------------------------------

static uint32_t mul_hi(uint32_t a, uint32_t b) { return (uint32_t)((uint64_t)a * b >> 32); }

/// a * b, 128 bits.
static void mul64(uint64_t a, uint64_t b, uint64_t *hi, uint64_t *lo) {
    uint64_t low = (a & UINT32_MAX) * (b & UINT32_MAX), x = (a >> 32) * (b & UINT32_MAX),
             y = (a & UINT32_MAX) * (b >> 32);
    uint64_t mid = (low >> 32) + (x & UINT32_MAX) + (y & UINT32_MAX);
    *lo = mid << 32 | (low & UINT32_MAX);
    *hi = (a >> 32) * (b >> 32) + (x >> 32) + (y >> 32) + (mid >> 32);
}

static uint32_t order_key(float f) {
    uint32_t bits = float_word(f), size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) return 0;
    if (size == 0) return 0x80000000u;
    uint32_t key = bits >> 31 ? ~bits : bits | 0x80000000u;
    return key < 0x00800000u ? 0x00800000u : key > 0xff7fffffu ? 0xff7fffffu : key; // finite
}

static float key_value(uint32_t key) { return word_float(key >> 31 ? key & 0x7fffffffu : ~key); }

static uint32_t octaves(uint32_t top, uint32_t key, float scale) {
    float gap = 0.5f * key_value(top) - 0.5f * key_value(key);
    float x = (gap < 1e25f ? gap : 1e25f) * scale;
    return (uint32_t)(x < 4.0e9f ? x : 4.0e9f);
}

/// 2^-(j/256) in units of 2^-31, by the bits of j.
static uint32_t mass_entry(uint32_t j) {
    static const uint32_t root[8] = {4283353945u, 4271771996u, 4248701965u, 4202935003u,
                                     4112874773u, 3938502376u, 3611622603u, 3037000500u};
    uint32_t t = 0x80000000u;
    for (int b = 0; b < 8; b++)
        if (j >> b & 1) t = mul_hi(t, root[b]);
    return t;
}

uint64_t weft_sample_mass(uint32_t gap24) {
    uint32_t n = gap24 >> 24;
    if (n >= 40) return 0;
    uint32_t entry = mass_entry(gap24 >> 16 & 255),
             t = (gap24 & 65535u) * 45426u;                   // log(2) * 2^-24 of it, units of 2^-40
    uint32_t drop = (t - ((t >> 16) * (t >> 16) >> 9)) >> 16; // 1 - exp(-t), units of 2^-24
    uint32_t m = entry - ((entry >> 16) * drop >> 8) - ((entry & 65535u) * drop >> 24);
    return ((uint64_t)m << 9) >> n;
}

uint64_t weft_sample_random(uint64_t seed, uint32_t step) { // Philox 4x32, 10 rounds, counter (step, 0, 0, 0)
    uint32_t c[4] = {step, 0, 0, 0}, k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint32_t h0 = mul_hi(0xD2511F53u, c[0]), l0 = 0xD2511F53u * c[0], h1 = mul_hi(0xCD9E8D57u, c[2]),
                 l1 = 0xCD9E8D57u * c[2];
        c[0] = h1 ^ c[1] ^ k0;
        c[1] = l1;
        c[2] = h0 ^ c[3] ^ k1;
        c[3] = l0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return (uint64_t)c[1] << 32 | c[0];
}

// ---- the pick ------------------------------------------------------------------------------------------------------

struct candidate {
    uint32_t key, index;
};

static int by_order(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    if (x->key != y->key) return x->key > y->key ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static float penalised(const uint32_t *words, float logit, uint32_t count) {
    if (!(words[WEFT_SAMPLE_FLAGS] & WEFT_SAMPLE_PENALISE) || count == 0) return logit;
    logit *= word_float(words[logit > 0 ? WEFT_SAMPLE_INVERSE : WEFT_SAMPLE_REPETITION]);
    float taken = word_float(words[WEFT_SAMPLE_FREQUENCY]) * (float)count;
    return logit - taken - word_float(words[WEFT_SAMPLE_PRESENCE]);
}

/// Length of the prefix that top-k and top-p leave.
static uint32_t survivors(const uint32_t *words, const struct candidate *c, uint32_t n) {
    uint32_t k = words[WEFT_SAMPLE_TOP_K];
    if (k == 0 || k > n) k = n;
    if (!(words[WEFT_SAMPLE_FLAGS] & WEFT_SAMPLE_USE_TOP_P)) return k;
    float scale = word_float(words[WEFT_SAMPLE_SCALE]);
    uint64_t all = 0, sum = 0, hi, lo;
    for (uint32_t i = 0; i < k; i++) all += weft_sample_mass(octaves(c[0].key, c[i].key, scale));
    mul64(all, (uint64_t)words[WEFT_SAMPLE_TOP_P] << 32, &hi, &lo);
    if (lo) hi++; // the mass to reach, rounded up
    for (uint32_t i = 0; i < k; i++) {
        sum += weft_sample_mass(octaves(c[0].key, c[i].key, scale));
        if (sum >= hi && sum > 0) return i + 1;
    }
    return k;
}

static uint32_t draw(const uint32_t *words, const struct candidate *c, uint32_t n, uint64_t random) {
    float scale = word_float(words[WEFT_SAMPLE_SCALE]), scale_t = word_float(words[WEFT_SAMPLE_SCALE_T]);
    uint32_t limit = words[WEFT_SAMPLE_FLAGS] & WEFT_SAMPLE_USE_MIN_P ? words[WEFT_SAMPLE_MIN_P] : UINT32_MAX;
    uint64_t all = 0, sum = 0, at, lo;
    for (uint32_t i = 0; i < n; i++)
        if (octaves(c[0].key, c[i].key, scale) <= limit) all += weft_sample_mass(octaves(c[0].key, c[i].key, scale_t));
    mul64(random, all, &at, &lo);
    for (uint32_t i = 0; i < n; i++) {
        if (octaves(c[0].key, c[i].key, scale) <= limit) sum += weft_sample_mass(octaves(c[0].key, c[i].key, scale_t));
        if (sum > at) return c[i].index;
    }
    return c[0].index;
}

weft_status weft_sample_pick(const uint32_t words[WEFT_SAMPLE_WORDS], const float *logits, const uint32_t *counts,
                             uint32_t v, uint32_t step, uint32_t *token) {
    struct candidate *c = weft_alloc((size_t)v * sizeof *c);
    if (!c) return weft_fail(WEFT_ERR_NOMEM, "sample: out of memory for %u candidates", v);
    uint32_t n = 0;
    for (uint32_t i = 0; i < v; i++) {
        uint32_t key = order_key(penalised(words, logits[i], counts[i]));
        if (key) c[n++] = (struct candidate){key, i};
    }
    *token = WEFT_SAMPLE_NONE;
    if (n) {
        qsort(c, n, sizeof *c, by_order);
        uint64_t seed = (uint64_t)words[WEFT_SAMPLE_SEED_HI] << 32 | words[WEFT_SAMPLE_SEED_LO];
        bool drawing = words[WEFT_SAMPLE_FLAGS] & WEFT_SAMPLE_DRAW;
        *token = drawing ? draw(words, c, survivors(words, c, n), weft_sample_random(seed, step)) : c[0].index;
    }
    weft_free(c);
    return WEFT_OK;
}
