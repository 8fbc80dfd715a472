// Pipelines: checked against the capabilities, shared by description, built outside the lock.
//
// An entry is claimed under the lock (state PENDING), built without it, then finished under it. Whoever finds a pending
// entry waits for its builder, and only after building all that it claimed itself, so nobody waits in a circle. Should
// the builder give up, who waits claims what is left.
#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"
#include "core/file.h"
#include "core/str.h"
#include "core/thread.h"
#include "gpu/front/front.h"
#include "gpu/gpu_test.h"
#include <stdio.h>
#include <string.h>

static const char *label_of(const struct weft_pipeline_desc *d) { return d->label ? d->label : "pipeline"; }

static weft_status check_bindings(const struct weft_gpu_caps *caps, const struct weft_pipeline_desc *d) {
    uint32_t storage = 0, uniforms = 0;
    if (d->n_bindings > 16)
        return weft_fail(WEFT_ERR_INVALID, "pipeline '%s': %u bindings, at most 16", label_of(d), d->n_bindings);
    for (uint32_t i = 0; i < d->n_bindings; i++) {
        if (d->kinds[i] > WEFT_BIND_READ_WRITE)
            return weft_fail(WEFT_ERR_INVALID, "pipeline '%s': binding %u has no such kind (%u)", label_of(d), i,
                             d->kinds[i]);
        if (d->kinds[i] == WEFT_BIND_UNIFORM) uniforms++;
        else storage++;
    }
    if (uniforms > 1)
        return weft_fail(WEFT_ERR_INVALID, "pipeline '%s': %u uniform bindings, at most one", label_of(d), uniforms);
    if (storage > caps->max_storage_buffers)
        return weft_fail(WEFT_ERR_LIMIT, "pipeline '%s': %u storage bindings, the device allows %u", label_of(d),
                         storage, caps->max_storage_buffers);
    if (uniforms && d->uniform_size > caps->max_uniform_binding)
        return weft_fail(WEFT_ERR_LIMIT, "pipeline '%s': a uniform block of %u bytes, the device allows %u",
                         label_of(d), d->uniform_size, caps->max_uniform_binding);
    return WEFT_OK;
}

static weft_status check_workgroup(const struct weft_gpu_caps *caps, const struct weft_pipeline_desc *d) {
    const uint32_t *w = d->workgroup;
    const uint32_t max[3] = {caps->max_workgroup_x, caps->max_workgroup_y, caps->max_workgroup_z};
    for (int i = 0; i < 3; i++) {
        if (w[i] == 0)
            return weft_fail(WEFT_ERR_INVALID, "pipeline '%s': workgroup %u x %u x %u", label_of(d), w[0], w[1], w[2]);
        if (w[i] > max[i])
            return weft_fail(WEFT_ERR_LIMIT, "pipeline '%s': workgroup %u x %u x %u, the device allows %u x %u x %u",
                             label_of(d), w[0], w[1], w[2], max[0], max[1], max[2]);
    }
    uint64_t invocations = (uint64_t)w[0] * w[1] * w[2];
    if (invocations > caps->max_invocations)
        return weft_fail(WEFT_ERR_LIMIT, "pipeline '%s': %llu invocations a workgroup, the device allows %u",
                         label_of(d), (unsigned long long)invocations, caps->max_invocations);
    if (d->workgroup_memory > caps->workgroup_memory)
        return weft_fail(WEFT_ERR_LIMIT, "pipeline '%s': %u bytes of workgroup memory, the device allows %u",
                         label_of(d), d->workgroup_memory, caps->workgroup_memory);
    return WEFT_OK;
}

static weft_status check_desc(const struct weft_gpu_caps *caps, const struct weft_pipeline_desc *d) {
    if (!d->wgsl) return weft_fail(WEFT_ERR_INVALID, "pipeline '%s': no WGSL", label_of(d));
    WEFT_TRY(check_bindings(caps, d));
    return check_workgroup(caps, d);
}

