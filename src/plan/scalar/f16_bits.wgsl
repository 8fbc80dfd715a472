// The bits of x as a half: to nearest, ties to even; from 65,520 on infinity; a NaN stays one, quiet. Small numbers are
// added to 0.5, whose last place is 2^-24, the smallest half.
fn f16_bits(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    let size = bits & 0x7fffffffu;
    let subnormal = bitcast<u32>(bitcast<f32>(size) + 0.5) - 0x3f000000u;
    let normal = min((size - 0x38000000u + 0xfffu + ((size >> 13u) & 1u)) >> 13u, 0x7c00u);
    let half = select(normal, subnormal, size < 0x38800000u);
    return select(half, 0x7e00u | ((size >> 13u) & 0x1ffu), size > 0x7f800000u) | ((bits >> 16u) & 0x8000u);
}
