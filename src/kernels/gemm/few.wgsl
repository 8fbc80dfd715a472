//%% Products of few rows (few.c). A workgroup stages MT rows of x in workgroup memory, then computes the outputs of its
//%% tile: wid.x counts tiles over all segments, wid.y groups of MT rows. STAGE, SEGMENTS and PICK are generated.
//% if REDUCE
//% include "plan/reduce.wgsl"
//% end
//% if ORDERED
//% include "plan/ordered.wgsl"
//% end
const WG = ${WG}u;
const KQ = ${KQ}u; // vec4 of a staged row; blocks are padded with zeros
var<workgroup> xs: array<vec4<f32>, ${KQ * MT}>;

//% if CHUNKED
// Fills xs with the columns from block `first` on.
fn stage_chunk(m0: u32, first: u32, lid: u32) {
    for (var m = 0u; m < ${MT}u; m++) {
        let row = min(m0 + m, p.rows - 1u)${SHARE};
        ${STAGE}
    }
}

//% end
//% if ORDERED && LANES > 1
var<workgroup> lane_sums: array<f32, ${WG}>;

// The sums of LANES neighbouring threads, added up in turns of SLICES (plan/order.h).
fn lanes_sum(x: f32, lid: u32) -> f32 {
    workgroupBarrier(); // the sums before have been read
    lane_sums[lid] = x;
    workgroupBarrier(); // all are there
    let first = lid / ${LANES}u * ${LANES}u;
    var sum = 0.0;
//% for t in 0..LANES / SLICES
    var turn${t} = 0.0;
//% for s in 0..SLICES
    turn${t} += lane_sums[first + ${t * SLICES + s}u];
//% end
    sum += turn${t};
//% end
    return sum;
}

//% end
${SEGMENTS}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let m0 = wid.y * ${MT}u;
//% if !CHUNKED
    for (var m = 0u; m < ${MT}u; m++) {
        let row = min(m0 + m, p.rows - 1u)${SHARE};
        ${STAGE}
    }
    workgroupBarrier(); // xs is whole before any lane reads it
//% end
    ${PICK}
}
