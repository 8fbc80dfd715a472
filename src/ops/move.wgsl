//%% y = elements of x picked by strides. R axes of y; PER elements a thread: 4 (WIDE: parameters count vec4), 2 (16-bit
//%% elements, a word of y has one owner) or 1.

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
//% if WIDE
    if (i >= p.n) { return; }
    store4_y(i * 4u, load4_x(source(i) * 4u));
//% elif PER == 2
    let e = i * 2u;
    if (e >= p.n) { return; }
    var v = vec2<f32>(load_x(source(e)), 0.0);
    if (e + 1u < p.n) { v.y = load_x(source(e + 1u)); }
    store2_y(e, v);
//% else
    if (i >= p.n) { return; }
    store_y(i, load_x(source(i)));
//% end
}
