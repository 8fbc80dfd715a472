//%% Rows of a q4gsw table. A thread makes eight channels of a row of E; rows outside [p.first, p.last) belong to the
//%% step of another part of the weight. LINEAR: even channels lie in the low half of a byte.
//% set BYTES = E / 2
//% set ITEMS = (E + 7) / 8
//% include "ops/q4gsw.wgsl"
//% include "ops/table_row.wgsl"

fn scale(row: u32, d: u32) -> f32 {
    return load_s(row * ${GROUPS}u + min(d / ${GROUP}u, ${GROUPS - 1}u));
}

fn store_vec(at: u32, d: u32, v: vec4<f32>) {
//% if E % 4 == 0
    if (d < ${E}u) { store4_y(at + d, v); }
//% else
//% for j in 0..4
    if (d + ${j}u < ${E}u) { store_y(at + d + ${j}u, v[${j}]); }
//% end
//% end
}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let i = group_index(wid, nwg) * ${WG}u + lid;
    if (i >= p.count) { return; }
    let row = table_row(i / ${ITEMS}u);
    if (row < p.first || row >= p.last) { return; }
    let d = i % ${ITEMS}u * 8u;
    let at = i / ${ITEMS}u * ${E}u;
//% if LINEAR
    let b = w_bytes(row - p.first, d >> 1u);
//% else
    let raw = w_bytes(row - p.first, d >> 1u);
    let b = ((raw >> 4u) & 0x0f0f0f0fu) | ((raw & 0x0f0f0f0fu) << 4u);
//% end
//% if GROUP % 8 == 0
    let s = vec4<f32>(scale(row, d));
    store_vec(at, d, w_four(b) * s);
    store_vec(at, d + 4u, w_four(b >> 16u) * s);
//% else
    store_vec(at, d, w_four(b) * vec4<f32>(scale(row, d), scale(row, d + 1u), scale(row, d + 2u), scale(row, d + 3u)));
    store_vec(at, d + 4u, w_four(b >> 16u) * vec4<f32>(scale(row, d + 4u), scale(row, d + 5u), scale(row, d + 6u),
                                                       scale(row, d + 7u)));
//% end
}
