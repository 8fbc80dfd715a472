// The value of the bfloat in the low 16 bits.
fn bf16_value(half: u32) -> f32 {
    return bitcast<f32>(half << 16u);
}
