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

/// File bytes of a weight. Of FROM_BOTH the numbers', beside a copy of the scales, since a source keeps what it gave
/// only until it is asked again.
struct file_bytes {
    const uint8_t *data; // NULL: they are read by ranges, of `name`
    uint8_t *scales;
    const struct weft_weight_source *source;
    const char *name;
    uint64_t skip, bytes; // in front of the form's first element; from there on
};

static uint64_t whole_lines(uint64_t bytes) { return (bytes + 63) & ~(uint64_t)63; }

/// n bytes from `at` on, counted from the form's first element: where they are, or read to `room`.
static weft_status file_range(const struct file_bytes *f, uint64_t at, uint64_t n, uint8_t *room, const uint8_t **out) {
    *out = f->data ? f->data + f->skip + at : room;
    if (f->data || n == 0) return WEFT_OK;
    return f->source->read(f->source->user, f->name, f->skip + at, n, room);
}

/// Room that a thread needs for ranges of n bytes.
static uint64_t room_for(const struct file_bytes *f, uint64_t n) { return f->data ? 0 : whole_lines(n); }

/// Bytes of a file that n elements lie in, wherever these begin; those of a pair in whole rows of its numbers.
static uint64_t file_bytes_of(const struct weft_plan_weight *w, uint64_t n) {
    if (w->from == WEFT_FROM_BOTH) return (n / w->pair.k + 2) * ((w->pair.k + 1) / 2);
    return weft_dtype_bytes(w->dtype, n);
}

/// Finds the file bytes of a leaf, as many as its type and shape want.
static weft_status find_leaf(const struct weft_plan *plan, weft_value leaf, const struct weft_weight_source *source,
                             struct file_bytes *out) {
    const struct weft_value_info *info = &plan->graph->values[leaf];
    const char *name = info->kind == WEFT_VALUE_CONST ? "constant" : info->name;
    const void *all = info->data;
    uint64_t bytes = info->data_size;
    if (!all && !source->get)
        return weft_fail(WEFT_ERR_INVALID, "weight '%s' has no data and the program was given no source", name);
    if (!all) WEFT_TRY(source->get(source->user, name, &all, &bytes));
    // More elements than can be counted (-1) are more than any file has.
    uint64_t want = weft_dtype_bytes(info->type.dtype, (uint64_t)weft_type_const_count(plan->graph->dims, &info->type));
    *out = (struct file_bytes){.data = all, .scales = out->scales, .source = source, .name = name, .bytes = want};
    if (bytes == want && !all && bytes && !source->read)
        return weft_fail(WEFT_ERR_INVALID, "weight '%s' was given without data", name);
    if (bytes == want) return WEFT_OK;
    struct weft_str type = {0};
    weft_type_print(plan->graph->dims, &info->type, &type);
    weft_status status = weft_fail(WEFT_ERR_FORMAT, "weight '%s' (%s) has %llu bytes, expected %llu", name,
                                   weft_str_get(&type), (unsigned long long)bytes, (unsigned long long)want);
    weft_str_free(&type);
    return status;
}

static void skip_bytes(struct file_bytes *f, uint64_t skip) {
    f->skip = skip;
    f->bytes -= skip;
}

/// Scales of a pair, as a whole, since those of a row may lie apart.
static weft_status find_scales(const struct weft_plan *plan, const struct weft_plan_weight *w,
                               const struct weft_weight_source *source, struct file_bytes *out) {
    const uint8_t *from;
    struct file_bytes f = {0};
    WEFT_TRY(find_leaf(plan, w->from == WEFT_FROM_BOTH ? w->pair.scales : w->value, source, &f));
    skip_bytes(&f, w->from == WEFT_FROM_BOTH ? w->pair.scales_first * 4 : weft_dtype_bytes(w->dtype, w->first));
    out->scales = weft_alloc(f.bytes + 1);
    if (!out->scales) return weft_fail(WEFT_ERR_NOMEM, "out of memory while loading weight '%s'", weft_weight_name(w));
    WEFT_TRY(file_range(&f, 0, f.bytes, out->scales, &from));
    if (from != out->scales) memcpy(out->scales, from, f.bytes);
    return WEFT_OK;
}

