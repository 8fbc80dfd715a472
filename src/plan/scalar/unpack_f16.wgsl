fn unpack_f16(word: u32) -> vec2<f32> {
    return vec2<f32>(f16_value(word & 0xffffu), f16_value(word >> 16u));
}
