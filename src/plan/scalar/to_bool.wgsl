fn to_bool(x: f32) -> f32 {
    return select(0.0, 1.0, is_true(x));
}