// ---- layouts and keys -----------------------------------------------------------------------------------------------

static struct weft_gpu_layout pattern_of(const struct weft_pipeline_desc *d) {
    struct weft_gpu_layout l = {.n_bindings = d->n_bindings};
    for (uint32_t i = 0; i < d->n_bindings; i++) {
        l.kinds[i] = d->kinds[i];
        if (d->kinds[i] == WEFT_BIND_UNIFORM) l.uniform_size = (d->uniform_size + 15) / 16 * 16;
    }
    return l;
}

// Layouts are few, so a search in order is enough.
static weft_status layout_get(weft_gpu *gpu, const struct weft_pipeline_desc *d, uint32_t *index) {
    struct weft_gpu_layout pattern = pattern_of(d);
    for (size_t i = 0; i < gpu->n_layouts; i++)
        if (memcmp(&gpu->layouts[i].pattern, &pattern, sizeof pattern) == 0) {
            *index = (uint32_t)i;
            return WEFT_OK;
        }
    if (!weft_gpu_grow(gpu, (void **)&gpu->layouts, &gpu->cap_layouts, gpu->n_layouts + 1, sizeof *gpu->layouts))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for a bind group layout");
    struct weft_gpu_layout_slot *slot = &gpu->layouts[gpu->n_layouts];
    slot->pattern = pattern;
    WEFT_TRY(weft_gpu_inject_now(gpu, WEFT_GPU_AT_LAYOUT, "layout"));
    WEFT_TRY(gpu->backend->layout_make(gpu->dev, &pattern, &slot->obj));
    *index = (uint32_t)gpu->n_layouts++;
    return WEFT_OK;
}

// The key of a pipeline is its layout, entry point and text.
static void key_of(struct weft_str *key, uint32_t layout, const struct weft_pipeline_desc *d) {
    weft_str_addf(key, "%u %s\n", layout, d->entry ? d->entry : "main");
    weft_str_add(key, d->wgsl);
}

// Finds the entry of a description or claims a new one; *mine is true if the caller must build it.
static weft_status claim(weft_gpu *gpu, const struct weft_pipeline_desc *d, weft_pipeline *out, bool *mine) {
    *mine = false;
    WEFT_TRY(check_desc(&gpu->caps, d));
    WEFT_TRY(weft_gpu_lost(gpu));
    uint32_t layout = 0;
    WEFT_TRY(layout_get(gpu, d, &layout));
    struct weft_str key = {0};
    gpu->counters.allocs++;
    key_of(&key, layout, d);
    uint64_t index = gpu->n_pipes;
    weft_status status = WEFT_OK;
    if (key.failed) {
        status = weft_fail(WEFT_ERR_NOMEM, "out of memory for pipeline '%s'", label_of(d));
    } else if (!weft_map_get(&gpu->pipe_map, key.data, key.len, &index)) {
        gpu->counters.allocs++;
        if (!weft_gpu_grow(gpu, (void **)&gpu->pipes, &gpu->cap_pipes, gpu->n_pipes + 1, sizeof *gpu->pipes) ||
            !weft_map_set(&gpu->pipe_map, key.data, key.len, index)) {
            status = weft_fail(WEFT_ERR_NOMEM, "out of memory for pipeline '%s'", label_of(d));
        } else {
            struct weft_gpu_pipe_slot *p = &gpu->pipes[gpu->n_pipes++];
            *p = (struct weft_gpu_pipe_slot){.layout = layout};
            snprintf(p->label, sizeof p->label, "%s", label_of(d));
        }
    }
    weft_str_free(&key);
    if (status != WEFT_OK) return status;
    // An entry that failed before is tried again: the reason may have been memory.
    if (gpu->pipes[index].state == WEFT_GPU_BUILD_FAILED) {
        gpu->pipes[index].state = WEFT_GPU_BUILD_PENDING;
        *mine = true;
    }
    *out = (weft_pipeline){(uint32_t)index + 1, gpu->generation};
    return WEFT_OK;
}

