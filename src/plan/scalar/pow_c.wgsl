// As powf of C, special cases included: x^0 and 1^y are 1 even for a NaN, a negative base takes whole exponents.
fn pow_c(x: f32, y: f32) -> f32 {
    const one = 0x3f800000u;
    const inf = 0x7f800000u;
    let base = bitcast<u32>(x);
    let size = base & 0x7fffffffu;
    let power = bitcast<u32>(y) & 0x7fffffffu;
    if (power == 0u || base == one) {
        return 1.0;
    }
    if (size > inf || power > inf) {
        return quiet_nan();
    }
    // From 2^24 on all exponents are even; below 1 none is whole. Between, `point` is where the fraction ends.
    let point = 150u - clamp(power >> 23u, 127u, 150u);
    let digits = (power & 0x007fffffu) | 0x00800000u;
    let whole = power >= 0x4b800000u || (power >= one && (digits >> point) << point == digits);
    let odd = whole && power < 0x4b800000u && ((digits >> point) & 1u) == 1u;
    let up = bitcast<u32>(y) < 0x80000000u;
    var z = 0.0;
    if (power == inf) {
        z = select(select(0.0, infinity(), (size > one) == up), 1.0, size == one);
    } else if (size == 0u || size == inf) {
        z = select(0.0, infinity(), (size == inf) == up);
    } else if (base > 0x80000000u && !whole) {
        return quiet_nan();
    } else {
        z = pow_positive(size, y);
    }
    return select(z, -z, odd && base >= 0x80000000u);
}
