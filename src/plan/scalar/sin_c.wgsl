// A series where |x| is small, for its relative accuracy and the sign of 0; else by the exact remainder of x. NaN for
// infinities.
fn sin_c(x: f32) -> f32 {
    let q = x * x;
    let near = x * (1.0 + q * (-0.16666667 + q * (0.0083333333 + q * (-1.9841270e-4 + q * 2.7557319e-6))));
    let far = sincos_turns(turns(x)).x;
    let y = select(select(far, -far, x < 0.0), near, abs(x) < 0.78);
    return select(y, quiet_nan(), (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u);
}
