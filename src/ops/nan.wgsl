//%% NaN by its bits: WGSL promises nothing of comparisons with it, and drivers fold x != x.
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }

fn is_nan4(x: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
}

// exp, which drivers need not give for NaN.
fn exp_kept(x: vec4<f32>) -> vec4<f32> { return select(exp(x), x, is_nan4(x)); }

// The greater of x and low, and NaN as it is.
fn at_least(x: vec4<f32>, low: f32) -> vec4<f32> { return select(max(x, vec4<f32>(low)), x, is_nan4(x)); }

// The lesser of x and 0, and NaN as it is.
fn at_most_0(x: vec4<f32>) -> vec4<f32> { return select(min(x, vec4<f32>(0.0)), x, is_nan4(x)); }

// A variable, since a constant NaN is refused.
fn a_nan() -> f32 {
    var bits = 0x7fc00000u;
    return bitcast<f32>(bits);
}
