// Floats as unsigned integers of the same order, so that maxima and selections are exact integer work on every device.
// NaN is 0, below everything; -0 and +0 are one key. Infinities keep their places: -inf is 0x007fffff, +inf 0xff800000.

fn order_key(v: f32) -> u32 {
    let bits = bitcast<u32>(v);
    let size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) { return 0u; }
    if (size == 0u) { return 0x80000000u; }
    return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

// The value of a key that is not 0.
fn key_value(key: u32) -> f32 {
    return bitcast<f32>(select(~key, key & 0x7fffffffu, (key >> 31u) == 1u));
}
