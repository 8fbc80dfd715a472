/// weft inspect: what is in a model file, and what Weft makes of it, or of a graph in text: graph, plan, memory. Needs
/// no driver.
#include "app/catalogue.h"
#include "app/inspect.h"
#include "app/json.h"
#include "app/model.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "weft/model_file.h"
#include "weft/plan.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum what { WHAT_FILE, WHAT_GRAPH, WHAT_PASS, WHAT_PLAN, WHAT_MEMORY };

struct request {
    enum what what;
    bool json, all, keys, tensors, list_passes;
    const char *pass; ///< WHAT_PASS: behind which
    struct weft_device_params device;
    struct weft_model_graph_params build;
    enum weft_state_policy policy; ///< of graphs in text
    enum weft_numbers numbers;
};

// ---- the file ------------------------------------------------------------------------------------------------------

enum { NARROW = 80, WIDE = 1 << 20 };

/// A text of the library's, to be freed with weft_free. `call` asks it for one of `capacity` bytes.
static weft_status text_of(weft_status (*call)(const void *of, char *text, size_t capacity, size_t *length),
                           const void *of, char **out, size_t *length) {
    *out = NULL;
    WEFT_TRY(call(of, NULL, 0, length));
    *out = weft_alloc(*length + 1);
    if (!*out) return weft_fail(WEFT_ERR_NOMEM, "out of memory for the output");
    return call(of, *out, *length + 1, length);
}

struct value {
    const weft_model_file *file;
    size_t key, width;
};

static weft_status value_text(const void *of, char *text, size_t capacity, size_t *length) {
    const struct value *v = of;
    return weft_model_file_value(v->file, v->key, v->width, text, capacity, length);
}

static weft_status print_keys(const weft_model_file *file, size_t n, bool all) {
    for (size_t i = 0; i < n; i++) {
        struct value value = {file, i, all ? WIDE : NARROW};
        struct weft_model_file_key key;
        char *text;
        size_t length;
        WEFT_TRY(weft_model_file_key(file, i, &key));
        weft_status status = text_of(value_text, &value, &text, &length);
        if (status == WEFT_OK)
            weft_outf("%-46s %-7s %s%s\n", key.name, key.type, text,
                      key.unknown ? "   (unknown to Weft, not used)" : "");
        weft_free(text);
        WEFT_TRY(status);
    }
    return WEFT_OK;
}

static weft_status print_tensors(const weft_model_file *file, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct weft_model_file_tensor t;
        char dims[96] = "";
        size_t n = 0;
        WEFT_TRY(weft_model_file_tensor(file, i, &t));
        for (uint32_t d = 0; d < t.rank; d++)
            n += (size_t)snprintf(dims + n, sizeof dims - n, "%s%" PRIu64, d ? " x " : "", t.shape[d]);
        weft_outf("%-36s %-22s %-6s %12" PRIu64 " bytes at %" PRIu64 "\n", t.name, dims, t.type, t.bytes, t.offset);
    }
    return WEFT_OK;
}

static int print_file(const weft_model_file *file, const char *path, const struct request *r) {
    bool both = r->keys == r->tensors;
    struct weft_model_file_info info;
    weft_status status = weft_model_file_info(file, &info);
    if (status != WEFT_OK) return weft_app_failed(status);
    char version[24] = "";
    if (info.version) snprintf(version, sizeof version, " version %u", info.version);
    weft_outf("%s: %s%s, %u file%s, %" PRIu64 " bytes, %zu keys, %zu tensors\n", path, info.format, version, info.parts,
              info.parts == 1 ? "" : "s", info.bytes, info.keys, info.tensors);
    if (both || r->keys) status = print_keys(file, info.keys, r->all);
    if (status == WEFT_OK && (both || r->tensors)) status = print_tensors(file, info.tensors);
    return weft_app_failed(status);
}

static json_t *value_json(const weft_model_file *file, size_t i, const struct weft_model_file_key *key, bool all) {
    struct value value = {file, i, all ? WIDE : NARROW};
    char *text;
    size_t length;
    if (key->kind == WEFT_KEY_BOOL) return json_boolean(key->flag);
    if (key->kind == WEFT_KEY_STRING) return weft_json_text(key->string, key->length);
    if (key->kind == WEFT_KEY_INTEGER) return json_integer(key->integer);
    if (key->kind == WEFT_KEY_REAL && isfinite(key->real)) return json_real(key->real);
    if (text_of(value_text, &value, &text, &length) != WEFT_OK) return NULL;
    json_t *json = weft_json_text(text, length);
    weft_free(text);
    return json;
}

