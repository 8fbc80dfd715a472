// x as a bfloat holds it.
fn round_bf16(x: f32) -> f32 {
    return bf16_value(bf16_bits(x));
}
