// x without the last 12 of its 24 digits: products of two such numbers are exact.
fn head(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u);
}
