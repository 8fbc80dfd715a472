#include "engine/beam_choose.h"

#include <math.h>
#include <string.h>

// ---- one beam ------------------------------------------------------------------------------------------------------

/// Keeps the `most` largest logits of a row in descending order; of equal ones those of the lower tokens.
static uint32_t largest(const float *logits, uint32_t vocabulary, uint32_t most, struct weft_beam_way *top) {
    uint32_t n = 0;
    for (uint32_t t = 0; t < vocabulary; t++) {
        float x = logits[t];
        if (!(x > -INFINITY) || (n == most && !(x > top[n - 1].logit))) continue;
        uint32_t at = n < most ? n++ : n - 1;
        for (; at && x > top[at - 1].logit; at--) top[at] = top[at - 1];
        top[at] = (struct weft_beam_way){.token = (int32_t)t, .logit = x};
    }
    return n;
}

/// log(sum(exp(x))) of a row whose largest element is `most`.
static double log_total(const float *logits, uint32_t vocabulary, float most) {
    double sum = 0;
    for (uint32_t t = 0; t < vocabulary; t++)
        if (logits[t] > -INFINITY) sum += exp((double)logits[t] - (double)most);
    return (double)most + log(sum);
}

/// How many ways of infinite logits there are, which share the probability, so that no other token has any.
static uint32_t infinite(const float *logits, uint32_t vocabulary) {
    uint32_t n = 0;
    for (uint32_t t = 0; t < vocabulary; t++) n += logits[t] == INFINITY;
    return n;
}

static uint32_t ways_of(const float *logits, double sum, uint32_t vocabulary, uint32_t most,
                        struct weft_beam_way *top) {
    uint32_t n = largest(logits, vocabulary, most, top);
    if (!n) return 0;
    if (top[0].logit == INFINITY) {
        uint32_t all = infinite(logits, vocabulary);
        n = all < n ? all : n;
        for (uint32_t i = 0; i < n; i++) top[i].sum = sum - log(all);
        return n;
    }
    double total = log_total(logits, vocabulary, top[0].logit);
    for (uint32_t i = 0; i < n; i++) top[i].sum = sum + ((double)top[i].logit - total);
    return n;
}

// ---- all of them ---------------------------------------------------------------------------------------------------

uint32_t weft_beam_choose(const float *const *logits, const double *sums, uint32_t n, uint32_t vocabulary,
                          uint32_t most, struct weft_beam_way *ways) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct weft_beam_way top[WEFT_BEAMS];
        uint32_t found = ways_of(logits[i], sums[i], vocabulary, most, top);
        if (!found) return 0;
        for (uint32_t k = 0; k < found; k++) { // behind equal ones, which came first
            if (count == most && !(top[k].sum > ways[count - 1].sum)) break;
            uint32_t at = count < most ? count++ : count - 1;
            for (; at && top[k].sum > ways[at - 1].sum; at--) ways[at] = ways[at - 1];
            ways[at] = top[k];
            ways[at].beam = i;
        }
    }
    return count;
}

double weft_beam_score(double sum, uint32_t length, double penalty) { return length ? sum / pow(length, penalty) : 0; }

double weft_beam_bound(double sum, uint32_t length, uint32_t limit, double penalty) {
    return weft_beam_score(sum, penalty > 0 ? limit : length, penalty);
}
