// The tables of objects: handles to slots, the sentences for handles whose object is gone, and freeing all of them.
#include "core/alloc.h"
#include "core/error.h"
#include "core/log.h"
#include "gpu/front/front.h"
#include <string.h>

bool weft_gpu_grow(weft_gpu *gpu, void **items, size_t *cap, size_t need, size_t size) {
    if (need <= *cap) return true;
    gpu->counters.allocs++;
    return weft_grow(items, cap, need, size) != 0;
}

struct weft_gpu_buf_slot *weft_gpu_buf(weft_gpu *gpu, weft_buf buf) {
    if (buf.id == 0 || buf.id > gpu->n_bufs) return NULL;
    struct weft_gpu_buf_slot *b = &gpu->bufs[buf.id - 1];
    return b->live && b->gen == buf.gen ? b : NULL;
}

weft_status weft_gpu_buf_need(weft_gpu *gpu, weft_buf buf, const char *what, struct weft_gpu_buf_slot **out) {
    *out = weft_gpu_buf(gpu, buf);
    if (*out) return WEFT_OK;
    if (buf.id == 0 || buf.id > gpu->n_bufs)
        return weft_fail(WEFT_ERR_STALE, "%s: there is no buffer %u", what, buf.id);
    struct weft_gpu_buf_slot *b = &gpu->bufs[buf.id - 1];
    if (b->lost) return weft_fail(WEFT_ERR_STALE, "%s: buffer '%s' went with the device that was lost", what, b->label);
    if (!b->live) return weft_fail(WEFT_ERR_STALE, "%s: buffer '%s' has been released", what, b->label);
    return weft_fail(WEFT_ERR_STALE, "%s: the buffer has been released; its place now holds '%s'", what, b->label);
}

weft_status weft_gpu_buf_range(const struct weft_gpu_buf_slot *b, const char *what, uint64_t offset, uint64_t size) {
    if (offset % 4 || size % 4)
        return weft_fail(WEFT_ERR_INVALID, "%s: offset %llu and size %llu in buffer '%s' must be multiples of 4", what,
                         (unsigned long long)offset, (unsigned long long)size, b->label);
    if (offset > b->size || size > b->size - offset)
        return weft_fail(WEFT_ERR_INVALID, "%s: bytes %llu to %llu are outside buffer '%s' of %llu bytes", what,
                         (unsigned long long)offset, (unsigned long long)(offset + size), b->label,
                         (unsigned long long)b->size);
    return WEFT_OK;
}

struct weft_gpu_pipe_slot *weft_gpu_pipe(weft_gpu *gpu, weft_pipeline pipeline) {
    if (pipeline.gen != gpu->generation || pipeline.id == 0 || pipeline.id > gpu->n_pipes) return NULL;
    struct weft_gpu_pipe_slot *p = &gpu->pipes[pipeline.id - 1];
    return p->state == WEFT_GPU_BUILD_READY ? p : NULL;
}

// ---- freeing --------------------------------------------------------------------------------------------------------

// The objects of a kind: freed unless they are left to a device that hangs.
static void free_groups(weft_gpu *gpu, bool leave) {
    for (size_t i = 0; i < gpu->n_groups; i++) {
        struct weft_gpu_group_slot *g = &gpu->groups[i];
        if (!g->live) continue;
        if (!leave) gpu->backend->group_free(gpu->dev, g->obj);
        g->obj = NULL;
        g->live = false;
        g->ended_by[0] = 0;
        g->next_free = gpu->free_group;
        gpu->free_group = (uint32_t)i + 1;
    }
    weft_map_free(&gpu->group_map);
    gpu->counters.groups_live = 0;
}

static void free_pipelines(weft_gpu *gpu, bool leave) {
    const struct weft_gpu_backend *b = gpu->backend;
    for (size_t i = 0; !leave && i < gpu->n_pipes; i++)
        if (gpu->pipes[i].state == WEFT_GPU_BUILD_READY) b->pipeline_free(gpu->dev, gpu->pipes[i].obj);
    for (size_t i = 0; !leave && i < gpu->n_layouts; i++) b->layout_free(gpu->dev, gpu->layouts[i].obj);
    gpu->n_pipes = gpu->n_layouts = 0;
    weft_map_free(&gpu->pipe_map);
}

static void free_bufs(weft_gpu *gpu, bool leave) {
    for (size_t i = 0; i < gpu->n_bufs; i++) {
        struct weft_gpu_buf_slot *b = &gpu->bufs[i];
        if (!b->live) continue;
        if (!leave) gpu->backend->buf_free(gpu->dev, b->obj);
        b->obj = NULL;
        b->live = b->mapped = false;
        b->lost = true;
        b->next_free = gpu->free_buf;
        gpu->free_buf = (uint32_t)i + 1;
    }
    for (size_t i = 0; i < WEFT_GPU_READBACKS; i++) gpu->reads[i].used = gpu->reads[i].own = false;
    gpu->counters.buffers_live = gpu->counters.buffer_bytes_live = 0;
    memset(gpu->counters.bytes_for, 0, sizeof gpu->counters.bytes_for);
}

void weft_gpu_free_objects(weft_gpu *gpu) {
    bool leave = weft_gpu_left(gpu);
    if (leave)
        weft_log(WEFT_LOG_WARN, "gpu: %s never finished its work; what it holds is left behind", gpu->caps.adapter);
    for (size_t i = 0; !leave && i < gpu->n_deferred; i++) gpu->deferred[i].free_obj(gpu->dev, gpu->deferred[i].obj);
    gpu->n_deferred = 0;
    free_groups(gpu, leave);
    free_pipelines(gpu, leave);
    free_bufs(gpu, leave);
}

void weft_gpu_free_tables(weft_gpu *gpu) {
    for (size_t i = 0; i < gpu->n_rows; i++) weft_free(gpu->rows[i].label);
    weft_map_free(&gpu->row_map);
    weft_free(gpu->bufs);
    weft_free(gpu->layouts);
    weft_free(gpu->pipes);
    weft_free(gpu->groups);
    weft_free(gpu->deferred);
    weft_free(gpu->moves);
    weft_free(gpu->dispatches);
    weft_free(gpu->callbacks);
    weft_free(gpu->rows);
    weft_free(gpu->fill_words);
}
