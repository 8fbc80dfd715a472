/// Golden plans: what the compiler makes of the graphs in tests/golden is what the files beside them say. A change that
/// should change no plan shows here that it changes none, and one that should shows what it changed.
///
/// tests/golden/NAME.weft is a graph with lines "# golden: DEVICE [KEY=VALUE ...]", one for each way to compile it;
/// models that a builder makes are in the table below. tests/golden/NAME.plan has the plans one behind the other.
///     make golden              shows every difference
///     make golden REWRITE=1    writes the files anew; what then differs from the last commit is for the reviewer
/// Every WGSL text lies in build/golden as HASH.wgsl, also those of earlier runs: two hashes of a difference are two
/// files to compare.
#include "core/file.h"
#include "model/encoder.h"
#include "model/lm_graph.h"
#include "plan_fixture.h"
#include "support/lm_program.h"
#include "support/plan_dump.h"

#include <glob.h>
#include <stdlib.h>
#include <unistd.h>

enum { SHOWN = 60, MOST_GRAPHS = 256 };
static const char rewrite[] = "make golden REWRITE=1";

// ---- devices and ways to compile -----------------------------------------------------------------------------------

/// "gpu": a discrete GPU in Tint's dialect. "cpu": Mesa's CPU driver, in naga's. "min": the guaranteed limits.
static bool device_caps(const char *name, struct weft_gpu_caps *caps) {
    *caps = fixture_caps();
    caps->kind = WEFT_GPU_DISCRETE;
    if (strcmp(name, "gpu") == 0) return true;
    if (strcmp(name, "min") == 0) {
        weft_gpu_caps_min(caps);
        return true;
    }
    caps->kind = WEFT_GPU_CPU;
    caps->subgroup_min = caps->subgroup_max = 8;
    caps->wgsl_enable_subgroups = false;
    caps->wgsl_naga = true;
    caps->max_binding = (uint64_t)128 << 20;
    return strcmp(name, "cpu") == 0;
}

struct way {
    char device[16], symbol[32];
    struct weft_gpu_caps caps;
    struct weft_compile_params params;
};

/// Reads "DEVICE KEY=VALUE ..."; keys are split (SYMBOL:AT,AT), no_fuse, page_rows, policy, checked, invariant.
static void read_way(const char *origin, const char *text, size_t len, struct way *w) {
    char line[256], *rest, *word;
    *w = (struct way){.params = {0}};
    if (len >= sizeof line) fail_msg("%s: '%.*s' is too long", origin, (int)len, text);
    memcpy(line, text, len);
    line[len] = 0;
    for (word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '=');
        if (!value) {
            snprintf(w->device, sizeof w->device, "%s", word);
            if (!device_caps(word, &w->caps)) fail_msg("%s: no device '%s'; known are gpu, cpu, min", origin, word);
            continue;
        }
        *value++ = 0;
        if (strcmp(word, "no_fuse") == 0) w->params.no_fuse = atoi(value);
        else if (strcmp(word, "page_rows") == 0) w->params.page_rows = (uint32_t)atoi(value);
        else if (strcmp(word, "checked") == 0) w->params.checked = atoi(value) != 0;
        else if (strcmp(word, "invariant") == 0)
            w->params.numbers = atoi(value) ? WEFT_NUMBERS_INVARIANT : WEFT_NUMBERS_F32;
        else if (strcmp(word, "policy") == 0) {
            int p = WEFT_STATE_IN_PLACE;
            while (p < WEFT_STATE_SEPARATE && strcmp(weft_state_policy_name((enum weft_state_policy)p), value) != 0)
                p++;
            w->params.state_policy = (enum weft_state_policy)p;
        } else if (strcmp(word, "split") == 0) {
            size_t n = strcspn(value, ":");
            snprintf(w->symbol, sizeof w->symbol, "%.*s", (int)n, value);
            w->params.split_symbol = w->symbol;
            for (char *p = value + n; *p && w->params.n_splits < 8;)
                w->params.split_at[w->params.n_splits++] = strtol(p + 1, &p, 10);
        } else fail_msg("%s: no key '%s' in a golden line", origin, word);
    }
    if (!*w->device) fail_msg("%s: a golden line names no device", origin);
}

