//%% A thread writes 32 columns of a packed weight to y, element by element in f32. ITEMS pieces make a row of K
//%% columns, p.count are made, of the rows from p.first on.
//% include "plan/dequant.wgsl"

@compute @workgroup_size(${WG})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>,
        @builtin(local_invocation_index) lid: u32) {
    let i = group_index(wid, nwg) * ${WG}u + lid;
    if (i >= p.count) { return; }
    let piece = i % ${ITEMS}u;
    let at = (p.first + i / ${ITEMS}u) * ${K}u;
    let v = w_load_w(i / ${ITEMS}u, piece);
//% for j in 0..8
//% if K % 4 == 0
    if (piece * 32u + ${4 * j}u < ${K}u) { store4_y(at + piece * 32u + ${4 * j}u, v[${j}]); }
//% else
//% for c in 0..4
    if (piece * 32u + ${4 * j + c}u < ${K}u) { store_y(at + piece * 32u + ${4 * j + c}u, v[${j}][${c}]); }
//% end
//% end
//% end
}
