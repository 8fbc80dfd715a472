/// Encoders as graphs, by the host reference: vectors of a tiny model beside another implementation's, texts side by
/// side, what stands behind their ends, and what files must have and may say.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/decoder.h"
#include "model/encoder.h"
#include "model/gguf.h"
#include "model/host.h"
#include "model/lm_graph.h"
#include "model/pooling.h"
#include "support/embed_cases.h"

#define BOUND 1e-4 // asked; the oracle's five digits give 5e-6

enum { CTX = 40, MOST_TEXTS = 16, SIZE = 36 };

static struct embed_cases cases;

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

// ---- evaluating ----------------------------------------------------------------------------------------------------

struct encoder {
    struct weft_source *file;
    struct weft_model_config config;
    struct weft_graph *graph;
    struct weft_encoder_handles at;
    int64_t symbols[WEFT_MAX_SYMBOLS];
    double ids[MOST_TEXTS * CTX], lengths[MOST_TEXTS], weights[MOST_TEXTS * CTX];
    double out[MOST_TEXTS * SIZE];
    struct weft_source_room rooms[512];
    const char *spoilt; ///< a tensor of which `spoil` is read instead
    double spoil[CTX * SIZE > 90 * SIZE ? CTX *SIZE : 90 * SIZE];
};

static void open_encoder(struct encoder *e, bool folder) {
    memset(e, 0, sizeof *e);
    must(weft_source_open(embed_path(folder), &e->file));
    must(weft_model_config_read(e->file, &e->config));
    struct weft_encoder_params p = {.ctx = CTX, .batch = MOST_TEXTS, .tokens = MOST_TEXTS * CTX};
    must(weft_encoder_build(e->file, &e->config, &p, &e->at, &e->graph));
    assert_int_equal(e->config.n_embd, SIZE);
}

static void close_encoder(struct encoder *e) {
    weft_graph_destroy(e->graph);
    weft_source_close(e->file);
    for (size_t i = 0; i < sizeof e->rooms / sizeof *e->rooms; i++) weft_free(e->rooms[i].data);
}

static weft_status leaf(void *user, weft_value v, const struct weft_value_info *info, struct weft_host *out) {
    struct encoder *e = user;
    double *const inputs[] = {[0] = e->ids, [1] = e->lengths, [2] = e->weights};
    *out = (struct weft_host){.dtype = info->type.dtype, .rank = info->type.rank};
    for (uint32_t i = 0; i < out->rank; i++)
        out->shape[i] = weft_dim_eval(e->graph->dims, info->type.dims[i], e->symbols);
    if (info->kind == WEFT_VALUE_INPUT) {
        out->data = inputs[!strcmp(info->name, "ids") ? 0 : !strcmp(info->name, "length") ? 1 : 2];
        return WEFT_OK;
    }
    if (e->spoilt && !strcmp(e->spoilt, info->name)) {
        out->data = e->spoil;
        return WEFT_OK;
    }
    const uint8_t *bytes;
    const struct weft_source_tensor *t = weft_source_find(e->file, info->name);
    assert_true(t && v < sizeof e->rooms / sizeof *e->rooms);
    WEFT_TRY(weft_source_bytes_of(e->file, t, &e->rooms[v], &bytes));
    out->raw = bytes;
    return WEFT_OK;
}

static weft_status take(void *user, weft_value v, const struct weft_value_info *info, const struct weft_host *t) {
    struct encoder *e = user;
    (void)v;
    if (info->is_output) memcpy(e->out, t->data, (size_t)weft_host_count(t) * sizeof *t->data);
    return WEFT_OK;
}

/// Texts `which` in rows of L tokens; behind ends stands `fill`.
static void run(struct encoder *e, const uint32_t *which, uint32_t n, uint32_t length, enum weft_pooling pooling,
                int32_t fill) {
    float weights[CTX];
    e->symbols[e->at.b] = n;
    e->symbols[e->at.l] = length;
    for (uint32_t b = 0; b < n; b++) {
        const struct embed_case *c = &cases.cases[which[b]];
        assert_true(c->n <= length);
        weft_pooling_weights(pooling, c->n, weights);
        e->lengths[b] = c->n;
        for (uint32_t i = 0; i < length; i++) {
            e->ids[b * length + i] = i < c->n ? c->ids[i] : fill;
            e->weights[b * length + i] = i < c->n ? (double)weights[i] : 0;
        }
    }
    must(weft_graph_eval(e->graph, &(struct weft_eval_params){e->symbols, leaf, take, e}));
}

