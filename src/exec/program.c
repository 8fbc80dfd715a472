#include "exec/program.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "exec/exec_impl.h"
#include "weft/device.h"

static void report_plan(void *user, size_t done, size_t total) {
    const struct weft_program_params *params = user;
    params->progress(params->progress_user, WEFT_PROGRESS_PLAN, done, total);
}

static void report_pipelines(void *user, size_t done, size_t total) {
    const struct weft_program_params *params = user;
    params->progress(params->progress_user, WEFT_PROGRESS_COMPILE, done, total);
}

static void describe(const struct weft_step *s, struct weft_pipeline_desc *desc) {
    if (desc->wgsl) return; // by an earlier step
    *desc = (struct weft_pipeline_desc){.label = s->label,
                                        .wgsl = s->bound.wgsl,
                                        .n_bindings = s->bound.n_slots,
                                        .uniform_size = WEFT_PARAM_SLOT,
                                        .workgroup = {s->workgroup[0], s->workgroup[1], s->workgroup[2]},
                                        .workgroup_memory = s->workgroup_memory};
    for (uint32_t k = 0; k < s->bound.n_slots; k++) desc->kinds[k] = s->bound.slots[k].kind;
}

static weft_status build_pipelines(struct weft_program *p, const struct weft_program_params *params) {
    uint32_t n = p->plan->n_pipelines;
    struct weft_pipeline_desc *descs = weft_calloc(n + 1, sizeof *descs);
    if (!p->pipelines) p->pipelines = weft_calloc(n + 1, sizeof *p->pipelines);
    weft_status status =
        descs && p->pipelines ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory while making pipelines");
    for (uint32_t k = 0; k < p->plan->n_schedules && status == WEFT_OK; k++)
        for (uint32_t i = 0; i < p->plan->schedules[k].n_steps; i++)
            describe(&p->plan->schedules[k].steps[i], &descs[p->plan->schedules[k].steps[i].bound.pipeline]);
    if (status == WEFT_OK)
        status = weft_pipeline_get_many(p->gpu, descs, n, p->pipelines, params->progress ? report_pipelines : NULL,
                                        (void *)(uintptr_t)params);
    weft_free(descs);
    return status;
}

static void drop_heaps(struct weft_program *p) {
    for (uint32_t h = 0; h < WEFT_HEAPS; h++)
        if (p->heaps[h].id) weft_buf_release(p->gpu, &p->heaps[h]);
}

static weft_status build(weft_program *p, const struct weft_program_params *params) {
    weft_status status = WEFT_OK;
    for (uint32_t h = 0; h < WEFT_HEAPS && status == WEFT_OK; h++)
        if (p->plan->heap_bytes[h])
            status = weft_buf_make(p->gpu, WEFT_BUF_FOR_TRANSIENTS, p->plan->heap_bytes[h], WEFT_BUF_STORAGE, "heap",
                                   &p->heaps[h]);
    if (status == WEFT_OK) status = build_pipelines(p, params);
    if (status != WEFT_OK) drop_heaps(p);
    return status;
}

weft_status weft_program_check_alive(const weft_program *p) {
    if (!p->lost_why[0]) return WEFT_OK;
    return weft_fail(WEFT_ERR_LOST, "the program of '%s' was lost with the device and not recovered: %s",
                     weft_plan_title(p->plan), p->lost_why);
}

static weft_status build_again(weft_program *p) {
    static const struct weft_program_params quiet;
    const char *weights = weft_shards_lost(p->shards);
    if (weights) return weft_fail(WEFT_ERR_LOST, "%s", weights);
    return weft_fail_in(build(p, &quiet), "the program of '%s'", weft_plan_title(p->plan));
}

static weft_status remake(void *self, void *report) {
    weft_program *p = self;
    struct weft_recovery *r = report;
    weft_pool_lose(p->pool);
    weft_status status = weft_stay_lost(p->lost_why, build_again(p));
    if (status == WEFT_OK) r->programs++;
    else r->programs_failed++;
    return status;
}

