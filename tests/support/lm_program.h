/// Programs of tiny (or real) Gemma 3 files for tests below engine/lm.h: sessions are run by hand, and everything that
/// a session remembers is compared by bits. Failures of Weft calls fail the test.
#ifndef WEFT_TEST_LM_PROGRAM_H
#define WEFT_TEST_LM_PROGRAM_H
#include "exec/session.h"
#include "model/decoder.h"
#include "support/graph_run.h"
#include "support/tiny_gemma3.h"

struct weft_test_model {
    void *data; ///< the whole file; NULL if it was opened by path
    size_t size;
    struct weft_source *file;
    struct weft_model_config config;
};
void weft_test_model_make(struct weft_test_model *m, const struct weft_tiny_gemma3 *tiny);
/// A file of the build folder, such as "models/hybrid.gguf".
void weft_test_model_open(struct weft_test_model *m, const char *name);
void weft_test_model_free(struct weft_test_model *m);
/// An F32 tensor of the file, to be changed in place (files made in memory only).
float *weft_test_model_floats(struct weft_test_model *m, const char *name, uint64_t *n);

struct weft_test_build {
    struct weft_decoder_params gemma;
    int no_fuse;
    enum weft_state_policy policy; ///< of states that can have it
    enum weft_numbers numbers;
    uint32_t page_rows; ///< 0: chosen
    bool logits;        ///< GENERATE: the logits are an output too
    bool checked;       ///< checked accessors
    bool residuals;     ///< the residual behind each branch of each layer is an output of its name
};
weft_program *weft_test_program(weft_gpu *gpu, struct weft_test_model *m, const struct weft_test_build *build);
weft_session *weft_test_session(weft_program *program, bool checker, uint32_t max_runs);

/// Live sizes by name, whatever the order of the symbols. A status, since tests also ask for what must be refused.
weft_status weft_test_sizes(weft_session *s, int64_t t, int64_t r, int64_t p);
/// What the sampler reads: settings, stop ids (stop < 0: none), and limits.
void weft_test_sampling(weft_session *s, const uint32_t words[16], int32_t stop, uint32_t n_max, uint32_t pos_max);

/// Every byte of every state and of the variables; with `outputs`, of every output too.
struct weft_test_image {
    uint8_t *bytes; ///< weft_free
    uint64_t n;
};
struct weft_test_image weft_test_image(weft_session *s, bool outputs);
/// Name of the first state or output that differs; NULL if all bits are equal.
const char *weft_test_image_differs(const weft_session *s, const struct weft_test_image *a,
                                    const struct weft_test_image *b);
/// Takes the images of both, compares, frees them.
const char *weft_test_differ(weft_session *a, weft_session *b, bool outputs);

/// The next number of a fixed sequence, below n.
uint32_t weft_test_random(uint64_t *seed, uint32_t n);
#endif
