/// weft inspect: what is in a model file, and what Weft makes of it, or of a graph in text: graph, plan, memory. Needs
/// no driver.
#include "app/catalogue.h"
#include "app/inspect.h"
#include "app/json.h"
#include "app/model.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "model/keys.h"
#include "model/lm_graph.h"
#include "ops/ops.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum what { WHAT_FILE, WHAT_GRAPH, WHAT_PASS, WHAT_PLAN, WHAT_MEMORY };

struct request {
    enum what what;
    bool json, all, keys, tensors, list_passes;
    const char *pass; ///< WHAT_PASS: behind which
    struct weft_gpu_params device;
    struct weft_lm_build build;
    enum weft_state_policy policy; ///< of graphs in text
};

// ---- the file ------------------------------------------------------------------------------------------------------

enum { NARROW = 80, WIDE = 1 << 20 };

/// By which architecture the file's keys are known; NULL: by none.
static const char *architecture(const struct weft_gguf *g) {
    struct weft_gguf_str arch;
    char name[64];
    if (weft_gguf_get_string(g, "general.architecture", &arch) != WEFT_OK || arch.len >= sizeof name) return NULL;
    snprintf(name, sizeof name, "%.*s", (int)arch.len, arch.data);
    return weft_model_keys_arch(g, name);
}

static void print_keys(const struct weft_gguf *g, bool all) {
    const char *arch = architecture(g);
    for (size_t i = 0; i < weft_gguf_key_count(g); i++) {
        const char *key = weft_gguf_key_at(g, i);
        struct weft_str value = {0};
        enum weft_gguf_type type, element;
        uint64_t count;
        if (weft_gguf_get_type(g, key, &type, &element, &count) != WEFT_OK) continue;
        weft_gguf_print_value(g, i, all ? WIDE : NARROW, &value);
        weft_outf("%-46s %-7s %s%s\n", key, weft_gguf_type_name(type), weft_str_get(&value),
                  weft_model_key_unknown(arch, key) ? "   (unknown to Weft, not used)" : "");
        weft_str_free(&value);
    }
}

static void print_tensors(const struct weft_gguf *g) {
    for (size_t i = 0; i < weft_gguf_tensor_count(g); i++) {
        const struct weft_gguf_tensor *t = weft_gguf_tensor_at(g, i);
        char dims[96] = "";
        size_t n = 0;
        for (uint32_t d = 0; d < t->n_dims; d++)
            n += (size_t)snprintf(dims + n, sizeof dims - n, "%s%" PRIu64, d ? " x " : "", t->dims[d]);
        weft_outf("%-36s %-22s %-6s %12" PRIu64 " bytes at %" PRIu64 "\n", t->name, dims,
                  weft_ggml_type_info(t->type)->name, t->size, t->offset);
    }
}

static int print_file(const struct weft_gguf *g, const struct request *r) {
    bool both = r->keys == r->tensors;
    weft_outf("%s: GGUF version %u, %u file%s, %" PRIu64 " bytes, %zu keys, %zu tensors\n", weft_gguf_path(g),
              weft_gguf_version(g), weft_gguf_part_count(g), weft_gguf_part_count(g) == 1 ? "" : "s",
              weft_gguf_file_size(g), weft_gguf_key_count(g), weft_gguf_tensor_count(g));
    if (both || r->keys) print_keys(g, r->all);
    if (both || r->tensors) print_tensors(g);
    return WEFT_EXIT_OK;
}

static json_t *value_json(const struct weft_gguf *g, size_t i, bool all) {
    const char *key = weft_gguf_key_at(g, i);
    enum weft_gguf_type type, element;
    uint64_t count;
    int64_t integer;
    double real;
    bool flag;
    struct weft_gguf_str string;
    struct weft_str text = {0};
    if (weft_gguf_get_type(g, key, &type, &element, &count) != WEFT_OK) return json_null();
    if (type == WEFT_GGUF_BOOL && weft_gguf_get_bool(g, key, &flag) == WEFT_OK) return json_boolean(flag);
    if (type == WEFT_GGUF_STRING && weft_gguf_get_string(g, key, &string) == WEFT_OK)
        return weft_json_text(string.data, string.len);
    if (type != WEFT_GGUF_ARRAY && weft_gguf_get_i64(g, key, &integer) == WEFT_OK) return json_integer(integer);
    if (type != WEFT_GGUF_ARRAY && weft_gguf_get_f64(g, key, &real) == WEFT_OK && isfinite(real))
        return json_real(real);
    weft_gguf_print_value(g, i, all ? WIDE : NARROW, &text);
    json_t *value = weft_json_text(weft_str_get(&text), text.len);
    weft_str_free(&text);
    return value;
}

