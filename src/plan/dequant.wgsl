//%% Reads packed weights (plan/wlayout.h) 32 elements at a time. The one place that knows the bits of a plane.
//%%
//%% The includer gives, beside the W_* values of weft_wlayout_values:
//%%   W     name of the weight operand, such as "w": functions end in it, planes are load4_w_q, load_w_h, load_w_s,
//%%         load_w_d
//%%   W_KB  expression of the blocks a row, such as "p.kb" or "20u"
//%%   ORDERED  1: a min is taken off by a fused operation, in all kernels alike (plan/order.h)
//%% Several weights in one kernel: set W (and the W_* that differ) again and `include again`.
//%%
//%% Functions, `row` counting from the first row of the bound part and `blk` in 0..W_KB-1 (not checked):
//%%   w_load_w(row, blk) -> array<vec4<f32>, 8>        elements 32 blk .. 32 blk + 31, vec4 j holds 4j..4j+3
//%%   w_quad_w(row, blk, j) -> vec4<f32>               vec4 j alone, for threads side by side on one block
//%%   w_dots_w(row, blk, x0 .. x7, xs: vec2<f32>)      dot product with 32 activations, and xs = w_sums(x0 .. x7)
//%% Elements past K in the last block are zeros in the planes; with K types there are none.
//%%
//%% Exactness: a quant with its zero subtracted is exact (done on bytes: adding 128 - zero and flipping the top bit
//%% never carries), and so is d * scale (19 bits). A dot product multiplies by the scale once per group of 32 or 16
//%% elements and takes the min off through the sum of x. Scales of MXFP4 below 2^-126 are subnormal: a device that
//%% flushes these has zeros for weights that are below 2^-123.
//% if !defined(W_ONCE)
//% set W_ONCE = 1

fn w_fold(a: vec4<f32>) -> f32 {
    return (a.x + a.y) + (a.z + a.w);
}

// Sums of the two halves of a block of activations; only types with a min need them.
fn w_sums(x0: vec4<f32>, x1: vec4<f32>, x2: vec4<f32>, x3: vec4<f32>, x4: vec4<f32>, x5: vec4<f32>, x6: vec4<f32>,
          x7: vec4<f32>) -> vec2<f32> {
    return vec2<f32>(w_fold((x0 + x1) + (x2 + x3)), w_fold((x4 + x5) + (x6 + x7)));
}

// The f16 in half `which` of a word.
fn w_half(word: u32, which: u32) -> f32 {
    return unpack2x16float(word >> (16u * which)).x;
}
//% end
//% if W_BITS <= 4

//% if W_TABLE
// What four places of the table hold, as floats: the word of each, then the byte as the topmost.
fn w_bytes_${W}(q: u32) -> vec4<f32> {
    let i = unpack4xU8(q);
    let second = (i & vec4<u32>(4u)) != vec4<u32>();
    let low = select(vec4<u32>(${W_T0}u), vec4<u32>(${W_T1}u), second);
    let high = select(vec4<u32>(${W_T2}u), vec4<u32>(${W_T3}u), second);
    let words = select(low, high, (i & vec4<u32>(8u)) != vec4<u32>());
    let up = (~i & vec4<u32>(3u)) << vec4<u32>(3u);
    return vec4<f32>(bitcast<vec4<i32>>(words << up) >> vec4<u32>(24u));
}
//% else
// Four unsigned quants less the zero of the type, as floats.
fn w_bytes_${W}(q: u32) -> vec4<f32> {
//% if W_ZERO == 0
    return vec4<f32>(unpack4xU8(q));
//% else
    return vec4<f32>(unpack4xI8((q + ${(128 - W_ZERO) * 16843009}u) ^ 0x80808080u));
//% end
}
//% end
//% end

