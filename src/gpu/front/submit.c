// Submits: everything is checked and resolved before anything is encoded.
#include "core/error.h"
#include "core/file.h"
#include "gpu/front/front.h"
#include "gpu/gpu_test.h"

static const char *label_of(const struct weft_gpu_step *s) { return s->label ? s->label : "step"; }

// ---- checks ---------------------------------------------------------------------------------------------------------

static weft_status resolve_copy(weft_gpu *gpu, const struct weft_gpu_copy *c, struct weft_gpu_move *out) {
    struct weft_gpu_buf_slot *src, *dst;
    if (c->src.id == 0) {
        WEFT_TRY(weft_gpu_buf_need(gpu, c->dst, "zero", &dst));
        WEFT_TRY(weft_gpu_buf_range(dst, "zero", c->dst_offset, c->size));
        if (dst->usage == WEFT_BUF_READBACK)
            return weft_fail(WEFT_ERR_INVALID, "zero: buffer '%s' is for reading back", dst->label);
        *out = (struct weft_gpu_move){.dst = dst->obj, .dst_offset = c->dst_offset, .size = c->size};
        return WEFT_OK;
    }
    WEFT_TRY(weft_gpu_buf_need(gpu, c->src, "copy from", &src));
    WEFT_TRY(weft_gpu_buf_need(gpu, c->dst, "copy to", &dst));
    if (src == dst)
        return weft_fail(WEFT_ERR_INVALID, "copy within buffer '%s': source and destination must be two buffers",
                         src->label);
    if (src->usage == WEFT_BUF_READBACK)
        return weft_fail(WEFT_ERR_INVALID, "copy from buffer '%s', which is for reading back", src->label);
    if (dst->mapped) return weft_fail(WEFT_ERR_INVALID, "copy to buffer '%s' while it is being read back", dst->label);
    WEFT_TRY(weft_gpu_buf_range(src, "copy from", c->src_offset, c->size));
    WEFT_TRY(weft_gpu_buf_range(dst, "copy to", c->dst_offset, c->size));
    *out = (struct weft_gpu_move){src->obj, dst->obj, c->src_offset, c->dst_offset, c->size};
    return WEFT_OK;
}

static weft_status resolve_copies(weft_gpu *gpu, const struct weft_gpu_copy *copies, size_t n,
                                  struct weft_gpu_move *out, size_t *n_out) {
    *n_out = 0;
    for (size_t i = 0; i < n; i++) {
        WEFT_TRY(resolve_copy(gpu, &copies[i], &out[*n_out]));
        if (copies[i].size) ++*n_out;
    }
    return WEFT_OK;
}

static weft_status check_uniform(const struct weft_gpu_step *s, const struct weft_gpu_group_slot *g) {
    if (g->uniform < 0) {
        if (s->uniform_offset == 0) return WEFT_OK;
        return weft_fail(WEFT_ERR_INVALID, "step '%s': uniform offset %u, but the kernel has no uniform block",
                         label_of(s), s->uniform_offset);
    }
    if (s->uniform_offset % WEFT_GPU_ALIGN)
        return weft_fail(WEFT_ERR_INVALID, "step '%s': uniform offset %u is not a multiple of %d", label_of(s),
                         s->uniform_offset, WEFT_GPU_ALIGN);
    if (s->uniform_offset + g->binds[g->uniform].size > g->uniform_space)
        return weft_fail(WEFT_ERR_INVALID, "step '%s': uniform offset %u leaves no room for a block of %llu bytes",
                         label_of(s), s->uniform_offset, (unsigned long long)g->binds[g->uniform].size);
    return WEFT_OK;
}

static weft_status find_group(weft_gpu *gpu, const struct weft_gpu_step *s, struct weft_gpu_group_slot **out) {
    if (s->group.id == 0 || s->group.id > gpu->n_groups)
        return weft_fail(WEFT_ERR_STALE, "step '%s': there is no bind group %u", label_of(s), s->group.id);
    struct weft_gpu_group_slot *g = &gpu->groups[s->group.id - 1];
    if (!g->live && !g->ended_by[0])
        return weft_fail(WEFT_ERR_STALE, "step '%s': its bind group went with the device that was lost; bind again",
                         label_of(s));
    if (!g->live || g->gen != s->group.gen)
        return weft_fail(WEFT_ERR_STALE, "step '%s': its bind group ended when buffer '%s' was released; bind again",
                         label_of(s), g->ended_by);
    *out = g;
    return WEFT_OK;
}