static weft_status find_data(const struct weft_plan *plan, const struct weft_plan_weight *w,
                             const struct weft_weight_source *source, struct file_bytes *out) {
    *out = (struct file_bytes){.data = w->data, .bytes = w->data_bytes};
    if (w->form == WEFT_FORM_TABLE) return WEFT_OK;
    if (w->from == WEFT_FROM_BOTH || w->from == WEFT_FROM_SCALES) WEFT_TRY(find_scales(plan, w, source, out));
    out->data = out->scales;
    if (w->from == WEFT_FROM_SCALES) return WEFT_OK;
    WEFT_TRY(find_leaf(plan, w->value, source, out));
    skip_bytes(out, w->from == WEFT_FROM_BOTH ? w->pair.quants_first : weft_dtype_bytes(w->dtype, w->first));
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

/// What the items of an upload are made of. Bytes and elements go in runs of `step`, rows of a part likewise.
struct making {
    const struct weft_shards *shards;
    const struct weft_plan_weight *w;
    const struct weft_weight_part *part;
    const struct file_bytes *file;
    uint64_t step;
    struct loading *loading;
};

static void items_sent(void *user, size_t items) { report_items(((struct making *)user)->loading, items); }

/// Sends a part of `loading->part` bytes, of which `upload` says how its items are made.
static weft_status send_part(weft_gpu *gpu, struct making *m, struct weft_gpu_upload upload) {
    upload.sent = items_sent;
    upload.user = m;
    m->loading->items = upload.count;
    WEFT_TRY(weft_gpu_upload(gpu, &upload));
    end_part(m->loading);
    return WEFT_OK;
}

static uint64_t whole_words(uint64_t bytes) { return (bytes + 3) & ~(uint64_t)3; }

static void place_bytes(void *user, size_t i, struct weft_buf_span spans[WEFT_UPLOAD_SPANS]) {
    const struct making *m = user;
    uint64_t at = (uint64_t)i * m->step, left = m->loading->part - at;
    spans[0] = (struct weft_buf_span){weft_shards_buf(m->shards, m->part->shard), m->part->offset + at,
                                      whole_words(left < m->step ? left : m->step)};
}

/// Where they are read, it is straight to where the device copies from.
static weft_status make_bytes(void *user, size_t i, uint8_t *scratch, uint8_t *const to[WEFT_UPLOAD_SPANS]) {
    const struct making *m = user;
    uint64_t at = (uint64_t)i * m->step, left = m->loading->part - at, n = left < m->step ? left : m->step;
    const uint8_t *from;
    (void)scratch;
    WEFT_TRY(file_range(m->file, at, n, to[0], &from));
    if (from != to[0]) memcpy(to[0], from, n);
    memset(to[0] + n, 0, whole_words(n) - n);
    return WEFT_OK;
}

/// Writes bytes as they are. A last word that they do not fill is filled with zeros.
static weft_status upload_bytes(weft_gpu *gpu, const struct weft_shards *s, const struct weft_plan_weight *w,
                                const struct file_bytes *file, struct loading *l) {
    struct making m = {s, w, &w->parts[0], file, ITEM_BYTES / 2, l};
    return send_part(gpu, &m,
                     (struct weft_gpu_upload){.count = (size_t)((l->part + m.step - 1) / m.step),
                                              .most = whole_words(l->part < m.step ? l->part : m.step),
                                              .place = place_bytes,
                                              .make = make_bytes});
}

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

/// Decodes elements first .. first + n of a pair; `room` takes the rows of numbers that they lie in.
static weft_status decode_pair(const struct weft_wpair *p, const struct file_bytes *file, uint64_t first, uint64_t n,
                               uint8_t *room, float *out) {
    const uint8_t *quants;
    uint64_t row = first / p->k, end = (first + n + p->k - 1) / p->k, bytes = (p->k + 1) / 2;
    WEFT_TRY(file_range(file, row * bytes, (end - row) * bytes, room, &quants));
    weft_wpair_decode(p, quants, file->scales + 4 * row * (p->across ? 1 : p->stride), first - row * p->k, n, out);
    return WEFT_OK;
}

static weft_status make_elements(void *user, size_t i, uint8_t *scratch, uint8_t *const to[WEFT_UPLOAD_SPANS]) {
    const struct making *m = user;
    const struct weft_plan_weight *w = m->w;
    uint64_t n, size, at = run_of_elements(m, i, &n, &size), bytes = n * size;
    uint8_t *room = scratch + whole_lines(m->step * 4);
    const uint8_t *from;
    if (w->from == WEFT_FROM_BOTH) {
        WEFT_TRY(decode_pair(&w->pair, m->file, w->first + at, n, room, (float *)(void *)scratch));
    } else {
        WEFT_TRY(file_range(m->file, weft_dtype_bytes(w->dtype, at), weft_dtype_bytes(w->dtype, n), room, &from));
        convert(w->dtype, from, n, scratch);
    }
    memset(scratch + bytes, 0, whole_words(bytes) - bytes);
    memcpy(to[0], scratch, whole_words(bytes));
    return WEFT_OK;
}

static weft_status upload_elements(weft_gpu *gpu, const struct weft_shards *s, const struct weft_plan_weight *w,
                                   const struct file_bytes *file, struct loading *l) {
    uint64_t n = w->rows * w->k;
    if (goes_as_it_is(w)) return upload_bytes(gpu, s, w, file, l);
    struct making m = {s, w, &w->parts[0], file, n < ITEM_BYTES / 4 ? n : ITEM_BYTES / 4, l};
    return send_part(
        gpu, &m,
        (struct weft_gpu_upload){.count = n ? (size_t)((n + m.step - 1) / m.step) : 0,
                                 .most = m.step * 4,
                                 .scratch = whole_lines(m.step * 4) + room_for(file, file_bytes_of(w, m.step)),
                                 .place = place_elements,
                                 .make = make_elements});
}

/// Rows from `row` on, in planes of zeros.
static weft_status repack_rows(const struct weft_plan_weight *w, const struct file_bytes *file, uint64_t row,
                               uint64_t rows, uint8_t *room, uint8_t *const planes[WEFT_PLANE_COUNT]) {
    const struct weft_wpair *p = &w->pair;
    uint64_t padded = (w->k + 31) / 32 * 32, each = (w->k + 1) / 2;
    const uint8_t *from;
    switch (w->from) {
    case WEFT_FROM_LEAF:
        WEFT_TRY(file_range(file, weft_dtype_bytes(w->dtype, row * w->k), weft_dtype_bytes(w->dtype, rows * w->k), room,
                            &from));
        weft_wlayout_repack(w->layout, from, rows, w->k, planes);
        return WEFT_OK;
    case WEFT_FROM_QUANTS:
        WEFT_TRY(file_range(file, row * each, rows * each, room, &from));
        weft_wpair_pack_quants(p, from, rows, planes[WEFT_PLANE_Q]);
        return WEFT_OK;
    case WEFT_FROM_SCALES:
        weft_wpair_pack_scales(p, file->scales + 4 * row * (p->across ? 1 : p->stride), rows, planes[WEFT_PLANE_S]);
        return WEFT_OK;
    case WEFT_FROM_BOTH: break;
    }
    for (uint64_t r = 0; r < rows; r++)
        WEFT_TRY(decode_pair(p, file, w->first + (row + r) * w->k, w->k, room,
                             (float *)(void *)planes[WEFT_PLANE_Q] + r * padded));
    return WEFT_OK;
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
static weft_status make_rows(void *user, size_t i, uint8_t *scratch, uint8_t *const to[WEFT_UPLOAD_SPANS]) {
    const struct making *m = user;
    uint64_t row, rows = run_of_rows(m, i, &row);
    uint8_t *planes[WEFT_PLANE_COUNT] = {0}, *at = scratch;
    for (int p = 0; p < WEFT_PLANE_COUNT; p++) {
        planes[p] = at;
        at += (weft_weight_plane_bytes(m->w, p, rows) + 15) & ~(uint64_t)15;
    }
    memset(scratch, 0, (size_t)(at - scratch));
    uint8_t *room = scratch + whole_lines((uint64_t)(at - scratch));
    WEFT_TRY(repack_rows(m->w, m->file, m->part->row0 + row, rows, room, planes));
    for (int p = 0; p < WEFT_PLANE_COUNT; p++)
        memcpy(to[p], planes[p], whole_words(weft_weight_plane_bytes(m->w, p, rows)));
    return WEFT_OK;
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
        uint64_t some = m.part->rows < rows ? m.part->rows : rows, most = planes_bytes(w, some);
        uint64_t at_once = w->from == WEFT_FROM_BOTH ? w->k : some * w->k; // elements that are read
        l->part = planes_bytes(w, m.part->rows);
        status =
            send_part(gpu, &m,
                      (struct weft_gpu_upload){.count = (size_t)((m.part->rows + rows - 1) / rows),
                                               .most = most,
                                               .scratch = whole_lines(most) + room_for(file, file_bytes_of(w, at_once)),
                                               .place = place_rows,
                                               .make = make_rows});
    }
    return status;
}

static weft_status upload(weft_gpu *gpu, const struct weft_plan *plan, const struct weft_shards *s,
                          const struct weft_plan_weight *w, const struct weft_weight_source *source,
                          struct loading *l) {
    struct file_bytes file = {0};
    WEFT_TRY(weft_cancel_check());
    weft_status status = find_data(plan, w, source, &file);
    if (status == WEFT_OK) {
        l->part = bytes_of(w);
        status = w->form == WEFT_FORM_PACKED     ? upload_packed(gpu, s, w, &file, l)
                 : w->form == WEFT_FORM_ELEMENTS ? upload_elements(gpu, s, w, &file, l)
                                                 : upload_bytes(gpu, s, w, &file, l);
        status = weft_fail_in(status, "weight '%s'", weft_weight_name(w));
    }
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