// ---- building -------------------------------------------------------------------------------------------------------

// True if the device was opened again since the entry was claimed; then the entry is no more.
static bool is_stale(const weft_gpu *gpu, weft_pipeline pipeline) { return pipeline.gen != gpu->generation; }

static weft_status lost_meanwhile(void) {
    return weft_fail(WEFT_ERR_LOST, "the device was lost while pipelines were made");
}

// Without the lock. While `building` is above 0 the device is not opened again.
static weft_status build(weft_gpu *gpu, const struct weft_pipeline_desc *d, weft_pipeline pipeline) {
    weft_gpu_lock(gpu);
    if (is_stale(gpu, pipeline)) {
        weft_gpu_unlock(gpu);
        return weft_fail_in(lost_meanwhile(), "pipeline '%s'", label_of(d));
    }
    void *layout = gpu->layouts[gpu->pipes[pipeline.id - 1].layout].obj;
    weft_status status = weft_gpu_inject_now(gpu, WEFT_GPU_AT_PIPELINE, "no pipeline");
    gpu->building++;
    weft_gpu_unlock(gpu);
    void *obj = NULL;
    if (status == WEFT_OK) status = gpu->backend->pipeline_make(gpu->dev, layout, d, &obj);
    weft_gpu_lock(gpu);
    gpu->building--;
    struct weft_gpu_pipe_slot *p = &gpu->pipes[pipeline.id - 1];
    p->obj = obj;
    p->state = status == WEFT_OK ? WEFT_GPU_BUILD_READY : WEFT_GPU_BUILD_FAILED;
    if (status == WEFT_OK) gpu->counters.pipelines_made++;
    // A lost device makes every creation fail; that is the better reason.
    else if (status == WEFT_ERR_DEVICE && gpu->backend->lost(gpu->dev)) status = weft_gpu_lost(gpu);
    weft_gpu_unlock(gpu);
    return weft_fail_in(status, "pipeline '%s'", label_of(d));
}

struct many {
    weft_gpu *gpu;
    const struct weft_pipeline_desc *descs;
    weft_pipeline *out;
    size_t count;
    size_t *todo, n_todo; // what this call builds
    _Atomic bool *tried;
    _Atomic size_t done;
    pthread_t caller;
    size_t reported; // by the caller's thread
    void (*progress)(void *user, size_t done, size_t total);
    void *user;
};

static void report(struct many *m, size_t done) {
    if (!m->progress || done <= m->reported) return;
    m->reported = done;
    m->progress(m->user, done, m->count);
}

static weft_status build_one(void *user, size_t i) {
    struct many *m = user;
    size_t at = m->todo[i];
    WEFT_TRY(weft_cancel_check());
    m->tried[i] = true;
    WEFT_TRY(build(m->gpu, &m->descs[at], m->out[at]));
    size_t done = atomic_fetch_add(&m->done, 1) + 1;
    if (pthread_equal(pthread_self(), m->caller)) report(m, done);
    return WEFT_OK;
}

// Entries that were claimed and not tried, because another one failed first, are given back.
static void unclaim(struct many *m) {
    weft_gpu_lock(m->gpu);
    for (size_t i = 0; i < m->n_todo; i++)
        if (!m->tried[i] && !is_stale(m->gpu, m->out[m->todo[i]]))
            m->gpu->pipes[m->out[m->todo[i]].id - 1].state = WEFT_GPU_BUILD_FAILED;
    weft_gpu_unlock(m->gpu);
}

