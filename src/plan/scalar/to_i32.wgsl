// Toward zero and to the range of i32, NaN to 0; WGSL defines its own conversion only within the range.
fn to_i32(x: f32) -> i32 {
    let whole = select(i32(clamp(x, -2147483648.0, 2147483520.0)), 2147483647, x >= 2147483648.0);
    return select(whole, 0, is_nan(x));
}