/// How far row `row` of the results is from a case: its vector, once normed, and its length.
static double apart(const struct encoder *e, uint32_t row, uint32_t which) {
    const struct embed_case *c = &cases.cases[which];
    double sum = 0, most = 0;
    for (uint32_t i = 0; i < SIZE; i++) sum += e->out[row * SIZE + i] * e->out[row * SIZE + i];
    for (uint32_t i = 0; i < SIZE; i++) {
        double d = fabs(e->out[row * SIZE + i] / sqrt(sum) - c->vector[i]);
        if (!(d <= most)) most = d;
    }
    double d = fabs(sqrt(sum) / c->length - 1);
    return d <= most ? most : d;
}

// ---- what it computes ----------------------------------------------------------------------------------------------

static void vectors_are_the_oracles(void **state) {
    (void)state;
    struct encoder e;
    for (int folder = 0; folder < 2; folder++) {
        open_encoder(&e, folder);
        for (uint32_t i = 0; i < cases.n; i++) {
            run(&e, &i, 1, cases.cases[i].n, WEFT_POOLING_MEAN, 0);
            double d = apart(&e, 0, i);
            if (!(d <= BOUND)) fail_msg("text %u, folder %d: %g apart", i, folder, d);
            // Control: no other text has this vector.
            for (uint32_t k = 0; k < cases.n; k++)
                if (k != i && !(apart(&e, 0, k) > 10 * BOUND)) fail_msg("text %u passes for %u", i, k);
        }
        close_encoder(&e);
    }
}

static void pooling_takes_tokens(void **state) {
    (void)state;
    struct encoder e;
    open_encoder(&e, false);
    for (uint32_t i = 0; i < cases.n; i++) {
        run(&e, &i, 1, CTX, WEFT_POOLING_CLS, 7);
        assert_true(fabs(e.out[0] - cases.cases[i].cls) <= BOUND);
        run(&e, &i, 1, CTX, WEFT_POOLING_LAST, 7);
        assert_true(fabs(e.out[0] - cases.cases[i].last) <= BOUND);
    }
    close_encoder(&e);
}

/// Rows of a text's own length, filled up, and beside others give the same, whatever fills them up.
static void neighbours_change_nothing(void **state) {
    (void)state;
    struct encoder e;
    uint32_t all[MOST_TEXTS];
    open_encoder(&e, false);
    for (uint32_t i = 0; i < cases.n; i++) all[i] = i;
    for (int32_t fill = 0; fill < 40; fill += 13) {
        run(&e, all, cases.n, CTX, WEFT_POOLING_MEAN, fill);
        for (uint32_t i = 0; i < cases.n; i++)
            if (!(apart(&e, i, i) <= BOUND)) fail_msg("text %u in a row of %d: %g apart", i, CTX, apart(&e, i, i));
    }
    close_encoder(&e);
}

/// A tensor of a row that is NaN: only texts that have the row see it.
static void spoil(struct encoder *e, const char *name, uint32_t rows, uint32_t from) {
    const uint8_t *bytes;
    struct weft_source_room room = {0};
    const struct weft_source_tensor *t = weft_source_find(e->file, name);
    assert_true(t && t->size == (uint64_t)rows * SIZE * 4);
    must(weft_source_bytes_of(e->file, t, &room, &bytes));
    for (uint32_t i = 0; i < rows * SIZE; i++) {
        float x;
        memcpy(&x, bytes + i * 4, 4);
        e->spoil[i] = i / SIZE >= from ? (double)NAN : (double)x;
    }
    weft_free(room.data);
    e->spoilt = name;
}

