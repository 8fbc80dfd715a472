//%% y = x with p.value around it, bits as they are. R axes; HALF: 16-bit elements, which a thread stores in pairs, for
//%% a word of y has one owner.

// Element `e` of y.
fn padded(e: u32) -> u32 {
    var left = e;
    var at = 0u;
    var step = 1u;
    var inside = true;
//% for k in 0..R
    let i${k} = left % p.d${R - 1 - k} - p.b${R - 1 - k};
    left /= p.d${R - 1 - k};
    inside = inside && i${k} < p.x${R - 1 - k};
    at += i${k} * step;
    step *= p.x${R - 1 - k};
//% end
    if (!inside) { return p.value; }
//% if HALF && HALVES % 2
    return bits_x(at);
//% elif HALF
    return half_bits_y(load_x(at));
//% else
    return load_x(at);
//% end
}

@compute @workgroup_size(${WG})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>,
        @builtin(local_invocation_index) lid: u32) {
    let i = group_index(wid, nwg) * ${WG}u + lid;
//% if HALF
    let e = i * 2u;
    if (e >= p.n) { return; }
    var bits = padded(e);
    if (e + 1u < p.n) { bits |= padded(e + 1u) << 16u; }
    put_word_y(i, bits, 0xffffffffu);
//% else
    if (i >= p.n) { return; }
    store_y(i, padded(i));
//% end
}
