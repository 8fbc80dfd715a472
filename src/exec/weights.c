/// Weight shards, which are made once, repacked on the way in, and shared by programs.
#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"
#include "exec/exec_impl.h"
#include <assert.h>
#include <string.h>

#define ITEM_BYTES (256u << 10) // of what a thread makes at a time

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
    weft_dtype_decode_f32(dtype, from, (int64_t)n, to);
    return n * 4;
}

/// Bytes of planes of so many rows, each from a multiple of 16 on.
static uint64_t planes_bytes(const struct weft_plan_weight *w, uint64_t rows) {
    uint64_t bytes = 0;
    for (int p = 0; p < WEFT_PLANE_COUNT; p++) bytes += (weft_weight_plane_bytes(w, p, rows) + 15) & ~(uint64_t)15;
    return bytes;
}

/// Elements that need no work.
static bool goes_as_it_is(const struct weft_plan_weight *w) {
    return !weft_dtype_info(w->dtype)->quantised && w->dtype != WEFT_BOOL && w->from == WEFT_FROM_LEAF;
}

/// What a weight is in the figures of progress.
static uint64_t bytes_of(const struct weft_plan_weight *w) {
    uint64_t bytes = 0;
    if (w->form == WEFT_FORM_TABLE) return w->data_bytes;
    if (w->form == WEFT_FORM_ELEMENTS && goes_as_it_is(w)) return weft_dtype_bytes(w->dtype, w->rows * w->k);
    if (w->form == WEFT_FORM_ELEMENTS) return w->rows * w->k * 4;
    for (uint32_t i = 0; i < w->n_parts; i++) bytes += planes_bytes(w, w->parts[i].rows);
    return bytes;
}

/// How far loading came, in bytes of the device; `part` is what is being sent.
struct loading {
    const struct weft_program_params *params; ///< NULL: nobody asks
    uint64_t done, total, part, reported;
    size_t items; ///< of the part
};

static void report(struct loading *l, uint64_t more) {
    const struct weft_program_params *p = l->params;
    if (!p || !p->progress || l->done + more <= l->reported) return;
    l->reported = l->done + more;
    p->progress(p->progress_user, WEFT_PROGRESS_WEIGHTS, l->reported, l->total);
}

/// Some of the part's items are on their way. Its last is reported with its end.
static void report_items(struct loading *l, size_t items) {
    if (items < l->items) report(l, (uint64_t)((double)l->part * ((double)items / (double)l->items)));
}

static void end_part(struct loading *l) {
    l->done += l->part;
    report(l, 0);
}

/// Writes bytes as they are. A last word that they do not fill is filled with zeros.
static weft_status upload_bytes(weft_gpu *gpu, weft_buf buf, uint64_t offset, const uint8_t *from, uint64_t bytes,
                                struct loading *l) {
    const uint64_t most = (uint64_t)16 << 20;
    uint64_t whole = bytes & ~(uint64_t)3;
    uint8_t last[4] = {0};
    l->part = bytes;
    l->items = (size_t)((whole + most - 1) / most);
    for (uint64_t at = 0, n; at < whole; at += n) {
        n = whole - at < most ? whole - at : most;
        WEFT_TRY(weft_cancel_check());
        WEFT_TRY(weft_buf_write(gpu, buf, offset + at, from + at, n));
        report_items(l, (size_t)(at / most) + 1);
    }
    memcpy(last, from + whole, bytes - whole);
    if (bytes > whole) WEFT_TRY(weft_buf_write(gpu, buf, offset + whole, last, 4));
    end_part(l);
    return WEFT_OK;
}

/// What the items of an upload are made of. Elements go in runs of ITEM_BYTES / 4, rows of a part in runs of `step`.
struct making {
    const struct weft_shards *shards;
    const struct weft_plan_weight *w;
    const struct weft_weight_part *part;
    const struct file_bytes *file;
    uint64_t step;
    struct loading *loading;
};

static void items_sent(void *user, size_t items) { report_items(((struct making *)user)->loading, items); }

static uint64_t whole_words(uint64_t bytes) { return (bytes + 3) & ~(uint64_t)3; }

