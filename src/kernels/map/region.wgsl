//%% A generated group of elementwise and row kernels side by side (region.c): part i has the workgroups below end_i.
//%% BODY picks the part. By row: a workgroup, or some of its threads, walk the columns of one. Flat: a thread computes
//%% four elements, WG apart.
//% if REDUCE
//% include "plan/reduce.wgsl"
//% end
const WG = ${WG}u;

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let group = group_index(wid, nwg);
    ${BODY}
}