// Claims what nobody builds yet, and what others failed to build: the reason may have been theirs.
static weft_status claim_all(struct many *m) {
    weft_status status = WEFT_OK;
    size_t ready = 0;
    m->n_todo = 0;
    weft_gpu_lock(m->gpu);
    for (size_t i = 0; status == WEFT_OK && i < m->count; i++) {
        bool mine;
        status = claim(m->gpu, &m->descs[i], &m->out[i], &mine);
        if (mine) m->tried[m->n_todo] = false;
        if (mine) m->todo[m->n_todo++] = i;
        ready += status == WEFT_OK && weft_gpu_pipe(m->gpu, m->out[i]);
    }
    weft_gpu_unlock(m->gpu);
    atomic_store(&m->done, ready);
    return status;
}

static weft_status build_claimed(struct many *m) {
    weft_status status = weft_cancel_check();
    if (status == WEFT_OK) status = claim_all(m);
    if (status == WEFT_OK) report(m, atomic_load(&m->done));
    if (status == WEFT_OK && m->n_todo == 1) status = build_one(m, 0);
    else if (status == WEFT_OK && m->n_todo) status = weft_parallel_for(m->n_todo, 0, build_one, m);
    if (m->n_todo) unclaim(m);
    return status;
}

// Counts what is there. *pending: others build some; *failed: they gave some up.
static weft_status look_at_all(struct many *m, size_t *ready, bool *pending, bool *failed) {
    weft_status status = WEFT_OK;
    *ready = 0;
    *pending = *failed = false;
    weft_gpu_lock(m->gpu);
    for (size_t i = 0; i < m->count && status == WEFT_OK; i++) {
        if (is_stale(m->gpu, m->out[i])) {
            status = weft_fail_in(lost_meanwhile(), "pipeline '%s'", label_of(&m->descs[i]));
            continue;
        }
        enum weft_gpu_build state = m->gpu->pipes[m->out[i].id - 1].state;
        *ready += state == WEFT_GPU_BUILD_READY;
        *pending |= state == WEFT_GPU_BUILD_PENDING;
        *failed |= state == WEFT_GPU_BUILD_FAILED;
    }
    weft_gpu_unlock(m->gpu);
    return status;
}

// Waits for what others build. *again: some of it is left to this call.
static weft_status await_others(struct many *m, bool *again) {
    for (double since = weft_now();;) {
        size_t ready;
        bool pending;
        WEFT_TRY(look_at_all(m, &ready, &pending, again));
        report(m, ready);
        if (!pending || *again) return WEFT_OK;
        WEFT_TRY(weft_gpu_stand_by(m->gpu, since));
    }
}

weft_status weft_pipeline_get(weft_gpu *gpu, const struct weft_pipeline_desc *desc, weft_pipeline *out) {
    return weft_pipeline_get_many(gpu, desc, 1, out, NULL, NULL);
}

weft_status weft_pipeline_get_many(weft_gpu *gpu, const struct weft_pipeline_desc *descs, size_t count,
                                   weft_pipeline *out, void (*progress)(void *user, size_t done, size_t total),
                                   void *user) {
    size_t one_todo;
    _Atomic bool one_tried;
    struct many m = {.gpu = gpu,
                     .descs = descs,
                     .out = out,
                     .count = count,
                     .todo = count == 1 ? &one_todo : weft_alloc(count * sizeof *m.todo),
                     .tried = count == 1 ? &one_tried : weft_calloc(count, sizeof *m.tried),
                     .caller = pthread_self(),
                     .progress = progress,
                     .user = user};
    weft_status status = WEFT_OK;
    if (!m.todo || !m.tried) status = weft_fail(WEFT_ERR_NOMEM, "out of memory for %zu pipelines", count);
    if (count) memset(out, 0, count * sizeof *out);
    weft_gpu_lock(gpu);
    if (count > 1) gpu->counters.allocs += 2;
    weft_gpu_unlock(gpu);
    for (bool again = count > 0; status == WEFT_OK && again;) {
        status = build_claimed(&m);
        if (status == WEFT_OK) status = await_others(&m, &again);
    }
    if (status != WEFT_OK && count) memset(out, 0, count * sizeof *out);
    if (count != 1) {
        weft_free(m.todo);
        weft_free((void *)m.tried);
    }
    return status;
}
