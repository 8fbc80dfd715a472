// The value of the half in the low 16 bits.
fn f16_value(half: u32) -> f32 {
    let size = half & 0x7fffu;
    let normal = (size << 13u) + select(0x38000000u, 0x70000000u, size >= 0x7c00u);
    let subnormal = bitcast<u32>(f32(size) * 5.9604645e-8);
    return bitcast<f32>(select(normal, subnormal, size < 0x400u) | ((half & 0x8000u) << 16u));
}
