//%% y = elements of x picked by strides. R axes of y; PER elements a thread: 4 (WIDE: parameters count vec4), 2 or 1.
//%% HALF: 16-bit elements, moved as bits, for floats would change some; a word of y has one owner.
//% if HALF

fn bits(e: u32) -> u32 {
//% if HALVES % 2
    return bits_x(e);
//% else
    return half_bits_y(load_x(e));
//% end
}
//% end

// Index in x of element `e` of y.
fn source(e: u32) -> u32 {
    var left = e;
    var at = p.base;
//% for k in 0..R - 1
    at += left % p.d${R - 1 - k} * p.s${R - 1 - k};
    left /= p.d${R - 1 - k};
//% end
    return at + left * p.s0;
}

@compute @workgroup_size(${WG})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>,
        @builtin(local_invocation_index) lid: u32) {
    let i = group_index(wid, nwg) * ${WG}u + lid;
//% if WIDE && HALF
    if (i >= p.n) { return; }
    let at = source(i) * 4u;
    put_word_y(i * 2u, bits(at) | (bits(at + 1u) << 16u), 0xffffffffu);
    put_word_y(i * 2u + 1u, bits(at + 2u) | (bits(at + 3u) << 16u), 0xffffffffu);
//% elif WIDE
    if (i >= p.n) { return; }
    store4_y(i * 4u, load4_x(source(i) * 4u));
//% elif HALF
    let e = i * 2u;
    if (e >= p.n) { return; }
    var word = bits(source(e));
    if (e + 1u < p.n) { word |= bits(source(e + 1u)) << 16u; }
    put_word_y(i, word, 0xffffffffu);
//% else
    if (i >= p.n) { return; }
    store_y(i, load_x(source(i)));
//% end
}
