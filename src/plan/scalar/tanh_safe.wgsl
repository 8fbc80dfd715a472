// tanh: a series near 0, where the quotient would cancel and lose the sign of 0; else by e^-2|x|, which never
// overflows. The quotient is NaN for a NaN, even where exp makes an infinity of it.
fn tanh_safe(x: f32) -> f32 {
    let q = x * x;
    let high = -0.05396825 + q * (0.021869488 + q * -0.0088632355);
    let series = x * (1.0 + q * (-0.33333334 + q * (0.13333334 + q * high)));
    let t = exp(-2.0 * abs(x));
    let quotient = (1.0 - t) / (1.0 + t);
    return select(select(quotient, -quotient, x < 0.0), series, abs(x) < 0.3);
}
