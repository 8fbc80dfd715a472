// Bind groups: WebGPU's rules on usage, overlap, alignment and size, and a cache that forgets a group when
// a buffer of it is released.
#include "core/error.h"
#include "gpu/front/front.h"
#include "gpu/gpu_test.h"
#include <stdio.h>
#include <string.h>

static bool overlap(const struct weft_bind *a, const struct weft_bind *b) {
    return a->offset < b->offset + b->size && b->offset < a->offset + a->size;
}

static weft_status check_size(const weft_gpu *gpu, const char *what, const struct weft_gpu_layout *l, uint32_t i,
                              const struct weft_bind *bind) {
    bool uniform = l->kinds[i] == WEFT_BIND_UNIFORM;
    uint64_t max = uniform ? gpu->caps.max_uniform_binding : gpu->caps.max_binding;
    if (bind->size > max)
        return weft_fail(WEFT_ERR_LIMIT, "%s: %llu bytes are more than a %s binding may have (%llu)", what,
                         (unsigned long long)bind->size, uniform ? "uniform" : "storage", (unsigned long long)max);
    if (bind->size == 0 || (uniform && bind->size < l->uniform_size))
        return weft_fail(WEFT_ERR_INVALID, "%s: %llu bytes are fewer than the kernel needs (%u)", what,
                         (unsigned long long)bind->size, uniform ? l->uniform_size : 4);
    if (bind->offset % WEFT_GPU_ALIGN)
        return weft_fail(WEFT_ERR_INVALID, "%s: offset %llu is not a multiple of %d", what,
                         (unsigned long long)bind->offset, WEFT_GPU_ALIGN);
    return WEFT_OK;
}

static weft_status check_bind(weft_gpu *gpu, const char *label, const struct weft_gpu_layout *l, uint32_t i,
                              const struct weft_bind *bind) {
    char what[WEFT_GPU_LABEL + 40];
    snprintf(what, sizeof what, "pipeline '%s', binding %u", label, i);
    struct weft_gpu_buf_slot *b;
    WEFT_TRY(weft_gpu_buf_need(gpu, bind->buf, what, &b));
    bool uniform = l->kinds[i] == WEFT_BIND_UNIFORM;
    bool fits = uniform ? b->usage == WEFT_BUF_UNIFORM : b->usage == WEFT_BUF_STORAGE || b->usage == WEFT_BUF_INDIRECT;
    if (!fits)
        return weft_fail(WEFT_ERR_INVALID, "%s: buffer '%s' was not made for %s use", what, b->label,
                         uniform ? "uniform" : "storage");
    WEFT_TRY(check_size(gpu, what, l, i, bind));
    return weft_gpu_buf_range(b, what, bind->offset, bind->size);
}

// Usage is checked by whole buffer (a buffer that is written has no other use in the dispatch), overlap by range.
static weft_status check_pair(weft_gpu *gpu, const char *label, const struct weft_gpu_layout *l, uint32_t i, uint32_t j,
                              const struct weft_bind *binds) {
    if (binds[i].buf.id != binds[j].buf.id) return WEFT_OK;
    bool wi = l->kinds[i] == WEFT_BIND_READ_WRITE, wj = l->kinds[j] == WEFT_BIND_READ_WRITE;
    const char *name = weft_gpu_buf(gpu, binds[i].buf)->label;
    if (wi != wj)
        return weft_fail(WEFT_ERR_INVALID,
                         "pipeline '%s': buffer '%s' is bound read at %u and read_write at %u; bind both "
                         "read_write over separate ranges",
                         label, name, wi ? j : i, wi ? i : j);
    if (wi && overlap(&binds[i], &binds[j]))
        return weft_fail(WEFT_ERR_INVALID, "pipeline '%s': bindings %u and %u write overlapping ranges of buffer '%s'",
                         label, i, j, name);
    return WEFT_OK;
}

static weft_status check_binds(weft_gpu *gpu, const char *label, const struct weft_gpu_layout *l,
                               const struct weft_bind *binds, uint32_t count) {
    if (count != l->n_bindings)
        return weft_fail(WEFT_ERR_INVALID, "pipeline '%s' has %u bindings, %u were given", label, l->n_bindings, count);
    for (uint32_t i = 0; i < count; i++) WEFT_TRY(check_bind(gpu, label, l, i, &binds[i]));
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = i + 1; j < count; j++) WEFT_TRY(check_pair(gpu, label, l, i, j, binds));
    return WEFT_OK;
}

// ---- the cache ------------------------------------------------------------------------------------------------------

struct key {
    uint32_t layout, count;
    struct weft_bind binds[16];
};

static size_t key_of(struct key *k, uint32_t layout, const struct weft_bind *binds, uint32_t count) {
    memset(k, 0, sizeof *k);
    k->layout = layout;
    k->count = count;
    if (count) memcpy(k->binds, binds, count * sizeof *binds);
    return offsetof(struct key, binds) + count * sizeof *binds;
}

static uint32_t slot_take(weft_gpu *gpu) {
    if (gpu->free_group) {
        uint32_t id = gpu->free_group;
        gpu->free_group = gpu->groups[id - 1].next_free;
        return id;
    }
    if (!weft_gpu_grow(gpu, (void **)&gpu->groups, &gpu->cap_groups, gpu->n_groups + 1, sizeof *gpu->groups)) return 0;
    memset(&gpu->groups[gpu->n_groups], 0, sizeof *gpu->groups);
    return (uint32_t)++gpu->n_groups;
}

