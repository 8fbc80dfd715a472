/// Comparing what a session replays at its live sizes with what another one replays: blocks and grids, byte for byte.
#ifndef WEFT_TEST_RESIZE_RIG_H
#define WEFT_TEST_RESIZE_RIG_H
#include "core/alloc.h"
#include "core/error.h"
#include "exec/session_test.h"
#include "ops/ops.h"
#include "plan/update.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RIG_SLOT 64 ///< words of a block

struct rig {
    weft_gpu *gpu;
    weft_program *program;
    weft_session *session;
    uint32_t *arena; ///< what the session's parameter arena holds, kept from what it staged
    uint64_t writes; ///< resizes that wrote to it
};

static inline struct weft_graph *rig_graph(const char *text) {
    struct weft_graph *g = NULL;
    if (weft_graph_parse(weft_ops(), text, strlen(text), &g) != WEFT_OK) fail_msg("%s", weft_error_message());
    return g;
}

static inline uint64_t rig_written(weft_gpu *gpu) {
    struct weft_gpu_counters c;
    weft_gpu_counters(gpu, &c);
    return c.bytes_written;
}

static inline void rig_follow(struct rig *r) {
    struct weft_session_view v = weft_session_view(r->session);
    if (v.staged_bytes) memcpy((char *)r->arena + v.staged_offset, v.staged, v.staged_bytes);
}

/// Refusals are left to the caller: rig.session is NULL then, and the status is returned.
static inline weft_status rig_begin(struct rig *r, weft_gpu *gpu, const char *graph,
                                    const struct weft_program_params *params) {
    *r = (struct rig){.gpu = gpu};
    weft_status status = weft_program_create(gpu, rig_graph(graph), params, &r->program);
    if (status == WEFT_OK) status = weft_session_create(r->program, NULL, &r->session);
    if (status != WEFT_OK) return status;
    r->arena = weft_calloc(1, weft_buf_size(gpu, weft_session_view(r->session).arena));
    rig_follow(r); // the first sizes were set at creation
    return WEFT_OK;
}

static inline void rig_end(struct rig *r) {
    weft_free(r->arena);
    weft_session_destroy(&r->session);
    weft_program_destroy(&r->program);
}

/// Resizes, and follows what the session wrote: all blocks of the schedule at once, or nothing.
static inline weft_status rig_resize(struct rig *r, const int64_t *symbols) {
    uint64_t before = rig_written(r->gpu);
    weft_status status = weft_session_resize(r->session, symbols);
    uint64_t bytes = rig_written(r->gpu) - before;
    assert_true(bytes == 0 || bytes == weft_session_view(r->session).staged_bytes);
    if (bytes) {
        rig_follow(r);
        r->writes++;
    }
    return status;
}

/// The block that live step i sees, and which step of the plan that is.
static inline const uint32_t *rig_block(const struct rig *r, uint32_t i, uint32_t *plan_step) {
    struct weft_session_view v = weft_session_view(r->session);
    uint64_t per = 0;
    const struct weft_plan *plan = weft_program_plan(r->program);
    for (uint32_t k = 0; k < plan->n_schedules; k++)
        if (plan->schedules[k].n_steps > per) per = plan->schedules[k].n_steps;
    *plan_step = (uint32_t)(v.steps[i].uniform_offset / 256 % per);
    return r->arena + v.steps[i].uniform_offset / 4;
}

/// Takes out of a block what only says where the plan has placed an operand: its static offset in its binding. Live
/// offsets of views stay.
static inline void rig_unplace(const struct weft_step *s, const uint32_t *block, uint32_t out[RIG_SLOT]) {
    memcpy(out, block, RIG_SLOT * sizeof *out);
    for (uint32_t i = 0; i < s->n_operands; i++)
        out[weft_off_word(s, i)] -=
            (uint32_t)(s->operands[i].bound.slot_offset / weft_accessor_width(s->operands[i].dtype));
}

/// Differences in number, order, kernels, labels, grids and blocks of the steps that two sessions replay. Of the same
/// program blocks must be equal as they are; of others but for static placement.
static inline int rig_differences(const struct rig *a, const struct rig *b) {
    struct weft_session_view x = weft_session_view(a->session), y = weft_session_view(b->session);
    const struct weft_schedule *sa = &weft_program_plan(a->program)->schedules[x.schedule];
    const struct weft_schedule *sb = &weft_program_plan(b->program)->schedules[y.schedule];
    bool same = a->program == b->program;
    if (x.n_steps != y.n_steps || sa->n_steps != sb->n_steps) return 1;
    int n = 0;
    for (uint32_t i = 0; i < x.n_steps; i++) {
        uint32_t i_a, i_b, words_a[RIG_SLOT], words_b[RIG_SLOT];
        const uint32_t *block_a = rig_block(a, i, &i_a), *block_b = rig_block(b, i, &i_b);
        const struct weft_step *s = &sa->steps[i_a], *t = &sb->steps[i_b];
        n += i_a != i_b || s->kernel != t->kernel || strcmp(s->label, t->label) != 0 || s->n_fields != t->n_fields ||
             s->n_operands != t->n_operands || s->bound.n_words != t->bound.n_words;
        n += memcmp(x.steps[i].grid, y.steps[i].grid, sizeof x.steps[i].grid) != 0;
        if (n) return n;
        rig_unplace(s, block_a, words_a);
        rig_unplace(t, block_b, words_b);
        n += same ? memcmp(block_a, block_b, 256) != 0 : memcmp(words_a, words_b, sizeof words_a) != 0;
    }
    return n;
}
#endif
