//%% y = x with p.value around it. R axes; HALF: 16-bit elements, which a thread stores in pairs, for a word of y has
//%% one owner; else words as they are.
//% if HALF
//% set T = "f32"
//% else
//% set T = "u32"
//% end

// Element `e` of y.
fn padded(e: u32) -> ${T} {
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
    if (!inside) { return bitcast<${T}>(p.value); }
    return load_x(at);
}

@compute @workgroup_size(${WG})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>,
        @builtin(local_invocation_index) lid: u32) {
    let i = group_index(wid, nwg) * ${WG}u + lid;
//% if HALF
    let e = i * 2u;
    if (e >= p.n) { return; }
    var v = vec2<f32>(padded(e), 0.0);
    if (e + 1u < p.n) { v.y = padded(e + 1u); }
    store2_y(e, v);
//% else
    if (i >= p.n) { return; }
    store_y(i, padded(i));
//% end
}
