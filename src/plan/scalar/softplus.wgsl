// log(1 + e^x) = max(x, 0) + log(1 + t), t = e^-|x|; log(1 + t) as 2 atanh(t / (2 + t)), by a series up to 1/3, which
// keeps the relative accuracy of small t. t / (2 + t) is NaN for a NaN, even where exp makes an infinity of it.
fn softplus(x: f32) -> f32 {
    let t = exp(-abs(x));
    let s = t / (2.0 + t);
    let z = s * s;
    let series = 0.33333333 + z * (0.2 + z * (0.14285714 + z * (0.11111111 + z * (0.090909091 + z * 0.076923077))));
    return max(x, 0.0) + 2.0 * s * (1.0 + z * series);
}
