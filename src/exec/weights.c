/// Weight shards: made once, repacked on the way in, shared by programs.
#include "core/alloc.h"
#include "core/error.h"
#include "exec/exec_impl.h"
#include <string.h>

#define CHUNK_BYTES (4u << 20)

weft_buf weft_shards_buf(const struct weft_shards *s, uint32_t shard)
{
    while (s && shard < s->base) s = s->parent;
    return s && shard - s->base < s->n ? s->bufs[shard - s->base] : (weft_buf){0, 0};
}

void weft_weight_source_end(struct weft_weight_source *source)
{
    if (source->release) source->release(source->user);
    *source = (struct weft_weight_source){0};
}

void weft_shards_forget_source(struct weft_shards *s, void *user)
{
    for (; s; s = s->parent)
        if (s->source.user == user) weft_weight_source_end(&s->source);
}

const char *weft_shards_lost(const struct weft_shards *s)
{
    for (; s; s = s->parent)
        if (s->lost_why[0]) return s->lost_why;
    return NULL;
}

static void drop_bufs(struct weft_shards *s)
{
    for (uint32_t i = 0; s->bufs && i < s->n; i++) weft_buf_release(s->gpu, &s->bufs[i]);
}

void weft_shards_release(struct weft_shards *s)
{
    while (s && atomic_fetch_sub(&s->refs, 1) == 1) {
        struct weft_shards *parent = s->parent;
        weft_gpu_undepend(s->gpu, &s->dependent);
        drop_bufs(s);
        weft_weight_source_end(&s->source);
        if (s->owns_plan) weft_plan_destroy(s->plan);
        weft_free(s->bufs);
        weft_free(s);
        s = parent;
    }
}

/// File bytes of a weight, checked against its type and shape.
static weft_status find_data(const struct weft_plan *plan, const struct weft_plan_weight *w,
                             const struct weft_weight_source *source, const void **data, uint64_t *bytes) {
    if (w->data) {
        *data = w->data;
        *bytes = w->data_bytes;
        return WEFT_OK;
    }
    const struct weft_value_info *info = &plan->graph->values[w->value];
    if (info->data || info->kind == WEFT_VALUE_CONST) { // an empty constant has no bytes
        *data = info->data;
        *bytes = info->data_size;
    } else if (source->get) {
        WEFT_TRY(source->get(source->user, w->name, data, bytes));
    } else {
        return weft_fail(WEFT_ERR_INVALID, "weight '%s' has no data and the program was given no source", w->name);
    }
    uint64_t want = weft_dtype_bytes(w->dtype, w->rows * w->k);
    if (*bytes != want)
        return weft_fail(WEFT_ERR_FORMAT, "weight '%s' (%s, %llu x %llu) has %llu bytes, expected %llu", w->name,
                         weft_dtype_name(w->dtype), (unsigned long long)w->rows, (unsigned long long)w->k,
                         (unsigned long long)*bytes, (unsigned long long)want);
    return WEFT_OK;
}

static weft_status upload_plain(weft_gpu *gpu, const struct weft_shards *s, const struct weft_plan_weight *w,
                                const void *data, uint64_t bytes) {
    weft_buf buf = weft_shards_buf(s, w->parts[0].shard);
    if (w->dtype != WEFT_F16 && w->dtype != WEFT_BF16)
        return bytes ? weft_buf_write(gpu, buf, w->parts[0].offset, data, bytes) : WEFT_OK;
    uint64_t n = w->rows * w->k;
    float *words = weft_alloc(n * sizeof *words);
    if (!words) return weft_fail(WEFT_ERR_NOMEM, "out of memory while loading weight '%s'", w->name);
    weft_dtype_info(w->dtype)->decode_f32(data, (int64_t)n, words);
    weft_status status = weft_buf_write(gpu, buf, w->parts[0].offset, words, n * sizeof *words);
    weft_free(words);
    return status;
}

static weft_status upload_part(weft_gpu *gpu, const struct weft_shards *s, const struct weft_plan_weight *w,
                               const struct weft_weight_part *part, const uint8_t *data, uint8_t *staging,
                               uint64_t chunk_rows) {
    for (uint64_t row = 0; row < part->rows; row += chunk_rows) {
        uint64_t rows = part->rows - row < chunk_rows ? part->rows - row : chunk_rows;
        uint8_t *planes[WEFT_PLANE_COUNT] = {0}, *at = staging;
        for (int p = 0; p < WEFT_PLANE_COUNT; p++) {
            planes[p] = at;
            at += (weft_wlayout_bytes(w->layout, p, rows, w->k) + 15) & ~(uint64_t)15;
        }
        memset(staging, 0, (size_t)(at - staging));
        weft_wlayout_repack(w->layout, data + weft_dtype_bytes(w->dtype, (part->row0 + row) * w->k), rows, w->k,
                            planes);
        for (int p = 0; p < WEFT_PLANE_COUNT; p++) {
            uint64_t bytes = weft_wlayout_bytes(w->layout, p, rows, w->k);
            if (bytes == 0) continue;
            uint64_t offset = part->offset + part->plane[p] + weft_wlayout_bytes(w->layout, p, row, w->k);
            WEFT_TRY(
                weft_buf_write(gpu, weft_shards_buf(s, part->shard), offset, planes[p], (bytes + 3) & ~(uint64_t)3));
        }
    }
    return WEFT_OK;
}