static json_t *tensor_json(const struct weft_model_file_tensor *t) {
    json_t *dims = json_array();
    for (uint32_t d = 0; d < t->rank; d++) json_array_append_new(dims, json_integer((json_int_t)t->shape[d]));
    return json_pack("{so ss so sI si sI}", "name", weft_json_string(t->name), "type", t->type, "dims", dims, "bytes",
                     (json_int_t)t->bytes, "part", (int)t->part, "offset", (json_int_t)t->offset);
}

static int json_file(const weft_model_file *file, const char *path, const struct request *r) {
    json_t *keys = json_object(), *tensors = json_array();
    json_t *unknown = json_array();
    struct weft_model_file_info info = {0};
    struct weft_model_file_key key;
    struct weft_model_file_tensor t;
    bool ok = weft_model_file_info(file, &info) == WEFT_OK; // nothing is left out where memory ends
    for (size_t i = 0; i < info.keys && weft_model_file_key(file, i, &key) == WEFT_OK; i++) {
        ok &= weft_json_member(keys, key.name, value_json(file, i, &key, r->all));
        if (key.unknown) ok &= json_array_append_new(unknown, weft_json_string(key.name)) == 0;
    }
    for (size_t i = 0; i < info.tensors && weft_model_file_tensor(file, i, &t) == WEFT_OK; i++)
        ok &= json_array_append_new(tensors, tensor_json(&t)) == 0;
    json_t *root = json_pack("{so ss si si sI so so so}", "path", weft_json_string(path), "format", info.format,
                             "version", (int)info.version, "parts", (int)info.parts, "bytes", (json_int_t)info.bytes,
                             "metadata", keys, "unknown_keys", unknown, "tensors", tensors);
    if (ok) return weft_json_print(root);
    json_decref(root);
    return weft_json_print(NULL);
}

// ---- graph and plan ------------------------------------------------------------------------------------------------

enum { MOST_TEXT = 64 << 20 };

/// What is safe already stays as it is.
static void print_lines(void *user, const char *text, size_t length) {
    (void)user;
    weft_outf("%.*s", (int)length, text);
    if (length && text[length - 1] != '\n') weft_outf("\n");
}

static weft_status graph_text(const void *of, char *text, size_t capacity, size_t *length) {
    return weft_graph_print_text(of, text, capacity, length);
}

static weft_status plan_text(const void *of, char *text, size_t capacity, size_t *length) {
    return weft_plan_text(of, false, text, capacity, length);
}

static weft_status plan_json(const void *of, char *text, size_t capacity, size_t *length) {
    return weft_plan_text(of, true, text, capacity, length);
}

static int print_graph(const weft_graph *graph, const struct request *r) {
    char *text;
    size_t length;
    weft_status status = text_of(graph_text, graph, &text, &length);
    int code = weft_app_failed(status);
    if (status == WEFT_OK && r->json) code = weft_json_print(json_pack("{so}", "graph", weft_json_text(text, length)));
    else if (status == WEFT_OK) print_lines(NULL, text, length);
    weft_free(text);
    return code;
}

static int print_plan(const weft_plan *plan, const struct request *r) {
    char *text;
    size_t length;
    if (r->what == WHAT_MEMORY) return weft_inspect_memory(plan, r->json);
    weft_status status = text_of(r->json ? plan_json : plan_text, plan, &text, &length);
    if (status == WEFT_OK) print_lines(NULL, text, length);
    weft_free(text);
    return weft_app_failed(status);
}

/// Prints what was asked for of a graph, which is taken.
static int inspect_graph(const weft_device *device, weft_graph **graph,
                         const struct weft_program_compile_params *compile, const struct request *r) {
    weft_plan *plan = NULL;
    int code;
    if (r->what <= WHAT_GRAPH) code = print_graph(*graph, r);
    else if (r->what == WHAT_PASS)
        code = weft_app_failed(weft_plan_show(device, graph, compile, r->pass, print_lines, NULL));
    else {
        weft_status status = weft_plan_make(device, graph, compile, &plan);
        code = status == WEFT_OK ? print_plan(plan, r) : weft_app_failed(status);
    }
    weft_plan_free(&plan);
    weft_graph_free(graph);
    return code;
}

/// The program that a model file stands for.
static int inspect_model(weft_model_file *file, const struct request *r) {
    struct weft_program_compile_params compile = {0};
    weft_graph *graph = NULL;
    weft_device *device = NULL;
    weft_status status = weft_device_open(&r->device, &device);
    if (status == WEFT_OK) status = weft_model_file_graph(file, device, &r->build, &graph, &compile);
    compile.numbers = r->numbers;
    int code = status == WEFT_OK ? inspect_graph(device, &graph, &compile, r) : weft_app_failed(status);
    weft_device_close(&device);
    return code;
}