static int json_file(const struct weft_gguf *g, const struct request *r) {
    json_t *keys = json_object(), *tensors = json_array();
    json_t *unknown = json_array();
    bool ok = true; // nothing is left out where memory ends
    const char *arch = architecture(g);
    for (size_t i = 0; i < weft_gguf_key_count(g); i++) {
        const char *key = weft_gguf_key_at(g, i);
        ok &= weft_json_member(keys, key, value_json(g, i, r->all));
        if (weft_model_key_unknown(arch, key)) ok &= json_array_append_new(unknown, weft_json_string(key)) == 0;
    }
    for (size_t i = 0; i < weft_gguf_tensor_count(g); i++) {
        const struct weft_gguf_tensor *t = weft_gguf_tensor_at(g, i);
        json_t *dims = json_array();
        for (uint32_t d = 0; d < t->n_dims; d++) json_array_append_new(dims, json_integer((json_int_t)t->dims[d]));
        json_t *row = json_pack("{so ss so sI si sI}", "name", weft_json_string(t->name), "type",
                                weft_ggml_type_info(t->type)->name, "dims", dims, "bytes", (json_int_t)t->size, "part",
                                (int)t->part, "offset", (json_int_t)t->offset);
        ok &= json_array_append_new(tensors, row) == 0;
    }
    json_t *root =
        json_pack("{so si si sI so so so}", "path", weft_json_string(weft_gguf_path(g)), "version",
                  (int)weft_gguf_version(g), "parts", (int)weft_gguf_part_count(g), "bytes",
                  (json_int_t)weft_gguf_file_size(g), "metadata", keys, "unknown_keys", unknown, "tensors", tensors);
    if (ok) return weft_json_print(root);
    json_decref(root);
    return weft_json_print(NULL);
}

// ---- graph and plan ------------------------------------------------------------------------------------------------

enum { MOST_TEXT = 64 << 20 };

static int print_text(weft_status status, struct weft_str *text) {
    if (status == WEFT_OK && text->failed) status = weft_fail(WEFT_ERR_NOMEM, "out of memory for the output");
    if (status == WEFT_OK) weft_outf("%s", weft_str_get(text)); // what is safe already stays as it is
    if (status == WEFT_OK && text->len && text->data[text->len - 1] != '\n') weft_outf("\n");
    weft_str_free(text);
    return weft_app_failed(status);
}

static int print_graph(struct weft_graph *graph, const struct request *r) {
    struct weft_str text = {0};
    weft_status status = weft_graph_print(graph, &text);
    weft_graph_destroy(graph);
    if (status != WEFT_OK || !r->json) return print_text(status, &text);
    json_t *root = json_pack("{so}", "graph", weft_json_text(weft_str_get(&text), text.len));
    weft_str_free(&text);
    return weft_json_print(root);
}

static int print_plan(struct weft_graph *graph, const struct weft_gpu_caps *caps,
                      const struct weft_compile_params *compile, const struct request *r) {
    struct weft_plan *plan = NULL;
    struct weft_str text = {0}, shown = {0};
    struct weft_compile_params params = *compile;
    if (r->what == WHAT_PASS) params.show = r->pass, params.show_to = &shown;
    weft_status status = weft_compile(graph, caps, &params, &plan);
    if (status != WEFT_OK && shown.len) weft_outf("%s", weft_str_get(&shown)); // how far it came
    if (status != WEFT_OK) {
        weft_str_free(&shown);
        return weft_app_failed(status);
    }
    int code;
    if (r->what == WHAT_PASS) {
        code = print_text(WEFT_OK, &shown);
    } else if (r->what == WHAT_MEMORY) {
        code = weft_inspect_memory(plan, r->json);
    } else {
        weft_plan_print(plan, r->json, &text);
        code = print_text(WEFT_OK, &text);
    }
    weft_plan_destroy(plan);
    return code;
}

/// The program that a model file stands for.
static int inspect_model(const struct weft_gguf *file, struct request *r) {
    struct weft_model_config config;
    struct weft_graph *graph = NULL;
    weft_gpu *gpu = NULL;
    weft_status status = weft_lm_check_family(file);
    if (status == WEFT_OK) status = weft_model_config_read(file, &config);
    if (status == WEFT_OK) status = weft_gpu_open(&r->device, &gpu);
    if (status == WEFT_OK) status = weft_lm_build_defaults(&config, weft_gpu_caps(gpu), &r->build);
    if (status == WEFT_OK) status = weft_lm_build_graph(file, &config, &r->build, &graph);
    int code;
    if (status != WEFT_OK) code = weft_app_failed(status);
    else if (r->what == WHAT_GRAPH) code = print_graph(graph, r);
    else {
        struct weft_compile_params compile = weft_lm_compile_params(weft_gpu_caps(gpu), r->build.chunk);
        code = print_plan(graph, weft_gpu_caps(gpu), &compile, r);
    }
    weft_gpu_close(&gpu);
    return code;
}

