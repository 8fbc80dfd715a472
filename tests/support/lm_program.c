#include "model/gguf.h"
#include "support/lm_program.h"

#include "core/alloc.h"
#include "core/error.h"
#include "exec/session_test.h"
#include "model/lm_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        if ((call) != WEFT_OK) fail_msg("%s", weft_error_message());                                                   \
    } while (0)

// ---- models --------------------------------------------------------------------------------------------------------

void weft_test_model_make(struct weft_test_model *m, const struct weft_tiny_gemma3 *tiny) {
    m->data = weft_tiny_gemma3_make(tiny, &m->size);
    assert_non_null(m->data);
    TRY(weft_gguf_open_memory(m->data, m->size, "tiny", &m->file));
    TRY(weft_model_config_read(m->file, &m->config));
}

void weft_test_model_open(struct weft_test_model *m, const char *name) {
    const char *build = getenv("WEFT_TEST_BUILD");
    char path[512];
    snprintf(path, sizeof path, "%s/%s", build ? build : ".", name);
    *m = (struct weft_test_model){0};
    TRY(weft_gguf_open(path, &m->file));
    TRY(weft_model_config_read(m->file, &m->config));
}

void weft_test_model_free(struct weft_test_model *m) {
    weft_source_close(m->file);
    weft_free(m->data);
    *m = (struct weft_test_model){0};
}

float *weft_test_model_floats(struct weft_test_model *m, const char *name, uint64_t *n) {
    const struct weft_source_tensor *t = weft_source_find(m->file, name);
    assert_true(t && t->type == WEFT_GGML_F32 && m->data);
    *n = t->size / sizeof(float);
    return (float *)((uint8_t *)m->data + (t->data - (const uint8_t *)m->data));
}

// ---- programs ------------------------------------------------------------------------------------------------------

static weft_status weight(void *user, const char *name, const void **data, uint64_t *bytes) {
    const struct weft_test_model *m = user;
    const struct weft_source_tensor *t = weft_source_find(m->file, name);
    if (!t) return weft_fail(WEFT_ERR_NOT_FOUND, "no tensor '%s'", name);
    *data = t->data;
    *bytes = t->size;
    return WEFT_OK;
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static void add_outputs(struct weft_graph *g, const struct weft_test_build *build) {
    enum { LOGITS = 6 }; // input of the sampler
    for (size_t i = 0, n = g->n_nodes; i < n; i++) {
        const struct weft_node *node = &g->nodes[i];
        if (build->logits && strcmp(node->op->name, "sample") == 0)
            TRY(weft_graph_output(g, node->in[LOGITS], "logits"));
        if (build->residuals && node->name && ends_with(node->name, "_residual"))
            TRY(weft_graph_output(g, node->out[0], node->name));
    }
}

weft_program *weft_test_program(weft_gpu *gpu, struct weft_test_model *m, const struct weft_test_build *build) {
    struct weft_graph *g;
    weft_program *program;
    TRY(weft_decoder_build(m->file, &m->config, &build->gemma, &g));
    add_outputs(g, build);
    struct weft_program_params params = {.compile = weft_lm_compile_params(weft_gpu_caps(gpu), build->gemma.chunk),
                                         .source = {.get = weight, .user = m}};
    params.compile.no_fuse = build->no_fuse;
    params.compile.checked = build->checked;
    params.compile.state_policy = build->policy;
    params.compile.numbers = build->numbers;
    params.compile.page_rows = build->page_rows;
    TRY(weft_program_create(gpu, g, &params, &program));
    return program;
}

weft_session *weft_test_session(weft_program *program, bool checker, uint32_t max_runs) {
    weft_session *s;
    TRY(weft_session_create(program, &(struct weft_session_params){.checker = checker, .max_runs = max_runs}, &s));
    return s;
}

weft_status weft_test_sizes(weft_session *s, int64_t t, int64_t r, int64_t p) {
    const struct weft_dims *dims = weft_program_plan(weft_session_program(s))->graph->dims;
    const struct {
        const char *name;
        int64_t value;
    } sizes[] = {{"T", t}, {"R", r}, {"P", p}};
    int64_t symbols[WEFT_MAX_SYMBOLS] = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int at = weft_dims_symbol_find(dims, sizes[i].name);
        if (at >= 0) symbols[at] = sizes[i].value;
    }
    return weft_session_resize(s, symbols);
}

