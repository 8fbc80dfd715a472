/// Text that several kernels have: labels, decoders, epilogues.
#include "kernels/gemm/impl.h"
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/map/region.h"
#include "plan/expand.h"
#include "plan/order.h"
#include "plan/round.h"
#include <stdio.h>
#include <string.h>

void weft_gemm_label(char *label, size_t size, const struct weft_lower *l, const char *kernel,
                     const struct weft_gemm_group *p) {
    size_t at = (size_t)snprintf(label, size, "%s", kernel);
    for (uint32_t i = 0; i < p->n_anchors && at < size; i++) {
        const struct weft_node *n = weft_gemm_node(l, p->anchors[i]);
        at += (size_t)snprintf(label + at, size - at, "%s%s", i ? "+" : " ", weft_node_label(n));
    }
    if (p->n_prologue && at < size) at += (size_t)snprintf(label + at, size - at, ", prologue of %u", p->n_prologue);
    if (p->n_epilogue && at < size) snprintf(label + at, size - at, ", epilogue of %u", p->n_epilogue);
}

void weft_gemm_emit_order(struct weft_lower *l, struct weft_step *s, const struct weft_plan_weight *w) {
    struct weft_order_product o = w ? weft_order_packed(l->profile, weft_ceil_div(w->k, 32)) : weft_order_plain();
    if (!l->profile->invariant) return;
    weft_emit_int(l, s, "LANES", o.lanes);
    weft_emit_int(l, s, "PIECE", o.piece);
    weft_emit_int(l, s, "SLICES", o.slices);
}

void weft_gemm_add_decoder(struct weft_lower *l, const char *w, const struct weft_wlayout *y, const char *kb,
                           bool first, struct weft_str *out) {
    struct weft_tval v[WEFT_WLAYOUT_VALUES + 4];
    size_t n = weft_wlayout_values(y, v);
    v[n++] = (struct weft_tval){"W", 0, w};
    v[n++] = (struct weft_tval){"W_KB", 0, kb};
    v[n++] = (struct weft_tval){"ORDERED", l->profile->invariant, NULL};
    if (!first) v[n++] = (struct weft_tval){"W_ONCE", 1, NULL};
    weft_status status = weft_plan_expand(l->plan, "plan/dequant.wgsl", v, n, out);
    if (status != WEFT_OK) weft_lower_fail(l, status, "%s", weft_error_message());
}

void weft_gemm_add_chooser(const struct weft_lower *l, const struct weft_gemm *g, const char *name, const char *ids,
                           const char *experts, struct weft_str *out) {
    bool negative = weft_lv(l, g->ids)->type.dtype == WEFT_I32;
    weft_str_addf(out,
                  negative ? "fn %s(row: u32) -> u32 { return min(u32(max(load_%s(row), 0)), %s - 1u); }\n"
                           : "fn %s(row: u32) -> u32 { return min(load_%s(row), %s - 1u); }\n",
                  name, ids, experts);
}

/// A weight without elements has no planes to read.
void weft_gemm_add_empty_decoder(const char *w, struct weft_str *out) {
    weft_str_addf(out, "fn w_quad_%s(row: u32, blk: u32, j: u32) -> vec4<f32> { return vec4<f32>(0.0); }\n", w);
}

void weft_gemm_add_plain_decoder(const char *w, bool wide, struct weft_str *out) {
    if (wide) {
        weft_str_addf(out,
                      "fn w_quad_%s(row: u32, blk: u32, j: u32) -> vec4<f32> { let c = blk * 32u + j * 4u; if (c >= "
                      "p.k) { return vec4<f32>(0.0); } "
                      "return load4_%s(row * p.k + c); }\n",
                      w, w);
        return;
    }
    weft_str_addf(
        out, "fn w_one_%s(row: u32, c: u32) -> f32 { if (c >= p.k) { return 0.0; } return load_%s(row * p.k + c); }\n",
        w, w);
    weft_str_addf(out,
                  "fn w_quad_%s(row: u32, blk: u32, j: u32) -> vec4<f32> { let c = blk * 32u + j * 4u; return "
                  "vec4<f32>(w_one_%s(row, c), "
                  "w_one_%s(row, c + 1u), w_one_%s(row, c + 2u), w_one_%s(row, c + 3u)); }\n",
                  w, w, w, w, w);
}

void weft_gemm_add_epilogue(struct weft_xstep *step, const struct weft_gemm_group *p, const uint32_t *anchors,
                            uint32_t n_anchors, uint32_t segment, bool with_nodes, const char *width,
                            struct weft_str *out) {
    struct weft_lower *l = step->l;
    struct weft_expr e;
    struct weft_xtext t;
    struct weft_str body = {0}, stores = {0}; // stores last: one may write over what another value is made from
    struct weft_type space = weft_lv(l, weft_gemm_node(l, anchors[0])->out[0])->type;
    weft_expr_begin(&e, step, space, weft_region_last_axis(&space), width);
    weft_str_addf(out, "fn epilogue_%u(row: u32, col: u32", segment);
    for (uint32_t i = 0; i < n_anchors; i++) {
        weft_dtype dtype = weft_lv(l, weft_gemm_node(l, anchors[i])->out[0])->type.dtype;
        weft_str_addf(out, ", acc%u: %s", i, weft_xtype_name(weft_x_type_of(dtype)));
        weft_x_give(&e, weft_gemm_node(l, anchors[i])->out[0], i);
    }
    weft_region_build(&e, anchors, n_anchors);
    if (with_nodes) weft_region_build(&e, p->epilogue, p->n_epilogue);
    if (l->status != WEFT_OK || !weft_xtext_begin(&t, &e)) return;
    t.row_out = t.col_out = &body;
    for (uint32_t i = 0; i < e.n_stores; i++) weft_xtext_store(&t, &e.stores[i], 0, &stores);
    weft_str_addf(out, ") {\n%s%s}\n", weft_str_get(&body), weft_str_get(&stores));
    weft_str_free(&body);
    weft_str_free(&stores);
}
