/// The text around a kernel: dialect prelude, parameter struct, bindings, the accessors by which a template reaches its
/// operands, and the entry point that calls it. Everything that depends on where an operand lies is written here and
/// nowhere else. docs/kernels.md lists the accessors.
#include "compile/bind.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/log.h"
#include "plan/expand.h"
#include "plan/link.h"
#include "plan/update.h"
#include <stdio.h>
#include <string.h>

static void prelude(const struct weft_plan *plan, struct weft_str *w) {
    const struct weft_gpu_caps *c = &plan->caps;
    if (c->f16) weft_str_add(w, "enable f16;\n");
    if (c->subgroups && c->wgsl_enable_subgroups) weft_str_add(w, "enable subgroups;\n");
    if (c->subgroups) weft_str_add(w, "diagnostic(off, subgroup_uniformity);\n");
}

static void declarations(const struct weft_step *s, struct weft_str *w) {
    weft_str_add(w, "struct P {\n");
    for (uint32_t i = 0; i < s->n_fields; i++)
        weft_str_addf(w, "    %s: %s,\n", s->fields[i].name, weft_dtype_name(s->fields[i].type));
    for (uint32_t i = 0; i < s->n_operands; i++) weft_str_addf(w, "    off_%s: u32,\n", s->operands[i].name);
    for (uint32_t i = 0; s->bound.checked && i < s->n_operands; i++)
        weft_str_addf(w, "    len_%s: u32,\n", s->operands[i].name);
    if (s->bound.checked) weft_str_add(w, "    step_number: u32,\n");
    weft_str_add(w, "}\n@group(0) @binding(0) var<uniform> p: P;\n");
    for (uint32_t n = 1; n < s->bound.n_slots; n++) {
        const struct weft_slot *slot = &s->bound.slots[n];
        weft_str_addf(w, "@group(0) @binding(%u) var<storage, %s> b%u: array<%s>;\n", n,
                      slot->kind == WEFT_BIND_READ ? "read" : "read_write", n,
                      slot->atomic ? "atomic<u32>"
                      : slot->wide ? "vec4<u32>"
                                   : "u32");
    }
    if (s->split.end)
        weft_str_add(w, "fn group_index(wid: vec3<u32>, nwg: vec3<u32>) -> u32 {\n    let g = wid.x + nwg.x * (wid.y + "
                        "nwg.y * wid.z);\n    return select(p.cut_total, p.cut_first + g, g < p.cut_count); }\n");
    else
        weft_str_add(w, "fn group_index(wid: vec3<u32>, nwg: vec3<u32>) -> u32 { return wid.x + nwg.x * (wid.y + nwg.y "
                        "* wid.z); }\n");
}

static const char *scalar_type(weft_dtype d) {
    const struct weft_storage *s = weft_storage_of(d);
    return s->real ? "f32" : s->negative ? "i32" : "u32";
}

// ---- the checked build ---------------------------------------------------------------------------------------------

