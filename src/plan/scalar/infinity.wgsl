// WGSL has no constant for it; the bits of a `let` are no constant expression.
fn infinity() -> f32 {
    let bits = 0x7f800000u;
    return bitcast<f32>(bits);
}