//%% ---- scales: of a block, or where a scale may serve several, of a row's ----
//% if W_SCALE == 4 && W_GROUP > 16 && W_GROUP != 32
//% set W_PLACE = "row: u32, blk: u32"
//% set W_AT = "row, blk"
//% else
//% set W_PLACE = "b: u32"
//% set W_AT = "b"
//% end
fn w_scales_${W}(${W_PLACE}) -> vec4<f32> {
//% if W_SCALE == 0
    return vec4<f32>(1.0, 1.0, 0.0, 0.0);
//% elif W_SCALE == 4 && W_GROUP == 32
    let s = bitcast<f32>(load_${W}_s(b));
    return vec4<f32>(s, s, 0.0, 0.0);
//% elif W_SCALE == 4 && W_GROUP == 16
    return vec4<f32>(bitcast<f32>(load_${W}_s(b * 2u)), bitcast<f32>(load_${W}_s(b * 2u + 1u)), 0.0, 0.0);
//% elif W_SCALE == 4 && W_GROUP % 32 == 0
    let first = row * (((${W_KB}) + ${W_GROUP / 32 - 1}u) / ${W_GROUP / 32}u);
    let s = bitcast<f32>(load_${W}_s(first + blk / ${W_GROUP / 32}u));
    return vec4<f32>(s, s, 0.0, 0.0);
//% elif W_SCALE == 4
    let first = row * (((${W_KB}) * 2u + ${W_GROUP / 16 - 1}u) / ${W_GROUP / 16}u);
    return vec4<f32>(bitcast<f32>(load_${W}_s(first + blk * 2u / ${W_GROUP / 16}u)),
                     bitcast<f32>(load_${W}_s(first + (blk * 2u + 1u) / ${W_GROUP / 16}u)), 0.0, 0.0);
//% elif W_SCALE == 6
    let e = (load_${W}_s(b >> 2u) >> (8u * (b & 3u))) & 255u; // 2^-127 and NaN have a fraction of a half
    let s = 0.5 * bitcast<f32>((e << 23u) | select(0u, 0x400000u, ((e + 1u) & 255u) < 2u));
    return vec4<f32>(s, s, 0.0, 0.0);
//% elif W_SCALE == 1 && W_MIN
    let s = unpack2x16float(load_${W}_s(b));
    return vec4<f32>(s.x, s.x, s.y, s.y);
//% elif W_SCALE == 1 && W_GROUP == 32
    let s = w_half(load_${W}_s(b >> 1u), b & 1u);
    return vec4<f32>(s, s, 0.0, 0.0);
//% elif W_SCALE == 1
    let s = unpack2x16float(load_${W}_s(b));
    return vec4<f32>(s.x, s.y, 0.0, 0.0);
//% else
    let d = unpack2x16float(load_${W}_d(b >> 3u));
//% if W_SCALE == 3 && W_GROUP == 16
    let s = vec4<f32>(unpack4xI8(load_${W}_s(b >> 1u) >> (16u * (b & 1u))));
    return vec4<f32>(d.x * s.x, d.x * s.y, 0.0, 0.0);
//% elif W_SCALE == 3
    let s = d.x * f32(unpack4xI8(load_${W}_s(b >> 2u) >> (8u * (b & 3u))).x);
    return vec4<f32>(s, s, 0.0, 0.0);
//% elif W_SCALE == 5
    let s = load_${W}_s(b >> 1u) >> (16u * (b & 1u));
    let lo = vec4<f32>(unpack4xU8(s & 0x0f0fu));
    let hi = vec4<f32>(unpack4xU8((s >> 4u) & 0x0f0fu));
    return vec4<f32>(d.x * lo.x, d.x * lo.y, d.y * hi.x, d.y * hi.y);
//% else
    let s = vec4<f32>(unpack4xU8(load_${W}_s(b >> 1u) >> (16u * (b & 1u))));
    return vec4<f32>(d.x * s.x, d.x * s.x, d.y * s.y, d.y * s.y);
//% end
//% end
}

