// 1 / (1 + e^-x). From -88.8 down e^-x overflows and the quotient is 0.
fn sigmoid(x: f32) -> f32 {
    return select(1.0 / (1.0 + exp(-x)), x, is_nan(x));
}
