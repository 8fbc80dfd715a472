#include "support/alias_cases.h"
#include "core/error.h"
#include "core/str.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- families ------------------------------------------------------------------------------------------------------

/// What overlapping an operand means for the kernel that writes the destination.
enum reach {
    SAME_MAP,  ///< read at the element that is written: in place where the ranges are one
    OTHER_MAP, ///< read at other elements: any overlap costs a copy of the destination
    IN_FRONT,  ///< read by every workgroup before the product: an overlap costs a step of its own in front, no copy
    STAGED,    ///< read by a kernel that writes a transient in any case
};

struct operand {
    const char *name, *shape;
    int64_t count;
    enum reach reach;
};

struct family {
    const char *name, *leaves, *body; ///< body: from the operands by name to %y
    struct operand ops[5];
    uint32_t n_ops, pair[2]; ///< two sources whose ranges are laid over each other
    bool vectors;            ///< operands IN_FRONT or STAGED are read four at a time where their range allows it
    int64_t dst_count;
    bool quantised, flat; ///< flat: no reductions, no product
    uint32_t own;         ///< mask of operands with OTHER_MAP that are read at the element which is written
    double tolerance;
    uint8_t fused[ALIAS_STEPS], copied[ALIAS_STEPS], front[ALIAS_STEPS]; ///< bindings a step, in each of three outcomes
    uint8_t mixed[ALIAS_STEPS];  ///< of a quantised one: m is f16, an operand is f32
    uint8_t halves[ALIAS_STEPS]; ///< where m is f16: a step of its own stores halves and copies nothing,
                                 ///< unless threads of an elementwise kernel have whole words of what it writes
};

