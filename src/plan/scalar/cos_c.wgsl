// By the exact remainder of x. NaN for infinities.
fn cos_c(x: f32) -> f32 {
    return select(sincos_turns(turns(x)).y, quiet_nan(), (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u);
}