static void slot_give(weft_gpu *gpu, uint32_t id) {
    gpu->groups[id - 1].live = false;
    gpu->groups[id - 1].next_free = gpu->free_group;
    gpu->free_group = id;
}

static void fill_slot(weft_gpu *gpu, struct weft_gpu_group_slot *g, uint32_t layout, const struct weft_bind *binds,
                      uint32_t count) {
    const struct weft_gpu_layout *l = &gpu->layouts[layout].pattern;
    g->layout = layout;
    g->count = count;
    g->uniform = -1;
    g->uniform_space = 0;
    for (uint32_t i = 0; i < count; i++) {
        g->binds[i] = binds[i];
        if (l->kinds[i] != WEFT_BIND_UNIFORM) continue;
        g->uniform = (int)i;
        g->uniform_space = weft_gpu_buf(gpu, binds[i].buf)->size - binds[i].offset;
    }
}

static weft_status group_new(weft_gpu *gpu, uint32_t layout, const struct weft_bind *binds, uint32_t count,
                             uint32_t *id) {
    struct weft_gpu_range ranges[16];
    for (uint32_t i = 0; i < count; i++)
        ranges[i] = (struct weft_gpu_range){weft_gpu_buf(gpu, binds[i].buf)->obj, binds[i].offset, binds[i].size};
    *id = slot_take(gpu);
    if (!*id) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a bind group");
    void *obj = NULL;
    const struct weft_gpu_layout_slot *l = &gpu->layouts[layout];
    weft_status status = weft_gpu_inject_now(gpu, WEFT_GPU_AT_GROUP, "bind group");
    if (status == WEFT_OK) status = gpu->backend->group_make(gpu->dev, l->obj, &l->pattern, ranges, &obj);
    if (status != WEFT_OK) {
        slot_give(gpu, *id);
        return status;
    }
    struct weft_gpu_group_slot *g = &gpu->groups[*id - 1];
    fill_slot(gpu, g, layout, binds, count);
    g->obj = obj;
    g->gen++;
    g->live = true;
    gpu->counters.groups_made++;
    gpu->counters.groups_live++;
    return WEFT_OK;
}

static weft_status group_get(weft_gpu *gpu, weft_pipeline pipeline, const struct weft_bind *binds, uint32_t count,
                             weft_bindgroup *out) {
    const struct weft_gpu_pipe_slot *p = weft_gpu_pipe(gpu, pipeline);
    if (!p) return weft_fail(WEFT_ERR_INVALID, "bind group: there is no pipeline %u", pipeline.id);
    WEFT_TRY(check_binds(gpu, p->label, &gpu->layouts[p->layout].pattern, binds, count));
    WEFT_TRY(weft_gpu_lost(gpu));
    struct key key;
    size_t len = key_of(&key, p->layout, binds, count);
    uint64_t found;
    if (weft_map_get(&gpu->group_map, &key, len, &found)) {
        *out = (weft_bindgroup){(uint32_t)found, gpu->groups[found - 1].gen};
        return WEFT_OK;
    }
    uint32_t id;
    weft_status status = group_new(gpu, p->layout, binds, count, &id);
    if (status != WEFT_OK) return weft_fail_in(status, "pipeline '%s'", p->label);
    gpu->counters.allocs++;
    // A group that does not fit into the map is lost to the cache but still counts as live until a buffer goes.
    (void)weft_map_set(&gpu->group_map, &key, len, id);
    *out = (weft_bindgroup){id, gpu->groups[id - 1].gen};
    return WEFT_OK;
}

weft_status weft_bindgroup_get(weft_gpu *gpu, weft_pipeline pipeline, const struct weft_bind *binds, uint32_t count,
                               weft_bindgroup *out) {
    *out = (weft_bindgroup){0};
    weft_gpu_lock(gpu);
    weft_status status = group_get(gpu, pipeline, binds, count, out);
    weft_gpu_unlock(gpu);
    return status;
}

static bool touches(const struct weft_gpu_group_slot *g, weft_buf buf) {
    for (uint32_t i = 0; i < g->count; i++)
        if (g->binds[i].buf.id == buf.id) return true;
    return false;
}

/// `ended_by` is the buffer that it went with, for whoever still uses it; NULL: nobody does.
static void group_drop(weft_gpu *gpu, uint32_t id, const char *ended_by) {
    struct weft_gpu_group_slot *g = &gpu->groups[id - 1];
    struct key key;
    size_t len = key_of(&key, g->layout, g->binds, g->count);
    weft_map_remove(&gpu->group_map, &key, len);
    weft_gpu_free_later(gpu, g->obj, gpu->backend->group_free);
    g->obj = NULL;
    snprintf(g->ended_by, sizeof g->ended_by, "%s", ended_by ? ended_by : "");
    gpu->counters.groups_live--;
    slot_give(gpu, id);
}

void weft_bindgroup_forget(weft_gpu *gpu, weft_bindgroup group) {
    weft_gpu_lock(gpu);
    struct weft_gpu_group_slot *g = group.id && group.id <= gpu->n_groups ? &gpu->groups[group.id - 1] : NULL;
    if (g && g->live && g->gen == group.gen) group_drop(gpu, group.id, NULL);
    weft_gpu_unlock(gpu);
}

void weft_gpu_groups_drop(weft_gpu *gpu, weft_buf buf) {
    for (size_t i = 0; i < gpu->n_groups; i++)
        if (gpu->groups[i].live && touches(&gpu->groups[i], buf))
            group_drop(gpu, (uint32_t)i + 1, weft_gpu_buf(gpu, buf)->label);
}
