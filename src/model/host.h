/// The host reference of a language model: the same graph as the device runs, evaluated in double, one operator after
/// the other. Slow and plain; what the device is compared with.
///
/// Thread-safety: one thread at a time.
#ifndef WEFT_MODEL_HOST_H
#define WEFT_MODEL_HOST_H
#include "model/source.h"

struct weft_host_lm;

struct weft_host_lm_params {
    uint32_t ctx;   ///< most positions; 0: the model's
    uint32_t chunk; ///< most tokens a call; 0: 128
    bool cache_f16; ///< keys and values are rounded to f16 as they are stored
    uint32_t slots; ///< sequences, for weft_host_lm_feed_slots; 0: one, for weft_host_lm_feed
};

/// `file` must stay open. Errors: as weft_decoder_build.
weft_status weft_host_lm_create(const struct weft_source *file, const struct weft_host_lm_params *params,
                                struct weft_host_lm **out);
void weft_host_lm_destroy(struct weft_host_lm *lm); ///< NULL is fine

uint32_t weft_host_lm_vocab(const struct weft_host_lm *lm);
uint32_t weft_host_lm_position(const struct weft_host_lm *lm); ///< tokens fed since the start
/// Back to an empty cache.
void weft_host_lm_reset(struct weft_host_lm *lm);

/// Feeds n tokens (1 to chunk) behind those fed before and writes the logits of the last `rows` of them (0 to n) to
/// logits[rows][vocab]. Errors: LIMIT (more than chunk, or beyond the context; nothing is done), INVALID (an id out of
/// range), NOMEM.
weft_status weft_host_lm_feed(struct weft_host_lm *lm, const int32_t *ids, uint32_t n, uint32_t rows, double *logits);

/// Feeds counts[slot] tokens to each slot, those of slot 0 first, in one run, and writes the logits of all of them to
/// logits[sum of counts][vocab]. Errors: as weft_host_lm_feed.
weft_status weft_host_lm_feed_slots(struct weft_host_lm *lm, const uint32_t *counts, const int32_t *ids,
                                    double *logits);
/// Takes a slot back to an earlier position. The caller knows that its rings still hold what is looked back for.
void weft_host_lm_rewind_slot(struct weft_host_lm *lm, uint32_t slot, uint32_t position);
#endif