static void nan_stays_in_its_text(void **state) {
    (void)state;
    struct encoder e;
    static const uint32_t some[] = {9, 2, 0, 1}; // 22, 9, 2 and 3 tokens
    open_encoder(&e, false);
    spoil(&e, "position_embd.weight", CTX, 9); // positions 9 and on
    run(&e, some, 4, 24, WEFT_POOLING_MEAN, 5);
    assert_true(isnan(e.out[0]) && isnan(e.out[SIZE - 1]));
    for (uint32_t i = 1; i < 4; i++) assert_true(apart(&e, i, some[i]) <= BOUND);
    uint32_t vocab = e.config.n_vocab;
    spoil(&e, "token_embd.weight", vocab, vocab - 1); // what fills up
    run(&e, some, 4, 24, WEFT_POOLING_MEAN, (int32_t)vocab - 1);
    for (uint32_t i = 0; i < 4; i++) assert_true(apart(&e, i, some[i]) <= BOUND);
    close_encoder(&e);
}

static void weights_of_pooling(void **state) {
    (void)state;
    float w[4];
    weft_pooling_weights(WEFT_POOLING_MEAN, 4, w);
    for (int i = 0; i < 4; i++) assert_true(w[i] == 0.25f);
    weft_pooling_weights(WEFT_POOLING_CLS, 3, w);
    assert_true(w[0] == 1 && w[1] == 0 && w[2] == 0);
    weft_pooling_weights(WEFT_POOLING_LAST, 3, w);
    assert_true(w[0] == 0 && w[1] == 0 && w[2] == 1);
    for (int p = WEFT_POOLING_MEAN; p <= WEFT_POOLING_LAST; p++) {
        weft_pooling_weights((enum weft_pooling)p, 1, w);
        assert_true(w[0] == 1);
    }
}

// ---- files ---------------------------------------------------------------------------------------------------------

struct damaged {
    char *data;
    size_t size;
};

static struct damaged read_model(void) {
    struct damaged d;
    must(weft_file_read(embed_path(false), 16 << 20, &d.data, &d.size));
    return d;
}

static char *find(struct damaged *d, const char *what) {
    char *at = memmem(d->data, d->size, what, strlen(what));
    if (!at) fail_msg("no %s in the file", what);
    return at;
}

static weft_status build(struct damaged *d, struct weft_encoder_params p) {
    static struct weft_model_config config;
    struct weft_pooling_config pooling;
    struct weft_graph *g = NULL;
    struct weft_source *file;
    weft_error_clear();
    must(weft_gguf_open_memory(d->data, d->size, "damaged", &file));
    weft_status status = weft_model_config_read(file, &config);
    if (status == WEFT_OK) status = weft_pooling_read(file, &config, &pooling);
    if (status == WEFT_OK) status = weft_encoder_build(file, &config, &p, NULL, &g);
    assert_true((status == WEFT_OK) == (g != NULL));
    weft_graph_destroy(g);
    weft_source_close(file);
    return status;
}

static const struct weft_encoder_params usual = {.ctx = CTX, .batch = 4, .tokens = 2 * CTX};

/// Each tensor under another name: what is missing is named.
static void missing_tensors_are_named(void **state) {
    (void)state;
    struct damaged d = read_model();
    struct weft_source *file;
    must(weft_source_open(embed_path(false), &file));
    for (size_t i = 0; i < weft_source_tensor_count(file); i++) {
        const char *name = weft_source_tensor_at(file, i)->name;
        char *at = find(&d, name) + strlen(name) - 1; // of "weight" and "bias"
        *at ^= 1;
        weft_status status = build(&d, usual);
        if (status != WEFT_ERR_NOT_FOUND || !strstr(weft_error_message(), name))
            fail_msg("without %s: %s, %s", name, weft_status_name(status), weft_error_message());
        *at ^= 1;
    }
    assert_int_equal(weft_source_tensor_count(file), 5 + 16 * 3);
    must(build(&d, usual));
    weft_source_close(file);
    weft_free(d.data);
}

/// Sets the four bytes, or the one of a bool, behind a key's name and type.
static void set(struct damaged *d, const char *key, uint32_t value, size_t bytes) {
    memcpy(find(d, key) + strlen(key) + 4, &value, bytes);
}

