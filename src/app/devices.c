/// weft devices: every implementation and adapter found, what it can do, and which one would be taken.
#include "app/app.h"
#include "app/json.h"

#include "core/alloc.h"
#include "core/error.h"

#include <string.h>

static const char *kind_name(enum weft_device_kind kind) {
    switch (kind) {
    case WEFT_DEVICE_NULL: return "null";
    case WEFT_DEVICE_CPU: return "cpu";
    case WEFT_DEVICE_INTEGRATED: return "integrated";
    case WEFT_DEVICE_DISCRETE: return "discrete";
    case WEFT_DEVICE_OTHER: break;
    }
    return "other";
}

static json_t *caps_json(const struct weft_device_info *c) {
    json_t *matrix = json_array();
    for (uint32_t i = 0; i < c->matrix_configs; i++)
        json_array_append_new(matrix,
                              json_pack("{si si si ss ss}", "m", (int)c->matrices[i].m, "n", (int)c->matrices[i].n, "k",
                                        (int)c->matrices[i].k, "in", c->matrices[i].in, "out", c->matrices[i].out));
    return json_pack("{so so so so ss sb sb sb sb si si sI sI sI si si si so}", "implementation",
                     weft_json_string(c->implementation), "library", weft_json_string(c->library), "adapter",
                     weft_json_string(c->adapter), "driver", weft_json_string(c->driver), "type", kind_name(c->kind),
                     "f16", c->f16, "subgroups", c->subgroups, "dot4", c->dot4, "timestamps", c->timestamps,
                     "subgroup_min", (int)c->subgroup_min, "subgroup_max", (int)c->subgroup_max, "memory",
                     (json_int_t)c->memory, "max_binding", (json_int_t)c->max_binding, "max_buffer",
                     (json_int_t)c->max_buffer, "max_storage_buffers", (int)c->max_storage_buffers, "max_invocations",
                     (int)c->max_invocations, "workgroup_memory", (int)c->workgroup_memory, "matrix", matrix);
}

static int print_json(const struct weft_device_found *rows, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *row = caps_json(&rows[i].info);
        if (!rows[i].usable) json_object_set_new(row, "type", json_null());
        json_object_set_new(row, "usable", json_boolean(rows[i].usable));
        json_object_set_new(row, "chosen", json_boolean(rows[i].chosen));
        json_object_set_new(row, "why", weft_json_string(rows[i].why));
        json_array_append_new(list, row);
    }
    return weft_json_print(list);
}

static void print_features(const struct weft_device_info *c) {
    weft_outf("    features    %s", c->f16 ? "f16 " : "");
    if (c->subgroups && c->subgroup_min == c->subgroup_max) weft_outf("subgroups(%u) ", c->subgroup_max);
    if (c->subgroups && c->subgroup_min != c->subgroup_max)
        weft_outf("subgroups(%u-%u) ", c->subgroup_min, c->subgroup_max);
    weft_outf("%s%s", c->dot4 ? "dot4 " : "", c->timestamps ? "timestamps " : "");
    weft_outf("%s\n", c->f16 || c->subgroups || c->dot4 || c->timestamps ? "" : "none beyond WebGPU's core");
    for (uint32_t i = 0; i < c->matrix_configs; i++)
        weft_outf("    %s%ux%ux%u %s -> %s\n", i ? "            " : "matrices    ", c->matrices[i].m, c->matrices[i].n,
                  c->matrices[i].k, c->matrices[i].in, c->matrices[i].out);
}

static void print_row(const struct weft_device_found *row, int adapter) {
    const struct weft_device_info *c = &row->info;
    weft_outf("%c %s", row->chosen ? '*' : ' ', *c->implementation ? c->implementation : "?");
    if (row->usable)
        weft_outf(" #%d: %s (%s)\n", adapter, *c->adapter ? c->adapter : "unnamed adapter", kind_name(c->kind));
    if (!row->usable) weft_outf(": cannot be used\n");
    if (*c->driver) weft_outf("    driver      %s\n", c->driver);
    if (*c->library) weft_outf("    library     %s\n", c->library);
    if (row->usable) {
        if (c->memory) weft_outf("    memory      %.1f GiB\n", (double)c->memory / (1 << 30));
        weft_outf("    limits      binding %.0f MiB, buffer %.0f MiB, %u storage buffers, %u invocations, %u KiB "
                  "workgroup memory\n",
                  (double)c->max_binding / (1 << 20), (double)c->max_buffer / (1 << 20), c->max_storage_buffers,
                  c->max_invocations, c->workgroup_memory / 1024);
        print_features(c);
    }
    if (*row->why)
        weft_outf("    %s %s\n", row->chosen ? "chosen:    " : row->usable ? "not chosen:" : "reason:    ", row->why);
}

/// All rows there are, freed with weft_free. Between two looks a device may have come.
static weft_status list(const struct weft_device_params *params, struct weft_device_found **rows, size_t *count) {
    size_t room = 0;
    WEFT_TRY(weft_device_list(params, NULL, 0, &room));
    *rows = weft_calloc(room + 1, sizeof **rows);
    if (!*rows) return weft_fail(WEFT_ERR_NOMEM, "out of memory for the devices");
    weft_status status = weft_device_list(params, *rows, room, count);
    if (*count > room) *count = room;
    if (status != WEFT_OK) weft_free(*rows);
    return status;
}

static int run_devices(const struct weft_command *self, int argc, char **argv) {
    static const struct option options[] = {WEFT_COMMON_OPTIONS, WEFT_DEVICE_OPTIONS, {0}};
    struct weft_device_params params = {0};
    bool json = false;
    int code = WEFT_EXIT_OK;
    for (int option; (option = weft_app_option(self, argc, argv, "h", options)) != -1;) {
        if (option == WEFT_OPT_HELP) return WEFT_EXIT_OK;
        if (option == WEFT_OPT_BAD) return WEFT_EXIT_USAGE;
        if (option == WEFT_OPT_JSON) json = true;
        else if (!weft_app_device_option(self, option, &params, &code)) return code;
    }
    if (optind < argc) return weft_app_usage(self, "takes no arguments");
    struct weft_device_found *rows = NULL;
    size_t count = 0;
    weft_status status = list(&params, &rows, &count);
    if (status != WEFT_OK) return weft_app_failed(status);
    if (json) code = print_json(rows, count);
    int adapter = 0;
    for (size_t i = 0; !json && i < count; i++) {
        adapter = i && !strcmp(rows[i].info.implementation, rows[i - 1].info.implementation) ? adapter + 1 : 0;
        print_row(&rows[i], adapter);
    }
    weft_free(rows);
    return code;
}

const struct weft_command weft_command_devices = {
    .name = "devices",
    .summary = "list WebGPU implementations and adapters, and which would be chosen",
    .help = "usage: weft devices [--json]\n\n"
            "Lists every WebGPU implementation and adapter found; '*' marks the one that other commands would take.\n\n"
            "      --json            as JSON\n" WEFT_DEVICE_HELP "  -h, --help            this text\n",
    .run = run_devices,
};