/// The first fault since the host last looked finds word 0 unset and fills the words of enum weft_fault_word; later
/// ones fill others, which nobody reads. No branches: inlined into every access they make drivers compile for minutes.
static void fault(const struct weft_step *s, struct weft_str *w) {
    uint32_t b = s->bound.n_slots - 1;
    weft_str_add(w, "fn record_fault(operand: u32, i: u32, len: u32) {\n");
    weft_str_addf(w, "    let at = atomicExchange(&b%u[%d], 1u) * %uu;\n", b, WEFT_FAULT_SET,
                  (unsigned)WEFT_FAULT_WORDS);
    const struct {
        int word;
        const char *value;
    } rows[] = {{WEFT_FAULT_STEP, "p.step_number"},
                {WEFT_FAULT_OPERAND, "operand"},
                {WEFT_FAULT_INDEX, "i"},
                {WEFT_FAULT_LENGTH, "len"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        weft_str_addf(w, "    atomicStore(&b%u[at + %du], %s);\n", b, rows[i].word, rows[i].value);
    weft_str_add(w, "}\n");
}

static const struct weft_plan_state *paged_state(const struct weft_plan *plan, const struct weft_schedule *sc,
                                                 const struct weft_operand *o) {
    const struct weft_tensor *t = &sc->tensors[o->tensor];
    if (t->mem != WEFT_MEM_STATE || plan->states[t->index & ~WEFT_STATE_PRESENT].kind != WEFT_STATE_PAGED) return NULL;
    return &plan->states[t->index & ~WEFT_STATE_PRESENT];
}

static bool is_vars(const struct weft_operand *o) { return (o->flags & WEFT_OPERAND_VARS) != 0; }

/// outside_x(i, n): some of the elements i .. i+n-1 are not there; the first of them is recorded. A pool has as many
/// elements as its buffers hold (and the few of what is bound in place of banks that are not there yet).
static void outside(const struct weft_step *s, const struct weft_operand *o, bool pool, struct weft_str *w) {
    uint32_t each = (s->bound.slots[o->bound.slot].wide ? 16 : 4) / weft_accessor_width(o->dtype);
    weft_str_addf(w, "fn outside_%s(i: u32, n: u32) -> bool {\n", o->name);
    if (pool) {
        weft_str_addf(w, "    let len = (arrayLength(&b%u)", o->bound.slot);
        for (uint32_t n = 1; n < o->bound.n_segments; n++) weft_str_addf(w, " + arrayLength(&b%u)", o->bound.slot + n);
        weft_str_addf(w, ") * %uu;\n", each);
    } else weft_str_addf(w, "    let len = p.len_%s;\n", o->name);
    weft_str_add(w, "    let end = max(i, len);\n    let bad = (i >= len) | (n > end - i);\n");
    weft_str_addf(w, "    if (bad) { record_fault(%uu, end, len); }\n    return bad;\n}\n",
                  (unsigned)(o - s->operands));
}

/// What an accessor of n elements at `index` begins with: nothing, unless the step is checked.
struct guard {
    char text[160];
};
static struct guard guard(const struct weft_step *s, const char *name, const char *index, int n, const char *result) {
    struct guard g = {""};
    if (s->bound.checked)
        snprintf(g.text, sizeof g.text, "if (outside_%s(%s, %du)) { return%s%s; } ", name, index, n, *result ? " " : "",
                 result);
    return g;
}

// ---- accessors -----------------------------------------------------------------------------------------------------

/// One function of a segmented operand: finds the segment of word (of vec4) k and does `what` with "b3[place]".
static void segment_function(const struct weft_operand *o, const char *head, const char *what, bool quads, bool wide,
                             const char *tail, struct weft_str *w) {
    weft_str_addf(w, "%s {", head);
    uint64_t words = o->bound.segment_bytes / (quads ? 16 : 4);
    for (uint32_t n = 0; n < o->bound.n_segments; n++) {
        if (n + 1 < o->bound.n_segments) weft_str_addf(w, " if (k < %lluu) {", (unsigned long long)(words * (n + 1)));
        char at[40];
        snprintf(at, sizeof at, n ? "(k - %lluu)" : "k", (unsigned long long)(words * n));
        weft_str_addf(w, " %sb%u[%s%s]", what, o->bound.slot + n, at, wide && !quads ? " >> 2u" : "");
        if (wide && !quads) weft_str_addf(w, "[%s & 3u]", at);
        weft_str_addf(w, "%s", tail);
        if (n + 1 < o->bound.n_segments) weft_str_add(w, " }");
    }
    weft_str_add(w, " }\n");
}

/// segment_x(k), segment4_x(k), set_segment_x(k, u), set_segment4_x(k, u): the words of an operand that no one binding
/// holds. Word k lies in segment k / (words of a segment); segments hold whole vec4 of words.
static void segments(const struct weft_step *s, const struct weft_operand *o, struct weft_str *w) {
    bool wide = s->bound.slots[o->bound.slot].wide;
    char head[128];
    snprintf(head, sizeof head, "fn segment_%s(k: u32) -> u32", o->name);
    segment_function(o, head, "return ", false, wide, ";", w);
    if (wide) {
        snprintf(head, sizeof head, "fn segment4_%s(k: u32) -> vec4<u32>", o->name);
        segment_function(o, head, "return ", true, wide, ";", w);
    }
    if (!(o->access & WEFT_WRITE)) return;
    snprintf(head, sizeof head, "fn set_segment_%s(k: u32, u: u32)", o->name);
    segment_function(o, head, "", false, wide, " = u; return;", w);
    if (!wide) return;
    snprintf(head, sizeof head, "fn set_segment4_%s(k: u32, u: vec4<u32>)", o->name);
    segment_function(o, head, "", true, wide, " = u; return;", w);
}

static void load_segmented(const struct weft_step *s, const struct weft_operand *o, const char *one, const char *four,
                           struct weft_str *w) {
    const char *x = o->name, *t = scalar_type(o->dtype);
    weft_str_addf(w, "fn load_%s(i: u32) -> %s { %sreturn bitcast<%s>(segment_%s(p.off_%s + i)); }\n", x, t, one, t, x,
                  x);
    weft_str_addf(w, "fn load4_%s(i: u32) -> vec4<%s> { %slet e = p.off_%s + i; return bitcast<vec4<%s>>(", x, t, four,
                  x, t);
    if (s->bound.slots[o->bound.slot].wide) weft_str_addf(w, "segment4_%s(e >> 2u)); }\n", x);
    else
        weft_str_addf(w, "vec4<u32>(segment_%s(e), segment_%s(e + 1u), segment_%s(e + 2u), segment_%s(e + 3u))); }\n",
                      x, x, x, x);
}

/// `one` and `four`: what a store of one element and of four begins with.
static void store_segmented(const struct weft_step *s, const struct weft_operand *o, const char *one, const char *four,
                            struct weft_str *w) {
    const char *x = o->name, *t = scalar_type(o->dtype);
    if (s->bound.slots[o->bound.slot].wide) {
        weft_str_addf(w,
                      "fn store4_%s(i: u32, v: vec4<%s>) { %sset_segment4_%s((p.off_%s + i) >> 2u, "
                      "bitcast<vec4<u32>>(v)); }\n",
                      x, t, four, x, x);
        return;
    }
    weft_str_addf(w, "fn store_%s(i: u32, v: %s) { %sset_segment_%s(p.off_%s + i, bitcast<u32>(v)); }\n", x, t, one, x,
                  x);
    weft_str_addf(w, "fn store4_%s(i: u32, v: vec4<%s>) { %slet e = p.off_%s + i; let u = bitcast<vec4<u32>>(v);", x, t,
                  four, x);
    for (int c = 0; c < 4; c++) weft_str_addf(w, " set_segment_%s(e + %du, u[%d]);", x, c, c);
    weft_str_add(w, " }\n");
}

/// word_x(k): word k of an operand whose elements share words.
static void load_shared(const struct weft_step *s, const struct weft_operand *o, struct weft_str *w) {
    const char *x = o->name;
    bool wide = s->bound.slots[o->bound.slot].wide;
    if (o->bound.n_segments > 1) weft_str_addf(w, "fn word_%s(k: u32) -> u32 { return segment_%s(k); }\n", x, x);
    else if (wide) weft_str_addf(w, "fn word_%s(k: u32) -> u32 { return b%u[k >> 2u][k & 3u]; }\n", x, o->bound.slot);
    else weft_str_addf(w, "fn word_%s(k: u32) -> u32 { return b%u[k]; }\n", x, o->bound.slot);
}

static void load_half(const struct weft_step *s, const struct weft_operand *o, struct weft_str *w) {
    const char *x = o->name;
    if (o->dtype == WEFT_BF16)
        weft_str_addf(w,
                      "fn half_%s(k: u32) -> vec2<f32> { let h = word_%s(k); return vec2<f32>(bitcast<f32>(h << 16u), "
                      "bitcast<f32>(h & 0xffff0000u)); }\n",
                      x, x);
    else weft_str_addf(w, "fn half_%s(k: u32) -> vec2<f32> { return unpack2x16float(word_%s(k)); }\n", x, x);
    weft_str_addf(w,
                  "fn load_%s(i: u32) -> f32 { %slet e = p.off_%s + i; let h = half_%s(e >> 1u); return select(h.x, "
                  "h.y, (e & 1u) == 1u); }\n",
                  x, guard(s, x, "i", 1, "0.0").text, x, x);
    if (o->flags & WEFT_OPERAND_WIDE)
        weft_str_addf(w,
                      "fn load4_%s(i: u32) -> vec4<f32> { %slet e = (p.off_%s + i) >> 1u; return vec4<f32>(half_%s(e), "
                      "half_%s(e + 1u)); }\n",
                      x, guard(s, x, "i", 4, "vec4<f32>()").text, x, x, x);
    else // may start inside a word
        weft_str_addf(w,
                      "fn load4_%s(i: u32) -> vec4<f32> { return vec4<f32>(load_%s(i), load_%s(i + 1u), load_%s(i + "
                      "2u), load_%s(i + 3u)); }\n",
                      x, x, x, x, x);
}

static void load_byte(const struct weft_step *s, const struct weft_operand *o, struct weft_str *w) {
    const char *x = o->name, *t = scalar_type(o->dtype);
    bool negative = weft_storage_of(o->dtype)->negative;
    char zero[16], zeros[24];
    snprintf(zero, sizeof zero, "%s()", t);
    snprintf(zeros, sizeof zeros, "vec4<%s>()", t);
    weft_str_addf(w, "fn load_%s(i: u32) -> %s { %slet e = p.off_%s + i; let u = word_%s(e >> 2u) >> ((e & 3u) * 8u); ",
                  x, t, guard(s, x, "i", 1, zero).text, x, x);
    weft_str_add(w, negative ? "return bitcast<i32>(u << 24u) >> 24u; }\n" : "return u & 255u; }\n");
    if (o->flags & WEFT_OPERAND_WIDE)
        weft_str_addf(
            w,
            "fn load4_%s(i: u32) -> vec4<%s> { %slet u = word_%s((p.off_%s + i) >> 2u); let v = vec4<u32>(u << "
            "24u, u << 16u, u << 8u, u); return bitcast<vec4<%s>>(v) >> vec4<u32>(24u); }\n",
            x, t, guard(s, x, "i", 4, zeros).text, x, x, t);
    else // may start inside a word
        weft_str_addf(w,
                      "fn load4_%s(i: u32) -> vec4<%s> { return vec4<%s>(load_%s(i), load_%s(i + 1u), load_%s(i + 2u), "
                      "load_%s(i + 3u)); }\n",
                      x, t, t, x, x, x, x);
}

/// Bits as they are, and words of which a range may own a part only. `keeps`: it is the present of a state of two
/// buffers, all of which is written, so that it starts at a word.
static void raw_parts(const struct weft_step *s, const struct weft_operand *o, bool keeps, struct weft_str *w) {
    const struct weft_storage *storage = weft_storage_of(o->dtype);
    const char *x = o->name;
    char when[96] = "";
    unsigned b = o->bound.slot, per = storage->per_word, bits = 32 / per, shift = per == 2 ? 1 : 2;
    if (keeps) snprintf(when, sizeof when, "if (!is_active()) { keep_%s(t * %uu, 1u); return; } ", x, per);
    else if (o->flags & WEFT_OPERAND_STATE) snprintf(when, sizeof when, "if (!is_active()) { return; } ");
    if (o->access & WEFT_READ)
        weft_str_addf(w,
                      "fn bits_%s(i: u32) -> u32 { %slet e = p.off_%s + i; return (word_%s(e >> %uu) >> ((e & %uu) * "
                      "%uu)) & %uu; }\n",
                      x, guard(s, x, "i", 1, "0u").text, x, x, shift, per - 1, bits, (1u << bits) - 1);
    if (!(o->access & WEFT_WRITE)) return;
    char first[128], get[48], set[64];
    if (o->bound.n_segments > 1) {
        snprintf(get, sizeof get, "segment_%s(k)", x);
        snprintf(set, sizeof set, "set_segment_%s(k, ", x);
    } else {
        snprintf(get, sizeof get, s->bound.slots[b].wide ? "b%u[k >> 2u][k & 3u]" : "b%u[k]", b);
        snprintf(set, sizeof set, "%s = (", get);
    }
    snprintf(first, sizeof first, "max(t * %uu, p.off_%s & %uu) - (p.off_%s & %uu)", per, x, per - 1, x, per - 1);
    weft_str_addf(w, "fn phase_%s() -> u32 { return p.off_%s & %uu; }\n", x, x, per - 1);
    if (storage->real)
        weft_str_addf(w, "fn part_bits_%s(v: f32) -> u32 { return %s_bits(v); }\n", x,
                      o->dtype == WEFT_BF16 ? "bf16" : "f16");
    else
        weft_str_addf(w, "fn part_bits_%s(v: %s) -> u32 { return bitcast<u32>(v) & %uu; }\n", x, scalar_type(o->dtype),
                      (1u << bits) - 1);
    weft_str_addf(w,
                  "fn put_word_%s(t: u32, bits: u32, mask: u32) { %s%slet k = (p.off_%s >> %uu) + t; %s(%s & ~mask) | "
                  "bits); }\n",
                  x, when, guard(s, x, first, 1, "").text, x, shift, set, get);
}

static void load_word(const struct weft_step *s, const struct weft_operand *o, struct weft_str *w) {
    const char *x = o->name, *t = scalar_type(o->dtype);
    uint32_t b = o->bound.slot;
    char zero[16], zeros[24];
    snprintf(zero, sizeof zero, "%s()", t);
    snprintf(zeros, sizeof zeros, "vec4<%s>()", t);
    struct guard one = guard(s, x, "i", 1, zero), four = guard(s, x, "i", 4, zeros);
    if (o->bound.n_segments > 1) {
        load_segmented(s, o, one.text, four.text, w);
        return;
    }
    if (s->bound.slots[b].wide) {
        weft_str_addf(
            w, "fn load_%s(i: u32) -> %s { %slet e = p.off_%s + i; return bitcast<%s>(b%u[e >> 2u][e & 3u]); }\n", x, t,
            one.text, x, t, b);
        weft_str_addf(w, "fn load4_%s(i: u32) -> vec4<%s> { %sreturn bitcast<vec4<%s>>(b%u[(p.off_%s + i) >> 2u]); }\n",
                      x, t, four.text, t, b, x);
    } else {
        weft_str_addf(w, "fn load_%s(i: u32) -> %s { %sreturn bitcast<%s>(b%u[p.off_%s + i]); }\n", x, t, one.text, t,
                      b, x);
        weft_str_addf(w,
                      "fn load4_%s(i: u32) -> vec4<%s> { %slet e = p.off_%s + i; return "
                      "bitcast<vec4<%s>>(vec4<u32>(b%u[e], b%u[e + 1u], b%u[e + 2u], b%u[e + 3u])); }\n",
                      x, t, four.text, x, t, b, b, b, b);
    }
}

/// The operand that reads the past of the elements which `o`, of the present of a state of two buffers, stores; NULL
/// for all others.
static const struct weft_operand *past_of(const struct weft_schedule *sc, const struct weft_step *s,
                                          const struct weft_operand *o) {
    const struct weft_tensor *t = &sc->tensors[o->tensor];
    if (t->mem != WEFT_MEM_STATE || !(t->index & WEFT_STATE_PRESENT)) return NULL;
    for (uint32_t i = 0; i < s->n_operands; i++) {
        const struct weft_operand *p = &s->operands[i];
        const struct weft_tensor *past = &sc->tensors[p->tensor];
        if (past->mem == WEFT_MEM_STATE && (past->index | WEFT_STATE_PRESENT) == t->index && past->index != t->index &&
            (p->access & WEFT_READ) && p->dtype == o->dtype && p->byte_offset == o->byte_offset &&
            p->elem_offset == o->elem_offset)
            return p;
    }
    return NULL;
}

/// "b3[k >> 2u][k & 3u]": word k of an operand in one binding.
static void one_word(const struct weft_step *s, const struct weft_operand *o, const char *k, struct weft_str *w) {
    if (s->bound.slots[o->bound.slot].wide) weft_str_addf(w, "b%u[%s >> 2u][%s & 3u]", o->bound.slot, k, k);
    else weft_str_addf(w, "b%u[%s]", o->bound.slot, k);
}

/// keep_x(i, n): n words of the past from element i on become those of the present: what a store does while the run is
/// not active, so that the buffers may change roles all the same.
static void keep(const struct weft_step *s, const struct weft_operand *o, const struct weft_operand *past,
                 struct weft_str *w) {
    uint32_t per = weft_storage_of(o->dtype)->per_word;
    const char *shift = per == 4 ? " >> 2u" : per == 2 ? " >> 1u" : "";
    weft_str_addf(w, "fn keep_%s(i: u32, n: u32) {\n    for (var j = 0u; j < n; j++) {\n", o->name);
    weft_str_addf(w, "        let a = ((p.off_%s + i)%s) + j;\n        let z = ((p.off_%s + i)%s) + j;\n        ",
                  past->name, shift, o->name, shift);
    if (o->bound.n_segments > 1) weft_str_addf(w, "set_segment_%s(z, ", o->name);
    else one_word(s, o, "z", w), weft_str_add(w, " = ");
    if (past->bound.n_segments > 1) weft_str_addf(w, "segment_%s(a)", past->name);
    else one_word(s, past, "a", w);
    weft_str_add(w, o->bound.n_segments > 1 ? ");\n    }\n}\n" : ";\n    }\n}\n");
}

/// What a store of n elements at i begins with: an end where the run is not active, or keeping the past then; and the
/// guard of a checked build over `guarded` elements.
struct when {
    char text[288];
};
static struct when when_active(const struct weft_step *s, const struct weft_operand *o, const struct weft_operand *past,
                               int n, int guarded) {
    struct when x = {""};
    struct guard g = guard(s, o->name, "i", guarded, "");
    if (past)
        snprintf(x.text, sizeof x.text, "%sif (!is_active()) { keep_%s(i, %du); return; } ", g.text, o->name,
                 n / weft_storage_of(o->dtype)->per_word);
    else
        snprintf(x.text, sizeof x.text, "%s%s", o->flags & WEFT_OPERAND_STATE ? "if (!is_active()) { return; } " : "",
                 g.text);
    return x;
}

static void store(const struct weft_schedule *sc, const struct weft_step *s, const struct weft_operand *o,
                  struct weft_str *w) {
    const struct weft_operand *past = past_of(sc, s, o);
    if (past) keep(s, o, past, w);
    bool half = weft_is_half(o->dtype), shared = weft_shares_words(o->dtype);
    const struct when one = when_active(s, o, past, half ? 2 : 1, 1), four = when_active(s, o, past, 4,
                                                                                         half     ? 3
                                                                                         : shared ? 1
                                                                                                  : 4);
    const char *x = o->name, *t = scalar_type(o->dtype);
    uint32_t b = o->bound.slot;
    bool is_wide = s->bound.slots[b].wide;
    if (half) {
        weft_str_addf(w, "fn set_word_%s(k: u32, v: vec2<f32>) { ", x);
        bool segmented = o->bound.n_segments > 1;
        if (segmented) weft_str_addf(w, "set_segment_%s(k, ", x);
        else if (is_wide) weft_str_addf(w, "b%u[k >> 2u][k & 3u] = ", b);
        else weft_str_addf(w, "b%u[k] = ", b);
        weft_str_addf(w, "pack_%s(v)%s; }\n", o->dtype == WEFT_BF16 ? "bf16" : "f16", segmented ? ")" : "");
        // the last word of an odd number of elements belongs to whoever stores the last element
        weft_str_addf(w, "fn store2_%s(i: u32, v: vec2<f32>) { %sset_word_%s((p.off_%s + i) >> 1u, v); }\n", x,
                      one.text, x, x);
        weft_str_addf(w,
                      "fn store4_%s(i: u32, v: vec4<f32>) { %slet k = (p.off_%s + i) >> 1u; set_word_%s(k, v.xy); "
                      "set_word_%s(k + 1u, v.zw); }\n",
                      x, four.text, x, x, x);
        return;
    }
    if (shared) { // the last word belongs to whoever stores the last element, whatever stands behind it
        weft_str_addf(
            w,
            "fn store4_%s(i: u32, v: vec4<%s>) { %slet k = (p.off_%s + i) >> 2u; let u = bitcast<vec4<u32>>(v) "
            "& vec4<u32>(255u); ",
            x, t, four.text, x);
        if (o->bound.n_segments > 1) weft_str_addf(w, "set_segment_%s(k, ", x);
        else one_word(s, o, "k", w), weft_str_add(w, " = (");
        weft_str_add(w, "u.x | (u.y << 8u) | (u.z << 16u) | (u.w << 24u)); }\n");
        return;
    }
    if (o->bound.n_segments > 1) {
        store_segmented(s, o, one.text, four.text, w);
        return;
    }
    if (is_wide) {
        weft_str_addf(w, "fn store4_%s(i: u32, v: vec4<%s>) { %sb%u[(p.off_%s + i) >> 2u] = bitcast<vec4<u32>>(v); }\n",
                      x, t, four.text, b, x);
        return;
    }
    weft_str_addf(w, "fn store_%s(i: u32, v: %s) { %sb%u[p.off_%s + i] = bitcast<u32>(v); }\n", x, t, one.text, b, x);
    weft_str_addf(w,
                  "fn store4_%s(i: u32, v: vec4<%s>) { %slet e = p.off_%s + i; let u = bitcast<vec4<u32>>(v); b%u[e] "
                  "= u.x; b%u[e + 1u] = u.y; b%u[e + 2u] = u.z; b%u[e + 3u] = u.w; }\n",
                  x, t, four.text, x, b, b, b, b);
}

static void atomics(const struct weft_step *s, const struct weft_operand *o, struct weft_str *w) {
    struct guard value = guard(s, o->name, "i", 1, "0u"), nothing = guard(s, o->name, "i", 1, "");
    static const char *const two[][2] = {{"add", "Add"}, {"max", "Max"}, {"min", "Min"}, {"or", "Or"}};
    for (size_t i = 0; i < sizeof two / sizeof two[0]; i++)
        weft_str_addf(w, "fn atomic_%s_%s(i: u32, v: u32) -> u32 { %sreturn atomic%s(&b%u[p.off_%s + i], v); }\n",
                      two[i][0], o->name, value.text, two[i][1], o->bound.slot, o->name);
    weft_str_addf(w, "fn atomic_load_%s(i: u32) -> u32 { %sreturn atomicLoad(&b%u[p.off_%s + i]); }\n", o->name,
                  value.text, o->bound.slot, o->name);
    weft_str_addf(w, "fn atomic_store_%s(i: u32, v: u32) { %satomicStore(&b%u[p.off_%s + i], v); }\n", o->name,
                  nothing.text, o->bound.slot, o->name);
}

static void variables(const struct weft_step *s, const struct weft_operand *o, struct weft_str *w) {
    uint32_t b = o->bound.slot;
    weft_str_addf(w, "fn is_active() -> bool { return b%u[p.off_vars] != 0u; }\n", b);
    static const char *const types[] = {"u32", "i32", "f32"};
    for (int i = 0; i < 3; i++) {
        char zero[16];
        snprintf(zero, sizeof zero, "%s()", types[i]);
        weft_str_addf(w, "fn var_%s(s: u32) -> %s { %sreturn bitcast<%s>(b%u[p.off_vars + s]); }\n", types[i], types[i],
                      guard(s, "vars", "s", 1, zero).text, types[i], b);
        if (o->access & WEFT_WRITE)
            weft_str_addf(w, "fn set_var_%s(s: u32, v: %s) { %sb%u[p.off_vars + s] = bitcast<u32>(v); }\n", types[i],
                          types[i], guard(s, "vars", "s", 1, "").text, b);
    }
}

/// row_x of a dense state: the position itself; of a ring, or of a copy of one: the position modulo its rows. Of a
/// state by slot there are the rows of the slots in front. A checked build records a position behind the last row of a
/// dense state: kernels ask for it before they leave it alone.
static void plain_row(const struct weft_plan *plan, const struct weft_schedule *sc, const struct weft_step *s,
                      const struct weft_operand *o, struct weft_str *w) {
    const struct weft_tensor *t = &sc->tensors[o->tensor];
    bool ring = t->state_capacity != 0, variables = false;
    for (uint32_t i = 0; i < s->n_operands; i++) variables |= sc->tensors[s->operands[i].tensor].mem == WEFT_MEM_VARS;
    weft_str_addf(w, "fn row_%s(%si: u32) -> u32 {", o->name, t->slots ? "slot: u32, " : "");
    if (!ring && s->bound.checked && variables && t->mem == WEFT_MEM_STATE && o->access & WEFT_WRITE) {
        const struct weft_plan_state *state = &plan->states[t->index & ~WEFT_STATE_PRESENT];
        uint32_t row = (uint32_t)(state->row_bytes / weft_accessor_width(o->dtype));
        weft_str_addf(w, " if (is_active() && i >= %uu) { record_fault(%uu, i * %uu, %uu); }", (uint32_t)state->rows,
                      (unsigned)(o - s->operands), row, (uint32_t)state->rows * row);
    }
    weft_str_add(w, " return ");
    if (t->slots) weft_str_addf(w, "min(slot, %uu) * %uu + ", t->slots - 1, t->slot_rows);
    if (ring) weft_str_addf(w, "i %% %uu; }\n", t->state_capacity);
    else weft_str_add(w, "i; }\n");
}

/// row_x of a paged state: through the session's page table, or the slot's. A row that has no page, or lies beyond the
/// table, leads to page 0, which holds nobody's rows.
static void paged_row(const struct weft_plan *plan, const struct weft_step *s, const struct weft_operand *o,
                      const struct weft_plan_state *state, struct weft_str *w) {
    const struct weft_plan_pages *g = &plan->page_groups[state->pages];
    uint32_t vars = 0;
    while (vars < s->n_operands && !is_vars(&s->operands[vars])) vars++;
    bool slots = plan->graph->values[state->value].by_slot;
    weft_str_addf(w, "fn row_%s(%si: u32) -> u32 {\n    let page = b%u[p.off_vars + %uu + ", o->name,
                  slots ? "slot: u32, " : "", s->operands[vars].bound.slot, g->table);
    if (slots) weft_str_addf(w, "min(slot, %uu) * %uu + ", g->slots - 1, weft_table_words(g));
    weft_str_addf(w, "min(i >> %uu, %uu)];\n", g->shift, g->n);
    if (s->bound.checked) { // an element of the state as a whole, of as many as it has; none without a page
        uint32_t row = (uint32_t)(state->row_bytes / weft_accessor_width(o->dtype));
        weft_str_addf(w, "    let there = select(0u, %uu, page != 0u);\n", (uint32_t)state->rows);
        weft_str_addf(w, "    if (is_active() && i >= there) { record_fault(%uu, i * %uu, there * %uu); }\n",
                      (unsigned)(o - s->operands), row, row);
    }
    weft_str_addf(w, "    return (page << %uu) | (i & %uu);\n}\n", g->shift, (1u << g->shift) - 1);
}

static void accessors(const struct weft_plan *plan, const struct weft_schedule *sc, const struct weft_step *s,
                      struct weft_str *w) {
    if (s->bound.checked) fault(s, w);
    for (uint32_t i = 0; s->bound.checked && i < s->n_operands; i++)
        outside(s, &s->operands[i], paged_state(plan, sc, &s->operands[i]) != NULL, w);
    for (uint32_t i = 0; i < s->n_operands; i++)
        if (is_vars(&s->operands[i])) variables(s, &s->operands[i], w);
    for (uint32_t i = 0; i < s->n_operands; i++) {
        const struct weft_operand *o = &s->operands[i];
        if (is_vars(o)) continue;
        if (o->flags & WEFT_OPERAND_ATOMIC) {
            atomics(s, o, w);
            continue;
        }
        if (o->bound.n_segments > 1) segments(s, o, w);
        if (o->access & WEFT_READ) {
            if (weft_shares_words(o->dtype)) load_shared(s, o, w);
            if (weft_is_half(o->dtype)) load_half(s, o, w);
            else if (weft_shares_words(o->dtype)) load_byte(s, o, w);
            else load_word(s, o, w);
        }
        if (o->access & WEFT_WRITE) store(sc, s, o, w);
        if (o->flags & WEFT_OPERAND_BITS) raw_parts(s, o, past_of(sc, s, o) != NULL, w);
        const struct weft_plan_state *paged = paged_state(plan, sc, o);
        if (paged) paged_row(plan, s, o, paged, w);
        else plain_row(plan, sc, s, o, w);
    }
}

/// The entry point: a template has a function `body`, so that a dispatch is not bound to be one kernel.
static void entry(const struct weft_step *s, struct weft_str *w) {
    const uint32_t *size = s->workgroup;
    weft_str_addf(w,
                  "@compute @workgroup_size(%u, %u, %u)\nfn main(@builtin(workgroup_id) wid: vec3<u32>, "
                  "@builtin(num_workgroups) nwg: vec3<u32>,\n        @builtin(local_invocation_index) lid: u32) {\n"
                  "    body(wid, nwg, lid);\n}\n",
                  size[0], size[1], size[2]);
}

/// The text in the plan's arena, once for all steps that have it.
static char *keep_text(struct weft_plan *plan, const struct weft_str *text) {
    uint64_t known;
    if (weft_map_get(&plan->scratch.texts, text->data, text->len, &known)) return (char *)(uintptr_t)known;
    char *kept = weft_arena_strdup(&plan->arena, text->data);
    if (kept) weft_map_set(&plan->scratch.texts, text->data, text->len, (uint64_t)(uintptr_t)kept);
    return kept;
}

weft_status weft_bind_wgsl(struct weft_plan *plan, const struct weft_schedule *sc, struct weft_step *s) {
    struct weft_str w = {0};
    struct weft_tval values[WEFT_MAX_TVALS + 8];
    size_t n = 0;
    memcpy(values, s->tvals, s->n_tvals * sizeof *values);
    n = s->n_tvals;
    const struct weft_gpu_caps *c = &plan->caps;
    const struct weft_tval common[] = {{"WG", s->workgroup[0], NULL},
                                       {"ORDERED", plan->profile.invariant, NULL},
                                       {"SUBGROUPS", c->subgroups, NULL},
                                       {"SG", c->subgroups ? c->subgroup_min : 0, NULL}};
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        bool own = false;
        for (uint32_t j = 0; j < s->n_tvals; j++) own |= strcmp(s->tvals[j].name, common[i].name) == 0;
        if (!own) values[n++] = common[i];
    }
    prelude(plan, &w);
    declarations(s, &w);
    accessors(plan, sc, s, &w);
    weft_status status = weft_plan_expand(plan, s->kernel->file, values, n, &w);
    if (status != WEFT_OK) {
        weft_str_free(&w);
        return weft_fail_in(status, "step '%s'", s->label);
    }
    entry(s, &w);
    weft_link_scalars(&w);
    s->bound.wgsl = w.failed ? NULL : keep_text(plan, &w);
    weft_str_free(&w);
    if (!s->bound.wgsl)
        return weft_fail(WEFT_ERR_NOMEM, "out of memory while writing the kernel of step '%s'", s->label);
    return WEFT_OK;
}