// ---- the texts of kernels ------------------------------------------------------------------------------------------

static const char *folder(const char *variable, const char *usual) {
    const char *value = getenv(variable);
    return value && *value ? value : usual;
}

/// Texts are named by what they hold, so one that is there needs no second writing.
static void keep_texts(const struct weft_plan *plan) {
    char path[1024], hash[WEFT_DUMP_HASH + 1];
    snprintf(path, sizeof path, "%s/golden", folder("WEFT_TEST_BUILD", "build"));
    if (weft_dir_make(path) != WEFT_OK) fail_msg("%s", weft_error_message());
    for (uint32_t k = 0; k < plan->n_schedules; k++)
        for (uint32_t i = 0; i < plan->schedules[k].n_steps; i++) {
            const char *wgsl = plan->schedules[k].steps[i].bound.wgsl;
            assert_true(weft_test_text_hash(wgsl, hash));
            snprintf(path, sizeof path, "%s/golden/%s.wgsl", folder("WEFT_TEST_BUILD", "build"), hash);
            if (access(path, F_OK) == 0) continue;
            if (weft_file_write(path, wgsl, strlen(wgsl)) != WEFT_OK) fail_msg("%s", weft_error_message());
        }
}

// ---- plans ---------------------------------------------------------------------------------------------------------

static void add_plan(const char *line, size_t len, struct weft_graph *g, const struct way *w, struct weft_str *out) {
    struct weft_plan *plan = NULL;
    weft_str_addf(out, "==== %.*s\n", (int)len, line);
    if (weft_compile(g, &w->caps, &w->params, &plan) != WEFT_OK) {
        weft_str_addf(out, "refused: %s\n", weft_error_message());
        return;
    }
    weft_test_plan_dump(plan, out);
    keep_texts(plan);
    weft_plan_destroy(plan);
}

/// All plans of a graph in text, in the order of its golden lines.
static void text_plans(const char *origin, const char *text, struct weft_str *out) {
    static const char mark[] = "# golden: ";
    uint32_t n = 0;
    for (const char *at = text; (at = strstr(at, mark)); n++) {
        struct way w;
        at += sizeof mark - 1;
        size_t len = strcspn(at, "\n");
        struct weft_graph *g = NULL;
        read_way(origin, at, len, &w);
        if (weft_graph_parse(weft_ops(), text, strlen(text), &g) != WEFT_OK)
            fail_msg("%s: %s", origin, weft_error_message());
        add_plan(at, len, g, &w, out);
    }
    if (n == 0) fail_msg("%s has no line '%sDEVICE'", origin, mark);
}

// ---- models --------------------------------------------------------------------------------------------------------

enum { MODEL_CTX = 96, MODEL_CHUNK = 32 };
struct model {
    const char *name;
    const char *file; ///< of the build folder; NULL: a tiny Gemma 3
    struct weft_tiny_gemma3 tiny;
    enum weft_lm_head head;
    bool sampling, cache_f16;
    bool encoder;        ///< it has neither head nor chunks
    const char *ways[4]; ///< without a split: models have their own
};
static const struct model models[] = {
    {.name = "model-gemma3",
     .tiny = {.seed = 1, .n_layer = 2, .period = 2, .ctx = MODEL_CTX},
     .head = WEFT_LM_GENERATE,
     .cache_f16 = true,
     .ways = {"gpu", "cpu", "min"}},
    {.name = "model-gemma3-sampling",
     .head = WEFT_LM_GENERATE,
     .sampling = true,
     .ways = {"gpu", "min"},
     .tiny = {.seed = 2, .n_layer = 1, .ctx = MODEL_CTX, .softcap = 30, .separate_head = true, .rope_factor = 8}},
    {.name = "model-gemma3-score",
     .head = WEFT_LM_NLL,
     .ways = {"gpu", "gpu no_fuse=1"},
     .tiny = {.seed = 3, .n_layer = 1, .ctx = MODEL_CTX, .k_types = true}},
    {.name = "model-phi3", .file = "models/phi3-lists.gguf", .head = WEFT_LM_LOGITS, .ways = {"gpu"}},
    {.name = "model-gpt2", .file = "models/gpt2.gguf", .head = WEFT_LM_LOGITS, .ways = {"gpu"}},
    {.name = "model-bert", .file = "models/bert.gguf", .encoder = true, .ways = {"gpu", "cpu"}},
    {.name = "model-hybrid", .file = "models/hybrid-golden.gguf", .head = WEFT_LM_LOGITS, .ways = {"gpu", "cpu"}},
};

