// The lesser of x and 0, and NaN as it is.
fn at_most_0(x: vec4<f32>) -> vec4<f32> {
    return select(min(x, vec4<f32>(0.0)), x, is_nan4(x));
}
