// x (1 + erf(x / sqrt 2)) / 2 = x - x h for x > 0 and x h below, h = erfc(z) / 2, z = |x| / sqrt 2, so that nothing
// cancels in the tails. erfc(z) = e^-z^2 t Q(t), t = 1 / (1 + 0.3 z), Q of degree 8 fitted to z in 0..9.9: relative
// error 2e-8 before rounding. Beyond, h is 0; -infinity gives NaN, as -inf * 0 does.
fn gelu_erf(x: f32) -> f32 {
    let a = abs(x);
    let t = 1.0 / (1.0 + 0.21213203 * a);
    var q = 0.48549878 + t * -0.12951064;
    q = -0.51213318 + t * q;
    q = 0.54753768 + t * q;
    q = -0.094510637 + t * q;
    q = 0.21485887 + t * q;
    q = 0.14835879 + t * q;
    q = 0.17071204 + t * q;
    q = 0.16918823 + t * q;
    let h = 0.5 * t * q * exp(-0.5 * a * a);
    return x * select(h, 1.0 - h, x > 0.0);
}