static void keys_are_checked(void **state) {
    (void)state;
    static const struct {
        const char *key;
        uint32_t value, before;
        size_t bytes;
        weft_status status;
        const char *says;
    } rows[] = {
        {"bert.attention.causal", 1, 0, 1, WEFT_ERR_UNSUPPORTED, "takes 0 only"},
        {"bert.pooling_type", 4, 1, 4, WEFT_ERR_UNSUPPORTED, "ranks"},
        {"bert.pooling_type", 5, 1, 4, WEFT_ERR_FORMAT, "bert.pooling_type is 5"},
        {"bert.pooling_type", UINT32_MAX, 1, 4, WEFT_ERR_FORMAT, "0 to 4"},
        {"bert.attention.head_count", 0, 3, 4, WEFT_ERR_FORMAT, "head_count"},
        {"bert.attention.head_count", 5, 3, 4, WEFT_ERR_FORMAT, "attn_q"},
        {"bert.context_length", 41, 40, 4, WEFT_ERR_FORMAT, "position_embd.weight"},
        {"bert.embedding_length", 35, 36, 4, WEFT_ERR_FORMAT, "token_embd.weight"},
        {"bert.feed_forward_length", 51, 52, 4, WEFT_ERR_FORMAT, "ffn_up.weight"},
        {"bert.block_count", 2, 3, 4, WEFT_ERR_UNSUPPORTED, "blk.2."},
        {"bert.block_count", 4, 3, 4, WEFT_ERR_NOT_FOUND, "blk.3."},
        {"bert.attention.layer_norm_epsilon", 0x7fc00000, 0x2b8cbccc, 4, WEFT_ERR_FORMAT, "layer_norm_epsilon"},
    };
    struct damaged d = read_model();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        set(&d, rows[i].key, rows[i].value, rows[i].bytes);
        weft_status status = build(&d, usual);
        if (status != rows[i].status || !strstr(weft_error_message(), rows[i].says))
            fail_msg("%s of %u: %s, %s", rows[i].key, rows[i].value, weft_status_name(status), weft_error_message());
        set(&d, rows[i].key, rows[i].before, rows[i].bytes);
    }
    must(build(&d, usual));
    weft_free(d.data);
}

static void params_are_checked(void **state) {
    (void)state;
    struct damaged d = read_model();
    static const struct weft_encoder_params wrong[] = {
        {.ctx = 0, .batch = 1, .tokens = 40},
        {.ctx = CTX + 1, .batch = 1, .tokens = 80},
        {.ctx = CTX, .batch = 0, .tokens = 40},
        {.ctx = CTX, .batch = 1, .tokens = 39},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(build(&d, wrong[i]), WEFT_ERR_INVALID);
        assert_true(*weft_error_message());
    }
    must(build(&d, (struct weft_encoder_params){.ctx = 1, .batch = 1, .tokens = 1}));
    weft_free(d.data);
}

/// Each kind of family is refused where the other is wanted.
static void kinds_are_told_apart(void **state) {
    (void)state;
    static struct weft_model_config config;
    struct weft_graph *g;
    struct weft_source *file;
    char path[512];
    must(weft_source_open(embed_path(false), &file));
    must(weft_model_config_read(file, &config));
    assert_int_equal(weft_lm_check_family(file), WEFT_ERR_UNSUPPORTED);
    assert_non_null(strstr(weft_error_message(), "weft embed"));
    assert_int_equal(weft_decoder_build(file, &config, &(struct weft_decoder_params){.ctx = 8, .chunk = 8}, &g),
                     WEFT_ERR_UNSUPPORTED);
    weft_source_close(file);
    snprintf(path, sizeof path, "%.*s/qwen2.gguf", (int)(strrchr(embed_path(false), '/') - embed_path(false)),
             embed_path(false));
    must(weft_source_open(path, &file));
    must(weft_model_config_read(file, &config));
    assert_int_equal(weft_encoder_build(file, &config, &usual, NULL, &g), WEFT_ERR_UNSUPPORTED);
    assert_null(g);
    weft_source_close(file);
}

static int setup(void **state) {
    (void)state;
    cases = embed_cases_read("bert");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    embed_cases_free(&cases);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_the_oracles),   cmocka_unit_test(pooling_takes_tokens),
        cmocka_unit_test(neighbours_change_nothing), cmocka_unit_test(nan_stays_in_its_text),
        cmocka_unit_test(weights_of_pooling),        cmocka_unit_test(missing_tensors_are_named),
        cmocka_unit_test(keys_are_checked),          cmocka_unit_test(params_are_checked),
        cmocka_unit_test(kinds_are_told_apart),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
