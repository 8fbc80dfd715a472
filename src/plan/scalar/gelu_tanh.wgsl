// x (1 + tanh(u)) / 2 with u = sqrt(2/pi) (x + 0.044715 x^3), which is x sigmoid(2u). The cube and e^-2u may overflow
// on either side, where the result is x or 0; -infinity gives NaN, as -inf * 0 does.
fn gelu_tanh(x: f32) -> f32 {
    return div_c(x, 1.0 + exp(-1.5957691 * (x + 0.044715 * x * x * x)));
}
