//%% Quads of a row of N elements that need not be a multiple of four: elements 4q .. 4q + 3 of the row that begins at
//%% `at`,
//%% zeros past its end. Values: X, the operand's name; N; STORE = 1 gives the store in place of the load.
//% if STORE
fn store_${X}_vec(at: u32, q: u32, v: vec4<f32>) {
//% if N % 4 == 0
    store4_${X}(at + q * 4u, v);
//% else
    let left = ${N}u - q * 4u;
    let i = at + q * 4u;
    store_${X}(i, v.x);
    if (left > 1u) { store_${X}(i + 1u, v.y); }
    if (left > 2u) { store_${X}(i + 2u, v.z); }
    if (left > 3u) { store_${X}(i + 3u, v.w); }
//% end
}
//% else
fn load_${X}_vec(at: u32, q: u32) -> vec4<f32> {
//% if N % 4 == 0
    return load4_${X}(at + q * 4u);
//% else
    var v = vec4<f32>(0.0);
    let left = ${N}u - q * 4u;
    let i = at + q * 4u;
    v.x = load_${X}(i);
    if (left > 1u) { v.y = load_${X}(i + 1u); }
    if (left > 2u) { v.z = load_${X}(i + 2u); }
    if (left > 3u) { v.w = load_${X}(i + 3u); }
    return v;
//% end
}
//% end