// Bindings: m counts once, whatever is read and written of it; beside a state stand the variables.
static const struct family families[] = {
    {.name = "norm",
     .n_ops = 4,
     .pair = {0, 1},
     .dst_count = 384,
     .quantised = true,
     .tolerance = 2e-5,
     .ops = {{"x", "[6, 64]", 384, SAME_MAP},
             {"r", "[6, 64]", 384, SAME_MAP},
             {"w", "[64]", 64, OTHER_MAP},
             {"b", "[64]", 64, OTHER_MAP}},
     .body = "%n = rms_norm %x %w \"rms\"\n%a = add %n %r \"residual\"\n%y = add %a %b \"bias\"\n%q %s = quantize %y\n"
             "output %q q\noutput %s s\n",
     .fused = {3, 3},
     .copied = {3, 3, 3},
     .halves = {4, 3, 3},
     .mixed = {4, 3, 3}},
    {.name = "chain",
     .flat = true,
     .n_ops = 3,
     .pair = {0, 1},
     .dst_count = 384,
     .tolerance = 1e-5,
     .ops = {{"x", "[6, 64]", 384, SAME_MAP}, {"r", "[6, 64]", 384, SAME_MAP}, {"w", "[64]", 64, OTHER_MAP}},
     .body = "%t = silu %x\n%p = mul %t %r\n%y = add %p %w\n",
     .fused = {2},
     .copied = {3, 3},
     .halves = {3, 3}},
    {.name = "chain, left operand broadcast",
     .flat = true,
     .n_ops = 3,
     .pair = {1, 2},
     .dst_count = 384,
     .tolerance = 1e-5,
     .ops = {{"x", "[1, 64]", 64, OTHER_MAP}, {"r", "[6, 64]", 384, SAME_MAP}, {"v", "[6, 64]", 384, SAME_MAP}},
     .body = "%p = sub %x %r\n%y = add %p %v\n",
     .fused = {2},
     .copied = {3, 3},
     .halves = {3, 3}},
    {.name = "chain, right operand a column",
     .flat = true,
     .n_ops = 3,
     .pair = {0, 2},
     .dst_count = 384,
     .tolerance = 1e-5,
     .ops = {{"x", "[6, 64]", 384, SAME_MAP}, {"w", "[6, 1]", 6, OTHER_MAP}, {"r", "[6, 64]", 384, SAME_MAP}},
     .body = "%p = mul %x %w\n%y = max %p %r\n",
     .fused = {2},
     .copied = {3, 3},
     .halves = {3, 3}},
    {.name = "softmax",
     .n_ops = 3,
     .pair = {0, 1},
     .dst_count = 384,
     .tolerance = 1e-5,
     .ops = {{"x", "[6, 64]", 384, SAME_MAP}, {"r", "[6, 64]", 384, SAME_MAP}, {"w", "[64]", 64, OTHER_MAP}},
     .body = "%t = mul %x %w\n%u = softmax %t\n%y = add %u %r\n",
     .fused = {2},
     .copied = {3, 3},
     .halves = {3, 3}},
    {.name = "layer norm",
     .n_ops = 4,
     .pair = {0, 1},
     .dst_count = 384,
     .tolerance = 2e-5,
     .ops = {{"x", "[6, 64]", 384, SAME_MAP},
             {"r", "[6, 64]", 384, SAME_MAP},
             {"w", "[64]", 64, OTHER_MAP},
             {"b", "[64]", 64, OTHER_MAP}},
     .body = "%n = layer_norm %x %w %b\n%y = add %r %n\n",
     .fused = {2},
     .copied = {3, 3},
     .halves = {3, 3}},
    // a rotary map reads the partner column, which another thread may have written
    {.name = "rope",
     .flat = true,
     .own = 2,
     .n_ops = 2,
     .pair = {0, 1},
     .dst_count = 384,
     .tolerance = 1e-5,
     .leaves = "var pos u32 0 100\n",
     .ops = {{"x", "[6, 2, 32]", 384, OTHER_MAP}, {"r", "[6, 2, 32]", 384, OTHER_MAP}},
     .body = "%n = rope %x %pos\n%y = add %n %r\n",
     .fused = {3},
     .copied = {4, 3},
     .halves = {4, 3}},
    {.name = "matvec",
     .n_ops = 4,
     .pair = {0, 1},
     .dst_count = 256,
     .tolerance = 2e-4,
     .leaves = "weight W q8_0 [256, 256]\n",
     .ops = {{"x", "[1, 256]", 256, IN_FRONT},
             {"r", "[1, 256]", 256, SAME_MAP},
             {"w", "[256]", 256, IN_FRONT},
             {"b", "[256]", 256, OTHER_MAP}},
     .body = "%n = rms_norm %x %w\n%p = matmul %n %W\n%a = add %p %r\n%y = mul %a %b\n",
     .fused = {4},
     .copied = {5, 3},
     .front = {3, 5},
     .halves = {5, 3}},
    {.name = "matmul",
     .vectors = true,
     .n_ops = 2,
     .pair = {0, 1},
     .dst_count = 768,
     .tolerance = 1e-4,
     .leaves = "weight W q8_0 [64, 64]\n",
     .ops = {{"x", "[12, 64]", 768, IN_FRONT}, {"r", "[12, 64]", 768, SAME_MAP}},
     .body = "%p = matmul %x %W\n%y = add %p %r\n",
     .fused = {4},
     .copied = {5, 3},
     .front = {5, 3},
     .halves = {5, 3}},
    {.name = "gather",
     .n_ops = 1,
     .dst_count = 384,
     .leaves = "input ids i32 [6]\n",
     .ops = {{"x", "[6, 64]", 384, STAGED}},
     .body = "%y = gather %x %ids\n",
     .fused = {4, 3},
     .halves = {4, 3}},
    {.name = "attention",
     .vectors = true,
     .n_ops = 3,
     .pair = {1, 2},
     .dst_count = 384,
     .tolerance = 1e-4,
     .leaves = "var pos u32 0 6\n",
     .ops = {{"q", "[6, 2, 32]", 384, STAGED}, {"k", "[12, 1, 32]", 384, STAGED}, {"v", "[12, 1, 32]", 384, STAGED}},
     .body = "%y = attention %q %k %v %pos\n",
     .fused = {3, 3},
     .halves = {3, 3}},
};
#define N_FAMILIES (sizeof families / sizeof *families)

// ---- layouts -------------------------------------------------------------------------------------------------------

static uint32_t next(uint32_t *s) {
    *s ^= *s << 13;
    *s ^= *s >> 17;
    *s ^= *s << 5;
    return *s >> 4;
}

/// Where operands and the destination lie, in elements of m; which operands are views of the other float type.
struct layout {
    const struct family *f;
    weft_dtype type;
    int64_t at[5], dst;
    bool other[5];    ///< m is f32: a view as f16, and the reverse
    bool one_value;   ///< the pair is one value, not two views of one range
    const char *body; ///< instead of the family's
    uint32_t used;    ///< operands that the body uses, a bit each
};

static void spread(struct layout *l, const struct family *f, weft_dtype type, int64_t odd) {
    *l = (struct layout){.f = f, .type = type, .body = f->body, .used = UINT32_MAX};
    int64_t at = 900 + odd;
    for (uint32_t i = 0; i < f->n_ops; i++) {
        l->at[i] = at;
        at += f->ops[i].count + 300;
    }
    l->dst = at + 300;
}