/// A graph in text.
static int inspect_text(const char *path, const struct request *r) {
    struct weft_compile_params compile = {.state_policy = r->policy};
    struct weft_graph *graph = NULL;
    weft_gpu *gpu = NULL;
    char *text = NULL;
    size_t length;
    weft_status status = weft_file_read(path, MOST_TEXT, &text, &length);
    if (status == WEFT_OK) status = weft_fail_in(weft_graph_parse(weft_ops(), text, length, &graph), "%s", path);
    weft_free(text);
    if (status == WEFT_OK && r->what <= WHAT_GRAPH) return print_graph(graph, r);
    if (status == WEFT_OK) status = weft_gpu_open(&r->device, &gpu);
    if (status != WEFT_OK) {
        weft_graph_destroy(graph);
        return weft_app_failed(status);
    }
    int code = print_plan(graph, weft_gpu_caps(gpu), &compile, r);
    weft_gpu_close(&gpu);
    return code;
}

// ---- the command ---------------------------------------------------------------------------------------------------

enum {
    OPT_GRAPH = WEFT_OPT_FIRST_OWN,
    OPT_PLAN,
    OPT_MEMORY,
    OPT_PASSES,
    OPT_KEYS,
    OPT_TENSORS,
    OPT_ALL,
    OPT_CTX,
    OPT_CHUNK,
    OPT_CACHE,
    OPT_HEAD,
    OPT_SAMPLING,
    OPT_POLICY,
};

static bool take_policy(const struct weft_command *c, enum weft_state_policy *out) {
    for (*out = WEFT_STATE_IN_PLACE; *out <= WEFT_STATE_DOUBLE; ++*out)
        if (!strcmp(weft_state_policy_name(*out), optarg)) return true;
    weft_app_usage(c, "--policy takes in_place, ping_pong or double, not '%s'", optarg);
    return false;
}

static bool take_head(const struct weft_command *c, struct weft_lm_build *b) {
    static const struct {
        const char *name;
        enum weft_lm_head head;
    } heads[] = {{"generate", WEFT_LM_GENERATE}, {"logits", WEFT_LM_LOGITS}, {"nll", WEFT_LM_NLL}};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (!strcmp(heads[i].name, optarg)) {
            b->head = heads[i].head;
            return true;
        }
    weft_app_usage(c, "--head takes generate, logits or nll, not '%s'", optarg);
    return false;
}

static bool is_pass(const char *name) {
    const struct weft_pass_info *pass;
    for (size_t i = 0; (pass = weft_pass_list(i)); i++)
        if (!strcmp(pass->name, name)) return true;
    return false;
}

static int print_passes(void) {
    const struct weft_pass_info *pass;
    for (size_t i = 0; (pass = weft_pass_list(i)); i++) weft_outf("%-13s %s\n", pass->name, pass->leaves);
    return WEFT_EXIT_OK;
}

/// The name stands behind a '=', or is the next argument if that is the name of a pass; without one they are listed.
static bool take_pass(const struct weft_command *c, struct request *r, int argc, char **argv) {
    r->pass = optarg;
    if (!optarg && optind < argc && is_pass(argv[optind])) r->pass = argv[optind++];
    r->what = WHAT_PASS;
    r->list_passes = !r->pass;
    if (r->list_passes || is_pass(r->pass)) return true;
    weft_app_usage(c, "there is no pass '%s'; weft inspect --passes lists them", r->pass);
    return false;
}

static bool take(const struct weft_command *c, struct request *r, int option) {
    int ignored;
    switch (option) {
    case WEFT_OPT_JSON: r->json = true; return true;
    case OPT_GRAPH: r->what = WHAT_GRAPH; return true;
    case OPT_PLAN: r->what = WHAT_PLAN; return true;
    case OPT_MEMORY: r->what = WHAT_MEMORY; return true;
    case OPT_KEYS: r->keys = true; return true;
    case OPT_TENSORS: r->tensors = true; return true;
    case OPT_ALL: r->all = true; return true;
    case OPT_SAMPLING: r->build.sampling = true; return true;
    case OPT_HEAD: return take_head(c, &r->build);
    case OPT_POLICY: return take_policy(c, &r->policy);
    case OPT_CACHE: return weft_cache_option(c, optarg, &r->build.cache_f16);
    case OPT_CTX: return weft_app_whole(c, "--ctx", 1, WEFT_MAX_CTX, &r->build.ctx);
    case OPT_CHUNK: return weft_app_whole(c, "--chunk", 1, 65535, &r->build.chunk);
    }
    return weft_app_device_option(c, option, &r->device, &ignored);
}

