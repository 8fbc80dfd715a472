// NaN if an operand is NaN, which `max` may drop.
fn max_nan(x: f32, y: f32) -> f32 {
    return select(select(max(x, y), y, is_nan(y)), x, is_nan(x));
}
