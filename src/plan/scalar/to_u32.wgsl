// Toward zero and to the range of u32, NaN to 0; WGSL defines its own conversion only within the range.
fn to_u32(x: f32) -> u32 {
    let whole = select(u32(clamp(x, 0.0, 4294967040.0)), 4294967295u, x >= 4294967296.0);
    return select(whole, 0u, is_nan(x));
}