/// A graph in text.
static int inspect_text(const char *path, const struct request *r) {
    const struct weft_program_compile_params compile = {.state_policy = r->policy, .numbers = r->numbers};
    weft_graph *graph = NULL;
    weft_device *device = NULL;
    char *text = NULL;
    size_t length;
    weft_status status = weft_file_read(path, MOST_TEXT, &text, &length);
    if (status == WEFT_OK) status = weft_fail_in(weft_graph_parse_text(text, length, &graph), "%s", path);
    weft_free(text);
    if (status == WEFT_OK && r->what > WHAT_GRAPH) status = weft_device_open(&r->device, &device);
    int code = status == WEFT_OK ? inspect_graph(device, &graph, &compile, r) : weft_app_failed(status);
    weft_graph_free(&graph);
    weft_device_close(&device);
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
    OPT_NUMBERS,
    OPT_HEAD,
    OPT_SAMPLING,
    OPT_POLICY,
};

static bool take_policy(const struct weft_command *c, enum weft_state_policy *out) {
    static const char *const names[] = {
        [WEFT_STATE_IN_PLACE] = "in_place", [WEFT_STATE_PING_PONG] = "ping_pong", [WEFT_STATE_DOUBLE] = "double"};
    for (*out = WEFT_STATE_IN_PLACE; *out <= WEFT_STATE_DOUBLE; ++*out)
        if (!strcmp(names[*out], optarg)) return true;
    weft_app_usage(c, "--policy takes in_place, ping_pong or double, not '%s'", optarg);
    return false;
}

static bool take_head(const struct weft_command *c, struct weft_model_graph_params *b) {
    static const struct {
        const char *name;
        enum weft_model_head head;
    } heads[] = {{"generate", WEFT_HEAD_GENERATE}, {"logits", WEFT_HEAD_LOGITS}, {"nll", WEFT_HEAD_NLL}};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (!strcmp(heads[i].name, optarg)) {
            b->head = heads[i].head;
            return true;
        }
    weft_app_usage(c, "--head takes generate, logits or nll, not '%s'", optarg);
    return false;
}

static bool is_pass(const char *name) {
    const char *pass;
    for (size_t i = 0; weft_plan_pass(i, &pass, NULL); i++)
        if (!strcmp(pass, name)) return true;
    return false;
}

static int print_passes(void) {
    const char *name, *leaves;
    for (size_t i = 0; weft_plan_pass(i, &name, &leaves); i++) weft_outf("%-13s %s\n", name, leaves);
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
    case OPT_NUMBERS: return weft_numbers_option(c, optarg, &r->numbers);
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
        {"numbers", required_argument, NULL, OPT_NUMBERS},
        {"head", required_argument, NULL, OPT_HEAD},
        {"sampling", no_argument, NULL, OPT_SAMPLING},
        {"policy", required_argument, NULL, OPT_POLICY},
        {0},
    };
    struct request r = {.device = {.implementation = "null"}, .build = {.head = WEFT_HEAD_GENERATE}};
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
    weft_model_file *file = NULL;
    weft_status status = weft_model_path(argv[optind], &path);
    if (status == WEFT_OK) status = weft_model_file_open(path, &file);
    int code;
    if (status != WEFT_OK) code = weft_app_failed(status);
    else if (r.what == WHAT_FILE) code = r.json ? json_file(file, path, &r) : print_file(file, path, &r);
    else code = inspect_model(file, &r);
    weft_model_file_close(&file);
    weft_free(path);
    return code;
}

const struct weft_command weft_command_inspect = {
    .name = "inspect",
    .summary = "show a model's metadata and tensors, or the plan and memory of a model or graph",
    .help =
        "usage: weft inspect MODEL [--keys] [--tensors] [--all] [--json]\n"
        "       weft inspect MODEL --graph | --plan | --memory [OPTION]... [--json]\n"
        "       weft inspect GRAPH.weft [--plan | --memory] [--policy NAME] [--numbers NAME] [--json]\n"
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
        "      --ctx N, --chunk N, --cache f32|f16, --numbers f32|invariant   as for `weft run`\n"
        "      --policy NAME     of the states of a graph in text: in_place, ping_pong or double (default: as they "
        "say)\n"
        "      --json            as JSON\n" WEFT_DEVICE_HELP "  -h, --help            this text\n\n"
        "Graph, plan and memory are those for the null device, which needs no driver, unless --webgpu names another.\n",
    .run = run_inspect,
};
