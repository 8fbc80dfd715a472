/// Weight shards, which are made once, repacked on the way in, and shared by programs.
#include "core/alloc.h"
#include "core/error.h"
#include "exec/exec_impl.h"
#include <string.h>

#define CHUNK_BYTES (4u << 20)

weft_buf weft_shards_buf(const struct weft_shards *s, uint32_t shard) {
    while (s && shard < s->base) s = s->parent;
    return s && shard - s->base < s->n ? s->bufs[shard - s->base] : (weft_buf){0, 0};
}

void weft_weight_source_end(struct weft_weight_source *source) {
    if (source->release) source->release(source->user);
    *source = (struct weft_weight_source){0};
}

void weft_shards_forget_source(struct weft_shards *s, void *user) {
    for (; s; s = s->parent)
        if (s->source.user == user) weft_weight_source_end(&s->source);
}

const char *weft_shards_lost(const struct weft_shards *s) {
    for (; s; s = s->parent)
        if (s->lost_why[0]) return s->lost_why;
    return NULL;
}

static void drop_bufs(struct weft_shards *s) {
    for (uint32_t i = 0; s->bufs && i < s->n; i++) weft_buf_release(s->gpu, &s->bufs[i]);
}

void weft_shards_release(struct weft_shards *s) {
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

/// File bytes of a leaf, as many as its type and shape want.
static weft_status find_leaf(const struct weft_plan *plan, weft_value leaf, const struct weft_weight_source *source,
                             const uint8_t **data, uint64_t *want) {
    const struct weft_value_info *info = &plan->graph->values[leaf];
    const char *name = info->kind == WEFT_VALUE_CONST ? "constant" : info->name;
    const void *all = info->data;
    uint64_t bytes = info->data_size;
    if (!all && !source->get)
        return weft_fail(WEFT_ERR_INVALID, "weight '%s' has no data and the program was given no source", name);
    if (!all) WEFT_TRY(source->get(source->user, name, &all, &bytes));
    // More elements than can be counted (-1) are more than any file has.
    *want = weft_dtype_bytes(info->type.dtype, (uint64_t)weft_type_const_count(plan->graph->dims, &info->type));
    *data = all;
    if (bytes == *want) return WEFT_OK;
    struct weft_str type = {0};
    weft_type_print(plan->graph->dims, &info->type, &type);
    weft_status status = weft_fail(WEFT_ERR_FORMAT, "weight '%s' (%s) has %llu bytes, expected %llu", name,
                                   weft_str_get(&type), (unsigned long long)bytes, (unsigned long long)*want);
    weft_str_free(&type);
    return status;
}

/// File bytes of a weight from its form's first element on; of FROM_BOTH the numbers', and a copy of the scales, since
/// a source keeps what it gave only until it is asked again.
struct file_bytes {
    const uint8_t *data;
    uint8_t *scales;
};

static weft_status find_data(const struct weft_plan *plan, const struct weft_plan_weight *w,
                             const struct weft_weight_source *source, struct file_bytes *out) {
    *out = (struct file_bytes){.data = w->data};
    if (w->form == WEFT_FORM_TABLE) return WEFT_OK;
    uint64_t skip = weft_dtype_bytes(w->dtype, w->first), bytes;
    if (w->from == WEFT_FROM_BOTH) {
        WEFT_TRY(find_leaf(plan, w->pair.scales, source, &out->data, &bytes));
        skip = w->pair.scales_first * 4;
        out->scales = weft_alloc(bytes - skip + 1);
        if (!out->scales)
            return weft_fail(WEFT_ERR_NOMEM, "out of memory while loading weight '%s'", weft_weight_name(w));
        memcpy(out->scales, out->data + skip, bytes - skip);
        skip = w->pair.quants_first;
    }
    WEFT_TRY(find_leaf(plan, w->value, source, &out->data, &bytes));
    if (skip) out->data += skip;
    return WEFT_OK;
}

// ---- elements ------------------------------------------------------------------------------------------------------

/// n elements in file layout as an accessor reads them: truth as a byte of 0 or 1, quantised types as f32. Returns how
/// many bytes they take.
static uint64_t convert(weft_dtype dtype, const uint8_t *from, uint64_t n, void *to) {
    uint8_t *bytes = to;
    for (uint64_t i = 0; i < n && dtype == WEFT_BOOL; i++)
        bytes[i] = (from[4 * i] | from[4 * i + 1] | from[4 * i + 2] | from[4 * i + 3]) != 0;
    if (dtype == WEFT_BOOL) return n;
    weft_dtype_info(dtype)->decode_f32(from, (int64_t)n, to);
    return n * 4;
}

/// Writes bytes as they are. A last word that they do not fill is filled with zeros.
static weft_status upload_bytes(weft_gpu *gpu, weft_buf buf, uint64_t offset, const uint8_t *from, uint64_t bytes) {
    uint64_t whole = bytes & ~(uint64_t)3;
    uint8_t last[4] = {0};
    for (uint64_t at = 0; at < whole; at += CHUNK_BYTES)
        WEFT_TRY(weft_buf_write(gpu, buf, offset + at, from + at, whole - at < CHUNK_BYTES ? whole - at : CHUNK_BYTES));
    if (bytes == whole) return WEFT_OK;
    memcpy(last, from + whole, bytes - whole);
    return weft_buf_write(gpu, buf, offset + whole, last, 4);
}

static weft_status upload_elements(weft_gpu *gpu, const struct weft_shards *s, const struct weft_plan_weight *w,
                                   const struct file_bytes *file) {
    const struct weft_dtype_info *type = weft_dtype_info(w->dtype);
    weft_buf buf = weft_shards_buf(s, w->parts[0].shard);
    uint64_t n = w->rows * w->k, offset = w->parts[0].offset, most = CHUNK_BYTES / 4;
    bool leaf = w->from == WEFT_FROM_LEAF;
    if (!type->quantised && w->dtype != WEFT_BOOL && leaf)
        return upload_bytes(gpu, buf, offset, file->data, weft_dtype_bytes(w->dtype, n));
    uint8_t *chunk = weft_alloc((n < most ? n : most) * 4 + 1);
    if (!chunk) return weft_fail(WEFT_ERR_NOMEM, "out of memory while loading weight '%s'", weft_weight_name(w));
    weft_status status = WEFT_OK;
    for (uint64_t at = 0; at < n && status == WEFT_OK; at += most) {
        uint64_t some = n - at < most ? n - at : most, bytes = some * 4;
        if (leaf) bytes = convert(w->dtype, file->data + weft_dtype_bytes(w->dtype, at), some, chunk);
        else weft_wpair_decode(&w->pair, file->data, file->scales, w->first + at, some, (float *)(void *)chunk);
        status = upload_bytes(gpu, buf, offset + at * (bytes / some), chunk, bytes);
    }
    weft_free(chunk);
    return status;
}

/// Rows from `row` on, in planes of zeros.
static void repack_rows(const struct weft_plan_weight *w, const struct file_bytes *file, uint64_t row, uint64_t rows,
                        uint8_t *const planes[WEFT_PLANE_COUNT]) {
    const struct weft_wpair *p = &w->pair;
    uint64_t padded = (w->k + 31) / 32 * 32;
    switch (w->from) {
    case WEFT_FROM_LEAF:
        weft_wlayout_repack(w->layout, file->data + weft_dtype_bytes(w->dtype, row * w->k), rows, w->k, planes);
        return;
    case WEFT_FROM_QUANTS:
        weft_wpair_pack_quants(p, file->data + row * ((w->k + 1) / 2), rows, planes[WEFT_PLANE_Q]);
        return;
    case WEFT_FROM_SCALES:
        weft_wpair_pack_scales(p, file->data + 4 * row * (p->across ? 1 : p->stride), rows, planes[WEFT_PLANE_S]);
        return;
    case WEFT_FROM_BOTH: break;
    }
    for (uint64_t r = 0; r < rows; r++)
        weft_wpair_decode(p, file->data, file->scales, w->first + (row + r) * w->k, w->k,
                          (float *)planes[WEFT_PLANE_Q] + r * padded);
}

static weft_status upload_part(weft_gpu *gpu, const struct weft_shards *s, const struct weft_plan_weight *w,
                               const struct weft_weight_part *part, const struct file_bytes *file, uint8_t *staging,
                               uint64_t chunk_rows) {
    for (uint64_t row = 0; row < part->rows; row += chunk_rows) {
        uint64_t rows = part->rows - row < chunk_rows ? part->rows - row : chunk_rows;
        uint8_t *planes[WEFT_PLANE_COUNT] = {0}, *at = staging;
        for (int p = 0; p < WEFT_PLANE_COUNT; p++) {
            planes[p] = at;
            at += (weft_weight_plane_bytes(w, p, rows) + 15) & ~(uint64_t)15;
        }
        memset(staging, 0, (size_t)(at - staging));
        repack_rows(w, file, part->row0 + row, rows, planes);
        for (int p = 0; p < WEFT_PLANE_COUNT; p++) {
            uint64_t bytes = weft_weight_plane_bytes(w, p, rows);
            if (bytes == 0) continue;
            uint64_t offset = part->offset + part->plane[p] + weft_weight_plane_bytes(w, p, row);
            WEFT_TRY(
                weft_buf_write(gpu, weft_shards_buf(s, part->shard), offset, planes[p], (bytes + 3) & ~(uint64_t)3));
        }
    }
    return WEFT_OK;
}

static weft_status upload_packed(weft_gpu *gpu, const struct weft_shards *s, const struct weft_plan_weight *w,
                                 const struct file_bytes *file) {
    // Runs of 256 rows: every plane of a run starts on a whole word.
    uint64_t per_256 = 64;
    for (int p = 0; p < WEFT_PLANE_COUNT; p++) per_256 += weft_weight_plane_bytes(w, p, 256) + 16;
    uint64_t chunk_rows = CHUNK_BYTES / per_256 * 256;
    if (chunk_rows == 0) chunk_rows = 256;
    uint8_t *staging = weft_alloc(chunk_rows / 256 * per_256);
    if (!staging) return weft_fail(WEFT_ERR_NOMEM, "out of memory while loading weight '%s'", weft_weight_name(w));
    weft_status status = WEFT_OK;
    for (uint32_t i = 0; i < w->n_parts && status == WEFT_OK; i++)
        status = upload_part(gpu, s, w, &w->parts[i], file, staging, chunk_rows);
    weft_free(staging);
    return status;
}

static weft_status upload(weft_gpu *gpu, const struct weft_plan *plan, const struct weft_shards *s,
                          const struct weft_plan_weight *w, const struct weft_weight_source *source) {
    struct file_bytes file;
    weft_status status = find_data(plan, w, source, &file);
    if (status == WEFT_OK && w->form == WEFT_FORM_PACKED) status = upload_packed(gpu, s, w, &file);
    if (status == WEFT_OK && w->form == WEFT_FORM_ELEMENTS) status = upload_elements(gpu, s, w, &file);
    if (status == WEFT_OK && w->form == WEFT_FORM_TABLE)
        status = upload_bytes(gpu, weft_shards_buf(s, w->parts[0].shard), w->parts[0].offset, w->data, w->data_bytes);
    weft_free(file.scales);
    return status;
}

static bool needs_source(const struct weft_shards *s) {
    for (uint32_t i = 0; i < s->plan->n_weights; i++) {
        const struct weft_plan_weight *w = &s->plan->weights[i];
        if (w->n_parts && w->parts[0].shard < s->base) continue;
        if (w->data) continue;
        const struct weft_value_info *values = s->plan->graph->values;
        if (!values[w->value].data || (w->from == WEFT_FROM_BOTH && !values[w->pair.scales].data)) return true;
    }
    return false;
}

static weft_status load(struct weft_shards *s, const struct weft_program_params *params) {
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

// ---- life ----------------------------------------------------------------------------------------------------------

static weft_status load_again(struct weft_shards *s) {
    if (s->parent && weft_shards_lost(s->parent))
        return weft_fail(WEFT_ERR_LOST, "it shares weights that are lost: %s", weft_shards_lost(s->parent));
    if (!s->source.stays && needs_source(s))
        return weft_fail(WEFT_ERR_UNSUPPORTED,
                         "the weights of the program of '%s' can't be read again; compile it with `weights_stay` and "
                         "keep what it reads them from, or destroy it and compile it anew",
                         weft_plan_title(s->plan));
    return weft_fail_in(load(s, NULL), "the weights of the program of '%s'", weft_plan_title(s->plan));
}

static weft_status remake(void *self, void *report) {
    struct weft_shards *s = self;
    (void)report; // their programs are counted
    return weft_stay_lost(s->lost_why, load_again(s));
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
    if (status == WEFT_OK) status = load(s, params);
    // What need only live during the call is used no more; the device may be lost, and then it is missed.
    if (!s->source.stays) weft_weight_source_end(&s->source);
    if (status != WEFT_OK) {
        weft_shards_release(s);
        return status;
    }
    s->dependent = (struct weft_gpu_dependent){.rank = WEFT_GPU_RANK_WEIGHTS, .remake = remake, .self = s};
    weft_gpu_depend(gpu, &s->dependent);
    *out = s;
    return WEFT_OK;
}