/// The first element of a run, how many it has, and the bytes that an element takes.
static uint64_t run_of_elements(const struct making *m, size_t i, uint64_t *n, uint64_t *size) {
    uint64_t all = m->w->rows * m->w->k, at = (uint64_t)i * m->step;
    *n = all - at < m->step ? all - at : m->step;
    *size = m->w->from == WEFT_FROM_LEAF && m->w->dtype == WEFT_BOOL ? 1 : 4;
    return at;
}

static void place_elements(void *user, size_t i, struct weft_buf_span spans[WEFT_UPLOAD_SPANS]) {
    const struct making *m = user;
    uint64_t n, size, at = run_of_elements(m, i, &n, &size);
    spans[0] = (struct weft_buf_span){weft_shards_buf(m->shards, m->part->shard), m->part->offset + at * size,
                                      whole_words(n * size)};
}

static void make_elements(void *user, size_t i, uint8_t *scratch, uint8_t *const to[WEFT_UPLOAD_SPANS]) {
    const struct making *m = user;
    const struct weft_plan_weight *w = m->w;
    uint64_t n, size, at = run_of_elements(m, i, &n, &size), bytes = n * size;
    if (w->from == WEFT_FROM_LEAF) convert(w->dtype, m->file->data + weft_dtype_bytes(w->dtype, at), n, scratch);
    else weft_wpair_decode(&w->pair, m->file->data, m->file->scales, w->first + at, n, (float *)(void *)scratch);
    memset(scratch + bytes, 0, whole_words(bytes) - bytes);
    memcpy(to[0], scratch, whole_words(bytes));
}

