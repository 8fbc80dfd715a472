//%% The bytes of a q4gsw weight: operand w, rows of BYTES bytes, p.end the last word of the bound part.

// Four bytes from byte `c` of row `row` on; those behind the row are the next one's, or zeros.
fn w_bytes(row: u32, c: u32) -> u32 {
    let at = row * ${BYTES}u + c;
//% if BYTES % 4 == 0
    return load_w(at >> 2u);
//% else
    let word = at >> 2u;
    let shift = 8u * (at & 3u);
    let low = load_w(min(word, p.end)) >> shift;
    if (shift == 0u) { return low; }
    return low | (load_w(min(word + 1u, p.end)) << (32u - shift));
//% end
}

// The numbers of the low halves of two bytes and of the high ones between them, in order: elements 0..3 of `bytes`.
fn w_four(bytes: u32) -> vec4<f32> {
    let u = (vec4<u32>(bytes) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u);
    return vec4<f32>(u) - vec4<f32>(8.0);
}
