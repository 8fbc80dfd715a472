// The greater of x and low, and NaN as it is.
fn at_least(x: vec4<f32>, low: f32) -> vec4<f32> {
    return select(max(x, vec4<f32>(low)), x, is_nan4(x));
}