static weft_status upload_elements(weft_gpu *gpu, const struct weft_shards *s, const struct weft_plan_weight *w,
                                   const struct file_bytes *file, struct loading *l) {
    uint64_t n = w->rows * w->k;
    l->part = bytes_of(w);
    if (goes_as_it_is(w))
        return upload_bytes(gpu, weft_shards_buf(s, w->parts[0].shard), w->parts[0].offset, file->data, l->part, l);
    struct making m = {s, w, &w->parts[0], file, ITEM_BYTES / 4, l};
    struct weft_gpu_upload upload = {.count = (size_t)((n + m.step - 1) / m.step),
                                     .most = (n < m.step ? n : m.step) * 4,
                                     .scratch = (n < m.step ? n : m.step) * 4 + 64,
                                     .place = place_elements,
                                     .make = make_elements,
                                     .sent = items_sent,
                                     .user = &m};
    l->items = upload.count;
    WEFT_TRY(weft_gpu_upload(gpu, &upload));
    end_part(l);
    return WEFT_OK;
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

static_assert((int)WEFT_PLANE_COUNT <= (int)WEFT_UPLOAD_SPANS, "each plane of an item is a span");

/// The rows of a run, from the part's first on.
static uint64_t run_of_rows(const struct making *m, size_t i, uint64_t *row) {
    *row = (uint64_t)i * m->step;
    return m->part->rows - *row < m->step ? m->part->rows - *row : m->step;
}

static void place_rows(void *user, size_t i, struct weft_buf_span spans[WEFT_UPLOAD_SPANS]) {
    const struct making *m = user;
    uint64_t row, rows = run_of_rows(m, i, &row);
    for (int p = 0; p < WEFT_PLANE_COUNT; p++)
        spans[p] = (struct weft_buf_span){weft_shards_buf(m->shards, m->part->shard),
                                          m->part->offset + m->part->plane[p] + weft_weight_plane_bytes(m->w, p, row),
                                          whole_words(weft_weight_plane_bytes(m->w, p, rows))};
}

/// Repacking writes here and there, so it happens in memory that is near, and is copied in one go.
static void make_rows(void *user, size_t i, uint8_t *scratch, uint8_t *const to[WEFT_UPLOAD_SPANS]) {
    const struct making *m = user;
    uint64_t row, rows = run_of_rows(m, i, &row);
    uint8_t *planes[WEFT_PLANE_COUNT] = {0}, *at = scratch;
    for (int p = 0; p < WEFT_PLANE_COUNT; p++) {
        planes[p] = at;
        at += (weft_weight_plane_bytes(m->w, p, rows) + 15) & ~(uint64_t)15;
    }
    memset(scratch, 0, (size_t)(at - scratch));
    repack_rows(m->w, m->file, m->part->row0 + row, rows, planes);
    for (int p = 0; p < WEFT_PLANE_COUNT; p++)
        memcpy(to[p], planes[p], whole_words(weft_weight_plane_bytes(m->w, p, rows)));
}

/// As few rows as begin every plane on a whole word. 256 do for each layout.
static uint64_t rows_of_words(const struct weft_plan_weight *w) {
    for (uint64_t rows = 1; rows < 256; rows *= 2) {
        bool whole = true;
        for (int p = 0; p < WEFT_PLANE_COUNT; p++) whole = whole && weft_weight_plane_bytes(w, p, rows) % 4 == 0;
        if (whole) return rows;
    }
    return 256;
}

static weft_status upload_packed(weft_gpu *gpu, const struct weft_shards *s, const struct weft_plan_weight *w,
                                 const struct file_bytes *file, struct loading *l) {
    uint64_t least = rows_of_words(w), rows = ITEM_BYTES / (planes_bytes(w, least) + 1) * least;
    weft_status status = WEFT_OK;
    if (rows < least) rows = least;
    for (uint32_t i = 0; i < w->n_parts && status == WEFT_OK; i++) {
        struct making m = {s, w, &w->parts[i], file, rows, l};
        uint64_t most = planes_bytes(w, m.part->rows < rows ? m.part->rows : rows);
        struct weft_gpu_upload upload = {.count = (size_t)((m.part->rows + rows - 1) / rows),
                                         .most = most,
                                         .scratch = (most + 63) & ~(uint64_t)63,
                                         .place = place_rows,
                                         .make = make_rows,
                                         .sent = items_sent,
                                         .user = &m};
        l->part = planes_bytes(w, m.part->rows);
        l->items = upload.count;
        status = weft_gpu_upload(gpu, &upload);
        if (status == WEFT_OK) end_part(l);
    }
    return weft_fail_in(status, "weight '%s'", weft_weight_name(w));
}

static weft_status upload(weft_gpu *gpu, const struct weft_plan *plan, const struct weft_shards *s,
                          const struct weft_plan_weight *w, const struct weft_weight_source *source,
                          struct loading *l) {
    struct file_bytes file;
    WEFT_TRY(weft_cancel_check());
    weft_status status = find_data(plan, w, source, &file);
    if (status == WEFT_OK && w->form == WEFT_FORM_PACKED) status = upload_packed(gpu, s, w, &file, l);
    if (status == WEFT_OK && w->form == WEFT_FORM_ELEMENTS) status = upload_elements(gpu, s, w, &file, l);
    if (status == WEFT_OK && w->form == WEFT_FORM_TABLE)
        status =
            upload_bytes(gpu, weft_shards_buf(s, w->parts[0].shard), w->parts[0].offset, w->data, w->data_bytes, l);
    weft_free(file.scales);
    return status;
}

/// Whether a weight's place is in shards that another program made.
static bool is_shared(const struct weft_shards *s, const struct weft_plan_weight *w) {
    return w->n_parts && w->parts[0].shard < s->base;
}

static bool needs_source(const struct weft_shards *s) {
    for (uint32_t i = 0; i < s->plan->n_weights; i++) {
        const struct weft_plan_weight *w = &s->plan->weights[i];
        if (is_shared(s, w) || w->data) continue;
        const struct weft_value_info *values = s->plan->graph->values;
        if (!values[w->value].data || (w->from == WEFT_FROM_BOTH && !values[w->pair.scales].data)) return true;
    }
    return false;
}

static weft_status load(struct weft_shards *s, const struct weft_program_params *params) {
    const struct weft_plan *plan = s->plan;
    weft_status status = WEFT_OK;
    struct loading l = {.params = params};
    for (uint32_t i = 0; i < plan->n_weights; i++)
        if (!is_shared(s, &plan->weights[i])) l.total += bytes_of(&plan->weights[i]);
    for (uint32_t i = 0; i < s->n && status == WEFT_OK; i++)
        status = weft_buf_make(s->gpu, WEFT_BUF_FOR_WEIGHTS, plan->shard_bytes[s->base + i], WEFT_BUF_STORAGE,
                               "weights", &s->bufs[i]);
    for (uint32_t i = 0; i < plan->n_weights && status == WEFT_OK; i++) {
        const struct weft_plan_weight *w = &plan->weights[i];
        if (!is_shared(s, w)) status = upload(s->gpu, plan, s, w, &s->source, &l);
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
