// Scalar functions that WGSL leaves open: its tanh may give NaN for large arguments, exp may overflow to an infinity,
// for which nothing is promised. All of these take every finite f32 and stay finite. Nothing cancels, so that the
// relative error is that of exp and of the division: below 4e-6 for |x| < 5, 2e-5 in the far tails, where the rounding
// of the exponent counts. A NaN gives an unspecified value.

// 1 / (1 + e^-x). Below -87 it stays at e^-87.
fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exp(-max(x, -87.0)));
}

// x sigmoid(x)
fn silu(x: f32) -> f32 {
    let c = max(x, -87.0);
    return c / (1.0 + exp(-c));
}

// log(1 + e^x) = max(x, 0) + log(1 + t), t = e^-|x|; log(1 + t) as 2 atanh(t / (2 + t)), by a series up to 1/3, which
// keeps the relative accuracy of small t.
fn softplus(x: f32) -> f32 {
    let t = exp(-min(abs(x), 87.0));
    let s = t / (2.0 + t);
    let z = s * s;
    let series = 0.33333333 + z * (0.2 + z * (0.14285714 + z * (0.11111111 + z * (0.090909091 + z * 0.076923077))));
    return max(x, 0.0) + 2.0 * s * (1.0 + z * series);
}

// tanh: a series near 0, where the quotient would cancel; else by e^-2|x|, which never overflows. Beyond 15 it is 1.
fn tanh_safe(x: f32) -> f32 {
    let q = x * x;
    let high = -0.05396825 + q * (0.021869488 + q * -0.0088632355);
    let series = x + x * q * (-0.33333334 + q * (0.13333334 + q * high));
    let t = exp(-2.0 * min(abs(x), 15.0));
    let quotient = (1.0 - t) / (1.0 + t);
    return select(select(quotient, -quotient, x < 0.0), series, abs(x) < 0.3);
}

// x (1 + tanh(u)) / 2 with u = sqrt(2/pi) (x + 0.044715 x^3), which is x sigmoid(2u). The exponent is below 86 at the
// clamp, where the result has long reached 0 or x.
fn gelu_tanh(x: f32) -> f32 {
    let c = clamp(x, -9.9, 9.9);
    return max(x, -9.9) / (1.0 + exp(-1.5957691 * (c + 0.044715 * c * c * c)));
}

// x (1 + erf(x / sqrt 2)) / 2 = x - x erfc(z) / 2 for x > 0 and x erfc(z) / 2 below, z = |x| / sqrt 2, so that nothing
// cancels in the tails. erfc(z) = e^-z^2 t Q(t), t = 1 / (1 + 0.3 z), Q of degree 8 fitted to z in 0..9.9: relative
// error 2e-8 before rounding. At the clamp the result has long reached 0 or x.
fn gelu_erf(x: f32) -> f32 {
    let a = min(abs(x), 13.15);
    let t = 1.0 / (1.0 + 0.21213203 * a);
    var q = 0.48549878 + t * -0.12951064;
    q = -0.51213318 + t * q;
    q = 0.54753768 + t * q;
    q = -0.094510637 + t * q;
    q = 0.21485887 + t * q;
    q = 0.14835879 + t * q;
    q = 0.17071204 + t * q;
    q = 0.16918823 + t * q;
    let tail = a * 0.5 * t * q * exp(-0.5 * a * a);
    return select(-tail, x - tail, x > 0.0);
}
