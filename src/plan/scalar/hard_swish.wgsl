// x clamp(x + 3, 0, 6) / 6. From 3 on the factor is 1 exactly, so that nothing overflows; -infinity meets the factor 0.
fn hard_swish(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let y = x * (clamp(x + 3.0, 0.0, 6.0) * 0.16666667);
    return select(y, bitcast<f32>(bits | 0x7fc00000u), is_nan(x) || bits == 0xff800000u);
}