static int run_inspect(const struct weft_command *self, int argc, char **argv) {
    static const struct option options[] = {
        WEFT_COMMON_OPTIONS,
        WEFT_DEVICE_OPTIONS,
        {"graph", no_argument, NULL, OPT_GRAPH},
        {"plan", no_argument, NULL, OPT_PLAN},
        {"memory", no_argument, NULL, OPT_MEMORY},
        {"passes", optional_argument, NULL, OPT_PASSES},
        {"keys", no_argument, NULL, OPT_KEYS},
        {"tensors", no_argument, NULL, OPT_TENSORS},
        {"all", no_argument, NULL, OPT_ALL},
        {"ctx", required_argument, NULL, OPT_CTX},
        {"chunk", required_argument, NULL, OPT_CHUNK},
        {"cache", required_argument, NULL, OPT_CACHE},
        {"head", required_argument, NULL, OPT_HEAD},
        {"sampling", no_argument, NULL, OPT_SAMPLING},
        {"policy", required_argument, NULL, OPT_POLICY},
        {0},
    };
    struct request r = {.device = {.implementation = "null"}, .build = {.head = WEFT_LM_GENERATE}};
    for (int option; (option = weft_app_option(self, argc, argv, "h", options)) != -1;) {
        if (option == WEFT_OPT_HELP) return WEFT_EXIT_OK;
        bool ok =
            option == OPT_PASSES ? take_pass(self, &r, argc, argv) : option != WEFT_OPT_BAD && take(self, &r, option);
        if (!ok) return WEFT_EXIT_USAGE;
    }
    if (r.list_passes) return print_passes();
    if (r.what == WHAT_PASS && r.json) return weft_app_usage(self, "--passes prints text; --plan has JSON");
    if (argc - optind != 1) return weft_app_usage(self, "one model is needed");
    const char *suffix = strrchr(argv[optind], '.');
    bool text = suffix && strcmp(suffix, ".weft") == 0;
    if (text && (r.keys || r.tensors || r.build.ctx || r.build.chunk || r.build.sampling || r.build.cache_f16))
        return weft_app_usage(self, "a graph in text has no model's keys, tensors or context");
    if (!text && r.policy) return weft_app_usage(self, "--policy is for graphs in text (.weft)");
    if (text) return inspect_text(argv[optind], &r);
    char *path = NULL;
    struct weft_gguf *file = NULL;
    weft_status status = weft_model_path(argv[optind], &path);
    if (status == WEFT_OK) status = weft_gguf_open(path, &file);
    int code;
    if (status != WEFT_OK) code = weft_app_failed(status);
    else if (r.what == WHAT_FILE) code = r.json ? json_file(file, &r) : print_file(file, &r);
    else code = inspect_model(file, &r);
    weft_gguf_close(file);
    weft_free(path);
    return code;
}

const struct weft_command weft_command_inspect = {
    .name = "inspect",
    .summary = "show a model's metadata and tensors, or the plan and memory of a model or graph",
    .help =
        "usage: weft inspect MODEL [--keys] [--tensors] [--all] [--json]\n"
        "       weft inspect MODEL --graph | --plan | --memory [OPTION]... [--json]\n"
        "       weft inspect GRAPH.weft [--plan | --memory] [--policy NAME] [--json]\n"
        "       weft inspect --passes\n"
        "       weft inspect MODEL|GRAPH.weft --passes NAME [OPTION]...\n\n"
        "      --keys            metadata only\n"
        "      --tensors         tensors only\n"
        "      --all             long values in full\n"
        "      --graph           the graph in Weft's text format\n"
        "      --plan            the compiled plan: schedules, steps, bindings, heaps, what was fused or copied, and "
        "why\n"
        "      --passes          what the compiler does, pass by pass, and what each leaves\n"
        "      --passes NAME     the graph, the groups of nodes or the steps behind that pass\n"
        "      --memory          device memory that the plan needs, and what each position of the context adds\n"
        "      --head NAME       of which program: generate (default), logits, nll\n"
        "      --sampling        with the full sampler\n"
        "      --ctx N, --chunk N, --cache f32|f16   as for `weft run`\n"
        "      --policy NAME     of the states of a graph in text: in_place, ping_pong or double (default: as they "
        "say)\n"
        "      --json            as JSON\n" WEFT_DEVICE_HELP "  -h, --help            this text\n\n"
        "Graph, plan and memory are those for the null device, which needs no driver, unless --webgpu names another.\n",
    .run = run_inspect,
};