//%% ---- quants of block b as floats, scale not yet applied ----
fn w_quants_${W}(b: u32) -> array<vec4<f32>, 8> {
//% if W_BITS <= 4
//% if W_BITS == 4
    let q = load4_${W}_q(b * 4u);
    let lo = q & vec4<u32>(0x0f0f0f0fu);
    let hi = (q >> vec4<u32>(4u)) & vec4<u32>(0x0f0f0f0fu);
//% else
    let both = load4_${W}_q((b >> 1u) * 4u);
    let q = select(both.xy, both.zw, (b & 1u) == 1u);
    let lo = (vec4<u32>(q.x) >> vec4<u32>(0u, 2u, 4u, 6u)) & vec4<u32>(0x03030303u);
    let hi = (vec4<u32>(q.y) >> vec4<u32>(0u, 2u, 4u, 6u)) & vec4<u32>(0x03030303u);
//% end
//% if W_HIGH == 1
    let h = load_${W}_h(b);
//% elif W_HIGH == 2
    let h0 = load_${W}_h(b * 2u);
    let h1 = load_${W}_h(b * 2u + 1u);
//% end
    return array<vec4<f32>, 8>(
//% for j in 0..8
//% set W_WORD = j % 4
//% set W_SHIFT = 2 * (j % 4)
//% set W_HIGHER = j / 4
//% if j < 4
//% set W_FROM = "lo"
//% else
//% set W_FROM = "hi"
//% end
//% if j < 7
//% set W_COMMA = ","
//% else
//% set W_COMMA = ");"
//% end
//% if W_HIGH == 0
        w_bytes_${W}(${W_FROM}[${W_WORD}])${W_COMMA}
//% elif W_HIGH == 1
        w_bytes_${W}(${W_FROM}[${W_WORD}] | (((h >> ${j}u) & 0x01010101u) << ${W_BITS}u))${W_COMMA}
//% else
        w_bytes_${W}(${W_FROM}[${W_WORD}] | (((h${W_HIGHER} >> ${W_SHIFT}u) & 0x03030303u) << ${W_BITS}u))${W_COMMA}
//% end
//% end
//% elif W_BITS == 8
    let lo = load4_${W}_q(b * 8u);
    let hi = load4_${W}_q(b * 8u + 4u);
    return array<vec4<f32>, 8>(
        vec4<f32>(unpack4xI8(lo.x)), vec4<f32>(unpack4xI8(lo.y)), vec4<f32>(unpack4xI8(lo.z)),
        vec4<f32>(unpack4xI8(lo.w)), vec4<f32>(unpack4xI8(hi.x)), vec4<f32>(unpack4xI8(hi.y)),
        vec4<f32>(unpack4xI8(hi.z)), vec4<f32>(unpack4xI8(hi.w)));
//% elif W_BITS == 16
//% for j in 0..4
    let q${j} = load4_${W}_q(b * 16u + ${j * 4}u);
//% end
    return array<vec4<f32>, 8>(
        w_pair_${W}(q0.xy), w_pair_${W}(q0.zw), w_pair_${W}(q1.xy), w_pair_${W}(q1.zw),
        w_pair_${W}(q2.xy), w_pair_${W}(q2.zw), w_pair_${W}(q3.xy), w_pair_${W}(q3.zw));
//% else
    return array<vec4<f32>, 8>(
//% for j in 0..7
        bitcast<vec4<f32>>(load4_${W}_q(b * 32u + ${j * 4}u)),
//% end
        bitcast<vec4<f32>>(load4_${W}_q(b * 32u + 28u)));
//% end
}
//% if W_BITS == 16

// Two words of two 16-bit floats.
fn w_pair_${W}(q: vec2<u32>) -> vec4<f32> {
//% if W_BF16
    return bitcast<vec4<f32>>(vec4<u32>(q.x << 16u, q.x & 0xffff0000u, q.y << 16u, q.y & 0xffff0000u));
//% else
    return vec4<f32>(unpack2x16float(q.x), unpack2x16float(q.y));
//% end
}
//% end

//%% ---- weights ----
fn w_load_${W}(row: u32, blk: u32) -> array<vec4<f32>, 8> {
    let b = row * (${W_KB}) + blk;
    let q = w_quants_${W}(b);
//% if W_SCALE == 0
    return q;
//% else
    let s = w_scales_${W}(${W_AT});
//% if W_MIN && ORDERED
    let d0 = vec4<f32>(s.x);
    let d1 = vec4<f32>(s.y);
    let m0 = vec4<f32>(-s.z);
    let m1 = vec4<f32>(-s.w);
    return array<vec4<f32>, 8>(
        fma(q[0], d0, m0), fma(q[1], d0, m0), fma(q[2], d0, m0), fma(q[3], d0, m0),
        fma(q[4], d1, m1), fma(q[5], d1, m1), fma(q[6], d1, m1), fma(q[7], d1, m1));
//% elif W_MIN
    let m0 = vec4<f32>(s.z);
    let m1 = vec4<f32>(s.w);
    return array<vec4<f32>, 8>(
        q[0] * s.x - m0, q[1] * s.x - m0, q[2] * s.x - m0, q[3] * s.x - m0,
        q[4] * s.y - m1, q[5] * s.y - m1, q[6] * s.y - m1, q[7] * s.y - m1);
//% else
    return array<vec4<f32>, 8>(
        q[0] * s.x, q[1] * s.x, q[2] * s.x, q[3] * s.x, q[4] * s.y, q[5] * s.y, q[6] * s.y, q[7] * s.y);
//% end
//% end
}

fn w_quad_${W}(row: u32, blk: u32, j: u32) -> vec4<f32> {
    let b = row * (${W_KB}) + blk;
//% if W_BITS <= 4
//% if W_BITS == 4
//% set W_MASK = "0x0f0f0f0fu"
    let word = load4_${W}_q(b * 4u)[j & 3u] >> ((j & 4u));
//% else
//% set W_MASK = "0x03030303u"
    let word = load4_${W}_q((b >> 1u) * 4u)[((b & 1u) << 1u) | (j >> 2u)] >> (2u * (j & 3u));
//% end
//% if W_HIGH == 0
    let q = w_bytes_${W}(word & ${W_MASK});
//% elif W_HIGH == 1
    let q = w_bytes_${W}((word & ${W_MASK}) | (((load_${W}_h(b) >> j) & 0x01010101u) << ${W_BITS}u));
//% else
    let h = load_${W}_h(b * 2u + (j >> 2u)) >> (2u * (j & 3u));
    let q = w_bytes_${W}((word & ${W_MASK}) | ((h & 0x03030303u) << ${W_BITS}u));
//% end
//% elif W_BITS == 8
    let q = vec4<f32>(unpack4xI8(load4_${W}_q(b * 8u + (j & 4u))[j & 3u]));
//% elif W_BITS == 16
    let words = load4_${W}_q(b * 16u + ((j >> 1u) << 2u));
    let q = w_pair_${W}(select(words.xy, words.zw, (j & 1u) == 1u));
//% else
    let q = bitcast<vec4<f32>>(load4_${W}_q(b * 32u + (j << 2u)));
//% end
//% if W_SCALE == 0
    return q;
//% else
    let s = w_scales_${W}(${W_AT});
    let high = j >= 4u;
//% if W_MIN && ORDERED
    return fma(q, vec4<f32>(select(s.x, s.y, high)), vec4<f32>(-select(s.z, s.w, high)));
//% elif W_MIN
    return q * select(s.x, s.y, high) - vec4<f32>(select(s.z, s.w, high));
//% else
    return q * select(s.x, s.y, high);
//% end
//% end
}

//%% ---- dot products: eight fused chains a component, then one fold ----
fn w_dots_${W}(row: u32, blk: u32, x0: vec4<f32>, x1: vec4<f32>, x2: vec4<f32>, x3: vec4<f32>, x4: vec4<f32>,
               x5: vec4<f32>, x6: vec4<f32>, x7: vec4<f32>, xs: vec2<f32>) -> f32 {
    let b = row * (${W_KB}) + blk;
    let q = w_quants_${W}(b);
//% if W_SCALE == 0
    let a0 = q[3] * x3 + (q[2] * x2 + (q[1] * x1 + q[0] * x0));
    return w_fold(q[7] * x7 + (q[6] * x6 + (q[5] * x5 + (q[4] * x4 + a0))));
//% else
    let s = w_scales_${W}(${W_AT});
//% if W_GROUP % 32 == 0
    let a0 = q[3] * x3 + (q[2] * x2 + (q[1] * x1 + q[0] * x0));
    let a = w_fold(q[7] * x7 + (q[6] * x6 + (q[5] * x5 + (q[4] * x4 + a0))));
//% if W_MIN
    return s.x * a - s.z * (xs.x + xs.y);
//% else
    return s.x * a;
//% end
//% else
    let a0 = q[3] * x3 + (q[2] * x2 + (q[1] * x1 + q[0] * x0));
    let a1 = q[7] * x7 + (q[6] * x6 + (q[5] * x5 + q[4] * x4));
//% if W_MIN
    return w_fold(a0 * s.x + a1 * s.y) - (s.z * xs.x + s.w * xs.y);
//% else
    return w_fold(a0 * s.x + a1 * s.y);
//% end
//% end
//% end
}