/// Bytes of m that an operand shows.
static void bytes_of(const struct layout *l, uint32_t i, int64_t *from, int64_t *to) {
    bool half = (l->type == WEFT_F16) != l->other[i];
    *from = l->at[i] * (l->type == WEFT_F16 ? 2 : 4);
    *to = *from + l->f->ops[i].count * (half ? 2 : 4);
}

enum outcome { FUSED, COPIED, FRONT, HALVES };

/// m is f16: threads have whole words, which nobody reads but who writes them.
static bool owns_words(const struct layout *l) {
    static const char *const rows[] = {"softmax", "mean", "amax"};
    bool flat = l->f->flat || l->body != l->f->body;
    int64_t lo = l->dst * 2, hi = lo + l->f->dst_count * 2, from, to;
    for (size_t k = 0; k < sizeof rows / sizeof *rows && l->body != l->f->body; k++) flat &= !strstr(l->body, rows[k]);
    for (uint32_t i = 0; flat && i < l->f->n_ops; i++) {
        if (!(l->used >> i & 1)) continue;
        bytes_of(l, i, &from, &to);
        if (to <= (lo & ~(int64_t)3) || from >= ((hi + 3) & ~(int64_t)3)) continue;
        flat = (l->f->ops[i].reach == SAME_MAP || (l->f->own >> i & 1)) && from == lo && to == hi && !l->other[i];
    }
    return flat;
}

static enum outcome outcome(const struct layout *l) {
    bool copied = false, front = false;
    int64_t lo = l->dst * 4, hi = lo + l->f->dst_count * 4, from, to;
    if (l->type == WEFT_F16) return owns_words(l) ? FUSED : HALVES;
    for (uint32_t i = 0; i < l->f->n_ops; i++) {
        enum reach reach = l->f->ops[i].reach;
        bytes_of(l, i, &from, &to);
        if (!(l->used >> i & 1) || reach == STAGED || to <= lo || from >= hi) continue;
        if (reach == IN_FRONT) front = true;
        else if (reach == OTHER_MAP || from != lo || to != hi) copied = true;
    }
    return copied ? COPIED : front ? FRONT : FUSED;
}

static void operand_text(const struct layout *l, uint32_t i, struct alias_case *c, struct weft_str *s) {
    const struct operand *o = &l->f->ops[i];
    const char *name = o->name;
    if (l->one_value && i == l->f->pair[1]) {
        weft_str_addf(s, "%%%s = reshape %%%s_0 {shape=%s}\n", name, l->f->ops[l->f->pair[0]].name, o->shape);
        return;
    }
    int64_t count = o->count;
    if (l->other[i]) count = l->type == WEFT_F16 ? count * 2 : count / 2;
    weft_str_addf(s, "%%%s_0 = slice %%m {start=%lld, len=%lld}\n", name, (long long)l->at[i], (long long)count);
    if (l->other[i])
        weft_str_addf(s, "%%%s_1 = bitcast %%%s_0 {dtype=%s}\n", name, name, l->type == WEFT_F16 ? "f32" : "f16");
    weft_str_addf(s, "%%%s = reshape %%%s_%d {shape=%s}\n", name, name, l->other[i], o->shape);
    if (!l->other[i] || l->type == WEFT_F16) return;
    c->halves[c->n_halves].from = l->at[i];
    c->halves[c->n_halves++].to = l->at[i] + count;
}

struct walk {
    int (*each)(void *user, const struct alias_case *c);
    void *user;
    int sum;
    uint32_t seed;
};

