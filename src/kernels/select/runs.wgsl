//%% The first p.cap elements of each run of RUN elements of a row, in order (kernels/select/select.h). A workgroup
//%% takes one of the p.chunks runs of a row or, where PER > 1, PER whole rows. LAST: a row is one run, and these are
//%% the results; else pairs of key and place go to `part`, p.cap of a run. Groups beyond p.groups return as a whole.
//% include "kernels/select/key.wgsl"

var<workgroup> keys: array<u32, ${RUN}>;

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let group = group_index(wid, nwg);
    if (group >= p.groups) { return; }
    let row0 = group / p.chunks * ${PER}u;
    let first = group % p.chunks * ${RUN}u;
    let size = min(p.n - first, ${RUN}u);
    let count = min(p.rows - row0, ${PER}u) * size;
    for (var i = lid; i < count; i += ${WG}u) {
        keys[i] = key_of(load_x((row0 + i / size) * p.n + first + i % size));
    }
    workgroupBarrier(); // all keys are there
    for (var i = lid; i < count; i += ${WG}u) {
        let start = i / size * size;
        let mine = keys[i];
        var before = 0u;
        for (var j = start; j < start + size; j++) {
            let other = keys[j];
            before += select(0u, 1u, other > mine || (other == mine && j < i));
        }
        if (before < p.cap) {
            let row = row0 + i / size;
            let place = first + i - start;
//% if LAST
            store_indices(row * p.cap + before, i32(place));
            store_values(row * p.cap + before, load_x(row * p.n + place));
//% else
            let at = ((row * p.chunks + group % p.chunks) * p.cap + before) * 2u;
            store_part(at, mine);
            store_part(at + 1u, place);
//% end
        }
    }
}