static weft_status build_encoder(const struct weft_test_model *m, struct weft_graph **out) {
    struct weft_encoder_params params = {.ctx = m->config.ctx_train, .batch = 8, .tokens = MODEL_CTX};
    return weft_encoder_build(m->file, &m->config, &params, NULL, out);
}

static void model_plans(const struct model *row, struct weft_str *out) {
    struct weft_test_model m = {0};
    if (row->file) weft_test_model_open(&m, row->file);
    else weft_test_model_make(&m, &row->tiny);
    for (size_t i = 0; i < sizeof row->ways / sizeof *row->ways && row->ways[i]; i++) {
        struct weft_decoder_params params = {.ctx = MODEL_CTX,
                                             .chunk = MODEL_CHUNK,
                                             .cache_f16 = row->cache_f16,
                                             .head = row->head,
                                             .sampling = row->sampling};
        struct weft_graph *g = NULL;
        struct way w;
        read_way(row->name, row->ways[i], strlen(row->ways[i]), &w);
        int no_fuse = w.params.no_fuse;
        if (!row->encoder) w.params = weft_lm_compile_params(&w.caps, MODEL_CHUNK);
        w.params.no_fuse = no_fuse;
        weft_status status = row->encoder ? build_encoder(&m, &g) : weft_decoder_build(m.file, &m.config, &params, &g);
        if (status != WEFT_OK) fail_msg("%s: %s", row->name, weft_error_message());
        add_plan(row->ways[i], strlen(row->ways[i]), g, &w, out);
    }
    weft_test_model_free(&m);
}

// ---- comparing -----------------------------------------------------------------------------------------------------

/// Lines of `path` that are not those of `is`; all of them are written to `told` up to `most`. A missing file differs.
static size_t compare(const char *path, const char *is, size_t most, struct weft_str *told) {
    struct weft_str lines = {0};
    char *was = NULL;
    size_t size, n;
    if (weft_file_read(path, 0, &was, &size) != WEFT_OK) weft_str_addf(told, "%s is missing\n", path);
    n = weft_test_text_diff(was ? was : "", is, was ? most : 0, &lines);
    if (n) weft_str_addf(told, "%s: %zu lines differ (- the file, + this build)\n%s", path, n, weft_str_get(&lines));
    weft_str_free(&lines);
    weft_free(was);
    return n;
}

/// WEFT_GOLDEN: "rewrite" writes the file, "all" shows every line, else the first ones are shown.
static size_t settle(const char *path, const char *is) {
    const char *mode = folder("WEFT_GOLDEN", "");
    struct weft_str told = {0};
    size_t n = compare(path, is, strcmp(mode, "all") == 0 ? SIZE_MAX : SHOWN, &told);
    if (n && strcmp(mode, "rewrite") == 0) {
        if (weft_file_write(path, is, strlen(is)) != WEFT_OK) fail_msg("%s", weft_error_message());
        print_message("%s: rewritten, %zu lines differ\n", path, n);
        n = 0;
    } else if (n) fputs(weft_str_get(&told), stdout); // print_message cuts what is long
    weft_str_free(&told);
    return n;
}

struct seen {
    char paths[MOST_GRAPHS][512];
    size_t n;
};

