// 1 with the sign of x; zeros and NaN as they are.
fn sign_c(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let size = bits & 0x7fffffffu;
    return select(bitcast<f32>((bits & 0x80000000u) | 0x3f800000u), x, size == 0u || size > 0x7f800000u);
}
