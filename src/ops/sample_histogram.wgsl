// Sampler, step 2: for each segment and each of 256 bins of distance below the maximum, how many tokens and what mass.
//
// Integer additions only, so their order does not matter. Greedy runs leave at once.

//% include "ops/sample_common.wgsl"
//% include "ops/sample_mass.wgsl"

var<workgroup> count: array<atomic<u32>, 256>;
var<workgroup> low: array<atomic<u32>, 512>;  // mass, then mass at the temperature
var<workgroup> high: array<atomic<u32>, 512>;

fn add_mass(i: u32, m: vec2<u32>) {
    if ((m.x | m.y) == 0u) { return; }
    let before = atomicAdd(&low[i], m.x);
    let carry = m.y + select(0u, 1u, before + m.x < before);
    if (carry != 0u) { atomicAdd(&high[i], carry); }
}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let group = group_index(wid, nwg);
    let row = row_of(group, ${SEGMENTS}u);
    let segment = group - row * ${SEGMENTS}u;
    if (row >= p.rows || segment >= ${SEGMENTS}u) { return; }
    let held = owner(row, lid);
    if (held == NOBODY || (held & DRAW) == 0u) { return; }
    var top = 0u;
    for (var s = 0u; s < ${SEGMENTS}u; s++) { top = max(top, load_part(2u * (row * ${SEGMENTS}u + s))); }
    fill_masses(lid);
    for (var b = lid; b < 512u; b += ${WG}u) { // not every driver starts workgroup memory as zeros
        if (b < 256u) { atomicStore(&count[b], 0u); }
        atomicStore(&low[b], 0u);
        atomicStore(&high[b], 0u);
    }
    workgroupBarrier(); // masses and zeros are there
    let start = segment * ${SEGMENT}u;
    for (var i = start + lid; i < min(start + ${SEGMENT}u, ${V}u); i += ${WG}u) {
        let key = load_keys(row * ${SEGMENTS * SEGMENT}u + i);
        if (key == 0u) { continue; }
        let gap = half_gap(top, key);
        let bin = bin_of(gap);
        atomicAdd(&count[bin], 1u);
        if (flag(USE_TOP_P)) { add_mass(bin, mass_of(gap)); }
        add_mass(256u + bin, mass_t_of(gap));
    }
    workgroupBarrier(); // the segment is counted
    for (var b = lid; b < 256u; b += ${WG}u) {
        let at = group * 1280u + b;
        store_hist(at, atomicLoad(&count[b]));
        store_hist(at + 256u, atomicLoad(&low[b]));
        store_hist(at + 512u, atomicLoad(&high[b]));
        store_hist(at + 768u, atomicLoad(&low[256u + b]));
        store_hist(at + 1024u, atomicLoad(&high[256u + b]));
    }
}
