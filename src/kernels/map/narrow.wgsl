//%% Halves from the f32 values that a fused program stored (narrow.c): a thread owns a word, which holds two of them.
//%% The last of an odd number of halves has 0 beside it.
fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let i = (group_index(wid, nwg) * ${WG}u + lid) * 2u;
    if (i >= p.count) {
        return;
    }
    var second = 0.0;
    if (i + 1u < p.count) {
        second = load_x(i + 1u);
    }
    store2_y(i, vec2<f32>(load_x(i), second));
}
