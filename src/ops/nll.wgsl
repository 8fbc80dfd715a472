// Negative log-likelihood of one token a row: log(sum exp(x)) - x[target]. A workgroup takes a row, in two passes.
//
// exp and log are polynomials here: the accuracy that WGSL promises for its own is too low for perplexities. Largest
// elements are counted instead of summed, so that a confident row (all but one term tiny) keeps its relative accuracy
// by log1p. WIDE: rows start at multiples of 4 and have a multiple of 4 elements.

//% include "plan/reduce.wgsl"

const BLOCK = 16u; // terms added up before they meet the running sum: bounds the rounding of long sums

// exp(x) for x <= 0; relative error below 2e-7, 0 below -87.
fn exp_neg(x: f32) -> f32 {
    let c = max(x, -88.0);
    let n = round(c * 1.44269504);
    let r = fma(n, 2.12194440e-4, fma(n, -0.693359375, c)); // log(2) in two parts
    var q = fma(1.9875691500e-4, r, 1.3981999507e-3);
    q = fma(q, r, 8.3334519073e-3);
    q = fma(q, r, 4.1665795894e-2);
    q = fma(q, r, 1.6666665459e-1);
    q = fma(q, r, 5.0000001201e-1);
    let y = fma(q * r, r, r) + 1.0;
    return select(y * bitcast<f32>(u32(i32(n) + 127) << 23u), 0.0, x < -87.0);
}

// 2 atanh(s), |s| <= 0.172: log((1 + s) / (1 - s)).
fn atanh2(s: f32) -> f32 {
    let z = s * s;
    return 2.0 * s * fma(z, fma(z, fma(z, fma(z, 0.11111111, 0.14285714), 0.2), 0.33333333), 1.0);
}

fn ln(x: f32) -> f32 { // normal x > 0
    let bits = bitcast<u32>(x) - 0x3f3504f3u; // mantissa from sqrt(1/2)
    let e = f32(bitcast<i32>(bits) >> 23u);
    let m = bitcast<f32>((bits & 0x007fffffu) + 0x3f3504f3u);
    return fma(e, 0.693147181, atanh2((m - 1.0) / (m + 1.0)));
}

fn ln1p(x: f32) -> f32 { // x >= 0
    if (x < 0.4) { return atanh2(x / (2.0 + x)); }
    return ln(1.0 + x);
}

// Four elements from i on; beyond the row they count for nothing.
fn row4(base: u32, i: u32) -> vec4<f32> {
    //% if WIDE
    return load4_x(base + i);
    //% else
    var v = vec4<f32>(-infinity());
    v.x = load_x(base + i);
    if (i + 1u < p.n) { v.y = load_x(base + i + 1u); }
    if (i + 2u < p.n) { v.z = load_x(base + i + 2u); }
    if (i + 3u < p.n) { v.w = load_x(base + i + 3u); }
    return v;
    //% end
}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let row = group_index(wid, nwg);
    if (row >= p.rows) { return; }
    let base = row * p.n;
    var best = reduce_key(-infinity());
    for (var i = 4u * lid; i < p.n; i += ${4 * WG}u) {
        let keys = reduce_key4(row4(base, i));
        best = max(best, max(max(keys.x, keys.y), max(keys.z, keys.w)));
    }
    let m = reduce_value(wg_max_key(best, lid));

    var count = 0u;
    var sum = vec4<f32>(0.0);
    var i = 4u * lid;
    while (i < p.n) {
        var block = vec4<f32>(0.0);
        for (var b = 0u; b < BLOCK && i < p.n; b++) {
            let v = row4(base, i);
            let same = v == vec4<f32>(m);
            let e = vec4<f32>(exp_neg(v.x - m), exp_neg(v.y - m), exp_neg(v.z - m), exp_neg(v.w - m));
            block += select(e, vec4<f32>(0.0), same);
            count += dot(select(vec4<u32>(0u), vec4<u32>(1u), same), vec4<u32>(1u));
            i += ${4 * WG}u;
        }
        sum += block;
    }
    let all = wg_sum2(vec2<f32>((sum.x + sum.y) + (sum.z + sum.w), f32(count)), lid);
    if (lid == 0u) {
        //% if SIGNED
        let at = u32(clamp(load_target(row), 0, i32(p.n) - 1));
        //% else
        let at = min(load_target(row), p.n - 1u);
        //% end
        let t = load_x(base + at);
        var y = (m - t) + ln(all.y) + ln1p(all.x / all.y);
        if (bitcast<u32>(t) == 0xff800000u) { y = 3.4028234e38; } // the target has no probability
        if ((bitcast<u32>(m) & 0x7fffffffu) >= 0x7f800000u) { y = quiet_nan(); } // NaN or +inf; all -inf
        store_y(row, y);
    }
}
