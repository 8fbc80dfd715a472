// x / y. A device may divide by way of 1 / y, which is subnormal above 2^126 and may count as 0, so that infinity by
// 1e38 was NaN. A quarter of both has the same quotient.
fn div_c(x: f32, y: f32) -> f32 {
    let scale = select(1.0, 0.25, abs(y) > 4.2535296e37); // 2^125
    return (x * scale) / (y * scale);
}
