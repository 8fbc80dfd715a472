// x^y for the bits of a positive finite x and a finite y: within 2e-7 of the value, because y log2 x, which may reach
// 128, is a sum of two floats. log2 x = k + log2 m, m in [sqrt 1/2, sqrt 2], log2 m = 2 / ln 2 (s + s^3/3 + s^5/5 ...),
// s = (m - 1) / (m + 1); each factor is split into a head and a tail, and products of heads are exact.
fn pow_positive(bits: u32, y: f32) -> f32 {
    let tiny = bits < 0x00800000u; // a subnormal is its bits times 2^-149
    let above = select(bits, bitcast<u32>(f32(bits)), tiny) - 0x3f3504f3u;
    let k = f32(bitcast<i32>(above) >> 23u) - select(0.0, 149.0, tiny);
    let m = bitcast<f32>((above & 0x007fffffu) + 0x3f3504f3u);
    let below = 1.0 / (m + 1.0);
    let bottom = head(m + 1.0);
    let s = (m - 1.0) * below;
    let s1 = head(s);
    let s2 = ((m - 1.0) - s1 * bottom - s1 * (m - (bottom - 1.0))) * below;
    let q = s * s;
    let rest = s2 + s * q * (0.33333333 + q * (0.2 + q * (0.14285714 + q * 0.11111111)));
    let p1 = 2.8847656 * s1;
    let p2 = 2.8853901 * rest + 6.2446151e-4 * s1;
    let l1 = head(k + p1 + p2);
    let l2 = ((k - l1) + p1) + p2;
    let y1 = head(y);
    let estimate = y * l1;
    let e = clamp(estimate, -200.0, 200.0); // beyond, the result is 0 or infinity
    let inside = e == estimate;
    let z1 = select(e, y1 * l1, inside);
    let z2 = select(0.0, y * l2 + (y - y1) * l1, inside);
    let n = round(z1 + z2);
    let r = (z1 - n) + z2;
    let high = 0.0096181291 + r * (0.0013333558 + r * (1.5403530e-4 + r * 1.5252734e-5));
    let value = 1.0 + r * (0.69314718 + r * (0.24022651 + r * (0.055504109 + r * high)));
    // 2^n by two factors, so that each is a normal number.
    let half = i32(n) >> 1u;
    let first = bitcast<f32>(u32(half + 127) << 23u);
    return value * first * bitcast<f32>(u32(i32(n) - half + 127) << 23u);
}