static size_t one_more(struct seen *seen, const char *name, size_t len, const struct weft_str *plans) {
    assert_false(plans->failed);
    assert_true(seen->n < MOST_GRAPHS);
    char *path = seen->paths[seen->n++];
    snprintf(path, sizeof seen->paths[0], "%s/tests/golden/%.*s.plan", folder("WEFT_TEST_SOURCE", "."), (int)len, name);
    return settle(path, weft_str_get(plans)) != 0;
}

/// Plans whose graph is gone.
static size_t stale(const struct seen *seen, const char *pattern) {
    glob_t found;
    size_t n = 0;
    if (glob(pattern, 0, NULL, &found) != 0) return 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        size_t k = 0;
        while (k < seen->n && strcmp(seen->paths[k], found.gl_pathv[i]) != 0) k++;
        if (k < seen->n) continue;
        print_message("%s belongs to no graph; remove it\n", found.gl_pathv[i]);
        n++;
    }
    globfree(&found);
    return n;
}

static void plans_are_as_committed(void **state) {
    (void)state;
    static struct seen seen;
    char pattern[512];
    glob_t found;
    size_t differ = 0;
    snprintf(pattern, sizeof pattern, "%s/tests/golden/*.weft", folder("WEFT_TEST_SOURCE", "."));
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *path = found.gl_pathv[i], *name = strrchr(path, '/') + 1;
        struct weft_str plans = {0};
        char *text;
        size_t size;
        if (weft_file_read(path, 0, &text, &size) != WEFT_OK) fail_msg("%s", weft_error_message());
        text_plans(name, text, &plans);
        differ += one_more(&seen, name, strlen(name) - strlen(".weft"), &plans);
        weft_free(text);
        weft_str_free(&plans);
    }
    globfree(&found);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct weft_str plans = {0};
        model_plans(&models[i], &plans);
        differ += one_more(&seen, models[i].name, strlen(models[i].name), &plans);
        weft_str_free(&plans);
    }
    assert_in_range(seen.n, 25, MOST_GRAPHS);
    snprintf(pattern, sizeof pattern, "%s/tests/golden/*.plan", folder("WEFT_TEST_SOURCE", "."));
    differ += stale(&seen, pattern);
    if (differ)
        fail_msg("%zu golden files differ. Texts lie in %s/golden as HASH.wgsl. If the change is meant: %s, and commit "
                 "the files with it",
                 differ, folder("WEFT_TEST_BUILD", "build"), rewrite);
}

// ---- negative controls ---------------------------------------------------------------------------------------------

static const char control[] = "# golden: gpu\nsymbol T 0 64\ninput x f32 [T, 40]\nweight w f32 [40]\n"
                              "%0 = rms_norm %x %w\n%1 = silu %0\noutput %1 y\n";

/// The dump of the control graph after a hand has changed its plan; 0: no change.
static void control_dump(int change, struct weft_str *out) {
    struct weft_plan *p = fixture_plan(control, NULL, NULL);
    struct weft_step *s = &p->schedules[0].steps[0];
    switch (change) {
    case 1: s->workgroup[0] /= 2; break;
    case 2: s->bound.wgsl[strlen(s->bound.wgsl) / 2] ^= 1; break;
    case 3: s->operands[0].byte_offset += 16; break;
    case 4: s->operands[1].access ^= WEFT_READ_WRITE; break;
    case 5: s->bound.slots[1].kind = WEFT_BIND_READ_WRITE; break;
    case 6: p->schedules[0].hi[0] = 63; break; // only the words and the grid know
    case 7: p->schedules[0].n_steps = 0; break;
    case 8: p->n_pipelines++; break;
    default: break;
    }
    weft_test_plan_dump(p, out);
    weft_plan_destroy(p);
}

