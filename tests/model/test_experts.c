/// The block of experts by the host reference of its graph, against the formula; and what it says of files that lack
/// something.
#include "experts_rig.h"
#include <string.h>

static weft_status leaf(void *user, weft_value v, const struct weft_value_info *info, struct weft_host *t) {
    struct experts_rig *r = user;
    static double data[RIG_TOKENS * RIG_N];
    (void)v;
    if (info->kind == WEFT_VALUE_WEIGHT) return t->raw = rig_data(r, info->name), WEFT_OK;
    for (int i = 0; i < RIG_TOKENS * RIG_N; i++) data[i] = r->x[i];
    t->data = data;
    return WEFT_OK;
}

static double y[RIG_TOKENS * RIG_N];

static weft_status keep(void *user, weft_value v, const struct weft_value_info *info, const struct weft_host *t) {
    (void)user, (void)v;
    if (info->is_output) memcpy(y, t->data, sizeof y);
    return WEFT_OK;
}

static void it_computes_the_formula(void **state) {
    (void)state;
    static struct experts_rig r;
    for (int i = 0; i < RIG_WAYS; i++) {
        struct weft_graph *g;
        rig_open(&r, &rig_ways[i], RIG_TENSORS);
        if (rig_graph(&r, &g) != WEFT_OK) fail_msg("%s", weft_error_message());
        const int64_t symbols[WEFT_MAX_SYMBOLS] = {RIG_TOKENS};
        struct weft_eval_params params = {.leaf = leaf, .each = keep, .user = &r, .symbols = symbols};
        assert_int_equal(weft_graph_eval(g, &params), WEFT_OK);
        assert_int_equal(rig_differences(&r, 0, RIG_TOKENS, y, 1e-12), 0);
        // Negative control: by another number of experts it is something else.
        r.block.used = r.block.used == RIG_COUNT ? 1 : r.block.used + 1;
        assert_true(rig_differences(&r, 0, RIG_TOKENS, y, 1e-3) > RIG_TOKENS * RIG_N / 2);
        weft_graph_destroy(g);
        rig_close(&r);
    }
}

static void files_that_lack_something_are_refused(void **state) {
    (void)state;
    static struct experts_rig r;
    for (size_t i = 0; i < RIG_TENSORS; i++) {
        struct weft_graph *g;
        rig_open(&r, &rig_ways[1], i);
        assert_int_equal(rig_graph(&r, &g), WEFT_ERR_NOT_FOUND);
        assert_non_null(strstr(weft_error_message(), rig_tensors[i].name));
        weft_graph_destroy(g);
        rig_close(&r);
    }
    struct weft_block_experts wrong[] = {rig_ways[0], rig_ways[0], rig_ways[1]};
    wrong[0].count = 4;
    wrong[1].width = 8;
    wrong[2].shared = 4;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct weft_graph *g;
        rig_open(&r, &wrong[i], RIG_TENSORS);
        assert_int_equal(rig_graph(&r, &g), WEFT_ERR_FORMAT);
        assert_non_null(strstr(weft_error_message(), "the model's keys make it"));
        weft_graph_destroy(g);
        rig_close(&r);
    }
}

// ---- keys ----------------------------------------------------------------------------------------------------------

struct key {
    const char *name; ///< behind the architecture; NULL: none
    enum weft_source_type type;
    double x;
};

static struct key u32(const char *name, double x) { return (struct key){name, WEFT_SOURCE_U32, x}; }
static struct key f32(const char *name, double x) { return (struct key){name, WEFT_SOURCE_F32, x}; }
static struct key flag(const char *name, double x) { return (struct key){name, WEFT_SOURCE_BOOL, x}; }

static weft_status read_config(const char *arch, const struct key *keys, size_t n, struct weft_model_config *out) {
    static struct gguf_writer w;
    static const struct key common[] = {
        {"context_length", WEFT_SOURCE_U32, 16},      {"embedding_length", WEFT_SOURCE_U32, 8},
        {"block_count", WEFT_SOURCE_U32, 1},          {"feed_forward_length", WEFT_SOURCE_U32, 24},
        {"attention.head_count", WEFT_SOURCE_U32, 2}, {"attention.layer_norm_rms_epsilon", WEFT_SOURCE_F32, 1e-5}};
    enum { COMMON = sizeof common / sizeof *common };
    struct weft_source *file;
    gw_begin(&w, 3);
    gw_text(&w, "general.architecture", arch);
    for (size_t i = 0; i < COMMON + n; i++) {
        const struct key *k = i < COMMON ? &common[i] : &keys[i - COMMON];
        char name[80];
        snprintf(name, sizeof name, "%s.%s", arch, k->name);
        if (k->type == WEFT_SOURCE_F32) gw_f32(&w, name, (float)k->x);
        else gw_integer(&w, name, k->type, (uint64_t)k->x);
    }
    gw_tensor(&w, "token_embd.weight", 0, 2, (const uint64_t[]){8, 4}, 0);
    gw_end(&w, 32, 128);
    assert_int_equal(weft_gguf_open_memory(w.data, w.len, "keys", &file), WEFT_OK);
    weft_status status = weft_model_config_read(file, out);
    weft_source_close(file);
    return status;
}

