// x != y, true with a NaN.
fn differs(x: f32, y: f32) -> f32 {
    return select(0.0, 1.0, x != y || is_nan(x) || is_nan(y));
}
