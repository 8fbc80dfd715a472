//%% Elements as unsigned integers of the same order, of type T: KIND 0 f32, 1 i32, 2 u32. NaN is above everything,
//%% zeros are one key.
fn key_of(v: ${T}) -> u32 {
//% if KIND == 0
    let bits = bitcast<u32>(v);
    let size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) { return 0xffffffffu; }
    if (size == 0u) { return 0x80000000u; }
    return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
//% elif KIND == 1
    return bitcast<u32>(v) ^ 0x80000000u;
//% else
    return v;
//% end
}