static weft_status resolve_step(weft_gpu *gpu, const struct weft_gpu_step *s, struct weft_gpu_dispatch *out) {
    const struct weft_gpu_pipe_slot *p = weft_gpu_pipe(gpu, s->pipeline);
    if (!p) return weft_fail(WEFT_ERR_STALE, "step '%s': there is no pipeline %u", label_of(s), s->pipeline.id);
    struct weft_gpu_group_slot *g = NULL;
    WEFT_TRY(find_group(gpu, s, &g));
    if (g->layout != p->layout)
        return weft_fail(WEFT_ERR_INVALID, "step '%s': its bind group was made for another layout than pipeline '%s'",
                         label_of(s), p->label);
    WEFT_TRY(check_uniform(s, g));
    for (int i = 0; i < 3; i++)
        if (s->grid[i] > gpu->caps.max_groups)
            return weft_fail(WEFT_ERR_LIMIT, "step '%s': grid %u x %u x %u, the device allows %u a dimension",
                             label_of(s), s->grid[0], s->grid[1], s->grid[2], gpu->caps.max_groups);
    *out = (struct weft_gpu_dispatch){.pipeline = p->obj,
                                      .group = g->obj,
                                      .has_uniform = g->uniform >= 0,
                                      .uniform_offset = s->uniform_offset,
                                      .grid = {s->grid[0], s->grid[1], s->grid[2]}};
    return gpu->profile ? weft_gpu_profile_row_of(gpu, label_of(s), &out->row) : WEFT_OK;
}

static weft_status resolve_steps(weft_gpu *gpu, const struct weft_gpu_step *steps, size_t n, size_t *n_out) {
    *n_out = 0;
    for (size_t i = 0; i < n; i++) {
        WEFT_TRY(resolve_step(gpu, &steps[i], &gpu->dispatches[*n_out]));
        if (steps[i].grid[0] && steps[i].grid[1] && steps[i].grid[2]) ++*n_out;
    }
    return WEFT_OK;
}

static weft_status resolve(weft_gpu *gpu, const struct weft_gpu_submit *s, struct weft_gpu_work *work) {
    size_t n_moves = s->n_before + s->n_after;
    if (!weft_gpu_grow(gpu, (void **)&gpu->moves, &gpu->cap_moves, n_moves, sizeof *gpu->moves) ||
        !weft_gpu_grow(gpu, (void **)&gpu->dispatches, &gpu->cap_dispatches, s->n_steps, sizeof *gpu->dispatches))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for a submit of %zu steps", s->n_steps);
    WEFT_TRY(resolve_copies(gpu, s->before, s->n_before, gpu->moves, &work->n_before));
    WEFT_TRY(resolve_steps(gpu, s->steps, s->n_steps, &work->n_steps));
    WEFT_TRY(resolve_copies(gpu, s->after, s->n_after, gpu->moves + s->n_before, &work->n_after));
    work->before = gpu->moves;
    work->steps = gpu->dispatches;
    work->after = gpu->moves ? gpu->moves + s->n_before : NULL;
    work->profile = gpu->profile;
    return WEFT_OK;
}

// ---- submitting -----------------------------------------------------------------------------------------------------

static void count_submit(weft_gpu *gpu, const struct weft_gpu_work *work) {
    struct weft_gpu_counters *c = &gpu->counters;
    c->submits++;
    c->passes += work->profile ? work->n_steps : work->n_steps > 0;
    c->dispatches += work->n_steps;
    c->copies += work->n_before + work->n_after;
    c->encode_seconds += work->encode_seconds;
    c->submit_seconds += work->submit_seconds;
}

// Bounds how far the host runs ahead. The lock is given up while it waits.
static weft_status wait_for_slot(weft_gpu *gpu) {
    weft_gpu_advance(gpu);
    while (gpu->serial - gpu->finished >= WEFT_GPU_IN_FLIGHT)
        WEFT_TRY(weft_gpu_wait_tick(gpu, gpu->tick_of[(gpu->finished + 1) % WEFT_GPU_TICKS]));
    return WEFT_OK;
}

weft_status weft_gpu_submit(weft_gpu *gpu, const struct weft_gpu_submit *submit, uint64_t *serial) {
    struct weft_gpu_work work = {0};
    weft_gpu_lock(gpu);
    weft_status status = weft_gpu_lost(gpu);
    if (status == WEFT_OK) status = wait_for_slot(gpu);
    if (status == WEFT_OK) status = resolve(gpu, submit, &work);
    if (status == WEFT_OK) status = weft_gpu_submit_work(gpu, &work);
    if (status == WEFT_OK) {
        gpu->tick_of[++gpu->serial % WEFT_GPU_TICKS] = gpu->tick;
        weft_gpu_note_flight(gpu, gpu->serial, submit->steps, submit->n_steps);
        if (serial) *serial = gpu->serial;
        count_submit(gpu, &work);
    }
    weft_gpu_unlock(gpu);
    return status;
}
