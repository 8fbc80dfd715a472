// `holds`, the result of a comparison of x and y, as 0 or 1: comparisons with a NaN are false.
fn ordered(x: f32, y: f32, holds: bool) -> f32 {
    return select(0.0, 1.0, holds && !is_nan(x) && !is_nan(y));
}
