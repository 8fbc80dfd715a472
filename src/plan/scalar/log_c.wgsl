// Devices may know no subnormals, no infinity at 0 and no NaN below it. A subnormal is its bits times 2^-149.
fn log_c(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let tiny = bits < 0x00800000u;
    let y = log(select(x, f32(bits), tiny)) - select(0.0, 103.27893, tiny);
    if ((bits & 0x7fffffffu) == 0u) {
        return -infinity();
    }
    if (bits >= 0x7f800000u) { // infinity and NaN as they are, NaN below 0
        return select(quiet_nan(), x, bits <= 0x7fffffffu);
    }
    return y;
}
