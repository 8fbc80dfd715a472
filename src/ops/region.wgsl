// A generated elementwise region or row kernel (region.c). BODY holds the statements.
// By row: one workgroup a row, its threads walk the columns. Flat: a thread computes PER_THREAD elements, WG apart.
//% include "plan/math.wgsl"
//% include "ops/elementwise.wgsl"
//% if SINCOS
//% include "plan/sincos.wgsl"
//% end
//% if BY_ROW
//% include "plan/reduce.wgsl"
//% end
const WG = ${WG}u;

@compute @workgroup_size(${WG})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
//% if BY_ROW
    let row = group_index(wid, nwg);
    if (row >= p.rows) {
        return;
    }
    ${BODY}
//% else
    let first = group_index(wid, nwg) * ${WG * PER_THREAD}u + lid;
    for (var k = 0u; k < ${PER_THREAD}u; k++) {
        let i = first + k * WG;
        let row = i / p.n;
        let col = i % p.n;
        if (row < p.rows) {
        ${BODY}
        }
    }
//% end
}