void weft_test_sampling(weft_session *s, const uint32_t words[16], int32_t stop, uint32_t n_max, uint32_t pos_max) {
    uint32_t stops[WEFT_LM_STOPS] = {stop >= 0, (uint32_t)stop};
    TRY(weft_session_write(s, "sampling", 0, words, 16 * sizeof *words));
    TRY(weft_session_write(s, "stops", 0, stops, sizeof stops));
    TRY(weft_session_set_var(s, "n_max", n_max));
    TRY(weft_session_set_var(s, "pos_max", pos_max));
}

// ---- images --------------------------------------------------------------------------------------------------------

enum { VARS = 256 };

static uint64_t io_bytes(const struct weft_plan *plan, const struct weft_plan_io *io) {
    const struct weft_type *t = &plan->graph->values[io->value].type;
    uint64_t bytes = 4;
    for (uint32_t a = 0; a < t->rank; a++) {
        int64_t lo, hi;
        weft_dim_bounds(plan->graph->dims, t->dims[a], &lo, &hi);
        bytes *= (uint64_t)hi;
    }
    return bytes;
}

/// Part i of an image: its name and size; false behind the last.
static bool part(const struct weft_plan *plan, uint32_t i, bool outputs, const char **name, uint64_t *bytes) {
    if (i == 0) {
        *name = "the variables";
        *bytes = VARS;
        return true;
    }
    if (--i < plan->n_states) {
        *name = plan->states[i].name;
        *bytes = plan->states[i].kind == WEFT_STATE_VAR ? 0 : weft_plan_state_live_bytes(&plan->states[i]);
        return true;
    }
    i -= plan->n_states;
    if (!outputs || i >= plan->n_ios) return false;
    *name = plan->ios[i].name;
    *bytes = plan->ios[i].is_output ? io_bytes(plan, &plan->ios[i]) : 0;
    return true;
}

/// Outputs are read past the session, which gives their live part only: what lies behind it must not change either.
static weft_status read_part(weft_session *s, uint32_t i, const char *name, void *data, uint64_t bytes) {
    const struct weft_plan *plan = weft_program_plan(weft_session_program(s));
    if (i == 0) return weft_session_vars_read(s, 0, data, bytes);
    if (i < 1 + plan->n_states) return weft_session_read(s, name, 0, data, bytes);
    weft_buf buf = weft_session_view(s).ios[i - 1 - plan->n_states];
    return weft_buf_read(weft_program_gpu(weft_session_program(s)), buf, 0, data, bytes);
}

struct weft_test_image weft_test_image(weft_session *s, bool outputs) {
    const struct weft_plan *plan = weft_program_plan(weft_session_program(s));
    struct weft_test_image image = {0};
    const char *name;
    uint64_t bytes, at = 0;
    for (uint32_t i = 0; part(plan, i, outputs, &name, &bytes); i++) image.n += bytes;
    image.bytes = weft_alloc(image.n);
    assert_non_null(image.bytes);
    for (uint32_t i = 0; part(plan, i, outputs, &name, &bytes); i++, at += bytes)
        if (bytes) TRY(read_part(s, i, name, image.bytes + at, bytes));
    return image;
}

const char *weft_test_image_differs(const weft_session *s, const struct weft_test_image *a,
                                    const struct weft_test_image *b) {
    const struct weft_plan *plan = weft_program_plan(weft_session_program(s));
    const char *name;
    uint64_t bytes, at = 0;
    assert_int_equal(a->n, b->n);
    if (memcmp(a->bytes, b->bytes, a->n) == 0) return NULL;
    for (uint32_t i = 0; part(plan, i, true, &name, &bytes) && at < a->n; i++, at += bytes)
        if (memcmp(a->bytes + at, b->bytes + at, bytes) != 0) return name;
    return "?";
}

const char *weft_test_differ(weft_session *a, weft_session *b, bool outputs) {
    struct weft_test_image x = weft_test_image(a, outputs), y = weft_test_image(b, outputs);
    const char *name = weft_test_image_differs(a, &x, &y);
    weft_free(x.bytes);
    weft_free(y.bytes);
    return name;
}

// ---- odds and ends -------------------------------------------------------------------------------------------------

uint32_t weft_test_random(uint64_t *seed, uint32_t n) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % n;
}
