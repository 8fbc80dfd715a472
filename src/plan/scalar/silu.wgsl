// x sigmoid(x). A NaN stays one through the quotient, whatever exp makes of it; -infinity gives NaN, as -inf * 0 does.
fn silu(x: f32) -> f32 {
    return div_c(x, 1.0 + exp(-x));
}
