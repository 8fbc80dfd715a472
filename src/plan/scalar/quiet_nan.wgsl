fn quiet_nan() -> f32 {
    let bits = 0x7fc00000u;
    return bitcast<f32>(bits);
}