static void give(struct walk *w, const struct layout *l, bool few, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void give(struct walk *w, const struct layout *l, bool few, const char *format, ...) {
    const struct family *f = l->f;
    static struct alias_case c;
    struct weft_str s = {0};
    char how[80];
    va_list args;
    va_start(args, format);
    vsnprintf(how, sizeof how, format, args);
    va_end(args);
    c = (struct alias_case){.type = l->type,
                            .count = 4801,
                            .dst = l->dst,
                            .dst_count = f->dst_count,
                            .quantised = f->quantised,
                            .tolerance = f->tolerance,
                            .seed = ++w->seed,
                            .few = few && (l->type == WEFT_F32 || f == families),
                            .random = l->body != f->body};
    snprintf(c.name, sizeof c.name, "%s%s: %s", f->name, l->type == WEFT_F16 ? " in f16" : "", how);
    weft_str_addf(&s, "state m dense %s [%lld]\n%s", weft_dtype_name(l->type), (long long)c.count,
                  f->leaves ? f->leaves : "");
    for (uint32_t i = 0; i < f->n_ops; i++)
        if (l->used >> i & 1) operand_text(l, i, &c, &s);
    weft_str_addf(&s, "%s%%m_1 = assign %%m %%y {start=%lld} \"write\"\n", l->body, (long long)l->dst);
    snprintf(c.graph, sizeof c.graph, "%s", weft_str_get(&s));
    weft_str_free(&s);
    enum outcome o = outcome(l);
    bool mixed = false, wide = false, narrow = false;
    for (uint32_t i = 0; i < f->n_ops; i++) {
        mixed |= l->other[i];
        int64_t own = !l->other[i] ? l->at[i] : l->type == WEFT_F16 ? l->at[i] / 2 : l->at[i] * 2;
        bool quads = (f->ops[i].reach == STAGED || f->ops[i].reach == IN_FRONT) && own % 4 == 0;
        wide |= quads;
        narrow |= !quads;
    }
    // The reference rounds values that are f16 between two operators; the fused kernel keeps them as f32.
    if (mixed || l->type == WEFT_F16) c.tolerance *= 200;
    const uint8_t *want = o == FUSED ? f->fused : o == COPIED ? f->copied : o == FRONT ? f->front : f->halves;
    if (o == HALVES && f->quantised && mixed) want = f->mixed; // what is written is f32: one step of narrowing less
    memcpy(c.bindings, want, sizeof c.bindings);
    // Where m is only read, vectors and single words of it have a binding each.
    if (f->vectors && wide && narrow && o != FRONT && (o != FUSED || f->ops[0].reach == STAGED)) c.bindings[0]++;
    while (c.n_steps < ALIAS_STEPS && c.bindings[c.n_steps]) c.n_steps++;
    c.copied = o == COPIED ? (uint64_t)f->dst_count * 4 : 0;
    w->sum += w->each(w->user, &c);
}

static void pairs(struct walk *w, const struct family *f, weft_dtype type) {
    struct layout l;
    uint32_t a = f->pair[0], b = f->pair[1], seed = (uint32_t)f->dst_count * 77 + 5;
    if (a == b) return;
    spread(&l, f, type, 1);
    l.at[b] = l.at[a];
    give(w, &l, false, "sources equal");
    if (strcmp(f->ops[a].shape, f->ops[b].shape) == 0) {
        l.one_value = true;
        give(w, &l, false, "one source twice");
        l.one_value = false;
    }
    l.dst = l.at[a];
    give(w, &l, true, "all three equal");
    for (uint32_t k = 0; k < 8; k++) {
        static const int64_t offsets[] = {1, 3, 4, 63, 64, 255, 256};
        int64_t d = k < 7 ? offsets[k] : 5 + next(&seed) % 250;
        spread(&l, f, type, 0);
        l.at[b] = l.at[a] + d;
        give(w, &l, k == 1, "sources overlap from element %lld on", (long long)d);
    }
}

static void destinations(struct walk *w, const struct family *f, weft_dtype type) {
    static const int64_t offsets[] = {1, 3, 64, 255, 256};
    struct layout l;
    uint32_t seed = (uint32_t)f->dst_count * 31 + 9;
    for (uint32_t i = 0; i < f->n_ops; i++) {
        spread(&l, f, type, 3);
        l.dst = l.at[i];
        give(w, &l, i == 0, "destination starts with '%s'", f->ops[i].name);
    }
    for (uint32_t k = 0; k < 6; k++) {
        int64_t d = k < 5 ? offsets[k] : 2 + next(&seed) % 250;
        uint32_t i = k % f->n_ops;
        spread(&l, f, type, 2);
        l.dst = l.at[i] - d;
        give(w, &l, k == 1, "destination %lld below '%s'", (long long)d, f->ops[i].name);
        l.dst = l.at[i] + d;
        give(w, &l, false, "destination %lld above '%s'", (long long)d, f->ops[i].name);
    }
    for (uint32_t i = 0; i < f->n_ops; i++) { // neighbours share a word in f16
        spread(&l, f, type, 1);
        l.dst = l.at[i] + f->ops[i].count;
        give(w, &l, false, "destination right behind '%s'", f->ops[i].name);
        l.dst = l.at[i] - f->dst_count;
        give(w, &l, false, "destination right before '%s'", f->ops[i].name);
    }
}

static void layouts(struct walk *w, const struct family *f, weft_dtype type) {
    struct layout l;
    spread(&l, f, type, 0);
    give(w, &l, true, "distinct");
    pairs(w, f, type);
    destinations(w, f, type);
    spread(&l, f, type, 0);
    int64_t at = 5;
    for (uint32_t i = 0; i < f->n_ops; i++, at += f->ops[i - 1].count) l.at[i] = at;
    l.dst = at;
    give(w, &l, false, "slices of one packed tensor");
    for (uint32_t i = 0; i < f->n_ops && f->ops[i].reach != STAGED; i++) {
        spread(&l, f, type, 0); // even, so that views of f32 in f16 start at a word
        l.other[i] = true;
        give(w, &l, i == 0 && f == families, "'%s' of the other float type", f->ops[i].name);
        l.dst = l.at[i];
        give(w, &l, false, "'%s' of the other float type, and the destination over it", f->ops[i].name);
        l.dst = l.at[i] + (type == WEFT_F16 ? 2 : 1) * f->ops[i].count / (type == WEFT_F16 ? 1 : 2);
        give(w, &l, false, "'%s' of the other float type, and the destination right behind", f->ops[i].name);
    }
}

// ---- random regions ------------------------------------------------------------------------------------------------

static const struct family random_family = {
    .name = "random",
    .n_ops = 4,
    .pair = {0, 1},
    .dst_count = 384,
    .tolerance = 1e-4,
    .ops = {{"x", "[6, 64]", 384, SAME_MAP},
            {"r", "[6, 64]", 384, SAME_MAP},
            {"w", "[64]", 64, OTHER_MAP},
            {"c", "[6, 1]", 6, OTHER_MAP}},
    .fused = {2},
    .copied = {3, 3},
    .halves = {3, 3},
};

/// A line of nodes, each of which reads the one before it, and most an operand too: one row program. Returns which
/// operands it reads, a bit each.
static uint32_t random_body(uint32_t *seed, char *body, size_t size) {
    static const char *const unary[] = {"neg", "tanh", "sigmoid", "abs", "softmax"}, *const rows[] = {"mean", "amax"},
                             *const binary[] = {"add", "sub", "mul", "max"};
    uint32_t n = 2 + next(seed) % 6, used = 1;
    size_t at = (size_t)snprintf(body, size, "%%v0 = neg %%x\n");
    for (uint32_t i = 1; i <= n; i++) {
        uint32_t kind = next(seed) % 8, k = next(seed) % 4;
        const char *op = binary[next(seed) % 4];
        char y[8], before[8], other[8];
        snprintf(y, sizeof y, i == n ? "y" : "v%u", i);
        snprintf(before, sizeof before, "v%u", i - 1);
        if (kind < 2) {
            at += (size_t)snprintf(body + at, size - at, "%%%s = %s %%%s\n", y, unary[next(seed) % 5], before);
            continue;
        }
        if (kind == 2) {
            snprintf(other, sizeof other, "t%u", i);
            at += (size_t)snprintf(body + at, size - at, "%%%s = %s %%%s\n", other, rows[next(seed) % 2], before);
        } else {
            snprintf(other, sizeof other, "%s", random_family.ops[k].name);
            used |= 1u << k;
        }
        bool left = next(seed) % 2;
        at += (size_t)snprintf(body + at, size - at, "%%%s = %s %%%s %%%s\n", y, op, left ? other : before,
                               left ? before : other);
    }
    return used;
}

static void random_regions(struct walk *w, uint32_t n) {
    uint32_t seed = 20260;
    for (uint32_t i = 0; i < n; i++) {
        struct layout l;
        char body[1024];
        spread(&l, &random_family, i % 5 == 4 ? WEFT_F16 : WEFT_F32, next(&seed) % 5);
        uint32_t used = random_body(&seed, body, sizeof body), how = next(&seed) % 7, k = next(&seed) % 4;
        if (how == 1) l.dst = l.at[k];
        if (how == 2) l.at[1] = l.at[0] + next(&seed) % 300;
        if (how == 3) l.dst = l.at[k] + 1 + next(&seed) % 380;
        if (how == 4) l.dst = l.at[k] - 1 - next(&seed) % 380;
        if (how == 5) l.at[1] = l.dst = l.at[0];
        if (how == 6) {
            l.other[k] = l.at[k] % 2 == 0 && (k || used != 1); // f16 alone would not become f32
            l.dst = l.at[k] + next(&seed) % 400;
        }
        l.body = body;
        l.used = used;
        give(w, &l, i < 2, "region %u", i);
    }
}

int alias_cases(int (*each)(void *user, const struct alias_case *c), void *user, uint32_t n_random) {
    struct walk w = {.each = each, .user = user};
    for (size_t i = 0; i < N_FAMILIES; i++)
        for (int t = 0; t < 2; t++) layouts(&w, &families[i], t ? WEFT_F16 : WEFT_F32);
    random_regions(&w, n_random);
    return w.sum;
}
