// NaN if an operand is NaN, which `min` may drop.
fn min_nan(x: f32, y: f32) -> f32 {
    return select(select(min(x, y), y, is_nan(y)), x, is_nan(x));
}