static void keys_say_what_experts_there_are(void **state) {
    (void)state;
    const struct {
        const char *arch;
        struct key keys[5];
        uint32_t count, used, width, shared;
        bool sum_to_1;
        double scale;
        const char *refused; ///< words of the refusal
    } rows[] = {
        {.arch = "llama"},
        {.arch = "llama", .keys = {u32("expert_count", 0)}},
        {"llama", {u32("expert_count", 8), u32("expert_used_count", 2)}, 8, 2, 24, 0, true, 1, NULL},
        {"llama",
         {u32("expert_count", 8), u32("expert_used_count", 8), u32("expert_feed_forward_length", 5)},
         8,
         8,
         5,
         0,
         true,
         1,
         NULL},
        {"qwen3moe", {u32("expert_count", 9), u32("expert_used_count", 4)}, 9, 4, 6, 0, true, 1, NULL},
        {"qwen3moe",
         {u32("expert_count", 9), u32("expert_used_count", 4), u32("expert_feed_forward_length", 7),
          flag("expert_weights_norm", 0), f32("expert_weights_scale", 2.5)},
         9,
         4,
         7,
         0,
         false,
         2.5,
         NULL},
        {"qwen3moe",
         {u32("expert_count", 9), u32("expert_used_count", 4), u32("expert_gating_func", 1)},
         9,
         4,
         6,
         0,
         true,
         1,
         NULL},
        {"qwen2moe",
         {u32("expert_count", 9), u32("expert_used_count", 4), u32("expert_shared_feed_forward_length", 10)},
         9,
         4,
         6,
         10,
         false,
         1,
         NULL},
        {"qwen2moe",
         {u32("expert_count", 9), u32("expert_used_count", 4), flag("expert_weights_norm", 1)},
         9,
         4,
         6,
         24,
         true,
         1,
         NULL},
        // refused
        {.arch = "llama", .keys = {u32("expert_count", 8)}, .refused = "expert_used_count"},
        {.arch = "llama",
         .keys = {u32("expert_count", 8), u32("expert_used_count", 9)},
         .refused = "there are 8 experts"},
        {.arch = "llama",
         .keys = {u32("expert_count", 8), u32("expert_used_count", 0)},
         .refused = "expert_used_count"},
        {.arch = "llama", .keys = {u32("expert_shared_feed_forward_length", 8)}, .refused = "expert_shared"},
        {.arch = "qwen2moe", .refused = "expert_count"},
        {.arch = "qwen3moe", .keys = {u32("expert_count", 0)}, .refused = "expert_count"},
        {.arch = "qwen2", .keys = {u32("expert_count", 8)}, .refused = "expert_count"},
        {.arch = "qwen3moe",
         .keys = {u32("expert_count", 8), u32("expert_used_count", 2), u32("expert_gating_func", 2)},
         .refused = "expert_gating_func"},
        {.arch = "qwen3moe",
         .keys = {u32("expert_count", 8), u32("expert_used_count", 2), u32("expert_group_count", 4)},
         .refused = "expert_group_count"},
        {.arch = "qwen3moe",
         .keys = {u32("expert_count", 8), u32("expert_used_count", 2), f32("expert_weights_scale", -1)},
         .refused = "expert_weights_scale"},
        {.arch = "qwen3moe",
         .keys = {u32("expert_count", 8), u32("expert_used_count", 2), u32("leading_dense_block_count", 1)},
         .refused = "leading_dense_block_count"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static struct weft_model_config c;
        size_t n = 0;
        while (n < 5 && rows[i].keys[n].name) n++;
        weft_status status = read_config(rows[i].arch, rows[i].keys, n, &c);
        if (rows[i].refused) {
            if (status == WEFT_OK || !strstr(weft_error_message(), rows[i].refused))
                fail_msg("row %zu: %s", i, status == WEFT_OK ? "not refused" : weft_error_message());
            continue;
        }
        if (status != WEFT_OK) fail_msg("row %zu: %s", i, weft_error_message());
        assert_int_equal(c.experts.count, rows[i].count);
        assert_int_equal(c.experts.used, rows[i].used);
        assert_int_equal(c.experts.width, rows[i].width);
        assert_int_equal(c.experts.shared, rows[i].shared);
        assert_true(c.experts.sum_to_1 == rows[i].sum_to_1 && c.experts.scale == rows[i].scale);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_computes_the_formula),
        cmocka_unit_test(files_that_lack_something_are_refused),
        cmocka_unit_test(keys_say_what_experts_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
