//%% A thread moves UNIT elements of x to the same place of s; p.count elements are moved. UNIT = 2: 16-bit elements, of
//%% which the last may be alone in its word.
fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let i = (group_index(wid, nwg) * ${WG}u + lid) * ${UNIT}u;
    if (i >= p.count) { return; }
//% if UNIT == 4
    store4_s(i, load4_x(i));
//% elif UNIT == 2
    var second = 0.0;
    if (i + 1u < p.count) { second = load_x(i + 1u); }
    store2_s(i, vec2<f32>(load_x(i), second));
//% else
    store_s(i, load_x(i));
//% end
}
