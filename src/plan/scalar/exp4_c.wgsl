fn exp4_c(x: vec4<f32>) -> vec4<f32> {
    return select(exp(x), x, is_nan4(x));
}