weft_status weft_program_create(weft_gpu *gpu, struct weft_graph *graph, const struct weft_program_params *params,
                                weft_program **out) {
    static const struct weft_program_params none;
    if (!params) params = &none;
    *out = NULL;
    struct weft_program *p = weft_calloc(1, sizeof *p);
    struct weft_weight_source source = params->source; // until the weights have it
    if (!p) {
        weft_graph_destroy(graph);
        weft_weight_source_end(&source);
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for a program");
    }
    weft_status status;
    p->gpu = gpu;
    pthread_mutex_init(&p->lock, NULL);
    p->last = &p->first;
    struct weft_compile_params compile = params->compile;
    if (params->share_weights) compile.weights_of = params->share_weights->plan;
    if (params->progress) compile.progress = report_plan;
    compile.progress_user = (void *)(uintptr_t)params;
    status = weft_compile(graph, weft_gpu_caps(gpu), &compile, &p->plan);
    if (status == WEFT_OK && params->accept) status = params->accept(params->accept_user, p->plan);
    if (status == WEFT_OK && params->share_weights) status = weft_program_check_alive(params->share_weights);
    if (status != WEFT_OK) {
        weft_weight_source_end(&source);
        goto fail;
    }
    p->max_steps = weft_plan_most_steps(p->plan);
    WEFT_GOTO(weft_shards_create(gpu, p->plan, params->share_weights ? params->share_weights->shards : NULL, params,
                                 &p->shards));
    p->shards->owns_plan = true;
    if (p->plan->n_page_groups) WEFT_GOTO(weft_pool_create(gpu, p->plan, &p->pool));
    WEFT_GOTO(build(p, params));
    p->dependent = (struct weft_gpu_dependent){.rank = WEFT_GPU_RANK_PROGRAM, .remake = remake, .self = p};
    weft_gpu_depend(gpu, &p->dependent);
    *out = p;
    return WEFT_OK;
fail:
    weft_program_destroy(&p);
    return status;
}

void weft_program_destroy(weft_program **program) {
    if (!program || !*program) return;
    struct weft_program *p = *program;
    *program = NULL;
    weft_gpu_undepend(p->gpu, &p->dependent);
    drop_heaps(p);
    weft_pool_destroy(p->pool);
    if (p->shards) weft_shards_release(p->shards); // and with them the plan
    else weft_plan_destroy(p->plan);
    weft_free(p->pipelines);
    pthread_mutex_destroy(&p->lock);
    weft_free(p);
}

// ---- runs ----------------------------------------------------------------------------------------------------------

static void queue_up(struct weft_program *p, struct weft_program_waiter *w) {
    w->next = NULL;
    *p->last = w;
    p->last = &w->next;
}

static void step_out(struct weft_program *p, const struct weft_program_waiter *w) {
    struct weft_program_waiter **at = &p->first;
    while (*at != w) at = &(*at)->next;
    *at = w->next;
    if (p->last == &w->next) p->last = at;
}

/// Waits for one's turn.
static weft_status enter(struct weft_program *p) {
    struct weft_program_waiter me;
    weft_status status = WEFT_OK;
    pthread_mutex_lock(&p->lock);
    queue_up(p, &me);
    for (double since = weft_now(); status == WEFT_OK && (p->busy || p->first != &me);) {
        pthread_mutex_unlock(&p->lock);
        status = weft_gpu_stand_by(p->gpu, since);
        pthread_mutex_lock(&p->lock);
    }
    step_out(p, &me);
    p->busy |= status == WEFT_OK;
    pthread_mutex_unlock(&p->lock);
    return status;
}

weft_status weft_program_enter(weft_program *p, const struct weft_cancel *cancel) {
    struct weft_cancel_scope scope;
    weft_cancel_begin(&scope, cancel);
    weft_status status = weft_cancel_check();
    if (status == WEFT_OK) status = enter(p);
    weft_cancel_end(&scope);
    return weft_fail_in(status, "behind another session's run");
}

void weft_program_enter_pool(weft_program *p) {
    struct weft_cancel_scope scope;
    weft_cancel_begin_whole(&scope);
    (void)enter(p); // it can't fail, for nobody can cancel it
    weft_cancel_end(&scope);
}

void weft_program_leave(weft_program *p) {
    pthread_mutex_lock(&p->lock);
    p->busy = false;
    pthread_mutex_unlock(&p->lock);
}

const struct weft_plan *weft_program_plan(const weft_program *program) { return program->plan; }
weft_gpu *weft_program_gpu(const weft_program *program) { return program->gpu; }

void weft_program_forget_source(weft_program *program, void *user) {
    if (program) weft_shards_forget_source(program->shards, user);
}

struct weft_memory_use weft_program_memory(const weft_program *program) {
    return program ? weft_plan_memory(program->plan) : (struct weft_memory_use){0};
}