static void any_change_is_told(void **state) {
    (void)state;
    struct weft_str was = {0};
    char path[1024];
    control_dump(0, &was);
    snprintf(path, sizeof path, "%s/golden_control.plan", folder("WEFT_TEST_BUILD", "build"));
    if (weft_file_write(path, weft_str_get(&was), was.len) != WEFT_OK) fail_msg("%s", weft_error_message());
    for (int change = 0; change <= 8; change++) {
        struct weft_str is = {0}, told = {0};
        control_dump(change, &is);
        size_t n = compare(path, weft_str_get(&is), SHOWN, &told);
        if ((n == 0) != (change == 0)) fail_msg("change %d: %zu lines differ\n%s", change, n, weft_str_get(&told));
        if (change) {
            assert_non_null(strstr(weft_str_get(&told), "golden_control.plan: "));
            assert_non_null(strstr(weft_str_get(&told), "@@ line "));
            assert_non_null(strstr(weft_str_get(&told), "\n-"));
        }
        weft_str_free(&is);
        weft_str_free(&told);
    }
    unlink(path);
    struct weft_str told = {0};
    assert_true(compare(path, weft_str_get(&was), SHOWN, &told) > 0);
    assert_non_null(strstr(weft_str_get(&told), "is missing"));
    weft_str_free(&told);
    weft_str_free(&was);
}

static void other_ways_are_other_plans(void **state) {
    (void)state;
    static const char *const ways[] = {"gpu", "cpu", "min", "gpu no_fuse=1", "gpu checked=1", "gpu split=T:1,16"};
    struct weft_str dumps[sizeof ways / sizeof *ways] = {0};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct way w;
        read_way("control", ways[i], strlen(ways[i]), &w);
        add_plan("", 0, fixture_graph(control), &w, &dumps[i]);
        for (size_t k = 0; k < i; k++)
            if (strcmp(weft_str_get(&dumps[k]), weft_str_get(&dumps[i])) == 0)
                fail_msg("'%s' and '%s' give one dump", ways[k], ways[i]);
    }
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) weft_str_free(&dumps[i]);
}

static void a_plan_without_a_graph_is_told(void **state) {
    (void)state;
    static struct seen none;
    char path[1024];
    snprintf(path, sizeof path, "%s/golden_stale.plan", folder("WEFT_TEST_BUILD", "build"));
    assert_int_equal(weft_file_write(path, "x\n", 2), WEFT_OK);
    assert_int_equal(stale(&none, path), 1);
    unlink(path);
    assert_int_equal(stale(&none, path), 0);
}

static void a_difference_is_as_small_as_it_can_be(void **state) {
    (void)state;
    static const struct {
        const char *was, *is;
        size_t most, n;
        const char *told;
    } rows[] = {
        {"a\nb\n", "a\nb\n", 9, 0, ""},
        {"", "", 9, 0, ""},
        {"a\nb\nc\nd\ne\nf\ng\n", "a\nb\nc\nX\ne\nf\ng\n", 9, 2, "@@ line 4\n b\n c\n-d\n+X\n e\n f\n"},
        {"a\nb\nc\n", "a\nc\n", 9, 1, "@@ line 2\n a\n-b\n c\n"},
        {"a\n", "a\nb\n", 9, 1, "@@ line 2\n a\n+b\n"},
        {"", "a\n", 9, 1, "@@ line 1\n+a\n"},
        {"a\nb\nc\nd\n", "b\nc\nd\ne\n", 9, 2, "@@ line 1\n-a\n b\n c\n@@ line 5\n d\n+e\n"},
        {"a\nb\nc\n", "x\ny\nz\n", 2, 6, "@@ line 1\n-a\n-b\n... and 4 lines more\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weft_str told = {0};
        assert_int_equal(weft_test_text_diff(rows[i].was, rows[i].is, rows[i].most, &told), rows[i].n);
        assert_string_equal(weft_str_get(&told), rows[i].told);
        weft_str_free(&told);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_difference_is_as_small_as_it_can_be),
        cmocka_unit_test(any_change_is_told),
        cmocka_unit_test(other_ways_are_other_plans),
        cmocka_unit_test(a_plan_without_a_graph_is_told),
        cmocka_unit_test(plans_are_as_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