/// The bytes as they are; a last word that the part does not fill gets zeros.
static weft_status upload_raw(weft_gpu *gpu, const struct weft_shards *s, const struct weft_plan_weight *w,
                              const uint8_t *data) {
    for (uint32_t i = 0; i < w->n_parts; i++) {
        const struct weft_weight_part *part = &w->parts[i];
        uint64_t row = weft_dtype_bytes(w->dtype, w->k), bytes = part->rows * row, whole = bytes & ~(uint64_t)3;
        const uint8_t *from = data + part->row0 * row;
        weft_buf buf = weft_shards_buf(s, part->shard);
        for (uint64_t at = 0; at < whole; at += CHUNK_BYTES) {
            uint64_t n = whole - at < CHUNK_BYTES ? whole - at : CHUNK_BYTES;
            WEFT_TRY(weft_buf_write(gpu, buf, part->offset + at, from + at, n));
        }
        uint8_t last[4] = {0};
        if (bytes == whole) continue;
        memcpy(last, from + whole, bytes - whole);
        WEFT_TRY(weft_buf_write(gpu, buf, part->offset + whole, last, 4));
    }
    return WEFT_OK;
}

static weft_status upload(weft_gpu *gpu, const struct weft_plan *plan, const struct weft_shards *s,
                          const struct weft_plan_weight *w, const struct weft_weight_source *source) {
    const void *data;
    uint64_t bytes;
    WEFT_TRY(find_data(plan, w, source, &data, &bytes));
    if (w->raw) return upload_raw(gpu, s, w, data);
    if (!w->layout) return upload_plain(gpu, s, w, data, bytes);
    // Runs of 256 rows: every plane of a run starts on a whole word.
    uint64_t per_256 = 64;
    for (int p = 0; p < WEFT_PLANE_COUNT; p++) per_256 += weft_wlayout_bytes(w->layout, p, 256, w->k) + 16;
    uint64_t chunk_rows = CHUNK_BYTES / per_256 * 256;
    if (chunk_rows == 0) chunk_rows = 256;
    uint8_t *staging = weft_alloc(chunk_rows / 256 * per_256);
    if (!staging) return weft_fail(WEFT_ERR_NOMEM, "out of memory while loading weight '%s'", w->name);
    weft_status status = WEFT_OK;
    for (uint32_t i = 0; i < w->n_parts && status == WEFT_OK; i++)
        status = upload_part(gpu, s, w, &w->parts[i], data, staging, chunk_rows);
    weft_free(staging);
    return status;
}

bool weft_shards_need_source(const struct weft_shards *s)
{
    for (uint32_t i = 0; i < s->plan->n_weights; i++) {
        const struct weft_plan_weight *w = &s->plan->weights[i];
        if (w->n_parts && w->parts[0].shard < s->base) continue;
        if (!w->data && !s->plan->graph->values[w->value].data) return true;
    }
    return false;
}

weft_status weft_shards_load(struct weft_shards *s, const struct weft_program_params *params)
{
    const struct weft_plan *plan = s->plan;
    weft_status status = WEFT_OK;
    for (uint32_t i = 0; i < s->n && status == WEFT_OK; i++)
        status = weft_buf_make(s->gpu, WEFT_BUF_FOR_WEIGHTS, plan->shard_bytes[s->base + i], WEFT_BUF_STORAGE,
                               "weights", &s->bufs[i]);
    for (uint32_t i = 0; i < plan->n_weights && status == WEFT_OK; i++) {
        const struct weft_plan_weight *w = &plan->weights[i];
        if (w->n_parts && w->parts[0].shard < s->base) continue;
        status = upload(s->gpu, plan, s, w, &s->source);
        if (params && params->progress)
            params->progress(params->progress_user, WEFT_PROGRESS_WEIGHTS, i + 1, plan->n_weights);
    }
    if (status != WEFT_OK) drop_bufs(s);
    return status;
}

weft_status weft_shards_create(weft_gpu *gpu, struct weft_plan *plan, struct weft_shards *parent,
                               const struct weft_program_params *params, struct weft_shards **out) {
    struct weft_shards *s = weft_calloc(1, sizeof *s);
    struct weft_weight_source source = params->source;
    *out = NULL;
    if (!s) {
        weft_weight_source_end(&source);
        return weft_fail(WEFT_ERR_NOMEM, "out of memory while loading weights");
    }
    atomic_init(&s->refs, 1);
    s->gpu = gpu;
    s->plan = plan;
    s->source = source;
    s->base = plan->shared_shards;
    s->n = plan->n_shards - s->base;
    s->bufs = weft_calloc(s->n + 1, sizeof *s->bufs);
    if (parent) {
        atomic_fetch_add(&parent->refs, 1);
        s->parent = parent;
    }
    weft_status status = s->bufs ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory while loading weights");
    if (status == WEFT_OK) status = weft_shards_load(s, params);
    // What need only live during the call is used no more; the device may be lost, and then it is missed.
    if (!s->source.stays) weft_weight_source_end(&s->source);
    if (status != WEFT_OK) {
        weft_shards_release(s);
        return status;
    }
    s->dependent = (struct weft_gpu_dependent){
        .rank = WEFT_GPU_RANK_WEIGHTS, .remake = weft_shards_remake, .self = s};
    weft_gpu_depend(gpu, &s->dependent);
    *out = s;
    return WEFT_OK;
}
