// |x| radians in turns, without the whole ones, as 0.32 fixed point, right to 2^-30 for every finite x: the 24 digits
// of x are multiplied by the 64 bits of 1 / (2 pi) that count at its exponent. Bits of higher weight make whole turns.
fn turns(x: f32) -> u32 {
    let size = bitcast<u32>(x) & 0x7fffffffu;
    let digits = (size & 0x007fffffu) | 0x00800000u;
    let exponent = size >> 23u;
    let first = max(exponent, 118u) - 118u; // first of the bits, of 32 zeros and then those of 1 / (2 pi)
    var w = vec3<u32>(0u, 0x28be60dbu, 0x9391054au);
    switch first >> 5u {
        case 1u: { w = vec3<u32>(0x28be60dbu, 0x9391054au, 0x7f09d5f4u); }
        case 2u: { w = vec3<u32>(0x9391054au, 0x7f09d5f4u, 0x7d4d3770u); }
        case 3u: { w = vec3<u32>(0x7f09d5f4u, 0x7d4d3770u, 0x36d8a566u); }
        case 4u: { w = vec3<u32>(0x7d4d3770u, 0x36d8a566u, 0x4f10e410u); }
        default: {}
    }
    let up = first & 31u;
    let high = (w.x << up) | ((w.y >> 1u) >> (31u - up));
    let low = ((w.y << up) | ((w.z >> 1u) >> (31u - up))) >> 12u;
    let carried = (((digits >> 12u) * low) >> 8u) + (((digits & 0xfffu) * low) >> 20u);
    return (digits * high + carried) >> min(118u - min(exponent, 118u), 31u);
}
